"""What a process costs while it lives, read from /proc, and what a row of such readings says: where it began, where it ended, how it grew.

Reading is here; judging is in verdict.py. Linux only.
"""

import os
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process holds at one moment: resident memory (MB), threads, open handles, and all CPU seconds since its start."""

    memory: float
    threads: int
    handles: int
    cpu: float


@dataclass(frozen=True, slots=True)
class Reading:
    """Daemon and exchange at one moment: `at` of the market, `wall` seconds of the Unix clock, `life` counts the daemon's starts from 1."""

    at: datetime
    wall: float
    life: int
    daemon: Usage
    exchange: Usage | None


def usage_of(pid: int) -> Usage | None:
    """Return what a process holds now; None if it is gone."""
    place = Path(f"/proc/{pid}")
    try:
        after_name = (place / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        handles = len(os.listdir(place / "fd"))  # noqa: PTH208 - iterdir would hold the directory open and count itself
    except OSError:
        return None
    user, system, threads, pages = (int(after_name[place]) for place in (11, 12, 17, 21))
    return Usage(pages * _PAGE / 1e6, threads, handles, (user + system) / _TICKS)


@dataclass(frozen=True, slots=True)
class Course:
    """How a quantity went: the median of a first and of a last stretch, the most, and its growth per day of the market by least squares."""

    first: float
    last: float
    most: float
    a_day: float

    @property
    def ratio(self) -> float:
        """Return the last by the first; 1 where there was nothing."""
        return self.last / self.first if self.first else 1.0


def course_of(points: Sequence[tuple[datetime, float]], stretch: float = 0.25) -> Course | None:
    """Return the course of points in order of time; `stretch` is the share of them that counts as first and as last. None below four."""
    if len(points) < 4:
        return None
    count = max(1, round(len(points) * stretch))
    values = [value for _, value in points]
    return Course(median(values[:count]), median(values[-count:]), max(values), slope_of(points))


def slope_of(points: Sequence[tuple[datetime, float]]) -> float:
    """Return the growth per day of the market of the straight line nearest to the points; 0 where they are all of one moment."""
    begin = points[0][0]
    days = [(at - begin) / _DAY for at, _ in points]
    middle, mean = fmean(days), fmean(value for _, value in points)
    spread = sum((day - middle) ** 2 for day in days)
    if spread == 0:
        return 0.0
    return sum((day - middle) * (value - mean) for day, (_, value) in zip(days, points, strict=True)) / spread


def longest_life(readings: Iterable[Reading]) -> list[Reading]:
    """Return the readings of the life that lasted longest in market time."""
    lives: dict[int, list[Reading]] = {}
    for reading in readings:
        lives.setdefault(reading.life, []).append(reading)
    return max(lives.values(), key=lambda life: life[-1].at - life[0].at, default=[])


def settled(life: Sequence[Reading], warm_up: timedelta) -> list[Reading]:
    """Return a life without its warm-up: what is imported, cached and grown to its usual size first."""
    return [reading for reading in life if reading.at >= life[0].at + warm_up] if life else []


def cpu_at(life: Sequence[Reading], wall: float) -> float | None:
    """Return the CPU seconds that the daemon had used at a moment of the wall, between two readings; None outside of them."""
    place = bisect_right([reading.wall for reading in life], wall)
    if not 0 < place < len(life):
        return None
    before, after = life[place - 1], life[place]
    share = (wall - before.wall) / (after.wall - before.wall)
    return before.daemon.cpu + share * (after.daemon.cpu - before.daemon.cpu)


@dataclass(frozen=True, slots=True)
class Health:
    """One health line: moment of the market and of the wall, ticks since the start, ms of the last one, age of the account (s)."""

    at: datetime
    wall: float
    ticks: int
    tick_ms: float
    account_age: float | None


def cpu_per_tick(life: Sequence[Reading], health: Sequence[Health]) -> list[tuple[datetime, float]]:
    """Return the CPU milliseconds of the whole daemon for each tick between one health line and the next, by moment of the market.

    The processor's time, not the wall's: a busy machine makes a tick late, not dear.
    """
    mine = [one for one in health if life and life[0].wall <= one.wall <= life[-1].wall]
    found = []
    for before, after in pairwise(mine):
        spent = (cpu_at(life, before.wall), cpu_at(life, after.wall))
        if spent[0] is not None and spent[1] is not None and after.ticks > before.ticks:
            found.append((after.at, (spent[1] - spent[0]) * 1000 / (after.ticks - before.ticks)))
    return found
