"""The tick: it asks, tells everybody the same, and goes on whatever fails in it; and its thread."""

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial

import pytest
from loguru import logger

from account_manager import AccountManager, PositionMonitor
from clock import SimulatedClock, SystemClock, monotonic
from domain import AccountSnapshot, Option, Severity
from workers import Inbox, InlinePool

from tests.unit.account_desk import Desk, FakeAccount, FakeMarket
from tests.unit.chains import NOW, an_option
from tests.unit.market_fakes import FakeAlerts

S = timedelta(seconds=1)
PATIENCE = 10.0


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def log() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), format="{level} {message}", diagnose=False, backtrace=False)
    yield lines
    logger.remove(sink)


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
