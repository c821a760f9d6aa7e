"""A house that answers requests: the real maker over fakes, the market it prices from, and a journal as strict as the real one."""

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

import msgspec

from block_trades import BlockDesk
from clock import SimulatedClock
from domain import AccountSnapshot, Greeks, Option, OptionType, PositionSnapshot, Quote, RFQQuote, Side, TradingState
from domain.quoting import QuotingPolicy
from errors import JournalDamaged, JournalError
from events import Event, TradeCreated
from execution_desk import ExecutionDesk
from execution_log import ExecutionLog
from journal.reader import event_of
from leg_orders import LegOrders
from lifecycle_manager import LifecycleManager
from limit_execution import LimitExecutor
from own_quotes import QuoteDesk
from quote_execution import BlockExecutor, Offering, Pursuits, WishBoard
from quote_requests import RequestsToQuote
from rfq import Makers, RFQExecutor
from rfq_maker import Board, RFQMaker
from settling import SettlementDesk
from trade_execution import TradeExecutor
from trade_lifecycle import TradeLifecycle
from trading_desk import Desk
from workers import Inbox

from tests.fakes import START, FakeAlerts, FakeJournal, FakeVenue, an_account, an_option
from tests.unit.maker_venue import CALL, HIGH, FakeMakerVenue
from tests.unit.rfq_house import Pool
from tests.unit.rfq_venue import FakeRFQVenue

PUT = an_option(60000, OptionType.PUT)


class Market:
    """Quotes and listed options, as a test sets them; `stale` takes the quotes away."""

    def __init__(self) -> None:
        self.stale = False
        self.options: list[Option] = [CALL, HIGH, PUT]
        self.by_symbol: dict[str, Quote] = {}

    def show(self, option: Option, mark: str, *, vega: float = 20.0, delta: float = 0.3) -> None:
        """Set an option's market."""
        price = Decimal(mark)
        self.by_symbol[option.symbol] = Quote(
            option=option,
            at=START,
            bid=price - 2,
            ask=price + 2,
            mark=price,
            greeks=Greeks(delta=delta, gamma=0.001, vega=vega),
            underlying_price=Decimal(65000),
        )

    def quotes(self, options: Iterable[Option], /) -> Mapping[str, Quote]:
        """Return what is fresh."""
        wanted = {option.symbol for option in options}
        return {} if self.stale else {symbol: quote for symbol, quote in self.by_symbol.items() if symbol in wanted}

    def get_option_instruments(self, underlying: str, /) -> Sequence[Option]:
        """Return what is listed."""
        return [option for option in self.options if option.underlying == underlying]


class StrictJournal(FakeJournal):
    """Writes only what can be read back, as the real journal does."""

    def append(self, *events: Event) -> None:
        """Write all or none; raise JournalError for one that a restart could not read."""
        for event in events:
            payload = msgspec.json.encode(event)
            try:
                assert event_of(0, zlib.crc32(payload), payload) == event
            except JournalDamaged as damage:
                raise JournalError(f"{type(event).__name__} cannot be written: {damage}") from damage
        super().append(*events)


class MakerHouse:
    """The real maker, order path and lifecycle over fakes; `restart` is a death and a new life."""

    def __init__(self, *policies: QuotingPolicy, before: "MakerHouse | None" = None) -> None:
        self.policies = policies
        self.clock: SimulatedClock = SimulatedClock(START) if before is None else before.clock
        self.account: FakeVenue = FakeVenue(self.clock) if before is None else before.account
        self.venue: FakeMakerVenue = FakeMakerVenue(self.clock, self.account) if before is None else before.venue
        self.others: FakeRFQVenue = FakeRFQVenue(self.clock, self.account) if before is None else before.others
        self.journal: FakeJournal = StrictJournal() if before is None else before.journal
        self.alerts: FakeAlerts = FakeAlerts() if before is None else before.alerts
        self.market: Market = Market() if before is None else before.market
        self.state, self.known = TradingState.ACTIVE, True
        self.inbox = Inbox()
        self.pool = Pool(self.inbox)
        if before is None:
            for option, mark in ((CALL, "1000"), (HIGH, "400"), (PUT, "600")):
                self.market.show(option, mark)
        self._wire()
        if before is not None:
            self.lifecycle.restore(self.journal.events)

    def _wire(self) -> None:
        self.executor = TradeExecutor(
            gateway=self.account, writes=self.pool, reads=self.pool, journal=self.journal, clock=self.clock, alerts=self.alerts
        )
        log = ExecutionLog(self.journal, self.clock)
        blocks = BlockDesk(
            gateway=self.others,
            executor=self.executor,
            log=log,
            writes=self.pool,
            reads=self.pool,
            clock=self.clock,
            alerts=self.alerts,
            desk=7,
        )
        self.quotes = QuoteDesk(
            gateway=self.venue,
            executor=self.executor,
            log=log,
            writes=self.pool,
            reads=self.pool,
            urgent=self.pool,
            clock=self.clock,
            alerts=self.alerts,
        )
        self.wishes = WishBoard()
        makers = Makers(gateway=self.others, directory=self.others, blocks=blocks, writes=self.pool, reads=self.pool)
        offering = Offering(quotes=self.quotes, board=self.wishes, executor=self.executor, alerts=self.alerts, desk=7)
        rfq = RFQExecutor(makers, self.clock, self.alerts)
        limit = LimitExecutor(LegOrders(self.executor, self.alerts, 7))
        executions = ExecutionDesk(
            executor=self.executor, executors=[limit, BlockExecutor(rfq, offering)], log=log, alerts=self.alerts, books=lambda _: None
        )
        settlements = SettlementDesk(self.account, self.pool, self.alerts)
        desk = Desk(self.executor, settlements, executions, log, blocks, Pursuits(rfq.watch, self.quotes))
        begun = [event.trade for event in self.journal.events if isinstance(event, TradeCreated)]
        self.lifecycle = LifecycleManager(
            live=desk,
            simulated=None,
            journal=self.journal,
            clock=self.clock,
            alerts=self.alerts,
            next_number=1 + max(begun, default=0),
        )
        requests = RequestsToQuote(
            directory=self.venue,
            gateway=self.venue,
            quotes=self.quotes,
            reads=self.pool,
            urgent=self.pool,
            clock=self.clock,
            alerts=self.alerts,
        )
        board = Board(requests=requests, quotes=self.quotes, wishes=self.wishes, reads=self.pool)
        self.maker = RFQMaker(
            self.policies,
            board=board,
            market=self.market,
            lifecycle=self.lifecycle,
            clock=self.clock,
            state=lambda: self.state,
            journal=self.journal,
        )
        self.maker.restore(self.journal.events)

    def restart(self, *policies: QuotingPolicy) -> "MakerHouse":
        """Die here, with all that is on its way; return the next life."""
        return MakerHouse(*(policies or self.policies), before=self)

    def tick(self, times: int = 1, *, priced: bool = True) -> "MakerHouse":
        """Let seconds pass; each looks at everything once. Without `priced` the maker itself does not come to it."""
        for _ in range(times):
            self.clock.advance(timedelta(seconds=1))
            self.inbox.drain()
            account = self.snapshot()
            if priced:
                self.maker.tick(account)
            self.lifecycle.tick(account)
            self.inbox.drain()
        return self

    def until(self, done: Callable[[], object], most: int = 60) -> "MakerHouse":
        """Tick until something is so."""
        for _ in range(most):
            if done():
                return self
            self.tick()
        raise AssertionError(f"not in {most} ticks: {[(t.id, t.state, t.reason) for t in self.lifecycle.trades]} {self.alerts.raised}")

    def snapshot(self) -> AccountSnapshot:
        """The account and market as they stand."""
        held = [
            PositionSnapshot(symbol=symbol, side=Side.BUY if qty > 0 else Side.SELL, qty=abs(qty), avg_price=Decimal(1))
            for symbol, qty in self.account.held.items()
            if qty != 0
        ]
        quotes = self.market.quotes(self.lifecycle.options_in_use())
        return an_account(*quotes.values(), now=self.clock.now(), positions=held, valid=self.known)

    @property
    def standing(self) -> list[RFQQuote]:
        """Our quotes that are open at the venue."""
        return [quote for name in self.venue.board for quote in self.venue.open_on(name)]

    @property
    def trade(self) -> TradeLifecycle:
        """The newest trade."""
        return self.lifecycle.trades[-1]

    def books_agree(self) -> bool:
        """Whether our books hold what the venue holds."""
        ours = Counter[str]()
        for trade in self.lifecycle.active:
            for leg in trade.legs:
                ours[leg.option.symbol] += leg.held  # type: ignore[assignment]
        return all(ours[symbol] == qty for symbol, qty in self.account.held.items())
