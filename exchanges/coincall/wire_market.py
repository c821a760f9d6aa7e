"""Coincall's shapes of the market: what is listed, chains, books, candles, trades, settlement prices, the index, the time.

Its one rule is that of `wire`: domain values or MalformedResponse come out. The symbol is an opaque key; only its last letter is
read, because nothing else in the listing tells a call from a put. Source: Coincall API 3, 5.1-5.8, 6.2, 14.1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType

from clock import from_ms
from domain import Greeks, Level, Option, OptionType, OrderBook, Quote, Side
from exchanges.coincall.wire import Row, number, reader

# ---- the listing

_TYPES: Mapping[str, OptionType] = MappingProxyType({"-C": OptionType.CALL, "-P": OptionType.PUT})


class _Instrument(Row, frozen=True):
    base_currency: str
    expiration_timestamp: int
    strike: Decimal
    symbol_name: str
    is_active: bool
    min_qty: Decimal
    tick_size: Decimal

    def option(self) -> Option:
        """Say it in our words."""
        return Option(
            symbol=self.symbol_name,
            underlying=self.base_currency,
            tick=self.tick_size,
            lot=self.min_qty,
            active=self.is_active,
            option_type=_TYPES[self.symbol_name[-2:]],
            strike=self.strike,
            expiry=from_ms(self.expiration_timestamp),
        )

    @property
    def tradable(self) -> bool:
        """Tell whether it is a call or a put with a grid; anything else in the listing is none of ours."""
        return self.symbol_name[-2:] in _TYPES and self.tick_size > 0 and self.min_qty > 0


def _options(rows: list[_Instrument]) -> tuple[Option, ...]:
    return tuple(row.option() for row in rows if row.tradable)


# ---- quotes


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteLine:
    """What the chain says of one symbol; `on` makes it the quote of a listed option."""

    symbol: str
    bid: Decimal | None
    ask: Decimal | None
    bid_size: Decimal | None
    ask_size: Decimal | None
    mark: Decimal | None
    mark_iv: float | None
    greeks: Greeks | None
    underlying_price: Decimal | None
    index: Decimal | None = None

    def on(self, option: Option, at: datetime) -> Quote:
        """Return it as the quote of option at a moment."""
        return Quote(
            option=option,
            at=at,
            bid=self.bid,
            ask=self.ask,
            bid_size=self.bid_size,
            ask_size=self.ask_size,
            mark=self.mark,
            mark_iv=self.mark_iv,
            greeks=self.greeks,
            underlying_price=self.underlying_price,
        )


class _Quoted(Row, frozen=True):
    symbol: str
    mark_price: Decimal | None = None
    bid: Decimal | None = None
    ask: Decimal | None = None
    bid_size: Decimal | None = None
    ask_size: Decimal | None = None
    mark_iv: float | None = None
    iv: float | None = None
    underlying_price: Decimal | None = None
    index_price: Decimal | None = None
    delta: float | None = None
    gamma: float | None = None
    vega: float | None = None
    theta: float | None = None
    rho: float | None = None

    def line(self) -> QuoteLine:
        """Say it in our words: a bid, ask, mark, index or volatility of 0 is the venue's way of saying that there is none.

        A mark of 0 beside a volatility is computed, and real: an option may be worth nothing.
        """
        volatility = _some_float(self.mark_iv if self.mark_iv is not None else self.iv)
        bid, ask = _some(self.bid), _some(self.ask)
        return QuoteLine(
            symbol=self.symbol,
            bid=bid,
            ask=ask,
            bid_size=None if bid is None else self.bid_size,
            ask_size=None if ask is None else self.ask_size,
            mark=_some(self.mark_price) if volatility is None else self.mark_price,
            mark_iv=volatility,
            greeks=self._greeks(),
            underlying_price=_some(self.underlying_price),
            index=_some(self.index_price),
        )

    def _greeks(self) -> Greeks | None:
        found = [number(value) for value in (self.delta, self.gamma, self.vega, self.theta, self.rho)]
        known = [value for value in found if value is not None]
        return Greeks(*known) if len(known) == len(found) else None


class _Strike(Row, frozen=True):
    call_option: _Quoted | None = None
    put_option: _Quoted | None = None


def _some(price: Decimal | None) -> Decimal | None:
    return None if price is None or price == 0 else price


def _some_float(value: float | None) -> float | None:
    found = number(value)
    return None if found is None or found == 0 else found


def _chain(rows: list[_Strike]) -> tuple[QuoteLine, ...]:
    return tuple(side.line() for row in rows for side in (row.call_option, row.put_option) if side is not None)


# ---- books


class _Level(Row, frozen=True):
    price: Decimal
    size: Decimal


class _Book(Row, frozen=True):
    bids: list[_Level]
    asks: list[_Level]


@dataclass(frozen=True, slots=True)
class Ladders:
    """The two sides of a book, best first."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]

    def of(self, symbol: str, at: datetime) -> OrderBook:
        """Return them as the book of a symbol at a moment."""
        return OrderBook(symbol=symbol, at=at, bids=self.bids, asks=self.asks)


def _ladders(book: _Book) -> Ladders:
    return Ladders(_ladder(book.bids, descending=True), _ladder(book.asks, descending=False))


def _ladder(levels: list[_Level], *, descending: bool) -> tuple[Level, ...]:
    real = (Level(level.price, level.size) for level in levels if level.size > 0)
    return tuple(sorted(real, key=lambda level: level.price, reverse=descending))


# ---- the index and the time


class _Ticker(Row, frozen=True):
    symbol: str
    index_price: Decimal | None = None
    ts: int | None = None


class _Time(Row, frozen=True):
    server_time: int


@dataclass(frozen=True, slots=True)
class IndexLine:
    """The index price of an underlying, USD (None: the venue has none), and the raw number that may be its time in ms."""

    symbol: str
    price: Decimal | None
    ts: int | None


def _tickers(rows: list[_Ticker]) -> tuple[IndexLine, ...]:
    return tuple(IndexLine(row.symbol, _some(row.index_price), row.ts) for row in rows)


def parse_index(body: bytes) -> tuple[IndexLine, ...]:
    """Read the answer for one symbol, an object, or for all, an array. Source: Coincall API 6.2."""
    return _read_tickers(body if body.lstrip().startswith(b"[") else b"[" + body + b"]")


# ---- candles, trades, settlement prices, the configuration


@dataclass(frozen=True, slots=True, kw_only=True)
class Candle:
    """Prices (USD) and volume (coins) of an option from a moment on, for one period."""

    at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


class _Candle(Row, frozen=True):
    time: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal

    def candle(self) -> Candle:
        """Say it in our words."""
        return Candle(at=from_ms(self.time), open=self.open, high=self.high, low=self.low, close=self.close, volume=self.volume)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicTrade:
    """A trade of anybody; the side is the taker's."""

    symbol: str
    at: datetime
    price: Decimal
    qty: Decimal
    side: Side


class _PublicTrade(Row, frozen=True):
    symbol: str
    time: int
    price: Decimal
    qty: Decimal
    trade_side: Side


@dataclass(frozen=True, slots=True)
class DeliveryPrice:
    """The price, USD, at which the options of a day settled."""

    day: date
    price: Decimal


class _Delivery(Row, frozen=True, rename=None):
    date: date
    delivery_price: Decimal


@dataclass(frozen=True, slots=True)
class ExpirationPrice:
    """What the venue expects the options of an index and expiry to settle at, USD."""

    index: str
    expiry: datetime
    price: Decimal


class _Expiration(Row, frozen=True):
    index: str
    end_time: int
    estimated_expiration_price: Decimal


class OptionConfig(Row, frozen=True):
    """Trading rules of an index's options: fees as fractions of the index notional, sizes in coins, steps in USD."""

    symbol: str
    taker_fee: Decimal
    maker_fee: Decimal
    tick_size: Decimal
    multiplier: Decimal
    limit_max_qty: Decimal | None = None
    market_max_qty: Decimal | None = None
    max_position_qty: Decimal | None = None
    max_order_number: int | None = None


class _Config(Row, frozen=True):
    option_config: dict[str, OptionConfig]


def _trades(rows: list[_PublicTrade]) -> tuple[PublicTrade, ...]:
    return tuple(PublicTrade(symbol=r.symbol, at=from_ms(r.time), price=r.price, qty=r.qty, side=r.trade_side) for r in rows)


def _expirations(rows: list[_Expiration]) -> tuple[ExpirationPrice, ...]:
    return tuple(ExpirationPrice(row.index, from_ms(row.end_time), row.estimated_expiration_price) for row in rows)


parse_instruments = reader(list[_Instrument], "instruments", _options)
parse_chain = reader(list[_Strike], "option chain", _chain)
parse_detail = reader(_Quoted, "option detail", _Quoted.line)
parse_book = reader(_Book, "order book", _ladders)
_read_tickers = reader(list[_Ticker], "index", _tickers)
parse_time = reader(_Time, "server time", lambda found: from_ms(found.server_time))
parse_candles = reader(list[_Candle], "candles", lambda rows: tuple(row.candle() for row in rows))
parse_trades = reader(list[_PublicTrade], "last trades", _trades)
parse_deliveries = reader(list[_Delivery], "delivery prices", lambda rows: tuple(DeliveryPrice(r.date, r.delivery_price) for r in rows))
parse_expirations = reader(list[_Expiration], "estimated expiration price", _expirations)
parse_config = reader(_Config, "configuration", lambda found: MappingProxyType(found.option_config))
