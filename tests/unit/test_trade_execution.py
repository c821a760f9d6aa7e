"""The one order path: what is sent once, asked for until known, and booked exactly once."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from domain import NewOrder, OrderStatus, Purpose, Side
from errors import (
    CountdownElapsed,
    ExchangeRejected,
    ExchangeUnavailable,
    InsufficientMargin,
    InvariantBroken,
    JournalError,
    OutcomeUnknown,
    TimestampRejected,
    TurnedAway,
)
from events import LegFilled, OrderAccepted, OrderIntended, OrderLost, OrderSettled
from trade_lifecycle import TradeState

from tests.fakes import House, a_name, a_trade, an_order
from tests.unit.order_stories import NAME, a_house, go, record, send


@pytest.fixture
def house() -> House:
    return a_house()


def test_l05_the_intent_is_journalled_before_the_order_is_sent(house: House) -> None:
    house.journal.failing = True
    with pytest.raises(JournalError):
        send(house)
    assert house.venue.received == []
    assert house.executor.next_id(7, 1, 0, Purpose.OPEN) == NAME


def test_l05_a_lost_reply_never_sends_the_order_twice(house: House) -> None:
    house.venue.lose_reply = True
    send(house)
    go(house)
    house.venue.execute(NAME)
    go(house, 4)
    assert len(house.venue.received) == 1
    assert house.journal.of(OrderLost)
    assert record(house).status is OrderStatus.FILLED
    assert house.trade().legs[0].opened == 1


def test_an_order_that_never_arrived_is_believed_so_only_after_the_patience_and_several_answers(house: House) -> None:
    house.venue.drop = True
    send(house)
    go(house, 29)
    assert record(house).live
    assert house.executor.unresolved == 1
    go(house, 30)
    assert record(house).retryable
    assert house.executor.unresolved == 0


def test_l05_what_a_status_alone_refuses_is_found_if_it_arrived_all_the_same(house: House) -> None:
    house.venue.lose_reply = True
    submit = house.venue.submit

    def turned_away(order: NewOrder, /) -> str:
        try:
            return submit(order)
        except OutcomeUnknown as error:
            raise TurnedAway("v", "create", "HTTP 429") from error

    house.venue.submit = turned_away  # type: ignore[method-assign]
    send(house)
    go(house, 40)
    assert record(house).order_id == "v1"
    assert not record(house).lost


@pytest.mark.parametrize(("seconds", "live"), [(4, True), (8, False)])
def test_what_a_status_alone_refused_and_nobody_knows_is_given_up_after_seconds(house: House, seconds: int, live: bool) -> None:
    house.venue.refuse = TurnedAway("v", "create", "HTTP 429")
    send(house)
    go(house, 1)
    go(house, seconds)
    assert (record(house).live, record(house).retryable) == (live, not live)


def test_l05_a_venue_that_denies_an_order_it_had_taken_proves_nothing_of_another(house: House) -> None:
    send(house, "0.4")
    go(house, 3)
    taken = house.venue.orders.pop(NAME)  # as after a restart of its own, for a while
    house.venue.drop = True
    other = house.executor.next_id(7, 1, 0, Purpose.OPEN)
    house.executor.submit(an_order(other, qty="0.5"), house.trade())
    go(house, 90)
    assert other in {order.client_id for order in house.executor.live_orders(1)}
    house.venue.orders[NAME] = taken
    go(house, 90)
    assert other not in {order.client_id for order in house.executor.live_orders(1)}


def test_l19_a_report_behind_the_news_of_a_fill_does_not_settle_the_order_without_it(house: House) -> None:
    send(house)
    go(house, 3)
    house.executor.cancel(NAME)
    go(house, 1)
    news = replace(house.venue.orders[NAME].report(), filled=Decimal("0.4"), status=OrderStatus.CANCELED)
    house.executor.pushed(news)
    go(house, 8)
    assert record(house).live
    go(house, 30)  # a push that was wrong does not hold it for ever
    assert record(house).settled


def test_a_final_report_that_never_tells_of_a_fill_that_the_trade_list_has_is_believed_in_the_end(house: House) -> None:
    send(house)
    go(house, 2)
    order = house.venue.orders[NAME]
    house.venue.execute(NAME, "0.4")
    go(house, 3)
    order.filled = Decimal("0.3")  # its own page contradicts the trades, for good
    house.executor.cancel(NAME)
    go(house, 20)
    assert record(house).live
    go(house, 60)
    assert (record(house).settled, record(house).booked, record(house).status) == (True, Decimal("0.4"), OrderStatus.CANCELED)


def test_an_order_sent_by_a_clock_that_was_set_back_since_is_asked_for_at_once(house: House) -> None:
    send(house)
    go(house, 2)
    before = record(house).sent_at
    house.executor.ledger.restore((), before - timedelta(hours=1))
    assert record(house).sent_at < before - timedelta(hours=1)


def test_one_answer_after_a_long_wait_is_not_enough_to_believe_that_an_order_never_arrived(house: House) -> None:
    house.venue.drop = True
    send(house)
    go(house, 2, timedelta(hours=1))
    assert record(house).live
    go(house, 2, timedelta(hours=1))
    assert not record(house).live


def test_l05_absence_counts_from_the_end_of_the_send_and_not_from_its_start(house: House) -> None:
    """A reply that is lost after 30 s of waiting leaves the request as young as if it had just been sent."""
    house.venue.drop = True
    send(house)
    house.clock.advance(timedelta(seconds=40))  # the call is on its way all the while
    go(house, 5)
    assert record(house).live
    go(house, 60)
    assert not record(house).live


def test_a_name_that_the_venue_already_has_is_asked_for(house: House) -> None:
    house.venue.submit(an_order())
    send(house)
    go(house, 2)
    assert record(house).order_id == "v1"
    assert not record(house).lost


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (InsufficientMargin("v", "create", "no"), False),
        (ExchangeUnavailable("v", "create", "down"), True),
        (TimestampRejected("v", "create", "skew"), True),
    ],
)
def test_a_refusal_says_whether_the_same_may_be_sent_again(house: House, error: ExchangeRejected, retryable: bool) -> None:
    house.venue.refuse = error
    send(house)
    go(house)
    assert (record(house).live, record(house).retryable) == (False, retryable)


def test_an_order_refused_for_a_countdown_that_ran_out_has_it_armed_anew_at_once(house: House) -> None:
    elapsed: list[str] = []
    house.executor.on_elapsed = elapsed.append
    house.venue.refuse = CountdownElapsed("v", "create", "10619")
    send(house)
    go(house)
    assert elapsed == ["BTC"]


def test_l15_what_the_venue_made_of_an_order_is_compared_with_what_was_sent(house: House) -> None:
    send(house)
    house.venue.orders[NAME].new = replace(an_order(), price=Decimal("99.5"))
    go(house, 3)
    assert house.alerts.about("order altered")


def test_l11_the_gate_stands_in_the_one_order_path(house: House) -> None:
    send(house, "0.6")
    second = replace(an_order(qty="0.6"), client_id=a_name(attempt=2))
    with pytest.raises(InvariantBroken):
        house.executor.submit(second, house.trade())
    assert len(house.venue.received) == 1


def test_l01_the_gate_sees_which_way_a_leg_is_held(house: House) -> None:
    overclosed = replace(house.trade().legs[0], opened=Decimal(1), closed=Decimal(2))
    trade = replace(house.trade(), state=TradeState.CLOSING, legs=(overclosed,))
    with pytest.raises(InvariantBroken):
        house.executor.submit(an_order(a_name(purpose=Purpose.CLOSE), side=Side.BUY), trade)


def test_l09_each_purpose_and_attempt_has_its_own_name(house: House) -> None:
    send(house)
    names = {house.executor.next_id(7, 1, 0, purpose) for purpose in Purpose}
    assert names == {a_name(attempt=2), a_name(purpose=Purpose.CLOSE), a_name(purpose=Purpose.UNWIND)}


def test_l20_fills_and_orders_of_others_are_left_alone(house: House) -> None:
    stranger = an_order(a_name(trade=99), side=Side.BUY)
    house.venue.submit(stranger)
    house.venue.execute(stranger.client_id)
    send(house)
    go(house)
    house.venue.execute(NAME)
    go(house, 5)
    assert [event.trade for event in house.journal.of(LegFilled) if isinstance(event, LegFilled)] == [1]
    assert house.venue.cancels == []


def test_l37_a_forgotten_trade_leaves_nothing_behind(house: House) -> None:
    send(house)
    go(house)
    house.executor.forget(1)
    go(house, 5)
    assert house.executor._pursuits == {}
    assert house.executor.ledger.of(1) == ()


def test_a_fill_of_a_trade_that_nobody_knows_calls_a_person() -> None:
    house = House()
    house.executor.submit(an_order(), a_trade())
    house.inbox.drain()
    house.venue.execute(NAME)
    go(house, 3)
    assert house.alerts.about("foreign fill")


def test_events_come_in_the_order_in_which_they_happened(house: House) -> None:
    send(house)
    go(house)
    house.venue.execute(NAME)
    go(house, 3)
    kinds = [type(event) for event in house.journal.events[1:]]
    assert kinds == [OrderIntended, OrderAccepted, LegFilled, OrderSettled]
