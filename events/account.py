"""What happens to strategies and to the account as a whole, and when a person is called."""

from collections.abc import Mapping
from decimal import Decimal

from domain import Difference, KillPolicy, KillStage, Severity, TradingState
from events.base import Event


class StrategyChanged(Event, frozen=True, kw_only=True):
    """A strategy was set running, paused or stopped, by whom and why."""

    strategy: str
    state: str
    reason: str


class EntriesRefused(Event, frozen=True, kw_only=True):
    """Why a strategy has not entered: the latest reason, and how often each was met since the last such event."""

    strategy: str
    latest: str
    counts: dict[str, int]


class AccountMarked(Event, frozen=True, kw_only=True):
    """What the account was worth and what its positions bind, USD; None where the venue did not say."""

    equity: Decimal
    available_margin: Decimal | None = None
    maintenance_margin: Decimal | None = None
    unrealized: Decimal | None = None


class AlertRaised(Event, frozen=True, kw_only=True):
    """A person was called: what for, how soon, what to do, and for how long the same cause is not told again (None: as usual)."""

    severity: Severity
    cause: str
    message: str
    hint: str
    cooldown_seconds: float | None = None


class AccountStateChanged(Event, frozen=True, kw_only=True):
    """What the account may do was tightened or loosened: by a person or by the rule named, and why."""

    state: TradingState
    by: str
    reason: str
    cause: str = ""


class DifferenceFound(Event, frozen=True, kw_only=True):
    """Our books and the venue differ in a subject (an order, a fill, a symbol): how, what is done about it, and in which trade."""

    kind: Difference
    subject: str
    said: str
    action: str
    trade: int | None = None


class DifferenceEnded(Event, frozen=True, kw_only=True):
    """A difference is there no more, and why."""

    kind: Difference
    subject: str
    said: str


class KillSwitchMoved(Event, frozen=True, kw_only=True):
    """The kill switch was armed, thrown, has made everything flat, or was put back; by whom, and what is left.

    `others`: the coins that others were seen to hold when it was thrown, signed, by symbol.
    """

    stage: KillStage
    said: str
    by: str = ""
    policy: KillPolicy | None = None
    others: Mapping[str, Decimal] = {}
