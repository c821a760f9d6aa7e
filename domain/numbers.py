"""Exact numbers: reading them, and the only functions that round them, always by the instrument's own grid."""

from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation

from domain.enums import Side

Number = int | float | str | Decimal
ZERO = Decimal(0)


def decimal_of(value: Number) -> Decimal:
    """Return value exactly as it is written (0.1 stays 0.1); raise ValueError unless it is a finite number."""
    try:
        number = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{value!r} is not a number") from None
    if isinstance(value, bool) or not number.is_finite():
        raise ValueError(f"{value!r} is not a finite number")
    return number


def passive_price(price: Decimal, tick: Decimal, side: Side) -> Decimal:
    """Round price to the tick away from the market (buys down, sells up); never below one tick."""
    return _on_grid(price, tick, ROUND_FLOOR if side is Side.BUY else ROUND_CEILING)


def aggressive_price(price: Decimal, tick: Decimal, side: Side) -> Decimal:
    """Round price to the tick towards the market (buys up, sells down); never below one tick."""
    return _on_grid(price, tick, ROUND_CEILING if side is Side.BUY else ROUND_FLOOR)


def whole_lots(qty: Decimal, lot: Decimal) -> Decimal:
    """Round qty down to whole lots; zero where it is less than one."""
    return (qty / lot).to_integral_value(ROUND_FLOOR) * lot


def _on_grid(price: Decimal, tick: Decimal, rounding: str) -> Decimal:
    return max(tick, (price / tick).to_integral_value(rounding) * tick)


def utc_day_start(moment: datetime) -> datetime:
    """Return 00:00 UTC of the moment's day."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
