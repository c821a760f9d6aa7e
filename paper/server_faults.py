"""What goes wrong between the exchange and its clients: a rehearsal's menu of lost, late, garbled and refused answers.

A fault waits for requests of one account (or of all, `*`) whose path fits a pattern, and is spent after as many as it says. A skewed clock
and refused connections are no matter of single requests: they hold for everybody, until cleared or for a time.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from enum import StrEnum
from fnmatch import fnmatchcase

import msgspec
from starlette.types import Send

from clock import monotonic

EVERYBODY = "*"


class FaultKind(StrEnum):
    """What happens to the request. The first two end the connection without a byte of answer."""

    LOSE_ANSWER = "lose_answer"
    LOSE_REQUEST = "lose_request"
    HANG = "hang"
    DELAY = "delay"
    HTML = "html"
    HTTP_500 = "http_500"
    BUSY = "busy"
    REFUSE = "refuse"
    EMPTY = "empty"
    TRUNCATE = "truncate"
    SKEW = "skew"
    REFUSE_CONNECTIONS = "refuse_connections"


_ACTS = frozenset({FaultKind.LOSE_ANSWER, FaultKind.DELAY, FaultKind.TRUNCATE})


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """One thing that will go wrong `count` times, for `account`, on paths like `path`, `after` as many requests that fit go well.

    `processed` tells whether the exchange acts on the request before the wrong answer (always so for lose_answer, delay and truncate, never
    for lose_request). `seconds` are real: how long a delay, a hang or the refusal of connections lasts; for skew, how far the clock that
    is told is ahead (behind where negative). `code` is that of refuse. A `count` of 0 lasts until cleared.
    """

    kind: FaultKind
    account: str = EVERYBODY
    path: str = "*"
    count: int = 1
    after: int = 0
    processed: bool = False
    seconds: float = 0.0
    code: int = 10000

    @property
    def acts(self) -> bool:
        """Tell whether the exchange acts on the request all the same."""
        return self.kind in _ACTS or (self.processed and self.kind is not FaultKind.LOSE_REQUEST)


class FaultBoard:
    """The faults still to come, in the order they were posted."""

    def __init__(self, elapsed: Callable[[], float] = monotonic) -> None:
        self._elapsed = elapsed
        self._waiting: list[Fault] = []
        self._refused_until = elapsed()
        self.skew = timedelta(0)

    @property
    def waiting(self) -> Sequence[Fault]:
        """Return the faults that are not spent."""
        return tuple(self._waiting)

    @property
    def lasting(self) -> Sequence[Fault]:
        """Return the faults of the whole server, with what is left of their time."""
        skewed = [Fault(kind=FaultKind.SKEW, count=0, seconds=self.skew.total_seconds())] if self.skew else []
        left = self._refused_until - self._elapsed()
        return [*skewed, Fault(kind=FaultKind.REFUSE_CONNECTIONS, seconds=left)] if left > 0 else skewed

    @property
    def refusing(self) -> bool:
        """Tell whether connections are refused now."""
        return self._elapsed() < self._refused_until

    def post(self, fault: Fault) -> None:
        """Let a fault wait for its requests, or begin where it is the whole server's."""
        match fault.kind:
            case FaultKind.SKEW:
                self.skew = timedelta(seconds=fault.seconds)
            case FaultKind.REFUSE_CONNECTIONS:
                self._refused_until = self._elapsed() + fault.seconds
            case _:
                self._waiting.append(fault)

    def clear(self) -> None:
        """Forget all faults."""
        self._waiting.clear()
        self._refused_until, self.skew = self._elapsed(), timedelta(0)

    def strike(self, account: str, path: str) -> Fault | None:
        """Return the fault that meets a request, one use of it spent; None if it goes well."""
        for fault in self._waiting:
            if fault.account in {EVERYBODY, account} and fnmatchcase(path, fault.path):
                if fault.after > 0:
                    fault.after -= 1
                    return None
                if fault.count > 0:
                    fault.count -= 1
                    if fault.count == 0:
                        self._waiting.remove(fault)
                return fault
        return None


async def cut(send: Send) -> None:
    """End a connection without a byte; uvicorn's own object, whose method `send` is, holds the socket."""
    abort_of(send)()
    await asyncio.sleep(0.01)


def abort_of(send: Send) -> Callable[[], None]:
    """Return what ends the connection behind `send` at once; nothing does where it is not uvicorn's."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    return transport.abort if isinstance(transport, asyncio.Transport) else lambda: None
