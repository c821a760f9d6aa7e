"""What goes wrong between the exchange and its clients: a rehearsal's menu of lost, late, garbled and refused answers.

A fault waits for requests of one account (or of all, `*`) whose path fits a pattern, and is spent after as many as it says.
"""

from collections.abc import Sequence
from enum import StrEnum
from fnmatch import fnmatchcase

import msgspec

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


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """One thing that will go wrong `count` times, for `account`, on paths like `path`, `after` as many requests that fit go well.

    `processed` tells whether the exchange acts on the request before the wrong answer (always so for lose_answer and delay, never for
    lose_request). `seconds` are real: how long a delay or a hang lasts. `code` is that of refuse. A `count` of 0 lasts until cleared.
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
        return self.kind in {FaultKind.LOSE_ANSWER, FaultKind.DELAY} or (self.processed and self.kind is not FaultKind.LOSE_REQUEST)


class FaultBoard:
    """The faults still to come, in the order they were posted."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    @property
    def waiting(self) -> Sequence[Fault]:
        """Return the faults that are not spent."""
        return tuple(self._waiting)

    def post(self, fault: Fault) -> None:
        """Let a fault wait for its requests."""
        self._waiting.append(fault)

    def clear(self) -> None:
        """Forget all faults."""
        self._waiting.clear()

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
