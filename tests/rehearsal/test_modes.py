"""One strategy for each way to execute, and `auto`, at the same time: each opens and closes flat, and the report adds up by hand."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest

from domain import ExecutionMode
from events import AnyEvent, ExecutionEnded, ExecutionStarted, LegFilled
from status import status_of
from trade_lifecycle import TradeState

from tests.rehearsal.by_hand import sums_of, told, traded, turnover
from tests.rehearsal.stage import LONG, RECORDED, Trader, cast, ledger_on_disk

MODES = ("limit", "smart", "rfq", "auto")
FEW_HOURS, HOURLY = RECORDED / "deribit_chain_6h", RECORDED / "deribit_chain_hourly"
# No two share an expiry, so no leg of one nets against a leg of another.
STRATEGIES = """
from strategy import *

SMART = SmartExecConfig(chunk_count=2, time_per_chunk=20 * {slow}, quoting_strategy="mid", aggressive_wait_seconds=5.0 * {slow})
CHASE = dict(fill_timeout_seconds=10 * {slow}, aggressive_buffer_pct=25, max_requote_rounds=4)
ASK = RFQParams(timeout_seconds=60 * {slow}, poll_seconds=3 * {slow}, gather_seconds=6 * {slow})
PATIENT = LeggingPolicy(max_seconds=300 * {slow}, remedy_seconds=30 * {slow}, cross_cap_pct=25)

def by(mode, legs):
    def factory():
        return StrategyConfig(
            name=f"by_{{mode}}",
            legs=legs,
            exit_conditions=[max_hold_hours({hold} / 3600)],
            execution_mode=mode,
            execution=ExecutionParams(**CHASE, smart=SMART, rfq=ASK, legging=PATIENT),
            max_concurrent_trades=1,
            max_trades_per_day=1,
            check_interval_seconds=5,
        )
    factory.__name__ = f"by_{{mode}}"
    return factory

STRATEGIES = [
    by("limit", strangle(0.1, 0.3, -0.3, dte={days[0]}, side=2)),
    by("smart", butterfly(0.2, 5, "C", dte={days[1]}, side=1)),
    by("rfq", strangle(0.5, 0.25, -0.25, dte={days[2]}, side=1)),
    by("auto", iron_condor(0.5, 0.3, 0.12, dte={days[3]}, side=2)),
]
"""


def a_strategies_file(folder: Path, days: Sequence[float], *, hold: float, slow: float = 1) -> Path:
    """Write a file with a strategy for each mode, by_limit to by_auto; `slow` stretches how long each waits for the market."""
    file = folder / "modes.py"
    file.write_text(STRATEGIES.format(days=days, hold=hold, slow=slow), encoding="utf-8")
    return file


# ---- the same, by hand


def shortfall_of(started: ExecutionStarted, events: Sequence[AnyEvent]) -> tuple[Fraction, Fraction | None]:
    """Return what an execution paid by its own fills, USD, and how much more than the mids of its decision; None without a mid."""
    begun = events.index(started)
    later = [event for event in events[begun + 1 :] if isinstance(event, ExecutionStarted | LegFilled) and event.trade == started.trade]
    paid, arrival = Fraction(0), Fraction(0)
    books = {leg.symbol: leg for leg in started.legs}
    for event in later:
        if isinstance(event, ExecutionStarted):
            break
        fill, book = event.fill, books[event.fill.symbol]
        paid += Fraction(fill.side.sign * fill.qty * fill.price)
        if book.bid is None or book.ask is None:
            return paid, None
        arrival += fill.side.sign * Fraction(fill.qty) * (Fraction(book.bid) + Fraction(book.ask)) / 2
    return paid, paid - arrival


Told = dict[str, object]


class Part(msgspec.Struct):
    """What of `--report --json` is looked at."""

    trades: list[Told]
    sums: dict[str, Decimal]
    adds_up: bool
    differences: list[str]


class Answer(msgspec.Struct):
    """`--report --json`."""

    real: Part


def the_report_adds_up(trader: Trader, *market: str) -> None:
    """Recompute every sum of the report from the raw fills, and every shortfall from the books that were kept at its decision."""
    events = trader.events()
    answer = trader.ask("--report", "--json", *market)
    assert answer.returncode == 0, answer.stderr
    report = msgspec.json.decode(answer.stdout, type=Answer, strict=False).real
    assert (report.adds_up, report.differences) == (True, [])
    assert tuple(report.sums[name] for name in ("gross", "fees", "net")) == sums_of(told(events))
    starts = [event for event in events if isinstance(event, ExecutionStarted)]
    measured = 0
    for trade in report.trades:
        number = int(str(trade["trade"]))
        assert tuple(Decimal(str(trade[name])) for name in ("gross", "fees", "net")) == sums_of(told(events, number))
        runs = msgspec.convert(trade["executions"], list[Told])
        mine = [start for start in starts if start.trade == number]
        assert [run["run"] for run in runs] == [start.run for start in mine]
        for run, start in zip(runs, mine, strict=True):
            paid, shortfall = shortfall_of(start, events)
            assert Fraction(str(run["paid"])) == paid
            if Decimal(str(run["filled"])) != 0 and shortfall is not None:
                assert Fraction(str(run["shortfall"])) == shortfall
                measured += 1
    assert measured >= 2 * len(report.trades)  # each opening and each close
    assert trader.ask("--report", *market).stdout.splitlines()[-1].strip() == "it adds up"


def flat_at_the_exchange(trader: Trader) -> None:
    """Hold the journal against the exchange's own books, once both have ended."""
    ledger, events = ledger_on_disk(trader.state / "exchange"), trader.events()
    fills = traded(ledger)
    assert (ledger.holdings, ledger.working) == ({}, [])
    assert fills == told(events)
    assert ledger.earned == sums_of(fills)[2]


def opened_and_closed_whole(trader: Trader) -> dict[str, list[ExecutionMode]]:
    """Require of every trade that each leg was traded once each way, no more; return the modes by strategy, in order."""
    events = trader.events()
    trades = status_of(events).trades
    assert {trade.strategy: trade.state for trade in trades} == dict.fromkeys([f"by_{mode}" for mode in MODES], TradeState.CLOSED)
    for trade in trades:
        fills = told(events, trade.number)
        for leg in trade.legs:
            assert turnover(fills, leg.option.symbol) == (leg.target, leg.target), f"{trade.id}: {leg.option.symbol}"
    starts = [event for event in events if isinstance(event, ExecutionStarted)]
    assert len([event for event in events if isinstance(event, ExecutionEnded)]) == len(starts)
    return {trade.strategy: [start.mode for start in starts if start.trade == trade.number] for trade in trades}


# ---- the rehearsals


def test_each_mode_and_auto_opens_and_closes_flat_and_the_report_adds_up(trader: Trader) -> None:
    file = a_strategies_file(trader.home, (2, 7, 14, 30), hold=60)
    trader.start("--strategies-file", str(file), "--paper-speed", "60")

    trader.hear("trade result", times=4, within=LONG)
    trader.stop()

    modes = opened_and_closed_whole(trader)
    assert modes["by_limit"] == [ExecutionMode.LIMIT] * 2
    assert modes["by_smart"] == [ExecutionMode.SMART] * 2
    assert modes["by_rfq"][0] is modes["by_auto"][0] is ExecutionMode.RFQ  # a close may be left to the book by the quotes of the moment
    flat_at_the_exchange(trader)
    the_report_adds_up(trader)
    assert "Traceback" not in trader.story


@pytest.mark.parametrize(
    ("market", "days", "speed"),
    [(FEW_HOURS, (1, 7, 14, 30), 600), pytest.param(HOURLY, (1, 7, 14, 30), 600, marks=pytest.mark.soak)],
    ids=["few hours", "hourly"],
)
def test_each_mode_and_auto_opens_and_closes_flat_on_a_recorded_market(
    tmp_path: Path, market: Path, days: Sequence[float], speed: int
) -> None:
    if not market.is_dir():
        pytest.skip(f"no recordings in {market}")
    trader, where = Trader(tmp_path), ("--paper-market", str(market.resolve()))
    trader.state = trader.home / "state" / f"paper-{market.name}-1"
    with cast(trader):
        file = a_strategies_file(trader.home, days, hold=1800, slow=5)
        trader.start("--strategies-file", str(file), *where, "--paper-speed", str(speed))
        trader.hear("trade result", times=4, within=LONG)
        trader.stop()

        opened_and_closed_whole(trader)
        flat_at_the_exchange(trader)
        the_report_adds_up(trader, *where)
