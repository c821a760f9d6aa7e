"""Asks a trade's exit conditions whether to leave. A condition that fails is never silence: it is counted, alerted and acted on.

A condition is broken only by what it does with what is known. While the account is not known, or a held leg has no quote, an error in
it is taken for blindness: an outage closes no trade.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from conditions import label_of, verdict_of
from domain import AccountSnapshot, ExitCondition, Severity, Verdict
from errors import DataNotFresh
from ports import Alerts
from trade_lifecycle import TradeLifecycle

EXIT_FAILED = "an exit condition failed"  # part of the reason of every trade that is closed for it
FAILURES_UNTIL_CLOSE = 20
FAILING_UNTIL_CLOSE = timedelta(seconds=60)
BLIND_UNTIL_ALERT = 20


@dataclass(slots=True)
class _Failing:
    """How often and how long (market time) a condition has failed since it last answered; being blind in between adds nothing."""

    times: int = 0
    lasted: timedelta = timedelta(0)
    last: datetime | None = None

    def again(self, now: datetime) -> None:
        self.lasted += timedelta(0) if self.last is None else max(now - self.last, timedelta(0))
        self.times, self.last = self.times + 1, now

    @property
    def for_good(self) -> bool:
        return self.times >= FAILURES_UNTIL_CLOSE and self.lasted >= FAILING_UNTIL_CLOSE


class ExitWatch:
    """The exit conditions of every strategy, and how each has failed since it last answered, for each trade."""

    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts
        self._exits: dict[str, tuple[ExitCondition, ...]] = {}
        self._broke: dict[tuple[int, int], _Failing] = {}
        self._blinded: Counter[tuple[int, int]] = Counter()

    def bind(self, strategy: str, exits: Sequence[ExitCondition]) -> None:
        """Arm a strategy's exit conditions for all its trades, those of earlier runs included."""
        self._exits[strategy] = tuple(exits)

    def reason_to_leave(self, trade: TradeLifecycle, account: AccountSnapshot, *, only_urgent: bool = False) -> Verdict | None:
        """Return why the trade should be closed now, and whether at once; None if it should not (`only_urgent`: not at once)."""
        exits = self._exits.get(trade.strategy)
        if exits is None:
            self._alerts.alert(
                Severity.CRITICAL,
                f"no exits {trade.id}",
                f"{trade.id} is open and its strategy {trade.strategy} is not loaded: no exit condition watches it",
                "start with that strategy, or close the trade with --close",
            )
            return None
        found = [leave for index, each in enumerate(exits) if (leave := self._judge(trade, index, each, account)) is not None]
        hurried = next((leave for leave in found if leave.urgent), None)
        return hurried if only_urgent or hurried is not None else next(iter(found), None)

    def forget(self, trade: int) -> None:
        """Drop what was counted for a trade that has ended."""
        for counts in (self._broke, self._blinded):
            for key in [key for key in counts if key[0] == trade]:
                del counts[key]

    def _judge(self, trade: TradeLifecycle, index: int, condition: ExitCondition, account: AccountSnapshot) -> Verdict | None:
        name, key = label_of(condition), (trade.number, index)
        try:
            verdict = verdict_of(condition, account, trade)
        except DataNotFresh as unknown:
            if not _expired(trade, account):
                self._blind(trade, key, name, str(unknown))
            return None
        except Exception as error:  # noqa: BLE001 - a user's condition may raise anything; it is counted, alerted and acted on
            if _expired(trade, account):
                return None
            missing = _missing(trade, account)
            if missing is None:
                return self._broken(trade, key, name, error, account.now)
            self._blind(trade, key, name, f"{missing}, and it raised {error!r}")
            return None
        self._broke.pop(key, None)
        self._blinded.pop(key, None)
        return Verdict(True, f"{name}: {verdict.reason}", verdict.urgent) if verdict.ok else None

    def _blind(self, trade: TradeLifecycle, key: tuple[int, int], name: str, unknown: str) -> None:
        if key in self._broke:
            self._broke[key].last = None
        self._blinded[key] += 1
        if self._blinded[key] >= BLIND_UNTIL_ALERT:
            self._alerts.alert(
                Severity.WARNING,
                f"exit blind {trade.id} {name}",
                f"{trade.id}: {name} cannot be judged: {unknown}",
                "check the market data; the trade is kept until the condition can be judged",
            )

    def _broken(self, trade: TradeLifecycle, key: tuple[int, int], name: str, error: Exception, now: datetime) -> Verdict | None:
        self._blinded.pop(key, None)
        failing = self._broke.setdefault(key, _Failing())
        failing.again(now)
        self._alerts.alert(
            Severity.CRITICAL,
            f"exit broken {trade.id} {name}",
            f"{trade.id}: exit condition {name} raised {error!r} ({failing.times} times without an answer)",
            f"mend the condition; after {FAILURES_UNTIL_CLOSE} failures over {FAILING_UNTIL_CLOSE.total_seconds():g} s of market time "
            "the trade is closed and its strategy paused",
        )
        if not failing.for_good:
            return None
        return Verdict(True, f"{EXIT_FAILED}: {name} raised {error!r} {failing.times} times in {failing.lasted.total_seconds():g} s")


def _expired(trade: TradeLifecycle, account: AccountSnapshot) -> bool:
    """Tell whether a held leg has expired: until the venue has settled it nobody quotes it, and that is no fault."""
    return any(leg.held != 0 and leg.option.expiry <= account.now for leg in trade.legs)


def _missing(trade: TradeLifecycle, account: AccountSnapshot) -> str | None:
    """Say what a condition would have to know and nobody does; None if all of it is known."""
    if not account.valid:
        return f"the account is not known ({account.reason or 'no valid reading'})"
    unseen = [leg.option.symbol for leg in trade.legs if leg.held != 0 and leg.option.symbol not in account.quotes]
    return f"no quote for {', '.join(unseen)}" if unseen else None
