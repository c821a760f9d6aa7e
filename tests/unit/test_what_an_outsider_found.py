"""What a venue written from its document alone, and a person who trades the same options by hand, showed of the daemon."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from clock import SimulatedClock
from domain import ExecutionMode, OrderStatus, OrderType, Purpose, RequestedLeg, RequestPush, RFQStatus, Side
from events import ExecutionEvent, ExecutionStarted, RFQOpened, RFQSent
from exchanges.coincall.client import order_params
from execution import Progress
from execution_log import ExecutionLog
from order_ledger import LONG_AGO, OrderRecord
from trade_book import TradeBook
from trade_lifecycle import TradeState

from tests.fakes import START, FakeJournal, a_fill, a_name, a_plan, an_option, an_order
from tests.unit.limit_looks import HELD, a_record, placed, seen
from tests.unit.reconciling import SharedHouse, a_quoted_house
from tests.unit.rfq_house import RFQHouse
from tests.unit.rfq_stories import go
from tests.unit.rfq_venue import Maker

CLOSING = Purpose.CLOSE
LAST_ROUND = 2


def taken_off(price: str, *, by_us: bool = False) -> OrderRecord:
    """Return a closing buy that ended as cancelled: by the venue, unless we wanted that."""
    return replace(a_record(CLOSING, side=Side.BUY, price=price), status=OrderStatus.CANCELED, settled=True, cancel_wanted=by_us)


@pytest.mark.parametrize("order_type", [OrderType.LIMIT, OrderType.POST_ONLY])
@pytest.mark.parametrize("purpose", Purpose)
def test_l20_an_order_of_ours_that_meets_a_persons_is_the_one_that_goes(purpose: Purpose, order_type: OrderType) -> None:
    order = replace(an_order(a_name(purpose=purpose)), order_type=order_type)
    assert order_params(order)["stp"] == 2, "left unsaid the venue cancels both, the person's too"


def test_a_close_that_gave_way_to_a_persons_order_rests_at_mid_for_a_turn() -> None:
    again = placed(seen(taken_off("104"), leg=HELD, purpose=CLOSING, seconds=31, turn=LAST_ROUND))
    first = placed(seen(leg=HELD, purpose=CLOSING, turn=LAST_ROUND))
    patient = placed(seen(leg=HELD, purpose=CLOSING, turn=0))
    assert again.price == patient.price < first.price


def test_an_urgent_close_that_gave_way_rests_too_and_takes_the_touch_the_time_after() -> None:
    rested = taken_off("100", by_us=True)
    touch = placed(seen(leg=HELD, purpose=CLOSING, brisk=True)).price
    assert placed(seen(taken_off(str(touch)), leg=HELD, purpose=CLOSING, seconds=6, brisk=True)).price < touch
    assert placed(seen(taken_off(str(touch)), rested, leg=HELD, purpose=CLOSING, seconds=12, brisk=True)).price == touch


def test_what_an_earlier_execution_met_does_not_slow_the_next_one() -> None:
    before = taken_off("104")
    before = replace(before, sent_at=START - timedelta(minutes=1))
    assert placed(seen(before, leg=HELD, purpose=CLOSING, turn=LAST_ROUND)).price > Decimal(100)


# ---- a request whose answer was lost, at a venue that lists no requests to a taker


def lost_without_a_list() -> RFQHouse:
    """A request that arrived, its answer lost, where nobody may read the list; the execution has gone on with another."""
    house = RFQHouse(a_plan(an_option(70000), Side.BUY))
    house.venue.makers = [Maker(("100",))]
    house.venue.lose_create, house.venue.no_list = "after", True
    house.until(lambda: house.last.progress is not Progress.WORKING)
    assert house.venue.statuses == [RFQStatus.ACTIVE, RFQStatus.FILLED]
    return house


def told(house: RFQHouse, *, ours: bool = True, status: RFQStatus = RFQStatus.ACTIVE) -> RequestPush:
    """Return what the stream says of the request that was lost."""
    lost = next(iter(house.venue.requests.values()))
    legs = tuple(RequestedLeg(symbol=leg.instrument.symbol, side=leg.side, qty=leg.qty) for leg in lost.legs)
    return RequestPush(
        request_id=lost.request_id,
        status=status,
        legs=legs,
        created_at=lost.created_at,
        expires_at=lost.expires_at,
        ours=ours,
        at=lost.created_at,
    )


def test_l05_a_lost_request_that_the_stream_told_of_is_taken_back_though_no_list_shows_it() -> None:
    house = lost_without_a_list()
    house.rfq.watch.news(told(house))
    go(house, 130)
    assert house.venue.statuses == [RFQStatus.CANCELLED, RFQStatus.FILLED]


@pytest.mark.parametrize(("ours", "status"), [(False, RFQStatus.ACTIVE), (True, RFQStatus.CANCELLED)])
def test_what_the_stream_tells_of_others_or_of_what_is_over_withdraws_nothing(ours: bool, status: RFQStatus) -> None:
    house = lost_without_a_list()
    house.rfq.watch.news(told(house, ours=ours, status=status))
    go(house, 130)
    assert house.venue.statuses == [RFQStatus.ACTIVE, RFQStatus.FILLED]


# ---- coins that the venue did not show for a while


def set_aside(house: SharedHouse) -> Decimal:
    """Open a trade, have the venue show nothing of it until it is set aside, and return what it held."""
    house.opened()
    held = house.shared.held.pop(an_option().symbol)
    house.tick(40)
    assert [trade.state for trade in house.manager.active] == [TradeState.QUARANTINED]
    return held


def test_l30_a_trade_whose_coins_the_venue_shows_again_goes_on_by_itself() -> None:
    house = a_quoted_house()
    house.shared.held[an_option().symbol] = set_aside(house)
    house.tick(100)
    assert house.trade().state is TradeState.QUARANTINED, "a list of trades may lag by two minutes"
    house.tick(80)
    assert house.trade().state is TradeState.OPEN
    assert house.alerts.about("quarantine over test#1")


@pytest.mark.parametrize(("sides", "ends"), [((Side.BUY, Side.SELL), TradeState.QUARANTINED), ((Side.SELL,), TradeState.OPEN)])
def test_l20_coins_that_somebody_closed_and_opened_anew_are_not_taken_for_ours(sides: tuple[Side, ...], ends: TradeState) -> None:
    house = a_quoted_house()
    held = set_aside(house)  # short
    for side in sides:
        fill = a_fill(str(abs(held)), fill_id=f"theirs {side}", order_id="v900", side=side, at=house.clock.now())
        house.shared.rows.append(fill)
    house.shared.held[an_option().symbol] = held
    house.tick(600)
    assert house.trade().state is ends


def test_a_trade_that_was_set_aside_in_an_earlier_life_waits_for_a_person() -> None:
    house = a_quoted_house()
    held = set_aside(house)
    house = house.restart()
    house.show()
    house.tick(30)
    house.shared.held[an_option().symbol] = held
    house.tick(600)
    assert house.trade().state is TradeState.QUARANTINED


# ---- a clock that was an hour ahead, and is set back between two lives


def test_a_trade_of_a_clock_that_was_ahead_counts_from_the_restart_and_is_not_held_an_hour_more() -> None:
    house = a_quoted_house()
    house.opened()
    events = house.journal.events
    book, right = TradeBook(FakeJournal(), 1), house.clock.now() - timedelta(hours=1)
    book.restore(events, right)
    [trade] = book.active
    assert (trade.opened_at, trade.last_fill_at) == (right, right)


def test_what_happened_before_a_restart_keeps_its_moment() -> None:
    house = a_quoted_house()
    then = house.opened()
    book = TradeBook(FakeJournal(), 1)
    book.restore(house.journal.events, house.clock.now() + timedelta(hours=1))
    assert [(trade.opened_at, trade.last_fill_at) for trade in book.active] == [(then.opened_at, then.last_fill_at)]


def test_what_an_execution_wrote_by_a_clock_ahead_counts_as_long_ago_so_that_nothing_waits_for_that_time() -> None:
    now, then = START, START + timedelta(hours=1)
    begun = ExecutionStarted(at=then, trade=1, run=1, purpose=Purpose.OPEN, mode=ExecutionMode.RFQ, reason="", legs=())
    opened = RFQOpened(at=then, trade=1, run=1, purpose=Purpose.OPEN, request_id="1", expires_at=then + timedelta(hours=1))
    sent = RFQSent(at=then, trade=1, run=1, purpose=Purpose.OPEN)
    log = ExecutionLog(FakeJournal(), SimulatedClock(now))
    log.restore([begun, opened, sent])
    run = log.last(1)
    assert run is not None
    assert [event.at for event in run.written(ExecutionEvent)] == [now - LONG_AGO, now - LONG_AGO, then], "a sending is known by its moment"
