"""The endpoints of market makers: countdown cancel and protection. Source: Coincall API 9.

An account that is no market maker finds no countdown (HTTP 404) and is told `not.allow` by the protection's endpoints; the one grant
opens both.
"""

from datetime import timedelta
from decimal import Decimal

from paper.answers import NULL, JsonObject, ms, num
from paper.countdown import Product
from paper.exchange import PaperExchange
from paper.limits import ORDERS, QUERIES
from paper.mmp import ProtectionRow, Terms
from paper.server_request import NoSuchPath, Refusal
from paper.server_routes import Call, Extra, Route

_LONGEST_COUNTDOWN_MS = 2**31 - 1  # no range is documented; this is one that a moment can hold
_SHORTEST_MS, _LONGEST_MS = 1_000, 100_000_000
_LEAST_LIMIT = Decimal("0.01")


def set_countdown(exchange: PaperExchange, call: Call) -> bool:
    """Begin a countdown, or end it with a time of zero (9.1)."""
    _market_maker(call)
    product, symbol = _product(call), call.params.text("symbol")
    span = _bounded_ms(call, "countdownTime", 0, _LONGEST_COUNTDOWN_MS)
    if product is Product.OPTIONS:
        _known_index(exchange, symbol, call)
    _, now = exchange.engine.enter(call.user, call.now)
    exchange.engine.countdowns.post(call.user, product, symbol, timedelta(milliseconds=span), now)
    return True


def get_countdowns(exchange: PaperExchange, call: Call) -> list[JsonObject]:
    """List the countdowns that run (9.1)."""
    _market_maker(call)
    return [
        {"type": int(row.product), "symbol": row.symbol, "countdownTime": row.span // timedelta(milliseconds=1)}
        for row in exchange.engine.countdowns.running(call.user, _product(call))
    ]


def reset_countdowns(exchange: PaperExchange, call: Call) -> list[str]:
    """Begin countdowns from their start; the answer names those that were still running (9.1)."""
    _market_maker(call)
    product, symbols = _product(call), call.params.text("symbols").split(",")
    _, now = exchange.engine.enter(call.user, call.now)
    return exchange.engine.countdowns.reset(call.user, product, [symbol.strip() for symbol in symbols], now)


def set_protection(exchange: PaperExchange, call: Call) -> bool:
    """Set, change or, with an interval of zero, remove the protection of an index (9.2)."""
    _protected(call)
    index = _index(exchange, call)
    terms = Terms(
        interval=timedelta(milliseconds=_window_ms(call, "intervalTime")),
        freeze=timedelta(milliseconds=_window_ms(call, "frozenTime")),
        qty_limit=_limit(call, "qtyLimit"),
        delta_limit=_limit(call, "deltaLimit"),
    )
    engine = exchange.engine
    _, now = engine.enter(call.user, call.now)
    engine.protections.configure(call.user, index, terms, engine.matching.number(), now)
    return True


def get_protection(exchange: PaperExchange, call: Call) -> object:
    """Tell the protection of an index and whether it is frozen; null where none is set, which is not documented (9.2)."""
    _protected(call)
    row = exchange.engine.protections.told(call.user, _index(exchange, call), call.now)
    return NULL if row is None else _told(row)


def reset_protection(exchange: PaperExchange, call: Call) -> Extra:
    """Thaw the account on an index (9.2), the code a text; refuses with 60008 where there is no protection."""
    _protected(call)
    index = _index(exchange, call)
    _, now = exchange.engine.enter(call.user, call.now)
    if not exchange.engine.protections.reset(call.user, index, now):
        raise Refusal(60008)
    return Extra([{"result": True}], {"code": "0", "msg": ""})


def _told(row: ProtectionRow) -> JsonObject:
    return {
        "id": row.id,
        "uid": row.user,
        "indexName": row.index,
        "intervalTime": row.interval // timedelta(milliseconds=1),
        "frozenTime": row.freeze // timedelta(milliseconds=1),
        "qtyLimit": num(row.qty_limit),
        "deltaLimit": num(row.delta_limit),
        "mmpFrozen": row.frozen,
        "mmpFrozenUntil": "" if row.frozen_until is None else ms(row.frozen_until),
        "ctime": row.created.isoformat(timespec="milliseconds"),
        "mtime": row.modified.isoformat(timespec="milliseconds"),
    }


def _market_maker(call: Call) -> None:
    if not call.signer.market_maker:
        raise NoSuchPath("countdowns are for market makers")


def _protected(call: Call) -> None:
    if not call.signer.market_maker:
        raise Refusal(10001, message="not.allow")


def _product(call: Call) -> Product:
    number = call.params.integer("type")
    if number not in set(Product):
        raise Refusal(10573, "type")
    return Product(number)


def _index(exchange: PaperExchange, call: Call) -> str:
    index = call.params.text("indexName")
    _known_index(exchange, index, call)
    return index


def _known_index(exchange: PaperExchange, index: str, call: Call) -> None:
    try:
        exchange.index(index.removesuffix("USD") if index.endswith("USD") else "", call.now)
    except KeyError:
        raise Refusal(10579) from None


def _window_ms(call: Call, name: str) -> int:
    """Return a span of the protection: zero, or one within the documented range."""
    span = call.params.integer(name)
    return 0 if span == 0 else _bounded_ms(call, name, _SHORTEST_MS, _LONGEST_MS)


def _bounded_ms(call: Call, name: str, least: int, most: int) -> int:
    span = call.params.integer(name)
    if not least <= span <= most:
        raise Refusal(10573, name)
    return span


def _limit(call: Call, name: str) -> Decimal | None:
    limit = call.params.maybe_number(name)
    if limit is not None and limit < _LEAST_LIMIT:
        raise Refusal(10573, name)
    return limit


_COUNTDOWN = "/open/futures/countdown/cancel"
ROUTES = (
    Route(method="POST", path=f"{_COUNTDOWN}/v1", handler=set_countdown, signed=True, trades=True, limit=ORDERS),
    Route(method="GET", path=f"{_COUNTDOWN}/get/v1", handler=get_countdowns, signed=True, limit=QUERIES),
    Route(method="POST", path=f"{_COUNTDOWN}/heartbeat/v1", handler=reset_countdowns, signed=True, trades=True, limit=ORDERS),
    Route(method="POST", path="/open/mmp/set-mmp-config/v1", handler=set_protection, signed=True, trades=True, limit=QUERIES),
    Route(method="GET", path="/open/mmp/get-mmp-config/v1", handler=get_protection, signed=True, limit=QUERIES),
    Route(method="POST", path="/open/mmp/reset-mmp/v1", handler=reset_protection, signed=True, trades=True, limit=QUERIES),
)
