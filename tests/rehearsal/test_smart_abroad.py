"""The daemon works structures in chunks on an exchange that knows only the API document: whole, in ratio, never naked, never twice.

The exchange fills in parts, while cancelling, or not at all; what the daemon did is judged by the exchange's ledger.
"""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from clock import pause
from domain import ExecutionMode
from events import ExecutionStarted

from tests.rehearsal.abroad import Leg, Plan, World, a_world, breaches, left_over, legs, misjudged, unbooked
from tests.rehearsal.other_books import BUY, SELL, ZERO, Order, Race
from tests.rehearsal.other_exchange import OtherExchange
from tests.rehearsal.other_server import CANCEL, CREATE, Fault, Kind, lost_answer
from tests.rehearsal.stage import LONG
from tests.rehearsal.storm import weather

BUTTERFLY = legs(("C", 90_000, "0.2"), ("C", 100_000, "-0.4"), ("C", 110_000, "0.2"))
LOWER, BODY, UPPER = (leg.symbol for leg in BUTTERFLY)
SPREAD = legs(("C", 100_000, "-0.2"), ("C", 110_000, "0.2"))
QUIET = 1.0


def working(structure: tuple[Leg, ...] = BUTTERFLY, *, more: str = "", patient: float = 0.3, **rest: object) -> Plan:
    """Return a plan that works a structure in two quick chunks, with `more` arguments of SmartExecConfig."""
    smart = f"chunk_count=2, time_per_chunk={patient}, quoting_strategy='mid', aggressive_wait_seconds=0.5, aggressive_retry_pause=0.1"
    return replace(Plan(legs=structure, mode="smart", more=f"smart=SmartExecConfig({smart}, {more}),"), **rest)  # type: ignore[arg-type]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An exchange with a book to cross, and a daemon that has not been started."""
    with a_world(tmp_path) as made:
        yield made


def wrongs(world: World, plan: Plan) -> list[str]:
    """Return all that is wrong once a plan's trades have ended."""
    return [*breaches(world, structure=plan.structure), *left_over(world), *unbooked(world), *misjudged(world)]


def whole(world: World, plan: Plan) -> bool:
    """Tell whether each leg was traded whole, once each way."""
    return all(world.exchange.traded(symbol, side) == abs(qty) for symbol, qty in plan.structure.items() for side in (BUY, SELL))


def share(exchange: OtherExchange, plan: Plan) -> Decimal:
    """Return how much of the structure is held, of the leg that is least filled; 1 is all of it."""
    return min(exchange.net(symbol) / qty for symbol, qty in plan.structure.items())


# ---- whole lives


@pytest.mark.parametrize("generous", [False, pytest.param(True, marks=pytest.mark.soak)], ids=["crossing", "quoting"])
def test_l11_a_butterfly_opens_and_closes_flat_in_two_chunks(world: World, *, generous: bool) -> None:
    world.exchange.generous = generous
    plan = working()

    world.trader.begin(plan)

    world.trader.hear("trade closed", within=LONG)
    assert whole(world, plan)
    assert all(arrival.qty <= abs(plan.structure[arrival.symbol]) / 2 for arrival in world.exchange.ledger.arrivals)
    modes = [event.mode for event in world.trader.events() if isinstance(event, ExecutionStarted)]
    assert modes == [ExecutionMode.SMART] * 2
    assert wrongs(world, plan) == []


@pytest.mark.soak
def test_l1_parts_and_fills_while_cancelling_never_come_to_more(world: World) -> None:
    lot = Decimal("0.05")
    world.exchange.options[UPPER].bite = lot
    world.exchange.race(UPPER, Race(fill=lot), Race(seconds=0.5, late=Decimal("0.2")))
    world.exchange.race(BODY, Race(seconds=0.5, late=lot), Race(fill=Decimal("0.2")))
    plan = working(SPREAD)

    world.trader.begin(plan)

    world.trader.hear("trade closed", within=LONG)
    assert whole(world, plan)
    assert wrongs(world, plan) == []


@pytest.mark.parametrize("kinds", [(Kind.DROP, Kind.HTML, Kind.CUT), (Kind.RESET, Kind.SHORT)], ids=["gone", "garbled"])
@pytest.mark.soak
def test_l5_lost_answers_never_send_a_chunk_twice(world: World, kinds: tuple[Kind, ...]) -> None:
    for skip, kind in enumerate(kinds):
        world.server.plan(Fault(kind, CREATE, acted=True, skip=skip), Fault(kind, CANCEL, acted=True))
    plan = working()

    world.trader.begin(plan)

    world.trader.hear("trade closed", within=LONG)
    assert whole(world, plan)
    assert wrongs(world, plan) == []


# ---- a leg that cannot be traded


def test_l12_nothing_goes_out_before_every_leg_has_a_market(world: World) -> None:
    world.exchange.quote(BODY, 0, 1010)  # it is sold
    plan = working(SPREAD, patience=20)
    world.trader.begin(plan)
    world.trader.hear("cannot be traded on the book")
    pause(QUIET)
    assert world.exchange.ledger.arrivals == []

    world.exchange.generous = True
    world.exchange.quote(BODY, 990, 1010)

    world.trader.hear("trade closed", within=LONG)
    assert whole(world, plan)
    assert wrongs(world, plan) == []


@pytest.mark.soak
def test_a_leg_that_loses_its_bid_is_closed_once_it_has_one_again(world: World) -> None:
    plan = working(SPREAD, hold=1)
    world.trader.begin(plan)
    world.trader.hear("trade open id")
    world.exchange.quote(UPPER, 0, 20)

    world.wait(lambda exchange: exchange.net(BODY) == 0, "what was sold is bought back", within=LONG)
    pause(QUIET)
    world.exchange.quote(UPPER, 990, 1010)

    world.trader.hear("trade closed", within=LONG)
    assert whole(world, plan)
    assert wrongs(world, plan) == []


@pytest.mark.parametrize("mode", ["smart", pytest.param("limit", marks=pytest.mark.soak)])
@pytest.mark.parametrize("killed", [True, pytest.param(False, marks=pytest.mark.soak)], ids=["killed", "alive"])
def test_the_naked_leg_guard_gives_back_what_filled_where_its_partner_ran_away(world: World, *, mode: str, killed: bool) -> None:
    patience = "max_seconds=2, remedies=('cross', 'unwind'), remedy_seconds=1"
    plan = replace(working(SPREAD, hold=600, rounds=100, legging=patience, more="aggressive_attempts=100"), mode=mode)  # it would try on

    def run_away(order: Order) -> None:
        world.exchange.quote(BODY, 0, 1010)
        if killed and order.price >= 1010:  # it fills; killed later, one of the partner's might be unsent, and be asked for first
            world.exchange.on_create = lambda _: None
            world.strike_down()

    world.exchange.on_create = run_away
    world.trader.begin(plan)
    if killed:
        world.await_death()
        world.trader.begin(plan)

    world.wait(lambda exchange: exchange.traded(UPPER, SELL) > 0 and exchange.net(UPPER) == 0, "it is given back")
    world.trader.hear("trade failed")
    assert world.exchange.traded(BODY, SELL) == 0
    assert wrongs(world, plan) == []


@pytest.mark.parametrize("killed", [False, pytest.param(True, marks=pytest.mark.soak)], ids=["alive", "killed"])
def test_the_naked_leg_guard_has_makers_take_the_rest_where_that_comes_first(world: World, *, killed: bool) -> None:
    spread = legs(("C", 100_000, "-0.6"), ("C", 110_000, "0.6"))  # what is missing is worth 60,000 USD by strikes
    patience = "max_seconds=1, remedies=('rfq', 'unwind'), remedy_seconds=30"
    asked = "rfq=RFQParams(timeout_seconds=10, poll_seconds=0.5, gather_seconds=0),"
    plan = working(spread, hold=600, legging=patience, more="aggressive_attempts=100")
    plan = replace(plan, more=plan.more + asked)
    world.exchange.quote(BODY, 990, 1010, depth=ZERO)  # it is shown, and gone when one comes
    if killed:
        world.kill_when("accepting")

    world.trader.begin(plan)
    if killed:
        world.await_death()
        world.trader.begin(plan)

    world.trader.hear("trade open id")
    assert len(world.desk.blocks) == 1
    assert breaches(world, structure=plan.structure) == []
    assert {symbol: world.exchange.net(symbol) for symbol in plan.structure} == plan.structure
    assert unbooked(world) == []


@pytest.mark.soak
@pytest.mark.parametrize("which", [BODY, pytest.param(UPPER, marks=pytest.mark.soak)], ids=["sold", "bought"])
def test_l12_a_leg_refused_in_the_second_chunk_has_the_others_unwound(world: World, which: str) -> None:
    plan = working(hold=600, more="pause_between_chunks=1")
    world.trader.begin(plan)
    world.wait(lambda exchange: share(exchange, plan) == Decimal("0.5"), "the first chunk fills", within=LONG)
    world.exchange.refuse(which, 10529)

    world.trader.hear("trade failed", within=LONG)

    assert wrongs(world, plan) == []


# ---- kills


@pytest.mark.parametrize(
    ("structure", "kills"),
    [
        (SPREAD, (2,)),  # the first across the spread, as it arrives
        pytest.param(BUTTERFLY, (2, 4, 5), marks=pytest.mark.soak),
        pytest.param(BUTTERFLY, (1, 3, 6, 9), marks=pytest.mark.soak),  # others never arrive, and are pursued for half a minute
    ],
    ids=["spread", "butterfly", "butterfly with orders that never arrive"],
)
def test_l5_a_daemon_killed_at_orders_of_either_phase_goes_on(world: World, structure: tuple[Leg, ...], kills: tuple[int, ...]) -> None:
    plan = working(structure, legging="remedy_seconds=10")  # first cross, then unwind
    for count in kills:
        world.kill_at(count)
        world.trader.begin(plan, ready=False)
        if not world.await_end(2 * LONG):
            break
    else:
        world.exchange.on_create = lambda _: None
        world.trader.begin(plan)

    assert not world.await_end(2 * LONG)  # it lives, and the trade has ended
    assert whole(world, plan) or world.trader.lines("trade failed")
    assert wrongs(world, plan) == []


@pytest.mark.soak
@pytest.mark.parametrize("phase", ["quoting", "between chunks", "closing"])
def test_a_daemon_killed_in_a_phase_goes_on_from_there(world: World, phase: str) -> None:
    patient = 30 if phase == "quoting" else 0.3
    plan = working(patient=patient, hold=1, more="pause_between_chunks=1.5")
    world.trader.begin(plan)
    if phase == "quoting":
        world.wait(lambda exchange: len(exchange.working()) == 2, "the bought legs rest at mid")
        world.exchange.fill(LOWER, Decimal("0.03"))
    else:
        world.wait(lambda exchange: share(exchange, plan) == Decimal("0.5"), "the first chunk fills", within=LONG)
    if phase == "closing":
        world.trader.hear("trade open id", within=LONG)
        world.wait(lambda exchange: share(exchange, plan) == Decimal("0.5"), "half of it is closed", within=LONG)
    world.trader.kill()
    world.exchange.generous = phase == "quoting"
    if phase == "quoting":
        world.exchange.fill(UPPER)  # while nobody looked

    world.trader.begin(plan)
    if phase == "quoting":
        world.exchange.fill(LOWER)

    world.trader.hear("trade closed", within=LONG)
    assert whole(world, plan)
    assert wrongs(world, plan) == []


@pytest.mark.soak
def test_a_kill_while_an_answer_is_lost_finds_the_order(world: World) -> None:
    plan = working(SPREAD)
    world.server.plan(lost_answer(CREATE))
    world.trader.begin(plan)
    world.wait(lambda exchange: exchange.ledger.orders, "the first order is taken")
    world.trader.kill()

    world.trader.begin(plan)

    world.trader.hear("trade closed", within=LONG)
    assert whole(world, plan)
    assert world.exchange.net(BODY) == ZERO
    assert wrongs(world, plan) == []


@pytest.mark.soak
@pytest.mark.parametrize("seed", [31, 32])
def test_a_storm_over_chunks_leaves_no_wrong_behind(tmp_path: Path, seed: int) -> None:
    card = weather(tmp_path, seed, seconds=60, mode="smart")

    assert card.wrongs == []
    assert card.trades > 0
