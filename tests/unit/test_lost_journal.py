"""A journal has lost its tail: what the venue knows by our names comes back into the books, and a person is told of the rest by name."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from by_hand import Adoption
from domain import ZERO, Difference, OrderReport, OrderStatus, RFQRequest, RFQStatus, Severity, Side
from doubts import LookBack
from errors import ExchangeUnavailable, InvariantBroken, RiskDenied
from events import AnyEvent, BlockIntended, DifferenceFound, LegFilled, OrderEvent, OrderIntended, RFQEnded, RFQOpened
from execution import Progress
from request_fate import GIVE_UP_AFTER, UNCLAIMED, Claims
from trade_lifecycle import TradeState

from tests.fakes import FakeJournal, a_name, an_option, an_order, books_hold, venue_holds
from tests.unit.reconciling import SharedHouse, SharedVenue, a_quoted_house
from tests.unit.rfq_house import RFQHouse
from tests.unit.rfq_stories import CREDIT_SPREAD, a_house, ended
from tests.unit.rfq_venue import Maker

D, S = Difference, TradeState


class Past:
    """What the venue tells of before: the orders of a fake venue that have ended, and open requests."""

    def __init__(self, venue: SharedVenue) -> None:
        self.venue = venue
        self.fails = False
        self.open: list[RFQRequest] = []
        self.asked_since: list[datetime] = []

    def orders(self, since: datetime, /) -> Sequence[OrderReport]:
        """List what has ended."""
        self.asked_since.append(since)
        if self.fails:
            raise ExchangeUnavailable("fake", "history", "unreachable")
        return [order.report() for order in self.venue.orders.values() if order.status.final]

    def open_requests(self) -> Sequence[RFQRequest]:
        """List the open requests."""
        return self.open


def reborn(house: SharedHouse, lost: Callable[[AnyEvent], bool], *, damaged: bool = True) -> tuple[SharedHouse, Past]:
    """Die here; return a new daemon over the journal without what it lost from the first such event on."""
    kept = FakeJournal()
    for event in house.journal.events:
        if lost(event):
            break
        kept.events.append(event)
    again, past = SharedHouse(house.shared, kept, house.rhythm), Past(house.shared)
    again.reconciler.restore(tuple(kept.events), LookBack(orders=past, requests=past, damaged=damaged))
    return again, past


def of(kind: type[AnyEvent]) -> Callable[[AnyEvent], bool]:
    return lambda event: isinstance(event, kind)


@pytest.fixture
def house() -> SharedHouse:
    return a_quoted_house()


def critical(house: SharedHouse) -> list[str]:
    return [alert.message for alert in house.alerts.raised if alert.severity is Severity.CRITICAL]


# ---- orders whose trade is known


def closing(event: AnyEvent) -> bool:
    return isinstance(event, OrderIntended) and event.new.reduce_only


def test_a_fill_of_an_order_that_the_journal_lost_is_booked_in_its_trade(house: SharedHouse) -> None:
    house.closed_trade()
    again, _ = reborn(house, closing)
    again.tick(40)
    assert (again.trade().state, again.trade().legs[0].held) == (S.CLOSED, ZERO)
    assert books_hold(again.manager.trades) == venue_holds(again.venue) == {}
    assert again.standing() == []


def failed(house: SharedHouse) -> None:
    """A trade that was given up without an order, as the journal has it, and had one at the venue that filled."""
    house.create()
    house.tick(1)
    house.shared.submit(an_order(a_name(attempt=9)))
    house.shared.execute(a_name(attempt=9))
    house.manager.force_close(1, "a person")
    house.tick(12)
    assert house.trade().state is S.FAILED


def test_a_lost_order_that_filled_sets_its_ended_trade_aside_and_is_written_for_the_next_restart(house: SharedHouse) -> None:
    failed(house)
    again, _ = reborn(house, lambda _: False)
    again.tick(20)
    assert (again.trade().state, again.trade().legs[0].held) == (S.QUARANTINED, Decimal(-1))
    assert [type(event).__name__ for event in again.journal.events if isinstance(event, OrderEvent | LegFilled)][-4:] == [
        "OrderIntended",
        "OrderAccepted",
        "LegFilled",
        "OrderSettled",
    ]
    third, _ = reborn(again, lambda _: False, damaged=False)
    third.tick(40)
    assert (third.trade().legs[0].held, len(third.journal.of(LegFilled))) == (Decimal(-1), 1)


def test_a_lost_order_is_taken_up_only_once_it_is_written(house: SharedHouse) -> None:
    failed(house)
    again, _ = reborn(house, lambda _: False)
    again.journal.fail_on = (OrderIntended,)
    again.tick(30)
    assert again.trade().state is S.FAILED
    assert not again.manager.entries_allowed
    again.journal.fail_on = ()
    again.tick(30)
    assert again.trade().state is S.QUARANTINED


def test_a_lost_order_that_still_works_is_cancelled_and_what_it_filled_meanwhile_is_booked(house: SharedHouse) -> None:
    house.create()
    house.tick(2)
    name = next(iter(house.venue.orders))
    again, _ = reborn(house, of(OrderIntended))
    again.shared.writes_fail = True  # else the trade would send it again, and know it by that
    again.manager.force_close(1, "a person")
    again.tick(10)
    again.shared.fill_in_cancel, again.shared.writes_fail = Decimal("0.3"), False
    again.tick(30)
    assert again.venue.orders[name].status is OrderStatus.CANCELED
    assert sum(event.fill.qty for event in again.journal.of(LegFilled) if isinstance(event, LegFilled)) >= Decimal("0.3")
    assert books_hold(again.manager.trades) == venue_holds(again.venue)


def test_orders_that_the_books_know_are_not_taken_up_again(house: SharedHouse) -> None:
    house.closed_trade()
    before = len(house.journal.events)
    again, past = reborn(house, lambda _: False)
    again.tick(700)
    assert [event for event in again.journal.events[before:] if isinstance(event, OrderEvent | LegFilled | DifferenceFound)] == []
    assert len(past.asked_since) > 20  # once a round


@pytest.mark.parametrize("damaged", [True, False])
def test_a_journal_that_lost_a_part_has_no_last_word(house: SharedHouse, damaged: bool) -> None:
    house.closed_trade()
    house.clock.advance(timedelta(hours=9))
    again, past = reborn(house, lambda _: False, damaged=damaged)
    again.tick(3)
    back = again.clock.now() - past.asked_since[0]
    assert back > timedelta(days=6) if damaged else timedelta(hours=9) < back < timedelta(hours=10)


def test_a_history_that_is_never_told_does_not_keep_the_books_from_being_compared_for_ever(house: SharedHouse) -> None:
    again, past = reborn(house, lambda _: False, damaged=False)
    past.fails = True
    again.tick(3)
    before = again.reconciler.compared_at
    again.tick(3, every=timedelta(minutes=6))
    assert before is None
    assert again.reconciler.compared_at is not None
    assert len(past.asked_since) == 3  # it is asked for all the same


def test_l39_nothing_is_concluded_while_the_history_is_not_told(house: SharedHouse) -> None:
    house.closed_trade()
    again, past = reborn(house, lambda _: False, damaged=False)
    past.fails = True
    again.tick(40)
    assert not again.manager.entries_allowed
    past.fails = False
    again.tick(20)
    assert again.manager.entries_allowed


# ---- coins of no trade we know


def strange(house: SharedHouse, *, trade: int = 30, closed: bool = False) -> None:
    house.shared.submit(an_order(a_name(trade=trade)))
    house.shared.execute(a_name(trade=trade))
    if closed:
        house.shared.submit(replace(an_order(a_name(trade=trade, attempt=2)), side=Side.BUY, price=Decimal(200)))
        house.shared.execute(a_name(trade=trade, attempt=2))


def test_coins_that_are_ours_by_name_and_of_no_trade_stop_entries_until_a_person_has_seen_them(house: SharedHouse) -> None:
    strange(house)
    again, _ = reborn(house, lambda _: False)
    again.tick(700)
    assert D.ORDER_UNKNOWN in again.standing()
    assert not again.manager.entries_allowed
    assert any(an_option().symbol in said and "of no trade we know" in said for said in critical(again))
    assert again.create().number == 31
    third, _ = reborn(again, lambda _: False, damaged=False)
    third.clock.advance(timedelta(hours=1))
    third.tick(60)
    assert D.ORDER_UNKNOWN in third.standing()
    third.reconciler.acknowledge()
    third.tick(60)
    assert D.ORDER_UNKNOWN not in third.standing()
    assert third.manager.entries_allowed


def test_the_position_of_such_coins_is_told_as_ours_by_name_and_not_as_others(house: SharedHouse) -> None:
    strange(house)
    again, _ = reborn(house, lambda _: False)
    again.tick(60)
    assert "ours by name" in again.found(D.POSITION_OF_OTHERS)[0].said


def test_a_lost_trade_that_gave_back_what_it_had_is_nothing_to_tell(house: SharedHouse) -> None:
    strange(house, closed=True)
    again, _ = reborn(house, lambda _: False)
    again.tick(60)
    assert D.ORDER_UNKNOWN not in again.standing()


# ---- what bears no name


def test_holdings_beyond_our_trades_are_named_to_a_person_once_while_the_journal_has_lost_a_part(house: SharedHouse) -> None:
    house.shared.others_hold("-2")
    again, _ = reborn(house, lambda _: False)
    again.tick(200)
    assert len([said for said in critical(again) if an_option().symbol in said]) == 1
    assert again.venue.received == []
    well, _ = reborn(house, lambda _: False, damaged=False)
    well.tick(200)
    assert critical(well) == []


def test_an_open_request_that_no_journal_knows_is_named_and_left_alone(house: SharedHouse) -> None:
    now = house.clock.now()
    old = RFQRequest(request_id="r77", status=RFQStatus.ACTIVE, legs=(), created_at=now, expires_at=now + timedelta(hours=1))
    house.journal.append(RFQOpened(at=now, trade=1, run=1, purpose=a_name().purpose, request_id="r76", expires_at=old.expires_at))
    house.clock.advance(timedelta(seconds=9))
    again, past = reborn(house, lambda _: False)
    past.open = [old, replace(old, request_id="r76"), replace(old, request_id="r78", created_at=now + timedelta(minutes=1))]
    again.tick(200)
    assert [said for said in critical(again) if "r77" in said]
    assert not [said for said in critical(again) if "r76" in said or "r78" in said]


# ---- a request that traded unknown to our books


def without_its_accept(house: RFQHouse, *, claims: bool) -> RFQHouse:
    """Return the next life of a house whose journal has lost its tail from the accept on."""
    at = next(number for number, event in enumerate(house.journal.events) if isinstance(event, BlockIntended))
    del house.journal.events[at:]
    again = house.restart()
    if claims:
        again.rfq._makers = replace(again.rfq._makers, claims=Claims(path=again.executor, desk=7))
        again.execution = again.rfq.begin(again.scene(), again.run)
    return again


def traded() -> RFQHouse:
    house = a_house(*CREDIT_SPREAD, makers=(Maker(("100", "40")),))
    house.show(CREDIT_SPREAD[1].option.symbol, "44", "45")
    assert ended(house) is Progress.DONE
    return house


def test_a_block_whose_accept_the_journal_lost_is_found_by_its_request_and_booked() -> None:
    house = without_its_accept(traded(), claims=True)
    assert ended(house) is Progress.DONE
    assert house.books_agree()
    assert (house.venue.asked["create"], len(house.venue.accepts)) == (1, 1)
    assert len(house.journal.of(LegFilled)) == 2


def test_without_a_way_to_book_it_the_trade_waits_for_a_person_and_opens_nothing_again() -> None:
    house = without_its_accept(traded(), claims=False)
    with pytest.raises(InvariantBroken, match="unknown to our books: sell 1"):
        ended(house)
    assert house.journal.of(RFQEnded)[-1].outcome == UNCLAIMED  # type: ignore[union-attr]
    assert leaves_at_once(house)
    house = house.restart()
    with pytest.raises(InvariantBroken, match="unknown to our books"):
        house.tick()
    assert house.venue.asked["create"] == 1


def leaves_at_once(house: RFQHouse) -> bool:
    return house.execution.cancel("it waits for a person")


def test_a_filled_request_whose_block_the_venue_never_shows_waits_for_a_person() -> None:
    house = traded()
    house.venue.hide_blocks = True
    house = without_its_accept(house, claims=True)
    with pytest.raises(InvariantBroken, match="cannot be found out"):
        ended(house, int(GIVE_UP_AFTER.total_seconds()) + 400)
    assert house.venue.asked["create"] == 1


def test_a_request_that_expired_by_itself_is_left_without_a_call() -> None:
    house = a_house(makers=(Maker(("102",)),))
    house.tick(6)
    house.venue.end()
    assert ended(house) is Progress.EXHAUSTED
    assert house.alerts.raised == []


# ---- whatever was lost


def test_coins_of_two_lost_trades_are_two_calls(house: SharedHouse) -> None:
    strange(house, trade=30)
    again, _ = reborn(house, lambda _: False)
    again.tick(30)
    strange(again, trade=31)
    again.reconciler.due("a story")
    again.tick(30)
    assert len({alert.cause for alert in again.alerts.about("difference: order unknown coins of trade")}) == 2


@pytest.mark.parametrize("reported", [True, False])
def test_an_order_of_which_only_the_record_was_dropped_is_not_booked_again(house: SharedHouse, *, reported: bool) -> None:
    house.closed_trade()
    for number, event in enumerate(house.journal.events):
        if reported and isinstance(event, LegFilled):
            fill = replace(event.fill, id=f"report-{event.fill.order_id}-1")
            house.journal.events[number] = LegFilled(at=event.at, trade=event.trade, leg=event.leg, order=event.order, fill=fill)
    again, _ = reborn(house, lambda _: False)
    again.manager.past._drop(1)
    again.tick(60)
    assert (again.trade().state, again.standing()) == (S.CLOSED, [])


def test_an_order_that_was_taken_for_one_that_never_arrived_and_filled_long_after_the_start_is_found() -> None:
    house = SharedHouse()
    house.reconciler.restore((), LookBack(orders=Past(house.shared)))
    house.show()
    house.tick(900)  # the look back of a start is long over
    house.shared.lose_reply = True
    house.create()
    house.tick(1)
    (name,) = house.venue.orders
    house.venue.hide(name)
    house.tick(40)
    house.manager.force_close(1, "a person")
    house.tick(20)
    assert house.trade().state is TradeState.FAILED
    house.venue.hidden.clear()
    house.venue.execute(name)  # at once, before any list showed it open

    house.tick(150)

    assert house.trade().state is TradeState.QUARANTINED
    assert books_hold(house.manager.trades) == venue_holds(house.venue)


def test_l20_a_holding_is_adopted_once_however_often_it_is_said() -> None:
    house = SharedHouse()
    house.show()
    house.shared.others_hold("2")
    house.tick(60)
    wish = Adoption(option=an_option(), strategy="test")
    house.manager.by_hand.adopt(wish, house.reconciler.surplus(an_option().symbol, house.shared.snapshot()))

    with pytest.raises(RiskDenied, match="have moved there"):
        house.reconciler.surplus(an_option().symbol, house.shared.snapshot())
