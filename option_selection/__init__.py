"""Wishes for option legs, and the listed options that fit them.

`LegSpec` holds a wish, read and checked where it is written; `resolve_legs` finds the listed options for a whole structure in a
chain, or says why not; `select_option` and `find_option` look for one.
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
    "find_option",
    "resolve_legs",
    "select_option",
]
