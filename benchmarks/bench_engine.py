"""How many orders a second the paper engine takes: ledger, fees, margin, histories and change notes included.

    python -m benchmarks.bench_engine [--n 100000] [--repeats 5] [--profile]

The flow is seeded and drawn once: `add` only rests orders over 200 prices a side; `cancel` keeps about 1,000 alive and cancels one
for each it adds; `match` takes a resting order whole; `mixed` is 50 % passive, 30 % cancels, 20 % marketable. Eight accounts buy
and eight sell; the market's own quotes lie behind them. Changes and events are thrown away unread every 1,000 orders.
"""

import argparse
import cProfile
import gc
import random
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from domain import Greeks, Level, Option, OptionType, Side
from paper.engine import Engine
from paper.ledger import total_cash
from paper.market import Flow, IndexView, OptionView
from paper.rules import OrderRequest, Rules

ADD, CANCEL = 0, 1
START = datetime(2026, 3, 2, 12, tzinfo=UTC)
MID, TICK, LOT = 100_000, Decimal("0.1"), Decimal("0.01")
OPTION = Option(
    symbol="BTCUSD-27MAR26-90000-C",
    underlying="BTC",
    tick=TICK,
    lot=LOT,
    option_type=OptionType.CALL,
    strike=Decimal(90_000),
    expiry=datetime(2026, 3, 27, 8, tzinfo=UTC),
)
Step = tuple[int, int, int, int, int]


class StillFeed:
    """A market that quotes one option and does not move."""

    spacing_max: timedelta | None = None

    def __init__(self) -> None:
        far = [Decimal(MID + 1000 * n) * TICK for n in range(1, 11)]
        near = [Decimal(MID - 1000 * n) * TICK for n in range(1, 11)]
        self._index = IndexView(Decimal(95_000), START)
        self._view = OptionView(
            option=OPTION,
            at=START,
            bids=tuple(Level(price, Decimal(10)) for price in near),
            asks=tuple(Level(price, Decimal(10)) for price in far),
            mark=Decimal(MID) * TICK,
            mark_iv=0.5,
            greeks=Greeks(delta=0.6),
            underlying_price=Decimal(95_000),
            open_interest=Decimal(0),
        )

    def options(self, now: datetime, /) -> Sequence[Option]:  # noqa: ARG002 - it never moves
        """The one option."""
        return (OPTION,)

    def index(self, underlying: str, now: datetime, /) -> IndexView:  # noqa: ARG002 - it never moves
        """The one price."""
        return self._index

    def view(self, symbol: str, now: datetime, /) -> OptionView | None:  # noqa: ARG002 - it never moves
        """The one view."""
        return self._view if symbol == OPTION.symbol else None

    def flow(self, symbols: Sequence[str], since: datetime, now: datetime, /) -> Sequence[Flow]:  # noqa: ARG002 - nobody else deals
        """Nobody else deals."""
        return ()

    def settlement(self, underlying: str, expiry: datetime, /) -> Decimal | None:  # noqa: ARG002 - never reached
        """Nothing expires."""
        return None


class Drawn:
    """A seeded flow: adds as (ADD, ref, side, ticks, lots), cancels as (CANCEL, ref, 0, 0, 0) of orders that still live."""

    def __init__(self, seed: int) -> None:
        self.random, self.steps, self.next = random.Random(seed), list[Step](), 0
        self.sides: tuple[dict[int, list[list[int]]], dict[int, list[list[int]]]] = ({}, {})
        self.live: dict[int, list[int]] = {}
        self.refs: list[int] = []

    def add(self, side: int, price: int, lots: int) -> None:
        """Draw an order and play it on a plain book, so that later cancels name living orders."""
        self.steps.append((ADD, self.next, side, price, lots))
        facing, left = self.sides[1 - side], lots
        while left and facing:
            best = min(facing) if side == 0 else max(facing)
            if (best > price) if side == 0 else (best < price):
                break
            head = facing[best][0]
            taken = min(left, head[1])
            left, head[1] = left - taken, head[1] - taken
            if not head[1]:
                facing[best].pop(0)
                del self.live[head[0]]
                if not facing[best]:
                    del facing[best]
        if left:
            entry = [self.next, left, side, price]
            self.sides[side].setdefault(price, []).append(entry)
            self.live[self.next] = entry
            self.refs.append(self.next)
        self.next += 1

    def cancel(self) -> None:
        """Draw the cancel of a living order."""
        while True:
            at = self.random.randrange(len(self.refs))
            self.refs[at], self.refs[-1] = self.refs[-1], self.refs[at]
            entry = self.live.pop(self.refs.pop(), None)
            if entry is not None:
                break
        ref, _, side, price = entry
        self.sides[side][price].remove(entry)
        if not self.sides[side][price]:
            del self.sides[side][price]
        self.steps.append((CANCEL, ref, 0, 0, 0))

    def passive(self, reach: int = 100) -> None:
        """Draw an order that rests."""
        side, off = self.random.randint(0, 1), self.random.randint(1, reach)
        self.add(side, MID - off if side == 0 else MID + off, self.random.randint(1, 100))


def drawn(kind: str, n: int, seed: int = 11) -> list[Step]:
    """Return n steps of a kind of flow."""
    flow = Drawn(seed)
    draw = flow.random
    for _ in range(0 if kind == "add" else 1000):
        flow.passive()
    while len(flow.steps) < n:
        chance = draw.random()
        if kind == "add":
            flow.passive(200)
        elif kind == "match":
            side, lots = draw.randint(0, 1), draw.randint(1, 100)
            flow.add(side, MID, lots)
            flow.add(1 - side, MID, lots)
        elif kind == "cancel":
            flow.passive()
            flow.cancel()
        elif chance < 0.5 or len(flow.live) < 400:
            flow.passive()
        elif chance < 0.8:
            flow.cancel()
        else:
            side = draw.randint(0, 1)
            flow.add(side, MID + 60 if side == 0 else MID - 60, draw.randint(1, 120))
    return flow.steps[:n]


def an_engine() -> Engine:
    """Return an engine with eight buyers (10 to 17) and eight sellers (20 to 27)."""
    engine = Engine(StillFeed(), Rules(max_open_orders=10**6), START)
    for user in (*range(10, 18), *range(20, 28)):
        engine.add_account(user, f"account {user}", Decimal(10**11))
    engine.drain_changes()
    return engine


def run(steps: list[Step], profile: Callable[[Callable[[], None]], None] | None = None) -> tuple[float, Engine]:
    """Play steps on a fresh engine; return the seconds they took and the engine."""
    engine = an_engine()
    requests = [
        OrderRequest(OPTION.symbol, Side(side + 1), lots * LOT, price * TICK, client_id=ref) if op == ADD else None
        for op, ref, side, price, lots in steps
    ]
    users = [10 + (ref & 7) + 10 * side for _, ref, side, _, _ in steps]
    ids: dict[int, tuple[int, int]] = {}

    def play() -> None:
        now, record = START, engine.record
        for step, (op, ref, *_) in enumerate(steps):
            request = requests[step]
            if request is not None:
                user = users[step]
                ids[ref] = user, engine.place(user, request, now)
            else:
                user, order_id = ids[ref]
                engine.cancel(user, now, order_id=order_id)
            if step % 100 == 0:
                now += timedelta(milliseconds=1)
            if step % 1000 == 0:
                record.forget()
            assert op in {ADD, CANCEL}

    gc.collect()
    started = time.perf_counter()
    if profile is None:
        play()
    else:
        profile(play)
    return time.perf_counter() - started, engine


def main() -> None:
    """Print orders a second for each kind of flow: the median and the best of the repeats."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    for kind in ("add", "cancel", "match", "mixed"):
        steps = drawn(kind, options.n)
        if options.profile:
            profiler = cProfile.Profile()
            run(steps, profiler.runcall)
            profiler.print_stats("tottime")
            continue
        results = [run(steps) for _ in range(options.repeats)]
        rates = sorted(len(steps) / seconds for seconds, _ in results)
        assert all(total_cash(engine.accounts.values()) == 0 for _, engine in results)
        matches = len(results[0][1].liquidity.books[OPTION.symbol].tape)
        print(f"{kind:7} median {rates[len(rates) // 2]:10,.0f}  best {rates[-1]:10,.0f} orders/s  (tape {matches})")


if __name__ == "__main__":
    main()
