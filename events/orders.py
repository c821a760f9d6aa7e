"""What happens to an order, from the intent to send it to its booked end."""

from decimal import Decimal

from domain import NewOrder, OrderStatus
from events.base import Event


class OrderEvent(Event, frozen=True, kw_only=True):
    """Something that happened to the order with this client order id."""

    order: str


class OrderIntended(OrderEvent, frozen=True, kw_only=True):
    """The order is about to be sent; from here on it may be at the venue."""

    new: NewOrder


class OrderAccepted(OrderEvent, frozen=True, kw_only=True):
    """The venue took the order under its own id."""

    order_id: str


class OrderRefused(OrderEvent, frozen=True, kw_only=True):
    """The order is surely not at the venue: refused, or (retryable) it never arrived."""

    reason: str
    retryable: bool = False


class OrderLost(OrderEvent, frozen=True, kw_only=True):
    """No answer came: the order may or may not be at the venue."""

    reason: str


class OrderSettled(OrderEvent, frozen=True, kw_only=True):
    """The order is final and every coin it filled is booked."""

    status: OrderStatus
    filled: Decimal
