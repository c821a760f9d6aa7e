"""How many block requests a second the paper exchange's board takes, and what its makers cost a heartbeat.

    python -m benchmarks.bench_board [--n 2000]

`round` is a request of two legs, two quotes of one maker and an acceptance, without simulated makers; `heartbeat` is one advance with so
many active requests, each with four simulated makers quoting both sides.
"""

import argparse
import sys
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.bench_engine import START
from domain import Option, Side
from paper.block_rows import StatedLeg
from paper.engine import Engine
from paper.makers import MakerModel
from paper.rules import Rules
from paper.synthetic import SyntheticFeed

TAKER, MAKER = 101, 102


def an_engine() -> tuple[Engine, list[Option]]:
    """Return an engine on the synthetic market with a taker and a maker, and two options near the money."""
    feed = SyntheticFeed(1, START)
    engine = Engine(feed, Rules(), START)
    engine.add_account(TAKER, "taker", Decimal(10**9))
    engine.add_account(MAKER, "maker", Decimal(10**9))
    near = sorted(
        (option for option in feed.options(START) if option.underlying == "BTC" and option.expiry > START + timedelta(days=5)),
        key=lambda option: (option.expiry, abs(option.strike - 100_000)),
    )
    return engine, near[:2]


def rounds(number: int) -> float:
    """Return the seconds that many rounds take."""
    engine, options = an_engine()
    legs = [StatedLeg(option.symbol, Side.BUY, Decimal(1)) for option in options]
    prices = {option.symbol: Decimal(1000) for option in options}
    begin = time.perf_counter()
    for _ in range(number):
        request = engine.board.request(TAKER, legs, START)
        quote = engine.board.quote(MAKER, request.request_id, Side.SELL, prices, START)
        engine.board.quote(MAKER, request.request_id, Side.BUY, prices, START)
        engine.board.accept(TAKER, request.request_id, quote.quote_id, START)
        engine.drain_changes()
        engine.drain_events()
    return time.perf_counter() - begin


def beats(active: int, number: int) -> float:
    """Return the seconds of one heartbeat with so many active requests."""
    engine, options = an_engine()
    engine.hire(MakerModel())
    legs = [StatedLeg(option.symbol, Side.BUY, Decimal(1)) for option in options]
    for _ in range(active):
        engine.board.request(TAKER, legs, START)
    now = START + timedelta(seconds=6)
    engine.advance(now)
    begin = time.perf_counter()
    for _ in range(number):
        now += timedelta(seconds=0.1)
        engine.advance(now)
    return (time.perf_counter() - begin) / number


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=2000)
    number = parser.parse_args().n
    print(f"round               {number / rounds(number):10,.0f} a second")
    for active in (0, 1, 10, 100):
        print(f"heartbeat {active:4} active {beats(active, 50) * 1000:10.2f} ms")


if __name__ == "__main__":
    main()
