"""Orders at the paper exchange: how they match and rest, what is refused, and what only reduces."""

import pytest

from domain import OrderType, Side, TimeInForce
from paper.engine import Engine
from paper.ledger import HOUSE
from paper.rows import MatchRow
from paper.rules import OrderState, Rules, Stp

from tests.unit.paper.engine_market import (
    ALICE,
    BOB,
    CALL,
    FRIDAY,
    PUT,
    SECOND,
    START,
    D,
    ScriptedFeed,
    a_call_feed,
    a_request,
    an_engine,
    levels,
    order,
    refused,
)

BUY, SELL = Side.BUY, Side.SELL
IOC, FOK = TimeInForce.IOC, TimeInForce.FOK


@pytest.fixture
def feed() -> ScriptedFeed:
    return a_call_feed(levels(("1490", "1"), ("1480", "2")), levels(("1510", "1"), ("1520", "2")))


@pytest.fixture
def engine(feed: ScriptedFeed) -> Engine:
    return an_engine(feed)


def matches(engine: Engine) -> list[MatchRow]:
    return engine.drain_changes().trades


def test_an_order_inside_the_spread_rests_as_new(engine: Engine) -> None:
    row = order(engine, engine.place(ALICE, a_request(BUY, "0.5", "1500"), START))

    assert (row.state, row.filled, row.remaining, row.avg_price) == (OrderState.NEW, D(0), D("0.5"), None)
    assert engine.reports.open_orders(ALICE) == [row]


def test_a_taker_walks_the_depth_and_gets_the_makers_prices(engine: Engine) -> None:
    row = order(engine, engine.place(ALICE, a_request(BUY, "2", "1530"), START))

    assert row.state is OrderState.FILLED
    assert row.avg_price == D(1515)
    assert [(m.price, m.qty, m.maker_user) for m in matches(engine)] == [(D(1510), D(1), HOUSE), (D(1520), D(1), HOUSE)]


def test_what_is_left_of_a_taker_rests_partially_filled(engine: Engine) -> None:
    row = order(engine, engine.place(ALICE, a_request(BUY, "1.5", "1510"), START))

    assert (row.state, row.filled, row.remaining) == (OrderState.PARTIALLY_FILLED, D(1), D("0.5"))
    assert engine.reports.book(CALL.symbol, START).bids[0].price == D(1510)


def test_liquidity_taken_stays_taken_until_the_market_quotes_anew(engine: Engine, feed: ScriptedFeed) -> None:
    engine.place(ALICE, a_request(BUY, "1", "1510"), START)
    assert engine.reports.book(CALL.symbol, START + SECOND).asks[0].price == D(1520)

    feed.quote(CALL, START + 2 * SECOND, (), levels(("1510", "1")))

    assert engine.reports.book(CALL.symbol, START + 2 * SECOND).asks[0].price == D(1510)


def test_a_new_mark_of_the_same_ladder_gives_nothing_back(engine: Engine, feed: ScriptedFeed) -> None:
    engine.place(ALICE, a_request(BUY, "1", "1510"), START)
    feed.quote(CALL, START, levels(("1490", "1")), levels(("1510", "1"), ("1520", "2")), mark="1501")

    view = engine.reports.view(CALL.symbol, START + SECOND)

    assert (view.mark, view.asks[0].price) == (D(1501), D(1520))


def test_ioc_cancels_what_it_cannot_fill(engine: Engine) -> None:
    row = order(engine, engine.place(ALICE, a_request(BUY, "1.5", "1510", tif=IOC), START))

    assert (row.state, row.filled) == (OrderState.CANCELED, D(1))
    assert engine.reports.open_orders(ALICE) == []


@pytest.mark.parametrize(("qty", "state", "filled"), [("3", OrderState.FILLED, "3"), ("3.01", OrderState.CANCELED, "0")])
def test_fok_fills_whole_or_not_at_all(engine: Engine, qty: str, state: OrderState, filled: str) -> None:
    row = order(engine, engine.place(ALICE, a_request(BUY, qty, "1520", tif=FOK), START))

    assert (row.state, row.filled) == (state, D(filled))


def test_fok_counts_no_quantity_behind_an_order_of_its_own_account(engine: Engine) -> None:
    engine.place(ALICE, a_request(SELL, "0.1", "1505"), START)

    both = order(engine, engine.place(ALICE, a_request(BUY, "1", "1520", tif=FOK), START))
    maker = order(engine, engine.place(ALICE, a_request(BUY, "1", "1520", tif=FOK, stp=Stp.MAKER), START))

    assert (both.state, both.filled) == (OrderState.CANCELED, D(0))
    assert (maker.state, maker.filled) == (OrderState.FILLED, D(1))


def test_post_only_that_would_cross_is_cancelled(engine: Engine) -> None:
    crossing = order(engine, engine.place(ALICE, a_request(BUY, "1", "1510", kind=OrderType.POST_ONLY), START))
    resting = order(engine, engine.place(ALICE, a_request(BUY, "1", "1509.9", kind=OrderType.POST_ONLY), START))

    assert (crossing.state, crossing.filled) == (OrderState.CANCELED, D(0))
    assert resting.state is OrderState.NEW


def test_a_market_order_takes_within_its_slippage_and_never_rests(engine: Engine) -> None:
    near = order(engine, engine.place(ALICE, a_request(BUY, "3", None, kind=OrderType.MARKET, slippage="0"), START))
    assert (near.state, near.filled, near.price) == (OrderState.CANCELED, D(1), None)

    far = order(engine, engine.place(ALICE, a_request(SELL, "3", None, kind=OrderType.MARKET), START))
    assert (far.state, far.filled) == (OrderState.FILLED, D(3))


def test_a_market_order_into_an_empty_book_is_cancelled(engine: Engine) -> None:
    row = order(engine, engine.place(ALICE, a_request(BUY, "1", None, PUT, kind=OrderType.MARKET), START))

    assert (row.state, row.filled) == (OrderState.CANCELED, D(0))


def test_at_one_price_the_market_that_was_there_first_trades_first_and_what_it_adds_later_trades_last(
    engine: Engine, feed: ScriptedFeed
) -> None:
    mine = engine.place(ALICE, a_request(SELL, "1", "1510"), START)
    feed.quote(CALL, START + SECOND, (), levels(("1510", "3")))

    engine.place(BOB, a_request(BUY, "1.5", "1510"), START + SECOND)
    assert order(engine, mine).filled == D("0.5")

    engine.place(BOB, a_request(BUY, "1", "1510"), START + SECOND)
    assert order(engine, mine).filled == D(1)
    assert [m.maker_user for m in matches(engine)] == [HOUSE, ALICE, ALICE, HOUSE]


def test_what_the_market_withdraws_leaves_from_behind_a_users_order(engine: Engine, feed: ScriptedFeed) -> None:
    mine = engine.place(ALICE, a_request(SELL, "1", "1510"), START)
    feed.quote(CALL, START + SECOND, (), levels(("1510", "3")))
    engine.advance(START + SECOND)
    feed.quote(CALL, START + 2 * SECOND, (), levels(("1510", "1")))

    engine.place(BOB, a_request(BUY, "1", "1510"), START + 2 * SECOND)

    assert order(engine, mine).filled == 0


@pytest.mark.parametrize(
    ("stp", "maker_state", "taker_state", "taker_filled"),
    [
        (Stp.DEFAULT, OrderState.CANCELED, OrderState.CANCELED, "0"),
        (Stp.BOTH, OrderState.CANCELED, OrderState.CANCELED, "0"),
        (Stp.MAKER, OrderState.CANCELED, OrderState.FILLED, "0.5"),
        (Stp.TAKER, OrderState.NEW, OrderState.CANCELED, "0"),
    ],
)
def test_two_orders_of_one_account_never_match(
    engine: Engine, stp: Stp, maker_state: OrderState, taker_state: OrderState, taker_filled: str
) -> None:
    maker = engine.place(ALICE, a_request(SELL, "0.5", "1505"), START)
    taker = engine.place(ALICE, a_request(BUY, "0.5", "1510", stp=stp), START)

    assert order(engine, maker).state is maker_state
    assert (order(engine, taker).state, order(engine, taker).filled) == (taker_state, D(taker_filled))


# ---- refusals


@pytest.mark.parametrize(
    ("code", "request_"),
    [
        (10558, a_request(BUY, "0.005")),
        (10558, a_request(BUY, "0.015")),
        (10558, a_request(BUY, "0")),
        (10558, a_request(BUY, "-1")),
        (10573, a_request(BUY, "NaN")),
        (10534, a_request(BUY, "1000.01")),
        (10534, a_request(BUY, "100.01", None, kind=OrderType.MARKET)),
        (10573, a_request(BUY, "1", "1500.05")),
        (10573, a_request(BUY, "1", "Infinity")),
        (10573, a_request(BUY, "1", None)),
        (10573, a_request(BUY, "1", "1500", kind=OrderType.STOP_LIMIT)),
        (10532, a_request(BUY, "1", "0")),
        (10532, a_request(BUY, "1", "549.9")),
        (10531, a_request(BUY, "1", "6250.1")),
        (12013, a_request(BUY, "1", "1500", kind=OrderType.MARKET)),
        (12011, a_request(BUY, "1", None, kind=OrderType.MARKET, tif=IOC)),
        (10573, a_request(BUY, "1", None, kind=OrderType.MARKET, slippage="101")),
        (12012, a_request(BUY, "1", "1500", kind=OrderType.POST_ONLY, tif=IOC)),
    ],
)
def test_a_malformed_order_is_refused_with_the_venues_code_and_nothing_changes(engine: Engine, code: int, request_: object) -> None:
    engine.drain_changes()

    assert refused(lambda: engine.place(ALICE, request_, START)) == code  # type: ignore[arg-type]
    changes = engine.drain_changes()
    assert (changes.orders, changes.accounts, changes.trades) == ([], [], [])


def test_an_unknown_symbol_and_an_unknown_account_are_refused(engine: Engine) -> None:
    from dataclasses import replace

    unlisted = a_request(BUY, "1", option=replace(CALL, symbol="BTCUSD-6MAR26-1-C"))

    assert refused(lambda: engine.place(ALICE, unlisted, START)) == 10574
    assert refused(lambda: engine.place(999, a_request(BUY, "1"), START)) == 10568
    assert refused(lambda: engine.place(HOUSE, a_request(BUY, "1"), START)) == 10568


def test_the_band_is_inclusive(engine: Engine) -> None:
    engine.place(ALICE, a_request(BUY, "0.01", "550"), START)
    engine.place(ALICE, a_request(BUY, "0.01", "6250"), START)


def test_an_expired_option_takes_no_order(engine: Engine) -> None:
    engine.place(ALICE, a_request(BUY, "0.01", "1400"), START)

    assert refused(lambda: engine.place(ALICE, a_request(BUY, "0.01"), FRIDAY)) == 10540


def test_one_order_more_than_the_limit_is_refused_and_a_cancel_makes_room(feed: ScriptedFeed) -> None:
    engine = an_engine(feed, Rules(max_open_orders=2))
    first = engine.place(ALICE, a_request(BUY, "0.01"), START)
    engine.place(ALICE, a_request(BUY, "0.01", option=PUT), START)

    assert refused(lambda: engine.place(ALICE, a_request(BUY, "0.01"), START)) == 10535
    engine.cancel(ALICE, START, order_id=first)
    engine.place(ALICE, a_request(BUY, "0.01"), START)


def test_l5_a_client_order_id_is_taken_once_for_ever(engine: Engine) -> None:
    engine.place(ALICE, a_request(BUY, "0.01", client_id=7), START)
    engine.cancel(ALICE, START, client_id=7)

    assert refused(lambda: engine.place(ALICE, a_request(BUY, "0.01", client_id=7), START)) == 10577
    engine.place(BOB, a_request(BUY, "0.01", client_id=7), START)


def test_a_refused_order_spends_no_client_order_id(engine: Engine) -> None:
    assert refused(lambda: engine.place(ALICE, a_request(BUY, "0.005", client_id=7), START)) == 10558

    assert engine.place(ALICE, a_request(BUY, "0.01", client_id=7), START)


# ---- reduce-only


def test_l2_a_reduce_only_order_never_opens(engine: Engine) -> None:
    assert refused(lambda: engine.place(ALICE, a_request(SELL, "0.1", reduce_only=True), START)) == 10536
    engine.place(ALICE, a_request(BUY, "0.5", "1510"), START)

    assert refused(lambda: engine.place(ALICE, a_request(BUY, "0.1", reduce_only=True), START)) == 10536
    assert refused(lambda: engine.place(ALICE, a_request(SELL, "0.51", reduce_only=True), START)) == 10536
    engine.place(ALICE, a_request(SELL, "0.3", "1600", reduce_only=True), START)
    assert refused(lambda: engine.place(ALICE, a_request(SELL, "0.3", "1600", reduce_only=True), START)) == 10536
    engine.place(ALICE, a_request(SELL, "0.2", "1600", reduce_only=True), START)


def test_reduce_only_orders_that_could_close_too_much_are_cancelled_newest_first(engine: Engine) -> None:
    engine.place(ALICE, a_request(BUY, "0.5", "1510"), START)
    older = engine.place(ALICE, a_request(SELL, "0.3", "1600", reduce_only=True), START)
    newer = engine.place(ALICE, a_request(SELL, "0.2", "1600", reduce_only=True), START)

    engine.place(ALICE, a_request(SELL, "0.1", "1490"), START)

    assert order(engine, newer).state is OrderState.CANCELED
    assert order(engine, older).state is OrderState.NEW


def test_a_short_is_reduced_by_buying(engine: Engine) -> None:
    engine.place(ALICE, a_request(SELL, "0.5", "1490"), START)

    row = order(engine, engine.place(ALICE, a_request(BUY, "0.5", "1510", reduce_only=True), START))

    assert row.state is OrderState.FILLED
    assert engine.reports.positions(ALICE, START) == []
