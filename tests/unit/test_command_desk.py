"""A person's word is taken once, obeyed on the tick thread, and answered."""

from decimal import InvalidOperation as DecimalInvalid
from pathlib import Path

import pytest

from command_desk import CommandDesk
from control import Answer, Command, ControlBox, Verb
from errors import InvalidTransition, RiskDenied
from workers import Inbox


class Desk:
    """A box, a desk that knows two verbs, and an inbox for the tick."""

    def __init__(self, home: Path) -> None:
        self.box, self.inbox = ControlBox(home), Inbox()
        self.refuse: Exception | None = None
        self.desk = CommandDesk(self.box, {Verb.CLOSE: self.close}, self.inbox.put)
        self.done: list[Command] = []

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


def test_a_command_is_obeyed_once(desk: Desk) -> None:
    desk.give(Verb.CLOSE, "7")
    desk.desk.look()
    desk.inbox.drain()
    assert len(desk.done) == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyError(7), "there is no 7"),
        (ValueError("no such strategy runs here"), "no such strategy runs here"),
        (RiskDenied("not now"), "not now"),
        (InvalidTransition("trade 7", "closed", "CloseRequested"), "closed"),
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
    answer = desk.give(Verb.KILL)
    assert answer is not None
    assert not answer.done


def test_one_refusal_does_not_keep_the_next_from_being_heard(desk: Desk) -> None:
    desk.box.put(Command(verb=Verb.KILL))
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
