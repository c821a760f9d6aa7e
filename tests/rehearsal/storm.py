"""A storm: the daemon trades on the other exchange while everything goes wrong at random, and a scorecard says what it did wrong.

    python -m tests.rehearsal.storm --seed 1 --rounds 3 --seconds 40 --mode rfq

The seed decides what goes wrong and in which order; which request it hits depends on the machine. Each round ends in calm weather, in
which every trade must end flat. The exit code is 1 if anything at all was done wrong.
"""

import argparse
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from clock import monotonic, pause
from trade_lifecycle import TradeState

from tests.rehearsal.abroad import QTY, Plan, World, a_world, breaches, left_over, misjudged, unbooked
from tests.rehearsal.other_books import BUY, SELL, Order, Race
from tests.rehearsal.other_exchange import OtherExchange
from tests.rehearsal.other_rfq import Oddity, Offer
from tests.rehearsal.other_rfq_wire import ACCEPT, QUOTES, REQUEST, WITHDRAW
from tests.rehearsal.other_server import CANCEL, CREATE, Fault, Kind
from tests.rehearsal.stage import until

CALM = 120.0  # how long the last trades may take to end once everything works again, real seconds
LOTS = [Decimal("0.01"), Decimal("0.02"), QTY]
ANSWERED = (Kind.HTML, Kind.CUT, Kind.SHORT, Kind.NONSENSE, Kind.DROP, Kind.RESET)
MORE_DAYS = (10, 17, 24)  # one strategy for each beside the nearest expiry, so that their ledgers stay apart
STREAM_FAULTS = ("drop", "silence", "mute", "refuse", "lost", "doubled", "garbled", "late", "behave", "behave", "behave")
REFUSALS = (10529, 10531, 10532, 10534, 10004)
WRITES = (CREATE, CANCEL, REQUEST, WITHDRAW, ACCEPT)
MOMENTS = ("requested", "quoted", "accepting", "accepted", "withdrawn")
BRIEFLY = """
    rfq=RFQParams(timeout_seconds=4, poll_seconds=0.5, gather_seconds=0.5),
    smart=SmartExecConfig(
        chunk_count=2, time_per_chunk=0.5, quoting_strategy="mid", aggressive_wait_seconds=0.5, aggressive_retry_pause=0.1
    ),
"""
# Coins of each leg: what makers are asked for must be worth 50,000 USD by strikes, `auto` would ask them too.
COINS = {"limit": QTY, "smart": Decimal("0.04"), "rfq": Decimal("0.3"), "auto": Decimal("0.3")}


@dataclass
class Scorecard:
    """What one storm came to."""

    seed: int
    trades: int = 0
    orders: int = 0
    blocks: int = 0
    pushed: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    wrongs: list[str] = field(default_factory=list)

    def lines(self) -> Sequence[str]:
        """Say it for people."""
        kinds = {"arrived": "duplicates", "could have": "overreach", "held": "overfills", "flipped": "flips", "touched": "foreign touched"}
        kinds |= {
            "accepted": "bad accepts",
            "journal": "journal off",
            "naked": "naked legs",
            "badly signed": "bad signatures",
            "nonsense": "nonsense",
        }
        kinds |= {"forgotten": "forgotten legs", "waits": "waiting for a person"}
        counted = {name: sum(word in line for line in self.wrongs) for word, name in kinds.items()}
        weather = ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items()))
        return [
            f"seed {self.seed}: {self.trades} trades, {self.orders} orders, {self.blocks} blocks, {self.pushed} pushes; weather: {weather}",
            "  " + ", ".join(f"{name} {count}" for name, count in counted.items()) + f", in all {len(self.wrongs)}",
            *(f"  WRONG {line}" for line in self.wrongs),
        ]


class Storm:
    """The weather over one world."""

    def __init__(self, world: World, rng: random.Random, mode: str = "limit") -> None:
        self._world, self._rng, self._blocks = world, rng, mode in ("rfq", "auto")
        self._symbols = [symbol for symbol in world.exchange.options if symbol.endswith(("-110000-C", "-90000-P"))]
        self.counts: Counter[str] = Counter()
        self.foreign: list[Order] = []
        self._acts: Sequence[tuple[int, Callable[[], None]]] = (
            (12, self._thin),
            (12, self._move),
            (8, self._race),
            (4, self._refuse),
            (2, self._outage),
            (2, self._kill),
            (1, self._restart),
            (2, self._lag),
            (3, self._strangers),
            (1, self._clock),
            (6, self._streams),
            (8 if self._blocks else 0, self._makers),
        )

    def blow(self, seconds: float) -> None:
        """Let things go wrong for a while."""
        self._world.server.chance = self._chance
        ends = monotonic() + seconds
        weights = [weight for weight, _ in self._acts]
        while monotonic() < ends:
            _, act = self._rng.choices(self._acts, weights)[0]
            self.counts[act.__name__.strip("_")] += 1
            act()
            self._revive()
            pause(self._rng.uniform(0.05, 0.6))

    def calm(self) -> None:
        """Let everything work again."""
        exchange = self._world.exchange
        self._world.server.chance = lambda _: None
        self._world.server.faults.clear()
        self._world.server.streams.behave()
        with exchange.lock:
            exchange.races.clear()
            exchange.planned_refusals.clear()
            exchange.lag_seconds, exchange.clock_offset_ms = 0, 0
            self._world.desk.makers, self._world.desk.happened = [Offer()], lambda _: None
        for symbol in self._symbols:
            exchange.quote(symbol, 990, 1010)
        self._revive()

    def _revive(self) -> None:
        if not self._world.trader.alive:
            self._world.trader.start("--strategies-file", str(self._world.trader.home / "abroad.py"))

    def _chance(self, path: str) -> Fault | None:
        """Say whether this request meets something: writes often, reads now and then."""
        write = any(part in path for part in WRITES)
        often = 0.1 if self._blocks else 0.2  # an accept whose answer is lost is pursued for half a minute
        if self._rng.random() >= (often if write else 0.1 if QUOTES in path else 0.02):
            return None
        fault = self._fault(write=write)
        self.counts[f"{fault.kind}{' lost' if fault.acted else ''}"] += 1
        return fault

    def _fault(self, *, write: bool) -> Fault:
        roll = self._rng.random()
        if roll < 0.1:
            return Fault(Kind.STATUS, code=429) if self._rng.random() < 0.5 else Fault(Kind.CODE, code=10605)
        if roll < 0.2:
            return Fault(Kind.DELAY, seconds=self._rng.uniform(0.1, 4), acted=self._rng.random() < 0.5)
        acted = not write or self._rng.random() < 0.9  # a create that never arrived is pursued for half a minute
        if roll < 0.35:
            return Fault(Kind.STATUS, code=self._rng.choice((500, 502, 503)), acted=acted)
        if roll < 0.45:
            return Fault(Kind.CODE, code=10000, acted=acted)
        kind = self._rng.choice(ANSWERED)
        return Fault(kind, acted=acted or kind is Kind.NONSENSE)

    # ---- what happens

    def _either(self) -> str:
        return self._rng.choice(self._symbols)

    def _thin(self) -> None:
        self._world.exchange.quote(self._either(), 990, 1010, depth=self._rng.choice(LOTS))

    def _move(self) -> None:
        mid = self._rng.randint(600, 1400)
        self._world.exchange.quote(self._either(), mid - 10, mid + 10)

    def _race(self) -> None:
        fill, late = (self._rng.choice([Decimal(0), *LOTS]) for _ in range(2))
        self._world.exchange.race(self._either(), Race(fill=fill, seconds=self._rng.choice((0, 0.5, 2, 4)), late=late))

    def _refuse(self) -> None:
        self._world.exchange.refuse(self._either(), self._rng.choice(REFUSALS))

    def _outage(self) -> None:
        self._world.server.vanish()
        pause(self._rng.uniform(0.2, 4))
        self._world.server.restore()

    def _kill(self) -> None:
        if self._rng.random() < 0.5:
            self._world.trader.kill()
            return
        if self._blocks:
            self._world.kill_when(self._rng.choice(MOMENTS))
        else:
            self._world.kill_at(len(self._world.exchange.ledger.orders) + 1)
        pause(self._rng.uniform(0.5, 3))
        self._world.exchange.on_create, self._world.desk.happened = lambda _: None, lambda _: None

    def _restart(self) -> None:
        if self._world.trader.alive:
            self._world.trader.stop()

    def _lag(self) -> None:
        self._world.exchange.lag_seconds = self._rng.choice((0, 0, 1, 3))

    def _strangers(self) -> None:
        side, price = self._rng.choice(((BUY, Decimal(5)), (SELL, Decimal(9000))))
        self.foreign.append(self._world.exchange.foreign_order(self._either(), side, Decimal("0.05"), price))

    def _clock(self) -> None:
        self._world.exchange.clock_offset_ms = self._rng.choice((0, 3_000, -3_000, 20_000, -20_000))

    def _streams(self) -> None:
        """Let the streams go wrong in one way or, as often, behave again."""
        streams, dice = self._world.server.streams, self._rng
        manner, seconds = dice.choice(STREAM_FAULTS), dice.uniform(0.5, 6)
        self.counts[f"stream {manner}"] += 1
        match manner:
            case "drop":
                streams.drop()
            case "silence" | "mute" | "refuse":
                getattr(streams, manner)(seconds)
            case "lost" | "doubled" | "garbled" | "late":
                setattr(streams, manner, dice.choice((0.1, 0.5, 1.0)))
            case _:
                streams.behave()

    def _makers(self) -> None:
        self._world.desk.makers = [self._offer() for _ in range(self._rng.randint(0, 4))]

    def _offer(self) -> Offer:
        roll = self._rng.random()
        better = Decimal(self._rng.randint(-40, 40)) / 10
        return Offer(
            better=better,
            after=self._rng.choice((0, 0.3, 1, 3)),
            life=0.5 if roll < 0.1 else 300,
            oddity=self._rng.choice(list(Oddity)) if 0.1 <= roll < 0.25 else None,
            gone=0.25 <= roll < 0.4,
            nameless=0.4 <= roll < 0.5,
            integers=0.5 <= roll < 0.6,
            sides=(self._rng.choice(("SELL", "BUY")),) if roll >= 0.9 else ("SELL", "BUY"),
        )


def weather(home: Path, seed: int, seconds: float, mode: str = "limit") -> Scorecard:
    """Run one storm in a directory of its own, with trades in one mode of execution, and return its scorecard."""
    card = Scorecard(seed)
    morning = datetime.now(UTC).replace(hour=8, minute=0, second=0, microsecond=0)
    expiries = tuple(morning + timedelta(days=days) for days in (3, *MORE_DAYS))
    with a_world(home, OtherExchange(expiries=expiries)) as world:
        storm, coins = Storm(world, random.Random(seed), mode), COINS[mode]
        world.desk.grace_seconds = 10.0  # books are up to 3 s old, and answers are delayed
        plan = Plan(call=coins, put=coins, mode=mode, more=BRIEFLY, hold=0.5, patience=0.5, rounds=12, a_day=0, more_days=MORE_DAYS)
        world.trader.begin(plan)
        storm.blow(seconds)
        storm.calm()
        _end(world, card)
        card.wrongs += [*breaches(world, target=coins), *unbooked(world), *misjudged(world)]
        card.wrongs += [f"touched what is not ours: {order.order_id}" for order in storm.foreign if order.state != 0]
        card.orders, card.blocks, card.faults = len(world.exchange.ledger.arrivals), len(world.desk.blocks), storm.counts
        card.pushed = world.server.streams.pushed
    return card


def _end(world: World, card: Scorecard) -> None:
    """Pause the strategy, wait for its trades to end, and note what is left."""
    for name in ("abroad", *(f"abroad-{days}" for days in MORE_DAYS)):
        world.trader.ask("--pause", name)
    try:
        until(lambda: not [trade for trade in world.trader.trades() if trade.active], "every trade ends", CALM)
    except AssertionError:
        active = [trade for trade in world.trader.trades() if trade.active]
        held = [f"{t.id} {t.state} because {t.reason}" for t in active]
        person = any(trade.state is TradeState.QUARANTINED for trade in active)
        card.wrongs.append(f"{'waits for a person' if person else 'never ended'}: {'; '.join(held)}")
    card.trades = len(world.trader.trades())
    card.wrongs += [f"forgotten: {text}" for text in left_over(world)]
    if world.trader.alive:
        world.trader.stop()


def main(argv: Sequence[str] | None = None) -> int:
    """Run storms one after the other; return 1 if anything went wrong in any."""
    line = argparse.ArgumentParser(prog="storm", description="Trade on the other exchange while everything goes wrong at random.")
    line.add_argument("--seed", type=int, default=1, help="of the first round; each round takes the next")
    line.add_argument("--rounds", type=int, default=1)
    line.add_argument("--seconds", type=float, default=40, help="how long each storm blows")
    line.add_argument("--mode", choices=sorted(COINS), default="limit", help="how the trades are executed")
    line.add_argument("--keep", type=Path, help="keep journals and stories in this directory")
    asked = line.parse_args(argv)
    wrong = 0
    for seed in range(asked.seed, asked.seed + asked.rounds):
        home = Path(tempfile.mkdtemp(prefix=f"storm-{seed}-", dir=asked.keep))
        card = weather(home, seed, asked.seconds, asked.mode)
        sys.stdout.write("\n".join((*card.lines(), f"  story in {home}", "")))
        sys.stdout.flush()
        wrong += len(card.wrongs)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
