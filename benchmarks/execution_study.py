"""What it costs to open a structure by limit orders, in chunks and by RFQ: the daemon's own executors on a recorded or synthetic market.

Every sample is one structure at one moment; each mode opens it on a market of its own that begins alike, so differences between modes
are paired. Cost is every fill against the mid of its leg at the moment of decision, unwinding included, in basis points of the strike
notional; fees are told apart.
    python -m benchmarks.execution_study MARKET [--samples 100] [--sizes 0.1 0.5 3] [--seed 1] [--flow 10] [--out FILE]
"""

import argparse
import json
import random
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

from loguru import logger

from benchmarks.study_house import StudyHouse
from domain import (
    ZERO,
    Chain,
    ExecutionMode,
    ExecutionParams,
    Quote,
    QuotingStrategy,
    RFQFallback,
    RFQParams,
    SmartExecConfig,
)
from errors import NoMatchingInstrument
from events import ExecutionStarted, LegFilled, LegPlan
from option_selection import LegSpec, butterfly, iron_condor, resolve_legs, strangle
from paper.market import Feed, OptionView
from paper.replay import ReplayFeed
from paper.synthetic import SyntheticFeed
from trade_lifecycle import TradeState

M = ExecutionMode
LONGEST = timedelta(hours=2)
STEP = timedelta(seconds=1)
STRUCTURES: Mapping[str, Callable[[Decimal, int], Sequence[LegSpec]]] = {
    "strangle": lambda qty, side: strangle(qty, 0.25, -0.25, 7, side),
    "iron condor": lambda qty, side: iron_condor(qty, 0.25, 0.10, 7, side),
    "butterfly": lambda qty, side: butterfly(qty, 5, "C", 7, side),
}
QUICK = SmartExecConfig(
    chunk_count=2,
    time_per_chunk=20,
    reprice_interval=10,
    aggressive_attempts=10,
    aggressive_wait_seconds=5,
    aggressive_retry_pause=1,
    quoting_strategy=QuotingStrategy.MID,
)
WAYS: Mapping[str, tuple[ExecutionMode, ExecutionParams]] = {
    "limit": (M.LIMIT, ExecutionParams()),
    "smart": (M.SMART, ExecutionParams()),
    "smart, 2 chunks of 20 s at mid": (M.SMART, ExecutionParams(smart=QUICK)),
    "rfq": (M.RFQ, ExecutionParams(rfq=RFQParams(fallback=RFQFallback.NONE))),
    "auto": (M.AUTO, ExecutionParams()),
}


@dataclass(frozen=True)
class Sample:
    """One structure to open at one moment."""

    market: str
    structure: str
    size: str
    side: int
    moment: datetime
    seed: int
    flow: float


@dataclass(frozen=True)
class Outcome:
    """What one way of opening a sample came to; money in USD."""

    sample: Sample
    way: str
    opened: bool
    traded: bool
    cost: float
    fees: float
    notional: float
    seconds: float
    orders: int
    chose: str

    @property
    def bps(self) -> float:
        """Return the cost in basis points of strike notional."""
        return self.cost / self.notional * 10_000

    @property
    def fees_bps(self) -> float:
        """Return the fees in basis points of strike notional."""
        return self.fees / self.notional * 10_000


@lru_cache(maxsize=2)
def _feed(market: str, seed: int, flow: float) -> Feed:
    if market == "synthetic":
        return SyntheticFeed(seed, datetime(2026, 3, 2, tzinfo=UTC), flow_per_minute=flow)
    return ReplayFeed(Path(market), underlyings=("BTC",), seed=seed, flow_per_minute=flow)


def _chain(feed: Feed, now: datetime) -> Chain:
    views = [view for option in feed.options(now) if option.underlying == "BTC" and (view := feed.view(option.symbol, now)) is not None]
    return Chain("BTC", now, feed.index("BTC", now).price, tuple(_quote(view, now) for view in views), now)


def _quote(view: OptionView, now: datetime) -> Quote:
    bid, ask = (side[0] if side else None for side in (view.bids, view.asks))
    return Quote(
        option=view.option,
        at=now,
        bid=None if bid is None else bid.price,
        ask=None if ask is None else ask.price,
        bid_size=None if bid is None else bid.size,
        ask_size=None if ask is None else ask.size,
        mark=view.mark,
        mark_iv=view.mark_iv,
        greeks=view.greeks,
        underlying_price=view.underlying_price,
    )


def open_one(sample: Sample, way: str) -> Outcome | None:
    """Open a sample one way; None where the market does not list it with both sides quoted."""
    feed = _feed(sample.market, sample.seed, sample.flow)
    try:
        plans = resolve_legs(
            STRUCTURES[sample.structure](Decimal(sample.size), sample.side), {"BTC": _chain(feed, sample.moment)}, sample.moment
        )
    except NoMatchingInstrument:
        return None
    house = StudyHouse(feed, sample.moment, sample.seed)
    mids = {plan.option.symbol: house.quote(plan.option).mid for plan in plans}
    if None in mids.values():
        return None
    mode, params = WAYS[way]
    house.open(plans, mode, params)
    house.run_until_decided(LONGEST, STEP)
    return _judged(sample, way, house, plans, mids)


def _judged(sample: Sample, way: str, house: StudyHouse, plans: Sequence[LegPlan], mids: Mapping[str, Decimal | None]) -> Outcome:
    fills = [event for event in house.events if isinstance(event, LegFilled)]
    cost = sum((e.fill.side.sign * e.fill.qty * (e.fill.price - (mids[e.fill.symbol] or ZERO)) for e in fills), ZERO)
    notional = sum((plan.option.strike * plan.qty for plan in plans), ZERO)
    starts = [event for event in house.events if isinstance(event, ExecutionStarted)]
    last = max((event.at for event in fills), default=house.clock.now())
    return Outcome(
        sample=sample,
        way=way,
        opened=house.trade.state is TradeState.OPEN,
        traded=bool(fills),
        cost=float(cost),
        fees=float(sum((e.fill.fee for e in fills), ZERO)),
        notional=float(notional),
        seconds=(last - sample.moment).total_seconds(),
        orders=house.orders_sent,
        chose="+".join(dict.fromkeys(str(start.mode) for start in starts)),
    )


def _all_ways(sample: Sample) -> list[Outcome]:
    """Open a sample in every way; nothing where one of them finds no market."""
    logger.remove()
    outcomes = [outcome for way in WAYS if (outcome := open_one(sample, way)) is not None]
    return outcomes if len(outcomes) == len(WAYS) else []


def samples(market: str, count: int, sizes: Sequence[str], seed: int, flow: float) -> Iterator[Sample]:
    """Draw the samples: moments over the whole market, sides in turn."""
    chance = random.Random(f"{market} {seed}")
    feed = _feed(market, seed, flow)
    first = feed.start if isinstance(feed, ReplayFeed) else datetime(2026, 3, 2, tzinfo=UTC)
    last = (feed.end if isinstance(feed, ReplayFeed) else first + timedelta(days=60)) - timedelta(hours=3)
    for structure in STRUCTURES:
        for size in sizes:
            for number in range(count):
                moment = first + timedelta(seconds=int(chance.random() * (last - first).total_seconds()))
                yield Sample(market, structure, size, 1 + number % 2, moment, seed, flow)


def interval(values: Sequence[float], seed: int = 1, draws: int = 2000) -> tuple[float, float]:
    """Return the 95 % interval of the mean, by bootstrap."""
    chance = random.Random(seed)
    means = sorted(statistics.fmean(chance.choices(values, k=len(values))) for _ in range(draws))
    return means[int(0.025 * draws)], means[int(0.975 * draws)]


def table(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """Yield the result as lines of a Markdown table: each way, and its paired difference to limit."""
    groups: dict[tuple[str, str], dict[str, dict[Sample, Outcome]]] = defaultdict(lambda: defaultdict(dict))
    for each in outcomes:
        groups[each.sample.structure, each.sample.size][each.way][each.sample] = each
    yield "| Structure, size | Way | n | opened | cost bps [95 %] | minus limit [95 %] | fees bps | seconds | orders |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for (structure, size), ways in groups.items():
        for way, found in ways.items():
            yield _line(f"{structure} {size}", way, found, ways["limit"])


def _line(name: str, way: str, found: Mapping[Sample, Outcome], limit: Mapping[Sample, Outcome]) -> str:
    done = [outcome for outcome in found.values() if outcome.traded]
    opened = sum(outcome.opened for outcome in found.values())
    if not done:
        return f"| {name} | {way} | {len(found)} | {opened} | - | - | - | - | - |"
    costs = [outcome.bps for outcome in done]
    both = [outcome.bps - limit[sample].bps for sample, outcome in found.items() if outcome.traded and limit[sample].traded]
    against = f"{statistics.fmean(both):+.2f} [{interval(both)[0]:+.2f}, {interval(both)[1]:+.2f}]" if both else "-"
    low, high = interval(costs)
    fees, seconds = statistics.fmean(o.fees_bps for o in done), statistics.median(o.seconds for o in done)
    orders = statistics.fmean(o.orders for o in done)
    return (
        f"| {name} | {way} | {len(found)} | {opened} | {statistics.fmean(costs):.2f} [{low:.2f}, {high:.2f}] "
        f"| {against} | {fees:.2f} | {seconds:.0f} | {orders:.1f} |"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("market", help="synthetic, or the directory of a recorded market")
    parser.add_argument("--samples", type=int, default=100, help="for each structure and size")
    parser.add_argument("--sizes", nargs="+", default=["0.1", "0.5", "3"], help="coins of the smallest leg")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--flow", type=float, default=10.0, help="orders of others a minute at the money")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, help="also write every outcome as a JSON line")
    chosen = parser.parse_args(arguments)
    drawn = list(samples(chosen.market, chosen.samples, chosen.sizes, chosen.seed, chosen.flow))
    outcomes: list[Outcome] = []
    with ProcessPoolExecutor(chosen.workers, mp_context=get_context("spawn")) as pool:
        for number, found in enumerate(pool.map(_all_ways, drawn, chunksize=4)):
            outcomes += found
            if number % 50 == 0:
                print(f"{number} of {len(drawn)}", file=sys.stderr, flush=True)
    if chosen.out is not None:
        chosen.out.write_text("".join(f"{_json(outcome)}\n" for outcome in outcomes))
    print("\n".join(table(outcomes)))


def _json(outcome: Outcome) -> str:
    sample = outcome.sample
    row = {name: getattr(outcome, name) for name in ("way", "opened", "traded", "cost", "fees", "notional", "seconds", "orders", "chose")}
    return json.dumps({**row, "structure": sample.structure, "size": sample.size, "side": sample.side, "moment": sample.moment.isoformat()})


if __name__ == "__main__":
    main()
