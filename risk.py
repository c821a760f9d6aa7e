"""The gate in front of every order. It decides from values alone and explains each no with the numbers.

Two laws hold for every leg at every moment: what is filled plus what may still fill never exceeds the target, and an
order that closes never opens. Breaking one is our own error (InvariantBroken); a cap is an ordinary no (RiskDenied), and
no cap ever stops an order that lowers exposure.
"""

from dataclasses import dataclass
from decimal import Decimal

from domain import NewOrder, OrderType, Side, whole_lots
from errors import InvariantBroken, RiskDenied, SizeRejected


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    """Caps on opening orders; None is no cap. Notional is index price x quantity, USD."""

    max_open_orders: int | None = 100
    max_order_notional: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What the gate must know beside the order: its leg, and the account's load.

    `side` is the leg's own direction, `missing` and `held` are coins in it (`held` below zero if more was given back than was had),
    `working` is what live orders of the leg may still fill.
    """

    symbol: str
    side: Side
    missing: Decimal
    held: Decimal
    working: Decimal
    open_orders: int
    index: Decimal | None = None


def check(order: NewOrder, exposure: Exposure, limits: RiskLimits) -> None:
    """Return if order may be sent; raise InvariantBroken, SizeRejected or RiskDenied, saying why not."""
    _on_the_grid(order)
    _within_target(order, exposure)
    if not order.client_id.purpose.reduces:
        _within_caps(order, exposure, limits)


def _on_the_grid(order: NewOrder) -> None:
    lot, tick = order.instrument.lot, order.instrument.tick
    if order.qty < lot or order.qty != whole_lots(order.qty, lot):
        raise SizeRejected("gate", f"order {order.client_id}", f"quantity {order.qty} is not a whole number of lots of {lot}")
    off_tick = order.price % tick != 0 and order.order_type is not OrderType.BLOCK_TRADE  # a block trades at the maker's price
    if order.price <= 0 or off_tick:
        raise InvariantBroken(f"order {order.client_id}: price {order.price} is not on the tick {tick}")


def _within_target(order: NewOrder, exposure: Exposure) -> None:
    if order.client_id.purpose.reduces:
        room, side, what = exposure.held, exposure.side.opposite, "held"
        if not order.reduce_only:
            raise InvariantBroken(f"order {order.client_id} closes but is not reduce-only")
    else:
        room, side, what = exposure.missing, exposure.side, "missing"
    if order.side is not side or order.instrument.symbol != exposure.symbol:
        raise InvariantBroken(f"order {order.client_id} {order.side.name} {order.instrument.symbol} does not belong to its leg")
    if exposure.working + order.qty > room:
        raise InvariantBroken(f"order {order.client_id} for {order.qty} with {exposure.working} working exceeds the {room} {what}")


def _within_caps(order: NewOrder, exposure: Exposure, limits: RiskLimits) -> None:
    if limits.max_open_orders is not None and exposure.open_orders >= limits.max_open_orders:
        raise RiskDenied(f"order {order.client_id}: {exposure.open_orders} orders are open, the cap is {limits.max_open_orders}")
    if limits.max_order_notional is None:
        return
    if exposure.index is None:
        raise RiskDenied(f"order {order.client_id}: no index price to measure its notional with")
    notional = order.qty * exposure.index
    if notional > limits.max_order_notional:
        raise RiskDenied(f"order {order.client_id}: notional {notional} USD is above the cap of {limits.max_order_notional} USD")
