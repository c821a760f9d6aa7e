"""What the account was worth over time: the journal's marks by day, and how far it fell from its heights.

One rule: only what was marked is shown. A day without a mark is a gap, and money paid in or out is not told apart from profit.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec

from domain import ZERO
from events import AccountMarked, AnyEvent

HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One UTC day of marks, USD. `change` is from the last mark before this day; of the first day it is from its own first."""

    day: date
    marks: int
    first: Decimal
    high: Decimal
    low: Decimal
    last: Decimal
    change: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawdown:
    """The deepest fall from a height to a later low, USD and per cent of the height (None if that was not above zero)."""

    amount: Decimal
    pct: Decimal | None
    peak: Decimal
    peak_at: datetime
    low: Decimal
    low_at: datetime


@dataclass(frozen=True, slots=True)
class EquityHistory:
    """All marks, oldest first, and what follows from them."""

    curve: tuple[AccountMarked, ...]
    days: tuple[Day, ...]
    drawdown: Drawdown | None

    @property
    def change(self) -> Decimal | None:
        """Return last less first mark, USD: the sum of the days' changes; None without a mark."""
        return None if not self.curve else self.curve[-1].equity - self.curve[0].equity


def history_of(events: Iterable[AnyEvent]) -> EquityHistory:
    """Read the journal's marks into a history; other events are passed over."""
    curve = tuple(sorted((event for event in events if isinstance(event, AccountMarked)), key=lambda mark: mark.at))
    return EquityHistory(curve, tuple(_days(curve)), _deepest(curve))


def _days(curve: Sequence[AccountMarked]) -> Iterator[Day]:
    groups: dict[date, list[Decimal]] = {}
    for mark in curve:
        groups.setdefault(mark.at.astimezone(UTC).date(), []).append(mark.equity)
    before: Decimal | None = None
    for day, marks in groups.items():
        change = marks[-1] - (marks[0] if before is None else before)
        yield Day(day=day, marks=len(marks), first=marks[0], high=max(marks), low=min(marks), last=marks[-1], change=change)
        before = marks[-1]


def _deepest(curve: Sequence[AccountMarked]) -> Drawdown | None:
    """Return the deepest fall by amount, the earliest of equals; None while the account never fell below a height."""
    found: Drawdown | None = None
    peak = curve[0] if curve else None
    for mark in curve:
        if peak is None or mark.equity >= peak.equity:
            peak = mark
            continue
        amount = peak.equity - mark.equity
        if found is None or amount > found.amount:
            pct = amount / peak.equity * HUNDRED if peak.equity > 0 else None
            found = Drawdown(amount=amount, pct=pct, peak=peak.equity, peak_at=peak.at, low=mark.equity, low_at=mark.at)
    return found


# ---- for a person


def lines_of(history: EquityHistory, where: str) -> Iterator[str]:
    """Write the history as lines for a terminal: one for each day, then the whole."""
    yield f"equity history, {where}"
    if history.change is None:
        yield "  the account has not been marked yet"
        return
    names = ("day (UTC)", "first", "high", "low", "last", "change", "marks")
    rows = [names, *(_cells(day) for day in history.days)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(names))]
    for name, *rest in rows:
        yield f"  {name:<{widths[0]}}  " + "  ".join(f"{text:>{width}}" for text, width in zip(rest, widths[1:], strict=True))
    first, last = history.curve[0], history.curve[-1]
    yield f"  change    {_signed(history.change)} USD from {_time(first.at)} to {_time(last.at)}, money paid in or out included"
    yield f"  drawdown  {_fall(history.drawdown)}"


def _cells(day: Day) -> tuple[str, ...]:
    amounts = (_exact(amount) for amount in (day.first, day.high, day.low, day.last))
    return (f"{day.day}", *amounts, _signed(day.change), str(day.marks))


def _fall(fall: Drawdown | None) -> str:
    if fall is None:
        return "none: the account never stood below an earlier mark's height"
    share = "" if fall.pct is None else f" ({fall.pct:.2f} %)"
    heights = f"from {_exact(fall.peak)} at {_time(fall.peak_at)} to {_exact(fall.low)} at {_time(fall.low_at)}"
    return f"{_exact(fall.amount)} USD{share}, {heights}"


def _exact(amount: Decimal) -> str:
    """Write an amount with every digit that it has, two at least."""
    text = f"{amount.normalize():,f}"
    return text + ".00" if "." not in text else text + "0" * max(2 - len(text.partition(".")[2]), 0)


def _signed(amount: Decimal) -> str:
    return ("+" if amount > ZERO else "") + _exact(amount)


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


# ---- for a program


def json_of(history: EquityHistory, where: str) -> str:
    """Write the history as JSON with the whole curve: amounts exact, as text; what is not known is null."""
    found = {
        "state": where,
        "change": history.change,
        "drawdown": history.drawdown,
        "days": history.days,
        "curve": [{name: getattr(mark, name) for name in ("at", "equity", "available_margin", "unrealized")} for mark in history.curve],
    }
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
