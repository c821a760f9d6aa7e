"""What several troubles in one run brought to light, each told as the smallest story of the part that was wrong."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from loguru import logger

from clock import SimulatedClock
from domain import ExecutionMode, OptionLeg, Purpose, RequestedLeg, RequestPush, RFQRequest, RFQStatus, Side
from errors import OutcomeUnknown
from events import ExecutionStarted, LegBook, OrderRefused, RFQSent
from request_watch import RequestWatch
from rfq_story import terms
from workers import Inbox, InlinePool

from tests.fakes import START, FakeVenue, an_option
from tests.unit.order_stories import NAME, a_house, go, record, send
from tests.unit.rfq_venue import FakeRFQVenue

CANCELLED, ACTIVE = RFQStatus.CANCELLED, RFQStatus.ACTIVE
LOST = OutcomeUnknown("fake", "create", "read timed out")
OPTION = an_option(70000)
LEGS = (OptionLeg(instrument=OPTION, side=Side.BUY, qty=Decimal(1)),)
STARTED = ExecutionStarted(
    at=START,
    trade=1,
    run=1,
    purpose=Purpose.OPEN,
    mode=ExecutionMode.RFQ,
    reason="a test",
    legs=(LegBook(leg=0, symbol=OPTION.symbol, side=Side.BUY, wanted=Decimal(1)),),
)


# ---- a disk that is full for long


def test_an_order_that_never_arrived_is_told_of_once_however_often_that_could_not_be_written() -> None:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line).rstrip()), format="{message}", filter="trade_execution")
    house = a_house()
    house.venue.drop = True
    send(house)
    house.journal.fail_on = (OrderRefused,)
    go(house, 200)
    house.journal.fail_on = ()

    go(house, 60)

    logger.remove(sink)
    assert record(house).refused == "never arrived at the venue"
    assert [line for line in lines if "order refused" in line] == [f"order refused id={NAME} reason=never arrived at the venue"]


# ---- a request whose answer was lost, and a clock of ours that is set while it is looked for, or between two lives


class TwoClocks:
    """The venue's clock, which is right; ours, which may be set; how far apart they are as measured; and a watch that lives by ours."""

    def __init__(self) -> None:
        self.venue = _Translating(SimulatedClock(START), self)
        self.ours = SimulatedClock(START)
        self.ahead = timedelta(0)
        self.begin(START)

    def begin(self, moment: datetime) -> None:
        """Begin a life at a moment of our clock; how far apart the clocks are is measured at its start."""
        self.ours, self.ahead = SimulatedClock(moment), self.venue.clock.now() - moment
        self.inbox = Inbox()
        pool = InlinePool(self.inbox)
        self.watch = RequestWatch(self.venue, self.venue.cancel, pool, self.ours, ahead=lambda: self.ahead)

    def lose(self) -> RFQSent:
        """Send a request that arrives, and whose answer is lost."""
        sent = RFQSent(at=self.ours.now(), trade=1, run=1, purpose=Purpose.OPEN, venue_ahead=self.ahead)
        self.watch.asking(sent, terms(LEGS))
        self.venue.request(LEGS)
        self.watch.answered(sent, LOST)
        return sent

    def leap(self, span: timedelta, *, measured: bool) -> None:
        """Set our clock forward."""
        self.ours.advance(span)
        if measured:
            self.ahead -= span

    def go(self, seconds: int) -> None:
        """Let seconds pass on both clocks, and the watch step at each."""
        for _ in range(seconds):
            self.venue.clock.advance(timedelta(seconds=1))
            self.watch.step(self.ours.advance(timedelta(seconds=1)))
            self.inbox.drain()


class _Translating(FakeRFQVenue):
    """It tells its moments by our clock, as the way to the venue does."""

    def __init__(self, clock: SimulatedClock, clocks: TwoClocks) -> None:
        super().__init__(clock, FakeVenue(clock))
        self._clocks = clocks

    def open_requests(self) -> Sequence[RFQRequest]:
        ahead = self._clocks.ahead
        return [replace(each, created_at=each.created_at - ahead, expires_at=each.expires_at - ahead) for each in super().open_requests()]


@pytest.mark.parametrize("measured", [True, False])
def test_a_lost_request_is_found_where_our_clock_is_set_forward_while_it_is_looked_for(measured: bool) -> None:
    clocks = TwoClocks()
    clocks.lose()
    clocks.go(2)
    clocks.leap(timedelta(minutes=5), measured=measured)

    clocks.go(10)

    assert clocks.venue.statuses == [CANCELLED]


def test_lists_that_lag_have_as_long_to_catch_up_where_our_clock_is_set_forward() -> None:
    clocks = TwoClocks()
    clocks.venue.list_lag = timedelta(seconds=60)
    clocks.lose()
    clocks.go(2)
    clocks.leap(timedelta(minutes=5), measured=True)

    clocks.go(80)

    assert clocks.venue.statuses == [CANCELLED]


def test_a_lost_request_that_only_the_stream_told_of_is_found_where_our_clock_is_set_forward() -> None:
    clocks = TwoClocks()
    clocks.begin(START - timedelta(minutes=5))
    clocks.venue.no_list = True
    clocks.lose()
    known = clocks.venue.requests["r1"]
    made, over = known.created_at - clocks.ahead, known.expires_at - clocks.ahead
    legs = tuple(RequestedLeg(symbol=leg.instrument.symbol, side=leg.side, qty=leg.qty) for leg in known.legs)
    told = RequestPush(request_id="r1", status=ACTIVE, legs=legs, created_at=made, expires_at=over, ours=True, at=made)
    clocks.watch.news(told)
    clocks.go(2)
    clocks.leap(timedelta(minutes=5), measured=True)

    clocks.go(10)

    assert clocks.venue.statuses == [CANCELLED]


def test_one_that_was_lost_hours_ago_is_not_asked_for() -> None:
    clocks = TwoClocks()
    sent = clocks.lose()
    clocks.begin(clocks.venue.clock.advance(timedelta(hours=2)))
    clocks.watch.restore([STARTED, sent], {1})

    clocks.go(20)

    assert clocks.venue.asked["list"] == 0


@pytest.mark.parametrize("minutes", [-50, -5, 0, 5, 50])
def test_a_lost_request_is_found_by_the_next_life_wherever_our_clock_was_set_meanwhile(minutes: int) -> None:
    clocks = TwoClocks()
    sent = clocks.lose()
    clocks.go(2)
    clocks.venue.clock.advance(timedelta(seconds=20))
    clocks.begin(clocks.venue.clock.now() + timedelta(minutes=minutes))
    clocks.watch.restore([STARTED, sent], {1})

    clocks.go(20)

    assert clocks.venue.statuses == [CANCELLED]


@pytest.mark.parametrize("minutes", [-5, 0, 5])
def test_one_that_was_sent_by_a_clock_that_was_wrong_is_found_by_a_life_whose_clock_is_right(minutes: int) -> None:
    clocks = TwoClocks()
    clocks.begin(START + timedelta(minutes=minutes))
    sent = clocks.lose()
    clocks.begin(clocks.venue.clock.advance(timedelta(seconds=20)))
    clocks.watch.restore([STARTED, sent], {1})

    clocks.go(20)

    assert clocks.venue.statuses == [CANCELLED]


@pytest.mark.parametrize("seconds", [-30, 25])
def test_a_request_like_the_lost_one_that_was_made_at_another_time_is_left_to_whoever_made_it(seconds: int) -> None:
    clocks = TwoClocks()
    clocks.lose()
    clocks.venue.requests["r1"] = replace(clocks.venue.requests["r1"], created_at=START + timedelta(seconds=seconds))
    clocks.go(2)
    clocks.leap(timedelta(minutes=5), measured=True)

    clocks.go(60)

    assert clocks.venue.statuses == [ACTIVE]
