"""Errors keep what their catcher needs; time moves only as told."""

from datetime import UTC, datetime, timedelta

import pytest

import clock
from clock import SimulatedClock, SystemClock, from_ms, to_ms
from errors import ConfigError, ExchangeRejected, ExchangeUnavailable, InvalidTransition, InvariantBroken, OutcomeUnknown, VenueError

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_a_wall_that_is_set_back_does_not_set_time_back(monkeypatch: pytest.MonkeyPatch) -> None:
    wall, steady = [NOON], [100.0]
    monkeypatch.setattr(clock, "wall_now", lambda: wall[0])
    monkeypatch.setattr(clock, "monotonic", lambda: steady[0])
    ours = SystemClock()
    seen = [ours.now()]
    for wall_moves, seconds in ((timedelta(hours=-1), 1), (timedelta(seconds=1), 1), (timedelta(hours=3), 1)):
        wall[0], steady[0] = wall[0] + wall_moves, steady[0] + seconds
        seen.append(ours.now())
    assert [moment - NOON for moment in seen] == [timedelta(0), timedelta(seconds=1), timedelta(seconds=2), timedelta(hours=2, seconds=1)]


def test_a_config_error_lists_every_problem_on_a_line() -> None:
    assert str(ConfigError(f"bad {name}" for name in "ab")) == "bad a\nbad b"


def test_a_single_problem_is_a_list_of_one() -> None:
    assert ConfigError("bad").problems == ("bad",)


def test_a_venue_error_names_call_reason_and_code() -> None:
    assert str(VenueError("coincall", "create", "too small", 10558)) == "coincall create: too small (code 10558)"


def test_a_venue_error_without_a_code_shows_none() -> None:
    assert str(OutcomeUnknown("coincall", "create", "timed out")) == "coincall create: timed out"


def test_a_missing_row_is_a_broken_invariant_that_says_where() -> None:
    error = InvalidTransition("x#1", "closed", "OpenStarted")
    assert isinstance(error, InvariantBroken)
    assert (error.trade, error.state, error.event) == ("x#1", "closed", "OpenStarted")


def test_what_never_happened_and_what_was_refused_are_told_apart() -> None:
    assert not issubclass(ExchangeUnavailable, ExchangeRejected)
    assert not issubclass(OutcomeUnknown, ExchangeUnavailable)


def test_the_system_clock_follows_the_wall() -> None:
    assert abs(SystemClock().now() - clock.wall_now()) < timedelta(seconds=1)


def test_a_fast_clock_runs_from_where_it_is_told() -> None:
    fast = SystemClock(3600, market_start=NOON, wall_start=clock.wall_now() - timedelta(seconds=1))
    assert NOON + timedelta(hours=1) <= fast.now() < NOON + timedelta(hours=2)


def test_a_span_of_market_time_costs_less_wall_time_on_a_fast_clock() -> None:
    assert SystemClock(60).real_seconds(timedelta(minutes=1)) == 1
    assert SystemClock(60).real_seconds(timedelta(minutes=-1)) == 0


def test_a_clock_that_stands_still_is_refused() -> None:
    with pytest.raises(ValueError, match="above zero"):
        SystemClock(0)


def test_simulated_time_moves_only_when_told() -> None:
    simulated = SimulatedClock(NOON)
    assert simulated.now() == NOON
    assert simulated.advance(timedelta(hours=1)) == simulated.now() == NOON + timedelta(hours=1)
    assert simulated.move_to(NOON + timedelta(hours=2)) == NOON + timedelta(hours=2)
    assert simulated.real_seconds(timedelta(days=1)) == 0


def test_simulated_time_never_goes_back() -> None:
    with pytest.raises(ValueError, match="cannot go back"):
        SimulatedClock(NOON).move_to(NOON - timedelta(seconds=1))


def test_milliseconds_come_back_as_the_moment_they_were() -> None:
    assert from_ms(to_ms(NOON)) == NOON


def test_measured_spans_do_not_step_back() -> None:
    before = clock.monotonic()
    clock.pause(0)
    assert clock.monotonic() >= before
