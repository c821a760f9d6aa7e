"""The daemon against an exchange that knows only the API document: whatever the network and the exchange do, its ledger stays clean.

The daemon is the real program in a process of its own. What it did is judged by the exchange's ledger; what it says is asked of its
own story only where the saying is the point.
"""

import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from clock import pause

from tests.rehearsal.abroad import CALL, FAR, PUT, QTY, QUIET, Plan, World, a_world, all_traded, breaches, busiest, left_over
from tests.rehearsal.other_books import BUY, NEW, SELL, Race, symbol_of
from tests.rehearsal.other_exchange import OtherExchange
from tests.rehearsal.other_server import CANCEL, CREATE, Fault, Kind, lost_answer
from tests.rehearsal.stage import GOODBYE, LONG
from tests.rehearsal.storm import weather

LOSSES = (Kind.DROP, Kind.RESET, Kind.HTML, Kind.CUT, Kind.SHORT, Kind.NONSENSE)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An exchange at which every order fills at its own price at once, and a daemon that has not been started."""
    with a_world(tmp_path) as made:
        made.exchange.generous = True
        yield made


def net_of(line: str) -> Decimal:
    """Read a trade's net result, USD, out of the line that tells it."""
    return Decimal(line.partition("net=")[2].split()[0])


# ---- the slow one first, so that the others run beside it


@pytest.mark.soak
def test_an_order_that_never_arrived_is_sent_anew_once_that_is_sure_and_a_late_one_is_found(world: World) -> None:
    world.server.plan(Fault(Kind.DROP, CREATE), Fault(Kind.DELAY, CREATE, seconds=3.5))  # we wait 2 s for an answer

    world.trader.begin(Plan(patience=60))

    world.trader.hear("trade closed", within=LONG)
    assert all_traded(world.exchange)
    assert len(world.exchange.ledger.arrivals) == 5
    assert breaches(world) == []
    assert left_over(world) == []


def test_an_option_held_to_its_end_is_settled_by_the_venues_row(tmp_path: Path) -> None:
    end = datetime.now(UTC) + timedelta(seconds=5)
    with a_world(tmp_path, OtherExchange(expiries=(end, FAR), strikes=(90_000, 110_000))) as world:
        world.exchange.generous = True
        for symbol in (symbol_of(end, 110_000, "C"), symbol_of(end, 90_000, "P")):
            world.exchange.options[symbol].strike += -20_000 if symbol.endswith("C") else 20_000  # both in the money
        world.trader.begin(
            Plan(hold=600, strike_call='{"type": "strike", "value": 90000}', strike_put='{"type": "strike", "value": 110000}')
        )

        told = world.trader.hear("trade result")[0]

        assert net_of(told) == world.exchange.cash - 100_000
        assert len(world.exchange.ledger.exercises) == 2
        assert breaches(world) == []


# ---- a whole life


def test_a_trade_lives_its_whole_life_and_its_result_is_what_the_cash_says(world: World) -> None:
    world.exchange.generous = False  # it has to chase

    world.trader.begin(Plan())
    told = world.trader.hear("trade result")[0]

    assert net_of(told) == world.exchange.cash - 100_000
    assert all_traded(world.exchange)
    assert breaches(world) == []
    assert left_over(world) == []


def test_a_structure_that_was_sold_is_bought_back_and_the_documented_limits_are_kept(world: World) -> None:
    world.trader.begin(Plan(side=2, a_day=2))

    world.trader.hear("trade closed", times=2)
    assert [world.exchange.traded(PUT, side) for side in (BUY, SELL)] == [2 * QTY, 2 * QTY]
    assert breaches(world, side=2) == []
    assert left_over(world) == []
    limits = {("account/summary",): 2, ("position/get", "order/pending"): 5, ("order/history", "trade/history"): 5}
    assert {parts: count for parts, limit in limits.items() if (count := busiest(world, 1, *parts)) > limit} == {}


@pytest.mark.soak
def test_after_stopping_no_order_is_sent(world: World) -> None:
    world.exchange.generous = False
    world.trader.begin(Plan(patience=30))
    world.wait(lambda exchange: len(exchange.working()) == 2, "both legs rest")

    took = world.trader.stop(signal.SIGTERM)
    before = world.server.asked("")
    pause(QUIET)

    assert took < GOODBYE
    assert world.server.asked("") == before
    assert [order.state for order in world.exchange.working()] == [NEW, NEW]


def test_a_restart_goes_on_with_the_orders_that_rest(world: World) -> None:
    world.exchange.generous = False
    world.trader.begin(Plan(patience=30))
    world.wait(lambda exchange: len(exchange.working()) == 2, "both legs rest")
    world.trader.stop()
    world.exchange.fill(CALL)  # while nobody looked

    world.exchange.generous = True
    world.trader.begin(Plan(patience=30))
    world.exchange.fill(PUT)

    world.trader.hear("trade closed")
    assert all_traded(world.exchange)
    assert len(world.exchange.ledger.arrivals) == 4
    assert breaches(world) == []


# ---- answers that are lost


def test_l5_whatever_way_the_answer_to_a_create_is_lost_no_order_is_sent_twice(world: World) -> None:
    world.server.plan(*(Fault(kind, CREATE, acted=True) for kind in LOSSES))
    world.server.plan(Fault(Kind.STATUS, CREATE, acted=True, code=500), Fault(Kind.CODE, CREATE, acted=True, code=10000))

    world.trader.begin(Plan(a_day=2))

    world.trader.hear("trade closed", times=2)
    assert [world.exchange.traded(CALL, side) for side in (BUY, SELL)] == [2 * QTY, 2 * QTY]
    assert len(world.exchange.ledger.arrivals) == 8
    assert breaches(world) == []
    assert left_over(world) == []


def test_l4_whatever_way_the_answer_to_a_cancel_is_lost_no_leg_is_doubled(world: World) -> None:
    world.exchange.generous = False
    world.server.plan(*(Fault(kind, CANCEL, acted=True) for kind in LOSSES[:3]))

    world.trader.begin(Plan(rounds=30))

    world.trader.hear("trade closed", within=LONG)
    assert all_traded(world.exchange)
    assert breaches(world) == []
    assert left_over(world) == []


def test_a_killed_daemon_finds_the_order_whose_answer_it_never_heard(world: World) -> None:
    world.kill_at(2, 4)  # the last to open, the last to close

    world.trader.begin(Plan())
    world.await_death()
    world.trader.begin(Plan())
    world.await_death()
    world.trader.begin(Plan())

    world.trader.hear("trade closed")
    assert all_traded(world.exchange)
    assert breaches(world) == []
    assert left_over(world) == []


# ---- an exchange that is slow, partial and contrary


def test_l3_l6_l8_what_fills_during_a_cancel_is_not_bought_again(world: World) -> None:
    world.exchange.generous = False
    lot = Decimal("0.01")
    world.exchange.race(CALL, Race(fill=lot), Race(fill=QTY), Race(fill=lot))
    world.exchange.race(PUT, Race(seconds=2.5, late=lot))
    world.exchange.quote(PUT, 990, 1010, depth=lot)

    world.trader.begin(Plan(patience=0.5, rounds=30))
    world.wait(lambda exchange: exchange.traded(PUT, BUY) >= lot, "one lot of the put")
    world.exchange.quote(PUT, 990, 1010)

    world.trader.hear("trade closed")
    assert all_traded(world.exchange)
    assert breaches(world) == []
    assert left_over(world) == []


@pytest.mark.parametrize("code", [10529, *(pytest.param(code, marks=pytest.mark.soak) for code in (10531, 10534, 10558, 10540))])
def test_l12_a_leg_that_is_refused_for_good_has_the_other_one_unwound(world: World, code: int) -> None:
    world.exchange.refuse(PUT, code)

    world.trader.begin(Plan())

    world.trader.hear("trade failed")
    assert world.exchange.traded(PUT, BUY) == 0
    assert world.exchange.traded(CALL, BUY) == world.exchange.traded(CALL, SELL) == QTY
    assert breaches(world) == []
    assert left_over(world) == []


@pytest.mark.soak
def test_an_order_that_lists_show_late_is_not_sent_again(world: World) -> None:
    world.exchange.lag_seconds = 1.5
    world.server.plan(lost_answer(CREATE))
    world.trader.begin(Plan())

    world.trader.hear("trade closed")
    assert len(world.exchange.ledger.arrivals) == 4
    assert all_traded(world.exchange)
    assert breaches(world) == []


@pytest.mark.soak
def test_throttling_is_waited_out(world: World) -> None:
    world.server.plan(Fault(Kind.STATUS, CREATE, code=429), Fault(Kind.CODE, CREATE, code=10605))
    world.server.plan(Fault(Kind.STATUS, CREATE, code=429, skip=2))

    world.trader.begin(Plan(patience=10))

    world.trader.hear("trade closed")
    assert all_traded(world.exchange)
    assert breaches(world) == []
    assert left_over(world) == []


def test_reads_that_fail_in_every_way_end_in_the_same_trade(world: World) -> None:
    paths = ("singleQuery", "order/pending", "trade/history", "position/get", "account/summary", "get/v1", "market/symbol")
    kinds = (*LOSSES, Kind.STATUS, Kind.CODE)
    for turn, path in enumerate(paths):
        kind = kinds[turn % len(kinds)]
        world.server.plan(Fault(kind, path, code={Kind.STATUS: 503, Kind.CODE: 10000}.get(kind, 0), skip=1))

    world.trader.begin(Plan())

    world.trader.hear("trade closed")
    assert world.server.faults == []
    assert all_traded(world.exchange)
    assert breaches(world) == []


def test_a_venue_whose_clock_is_ahead_and_is_then_set_back_is_traded_with(world: World) -> None:
    world.exchange.clock_offset_ms = 30_000
    world.trader.begin(Plan(hold=1.5))
    world.wait(lambda exchange: exchange.traded(CALL, BUY) == QTY, "the call is bought")

    world.exchange.clock_offset_ms = 0

    world.trader.hear("trade closed")
    assert all_traded(world.exchange)
    assert breaches(world) == []
    assert left_over(world) == []


def test_a_venue_whose_clock_is_behind_is_traded_with(world: World) -> None:
    world.exchange.clock_offset_ms = -90_000

    world.trader.begin(Plan())

    world.trader.hear("trade closed", within=5)
    assert all_traded(world.exchange)
    assert breaches(world) == []


@pytest.mark.soak
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_a_storm_leaves_no_wrong_behind(tmp_path: Path, seed: int) -> None:
    card = weather(tmp_path, seed, seconds=60)

    assert card.wrongs == []
    assert card.trades > 0
