"""The latest answers to questions that wait for the venue."""

import threading
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from clock import Clock

V = TypeVar("V")


class Recent(Generic[V]):
    """The latest answers to blocking questions, each for a while from its own time; safe from any thread."""

    def __init__(self, clock: Clock, ttl: timedelta, size: int) -> None:
        self._clock, self._ttl, self._size = clock, ttl, size
        self._kept: OrderedDict[str, tuple[datetime, V]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> V | None:
        """Return what is kept for key and still recent; None without it."""
        with self._lock:
            at, value = self._kept.get(key, (None, None))
            return None if at is None or self._clock.now() - at >= self._ttl else value

    def latest(self, key: str) -> V | None:
        """Return what is kept for key, however old; None without it."""
        with self._lock:
            return self._kept.get(key, (None, None))[1]

    def keep(self, key: str, value: V, at: datetime) -> None:
        """Keep a value told at a moment; where there are too many, the one kept first goes."""
        with self._lock:
            self._kept[key] = (at, value)
            self._kept.move_to_end(key)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
