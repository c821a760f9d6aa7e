"""The endpoints that place, amend and cancel option orders. Source: Coincall API 5.10 to 5.17."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from domain import OrderType, Side, TimeInForce
from paper.answers import JsonObject, ms, refusal
from paper.exchange import PaperExchange
from paper.limits import ORDERS
from paper.rules import OrderRequest, Refused, Stp
from paper.server_request import NoSuchPath, Params, Refusal
from paper.server_routes import Call, Route

Word = TypeVar("Word")
_BATCH = 40
_SIDES = {"1": Side.BUY, "2": Side.SELL}
_TYPES = {"1": OrderType.LIMIT, "2": OrderType.MARKET, "3": OrderType.POST_ONLY}
_IN_FORCE = {word.value: word for word in TimeInForce}
_STP = {str(int(one)): one for one in Stp}


def create(exchange: PaperExchange, call: Call) -> int:
    """Place one order (5.10); its number is the answer, its fate is asked for."""
    return _place(exchange, call, call.params)


def create_many(exchange: PaperExchange, call: Call) -> list[JsonObject]:
    """Place up to 40 orders one by one, each with its own answer, for market makers (5.11)."""
    return _each(exchange, call, _place)


def amend(exchange: PaperExchange, call: Call) -> int:
    """Change quantity, price or both of one order that still works (5.12); a refused change leaves it as it was."""
    return _amend(exchange, call, call.params)


def amend_many(exchange: PaperExchange, call: Call) -> list[JsonObject]:
    """Change up to 40 orders, refused ones answered first, for market makers (5.13)."""
    return sorted(_each(exchange, call, _amend), key=lambda answer: answer["code"] == 0)


def cancel(exchange: PaperExchange, call: Call) -> str:
    """Cancel one order (5.14); a JSON body must give its number as a number, as the venue demands."""
    if call.params.is_quoted("orderId"):
        raise Refusal(10004)
    order_id, client_id = _which(call.params)
    exchange.engine.cancel(call.user, call.now, order_id=order_id, client_id=client_id)
    return "success"


def cancel_underlying(exchange: PaperExchange, call: Call) -> None:
    """Cancel all orders of an index (5.15)."""
    exchange.engine.cancel_all(call.user, call.now, underlying=call.argument.removesuffix("USD"))


def cancel_option(exchange: PaperExchange, call: Call) -> None:
    """Cancel all orders of one option (5.16)."""
    exchange.engine.cancel_all(call.user, call.now, symbol=call.argument)


def cancel_many(exchange: PaperExchange, call: Call) -> list[JsonObject]:
    """Cancel up to 40 orders by number or by client number (5.17); numbers win where both are given."""
    order_ids = call.params.integers("orderIdList", _BATCH)
    client_ids = [] if order_ids else call.params.integers("clientOrderIdList", _BATCH)
    if not order_ids and not client_ids:
        raise Refusal(10575)
    return [
        {
            "clOrdId": result.client_id,
            "ordId": result.order_id,
            "ts": ms(call.now),
            "scode": 0 if result.refused is None else 1,
            "smsg": None if result.refused is None else result.refused.message,
        }
        for result in exchange.engine.cancel_many(call.user, call.now, order_ids=order_ids, client_ids=client_ids)
    ]


def order_of(params: Params) -> OrderRequest:
    """Read an order; refuses with 10570, 10573 or 12012 what cannot be one."""
    symbol, qty = params.text("symbol"), params.number("qty")
    side, kind = _word(params, "tradeSide", _SIDES), _word(params, "tradeType", _TYPES)
    price = params.maybe_number("price")
    if price is None and kind is not OrderType.MARKET:
        raise Refusal(10530)
    return OrderRequest(
        symbol=symbol,
        side=side,
        qty=qty,
        price=price,
        order_type=kind,
        time_in_force=_time_in_force(params),
        client_id=params.maybe_integer("clientOrderId"),
        stp=_word(params, "stp", _STP) if params.maybe_text("stp") else Stp.DEFAULT,
        reduce_only=params.flag("reduceOnly"),
        mmp=params.flag("mmp"),
        slippage=params.maybe_number("slippage"),
    )


def _place(exchange: PaperExchange, call: Call, params: Params) -> int:
    return exchange.engine.place(call.user, order_of(params), call.now)


def _amend(exchange: PaperExchange, call: Call, params: Params) -> int:
    symbol = params.text("symbol")
    order_id, client_id = _which(params)
    qty, price = params.maybe_number("qty"), params.maybe_number("price")
    return exchange.engine.amend(call.user, symbol, call.now, order_id=order_id, client_id=client_id, qty=qty, price=price)


def _each(exchange: PaperExchange, call: Call, act: Callable[[PaperExchange, Call, Params], int]) -> list[JsonObject]:
    if not call.signer.market_maker:
        raise NoSuchPath("batch orders are for market makers")
    return [_attempt(exchange, call, one, act) for one in call.params.objects("orders", _BATCH)]


def _attempt(exchange: PaperExchange, call: Call, params: Params, act: Callable[[PaperExchange, Call, Params], int]) -> JsonObject:
    try:
        return {"code": 0, "msg": "Success", "i18nArgs": None, "data": act(exchange, call, params)}
    except Refused as no:
        return refusal(no.code, message=no.message)
    except Refusal as no:
        return refusal(no.code, no.details, no.message)


def _which(params: Params) -> tuple[int | None, int | None]:
    order_id, client_id = params.maybe_integer("orderId"), params.maybe_integer("clientOrderId")
    if order_id is None and client_id is None:
        raise Refusal(10575)
    return order_id, client_id


def _word(params: Params, name: str, words: Mapping[str, Word]) -> Word:
    found = words.get(params.text(name))
    if found is None:
        raise Refusal(10573, name)
    return found


def _time_in_force(params: Params) -> TimeInForce | None:
    text = params.maybe_text("timeInForce")
    if text is not None and text.upper() not in _IN_FORCE:
        raise Refusal(12012)
    return None if text is None else _IN_FORCE[text.upper()]


ROUTES = (
    Route(method="POST", path="/open/option/order/create/v1", handler=create, signed=True, trades=True, limit=ORDERS),
    Route(method="POST", path="/open/option/order/batchCreate/v1", handler=create_many, signed=True, trades=True, limit=ORDERS),
    Route(method="POST", path="/open/option/order/modify/v1", handler=amend, signed=True, trades=True, limit=ORDERS),
    Route(method="POST", path="/open/option/order/batchModify/v1", handler=amend_many, signed=True, trades=True, limit=ORDERS),
    Route(method="POST", path="/open/option/order/cancel/v1", handler=cancel, signed=True, trades=True, limit=ORDERS),
    Route(method="GET", path="/open/option/order/cancelOpenOrders/v1/", handler=cancel_underlying, signed=True, trades=True, limit=ORDERS),
    Route(method="GET", path="/open/option/order/batchCancelByOption/v1/", handler=cancel_option, signed=True, trades=True, limit=ORDERS),
    Route(method="POST", path="/open/option/order/batchCancel/v1", handler=cancel_many, signed=True, trades=True, limit=ORDERS),
)
