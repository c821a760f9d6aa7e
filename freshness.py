"""How old each thing that we decide on may be, and what stops beyond that: one table, judged by source time.

An input beyond its limit is unknown, not old: trades do not begin, what is held is asked for anew, and a person is told which input
it is and how old. Whoever fills the table says where each input's own time is read; nothing here makes a time up.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from loguru import logger

from clock import Clock
from domain import Severity
from ports import Alerts


class Stops(StrEnum):
    """What an input that is too old stops: every new trade; only who asks for it (it is refused there); nothing."""

    ENTRIES = "entries"
    WHO_ASKS = "who asks"
    NOTHING = "nothing"


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input: its name, how old it may be by its own time, where that time is read (None: never told), what stops, how to refetch.

    `kind` groups inputs for alerts: chains of ten expiries that stop together call a person once. One that goes stale with the account
    is logged at once and calls only where the account is fresh (`_ALONE_FOR`): a venue that is silent is one thing to be told of.
    """

    name: str
    limit: timedelta
    told_at: Callable[[], datetime | None]
    stops: Stops = Stops.ENTRIES
    refetch: Callable[[], None] = _nothing
    kind: str = ""

    @property
    def group(self) -> str:
        """Return the kind by which a person is called."""
        return self.kind or self.name


class Entries(Protocol):
    """Who lets trades begin."""

    def block_entries(self, cause: str, reason: str, /) -> None:
        """Begin no new trade until the cause is lifted."""
        ...

    def lift_block(self, cause: str, /) -> None:
        """Lift one cause."""
        ...


@dataclass(slots=True)
class _State:
    """Since when an input is wanted, whether it was found stale and since when by itself, when it was last refetched and told."""

    wanted_at: datetime
    stale: bool = False
    alone_since: datetime | None = None
    refetched_at: datetime | None = None
    told_at: datetime | None = None


# Where a venue answers nothing any more all goes stale with the account, a few seconds before or after; what is asked for less often
# later. It is news of its own only once it has stayed stale beside a fresh account for this part of its limit.
ACCOUNT = "account"
_ALONE_FOR: Mapping[Stops, float] = {Stops.ENTRIES: 0.2, Stops.WHO_ASKS: 0.5, Stops.NOTHING: 0.5}

Table = Callable[[], Iterable[Input]]


class Freshness:
    """Judges every input of the tables once a tick. Inputs come and go with what is in use."""

    def __init__(
        self,
        entries: Entries,
        clock: Clock,
        alerts: Alerts,
        *,
        refetch_every: timedelta = timedelta(seconds=5),
        tell_every: timedelta = timedelta(minutes=5),
    ) -> None:
        self._entries, self._clock, self._alerts = entries, clock, alerts
        self._refetch_every, self._tell_every = refetch_every, tell_every
        self._tables: list[Table] = []
        self._states: dict[str, _State] = {}
        self._stops: dict[str, Stops] = {}
        self._account_stale = False

    def watch(self, table: Table) -> None:
        """Judge what a table names from now on; it is read on every step."""
        self._tables.append(table)

    @property
    def stale(self) -> Sequence[str]:
        """Return the names of the inputs that are beyond their limits."""
        return tuple(name for name, state in self._states.items() if state.stale)

    def step(self, now: datetime) -> None:
        """Look at the age of every input once."""
        inputs = {each.name: each for table in self._tables for each in table()}
        for name in [name for name in self._states if name not in inputs]:
            self._lift(name)
            del self._states[name]
        self._account_stale = any(each.group == ACCOUNT and name in self.stale for name, each in inputs.items())
        for name, each in inputs.items():
            state = self._states.setdefault(name, _State(now))
            at = each.told_at()
            age = now - (state.wanted_at if at is None else at)
            if age > each.limit:
                self._stale(each, state, age, now, never=at is None)
            elif state.stale:
                state.stale, state.alone_since = False, None
                self._lift(name)
                logger.info("input fresh again name={} age={:g}s", name, age.total_seconds())

    def _stale(self, each: Input, state: _State, age: timedelta, now: datetime, *, never: bool) -> None:
        old = f"has not been told for {_seconds(age)}" if never else f"is {_seconds(age)} old by its own time"
        said = f"{each.name} {old}, at most {_seconds(each.limit)}"
        if not state.stale:
            state.stale = True
            logger.warning("input stale {}", said)
        self._stops[each.name] = each.stops
        if each.stops is Stops.ENTRIES:
            self._entries.block_entries(f"stale {each.name}", said)
        if each.stops is not Stops.NOTHING and _due(state.refetched_at, now, self._refetch_every):
            state.refetched_at = now
            each.refetch()
        if _due(state.told_at, now, self._tell_every) and not self._explained(each, state, now):
            state.told_at = now
            severity = Severity.CRITICAL if each.stops is Stops.ENTRIES else Severity.WARNING
            self._alerts.alert(severity, f"stale {each.group}", said, _HINT[each.stops])

    def _explained(self, each: Input, state: _State, now: datetime) -> bool:
        """Tell whether the account's being stale says all that a person must know of this input, or soon may."""
        if each.group == ACCOUNT:
            return False
        if state.alone_since is None or self._account_stale:
            state.alone_since = now
        return self._account_stale or now - state.alone_since < each.limit * _ALONE_FOR[each.stops]

    def _lift(self, name: str) -> None:
        if self._stops.pop(name, None) is Stops.ENTRIES:
            self._entries.lift_block(f"stale {name}")


_HINT = {
    Stops.ENTRIES: "no trade begins until it is fresh; held trades are managed; check the network and the venue's status",
    Stops.WHO_ASKS: "whoever needs it waits; check the network and the venue's status",
    Stops.NOTHING: "everything goes on by polling, only slower; check the network and the venue's status",
}


def _due(at: datetime | None, now: datetime, every: timedelta) -> bool:
    return at is None or now - at >= every


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():g} s"
