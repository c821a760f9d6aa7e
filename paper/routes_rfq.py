"""The endpoints of the block board that ask, quote, accept and withdraw. Source: Coincall API 8.2 to 8.10.

JSON and forms are taken everywhere unless `BlockRules` says otherwise. What is for makers is HTTP 404 to other accounts.
"""

from domain import Side
from paper.answers import JsonObject
from paper.block_rows import StatedLeg
from paper.exchange import PaperExchange
from paper.limits import ORDERS
from paper.rules import BlockRules
from paper.server_request import NoSuchPath, Params, Refusal
from paper.server_routes import Call, Route
from paper.wire_rfq import BoardWriter

_SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
_MOST = 100


def create_request(exchange: PaperExchange, call: Call) -> JsonObject:
    """Ask makers for quotes (8.3)."""
    legs = [
        StatedLeg(leg.text("instrumentName"), side_of(leg.text("side"), "side"), leg.number("qty"))
        for leg in call.params.objects("legs", _MOST)
    ]
    row = exchange.engine.board.request(call.user, legs, call.now)
    return BoardWriter(exchange.engine).created(row)


def cancel_request(exchange: PaperExchange, call: Call) -> bool:
    """Withdraw a request and the quotes on it (8.4)."""
    _forms(exchange, call)
    exchange.engine.board.cancel_request(call.user, call.params.integer("requestId"), call.now)
    return True


def accept(exchange: PaperExchange, call: Call) -> JsonObject:
    """Trade a quote (8.6)."""
    _forms(exchange, call)
    request_id, quote_id = call.params.integer("requestId"), call.params.integer("quoteId")
    block = exchange.engine.board.accept(call.user, request_id, quote_id, call.now)
    return BoardWriter(exchange.engine).accepted(block)


def create_quote(exchange: PaperExchange, call: Call) -> JsonObject:
    """Offer a price for every leg of a request (8.8); sides and quantities of the legs, where given, must be the request's."""
    for_makers(call)
    request_id = call.params.integer("requestId")
    side = side_of(call.params.maybe_text("quoteSide") or "SELL", "quoteSide")
    legs = call.params.objects("legs", _MOST)
    _agree(exchange, request_id, side, legs)
    prices = {leg.text("instrumentName"): leg.number("price") for leg in legs}
    if len(prices) < len(legs):
        raise Refusal(10004)
    row = exchange.engine.board.quote(call.user, request_id, side, prices, call.now)
    return BoardWriter(exchange.engine).quoted(row)


def cancel_quote(exchange: PaperExchange, call: Call) -> JsonObject:
    """Withdraw a quote (8.9)."""
    for_makers(call)
    if rules_of(exchange).json_only and call.is_form:
        raise Refusal(10000)
    row = exchange.engine.board.cancel_quote(call.user, call.params.integer("quoteId"), call.now)
    return {"quoteId": BoardWriter(exchange.engine).identity(row.quote_id)}


def cancel_all_quotes(exchange: PaperExchange, call: Call) -> None:
    """Withdraw every open quote of the account (8.10)."""
    for_makers(call)
    exchange.engine.board.cancel_quotes(call.user, call.now)


def rules_of(exchange: PaperExchange) -> BlockRules:
    """Return the rules of the board."""
    return exchange.engine.rules.block


def for_makers(call: Call) -> None:
    """Refuse with HTTP 404 whoever may not quote."""
    if not call.signer.market_maker:
        raise NoSuchPath("quotes are for market makers")


def side_of(text: str, about: str) -> Side:
    """Return a side from its word; refuse with 10573 any other."""
    found = _SIDES.get(text.upper())
    if found is None:
        raise Refusal(10573, about)
    return found


def _forms(exchange: PaperExchange, call: Call) -> None:
    if rules_of(exchange).forms_only and not call.is_form:
        raise Refusal(10004)


def _agree(exchange: PaperExchange, request_id: int, side: Side, legs: list[Params]) -> None:
    """Refuse with 50014 a leg whose side or quantity, if it is given, is not what the request makes it."""
    known = exchange.engine.board.requests.get(request_id)
    stated = {} if known is None else {leg.symbol: leg for leg in known.legs}
    for leg in legs:
        of = stated.get(leg.text("instrumentName"))
        word, qty = leg.maybe_text("side"), leg.maybe_number("quantity")
        if of is None:
            continue
        acts = of.side if side is Side.BUY else of.side.opposite
        if (word is not None and side_of(word, "side") is not acts) or (qty is not None and qty != of.qty):
            raise Refusal(50014)


_AT = "/open/option/blocktrade"
ROUTES = (
    Route(method="POST", path=f"{_AT}/request/create/v1", handler=create_request, signed=True, trades=True, limit=ORDERS),
    Route(method="POST", path=f"{_AT}/request/cancel/v1", handler=cancel_request, signed=True, trades=True, limit=ORDERS),
    Route(method="POST", path=f"{_AT}/request/accept/v1", handler=accept, signed=True, trades=True, limit=ORDERS),
    Route(method="POST", path=f"{_AT}/quote/create/v1", handler=create_quote, signed=True, trades=True, limit=ORDERS),
    Route(method="POST", path=f"{_AT}/quote/cancel/v1", handler=cancel_quote, signed=True, trades=True, limit=ORDERS),
    Route(method="POST", path=f"{_AT}/quote/cancel-all/v1", handler=cancel_all_quotes, signed=True, trades=True, limit=ORDERS),
)
