"""Brings orders together: the only place where cash and lots change hands in a trade, and where an order ends.

Each match moves the premium from buyer to seller and the fees to the fees account, in the same integers on both sides. The taker
gets the maker's price. Two orders of one account never match each other.
"""

from collections.abc import Callable
from datetime import datetime

from paper.book import Book, Order, Trade, house_order
from paper.fees import rounded_fee, trade_fee
from paper.ledger import Account, Holding
from paper.margin import remargin, reserve
from paper.record import Record
from paper.rules import OrderState, Stp

_FILLED, _PARTIAL, _CANCELED = OrderState.FILLED, OrderState.PARTIALLY_FILLED, OrderState.CANCELED
_NEW = OrderState.NEW


class Matching:
    """Matches takers against books, books the result, and numbers everything; next_id is the next free number.

    `protect` is told of each fill of an order that is marked for its account's protection, and may cancel orders, the taker too.
    """

    __slots__ = ("fees", "house", "next_id", "printed", "protect", "record")

    def __init__(self, house: Account, fees: Account, record: Record, next_id: int) -> None:
        self.house, self.fees, self.record, self.next_id = house, fees, record, next_id
        self.protect: Callable[[Order, int, datetime], None] = _unprotected
        self.printed: list[tuple[int, int, int]] = []  # side, price and lots of market quotes that others took

    def number(self) -> int:
        """Return a number that was never given before, larger than all given before."""
        number = self.next_id
        self.next_id = number + 1
        return number

    def take(self, taker: Order, now: datetime) -> None:
        """Match a taker, level by level and in time order, until it is filled, cancelled or meets nothing more within its price."""
        book, side = taker.book, taker.side
        levels, bound, account = book.levels[-side], side * taker.price, taker.account
        while taker.left and taker.state is not _CANCELED:
            key = book.best_key(-side)
            if key is None or key > bound:
                return
            maker = next(iter(levels[key].values()))
            if maker.account is not account:
                self._match(taker, maker, side * key, now)
            elif account is self.house:
                self._print(taker, maker, side * key, now)
            elif not self._spare(taker, maker, now):
                return

    def rest(self, order: Order) -> None:
        """Leave what is left of a user's order in the book."""
        book = order.book
        if not book.resting:
            self.record.book(book)
        book.rest(order)

    def fill(self, order: Order, now: datetime) -> None:
        """Fill what is left of a resting order at its own price, whatever stands before it in the queue."""
        taker = house_order(self.number(), order.book, -order.side, order.price, order.left, now)
        self._match(taker, order, order.price, now)

    def complete(self, order: Order, now: datetime) -> None:
        """End an order as filled with the quantity it has."""
        order.book.remove(order)
        order.holding.work(order, -order.left)
        reserve(order.holding)
        order.lots -= order.left
        order.left, order.state, order.updated = 0, _FILLED, now
        self._close(order)
        self.record.order(order)

    def finish(self, order: Order, state: OrderState, now: datetime) -> None:
        """End an order that is not filled: it leaves the book and what it reserved is free again."""
        order.book.remove(order)
        holding = order.holding
        holding.work(order, -order.left)
        reserve(holding)
        order.state, order.updated = state, now
        self._close(order)
        self.record.order(order)

    def open(self, order: Order) -> None:
        """Count a new order among its account's open ones."""
        account, underlying = order.account, order.book.underlying
        account.orders[order.id] = account.open[order.id] = order
        if order.asked.client_id is not None:
            account.by_client[order.asked.client_id] = order
        account.working[underlying] = account.working.get(underlying, 0) + 1
        self.record.order(order)

    def cross(self, taker: Order, maker: Order, fees: tuple[int, int], now: datetime) -> Trade:
        """Trade two new orders of a block with each other at the taker's price, past book and tape; fees in picodollars, taker's first."""
        lots, per_lot = taker.left, taker.price * taker.book.unit
        trade = Trade(self.number(), taker, maker, taker.price, lots, now)
        trade.taker_fee, trade.maker_fee = fees
        if self.record.on:
            self.record.trades.append(trade)
        self.fees.cash += sum(fees)
        for order, fee in ((maker, fees[1]), (taker, fees[0])):
            account, underlying = order.account, order.book.underlying
            account.orders[order.id] = account.open[order.id] = order
            account.working[underlying] = account.working.get(underlying, 0) + 1
            order.holding.work(order, lots)
            order.left = 0
            self._book(order, lots, per_lot, fee, trade)
        return trade

    def _close(self, order: Order) -> None:
        account = order.account
        del account.open[order.id]
        account.working[order.book.underlying] -= 1

    def _match(self, taker: Order, maker: Order, price: int, now: datetime) -> None:
        book = taker.book
        lots = taker.left if taker.left < maker.left else maker.left
        per_lot = price * book.unit
        cap = lots * per_lot * book.cap
        taker_fee = maker_fee = 0
        if taker.account is not self.house:
            taker_fee = rounded_fee(lots * book.liquidation_rate) if taker.liquidation else trade_fee(lots * book.taker_rate, cap)
        if maker.account is not self.house:
            maker_fee = trade_fee(lots * book.maker_rate, cap)
        number = self.next_id
        self.next_id = number + 1
        trade = Trade(number, taker, maker, price, lots, now)
        trade.taker_fee, trade.maker_fee = taker_fee, maker_fee
        if self.record.on:
            self.record.trades.append(trade)
        self._tape(trade, book)
        self.fees.cash += taker_fee + maker_fee
        maker.left -= lots
        if not maker.left:
            book.remove(maker)
        taker.left -= lots
        self._book(maker, lots, per_lot, maker_fee, trade)
        self._book(taker, lots, per_lot, taker_fee, trade)

    def _book(self, order: Order, lots: int, per_lot: int, fee: int, trade: Trade) -> None:
        account, holding = order.account, order.holding
        signed, before = lots * order.side, holding.lots
        account.cash -= signed * per_lot + fee
        realised = holding.turn(signed, per_lot)
        holding.order_id, holding.updated = order.id, trade.at
        if account is self.house:
            self.record.by_house(holding)
            return
        holding.work(order, -lots)
        remargin(holding)
        order.spent, order.fee, order.realised = order.spent + lots * per_lot, order.fee + fee, order.realised + realised
        order.updated = trade.at
        account.trades.append(trade)
        if not order.left:
            order.state = _FILLED
            self._close(order)
        elif order.state is _NEW:
            order.state = _PARTIAL
        self.record.order(order, trade)
        self.record.turned(holding, before)
        if holding.reduce_buy or holding.reduce_sell:
            self.trim(holding, trade.at)
        if order.asked.mmp:
            self.protect(order, lots, trade.at)

    def _tape(self, trade: Trade, book: Book) -> None:
        book.last_price = trade.price
        book.tape.append(trade)
        if self.record.on:
            self.record.notes.append(trade)

    def _print(self, taker: Order, maker: Order, price: int, now: datetime) -> None:
        lots = min(taker.left, maker.left)
        taker.left -= lots
        maker.left -= lots
        self.printed.append((maker.side, price, lots))
        self._tape(Trade(self.number(), taker, maker, price, lots, now), taker.book)
        if not maker.left:
            taker.book.remove(maker)

    def _spare(self, taker: Order, maker: Order, now: datetime) -> bool:
        """Cancel one or both of two orders of one account that meet; tell whether the taker goes on. Source: Coincall API 12.6."""
        stp = taker.asked.stp
        if stp is not Stp.TAKER:
            self.finish(maker, _CANCELED, now)
        if stp is not Stp.MAKER:
            self.finish(taker, _CANCELED, now)
        return stp is Stp.MAKER

    def trim(self, holding: Holding, now: datetime) -> None:
        """Cancel reduce-only orders, newest first, that could close more than is held."""
        for order in reversed(list(holding.account.open.values())):
            lots = holding.lots
            if holding.reduce_sell <= max(lots, 0) and holding.reduce_buy <= max(-lots, 0):
                return
            if order.holding is holding and order.asked.reduce_only:
                excess = holding.reduce_buy > max(-lots, 0) if order.side > 0 else holding.reduce_sell > max(lots, 0)
                if excess:
                    self.finish(order, _CANCELED, now)


def _unprotected(_: Order, __: int, ___: datetime) -> None:
    """Nobody protects market makers."""
