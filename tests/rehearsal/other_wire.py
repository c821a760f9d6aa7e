"""The other exchange's wire: Coincall's paths, rows and envelope, and the text that is signed, as documented.

Source: Coincall API 1.2, 1.6, 2.2, 3-6.2.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from weakref import WeakKeyDictionary

from tests.rehearsal.other_books import WORKING, ZERO, Listed, Order, Refused, Trade
from tests.rehearsal.other_exchange import OtherExchange

KEY, SECRET = "other-key+of/ours=", "0ther5ecret" * 6
USER = 1695000000000001
Body = Mapping[str, object]


class Token(str):
    """A JSON number as it was written: the signature is over the very text."""

    __slots__ = ()


def dumps(value: object) -> str:
    """Write compact JSON; Decimals and tokens become the numbers that they spell."""
    match value:
        case Token() | Decimal():
            return str(value)
        case Mapping():
            return "{" + ",".join(f"{json.dumps(k)}:{dumps(v)}" for k, v in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(map(dumps, value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def prehash(method: str, path: str, params: Body, ts: str, diff: str) -> str:
    """Return the text that is signed. Source: Coincall API 2.2."""
    pairs = [f"{name}={_flat(params[name])}" for name in sorted(params) if params[name] is not None]
    return f"{method}{path}?" + "".join(f"{pair}&" for pair in pairs) + f"uuid={KEY}&ts={ts}&x-req-ts-diff={diff}"


def _flat(value: object) -> str:
    return str(value) if isinstance(value, str) else dumps(_without_nulls(value))


def _without_nulls(value: object) -> object:
    match value:
        case dict():
            return {name: _without_nulls(item) for name, item in value.items() if item is not None}
        case list():
            return [_without_nulls(item) for item in value]
        case _:
            return value


def envelope(data: object, code: int = 0, msg: str = "Success") -> str:
    """Wrap an answer. Source: Coincall API 1.2."""
    return dumps({"code": code, "msg": msg, "i18nArgs": None, "data": data})


# ---- paths

_PUBLIC = (
    "/time",
    "/open/public/",
    "/open/option/getInstruments/",
    "/open/option/get/v1/",
    "/open/option/detail/",
    "/open/option/order/orderbook/",
    "/open/option/get-delivery-prices/",
    "/open/futures/market/",
)


def signed(path: str) -> bool:
    """Tell whether a path needs a signature."""
    return not path.startswith(_PUBLIC)


def routed(exchange: OtherExchange, method: str, path: str, params: Body) -> object:
    """Act on a request and return its data. Raises Refused."""
    for wanted, pattern, answer in (*_ROUTES, *MORE.get(exchange, ())):
        found = re.fullmatch(pattern, path)
        if found is not None and wanted == method:
            return answer(exchange, {**params, **found.groupdict()})
    raise Refused(10591, "Invalid url path.")


Route = tuple[str, str, Callable[[OtherExchange, Body], object]]
MORE: WeakKeyDictionary[OtherExchange, Sequence[Route]] = WeakKeyDictionary()  # what one exchange answers besides


def _time(exchange: OtherExchange, _: Body) -> object:
    return {"serverTime": exchange.now()}


def _config(exchange: OtherExchange, _: Body) -> object:
    rules = {"symbol": "BTCUSD", "takerFee": Decimal("0.0003"), "makerFee": Decimal("0.0003"), "maxOrderNumber": 200}
    rules |= {"multiplier": Decimal("0.01"), "settle": "USD", "priceDecimal": 2, "limitMaxQty": 1000, "tickDecimal": 1}
    rules |= {"tickSize": Decimal("0.1"), "greeksDecimal": 5, "marketMaxQty": 100, "qtyDecimal": 2, "maxPositionQty": 1000, "base": "BTC"}
    return {"optionConfig": {"BTCUSD": rules}, "futuresConfig": {}}


def _instruments(exchange: OtherExchange, params: Body) -> object:
    live = [o for o in exchange.options.values() if o.expiry > exchange.now()]
    return [
        {
            "baseCurrency": params["coin"],
            "expirationTimestamp": o.expiry,
            "strike": o.strike,
            "symbolName": o.symbol,
            "isActive": True,
            "minQty": o.lot,
            "tickSize": o.tick,
        }
        for o in live
    ]


def _chain(exchange: OtherExchange, params: Body) -> object:
    wanted = params.get("endTime")
    live = [o for o in exchange.options.values() if o.expiry > exchange.now() and (wanted is None or str(o.expiry) == str(wanted))]
    strikes: dict[tuple[int, Decimal], dict[str, object]] = {}
    for option in live:
        row = strikes.setdefault((option.expiry, option.strike), {"strike": option.strike})
        row["callOption" if option.call else "putOption"] = _quoted(exchange, option)
    return list(strikes.values())


def _quoted(exchange: OtherExchange, option: Listed) -> dict[str, object]:
    index, _ = exchange.index()
    size = option.size
    named = "index" if option.call else "underlying"
    return {
        **{"optionId": 1_900_000_000_000_000_001, named: "BTCUSD", "symbol": option.symbol, "baseToken": "BTC", "endTime": option.expiry},
        **{"strike": option.strike, "type": 1 if option.call else 2, "lastPrice": 0, "markPrice": option.mark},
        **{"bid": option.bid, "ask": option.ask, "bidSize": size, "askSize": size, "volume": 0, "openInterest": Decimal("12.4")},
        **{"bidIv": 0.5, "askIv": 0.52, "markIv": 0.51, "lastPriceIv": Token("1.7976931348623157E308"), "underlyingPrice": index},
        **{"userPosition": 0, **_greeks(option)},
    }


def _greeks(option: Listed, scale: Decimal = Decimal(1)) -> dict[str, object]:
    far = (option.strike - 100_000) / 40_000
    delta = max(min(Decimal("0.5") - far, Decimal("0.95")), Decimal("0.05")) - (0 if option.call else 1)
    rest = {"gamma": Decimal("0.00002"), "vega": Decimal("95.1"), "theta": Decimal("-40.2"), "rho": Decimal("20.1")}
    return {name: value * scale for name, value in {"delta": delta, **rest}.items()}


def _detail(exchange: OtherExchange, params: Body) -> object:
    option = exchange.options.get(str(params["symbol"]))
    if option is None:
        raise Refused(10574, "Instrument ID does not exist.")
    index, _ = exchange.index()
    about = {"symbol": option.symbol, "index": "BTCUSD", "endTime": option.expiry, "strike": option.strike, "markPrice": option.mark}
    return {**about, "underlyingPrice": index, "indexPrice": index, "iv": 0.51, "changePrice": None, **_greeks(option)}


def _book(exchange: OtherExchange, params: Body) -> object:
    option = exchange.options.get(str(params["symbol"]))
    if option is None:
        raise Refused(10574, "Instrument ID does not exist.")
    sides = {"bids": option.bid, "asks": option.ask}
    ladders = {side: [{"size": str(option.size), "price": str(price)}] if price > 0 else [] for side, price in sides.items()}
    return {"optionName": option.symbol, "displayName": None, "strike": option.strike, **ladders}


def _index(exchange: OtherExchange, params: Body) -> object:
    index, at = exchange.index()
    row = {"contractId": 1, "symbol": "BTCUSD", "symbolName": "BTC/USD", "price": index, "markPrice": index, "indexPrice": index}
    row |= {"ts": at, "hasOption": True, "sortIdx": None}
    return row if params.get("symbol") == "BTCUSD" else [row]


def _user(exchange: OtherExchange, _: Body) -> object:
    return {"name": "other", "email": "a@example.test", "userId": USER}


def _key(exchange: OtherExchange, _: Body) -> object:
    return {"userId": USER, "apiKey": KEY, "readOnly": 0, "isMaster": True, "parentUid": "0"}


def _summary(exchange: OtherExchange, _: Body) -> object:
    worth = sum((exchange.position(o.symbol) * o.mark for o in exchange.options.values()), ZERO)
    shorts = sum((-min(exchange.position(s), ZERO) for s in exchange.options), ZERO)
    equity, margin = exchange.cash + worth, shorts * exchange.index_now / 10
    money = {"equity": equity, "availableMargin": exchange.cash - margin, "marginBalance": exchange.cash, "imAmount": margin}
    money |= {"mmAmount": margin / 2, "imRatio": margin / equity, "mmRatio": margin / equity / 2, "unrealizedPnL": ZERO}
    told = {name: f"{value:.2f}" for name, value in money.items() if name not in exchange.odd.untold}
    return {"totalBtcValue": 1.0, "totalDollarValue": equity, **told, "accounts": []}


def _positions(exchange: OtherExchange, _: Body) -> object:
    exchange.advance()
    held = {symbol: exchange.position(symbol) for symbol in exchange.options}
    return [_position(exchange, exchange.options[symbol], qty) for symbol, qty in held.items() if qty != 0]


def _position(exchange: OtherExchange, option: Listed, held: Decimal) -> dict[str, object]:
    return {
        **{"id": 1_800_000_000_000_000_001, "positionId": 1_800_000_000_000_000_002, "updateTime": exchange.now(), "userId": USER},
        **{"symbol": option.symbol, "tradeSide": 1 if held > 0 else 2, "qty": abs(held), "lockQty": 0, "avgPrice": option.mark},
        **{"markPrice": option.mark, "indexPrice": exchange.index_now, "value": option.mark * abs(held), "initMargin": 0, "maintMargin": 0},
        **{"upnl": 0, "roi": 0, "upnlByMarkPrice": ZERO, "roiByMarkPrice": Token("0E-8"), "rspl": Token("0E-8"), **_greeks(option, held)},
    }


def _order(order: Order) -> dict[str, object]:
    average = None if order.filled == 0 else order.value / order.filled
    return {
        **{"orderId": order.order_id, "clientOrderId": order.client_id, "symbol": order.symbol, "displayName": order.symbol},
        **{"qty": Token(f"{order.qty:.8f}"), "remainQty": order.remaining, "fillQty": Token("0E-8") if order.filled == 0 else order.filled},
        **{"price": Token(f"{order.price:.2f}"), "avgPrice": average, "tradeSide": order.side, "tradeType": order.kind},
        **{"createTime": order.created, "updateTime": order.updated, "reduceOnly": int(order.reduce_only)},
        **{"fee": order.fee, "mmp": False, "state": order.state},
    }


def _create(exchange: OtherExchange, params: Body) -> object:
    return exchange.create(params)


def _cancel(exchange: OtherExchange, params: Body) -> object:
    exchange.cancel(exchange.find(params))
    return "success"


def _cancel_all(exchange: OtherExchange, params: Body) -> object:
    for order in exchange.visible():
        if order.state in WORKING and order.symbol.startswith(str(params["what"])):
            exchange.cancel(order)
    return None


def _pending(exchange: OtherExchange, params: Body) -> object:
    rows = [o for o in exchange.visible() if o.state in WORKING][::-1]
    size, page = int(str(params.get("pageSize", 20))), int(str(params.get("page", 1)))
    shown = [{name: value for name, value in _order(o).items() if name not in {"state", "fee", "updateTime"}} for o in rows]
    return {"list": shown[size * (page - 1) : size * page], "pageTotal": -(-len(rows) // size), "total": len(rows)}


def _single(exchange: OtherExchange, params: Body) -> object:
    return _order(exchange.find(params))


def _page(rows: Sequence[dict[str, object]], params: Body, at: str, cursor: str) -> object:
    """Cut a page out of rows, newest first. Source: Coincall API 1.6, the old cursor."""
    size, below = int(str(params.get("pageSize", 20))), int(str(params.get("fromId") or 0))
    since, until = int(str(params.get("startTime") or 0)), int(str(params.get("endTime") or 10**15))
    chosen = [row for row in rows if since <= int(str(row[at])) <= until and (below == 0 or int(str(row[cursor])) < below)]
    chosen.sort(key=lambda row: -int(str(row[cursor])))
    return {"list": chosen[:size], "hasNext": len(chosen) > size, "hasPre": below != 0}


def _orders(exchange: OtherExchange, params: Body) -> object:
    return _page([_order(o) for o in exchange.visible()], params, "createTime", "orderId")


def _trades(exchange: OtherExchange, params: Body) -> object:
    return _page([_trade(trade, exchange) for trade in exchange.visible_trades()], params, "time", "tradeId")


def _trade(trade: Trade, exchange: OtherExchange) -> dict[str, object]:
    order = trade.order
    return {
        **{"id": trade.trade_id + 1, "optionId": None, "symbol": order.symbol, "displayName": order.symbol, "tradeSide": order.side},
        **{"tradeType": order.kind, "price": trade.price, "qty": trade.qty, "iv": 0.5, "markPrice": 0, "indexPrice": exchange.index_now},
        **{"orderId": order.order_id, "tradeId": trade.trade_id, "fee": trade.fee, "time": trade.at},
        **{"reduceOnly": int(order.reduce_only), "isTaker": 1, "mmp": False},
    }


def _exercises(exchange: OtherExchange, params: Body) -> object:
    exchange.advance()
    since = int(str(params.get("startTime") or 0))
    rows = [e for e in exchange.ledger.exercises if e.visible <= exchange.now() and e.at >= since]
    shown = [
        {
            **{"symbol": e.symbol, "time": e.at, "qty": e.qty, "tradeSide": e.side, "strike": 0, "exercisePrice": e.price},
            **{"openCashFlow": 0, "settlementCashFlow": e.cash, "netCashFlow": e.cash, "fees": e.fee},
        }
        for e in reversed(rows)
    ]
    return {"list": shown, "hasNext": False, "hasPrev": False}


_ROUTES: Sequence[Route] = (
    ("GET", "/time", _time),
    ("GET", "/open/public/config/v1", _config),
    ("GET", "/open/option/getInstruments/(?P<coin>[A-Z]+)", _instruments),
    ("GET", "/open/option/get/v1/BTCUSD", _chain),
    ("GET", "/open/option/detail/v1/(?P<symbol>.+)", _detail),
    ("GET", "/open/option/order/orderbook/v1/(?P<symbol>.+)", _book),
    ("GET", "/open/futures/market/symbol/v1", _index),
    ("GET", "/open/user/info/v1", _user),
    ("GET", "/open/auth/user/query-api", _key),
    ("GET", "/open/account/summary/v1", _summary),
    ("GET", "/open/option/position/get/v1", _positions),
    ("POST", "/open/option/order/create/v1", _create),
    ("POST", "/open/option/order/cancel/v1", _cancel),
    ("GET", "/open/option/order/cancelOpenOrders/v1/(?P<what>.+)", _cancel_all),
    ("GET", "/open/option/order/batchCancelByOption/v1/(?P<what>.+)", _cancel_all),
    ("GET", "/open/option/order/pending/v1", _pending),
    ("GET", "/open/option/order/singleQuery/v1", _single),
    ("GET", "/open/option/order/history/v1", _orders),
    ("GET", "/open/option/trade/history/v1", _trades),
    ("GET", "/open/settle/exercise/history/v1", _exercises),
)
