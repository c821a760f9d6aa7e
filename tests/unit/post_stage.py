"""An order path that posts in batches: a venue that takes, loses or refuses them, and workers that wait for a word."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from domain import ClientOrderId, NewOrder, Side
from errors import AuthenticationRejected, OutcomeUnknown, VenueError
from order_ledger import OrderRecord
from ports import BatchSent
from trade_execution import TradeExecutor
from workers import Inbox, InlinePool

from tests.fakes import SECOND, FakeVenue, House, a_name, a_plan, an_option, an_order

T = TypeVar("T")
CALL = an_option()
NO_GRANT = AuthenticationRejected("fake", "batch", "this account is no market maker")


class FakeBatches:
    """Batches on a fake venue. `no` refuses the whole request, `mute` tells only to `ask` whose is which, `deaf` not even then.

    `lose` acts and stays silent, `lie` acts and refuses all, `drop` never arrives, `no_rows` refuses each row for want of the right.
    """

    def __init__(self, venue: FakeVenue) -> None:
        self._venue = venue
        self.sent: list[list[ClientOrderId]] = []
        self.cancelled: list[list[ClientOrderId]] = []
        self.no: VenueError | None = None
        self.mute = self.deaf = self.lose = self.lie = self.drop = self.no_rows = False

    def send_many(self, orders: Sequence[NewOrder], /) -> BatchSent:
        self.sent.append([order.client_id for order in orders])
        self._fail(acted=False)
        if self.no_rows:
            return BatchSent([NO_GRANT] * len(orders))
        known = [self._row(order) for order in orders]
        self._fail(acted=True)
        if not self.mute:
            return BatchSent(known)
        unknown = [OutcomeUnknown("fake", "batch", "which is whose is not told")] * len(orders)
        return BatchSent(unknown, lambda: unknown if self.deaf else known)

    def cancel_many(self, client_ids: Sequence[ClientOrderId], /) -> Sequence[VenueError | None]:
        self.cancelled.append([*client_ids])
        self._fail(acted=False)
        answers = [self._cancel(name) for name in client_ids]
        self._fail(acted=True)
        return answers

    def _fail(self, *, acted: bool) -> None:
        if self.no is not None:
            raise self.no
        if acted and self.lie:
            raise NO_GRANT
        if self.lose if acted else self.drop:
            raise OutcomeUnknown("fake", "batch", "read timed out")

    def _row(self, order: NewOrder) -> str | VenueError:
        try:
            return self._venue.submit(order)
        except VenueError as error:
            return error

    def _cancel(self, name: ClientOrderId) -> VenueError | None:
        try:
            self._venue.cancel(name)
        except VenueError as error:
            return error
        return None


class HeldPool:
    """Workers that have not begun: the test lets them, one by one or all."""

    def __init__(self, inbox: Inbox) -> None:
        self._inner, self.jobs = InlinePool(inbox), list[Callable[[], None]]()

    def run(self, work: Callable[[], T], done: Callable[[T | Exception], None], /) -> None:
        self.jobs.append(lambda: self._inner.run(work, done))

    def go(self) -> None:
        while self.jobs:
            self.jobs.pop(0)()


class Stage:
    """Three trades of one leg, an order path that posts in batches, and workers that wait for a word."""

    def __init__(self, trades: int = 3) -> None:
        self.house = House()
        for _ in range(trades):
            self.house.create(a_plan(CALL, Side.SELL, "1"))
        self.venue, self.alerts, self.journal = self.house.venue, self.house.alerts, self.house.journal
        self.batches = FakeBatches(self.venue)
        self.begin()

    def begin(self) -> None:
        """Begin a life: what an earlier one left on its workers and in its inbox is gone."""
        inbox = self.house.inbox
        inbox.take()
        self.writes, self.urgent, self.reads = HeldPool(inbox), HeldPool(inbox), HeldPool(inbox)
        self.executor = TradeExecutor(
            gateway=self.venue,
            writes=self.writes,
            urgent=self.urgent,
            reads=self.reads,
            journal=self.journal,
            clock=self.house.clock,
            alerts=self.alerts,
        )
        self.executor.post.together(self.batches)
        self.executor.restore(self.journal.events)

    @property
    def names(self) -> list[ClientOrderId]:
        return [a_name(trade=trade.number) for trade in self.house.manager.trades]

    def open_all(self, *, flush: bool = True) -> None:
        """Decide one opening order for each trade, in one tick."""
        for trade in self.house.manager.trades:
            self.executor.submit(an_order(a_name(trade=trade.number)), trade)
        if flush:
            self.executor.post.flush()

    def work(self) -> None:
        """Let every worker do what it has, and the tick hear of it."""
        while self.writes.jobs or self.urgent.jobs or self.reads.jobs:
            for pool in (self.writes, self.urgent, self.reads):
                pool.go()
            self.house.inbox.drain()

    def go(self, seconds: int = 1) -> None:
        for _ in range(seconds):
            self.house.clock.advance(SECOND)
            self.executor.step(self.house.clock.now())
            self.executor.post.flush()
            self.work()

    def record(self, number: int) -> OrderRecord:
        found = self.executor.ledger.get(a_name(trade=number))
        assert found is not None
        return found

    def numbers(self) -> list[str | None]:
        return [self.record(name.trade).order_id for name in self.names]
