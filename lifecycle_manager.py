"""Keeps every trade alive and managed from its creation until it is flat, whatever goes wrong on the way.

One tick looks at each active trade once. A trade changes only by an event that is journalled first. A failure in one trade is
counted, alerted and isolated; it stops neither the others nor the tick.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial

from loguru import logger

from by_hand import ByHand
from clock import Clock
from domain import (
    AccountSnapshot,
    Basis,
    ExecutionMode,
    ExecutionParams,
    ExitCondition,
    Option,
    Purpose,
    Severity,
    Verdict,
)
from errors import ConfigError, InvalidTransition, InvariantBroken, JournalError
from events import (
    AnyEvent,
    CloseCompleted,
    CloseNotified,
    CloseRequested,
    CloseStarted,
    LegFilled,
    LegPlan,
    OpenCompleted,
    OpenGivenUp,
    OpenStarted,
    PartKept,
    TradeCreated,
    TradeQuarantined,
    UnwindStarted,
)
from execution_desk import Ended, Outcome
from exit_watch import ExitWatch
from past_orders import PastOrders
from ports import Alerts, JournalWriter
from position_check import PositionCheck
from trade_book import TradeBook
from trade_lifecycle import TradeLifecycle, TradeState
from trading_desk import Desk

S = TradeState


class LifecycleManager:
    """All trades of this installation, and what is done about each on every tick."""

    def __init__(
        self, *, live: Desk, simulated: Desk | None, journal: JournalWriter, clock: Clock, alerts: Alerts, next_number: int
    ) -> None:
        self._clock, self._alerts = clock, alerts
        self._book = TradeBook(journal, next_number)
        self._exits = ExitWatch(alerts)
        self._bound: dict[str, Sequence[ExitCondition]] = {}
        self.by_hand = ByHand(self._book, self._venue_of, self._bound.get, clock)
        self.past = PastOrders()
        self._check = PositionCheck()
        self._closed: list[Callable[[TradeLifecycle], None]] = []
        self._stale: frozenset[int] = frozenset()
        self._blocked: dict[str, str] = {"start": "the account has not been read yet"}
        self.failures = 0
        self._venues: dict[bool, Desk] = {}  # by whether a trade is simulated
        for each in (live, simulated):
            if each is not None:
                each.executor.listen(self._filled)
                self._venues[each is simulated] = each

    # ---- what strategies and people ask

    def create(
        self,
        *,
        strategy: str,
        version: str,
        legs: Sequence[LegPlan],
        mode: ExecutionMode = ExecutionMode.LIMIT,
        params: ExecutionParams | None = None,
        reason: str = "",
        simulated: bool = False,
    ) -> TradeLifecycle:
        """Begin a trade; its orders go out from the next tick on. Raises RiskDenied, ConfigError or JournalError, nothing begun."""
        if simulated and simulated not in self._venues:
            raise ConfigError(f"{strategy} wants a dry run, and there is no simulated venue")
        event = TradeCreated(
            at=self._clock.now(),
            trade=self._book.next_number,
            strategy=strategy,
            version=version,
            legs=tuple(legs),
            mode=mode,
            params=params or ExecutionParams(),
            reason=reason,
            simulated=simulated,
        )
        trade = self._book.create(event)
        wanted = ", ".join(f"{p.side.name.lower()} {p.qty} {p.option.symbol}" for p in legs)
        logger.info("trade created id={} {}legs=[{}] because {}", trade.id, "DRY RUN " if simulated else "", wanted, reason)
        return trade

    def bind(self, strategy: str, exits: Sequence[ExitCondition]) -> None:
        """Arm a strategy's exit conditions for all its trades, those of earlier runs included."""
        self._bound[strategy] = exits
        self._exits.bind(strategy, exits)

    def on_closed(self, callback: Callable[[TradeLifecycle], None]) -> None:
        """Call back once for every trade that has ended."""
        self._closed.append(callback)

    def on_executed(self, listener: Ended) -> None:
        """Hand the result of every execution that ends to listener."""
        for venue in self._venues.values():
            venue.executions.on_ended(listener)

    @property
    def trades(self) -> tuple[TradeLifecycle, ...]:
        """Return every trade known, oldest first."""
        return self._book.trades

    def trade(self, number: int) -> TradeLifecycle | None:
        """Return a trade, ended ones included; None for an unknown number."""
        return self._book.get(number)

    def number_after(self, taken: int) -> None:
        """Begin no trade under a number up to `taken`, which the venue has seen in our name."""
        self._book.number_after(taken)

    @property
    def active(self) -> tuple[TradeLifecycle, ...]:
        """Return the trades that have not ended."""
        return self._book.active

    def trades_for_strategy(self, name: str) -> tuple[TradeLifecycle, ...]:
        """Return a strategy's trades, ended ones included."""
        return self._book.for_strategy(name)

    def active_trades_for_strategy(self, name: str) -> tuple[TradeLifecycle, ...]:
        """Return a strategy's trades that have not ended."""
        return self._book.for_strategy(name, active=True)

    def created_since(self, strategy: str, moment: datetime) -> int:
        """Return how many trades a strategy has begun since a moment."""
        return self._book.created_since(strategy, moment)

    def options_in_use(self) -> tuple[Option, ...]:
        """Return the options that need quotes: those of all active trades, and of executions that ended just now."""
        after = {option.symbol: option for venue in self._venues.values() for option in venue.executions.options_watched}
        return tuple({**after, **{option.symbol: option for option in self._book.options_in_use()}}.values())

    @property
    def entries_allowed(self) -> Verdict:
        """Tell whether new trades may begin, and if not, why not."""
        lost = self._unresolved
        if lost:
            return Verdict(ok=False, reason=f"{lost} orders whose outcome is not known yet")
        return Verdict(not self._blocked, "; ".join(self._blocked.values()))

    @property
    def _unresolved(self) -> int:
        return sum(venue.executor.unresolved for venue in self._venues.values())

    def block_entries(self, cause: str, reason: str) -> None:
        """Begin no new trade until the cause is lifted; running trades stay managed."""
        self._blocked[cause] = reason

    def lift_block(self, cause: str) -> None:
        """Lift one cause."""
        self._blocked.pop(cause, None)

    # ---- what a person does (see by_hand)

    def force_close(self, number: int, reason: str, *, urgent: bool = False) -> None:
        """Close a trade because a person says so; raises as ByHand.force_close does."""
        self.by_hand.force_close(number, reason, urgent=urgent)

    cancel = force_close

    def stop_opening(self, number: int, reason: str) -> bool:
        """End a trade's opening as it stands; tells and raises as ByHand.stop_opening does."""
        return self.by_hand.stop_opening(number, reason)

    def manage(self, number: int, reason: str) -> None:
        """Manage a quarantined trade again; raises as ByHand.manage does."""
        self.by_hand.manage(number, reason)

    def write_off(self, number: int, reason: str) -> None:
        """End a quarantined trade whose holding is gone; raises as ByHand.write_off does."""
        self.by_hand.write_off(number, reason)

    # ---- restart

    def restore(self, events: Iterable[AnyEvent]) -> None:
        """Rebuild every trade and order from the journal; the venue is asked about each order without a known end."""
        kept = tuple(events)
        self._book.restore(kept, self._clock.now())
        self._stale = frozenset(trade.number for trade in self.active if trade.state is S.PENDING_OPEN)
        running = self.active
        self.past.restore(kept, [trade for trade in self.trades if not trade.active and not trade.simulated])
        for simulated, venue in self._venues.items():
            numbers = {trade.number for trade in running if trade.simulated is simulated}
            venue.restore(kept, numbers, {trade.number for trade in self.trades if trade.simulated is simulated})
        if running:
            logger.info("trades resumed count={} orders to ask the venue about={}", len(running), self._unresolved)

    # ---- the tick

    def tick(self, account: AccountSnapshot) -> None:
        """Look once at every order and every active trade."""
        if account.valid:
            self._blocked.pop("start", None)
        for venue in self._venues.values():
            for name, part in venue.parts(account):
                self._guarded(name, part)
        for trade in self.active:
            self._guarded(trade.id, partial(self._managed, trade, account))
        self._guarded("positions", partial(self._compare, account))
        for trade in self._book.unnotified:
            self._guarded(trade.id, partial(self._notify, trade))

    def _guarded(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except JournalError as error:
            self._alerts.alert(Severity.CRITICAL, "journal", f"{name}: {error}", "nothing was sent; make the journal writable")
        except Exception as error:  # noqa: BLE001 - tick boundary: one failure must not stop the neighbours
            self.failures += 1
            logger.opt(exception=error).error("tick failure in={} count={}", name, self.failures)
            self._alerts.alert(Severity.CRITICAL, f"tick {name}", f"{name} failed in the tick: {error!r}", "see the log")

    def _managed(self, trade: TradeLifecycle, account: AccountSnapshot) -> None:
        try:
            self._manage(trade, account)
        except InvariantBroken as error:
            self.block_entries("invariant", f"our books contradict themselves: {error}")
            self._quarantine(trade, str(error))

    def _manage(self, trade: TradeLifecycle, account: AccountSnapshot) -> None:
        match trade.state:
            case S.PENDING_OPEN if trade.number in self._stale:
                reason = "the program stopped before its first order, and what it was decided on is old"
                self._book.apply(OpenGivenUp(at=account.now, trade=trade.number, reason=reason))
            case S.PENDING_OPEN:
                self._book.apply(OpenStarted(at=account.now, trade=trade.number))
                self._open(self._book[trade.number], account)
            case S.OPENING:
                self._open(trade, account)
            case S.OPEN:
                self._hold(trade, account)
            case S.PENDING_CLOSE:
                self._make_way(trade, account)
            case S.CLOSING | S.UNWINDING as state:
                self._leave(trade, account, Purpose.CLOSE if state is S.CLOSING else Purpose.UNWIND)
            case _:
                if self._venue_of(trade).executions.withdraw(trade, "it waits for a person"):
                    self._settled(trade, account.now)
                self._call_person(trade, trade.reason)

    def _open(self, trade: TradeLifecycle, account: AccountSnapshot) -> None:
        standing = self._venue_of(trade).executions.step(trade, Purpose.OPEN, account)
        match standing.outcome:
            case Outcome.DONE:
                self._book.apply(OpenCompleted(at=account.now, trade=trade.number))
            case Outcome.GIVEN_UP | Outcome.UNWIND | Outcome.HOLD:
                self._incomplete(self._book[trade.number], standing.outcome, standing.reason, account.now)

    def _incomplete(self, trade: TradeLifecycle, outcome: Outcome, reason: str, now: datetime) -> None:
        """End an opening that fell short; nothing of it is out any more."""
        if all(leg.opened == 0 for leg in trade.legs):
            self._book.apply(OpenGivenUp(at=now, trade=trade.number, reason=reason))
            return
        kept = outcome is Outcome.HOLD and not trade.flat
        kind = PartKept if kept else UnwindStarted
        self._book.apply(kind(at=now, trade=trade.number, reason=reason))
        self._alerts.alert(
            Severity.WARNING,
            f"incomplete {trade.id}",
            f"{trade.id} opened in part ({reason}); it is {'kept and managed' if kept else 'unwound'}",
            "no action needed; see LeggingPolicy in the strategy",
        )

    def _hold(self, trade: TradeLifecycle, account: AccountSnapshot) -> None:
        if not self._venue_of(trade).executions.withdraw(trade, "the trade is open"):  # only after a release: nothing else is out
            return
        trade = self._settled(trade, account.now)
        if trade.flat:
            self._book.apply(CloseCompleted(at=account.now, trade=trade.number))
            return
        profit = trade.profit(account, Basis.MARK)
        if profit is not None:
            self._book.note_profit(trade.number, profit, account.now)
        leave = self._exits.reason_to_leave(self._book[trade.number], account)
        if leave is not None:
            self._book.apply(CloseRequested(at=account.now, trade=trade.number, reason=leave.reason, urgent=leave.urgent))

    def _make_way(self, trade: TradeLifecycle, account: AccountSnapshot) -> None:
        if not self._venue_of(trade).executions.withdraw(trade, trade.reason):
            self._venue_of(trade).executions.overdue(trade, account)
            return
        if all(leg.opened == 0 for leg in trade.legs):
            self._book.apply(OpenGivenUp(at=account.now, trade=trade.number, reason=trade.reason))
        else:
            done = CloseCompleted if trade.flat else CloseStarted
            self._book.apply(done(at=account.now, trade=trade.number))

    def _leave(self, trade: TradeLifecycle, account: AccountSnapshot, purpose: Purpose) -> None:
        trade = self._settled(trade, account.now)
        venue = self._venue_of(trade)
        live = venue.executor.live_orders(trade.number)
        if not live and trade.flat:
            if venue.executions.finished(trade, account):
                self._book.apply(CloseCompleted(at=account.now, trade=trade.number))
            return
        if not live and all(leg.outstanding <= 0 for leg in trade.legs):
            raise InvariantBroken(f"trade {trade.number} gave back more than it had: {[str(leg.held) for leg in trade.legs]}")
        if not trade.urgent:
            trade = self._hurried(trade, account)
        clamps = None if trade.simulated else self._check.clamps(trade, account)
        for index, why in venue.executions.step(trade, purpose, account, clamps).stuck.items():
            self._alerts.alert(
                Severity.CRITICAL,
                f"close attempts {trade.id}/{index}",
                f"{trade.id} still cannot leave {trade.legs[index].option.symbol} ({why})",
                "close it by hand at the venue, or wait: it is tried again every minute",
            )

    def _hurried(self, trade: TradeLifecycle, account: AccountSnapshot) -> TradeLifecycle:
        """Hurry a patient close once an exit that cannot wait is met too."""
        leave = self._exits.reason_to_leave(trade, account, only_urgent=True)
        if leave is None:
            return trade
        return self._book.apply(CloseRequested(at=account.now, trade=trade.number, reason=leave.reason, urgent=True))

    # ---- holding

    def _settled(self, trade: TradeLifecycle, now: datetime) -> TradeLifecycle:
        """Book what the venue settled of expired legs; legs with an order out wait until its end is known."""
        venue = self._venue_of(trade)
        for event in venue.settlements.settle(trade, now):
            if venue.executor.ledger.working(trade.number, event.leg) == 0:
                self._book.apply(event)
        return self._book[trade.number]

    def _compare(self, account: AccountSnapshot) -> None:
        managed = [trade for trade in self.active if not trade.simulated and trade.state is not S.QUARANTINED]
        busy = {order.new.instrument.symbol for order in self._venues[False].executor.ledger.live()}
        for trade, sentence in self._check.contradictions(managed, account, busy):
            self._quarantine(trade, sentence)

    # ---- events

    def _filled(self, event: LegFilled) -> None:
        """Take a fill that the executor has journalled."""
        if self._book.get(event.trade) is None:
            self._alerts.alert(
                Severity.CRITICAL, "foreign fill", f"fill {event.fill.id} names unknown trade {event.trade}", "see the journal"
            )
            return
        trade = self._book.book(event)
        self._venue_of(trade).log.take(event)

    def _quarantine(self, trade: TradeLifecycle, reason: str) -> None:
        try:
            self._book.apply(TradeQuarantined(at=self._clock.now(), trade=trade.number, reason=reason))
        except (InvalidTransition, JournalError) as error:
            self._book.set_aside(trade.number, f"{reason}; {error}")
        self._call_person(trade, reason)

    def _call_person(self, trade: TradeLifecycle, reason: str) -> None:
        hint = "compare with the venue, then --close, --manage, --write-off or --release it"
        self._alerts.alert(Severity.CRITICAL, f"quarantine {trade.id}", f"{trade.id} waits for a person: {reason}", hint)

    def _notify(self, trade: TradeLifecycle) -> None:
        """Tell the listeners of an ended trade, once: the word is journalled before they are called."""
        ended = self._book.apply(CloseNotified(at=self._clock.now(), trade=trade.number))
        if not ended.simulated:
            self.past.keep(ended, self._venue_of(ended).executor.ledger.of(ended.number))
        for venue in self._venues.values():
            venue.forget(trade.number)
        self._exits.forget(trade.number)
        self._book.forget(trade.number)
        for callback in self._closed:
            self._guarded(f"on_closed {trade.id}", partial(callback, ended))

    def _venue_of(self, trade: TradeLifecycle) -> Desk:
        venue = self._venues.get(trade.simulated)
        if venue is None:
            raise ConfigError(f"{trade.id} is a dry run, and there is no simulated venue: its orders must not reach the real one")
        return venue
