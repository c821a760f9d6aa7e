"""Stories of half filled structures: a house with a strangle or a vertical, what the guard did, and makers that do as they are told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from domain import ExecutionMode, ExecutionParams, LeggingPolicy, OptionType, Purpose, Remedy, RFQFallback, RFQParams, Side, Verdict
from events import Event, ExecutionStarted, LeggingBreached, LegsApart
from execution import Advance, ExecutionResult, Progress, RunLog, Scene, leg_results
from leg_orders import LegOrders, Place
from trade_lifecycle import TradeState

from tests.fakes import House, a_name, a_plan, an_option

T = TypeVar("T", bound=Event)
S = TradeState
CALL, PUT, WING = an_option(70000), an_option(60000, OptionType.PUT), an_option(75000)
STRANGLE = (a_plan(CALL), a_plan(PUT))
VERTICAL = (a_plan(CALL, Side.SELL), a_plan(WING, Side.BUY))


@dataclass
class Told:
    """An executor that does as it is told: "trade" all at the market at once, "wait", or "give up"; `accepting` says why not."""

    mode: ExecutionMode
    does: str = "trade"
    refusal: str = ""
    orders: LegOrders | None = None
    begun: list[RunLog] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    def __call__(self, orders: LegOrders) -> "Told":
        self.orders = orders
        return self

    def accepts(self, scene: Scene, /) -> Verdict:
        return Verdict(not self.refusal, self.refusal)

    def begin(self, scene: Scene, log: RunLog, /) -> "ToldExecution":
        self.begun.append(log)
        return ToldExecution(self, log)

    def forget(self, trade: int, /) -> None:
        """Keep nothing."""


@dataclass
class ToldExecution:
    told: Told
    log: RunLog

    def step(self, scene: Scene, /) -> Advance:
        if self.told.does == "give up":
            return Advance(progress=Progress.EXHAUSTED, reason="no good quote")
        orders = self.told.orders
        assert orders is not None
        sights = orders.sights(scene, self.log.started.at)
        if all(sight.missing == 0 and sight.live is None for sight in sights):
            return Advance(progress=Progress.DONE)
        for sight in sights if self.told.does == "trade" else ():
            price = scene.quotes[sight.leg.option.symbol].executable(sight.side)
            if sight.live is None and sight.sendable > 0 and price is not None:
                orders.perform(scene, Place(leg=sight.index, side=sight.side, qty=sight.sendable, price=price))
        return Advance(progress=Progress.WORKING)

    def cancel(self, reason: str, /) -> bool:
        self.told.cancelled.append(reason)
        return self.told.orders is not None and self.told.orders.withdraw(self.log.started.trade)

    def result(self, advance: Advance, /) -> ExecutionResult:
        return ExecutionResult(
            mode=self.told.mode, success=advance.progress is Progress.DONE, reason=advance.reason, legs=leg_results(self.log)
        )


def a_policy(
    *remedies: Remedy,
    max_seconds: float = 10,
    remedy_seconds: float = 6,
    max_loss_pct: float | None = None,
    bought_first: bool = True,
    require_executable: bool = True,
) -> LeggingPolicy:
    return LeggingPolicy(
        remedies=remedies or (Remedy.CROSS, Remedy.UNWIND),
        max_seconds=max_seconds,
        remedy_seconds=remedy_seconds,
        max_loss_pct=max_loss_pct,
        bought_first=bought_first,
        require_executable=require_executable,
    )


def params_of(policy: LeggingPolicy, *, rounds: int = 100, fallback: RFQFallback = RFQFallback.LIMIT) -> ExecutionParams:
    return ExecutionParams(
        fill_timeout_seconds=5, max_requote_rounds=rounds, aggressive_buffer_pct=0, legging=policy, rfq=RFQParams(fallback=fallback)
    )


def a_house(*others: Callable[[LegOrders], Told]) -> House:
    house = House(others=others)
    house.show(CALL, PUT, WING)
    return house


def half_filled(policy: LeggingPolicy, *others: Callable[[LegOrders], Told], run_away: bool = True) -> House:
    """Return a house whose strangle has its call and not its put, as of now; the put may have become 20 USD wide."""
    house = a_house(*others)
    house.create(*STRANGLE, params=params_of(policy))
    house.tick()
    house.venue.execute(a_name(0))
    tick_until(house, lambda: bool(of(house, LegsApart)))
    if run_away:
        house.show(PUT, bid="90", ask="110")
    return house


def of(house: House, kind: type[T]) -> list[T]:
    return [event for event in house.journal.events if isinstance(event, kind)]


def remedies(house: House, purpose: Purpose = Purpose.OPEN) -> list[Remedy]:
    return [event.remedy for event in of(house, LeggingBreached) if event.purpose is purpose]


def runs(house: House) -> list[tuple[Purpose, ExecutionMode, bool, Remedy | None]]:
    return [(event.purpose, event.mode, event.urgent, event.remedy) for event in of(house, ExecutionStarted)]


def tick_until(house: House, done: Callable[[], bool], at_most: int = 60) -> None:
    for _ in range(at_most):
        if done():
            return
        house.tick()
    assert done(), f"not in {at_most} ticks: {house.trade().state} {house.trade().reason}"
