"""What is listed and what the market says of it. Prices are USD per coin, quantities coins; a missing number is None."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from types import MappingProxyType

from domain.enums import OptionType, Side
from domain.numbers import ZERO


@dataclass(frozen=True, slots=True)
class Greeks:
    """Sensitivities: per one coin of contract in quotes, of the whole holding in positions and sums (theta per day, vega per vol point)."""

    delta: float = 0.0
    gamma: float = 0.0
    vega: float = 0.0
    theta: float = 0.0
    rho: float = 0.0

    def __add__(self, other: "Greeks") -> "Greeks":
        return Greeks(
            self.delta + other.delta,
            self.gamma + other.gamma,
            self.vega + other.vega,
            self.theta + other.theta,
            self.rho + other.rho,
        )

    def times(self, factor: float) -> "Greeks":
        """Return the sensitivities of factor such holdings (negative for a short one)."""
        return Greeks(self.delta * factor, self.gamma * factor, self.vega * factor, self.theta * factor, self.rho * factor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """Something listed: its price step (USD) and its quantity step, which is also the smallest order (coins)."""

    symbol: str
    underlying: str
    tick: Decimal
    lot: Decimal
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Option(Instrument):
    """A listed European option, settled in cash at expiry."""

    option_type: OptionType
    strike: Decimal
    expiry: datetime

    def payoff(self, settlement: Decimal) -> Decimal:
        """Return what one coin of it pays its holder at a settlement price, USD, never below zero."""
        gain = settlement - self.strike if self.option_type is OptionType.CALL else self.strike - settlement
        return max(gain, ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """One option as the market shows it at a moment: best prices (None: no such side), mark, volatility, Greeks of one coin."""

    option: Option
    at: datetime
    bid: Decimal | None = None
    ask: Decimal | None = None
    bid_size: Decimal | None = None
    ask_size: Decimal | None = None
    mark: Decimal | None = None
    mark_iv: float | None = None
    greeks: Greeks | None = None
    underlying_price: Decimal | None = None

    @property
    def mid(self) -> Decimal | None:
        """Return the middle of bid and ask; None unless both are there."""
        return None if self.bid is None or self.ask is None else (self.bid + self.ask) / 2

    def executable(self, side: Side) -> Decimal | None:
        """Return the price at which an order of that side would trade now; None without one."""
        return self.ask if side is Side.BUY else self.bid


@dataclass(frozen=True)
class Chain:
    """All listed options of an underlying at a moment, with the index price they are measured against and the moment of that price."""

    underlying: str
    at: datetime
    index: Decimal | None
    quotes: tuple[Quote, ...]
    index_at: datetime | None = None

    @cached_property
    def by_expiry(self) -> Mapping[datetime, tuple[Quote, ...]]:
        """Group the quotes by expiry, soonest first."""
        groups: dict[datetime, list[Quote]] = {}
        for quote in self.quotes:
            groups.setdefault(quote.option.expiry, []).append(quote)
        return MappingProxyType({expiry: tuple(groups[expiry]) for expiry in sorted(groups)})

    @cached_property
    def by_symbol(self) -> Mapping[str, Quote]:
        """Index the quotes by symbol."""
        return MappingProxyType({quote.option.symbol: quote for quote in self.quotes})


@dataclass(frozen=True, slots=True)
class Level:
    """One price of an order book and the quantity there."""

    price: Decimal
    size: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderBook:
    """The resting orders of an instrument at a moment, best first on each side."""

    symbol: str
    at: datetime
    bids: tuple[Level, ...] = ()
    asks: tuple[Level, ...] = ()

    def average_price(self, side: Side, qty: Decimal, *, beyond: bool = False) -> Decimal | None:
        """Return what an order of side and qty would pay on average through the depth; None if the book is too thin.

        `beyond` takes what the book does not show at its last price: the kindest that a deeper book could be. None on an empty side.
        """
        left, cost, last = qty, ZERO, None
        for level in self.asks if side is Side.BUY else self.bids:
            taken, last = min(left, level.size), level.price
            left, cost = left - taken, cost + taken * level.price
            if left == 0:
                return cost / qty
        return (cost + left * last) / qty if beyond and last is not None else None
