"""Marks of options that keep coming with fresh times and do not move while their index does.

One rule: standing still is no fault by itself. A far option may rest at its smallest price for hours; what cannot be is a mark that
stays exactly as it was while the index has moved so far that the option's own delta should have moved it by several ticks.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from loguru import logger

from domain import Quote, Severity
from freshness import Entries
from ports import Alerts

_CAUSE = "marks stand still"
_HINT = "entries wait; compare with the venue's own page, and close by hand what cannot wait"


@dataclass(frozen=True, slots=True)
class Stand:
    """A mark, since when it has been that and seen, and the lowest and highest index since, USD."""

    mark: Decimal
    since: datetime
    seen: datetime
    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Stiffness:
    """When a mark counts as frozen: still `after` so long, the index moved by `per_mille`, its delta foretelling `ticks` of change."""

    after: timedelta = timedelta(minutes=5)
    per_mille: Decimal = Decimal(3)
    ticks: int = 3
    gap: timedelta = timedelta(minutes=1)


def stood(before: Stand | None, quote: Quote, rule: Stiffness) -> Stand | None:
    """Return how a mark stands after a quote; None without mark or index. A longer gap without quotes begins anew.

    The quote's own time counts: the same quote shown again says nothing new.
    """
    mark, index = quote.mark, quote.underlying_price
    if mark is None or index is None:
        return None
    if before is None or before.mark != mark or quote.at - before.seen > rule.gap:
        return Stand(mark, quote.at, quote.at, index, index)
    return Stand(mark, before.since, max(before.seen, quote.at), min(before.low, index), max(before.high, index))


def frozen(stand: Stand, quote: Quote, rule: Stiffness) -> str | None:
    """Say why a mark is frozen; None if it need not be. Without Greeks only the index's own move counts."""
    still, move = stand.seen - stand.since, stand.high - stand.low
    if still < rule.after or stand.low <= 0 or move * 1000 < rule.per_mille * stand.low:
        return None
    expected = None if quote.greeks is None else abs(Decimal(str(quote.greeks.delta))) * move
    if expected is not None and expected < rule.ticks * quote.option.tick:
        return None
    told = "" if expected is None else f", which should have moved it by about {expected:.2f}"
    stands = f"the mark of {quote.option.symbol} has been {stand.mark} for {still.total_seconds():g} s"
    return f"{stands} while the index moved by {move} USD{told}"


class MarkWatch:
    """The marks in use, each with how long it has stood; `rule` None watches nothing, where prices stand still by nature.

    While one is frozen no trade begins and its chain is asked for anew.
    """

    def __init__(self, rule: Stiffness | None, entries: Entries, alerts: Alerts, refetch: Callable[[], None]) -> None:
        self._rule, self._entries, self._alerts, self._refetch = rule, entries, alerts, refetch
        self._stands: dict[str, Stand] = {}
        self.frozen: Mapping[str, str] = {}

    def step(self, quotes: Iterable[Quote]) -> None:
        """Look at the quotes of one tick: say once that marks are frozen, and that they move again; forget what is not in use."""
        before, self.frozen = self.frozen, self._look(quotes)
        if self.frozen:
            first = next(iter(self.frozen.values()))
            said = first if len(self.frozen) == 1 else f"{first}; and {len(self.frozen) - 1} more marks stand still"
            self._entries.block_entries(_CAUSE, said)
            self._alerts.alert(Severity.CRITICAL, "marks stand still", said, _HINT)
        elif before:
            self._entries.lift_block(_CAUSE)
            logger.info("marks move again symbols={}", ", ".join(before))
        if self.frozen.keys() - before.keys():
            logger.warning("marks stand still symbols={}", ", ".join(self.frozen))
            self._refetch()

    def _look(self, quotes: Iterable[Quote]) -> Mapping[str, str]:
        rule = self._rule
        if rule is None:
            return {}
        stands: dict[str, Stand] = {}
        found = {}
        for quote in quotes:
            symbol = quote.option.symbol
            stand = stood(self._stands.get(symbol), quote, rule)
            if stand is not None:
                stands[symbol] = stand
                reason = frozen(stand, quote, rule)
                if reason is not None:
                    found[symbol] = reason
        self._stands = stands
        return found
