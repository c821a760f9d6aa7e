"""A person's word is taken once, obeyed on the tick thread, and answered."""

import os
from decimal import InvalidOperation as DecimalInvalid
from pathlib import Path

import pytest
from loguru import logger

from clock import wall_now
from command_desk import CommandDesk
from control import Answer, Command, ControlBox, Taken, Verb
from errors import InvalidTransition, RiskDenied
from workers import Inbox

KNOWN = (Verb.CLOSE, Verb.MANAGE, Verb.WRITE_OFF, Verb.RELEASE, Verb.KILL, Verb.HALT, Verb.ACKNOWLEDGE, Verb.ACTIVATE)


class Desk:
    """A box, a desk that knows some verbs, and an inbox for the tick."""

    def __init__(self, home: Path) -> None:
        self.box, self.inbox = ControlBox(home), Inbox()
        self.refuse: Exception | None = None
        self.desk = CommandDesk(self.box, dict.fromkeys(KNOWN, self.close), self.inbox.put)
        self.done: list[Command] = []

    def leave(self, *verbs: Verb) -> None:
        """Leave commands while no daemon runs, one after the other."""
        for number, verb in enumerate(verbs):
            file = self.box.put(Command(verb=verb, target=str(number)))
            os.utime(file, (0, wall_now().timestamp() - 3))

    def close(self, command: Command) -> str:
        if self.refuse is not None:
            raise self.refuse
        self.done.append(command)
        return f"trade {command.target} is being closed"

    def give(self, verb: Verb, target: str = "") -> Answer | None:
        file = self.box.put(Command(verb=verb, target=target))
        self.desk.look()
        self.inbox.drain()
        return self.box.wait(file, 0.2)

    def give_late(self, verb: Verb, seconds: float) -> Answer | None:
        """Give a command that has waited so long."""
        file = self.box.put(Command(verb=verb, confirmed=True))
        os.utime(file, (0, wall_now().timestamp() - seconds))
        self.desk.look()
        self.inbox.drain()
        return self.box.wait(file, 0.2)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_command_is_obeyed_on_the_tick_and_answered(desk: Desk) -> None:
    file = desk.box.put(Command(verb=Verb.CLOSE, target="7"))
    desk.desk.look()
    assert desk.done == []

    desk.inbox.drain()

    assert [command.target for command in desk.done] == ["7"]
    assert desk.box.wait(file, 0.2) == Answer(done=True, said="trade 7 is being closed")


def test_what_was_left_before_a_start_is_obeyed_before_its_first_tick(desk: Desk) -> None:
    desk.leave(Verb.HALT, Verb.CLOSE, Verb.KILL)

    desk.desk.begin()

    assert [command.verb for command in desk.done] == [Verb.HALT, Verb.CLOSE, Verb.KILL]


@pytest.mark.parametrize("late", [False, True], ids=["at the start", "with the first look"])
def test_a_word_that_loosens_and_was_left_before_a_start_is_dropped(desk: Desk, late: bool) -> None:
    desk.leave(Verb.ACKNOWLEDGE, Verb.ACTIVATE, Verb.RELEASE)

    if late:
        desk.desk.look()
        desk.inbox.drain()
    else:
        desk.desk.begin()

    assert desk.done == []
    assert desk.give(Verb.ACKNOWLEDGE) == Answer(done=True, said="trade  is being closed")


def test_a_command_is_obeyed_once(desk: Desk) -> None:
    desk.give(Verb.CLOSE, "7")
    desk.desk.look()
    desk.inbox.drain()
    assert len(desk.done) == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyError(7), "there is no trade 7, see --status"),
        (ValueError("no such strategy runs here"), "no such strategy runs here"),
        (RiskDenied("not now"), "not now"),
        (InvalidTransition("quick#7", "closed", "CloseRequested"), "trade quick#7 is closed; it has ended, so there is nothing to close"),
        (DecimalInvalid("nan"), "what it did is not known"),
    ],
)
def test_a_refusal_is_answered_with_its_reason(desk: Desk, error: Exception, said: str) -> None:
    desk.refuse = error
    answer = desk.give(Verb.CLOSE, "7")
    assert answer is not None
    assert not answer.done
    assert said in answer.said


def test_a_verb_nobody_knows_is_refused(desk: Desk) -> None:
    answer = desk.give(Verb.THAW)
    assert answer is not None
    assert not answer.done


def test_one_refusal_does_not_keep_the_next_from_being_heard(desk: Desk) -> None:
    desk.box.put(Command(verb=Verb.THAW))
    desk.box.put(Command(verb=Verb.CLOSE, target="8"))
    desk.desk.look()
    desk.inbox.drain()
    assert [command.target for command in desk.done] == ["8"]


def test_without_a_daemon_there_is_no_answer_and_the_command_waits(desk: Desk) -> None:
    file = desk.box.put(Command(verb=Verb.CLOSE, target="7"))
    assert desk.box.wait(file, 0.05) is None
    assert [taken.command.target for taken in desk.box.take()] == ["7"]


def test_a_command_that_fails_in_a_way_nobody_thought_of_does_not_keep_the_kill_switch_from_being_heard(desk: Desk) -> None:
    desk.refuse = DecimalInvalid("nan")
    desk.box.put(Command(verb=Verb.CLOSE, target="7"))
    file = desk.box.put(Command(verb=Verb.KILL))
    desk.desk.look()
    desk.inbox.drain()
    assert desk.box.wait(file, 0.2) is not None


def test_one_file_that_cannot_be_removed_keeps_no_other_from_being_taken(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "commands" / "0.json").mkdir(parents=True)  # which no unlink removes, whoever asks
    desk.box.put(Command(verb=Verb.CLOSE, target="8"))
    assert [taken.command.target for taken in desk.box.take()] == ["8"]
    assert desk.box.take() == []


def test_what_cannot_be_read_is_put_aside(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "commands").mkdir()
    (tmp_path / "commands" / "x.json").write_text("{")
    assert desk.box.take() == []
    assert (tmp_path / "commands" / "x.bad").exists()


def test_an_answer_that_cannot_be_left_stops_nothing(desk: Desk, tmp_path: Path) -> None:
    desk.box.put(Command(verb=Verb.CLOSE, target="7"))
    desk.desk.look()
    (tmp_path / "commands").rmdir()
    desk.inbox.drain()
    assert [command.target for command in desk.done] == ["7"]


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        (Verb.MANAGE, "trade quick#7 is open; only a quarantined trade can be managed again"),
        (Verb.WRITE_OFF, "trade quick#7 is open; only a quarantined trade can be written off"),
        (Verb.RELEASE, "trade quick#7 is open; only an open or a quarantined trade can be handed over"),
    ],
)
def test_what_a_trade_cannot_do_is_told_in_a_persons_words(desk: Desk, verb: Verb, said: str) -> None:
    desk.refuse = InvalidTransition("quick#7", "open", "TradeReleased")
    assert desk.give(verb, "7") == Answer(done=False, said=said)


@pytest.mark.parametrize(("verb", "seconds", "obeyed"), [(Verb.KILL, 50, True), (Verb.KILL, 70, False), (Verb.CLOSE, 7000, True)])
def test_a_kill_that_nobody_heard_for_a_minute_is_dropped_and_told(desk: Desk, verb: Verb, seconds: float, obeyed: bool) -> None:
    answer = desk.give_late(verb, seconds)

    assert answer is not None
    assert (answer.done, bool(desk.done)) == (obeyed, obeyed)
    assert obeyed or answer.said.endswith("s ago, when no daemon heard it, and is dropped: look, and say it again")


def test_a_refused_command_is_a_warning_and_no_error(desk: Desk) -> None:
    levels: list[str] = []
    ear = logger.add(lambda line: levels.append(line.record["level"].name), filter=lambda record: "command refused" in record["message"])
    desk.refuse = KeyError(99)
    desk.give(Verb.CLOSE, "99")
    logger.remove(ear)
    assert levels == ["WARNING"]


def test_what_cannot_be_written_leaves_no_draft_behind(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "commands" / "x.answer").mkdir(parents=True)  # whose place no file takes
    desk.box.answer(Taken(Command(verb=Verb.CLOSE), "x", 0), Answer(done=True, said=""))
    assert [file.name for file in (tmp_path / "commands").iterdir()] == ["x.answer"]


def test_a_command_is_written_as_it_is_typed() -> None:
    assert str(Command(verb=Verb.WRITE_OFF, target="7")) == "write-off 7"
