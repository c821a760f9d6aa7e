"""One leg as a strategy wants it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from domain import Number, OptionType, Side
from errors import ConfigError
from option_selection.criteria import Criteria, ExpiryRule, StrikeRule, above_zero, expiry_rule, known, strike_rule

_NAMES = {OptionType.CALL: "call", OptionType.PUT: "put"}


@dataclass(frozen=True, slots=True, init=False)
class LegSpec:
    """One leg as the strategy wants it, before a listed option is found for it.

    option_type is "C" or "P", side 1 (buy) or 2 (sell), qty coins above zero. strike_criteria is one of
    {"type": "delta", "value": 0.25} (nearest delta; a put's with or without its minus), {"type": "closestStrike"} (nearest to the
    index price, or with "value" to that price), {"type": "strike", "value": 100000} (exact), {"type": "spotdistance %", "value": 5}
    (nearest to 5 % above the index price). expiry_criteria is one of {"symbol": "28MAR26"}, {"dte": "next"}, {"dte": 7} (nearest to
    7 days), {"dte_min": 6, "dte_max": 13} with an optional "target" (near, far or mid); minExp and maxExp may also be moments.
    same_option_ok says that another leg of the structure may resolve to the same option.
    Raises ConfigError with every problem found.
    """

    option_type: OptionType
    side: Side
    qty: Decimal
    strike_criteria: StrikeRule
    expiry_criteria: ExpiryRule
    underlying: str
    same_option_ok: bool

    def __init__(
        self,
        option_type: str,
        side: int,
        qty: Number,
        strike_criteria: Criteria | StrikeRule,
        expiry_criteria: Criteria | ExpiryRule,
        underlying: str = "BTC",
        *,
        same_option_ok: bool = False,
    ) -> None:
        readers: Mapping[str, Callable[[], object]] = {
            "option_type": lambda: _option_type(option_type),
            "side": lambda: _side(side),
            "qty": lambda: above_zero("qty", qty),
            "strike_criteria": lambda: strike_rule(strike_criteria, option_type),
            "expiry_criteria": lambda: expiry_rule(expiry_criteria),
            "underlying": lambda: _underlying(underlying),
            "same_option_ok": lambda: same_option_ok,
        }
        problems: list[str] = []
        for name, read in readers.items():
            try:
                object.__setattr__(self, name, read())
            except ConfigError as error:
                problems.extend(error.problems)
        if problems:
            leg = f"LegSpec(option_type={option_type!r}, side={side!r}, qty={qty!r}, underlying={underlying!r})"
            raise ConfigError(f"{leg}: {problem}" for problem in problems)

    @classmethod
    def find(
        cls,
        *,
        option_type: str,
        side: int,
        qty: Number,
        expiry: Criteria | None = None,
        strike: Criteria | None = None,
        delta: Criteria | None = None,
        rank_by: str | None = None,
        underlying: str = "BTC",
        same_option_ok: bool = False,
    ) -> "LegSpec":
        """Declare a leg by constraints that must all be met at once.

        strike: below_atm, above_atm (True), min_distance_pct, max_distance_pct (per cent of the index price), min_strike, max_strike
        (USD). delta: min, max, target. expiry: as in LegSpec, or min_days, max_days, target; the preferred expiry is the first by
        target that has an option meeting everything. rank_by: delta_mid (nearest to the middle of min and max), delta_target,
        strike_atm (nearest to the index), strike_otm (furthest out of the money), strike_itm (deepest in it). same_option_ok is as in
        LegSpec.
        """
        wish = {"type": "constraints", "strike": strike, "delta": delta, "rank_by": rank_by}
        return cls(
            option_type, side, qty, wish, {"target": "near"} if expiry is None else expiry, underlying, same_option_ok=same_option_ok
        )

    def __str__(self) -> str:
        what = f"{self.side.name.lower()} {self.qty} {self.underlying} {_NAMES[self.option_type]}"
        return f"{what}, {self.strike_criteria}, {self.expiry_criteria}"


def _option_type(value: object) -> OptionType:
    known("option_type", [value], ("C", "P"))
    return OptionType(str(value))


def _side(value: object) -> Side:
    if isinstance(value, bool) or value not in (1, 2):
        raise ConfigError(f"side must be 1 (buy) or 2 (sell), not {value!r}")
    return Side.BUY if value == 1 else Side.SELL


def _underlying(value: object) -> str:
    if not isinstance(value, str) or re.fullmatch(r"[A-Z0-9]+", value) is None:
        raise ConfigError(f"underlying must be a name such as 'BTC', not {value!r}")
    return value
