"""Our account as last agreed with the venue, and the tick: the one thread that acts on it."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from loguru import logger

from clock import Clock, monotonic
from domain import AccountSnapshot, Option, Quote, Severity, unknown_account
from ports import AccountReader, Alerts, IoPool

_ALERT_AFTER = 3  # failed reads in a row
_SAID_AGAIN_AFTER = timedelta(minutes=5)


class AccountManager:
    """What we own and owe. An account that cannot be read is unknown, never empty and never worth zero."""

    def __init__(
        self, reader: AccountReader, pool: IoPool, clock: Clock, alerts: Alerts, *, max_age: timedelta = timedelta(seconds=30)
    ) -> None:
        self._reader, self._pool, self._clock, self._alerts, self._max_age = reader, pool, clock, alerts, max_age
        self._last: AccountSnapshot | None = None
        self._asked_at: datetime | None = None
        self._error = ""
        self.failures = 0

    def refresh(self) -> None:
        """Ask the venue on a worker, unless a question is out already that is not overdue."""
        now = self._clock.now()
        if self._asked_at is not None:
            if now - self._asked_at <= 2 * self._max_age:
                return
            self._failed(f"no answer within {(2 * self._max_age).total_seconds():g} s")
        self._asked_at = now
        self._pool.run(self._reader.read, self._answer)

    @property
    def told_at(self) -> datetime | None:
        """Return the source time of what we know of the account; None if it was never told."""
        return None if self._last is None else self._last.at

    def snapshot(self, now: datetime) -> AccountSnapshot:
        """Return the account judged at now: as the venue last told it, or invalid with the reason.

        Once the answer is too old its money is None (unknown); its positions stay to be seen, with `at` telling how old they are.
        """
        if self._last is None or self._last.at is None:
            return unknown_account(now, f"the venue has not told the account yet{self._error}")
        age = now - self._last.at
        if age <= self._max_age:
            return replace(self._last, now=now)
        reason = f"the account is {age.total_seconds():g} s old, at most {self._max_age.total_seconds():g} s{self._error}"
        return AccountSnapshot(valid=False, now=now, at=self._last.at, reason=reason, positions=self._last.positions)

    def _answer(self, result: AccountSnapshot | Exception) -> None:
        self._asked_at = None
        if isinstance(result, Exception):
            self._failed(str(result))
            return
        if not result.valid:
            self._failed(result.reason or "the venue's answer is not valid")
            return
        now = self._clock.now()
        at = now if result.at is None else min(result.at, now)
        if self._last is None or self._last.at is None or at >= self._last.at:
            self._last = replace(result, at=at)
        if self.failures > 0:
            logger.info("account read again failures={}", self.failures)
        self.failures, self._error = 0, ""

    def _failed(self, error: str) -> None:
        self.failures += 1
        self._error = f"; {error}"
        if self.failures == 1:
            logger.warning("account read failed error={}", error)
        if self.failures >= _ALERT_AFTER:
            message = f"the account could not be read {self.failures} times in a row: {error}"
            hint = "nothing is opened meanwhile; check the network, the venue's status and the API key"
            self._alerts.alert(Severity.CRITICAL, "account unknown", message, hint)


class TickInbox(Protocol):
    """Where other threads leave messages for the tick."""

    def take(self) -> Sequence[Callable[[], None]]: ...
    def wait(self, seconds: float, /) -> bool: ...
    def wake(self) -> None: ...


class QuoteSource(Protocol):
    """Where the tick finds the prices of what it watches; neither call waits."""

    def quotes(self, options: Iterable[Option], /) -> Mapping[str, Quote]: ...
    def refresh(self) -> None: ...


OnUpdate = Callable[[AccountSnapshot], object]
OptionsSupplier = Callable[[], Iterable[Option]]


class PositionMonitor:
    """The tick: takes what arrived, asks for what is due, and shows everyone who wants to know the account as of one moment.

    Everything it calls runs on its thread, one after the other. What fails is counted, logged, alerted and passed over; it stops
    neither its neighbours nor the tick.
    """

    def __init__(
        self,
        account: AccountManager,
        market: QuoteSource,
        inbox: TickInbox,
        clock: Clock,
        alerts: Alerts,
        *,
        poll_interval: timedelta = timedelta(seconds=5),
        tick_interval: timedelta = timedelta(seconds=1),
    ) -> None:
        self._account, self._market, self._inbox, self._clock = account, market, inbox, clock
        self._faults = _Faults(alerts)
        self._poll_interval, self._tick_interval = poll_interval, tick_interval
        self._poll_at: datetime | None = None
        self._callbacks: list[tuple[str, OnUpdate]] = []
        self._suppliers: list[tuple[str, OptionsSupplier]] = []
        self._snapshot = unknown_account(clock.now(), "the tick has not run yet")
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.ticks = 0
        self.last_tick_seconds = 0.0

    def on_update(self, callback: OnUpdate, name: str | None = None) -> None:
        """Call callback with the snapshot of every tick, after those that were registered before it."""
        self._callbacks.append((name or _name_of(callback), callback))

    def watch(self, options: OptionsSupplier, name: str | None = None) -> None:
        """Put the quotes of the options that the supplier names into every snapshot; it is asked on every tick."""
        self._suppliers.append((name or _name_of(options), options))

    def snapshot(self) -> AccountSnapshot:
        """Return what the last tick saw; safe from any thread."""
        return self._snapshot

    @property
    def failures(self) -> int:
        """Return how often something that the tick called has failed."""
        return self._faults.counts.total()

    @property
    def failures_by_name(self) -> Mapping[str, int]:
        """Return how often each has failed."""
        return dict(self._faults.counts)

    def tick(self) -> AccountSnapshot:
        """Do one round and return what it saw."""
        begun = monotonic()
        for message in self._inbox.take():
            self._guarded(f"message {_name_of(message)}", message)
        now = self._clock.now()
        if self._poll_at is None or now >= self._poll_at:
            self._poll_at = now + self._poll_interval
            self._guarded("account refresh", self._account.refresh)
        snapshot = replace(self._account.snapshot(now), quotes=self._quotes())
        self._snapshot = snapshot
        for name, callback in self._callbacks:
            self._guarded(name, partial(callback, snapshot))
        self.ticks += 1
        self.last_tick_seconds = monotonic() - begun
        return snapshot

    def run(self, stop: threading.Event) -> None:
        """Tick in this thread until stop is set: at once when something arrives, else once per tick interval."""
        while not stop.is_set():
            self._guarded("tick", self.tick)
            self._inbox.wait(self._clock.real_seconds(self._tick_interval))

    def start(self) -> None:
        """Tick in a thread of its own, until stop is called."""
        self._stop.clear()
        self._thread = threading.Thread(target=self.run, args=(self._stop,), name="tick", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> bool:
        """End the thread that start began; tell whether it ended within timeout, real seconds."""
        self._stop.set()
        self._inbox.wake()
        if self._thread is not None:
            self._thread.join(timeout)
        return self._thread is None or not self._thread.is_alive()

    def _quotes(self) -> Mapping[str, Quote]:
        watched: list[Option] = []
        for name, supplier in self._suppliers:
            self._guarded(name, partial(_gather, supplier, watched))
        self._guarded("market refresh", self._market.refresh)
        found: dict[str, Quote] = {}
        self._guarded("market quotes", lambda: found.update(self._market.quotes(watched)))
        return found

    def _guarded(self, name: str, call: Callable[[], object]) -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - tick boundary: counted, logged, alerted; the rest of the tick goes on
            self._faults.add(name, error, self._clock.now())
        else:
            self._faults.clear(name)


class _Faults:
    """What failed in the tick, how often, and when a person was last told."""

    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts
        self._said_at: dict[str, datetime] = {}
        self._said: set[str] = set()
        self.counts: Counter[str] = Counter()

    def add(self, name: str, error: Exception, now: datetime) -> None:
        """Count a failure; log it with its trace the first time, and again while it lasts, but not on every tick."""
        self.counts[name] += 1
        said_at = self._said_at.get(name)
        if said_at is None or now - said_at >= _SAID_AGAIN_AFTER:
            self._said_at[name] = now
            self._said.add(name)
            logger.opt(exception=error).error("tick part failed name={} failures={}", name, self.counts[name])
        message = f"{name} has failed {self.counts[name]} times in the tick, now with {type(error).__name__}: {error}"
        self._alerts.alert(Severity.CRITICAL, f"tick: {name}", message, "what it does is not being done; see the log for the trace")

    def clear(self, name: str) -> None:
        """Note that it went well this time."""
        if name in self._said:
            self._said.remove(name)
            logger.info("tick part recovered name={} failures={}", name, self.counts[name])


def _gather(supplier: OptionsSupplier, into: list[Option]) -> None:
    into.extend(supplier())


def _name_of(call: object) -> str:
    """Return how a function or method is called in its source; for other callables, how they describe themselves."""
    while isinstance(call, partial):  # whose own description would print every argument
        call = call.func
    return str(getattr(call, "__qualname__", call))
