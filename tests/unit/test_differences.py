"""What differs between our books and what a venue told in one round: a comparison of values."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from differences import Books, Comparison, Holding, Told, compare
from domain import ZERO, ClientOrderId, Difference, Fill, OrderReport, OrderStatus, OrderType, PositionSnapshot, Side
from events import AnyEvent, LegAdopted, OpenStarted, OrderAccepted, OrderIntended, OrderLost, OrderRefused, OrderSettled
from order_ledger import OrderLedger
from past_orders import PastOrders
from trade_lifecycle import TradeLifecycle, TradeState, advance

from tests.fakes import EXPIRY, START, a_fill, a_name, a_plan, a_position, a_trade, an_account, an_option, an_order, filled

D = Difference
NOW = START + timedelta(minutes=5)
NAME = a_name()


def opened(number: int = 1, qty: str = "1") -> TradeLifecycle:
    """A trade that is short one call."""
    started = advance(a_trade(trade=number), OpenStarted(at=START, trade=number))
    return advance(started, filled(a_fill(qty), a_name(trade=number)))


def ledger(*events: AnyEvent) -> OrderLedger:
    """A ledger with one order that was accepted."""
    kept = OrderLedger()
    for event in (
        OrderIntended(at=START, order=str(NAME), new=an_order()),
        OrderAccepted(at=START, order=str(NAME), order_id="v1"),
        *events,
    ):
        kept.take(event)  # type: ignore[arg-type]
    return kept


DONE = OrderSettled(at=START, order=str(NAME), status=OrderStatus.FILLED, filled=Decimal(1))


def books(*trades: TradeLifecycle, known: OrderLedger | None = None, past: PastOrders | None = None) -> Books:
    return Books(
        desk=7,
        started=START,
        trades=trades,
        trade={trade.number: trade for trade in trades}.get,
        ledger=known or OrderLedger(),
        past=past or PastOrders(),
    )


def told(*positions: PositionSnapshot, orders: tuple[OrderReport, ...] = (), fills: tuple[Fill, ...] = ()) -> Told:
    return Told(orders=orders, fills=fills, account=an_account(now=NOW, positions=positions))


def a_report(name: ClientOrderId | None = NAME, order_id: str = "v1") -> OrderReport:
    return OrderReport(
        client_id=name, order_id=order_id, symbol=an_option().symbol, side=Side.SELL, qty=Decimal(1), filled=ZERO, status=OrderStatus.NEW
    )


def kinds(comparison: Comparison) -> list[Difference]:
    return [found.kind for found in comparison.found]


def test_books_and_venue_that_agree_differ_in_nothing() -> None:
    trade = opened()
    known = ledger(filled(), DONE)
    assert compare(books(trade, known=known), told(a_position(an_option(), "-1"), fills=(a_fill(),))) == Comparison(
        (),
        frozenset(),
        {an_option().symbol: Holding(symbol=an_option().symbol, shown=Decimal(-1), ours=Decimal(-1), avg_price=Decimal(100))},
    )


def test_a_fill_of_an_order_that_is_done_is_surely_missed_and_of_a_live_one_perhaps() -> None:
    late = a_fill("0.2", fill_id="late")
    done = compare(books(opened(), known=ledger(filled(), DONE)), told(fills=(late, late)))
    live = compare(books(opened(), known=ledger(filled(a_fill("0.5")))), told(fills=(late,)))
    assert [(f.kind, f.sure) for f in done.found if f.fill] == [(D.FILL_MISSED, True)]
    assert [(f.kind, f.sure) for f in live.found if f.fill] == [(D.FILL_MISSED, False)]


def test_what_a_blocks_own_answer_or_an_orders_report_booked_is_not_missed() -> None:
    block = OrderLedger()
    new = replace(an_order(), order_type=OrderType.BLOCK_TRADE, price=Decimal("99.3"))
    block.take(OrderIntended(at=START, order=str(NAME), new=new))
    block.take(OrderAccepted(at=START, order=str(NAME), order_id="v1"))
    reported = ledger(filled(a_fill(fill_id="report-v1-1")), DONE)
    for known in (block, reported):
        assert kinds(compare(books(opened(), known=known), told(a_position(an_option(), "-1"), fills=(a_fill(fill_id="t9"),)))) == []


def test_a_fill_that_the_trade_has_seen_is_not_missed_though_its_order_is_forgotten() -> None:
    trade = opened()
    past = PastOrders()
    past.keep(trade, ledger(filled(), DONE).of(1))
    assert compare(books(trade, past=past), told(a_position(an_option(), "-1"), fills=(a_fill(),))).found == ()
    assert kinds(compare(books(trade, past=past), told(fills=(a_fill(fill_id="late"),)))) == [D.FILL_MISSED]


@pytest.mark.parametrize(
    "known",
    [
        OrderLedger(),
        ledger(DONE),
        ledger(OrderRefused(at=START, order=str(NAME), reason="never arrived", retryable=True)),
    ],
)
def test_an_open_order_in_our_name_that_nobody_manages_is_unknown(known: OrderLedger) -> None:
    assert kinds(compare(books(known=known), told(orders=(a_report(),)))) == [D.ORDER_UNKNOWN]


def test_l20_orders_without_our_desks_name_are_of_others_one_difference_for_each_symbol() -> None:
    theirs = [a_report(None, f"o{n}") for n in range(5)] + [a_report(replace(NAME, desk=8), "o8")]
    found = compare(books(), told(orders=tuple(theirs))).found
    assert [(f.kind, f.subject, f.order) for f in found] == [(D.ORDER_OF_OTHERS, an_option().symbol, None)]
    assert found[0].said.startswith("6 open orders are not ours")
    assert found[0].said.endswith("and 3 more")


def test_a_live_order_that_is_not_listed_or_whose_outcome_is_not_known_is_lost() -> None:
    assert kinds(compare(books(known=ledger()), told())) == [D.ORDER_LOST]
    assert kinds(compare(books(known=ledger()), told(orders=(a_report(),)))) == []
    lost = ledger(OrderLost(at=START, order=str(NAME), reason="timeout"))
    assert kinds(compare(books(known=lost), told(orders=(a_report(),)))) == [D.ORDER_LOST]


@pytest.mark.parametrize(
    ("shown", "kind", "others"),
    [
        ("-1", None, "0"),
        ("-1.5", D.POSITION_OF_OTHERS, "-0.5"),
        ("-0.4", D.POSITION_SHORT, "0"),
        ("0.3", D.POSITION_SHORT, "0"),
        ("1", D.POSITION_SHORT, "0"),
    ],
)
def test_l01_positions_are_compared_with_their_sign(shown: str, kind: Difference | None, others: str) -> None:
    comparison = compare(books(opened()), told(a_position(an_option(), shown)))
    assert kinds(comparison) == ([] if kind is None else [kind])
    assert comparison.holdings[an_option().symbol].others == Decimal(others)


def test_trades_that_share_an_option_share_its_position() -> None:
    assert compare(books(opened(1), opened(2)), told(a_position(an_option(), "-2"))).found == ()


def test_nothing_is_said_of_a_position_while_an_order_is_out_or_a_fill_is_young() -> None:
    busy = compare(books(opened(), known=ledger()), told(orders=(a_report(),)))
    young = compare(books(opened()), Told(orders=(), fills=(), account=an_account(now=START)))
    expired = compare(books(opened()), Told(orders=(), fills=(), account=an_account(now=EXPIRY)))
    for comparison in (busy, young, expired):
        assert (comparison.found, set(comparison.unsure)) == ((), {an_option().symbol})


def test_l33_a_leg_that_expired_before_this_run_is_named_and_one_that_expires_in_it_is_not() -> None:
    assert kinds(compare(replace(books(opened()), started=EXPIRY), Told(orders=(), fills=(), account=an_account(now=EXPIRY)))) == [
        D.EXPIRED_AWAY
    ]


# ---- orders of ended trades


def ended(number: int, at: int) -> TradeLifecycle:
    moment = START + timedelta(hours=at)
    return replace(a_trade(trade=number), state=TradeState.CLOSED, closed_at=moment, phase_at=moment)


def orders_of(number: int) -> OrderLedger:
    known, name = OrderLedger(), a_name(trade=number)
    known.take(OrderIntended(at=START, order=str(name), new=an_order(name)))
    known.take(OrderAccepted(at=START, order=str(name), order_id=f"v{number}"))
    return known


def test_l37_orders_of_ended_trades_are_kept_for_a_while_and_in_a_bounded_number() -> None:
    past = PastOrders(trades=3, span=timedelta(hours=10))
    for number in range(1, 6):
        past.keep(ended(number, number), orders_of(number).of(number))
    assert len(past) == 3
    assert past.owner_of("v2") is None
    assert past.owner_of("v5") is not None
    past.keep(ended(6, 14), orders_of(6).of(6))
    assert [number for number in range(1, 7) if past.of(number)] == [4, 5, 6]
    past.keep(ended(7, 40), ())
    assert len(past) == 0


def test_orders_of_ended_trades_are_rebuilt_from_the_journal() -> None:
    name = a_name(trade=4)
    events: list[AnyEvent] = [
        OrderIntended(at=START, order=str(name), new=an_order(name)),
        OrderAccepted(at=START, order=str(name), order_id="v4"),
        LegAdopted(at=START, trade=9, leg=0, qty=Decimal(1), price=ZERO),
    ]
    past = PastOrders()
    past.restore(events, [ended(4, 3), ended(5, 3)])
    assert [record.client_id for record in past.of(4)] == [name]
    past.learn("w4", name)
    assert past.owner_of("w4") == past.get(name)
    assert past.get(a_name(trade=8)) is None
    long_ago = PastOrders(span=timedelta(hours=1))
    long_ago.restore(events, [ended(4, 3), ended(5, 30)])
    assert long_ago.of(4) == ()


def test_an_order_that_was_thought_never_to_have_arrived_is_found_by_the_id_learned_later() -> None:
    past, trade = PastOrders(), ended(4, 3)
    name = a_name(trade=4)
    known = OrderLedger()
    known.take(OrderIntended(at=START, order=str(name), new=an_order(name)))
    known.take(OrderRefused(at=START, order=str(name), reason="never arrived", retryable=True))
    past.keep(trade, known.of(4))
    assert past.owner_of("v9") is None
    past.learn("v9", name)
    found = past.owner_of("v9")
    assert found is not None
    assert (found.client_id, found.order_id) == (name, "v9")
    past.learn("v10", a_name(trade=77))
    assert past.owner_of("v10") is None


def test_a_plan_of_one_leg_is_compared_leg_by_leg() -> None:
    pair = a_trade(a_plan(), a_plan(an_option(75000)))
    assert compare(books(pair), told(a_position(an_option(75000), "-1"))).holdings[an_option(75000).symbol].others == -1
