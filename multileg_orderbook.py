"""The smart executor: a structure worked on the order book chunk by chunk, first patiently, then across the spread.

A chunk is quoted for a while, each leg by itself, then what it still misses is taken by limit orders that cross. What a chunk misses
is what the trade misses beyond the later chunks, so a late fill of an earlier one only lowers what is sent next. The stage of
each chunk is written to the run's log; all else is read from the trade's fills and the orders, so a restart goes on where it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil

from loguru import logger

from chunking import (
    ChunkStage,
    ChunkState,
    LegChunkState,
    SmartExecResult,
    Turn,
    leg_chunk,
    moved_by,
    plan_for,
    quoting_price,
    smallest_order,
    stretched,
    whole_legs,
    without_us,
)
from domain import (
    ZERO,
    ExecutionMode,
    ExecutionParams,
    OptionLeg,
    OrderBook,
    OrderStatus,
    Quote,
    Side,
    SmartExecConfig,
    Verdict,
    whole_lots,
)
from errors import ConfigError
from events import ExecutionEvent, ExecutionMoved
from execution import Advance, Driver, Progress, RunLog, Scene, leg_results
from leg_orders import SLOW, Cancel, LegOrders, LegSight, Place, crossing_price, dead_end, given_up, settling, tripped, wait_for
from legging import apart_since
from order_ledger import OrderRecord

__all__ = ["ChunkStage", "ChunkState", "LegChunkState", "SmartExecConfig", "SmartExecResult", "SmartExecution", "SmartOrderbookExecutor"]

NO_TIME = timedelta(0)


class LegState(StrEnum):
    """How a leg stands in a chunk: done, at work, behind the legs that go first, spent, or dead: no opening of it makes sense any more."""

    DONE = "done"
    ACTIVE = "active"
    BLOCKED = "blocked"
    SPENT = "spent"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class LegLook:
    """What one look at a leg says."""

    state: LegState
    action: Place | Cancel | None = None
    reason: str = ""
    tripped: bool = False


_UNWORKED = SmartExecResult(mode=ExecutionMode.SMART, success=False, reason="", legs=(), chunks_completed=0, fallback_count=0, chunks=())


class SmartOrderbookExecutor:
    """Executes in chunks on one venue's order book.

    No stage is shorter than `shortest_round` (market time): where the market outruns the network, a shorter one would end before its
    orders had arrived.
    """

    mode = ExecutionMode.SMART

    def __init__(self, orders: LegOrders, shortest_round: timedelta = NO_TIME) -> None:
        self._orders, self._shortest = orders, shortest_round
        self.drive: Driver | None = None

    def execute_smart_multi_leg(self, legs: Sequence[OptionLeg], config: SmartExecConfig | None = None) -> SmartExecResult:
        """Trade the legs chunk by chunk and return what came of it: for scripts, it blocks.

        It is a loop around the step of a trade of the strategy `script`; legs that reverse an open one close it, as it was opened. What
        chunks could not do limit orders may have done: the result tells of all of it. Raises ConfigError, RiskDenied, ExchangeUnavailable
        or JournalError, nothing begun.
        """
        if self.drive is None:
            raise ConfigError("the executor must be one of a built context")
        driven = self.drive(legs, self.mode, ExecutionParams(smart=config or SmartExecConfig()))
        found = next((result for result in reversed(driven.results) if isinstance(result, SmartExecResult)), _UNWORKED)
        return replace(found, success=driven.success, reason=driven.reason, legs=driven.legs)

    def accepts(self, scene: Scene, /) -> Verdict:
        """Accept legs that are whole lots and at least the smallest order each; say which are not."""
        config, problems = scene.trade.params.smart, []
        for leg in scene.wanted:
            symbol, lot, least = leg.instrument.symbol, leg.instrument.lot, smallest_order(leg.instrument.lot, config)
            if leg.qty != whole_lots(leg.qty, lot):
                problems.append(f"{leg.qty} of {symbol} is not a whole number of lots of {lot}")
            elif leg.qty < least:
                problems.append(f"{leg.qty} of {symbol} is less than the smallest order of {least}")
        if problems or not scene.wanted:
            return Verdict(False, "; ".join(problems) or "nothing is wanted")
        plan = plan_for(scene, [scene.missing(leg) for leg in scene.trade.legs])
        return Verdict(True, f"{plan.count} chunks" if plan.count > 1 else "1 chunk")

    def begin(self, scene: Scene, log: RunLog, /) -> "SmartExecution":
        """Begin an execution, or go on with one in the chunk and stage that its log holds."""
        return SmartExecution(self._orders, scene, log, self._shortest)

    def forget(self, trade: int, /) -> None:
        """Drop what is kept of a trade that has ended."""
        self._orders.forget(trade)


class SmartExecution:
    """One trade's opening or close, chunk by chunk."""

    def __init__(self, orders: LegOrders, scene: Scene, log: RunLog, shortest: timedelta = NO_TIME) -> None:
        self._orders, self._log = orders, log
        self._config = stretched(scene.trade.params.smart, shortest)
        self._legs = whole_legs(scene, log)
        self._plan = plan_for(scene, [leg.quantity for leg in self._legs])
        self._begun_at = scene.now
        self._looked_at: datetime | None = None
        self._told = False

    @property
    def chunks(self) -> tuple[ChunkState, ...]:
        """Return every chunk that was begun or has fills, as they and the log tell."""
        moves = {event.number: event for event in self._log.written(ExecutionMoved)}
        begun = max(moves, default=0)
        chunks = (self._chunk(number, moves.get(number)) for number in range(1, self._plan.count + 1))
        return tuple(chunk for chunk in chunks if chunk.number <= begun or any(leg.filled_qty != 0 for leg in chunk.legs))

    def step(self, scene: Scene, /) -> Advance:
        """Look at every leg once, move on where a chunk's time or work is over, place or cancel what the looks ask for."""
        sights = self._orders.sights(scene, self._log.started.at)
        looks = self._looks(scene, sights)
        while (move := self._next(scene, sights, looks)) is not None:
            self._move(*move)
            looks = self._looks(scene, sights)
        self._looked_at = scene.now
        advance = self._summed(scene, sights, looks)
        if advance.progress is Progress.WORKING:
            for look in looks:
                if look.action is not None:
                    self._orders.perform(scene, look.action)
        return advance

    def cancel(self, reason: str, /) -> bool:  # noqa: ARG002 - every order says by itself why it was taken back
        """Take back every order that is out; tell whether none is."""
        return self._orders.withdraw(self._log.started.trade)

    def result(self, advance: Advance, /) -> SmartExecResult:
        """Return what was done, from its fills, and tell it once in the log."""
        moves, chunks = self._log.written(ExecutionMoved), self.chunks
        result = SmartExecResult(
            mode=ExecutionMode.SMART,
            success=advance.progress is Progress.DONE,
            reason=advance.reason,
            legs=leg_results(self._log),
            chunks_completed=sum(chunk.is_filled for chunk in chunks),
            fallback_count=sum(event.stage == ChunkStage.FALLBACK for event in moves),
            chunks=chunks,
        )
        if not self._told:
            self._told = True
            logger.info(
                "smart execution {} trade={} chunks={}/{} fallbacks={} cost={} fees={} filled={}{}",
                advance.progress,
                self._log.started.trade,
                result.chunks_completed,
                self._plan.count,
                result.fallback_count,
                result.total_cost,
                result.fees,
                ", ".join(f"{leg.symbol} {leg.filled}/{leg.wanted} @ {leg.average_price}" for leg in result.legs),
                f" because {advance.reason}" if advance.reason else "",
            )
        return result

    # ---- stages

    @property
    def _moved(self) -> ExecutionMoved | None:
        moves = self._log.written(ExecutionMoved)
        return moves[-1] if moves else None

    def _next(self, scene: Scene, sights: Sequence[LegSight], looks: Sequence[LegLook]) -> tuple[ChunkStage, int] | None:
        """Return the stage and chunk that the execution moves to now; None while it stays."""
        moved, reached = self._moved, _reached(sights)
        if moved is None:
            return None if reached else self._first_stage(scene, 1)
        number = moved.number
        if moved.stage == ChunkStage.COMPLETED:
            over = reached or number >= self._plan.count
            return None if over or not self._rested(scene, moved.at) else self._first_stage(scene, number + 1)
        if reached or _full(looks, last=number >= self._plan.count):
            return ChunkStage.COMPLETED, number
        if moved.stage == ChunkStage.QUOTING and self._urgent(scene):
            return ChunkStage.FALLBACK, self._plan.count
        over = scene.now >= moved.at + timedelta(seconds=self._config.time_per_chunk) or self._apart_for_long(scene)
        return (ChunkStage.FALLBACK, number) if moved.stage == ChunkStage.QUOTING and over else None

    def _apart_for_long(self, scene: Scene) -> bool:
        """Tell whether half of the time is over for which the legs may stand apart: from here on the partner is taken, not waited for."""
        since = apart_since(self._log.written(ExecutionEvent))
        return since is not None and scene.now >= since + timedelta(seconds=scene.trade.params.legging.max_seconds / 2)

    def _first_stage(self, scene: Scene, number: int) -> tuple[ChunkStage, int]:
        """Return how a chunk begins: what is urgent takes all that is left in one."""
        if self._urgent(scene):
            return ChunkStage.FALLBACK, self._plan.count
        return (ChunkStage.FALLBACK if self._config.time_per_chunk == 0 else ChunkStage.QUOTING), number

    def _rested(self, scene: Scene, completed_at: datetime) -> bool:
        return self._urgent(scene) or scene.now >= completed_at + timedelta(seconds=self._config.pause_between_chunks)

    def _urgent(self, scene: Scene) -> bool:
        return scene.urgent or self._log.started.urgent

    def _move(self, stage: ChunkStage, number: int) -> None:
        before = self._moved
        self._log.write(ExecutionMoved, stage=stage.value, number=number)
        trade, count = self._log.started.trade, self._plan.count
        if stage is ChunkStage.COMPLETED:
            told = ", ".join(f"{leg.symbol} {leg.filled_qty}/{leg.quantity}" for leg in self._chunk(number, self._moved).legs)
            logger.info("smart chunk completed trade={} chunk={}/{} filled={}", trade, number, count, told)
        elif before is None or before.number != number:
            told = ", ".join(str(qty) for qty in self._plan.quantities(number))
            logger.info("smart chunk begun trade={} chunk={}/{} stage={} coins={}", trade, number, count, stage, told)
        else:
            logger.info("smart chunk moved trade={} chunk={}/{} stage={}", trade, number, count, stage)

    # ---- looks

    def _looks(self, scene: Scene, sights: Sequence[LegSight]) -> list[LegLook]:
        moved = self._moved
        if moved is None:
            return []
        fills, quotes = self._log.fills, ceil(self._config.time_per_chunk / self._config.reprice_interval)
        turn = Turn(
            purpose=scene.purpose,
            config=self._config,
            now=scene.now,
            stage=ChunkStage(moved.stage),
            since=moved.at,
            filled_at=max(moved.at, self._begun_at, *(event.at for event in fills[-1:])),
            looked_at=self._looked_at,
            last=moved.number >= self._plan.count,
            rounds=self._plan.count * (self._config.aggressive_attempts + quotes),
        )
        return [
            look(self._of_chunk(sight, moved.number), turn, scene.quotes.get(symbol), scene.books.get(symbol))
            for sight, symbol in ((each, each.leg.option.symbol) for each in sights)
        ]

    def _of_chunk(self, sight: LegSight, number: int) -> LegSight:
        """Return the leg as if it missed only what the later chunks leave to this one."""
        return replace(sight, missing=max(sight.missing - self._plan.left_after(number, sight.index), ZERO))

    def _summed(self, scene: Scene, sights: Sequence[LegSight], looks: Sequence[LegLook]) -> Advance:
        if _reached(sights):
            return Advance(progress=Progress.DONE)
        moved, names = self._moved, [leg.option.symbol for leg in scene.trade.legs]
        told = "; ".join(f"{names[index]}: {each.reason}" for index, each in enumerate(looks) if each.reason)
        if moved is None or moved.stage == ChunkStage.COMPLETED:
            if moved is not None and moved.number >= self._plan.count:
                return Advance(progress=Progress.EXHAUSTED, reason="more is missing than its chunks had")
            return Advance(progress=Progress.WORKING, reason="pausing between chunks")
        if _ended_short(looks):
            return Advance(progress=Progress.EXHAUSTED, reason=told)
        stuck = {
            index: each.reason or "no fill"
            for index, each in enumerate(looks)
            if scene.purpose.reduces and (each.tripped or each.state is LegState.SPENT)
        }
        return Advance(progress=Progress.WORKING, reason=told, stuck=stuck)

    def _chunk(self, number: int, move: ExecutionMoved | None) -> ChunkState:
        wholes = (replace(leg, position=leg.starting_position + moved_by(self._log, leg.leg)) for leg in self._legs)
        legs = tuple(leg_chunk(self._plan, number, leg.leg, leg) for leg in wholes)
        if move is None:
            stage = ChunkStage.COMPLETED if all(leg.is_filled for leg in legs) else ChunkStage.FALLBACK
            return ChunkState(number=number, stage=stage, since=None, legs=legs)
        return ChunkState(number=number, stage=ChunkStage(move.stage), since=move.at, legs=legs)


def _reached(sights: Sequence[LegSight]) -> bool:
    return all(sight.missing == 0 and sight.live is None for sight in sights)


def _full(looks: Sequence[LegLook], *, last: bool) -> bool:
    """Tell whether a chunk holds what it can: the last one everything; an earlier one leaves what waits for other legs to the next."""
    states = {each.state for each in looks}
    return states <= ({LegState.DONE} if last else {LegState.DONE, LegState.BLOCKED})


def _ended_short(looks: Sequence[LegLook]) -> bool:
    """Tell whether nothing more comes of a chunk that is not full: a leg is dead, as only one of an opening can be, or none can go on."""
    states = {each.state for each in looks}
    return LegState.DEAD in states or not states & {LegState.ACTIVE}


def look(sight: LegSight, turn: Turn, quote: Quote | None, book: OrderBook | None) -> LegLook:
    """Look at one leg of a chunk once and say what to change; the sight misses only what is the chunk's."""
    least = smallest_order(sight.lot, turn.config)
    if sight.live is not None:
        return _standing(sight, sight.live, turn, quote, book)
    if sight.missing == 0 or (sight.missing < least and not turn.last):
        return LegLook(state=LegState.DONE)
    if sight.missing < least:
        return LegLook(state=LegState.SPENT, reason=f"{sight.missing} is less than the smallest order of {least}")
    dead = dead_end(sight, turn.purpose, turn.now)
    if dead is not None:
        return LegLook(state=LegState.DEAD, reason=dead)
    if sight.sendable < least:
        return LegLook(state=LegState.BLOCKED, reason="waiting for the legs that go first")
    seen = _quoted(sight, turn, quote) if turn.stage is ChunkStage.QUOTING else _crossed(sight, turn, quote, book)
    return replace(seen, tripped=tripped(sight, turn.purpose, turn.rounds))


def _quoted(sight: LegSight, turn: Turn, quote: Quote | None) -> LegLook:
    waiting = wait_for(sight, turn.now, _patience(sight, turn, turn.interval))
    price = None if quote is None else quoting_price(quote, sight.side, turn.config)
    if waiting is not None or price is None:
        nothing = "no fresh quote" if quote is None else f"no price to quote by {turn.config.quoting_strategy}"
        return LegLook(state=LegState.ACTIVE, reason=waiting or nothing)
    return LegLook(state=LegState.ACTIVE, action=Place(leg=sight.index, side=sight.side, qty=sight.sendable, price=price))


def _crossed(sight: LegSight, turn: Turn, quote: Quote | None, book: OrderBook | None) -> LegLook:
    tries = [order for order in sight.orders if order.sent_at >= turn.since and order.status is not OrderStatus.FILLED]
    if len(tries) >= turn.config.aggressive_attempts:
        over = f"not filled in {turn.config.aggressive_attempts} attempts across the spread"
        return LegLook(state=LegState.SPENT, reason=given_up(sight, over))
    if tries and turn.now < tries[-1].sent_at + _patience(sight, turn, turn.attempt + turn.pause):
        return LegLook(state=LegState.ACTIVE, reason="pausing between attempts")
    waiting = wait_for(sight, turn.now, turn.attempt)
    price = None if quote is None else crossing_price(quote, book, sight.side, sight.sendable, turn.config.max_cross_pct)
    if price is None or waiting is not None or (turn.idle and not tries):
        nothing = "no fresh quote" if quote is None else "no price to cross at" if price is None else "no order was let out"
        if turn.idle:
            return LegLook(state=LegState.SPENT, reason=given_up(sight, waiting or nothing))
        return LegLook(state=LegState.ACTIVE, reason=waiting or nothing)
    return LegLook(state=LegState.ACTIVE, action=Place(leg=sight.index, side=sight.side, qty=sight.sendable, price=price))


def _standing(sight: LegSight, order: OrderRecord, turn: Turn, quote: Quote | None, book: OrderBook | None) -> LegLook:
    if settling(order):
        return LegLook(state=LegState.ACTIVE, reason="waiting for the venue")
    left = order.new.qty - order.reported
    if left > min(sight.missing, sight.room):
        return _cancel(order, "more than is missing")
    if turn.stage is not ChunkStage.QUOTING:
        return _attempted(order, turn)
    if not turn.look_due(order.sent_at, _patience(sight, turn, turn.interval)) or sight.sendable < smallest_order(sight.lot, turn.config):
        return LegLook(state=LegState.ACTIVE)
    if sight.sendable > order.working:
        return _cancel(order, f"{sight.sendable} may go out now, {order.working} do")
    if quote is not None and book is None:  # what a scene knows of a leg's own book is without our orders already
        quote = without_us(quote, sight.side, order.new.price, left)
    return _repriced(order, turn, quote, sight.side)


def _attempted(order: OrderRecord, turn: Turn) -> LegLook:
    if order.sent_at < turn.since:
        return _cancel(order, "its time to quote is over")
    if turn.now >= order.sent_at + turn.attempt:
        return _cancel(order, f"not filled across the spread in {turn.attempt.total_seconds():g} s")
    return LegLook(state=LegState.ACTIVE)


def _repriced(order: OrderRecord, turn: Turn, quote: Quote | None, side: Side) -> LegLook:
    price = None if quote is None else quoting_price(quote, side, turn.config)
    if price is None or max(price - order.new.price, order.new.price - price) <= turn.config.reprice_price_threshold:
        return LegLook(state=LegState.ACTIVE)
    return _cancel(order, f"requote {order.new.price} to {price}")


def _cancel(order: OrderRecord, why: str) -> LegLook:
    return LegLook(state=LegState.ACTIVE, action=Cancel(client_id=order.client_id, why=why), reason=why)


def _patience(sight: LegSight, turn: Turn, usual: timedelta) -> timedelta:
    return max(usual, SLOW) if tripped(sight, turn.purpose, turn.rounds) else usual
