"""Many executions together: sums, means, medians, confidence intervals, and what choosing a mode has cost.

The interval is the 95 % t-interval of the mean: it needs no random numbers, and for one or no value there is none. It assumes that
executions do not depend on each other; those of one trade do a little.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import median
from typing import TypeVar

from domain import ZERO, ExecutionMode, Purpose
from execution_quality.quality import BASIS_POINTS, ExecutionQuality, ratio, total

K = TypeVar("K", bound=Hashable)
CostKey = tuple[ExecutionMode, str, Purpose]

# Two-sided 95 % quantiles of Student's t for 1 to 30 degrees of freedom. Source: NIST/SEMATECH e-Handbook, table 1.3.6.7.2.
_T = tuple(
    Decimal(thousandths) / 1000
    for thousandths in (
        *(12706, 4303, 3182, 2776, 2571, 2447, 2365, 2306, 2262, 2228, 2201, 2179, 2160, 2145, 2131),
        *(2120, 2110, 2101, 2093, 2086, 2080, 2074, 2069, 2064, 2060, 2056, 2052, 2048, 2045, 2042),
    )
)
_Z = Decimal("1.959964")
# What the cost of a choice is rounded to, basis points: sums of such numbers are exact, in whatever order they come and go.
_FINE = Decimal("1e-9")


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What some values come to; `low` and `high` bound their mean with 95 % confidence, None for fewer than two values."""

    count: int
    total: Decimal
    mean: Decimal
    median: Decimal
    low: Decimal | None
    high: Decimal | None


def estimate(values: Iterable[Decimal | None]) -> Estimate | None:
    """Return what the values that are known come to; None without one."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    count, whole = len(known), sum(known, ZERO)
    mean = whole / count
    reach = None
    if count > 1:
        variance = sum(((value - mean) ** 2 for value in known), ZERO) / (count - 1)
        reach = student_t(count - 1) * (variance / count).sqrt()
    return Estimate(
        count=count,
        total=whole,
        mean=mean,
        median=median(known),
        low=None if reach is None else mean - reach,
        high=None if reach is None else mean + reach,
    )


def student_t(freedom: int) -> Decimal:
    """Return the two-sided 95 % quantile of Student's t: the table's to 30 degrees of freedom, then the normal one, corrected.

    Source of the correction: Abramowitz and Stegun, 26.7.5, its first two terms; right to 4 digits from 31 on.
    """
    if freedom <= len(_T):
        return _T[freedom - 1]
    return _Z + (_Z**3 + _Z) / (4 * freedom) + (5 * _Z**5 + 16 * _Z**3 + 3 * _Z) / (96 * freedom**2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a group of executions came to. Counts and money are of all in the group; each estimate counts those that it could measure.

    `filled` counts executions that traded anything. `captured` is one share for the group: all savings over all half spreads of those
    executions that have both.
    """

    executions: int
    filled: int
    paid: Decimal
    fees: Decimal
    orders: int
    requotes: int
    quotes: int
    shortfall: Estimate | None
    shortfall_bps: Estimate | None
    shortfall_pct: Estimate | None
    saving: Estimate | None
    adverse: Estimate | None
    fill_seconds: Estimate | None
    captured: Decimal | None


def totals_of(qualities: Sequence[ExecutionQuality]) -> Totals:
    """Sum up executions."""
    priced = [(q.saving, q.half_spread) for q in qualities if q.spread_captured is not None]
    spread = total(half for _, half in priced)
    saved = total(saving for saving, _ in priced)
    return Totals(
        executions=len(qualities),
        filled=sum(q.filled != 0 for q in qualities),
        paid=sum((q.paid for q in qualities), ZERO),
        fees=sum((q.fees for q in qualities), ZERO),
        orders=sum(q.orders for q in qualities),
        requotes=sum(q.requotes for q in qualities),
        quotes=sum(q.quotes for q in qualities),
        shortfall=estimate(q.shortfall for q in qualities),
        shortfall_bps=estimate(q.shortfall_bps for q in qualities),
        shortfall_pct=estimate(q.shortfall_pct for q in qualities),
        saving=estimate(q.saving for q in qualities),
        adverse=estimate(q.after[0].adverse if q.after else None for q in qualities),
        fill_seconds=estimate(None if q.to_last_fill is None else Decimal(str(q.to_last_fill.total_seconds())) for q in qualities),
        captured=None if saved is None or spread is None else saved / spread,
    )


def totals_by(qualities: Iterable[ExecutionQuality], key: Callable[[ExecutionQuality], K]) -> dict[K, Totals]:
    """Sum up executions by a key, such as their strategy; groups in the order in which they first appear."""
    groups: dict[K, list[ExecutionQuality]] = {}
    for quality in qualities:
        groups.setdefault(key(quality), []).append(quality)
    return {name: totals_of(group) for name, group in groups.items()}


@dataclass(frozen=True, slots=True)
class ModeCost:
    """How many times a mode was chosen and measured, and what that cost in basis points of notional, summed."""

    count: int = 0
    sum_bps: Decimal = ZERO

    @property
    def mean_bps(self) -> Decimal | None:
        """Return the mean cost in basis points of notional; None for none."""
        return None if self.count == 0 else self.sum_bps / self.count

    def plus(self, other: "ModeCost") -> "ModeCost":
        """Return both together."""
        return ModeCost(self.count + other.count, self.sum_bps + other.sum_bps)

    def less(self, other: "ModeCost") -> "ModeCost":
        """Return this without the other."""
        return ModeCost(self.count - other.count, self.sum_bps - other.sum_bps)


def mean_shortfall_by_mode(qualities: Iterable[ExecutionQuality]) -> dict[CostKey, ModeCost]:
    """Return what choosing each mode has cost, by mode, structure and purpose.

    One choice is one opening or one close of a trade, with all that followed from it: the mode is that of its first execution, the
    cost is shortfall plus delay of all its executions, fallbacks and remedies too, and the shortfall of giving back what was half
    opened, in basis points of the notional that was opened or closed. So a mode whose failures others have to repair is not
    flattered. Left out: what is simulated, what was or became urgent, what has not ended, what traded nothing or lacks a price.
    """
    trades: dict[int, list[ExecutionQuality]] = {}
    for quality in qualities:
        trades.setdefault(quality.trade, []).append(quality)
    costs: dict[CostKey, ModeCost] = {}
    for runs in trades.values():
        for key, cost in phase_costs(runs).items():
            costs[key] = costs.get(key, ModeCost()).plus(cost)
    return costs


def phase_costs(runs: Sequence[ExecutionQuality]) -> dict[CostKey, ModeCost]:
    """Return what one trade's opening and close have cost, each under its first mode; what cannot be compared is left out."""
    costs: dict[CostKey, ModeCost] = {}
    for purpose, repair in ((Purpose.OPEN, Purpose.UNWIND), (Purpose.CLOSE, None)):
        phase = [run for run in runs if run.purpose is purpose]
        repairs = [run for run in runs if run.purpose is repair]
        if phase and (bps := _phase_bps(phase, repairs)) is not None:
            costs[phase[0].mode, phase[0].structure, purpose] = ModeCost(1, bps)
    return costs


def _phase_bps(phase: Sequence[ExecutionQuality], repairs: Sequence[ExecutionQuality]) -> Decimal | None:
    hurried = any(run.urgent and run.remedy is None for run in phase)
    if hurried or any(run.simulated or run.success is None for run in (*phase, *repairs)):
        return None
    traded = [run for run in phase if run.filled != 0]
    repaired = [run.shortfall for run in repairs if run.filled != 0]
    cost = total([*(part for run in traded for part in (run.shortfall, run.delay)), *repaired])
    bps = ratio(cost, total(run.notional for run in traded), BASIS_POINTS)
    return None if bps is None else bps.quantize(_FINE)
