"""A house whose account is shared with others, and is compared with the venue at every round: builders and switches for its stories."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from domain import ZERO, AccountSnapshot, ClientOrderId, Difference, Fill, OrderReport, OrderStatus, Side
from events import DifferenceEnded, DifferenceFound
from reconciliation import Reconciler
from rounds import Rhythm
from trade_execution import TradeExecutor
from workers import InlinePool

from tests.fakes import SECOND, FakeJournal, FakeVenue, House, a_name, an_option

RHYTHM = Rhythm(interval=timedelta(seconds=20))


class SharedVenue(FakeVenue):
    """A venue on whose account others trade too. `fail_reads`: calls that fail alone; `flapping`: lists everything and nothing by turns."""

    def __init__(self, house_clock: FakeVenue) -> None:
        super().__init__(house_clock.clock)
        self.foreign: dict[str, OrderReport] = {}
        self.fail_reads: set[str] = set()
        self.flapping = False
        self._turn = 0

    def others_order(self, order_id: str = "o1", *, desk: int | None = None, symbol: str | None = None) -> None:
        """Somebody else rests an order; with a desk, another installation of this program."""
        name = None if desk is None else ClientOrderId(desk=desk, trade=1, leg=0, purpose=a_name().purpose, attempt=1)
        self.foreign[order_id] = OrderReport(
            client_id=name,
            order_id=order_id,
            symbol=symbol or an_option().symbol,
            side=Side.SELL,
            qty=Decimal(2),
            filled=ZERO,
            status=OrderStatus.NEW,
            price=Decimal(150),
        )

    def others_hold(self, change: str, symbol: str | None = None) -> None:
        """Somebody else trades: what the account holds changes."""
        symbol = symbol or an_option().symbol
        self.options.setdefault(symbol, an_option())
        self.held[symbol] = self.held.get(symbol, ZERO) + Decimal(change)

    def late_fill(self, name: ClientOrderId, qty: str, fill_id: str = "late") -> None:
        """An order of ours turns out to have filled more than was ever told."""
        order = self.orders[name]
        symbol, side = order.new.instrument.symbol, order.new.side
        row = Fill(
            id=fill_id,
            order_id=order.order_id,
            symbol=symbol,
            side=side,
            qty=Decimal(qty),
            price=Decimal(100),
            fee=ZERO,
            at=self.clock.now(),
        )
        self.rows.append(row)
        self.held[symbol] = self.held.get(symbol, ZERO) + side.sign * row.qty

    def open_orders(self) -> Sequence[OrderReport]:
        """List ours and others'."""
        self._failing("open_orders")
        self._turn += 1
        listed = (*super().open_orders(), *self.foreign.values())
        return () if self.flapping and self._turn % 2 == 0 else listed

    def fills(self, since: object, /) -> Sequence[Fill]:
        """List the trades, or fail alone."""
        self._failing("fills")
        return super().fills(since)  # type: ignore[arg-type]

    def _failing(self, call: str) -> None:
        if call in self.fail_reads:
            held, self.reads_fail = self.reads_fail, True
            try:
                self._before_read(call)
            finally:
                self.reads_fail = held


class SharedHouse(House):
    """A daemon's order path on a shared account, with its reconciler."""

    shared: SharedVenue
    path: TradeExecutor

    def __init__(self, venue: SharedVenue | None = None, journal: FakeJournal | None = None, rhythm: Rhythm = RHYTHM) -> None:
        if venue is None:
            venue = SharedVenue(House().venue)
        self.shared, self.rhythm = venue, rhythm
        super().__init__(venue=venue, journal=journal)
        self.path = self.executor
        kept = tuple(self.journal.events)
        pool = InlinePool(self.inbox)
        self.reconciler = Reconciler(
            desk=7,
            gateway=venue,
            path=self.path,
            lifecycle=self.manager,
            reads=pool,
            cancels=pool,
            journal=self.journal,
            clock=self.clock,
            alerts=self.alerts,
            rhythm=rhythm,
        )
        self.reconciler.restore(kept)

    def _executor(self, venue: FakeVenue) -> TradeExecutor:
        pool = InlinePool(self.inbox)
        return TradeExecutor(gateway=venue, writes=pool, reads=pool, journal=self.journal, clock=self.clock, alerts=self.alerts)

    def restart(self) -> "SharedHouse":
        """Die here; return a new daemon on the same venue and journal."""
        return SharedHouse(self.shared, self.journal, self.rhythm)

    def tick(self, times: int = 1, *, every: timedelta = SECOND, account: AccountSnapshot | None = None) -> None:
        """Tick as the daemon does: the trades first, then the comparison."""
        for _ in range(times):
            self.clock.advance(every)
            for message in self.inbox.take():
                message()
            seen = self.shared.snapshot() if account is None else replace(account, now=self.clock.now())
            self.manager.tick(seen)
            self.reconciler.step(seen)

    def closed_trade(self) -> ClientOrderId:
        """A trade that was opened, closed and forgotten; return the name of its closing order."""
        self.opened()
        self.manager.force_close(1, "a person")
        for _ in range(8):
            self.tick()
            self.fill_all()
        self.tick(3)
        assert not self.trade().active
        assert self.executor.ledger.of(1) == ()
        return max((name for name in self.venue.orders if name.purpose.reduces), key=lambda name: name.attempt)

    def standing(self) -> list[Difference]:
        """The kinds that stand."""
        return [found.kind for found in self.reconciler.standing]

    def found(self, kind: Difference) -> list[DifferenceFound]:
        """What was journalled as found."""
        return [event for event in self.journal.events if isinstance(event, DifferenceFound) and event.kind is kind]

    def ended(self, kind: Difference) -> list[DifferenceEnded]:
        """What was journalled as over."""
        return [event for event in self.journal.events if isinstance(event, DifferenceEnded) and event.kind is kind]


def journal_of(events: object) -> FakeJournal:
    journal = FakeJournal()
    journal.events = list(events)  # type: ignore[call-overload]
    return journal


def a_quoted_house() -> SharedHouse:
    """A house at whose venue the option is quoted."""
    house = SharedHouse()
    house.show()
    return house
