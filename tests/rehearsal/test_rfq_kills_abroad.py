"""The daemon dies, stops or loses sight while it asks makers on the exchange of the API document: never twice, never forgotten.

The makers do as each test says; what the daemon did is judged by the exchange's ledger, and its journal is laid beside that ledger.
"""

import signal
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from clock import pause

from tests.rehearsal.abroad import CALL, Plan, World, a_world
from tests.rehearsal.other_books import BUY, SELL
from tests.rehearsal.other_exchange import OtherExchange
from tests.rehearsal.other_rfq import Offer
from tests.rehearsal.other_rfq_wire import ACCEPT, QUOTES, REQUEST, WITHDRAW
from tests.rehearsal.other_server import Fault, Kind
from tests.rehearsal.rfq_stage import STRIKES, asking, wrongs
from tests.rehearsal.stage import LONG
from tests.rehearsal.storm import weather


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An exchange with makers that quote well and both ways at once, where orders fill at their own price; the daemon does not run yet."""
    with a_world(tmp_path, OtherExchange(strikes=STRIKES)) as made:
        made.exchange.generous = True
        yield made


# ---- kills

NEVER = "accept sent, never arrived"


def reborn(world: World, plan: Plan) -> None:
    """Wait until the daemon is dead, and start it again."""
    world.await_death(LONG)
    world.trader.begin(plan, ready=False)


def lost_in_death(world: World) -> None:
    """Let the next accept never be acted on, and kill the daemon as it is sent."""

    def look(path: str) -> Fault | None:
        if ACCEPT not in path:
            return None
        world.server.chance = lambda _: None
        world.strike_down()
        return Fault(Kind.DROP, ACCEPT)

    world.server.chance = look


PHASES = ("requested", "quoted", NEVER, "accepting", "accepted")


@pytest.mark.parametrize(
    ("moments", "listed"),
    [
        (("quoted", "accepting"), True),
        *(pytest.param(moments, listed, marks=pytest.mark.soak) for listed in (True, False) for moments in ((NEVER,), PHASES)),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else f"listed {value}",
)
def test_l5_a_daemon_killed_in_each_phase_of_opening_opens_once(world: World, moments: tuple[str, ...], *, listed: bool) -> None:
    world.desk.listed = listed
    plan = asking(hold=0.5, timeout=60)
    for moment in moments:
        if moment == NEVER:
            lost_in_death(world)
        else:
            world.kill_when(moment)
        world.trader.begin(plan, ready=False)
        if not world.await_end():
            break  # the last moments of a trade that was already closed on the book
    else:
        world.trader.begin(plan)
    world.trader.hear("trade closed", within=LONG)

    assert [line for line in wrongs(world, plan) if not line.startswith("left request")] == []
    assert len(world.desk.open_requests) <= (0 if listed else 1)  # the id of the first may never be learned
    assert world.exchange.traded(CALL, BUY) == world.exchange.traded(CALL, SELL) == Decimal("0.3")


@pytest.mark.soak
def test_l5_a_daemon_killed_in_each_phase_of_closing_closes_once(world: World) -> None:
    plan = asking(hold=1, timeout=60)
    world.trader.begin(plan)
    world.trader.hear("trade open id")
    for moment in ("requested", "quoted", "accepted"):
        world.kill_when(moment)
        reborn(world, plan)

    world.trader.hear("trade closed", within=LONG)

    assert world.exchange.traded(CALL, BUY) == world.exchange.traded(CALL, SELL) == Decimal("0.3")
    assert wrongs(world, plan) == []


@pytest.mark.parametrize("path", [ACCEPT, *(pytest.param(path, marks=pytest.mark.soak) for path in (REQUEST, QUOTES, WITHDRAW))])
def test_a_daemon_killed_as_it_is_answered_goes_on_from_there(world: World, path: str) -> None:
    world.desk.turns = [[Offer(better=-3)]] if path == WITHDRAW else []
    world.kill_after_answer(path)
    plan = asking(hold=0.5)
    world.trader.begin(plan, ready=False)
    reborn(world, plan)

    world.trader.hear("trade closed", within=LONG)

    assert world.exchange.traded(CALL, BUY) == world.exchange.traded(CALL, SELL) == Decimal("0.3")
    assert wrongs(world, plan) == []


@pytest.mark.soak
def test_stopping_while_makers_are_asked_sends_nothing_more_and_a_restart_ends_it(world: World) -> None:
    world.desk.makers = [Offer(after=30)]
    plan = asking(timeout=30)
    world.trader.begin(plan)
    world.wait(lambda _: world.server.asked(QUOTES), "quotes are asked for")

    world.trader.stop(signal.SIGTERM)
    writes = world.server.asked(ACCEPT), world.server.asked(REQUEST)
    pause(0.5)

    assert (world.server.asked(ACCEPT), world.server.asked(REQUEST)) == writes
    for request in world.desk.open_requests:
        request.due = [(at - 30, offer) for at, offer in request.due]
    world.desk.makers = [Offer()]
    world.trader.begin(plan)
    world.trader.hear("trade closed", within=LONG)
    assert wrongs(world, plan) == []


@pytest.mark.soak
def test_a_request_that_expired_while_nobody_looked_is_not_waited_for(world: World) -> None:
    world.desk.makers = [Offer(after=60)]
    plan = asking(timeout=5)
    world.trader.begin(plan)
    world.wait(lambda _: world.server.asked(QUOTES), "quotes are asked for")
    world.trader.kill()
    for request in world.desk.requests:
        request.ends = 0

    world.desk.makers = [Offer()]
    world.trader.begin(plan)

    world.trader.hear("trade closed", within=LONG)
    assert wrongs(world, plan) == []


@pytest.mark.soak
def test_a_request_that_could_not_be_taken_back_is_taken_back_after_a_restart(world: World) -> None:
    world.desk.makers = [Offer(better=-3)]
    world.server.plan(Fault(Kind.STATUS, WITHDRAW, code=503, times=100))
    plan = asking(hold=600)
    world.trader.begin(plan)
    world.trader.hear("is not withdrawn yet")
    world.trader.hear("trade open id")
    world.trader.kill()
    world.server.faults.clear()

    world.trader.begin(plan)

    world.wait(lambda _: not world.desk.open_requests, "the request is taken back")


@pytest.mark.soak
@pytest.mark.parametrize(("mode", "seed"), [("rfq", 21), ("rfq", 22), ("auto", 23)])
def test_a_storm_over_makers_leaves_no_wrong_behind(tmp_path: Path, mode: str, seed: int) -> None:
    card = weather(tmp_path, seed, seconds=60, mode=mode)

    assert card.wrongs == []
    assert card.trades > 0
