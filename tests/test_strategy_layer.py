"""The strategy layer on the real lifecycle: a declared strategy enters, waits, is limited, leaves and reports, in each of its modes."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from domain import AccountSnapshot, Chain, ExecutionMode, OptionType, Purpose, RFQFallback, TradeView, Verdict
from errors import DataNotFresh
from events import ExecutionStarted, StrategyChanged, TradeCreated
from execution import Execution, Executor, RunLog, Scene
from leg_orders import LegOrders
from limit_execution import LimitExecutor
from strategy import (
    ExecutionParams,
    LegSpec,
    StrategyConfig,
    StrategyHistory,
    StrategyRunner,
    TradeLifecycle,
    TradeState,
    histories,
    max_hold_hours,
    max_loss,
    min_available_margin_pct,
    profit_target,
    time_window,
)

from tests.fakes import SECOND, House, an_option, books_hold, venue_holds

CALL, PUT = an_option(70000), an_option(60000, OptionType.PUT)
QUICK = ExecutionParams(fill_timeout_seconds=5, max_requote_rounds=3)


def the_legs(qty: str = "0.1") -> list[LegSpec]:
    """A strangle of exactly the two options that are listed."""
    return [
        LegSpec("C", 2, qty, {"type": "strike", "value": 70000}, {"dte": "next"}),
        LegSpec("P", 2, qty, {"type": "strike", "value": 60000}, {"dte": "next"}),
    ]


class By:
    """A way to execute of another name, which works with limit orders; `no` is why it accepts nothing."""

    def __init__(self, mode: ExecutionMode, no: str = "") -> None:
        self.mode, self.no = mode, no

    def __call__(self, orders: LegOrders) -> Executor:
        """Build it on a venue's orders."""
        self._limit = LimitExecutor(orders)
        return self

    def accepts(self, scene: Scene, /) -> Verdict:
        return Verdict(not self.no, self.no or "gladly")

    def begin(self, scene: Scene, log: RunLog, /) -> Execution:
        return self._limit.begin(scene, log)

    def forget(self, trade: int, /) -> None:
        """Keep nothing."""


class Floor:
    """One strategy's runner on the real manager, desk and order path, over a venue that fills what crosses."""

    def __init__(self, *, history: StrategyHistory | None = None, house: House | None = None, **fields: object) -> None:
        plain: dict[str, object] = {"name": "test", "legs": the_legs(), "execution": QUICK, "execution_mode": "limit"}
        self.config = StrategyConfig(**{**plain, "check_interval_seconds": 0, **fields})  # type: ignore[arg-type]
        self.house = house or House(others=[By(ExecutionMode.RFQ), By(ExecutionMode.SMART)])
        self.house.show(CALL, PUT)
        self.silent = False
        self.runner = StrategyRunner(
            self.config,
            market=self,
            lifecycle=self.house.manager,
            clock=self.house.clock,
            journal=self.house.journal,
            alerts=self.house.alerts,
            seed=history,
        )

    def chain(self, underlying: str, expiry: object = None) -> Chain:
        """What is listed, at the venue's prices."""
        if self.silent:
            raise DataNotFresh("fake", f"chain {underlying}", "being fetched")
        return Chain(underlying, self.house.clock.now(), Decimal(65000), tuple(self.house.venue.quotes.values()))

    def tick(self, times: int = 1, *, every: timedelta = SECOND, fills: bool = True) -> "Floor":
        """Let the market move on: the trades are looked at, then the strategy, and whatever rests is filled."""
        for _ in range(times):
            self.house.tick(every=every)
            self.runner.tick(self.house.venue.snapshot())
            if fills:
                self.house.fill_all()
        return self

    @property
    def trades(self) -> tuple[TradeLifecycle, ...]:
        return self.house.manager.trades

    @property
    def states(self) -> list[TradeState]:
        return [trade.state for trade in self.trades]

    def ways(self, purpose: Purpose) -> list[ExecutionMode]:
        """How the phases of one purpose were executed, in order."""
        return [e.mode for e in self.house.journal.of(ExecutionStarted) if isinstance(e, ExecutionStarted) and e.purpose is purpose]


# ---- a whole life


def test_a_strategy_enters_holds_and_leaves_flat_by_its_own_conditions() -> None:
    floor = Floor(
        entry_conditions=[time_window(8, 20), min_available_margin_pct(30)], exit_conditions=[max_hold_hours(0.01)], max_trades_per_day=1
    )

    floor.tick(12)
    assert floor.states == [TradeState.OPEN]
    assert books_hold(floor.trades) == venue_holds(floor.house.venue) == {CALL.symbol: Decimal("-0.1"), PUT.symbol: Decimal("-0.1")}

    floor.tick(60)
    assert floor.states == [TradeState.CLOSED]
    assert venue_holds(floor.house.venue) == {}
    assert "max_hold_hours(0.01)" in floor.trades[0].reason


def test_a_trade_is_created_with_what_the_strategy_declared() -> None:
    floor = Floor(entry_conditions=[time_window(8, 20)], execution_mode="auto").tick()

    [created] = floor.house.journal.of(TradeCreated)
    assert isinstance(created, TradeCreated)
    assert (created.strategy, created.version, created.mode, created.params) == ("test", floor.config.version, ExecutionMode.AUTO, QUICK)
    assert created.reason.startswith("time_window(8, 20): 12:00 is within")


# ---- why not


@pytest.mark.parametrize(
    ("fields", "spoil", "why"),
    [
        ({"entry_conditions": [time_window(1, 2)]}, None, "time_window(1, 2): 12:00 is outside"),
        ({"entry_conditions": [lambda account: False]}, None, "says no"),
        ({"legs": [LegSpec("C", 1, 1, {"type": "strike", "value": 1}, {"dte": "next"})]}, None, "legs: "),
        ({}, lambda floor: setattr(floor, "silent", True), "market data: waiting for chain BTC: being fetched"),
        ({}, lambda floor: floor.runner.pause("lunch"), "paused because lunch"),
        ({}, lambda floor: floor.house.manager.block_entries("person", "holiday"), "entries: holiday"),
    ],
)
def test_what_refuses_is_named_and_nothing_is_sent(fields: dict[str, object], spoil: Callable[[Floor], object] | None, why: str) -> None:
    floor = Floor(house=None, history=None, **fields)
    if spoil is not None:
        spoil(floor)

    floor.tick(3)

    assert floor.trades == ()
    assert floor.house.venue.received == []
    assert why in floor.runner.why_not


def test_what_no_longer_refuses_lets_the_trade_in() -> None:
    floor = Floor()
    floor.silent = True
    floor.tick(3)
    floor.silent = False

    floor.tick()

    assert len(floor.trades) == 1
    assert floor.runner.why_not == ""


# ---- how often


@pytest.mark.parametrize("most", [1, 3])
def test_no_more_trades_stand_side_by_side_than_declared(most: int) -> None:
    floor = Floor(max_concurrent_trades=most).tick(20)

    assert len(floor.trades) == most
    assert floor.runner.why_not.startswith(f"max_concurrent_trades: {most} of {most} active")


def test_l13_a_close_that_does_not_succeed_keeps_its_place() -> None:
    floor = Floor(exit_conditions=[max_hold_hours(0.005)])
    floor.tick(10)
    floor.house.venue.writes_fail = True

    floor.tick(120)

    assert floor.states == [TradeState.CLOSING]
    assert floor.runner.why_not.startswith("max_concurrent_trades: 1 of 1 active")


def test_the_day_limit_counts_failures_too_and_ends_at_midnight() -> None:
    floor = Floor(max_trades_per_day=2, exit_conditions=[max_hold_hours(0.002)]).tick(120)
    assert len(floor.trades) == 2
    assert floor.runner.why_not.startswith("max_trades_per_day: 2 of 2")

    floor.tick(12, every=timedelta(hours=1)).tick(2)

    assert len(floor.trades) == 3


def test_a_cooldown_separates_two_beginnings() -> None:
    floor = Floor(max_concurrent_trades=9, cooldown_seconds=60).tick(130)

    begun = [trade.created_at for trade in floor.trades]
    assert [later - earlier >= timedelta(seconds=60) for earlier, later in pairwise(begun)] == [True, True]


def test_l31_the_limits_of_the_day_survive_a_restart() -> None:
    floor = Floor(max_trades_per_day=2, exit_conditions=[max_hold_hours(0.002)]).tick(120)
    again = Floor(
        house=floor.house.restart(),
        history=histories(floor.house.journal.events).get("test"),
        max_trades_per_day=2,
        exit_conditions=[max_hold_hours(0.002)],
    )

    again.tick(30)

    assert len(again.trades) == 2
    assert again.runner.why_not.startswith("max_trades_per_day: 2 of 2")


# ---- leaving


def test_the_callback_is_called_once_for_each_trade_with_what_it_made() -> None:
    told: list[tuple[int, Decimal, bool]] = []

    def note(trade: TradeLifecycle, account: AccountSnapshot) -> None:
        told.append((trade.number, trade.net_profit, account.valid))

    floor = Floor(exit_conditions=[max_hold_hours(0.002)], on_trade_closed=note, max_trades_per_day=2).tick(150)

    assert [number for number, _, _ in told] == [1, 2]
    assert [profit for _, profit, _ in told] == [trade.net_profit for trade in floor.trades]
    assert all(known for _, _, known in told)


@pytest.mark.parametrize("stop", ["pause", "stop"])
def test_a_strategy_that_may_not_enter_still_leaves_and_calls_back(stop: str) -> None:
    told: list[int] = []
    floor = Floor(exit_conditions=[max_hold_hours(0.01)], on_trade_closed=lambda trade, account: told.append(trade.number)).tick(12)

    getattr(floor.runner, stop)("a person")
    floor.tick(80)

    assert (floor.states, told) == ([TradeState.CLOSED], [1])
    assert floor.house.journal.of(StrategyChanged)


def test_l54_a_callback_that_raises_stops_nothing() -> None:
    floor = Floor(exit_conditions=[max_hold_hours(0.002)], on_trade_closed=lambda trade, account: 1 / 0, max_trades_per_day=2).tick(150)

    assert floor.states == [TradeState.CLOSED, TradeState.CLOSED]


def test_any_exit_that_is_met_closes_and_the_first_is_the_reason() -> None:
    floor = Floor(exit_conditions=[profit_target(10_000), max_hold_hours(0.01), max_loss(10_000)], max_trades_per_day=1).tick(80)

    assert floor.states == [TradeState.CLOSED]
    assert floor.trades[0].reason.startswith("max_hold_hours(0.01)")


# ---- the modes


@pytest.mark.parametrize("mode", [ExecutionMode.LIMIT, ExecutionMode.RFQ, ExecutionMode.SMART])
def test_a_declared_mode_opens_and_closes(mode: ExecutionMode) -> None:
    floor = Floor(execution_mode=str(mode), exit_conditions=[max_hold_hours(0.005)], max_trades_per_day=1).tick(80)

    assert floor.states == [TradeState.CLOSED]
    assert floor.ways(Purpose.OPEN) == [mode]
    assert floor.ways(Purpose.CLOSE) == [mode]


@pytest.mark.parametrize(
    ("qty", "mode"), [("0.01", ExecutionMode.LIMIT), ("0.1", ExecutionMode.LIMIT), ("0.5", ExecutionMode.RFQ)]
)  # two legs, strikes of 60,000 and 70,000: 1,300, 13,000 and 65,000 USD
def test_auto_is_decided_by_the_strike_notional_for_opening_and_for_closing(qty: str, mode: ExecutionMode) -> None:
    floor = Floor(legs=the_legs(qty), execution_mode="auto", exit_conditions=[max_hold_hours(0.005)], max_trades_per_day=1).tick(80)

    assert floor.states == [TradeState.CLOSED]
    assert (floor.ways(Purpose.OPEN), floor.ways(Purpose.CLOSE)) == ([mode], [mode])
    assert floor.trades[0].mode is ExecutionMode.AUTO


def test_an_urgent_exit_is_not_put_to_makers() -> None:
    def stop(account: AccountSnapshot, trade: TradeView) -> Verdict:
        return Verdict(account.now - trade.created_at > timedelta(seconds=15), "loss 9", urgent=True)

    floor = Floor(legs=the_legs("0.5"), execution_mode="auto", exit_conditions=[stop], max_trades_per_day=1).tick(60)

    assert floor.states == [TradeState.CLOSED]
    assert floor.trades[0].urgent
    assert (floor.ways(Purpose.OPEN), floor.ways(Purpose.CLOSE)) == ([ExecutionMode.RFQ], [ExecutionMode.LIMIT])


def test_a_mode_that_cannot_goes_on_with_limit_orders_and_says_why() -> None:
    house = House(others=[By(ExecutionMode.RFQ, "strike notional 13000 USD is below 50000")])
    floor = Floor(house=house, execution_mode="rfq", max_trades_per_day=1).tick(20)

    [started] = [event for event in house.journal.of(ExecutionStarted) if isinstance(event, ExecutionStarted)]
    assert floor.states == [TradeState.OPEN]
    assert (started.mode, started.reason) == (ExecutionMode.LIMIT, "rfq cannot: strike notional 13000 USD is below 50000")


def test_where_the_strategy_wants_makers_or_nothing_it_is_given_up() -> None:
    house = House(others=[By(ExecutionMode.RFQ, "too small")])
    only = replace(QUICK, rfq=replace(QUICK.rfq, fallback=RFQFallback.NONE))

    floor = Floor(house=house, execution_mode="rfq", execution=only, max_trades_per_day=1).tick(20)

    assert floor.states == [TradeState.FAILED]
    assert house.venue.received == []
