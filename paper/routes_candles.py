"""Candles and daily figures of an option, counted from the trades that happened on this exchange and from nothing else."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from clock import EPOCH
from domain import ZERO, utc_day_start
from paper.rows import TapeRow

DAY = timedelta(days=1)
MONDAY = EPOCH + timedelta(days=4)  # weeks begin on Mondays
SPANS = {
    "M1": timedelta(minutes=1),
    "M5": timedelta(minutes=5),
    "M15": timedelta(minutes=15),
    "M30": timedelta(minutes=30),
    "H1": timedelta(hours=1),
    "H4": timedelta(hours=4),
    "D1": DAY,
    "W1": timedelta(weeks=1),
}
MONTHS = {"MN1": 1, "QUARTER": 3}


@dataclass(slots=True)
class Candle:
    """The trades of one period: prices in USD, volume in coins."""

    start: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


@dataclass(frozen=True, slots=True)
class Daily:
    """The last 24 hours of an option; prices are None where nothing traded."""

    volume: Decimal = ZERO
    turnover: Decimal = ZERO
    high: Decimal | None = None
    low: Decimal | None = None
    open: Decimal | None = None


def start_of(period: str, moment: datetime) -> datetime:
    """Return when the candle that holds moment began; raise KeyError for an unknown period."""
    if period in MONTHS:
        months = MONTHS[period]
        return utc_day_start(moment).replace(month=(moment.month - 1) // months * months + 1, day=1)
    origin = MONDAY if period == "W1" else EPOCH
    return origin + (moment - origin) // SPANS[period] * SPANS[period]


def candles(tape: Iterable[TapeRow], period: str) -> list[Candle]:
    """Return the candles of trades given oldest first, oldest first; a period without a trade has none."""
    found: list[Candle] = []
    for trade in tape:
        start = start_of(period, trade.at)
        if not found or found[-1].start != start:
            found.append(Candle(start, trade.price, trade.price, trade.price, trade.price, ZERO))
        candle = found[-1]
        candle.high, candle.low = max(candle.high, trade.price), min(candle.low, trade.price)
        candle.close, candle.volume = trade.price, candle.volume + trade.qty
    return found


def daily(tape: Sequence[TapeRow], now: datetime) -> Daily:
    """Sum up the last 24 hours of a tape given newest first; `open` is the first price since 00:00 UTC."""
    recent = [trade for trade in tape if trade.at > now - DAY]
    if not recent:
        return Daily()
    today = [trade.price for trade in recent if trade.at >= utc_day_start(now)]
    prices = [trade.price for trade in recent]
    return Daily(
        volume=sum((trade.qty for trade in recent), ZERO),
        turnover=sum((trade.qty * trade.price for trade in recent), ZERO),
        high=max(prices),
        low=min(prices),
        open=today[-1] if today else None,
    )
