"""The engine as rows and back: what changed since the last drain, everything, and an engine from everything.

The market's own state is not kept, only what users took from it: after a restart the feed is asked again.
"""

from typing import TYPE_CHECKING

import msgspec

from domain import OrderType, TimeInForce
from paper.book import Book, Order, Trade, house_order
from paper.ledger import FEES, HOUSE, Account, Holding, pico
from paper.record import account_row, book_row, holding_row, match_row, order_row
from paper.rows import BookRow, Changes, HoldingRow, Image, MatchRow, MetaRow, OrderRow
from paper.rules import OrderRequest

if TYPE_CHECKING:
    from paper.engine import Engine


def changes(engine: "Engine") -> Changes:
    """Return every row touched since the last call."""
    record = engine.record
    if record.trades or record.exercises:
        record.accounts[FEES] = engine.accounts[FEES]
    rows = Changes(
        meta=_meta(engine),
        accounts=[account_row(account) for account in record.accounts.values()],
        orders=[order_row(order) for order in record.orders.values()],
        trades=[match_row(trade) for trade in record.trades],
        positions=[holding_row(holding) for holding in record.holdings.values()],
        exercises=record.exercises,
        books=[book_row(book) for book in record.books.values()],
        requests=list(record.requests.values()),
        quotes=list(record.quotes.values()),
        blocks=record.blocks,
        countdowns=list(record.countdowns.values()),
        protections=list(record.protections.values()),
    )
    record.written()
    return rows


def whole(engine: "Engine") -> Image:
    """Return every row there is."""
    accounts, books = engine.accounts.values(), engine.liquidity.books.values()
    trades = {trade.id: trade for account in accounts for trade in account.trades}
    holdings = [holding for account in accounts for holding in account.holdings.values()]
    return Image(
        meta=_meta(engine),
        accounts=[account_row(account) for account in accounts],
        orders=[order_row(order) for account in accounts for order in account.orders.values()],
        trades=[match_row(trades[number]) for number in sorted(trades)],
        positions=[holding_row(holding) for holding in (*holdings, *(book.house_holding for book in books))],
        exercises=list(engine.exercises),
        books=[book_row(book) for book in books],
        requests=list(engine.board.requests.values()),
        quotes=list(engine.board.quotes.values()),
        blocks=list(engine.board.blocks.values()),
        countdowns=list(engine.countdowns.settings.values()),
        protections=list(engine.protections.settings.values()),
    )


def encode(rows: Image) -> bytes:
    """Return rows as JSON."""
    return msgspec.json.encode(rows)


def decode(snapshot: bytes) -> Image:
    """Return rows from JSON; raise msgspec.MsgspecError if it is none."""
    return msgspec.json.decode(snapshot, type=Image)


def load(engine: "Engine", rows: Image) -> None:
    """Fill a new engine with rows; their order within each list does not matter."""
    for account in rows.accounts:
        engine.accounts.setdefault(account.user, Account(account.user, account.name)).cash = pico(account.cash)
    for book in rows.books:
        _load_book(engine, book)
    for holding in sorted(rows.positions, key=lambda row: row.position_id):
        _load_holding(engine, holding)
    for order in sorted(rows.orders, key=lambda row: row.order_id):
        _load_order(engine, order)
    for trade in sorted(rows.trades, key=lambda row: row.trade_id):
        _load_trade(engine, trade)
    engine.exercises += sorted(rows.exercises, key=lambda row: row.exercise_id)
    engine.board.load(rows)
    engine.countdowns.load(rows.countdowns)
    engine.protections.load(rows.protections)
    engine.matching.next_id = rows.meta.next_id
    _queue(engine, rows)
    for active in engine.liquidity.active.values():
        engine.liquidity.recall(active, rows.meta.advanced)
    engine.record.forget()


def _meta(engine: "Engine") -> MetaRow:
    return MetaRow(now=engine.now, advanced=engine.advanced, next_id=engine.matching.next_id)


def _load_book(engine: "Engine", row: BookRow) -> None:
    book = Book(0, row.option, engine.accounts[HOUSE], engine.rules)
    book.view_at, book.looked, book.expired = row.view_at, row.looked, row.expired
    book.last_price = None if row.last_price is None else int(row.last_price / book.tick)
    engine.liquidity.books[row.symbol] = book


def _load_holding(engine: "Engine", row: HoldingRow) -> None:
    account, book = engine.accounts[row.user], engine.liquidity.books[row.symbol]
    holding = Holding(row.position_id, account, book, row.updated)
    holding.lots, holding.cost, holding.realised = row.lots, pico(row.cost), pico(row.realised)
    holding.order_id = row.order_id
    if account is book.house:
        book.house_holding = holding
        return
    account.holdings[row.symbol] = book.holders[row.user] = holding
    if row.lots:
        engine.liquidity.active[row.symbol] = book


def _load_order(engine: "Engine", row: OrderRow) -> None:
    account, book = engine.accounts[row.user], engine.liquidity.books[row.symbol]
    lots, filled = int(row.qty / book.lot), int(row.filled / book.lot)
    order = Order(row.order_id, _holding(engine, row), _asked(row), int(row.limit / book.tick), lots, row.created)
    order.left, order.state, order.priority = lots - filled, row.state, row.priority
    order.spent, order.fee, order.realised, order.fee_lot = pico(row.premium), pico(row.fee), pico(row.realised), row.frozen_fee
    order.updated, order.liquidation = row.updated, row.liquidation
    order.cancel_at, order.cancel_due, order.index = row.cancel_at, row.cancel_due, row.index
    account.orders[order.id] = order
    if row.client_id is not None:
        account.by_client[row.client_id] = order
    if not order.final:
        account.open[order.id] = order
        engine.liquidity.active[row.symbol] = book
        account.working[book.underlying] = account.working.get(book.underlying, 0) + 1
        order.holding.work(order, order.left)
        if order.cancel_due is not None:
            engine.slow_cancels[order.id] = order


def _holding(engine: "Engine", row: OrderRow) -> Holding:
    return engine.desk.holding(engine.accounts[row.user], engine.liquidity.books[row.symbol], row.created)


def _asked(row: OrderRow) -> OrderRequest:
    return OrderRequest(
        symbol=row.symbol,
        side=row.side,
        qty=row.qty,
        price=row.price,
        order_type=row.order_type,
        time_in_force=None if row.time_in_force is None else TimeInForce(row.time_in_force),
        client_id=row.client_id,
        stp=row.stp,
        reduce_only=row.reduce_only,
        mmp=row.mmp,
        slippage=row.slippage,
    )


def _load_trade(engine: "Engine", row: MatchRow) -> None:
    book = engine.liquidity.books[row.symbol]
    price, lots, sign = int(row.price / book.tick), int(row.qty / book.lot), row.taker_side.sign
    taker = _side(engine, book, row.taker_user, row.taker_order, sign, row)
    maker = _side(engine, book, row.maker_user, row.maker_order, -sign, row)
    trade = Trade(row.trade_id, taker, maker, price, lots, row.at)
    trade.taker_fee, trade.maker_fee = pico(row.taker_fee), pico(row.maker_fee)
    trade.mark, trade.index, trade.iv = row.mark, row.index, row.iv
    if taker.asked.order_type is not OrderType.BLOCK_TRADE:
        book.tape.append(trade)
    for order in (taker, maker):
        if order.account is not book.house:
            order.account.trades.append(trade)


def _side(engine: "Engine", book: Book, user: int, order_id: int | None, side: int, row: MatchRow) -> Order:
    if order_id is None:
        return house_order(row.trade_id, book, side, int(row.price / book.tick), 0, row.at)
    return engine.accounts[user].orders[order_id]


def _queue(engine: "Engine", rows: Image) -> None:
    """Put working orders and what was left of the market's quotes back in their places, oldest first."""
    waiting: list[Order] = [order for account in engine.accounts.values() for order in account.open.values()]
    for row in rows.books:
        book = engine.liquidity.books[row.symbol]
        for quote in row.quotes:
            order = house_order(quote.priority, book, quote.side, quote.price, quote.lots, engine.now)
            waiting.append(order)
    for order in sorted(waiting, key=lambda order: order.priority):
        order.book.rest(order)
