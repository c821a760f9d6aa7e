"""Scripts drive a trade of their own through the tick of the daemon until its phase is over, and are told what each execution did."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from domain import AccountSnapshot, ExecutionMode, ExecutionParams, OptionLeg, OptionType, Side, unknown_account
from errors import ConfigError, ExchangeUnavailable, RiskDenied
from events import LegPlan
from execution import Driven, ExecutionResult, LegResult
from leg_orders import LegOrders
from multileg_orderbook import SmartOrderbookExecutor
from script_driver import SCRIPT, ScriptDriver
from trade_lifecycle import TradeState

from tests.fakes import START, House, a_plan, an_option, venue_holds

PUT = an_option(60000, OptionType.PUT)
PAIR = (
    OptionLeg(instrument=an_option(), side=Side.BUY, qty=Decimal(1)),
    OptionLeg(instrument=PUT, side=Side.SELL, qty=Decimal(1)),
)
ENOUGH = 200  # ticks


class Stage:
    """A house with a driver over it. Between two ticks the venue fills what rests there, once it is told to."""

    def __init__(self, house: House | None = None) -> None:
        self.house = house or House()
        self.house.show(an_option(), PUT)
        self.fills = True
        self.unknown = 0
        self.ticks = 0
        self.drive = ScriptDriver(self.house.manager, self.tick, self.wait)

    def tick(self) -> AccountSnapshot:
        """Tick once; the account is not known on the first `unknown` ticks."""
        self.ticks += 1
        assert self.ticks < ENOUGH, "it never ends"
        account = unknown_account(START, "unreachable") if self.ticks <= self.unknown else None
        self.house.tick(account=account)
        return account or self.house.venue.snapshot()

    def wait(self) -> None:
        """Let the venue work."""
        if self.fills:
            self.house.fill_all()

    def call(self, legs: Sequence[OptionLeg] = PAIR, params: ExecutionParams | None = None) -> Sequence[ExecutionResult]:
        """Do what an executor's blocking call does."""
        driven = self.drive(legs, ExecutionMode.LIMIT, params or ExecutionParams())
        assert driven.success is all(result.success for result in driven.results)
        return driven.results


@pytest.fixture
def stage() -> Stage:
    return Stage()


def reversed_legs() -> list[OptionLeg]:
    return [replace(leg, side=leg.side.opposite) for leg in PAIR]


def states(stage: Stage) -> list[TradeState]:
    return [trade.state for trade in stage.house.manager.trades]


def test_a_script_is_told_what_its_opening_did_once_it_is_over(stage: Stage) -> None:
    [result] = stage.call()

    assert result.success
    assert [(leg.symbol, leg.side, leg.filled) for leg in result.legs] == [(leg.instrument.symbol, leg.side, leg.qty) for leg in PAIR]
    assert [(trade.strategy, trade.state) for trade in stage.house.manager.trades] == [(SCRIPT, TradeState.OPEN)]
    assert venue_holds(stage.house.venue) == {an_option().symbol: 1, PUT.symbol: -1}


def test_the_reverse_of_what_the_script_holds_closes_it_whatever_the_order_of_its_legs(stage: Stage) -> None:
    stage.call()

    [result] = stage.call(reversed_legs()[::-1])

    assert result.success
    assert states(stage) == [TradeState.CLOSED]
    assert venue_holds(stage.house.venue) == {}


def test_legs_that_are_only_a_part_of_the_reverse_are_refused_and_nothing_changes(stage: Stage) -> None:
    stage.call()
    before = len(stage.house.venue.received)

    with pytest.raises(RiskDenied, match="would net against"):
        stage.call([replace(leg, qty=Decimal("0.5")) for leg in reversed_legs()])

    assert states(stage) == [TradeState.OPEN]
    assert len(stage.house.venue.received) == before


def test_a_trade_of_a_strategy_is_never_closed_by_a_script(stage: Stage) -> None:
    stage.house.opened(*(a_plan(leg.instrument, leg.side) for leg in PAIR))
    for _ in range(10):
        stage.house.tick()
        stage.house.fill_all()
    assert states(stage) == [TradeState.OPEN]

    with pytest.raises(RiskDenied, match="would net against"):
        stage.call(reversed_legs())

    assert states(stage) == [TradeState.OPEN]


def test_blocked_entries_refuse_an_opening_with_their_reason_and_never_a_close(stage: Stage) -> None:
    stage.call()
    stage.house.manager.block_entries("person", "holiday until Monday")

    with pytest.raises(RiskDenied, match="holiday until Monday"):
        stage.call()
    stage.call(reversed_legs())

    assert states(stage) == [TradeState.CLOSED]


def test_l28_nothing_is_begun_before_the_account_is_known(stage: Stage) -> None:
    stage.unknown = 5

    stage.call()

    assert stage.ticks > 5
    assert states(stage) == [TradeState.OPEN]


def test_an_opening_that_is_given_up_says_so_and_leaves_nothing(stage: Stage) -> None:
    stage.fills = False

    results = stage.call(params=ExecutionParams(fill_timeout_seconds=2, max_requote_rounds=2))

    assert [result.success for result in results] == [False]
    assert results[0].reason
    assert states(stage) == [TradeState.FAILED]
    assert venue_holds(stage.house.venue) == {}


def test_results_of_other_trades_are_not_the_scripts(stage: Stage) -> None:
    stage.house.create(a_plan(an_option(80000)), strategy="other")
    stage.house.show(an_option(80000))

    results = stage.call()

    assert [leg.symbol for result in results for leg in result.legs] == [leg.instrument.symbol for leg in PAIR]


def test_what_a_script_opened_before_a_restart_is_closed_by_the_next_one(stage: Stage) -> None:
    stage.call()
    again = Stage(stage.house.restart())

    [result] = again.call(reversed_legs())

    assert result.success
    assert states(again) == [TradeState.CLOSED]
    assert venue_holds(again.house.venue) == {}


def test_what_several_executions_traded_is_told_together() -> None:
    one = LegResult(symbol="a", side=Side.BUY, wanted=Decimal(2), filled=Decimal(1), value=Decimal(100), fees=Decimal(1))
    rest = replace(one, wanted=Decimal(1), value=Decimal(110))
    back = replace(one, side=Side.SELL, value=Decimal(90))
    results = [ExecutionResult(mode=ExecutionMode.LIMIT, success=True, reason="", legs=legs) for legs in ((one,), (rest, back))]
    driven = Driven(results=tuple(results), success=True)
    assert driven.legs == (replace(one, filled=Decimal(2), value=Decimal(210), fees=Decimal(2)), back)
    assert driven.legs[0].average_price == 105


def test_an_account_that_cannot_be_read_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    stage.unknown = ENOUGH
    monkeypatch.setattr("script_driver.KNOWN_WITHIN", 0.0)
    with pytest.raises(ExchangeUnavailable, match="unreachable"):
        stage.drive(PAIR, ExecutionMode.LIMIT, ExecutionParams())
    assert stage.house.manager.trades == ()


def test_l28_a_call_that_is_made_again_goes_on_with_the_trade_that_is_on_its_way() -> None:
    stage = Stage()
    stage.fills = False
    plans = [LegPlan(option=leg.instrument, side=leg.side, qty=leg.qty) for leg in PAIR]
    stage.house.manager.create(strategy=SCRIPT, version="", legs=plans, mode=ExecutionMode.LIMIT)
    stage.house.tick(2)
    stage.fills = True
    assert stage.drive(PAIR, ExecutionMode.LIMIT, ExecutionParams()).success
    assert len(stage.house.manager.trades) == 1


def test_l16_what_is_no_whole_number_of_lots_is_refused_before_anything_is_begun() -> None:
    stage = Stage()
    with pytest.raises(ConfigError, match="not a whole number of lots"):
        stage.drive([replace(PAIR[0], qty=Decimal("0.015"))], ExecutionMode.SMART, ExecutionParams())
    with pytest.raises(ConfigError, match="at least one leg"):
        stage.drive([], ExecutionMode.SMART, ExecutionParams())
    assert stage.house.manager.trades == ()


def test_what_chunks_could_not_do_and_limit_orders_did_is_told_and_not_refused() -> None:
    leg = LegResult(symbol="a", side=Side.BUY, wanted=Decimal(1), filled=Decimal(1), value=Decimal(100), fees=Decimal(1))
    by_limit = ExecutionResult(mode=ExecutionMode.LIMIT, success=True, reason="", legs=(leg,))
    smart = SmartOrderbookExecutor(LegOrders(House().executor, House().alerts, 7))
    smart.drive = lambda *_: Driven(results=(by_limit,), success=True)
    result = smart.execute_smart_multi_leg(PAIR)
    assert result.success
    assert result.legs == (leg,)
    assert (result.chunks_completed, result.total_cost) == (0, Decimal(100))
