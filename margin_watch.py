"""Watches how much of the account's equity its maintenance margin takes, tells a person as it rises, and in the end lets nothing open.

One rule: a margin that cannot be judged is neither well nor worse: everything stays as it was when it could be.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from loguru import logger

from domain import AccountSnapshot, Severity
from errors import JournalError
from ports import Alerts
from trading_state import Rule

HUNDRED = Decimal(100)
HYSTERESIS = Decimal(2)  # points below a level before it counts as left: a margin that trembles is told once


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginLevel:
    """From how many per cent of the equity on the maintenance margin is told, and how urgently."""

    pct: Decimal
    severity: Severity


def margin_levels(pcts: Sequence[Decimal]) -> tuple[MarginLevel, ...]:
    """Return the levels, rising: the last one is critical, the one before it a warning, and what comes earlier information."""
    ranks = {len(pcts) - 1: Severity.CRITICAL, len(pcts) - 2: Severity.WARNING}
    return tuple(MarginLevel(pct=pct, severity=ranks.get(place, Severity.INFO)) for place, pct in enumerate(sorted(pcts)))


def margin_pct(equity: Decimal | None, needed: Decimal | None) -> Decimal | None:
    """Return the maintenance margin in per cent of equity; infinite where nothing is left to carry it, None where one is unknown."""
    if equity is None or needed is None:
        return None
    if equity <= 0:
        return Decimal("Infinity")
    return needed / equity * HUNDRED


class MarginWatch:
    """The account's margin against its levels; `look` is called with the snapshot of every tick."""

    def __init__(self, rule: Rule, alerts: Alerts, levels: Sequence[MarginLevel], reduce_pct: Decimal) -> None:
        self._rule, self._alerts, self._levels, self._reduce = rule, alerts, tuple(levels), reduce_pct
        self._release = min(levels[-1].pct if levels else reduce_pct, reduce_pct - HYSTERESIS)
        self._reached = 0
        self._seen = self._unjudged = self._called = self._overdrawn = self._closed = False

    def look(self, account: AccountSnapshot) -> None:
        """Judge the margin once: tell what was crossed, and hold or release the account."""
        self._look_at_available(account)
        pct = margin_pct(account.equity, account.maintenance_margin) if account.valid else None
        if pct is None:
            self._not_judged(account)
            return
        if self._unjudged:
            logger.info("margin judged again pct={}", _short(pct))
        self._seen, self._unjudged, self._called = True, False, False
        self._look_at_levels(pct, account)
        self._look_at_reduce(pct)

    def _look_at_levels(self, pct: Decimal, account: AccountSnapshot) -> None:
        reached = sum(pct >= level.pct for level in self._levels)
        kept = sum(pct >= level.pct - HYSTERESIS for level in self._levels)
        before, self._reached = self._reached, max(reached, min(self._reached, kept))
        if self._reached > before:
            level = self._levels[self._reached - 1]
            said = f"maintenance margin {account.maintenance_margin} USD, equity {account.equity} USD: {_share(pct)}"
            hint = "add money or close trades; the venue liquidates when it reaches the equity"
            self._alerts.alert(level.severity, f"margin {level.pct.normalize():f} %", f"{said}: level {level.pct} % is reached", hint)
        elif self._reached < before:
            logger.info("margin fell pct={} level={}", _short(pct), self._levels[self._reached - 1].pct if self._reached else "none")

    def _look_at_reduce(self, pct: Decimal) -> None:
        if pct >= self._reduce:
            said = f"{_share(pct)}; from {self._reduce} % on nothing is opened"
            self._rule.hold(said)
            if self._rule.holding and not self._closed:
                self._alerts.alert(
                    Severity.CRITICAL, "margin reducing", said, f"add money or close trades; it lets go below {self._release} %"
                )
            self._closed = self._rule.holding
        elif pct < self._release:
            self._closed = False
            try:
                self._rule.release(f"{_share(pct)}, below {self._release} %")
            except JournalError as error:
                logger.warning("margin holds on: its release cannot be written reason={}", error)

    def _look_at_available(self, account: AccountSnapshot) -> None:
        available = account.available_margin
        if not account.valid or available is None:
            return
        if available < 0 and not self._overdrawn:
            said = f"the available margin is {available} USD: the venue opens nothing, and what is open is not covered"
            self._alerts.alert(Severity.CRITICAL, "margin overdrawn", said, "add money or close trades")
        self._overdrawn = available < 0

    def _not_judged(self, account: AccountSnapshot) -> None:
        """Log once that the margin cannot be judged, and call a person once where the account is known; one never read is no news.

        An account that is not known is called for as such: the margin is only one of the things that nobody knows then.
        """
        if not (self._seen or account.valid):
            return
        standing = "nothing is opened" if self._rule.holding else f"level {self._reached} of {len(self._levels)}"
        why = "the venue does not say equity or maintenance margin" if account.valid else account.reason
        said = f"the margin cannot be judged ({why}); it stays as it was: {standing}"
        if not self._unjudged:
            self._unjudged = True
            logger.info("margin unknown: {}", said)
        if account.valid and not self._called:
            self._called = True
            hint = "no action needed if it comes back; else look at the venue's account page"
            self._alerts.alert(Severity.WARNING, "margin unknown", said, hint)


def _share(pct: Decimal) -> str:
    return f"maintenance margin is {_short(pct)} % of equity" if pct.is_finite() else "no equity is left to carry the maintenance margin"


def _short(pct: Decimal) -> str:
    return "more than any" if not pct.is_finite() else f"{pct:.1f}"
