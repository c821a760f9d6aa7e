"""Builds all that keeps the account safe around the trades, and says in which order a tick looks at it.

Before the trades: what the account may do. After them, and before the strategies: whether our books are the venue's, and how old what we
know is.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from account_manager import AccountManager
from alerts import AlertDesk
from clock import Clock, SystemClock
from config import Settings
from dead_man import DeadManSwitch
from domain import AccountSnapshot, Verdict
from doubts import LookBack
from events import AnyEvent
from flatness import Flatness
from freshness import Freshness, Input, Stops
from frozen_marks import MarkWatch, Stiffness
from kill_switch import KillSwitch
from lifecycle_manager import LifecycleManager
from live_feed import LiveFeed
from margin_watch import MarginWatch, margin_levels
from market_data import MarketData
from ports import DeadMan, IoPool, JournalWriter, OrderGateway
from reconciliation import Reconciler
from rounds import Rhythm
from trading_desk import Desk
from trading_state import KILL_SWITCH, TradingStates

MARGIN, STATE = "margin", "state"
Part = tuple[str, Callable[[AccountSnapshot], object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the guards watch and act through."""

    settings: Settings
    clock: Clock
    journal: JournalWriter
    alerts: AlertDesk
    desk: int
    reads: IoPool
    pulse: IoPool
    urgent: IoPool
    orders: OrderGateway
    back: LookBack
    countdown: DeadMan
    live: Desk
    simulated: Desk | None
    lifecycle: LifecycleManager
    market: MarketData
    account: AccountManager
    feed: LiveFeed
    frozen_after: timedelta | None
    underlyings: Callable[[], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Safety:
    """Every guard of one daemon."""

    states: TradingStates
    kill: KillSwitch
    margin: MarginWatch
    reconciler: Reconciler
    freshness: Freshness
    marks: MarkWatch
    dead_man: DeadManSwitch | None

    def before_trades(self) -> Iterator[Part]:
        """Yield what a tick does before it looks at the trades."""
        yield "account state", lambda _: self.states.step()
        yield "margin", self.margin.look
        yield "kill switch", self.kill.step
        if (dead_man := self.dead_man) is not None:
            yield "countdown", lambda account: dead_man.step(account.now)

    def after_trades(self) -> Iterator[Part]:
        """Yield what a tick does between the trades and the strategies."""
        yield "reconciliation", self.reconciler.step
        yield "frozen marks", lambda account: self.marks.step(account.quotes.values())
        yield "freshness", lambda account: self.freshness.step(account.now)


def build_safety(around: Surroundings, states: TradingStates, kept: Iterable[AnyEvent]) -> Safety:
    """Return every guard as it stood when the journal's events ended; entries wait for the first comparison with the venue."""
    events, settings, lifecycle = tuple(kept), around.settings, around.lifecycle
    flatness = Flatness(around.orders, around.desk, reads=around.reads, urgent=around.urgent, clock=around.clock)
    kill = _kill_switch(around, states, flatness)
    kill.restore(events)
    reconciler = _reconciler(around)
    reconciler.restore(events, around.back)
    flatness.compared = reconciler.doubt
    around.feed.on_gap.append(partial(_gap, reconciler))
    states.on_change(partial(_hold_entries, lifecycle))
    stiffness = None if around.frozen_after is None else Stiffness(after=around.frozen_after, gap=_paced(around.clock, 60, 5))
    refetch, tell = _paced(around.clock, 5, 1), _paced(around.clock, 300, 60)
    freshness = Freshness(lifecycle, around.clock, around.alerts, refetch_every=refetch, tell_every=tell)
    for table in _tables(around, reconciler):
        freshness.watch(table)
    return Safety(
        states,
        kill,
        MarginWatch(states.rule(MARGIN), around.alerts, margin_levels(settings.margin_levels), settings.margin_reduce),
        reconciler,
        freshness,
        MarkWatch(stiffness, lifecycle, around.alerts, around.market.recheck),
        _dead_man(around),
    )


def _hold_entries(lifecycle: LifecycleManager, verdict: Verdict) -> None:
    if verdict.ok:
        lifecycle.lift_block(STATE)
    else:
        lifecycle.block_entries(STATE, verdict.reason)


def _gap(reconciler: Reconciler, since: datetime | None) -> None:
    if since is not None:
        reconciler.gap(since)


def _kill_switch(around: Surroundings, states: TradingStates, flatness: Flatness) -> KillSwitch:
    desks = [around.live, *([] if around.simulated is None else [around.simulated])]
    return KillSwitch(
        trades=around.lifecycle,
        ledgers=[desk.executor.ledger for desk in desks],
        flatness=flatness,
        rule=states.rule(KILL_SWITCH),
        journal=around.journal,
        clock=around.clock,
        alerts=around.alerts,
        policy=around.settings.kill_policy,
        armed_for=_paced(around.clock, 60, 30),
        doubted_for=_paced(around.clock, 60, 30),
    )


def _reconciler(around: Surroundings) -> Reconciler:
    clock = around.clock
    reconciler = Reconciler(
        desk=around.desk,
        gateway=around.orders,
        path=around.live.executor,
        lifecycle=around.lifecycle,
        reads=around.reads,
        cancels=around.urgent,
        journal=around.journal,
        clock=clock,
        alerts=around.alerts,
        rhythm=Rhythm(
            interval=max(around.settings.reconcile_interval, _paced(clock, 0, 5)),
            lag=_paced(clock, 5, 1),
            retry=_paced(clock, 5, 1),
            patience=_paced(clock, 120, 60),
            answer=_paced(clock, 10, 10),
        ),
    )
    reconciler.ask_account = around.account.refresh
    return reconciler


def _dead_man(around: Surroundings) -> DeadManSwitch | None:
    span = around.settings.countdown
    if span is None:
        return None
    span = max(span, _paced(around.clock, 0, 60))
    switch = DeadManSwitch(around.countdown, around.pulse, around.clock, around.alerts, span, around.underlyings)
    around.live.executor.on_elapsed = switch.elapsed
    return switch


def _paced(clock: Clock, seconds: float, real: float) -> timedelta:
    """Return so many seconds of market time, or what so many real ones are where the market runs faster than the wall."""
    speed = max(1.0, clock.speed) if isinstance(clock, SystemClock) else 1.0
    return timedelta(seconds=max(seconds, real * speed if speed > 1 else 0))


# ---- how old what is


def _tables(around: Surroundings, reconciler: Reconciler) -> Iterator[Callable[[], Iterable[Input]]]:
    settings, clock, account = around.settings, around.clock, around.account
    age = max(settings.max_data_age, _paced(clock, 0, 2))
    rounds = 3 * max(settings.reconcile_interval, _paced(clock, 0, 5)) + _paced(clock, 120, 60)
    fixed = (
        Input(name="account and positions", kind="account", limit=age, told_at=lambda: account.told_at, refetch=account.refresh),
        Input(
            name="comparison with the venue",
            kind="reconciliation",
            limit=rounds,
            told_at=lambda: reconciler.compared_at,
            refetch=lambda: reconciler.due("too old"),
        ),
    )
    yield lambda: fixed
    began = clock.now()
    yield lambda: _of_orders(around, began, age)
    yield lambda: _of_the_market(around.market, age)
    yield lambda: _of_streams(around.feed, _paced(clock, 60, 30))


def _of_orders(around: Surroundings, since: datetime, age: timedelta) -> Iterator[Input]:
    """Yield the list of open orders while orders of ours stand: as old as its last reading, or as the oldest of them."""
    executor = around.live.executor
    standing = [order for order in executor.ledger.live(block=False) if order.order_id is not None and not order.status.final]
    if standing:
        oldest = max(since, min(order.sent_at for order in standing))
        told_at = max(oldest, executor.swept_at or oldest)
        yield Input(name="open orders", kind="orders", limit=age, told_at=partial(_same, told_at), refetch=executor.recheck)


def _of_the_market(market: MarketData, age: timedelta) -> Iterator[Input]:
    """Yield what is wanted of the market; without the index nobody enters, all else stops only who asks for it."""
    for kind, name, limit, at in market.ages():
        stops = Stops.ENTRIES if kind == "index" else Stops.WHO_ASKS
        told_at = partial(_same, at)
        yield Input(name=name, kind=kind, limit=max(limit, age), told_at=told_at, stops=stops, refetch=market.recheck)


def _of_streams(feed: LiveFeed, age: timedelta) -> Iterator[Input]:
    for each in feed.standing():
        told_at = partial(_same, each.heard_at)
        yield Input(name=f"stream {each.name}", kind="stream", limit=age, told_at=told_at, stops=Stops.NOTHING)


def _same(at: datetime | None) -> datetime | None:
    return at
