"""Fakes that work, with switches for each way a venue, a journal or a person can fail; and builders of plain values.

`FakeVenue` keeps its own truth: what it received, what it executed, what is held. A test compares our books with that.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from clock import SimulatedClock
from domain import (
    ZERO,
    AccountSnapshot,
    ClientOrderId,
    ExecutionMode,
    ExecutionParams,
    Fill,
    Greeks,
    NewOrder,
    Option,
    OptionType,
    OrderBook,
    OrderReport,
    OrderStatus,
    PositionSnapshot,
    Purpose,
    Quote,
    Settlement,
    Severity,
    Side,
)
from errors import (
    DuplicateClientOrderId,
    ExchangeUnavailable,
    JournalError,
    OrderAlreadyFinal,
    OrderNotFound,
    OutcomeUnknown,
    ReduceOnlyRejected,
    VenueError,
)
from events import AnyEvent, Event, LegFilled, LegPlan, TradeCreated
from execution import Executor
from execution_desk import DeskRules, ExecutionDesk
from execution_log import ExecutionLog
from leg_orders import LegOrders
from lifecycle_manager import LifecycleManager
from limit_execution import LimitExecutor
from risk import RiskLimits
from settling import SettlementDesk
from trade_execution import Patience, TradeExecutor
from trade_lifecycle import TradeLifecycle, created
from trading_desk import Desk
from workers import Inbox, InlinePool

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
EXPIRY = datetime(2026, 3, 27, 8, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


# ---- builders


def an_option(
    strike: int = 70000,
    option_type: OptionType = OptionType.CALL,
    *,
    expiry: datetime = EXPIRY,
    tick: str = "0.5",
    lot: str = "0.01",
) -> Option:
    """A BTC option, named as Coincall names it."""
    symbol = f"BTCUSD-{expiry:%d%b%y}-{strike}-{option_type}".upper()
    return Option(
        symbol=symbol,
        underlying="BTC",
        tick=Decimal(tick),
        lot=Decimal(lot),
        option_type=option_type,
        strike=Decimal(strike),
        expiry=expiry,
    )


def a_quote(
    option: Option | None = None,
    bid: str | None = "99",
    ask: str | None = "101",
    *,
    mark: str | None = "100",
    at: datetime = START,
    delta: float = 0.25,
) -> Quote:
    """A two-sided quote around 100 USD."""
    return Quote(
        option=option or an_option(),
        at=at,
        bid=None if bid is None else Decimal(bid),
        ask=None if ask is None else Decimal(ask),
        mark=None if mark is None else Decimal(mark),
        greeks=Greeks(delta=delta),
        underlying_price=Decimal(65000),
    )


def a_plan(option: Option | None = None, side: Side = Side.SELL, qty: str = "1") -> LegPlan:
    """One resolved leg: sell one call."""
    return LegPlan(option=option or an_option(), side=side, qty=Decimal(qty))


def a_created(
    *legs: LegPlan, trade: int = 1, strategy: str = "test", params: ExecutionParams | None = None, simulated: bool = False
) -> TradeCreated:
    """The event that begins a trade."""
    return TradeCreated(
        at=START,
        trade=trade,
        strategy=strategy,
        legs=legs or (a_plan(),),
        mode=ExecutionMode.LIMIT,
        params=params or ExecutionParams(),
        simulated=simulated,
    )


def a_trade(*legs: LegPlan, trade: int = 1, strategy: str = "test", params: ExecutionParams | None = None) -> TradeLifecycle:
    """A trade as it begins."""
    return created(a_created(*legs, trade=trade, strategy=strategy, params=params))


def a_name(leg: int = 0, purpose: Purpose = Purpose.OPEN, attempt: int = 1, trade: int = 1) -> ClientOrderId:
    """A client order id of desk 7."""
    return ClientOrderId(desk=7, trade=trade, leg=leg, purpose=purpose, attempt=attempt)


def an_order(
    name: ClientOrderId | None = None, option: Option | None = None, side: Side = Side.SELL, qty: str = "1", price: str = "100"
) -> NewOrder:
    """An order that fits a_trade."""
    name = name or a_name()
    return NewOrder(
        client_id=name,
        instrument=option or an_option(),
        side=side,
        qty=Decimal(qty),
        price=Decimal(price),
        reduce_only=name.purpose.reduces,
    )


def a_fill(
    qty: str = "1",
    price: str = "100",
    *,
    fee: str = "0.3",
    fill_id: str = "f1",
    order_id: str = "v1",
    side: Side = Side.SELL,
    at: datetime = START,
) -> Fill:
    """One match."""
    return Fill(
        id=fill_id, order_id=order_id, symbol=an_option().symbol, side=side, qty=Decimal(qty), price=Decimal(price), fee=Decimal(fee), at=at
    )


def filled(fill: Fill | None = None, name: ClientOrderId | None = None) -> LegFilled:
    """The event that books a fill."""
    fill, name = fill or a_fill(), name or a_name()
    return LegFilled(at=fill.at, trade=name.trade, leg=name.leg, order=str(name), fill=fill)


def a_position(option: Option, signed: str | Decimal) -> PositionSnapshot:
    """A holding; below zero is short."""
    qty = Decimal(signed)
    return PositionSnapshot(symbol=option.symbol, side=Side.BUY if qty > 0 else Side.SELL, qty=abs(qty), avg_price=Decimal(100))


def an_account(
    *quotes: Quote, now: datetime = START, at: datetime | None = None, positions: Sequence[PositionSnapshot] = (), valid: bool = True
) -> AccountSnapshot:
    """A known account that sees the quotes given."""
    return AccountSnapshot(
        valid=valid,
        now=now,
        at=at or now,
        equity=Decimal(100000),
        available_margin=Decimal(80000),
        positions=tuple(positions),
        quotes={quote.option.symbol: quote for quote in quotes},
    )


# ---- fakes


class FakeJournal:
    """Keeps events in memory; `failing` makes every append fail, `fail_on` those of some kinds, `fail_next` the next few."""

    def __init__(self) -> None:
        self.events: list[AnyEvent] = []
        self.failing = False
        self.fail_next = 0
        self.fail_on: tuple[type[Event], ...] = ()

    def append(self, *events: Event) -> None:
        """Write all or, when told to fail, none."""
        if self.fail_next > 0:
            self.fail_next -= 1
            raise JournalError("disk full")
        if self.failing or any(isinstance(event, self.fail_on) for event in events):
            raise JournalError("disk full")
        self.events.extend(events)  # type: ignore[arg-type]

    def of(self, *kinds: type[Event]) -> list[AnyEvent]:
        """The events of some kinds."""
        return [event for event in self.events if isinstance(event, kinds)]


@dataclass(frozen=True)
class Alert:
    """One call to a person."""

    severity: Severity
    cause: str
    message: str
    hint: str


class FakeAlerts:
    """Remembers every call."""

    def __init__(self) -> None:
        self.raised: list[Alert] = []

    def alert(self, severity: Severity, cause: str, message: str, hint: str) -> None:
        """Remember it."""
        self.raised.append(Alert(severity, cause, message, hint))

    def about(self, cause: str) -> list[Alert]:
        """The calls whose cause begins so."""
        return [alert for alert in self.raised if alert.cause.startswith(cause)]


@dataclass
class VenueOrder:
    """An order as the venue has it."""

    new: NewOrder
    order_id: str
    status: OrderStatus = OrderStatus.NEW
    filled: Decimal = ZERO
    value: Decimal = ZERO
    fee: Decimal = ZERO

    def report(self) -> OrderReport:
        """What the venue would say of it now."""
        return OrderReport(
            client_id=self.new.client_id,
            order_id=self.order_id,
            symbol=self.new.instrument.symbol,
            side=self.new.side,
            qty=self.new.qty,
            filled=self.filled,
            status=self.status,
            price=self.new.price,
            avg_price=None if self.filled == 0 else self.value / self.filled,
            fee=self.fee,
        )


class FakeVenue:
    """A venue with one price per option, that trades what crosses it and holds what it traded. All faults are off at first.

    One-shot faults act on the next write: `lose_reply`, `drop`, `refuse` (an error), `partial` (coins that a crossing order gets),
    `fill_in_cancel` (coins filled just before a cancel takes effect). Standing faults: `reads_fail`, `writes_fail`, `slow_cancel`
    (CANCELING until it is off), `lag_orders`, `lag_trades`, `lag_position` (what is listed stays as it was), `duplicate_rows`,
    `hidden` (how often it still denies to know an order, and lists it nowhere meanwhile).
    """

    def __init__(self, clock: SimulatedClock) -> None:
        self.clock = clock
        self.received: list[NewOrder] = []
        self.cancels: list[ClientOrderId] = []
        self.orders: dict[ClientOrderId, VenueOrder] = {}
        self.rows: list[Fill] = []
        self.held: dict[str, Decimal] = {}
        self.options: dict[str, Option] = {}
        self.quotes: dict[str, Quote] = {}
        self.books: dict[str, OrderBook] = {}  # in depth, where a test wants it
        self.settled: list[Settlement] = []
        self.asked: Counter[str] = Counter()
        self.lose_reply = self.drop = self.reads_fail = self.writes_fail = self.duplicate_rows = self.slow_cancel = False
        self.refuse: VenueError | None = None
        self.partial: Decimal | None = None
        self.fill_in_cancel: Decimal | None = None
        self.hidden: dict[ClientOrderId, int] = {}
        self.denied: set[ClientOrderId] = set()
        self._listed: tuple[OrderReport, ...] | None = None
        self._shown_rows: int | None = None
        self._shown_held: dict[str, Decimal] | None = None

    # ---- switches

    def heal(self) -> None:
        """Turn every fault off."""
        self.lose_reply = self.drop = self.reads_fail = self.writes_fail = self.duplicate_rows = False
        self.refuse = self.partial = self.fill_in_cancel = None
        self.hidden.clear()
        self.lag_orders(on=False)
        self.lag_trades(on=False)
        self.lag_position(on=False)
        self.finish_cancels()

    def hide(self, name: ClientOrderId, answers: int = 10**9) -> None:
        """Deny to know an order so many times."""
        self.hidden[name] = answers
        self.denied.add(name)

    def lag_orders(self, *, on: bool = True) -> None:
        """Freeze the list of open orders, or let it go on."""
        self._listed = tuple(self._open()) if on else None

    def lag_trades(self, *, on: bool = True) -> None:
        """Freeze the list of trades, or let it go on."""
        self._shown_rows = len(self.rows) if on else None

    def lag_position(self, *, on: bool = True) -> None:
        """Freeze the positions shown, or let them go on."""
        self._shown_held = dict(self.held) if on else None

    def finish_cancels(self) -> None:
        """Let cancels that hang take effect."""
        self.slow_cancel = False
        for order in self.orders.values():
            if order.status is OrderStatus.CANCELING:
                order.status = OrderStatus.CANCELED

    # ---- the market

    def show(self, quote: Quote) -> None:
        """Set an option's price and trade what it crosses."""
        self.quotes[quote.option.symbol], self.options[quote.option.symbol] = quote, quote.option
        for order in self.orders.values():
            if not order.status.final and order.new.instrument.symbol == quote.option.symbol and self._crosses(order.new):
                self.execute(order.new.client_id)

    def execute(self, name: ClientOrderId, qty: str | Decimal | None = None, price: str | None = None) -> Decimal:
        """Fill an order, wholly or by qty, at its own price or another; return the coins filled."""
        order = self.orders[name]
        left = order.new.qty - order.filled
        amount = left if qty is None else min(left, Decimal(qty))
        symbol, sign = order.new.instrument.symbol, order.new.side.sign
        if order.new.reduce_only:
            amount = min(amount, max(-sign * self._holding(symbol), ZERO))
        if order.status.final or amount == 0:
            return ZERO
        at, fee = Decimal(price) if price is not None else order.new.price, amount * Decimal("0.5")
        order.filled, order.value, order.fee = order.filled + amount, order.value + amount * at, order.fee + fee
        if order.filled == order.new.qty:
            order.status = OrderStatus.FILLED
        elif order.status is not OrderStatus.CANCELING:
            order.status = OrderStatus.PARTIALLY_FILLED
        self.held[symbol] = self._holding(symbol) + sign * amount
        row_id = f"t{len(self.rows) + 1}"
        self.rows.append(
            Fill(id=row_id, order_id=order.order_id, symbol=symbol, side=order.new.side, qty=amount, price=at, fee=fee, at=self.clock.now())
        )
        return amount

    def settle(self, price: str, fee: str = "0") -> None:
        """Expire every option: cancel its orders, pay its holders, empty the positions."""
        for order in self.orders.values():
            if not order.status.final:
                order.status = OrderStatus.CANCEL_BY_EXERCISE
        for symbol, held in list(self.held.items()):
            if held == 0:
                continue
            side, qty = (Side.BUY, Decimal(held)) if held > 0 else (Side.SELL, Decimal(-held))
            cash = side.sign * qty * self.options[symbol].payoff(Decimal(price))
            row = Settlement(symbol=symbol, side=side, qty=qty, price=Decimal(price), cash=cash, fee=Decimal(fee), at=self.clock.now())
            self.settled.append(row)
            self.held[symbol] = ZERO

    def executed(self, trade: int, leg: int, purpose: Purpose) -> Decimal:
        """Coins that the orders of one leg and purpose traded."""
        return sum(
            (o.filled for n, o in self.orders.items() if (n.trade, n.leg, n.purpose) == (trade, leg, purpose)),
            ZERO,
        )

    # ---- OrderGateway

    def submit(self, order: NewOrder, /) -> str:
        """Take an order, once; a name that was used is refused."""
        self._before_write("create")
        self.received.append(order)
        if order.client_id in self.orders:
            raise DuplicateClientOrderId("fake", "create", "client order id is used", 10577)
        symbol = order.instrument.symbol
        if order.reduce_only and -order.side.sign * self._holding(symbol) <= 0:
            raise ReduceOnlyRejected("fake", "create", "nothing to reduce", 10570)
        self.options[symbol] = order.instrument
        self.orders[order.client_id] = VenueOrder(order, f"v{len(self.orders) + 1}")
        if self._crosses(order):
            self.execute(order.client_id, self.partial)
            self.partial = None
        self._after_write("create")
        return self.orders[order.client_id].order_id

    def cancel(self, client_id: ClientOrderId, /) -> None:
        """Cancel; what fills in between fills first."""
        self._before_write("cancel")
        self.cancels.append(client_id)
        order = self.orders.get(client_id)
        if order is None or client_id in self.hidden:
            raise OrderNotFound("fake", "cancel", "no such order", 10584)
        if self.fill_in_cancel is not None:
            self.execute(client_id, self.fill_in_cancel)
            self.fill_in_cancel = None
        if order.status.final:
            raise OrderAlreadyFinal("fake", "cancel", f"it is {order.status}", 11102)
        order.status = OrderStatus.CANCELING if self.slow_cancel else OrderStatus.CANCELED
        self._after_write("cancel")

    def find(self, client_id: ClientOrderId, sent_at: datetime, /) -> OrderReport | None:
        """Say what is known of an order."""
        self._before_read("find")
        order = self.orders.get(client_id)
        if client_id in self.hidden:
            self.hidden[client_id] -= 1
            if self.hidden[client_id] <= 0:
                del self.hidden[client_id]
            return None
        return None if order is None else order.report()

    def open_orders(self) -> Sequence[OrderReport]:
        """List what is open, or was when the list froze."""
        self._before_read("open_orders")
        return tuple(self._open()) if self._listed is None else self._listed

    def fills(self, since: datetime, /) -> Sequence[Fill]:
        """List the trades, oldest first."""
        self._before_read("fills")
        rows = self.rows[: self._shown_rows]
        return [row for row in rows for _ in range(2 if self.duplicate_rows else 1) if row.at >= since]

    # ---- AccountReader

    def read(self) -> AccountSnapshot:
        """Show the account, or what it was when its positions froze."""
        self._before_read("account")
        return self.snapshot()

    def snapshot(self) -> AccountSnapshot:
        """What an account reader that never fails would see."""
        held = self.held if self._shown_held is None else self._shown_held
        positions = [a_position(self.options[symbol], qty) for symbol, qty in held.items() if qty != 0]
        now = self.clock.now()
        return an_account(*self.quotes.values(), now=now, positions=positions)

    def settlements(self, since: datetime, /) -> Sequence[Settlement]:
        """List what was settled."""
        self._before_read("settlements")
        return [row for row in self.settled if row.at >= since]

    def _holding(self, symbol: str) -> Decimal:
        return self.held.get(symbol, ZERO)

    def _crosses(self, order: NewOrder) -> bool:
        quote = self.quotes.get(order.instrument.symbol)
        if quote is None:
            return False
        if order.side is Side.BUY:
            return quote.ask is not None and order.price >= quote.ask
        return quote.bid is not None and order.price <= quote.bid

    def _open(self) -> list[OrderReport]:
        return [o.report() for n, o in self.orders.items() if not o.status.final and n not in self.hidden]

    def _before_write(self, call: str) -> None:
        self.asked[call] += 1
        if self.drop:
            self.drop = False
            raise OutcomeUnknown("fake", call, "connection reset before anything was sent")
        if self.refuse is not None:
            error, self.refuse = self.refuse, None
            raise error
        if self.writes_fail:
            raise ExchangeUnavailable("fake", call, "unreachable")

    def _after_write(self, call: str) -> None:
        if self.lose_reply:
            self.lose_reply = False
            raise OutcomeUnknown("fake", call, "read timed out")

    def _before_read(self, call: str) -> None:
        self.asked[call] += 1
        if self.reads_fail:
            raise ExchangeUnavailable("fake", call, "unreachable")


class House:
    """A daemon's order path on a fake venue: the real executor and manager, a simulated clock, inline workers."""

    def __init__(
        self,
        *,
        limits: RiskLimits | None = None,
        patience: Patience | None = None,
        simulated: bool = False,
        venue: FakeVenue | None = None,
        journal: FakeJournal | None = None,
        others: Sequence[Callable[[LegOrders], Executor]] = (),
        rules: DeskRules | None = None,
    ) -> None:
        self.others, self.rules = others, rules
        self.clock = venue.clock if venue is not None else SimulatedClock(START)
        self.venue = venue or FakeVenue(self.clock)
        self.journal = journal or FakeJournal()
        self.alerts = FakeAlerts()
        self.inbox = Inbox()
        self.limits, self.patience = limits, patience
        self.executor = self._executor(self.venue)
        self.rehearsal = FakeVenue(self.clock) if simulated else None
        self.manager = LifecycleManager(
            live=self._desk(self.executor, self.venue),
            simulated=None if self.rehearsal is None else self._desk(self._executor(self.rehearsal), self.rehearsal),
            journal=self.journal,
            clock=self.clock,
            alerts=self.alerts,
            next_number=1 + max((e.trade for e in self.journal.events if isinstance(e, TradeCreated)), default=0),
        )
        self.closed: list[TradeLifecycle] = []
        self.manager.on_closed(self.closed.append)
        self.manager.bind("test", ())
        if self.journal.events:
            self.manager.restore(self.journal.events)

    def _executor(self, venue: FakeVenue) -> TradeExecutor:
        pool = InlinePool(self.inbox)
        return TradeExecutor(
            gateway=venue,
            writes=pool,
            reads=pool,
            journal=self.journal,
            clock=self.clock,
            alerts=self.alerts,
            limits=self.limits,
            patience=self.patience,
        )

    def _desk(self, executor: TradeExecutor, venue: FakeVenue) -> Desk:
        log, orders = ExecutionLog(self.journal, self.clock), LegOrders(executor, self.alerts, 7)
        desk = ExecutionDesk(
            executor=executor,
            executors=[LimitExecutor(orders), *(make(orders) for make in self.others)],
            log=log,
            alerts=self.alerts,
            books=venue.books.get,
            rules=self.rules,
        )
        return Desk(executor, SettlementDesk(venue, InlinePool(self.inbox), self.alerts), desk, log)

    def restart(self) -> "House":
        """Die here; return a new daemon on the same venue and journal."""
        return House(
            limits=self.limits,
            patience=self.patience,
            simulated=self.rehearsal is not None,
            venue=self.venue,
            journal=self.journal,
            others=self.others,
            rules=self.rules,
        )

    def create(
        self,
        *legs: LegPlan,
        strategy: str = "test",
        params: ExecutionParams | None = None,
        simulated: bool = False,
        mode: ExecutionMode = ExecutionMode.LIMIT,
    ) -> TradeLifecycle:
        """Begin a trade whose strategy never wants to leave."""
        self.manager.bind(strategy, ())
        return self.manager.create(
            strategy=strategy, version="v1", legs=legs or (a_plan(),), mode=mode, params=params, reason="a test", simulated=simulated
        )

    def tick(self, times: int = 1, *, every: timedelta = SECOND, account: AccountSnapshot | None = None) -> None:
        """Let time pass and tick, as the daemon does: first what arrived, then a look at everything."""
        for _ in range(times):
            self.clock.advance(every)
            for message in self.inbox.take():
                message()
            self.manager.tick(replace(account, now=self.clock.now()) if account is not None else self.venue.snapshot())

    def trade(self, number: int = 1) -> TradeLifecycle:
        """The trade as it stands."""
        return next(trade for trade in self.manager.trades if trade.number == number)

    def opened(self, *legs: LegPlan, params: ExecutionParams | None = None) -> TradeLifecycle:
        """An open trade: its orders are filled at the venue as they come."""
        number = self.create(*legs, params=params).number
        for _ in range(6):
            self.tick()
            self.fill_all()
        return self.trade(number)

    def fill_all(self) -> None:
        """Fill whatever rests at the venue."""
        for name, order in list(self.venue.orders.items()):
            if not order.status.final:
                self.venue.execute(name)

    def show(self, *options: Option, bid: str = "99", ask: str = "101") -> None:
        """Quote options at the venue."""
        for option in options or (an_option(),):
            self.venue.show(a_quote(option, bid, ask, at=self.clock.now()))


def venue_holds(venue: FakeVenue) -> Mapping[str, Decimal]:
    """What the venue holds, without zeros."""
    return {symbol: Decimal(qty) for symbol, qty in venue.held.items() if qty != 0}


def books_hold(trades: Sequence[TradeLifecycle]) -> Mapping[str, Decimal]:
    """What our trades hold together, without zeros."""
    total: dict[str, Decimal] = {}
    for trade in trades:
        for leg in trade.legs:
            total[leg.option.symbol] = total.get(leg.option.symbol, ZERO) + leg.held
    return {symbol: qty for symbol, qty in total.items() if qty != 0}
