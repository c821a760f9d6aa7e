"""Asks a trade's exit conditions whether to leave. A condition that fails is never silence: it is counted, alerted and acted on."""

from collections import Counter
from collections.abc import Sequence

from conditions import label_of, verdict_of
from domain import AccountSnapshot, ExitCondition, Severity
from errors import DataNotFresh
from ports import Alerts
from trade_lifecycle import TradeLifecycle

FAILURES_UNTIL_CLOSE = 20


class ExitWatch:
    """The exit conditions of every strategy, and how often each has failed in a row for each trade."""

    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts
        self._exits: dict[str, tuple[ExitCondition, ...]] = {}
        self._broke: Counter[tuple[int, int]] = Counter()
        self._blinded: Counter[tuple[int, int]] = Counter()

    def bind(self, strategy: str, exits: Sequence[ExitCondition]) -> None:
        """Arm a strategy's exit conditions for all its trades, those of earlier runs included."""
        self._exits[strategy] = tuple(exits)

    def reason_to_leave(self, trade: TradeLifecycle, account: AccountSnapshot) -> str | None:
        """Return why the trade should be closed now; None if it should not."""
        exits = self._exits.get(trade.strategy)
        if exits is None:
            self._alerts.alert(
                Severity.CRITICAL,
                f"no exits {trade.id}",
                f"{trade.id} is open and its strategy {trade.strategy} is not loaded: no exit condition watches it",
                "start with that strategy, or close the trade with --close",
            )
            return None
        reasons = (self._judge(trade, index, condition, account) for index, condition in enumerate(exits))
        return next((reason for reason in reasons if reason is not None), None)

    def forget(self, trade: int) -> None:
        """Drop what was counted for a trade that has ended."""
        for counts in (self._broke, self._blinded):
            for key in [key for key in counts if key[0] == trade]:
                del counts[key]

    def _judge(self, trade: TradeLifecycle, index: int, condition: ExitCondition, account: AccountSnapshot) -> str | None:
        name, key = label_of(condition), (trade.number, index)
        try:
            verdict = verdict_of(condition, account, trade)
        except DataNotFresh as unknown:
            self._blind(trade, key, name, unknown)
            return None
        except Exception as error:  # noqa: BLE001 - a user's condition may raise anything; it is counted, alerted and acted on
            return self._broken(trade, key, name, error)
        self._broke.pop(key, None)
        self._blinded.pop(key, None)
        return f"{name}: {verdict.reason}" if verdict.ok else None

    def _blind(self, trade: TradeLifecycle, key: tuple[int, int], name: str, unknown: DataNotFresh) -> None:
        self._broke.pop(key, None)
        self._blinded[key] += 1
        if self._blinded[key] >= FAILURES_UNTIL_CLOSE:
            self._alerts.alert(
                Severity.WARNING,
                f"exit blind {trade.id} {name}",
                f"{trade.id}: {name} cannot be judged: {unknown}",
                "check the market data; the trade is kept until the condition can be judged",
            )

    def _broken(self, trade: TradeLifecycle, key: tuple[int, int], name: str, error: Exception) -> str | None:
        self._broke[key] += 1
        times = self._broke[key]
        self._alerts.alert(
            Severity.CRITICAL,
            f"exit broken {trade.id} {name}",
            f"{trade.id}: exit condition {name} raised {error!r} ({times} times in a row)",
            f"mend the condition; after {FAILURES_UNTIL_CLOSE} failures the trade is closed",
        )
        return f"exit condition {name} failed {times} times: {error!r}" if times >= FAILURES_UNTIL_CLOSE else None
