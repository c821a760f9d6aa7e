"""Orders of legs that the gate refuses: what a person is called for, and what only the log tells."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from loguru import logger

from alerts import AlertDesk
from domain import ExecutionParams, OptionType, Purpose, TradingState
from execution import Scene
from leg_orders import LegOrders, Place
from order_gate import Sight
from risk import PriceBand, RiskLimits
from trade_execution import TradeExecutor
from trade_lifecycle import TradeLifecycle, TradeState, advance
from workers import InlinePool

from tests.fakes import FakeVenue, House, a_name, a_plan, a_trade, an_option, filled

PARAMS = ExecutionParams(fill_timeout_seconds=30, aggressive_buffer_pct=2, max_requote_rounds=3)
CALL, PUT = an_option(70000), an_option(60000, OptionType.PUT)


class Counter(House):
    """A house whose account's state the test sets, with a bell that keeps its cool-downs."""

    def __init__(self, limits: RiskLimits | None = None) -> None:
        self.state, self.capped = TradingState.ACTIVE, limits or RiskLimits()
        super().__init__()
        self.bell = AlertDesk(None, self.clock, timedelta(minutes=15))
        self.legs = LegOrders(self.executor, self.bell, 7)
        self.show(CALL, PUT)

    def _executor(self, venue: FakeVenue) -> TradeExecutor:
        pool = InlinePool(self.inbox)
        sight = Sight(state=lambda: self.state, quote=venue.quotes.get)
        return TradeExecutor(
            gateway=venue,
            writes=pool,
            reads=pool,
            journal=self.journal,
            clock=self.clock,
            alerts=self.alerts,
            limits=self.capped,
            sight=sight,
        )

    def place(self, trade: TradeLifecycle, purpose: Purpose = Purpose.OPEN, price: str = "100") -> None:
        """Ask for an order of each leg of a trade."""
        scene = Scene(account=self.venue.snapshot(), trade=trade, purpose=purpose, books={})
        for index, leg in enumerate(trade.legs):
            self.legs.perform(scene, Place(leg=index, side=scene.side(leg), qty=leg.target, price=Decimal(price)))

    @property
    def called(self) -> list[str]:
        """What a person was called for."""
        return [alert.cause for alert in self.bell.recent]


@pytest.fixture
def log() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line).rstrip()), format="{message}", filter="leg_orders")
    yield lines
    logger.remove(sink)


def a_pair(trade: int = 1, qty: str = "1") -> TradeLifecycle:
    return a_trade(a_plan(CALL, qty=qty), a_plan(PUT, qty=qty), trade=trade)


def test_l45_an_account_that_lets_nothing_open_is_one_call_however_many_legs_wait(log: list[str]) -> None:
    counter = Counter()
    counter.state = TradingState.REDUCING

    for _ in range(3):
        for number in (1, 2):
            counter.place(a_pair(number))

    assert counter.called == ["refused opening while reducing"]
    assert "would open, and the account is reducing" in counter.bell.recent[0].message
    assert [line.partition(" because")[0] for line in log] == [
        f"order held back id={a_name(leg=leg, trade=number)}" for number in (1, 2) for leg in (0, 1)
    ]
    assert counter.venue.received == []


def test_each_state_is_told_by_itself_and_a_close_that_is_held_is_not_taken_for_an_opening() -> None:
    counter = Counter()
    for state in (TradingState.REDUCING, TradingState.HALTED):
        counter.state = state
        counter.place(a_pair())
    counter.place(advance(a_trade(a_plan(CALL)), filled()), Purpose.CLOSE)

    assert counter.called == ["refused opening while reducing", "refused opening while halted", "refused closing while halted"]


def test_l45_l70_a_cap_calls_once_for_each_strategy_however_many_trades_come_and_the_log_names_each_order(log: list[str]) -> None:
    counter = Counter(RiskLimits(max_order_notional=Decimal(1)))

    for _ in range(3):
        for number in (1, 2, 3):  # a strategy that tries again does so with a new trade
            counter.place(a_pair(number))
    counter.place(replace(a_pair(4), strategy="other"))

    assert counter.called == ["refused order notional test", "refused order notional other"]
    assert "TRADER_MAX_ORDER_NOTIONAL_USD" in counter.bell.recent[0].hint
    assert [line.partition(" because")[0] for line in log] == [
        f"order held back id={a_name(leg=leg, trade=number)}" for number in (1, 2, 3, 4) for leg in (0, 1)
    ]


def test_what_concerns_the_whole_account_calls_once_for_all_strategies() -> None:
    counter = Counter(RiskLimits(max_per_minute=0))

    for number, strategy in ((1, "one"), (2, "two")):
        counter.place(replace(a_pair(number), strategy=strategy))

    assert counter.called == ["refused orders per minute"]
    assert "TRADER_MAX_ORDERS_PER_MINUTE" in counter.bell.recent[0].hint


def test_each_rule_is_a_cause_of_its_own() -> None:
    limits = RiskLimits(max_order_notional=Decimal(100_000), max_per_minute=2, band=PriceBand(pct=Decimal(5)))
    counter = Counter(limits)
    counter.place(a_pair(1, qty="2"))
    counter.place(a_pair(2), price="90")
    counter.place(a_pair(3))
    counter.place(a_pair(4))

    assert counter.called == ["refused order notional test", "refused price band test", "refused orders per minute"]


def test_what_is_refused_is_forgotten_with_its_trade(log: list[str]) -> None:
    counter = Counter(RiskLimits(max_order_notional=Decimal(1)))
    counter.place(a_pair())
    counter.legs.forget(1)
    counter.place(a_pair())

    assert len(log) == 4


def test_an_order_that_is_held_again_after_others_passed_is_logged_again(log: list[str]) -> None:
    counter = Counter()
    for state in (TradingState.REDUCING, TradingState.ACTIVE, TradingState.REDUCING):
        counter.state = state
        counter.place(a_trade(a_plan(CALL), trade=2 if state is TradingState.ACTIVE else 1))

    assert [line for line in log if line.startswith("order held back")] == [log[0]] * 2


# ---- what a trade says that came to nothing by it


def test_a_trade_whose_orders_the_gate_refused_says_so_and_not_that_they_did_not_fill() -> None:
    house = House(limits=RiskLimits(max_order_notional=Decimal(4000)))
    house.show(CALL)
    house.create(a_plan(CALL), params=PARAMS)
    house.tick(120)

    assert house.trade().state is TradeState.FAILED
    assert "notional 65000 USD is above the cap of 4000 USD" in house.trade().reason
    assert "not filled" not in house.trade().reason
    assert house.venue.received == []


def test_a_trade_whose_last_order_the_gate_refused_says_both() -> None:
    house = Counter(RiskLimits(band=PriceBand(pct=Decimal(1))))
    house.show(CALL)
    house.create(a_plan(CALL), params=PARAMS)
    house.tick(2)
    house.show(CALL, bid="80", ask="82")  # its mark stays, and the price that follows the market is too far from it
    house.tick(120)

    assert len(house.venue.received) == 1
    assert "not filled in 3 rounds; at last the gate refused its order" in house.trade().reason


def test_what_was_refused_is_no_reason_any_more_once_an_order_passed() -> None:
    house = Counter(RiskLimits(band=PriceBand(pct=Decimal(5))))
    house.show(CALL, bid="80", ask="82")
    house.create(a_plan(CALL), params=replace(PARAMS, aggressive_buffer_pct=0))
    house.tick(5)
    assert house.venue.received == []
    for _ in range(120):
        house.show(CALL)
        house.tick()

    assert len(house.venue.received) > 0
    assert house.trade().reason == f"{CALL.symbol}: not filled in 3 rounds"
