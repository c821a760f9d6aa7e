"""The dead man's switch: the venue cancels the account's open orders unless we say in time that we live.

Its one rule: a countdown that may run at the venue is reset until it is known to be ended, and whoever is silent too long calls a person
before the venue acts. It cancels every open order of an underlying on the account, other people's too, so it is used only where the user
asks for it. Setting and resetting do the same however often they arrive: what was lost is sent again, one request at a time for each.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial

from loguru import logger

from clock import Clock
from domain import Severity
from errors import AuthenticationRejected, ExchangeRejected, TimestampRejected
from ports import Alerts, DeadMan, IoPool

OFF = timedelta(0)


class OnStop(StrEnum):
    """What a clean stop does about countdowns: end them, so that orders stay; or let them run out, so that the venue cancels all."""

    DISARM = "disarm"
    LEAVE = "leave"


@dataclass(slots=True)
class _Guard:
    """The countdown of one underlying as far as we know.

    `since` when it was first wanted; `sent` when the last request that the venue confirmed left us, from which its span counts at the
    earliest; `touched` whether the venue may have one; `asking` while a request is under way.
    """

    since: datetime
    wanted: bool = True
    armed: bool = False
    touched: bool = False
    refused: bool = False
    asking: bool = False
    late: bool = False
    sent: datetime | None = None
    again_at: datetime | None = None

    def rests(self, now: datetime) -> bool:
        """Tell whether nothing is to be asked now."""
        return self.asking or self.refused or (self.again_at is not None and now < self.again_at)


class DeadManSwitch:
    """Keeps the venue's countdown running for each underlying in use; all methods run on the tick thread."""

    def __init__(
        self,
        port: DeadMan,
        pool: IoPool,
        clock: Clock,
        alerts: Alerts,
        span: timedelta,
        underlyings: Callable[[], Collection[str]],
    ) -> None:
        """Take how long the venue waits (market time), and which underlyings are in use; raise ValueError for a span not above zero.

        A reset leaves every third of the span; one that hangs for 30 s must still leave room for another, so a minute is a good least.
        """
        if span <= OFF:
            raise ValueError(f"a countdown lasts longer than {span}")
        self._port, self._pool, self._clock, self._alerts = port, pool, clock, alerts
        self._span, self._underlyings = span, underlyings
        self._guards: dict[str, _Guard] = {}
        self._off = False
        self._stopped: OnStop | None = None

    @property
    def armed(self) -> tuple[str, ...]:
        """The underlyings whose countdown the venue has confirmed."""
        return tuple(sorted(name for name, guard in self._guards.items() if guard.armed))

    @property
    def off(self) -> bool:
        """Whether the account may not use it, so that nothing guards its orders."""
        return self._off

    @property
    def busy(self) -> bool:
        """Whether an answer is waited for; after a stop the inbox is emptied until there is none, or patience ends."""
        return any(guard.asking for guard in self._guards.values())

    def step(self, now: datetime) -> None:
        """Arm what has come into use, reset what is due, end what is no longer in use; call a person about what is late."""
        if self._off or self._stopped is not None:
            return
        self._look(now)
        due = [name for name, guard in self._guards.items() if guard.armed and guard.wanted and self._is_due(guard, now)]
        if due:
            self._reset(due, now)
        for name, guard in list(self._guards.items()):
            if not (guard.armed and guard.wanted) and not guard.rests(now):
                self._set(name, guard, now)
        for name, guard in self._guards.items():
            self._warn(name, guard, now)

    def elapsed(self, underlying: str) -> None:
        """Take note that the venue refuses orders of an underlying because its countdown ran out; the next step arms it again."""
        guard = self._guards.get(underlying)
        if guard is not None and guard.armed:
            self._lapse(underlying, guard)

    def stop(self, on_stop: OnStop) -> None:
        """Reset nothing any more; end every countdown that may run at the venue, or leave them to run out. Returns at once."""
        self._stopped = on_stop
        for name, guard in list(self._guards.items()):
            guard.wanted = False
            if on_stop is OnStop.DISARM and guard.touched and not guard.asking:
                self._set(name, guard, self._clock.now())
        if on_stop is OnStop.LEAVE and self.armed:
            logger.warning("countdown left to run out underlyings={} span={}", ",".join(self.armed), self._span)

    # ---- what is wanted

    def _look(self, now: datetime) -> None:
        wanted = frozenset(self._underlyings())
        for name in wanted - self._guards.keys():
            self._guards[name] = _Guard(since=now)
        for name, guard in list(self._guards.items()):
            if guard.wanted != (name in wanted):
                guard.wanted, guard.since, guard.again_at = name in wanted, now, None
                guard.sent = guard.sent if guard.armed else None
            if not guard.wanted and not guard.touched and not guard.asking:
                del self._guards[name]

    def _is_due(self, guard: _Guard, now: datetime) -> bool:
        return not guard.rests(now) and (guard.sent is None or now - guard.sent >= self._span / 3)

    # ---- what is asked

    def _set(self, name: str, guard: _Guard, now: datetime) -> None:
        """Arm one, or disarm it where it is not wanted."""
        span = self._span if guard.wanted else OFF
        guard.asking = guard.touched = True
        guard.armed = guard.armed and guard.wanted  # a disarming whose answer is lost may have been done
        self._pool.run(partial(self._port.set_countdown, name, span), partial(self._on_set, name, span, now))

    def _reset(self, names: Sequence[str], now: datetime) -> None:
        for name in names:
            self._guards[name].asking = True
        self._pool.run(partial(self._port.reset_countdown, tuple(names)), partial(self._on_reset, tuple(names), now))

    # ---- what came of it

    def _on_set(self, name: str, span: timedelta, sent: datetime, result: Exception | None) -> None:
        guard = self._guards.get(name)
        if guard is None:  # the account may not use it, another answer said so
            return
        guard.asking = False
        if isinstance(result, Exception):
            self._fail([name], result, setting=True)
        elif span == OFF:
            logger.info("countdown ended underlying={}", name)
            guard.armed = guard.touched = False
            guard.sent = guard.again_at = None
        else:
            logger.info("countdown armed underlying={} span={}", name, self._span)
            guard.armed = True
            self._confirm(name, guard, sent)
        self._go_on_stopping(name, guard, result if span == OFF else None)

    def _on_reset(self, names: Sequence[str], sent: datetime, result: Sequence[str] | Exception) -> None:
        guards = {name: guard for name in names if (guard := self._guards.get(name)) is not None}
        for guard in guards.values():
            guard.asking = False
        if isinstance(result, Exception):
            self._fail(list(guards), result, setting=False)
        else:
            for name, guard in guards.items():
                in_time = guard.sent is not None and sent - guard.sent < self._span
                if name in result and in_time:
                    self._confirm(name, guard, sent)
                else:
                    self._lapse(name, guard)
        for name, guard in guards.items():
            self._go_on_stopping(name, guard, None)

    def _go_on_stopping(self, name: str, guard: _Guard, failure: Exception | None) -> None:
        """After a stop: end what was under way when it came; where that failed already it is a person's matter."""
        if self._stopped is not OnStop.DISARM or self._off or not guard.touched or guard.refused:
            return
        if failure is None:
            self._set(name, guard, self._clock.now())
            return
        self._alerts.alert(
            Severity.WARNING,
            f"countdown not ended {name}",
            f"the countdown of {name} could not be ended at the stop ({failure}): the venue cancels every open order of it"
            f" within {self._span}",
            "look at the open orders at the venue; end the countdown there, or start the daemon again",
        )

    def _confirm(self, name: str, guard: _Guard, sent: datetime) -> None:
        if guard.late:
            logger.info("countdown confirmed again underlying={}", name)
        guard.sent, guard.late, guard.again_at = sent, False, None

    def _lapse(self, name: str, guard: _Guard) -> None:
        guard.armed, guard.again_at = False, None
        if self._stopped is None:
            self._alerts.alert(
                Severity.CRITICAL,
                f"countdown elapsed {name}",
                f"the venue's countdown of {name} ran out, or somebody ended it: every open order of {name} on the account may be"
                " cancelled; it is armed again now",
                "compare the open orders at the venue; orders of ours are looked up and placed again as their trades need them",
            )

    def _fail(self, names: Sequence[str], error: Exception, *, setting: bool) -> None:
        """Judge an answer that is none: out of order for good, refused for one underlying, or to be tried again."""
        now = self._clock.now()
        for name in names:
            guard = self._guards[name]
            if guard.again_at is None:  # the first of a row
                logger.warning("countdown not confirmed underlying={} reason={}", name, error)
            guard.again_at = now + self._span / 12
            match error:
                case AuthenticationRejected() if not isinstance(error, TimestampRejected):
                    self._switch_off(error)
                    return
                case ExchangeRejected() if not isinstance(error, TimestampRejected):
                    self._refuse(name, guard, error, setting=setting)
                case _:
                    continue

    def _switch_off(self, error: Exception) -> None:
        running = self.armed
        self._off = True
        self._guards.clear()
        self._alerts.alert(
            Severity.CRITICAL if running else Severity.WARNING,
            "countdown not allowed",
            f"the venue does not let this account use countdowns: nothing cancels its orders if this daemon dies ({error})"
            + (f"; those of {', '.join(running)} run out and take all open orders with them" if running else ""),
            "ask the venue for market-maker access, or unset TRADER_COUNTDOWN_SECONDS",
        )

    def _refuse(self, name: str, guard: _Guard, error: Exception, *, setting: bool) -> None:
        """Set what cannot be reset; where it cannot be set either, give it up."""
        if not setting:
            guard.armed, guard.again_at = False, None
            return
        ran = guard.sent is not None
        guard.refused, guard.armed = True, False
        self._alerts.alert(
            Severity.CRITICAL if ran else Severity.WARNING,
            f"countdown refused {name}",
            f"the venue refuses a countdown of {name}: nothing cancels its orders if this daemon dies ({error})"
            + ("; the one that runs takes all open orders with it when it ends" if ran else ""),
            "the message holds the venue's reason; it is not asked again until a restart",
        )

    # ---- who is told

    def _warn(self, name: str, guard: _Guard, now: datetime) -> None:
        """Call a person, once until it is confirmed again, when two thirds of a span went by without a confirmation."""
        last = guard.sent or guard.since
        if guard.late or guard.refused or not guard.wanted or now - last < self._span * 2 / 3:
            return
        guard.late = True
        told = f"was last confirmed at {last:%H:%M:%S}" if guard.sent is not None else f"could not be armed since {last:%H:%M:%S}"
        ends = f": the venue cancels every open order of {name} at {last + self._span:%H:%M:%S}" if guard.sent is not None else ""
        self._alerts.alert(
            Severity.CRITICAL,
            f"countdown {name}",
            f"the countdown of {name} {told}{ends}",
            "network, status of the venue, key and clock; it is tried again by itself",
        )
