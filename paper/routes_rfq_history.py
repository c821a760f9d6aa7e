"""The endpoints that list requests, quotes and block trades. Source: Coincall API 1.6, 8.5, 8.7 and 8.11 to 8.14."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from paper.answers import JsonObject
from paper.block_rows import BlockQuoteRow, BlockRow, QuoteState, RequestRow, RequestState
from paper.exchange import PaperExchange
from paper.rfq_board import RFQBoard
from paper.routes_rfq import for_makers, rules_of
from paper.server_request import NoSuchPath, Refusal
from paper.server_routes import Call, Route
from paper.wire_rfq import BoardWriter

_WINDOW = timedelta(days=3)
_LEGS, _BLOCKS = 500, 50


def requests(exchange: PaperExchange, call: Call) -> JsonObject:
    """List requests (8.7): the account's own and, for makers, those of others; the last 3 days unless asked otherwise."""
    maker, role = call.signer.market_maker, (call.params.maybe_text("role") or "").upper()
    if not maker and not rules_of(exchange).takers_may_list:
        raise NoSuchPath("rfqList needs quote access")
    board, wanted, number = exchange.engine.board, _open_or_closed(call), call.params.maybe_integer("requestId")

    def fits(row: RequestRow) -> bool:
        own = row.user == call.user
        return (
            (own or maker)
            and (role != "TAKER" or own)
            and (role != "MAKER" or not own)
            and (wanted is None or wanted == (row.state is RequestState.ACTIVE))
        )

    since, until = _span(call)
    writer = BoardWriter(exchange.engine)
    rows = reversed(board.requests.values()) if number is None else _one(board, number)
    found = [row for row in rows if since <= row.created <= until and fits(row)]
    return {"userId": writer.identity(call.user), "rfqList": [writer.request(row, call.user) for row in found]}


def quotes_received(exchange: PaperExchange, call: Call) -> list[JsonObject]:
    """List the quotes on the account's own requests, in every state (8.5)."""
    board, number = exchange.engine.board, call.params.maybe_integer("requestId")
    rows = board.requests.values() if number is None else _one(board, number)
    mine = [row for row in rows if row.user == call.user and call.now - row.created <= _WINDOW]
    writer = BoardWriter(exchange.engine)
    return [writer.quote(row) for asked in mine for row in board.quotes_on(asked.request_id)]


def my_quotes(exchange: PaperExchange, call: Call) -> list[JsonObject]:
    """List the quotes an account has given (8.11), newest first."""
    for_makers(call)
    params, wanted = call.params, _open_or_closed(call)
    quote_id, request_id, index = params.maybe_integer("quoteId"), params.maybe_integer("requestId"), params.maybe_text("symbol")
    since, until = _span(call)

    def fits(row: BlockQuoteRow) -> bool:
        return (
            row.user == call.user
            and since <= row.created <= until
            and quote_id in {None, row.quote_id}
            and request_id in {None, row.request_id}
            and (wanted is None or wanted == (row.state is QuoteState.OPEN))
            and (index is None or row.legs[0].symbol.startswith(f"{index}-"))
        )

    writer = BoardWriter(exchange.engine)
    return [writer.quote(row) for row in reversed(exchange.engine.board.quotes.values()) if fits(row)]


def my_legs(exchange: PaperExchange, call: Call) -> JsonObject:
    """List the legs of the account's block trades, newest first (8.12); a page never ends within a block."""
    base = call.params.maybe_text("currency")
    found = _mine(exchange, call, lambda row: base is None or row.legs[0].underlying == base)
    writer, most = BoardWriter(exchange.engine), call.params.bounded("pageSize", 20, _LEGS)
    return _page(call, found, lambda row: writer.flat_legs(row, call.user), most)


def my_blocks(exchange: PaperExchange, call: Call) -> JsonObject:
    """List the account's block trades with their legs, newest first (8.13)."""
    found = _mine(exchange, call, _of_index(call))
    writer = BoardWriter(exchange.engine)
    return _page(call, found, lambda row: [writer.detail(row, call.user)], call.params.bounded("pageSize", 20, _BLOCKS))


def all_blocks(exchange: PaperExchange, call: Call) -> JsonObject:
    """List everybody's block trades, newest first, without telling whose (8.14)."""
    fits, number = _of_index(call), call.params.maybe_integer("blocktradeId")
    found = [row for row in exchange.engine.board.blocks.values() if fits(row) and number in {None, row.block_id}]
    writer = BoardWriter(exchange.engine)
    return _page(call, sorted(found, key=_by_number), lambda row: [writer.public(row)], call.params.bounded("pageSize", 20, _BLOCKS))


def _one(board: RFQBoard, number: int) -> list[RequestRow]:
    found = board.requests.get(number)
    return [] if found is None else [found]


def _mine(exchange: PaperExchange, call: Call, fits: Callable[[BlockRow], bool]) -> list[BlockRow]:
    """Return the account's blocks that fit, by number."""
    number = call.params.maybe_integer("blocktradeId")
    rows = exchange.engine.board.blocks.values()
    found = [row for row in rows if call.user in {row.taker, row.maker} and fits(row) and number in {None, row.block_id}]
    return sorted(found, key=_by_number)


def _of_index(call: Call) -> Callable[[BlockRow], bool]:
    index = call.params.maybe_text("symbol")
    return lambda row: index is None or f"{row.legs[0].underlying}USD" == index


def _page(call: Call, rows: Sequence[BlockRow], written: Callable[[BlockRow], list[JsonObject]], most: int) -> JsonObject:
    """Cut a page out of rows sorted by number (1.6, the new cursor); it holds at least one row, whole."""
    start, back = call.params.maybe_integer("fromId") or 0, (call.params.maybe_text("direction") or "NEXT").upper() == "PREV"
    chosen = [row for row in rows if start == 0 or (row.block_id > start if back else row.block_id < start)]
    ordered = chosen if back else chosen[::-1]
    taken: list[list[JsonObject]] = []
    for row in ordered:
        told = written(row)
        if taken and sum(map(len, taken)) + len(told) > most:
            break
        taken.append(told)
    more, other = len(taken) < len(ordered), len(chosen) < len(rows)
    told = [line for lines in (reversed(taken) if back else taken) for line in lines]
    return {"list": told, "hasNext": more, "hasPrev": other}


def _by_number(row: BlockRow) -> int:
    return row.block_id


def _open_or_closed(call: Call) -> bool | None:
    """Return whether open ones (True) or ended ones are wanted; None where both are."""
    match (call.params.maybe_text("state") or "").upper():
        case "":
            return None
        case "OPEN":
            return True
        case "CLOSED":
            return False
        case _:
            raise Refusal(10573, "state")


def _span(call: Call) -> tuple[datetime, datetime]:
    """Return the window asked for; refuse with 10573 one longer than 3 days."""
    until = call.params.maybe_moment("endTime") or call.now
    since = call.params.maybe_moment("startTime") or until - _WINDOW
    if until - since > _WINDOW:
        raise Refusal(10573, "startTime")
    return since, until


_AT = "/open/option/blocktrade"
ROUTES = (
    Route(method="GET", path=f"{_AT}/rfqList/v1", handler=requests, signed=True),
    Route(method="GET", path=f"{_AT}/request/getQuotesReceived/v1", handler=quotes_received, signed=True),
    Route(method="GET", path=f"{_AT}/list-quote/v1", handler=my_quotes, signed=True),
    Route(method="GET", path=f"{_AT}/orderList/v1", handler=my_legs, signed=True),
    Route(method="GET", path=f"{_AT}/trade-detail/private/v1", handler=my_blocks, signed=True),
    Route(method="GET", path=f"{_AT}/trade-detail/public/v1", handler=all_blocks, signed=True),
)
