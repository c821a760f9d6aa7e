"""Chasing fills with limit orders: a look at one leg says what to change, and never acts or sleeps; LimitExecution carries it out.

Time is cut into rounds of `fill_timeout_seconds`; a next one begins once the last has lasted and there is a price to quote at, so none
is skipped and an outage costs none. Round 0 quotes at mid, the last round at the full buffer past mid; on the way out of a trade the
last round reaches the price at which the book trades at once, because leaving must succeed, and goes on for ever. What is urgent
begins there. Legs that follow others begin their own rounds once those are filled. A leg has at most one live order; a
replacement waits until the cancel is final, so it is sized by what truly filled.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from domain import (
    ZERO,
    ExecutionMode,
    ExecutionParams,
    Purpose,
    Quote,
    Remedy,
    Side,
    Verdict,
    aggressive_price,
    passive_price,
    whole_lots,
)
from execution import Advance, ExecutionResult, Progress, RunLog, Scene, leg_results
from leg_orders import SLOW, Cancel, LegOrders, LegSight, Place, crossing_price, dead_end, gave_way, given_up, settling, tripped, wait_for
from order_ledger import OrderRecord

BRISK = timedelta(seconds=5)
NO_TIME = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LegStep:
    """What one look at a leg says."""

    progress: Progress
    action: Place | Cancel | None = None
    reason: str = ""
    tripped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chase:
    """How prices are chased in this look: the round, from 0, how long a quote stands, and whether time is worth more than spread.

    `cap_pct` is set where missing legs are taken across the spread, paying up to that many per cent past mid. `unpriced` is for how
    long no leg of the trade that misses something has had a price.
    """

    purpose: Purpose
    params: ExecutionParams
    now: datetime
    round: int
    unpriced: timedelta = NO_TIME
    cap_pct: float | None = None
    brisk: bool = False

    @property
    def patience(self) -> timedelta:
        """Return how long a quote may stand before it is looked at again."""
        usual = timedelta(seconds=self.params.fill_timeout_seconds)
        return min(usual, BRISK) if self.brisk or self.cap_pct is not None else usual

    def price(self, quote: Quote, side: Side) -> Decimal | None:
        """Return what to quote a leg at, USD on the tick; None while there is nothing to price from."""
        if self.cap_pct is not None:
            return crossing_price(quote, None, side, ZERO, self.cap_pct)
        turn = self.params.max_requote_rounds if self.brisk else self.round
        return limit_price(quote, side, self.purpose, turn, self.params)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Where an execution is: its round, from 0, since when, and when it last had a price. `stage_at` is when its rounds were begun."""

    stage_at: datetime
    number: int
    began: datetime
    priced_at: datetime


def next_round(last: Round | None, stage_at: datetime, now: datetime, length: timedelta, *, priced: bool) -> Round:
    """Return the round of a look: the next one begins once the last has lasted and something could be quoted.

    Neither a clock that jumps between two looks nor an outage then costs a round: the price never runs ahead of the quotes that
    were tried. A stage first looked at late, as after a restart, is as old as its time says.
    """
    if last is None or last.stage_at != stage_at:
        number = max(int((now - stage_at) / length), 0)
        began = min(stage_at + number * length, now)  # a clock that was set back between two lives has put it in the future
        last = Round(stage_at=stage_at, number=number, began=began, priced_at=min(stage_at, now))
    if not priced:
        return last
    over = now - last.began >= length
    return replace(last, number=last.number + over, began=now if over else last.began, priced_at=now)


class LimitExecutor:
    """Executes with limit orders on one venue.

    No round is shorter than `shortest_round` (market time): where the market outruns the network, a shorter one would end before
    its order had arrived.
    """

    mode = ExecutionMode.LIMIT

    def __init__(self, orders: LegOrders, shortest_round: timedelta = NO_TIME) -> None:
        self._orders, self._shortest = orders, shortest_round

    def accepts(self, scene: Scene, /) -> Verdict:
        """Accept whatever is at least one lot."""
        dust = [leg.instrument.symbol for leg in scene.wanted if whole_lots(leg.qty, leg.instrument.lot) == 0]
        return Verdict(not dust, f"less than one lot of {', '.join(dust)}" if dust else "limit orders trade any structure")

    def begin(self, scene: Scene, log: RunLog, /) -> "LimitExecution":  # noqa: ARG002 - each step brings its own scene
        """Begin an execution, or go on with one."""
        return LimitExecution(self._orders, log, self._shortest)

    def forget(self, trade: int, /) -> None:
        """Drop what is kept of a trade that has ended."""
        self._orders.forget(trade)


class LimitExecution:
    """One trade's opening or close by limit orders."""

    def __init__(self, orders: LegOrders, log: RunLog, shortest: timedelta) -> None:
        self._orders, self._log, self._shortest = orders, log, shortest
        self._rounds: dict[bool, Round] = {}  # by whether its legs follow others

    def step(self, scene: Scene, /) -> Advance:
        """Look at every leg once, and place or cancel what the looks ask for; a leg without a price does not hold up the others."""
        sights = [self._limited(sight) for sight in self._orders.sights(scene, self._log.started.at)]
        chases = {group: self._chase(scene, sights, follows=group) for group in {sight.follows for sight in sights}}
        steps = [look(sight, chases[sight.follows], scene.quotes.get(sight.leg.option.symbol)) for sight in sights]
        advance = _summed(scene, steps)
        if advance.progress is Progress.WORKING:
            for each in steps:
                if each.action is not None:
                    self._orders.perform(scene, each.action)
        return advance

    def cancel(self, reason: str, /) -> bool:  # noqa: ARG002 - every order says by itself why it was taken back
        """Take back every order that is out; tell whether none is."""
        return self._orders.withdraw(self._log.started.trade)

    def result(self, advance: Advance, /) -> ExecutionResult:
        """Return what was done, from its fills."""
        success = advance.progress is Progress.DONE
        return ExecutionResult(mode=ExecutionMode.LIMIT, success=success, reason=advance.reason, legs=leg_results(self._log))

    def _limited(self, sight: LegSight) -> LegSight:
        """Return a leg that a remedy crosses with only what the remedy set out to trade of it."""
        if self._log.started.remedy is not Remedy.CROSS or self._log.started.purpose.reduces:
            return sight
        wanted = sum((leg.wanted for leg in self._log.started.legs if leg.leg == sight.index), ZERO)
        filled = sum((event.fill.qty for event in self._log.fills if event.leg == sight.index), ZERO)
        return replace(sight, missing=min(sight.missing, max(wanted - filled, ZERO)))

    def _chase(self, scene: Scene, sights: Sequence[LegSight], *, follows: bool) -> Chase:
        """Return how the legs that go first are chased, or those that follow: each group has rounds of its own."""
        params, started = scene.trade.params, self._log.started
        seconds = max(params.fill_timeout_seconds, self._shortest.total_seconds())
        params = replace(params, fill_timeout_seconds=seconds)
        crossing = started.remedy is Remedy.CROSS
        chase = Chase(
            purpose=scene.purpose,
            params=params,
            now=scene.now,
            round=0,
            cap_pct=params.legging.cross_cap_pct if crossing and not scene.purpose.reduces else None,
            brisk=scene.purpose.reduces and (scene.urgent or started.urgent),
        )
        group = [sight for sight in sights if sight.follows is follows]
        priced = any(_priced(sight, chase, scene) for sight in group)
        stage_at = _followed_at(sights, self._log) if follows else started.at
        last = next_round(self._rounds.get(follows), stage_at, scene.now, timedelta(seconds=seconds), priced=priced)
        self._rounds[follows] = last
        return replace(chase, round=last.number, unpriced=scene.now - last.priced_at)


def _priced(sight: LegSight, chase: Chase, scene: Scene) -> bool:
    quote = scene.quotes.get(sight.leg.option.symbol)
    return sight.missing > 0 and quote is not None and chase.price(quote, sight.side) is not None


def _followed_at(sights: Sequence[LegSight], log: RunLog) -> datetime:
    """Return since when the legs that follow have had all their room: the last fill of those that go first, once these miss nothing."""
    ahead = {sight.index for sight in sights if not sight.follows}
    fills = [event.at for event in log.fills if event.leg in ahead]
    waiting = any(sight.missing > 0 for sight in sights if not sight.follows)
    return log.started.at if waiting or not fills else max(fills)


def _summed(scene: Scene, steps: Sequence[LegStep]) -> Advance:
    names = [leg.option.symbol for leg in scene.trade.legs]
    spent = {index: each.reason for index, each in enumerate(steps) if each.progress is Progress.EXHAUSTED}
    if spent and not scene.purpose.reduces:
        return Advance(progress=Progress.EXHAUSTED, reason="; ".join(f"{names[index]}: {reason}" for index, reason in spent.items()))
    if all(each.progress is Progress.DONE for each in steps):
        return Advance(progress=Progress.DONE)
    slow = {index: each.reason or "no fill" for index, each in enumerate(steps) if each.tripped}
    waits = [f"{names[index]}: {each.reason}" for index, each in enumerate(steps) if each.reason and each.action is None]
    return Advance(progress=Progress.WORKING, reason="; ".join(waits), stuck={**slow, **spent})


def look(sight: LegSight, chase: Chase, quote: Quote | None) -> LegStep:
    """Look at one leg once and say what to change."""
    if sight.live is not None:
        return _standing(sight, sight.live, chase, quote)
    if sight.missing == 0:
        return LegStep(progress=Progress.DONE)
    return _absent(sight, chase, quote)


def limit_price(quote: Quote, side: Side, purpose: Purpose, turn: int, params: ExecutionParams) -> Decimal | None:
    """Return the price of a round, USD on the tick: from mid towards the market; None while there is nothing to price from."""
    base = quote.mid
    if base is None and purpose.reduces:
        base = next((p for p in (quote.mark, quote.executable(side), quote.executable(side.opposite)) if p is not None), None)
    if base is None:
        return None
    last = max(params.max_requote_rounds - 1, 0)
    share = Decimal(1) if last == 0 else Decimal(min(turn, last)) / last
    reach = base * Decimal(str(params.aggressive_buffer_pct)) / 100
    far = quote.executable(side)
    if purpose.reduces and far is not None:
        reach = max(reach, (far - base) * side.sign)
    rounded = aggressive_price if purpose.reduces and share == 1 else passive_price
    return rounded(base + side.sign * reach * share, quote.option.tick, side)


def _standing(sight: LegSight, order: OrderRecord, chase: Chase, quote: Quote | None) -> LegStep:
    if settling(order):
        return LegStep(progress=Progress.WORKING)
    over = _over(chase)
    if over is not None:
        return _cancel(order, over)
    if chase.purpose.reduces and order.new.qty - order.reported > sight.missing:
        return _cancel(order, "more than is held")
    if chase.now < order.sent_at + _timeout(sight, chase):
        return LegStep(progress=Progress.WORKING)
    price = None if quote is None else chase.price(quote, sight.side)
    if price is None or price == order.new.price:
        return LegStep(progress=Progress.WORKING)
    return _cancel(order, f"requote {order.new.price} to {price}")


def _cancel(order: OrderRecord, why: str) -> LegStep:
    return LegStep(progress=Progress.WORKING, action=Cancel(client_id=order.client_id, why=why), reason=why)


def _absent(sight: LegSight, chase: Chase, quote: Quote | None) -> LegStep:
    dead, over = dead_end(sight, chase.purpose, chase.now), _over(chase)
    if dead is not None or over is not None:
        return LegStep(progress=Progress.EXHAUSTED, reason=dead or given_up(sight, over or ""))
    slow = tripped(sight, chase.purpose, chase.params.max_requote_rounds)
    waiting = wait_for(sight, chase.now, _timeout(sight, chase))
    if waiting is None and sight.sendable == 0:
        waiting = "waiting for the legs that go first"
    if waiting is not None or quote is None:
        return LegStep(progress=Progress.WORKING, reason=waiting or "no fresh quote", tripped=slow)
    patient = replace(chase, round=0, brisk=False, cap_pct=None)
    price = (patient if gave_way(sight) else chase).price(quote, sight.side)
    if price is None:
        return LegStep(progress=Progress.WORKING, reason="no two-sided quote", tripped=slow)
    return LegStep(progress=Progress.WORKING, action=Place(leg=sight.index, side=sight.side, qty=sight.sendable, price=price), tripped=slow)


def _timeout(sight: LegSight, chase: Chase) -> timedelta:
    slow = tripped(sight, chase.purpose, chase.params.max_requote_rounds)
    return max(chase.patience, SLOW) if slow else chase.patience


def _over(chase: Chase) -> str | None:
    """Say why the time of an opening is over: its rounds are, or it had no price for twice their length. A close has no such time."""
    if chase.purpose.reduces:
        return None
    length = timedelta(seconds=chase.params.fill_timeout_seconds)
    if chase.cap_pct is not None:
        allowed = timedelta(seconds=chase.params.legging.remedy_seconds)
        spent = chase.round * length >= allowed or chase.unpriced >= 2 * allowed
        return f"not filled across the spread in {allowed.total_seconds():g} s" if spent else None
    rounds = chase.params.max_requote_rounds
    if chase.round >= rounds:
        return f"not filled in {rounds} rounds"
    if chase.unpriced >= 2 * rounds * length:
        return f"no price for {chase.unpriced.total_seconds():.0f} s"
    return None
