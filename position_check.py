"""Do our books and the venue's positions agree? Positions only ever confirm or contradict; they never make a fill.

Holdings beyond ours belong to others and are left alone. Less than ours, seen on snapshots taken well after our last fill and
for a while, is a contradiction that a person must resolve.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from domain import ZERO, AccountSnapshot
from trade_lifecycle import TradeLifecycle

LAG = timedelta(seconds=3)


class PositionCheck:
    """Remembers since when the venue has shown less than our trades hold."""

    def __init__(self, patience: timedelta = timedelta(seconds=20)) -> None:
        self._patience = patience
        self._short_since: dict[str, datetime] = {}

    def clamps(self, trade: TradeLifecycle, account: AccountSnapshot) -> Mapping[str, Decimal] | None:
        """Return how many coins the venue shows in each leg's own direction; None while its answer may be older than our fills."""
        if not _recent(trade, account):
            return None
        return {leg.option.symbol: _shown(account, leg.option.symbol, leg.side.sign) for leg in trade.legs}

    def contradictions(self, trades: Iterable[TradeLifecycle], account: AccountSnapshot) -> dict[str, str]:
        """Return symbol and sentence for each holding that has been short of our books for longer than the patience."""
        ours: dict[str, Decimal] = {}
        unsure: set[str] = set()
        for trade in trades:
            for leg in trade.legs:
                if leg.held == 0:
                    continue
                symbol = leg.option.symbol
                ours[symbol] = ours.get(symbol, ZERO) + leg.held
                if not _recent(trade, account) or leg.option.expiry <= account.now:
                    unsure.add(symbol)
        found = {}
        for symbol, held in ours.items():
            shown = _shown(account, symbol, 1 if held > 0 else -1)
            if symbol in unsure or shown >= abs(held):
                self._short_since.pop(symbol, None)
            elif account.now - self._short_since.setdefault(symbol, account.now) >= self._patience:
                found[symbol] = f"our trades hold {held} {symbol}, the venue shows {shown} in that direction"
        return found


def _recent(trade: TradeLifecycle, account: AccountSnapshot) -> bool:
    if not account.valid or account.at is None:
        return False
    return trade.last_fill_at is None or account.at > trade.last_fill_at + LAG


def _shown(account: AccountSnapshot, symbol: str, sign: int) -> Decimal:
    position = account.position(symbol)
    return ZERO if position is None else max(position.signed_qty * sign, ZERO)
