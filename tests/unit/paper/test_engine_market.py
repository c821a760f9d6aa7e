"""The rest of the market at the paper exchange: its quotes, its orders, its tape, expiry, and the faults a rehearsal puts in."""

from datetime import date, timedelta

import pytest

from domain import Side
from paper.engine import Engine
from paper.expiry import is_daily
from paper.ledger import FEES, HOUSE, total_cash
from paper.rules import Faults, OrderState, Refused, Rules

from tests.unit.paper.engine_market import (
    ALICE,
    BOB,
    CALL,
    DAILY,
    FRIDAY,
    PUT,
    SECOND,
    START,
    THURSDAY,
    D,
    ScriptedFeed,
    a_call_feed,
    a_request,
    an_engine,
    levels,
)

BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture
def feed() -> ScriptedFeed:
    return a_call_feed(levels(("1490", "1")), levels(("1510", "1")))


@pytest.fixture
def engine(feed: ScriptedFeed) -> Engine:
    return an_engine(feed)


# ---- quotes and orders of others


def test_a_new_quote_that_crosses_a_resting_order_fills_it_at_its_price_up_to_the_quotes_size(engine: Engine, feed: ScriptedFeed) -> None:
    order_id = engine.place(ALICE, a_request(BUY, "1", "1500"), START)
    feed.quote(CALL, START + SECOND, levels(("1480", "1")), levels(("1495", "0.4"), ("1505", "1")))

    engine.advance(START + SECOND)

    row = engine.reports.order(ALICE, order_id=order_id)
    trade = engine.reports.trade_history(ALICE).rows[0]
    assert (row.state, row.filled, row.avg_price) == (OrderState.PARTIALLY_FILLED, D("0.4"), D(1500))
    assert not trade.is_taker
    assert [level.price for level in engine.reports.book(CALL.symbol, START + SECOND).asks] == [D(1505)]


def test_the_orders_of_others_trade_with_users_in_their_turn(engine: Engine, feed: ScriptedFeed) -> None:
    order_id = engine.place(ALICE, a_request(BUY, "1", "1490"), START)
    feed.sweep(CALL, START + SECOND, SELL, "1.3", "1490")

    engine.advance(START + 2 * SECOND)

    row = engine.reports.order(ALICE, order_id=order_id)
    assert (row.filled, row.updated) == (D("0.3"), START + SECOND)
    assert [(t.qty, t.side) for t in engine.reports.last_trades(CALL.symbol, START + 2 * SECOND)] == [(D("0.3"), SELL), (D(1), SELL)]


def test_an_order_of_others_reaches_no_order_that_came_after_it(engine: Engine, feed: ScriptedFeed) -> None:
    engine.place(ALICE, a_request(BUY, "0.1", "1300"), START)
    feed.sweep(CALL, START + SECOND, SELL, "9", "1500")

    late = engine.place(ALICE, a_request(BUY, "1", "1500"), START + 2 * SECOND)
    engine.advance(START + 3 * SECOND)

    assert engine.reports.order(ALICE, order_id=late).filled == 0


def test_an_order_of_others_is_met_once(engine: Engine, feed: ScriptedFeed) -> None:
    order_id = engine.place(ALICE, a_request(BUY, "5", "1500"), START)
    feed.sweep(CALL, START + SECOND, SELL, "1", "1500")

    for seconds in (1, 1, 2, 3):
        engine.advance(START + seconds * SECOND)

    assert engine.reports.order(ALICE, order_id=order_id).filled == 1


def test_each_order_of_others_meets_the_ladder_of_its_own_moment(engine: Engine, feed: ScriptedFeed) -> None:
    order_id = engine.place(ALICE, a_request(BUY, "1", "1480"), START)
    for seconds in range(1, 60):
        feed.quote(CALL, START + seconds * SECOND, levels(("1490", "1")), levels(("1510", "1")))
        feed.sweep(CALL, START + seconds * SECOND, SELL, "0.9", "1480")

    engine.advance(START + 60 * SECOND)

    assert engine.reports.order(ALICE, order_id=order_id).filled == 0


def test_after_a_long_pause_only_the_orders_of_the_last_hour_come(engine: Engine, feed: ScriptedFeed) -> None:
    order_id = engine.place(ALICE, a_request(BUY, "1", "1500"), START)
    feed.sweep(CALL, START + SECOND, SELL, "0.4", "1500")
    feed.sweep(CALL, START + timedelta(hours=5), SELL, "0.1", "1500")

    engine.advance(START + timedelta(hours=5, minutes=1))

    assert engine.reports.order(ALICE, order_id=order_id).filled == D("0.1")


def test_the_tape_is_alive_where_no_user_deals(engine: Engine, feed: ScriptedFeed) -> None:
    engine.reports.book(CALL.symbol, START)
    feed.sweep(CALL, START + SECOND, BUY, "0.3", "1510")
    feed.sweep(CALL, START + 2 * SECOND, BUY, "0.004", "1510")

    for _ in range(2):
        tape = engine.reports.last_trades(CALL.symbol, START + 3 * SECOND)
        assert [(line.price, line.qty, line.at) for line in tape] == [(D(1510), D("0.3"), START + SECOND)]
    assert engine.reports.last_price(CALL.symbol) == D(1510)
    assert engine.reports.last_price(PUT.symbol) is None
    assert engine.reports.accounts()[0].cash == 0


def test_a_market_that_crosses_itself_is_shown_uncrossed(engine: Engine, feed: ScriptedFeed) -> None:
    feed.quote(CALL, START + SECOND, levels(("1520", "1"), ("1500", "1")), levels(("1510", "1"), ("0", "1")))

    book = engine.reports.book(CALL.symbol, START + SECOND)

    assert [level.price for level in book.bids] == [D(1500)]
    assert [level.price for level in book.asks] == [D(1510)]


def test_quotes_off_the_tick_move_away_from_the_market(engine: Engine, feed: ScriptedFeed) -> None:
    feed.quote(CALL, START + SECOND, levels(("1490.19", "1.009")), levels(("1510.11", "1")))

    book = engine.reports.book(CALL.symbol, START + SECOND)

    assert (book.bids[0].price, book.bids[0].size, book.asks[0].price) == (D("1490.1"), D(1), D("1510.2"))


def test_time_does_not_go_back(engine: Engine, feed: ScriptedFeed) -> None:
    engine.advance(START + 5 * SECOND)

    order_id = engine.place(ALICE, a_request(BUY, "1", "1400"), START)

    assert engine.reports.order(ALICE, order_id=order_id).created == START + 5 * SECOND


# ---- expiry


def test_l33_expiry_cancels_orders_and_pays_holdings_at_the_delivery_price(engine: Engine, feed: ScriptedFeed) -> None:
    engine.place(ALICE, a_request(BUY, "1", "1510"), START)
    resting = engine.place(ALICE, a_request(BUY, "1", "1400"), START)
    feed.move("101000", FRIDAY)
    feed.settlements[FRIDAY] = D("101234.5")

    engine.advance(FRIDAY + SECOND)

    row = engine.reports.exercises(ALICE)[0]
    fee = D("15.15")  # 101,000 x 0.015 %
    assert (row.qty, row.side, row.settlement, row.strike) == (D(1), BUY, D("101234.5"), D(100_000))
    assert (row.open_cash_flow, row.settlement_cash_flow, row.net_cash_flow) == (D(-1510), D("1234.5"), D("-275.5"))
    assert row.fee == fee
    assert engine.reports.order(ALICE, order_id=resting).state is OrderState.CANCEL_BY_EXERCISE
    assert engine.reports.positions(ALICE, FRIDAY + SECOND) == []
    told = engine.reports.summary(ALICE, FRIDAY + SECOND)
    assert (told.unrealized, told.option_value) == (D(0), D(0))
    assert told.cash == told.available == 100_000 - 1510 - D("28.5") + D("1234.5") - fee
    assert total_cash(engine.accounts.values()) == 0


def test_an_option_out_of_the_money_pays_nothing_and_costs_nothing(engine: Engine, feed: ScriptedFeed) -> None:
    engine.place(ALICE, a_request(SELL, "1", "1490"), START)
    feed.settlements[FRIDAY] = D(100_000)
    fees = engine.accounts[FEES].cash

    engine.advance(FRIDAY)

    row = engine.reports.exercises(ALICE, symbol=CALL.symbol)[0]
    assert (row.side, row.settlement_cash_flow, row.open_cash_flow, row.fee) == (SELL, D(0), D(1490), D(0))
    assert engine.accounts[FEES].cash == fees


def test_a_daily_is_delivered_free_and_a_short_pays(engine: Engine, feed: ScriptedFeed) -> None:
    engine.place(ALICE, a_request(BUY, "1", "1500", DAILY), START)
    engine.place(BOB, a_request(SELL, "1", "1500", DAILY), START)
    feed.settlements[THURSDAY] = D(103_000)

    engine.advance(THURSDAY)

    rows = {user: engine.reports.exercises(user)[0] for user in (ALICE, BOB)}
    assert (rows[ALICE].settlement_cash_flow, rows[BOB].settlement_cash_flow) == (D(3000), D(-3000))
    assert (rows[ALICE].fee, rows[BOB].fee) == (D(0), D(0))
    assert (is_daily(THURSDAY), is_daily(FRIDAY)) == (True, False)


def test_a_settlement_price_that_comes_late_is_waited_for(engine: Engine, feed: ScriptedFeed) -> None:
    engine.place(ALICE, a_request(BUY, "1", "1510"), START)
    engine.advance(FRIDAY)
    assert engine.reports.positions(ALICE, FRIDAY)[0].qty == 1
    assert engine.reports.exercises(ALICE) == []

    feed.settlements[FRIDAY] = D(99_000)
    engine.advance(FRIDAY + 60 * SECOND)

    assert engine.reports.positions(ALICE, FRIDAY + 60 * SECOND) == []
    assert engine.accounts[HOUSE].holdings == {}
    assert engine.liquidity.books[CALL.symbol].house_holding.lots == 0


def test_the_delivery_fee_is_capped_by_an_eighth_of_the_payout(engine: Engine, feed: ScriptedFeed) -> None:
    engine.place(ALICE, a_request(BUY, "1", "1510"), START)
    feed.settlements[FRIDAY] = D(100_010)

    engine.advance(FRIDAY)

    assert engine.reports.exercises(ALICE)[0].fee == D("1.25")


def test_trading_can_stop_before_expiry(feed: ScriptedFeed) -> None:
    engine = an_engine(feed, Rules(trading_stop=timedelta(minutes=15)))

    with pytest.raises(Refused) as caught:
        engine.place(ALICE, a_request(BUY, "1"), FRIDAY - timedelta(minutes=15))

    assert caught.value.code == 10540


def test_delivery_prices_are_listed_by_day_newest_first(engine: Engine, feed: ScriptedFeed) -> None:
    feed.settlements = {THURSDAY: D(1), FRIDAY: D(2)}

    assert [(row.date, row.price) for row in engine.reports.delivery_prices("BTC", FRIDAY)] == [
        (date(2026, 3, 6), D(2)),
        (date(2026, 3, 5), D(1)),
    ]
    assert len(engine.reports.delivery_prices("BTC", FRIDAY - SECOND)) == 1


def test_the_expiration_price_is_estimated_from_what_has_passed_of_the_last_half_hour(engine: Engine, feed: ScriptedFeed) -> None:
    assert engine.reports.estimated_expiration("BTC", FRIDAY, START) == D(95_000)
    feed.move("96000", FRIDAY - timedelta(minutes=29))

    assert engine.reports.estimated_expiration("BTC", FRIDAY, FRIDAY - timedelta(minutes=28)) == (95_000 + 2 * D(96_000)) / 3


# ---- faults


def test_l6_a_slow_cancel_goes_through_states_4_and_5_and_can_still_fill(engine: Engine, feed: ScriptedFeed) -> None:
    engine.faults[ALICE] = Faults(cancel_takes=timedelta(seconds=4))
    order_id = engine.place(ALICE, a_request(BUY, "1", "1500"), START)
    engine.cancel(ALICE, START, order_id=order_id)
    assert engine.cancel(ALICE, START, order_id=order_id) == order_id

    states = []
    for seconds in (1, 2, 3, 4):
        states.append(engine.reports.order(ALICE, order_id=order_id).state)
        if seconds == 2:
            engine.place(BOB, a_request(SELL, "0.4", "1500"), START + seconds * SECOND)
        engine.advance(START + seconds * SECOND)

    row = engine.reports.order(ALICE, order_id=order_id)
    assert states == [OrderState.PRE_CANCEL, OrderState.PRE_CANCEL, OrderState.CANCELING, OrderState.CANCELING]
    assert (row.state, row.filled) == (OrderState.CANCELED, D("0.4"))
    assert engine.slow_cancels == {}


def test_a_slow_cancel_can_lose_the_whole_race(engine: Engine) -> None:
    engine.faults[ALICE] = Faults(cancel_takes=timedelta(seconds=4))
    order_id = engine.place(ALICE, a_request(BUY, "1", "1500"), START)
    engine.cancel(ALICE, START, order_id=order_id)
    engine.place(BOB, a_request(SELL, "1", "1500"), START)

    engine.advance(START + SECOND)

    assert engine.reports.order(ALICE, order_id=order_id).state is OrderState.FILLED
    assert engine.slow_cancels == {}


def test_a_fill_in_the_midst_of_cancelling_all_may_end_other_orders(engine: Engine) -> None:
    engine.place(ALICE, a_request(BUY, "0.5", "1510"), START)
    plain = engine.place(ALICE, a_request(SELL, "0.5", "1600"), START)
    closing = engine.place(ALICE, a_request(SELL, "0.5", "1600", reduce_only=True), START)
    engine.faults[ALICE] = Faults(fill_while_cancelling=True)

    engine.cancel_all(ALICE, START)

    states = [engine.reports.order(ALICE, order_id=order_id).state for order_id in (plain, closing)]
    assert states == [OrderState.FILLED, OrderState.CANCELED]


@pytest.mark.parametrize("takes", [None, timedelta(seconds=1)])
def test_l3_an_order_can_fill_while_it_is_being_cancelled(engine: Engine, takes: timedelta | None) -> None:
    engine.faults[ALICE] = Faults(cancel_takes=takes, fill_while_cancelling=True)
    order_id = engine.place(ALICE, a_request(BUY, "1", "1500"), START)

    engine.cancel(ALICE, START, order_id=order_id)
    engine.advance(START + SECOND)

    row = engine.reports.order(ALICE, order_id=order_id)
    assert (row.state, row.filled, row.avg_price) == (OrderState.FILLED, D(1), D(1500))


def test_l8_a_marketable_order_can_be_left_with_one_lot(engine: Engine, feed: ScriptedFeed) -> None:
    feed.quote(CALL, START, (), levels(("1510", "1"), ("1515", "1")))
    engine.faults[ALICE] = Faults(one_lot_only=True)

    row = engine.reports.order(ALICE, order_id=engine.place(ALICE, a_request(BUY, "2", "1515"), START))

    assert (row.state, row.filled) == (OrderState.PARTIALLY_FILLED, D("0.01"))


def test_the_next_commands_can_be_refused_one_each(engine: Engine) -> None:
    engine.faults[ALICE] = Faults(refuse_next=[10000, 10605])

    for code in (10000, 10605):
        with pytest.raises(Refused) as caught:
            engine.place(ALICE, a_request(BUY, "1"), START)
        assert caught.value.code == code
    assert engine.place(ALICE, a_request(BUY, "1"), START)
