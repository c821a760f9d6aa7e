"""What befalls a run and when, read from its name.

The name of a run with one fault says no moment: its seed draws one. Where troubles come together each says its own, so that one can be
left out and the others stay where they are: `lost reply create@5+html 15 s@rise` and `wire:create:sent@2~90+journal:*:after@0~0`.
"""

import random
from dataclasses import dataclass

from tests.faults.acts import TROUBLES
from tests.faults.crash import NEVER, CrashPoint, Kill
from tests.faults.faults import NONE, Fault

DAY = 86_400
DOWN = (0, 5, 90)  # seconds that a dead daemon stays dead; now and then a day, over an expiry
# Moments beside "after so many journal writes" (a number) and "so many seconds from the begin" (t and a number).
DEAD = "dead"  # before a dead daemon is started again
RISE = "rise"  # in the first second of its next life
COMPARE = "compare"  # as that life asks for the order history, to compare its books with the venue
WHILE = "while"  # while the trouble named before it lasts; a second and a half after it where it is over at once


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that goes wrong, by its name, and its moment."""

    name: str
    moment: str

    def __str__(self) -> str:
        return f"{self.name}@{self.moment}"

    @property
    def fault(self) -> Fault:
        """Return what it is."""
        return TROUBLES[self.name]


@dataclass(frozen=True, slots=True)
class Schedule:
    """All that befalls a run; `down` is how long the daemon stays dead where a fault killed it, seconds."""

    kills: tuple[Kill, ...]
    troubles: tuple[Trouble, ...]
    down: int


def read(crash: str, fault: str, dice: random.Random) -> Schedule:
    """Return what the names say, and let the dice say what they leave open. Raises KeyError, ValueError for names that mean nothing."""
    if is_dated(crash, fault):
        kills = tuple(Kill.parse(text) for text in _each(crash, NEVER))
        troubles = tuple(Trouble(*text.split("@")) for text in _each(fault, NONE))
        return Schedule(kills, troubles, dice.choice(DOWN))
    point = None if crash == NEVER else CrashPoint.parse(crash)
    down = DAY if point is not None and dice.random() < 0.12 else dice.choice(DOWN)
    skip, writes = dice.choice((0, 0, 0, 1, 2)), dice.randrange(1, 22)
    kills = () if point is None else (Kill(point, skip, down),)
    troubles = () if fault == NONE else (Trouble(fault, str(writes)),)
    return Schedule(kills, troubles, down)


def is_dated(crash: str, fault: str) -> bool:
    """Tell whether a name says the moments itself."""
    return "@" in crash or "@" in fault


def names_of(text: str) -> tuple[str, ...]:
    """Return the names in a crash or a fault, without their moments."""
    return tuple(each.partition("@")[0] for each in text.split("+"))


def _each(text: str, none: str) -> list[str]:
    return [] if text == none else text.split("+")
