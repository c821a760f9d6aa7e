"""Orders for single legs, as the executors that work the order book want them: placed, taken back, and looked at through one pair of eyes.

A leg has at most one live order. Nothing replaces it until it is final, so a next one is sized by what truly filled; nothing is sent
again at once that was just refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import takewhile

from loguru import logger

from domain import (
    ZERO,
    ClientOrderId,
    NewOrder,
    OrderBook,
    OrderStatus,
    Purpose,
    Quote,
    Side,
    aggressive_price,
    passive_price,
    whole_lots,
)
from errors import AccountHeld, RiskDenied, SizeRejected
from execution import Scene
from legging import followers, room
from order_ledger import OrderRecord
from ports import Alerts
from refusals import tell_refused
from trade_execution import TradeExecutor
from trade_lifecycle import TradeLeg

SLOW = timedelta(minutes=1)
BREAKER_ATTEMPTS = 25
UNREACHED_DOUBLINGS = 3  # 8 s: an outage must not hold up a close for a minute after it has ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Send this order for a leg: coins, USD per coin."""

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
class LegSight:
    """One leg as a step sees it: what it still misses, how much of that may go out now, and its own orders of this purpose, oldest first.

    A block that was refused says nothing of the book: of block orders only live ones are among them.

    Coins. `room` is what the legging policy leaves it now, `missing` what it wants in the end; both count what its live order may fill.
    `follows` says that its room depends on other legs; `since` is when the execution began that looks. `denied` is why the gate has
    refused its last order; None once one has passed.
    """

    index: int
    leg: TradeLeg
    side: Side
    missing: Decimal
    room: Decimal
    orders: Sequence[OrderRecord]
    since: datetime
    follows: bool = False
    denied: str | None = None

    @property
    def live(self) -> OrderRecord | None:
        """Return its live order; None without one."""
        return next((order for order in self.orders if order.live), None)

    @property
    def last(self) -> OrderRecord | None:
        """Return the order that was intended last; None before the first."""
        return self.orders[-1] if self.orders else None

    @property
    def lot(self) -> Decimal:
        """Return the smallest order, coins."""
        return self.leg.option.lot

    @property
    def sendable(self) -> Decimal:
        """Return what may be sent now, coins in whole lots: zero where that is less than a lot."""
        return whole_lots(min(self.missing, self.room), self.lot)


class LegOrders:
    """Places and takes back the leg orders of trades on one venue, through its one order path."""

    def __init__(self, executor: TradeExecutor, alerts: Alerts, desk: int) -> None:
        self._executor, self._alerts, self._desk = executor, alerts, desk
        self._held: dict[ClientOrderId, bool] = {}  # what was logged as refused, and whether for the account's state
        self._denied: dict[tuple[int, int, Purpose], tuple[datetime, str]] = {}

    def sights(self, scene: Scene, since: datetime) -> tuple[LegSight, ...]:
        """Return every leg of the scene's trade with its orders of the scene's purpose, for an execution begun at a moment."""
        trade, purpose = scene.trade, scene.purpose
        rooms, behind = room(trade, purpose), followers(trade, purpose)
        return tuple(
            LegSight(
                index=index,
                leg=leg,
                side=scene.side(leg),
                missing=scene.missing(leg),
                room=rooms[index],
                orders=[order for order in self._executor.ledger.of(trade.number, index, purpose) if order.live or not order.block],
                since=since,
                follows=behind[index],
                denied=self._denied_since(since, trade.number, index, purpose),
            )
            for index, leg in enumerate(trade.legs)
        )

    def perform(self, scene: Scene, action: Place | Cancel) -> None:
        """Carry out one action. Raises InvariantBroken and JournalError as TradeExecutor.submit does; a refusal is alerted."""
        match action:
            case Cancel(client_id=name, why=why):
                logger.info("order cancel id={} because {}", name, why)
                self._executor.cancel(name)
            case Place():
                self._place(scene, action)

    def withdraw(self, trade: int) -> bool:
        """Take back every order of a trade that is still out; tell whether none is."""
        live = self._executor.live_orders(trade)
        for order in live:
            self._executor.cancel(order.client_id)
        return not live

    def _place(self, scene: Scene, place: Place) -> None:
        trade, option = scene.trade, scene.trade.legs[place.leg].option
        order = NewOrder(
            client_id=self._executor.next_id(self._desk, trade.number, place.leg, scene.purpose),
            instrument=option,
            side=place.side,
            qty=place.qty,
            price=place.price,
            reduce_only=scene.purpose.reduces,
            mmp=trade.params.mmp and not scene.purpose.reduces,
        )
        quote = scene.quotes.get(option.symbol)
        try:
            self._executor.submit(order, trade, None if quote is None else quote.underlying_price)
        except (RiskDenied, SizeRejected) as no:
            self._refused(order.client_id, no, scene)
        else:
            self._passed(order.client_id)

    def forget(self, trade: int) -> None:
        """Drop what was refused to a trade that has ended."""
        self._held = {name: state for name, state in self._held.items() if name.trade != trade}
        self._denied = {key: told for key, told in self._denied.items() if key[0] != trade}

    def _refused(self, name: ClientOrderId, no: RiskDenied | SizeRejected, scene: Scene) -> None:
        """Log each order that the gate refuses once, and call a person for the rule: once, however many legs and trades it refuses."""
        self._denied[name.trade, name.leg, name.purpose] = scene.now, str(no)
        if name not in self._held:
            self._held[name] = isinstance(no, AccountHeld)
            logger.info("order held back id={} because {}", name, no)
        tell_refused(self._alerts, no, scene.trade, "the order was not sent")

    def _passed(self, name: ClientOrderId) -> None:
        self._denied.pop((name.trade, name.leg, name.purpose), None)
        self._held.pop(name, None)
        if not name.purpose.reduces:  # what opens passes: the account is active again, and a next hold is another one
            self._held = {each: state for each, state in self._held.items() if not state}

    def _denied_since(self, since: datetime, trade: int, leg: int, purpose: Purpose) -> str | None:
        at, reason = self._denied.get((trade, leg, purpose), (None, None))
        return None if at is None or at < since else reason


def settling(order: OrderRecord) -> bool:
    """Tell whether a live order must be left alone: its end, its arrival or its cancel is being asked about."""
    return order.cancel_wanted or order.lost or order.order_id is None or order.status.final


def dead_end(sight: LegSight, purpose: Purpose, now: datetime) -> str | None:
    """Say why no further opening order of a leg makes sense, or a closing one of less than a lot; None if one does."""
    if ZERO < sight.missing < sight.lot:
        return f"{sight.missing} is less than one lot of {sight.lot}"
    if purpose.reduces:
        return None
    if now >= sight.leg.option.expiry:
        return "the option has expired"
    fresh = sight.last is not None and sight.last.sent_at >= sight.since  # what an earlier execution was refused says nothing of this one
    return _refusal(sight.last) if sight.last is not None and fresh else None


def _refusal(last: OrderRecord) -> str | None:
    if last.refused is not None and not last.retryable:
        return last.refused
    return f"the venue rejected order {last.client_id}" if last.status is OrderStatus.INVALID else None


def given_up(sight: LegSight, reason: str) -> str:
    """Say why no more of a leg is tried: for a reason, or, where the gate refused its last order, for what the gate said."""
    if sight.denied is None:
        return reason
    refused = f"the gate refused its order: {sight.denied}"
    sent = sight.last is not None and sight.last.sent_at >= sight.since
    return f"{reason}; at last {refused}" if sent else refused


def wait_for(sight: LegSight, now: datetime, timeout: timedelta) -> str | None:
    """Say what a next order must wait for; None if it may go out now. One that the venue took off by itself is sent again after timeout."""
    if now >= sight.leg.option.expiry:
        return "waiting for settlement"
    last = sight.last
    if last is None or last.cancel_wanted or (last.settled and last.status is OrderStatus.FILLED):
        return None
    pause = _backoff(sight.orders) if last.refused is not None else timeout
    return None if now >= last.sent_at + pause else f"{last.refused or 'cancelled by the venue'}: again later"


def gave_way(sight: LegSight) -> bool:
    """Tell whether the venue took the last order of this execution off by itself, as it does where ours would have met a person's.

    What is in the way then stands at the touch and looks like the market: the next order had better rest before it than meet it again.
    """
    last = sight.last
    if last is None or last.sent_at < sight.since or last.refused is not None:
        return False
    return last.status is OrderStatus.CANCELED and not last.cancel_wanted


def tripped(sight: LegSight, purpose: Purpose, rounds: int) -> bool:
    """Tell whether this execution sent so many closing orders for a leg that something must be wrong: then each waits a minute."""
    sent = sum(order.sent_at >= sight.since and not (order.refused is not None and order.retryable) for order in sight.orders)
    return purpose.reduces and sent >= max(BREAKER_ATTEMPTS, 2 * rounds)


def _backoff(orders: Sequence[OrderRecord]) -> timedelta:
    """Return how long to wait after refusals in a row: longer each time, but not long where the venue could not even be reached."""
    refused = list(takewhile(lambda order: order.refused is not None, reversed(orders)))
    doublings = UNREACHED_DOUBLINGS if refused and refused[0].retryable else 6
    return min(timedelta(seconds=2 ** min(len(refused) - 1, doublings)), SLOW)


def crossing_price(quote: Quote, book: OrderBook | None, side: Side, qty: Decimal, max_pct: float) -> Decimal | None:
    """Return the price that takes so many coins at once, USD on the tick, at most max_pct per cent past mid; None without mid and mark.

    Through the depth of a fresh book; the best price where only that is known. Where nothing is offered, it is the most we would pay.
    """
    base = quote.mark if quote.mid is None else quote.mid
    if base is None:
        return None
    cap = base * (1 + side.sign * Decimal(str(max_pct)) / 100)
    far = _reach(book, side, qty) if book is not None else quote.executable(side)
    if far is None or (far - cap) * side.sign > 0:
        return passive_price(cap, quote.option.tick, side)
    return aggressive_price(far, quote.option.tick, side)


def _reach(book: OrderBook, side: Side, qty: Decimal) -> Decimal | None:
    """Return the price of the last level that qty coins need, or of the deepest there is; None on an empty side."""
    price, left = None, qty
    for level in book.asks if side is Side.BUY else book.bids:
        price, left = level.price, left - level.size
        if left <= 0:
            break
    return price
