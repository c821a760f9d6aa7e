"""Watches for prices that keep coming with fresh times and do not move."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from clock import Clock
from domain import Chain, Severity
from errors import DataNotFresh
from market_data.watch import in_seconds
from ports import Alerts

_UNSEEN = timedelta(minutes=3)  # beyond this between two looks nobody can say that it was late all the time
_INDEX_HINT = "entries wait; look at the venue's own page, and close by hand what cannot wait"


@dataclass(frozen=True, slots=True)
class _Level:
    """An index price, since when it has been that, and when it was last seen to be."""

    price: Decimal
    since: datetime
    seen: datetime


@dataclass(frozen=True, slots=True)
class _Late:
    """An index that is too old by its own time: since when that is seen, in which chain at first, and when it was last seen."""

    since: datetime
    chain_at: datetime
    seen: datetime


class Stillness:
    """Watches for an index price that keeps coming with fresh times and does not move: a market never stands still for so long."""

    def __init__(self, clock: Clock, alerts: Alerts, frozen_after: timedelta | None) -> None:
        self._clock, self._alerts, self._limit = clock, alerts, frozen_after
        self._levels: dict[str, dict[str, _Level]] = {}
        self._late: dict[str, _Late] = {}

    def note(self, underlying: str, source: str, price: Decimal | None) -> None:
        """Take note of an index price just told by a source; sources are watched apart, as one may stand while another moves."""
        if price is None or self._limit is None:
            return
        now, limit = self._clock.now(), self._limit
        levels = {name: level for name, level in self._levels.get(underlying, {}).items() if now - level.seen <= limit}
        last = levels.get(source)
        levels[source] = _Level(price, now if last is None or last.price != price else last.since, now)
        self._levels[underlying] = levels
        still = now - levels[source].since
        if still > limit:
            message = (
                f"the index of {underlying} ({source}) has been {price} for {in_seconds(still)}, while it was asked for again and again"
            )
            self._alerts.alert(Severity.CRITICAL, f"index of {underlying} stands still", message, _INDEX_HINT)

    def require_recent(self, chain: Chain, max_age: timedelta) -> None:
        """Raise DataNotFresh if the index that a chain is measured against is too old by its own time; call a person if that lasts.

        A clock that was set, here or at the venue, makes one answer look old, and the next is right again: it takes a later chain
        that says the same.
        """
        if chain.index_at is None or (age := self._clock.now() - chain.index_at) <= max_age:
            self._late.pop(chain.underlying, None)
            return
        said = f"the index of {chain.underlying} is {in_seconds(age)} old by the venue's own time, at most {in_seconds(max_age)}"
        if self._lasts(chain, max_age):
            self._alerts.alert(Severity.CRITICAL, f"index of {chain.underlying} stands still", said, _INDEX_HINT)
        raise DataNotFresh("market", f"index {chain.underlying}", said)

    def _lasts(self, chain: Chain, max_age: timedelta) -> bool:
        """Note that a chain's index is too old; tell whether a chain that came after the first such one says so, some time later."""
        now, known = self._clock.now(), self._late.get(chain.underlying)
        first = _Late(now, chain.at, now) if known is None or now - known.seen > _UNSEEN else replace(known, seen=now)
        self._late[chain.underlying] = first
        return chain.at > first.chain_at and now - first.since >= max_age / 2

    def require_moving(self, underlying: str) -> None:
        """Raise DataNotFresh if a source's index price has stood for too long."""
        for source, level in self._levels.get(underlying, {}).items():
            still = level.seen - level.since
            if self._limit is not None and still > self._limit and self._clock.now() - level.seen <= self._limit:
                reason = f"index of {underlying} has not moved for {in_seconds(still)} ({source}), at most {in_seconds(self._limit)}"
                raise DataNotFresh("market", f"index {underlying}", reason)
