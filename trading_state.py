"""What the account may do at this moment: the strictest of all causes that stand, each kept by name until it is taken back.

One rule: whoever named a cause takes it back, or a person does; nothing else loosens anything, neither time, nor a restart, nor a later
and milder cause, nor a rule that has lost sight of what it watches. Tightening is believed even where it cannot be written; it is
written as soon as that is possible. Loosening is written first.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from loguru import logger

from clock import Clock
from domain import Severity, TradingState, Verdict
from errors import JournalError
from events import AccountStateChanged, AnyEvent
from ports import Alerts, JournalWriter

PERSON, KILL_SWITCH, JOURNAL = "a person", "kill switch", "journal"
OWN_WORDS = {PERSON: "--activate", KILL_SWITCH: "--withdraw-kill", JOURNAL: "--acknowledge"}  # what takes these causes back
_ACTIVE = TradingState.ACTIVE
Listener = Callable[[Verdict], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why the account may not do everything: who named it, what it demands, why, and since when."""

    name: str
    state: TradingState
    reason: str
    since: datetime

    def __str__(self) -> str:
        return f"{self.name}: {self.state} since {self.since:%Y-%m-%d %H:%M:%S} UTC ({self.reason})"


class TradingStates:
    """All standing causes, and the state that follows from them."""

    def __init__(self, journal: JournalWriter, clock: Clock, alerts: Alerts) -> None:
        self._journal, self._clock, self._alerts = journal, clock, alerts
        self._causes: dict[str, Cause] = {}
        self._overruled: set[str] = set()
        self._unwritten: list[AccountStateChanged] = []
        self._listeners: list[Listener] = []
        self._told = Verdict(ok=True)

    # ---- what everybody sees

    @property
    def state(self) -> TradingState:
        """Return what the account may do: the strictest that any standing cause demands."""
        return max((cause.state for cause in self._causes.values()), key=lambda state: state.strictness, default=_ACTIVE)

    @property
    def causes(self) -> tuple[Cause, ...]:
        """Return the standing causes, oldest first."""
        return tuple(self._causes.values())

    @property
    def entries(self) -> Verdict:
        """Tell whether trades may be begun as far as the account's state goes, and if not, every reason."""
        return Verdict(not self._causes, "; ".join(f"the account is {cause.state}: {cause.reason}" for cause in self._causes.values()))

    def on_change(self, listener: Listener) -> None:
        """Tell listener `entries`, now and whenever it changes."""
        self._listeners.append(listener)
        listener(self.entries)

    # ---- what a person says

    def order(self, state: TradingState, reason: str) -> None:
        """Tighten or loosen a person's own cause; active takes it back, and leaves those of the rules. JournalError: not loosened."""
        if state is _ACTIVE:
            self._lift(PERSON, PERSON, reason)
        else:
            self._set(PERSON, state, reason)

    def overrule(self, cause: str, reason: str) -> None:
        """Take back a rule's cause because a person says so; the rule does not name it again before it has seen all well in between.

        Raises KeyError for a cause that does not stand, ValueError for one that has a word of its own (OWN_WORDS); JournalError.
        """
        if cause in OWN_WORDS:
            raise ValueError(f"{cause}: {OWN_WORDS[cause]} takes it back, and nothing overrules it")
        if cause not in self._causes:
            raise KeyError(cause)
        self._lift(cause, PERSON, reason)

    def activate(self, reason: str) -> tuple[Cause, ...]:
        """Take back a person's own cause and return what still holds the account, oldest first. Raises JournalError, nothing changed."""
        self.order(_ACTIVE, reason)
        return self.causes

    # ---- what rules say

    def rule(self, name: str) -> "Rule":
        """Return the hold of the rule so named: it can tighten by its own cause, and loosen no other. Raises ValueError for a person's."""
        if name == PERSON:
            raise ValueError(f"no rule is {PERSON}")
        return Rule(self, name)

    # ---- restart, and the tick

    def restore(self, events: Iterable[AnyEvent]) -> None:
        """Take up every cause as the journal left it."""
        for event in events:
            if isinstance(event, AccountStateChanged):
                self._believe(event)
        for cause in self._causes.values():
            logger.warning("account state restored {}", cause)
        self._tell()

    def step(self) -> None:
        """Write what could not be written before; once a tick."""
        with suppress(JournalError):  # it was told when it could not be written first
            self._write_waiting()

    # ---- one cause

    def _set(self, name: str, state: TradingState, reason: str) -> None:
        standing = self._causes.get(name)
        if standing is not None and standing.state is state:
            return
        event = AccountStateChanged(at=self._clock.now(), state=state, by=name, cause=name, reason=reason)
        if standing is not None and state.strictness < standing.state.strictness:  # a person's halt becomes a person's reducing
            self._write_loosening(event)
        else:
            self._write_when_possible(event)
        self._believe(event)
        logger.warning("account {} cause={} because {}", self.state, name, reason)
        self._tell()

    def _lift(self, name: str, by: str, reason: str) -> None:
        if name not in self._causes:
            return
        event = AccountStateChanged(at=self._clock.now(), state=_ACTIVE, by=by, cause=name, reason=reason)
        self._write_loosening(event)
        self._believe(event)
        logger.info("account {} cause lifted={} by={} because {}", self.state, name, by, reason)
        self._tell()

    def _believe(self, event: AccountStateChanged) -> None:
        name = event.cause or event.by
        if event.state is not _ACTIVE:
            self._causes[name] = Cause(name=name, state=event.state, reason=event.reason, since=event.at)
            return
        self._causes.pop(name, None)
        if event.by == PERSON and name != PERSON:
            self._overruled.add(name)
        else:
            self._overruled.discard(name)

    def _write_waiting(self) -> None:
        while self._unwritten:
            self._journal.append(self._unwritten[0])
            self._unwritten.pop(0)

    def _write_loosening(self, event: AccountStateChanged) -> None:
        """Write it after all that is to be written before it: replayed in another order it would mean something else."""
        try:
            self._write_waiting()
        except JournalError as error:
            raise JournalError(f"what tightened the account is not written yet, so it is not loosened: {error}") from error
        self._journal.append(event)

    def _write_when_possible(self, event: AccountStateChanged) -> None:
        self._unwritten.append(event)
        try:
            self._write_waiting()
        except JournalError as error:
            hint = "it holds all the same, but a restart before it is written would forget it: make the journal writable"
            self._alerts.alert(Severity.CRITICAL, "journal", f"cannot write that the account is {event.state}: {error}", hint)

    def _tell(self) -> None:
        verdict = self.entries
        if verdict != self._told:
            self._told = verdict
            for listener in self._listeners:
                listener(verdict)

    # ---- for Rule

    def holds(self, name: str) -> bool:
        """Tell whether a cause stands."""
        return name in self._causes

    def hold(self, name: str, reason: str) -> None:
        """Let a rule's cause stand at reducing, unless a person has overruled it; `Rule.hold` is the way here."""
        if name not in self._overruled:
            self._set(name, TradingState.REDUCING, reason)

    def release(self, name: str, reason: str) -> None:
        """Take back a rule's cause by the rule itself, or forget that it was overruled; `Rule.release` is the way here."""
        self._lift(name, name, reason)
        if name in self._overruled:
            event = AccountStateChanged(at=self._clock.now(), state=_ACTIVE, by=name, cause=name, reason=reason)
            self._write_loosening(event)
            self._believe(event)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule's hold on the account: reducing at most (exits are never stopped by a rule), by its own cause only."""

    _states: TradingStates
    name: str

    @property
    def holding(self) -> bool:
        """Tell whether the rule's cause stands, from an earlier life of the program perhaps."""
        return self._states.holds(self.name)

    def hold(self, reason: str) -> None:
        """Let nothing be opened from now on. Never raises: what cannot be written holds all the same."""
        self._states.hold(self.name, reason)

    def release(self, reason: str) -> None:
        """Take it back, because what the rule watches is well again. Raises JournalError: it holds on."""
        self._states.release(self.name, reason)
