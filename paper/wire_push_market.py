"""What the streams tell of the market: the rows of the REST answers under the short names of the wire, so that both always agree.

Numbers are numbers in tickers and chains, texts in books and trades. Source: Coincall API 11.6 to 11.8.
"""

from collections.abc import Mapping, Sequence

from domain import OrderBook
from paper.answers import JsonObject, ms, plain
from paper.rows import TapeRow

_SHORT_TICKER = {
    "uv": "volumeUsd",
    "rt": "remainTime",
    "mp": "markPrice",
    "lp": "lastPrice",
    "ip": "indexPrice",
    "delta": "delta",
    "h": "price24hHigh",
    "l": "price24hLow",
    "iv": "iv",
    "theta": "theta",
    "cp": "changePrice",
    "pr0": "price24hOpen",
    "cr": "changeRate",
    "s": "symbol",
    "uv24": "volumeUsd24h",
    "v": "volume",
    "v24": "volume24h",
    "oi": "openInterest",
    "up": "underlyingPrice",
    "gamma": "gamma",
    "vega": "vega",
}
_SHORT_CHAIN = {
    "mp": "markPrice",
    "lp": "lastPrice",
    "delta": "delta",
    "theta": "theta",
    "cp": "changePrice",
    "biv": "bidIv",
    "aiv": "askIv",
    "miv": "markIv",
    "cr": "changeRate",
    "bs": "bidSize",
    "as": "askSize",
    "s": "symbol",
    "v": "volume",
    "ask": "ask",
    "v24": "volume",
    "oi": "openInterest",
    "up": "underlyingPrice",
    "bid": "bid",
    "gamma": "gamma",
    "vega": "vega",
}
_SHORT_INDEX = {
    "pr": "price",
    "mp": "markPrice",
    "ip": "indexPrice",
    "h": "price24hHigh",
    "l": "price24hLow",
    "cp": "changePrice",
    "cr": "changeRate",
    "pr0": "price24hOpen",
    "s": "symbol",
    "uv24": "volumeUsd24h",
    "v24": "volume24h",
    "ts": "ts",
}


def book(told: OrderBook) -> JsonObject:
    """Return a book (dt 5) without its moment: all levels, best first, prices and sizes as texts."""
    return {
        "s": told.symbol,
        "asks": [{"pr": plain(level.price), "sz": plain(level.size)} for level in told.asks],
        "bids": [{"pr": plain(level.price), "sz": plain(level.size)} for level in told.bids],
    }


def ticker(row: Mapping[str, object]) -> JsonObject:
    """Return an option's ticker (dt 3) without its moment, from its row of `detail` (5.3)."""
    return _renamed(row, _SHORT_TICKER)


def chain(rows: Sequence[Mapping[str, object]]) -> list[JsonObject]:
    """Return the options of one index and expiry (dt 4) without their moment, from the rows of the chain (5.2)."""
    entries = [row[kind] for row in rows for kind in ("callOption", "putOption") if kind in row]
    return [{**_renamed(entry, _SHORT_CHAIN), "upv": 0} for entry in entries if isinstance(entry, Mapping)]


def index(row: Mapping[str, object]) -> JsonObject:
    """Return an index (dt 30) from its row of REST (6.2); `ts` is when the index was said. There are no perpetuals: their prices are 0."""
    return {**_renamed(row, _SHORT_INDEX), "oi": 0}


def prints(trades: Sequence[TapeRow]) -> list[JsonObject]:
    """Return public trades (dt 6)."""
    return [
        {"q": plain(trade.qty), "sd": int(trade.side), "pr": plain(trade.price), "s": trade.symbol, "ts": ms(trade.at)} for trade in trades
    ]


def long_prints(trades: Sequence[TapeRow]) -> list[JsonObject]:
    """Return public trades in the long names (dt 24), every value a text."""
    return [
        {
            "matchPrice": plain(trade.price),
            "matchQty": plain(trade.qty),
            "matchValue": plain(trade.price * trade.qty),
            "symbol": trade.symbol,
            "tradeId": str(trade.trade_id),
            "tradeSide": str(int(trade.side)),
            "tradeTime": str(ms(trade.at)),
        }
        for trade in trades
    ]


def _renamed(row: Mapping[str, object], names: Mapping[str, str]) -> JsonObject:
    return {short: row[long] for short, long in names.items()}
