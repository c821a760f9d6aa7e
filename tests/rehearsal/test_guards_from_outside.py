"""The order path's guards, the venue's countdown and the ways to stop, each made to act from outside.

A story fails when its guard is taken out. The judge is the exchange's ledger; what the daemon says is only read to see that it was said.
"""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from clock import pause
from control import Verb

from tests.rehearsal.abroad import CALL, PUT, Plan, World, a_world, breaches, left_over
from tests.rehearsal.guard_stage import A_WHILE, FOR_GOOD, a_stranger, arrived, opened, ordered, rested, sides, tightened, told, unavailable
from tests.rehearsal.other_books import NEW
from tests.rehearsal.other_countdown import PATH, Countdowns
from tests.rehearsal.other_server import Fault, Kind
from tests.rehearsal.stage import LONG, until

SPAN = 5  # seconds, the shortest countdown that settings allow
RESTS = Plan(patience=300)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An exchange at which every order fills at its own price at once, and a daemon that has not been started."""
    with a_world(tmp_path) as made:
        made.exchange.generous = True
        yield made


@contextmanager
def counted(home: Path, **settings: str) -> Iterator[tuple[World, Countdowns]]:
    """The same, where the venue has countdowns and the daemon is told to use them."""
    with a_world(home, None, TRADER_COUNTDOWN_SECONDS=str(SPAN), **settings) as made:
        made.exchange.generous = True
        yield made, Countdowns(made.exchange)


def begin_with(world: World, plan: Plan, profile: Mapping[str, object]) -> None:
    """Start the daemon with a profile, as a user writes one."""
    file = world.trader.home / "profile.toml"
    file.write_text("".join(f"{name} = {value}\n" for name, value in profile.items()), encoding="utf-8")
    world.trader.start("--strategies-file", str(plan.write(world.trader.home)), "--profile", str(file))


# ---- caps and budgets: what opens is held back, what closes never


def test_l10_l71_a_budget_in_the_profile_holds_back_openings_and_never_a_close(world: World) -> None:
    begin_with(world, Plan(hold=1, a_day=3), {"TRADER_MAX_ORDERS_PER_MINUTE": 2})

    assert "the budget is 2" in told(world, "refused")
    world.trader.hear("trade closed", within=LONG)
    pause(A_WHILE)
    assert sides(arrived(world)) == ["opens", "opens", "closes", "closes"]
    assert breaches(world) == []


@pytest.mark.soak
def test_l10_a_cap_of_open_orders_counts_openings_and_lets_both_legs_close_at_once(tmp_path: Path) -> None:
    with a_world(tmp_path, TRADER_MAX_ORDERS_OPEN="1") as world:
        world.trader.begin(Plan(patience=300, hold=0.5))
        told(world, "refused")
        for _ in range(2):
            world.wait(lambda exchange: len(exchange.working()) == 1, "one leg rests")
            pause(A_WHILE)
            assert len(world.exchange.working()) == 1
            world.exchange.fill(world.exchange.working()[0].symbol)

        world.wait(lambda exchange: len(exchange.working()) == 2, "both legs are being closed")
        assert all(order.reduce_only for order in world.exchange.working())
        for symbol in (CALL, PUT):
            world.exchange.fill(symbol)
        world.trader.hear("trade closed", within=LONG)
        assert breaches(world) == []


def test_l45_l70_trades_that_a_cap_refuses_one_after_the_other_are_one_call_and_say_the_cap_as_their_reason(world: World) -> None:
    begin_with(world, Plan(patience=1, rounds=2, a_day=3), {"TRADER_MAX_ORDER_NOTIONAL_USD": 10})

    failed = world.trader.hear("trade failed", times=2, within=LONG)

    assert all("USD is above the cap of 10" in line and "not filled" not in line for line in failed)
    assert [line.count("TRADER_MAX_ORDER_NOTIONAL_USD") for line in world.trader.lines("cause=refused order notional")] == [1]
    assert len(world.trader.lines("order held back")) == 4  # two legs of two trades
    assert arrived(world) == []


@pytest.mark.soak
def test_l71_a_largest_order_that_is_set_later_opens_nothing_more_and_lets_what_is_held_go(world: World) -> None:
    opened(world, Plan(hold=1))
    world.trader.stop()
    before = len(arrived(world))

    begin_with(world, Plan(hold=1, a_day=2), {"TRADER_MAX_ORDER_NOTIONAL_USD": 10})

    world.trader.hear("trade closed", within=LONG)
    told(world, "refused")
    pause(A_WHILE)
    assert sides(arrived(world)[before:]) == ["closes", "closes"]
    assert breaches(world) == []


def test_a_protection_that_the_venue_does_not_take_is_told(tmp_path: Path) -> None:
    with a_world(tmp_path, TRADER_MMP_INTERVAL_SECONDS="1", TRADER_MMP_QTY="1") as world:
        world.trader.begin(Plan(entry="lambda account: False"))

        assert "protection of BTC was not set" in told(world, "protection not set")

        assert "BTC in again" in ordered(world, Verb.THAW, "BTC")
        world.trader.hear("protection of BTC was not reset", within=LONG)


# ---- the venue's countdown


def test_ct48_the_orders_of_a_daemon_that_is_killed_are_gone_when_its_countdown_ends(tmp_path: Path) -> None:
    with counted(tmp_path) as (world, countdowns):
        rested(world, RESTS)
        until(lambda: "reset BTCUSD" in countdowns.asked, "it says that it lives")
        assert countdowns.ran_out == []

        world.trader.kill()

        until(lambda: countdowns.ran_out == ["BTCUSD"], "nobody is heard of", within=2 * SPAN)
        assert world.exchange.working() == []


def test_a_countdown_that_ran_out_is_told_and_armed_again_and_trading_goes_on(tmp_path: Path) -> None:
    with counted(tmp_path) as (world, countdowns):
        rested(world, Plan(patience=2))

        countdowns.run_out("BTCUSD")
        assert world.exchange.working() == []

        told(world, "countdown elapsed BTC")
        until(lambda: countdowns.asked.count(f"set BTCUSD {SPAN}") >= 2, "it is armed again")
        world.exchange.generous = True
        world.trader.hear("trade closed", within=LONG)
        assert breaches(world) == []
        assert left_over(world) == []


@pytest.mark.soak
def test_a_countdown_that_cannot_be_reset_calls_a_person_before_the_venue_acts(tmp_path: Path) -> None:
    with counted(tmp_path) as (world, countdowns):
        rested(world, RESTS)
        until(lambda: countdowns.asked, "it is armed")

        unavailable(world, f"{PATH}/heartbeat")

        assert "cancels every open order of BTC at" in told(world, "countdown BTC")
        assert countdowns.ran_out == []


@pytest.mark.parametrize("cause", ["countdown not allowed", "countdown refused BTC"])
def test_an_account_without_countdowns_is_told_so_and_trades_on(tmp_path: Path, cause: str) -> None:
    with counted(tmp_path) as (world, countdowns):
        countdowns.allowed = cause != "countdown not allowed"
        if countdowns.allowed:
            world.server.plan(Fault(Kind.CODE, PATH, code=10004, times=FOR_GOOD))

        world.trader.begin(Plan())

        told(world, cause)
        world.trader.hear("trade closed", within=LONG)
        assert (countdowns.ran_out, breaches(world)) == ([], [])


@pytest.mark.parametrize("word", ["disarm", pytest.param("leave", marks=pytest.mark.soak)])
def test_ct48_a_clean_stop_ends_the_countdown_or_leaves_it_to_take_the_orders(tmp_path: Path, word: str) -> None:
    with counted(tmp_path, TRADER_COUNTDOWN_ON_STOP=word) as (world, countdowns):
        rested(world, RESTS)
        until(lambda: countdowns.running, "it is armed")

        world.trader.stop()

        if word == "leave":
            until(lambda: countdowns.ran_out == ["BTCUSD"], "it runs out", within=2 * SPAN)
        assert (countdowns.running, len(world.exchange.working())) == ([], 2 if word == "disarm" else 0)


def test_a_countdown_that_a_clean_stop_cannot_end_is_told(tmp_path: Path) -> None:
    with counted(tmp_path) as (world, countdowns):
        rested(world, RESTS)
        until(lambda: countdowns.running, "it is armed")
        unavailable(world, f"{PATH}/v1")

        world.trader.stop()

        assert world.trader.lines("cause=countdown not ended BTC")
        assert countdowns.running == ["BTCUSD"]


# ---- stopping


@pytest.mark.parametrize("word", ["on", pytest.param("off", marks=pytest.mark.soak)])
def test_ct48_a_clean_stop_takes_our_orders_back_where_it_is_told_to(tmp_path: Path, word: str) -> None:
    with a_world(tmp_path, TRADER_CANCEL_ON_STOP=word) as world:
        stranger = a_stranger(world)
        rested(world, RESTS)

        world.trader.stop()

        assert (len(world.exchange.working()), stranger.state) == (0 if word == "on" else 2, NEW)
        assert breaches(world) == []


@pytest.mark.soak
def test_l50_flat_is_taken_back_when_a_fill_turns_up_late_and_said_again_once_a_person_has_closed_it(world: World) -> None:
    orders = rested(world, RESTS)
    os.kill(world.trader.pid, signal.SIGUSR1)
    told(world, "kill switch flat")
    world.exchange.generous = True

    world.exchange.fill_late(orders[0], Decimal("0.01"))
    ordered(world, Verb.RECONCILE)

    told(world, "kill switch not flat")
    told(world, "difference: fill missed")
    ordered(world, Verb.CLOSE, "1")
    world.trader.hear("kill switch left=nothing: flat", times=2, within=LONG)
    assert world.exchange.net(orders[0].symbol) == 0
    assert breaches(world) == []


def test_an_order_that_is_refused_for_the_countdown_has_it_armed_at_once(tmp_path: Path) -> None:
    with a_world(tmp_path, TRADER_COUNTDOWN_SECONDS="3600") as world:  # a reset would tell it after twenty minutes
        world.exchange.generous = True
        countdowns = Countdowns(world.exchange)
        world.trader.begin(Plan(entry="spread_below(1)"))
        until(lambda: countdowns.running, "it is armed")
        countdowns.run_out("BTCUSD")

        tightened(world, CALL, PUT)

        told(world, "countdown elapsed BTC")
        world.trader.hear("trade closed", within=LONG)
        assert countdowns.asked.count("set BTCUSD 3600") in (2, 3)  # once more for each leg that was refused, at most
        assert (breaches(world), left_over(world)) == ([], [])
