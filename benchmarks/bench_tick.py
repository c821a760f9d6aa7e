"""What one tick costs in processor time: the real manager, runners, market cache and order path over a venue that answers at once.

Each strategy holds one open strangle with three exit conditions and looks at its entry conditions on every tick.
    python -m benchmarks.bench_tick [--ticks 200]
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from loguru import logger

from account_manager import AccountManager, PositionMonitor
from clock import SimulatedClock
from domain import AccountSnapshot, Chain, Greeks, Option, OptionType, OrderBook, Quote, Severity
from events import Event
from execution_desk import ExecutionDesk
from execution_log import ExecutionLog
from leg_orders import LegOrders
from lifecycle_manager import LifecycleManager
from limit_execution import LimitExecutor
from market_data import Cadence, MarketData
from settling import SettlementDesk
from strategy import (
    StrategyConfig,
    StrategyRunner,
    max_hold_hours,
    max_loss,
    min_available_margin_pct,
    profit_target,
    strangle,
    time_window,
)
from trade_execution import TradeExecutor
from trading_desk import Desk
from workers import Inbox, InlinePool

from tests.fakes import FakeVenue

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
SPOT = Decimal(95_000)


class Silent:
    """A journal and alert desk that keep nothing, so that only the tick is measured."""

    def append(self, *events: Event) -> None:
        """Keep nothing."""

    def alert(self, severity: Severity, cause: str, message: str, hint: str) -> None:
        """Tell nobody."""


class Market:
    """A chain of so many options that is quoted anew whenever it is asked for."""

    def __init__(self, clock: SimulatedClock, count: int) -> None:
        self._clock, self._options = clock, tuple(_options(count))

    def instruments(self, underlying: str, /) -> Sequence[Option]:  # noqa: ARG002 - there is one
        """Return the options."""
        return self._options

    def chain(self, underlying: str, listed: Sequence[Option], expiry: datetime | None = None, /) -> Chain:
        """Return quotes of all of them, or of one expiry."""
        now = self._clock.now()
        wanted = [option for option in listed if expiry is None or option.expiry == expiry]
        return Chain(underlying, now, SPOT + Decimal(now.microsecond % 97), tuple(_quote(option, now) for option in wanted))

    def book(self, symbol: str, /) -> OrderBook:
        """Return an empty book."""
        return OrderBook(symbol=symbol, at=self._clock.now())

    def index(self, underlying: str, /) -> tuple[Decimal, datetime]:  # noqa: ARG002 - there is one
        """Return the index."""
        return SPOT, self._clock.now()


def _options(count: int) -> list[Option]:
    per_expiry = 100
    return [
        Option(
            symbol=f"BTCUSD-{n}-{kind}",
            underlying="BTC",
            tick=Decimal("0.1"),
            lot=Decimal("0.01"),
            option_type=kind,
            strike=SPOT + 1000 * ((n % per_expiry) // 2 - per_expiry // 4),
            expiry=START.replace(hour=8) + timedelta(days=1 + n // per_expiry),
        )
        for n in range(count)
        for kind in (OptionType.CALL if n % 2 else OptionType.PUT,)
    ]


def _quote(option: Option, now: datetime) -> Quote:
    distance = float(option.strike - SPOT) / 25_000
    delta = min(max(0.5 - distance, 0.01), 0.99)
    return Quote(
        option=option,
        at=now,
        bid=Decimal(990),
        ask=Decimal(1010),
        bid_size=Decimal(5),
        ask_size=Decimal(5),
        mark=Decimal(1000),
        mark_iv=0.5,
        greeks=Greeks(delta if option.option_type is OptionType.CALL else delta - 1, 1e-5, 50.0, -40.0, 10.0),
        underlying_price=SPOT,
    )


def a_strategy(number: int) -> StrategyConfig:
    """Return one of the strategies at work."""
    return StrategyConfig(
        name=f"bench_{number}",
        legs=strangle(qty=0.01, call_delta=0.25, put_delta=-0.25, dte=1 + number % 10, side=1),
        entry_conditions=[time_window(0, 24), min_available_margin_pct(10)],
        exit_conditions=[profit_target(10_000), max_loss(10_000), max_hold_hours(10_000)],
        execution_mode="limit",
        max_concurrent_trades=1,
        check_interval_seconds=0,
    )


def a_daemon(strategies: int, options: int) -> Callable[[], AccountSnapshot]:
    """Wire the real parts and open every strategy's trade; return a tick."""
    clock, quiet, inbox = SimulatedClock(START), Silent(), Inbox()
    pool = InlinePool(inbox)
    venue, quoted = FakeVenue(clock), Market(clock, options)
    willing = [replace(_quote(option, START), bid=Decimal(999), ask=Decimal(1000)) for option in quoted.instruments("BTC")]
    venue.quotes = {quote.option.symbol: quote for quote in willing}
    market = MarketData(quoted, pool, clock, quiet, Cadence(frozen_after=None))
    executor = TradeExecutor(gateway=venue, writes=pool, reads=pool, journal=quiet, clock=clock, alerts=quiet)
    log, executors = ExecutionLog(quiet, clock), [LimitExecutor(LegOrders(executor, quiet, 1))]
    executions = ExecutionDesk(executor=executor, executors=executors, log=log, alerts=quiet, books=lambda _: None)
    lifecycle = LifecycleManager(
        live=Desk(executor, SettlementDesk(venue, pool, quiet), executions, log),
        simulated=None,
        journal=quiet,
        clock=clock,
        alerts=quiet,
        next_number=1,
    )
    monitor = PositionMonitor(AccountManager(venue, pool, clock, quiet), market, inbox, clock, quiet)
    monitor.watch(lifecycle.options_in_use)
    monitor.on_update(lifecycle.tick)
    for number in range(strategies):
        runner = StrategyRunner(a_strategy(number), market=market, lifecycle=lifecycle, clock=clock, journal=quiet, alerts=quiet)
        monitor.on_update(runner.tick)

    def tick() -> AccountSnapshot:
        clock.advance(timedelta(milliseconds=250))
        return monitor.tick()

    for _ in range(600):
        tick()
        if sum(trade.state == "open" for trade in lifecycle.trades) == strategies:
            return tick
    raise SystemExit(f"only {[str(t.state) for t in lifecycle.trades]} after 600 ticks: the benchmark does not measure what it says")


def main() -> None:
    """Print the cost of a tick for growing numbers of strategies with one open trade each."""
    logger.remove()
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--ticks", type=int, default=200)
    ticks = options.parse_args().ticks
    for strategies, listed in ((1, 2000), (5, 2000), (20, 2000), (40, 2000), (100, 2000), (20, 500)):
        tick = a_daemon(strategies, listed)
        costs = []
        for _ in range(ticks):
            began = time.process_time()
            tick()
            costs.append((time.process_time() - began) * 1000)
        costs.sort()
        print(
            f"{strategies:4} strategies and trades, {listed} options: median {costs[len(costs) // 2]:.2f} ms, "
            f"p95 {costs[int(len(costs) * 0.95)]:.2f} ms of processor time a tick"
        )


if __name__ == "__main__":
    main()
