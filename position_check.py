"""Do our books and the venue's positions agree? Positions only ever confirm or contradict; they never make a fill.

Holdings beyond ours belong to others and are left alone. Less than ours, seen on several answers that are younger than our last
fill and for a while, with no order out that could explain it, is a contradiction: a person must resolve it, unless the venue takes it
back.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from domain import ZERO, AccountSnapshot, Fill, Side
from trade_lifecycle import TradeLifecycle, TradeState

LAG = timedelta(seconds=3)
_GONE = "our trades hold"


@dataclass(slots=True)
class _Shortage:
    """Since when a holding is short of our books, and on how many answers of the venue it was."""

    since: datetime
    answered_at: datetime | None
    answers: int = 1


class PositionCheck:
    """Remembers since when the venue has shown less than our trades hold."""

    def __init__(self, patience: timedelta = timedelta(seconds=20), answers: int = 3) -> None:
        self._patience, self._answers = patience, answers
        self._short: dict[str, _Shortage] = {}

    def clamps(self, trade: TradeLifecycle, account: AccountSnapshot) -> Mapping[str, Decimal] | None:
        """Return how many coins the venue shows in each leg's own direction; None while its answer may be older than our fills."""
        if not recent(trade, account):
            return None
        return {leg.option.symbol: _shown(account, leg.option.symbol, leg.side.sign) for leg in trade.legs}

    def contradictions(
        self, trades: Sequence[TradeLifecycle], account: AccountSnapshot, busy: Collection[str] = ()
    ) -> list[tuple[TradeLifecycle, str]]:
        """Return trade and sentence for each holding of which the venue shows too little, on several answers, for longer than the patience.

        Symbols in `busy`, those with a live order, are left out: a fill of it may not be booked yet.
        """
        ours, unsure = self._holdings(trades, account)
        unsure.update(busy)
        self._short = {symbol: short for symbol, short in self._short.items() if symbol in ours}
        found = {}
        for symbol, held in ours.items():
            shown = _shown(account, symbol, 1 if held > 0 else -1)
            if symbol in unsure or shown >= abs(held):
                self._short.pop(symbol, None)
            elif self._lasting(symbol, account):
                found[symbol] = f"{_GONE} {held} {symbol}, the venue shows {shown} in that direction"
        return [(t, found[leg.option.symbol]) for t in trades for leg in t.legs if leg.held != 0 and leg.option.symbol in found]

    def _holdings(self, trades: Iterable[TradeLifecycle], account: AccountSnapshot) -> tuple[dict[str, Decimal], set[str]]:
        ours: dict[str, Decimal] = {}
        unsure: set[str] = set()
        for trade in trades:
            for leg in trade.legs:
                if leg.held == 0:
                    continue
                symbol = leg.option.symbol
                ours[symbol] = ours.get(symbol, ZERO) + leg.held
                if not recent(trade, account) or leg.option.expiry <= account.now:
                    unsure.add(symbol)
        return ours, unsure

    def _lasting(self, symbol: str, account: AccountSnapshot) -> bool:
        short = self._short.setdefault(symbol, _Shortage(account.now, account.at))
        if short.answered_at != account.at:
            short.answered_at, short.answers = account.at, short.answers + 1
        return short.answers >= self._answers and account.now - short.since >= self._patience


class Returns:
    """Which trades that were set aside for missing coins may go on: all of them are shown again, and nobody has traded against them.

    Coins that nobody has closed were never gone: it was the venue that did not show them. `patience` is how long that must have been
    seen, so that a list of trades that lags would have told of it. What was set aside before the first look is left to a person.
    """

    def __init__(self, patience: timedelta = timedelta(minutes=2)) -> None:
        self._patience = patience
        self._earlier: frozenset[int] | None = None
        self._whole: dict[int, datetime] = {}
        self._strangers: dict[tuple[str, Side], datetime] = {}

    def take(
        self, trades: Iterable[TradeLifecycle], strangers: Iterable[Fill], shown: Callable[[str], bool], now: datetime
    ) -> list[TradeLifecycle]:
        """Take one look: the trades, the fills that were not ours, whether all coins of ours in a symbol surely are there."""
        for fill in strangers:
            key = fill.symbol, fill.side
            self._strangers[key] = max(fill.at, self._strangers.get(key, fill.at))
        aside = {trade.number: trade for trade in trades if _set_aside(trade)}
        if self._earlier is None:
            self._earlier = frozenset(aside)
        whole = [trade for number, trade in aside.items() if number not in self._earlier and self._is_back(trade, shown)]
        self._whole = {trade.number: self._whole.get(trade.number, now) for trade in whole}
        return [trade for trade in whole if now - self._whole[trade.number] >= self._patience]

    def _is_back(self, trade: TradeLifecycle, shown: Callable[[str], bool]) -> bool:
        since = trade.last_fill_at
        closing = {leg.option.symbol: Side.SELL if leg.held > 0 else Side.BUY for leg in trade.legs if leg.held != 0}
        closed = [self._strangers[key] for key in closing.items() if key in self._strangers]
        return bool(closing) and all(map(shown, closing)) and since is not None and all(at < since for at in closed)


def _set_aside(trade: TradeLifecycle) -> bool:
    return trade.state is TradeState.QUARANTINED and trade.reason.rpartition("; ")[2].startswith(_GONE)


def recent(trade: TradeLifecycle, account: AccountSnapshot) -> bool:
    """Tell whether the venue's answer is surely younger than the trade's last fill."""
    if not account.valid or account.at is None:
        return False
    return trade.last_fill_at is None or account.at > trade.last_fill_at + LAG


def _shown(account: AccountSnapshot, symbol: str, sign: int) -> Decimal:
    position = account.position(symbol)
    return ZERO if position is None else max(position.signed_qty * sign, ZERO)
