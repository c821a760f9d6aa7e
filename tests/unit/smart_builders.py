"""A bench for the smart executor: the real order path and records of one trade over a fake venue, stepped by hand, and killed at will."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from clock import SimulatedClock
from domain import ZERO, ExecutionMode, ExecutionParams, LeggingPolicy, OrderStatus, Purpose, QuotingStrategy, Side, SmartExecConfig
from events import CloseRequested, CloseStarted, ExecutionEnded, ExecutionMoved, LegFilled, LegPlan, OpenCompleted, OpenStarted
from execution import Advance, Progress, Scene
from execution_log import ExecutionLog, Run
from leg_orders import LegOrders
from multileg_orderbook import SmartExecResult, SmartExecution, SmartOrderbookExecutor
from risk import RiskLimits
from trade_book import TradeBook
from trade_execution import TradeExecutor
from trade_lifecycle import TradeLifecycle
from workers import Inbox, InlinePool

from tests.fakes import START, FakeAlerts, FakeJournal, FakeVenue, VenueOrder, a_created, a_plan, a_quote, an_option

LOW, MID, HIGH = an_option(60000), an_option(70000), an_option(80000)
BUTTERFLY = (a_plan(LOW, Side.BUY, "0.2"), a_plan(MID, Side.SELL, "0.4"), a_plan(HIGH, Side.BUY, "0.2"))
STRANGLE = (a_plan(LOW, Side.BUY, "0.2"), a_plan(HIGH, Side.BUY, "0.2"))
ONE = (a_plan(LOW, Side.BUY, "0.4"),)
# The example of the documents (CT-73).
EXAMPLE = SmartExecConfig(
    chunk_count=2,
    time_per_chunk=20,
    quoting_strategy=QuotingStrategy.MID,
    reprice_interval=10,
    reprice_price_threshold=Decimal("0.1"),
    min_order_qty=Decimal("0.01"),
    aggressive_attempts=10,
    aggressive_wait_seconds=5.0,
    aggressive_retry_pause=1.0,
)
SINGLE = replace(EXAMPLE, chunk_count=1)


class Bench:
    """One trade in smart execution, and the venue's own truth beside it."""

    def __init__(
        self,
        *legs: LegPlan,
        config: SmartExecConfig = EXAMPLE,
        legging: LeggingPolicy | None = None,
        shortest: timedelta = timedelta(0),
        limits: RiskLimits | None = None,
    ) -> None:
        self.clock = SimulatedClock(START)
        self.venue, self.journal, self.alerts = FakeVenue(self.clock), FakeJournal(), FakeAlerts()
        self.shortest, self.limits = shortest, limits
        self.clamps: Mapping[str, Decimal] | None = None
        self.urgent = False
        self.late: dict[tuple[int, Purpose], Decimal] = {}
        for leg in legs:
            self.show(leg)
        self._build()
        params = ExecutionParams(smart=config, legging=legging or LeggingPolicy())
        self.book.create(a_created(*legs, params=params))
        self.book.apply(OpenStarted(at=START, trade=1))
        self.purpose = Purpose.OPEN
        self.execution = self.begin()

    def _build(self) -> None:
        self.inbox = Inbox()
        pool = InlinePool(self.inbox)
        self.executor = TradeExecutor(
            gateway=self.venue,
            writes=pool,
            reads=pool,
            journal=self.journal,
            clock=self.clock,
            alerts=self.alerts,
            limits=self.limits,
        )
        self.book, self.log = TradeBook(self.journal, 1), ExecutionLog(self.journal, self.clock)
        self.executor.listen(self.booked)
        self.smart = SmartOrderbookExecutor(LegOrders(self.executor, self.alerts, 7), self.shortest)

    def booked(self, event: LegFilled) -> None:
        """Believe a fill that is journalled."""
        self.book.book(event)
        self.log.take(event)

    def begin(self) -> SmartExecution:
        """Begin a run for what is missing now."""
        scene = self.scene()
        self.log.begin(1, self.purpose, ExecutionMode.SMART, "a test", scene.pictures())
        self.execution = self.smart.begin(scene, self.run)
        return self.execution

    # ---- what stands

    @property
    def trade(self) -> TradeLifecycle:
        """The trade as its fills have made it."""
        return self.book[1]

    @property
    def run(self) -> Run:
        """The record of the present execution."""
        run = self.log.last(1)
        assert run is not None
        return run

    def scene(self) -> Scene:
        """What a step sees now."""
        return Scene(
            account=self.venue.snapshot(),
            trade=self.trade,
            purpose=self.purpose,
            books=self.venue.books,
            clamps=self.clamps,
            urgent=self.urgent,
        )

    @property
    def moves(self) -> list[tuple[int, str]]:
        """Chunk and stage, as journalled."""
        return [(event.number, event.stage) for event in self.run.written(ExecutionMoved)]

    def resting(self) -> list[VenueOrder]:
        """What rests at the venue."""
        return [order for order in self.venue.orders.values() if not order.status.final]

    def sent(self, leg: int) -> list[tuple[Decimal, Decimal]]:
        """Coins and price of every order of the present purpose that the venue received for a leg."""
        return [
            (order.qty, order.price)
            for order in self.venue.received
            if (order.client_id.leg, order.client_id.purpose) == (leg, self.purpose)
        ]

    def traded(self, leg: int) -> Decimal:
        """Coins of a leg that the venue executed for the present purpose."""
        return self.venue.executed(1, leg, self.purpose)

    def outstanding(self, leg: int) -> Decimal:
        """Coins of a leg that the venue executed or may still execute for the present purpose."""
        mine = [order for order in self.resting() if (order.new.client_id.leg, order.new.client_id.purpose) == (leg, self.purpose)]
        return self.traded(leg) + sum((order.new.qty - order.filled for order in mine), ZERO)

    # ---- what happens

    def show(self, leg: LegPlan, bid: str | None = "99", ask: str | None = "101", mark: str | None = "100") -> None:
        """Quote a leg at the venue."""
        self.venue.show(a_quote(leg.option, bid, ask, mark=mark, at=self.clock.now()))

    def hide(self, leg: LegPlan) -> None:
        """Take a leg's quote away."""
        self.venue.quotes.pop(leg.option.symbol, None)

    def step(self) -> Advance:
        """One second passes; what arrived is taken, the order path looks, the execution steps."""
        self.clock.advance(timedelta(seconds=1))
        for message in self.inbox.take():
            message()
        self.executor.step(self.clock.now())
        return self.execution.step(self.scene())

    def steps(self, seconds: int) -> Advance:
        """So many steps, or fewer if it ends."""
        advance = self.step()
        for _ in range(seconds - 1):
            if advance.progress is not Progress.WORKING:
                break
            advance = self.step()
        return advance

    def finish(self, seconds: int = 600) -> SmartExecResult:
        """Step to the end, take everything back, and return the result."""
        advance = self.steps(seconds)
        assert advance.progress is not Progress.WORKING, advance.reason
        while not self.execution.cancel(advance.reason):
            self.clock.advance(timedelta(seconds=1))
            for message in self.inbox.take():
                message()
            self.executor.step(self.clock.now())
        self.run.write(ExecutionEnded, success=advance.progress is Progress.DONE, reason=advance.reason)
        return self.execution.result(advance)

    def fill_all(self, *legs: int) -> None:
        """Fill what rests, of some legs or all."""
        for order in self.resting():
            if not legs or order.new.client_id.leg in legs:
                self.venue.execute(order.new.client_id)

    def fill(self, leg: int, qty: str) -> None:
        """Fill a part of what rests of a leg."""
        order = next(order for order in self.resting() if order.new.client_id.leg == leg)
        self.venue.execute(order.new.client_id, qty)

    def late_fill(self, order: int, qty: str) -> None:
        """The venue matches an order that it had already called final, counted as it received them; it tells when trades are read next."""
        before = list(self.venue.orders.values())[order]
        status = before.status
        if status.final:
            before.status = OrderStatus.NEW
        name = before.new.client_id
        done = self.venue.execute(name, qty)
        self.late[name.leg, name.purpose] = self.late.get((name.leg, name.purpose), ZERO) + (done if status.final else ZERO)
        if status.final:
            before.status = status

    def kill(self) -> None:
        """Die, and come back with nothing but the journal and the venue."""
        events = list(self.journal.events)
        self._build()
        self.book.restore(events)
        self.executor.restore(events)
        self.log.restore(events)
        self.execution = self.smart.begin(self.scene(), self.run)

    def close(self) -> None:
        """The opening is complete: begin to leave."""
        now = self.clock.now()
        self.book.apply(OpenCompleted(at=now, trade=1))
        self.book.apply(CloseRequested(at=now, trade=1, reason="a test"))
        self.book.apply(CloseStarted(at=now, trade=1))
        self.purpose = Purpose.CLOSE
        self.begin()


def opened(*legs: LegPlan, config: SmartExecConfig = EXAMPLE, legging: LeggingPolicy | None = None) -> Bench:
    """A bench whose trade was opened in full by crossing, and is now to be closed."""
    at_once = replace(config, time_per_chunk=0)
    bench = Bench(*legs, config=at_once, legging=legging)
    assert bench.finish().success
    bench.book.keep(replace(bench.trade, params=replace(bench.trade.params, smart=config)))
    bench.close()
    return bench
