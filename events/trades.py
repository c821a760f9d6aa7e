"""What happens to a trade, from the decision to begin it to the word that it is over."""

from decimal import Decimal

import msgspec

from domain import ExecutionMode, ExecutionParams, Fill, Option, Side
from events.base import Event


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
    ordered: bool = False


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
    """A person has looked, or what the venue did not show is there again: manage the trade again."""

    reason: str


class TradeWrittenOff(TradeEvent, frozen=True, kw_only=True):
    """A person has looked: what our books still hold is not there, and what became of it is not known here."""

    reason: str


class LegAdopted(TradeEvent, frozen=True, kw_only=True):
    """A person handed us a holding of the account: coins in the leg's own direction, and the USD per coin that it counts from."""

    leg: int
    qty: Decimal
    price: Decimal


class TradeHandedOver(TradeEvent, frozen=True, kw_only=True):
    """A person has taken the trade's holdings: they stay at the venue, belong to the account's others, and end for us at these marks.

    USD per coin for each leg; None where there was no mark, which leaves the trade's result unknown.
    """

    reason: str
    marks: tuple[Decimal | None, ...]


class ProfitPeaked(TradeEvent, frozen=True, kw_only=True):
    """The trade's profit (mark basis, net, USD) stands higher than ever since opening."""

    profit: Decimal


class CloseNotified(TradeEvent, frozen=True, kw_only=True):
    """The strategy's on_trade_closed is about to be called; it is not called again."""
