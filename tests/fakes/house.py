"""A daemon's order path on a fake venue, ticked by hand, and what its books hold."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from clock import SimulatedClock
from domain import ZERO, AccountSnapshot, ExecutionMode, ExecutionParams, Option
from events import LegPlan, TradeCreated
from execution import Executor
from execution_desk import DeskRules, ExecutionDesk
from execution_log import ExecutionLog
from leg_orders import LegOrders
from lifecycle_manager import LifecycleManager
from limit_execution import LimitExecutor
from risk import RiskLimits
from settling import SettlementDesk
from trade_execution import Patience, TradeExecutor
from trade_lifecycle import TradeLifecycle
from trading_desk import Desk
from workers import Inbox, InlinePool

from tests.fakes.records import FakeAlerts, FakeJournal
from tests.fakes.values import SECOND, START, a_plan, a_quote, an_option
from tests.fakes.venue import FakeVenue


class House:
    """A daemon's order path on a fake venue: the real executor and manager, a simulated clock, inline workers."""

    def __init__(
        self,
        *,
        limits: RiskLimits | None = None,
        patience: Patience | None = None,
        simulated: bool = False,
        venue: FakeVenue | None = None,
        journal: FakeJournal | None = None,
        others: Sequence[Callable[[LegOrders], Executor]] = (),
        rules: DeskRules | None = None,
    ) -> None:
        self.others, self.rules = others, rules
        self.clock = venue.clock if venue is not None else SimulatedClock(START)
        self.venue = venue or FakeVenue(self.clock)
        self.journal = journal or FakeJournal()
        self.alerts = FakeAlerts()
        self.inbox = Inbox()
        self.limits, self.patience = limits, patience
        self.executor = self._executor(self.venue)
        self.rehearsal = FakeVenue(self.clock) if simulated else None
        self.manager = LifecycleManager(
            live=self._desk(self.executor, self.venue),
            simulated=None if self.rehearsal is None else self._desk(self._executor(self.rehearsal), self.rehearsal),
            journal=self.journal,
            clock=self.clock,
            alerts=self.alerts,
            next_number=1 + max((e.trade for e in self.journal.events if isinstance(e, TradeCreated)), default=0),
        )
        self.closed: list[TradeLifecycle] = []
        self.manager.on_closed(self.closed.append)
        self.manager.bind("test", ())
        if self.journal.events:
            self.manager.restore(self.journal.events)

    def _executor(self, venue: FakeVenue) -> TradeExecutor:
        pool = InlinePool(self.inbox)
        return TradeExecutor(
            gateway=venue,
            writes=pool,
            reads=pool,
            journal=self.journal,
            clock=self.clock,
            alerts=self.alerts,
            limits=self.limits,
            patience=self.patience,
        )

    def _desk(self, executor: TradeExecutor, venue: FakeVenue) -> Desk:
        log, orders = ExecutionLog(self.journal, self.clock), LegOrders(executor, self.alerts, 7)
        desk = ExecutionDesk(
            executor=executor,
            executors=[LimitExecutor(orders), *(make(orders) for make in self.others)],
            log=log,
            alerts=self.alerts,
            books=venue.books.get,
            rules=self.rules,
        )
        return Desk(executor, SettlementDesk(venue, InlinePool(self.inbox), self.alerts), desk, log)

    def restart(self) -> "House":
        """Die here; return a new daemon on the same venue and journal."""
        return House(
            limits=self.limits,
            patience=self.patience,
            simulated=self.rehearsal is not None,
            venue=self.venue,
            journal=self.journal,
            others=self.others,
            rules=self.rules,
        )

    def create(
        self,
        *legs: LegPlan,
        strategy: str = "test",
        params: ExecutionParams | None = None,
        simulated: bool = False,
        mode: ExecutionMode = ExecutionMode.LIMIT,
    ) -> TradeLifecycle:
        """Begin a trade whose strategy never wants to leave."""
        self.manager.bind(strategy, ())
        return self.manager.create(
            strategy=strategy, version="v1", legs=legs or (a_plan(),), mode=mode, params=params, reason="a test", simulated=simulated
        )

    def tick(self, times: int = 1, *, every: timedelta = SECOND, account: AccountSnapshot | None = None) -> None:
        """Let time pass and tick, as the daemon does: first what arrived, then a look at everything."""
        for _ in range(times):
            self.clock.advance(every)
            for message in self.inbox.take():
                message()
            self.manager.tick(replace(account, now=self.clock.now()) if account is not None else self.venue.snapshot())

    def trade(self, number: int = 1) -> TradeLifecycle:
        """The trade as it stands."""
        return next(trade for trade in self.manager.trades if trade.number == number)

    def opened(self, *legs: LegPlan, params: ExecutionParams | None = None) -> TradeLifecycle:
        """An open trade: its orders are filled at the venue as they come."""
        number = self.create(*legs, params=params).number
        for _ in range(6):
            self.tick()
            self.fill_all()
        return self.trade(number)

    def fill_all(self) -> None:
        """Fill whatever rests at the venue."""
        for name, order in list(self.venue.orders.items()):
            if not order.status.final:
                self.venue.execute(name)

    def show(self, *options: Option, bid: str = "99", ask: str = "101") -> None:
        """Quote options at the venue."""
        for option in options or (an_option(),):
            self.venue.show(a_quote(option, bid, ask, at=self.clock.now()))


def books_hold(trades: Sequence[TradeLifecycle]) -> Mapping[str, Decimal]:
    """What our trades hold together, without zeros."""
    total: dict[str, Decimal] = {}
    for trade in trades:
        for leg in trade.legs:
            total[leg.option.symbol] = total.get(leg.option.symbol, ZERO) + leg.held
    return {symbol: qty for symbol, qty in total.items() if qty != 0}
