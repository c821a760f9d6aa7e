"""The gate that every order passes on its way out: what must be known of its leg, of the market and of the account is gathered here.

One rule: nothing here ever stops an order that lowers exposure, except our own broken books and a price nobody could have meant.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from clock import Clock
from domain import NewOrder, Quote, TradingState
from errors import RiskDenied
from legging import room
from order_ledger import OrderLedger
from risk import Exposure, RiskLimits, check
from trade_lifecycle import TradeLifecycle


@dataclass(frozen=True, slots=True)
class Sight:
    """What the gate sees beside the order: the market as of the last tick (None: unknown), and what the account may do."""

    quote: Callable[[str], Quote | None] = lambda _symbol: None
    state: Callable[[], TradingState] = lambda: TradingState.ACTIVE


class OrderGate:
    """Lets an order of a trade out, or says why not."""

    def __init__(self, ledger: OrderLedger, clock: Clock, limits: RiskLimits, sight: Sight) -> None:
        self._ledger, self._clock, self._limits, self._sight = ledger, clock, limits, sight

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
        )
        check(order, exposure, self._limits)

    def within_room(self, order: NewOrder, trade: TradeLifecycle) -> None:
        """Refuse what the structure's legging policy does not allow yet: it would leave a sold leg without its cover."""
        name = order.client_id
        free, working = room(trade, name.purpose)[name.leg], self._ledger.working(name.trade, name.leg)
        if working + order.qty > free:
            raise RiskDenied(f"order {name} for {order.qty} with {working} working: its structure leaves it {free} for now")
