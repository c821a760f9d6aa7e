"""Alerts: told once with a cause and a hint, held back while they cool down, and never in the way of whoever raises them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from loguru import logger

from alerts import AlertDesk
from clock import SimulatedClock
from domain import Severity
from errors import JournalError
from events import AlertRaised, Event

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
COOLDOWN = timedelta(minutes=15)


class FakeJournal:
    """Keeps what is appended; refuses while `full`."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.full = False

    def append(self, *events: Event) -> None:
        if self.full:
            raise JournalError("the disk is full")
        self.events += events


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(NOON)


@pytest.fixture
def journal() -> FakeJournal:
    return FakeJournal()


@pytest.fixture
def desk(journal: FakeJournal, clock: SimulatedClock) -> AlertDesk:
    return AlertDesk(journal, clock, COOLDOWN)


@pytest.fixture
def log() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line).rstrip()), format="{level} {message} {extra[hint]}", filter="alerts")
    yield lines
    logger.remove(sink)


def stale(desk: AlertDesk, severity: Severity = Severity.WARNING, cause: str = "stale BTC") -> None:
    desk.alert(severity, cause, "the BTC index is 40 s old", "check the connection")


def test_an_alert_is_logged_at_its_level_with_its_hint(desk: AlertDesk, log: list[str]) -> None:
    stale(desk, Severity.CRITICAL)

    assert log == ["CRITICAL alert: the BTC index is 40 s old check the connection"]


def test_an_alert_is_journalled(desk: AlertDesk, journal: FakeJournal) -> None:
    stale(desk)

    told = AlertRaised(
        at=NOON, severity=Severity.WARNING, cause="stale BTC", message="the BTC index is 40 s old", hint="check the connection"
    )
    assert journal.events == [told]


def test_l45_the_same_cause_is_told_once_in_its_cool_down_and_then_how_often_it_was_held_back(
    desk: AlertDesk, journal: FakeJournal, clock: SimulatedClock
) -> None:
    for _ in range(15):
        stale(desk)
        clock.advance(timedelta(minutes=1))
    stale(desk)

    messages = [event.message for event in journal.events if isinstance(event, AlertRaised)]
    assert messages == ["the BTC index is 40 s old", "the BTC index is 40 s old (and 14 more since it was last told)"]


def test_another_cause_is_not_held_back(desk: AlertDesk, journal: FakeJournal) -> None:
    stale(desk)
    stale(desk, cause="stale ETH")

    assert len(journal.events) == 2


def test_a_cause_that_becomes_more_urgent_is_told_at_once(desk: AlertDesk, journal: FakeJournal) -> None:
    stale(desk, Severity.INFO)
    stale(desk, Severity.CRITICAL)
    stale(desk, Severity.WARNING)

    assert [event.severity for event in journal.events if isinstance(event, AlertRaised)] == [Severity.INFO, Severity.CRITICAL]


def test_a_full_disk_does_not_silence_an_alert(desk: AlertDesk, journal: FakeJournal, log: list[str]) -> None:
    journal.full = True
    heard: list[AlertRaised] = []
    desk.subscribe(heard.append)

    desk.alert(Severity.CRITICAL, "c", "m", "h")

    assert (len(heard), len(desk.recent)) == (1, 1)


def test_a_listener_that_fails_costs_nobody_else_the_alert(desk: AlertDesk) -> None:
    heard: list[AlertRaised] = []

    def broken(_: AlertRaised) -> None:
        raise RuntimeError("telegram is down")

    desk.subscribe(broken)
    desk.subscribe(heard.append)
    stale(desk)

    assert [alert.cause for alert in heard] == ["stale BTC"]


def test_a_listener_may_raise_an_alert_itself(desk: AlertDesk) -> None:
    desk.subscribe(lambda alert: desk.alert(Severity.INFO, "echo", "m", "h"))

    stale(desk)

    assert [alert.cause for alert in desk.recent] == ["stale BTC", "echo"]


def test_without_a_journal_the_last_alerts_are_kept_oldest_first(clock: SimulatedClock) -> None:
    desk = AlertDesk(None, clock, COOLDOWN, keep=2)
    for cause in ("a", "b", "c"):
        stale(desk, cause=cause)

    assert [alert.cause for alert in desk.recent] == ["b", "c"]


def test_causes_that_cooled_down_are_forgotten_in_the_end(desk: AlertDesk, journal: FakeJournal, clock: SimulatedClock) -> None:
    for number in range(600):
        stale(desk, cause=f"order {number}")
        clock.advance(timedelta(minutes=1))
    stale(desk, cause="order 599")
    stale(desk, cause="order 0")

    assert len(journal.events) == 601


# ---- cool-downs of their own


def told(journal: FakeJournal) -> list[str]:
    return [event.message for event in journal.events if isinstance(event, AlertRaised)]


def with_cooldown(desk: AlertDesk, minutes: float, severity: Severity = Severity.WARNING) -> None:
    desk.alert(severity, "margin", f"for {minutes:g} min", "add funds", cooldown=timedelta(minutes=minutes))


def test_a_cause_may_cool_down_for_longer_than_the_others(desk: AlertDesk, journal: FakeJournal, clock: SimulatedClock) -> None:
    for _ in range(4):
        with_cooldown(desk, 60)
        clock.advance(timedelta(minutes=20))

    assert told(journal) == ["for 60 min", "for 60 min (and 2 more since it was last told)"]


def test_the_alert_tells_for_how_long_its_cause_is_silent(desk: AlertDesk, journal: FakeJournal) -> None:
    with_cooldown(desk, 2)
    stale(desk)

    assert [event.cooldown_seconds for event in journal.events if isinstance(event, AlertRaised)] == [120.0, None]


def test_l68_a_later_shorter_cool_down_does_not_shorten_the_one_that_runs(
    desk: AlertDesk, journal: FakeJournal, clock: SimulatedClock
) -> None:
    with_cooldown(desk, 60)
    clock.advance(timedelta(minutes=10))
    with_cooldown(desk, 1)
    clock.advance(timedelta(minutes=10))
    with_cooldown(desk, 1)

    assert told(journal) == ["for 60 min"]


def test_l68_an_alert_that_became_more_urgent_keeps_the_longer_cool_down(
    desk: AlertDesk, journal: FakeJournal, clock: SimulatedClock
) -> None:
    with_cooldown(desk, 60)
    with_cooldown(desk, 1, Severity.CRITICAL)
    clock.advance(timedelta(minutes=10))
    with_cooldown(desk, 1, Severity.CRITICAL)

    assert told(journal) == ["for 60 min", "for 1 min"]


def test_a_longer_cool_down_counts_from_when_the_cause_was_last_told(desk: AlertDesk, journal: FakeJournal, clock: SimulatedClock) -> None:
    with_cooldown(desk, 10)
    for _ in range(3):
        clock.advance(timedelta(minutes=8))
        with_cooldown(desk, 20)

    assert told(journal) == ["for 10 min", "for 20 min (and 2 more since it was last told)"]


def test_l70_neither_a_full_disk_nor_many_other_causes_reset_a_cool_down(
    desk: AlertDesk, journal: FakeJournal, clock: SimulatedClock
) -> None:
    heard: list[AlertRaised] = []
    desk.subscribe(heard.append)
    journal.full = True
    with_cooldown(desk, 60)
    for number in range(600):
        desk.alert(Severity.INFO, f"order {number}", "m", "h", cooldown=timedelta(seconds=1))
        clock.advance(timedelta(seconds=2))
    with_cooldown(desk, 60)

    assert [alert.cause for alert in heard].count("margin") == 1


def test_a_cause_without_a_cool_down_is_told_each_time(desk: AlertDesk, journal: FakeJournal) -> None:
    with_cooldown(desk, 0)
    with_cooldown(desk, 0)

    assert len(told(journal)) == 2


# ---- what was done


@pytest.mark.parametrize("cause", ["kill switch", "kill switch flat", "kill switch not flat", "strategy my-own_1 paused"])
def test_what_was_done_is_told_each_time_it_is_done(desk: AlertDesk, journal: FakeJournal, cause: str) -> None:
    stale(desk, Severity.CRITICAL, cause)
    stale(desk, Severity.CRITICAL, cause)

    assert told(journal) == ["the BTC index is 40 s old"] * 2


@pytest.mark.parametrize("cause", ["kill switch butterfly#7", "strategy mine condition paused", "journal", "countdown BTC"])
def test_l45_what_lasts_is_not_taken_for_what_was_done(desk: AlertDesk, journal: FakeJournal, cause: str) -> None:
    stale(desk, Severity.CRITICAL, cause)
    stale(desk, Severity.CRITICAL, cause)

    assert len(told(journal)) == 1
