"""Keeps every trade alive and managed from its creation until it is flat, whatever goes wrong on the way.

One tick looks at each active trade once. A trade changes only by an event that is journalled first. A failure in one trade is
counted, alerted and isolated; it stops neither the others nor the tick.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from loguru import logger

from clock import Clock
from domain import (
    AccountSnapshot,
    Basis,
    ClientOrderId,
    ExecutionMode,
    ExecutionParams,
    ExitCondition,
    NewOrder,
    Option,
    Purpose,
    Severity,
    Verdict,
    WhenIncomplete,
)
from errors import InvalidTransition, InvariantBroken, JournalError, RiskDenied, SizeRejected
from events import (
    AnyEvent,
    AnyOrderEvent,
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
    ProfitPeaked,
    TradeCreated,
    TradeQuarantined,
    TradeReleased,
    UnwindStarted,
)
from exit_watch import ExitWatch
from limit_execution import Cancel, LegStep, Place, Progress, step
from order_ledger import OrderRecord
from ports import Alerts, JournalWriter
from position_check import PositionCheck
from settling import SettlementDesk
from trade_book import TradeBook
from trade_execution import TradeExecutor
from trade_lifecycle import TradeLifecycle, TradeState

S = TradeState
PEAK_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a kind of trade is executed and settled: the venue, or its simulation for dry runs."""

    executor: TradeExecutor
    settlements: SettlementDesk


class LifecycleManager:
    """All trades of this installation, and what is done about each on every tick."""

    def __init__(
        self, *, live: Desk, simulated: Desk | None, journal: JournalWriter, clock: Clock, alerts: Alerts, desk: int, next_number: int
    ) -> None:
        self._live, self._simulated = live, simulated
        self._clock, self._alerts, self._desk = clock, alerts, desk
        self._book = TradeBook(journal, next_number)
        self._exits = ExitWatch(alerts)
        self._check = PositionCheck()
        self._closed: list[Callable[[TradeLifecycle], None]] = []
        self._peaked: dict[int, datetime] = {}
        self._blocked: dict[str, str] = {"start": "the account has not been read yet"}
        for each in self._desks():
            each.executor.listen(self._filled)

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
        """Begin a trade; its orders go out from the next tick on. Raises JournalError, nothing begun."""
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
        self._exits.bind(strategy, exits)

    def on_closed(self, callback: Callable[[TradeLifecycle], None]) -> None:
        """Call back once for every trade that has ended."""
        self._closed.append(callback)

    @property
    def trades(self) -> tuple[TradeLifecycle, ...]:
        """Return every trade known, oldest first."""
        return self._book.trades

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
        """Return the options of all active trades: those that need quotes."""
        return self._book.options_in_use()

    @property
    def entries_allowed(self) -> Verdict:
        """Tell whether new trades may begin, and if not, why not."""
        lost = sum(desk.executor.unresolved for desk in self._desks())
        if lost:
            return Verdict(ok=False, reason=f"{lost} orders whose outcome is not known yet")
        return Verdict(not self._blocked, "; ".join(self._blocked.values()))

    def block_entries(self, cause: str, reason: str) -> None:
        """Begin no new trade until the cause is lifted; running trades stay managed."""
        self._blocked[cause] = reason

    def lift_block(self, cause: str) -> None:
        """Lift one cause."""
        self._blocked.pop(cause, None)

    def force_close(self, number: int, reason: str) -> None:
        """Close a trade because a person says so, whatever its exits say."""
        self._book.apply(CloseRequested(at=self._clock.now(), trade=number, reason=reason))

    cancel = force_close

    def release(self, number: int, reason: str) -> None:
        """Manage a quarantined trade again, because a person has looked."""
        self._book.apply(TradeReleased(at=self._clock.now(), trade=number, reason=reason))

    # ---- restart

    def restore(self, events: Iterable[AnyEvent]) -> None:
        """Rebuild every trade and order from the journal; the venue is asked about each order without a known end."""
        kept = tuple(events)
        self._book.restore(kept)
        running = {trade.number: trade for trade in self.active}
        for desk in self._desks():
            desk.executor.restore(event for event in kept if self._concerns(event, desk, running))
        if running:
            lost = sum(desk.executor.unresolved for desk in self._desks())
            logger.info("trades resumed count={} orders to ask the venue about={}", len(running), lost)

    def _concerns(self, event: AnyEvent, desk: Desk, running: dict[int, TradeLifecycle]) -> bool:
        if not isinstance(event, AnyOrderEvent | LegFilled):
            return False
        trade = running.get(ClientOrderId.parse(event.order).trade)
        return trade is not None and self._desk_of(trade) is desk

    # ---- the tick

    def tick(self, account: AccountSnapshot) -> None:
        """Look once at every order and every active trade."""
        if account.valid:
            self._blocked.pop("start", None)
        for desk in self._desks():
            desk.executor.step(account.now)
        for trade in self.active:
            self._guarded(trade, account)
        self._compare(account)
        for trade in self._book.unnotified:
            self._notify(trade)

    def _guarded(self, trade: TradeLifecycle, account: AccountSnapshot) -> None:
        try:
            self._manage(trade, account)
        except JournalError as error:
            self._alerts.alert(Severity.CRITICAL, "journal", f"{trade.id}: {error}", "nothing was sent; make the journal writable")
        except InvariantBroken as error:
            self.block_entries("invariant", f"our books contradict themselves: {error}")
            self._quarantine(trade, str(error))
        except Exception as error:  # noqa: BLE001 - tick boundary: one trade's failure must not stop the others
            logger.opt(exception=error).error("trade not managed id={}", trade.id)
            self._alerts.alert(Severity.CRITICAL, f"manage {trade.id}", f"{trade.id} could not be managed: {error!r}", "see the log")

    def _manage(self, trade: TradeLifecycle, account: AccountSnapshot) -> None:
        match trade.state:
            case S.PENDING_OPEN:
                self._book.apply(OpenStarted(at=account.now, trade=trade.number))
                self._open(self._book[trade.number], account)
            case S.OPENING:
                self._open(trade, account)
            case S.OPEN:
                self._hold(trade, account)
            case S.PENDING_CLOSE:
                self._make_way(trade, account)
            case S.CLOSING:
                self._leave(trade, account, Purpose.CLOSE)
            case S.UNWINDING:
                self._leave(trade, account, Purpose.UNWIND)
            case _:
                self._alerts.alert(
                    Severity.CRITICAL, f"quarantine {trade.id}", f"{trade.id} waits for a person: {trade.reason}", "--release or --close it"
                )

    def _open(self, trade: TradeLifecycle, account: AccountSnapshot) -> None:
        executor = self._desk_of(trade).executor
        steps = step(trade, Purpose.OPEN, self._orders(trade), account.quotes, account.now)
        spent = [f"{trade.legs[i].option.symbol}: {s.reason}" for i, s in enumerate(steps) if s.progress is Progress.EXHAUSTED]
        live = [order for order in self._orders(trade) if order.live]
        if spent:
            for order in live:
                executor.cancel(order.client_id)
            if not live:
                self._incomplete(trade, "; ".join(spent), account.now)
        elif trade.complete and not live:
            self._book.apply(OpenCompleted(at=account.now, trade=trade.number))
        else:
            self._perform(trade, Purpose.OPEN, steps, account)

    def _incomplete(self, trade: TradeLifecycle, reason: str, now: datetime) -> None:
        if all(leg.opened == 0 for leg in trade.legs):
            self._book.apply(OpenGivenUp(at=now, trade=trade.number, reason=reason))
            return
        kept = trade.params.when_incomplete is WhenIncomplete.HOLD and not trade.flat
        kind = PartKept if kept else UnwindStarted
        self._book.apply(kind(at=now, trade=trade.number, reason=reason))
        self._alerts.alert(
            Severity.WARNING,
            f"incomplete {trade.id}",
            f"{trade.id} opened in part ({reason}); it is {'kept and managed' if kept else 'unwound'}",
            "no action needed; see when_incomplete in the strategy",
        )

    def _hold(self, trade: TradeLifecycle, account: AccountSnapshot) -> None:
        trade = self._settled(trade, account.now)
        if trade.flat:
            self._book.apply(CloseCompleted(at=account.now, trade=trade.number))
            return
        self._mark(trade, account)
        reason = self._exits.reason_to_leave(self._book[trade.number], account)
        if reason is not None:
            self._book.apply(CloseRequested(at=account.now, trade=trade.number, reason=reason))

    def _make_way(self, trade: TradeLifecycle, account: AccountSnapshot) -> None:
        executor = self._desk_of(trade).executor
        live = [order for order in self._orders(trade) if order.live]
        for order in live:
            executor.cancel(order.client_id)
        if live:
            return
        if all(leg.opened == 0 for leg in trade.legs):
            self._book.apply(OpenGivenUp(at=account.now, trade=trade.number, reason=trade.reason))
        else:
            done = CloseCompleted if trade.flat else CloseStarted
            self._book.apply(done(at=account.now, trade=trade.number))

    def _leave(self, trade: TradeLifecycle, account: AccountSnapshot, purpose: Purpose) -> None:
        trade = self._settled(trade, account.now)
        orders = self._orders(trade)
        if trade.flat and not any(order.live for order in orders):
            self._book.apply(CloseCompleted(at=account.now, trade=trade.number))
            return
        clamps = None if trade.simulated else self._check.clamps(trade, account)
        steps = step(trade, purpose, orders, account.quotes, account.now, clamps)
        for index, each in enumerate(steps):
            if each.tripped:
                self._alerts.alert(
                    Severity.CRITICAL,
                    f"close attempts {trade.id}/{index}",
                    f"{trade.id} still cannot leave {trade.legs[index].option.symbol} ({each.reason or 'no fill'})",
                    "close it by hand at the venue, or wait: it is tried again every minute",
                )
        self._perform(trade, purpose, steps, account)

    def _perform(self, trade: TradeLifecycle, purpose: Purpose, steps: Sequence[LegStep], account: AccountSnapshot) -> None:
        executor = self._desk_of(trade).executor
        for each in steps:
            match each.action:
                case Cancel(client_id=name, why=why):
                    logger.info("order cancel id={} because {}", name, why)
                    executor.cancel(name)
                case Place() as place:
                    self._place(trade, purpose, place, account)

    def _place(self, trade: TradeLifecycle, purpose: Purpose, place: Place, account: AccountSnapshot) -> None:
        executor, option = self._desk_of(trade).executor, trade.legs[place.leg].option
        order = NewOrder(
            client_id=executor.next_id(self._desk, trade.number, place.leg, purpose),
            instrument=option,
            side=place.side,
            qty=place.qty,
            price=place.price,
            reduce_only=purpose.reduces,
        )
        quote = account.quotes.get(option.symbol)
        try:
            executor.submit(order, trade, None if quote is None else quote.underlying_price)
        except (RiskDenied, SizeRejected) as no:
            self._alerts.alert(Severity.WARNING, f"refused {trade.id}/{place.leg}", str(no), "the order was not sent")

    # ---- holding

    def _settled(self, trade: TradeLifecycle, now: datetime) -> TradeLifecycle:
        """Book what the venue settled of expired legs; legs with an order out wait until its end is known."""
        desk = self._desk_of(trade)
        for event in desk.settlements.settle(trade, now):
            if desk.executor.working(trade.number, event.leg) == 0:
                self._book.apply(event)
        return self._book[trade.number]

    def _mark(self, trade: TradeLifecycle, account: AccountSnapshot) -> None:
        profit = trade.profit(account, Basis.MARK)
        if profit is None or (trade.peak_profit is not None and profit <= trade.peak_profit):
            return
        last = self._peaked.get(trade.number)
        if last is None or account.now >= last + PEAK_EVERY:
            self._peaked[trade.number] = account.now
            self._book.apply(ProfitPeaked(at=account.now, trade=trade.number, profit=profit))
        else:
            self._book.keep(replace(trade, peak_profit=profit))

    def _compare(self, account: AccountSnapshot) -> None:
        holding = [t for t in self.active if not t.simulated and t.state is not S.QUARANTINED]
        quiet = [t for t in holding if t.state in (S.OPEN, S.PENDING_CLOSE) or self._live.executor.ledger.of(t.number)]
        for symbol, sentence in self._check.contradictions(quiet, account).items():
            for trade in quiet:
                if any(leg.held != 0 and leg.option.symbol == symbol for leg in trade.legs):
                    self._quarantine(trade, sentence)

    # ---- events

    def _filled(self, event: LegFilled) -> None:
        """Take a fill that the executor has journalled."""
        trade = self._book.get(event.trade)
        if trade is None:
            self._alerts.alert(
                Severity.CRITICAL, "foreign fill", f"fill {event.fill.id} names unknown trade {event.trade}", "see the journal"
            )
            return
        moved = self._book.book(event)
        if moved.state is S.QUARANTINED and trade.state is not S.QUARANTINED:
            logger.error("trade quarantined id={} by fill {}", moved.id, event.fill.id)

    def _quarantine(self, trade: TradeLifecycle, reason: str) -> None:
        try:
            self._book.apply(TradeQuarantined(at=self._clock.now(), trade=trade.number, reason=reason))
        except (InvalidTransition, JournalError) as error:
            self._book.set_aside(trade, f"{reason}; {error}")
        self._alerts.alert(
            Severity.CRITICAL, f"quarantine {trade.id}", f"{trade.id}: {reason}", "compare with the venue, then --release or --close"
        )

    def _notify(self, trade: TradeLifecycle) -> None:
        """Tell the listeners of an ended trade, once: the word is journalled before they are called."""
        try:
            self._book.apply(CloseNotified(at=self._clock.now(), trade=trade.number))
        except JournalError:
            return
        self._desk_of(trade).executor.forget(trade.number)
        self._exits.forget(trade.number)
        self._peaked.pop(trade.number, None)
        for callback in self._closed:
            callback(self._book[trade.number])

    def _desks(self) -> tuple[Desk, ...]:
        return (self._live,) if self._simulated is None else (self._live, self._simulated)

    def _desk_of(self, trade: TradeLifecycle) -> Desk:
        return self._simulated if trade.simulated and self._simulated is not None else self._live

    def _orders(self, trade: TradeLifecycle) -> tuple[OrderRecord, ...]:
        return self._desk_of(trade).executor.ledger.of(trade.number)
