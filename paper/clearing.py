"""How a block is traded: the margin of all legs together first, then every leg between the two accounts, past the books.

Nothing is touched before both accounts are known to carry all of it. Fees are those of block trades. Source: Coincall API 14.2 to 14.5.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from domain import OrderType, Side
from paper.block_rows import BlockLeg, BlockQuoteRow, BlockRow
from paper.book import Book, Order
from paper.desk import Desk
from paper.fees import ppm, trade_fee
from paper.ledger import Account, Holding, pico, usd
from paper.margin import reserve
from paper.rules import BlockRules, OrderRequest, refusal


class Cross(NamedTuple):
    """One leg about to change hands: the taker's direction, lots, ticks, and 1 where fees are due, 0 where the leg is free."""

    book: Book
    side: Side
    lots: int
    ticks: int
    charged: int

    def fee(self, rate: int) -> int:
        """Return the fee, picodollars, at a rate in millionths."""
        by_index = self.lots * pico(self.book.index_price * self.book.lot) * rate
        return self.charged * trade_fee(by_index, self.lots * self.ticks * self.book.unit_cap)


class Clearing:
    """Checks and trades blocks."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        rules: BlockRules = desk.rules.block
        self._taker_rate, self._maker_rate = ppm(rules.taker_fee), ppm(rules.maker_fee)

    def check_taker(self, account: Account, crosses: Sequence[Cross]) -> None:
        """Raise Refused 10529 or 40037 if the taker cannot carry all legs together, fees included."""
        _check(account, crosses, lambda cross: (cross.side.sign, cross.fee(self._taker_rate)))

    def check_maker(self, account: Account, crosses: Sequence[Cross]) -> None:
        """Raise Refused 10529 or 40037 if the maker cannot carry all legs together, fees included."""
        _check(account, crosses, lambda cross: (-cross.side.sign, cross.fee(self._maker_rate)))

    def trade(self, taker: Account, maker: Account, quote: BlockQuoteRow, crosses: Sequence[Cross], now: datetime) -> BlockRow:
        """Trade every leg at the quoted prices and return the block; its number is the quote's, as on the venue."""
        return BlockRow(
            block_id=quote.quote_id,
            request_id=quote.request_id,
            quote_id=quote.quote_id,
            taker=taker.user,
            maker=maker.user,
            side=quote.side.opposite,
            legs=[self._leg(taker, maker, cross, now) for cross in crosses],
            asked=[leg.asked for leg in quote.legs],
            at=now,
        )

    def _leg(self, taker: Account, maker: Account, cross: Cross, now: datetime) -> BlockLeg:
        book, fees = cross.book, (cross.fee(self._taker_rate), cross.fee(self._maker_rate))
        self._desk.liquidity.active[book.symbol] = book
        bought, sold = self._order(taker, cross, cross.side, now), self._order(maker, cross, cross.side.opposite, now)
        trade = self._desk.matching.cross(bought, sold, fees, now)
        return BlockLeg(
            symbol=book.symbol,
            underlying=book.underlying,
            side=cross.side,
            qty=cross.lots * book.lot,
            price=cross.ticks * book.tick,
            mark=trade.mark,
            index=trade.index,
            iv=trade.iv,
            trade_id=trade.id,
            taker_order=bought.id,
            maker_order=sold.id,
            taker_fee=usd(fees[0]),
            maker_fee=usd(fees[1]),
            taker_profit=usd(bought.realised),
            maker_profit=usd(sold.realised),
        )

    def _order(self, account: Account, cross: Cross, side: Side, now: datetime) -> Order:
        book = cross.book
        asked = OrderRequest(
            symbol=book.symbol, side=side, qty=cross.lots * book.lot, price=cross.ticks * book.tick, order_type=OrderType.BLOCK_TRADE
        )
        holding = self._desk.holding(account, book, now)
        return Order(self._desk.matching.number(), holding, asked, cross.ticks, cross.lots, now)


def _check(account: Account, crosses: Sequence[Cross], terms: Callable[[Cross], tuple[int, int]]) -> None:
    """Raise Refused if an account could not carry its positions after all crosses; what only reduces is never refused."""
    cash, initial, opens = account.cash, account.initial, False
    for cross in crosses:
        side, fee = terms(cross)
        known = account.holdings.get(cross.book.symbol)
        held, signed = 0 if known is None else known.lots, side * cross.lots
        opens = opens or held * signed >= 0 or abs(signed) > abs(held)
        initial += _initial_with(known, cross.book, held + signed) - (0 if known is None else known.initial)
        cash -= signed * cross.ticks * cross.book.unit + fee
    if opens and cash - initial - account.frozen < 0:
        raise refusal(40037 if account.initial >= account.cash and account.initial > 0 else 10529)


def _initial_with(known: Holding | None, book: Book, lots: int) -> int:
    """Return the initial margin a holding would need with other lots and the same working orders, picodollars."""
    trial = Holding(0, Account(0, "trial"), book, book.expiry)
    if known is not None:
        trial.buy_lots, trial.buy_ticks = known.buy_lots, known.buy_ticks
        trial.sell_lots, trial.sell_ticks = known.sell_lots, known.sell_ticks
    trial.lots = lots
    reserve(trial)
    return trial.initial
