"""What a person sees without the daemon: the journal read once, turned into a page of text."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from domain import Difference, KillStage, TradingState
from events import (
    AccountMarked,
    AccountStateChanged,
    AlertRaised,
    AnyEvent,
    DifferenceEnded,
    DifferenceFound,
    EntriesRefused,
    KillSwitchMoved,
    LegFilled,
    OrderEvent,
    StrategyChanged,
    TradeEvent,
)
from kill_switch import ARMED_FOR
from margin_watch import margin_pct
from order_ledger import OrderLedger, OrderRecord
from ports import JournalWriter
from strategy import StrategyStatistics
from strategy.record import statistics_of
from trade_book import TradeBook
from trade_lifecycle import TradeLifecycle, TradeState

_KILL_SWITCH: Mapping[KillStage, str] = {
    KillStage.ARMED: "armed: --kill --yes within a minute throws it",
    KillStage.THROWN: "THROWN, and not flat yet: it goes on until flat",
    KillStage.FLAT: "thrown, and flat: --withdraw-kill to trade again",
}
_ENTERED = (TradeState.PENDING_OPEN, TradeState.OPENING, TradeState.OPEN)


class _NoJournal:
    """Takes nothing: a report only reads."""

    def append(self, *events: object) -> None:
        raise AssertionError(f"a report writes nothing, not {events}")


@dataclass(slots=True)
class _Strategy:
    state: str = "running"
    latest: str = ""
    refused_at: datetime | None = None
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Status:
    """The trades, strategies, alerts and the account as the journal tells them."""

    trades: tuple[TradeLifecycle, ...]
    strategies: dict[str, _Strategy]
    alerts: tuple[AlertRaised, ...]
    account: AccountMarked | None
    holding: tuple[AccountStateChanged, ...] = ()
    differences: tuple[DifferenceFound, ...] = ()
    working: tuple[OrderRecord, ...] = ()
    kill: KillSwitchMoved | None = None


def status_of(events: Iterable[AnyEvent]) -> Status:
    """Read the journal's events into a status."""
    reader: JournalWriter = _NoJournal()
    book, kept = TradeBook(reader, 1), tuple(events)
    strategies: dict[str, _Strategy] = {}
    book.restore(kept)
    for event in kept:
        match event:
            case StrategyChanged(strategy=name, state=state):
                strategies.setdefault(name, _Strategy()).state = state
            case EntriesRefused(strategy=name, latest=latest, counts=counts, at=at):
                _note(strategies.setdefault(name, _Strategy()), latest, counts, at)
            case TradeEvent(trade=number) if (trade := book.get(number)) is not None:
                strategies.setdefault(trade.strategy, _Strategy())
    alerts = [event for event in kept if isinstance(event, AlertRaised)]
    account = next((event for event in reversed(kept) if isinstance(event, AccountMarked)), None)
    return Status(book.trades, strategies, tuple(alerts[-10:]), account, _holding(kept), _differing(kept), _working(kept), _kill(kept))


def _holding(kept: Sequence[AnyEvent]) -> tuple[AccountStateChanged, ...]:
    """Return what keeps the account from doing everything."""
    latest = {event.cause or event.by: event for event in kept if isinstance(event, AccountStateChanged)}
    return tuple(event for event in latest.values() if event.state is not TradingState.ACTIVE)


def _differing(kept: Sequence[AnyEvent]) -> tuple[DifferenceFound, ...]:
    """Return the differences from the venue that stand."""
    standing: dict[tuple[Difference, str], DifferenceFound] = {}
    for event in kept:
        match event:
            case DifferenceFound(kind=kind, subject=subject):
                standing[kind, subject] = event
            case DifferenceEnded(kind=kind, subject=subject):
                standing.pop((kind, subject), None)
    return tuple(standing.values())


def _kill(kept: Sequence[AnyEvent]) -> KillSwitchMoved | None:
    """Return how the kill switch was last moved; an arming that has run out, by the newest event's time, is none."""
    moved = next((event for event in reversed(kept) if isinstance(event, KillSwitchMoved)), None)
    over = moved is not None and moved.stage is KillStage.ARMED and kept[-1].at > moved.at + ARMED_FOR
    return None if over else moved


def _working(kept: Sequence[AnyEvent]) -> tuple[OrderRecord, ...]:
    """Return the orders whose end is not known to the journal."""
    ledger = OrderLedger()
    for event in kept:
        if isinstance(event, OrderEvent | LegFilled):
            ledger.take(event)
    return ledger.live()


def _note(strategy: _Strategy, latest: str, counts: dict[str, int], at: datetime) -> None:
    strategy.latest, strategy.refused_at = latest, at
    for reason, count in counts.items():
        strategy.counts[reason] = strategy.counts.get(reason, 0) + count


def lines_of(status: Status, running: str, *, attention: str | None = None, obeyed: bool = True) -> Iterator[str]:
    """Write a status as lines for a terminal: what runs, why a person must look, and whether a daemon does what is declared here."""
    yield f"daemon      {running}"
    if attention is not None:
        yield f"attention   {attention}; look, then --acknowledge"
    yield from _account_lines(status)
    yield ""
    for name, strategy in sorted(status.strategies.items()):
        state = "declared" if strategy.state == "running" and not obeyed else strategy.state
        yield from _strategy_lines(name, state, strategy, [trade for trade in status.trades if trade.strategy == name])
    yield from _trade_lines("open trades", [trade for trade in status.trades if trade.active])
    yield from _order_lines(status.working)
    yield from _trade_lines("last ended", [trade for trade in status.trades if not trade.active][-10:])
    if status.alerts:
        yield "alerts"
        for alert in status.alerts:
            yield f"  {_time(alert.at)} {alert.severity.value:8} {alert.cause}: {alert.message} ({alert.hint})"


def _account_lines(status: Status) -> Iterator[str]:
    if status.kill is not None and status.kill.stage in _KILL_SWITCH:
        yield f"kill switch {_KILL_SWITCH[status.kill.stage]} (since {_time(status.kill.at)}, by {status.kill.by})"
    if status.account is not None:
        account = status.account
        yield f"account     equity {_usd(account.equity)}, available {_usd(account.available_margin)} at {_time(account.at)}"
        yield f"  margin    {_margin(account)}; not realized {_usd(account.unrealized)}"
    for held in status.holding:
        yield f"state       {held.state} since {_time(held.at)} by {held.cause or held.by}: {held.reason}"
    for found in status.differences:
        yield f"difference  {found.kind} since {_time(found.at)}, {found.subject}: {found.said} ({found.action})"


def _strategy_lines(name: str, state: str, strategy: _Strategy, trades: Sequence[TradeLifecycle]) -> Iterator[str]:
    simulated = [trade for trade in trades if trade.simulated]
    numbers = statistics_of([trade for trade in trades if not trade.simulated])
    yield f"strategy    {name} ({state})"
    yield f"  trades    {_count(numbers)}"
    yield f"  result    {_result(numbers)}"
    if simulated:
        estimate = statistics_of(simulated)
        yield f"  dry run   {_count(estimate)}; estimated {_result(estimate)}"
    if strategy.refused_at is not None:
        yield f"  why not   {strategy.latest} ({_time(strategy.refused_at)})"
        yield "  counted   " + ", ".join(f"{reason} {count}x" for reason, count in sorted(strategy.counts.items(), key=lambda c: -c[1]))
    yield ""


def _count(numbers: StrategyStatistics) -> str:
    return f"{numbers.active} active, {numbers.closed} closed, {numbers.failed} failed; {numbers.wins} won, {numbers.losses} lost"


def _result(numbers: StrategyStatistics) -> str:
    return f"gross {_usd(numbers.gross)}, fees {_usd(numbers.fees)}, net {_usd(numbers.net)}"


def _trade_lines(title: str, trades: Sequence[TradeLifecycle]) -> Iterator[str]:
    if not trades:
        return
    yield title
    for trade in trades:
        dry = " DRY RUN" if trade.simulated else ""
        because = f" because {trade.reason}" if trade.reason and trade.state not in _ENTERED else ""
        yield f"  {trade.id} {trade.state}{dry} since {_time(trade.phase_at)}{because}"
        for leg in trade.legs:
            held = abs(leg.held) if leg.held == 0 else leg.held  # a short leg that is closed holds nothing, not minus nothing
            yield f"    {leg.side.name:4} {leg.option.symbol} wanted {leg.target} opened {leg.opened} closed {leg.closed} held {held}"
        cash = _usd(trade.net_profit) if trade.result_known else "not known: handed over without a mark"
        yield f"    entry {_usd(trade.entry_cost)}, fees {_usd(trade.fees)}, cash so far {cash}"
    yield ""


def _order_lines(orders: Sequence[OrderRecord]) -> Iterator[str]:
    if not orders:
        return
    yield "working orders"
    for order in orders:
        new = order.new
        what = f"{new.side.name.lower()} {new.qty} {new.instrument.symbol} @ {new.price}"
        yield f"  {order.client_id} {what}, filled {order.booked}, since {_time(order.sent_at)}"
    yield ""


def _margin(account: AccountMarked) -> str:
    pct = margin_pct(account.equity, account.maintenance_margin)
    share = "share of equity unknown" if pct is None else f"{pct:.1f} % of equity" if pct.is_finite() else "and no equity to carry it"
    return f"maintenance {_usd(account.maintenance_margin)}, {share}"


def _usd(amount: Decimal | None) -> str:
    return "unknown" if amount is None else f"{amount:,.2f} USD"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
