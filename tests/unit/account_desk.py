"""An account manager and its tick over an account that can be down and a market with a fault."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from account_manager import AccountManager, PositionMonitor
from clock import SimulatedClock, SystemClock
from domain import AccountSnapshot, Option, PositionSnapshot, Quote, Settlement, Side
from workers import Inbox, InlinePool

from tests.unit.chains import NOW, a_quote
from tests.unit.market_fakes import FakeAlerts

LONG = PositionSnapshot(symbol="BTCUSD-27MAR26-100000-C", side=Side.BUY, qty=Decimal("0.1"), avg_price=Decimal(500))


class FakeAccount:
    """An account at a venue that can be down, or answer with an old or invalid state."""

    def __init__(self, clock: SimulatedClock | SystemClock) -> None:
        self.clock = clock
        self.down: Exception | None = None
        self.valid = True
        self.at: datetime | None = None
        self.equity = Decimal(10_000)
        self.reads = 0

    def read(self) -> AccountSnapshot:
        self.reads += 1
        if self.down is not None:
            raise self.down
        now = self.clock.now()
        return AccountSnapshot(valid=self.valid, now=now, at=self.at or now, equity=self.equity, positions=(LONG,))

    def settlements(self, since: datetime, /) -> Sequence[Settlement]:
        return ()


class FakeMarket:
    """Quotes for everything, or a fault."""

    def __init__(self) -> None:
        self.fault: Exception | None = None
        self.refreshed = 0

    def refresh(self) -> None:
        self.refreshed += 1

    def quotes(self, options: Iterable[Option], /) -> Mapping[str, Quote]:
        if self.fault is not None:
            raise self.fault
        return {option.symbol: a_quote(option) for option in options}


class Desk:
    """An account manager and its tick over fakes."""

    def __init__(self) -> None:
        self.clock = SimulatedClock(NOW)
        self.venue = FakeAccount(self.clock)
        self.alerts = FakeAlerts()
        self.inbox = Inbox()
        self.market = FakeMarket()
        self.account = AccountManager(self.venue, InlinePool(self.inbox), self.clock, self.alerts)
        self.monitor = PositionMonitor(self.account, self.market, self.inbox, self.clock, self.alerts)

    def read(self) -> None:
        self.account.refresh()
        self.inbox.drain()

    def snapshot(self) -> AccountSnapshot:
        return self.account.snapshot(self.clock.now())
