"""What executions have written: journalled before it is believed, and found again after a restart."""

from datetime import timedelta

import pytest

from clock import SimulatedClock
from domain import ExecutionMode, Purpose, Remedy
from errors import JournalError
from events import ExecutionEnded, ExecutionStarted, LeggingBreached, LegsApart
from execution_log import ExecutionLog

from tests.fakes import START, FakeJournal, a_fill, a_name, filled

M = ExecutionMode
OPEN, CLOSE = Purpose.OPEN, Purpose.CLOSE


@pytest.fixture
def journal() -> FakeJournal:
    return FakeJournal()


@pytest.fixture
def log(journal: FakeJournal) -> ExecutionLog:
    return ExecutionLog(journal, SimulatedClock(START))


def again(journal: FakeJournal) -> ExecutionLog:
    """What a restart finds."""
    log = ExecutionLog(journal, SimulatedClock(START + timedelta(hours=1)))
    log.restore(journal.events)
    return log


def test_runs_are_counted_over_all_purposes(log: ExecutionLog) -> None:
    for purpose in (OPEN, OPEN, CLOSE):
        log.begin(1, purpose, M.LIMIT, "a test", ())
    log.begin(2, OPEN, M.RFQ, "a test", ())
    assert [run.started.run for run in log.runs(1)] == [1, 2, 3]
    assert log.last(2) is log.runs(2)[0]
    assert log.last(3) is None
    assert [event.purpose for event in log.marks(1, OPEN)] == [OPEN, OPEN]


def test_nothing_is_believed_that_is_not_written(log: ExecutionLog, journal: FakeJournal) -> None:
    journal.fail_next = 1
    with pytest.raises(JournalError):
        log.begin(1, OPEN, M.LIMIT, "a test", ())
    assert log.runs(1) == ()
    run = log.begin(1, OPEN, M.LIMIT, "a test", ())
    journal.fail_next = 1
    with pytest.raises(JournalError):
        run.write(ExecutionEnded, success=True)
    assert run.ended is None
    run.write(ExecutionEnded, success=True)
    assert [event.success for event in run.written(ExecutionEnded)] == [True]


def test_l32_a_restart_finds_every_run_its_marks_and_its_fills(log: ExecutionLog, journal: FakeJournal) -> None:
    first = log.begin(1, OPEN, M.LIMIT, "a test", ())
    journal.append(filled(a_fill("0.4", fill_id="a")))
    first.write(LegsApart)
    first.write(LeggingBreached, remedy=Remedy.CROSS, reason="too long")
    first.write(ExecutionEnded, success=False, reason="too long")
    log.begin(1, OPEN, M.LIMIT, "cross", (), urgent=True, remedy=Remedy.CROSS)
    journal.append(filled(a_fill("0.6", fill_id="b")))
    found = again(journal)
    one, two = found.runs(1)
    assert [event.fill.id for event in one.fills] == ["a"]
    assert [event.fill.id for event in two.fills] == ["b"]
    assert (one.ended is not None, two.ended) == (True, None)
    assert (two.started.remedy, two.started.urgent, two.began_at) == (Remedy.CROSS, True, START)
    assert found.marks(1, OPEN) == [*log.runs(1)[0].events, *log.runs(1)[1].events]
    assert [mark.remedy for mark in one.written(LeggingBreached)] == [Remedy.CROSS]


def test_an_event_goes_to_the_run_that_it_names_also_when_a_later_one_has_begun(log: ExecutionLog, journal: FakeJournal) -> None:
    first = log.begin(1, OPEN, M.LIMIT, "a test", ())
    log.begin(1, CLOSE, M.LIMIT, "a test", ())
    first.write(ExecutionEnded, success=True)
    assert [run.ended is not None for run in again(journal).runs(1)] == [True, False]


def test_fills_and_events_of_trades_without_a_run_are_passed_over(log: ExecutionLog) -> None:
    log.take(filled(a_fill(), a_name(trade=9)))
    stray = ExecutionEnded(at=START, trade=9, run=1, purpose=OPEN, success=True)
    log.take(stray)
    log.begin(1, OPEN, M.LIMIT, "a test", ())
    log.take(filled(a_fill(), a_name(trade=9)))
    log.restore([stray])
    assert log.runs(9) == ()
    assert (log.runs(1)[0].fills, log.runs(1)[0].ended) == ([], None)


def test_a_trade_that_has_ended_leaves_nothing(log: ExecutionLog) -> None:
    log.begin(1, OPEN, M.LIMIT, "a test", ())
    log.forget(1)
    log.forget(1)
    assert log.runs(1) == ()
    assert log.begin(1, OPEN, M.LIMIT, "a test", ()).started.run == 1


def test_events_are_written_at_the_moment_they_are(journal: FakeJournal) -> None:
    clock = SimulatedClock(START)
    run = ExecutionLog(journal, clock).begin(3, CLOSE, M.SMART, "why", ())
    clock.advance(timedelta(seconds=7))
    run.write(LegsApart)
    started, apart = journal.events
    assert isinstance(started, ExecutionStarted) and (started.trade, started.run, started.mode, started.reason) == (3, 1, M.SMART, "why")
    assert apart == LegsApart(at=START + timedelta(seconds=7), trade=3, run=1, purpose=CLOSE)
