"""What the venue calls a structure of options, and its price per unit. Source: Coincall API 8.15.

`Call`, `Call Spread`, `Call Butterfly` and the one-expiry description are in the venue's samples, and `Put ...` by analogy; the other
names and the description of several expiries are ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import gcd

from domain import ZERO, Option, OptionType, Side

_KINDS = {OptionType.CALL: "Call", OptionType.PUT: "Put"}
_BUTTERFLY, _CONDOR = (1, -2, 1), (1, -1, -1, 1)


@dataclass(frozen=True, slots=True)
class Piece:
    """One leg: its option, direction and coins."""

    option: Option
    side: Side
    qty: Decimal

    @property
    def day(self) -> str:
        """Return the expiry as descriptions write it: 23 Jan 26."""
        return f"{self.option.expiry.day} {self.option.expiry:%b %y}"


def unit(pieces: Sequence[Piece]) -> Decimal:
    """Return the greatest quantity, coins, of which every leg is a whole multiple."""
    lot = pieces[0].option.lot
    return gcd(*(int(piece.qty / lot) for piece in pieces)) * lot


def net_price(pieces: Sequence[Piece], prices: Sequence[Decimal], direction: Side) -> Decimal:
    """Return the price of one unit, USD per coin: ratio x price summed, legs on the direction's side positive."""
    base = unit(pieces)
    signs = (piece.side.sign * direction.sign for piece in pieces)
    return sum((sign * piece.qty / base * price for sign, piece, price in zip(signs, pieces, prices, strict=True)), ZERO)


def name(pieces: Sequence[Piece]) -> str:
    """Return what the structure is called."""
    ordered = sorted(pieces, key=lambda piece: (piece.option.expiry, piece.option.strike, piece.option.option_type))
    kinds = {piece.option.option_type for piece in ordered}
    one_expiry = len({piece.option.expiry for piece in ordered}) == 1
    if len(kinds) == 1:
        return _of_one_kind(_KINDS[ordered[0].option.option_type], ordered, one_expiry=one_expiry)
    return _of_both_kinds(ordered) if one_expiry else "Custom"


def description(pieces: Sequence[Piece]) -> str:
    """Return base, name, expiries and strikes: BTC Call Butterfly 23 Jan 26 95000/96000/97000."""
    ordered = sorted(pieces, key=lambda piece: (piece.option.expiry, piece.option.strike))
    days = "/".join(dict.fromkeys(piece.day for piece in ordered))
    strikes = "/".join(dict.fromkeys(f"{piece.option.strike:f}" for piece in ordered))
    return f"{pieces[0].option.underlying} {name(pieces)} {days} {strikes}"


def _shape(ordered: Sequence[Piece]) -> tuple[int, ...]:
    """Return signed ratios in the order of strikes, the first one positive."""
    base = unit(ordered) * ordered[0].side.sign
    return tuple(int(piece.side.sign * piece.qty / base) for piece in ordered)


def _of_one_kind(kind: str, ordered: Sequence[Piece], *, one_expiry: bool) -> str:
    shape = _shape(ordered)
    if len(shape) == 1:
        return kind
    if shape == (1, -1):
        return f"{kind} {'Spread' if one_expiry else 'Calendar'}"
    if one_expiry and shape == _BUTTERFLY:
        return f"{kind} Butterfly"
    return f"{kind} Condor" if one_expiry and shape == _CONDOR else "Custom"


def _of_both_kinds(ordered: Sequence[Piece]) -> str:
    shape, strikes = _shape(ordered), len({piece.option.strike for piece in ordered})
    if shape == (1, 1):
        return "Straddle" if strikes == 1 else "Strangle"
    kinds = "".join(piece.option.option_type for piece in ordered)
    if len(shape) == 4 and kinds in {"PPCC", "PCPC"} and sorted(shape) == [-1, -1, 1, 1] and shape[0] == shape[-1]:
        return "Iron Butterfly" if strikes == 3 else "Iron Condor"
    return "Custom"
