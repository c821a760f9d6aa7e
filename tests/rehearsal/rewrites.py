"""Answers rewritten on their way out of the other exchange: queries and lists of orders that tell of a while ago."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import cast

from clock import monotonic

from tests.rehearsal.abroad import World
from tests.rehearsal.other_books import WORKING, Order, Refused, Trade
from tests.rehearsal.other_exchange import OtherExchange
from tests.rehearsal.other_wire import Body

SINGLE, PENDING, ORDERS, TRADES = "order/singleQuery", "order/pending", "order/history", "trade/history"
Row = dict[str, object]
Rewrite = Callable[[str, Body, object], object]


def rows_of(data: object) -> list[Row]:
    """Return the rows of a page."""
    return cast("list[Row]", cast("Mapping[str, object]", data)["list"])


def with_rows(data: object, rows: list[Row]) -> object:
    """Return a page with other rows."""
    return {**cast("Row", data), "list": rows}


class Past:
    """Every order as it was at any moment since it was made."""

    def __init__(self, exchange: OtherExchange) -> None:
        self._before = exchange.on_change
        self._states: dict[int, list[tuple[float, Order]]] = {}
        exchange.on_change = self._noted

    def _noted(self, order: Order, trade: Trade | None) -> None:
        self._states.setdefault(order.order_id, []).append((monotonic(), replace(order)))
        self._before(order, trade)

    def of(self, order_id: object, seconds: float) -> Order | None:
        """Return an order of so many seconds ago; None where it was none yet."""
        limit, states = monotonic() - seconds, self._states.get(int(str(order_id)), [])
        return next((order for since, order in reversed(states) if since <= limit), None)


def row_of(order: Order) -> Row:
    """Return an order as queries and lists tell it. Source: Coincall API 5.18-5.20."""
    return {
        **{"orderId": order.order_id, "clientOrderId": order.client_id, "symbol": order.symbol, "displayName": order.symbol},
        **{"qty": order.qty, "remainQty": order.remaining, "fillQty": order.filled, "price": order.price},
        **{"avgPrice": None if order.filled == 0 else order.value / order.filled, "tradeSide": order.side, "tradeType": order.kind},
        **{"createTime": order.created, "updateTime": order.updated, "reduceOnly": int(order.reduce_only)},
        **{"fee": order.fee, "mmp": False, "state": order.state},
    }


def told_late(world: World, seconds: float) -> Rewrite:
    """Return what makes every query and list of orders tell how they were some seconds ago."""
    past = Past(world.exchange)

    def rewritten(path: str, params: Body, data: object) -> object:
        if SINGLE in path:
            then = past.of(cast("Row", data)["orderId"], seconds)
            if then is None:
                raise Refused(10584, "Order does not exist.")
            return row_of(then)
        if PENDING in path or ORDERS in path:
            known = (past.of(order.order_id, seconds) for order in world.exchange.ledger.orders)
            rows = [row_of(order) for order in known if order is not None and (ORDERS in path or order.state in WORKING)]
            return {"list": rows[::-1], "hasNext": False, "hasPre": False, "pageTotal": 1, "total": len(rows)}
        return data

    return rewritten


def fills_told_late(world: World, seconds: float) -> Rewrite:
    """Return what makes queries and lists of orders tell an order's true state, and what it had filled some seconds ago."""
    past = Past(world.exchange)

    def behind(row: Row) -> Row:
        then = past.of(row["orderId"], seconds)
        filled = Decimal(0) if then is None else then.filled
        told = {"fillQty": filled, "remainQty": Decimal(str(row["qty"])) - filled}
        return {**row, **told, **({"avgPrice": None, "fee": Decimal(0)} if filled == 0 else {})}

    def rewritten(path: str, params: Body, data: object) -> object:
        if SINGLE in path:
            return behind(cast("Row", data))
        if PENDING in path or ORDERS in path:
            return with_rows(data, [behind(row) for row in rows_of(data)])
        return data

    return rewritten


def trades_late(world: World, seconds: float) -> Rewrite:
    """Return what makes the list of trades show none that is younger."""

    def rewritten(path: str, params: Body, data: object) -> object:
        if TRADES not in path:
            return data
        return with_rows(data, [row for row in rows_of(data) if int(str(row["time"])) <= world.exchange.now() - seconds * 1000])

    return rewritten
