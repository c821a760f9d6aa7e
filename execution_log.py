"""What each execution of an active trade has written: journalled first, found again after a restart."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from clock import Clock
from domain import ExecutionMode, Purpose, Remedy
from events import AnyEvent, ExecutionEnded, ExecutionEvent, ExecutionStarted, LegBook, LegFilled, RFQSent
from order_ledger import LONG_AGO
from ports import JournalWriter

E = TypeVar("E", bound=ExecutionEvent)


class Run:
    """The record of one execution; the port `execution.RunLog`."""

    def __init__(self, journal: JournalWriter, clock: Clock, started: ExecutionStarted) -> None:
        self._journal, self._clock = journal, clock
        self.started = started
        self._events: list[ExecutionEvent] = [started]
        self._fills: list[LegFilled] = []

    @property
    def fills(self) -> Sequence[LegFilled]:
        """Return every fill booked since it began and before the next one began, oldest first."""
        return self._fills

    @property
    def ended(self) -> ExecutionEnded | None:
        """Return how it ended; None while it runs."""
        ends = self.written(ExecutionEnded)
        return ends[-1] if ends else None

    @property
    def began_at(self) -> datetime:
        """Return when it began, market time."""
        return self.started.at

    def written(self, kind: type[E], /) -> Sequence[E]:
        """Return what it wrote of one kind, oldest first."""
        return [event for event in self._events if isinstance(event, kind)]

    @property
    def events(self) -> Sequence[ExecutionEvent]:
        """Return all that it wrote, its beginning included, oldest first."""
        return self._events

    def write(self, kind: type[ExecutionEvent], /, **fields: object) -> None:
        """Journal an event of this execution, then believe it. Raises JournalError, nothing believed."""
        event = self.event(kind, **fields)
        self._journal.append(event)
        self._events.append(event)

    def event(self, kind: type[E], /, **fields: object) -> E:
        """Return an event of this execution as of now, not written."""
        start = self.started
        return kind(at=self._clock.now(), trade=start.trade, run=start.run, purpose=start.purpose, **fields)

    def take(self, event: ExecutionEvent | LegFilled) -> None:
        """Believe an event that is journalled already."""
        if isinstance(event, LegFilled):
            self._fills.append(event)
        else:
            self._events.append(event)


class ExecutionLog:
    """The runs of every active trade, oldest first; fills belong to the run that was last begun."""

    def __init__(self, journal: JournalWriter, clock: Clock) -> None:
        self._journal, self._clock = journal, clock
        self._runs: dict[int, list[Run]] = {}

    def runs(self, trade: int) -> Sequence[Run]:
        """Return the runs of a trade, oldest first."""
        return self._runs.get(trade, ())

    def marks(self, trade: int, purpose: Purpose) -> Sequence[ExecutionEvent]:
        """Return all events of a trade's runs of one purpose, oldest first."""
        return [event for run in self.runs(trade) if run.started.purpose is purpose for event in run.events]

    def last(self, trade: int) -> Run | None:
        """Return the last run of a trade; None before the first."""
        runs = self.runs(trade)
        return runs[-1] if runs else None

    def begin(
        self,
        trade: int,
        purpose: Purpose,
        mode: ExecutionMode,
        reason: str,
        legs: tuple[LegBook, ...],
        *,
        urgent: bool = False,
        remedy: Remedy | None = None,
    ) -> Run:
        """Journal and begin the next run of a trade. Raises JournalError, nothing begun."""
        started = ExecutionStarted(
            at=self._clock.now(),
            trade=trade,
            run=len(self.runs(trade)) + 1,
            purpose=purpose,
            mode=mode,
            reason=reason,
            legs=legs,
            urgent=urgent,
            remedy=remedy,
        )
        self._journal.append(started)
        return self._keep(started)

    def take(self, event: AnyEvent) -> None:
        """Believe an event that is journalled already; what is not of an execution is passed over."""
        match event:
            case ExecutionStarted():
                self._keep(event)
            case LegFilled(trade=trade) if (run := self.last(trade)) is not None:
                run.take(event)
            case ExecutionEvent(trade=trade, run=number):
                for run in self.runs(trade):
                    if run.started.run == number:
                        run.take(event)

    def restore(self, events: Iterable[AnyEvent]) -> None:
        """Rebuild from journalled events.

        What happened after now, by a clock that has been set back since, counts as long ago: no round, chunk, request or remedy then
        waits for that time to come again. The sending of a request keeps its moment, which is its name.
        """
        now = self._clock.now()
        for event in events:
            ahead = event.at > now and not isinstance(event, RFQSent)
            self.take(msgspec.structs.replace(event, at=now - LONG_AGO) if ahead else event)

    def forget(self, trade: int) -> None:
        """Drop the runs of a trade that has ended."""
        self._runs.pop(trade, None)

    def _keep(self, started: ExecutionStarted) -> Run:
        run = Run(self._journal, self._clock, started)
        self._runs.setdefault(started.trade, []).append(run)
        return run
