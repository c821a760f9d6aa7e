"""The kill switch on an account where others trade the same options: what is theirs is told from ours, and a doubt is never flat."""

from decimal import Decimal

import pytest

from domain import ClientOrderId, KillStage
from events import KillSwitchMoved, TradeHandedOver
from flatness import Flatness
from trade_lifecycle import TradeState
from workers import InlinePool

from tests.fakes import SECOND, a_plan, venue_holds
from tests.unit.kill_plant import CALL, Plant, a_plant
from tests.unit.reconciling import RHYTHM, SharedHouse

BY = "a person"
THEIRS = Decimal("-0.3")
MINUTES = 60  # ticks


@pytest.fixture
def plant() -> Plant:
    """A plant on whose account somebody else holds the option that will be traded."""
    plant = a_plant()
    others_trade(plant, THEIRS)
    return plant


def others_trade(plant: Plant, coins: Decimal) -> None:
    plant.venue.options[CALL.symbol] = CALL
    plant.venue.held[CALL.symbol] = plant.venue.held.get(CALL.symbol, Decimal(0)) + coins


def rested(plant: Plant) -> ClientOrderId:
    """Have an opening order rest and return its name."""
    plant.run(2, fills=False)
    plant.create(a_plan(CALL))
    plant.run(3, fills=False)
    [name] = plant.venue.orders
    return name


def thrown(plant: Plant, ticks: int = 30) -> None:
    plant.kill.throw("SIGUSR1", "a signal")
    plant.run(ticks, fills=False)


# ---- theirs is theirs


def test_l20_what_others_held_before_an_order_of_ours_that_never_filled_is_theirs(plant: Plant) -> None:
    rested(plant)

    thrown(plant)

    assert plant.is_flat()
    assert venue_holds(plant.venue) == {CALL.symbol: THEIRS}
    assert plant.alerts.about("kill switch not flat") == []


def test_what_others_held_last_before_our_trade_began_counts(plant: Plant) -> None:
    plant.run(3)
    others_trade(plant, Decimal("1.1"))
    rested(plant)

    thrown(plant)

    assert plant.is_flat()


def test_what_others_held_is_known_to_the_next_life_too(plant: Plant) -> None:
    rested(plant)
    plant.kill.throw("SIGUSR1", "a signal")

    again = plant.reborn()
    again.run(30, fills=False)

    assert again.is_flat()
    assert venue_holds(again.venue) == {CALL.symbol: THEIRS}


def test_a_life_that_ends_between_two_throws_knows_what_others_held_at_the_last(plant: Plant) -> None:
    rested(plant)
    thrown(plant)
    plant.kill.withdraw(BY)
    others_trade(plant, Decimal("0.5"))
    plant.run(11 * MINUTES, fills=False)
    plant.kill.throw(BY, "again")

    moves = [event for event in plant.journal.of(KillSwitchMoved) if isinstance(event, KillSwitchMoved)]

    assert moves[-1].others == {CALL.symbol: THEIRS + Decimal("0.5")}
    assert plant.reborn().flatness.others == moves[-1].others


def test_what_others_held_when_a_switch_was_thrown_that_was_withdrawn_since_is_forgotten(plant: Plant) -> None:
    rested(plant)
    thrown(plant)
    plant.kill.withdraw(BY)

    assert plant.reborn().flatness.others == {}


def test_what_was_handed_over_before_the_switch_was_thrown_is_theirs(plant: Plant) -> None:
    plant.run(2)
    plant.create(a_plan(CALL))
    plant.run(8)
    plant.manager._book.apply(TradeHandedOver(at=plant.clock.now(), trade=1, reason="a person keeps it", marks=(None,)))
    plant.run(5)
    plant.create(a_plan(CALL))
    plant.run(3, fills=False)

    thrown(plant)

    assert plant.is_flat()
    assert venue_holds(plant.venue) == {CALL.symbol: THEIRS - 1}


# ---- in doubt it is ours


def test_a_fill_that_the_positions_show_only_after_the_cancel_is_waited_for(plant: Plant) -> None:
    rested(plant)
    plant.kill.throw("SIGUSR1", "a signal")
    while "order" in plant.left or plant.trade().active:
        plant.run(fills=False)
    plant.run(2, fills=False)
    others_trade(plant, Decimal("-0.1"))  # ours; positions lag behind trades by up to three seconds

    plant.run(25 * MINUTES, fills=False)

    assert plant.stages == [KillStage.THROWN]


@pytest.mark.parametrize("minutes", [1, 25])
def test_a_fill_that_came_while_our_order_was_cancelled_is_never_taken_for_theirs(plant: Plant, minutes: int) -> None:
    rested(plant)
    others_trade(plant, Decimal("-0.1"))  # ours, and no list shows it

    thrown(plant, minutes * MINUTES)

    assert plant.stages == [KillStage.THROWN]


def test_a_fill_that_no_list_shows_is_not_learnt_as_theirs_once_its_trade_has_ended_unfilled(plant: Plant) -> None:
    rested(plant)
    plant.manager.force_close(1, BY)
    plant.run(5, fills=False)
    assert not plant.trade().active
    others_trade(plant, Decimal("-0.1"))  # ours, and no list shows it
    plant.run(30, fills=False)
    plant.create(a_plan(CALL))
    plant.run(3, fills=False)

    thrown(plant, 25 * MINUTES)

    assert plant.stages == [KillStage.THROWN]


def test_after_a_restart_a_trade_that_ended_just_before_it_is_still_doubted(plant: Plant) -> None:
    rested(plant)
    plant.manager.force_close(1, BY)
    plant.run(5, fills=False)
    others_trade(plant, Decimal("-0.1"))  # ours, and no list shows it

    again = plant.reborn()
    again.run(30, fills=False)
    again.show(CALL)
    again.create(a_plan(CALL))
    again.run(3, fills=False)
    thrown(again)

    assert again.stages == [KillStage.THROWN]


def test_nothing_is_learnt_while_a_close_of_the_switch_goes_on(plant: Plant) -> None:
    plant.run(2)
    plant.opened(a_plan(CALL))
    plant.run(5)
    plant.kill.throw("SIGUSR1", "a signal")
    plant.run(3, fills=False)
    plant.venue.writes_fail = True
    others_trade(plant, Decimal("0.1"))  # a fill of our close that no list shows
    plant.run(40, fills=False)

    assert plant.flatness.others == {CALL.symbol: THEIRS}


def test_a_fill_of_ours_that_others_trade_hides_is_found_by_comparing_once_more(plant: Plant) -> None:
    asked = []

    def missing(since: object) -> str:
        asked.append(since)
        return "fill 7: 0.1 of our order is not in the books"

    rested(plant)
    plant.flatness.compared = missing
    thrown(plant)
    assert plant.stages == [KillStage.THROWN]
    assert min(asked) > plant.journal.of(KillSwitchMoved)[0].at  # type: ignore[type-var,operator]

    plant.flatness.compared = lambda _: ""
    plant.run(5, fills=False)

    assert plant.is_flat()


def test_a_fill_of_ours_that_others_trade_hides_is_looked_for_where_nobody_else_held_anything_before_too() -> None:
    alone = a_plant()
    rested(alone)
    alone.flatness.compared = lambda _: "not compared since"

    thrown(alone)

    assert alone.stages == [KillStage.THROWN]


def test_where_nothing_was_traded_no_comparison_is_waited_for() -> None:
    idle = a_plant()
    idle.flatness.compared = lambda _: "not compared since"

    thrown(idle)

    assert idle.is_flat()


def test_nothing_is_learnt_of_an_option_while_a_trade_opens_there_and_no_order_is_out(plant: Plant) -> None:
    rested(plant)
    anew = Flatness(plant.venue, 7, reads=InlinePool(plant.inbox), urgent=InlinePool(plant.inbox), clock=plant.clock)

    anew.note([plant.trade()], (), plant.venue.snapshot(), None)

    assert anew.others == {}


def test_positions_that_may_be_older_than_our_fill_teach_nothing(plant: Plant) -> None:
    plant.run(2)
    plant.venue.lag_position()
    plant.create(a_plan(CALL))
    while plant.trade().state is not TradeState.OPEN:
        plant.run()
    plant.run()

    assert plant.flatness.others == {CALL.symbol: THEIRS}


def test_where_no_position_was_told_before_our_order_nothing_of_theirs_is_known() -> None:
    plant = a_plant()
    plant.create(a_plan(CALL))
    plant.tick(3)  # the switch has seen no account yet
    others_trade(plant, THEIRS)

    thrown(plant, 25 * MINUTES)

    assert plant.stages == [KillStage.THROWN]
    assert "-0.3" in plant.kill.withdraw(BY)


def test_an_account_that_is_not_known_is_not_flat_and_teaches_nothing(plant: Plant) -> None:
    plant.venue.lag_position()
    rested(plant)
    before = dict(plant.flatness.others)
    plant.venue.reads_fail = True

    thrown(plant)

    assert plant.stages == [KillStage.THROWN]
    assert plant.flatness.others == before


# ---- a person is called


def test_others_who_trade_after_the_switch_was_thrown_leave_it_to_a_person_who_is_called_once(plant: Plant) -> None:
    rested(plant)
    plant.kill.throw("SIGUSR1", "a signal")
    others_trade(plant, Decimal("-0.2"))
    plant.run(50, fills=False)
    assert plant.alerts.about("kill switch not flat") == []

    plant.run(5 * MINUTES, fills=False)

    [alert] = plant.alerts.about("kill switch not flat")
    assert "the venue shows -0.5 BTCUSD-27MAR26-70000-C, which our books do not explain" in alert.message
    assert plant.stages == [KillStage.THROWN]
    assert "which our books do not explain" in plant.kill.withdraw(BY)


# ---- the comparison that it waits for


def test_a_comparison_counts_for_the_switch_only_if_it_began_later_and_has_all_that_is_ours() -> None:
    house = SharedHouse(rhythm=RHYTHM)
    house.show()
    name = house.closed_trade()
    house.tick(30)
    since = house.clock.now()
    assert "not been compared" in house.reconciler.doubt(since)
    house.tick(3)
    assert house.reconciler.doubt(since) == "", "a round was begun for it"

    house.shared.late_fill(name, "0.1")
    later = house.clock.now() + SECOND
    house.shared.fail_reads.add("fills")
    house.tick(10)
    assert "not been compared" in house.reconciler.doubt(later)
    house.shared.fail_reads.clear()
    house.reconciler.due("a story")
    while "not been compared" in house.reconciler.doubt(later):
        house.tick()

    assert "late" in house.reconciler.doubt(later)


def test_a_comparison_that_fails_is_not_tried_on_every_tick_for_the_switch() -> None:
    house = SharedHouse(rhythm=RHYTHM)
    house.tick(30)
    house.shared.fail_reads.add("fills")
    since, before = house.clock.now(), house.shared._turn
    for _ in range(60):
        house.reconciler.doubt(since)
        house.tick()
    assert house.shared._turn - before <= 60 * SECOND / RHYTHM.retry + 2
