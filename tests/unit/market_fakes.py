"""What account and market are read from: a venue that can be down, slow of clock or stuck, and workers that wait for the test's word."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from clock import SimulatedClock
from domain import Chain, Level, Option, OrderBook, Severity
from errors import ExchangeUnavailable
from market_data import Cadence, MarketData
from workers import InlinePool

from tests.unit.chains import NOW, a_chain, a_quote

T = TypeVar("T")
S = timedelta(seconds=1)
DOWN = ExchangeUnavailable("fake", "read", "connection refused")


class HeldPool:
    """A pool whose work is done when the test says so."""

    def __init__(self) -> None:
        self.held: list[Callable[[], None]] = []

    def run(self, work: Callable[[], T], done: Callable[[T | Exception], None], /) -> None:
        self.held.append(lambda: InlinePool().run(work, done))

    def finish(self) -> None:
        held, self.held = self.held, []
        for each in held:
            each()


class FakeAlerts:
    def __init__(self) -> None:
        self.raised: list[tuple[Severity, str, str]] = []

    def alert(self, severity: Severity, cause: str, message: str, hint: str) -> None:
        self.raised.append((severity, cause, message))


class FakeReader:
    """A venue that answers with its present; it can be down, slow of clock, or stuck."""

    def __init__(self, clock: SimulatedClock) -> None:
        self.clock = clock
        self.calls: list[str] = []
        self.down: Exception | None = None
        self.lag = timedelta(0)
        self.stuck_at: datetime | None = None
        self.price = Decimal(100_000)
        self.walks = True
        self.late: Option | None = None
        self.listed: Sequence[Option] = [quote.option for quote in a_chain().quotes]

    def _answer(self, call: str) -> datetime:
        self.calls.append(call)
        if self.down is not None:
            raise self.down
        if self.walks:
            self.price += 1
        return (self.stuck_at or self.clock.now()) - self.lag

    def instruments(self, underlying: str, /) -> Sequence[Option]:
        self._answer(f"instruments {underlying}")
        return self.listed

    def chain(self, underlying: str, listed: Sequence[Option], expiry: datetime | None = None, /) -> Chain:
        at = self._answer(f"chain {underlying} {'all' if expiry is None else expiry.date()}")
        quotes = [
            a_quote(option, at=at - (31 * S if option == self.late else 0 * S)) for option in listed if expiry in (None, option.expiry)
        ]
        return Chain(underlying, at, self.price, tuple(quotes))

    def book(self, symbol: str, /) -> OrderBook:
        at = self._answer(f"book {symbol}")
        return OrderBook(symbol=symbol, at=at, bids=(Level(self.price, Decimal(1)),))

    def index(self, underlying: str, /) -> tuple[Decimal, datetime]:
        at = self._answer(f"index {underlying}")
        return self.price, at


class Desk:
    """Market data over a fake venue; `at_once` answers within the call, otherwise the test lets the workers finish."""

    def __init__(self, *, at_once: bool = False, frozen_after: timedelta | None = timedelta(minutes=10)) -> None:
        self.clock = SimulatedClock(NOW)
        self.reader = FakeReader(self.clock)
        self.pool = HeldPool()
        self.alerts = FakeAlerts()
        pool = InlinePool() if at_once else self.pool
        self.market = MarketData(self.reader, pool, self.clock, self.alerts, Cadence(frozen_after=frozen_after))

    def live(self, span: timedelta, step: timedelta = S) -> None:
        """Let time pass in steps, with a tick and instant workers at each."""
        end = self.clock.now() + span
        while self.clock.now() < end:
            self.clock.advance(step)
            self.market.refresh()
            self.pool.finish()
