"""An order that is nobody's: placed to see whether orders can be placed, known by a name that no trade can have.

The daemon's client order ids begin with 7 and hold installation, trade, leg, purpose and attempt. A canary's begins with 8, then the
milliseconds of its making (13 digits) and chance (5): the daemon takes it for an order of others, counts its margin, and never touches
it; and no two canaries have the same. Source: Coincall API 5.10.
"""

import secrets
from decimal import Decimal

from auth import Value
from clock import Clock, to_ms
from domain import Option, OrderReport, OrderType, Side
from errors import MalformedResponse, OrderNotFound, OutcomeUnknown
from exchanges.coincall import wire
from exchanges.coincall.client import CoincallClient, OrderRef
from exchanges.coincall.codes import VENUE
from exchanges.coincall.limits import Group
from exchanges.coincall.transport import Endpoint, Transport

_CREATE = Endpoint(name="canary", method="POST", path="/open/option/order/create/v1", group=Group.ORDER, changes_state=True)


def a_name(clock: Clock) -> int:
    """Return a client order id for one canary: 19 digits, a positive int64."""
    return int(f"8{to_ms(clock.now()):013d}{secrets.randbelow(100_000):05d}")


class CanaryOrders:
    """Canaries on Coincall, each by its name."""

    def __init__(self, client: CoincallClient, transport: Transport) -> None:
        self._client, self._transport = client, transport

    def place(self, name: int, option: Option, qty: Decimal, price: Decimal) -> str:
        """Offer to buy, post-only, once, never again; return the venue's order id. Raises what a write does."""
        params: dict[str, Value] = {
            "symbol": option.symbol,
            "qty": qty,
            "price": price,
            "tradeSide": int(Side.BUY),
            "tradeType": int(OrderType.POST_ONLY),
            "clientOrderId": name,
        }
        reply = self._transport.write(_CREATE, params)
        try:
            return wire.parse_order_id(reply.data)
        except MalformedResponse as error:
            raise OutcomeUnknown(VENUE, _CREATE.name, f"accepted, but the answer cannot be read: {error.reason}") from error

    def find(self, name: int) -> OrderReport | None:
        """Return what the venue knows of a canary; None where it says that it knows none."""
        try:
            return self._client.order(OrderRef(client_id=name))
        except OrderNotFound:
            return None

    def cancel(self, name: int) -> None:
        """Ask to cancel a canary; raise OrderAlreadyFinal or OrderNotFound where told so."""
        self._client.cancel(OrderRef(client_id=name))
