"""Restarts, clocks and disks that come at the wrong moment, on an exchange that knows only the API document.

Each story is a schedule of its own; the exchange's ledger judges it, and the journal is laid beside it.
"""

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from clock import pause
from trade_lifecycle import TradeState

from tests.rehearsal.abroad import CALL, PUT, QTY, Emigrant, Plan, World, a_world, breaches, left_over, misjudged, unbooked
from tests.rehearsal.other_books import BUY, NEW, Order, Refused
from tests.rehearsal.other_rfq_wire import ACCEPT
from tests.rehearsal.other_server import CANCEL, CREATE, Fault, Kind, lost_answer
from tests.rehearsal.rfq_stage import STRANGLE
from tests.rehearsal.schedules import BRIEF, RESTING, Scene, a_market, again, finish, ill, wrongs
from tests.rehearsal.stage import LONG, cast, until

ASKED = "rfq=RFQParams(timeout_seconds=2.5, poll_seconds=0.5, gather_seconds=0),"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """An exchange that trades by lots, and its market; the daemon does not run yet."""
    with a_market(tmp_path) as made:
        yield made


@pytest.fixture
def world(scene: Scene) -> World:
    """Its world alone."""
    return scene[0]


# ---- lives


@pytest.mark.soak
def test_a_daemon_killed_at_every_tenth_of_its_first_second_begins_once(world: World) -> None:
    world.trader.begin(Plan(rounds=60, patience=1), ready=False)
    for tenths in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14):
        pause(tenths / 10)
        world.strike_down()
        world.trader.kill()
        again(world, ready=False)

    finish(world)
    assert ill(world) == []


@pytest.mark.soak
def test_two_restarts_within_a_second_while_answers_are_lost_double_nothing(world: World) -> None:
    world.server.plan(*(lost_answer(CREATE, skip=1) for _ in range(3)), lost_answer(CANCEL))
    world.kill_at(1, 2, 3, 5)

    world.trader.begin(Plan(rounds=60, patience=1), ready=False)
    for _ in range(4):
        until(lambda: not world.trader.alive or world.trader.lines("trade closed"), "it is killed, or ends", within=LONG)
        if world.trader.alive:
            break
        again(world, ready=False)
        pause(0.3)
        world.trader.kill()
        again(world, ready=False)

    finish(world)
    assert ill(world) == []


@pytest.mark.soak
def test_another_daemon_on_the_same_account_with_books_of_its_own_is_a_stranger(scene: Scene, tmp_path: Path) -> None:
    world, market = scene
    market.be_still()
    world.trader.begin(RESTING)
    world.wait(lambda exchange: len(exchange.working()) == 2, "both legs rest")
    theirs = list(world.exchange.working())
    world.trader.stop()

    stranger = Emigrant(tmp_path / "stranger", world.server)
    with cast(stranger):
        stranger.begin(Plan(entry="spread_below(0.0001)"))
        stranger.hear("books compared with the venue")
        pause(7)
        told = stranger.ask("--reconcile")
        stranger.kill()
    assert told.returncode == 0
    assert [order.state for order in theirs] == [NEW, NEW]

    market.still = False
    again(world)

    finish(world)
    assert ill(world) == []


@pytest.mark.soak
def test_a_second_daemon_on_the_same_books_sends_nothing(world: World) -> None:
    world.trader.begin(Plan(rounds=60, patience=1, hold=2))
    second = world.trader.ask("--strategies-file", str(world.trader.home / "abroad.py"))

    assert second.returncode != 0
    finish(world)
    assert ill(world) == []


@pytest.mark.soak
def test_a_restart_with_another_size_and_other_settings_ends_the_trade_at_the_size_that_it_began_with(tmp_path: Path) -> None:
    with a_market(tmp_path) as (world, _):
        world.trader.begin(Plan(hold=3, rounds=60, patience=1))
        world.trader.hear("trade open id", within=LONG)
        world.trader.kill()

        other = Emigrant(
            world.trader.home, world.server, {"TRADER_STREAMS": "off", "TRADER_MAX_ORDERS_OPEN": "1", "TRADER_IO_WORKERS": "1"}
        )
        world.trader = other
        with cast(other):
            other.begin(Plan(call=5 * QTY, put=5 * QTY, hold=0.1, patience=1, rounds=60))
            finish(world)
            assert wrongs(world) == []


# ---- clocks


@pytest.mark.soak
@pytest.mark.parametrize("hours", [1, -1])
def test_a_venue_whose_clock_jumps_by_an_hour_between_two_lives_is_traded_with(world: World, hours: int) -> None:
    world.server.plan(lost_answer(CREATE, skip=1))
    world.kill_at(2)
    world.trader.begin(Plan(rounds=60, patience=1))
    world.await_death()

    world.exchange.clock_offset_ms = hours * 3_600_000
    again(world)

    finish(world)
    assert ill(world) == []


@pytest.mark.soak
@pytest.mark.parametrize("hours", [1, -1])
def test_a_venue_whose_clock_jumps_by_an_hour_while_answers_are_lost_is_traded_with(world: World, hours: int) -> None:
    world.server.plan(lost_answer(CREATE), lost_answer(CREATE), lost_answer(CREATE))

    def jump(order: Order) -> None:
        del order
        if len(world.exchange.ledger.orders) == 2:
            world.exchange.clock_offset_ms = hours * 3_600_000

    world.exchange.on_create = jump
    world.trader.begin(Plan(rounds=60, patience=1, hold=2))

    world.trader.hear("trade closed", within=LONG)
    assert [line for line in wrongs(world) if "journal" not in line] == []


JUMPING = """
import builtins, datetime, pathlib

def imported(name, *rest, _import=builtins.__import__, **more):
    module = _import(name, *rest, **more)
    if name == "clock" and "jumped" not in vars(module):
        hours = float(pathlib.Path(__file__).with_name("hours").read_text())
        module.jumped, wall = True, module.wall_now
        module.wall_now = lambda: wall() + datetime.timedelta(hours=hours)
    return module

builtins.__import__ = imported
"""


@pytest.mark.parametrize("hours", [pytest.param("1", marks=pytest.mark.soak), "-1"])
def test_our_own_clock_may_jump_by_an_hour_between_two_lives(tmp_path: Path, hours: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(JUMPING, encoding="utf-8")
    (tmp_path / "hours").write_text("0", encoding="utf-8")
    with a_market(tmp_path, PYTHONPATH=str(tmp_path)) as (world, _):
        world.server.plan(lost_answer(CREATE, skip=1))
        world.kill_at(2)
        world.trader.begin(BRIEF)
        world.await_death()

        (tmp_path / "hours").write_text(hours, encoding="utf-8")
        again(world)

        finish(world)
        assert ill(world) == []
        assert world.trader.lines("s apart") != []


# ---- the disk


@pytest.mark.soak
def test_a_disk_that_fills_up_in_the_middle_of_a_close_and_a_death_on_it_lose_nothing(world: World) -> None:
    world.trader.begin(Plan(hold=2, rounds=60, patience=1))
    world.trader.hear("trade open id", within=LONG)
    journal = world.trader.state / "journal.db"
    made = len(world.exchange.ledger.orders)

    def full(_: Order) -> None:
        if len(world.exchange.ledger.orders) == made + 1:
            world.trader.limit_files_to(max(each.stat().st_size for each in journal.parent.glob("journal.db*")))

    world.exchange.on_create = full
    world.server.plan(lost_answer(CREATE))
    world.wait(lambda exchange: len(exchange.ledger.orders) > made, "it begins to close")
    pause(5)
    world.trader.kill()
    again(world)

    finish(world)
    assert ill(world) == []


@pytest.mark.soak
def test_a_disk_that_is_full_while_what_was_missed_is_compared_books_it_once_there_is_space(scene: Scene) -> None:
    world, market = scene
    market.be_still()
    world.trader.begin(RESTING)
    world.wait(lambda exchange: len(exchange.working()) == 2, "both legs rest")
    world.trader.kill()
    world.exchange.fill(CALL)
    world.exchange.fill(PUT)
    market.still = False

    again(world, ready=False)
    until(lambda: world.trader.lines("trades resumed"), "it resumes")
    world.trader.limit_files_to(0)
    pause(4)
    world.trader.limit_files_to(resource.RLIM_INFINITY)

    finish(world)
    assert ill(world) == []


# ---- an exchange that restarts


@pytest.mark.soak
def test_an_exchange_that_restarts_and_knows_no_order_for_a_while_gets_none_twice(scene: Scene) -> None:
    world, market = scene
    market.be_still()
    world.trader.begin(RESTING)
    world.wait(lambda exchange: len(exchange.working()) == 2, "both legs rest")

    world.server.vanish()
    pause(1)
    world.exchange.lag_seconds = 3600
    world.server.restore()
    pause(15)
    world.exchange.lag_seconds = 0
    world.exchange.fill(CALL)
    world.exchange.fill(PUT)
    market.still = False

    finish(world)
    assert ill(world) == []


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_an_exchange_that_restarts_with_an_order_unanswered_and_knows_none_for_a_minute_gets_none_twice(scene: Scene) -> None:
    world, market = scene
    market.be_still()
    world.server.plan(lost_answer(CREATE, skip=1))
    world.exchange.lag_seconds = 3600
    world.server.streams.lost = 1.0
    world.trader.begin(RESTING)
    world.wait(lambda exchange: len(exchange.ledger.arrivals) == 2, "both legs arrive")
    world.server.streams.drop()
    pause(60)
    world.exchange.lag_seconds = 0
    world.server.streams.lost = 0.0
    world.exchange.fill(CALL)
    world.exchange.fill(PUT)
    market.still = False

    finish(world, within=2 * LONG)
    assert ill(world) == []


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_positions_that_are_told_40_seconds_late_double_and_flip_nothing(world: World) -> None:
    past: list[tuple[float, object]] = []

    def rewritten(path: str, params: object, data: object) -> object:
        if "position/get" not in path:
            return data
        now = world.exchange.now() / 1000
        past.append((now, data))
        return next((then for at, then in reversed(past) if at <= now - 40), [])

    world.server.rewritten = rewritten
    world.trader.begin(Plan(hold=1, rounds=60, patience=1))
    world.wait(lambda exchange: exchange.traded(CALL, BUY) == exchange.traded(PUT, BUY) == QTY, "both legs are bought", LONG)
    pause(70)
    assert breaches(world) == []
    if any(trade.state is TradeState.QUARANTINED for trade in world.trader.trades()):
        world.trader.ask("--manage", "1")

    finish(world, within=2 * LONG)
    assert ill(world) == []


# ---- blocks


@pytest.mark.soak
def test_an_accept_whose_answer_is_lost_where_requests_may_not_be_listed_and_blocks_are_told_late_is_one_block(tmp_path: Path) -> None:
    with a_world(tmp_path) as world:
        world.exchange.generous = True
        plan = Plan(legs=STRANGLE, mode="rfq", more=ASKED)
        world.server.plan(lost_answer(ACCEPT))

        def rewritten(path: str, params: object, data: object) -> object:
            if "rfqList" in path:
                raise Refused(0, "", status=404)
            return data

        world.server.rewritten = rewritten
        world.exchange.lag_seconds = 5
        world.kill_when("accepted")

        world.trader.begin(plan)
        world.await_death()
        again(world)

        world.trader.hear("trade closed", within=2 * LONG)
        wrong = [*breaches(world, structure=plan.structure), *left_over(world), *unbooked(world), *misjudged(world)]
        assert wrong == []
        assert len(world.desk.blocks) <= 2


@pytest.mark.soak
@pytest.mark.parametrize(
    "fault",
    [(Kind.STATUS, 429), *(pytest.param((Kind.HTML, code), marks=pytest.mark.soak) for code in (403, 404))],
    ids=lambda fault: f"{fault[0]} {fault[1]}",
)
def test_an_accept_that_something_in_between_refuses_after_it_traded_is_one_block(tmp_path: Path, fault: tuple[Kind, int]) -> None:
    kind, code = fault
    with a_world(tmp_path) as world:
        world.exchange.generous = True
        plan = Plan(legs=STRANGLE, mode="rfq", more=ASKED)
        world.server.plan(Fault(kind, ACCEPT, acted=True, code=code))

        world.trader.begin(plan)

        finish(world)
        assert len(world.desk.blocks) <= 2
        assert [*breaches(world, structure=plan.structure), *left_over(world), *unbooked(world), *misjudged(world)] == []
