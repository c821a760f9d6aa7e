"""The log of a long run, read back: how much of it there is, and which lines of WARNING or worse nobody has explained.

One rule: what is explained is data, each with its reason and the most that may be; all other lines of WARNING or worse fail the run.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import msgspec

from tests.soak.readings import Health

WORSE = frozenset({"WARNING", "ERROR", "CRITICAL"})
_HEALTH = re.compile(r"health up=\S+ ticks=(\d+) failures=\d+ tick=([\d.]+)ms .*account age=(?:([\d.]+)s|never read)")


class Line(msgspec.Struct, frozen=True):
    """One line of trader.jsonl; `market` is missing before the market's clock is known."""

    at: datetime
    level: str
    where: str
    message: str
    market: str = ""
    cause: str = ""
    trace: str = ""
    size: int = 0

    @property
    def text(self) -> str:
        """Return what it says, with the alert's cause."""
        return f"{self.message} cause={self.cause}" if self.cause else self.message

    @property
    def market_at(self) -> datetime | None:
        """Return its moment of the market."""
        return datetime.fromisoformat(self.market) if self.market else None


class Trouble(StrEnum):
    """What is done to the program on purpose."""

    STOP = "stop"
    KILL = "kill"
    KILL_BOTH = "kill both"
    HANG = "exchange hangs"
    EXCHANGE_DIES = "exchange dies"
    END = "the end"


@dataclass(frozen=True, slots=True)
class Happened:
    """One trouble: when it began and was over, seconds of the Unix clock, and when it began by the market's."""

    trouble: Trouble
    begun: float
    over: float
    market: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """Lines that may be: where `pattern` is found, because of `reason`, so many at most.

    `a_day` counts per simulated day, rounded up. With `after` only lines from shortly before one of these troubles until `within` real
    seconds after it are meant, and `a_time` counts per trouble.
    """

    pattern: str
    reason: str
    a_day: float = 0.0
    after: frozenset[Trouble] = frozenset()
    a_time: int = 0
    within: float = 15.0

    def meets(self, line: Line, troubles: Sequence[Happened]) -> bool:
        """Tell whether the line is one of these."""
        if re.search(self.pattern, line.text) is None:
            return False
        wall = line.at.timestamp()
        return not self.after or any(one.trouble in self.after and one.begun - 1 <= wall <= one.over + self.within for one in troubles)

    def most(self, days: float, troubles: Sequence[Happened]) -> int:
        """Return how many there may be in a run."""
        if self.after:
            return self.a_time * sum(one.trouble in self.after for one in troubles)
        return math.ceil(self.a_day * days)


@dataclass(slots=True)
class Judged:
    """The lines of WARNING or worse: those nobody explains, those that are more than may be, and how many of each explained kind."""

    unexplained: list[Line] = field(default_factory=list)
    too_many: list[str] = field(default_factory=list)
    explained: Counter[str] = field(default_factory=Counter)


def judge(lines: Iterable[Line], allowed: Sequence[Allowed], troubles: Sequence[Happened], days: float) -> Judged:
    """Hold every line of WARNING or worse against what is allowed; the first entry that meets a line takes it."""
    result = Judged()
    for line in lines:
        if line.level in WORSE:
            entry = next((one for one in allowed if one.meets(line, troubles)), None)
            if entry is None:
                result.unexplained.append(line)
            else:
                result.explained[entry.pattern] += 1
    for entry in allowed:
        count, most = result.explained[entry.pattern], entry.most(days, troubles)
        if count > most:
            result.too_many.append(f"{count} lines, {most} allowed: {entry.pattern} ({entry.reason})")
    return result


def lines_of(folder: Path) -> Iterator[Line]:
    """Read every line of trader.jsonl and of what it was rotated into, oldest file first; one cut off by a kill is passed over."""
    for file in sorted(folder.glob("trader*.jsonl"), key=lambda file: file.stat().st_mtime):
        for raw in file.read_bytes().splitlines():
            try:
                yield msgspec.structs.replace(msgspec.json.decode(raw, type=Line, strict=False), size=len(raw) + 1)
            except msgspec.MsgspecError:
                continue


def health_of(lines: Iterable[Line]) -> list[Health]:
    """Return what the health lines say."""
    found = []
    for line in lines:
        if (told := _HEALTH.match(line.message)) is not None and (at := line.market_at) is not None:
            age = None if told[3] is None else float(told[3])
            found.append(Health(at, line.at.timestamp(), int(told[1]), float(told[2]), age))
    return found


def volume_of(lines: Iterable[Line]) -> dict[str, tuple[int, int]]:
    """Return lines and bytes by level."""
    count: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for line in lines:
        count[line.level] += 1
        size[line.level] += line.size
    return {level: (count[level], size[level]) for level in sorted(count)}


def templates_of(lines: Iterable[Line], most: int = 8) -> list[tuple[str, int]]:
    """Return the kinds of lines that take the most room, by the first three words of each, with their bytes."""
    size: Counter[str] = Counter()
    for line in lines:
        size[" ".join(line.message.split()[:3])] += line.size
    return size.most_common(most)
