"""The daemon asks makers for quotes on an exchange that knows only the API document: never more, never worse, never forgotten.

The makers do as each test says; what the daemon did is judged by the exchange's ledger, and its journal is laid beside that ledger.
"""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from domain import ExecutionMode
from events import ExecutionStarted

from tests.rehearsal.abroad import CALL, PUT, Leg, World, a_world, breaches, legs, unbooked
from tests.rehearsal.other_exchange import OtherExchange
from tests.rehearsal.other_rfq import Oddity, Offer
from tests.rehearsal.other_rfq_wire import ACCEPT, QUOTES, REQUEST, WITHDRAW
from tests.rehearsal.other_server import Fault, Kind, lost_answer
from tests.rehearsal.rfq_stage import CONDOR, SOLD_STRANGLE, STRANGLE, STRIKES, asking, blocks, wrongs
from tests.rehearsal.stage import LONG

LOSSES = (Kind.DROP, Kind.RESET, Kind.HTML, Kind.CUT, Kind.SHORT, Kind.NONSENSE)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An exchange with makers that quote well and both ways at once, where orders fill at their own price; the daemon does not run yet."""
    with a_world(tmp_path, OtherExchange(strikes=STRIKES)) as made:
        made.exchange.generous = True
        yield made


def modes(world: World) -> list[ExecutionMode]:
    """Return the modes of all executions that the journal tells of, in order."""
    return [event.mode for event in world.trader.events() if isinstance(event, ExecutionStarted)]


# ---- the slow one first, so that the others run beside it


@pytest.mark.soak
@pytest.mark.parametrize(
    "fault",
    [
        Fault(Kind.DELAY, ACCEPT, seconds=3.5),  # we wait 2 s for an answer
        pytest.param(Fault(Kind.DROP, ACCEPT), marks=pytest.mark.soak),
        *(pytest.param(fault, marks=pytest.mark.soak) for fault in (Fault(Kind.RESET, ACCEPT), Fault(Kind.STATUS, ACCEPT, code=503))),
        pytest.param(Fault(Kind.CODE, ACCEPT, code=10000), marks=pytest.mark.soak),
    ],
    ids=lambda fault: str(fault.kind),
)
def test_l23_an_accept_that_may_never_have_arrived_is_settled_before_anything_else_is_done(world: World, fault: Fault) -> None:
    world.desk.makers = [Offer(), Offer(better=Decimal("0.4"))]
    world.server.plan(fault)
    plan = asking()

    world.trader.begin(plan)

    world.trader.hear("trade closed", within=LONG)
    assert wrongs(world, plan) == []


# ---- whole lives


@pytest.mark.parametrize(
    "structure",
    [
        pytest.param(STRANGLE, id="bought strangle", marks=pytest.mark.soak),
        pytest.param(CONDOR, id="condor"),
        pytest.param(legs(("C", 110_000, "-0.5")), id="single sold", marks=pytest.mark.soak),
        pytest.param(SOLD_STRANGLE, id="sold strangle", marks=pytest.mark.soak),
        pytest.param(tuple(replace(leg, qty=-leg.qty) for leg in CONDOR), id="reverse condor", marks=pytest.mark.soak),
    ],
)
def test_l24_l48_a_structure_of_any_sides_opens_and_closes_as_a_block(world: World, structure: tuple[Leg, ...]) -> None:
    plan = asking(structure)

    world.trader.begin(plan)

    world.trader.hear("trade closed")
    assert blocks(world) == 2
    assert world.exchange.ledger.arrivals == []  # not one order on the book
    assert wrongs(world, plan) == []
    assert world.exchange.cash > 100_000 - sum(trade.qty * 20 + trade.fee for trade in world.exchange.ledger.trades)  # the spread


@pytest.mark.soak
def test_a_maker_that_answers_late_is_waited_for(world: World) -> None:
    world.desk.makers = [Offer(after=1.2)]
    plan = asking(timeout=4)

    world.trader.begin(plan)

    world.trader.hear("trade closed")
    assert blocks(world) == 2
    assert wrongs(world, plan) == []


@pytest.mark.soak
def test_what_is_too_small_for_makers_is_not_asked_of_them(world: World) -> None:
    plan = asking(legs(("C", 110_000, "0.2"), ("P", 90_000, "0.2")))

    world.trader.begin(plan)

    world.trader.hear("trade closed")
    assert world.server.asked(REQUEST) == 0
    assert modes(world) == [ExecutionMode.LIMIT] * 2
    assert wrongs(world, plan) == []


@pytest.mark.soak
def test_auto_asks_makers_for_what_is_large_and_orders_what_is_small(world: World) -> None:
    plan = replace(asking(), mode="auto")
    world.trader.begin(plan)
    world.trader.hear("trade closed")
    assert modes(world) == [ExecutionMode.RFQ] * 2
    assert wrongs(world, plan) == []


# ---- quotes that must not be taken


def test_l21_quotes_that_the_book_beats_are_left_and_the_book_is_taken(world: World) -> None:
    world.desk.makers = [Offer(better=Decimal("-0.5")), Offer(better=-8)]
    plan = asking(hold=600)

    world.trader.begin(plan)

    world.trader.hear("trade open id")
    assert world.desk.acceptances == []
    assert [request.state for request in world.desk.requests] == ["CANCELLED"]
    assert breaches(world, structure=plan.structure) == []
    assert unbooked(world) == []


@pytest.mark.soak
def test_a_quote_that_is_not_better_by_what_was_demanded_is_left(world: World) -> None:
    world.desk.makers = [Offer(better=Decimal("0.4"))]
    plan = asking(more="min_improvement_pct=1")

    world.trader.begin(plan)

    world.trader.hear("trade closed", within=LONG)
    assert world.desk.acceptances == []
    assert wrongs(world, plan, gate=Decimal(1)) == []


@pytest.mark.soak
def test_l22_after_good_quotes_have_vanished_a_bad_one_is_not_taken(world: World) -> None:
    world.desk.makers = [Offer(better=2, gone=True), Offer(better=1, gone=True), Offer(better=-4)]
    plan = asking(hold=600)

    world.trader.begin(plan)

    world.trader.hear("trade open id")
    assert [acceptance.quote.offer.better for acceptance in world.desk.acceptances] == [2, 1]
    assert blocks(world) == 0
    assert breaches(world, structure=plan.structure) == []
    assert unbooked(world) == []


@pytest.mark.soak
def test_only_the_right_quote_among_wrong_ones_is_taken(world: World) -> None:
    odd = [Offer(better=5, oddity=oddity) for oddity in Oddity]
    world.desk.makers = [*odd, Offer(better=10, sides=("BUY",)), Offer(better=6, life=0.5), Offer(integers=True, nameless=True)]
    plan = asking(gather=0.6)

    world.trader.begin(plan)

    world.trader.hear("trade closed")
    assert blocks(world) == 2
    assert [acceptance.quote.offer.life for acceptance in world.desk.acceptances] == [300, 300]
    assert wrongs(world, plan) == []


@pytest.mark.parametrize(("bid", "ask"), [(900, 920), pytest.param(990, 0, marks=pytest.mark.soak)], ids=["better", "none"])
def test_l22_a_quote_is_compared_with_the_book_of_the_moment_it_is_taken(world: World, bid: int, ask: int) -> None:
    world.desk.grace_seconds = 2.0

    def move(happened: str) -> None:
        if happened == "quoted":
            world.exchange.quote(CALL, bid, ask)
            world.desk.happened = lambda _: None

    world.desk.happened = move
    plan = asking(gather=3.5, timeout=4, hold=600, patience=10)

    world.trader.begin(plan)
    world.wait(lambda _: world.desk.requests and not world.desk.open_requests, "the request is taken back")
    world.exchange.quote(CALL, 900, 920)

    world.wait(lambda exchange: exchange.net(CALL) == exchange.net(PUT) == Decimal("0.3"), "the book is taken", within=LONG)
    assert world.desk.acceptances == []
    assert breaches(world, structure=plan.structure) == []


def test_l25_an_urgent_exit_does_not_wait_for_makers(world: World) -> None:
    plan = asking(leave="max_loss(30)")
    world.trader.begin(plan)
    world.trader.hear("trade open id")
    world.desk.makers = []

    for symbol in (CALL, PUT):
        world.exchange.quote(symbol, 890, 910)

    world.trader.hear("trade closed")
    assert len(world.desk.requests) == 1
    assert wrongs(world, plan) == []


# ---- answers that are lost


@pytest.mark.parametrize("lost", [LOSSES[:3], pytest.param(LOSSES[3:], marks=pytest.mark.soak)], ids=["gone", "garbled"])
def test_l23_whatever_way_the_answer_to_an_accept_is_lost_it_is_traded_once(world: World, lost: tuple[Kind, ...]) -> None:
    world.desk.makers = [Offer(), Offer(better=Decimal("0.4"))]  # another one tempts
    world.server.plan(*(Fault(kind, ACCEPT, acted=True) for kind in lost))
    world.server.plan(Fault(Kind.STATUS, ACCEPT, acted=True, code=500), Fault(Kind.CODE, ACCEPT, acted=True, code=10000))
    plan = asking(a_day=3)

    world.trader.begin(plan)

    world.trader.hear("trade closed", times=3, within=LONG)
    assert world.server.faults == []
    assert blocks(world) == len(world.desk.acceptances) == 6
    assert world.exchange.ledger.arrivals == []
    assert wrongs(world, plan) == []


@pytest.mark.soak
def test_a_block_that_lists_show_late_is_found(world: World) -> None:
    world.exchange.lag_seconds = 1.5
    world.server.plan(lost_answer(ACCEPT))
    plan = asking()

    world.trader.begin(plan)

    world.trader.hear("trade closed", within=LONG)
    assert wrongs(world, plan) == []


@pytest.mark.soak
@pytest.mark.parametrize("listed", [True, pytest.param(False, marks=pytest.mark.soak)])
def test_a_request_whose_answer_is_lost_is_not_traded_on_twice(world: World, *, listed: bool) -> None:
    world.desk.listed = listed
    world.server.plan(lost_answer(REQUEST))
    plan = asking()

    world.trader.begin(plan)

    world.trader.hear("trade closed", within=LONG)
    assert wrongs(world, plan) == []


@pytest.mark.soak
def test_a_taker_that_may_not_list_its_requests_finds_its_block(world: World) -> None:
    world.desk.listed = False
    world.server.plan(lost_answer(ACCEPT))
    plan = asking()

    world.trader.begin(plan)

    world.trader.hear("trade closed", within=LONG)
    assert wrongs(world, plan) == []


@pytest.mark.soak
def test_reads_and_withdrawals_that_fail_end_in_the_same_trade(world: World) -> None:
    world.desk.turns = [[Offer(better=-3)], [Offer(after=1.2)]]
    for kind in (Kind.DROP, Kind.HTML, Kind.CUT):
        world.server.plan(Fault(kind, QUOTES))
    world.server.plan(lost_answer(WITHDRAW), Fault(Kind.STATUS, WITHDRAW, code=503))
    plan = asking()

    world.trader.begin(plan)

    world.trader.hear("trade closed", within=LONG)
    assert wrongs(world, plan) == []


@pytest.mark.soak
def test_either_encoding_is_found(world: World) -> None:
    world.desk.encoding = "json"
    world.desk.turns = [[Offer()], [Offer(better=-3)]]
    plan = asking()

    world.trader.begin(plan)

    world.trader.hear("trade closed", within=LONG)
    assert blocks(world) == 1
    assert wrongs(world, plan) == []
