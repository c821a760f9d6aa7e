"""The account is known or it says why not; the tick goes on, whatever fails in it."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TypeVar

import pytest
from loguru import logger

from account_manager import AccountManager, PositionMonitor
from clock import SimulatedClock, SystemClock, monotonic
from domain import AccountSnapshot, Option, PositionSnapshot, Quote, Settlement, Severity, Side
from errors import ExchangeUnavailable
from workers import Inbox, InlinePool

from tests.unit.chains import NOW, a_quote, an_option

T = TypeVar("T")
S = timedelta(seconds=1)
PATIENCE = 10.0
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


DOWN = ExchangeUnavailable("fake", "read", "connection refused")


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


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def log() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), format="{level} {message}", diagnose=False, backtrace=False)
    yield lines
    logger.remove(sink)


# ---- the account


def test_an_account_that_was_never_told_is_unknown(desk: Desk) -> None:
    snapshot = desk.snapshot()

    assert not snapshot.valid
    assert snapshot.equity is None
    assert snapshot.reason == "the venue has not told the account yet"


def test_what_the_venue_told_is_shown_as_of_the_moment_of_decision(desk: Desk) -> None:
    desk.read()
    desk.clock.advance(7 * S)

    snapshot = desk.snapshot()

    assert snapshot.valid
    assert snapshot.equity == 10_000
    assert snapshot.age == 7 * S


def test_zero_equity_is_told_if_the_venue_says_so(desk: Desk) -> None:
    desk.venue.equity = Decimal(0)
    desk.read()

    assert desk.snapshot().valid
    assert desk.snapshot().equity == 0


def test_l39_an_outage_is_unknown_and_never_empty(desk: Desk) -> None:
    desk.read()
    desk.venue.down = DOWN
    desk.clock.advance(30 * S)
    desk.read()
    assert desk.snapshot().valid  # a failed read does not spoil an answer that is still fresh
    desk.clock.advance(S)

    snapshot = desk.snapshot()

    assert not snapshot.valid
    assert snapshot.reason == "the account is 31 s old, at most 30 s; fake read: connection refused"
    assert snapshot.equity is None
    assert snapshot.positions == (LONG,)
    assert snapshot.age == 31 * S


def test_l39_a_venue_that_never_answers_is_unknown_with_its_error(desk: Desk) -> None:
    desk.venue.down = DOWN
    desk.read()

    assert desk.snapshot().reason == "the venue has not told the account yet; fake read: connection refused"


def test_an_answer_that_calls_itself_invalid_is_a_failed_read(desk: Desk) -> None:
    desk.venue.valid = False
    desk.read()

    assert "not valid" in desk.snapshot().reason
    assert desk.account.failures == 1


def test_repeated_failure_calls_a_person_and_an_answer_ends_it(desk: Desk) -> None:
    desk.venue.down = DOWN
    desk.read()
    desk.read()
    assert desk.alerts.raised == []
    desk.read()

    ((severity, cause, message),) = desk.alerts.raised
    assert (severity, cause) == (Severity.CRITICAL, "account unknown")
    assert message == "the account could not be read 3 times in a row: fake read: connection refused"
    desk.venue.down = None
    desk.read()
    assert desk.account.failures == 0
    assert desk.snapshot().valid


def test_an_answer_older_than_the_last_does_not_displace_it(desk: Desk) -> None:
    desk.read()
    desk.venue.at, desk.venue.equity = NOW - 10 * S, Decimal(1)
    desk.read()

    assert desk.snapshot().equity == 10_000


def test_an_answer_from_the_future_is_as_old_as_its_receipt(desk: Desk) -> None:
    desk.venue.at = NOW + timedelta(hours=1)
    desk.read()

    assert desk.snapshot().at == NOW


def test_one_question_is_out_at_a_time_and_an_overdue_one_is_asked_again() -> None:
    clock, pool, alerts = SimulatedClock(NOW), HeldPool(), FakeAlerts()
    account = AccountManager(FakeAccount(clock), pool, clock, alerts)
    account.refresh()
    clock.advance(60 * S)
    account.refresh()
    assert len(pool.held) == 1
    clock.advance(S)
    account.refresh()

    assert len(pool.held) == 2
    assert account.snapshot(clock.now()).reason.endswith("no answer within 60 s")
    pool.finish()
    assert account.snapshot(clock.now()).valid


# ---- the tick


def test_before_the_first_tick_nothing_is_known(desk: Desk) -> None:
    assert desk.monitor.snapshot().reason == "the tick has not run yet"


def test_a_tick_asks_and_the_next_one_knows(desk: Desk) -> None:
    assert not desk.monitor.tick().valid
    assert desk.monitor.tick().valid
    assert desk.monitor.snapshot().valid


def test_the_account_is_asked_for_at_its_interval(desk: Desk) -> None:
    for _ in range(12):
        desk.monitor.tick()
        desk.clock.advance(S)

    assert desk.venue.reads == 3


def test_callbacks_are_called_in_order_with_the_same_snapshot(desk: Desk) -> None:
    seen: list[tuple[str, AccountSnapshot]] = []
    for name in ("first", "second"):
        desk.monitor.on_update(partial(lambda name, snapshot: seen.append((name, snapshot)), name))

    snapshot = desk.monitor.tick()

    assert seen == [("first", snapshot), ("second", snapshot)]


def test_watched_options_come_with_quotes(desk: Desk) -> None:
    desk.monitor.watch(lambda: [an_option()])
    desk.monitor.watch(lambda: [an_option(95_000)])

    assert set(desk.monitor.tick().quotes) == {an_option().symbol, an_option(95_000).symbol}


def test_the_market_is_refreshed_on_every_tick(desk: Desk) -> None:
    desk.monitor.tick()
    desk.monitor.tick()

    assert desk.market.refreshed == 2


def failing(_: object = None) -> list[Option]:
    raise ValueError("boom")


def test_one_failing_callback_does_not_stop_its_neighbours(desk: Desk, log: list[str]) -> None:
    seen: list[AccountSnapshot] = []
    desk.monitor.on_update(failing, "exits")
    desk.monitor.on_update(seen.append)

    desk.monitor.tick()

    assert len(seen) == 1
    assert desk.monitor.failures_by_name == {"exits": 1}
    assert desk.alerts.raised == [
        (Severity.CRITICAL, "tick: exits", "exits has failed 1 times in the tick, now with ValueError: boom"),
    ]
    assert "ERROR tick part failed name=exits failures=1" in log[0]
    assert "Traceback" in log[0]


def test_a_callback_that_keeps_failing_is_counted_each_time_and_logged_now_and_then(desk: Desk, log: list[str]) -> None:
    desk.monitor.on_update(failing, "exits")
    for _ in range(301):
        desk.monitor.tick()
        desk.clock.advance(S)

    assert desk.monitor.failures == 301
    assert len([line for line in log if "exits" in line]) == 2


def test_a_callback_that_works_again_is_told_once(desk: Desk, log: list[str]) -> None:
    desk.monitor.on_update(lambda _: failing() if desk.monitor.ticks < 2 else None, "exits")
    for _ in range(5):
        desk.monitor.tick()

    assert [line for line in log if "recovered" in line] == ["INFO tick part recovered name=exits failures=2\n"]


@pytest.mark.parametrize(
    ("break_it", "name"),
    [
        (lambda desk: desk.inbox.put(failing), "message failing"),
        (lambda desk: desk.inbox.put(partial(failing, "secret")), "message failing"),
        (lambda desk: desk.monitor.watch(failing), "failing"),
        (lambda desk: setattr(desk.market, "fault", ValueError("boom")), "market quotes"),
    ],
)
def test_whatever_fails_is_counted_and_the_tick_goes_on(desk: Desk, break_it: Callable[[Desk], None], name: str) -> None:
    seen: list[AccountSnapshot] = []
    desk.monitor.on_update(seen.append)
    break_it(desk)

    desk.monitor.tick()

    assert desk.monitor.failures_by_name == {name: 1}
    assert len(seen) == 1


def test_l46_a_failing_supplier_leaves_the_others_their_quotes(desk: Desk) -> None:
    desk.monitor.watch(failing)
    desk.monitor.watch(lambda: [an_option()])

    assert set(desk.monitor.tick().quotes) == {an_option().symbol}


def test_ticks_are_counted_and_timed(desk: Desk) -> None:
    desk.monitor.tick()
    desk.monitor.tick()

    assert desk.monitor.ticks == 2
    assert 0 < desk.monitor.last_tick_seconds < PATIENCE


# ---- its thread


@pytest.fixture
def running() -> Iterator[tuple[PositionMonitor, Inbox]]:
    """A monitor in its own thread whose next tick is an hour away."""
    clock, alerts, inbox = SystemClock(), FakeAlerts(), Inbox()
    account = AccountManager(FakeAccount(clock), InlinePool(), clock, alerts)
    monitor = PositionMonitor(account, FakeMarket(), inbox, clock, alerts, tick_interval=timedelta(hours=1))
    monitor.start()
    yield monitor, inbox
    assert monitor.stop(PATIENCE)


def test_a_message_wakes_the_tick_at_once(running: tuple[PositionMonitor, Inbox]) -> None:
    called, threads = threading.Event(), list[str]()

    def message() -> None:
        threads.append(threading.current_thread().name)
        called.set()

    running[1].put(message)

    assert called.wait(PATIENCE)
    assert threads == ["tick"]


def test_stopping_does_not_wait_for_the_next_tick(running: tuple[PositionMonitor, Inbox]) -> None:
    begun = monotonic()

    assert running[0].stop(PATIENCE)
    assert monotonic() - begun < PATIENCE / 2


def test_a_monitor_that_was_never_started_is_stopped(desk: Desk) -> None:
    assert desk.monitor.stop()


def test_ticks_follow_market_time_at_any_speed() -> None:
    clock, alerts, inbox, stop = SystemClock(speed=3600), FakeAlerts(), Inbox(), threading.Event()
    account = AccountManager(FakeAccount(clock), InlinePool(), clock, alerts)
    monitor = PositionMonitor(account, FakeMarket(), inbox, clock, alerts, tick_interval=timedelta(seconds=30))
    monitor.on_update(lambda _: stop.set() if monitor.ticks == 3 else None)

    monitor.run(stop)

    assert monitor.ticks == 4


def test_a_tick_that_fails_as_a_whole_is_not_the_last() -> None:
    clock, alerts, inbox, stop = SimulatedClock(NOW), FakeAlerts(), Inbox(), threading.Event()

    class Brittle(AccountManager):
        def snapshot(self, now: datetime) -> AccountSnapshot:
            if monitor.failures == 0:
                raise ValueError("boom")
            return super().snapshot(now)

    account = Brittle(FakeAccount(clock), InlinePool(), clock, alerts)
    monitor = PositionMonitor(account, FakeMarket(), inbox, clock, alerts)
    monitor.on_update(lambda _: stop.set())

    monitor.run(stop)

    assert monitor.failures_by_name == {"tick": 1}
