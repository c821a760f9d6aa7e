"""What is wanted of the market, one thing at a time: asked for, or told unasked, and judged by its source time."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Generic, TypeVar

from loguru import logger

from clock import Clock
from domain import Severity
from errors import DataNotFresh
from ports import Alerts, IoPool

V = TypeVar("V")
Key = tuple[str, datetime | None]  # a symbol or an underlying; for the chain of one expiry, that expiry

_ALERT_AFTER = 3  # failures in a row
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """How old an answer may be (`max_age`), how often to ask anew at most (`ask_every`; a third of max_age where that is less).

    What nobody has wanted for `forget_after` is asked for no more: longer than the slowest usual check of a strategy, once a minute.
    An index that has not moved for `frozen_after` is taken for frozen; None where prices stand still by nature, as in recordings.
    """

    max_age: timedelta = timedelta(seconds=30)
    ask_every: timedelta = timedelta(seconds=10)
    forget_after: timedelta = timedelta(minutes=2)
    frozen_after: timedelta | None = timedelta(minutes=10)


@dataclass(slots=True)
class Datum(Generic[V]):
    """One thing that somebody wants to know, as last told. After a gap in what is told unasked, nothing is until it was asked for."""

    wanted_at: datetime
    limit: timedelta
    value: V | None = None
    at: datetime | None = None
    begun_at: datetime | None = None
    fetching: bool = False
    failures: int = 0
    error: str = ""
    gapped: bool = False
    wanted_from: datetime | None = None

    def due(self, now: datetime, ask_every: timedelta) -> bool:
        """Tell whether to ask now: past a third of the limit or ask_every, sooner after a failure; never twice at a time."""
        if self.fetching or self.begun_at is None:
            return not self.fetching
        waited, every = now - self.begun_at, min(self.limit / 3, ask_every)
        if self.failures > 0 or self.at is None:
            return waited >= every / 5
        return waited >= every and now - self.at >= every


class Watch(Generic[V]):
    """All that is wanted of one kind: asked for by the pool, one call per key at a time, judged by its source time."""

    def __init__(
        self,
        kind: str,
        fetch: Callable[[Key], tuple[V, datetime]],
        pool: IoPool,
        clock: Clock,
        alerts: Alerts,
        cadence: Cadence,
        *,
        in_flight: int | None = None,
    ) -> None:
        self._in_flight = in_flight
        self._kind, self._fetch, self._pool, self._clock, self._alerts = kind, fetch, pool, clock, alerts
        self._cadence, self._max_age = cadence, cadence.max_age
        self._data: dict[Key, Datum[V]] = {}
        self.answered: Callable[[Key, V], None] = lambda _key, _value: None

    def get(self, key: Key, limit: timedelta | None = None) -> V:
        """Return the answer for key if it is no older than limit; raise DataNotFresh otherwise."""
        now, limit = self._clock.now(), self._max_age if limit is None else limit
        datum = self._data.setdefault(key, Datum(now, limit))
        if now - datum.wanted_at > limit:
            datum.wanted_from = now
        datum.wanted_at, datum.limit = now, limit
        self._ask_if_due(key, datum, now)
        if datum.value is None or datum.at is None:
            raise DataNotFresh("market", self._name(key), f"no answer yet{datum.error}")
        if (age := now - datum.at) > limit:
            raise DataNotFresh("market", self._name(key), f"{in_seconds(age)} old, at most {in_seconds(limit)}{datum.error}")
        return datum.value

    @property
    def wanted(self) -> Collection[Key]:
        """Return what somebody has wanted of late."""
        return self._data.keys()

    def ages(self) -> Iterator[tuple[str, timedelta, datetime | None]]:
        """Yield what is wanted: name, how old it may be, source time or since when it is wanted again (None: never told)."""
        for key, datum in self._data.items():
            yield self._name(key), datum.limit, datum.at if datum.at is None else max(datum.at, datum.wanted_from or datum.at)

    def told(self) -> Iterator[tuple[Key, V, datetime | None]]:
        """Yield what was told of all that is wanted: key, value, and since when it is wanted again after a time of not being."""
        for key, datum in self._data.items():
            if datum.value is not None:
                yield key, datum.value, datum.wanted_from

    def latest(self, key: Key) -> V | None:
        """Return what was last told of key, however old; None where nothing was."""
        datum = self._data.get(key)
        return None if datum is None else datum.value

    def take(self, key: Key, value: V, told_at: datetime) -> None:
        """Take what the venue told unasked: only of what is wanted, and only if it is newer."""
        datum, now = self._data.get(key), self._clock.now()
        if datum is None or datum.gapped or now - told_at > self._max_age:
            return
        at = min(told_at, now)
        if datum.at is None or at >= datum.at:
            datum.value, datum.at = value, at
            datum.failures, datum.error = 0, ""
            self.answered(key, value)

    def recheck(self) -> None:
        """Ask for everything anew: there was a time of which nobody has told us."""
        for datum in self._data.values():
            datum.gapped, datum.begun_at = True, None if not datum.fetching else datum.begun_at

    def refresh(self) -> None:
        """Ask again for what is due; forget what was not wanted lately; give up on calls that never end."""
        now = self._clock.now()
        waiting_longest = sorted(self._data.items(), key=lambda item: item[1].begun_at or _NEVER)
        for key, datum in waiting_longest:
            if now - datum.wanted_at > self._cadence.forget_after:
                del self._data[key]
                continue
            if datum.fetching and datum.begun_at is not None and now - datum.begun_at > 2 * self._max_age:
                datum.fetching = False
                self._failed(key, datum, f"no answer within {in_seconds(2 * self._max_age)}")
            self._ask_if_due(key, datum, now)

    def _ask_if_due(self, key: Key, datum: Datum[V], now: datetime) -> None:
        crowded = self._in_flight is not None and sum(each.fetching for each in self._data.values()) >= self._in_flight
        if not crowded and datum.due(now, self._cadence.ask_every):
            datum.fetching, datum.begun_at = True, now
            self._pool.run(partial(self._fetch, key), partial(self._answer, key, datum))

    def _answer(self, key: Key, datum: Datum[V], result: tuple[V, datetime] | Exception) -> None:
        datum.fetching = False
        if isinstance(result, Exception):
            self._failed(key, datum, str(result))
            return
        datum.gapped = False
        now, (value, told_at) = self._clock.now(), result
        at = min(told_at, now)  # a venue whose clock runs ahead must not make its data last longer
        if datum.at is None or at >= datum.at:
            datum.value, datum.at = value, at
        self.answered(key, value)
        if now - at > self._max_age:
            self._failed(key, datum, f"the venue's own time of it is {in_seconds(now - at)} old")
            return
        if datum.failures > 0:
            logger.info("market data back what={} failures={}", self._name(key), datum.failures)
        datum.failures, datum.error = 0, ""

    def _failed(self, key: Key, datum: Datum[V], error: str) -> None:
        datum.failures += 1
        datum.error = f"; {error}"
        if datum.failures == 1:
            logger.warning("market data failed what={} error={}", self._name(key), error)
        if datum.failures >= _ALERT_AFTER:
            message = f"{self._name(key)} could not be read {datum.failures} times in a row: {error}"
            hint = "entries wait for it and exits act by their policy; check the network and the venue's status"
            self._alerts.alert(Severity.WARNING, f"market data: {self._kind}", message, hint)

    def _name(self, key: Key) -> str:
        subject, expiry = key
        return f"{self._kind} {subject}" + ("" if expiry is None else f" {expiry:%Y-%m-%d}")


def in_seconds(span: timedelta) -> str:
    """Return a span as people read it."""
    return f"{span.total_seconds():g} s"
