"""What the streams tell of the block board: requests to makers and their taker, quotes to both sides, blocks to parties and public.

Every push carries the whole of the present object. Ids are whole numbers in `rfqQuote` and at the top of the block channels, texts
elsewhere, unless `BlockRules.ids` says otherwise. Source: Coincall API 11.10 and 15 (18, 19, 52).
"""

from collections.abc import Sequence
from decimal import Decimal

from paper.answers import JsonObject, ms, plain
from paper.block_rows import BlockQuoteRow, BlockRow, QuoteState, RequestRow, RequestState
from paper.ledger import plain as short
from paper.wire_rfq import BoardWriter

_MARK = Decimal("1.00000000")


def request(writer: BoardWriter, row: RequestRow, state: RequestState, marks: Sequence[Decimal | None]) -> JsonObject:
    """Return a request as makers (dt 28) and its taker (dt 129) are told; a leg's price is its mark, left out where there is none."""
    legs: list[JsonObject] = [
        {
            "instrumentName": leg.symbol,
            "side": leg.side.name,
            "quantity": plain(short(leg.qty)),
            **({} if mark is None else {"price": plain(mark.quantize(_MARK))}),
        }
        for leg, mark in zip(row.legs, marks, strict=True)
    ]
    return {
        "requestId": writer.identity(row.request_id),
        "state": state,
        "createTime": ms(row.created),
        "expiryTime": ms(row.expires),
        "updateTime": ms(row.updated),
        "legs": legs,
    }


def own_quote(writer: BoardWriter, row: BlockQuoteRow) -> JsonObject:
    """Return a quote as its maker is told (dt 130)."""
    return {
        "quoteId": writer.identity(row.quote_id, whole=True),
        "requestId": writer.identity(row.request_id, whole=True),
        "userId": writer.identity(row.user, whole=True),
        "state": row.state,
        **_terms(row),
    }


def quote_received(writer: BoardWriter, row: BlockQuoteRow) -> JsonObject:
    """Return a quote as the taker is told (dt 131): not whose it is, and one that has expired as cancelled."""
    return {
        "quoteId": writer.identity(row.quote_id),
        "requestId": writer.identity(row.request_id),
        "quoteSide": row.side.name,
        "state": QuoteState.CANCELLED if row.state is QuoteState.EXPIRED else row.state,
        **_terms(row),
    }


def detail(writer: BoardWriter, block: BlockRow, user: int) -> JsonObject:
    """Return a block as one of its two parties is told (dt 22), from its own view."""
    told = writer.detail(block, user)
    whole = {"blockTradeId": block.block_id, "quoteId": block.quote_id, "requestId": block.request_id, "userId": user}
    return {
        **told,
        **{name: writer.identity(number, whole=True) for name, number in whole.items()},
        "legs": [{name: value for name, value in leg.items() if name != "reduceOnly"} for leg in _legs(told)],
    }


def public(writer: BoardWriter, block: BlockRow) -> JsonObject:
    """Return a block as everybody is told (dt 23), its legs in the order of the request."""
    told = writer.public(block)
    return {**told, "requestId": writer.identity(block.request_id, whole=True), "legs": _legs(told)[::-1]}


def _terms(row: BlockQuoteRow) -> JsonObject:
    return {
        "createTime": ms(row.created),
        "expiryTime": ms(row.expires),
        "updateTime": ms(row.updated),
        "legs": [
            {
                "instrumentName": leg.symbol,
                "price": plain(short(leg.price)),
                "quantity": plain(short(leg.qty)),
                "side": leg.side.name,
            }
            for leg in row.legs
        ],
    }


def _legs(told: JsonObject) -> list[JsonObject]:
    legs = told["legs"]
    return list(legs) if isinstance(legs, list) else []
