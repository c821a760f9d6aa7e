"""Builders of listed options and their chains, for the tests of selection and market data."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import NormalDist

import pytest

from domain import Chain, Greeks, Number, Option, OptionType, Quote, decimal_of
from errors import NoMatchingInstrument
from option_selection import LegSpec, resolve_legs

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
DAYS = (1, 7, 8, 28)  # expiries at 08:00 UTC: 21, 27, 28 March, 17 April
STRIKES = tuple(range(80_000, 121_000, 1_000))


def an_expiry(days: int) -> datetime:
    return NOW.replace(hour=8) + timedelta(days=days)


def an_option(
    strike: Number = 100_000,
    option_type: str = "C",
    days: int = 7,
    *,
    underlying: str = "BTC",
    lot: str = "0.01",
    active: bool = True,
    expiry: datetime | None = None,
) -> Option:
    expiry = an_expiry(days) if expiry is None else expiry
    return Option(
        symbol=f"{underlying}USD-{expiry.day}{expiry:%b%y}-{strike}-{option_type}".upper(),
        underlying=underlying,
        tick=Decimal("0.1"),
        lot=Decimal(lot),
        active=active,
        option_type=OptionType(option_type),
        strike=decimal_of(strike),
        expiry=expiry,
    )


def a_delta(option: Option, index: Number = 100_000, iv: float = 0.6) -> float:
    """Black-Scholes delta at no interest."""
    years = (option.expiry - NOW) / timedelta(days=365)
    deviations = iv * math.sqrt(years)
    call = NormalDist().cdf((math.log(float(index) / float(option.strike)) + iv**2 / 2 * years) / deviations)
    return call if option.option_type is OptionType.CALL else call - 1


def a_quote(option: Option, *, delta: float | None = None, at: datetime = NOW) -> Quote:
    return Quote(option=option, at=at, greeks=Greeks(delta=a_delta(option) if delta is None else delta), mark=Decimal(1000))


def a_chain(
    quotes: Iterable[Quote] | None = None, *, index: Number | None = 100_000, underlying: str = "BTC", at: datetime = NOW, lot: str = "0.01"
) -> Chain:
    """A chain with the given quotes; without any, calls and puts of four expiries from 80,000 to 120,000."""
    if quotes is None:
        options = (
            an_option(strike, kind, days, underlying=underlying, lot=lot) for days in DAYS for strike in STRIKES for kind in ("C", "P")
        )
        quotes = (a_quote(option, at=at) for option in options)
    return Chain(underlying, at, None if index is None else decimal_of(index), tuple(quotes))


def refusal(*specs: LegSpec, chain: Chain | None = None, now: datetime = NOW) -> str:
    with pytest.raises(NoMatchingInstrument) as refused:
        resolve_legs(specs, a_chain() if chain is None else chain, now)
    return str(refused.value)
