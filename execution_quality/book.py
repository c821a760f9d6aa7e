"""The qualities of all executions, kept live: one journalled event at a time is folded in, and feeding all of them again restores it.

A fill belongs to the execution that sent its order, and to its trade's last one where that is not known. Which order and which fill
went where is forgotten once a trade has ended; what they summed up to stays. An opening that waited for a taker is passed over: nobody
chose its moment, and what it earned is no measure of what asking other makers costs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from domain import ZERO, ExecutionMode, Fill, OrderType, Purpose, RFQQuote, Side
from domain.quoting import MADE
from events import (
    AnyEvent,
    BlockIntended,
    CloseNotified,
    ExecutionEnded,
    ExecutionEvent,
    ExecutionStarted,
    LegBook,
    LegFilled,
    LeggingBreached,
    MarketAfter,
    OrderIntended,
    RFQQuoted,
    TradeCreated,
)
from execution_quality.quality import After, ExecutionQuality, LegQuality, total
from execution_quality.structures import structure_name
from execution_quality.totals import CostKey, ModeCost, phase_costs


@dataclass(slots=True)
class _Tally:
    """One leg of a run so far."""

    book: LegBook
    filled: Decimal = ZERO
    value: Decimal = ZERO
    fees: Decimal = ZERO
    orders: int = 0

    def add(self, fill: Fill) -> None:
        self.filled += fill.qty
        self.value += fill.qty * fill.price
        self.fees += fill.fee


@dataclass(slots=True)
class _Run:
    """One execution so far; its legs by index and direction."""

    started: ExecutionStarted
    legs: dict[tuple[int, Side], _Tally]
    ended: ExecutionEnded | None = None
    first_fill_at: datetime | None = None
    last_fill_at: datetime | None = None
    blocks: int = 0
    quotes: int = 0
    quote_ids: set[str] = field(default_factory=set)
    best_quote: Decimal | None = None
    remedies: list[LeggingBreached] = field(default_factory=list)
    after: list[MarketAfter] = field(default_factory=list)

    def leg(self, index: int, symbol: str, side: Side) -> _Tally:
        """Return a leg's tally; one that the execution did not set out to trade wants nothing and has no prices."""
        if (index, side) not in self.legs:
            self.legs[index, side] = _Tally(LegBook(leg=index, symbol=symbol, side=side, wanted=ZERO))
        return self.legs[index, side]

    def filled(self, event: LegFilled) -> None:
        fill = event.fill
        self.leg(event.leg, fill.symbol, fill.side).add(fill)
        self.first_fill_at = min(self.first_fill_at or fill.at, fill.at)
        self.last_fill_at = max(self.last_fill_at or fill.at, fill.at)

    def take(self, event: ExecutionEvent) -> None:
        match event:
            case ExecutionEnded():
                self.ended = event
                self.quote_ids.clear()
            case RFQQuoted():
                self._quoted(event)
            case BlockIntended():
                self.blocks += 1
            case LeggingBreached():
                self.remedies.append(event)
            case MarketAfter():
                self.after.append(event)

    def _quoted(self, event: RFQQuoted) -> None:
        """Count a quote once, however often it was judged; only one that trades what is wanted can be the best."""
        if event.quote.quote_id not in self.quote_ids:
            self.quote_ids.add(event.quote.quote_id)
            self.quotes += 1
        if self._fits(event.quote):
            self.best_quote = event.cost if self.best_quote is None else min(self.best_quote, event.cost)

    def _fits(self, quote: RFQQuote) -> bool:
        """Tell whether a quote trades what was wanted at the decision, in our direction."""
        wanted = sorted((leg.symbol, leg.side, leg.wanted) for leg in self.started.legs)
        return sorted((leg.symbol, leg.side.opposite, leg.qty) for leg in quote.legs) == wanted


@dataclass(slots=True)
class _Trade:
    """One trade's executions so far, oldest first; `orders` and `seen` only while it lasts."""

    created: TradeCreated
    structure: str
    runs: dict[int, _Run] = field(default_factory=dict)
    orders: dict[str, int] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    @property
    def last(self) -> _Run | None:
        return next(reversed(self.runs.values()), None)

    def measures(self, run: _Run) -> bool:
        """Tell whether a run is measured: all are but those that waited for a taker."""
        return run.started.purpose is not Purpose.OPEN or not self.created.version.startswith(MADE)

    def run_of(self, order: str) -> _Run | None:
        known = self.orders.get(order)
        return self.last if known is None else self.runs[known]

    def first_mids(self, purpose: Purpose) -> Mapping[tuple[int, Side], Decimal | None]:
        """Return the legs' mids at the decision of the first run of a purpose."""
        first = next(run for run in self.runs.values() if run.started.purpose is purpose)
        return {(leg.leg, leg.side): leg.mid for leg in first.started.legs}


class QualityBook:
    """Every execution of every trade that its events tell of."""

    def __init__(self, events: Iterable[AnyEvent] = ()) -> None:
        self._trades: dict[int, _Trade] = {}
        self._stale: set[int] = set()
        self._counted: dict[int, Mapping[CostKey, ModeCost]] = {}
        self._costs: dict[CostKey, ModeCost] = {}
        for event in events:
            self.take(event)

    def take(self, event: AnyEvent) -> None:
        """Fold one journalled event in; what tells nothing of executions is passed over."""
        match event:
            case TradeCreated(trade=number, legs=legs):
                self._trades[number] = _Trade(event, structure_name(legs))
            case OrderIntended():
                self._sent(event)
            case LegFilled(trade=number) | CloseNotified(trade=number) | ExecutionEvent(trade=number) if number in self._trades:
                self._stale.add(number)
                _fold(self._trades[number], event)

    def of(self, trade: int) -> tuple[ExecutionQuality, ...]:
        """Return the executions of a trade, oldest first; none for a trade that is not known or was never measured."""
        known = self._trades.get(trade)
        return () if known is None else tuple(_quality(known, run) for run in known.runs.values() if known.measures(run))

    def last(self, trade: int) -> ExecutionQuality | None:
        """Return a trade's last execution; None before the first, and while the last is not measured."""
        known = self._trades.get(trade)
        run = None if known is None else known.last
        return None if known is None or run is None or not known.measures(run) else _quality(known, run)

    def all(self) -> tuple[ExecutionQuality, ...]:
        """Return every execution, by trade and oldest first."""
        return tuple(quality for trade in self._trades for quality in self.of(trade))

    def structure(self, trade: int) -> str | None:
        """Return the name of a trade's structure; None for a trade that is not known."""
        known = self._trades.get(trade)
        return None if known is None else known.structure

    def costs(self, structure: str, purpose: Purpose) -> Mapping[ExecutionMode, ModeCost]:
        """Return what choosing each mode for such structures has cost so far, as mean_shortfall_by_mode tells it.

        Only trades with news since it was last asked are looked at again.
        """
        for number in self._stale:
            self._recount(number)
        self._stale.clear()
        return {mode: cost for (mode, name, why), cost in self._costs.items() if name == structure and why is purpose}

    def _sent(self, event: OrderIntended) -> None:
        name = event.new.client_id
        trade = self._trades.get(name.trade)
        run = None if trade is None else trade.last
        if trade is None or run is None or event.order in trade.orders:
            return
        trade.orders[event.order] = run.started.run
        if event.new.order_type is not OrderType.BLOCK_TRADE:
            run.leg(name.leg, event.new.instrument.symbol, event.new.side).orders += 1

    def _recount(self, number: int) -> None:
        for key, cost in self._counted.pop(number, {}).items():
            self._costs[key] = self._costs[key].less(cost)
        counted = self._counted[number] = phase_costs(self.of(number))
        for key, cost in counted.items():
            self._costs[key] = self._costs.get(key, ModeCost()).plus(cost)


def _fold(trade: _Trade, event: AnyEvent) -> None:
    match event:
        case ExecutionStarted(run=number, legs=legs):
            trade.runs[number] = _Run(event, {(leg.leg, leg.side): _Tally(leg) for leg in legs})
        case LegFilled(order=order, fill=fill):
            run = trade.run_of(order)
            if run is not None and fill.id not in trade.seen:
                trade.seen.add(fill.id)
                run.filled(event)
        case CloseNotified():
            trade.orders, trade.seen = {}, set()
        case ExecutionEvent(run=number) if number in trade.runs:
            trade.runs[number].take(event)


def _quality(trade: _Trade, run: _Run) -> ExecutionQuality:
    started, ended = run.started, run.ended
    first_mids = trade.first_mids(started.purpose)
    legs = tuple(
        LegQuality(book=leg.book, filled=leg.filled, value=leg.value, fees=leg.fees, orders=leg.orders, first_mid=first_mids.get(place))
        for place, leg in run.legs.items()
    )
    return ExecutionQuality(
        strategy=trade.created.strategy,
        trade=started.trade,
        run=started.run,
        purpose=started.purpose,
        mode=started.mode,
        structure=trade.structure,
        simulated=trade.created.simulated,
        urgent=started.urgent,
        remedy=started.remedy,
        reason=started.reason,
        decided_at=started.at,
        ended_at=None if ended is None else ended.at,
        success=None if ended is None else ended.success,
        outcome="" if ended is None else ended.reason,
        legs=legs,
        first_fill_at=run.first_fill_at,
        last_fill_at=run.last_fill_at,
        blocks=run.blocks,
        quotes=run.quotes,
        best_quote=run.best_quote,
        remedies=tuple(breach.remedy for breach in run.remedies),
        after=tuple(_after(started, legs, seen) for seen in run.after),
    )


def _after(started: ExecutionStarted, legs: Sequence[LegQuality], seen: MarketAfter) -> After:
    """Compare the filled coins with the mids some time after the end; those stand in the order of the legs at the decision."""
    mids = {leg.leg: mid for leg, mid in zip(started.legs, seen.mids, strict=False)}
    traded = [leg for leg in legs if leg.filled != 0]
    later = total(leg.worth(mids.get(leg.book.leg), leg.filled) for leg in traded)
    arrival = total(leg.worth(leg.book.mid, leg.filled) for leg in traded)
    paid = sum((leg.paid for leg in traded), ZERO)
    return After(
        seconds=seen.seconds,
        adverse=None if later is None or arrival is None else arrival - later,
        shortfall=None if later is None else paid - later,
    )
