"""One long run: the program as a user starts it, watched all along, stopped, killed and started again by a plan that a seed repeats.

What it leaves is a `Record`; verdict.py says whether it is good.
"""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from clock import SystemClock, monotonic, pause, wall_now
from control import Command, ControlBox, Verb
from trade_lifecycle import TradeLifecycle

from tests.rehearsal.stage import CASH, KEY, LONG, NAME, SECRET, Trader, running, until
from tests.soak.log_lines import Happened, Line, Trouble, lines_of
from tests.soak.person import Person
from tests.soak.readings import Reading, usage_of

STRATEGIES_FILE = Path(__file__).with_name("soak_strategies.py")
EVERY = 1.0  # real seconds between two readings
HANGS = 2.0  # real seconds that a hanging exchange is silent
GOES_FLAT = 120.0  # real seconds for all trades to close at the end
SYNTHETIC = "synthetic"
RECORD = "record.json"
# A Friday, two hours before a quarterly expiry: 72 hours reach over a whole weekend.
SYNTHETIC_START = datetime(2026, 3, 27, 6, tzinfo=UTC)
# When what happens, as a share of the run. Most early, so that one life lasts two thirds of it and can be measured.
PLAN: Sequence[tuple[float, Trouble]] = (
    (0.04, Trouble.KILL),
    (0.08, Trouble.STOP),
    (0.12, Trouble.KILL),
    (0.16, Trouble.KILL),
    (0.20, Trouble.STOP),
    (0.40, Trouble.HANG),
    (0.55, Trouble.EXCHANGE_DIES),
    (0.70, Trouble.HANG),
    (0.93, Trouble.KILL_BOTH),
)
RESTARTS = frozenset({Trouble.KILL, Trouble.STOP, Trouble.KILL_BOTH})


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """What is asked of a run: `market` is `synthetic` or a directory of recordings; hours are simulated."""

    market: str = SYNTHETIC
    hours: float = 48.0
    speed: float = 120.0
    seed: int = 1

    @property
    def name(self) -> str:
        """Return the market's name."""
        return Path(self.market).name

    def told(self) -> str:
        """Return it in one line."""
        return f"{self.name} market, {self.hours:g} simulated hours at speed {self.speed:g}, seed {self.seed}"


@dataclass(slots=True)
class Record:
    """All that a run left behind."""

    soak: Soak
    home: Path
    person: Person
    began: datetime
    ended: datetime
    readings: list[Reading] = field(default_factory=list)
    troubles: list[Happened] = field(default_factory=list)
    not_flat: list[str] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)

    @property
    def hours(self) -> float:
        """Return how long it was, simulated."""
        return (self.ended - self.began) / timedelta(hours=1)

    def save(self) -> None:
        """Write it beside what it tells of, so that it can be judged again."""
        (self.home / RECORD).write_bytes(msgspec.json.encode(self, enc_hook=str))

    def lines(self) -> Iterator[Line]:
        """Read the log."""
        return lines_of(self.home / "logs")


def load(home: Path) -> Record:
    """Read the record of a run that is over."""
    return msgspec.json.decode((home / RECORD).read_bytes(), type=Record, dec_hook=lambda kind, text: kind(text))


class _Ready(msgspec.Struct):
    url: str
    pid: int
    market_start: datetime
    wall_start: datetime


def a_trader(soak: Soak, home: Path) -> Trader:
    """Return the program with this home, not started."""
    trader = Trader(home, settings={"TRADER_PAPER_SEED": str(soak.seed)})
    trader.state = home / "state" / f"paper-{soak.name}-{soak.seed}"
    return trader


class Run:
    """One run as it goes."""

    def __init__(self, soak: Soak, home: Path) -> None:
        self._soak, self._dice = soak, random.Random(soak.seed)
        self.trader = a_trader(soak, home)
        self._clock = SystemClock()
        self._life = 0

    def go(self) -> Record:
        """Do all of it, to the end of the program in good order."""
        self._begin_market()
        self._start()
        person = Person(self._ready().url)
        person.arrive()
        began = self._clock.now()
        record = Record(self._soak, self.trader.home, person, began, began)
        for trouble, at in self._plan(began):
            self._watch(record, at)
            if trouble is Trouble.END:
                break
            self._happen(record, trouble)
        record.ended = self._clock.now()
        record.not_flat = self._go_flat(record)
        self._happen(record, Trouble.END)
        record.sizes = {str(file.relative_to(record.home)): file.stat().st_size for file in record.home.rglob("*") if file.is_file()}
        record.save()
        return record

    def _plan(self, began: datetime) -> Iterator[tuple[Trouble, datetime]]:
        """Yield what happens, and when of the market: at random within the share of the run that each has."""
        whole = timedelta(hours=self._soak.hours)
        for share, trouble in PLAN:
            yield trouble, began + whole * (share + self._dice.uniform(-0.015, 0.015))
        yield Trouble.END, began + whole

    # ---- starting

    def _begin_market(self) -> None:
        """Let a synthetic market begin at a known moment: its state remembers it, and the program's own exchange goes on from there."""
        if self._soak.market != SYNTHETIC:
            return
        state = self.trader.state / "exchange"
        state.mkdir(parents=True)
        ready = state / "first.json"
        line = [sys.executable, "-m", "paper", "--market", SYNTHETIC, "--seed", str(self._soak.seed), "--state-dir", str(state)]
        moment = ["--market-start", SYNTHETIC_START.isoformat(), "--ready-file", str(ready)]
        environment = {**os.environ, "PAPER_ACCOUNTS": f"{NAME}:{KEY}:{SECRET}:{CASH}"}
        with (self.trader.home / "first.log").open("wb") as log:
            first = subprocess.Popen([*line, *moment], cwd=Path(__file__).parents[2], env=environment, stdout=log, stderr=log)
        until(lambda: ready.exists() or first.poll() is not None, "the market begins", LONG)
        first.terminate()
        first.wait(10)

    def _start(self) -> None:
        market = self._soak.market if self._soak.market == SYNTHETIC else str(Path(self._soak.market).resolve())
        options = ["--strategies-file", str(STRATEGIES_FILE), "--paper-speed", f"{self._soak.speed:g}", "--paper-market", market]
        self.trader.start(*options, ready=False)
        self.trader.hear("daemon ready", within=LONG)
        ready = self._ready()
        self._clock = SystemClock(self._soak.speed, market_start=ready.market_start, wall_start=ready.wall_start)
        self._life += 1

    def _ready(self) -> _Ready:
        return msgspec.json.decode((self.trader.state / "exchange" / "ready.json").read_bytes(), type=_Ready)

    def _exchange(self) -> int | None:
        """Return the exchange's process by the file that it writes once it listens; None while it is being started."""
        try:
            return self._ready().pid
        except FileNotFoundError:
            return None

    # ---- watching

    def _watch(self, record: Record, to: datetime) -> None:
        """Read what both processes hold, every second, until a moment of the market; the program must live all that time."""
        while (now := self._clock.now()) < to:
            self._read(record)
            left = self._clock.real_seconds(to - now)
            pause(max(0.01, min(EVERY, left)))
            assert self.trader.alive, f"the program ended by itself at {now}:\n{self.trader.story[-3000:]}"

    def _read(self, record: Record) -> None:
        child = self._exchange()
        daemon, exchange = usage_of(self.trader.pid), None if child is None else usage_of(child)
        if daemon is not None:
            record.readings.append(Reading(self._clock.now(), wall_now().timestamp(), self._life, daemon, exchange))

    # ---- what is done to it

    def _happen(self, record: Record, trouble: Trouble) -> None:
        self._read(record)
        begun, market, child = wall_now().timestamp(), self._clock.now(), self._exchange()
        match trouble:
            case Trouble.STOP | Trouble.END:
                self.trader.stop()
            case Trouble.KILL:
                self.trader.kill()
            case Trouble.KILL_BOTH:
                self.trader.kill()
                _signal(child, signal.SIGKILL)
            case Trouble.HANG:
                _signal(child, signal.SIGSTOP)
                pause(HANGS)
                _signal(child, signal.SIGCONT)
            case Trouble.EXCHANGE_DIES:
                _signal(child, signal.SIGKILL)
                until(lambda: self._exchange() not in (None, child), "the exchange is started again", LONG)
        if trouble in RESTARTS:
            if child is not None:
                until(lambda: not running(child), "the exchange has ended")
            self._start()
        record.troubles.append(Happened(trouble, begun, wall_now().timestamp(), market))

    def _go_flat(self, record: Record) -> list[str]:
        """Let no strategy enter any more and close every trade by a person's word; return the trades that do not become flat."""
        box = ControlBox(self.trader.state)
        for name in sorted({trade.strategy for trade in self.trader.trades()}):
            box.put(Command(verb=Verb.PAUSE, target=name))
        deadline, asked = monotonic() + GOES_FLAT, set[int]()
        while (left := self._active()) and monotonic() < deadline:
            for trade in left:
                if trade.number not in asked:
                    asked.add(trade.number)
                    box.put(Command(verb=Verb.CLOSE, target=str(trade.number)))
            self._read(record)
            pause(EVERY)
        return [f"{trade.id} {trade.state}: {trade.reason}" for trade in left]

    def _active(self) -> list[TradeLifecycle]:
        return [trade for trade in self.trader.trades() if trade.active]


def _signal(pid: int | None, number: signal.Signals) -> None:
    assert pid is not None, "there is no exchange to do it to"
    os.kill(pid, number)
