"""Coincall's request limits as data, and the limiter that keeps us inside them.

Its one rule: a part of each budget is kept free for what must not wait, cancels and risk-reducing orders. Windows are
market time, so that at a faster clock the limits scale along. Source: Coincall API 1.7.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from types import MappingProxyType

from clock import Clock, pause


class Group(StrEnum):
    """Endpoints that share a budget."""

    MARKET = "market"
    CONFIG = "config"
    DELIVERY = "delivery"
    ACCOUNT = "account"
    POSITIONS = "positions"
    HISTORY = "history"
    QUERY = "query"
    RFQ = "rfq"
    ORDER = "order"
    CANCEL = "cancel"


class Lane(Enum):
    """Whether a request may use the part of a budget kept free."""

    NORMAL = "normal"
    URGENT = "urgent"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` requests in any `per`, of which `reserved` are for the urgent lane."""

    count: int
    per: timedelta
    reserved: int = 0


_SECOND = timedelta(seconds=1)

# Orders and cancels: 60/s by their own pages, 15/s by the general table; a refusal for frequency is mapped to RateLimited.
LIMITS: Mapping[Group, Limit] = MappingProxyType(
    {
        Group.MARKET: Limit(30, 2 * _SECOND),
        Group.CONFIG: Limit(10, 2 * _SECOND),
        Group.DELIVERY: Limit(1, _SECOND),
        Group.ACCOUNT: Limit(2, _SECOND),
        Group.POSITIONS: Limit(5, _SECOND),
        Group.HISTORY: Limit(5, _SECOND),
        Group.QUERY: Limit(5, _SECOND),  # of one order; its page names no limit
        Group.RFQ: Limit(5, _SECOND),  # requests and quotes; their pages name no limit
        Group.ORDER: Limit(60, _SECOND, reserved=12),
        Group.CANCEL: Limit(60, _SECOND, reserved=12),
    }
)

# The venue counts arrivals, we count departures: a window a little longer than documented absorbs the difference.
_STRETCH = 1.05


class RateLimiter:
    """Blocks a worker until its request fits the budget of its group; safe to use from any thread."""

    def __init__(self, clock: Clock, pause: Callable[[float], None] = pause, limits: Mapping[Group, Limit] = LIMITS) -> None:
        self._clock, self._pause, self._limits = clock, pause, limits
        self._lock = threading.Lock()
        self._sent: dict[Group, deque[datetime]] = {group: deque() for group in limits}

    def acquire(self, group: Group, lane: Lane = Lane.NORMAL) -> None:
        """Return once a request of group may leave; waits real seconds, none on a simulated clock."""
        while (wait := self._take(group, lane)) > 0:
            self._pause(wait)

    def _take(self, group: Group, lane: Lane) -> float:
        """Book a request now and return 0, or return how many real seconds to wait before asking again."""
        limit, sent = self._limits[group], self._sent[group]
        window = limit.per * _STRETCH
        room = limit.count if lane is Lane.URGENT else limit.count - limit.reserved
        with self._lock:
            now = self._clock.now()
            # A moment ahead of now means that the clock was set back: it says nothing of this window.
            while sent and not now - window < sent[0] <= now:
                sent.popleft()
            if len(sent) >= room:
                wait = self._clock.real_seconds(sent[len(sent) - room] + window - now)
                if wait > 0:
                    return wait
            sent.append(now)
            return 0.0
