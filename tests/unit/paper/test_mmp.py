"""Market-maker protection at the paper exchange: what counts, what it takes back, and how long it stays frozen."""

from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import OrderType, Side, TimeInForce
from paper.engine import Engine
from paper.ledger import total_cash
from paper.mmp import Terms
from paper.rules import Faults, OrderState, Refused

from tests.unit.paper.engine_market import ALICE, BOB, CALL, CAROL, PUT, SECOND, START, D, ScriptedFeed, a_request, an_engine, levels

BTC = "BTCUSD"
WINDOW, FREEZE = timedelta(seconds=5), timedelta(seconds=30)
BUY, SELL = Side.BUY, Side.SELL


def terms(qty: str | None = "0.5", delta: str | None = None, freeze: timedelta = FREEZE, window: timedelta = WINDOW) -> Terms:
    return Terms(
        interval=window,
        freeze=freeze,
        qty_limit=None if qty is None else D(qty),
        delta_limit=None if delta is None else D(delta),
    )


@pytest.fixture
def feed() -> ScriptedFeed:
    return ScriptedFeed()


@pytest.fixture
def engine(feed: ScriptedFeed) -> Engine:
    engine = an_engine(feed)
    protect(engine)
    return engine


def protect(engine: Engine, wanted: Terms | None = None, at: datetime = START, user: int = ALICE) -> None:
    engine.protections.configure(user, BTC, wanted or terms(), 7, at)


def quote(engine: Engine, side: Side = BUY, qty: str = "0.2", price: str = "1500", at: datetime = START, *, mmp: bool = True) -> int:
    return engine.place(ALICE, msgspec.structs.replace(a_request(side, qty, price), mmp=mmp), at)


def hit(engine: Engine, side: Side = SELL, qty: str = "0.2", price: str = "1500", at: datetime = START) -> None:
    engine.place(BOB, a_request(side, qty, price, tif=TimeInForce.IOC), at)


def state(engine: Engine, order_id: int) -> OrderState:
    return engine.reports.order(ALICE, order_id=order_id).state


def frozen(engine: Engine, at: datetime = START) -> bool:
    row = engine.protections.told(ALICE, BTC, at)
    return row is not None and row.frozen


def refused(engine: Engine, at: datetime = START) -> int:
    with pytest.raises(Refused) as caught:
        quote(engine, at=at)
    return caught.value.code


def test_a_marked_order_needs_a_protection(feed: ScriptedFeed) -> None:
    assert refused(an_engine(feed)) == 60008


def test_at_the_limit_every_marked_order_of_the_index_is_taken_back(engine: Engine) -> None:
    first, second, third = quote(engine, qty="0.3"), quote(engine, qty="0.3", price="1499"), quote(engine, SELL, price="1600")
    plain = quote(engine, price="1498", mmp=False)
    put = engine.place(ALICE, msgspec.structs.replace(a_request(BUY, "0.1", "1400", PUT), mmp=True), START)
    hit(engine, qty="0.5", price="1499")
    assert state(engine, first) is OrderState.FILLED
    assert {state(engine, one) for one in (second, third, put)} == {OrderState.CANCELED}
    assert engine.reports.order(ALICE, order_id=second).filled == D("0.2")
    assert state(engine, plain) is OrderState.NEW
    assert frozen(engine)


def test_below_the_limit_nothing_happens(engine: Engine) -> None:
    first = quote(engine, qty="0.3")
    quote(engine, price="1499", qty="0.3", mmp=False)
    hit(engine, qty="0.6", price="1499")
    assert state(engine, first) is OrderState.FILLED
    assert not frozen(engine)
    assert quote(engine)


def test_what_left_the_window_counts_no_more(engine: Engine) -> None:
    for number in range(10):
        at = START + number * WINDOW
        quote(engine, qty="0.4", at=at)
        hit(engine, qty="0.4", at=at)
    assert not frozen(engine, START + 9 * WINDOW)
    quote(engine, qty="0.2", at=START + 9 * WINDOW + SECOND)
    hit(engine, qty="0.1", at=START + 9 * WINDOW + SECOND)
    assert frozen(engine, START + 9 * WINDOW + SECOND)


def test_while_frozen_marked_orders_are_refused_and_others_taken(engine: Engine) -> None:
    quote(engine, qty="0.5")
    hit(engine, qty="0.5")
    assert refused(engine) == 60008
    assert quote(engine, mmp=False)


def test_a_freeze_with_a_length_thaws_by_itself_with_an_empty_window(engine: Engine) -> None:
    protect(engine, terms(window=timedelta(hours=1)))
    quote(engine, qty="0.5")
    hit(engine, qty="0.5")
    assert refused(engine, START + FREEZE - SECOND) == 60008
    quote(engine, qty="0.4", at=START + FREEZE)
    hit(engine, qty="0.4", at=START + FREEZE)
    assert not frozen(engine, START + FREEZE)


def test_a_freeze_without_a_length_lasts_until_reset(engine: Engine) -> None:
    protect(engine, terms(freeze=timedelta(0)))
    quote(engine, qty="0.5")
    hit(engine, qty="0.5")
    later = START + timedelta(days=1)
    assert refused(engine, later) == 60008
    assert engine.protections.reset(ALICE, BTC, later)
    assert quote(engine, at=later)
    assert not engine.protections.reset(BOB, BTC, later)


def test_a_new_setting_thaws_nothing(engine: Engine) -> None:
    quote(engine, qty="0.5")
    hit(engine, qty="0.5")
    protect(engine, terms("5"))
    assert frozen(engine)


def test_a_protection_that_is_removed_refuses_marked_orders_and_counts_none(engine: Engine) -> None:
    order = quote(engine, qty="0.6")
    protect(engine, terms(window=timedelta(0)))
    hit(engine, qty="0.5")
    assert engine.protections.told(ALICE, BTC, START) is None
    assert state(engine, order) is OrderState.PARTIALLY_FILLED
    assert refused(engine) == 60008
    protect(engine, terms(window=timedelta(0)))


def test_delta_counts_net_and_in_both_directions(engine: Engine) -> None:
    protect(engine, terms(None, "0.1"))  # the call's delta is 0.25 a coin
    quote(engine, qty="0.3")
    quote(engine, SELL, "0.3", "1600")
    hit(engine, qty="0.3")
    hit(engine, BUY, "0.3", "1600")
    assert not frozen(engine)
    quote(engine, SELL, "0.4", "1600")
    hit(engine, BUY, "0.4", "1600")
    assert frozen(engine)


def test_a_protection_without_limits_never_strikes(engine: Engine) -> None:
    protect(engine, terms(None))
    quote(engine, qty="9")
    hit(engine, qty="9")
    assert not frozen(engine)


def test_a_marked_order_that_takes_stops_taking_at_the_limit(engine: Engine) -> None:
    for price in ("1500", "1501", "1502"):
        engine.place(CAROL, a_request(SELL, "0.3", price), START)
    order = quote(engine, qty="0.9", price="1510")
    assert engine.reports.order(ALICE, order_id=order).filled == D("0.6")
    assert state(engine, order) is OrderState.CANCELED
    assert engine.accounts[ALICE].open == {}
    assert engine.accounts[ALICE].initial == engine.accounts[ALICE].holdings[CALL.symbol].initial


def test_orders_of_others_strike_it_too(engine: Engine, feed: ScriptedFeed) -> None:
    feed.quote(CALL, START, levels(("1490", "1")), levels(("1510", "1")))
    feed.sweep(CALL, START + SECOND, SELL, "0.5", "1480")
    quote(engine, qty="0.5")
    other = quote(engine, qty="0.5", price="1480")
    engine.advance(START + 2 * SECOND)
    assert state(engine, other) is OrderState.CANCELED
    assert engine.reports.order(ALICE, order_id=other).updated == START + SECOND


@pytest.mark.parametrize("faults", [Faults(fill_while_cancelling=True), Faults(cancel_takes=4 * SECOND)])
def test_what_is_taken_back_can_still_fill_where_cancels_are_slow(engine: Engine, faults: Faults) -> None:
    engine.faults[ALICE] = faults
    first, second = quote(engine, qty="0.6"), quote(engine, price="1499")
    hit(engine, qty="0.5")
    hit(engine, qty="0.3", price="1499", at=START + SECOND)
    engine.advance(START + 10 * SECOND)
    assert {state(engine, first), state(engine, second)} == {OrderState.FILLED}
    assert refused(engine) == 60008


def test_a_snapshot_keeps_the_window_and_the_freeze(engine: Engine, feed: ScriptedFeed) -> None:
    quote(engine, qty="0.4")
    hit(engine, qty="0.4")
    engine = Engine.restore(feed, engine.rules, engine.snapshot())
    quote(engine, qty="0.1")
    hit(engine, qty="0.1")
    engine = Engine.restore(feed, engine.rules, engine.snapshot())
    assert frozen(engine)
    assert refused(engine) == 60008
    assert not frozen(engine, START + FREEZE)


fills = st.lists(st.tuples(st.integers(1, 40), st.booleans(), st.integers(0, 7)), min_size=1, max_size=25)


@given(fills=fills, limit=st.integers(10, 60))
def test_within_any_window_no_more_is_traded_than_the_limit_and_one_match(fills: list[tuple[int, bool, int]], limit: int) -> None:
    engine, now, lot = an_engine(ScriptedFeed()), START, D("0.01")
    cash = total_cash(engine.accounts.values())
    protect(engine, terms(str(limit * lot), freeze=timedelta(0), window=timedelta(days=1)))
    traded: list[Decimal] = []
    for lots, rests, wait in fills:
        now += wait * SECOND
        qty = str(lots * lot)
        try:
            if rests:
                order = quote(engine, qty=qty, at=now)
                engine.place(BOB, a_request(SELL, qty, "1500", kind=OrderType.LIMIT), now)
            else:
                engine.place(BOB, a_request(SELL, qty, "1500"), now)
                order = quote(engine, qty=qty, at=now)
        except Refused:
            assert sum(traded) >= limit * lot
            break
        assert sum(traded) < limit * lot
        traded.append(engine.reports.order(ALICE, order_id=order).filled)
    assert frozen(engine, now) == (sum(traded) >= limit * lot)
    assert total_cash(engine.accounts.values()) == cash
