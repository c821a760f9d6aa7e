"""A house that puts one trade to makers: the real order path, block desk and execution over fakes, driven second by second."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import TypeVar

from block_trades import BlockDesk
from clock import SimulatedClock
from domain import ZERO, ExecutionMode, ExecutionParams, Fill, Purpose, Quote, RFQParams
from events import CloseRequested, CloseStarted, LegFilled, LegPlan, OpenCompleted, OpenStarted, TradeEvent
from execution import Advance, Execution, Progress, Scene
from execution_desk import ExecutionDesk
from execution_log import ExecutionLog
from order_ledger import OrderRecord
from rfq import Makers, RFQExecution, RFQExecutor, RFQResult
from risk import RiskLimits
from settling import SettlementDesk
from trade_execution import TradeExecutor
from trade_lifecycle import advance, created
from trading_desk import Desk
from workers import Inbox, InlinePool

from tests.fakes import START, FakeAlerts, FakeJournal, FakeVenue, a_created, a_quote, an_account
from tests.unit.rfq_venue import FakeRFQVenue

T = TypeVar("T")


class Pool:
    """An inline pool that can be stopped: `held` keeps what it is given undone, as by a worker that never came to it before a death."""

    def __init__(self, inbox: Inbox) -> None:
        self._inline = InlinePool(inbox)
        self.held = False
        self._waiting: list[Callable[[], None]] = []

    def run(self, work: Callable[[], T], done: Callable[[T | Exception], None], /) -> None:
        """Do the work now, or keep it."""
        if self.held:
            self._waiting.append(lambda: self._inline.run(work, done))
        else:
            self._inline.run(work, done)

    def release(self) -> None:
        """Do what was kept."""
        self.held = False
        for each in self._waiting:
            each()
        self._waiting.clear()


class RFQHouse:
    """One trade put to makers: the real order path, block desk and execution, over fakes; `restart` is a death and a new life."""

    def __init__(
        self,
        *legs: LegPlan,
        rfq: RFQParams | None = None,
        close: bool = False,
        limits: RiskLimits | None = None,
        before: "RFQHouse | None" = None,
    ) -> None:
        self.clock: SimulatedClock = SimulatedClock(START) if before is None else before.clock
        self.account: FakeVenue = FakeVenue(self.clock) if before is None else before.account
        self.venue: FakeRFQVenue = FakeRFQVenue(self.clock, self.account) if before is None else before.venue
        self.journal: FakeJournal = FakeJournal() if before is None else before.journal
        self.alerts: FakeAlerts = FakeAlerts() if before is None else before.alerts
        self.quotes: dict[str, Quote] = {} if before is None else before.quotes
        self.purpose = Purpose.CLOSE if close else Purpose.OPEN
        self.limits = limits
        self.inbox = Inbox()
        self.pool = Pool(self.inbox)
        self.urgent = self.blind = False
        self._wire()
        self._begin(legs, rfq) if before is None else self._recover()
        self.listened: list[LegFilled] = []
        self.last = Advance(progress=Progress.WORKING)

    def _wire(self) -> None:
        self.executor = TradeExecutor(
            gateway=self.account,
            writes=self.pool,
            reads=self.pool,
            journal=self.journal,
            clock=self.clock,
            alerts=self.alerts,
            limits=self.limits,
        )
        self.executor.listen(self._filled)
        self.log = ExecutionLog(self.journal, self.clock)
        self.blocks = BlockDesk(
            gateway=self.venue,
            executor=self.executor,
            log=self.log,
            writes=self.pool,
            reads=self.pool,
            clock=self.clock,
            alerts=self.alerts,
            desk=7,
        )
        makers = Makers(gateway=self.venue, directory=self.venue, blocks=self.blocks, writes=self.pool, reads=self.pool)
        self.rfq = RFQExecutor(makers, self.clock, self.alerts)
        executions = ExecutionDesk(executor=self.executor, executors=[self.rfq], log=self.log, alerts=self.alerts, books=lambda _: None)
        settlements = SettlementDesk(self.account, self.pool, self.alerts)
        self.desk = Desk(self.executor, settlements, executions, self.log, self.blocks, self.rfq.watch)

    def _begin(self, legs: tuple[LegPlan, ...], rfq: RFQParams | None) -> None:
        born = a_created(*legs, params=ExecutionParams(rfq=rfq or RFQParams()))
        self.journal.append(born)
        self.trade = created(born)
        for leg in self.trade.legs:
            self.show(leg.option.symbol, "99", "101")
        self.happen(OpenStarted(at=START, trade=1))
        if self.purpose is Purpose.CLOSE:
            for index, leg in enumerate(self.trade.legs):
                fill = Fill(
                    id=f"o{index}",
                    order_id=f"x{index}",
                    symbol=leg.option.symbol,
                    side=leg.side,
                    qty=leg.target,
                    price=Decimal(100),
                    fee=ZERO,
                    at=START,
                )
                self.happen(LegFilled(at=START, trade=1, leg=index, order=f"ct-0007-1-{index}-o-1", fill=fill))
                self.account.held[leg.option.symbol] = leg.side.sign * leg.target
            self.happen(OpenCompleted(at=START, trade=1))
            self.happen(CloseRequested(at=START, trade=1, reason="a test"))
            self.happen(CloseStarted(at=START, trade=1))
        self.run = self.log.begin(1, self.purpose, ExecutionMode.RFQ, "a test", self.scene().pictures())
        self.execution: Execution = self.rfq.begin(self.scene(), self.run)

    def _recover(self) -> None:
        born, *rest = (event for event in self.journal.events if isinstance(event, TradeEvent))
        self.trade = created(born)  # type: ignore[arg-type]
        for event in rest:
            self.trade = advance(self.trade, event)
        trades = {self.trade.number} if self.trade.active else set()
        self.desk.restore(self.journal.events, trades, {self.trade.number})
        run = self.log.last(1)
        if run is not None:  # else the trade has ended
            self.run = run
            self.execution = self.rfq.begin(self.scene(), run)

    def happen(self, event: TradeEvent) -> None:
        """Journal and take an event of the trade."""
        self.journal.append(event)
        self.trade = advance(self.trade, event)

    def _filled(self, event: LegFilled) -> None:
        self.listened.append(event)
        self.trade = advance(self.trade, event)
        self.log.take(event)

    def show(self, symbol: str, bid: str | None, ask: str | None) -> None:
        """Set the best prices of one leg."""
        option = next(leg.option for leg in self.trade.legs if leg.option.symbol == symbol)
        self.quotes[symbol] = a_quote(option, bid, ask, at=self.clock.now())

    def scene(self) -> Scene:
        """What a step sees now."""
        account = an_account(*self.quotes.values(), now=self.clock.now())
        clamps = (
            {leg.option.symbol: leg.outstanding for leg in self.trade.legs} if self.purpose is Purpose.CLOSE and not self.blind else None
        )
        return Scene(account=account, trade=self.trade, purpose=self.purpose, books={}, clamps=clamps, urgent=self.urgent)

    def restart(self) -> "RFQHouse":
        """Die here, with all that is on its way; return the next life."""
        return RFQHouse(close=self.purpose is Purpose.CLOSE, limits=self.limits, before=self)

    def look(self) -> None:
        """Let a second pass and let everything but the execution look."""
        self.clock.advance(timedelta(seconds=1))
        self.inbox.drain()
        self.executor.step(self.clock.now())
        self.blocks.step(self.clock.now())
        self.rfq.watch.step(self.clock.now())

    def tick(self, times: int = 1) -> Advance:
        """Let seconds pass; each looks at everything once, until the execution has ended."""
        for _ in range(times):
            self.look()
            self.step()
        return self.last

    def step(self) -> None:
        """Let the execution look, until it has ended."""
        if self.last.progress is Progress.WORKING:
            self.last = self.execution.step(self.scene())

    def until(self, done: Callable[[], object], most: int = 200) -> None:
        """Tick until something is so."""
        for _ in range(most):
            if done():
                return
            self.tick()
        raise AssertionError(f"not in {most} ticks: {self.last}")

    def records(self) -> tuple[OrderRecord, ...]:
        """The trade's orders."""
        return self.executor.ledger.of(1)

    @property
    def result(self) -> RFQResult:
        """What the execution did."""
        assert isinstance(self.execution, RFQExecution)
        return self.execution.result(self.last)

    def books_agree(self) -> bool:
        """Whether our books hold what the venue holds."""
        return all(self.account.held.get(leg.option.symbol, ZERO) == leg.held for leg in self.trade.legs)
