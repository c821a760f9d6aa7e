"""The kill switch on a real order path over a venue that can fail: armed, thrown, pulled through to flat, restarts in between."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loguru import logger

from alerts import AlertDesk
from domain import ClientOrderId, KillPolicy, KillStage, OptionType, OrderStatus, Purpose, Side, TradingState
from errors import InvariantBroken, RiskDenied
from events import CloseRequested, KillSwitchMoved, LegPlan, OpenGivenUp, PartKept, TradeHandedOver, TradeReleased
from flatness import Flatness
from kill_switch import KillSwitch, _lines_of
from order_gate import Sight
from order_ledger import NEVER, OrderRecord
from risk import RiskLimits
from trade_execution import TradeExecutor
from trade_lifecycle import TradeLifecycle, TradeState
from trading_state import KILL_SWITCH, TradingStates
from workers import InlinePool

from tests.fakes import SECOND, FakeJournal, FakeVenue, House, a_fill, a_name, a_plan, a_quote, an_option, an_order, filled, venue_holds

CALL, PUT = an_option(70000), an_option(60000, OptionType.PUT)
BY = "a person"
T = TypeVar("T")


class Managed:
    """The trades as the kill switch sees them."""

    def __init__(self, house: House) -> None:
        self.house = house

    @property
    def trades(self) -> Sequence[TradeLifecycle]:
        """Every trade known."""
        return self.house.manager.trades

    def force_close(self, number: int, reason: str, *, urgent: bool = False) -> None:
        """Close a trade."""
        self.house.manager.force_close(number, reason, urgent=urgent)

    def stop_opening(self, number: int, reason: str) -> bool:
        """Take back an opening."""
        book, now = self.house.manager._book, self.house.clock.now()
        trade = book[number]
        if trade.state is TradeState.PENDING_OPEN:
            book.apply(OpenGivenUp(at=now, trade=number, reason=reason))
        elif trade.state is TradeState.OPENING:
            if not self.house.manager._venue_of(trade).executions.withdraw(trade, reason):
                return False
            kind = OpenGivenUp if all(leg.opened == 0 for leg in book[number].legs) else PartKept
            book.apply(kind(at=now, trade=number, reason=reason))
        return True


class Broken(Managed):
    """The same, of which one trade cannot be left."""

    def __init__(self, house: House, stuck: int) -> None:
        super().__init__(house)
        self.stuck = stuck

    def force_close(self, number: int, reason: str, *, urgent: bool = False) -> None:
        """Have a trade closed, unless it is that one."""
        if number == self.stuck:
            raise InvariantBroken(f"trade {number} contradicts itself")
        super().force_close(number, reason, urgent=urgent)


class Plant(House):
    """A house with a kill switch and an account state that its gate sees."""

    def __init__(self, policy: KillPolicy = KillPolicy.URGENT, venue: FakeVenue | None = None, journal: FakeJournal | None = None) -> None:
        super().__init__(venue=venue, journal=journal)
        self.states = TradingStates(self.journal, self.clock, self.alerts)
        pool = InlinePool(self.inbox)
        self.flatness = Flatness(self.venue, 7, reads=pool, urgent=pool, clock=self.clock)
        self.policy = policy
        self.kill = KillSwitch(
            trades=Managed(self),
            ledgers=(self.executor.ledger,),
            flatness=self.flatness,
            rule=self.states.rule(KILL_SWITCH),
            journal=self.journal,
            clock=self.clock,
            alerts=self.alerts,
            policy=policy,
        )
        self.states.restore(self.journal.events)
        self.kill.restore(self.journal.events)
        self.said: list[str] = []

    def _executor(self, venue: FakeVenue) -> TradeExecutor:
        pool, sight = InlinePool(self.inbox), Sight(state=lambda: self.states.state)
        return TradeExecutor(
            gateway=venue,
            writes=pool,
            reads=pool,
            journal=self.journal,
            clock=self.clock,
            alerts=self.alerts,
            limits=RiskLimits(),
            sight=sight,
        )

    def reborn(self, policy: KillPolicy | None = None) -> "Plant":
        """Die by kill -9 and come back."""
        return Plant(policy or self.policy, self.venue, self.journal)

    def run(self, ticks: int = 1, *, fills: bool = True) -> None:
        """Tick as the daemon would: the switch looks first, then the trades; what rests is filled if it may."""
        for _ in range(ticks):
            self.kill.step(self.venue.snapshot())
            self.tick()
            if fills:
                self.fill_all()

    def is_flat(self) -> bool:
        """Whether the switch says flat."""
        return self.kill.flat

    def state(self) -> TradingState:
        """What the account may do."""
        return self.states.state

    @property
    def stages(self) -> list[KillStage]:
        """What the journal says of the switch."""
        return [event.stage for event in self.journal.of(KillSwitchMoved) if isinstance(event, KillSwitchMoved)]

    @property
    def left(self) -> str:
        """What the switch says is left."""
        return "; ".join(self.kill._left())


@pytest.fixture
def told() -> Iterator[list[str]]:
    """What the switch logs."""
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line).rstrip()), format="{message}", filter="kill_switch")
    yield lines
    logger.remove(sink)


@pytest.fixture
def plant() -> Plant:
    house = Plant()
    house.show(CALL, PUT)
    return house


def a_plant(policy: KillPolicy) -> Plant:
    house = Plant(policy)
    house.show(CALL, PUT)
    return house


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
    plant.tick(5)

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
