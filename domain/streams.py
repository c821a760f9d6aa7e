"""What a venue tells unasked, in our own words: the channels that can be followed, and what is pushed on each.

A push is news, not truth: it says what to look at now. What changes a trade is still read and booked by the order path.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from domain.enums import Side
from domain.market import OrderBook, Quote
from domain.orders import OrderReport
from domain.rfq import BlockTrade, QuotedLeg, RFQQuote, RFQStatus


class Topic(StrEnum):
    """What a channel tells about: first our own account and requests, then the market."""

    ORDERS = "orders"
    FILLS = "fills"
    POSITIONS = "positions"
    REQUESTS = "requests"
    QUOTES = "quotes"
    BLOCKS = "blocks"
    REQUESTS_TO_QUOTE = "requests to quote"
    OWN_QUOTES = "own quotes"
    BOOK = "book"
    TAPE = "tape"
    TICKER = "ticker"
    CHAIN = "chain"
    INDEX = "index"


@dataclass(frozen=True, slots=True, order=True)
class Channel:
    """One thing that can be followed: the topic and, where it has one, its subject (an option symbol, or an underlying such as BTC).

    The chain of an underlying is followed by expiry.
    """

    topic: Topic
    subject: str = ""
    expiry: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPush:
    """An order of the account changed, ours or not; the report is of that moment and may arrive late, twice or out of order."""

    report: OrderReport
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FillPush:
    """An order of the account matched: coins and USD per coin. The fee is not told: the account's list of trades has it."""

    fill_id: str
    order_id: str
    symbol: str
    side: Side
    qty: Decimal
    price: Decimal
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionPush:
    """A holding of the account as it stands: coins, below zero when short."""

    symbol: str
    held: Decimal
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BookPush:
    """An order book, whole."""

    book: OrderBook


@dataclass(frozen=True, slots=True, kw_only=True)
class TapePush:
    """A public trade; the side is the taker's."""

    symbol: str
    side: Side
    price: Decimal
    qty: Decimal
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TickerPush:
    """The venue's mark of an option and the index behind it, USD; None where not told."""

    symbol: str
    mark: Decimal | None
    index: Decimal | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainPush:
    """Quotes of every listed option of one underlying and expiry; a Greek that the venue does not tell here is not a number."""

    underlying: str
    expiry: datetime
    quotes: tuple[Quote, ...]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexPush:
    """The index price of an underlying, USD."""

    underlying: str
    price: Decimal
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPush:
    """A request for quotes changed. `ours` tells whether we asked it (then legs are our sides) or may quote it (then the taker's).

    A leg's price is the venue's mark, None where it tells none.
    """

    request_id: str
    status: RFQStatus
    legs: tuple["RequestedLeg", ...]
    created_at: datetime
    expires_at: datetime
    ours: bool
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedLeg:
    """One leg of a request: the taker's side, coins, the venue's mark (USD per coin) if told."""

    symbol: str
    side: Side
    qty: Decimal
    mark: Decimal | None = None

    def quoted_at(self, price: Decimal, side: Side) -> QuotedLeg:
        """Return the leg of a quote for it."""
        return QuotedLeg(symbol=self.symbol, side=side, price=price, qty=self.qty)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotePush:
    """A quote changed: one of ours (`own`), or one that a maker gives on a request of ours. Its sides are the maker's."""

    quote: RFQQuote
    own: bool
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockPush:
    """A block that we are a party of was traded; `as_maker` tells on which side of the board."""

    block: BlockTrade
    as_maker: bool
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOpened:
    """A connection stands and has its channels; nothing was heard on it since `silent_since` (None: it is the first)."""

    name: str
    silent_since: datetime | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLost:
    """A connection ended, or was ended because it told nothing any more; another is being made."""

    name: str
    reason: str
    at: datetime


Push = (
    OrderPush
    | FillPush
    | PositionPush
    | BookPush
    | TapePush
    | TickerPush
    | ChainPush
    | IndexPush
    | RequestPush
    | QuotePush
    | BlockPush
    | StreamOpened
    | StreamLost
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStanding:
    """How one connection stands: since when it is open (None: it is not), when it last told anything, how often it was made anew.

    `failures` is how many attempts in a row have not led to one that lasted.
    """

    name: str
    open_since: datetime | None
    heard_at: datetime | None
    connections: int
    channels: int
    reason: str = ""
    failures: int = 0
