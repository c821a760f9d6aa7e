"""What stays in doubt while our journal has lost a part: holdings and open requests at the venue that bear no name of ours.

One rule: a person is told of each once, by name; nothing is done about it, for it may be a person's own. A leg of a block trade bears no
number of ours, and neither does a request for quotes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from loguru import logger

from differences import Found
from domain import Difference, OrderReport, RFQRequest, Severity
from events import AnyEvent, RFQOpened
from ports import Alerts, RFQDirectory


class OrderHistory(Protocol):
    """The orders of an account that have ended."""

    def orders(self, since: datetime, /) -> Sequence[OrderReport]:
        """Return every order of the account that the history shows since a moment, ours or not."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LookBack:
    """Where the venue tells what was before a start, ended orders and open requests, and whether our journal has lost a part of it."""

    orders: OrderHistory
    requests: RFQDirectory | None = None
    damaged: bool = False


class Doubts:
    """What was told of what may be ours, for as long as the journal's loss stands; all methods run on the tick thread."""

    def __init__(self, alerts: Alerts, started: datetime) -> None:
        """Take when this run of the program began: what it asks for itself is in no doubt."""
        self._alerts, self._started = alerts, started
        self._known: frozenset[str] = frozenset()
        self._seen: set[str] = set()
        self._told: set[str] = set()
        self.standing = False

    def restore(self, events: Iterable[AnyEvent], *, damaged: bool) -> None:
        """Take up which requests the journal knows, and whether it has lost a part."""
        self._known = frozenset(event.request_id for event in events if isinstance(event, RFQOpened))
        self.standing = damaged

    def requests_told(self, answer: Sequence[RFQRequest] | Exception) -> None:
        """Name the open requests that were made before this start and that the journal does not know, once they have been seen twice."""
        if isinstance(answer, Exception):
            logger.warning("open requests unknown reason={}", answer)
            return
        before = {each.request_id for each in answer if each.created_at < self._started} - self._known
        lasting, self._seen = sorted((before & self._seen) - self._told), before
        if lasting:
            self._told.update(lasting)
            said = f"requests for quotes are open that our journal, which has lost a part, does not know: {', '.join(lasting)}"
            hint = "withdraw them at the venue if they are not your own; nothing of them is accepted here"
            self._alerts.alert(Severity.CRITICAL, f"request in doubt {lasting[0]}", said, hint)

    def look(self, seen: Iterable[Found]) -> None:
        """Name the holdings beyond our trades, of those that stand and were seen just now."""
        found = [each for each in seen if each.kind is Difference.POSITION_OF_OTHERS and each.subject not in self._told]
        if self.standing and found:
            self._told.update(each.subject for each in found)
            said = f"the journal has lost a part, and these may be ours: {'; '.join(f'{each.subject}: {each.said}' for each in found)}"
            hint = "compare with the venue's trades and block trades; --adopt gives a holding to a strategy, --acknowledge ends the doubt"
            self._alerts.alert(Severity.CRITICAL, f"holding in doubt {found[0].subject}", said, hint)
