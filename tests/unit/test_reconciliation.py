"""Our books against the venue, on an account that others use too: what is found, what is done about it, and what is never touched."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from difference_book import DifferenceBook
from differences import Comparison, Found
from domain import Difference, OrderStatus, Severity, unknown_account
from errors import RiskDenied
from events import DifferenceFound, LegFilled, OpenStarted
from order_ledger import FROM_REPORT
from trade_lifecycle import TradeState

from tests.fakes import EXPIRY, SECOND, START, FakeJournal, a_created, a_name, an_option, an_order, books_hold, venue_holds
from tests.unit.reconciling import SharedHouse

D, S = Difference, TradeState


@pytest.fixture
def house() -> SharedHouse:
    house = SharedHouse()
    house.show()
    return house


# ---- rounds


def test_l28_nothing_is_entered_before_the_first_comparison_with_the_venue(house: SharedHouse) -> None:
    house.shared.fail_reads = {"open_orders"}
    house.tick(10)
    assert "have not been compared" in house.manager.entries_allowed.reason
    house.shared.fail_reads = set()
    house.tick(10)
    assert house.manager.entries_allowed


@pytest.mark.parametrize("read", ["open_orders", "fills"])
def test_l39_a_failed_read_voids_the_round_and_is_never_taken_for_empty(house: SharedHouse, read: str) -> None:
    house.shared.others_order()
    house.shared.others_hold("-2")
    house.tick(30)
    assert set(house.standing()) == {D.ORDER_OF_OTHERS, D.POSITION_OF_OTHERS}
    house.shared.fail_reads = {read}
    house.tick(120)
    assert set(house.standing()) == {D.ORDER_OF_OTHERS, D.POSITION_OF_OTHERS}
    assert len(house.alerts.about("reconciliation")) > 0
    house.shared.fail_reads = set()
    house.tick(30)
    assert len(house.journal.of(DifferenceFound)) == 2


def test_l39_an_account_that_is_not_known_concludes_nothing(house: SharedHouse) -> None:
    house.tick(200, account=unknown_account(START, "no answer"))
    assert house.reconciler.compared_at is None
    assert "have not been compared" in house.manager.entries_allowed.reason
    assert house.alerts.about("reconciliation") == []  # two slow rounds; it is the account that calls
    house.tick(300, account=unknown_account(START, "no answer"))
    assert house.alerts.about("reconciliation")


def test_l39_an_account_from_before_the_answers_is_asked_for_anew(house: SharedHouse) -> None:
    asked: list[int] = []
    house.reconciler.ask_account = lambda: asked.append(1)
    old = replace(house.shared.snapshot(), at=START - SECOND)
    house.tick(3, account=old)
    assert asked
    assert house.reconciler.compared_at is None
    house.tick()
    assert house.reconciler.compared_at == house.clock.now()


def test_l39_an_answer_that_is_not_valid_concludes_nothing_however_young(house: SharedHouse) -> None:
    house.opened()
    asked = house.shared.snapshot()
    before = house.reconciler.compared_at
    for _ in range(60):
        house.tick(account=replace(asked, valid=False, at=house.clock.now() + SECOND, positions=()))
    assert house.reconciler.compared_at == before
    assert house.standing() == []


def test_l39_an_account_older_than_the_lists_is_waited_for(house: SharedHouse) -> None:
    old = house.shared.snapshot()
    house.tick(30, account=replace(old, at=START))
    assert house.reconciler.compared_at is None
    house.tick(2)
    assert house.reconciler.compared_at is not None


def test_rounds_come_at_their_interval_and_at_once_after_a_gap(house: SharedHouse) -> None:
    house.tick(60)
    before = house.shared.asked["fills"]
    house.tick(60)
    assert house.shared.asked["fills"] - before == 3
    before = house.shared.asked["fills"]
    house.reconciler.gap(house.clock.now() - timedelta(seconds=40))
    house.tick(1)
    assert house.shared.asked["fills"] - before == 1


def test_a_gap_while_a_round_runs_begins_another_one_after_it(house: SharedHouse) -> None:
    house.tick(1)
    before = house.shared.asked["fills"]
    house.reconciler.gap(START)
    house.tick(8)
    assert house.shared.asked["fills"] - before == 1


def test_l56_what_is_compared_is_what_the_venue_holds(house: SharedHouse) -> None:
    house.opened()
    house.tick(30)
    assert house.standing() == []
    house.shared.others_hold("-3")
    house.tick(40)
    assert dict(house.reconciler.others) == {an_option().symbol: Decimal(-3)}


# ---- fills


def test_a_fill_missed_after_a_trades_end_is_booked_once_and_sets_the_trade_aside(house: SharedHouse) -> None:
    house.shared.late_fill(house.closed_trade(), "0.2")
    house.tick(60)
    late = [event for event in house.journal.events if isinstance(event, LegFilled) and event.fill.id == "late"]
    assert (len(late), house.trade().state, house.trade().legs[0].held) == (1, S.QUARANTINED, Decimal("0.2"))
    assert (len(house.found(D.FILL_MISSED)), len(house.ended(D.FILL_MISSED))) == (1, 1)
    assert house.alerts.about("quarantine")
    assert books_hold(house.manager.trades) == venue_holds(house.venue)


def test_l13_a_trade_revived_by_a_fill_is_managed_and_closed_under_new_names(house: SharedHouse) -> None:
    closing = house.closed_trade()
    opening = next(name for name in house.venue.orders if not name.purpose.reduces)
    house.shared.late_fill(opening, "0.2")
    house.tick(30)
    house.manager.force_close(1, "a person")
    for _ in range(10):
        house.tick()
        house.fill_all()
    assert (house.trade().state, venue_holds(house.venue)) == (S.CLOSED, {})
    names = [order.client_id for order in house.venue.received]
    assert len(set(names)) == len(names)
    assert closing in names


def test_a_fill_missed_while_away_is_found_after_the_restart(house: SharedHouse) -> None:
    name = house.closed_trade()
    house.shared.late_fill(name, "0.2")
    house.clock.advance(timedelta(hours=9))
    again = house.restart()
    assert not again.manager.entries_allowed
    again.tick(30)
    assert (again.trade().state, again.trade().legs[0].held) == (S.QUARANTINED, Decimal("0.2"))
    assert again.manager.entries_allowed


def test_a_fill_that_the_list_still_hides_after_a_restart_is_found_once_it_shows(house: SharedHouse) -> None:
    name = house.closed_trade()
    house.shared.lag_trades()
    house.shared.late_fill(name, "0.2")
    house.clock.advance(timedelta(hours=1))
    again = house.restart()
    again.tick(120)
    assert not again.trade().active
    again.shared.lag_trades(on=False)
    again.tick(30)
    assert again.trade().state is S.QUARANTINED


def test_what_was_read_before_is_not_read_for_ever(house: SharedHouse) -> None:
    house.tick(20, every=timedelta(minutes=5))
    assert house.reconciler._since > START + timedelta(hours=1)


def test_l01_a_fill_of_somebody_else_is_nobodys_of_ours(house: SharedHouse) -> None:
    house.opened()
    house.shared.others_hold("-1")
    house.shared.rows.append(replace(house.shared.rows[0], id="theirs", order_id="o77"))
    house.tick(60)
    assert len(house.journal.of(LegFilled)) == 1
    assert house.trade().legs[0].held == -1


def test_a_fill_that_cannot_be_written_stays_missed_and_stops_entries_until_it_can(house: SharedHouse) -> None:
    house.shared.late_fill(house.closed_trade(), "0.2")
    house.journal.fail_on = (LegFilled,)
    house.tick(60)
    assert house.standing() == [D.FILL_MISSED]
    assert "fill missed" in house.manager.entries_allowed.reason
    house.clock.advance(timedelta(hours=1))  # far beyond the overlap of the reads
    house.tick(60)
    house.journal.fail_on = ()
    house.tick(60)
    assert (house.standing(), house.trade().state) == ([], S.QUARANTINED)


# ---- orders


def unknown_order(house: SharedHouse, trade: int = 30) -> None:
    house.shared.submit(an_order(a_name(trade=trade), price="500"))


def test_an_order_that_a_restored_journal_does_not_know_is_cancelled_and_a_person_called(house: SharedHouse) -> None:
    unknown_order(house)
    house.tick(30)
    assert house.venue.orders[a_name(trade=30)].status is OrderStatus.CANCELED
    assert [alert.severity for alert in house.alerts.about("difference: order unknown")] == [Severity.CRITICAL]
    assert (len(house.found(D.ORDER_UNKNOWN)), len(house.ended(D.ORDER_UNKNOWN)), house.standing()) == (1, 1, [])


def test_no_trade_is_given_a_number_that_the_venue_has_seen_in_our_name(house: SharedHouse) -> None:
    unknown_order(house, trade=30)
    house.tick(30)
    assert house.create().number == 31
    again = SharedHouse(house.shared, journal_of(house.journal.of(DifferenceFound)))
    assert again.create().number == 31


def journal_of(events: object) -> FakeJournal:
    journal = FakeJournal()
    journal.events = list(events)  # type: ignore[call-overload]
    return journal


def test_l19_what_trades_show_beyond_an_order_that_was_booked_from_its_report_is_booked_too_and_once(house: SharedHouse) -> None:
    house.shared.lag_trades()
    house.create()
    house.tick(2)
    house.venue.execute(a_name(), Decimal("0.1"))
    house.manager.force_close(1, "a person")
    house.tick(6)
    house.shared.late_fill(a_name(), "0.1")
    house.tick(30, every=2 * SECOND)  # so long that what the order's own page says is booked
    house.shared.heal()
    house.tick(240)
    opened = [event.fill for event in house.journal.of(LegFilled) if isinstance(event, LegFilled) and event.order == str(a_name())]
    assert [(fill.qty, fill.id.startswith(FROM_REPORT)) for fill in opened] == [(Decimal("0.1"), True)] * 2
    assert books_hold(house.manager.trades) == venue_holds(house.venue)


def test_a_difference_that_changes_is_written_anew_and_calls_nobody_again(house: SharedHouse) -> None:
    house.shared.others_hold("-2")
    house.tick(90)
    house.shared.others_hold("1")
    house.tick(90)
    told = [event.said for event in house.journal.of(DifferenceFound) if isinstance(event, DifferenceFound)]
    assert [said.split(",")[0] for said in told] == ["the venue shows -2", "the venue shows -1"]
    assert len(house.alerts.about("difference")) == 1
    again = house.restart()
    assert [found.said.split(",")[0] for found in again.reconciler.standing] == ["the venue shows -1"]


def test_entries_wait_while_an_order_of_ours_lives_without_us(house: SharedHouse) -> None:
    house.tick(10)
    unknown_order(house)
    house.shared.writes_fail = True
    house.tick(40)
    assert "order unknown" in house.manager.entries_allowed.reason
    house.shared.writes_fail = False
    house.tick(60)
    assert house.manager.entries_allowed


def test_an_order_is_not_cancelled_before_its_difference_is_written(house: SharedHouse) -> None:
    unknown_order(house)
    house.journal.fail_on = (DifferenceFound,)
    house.tick(40)
    assert house.venue.cancels == []
    house.journal.fail_on = ()
    house.tick(20)
    assert house.venue.cancels == [a_name(trade=30)]


def test_a_list_that_lags_behind_a_settled_order_cancels_nothing(house: SharedHouse) -> None:
    house.create()
    house.tick(2)
    house.tick(20)
    house.shared.lag_orders()
    house.fill_all()
    house.reconciler.due("a story")
    house.tick(4)
    house.shared.lag_orders(on=False)
    house.tick(60)
    assert (house.venue.cancels, house.found(D.ORDER_UNKNOWN)) == ([], [])


def test_an_order_thought_never_to_have_arrived_is_cancelled_and_its_fill_booked(house: SharedHouse) -> None:
    house.shared.lose_reply = True
    house.create()
    house.shared.hide(a_name())
    house.tick(50)
    record = house.executor.ledger.get(a_name())
    assert record is None or record.refused is not None
    house.shared.execute(a_name(), "0.3")
    house.shared.hidden.clear()
    for _ in range(40):
        house.tick()
    assert house.venue.orders[a_name()].status is OrderStatus.CANCELED
    assert books_hold(house.manager.trades) == venue_holds(house.venue)


def test_l20_orders_of_others_are_seen_told_once_and_never_touched(house: SharedHouse) -> None:
    house.shared.others_order("o1")
    house.shared.others_order("o2", desk=8)
    house.tick(300)
    again = house.restart()
    again.tick(300)
    assert house.venue.cancels == []
    assert len(house.journal.of(DifferenceFound)) == len(house.found(D.ORDER_OF_OTHERS)) == 1
    assert [alert.severity for alert in house.alerts.about("difference")] == [Severity.INFO]
    assert again.alerts.about("difference") == []
    assert again.standing() == [D.ORDER_OF_OTHERS]


def test_l45_whoever_requotes_all_day_is_one_difference_and_one_alert(house: SharedHouse) -> None:
    for turn in range(60):
        house.shared.foreign.clear()
        house.shared.others_order(f"o{turn}")
        house.tick(20)
    assert len(house.journal.of(DifferenceFound)) == 1
    assert len(house.alerts.about("difference")) == 1


def test_l45_a_list_that_flaps_is_not_told_again_and_again(house: SharedHouse) -> None:
    unknown_order(house)
    house.shared.others_order()
    house.shared.flapping, house.shared.writes_fail = True, True
    house.tick(600)
    assert len(house.found(D.ORDER_UNKNOWN)) == 1
    assert len(house.alerts.about("difference: order unknown")) == 1


def test_an_order_whose_outcome_nobody_knows_is_named_and_its_end_told(house: SharedHouse) -> None:
    house.tick(2)
    house.create()
    house.shared.lose_reply = True
    house.shared.hide(a_name())
    house.tick(27)
    assert (house.standing(), len(house.found(D.ORDER_LOST))) == ([D.ORDER_LOST], 1)
    assert house.found(D.ORDER_LOST)[0].trade == 1
    house.shared.hidden.clear()
    house.tick(90)
    assert (house.standing(), len(house.ended(D.ORDER_LOST))) == ([], 1)


# ---- positions


def test_l20_a_position_somebody_else_builds_is_seen_and_left_alone(house: SharedHouse) -> None:
    house.opened()
    house.shared.others_hold("-2")
    house.tick(60)
    assert (house.standing(), house.trade().state) == ([D.POSITION_OF_OTHERS], S.OPEN)
    house.shared.others_hold("2")
    house.tick(60)
    assert (house.standing(), len(house.ended(D.POSITION_OF_OTHERS))) == ([], 1)
    assert len(house.venue.received) == 1


def test_l30_a_position_somebody_else_takes_away_is_named_and_waits_for_a_person(house: SharedHouse) -> None:
    house.opened()
    house.shared.others_hold("0.4")
    house.tick(60)
    assert (house.standing(), house.trade().state) == ([D.POSITION_SHORT], S.QUARANTINED)
    house.manager.write_off(1, "he closed it")
    house.tick(60)
    assert house.standing() == [D.POSITION_OF_OTHERS]  # what is left of it is nobody's of ours any more
    assert len(house.venue.received) == 1


def test_l39_an_empty_account_for_one_answer_is_no_difference(house: SharedHouse) -> None:
    house.opened()
    house.tick(10)
    house.reconciler.due("a story")
    house.tick(3, account=replace(house.shared.snapshot(), positions=(), at=house.clock.now() + 3 * SECOND))
    house.tick(60)
    assert (house.journal.of(DifferenceFound), house.trade().state) == ([], S.OPEN)


def test_l30_a_restart_on_a_changed_account_is_a_named_state_and_not_a_crash(house: SharedHouse) -> None:
    house.opened()
    house.venue.held.clear()
    again = house.restart()
    again.tick(60)
    assert (again.standing(), again.trade().state) == ([D.POSITION_SHORT], S.QUARANTINED)


def test_l33_a_leg_that_expired_while_nobody_looked_is_named_and_settled(house: SharedHouse) -> None:
    house.opened()
    house.clock.move_to(EXPIRY + timedelta(hours=5))
    again = house.restart()
    again.tick(10)
    assert again.standing() == [D.EXPIRED_AWAY]
    again.shared.clock.move_to(EXPIRY + timedelta(hours=6))
    again.shared.settle("71000")
    again.tick(60)
    assert (again.standing(), again.trade().state) == ([], S.CLOSED)
    assert again.trade().gross_profit == 100 - 1000
    assert len(again.ended(D.EXPIRED_AWAY)) == 1


# ---- what a person may take


def test_only_what_is_surely_others_can_be_taken(house: SharedHouse) -> None:
    with pytest.raises(RiskDenied, match="not compared"):
        house.reconciler.surplus(an_option().symbol, house.shared.snapshot())
    house.opened()
    house.tick(30)
    with pytest.raises(RiskDenied, match="surely not ours"):
        house.reconciler.surplus(an_option().symbol, house.shared.snapshot())
    house.shared.others_hold("-2")
    house.reconciler.due("a story")
    house.tick(3)
    assert dict(house.reconciler.others) == {an_option().symbol: Decimal(-2)}
    with pytest.raises(RiskDenied, match="surely not ours"):  # seen once
        house.reconciler.surplus(an_option().symbol, house.shared.snapshot())
    house.tick(60)
    assert house.reconciler.surplus(an_option().symbol, house.shared.snapshot()).others == -2
    house.shared.others_hold("-1")
    with pytest.raises(RiskDenied, match="has changed"):
        house.reconciler.surplus(an_option().symbol, house.shared.snapshot())
    with pytest.raises(RiskDenied, match="unknown or has changed"):
        house.reconciler.surplus(an_option().symbol, unknown_account(house.clock.now(), "x"))
    house.clock.advance(timedelta(minutes=10))
    with pytest.raises(RiskDenied, match="not compared"):
        house.reconciler.surplus(an_option().symbol, house.shared.snapshot())


def test_trades_of_a_dry_run_are_not_looked_for_at_the_venue() -> None:
    house = SharedHouse(journal=journal_of([a_created(trade=5, simulated=True), OpenStarted(at=START, trade=5)]))
    assert house.manager.trade(5) is not None
    assert house.reconciler._books().trades == []


def test_a_difference_of_which_nothing_can_be_said_for_a_while_is_neither_over_nor_named_again(house: SharedHouse) -> None:
    book = DifferenceBook(house.journal, house.alerts, 5 * SECOND)
    found = Found(kind=D.POSITION_OF_OTHERS, subject="X", said="more", action="seen")
    for second in (0, 10):
        book.take(Comparison((found,)), START + second * SECOND)
    for second in range(20, 200, 20):
        book.take(Comparison((), frozenset({"X"})), START + second * SECOND)
    assert book.standing == (found,)
    for second in (200, 210):
        book.take(Comparison(), START + second * SECOND)
    assert (list(book.standing), len(house.journal.events)) == ([], 2)
