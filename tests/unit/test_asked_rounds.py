"""A person asks for a comparison with the venue, and is told what it found: others' affairs too, within seconds whatever the interval."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from loguru import logger

from command_desk import CommandDesk
from control import Answer, Command, ControlBox, Verb
from domain import Difference
from main import ANSWER_WITHIN
from rounds import Rhythm
from workers import Inbox

from tests.fakes import SECOND, an_option
from tests.unit.reconciling import SharedHouse

D = Difference
DAILY = Rhythm(interval=timedelta(days=1))
QUIET = 700  # ticks after which the first rounds of a start are through


@pytest.fixture
def house() -> SharedHouse:
    """A house that compares once a day and has done so."""
    house = SharedHouse(rhythm=DAILY)
    house.show()
    house.tick(20)
    return house


def rounds_of(house: SharedHouse, seconds: int) -> int:
    """Return how often the venue's list of open orders was read for comparisons in so many seconds."""
    before = house.shared._turn
    house.tick(seconds)
    return house.shared._turn - before


def asked(house: SharedHouse) -> list[str]:
    """Ask, and return the list that the answer will be in."""
    answers: list[str] = []
    house.reconciler.ask(answers.append)
    return answers


def test_one_question_is_answered_with_what_others_bought_since_within_seconds(house: SharedHouse) -> None:
    house.shared.others_hold("-2")

    answers = asked(house)
    house.tick(9)

    assert house.standing() == [D.POSITION_OF_OTHERS]
    [said] = answers
    assert f"position of others, {an_option().symbol}" in said
    assert "-2 are not ours" in said
    assert "once more" not in said


def test_where_nothing_differs_the_answer_comes_with_the_first_round(house: SharedHouse) -> None:
    answers = asked(house)
    house.tick(2)
    assert "found no difference" in answers[0]


def test_what_others_sold_again_is_over_within_seconds_too(house: SharedHouse) -> None:
    house.shared.others_hold("-2")
    asked(house)
    house.tick(9)

    house.shared.others_hold("2")
    answers = asked(house)
    house.tick(9)

    assert house.standing() == []
    assert "found no difference" in answers[0]


def test_a_second_look_at_what_others_did_waits_seconds_and_no_interval(house: SharedHouse) -> None:
    house.shared.others_hold("-2")
    house.reconciler.due("the interval is over")

    house.tick(9)

    assert house.standing() == [D.POSITION_OF_OTHERS]


def test_two_who_ask_at_once_are_both_told_of_a_round_that_began_after_they_asked(house: SharedHouse) -> None:
    first, second = asked(house), asked(house)
    house.tick(4)
    assert len(first) == len(second) == 1


def test_a_question_while_a_round_runs_is_answered_by_the_next_which_follows_at_once(house: SharedHouse) -> None:
    before = house.shared.snapshot()
    first = asked(house)
    house.tick(2, account=before)  # the round waits for an account that is younger
    house.shared.others_hold("-2")

    second = asked(house)
    house.tick(1)
    assert (len(first), len(second)) == (0, 0), "others' holding was seen once"
    house.tick(9)

    assert all("-2 are not ours" in said for said in (*first, *second))


def test_who_asks_while_a_round_runs_is_not_told_what_was_read_before_and_does_not_wait_long(house: SharedHouse) -> None:
    before = house.shared.snapshot()
    first = asked(house)
    house.tick(2, account=before)
    second = asked(house)

    house.tick()
    assert (len(first), len(second)) == (1, 0)
    house.tick(2)

    assert len(second) == 1


def test_an_answer_that_takes_too_long_says_why_and_where_the_result_will_be(house: SharedHouse) -> None:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), format="{message}", filter="rounds")
    try:
        house.shared.fail_reads.add("fills")
        house.shared.others_hold("-2")
        answers = asked(house)
        house.tick(13)
        [said] = answers
        assert "complete yet (fills unknown" in said
        assert "in the log and in --status" in said
        assert lines == []

        house.shared.fail_reads.clear()
        house.tick(15)
        assert "-2 are not ours" in lines[0]
        house.reconciler.due("a story")
        house.tick(3)
    finally:
        logger.remove(sink)
    assert len(lines) == 1


def test_what_one_look_has_seen_is_said_to_be_no_more_than_that(house: SharedHouse) -> None:
    house.shared.others_hold("-2")
    answers = asked(house)
    house.tick(3)
    house.shared.fail_reads.add("fills")

    house.tick(10)

    assert "to be looked at once more before it is believed:\nposition of others" in answers[0]
    assert "is in the log and in --status once it is known" in answers[0]


def test_a_holding_of_others_that_an_order_of_ours_hides_keeps_nobody_waiting(house: SharedHouse) -> None:
    house.shared.others_hold("-2")
    house.reconciler.due("a story")
    house.tick(2)
    house.create()
    house.tick(2)
    assert house.path.ledger.live()

    answers = asked(house)
    house.tick(3)

    assert "no difference" in answers[0]


def test_others_who_change_all_day_are_looked_at_ever_more_seldom() -> None:
    house = SharedHouse(rhythm=Rhythm(interval=timedelta(seconds=60)))
    house.tick(QUIET)
    asked(house)
    counts = []
    for minute in range(20):
        for second in range(60):
            house.shared.foreign.clear()
            house.shared.others_order(symbol=f"X{minute}-{second}")
            counts.append(rounds_of(house, 1))
    assert sum(counts[:120]) >= 4
    assert sum(counts[-600:]) <= 11


def test_a_holding_of_others_that_changes_is_in_the_log(house: SharedHouse) -> None:
    house.shared.others_hold("-2")
    asked(house)
    house.tick(9)
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), format="{message}", filter="difference_book")
    try:
        house.shared.others_hold("-1")
        answers = asked(house)
        house.tick(3)
    finally:
        logger.remove(sink)
    assert "difference changed" in lines[0]
    assert "-3 are not ours" in answers[0]


# ---- how the answer finds its way


class Slow:
    """A box whose one command is answered when the test says so."""

    def __init__(self, home: Path) -> None:
        self.box, self.inbox = ControlBox(home), Inbox()
        self.tell: Callable[[str], None] | None = None
        self.desk = CommandDesk(self.box, {Verb.RECONCILE: lambda _: self.later}, self.inbox.put)

    def later(self, tell: Callable[[str], None]) -> None:
        self.tell = tell


def test_an_answer_that_comes_later_reaches_whoever_asked(tmp_path: Path) -> None:
    slow = Slow(tmp_path)
    file = slow.box.put(Command(verb=Verb.RECONCILE))
    slow.desk.look()
    slow.inbox.drain()
    assert slow.box.wait(file, 0.0) is None
    assert slow.tell is not None

    slow.tell("all is well")

    assert slow.box.wait(file, 0.2) == Answer(done=True, said="all is well")


def test_a_round_takes_no_longer_than_whoever_waits_for_its_answer() -> None:
    assert Rhythm().answer + 3 * SECOND < timedelta(seconds=ANSWER_WITHIN)
