"""The main job, whole: a trade is entered, held, left and accounted for, and the program can be stopped and asked at any time."""

import os
import signal
from decimal import Decimal
from pathlib import Path

import pytest

from clock import pause
from events import EntriesRefused
from paper.rules import OrderState
from trade_lifecycle import TradeLeg, TradeState

from tests.rehearsal.stage import (
    GOODBYE,
    LONG,
    Exchange,
    Trader,
    a_strategies_file,
    booked,
    child_of,
    ledger_on_disk,
    running,
    until,
)

FAST = ("--paper-speed", "60")


def the_numbers_of(line: str) -> dict[str, Decimal]:
    """Read `name=1.5 other=2` out of a line of the log."""
    pairs = (word.partition("=") for word in line.split())
    return {name: Decimal(value) for name, mark, value in pairs if mark and value.replace(".", "").replace("-", "").isdecimal()}


def standing(trader: Trader) -> list[tuple[TradeState, tuple[TradeLeg, ...]]]:
    """Return where each trade stands and what it holds."""
    return [(trade.state, trade.legs) for trade in trader.trades()]


def test_a_micro_strangle_lives_its_whole_life_and_its_result_adds_up_by_hand(trader: Trader) -> None:
    trader.start("--strategy", "micro_strangle", *FAST)
    told = the_numbers_of(trader.hear("trade result", within=LONG)[0])
    trader.stop(signal.SIGINT)

    story = trader.story
    stations = ["trade created", "trade opening", "trade open id", "trade pending close", "trade closing", "trade closed"]
    assert sorted(stations, key=story.index) == stations
    fills = [line.split() for line in trader.lines("order filled")]
    gross = sum((Decimal(f[6]) * Decimal(f[9]) * (1 if f[5] == "sell" else -1) for f in fills), Decimal(0))
    fees = sum((Decimal(f[10].removeprefix("fee=")) for f in fills), Decimal(0))
    assert (told["gross"], told["fees"], told["net"]) == (gross, fees, gross - fees)
    ledger = ledger_on_disk(trader.state / "exchange")
    assert (ledger.earned, ledger.holdings, ledger.working) == (gross - fees, {}, [])
    assert booked(trader.events()) == ledger.fills_of_orders()
    assert "Traceback" not in story


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_l32_a_signal_ends_the_daemon_at_once_and_leaves_every_trade_as_it_is(
    trader_beside: Trader, exchange: Exchange, tmp_path: Path, number: signal.Signals
) -> None:
    trader_beside.start("--strategies-file", str(a_strategies_file(tmp_path, hold=3600)))
    trader_beside.hear("trade open id")
    before, orders = standing(trader_beside), exchange.ledger().orders

    took = trader_beside.stop(number)

    assert took < GOODBYE
    assert standing(trader_beside) == before
    assert exchange.ledger().orders == orders
    assert f"daemon stopping signal={number.name}" in trader_beside.story
    assert "daemon stopped trades left as they are=quick#1 open" in trader_beside.story


def test_a_trade_left_open_is_resumed_and_closed_by_the_next_start(trader_beside: Trader, exchange: Exchange, tmp_path: Path) -> None:
    trader_beside.start("--strategies-file", str(a_strategies_file(tmp_path, hold=3600)))
    trader_beside.hear("trade open id")
    trader_beside.stop()

    trader_beside.start("--strategies-file", str(a_strategies_file(tmp_path, hold=0.1)))
    trader_beside.hear("trade closed id=quick#1")
    trader_beside.stop()

    ledger = exchange.ledger()
    [trade] = trader_beside.trades()
    assert trade.state is TradeState.CLOSED
    assert (trade.net_profit, ledger.holdings) == (ledger.earned, {})
    assert booked(trader_beside.events()) == ledger.fills_of_orders()


@pytest.mark.soak
def test_orders_that_are_out_at_a_stop_stay_out_and_are_taken_up_again(trader_beside: Trader, exchange: Exchange, tmp_path: Path) -> None:
    patiently = ("--strategies-file", str(a_strategies_file(tmp_path, reach=0, patience=60)))
    trader_beside.start(*patiently)
    until(lambda: len(exchange.ledger().orders) == 2, "both orders rest")

    trader_beside.stop()
    left = [order.client_id for order in exchange.ledger().orders]
    assert not any(order.state is OrderState.CANCELED for order in exchange.ledger().orders)
    trader_beside.start(*patiently)
    trader_beside.hear("trades resumed count=1")
    trader_beside.ask("--close", "1")
    trader_beside.hear("trade result id=quick#1", within=LONG)  # others may have filled one of them meanwhile

    ledger = exchange.ledger()
    assert [order.client_id for order in ledger.orders if not order.reduce_only] == left
    assert (ledger.working, ledger.holdings) == ([], {})
    assert booked(trader_beside.events()) == ledger.fills_of_orders()


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_the_embedded_exchange_ends_with_the_daemon_however_that_ends(trader: Trader, end: str) -> None:
    trader.start("--strategy", "micro_strangle")
    child = child_of(trader.pid)
    assert child is not None

    getattr(trader, end)()

    until(lambda: not running(child), "the exchange has ended", GOODBYE)


def test_an_embedded_exchange_that_dies_is_started_again_and_the_trade_goes_on(trader: Trader, tmp_path: Path) -> None:
    trader.start("--strategies-file", str(a_strategies_file(tmp_path, hold=2)))
    trader.hear("trade open id")
    child = child_of(trader.pid)
    assert child is not None

    os.kill(child, signal.SIGKILL)

    trader.hear("paper exchange ended code=-9: starting it again")
    trader.hear("trade closed id=quick#1", within=LONG)
    trader.stop()
    ledger = ledger_on_disk(trader.state / "exchange")
    assert booked(trader.events()) == ledger.fills_of_orders()
    assert [trade.net_profit for trade in trader.trades()] == [ledger.earned]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_exchange_starts_ends_both_without_a_traceback(trader: Trader, number: signal.Signals) -> None:
    trader.start("--strategy", "micro_strangle", ready=False)
    until(lambda: child_of(trader.pid) is not None, "the exchange is being started")
    child = child_of(trader.pid)
    assert child is not None

    took = trader.stop(number)

    assert took < GOODBYE
    until(lambda: not running(child), "the exchange has ended", GOODBYE)
    assert "Traceback" not in trader.story
    assert "stopped before the daemon was ready" in trader.story


# ---- asking and telling it from another terminal


@pytest.mark.soak
def test_the_status_tells_trades_results_and_why_not_while_the_daemon_runs(trader_beside: Trader, tmp_path: Path) -> None:
    trader_beside.start("--strategies-file", str(a_strategies_file(tmp_path, hold=0.1)))
    trader_beside.hear("trade result id=quick#1")
    trader_beside.hear("max_trades_per_day")
    until(lambda: any(isinstance(event, EntriesRefused) for event in trader_beside.events()), "the refusal is journalled")

    answer = trader_beside.ask("--status")

    [trade] = trader_beside.trades()
    assert answer.returncode == 0
    for part in (
        "strategy    quick (running)",
        f"process {trader_beside.pid}, ",
        "1 closed",
        f"net {trade.net_profit:,.2f} USD",
        "why not   ",
        "quick#1 closed",
        "equity ",
    ):
        assert part in answer.stdout


def test_the_status_of_a_daemon_that_never_ran_says_so(trader: Trader) -> None:
    answer = trader.ask("--status")

    assert (answer.returncode, answer.stderr) == (0, "")
    assert "the daemon has not run here yet" in answer.stdout


def test_the_strategies_are_listed_and_the_settings_checked_without_a_start(trader: Trader) -> None:
    listed, checked = trader.ask("--list"), trader.ask("--check")

    assert (listed.returncode, checked.returncode) == (0, 0)
    assert "micro_strangle" in listed.stdout
    assert "all settings are good" in checked.stdout
    assert not (trader.state / "journal.db").exists()


def test_a_person_closes_a_trade_by_its_number(trader_beside: Trader, exchange: Exchange, tmp_path: Path) -> None:
    trader_beside.start("--strategies-file", str(a_strategies_file(tmp_path, hold=3600)))
    trader_beside.hear("trade open id")

    answer = trader_beside.ask("--close", "1")

    assert answer.returncode == 0
    trader_beside.hear("trade closed id=quick#1 because a person asked for it")
    assert exchange.ledger().holdings == {}


@pytest.mark.soak
@pytest.mark.parametrize("wish", [("--close", "99"), ("--pause", "nobody")])
def test_a_command_about_what_is_not_there_is_refused_and_the_daemon_lives(
    trader_beside: Trader, tmp_path: Path, wish: tuple[str, str]
) -> None:
    trader_beside.start("--strategies-file", str(a_strategies_file(tmp_path, hold=3600)))

    trader_beside.ask(*wish)

    assert wish[1] in trader_beside.hear("command refused")[0]
    assert trader_beside.alive


@pytest.mark.soak
def test_a_paused_strategy_enters_no_more_until_it_is_resumed_and_its_trade_is_still_closed(trader_beside: Trader, tmp_path: Path) -> None:
    trader_beside.start("--strategies-file", str(a_strategies_file(tmp_path, hold=6, a_day=2)))
    trader_beside.hear("trade open id=quick#1")

    trader_beside.ask("--pause", "quick")
    trader_beside.hear("strategy paused name=quick")
    trader_beside.hear("trade closed id=quick#1")
    trader_beside.stop()
    trader_beside.start("--strategies-file", str(a_strategies_file(tmp_path, hold=6, a_day=2)))
    trader_beside.hear("strategy waits name=quick for=state because paused because a person asked for it")
    assert "trade created" not in trader_beside.story
    trader_beside.ask("--resume", "quick")

    trader_beside.hear("trade created id=quick#2")


def test_l47_an_outage_never_ends_the_daemon_and_it_goes_on_by_itself(exchange: Exchange, trader_beside: Trader, tmp_path: Path) -> None:
    trader_beside.start("--strategies-file", str(a_strategies_file(tmp_path, hold=3600)))
    trader_beside.hear("trade open id")

    exchange.hang()
    trader_beside.ask("--close", "1")
    trader_beside.hear("command taken")
    pause(4)
    assert trader_beside.alive
    exchange.go_on()

    trader_beside.hear("trade result id", within=LONG)


def test_a_hanging_venue_does_not_hold_up_the_end(exchange: Exchange, trader_beside: Trader, tmp_path: Path) -> None:
    trader_beside.start("--strategies-file", str(a_strategies_file(tmp_path, hold=3600)))
    trader_beside.hear("trade open id")

    exchange.hang()
    pause(3)

    assert trader_beside.stop(signal.SIGTERM) < GOODBYE
    assert standing(trader_beside)[0][0] is TradeState.OPEN
