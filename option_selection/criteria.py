"""The criteria of a leg as rules: parsed once, where they are written; a wrong word in them is a ConfigError there and then."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from difflib import get_close_matches

from clock import from_ms
from domain import OptionType, decimal_of
from errors import ConfigError

Criteria = Mapping[str, object]

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MOST_DAYS = 10_000
_FIRST_MS, _LAST_MS = 10**11, 10**13  # a bound in here, 1973 to 2286, is Unix milliseconds
_STARTS, _ENDS = ("dte_min", "minExp", "min_days"), ("dte_max", "maxExp", "max_days")
STRIKE_LIMITS = ("below_atm", "above_atm", "min_distance_pct", "max_distance_pct", "min_strike", "max_strike")
RANKS = ("delta_mid", "delta_target", "strike_atm", "strike_otm", "strike_itm")


# ---- the rules that criteria become


@dataclass(frozen=True, slots=True)
class ByDelta:
    """The strike whose delta is nearest to target (a put's is negative)."""

    target: float


@dataclass(frozen=True, slots=True)
class ClosestStrike:
    """The strike nearest to value, USD; nearest to the index price where value is None."""

    value: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ByStrike:
    """Exactly this strike, USD."""

    value: Decimal


@dataclass(frozen=True, slots=True)
class SpotDistance:
    """The strike nearest to pct per cent above the index price; negative is below."""

    pct: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """Limits that must all be met, each a name and a value, and which of the options that meet them is the best."""

    strike: tuple[tuple[str, Decimal | bool], ...] = ()
    delta: tuple[tuple[str, float], ...] = ()
    rank_by: str = "strike_atm"


@dataclass(frozen=True, slots=True)
class NextExpiry:
    """The nearest listed expiry."""


@dataclass(frozen=True, slots=True)
class OnDate:
    """The expiry on this UTC day."""

    day: date


@dataclass(frozen=True, slots=True)
class NearestDte:
    """The listed expiry nearest to this many days from now; the sooner of two equally near."""

    days: Decimal


@dataclass(frozen=True, slots=True)
class ExpiryWindow:
    """The expiries from start to end, both included, each in days from now or a moment; target says which is preferred."""

    start: Decimal | datetime | None = None
    end: Decimal | datetime | None = None
    target: str = "near"


StrikeRule = ByDelta | ClosestStrike | ByStrike | SpotDistance | Constraints
ExpiryRule = NextExpiry | OnDate | NearestDte | ExpiryWindow


# ---- reading what users write


def known(what: str, words: Iterable[object], allowed: Sequence[str]) -> None:
    """Raise ConfigError for each word that is not allowed, with the likeliest meant one."""
    wrong = [str(word) for word in words if word not in allowed]
    hints = {word: get_close_matches(word, allowed, n=1, cutoff=0.4) for word in wrong}
    problems = [
        f"{what} {word!r} is not known{f' (did you mean {near[0]!r}?)' if near else ''}; allowed: {', '.join(allowed)}"
        for word, near in hints.items()
    ]
    if problems:
        raise ConfigError(problems)


def _number(what: str, value: object, low: int | None = None, high: int | None = None) -> Decimal:
    """Read a finite number from low to high."""
    if not isinstance(value, int | float | str | Decimal):
        raise ConfigError(f"{what} must be a number, not {value!r}")
    try:
        number = decimal_of(value)
    except ValueError as error:
        raise ConfigError(f"{what}: {error}") from None
    if (low is not None and number < low) or (high is not None and number > high):
        span = f"{low} or more" if high is None else f"from {low} to {high}"
        raise ConfigError(f"{what} must be {span}, not {value!r}")
    return number


def above_zero(what: str, value: object) -> Decimal:
    """Read a number above zero."""
    number = _number(what, value)
    if number <= 0:
        raise ConfigError(f"{what} must be above zero, not {value!r}")
    return number


def _criteria(what: str, value: object) -> Criteria:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{what} must be a dict, not {value!r}")
    return value


def _deltas(wishes: Criteria, put: bool) -> Mapping[str, float]:
    """Read deltas with the sign of their option type; a put's may all be written without their minus."""
    deltas = {name: float(_number(f"delta {name}", value, -1, 1)) for name, value in wishes.items()}
    above, below = any(value > 0 for value in deltas.values()), any(value < 0 for value in deltas.values())
    if below and (above or not put):
        raise ConfigError(f"a call's deltas are above zero and a put's below, not {dict(wishes)!r}")
    if not (put and above):
        return deltas
    mirrored = {"min": "max", "max": "min"}  # 0.15 to 0.45 of a put is -0.45 to -0.15
    return {mirrored.get(name, name): -value for name, value in deltas.items()}


def strike_rule(criteria: object, option_type: str) -> StrikeRule:
    """Read strike criteria for an option type, "C" or "P"; rules already read pass unchanged."""
    if isinstance(criteria, StrikeRule):
        return criteria
    wish, put = _criteria("strike_criteria", criteria), option_type == OptionType.PUT
    types = ("delta", "closestStrike", "strike", "spotdistance %", "constraints")
    if "type" not in wish:
        known("strike_criteria key", wish, ("type", "value"))
        raise ConfigError(f"strike_criteria has no 'type'; allowed: {', '.join(types)}")
    known("strike_criteria type", [wish["type"]], types)
    if wish["type"] == "constraints":
        known("constraints key", wish, ("type", "strike", "delta", "rank_by"))
        return _constraints(wish.get("strike"), wish.get("delta"), wish.get("rank_by"), put)
    known("strike_criteria key", wish, ("type", "value"))
    what, value = f"the value of {wish['type']}", wish.get("value")
    if wish["type"] == "closestStrike":
        level = _number(what, 0 if value is None else value, 0)
        return ClosestStrike(None if level == 0 else level)
    if wish["type"] == "strike":
        return ByStrike(above_zero(what, value))
    if wish["type"] == "spotdistance %":
        return SpotDistance(_number(what, value))
    if _number(what, value, -1, 1) == 0:
        raise ConfigError(f"{what} must not be zero")
    return ByDelta(_deltas({"value": value}, put)["value"])


def _constraints(strike: object, delta: object, rank_by: object, put: bool) -> Constraints:
    strikes = _criteria("strike", {} if strike is None else strike)
    deltas = _criteria("delta", {} if delta is None else delta)
    known("strike constraint", strikes, STRIKE_LIMITS)
    known("delta constraint", deltas, ("min", "max", "target"))
    limits = {name: _limit(name, value) for name, value in strikes.items() if value is not False}
    if "below_atm" in limits and "above_atm" in limits:
        raise ConfigError("no strike is both below_atm and above_atm")
    signed = _deltas(deltas, put)
    _ordered(limits, "min_distance_pct", "max_distance_pct")
    _ordered(limits, "min_strike", "max_strike")
    _ordered(signed, "min", "max")
    banded = "min" in signed and "max" in signed
    best = rank_by if rank_by is not None else ("delta_mid" if banded else "delta_target" if "target" in signed else "strike_atm")
    known("rank_by", [best], RANKS)
    if (best == "delta_mid" and not banded) or (best == "delta_target" and "target" not in signed):
        raise ConfigError(f"rank_by {best!r} needs delta {'min and max' if best == 'delta_mid' else 'target'}")
    return Constraints(strike=tuple(limits.items()), delta=tuple(signed.items()), rank_by=str(best))


def _limit(name: str, value: object) -> Decimal | bool:
    if not name.endswith("_atm"):
        return _number(name, value, 0)
    if not isinstance(value, bool):
        raise ConfigError(f"{name} must be True or False, not {value!r}")
    return value


def _ordered(limits: Mapping[str, Decimal | float], low: str, high: str) -> None:
    if low in limits and high in limits and limits[low] > limits[high]:
        raise ConfigError(f"{low} {limits[low]} is above {high} {limits[high]}")


def expiry_rule(criteria: object) -> ExpiryRule:
    """Read expiry criteria; rules already read pass unchanged."""
    if isinstance(criteria, ExpiryRule):
        return criteria
    wish = _criteria("expiry_criteria", criteria)
    known("expiry_criteria key", wish, ("symbol", "dte", *_STARTS, *_ENDS, "target"))
    if not wish:
        raise ConfigError("expiry_criteria says nothing; {'dte': 'next'} is the nearest expiry")
    if ("symbol" in wish or "dte" in wish) and len(wish) > 1:
        raise ConfigError(f"expiry_criteria: a symbol or a dte stands alone, not {dict(wish)!r}")
    if "symbol" in wish:
        return OnDate(_day(wish["symbol"]))
    if "dte" not in wish:
        return _window(wish)
    dte = wish["dte"]
    if isinstance(dte, str) and re.fullmatch(r"[0-9.]+", dte) is None:
        known("expiry_criteria dte", [dte], ("next",))
        return NextExpiry()
    return NearestDte(_number("dte", dte, 0, _MOST_DAYS))


def _window(wish: Criteria) -> ExpiryWindow:
    starts, ends = ([name for name in names if name in wish] for names in (_STARTS, _ENDS))
    if len(starts) > 1 or len(ends) > 1:
        raise ConfigError(f"expiry_criteria: one start and one end, not {', '.join(starts + ends)}")
    target = str(wish.get("target", "near"))
    known("expiry_criteria target", [target], ("near", "far", "mid"))
    start, end = (_bound(names[0], wish[names[0]]) if names else None for names in (starts, ends))
    if _backwards(start, end):
        raise ConfigError(f"expiry_criteria: {starts[0]} {start} is after {ends[0]} {end}")
    return ExpiryWindow(start, end, target)


def _backwards(start: Decimal | datetime | None, end: Decimal | datetime | None) -> bool:
    if isinstance(start, datetime) and isinstance(end, datetime):
        return start > end
    return isinstance(start, Decimal) and isinstance(end, Decimal) and start > end


def _bound(name: str, value: object) -> Decimal | datetime:
    """Read days from now, an aware datetime, or Unix milliseconds."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ConfigError(f"{name} must be an aware datetime, not {value!r}")
        return value
    bound = _number(name, value, 0, _LAST_MS)
    if bound >= _FIRST_MS:
        return from_ms(int(bound))
    return _number(name, value, 0, _MOST_DAYS)


def _day(text: object) -> date:
    """Read a day as option symbols write it, such as 28MAR26 or 3APR26."""
    found = re.fullmatch(r"(\d{1,2})([A-Z]{3})(\d{2})", str(text).upper())
    try:
        if found is not None:
            return date(2000 + int(found[3]), _MONTHS.index(found[2]) + 1, int(found[1]))
    except ValueError:
        pass
    raise ConfigError(f"expiry_criteria symbol must be a day such as '28MAR26', not {text!r}")
