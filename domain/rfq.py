"""Block trades by request for quote, in our own words: what we ask for, what makers answer, what was traded.

Sides are always told from one party's view, and the name says whose: a quote's legs carry the maker's action (SELL: we buy).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from domain.enums import Side
from domain.market import Option
from domain.numbers import ZERO
from domain.orders import Fill


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionLeg:
    """One leg of a block: the listed option, our direction, the coins."""

    instrument: Option
    side: Side
    qty: Decimal

    @property
    def notional(self) -> Decimal:
        """Return strike x coins, USD: what the venue's minimum for a block is measured in."""
        return self.instrument.strike * self.qty


def strike_notional(legs: tuple[OptionLeg, ...]) -> Decimal:
    """Return the sum of strike x coins over the legs, USD. Source: Coincall API 14.9."""
    return sum((leg.notional for leg in legs), ZERO)


class RFQStatus(StrEnum):
    """Where a request for quotes stands."""

    ACTIVE = "active"
    CANCELLED = "cancelled"
    FILLED = "filled"
    EXPIRED = "expired"
    TRADED_AWAY = "traded_away"

    @property
    def final(self) -> bool:
        """Tell whether nothing more can be traded on it."""
        return self is not RFQStatus.ACTIVE


class QuoteStatus(StrEnum):
    """Where a maker's quote stands."""

    OPEN = "open"
    CANCELLED = "cancelled"
    FILLED = "filled"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedLeg:
    """One leg of a quote: `side` is the maker's action, price USD per coin, quantity coins."""

    symbol: str
    side: Side
    price: Decimal
    qty: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class RFQQuote:
    """A maker's binding offer for every leg of our request; `stated` is that request as the venue has it."""

    quote_id: str
    request_id: str | None
    status: QuoteStatus
    legs: tuple[QuotedLeg, ...]
    created_at: datetime
    expires_at: datetime
    stated: tuple[OptionLeg, ...] = ()

    @property
    def is_we_buy(self) -> bool:
        """Tell whether taking it trades the structure as stated: the maker acts against every stated leg."""
        return self._against(lambda stated: stated.opposite)

    @property
    def is_we_sell(self) -> bool:
        """Tell whether taking it trades the structure the other way round: the maker acts as every leg is stated."""
        return self._against(lambda stated: stated)

    @property
    def total_cost(self) -> Decimal:
        """Return what we would pay, USD, negative for what we would receive; fees not counted."""
        return sum((leg.side.opposite.sign * leg.price * leg.qty for leg in self.legs), ZERO)

    def trades(self, wanted: tuple[OptionLeg, ...]) -> bool:
        """Tell whether taking it trades exactly what is wanted: each leg's option, our side and coins, and nothing else."""
        ours = sorted((leg.symbol, leg.side.opposite, leg.qty) for leg in self.legs)
        return ours == sorted((leg.instrument.symbol, leg.side, leg.qty) for leg in wanted)

    def _against(self, maker: Callable[[Side], Side]) -> bool:
        theirs = {leg.symbol: leg.side for leg in self.legs}
        named = {leg.instrument.symbol: maker(leg.side) for leg in self.stated}
        return bool(named) and theirs == named


@dataclass(frozen=True, slots=True, kw_only=True)
class RFQRequest:
    """A request for quotes as the venue took it."""

    request_id: str
    status: RFQStatus
    legs: tuple[OptionLeg, ...]
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockTrade:
    """A block that was traded: one fill per leg, from our side, each with the venue's own order and trade id.

    `fills` is None where the venue surely traded it but its answer could not be read: ask for the details.
    """

    block_id: str
    request_id: str | None
    quote_id: str | None
    fills: tuple[Fill, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RFQStanding:
    """What the venue knows of a request: its status (None: it would not say), and the block traded on it if there is one."""

    status: RFQStatus | None
    block: BlockTrade | None = None
