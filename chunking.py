"""A structure cut into chunks: how much of each leg belongs to which, what of it has filled, at what price and for how long it is worked.

All of it is pure. Chunks keep the legs' ratios exactly and lose no coin: the smallest exact unit of the structure is what is shared out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from math import gcd
from typing import assert_never

from domain import (
    ZERO,
    ClientOrderId,
    Purpose,
    Quote,
    QuotingStrategy,
    Side,
    SmartExecConfig,
    passive_price,
    whole_lots,
)
from execution import ExecutionResult, RunLog, Scene

HUNDRED = Decimal(100)


class ChunkStage(StrEnum):
    """What is done with a chunk: quoted patiently, then taken across the spread, until it is completed."""

    QUOTING = "quoting"
    FALLBACK = "fallback"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a plan must know of a leg, coins: what is wanted now, its share in the structure, its lot."""

    wanted: Decimal
    target: Decimal
    lot: Decimal


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """How many coins of each leg are to be traded once so many chunks are completed; row 0 is nothing, the last row is everything."""

    totals: tuple[tuple[Decimal, ...], ...]

    @property
    def count(self) -> int:
        """Return how many chunks there are."""
        return len(self.totals) - 1

    def total(self, chunk: int, leg: int) -> Decimal:
        """Return the coins of a leg that the chunks up to this one (from 1) trade together."""
        return self.totals[chunk][leg]

    def left_after(self, chunk: int, leg: int) -> Decimal:
        """Return the coins of a leg that this chunk (from 1) leaves to the later ones."""
        return self.totals[-1][leg] - self.totals[chunk][leg]

    def quantities(self, chunk: int) -> tuple[Decimal, ...]:
        """Return the coins of each leg in a chunk, from 1."""
        return tuple(after - before for before, after in zip(self.totals[chunk - 1], self.totals[chunk], strict=True))


def smallest_order(lot: Decimal, config: SmartExecConfig) -> Decimal:
    """Return the smallest order of a leg, coins on its lot: the venue's own, or the larger that the user wants."""
    return max((config.min_order_qty / lot).to_integral_value(ROUND_CEILING) * lot, lot)


def chunk_plan(wishes: Sequence[Wish], config: SmartExecConfig) -> ChunkPlan:
    """Cut what is wanted into `chunk_count` chunks, fewer where that would leave the lot grid, the ratio or the smallest order.

    A structure that wants its legs in its own ratio is cut in exact units of itself. One that stands half filled has no such unit:
    each leg is then cut by itself, into as many chunks as it has room for. What is less than a lot goes with the last chunk.
    """
    lots = [int(whole_lots(wish.wanted, wish.lot) / wish.lot) for wish in wishes]
    least = [int(smallest_order(wish.lot, config) / wish.lot) for wish in wishes]
    if _in_ratio(wishes) and all(wish.wanted == n * wish.lot for wish, n in zip(wishes, lots, strict=True)):
        units = gcd(*lots)
        smallest = max((-(-low * units // n) for low, n in zip(least, lots, strict=True) if n > 0), default=1)
        counts = [max(min(config.chunk_count, units // max(smallest, 1)), 1)] * len(lots)
        steps = [_shares(units, counts[0], counts[0], n // units if units else 0) for n in lots]
    else:
        counts = [max(min(config.chunk_count, n // low), 1) for n, low in zip(lots, least, strict=True)]
        steps = [_shares(n, count, max(counts), 1) for n, count in zip(lots, counts, strict=True)]
    rows = [tuple(n * wish.lot for n, wish in zip(row, wishes, strict=True)) for row in zip(*steps, strict=True)]
    return ChunkPlan((*rows[:-1], tuple(wish.wanted for wish in wishes)))


def _in_ratio(wishes: Sequence[Wish]) -> bool:
    first = wishes[0]
    return all(wish.wanted * first.target == first.wanted * wish.target for wish in wishes)


def _shares(units: int, count: int, of: int, each: int) -> list[int]:
    """Return the running totals, in lots, of units of `each` lots cut into count parts, spread over `of` chunks, early ones first."""
    return [units * -(-count * chunk // of) // count * each for chunk in range(of + 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class LegChunkState:
    """One leg of one chunk: the coins it is to trade, and the trade's own signed position in it before and now, as its fills made it."""

    leg: int
    symbol: str
    side: Side
    quantity: Decimal
    starting_position: Decimal
    position: Decimal

    @property
    def filled_qty(self) -> Decimal:
        """Return the coins traded in the leg's direction since the chunk began: below zero where the position moved the other way."""
        return self.side.sign * (self.position - self.starting_position)

    @property
    def remaining_qty(self) -> Decimal:
        """Return the coins still to trade, never below zero."""
        return max(self.quantity - self.filled_qty, ZERO)

    @property
    def is_filled(self) -> bool:
        """Tell whether nothing remains."""
        return self.remaining_qty == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkState:
    """One chunk, numbered from 1: what is done with it, since when (None if another one took its coins), and its legs."""

    number: int
    stage: ChunkStage
    since: datetime | None
    legs: tuple[LegChunkState, ...]

    @property
    def is_filled(self) -> bool:
        """Tell whether every leg is filled."""
        return all(leg.is_filled for leg in self.legs)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartExecResult(ExecutionResult):
    """What a smart execution did, from its fills: how many chunks are full, how many had to be taken across the spread, and each begun."""

    chunks_completed: int
    fallback_count: int
    chunks: tuple[ChunkState, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What every leg of a look shares: the chunk, what is done with it since when, and since when nothing has filled.

    `looked_at` is the moment of the look before this one; None in the first after a start. `rounds` is how many orders of a leg the
    whole execution may need.
    """

    purpose: Purpose
    config: SmartExecConfig
    now: datetime
    stage: ChunkStage
    since: datetime
    filled_at: datetime
    looked_at: datetime | None
    last: bool
    rounds: int

    @property
    def attempt(self) -> timedelta:
        """Return how long an order across the spread stands."""
        return timedelta(seconds=self.config.aggressive_wait_seconds)

    @property
    def pause(self) -> timedelta:
        """Return the time between two of them."""
        return timedelta(seconds=self.config.aggressive_retry_pause)

    @property
    def interval(self) -> timedelta:
        """Return the time between two looks at a quote."""
        return timedelta(seconds=self.config.reprice_interval)

    @property
    def idle(self) -> bool:
        """Tell whether the time that all attempts would take has passed without a fill."""
        return self.now >= self.filled_at + self.config.aggressive_attempts * (self.attempt + self.pause)

    def look_due(self, sent_at: datetime, every: timedelta) -> bool:
        """Tell whether a whole number of intervals since an order was sent has passed since the last look."""
        before = sent_at if self.looked_at is None else max(self.looked_at, sent_at)
        return (self.now - sent_at) // every > (before - sent_at) // every


def plan_for(scene: Scene, wanted: Sequence[Decimal]) -> ChunkPlan:
    """Return how so many coins of each leg of the scene's trade are cut."""
    wishes = [Wish(wanted=qty, target=leg.target, lot=leg.option.lot) for qty, leg in zip(wanted, scene.trade.legs, strict=True)]
    return chunk_plan(wishes, scene.trade.params.smart)


def whole_legs(scene: Scene, log: RunLog) -> tuple[LegChunkState, ...]:
    """Return each leg of an execution as one chunk: what it set out to trade, and the position from which it began."""
    wanted = {leg.leg: leg.wanted for leg in log.started.legs}
    return tuple(
        LegChunkState(
            leg=index,
            symbol=leg.option.symbol,
            side=scene.side(leg),
            quantity=wanted.get(index, ZERO),
            starting_position=leg.held - moved_by(log, index),
            position=leg.held,
        )
        for index, leg in enumerate(scene.trade.legs)
    )


def moved_by(log: RunLog, leg: int) -> Decimal:
    """Return how an execution's own fills moved the trade's position in a leg, coins, positive for bought."""
    purpose = log.started.purpose
    own = (event.fill for event in log.fills if event.leg == leg and ClientOrderId.parse(event.order).purpose is purpose)
    return sum((fill.side.sign * fill.qty for fill in own), ZERO)


def leg_chunk(plan: ChunkPlan, chunk: int, index: int, leg: LegChunkState) -> LegChunkState:
    """Return the part of a leg's whole execution that falls to one chunk: earlier chunks are filled first."""

    def position(upto: int) -> Decimal:
        filled = leg.filled_qty if upto == plan.count else min(leg.filled_qty, plan.total(upto, index))
        return leg.starting_position + leg.side.sign * filled

    return replace(leg, quantity=plan.quantities(chunk)[index], starting_position=position(chunk - 1), position=position(chunk))


def stretched(config: SmartExecConfig, shortest: timedelta) -> SmartExecConfig:
    """Return the config with no stage shorter than shortest; a chunk that is not to be quoted at all is not."""
    least = shortest.total_seconds()
    return replace(
        config,
        time_per_chunk=max(config.time_per_chunk, least) if config.time_per_chunk > 0 else config.time_per_chunk,
        reprice_interval=max(config.reprice_interval, least),
        aggressive_wait_seconds=max(config.aggressive_wait_seconds, least),
    )


def quoting_price(quote: Quote, side: Side, config: SmartExecConfig) -> Decimal | None:
    """Return the patient price of a leg, USD on the tick, never one that trades at once; None while there is nothing to price from."""
    base = _base(quote, side, config)
    if base is None:
        return None
    tick, far = quote.option.tick, quote.executable(side)
    price = passive_price(base, tick, side)
    if far is None or (far - price) * side.sign > 0:
        return price
    beside = passive_price(far - side.sign * tick, tick, side)
    return beside if (far - beside) * side.sign > 0 else None


def _base(quote: Quote, side: Side, config: SmartExecConfig) -> Decimal | None:
    near = quote.executable(side.opposite)
    match config.quoting_strategy:
        case QuotingStrategy.TOP_OF_BOOK:
            return near
        case QuotingStrategy.TOP_OF_BOOK_OFFSET_PCT:
            return None if near is None else near * (1 + side.sign * Decimal(str(config.spread_pct)) / HUNDRED)
        case QuotingStrategy.MID:
            return quote.mid
        case QuotingStrategy.MARK:
            return quote.mid if quote.mark is None else quote.mark
        case _:
            assert_never(config.quoting_strategy)


def without_us(quote: Quote, side: Side, price: Decimal, qty: Decimal) -> Quote:
    """Return a quote that may hold our own order of so many coins as it would be without it: else each requote would chase our last one.

    Where our order may be all there is at the best price, that side is not known.
    """
    touch, size = (quote.bid, quote.bid_size) if side is Side.BUY else (quote.ask, quote.ask_size)
    if touch != price or (size is not None and size > qty):
        return quote
    return replace(quote, bid=None, bid_size=None) if side is Side.BUY else replace(quote, ask=None, ask_size=None)
