"""What a person says while the program is down or has only begun to start: heard before the first order, or not at all."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from clock import pause
from control import Command, ControlBox, Verb

from tests.rehearsal.abroad import Plan, World, a_world, breaches
from tests.rehearsal.guard_stage import A_WHILE, arrived, told
from tests.rehearsal.stage import LONG

IMPORTING = 0.3  # real seconds after its birth: a program that is still importing


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An exchange at which every order fills at its own price at once, and a daemon that has not been started."""
    with a_world(tmp_path) as made:
        made.exchange.generous = True
        yield made


def test_a_halt_that_was_left_while_no_daemon_ran_is_heard_before_the_first_order(world: World) -> None:
    ControlBox(world.trader.state).put(Command(verb=Verb.HALT))

    world.trader.begin(Plan())

    world.trader.hear("command done halt", within=LONG)
    pause(A_WHILE)
    assert arrived(world) == []


def test_l50_a_signal_that_comes_while_the_program_is_still_loading_throws_the_kill_switch(world: World) -> None:
    world.trader.begin(Plan(), ready=False)
    pause(IMPORTING)

    os.kill(world.trader.pid, signal.SIGUSR1)

    told(world, "kill switch flat")
    assert arrived(world) == []
    assert breaches(world) == []


@pytest.mark.soak
def test_an_acknowledgement_that_was_left_before_a_start_does_not_stand_for_what_that_start_finds(world: World) -> None:
    world.trader.begin(Plan())
    world.trader.hear("trade closed", within=LONG)
    world.trader.stop()
    before = len(arrived(world))
    ControlBox(world.trader.state).put(Command(verb=Verb.ACKNOWLEDGE))
    journal = world.trader.state / "journal.db"
    whole = journal.read_bytes()
    journal.write_bytes(whole[: len(whole) // 2] + bytes(6000) + whole[len(whole) // 2 + 6000 :])

    world.trader.begin(Plan())

    told(world, "journal damaged")
    world.trader.hear("command refused verb=acknowledge", within=LONG)
    pause(A_WHILE)
    assert len(arrived(world)) == before
