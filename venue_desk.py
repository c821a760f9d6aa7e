"""Builds one venue's order path: gate, ledger, every way to execute, and the measuring of what each costs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from loguru import logger

from alerts import AlertDesk
from block_trades import BlockDesk
from clock import Clock
from config import Settings
from domain import ExecutionMode, OrderBook, Purpose, Quote
from errors import DataNotFresh
from events import AnyEvent, Event
from execution import ExecutionResult, Executor
from execution_desk import DeskRules, ExecutionDesk
from execution_log import ExecutionLog, Run
from execution_quality import QualityBook, sentence
from execution_watch import merged
from journal import Journal
from leg_orders import LegOrders
from limit_execution import LimitExecutor
from market_data import MarketData
from multileg_orderbook import SmartOrderbookExecutor
from order_gate import Sight
from own_quotes import QuoteDesk
from pace import Pace
from ports import AccountReader, JournalWriter, OrderGateway, RFQDirectory, RFQGateway
from quote_execution import BlockExecutor, Offering, Pursuits, WishBoard
from quote_records import QuoteGateway
from request_fate import Claims
from request_watch import Looking
from rfq import Makers, RFQExecutor
from risk import PriceBand, RiskLimits
from routing import Measured
from settling import SettlementDesk
from trade_execution import TradeExecutor
from trade_lifecycle import TradeLifecycle
from trading_desk import Desk
from workers import Pool


class WatchedJournal:
    """The journal as the order paths write it: what is written is also shown to those who follow it."""

    def __init__(self, journal: Journal, *followers: Callable[[AnyEvent], object]) -> None:
        self._journal, self.followers = journal, [*followers]

    def append(self, *events: Event) -> None:
        """Write events as one, then show each to the followers. Raises JournalError, having written none."""
        self._journal.append(*events)
        for event in events:
            for follower in self.followers:
                _shown(follower, cast("AnyEvent", event))


def sighted(market: MarketData, pace: Pace, known: Callable[[], Mapping[str, Quote]]) -> Callable[[str], Quote | None]:
    """Return how the order gate sees an option: as of the last tick, with the best prices of its own book where that is fresh.

    What an executor prices by a fresh book must not be measured by an older chain: in a crash that would refuse the way out.
    """

    def quote(symbol: str) -> Quote | None:
        seen = known().get(symbol)
        try:
            return None if seen is None else merged(seen.option, seen, market.book(symbol, max_age=pace.book_age))
        except DataNotFresh:
            return seen

    return quote


def _shown(follower: Callable[[AnyEvent], object], event: AnyEvent) -> None:
    try:
        follower(event)
    except Exception:  # noqa: BLE001 - what is written is believed, whatever goes wrong with those who only follow it
        logger.exception("follower of the journal failed event={}", type(event).__name__)


@dataclass(frozen=True, slots=True)
class VenuePorts:
    """The ports of one venue, real or simulated; `quoting` answers other people's requests, where that can be done.

    `ahead` is how far the venue's clock is ahead of ours.
    """

    orders: OrderGateway
    account: AccountReader
    makers: RFQGateway
    requests: RFQDirectory
    quoting: QuoteGateway | None = None
    ahead: Callable[[], timedelta] = timedelta


@dataclass(frozen=True, slots=True)
class BuiltDesk:
    """An order path, those of its executors that scripts call by name, and where news of requests for quotes is noted."""

    desk: Desk
    rfq: RFQExecutor
    smart: SmartOrderbookExecutor
    heard: dict[str, datetime]
    quotes: QuoteDesk | None = None
    wishes: WishBoard | None = None


@dataclass(frozen=True, slots=True)
class DeskBuilder:
    """What every order path of this daemon shares, and how one is built on it."""

    journal: JournalWriter
    desk_number: int
    quality: QualityBook
    clock: Clock
    alerts: AlertDesk
    reads: Pool
    writes: Pool
    urgent: Pool
    settings: Settings
    pace: Pace
    market: MarketData
    sight: Sight

    def build(self, venue: VenuePorts) -> BuiltDesk:
        """Return an order path to one venue, real or simulated, with every way to execute there."""
        heard: dict[str, datetime] = {}
        caps = RiskLimits(
            max_open_orders=self.settings.max_orders_open,
            max_order_notional=self.settings.max_order_notional,
            max_per_minute=self.settings.max_orders_per_minute,
            band=PriceBand(pct=self.settings.price_band, index_pct=self.settings.price_band_index),
        )
        executor = TradeExecutor(
            gateway=venue.orders,
            writes=self.writes,
            urgent=self.urgent,
            reads=self.reads,
            journal=self.journal,
            clock=self.clock,
            alerts=self.alerts,
            limits=caps,
            sight=self.sight,
            patience=self.pace.patience,
        )
        log = ExecutionLog(self.journal, self.clock)
        blocks = BlockDesk(
            gateway=venue.makers,
            executor=executor,
            log=log,
            writes=self.writes,
            urgent=self.urgent,
            reads=self.reads,
            clock=self.clock,
            alerts=self.alerts,
            desk=self.desk_number,
            patience=self.pace.patience,
        )
        orders, shortest = LegOrders(executor, self.alerts, self.desk_number), self.pace.shortest_round
        makers = Makers(
            gateway=venue.makers,
            directory=venue.requests,
            blocks=blocks,
            writes=self.writes,
            reads=self.reads,
            heard=heard,
            claims=Claims(path=executor, desk=self.desk_number),
            ahead=venue.ahead,
        )
        rfq = RFQExecutor(makers, self.clock, self.alerts, self.settings.rfq_min_notional, Looking.paced(self.pace.patience))
        smart = SmartOrderbookExecutor(orders, shortest)
        quotes = None if venue.quoting is None else self._quotes(venue.quoting, executor, log)
        wishes = WishBoard(max(timedelta(seconds=15), 5 * self.pace.tick))
        blocked: Executor = rfq
        if quotes is not None:
            offering = Offering(quotes=quotes, board=wishes, executor=executor, alerts=self.alerts, desk=self.desk_number)
            blocked = BlockExecutor(rfq, offering)
        executions = ExecutionDesk(
            executor=executor,
            executors=[LimitExecutor(orders, shortest), smart, blocked],
            log=log,
            alerts=self.alerts,
            books=self._book,
            history=self._history,
            rules=DeskRules(books_within=self.pace.books_within, thresholds=self.settings.routing),
        )
        executions.on_ended(self._measured)
        settlements = SettlementDesk(venue.account, self.reads, self.alerts)
        pursuits = Pursuits(rfq.watch) if quotes is None else Pursuits(rfq.watch, quotes)
        return BuiltDesk(Desk(executor, settlements, executions, log, blocks, pursuits), rfq, smart, heard, quotes, wishes)

    def _quotes(self, gateway: QuoteGateway, executor: TradeExecutor, log: ExecutionLog) -> QuoteDesk:
        return QuoteDesk(
            gateway=gateway,
            executor=executor,
            log=log,
            writes=self.writes,
            reads=self.reads,
            urgent=self.urgent,
            clock=self.clock,
            alerts=self.alerts,
            patience=self.pace.patience,
        )

    def _measured(self, run: Run, result: ExecutionResult) -> None:  # noqa: ARG002 - what it cost is told from the journal's events
        quality = self.quality.last(run.started.trade)
        if quality is not None:
            logger.info("{}", sentence(quality))

    def _history(self, trade: TradeLifecycle, purpose: Purpose) -> Mapping[ExecutionMode, Measured]:
        """Return what executions of such a structure have cost here so far, by the mode they began with."""
        name = self.quality.structure(trade.number)
        costs = {} if name is None else self.quality.costs(name, purpose)
        return {mode: Measured(cost.count, mean) for mode, cost in costs.items() if (mean := cost.mean_bps) is not None}

    def _book(self, symbol: str) -> OrderBook | None:
        """Return the fresh book of an option; None while a worker is at it."""
        try:
            return self.market.book(symbol, max_age=self.pace.book_age)
        except DataNotFresh:
            return None
