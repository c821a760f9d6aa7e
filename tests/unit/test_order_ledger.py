"""What we know of each order, and what a restart makes of it."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from domain import OrderReport, OrderStatus, OrderType, Purpose, Side
from events import OrderAccepted, OrderEvent, OrderIntended, OrderLost, OrderRefused, OrderSettled
from order_ledger import OrderLedger, OrderRecord, Patience, Pursuit, alteration, applied, remainder, reported

from tests.fakes import START, a_created, a_fill, a_name, an_option, an_order, filled

NAME = a_name()
INTENDED = OrderIntended(at=START, order=str(NAME), new=an_order())
ACCEPTED = OrderAccepted(at=START, order=str(NAME), order_id="v1")
FRESH = OrderRecord(new=an_order(), sent_at=START)


def a_report(status: OrderStatus = OrderStatus.NEW, filled: str = "0", avg: str | None = "100", fee: str | None = "0.5") -> OrderReport:
    return OrderReport(
        client_id=NAME,
        order_id="v1",
        symbol=an_option().symbol,
        side=Side.SELL,
        qty=Decimal(1),
        filled=Decimal(filled),
        status=status,
        avg_price=None if avg is None else Decimal(avg),
        fee=None if fee is None else Decimal(fee),
    )


def a_ledger(*events: OrderEvent) -> OrderLedger:
    ledger = OrderLedger()
    for event in (INTENDED, *events):
        ledger.take(event)
    return ledger


def known(ledger: OrderLedger) -> OrderRecord:
    record = ledger.get(NAME)
    assert record is not None
    return record


def test_l05_an_order_counts_as_working_from_its_intent_on() -> None:
    assert known(a_ledger()).working == 1


def test_a_block_leg_is_told_from_other_orders_and_is_not_booked_from_lists() -> None:
    block = replace(an_order(a_name(attempt=2)), order_type=OrderType.BLOCK_TRADE)
    ledger = a_ledger(OrderIntended(at=START, order=str(block.client_id), new=block))
    assert [record.client_id.attempt for record in ledger.live()] == [1, 2]
    assert [record.client_id.attempt for record in ledger.live(block=True)] == [2]
    assert [record.client_id.attempt for record in ledger.live(block=False)] == [1]
    assert [record.booked_otherwise for record in ledger.live()] == [False, True]


def test_an_order_is_asked_about_by_itself_while_its_venue_id_or_its_end_is_not_known() -> None:
    assert FRESH.doubtful
    known_there = replace(FRESH, order_id="v1")
    assert not known_there.doubtful
    assert replace(known_there, lost=True).doubtful
    assert replace(known_there, cancel_wanted=True).doubtful
    assert replace(known_there, status=OrderStatus.CANCELED).doubtful


def test_an_order_that_the_venue_altered_is_told_with_both_forms() -> None:
    report = a_report()
    assert alteration(an_order(), report) is None
    assert alteration(an_order(), replace(report, price=Decimal(100))) is None
    told = alteration(an_order(), replace(report, price=Decimal(99), qty=Decimal(2)))
    assert told is not None
    assert "sent 1 @ 100, the venue has 2 @ 99" in told


def test_a_refused_order_works_no_more() -> None:
    record = known(a_ledger(OrderRefused(at=START, order=str(NAME), reason="no", retryable=True)))
    assert (record.live, record.working, record.retryable, record.refused) == (False, Decimal(0), True, "no")


def test_l05_a_lost_order_still_works() -> None:
    record = known(a_ledger(OrderLost(at=START, order=str(NAME), reason="timeout")))
    assert record.lost
    assert record.working == 1


def test_l06_an_order_that_is_being_cancelled_still_works() -> None:
    for status in (OrderStatus.PRE_CANCEL, OrderStatus.CANCELING, OrderStatus.UNKNOWN):
        assert reported(FRESH, a_report(status)).working == 1


def test_a_fill_that_is_reported_and_not_booked_still_works() -> None:
    record = reported(FRESH, a_report(OrderStatus.CANCELED, "0.4"))
    assert (record.working, record.unbooked) == (Decimal("0.4"), Decimal("0.4"))


def test_what_was_filled_never_shrinks_and_what_was_final_stays_final() -> None:
    done = reported(FRESH, a_report(OrderStatus.CANCELED, "0.4"))
    late = reported(done, a_report(OrderStatus.NEW, "0", None, None))
    assert (late.status, late.reported, late.reported_value, late.reported_fee) == (
        OrderStatus.CANCELED,
        Decimal("0.4"),
        Decimal(40),
        Decimal("0.5"),
    )


def test_a_report_without_a_fee_keeps_the_one_known() -> None:
    known_fee = reported(FRESH, a_report(OrderStatus.PARTIALLY_FILLED, "0.4"))
    assert reported(known_fee, a_report(OrderStatus.PARTIALLY_FILLED, "0.5", fee=None)).reported_fee == Decimal("0.5")


def test_the_same_fill_is_taken_once() -> None:
    ledger = a_ledger(ACCEPTED)
    assert ledger.take(filled(a_fill("0.4"))) == ledger.take(filled(a_fill("0.4")))
    assert known(ledger).booked == Decimal("0.4")
    assert ledger.has_fill(1, "f1")


def test_an_event_of_an_unknown_order_is_nobodys() -> None:
    assert OrderLedger().take(ACCEPTED) is None


def test_an_event_that_says_nothing_new_changes_nothing() -> None:
    assert applied(FRESH, OrderEvent(at=START, order=str(NAME))) == FRESH


def test_the_venues_own_id_leads_back_to_the_order() -> None:
    ledger = a_ledger(ACCEPTED)
    owner = ledger.owner_of("v1")
    assert owner is not None
    assert owner.client_id == NAME
    assert ledger.owner_of("v2") is None


def test_orders_are_found_by_leg_and_purpose() -> None:
    ledger = a_ledger()
    close = a_name(1, Purpose.CLOSE)
    ledger.take(OrderIntended(at=START, order=str(close), new=an_order(close)))
    assert [r.client_id for r in ledger.of(1)] == [NAME, close]
    assert [r.client_id for r in ledger.of(1, leg=1)] == [close]
    assert [r.client_id for r in ledger.of(1, purpose=Purpose.OPEN)] == [NAME]
    assert ledger.of(2) == ()


def test_after_a_restart_an_order_without_an_end_is_lost() -> None:
    ledger = OrderLedger()
    ledger.restore([a_created(), INTENDED, ACCEPTED, filled(a_fill("0.4"))])
    assert [record.lost for record in ledger.live()] == [True]
    assert known(ledger).booked == Decimal("0.4")


def test_after_a_restart_a_settled_order_is_done() -> None:
    ledger = OrderLedger()
    ledger.restore([INTENDED, ACCEPTED, OrderSettled(at=START, order=str(NAME), status=OrderStatus.CANCELED, filled=Decimal(0))])
    assert ledger.live() == ()
    assert known(ledger).working == 0


def test_l37_a_forgotten_trade_leaves_nothing_behind() -> None:
    ledger = a_ledger(ACCEPTED)
    ledger.take(filled(a_fill("0.4")))
    other = a_name(trade=2)
    ledger.take(OrderIntended(at=START, order=str(other), new=an_order(other)))
    ledger.forget(1)
    ledger.forget(2)
    ledger.forget(3)
    assert ledger.get(NAME) is None
    assert ledger.owner_of("v1") is None
    assert ledger.live() == ()
    assert not ledger.has_fill(1, "f1")


def test_what_the_trades_do_not_show_can_be_booked_from_the_report() -> None:
    record = applied(reported(FRESH, a_report(OrderStatus.CANCELED, "0.4", "110", "0.8")), filled(a_fill("0.1", "100", fee="0.2")))
    fill = remainder(record, START)
    assert fill is not None
    assert (fill.qty, round(fill.price * fill.qty, 9), fill.fee) == (Decimal("0.3"), Decimal(34), Decimal("0.6"))
    booked = applied(record, filled(fill))
    assert (booked.unbooked, booked.booked_from_report, remainder(booked, START)) == (Decimal(0), True, None)


def test_a_report_without_an_average_or_a_fee_invents_neither() -> None:
    assert remainder(reported(FRESH, a_report(OrderStatus.FILLED, "1", avg=None)), START) is None
    free = remainder(reported(FRESH, a_report(OrderStatus.FILLED, "1", fee=None)), START)
    assert free is not None
    assert free.fee == 0


def test_after_a_restart_a_fill_booked_from_the_report_is_not_booked_again_from_the_trades() -> None:
    ledger = OrderLedger()
    ledger.restore([INTENDED, ACCEPTED, filled(a_fill("1", fill_id="report-v1-1"))])
    assert known(ledger).booked_from_report


def test_l19_a_final_order_is_confirmed_by_a_second_report_after_the_grace() -> None:
    patience, pursuit = Patience(), Pursuit(next_ask=START, wait=timedelta(seconds=8), doubted_at=START)
    report = a_report(OrderStatus.CANCELED)
    done = reported(FRESH, report)
    pursuit.saw(report, FRESH, done, START, patience)
    assert (pursuit.confirmed, pursuit.next_ask, pursuit.wait) == (False, START + patience.grace, patience.ask_again)
    pursuit.saw(report, done, done, START, patience)
    assert not pursuit.confirmed
    pursuit.saw(a_report(), done, done, START + patience.grace, patience)
    assert not pursuit.confirmed, "a list that lags confirms nothing"
    pursuit.saw(report, done, done, START + patience.grace, patience)
    assert pursuit.confirmed


def test_the_wait_for_a_fill_begins_with_the_first_list_that_was_read_and_did_not_show_it() -> None:
    patience, pursuit = Patience(), Pursuit(next_ask=START, wait=timedelta(seconds=8), doubted_at=START)
    assert not pursuit.unlisted_for_long(START, patience)
    assert not pursuit.unlisted_for_long(START + patience.missing_fill / 2, patience)
    assert pursuit.unlisted_for_long(START + patience.missing_fill, patience)


def test_news_of_more_coins_is_looked_for_a_while_and_not_for_ever() -> None:
    patience, pursuit = Patience(), Pursuit(next_ask=START, wait=timedelta(seconds=1), doubted_at=START)
    pursuit.heard(Decimal("0.4"), START, patience)
    assert pursuit.expects_fills(Decimal("0.3"), START)
    assert not pursuit.expects_fills(Decimal("0.4"), START)
    assert not pursuit.expects_fills(Decimal("0.3"), START + patience.missing_fill)


def test_a_cancel_that_is_not_answered_is_told_once() -> None:
    pursuit = Pursuit(next_ask=START, wait=timedelta(seconds=1), doubted_at=START)
    assert [pursuit.unanswered_again() for _ in range(3)] == ["WARNING", "DEBUG", "DEBUG"]


def test_being_unknown_is_counted_until_the_venue_knows_the_order_again() -> None:
    pursuit = Pursuit(next_ask=START, wait=timedelta(seconds=1), doubted_at=START)
    assert pursuit.missed(START) == pursuit.missed(START + timedelta(seconds=1)) == START
    assert pursuit.absences == 2
    pursuit.saw(a_report(), FRESH, FRESH, START, Patience())
    assert (pursuit.absences, pursuit.absent_since) == (0, None)


def test_a_cancel_is_repeated_only_when_the_last_one_is_old() -> None:
    patience, pursuit = Patience(), Pursuit(next_ask=START, wait=timedelta(seconds=1), doubted_at=START)
    assert pursuit.cancel_due(START, patience)
    pursuit.cancelled_at = START
    assert not pursuit.cancel_due(START, patience)
    assert pursuit.cancel_due(START + patience.cancel_again, patience)
    pursuit.cancelling = True
    assert not pursuit.cancel_due(START + patience.cancel_again, patience)
    assert replace(pursuit).cancelling
