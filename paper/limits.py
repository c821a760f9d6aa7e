"""How often a user may ask: sliding windows over market time. Source: Coincall API 1.7 and 16."""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` requests within any `span` of market time."""

    count: int
    span: timedelta = timedelta(seconds=1)


ORDERS = Limit(60)
QUERIES = Limit(5)
ACCOUNT = Limit(2)
BOOK = Limit(30, timedelta(seconds=2))
PUBLIC = Limit(10, timedelta(seconds=2))
DELIVERY = Limit(1)


class RateLimits:
    """Counts requests by whoever asks and what is asked; a refused request does not count."""

    def __init__(self) -> None:
        self._seen: dict[Hashable, deque[datetime]] = {}

    def allows(self, asker: Hashable, subject: str, limit: Limit, now: datetime) -> bool:
        """Tell whether one more request fits into the limit at now, and count it if it does."""
        times = self._seen.setdefault((asker, subject), deque())
        oldest = now - limit.span
        while times and times[0] <= oldest:
            times.popleft()
        if len(times) >= limit.count:
            return False
        times.append(now)
        return True
