"""The rest of the market at the paper exchange: its quotes, its orders, its tape, expiry, and the read side."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from domain import Side
from paper.engine import Engine
from paper.expiry import is_daily
from paper.ledger import FEES, HOUSE, total_cash
from paper.rows import BalanceChanged, Image, OrderChanged, PositionChanged, Printed
from paper.rules import Faults, OrderState, Refused, Rules

from tests.unit.paper.engine_market import (
    ALICE,
    BOB,
    CALL,
    CAROL,
    DAILY,
    FRIDAY,
    PUT,
    SECOND,
    START,
    THURSDAY,
    D,
    ScriptedFeed,
    a_request,
    an_engine,
    an_option,
    levels,
)

BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture
def feed() -> ScriptedFeed:
    feed = ScriptedFeed()
    feed.quote(CALL, START, levels(("1490", "1")), levels(("1510", "1")))
    return feed


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


# ---- reading


def test_events_tell_each_step_with_the_values_of_that_step(engine: Engine) -> None:
    engine.place(BOB, a_request(SELL, "0.5", "1500"), START)
    engine.drain_events()

    order_id = engine.place(ALICE, a_request(BUY, "1.5", "1510"), START)
    events = engine.drain_events()

    mine = [event for event in events if isinstance(event, OrderChanged) and event.user == ALICE]
    assert [(event.order.order_id, event.order.state, event.order.filled) for event in mine] == [
        (order_id, OrderState.NEW, 0),
        (order_id, OrderState.PARTIALLY_FILLED, D("0.5")),
        (order_id, OrderState.FILLED, D("1.5")),
    ]
    assert [event.trade and event.trade.is_taker for event in mine] == [None, True, True]
    moved = [event for event in events if isinstance(event, PositionChanged) and event.user == ALICE]
    assert [(event.opened, event.closed) for event in moved] == [(True, False), (False, False)]
    assert {event.user for event in events if isinstance(event, BalanceChanged)} == {ALICE, BOB}
    assert [event.tape.price for event in events if isinstance(event, Printed)] == [D(1500), D(1510)]
    assert engine.drain_events() == []


def test_a_record_that_is_off_notes_nothing(engine: Engine, feed: ScriptedFeed) -> None:
    engine.drain_changes()
    engine.record.on = False
    feed.settlements[FRIDAY] = D(99_000)

    engine.place(ALICE, a_request(BUY, "1.5", "1510"), START)
    engine.advance(FRIDAY)

    assert engine.drain_events() == []
    assert engine.drain_changes().empty


def test_changes_hold_the_rows_touched_and_then_forget_them(engine: Engine) -> None:
    engine.drain_changes()
    order_id = engine.place(ALICE, a_request(BUY, "1", "1510"), START)

    changes = engine.drain_changes()

    assert [row.order_id for row in changes.orders] == [order_id]
    assert {row.user for row in changes.accounts} == {ALICE, HOUSE, FEES}
    assert [row.maker_order for row in changes.trades] == [None]
    assert [row.symbol for row in changes.books] == [CALL.symbol]
    assert not changes.empty
    assert engine.drain_changes().empty


def test_history_is_paged_by_id_newest_first(engine: Engine) -> None:
    ids = [engine.place(ALICE, a_request(BUY, "0.01", "1400"), START + n * SECOND) for n in range(5)]

    first = engine.reports.order_history(ALICE, limit=2)
    older = engine.reports.order_history(ALICE, limit=2, from_id=ids[3])
    newer = engine.reports.order_history(ALICE, limit=2, from_id=ids[1], newer=True)
    timed = engine.reports.order_history(ALICE, since=START + SECOND, until=START + 2 * SECOND)

    assert ([row.order_id for row in first.rows], first.has_next, first.has_prev) == (ids[:2:-1], True, False)
    assert ([row.order_id for row in older.rows], older.has_next, older.has_prev) == ([ids[2], ids[1]], True, True)
    assert ([row.order_id for row in newer.rows], newer.has_next, newer.has_prev) == ([ids[3], ids[2]], True, True)
    assert [row.order_id for row in timed.rows] == [ids[2], ids[1]]


def test_fills_are_paged_by_trade_id(engine: Engine) -> None:
    for _ in range(3):
        engine.place(ALICE, a_request(BUY, "0.1", "1510"), START)

    every = engine.reports.trade_history(ALICE).rows
    rest = engine.reports.trade_history(ALICE, from_id=every[0].trade_id, limit=1)

    assert [row.trade_id for row in rest.rows] == [every[1].trade_id]
    assert rest.has_next
    assert engine.reports.trade_history(ALICE, since=START + SECOND).rows == []


def test_a_position_is_valued_at_the_mark_and_at_the_last_trade(engine: Engine) -> None:
    engine.place(ALICE, a_request(SELL, "0.5", "1490"), START)
    engine.place(ALICE, a_request(BUY, "0.2", "1400"), START)

    row = engine.reports.positions(ALICE, START)[0]

    assert (row.side, row.qty, row.avg_price, row.mark, row.locked) == (SELL, D("0.5"), D(1490), D(1500), D("0.2"))
    assert (row.upnl, row.upnl_mark, row.roi_mark) == (D(0), D(-5), D("-0.006711"))
    assert row.greeks.delta == -0.125
    assert row.initial_margin == D("0.5") * (1500 + 9500)
    assert row.value == D(-750)


def test_an_order_is_found_by_either_id(engine: Engine) -> None:
    order_id = engine.place(ALICE, a_request(BUY, "1", "1400", client_id=9), START)

    assert engine.reports.order(ALICE, client_id=9).order_id == order_id
    for wrong, code in (({"client_id": 8}, 10584), ({}, 10575)):
        with pytest.raises(Refused) as caught:
            engine.reports.order(ALICE, **wrong)
        assert caught.value.code == code


def test_open_orders_are_newest_first_and_can_be_those_of_an_underlying(engine: Engine) -> None:
    ids = [engine.place(ALICE, a_request(BUY, "1", "1400"), START) for _ in range(2)]

    assert [row.order_id for row in engine.reports.open_orders(ALICE, underlying="BTC")] == ids[::-1]
    assert engine.reports.open_orders(ALICE, underlying="ETH") == []


def test_a_chain_shows_users_and_market_together(engine: Engine) -> None:
    engine.place(ALICE, a_request(BUY, "1", "1500"), START)

    views = {view.option.symbol: view for view in engine.reports.chain("BTC", START)}

    assert set(views) == {CALL.symbol, PUT.symbol, DAILY.symbol}
    assert [level.price for level in views[CALL.symbol].bids] == [D(1500), D(1490)]
    assert [view.option for view in engine.reports.chain("BTC", START, THURSDAY)] == [DAILY]
    assert engine.reports.index("BTC", START) == D(95_000)


def test_an_unlisted_option_has_no_view(engine: Engine) -> None:
    unlisted = an_option(strike=1)
    for ask in (engine.reports.view, engine.reports.book, engine.reports.last_trades):
        with pytest.raises(Refused) as caught:
            ask(unlisted.symbol, START)
        assert caught.value.code == 10574


def test_ratios_of_an_account_with_nothing_are_none_or_whole(engine: Engine, feed: ScriptedFeed) -> None:
    engine.add_account(500, "poor", D(0))

    assert engine.reports.summary(500, START).im_ratio == 0


# ---- restart


def test_a_restart_keeps_the_queue_the_positions_and_the_ids(engine: Engine, feed: ScriptedFeed) -> None:
    engine.faults[BOB] = Faults(cancel_takes=timedelta(seconds=9))
    first = engine.place(ALICE, a_request(SELL, "1", "1505", client_id=4), START)
    second = engine.place(BOB, a_request(SELL, "1", "1505"), START)
    engine.place(BOB, a_request(BUY, "0.5", "1502"), START)
    engine.place(ALICE, a_request(SELL, "0.5", "1490"), START)
    engine.cancel(BOB, START, order_id=second)
    engine.transfer(ALICE, D("0.000000000001"), START)

    again = Engine.restore(feed, Rules(), engine.snapshot())

    assert again.snapshot() == engine.snapshot()
    assert again.reports.summary(ALICE, START) == engine.reports.summary(ALICE, START)
    assert again.reports.order(ALICE, client_id=4).order_id == first
    assert list(again.slow_cancels) == [second]
    assert again.place(ALICE, a_request(BUY, "0.01", "1000"), START) == engine.place(ALICE, a_request(BUY, "0.01", "1000"), START)
    assert again.reports.trade_history(BOB) == engine.reports.trade_history(BOB)


def test_a_restart_keeps_the_order_of_the_queue_across_accounts(engine: Engine, feed: ScriptedFeed) -> None:
    engine.place(BOB, a_request(SELL, "1", "1505"), START)
    engine.place(ALICE, a_request(SELL, "1", "1505"), START)
    again = Engine.restore(feed, Rules(), engine.snapshot())

    again.place(CAROL, a_request(BUY, "1", "1505"), START)

    assert [match.maker_user for match in again.drain_changes().trades] == [BOB]


def test_what_was_taken_is_still_taken_after_a_restart_from_the_rows_of_the_changes(engine: Engine, feed: ScriptedFeed) -> None:
    first = engine.drain_changes()
    engine.place(ALICE, a_request(SELL, "0.1", "1600"), START)
    second = engine.drain_changes()
    engine.place(ALICE, a_request(BUY, "0.4", "1510"), START)
    third = engine.drain_changes()
    accounts = {row.user: row for changes in (first, second, third) for row in changes.accounts}
    rows = Image(
        meta=third.meta,
        accounts=list(accounts.values()),
        orders=[*second.orders, *third.orders],
        trades=third.trades,
        positions=third.positions,
        exercises=[],
        books=third.books,
    )

    again = Engine.from_image(feed, Rules(), rows)

    assert again.reports.book(CALL.symbol, START + SECOND) == engine.reports.book(CALL.symbol, START + SECOND)
    assert again.reports.book(CALL.symbol, START + SECOND).asks[0].size == D("0.6")


def test_a_restart_amid_an_expiry_still_settles(engine: Engine, feed: ScriptedFeed) -> None:
    engine.place(ALICE, a_request(SELL, "1", "1490"), START)
    engine.advance(FRIDAY)
    again = Engine.restore(feed, Rules(), engine.snapshot())
    feed.settlements[FRIDAY] = D(101_000)

    again.advance(FRIDAY + SECOND)

    assert again.reports.exercises(ALICE)[0].settlement_cash_flow == Decimal(-1000)
    assert total_cash(again.accounts.values()) == 0
    kept = Engine.restore(feed, Rules(), again.snapshot())
    assert kept.reports.exercises(ALICE) == again.reports.exercises(ALICE)
