"""The read side of the paper exchange: what each step tells, how lists are paged and valued, and what a restart keeps."""

from datetime import timedelta
from decimal import Decimal

import pytest

from domain import Side
from paper.engine import Engine
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
    a_call_feed,
    a_request,
    an_engine,
    an_option,
    levels,
)

BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture
def feed() -> ScriptedFeed:
    return a_call_feed(levels(("1490", "1")), levels(("1510", "1")))


@pytest.fixture
def engine(feed: ScriptedFeed) -> Engine:
    return an_engine(feed)


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
