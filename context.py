"""The one place that names concrete classes: builds every service from settings and wires them together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from account_manager import AccountManager, PositionMonitor
from alerts import AlertDesk
from auth import Credentials
from clock import Clock, SystemClock, monotonic
from config import Settings
from domain import Severity
from events import AnyEvent, CloseNotified, TradeCreated
from exchanges.coincall.client import CoincallClient
from exchanges.coincall.gateway import CoincallAccount, CoincallMarket, CoincallOrders
from exchanges.coincall.transport import Transport, validity_window
from journal import Journal, OpenedJournal
from lifecycle_manager import Desk, LifecycleManager
from market_data import Cadence, MarketData
from ports import AccountReader, OrderGateway
from risk import RiskLimits
from settling import SettlementDesk
from strategy import StrategyConfig, StrategyRunner, histories
from trade_execution import Patience, TradeExecutor
from workers import Inbox, ThreadPool

if TYPE_CHECKING:
    from paper.dry_run import DryRunDesk

ORDER_WORKERS = 4
URGENT_WORKERS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Every span by which the daemon paces itself, in market time, stretched where the market runs faster than the wall.

    What waits for the network or the processor cannot shrink with the market: at speed 3600 a reply that takes 10 ms takes 36 s.
    """

    tick: timedelta
    poll: timedelta
    max_age: timedelta
    market: Cadence
    patience: Patience
    shortest_round: timedelta
    flush_every: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingContext:
    """Every service by its role, built once; whoever works is handed what it uses, never this."""

    settings: Settings
    clock: Clock
    opened: OpenedJournal
    alerts: AlertDesk
    inbox: Inbox
    reads: ThreadPool
    writes: ThreadPool
    urgent: ThreadPool
    transport: Transport
    market: MarketData
    account: AccountManager
    monitor: PositionMonitor
    executor: TradeExecutor
    lifecycle: LifecycleManager
    runners: tuple[StrategyRunner, ...]
    rehearsal: DryRunDesk | None

    def close(self, timeout: float) -> None:
        """Let what is on its way to the venue finish, book what came of it, then let go of everything, within timeout (real seconds)."""
        deadline = monotonic() + timeout
        for pool in (self.writes, self.urgent, self.reads):
            pool.close(max(0.1, deadline - monotonic() - (0.5 if pool is not self.reads else 0)))
        try:
            self.inbox.drain()
        finally:
            self.transport.close()
            self.opened.journal.close()


def pace_of(settings: Settings, clock: Clock, spacing: timedelta | None) -> Pace:
    """Return the daemon's pace; `spacing` is the longest gap of a recorded market, None where quotes are live.

    A recorded quote holds until the next one: it counts as fresh for the longest gap, and a price that stands still is no alarm.
    """
    speed = max(1.0, clock.speed) if isinstance(clock, SystemClock) else 1.0
    real = timedelta(seconds=speed)
    usual, max_age = Patience(), max(settings.max_data_age, real * 2)
    patience = replace(
        usual,
        sweep=max(usual.sweep, real / 20),
        ask_again=max(usual.ask_again, real / 20),
        ask_at_most=max(usual.ask_at_most, real),
        cancel_again=max(usual.cancel_again, real / 2),
        absence=usual.absence * speed,
        missing_fill=max(usual.missing_fill, real * 2),
        send_within=max(usual.send_within, real * 2),
        vanished=max(usual.vanished, real * 30),
    )
    return Pace(
        tick=max(settings.tick_interval, real / 50),
        poll=max(settings.poll_interval, real / 10),
        max_age=max_age,
        market=Cadence(
            max_age=max_age + (spacing or timedelta(0)),
            ask_every=max(settings.max_data_age / 3, real / 5),
            forget_after=max(timedelta(minutes=2), real * 5),
            frozen_after=max(settings.frozen_after, real * 60 if speed > 1 else settings.frozen_after) if spacing is None else None,
        ),
        patience=patience,
        shortest_round=timedelta(0) if speed == 1 else real / 4,
        flush_every=max(timedelta(minutes=1), real * 10),
    )


def build_context(
    settings: Settings,
    strategies: Sequence[StrategyConfig],
    clock: Clock,
    opened: OpenedJournal,
    *,
    base_url: str,
    home: Path,
    spacing: timedelta | None = None,
) -> TradingContext:
    """Build and wire every service over an opened journal; connects to nothing yet."""
    journal, pace = opened.journal, pace_of(settings, clock, spacing)
    alerts = AlertDesk(journal, clock, settings.alert_cooldown)
    inbox = Inbox()
    reads, writes = ThreadPool(inbox, settings.io_workers, "read"), ThreadPool(inbox, ORDER_WORKERS, "order")
    urgent = ThreadPool(inbox, URGENT_WORKERS, "urgent")
    transport = _transport(settings, clock, base_url)
    client = CoincallClient(transport)
    feed = CoincallMarket(client)
    market = MarketData(feed, reads, clock, alerts, pace.market)
    account = AccountManager(CoincallAccount(client, clock), reads, clock, alerts, max_age=pace.max_age)
    monitor = PositionMonitor(account, market, inbox, clock, alerts, poll_interval=pace.poll, tick_interval=pace.tick)

    shared = _Shared(journal, clock, alerts, reads, writes, urgent, settings, pace)
    live = shared.desk(CoincallOrders(client, clock), CoincallAccount(client, clock))
    kept = tuple(journal.replay())
    rehearses = any(strategy.dry_run for strategy in strategies) or _simulated_trades(kept)
    rehearsal = _dry_run(feed, clock, settings, home, alerts) if rehearses else None
    lifecycle = LifecycleManager(
        live=live,
        simulated=None if rehearsal is None else shared.desk(rehearsal, rehearsal),
        journal=journal,
        clock=clock,
        alerts=alerts,
        desk=journal.desk,
        next_number=journal.next_trade_number(),
    )
    runners = shared.restored(kept, lifecycle, strategies, market)
    monitor.watch(lifecycle.options_in_use)
    monitor.on_update(lifecycle.tick, "trades")
    for runner in runners:
        monitor.on_update(runner.tick, f"strategy {runner.name}")
    return TradingContext(
        settings=settings,
        clock=clock,
        opened=opened,
        alerts=alerts,
        inbox=inbox,
        reads=reads,
        writes=writes,
        urgent=urgent,
        transport=transport,
        market=market,
        account=account,
        monitor=monitor,
        executor=live.executor,
        lifecycle=lifecycle,
        runners=runners,
        rehearsal=rehearsal,
    )


@dataclass(frozen=True, slots=True)
class _Shared:
    """What every order path and strategy of this daemon shares."""

    journal: Journal
    clock: Clock
    alerts: AlertDesk
    reads: ThreadPool
    writes: ThreadPool
    urgent: ThreadPool
    settings: Settings
    pace: Pace

    def desk(self, gateway: OrderGateway, holder: AccountReader) -> Desk:
        """Return an order path to one venue, real or simulated."""
        caps = RiskLimits(max_open_orders=self.settings.max_orders_open, max_order_notional=self.settings.max_order_notional)
        executor = TradeExecutor(
            gateway=gateway,
            writes=self.writes,
            urgent=self.urgent,
            reads=self.reads,
            journal=self.journal,
            clock=self.clock,
            alerts=self.alerts,
            limits=caps,
            patience=self.pace.patience,
        )
        return Desk(executor, SettlementDesk(holder, self.reads, self.alerts), self.pace.shortest_round)

    def restored(
        self, kept: Sequence[AnyEvent], lifecycle: LifecycleManager, strategies: Sequence[StrategyConfig], market: MarketData
    ) -> tuple[StrategyRunner, ...]:
        """Replay the journal's events into the trades, and return the strategies as they stood; exits are armed by this."""
        lifecycle.restore(kept)
        for config in strategies:
            self._tell_if_changed(config, lifecycle)
        past = histories(kept)
        return tuple(
            StrategyRunner(
                config,
                market=market,
                lifecycle=lifecycle,
                clock=self.clock,
                journal=self.journal,
                alerts=self.alerts,
                seed=past.get(config.name),
                flush_every=self.pace.flush_every,
            )
            for config in strategies
        )

    def _tell_if_changed(self, config: StrategyConfig, lifecycle: LifecycleManager) -> None:
        """Call a person where open trades were begun by another declaration of their strategy: it is today's exits that close them."""
        older = [trade.id for trade in lifecycle.active_trades_for_strategy(config.name) if trade.version != config.version]
        if older:
            said = f"{', '.join(older)} began under another declaration of {config.name}; its exits of today now watch them"
            self.alerts.alert(Severity.WARNING, f"strategy changed {config.name}", said, "no action needed if you meant it")


def _simulated_trades(kept: Sequence[AnyEvent]) -> bool:
    """Tell whether a dry run of an earlier start is still to be managed."""
    begun = {event.trade for event in kept if isinstance(event, TradeCreated) and event.simulated}
    return bool(begun - {event.trade for event in kept if isinstance(event, CloseNotified)})


def _transport(settings: Settings, clock: Clock, base_url: str) -> Transport:
    return Transport(
        base_url,
        clock,
        credentials=Credentials(settings.api_key.get_secret_value(), settings.api_secret.get_secret_value()),
        window=validity_window(clock),
        timeout=settings.http_timeout,
        workers=settings.io_workers + ORDER_WORKERS + URGENT_WORKERS,
    )


def _dry_run(feed: CoincallMarket, clock: Clock, settings: Settings, home: Path, alerts: AlertDesk) -> DryRunDesk:
    from paper.dry_run import DryRunDesk  # noqa: PLC0415 - the engine is loaded only for dry runs

    desk = DryRunDesk(feed, clock, settings.paper_cash, home / "dry_run.state")
    if desk.damage is not None:
        alerts.alert(Severity.CRITICAL, "dry run damaged", desk.damage, "its open trades have lost their holdings: close or write them off")
    return desk
