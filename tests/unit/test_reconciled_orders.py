"""Orders on a shared account: ours that no book knows are cancelled, those of others are never touched."""

from decimal import Decimal

import pytest

from domain import Difference, OrderStatus, Severity
from events import DifferenceFound, LegFilled
from order_ledger import FROM_REPORT
from trade_lifecycle import TradeState

from tests.fakes import SECOND, a_name, an_order, books_hold, venue_holds
from tests.unit.reconciling import SharedHouse, a_quoted_house, journal_of

D, S = Difference, TradeState


@pytest.fixture
def house() -> SharedHouse:
    return a_quoted_house()


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
