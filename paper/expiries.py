"""Which expiries are listed when: 3 daily, 3 weekly, 3 monthly and 4 quarterly ones, all at 08:00 UTC.

Each date belongs to its longest class (the last Friday of a quarter is quarterly only), so 13 distinct expiries are listed at any
moment. Source: Coincall API 14.1.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import count, islice
from types import MappingProxyType

from domain import utc_day_start
from paper.contracts import EXPIRY_HOUR

_DAY = timedelta(days=1)
_FRIDAY = 4


class Cycle(StrEnum):
    """How often expiries of a kind come."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"


LISTED: Mapping[Cycle, int] = MappingProxyType({Cycle.DAILY: 3, Cycle.WEEKLY: 3, Cycle.MONTHLY: 3, Cycle.QUARTERLY: 4})


def cycle_of(expiry: datetime) -> Cycle:
    """Return the longest cycle to which an expiry's date belongs."""
    if expiry.weekday() != _FRIDAY:
        return Cycle.DAILY
    if (expiry + 7 * _DAY).month == expiry.month:
        return Cycle.WEEKLY
    return Cycle.QUARTERLY if expiry.month % 3 == 0 else Cycle.MONTHLY


def listed_expiries(now: datetime) -> tuple[datetime, ...]:
    """Return the expiries listed at now, soonest first; one that is reached is no longer listed."""
    wanted = dict(LISTED)
    found: list[datetime] = []
    for expiry in _after(now):
        cycle = cycle_of(expiry)
        if wanted.get(cycle, 0) > 0:
            wanted[cycle] -= 1
            found.append(expiry)
        if not any(wanted.values()):
            break
    return tuple(found)


def listed_since(expiry: datetime) -> datetime:
    """Return the moment an expiry came to be listed: when the one as many places before it in its cycle expired."""
    cycle = cycle_of(expiry)
    earlier = (moment for n in count(1) if cycle_of(moment := expiry - n * _DAY) is cycle)
    return next(islice(earlier, LISTED[cycle] - 1, None))


def _after(now: datetime) -> Iterator[datetime]:
    first = utc_day_start(now) + timedelta(hours=EXPIRY_HOUR)
    return (first + n * _DAY for n in count(0 if first > now else 1))
