"""What trading and delivery cost, in exact integers; the one place where the exchange rounds a fee.

Amounts are picodollars (1e-12 USD), rates millionths. A fee is rounded half up to 1e-8 USD, as Coincall's samples are
(20 x 94475.478875 x 0.045 % = 850.27930988).
"""

from decimal import Decimal

PPM = 10**6
_STEP = 10**4  # picodollars in 1e-8 USD
_DIVISOR = PPM * _STEP
_HALF = _DIVISOR // 2


def ppm(rate: Decimal) -> int:
    """Return a rate in millionths; raise ValueError if it is finer."""
    whole = int(rate * PPM)
    if whole != rate * PPM:
        raise ValueError(f"rate {rate} is finer than a millionth")
    return whole


def trade_fee(by_index: int, by_premium: int) -> int:
    """Return the fee, picodollars: the smaller of two amounts given in millionths of picodollars, rounded half up to 1e-8 USD.

    by_index is qty x index x rate, by_premium is qty x price x cap. Source: Coincall API 14.2.
    """
    return ((by_index if by_index < by_premium else by_premium) + _HALF) // _DIVISOR * _STEP


def rounded_fee(amount: int) -> int:
    """Return an uncapped fee, picodollars, from millionths of picodollars."""
    return (amount + _HALF) // _DIVISOR * _STEP
