"""Calling a person: once for a cause, with what happened and what to do, in the log, in the journal and to whoever listens.

One rule: an alert never raises and never hides another cause.
"""

import re
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from loguru import logger

from clock import Clock
from domain import Severity
from errors import JournalError
from events import AlertRaised
from ports import JournalWriter

Listener = Callable[[AlertRaised], None]
_RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}
_LEVEL = {Severity.INFO: "INFO", Severity.WARNING: "WARNING", Severity.CRITICAL: "CRITICAL"}
# What was done, and not a state that lasts: each time it is news, so it is neither held back nor counted with the last one.
_ACT = re.compile(r"kill switch( flat| not flat)?|strategy \S+ paused")
# Causes that name a symbol or an order are many over the months; those that have cooled down are forgotten beyond this number.
_REMEMBERED = 500


@dataclass(slots=True)
class _Told:
    """When a cause was last told, how urgently, until when it cools down, and how often it has been held back since."""

    at: datetime
    severity: Severity
    until: datetime
    held_back: int = 0


class AlertDesk:
    """Where every part of the program raises alerts; safe from any thread.

    The same cause is told again only after its cool-down (market time, counted from when it was last told, so that a cause which
    never stops is still told once each cool-down), or at once if it has become more urgent. A cool-down that runs is never
    shortened: not by a shorter one, not by an alert that is held back, and not by a record that cannot be written.
    What was done has no cool-down: a kill switch that is thrown again minutes after it was withdrawn is told again.
    """

    def __init__(self, journal: JournalWriter | None, clock: Clock, cooldown: timedelta, keep: int = 50) -> None:
        """Journal None keeps no record; `cooldown` is for causes that name none; `keep` is how many alerts `recent` holds."""
        self._journal, self._clock, self._cooldown = journal, clock, cooldown
        self._turn = threading.Lock()
        self._told: dict[str, _Told] = {}
        self._recent: deque[AlertRaised] = deque(maxlen=keep)
        self._listeners: list[Listener] = []

    def alert(self, severity: Severity, cause: str, message: str, hint: str, *, cooldown: timedelta | None = None) -> None:
        """Tell a person; the same cause is not repeated within its cool-down (None: the desk's). Never raises."""
        now = self._clock.now()
        with self._turn:
            held_back = 0 if is_act(cause) else self._admitted(severity, cause, now, self._cooldown if cooldown is None else cooldown)
            if held_back is None:
                return
            if held_back > 0:
                message = f"{message} (and {held_back} more since it was last told)"
            seconds = None if cooldown is None else cooldown.total_seconds()
            raised = AlertRaised(at=now, severity=severity, cause=cause, message=message, hint=hint, cooldown_seconds=seconds)
            self._recent.append(raised)
            listeners = tuple(self._listeners)
        _log(raised)
        self._record(raised)
        for listener in listeners:
            _inform(listener, raised)

    def subscribe(self, listener: Listener) -> None:
        """Call listener with every alert that is told, on the thread that raised it; one that fails is logged, the others are called."""
        with self._turn:
            self._listeners.append(listener)

    @property
    def recent(self) -> tuple[AlertRaised, ...]:
        """The last alerts that were told, oldest first."""
        with self._turn:
            return tuple(self._recent)

    def _admitted(self, severity: Severity, cause: str, now: datetime, cooldown: timedelta) -> int | None:
        """Return how many of the cause were held back, if it is to be told now; None if it is held back too."""
        told = self._told.get(cause)
        if told is not None and now < told.until and _RANK[severity] <= _RANK[told.severity]:
            told.until = max(told.until, told.at + cooldown)
            told.held_back += 1
            return None
        if len(self._told) >= _REMEMBERED:
            self._told = {name: past for name, past in self._told.items() if now < past.until}
        until = now + cooldown
        self._told[cause] = _Told(now, severity, until if told is None else max(until, told.until))
        return 0 if told is None else told.held_back

    def _record(self, raised: AlertRaised) -> None:
        if self._journal is None:
            return
        try:
            self._journal.append(raised)
        except JournalError as error:
            logger.error("alert not journalled", cause=raised.cause, because=str(error))


def is_act(cause: str) -> bool:
    """Tell whether a cause names something that was done, which is told each time, and not a state that lasts."""
    return _ACT.fullmatch(cause) is not None


def _log(raised: AlertRaised) -> None:
    logger.log(_LEVEL[raised.severity], "alert: {}", raised.message, cause=raised.cause, hint=raised.hint)


def _inform(listener: Listener, raised: AlertRaised) -> None:
    try:
        listener(raised)
    except Exception as error:  # noqa: BLE001 - somebody else's code: whoever raises an alert must get back to work
        logger.error("alert listener failed", listener=getattr(listener, "__qualname__", repr(listener)), because=repr(error))
