"""The wire of block trades on the other exchange: paths, encodings and rows as documented, ids and amounts as oddly as seen live.

Source: Coincall API 8.2-8.13, 12.4, 15 "RFQ".
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from tests.rehearsal.other_books import Refused, Trade
from tests.rehearsal.other_rfq import ENCODINGS, OPEN, WORDS, Block, BlockDesk, MadeQuote, Request
from tests.rehearsal.other_wire import USER, Body

ROOT = "/open/option/blocktrade/"
WINDOW_MS = 3 * 24 * 3600 * 1000
REQUEST, WITHDRAW, ACCEPT, QUOTES = "request/create", "request/cancel", "request/accept", "getQuotesReceived"


def of_blocks(path: str) -> bool:
    """Tell whether a path is one of the desk for block trades."""
    return path.startswith(ROOT)


def block_routed(desk: BlockDesk, method: str, path: str, params: Body, encoding: str) -> object:
    """Act on a request that came in an encoding ("json", "form"; "" has no body), and return its data. Raises Refused."""
    for wanted, name, encodings, answer in _ROUTES:
        if (wanted, f"{ROOT}{name}/v1") == (method, path):
            if method == "POST" and encoding not in (encodings or ENCODINGS[desk.encoding]):
                raise Refused(10004, "Parameter illegal")
            return answer(desk, params)
    raise Refused(0, "", status=404)


def _number(params: Body, name: str) -> int | None:
    value = params.get(name)
    return None if value in (None, "", "0") else int(str(value))


def _named(params: Body, name: str) -> int:
    number = _number(params, name)
    if number is None:
        raise Refused(10570, f"Parameter {name} cannot be empty.")
    return number


# ---- rows


def _either(number: int, *, integer: bool) -> object:
    return number if integer else str(number)


def _amount(value: Decimal, turn: int) -> str:
    """Write an amount as one of the ways in which the exchange does."""
    whole = f"{value.normalize():f}"
    return (whole, f"{value:.8f}")[turn % 2]


def _request(request: Request) -> dict[str, object]:
    return {
        **{"requestId": str(request.request_id), "state": request.state, "role": "TAKER", "createTime": request.created},
        **{"expiryTime": _until(request.created, request.ends - request.born), "updateTime": request.updated},
        "legs": [{"instrumentName": leg.symbol, "side": WORDS[leg.side], "quantity": _amount(leg.qty, 1)} for leg in request.legs],
    }


def _until(since: int, seconds: float) -> int:
    return since + round(seconds * 1000)


def _quote(quote: MadeQuote) -> dict[str, object]:
    integer = quote.offer.integers
    row: dict[str, object] = {
        **{"quoteId": _either(quote.quote_id, integer=integer), "requestId": _either(quote.request.request_id, integer=integer)},
        **{"userId": str(1695000000000000 + quote.maker), "state": quote.state, "createTime": quote.created, "updateTime": quote.updated},
        "expiryTime": _until(quote.created, quote.offer.life),
        "legs": [
            {"instrumentName": leg.symbol, "side": WORDS[leg.side], "price": _amount(leg.price, at), "quantity": _amount(leg.qty, at + 1)}
            for at, leg in enumerate(quote.legs)
        ],
    }
    if quote.offer.nameless:
        del row["requestId"]
    return row


def _leg(block: Block, trade: Trade, turn: int, quantity: str) -> dict[str, object]:
    order = trade.order
    return {
        **{"baseToken": "BTC", "quoteToken": "USDT", "side": WORDS[order.side], "price": _amount(trade.price, turn)},
        **{quantity: _amount(trade.qty, turn), "iv": ("6.0E-4", "0.5201")[turn % 2], "markPrice": f"{trade.price:.8f}"},
        **{"indexPrice": str(block.index), "orderId": str(order.order_id), "tradeId": str(trade.trade_id), "fee": str(trade.fee)},
        **{"createTime": trade.at, "profit": "0"},
    }


# ---- answers


def _create(desk: BlockDesk, params: Body) -> object:
    request = desk.create(params)
    row = _request(request)
    legs = [{"instrumentName": leg.symbol, "qty": str(leg.qty), "side": WORDS[leg.side]} for leg in request.legs]
    return {name: row[name] for name in ("requestId", "createTime", "expiryTime", "state")} | {"legs": legs}


def _withdraw(desk: BlockDesk, params: Body) -> object:
    desk.cancel(_named(params, "requestId"))
    return True


def _quotes(desk: BlockDesk, params: Body) -> object:
    return [_quote(quote) for quote in desk.received(_number(params, "requestId"))]


def _accept(desk: BlockDesk, params: Body) -> object:
    block = desk.accept(_named(params, "requestId"), _named(params, "quoteId"))
    quote, integer = block.quote, block.quote.offer.integers
    return {
        **{"userId": None, "blockTradeId": _either(quote.quote_id, integer=integer), "role": "TAKER"},
        **{"requestId": _either(quote.request.request_id, integer=integer), "quoteId": _either(quote.quote_id, integer=integer)},
        "legs": [{"instrumentName": trade.order.symbol, **_leg(block, trade, turn, "quantity")} for turn, trade in enumerate(block.trades)],
    }


def _list(desk: BlockDesk, params: Body) -> object:
    until = _number(params, "endTime") or desk.exchange.now()
    since = _number(params, "startTime") or until - WINDOW_MS
    if until - since > WINDOW_MS or params.get("state") not in (None, OPEN, "CLOSED") or params.get("role") not in (None, "TAKER", "MAKER"):
        raise Refused(10004, "Parameter illegal")
    state = params.get("state")
    found = desk.listing(_number(params, "requestId"), None if state is None else str(state))
    latest = until if params.get("endTime") else None  # without one, whatever a clock that was set back makes of it
    shown = [] if params.get("role") == "MAKER" else [r for r in found if since <= r.created and (latest is None or r.created <= latest)]
    return {"userId": USER, "rfqList": [_request(request) for request in reversed(shown)]}


def _details(desk: BlockDesk, params: Body) -> object:
    return _page([_detail(block) for block in _chosen(desk, params)], params, 50)


def _detail(block: Block) -> dict[str, object]:
    quote = block.quote
    return {
        **{"requestId": str(quote.request.request_id), "tradeSide": "BUY" if quote.maker_side == "SELL" else "SELL"},
        **{"strategyPrice": "1.00000000", "strategyQuantity": f"{block.trades[0].qty:.8f}", "description": None, "strategyName": None},
        **{
            "createTime": block.at,
            "userId": str(USER),
            "blockTradeId": str(quote.quote_id),
            "quoteId": str(quote.quote_id),
            "role": "TAKER",
        },
        "legs": [
            {"instrumentName": trade.order.symbol, **_leg(block, trade, turn, "quantity"), "reduceOnly": None}
            for turn, trade in enumerate(block.trades)
        ],
    }


def _legs(desk: BlockDesk, params: Body) -> object:
    rows: list[dict[str, object]] = []
    for block in _chosen(desk, params):
        about = {"blocktradeId": str(block.quote.quote_id), "requestId": str(block.quote.request.request_id), "role": "TAKER"}
        legs = [{**about, "symbol": trade.order.symbol, **_leg(block, trade, turn, "qty")} for turn, trade in enumerate(block.trades)]
        rows += reversed(legs)
    return _page(rows, params, 500)


def _chosen(desk: BlockDesk, params: Body) -> list[Block]:
    """Return the blocks that a query asks for, newest first. Source: Coincall API 1.6, the new cursor."""
    one, below = _number(params, "blocktradeId"), _number(params, "fromId")
    if params.get("direction", "NEXT") != "NEXT":
        raise Refused(10004, "the other exchange turns its pages forward only")
    found = (block for block in reversed(desk.visible_blocks()) if one in (None, block.quote.quote_id))
    return [block for block in found if below is None or block.quote.quote_id < below]


def _page(rows: Sequence[Mapping[str, object]], params: Body, limit: int) -> object:
    size = int(str(params.get("pageSize", 20)))
    if not 0 < size < limit:
        raise Refused(10004, "Parameter illegal")
    return {"list": rows[:size], "hasNext": len(rows) > size, "hasPrev": _number(params, "fromId") is not None}


_Answer = Callable[[BlockDesk, Body], object]
_ROUTES: Sequence[tuple[str, str, tuple[str, ...], _Answer]] = (
    ("POST", "request/create", ("json",), _create),
    ("POST", "request/cancel", (), _withdraw),  # as the desk is set
    ("POST", "request/accept", (), _accept),
    ("GET", "request/getQuotesReceived", (), _quotes),
    ("GET", "rfqList", (), _list),
    ("GET", "trade-detail/private", (), _details),
    ("GET", "orderList", (), _legs),
)
