"""What a market feed tells the paper exchange: the seam between the engine and its simulated or recorded worlds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from domain import Greeks, Level, Option, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionView:
    """One option as the rest of the market quotes it: ladders best first (user orders not included), mark, volatility, Greeks of one coin.

    `at` is when the market last said so: the present for a synthetic market, the recording's time for a replayed one.
    `mark_iv` is a fraction (0.58 is 58 %).
    """

    option: Option
    at: datetime
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    mark: Decimal
    mark_iv: float
    greeks: Greeks
    underlying_price: Decimal
    open_interest: Decimal


@dataclass(frozen=True, slots=True)
class IndexView:
    """The index price of an underlying, USD, and when it was said."""

    price: Decimal
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A marketable order of some other participant: it takes what rests within `limit`, user orders included, and never rests."""

    at: datetime
    symbol: str
    side: Side
    qty: Decimal
    limit: Decimal


class Feed(Protocol):
    """A market as a function of time; asking twice for the same moment gives the same answer.

    Moments never go back by more than the engine's own bookkeeping needs; a feed may cache by its own grid of time.
    """

    def options(self, now: datetime, /) -> Sequence[Option]:
        """Return every option listed at now (not yet expired), of all underlyings."""
        ...

    def index(self, underlying: str, now: datetime, /) -> IndexView:
        """Return the index price at now; raise KeyError for an underlying the feed does not have."""
        ...

    def view(self, symbol: str, now: datetime, /) -> OptionView | None:
        """Return how the market quotes an option at now; None if it is not listed or was never quoted."""
        ...

    def flow(self, symbols: Sequence[str], since: datetime, now: datetime, /) -> Sequence[Flow]:
        """Return the orders of others in the named options after since and up to now, oldest first."""
        ...

    def settlement(self, underlying: str, expiry: datetime, /) -> Decimal | None:
        """Return the price at which an expiry settles (mean index over its last 30 minutes); None if it is not known yet."""
        ...
