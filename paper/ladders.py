"""How other makers quote an option: half-spread, sizes and deeper levels, in whole ticks and lots, never crossed.

Every number here is modelled. The best prices of a replayed market are recorded; its sizes and deeper levels come from here as well.
"""

from collections.abc import Sequence
from decimal import Decimal
from math import ceil, floor, sqrt
from typing import NamedTuple

from domain import Level

LEVELS = 5
_DAYS_PER_YEAR = 365.0
# What makers ask for the risk they take: of the hedge (fraction of the index per unit of delta), of volatility (points), of the premium.
_HEDGE = 0.0002
_POINTS = 0.5
_PREMIUM = 0.01
# How far the second level stands from the first, in half-spreads.
_GAP = 0.5

Ladder = tuple[Level, ...]


class Grid(NamedTuple):
    """The steps of an instrument, exact and as floats, and the coins its makers show at the best price."""

    tick: Decimal
    lot: Decimal
    tick_size: float
    lots: float


class Noise(NamedTuple):
    """Numbers between 0 and 1 that move a ladder: spread, lean of the middle, then one per level for bids and for asks."""

    spread: float
    lean: float
    bids: Sequence[float]
    asks: Sequence[float]


def noise_of(numbers: Sequence[float]) -> Noise:
    """Read noise out of sixteen uniform numbers."""
    return Noise(numbers[0], numbers[1], numbers[2 : 2 + LEVELS], numbers[2 + LEVELS : 2 + 2 * LEVELS])


def half_spread(index: float, premium: float, delta: float, vega: float, years: float, distance: float) -> float:
    """Return half the typical spread, USD: wider in volatility away from the money (distance in deviations) and with short expiry.

    `premium` is the out-of-the-money value, `vega` per volatility point.
    """
    days = max(years * _DAYS_PER_YEAR, 0.02)
    points = _POINTS * (1 + 0.3 * sqrt(7 / days) + 0.1 * distance * distance)
    return _HEDGE * index * abs(delta) + points * vega + _PREMIUM * premium


def quoted(mark: float, half: float, grid: Grid, noise: Noise) -> tuple[Ladder, Ladder]:
    """Return bids and asks round a mark; a bid that would be below one tick is absent."""
    half = max(half * (0.75 + 0.5 * noise.spread), grid.tick_size)
    middle = mark + half * 0.5 * (noise.lean - 0.5)
    best_bid = floor((middle - half) / grid.tick_size)
    best_ask = max(ceil((middle + half) / grid.tick_size), best_bid + 1, 1)
    step = max(1, round(_GAP * half / grid.tick_size))
    return rungs(best_bid, -step, noise.bids, grid), rungs(best_ask, step, noise.asks, grid)


def rungs(best: int, step: int, noise: Sequence[float], grid: Grid) -> Ladder:
    """Return levels from the best price on, all in ticks; the deeper, the larger; none below one tick."""
    return tuple(
        [
            Level((best + i * step) * grid.tick, max(1, int(grid.lots * (0.4 + 1.2 * u) * (1 + 0.6 * i))) * grid.lot)
            for i, u in enumerate(noise)
            if best + i * step > 0
        ]
    )
