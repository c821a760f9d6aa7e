"""How the block board looks on the wire, in one place for answers and streams: requests, quotes and block trades as JSON objects.

Ids are written as `BlockRules.ids` says; amounts are texts. Source: Coincall API 8.3 to 8.15, 11.10.
"""

from collections.abc import Sequence
from decimal import Decimal

from domain import Side
from paper.answers import JsonObject, ms, plain
from paper.block_rows import BlockLeg, BlockQuoteRow, BlockRow, PricedLeg, RequestRow
from paper.engine import Engine
from paper.ledger import plain as short
from paper.rules import Ids
from paper.structures import Piece, description, name, net_price, unit

_WHOLE = Decimal("1.00000000")
_RATIO = Decimal("1.000000000000000000")
COIN = "USDT"


class BoardWriter:
    """Writes what is on an engine's board."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._ids = engine, engine.rules.block.ids

    def identity(self, number: int, *, whole: bool = False) -> object:
        """Return an id as text or, where the venue is documented so, as a whole number."""
        as_number = self._ids is Ids.NUMBER or (whole and self._ids is Ids.DOCUMENTED)
        return number if as_number else str(number)

    def created(self, row: RequestRow) -> JsonObject:
        """Return a request as its creation answers (8.3)."""
        return {
            "requestId": self.identity(row.request_id),
            "createTime": ms(row.created),
            "expiryTime": ms(row.expires),
            "legs": [{"instrumentName": leg.symbol, "qty": plain(leg.qty), "side": leg.side.name} for leg in row.legs],
            "state": row.state,
        }

    def request(self, row: RequestRow, user: int) -> JsonObject:
        """Return a request as one of its viewers finds it listed (8.7)."""
        return {
            "requestId": self.identity(row.request_id),
            "state": self._engine.board.state_for(row, user),
            "role": "TAKER" if row.user == user else "MAKER",
            "createTime": ms(row.created),
            "expiryTime": ms(row.expires),
            "updateTime": ms(row.updated),
            "legs": [{"instrumentName": leg.symbol, "side": leg.side.name, "quantity": plain(leg.qty)} for leg in row.legs],
        }

    def quote(self, row: BlockQuoteRow) -> JsonObject:
        """Return a quote as taker and maker find it listed (8.5, 8.11)."""
        return {
            "quoteId": self.identity(row.quote_id),
            "requestId": self.identity(row.request_id),
            "userId": self.identity(row.user),
            "state": row.state,
            "createTime": ms(row.created),
            "updateTime": ms(row.updated),
            "expiryTime": ms(row.expires),
            "legs": [
                {"instrumentName": leg.symbol, "side": leg.side.name, "price": plain(short(leg.price)), "quantity": plain(leg.qty)}
                for leg in row.legs
            ],
        }

    def quoted(self, row: BlockQuoteRow) -> JsonObject:
        """Return a quote as its creation answers (8.8): ids are whole numbers, there is no state."""
        pieces = self._pieces(row.legs)
        base = unit(pieces)
        return {
            "quoteId": self.identity(row.quote_id, whole=True),
            "requestId": self.identity(row.request_id, whole=True),
            "description": description(pieces),
            "strategyName": name(pieces),
            "strategyQuantity": plain(base.quantize(_WHOLE)),
            "strategyPrice": plain(net_price(pieces, [leg.asked for leg in row.legs], row.side).quantize(_WHOLE)),
            "quoteSide": row.side.name,
            "legs": [
                {
                    "instrumentName": leg.symbol,
                    "side": leg.side.name,
                    "price": plain(short(leg.price)),
                    "quantity": plain(leg.qty),
                    "ratio": plain((leg.qty / base).quantize(_RATIO)),
                }
                for leg in row.legs
            ],
            "createTime": ms(row.created),
            "expiryTime": ms(row.expires),
            "updateTime": ms(row.updated),
        }

    def accepted(self, block: BlockRow) -> JsonObject:
        """Return a block as its acceptance answers (8.6)."""
        return {
            "userId": None,
            "blockTradeId": self.identity(block.block_id),
            "requestId": self.identity(block.request_id),
            "quoteId": self.identity(block.quote_id),
            "role": "TAKER",
            "legs": [self._private(block, leg, taker=True) for leg in block.legs],
        }

    def detail(self, block: BlockRow, user: int) -> JsonObject:
        """Return a block as one of its two parties finds it (8.13), told from its own view."""
        taker = user == block.taker
        return {
            **self._structure(block, block.side if taker else block.side.opposite),
            "legs": [{**self._private(block, leg, taker=taker), "reduceOnly": None} for leg in block.legs],
            "userId": self.identity(user),
            "blockTradeId": self.identity(block.block_id),
            "quoteId": self.identity(block.quote_id),
            "role": "TAKER" if taker else "MAKER",
        }

    def public(self, block: BlockRow) -> JsonObject:
        """Return a block as everybody finds it (8.14), told from the taker's view."""
        return {
            **self._structure(block, block.side),
            "legs": [self._leg(block, leg, leg.side, "instrumentName", "quantity") for leg in reversed(block.legs)],
        }

    def flat_legs(self, block: BlockRow, user: int) -> list[JsonObject]:
        """Return the legs of a block as one of its parties finds them listed (8.12)."""
        taker = user == block.taker
        return [
            {
                "blocktradeId": self.identity(block.block_id),
                "requestId": self.identity(block.request_id),
                **self._private(block, leg, taker=taker, named="symbol", counted="qty"),
                "displayName": f"{leg.underlying}{leg.symbol.removeprefix(f'{leg.underlying}USD')}",
                "role": "TAKER" if taker else "MAKER",
            }
            for leg in block.legs
        ]

    def _structure(self, block: BlockRow, direction: Side) -> JsonObject:
        pieces = self._pieces(block.legs)
        return {
            "requestId": self.identity(block.request_id),
            "tradeSide": direction.name,
            "strategyPrice": plain(net_price(pieces, block.asked, block.side).quantize(_WHOLE)),
            "strategyQuantity": plain(unit(pieces).quantize(_WHOLE)),
            "description": description(pieces),
            "strategyName": name(pieces),
            "createTime": ms(block.at),
        }

    def _pieces(self, legs: Sequence[PricedLeg | BlockLeg]) -> list[Piece]:
        books = self._engine.liquidity.books
        return [Piece(books[leg.symbol].option, leg.side, leg.qty) for leg in legs]

    def _private(
        self, block: BlockRow, leg: BlockLeg, *, taker: bool, named: str = "instrumentName", counted: str = "quantity"
    ) -> JsonObject:
        return {
            **self._leg(block, leg, leg.side if taker else leg.side.opposite, named, counted),
            "orderId": str(leg.taker_order if taker else leg.maker_order),
            "fee": plain(leg.taker_fee if taker else leg.maker_fee),
            "profit": plain(leg.taker_profit if taker else leg.maker_profit),
        }

    def _leg(self, block: BlockRow, leg: BlockLeg, side: Side, named: str, counted: str) -> JsonObject:
        return {
            named: leg.symbol,
            "baseToken": leg.underlying,
            "quoteToken": COIN,
            "side": side.name,
            "price": plain(short(leg.price)),
            counted: plain(short(leg.qty)),
            "iv": str(leg.iv),
            "markPrice": plain(leg.mark),
            "indexPrice": plain(leg.index),
            "tradeId": str(leg.trade_id),
            "createTime": ms(block.at),
        }
