"""The margin rises and falls against its levels: who is told, when nothing is opened any more, and what not knowing means."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from loguru import logger

from domain import AccountSnapshot, Severity, TradingState, unknown_account
from margin_watch import MarginWatch, margin_levels, margin_pct
from trading_state import TradingStates

from tests.fakes import START, FakeAlerts, FakeJournal, an_account
from tests.unit.test_trading_state import Office

LEVELS = (Decimal(50), Decimal(70), Decimal(85))
A, R = TradingState.ACTIVE, TradingState.REDUCING


def margined(pct: str | None, equity: str = "1000") -> AccountSnapshot:
    """An account whose maintenance margin is so many per cent of its equity."""
    needed = None if pct is None else Decimal(pct) * Decimal(equity) / 100
    return replace(an_account(), equity=Decimal(equity), maintenance_margin=needed)


class Room:
    """A watch over an account, with the states that it may hold."""

    def __init__(self, levels: Sequence[Decimal] = LEVELS, reduce_pct: str = "90", journal: FakeJournal | None = None) -> None:
        self.office = Office(journal)
        self.states: TradingStates = self.office.states
        self.alerts = FakeAlerts()
        self.watch = MarginWatch(self.office.margin, self.alerts, margin_levels(levels), Decimal(reduce_pct))

    def sees(self, *pcts: str | None) -> None:
        """Let the watch look at one account after the other."""
        for pct in pcts:
            self.watch.look(margined(pct))

    @property
    def told(self) -> list[tuple[str, Severity]]:
        """The levels that were told, in order."""
        return [(alert.cause, alert.severity) for alert in self.alerts.raised]


def test_rising_margin_is_told_level_by_level_and_ever_more_urgently() -> None:
    room = Room()

    room.sees("10", "55", "56", "75", "88")

    assert room.told == [("margin 50 %", Severity.INFO), ("margin 70 %", Severity.WARNING), ("margin 85 %", Severity.CRITICAL)]
    assert "750" in room.alerts.raised[1].message
    assert room.states.state is A


@pytest.mark.parametrize(("pct", "told"), [("49.99", 0), ("50", 1)])
def test_l69_a_level_is_reached_when_it_is_touched(pct: str, told: int) -> None:
    room = Room()

    room.sees(pct)

    assert len(room.told) == told


def test_a_jump_over_levels_tells_the_highest() -> None:
    room = Room()

    room.sees("10", "86")

    assert room.told == [("margin 85 %", Severity.CRITICAL)]


def test_a_margin_that_trembles_at_a_level_is_told_once() -> None:
    room = Room()

    room.sees("70", "69", "68", "70", "69.9", "71")

    assert room.told == [("margin 70 %", Severity.WARNING)]


def test_a_margin_that_fell_clearly_and_rises_again_is_told_again() -> None:
    room = Room()

    room.sees("70", "67.9", "70")

    assert room.told == [("margin 70 %", Severity.WARNING)] * 2


@pytest.mark.parametrize(("pct", "state"), [("89.99", A), ("90", R), ("140", R)])
def test_l69_from_the_last_threshold_on_nothing_is_opened(pct: str, state: TradingState) -> None:
    room = Room()

    room.sees(pct)

    assert room.states.state is state


def test_nothing_is_opened_until_the_margin_is_below_the_last_level() -> None:
    room = Room()

    room.sees("92", "89", "85")
    assert room.states.state is R
    room.sees("84.9")

    assert room.states.state is A


def test_a_threshold_below_the_last_level_does_not_flap() -> None:
    room = Room(reduce_pct="75")

    room.sees("80")
    assert room.states.state is R
    room.sees("74")
    assert room.states.state is R
    room.sees("72.9")

    assert room.states.state is A


def test_l70_a_margin_that_cannot_be_judged_keeps_its_state_and_says_so_once() -> None:
    room = Room()
    room.sees("92")

    room.sees(None, None, None)
    room.watch.look(unknown_account(START, "the venue is silent"))

    assert room.states.state is R
    [alert] = room.alerts.about("margin unknown")
    assert alert.message.endswith("stays as it was: nothing is opened")
    room.sees("92")
    assert room.told.count(("margin 85 %", Severity.CRITICAL)) == 1, "it had been told before"
    room.sees(None)
    assert len(room.alerts.about("margin unknown")) == 2


def test_an_account_that_is_not_known_is_one_call_and_the_margin_only_a_line_of_the_log() -> None:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), format="{message}", filter="margin_watch")
    room, silent = Room(), unknown_account(START, "the account is 31 s old, at most 30 s")
    room.sees("10")

    for _ in range(9):
        room.watch.look(silent)

    logger.remove(sink)
    assert room.told == []
    assert [line for line in lines if "margin unknown" in line] == [
        "margin unknown: the margin cannot be judged (the account is 31 s old, at most 30 s); it stays as it was: level 0 of 3\n"
    ]


def test_a_margin_that_is_unknown_still_once_the_account_is_known_again_calls_a_person() -> None:
    room = Room()
    room.sees("10")
    room.watch.look(unknown_account(START, "the account is 31 s old, at most 30 s"))

    room.sees(None, None)

    assert room.told == [("margin unknown", Severity.WARNING)]
    assert "the venue does not say" in room.alerts.raised[0].message


def test_l70_a_margin_that_cannot_be_judged_does_not_tighten_either() -> None:
    room = Room()

    room.sees("10", None, "10")

    assert room.states.state is A


def test_an_account_that_was_never_read_is_no_news() -> None:
    room = Room()

    room.watch.look(unknown_account(START, "not read yet"))

    assert room.told == []


def test_l66_a_venue_that_never_says_its_margin_is_told_of_and_not_taken_for_zero() -> None:
    room = Room()

    room.watch.look(replace(an_account(), maintenance_margin=None))

    assert room.told == [("margin unknown", Severity.WARNING)]


@pytest.mark.parametrize("equity", ["0", "-5"])
def test_no_equity_left_is_beyond_every_level(equity: str) -> None:
    room = Room()

    room.watch.look(margined("10", equity))

    assert room.told == [("margin 85 %", Severity.CRITICAL), ("margin reducing", Severity.CRITICAL)]
    assert room.states.causes[0].reason == "no equity is left to carry the maintenance margin; from 90 % on nothing is opened"
    assert room.states.state is R


def test_a_margin_of_zero_is_known_and_well() -> None:
    assert margin_pct(Decimal(1000), Decimal(0)) == 0
    assert margin_pct(Decimal(1000), None) is None
    assert margin_pct(None, Decimal(10)) is None


def test_numbers_of_an_account_that_is_not_valid_are_not_judged() -> None:
    room = Room()

    room.watch.look(replace(margined("95"), valid=False))

    assert room.told == []
    assert room.states.state is not R


def test_available_margin_below_zero_is_told_once_until_it_is_back() -> None:
    room = Room()

    for available in ("0", "-0.01", "-3", "0", "-1"):
        room.watch.look(replace(margined("10"), available_margin=Decimal(available)))

    assert room.told == [("margin overdrawn", Severity.CRITICAL)] * 2


def test_available_margin_that_is_not_known_says_nothing() -> None:
    room = Room()

    room.watch.look(replace(margined("10"), available_margin=None))

    assert room.told == []


def test_after_a_restart_the_hold_stands_until_the_margin_is_well() -> None:
    first = Room()
    first.sees("92")

    again = Room(journal=first.office.journal)
    again.sees("87")
    assert again.states.state is R
    again.sees("80")

    assert again.states.state is A


def test_a_release_that_cannot_be_written_is_tried_again() -> None:
    room = Room()
    room.sees("92")
    room.office.journal.fail_next = 1

    room.sees("60")
    assert room.states.state is R
    room.sees("60")

    assert room.states.state is A


def test_levels_by_their_number() -> None:
    def ranks(*pcts: int) -> list[Severity]:
        return [level.severity for level in margin_levels([Decimal(pct) for pct in pcts])]

    assert ranks(60) == [Severity.CRITICAL]
    assert ranks(60, 40) == [Severity.WARNING, Severity.CRITICAL]
    assert ranks(10, 20, 30, 40) == [Severity.INFO, Severity.INFO, Severity.WARNING, Severity.CRITICAL]


def test_a_watch_without_levels_still_holds() -> None:
    room = Room(levels=())

    room.sees("90")
    assert room.states.state is R
    room.sees("87.9")

    assert room.states.state is A
    assert room.told == [("margin reducing", Severity.CRITICAL)]


def test_l45_that_the_account_is_closed_to_openings_calls_once_until_it_is_open_again() -> None:
    room = Room(levels=())

    for pct in ("91", "95", "89", "92", "80", "93"):
        room.sees(pct)

    assert room.told == [("margin reducing", Severity.CRITICAL)] * 2


def test_a_margin_that_a_person_has_overruled_calls_nobody() -> None:
    room = Room(levels=())
    room.sees("91")
    room.states.overrule("margin", "a person")

    room.sees("92")
    room.sees("93")

    assert room.told == [("margin reducing", Severity.CRITICAL)]
