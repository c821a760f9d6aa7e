"""Countdown cancel: an account's open orders of an index end by themselves unless the account says in time that it lives.

Its one rule: an elapsed countdown bars every further order of its index until it is set anew; a reset does not wake it. Market time.
Source: Coincall API 9.1 (that orders are cancelled is inferred there; what a reset of an elapsed one does is not documented).
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from enum import IntEnum

import msgspec


class Product(IntEnum):
    """What a countdown guards, with the numbers of the wire; only options trade here."""

    OPTIONS = 1
    FUTURES = 2
    SPOT = 3


class CountdownRow(msgspec.Struct, frozen=True, kw_only=True):
    """A countdown as it is kept; a span of zero says that there is none any more. Key: user, product, symbol."""

    user: int
    product: Product
    symbol: str
    span: timedelta
    ends: datetime
    elapsed: bool = False


Key = tuple[int, Product, str]


class Countdowns:
    """Every account's countdowns; `settings` is empty while nobody has one."""

    def __init__(self, cancel: Callable[[int, str, datetime], None], changed: Callable[[CountdownRow], None]) -> None:
        """Take how the option orders of a user and an index are cancelled at a moment, and who keeps what changed."""
        self._cancel, self._changed = cancel, changed
        self.settings: dict[Key, CountdownRow] = {}

    def post(self, user: int, product: Product, symbol: str, span: timedelta, now: datetime) -> None:
        """Begin a countdown anew, whatever became of the one before; a span of zero ends it and lets orders in again."""
        row = CountdownRow(user=user, product=product, symbol=symbol, span=span, ends=now + span)
        if span > timedelta(0):
            self.settings[_key(row)] = row
        elif self.settings.pop(_key(row), None) is None:
            return
        self._changed(row)

    def reset(self, user: int, product: Product, symbols: Iterable[str], now: datetime) -> list[str]:
        """Begin those that still run from the start; return their symbols. One that has elapsed is left out."""
        mine = {row.symbol: row for row in self.running(user, product)}
        chosen = [mine[symbol] for symbol in dict.fromkeys(symbols) if symbol in mine]
        for row in chosen:
            self.post(user, product, row.symbol, row.span, now)
        return [row.symbol for row in chosen]

    def running(self, user: int, product: Product) -> Sequence[CountdownRow]:
        """Return an account's countdowns that have not elapsed."""
        return [row for row in self.settings.values() if row.user == user and row.product is product and not row.elapsed]

    def bars(self, user: int, index: str) -> bool:
        """Tell whether option orders of an index are refused because a countdown has elapsed."""
        row = self.settings.get((user, Product.OPTIONS, index))
        return row is not None and row.elapsed

    def elapse(self, now: datetime) -> None:
        """End every countdown that is over by now, each at its own moment, oldest first."""
        due = [row for row in self.settings.values() if not row.elapsed and row.ends <= now]
        for row in sorted(due, key=lambda row: row.ends):
            self.settings[_key(row)] = over = msgspec.structs.replace(row, elapsed=True)
            self._changed(over)
            if row.product is Product.OPTIONS:
                self._cancel(row.user, row.symbol, row.ends)

    def load(self, rows: Iterable[CountdownRow]) -> None:
        """Take rows back as they were kept."""
        self.settings = {_key(row): row for row in rows if row.span > timedelta(0)}


def _key(row: CountdownRow) -> Key:
    return row.user, row.product, row.symbol
