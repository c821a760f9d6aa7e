"""The whole daemon against whatever hypothesis thinks of: faults, deaths, a person's hand, in any order; the exchange's ledger judges."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from loguru import logger

from domain import ZERO
from errors import JournalError, TraderError
from exchanges.coincall.wire import encode_client_id

from tests.faults.crash import Reaper
from tests.faults.faults import FAULTS
from tests.faults.house import House, held_by_books
from tests.faults.judge import judged
from tests.faults.matrix import SHARED_MEMORY
from tests.faults.plans import MODES, Plan, a_plan
from tests.faults.wire import Kind, Wrong
from tests.faults.world import World

# What a damaged journal loses may stay with a person at the end, which is the matrix's own subject: here all must end flat.
STRIKES = sorted(name for name, fault in FAULTS.items() if "journal at restart" not in name and not fault.streams)
MOODS = sorted(name for name, fault in FAULTS.items() if fault.streams)
AT_EVERY_MOMENT = ("duplicates", "foreign touched", "wrong closes", "bad accepts")
LONGEST = 1500  # seconds of market time until all must have ended once everything works again


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """Hypothesis tells the shortest sequence; the log of all others is no help."""
    logger.disable("")
    yield
    logger.enable("")


class DaemonMachine(RuleBasedStateMachine):
    """Trades one after the other in a world in which anything may happen at any time."""

    world: World | None = None

    @initialize(mode=st.sampled_from(MODES), seed=st.integers(0, 11), seconds=st.integers(0, 8))
    def begin(self, mode: str, seed: int, seconds: int) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="machine-", dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None))
        plan = a_plan(mode, seed)
        strategy = replace(plan.strategy, max_trades_per_day=0, cooldown_seconds=5)
        self.world = World(self.home, Plan(strategy, plan.structure), seed, Reaper(None, 0))
        self.world.listens()
        self.world.person.arrive()
        self.world.start()
        self.time_passes(seconds)

    @property
    def here(self) -> World:
        assert self.world is not None
        return self.world

    @property
    def house(self) -> House:
        assert self.here.house is not None
        return self.here.house

    # ---- what happens

    @rule(seconds=st.integers(1, 12))
    def time_passes(self, seconds: int) -> None:
        for _ in range(seconds):
            self.here.beat()

    @rule(name=st.sampled_from(STRIKES), seconds=st.integers(0, 20))
    def a_fault_strikes(self, name: str, seconds: int) -> None:
        self.here.strike(FAULTS[name])
        self.time_passes(seconds)

    @rule(call=st.sampled_from(["create", "cancel", "accept"]), acted=st.booleans())
    def a_reply_is_lost(self, call: str, *, acted: bool) -> None:
        self.here.wire.wrongs.append(Wrong(Kind.SILENCE, frozenset({call}), acted=acted))
        self.time_passes(10)

    @rule(name=st.sampled_from(MOODS))
    def the_stream_falters(self, name: str) -> None:
        self.here.strike(FAULTS[name])

    @rule()
    def everything_heals(self) -> None:
        self.here.heal()

    @rule(down=st.sampled_from([0, 1, 5, 40]))
    def it_is_killed_and_started_again(self, down: int) -> None:
        self.here.bury()
        self.here.pass_by(timedelta(seconds=down))
        self.here.start()

    @rule()
    def the_person_trades(self) -> None:
        self.here.person.act()

    @precondition(lambda self: bool(self.house.context.lifecycle.active))
    @rule(urgent=st.booleans())
    def the_person_closes_a_trade(self, urgent: bool) -> None:
        with suppress(JournalError, TraderError):
            self.house.context.lifecycle.force_close(self.house.context.lifecycle.active[0].number, "by hand", urgent=urgent)

    @rule(pause=st.booleans())
    def the_strategy_is_paused_or_resumed(self, pause: bool) -> None:
        runner = self.house.context.runners[0]
        with suppress(JournalError):
            (runner.pause if pause else runner.enable)("by hand")

    # ---- what holds at every moment

    @precondition(lambda self: self.world is not None)
    @invariant()
    def nothing_is_done_wrong(self) -> None:
        found = judged(self.here.case()).wrongs
        assert {column: found[column] for column in AT_EVERY_MOMENT if found[column]} == {}

    @precondition(lambda self: self.world is not None)
    @invariant()
    def the_books_never_hold_what_the_ledger_does_not(self) -> None:
        filled = {row.client_id: row.filled for row in self.here.ours()}
        for record in self.house.context.executor.ledger.live(block=False):
            assert record.booked <= filled.get(encode_client_id(record.client_id), ZERO)

    # ---- and in the end

    def teardown(self) -> None:
        if self.world is None:
            return
        try:
            self._end_well(self.world)
        finally:
            self.world.close()
            shutil.rmtree(self.home, ignore_errors=True)

    def _end_well(self, world: World) -> None:
        world.heal()
        self.house.context.runners[0].pause("the day is over")
        for beats in range(LONGEST):
            world.beat()
            if beats % 60 == 59:
                world.release_what_waits()
            if world.told_truly() and not self.house.context.lifecycle.active and not self.house.context.executor.ledger.live():
                break
        assert judged(world.case()).lines() == []
        assert held_by_books(self.house) == world.held() == {}


def machine_settings(examples: int, steps: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=os.environ.get("CI") == "true",
        suppress_health_check=list(HealthCheck),
    )


def test_whatever_happens_ends_flat_and_in_agreement_with_the_exchange() -> None:
    run_state_machine_as_test(DaemonMachine, settings=machine_settings(15, 12))


@pytest.mark.soak
def test_whatever_happens_for_long_ends_flat_and_in_agreement_with_the_exchange() -> None:
    run_state_machine_as_test(DaemonMachine, settings=machine_settings(int(os.environ.get("MACHINE_EXAMPLES", "3000")), 40))
