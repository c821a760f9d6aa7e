"""Who owns what: accounts with cash and holdings in exact integers.

Cash is picodollars (1e-12 USD), quantities are lots, prices ticks. Every change of cash has its counterpart in another account,
so the sum over all accounts never changes; the lots of a symbol sum to zero.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paper.book import Book, Order, Trade

SCALE = 10**12
_SCALE = Decimal(SCALE)

HOUSE, FEES, BANK = 1, 2, 3
HOUSE_ACCOUNTS = {HOUSE: "house", FEES: "fees", BANK: "bank"}


def pico(usd: Decimal) -> int:
    """Return USD as picodollars, rounded half to even."""
    return int((usd * _SCALE).to_integral_value())


def usd(amount: int) -> Decimal:
    """Return picodollars as USD, exact, without trailing zeros."""
    return plain(Decimal(amount) / _SCALE)


def plain(number: Decimal) -> Decimal:
    """Return number without trailing zeros and without an exponent."""
    short = number.normalize()
    return short if int(short.as_tuple().exponent) <= 0 else short.quantize(Decimal(1))


class Account:
    """One owner: cash, margin totals (picodollars), holdings by symbol, orders by id."""

    __slots__ = (
        "by_client",
        "cash",
        "frozen",
        "holdings",
        "initial",
        "maintenance",
        "name",
        "open",
        "orders",
        "trades",
        "user",
        "value",
        "working",
    )

    def __init__(self, user: int, name: str, cash: int = 0) -> None:
        self.user, self.name, self.cash = user, name, cash
        self.initial = self.maintenance = self.frozen = self.value = 0
        self.holdings: dict[str, Holding] = {}
        self.orders: dict[int, Order] = {}
        self.by_client: dict[int, Order] = {}
        self.open: dict[int, Order] = {}
        self.working: dict[str, int] = {}
        self.trades: list[Trade] = []

    @property
    def available(self) -> int:
        """Return what may back new positions: margin balance less initial margin and frozen fees. Source: Coincall API 14.7.

        Equity is cash plus option value and the margin balance is equity less option value, hence cash.
        """
        return self.cash - self.initial - self.frozen


class Holding:
    """One account's position in one option, and the sums of its working orders there.

    lots is signed; cost is the cash the open part has cost (negative: received), at average entry; realised excludes fees.
    buy_ticks and sell_ticks are price x lots summed over working orders.
    """

    __slots__ = (
        "account",
        "book",
        "buy_lots",
        "buy_ticks",
        "cost",
        "id",
        "initial",
        "lots",
        "maintenance",
        "order_id",
        "realised",
        "reduce_buy",
        "reduce_sell",
        "sell_lots",
        "sell_ticks",
        "updated",
        "value",
    )

    def __init__(self, number: int, account: Account, book: "Book", now: datetime) -> None:
        self.id, self.account, self.book, self.updated = number, account, book, now
        self.lots = self.cost = self.realised = self.order_id = 0
        self.buy_lots = self.buy_ticks = self.sell_lots = self.sell_ticks = self.reduce_buy = self.reduce_sell = 0
        self.initial = self.maintenance = self.value = 0

    def work(self, order: "Order", lots: int) -> None:
        """Count lots more (or, negative, fewer) of an order as working; its fee is frozen with them."""
        self.account.frozen += lots * order.fee_lot
        if order.side > 0:
            self.buy_lots += lots
            self.buy_ticks += lots * order.price
            if order.asked.reduce_only:
                self.reduce_buy += lots
        else:
            self.sell_lots += lots
            self.sell_ticks += lots * order.price
            if order.asked.reduce_only:
                self.reduce_sell += lots

    def turn(self, signed: int, per_lot: int) -> int:
        """Book signed lots at a price per lot; return the profit realised, average cost, fees not included."""
        lots = self.lots
        self.lots = lots + signed
        if lots == 0 or (lots > 0) == (signed > 0):
            self.cost += signed * per_lot
            return 0
        if abs(signed) >= abs(lots):
            realised = lots * per_lot - self.cost
            self.cost = self.lots * per_lot
        else:
            basis = self.cost * -signed // lots
            realised = -signed * per_lot - basis
            self.cost -= basis
        self.realised += realised
        return realised

    @property
    def closable(self) -> int:
        """Return how many lots a new reduce-only order may still close."""
        return abs(self.lots) - (self.reduce_buy if self.lots < 0 else self.reduce_sell)


def total_cash(accounts: Iterable[Account]) -> int:
    """Return the cash of all accounts together, picodollars."""
    return sum(account.cash for account in accounts)
