"""The common option structures as legs: each builder returns the wishes that make the structure up.

qty is coins of one unit of the structure (of the wings of a butterfly, whose body is twice as much). side 1 buys the structure, 2
sells it. dte is as in LegSpec: "next", or days from now. Deltas are fractions; a put's may be written with or without its minus.
"""

from decimal import Decimal

from domain import Number, decimal_of
from errors import ConfigError
from option_selection.criteria import Criteria
from option_selection.leg_spec import LegSpec

_ATM: Criteria = {"type": "closestStrike"}


def strangle(
    qty: Number, call_delta: Number = 0.15, put_delta: Number = -0.15, dte: Number = "next", side: int = 1, underlying: str = "BTC"
) -> list[LegSpec]:
    """Return a call and a put out of the money."""
    return [_leg("C", side, qty, _delta(call_delta), dte, underlying), _leg("P", side, qty, _delta(put_delta), dte, underlying)]


def straddle(qty: Number, dte: Number = "next", side: int = 1, underlying: str = "BTC", *, strike: Number | None = None) -> list[LegSpec]:
    """Return a call and a put of the same strike: the one nearest to strike (USD), by default to the index price."""
    return [_leg(kind, side, qty, _closest(strike), dte, underlying) for kind in ("C", "P")]


def iron_condor(
    qty: Number, inner_delta: Number = 0.25, outer_delta: Number = 0.10, dte: Number = "next", side: int = 2, underlying: str = "BTC"
) -> list[LegSpec]:
    """Return a strangle at inner_delta, sold (side 2, for a credit), and one at outer_delta, bought as its protection."""
    _nearer(inner_delta, outer_delta)
    inner = strangle(qty, inner_delta, inner_delta, dte, side, underlying)
    return inner + strangle(qty, outer_delta, outer_delta, dte, _opposite(side), underlying)


def reverse_iron_condor(
    qty: Number, inner_delta: Number = 0.25, outer_delta: Number = 0.10, dte: Number = "next", underlying: str = "BTC"
) -> list[LegSpec]:
    """Return the iron condor the other way round: the inner strangle bought (for a debit), the outer sold."""
    return iron_condor(qty, inner_delta, outer_delta, dte, 1, underlying)


def butterfly(
    qty: Number, width_pct: Number = 5, option_type: str = "C", dte: Number = "next", side: int = 1, underlying: str = "BTC"
) -> list[LegSpec]:
    """Return wings of qty at width_pct per cent below and above the index price and, the other way, a body of twice qty at it."""
    width, body = decimal_of(width_pct), _opposite(side)
    if width <= 0:
        raise ConfigError(f"width_pct must be above zero, not {width_pct!r}")
    return [
        _leg(option_type, side, qty, _away(-width), dte, underlying),
        _leg(option_type, body, 2 * decimal_of(qty), _ATM, dte, underlying),
        _leg(option_type, side, qty, _away(width), dte, underlying),
    ]


def vertical_spread(
    qty: Number,
    option_type: str,
    buy_delta: Number,
    sell_delta: Number,
    dte: Number = "next",
    underlying: str = "BTC",
) -> list[LegSpec]:
    """Return one option bought and one sold, of one type and expiry, by their deltas."""
    return [
        _leg(option_type, 1, qty, _delta(buy_delta), dte, underlying),
        _leg(option_type, 2, qty, _delta(sell_delta), dte, underlying),
    ]


def bull_call_spread(
    qty: Number, inner_delta: Number = 0.40, outer_delta: Number = 0.20, dte: Number = "next", underlying: str = "BTC"
) -> list[LegSpec]:
    """Return the nearer call bought, the further sold: a debit that gains as the price rises."""
    _nearer(inner_delta, outer_delta)
    return vertical_spread(qty, "C", inner_delta, outer_delta, dte, underlying)


def bear_call_spread(
    qty: Number, inner_delta: Number = 0.40, outer_delta: Number = 0.20, dte: Number = "next", underlying: str = "BTC"
) -> list[LegSpec]:
    """Return the nearer call sold, the further bought: a credit that is kept as the price falls."""
    _nearer(inner_delta, outer_delta)
    return vertical_spread(qty, "C", outer_delta, inner_delta, dte, underlying)


def bull_put_spread(
    qty: Number, inner_delta: Number = 0.40, outer_delta: Number = 0.20, dte: Number = "next", underlying: str = "BTC"
) -> list[LegSpec]:
    """Return the nearer put sold, the further bought: a credit that is kept as the price rises."""
    _nearer(inner_delta, outer_delta)
    return vertical_spread(qty, "P", outer_delta, inner_delta, dte, underlying)


def bear_put_spread(
    qty: Number, inner_delta: Number = 0.40, outer_delta: Number = 0.20, dte: Number = "next", underlying: str = "BTC"
) -> list[LegSpec]:
    """Return the nearer put bought, the further sold: a debit that gains as the price falls."""
    _nearer(inner_delta, outer_delta)
    return vertical_spread(qty, "P", inner_delta, outer_delta, dte, underlying)


def calendar(
    qty: Number, near_dte: Number = "next", far_dte: Number = 30, option_type: str = "C", side: int = 1, underlying: str = "BTC"
) -> list[LegSpec]:
    """Return the far expiry bought and the near one sold (side 2: the reverse), both at the strike nearest to the index price."""
    return [
        _leg(option_type, side, qty, _ATM, far_dte, underlying),
        _leg(option_type, _opposite(side), qty, _ATM, near_dte, underlying),
    ]


def ratio(
    qty: Number,
    option_type: str = "C",
    ratio: Number = 2,
    *,
    inner_delta: Number = 0.40,
    outer_delta: Number = 0.20,
    dte: Number = "next",
    side: int = 1,
    underlying: str = "BTC",
) -> list[LegSpec]:
    """Return the nearer option bought and ratio times as many of the further sold (side 2: the reverse, a back spread)."""
    _nearer(inner_delta, outer_delta)
    if decimal_of(ratio) <= 1:
        raise ConfigError(f"ratio must be above 1, not {ratio!r}")
    return [
        _leg(option_type, side, qty, _delta(inner_delta), dte, underlying),
        _leg(option_type, _opposite(side), decimal_of(qty) * decimal_of(ratio), _delta(outer_delta), dte, underlying),
    ]


def _leg(option_type: str, side: int, qty: Number, strike: Criteria, dte: Number, underlying: str) -> LegSpec:
    return LegSpec(option_type, side, qty, strike, {"dte": dte}, underlying)


def _delta(value: Number) -> Criteria:
    return {"type": "delta", "value": value}


def _away(pct: Decimal) -> Criteria:
    return {"type": "spotdistance %", "value": pct}


def _closest(strike: Number | None) -> Criteria:
    return _ATM if strike is None else {**_ATM, "value": strike}


def _opposite(side: int) -> int:
    """Return the other side; a side that is none is left for LegSpec to refuse."""
    return {1: 2, 2: 1}.get(side, side)


def _nearer(inner: Number, outer: Number) -> None:
    if abs(decimal_of(inner)) <= abs(decimal_of(outer)):
        raise ConfigError(f"inner_delta {inner!r} must be nearer the money (larger) than outer_delta {outer!r}")
