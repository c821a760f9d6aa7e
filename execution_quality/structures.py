"""The name of a structure, read off its legs; whether it is bought or sold makes no difference to it."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from operator import attrgetter

from domain import OptionType
from events import LegPlan


def structure_name(legs: Sequence[LegPlan]) -> str:
    """Return the common name of what the legs make up, "4 legs" and the like where they make up nothing that has one."""
    named = {1: _one, 2: _two, 3: _three, 4: _four}.get(len(legs))
    one_underlying = len({leg.option.underlying for leg in legs}) == 1
    name = None if named is None or not one_underlying else named(sorted(legs, key=_place))
    return name or f"{len(legs)} legs"


def _place(leg: LegPlan) -> tuple[bool, object, object]:
    """Order puts before calls, then by expiry and strike."""
    return leg.option.option_type is OptionType.CALL, leg.option.expiry, leg.option.strike


def _one(_: Sequence[LegPlan]) -> str:
    return "single"


def _two(legs: Sequence[LegPlan]) -> str | None:
    if not _same(legs, "option.option_type"):
        alike = _same(legs, "side") and _same(legs, "qty") and _same(legs, "option.expiry")
        return None if not alike else "straddle" if _same(legs, "option.strike") else "strangle"
    if _same(legs, "side"):
        return None
    if not _same(legs, "option.expiry"):
        return "calendar" if _same(legs, "option.strike") and _same(legs, "qty") else None
    return "vertical" if _same(legs, "qty") else "ratio"


def _three(legs: Sequence[LegPlan]) -> str | None:
    low, body, high = legs
    if not (_same(legs, "option.option_type") and _same(legs, "option.expiry")):
        return None
    winged = low.side is high.side is body.side.opposite and low.qty == high.qty and body.qty == 2 * low.qty
    return "butterfly" if winged and _rising(legs) else None


def _four(legs: Sequence[LegPlan]) -> str | None:
    types = [leg.option.option_type for leg in legs]
    if types != [OptionType.PUT, OptionType.PUT, OptionType.CALL, OptionType.CALL]:
        return None
    outer_put, inner_put, inner_call, outer_call = legs
    sided = outer_put.side is outer_call.side is inner_put.side.opposite and inner_put.side is inner_call.side
    if not (sided and _same(legs, "qty") and _same(legs, "option.expiry") and _rising(legs[:2]) and _rising(legs[2:])):
        return None
    if inner_put.option.strike == inner_call.option.strike:
        return "iron butterfly"
    return "iron condor" if _rising(legs) else None


def _same(legs: Sequence[LegPlan], name: str) -> bool:
    read: Callable[[LegPlan], object] = attrgetter(name)
    return len({read(leg) for leg in legs}) == 1


def _rising(legs: Sequence[LegPlan]) -> bool:
    strikes = [leg.option.strike for leg in legs]
    return all(low < high for low, high in pairwise(strikes))
