"""Runs that the rehearsal found and the daemon did not survive: each stays here as the shortest run that showed it."""

from collections.abc import Iterator

import pytest
from loguru import logger

from tests.faults.matrix import Run, perform
from tests.faults.scorecard import failure


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    logger.disable("")
    yield
    logger.enable("")


def wrongs(*names: str) -> list[str]:
    outcomes = [perform(Run.parse(name)) for name in names]
    return [failure(outcome) for outcome in outcomes if not outcome.clean]


def test_a_block_is_judged_by_books_of_which_each_leg_was_asked_for_by_itself() -> None:
    assert wrongs("limit+rfq*2/none/cut json cancel@23+lists cut 20 s@while+wild market 90 s@while/417346") == []


def test_a_request_whose_answer_was_lost_is_found_wherever_our_clock_is_set_meanwhile() -> None:
    assert (
        wrongs(
            "rfq/wire:request:answered@0~0/machine's clock ahead 300 s@t1/808159",
            "rfq/wire:request:answered@0~5/machine's clock behind 300 s@dead/808159",
            "rfq/wire:request:answered@0~90/machine's clock ahead 300 s@1/808159",
        )
        == []
    )


DAMAGED = "damaged journal at restart"


def test_a_journal_that_lost_the_accept_of_a_block_opens_nothing_twice() -> None:
    assert (
        wrongs(
            f"rfq/journal:CloseStarted:after/{DAMAGED}/97742",
            f"rfq/journal:OpenCompleted:before/{DAMAGED}/829847",
            f"rfq/wire:cancel:answered/{DAMAGED}/372794",
        )
        == []
    )


def test_fills_that_a_damaged_journal_lost_are_taken_up_from_the_venue_by_their_orders_numbers() -> None:
    assert wrongs(f"limit/journal:ExecutionEnded:before/{DAMAGED}/570584", f"limit/journal:OrderSettled:after/{DAMAGED}/87258") == []


def test_a_log_of_which_the_end_would_be_dropped_unseen_lets_nothing_begin_and_a_request_of_it_is_named_to_a_person() -> None:
    assert wrongs(f"auto/none/{DAMAGED}/50133", f"auto/wire:order:sent/{DAMAGED}/178458") == []
