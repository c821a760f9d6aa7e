"""Takes, changes and ends orders: checks a wish against the exchange's rules, then hands it to the matching.

Everything that can be refused is refused before anything changes.
"""

from datetime import datetime
from decimal import Decimal

from domain import ZERO, OrderType, Side, TimeInForce
from paper.book import Book, Order
from paper.ledger import Account, Holding
from paper.liquidity import Liquidity
from paper.margin import reserve
from paper.matching import Matching
from paper.rules import OrderRequest, OrderState, Rules, Stp, refusal

_LIMIT, _MARKET, _POST_ONLY = OrderType.LIMIT, OrderType.MARKET, OrderType.POST_ONLY
_IOC, _FOK = TimeInForce.IOC, TimeInForce.FOK
_CANCELED = OrderState.CANCELED
_ANY_PRICE = 10**12
_LIQUIDATION = {
    buys: OrderRequest(symbol="", side=Side.BUY if buys else Side.SELL, qty=ZERO, order_type=OrderType.MARKET, reduce_only=True)
    for buys in (True, False)
}
_AMENDABLE = frozenset({OrderState.NEW, OrderState.PARTIALLY_FILLED})


class Desk:
    """The way into the books for one account's order."""

    __slots__ = ("liquidity", "matching", "rules")

    def __init__(self, rules: Rules, liquidity: Liquidity, matching: Matching) -> None:
        self.rules, self.liquidity, self.matching = rules, liquidity, matching

    def admit(self, account: Account, asked: OrderRequest, now: datetime) -> Order:
        """Check a wish and return it as an open order with its margin reserved; raise Refused, having changed nothing."""
        book = self.liquidity.book(asked.symbol, now)
        if now >= book.stops_at:
            raise refusal(10540)
        if account.working.get(book.underlying, 0) >= self.rules.max_open_orders:
            raise refusal(10535)
        if asked.client_id is not None and asked.client_id in account.by_client:
            raise refusal(10577)
        market = asked.order_type is _MARKET
        lots = whole_lots(book, asked.qty, book.max_market if market else book.max_limit)
        price = self._market_price(book, asked) if market else _ticks(book, asked)
        holding = account.holdings.get(asked.symbol) or self.holding(account, book, now)
        if asked.reduce_only:
            _check_reduces(holding, asked.side, lots)
        order = Order(self.matching.number(), holding, asked, price, lots, now)
        order.fee_lot = book.frozen_fee(price)
        self._reserve(order, account.initial)
        self.liquidity.active[asked.symbol] = book
        self.matching.open(order)
        return order

    def work(self, order: Order, now: datetime) -> None:
        """Match an order, and rest or cancel what is left, as its type and time in force say."""
        asked, matching = order.asked, self.matching
        if asked.order_type is _POST_ONLY:
            barred = order.book.crosses(order.side, order.price)
        else:
            barred = asked.time_in_force is _FOK and not _fillable(order)
            if not barred:
                matching.take(order, now)
        if order.left == 0 or order.state is _CANCELED:
            return
        if barred or asked.order_type is _MARKET or asked.time_in_force is _IOC:
            matching.finish(order, _CANCELED, now)
        else:
            matching.rest(order)

    def amend(self, order: Order, qty: Decimal | None, price: Decimal | None, now: datetime) -> None:
        """Change an order's total quantity or price; raise Refused, the order untouched.

        It keeps its id. It loses its place in the queue unless only the quantity shrinks. A quantity not above what is filled
        completes it.
        """
        book, filled = order.book, order.lots - order.left
        self.liquidity.look(book, now)
        if order.state not in _AMENDABLE:
            raise refusal(10584)
        if now >= book.stops_at:
            raise refusal(10540)
        lots = order.lots if qty is None else whole_lots(book, qty, book.max_limit)
        ticks = order.price if price is None else _price(book, price)
        if ticks != order.price:
            _check_band(book, ticks)
        if lots <= filled:
            self.matching.complete(order, now)
        elif ticks == order.price and lots <= order.lots:
            self._shrink(order, order.lots - lots, now)
        else:
            self._requeue(order, ticks, lots, now)

    def force(self, holding: Holding, lots: int, now: datetime) -> int:
        """Close up to lots of a holding against the book at any price, as a liquidation; return how many were closed."""
        book, buys = holding.book, holding.lots < 0
        key = max(book.levels[-1 if buys else 1], default=None)
        if key is None:
            return 0
        asked = _LIQUIDATION[buys]
        order = Order(self.matching.number(), holding, asked, abs(key), lots, now)
        order.liquidation = True
        holding.work(order, lots)
        self.matching.open(order)
        self.work(order, now)
        return order.lots - order.left

    def holding(self, account: Account, book: Book, now: datetime) -> Holding:
        """Return an account's holding in a book, a flat one if there was none."""
        known = account.holdings.get(book.symbol)
        if known is None:
            known = Holding(self.matching.number(), account, book, now)
            account.holdings[book.symbol] = book.holders[account.user] = known
            self.matching.record.book(book)
        return known

    def _market_price(self, book: Book, asked: OrderRequest) -> int:
        """Return the worst price a market order may get, ticks: slippage per cent past the best. Source: Coincall API 5.10."""
        if asked.price is not None:
            raise refusal(12013)
        if asked.time_in_force is not None:
            raise refusal(12011)
        slippage = self.rules.slippage if asked.slippage is None else asked.slippage
        if not slippage.is_finite() or not 0 <= slippage <= 100:
            raise refusal(10573, "slippage")
        side = asked.side.sign
        key = book.best_key(-side)
        if key is None:
            return 1
        worst = abs(key) * (100 + side * slippage) / 100
        return max(1, int(worst) if side > 0 else -int(-worst // 1))

    def _reserve(self, order: Order, before: int) -> None:
        """Reserve margin and fee for what is left of an order; raise 10529 or 40037 if it opens and the account cannot carry it."""
        holding, account = order.holding, order.account
        holding.work(order, order.left)
        reserve(holding)
        if account.initial > before and account.available < 0:
            holding.work(order, -order.left)
            reserve(holding)
            raise refusal(40037 if before >= account.cash and before > 0 else 10529)

    def _shrink(self, order: Order, lots: int, now: datetime) -> None:
        if lots > 0:
            order.holding.work(order, -lots)
            order.lots -= lots
            order.left -= lots
            reserve(order.holding)
        order.updated = now
        self.matching.record.order(order)

    def _requeue(self, order: Order, price: int, lots: int, now: datetime) -> None:
        holding, before = order.holding, order.account.initial
        old = order.price, order.lots, order.left, order.fee_lot
        more = lots - order.lots
        if order.asked.reduce_only and more > 0:
            _check_reduces(holding, order.asked.side, more)
        holding.work(order, -order.left)
        order.price, order.lots, order.left, order.fee_lot = price, lots, order.left + more, order.book.frozen_fee(price)
        try:
            self._reserve(order, before)
        except BaseException:
            order.price, order.lots, order.left, order.fee_lot = old
            holding.work(order, order.left)
            reserve(holding)
            raise
        order.book.remove(order, old[0])
        order.priority, order.updated = self.matching.number(), now
        self.matching.record.order(order)
        self.work(order, now)


def whole_lots(book: Book, qty: Decimal, most: Decimal) -> int:
    """Return coins as lots; raise Refused 10573 (no number), 10534 (above most) or 10558 (not a whole lot)."""
    if not qty.is_finite():
        raise refusal(10573, "qty")
    if qty > most:
        raise refusal(10534)
    lots = int(qty / book.lot)
    if lots < 1 or lots * book.lot != qty:
        raise refusal(10558)
    return lots


def _ticks(book: Book, asked: OrderRequest) -> int:
    if asked.order_type is not _LIMIT and asked.order_type is not _POST_ONLY:
        raise refusal(10573, "tradeType")
    if asked.price is None:
        raise refusal(10573, "price")
    if asked.time_in_force is not None and asked.order_type is _POST_ONLY and asked.time_in_force is not TimeInForce.GTC:
        raise refusal(12012)
    ticks = _price(book, asked.price)
    if not book.low <= ticks <= book.high:
        _check_band(book, ticks)
    return ticks


def _price(book: Book, price: Decimal) -> int:
    if not price.is_finite() or abs(price) > _ANY_PRICE:
        raise refusal(10573, "price")
    ticks = int(price / book.tick)
    if ticks * book.tick != price:
        raise refusal(10573, "price")
    return ticks


def _check_band(book: Book, ticks: int) -> None:
    if ticks > book.high:
        raise refusal(10531, book.high * book.tick)
    if ticks < book.low:
        raise refusal(10532, book.low * book.tick)


def _check_reduces(holding: Holding, side: int, lots: int) -> None:
    closing = holding.lots < 0 if side == 1 else holding.lots > 0
    if not closing or lots > holding.closable:
        raise refusal(10536)


def _fillable(order: Order) -> bool:
    """Tell whether all of an order would fill at once, before it met an order of its own account."""
    left = order.left
    for maker in order.book.facing(order.side, order.price):
        if maker.account is not order.account:
            left -= maker.left
            if left <= 0:
                return True
        elif order.asked.stp is not Stp.MAKER:
            return False
    return False
