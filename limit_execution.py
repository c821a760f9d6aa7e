"""Chasing fills with limit orders: a look at one execution says what to change, and never acts or sleeps; LimitExecutor carries it out.

Time is cut into rounds of `fill_timeout_seconds`; a next one begins once the last has lasted and there is a price to quote at, so none
is skipped and an outage costs none. Round 0 quotes at mid, the last round at the full buffer past mid; on the way out of a trade the
last round reaches the price at which the book trades at once, because leaving must succeed, and goes on for ever. A leg has at most
one live order; a replacement waits until the cancel is final, so it is sized by what truly filled.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from loguru import logger

from domain import (
    ZERO,
    AccountSnapshot,
    ClientOrderId,
    ExecutionParams,
    NewOrder,
    OrderStatus,
    Purpose,
    Quote,
    Severity,
    Side,
    aggressive_price,
    passive_price,
    whole_lots,
)
from errors import RiskDenied, SizeRejected
from order_ledger import OrderRecord
from ports import Alerts
from trade_execution import TradeExecutor
from trade_lifecycle import TradeLeg, TradeLifecycle

BREAKER_ATTEMPTS = 25
SLOW = timedelta(minutes=1)


class Progress(StrEnum):
    """How far an execution or one of its legs is."""

    WORKING = "working"
    DONE = "done"
    EXHAUSTED = "exhausted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Send this order for a leg."""

    leg: int
    side: Side
    qty: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Take this order back."""

    client_id: ClientOrderId
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LegStep:
    """What one look at a leg says."""

    progress: Progress
    action: Place | Cancel | None = None
    reason: str = ""
    tripped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a look at one leg sees. `clamp` bounds a close by what the venue says is held, coins; None if it is not known.

    `unpriced` is for how long no leg of the trade that misses something has had a price.
    """

    index: int
    leg: TradeLeg
    purpose: Purpose
    params: ExecutionParams
    round: int
    now: datetime
    orders: Sequence[OrderRecord]
    quote: Quote | None
    clamp: Decimal | None = None
    unpriced: timedelta = timedelta(0)

    @property
    def side(self) -> Side:
        """Return the direction in which to trade."""
        return self.leg.side.opposite if self.purpose.reduces else self.leg.side

    @property
    def missing(self) -> Decimal:
        """Return how many coins are still to be traded, as far as fills tell."""
        if not self.purpose.reduces:
            return self.leg.target - self.leg.opened
        held = max(self.leg.outstanding, ZERO)
        return held if self.clamp is None else min(held, self.clamp)

    @property
    def price(self) -> Decimal | None:
        """Return what to quote at in this round, USD; None while there is nothing to price from."""
        return None if self.quote is None else limit_price(self.quote, self.side, self.purpose, self.round, self.params)

    @property
    def timeout(self) -> timedelta:
        """Return how long a quote may stand before it is looked at again; longer once the breaker has tripped."""
        patience = timedelta(seconds=self.params.fill_timeout_seconds)
        return max(patience, SLOW) if self.tripped else patience

    @property
    def tripped(self) -> bool:
        """Tell whether so many orders went out for this leg that something must be wrong."""
        return self.purpose.reduces and len(self.orders) >= max(BREAKER_ATTEMPTS, 2 * self.params.max_requote_rounds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Where a phase of a trade is: its round, from 0, since when, and when it last had a price."""

    phase_at: datetime
    number: int
    began: datetime
    priced_at: datetime


class Rounds:
    """Which round each trade's phase is in: the next one begins once the last has lasted and something could be quoted.

    Neither a clock that jumps between two looks nor an outage then costs a round: the price never runs ahead of the quotes that
    were tried. A phase first looked at late, as after a restart, is as old as its time says.
    """

    def __init__(self) -> None:
        self._last: dict[int, Round] = {}

    def of(self, trade: TradeLifecycle, now: datetime, *, priced: bool) -> Round:
        """Return the round of this look at a trade; `priced` tells whether a leg that misses something has a price."""
        length, last = timedelta(seconds=trade.params.fill_timeout_seconds), self._last.get(trade.number)
        if last is None or last.phase_at != trade.phase_at:
            number = int((now - trade.phase_at) / length)
            last = Round(phase_at=trade.phase_at, number=number, began=trade.phase_at + number * length, priced_at=trade.phase_at)
        if priced:
            over = now - last.began >= length
            last = replace(last, number=last.number + over, began=now if over else last.began, priced_at=now)
        self._last[trade.number] = last
        return last

    def forget(self, trade: int) -> None:
        """Drop what is known of a trade that has ended."""
        self._last.pop(trade, None)


class LimitExecutor:
    """Executes trades with limit orders on one venue: looks, then places and cancels what the look asks for.

    No round is shorter than `shortest_round` (market time): where the market outruns the network, a shorter one would end before
    its order had arrived.
    """

    def __init__(self, executor: TradeExecutor, alerts: Alerts, desk: int, shortest_round: timedelta = timedelta(0)) -> None:
        self._executor, self._alerts, self._desk, self._shortest = executor, alerts, desk, shortest_round.total_seconds()
        self._rounds = Rounds()

    def look(
        self, trade: TradeLifecycle, purpose: Purpose, account: AccountSnapshot, clamps: Mapping[str, Decimal] | None = None
    ) -> tuple[LegStep, ...]:
        """Look at every leg of a trade once; `clamps` bounds what is closed of each symbol, coins."""
        if trade.params.fill_timeout_seconds < self._shortest:
            trade = replace(trade, params=replace(trade.params, fill_timeout_seconds=self._shortest))
        orders, now = self._executor.ledger.of(trade.number), account.now
        turn = self._rounds.of(trade, now, priced=priced(trade, purpose, account.quotes, now=now, clamps=clamps))
        unpriced = now - turn.priced_at
        return step(trade, purpose, orders, account.quotes, now=now, turn=turn.number, clamps=clamps, unpriced=unpriced)

    def perform(self, trade: TradeLifecycle, purpose: Purpose, steps: Sequence[LegStep], account: AccountSnapshot) -> None:
        """Carry out what a look asked for. Raises InvariantBroken and JournalError as TradeExecutor.submit does."""
        for each in steps:
            match each.action:
                case Cancel(client_id=name, why=why):
                    logger.info("order cancel id={} because {}", name, why)
                    self._executor.cancel(name)
                case Place() as place:
                    self._place(trade, purpose, place, account)

    def withdraw(self, trade: TradeLifecycle) -> bool:
        """Take back every order of a trade that is still out; tell whether none is."""
        live = self._executor.live_orders(trade.number)
        for order in live:
            self._executor.cancel(order.client_id)
        return not live

    def forget(self, trade: int) -> None:
        """Drop the orders and rounds of a trade that has ended."""
        self._executor.forget(trade)
        self._rounds.forget(trade)

    def _place(self, trade: TradeLifecycle, purpose: Purpose, place: Place, account: AccountSnapshot) -> None:
        option = trade.legs[place.leg].option
        order = NewOrder(
            client_id=self._executor.next_id(self._desk, trade.number, place.leg, purpose),
            instrument=option,
            side=place.side,
            qty=place.qty,
            price=place.price,
            reduce_only=purpose.reduces,
        )
        quote = account.quotes.get(option.symbol)
        try:
            self._executor.submit(order, trade, None if quote is None else quote.underlying_price)
        except (RiskDenied, SizeRejected) as no:
            self._alerts.alert(Severity.WARNING, f"refused {trade.id}/{place.leg}", str(no), "the order was not sent")


def step(
    trade: TradeLifecycle,
    purpose: Purpose,
    orders: Sequence[OrderRecord],
    quotes: Mapping[str, Quote],
    *,
    now: datetime,
    turn: int,
    clamps: Mapping[str, Decimal] | None = None,
    unpriced: timedelta = timedelta(0),
) -> tuple[LegStep, ...]:
    """Look at every leg of an execution once, in round `turn`; a leg without a price does not hold up the others."""
    views = _views(trade, purpose, orders, quotes, now=now, turn=turn, clamps=clamps)
    return tuple(look(replace(view, unpriced=unpriced)) for view in views)


def priced(
    trade: TradeLifecycle, purpose: Purpose, quotes: Mapping[str, Quote], *, now: datetime, clamps: Mapping[str, Decimal] | None = None
) -> bool:
    """Tell whether at least one leg that still misses something has a price to quote at."""
    views = _views(trade, purpose, (), quotes, now=now, turn=0, clamps=clamps)
    return any(view.missing > 0 and view.price is not None for view in views)


def _views(
    trade: TradeLifecycle,
    purpose: Purpose,
    orders: Sequence[OrderRecord],
    quotes: Mapping[str, Quote],
    *,
    now: datetime,
    turn: int,
    clamps: Mapping[str, Decimal] | None,
) -> Iterator[View]:
    for index, leg in enumerate(trade.legs):
        yield View(
            index=index,
            leg=leg,
            purpose=purpose,
            params=trade.params,
            round=turn,
            now=now,
            orders=[o for o in orders if o.client_id.leg == index and o.client_id.purpose is purpose],
            quote=quotes.get(leg.option.symbol),
            clamp=None if clamps is None else clamps.get(leg.option.symbol, ZERO),
        )


def look(view: View) -> LegStep:
    """Look at one leg once and say what to change."""
    live = [order for order in view.orders if order.live]
    if live:
        return _standing(view, live[0])
    if view.missing == 0:
        return LegStep(progress=Progress.DONE)
    return _absent(view)


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


def _standing(view: View, order: OrderRecord) -> LegStep:
    if order.cancel_wanted or order.lost or order.order_id is None or order.status.final:
        return LegStep(progress=Progress.WORKING, reason="waiting for the venue")
    over = _over(view)
    if over is not None:
        return _cancel(order, over)
    if view.purpose.reduces and order.new.qty - order.reported > view.missing:
        return _cancel(order, "more than is held")
    if view.now < order.sent_at + view.timeout:
        return LegStep(progress=Progress.WORKING)
    if view.price is None or view.price == order.new.price:
        return LegStep(progress=Progress.WORKING)
    return _cancel(order, f"requote {order.new.price} to {view.price}")


def _cancel(order: OrderRecord, why: str) -> LegStep:
    return LegStep(progress=Progress.WORKING, action=Cancel(client_id=order.client_id, why=why), reason=why)


def _absent(view: View) -> LegStep:
    over = _given_up(view)
    if over is not None:
        return LegStep(progress=Progress.EXHAUSTED, reason=over)
    waiting = _waiting(view)
    if waiting is not None or view.quote is None:
        return LegStep(progress=Progress.WORKING, reason=waiting or "no fresh quote", tripped=view.tripped)
    price = view.price
    if price is None:
        return LegStep(progress=Progress.WORKING, reason="no two-sided quote", tripped=view.tripped)
    place = Place(leg=view.index, side=view.side, qty=whole_lots(view.missing, view.leg.option.lot), price=price)
    return LegStep(progress=Progress.WORKING, action=place, tripped=view.tripped)


def _given_up(view: View) -> str | None:
    """Say why no further order makes sense; closing gives up only on what is too small to trade."""
    if view.missing < view.leg.option.lot:
        return f"{view.missing} is less than one lot of {view.leg.option.lot}"
    if view.purpose.reduces:
        return None
    if view.now >= view.leg.option.expiry:
        return "the option has expired"
    over = _over(view)
    if over is not None:
        return over
    return _refusal(view.orders[-1]) if view.orders else None


def _over(view: View) -> str | None:
    """Say why the time of an opening is over: its rounds are, or it had no price for twice their length. A close has no such time."""
    rounds = view.params.max_requote_rounds
    if view.purpose.reduces:
        return None
    if view.round >= rounds:
        return f"not filled in {rounds} rounds"
    if view.unpriced >= 2 * rounds * timedelta(seconds=view.params.fill_timeout_seconds):
        return f"no price for {view.unpriced.total_seconds():.0f} s"
    return None


def _refusal(last: OrderRecord) -> str | None:
    if last.refused is not None and not last.retryable:
        return last.refused
    return f"the venue rejected order {last.client_id}" if last.status is OrderStatus.INVALID else None


def _waiting(view: View) -> str | None:
    """Say what a next order must wait for; None if it may go out now."""
    if view.now >= view.leg.option.expiry:
        return "waiting for settlement"
    last = view.orders[-1] if view.orders else None
    if last is None or last.cancel_wanted or (last.settled and last.status is OrderStatus.FILLED):
        return None
    pause = _backoff(view.orders) if last.refused is not None else view.timeout
    return None if view.now >= last.sent_at + pause else f"{last.refused or 'cancelled by the venue'}: again later"


def _backoff(orders: Sequence[OrderRecord]) -> timedelta:
    refused = 0
    for order in reversed(orders):
        if order.refused is None:
            break
        refused += 1
    return min(timedelta(seconds=2 ** min(refused - 1, 6)), SLOW)
