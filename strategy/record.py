"""What is known of a strategy's past: its state across restarts, why it has not entered, and what its trades came to."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from domain import ZERO
from events import EntriesRefused, Event, StrategyChanged
from trade_lifecycle import TradeLifecycle, TradeState

FLUSH_EVERY = timedelta(minutes=1)
AWAITED = frozenset({"entries", "account", "market data"})  # what ends by itself within moments: looked at again on the next tick


class StrategyState(StrEnum):
    """Whether a strategy may enter. Its open trades are managed in every state."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class StrategyHistory:
    """What the journal says of a strategy when the program starts."""

    state: StrategyState = StrategyState.RUNNING
    reason: str = ""


def histories(events: Iterable[Event]) -> Mapping[str, StrategyHistory]:
    """Return each strategy's state as last set, from the journal's events in order; one that was never set runs."""
    return {e.strategy: StrategyHistory(StrategyState(e.state), e.reason) for e in events if isinstance(e, StrategyChanged)}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a strategy does not enter: what refused, what it said last, since when, and how often in a row."""

    label: str
    reason: str
    since: datetime
    times: int = 1

    def __str__(self) -> str:
        often = "" if self.times == 1 else f", {self.times} times"
        return f"{self.label}: {self.reason} (since {self.since:%Y-%m-%d %H:%M:%S} UTC{often})"


class Refusals:
    """Every no of one strategy, counted by what refused, so that changing numbers in a reason make no new entry."""

    def __init__(self, strategy: str, flush_every: timedelta = FLUSH_EVERY) -> None:
        self._strategy, self._flush_every = strategy, flush_every
        self._new: Counter[str] = Counter()
        self._flushed_at: datetime | None = None
        self._failed_at: datetime | None = None
        self._written: str | None = None  # what refused when the journal was last told
        self.counts: Counter[str] = Counter()
        self.latest: Refusal | None = None

    def note(self, label: str, reason: str, now: datetime) -> bool:
        """Count one more no; tell whether something else refuses than before."""
        self._new[label] += 1
        self.counts[label] += 1
        before = self.latest
        changed = before is None or before.label != label
        self.latest = Refusal(label, reason, now) if before is None or changed else replace(before, reason=reason, times=before.times + 1)
        return changed

    def clear(self) -> None:
        """Forget the latest no: the strategy has entered."""
        self.latest = None

    def due(self, now: datetime) -> EntriesRefused | None:
        """Return the event for what was counted since the last one, once per flush_every; None if it is not time or nothing new.

        It is time sooner where what was written last would mislead: the strategy has entered since, or what was only awaited has come.
        """
        if _within(self._failed_at, now, self._flush_every):
            return None
        if not self._misleading and (not self._new or _within(self._flushed_at, now, self._flush_every)):
            return None
        latest = "nothing: it has entered since" if self.latest is None else f"{self.latest.label}: {self.latest.reason}"
        return EntriesRefused(at=now, strategy=self._strategy, latest=latest, counts=dict(self._new))

    def flushed(self, now: datetime) -> None:
        """Begin counting anew: the event is in the journal."""
        self._new.clear()
        self._flushed_at, self._failed_at = now, None
        self._written = None if self.latest is None else self.latest.label

    def put_off(self, now: datetime) -> None:
        """Try again in flush_every, with nothing lost: the event could not be written."""
        self._failed_at = now

    @property
    def _misleading(self) -> bool:
        if self._written is None or self.latest is None:
            return self._written is not None
        return self._written in AWAITED and self.latest.label not in AWAITED


def _within(since: datetime | None, now: datetime, span: timedelta) -> bool:
    return since is not None and now - since < span


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyStatistics:
    """What a strategy's trades came to, from their own fills. Money is USD.

    `opened` counts trades that reached OPEN, `closed` and `failed` those that ended so, `wins` and `losses` closed trades by net profit.
    `gross`, `fees` and `net` are over all that ended: an opening that was unwound costs money too.
    """

    active: int = 0
    opened: int = 0
    closed: int = 0
    failed: int = 0
    wins: int = 0
    losses: int = 0
    gross: Decimal = ZERO
    fees: Decimal = ZERO
    net: Decimal = ZERO
    average_hold: timedelta | None = None


def statistics_of(trades: Sequence[TradeLifecycle]) -> StrategyStatistics:
    """Return the statistics of a strategy's trades."""
    ended = [trade for trade in trades if not trade.active]
    closed = [trade for trade in ended if trade.state is TradeState.CLOSED]
    holds = [t.closed_at - t.opened_at for t in closed if t.closed_at is not None and t.opened_at is not None]
    return StrategyStatistics(
        active=len(trades) - len(ended),
        opened=sum(trade.opened_at is not None for trade in trades),
        closed=len(closed),
        failed=sum(trade.state is TradeState.FAILED for trade in ended),
        wins=sum(trade.net_profit > 0 for trade in closed),
        losses=sum(trade.net_profit < 0 for trade in closed),
        gross=sum((trade.gross_profit for trade in ended), ZERO),
        fees=sum((trade.fees for trade in ended), ZERO),
        net=sum((trade.net_profit for trade in ended), ZERO),
        average_hold=sum(holds, timedelta(0)) / len(holds) if holds else None,
    )
