"""What became of orders: positions, open orders, histories, exercises. Source: Coincall API 5.9 and 5.18 to 5.22."""

from datetime import datetime, timedelta

from paper.answers import JsonObject, ms, num, num_or_zero
from paper.exchange import PaperExchange
from paper.limits import QUERIES
from paper.rows import ExerciseRow, OrderRow, PositionRow, TradeRow
from paper.server_request import Refusal
from paper.server_routes import Call, Route, paged

_DAY = timedelta(days=1)
_WINDOW = timedelta(days=90)


def positions(exchange: PaperExchange, call: Call) -> list[JsonObject]:
    """List what is held (5.9); quantities are positive, the side tells the direction."""
    return [_position_row(row) for row in exchange.engine.reports.positions(call.user, call.now)]


def open_orders(exchange: PaperExchange, call: Call) -> JsonObject:
    """List the orders that still work, newest first (5.18)."""
    rows = exchange.engine.reports.open_orders(call.user, underlying=call.params.maybe_text("currency"))
    return paged([_open_row(row) for row in rows], call)


def single_order(exchange: PaperExchange, call: Call) -> JsonObject:
    """Tell all of one order (5.19)."""
    order_id, client_id = call.params.maybe_integer("orderId"), call.params.maybe_integer("clientOrderId")
    if order_id is None and client_id is None:
        raise Refusal(10575)
    row = exchange.engine.reports.order(call.user, order_id=order_id, client_id=client_id)
    return {
        **_order_core(row),
        "remainQty": num(row.remaining),
        "fee": num(row.fee),
        "updateTime": ms(row.updated),
        "mmp": row.mmp,
        "state": int(row.state),
    }


def order_history(exchange: PaperExchange, call: Call) -> JsonObject:
    """List orders, newest first, 24 hours back unless asked otherwise (5.20)."""
    since, until = _window(call)
    page = exchange.engine.reports.order_history(
        call.user,
        from_id=call.params.maybe_integer("fromId") or None,
        limit=call.params.bounded("pageSize", 20, 500),
        since=call.now - _DAY if since is None else since,
        until=until,
    )
    return {"list": [_history_row(row) for row in page.rows], "hasNext": page.has_next, "hasPre": page.has_prev}


def trade_history(exchange: PaperExchange, call: Call) -> JsonObject:
    """List fills, newest first (5.21)."""
    since, until = _window(call)
    page = exchange.engine.reports.trade_history(
        call.user,
        from_id=call.params.maybe_integer("fromId") or None,
        limit=call.params.bounded("pageSize", 20, 500),
        since=since,
        until=until,
    )
    return {"list": [_trade_row(row) for row in page.rows], "hasNext": page.has_next, "hasPre": page.has_prev}


def exercises(exchange: PaperExchange, call: Call) -> JsonObject:
    """List what holdings settled at, newest first (5.22)."""
    since, until = _window(call)
    rows = exchange.engine.reports.exercises(call.user, symbol=call.params.maybe_text("symbol"), since=since, until=until)
    page, size = call.params.bounded("page", 1, 2**31), call.params.bounded("pageSize", 20, 50)
    first = (page - 1) * size
    told = [_exercise_row(row) for row in rows[first : first + size]]
    return {"list": told, "hasNext": first + size < len(rows), "hasPrev": page > 1}


def _window(call: Call) -> tuple[datetime | None, datetime | None]:
    since, until = call.params.maybe_moment("startTime"), call.params.maybe_moment("endTime")
    if since is not None and (until or call.now) - since > _WINDOW:
        raise Refusal(10573, "startTime")
    return since, until


def _display(symbol: str, underlying: str) -> str:
    return f"{underlying}{symbol.removeprefix(f'{underlying}USD')}"


def _order_core(row: OrderRow) -> JsonObject:
    return {
        "orderId": row.order_id,
        "clientOrderId": row.order_id if row.client_id is None else row.client_id,
        "symbol": row.symbol,
        "displayName": _display(row.symbol, row.underlying),
        "qty": num(row.qty),
        "fillQty": num(row.filled),
        "price": num_or_zero(row.price),
        "avgPrice": num(row.avg_price),
        "tradeSide": int(row.side),
        "tradeType": int(row.order_type),
        "createTime": ms(row.created),
        "reduceOnly": int(row.reduce_only),
    }


def _open_row(row: OrderRow) -> JsonObject:
    return {
        "id": row.order_id,
        **_order_core(row),
        "remainQty": num(row.remaining),
        "initMargin": num(row.margin),
        "indexPrice": num(row.index),
        "state": int(row.state),
        "updateTime": ms(row.updated),
    }


def _history_row(row: OrderRow) -> JsonObject:
    return {**_order_core(row), "fee": num(row.fee), "rpnl": num(row.realised), "state": int(row.state), "mmp": row.mmp}


def _trade_row(row: TradeRow) -> JsonObject:
    return {
        "id": row.trade_id,
        "optionId": None,
        "symbol": row.symbol,
        "displayName": _display(row.symbol, row.underlying),
        "tradeSide": int(row.side),
        "tradeType": int(row.order_type),
        "price": num(row.price),
        "qty": num(row.qty),
        "iv": row.iv,
        "markPrice": num(row.mark),
        "indexPrice": num(row.index),
        "orderId": row.order_id,
        "tradeId": row.trade_id,
        "fee": num(row.fee),
        "time": ms(row.at),
        "reduceOnly": int(row.reduce_only),
        "isTaker": int(row.is_taker),
        "mmp": row.mmp,
    }


def _position_row(row: PositionRow) -> JsonObject:
    return {
        "id": row.position_id,
        "positionId": row.position_id,
        "updateTime": ms(row.updated),
        "orderId": row.order_id,
        "userId": row.user,
        "symbol": row.symbol,
        "displayName": _display(row.symbol, row.underlying),
        "tradeSide": int(row.side),
        "qty": num(row.qty),
        "lockQty": num(row.locked),
        "avgPrice": num(row.avg_price),
        "markPrice": num(row.mark),
        "lastPrice": num_or_zero(row.last_price),
        "indexPrice": num(row.index),
        "value": num(row.value),
        "initMargin": num(row.initial_margin),
        "maintMargin": num(row.maintenance_margin),
        "upnl": num(row.upnl),
        "roi": num(row.roi),
        "upnlByMarkPrice": num(row.upnl_mark),
        "roiByMarkPrice": num(row.roi_mark),
        "rspl": num(row.realised),
        "delta": row.greeks.delta,
        "gamma": row.greeks.gamma,
        "vega": row.greeks.vega,
        "theta": row.greeks.theta,
        "rho": row.greeks.rho,
        "baseToken": row.underlying,
        "quoteToken": "USD",
    }


def _exercise_row(row: ExerciseRow) -> JsonObject:
    return {
        "symbol": row.symbol,
        "time": ms(row.at),
        "qty": num(row.qty),
        "tradeSide": int(row.side),
        "strike": num(row.strike),
        "exercisePrice": num(row.settlement),
        "openCashFlow": num(row.open_cash_flow),
        "settlementCashFlow": num(row.settlement_cash_flow),
        "netCashFlow": num(row.net_cash_flow),
        "fees": num(row.fee),
    }


ROUTES = (
    Route(method="GET", path="/open/option/position/get/v1", handler=positions, signed=True, limit=QUERIES),
    Route(method="GET", path="/open/option/order/pending/v1", handler=open_orders, signed=True, limit=QUERIES),
    Route(method="GET", path="/open/option/order/singleQuery/v1", handler=single_order, signed=True),
    Route(method="GET", path="/open/option/order/history/v1", handler=order_history, signed=True, limit=QUERIES),
    Route(method="GET", path="/open/option/trade/history/v1", handler=trade_history, signed=True, limit=QUERIES),
    Route(method="GET", path="/open/settle/exercise/history/v1", handler=exercises, signed=True),
)
