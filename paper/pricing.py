"""What a European option is worth: Black-Scholes-Merton with continuous yields, its Greeks, and the way back to volatility.

Prices are per coin in the currency of spot and strike, times in years of 365 days, rates and volatilities fractions per year.
Black-76 on a forward is the same with `spot` the forward and no rates, times a discount factor.
Source: Haug, The Complete Guide to Option Pricing Formulas, 2nd edition, chapters 1 and 2.
"""

from datetime import timedelta
from math import copysign, erfc, exp, inf, log, pi, sqrt
from typing import NamedTuple

from domain import Greeks, OptionType

YEAR = timedelta(days=365)
_SQRT_HALF = sqrt(0.5)
_DENSITY_AT_ZERO = 1 / sqrt(2 * pi)
_DAYS = 365.0
_HIGHEST_VOL = 50.0
_MAX_STEPS = 100


class Valuation(NamedTuple):
    """Price of one coin of an option, and its Greeks: vega per volatility point, theta per day, rho per percentage point of the rate."""

    price: float
    greeks: Greeks


def normal_cdf(x: float) -> float:
    """Return the probability that a standard normal number is below x; accurate in both tails."""
    return 0.5 * erfc(-x * _SQRT_HALF)


def value(
    option_type: OptionType, spot: float, strike: float, years: float, vol: float, *, rate: float = 0.0, dividend: float = 0.0
) -> Valuation:
    """Value one option; at expiry or without volatility it is worth its discounted intrinsic value.

    Raises ValueError unless spot and strike are above zero.
    """
    if spot <= 0 or strike <= 0:
        raise ValueError(f"spot and strike must be above zero, not {spot} and {strike}")
    sign = 1.0 if option_type is OptionType.CALL else -1.0
    if years <= 0 or vol <= 0:
        return _without_volatility(sign, spot, strike, max(years, 0.0), rate, dividend)
    deviation = vol * sqrt(years)
    d1 = (log(spot / strike) + (rate - dividend) * years) / deviation + 0.5 * deviation
    grown, discount = (exp(-dividend * years), exp(-rate * years)) if rate or dividend else (1.0, 1.0)
    weight_spot = 0.5 * erfc(-sign * d1 * _SQRT_HALF) * grown
    weight_strike = 0.5 * erfc(-sign * (d1 - deviation) * _SQRT_HALF) * discount
    density = _DENSITY_AT_ZERO * exp(-0.5 * d1 * d1) * grown
    carry = sign * (dividend * spot * weight_spot - rate * strike * weight_strike)
    greeks = Greeks(
        sign * weight_spot,
        density / (spot * deviation),
        spot * density * sqrt(years) / 100,
        (carry - 0.5 * spot * density * vol / sqrt(years)) / _DAYS,
        sign * strike * years * weight_strike / 100,
    )
    return Valuation(sign * (spot * weight_spot - strike * weight_strike), greeks)


def _without_volatility(sign: float, spot: float, strike: float, years: float, rate: float, dividend: float) -> Valuation:
    grown, discount = exp(-dividend * years), exp(-rate * years)
    gain = sign * (spot * grown - strike * discount)
    if gain <= 0:
        return Valuation(0.0, Greeks())
    theta = sign * (dividend * spot * grown - rate * strike * discount) / _DAYS
    return Valuation(gain, Greeks(delta=sign * grown, theta=theta, rho=sign * strike * years * discount / 100))


def implied_vol(
    option_type: OptionType, price: float, spot: float, strike: float, years: float, *, rate: float = 0.0, dividend: float = 0.0
) -> float:
    """Return the volatility at which the option is worth price, exact to about 1e-12 of the price.

    Newton's steps inside a bracket that only shrinks. Raises ValueError for a price that no volatility explains.
    """

    def gap(vol: float) -> Valuation:
        worth = value(option_type, spot, strike, years, vol, rate=rate, dividend=dividend)
        return worth._replace(price=worth.price - price)

    low, high = 0.0, _HIGHEST_VOL
    if years <= 0 or gap(low).price > 0 or gap(high).price < 0:
        raise ValueError(f"no volatility explains {option_type} {strike} at {price} with spot {spot} and {years} years")
    vol, tolerance = _first_guess(spot, strike, years), 1e-12 * max(price, 1e-12)
    for _ in range(_MAX_STEPS):
        off, greeks = gap(vol)
        low, high = (low, vol) if off > 0 else (vol, high)
        if abs(off) <= tolerance or high - low <= 1e-13 * high:
            break
        step = off / (100 * greeks.vega) if greeks.vega > 0 else copysign(inf, off)
        vol = vol - step if low < vol - step < high else (low + high) / 2
    return vol


def _first_guess(spot: float, strike: float, years: float) -> float:
    """Return the volatility of the steepest vega (Manaster and Koehler), from which Newton's steps do not overshoot; never below 5 %."""
    return max(0.05, sqrt(2 * abs(log(spot / strike)) / years))
