"""One execution, measured: the books at its decision beside its fills. Every derived number is a property, its formula in view.

An amount over legs is None as soon as one leg that it needs has no price; only the coins that were filled are compared.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from domain import ZERO, ExecutionMode, Purpose, Remedy
from events import LegBook

HUNDRED = Decimal(100)
BASIS_POINTS = Decimal(10_000)
PURPOSES = {Purpose.OPEN: "open", Purpose.CLOSE: "close", Purpose.UNWIND: "unwind"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LegQuality:
    """One leg of an execution: its book at the decision, and its fills. Coins; `value` is the sum of price x coins, USD.

    `first_mid` is the leg's mid when the trade's first execution for the same purpose was decided on. A fill that the execution did
    not set out to make has a book without prices that wants nothing.
    """

    book: LegBook
    filled: Decimal = ZERO
    value: Decimal = ZERO
    fees: Decimal = ZERO
    orders: int = 0
    first_mid: Decimal | None = None

    @property
    def average_price(self) -> Decimal | None:
        """Return the average price of the fills, USD per coin; None without one."""
        return None if self.filled == 0 else self.value / self.filled

    @property
    def paid(self) -> Decimal:
        """Return what the fills cost, USD, negative for what they brought."""
        return self.book.side.sign * self.value

    def worth(self, price: Decimal | None, coins: Decimal) -> Decimal | None:
        """Return what that many coins cost at a price, USD, negative for what they would bring; None without a price."""
        return None if price is None else self.book.side.sign * coins * price


@dataclass(frozen=True, slots=True, kw_only=True)
class After:
    """Where the market stood some seconds after the execution ended, against the filled coins, USD, positive is against us.

    `adverse` is the move since the decision (mid then to mid now); `shortfall` what was paid beyond the mid now. The second is the
    first plus the shortfall at arrival.
    """

    seconds: float
    adverse: Decimal | None
    shortfall: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionQuality:
    """One execution of one trade: how it was decided, what it did, and what that cost against the market at its decision."""

    strategy: str
    trade: int
    run: int
    purpose: Purpose
    mode: ExecutionMode
    structure: str
    simulated: bool
    urgent: bool
    remedy: Remedy | None
    reason: str
    decided_at: datetime
    ended_at: datetime | None
    success: bool | None
    outcome: str
    legs: tuple[LegQuality, ...]
    first_fill_at: datetime | None
    last_fill_at: datetime | None
    blocks: int
    quotes: int
    best_quote: Decimal | None
    remedies: tuple[Remedy, ...]
    after: tuple[After, ...]

    @property
    def id(self) -> str:
        """Return the trade's name for people."""
        return f"{self.strategy}#{self.trade}"

    # ---- the market at the decision

    @property
    def arrival_mid(self) -> Decimal | None:
        """Return what all wanted coins were worth at their mids, USD."""
        return total(leg.worth(leg.book.mid, leg.book.wanted) for leg in self.legs if leg.book.wanted != 0)

    @property
    def executable(self) -> Decimal | None:
        """Return what taking all wanted coins from the books would have cost, USD."""
        return total(leg.worth(leg.book.executable, leg.book.wanted) for leg in self.legs if leg.book.wanted != 0)

    @property
    def arrival_filled(self) -> Decimal | None:
        """Return what the filled coins were worth at their mids, USD; None where nothing filled."""
        return self._over_filled(lambda leg: leg.book.mid)

    @property
    def executable_filled(self) -> Decimal | None:
        """Return what taking the filled coins would have cost at the average price for all wanted coins, USD; None where nothing filled."""
        return self._over_filled(lambda leg: leg.book.executable)

    @property
    def arrival_premium(self) -> Decimal | None:
        """Return the filled coins at their mids, bought and sold both counted up, USD; None where nothing filled."""
        return total(abs(leg.filled * leg.book.mid) if leg.book.mid is not None else None for leg in self._traded)

    @property
    def notional(self) -> Decimal | None:
        """Return index x filled coins summed over the legs, USD; None where nothing filled."""
        return total(leg.filled * leg.book.index if leg.book.index is not None else None for leg in self._traded)

    # ---- what was done

    @property
    def wanted(self) -> Decimal:
        """Return the coins wanted of all legs."""
        return sum((leg.book.wanted for leg in self.legs), ZERO)

    @property
    def filled(self) -> Decimal:
        """Return the coins filled of all legs."""
        return sum((leg.filled for leg in self.legs), ZERO)

    @property
    def filled_share(self) -> Decimal | None:
        """Return the share of the wanted coins that filled, 0 to 1; None where none were wanted."""
        done = sum((min(leg.filled, leg.book.wanted) for leg in self.legs), ZERO)
        return None if self.wanted == 0 else done / self.wanted

    @property
    def paid(self) -> Decimal:
        """Return what the fills cost, USD, negative for what they brought; fees not counted."""
        return sum((leg.paid for leg in self.legs), ZERO)

    @property
    def fees(self) -> Decimal:
        """Return the fees of the fills, USD."""
        return sum((leg.fees for leg in self.legs), ZERO)

    @property
    def orders(self) -> int:
        """Return how many orders were sent to the order book."""
        return sum(leg.orders for leg in self.legs)

    @property
    def requotes(self) -> int:
        """Return how many of them were not the first of their leg."""
        return sum(max(leg.orders - 1, 0) for leg in self.legs)

    @property
    def to_first_fill(self) -> timedelta | None:
        """Return the time from the decision to the first fill, by the venue's time of it; None without one."""
        return None if self.first_fill_at is None else self.first_fill_at - self.decided_at

    @property
    def to_last_fill(self) -> timedelta | None:
        """Return the time from the decision to the last fill, by the venue's time of it; None without one."""
        return None if self.last_fill_at is None else self.last_fill_at - self.decided_at

    # ---- what it cost

    @property
    def shortfall(self) -> Decimal | None:
        """Return what was paid beyond the mids at the decision, USD, before fees; None where nothing filled or a mid is missing."""
        return None if self.arrival_filled is None else self.paid - self.arrival_filled

    @property
    def shortfall_with_fees(self) -> Decimal | None:
        """Return the shortfall with the fees on top, USD."""
        return None if self.shortfall is None else self.shortfall + self.fees

    @property
    def shortfall_pct(self) -> Decimal | None:
        """Return the shortfall in per cent of the arrival premium."""
        return ratio(self.shortfall, self.arrival_premium, HUNDRED)

    @property
    def shortfall_bps(self) -> Decimal | None:
        """Return the shortfall in basis points of the notional."""
        return ratio(self.shortfall, self.notional, BASIS_POINTS)

    @property
    def half_spread(self) -> Decimal | None:
        """Return what taking the filled coins would have cost beyond their mids, USD."""
        took, mid = self.executable_filled, self.arrival_filled
        return None if took is None or mid is None else took - mid

    @property
    def saving(self) -> Decimal | None:
        """Return what was saved against taking the filled coins at the decision, USD."""
        return None if self.executable_filled is None else self.executable_filled - self.paid

    @property
    def spread_captured(self) -> Decimal | None:
        """Return the share of the half spread that was saved: 1 at mid, 0 at what taking cost, negative beyond; None without a spread."""
        known = self.half_spread is not None and self.half_spread > 0
        return ratio(self.saving, self.half_spread) if known else None

    @property
    def delay(self) -> Decimal | None:
        """Return what the mids moved against the filled coins since the first execution for the purpose was decided on, USD.

        Zero for that first one. Shortfall plus delay is the cost against the moment at which the trade decided to trade.
        """
        mid, first = self.arrival_filled, self._over_filled(lambda leg: leg.first_mid)
        return None if mid is None or first is None else mid - first

    @property
    def missing(self) -> tuple[str, ...]:
        """Return why numbers are None, one reason each; nothing where all are there."""
        if self.filled == 0:
            return ("nothing filled",)
        lacks = {"mid": "no mid", "executable": "not executable on the book", "index": "no index"}
        return tuple(
            f"{leg.book.symbol}: {what} at the decision" if leg.book.wanted != 0 else f"{leg.book.symbol}: filled, and not wanted here"
            for leg in self._traded
            for name, what in lacks.items()
            if getattr(leg.book, name) is None and (leg.book.wanted != 0 or name == "mid")
        )

    @property
    def _traded(self) -> tuple[LegQuality, ...]:
        return tuple(leg for leg in self.legs if leg.filled != 0)

    def _over_filled(self, price: Callable[[LegQuality], Decimal | None]) -> Decimal | None:
        return total(leg.worth(price(leg), leg.filled) for leg in self._traded)


def total(terms: Iterable[Decimal | None]) -> Decimal | None:
    """Return the sum; None where one term is missing, or all are."""
    kept = tuple(terms)
    known = [term for term in kept if term is not None]
    return sum(known, ZERO) if known and len(known) == len(kept) else None


def ratio(part: Decimal | None, whole: Decimal | None, scale: Decimal = Decimal(1)) -> Decimal | None:
    """Return part / whole x scale; None where one is missing or the whole is zero."""
    return None if part is None or whole is None or whole == 0 else part / whole * scale


def sentence(quality: ExecutionQuality) -> str:
    """Say in one line for the log what an execution was and cost."""
    q = quality
    ended = "still runs" if q.success is None else "done" if q.success else f"short because {q.outcome}"
    kind = f"{PURPOSES[q.purpose]} {q.structure} by {q.mode}{' DRY RUN' if q.simulated else ''}"
    told = (
        f"execution measured trade={q.id} run={q.run} {kind}: {ended}",
        f"filled={number(q.filled_share, 0, HUNDRED)} % in {seconds(q.to_last_fill)}",
        f"arrival mid={number(q.arrival_mid)} executable={number(q.executable)} paid={number(q.paid)} fees={number(q.fees)} USD",
        f"shortfall={number(q.shortfall)} USD ({number(q.shortfall_pct)} % of premium, {number(q.shortfall_bps)} bps of notional)",
        f"spread captured={number(q.spread_captured, 0, HUNDRED)} %",
        f"orders={q.orders} requotes={q.requotes} quotes={q.quotes}",
    )
    lacks = f"; not known: {', '.join(q.missing)}" if q.missing and q.filled != 0 else ""
    return ", ".join(told) + (f", remedies={'+'.join(q.remedies)}" if q.remedies else "") + lacks


def number(value: Decimal | None, digits: int = 2, scale: Decimal = Decimal(1)) -> str:
    """Write a number for people, "-" where it is not known."""
    return "-" if value is None else f"{value * scale:,.{digits}f}"


def seconds(span: timedelta | None) -> str:
    """Write a duration in seconds for people, "-" where it is not known."""
    return "-" if span is None else f"{span.total_seconds():.1f} s"
