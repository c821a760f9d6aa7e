"""The record of refusals: one reason however its numbers change, journalled and logged no more often than it is worth."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from loguru import logger

from domain import AccountSnapshot, Severity, Verdict
from errors import InvariantBroken, JournalError
from events import EntriesRefused
from strategy import Refusal, time_window

from tests.unit.condition_builders import NOON, an_unknown_account
from tests.unit.strategy_builders import FakeMarket, Stage, a_chain, a_config


@pytest.fixture
def log() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line).rstrip()), format="{message}", filter="strategy")
    yield lines
    logger.remove(sink)


def test_a_refusal_is_known_since_when_and_how_often() -> None:
    stage = Stage(a_config(entry_conditions=[time_window(20, 21)]))

    for _ in range(3):
        stage.tick()

    assert stage.runner.why_not == ("time_window(20, 21): 12:00 is outside 20:00-21:00 UTC (since 2026-03-18 12:00:01 UTC, 3 times)")
    assert stage.runner.refusal_counts == {"time_window(20, 21)": 3}


def test_l51_changing_numbers_are_one_reason_and_are_journalled_once_a_minute() -> None:
    stage = Stage(a_config(entry_conditions=[time_window(20, 21)]))

    for _ in range(130):
        stage.tick()

    first, second, third = stage.journal.of(EntriesRefused)
    assert first == EntriesRefused(
        at=NOON + timedelta(seconds=1),
        strategy="plain",
        latest="time_window(20, 21): 12:00 is outside 20:00-21:00 UTC",
        counts={"time_window(20, 21)": 1},
    )
    assert isinstance(second, EntriesRefused)
    assert isinstance(third, EntriesRefused)
    assert (second.counts, third.counts) == ({"time_window(20, 21)": 60}, {"time_window(20, 21)": 60})


def test_l51_the_log_has_a_line_when_something_else_refuses_and_none_while_only_numbers_change() -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    stage = Stage(a_config(entry_conditions=[time_window(20, 21)]))

    for _ in range(5):
        stage.tick(after=60)
    stage.tick(after=8 * 3600)
    logger.remove(sink)

    assert stage.runner.refusal is None
    waits = [line for line in lines if line.startswith("strategy waits")]
    assert waits == ["strategy waits name=plain for=time_window(20, 21) because 12:01 is outside 20:00-21:00 UTC\n"]


def test_a_refusal_whose_numbers_change_stands_since_it_began() -> None:
    stage = Stage(a_config(entry_conditions=[time_window(20, 21)]))

    for _ in range(5):
        stage.tick(after=60)

    assert stage.runner.refusal == Refusal(
        "time_window(20, 21)", "12:05 is outside 20:00-21:00 UTC", since=NOON + timedelta(minutes=1), times=5
    )


def test_refusals_before_an_entry_are_journalled_though_nothing_refuses_any_more() -> None:
    stage = Stage(a_config(), market=FakeMarket({})).tick().tick()
    stage.market.chains["BTC"] = a_chain()

    stage.tick(after=60)

    last = stage.journal.of(EntriesRefused)[-1]
    assert isinstance(last, EntriesRefused)
    assert (last.latest, last.counts) == ("nothing: it has entered since", {"market data": 1})


def test_a_journal_that_takes_nothing_costs_no_count() -> None:
    stage = Stage(a_config(), market=FakeMarket({}))
    stage.journal.full = True
    stage.tick().tick()
    assert stage.alerts.told == [(Severity.WARNING, "journal", "cannot write why plain does not enter: the disk is full")]

    stage.journal.full = False
    stage.tick(after=60)

    [event] = stage.journal.of(EntriesRefused)
    assert isinstance(event, EntriesRefused)
    assert event.counts == {"market data": 3}


def test_l51_a_full_disk_is_no_refusal_and_no_line_on_every_tick(log: list[str]) -> None:
    stage = Stage(a_config())
    stage.desk.entries_allowed = Verdict(False, "the account is reducing")
    stage.journal.full = True

    for _ in range(300):
        stage.tick()

    assert log == ["strategy waits name=plain for=entries because the account is reducing"]
    assert stage.runner.refusal_counts == {"entries": 300}
    assert {cause for _, cause, _ in stage.alerts.told} == {"journal"}
    assert len(stage.alerts.told) == 5, "it is tried again once a minute"


def test_l51_an_entry_that_cannot_be_written_is_logged_once_and_told_each_time(log: list[str]) -> None:
    stage = Stage(a_config())
    stage.desk.refusing = JournalError("the disk is full")

    for _ in range(5):
        stage.tick()

    assert stage.runner.failures == 5
    assert [cause for _, cause, _ in stage.alerts.told] == ["strategy plain error"] * 5
    assert log == [
        "strategy waits name=plain for=error because JournalError: the disk is full",
        "strategy failure name=plain count=1: plain cannot enter: the disk is full",
    ]
    stage.desk.refusing = None
    stage.tick()
    stage.desk.close(1)
    stage.desk.refusing = JournalError("the disk is full")
    stage.tick()
    assert log[-1].startswith("strategy failure name=plain count=6")


def test_l51_a_condition_that_goes_on_raising_is_logged_when_it_begins_and_when_it_says_something_else(log: list[str]) -> None:
    faults = iter(["a", "a", "b", None, "b"])

    def broken(account: AccountSnapshot) -> bool:
        fault = next(faults)
        if fault is not None:
            raise ValueError(fault)
        return False

    stage = Stage(a_config(entry_conditions=[broken]))
    for _ in range(5):
        stage.tick()

    assert [line.partition("raised ")[2] for line in log if line.startswith("strategy failure")] == [
        "ValueError('a')",
        "ValueError('b')",
        "ValueError('b')",
    ]
    assert len(stage.alerts.told) == 4


def written(stage: Stage) -> list[str]:
    return [event.latest for event in stage.journal.of(EntriesRefused) if isinstance(event, EntriesRefused)]


def test_what_the_journal_says_of_a_strategy_is_true_as_soon_as_it_has_entered() -> None:
    stage = Stage(a_config())
    stage.tick(account=an_unknown_account())

    stage.tick()

    assert len(stage.desk.trades) == 1
    assert written(stage) == ["account: not known (the venue does not answer)", "nothing: it has entered since"]
    stage.tick()
    assert len(written(stage)) == 2, "what refuses next has its minute"


def test_what_was_only_awaited_does_not_stand_in_the_journal_once_it_has_come() -> None:
    stage = Stage(a_config(entry_conditions=[time_window(20, 21)]))
    stage.tick(account=an_unknown_account())

    stage.tick()

    assert written(stage)[1:] == ["time_window(20, 21): 12:00 is outside 20:00-21:00 UTC"]


def test_l51_what_comes_and_goes_is_journalled_at_most_twice_a_minute() -> None:
    stage = Stage(a_config(entry_conditions=[time_window(20, 21)]))

    for second in range(600):
        stage.tick(account=an_unknown_account() if second % 2 == 0 else None)

    assert len(written(stage)) <= 20


def test_a_word_that_is_not_true_any_more_is_not_tried_on_every_tick_either_while_the_disk_is_full() -> None:
    stage = Stage(a_config())
    stage.tick(account=an_unknown_account())
    stage.journal.full = True

    for _ in range(60):
        stage.tick()
    assert len(stage.alerts.told) == 1
    stage.journal.full = False
    stage.tick()

    assert written(stage)[1] == "max_concurrent_trades: 1 of 1 active"


def test_a_desk_whose_books_are_broken_is_reported_and_the_tick_goes_on() -> None:
    stage = Stage(a_config())
    stage.desk.refusing = InvariantBroken("two trades with one number")

    stage.tick()

    assert stage.runner.why_not.startswith("error: InvariantBroken: two trades with one number")
    assert len(stage.alerts.told) == 1
