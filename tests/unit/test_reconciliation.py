"""Our books against the venue, on an account that others use too: rounds, missed fills, positions, and what a person may take."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from difference_book import DifferenceBook
from differences import Comparison, Found
from domain import Difference, unknown_account
from errors import RiskDenied
from events import DifferenceFound, LegFilled, OpenStarted
from trade_lifecycle import TradeState

from tests.fakes import EXPIRY, SECOND, START, a_created, an_option, books_hold, venue_holds
from tests.unit.reconciling import SharedHouse, a_quoted_house, journal_of

D, S = Difference, TradeState


@pytest.fixture
def house() -> SharedHouse:
    return a_quoted_house()


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
