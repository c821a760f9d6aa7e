"""What the execution desk sees of the market: books without our own orders, quotes from those books, and the mids a while after."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from domain import ZERO, AccountSnapshot, Level, Option, OrderBook, Quote, Side
from events import MarketAfter
from execution_log import Run
from order_ledger import OrderRecord


def without_ours(book: OrderBook, live: Iterable[OrderRecord]) -> OrderBook:
    """Return a book without our own orders that rest in it: else each requote would chase our last one."""
    mine = list(live)
    if not mine:
        return book
    return replace(book, bids=_less(book.bids, mine, Side.BUY), asks=_less(book.asks, mine, Side.SELL))


def _less(levels: Sequence[Level], mine: Sequence[OrderRecord], side: Side) -> tuple[Level, ...]:
    ours: dict[Decimal, Decimal] = {}
    for order in mine:
        if order.new.side is side:
            ours[order.new.price] = ours.get(order.new.price, ZERO) + order.new.qty - order.reported
    rest = (Level(level.price, level.size - ours.get(level.price, ZERO)) for level in levels)
    return tuple(level for level in rest if level.size > 0)


def merged(option: Option, quote: Quote | None, book: OrderBook) -> Quote:
    """Return a leg's quote with the best prices of its own book; mark, Greeks and index stay those of the chain."""
    bid, ask = (side[0] if side else None for side in (book.bids, book.asks))
    return replace(
        quote or Quote(option=option, at=book.at),
        at=book.at,
        bid=None if bid is None else bid.price,
        bid_size=None if bid is None else bid.size,
        ask=None if ask is None else ask.price,
        ask_size=None if ask is None else ask.size,
    )


class AfterWatch:
    """Executions that ended, waiting for the moment at which the market's move after them is noted."""

    def __init__(self, after: timedelta) -> None:
        self._after = after
        self._waiting: list[tuple[datetime, Run, tuple[Option, ...]]] = []

    def expect(self, run: Run, options: Sequence[Option]) -> None:
        """Note the market a while after an execution that has ended, if it traded anything."""
        if run.fills and run.ended is not None:
            self._waiting.append((run.ended.at + self._after, run, tuple(options)))

    @property
    def options(self) -> tuple[Option, ...]:
        """Return the options whose quotes are waited for."""
        return tuple({option.symbol: option for _, _, options in self._waiting for option in options}.values())

    def look(self, account: AccountSnapshot) -> None:
        """Journal the mids of every execution whose time has come. Raises JournalError; those not written wait for the next look."""
        for item in [item for item in self._waiting if account.now >= item[0]]:
            due, run, _ = item
            quotes = (account.quotes.get(leg.symbol) for leg in run.started.legs)
            mids = tuple(None if quote is None else quote.mid for quote in quotes)
            run.write(MarketAfter, seconds=(account.now - due + self._after).total_seconds(), mids=mids)
            self._waiting.remove(item)
