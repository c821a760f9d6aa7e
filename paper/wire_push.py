"""What the streams tell an account: its orders, fills, positions and balance, in the short names of the wire.

Texts and numbers stand where the venue has them. Source: Coincall API 11.4, 11.6, 11.7, 12.3 and 12.5.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from domain import ZERO, Greeks, OrderType, Side, TimeInForce
from paper.answers import JsonObject, encoded, ms, num, plain
from paper.ledger import plain as short
from paper.rows import OrderRow, PositionRow, Summary, TradeRow
from paper.rules import OrderState, Rules
from paper.wire_push_channels import Channel

_DATA = 20
_POST_ONLY = 1
_TIF: Mapping[TimeInForce | None, int] = {None: 0, TimeInForce.GTC: 0, TimeInForce.IOC: 2, TimeInForce.FOK: 3}
_FILLS = frozenset({OrderState.FILLED, OrderState.PARTIALLY_FILLED})
_CANCELS = frozenset({OrderState.CANCELED, OrderState.CANCEL_BY_EXERCISE})
OPEN, CLOSED = "1", "5"


def framed(channel: Channel, data: object, at: datetime | None = None) -> str:
    """Return a push as its text; `at` stands in the envelope of the newer channels and is missing in that of the older ones."""
    envelope: JsonObject = {"dt": channel.dt, "c": _DATA, "d": data}
    return encoded(envelope if at is None else {**envelope, "ts": ms(at)}).decode()


def text(number: Decimal) -> str:
    """Return a number in plain digits, without trailing zeros."""
    return plain(short(number))


def order(row: OrderRow, match: TradeRow | None = None) -> JsonObject:
    """Return an order (dt 11) in the state it has; `match` is what filled it just now. Prices of market orders are "0"."""
    return {
        "oid": row.order_id,
        "coid": row.order_id if row.client_id is None else row.client_id,
        "uid": str(row.user),
        "s": row.symbol,
        "q": text(row.qty),
        "pr": "0" if row.price is None else text(row.price),
        "si": int(row.side),
        "ty": int(row.order_type),
        "ct": ms(row.created),
        "ts": ms(row.updated),
        "ro": int(row.reduce_only),
        "os": int(row.state),
        "tif": _POST_ONLY if row.order_type is OrderType.POST_ONLY else _TIF[row.time_in_force],
        **_of_state(row, match),
    }


def fill(match: TradeRow, after: OrderRow, rules: Rules) -> JsonObject:
    """Return a fill (dt 15), every value a text; `after` is its order just after it. The rate is negative where it is charged."""
    return {
        "clientOrderId": str(match.order_id if match.client_id is None else match.client_id),
        "feeRate": text(-_rate(match, rules)),
        "isTaker": str(int(match.is_taker)),
        "matchPrice": text(match.price),
        "matchQty": text(match.qty),
        "matchValue": text(match.price * match.qty),
        "orderId": str(match.order_id),
        "orderSide": str(int(match.side)),
        "remainQty": text(after.remaining),
        "symbol": match.symbol,
        "tradeId": str(match.trade_id),
        "tradeTime": str(ms(match.at)),
    }


def position(row: PositionRow) -> JsonObject:
    """Return a holding (dt 12 and 27); Greeks are of the whole of it."""
    return {
        **_held(row.user, row.symbol, row.side, row.mark, OPEN),
        "ap": text(row.avg_price),
        "im": text(row.initial_margin),
        "mm": text(row.maintenance_margin),
        "q": text(row.qty),
        "upnl": text(row.upnl),
        "pnlbmp": text(row.upnl_mark),
        "roibmp": text(row.roi_mark),
        **_sensitivities(row.greeks),
    }


def ended_position(user: int, symbol: str, side: Side, mark: Decimal) -> JsonObject:
    """Return a holding that is no more (dt 27); `side` is what it was."""
    nothing = dict.fromkeys(("ap", "im", "mm", "q", "upnl", "pnlbmp", "roibmp"), "0")
    return {**_held(user, symbol, side, mark, CLOSED), **nothing, **_sensitivities(Greeks())}


def balance(told: Summary, delta: float, bitcoins: Decimal, coin: str) -> JsonObject:
    """Return an account's balance (dt 7), USD; `delta` is that of all its positions, in coins."""
    return {
        "mm": num(told.maintenance_margin),
        "uid": told.user,
        "ab": num(told.available),
        "dv": num(told.equity),
        "assets": [{"availableBalance": num(told.available), "coin": coin}],
        "im": num(told.initial_margin),
        "e": num(told.equity),
        "mb": num(told.margin_balance),
        "delta": _short_float(delta),
        "btcv": num(bitcoins),
        "wb": num(max(ZERO, min(told.available, told.cash))),
        "upnl": num(told.unrealized),
    }


def _of_state(row: OrderRow, match: TradeRow | None) -> JsonObject:
    filled, average = text(row.filled), "0" if row.avg_price is None else text(row.avg_price)
    if row.state in _FILLS:
        just = ("0", "0", 0) if match is None else (text(match.price), text(match.qty), int(match.is_taker))
        return {"rq": text(row.remaining), "fq": filled, "mpr": just[0], "mq": just[1], "ap": average, "it": just[2]}
    if row.state in _CANCELS:
        return {"cq": text(row.remaining), "fq": filled, "ap": average}
    return {} if row.state is OrderState.NEW else {"rq": text(row.remaining), "fq": filled, "ap": average}


def _rate(match: TradeRow, rules: Rules) -> Decimal:
    if match.liquidation:
        return rules.liquidation_fee
    if match.order_type is OrderType.BLOCK_TRADE:
        return rules.block.taker_fee if match.is_taker else rules.block.maker_fee
    return rules.taker_fee if match.is_taker else rules.maker_fee


def _held(user: int, symbol: str, side: Side, mark: Decimal, state: str) -> JsonObject:
    return {"s": symbol, "uid": str(user), "si": str(int(side)), "mp": num(mark), "os": state, "elp": 0, "tim": "", "tmm": ""}


def _sensitivities(greeks: Greeks) -> JsonObject:
    named = {"delta": greeks.delta, "gamma": greeks.gamma, "vega": greeks.vega, "theta": greeks.theta, "rho": greeks.rho}
    return {name: _short_float(number) for name, number in named.items()}


def _short_float(number: float) -> str:
    return "0" if number == 0 else repr(number)
