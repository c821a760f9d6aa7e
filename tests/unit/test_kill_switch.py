"""The kill switch as a person uses it: armed, thrown, told of, and put back."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from loguru import logger

from alerts import AlertDesk
from domain import KillPolicy, KillStage, OrderStatus, Side, TradingState
from errors import RiskDenied
from events import CloseRequested, LegPlan, TradeReleased
from kill_switch import _lines_of
from order_ledger import NEVER, OrderRecord
from trade_lifecycle import TradeState

from tests.fakes import SECOND, a_name, a_plan, a_quote, an_order, venue_holds
from tests.unit.kill_plant import CALL, PUT, Plant, a_plant

BY = "a person"


@pytest.fixture
def told() -> Iterator[list[str]]:
    """What the switch logs."""
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line).rstrip()), format="{message}", filter="kill_switch")
    yield lines
    logger.remove(sink)


@pytest.fixture
def plant() -> Plant:
    return a_plant()


# ---- arm, then confirm


def test_arming_changes_nothing_and_says_what_a_confirmation_would_do(plant: Plant) -> None:
    plant.opened(a_plan(CALL))
    plant.create(a_plan(PUT, Side.BUY))
    plant.tick(2)

    said = plant.kill.arm(BY)

    assert "test#1 is open, -1 BTCUSD-27MAR26-70000-C" in said
    assert "test#2 is opening, nothing held" in said
    assert "buy 1 BTCUSD-27MAR26-60000-P" in said
    assert "left at once, across the spread (TRADER_KILL_POLICY=urgent)" in said
    assert not plant.kill.thrown
    assert plant.state() is TradingState.ACTIVE


def test_confirming_what_was_not_armed_is_refused_with_words(plant: Plant) -> None:
    with pytest.raises(ValueError, match="not armed: arm it first"):
        plant.kill.confirm(BY)

    assert plant.stages == []


@pytest.mark.parametrize(("seconds", "thrown"), [(60, True), (61, False)])
def test_l69_an_arming_holds_for_sixty_seconds_and_no_longer(plant: Plant, seconds: int, thrown: bool) -> None:
    plant.kill.arm(BY)
    plant.clock.advance(seconds * SECOND)

    if thrown:
        plant.kill.confirm(BY)
    else:
        with pytest.raises(ValueError, match="armed 61 s ago"):
            plant.kill.confirm(BY)

    assert plant.kill.thrown is thrown


def test_arming_again_does_not_extend_the_first(plant: Plant) -> None:
    plant.kill.arm(BY)
    plant.clock.advance(40 * SECOND)

    assert "20 s from now" in plant.kill.arm(BY)
    plant.clock.advance(21 * SECOND)

    with pytest.raises(ValueError, match="arm it again"):
        plant.kill.confirm(BY)
    assert plant.stages == [KillStage.ARMED]


def test_what_is_thrown_is_neither_armed_nor_confirmed_again(plant: Plant) -> None:
    plant.kill.throw("SIGUSR1", "a signal")

    with pytest.raises(ValueError, match="thrown already"):
        plant.kill.arm(BY)
    with pytest.raises(ValueError, match="thrown already"):
        plant.kill.confirm(BY)
    plant.kill.throw("SIGUSR1", "again")

    assert plant.stages == [KillStage.THROWN]


def test_an_arming_is_taken_back_by_a_person_and_forgotten_by_a_restart(plant: Plant) -> None:
    plant.kill.arm(BY)
    assert plant.kill.withdraw(BY).startswith("withdrawn")
    with pytest.raises(ValueError, match="not armed"):
        plant.kill.confirm(BY)

    plant.kill.arm(BY)
    with pytest.raises(ValueError, match="not armed"):
        plant.reborn().kill.confirm(BY)


# ---- thrown


def test_thrown_it_lets_nothing_open_and_calls_a_person(plant: Plant) -> None:
    plant.kill.arm(BY)
    plant.kill.confirm(BY)

    assert plant.state() is TradingState.REDUCING
    assert "kill switch" in plant.states.entries.reason
    assert plant.alerts.about("kill switch")
    with pytest.raises(RiskDenied, match="would open"):
        plant.executor.submit(an_order(a_name(), CALL), plant.create(a_plan(CALL)))


def test_thrown_it_says_so_and_what_is_left(plant: Plant) -> None:
    assert a_plant(KillPolicy.URGENT).kill.throw("SIGUSR1", "a signal") == "thrown; nothing is left"

    plant.opened(a_plan(CALL))
    said = plant.kill.throw("SIGUSR1", "a signal").splitlines()

    assert said[0] == "thrown; left:"
    assert said[1].startswith("test#1 is ")


def test_an_order_that_is_filled_and_not_yet_settled_is_shown_in_its_size_and_awaited() -> None:
    full = OrderRecord(new=an_order(a_name(), CALL), sent_at=NEVER, status=OrderStatus.FILLED, reported=Decimal(1), booked=Decimal(1))
    half = replace(full, status=OrderStatus.NEW, reported=Decimal("0.4"), booked=Decimal("0.4"))

    assert [line.partition(" sell ")[2] for line in _lines_of((), (full, half))] == [
        f"1 {CALL.symbol} @ 100: its end is awaited",
        f"0.6 {CALL.symbol} @ 100 is out",
    ]


def test_l50_l65_it_goes_to_flat_only_on_fills_and_the_venue_s_word(plant: Plant) -> None:
    plant.opened(a_plan(CALL))
    plant.venue.show(a_quote(CALL, ask=None))  # nobody sells: asking is not leaving
    plant.kill.throw("SIGUSR1", "a signal")

    plant.run(20, fills=False)
    assert not plant.is_flat()
    assert "test#1 is closing, -1 BTCUSD-27MAR26-70000-C" in plant.left

    plant.run(20)
    assert plant.is_flat()
    assert plant.stages == [KillStage.THROWN, KillStage.FLAT]
    assert plant.kill.thrown, "flat does not put it back"
    assert venue_holds(plant.venue) == {}
    assert plant.alerts.about("kill switch flat")


def test_an_opening_in_the_middle_is_taken_back_and_what_it_filled_is_left(plant: Plant) -> None:
    plant.create(a_plan(CALL), a_plan(PUT))
    plant.tick(2)
    [name, *_] = plant.venue.orders
    plant.venue.execute(name, "0.4")

    plant.kill.throw("SIGUSR1", "a signal")
    plant.run(30)

    assert plant.is_flat()
    assert venue_holds(plant.venue) == {}
    opened = [order for order in plant.venue.received if not order.client_id.purpose.reduces]
    assert all(plant.venue.orders[order.client_id].status.final for order in opened)


def test_a_trade_that_has_not_sent_anything_sends_nothing(plant: Plant) -> None:
    plant.create(a_plan(CALL))

    plant.kill.throw("SIGUSR1", "a signal")
    plant.run(10)

    assert plant.venue.received == []
    assert plant.is_flat()


@pytest.mark.parametrize(("policy", "urgent"), [(KillPolicy.URGENT, True), (KillPolicy.PATIENT, False)])
def test_the_policy_says_how_trades_are_left(policy: KillPolicy, urgent: bool) -> None:
    plant = a_plant(policy)
    plant.opened(a_plan(CALL))

    plant.kill.throw("SIGUSR1", "a signal")

    assert plant.trade().state is TradeState.PENDING_CLOSE
    assert plant.trade().urgent is urgent
    plant.run(40)
    assert plant.is_flat()


def test_an_urgent_kill_hurries_a_close_that_is_patient(plant: Plant) -> None:
    plant.opened(a_plan(CALL))
    plant.manager.force_close(1, "a person")
    plant.tick(2)

    plant.kill.throw("SIGUSR1", "a signal")
    plant.run(2, fills=False)

    assert plant.trade().urgent
    asked = [event for event in plant.journal.of(CloseRequested) if isinstance(event, CloseRequested)]
    assert len(asked) == 2, "once by the person, once by the switch"


def test_keeping_cancels_what_opens_and_keeps_what_is_held_under_its_exits() -> None:
    plant = a_plant(KillPolicy.KEEP)
    plant.opened(a_plan(CALL))
    plant.create(a_plan(PUT))
    half = plant.create(a_plan(PUT))
    plant.tick(2)
    plant.venue.execute(next(name for name in plant.venue.orders if name.trade == half.number), "0.3")
    plant.tick()

    plant.kill.throw("SIGUSR1", "a signal")
    plant.run(10, fills=False)

    assert [plant.trade(n).state for n in (1, 2, 3)] == [TradeState.OPEN, TradeState.FAILED, TradeState.OPEN]
    assert plant.trade(3).legs[0].held == Decimal("-0.3")
    assert plant.executor.ledger.live() == ()
    assert not plant.is_flat(), "what is held is not flat"
    plant.manager.force_close(1, "its exit")
    plant.manager.force_close(3, "its exit")
    plant.run(20)
    assert plant.is_flat()


def test_a_trade_in_quarantine_is_reported_and_not_touched(plant: Plant) -> None:
    plant.opened(a_plan(CALL))
    plant.manager._quarantine(plant.trade(), "the books disagree")
    sent = len(plant.venue.received)

    plant.kill.throw("SIGUSR1", "a signal")
    plant.run(30)

    assert len(plant.venue.received) == sent
    assert "waits for a person: the books disagree" in plant.left
    assert not plant.is_flat()


def test_a_trade_that_a_person_lets_go_on_is_left_like_the_others(plant: Plant) -> None:
    plant.opened(a_plan(CALL))
    plant.kill.throw("SIGUSR1", "a signal")
    plant.manager._quarantine(plant.trade(), "the books disagree")
    plant.run(3)

    plant.manager._book.apply(TradeReleased(at=plant.clock.now(), trade=1, reason="a person has looked"))
    plant.run(20)

    assert plant.is_flat()


# ---- put back


def test_only_a_person_puts_it_back(plant: Plant) -> None:
    plant.kill.throw("SIGUSR1", "a signal")
    plant.run(10)
    plant.clock.advance(timedelta(days=3))
    plant.run(2)
    assert plant.state() is TradingState.REDUCING

    assert plant.kill.withdraw(BY) == "withdrawn; nothing is left"

    assert plant.state() is TradingState.ACTIVE
    assert not plant.reborn().kill.thrown
    with pytest.raises(ValueError, match="neither thrown nor armed"):
        plant.kill.withdraw(BY)


def test_a_switch_that_is_thrown_again_minutes_after_it_was_withdrawn_calls_a_person_again(plant: Plant) -> None:
    desk = AlertDesk(None, plant.clock, timedelta(minutes=15))
    plant.kill._alerts = desk
    for by in ("a person", "SIGUSR1"):
        plant.kill.throw(by, "now")
        plant.run(5)
        assert plant.is_flat()
        plant.kill.withdraw(by)

    assert [alert.cause for alert in desk.recent] == ["kill switch", "kill switch flat"] * 2


def test_a_program_that_died_between_withdrawing_and_releasing_releases_at_the_next_start(plant: Plant) -> None:
    plant.kill.throw("SIGUSR1", "a signal")
    plant.run(5)
    plant.kill.withdraw(BY)
    plant.journal.events.pop()

    assert plant.reborn().states.state is TradingState.ACTIVE


def test_what_is_left_is_told_at_each_change_and_every_ten_seconds(plant: Plant, told: list[str]) -> None:
    plant.opened(a_plan(CALL))
    plant.kill.throw("SIGUSR1", "a signal")
    plant.run(2, fills=False)
    plant.venue.show(a_quote(CALL, ask=None))
    plant.run(2, fills=False)
    before = len([line for line in told if line.startswith("kill switch left=")])

    plant.run(30, fills=False)

    lines = [line for line in told if line.startswith("kill switch left=")]
    assert 3 <= len(lines) - before <= 8
    plant.run(30)
    assert told[-1].endswith("nothing: flat") or any(line == "kill switch left=nothing: flat" for line in told)


def test_what_only_a_person_can_move_is_not_told_every_ten_seconds(plant: Plant, told: list[str]) -> None:
    plant.opened(a_plan(CALL))
    plant.manager._quarantine(plant.trade(), "the books disagree")
    plant.kill.throw("SIGUSR1", "a signal")

    plant.run(300)

    assert len([line for line in told if line.startswith("kill switch left=")]) == 1


def plan_of(qty: str) -> LegPlan:
    return a_plan(CALL, qty=qty)


@pytest.mark.parametrize("qty", ["0.01", "2.37"])
def test_any_quantity_is_left_whole(plant: Plant, qty: str) -> None:
    plant.opened(plan_of(qty))

    plant.kill.throw("SIGUSR1", "a signal")
    plant.run(30)

    assert plant.is_flat()
    assert venue_holds(plant.venue) == {}
