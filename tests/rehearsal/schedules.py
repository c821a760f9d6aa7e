"""What stories about odd schedules share: a market that trades one lot at a time, the wait for the end, and the whole judge."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from clock import monotonic, pause

from tests.rehearsal.abroad import CALL, PUT, QTY, Plan, World, a_world, breaches, left_over, misjudged, unbooked
from tests.rehearsal.other_books import BUY, SELL
from tests.rehearsal.other_exchange import OtherExchange
from tests.rehearsal.stage import LONG

LOT = Decimal("0.01")
BEAT = 0.25  # seconds from one lot at the quote to the next
BRIEF = Plan(patience=0.4, rounds=40)
PATIENT = Plan(patience=1, rounds=60)
RESTING = Plan(patience=8, rounds=3, hold=1)  # rests at mid first, and crosses then
ENDS = ("trade closed", "trade failed")


class Market:
    """Offers one lot at each quote of the strangle again and again; while it is still, nothing trades."""

    def __init__(self, exchange: OtherExchange) -> None:
        self._exchange, self._over = exchange, threading.Event()
        self.still = False
        self._offer()
        threading.Thread(target=self._run, daemon=True).start()

    def end(self) -> None:
        """Offer nothing more."""
        self._over.set()

    def be_still(self) -> None:
        """Let nothing trade from now on."""
        with self._exchange.lock:
            self.still = True
            self._offer()

    def _run(self) -> None:
        while not self._over.wait(BEAT):
            with self._exchange.lock:
                self._offer()

    def _offer(self) -> None:
        for symbol in (CALL, PUT):
            self._exchange.quote(symbol, 990, 1010, depth=Decimal(0) if self.still else LOT)


@contextmanager
def a_market(home: Path, **settings: str) -> Iterator[tuple[World, Market]]:
    """Run an exchange that trades by lots, and a daemon beside it that has not been started."""
    with a_world(home, None, **settings) as world:
        market = Market(world.exchange)
        yield world, market
        market.end()


Scene = tuple[World, Market]


def again(world: World, *more: str, ready: bool = True) -> None:
    """Start the daemon anew with the strategy that it had."""
    world.trader.start("--strategies-file", str(world.trader.home / "abroad.py"), *more, ready=ready)


def finish(world: World, times: int = 1, within: float = LONG) -> None:
    """Wait until so many trades have ended in this life of the daemon, whatever became of them."""
    deadline = monotonic() + within
    while _ended(world) < times:
        assert world.trader.alive, world.trader.story
        assert monotonic() < deadline, f"not ended within {within} s: {world.trader.story}"
        pause(0.05)


def _ended(world: World) -> int:
    return sum(len(world.trader.lines(each)) for each in ENDS)


def ill(world: World) -> list[str]:
    """Return all that is wrong once every trade has ended, whatever it came to."""
    return [*breaches(world), *left_over(world), *unbooked(world), *misjudged(world)]


def wrongs(world: World, times: int = 1) -> list[str]:
    """Return all that is wrong once a strangle has been bought and sold again, so many times."""
    sides = itertools.product((CALL, PUT), (BUY, SELL))
    traded = ((symbol, side, world.exchange.traded(symbol, side)) for symbol, side in sides)
    untraded = [f"traded {qty} of {symbol}, side {side}" for symbol, side, qty in traded if qty != times * QTY]
    return [*untraded, *ill(world)]
