"""What has happened since somebody last asked: raw notes in the hot path, rows only when they are drained.

Notes hold references and the few numbers that will change; turning them into rows costs nothing until it is wanted. A reader who
never drains switches the record off.
"""

from datetime import datetime

from paper.block_rows import BlockQuoteRow, BlockRow, RequestRow
from paper.book import Book, Order, Trade
from paper.countdown import CountdownRow
from paper.ledger import Account, Holding, plain, usd
from paper.mmp import ProtectionRow
from paper.rows import (
    AccountRow,
    BalanceChanged,
    BlockQuoteChanged,
    BlockTraded,
    BookRow,
    Event,
    ExerciseRow,
    HoldingRow,
    MatchRow,
    OrderChanged,
    OrderRow,
    PositionChanged,
    Printed,
    QuoteRow,
    RequestChanged,
    TapeRow,
    TradeRow,
)
from paper.rules import OrderState

_OrderNote = tuple[Order, OrderState, int, int, int, int, int, int, datetime, Trade | None]
_HoldingNote = tuple[Holding, bool, bool]
_BoardNote = RequestChanged | BlockQuoteChanged | BlockTraded


class Record:
    """Notes of events and of touched rows."""

    __slots__ = (
        "accounts",
        "blocks",
        "books",
        "countdowns",
        "exercises",
        "holdings",
        "notes",
        "on",
        "orders",
        "protections",
        "quotes",
        "requests",
        "trades",
    )

    def __init__(self) -> None:
        self.on = True
        self.notes: list[_OrderNote | _HoldingNote | Trade | _BoardNote] = []
        self.orders: dict[int, Order] = {}
        self.trades: list[Trade] = []
        self.accounts: dict[int, Account] = {}
        self.holdings: dict[int, Holding] = {}
        self.books: dict[str, Book] = {}
        self.exercises: list[ExerciseRow] = []
        self.requests: dict[int, RequestRow] = {}
        self.quotes: dict[int, BlockQuoteRow] = {}
        self.blocks: list[BlockRow] = []
        self.countdowns: dict[str, CountdownRow] = {}
        self.protections: dict[str, ProtectionRow] = {}

    def order(self, order: Order, trade: Trade | None = None) -> None:
        """Note an order as it stands."""
        if self.on:
            self.orders[order.id] = order
            self.notes.append(
                (order, order.state, order.price, order.lots, order.left, order.spent, order.fee, order.realised, order.updated, trade)
            )

    def turned(self, holding: Holding, before: int) -> None:
        """Note that a holding was before lots and its account's cash changed."""
        if self.on:
            self.holdings[holding.id] = holding
            self.accounts[holding.account.user] = holding.account
            self.notes.append((holding, before == 0, holding.lots == 0))

    def book(self, book: Book) -> None:
        """Note that what is kept of a book changed."""
        if self.on:
            self.books[book.symbol] = book

    def countdown(self, row: CountdownRow) -> None:
        """Note that a countdown changed."""
        if self.on:
            self.countdowns[f"{row.user}/{row.product}/{row.symbol}"] = row

    def protection(self, row: ProtectionRow) -> None:
        """Note that a market maker's protection changed."""
        if self.on:
            self.protections[f"{row.user}/{row.index}"] = row

    def by_house(self, holding: Holding) -> None:
        """Note that the house's holding, cash and quotes changed."""
        if self.on:
            self.holdings[holding.id] = holding
            self.accounts[holding.account.user] = holding.account
            self.books[holding.book.symbol] = holding.book

    def board(self, note: _BoardNote) -> None:
        """Note that something on the block board changed."""
        if not self.on:
            return
        self.notes.append(note)
        match note:
            case RequestChanged():
                self.requests[note.request.request_id] = note.request
            case BlockQuoteChanged():
                self.quotes[note.quote.quote_id] = note.quote
            case BlockTraded():
                self.blocks.append(note.block)

    def written(self) -> None:
        """Forget which rows were touched."""
        self.requests, self.quotes, self.blocks = {}, {}, []
        self.orders, self.accounts, self.holdings, self.books = {}, {}, {}, {}
        self.trades, self.exercises = [], []
        self.countdowns, self.protections = {}, {}

    def forget(self) -> None:
        """Forget everything noted."""
        self.written()
        self.notes = []

    def drain_events(self) -> list[Event]:
        """Return what happened since the last call, oldest first, balances at the end."""
        notes, self.notes = self.notes, []
        events: list[Event] = []
        balances: dict[int, None] = {}
        for note in notes:
            if isinstance(note, Trade):
                events.append(Printed(tape=tape_row(note)))
            elif not isinstance(note, tuple):
                events.append(note)
            elif len(note) == 3:
                holding, opened, closed = note
                balances[holding.account.user] = None
                events.append(PositionChanged(user=holding.account.user, symbol=holding.book.symbol, opened=opened, closed=closed))
            else:
                events.append(_order_changed(note))
        events += (BalanceChanged(user=user) for user in balances)
        return events


def _order_changed(note: _OrderNote) -> OrderChanged:
    order, trade = note[0], note[-1]
    fill = None if trade is None else trade_row(trade, is_taker=trade.taker is order)
    return OrderChanged(user=order.account.user, order=_row(note), trade=fill)


def order_row(order: Order) -> OrderRow:
    """Return an order as it stands."""
    return _row((order, order.state, order.price, order.lots, order.left, order.spent, order.fee, order.realised, order.updated, None))


def _row(note: _OrderNote) -> OrderRow:
    order, state, price, lots, left, spent, fee, realised, updated, _ = note
    book, asked, filled = order.book, order.asked, lots - left
    return OrderRow(
        order_id=order.id,
        client_id=asked.client_id,
        user=order.account.user,
        symbol=book.symbol,
        underlying=book.underlying,
        side=asked.side,
        qty=lots * book.lot,
        filled=filled * book.lot,
        price=None if asked.price is None else price * book.tick,
        avg_price=None if filled == 0 else plain(usd(spent) / (filled * book.lot)),
        order_type=asked.order_type,
        time_in_force=asked.time_in_force,
        state=state,
        reduce_only=asked.reduce_only,
        mmp=asked.mmp,
        stp=asked.stp,
        fee=usd(fee),
        realised=usd(realised),
        premium=usd(spent),
        created=order.created,
        updated=updated,
        margin=usd(order_margin(order, price, 0 if state.final else left)),
        index=order.index,
        liquidation=order.liquidation,
        limit=price * book.tick,
        slippage=asked.slippage,
        priority=order.priority,
        frozen_fee=order.fee_lot,
        cancel_at=order.cancel_at,
        cancel_due=order.cancel_due,
    )


def order_margin(order: Order, price: int, lots: int) -> int:
    """Return the initial margin of lots of an order taken by itself, picodollars; zero for a reducing order."""
    if order.asked.reduce_only:
        return 0
    return lots * (price * order.book.unit + (order.book.addon if order.side < 0 else 0))


def trade_row(trade: Trade, *, is_taker: bool) -> TradeRow:
    """Return a match as its taker or its maker sees it."""
    order, book = trade.taker if is_taker else trade.maker, trade.book
    return TradeRow(
        trade_id=trade.id,
        order_id=order.id,
        client_id=order.asked.client_id,
        user=order.account.user,
        symbol=book.symbol,
        underlying=book.underlying,
        side=order.asked.side,
        order_type=order.asked.order_type,
        price=trade.price * book.tick,
        qty=trade.lots * book.lot,
        fee=usd(trade.taker_fee if is_taker else trade.maker_fee),
        is_taker=is_taker,
        reduce_only=order.asked.reduce_only,
        mmp=order.asked.mmp,
        liquidation=order.liquidation,
        mark=trade.mark,
        index=trade.index,
        iv=trade.iv,
        at=trade.at,
    )


def match_row(trade: Trade) -> MatchRow:
    """Return a match with both its sides."""
    taker, maker, book = trade.taker, trade.maker, trade.book
    return MatchRow(
        trade_id=trade.id,
        symbol=book.symbol,
        at=trade.at,
        price=trade.price * book.tick,
        qty=trade.lots * book.lot,
        taker_side=taker.asked.side,
        taker_user=taker.account.user,
        taker_order=None if taker.account is book.house else taker.id,
        taker_fee=usd(trade.taker_fee),
        maker_user=maker.account.user,
        maker_order=None if maker.account is book.house else maker.id,
        maker_fee=usd(trade.maker_fee),
        mark=trade.mark,
        index=trade.index,
        iv=trade.iv,
    )


def account_row(account: Account) -> AccountRow:
    """Return an account's cash."""
    return AccountRow(user=account.user, name=account.name, cash=usd(account.cash))


def holding_row(holding: Holding) -> HoldingRow:
    """Return a holding as the ledger keeps it."""
    return HoldingRow(
        position_id=holding.id,
        user=holding.account.user,
        symbol=holding.book.symbol,
        lots=holding.lots,
        cost=usd(holding.cost),
        realised=usd(holding.realised),
        order_id=holding.order_id,
        updated=holding.updated,
    )


def book_row(book: Book) -> BookRow:
    """Return an option and what is left of the market's quotes."""
    quotes = [
        QuoteRow(side=quote.side, price=quote.price, lots=quote.left, priority=quote.priority)
        for quote in book.entries()
        if quote.account is book.house
    ]
    last = None if book.last_price is None else book.last_price * book.tick
    return BookRow(
        symbol=book.symbol,
        option=book.option,
        view_at=book.view_at,
        looked=book.looked,
        expired=book.expired,
        last_price=last,
        quotes=sorted(quotes, key=lambda quote: quote.priority),
    )


def tape_row(trade: Trade) -> TapeRow:
    """Return a match as the public sees it."""
    book = trade.book
    return TapeRow(
        trade_id=trade.id,
        symbol=book.symbol,
        price=trade.price * book.tick,
        qty=trade.lots * book.lot,
        side=trade.taker.asked.side,
        at=trade.at,
    )
