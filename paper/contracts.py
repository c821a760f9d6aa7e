"""Contract terms of the options the paper exchange lists, and the grammar of their symbols.

Source: Coincall API 14.1.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType

from domain import Option, OptionType

EXPIRY_HOUR = 8
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_NAME = re.compile(rf"([A-Z]+)-([1-9]\d?)({'|'.join(_MONTHS)})(\d\d)-(\d+(?:\.\d+)?)-([CP])")


@dataclass(frozen=True, slots=True)
class Terms:
    """Price step (USD) and quantity step (coins) of an underlying's options."""

    tick: Decimal
    lot: Decimal


TERMS: Mapping[str, Terms] = MappingProxyType(
    {
        "BTC": Terms(tick=Decimal("0.1"), lot=Decimal("0.01")),
        "ETH": Terms(tick=Decimal("0.01"), lot=Decimal("0.1")),
    }
)


def option_symbol(underlying: str, expiry: datetime, strike: Decimal, option_type: OptionType) -> str:
    """Write a symbol such as BTCUSD-28MAR26-100000-C: the day has no leading zero."""
    return f"{underlying}USD-{expiry.day}{_MONTHS[expiry.month - 1]}{expiry:%y}-{strike:f}-{option_type}"


def an_option(underlying: str, expiry: datetime, strike: Decimal, option_type: OptionType) -> Option:
    """Return the option as Coincall lists it; raise KeyError for an underlying without known terms."""
    terms = TERMS[underlying]
    return Option(
        symbol=option_symbol(underlying, expiry, strike, option_type),
        underlying=underlying,
        tick=terms.tick,
        lot=terms.lot,
        option_type=option_type,
        strike=strike,
        expiry=expiry,
    )


@lru_cache(maxsize=8192)
def recorded_option(name: str) -> Option:
    """Return Coincall's option for a recorded name such as BTC-30OCT26-90000-P; raise ValueError for any other grammar."""
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} is not a name like BTC-30OCT26-90000-P")
    underlying, day, month, year, strike, kind = found.groups()
    expiry = datetime(2000 + int(year), _MONTHS.index(month) + 1, int(day), EXPIRY_HOUR, tzinfo=UTC)
    return an_option(underlying, expiry, Decimal(strike), OptionType(kind))
