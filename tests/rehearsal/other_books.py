"""The rows of the other exchange's books, its numbers for sides, kinds and states, and what a test may make odd about it.

Source: Coincall API 5, 12.1, 13.1, 14.1, 14.2.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

ZERO = Decimal(0)
BUY, SELL = 1, 2
LIMIT, BLOCK = 1, 14
NEW, FILLED, PARTIAL, CANCELED, PRE_CANCEL, CANCELING, INVALID, EXERCISED = 0, 1, 2, 3, 4, 5, 6, 10
WORKING = frozenset({NEW, PARTIAL, PRE_CANCEL, CANCELING})
LOT, TICK = Decimal("0.01"), Decimal("0.1")
TAKER_FEE, FEE_CAP = Decimal("0.0003"), Decimal("0.125")
PLANNED = "planned by the script"
MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]


class Refused(Exception):
    """The exchange says no, with a code of section 13 or, where `status` is not 200, without a word."""

    def __init__(self, code: int, text: str = "", status: int = 200) -> None:
        super().__init__(code, text)
        self.code, self.text, self.status = code, text, status


@dataclass
class Order:
    """One order, of the client or of somebody else on the same account."""

    order_id: int
    client_id: int
    symbol: str
    side: int
    qty: Decimal
    price: Decimal
    reduce_only: bool
    created: int
    foreign: bool = False
    state: int = NEW
    filled: Decimal = ZERO
    value: Decimal = ZERO
    fee: Decimal = ZERO
    updated: int = 0
    gone_at: int | None = None  # when a cancel that is under way becomes final
    late: Decimal = ZERO  # what it fills at that moment
    kind: int = 1  # its tradeType: a limit order, or the leg of a block
    born: float = field(default_factory=time.monotonic)  # by no clock that a test sets

    @property
    def remaining(self) -> Decimal:
        return self.qty - self.filled

    @property
    def sign(self) -> int:
        return 1 if self.side == BUY else -1


@dataclass(frozen=True)
class Trade:
    """One match of one order."""

    trade_id: int
    order: Order
    qty: Decimal
    price: Decimal
    fee: Decimal
    at: int
    block: int | None = None  # the block it is a leg of
    born: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Exercise:
    """What became of a holding at expiry; `visible` is when the history begins to show it."""

    symbol: str
    at: int
    visible: int
    qty: Decimal
    side: int
    price: Decimal
    cash: Decimal
    fee: Decimal


@dataclass(frozen=True)
class Arrival:
    """A create request that reached the exchange's socket, whatever became of it."""

    client_id: int | None
    symbol: str
    side: int
    qty: Decimal
    price: Decimal
    reduce_only: bool
    at: int


@dataclass
class Listed:
    """One option and its market.

    Its book shows `size`; `depth` is what may still trade at the quote, None for any amount; an order that arrives fills `bite` of
    itself at once at most, None for all.
    """

    symbol: str
    expiry: int
    strike: Decimal
    call: bool
    bid: Decimal
    ask: Decimal
    lot: Decimal = LOT
    tick: Decimal = TICK
    depth: Decimal | None = None
    size: Decimal = Decimal(5)
    bite: Decimal | None = None

    @property
    def mark(self) -> Decimal:
        return (self.bid + self.ask) / 2


@dataclass
class Race:
    """What the next cancel in a symbol meets: a fill first, then some seconds in states 4 and 5, and a late fill at their end."""

    fill: Decimal = ZERO
    seconds: float = 0
    late: Decimal = ZERO


@dataclass
class Oddities:
    """What a script may have the exchange do besides: about which `level` the index moves, or that it is `pinned` while its time goes on.

    The account's summary leaves out what is `untold`, no list shows a trade where they are `unlisted`; `admit` may refuse an order that is
    otherwise good, and `on_advance` is told that time has passed.
    """

    level: Decimal = Decimal(100_000)
    pinned: bool = False
    untold: set[str] = field(default_factory=set)
    unlisted: bool = False
    admit: Callable[[Order], None] = lambda _: None
    on_advance: Callable[[], None] = lambda: None


@dataclass
class Ledger:
    """What the judge reads."""

    arrivals: list[Arrival] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    exercises: list[Exercise] = field(default_factory=list)
    refusals: list[tuple[int, str]] = field(default_factory=list)  # those that no script planned
    cancels: list[int] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)
    reach: dict[str, Decimal] = field(default_factory=dict)  # most that the client's orders held and could have come to hold, per symbol


def symbol_of(expiry: datetime, strike: int, kind: str) -> str:
    """Return a symbol by the grammar of section 14.1."""
    return f"BTCUSD-{expiry.day}{MONTHS[expiry.month - 1]}{expiry.year % 100}-{strike}-{kind}"
