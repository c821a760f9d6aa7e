"""Chains, books and index prices: cached, each with its source time and age, and never an old number passed on as a new one.

The tick asks and never waits: it gets the newest answer that is still fresh, or DataNotFresh, while a worker fetches the next. Scripts
use the get_… calls, which wait for the venue.
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Generic, TypeVar

from loguru import logger

from clock import Clock
from domain import Chain, Option, OrderBook, Quote, Severity
from errors import DataNotFresh, NoMatchingInstrument
from option_selection import Criteria, find_option
from ports import Alerts, IoPool, MarketReader

V = TypeVar("V")
Key = tuple[str, datetime | None]  # a symbol or an underlying; for the chain of one expiry, that expiry

_ALERT_AFTER = 3  # failures in a row
_BOOKS_AT_ONCE = 2  # many books must not keep the workers and the venue's budget from orders, account and chains
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_INDEX_HINT = "entries wait; look at the venue's own page, and close by hand what cannot wait"


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


class MarketData:
    """The market as the venue last told it. Tick side and completions: one thread; get_… and find_option: any thread, blocking."""

    def __init__(
        self,
        reader: MarketReader,
        pool: IoPool,
        clock: Clock,
        alerts: Alerts,
        cadence: Cadence | None = None,
        instruments_ttl: timedelta = timedelta(seconds=30),
    ) -> None:
        cadence = cadence or Cadence()
        self._reader, self._clock, self._max_age = reader, clock, cadence.max_age
        self._still = _Stillness(clock, alerts, cadence.frozen_after)
        self._chains = _Watch("chain", self._fetch_chain, pool, clock, alerts, cadence)
        self._books = _Watch("book", self._fetch_book, pool, clock, alerts, cadence, in_flight=_BOOKS_AT_ONCE)
        self._indexes = _Watch("index", self._fetch_index, pool, clock, alerts, cadence)
        self._chains.answered = lambda key, chain: self._still.note(key[0], f"chain {key[1]}", chain.index)
        self._indexes.answered = lambda key, price: self._still.note(key[0], "index", price)
        self._instruments: _Recent[Sequence[Option]] = _Recent(clock, instruments_ttl, 10)
        self._wholes: _Recent[Chain] = _Recent(clock, 3 * cadence.ask_every, 10)
        self._details: _Recent[Quote] = _Recent(clock, 3 * cadence.ask_every, 200)

    # ---- for the tick

    def chain(self, underlying: str, expiry: datetime | None = None) -> Chain:
        """Return the fresh chain of an underlying, of one expiry or all; raise DataNotFresh (a worker is at it) without one."""
        chain = self._chains.get((underlying, expiry))
        self._still.require_moving(underlying)
        self._still.require_recent(chain, self._max_age)
        return chain

    def book(self, symbol: str, *, max_age: timedelta | None = None) -> OrderBook:
        """Return the fresh book of an option, by a stricter limit if given; raise DataNotFresh (a worker is at it) without one."""
        return self._books.get((symbol, None), max_age)

    def index(self, underlying: str) -> Decimal:
        """Return the fresh index price, USD; raise DataNotFresh (a worker is at it) without one, or if it has stopped moving."""
        price = self._indexes.get((underlying, None))
        self._still.require_moving(underlying)
        return price

    def quotes(self, options: Iterable[Option]) -> Mapping[str, Quote]:
        """Return the fresh quotes of the options by symbol; those without one are left out, and a worker is at them.

        An index that stands still does not take them away: entries wait for it, but what is held can still be left.
        """
        now = self._clock.now()
        groups: dict[tuple[str, datetime], set[str]] = {}
        for option in options:
            if option.expiry > now:
                groups.setdefault((option.underlying, option.expiry), set()).add(option.symbol)
        return {
            quote.option.symbol: quote
            for (underlying, expiry), symbols in groups.items()
            for quote in self._known_quotes(underlying, expiry)
            if quote.option.symbol in symbols and now - quote.at <= self._max_age
        }

    def refresh(self) -> None:
        """Ask again for what is wanted and getting old, and forget what nobody wants any more; once a tick."""
        self._chains.refresh()
        self._books.refresh()
        self._indexes.refresh()

    def _known_quotes(self, underlying: str, expiry: datetime) -> Sequence[Quote]:
        try:
            return self._chains.get((underlying, expiry)).quotes
        except DataNotFresh:
            return ()

    # ---- for scripts

    def get_option_instruments(self, underlying: str) -> Sequence[Option]:
        """Return every listed option of an underlying; waits for the venue unless it told within instruments_ttl."""
        kept = self._instruments.get(underlying)
        if kept is not None:
            return kept
        listed = tuple(self._reader.instruments(underlying))
        self._instruments.keep(underlying, listed, self._clock.now())
        return listed

    def get_option_details(self, symbol: str) -> Quote:
        """Return bid, ask, mark and Greeks of an option; waits for the venue unless it told within max_age.

        Raises NoMatchingInstrument for a symbol that is not listed, DataNotFresh if the venue's own answer is too old.
        """
        kept = self._details.get(symbol)
        if kept is not None:
            return kept
        underlying = _underlying_of(symbol)
        listed = self.get_option_instruments(underlying)
        option = next((option for option in listed if option.symbol == symbol), None)
        chain = None if option is None else self._reader.chain(underlying, listed, option.expiry)
        if chain is None or symbol not in chain.by_symbol:
            raise NoMatchingInstrument(f"{symbol} is not among the {len(listed)} listed options of {underlying}")
        for quote in (*chain.quotes, chain.by_symbol[symbol]):  # the one asked for last, so that it is kept
            self._details.keep(quote.option.symbol, quote, quote.at)
        return self._current(f"details of {symbol}", chain.by_symbol[symbol], chain.by_symbol[symbol].at)

    def get_option_orderbook(self, symbol: str) -> OrderBook:
        """Return the order book of an option, asked for now."""
        book = self._reader.book(symbol)
        return self._current(f"book {symbol}", book, book.at)

    def get_index_price(self, underlying: str) -> Decimal:
        """Return the index price, USD, asked for now."""
        return self._current(f"index {underlying}", *self._reader.index(underlying))

    def find_option(
        self,
        *,
        option_type: str,
        expiry: Criteria | None = None,
        strike: Criteria | None = None,
        delta: Criteria | None = None,
        rank_by: str | None = None,
        underlying: str = "BTC",
    ) -> Quote | None:
        """Return the best option that meets all constraints at once (see option_selection.find_option), None if there is none."""
        chain = self._wholes.get(underlying)
        if chain is None:
            chain, at = self._fetch_chain((underlying, None))
            self._wholes.keep(underlying, self._current(f"chain {underlying}", chain, at), at)
        now = self._clock.now()
        return find_option(chain=chain, now=now, option_type=option_type, expiry=expiry, strike=strike, delta=delta, rank_by=rank_by)

    def _fetch_chain(self, key: Key) -> tuple[Chain, datetime]:
        underlying, expiry = key
        chain = self._reader.chain(underlying, self.get_option_instruments(underlying), expiry)
        return chain, chain.at

    def _fetch_book(self, key: Key) -> tuple[OrderBook, datetime]:
        book = self._reader.book(key[0])
        return book, book.at

    def _fetch_index(self, key: Key) -> tuple[Decimal, datetime]:
        return self._reader.index(key[0])

    def _current(self, what: str, value: V, at: datetime) -> V:
        if (age := self._clock.now() - at) > self._max_age:
            raise DataNotFresh("market", what, f"the venue's answer is {_seconds(age)} old, at most {_seconds(self._max_age)}")
        return value


@dataclass(slots=True)
class _Datum(Generic[V]):
    """One thing that somebody wants to know, as last answered."""

    wanted_at: datetime
    limit: timedelta
    value: V | None = None
    at: datetime | None = None
    begun_at: datetime | None = None
    fetching: bool = False
    failures: int = 0
    error: str = ""

    def due(self, now: datetime, ask_every: timedelta) -> bool:
        """Tell whether to ask now: past a third of the limit or ask_every, sooner after a failure; never twice at a time."""
        if self.fetching or self.begun_at is None:
            return not self.fetching
        waited, every = now - self.begun_at, min(self.limit / 3, ask_every)
        if self.failures > 0 or self.at is None:
            return waited >= every / 5
        return waited >= every and now - self.at >= every


class _Watch(Generic[V]):
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
        self._data: dict[Key, _Datum[V]] = {}
        self.answered: Callable[[Key, V], None] = lambda _key, _value: None

    def get(self, key: Key, limit: timedelta | None = None) -> V:
        """Return the answer for key if it is no older than limit; raise DataNotFresh otherwise."""
        now, limit = self._clock.now(), self._max_age if limit is None else limit
        datum = self._data.setdefault(key, _Datum(now, limit))
        datum.wanted_at, datum.limit = now, limit
        self._ask_if_due(key, datum, now)
        if datum.value is None or datum.at is None:
            raise DataNotFresh("market", self._name(key), f"no answer yet{datum.error}")
        if (age := now - datum.at) > limit:
            raise DataNotFresh("market", self._name(key), f"{_seconds(age)} old, at most {_seconds(limit)}{datum.error}")
        return datum.value

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
                self._failed(key, datum, f"no answer within {_seconds(2 * self._max_age)}")
            self._ask_if_due(key, datum, now)

    def _ask_if_due(self, key: Key, datum: _Datum[V], now: datetime) -> None:
        crowded = self._in_flight is not None and sum(each.fetching for each in self._data.values()) >= self._in_flight
        if not crowded and datum.due(now, self._cadence.ask_every):
            datum.fetching, datum.begun_at = True, now
            self._pool.run(partial(self._fetch, key), partial(self._answer, key, datum))

    def _answer(self, key: Key, datum: _Datum[V], result: tuple[V, datetime] | Exception) -> None:
        datum.fetching = False
        if isinstance(result, Exception):
            self._failed(key, datum, str(result))
            return
        now, (value, told_at) = self._clock.now(), result
        at = min(told_at, now)  # a venue whose clock runs ahead must not make its data last longer
        if datum.at is None or at >= datum.at:
            datum.value, datum.at = value, at
        self.answered(key, value)
        if now - at > self._max_age:
            self._failed(key, datum, f"the venue's own time of it is {_seconds(now - at)} old")
            return
        if datum.failures > 0:
            logger.info("market data back what={} failures={}", self._name(key), datum.failures)
        datum.failures, datum.error = 0, ""

    def _failed(self, key: Key, datum: _Datum[V], error: str) -> None:
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


@dataclass(frozen=True, slots=True)
class _Level:
    """An index price, since when it has been that, and when it was last seen to be."""

    price: Decimal
    since: datetime
    seen: datetime


class _Stillness:
    """Watches for an index price that keeps coming with fresh times and does not move: a market never stands still for so long."""

    def __init__(self, clock: Clock, alerts: Alerts, frozen_after: timedelta | None) -> None:
        self._clock, self._alerts, self._limit = clock, alerts, frozen_after
        self._levels: dict[str, dict[str, _Level]] = {}

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
            message = f"the index of {underlying} ({source}) has been {price} for {_seconds(still)}, while it was asked for again and again"
            self._alerts.alert(Severity.CRITICAL, f"index of {underlying} stands still", message, _INDEX_HINT)

    def require_recent(self, chain: Chain, max_age: timedelta) -> None:
        """Raise DataNotFresh, and call a person, if the index that a chain is measured against is too old by its own time."""
        if chain.index_at is None or (age := self._clock.now() - chain.index_at) <= max_age:
            return
        said = f"the index of {chain.underlying} is {_seconds(age)} old by the venue's own time, at most {_seconds(max_age)}"
        self._alerts.alert(Severity.CRITICAL, f"index of {chain.underlying} stands still", said, _INDEX_HINT)
        raise DataNotFresh("market", f"index {chain.underlying}", said)

    def require_moving(self, underlying: str) -> None:
        """Raise DataNotFresh if a source's index price has stood for too long."""
        for source, level in self._levels.get(underlying, {}).items():
            still = level.seen - level.since
            if self._limit is not None and still > self._limit and self._clock.now() - level.seen <= self._limit:
                reason = f"index of {underlying} has not moved for {_seconds(still)} ({source}), at most {_seconds(self._limit)}"
                raise DataNotFresh("market", f"index {underlying}", reason)


class _Recent(Generic[V]):
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

    def keep(self, key: str, value: V, at: datetime) -> None:
        """Keep a value told at a moment; where there are too many, the one kept first goes."""
        with self._lock:
            self._kept[key] = (at, value)
            self._kept.move_to_end(key)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)


def _underlying_of(symbol: str) -> str:
    """Return the underlying that an option symbol begins with: BTC in BTCUSD-28MAR26-100000-C."""
    found = re.match(r"([A-Z0-9]+?)(USDT?)?-", symbol)
    return symbol if found is None else found[1]


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():g} s"
