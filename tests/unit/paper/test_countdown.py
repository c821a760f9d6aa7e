"""Countdown cancel at the paper exchange: what it cancels and when, what it bars, and how it is woken."""

from datetime import datetime, timedelta

import pytest

from domain import Side
from paper.countdown import Product
from paper.engine import Engine
from paper.rules import Faults, OrderState, Refused

from tests.unit.paper.engine_market import ALICE, BOB, CALL, PUT, SECOND, START, ScriptedFeed, a_call_feed, a_request, an_engine, levels

OPTIONS, BTC = Product.OPTIONS, "BTCUSD"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def feed() -> ScriptedFeed:
    return a_call_feed(levels(("1490", "1")), levels(("1510", "1")))


@pytest.fixture
def engine(feed: ScriptedFeed) -> Engine:
    engine = an_engine(feed)
    engine.countdowns.post(ALICE, OPTIONS, BTC, MINUTE, START)
    return engine


def resting(engine: Engine, user: int = ALICE, at: datetime = START) -> int:
    return engine.place(user, a_request(Side.BUY, "0.1"), at)


def state(engine: Engine, order_id: int, user: int = ALICE) -> OrderState:
    return engine.reports.order(user, order_id=order_id).state


def refused(engine: Engine, user: int, at: datetime) -> int:
    with pytest.raises(Refused) as caught:
        resting(engine, user, at)
    return caught.value.code


def test_open_orders_live_until_the_countdown_ends_and_no_longer(engine: Engine) -> None:
    order = resting(engine)
    engine.advance(START + MINUTE - SECOND)
    assert state(engine, order) is OrderState.NEW
    engine.advance(START + MINUTE)
    assert state(engine, order) is OrderState.CANCELED


def test_orders_are_cancelled_as_of_the_moment_it_ended_however_late_anybody_looks(engine: Engine, feed: ScriptedFeed) -> None:
    feed.sweep(CALL, START + MINUTE + SECOND, Side.SELL, "0.1", "1480")
    order = resting(engine)
    engine.advance(START + 10 * MINUTE)
    assert engine.reports.order(ALICE, order_id=order).updated == START + MINUTE
    assert engine.reports.order(ALICE, order_id=order).filled == 0


def test_what_fills_before_it_ends_is_filled(engine: Engine, feed: ScriptedFeed) -> None:
    feed.sweep(CALL, START + MINUTE - SECOND, Side.SELL, "0.1", "1480")
    order = resting(engine)
    engine.advance(START + 10 * MINUTE)
    assert state(engine, order) is OrderState.FILLED


def test_further_orders_are_refused_even_before_anybody_looked(engine: Engine) -> None:
    assert refused(engine, ALICE, START + MINUTE) == 10619
    assert refused(engine, ALICE, START + 2 * MINUTE) == 10619


def test_other_accounts_are_left_alone(engine: Engine) -> None:
    theirs = resting(engine, BOB)
    engine.advance(START + MINUTE)
    assert state(engine, theirs, BOB) is OrderState.NEW
    assert resting(engine, BOB, START + MINUTE)


def test_a_reset_in_time_begins_it_anew(engine: Engine) -> None:
    order = resting(engine)
    engine.advance(START + 50 * SECOND)
    assert engine.countdowns.reset(ALICE, OPTIONS, [BTC, "ETHUSD"], START + 50 * SECOND) == [BTC]
    engine.advance(START + 109 * SECOND)
    assert state(engine, order) is OrderState.NEW
    engine.advance(START + 110 * SECOND)
    assert state(engine, order) is OrderState.CANCELED


def test_a_reset_wakes_no_countdown_that_ran_out_and_a_new_setting_does(engine: Engine) -> None:
    engine.advance(START + MINUTE)
    assert engine.countdowns.running(ALICE, OPTIONS) == []
    assert engine.countdowns.reset(ALICE, OPTIONS, [BTC], START + MINUTE) == []
    assert refused(engine, ALICE, START + MINUTE) == 10619
    engine.countdowns.post(ALICE, OPTIONS, BTC, MINUTE, START + MINUTE)
    assert resting(engine, at=START + MINUTE)


@pytest.mark.parametrize("moment", [START + SECOND, START + MINUTE])
def test_a_time_of_zero_ends_it_and_lets_orders_in(engine: Engine, moment: datetime) -> None:
    engine.advance(moment)
    engine.countdowns.post(ALICE, OPTIONS, BTC, timedelta(0), moment)
    order = resting(engine, at=moment)
    engine.advance(START + 10 * MINUTE)
    assert state(engine, order) is OrderState.NEW
    engine.countdowns.post(ALICE, OPTIONS, BTC, timedelta(0), moment)


def test_another_product_of_the_same_name_cancels_no_options(engine: Engine) -> None:
    engine.countdowns.post(BOB, Product.FUTURES, BTC, SECOND, START)
    order = resting(engine, BOB)
    engine.advance(START + MINUTE)
    assert state(engine, order, BOB) is OrderState.NEW
    assert resting(engine, BOB, START + MINUTE)


def test_every_option_of_the_index_is_meant_and_cancels_are_as_slow_as_any(engine: Engine) -> None:
    put = engine.place(ALICE, a_request(Side.BUY, "0.1", "1400", PUT), START)
    engine.faults[ALICE] = Faults(cancel_takes=4 * SECOND)
    call = resting(engine)
    engine.advance(START + MINUTE)
    assert {state(engine, call), state(engine, put)} == {OrderState.PRE_CANCEL}
    engine.advance(START + MINUTE + 5 * SECOND)
    assert {state(engine, call), state(engine, put)} == {OrderState.CANCELED}


def test_countdowns_end_in_the_order_of_their_ends(engine: Engine) -> None:
    engine.countdowns.post(BOB, OPTIONS, BTC, 30 * SECOND, START)
    mine, theirs = resting(engine), resting(engine, BOB)
    engine.advance(START + 10 * MINUTE)
    ended = [engine.reports.order(user, order_id=number).updated for user, number in ((ALICE, mine), (BOB, theirs))]
    assert ended == [START + MINUTE, START + 30 * SECOND]


@pytest.mark.parametrize("moment", [START + 30 * SECOND, START + MINUTE])
def test_a_snapshot_keeps_what_runs_and_what_ran_out(engine: Engine, feed: ScriptedFeed, moment: datetime) -> None:
    order = resting(engine)
    engine.advance(moment)
    engine = Engine.restore(feed, engine.rules, engine.snapshot())
    assert refused(engine, ALICE, START + MINUTE) == 10619
    assert state(engine, order) is OrderState.CANCELED
