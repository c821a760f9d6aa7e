"""The limiter keeps inside the venue's budgets and never makes a cancel wait behind an entry."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from clock import SimulatedClock
from exchanges.coincall.limits import LIMITS, Group, Lane, Limit, RateLimiter

START = datetime(2026, 3, 1, tzinfo=UTC)


class WaitingClock:
    """Market time at a pace of the wall; waiting moves it."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self.moment = START
        self.waited: list[float] = []

    def now(self) -> datetime:
        return self.moment

    def real_seconds(self, span: timedelta) -> float:
        return max(0.0, span.total_seconds() / self.speed)

    def pause(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.moment += timedelta(seconds=seconds * self.speed)


def a_limiter(clock: WaitingClock, count: int = 5, reserved: int = 2) -> RateLimiter:
    return RateLimiter(clock, clock.pause, {Group.ORDER: Limit(count, timedelta(seconds=1), reserved)})


def taken(limiter: RateLimiter, times: int, lane: Lane = Lane.NORMAL, group: Group = Group.ORDER) -> None:
    for _ in range(times):
        limiter.acquire(group, lane)


def test_requests_within_the_budget_do_not_wait() -> None:
    clock = WaitingClock()

    taken(a_limiter(clock), 3)

    assert clock.waited == []


def test_one_more_waits_until_the_first_has_left_the_window() -> None:
    clock = WaitingClock()
    limiter = a_limiter(clock)
    taken(limiter, 1)
    clock.moment += timedelta(seconds=0.4)
    taken(limiter, 2)

    taken(limiter, 1)

    assert clock.waited == [pytest.approx(0.65)]  # 1 s and 5 %, less the 0.4 s gone by


def test_l10_a_spent_budget_still_lets_urgent_requests_through() -> None:
    clock = WaitingClock()
    limiter = a_limiter(clock)
    taken(limiter, 3)

    taken(limiter, 2, Lane.URGENT)

    assert clock.waited == []


def test_urgent_requests_keep_to_the_venues_limit_too() -> None:
    clock = WaitingClock()
    limiter = a_limiter(clock)

    taken(limiter, 6, Lane.URGENT)

    assert clock.waited == [pytest.approx(1.05)]


def test_no_window_ever_holds_more_than_the_limit() -> None:
    clock = WaitingClock()
    limiter = a_limiter(clock)
    moments = []
    for number in range(40):
        limiter.acquire(Group.ORDER, Lane.URGENT if number % 3 == 0 else Lane.NORMAL)
        moments.append(clock.now())
        clock.moment += timedelta(milliseconds=70)

    assert all(later - earlier > timedelta(seconds=1) for earlier, later in zip(moments, moments[5:], strict=False))


def test_groups_do_not_spend_each_others_budgets() -> None:
    clock = WaitingClock()
    limiter = RateLimiter(clock, clock.pause)
    taken(limiter, 60, Lane.URGENT, Group.ORDER)

    taken(limiter, 60, Lane.URGENT, Group.CANCEL)

    assert clock.waited == []


def test_at_a_faster_clock_the_same_limit_costs_less_of_the_wall() -> None:
    clock = WaitingClock(speed=3600)
    limiter = a_limiter(clock, count=1, reserved=0)

    taken(limiter, 2)

    assert sum(clock.waited) == pytest.approx(1.05 / 3600)


def test_on_a_simulated_clock_nothing_waits() -> None:
    limiter = RateLimiter(SimulatedClock(START), lambda seconds: pytest.fail(f"waited {seconds} s"))

    taken(limiter, 500)


def test_a_clock_set_back_does_not_freeze_the_budget() -> None:
    clock = WaitingClock()
    limiter = a_limiter(clock)
    taken(limiter, 3)
    clock.moment -= timedelta(hours=1)

    taken(limiter, 3)

    assert clock.waited == []


def test_threads_together_do_not_exceed_the_limit() -> None:
    went: list[int] = []
    asked = threading.Semaphore(0)
    gate = threading.Event()

    def wait(seconds: float) -> None:
        asked.release()
        gate.wait(timeout=10)

    clock = WaitingClock()
    limiter = RateLimiter(clock, wait, {Group.ORDER: Limit(8, timedelta(seconds=1))})

    def work(number: int) -> None:
        limiter.acquire(Group.ORDER)
        went.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for _ in range(4):
        assert asked.acquire(timeout=10)

    assert len(went) == 8
    clock.moment += timedelta(seconds=2)
    gate.set()
    for thread in threads:
        thread.join(timeout=10)
    assert sorted(went) == list(range(12))


@pytest.mark.parametrize(
    ("group", "count", "seconds"),
    [
        (Group.CONFIG, 10, 2),
        (Group.MARKET, 30, 2),
        (Group.DELIVERY, 1, 1),
        (Group.ACCOUNT, 2, 1),
        (Group.POSITIONS, 5, 1),
        (Group.HISTORY, 5, 1),
        (Group.QUERY, 5, 1),
        (Group.ORDER, 60, 1),
        (Group.CANCEL, 60, 1),
    ],
)
def test_ct08_the_limits_are_those_documented(group: Group, count: int, seconds: int) -> None:
    assert (LIMITS[group].count, LIMITS[group].per) == (count, timedelta(seconds=seconds))


def test_entries_leave_room_for_what_must_not_wait() -> None:
    assert LIMITS[Group.ORDER].reserved > 0
    assert all(limit.reserved < limit.count for limit in LIMITS.values())
