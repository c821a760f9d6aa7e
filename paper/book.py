"""One option's order book: price levels in price-time priority, and what the option is worth to the ledger right now.

Users' orders and the quotes of the rest of the market queue in the same levels. The market's quantity at a price is one or more
entries of the house: what was there before a user's order is ahead of it, what is added later is behind; what the market
withdraws leaves from the back, so a user's order never gains a place it could not count on.

A side maps a key to its level: the key of a bid is minus its ticks, of an ask its ticks, so that the smallest key is best on both.
"""

from collections import deque
from collections.abc import Iterator
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from heapq import heappop, heappush

from domain import ZERO, Level, Option, OrderBook, OrderType, Side
from paper.fees import PPM, ppm
from paper.ledger import SCALE, Account, Holding, pico
from paper.margin import price_band, short_addon, short_initial, short_maintenance
from paper.market import IndexView, OptionView
from paper.rules import FINAL, OrderRequest, OrderState, Rules

TAPE_LENGTH = 200
STALE_KEYS = 64  # keys of vanished levels that may wait in a heap


class Order:
    """An order of a user, or quotes and orders of the rest of the market (the house); prices in ticks, quantities in lots.

    side is +1 for a buy and -1 for a sell; spent, fee, realised are picodollars; fee_lot is frozen per working lot;
    priority orders the queue within a level.
    """

    __slots__ = (
        "account",
        "asked",
        "book",
        "cancel_at",
        "cancel_due",
        "created",
        "fee",
        "fee_lot",
        "holding",
        "id",
        "index",
        "left",
        "liquidation",
        "lots",
        "price",
        "priority",
        "realised",
        "side",
        "spent",
        "state",
        "updated",
    )

    def __init__(self, number: int, holding: Holding, asked: OrderRequest, price: int, lots: int, now: datetime) -> None:
        self.id = self.priority = number
        self.account, self.book, self.holding, self.asked = holding.account, holding.book, holding, asked
        self.side = 1 if asked.side is Side.BUY else -1
        self.price, self.lots, self.left = price, lots, lots
        self.state = OrderState.NEW
        self.spent = self.fee = self.fee_lot = self.realised = 0
        self.created = self.updated = now
        self.liquidation, self.index = False, holding.book.index_price
        self.cancel_at: datetime | None = None
        self.cancel_due: datetime | None = None

    @property
    def final(self) -> bool:
        """Tell whether nothing more can happen to it."""
        return self.state in FINAL


class Trade:
    """One match: taker and maker share its id; fees in picodollars; mark, index and volatility as they stood.

    Where both sides are the house it is a line of the tape only.
    """

    __slots__ = ("at", "book", "id", "index", "iv", "lots", "maker", "maker_fee", "mark", "price", "taker", "taker_fee")

    def __init__(self, number: int, taker: Order, maker: Order, price: int, lots: int, at: datetime) -> None:
        self.id, self.taker, self.maker, self.price, self.lots, self.at = number, taker, maker, price, lots, at
        self.taker_fee = self.maker_fee = 0
        book = self.book = taker.book
        self.mark, self.index, self.iv = book.mark_price, book.index_price, book.iv


class Book:
    """Levels, best prices, holders and present value of one option.

    unit is picodollars in tick x lot; mark, addon, short_im, short_mm are picodollars per lot; maker_rate, taker_rate and
    liquidation_rate millionths of picodollars per lot; low and high the price band in ticks.
    """

    def __init__(self, number: int, option: Option, house: Account, rules: Rules) -> None:
        self.option, self.symbol, self.underlying, self.expiry = option, option.symbol, option.underlying, option.expiry
        self.rules, self.tick, self.lot = rules, option.tick, option.lot
        self.unit = pico(option.tick * option.lot)
        self.cap = ppm(rules.premium_cap)
        self.unit_cap = self.unit * self.cap
        if Decimal(self.unit) != option.tick * option.lot * SCALE:
            raise ValueError(f"{option.symbol}: tick {option.tick} x lot {option.lot} is finer than a picodollar")
        self.max_limit = rules.max_limit_qty.get(option.underlying, rules.other_max_limit_qty)
        self.max_market = rules.max_market_qty.get(option.underlying, rules.other_max_market_qty)
        self.stops_at = option.expiry - rules.trading_stop
        self.clear()
        self.house, self.house_holding = house, Holding(number, house, self, option.expiry)
        self.holders: dict[int, Holding] = {}
        self.tape: deque[Trade] = deque(maxlen=TAPE_LENGTH)
        self.last_price: int | None = None
        self.view: OptionView | None = None
        self.view_at: datetime | None = None
        self.index_view: IndexView | None = None
        self.looked: datetime | None = None
        self.taped: datetime | None = None
        self.expired = False
        self.mark = self.addon = self.short_im = self.short_mm = self.maker_rate = self.taker_rate = self.higher_rate = (
            self.liquidation_rate
        ) = 0
        self.low = self.high = 0
        self.mark_price = self.index_price = ZERO
        self.iv = 0.0

    def revalue(self, view: OptionView, index: IndexView) -> None:
        """Take over mark, index and what follows from them; margins of holders are brought in line by the caller."""
        self.view, self.index_view = view, index
        mark, price, lot, rules = view.mark, index.price, self.lot, self.rules
        self.mark_price, self.index_price, self.iv = mark, price, view.mark_iv
        self.mark, per_lot = pico(mark * lot), pico(price * lot)
        self.maker_rate, self.taker_rate = per_lot * ppm(rules.maker_fee), per_lot * ppm(rules.taker_fee)
        self.higher_rate = max(self.maker_rate, self.taker_rate)
        self.liquidation_rate = per_lot * ppm(rules.liquidation_fee)
        self.addon = pico(short_addon(self.option, price) * lot)
        self.short_im = pico(short_initial(self.option, price, mark) * lot)
        self.short_mm = pico(short_maintenance(self.option, price, mark, rules.liquidation_fee) * lot)
        low, high = price_band(self.tick, price, mark, view.greeks.delta)
        self.low = int((low / self.tick).to_integral_value(ROUND_CEILING))
        self.high = int((high / self.tick).to_integral_value(ROUND_FLOOR))

    def frozen_fee(self, price: int) -> int:
        """Return the highest fee of one lot traded at price ticks, picodollars."""
        cap = price * self.unit_cap
        return -(-(cap if cap < self.higher_rate else self.higher_rate) // PPM)

    def rest(self, order: Order) -> None:
        """Put an order at the back of its level."""
        side = order.side
        key = -side * order.price
        levels = self.levels[side]
        if order.account is not self.house:
            self.resting += 1
        level = levels.get(key)
        if level is None:
            levels[key] = {order.priority: order}
            heap = self.heaps[side]
            heappush(heap, key)
            if len(heap) > STALE_KEYS + 2 * len(levels):
                heap[:] = sorted(levels)
        else:
            level[order.priority] = order

    def remove(self, order: Order, price: int | None = None) -> None:
        """Take an order out of its level, if it is there; price tells where it rests if it was repriced since."""
        levels = self.levels[order.side]
        key = -order.side * (order.price if price is None else price)
        level = levels.get(key)
        if level is None or level.pop(order.priority, None) is None:
            return
        if order.account is not self.house:
            self.resting -= 1
        if not level:
            del levels[key]

    def clear(self) -> None:
        """Empty both sides."""
        self.levels: dict[int, dict[int, dict[int, Order]]] = {1: {}, -1: {}}
        self.heaps: dict[int, list[int]] = {1: [], -1: []}
        self.resting = 0

    def best_key(self, side: int) -> int | None:
        """Return the key of the best level of a side; None if the side is empty."""
        heap, levels = self.heaps[side], self.levels[side]
        while heap:
            if heap[0] in levels:
                return heap[0]
            heappop(heap)
        return None

    def crosses(self, side: int, price: int) -> bool:
        """Tell whether an order of side at price ticks would trade at once."""
        best = self.best_key(-side)
        return best is not None and best <= side * price

    def thin(self, side: int, price: int) -> None:
        """Withdraw all but one lot of the market's quotes that an order of side at price ticks would meet."""
        spared = 1
        for quote in list(self.facing(side, price)):
            if quote.account is self.house:
                quote.left, spared = min(quote.left, spared), 0
                if quote.left == 0:
                    self.remove(quote)

    def facing(self, side: int, price: int) -> Iterator[Order]:
        """Yield what an order of side at price ticks would meet, best first."""
        levels = self.levels[-side]
        for key in sorted(key for key in levels if key <= side * price):
            yield from levels[key].values()

    def entries(self) -> Iterator[Order]:
        """Yield every resting order and quote."""
        for side in (1, -1):
            for level in self.levels[side].values():
                yield from level.values()

    def ladder(self, side: int, depth: int) -> tuple[Level, ...]:
        """Return price and size of the best levels of a side, users and market together."""
        levels = self.levels[side]
        return tuple(
            Level(-side * key * self.tick, sum(order.left for order in levels[key].values()) * self.lot) for key in sorted(levels)[:depth]
        )

    def depth(self, at: datetime, depth: int) -> OrderBook:
        """Return the merged book as a value."""
        return OrderBook(symbol=self.symbol, at=at, bids=self.ladder(1, depth), asks=self.ladder(-1, depth))


def house_order(number: int, book: Book, side: int, price: int, lots: int, now: datetime) -> Order:
    """Return a quote or an order of the rest of the market."""
    return Order(number, book.house_holding, _HOUSE_ASKS[side], price, lots, now)


_HOUSE_ASKS = {
    side: OrderRequest(symbol="", side=Side.BUY if side > 0 else Side.SELL, qty=ZERO, order_type=OrderType.LIMIT) for side in (1, -1)
}
