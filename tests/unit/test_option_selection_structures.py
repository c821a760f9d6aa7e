"""The builders give the legs that traders call by these names."""

from decimal import Decimal

import pytest

from domain import Number, Side
from errors import ConfigError, NoMatchingInstrument
from option_selection import (
    ByDelta,
    ClosestStrike,
    LegSpec,
    NearestDte,
    NextExpiry,
    bear_call_spread,
    bear_put_spread,
    bull_call_spread,
    bull_put_spread,
    butterfly,
    calendar,
    iron_condor,
    ratio,
    resolve_legs,
    reverse_iron_condor,
    straddle,
    strangle,
    vertical_spread,
)

from tests.unit.chains import NOW, a_chain, a_quote, an_option


def legs(specs: list[LegSpec]) -> list[str]:
    """Each leg as found in the usual chain: side, quantity, strike and type."""
    plans = resolve_legs(specs, a_chain(), NOW)
    return [f"{plan.side.name.lower()} {plan.qty} {plan.option.strike}{plan.option.option_type}" for plan in plans]


def strikes(specs: list[LegSpec]) -> list[Decimal]:
    return [plan.option.strike for plan in resolve_legs(specs, a_chain(), NOW)]


def test_a_strangle_as_the_readme_writes_it() -> None:
    call, put = strangle(0.01)

    assert (call.option_type, call.side, call.qty, call.strike_criteria) == ("C", 1, Decimal("0.01"), ByDelta(0.15))
    assert (put.option_type, put.side, put.qty, put.strike_criteria) == ("P", 1, Decimal("0.01"), ByDelta(-0.15))
    assert call.expiry_criteria == put.expiry_criteria == NextExpiry()


def test_a_strangle_takes_expiry_side_and_underlying() -> None:
    call, put = strangle(1, 0.2, 0.1, dte=7, side=2, underlying="ETH")

    assert (call.side, call.underlying, call.expiry_criteria) == (2, "ETH", NearestDte(Decimal(7)))
    assert put.strike_criteria == ByDelta(-0.1)


def test_a_straddle_has_one_strike() -> None:
    assert legs(straddle(1, dte=7)) == ["buy 1 100000C", "buy 1 100000P"]


def test_a_straddle_has_one_strike_even_where_calls_and_puts_are_listed_apart() -> None:
    chain = a_chain([a_quote(an_option(*each)) for each in ((100_000, "C"), (101_000, "C"), (101_000, "P"), (99_000, "P"))])

    assert {plan.option.strike for plan in resolve_legs(straddle(1), chain, NOW)} == {101_000}


def test_a_straddle_may_stand_elsewhere() -> None:
    assert legs(straddle(1, side=2, strike=95_400)) == ["sell 1 95000C", "sell 1 95000P"]


def test_an_iron_condor_sells_inside_and_buys_outside() -> None:
    call, put, high_call, low_put = resolve_legs(iron_condor("0.2", dte=7), a_chain(), NOW)

    assert [plan.side for plan in (call, put, high_call, low_put)] == [2, 2, 1, 1]
    assert low_put.option.strike < put.option.strike < 100_000 < call.option.strike < high_call.option.strike


def test_a_reverse_iron_condor_is_the_other_way_round() -> None:
    assert [leg.side for leg in reverse_iron_condor(1)] == [1, 1, 2, 2]
    assert [leg.strike_criteria for leg in reverse_iron_condor(1)] == [leg.strike_criteria for leg in iron_condor(1)]


def test_the_butterfly_of_the_acceptance_test() -> None:
    assert legs(butterfly(0.2, dte=7)) == ["buy 0.2 95000C", "sell 0.4 100000C", "buy 0.2 105000C"]


def test_a_butterfly_is_sold_by_its_side() -> None:
    assert legs(butterfly(1, 10, "P", 7, side=2)) == ["sell 1 90000P", "buy 2 100000P", "sell 1 110000P"]


def test_a_butterfly_too_narrow_for_the_strikes_is_refused() -> None:
    with pytest.raises(NoMatchingInstrument, match="legs 1 and 2 and 3 both resolve"):
        resolve_legs(butterfly(1, 0.1), a_chain(), NOW)


@pytest.mark.parametrize(
    ("specs", "option_type", "bought_below"),
    [
        (bull_call_spread(1, dte=7), "C", True),
        (bear_call_spread(1, dte=7), "C", False),
        (bull_put_spread(1, dte=7), "P", True),
        (bear_put_spread(1, dte=7), "P", False),
    ],
)
def test_a_bull_spread_buys_the_lower_strike_and_a_bear_spread_the_higher(
    specs: list[LegSpec], option_type: str, bought_below: bool
) -> None:
    bought, sold = strikes(specs)

    assert {leg.option_type for leg in specs} == {option_type}
    assert [leg.side for leg in specs] == [1, 2]
    assert (bought < sold) is bought_below


def test_a_vertical_spread_is_free_in_its_deltas() -> None:
    assert [leg.strike_criteria for leg in vertical_spread(1, "C", 0.1, 0.3)] == [ByDelta(0.1), ByDelta(0.3)]


def test_a_calendar_buys_time_at_one_strike() -> None:
    far, near = resolve_legs(calendar(1), a_chain(), NOW)

    assert (far.side, near.side) == (1, 2)
    assert far.option.expiry > near.option.expiry
    assert far.option.strike == near.option.strike


def test_a_calendar_without_two_expiries_is_refused() -> None:
    with pytest.raises(NoMatchingInstrument, match="both resolve"):
        resolve_legs(calendar(1, far_dte=1), a_chain(), NOW)


def test_a_ratio_sells_more_than_it_buys() -> None:
    inner, outer = ratio("0.1", ratio=3)

    assert [(leg.side, leg.qty) for leg in (inner, outer)] == [(Side.BUY, Decimal("0.1")), (Side.SELL, Decimal("0.3"))]


def test_a_back_spread_is_a_ratio_sold() -> None:
    assert [(leg.side, leg.qty) for leg in ratio(1, "P", side=2)] == [(Side.SELL, Decimal(1)), (Side.BUY, Decimal(2))]


def test_a_strike_wish_for_the_money_is_shared() -> None:
    assert {leg.strike_criteria for leg in straddle(1)} == {ClosestStrike()}


@pytest.mark.parametrize(("inner", "outer"), [(0.1, 0.25), (0.2, 0.2)])
def test_an_inner_delta_further_out_than_the_outer_is_a_mistake(inner: Number, outer: Number) -> None:
    with pytest.raises(ConfigError, match="inner_delta"):
        iron_condor(1, inner, outer)


@pytest.mark.parametrize("width", [0, -5])
def test_a_butterfly_has_a_width(width: Number) -> None:
    with pytest.raises(ConfigError, match="width_pct"):
        butterfly(1, width)


def test_a_ratio_of_one_is_no_ratio() -> None:
    with pytest.raises(ConfigError, match="ratio must be above 1"):
        ratio(1, ratio=1)


def test_a_side_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="side must be 1"):
        butterfly(1, side=3)
