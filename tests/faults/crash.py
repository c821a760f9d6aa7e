"""Where a daemon can die: around each journal write, each request and each reply, named; and how it is made to, without a hook in it.

`journal LegFilled before` dies as the event is about to be written, `after` with it on the disk and nobody told. `wire create sent` dies
with the request on its way and not arrived, `processed` with the exchange having acted and no answer come, `answered` with the answer
in the inbox and not looked at. `strike` dies at the very moment at which a fault strikes. `*` stands for any event, or any call.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

from errors import JournalError
from events import Event
from journal import Journal

from tests.faults.clockwork import Crash

NEVER = "none"
STRIKE = "strike"
BEFORE, AFTER = "before", "after"
SENT, PROCESSED, ANSWERED = "sent", "processed", "answered"
ANY = "*"

_EVERY = (
    *("TradeCreated", "OpenStarted", "ExecutionStarted", "OpenCompleted", "CloseRequested", "CloseStarted", "ExecutionEnded"),
    *("CloseCompleted", "CloseNotified", "OrderIntended", "OrderAccepted", "LegFilled", "OrderSettled"),
)
_BLOCKS = ("RFQSent", "RFQOpened", "RFQQuoted", "BlockIntended", "RFQEnded")
_ORDERS = ("create", "cancel", "order", "open orders", "fills", "account")
_ASKING = ("request", "quotes", "accept", "withdraw")
_PARTS = ("ExecutionMoved", "LegsApart", "LegsTogether")


@dataclass(frozen=True, slots=True)
class CrashPoint:
    """A place to die at: a site (journal or wire), what is written or asked there, and the moment."""

    site: str
    kind: str = ""
    moment: str = ""

    def __str__(self) -> str:
        return ":".join(part for part in (self.site, self.kind, self.moment) if part)

    @classmethod
    def parse(cls, text: str) -> "CrashPoint":
        """Read the written form."""
        return cls(*text.split(":"))


@dataclass(frozen=True, slots=True)
class Kill:
    """A death: where, how often the daemon passes there unharmed before it, and how long it then stays dead, seconds."""

    point: CrashPoint
    skip: int
    down: int

    def __str__(self) -> str:
        return f"{self.point}@{self.skip}~{self.down}"

    @classmethod
    def parse(cls, text: str) -> "Kill":
        """Read the written form."""
        point, _, rest = text.partition("@")
        skip, _, down = rest.partition("~")
        return cls(CrashPoint.parse(point), int(skip), int(down))


def _points(kinds: Sequence[str], calls: Sequence[str]) -> list[CrashPoint]:
    return [
        *(CrashPoint("journal", kind, moment) for kind, moment in product(kinds, (BEFORE, AFTER))),
        *(CrashPoint("wire", call, moment) for call, moment in product(calls, (SENT, PROCESSED, ANSWERED))),
    ]


# Which points a mode passes: a limit order never asks makers.
CRASHES = {
    "limit": _points((*_EVERY, "LegsApart", "LegsTogether"), _ORDERS),
    "smart": _points((*_EVERY, *_PARTS), _ORDERS),
    "rfq": _points((*_EVERY, *_BLOCKS), (*_ASKING, "create", "cancel", "account")),
    "auto": _points((*_EVERY, *_BLOCKS), (*_ASKING, *_ORDERS)),
}


class Reaper:
    """Kills the daemon once, at one point, the so-manieth time that it comes by; and each later life as `then` says, one by one."""

    def __init__(self, point: CrashPoint | None, skip: int, then: Sequence[Kill] = ()) -> None:
        self.point, self._left, self.done = point, skip, False
        self.kills, self._then = 0, list(then)

    def rise(self) -> None:
        """Lie in wait for a new life."""
        if self.done and self._then:
            kill = self._then.pop(0)
            self.point, self._left, self.done = kill.point, kill.skip, False

    def reach(self, site: str, kind: str, moment: str) -> None:
        """Die if this is the point and the time has come."""
        if self.meets(site, kind, moment):
            raise Crash(f"{site} {kind} {moment}")

    def meets(self, site: str, kind: str, moment: str) -> bool:
        """Tell whether this is where to die; the one that is told so must die."""
        point = self.point
        if self.done or point is None or (point.site, point.moment) != (site, moment) or point.kind not in (kind, ANY):
            return False
        self._left -= 1
        self.done = self._left < 0
        self.kills += self.done
        return self.done


@dataclass(slots=True)
class JournalWatch:
    """What a world does with the writes of its daemon: dies around them, refuses them, counts them."""

    reaper: Reaper
    written: Callable[[Sequence[Event]], None]
    refusals: int = 0

    def before(self, events: Sequence[Event]) -> None:
        """Look at events that are about to be written; raise JournalError where the disk is to be full."""
        if self.refusals > 0:
            self.refusals -= 1
            raise JournalError("the journal cannot be written: the disk is full: free some space")
        for event in events:
            self.reaper.reach("journal", type(event).__name__, BEFORE)

    def after(self, events: Sequence[Event]) -> None:
        """Look at events that are on the disk."""
        for event in events:
            self.reaper.reach("journal", type(event).__name__, AFTER)
        self.written(events)


class WatchedJournal(Journal):
    """A journal whose writes a world can see and spoil."""

    watch: JournalWatch

    def append(self, *events: Event) -> None:
        """Write events as one, unless the world has other plans."""
        self.watch.before(events)
        super().append(*events)
        self.watch.after(events)


def watched(journal: Journal, watch: JournalWatch) -> None:
    """Let a world watch a journal that the daemon's own opening has found good."""
    journal.__class__ = WatchedJournal
    assert isinstance(journal, WatchedJournal)
    journal.watch = watch
