"""How the end of an answer is told: as what happened, whichever news of it comes first, and with no warning where nothing is wrong."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from loguru import logger

from domain import RFQStatus
from trade_lifecycle import TradeState

from tests.unit.maker_house import MakerHouse
from tests.unit.maker_stories import a_house, all_well, ended, quoted


@pytest.fixture
def log() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line).rstrip()), format="{level} {message}")
    yield lines
    logger.remove(sink)


def told_over(house: MakerHouse, status: RFQStatus) -> None:
    """Let the stream say of the request that it is over, before it says anything of our quote."""
    house.maker.news(replace(house.venue.board["r1"], status=status))


def test_an_answer_that_was_taken_is_told_as_taken_and_not_as_taken_back(log: list[str]) -> None:
    house = quoted()
    house.venue.take()
    told_over(house, RFQStatus.FILLED)
    house.until(lambda: house.trade.state is TradeState.OPEN)

    assert [line for line in log if "taken back" in line or line.startswith("WARNING")] == []
    assert len([line for line in log if line.startswith("INFO quote taken trade=1")]) == 1
    assert house.venue.asked["cancel"] == 0
    assert ended(house) == [("filled", "")]
    all_well(house)


def test_an_answer_that_was_taken_is_not_cancelled_while_its_block_is_not_shown_yet() -> None:
    house = quoted()
    house.venue.take()
    house.venue.hide_blocks = True
    told_over(house, RFQStatus.FILLED)
    house.tick(20)
    assert house.venue.asked["cancel"] == 0
    house.venue.hide_blocks = False
    house.until(lambda: house.trade.state is TradeState.OPEN)
    all_well(house)


def test_an_answer_whose_request_went_to_another_ends_without_a_cancel(log: list[str]) -> None:
    house = quoted()
    house.venue.over(status=RFQStatus.TRADED_AWAY)
    told_over(house, RFQStatus.TRADED_AWAY)
    house.until(lambda: house.trade.state is TradeState.FAILED)

    assert house.trade.reason == "the request is over"
    assert house.venue.asked["cancel"] == 0
    assert not [line for line in log if "not taken back" in line]


def test_an_answer_that_still_stands_though_its_request_was_told_over_is_taken_back() -> None:
    house = quoted()
    told_over(house, RFQStatus.CANCELLED)  # which is not so
    house.until(lambda: house.trade.state is TradeState.FAILED)

    assert house.standing == []
    assert house.venue.asked["cancel"] == 1


def test_an_answer_of_which_the_venue_cannot_say_what_became_is_taken_back() -> None:
    house = quoted()
    house.venue.find_fails = 2
    told_over(house, RFQStatus.CANCELLED)
    house.tick(3)
    assert house.venue.asked["cancel"] >= 1


def test_a_taker_who_is_faster_than_our_cancel_is_no_warning(log: list[str]) -> None:
    house = quoted()
    house.venue.take_in_cancel = True
    house.maker.pause("maker")
    house.until(lambda: house.trade.state is TradeState.OPEN)

    assert [line for line in log if "not taken back yet" in line] == []
    assert len([line for line in log if line.startswith("INFO quote not open any more")]) == 1
    all_well(house)


def test_until_options_are_listed_a_request_is_told_to_wait_for_the_list() -> None:
    house = a_house()
    house.maker.tick(house.snapshot())  # the board itself has to be read first
    house.inbox.drain()
    house.maker.tick(house.snapshot())

    assert house.maker.why_not("maker") == {"r1": "the listed options of BTC are not loaded yet"}
    quoted(house)
