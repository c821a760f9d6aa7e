"""Orders of legs that the gate refuses: what a person is called for, and what only the log tells."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from loguru import logger

from alerts import AlertDesk
from domain import OptionType, Purpose, TradingState
from execution import Scene
from leg_orders import LegOrders, Place
from order_gate import Sight
from risk import RiskLimits
from trade_execution import TradeExecutor
from trade_lifecycle import TradeLifecycle, advance
from workers import InlinePool

from tests.fakes import FakeVenue, House, a_name, a_plan, a_trade, an_option, filled

CALL, PUT = an_option(70000), an_option(60000, OptionType.PUT)


class Counter(House):
    """A house whose account's state the test sets, with a bell that keeps its cool-downs."""

    def __init__(self, limits: RiskLimits | None = None) -> None:
        self.state, self.capped = TradingState.ACTIVE, limits or RiskLimits()
        super().__init__()
        self.bell = AlertDesk(None, self.clock, timedelta(minutes=15))
        self.legs = LegOrders(self.executor, self.bell, 7)

    def _executor(self, venue: FakeVenue) -> TradeExecutor:
        pool, sight = InlinePool(self.inbox), Sight(state=lambda: self.state)
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

    def place(self, trade: TradeLifecycle, purpose: Purpose = Purpose.OPEN) -> None:
        """Ask for an order of each leg of a trade."""
        scene = Scene(account=self.venue.snapshot(), trade=trade, purpose=purpose, books={})
        for index, leg in enumerate(trade.legs):
            self.legs.perform(scene, Place(leg=index, side=scene.side(leg), qty=Decimal(1), price=Decimal(100)))

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


def a_pair(trade: int = 1) -> TradeLifecycle:
    return a_trade(a_plan(CALL), a_plan(PUT), trade=trade)


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


def test_what_the_price_or_a_cap_refuses_is_told_of_each_leg(log: list[str]) -> None:
    counter = Counter(RiskLimits(max_order_notional=Decimal(1)))

    counter.place(a_pair())

    assert counter.called == ["refused test#1/0", "refused test#1/1"]
    assert log == []


def test_an_order_that_is_held_again_after_others_passed_is_logged_again(log: list[str]) -> None:
    counter = Counter()
    for state in (TradingState.REDUCING, TradingState.ACTIVE, TradingState.REDUCING):
        counter.state = state
        counter.place(a_trade(a_plan(CALL), trade=2 if state is TradingState.ACTIVE else 1))

    assert [line for line in log if line.startswith("order held back")] == [log[0]] * 2
