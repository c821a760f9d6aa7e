"""The blocking calls of the executors from a script of its own: under the daemon's lock, over real sockets, judged by the exchange."""

import re
import subprocess
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from domain import ExecutionMode, Side
from events import ExecutionStarted
from trade_lifecycle import TradeState

from tests.rehearsal.by_hand import told, traded
from tests.rehearsal.stage import LONG, ROOT, Trader, ledger_on_disk

FAST = {"TRADER_PAPER_SPEED": "60"}
BEGIN = """
from dataclasses import replace
from decimal import Decimal

import msgspec
import scripting
from domain import OptionLeg, RFQParams, Side, SmartExecConfig
from errors import TraderError

def tell(**facts):
    print(msgspec.json.encode(facts).decode(), flush=True)

def summary(result):
    legs = [(leg.symbol, int(leg.side), leg.wanted, leg.filled, leg.value, leg.fees) for leg in result.legs]
    return dict(success=result.success, reason=result.reason, cost=result.total_cost, fees=result.fees, legs=legs)

def listed(market, days, *wishes):
    # the options of the first expiry so many days away whose strikes lie nearest to so many per cent of the index
    options = sorted(market.get_option_instruments("BTC"), key=lambda option: option.expiry)
    expiry = [each.expiry for each in options if (each.expiry - options[0].expiry).days >= days][0]
    index = market.get_index_price("BTC")
    fits = lambda kind: [each for each in options if each.expiry == expiry and each.option_type == kind]
    return [min(fits(kind), key=lambda each: abs(each.strike - index * pct / 100)) for kind, pct in wishes]

def strangle_of(market, qty="0.5"):
    return [OptionLeg(instrument=each, side=Side.BUY, qty=Decimal(qty)) for each in listed(market, 10, ("C", 110), ("P", 90))]
"""


class Told(msgspec.Struct):
    """The summary of a result, as a script told it."""

    success: bool
    reason: str
    cost: Decimal
    fees: Decimal
    legs: list[tuple[str, Side, Decimal, Decimal, Decimal, Decimal]]


def run(trader: Trader, code: str, more: Mapping[str, str] = FAST) -> subprocess.CompletedProcess[str]:
    """Run a script to its end, as a person would in another terminal."""
    environment = {**trader._environment, "PYTHONPATH": str(ROOT), "TRADER_SNAPSHOT_SECONDS": "1", **more}
    line = [sys.executable, "-c", code]
    return subprocess.run(line, cwd=trader.home, env=environment, text=True, capture_output=True, timeout=LONG, check=False)


def results_of(answer: subprocess.CompletedProcess[str]) -> dict[str, Told]:
    """Return the results that a script told, by the names it gave them."""
    assert answer.returncode == 0, answer.stderr
    found: dict[str, Told] = {}
    for line in answer.stdout.splitlines():
        found |= msgspec.json.decode(line, type=dict[str, Told], strict=False)
    return found


def flat_and_true(trader: Trader, *results: Told) -> None:
    """Hold what a script was told against the exchange's own books, once it is flat."""
    ledger = ledger_on_disk(trader.state / "exchange")
    mine = traded(ledger)
    assert (ledger.holdings, ledger.working) == ({}, [])
    assert mine == told(trader.events())
    assert sum(result.cost for result in results) == sum(qty * price for _, qty, price, _ in mine.values())
    assert sum(result.fees for result in results) == sum(fee for *_, fee in mine.values())
    assert ledger.earned == -sum(result.cost + result.fees for result in results)
    for symbol, _, wanted, filled, _, _ in (leg for result in results for leg in result.legs):
        assert filled == wanted == sum(abs(qty) for name, qty, _, _ in mine.values() if name == symbol) / 2


def test_a_script_buys_from_makers_and_sells_back_flat_and_is_told_the_truth(trader: Trader) -> None:
    code = """
with scripting.session() as context:
    legs = strangle_of(context.market)
    opened = context.rfq.execute(legs, action="buy")
    assert opened.quotes and opened.request_id and opened.improvement_pct >= 0, opened
    tell(opened=summary(opened))
    tell(closed=summary(context.rfq.execute(legs, action="sell")))
"""
    results = results_of(run(trader, BEGIN + code))

    opened, closed = results["opened"], results["closed"]
    assert [result.success for result in (opened, closed)] == [True, True]
    assert [leg[1] for leg in opened.legs + closed.legs] == [Side.BUY, Side.BUY, Side.SELL, Side.SELL]
    assert opened.cost > 0 > closed.cost
    flat_and_true(trader, opened, closed)
    [trade] = trader.trades()
    assert (trade.strategy, trade.state, trade.net_profit) == ("script", TradeState.CLOSED, -opened.cost - closed.cost - trade.fees)


def test_a_script_works_a_structure_in_chunks_and_its_reverse_closes_it_flat(trader: Trader) -> None:
    code = """
with scripting.session() as context:
    config = SmartExecConfig(chunk_count=2, time_per_chunk=20, quoting_strategy="mid")
    low, high = listed(context.market, 5, ("C", 100), ("C", 105))
    legs = [OptionLeg(instrument=low, side=Side.BUY, qty=Decimal("0.2")), OptionLeg(instrument=high, side=Side.SELL, qty=Decimal("0.2"))]
    opened = context.smart.execute_smart_multi_leg(legs, config)
    assert opened.chunks_completed == 2, opened
    tell(opened=summary(opened))
    tell(closed=summary(context.smart.execute_smart_multi_leg([replace(leg, side=leg.side.opposite) for leg in legs], config)))
"""
    results = results_of(run(trader, BEGIN + code))

    assert [result.success for result in results.values()] == [True, True]
    flat_and_true(trader, *results.values())
    assert [event.mode for event in trader.events() if isinstance(event, ExecutionStarted)] == [ExecutionMode.SMART] * 2


def test_what_a_script_may_not_do_is_refused_with_the_reason_and_nothing_is_sent(trader: Trader) -> None:
    code = """
def refused(call):
    try:
        call()
    except TraderError as no:
        print(f"{type(no).__name__}: {no}")

with scripting.session() as context:
    legs = strangle_of(context.market)
    refused(lambda: context.rfq.execute(legs, action="open"))
    context.lifecycle.block_entries("person", "holiday until Monday")
    refused(lambda: context.rfq.execute(legs))
    refused(lambda: context.smart.execute_smart_multi_leg(legs))
    context.lifecycle.lift_block("person")
    refused(lambda: context.smart.execute_smart_multi_leg([replace(leg, qty=Decimal("0.005")) for leg in legs]))
    small = context.rfq.execute([replace(leg, qty=Decimal("0.01")) for leg in legs])
    print(small.success, small.legs, small.reason)
    context.opened.journal.set_meta(needs_attention="a page of it was damaged")
with scripting.session() as context:
    refused(lambda: context.rfq.execute(strangle_of(context.market)))
"""
    answer = run(trader, BEGIN + code)

    assert answer.returncode == 0, answer.stderr
    action, blocked, also_blocked, dust, other_dust, small, damaged = answer.stdout.splitlines()
    assert action.startswith("ConfigError: action must be 'buy' or 'sell'")
    assert blocked == also_blocked == "RiskDenied: nothing is opened: holiday until Monday"
    assert dust.startswith("ConfigError: 0.005 of BTCUSD-")
    assert all("not a whole number of lots" in said for said in (dust, other_dust))
    assert small.startswith("False ()")
    assert "below the 50000 USD of a block" in small
    assert damaged.startswith("RiskDenied: nothing is opened: ")
    assert "a page of it was damaged; look, then --acknowledge" in damaged
    assert ledger_on_disk(trader.state / "exchange").orders == []


@pytest.mark.soak
def test_a_running_daemon_keeps_scripts_out_and_a_session_keeps_the_daemon_out(trader: Trader) -> None:
    trader.start("--strategies-file", str(nothing_to_do(trader.home)))
    beside = run(trader, "import scripting\nwith scripting.session(): print('in')", {})
    trader.stop()
    code = """
import subprocess, sys
with scripting.session():
    daemon = subprocess.run([sys.executable, MAIN], text=True, capture_output=True, timeout=30)
    print(daemon.returncode, daemon.stderr)
""".replace("MAIN", repr(str(ROOT / "main.py")))
    within = run(trader, BEGIN + code, {})

    assert beside.returncode == 1
    assert "JournalError" in beside.stderr
    assert beside.stdout == ""
    assert within.stdout.startswith("1 error: "), within.stderr
    assert "is in use by process" in within.stdout


@pytest.mark.soak
def test_l23_a_script_killed_before_its_accept_is_sent_is_known_to_have_traded_nothing(trader: Trader) -> None:
    code = """
import os, signal
from events import BlockIntended

with scripting.session() as context:
    legs = strangle_of(context.market)
    journal, append = context.opened.journal, context.opened.journal.append
    def deadly(*events):
        append(*events)
        if any(isinstance(event, BlockIntended) for event in events):
            os.kill(os.getpid(), signal.SIGKILL)
    journal.append = deadly
    context.rfq.execute(legs)
"""
    dead = run(trader, BEGIN + code)
    assert dead.returncode == -9, dead.stderr
    again = """
with scripting.session() as context:
    while context.lifecycle.active:
        context.monitor.tick()
        context.inbox.wait(0.02)
    tell(opened=summary(context.rfq.execute(strangle_of(context.market))))
    tell(closed=summary(context.rfq.execute(strangle_of(context.market), action="sell")))
"""
    results = results_of(run(trader, BEGIN + again))

    assert [trade.state for trade in trader.trades()] == [TradeState.FAILED, TradeState.CLOSED]
    flat_and_true(trader, *results.values())


@pytest.mark.soak
def test_a_close_that_makers_may_not_be_asked_for_is_finished_on_the_book(trader: Trader) -> None:
    code = """
with scripting.session() as context:
    legs = strangle_of(context.market)
    context.rfq.execute(legs, action="buy")
"""
    again = """
with scripting.session() as context:
    [trade] = context.lifecycle.active_trades_for_strategy("script")
    context.rfq.execute([OptionLeg(instrument=leg.option, side=leg.side, qty=leg.target) for leg in trade.legs], action="sell")
    assert context.lifecycle.active == ()
"""
    opened = run(trader, BEGIN + code)
    closed = run(trader, BEGIN + again, {**FAST, "TRADER_RFQ_MIN_NOTIONAL_USD": "1000000"})

    assert (opened.returncode, closed.returncode) == (0, 0), opened.stderr + closed.stderr
    modes = [event.mode for event in trader.events() if isinstance(event, ExecutionStarted)]
    assert modes == [ExecutionMode.RFQ, ExecutionMode.LIMIT]
    ledger = ledger_on_disk(trader.state / "exchange")
    assert (ledger.holdings, ledger.working, traded(ledger)) == ({}, [], told(trader.events()))


@pytest.mark.parametrize("number", [0, 1], ids=["rfq", "smart"])
def test_the_scripts_of_the_page_on_scripts_trade_as_they_stand(trader: Trader, number: int) -> None:
    page = (ROOT / "docs/scripting.md").read_text(encoding="utf-8")
    code = re.findall(r"^```py\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[number]

    answer = run(trader, code, {})

    assert answer.returncode == 0, answer.stderr
    assert [line.split()[0] for line in answer.stdout.splitlines()] == ["True", "True"]
    ledger = ledger_on_disk(trader.state / "exchange")
    assert (ledger.holdings, ledger.working) == ({}, [])
    assert traded(ledger) == told(trader.events()) != {}


def nothing_to_do(folder: Path) -> Path:
    """Write a file of strategies of which none ever enters."""
    file = folder / "idle.py"
    text = (
        "from strategy import *\ndef idle():\n    return StrategyConfig(name='idle', legs=strangle(qty=0.01), "
        "entry_conditions=[lambda account: False], exit_conditions=[max_hold_hours(1)])\nSTRATEGIES = [idle]\n"
    )
    file.write_text(text, encoding="utf-8")
    return file
