"""The market as the venue last told it, for the tick and for scripts."""

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TypeVar

from loguru import logger

from clock import Clock
from domain import Chain, Channel, Option, OrderBook, Quote, Topic
from errors import DataNotFresh, NoMatchingInstrument
from market_data.recent import Recent
from market_data.stillness import Stillness
from market_data.watch import Cadence, Key, Watch, in_seconds
from option_selection import Criteria, find_option
from ports import Alerts, IoPool, MarketReader

V = TypeVar("V")

_BOOKS_AT_ONCE = 2  # many books must not keep the workers and the venue's budget from orders, account and chains


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
        self._reader, self._pool, self._clock, self._max_age = reader, pool, clock, cadence.max_age
        self._listing: set[str] = set()
        self._told_index: dict[str, tuple[Decimal, datetime]] = {}
        self._still = Stillness(clock, alerts, cadence.frozen_after)
        self._chains = Watch("chain", self._fetch_chain, pool, clock, alerts, cadence)
        self._books = Watch("book", self._fetch_book, pool, clock, alerts, cadence, in_flight=_BOOKS_AT_ONCE)
        self._indexes = Watch("index", self._fetch_index, pool, clock, alerts, cadence)
        self._chains.answered = lambda key, chain: self._still.note(key[0], f"chain {key[1]}", chain.index)
        self._indexes.answered = lambda key, price: self._still.note(key[0], "index", price)
        self._instruments: Recent[Sequence[Option]] = Recent(clock, instruments_ttl, 10)
        self._wholes: Recent[Chain] = Recent(clock, 3 * cadence.ask_every, 10)
        self._details: Recent[Quote] = Recent(clock, 3 * cadence.ask_every, 200)

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

    def listed(self, symbol: str) -> Option | None:
        """Return a listed option by its symbol; None where it is not listed, or not known yet while a worker asks."""
        return next((option for option in self.known_options(_underlying_of(symbol)) if option.symbol == symbol), None)

    def lists(self, symbol: str) -> bool:
        """Tell whether it is known what is listed of a symbol's underlying, so that `listed` is sure of its answer."""
        return len(self.known_options(_underlying_of(symbol))) > 0

    def known_options(self, underlying: str) -> Sequence[Option]:
        """Return the options as they were last listed, however long ago, and have a worker ask where that is old; never waits."""
        if self._instruments.get(underlying) is None and underlying not in self._listing:
            self._listing.add(underlying)
            self._pool.run(partial(self.get_option_instruments, underlying), partial(self._listed, underlying))
        return self._instruments.latest(underlying) or ()

    def _listed(self, underlying: str, answer: Sequence[Option] | Exception) -> None:
        self._listing.discard(underlying)
        if isinstance(answer, Exception):
            logger.debug("instruments unknown underlying={} reason={}", underlying, answer)

    def refresh(self) -> None:
        """Ask again for what is wanted and getting old, and forget what nobody wants any more; once a tick."""
        self._chains.refresh()
        self._books.refresh()
        self._indexes.refresh()

    # ---- told unasked

    @property
    def wanted(self) -> Collection[Channel]:
        """Return the channels on which a venue would tell unasked what somebody wants to know."""
        chains = {Channel(Topic.CHAIN, subject, expiry) for subject, expiry in self._chains.wanted if expiry is not None}
        books = {Channel(Topic.BOOK, subject) for subject, _ in self._books.wanted}
        indexes = {Channel(Topic.INDEX, subject) for subject, _ in (*self._chains.wanted, *self._indexes.wanted)}
        return chains | books | indexes

    def ages(self) -> Iterator[tuple[str, str, timedelta, datetime | None]]:
        """Yield of each thing that is wanted its kind (chain, book or index), its name, how old it may be, and its source time."""
        for kind, watch in (("chain", self._chains), ("book", self._books), ("index", self._indexes)):
            for name, limit, at in watch.ages():
                yield kind, name, limit, at
        yield from self._ages_of_indexes()

    def _ages_of_indexes(self) -> Iterator[tuple[str, str, timedelta, datetime | None]]:
        """Yield the index of each underlying whose chains are wanted, as old as the newest that one of them was told with."""
        newest: dict[str, datetime] = {}
        for (underlying, _), chain, since in self._chains.told():
            if chain.index_at is not None:
                newest[underlying] = max(chain.index_at, since or chain.index_at, newest.get(underlying, chain.index_at))
        for underlying, at in newest.items():
            yield "index", f"index {underlying}", self._max_age, at

    def take_book(self, book: OrderBook) -> None:
        """Take an order book that the venue told unasked."""
        self._books.take((book.symbol, None), book, book.at)

    def take_index(self, underlying: str, price: Decimal, at: datetime) -> None:
        """Take an index price that the venue told unasked."""
        self._told_index[underlying] = (price, min(at, self._clock.now()))
        self._indexes.take((underlying, None), price, at)

    def take_chain(self, underlying: str, expiry: datetime, quotes: Sequence[Quote], at: datetime) -> None:
        """Take quotes that the venue told unasked; without an index as fresh they say too little, and the chain is asked for instead."""
        index, index_at = self._told_index.get(underlying, (None, None))
        if index is None or index_at is None or self._clock.now() - index_at > self._max_age / 3:
            return
        key = (underlying, expiry)
        known = self._chains.latest(key)
        if known is None:  # what was never asked for cannot be completed: a push does not tell all
            return
        full = tuple(completed(quote, known.by_symbol) for quote in quotes)
        self._chains.take(key, Chain(underlying, at, index, full, index_at), at)

    def recheck(self) -> None:
        """Ask for everything anew: there was a time of which the venue has not told us."""
        self._told_index.clear()
        for watch in (self._chains, self._books, self._indexes):
            watch.recheck()

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
            raise DataNotFresh("market", what, f"the venue's answer is {in_seconds(age)} old, at most {in_seconds(self._max_age)}")
        return value


def completed(quote: Quote, known: Mapping[str, Quote]) -> Quote:
    """Return a quote whose rho was not told with the one that was known; where there is none its Greeks are unknown."""
    if quote.greeks is None or not math.isnan(quote.greeks.rho):
        return quote
    last = known.get(quote.option.symbol)
    greeks = None if last is None or last.greeks is None else replace(quote.greeks, rho=last.greeks.rho)
    return replace(quote, greeks=greeks)


def _underlying_of(symbol: str) -> str:
    """Return the underlying that an option symbol begins with: BTC in BTCUSD-28MAR26-100000-C."""
    found = re.match(r"([A-Z0-9]+?)(USDT?)?-", symbol)
    return symbol if found is None else found[1]
