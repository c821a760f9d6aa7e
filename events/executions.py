"""What happens to an execution: one way of trading a structure, from its choice to its measured cost."""

from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from domain import ExecutionMode, Purpose, Remedy, RFQQuote, Side
from events.base import Event


class LegBook(msgspec.Struct, frozen=True, kw_only=True):
    """What the market showed of one leg at a moment of decision: USD per coin and coins; None where there was none.

    `executable` is what the coins still wanted would trade at on average through the book, on the side that we take.
    """

    leg: int
    symbol: str
    side: Side
    wanted: Decimal
    bid: Decimal | None = None
    bid_size: Decimal | None = None
    ask: Decimal | None = None
    ask_size: Decimal | None = None
    mark: Decimal | None = None
    index: Decimal | None = None
    executable: Decimal | None = None

    @property
    def mid(self) -> Decimal | None:
        """Return the middle of bid and ask; None unless both are there."""
        return None if self.bid is None or self.ask is None else (self.bid + self.ask) / 2


class ExecutionEvent(Event, frozen=True, kw_only=True):
    """Something that happened to an execution: the `run`-th of its trade, counted from 1 over openings, closes and fallbacks."""

    trade: int
    run: int
    purpose: Purpose


class ExecutionStarted(ExecutionEvent, frozen=True, kw_only=True):
    """A way to execute was chosen, and why; `legs` hold the books at that moment. Its first order may be out from here on."""

    mode: ExecutionMode
    reason: str
    legs: tuple[LegBook, ...]
    urgent: bool = False
    remedy: Remedy | None = None


class ExecutionMoved(ExecutionEvent, frozen=True, kw_only=True):
    """An execution entered another stage of its own: which chunk, and what it does with it."""

    stage: str
    number: int = 0


class ExecutionEnded(ExecutionEvent, frozen=True, kw_only=True):
    """An execution is over and no order of it is out: whether all was traded, and if not why."""

    success: bool
    reason: str = ""


class LegsApart(ExecutionEvent, frozen=True, kw_only=True):
    """The structure stands half filled from here on."""


class LegsTogether(ExecutionEvent, frozen=True, kw_only=True):
    """Every leg is filled in the structure's ratio again."""


class LeggingBreached(ExecutionEvent, frozen=True, kw_only=True):
    """The structure stood half filled for too long or at too great a loss: what is done about it, and why.

    `exhausted` says that the execution itself had given up: then all that is missing is at stake, else only what keeps the legs apart.
    """

    remedy: Remedy
    reason: str
    exhausted: bool = False


class RFQSent(ExecutionEvent, frozen=True, kw_only=True):
    """A request for quotes is about to be sent; the venue's clock was `venue_ahead` of ours, as last measured."""

    venue_ahead: timedelta = timedelta(0)


class RFQOpened(ExecutionEvent, frozen=True, kw_only=True):
    """The venue took the request under its own id."""

    request_id: str
    expires_at: datetime


class RFQQuoted(ExecutionEvent, frozen=True, kw_only=True):
    """A quote was judged: our signed cost (USD, negative received), the book's at that moment, and what came of it."""

    quote: RFQQuote
    cost: Decimal
    book_cost: Decimal | None
    improvement_pct: Decimal | None
    verdict: str


class BlockIntended(ExecutionEvent, frozen=True, kw_only=True):
    """A quote is about to be accepted: from here on these orders of ours may be traded, all of them or none."""

    request_id: str
    quote_id: str
    orders: tuple[str, ...]


class BlockQuoteIntended(ExecutionEvent, frozen=True, kw_only=True):
    """A quote of ours is about to be sent to a taker: from here on these orders of ours may be traded, all of them or none."""

    request_id: str
    orders: tuple[str, ...]


class BlockQuoted(ExecutionEvent, frozen=True, kw_only=True):
    """The venue took our quote under its own id."""

    request_id: str
    quote_id: str
    expires_at: datetime


class BlockQuoteEnded(ExecutionEvent, frozen=True, kw_only=True):
    """Our quote is over: filled, cancelled, expired, refused, or never sent."""

    request_id: str
    outcome: str
    reason: str = ""


class RFQEnded(ExecutionEvent, frozen=True, kw_only=True):
    """The request is over: filled, cancelled, expired, refused, or abandoned with an id that was never learned."""

    outcome: str
    reason: str = ""


class MarketAfter(ExecutionEvent, frozen=True, kw_only=True):
    """Where the legs' mids stood some seconds (market time) after the execution ended, USD; None where there was none."""

    seconds: float
    mids: tuple[Decimal | None, ...]
