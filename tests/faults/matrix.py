"""One run of the rehearsal, named so that it can be repeated exactly, and the matrix of all of them with one fault and one death."""

import gc
import random
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import product
from pathlib import Path

from loguru import logger

from tests.faults.crash import CRASHES, NEVER, STRIKE, Reaper
from tests.faults.faults import FAULTS, NONE
from tests.faults.judge import Sentence, judged
from tests.faults.market import FAR, NEAR
from tests.faults.plans import MODES, a_plan, several
from tests.faults.schedule import COMPARE, DAY, DEAD, RISE, WHILE, is_dated, read
from tests.faults.world import Mend, World

LONGEST = 1_500  # seconds of market time that a run may take once everything works again
AFTER = 6  # seconds it is watched on after its end
SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class Run:
    """Which crash, which fault, which mode, and the seed that moves everything else; several of each where troubles come together."""

    crash: str
    fault: str
    mode: str
    seed: int

    def __str__(self) -> str:
        return f"{self.mode}/{self.crash}/{self.fault}/{self.seed}"

    @classmethod
    def parse(cls, text: str) -> "Run":
        """Read the written form."""
        mode, crash, fault, seed = text.split("/")
        return cls(crash, fault, mode, int(seed))


@dataclass(slots=True)
class Outcome:
    """What a run came to."""

    run: Run
    sentence: Sentence = field(default_factory=Sentence)
    deaths: int = 0
    strikes: int = 0
    orders: int = 0
    blocks: int = 0
    by_hand: int = 0  # trades that waited for a person
    to_truth: float | None = None  # seconds of its own life from the strike until its books were the ledger's again
    seconds: float = 0.0  # of market time
    notes: list[str] = field(default_factory=list)

    @property
    def crashed(self) -> bool:
        """Tell whether the daemon was killed."""
        return self.deaths > 0

    @property
    def struck(self) -> bool:
        """Tell whether a fault struck."""
        return self.strikes > 0

    @property
    def clean(self) -> bool:
        """Tell whether nothing was done wrong."""
        return self.sentence.clean and not self.notes


class _Course:
    """How one run goes: when faults strike, when the daemon rises again, when it is over."""

    def __init__(self, run: Run, home: Path, mend: Mend | None, longest: int) -> None:
        self._longest, self.run = longest, run
        self.schedule = read(run.crash, run.fault, random.Random(str(run)))
        kills = self.schedule.kills
        self.reaper = Reaper(kills[0].point, kills[0].skip, kills[1:]) if kills else Reaper(None, 0)
        expiry = NEAR if any(kill.down == DAY for kill in kills) else FAR
        plan = several(run.mode, run.seed, expiry) if {"+", "*"} & set(run.mode) else a_plan(run.mode, run.seed, expiry)
        self.world = World(home, plan, run.seed, self.reaper, mend=mend)
        if any(trouble.fault.streams for trouble in self.schedule.troubles):
            self.world.listens()
        self.outcome, self._dated = Outcome(run), is_dated(run.crash, run.fault)
        self._to_come = dict(enumerate(self.schedule.troubles))
        self._comparing: int | None = None  # the trouble that strikes as the books are compared
        self._struck_at: datetime | None = None  # since when its books may not be those of the ledger
        self._down_since = timedelta(0)  # how long the daemon has been down since then
        self.world.on_write = self._written
        self.world.wire.seen = self._asked

    def go(self) -> Outcome:
        """Run it to its end and have it judged."""
        world, outcome = self.world, self.outcome
        begun = world.agenda.now()
        world.person.arrive()
        self._begin()
        world.start()
        beats = quiet = 0
        while beats < self._longest and quiet < AFTER:
            beats += 1
            world.beat()
            if world.house is None:
                self._rise()
            if beats % world.person.every == 0:
                world.person.act()
            if beats % 60 == 0:
                outcome.by_hand += len(world.release_what_waits())
            self._measure()
            quiet = quiet + 1 if world.quiet() and world.told_truly() else 0
        outcome.seconds = (world.agenda.now() - begun).total_seconds()
        if quiet < AFTER and world.busy:
            outcome.notes.append(f"it has still something to do after {beats} s")
        return self._judged()

    def _rise(self) -> None:
        self.outcome.deaths += 1
        kills = self.schedule.kills
        down = timedelta(seconds=kills[max(0, self.reaper.kills - 1)].down if kills else self.schedule.down)
        self.world.pass_by(down)
        self._down_since += down
        number, moment = next(((n, t.moment) for n, t in self._to_come.items() if t.moment in (DEAD, RISE, COMPARE)), (-1, ""))
        if moment == DEAD:
            self._strike(number)
        self._comparing = number if moment == COMPARE else None
        self.world.start()
        if moment == RISE:
            self.world.agenda.after(0.4, partial(self._strike, number))

    # ---- when what strikes

    def _begin(self) -> None:
        for number, trouble in list(self._to_come.items()):
            if trouble.moment.startswith("t"):
                self.world.agenda.after(float(trouble.moment[1:]), partial(self._strike, number))
        self._written(0)

    def _written(self, count: int) -> None:
        for number in [number for number, trouble in self._to_come.items() if trouble.moment == str(count)]:
            self._strike(number)

    def _asked(self, call: str) -> None:
        if call == "order history" and self._comparing is not None:
            number, self._comparing = self._comparing, None
            self._strike(number)

    def _strike(self, number: int) -> None:
        trouble, world = self._to_come.pop(number, None), self.world
        if trouble is None:  # one that waited for a life which ended at once, and struck in the next
            return
        self._doubt()
        self.outcome.strikes += 1
        follower = self._to_come.get(number + 1)
        if follower is not None and follower.moment == WHILE:
            world.agenda.after(max(1.5, trouble.fault.lasts / 2), partial(self._strike, number + 1))
        world.strike(trouble.fault)

    def _doubt(self) -> None:
        """Note since when the books may not be those of the ledger."""
        if self._struck_at is None:
            self._struck_at, self._down_since = self.world.agenda.now(), timedelta(0)

    def _measure(self) -> None:
        if self._struck_at is None and not (self._dated and self.outcome.struck):
            return
        if not self.world.told_truly():
            self._doubt()
        elif self._struck_at is not None:
            took = (self.world.agenda.now() - self._struck_at - self._down_since).total_seconds()
            self.outcome.to_truth, self._struck_at = max(took, self.outcome.to_truth or 0.0), None

    def _judged(self) -> Outcome:
        outcome, world = self.outcome, self.world
        case = world.case()
        outcome.sentence = judged(case)
        outcome.orders, outcome.blocks = len(world.ours()), sum(block.taker == world.user for block in case.ledger.blocks)
        outcome.notes += world.notes
        if self._struck_at is not None:
            outcome.to_truth = None
        return outcome


def perform(run: Run, mend: Mend | None = None, longest: int = LONGEST) -> Outcome:
    """Perform one run in a directory of its own, and leave nothing of it; `mend` changes each life before its first tick."""
    home = Path(tempfile.mkdtemp(prefix="faults-", dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None))
    try:
        course = _Course(run, home, mend, longest)
        try:
            return course.go()
        finally:
            course.world.close()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def quieten() -> None:
    """Prepare a process that does nothing but runs: it tells no log, and what is loaded is no garbage."""
    logger.remove()
    gc.freeze()


def cells() -> Iterator[tuple[str, str, str]]:
    """Yield crash, fault and mode of the whole matrix: each fault alone and each crash alone first."""
    for mode in MODES:
        crashes = [str(point) for point in CRASHES[mode]]
        faults = [fault.name for fault in FAULTS.values() if mode in fault.modes and fault.name != NONE]
        yield from ((NEVER, fault, mode) for fault in faults)
        yield from ((crash, NONE, mode) for crash in crashes)
        yield from ((STRIKE, fault, mode) for fault in faults)
    for mode in MODES:
        crashes = [str(point) for point in CRASHES[mode]]
        faults = [fault.name for fault in FAULTS.values() if mode in fault.modes and fault.name != NONE]
        yield from ((crash, fault, mode) for crash, fault in product(crashes, faults))


# Where money is on its way: the fixed set passes each moment of these, and one of all others.
_EVERY_MOMENT = frozenset({"create", "accept", "request", "OrderIntended", "LegFilled", "BlockIntended"})


def fixed_set(seed: int = 7) -> list[Run]:
    """Return the small set: every sort of fault and every place to die once at least, each with another, over all modes in turn."""
    faults = [fault for fault in FAULTS.values() if fault.name != NONE]
    found: list[Run] = []
    met: set[str] = set()
    for number, (point, modes) in enumerate(_telling_points()):
        mode = modes[number % len(modes)]
        fitting = [fault.name for fault in faults if mode in fault.modes]
        turned = fitting[number * 5 % len(fitting) :] + fitting[: number * 5 % len(fitting)]
        fault = next((name for name in turned if _sort_of(name) not in met), turned[0])
        met.add(_sort_of(fault))
        found.append(Run(point, fault, mode, seed + number))
    for number, each in enumerate(faults):
        if _sort_of(each.name) not in met:
            met.add(_sort_of(each.name))
            modes = sorted(each.modes)
            found.append(Run((NEVER, STRIKE)[number % 2], each.name, modes[number % len(modes)], seed + number))
    return found


def _telling_points() -> list[tuple[str, list[str]]]:
    """Return a crash point of each kind, of some kinds all, with the modes that pass it; which moment it is changes from kind to kind."""
    moments: dict[tuple[str, str], list[str]] = {}
    modes: dict[str, list[str]] = {}
    for mode, passed in CRASHES.items():
        for point in passed:
            modes.setdefault(str(point), []).append(mode)
            of_kind = moments.setdefault((point.site, point.kind), [])
            of_kind.extend([str(point)] if str(point) not in of_kind else [])
    chosen = [names if kind in _EVERY_MOMENT else [names[number % len(names)]] for number, ((_, kind), names) in enumerate(moments.items())]
    return [(name, modes[name]) for names in chosen for name in names]


def _sort_of(fault: str) -> str:
    """Return a fault's name without the call that it meets."""
    return fault.removesuffix(" create").removesuffix(" cancel").removesuffix(" request").removesuffix(" accept")


def chosen(count: int, seed: int, only: str = "") -> list[Run]:
    """Return so many runs: every cell of one fault or one crash alone, and of all the others as many as there is room for."""
    words = [word for word in only.split("/") if word]
    fitting = [cell for cell in cells() if all(any(word in part for part in cell) for word in words)]
    alone = [cell for cell in fitting if NEVER in cell or NONE in cell or STRIKE in cell]
    both = [cell for cell in fitting if cell not in set(alone)]
    dice = random.Random(seed)
    dice.shuffle(both)
    dice.shuffle(alone)
    found: list[Run] = []
    turn = 0
    while len(found) < count and fitting:
        for crash, fault, mode in [*alone, *both][: count - len(found)]:
            found.append(Run(crash, fault, mode, seed * 1000 + turn * 7 + dice.randrange(1_000_000)))
        turn += 1
    return found
