"""What we own and owe, what conditions may see of it, and how they answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from domain.enums import Basis, Side
from domain.market import Greeks, Option, Quote


@dataclass(frozen=True, slots=True)
class Verdict:
    """A yes or no with its reason; true when ok. An exit's yes is `urgent` where leaving at once is worth the spread."""

    ok: bool
    reason: str = ""
    urgent: bool = False

    def __bool__(self) -> bool:
        return self.ok


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionSnapshot:
    """A holding as the venue reports it; quantity is positive, the side tells the direction; Greeks are of the whole holding, signed."""

    symbol: str
    side: Side
    qty: Decimal
    avg_price: Decimal
    mark: Decimal | None = None
    upnl: Decimal | None = None
    roi: Decimal | None = None
    greeks: Greeks = field(default_factory=Greeks)

    @property
    def signed_qty(self) -> Decimal:
        """Return the quantity, negative for a short holding."""
        return self.qty * self.side.sign


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetBalance:
    """One asset of the wallet, in units of that asset, and its worth in USD; None where the venue does not say."""

    coin: str
    equity: Decimal | None
    available: Decimal | None
    cash: Decimal | None = None
    unrealized: Decimal | None = None
    value_usd: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSnapshot:
    """What we own and owe as last agreed with the venue, and the market it is valued at.

    `valid` is False until the venue has answered, and again once the answer is too old: then every number in it is
    unknown, not zero. `at` is the moment of the answer, `now` the moment of decision. Money is USD. `wallet` is empty where the venue
    lists no assets. `quotes` holds the options of active trades; `proposal` the quotes of the legs an entry would trade, once they are
    resolved.
    """

    valid: bool
    now: datetime
    at: datetime | None = None
    reason: str = ""
    equity: Decimal | None = None
    available_margin: Decimal | None = None
    initial_margin: Decimal | None = None
    maintenance_margin: Decimal | None = None
    margin_balance: Decimal | None = None
    unrealized: Decimal | None = None
    wallet: tuple[AssetBalance, ...] = ()
    positions: tuple[PositionSnapshot, ...] = ()
    quotes: Mapping[str, Quote] = field(default_factory=dict)
    proposal: tuple[Quote, ...] | None = None

    @property
    def age(self) -> timedelta | None:
        """Return how old the venue's answer is; None if there never was one."""
        return None if self.at is None else self.now - self.at

    @property
    def greeks(self) -> Greeks:
        """Return the Greeks of all holdings together."""
        return sum((position.greeks for position in self.positions), Greeks())

    def position(self, symbol: str) -> PositionSnapshot | None:
        """Return the holding in symbol; None if there is none."""
        return next((p for p in self.positions if p.symbol == symbol), None)


def unknown_account(now: datetime, reason: str) -> AccountSnapshot:
    """Return a snapshot that knows nothing, and why."""
    return AccountSnapshot(valid=False, now=now, reason=reason)


class LegView(Protocol):
    """What conditions may see of a leg."""

    @property
    def option(self) -> Option: ...
    @property
    def side(self) -> Side: ...
    @property
    def held(self) -> Decimal:
        """Signed holding of this trade in the leg, coins."""
        ...


class TradeView(Protocol):
    """What conditions may see of a trade; `TradeLifecycle` is one."""

    @property
    def opened_at(self) -> datetime | None: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def legs(self) -> Sequence[LegView]: ...
    @property
    def entry_cost(self) -> Decimal:
        """Net premium paid to open, USD; negative when premium was received; fees not included."""
        ...

    @property
    def peak_profit(self) -> Decimal | None:
        """Highest profit (mark basis, USD) seen since opening; None before the first valuation."""
        ...

    def profit(self, account: AccountSnapshot, basis: Basis) -> Decimal | None:
        """Profit net of fees paid, USD, holdings valued by basis; None if a price is missing or stale."""
        ...

    def greeks(self, account: AccountSnapshot) -> Greeks | None:
        """Greeks of the structure; None if one leg's are unknown."""
        ...

    def leg_greeks(self, index: int, account: AccountSnapshot) -> Greeks | None:
        """Greeks of one leg's holding, signed; None if unknown."""
        ...


EntryCondition = Callable[[AccountSnapshot], Verdict | bool]
ExitCondition = Callable[[AccountSnapshot, TradeView], Verdict | bool]


def at_now(account: AccountSnapshot, now: datetime) -> AccountSnapshot:
    """Return the same snapshot judged at another moment."""
    return replace(account, now=now)
