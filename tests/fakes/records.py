"""What is remembered: a journal in memory that can fail, and the calls to a person."""

from dataclasses import dataclass

from domain import Severity
from errors import JournalError
from events import AnyEvent, Event


class FakeJournal:
    """Keeps events in memory; `failing` fails every append, `fail_on` those of some kinds, `fail_next` the next few; with `refusal`."""

    def __init__(self) -> None:
        self.events: list[AnyEvent] = []
        self.failing = False
        self.fail_next = 0
        self.fail_on: tuple[type[Event], ...] = ()
        self.refusal = JournalError("disk full")

    def append(self, *events: Event) -> None:
        """Write all or, when told to fail, none."""
        if self.fail_next > 0:
            self.fail_next -= 1
            raise self.refusal
        if self.failing or any(isinstance(event, self.fail_on) for event in events):
            raise self.refusal
        self.events.extend(events)  # type: ignore[arg-type]

    def of(self, *kinds: type[Event]) -> list[AnyEvent]:
        """The events of some kinds."""
        return [event for event in self.events if isinstance(event, kinds)]


@dataclass(frozen=True)
class Alert:
    """One call to a person."""

    severity: Severity
    cause: str
    message: str
    hint: str


class FakeAlerts:
    """Remembers every call."""

    def __init__(self) -> None:
        self.raised: list[Alert] = []

    def alert(self, severity: Severity, cause: str, message: str, hint: str) -> None:
        """Remember it."""
        self.raised.append(Alert(severity, cause, message, hint))

    def about(self, cause: str) -> list[Alert]:
        """The calls whose cause begins so."""
        return [alert for alert in self.raised if alert.cause.startswith(cause)]
