"""Forty-eight hours and more of the whole program: it neither grows, nor tires, nor loses a cent, nor complains without a reason.

SOAK_HOURS (simulated), SOAK_SPEED and SOAK_SEED change the run; SOAK_WRITE=1 writes docs/reliability.md; SOAK_HOME is
where all that a run leaves is kept, and with SOAK_AGAIN=1 what is kept there is judged again, without a run.
"""

import os
import sys
from pathlib import Path

import pytest

from tests.rehearsal.stage import RECORDED, ROOT, Trader, cast, ledger_on_disk
from tests.soak.allowed import ALLOWED, UNPRICED
from tests.soak.course import SYNTHETIC, Record, Run, Soak, a_trader, load
from tests.soak.log_lines import health_of, judge
from tests.soak.page import rows_of, section_of, write
from tests.soak.verdict import books_wrong, exchange_wrong, grown, growth_of, log_wrong, money_wrong, trades_wrong

HOURLY = RECORDED / "deribit_chain_hourly"


def a_soak(market: str, hours: float) -> Soak:
    return Soak(
        market=market,
        hours=float(os.environ.get("SOAK_HOURS") or hours),
        speed=float(os.environ.get("SOAK_SPEED") or 120),
        seed=int(os.environ.get("SOAK_SEED") or 1),
    )


def verdict_of(trader: Trader, record: Record) -> list[str]:
    """Judge a run, tell what it came to, and write it down where that is asked for."""
    lines = list(record.lines())
    health = health_of(lines)
    events, trades, ledger = trader.events(), trader.trades(), ledger_on_disk(trader.state / "exchange")
    growth = growth_of(record.readings, health)
    allowed = ALLOWED if record.soak.market == SYNTHETIC else (*ALLOWED, *UNPRICED)
    judged = judge(lines, allowed, record.troubles, record.hours / 24)
    wrong = [
        *books_wrong(ledger, events, record.person),
        *money_wrong(ledger, trades, record.person),
        *trades_wrong(trades, events, record.hours),
        *record.not_flat,
        *log_wrong(judged),
        *grown(growth),
        *exchange_wrong(record),
        *by_its_own_word(trader, record),
    ]
    rows = list(rows_of(record, growth, judged, lines, health, events, trades))
    section = section_of(rows, events, wrong, record.soak.name)
    sys.stdout.write(f"\n{record.soak.told()}\n{section}\n")
    if os.environ.get("SOAK_WRITE"):
        write(ROOT / "docs" / "reliability.md", record.soak.name, section)
    return wrong


def by_its_own_word(trader: Trader, record: Record) -> list[str]:
    """Ask the program itself: is the journal sound, and does the report add up."""
    market = ("--paper-market", str(record.soak.market))
    checked, report = trader.ask("--verify", *market), trader.ask("--report", *market)
    wrong = [] if checked.returncode == 0 else [f"--verify: {checked.stdout}{checked.stderr}"]
    if not report.stdout.rstrip().endswith("it adds up"):
        wrong.append(f"--report: {report.stdout[-300:]}{report.stderr}")
    stories = "".join(file.read_text(encoding="utf-8", errors="replace") for file in record.home.glob("story-*.txt"))
    return [*wrong, *(["a traceback on the terminal"] if "Traceback" in stories else [])]


def soak(market: str, hours: float, tmp_path: Path) -> list[str]:
    kept = os.environ.get("SOAK_HOME")
    home = tmp_path if kept is None else Path(kept).resolve() / Path(market).name
    if os.environ.get("SOAK_AGAIN"):
        record = load(home)
        return verdict_of(a_trader(record.soak, home), record)
    run = Run(a_soak(market, hours), home)
    with cast(run.trader):
        return verdict_of(run.trader, run.go())


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_l37_forty_eight_hours_and_a_weekend_of_the_synthetic_market_leave_nothing_open_and_nothing_grown(tmp_path: Path) -> None:
    assert soak(SYNTHETIC, 72, tmp_path) == []


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_l37_forty_eight_hours_of_a_recorded_market_leave_nothing_open_and_nothing_grown(tmp_path: Path) -> None:
    if not HOURLY.is_dir():
        pytest.skip(f"no recordings in {HOURLY}")
    assert soak(str(HOURLY.resolve()), 48, tmp_path) == []
