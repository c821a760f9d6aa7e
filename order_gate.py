"""The gate that every order passes on its way out: what must be known of its leg, of the market and of the account is gathered here.

One rule: nothing here ever stops an order that lowers exposure, except our own broken books, a price nobody could have meant, and a
person's halt.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from clock import Clock
from domain import ClientOrderId, NewOrder, OrderType, Quote, TradingState
from errors import ExchangeUnavailable, RuleRefused
from events import AnyEvent, OrderIntended
from legging import room
from order_ledger import OrderLedger
from risk import MINUTE, Exposure, RiskLimits, check, check_block
from trade_lifecycle import TradeLifecycle


@dataclass(frozen=True, slots=True)
class Sight:
    """What the gate sees beside the order: the market, what the account may do, and whose leaving a person has ordered.

    `quote` is as of the last tick (None: unknown); one older than `max_age` counts as unknown too.
    """

    quote: Callable[[str], Quote | None] = lambda _symbol: None
    state: Callable[[], TradingState] = lambda: TradingState.ACTIVE
    ordered: Callable[[TradeLifecycle], bool] = lambda _trade: False
    max_age: timedelta = timedelta(seconds=30)


class OrderGate:
    """Lets an order of a trade out, or says why not. It is asked more often than orders are sent: `passed` counts those."""

    def __init__(self, ledger: OrderLedger, clock: Clock, limits: RiskLimits, sight: Sight) -> None:
        self._ledger, self._clock, self._limits, self._sight = ledger, clock, limits, sight
        self._opened: deque[datetime] = deque()

    def check(self, order: NewOrder, trade: TradeLifecycle, index: Decimal | None = None) -> None:
        """Return if an order of trade may be sent; raise InvariantBroken, SizeRejected or RiskDenied, saying why not."""
        name = order.client_id
        leg = trade.legs[name.leg]
        exposure = Exposure(
            symbol=leg.option.symbol,
            side=leg.side,
            missing=leg.target - leg.opened,
            held=leg.outstanding,
            working=self._ledger.working(name.trade, name.leg),
            open_orders=len(self._ledger.live()),
            index=index,
            quote=self._fresh(leg.option.symbol),
            opened_lately=self._opened_lately(),
            state=self._sight.state(),
            ordered=self._sight.ordered(trade),
        )
        check(order, exposure, self._limits)

    def check_block(self, orders: Sequence[NewOrder]) -> None:
        """Return if orders that passed one by one may be traded as one block at their prices; raise RiskDenied with the numbers."""
        symbols = {order.instrument.symbol for order in orders}
        quotes = {symbol: quote for symbol in symbols if (quote := self._fresh(symbol)) is not None}
        check_block(orders, quotes, self._limits)

    def within_room(self, order: NewOrder, trade: TradeLifecycle) -> None:
        """Refuse what the structure's legging policy does not allow yet: it would leave a sold leg without its cover."""
        name = order.client_id
        free, working = room(trade, name.purpose)[name.leg], self._ledger.working(name.trade, name.leg)
        if working + order.qty > free:
            said = f"order {name} for {order.qty} with {working} working: its structure leaves it {free} for now"
            raise RuleRefused("legs in turn", said, "nothing: it is sent once the leg that covers it has filled")

    def in_time(self, order: NewOrder, decided_at: datetime, within: timedelta) -> None:
        """Raise ExchangeUnavailable for an opening order that has waited too long for a worker: its price is of another market."""
        waited = self._clock.now() - decided_at
        if not order.client_id.purpose.reduces and waited > within:
            reason = f"not sent: it waited {waited.total_seconds():.0f} s for a worker"
            raise ExchangeUnavailable("daemon", f"order {order.client_id}", reason)

    def openings_out(self) -> tuple[ClientOrderId, ...]:
        """Return the opening orders that still work although the account's state lets nothing be opened: they are to be taken back."""
        if self._sight.state() is TradingState.ACTIVE:
            return ()
        return tuple(record.client_id for record in self._ledger.live(block=False) if not record.client_id.purpose.reduces)

    def passed(self, *orders: NewOrder) -> None:
        """Count orders that are about to be sent, once; what lowers exposure is not counted, and a block is one, whatever its legs."""
        self._count(self._clock.now(), orders)

    def restore(self, events: Iterable[AnyEvent]) -> None:
        """Count the orders that earlier lives of the program sent within the last minute: a restart does not renew the budget."""
        seen: dict[tuple[datetime, int], list[NewOrder]] = {}
        for event in events:
            if isinstance(event, OrderIntended) and event.at > self._clock.now() - MINUTE:
                seen.setdefault((event.at, event.new.client_id.trade), []).append(event.new)
        for (at, _), orders in sorted(seen.items(), key=lambda item: item[0]):
            self._count(at, orders)

    def _count(self, at: datetime, orders: Sequence[NewOrder]) -> None:
        opening = [order for order in orders if not order.client_id.purpose.reduces]
        blocks = {order.client_id.trade for order in opening if order.order_type is OrderType.BLOCK_TRADE}
        singles = sum(order.order_type is not OrderType.BLOCK_TRADE for order in opening)
        self._opened.extend([at] * (len(blocks) + singles))

    def _opened_lately(self) -> int:
        """Return how many opening orders were sent within the last minute of market time; one sent a whole minute ago is out of it."""
        since = self._clock.now() - MINUTE
        while self._opened and self._opened[0] <= since:
            self._opened.popleft()
        return len(self._opened)

    def _fresh(self, symbol: str) -> Quote | None:
        quote = self._sight.quote(symbol)
        return None if quote is None or self._clock.now() - quote.at > self._sight.max_age else quote
