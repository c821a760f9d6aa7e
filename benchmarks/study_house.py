"""The daemon's own order path over the paper engine in one process, in simulated time: what the execution study trades with."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from block_trades import BlockDesk
from clock import SimulatedClock
from domain import AccountSnapshot, Chain, ExecutionMode, ExecutionParams, Level, Option, OrderBook, Quote, Severity
from errors import ExchangeUnavailable
from events import AnyEvent, Event, LegPlan, OrderIntended
from execution_desk import ExecutionDesk
from execution_log import ExecutionLog
from leg_orders import LegOrders
from lifecycle_manager import LifecycleManager
from limit_execution import LimitExecutor
from multileg_orderbook import SmartOrderbookExecutor
from paper.dry_run import USER, DryRunDesk
from paper.engine import Engine
from paper.makers import MakerModel
from paper.market import Feed
from paper.rules import Rules
from rfq import Makers, RFQExecutor
from settling import SettlementDesk
from trade_execution import TradeExecutor
from trade_lifecycle import TradeLifecycle, TradeState
from trading_desk import Desk
from workers import Inbox, InlinePool

CASH = Decimal(50_000_000)
BUSY = frozenset({TradeState.PENDING_OPEN, TradeState.OPENING, TradeState.UNWINDING})


class _Blind:
    """A market that need not be looked at, because the engine itself has it."""

    def look(self, option: Option) -> None:
        """See nothing."""

    def see_index(self, underlying: str) -> None:
        """See nothing."""

    def options(self, _now: datetime) -> Sequence[Option]:
        """Name nothing to look at."""
        return ()


class _Unused:
    """A real market that is never asked."""

    def instruments(self, underlying: str, /) -> Sequence[Option]:
        raise ExchangeUnavailable("study", underlying, "the engine itself is the market")

    def chain(self, underlying: str, _listed: Sequence[Option], _expiry: datetime | None = None, /) -> Chain:
        raise ExchangeUnavailable("study", underlying, "the engine itself is the market")

    def book(self, symbol: str, /) -> OrderBook:
        raise ExchangeUnavailable("study", symbol, "the engine itself is the market")

    def index(self, underlying: str, /) -> tuple[Decimal, datetime]:
        raise ExchangeUnavailable("study", underlying, "the engine itself is the market")


class StudyVenue(DryRunDesk):
    """The engine on a feed with all its flow of others and its makers, behind the ports of a venue."""

    def __init__(self, feed: Feed, clock: SimulatedClock, seed: int) -> None:
        self._feed = feed
        super().__init__(_Unused(), clock, CASH, None, makers=MakerModel(seed=seed))
        self.rfq._look = self._look = _Blind().look
        self._seen = _Blind()  # type: ignore[assignment]

    def _opened(self, cash: Decimal) -> Engine:
        engine = Engine(self._feed, Rules(), self._clock.now())
        engine.add_account(USER, "study", cash)
        return engine

    def book_of(self, symbol: str) -> OrderBook:
        """Return a book as anybody sees it now, our own orders in it."""
        return self._engine.reports.book(symbol, self._clock.now())

    def quote_of(self, option: Option) -> Quote:
        """Return an option as the venue quotes it now."""
        view = self._engine.reports.view(option.symbol, self._clock.now())
        bid, ask = _best(view.bids), _best(view.asks)
        return Quote(
            option=option,
            at=self._clock.now(),
            bid=bid.price if bid else None,
            ask=ask.price if ask else None,
            bid_size=bid.size if bid else None,
            ask_size=ask.size if ask else None,
            mark=view.mark,
            mark_iv=view.mark_iv,
            greeks=view.greeks,
            underlying_price=view.underlying_price,
        )

    def advance(self) -> None:
        """Let the market come to now."""
        self._match()


def _best(levels: Sequence[Level]) -> Level | None:
    return levels[0] if levels else None


class _Memory:
    """A journal that is a list, and an alert desk that tells nobody."""

    def __init__(self) -> None:
        self.events: list[AnyEvent] = []

    def append(self, *events: Event) -> None:
        """Keep events."""
        self.events.extend(events)  # type: ignore[arg-type]

    def alert(self, severity: Severity, cause: str, message: str, hint: str) -> None:
        """Tell nobody."""


class StudyHouse:
    """One trade at a time over a market of its own."""

    def __init__(self, feed: Feed, start: datetime, seed: int) -> None:
        self.clock, self._memory, self._inbox = SimulatedClock(start), _Memory(), Inbox()
        self._venue = StudyVenue(feed, self.clock, seed)
        pool, memory = InlinePool(self._inbox), self._memory
        executor = TradeExecutor(gateway=self._venue, writes=pool, reads=pool, journal=memory, clock=self.clock, alerts=memory)
        log, orders, rfq = ExecutionLog(memory, self.clock), LegOrders(executor, memory, 1), self._venue.rfq
        blocks = BlockDesk(gateway=rfq, executor=executor, log=log, writes=pool, reads=pool, clock=self.clock, alerts=memory, desk=1)
        makers = Makers(gateway=rfq, directory=rfq, blocks=blocks, writes=pool, reads=pool)
        desk = ExecutionDesk(
            executor=executor,
            executors=[LimitExecutor(orders), SmartOrderbookExecutor(orders), RFQExecutor(makers, self.clock, memory)],
            log=log,
            alerts=memory,
            books=self._venue.book_of,
        )
        self.lifecycle = LifecycleManager(
            live=Desk(executor, SettlementDesk(self._venue, pool, memory), desk, log, blocks),
            simulated=None,
            journal=memory,
            clock=self.clock,
            alerts=memory,
            next_number=1,
        )
        self.lifecycle.bind("study", ())

    @property
    def events(self) -> Sequence[AnyEvent]:
        """Return all that was journalled."""
        return self._memory.events

    @property
    def trade(self) -> TradeLifecycle:
        """Return the trade."""
        return self.lifecycle.trades[0]

    @property
    def orders_sent(self) -> int:
        """Return how many orders were sent, an accepted block counted once for each leg."""
        return sum(isinstance(event, OrderIntended) for event in self.events)

    def quote(self, option: Option) -> Quote:
        """Return an option as quoted now."""
        return self._venue.quote_of(option)

    def open(self, plans: Sequence[LegPlan], mode: ExecutionMode, params: ExecutionParams) -> None:
        """Begin the trade."""
        self.lifecycle.create(strategy="study", version="", legs=plans, mode=mode, params=params)

    def run_until_decided(self, longest: timedelta, step: timedelta) -> None:
        """Tick until the trade is open, or has failed and is flat again."""
        end = self.clock.now() + longest
        self.tick(step)
        while self.trade.state in BUSY and self.clock.now() < end:
            self.tick(step)

    def tick(self, step: timedelta) -> AccountSnapshot:
        """Let time pass, let the market move, take what arrived, look at everything."""
        self.clock.advance(step)
        self._venue.advance()
        for message in self._inbox.take():
            message()
        quotes = {option.symbol: self.quote(option) for option in self.lifecycle.options_in_use()}
        account = replace(self._venue.read(), quotes=quotes)
        self.lifecycle.tick(account)
        return account
