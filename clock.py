"""Time: the only module that reads the real clock or waits for it.

Everything else is handed a `Clock`. A scaled clock makes market time run faster than the wall, so that a daemon
and its paper exchange agree on what a day is at any speed; spans that belong to the wall (socket timeouts,
retry pauses) are real seconds at every speed.
"""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """What the program asks of time."""

    def now(self) -> datetime:
        """Return market time, aware, UTC."""
        ...

    def real_seconds(self, span: timedelta) -> float:
        """Return how many seconds of the wall a span of market time lasts."""
        ...


class SystemClock:
    """Market time that follows the wall at `speed` times its pace, from `market_start` at wall time `wall_start`.

    With no arguments it is the wall clock. Two processes given the same three values agree to the microsecond. It follows a wall that
    is set forward; where the wall is set back it goes on at the pace of a steady clock, ahead of it until the program ends: whatever
    waits for a moment would otherwise wait for it twice.
    """

    def __init__(self, speed: float = 1.0, *, market_start: datetime | None = None, wall_start: datetime | None = None) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be above zero, not {speed}")
        self.speed = speed
        self._wall_start = wall_start or wall_now()
        self._market_start = market_start or self._wall_start
        self._ahead = -monotonic()  # seconds of the wall, since its epoch, beyond those of the steady clock

    def now(self) -> datetime:
        """Return market time, aware, UTC."""
        wall = (wall_now() - EPOCH).total_seconds()
        self._ahead = max(self._ahead, wall - monotonic())  # read in this order a thread that is held up in between can only lose
        return self._market_start + (EPOCH + timedelta(seconds=self._ahead + monotonic()) - self._wall_start) * self.speed

    def real_seconds(self, span: timedelta) -> float:
        """Return how many seconds of the wall a span of market time lasts; never below zero."""
        return max(0.0, span.total_seconds() / self.speed)


class SimulatedClock:
    """Time that moves only when told to; safe to read from any thread."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the simulated moment."""
        return self._now

    def real_seconds(self, span: timedelta) -> float:  # noqa: ARG002 - simulated time costs none
        """Return zero: nothing waits on simulated time."""
        return 0.0

    def advance(self, span: timedelta) -> datetime:
        """Move forward by span and return the new moment; raise ValueError on a step back."""
        if span < timedelta(0):
            raise ValueError(f"time cannot go back by {-span}")
        with self._lock:
            self._now += span
            return self._now

    def move_to(self, moment: datetime) -> datetime:
        """Move forward to moment and return it; raise ValueError on a step back."""
        return self.advance(moment - self._now)


def wall_now() -> datetime:
    """Return the wall's time, aware, UTC: for process bookkeeping, never for decisions about the market."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Return seconds of a clock that never steps back: for measuring real spans."""
    return time.monotonic()


def pause(seconds: float) -> None:
    """Sleep on the wall; only for I/O workers and process supervision, never in a tick."""
    time.sleep(seconds)


def to_ms(moment: datetime) -> int:
    """Return Unix milliseconds of an aware moment."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def from_ms(ms: int) -> datetime:
    """Return the aware UTC moment of Unix milliseconds."""
    return EPOCH + timedelta(milliseconds=ms)
