"""Several faults and several deaths in one run: read from its name, struck at their moments, healed one by one, and survived."""

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from loguru import logger

from context import TradingContext
from domain import TradingState
from errors import JournalError
from paper.rules import Faults

from tests.faults.__main__ import main
from tests.faults.acts import TROUBLES
from tests.faults.crash import Reaper
from tests.faults.market import START
from tests.faults.matrix import Outcome, Run, perform
from tests.faults.plans import a_plan, several
from tests.faults.schedule import read
from tests.faults.scorecard import Scorecard, failure
from tests.faults.test_fixed_set import SOON, Resends, with_gateway
from tests.faults.together import drawn, reduced
from tests.faults.wire import Kind
from tests.faults.world import World

SHARES = 4
FEW = drawn(12, 7)
_MET: dict[int, list[Outcome]] = {}


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """A failure's line says how to read the log."""
    logger.disable("")
    yield
    logger.enable("")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, a_plan("limit", 12), 12, Reaper(None, 0))
    yield world
    world.close()


def share_of(number: int) -> list[Outcome]:
    """Perform a part of a few, once."""
    if number not in _MET:
        _MET[number] = [perform(run) for run in FEW[number::SHARES]]
    return _MET[number]


# ---- nothing is done wrong


@pytest.mark.parametrize("share", range(SHARES))
def test_troubles_that_come_together_are_survived_with_nothing_done_wrong(share: int) -> None:
    assert [failure(outcome) for outcome in share_of(share) if not outcome.clean] == []


@pytest.mark.soak
def test_in_most_of_them_several_faults_really_strike_and_the_daemon_dies_more_than_once() -> None:
    outcomes = [outcome for share in range(SHARES) for outcome in share_of(share)]

    assert sum(outcome.strikes > 1 for outcome in outcomes) > len(outcomes) // 2
    assert sum(outcome.deaths > 1 for outcome in outcomes) > len(outcomes) // 4


# ---- what a name says


@pytest.mark.parametrize("run", drawn(60, 3), ids=str)
def test_a_run_is_named_whole(run: Run) -> None:
    assert Run.parse(str(run)) == run
    said = read(run.crash, run.fault, random.Random(0))
    assert ("+".join(map(str, said.kills)) or "none") == run.crash
    assert "+".join(map(str, said.troubles)) == run.fault
    assert all(trouble.fault.name == trouble.name for trouble in said.troubles)


def test_a_seed_draws_the_same_runs_however_many_are_asked_for() -> None:
    assert drawn(30, 5)[:10] == drawn(10, 5)
    assert drawn(10, 5) != drawn(10, 6)


def test_runs_that_hold_certain_words_are_drawn_from_the_same() -> None:
    found = drawn(5, 5, "full disk/rise")

    assert len(found) == 5
    assert all("full disk" in str(run) and "rise" in str(run) for run in found)
    assert drawn(5, 5, "no such fault") == []


@pytest.mark.parametrize("moment", ["0", "7", "t6", "dead", "rise", "compare"])
def test_a_fault_strikes_at_each_of_its_moments(moment: str) -> None:
    outcome = perform(Run.parse(f"limit/wire:create:processed@0~5/html 15 s@{moment}/12"))

    assert (outcome.strikes, outcome.deaths, outcome.clean) == (1, 1, True)


def test_a_fault_strikes_while_another_lasts_and_the_second_death_comes_in_the_recovery() -> None:
    outcome = perform(
        Run.parse("limit/journal:OrderIntended:after@0~5+wire:order history:sent@0~0/queries fail 40 s@3+lost reply create@while/12")
    )

    assert (outcome.strikes, outcome.deaths, outcome.clean) == (2, 2, True)


def test_what_waits_for_a_life_that_ends_at_once_strikes_once() -> None:
    outcome = perform(Run.parse("limit/wire:create:sent@0~0+wire:account:sent@0~0/html 15 s@rise/12"))

    assert (outcome.strikes, outcome.deaths, outcome.clean) == (1, 2, True)


def test_two_strategies_trade_different_options_and_each_as_often_as_the_name_says() -> None:
    plan, first, second = several("limit*2+smart", 4), a_plan("limit", 4), a_plan("smart", 5)
    run = Run.parse("limit*2+smart/none/late reply create@3/4")
    outcome = perform(run)

    assert len(plan.structure) == len(first.structure) + len(second.structure)
    assert plan.trades == 3
    assert outcome.clean
    assert outcome.orders > perform(Run.parse("limit/none/late reply create@3/4")).orders


# ---- what heals undoes its own


def after(world: World, seconds: float) -> World:
    world.pass_by(timedelta(seconds=seconds))
    return world


def test_a_line_that_is_well_again_leaves_another_ill(world: World) -> None:
    for name in ("html 15 s", "queries fail 40 s"):
        world.strike(TROUBLES[name])

    assert [wrong.kind for wrong in after(world, 16).wire.wrongs] == [Kind.STATUS]
    assert after(world, 25).wire.wrongs == []


def test_a_clock_that_was_set_twice_is_set_back_twice(world: World) -> None:
    world.strike(TROUBLES["clock ahead 3 s"])
    after(world, 5).strike(TROUBLES["clock behind 20 s"])

    assert world.ahead == timedelta(seconds=-17)
    assert after(world, 56).ahead == timedelta(seconds=-20)
    assert after(world, 5).ahead == timedelta(0)


def test_a_machine_whose_clock_is_set_back_moves_the_daemons_in_its_next_life(world: World) -> None:
    world.start()
    world.strike(TROUBLES["machine's clock ahead 300 s"])
    assert world.house is not None
    assert world.house.clock.ahead == timedelta(seconds=300)

    after(world, 61)

    assert world.house.clock.ahead == timedelta(seconds=300)
    world.bury()
    world.start()
    assert world.house.clock.ahead == timedelta(0)


def test_an_exchange_with_two_faults_gets_over_one_first(world: World) -> None:
    for name in ("stuck in state 4", "fills while cancelling"):
        world.strike(TROUBLES[name])

    assert after(world, 21).exchange.engine.faults == {world.user: Faults(fill_while_cancelling=True)}
    assert after(world, 10).exchange.engine.faults == {}


def test_a_market_that_was_frozen_twice_moves_when_both_are_over_and_tells_its_past_as_it_was(world: World) -> None:
    told = world.feed.index("BTC", START)
    world.strike(TROUBLES["frozen market 60 s"])
    after(world, 50).strike(TROUBLES["frozen market 400 s"])

    assert world.feed.index("BTC", START + timedelta(seconds=55)).price == told.price
    assert world.feed.index("BTC", START + timedelta(seconds=70)).price == world.feed.index("BTC", START + timedelta(seconds=449)).price
    assert world.feed.index("BTC", START + timedelta(seconds=451)).price != world.feed.index("BTC", START + timedelta(seconds=449)).price


def test_a_wild_market_moves_further_and_reaches_nobody_who_waits_far_away(world: World) -> None:
    calm = [world.feed.index("BTC", START + timedelta(seconds=second)).price for second in range(90)]
    world.strike(TROUBLES["wild market 90 s"])
    wild = [world.feed.index("BTC", START + timedelta(seconds=second)).price for second in range(90)]

    assert max(wild) - min(wild) > 7 * (max(calm) - min(calm))
    world.person.arrive()
    after(world, 95)
    assert {row.filled for row in world.exchange.engine.image().orders if row.order_id in world.person.orders} == {0}


# ---- what a person says, and the venue does


def test_what_a_person_says_is_said_until_a_daemon_can_write_it(world: World) -> None:
    said: list[TradingState] = []

    def word(context: TradingContext) -> None:
        said.append(context.safety.states.state)
        if len(said) == 1:
            raise JournalError("the disk is full")

    world.hears(word)
    world.beat()
    assert said == []

    world.start()
    for _ in range(3):
        world.beat()

    assert len(said) == 2


def test_the_venues_countdown_takes_what_the_person_left_and_no_one_is_blamed() -> None:
    run = Run.parse("limit/journal:LegFilled:after@0~90/countdown from the next start on@0/8")

    assert perform(run).clean


# ---- and a judge would see it


def test_a_run_that_fails_is_reduced_to_what_it_needs() -> None:
    much = Run.parse("limit*2/journal:CloseCompleted:after@0~0/stream silent for 40 s@2+lost reply create@0+halted 30 s@20/4")

    assert str(reduced(much, with_gateway(Resends), SOON)) == "limit/none/lost reply create@0/4"


def test_a_run_that_comes_to_no_end_is_wrong() -> None:
    assert perform(Run.parse("limit/none/html create@30/4"), longest=20).notes == ["it has still something to do after 20 s"]


# ---- the command line


def test_troubles_together_are_scored_by_how_often_the_daemon_died_and_in_a_row_of_each() -> None:
    card, outcome = Scorecard(), perform(Run.parse("limit/journal:LegFilled:after@0~0/lists lag 8 s@2+rows doubled 30 s@while/8"))
    card.take(outcome)

    assert any(line.startswith("| 1 | 1 | 2 | 1 |") for line in card.lines())
    assert set(card.by_fault) == {"lists lag 8 s", "rows doubled 30 s"}
    assert set(card.by_crash) == {"journal:LegFilled:after"}


@pytest.mark.parametrize("words", [["--together", "0"], ["--together", "2", "--write", "docs/reliability.md"], ["--runs", "-1"]])
def test_a_number_of_runs_that_makes_no_sense_is_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(words)
