"""What can go wrong on a network between the daemon and an exchange, at whose request, how often, and by which dice."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

PAGE = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
BUSY = b'{"code":10000,"msg":"Try again later","i18nArgs":null,"data":null}'


class Mode(StrEnum):
    """What happens to one request and its reply."""

    LOSE_REQUEST = "lose request"  # the connection ends; the exchange never hears of it
    LOSE_REPLY = "lose reply"  # the exchange has acted; the connection ends without a byte
    RESET = "reset"  # the same, with a reset
    BROKEN_OFF = "broken off"  # the same, with a reset in the middle of the reply
    CUT = "cut"  # whole by its length, and JSON that ends in the middle
    LATE_REQUEST = "late request"
    LATE_REPLY = "late reply"
    INSTEAD = "instead"  # another answer; the exchange acts if the fault says so


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Meets requests on paths like `path` (a shell pattern), `count` times after so many that go well; a count of 0 lasts until cleared."""

    mode: Mode
    path: str = "*"
    count: int = 1
    after: int = 0
    seconds: float = 0.0
    processed: bool = False
    status: int = 200
    body: bytes = BUSY


def html(path: str = "*", **more: Any) -> Fault:
    """Return a web page in place of an answer."""
    return Fault(mode=Mode.INSTEAD, path=path, status=502, body=PAGE, **more)


def status(code: int, path: str = "*", **more: Any) -> Fault:
    """Return an HTTP status in place of an answer."""
    return Fault(mode=Mode.INSTEAD, path=path, status=code, body=b'{"error":"no"}', **more)


def busy(path: str = "*", **more: Any) -> Fault:
    """Return code 10000 in place of an answer."""
    return Fault(mode=Mode.INSTEAD, path=path, **more)


@dataclass
class Wire:
    """What goes wrong on WebSockets: frames that the exchange pushes, from now on."""

    doubled: int = 0  # this many frames come twice
    swapped: int = 0  # this many come after the one behind them
    cut: int = 0  # this many end in the middle, and with them their connection
    stalled_until: float = 0.0  # nothing is forwarded, either way; it arrives afterwards
    silent_until: float = 0.0  # only what answers the client is forwarded; the rest is lost


@dataclass
class Schedule:
    """Faults drawn at random: the seed decides which and in which order; share is how often a request meets one."""

    seed: int
    share: float
    choices: Sequence[Fault]
    paths: str = "*"
    drawn: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)

    def draw(self, path: str) -> Fault | None:
        """Return what a request meets; None if it goes well."""
        if not fnmatchcase(path, self.paths) or self._dice.random() >= self.share:
            return None
        fault = self._dice.choice(self.choices)
        self.drawn[fault.mode] += 1
        return fault
