"""Wishes for option legs, and the listed options that fit them.

`LegSpec` holds a wish, read and checked where it is written; `resolve_legs` finds the listed options for a whole structure in a
chain, or says why not; `select_option` and `find_option` look for one. `structures` builds the wishes of the common structures.
"""

from option_selection.criteria import (
    ByDelta,
    ByStrike,
    ClosestStrike,
    Constraints,
    Criteria,
    ExpiryRule,
    ExpiryWindow,
    NearestDte,
    NextExpiry,
    OnDate,
    SpotDistance,
    StrikeRule,
)
from option_selection.finding import find_option, resolve_legs, select_option
from option_selection.leg_spec import LegSpec
from option_selection.structures import (
    bear_call_spread,
    bear_put_spread,
    bull_call_spread,
    bull_put_spread,
    butterfly,
    calendar,
    iron_condor,
    ratio,
    reverse_iron_condor,
    straddle,
    strangle,
    vertical_spread,
)

__all__ = [
    "ByDelta",
    "ByStrike",
    "ClosestStrike",
    "Constraints",
    "Criteria",
    "ExpiryRule",
    "ExpiryWindow",
    "LegSpec",
    "NearestDte",
    "NextExpiry",
    "OnDate",
    "SpotDistance",
    "StrikeRule",
    "bear_call_spread",
    "bear_put_spread",
    "bull_call_spread",
    "bull_put_spread",
    "butterfly",
    "calendar",
    "find_option",
    "iron_condor",
    "ratio",
    "resolve_legs",
    "reverse_iron_condor",
    "select_option",
    "straddle",
    "strangle",
    "vertical_spread",
]
