"""What the daemon must not trade on, brought about from outside: answers that stop, prices that stand still, streams that are gone.

A story fails when its guard is taken out. The judge is the exchange's ledger; what the daemon says is only read to see that it was said.
"""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from clock import pause
from control import Verb

from tests.rehearsal.abroad import CALL, FAR, PUT, Plan, World, a_world, breaches, left_over
from tests.rehearsal.guard_stage import (
    A_WHILE,
    arrived,
    enters_again,
    opened,
    ordered,
    rested,
    tightened,
    told,
    unavailable,
)
from tests.rehearsal.other_books import symbol_of
from tests.rehearsal.stage import LONG, SOON

NARROW = Plan(entry="spread_below(1)", hold=600, more_days=(10,))
NEXT = symbol_of(FAR, 110_000, "C"), symbol_of(FAR, 90_000, "P")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An exchange at which every order fills at its own price at once, and a daemon that has not been started."""
    with a_world(tmp_path) as made:
        made.exchange.generous = True
        yield made


def waits(world: World, plan: Plan) -> None:
    """Start a daemon whose strategy would enter but for the market's width, and that knows its account."""
    world.trader.begin(plan)
    world.trader.hear("for=spread_below", within=LONG)


def stays_out(world: World, *symbols: str) -> None:
    """Give a strategy the market that it waits for, and see that no order comes of it."""
    before = len(arrived(world))
    tightened(world, *symbols)
    pause(2 * A_WHILE)
    assert len(arrived(world)) == before


# ---- answers that stop


def test_l38_an_account_that_is_not_told_any_more_is_named_stale_and_opens_nothing(world: World) -> None:
    waits(world, Plan(entry="spread_below(1)"))

    unavailable(world, "account/summary")

    assert "at most 3 s" in told(world, "stale account", SOON)
    stays_out(world, CALL, PUT)
    world.server.faults.clear()
    enters_again(world, 0)


@pytest.mark.soak
def test_l38_a_list_of_open_orders_that_cannot_be_read_is_named_stale_and_opens_nothing_more(world: World) -> None:
    tightened(world, CALL, PUT)
    rested(world, Plan(entry="spread_below(1)", patience=300, more_days=(10,)))

    unavailable(world, "order/pending")

    assert "at most 3 s" in told(world, "stale orders", SOON)
    stays_out(world, *NEXT)
    world.server.faults.clear()
    enters_again(world, 2)
    assert breaches(world) == []


def test_l38_an_index_whose_own_time_stops_is_named_stale_and_opens_nothing(world: World) -> None:
    waits(world, Plan(entry="spread_below(1)"))

    world.exchange.freeze()

    assert "by its own time" in told(world, "stale index", SOON)
    stays_out(world, CALL, PUT)
    world.exchange.thaw()
    enters_again(world, 0)


@pytest.mark.soak  # a reading is tried again for seconds before it counts as failed, and three must fail
def test_a_chain_that_cannot_be_had_is_named_stale_its_exit_is_blind_and_the_trade_is_kept(tmp_path: Path) -> None:
    with a_world(tmp_path, TRADER_STREAMS="off") as world:
        world.exchange.generous = True
        opened(world, Plan(leave="profit_target(10_000)"))

        unavailable(world, "option/get/v1")

        for cause in ("market data: chain", "stale chain", "exit blind abroad#1"):
            told(world, cause, SOON)
        assert [trade.active for trade in world.trader.trades()] == [True]
        ordered(world, Verb.CLOSE, "1")
        world.server.faults.clear()
        world.trader.hear("trade closed", within=LONG)
        assert (breaches(world), left_over(world)) == ([], [])


@pytest.mark.soak  # every worker that reads prices must have been caught
def test_a_chain_that_cannot_be_had_keeps_no_order_and_no_account_from_being_asked_about(tmp_path: Path) -> None:
    with a_world(tmp_path, TRADER_STREAMS="off", TRADER_IO_WORKERS="1") as world:
        world.trader.begin(Plan(patience=300))
        world.wait(lambda exchange: len(exchange.working()) == 2, "both legs rest")

        unavailable(world, "option/get/v1")
        told(world, "stale chain")
        world.exchange.fill(CALL)

        world.trader.hear(f"{CALL} @", times=2, within=SOON)  # sent, and filled
        assert world.trader.lines("cause=stale account") == []
        assert breaches(world) == []


# ---- prices that stand still though their time goes on


@pytest.mark.soak  # no price counts as still before half a minute
def test_l38_an_index_that_is_told_anew_and_never_moves_opens_nothing(tmp_path: Path) -> None:
    with a_world(tmp_path, TRADER_FROZEN_AFTER_SECONDS="30") as world:
        world.exchange.generous = world.exchange.odd.pinned = True
        waits(world, Plan(entry="spread_below(1)"))

        assert "asked for again and again" in told(world, "index of BTC stands still")
        stays_out(world, CALL, PUT)
        world.exchange.odd.pinned = False
        enters_again(world, 0)


@pytest.mark.soak  # no mark counts as still before half a minute
def test_l38_marks_that_stand_while_their_index_moves_open_nothing_and_are_told(tmp_path: Path) -> None:
    with a_world(tmp_path, TRADER_FROZEN_AFTER_SECONDS="30") as world:
        world.exchange.generous = True
        tightened(world, CALL, PUT)
        opened(world, NARROW)
        world.exchange.odd.level += 400

        assert "while the index moved by" in told(world, "marks stand still")
        stays_out(world, *NEXT)
        world.exchange.quote(CALL, 1099, 1101)
        world.exchange.quote(PUT, 899, 901)
        enters_again(world, 2)


# ---- streams that are gone


def test_streams_that_cannot_be_had_are_told_and_nothing_waits_for_them(world: World) -> None:
    world.server.streams.refuse(600)

    world.trader.begin(Plan())

    told(world, "stream options")
    world.trader.hear("trade closed", within=LONG)
    assert (breaches(world), left_over(world)) == ([], [])


@pytest.mark.soak  # a stream counts as stale after a minute
def test_a_stream_that_is_gone_for_a_minute_is_named_stale_and_stops_nothing(world: World) -> None:
    waits(world, Plan(entry="spread_below(1)"))
    world.server.streams.refuse(600)
    world.server.streams.drop()

    assert "at most 60 s" in told(world, "stale stream", 90)
    tightened(world, CALL, PUT)
    world.trader.hear("trade closed", within=LONG)


# ---- margin


def test_an_available_margin_below_zero_is_told(world: World) -> None:
    opened(world, Plan(side=2, hold=600))

    with world.exchange.lock:
        world.exchange.cash = Decimal(500)

    told(world, "margin overdrawn")


def test_l66_a_margin_that_is_not_told_is_unknown_and_neither_zero_nor_well(world: World) -> None:
    opened(world, Plan(side=2, hold=600))

    world.exchange.odd.untold = {"mmAmount", "mmRatio"}

    told(world, "margin unknown")
