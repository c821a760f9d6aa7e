"""The dead man's switch: armed while in use, reset in time, loud when it is not, off where it may not be, ended or left at a stop."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import pytest

from clock import SimulatedClock
from dead_man import DeadManSwitch, OnStop
from domain import Severity
from errors import AuthenticationRejected, ExchangeRejected, ExchangeUnavailable, OutcomeUnknown, TimestampRejected, VenueError
from workers import Inbox, InlinePool

from tests.fakes import START, FakeAlerts
from tests.unit.rfq_house import Pool

SPAN = timedelta(seconds=60)
NOT_ALLOWED = AuthenticationRejected("fake", "countdown", "no market maker")
LOST, DOWN = OutcomeUnknown("fake", "countdown", "timed out"), ExchangeUnavailable("fake", "countdown", "no route")


class FakeCountdowns:
    """A venue with countdowns, in market time. `fail` is raised instead of an answer; with `acts` the venue has acted by then."""

    def __init__(self, clock: SimulatedClock) -> None:
        self.clock = clock
        self.spans: dict[str, timedelta] = {}
        self.ends: dict[str, datetime] = {}
        self.calls: list[tuple[str, ...]] = []
        self.fail: VenueError | None = None
        self.fail_resets: VenueError | None = None
        self.refuse: dict[str, VenueError] = {}
        self.acts = False

    def elapsed(self, name: str) -> bool:
        """Whether it has run out: orders are cancelled, and refused."""
        return name in self.ends and self.clock.now() >= self.ends[name]

    def set_countdown(self, underlying: str, span: timedelta, /) -> None:
        """Begin one, or end it."""
        self.calls.append(("set", underlying, str(span.seconds)))
        if self.fail is not None and not self.acts:
            raise self.fail
        if underlying in self.refuse:
            raise self.refuse[underlying]
        self.spans.pop(underlying, None)
        self.ends.pop(underlying, None)
        if span > timedelta(0):
            self.spans[underlying], self.ends[underlying] = span, self.clock.now() + span
        if self.fail is not None:
            raise self.fail

    def reset_countdown(self, underlyings: Sequence[str], /) -> Sequence[str]:
        """Begin those that run from the start."""
        self.calls.append(("reset", *underlyings))
        if failure := self.fail_resets or (None if self.acts else self.fail):
            raise failure
        done = [name for name in underlyings if name in self.spans and not self.elapsed(name)]
        for name in done:
            self.ends[name] = self.clock.now() + self.spans[name]
        if self.fail is not None:
            raise self.fail
        return done


class House:
    """A switch over a fake venue; `tick` lets a second pass at a time."""

    def __init__(self, *in_use: str) -> None:
        self.clock = SimulatedClock(START)
        self.venue, self.alerts = FakeCountdowns(self.clock), FakeAlerts()
        self.in_use = set(in_use or ("BTC",))
        self.begin()

    def begin(self) -> None:
        """A new life of the daemon; the venue knows nothing of it."""
        self.inbox = Inbox()
        self.pool = Pool(self.inbox)
        self.switch = DeadManSwitch(self.venue, self.pool, self.clock, self.alerts, SPAN, lambda: self.in_use)

    def tick(self, seconds: int = 1) -> None:
        for _ in range(seconds):
            self.inbox.drain()
            self.switch.step(self.clock.now())
            self.inbox.drain()
            self.clock.advance(timedelta(seconds=1))

    def stop(self, on_stop: OnStop) -> None:
        self.switch.stop(on_stop)
        self.inbox.drain()

    def causes(self) -> list[tuple[Severity, str]]:
        return [(alert.severity, alert.cause) for alert in self.alerts.raised]


@pytest.fixture
def house() -> House:
    return House()


def test_a_countdown_is_armed_for_each_underlying_in_use() -> None:
    house = House("BTC", "ETH")
    house.tick()
    assert house.venue.spans == {"BTC": SPAN, "ETH": SPAN}
    assert house.switch.armed == ("BTC", "ETH")


def test_it_is_reset_every_third_of_its_span_in_one_request() -> None:
    house = House("BTC", "ETH")
    house.tick(61)
    assert [call[0] for call in house.venue.calls] == ["set", "set", "reset", "reset", "reset"]
    assert all(set(call[1:]) == {"BTC", "ETH"} for call in house.venue.calls[2:])
    assert house.causes() == []


def test_it_never_elapses_while_the_daemon_lives(house: House) -> None:
    for _ in range(600):
        house.tick()
        assert not house.venue.elapsed("BTC")


def test_a_reset_whose_answer_is_lost_is_sent_again_and_nobody_is_called(house: House) -> None:
    house.tick(20)
    house.venue.fail, house.venue.acts = LOST, True
    house.tick(6)
    house.venue.fail = None
    house.tick(120)
    assert house.causes() == []
    assert not house.venue.elapsed("BTC")


def test_resets_that_are_not_confirmed_in_time_call_a_person_before_the_venue_acts(house: House) -> None:
    house.tick()
    house.venue.fail = DOWN
    house.tick(40)
    assert house.causes() == [(Severity.CRITICAL, "countdown BTC")]
    assert not house.venue.elapsed("BTC")
    assert "12:01:00" in house.alerts.raised[0].message
    house.tick(15)
    assert len(house.alerts.raised) == 1


def test_while_the_venue_is_away_it_is_asked_a_dozen_times_a_span_and_no_more(house: House) -> None:
    house.tick()
    house.venue.fail = DOWN
    house.tick(20)
    house.venue.calls.clear()
    house.tick(60)
    assert 10 <= len(house.venue.calls) <= 13


def test_a_countdown_that_ran_out_is_told_and_armed_again(house: House) -> None:
    house.tick()
    house.venue.fail = DOWN
    house.tick(65)
    assert house.venue.elapsed("BTC")
    house.venue.fail = None
    house.tick(8)
    assert not house.venue.elapsed("BTC")
    assert house.switch.armed == ("BTC",)
    assert house.causes()[-1] == (Severity.CRITICAL, "countdown elapsed BTC")


def test_a_venue_that_wakes_a_countdown_that_ran_out_hides_nothing(house: House) -> None:
    house.tick()
    house.venue.fail = DOWN
    house.tick(65)
    house.venue.fail = None
    house.venue.ends["BTC"] = house.clock.now() + SPAN  # here a reset, which is late by our own clock, wakes it
    house.tick(8)
    assert house.causes()[-1][1] == "countdown elapsed BTC"


def test_a_countdown_that_somebody_else_ended_is_armed_again(house: House) -> None:
    house.tick(10)
    house.venue.set_countdown("BTC", timedelta(0))
    house.tick(20)
    assert house.venue.spans == {"BTC": SPAN}
    assert house.causes() == [(Severity.CRITICAL, "countdown elapsed BTC")]


def test_an_order_refused_for_the_countdown_arms_it_again_at_once(house: House) -> None:
    house.tick(3)
    house.venue.ends["BTC"] = house.clock.now()
    house.switch.elapsed("BTC")
    house.switch.elapsed("BTC")
    house.tick()
    assert not house.venue.elapsed("BTC")
    assert house.causes() == [(Severity.CRITICAL, "countdown elapsed BTC")]
    house.switch.elapsed("DOGE")


def test_a_first_countdown_that_cannot_be_set_calls_a_person(house: House) -> None:
    house.venue.fail = DOWN
    house.tick(41)
    assert house.causes() == [(Severity.CRITICAL, "countdown BTC")]
    assert "could not be armed" in house.alerts.raised[0].message
    house.venue.fail = None
    house.tick(6)
    assert house.switch.armed == ("BTC",)


def test_an_account_that_may_not_use_it_is_told_once_and_left_alone() -> None:
    house = House("BTC", "ETH")
    house.venue.fail = NOT_ALLOWED
    house.tick(300)
    assert house.causes() == [(Severity.WARNING, "countdown not allowed")]
    assert house.switch.off
    assert len(house.venue.calls) <= 2


def test_a_right_that_is_taken_away_is_critical_for_what_runs_takes_all_orders_along(house: House) -> None:
    house.tick()
    house.venue.fail = NOT_ALLOWED
    house.tick(60)
    assert house.causes() == [(Severity.CRITICAL, "countdown not allowed")]
    assert "BTC" in house.alerts.raised[0].message


def test_a_clock_that_is_off_is_no_lack_of_rights(house: House) -> None:
    house.venue.fail = TimestampRejected("fake", "countdown", "expired", 10557)
    house.tick(10)
    house.venue.fail = None
    house.tick(10)
    assert house.switch.armed == ("BTC",)
    assert not house.switch.off


def test_one_underlying_that_is_refused_leaves_the_others_guarded() -> None:
    house = House("BTC", "DOGE")
    house.venue.refuse["DOGE"] = ExchangeRejected("fake", "countdown", "Index does not exist.", 10579)
    house.tick(120)
    assert house.switch.armed == ("BTC",)
    assert house.causes() == [(Severity.WARNING, "countdown refused DOGE")]
    assert [call for call in house.venue.calls if "DOGE" in call] == [("set", "DOGE", "60")]


def test_what_cannot_be_reset_is_set(house: House) -> None:
    house.venue.fail_resets = ExchangeRejected("fake", "countdown", "no", 10004)
    house.tick(180)
    assert not house.venue.elapsed("BTC")
    assert house.causes() == []


def test_a_running_countdown_that_is_refused_later_is_critical(house: House) -> None:
    house.tick()
    house.venue.fail_resets = house.venue.refuse["BTC"] = ExchangeRejected("fake", "countdown", "no", 10004)
    house.tick(60)
    assert house.causes() == [(Severity.CRITICAL, "countdown refused BTC")]


def test_what_falls_out_of_use_is_ended_so_that_nobody_s_orders_are_cancelled(house: House) -> None:
    house.tick()
    house.in_use.clear()
    house.tick(120)
    assert house.venue.spans == {}
    assert not house.venue.elapsed("BTC")
    assert house.venue.calls == [("set", "BTC", "60"), ("set", "BTC", "0")]


def test_what_could_not_be_ended_is_ended_later(house: House) -> None:
    house.tick()
    house.in_use.clear()
    house.venue.fail = DOWN
    house.tick(10)
    house.venue.fail = None
    house.tick(10)
    assert house.venue.spans == {}


def test_what_comes_back_into_use_is_armed_anew_without_an_alarm(house: House) -> None:
    house.tick()
    house.in_use.clear()
    house.venue.fail, house.venue.acts = LOST, True
    house.tick(100)
    house.in_use.add("BTC")
    house.venue.fail = None
    house.pool.held = True
    house.tick(10)
    house.pool.release()
    house.tick(5)
    assert house.switch.armed == ("BTC",)
    assert house.causes() == []


def test_a_stop_that_disarms_ends_every_countdown() -> None:
    house = House("BTC", "ETH")
    house.tick()
    house.stop(OnStop.DISARM)
    assert house.venue.spans == {}
    assert not house.switch.busy
    house.tick(60)
    assert house.venue.calls[-1][0] == "set" and len(house.venue.calls) == 4


def test_a_stop_that_leaves_them_lets_the_venue_cancel_all(house: House) -> None:
    house.tick()
    house.stop(OnStop.LEAVE)
    house.tick(60)
    assert house.venue.elapsed("BTC")
    assert house.venue.calls == [("set", "BTC", "60")]


@pytest.mark.parametrize("failure", [None, LOST])
def test_a_request_under_way_at_the_stop_is_followed_by_its_end(house: House, failure: VenueError | None) -> None:
    house.pool.held = True
    house.tick()
    house.switch.stop(OnStop.DISARM)
    assert house.switch.busy
    house.venue.fail, house.venue.acts = failure, True
    house.pool.release()
    house.venue.fail = None
    house.inbox.drain()
    assert house.venue.spans == {}
    assert house.causes() == []


def test_a_reset_under_way_at_the_stop_is_followed_by_its_end(house: House) -> None:
    house.tick(20)
    house.pool.held = True
    house.tick()
    house.switch.stop(OnStop.DISARM)
    house.venue.fail = DOWN
    house.pool.release()
    house.venue.fail = None
    house.inbox.drain()
    assert house.venue.spans == {}


def test_a_countdown_that_cannot_be_ended_at_the_stop_is_a_person_s_matter(house: House) -> None:
    house.tick()
    house.venue.fail = DOWN
    house.stop(OnStop.DISARM)
    assert house.causes() == [(Severity.WARNING, "countdown not ended BTC")]
    assert len(house.venue.calls) == 2


@pytest.mark.parametrize("asleep", [10, 3600])
def test_after_a_death_the_next_life_arms_what_runs_and_what_ran_out(house: House, asleep: int) -> None:
    house.tick(30)
    house.clock.advance(timedelta(seconds=asleep))
    assert house.venue.elapsed("BTC") is (asleep > 60)
    house.begin()
    house.tick(100)
    assert not house.venue.elapsed("BTC")
    assert house.switch.armed == ("BTC",)
    assert house.causes() == []


def test_a_worker_that_hangs_is_not_given_a_second_request(house: House) -> None:
    house.pool.held = True
    house.tick(30)
    house.pool.release()
    house.tick()
    assert [call[0] for call in house.venue.calls].count("set") == 1


def test_an_answer_that_comes_after_the_right_was_lost_is_nobody_s() -> None:
    house = House("BTC", "ETH")
    house.pool.held = True
    house.tick()
    house.venue.fail = NOT_ALLOWED
    house.pool.release()
    house.tick(3)
    assert house.causes() == [(Severity.WARNING, "countdown not allowed")]


@pytest.mark.parametrize("span", [timedelta(0), timedelta(seconds=-1)])
def test_no_span_is_no_switch(house: House, span: timedelta) -> None:
    nobody: Callable[[], set[str]] = set
    with pytest.raises(ValueError, match="lasts longer"):
        DeadManSwitch(house.venue, InlinePool(), house.clock, house.alerts, span, nobody)
