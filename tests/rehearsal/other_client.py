"""A client of the other exchange that is nothing but its orders."""

from decimal import Decimal

from tests.rehearsal.abroad import CALL, QTY, World
from tests.rehearsal.other_books import BUY

Body = dict[str, object]


def an_order(number: int = 1, side: int = BUY, qty: Decimal = QTY, price: int = 1010, symbol: str = CALL, **more: object) -> Body:
    """Return the body of a create as it arrives."""
    return {
        **{"symbol": symbol, "qty": str(qty), "tradeSide": side, "tradeType": 1, "price": str(price)},
        **{"clientOrderId": str(number), "timeInForce": "GTC", **more},
    }


def sent(world: World, body: Body) -> int:
    """Send as a client would: it arrives, then it is judged."""
    world.exchange.arrived(body)
    return world.exchange.create(body)
