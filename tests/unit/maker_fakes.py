"""A venue on which we are the maker, with switches for each way that can go wrong; and a house that answers its requests."""

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import msgspec

from block_trades import BlockDesk
from clock import SimulatedClock
from domain import (
    ZERO,
    AccountSnapshot,
    BlockTrade,
    Fill,
    Greeks,
    Option,
    OptionType,
    PositionSnapshot,
    Quote,
    QuotedLeg,
    QuoteStatus,
    RequestedLeg,
    RequestPush,
    RFQQuote,
    RFQStatus,
    Side,
    TradingState,
)
from domain.quoting import OwnStanding, QuotingPolicy
from errors import ExchangeRejected, ExchangeUnavailable, JournalDamaged, JournalError, OutcomeUnknown, VenueError
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
from tests.unit.rfq_fakes import FakeRFQVenue, Pool

LIFE = timedelta(minutes=5)
CALL, HIGH = an_option(70000), an_option(75000)
PUT = an_option(60000, OptionType.PUT)
EXISTS = ExchangeRejected("fake", "quote", "a quote exists already", 50012)


def a_leg(option: Option = CALL, side: Side = Side.BUY, qty: str = "1") -> RequestedLeg:
    """One leg of a request, as its taker states it."""
    return RequestedLeg(symbol=option.symbol, side=side, qty=Decimal(qty))


class FakeMakerVenue:
    """The board of one venue as a maker sees it. All faults are off at first.

    One-shot: `lose_quote` ("before" it is taken, "after", or "late": it arrives when `land` is called), `refuse_quote` (an error),
    `take_in_cancel` (a taker is faster than our cancel), `slow_cancel` (it says yes, and takes effect with the next one). Counted:
    `cancel_fails` (unanswered, without effect), `cancel_lost` (with it), `find_fails`. Standing: `hide_quotes` and `hide_blocks` (the
    lists lag), `lists_fail`, `cut` (prices are cut to whole dollars).
    """

    def __init__(self, clock: SimulatedClock, account: FakeVenue) -> None:
        self.clock, self.account = clock, account
        self.board: dict[str, RequestPush] = {}
        self.quotes: dict[str, RFQQuote] = {}
        self.blocks: dict[str, BlockTrade] = {}
        self.asked: Counter[str] = Counter()
        self.lose_quote = ""
        self.refuse_quote: VenueError | None = None
        self.take_in_cancel = self.slow_cancel = self.hide_quotes = self.hide_blocks = self.lists_fail = self.cut = False
        self.cancel_fails = self.cancel_lost = self.find_fails = 0
        self.most_open = 0
        self._late: Callable[[], object] | None = None

    # ---- what takers do

    def ask(self, *legs: RequestedLeg) -> str:
        """Put a request on the board."""
        now, name = self.clock.now(), f"r{len(self.board) + 1}"
        self.board[name] = RequestPush(
            request_id=name,
            status=RFQStatus.ACTIVE,
            legs=legs or (a_leg(),),
            created_at=now,
            expires_at=now + timedelta(hours=1),
            ours=False,
            at=now,
        )
        return name

    def over(self, name: str = "r1", status: RFQStatus = RFQStatus.CANCELLED) -> None:
        """End a request from outside, and the quotes on it."""
        self.board[name] = replace(self.board[name], status=status)
        for quote in self.open_on(name):
            self.end(quote.quote_id)

    def take(self, name: str = "r1") -> BlockTrade:
        """Accept the open quote on a request."""
        [quote] = self.open_on(name)
        rows, fills = self.account.rows, list[Fill]()
        for leg in quote.legs:
            number = len(rows) + 1
            fill = Fill(
                id=f"bt{number}",
                order_id=f"bo{number}",
                symbol=leg.symbol,
                side=leg.side,
                qty=leg.qty,
                price=leg.price,
                fee=Decimal("0.7"),
                at=self.clock.now(),
                is_taker=False,
            )
            rows.append(fill)
            fills.append(fill)
            self.account.held[leg.symbol] = self.account.held.get(leg.symbol, ZERO) + leg.side.sign * leg.qty
        self.end(quote.quote_id, QuoteStatus.FILLED)
        self.board[name] = replace(self.board[name], status=RFQStatus.FILLED)
        block = BlockTrade(block_id=quote.quote_id, request_id=name, quote_id=quote.quote_id, fills=tuple(fills))
        self.blocks[name] = block
        return block

    def open_on(self, name: str = "r1") -> list[RFQQuote]:
        """The open quotes on a request."""
        self._expire()
        return [quote for quote in self.quotes.values() if quote.request_id == name and quote.status is QuoteStatus.OPEN]

    def end(self, quote_id: str, status: QuoteStatus = QuoteStatus.CANCELLED) -> None:
        """End a quote."""
        self.quotes[quote_id] = replace(self.quotes[quote_id], status=status)

    def stranger(self, name: str = "r1", price: str = "1") -> str:
        """Let another program of the account quote."""
        return self._make(
            name, Side.SELL, tuple(leg.quoted_at(Decimal(price), leg.side.opposite) for leg in self.board[name].legs)
        ).quote_id

    def land(self) -> None:
        """Let a quote arrive that was on its way."""
        late, self._late = self._late, None
        if late is not None:
            with suppress(ExchangeRejected):  # it came too late
                late()

    # ---- QuoteGateway and QuoteDirectory

    def quote(self, request_id: str, side: Side, legs: Sequence[QuotedLeg], /) -> RFQQuote:
        """Take a quote."""
        self.asked["quote"] += 1
        lost, self.lose_quote = self.lose_quote, ""
        if lost in ("before", "late"):
            self._late = (lambda: self._make(request_id, side, legs)) if lost == "late" else None
            raise OutcomeUnknown("fake", "quote", "connection reset")
        if self.refuse_quote is not None:
            error, self.refuse_quote = self.refuse_quote, None
            raise error
        made = self._make(request_id, side, legs)
        if lost:
            raise OutcomeUnknown("fake", "quote", "read timed out")
        return made

    def cancel(self, quote_id: str, /) -> None:
        """Take a quote back."""
        self.asked["cancel"] += 1
        self._expire()
        quote = self.quotes[quote_id]
        if self.take_in_cancel:
            self.take_in_cancel = False
            self.take(str(quote.request_id))
            raise ExchangeRejected("fake", "cancel", "not open", 50014)
        if self.cancel_fails > 0:
            self.cancel_fails -= 1
            raise OutcomeUnknown("fake", "cancel", "try again later", 10000)
        if quote.status is not QuoteStatus.OPEN:
            raise ExchangeRejected("fake", "cancel", "not open", 50014)
        if self.slow_cancel:
            self.slow_cancel = False
            return
        self.end(quote_id)
        if self.cancel_lost > 0:
            self.cancel_lost -= 1
            raise OutcomeUnknown("fake", "cancel", "read timed out")

    def cancel_all(self) -> None:
        """Take all back."""
        self.asked["cancel all"] += 1
        for quote in list(self.quotes.values()):
            if quote.status is QuoteStatus.OPEN:
                self.end(quote.quote_id)

    def find(self, request_id: str, since: object, /) -> OwnStanding:
        """Say what is known of our quotes on a request."""
        self.asked["find"] += 1
        if self.find_fails > 0:
            self.find_fails -= 1
            raise ExchangeUnavailable("fake", "find", "unreachable")
        self._expire()
        quotes = () if self.hide_quotes else tuple(quote for quote in self.quotes.values() if quote.request_id == request_id)
        block = None if self.hide_blocks else self.blocks.get(request_id)
        return OwnStanding(quotes=quotes, status=self.board[request_id].status, block=block)

    def requests(self) -> Sequence[RequestPush]:
        """List what may be quoted."""
        self.asked["requests"] += 1
        if self.lists_fail:
            raise ExchangeUnavailable("fake", "requests", "unreachable")
        return [replace(each, at=self.clock.now()) for each in self.board.values() if each.status is RFQStatus.ACTIVE]

    def open_quotes(self) -> Sequence[RFQQuote]:
        """List the open quotes."""
        if self.lists_fail:
            raise ExchangeUnavailable("fake", "open quotes", "unreachable")
        self._expire()
        return [] if self.hide_quotes else [quote for quote in self.quotes.values() if quote.status is QuoteStatus.OPEN]

    # ---- inside

    def _make(self, request_id: str, side: Side, legs: Sequence[QuotedLeg]) -> RFQQuote:
        if self.board[request_id].status is not RFQStatus.ACTIVE:
            raise ExchangeRejected("fake", "quote", "not an active request", 50014)
        if self.open_on(request_id):
            raise EXISTS
        acts = [leg.side if side is Side.BUY else leg.side.opposite for leg in self.board[request_id].legs]
        assert [leg.side for leg in legs] == acts, "the sides of the legs are not those of the quote"
        now = self.clock.now()
        made = RFQQuote(
            quote_id=f"q{len(self.quotes) + 1}",
            request_id=request_id,
            status=QuoteStatus.OPEN,
            legs=tuple(replace(leg, price=Decimal(int(leg.price))) if self.cut else leg for leg in legs),
            created_at=now,
            expires_at=now + LIFE,
        )
        self.quotes[made.quote_id] = made
        self.most_open = max(self.most_open, len(self.open_on(request_id)))
        return made

    def _expire(self) -> None:
        for quote in self.quotes.values():
            if quote.status is QuoteStatus.OPEN and self.clock.now() >= quote.expires_at:
                self.quotes[quote.quote_id] = replace(quote, status=QuoteStatus.EXPIRED)


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
