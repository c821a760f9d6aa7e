"""The one place that names concrete classes: builds every service from settings and wires them together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from account_manager import AccountManager, PositionMonitor
from alerts import AlertDesk
from clock import Clock, monotonic
from config import Settings
from domain import Channel, Severity, Topic
from domain.quoting import QuotingPolicy
from doubts import LookBack
from events import AnyEvent, CloseNotified, TradeCreated
from exchanges.coincall.client_mm import CoincallMakerClient
from exchanges.coincall.client_rfq import CoincallRFQClient
from exchanges.coincall.gateway import CoincallAccount, CoincallMarket, CoincallOrders
from exchanges.coincall.gateway_maker import CoincallMaker
from exchanges.coincall.gateway_mm import CoincallBatches, CoincallDeadMan, CoincallProtection
from exchanges.coincall.gateway_rfq import CoincallRFQ
from exchanges.coincall.transport import Transport
from execution_quality import QualityBook
from journal import Journal, OpenedJournal
from lifecycle_manager import LifecycleManager
from live_feed import ORDER_STREAM, LiveFeed
from market_data import MarketData
from multileg_orderbook import SmartOrderbookExecutor
from notify import Notifier
from order_gate import Sight
from order_post import OrderPost
from pace import Pace, pace_of
from quote_requests import RequestsToQuote
from rfq import RFQExecutor
from rfq_maker import Board, RFQMaker
from safety_desk import Safety, Surroundings, build_safety
from script_driver import ScriptDriver
from strategy import StrategyConfig, StrategyRunner, histories
from trade_execution import TradeExecutor
from trading_desk import Desk
from trading_state import TradingStates
from venue_desk import BuiltDesk, DeskBuilder, VenuePorts, WatchedJournal, sighted
from wiring import Links, StreamPlan, Wiring, linked
from workers import Inbox, Pool

if TYPE_CHECKING:
    from paper.dry_run import DryRunDesk


MAKERS_CHANNELS = (Channel(Topic.REQUESTS_TO_QUOTE), Channel(Topic.OWN_QUOTES))


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingContext:
    """Every service by its role, built once; whoever works is handed what it uses, never this."""

    settings: Settings
    clock: Clock
    opened: OpenedJournal
    alerts: AlertDesk
    inbox: Inbox
    reads: Pool
    prices: Pool
    writes: Pool
    urgent: Pool
    pulse: Pool
    transport: Transport
    market: MarketData
    account: AccountManager
    monitor: PositionMonitor
    executor: TradeExecutor
    feed: LiveFeed
    rfq: RFQExecutor
    smart: SmartOrderbookExecutor
    quality: QualityBook
    lifecycle: LifecycleManager
    runners: tuple[StrategyRunner, ...]
    rehearsal: DryRunDesk | None
    safety: Safety
    notifier: Notifier
    maker: RFQMaker | None
    protection: CoincallProtection
    underlyings: Callable[[], Sequence[str]]

    def close(self, timeout: float) -> None:
        """Let what is on its way to the venue finish, book what came of it, then let go of everything, within timeout (real seconds)."""
        deadline = monotonic() + timeout
        self.feed.close()
        try:
            self.executor.post.flush()
            for pool in (self.writes, self.urgent, self.pulse):
                pool.close(max(0.1, deadline - monotonic() - 0.5))
            self.inbox.drain()
            self.executor.post.flush()  # nothing leaves any more: what the last answers led to is told so
            self.inbox.drain()
        finally:
            self.prices.close(0.1)
            self.reads.close(max(0.1, deadline - monotonic()))  # what it could not ask any more is nobody's failure: the next start asks
            self.notifier.close(0.5)
            self.transport.close()
            self.opened.journal.close()


def build_context(
    settings: Settings,
    strategies: Sequence[StrategyConfig],
    clock: Clock,
    opened: OpenedJournal,
    *,
    base_url: str,
    home: Path,
    spacing: timedelta | None = None,
    wiring: Wiring | None = None,
    policies: Sequence[QuotingPolicy] = (),
) -> TradingContext:
    """Build and wire every service over an opened journal; connects to nothing yet."""
    wiring, kept, pace = wiring or Wiring(), tuple(opened.journal.replay()), pace_of(settings, clock, spacing)
    journal, quality = opened.journal, QualityBook(kept)
    alerts, notifier = _alerting(settings, journal, clock)
    links = linked(wiring, settings, clock, base_url)
    seen = _seen(links, clock, alerts, pace)
    recorded = WatchedJournal(journal, quality.take)
    states = TradingStates(recorded, clock, alerts)
    states.restore(kept)
    sight = Sight(
        quote=sighted(seen.market, pace, lambda: monitor.snapshot().quotes),
        state=lambda: states.state,
        ordered=lambda trade: trade.ordered,
        max_age=pace.market.max_age,
    )
    builder = DeskBuilder(
        recorded, journal.desk, quality, clock, alerts, links.reads, links.writes, links.urgent, settings, pace, seen.market, sight
    )
    rehearsal = _dry_run(seen.venue, clock, settings, home, alerts) if _rehearses(strategies, kept) else None
    desks = _desks(builder, links, seen, rehearsal)
    live = desks.live
    feed = _fed(links, seen, live, clock, alerts, MAKERS_CHANNELS if policies else ())
    recorded.followers.append(feed.saw)
    feed.connect(wiring.streams(StreamPlan(settings, clock, base_url, links.transport, seen.market.known_options, feed.hear)))
    monitor = PositionMonitor(seen.account, feed, links.inbox, clock, alerts, poll_interval=pace.poll, tick_interval=pace.tick)
    lifecycle = LifecycleManager(
        live=live.desk,
        simulated=desks.rehearsed,
        journal=recorded,
        clock=clock,
        alerts=alerts,
        next_number=journal.next_trade_number(),
    )
    live.rfq.drive = live.smart.drive = ScriptDriver(
        lifecycle,
        monitor.tick,
        lambda: links.inbox.wait(clock.real_seconds(pace.tick)),
        lambda: safety.reconciler.compared_at is not None,
    )
    runners = _armed(builder, kept, lifecycle, strategies)
    safety = build_safety(
        Surroundings(
            settings=settings,
            clock=clock,
            journal=recorded,
            alerts=alerts,
            desk=journal.desk,
            reads=links.reads,
            pulse=links.pulse,
            urgent=links.urgent,
            orders=desks.orders,
            back=LookBack(orders=desks.orders, requests=desks.makers, damaged=journal.needs_attention is not None),
            countdown=CoincallDeadMan(CoincallMakerClient(links.transport)),
            live=live.desk,
            simulated=desks.rehearsed,
            lifecycle=lifecycle,
            market=seen.market,
            account=seen.account,
            feed=feed,
            frozen_after=pace.market.frozen_after,
            underlyings=lambda: _underlyings(lifecycle, strategies),
        ),
        states,
        kept,
    )
    maker = _maker(policies, desks, links, builder, kept, lifecycle=lifecycle, states=states, feed=feed)
    _schedule(monitor, lifecycle, safety, runners, maker, live.desk.executor.post)
    return TradingContext(
        settings=settings,
        clock=clock,
        opened=opened,
        alerts=alerts,
        inbox=links.inbox,
        reads=links.reads,
        prices=links.prices,
        writes=links.writes,
        urgent=links.urgent,
        pulse=links.pulse,
        transport=links.transport,
        market=seen.market,
        account=seen.account,
        monitor=monitor,
        executor=live.desk.executor,
        feed=feed,
        rfq=live.rfq,
        smart=live.smart,
        quality=quality,
        lifecycle=lifecycle,
        runners=runners,
        rehearsal=rehearsal,
        safety=safety,
        notifier=notifier,
        maker=maker,
        protection=CoincallProtection(CoincallMakerClient(links.transport)),
        underlyings=lambda: _underlyings(lifecycle, strategies),
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is known of the market and of our account, and who reads both at the venue."""

    venue: CoincallMarket
    reader: CoincallAccount
    market: MarketData
    account: AccountManager


def _seen(links: Links, clock: Clock, alerts: AlertDesk, pace: Pace) -> _Seen:
    venue, reader = CoincallMarket(links.client), CoincallAccount(links.client, clock)
    return _Seen(
        venue,
        reader,
        MarketData(venue, links.prices, clock, alerts, pace.market),
        AccountManager(reader, links.reads, clock, alerts, max_age=pace.max_age),
    )


def _alerting(settings: Settings, journal: Journal, clock: Clock) -> tuple[AlertDesk, Notifier]:
    alerts = AlertDesk(journal, clock, settings.alert_cooldown)
    notifier = Notifier(settings.alert_addresses, settings.alert_level, str(settings.environment))
    alerts.subscribe(notifier.take)
    return alerts, notifier


def _fed(links: Links, seen: _Seen, live: BuiltDesk, clock: Clock, alerts: AlertDesk, also: Collection[Channel]) -> LiveFeed:
    feed = LiveFeed(
        inbox=links.inbox,
        market=seen.market,
        account=seen.account,
        executor=live.desk.executor,
        clock=clock,
        alerts=alerts,
        heard=live.heard,
        also=also,
    )
    feed.on_news.append(live.rfq.watch.news)
    return feed


@dataclass(frozen=True, slots=True)
class _Desks:
    """The order path to the venue, with the two ways to it that others use too, and the one to its simulation."""

    orders: CoincallOrders
    makers: CoincallRFQ
    quoting: CoincallMaker
    live: BuiltDesk
    rehearsed: Desk | None


def _desks(builder: DeskBuilder, links: Links, seen: _Seen, rehearsal: DryRunDesk | None) -> _Desks:
    board, clock = CoincallRFQClient(links.transport), builder.clock
    makers = CoincallRFQ(board, seen.market.get_option_instruments, clock)
    orders, quoting = CoincallOrders(links.client, clock), CoincallMaker(board, clock)
    rehearsed = None if rehearsal is None else builder.build(VenuePorts(rehearsal, rehearsal, rehearsal.rfq, rehearsal.rfq)).desk
    live = builder.build(VenuePorts(orders, seen.reader, makers, makers, quoting, lambda: links.transport.skew))
    if builder.settings.batch_orders == "on":
        live.desk.executor.post.together(CoincallBatches(links.client, CoincallMakerClient(links.transport), clock))
    return _Desks(orders, makers, quoting, live, rehearsed)


def _maker(
    policies: Sequence[QuotingPolicy],
    desks: _Desks,
    links: Links,
    builder: DeskBuilder,
    kept: Sequence[AnyEvent],
    *,
    lifecycle: LifecycleManager,
    states: TradingStates,
    feed: LiveFeed,
) -> RFQMaker | None:
    """Return who answers other people's requests by the policies; None without policies."""
    live, quoting = desks.live, desks.quoting
    if not policies or live.quotes is None or live.wishes is None:
        return None
    requests = RequestsToQuote(
        directory=quoting,
        gateway=quoting,
        quotes=live.quotes,
        reads=links.reads,
        urgent=links.urgent,
        clock=builder.clock,
        alerts=builder.alerts,
        rounds=builder.pace.quoting,
        streaming=lambda: any(each.name == ORDER_STREAM and each.open_since is not None for each in feed.standing()),
    )
    board = Board(requests=requests, quotes=live.quotes, wishes=live.wishes, reads=links.reads)
    maker = RFQMaker(
        policies,
        board=board,
        market=builder.market,
        lifecycle=lifecycle,
        clock=builder.clock,
        state=lambda: states.state,
        journal=builder.journal,
    )
    maker.restore(kept)
    feed.on_news.append(maker.news)
    return maker


def _underlyings(lifecycle: LifecycleManager, strategies: Sequence[StrategyConfig]) -> Sequence[str]:
    """Return the underlyings that anything of ours trades, or may."""
    held = {option.underlying for option in lifecycle.options_in_use()}
    return sorted(held | {leg.underlying for strategy in strategies for leg in strategy.legs})


def _schedule(
    monitor: PositionMonitor,
    lifecycle: LifecycleManager,
    safety: Safety,
    runners: Sequence[StrategyRunner],
    maker: RFQMaker | None,
    post: OrderPost,
) -> None:
    """Say what each tick looks at: what the account may do, the trades, whether all of it is so, and only then the strategies.

    What was decided about trades leaves together before the strategies, whose own conditions may take long, and the rest at the end.
    """
    monitor.watch(lifecycle.options_in_use)
    for name, part in safety.before_trades():
        monitor.on_update(part, name)
    if maker is not None:
        monitor.on_update(maker.tick, "maker")
    monitor.on_update(lifecycle.tick, "trades")
    for name, part in safety.after_trades():
        monitor.on_update(part, name)
    monitor.on_update(lambda _: post.flush(), "order post")
    for runner in runners:
        monitor.on_update(runner.tick, f"strategy {runner.name}")
    monitor.on_update(lambda _: post.flush(), "order post at the end")


def _armed(
    builder: DeskBuilder, kept: Sequence[AnyEvent], lifecycle: LifecycleManager, strategies: Sequence[StrategyConfig]
) -> tuple[StrategyRunner, ...]:
    """Replay the journal's events into the trades, and return the strategies as they stood; exits are armed by this."""
    lifecycle.restore(kept)
    for config in strategies:
        _tell_if_changed(config, lifecycle, builder.alerts)
    past = histories(kept)
    return tuple(
        StrategyRunner(
            config,
            market=builder.market,
            lifecycle=lifecycle,
            clock=builder.clock,
            journal=builder.journal,
            alerts=builder.alerts,
            seed=past.get(config.name),
            flush_every=builder.pace.flush_every,
        )
        for config in strategies
    )


def _tell_if_changed(config: StrategyConfig, lifecycle: LifecycleManager, alerts: AlertDesk) -> None:
    """Call a person where open trades were begun by another declaration of their strategy: it is today's exits that close them."""
    older = [trade.id for trade in lifecycle.active_trades_for_strategy(config.name) if trade.version != config.version]
    if older:
        said = f"{', '.join(older)} began under another declaration of {config.name}; its exits of today now watch them"
        alerts.alert(Severity.WARNING, f"strategy changed {config.name}", said, "no action needed if you meant it")


def _rehearses(strategies: Sequence[StrategyConfig], kept: Sequence[AnyEvent]) -> bool:
    """Tell whether a strategy is a dry run, or one of an earlier start is still to be managed."""
    if any(strategy.dry_run for strategy in strategies):
        return True
    begun = {event.trade for event in kept if isinstance(event, TradeCreated) and event.simulated}
    return bool(begun - {event.trade for event in kept if isinstance(event, CloseNotified)})


def _dry_run(feed: CoincallMarket, clock: Clock, settings: Settings, home: Path, alerts: AlertDesk) -> DryRunDesk:
    from paper.dry_run import DryRunDesk  # noqa: PLC0415 - the engine is loaded only for dry runs

    desk = DryRunDesk(feed, clock, settings.paper_cash, home / "dry_run.state")
    if desk.damage is not None:
        alerts.alert(Severity.CRITICAL, "dry run damaged", desk.damage, "its open trades have lost their holdings: close or write them off")
    return desk
