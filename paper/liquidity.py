"""The rest of the market: brings the feed's quotes and orders into the books as time goes on.

A book is looked at when somebody deals in it and on every heartbeat while anybody has an order or a position there. What was
taken from the market's ladder stays taken until the feed shows a newer one. A new quote that crosses a resting user order trades
with it, at the user's price, up to the quote's size. An order of others meets the market as it was quoted at its moment, and
only what rested before it; after a long pause only those of the last hour come.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from domain import Level
from paper.book import Book, Order, house_order
from paper.ledger import Account
from paper.margin import remargin
from paper.market import Feed, Flow, IndexView, OptionView
from paper.matching import Matching
from paper.rules import Rules, refusal

FLOW_REACH = timedelta(hours=1)
TAPE_REACH = timedelta(minutes=1)


class Liquidity:
    """Books by symbol, kept in step with the feed; `active` holds those in which a user has a stake."""

    def __init__(self, feed: Feed, rules: Rules, house: Account, matching: Matching) -> None:
        self.feed, self.rules, self.house, self.matching = feed, rules, house, matching
        self.books: dict[str, Book] = {}
        self.active: dict[str, Book] = {}
        self._indexes: dict[str, tuple[datetime, IndexView]] = {}

    def book(self, symbol: str, now: datetime) -> Book:
        """Return the book of a listed option, as of now; raise Refused 10574 for what is not listed."""
        book = self.books.get(symbol)
        if book is None:
            view = self.feed.view(symbol, now)
            if view is None:
                raise refusal(10574)
            book = self.books[symbol] = Book(self.matching.number(), view.option, self.house, self.rules)
        if now is not book.looked:
            self.look(book, now)
        return book

    def look(self, book: Book, now: datetime) -> None:
        """Bring a book to now: first the orders of others since the last look, then the market's new quotes and mark."""
        if book.looked is not None and now <= book.looked:
            return
        if book.resting and book.looked is not None:
            for flow in self.feed.flow((book.symbol,), max(book.looked, now - FLOW_REACH), min(now, book.expiry)):
                self._show(book, flow.at)
                self._send(book, flow)
        book.looked = now
        self._show(book, now)

    def forget_idle(self) -> None:
        """Leave out of `active` the books in which no user has an order or a position."""
        for symbol, book in list(self.active.items()):
            if not book.resting and all(holding.lots == 0 for holding in book.holders.values()):
                del self.active[symbol]

    def recall(self, book: Book, advanced: datetime) -> None:
        """Value a restored book as of the last time it was looked at, without new quotes or orders of others.

        Its row may be older than that: the heartbeat and each of its orders looked at it too.
        """
        orders = (order for holding in book.holders.values() for order in holding.account.open.values() if order.book is book)
        book.looked = max([advanced, *(order.updated for order in orders), *([] if book.looked is None else [book.looked])])
        moment = min(book.looked, book.expiry - timedelta(milliseconds=1))
        view = self.feed.view(book.symbol, moment)
        if view is not None:
            book.revalue(view, self.feed.index(book.underlying, moment))
            for holding in book.holders.values():
                remargin(holding)

    def print_flow(self, book: Book, now: datetime) -> None:
        """Let the orders of others trade with the market in a book where no user order rests, so that its tape is alive."""
        if not book.resting and now < book.expiry:
            since = now - TAPE_REACH
            for flow in self.feed.flow((book.symbol,), since if book.taped is None else max(since, book.taped), now):
                self._send(book, flow)
        book.taped = now

    def index(self, underlying: str, now: datetime) -> IndexView:
        """Return the index price of an underlying at now, asked of the feed once a moment."""
        known = self._indexes.get(underlying)
        if known is None or known[0] != now:
            known = self._indexes[underlying] = (now, self.feed.index(underlying, now))
        return known[1]

    def _show(self, book: Book, now: datetime) -> None:
        view = None if now >= book.expiry else self.feed.view(book.symbol, now)
        if view is None:
            return
        index = self.index(book.underlying, now)
        if view is book.view and index is book.index_view:
            return
        book.revalue(view, index)
        for holding in book.holders.values():
            remargin(holding)
        if book.view_at is None or view.at > book.view_at:
            book.view_at = view.at
            self._requote(book, view, now)

    def _send(self, book: Book, flow: Flow) -> None:
        side, lots = flow.side.sign, _whole(flow.qty, book.lot)
        if lots > 0:
            price = _whole(flow.limit, book.tick, ROUND_FLOOR if side > 0 else ROUND_CEILING)
            self.matching.printed.clear()
            self.matching.take(house_order(self.matching.number(), book, side, price, lots, flow.at), flow.at)
            self._quote_again(book, flow.at)

    def _quote_again(self, book: Book, now: datetime) -> None:
        """Let the market quote anew, behind what waits at its price, what others took from it: only users use up its quotes."""
        for side, price, lots in self.matching.printed:
            book.rest(house_order(self.matching.number(), book, side, price, lots, now))

    def _requote(self, book: Book, view: OptionView, now: datetime) -> None:
        wanted = {1: _grid(book, 1, view.bids), -1: _grid(book, -1, view.asks)}
        if wanted[1] and wanted[-1]:
            best_ask = min(wanted[-1])
            wanted[1] = {key: lots for key, lots in wanted[1].items() if -key < best_ask}
        added = [(side, key, lots) for side in (1, -1) for key, lots in _withdraw(book, side, wanted[side])]
        for side, key, lots in added:
            quote = house_order(self.matching.number(), book, side, -side * key, lots, now)
            if book.resting:
                self.matching.take(quote, now)
            if quote.left:
                book.rest(quote)


def _withdraw(book: Book, side: int, wanted: dict[int, int]) -> list[tuple[int, int]]:
    """Take back what the market no longer quotes on a side; return what it quotes more than is there, best first."""
    have: dict[int, int] = {}
    for key, level in list(book.levels[side].items()):
        quotes = [order for order in level.values() if order.account is book.house]
        have[key] = _cut(book, quotes, wanted.get(key, 0))
    return [(key, wanted[key] - have.get(key, 0)) for key in sorted(wanted) if wanted[key] > have.get(key, 0)]


def _cut(book: Book, quotes: Sequence[Order], lots: int) -> int:
    """Cut the market's quotes at one price to lots in all, from the back; return what is there then."""
    total = sum(quote.left for quote in quotes)
    for quote in reversed(quotes):
        if total <= lots:
            break
        gone = min(quote.left, total - lots)
        quote.left -= gone
        total -= gone
        if not quote.left:
            book.remove(quote)
    return total


def _grid(book: Book, side: int, levels: Sequence[Level]) -> dict[int, int]:
    """Return a ladder as lots by key, prices moved to the tick away from the market."""
    grid: dict[int, int] = {}
    for level in levels:
        price, lots = _whole(level.price, book.tick, ROUND_FLOOR if side > 0 else ROUND_CEILING), _whole(level.size, book.lot)
        if price > 0 and lots > 0:
            grid[-side * price] = grid.get(-side * price, 0) + lots
    return grid


def _whole(amount: Decimal, step: Decimal, rounding: str = ROUND_FLOOR) -> int:
    return int((amount / step).to_integral_value(rounding))
