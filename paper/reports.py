"""The read side of the exchange: rows of accounts, orders, fills, positions, books and the tape.

Each answer is a value of its moment. Reading moves the books it reads to that moment, as any dealing does.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, TypeVar

from domain import ZERO, Greeks, Option, OrderBook, Side
from paper.book import Book, Order, Trade
from paper.ledger import Account, Holding, plain, usd
from paper.market import OptionView
from paper.record import account_row, order_row, tape_row, trade_row
from paper.rows import AccountRow, DeliveryRow, ExerciseRow, OrderRow, Page, PositionRow, Summary, TapeRow, TradeRow
from paper.rules import refusal

if TYPE_CHECKING:
    from paper.engine import Engine

DEPTH = 100
SETTLING = timedelta(minutes=30)
_SIXTH = Decimal("0.000001")
_T = TypeVar("_T", Order, Trade)


class Reports:
    """Questions that change nothing but the moment a book was last looked at. An unknown user is a KeyError."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine

    def refresh(self, user: int, now: datetime) -> Account:
        """Bring every book in which an account has a stake to now and return the account."""
        account = self._engine.accounts[user]
        for holding in account.holdings.values():
            if holding.lots or holding.buy_lots or holding.sell_lots:
                self._engine.liquidity.look(holding.book, now)
        return account

    # ---- accounts

    def accounts(self) -> list[AccountRow]:
        """Return every account, the house's included, with its cash; they sum to zero."""
        return [account_row(account) for account in self._engine.accounts.values()]

    def summary(self, user: int, now: datetime) -> Summary:
        """Return an account's numbers at now."""
        account = self.refresh(user, now)
        cost = sum(holding.cost for holding in account.holdings.values())
        return Summary(
            user=user,
            equity=usd(account.cash + account.value),
            cash=usd(account.cash),
            option_value=usd(account.value),
            unrealized=usd(account.value - cost),
            initial_margin=usd(account.initial),
            maintenance_margin=usd(account.maintenance),
            margin_balance=usd(account.cash),
            available=usd(account.available),
            frozen_fees=usd(account.frozen),
            im_ratio=_ratio(account.initial, account.cash),
            mm_ratio=_ratio(account.maintenance, account.cash),
        )

    def positions(self, user: int, now: datetime) -> list[PositionRow]:
        """Return an account's holdings at now, oldest first; flat ones are left out."""
        account = self.refresh(user, now)
        return [_position(holding) for holding in account.holdings.values() if holding.lots]

    # ---- orders and fills

    def order(self, user: int, *, order_id: int | None = None, client_id: int | None = None) -> OrderRow:
        """Return one order; raise Refused 10575 without an id, 10584 if the account has no such order."""
        return order_row(self._engine.find(self._engine.accounts[user], order_id, client_id))

    def open_orders(self, user: int, *, underlying: str | None = None) -> list[OrderRow]:
        """Return the orders at which something may still happen, newest first."""
        orders = reversed(self._engine.accounts[user].open.values())
        return [order_row(order) for order in orders if underlying is None or order.book.underlying == underlying]

    def order_history(
        self,
        user: int,
        *,
        from_id: int | None = None,
        newer: bool = False,
        limit: int = 20,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Page[OrderRow]:
        """Return orders newest first: those older than from_id or, with newer, the next newer ones; by time of creation."""
        orders = [order for order in self._engine.accounts[user].orders.values() if _within(order.created, since, until)]
        chosen, more_old, more_new = _page(orders, from_id, newer, limit)
        return Page(rows=[order_row(order) for order in chosen], has_next=more_old, has_prev=more_new)

    def trade_history(
        self,
        user: int,
        *,
        from_id: int | None = None,
        newer: bool = False,
        limit: int = 20,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Page[TradeRow]:
        """Return fills newest first; from_id is a trade id."""
        account = self._engine.accounts[user]
        trades = [trade for trade in account.trades if _within(trade.at, since, until)]
        chosen, more_old, more_new = _page(trades, from_id, newer, limit)
        rows = [trade_row(trade, is_taker=trade.taker.account is account) for trade in chosen]
        return Page(rows=rows, has_next=more_old, has_prev=more_new)

    def exercises(
        self, user: int, *, symbol: str | None = None, since: datetime | None = None, until: datetime | None = None
    ) -> list[ExerciseRow]:
        """Return what an account's holdings were settled for, newest first."""
        rows = reversed(self._engine.exercises)
        return [row for row in rows if row.user == user and symbol in {None, row.symbol} and _within(row.at, since, until)]

    # ---- the market

    def listed(self, now: datetime) -> Sequence[Option]:
        """Return every option listed at now."""
        return self._engine.feed.options(now)

    def index(self, underlying: str, now: datetime) -> Decimal:
        """Return the index price of an underlying; raise KeyError for one that the feed does not have."""
        return self._engine.liquidity.index(underlying, now).price

    def book(self, symbol: str, now: datetime, depth: int = DEPTH) -> OrderBook:
        """Return the book of an option, users and market together; raise Refused 10574 for what is not listed."""
        return self._engine.liquidity.book(symbol, now).depth(now, depth)

    def view(self, symbol: str, now: datetime) -> OptionView:
        """Return how an option stands, its ladders being the merged book; raise Refused 10574 for what is not listed."""
        book = self._engine.liquidity.books.get(symbol)
        if book is not None:
            self._engine.liquidity.look(book, now)
        view = self._engine.feed.view(symbol, now)
        if view is None:
            raise refusal(10574)
        return view if book is None else _merged(view, book)

    def chain(self, underlying: str, now: datetime, expiry: datetime | None = None) -> list[OptionView]:
        """Return every quoted option of an underlying, or of one expiry, with the merged ladders."""
        wanted = [o for o in self.listed(now) if o.underlying == underlying and expiry in {None, o.expiry}]
        known = self._engine.feed
        return [self.view(option.symbol, now) for option in wanted if known.view(option.symbol, now) is not None]

    def last_trades(self, symbol: str, now: datetime, limit: int = 100) -> list[TapeRow]:
        """Return the last matches of an option, anyone's, newest first; raise Refused 10574 for what is not listed."""
        book = self._engine.liquidity.book(symbol, now)
        self._engine.liquidity.print_flow(book, now)
        return [tape_row(trade) for trade, _ in zip(reversed(book.tape), range(limit), strict=False)]

    def last_price(self, symbol: str) -> Decimal | None:
        """Return the price of the last match of an option; None if there was none here."""
        book = self._engine.liquidity.books.get(symbol)
        return None if book is None or book.last_price is None else book.last_price * book.tick

    def delivery_prices(self, underlying: str, now: datetime, days: int = 30) -> list[DeliveryRow]:
        """Return the known settlement prices of the last days, newest first; a day has its price at its expiry hour, 08:00 UTC."""
        eight = now.replace(hour=8, minute=0, second=0, microsecond=0)
        moments = (eight - timedelta(days=back) for back in range(days))
        prices = ((moment, self._engine.feed.settlement(underlying, moment)) for moment in moments if moment <= now)
        return [DeliveryRow(date=moment.date(), price=price) for moment, price in prices if price is not None]

    def estimated_expiration(self, underlying: str, expiry: datetime, now: datetime) -> Decimal:
        """Return the price an expiry would settle at: the mean of the index, minute by minute, over what has passed of its last half hour.

        Before that half hour it is the index.
        """
        start = expiry - SETTLING
        if now <= start:
            return self.index(underlying, now)
        minutes = int((min(now, expiry) - start).total_seconds()) // 60
        prices = [self._engine.feed.index(underlying, start + timedelta(minutes=n)).price for n in range(minutes + 1)]
        return sum(prices, ZERO) / len(prices)


def _within(moment: datetime, since: datetime | None, until: datetime | None) -> bool:
    return (since is None or moment >= since) and (until is None or moment <= until)


def _page(rows: list[_T], from_id: int | None, newer: bool, limit: int) -> tuple[list[_T], bool, bool]:
    """Cut a page out of rows sorted by id; tell whether older and newer rows are left."""
    ids = [row.id for row in rows]
    if newer and from_id:
        first = bisect_right(ids, from_id)
        last = min(first + limit, len(rows))
    else:
        last = bisect_left(ids, from_id) if from_id else len(rows)
        first = max(0, last - limit)
    return rows[first:last][::-1], first > 0, last < len(rows)


def _ratio(margin: int, balance: int) -> Decimal:
    """Return margin over balance, cut to 6 decimals; with nothing to divide by it is 0 without margin and 1 with."""
    if balance <= 0:
        return Decimal(1 if margin else 0)
    return (Decimal(margin) / Decimal(balance)).quantize(_SIXTH, ROUND_DOWN)


def _position(holding: Holding) -> PositionRow:
    book, lots = holding.book, holding.lots
    qty, cost = abs(lots) * book.lot, holding.cost
    last = book.mark if book.last_price is None else book.last_price * book.unit
    upnl, upnl_mark = lots * last - cost, holding.value - cost
    return PositionRow(
        position_id=holding.id,
        order_id=holding.order_id,
        user=holding.account.user,
        symbol=book.symbol,
        underlying=book.underlying,
        side=Side.BUY if lots > 0 else Side.SELL,
        qty=qty,
        locked=min(abs(lots), holding.sell_lots if lots > 0 else holding.buy_lots) * book.lot,
        avg_price=plain(usd(abs(cost)) / qty),
        mark=book.mark_price,
        last_price=None if book.last_price is None else book.last_price * book.tick,
        index=book.index_price,
        value=usd(holding.value),
        initial_margin=usd(max(0, -lots) * book.short_im),
        maintenance_margin=usd(holding.maintenance),
        upnl=usd(upnl),
        upnl_mark=usd(upnl_mark),
        roi=_roi(upnl, cost),
        roi_mark=_roi(upnl_mark, cost),
        realised=usd(holding.realised),
        greeks=Greeks() if book.view is None else book.view.greeks.times(float(lots * book.lot)),
        updated=holding.updated,
    )


def _roi(profit: int, cost: int) -> Decimal:
    return ZERO if cost == 0 else (Decimal(profit) / abs(cost)).quantize(_SIXTH, ROUND_DOWN)


def _merged(view: OptionView, book: Book) -> OptionView:
    return OptionView(
        option=view.option,
        at=view.at,
        bids=book.ladder(1, DEPTH),
        asks=book.ladder(-1, DEPTH),
        mark=view.mark,
        mark_iv=view.mark_iv,
        greeks=view.greeks,
        underlying_price=view.underlying_price,
        open_interest=view.open_interest,
    )
