"""A trade is a value, and its life is the table below. It changes only by taking an event; profit comes from its own fills."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from domain import (
    ZERO,
    AccountSnapshot,
    Basis,
    ClientOrderId,
    ExecutionMode,
    ExecutionParams,
    Fill,
    Greeks,
    Option,
    Purpose,
    Side,
)
from errors import InvalidTransition, InvariantBroken
from events import (
    CloseCompleted,
    CloseNotified,
    CloseRequested,
    CloseStarted,
    LegAdopted,
    LegFilled,
    LegSettled,
    OpenCompleted,
    OpenGivenUp,
    OpenStarted,
    PartKept,
    ProfitPeaked,
    TradeCreated,
    TradeEvent,
    TradeHandedOver,
    TradeQuarantined,
    TradeReleased,
    TradeWrittenOff,
    UnwindStarted,
)


class TradeState(StrEnum):
    """Where a trade stands."""

    PENDING_OPEN = "pending_open"
    OPENING = "opening"
    OPEN = "open"
    PENDING_CLOSE = "pending_close"
    CLOSING = "closing"
    UNWINDING = "unwinding"
    QUARANTINED = "quarantined"
    CLOSED = "closed"
    FAILED = "failed"
    HANDED_OVER = "handed_over"


_S = TradeState
ENDED = frozenset({_S.CLOSED, _S.FAILED, _S.HANDED_OVER})
FLAT = ENDED | {_S.PENDING_OPEN}

TRANSITIONS: Mapping[TradeState, Mapping[type[TradeEvent], TradeState]] = {
    _S.PENDING_OPEN: {
        OpenStarted: _S.OPENING,
        OpenGivenUp: _S.FAILED,
        CloseRequested: _S.FAILED,  # taken back before its first order
        LegFilled: _S.QUARANTINED,  # no order of ours can be out yet
        LegAdopted: _S.OPEN,  # a person gave it what the account held already
        TradeQuarantined: _S.QUARANTINED,
    },
    _S.OPENING: {
        LegFilled: _S.OPENING,
        OpenCompleted: _S.OPEN,
        OpenGivenUp: _S.FAILED,  # nothing filled
        UnwindStarted: _S.UNWINDING,  # one leg filled, its partner could not be had
        PartKept: _S.OPEN,
        CloseRequested: _S.PENDING_CLOSE,  # half open: its opening orders are cancelled first
        LegSettled: _S.OPENING,  # opened so late that a leg expired meanwhile
        TradeQuarantined: _S.QUARANTINED,
    },
    _S.OPEN: {
        CloseRequested: _S.PENDING_CLOSE,
        LegFilled: _S.QUARANTINED,  # every order was settled: the venue contradicts itself
        LegSettled: _S.OPEN,
        CloseCompleted: _S.CLOSED,  # every leg was settled at expiry
        ProfitPeaked: _S.OPEN,
        TradeQuarantined: _S.QUARANTINED,
        TradeHandedOver: _S.HANDED_OVER,  # what it holds stays at the venue, and is a person's from now on
    },
    _S.PENDING_CLOSE: {
        LegFilled: _S.PENDING_CLOSE,  # a fill can win the race against our cancel of an opening order
        CloseRequested: _S.PENDING_CLOSE,
        CloseStarted: _S.CLOSING,
        OpenGivenUp: _S.FAILED,  # it turns out that nothing had filled
        LegSettled: _S.PENDING_CLOSE,
        CloseCompleted: _S.CLOSED,
        ProfitPeaked: _S.PENDING_CLOSE,
        TradeQuarantined: _S.QUARANTINED,
    },
    _S.CLOSING: {
        LegFilled: _S.CLOSING,
        CloseRequested: _S.CLOSING,  # a second reason does not start a second close
        LegSettled: _S.CLOSING,  # expiry can overtake a close
        CloseCompleted: _S.CLOSED,
        ProfitPeaked: _S.CLOSING,
        TradeQuarantined: _S.QUARANTINED,
    },
    _S.UNWINDING: {
        LegFilled: _S.UNWINDING,
        CloseRequested: _S.UNWINDING,
        LegSettled: _S.UNWINDING,
        CloseCompleted: _S.FAILED,
        TradeQuarantined: _S.QUARANTINED,
    },
    _S.QUARANTINED: {
        LegFilled: _S.QUARANTINED,
        LegSettled: _S.QUARANTINED,
        TradeQuarantined: _S.QUARANTINED,
        TradeReleased: _S.OPEN,
        CloseRequested: _S.PENDING_CLOSE,  # only a person asks for this here
        TradeWrittenOff: _S.CLOSED,  # a person closed it at the venue, by hand
        TradeHandedOver: _S.HANDED_OVER,
    },
    _S.CLOSED: {LegFilled: _S.QUARANTINED, CloseNotified: _S.CLOSED},  # a fill can lose the race with our cancel
    _S.FAILED: {LegFilled: _S.QUARANTINED, CloseNotified: _S.FAILED},
    _S.HANDED_OVER: {LegFilled: _S.QUARANTINED, CloseNotified: _S.HANDED_OVER},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeLeg:
    """One leg: what it wants and what its own orders filled. Quantities in coins, values in USD (sum of price x quantity).

    What was `handed_over` to a person left at its mark; coins of it that had none are `unvalued`, and no result counts them.
    """

    option: Option
    side: Side
    target: Decimal
    opened: Decimal = ZERO
    open_value: Decimal = ZERO
    closed: Decimal = ZERO
    close_value: Decimal = ZERO
    settled: Decimal = ZERO
    settled_value: Decimal = ZERO
    written_off: Decimal = ZERO
    handed_over: Decimal = ZERO
    handed_value: Decimal = ZERO
    unvalued: Decimal = ZERO
    fees: Decimal = ZERO

    @property
    def outstanding(self) -> Decimal:
        """Return the holding in the leg's own direction, coins; below zero if more was given back than was had."""
        return self.opened - self.closed - self.settled - self.written_off - self.handed_over

    @property
    def held(self) -> Decimal:
        """Return the signed holding, coins."""
        return self.side.sign * self.outstanding

    @property
    def cash_flow(self) -> Decimal:
        """Return money received less money paid so far, USD, fees not counted."""
        return self.side.sign * (self.close_value + self.settled_value + self.handed_value - self.open_value)

    @property
    def excess(self) -> Decimal:
        """Return how many coins more were opened than wanted, or given back than were had."""
        return max(self.opened - self.target, ZERO) + max(-self.outstanding, ZERO)

    def value(self, account: AccountSnapshot, basis: Basis) -> Decimal | None:
        """Return what the holding is worth, USD, negative for a debt; None without a fresh price."""
        if self.held == 0:
            return ZERO
        quote = account.quotes.get(self.option.symbol)
        if quote is None:
            return None
        price = quote.mark if basis is Basis.MARK else quote.executable(self.side.opposite)
        return None if price is None else self.held * price

    def greeks(self, account: AccountSnapshot) -> Greeks | None:
        """Return the Greeks of this trade's own holding, its share where trades share a position; None if unknown."""
        quote = account.quotes.get(self.option.symbol)
        if self.held == 0:
            return Greeks()
        return None if quote is None or quote.greeks is None else quote.greeks.times(float(self.held))


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeLifecycle:
    """One structure from the decision to open it until it is flat again."""

    number: int
    strategy: str
    legs: tuple[TradeLeg, ...]
    mode: ExecutionMode
    params: ExecutionParams
    created_at: datetime
    version: str = ""
    simulated: bool = False
    state: TradeState = _S.PENDING_OPEN
    phase_at: datetime
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    last_fill_at: datetime | None = None
    reason: str = ""
    urgent: bool = False
    ordered: bool = False
    peak_profit: Decimal | None = None
    notified: bool = False
    seen: frozenset[str] = field(default=frozenset(), repr=False)

    def __post_init__(self) -> None:
        if self.state in FLAT and any(leg.held != 0 for leg in self.legs):
            raise InvariantBroken(f"trade {self.number} is {self.state} yet holds {[str(leg.held) for leg in self.legs]}")

    @property
    def id(self) -> str:
        """Return the trade's name for people: strategy and number."""
        return f"{self.strategy}#{self.number}"

    @property
    def active(self) -> bool:
        """Tell whether the trade still needs managing."""
        return self.state not in ENDED

    @property
    def flat(self) -> bool:
        """Tell whether nothing is held."""
        return all(leg.held == 0 for leg in self.legs)

    @property
    def complete(self) -> bool:
        """Tell whether every leg opened its whole target."""
        return all(leg.opened == leg.target for leg in self.legs)

    @property
    def entry_cost(self) -> Decimal:
        """Return the net premium paid to open, USD; negative when premium was received; fees not counted."""
        return sum((leg.side.sign * leg.open_value for leg in self.legs), ZERO)

    @property
    def fees(self) -> Decimal:
        """Return all fees paid, USD."""
        return sum((leg.fees for leg in self.legs), ZERO)

    @property
    def gross_profit(self) -> Decimal:
        """Return money received less money paid, USD, before fees: the realised result once flat; holdings handed over at their marks."""
        return sum((leg.cash_flow for leg in self.legs), ZERO)

    @property
    def result_known(self) -> bool:
        """Tell whether the profit counts all that the trade held: not where something was handed over without a mark."""
        return all(leg.unvalued == 0 for leg in self.legs)

    @property
    def net_profit(self) -> Decimal:
        """Return gross_profit less fees, USD."""
        return self.gross_profit - self.fees

    def profit(self, account: AccountSnapshot, basis: Basis = Basis.MARK) -> Decimal | None:
        """Return the profit net of fees paid, USD, with holdings valued by basis; None if a price is missing."""
        total = self.net_profit
        for leg in self.legs:
            value = leg.value(account, basis)
            if value is None:
                return None
            total += value
        return total

    def greeks(self, account: AccountSnapshot) -> Greeks | None:
        """Return the Greeks of the structure; None if one leg's are unknown."""
        total = Greeks()
        for leg in self.legs:
            greeks = leg.greeks(account)
            if greeks is None:
                return None
            total += greeks
        return total

    def leg_greeks(self, index: int, account: AccountSnapshot) -> Greeks | None:
        """Return the Greeks of one leg's holding, signed; None if unknown."""
        return self.legs[index].greeks(account)


def created(event: TradeCreated) -> TradeLifecycle:
    """Return the trade as it begins."""
    legs = tuple(TradeLeg(option=plan.option, side=plan.side, target=plan.qty) for plan in event.legs)
    return TradeLifecycle(
        number=event.trade,
        strategy=event.strategy,
        version=event.version,
        legs=legs,
        mode=event.mode,
        params=event.params,
        created_at=event.at,
        phase_at=event.at,
        reason=event.reason,
        simulated=event.simulated,
    )


def advance(trade: TradeLifecycle, event: TradeEvent) -> TradeLifecycle:
    """Return the trade as it stands after event; raise InvalidTransition, changing nothing, if it cannot.

    The same fill twice is the same trade. A fill that the books cannot explain is booked all the same and quarantines the trade.
    """
    if isinstance(event, LegFilled) and event.fill.id in trade.seen:
        return trade
    state = TRANSITIONS[trade.state].get(type(event))
    if state is None:
        raise InvalidTransition(trade.id, trade.state, type(event).__name__)
    legs = _booked(trade, event)
    if any(after.excess > before.excess for before, after in zip(trade.legs, legs, strict=True)):
        state = _S.QUARANTINED
    moved = replace(
        trade,
        state=state,
        legs=legs,
        phase_at=event.at if state is not trade.state else trade.phase_at,
        closed_at=(trade.closed_at or event.at) if state in ENDED else None,
    )
    return _noted(moved, event, before=trade.state)


def _booked(trade: TradeLifecycle, event: TradeEvent) -> tuple[TradeLeg, ...]:
    match event:
        case LegFilled(leg=index, order=order, fill=fill):
            leg = _with_fill(trade.legs[index], ClientOrderId.parse(order).purpose, fill)
        case LegSettled(leg=index, qty=qty, price=price, fee=fee):
            old = trade.legs[index]
            value = old.settled_value + qty * old.option.payoff(price)
            leg = replace(old, settled=old.settled + qty, settled_value=value, fees=old.fees + fee)
        case LegAdopted(leg=index, qty=qty, price=price):
            old = trade.legs[index]
            leg = replace(old, opened=old.opened + qty, open_value=old.open_value + qty * price)
        case TradeWrittenOff():
            return tuple(replace(each, written_off=each.written_off + each.outstanding) for each in trade.legs)
        case TradeHandedOver(marks=marks):
            return tuple(_handed_over(each, mark) for each, mark in zip(trade.legs, marks, strict=True))
        case _:
            return trade.legs
    return (*trade.legs[:index], leg, *trade.legs[index + 1 :])


def _handed_over(leg: TradeLeg, mark: Decimal | None) -> TradeLeg:
    qty = leg.outstanding
    after = replace(leg, handed_over=leg.handed_over + qty)
    return replace(after, unvalued=leg.unvalued + qty) if mark is None else replace(after, handed_value=leg.handed_value + qty * mark)


def _with_fill(leg: TradeLeg, purpose: Purpose, fill: Fill) -> TradeLeg:
    value = fill.qty * fill.price
    if purpose is Purpose.OPEN:
        return replace(leg, opened=leg.opened + fill.qty, open_value=leg.open_value + value, fees=leg.fees + fill.fee)
    return replace(leg, closed=leg.closed + fill.qty, close_value=leg.close_value + value, fees=leg.fees + fill.fee)


def _noted(trade: TradeLifecycle, event: TradeEvent, before: TradeState) -> TradeLifecycle:
    superseded = before in (_S.CLOSING, _S.UNWINDING)
    match event:
        case LegFilled(order=order, fill=fill):
            odd = trade.state is _S.QUARANTINED and before is not _S.QUARANTINED
            reason = f"the books cannot explain fill {fill.id} of order {order}" if odd else trade.reason
            trade = replace(trade, seen=trade.seen | {fill.id}, last_fill_at=event.at, reason=reason)
        case OpenCompleted() | PartKept() | TradeReleased() | LegAdopted():
            trade = replace(trade, opened_at=trade.opened_at or event.at)
        case LegSettled() if before is _S.OPEN:  # else it would be told as ended because of why it was begun
            trade = replace(trade, reason="settled at expiry")
        case ProfitPeaked(profit=profit):
            trade = replace(trade, peak_profit=profit)
        case CloseNotified():
            trade = replace(trade, notified=True)
        case CloseRequested() | OpenGivenUp() | UnwindStarted() | TradeQuarantined() | TradeWrittenOff() | TradeHandedOver():
            known = superseded and event.reason in trade.reason
            reason = trade.reason if known else f"{trade.reason}; {event.reason}" if superseded else event.reason
            ordered = trade.ordered or (isinstance(event, CloseRequested) and event.ordered)
            trade = replace(trade, urgent=trade.urgent or _hurries(event), ordered=ordered, reason=reason)
    return trade


def _hurries(event: TradeEvent) -> bool:
    return isinstance(event, UnwindStarted) or (isinstance(event, CloseRequested) and event.urgent)


def diagram() -> str:
    """Return the table as a Mermaid state diagram; docs/architecture.md shows it."""
    arrows: dict[tuple[TradeState, TradeState], list[str]] = {}
    for state, row in TRANSITIONS.items():
        for event, after in row.items():
            arrows.setdefault((state, after), []).append(event.__name__)
    lines = [f"    {state} --> {after}: {', '.join(events)}" for (state, after), events in arrows.items()]
    ends = [f"    {state} --> [*]" for state in TradeState if state in ENDED]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {_S.PENDING_OPEN}: {TradeCreated.__name__}", *lines, *ends])
