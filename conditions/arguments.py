"""The checks of what users hand to a factory: each says which factory, which argument, what was given and what is allowed."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from domain import Basis, Number, decimal_of
from errors import ConfigError


def refused(factory: str, argument: str, value: object, allowed: str) -> ConfigError:
    """Return the error, to be raised."""
    return ConfigError(f"{factory}: {argument} must be {allowed}, not {value!r}")


def number(factory: str, argument: str, value: object) -> Decimal:
    """Return any finite number exactly as written."""
    if isinstance(value, int | float | str | Decimal):
        try:
            return decimal_of(value)
        except ValueError:
            pass
    raise refused(factory, argument, value, "a finite number")


def not_negative(factory: str, argument: str, value: object) -> Decimal:
    """Return a number of zero or more."""
    exact = number(factory, argument, value)
    if exact < 0:
        raise refused(factory, argument, value, "zero or more")
    return exact


def positive(factory: str, argument: str, value: object) -> Decimal:
    """Return a number above zero."""
    exact = number(factory, argument, value)
    if exact <= 0:
        raise refused(factory, argument, value, "above zero")
    return exact


def percent(factory: str, argument: str, value: object) -> Decimal:
    """Return a percentage where 30 means 30 %; a fraction such as 0.3 is taken for the mistake it is."""
    exact = number(factory, argument, value)
    if 0 < exact < 1:
        raise ConfigError(f"{factory}: {argument}={value!r} is below 1 %; write {exact * 100:f} for {exact * 100:f} %")
    if not 0 <= exact <= 100:
        raise refused(factory, argument, value, "from 1 to 100 per cent, or 0")
    return exact


def fraction(factory: str, argument: str, value: object) -> Decimal:
    """Return a share where 0.5 is half; above 5, five times the whole, it is taken for a percentage written by mistake."""
    exact = positive(factory, argument, value)
    if exact > 5:
        raise ConfigError(
            f"{factory}: {argument}={value!r} is {exact * 100:f} %; 0.5 is half and 5, the most, is 500 %, "
            f"so write {exact / 100:f} for {exact:f} %"
        )
    return exact


def whole(factory: str, argument: str, value: object, low: int, high: int) -> int:
    """Return a whole number from low to high."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise refused(factory, argument, value, f"a whole number from {low} to {high}")
    return value


def span(factory: str, argument: str, value: timedelta | Number) -> timedelta:
    """Return a duration of zero or more; a bare number is seconds."""
    if isinstance(value, timedelta):
        if value < timedelta(0):
            raise refused(factory, argument, value, "zero or more")
        return value
    return timedelta(seconds=float(not_negative(factory, argument, value)))


def texts(factory: str, argument: str, value: object) -> tuple[str, ...]:
    """Return a list of at least one text; a bare text is not a list of its letters."""
    if isinstance(value, str) or not isinstance(value, Sequence | set | frozenset) or not value:
        raise refused(factory, argument, value, "a list with at least one text")
    items = tuple(value)
    if not all(isinstance(item, str) and item for item in items):
        raise refused(factory, argument, value, "a list of texts")
    return items


def aware(factory: str, argument: str, value: object) -> datetime:
    """Return a moment that knows its time zone."""
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise refused(factory, argument, value, "a datetime with a time zone, such as datetime(2026, 3, 28, 7, 0, tzinfo=UTC)")
    return value


def basis_of(factory: str, value: object) -> Basis:
    """Return what to value a structure at."""
    try:
        return Basis(str(value))
    except ValueError:
        raise refused(factory, "basis", value, "'mark' or 'executable'") from None


def exactly_one(factory: str, first: str, a: object, second: str, b: object) -> None:
    """Refuse neither and both."""
    if (a is None) == (b is None):
        raise ConfigError(f"{factory}: give either {first} or {second}, not {'neither' if a is None else 'both'}")


def written(factory: str, *args: object, **named: tuple[object, object]) -> str:
    """Return a label as the user would write it; a named argument is (given, default) and shown when they differ."""
    shown = [_plain(arg) for arg in args] + [f"{name}={_plain(value)}" for name, (value, default) in named.items() if value != default]
    return f"{factory}({', '.join(shown)})"


def _plain(value: object) -> str:
    match value:
        case Decimal():
            return f"{value:f}"
        case timedelta():
            return f"{value.total_seconds():g}s"
        case datetime():
            return value.isoformat()
    return str(value)
