"""The account's state: many causes, the strictest counts, and none is loosened by anybody but its own rule or a person."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clock import SimulatedClock
from domain import TradingState, Verdict
from errors import JournalError
from events import AccountStateChanged
from trading_state import JOURNAL, KILL_SWITCH, PERSON, Rule, TradingStates

from tests.fakes import START, FakeAlerts, FakeJournal

A, R, H = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED


class Office:
    """The states with their journal; `restart` is another life on the same journal."""

    def __init__(self, journal: FakeJournal | None = None, clock: SimulatedClock | None = None) -> None:
        self.journal, self.alerts, self.clock = journal or FakeJournal(), FakeAlerts(), clock or SimulatedClock(START)
        self.states = TradingStates(self.journal, self.clock, self.alerts)
        self.states.restore(self.journal.events)
        self.margin, self.books = self.states.rule("margin"), self.states.rule("books")

    def restart(self) -> "Office":
        """Die and come back."""
        return Office(self.journal, self.clock)

    @property
    def standing(self) -> dict[str, TradingState]:
        """The causes by name."""
        return {cause.name: cause.state for cause in self.states.causes}


def test_an_account_that_nobody_holds_is_active() -> None:
    office = Office()

    assert office.states.state is A
    assert office.states.entries == Verdict(ok=True)


def test_the_strictest_of_all_causes_counts() -> None:
    office = Office()

    office.margin.hold("92 % of equity")
    assert office.states.state is R
    office.states.order(H, "hands off")

    assert office.states.state is H
    assert office.states.entries.reason == "the account is reducing: 92 % of equity; the account is halted: hands off"


def test_a_rule_takes_back_its_own_cause_and_no_other() -> None:
    office = Office()
    office.margin.hold("92 %")
    office.books.hold("a difference")
    office.states.order(R, "I look")

    office.books.release("agreed again")

    assert office.standing == {"margin": R, PERSON: R}


def test_l68_a_later_and_milder_cause_never_loosens_what_stands() -> None:
    office = Office()
    office.states.order(H, "hands off")

    office.margin.hold("92 %")
    office.margin.release("80 %")

    assert office.states.state is H


def test_l68_naming_a_cause_again_neither_renews_nor_shortens_it() -> None:
    office = Office()
    office.margin.hold("92 %")
    office.clock.advance(timedelta(hours=1))

    office.margin.hold("91 %")

    [cause] = office.states.causes
    assert (cause.since, cause.reason) == (START, "92 %")
    assert len(office.journal.events) == 1


def test_l67_no_day_and_no_restart_makes_a_cause_fade() -> None:
    office = Office()
    office.margin.hold("92 %")

    for _ in range(40):
        office.clock.advance(timedelta(days=1))
        office = office.restart()
        office.states.step()

    assert office.standing == {"margin": R}


def test_a_rule_cannot_speak_for_a_person() -> None:
    with pytest.raises(ValueError, match="no rule is a person"):
        Office().states.rule(PERSON)


def test_a_person_who_activates_is_told_what_still_holds() -> None:
    office = Office()
    office.margin.hold("92 %")
    office.states.order(H, "hands off")

    still = office.states.activate("all looks well")

    assert [str(cause) for cause in still] == ["margin: reducing since 2026-03-02 12:00:00 UTC (92 %)"]
    assert office.states.state is R


def test_a_person_may_go_from_halted_to_reducing() -> None:
    office = Office()
    office.states.order(H, "hands off")

    office.states.order(R, "exits may run")

    assert office.restart().states.state is R


def test_a_person_may_overrule_a_rule_which_then_waits_for_all_to_be_well() -> None:
    office = Office()
    office.margin.hold("92 %")

    office.states.overrule("margin", "I know what I do")
    office.margin.hold("95 %")
    assert office.states.state is A

    office.margin.release("70 %")
    office.margin.hold("93 %")
    assert office.states.state is R


def test_a_person_s_word_against_a_rule_survives_a_restart() -> None:
    office = Office()
    office.margin.hold("92 %")
    office.states.overrule("margin", "I know what I do")

    again = office.restart()
    again.margin.hold("95 %")
    assert again.states.state is A

    again.margin.release("70 %")
    after = again.restart()
    after.margin.hold("93 %")
    assert after.states.state is R


def test_overruling_what_does_not_stand_is_refused() -> None:
    with pytest.raises(KeyError):
        Office().states.overrule("margin", "why not")


@pytest.mark.parametrize(("cause", "word"), [(KILL_SWITCH, "--withdraw-kill"), (JOURNAL, "--acknowledge")])
def test_what_has_a_word_of_its_own_is_not_overruled(cause: str, word: str) -> None:
    office = Office()
    office.states.rule(cause).hold("it stands")

    with pytest.raises(ValueError, match=word):
        office.states.overrule(cause, "enough")
    assert office.states.state is R


def test_every_cause_survives_kill_minus_nine() -> None:
    office = Office()
    office.states.order(H, "hands off")
    office.margin.hold("92 %")
    office.books.hold("a difference")
    office.books.release("agreed again")

    again = office.restart()

    assert again.standing == office.standing == {PERSON: H, "margin": R}
    assert again.margin.holding
    assert not again.books.holding


def test_an_event_without_a_cause_of_its_own_is_its_author_s() -> None:
    journal = FakeJournal()
    journal.append(AccountStateChanged(at=START, state=R, by="margin", reason="92 %"))

    assert Office(journal).standing == {"margin": R}


def test_whoever_listens_is_told_now_and_at_each_change() -> None:
    office = Office()
    told: list[bool] = []

    office.states.on_change(lambda verdict: told.append(verdict.ok))
    office.margin.hold("92 %")
    office.margin.hold("92 %")
    office.margin.release("70 %")

    assert told == [True, False, True]


# ---- a journal that cannot be written


def test_tightening_holds_although_it_cannot_be_written_and_is_written_later() -> None:
    office = Office()
    office.journal.failing = True

    office.margin.hold("92 %")

    assert office.states.state is R
    assert office.alerts.about("journal")
    office.journal.failing = False
    office.states.step()
    assert office.restart().states.state is R


def test_loosening_waits_until_it_is_written() -> None:
    office = Office()
    office.states.order(H, "hands off")
    office.journal.failing = True

    for loosen in (lambda: office.states.activate("well"), lambda: office.states.order(R, "exits")):
        with pytest.raises(JournalError):
            loosen()

    assert office.states.state is H


def test_loosening_never_overtakes_a_tightening_that_is_not_written() -> None:
    office = Office()
    office.journal.fail_next = 2
    office.margin.hold("92 %")

    with pytest.raises(JournalError, match="not written yet"):
        office.margin.release("70 %")
    assert office.states.state is R
    office.margin.release("70 %")

    assert office.restart().states.state is A


# ---- whatever happens in whatever order

ACTS: dict[str, Callable[[Office], object]] = {
    "hold margin": lambda office: office.margin.hold("m"),
    "release margin": lambda office: office.margin.release("m"),
    "hold books": lambda office: office.books.hold("b"),
    "release books": lambda office: office.books.release("b"),
    "halt": lambda office: office.states.order(H, "p"),
    "reduce": lambda office: office.states.order(R, "p"),
    "activate": lambda office: office.states.activate("p"),
    "step": lambda office: office.states.step(),
    "disk": lambda office: setattr(office.journal, "fail_next", 2),
}
PERSONS = frozenset({"reduce", "activate"})


def _held(office: Office, name: str) -> Rule:
    return office.margin if name == "margin" else office.books


@given(st.lists(st.sampled_from(sorted(ACTS)), max_size=40))
def test_nothing_loosens_but_a_person_or_the_rule_that_tightened(acts: list[str]) -> None:
    office = Office()
    for act in acts:
        before = office.standing

        try:
            ACTS[act](office)
        except JournalError:
            assert office.standing == before

        for name, state in before.items():
            loosened = office.standing.get(name, A).strictness < state.strictness
            assert not loosened or (act in PERSONS if name == PERSON else act == f"release {name}")
        assert all(_held(office, name).holding == (name in office.standing) for name in ("margin", "books"))
    office.journal.fail_next = 0
    office.states.step()
    assert office.restart().standing == office.standing
