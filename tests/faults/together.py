"""Troubles that come together: runs with several faults at moments of their own, several deaths, and more than one trade, drawn by a seed.

The matrix passes each pair of a crash and a fault; here nothing is complete, and everything may meet anything.
"""

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from tests.faults.acts import ACTS, COUNTDOWN
from tests.faults.crash import AFTER, ANSWERED, ANY, BEFORE, CRASHES, NEVER, PROCESSED, SENT, STRIKE, CrashPoint, Kill
from tests.faults.faults import FAULTS, MORE, NONE
from tests.faults.matrix import LONGEST, Run, perform
from tests.faults.plans import MODES
from tests.faults.schedule import COMPARE, DAY, DEAD, RISE, WHILE, Trouble
from tests.faults.world import Mend

_TRIES = 500  # draws for each run that is to hold certain words
_DOWN = (0, 0, 0, 1, 5, 5, 20, 90, 400)
_ANYWHERE = [CrashPoint("journal", ANY, moment) for moment in (BEFORE, AFTER)] + [
    CrashPoint("wire", ANY, moment) for moment in (SENT, PROCESSED, ANSWERED)
]
_RECOVERY = [
    CrashPoint("wire", call, moment)
    for call in ("order history", "open orders", "fills", "order", "account")
    for moment in (SENT, PROCESSED, ANSWERED)
]


def drawn(count: int, seed: int, only: str = "") -> list[Run]:
    """Return so many runs of two to four faults and up to four deaths; the first of them are the same however many are asked for.

    With `only` those whose name holds each of its words, or fewer where there are hardly any.
    """
    words = [word for word in only.split("/") if word]
    runs = (_drawn(random.Random(f"together {seed} {number}")) for number in range(count * (_TRIES if words else 1)))
    return list(islice((run for run in runs if all(word in str(run) for word in words)), count))


def _drawn(dice: random.Random) -> Run:
    modes = [dice.choice(MODES) for _ in range(dice.choice((1, 1, 2)))]
    plan = "+".join(f"{mode}*{times}" if (times := dice.choice((1, 1, 2))) > 1 else mode for mode in modes)
    kills = list(_kills(dice, modes[0], dice.choice((0, 1, 2, 2, 3, 4))))
    seed = dice.randrange(1_000_000)
    troubles = _troubles(dice, set(modes), seed, mortal=bool(kills))
    return Run("+".join(map(str, kills)) or NEVER, "+".join(map(str, troubles)), plan, seed)


def _kills(dice: random.Random, mode: str, count: int) -> Iterator[Kill]:
    """Yield deaths: the first anywhere, those after it rather early in a life."""
    for number in range(count):
        early = [CrashPoint(STRIKE)], _ANYWHERE
        point = dice.choice(dice.choice((CRASHES[mode], _ANYWHERE, *(early if number == 0 else (_RECOVERY, _RECOVERY)))))
        wild = point.kind == ANY
        skip = dice.randrange(45 if wild and not number else 12 if wild else 3)
        yield Kill(point, skip, DAY if dice.random() < 0.04 else dice.choice(_DOWN))


def _troubles(dice: random.Random, modes: set[str], seed: int, *, mortal: bool) -> list[Trouble]:
    faults = [[each.name for each in some.values() if each.name != NONE and modes & each.modes] for some in (FAULTS, FAULTS, MORE)]
    acts = [name for name in ACTS if name != COUNTDOWN or seed % 7 in (1, 3)]  # who may send batches may have a countdown
    names: list[str] = []
    for _ in range(dice.choice((2, 2, 3, 4))):
        fresh = [name for name in (acts if dice.random() < 0.2 else dice.choice(faults)) if name not in names]
        names.append(dice.choice(fresh))
    return [Trouble(name, "0" if name == COUNTDOWN else _moment(dice, number, mortal=mortal)) for number, name in enumerate(names)]


def _moment(dice: random.Random, number: int, *, mortal: bool) -> str:
    by_number = [str(dice.randrange(1, 22 if number == 0 else 45)), f"t{dice.randrange(1, 40)}"]
    after_another = [WHILE, WHILE] if number else []
    over_a_death = [DEAD, RISE, COMPARE] if mortal and number else []  # the first may be what it dies of
    return dice.choice([*by_number, *after_another, *over_a_death])


def reduced(run: Run, mend: Mend | None = None, longest: int = LONGEST) -> Run:
    """Return a run with less in it that still goes wrong, of which nothing more can be left out; `mend`, `longest` as in `perform`."""
    for smaller in _smaller(run):
        if not perform(smaller, mend, longest).clean:
            return reduced(smaller, mend, longest)
    return run


def _smaller(run: Run) -> Iterator[Run]:
    yield from (replace(run, fault=fault) for fault in _less(run.fault, NONE))
    yield from (replace(run, crash=crash) for crash in _less(run.crash, NEVER))
    yield from (replace(run, mode=mode) for mode in _less(run.mode, ""))
    if "*" in run.mode:
        yield replace(run, mode=run.mode.replace("*2", "", 1))


def _less(text: str, none: str) -> Iterator[str]:
    """Yield what is left of names joined by + without one of them; nothing is left of none."""
    names = text.split("+")
    if text == none or (len(names) == 1 and not none):
        return
    for number in range(len(names)):
        yield "+".join(names[:number] + names[number + 1 :]) or none
