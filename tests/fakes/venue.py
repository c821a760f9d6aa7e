"""A venue that keeps its own truth: what it received, what it executed, what is held. A test compares our books with that."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from clock import SimulatedClock
from domain import (
    ZERO,
    AccountSnapshot,
    ClientOrderId,
    Fill,
    NewOrder,
    Option,
    OrderBook,
    OrderReport,
    OrderStatus,
    Purpose,
    Quote,
    Settlement,
    Side,
)
from errors import (
    DuplicateClientOrderId,
    ExchangeUnavailable,
    OrderAlreadyFinal,
    OrderNotFound,
    OutcomeUnknown,
    ReduceOnlyRejected,
    VenueError,
)

from tests.fakes.values import a_position, an_account


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


def venue_holds(venue: FakeVenue) -> Mapping[str, Decimal]:
    """What the venue holds, without zeros."""
    return {symbol: Decimal(qty) for symbol, qty in venue.held.items() if qty != 0}
