"""Each guard of the running daemon made to fire from outside: the venue, another person on the account, or the disk does something.

A story fails when its guard is taken out. The judge is the exchange's ledger; what the daemon says is only read to see that it was said.
"""

import os
import resource
import signal
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from clock import pause
from control import Verb
from trade_lifecycle import TradeState

from tests.rehearsal.abroad import CALL, PUT, QTY, Plan, World, a_world, breaches, left_over
from tests.rehearsal.guard_stage import A_WHILE, CERTAIN, NEVER, a_stranger, arrived, opened, ordered, told
from tests.rehearsal.other_books import NEW, SELL, Order
from tests.rehearsal.other_server import Fault, Kind
from tests.rehearsal.stage import LONG, until


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An exchange at which every order fills at its own price at once, and a daemon that has not been started."""
    with a_world(tmp_path) as made:
        made.exchange.generous = True
        yield made


def said(world: World, *words: str) -> str:
    """Give the daemon a command as a person would; return what it answered."""
    answer = world.trader.ask(*words)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


# ---- what cannot be known


@pytest.mark.soak
def test_an_account_that_cannot_be_read_stops_entries_and_is_told(world: World) -> None:
    world.server.plan(*(Fault(Kind.STATUS, path, code=503, times=10_000) for path in ("account/summary", "position/get")))
    world.trader.begin(Plan())

    told(world, "account unknown")
    assert len(arrived(world)) == 0

    world.server.faults.clear()
    world.trader.hear("trade closed", within=LONG)
    assert breaches(world) == []


def test_l38_an_index_of_an_hour_ago_is_told_and_nothing_is_opened_on_it(world: World) -> None:
    world.exchange.freeze(age_seconds=3600)
    world.trader.begin(Plan())

    assert "old by its own time" in told(world, "stale index")
    pause(A_WHILE)
    assert len(arrived(world)) == 0


def test_a_clock_that_is_off_and_an_order_that_the_venue_alters_are_told(world: World) -> None:
    world.exchange.clock_offset_ms = 30_000
    world.exchange.generous = False

    def cheaper(order: Order) -> None:
        order.price -= Decimal("0.1")

    world.exchange.on_create = cheaper
    world.trader.begin(Plan())

    assert "30 s apart" in told(world, "clock")
    assert "sent 0.03 @ 1000" in told(world, "order altered")


@pytest.mark.soak  # half a minute passes before an order counts as vanished
def test_an_order_that_the_venue_has_forgotten_is_told(world: World) -> None:
    world.exchange.generous = False
    world.trader.begin(Plan(patience=300))
    world.wait(lambda exchange: len(exchange.working()) == 2, "both legs rest")
    with world.exchange.lock:
        world.exchange.ledger.orders.clear()

    told(world, "order vanished", within=2 * LONG)


# ---- the journal


def test_l29_a_disk_that_is_full_sends_nothing_and_goes_on_once_there_is_space(world: World) -> None:
    opened(world, Plan(hold=2))
    before = len(arrived(world))
    world.trader.limit_files_to((world.trader.state / "journal.db-wal").stat().st_size)

    told(world, "journal")
    pause(A_WHILE)
    assert len(arrived(world)) == before

    world.trader.limit_files_to(resource.RLIM_INFINITY)
    world.trader.hear("trade closed", within=LONG)
    assert breaches(world) == []
    assert left_over(world) == []


# ---- what others do on the account


def test_l20_what_others_hold_is_named_left_alone_and_adopted_only_when_a_person_says_so_twice(world: World) -> None:
    stranger = world.exchange.foreign_order(PUT, SELL, Decimal("0.07"), Decimal(5000))
    world.exchange.foreign[CALL] = Decimal("0.05")
    world.trader.begin(Plan(entry=NEVER))
    world.trader.hear("books compared")
    pause(CERTAIN)
    ordered(world, Verb.RECONCILE)
    world.trader.hear("difference found kind=position of others")
    world.trader.hear("difference found kind=order of others")
    wish = ("--adopt", CALL, "--strategy", "abroad", "--strategies-file", str(world.trader.home / "abroad.py"))

    assert "position of others" in ordered(world, Verb.RECONCILE)
    until(lambda: world.trader.ask(*wish).returncode == 0, "what adopting would do is shown, once the option is known to be listed", LONG)
    assert (stranger.state, world.exchange.position(CALL), len(arrived(world))) == (NEW, Decimal("0.05"), 0)
    assert "is not listed: write the option as the venue does" in world.trader.ask("--adopt", CALL.replace("-C", "1-C"), *wish[2:]).stdout
    said(world, *wish, "--yes")

    world.trader.hear("trade closed", within=LONG)
    assert (stranger.state, world.exchange.position(CALL)) == (NEW, Decimal(0))
    assert [(one.side, one.qty, one.reduce_only) for one in world.exchange.ledger.arrivals] == [(SELL, Decimal("0.05"), True)]


@pytest.mark.soak
def test_a_holding_that_somebody_sells_from_under_a_trade_waits_for_a_person(world: World) -> None:
    opened(world, Plan(hold=600))
    before = len(arrived(world))

    world.exchange.foreign[CALL] = -QTY

    told(world, "quarantine", within=2 * LONG)
    assert {trade.state for trade in world.trader.trades()} == {TradeState.QUARANTINED}
    assert len(arrived(world)) == before


@pytest.mark.soak  # two minutes
@pytest.mark.timeout(400)
def test_a_trade_whose_coins_the_venue_did_not_show_goes_on_once_they_are_shown_again(world: World) -> None:
    opened(world, Plan(hold=60))
    world.exchange.foreign[CALL] = -QTY
    told(world, "quarantine", within=2 * LONG)

    del world.exchange.foreign[CALL]

    told(world, "quarantine over", within=200)
    world.trader.hear("trade closed", within=LONG)
    assert breaches(world) == []


# ---- a person's words


def test_l50_the_kill_switch_shows_first_then_pulls_all_that_is_ours_and_says_flat_once_it_is(world: World) -> None:
    stranger = a_stranger(world)
    opened(world, Plan(hold=600, a_day=2))
    before = len(arrived(world))

    said(world, "--kill")
    assert len(arrived(world)) == before
    said(world, "--kill", "--yes")

    told(world, "kill switch flat")
    assert world.exchange.net(CALL) == world.exchange.net(PUT) == 0
    assert stranger.state == NEW
    pulled = len(arrived(world))
    pause(A_WHILE)
    assert len(arrived(world)) == pulled
    ordered(world, Verb.WITHDRAW_KILL)
    world.wait(lambda exchange: len(exchange.ledger.arrivals) > pulled, "it trades again")
    assert breaches(world) == []


def test_sigusr1_takes_back_what_rests_and_touches_nothing_else(world: World) -> None:
    world.exchange.generous = False
    stranger = a_stranger(world)
    world.trader.begin(Plan(patience=300, a_day=5))
    world.wait(lambda exchange: len(exchange.working()) == 2, "both legs rest")

    os.kill(world.trader.pid, signal.SIGUSR1)

    told(world, "kill switch flat")
    assert (world.exchange.working(), stranger.state, len(arrived(world))) == ([], NEW, 2)
    assert world.trader.alive
    assert breaches(world) == []


def test_halted_sends_nothing_reducing_only_leaves_and_active_trades_again(world: World) -> None:
    opened(world, Plan(hold=5, a_day=2))
    before = len(arrived(world))

    ordered(world, Verb.HALT)
    world.trader.hear("trade pending close", within=LONG)
    pause(A_WHILE)
    assert len(arrived(world)) == before
    ordered(world, Verb.REDUCE)
    world.trader.hear("trade closed", within=LONG)
    closed = len(arrived(world))
    pause(A_WHILE)
    assert len(arrived(world)) == closed

    ordered(world, Verb.ACTIVATE)
    world.wait(lambda exchange: len(exchange.ledger.arrivals) > closed, "it trades again")
    assert breaches(world) == []


@pytest.mark.soak
def test_a_trade_that_is_released_is_shown_first_and_then_nobodys_here(world: World) -> None:
    opened(world, Plan(hold=600))
    before = len(arrived(world))

    assert "nothing is done yet" in said(world, "--release", "1")
    assert [trade.active for trade in world.trader.trades()] == [True]
    said(world, "--release", "1", "--yes")

    assert [trade.active for trade in world.trader.trades()] == [False]
    assert world.trader.ask("--close", "1").returncode != 0
    assert len(arrived(world)) == before
    assert world.exchange.net(CALL) == QTY


# ---- prices and margin


def test_a_price_that_nobody_can_have_meant_is_refused_with_its_numbers(tmp_path: Path) -> None:
    with a_world(tmp_path, TRADER_PRICE_BAND_PCT="1", TRADER_PRICE_BAND_INDEX_PCT="0") as world:
        world.trader.begin(Plan(patience=1, rounds=6))  # its second price crosses the market by up to a fifth

        assert "1000" in told(world, "refused")
        assert {one.price for one in world.exchange.ledger.arrivals if one.price > 1010} == set()


def test_margin_levels_are_told_and_beyond_the_last_nothing_is_opened(world: World) -> None:
    opened(world, Plan(side=2, hold=600, more_days=(10,)))
    world.trader.hear("trade open id", times=2)

    with world.exchange.lock:
        world.exchange.cash = Decimal(900)
    told(world, "margin 70 %")
    with world.exchange.lock:
        world.exchange.cash = Decimal(700)
    told(world, "margin reducing")
    before = len(arrived(world))
    ordered(world, Verb.CLOSE, "1")

    until(lambda: len(arrived(world)) == before + 2, "a close is not refused", LONG)
    assert breaches(world, side=2) == []
