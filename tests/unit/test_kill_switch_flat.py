"""The kill switch pulled through to flat, by the venue's word alone, whatever goes wrong and in whatever order."""

from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import ClientOrderId, KillPolicy, KillStage, Purpose, Side, TradingState
from events import CloseRequested, KillSwitchMoved, TradeHandedOver
from flatness import Flatness
from trade_lifecycle import TradeState

from tests.fakes import FakeVenue, a_fill, a_plan, an_order, filled, venue_holds
from tests.unit.kill_plant import CALL, PUT, Broken, Plant, a_plant

BY = "a person"
T = TypeVar("T")


@pytest.fixture
def plant() -> Plant:
    return a_plant()


# ---- flat, by the venue's word


def test_positions_older_than_the_last_fill_do_not_make_it_flat(plant: Plant) -> None:
    plant.opened(a_plan(CALL))
    plant.venue.lag_position()
    plant.kill.throw("SIGUSR1", "a signal")
    plant.run(30)
    assert plant.trade().flat
    assert not plant.is_flat()

    plant.venue.lag_position(on=False)
    plant.run(3)

    assert plant.is_flat()


def test_what_others_hold_of_the_same_option_is_theirs(plant: Plant) -> None:
    plant.opened(a_plan(CALL))
    plant.venue.held[CALL.symbol] -= Decimal("0.7")  # another's
    plant.run(5)

    plant.kill.throw("SIGUSR1", "a signal")
    plant.run(30)

    assert plant.is_flat()
    assert venue_holds(plant.venue) == {CALL.symbol: Decimal("-0.7")}


def test_what_a_person_took_over_is_theirs(plant: Plant) -> None:
    plant.opened(a_plan(CALL))
    plant.tick(5)
    plant.venue.writes_fail = True
    plant.kill.throw("SIGUSR1", "a signal")
    plant.run(2)
    plant.manager._quarantine(plant.trade(), "it cannot be left")

    plant.manager._book.apply(TradeHandedOver(at=plant.clock.now(), trade=1, reason="a person closes it", marks=(None,)))
    plant.venue.heal()
    plant.run(60)

    assert plant.is_flat()
    assert venue_holds(plant.venue) == {CALL.symbol: Decimal(-1)}


def test_a_holding_that_nobody_can_explain_is_not_flat(plant: Plant) -> None:
    plant.opened(a_plan(CALL))
    plant.kill.throw("SIGUSR1", "a signal")
    plant.run(4)
    plant.venue.held[CALL.symbol] = plant.venue.held.get(CALL.symbol, Decimal(0)) + Decimal("0.3")

    plant.run(20)

    assert not plant.is_flat()


def test_an_order_of_ours_that_no_book_knows_is_found_and_cancelled(plant: Plant) -> None:
    stray = ClientOrderId(desk=7, trade=99, leg=0, purpose=Purpose.OPEN, attempt=1)
    plant.venue.submit(an_order(stray, CALL, Side.SELL, price="500"))

    plant.kill.throw("SIGUSR1", "a signal")
    plant.run(2, fills=False)
    assert not plant.is_flat()
    plant.run(10, fills=False)

    assert plant.venue.cancels == [stray]
    assert plant.is_flat()


def test_l20_orders_of_others_are_not_touched(plant: Plant) -> None:
    other = ClientOrderId(desk=8, trade=1, leg=0, purpose=Purpose.OPEN, attempt=1)
    plant.venue.submit(an_order(other, CALL, Side.SELL, price="500"))

    plant.kill.throw("SIGUSR1", "a signal")
    plant.run(10, fills=False)

    assert plant.venue.cancels == []
    assert plant.is_flat()


def test_a_fill_that_turns_up_late_takes_the_word_back(plant: Plant) -> None:
    plant.opened(a_plan(CALL))
    plant.kill.throw("SIGUSR1", "a signal")
    plant.run(30)
    assert plant.is_flat()

    plant.manager._filled(filled(a_fill("0.2", fill_id="late")))
    plant.run()

    assert plant.stages == [KillStage.THROWN, KillStage.FLAT, KillStage.THROWN]
    assert "-0.2" in plant.alerts.about("kill switch not flat")[0].message


# ---- whatever goes wrong meanwhile


def test_it_goes_on_when_the_venue_is_back(plant: Plant) -> None:
    plant.opened(a_plan(CALL))
    plant.venue.reads_fail = plant.venue.writes_fail = True
    plant.kill.throw("SIGUSR1", "a signal")
    plant.run(20)
    assert not plant.is_flat()

    plant.venue.heal()
    plant.run(90)

    assert plant.is_flat()
    assert venue_holds(plant.venue) == {}


@pytest.mark.parametrize("after", range(8))
def test_a_restart_in_the_middle_goes_on_to_flat_by_the_policy_that_was_thrown(plant: Plant, after: int) -> None:
    plant.opened(a_plan(CALL))
    plant.create(a_plan(PUT))
    plant.tick(2)
    plant.kill.throw("SIGUSR1", "a signal")
    plant.run(after)

    again = plant.reborn(KillPolicy.KEEP)
    assert again.kill.thrown
    again.show(CALL, PUT)
    again.run(40)

    assert again.is_flat()
    assert venue_holds(again.venue) == {}
    assert again.states.state is TradingState.REDUCING


def test_a_restart_pulls_by_the_policy_that_was_thrown_and_not_by_today_s(plant: Plant) -> None:
    plant.opened(a_plan(CALL))
    plant.journal.fail_on = (CloseRequested,)
    plant.kill.throw("SIGUSR1", "a signal")
    assert plant.trade().state is TradeState.OPEN
    plant.journal.fail_on = ()

    again = plant.reborn(KillPolicy.KEEP)
    again.run(20)

    assert again.is_flat()
    again.kill.withdraw(BY)
    assert "TRADER_KILL_POLICY=keep" in again.kill.arm(BY)


def test_a_trade_that_cannot_be_left_does_not_keep_the_others_from_being_left(plant: Plant) -> None:
    plant.opened(a_plan(CALL))
    plant.opened(a_plan(PUT))
    plant.kill._trades = Broken(plant, stuck=1)

    plant.kill.throw("SIGUSR1", "a signal")
    plant.run(20)

    assert venue_holds(plant.venue).keys() == {CALL.symbol}
    assert plant.alerts.about("kill switch test#1")


def test_a_full_disk_does_not_keep_anyone_from_stopping(plant: Plant) -> None:
    plant.opened(a_plan(CALL))
    plant.journal.failing = True

    plant.kill.throw("SIGUSR1", "a signal")
    assert plant.state() is TradingState.REDUCING
    plant.run(3)
    assert plant.alerts.about("journal")
    plant.journal.failing = False
    plant.states.step()
    plant.run(30)

    assert plant.is_flat()
    assert plant.stages == [KillStage.THROWN, KillStage.FLAT]


def test_a_program_that_died_between_throwing_and_holding_holds_at_the_next_start(plant: Plant) -> None:
    plant.kill.throw("SIGUSR1", "a signal")
    plant.journal.events = [event for event in plant.journal.events if isinstance(event, KillSwitchMoved)]

    assert plant.reborn().states.state is TradingState.REDUCING


# ---- whatever happens in whatever order


def _again(plant: Plant, which: int) -> Plant:
    return plant.reborn(list(KillPolicy)[which % 2])


def _fill(plant: Plant, which: int) -> Plant:
    names = [name for name, order in plant.venue.orders.items() if not order.status.final]
    if names:
        plant.venue.execute(names[which % len(names)], Decimal(1 + which % 9) / 100)
    return plant


def _fault(name: str) -> Callable[[Plant, int], Plant]:
    def put(plant: Plant, which: int) -> Plant:
        setattr(plant.venue, name, Decimal(1 + which % 9) / 100 if name in ("partial", "fill_in_cancel") else which % 3 != 0)
        return plant

    return put


def _disk(plant: Plant, which: int) -> Plant:
    plant.journal.fail_next = which % 3
    return plant


def _wait(plant: Plant, which: int) -> Plant:
    plant.run(1 + which, fills=False)
    return plant


def _quiet(plant: Plant, which: int) -> Plant:
    plant.venue.lag_position(on=which % 2 == 0)
    return plant


MISHAPS: dict[str, Callable[[Plant, int], Plant]] = {
    "restart": _again,
    "fill": _fill,
    "wait": _wait,
    "disk": _disk,
    "old positions": _quiet,
    **{name: _fault(name) for name in ("lose_reply", "drop", "reads_fail", "writes_fail", "partial", "fill_in_cancel", "slow_cancel")},
}


def nothing_of_ours(venue: FakeVenue) -> bool:
    """Whether the venue itself holds nothing and has no open order: nobody else trades here."""
    return venue_holds(venue) == {} and all(order.status.final for order in venue.orders.values())


@given(
    before=st.integers(0, 6),
    mishaps=st.lists(st.tuples(st.sampled_from(sorted(MISHAPS)), st.integers(0, 8)), max_size=25),
    policy=st.sampled_from([KillPolicy.URGENT, KillPolicy.PATIENT]),
)
@settings(max_examples=40, deadline=None)
def test_l50_flat_is_never_said_too_early_and_always_in_the_end(before: int, mishaps: list[tuple[str, int]], policy: KillPolicy) -> None:
    plant = a_plant(policy)
    plant.opened(a_plan(CALL, qty="0.1"))
    plant.create(a_plan(PUT, qty="0.2"), a_plan(CALL, qty="0.1"))
    plant.run(before)
    plant.kill.throw("SIGUSR1", "a signal")

    for name, which in mishaps:
        plant = MISHAPS[name](plant, which)
        plant.run(fills=which % 2 == 0)
        plant.show(CALL, PUT)
        assert not plant.is_flat() or nothing_of_ours(plant.venue)
        assert plant.state() is TradingState.REDUCING
    plant.venue.heal()
    plant.journal.fail_next = 0
    for _ in range(60):
        plant.show(CALL, PUT)
        plant.run(3)

    assert plant.is_flat(), plant.left
    assert nothing_of_ours(plant.venue)


class SlowPool:
    """Workers whose answers wait until the test lets them through."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def run(self, work: Callable[[], T], done: Callable[[T | Exception], None], /) -> None:
        """Do the work, and keep its answer."""
        answer = work()
        self.waiting.append(lambda: done(answer))

    def deliver(self) -> None:
        """Let every answer through."""
        while self.waiting:
            self.waiting.pop(0)()


def test_an_answer_from_before_something_moved_is_not_believed(plant: Plant) -> None:
    pool = SlowPool()
    flatness = Flatness(plant.venue, 7, reads=pool, urgent=pool, clock=plant.clock)
    account = plant.venue.snapshot()
    assert flatness.doubts((), account) == ("the venue has not listed its open orders yet",)

    flatness.ask_anew()
    pool.deliver()
    assert flatness.doubts((), account), "asked again instead"
    pool.deliver()

    assert flatness.doubts((), account) == ()
