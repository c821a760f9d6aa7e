"""How fast the paper exchange's markets answer: `make bench`, or `python benchmarks/bench_feed.py` for figures at once.

The budgets are 60 ms for a whole chain view of some 800 options and 100 µs for one view at a step whose index is known.
"""

import sys
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from time import perf_counter

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from paper.market import Feed  # noqa: E402 - the script form needs the root on the path first
from paper.replay import ReplayFeed  # noqa: E402
from paper.synthetic import SyntheticFeed  # noqa: E402

START = datetime(2026, 3, 4, 10, 17, 5, tzinfo=UTC)
RECORDED = ROOT / "../shared/data"
SECOND = timedelta(seconds=1)


def whole_chain(feed: Feed, now: datetime) -> int:
    """View every listed option, index included; return how many there are."""
    for underlying in ("BTC", "ETH"):
        feed.index(underlying, now)
    return sum(feed.view(option.symbol, now) is not None for option in feed.options(now))


@pytest.mark.parametrize("strikes", [7, 10, 40])
def test_bench_whole_synthetic_chain_at_a_new_second(benchmark: BenchmarkFixture, strikes: int) -> None:
    feed, seconds = SyntheticFeed(7, START, strikes_per_expiry=strikes), count()
    benchmark.extra_info["options"] = whole_chain(feed, START)
    benchmark(lambda: whole_chain(feed, START + next(seconds) * SECOND))


def test_bench_one_synthetic_view_where_the_index_is_known(benchmark: BenchmarkFixture) -> None:
    feed = SyntheticFeed(7, START)
    symbols = [option.symbol for option in feed.options(START)]
    steps = ((START + n * SECOND, symbol) for n in count(1) for symbol in symbols)

    def known() -> tuple[tuple[str, datetime], dict[str, object]]:
        now, symbol = next(steps)
        for underlying in ("BTC", "ETH"):
            feed.index(underlying, now)
        return (symbol, now), {}

    benchmark.pedantic(feed.view, setup=known, rounds=3000)  # type: ignore[no-untyped-call]


def test_bench_the_index_at_the_next_second(benchmark: BenchmarkFixture) -> None:
    feed, seconds = SyntheticFeed(7, START), count()
    benchmark(lambda: feed.index("BTC", START + next(seconds) * SECOND))


def test_bench_a_restart_a_year_after_the_start(benchmark: BenchmarkFixture) -> None:
    later = START + timedelta(days=365)
    benchmark.pedantic(lambda: len(SyntheticFeed(7, START).options(later)), rounds=5)  # type: ignore[no-untyped-call]


def test_bench_a_minute_of_flow_in_four_options(benchmark: BenchmarkFixture) -> None:
    feed, minutes = SyntheticFeed(7, START), count()
    symbols = [option.symbol for option in feed.options(START)[10:14]]

    def a_minute() -> int:
        now = START + next(minutes) % 900 * timedelta(minutes=1)
        return len(feed.flow(symbols, now, now + timedelta(minutes=1)))

    benchmark(a_minute)


def test_bench_a_settlement(benchmark: BenchmarkFixture) -> None:
    expiry = datetime(2026, 3, 6, 8, tzinfo=UTC)

    def asked() -> tuple[tuple[SyntheticFeed], dict[str, object]]:
        feed = SyntheticFeed(7, START)
        feed.index("BTC", expiry)
        return (feed,), {}

    benchmark.pedantic(lambda feed: feed.settlement("BTC", expiry), setup=asked, rounds=20)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("name", ["deribit_chain_hourly", "deribit_chain_6h"])
def test_bench_replay_from_opening_to_the_first_whole_chain(benchmark: BenchmarkFixture, name: str) -> None:
    if not (RECORDED / name).is_dir():
        pytest.skip("the recorded chains are not on this machine")

    def opened() -> int:
        feed = ReplayFeed(RECORDED / name)
        return whole_chain(feed, feed.start)

    benchmark.extra_info["options"] = opened()
    benchmark.pedantic(opened, rounds=5)  # type: ignore[no-untyped-call]


def main() -> None:
    """Print the two budgeted figures."""
    feed, other = SyntheticFeed(7, START, strikes_per_expiry=10), SyntheticFeed(7, START)
    symbols = [option.symbol for option in other.options(START)]
    chains, views = [], []
    for n in range(20):
        now = START + n * SECOND
        begun = perf_counter()
        size = whole_chain(feed, now)
        chains.append((perf_counter() - begun, size))
        other.index("BTC", now)
        begun = perf_counter()
        other.view(symbols[n], now)
        views.append(perf_counter() - begun)
    middle, size = sorted(chains)[10]
    print(f"{size} options: whole chain median {middle * 1e3:.1f} ms, single view median {sorted(views)[10] * 1e6:.0f} µs")


if __name__ == "__main__":
    main()
