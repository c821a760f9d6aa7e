"""An order after it was sent: cancels and the fills that race them, lists that lag, a journal that fails, an order that vanishes."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from domain import OrderStatus
from errors import InsufficientMargin
from events import LegFilled, OrderAccepted, OrderLost, OrderRefused, OrderSettled

from tests.fakes import House
from tests.unit.order_stories import NAME, a_house, go, record, send


@pytest.fixture
def house() -> House:
    return a_house()


def test_l03_a_fill_between_the_look_and_the_cancel_is_counted(house: House) -> None:
    send(house)
    go(house)
    house.venue.fill_in_cancel = Decimal("0.6")
    house.executor.cancel(NAME)
    go(house, 4)
    assert record(house).settled
    assert house.trade().legs[0].opened == Decimal("0.6")


def test_l04_a_cancel_that_fails_is_repeated_until_the_order_is_final(house: House) -> None:
    send(house)
    go(house)
    house.venue.writes_fail = True
    house.executor.cancel(NAME)
    go(house, 6)
    assert record(house).live
    house.venue.writes_fail = False
    go(house, 8)
    assert record(house).status is OrderStatus.CANCELED
    assert record(house).settled


def test_a_cancel_whose_order_ends_meanwhile_disturbs_nothing(house: House) -> None:
    send(house)
    go(house)
    house.venue.execute(NAME)
    house.executor.cancel(NAME)
    house.executor.step(house.clock.now())
    go(house, 3)
    assert record(house).settled
    house.executor.cancel(NAME)
    assert house.venue.cancels == [NAME]


def test_a_cancel_before_the_reply_waits_for_it(house: House) -> None:
    send(house)
    house.executor.cancel(NAME)
    assert house.venue.cancels == []
    go(house, 4)
    assert record(house).status is OrderStatus.CANCELED


def test_l06_an_order_that_is_being_cancelled_is_waited_for_and_its_late_fill_booked(house: House) -> None:
    house.venue.slow_cancel = True
    send(house)
    go(house)
    house.executor.cancel(NAME)
    go(house, 10)
    assert record(house).live
    house.venue.execute(NAME, "0.3")
    house.venue.finish_cancels()
    go(house, 20)
    assert record(house).settled
    assert house.trade().legs[0].opened == Decimal("0.3")


def test_l19_a_cancelled_order_is_read_once_more_before_it_is_settled(house: House) -> None:
    send(house)
    go(house)
    house.executor.cancel(NAME)
    house.inbox.drain()
    assert record(house).status is OrderStatus.CANCELED
    assert record(house).live
    house.venue.orders[NAME].status = OrderStatus.NEW  # what the venue had not counted yet
    house.venue.execute(NAME, "0.2")
    house.venue.orders[NAME].status = OrderStatus.CANCELED
    go(house, 5)
    assert record(house).settled
    assert house.trade().legs[0].opened == Decimal("0.2")


def test_an_invalid_order_with_a_fill_keeps_the_fill(house: House) -> None:
    send(house)
    go(house)
    house.venue.execute(NAME, "0.4")
    house.venue.orders[NAME].status = OrderStatus.INVALID
    go(house, 6)
    assert record(house).settled
    assert house.trade().legs[0].opened == Decimal("0.4")


def test_a_list_of_trades_that_repeats_itself_books_each_fill_once(house: House) -> None:
    house.venue.duplicate_rows = True
    send(house)
    go(house)
    house.venue.execute(NAME, "0.5")
    house.venue.execute(NAME, "0.5")
    go(house, 4)
    assert len(house.journal.of(LegFilled)) == 2
    assert house.trade().legs[0].opened == 1


def test_a_list_of_open_orders_that_lags_changes_nothing_back(house: House) -> None:
    send(house)
    go(house)
    house.venue.lag_orders()
    house.venue.execute(NAME)
    house.executor.cancel(NAME)
    go(house, 5)
    assert record(house).settled


def test_fills_that_the_trade_list_never_shows_are_booked_from_the_report_once(house: House) -> None:
    send(house)
    go(house)
    house.venue.lag_trades()
    house.venue.execute(NAME)
    go(house, 30)
    assert house.trade().legs[0].opened == 1
    assert house.alerts.about("fills missing")
    house.venue.lag_trades(on=False)
    go(house, 5)
    assert house.trade().legs[0].opened == 1
    assert house.trade().fees == Decimal("0.5")


def test_a_report_without_an_average_calls_a_person_and_books_nothing(house: House) -> None:
    send(house)
    go(house)
    house.venue.lag_trades()
    house.venue.execute(NAME)
    go(house, 1)
    house.executor.ledger.put(replace(record(house), reported_value=None))
    house.venue.reads_fail = False
    house.executor._patience = replace(house.executor._patience, missing_fill=timedelta(0))
    house.executor._collected(house.clock.now(), [])
    assert house.trade().legs[0].opened == 0
    assert "no average price" in house.alerts.about("fills missing")[0].message


@pytest.mark.parametrize("kind", [OrderSettled, LegFilled])
def test_a_journal_that_fails_at_one_event_delays_it_and_books_it_once(house: House, kind: type) -> None:
    house.journal.fail_on = (kind,)
    send(house)
    go(house)
    house.venue.execute(NAME)
    go(house, 5)
    assert not record(house).settled
    assert house.alerts.about("journal")
    house.journal.fail_on = ()
    go(house, 20)
    assert record(house).settled
    assert house.trade().legs[0].opened == 1
    assert len(house.journal.of(LegFilled)) == 1


def test_the_venues_own_id_is_believed_without_the_journal(house: House) -> None:
    house.journal.fail_on = (OrderAccepted,)
    send(house)
    go(house)
    assert record(house).order_id == "v1"


@pytest.mark.parametrize("kind", [OrderRefused, OrderLost])
def test_a_journal_that_fails_at_bad_news_does_not_make_it_good(house: House, kind: type) -> None:
    house.journal.fail_on = (kind,)
    if kind is OrderLost:
        house.venue.drop = True
    else:
        house.venue.refuse = InsufficientMargin("v", "create", "no")
    send(house)
    go(house, 60)
    assert record(house).working == (1 if kind is OrderRefused else 0)
    house.journal.fail_on = ()
    go(house, 60)
    assert record(house).working == 0


def test_an_order_that_the_venue_took_and_no_longer_knows_calls_a_person_and_works_on(house: House) -> None:
    send(house)
    go(house)
    house.venue.hide(NAME)
    go(house, 60)
    assert house.alerts.about("order vanished")
    assert record(house).working == 1


def test_an_order_that_stays_vanished_is_gone_once_its_trades_were_read(house: House) -> None:
    send(house)
    go(house)
    house.venue.execute(NAME, "0.4")
    house.venue.hide(NAME)
    house.venue.orders[NAME].status = OrderStatus.CANCELED
    go(house, 100, timedelta(seconds=10))
    assert record(house).settled
    assert house.trade().legs[0].opened == Decimal("0.4")


def test_reads_that_fail_leave_everything_as_it_was(house: House) -> None:
    house.venue.lose_reply = True
    send(house)
    house.venue.reads_fail = True
    go(house, 100)
    assert record(house).lost
    house.venue.reads_fail = False
    house.venue.execute(NAME)
    go(house, 1)
    house.venue.reads_fail = True
    go(house, 20)
    house.venue.reads_fail = False
    go(house, 20)
    assert record(house).settled
