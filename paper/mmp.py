"""Market-maker protection: when an account's orders marked for it trade too much too fast, all of them are taken back.

Its one rule: what counts is traded quantity (coins) and net traded delta (coins of the index, signed) of marked orders within a window
of market time; at a limit the account is frozen on that index, for a time or until it says so, and every marked order is cancelled.
Source: Coincall API 9.2. That the quantity is meant and not the notional, that a limit is hit when it is reached, and what follows
are not documented.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from domain import ZERO
from paper.book import Order


class Traded(msgspec.Struct, frozen=True, array_like=True):
    """A fill within the window: when, coins, and delta in coins of the index, signed."""

    at: datetime
    qty: Decimal
    delta: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What an account asks for: window, how long it stays frozen (zero: until reset), and limits, None where it wants none."""

    interval: timedelta
    freeze: timedelta
    qty_limit: Decimal | None = None
    delta_limit: Decimal | None = None


class ProtectionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A protection as it is kept; an interval of zero says that there is none any more. Key: user, index.

    frozen_until is None where it is frozen until reset, or not at all.
    """

    id: int
    user: int
    index: str
    interval: timedelta
    freeze: timedelta
    qty_limit: Decimal | None
    delta_limit: Decimal | None
    created: datetime
    modified: datetime
    frozen: bool = False
    frozen_until: datetime | None = None
    traded: tuple[Traded, ...] = ()


Key = tuple[int, str]


class Protections:
    """Every account's protection by index."""

    def __init__(self, pull: Callable[[int, str, datetime], None], changed: Callable[[ProtectionRow], None]) -> None:
        """Take how the marked orders of a user and an index are cancelled at a moment, and who keeps what changed."""
        self._pull, self._changed = pull, changed
        self.settings: dict[Key, ProtectionRow] = {}

    def configure(self, user: int, index: str, terms: Terms, number: int, now: datetime) -> None:
        """Set or change an account's protection; an interval of zero removes it. What is frozen stays frozen."""
        known = self.told(user, index, now)
        if terms.interval == timedelta(0):
            if self.settings.pop((user, index), None) is not None and known is not None:
                self._changed(msgspec.structs.replace(known, interval=terms.interval, modified=now))
            return
        row = ProtectionRow(
            id=number if known is None else known.id,
            user=user,
            index=index,
            interval=terms.interval,
            freeze=terms.freeze,
            qty_limit=terms.qty_limit,
            delta_limit=terms.delta_limit,
            created=now if known is None else known.created,
            modified=now,
        )
        if known is not None:
            row = msgspec.structs.replace(row, frozen=known.frozen, frozen_until=known.frozen_until, traded=known.traded)
        self._keep(row)

    def told(self, user: int, index: str, now: datetime) -> ProtectionRow | None:
        """Return an account's protection as it stands at now; None if it has none."""
        row = self.settings.get((user, index))
        if row is not None and row.frozen_until is not None and row.frozen_until <= now:
            row = self._keep(_thawed(row))
        return row

    def reset(self, user: int, index: str, now: datetime) -> bool:
        """Thaw an account and begin an empty window; tell whether it has a protection at all."""
        row = self.told(user, index, now)
        if row is not None:
            self._keep(_thawed(row))
        return row is not None

    def bars(self, user: int, index: str, now: datetime) -> bool:
        """Tell whether marked orders are refused: nothing protects them, or the account is frozen."""
        row = self.told(user, index, now)
        return row is None or row.frozen

    def count(self, order: Order, lots: int, at: datetime) -> None:
        """Count a fill of a marked order; at a limit freeze the account and take its marked orders back."""
        user, index = order.account.user, f"{order.book.underlying}USD"
        row = self.told(user, index, at)
        if row is None or row.frozen:  # its orders are on their way out
            return
        qty = lots * order.book.lot
        window = *(one for one in row.traded if one.at > at - row.interval), Traded(at, qty, order.side * float(qty) * _delta(order))
        if not _reached(row, window):
            self._keep(msgspec.structs.replace(row, traded=window))
            return
        until = at + row.freeze if row.freeze > timedelta(0) else None
        self._keep(msgspec.structs.replace(row, frozen=True, frozen_until=until, traded=window))
        self._pull(user, order.book.underlying, at)

    def load(self, rows: Iterable[ProtectionRow]) -> None:
        """Take rows back as they were kept."""
        self.settings = {(row.user, row.index): row for row in rows if row.interval > timedelta(0)}

    def _keep(self, row: ProtectionRow) -> ProtectionRow:
        self.settings[row.user, row.index] = row
        self._changed(row)
        return row


def _thawed(row: ProtectionRow) -> ProtectionRow:
    return msgspec.structs.replace(row, frozen=False, frozen_until=None, traded=())


def _delta(order: Order) -> float:
    """Return the delta of one coin of an order's option, as it was last shown."""
    view = order.book.view
    return 0.0 if view is None else view.greeks.delta


def _reached(row: ProtectionRow, window: Iterable[Traded]) -> bool:
    window = tuple(window)
    if row.qty_limit is not None and sum((one.qty for one in window), ZERO) >= row.qty_limit:
        return True
    return row.delta_limit is not None and abs(sum(one.delta for one in window)) >= row.delta_limit
