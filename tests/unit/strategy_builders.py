"""A market, a desk, a journal and a bell that work, with switches for their faults, for the tests of strategies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from clock import SimulatedClock
from domain import (
    AccountSnapshot,
    Chain,
    ExecutionMode,
    ExecutionParams,
    ExitCondition,
    OptionType,
    Quote,
    Severity,
    Side,
    Verdict,
)
from errors import DataNotFresh, JournalError, TraderError
from events import Event, LegPlan, TradeCreated
from strategy import StrategyConfig, StrategyHistory, StrategyRunner, TradeLifecycle, TradeState, strangle
from trade_lifecycle import TradeLeg, created

from tests.unit.condition_builders import NOON, a_quote, an_account, an_option


def a_chain(underlying: str = "BTC", at: datetime = NOON) -> Chain:
    """Seven strikes of calls and puts, one week away, deltas falling with the strike."""
    quotes: list[Quote] = []
    for n, strike in enumerate(range(85_000, 120_000, 5_000)):
        call, put = an_option(strike), an_option(strike, OptionType.PUT)
        quotes += [a_quote(call, delta=0.95 - 0.15 * n, at=at), a_quote(put, delta=-0.05 - 0.15 * n, at=at)]
    return Chain(underlying=underlying, at=at, index=Decimal(100_000), quotes=tuple(quotes))


@dataclass
class FakeMarket:
    """Chains by underlying; one that is missing is still being fetched."""

    chains: dict[str, Chain] = field(default_factory=lambda: {"BTC": a_chain()})

    def chain(self, underlying: str, expiry: datetime | None = None) -> Chain:
        if underlying not in self.chains:
            raise DataNotFresh("paper", f"chain {underlying}", "being fetched")
        return self.chains[underlying]


@dataclass
class FakeJournal:
    """Remembers events; while `full` it takes none."""

    events: list[Event] = field(default_factory=list)
    full: bool = False

    def append(self, *events: Event) -> None:
        if self.full:
            raise JournalError("the disk is full")
        self.events += events

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


@dataclass
class FakeAlerts:
    """Remembers what a person was told."""

    told: list[tuple[Severity, str, str]] = field(default_factory=list)

    def alert(self, severity: Severity, cause: str, message: str, hint: str) -> None:
        self.told.append((severity, cause, message))


@dataclass
class FakeDesk:
    """Keeps trades as the lifecycle manager does, without trading them; `refusing` makes it refuse to create."""

    clock: SimulatedClock
    trades: list[TradeLifecycle] = field(default_factory=list)
    bound: dict[str, Sequence[ExitCondition]] = field(default_factory=dict)
    listeners: list[Callable[[TradeLifecycle], None]] = field(default_factory=list)
    entries_allowed: Verdict = field(default_factory=lambda: Verdict(True))
    refusing: TraderError | None = None

    def bind(self, strategy: str, exits: Sequence[ExitCondition], /) -> None:
        self.bound[strategy] = exits

    def on_closed(self, callback: Callable[[TradeLifecycle], None], /) -> None:
        self.listeners.append(callback)

    def create(
        self,
        *,
        strategy: str,
        version: str,
        legs: tuple[LegPlan, ...],
        mode: ExecutionMode,
        params: ExecutionParams,
        reason: str,
        simulated: bool,
    ) -> TradeLifecycle:
        if self.refusing is not None:
            raise self.refusing
        self.trades.append(
            created(
                TradeCreated(
                    at=self.clock.now(),
                    trade=len(self.trades) + 1,
                    strategy=strategy,
                    version=version,
                    legs=legs,
                    mode=mode,
                    params=params,
                    reason=reason,
                    simulated=simulated,
                )
            )
        )
        return self.trades[-1]

    def trades_for_strategy(self, name: str, /) -> tuple[TradeLifecycle, ...]:
        return tuple(trade for trade in self.trades if trade.strategy == name)

    def active_trades_for_strategy(self, name: str, /) -> tuple[TradeLifecycle, ...]:
        return tuple(trade for trade in self.trades_for_strategy(name) if trade.active)

    def created_since(self, strategy: str, moment: datetime, /) -> int:
        return sum(trade.created_at >= moment for trade in self.trades_for_strategy(strategy))

    def set(self, number: int, trade: TradeLifecycle) -> None:
        self.trades[number - 1] = trade

    def close(self, number: int, state: TradeState = TradeState.CLOSED) -> TradeLifecycle:
        """End a trade and tell the listeners, as the manager does."""
        ended = replace(self.trades[number - 1], state=state, closed_at=self.clock.now())
        self.set(number, ended)
        for listener in self.listeners:
            listener(ended)
        return ended


def a_config(**changed: object) -> StrategyConfig:
    """A strangle that enters at every look, unless the test says otherwise."""
    plain: dict[str, object] = {"name": "plain", "legs": strangle(0.1, 0.2, -0.2), "check_interval_seconds": 0}
    return StrategyConfig(**{**plain, **changed})  # type: ignore[arg-type]


@dataclass
class Stage:
    """One runner with everything around it, and a clock that the test moves."""

    config: StrategyConfig
    seed: StrategyHistory | None = None
    clock: SimulatedClock = field(default_factory=lambda: SimulatedClock(NOON))
    market: FakeMarket = field(default_factory=FakeMarket)
    journal: FakeJournal = field(default_factory=FakeJournal)
    alerts: FakeAlerts = field(default_factory=FakeAlerts)

    def __post_init__(self) -> None:
        self.desk = FakeDesk(self.clock)
        self.runner = self.restarted()

    def restarted(self) -> StrategyRunner:
        """Make the runner anew, as a restart does."""
        self.runner = StrategyRunner(
            self.config,
            market=self.market,
            lifecycle=self.desk,
            clock=self.clock,
            journal=self.journal,
            alerts=self.alerts,
            seed=self.seed,
        )
        return self.runner

    def tick(self, after: float = 1, account: AccountSnapshot | None = None) -> "Stage":
        """Let seconds pass, then tick."""
        now = self.clock.advance(timedelta(seconds=after))
        self.runner.tick(an_account(now) if account is None else replace(account, now=now))
        return self


def an_ended_trade(
    number: int,
    *,
    paid: str = "100",
    got: str = "150",
    fees: str = "4",
    held: timedelta = timedelta(hours=1),
    state: TradeState = TradeState.CLOSED,
    strategy: str = "plain",
) -> TradeLifecycle:
    leg = TradeLeg(
        option=an_option(),
        side=Side.BUY,
        target=Decimal(1),
        opened=Decimal(1),
        open_value=Decimal(paid),
        closed=Decimal(1),
        close_value=Decimal(got),
        fees=Decimal(fees),
    )
    return TradeLifecycle(
        number=number,
        strategy=strategy,
        legs=(leg,),
        mode=ExecutionMode.LIMIT,
        params=ExecutionParams(),
        created_at=NOON,
        phase_at=NOON,
        opened_at=NOON if state is TradeState.CLOSED else None,
        closed_at=NOON + held,
        state=state,
    )
