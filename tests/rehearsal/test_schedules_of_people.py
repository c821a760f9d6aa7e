"""People who throw the kill switch, release and adopt at the wrong moment, on an exchange that knows only the API document.

Each story is a schedule of its own; the exchange's ledger judges it, and the journal is laid beside it.
"""

import os
import signal
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from clock import pause

from tests.rehearsal.abroad import CALL, PUT, Plan, World, breaches, left_over, unbooked
from tests.rehearsal.other_books import BUY, Race
from tests.rehearsal.other_server import CANCEL, CREATE, lost_answer
from tests.rehearsal.schedules import LOT, RESTING, Scene, a_market, again, finish, ill, wrongs
from tests.rehearsal.stage import LONG, until

KILL = ("--kill",)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """An exchange that trades by lots, and its market; the daemon does not run yet."""
    with a_market(tmp_path) as made:
        yield made


@pytest.fixture
def world(scene: Scene) -> World:
    """Its world alone."""
    return scene[0]


# ---- the kill switch


def thrown(world: World) -> None:
    """Throw the kill switch as a person does."""
    world.trader.ask(*KILL)
    told = world.trader.ask(*KILL, "--yes")
    assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.soak
def test_a_kill_switch_thrown_while_answers_are_lost_and_cancels_are_slow_comes_to_flat(world: World) -> None:
    world.server.plan(*(lost_answer(CREATE, skip=1) for _ in range(4)), *(lost_answer(CANCEL) for _ in range(3)))
    for symbol in (CALL, PUT):
        world.exchange.race(symbol, Race(fill=LOT, seconds=3, late=LOT), Race(seconds=2, late=LOT))
    world.trader.begin(RESTING)
    world.wait(lambda exchange: exchange.traded(CALL, BUY) > 0, "a lot is bought", LONG)

    thrown(world)

    world.trader.hear("kill switch flat", within=LONG)
    assert ill(world) == []


@pytest.mark.soak
def test_a_kill_switch_goes_on_over_deaths_outages_and_lost_answers_until_flat(world: World) -> None:
    world.trader.begin(Plan(hold=600, rounds=60, patience=1))
    world.trader.hear("trade open id", within=LONG)
    world.server.plan(lost_answer(CREATE), lost_answer(CREATE), lost_answer(CANCEL))
    made = len(world.exchange.ledger.orders)
    world.kill_at(made + 1, made + 2, made + 4)

    thrown(world)
    for _ in range(3):
        until(lambda: not world.trader.alive or world.trader.lines("kill switch flat"), "killed, or flat", within=LONG)
        if world.trader.alive:
            break
        world.server.vanish()
        again(world, ready=False)
        pause(1.5)
        world.server.restore()

    world.trader.hear("kill switch flat", within=LONG)
    assert wrongs(world) == []


@pytest.mark.soak
def test_sigusr1_twice_while_the_exchange_is_gone_closes_once_it_is_back(world: World) -> None:
    world.trader.begin(Plan(hold=600, rounds=60, patience=1))
    world.trader.hear("trade open id", within=LONG)

    world.server.vanish()
    os.kill(world.trader.pid, signal.SIGUSR1)
    pause(3)
    os.kill(world.trader.pid, signal.SIGUSR1)
    world.server.restore()

    world.trader.hear("kill switch flat", within=LONG)
    assert wrongs(world) == []


@pytest.mark.soak
def test_a_kill_switch_that_finds_nobody_to_trade_with_says_flat_only_once_it_is(scene: Scene) -> None:
    world, market = scene
    world.trader.begin(Plan(hold=600, rounds=60, patience=1))
    world.trader.hear("trade open id", within=LONG)
    market.be_still()

    thrown(world)
    pause(4)

    assert world.trader.lines("kill switch flat") == []
    market.still = False
    world.trader.hear("kill switch flat", within=LONG)
    assert wrongs(world) == []


# ---- a person at the wrong moment


@pytest.mark.soak
def test_a_person_may_neither_release_nor_adopt_while_an_order_of_the_trade_is_lost(world: World) -> None:
    world.trader.begin(Plan(hold=600, rounds=60, patience=1))
    world.trader.hear("trade open id", within=LONG)
    world.exchange.foreign[CALL] = Decimal("0.05")
    world.exchange.lag_seconds = 8
    world.server.streams.refuse(60)
    world.server.streams.drop()
    world.server.plan(lost_answer(CREATE), lost_answer(CREATE))

    world.trader.ask("--close", "1")
    world.trader.hear("order lost", within=LONG)
    released = world.trader.ask("--release", "1", "--yes")
    adopted = world.trader.ask("--adopt", CALL, "--strategy", "abroad", "--yes")

    assert (released.returncode, adopted.returncode) != (0, 0)
    assert "done" not in released.stdout + adopted.stdout
    world.exchange.lag_seconds = 0
    finish(world)
    assert ill(world) == []
    assert world.exchange.position(CALL) == Decimal("0.05")


@pytest.mark.soak
def test_what_is_released_and_taken_back_and_killed_again_is_closed_once(world: World) -> None:
    world.trader.begin(Plan(hold=600, rounds=60, patience=1))
    world.trader.hear("trade open id", within=LONG)
    pause(4)  # the account must be younger than the last fill
    assert "done" in world.trader.ask("--release", "1", "--yes").stdout
    for _ in range(3):
        world.trader.ask("--reconcile")
        pause(6)
    world.trader.hear("kind=position of others", times=2)
    told = [world.trader.ask("--adopt", symbol, "--strategy", "abroad", "--yes").stdout for symbol in (CALL, PUT)]
    assert ["done" in text for text in told] == [True, True], (told, world.trader.story)
    world.trader.kill()
    again(world)

    thrown(world)

    world.trader.hear("kill switch flat", within=LONG)
    assert [*breaches(world), *left_over(world), *unbooked(world)] == []
