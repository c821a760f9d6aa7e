"""What can happen, in the past tense: the only things that change a trade, and all that the journal holds.

Each event is a frozen, tagged value that msgspec writes as JSON and reads back exactly (Decimals as text, moments as ISO).
`at` is market time. New fields need a default, so that old journals stay readable.
"""

from datetime import datetime
from decimal import Decimal

import msgspec

from domain import ExecutionMode, ExecutionParams, Fill, NewOrder, Option, OrderStatus, Purpose, Remedy, RFQQuote, Severity, Side


class Event(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something that happened at a moment."""

    at: datetime


class LegPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One leg as resolved: the listed option, the direction, the coins wanted."""

    option: Option
    side: Side
    qty: Decimal


class TradeEvent(Event, frozen=True, kw_only=True):
    """Something that happened to the trade with this number."""

    trade: int


class TradeCreated(TradeEvent, frozen=True, kw_only=True):
    """A strategy's entry conditions passed and its legs were found. `version` identifies the strategy as configured then."""

    strategy: str
    legs: tuple[LegPlan, ...]
    mode: ExecutionMode
    params: ExecutionParams
    version: str = ""
    reason: str = ""
    simulated: bool = False


class OpenStarted(TradeEvent, frozen=True, kw_only=True):
    """The first opening order may be out from here on."""


class LegFilled(TradeEvent, frozen=True, kw_only=True):
    """An order of ours matched; `order` is its client order id as text."""

    leg: int
    order: str
    fill: Fill


class OpenCompleted(TradeEvent, frozen=True, kw_only=True):
    """Every leg holds its target."""


class OpenGivenUp(TradeEvent, frozen=True, kw_only=True):
    """Opening ended short of the target and no opening order is out any more."""

    reason: str


class UnwindStarted(TradeEvent, frozen=True, kw_only=True):
    """Opening ended short of the target with something held, which is now being given back."""

    reason: str


class PartKept(TradeEvent, frozen=True, kw_only=True):
    """A structure that was opened in part is kept and managed as it is, by its declared policy."""

    reason: str


class CloseRequested(TradeEvent, frozen=True, kw_only=True):
    """An exit condition, an expiry rule or a person wants the trade closed; urgent: at once, whatever it costs in spread."""

    reason: str
    urgent: bool = False


class CloseStarted(TradeEvent, frozen=True, kw_only=True):
    """The first closing order may be out from here on."""


class CloseCompleted(TradeEvent, frozen=True, kw_only=True):
    """Nothing is held and no order is out."""


class LegSettled(TradeEvent, frozen=True, kw_only=True):
    """The venue settled what the leg held at expiry: coins settled, index price, fee paid (USD)."""

    leg: int
    qty: Decimal
    price: Decimal
    fee: Decimal


class TradeQuarantined(TradeEvent, frozen=True, kw_only=True):
    """Our books of the trade contradict the venue or themselves; a person must look."""

    reason: str


class TradeReleased(TradeEvent, frozen=True, kw_only=True):
    """A person has looked: manage the trade again."""

    reason: str


class TradeWrittenOff(TradeEvent, frozen=True, kw_only=True):
    """A person has looked: what our books still hold is not there, and what became of it is not known here."""

    reason: str


class ProfitPeaked(TradeEvent, frozen=True, kw_only=True):
    """The trade's profit (mark basis, net, USD) stands higher than ever since opening."""

    profit: Decimal


class OrderEvent(Event, frozen=True, kw_only=True):
    """Something that happened to the order with this client order id."""

    order: str


class OrderIntended(OrderEvent, frozen=True, kw_only=True):
    """The order is about to be sent; from here on it may be at the venue."""

    new: NewOrder


class OrderAccepted(OrderEvent, frozen=True, kw_only=True):
    """The venue took the order under its own id."""

    order_id: str


class OrderRefused(OrderEvent, frozen=True, kw_only=True):
    """The order is surely not at the venue: refused, or (retryable) it never arrived."""

    reason: str
    retryable: bool = False


class OrderLost(OrderEvent, frozen=True, kw_only=True):
    """No answer came: the order may or may not be at the venue."""

    reason: str


class OrderSettled(OrderEvent, frozen=True, kw_only=True):
    """The order is final and every coin it filled is booked."""

    status: OrderStatus
    filled: Decimal


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
    """A request for quotes is about to be sent."""


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


class RFQEnded(ExecutionEvent, frozen=True, kw_only=True):
    """The request is over: filled, cancelled, expired, refused, or abandoned with an id that was never learned."""

    outcome: str
    reason: str = ""


class MarketAfter(ExecutionEvent, frozen=True, kw_only=True):
    """Where the legs' mids stood some seconds (market time) after the execution ended, USD; None where there was none."""

    seconds: float
    mids: tuple[Decimal | None, ...]


class StrategyChanged(Event, frozen=True, kw_only=True):
    """A strategy was set running, paused or stopped, by whom and why."""

    strategy: str
    state: str
    reason: str


class EntriesRefused(Event, frozen=True, kw_only=True):
    """Why a strategy has not entered: the latest reason, and how often each was met since the last such event."""

    strategy: str
    latest: str
    counts: dict[str, int]


class CloseNotified(TradeEvent, frozen=True, kw_only=True):
    """The strategy's on_trade_closed is about to be called; it is not called again."""


class AccountMarked(Event, frozen=True, kw_only=True):
    """What the account was worth, USD."""

    equity: Decimal
    available_margin: Decimal | None = None
    unrealized: Decimal | None = None


class AlertRaised(Event, frozen=True, kw_only=True):
    """A person was called: what for, how soon, and what to do."""

    severity: Severity
    cause: str
    message: str
    hint: str


AnyTradeEvent = (
    TradeCreated
    | OpenStarted
    | LegFilled
    | OpenCompleted
    | OpenGivenUp
    | UnwindStarted
    | PartKept
    | CloseRequested
    | CloseStarted
    | CloseCompleted
    | LegSettled
    | TradeQuarantined
    | TradeReleased
    | TradeWrittenOff
    | ProfitPeaked
    | CloseNotified
)
AnyOrderEvent = OrderIntended | OrderAccepted | OrderRefused | OrderLost | OrderSettled
AnyExecutionEvent = (
    ExecutionStarted
    | ExecutionMoved
    | ExecutionEnded
    | LegsApart
    | LegsTogether
    | LeggingBreached
    | RFQSent
    | RFQOpened
    | RFQQuoted
    | BlockIntended
    | RFQEnded
    | MarketAfter
)
AnyEvent = AnyTradeEvent | AnyOrderEvent | AnyExecutionEvent | StrategyChanged | EntriesRefused | AccountMarked | AlertRaised
