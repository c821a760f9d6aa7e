"""Every trade by number; a trade changes here only, by an event that is journalled before it is believed."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from loguru import logger

from domain import Option
from errors import InvariantBroken, RiskDenied
from events import AnyEvent, LegAdopted, LegPlan, ProfitPeaked, TradeCreated, TradeEvent
from ports import JournalWriter
from trade_lifecycle import TradeLifecycle, TradeState, advance, created

PEAK_EVERY = timedelta(minutes=1)


class TradeBook:
    """All trades of this installation that the journal still holds."""

    def __init__(self, journal: JournalWriter, next_number: int) -> None:
        self._journal = journal
        self._next = next_number
        self._trades: dict[int, TradeLifecycle] = {}
        self._of: dict[str, list[int]] = {}  # by strategy: others' ended trades cost a look nothing
        self._active: dict[int, None] = {}
        self._unnotified: dict[int, None] = {}
        self._peaks: dict[int, tuple[datetime | None, Decimal | None]] = {}

    @property
    def next_number(self) -> int:
        """Return the number of the next trade."""
        return self._next

    @property
    def trades(self) -> tuple[TradeLifecycle, ...]:
        """Return every trade known, oldest first."""
        return tuple(self._trades.values())

    @property
    def active(self) -> tuple[TradeLifecycle, ...]:
        """Return the trades that have not ended."""
        return tuple(self._trades[number] for number in self._active)

    @property
    def unnotified(self) -> tuple[TradeLifecycle, ...]:
        """Return the ended trades whose end nobody has been told of."""
        return tuple(self._trades[number] for number in self._unnotified)

    def __getitem__(self, number: int) -> TradeLifecycle:
        """Return a trade; raise KeyError for an unknown number."""
        return self._trades[number]

    def get(self, number: int) -> TradeLifecycle | None:
        """Return a trade; None for an unknown number."""
        return self._trades.get(number)

    def for_strategy(self, name: str, *, active: bool = False) -> tuple[TradeLifecycle, ...]:
        """Return a strategy's trades, or only those that have not ended."""
        if active:
            return tuple(trade for trade in self.active if trade.strategy == name)
        return tuple(self._trades[number] for number in self._of.get(name, ()))

    def created_since(self, strategy: str, moment: datetime) -> int:
        """Return how many trades a strategy has begun since a moment."""
        return sum(trade.created_at >= moment for trade in self.for_strategy(strategy))

    def options_in_use(self) -> tuple[Option, ...]:
        """Return the options of all active trades, each once."""
        return tuple({leg.option.symbol: leg.option for trade in self.active for leg in trade.legs}.values())

    def create(self, event: TradeCreated) -> TradeLifecycle:
        """Journal and begin a trade. Raises RiskDenied or JournalError, nothing begun."""
        self._unopposed(event.legs, simulated=event.simulated)
        self._journal.append(event)
        return self.keep(created(event))

    def adopt(self, event: TradeCreated, adopted: LegAdopted) -> TradeLifecycle:
        """Journal and begin a trade of one leg that holds already what it wants. Raises RiskDenied or JournalError, nothing begun."""
        self._unopposed(event.legs, simulated=event.simulated)
        trade = advance(created(event), adopted)
        self._journal.append(event, adopted)
        _tell(self.keep(trade))
        return trade

    def number_after(self, taken: int) -> None:
        """Begin no trade under a number up to `taken`: the venue has seen that one in our name, whatever our journal knows of it."""
        self._next = max(self._next, taken + 1)

    def apply(self, event: TradeEvent) -> TradeLifecycle:
        """Journal an event, then believe it. Raises InvalidTransition or KeyError, nothing written; JournalError, nothing changed."""
        before = self._trades[event.trade]
        after = advance(before, event)
        self._journal.append(event)
        self.keep(after)
        if after.state is not before.state:
            _tell(after)
        return after

    def book(self, event: TradeEvent) -> TradeLifecycle:
        """Believe an event that is journalled already."""
        return self.keep(advance(self._trades[event.trade], event))

    def keep(self, trade: TradeLifecycle) -> TradeLifecycle:
        """Hold this value of a trade from now on."""
        number = trade.number
        if number not in self._trades:
            self._of.setdefault(trade.strategy, []).append(number)
        self._trades[number] = trade
        self._next = max(self._next, number + 1)
        _mark(self._active, number, wanted=trade.active)
        _mark(self._unnotified, number, wanted=not trade.active and not trade.notified)
        return trade

    def note_profit(self, number: int, profit: Decimal, now: datetime) -> None:
        """Remember a trade's highest profit since opening, USD; journal it once a minute at most.

        Raises JournalError; it is remembered all the same, and written a minute later.
        """
        trade = self._trades[number]
        at, written = self._peaks.get(number, (None, trade.peak_profit))
        if trade.peak_profit is None or profit > trade.peak_profit:
            trade = self.book(ProfitPeaked(at=now, trade=number, profit=profit))
        peak = trade.peak_profit
        due = at is None or now >= at + PEAK_EVERY
        if peak is None or peak == written or not due:
            self._peaks[number] = at, written
            return
        self._peaks[number] = now, written
        self._journal.append(ProfitPeaked(at=now, trade=number, profit=peak))
        self._peaks[number] = now, peak

    def forget(self, number: int) -> None:
        """Drop all but the value of a trade that has ended."""
        self._peaks.pop(number, None)

    def set_aside(self, number: int, reason: str) -> None:
        """Quarantine a trade in memory only, where the table or the journal cannot take the event."""
        trade = self._trades[number]
        logger.error("trade quarantined id={} reason={}", trade.id, reason)
        self.keep(replace(trade, state=TradeState.QUARANTINED, reason=reason))

    def restore(self, events: Iterable[AnyEvent], now: datetime | None = None) -> None:
        """Rebuild every trade from journalled events; one whose events contradict each other waits for a person.

        What was opened or filled after `now`, by a clock that has been set back since, counts from now on: no exit waits so long again.
        """
        for event in events:
            if isinstance(event, TradeCreated):
                self.keep(created(event))
            elif isinstance(event, TradeEvent) and event.trade in self._trades:
                try:
                    self.book(event)
                except InvariantBroken as error:
                    self.set_aside(event.trade, f"the journal contradicts itself: {error}")
        if now is not None:
            for trade in self.active:
                self.keep(_brought_back(trade, now))

    def _unopposed(self, plans: Iterable[LegPlan], *, simulated: bool) -> None:
        """Refuse legs opposite to one of ours in the same option: the venue nets them, and neither could then be closed reduce-only."""
        sides = {leg.option.symbol: leg.side for trade in self.active if trade.simulated is simulated for leg in trade.legs}
        for plan in plans:
            if sides.setdefault(plan.option.symbol, plan.side) is not plan.side:
                raise RiskDenied(f"{plan.side.name} {plan.option.symbol} would net against another leg of ours at the venue")


def _mark(numbers: dict[int, None], number: int, *, wanted: bool) -> None:
    if wanted:
        numbers[number] = None
    else:
        numbers.pop(number, None)


def _brought_back(trade: TradeLifecycle, now: datetime) -> TradeLifecycle:
    """Return a trade with no moment of it after now."""
    opened, filled = trade.opened_at, trade.last_fill_at
    return replace(trade, opened_at=None if opened is None else min(opened, now), last_fill_at=None if filled is None else min(filled, now))


def _tell(trade: TradeLifecycle) -> None:
    entering = trade.state in (TradeState.OPENING, TradeState.OPEN)
    because = "" if entering or not trade.reason else f" because {trade.reason}"
    logger.info("trade {} id={}{}", trade.state.replace("_", " "), trade.id, because)
    if trade.state is TradeState.OPEN:
        logger.info("trade stands id={} entry cost={} fees={} USD", trade.id, trade.entry_cost, trade.fees)
    if not trade.active:
        kind = "estimate of a DRY RUN" if trade.simulated else "result"
        if trade.state is TradeState.HANDED_OVER:
            kind += " at the marks of the hand-over" if trade.result_known else " without what was handed over (it had no mark)"
        logger.info("trade {} id={} gross={} fees={} net={} USD", kind, trade.id, trade.gross_profit, trade.fees, trade.net_profit)
