"""Chunks lose no coin and keep the ratio; and whatever fills when, fails, or dies, no leg is ever traded beyond its target."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from math import ceil

from hypothesis import event, given, settings
from hypothesis import strategies as st

from chunking import ChunkPlan, Wish, chunk_plan, smallest_order
from domain import ZERO, LeggingPolicy, QuotingStrategy, Side, SmartExecConfig
from errors import ExchangeUnavailable, InsufficientMargin, JournalError, RateLimited
from execution import Progress
from multileg_orderbook import SmartExecResult

from tests.fakes import a_plan, an_option
from tests.unit.smart_builders import HIGH, LOW, MID, Bench, opened

LOTS = st.sampled_from([Decimal("0.01"), Decimal("0.1"), Decimal("0.001"), Decimal(1)])
CONFIGS = st.builds(
    SmartExecConfig,
    chunk_count=st.integers(1, 12),
    min_order_qty=st.sampled_from([Decimal("0.001"), Decimal("0.01"), Decimal("0.05"), Decimal("0.1")]),
)
# (lots wanted, lots in the structure, lot)
LEGS = st.lists(st.tuples(st.integers(0, 200), st.integers(1, 200), LOTS), min_size=1, max_size=6)


def quantities(plan: ChunkPlan) -> list[tuple[Decimal, ...]]:
    return [plan.quantities(number) for number in range(1, plan.count + 1)]


def laws(plan: ChunkPlan, wishes: list[Wish], config: SmartExecConfig) -> None:
    """What holds of every plan."""
    rows = quantities(plan)
    assert 1 <= plan.count <= config.chunk_count
    for index, wish in enumerate(wishes):
        mine = [row[index] for row in rows]
        assert sum(mine, ZERO) == wish.wanted
        assert all(qty >= 0 and qty % wish.lot == 0 for qty in mine)
        least = smallest_order(wish.lot, config)
        assert all(qty == 0 or qty >= least for qty in mine) or (len([qty for qty in mine if qty > 0]) == 1 and wish.wanted < least)
        assert plan.left_after(plan.count, index) == 0


@settings(max_examples=500)
@given(LEGS, CONFIGS)
def test_the_chunks_of_any_legs_add_up_and_lie_on_the_grid(legs: list[tuple[int, int, Decimal]], config: SmartExecConfig) -> None:
    wishes = [Wish(wanted=wanted * lot, target=target * lot, lot=lot) for wanted, target, lot in legs]
    laws(chunk_plan(wishes, config), wishes, config)


@settings(max_examples=500)
@given(st.lists(st.tuples(st.integers(1, 12), LOTS), min_size=1, max_size=6), st.integers(1, 60), CONFIGS)
def test_every_chunk_of_a_whole_structure_is_in_its_ratio(shape: list[tuple[int, Decimal]], units: int, config: SmartExecConfig) -> None:
    wishes = [Wish(wanted=units * ratio * lot, target=units * ratio * lot, lot=lot) for ratio, lot in shape]
    plan = chunk_plan(wishes, config)
    for row in quantities(plan):
        assert all(qty * wishes[0].target == row[0] * wish.target for qty, wish in zip(row, wishes, strict=True))
        assert row[0] > 0
    least = [
        ceil(Fraction(smallest_order(wish.lot, config)) / Fraction(ratio * wish.lot))
        for wish, (ratio, _) in zip(wishes, shape, strict=True)
    ]
    assert plan.count >= min(config.chunk_count, units // max(least))  # there could not have been more
    if units >= max(least):
        laws(plan, wishes, config)


# ---- executions: any schedule of fills, faults, moves and deaths

COARSE = an_option(65000, lot="0.1")
STRUCTURES = (
    (a_plan(LOW, Side.BUY, "0.2"), a_plan(MID, Side.SELL, "0.4"), a_plan(HIGH, Side.BUY, "0.2")),
    (a_plan(LOW, Side.SELL, "0.07"), a_plan(HIGH, Side.SELL, "0.07")),
    (a_plan(LOW, Side.BUY, "0.3"), a_plan(COARSE, Side.SELL, "0.3")),
    (a_plan(MID, Side.BUY, "0.05"),),
)
HOW = st.builds(
    SmartExecConfig,
    chunk_count=st.integers(1, 4),
    time_per_chunk=st.sampled_from([0, 5, 20, 60]),
    quoting_strategy=st.sampled_from(QuotingStrategy),
    reprice_interval=st.just(10),
    reprice_price_threshold=st.sampled_from([ZERO, Decimal(1)]),
    aggressive_attempts=st.integers(1, 5),
    aggressive_retry_pause=st.sampled_from([0, 1, 5]),
    min_order_qty=st.sampled_from([Decimal("0.01"), Decimal("0.05")]),
    pause_between_chunks=st.sampled_from([0, 10]),
)
Act = Callable[[Bench, int], None]


def _amount(which: int) -> Decimal:
    return Decimal(1 + which % 7) / 100


def _fill(bench: Bench, which: int) -> None:
    if resting := bench.resting():
        bench.venue.execute(resting[which % len(resting)].new.client_id)


def _fill_some(bench: Bench, which: int) -> None:
    if resting := bench.resting():
        bench.venue.execute(resting[which % len(resting)].new.client_id, _amount(which))


def _late(bench: Bench, which: int) -> None:
    if bench.venue.orders:
        bench.late_fill(which % len(bench.venue.orders), str(_amount(which)))


def _move(bench: Bench, which: int) -> None:
    mid, options = 100 + which % 9 - 4, [leg.option for leg in bench.trade.legs]
    bench.show(a_plan(options[which % len(options)]), str(mid - 1), str(mid + 1), str(mid))


def _blind(bench: Bench, which: int) -> None:
    options = [leg.option for leg in bench.trade.legs]
    bench.venue.quotes.pop(options[which % len(options)].symbol, None)


def _refuse(bench: Bench, which: int) -> None:
    kinds = (ExchangeUnavailable, RateLimited, InsufficientMargin)
    bench.venue.refuse = kinds[which % 3]("fake", "write", "no")


def _set(name: str) -> Act:
    return lambda bench, which: setattr(bench.venue, name, True)


ACTS: dict[str, Act] = {
    "fill": _fill,
    "fill another": _fill,
    "fill some": _fill_some,
    "late": _late,
    "move": _move,
    "blind": _blind,
    "refuse": _refuse,
    "lose": _set("lose_reply"),
    "drop": _set("drop"),
    "hang": _set("slow_cancel"),
    "unhang": lambda bench, which: bench.venue.finish_cancels(),
    "partial": lambda bench, which: setattr(bench.venue, "partial", _amount(which)),
    "race": lambda bench, which: setattr(bench.venue, "fill_in_cancel", _amount(which)),
    "fail": lambda bench, which: setattr(bench.journal, "fail_next", which % 2),
    "kill": lambda bench, which: bench.kill(),
}
STEPS = st.lists(st.tuples(st.sampled_from(sorted(ACTS)), st.integers(0, 20), st.integers(0, 12)), max_size=40)


def never_too_much(bench: Bench) -> None:
    """What holds at every instant, by the venue's own truth."""
    for index, leg in enumerate(bench.trade.legs):
        target = leg.opened if bench.purpose.reduces else leg.target
        late = bench.late.get((index, bench.purpose), ZERO)  # what the venue fills after it said it would not, nobody can prevent
        assert bench.outstanding(index) <= target + late, f"leg {index}: {bench.outstanding(index)} of {target}, {late} late"
        least = smallest_order(leg.option.lot, bench.trade.params.smart)
        assert all(qty >= least and qty % leg.option.lot == 0 for qty, _ in bench.sent(index))


def to_the_end(bench: Bench, steps: list[tuple[str, int, int]]) -> None:
    """Let all of it happen, then time pass without faults until it ends; compare every number with the venue's."""
    troubled(bench, steps)
    bench.venue.heal()
    bench.journal.fail_next = 0
    result = bench.finish(seconds=3000)
    never_too_much(bench)
    assert len(set(bench.moves)) == len(bench.moves), "a stage was begun twice"
    for index in range(len(result.legs)):
        leg_as_the_venue_has_it(bench, result, index)
    assert result.success is all(leg.filled >= leg.wanted for leg in result.legs)
    assert result.chunks_completed == sum(chunk.is_filled for chunk in result.chunks)
    assert bool(result.reason) is not result.success
    assert bench.resting() == []
    event(f"{'close' if bench.purpose.reduces else 'open'}: {'done' if result.success else 'ended short'}")


def troubled(bench: Bench, steps: list[tuple[str, int, int]]) -> None:
    """Let it all happen, one after the other, with the seconds that follow each."""
    progress = Progress.WORKING
    stages: list[tuple[int, str]] = []
    for what, which, seconds in steps:
        ACTS[what](bench, which)
        for _ in range(seconds):
            if progress is Progress.WORKING:
                progress = stepped(bench)
            never_too_much(bench)
            assert bench.moves[: len(stages)] == stages, "it went back"
            stages = bench.moves


def leg_as_the_venue_has_it(bench: Bench, result: SmartExecResult, index: int) -> None:
    """One leg's amount, average and chunks are those of the venue's rows, but for what nobody may have told yet."""
    leg = result.legs[index]
    late = bench.late.get((index, bench.purpose), ZERO)
    assert bench.traded(index) - late <= leg.filled <= bench.traded(index)
    rows = [(row.qty, row.price) for row in bench.venue.rows if owner(bench, row.order_id, index)]
    average = None if leg.filled == 0 else sum((qty * price for qty, price in rows), ZERO) / leg.filled
    assert late > 0 or leg.average_price == average
    assert sum((chunk.legs[index].filled_qty for chunk in result.chunks), ZERO) == leg.filled


def stepped(bench: Bench) -> Progress:
    """One step; a journal that cannot write stops it, and nothing else."""
    try:
        return bench.step().progress
    except JournalError:
        return Progress.WORKING


def owner(bench: Bench, order_id: str, leg: int) -> bool:
    """Whether an order of the present purpose and leg bears this id at the venue."""
    return any(
        order.order_id == order_id and (name.leg, name.purpose) == (leg, bench.purpose) for name, order in bench.venue.orders.items()
    )


@settings(max_examples=100)
@given(st.sampled_from(STRUCTURES), HOW, STEPS, st.booleans())
def test_l11_no_schedule_of_fills_faults_and_deaths_opens_too_much(structure, how, steps, bought_first) -> None:  # type: ignore[no-untyped-def]
    to_the_end(Bench(*structure, config=how, legging=LeggingPolicy(bought_first=bought_first)), steps)


@settings(max_examples=100)
@given(st.sampled_from(STRUCTURES), HOW, STEPS, st.booleans())
def test_l11_no_schedule_of_fills_faults_and_deaths_closes_too_much(structure, how, steps, bought_first) -> None:  # type: ignore[no-untyped-def]
    to_the_end(opened(*structure, config=how, legging=LeggingPolicy(bought_first=bought_first)), steps)
