"""What the core asks of Coincall, behind its ports: orders, the account, the market.

Their one rule: an answer is whole or it is an error. Lists are read to their last page, a failed part raises, and nothing found
is said only after every place has been asked. Source: Coincall API 5, 6.2.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from loguru import logger

from clock import Clock, from_ms
from domain import AccountSnapshot, Chain, ClientOrderId, Fill, NewOrder, Option, OrderBook, OrderReport, Settlement
from errors import DataNotFresh, MalformedResponse, OrderNotFound, VenueError
from exchanges.coincall.client import CoincallClient, OrderRef
from exchanges.coincall.codes import VENUE, refused_by_the_venue_itself
from exchanges.coincall.wire import Page, encode_client_id

T = TypeVar("T")

LONGEST_WINDOW = timedelta(days=89)  # the venue takes 90
_BEFORE_SENDING = timedelta(minutes=1)  # our clock and the venue's may differ
_OLDEST_TIME = datetime(2017, 1, 1, tzinfo=UTC)
_AHEAD = timedelta(minutes=1)


class CoincallOrders:
    """Orders on Coincall; the port OrderGateway."""

    def __init__(self, client: CoincallClient, clock: Clock) -> None:
        self._client, self._clock = client, clock

    def submit(self, order: NewOrder, /) -> str:
        """Send order once; return the venue's id. Raises ValueError for a client order id that does not fit, before sending.

        Only what the venue itself says in its envelope is a refusal; a status alone is TurnedAway.
        """
        with refused_by_the_venue_itself():
            return self._client.create(order)

    def cancel(self, client_id: ClientOrderId, /) -> None:
        """Ask to cancel; raise OrderAlreadyFinal or OrderNotFound where told so."""
        self._client.cancel(OrderRef(client_id=encode_client_id(client_id)))

    def find(self, client_id: ClientOrderId, sent_at: datetime, /) -> OrderReport | None:
        """Return what the venue knows of an order: by id, among the open ones, in the history since just before it was sent.

        None means that it is in none of the three. A list may lag some seconds behind (API 15, 14 and 33): the caller waits before
        it takes None for an order that never arrived.
        """
        try:
            found = self._client.order(OrderRef(client_id=encode_client_id(client_id)))
        except OrderNotFound:
            return self._listed(client_id, sent_at)
        if found.client_id != client_id:
            raise MalformedResponse(VENUE, "order", f"asked for {client_id}, answered {found.client_id} (order {found.order_id})")
        return found

    def open_orders(self) -> Sequence[OrderReport]:
        """Return every open order of the account, ours or not."""
        return tuple({order.order_id: order for order in _numbered(self._client.pending)}.values())

    def fills(self, since: datetime, /) -> Sequence[Fill]:
        """Return every fill of the account since a moment, oldest first."""
        windows = _windows(since, self._clock.now(), self._client.skew)
        found = {fill.id: fill for start, end in windows for fill in self._fills_between(start, end)}
        return sorted(found.values(), key=lambda fill: (fill.at, int(fill.id)))

    def orders(self, since: datetime, /) -> Sequence[OrderReport]:
        """Return every order of the account that its history shows since a moment, each once; legs of blocks have no name."""
        windows = _windows(since, self._clock.now(), self._client.skew)
        found = {order.order_id: order for start, end in windows for order in self._orders_between(start, end)}
        return tuple(reversed(found.values()))

    def _listed(self, client_id: ClientOrderId, sent_at: datetime) -> OrderReport | None:
        for order in self.open_orders():
            if order.client_id == client_id:
                return order
        for start, end in _windows(sent_at - _BEFORE_SENDING, self._clock.now(), self._client.skew):
            for order in self._orders_between(start, end):
                if order.client_id == client_id:
                    return order
        return None

    def _fills_between(self, start: datetime, end: datetime | None) -> Iterator[Fill]:
        return _followed(lambda from_id: self._client.fills(start, end, from_id))

    def _orders_between(self, start: datetime, end: datetime | None) -> Iterator[OrderReport]:
        return _followed(lambda from_id: self._client.order_history(start, end, from_id))


class CoincallAccount:
    """The account on Coincall; the port AccountReader."""

    def __init__(self, client: CoincallClient, clock: Clock) -> None:
        self._client, self._clock = client, clock

    def read(self) -> AccountSnapshot:
        """Return balances, the wallet's assets and option holdings, as old as the older of the two answers.

        Greeks are of the whole holding, signed, as the venue reports them (its sample: delta 0.033 for 0.1 coins of a contract
        whose own is 0.33). Profit is by mark. Source: Coincall API 4.3, 5.9.
        """
        money, money_at = self._client.summary()
        positions, positions_at = self._client.positions()
        return AccountSnapshot(
            valid=True,
            now=self._clock.now(),
            at=min(money_at, positions_at),
            equity=money.equity,
            available_margin=money.available_margin,
            initial_margin=money.initial_margin,
            maintenance_margin=money.maintenance_margin,
            margin_balance=money.margin_balance,
            unrealized=money.unrealized,
            wallet=money.coins,
            positions=positions,
        )

    def settlements(self, since: datetime, /) -> Sequence[Settlement]:
        """Return what expired and was settled since a moment, oldest first; cash positive when received. Source: Coincall API 5.22."""
        windows = _windows(since, self._clock.now(), self._client.skew)
        found = dict.fromkeys(row for start, end in windows for row in self._settled_between(start, end))
        return sorted(found, key=lambda settlement: settlement.at)

    def _settled_between(self, start: datetime, end: datetime | None) -> Iterator[Settlement]:
        return _numbered(lambda page: self._client.settlements(start, end, page))


class CoincallMarket:
    """Coincall's market data; the port MarketReader. Needs no key."""

    def __init__(self, client: CoincallClient) -> None:
        self._client = client

    def instruments(self, underlying: str, /) -> Sequence[Option]:
        """Return every listed option of an underlying such as BTC."""
        return self._client.instruments(underlying)

    def chain(self, underlying: str, listed: Sequence[Option], expiry: datetime | None = None, /) -> Chain:
        """Return the quotes of the listed options (of one expiry, or all), timed by the asking, and the index price with its own time.

        The venue's chain carries no time. The index comes from another endpoint: where that fails it is None, which is unknown,
        and the quotes stand.
        """
        lines, at = self._client.chain(_index_symbol(underlying), expiry)
        index, index_at = self._index_or_unknown(underlying)
        by_symbol = {line.symbol: line for line in lines}
        quotes = tuple(
            by_symbol[option.symbol].on(option, at)
            for option in listed
            if option.symbol in by_symbol and (expiry is None or option.expiry == expiry)
        )
        return Chain(underlying, at, index, quotes, index_at)

    def book(self, symbol: str, /) -> OrderBook:
        """Return the order book of one option, timed by the asking."""
        ladders, at = self._client.book(symbol)
        return ladders.of(symbol, at)

    def index(self, underlying: str, /) -> tuple[Decimal, datetime]:
        """Return the index price, USD, and the venue's time of it, or of the asking where what it gives can be no time in ms.

        Raises DataNotFresh where the venue has no index price; the mark is not taken in its place.
        """
        symbol = _index_symbol(underlying)
        lines, at = self._client.index(symbol)
        line = next((line for line in lines if line.symbol == symbol), None)
        if line is None or line.price is None:
            raise DataNotFresh(VENUE, "index", f"no index price of {symbol}")
        return line.price, _source_time(line.ts, at, self._client.skew)

    def _index_or_unknown(self, underlying: str) -> tuple[Decimal | None, datetime | None]:
        try:
            return self.index(underlying)
        except VenueError as error:
            logger.warning("coincall index unknown underlying={} reason={}", underlying, error.reason)
            return None, None


def _index_symbol(underlying: str) -> str:
    return f"{underlying}USD"


def _source_time(ts: int | None, asked: datetime, ahead: timedelta) -> datetime:
    """Return ts as the moment of the source by our clock, which the venue's is ahead of.

    That of the asking where ts can be no time, or one that is later: older documents show digits of a calendar there (API 1.5).
    """
    try:
        said = None if ts is None else from_ms(ts) - ahead
    except OverflowError:
        said = None
    return asked if said is None or not _OLDEST_TIME <= said <= asked + _AHEAD else min(said, asked)


def _windows(since: datetime, now: datetime, ahead: timedelta) -> Iterator[tuple[datetime, datetime | None]]:
    """Cut the time since a moment of our clock into windows that the venue takes, told by its clock; the last one is open."""
    since, now = since + ahead, now + ahead
    while now - since > LONGEST_WINDOW:
        yield since, since + LONGEST_WINDOW
        since += LONGEST_WINDOW
    yield since, None


def _numbered(read: Callable[[int], Page[T]]) -> Iterator[T]:
    """Read pages by number to the last."""
    page, more = 1, True
    while more:
        found = read(page)
        yield from found.rows
        page, more = page + 1, found.has_more and bool(found.rows)


def _followed(read: Callable[[int | None], Page[T]]) -> Iterator[T]:
    """Read pages by cursor to the last; raise MalformedResponse where the cursor stands still."""
    cursor: int | None = None
    while True:
        found = read(cursor)
        yield from found.rows
        if not found.has_more:
            return
        if found.cursor is None or (cursor is not None and found.cursor >= cursor):
            raise MalformedResponse(VENUE, "history", f"more rows are promised after {cursor}, and none are older")
        cursor = found.cursor
