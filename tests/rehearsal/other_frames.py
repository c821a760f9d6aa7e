"""What the other exchange's streams push: each row of its books as a frame. Source: Coincall API 11.6-11.10."""

from collections.abc import Mapping
from decimal import Decimal

from tests.rehearsal.other_books import CANCELED, EXERCISED, FILLED, NEW, PARTIAL, Listed, Order, Trade
from tests.rehearsal.other_exchange import OtherExchange
from tests.rehearsal.other_rfq import WORDS, Block, MadeQuote, Request
from tests.rehearsal.other_wire import USER

Frame = Mapping[str, object]


def order_frame(order: Order, trade: Trade | None) -> Frame:
    """Return an order as it stands after what happened to it, a trade of it among that."""
    average = "0" if order.filled == 0 else str(order.value / order.filled)
    left, filled = str(order.remaining), str(order.filled)
    matched = {} if trade is None else {"mpr": str(trade.price), "mq": str(trade.qty), "it": 1}
    of_state: dict[int, Frame] = {
        NEW: {},
        FILLED: {"rq": left, "fq": filled, "ap": average, **matched},
        PARTIAL: {"rq": left, "fq": filled, "ap": average, **matched},
        CANCELED: {"cq": left, "fq": filled, "ap": average},
        EXERCISED: {"cq": left, "fq": filled, "ap": average},
    }
    return {
        **{
            "oid": order.order_id,
            "coid": order.client_id,
            "uid": str(USER),
            "s": order.symbol,
            "q": str(order.qty),
            "pr": str(order.price),
        },
        **{"si": order.side, "ty": order.kind, "ct": order.created, "ts": order.updated, "ro": int(order.reduce_only), "os": order.state},
        **{"tif": 0, **of_state.get(order.state, {"rq": left, "fq": filled, "ap": average})},
    }


def trade_frame(trade: Trade) -> Frame:
    """Return one of our fills."""
    order = trade.order
    return {
        **{"clientOrderId": str(order.client_id), "feeRate": "-0.0003", "isTaker": "1", "matchPrice": str(trade.price)},
        **{"matchQty": str(trade.qty), "matchValue": str(trade.qty * trade.price), "orderId": str(order.order_id)},
        **{"orderSide": str(order.side), "remainQty": str(order.remaining), "symbol": order.symbol},
        **{"tradeId": str(trade.trade_id), "tradeTime": str(trade.at)},
    }


def position_frame(option: Listed, held: Decimal, *, closed: bool = False) -> Frame:
    """Return a holding, signed coins; closed: the one that was."""
    return {
        **{"ap": str(option.mark), "elp": 0, "im": "0", "mm": "0", "mp": option.mark, "os": "5" if closed else "1"},
        **{"q": "0" if closed else str(abs(held)), "s": option.symbol, "si": "1" if held > 0 else "2", "tim": "", "tmm": ""},
        **{"uid": str(USER), "upnl": "0", "pnlbmp": "0.00", "roibmp": "0", "delta": "0.033", "gamma": "2.0E-6", "theta": "-4.0"},
    }


def book_frame(option: Listed, now: int) -> Frame:
    """Return both sides of an option's book, each whole."""
    sides = {"bids": option.bid, "asks": option.ask}
    ladders = {side: [{"pr": str(price), "sz": str(option.size)}] if price > 0 else [] for side, price in sides.items()}
    return {"s": option.symbol, **ladders, "ts": now}


def ticker_frame(option: Listed, exchange: OtherExchange) -> Frame:
    """Return an option's quote with mark and Greeks."""
    far = (option.strike - 100_000) / 40_000
    delta = max(min(Decimal("0.5") - far, Decimal("0.95")), Decimal("0.05")) - (0 if option.call else 1)
    return {
        **{"mp": option.mark, "lp": 0, "delta": delta, "theta": -40.2, "cp": 0.0, "biv": 0.5, "aiv": 0.52, "miv": 0.51, "cr": 0.0},
        **{"bs": option.size, "as": option.size, "s": option.symbol, "v": 0, "ask": option.ask, "v24": 0, "oi": 12.4, "upv": 0},
        **{"up": exchange.index_now, "ip": exchange.index_now, "bid": option.bid, "gamma": 0.00002, "vega": 95.1, "ts": exchange.now()},
    }


def _until(since: int, seconds: float) -> int:
    return since + round(seconds * 1000)


def request_frame(request: Request) -> Frame:
    """Return a request for quotes."""
    legs = [
        {"instrumentName": leg.symbol, "price": "1000.00000000", "quantity": str(leg.qty), "side": WORDS[leg.side]} for leg in request.legs
    ]
    times = {
        "createTime": request.created,
        "expiryTime": _until(request.created, request.ends - request.born),
        "updateTime": request.updated,
    }
    return {"requestId": str(request.request_id), "state": request.state, "legs": legs, **times}


def quote_frame(quote: MadeQuote) -> Frame:
    """Return a maker's quote; one that expired is told as cancelled."""
    rows = [(leg.symbol, str(leg.price), str(leg.qty), WORDS[leg.side]) for leg in quote.legs]
    legs = [dict(zip(("instrumentName", "price", "quantity", "side"), row, strict=True)) for row in rows]
    times = {"createTime": quote.created, "expiryTime": _until(quote.created, quote.offer.life), "updateTime": quote.updated}
    state = "CANCELLED" if quote.state == "EXPIRED" else quote.state
    ids = {"quoteId": str(quote.quote_id), "requestId": str(quote.request.request_id)}
    return {**ids, "quoteSide": quote.maker_side, "state": state, "legs": legs, **times}


def block_frame(block: Block) -> Frame:
    """Return a block that we traded, with its legs."""
    quote = block.quote
    return {
        **{"blockTradeId": quote.quote_id, "quoteId": quote.quote_id, "requestId": quote.request.request_id, "userId": USER},
        **{"createTime": block.at, "description": "a block", "role": "TAKER", "strategyName": "Custom", "strategyPrice": "1.00000000"},
        **{"strategyQuantity": str(block.trades[0].qty), "tradeSide": "BUY" if quote.maker_side == "SELL" else "SELL"},
        "legs": [_leg(block, trade) for trade in block.trades],
    }


def _leg(block: Block, trade: Trade) -> Frame:
    order = trade.order
    return {
        **{"baseToken": "BTC", "quoteToken": "USDT", "createTime": trade.at, "fee": str(trade.fee), "indexPrice": str(block.index)},
        **{"instrumentName": order.symbol, "iv": "0.5201", "markPrice": str(trade.price), "orderId": str(order.order_id), "profit": "0"},
        **{"price": str(trade.price), "quantity": str(trade.qty), "side": WORDS[order.side], "tradeId": str(trade.trade_id)},
    }
