"""Requests that nobody waits for any more: looked for until lists have caught up, taken back across deaths, and nobody else's touched."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from domain import ExecutionMode, OptionLeg, Purpose, RFQRequest, RFQStatus, Side
from errors import ExchangeRejected, ExchangeUnavailable, OutcomeUnknown
from events import CloseNotified, LegPlan, OpenGivenUp, OpenStarted, RFQEnded, RFQOpened, RFQSent, TradeCreated
from execution import Progress
from lifecycle_manager import LifecycleManager
from order_ledger import Patience
from request_watch import Looking, RequestWatch
from rfq_story import Story, stories, terms

from tests.fakes import START, a_plan, an_option
from tests.unit.rfq_house import RFQHouse
from tests.unit.rfq_stories import go
from tests.unit.rfq_venue import FakeRFQVenue, Maker

BUY_CALL = a_plan(an_option(70000), Side.BUY)
SENT = RFQSent(at=START, trade=1, run=1, purpose=Purpose.OPEN)
LEGS = (OptionLeg(instrument=an_option(70000), side=Side.BUY, qty=Decimal(1)),)
LOST = OutcomeUnknown("fake", "create", "read timed out")
C, A = RFQStatus.CANCELLED, RFQStatus.ACTIVE


def a_loss(*legs: LegPlan) -> RFQHouse:
    """An execution whose request arrived, and whose answer is lost."""
    house = RFQHouse(*(legs or (BUY_CALL,)))
    house.venue.makers = [Maker(("100",))]
    house.venue.lose_create = "after"
    return house


def gone_on(house: RFQHouse) -> RFQHouse:
    """Go on until the execution has ended without the request that was lost."""
    house.until(lambda: house.last.progress is not Progress.WORKING)
    assert house.last.progress is Progress.DONE
    return house


# ---- what was lost


def test_a_lost_request_that_lists_show_late_is_taken_back_when_they_do_and_holds_nothing_up() -> None:
    house = a_loss()
    house.venue.list_lag = timedelta(seconds=119)
    gone_on(house)
    assert house.clock.now() < START + timedelta(seconds=20)
    assert house.venue.statuses == [A, RFQStatus.FILLED]
    go(house, 130)
    assert house.venue.statuses == [C, RFQStatus.FILLED]


@pytest.mark.parametrize("seconds", [60, 600])
def test_a_list_that_cannot_be_read_is_read_again(seconds: int) -> None:
    house = a_loss()
    house.venue.no_list = True
    gone_on(house)
    go(house, seconds)
    house.venue.no_list = False
    go(house, 61)
    assert house.venue.statuses == [C, RFQStatus.FILLED]


def test_the_execution_asks_again_only_after_a_first_look_for_what_it_lost() -> None:
    house = a_loss()
    house.tick(5)
    house.pool.held = True
    house.tick(20)
    assert house.journal.of(RFQEnded) == []
    house.pool.release()
    house.tick(2)
    assert house.journal.of(RFQEnded)[-1].outcome == "lost"  # type: ignore[union-attr]
    gone_on(house)


def test_looking_ends_once_lists_have_surely_caught_up() -> None:
    house = gone_on(a_loss())
    go(house, 150)
    asked = house.venue.asked["list"]
    assert 10 <= asked <= 16
    go(house, 600)
    assert house.venue.asked["list"] == asked


def test_where_requests_are_never_listed_looking_ends_with_the_life_of_the_request() -> None:
    house = a_loss()
    house.venue.no_list = True
    gone_on(house)
    go(house, 3700)
    asked = house.venue.asked["list"]
    assert asked < 80
    go(house, 600)
    assert house.venue.asked["list"] == asked
    assert house.rfq.watch._searches == {}


@pytest.mark.parametrize("silence", [0, 150, 1800])
def test_a_death_between_finding_and_withdrawing_forgets_nothing(silence: int) -> None:
    house = a_loss()
    house.venue.cancel_fails = 10**6
    gone_on(house)
    go(house, 5)
    assert house.venue.statuses == [A, RFQStatus.FILLED]
    house.clock.advance(timedelta(seconds=silence))
    house = house.restart()
    house.venue.cancel_fails = 0
    go(house, 10)
    assert house.venue.statuses == [C, RFQStatus.FILLED]


def test_a_request_sent_just_before_a_death_is_looked_for_although_its_trade_has_ended() -> None:
    house = a_loss()
    house.tick()
    house.happen(OpenGivenUp(at=house.clock.now(), trade=1, reason="a test"))
    house = house.restart()
    house.venue.list_lag = timedelta(seconds=60)
    go(house, 90)
    assert house.venue.statuses == [C]


def test_a_request_that_was_surely_never_sent_or_refused_is_not_looked_for_even_after_a_restart() -> None:
    for error in (ExchangeUnavailable("fake", "create", "down"), ExchangeRejected("fake", "create", "too small", 10558)):
        house = RFQHouse(BUY_CALL)
        house.venue.refuse_create = error
        house.tick()
        house.look()
        assert house.execution.cancel("a test")
        go(house, 30)
        house = house.restart()
        go(house, 30)
        assert house.venue.asked["list"] == 0


# ---- what is not ours


def a_watch() -> tuple[RequestWatch, RFQHouse]:
    house = RFQHouse(BUY_CALL)
    house.pool.held = False
    return house.rfq.watch, house


def made(venue: FakeRFQVenue, seconds: float = 0, strike: int = 70000) -> RFQRequest:
    """Open a request at the venue, as of so many seconds after the start."""
    request = venue.request((OptionLeg(instrument=an_option(strike), side=Side.BUY, qty=Decimal(1)),))
    request = replace(request, created_at=START + timedelta(seconds=seconds))
    venue.requests[request.request_id] = request
    return request


def test_only_a_request_with_these_legs_made_in_the_time_of_the_loss_is_taken_back() -> None:
    watch, house = a_watch()
    for seconds in (-6, -4, 9, 11):
        made(house.venue, seconds)
    made(house.venue, 1, strike=75000)
    watch.asking(SENT, terms(LEGS))
    watch.answered(SENT, LOST)
    go(house, 60)
    assert house.venue.statuses == [A, C, C, A, A]


def test_a_request_whose_id_another_execution_knows_is_never_taken_back() -> None:
    watch, house = a_watch()
    known = made(house.venue)
    watch.know(known.request_id, known.expires_at)
    watch.asking(SENT, terms(LEGS))
    watch.answered(SENT, LOST)
    go(house, 150)
    assert house.venue.statuses == [A]


def test_a_request_whose_own_answer_is_on_the_way_is_not_taken_for_a_lost_one() -> None:
    watch, house = a_watch()
    watch.asking(SENT, terms(LEGS))
    watch.answered(SENT, LOST)
    second = RFQSent(at=START + timedelta(seconds=4), trade=2, run=1, purpose=Purpose.OPEN)
    watch.asking(second, terms(LEGS))
    request = made(house.venue, 4)
    go(house, 20)
    assert house.venue.asked["list"] > 0
    assert house.venue.statuses == [A]
    watch.answered(second, request)
    go(house, 150)
    assert house.venue.statuses == [A]


def test_after_a_restart_requests_that_ended_trades_knew_are_still_known() -> None:
    """The lost one was sent first; a later one with the same legs is another execution's, whose trade is over."""
    house = a_loss()
    house.tick()
    others = made(house.venue, 2)
    run = house.log.begin(1, Purpose.OPEN, ExecutionMode.RFQ, "another", house.scene().pictures())
    run.write(RFQOpened, request_id=others.request_id, expires_at=others.expires_at)
    run.write(RFQEnded, outcome="filled")
    house.happen(OpenGivenUp(at=house.clock.now(), trade=1, reason="a test"))
    house = house.restart()
    go(house, 150)
    assert house.venue.statuses == [C, A]


# ---- what an earlier life left open


def an_abandoned() -> RFQHouse:
    """A request that could not be withdrawn in time, so that its execution went on without it."""
    house = RFQHouse(BUY_CALL)
    house.tick(3)
    house.venue.cancel_fails = 10**6
    house.until(lambda: house.execution.cancel("a test"))
    assert house.journal.of(RFQEnded)[-1].outcome == "abandoned"  # type: ignore[union-attr]
    return house


@pytest.mark.parametrize("active", [True, False])
def test_an_abandoned_request_is_taken_back_after_a_restart(active: bool) -> None:
    house = an_abandoned()
    if not active:
        house.happen(OpenGivenUp(at=house.clock.now(), trade=1, reason="a test"))
    house = house.restart()
    asked = house.venue.asked["cancel"]
    house.venue.cancel_fails = 1
    go(house, 12)
    assert house.venue.statuses == [C]
    assert house.venue.asked["cancel"] == asked + 2


def test_nothing_is_asked_before_the_first_tick() -> None:
    house = an_abandoned()
    asked = house.venue.asked.total()
    house = house.restart()
    assert house.venue.asked.total() == asked


def test_an_abandoned_request_that_has_expired_meanwhile_is_left() -> None:
    house = an_abandoned()
    house.clock.advance(timedelta(hours=1))
    asked = house.venue.asked["cancel"]
    house = house.restart()
    go(house, 10)
    assert house.venue.asked["cancel"] == asked


def test_a_request_that_was_withdrawn_or_filled_is_not_withdrawn_again() -> None:
    for makers in ([], [Maker(("100",))]):
        house = RFQHouse(BUY_CALL)
        house.venue.makers = makers
        house.until(lambda house=house: house.last.progress is not Progress.WORKING)  # type: ignore[misc]
        asked = house.venue.asked["cancel"]
        house = house.restart()
        go(house, 30)
        assert house.venue.asked["cancel"] == asked


def test_a_request_of_a_trade_that_was_ended_around_it_is_taken_back_and_one_that_goes_on_is_not() -> None:
    house = RFQHouse(BUY_CALL)
    house.tick(5)
    house = house.restart()
    go(house, 10)
    assert house.venue.statuses == [A]
    house.happen(OpenGivenUp(at=house.clock.now(), trade=1, reason="written off"))
    house = house.restart()
    go(house, 10)
    assert house.venue.statuses == [C]


@pytest.mark.parametrize("simulated", [False, True])
@pytest.mark.parametrize("over", [False, True])
def test_each_desk_takes_back_only_its_own_requests(simulated: bool, over: bool) -> None:
    """A dry run's ids mean nothing at the venue, or mean somebody else's request."""
    house = an_abandoned()
    born = house.journal.events[0]
    assert isinstance(born, TradeCreated)
    events = [msgspec.structs.replace(born, simulated=simulated), *house.journal.events[1:]]
    if over:
        at = house.clock.now()
        events += [OpenGivenUp(at=at, trade=1, reason="a test"), CloseNotified(at=at, trade=1)]
    live, other = RFQHouse(BUY_CALL), RFQHouse(BUY_CALL)
    for each in (live, other):
        made(each.venue)
    manager = LifecycleManager(
        live=live.desk, simulated=other.desk, journal=live.journal, clock=live.clock, alerts=live.alerts, next_number=2
    )
    manager.restore(events)
    go(live, 3)
    go(other, 3)
    assert [live.venue.statuses, other.venue.statuses] == ([[A], [C]] if simulated else [[C], [A]])


# ---- spans and stories


def test_the_spans_stretch_with_the_patience_for_the_network() -> None:
    assert Looking.paced(Patience()) == Looking()
    slow = Looking.paced(Patience(absence=timedelta(hours=1)))
    assert slow == Looking(every=timedelta(minutes=20), lasting=timedelta(hours=4), slack=timedelta(minutes=10))


def test_each_request_of_an_execution_has_its_own_story() -> None:
    house = RFQHouse(BUY_CALL)
    house.venue.makers = [Maker(("100",))]
    house.venue.lose_create = "before"
    house.until(lambda: house.last.progress is not Progress.WORKING)
    told = stories(house.run.events)
    assert [(each.requests, each.opened is None, each.ended and each.ended.outcome) for each in told] == [
        (1, True, "lost"),
        (2, False, "filled"),
    ]
    assert stories([]) == []
    assert stories(told_of(told[0])) == [Story(0, ended=told[0].ended)]
    assert isinstance(house.journal.events[1], OpenStarted)


def told_of(story: Story) -> list[RFQEnded]:
    """Return only the end of a story, as a damaged journal may."""
    return [] if story.ended is None else [story.ended]
