"""A second exchange, written from Coincall's API document alone, for a daemon that so far has only met its own paper exchange.

It keeps the truth that a judge reads: every order that arrived, every fill, every touch of somebody else's order. A test script moves
its quotes, lets orders fill, refuses, races cancels and lags its lists. Prices USD, quantities coins, times Unix ms.
Source: Coincall API 5, 12.1, 13.1, 14.1, 14.2.
"""

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tests.rehearsal.other_books import (
    BLOCK,
    BUY,
    CANCELED,
    CANCELING,
    EXERCISED,
    FEE_CAP,
    FILLED,
    NEW,
    PARTIAL,
    PLANNED,
    PRE_CANCEL,
    SELL,
    TAKER_FEE,
    WORKING,
    ZERO,
    Arrival,
    Exercise,
    Ledger,
    Listed,
    Oddities,
    Order,
    Race,
    Refused,
    Trade,
    symbol_of,
)


class OtherExchange:
    """The books of one account; every method may be called from any thread."""

    def __init__(self, *, expiries: tuple[datetime, ...] = (), strikes: tuple[int, ...] = (90000, 100000, 110000)) -> None:
        self.lock = threading.RLock()
        self.ledger = Ledger()
        self.cash = Decimal(100_000)
        self.index_now = Decimal("100000.0")
        self.odd = Oddities()
        self.frozen = False
        self.generous = False  # every order fills whole at its own price, whatever the quote
        self.clock_offset_ms = 0
        self.lag_seconds = 0.0
        self.settlement_lag_seconds = 0.0
        self.foreign: dict[str, Decimal] = {}
        self.races: dict[str, list[Race]] = {}
        self.planned_refusals: dict[str, list[int]] = {}
        self.on_create: Callable[[Order], None] = lambda _: None
        self.on_change: Callable[[Order, Trade | None], None] = lambda _, __: None  # each change of an order, and the match that it was
        self._ids = itertools.count(1_900_000_000_000_000_123, 17)
        self._frozen_ms = 0
        self._touches: list[tuple[float, str, Decimal, Decimal]] = []
        at_eight = datetime.now(UTC).replace(hour=8, minute=0, second=0, microsecond=0)
        chosen = expiries or (at_eight + timedelta(days=3), at_eight + timedelta(days=10))
        self.options: dict[str, Listed] = {}
        for expiry, strike, kind in itertools.product(chosen, strikes, "CP"):
            symbol = symbol_of(expiry, strike, kind)
            mid = Decimal(1000)
            self.options[symbol] = Listed(symbol, int(expiry.timestamp() * 1000), Decimal(strike), kind == "C", mid - 10, mid + 10)

    # ---- time and the index

    def now(self) -> int:
        """Return the exchange's time."""
        return int(time.time() * 1000) + self.clock_offset_ms

    def index(self) -> tuple[Decimal, int]:
        """Return the index price and its time; both move at every look unless frozen."""
        with self.lock:
            if self.frozen:
                return self.index_now, self._frozen_ms
            if not self.odd.pinned:
                self.index_now = self.odd.level + Decimal(self.now() // 100 % 100) / 10
            return self.index_now, self.now()

    def freeze(self, *, age_seconds: float = 0) -> None:
        """Stop index and its time stamp where they are, or at a time stamp so old."""
        with self.lock:
            self.index()
            self.frozen, self._frozen_ms = True, self.now() - int(age_seconds * 1000)

    def thaw(self) -> None:
        """Let index and time stamp go on."""
        self.frozen = False

    # ---- the script

    def quote(self, symbol: str, bid: Decimal | int, ask: Decimal | int, depth: Decimal | None = None) -> None:
        """Move a quote; what it crosses fills, as far as depth goes (None: any amount)."""
        with self.lock:
            option = self.options[symbol]
            self._touches.append((time.monotonic(), symbol, option.bid, option.ask))  # until now it was this
            option.bid, option.ask, option.depth = Decimal(bid), Decimal(ask), depth
            for order in self._working(symbol):
                self._match(order)

    def fill(self, symbol: str, qty: Decimal | None = None) -> Decimal:
        """Fill the client's resting orders in a symbol at their own prices; return how much filled."""
        with self.lock:
            done, left = ZERO, Decimal(10**6) if qty is None else qty
            for order in self._working(symbol):
                took = self._execute(order, min(left, order.remaining), order.price)
                left, done = left - took, done + took
            return done

    def fill_late(self, order: Order, qty: Decimal) -> None:
        """Have an order that has ended trade after all, as a match may be told long after a cancel was."""
        with self.lock:
            order.state = PARTIAL
            self._execute(order, qty, order.price)
            order.state = FILLED if order.filled == order.qty else CANCELED

    def withdraw(self, orders: Sequence[Order]) -> None:
        """Cancel orders of anybody, as the exchange itself does."""
        with self.lock:
            for order in orders:
                order.state, order.updated = CANCELED, self.now()
                self.on_change(order, None)

    def refuse(self, symbol: str, *codes: int) -> None:
        """Refuse the next creates in a symbol, one code each."""
        with self.lock:
            self.planned_refusals.setdefault(symbol, []).extend(codes)

    def race(self, symbol: str, *races: Race) -> None:
        """Let the next cancels in a symbol meet these."""
        with self.lock:
            self.races.setdefault(symbol, []).extend(races)

    def foreign_order(self, symbol: str, side: int, qty: Decimal, price: Decimal, client_id: int | None = None) -> Order:
        """Rest an order that is not the client's; without an id of its own it carries its order id."""
        with self.lock:
            order_id = next(self._ids)
            order = Order(order_id, client_id or order_id, symbol, side, qty, price, False, self.now(), foreign=True)
            self.ledger.orders.append(order)
            self.on_change(order, None)
            return order

    # ---- the judge

    def net(self, symbol: str) -> Decimal:
        """Return what the client's own fills and settlements leave it holding, signed."""
        with self.lock:
            held = sum((t.qty * t.order.sign for t in self.ledger.trades if t.order.symbol == symbol and not t.order.foreign), ZERO)
            expired = self.options[symbol].expiry <= self.now()
            return ZERO if expired else held

    def working(self) -> list[Order]:
        """Return the client's orders that may still fill."""
        with self.lock:
            self.advance()
            return [o for o in self.ledger.orders if o.state in WORKING and not o.foreign]

    def touch(self, symbol: str, side: int, within: float = 0) -> Decimal | None:
        """Return what taking from the book costs per coin, at the worst moment for the taker of the last seconds; None: not possible."""
        with self.lock:
            option, since = self.options[symbol], time.monotonic() - within
            seen = [(bid, ask) for at, name, bid, ask in self._touches if name == symbol and at >= since]
            prices = [ask if side == BUY else bid for bid, ask in (*seen, (option.bid, option.ask))]
            return (max if side == BUY else min)((price for price in prices if price > 0), default=None)

    def block(self, number: int, legs: Sequence[tuple[str, int, Decimal, Decimal]]) -> list[Trade]:
        """Trade legs (symbol, side, coins, price) at once, as one block with a number."""
        with self.lock:
            return [self._leg_of_block(number, *leg) for leg in legs]

    def _leg_of_block(self, number: int, symbol: str, side: int, qty: Decimal, price: Decimal) -> Trade:
        order_id = next(self._ids)
        order = Order(order_id, order_id, symbol, side, qty, price, False, self.now(), updated=self.now(), kind=BLOCK)
        self.ledger.orders.append(order)
        self._execute(order, qty, price, block=number)
        return self.ledger.trades[-1]

    def traded(self, symbol: str, side: int) -> Decimal:
        """Return how much the client has traded in a symbol in one direction."""
        with self.lock:
            return sum((t.qty for t in self.ledger.trades if t.order.symbol == symbol and t.order.side == side), ZERO)

    # ---- what the wire asks

    def advance(self) -> None:
        """Let pass what time brings: cancels that become final, options that expire."""
        with self.lock:
            now = self.now()
            for order in self.ledger.orders:
                if order.state in WORKING and order.gone_at is not None:
                    self._go(order, now)
                if order.state in WORKING and self.options[order.symbol].expiry <= now:
                    order.state, order.updated = EXERCISED, now
                    self.on_change(order, None)
            for option in self.options.values():
                if option.expiry <= now and not any(e.symbol == option.symbol for e in self.ledger.exercises):
                    self._settle(option, now)
            self.odd.on_advance()

    def number(self) -> int:
        """Return a new id."""
        return next(self._ids)

    def visible(self) -> Iterator[Order]:
        """Yield the orders that lists and queries show by now, oldest first."""
        self.advance()
        limit = time.monotonic() - self.lag_seconds
        yield from (o for o in self.ledger.orders if o.born <= limit or o.foreign)

    def visible_trades(self) -> list[Trade]:
        """Return the trades that the history shows by now, oldest first."""
        limit = time.monotonic() - self.lag_seconds
        return [] if self.odd.unlisted else [trade for trade in self.ledger.trades if trade.born <= limit]

    def position(self, symbol: str) -> Decimal:
        """Return the account's holding, signed: the client's and everybody's."""
        return self.net(symbol) + (ZERO if self.options[symbol].expiry <= self.now() else self.foreign.get(symbol, ZERO))

    def create(self, body: Mapping[str, object]) -> int:
        """Take an order; return its id. Raises Refused."""
        with self.lock:
            try:
                return self._create(body)
            except Refused as no:
                if no.text != PLANNED:
                    self.ledger.refusals.append((no.code, str(body.get("symbol"))))
                raise

    def arrived(self, body: Mapping[str, object]) -> None:
        """Note a create request that reached the socket, before anything is done with it."""
        with self.lock:
            client_id = body.get("clientOrderId")
            number = None if client_id is None else int(str(client_id))
            qty, price = (Decimal(str(body.get(name) or 0)) for name in ("qty", "price"))
            reduce_only = str(body.get("reduceOnly", 0)) == "1"
            side = int(str(body.get("tradeSide", 0)))
            self.ledger.arrivals.append(Arrival(number, str(body.get("symbol")), side, qty, price, reduce_only, self.now()))

    def cancel(self, order: Order) -> None:
        """Cancel an order, or begin to. Raises Refused where it is final already."""
        with self.lock:
            self.advance()
            self.ledger.cancels.append(order.order_id)
            if order.foreign:
                self.ledger.touched.append(f"cancel of {order.order_id}")
            waiting = self.races.get(order.symbol, [])
            race = waiting.pop(0) if waiting and order.state in WORKING and order.gone_at is None else Race()
            if race.fill > 0:
                self._execute(order, min(race.fill, order.remaining), order.price)
            if order.state == FILLED:
                raise Refused(11102, "Order has been filled")
            if order.state not in WORKING or order.gone_at is not None:
                raise Refused(11101, "Order has been cancelled")
            order.updated = self.now()
            order.gone_at, order.late = self.now() + int(race.seconds * 1000), race.late
            order.state = PRE_CANCEL if race.seconds > 0 else CANCELED
            self.on_change(order, None)

    def find(self, body: Mapping[str, object]) -> Order:
        """Return the visible order that a request names. Raises Refused 10575, 10584."""
        with self.lock:
            for name, attribute in (("orderId", "order_id"), ("clientOrderId", "client_id")):
                if body.get(name) is not None:
                    wanted = int(str(body[name]))
                    found = next((o for o in self.visible() if getattr(o, attribute) == wanted), None)
                    if found is None:
                        raise Refused(10584, "Order does not exist.")
                    return found
            raise Refused(10575, "Either client order ID or order ID is required.")

    # ---- inside

    def _create(self, body: Mapping[str, object]) -> int:
        order = self._read(body)
        option, now = self.options[order.symbol], self.now()
        self.advance()
        planned = self.planned_refusals.get(order.symbol)
        if planned:
            raise Refused(planned.pop(0), PLANNED)
        if any(o.client_id == order.client_id for o in self.ledger.orders):
            raise Refused(10577, "Duplicated client order ID.")
        if option.expiry <= now:
            raise Refused(10540, "Order has expired.")
        if order.qty < option.lot or order.qty % option.lot != 0:
            raise Refused(10558, "less.than.min.amount")
        if order.price < option.tick or order.price % option.tick != 0:
            raise Refused(10004, "Parameter illegal")
        if order.reduce_only and order.qty > self._reducible(order):
            raise Refused(10536, "Insufficient open positions.")
        self.odd.admit(order)
        self.ledger.orders.append(order)
        self._note_reach(order.symbol)
        self.on_create(order)
        self.on_change(order, None)
        self._match(order, fresh=True)
        return order.order_id

    def _read(self, body: Mapping[str, object]) -> Order:
        missing = [name for name in ("symbol", "qty", "tradeSide", "tradeType", "price") if body.get(name) is None]
        if missing:
            raise Refused(10570, f"Parameter {missing[0]} cannot be empty.")
        if body["symbol"] not in self.options:
            raise Refused(10574, "Instrument ID does not exist.")
        if str(body["tradeType"]) != "1" or body.get("timeInForce", "GTC") != "GTC":
            raise Refused(10573, "Parameter tradeType error.")
        order_id = next(self._ids)
        client_id = int(str(body.get("clientOrderId") or order_id))
        side, reduce_only = int(str(body["tradeSide"])), str(body.get("reduceOnly", 0)) == "1"
        qty, price = Decimal(str(body["qty"])), Decimal(str(body["price"]))
        return Order(order_id, client_id, str(body["symbol"]), side, qty, price, reduce_only, self.now(), updated=self.now())

    def _reducible(self, order: Order) -> Decimal:
        """Return what a reduce-only order may still take: the holding, less what others of its kind have reserved."""
        reserved = sum((o.remaining for o in self._working(order.symbol) if o.reduce_only and o.side == order.side), ZERO)
        return max(-self.position(order.symbol) * order.sign, ZERO) - reserved

    def _note_reach(self, symbol: str) -> None:
        opening = [o for o in self._working(symbol) if not o.reduce_only]
        held = self.net(symbol)
        most = max(abs(held + sum((o.remaining * o.sign for o in opening if o.side == side), ZERO)) for side in (BUY, SELL))
        self.ledger.reach[symbol] = max(self.ledger.reach.get(symbol, ZERO), most)

    def _working(self, symbol: str) -> list[Order]:
        return [o for o in self.ledger.orders if o.symbol == symbol and o.state in WORKING and not o.foreign]

    def _match(self, order: Order, *, fresh: bool = False) -> None:
        option = self.options[order.symbol]
        touch = option.ask if order.side == BUY else option.bid
        if self.generous:
            touch = order.price
        crosses = order.price >= touch if order.side == BUY else order.price <= touch
        if not crosses or touch == 0 or order.gone_at is not None:
            return
        sizes = (order.remaining, option.depth, option.bite if fresh else None)
        qty = min(size for size in sizes if size is not None)
        took = self._execute(order, qty, touch)
        if option.depth is not None:
            option.depth -= took

    def _execute(self, order: Order, qty: Decimal, price: Decimal, *, block: int | None = None) -> Decimal:
        if order.reduce_only:
            qty = min(qty, max(-self.position(order.symbol) * order.sign, ZERO))
        if qty <= 0 or order.state not in WORKING:
            return ZERO
        fee = min(qty * self.index_now * TAKER_FEE, qty * price * FEE_CAP)
        self.ledger.trades.append(Trade(next(self._ids), order, qty, price, fee, self.now(), block))
        order.filled, order.value, order.fee = order.filled + qty, order.value + qty * price, order.fee + fee
        order.updated = self.now()
        if order.filled == order.qty:
            order.state, order.gone_at = FILLED, None
        elif order.state == NEW:
            order.state = PARTIAL
        self.cash -= qty * price * order.sign + fee
        self._note_reach(order.symbol)
        self.on_change(order, self.ledger.trades[-1])
        return qty

    def _go(self, order: Order, now: int) -> None:
        """Take a cancel that is under way one step on; at its end a late fill comes first."""
        if order.gone_at is None or now < order.gone_at:
            if order.state != CANCELING:
                order.state = CANCELING
                self.on_change(order, None)
            return
        self._execute(order, min(order.late, order.remaining), order.price)
        if order.state != FILLED:
            order.state = CANCELED
            self.on_change(order, None)

    def _settle(self, option: Listed, now: int) -> None:
        held = sum((t.qty * t.order.sign for t in self.ledger.trades if t.order.symbol == option.symbol), ZERO)
        if held == 0:
            return
        price = self.index_now
        worth = max((price - option.strike) if option.call else (option.strike - price), ZERO)
        fee = min(abs(held) * price * Decimal("0.00015"), abs(held) * abs(price - option.strike) * FEE_CAP) if worth > 0 else ZERO
        shown = now + int(self.settlement_lag_seconds * 1000)
        row = Exercise(option.symbol, now, shown, abs(held), BUY if held > 0 else SELL, price, held * worth, fee)
        self.ledger.exercises.append(row)
        self.cash += held * worth - fee
