"""A structure is found whole or refused with every reason; the same chain and moment always give the same options."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from domain import Chain, Side
from errors import ConfigError, NoMatchingInstrument
from events import LegPlan
from option_selection import Criteria, LegSpec, resolve_legs, select_option

from tests.unit.chains import NOW, a_chain, a_quote, an_expiry, an_option, refusal

ATM: Criteria = {"type": "closestStrike"}
NEXT: Criteria = {"dte": "next"}


def a_leg(
    option_type: str = "C", side: int = 1, qty: str = "0.1", strike: Criteria = ATM, expiry: Criteria = NEXT, underlying: str = "BTC"
) -> LegSpec:
    return LegSpec(option_type, side, qty, strike, expiry, underlying)


def symbol(strike: Criteria = ATM, expiry: Criteria = NEXT, option_type: str = "C", chain: Chain | None = None) -> str:
    return select_option(a_chain() if chain is None else chain, option_type, expiry, strike, NOW).option.symbol


# ---- strikes


@pytest.mark.parametrize(
    ("strike", "found"),
    [
        ({"type": "closestStrike"}, 100_000),
        ({"type": "closestStrike", "value": 0}, 100_000),
        ({"type": "closestStrike", "value": 104_400}, 104_000),
        ({"type": "closestStrike", "value": 104_500}, 104_000),
        ({"type": "strike", "value": 95_000}, 95_000),
        ({"type": "strike", "value": "95000.0"}, 95_000),
        ({"type": "spotdistance %", "value": 5}, 105_000),
        ({"type": "spotdistance %", "value": -5}, 95_000),
        ({"type": "spotdistance %", "value": 0}, 100_000),
    ],
)
def test_a_strike_wish_finds_its_strike(strike: Criteria, found: int) -> None:
    assert symbol(strike) == f"BTCUSD-21MAR26-{found}-C"


def test_atm_is_measured_from_the_index_price() -> None:
    assert symbol(chain=a_chain(index="97600.5")) == "BTCUSD-21MAR26-98000-C"


@pytest.mark.parametrize("value", [0.25, -0.25, "0.25"])
def test_a_put_s_delta_may_be_written_without_its_minus(value: float) -> None:
    quotes = [a_quote(an_option(strike, "P"), delta=delta) for strike, delta in ((90_000, -0.1), (95_000, -0.26), (99_000, -0.4))]

    assert symbol({"type": "delta", "value": value}, option_type="P", chain=a_chain(quotes)) == "BTCUSD-27MAR26-95000-P"


def test_the_nearest_delta_is_taken_and_of_two_equally_near_the_lower_strike() -> None:
    quotes = [a_quote(an_option(strike), delta=delta) for strike, delta in ((104_000, 0.3), (106_000, 0.2), (110_000, 0.1))]

    assert symbol({"type": "delta", "value": 0.25}, chain=a_chain(quotes)) == "BTCUSD-27MAR26-104000-C"


def test_an_option_without_greeks_is_no_candidate_for_a_delta() -> None:
    known, unknown = a_quote(an_option(110_000), delta=0.05), replace(a_quote(an_option(104_000)), greeks=None)

    assert symbol({"type": "delta", "value": 0.25}, chain=a_chain([unknown, known])) == known.option.symbol


def test_a_delta_of_zero_is_a_delta() -> None:
    worthless, likely = a_quote(an_option(120_000), delta=0.0), a_quote(an_option(100_000), delta=0.5)

    assert symbol({"type": "delta", "value": 0.1}, chain=a_chain([likely, worthless])) == worthless.option.symbol


# ---- expiries


@pytest.mark.parametrize(
    ("expiry", "days"),
    [
        ({"dte": "next"}, 1),
        ({"symbol": "28MAR26"}, 8),
        ({"symbol": "28mar26"}, 8),
        ({"dte": 0}, 1),
        ({"dte": 7}, 7),
        ({"dte": 7.4}, 8),
        ({"dte": 100}, 28),
        ({"dte_min": 2}, 7),
        ({"dte_min": 2, "dte_max": 10, "target": "near"}, 7),
        ({"dte_min": 2, "dte_max": 10, "target": "far"}, 8),
        ({"dte_min": 2, "dte_max": 15, "target": "mid"}, 8),
        ({"target": "far"}, 28),
        ({"target": "mid"}, 8),
        ({"minExp": 2, "maxExp": 7}, 7),
        ({"minExp": an_expiry(8), "maxExp": an_expiry(9)}, 8),
        ({"minExp": int(an_expiry(8).timestamp() * 1000), "maxExp": 20}, 8),
        ({"min_days": 6, "max_days": 13, "target": "near"}, 7),
    ],
)
def test_an_expiry_wish_finds_its_expiry(expiry: Criteria, days: int) -> None:
    assert select_option(a_chain(), "C", expiry, ATM, NOW).option.expiry == an_expiry(days)


def test_a_window_counts_days_to_the_minute() -> None:
    assert "no expiry fits" in refusal(a_leg(expiry={"dte_min": 7, "dte_max": 7.5}))  # 27 March 08:00 is 6.83 days ahead


@pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=1)])
def test_an_expired_option_is_no_candidate(late: timedelta) -> None:
    (plan,) = resolve_legs([a_leg()], a_chain(), an_expiry(1) + late)

    assert plan.option.expiry == an_expiry(7)


def test_an_expiry_of_which_nothing_is_active_is_not_the_next() -> None:
    asleep, awake = an_option(days=1, active=False), an_option(days=7)

    assert symbol(chain=a_chain([a_quote(asleep), a_quote(awake)])) == awake.symbol


def test_an_inactive_option_is_no_candidate_beside_active_ones() -> None:
    asleep, awake = an_option(100_000, active=False), an_option(104_000)

    assert symbol(chain=a_chain([a_quote(asleep), a_quote(awake)])) == awake.symbol


# ---- structures


def test_the_legs_come_back_in_order_with_side_and_quantity() -> None:
    plans = resolve_legs([a_leg("P", 2, "0.2"), a_leg("C", 1, "0.1")], a_chain(), NOW)

    assert [(plan.option.symbol, plan.side, plan.qty) for plan in plans] == [
        ("BTCUSD-21MAR26-100000-P", Side.SELL, Decimal("0.2")),
        ("BTCUSD-21MAR26-100000-C", Side.BUY, Decimal("0.1")),
    ]
    assert all(isinstance(plan, LegPlan) for plan in plans)


def test_legs_that_wish_for_the_next_expiry_share_it_even_if_one_has_nothing_there() -> None:
    quotes = [a_quote(an_option(option_type="C", days=1)), a_quote(an_option(option_type="C")), a_quote(an_option(option_type="P"))]

    assert "no put that expires 2026-03-21 08:00 is active" in refusal(a_leg("C"), a_leg("P"), chain=a_chain(quotes))


def test_legs_that_share_a_strike_wish_get_a_strike_that_is_listed_for_both() -> None:
    listed = ((100_000, "C"), (102_000, "C"), (99_000, "P"), (102_000, "P"))

    plans = resolve_legs([a_leg("C"), a_leg("P")], a_chain([a_quote(an_option(*each)) for each in listed]), NOW)

    assert {plan.option.strike for plan in plans} == {Decimal(102_000)}


def test_legs_of_two_expiries_share_the_strike_they_both_wish_for() -> None:
    listed = ((100_000, 1), (105_000, 1), (105_000, 28), (110_000, 28))
    chain = a_chain([a_quote(an_option(strike, days=days)) for strike, days in listed])

    plans = resolve_legs([a_leg(side=1, expiry={"dte": 28}), a_leg(side=2)], chain, NOW)

    assert [plan.option.strike for plan in plans] == [Decimal(105_000)] * 2


def test_no_common_strike_is_a_refusal() -> None:
    quotes = [a_quote(an_option(100_000, "C")), a_quote(an_option(101_000, "P"))]

    assert "no strike is listed for all the legs" in refusal(a_leg("C"), a_leg("P"), chain=a_chain(quotes))


def test_legs_of_two_underlyings_use_their_own_chains() -> None:
    chains = {"BTC": a_chain(), "ETH": a_chain(underlying="ETH")}

    plans = resolve_legs([a_leg(), a_leg(underlying="ETH")], chains, NOW)

    assert [plan.option.underlying for plan in plans] == ["BTC", "ETH"]


def test_a_structure_without_legs_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="at least one leg"):
        resolve_legs([], a_chain(), NOW)


# ---- refusals


def test_every_unresolved_leg_says_why() -> None:
    why = refusal(
        a_leg("C", strike={"type": "strike", "value": 100_500}),
        a_leg("P"),
        a_leg("P", expiry={"symbol": "1APR26"}),
        a_leg(underlying="ETH"),
    )

    first, second, third = why.splitlines()
    assert "leg 1 (buy 0.1 BTC call, ByStrike(value=Decimal('100500')), NextExpiry())" in first
    assert "strike 100500 is not among the 41 listed; nearest 99000, 100000, 101000" in first
    assert "leg 3" in second
    assert "no expiry fits at 2026-03-20 12:00; listed: 2026-03-21 08:00, 2026-03-27 08:00" in second
    assert "no chain of ETH; there is BTC" in third


def test_an_empty_chain_refuses() -> None:
    assert "listed: none" in refusal(a_leg(), chain=a_chain([]))


def test_no_chain_at_all_refuses() -> None:
    with pytest.raises(NoMatchingInstrument, match="there is none"):
        resolve_legs([a_leg()], {}, NOW)


def test_l40_without_an_index_price_nothing_is_at_the_money() -> None:
    assert "the index price of BTC is not known" in refusal(a_leg(), chain=a_chain(index=None))


def test_without_any_delta_the_refusal_says_so() -> None:
    quotes = [replace(a_quote(an_option()), greeks=None)]

    assert "none of the 1 listed has a delta" in refusal(a_leg(strike={"type": "delta", "value": 0.2}), chain=a_chain(quotes))


def test_l16_a_quantity_below_the_smallest_order_is_refused_with_the_numbers() -> None:
    why = refusal(a_leg(qty="0.01"), chain=a_chain(lot="0.1"))

    assert "qty 0.01 is below the smallest order of BTCUSD-21MAR26-100000-C, 0.1" in why


def test_l15_a_quantity_off_the_lot_is_refused_not_rounded() -> None:
    assert "qty 0.25 is not a whole number of lots of 0.1 of BTCUSD-21MAR26-100000-C; 0.2 is" in refusal(
        a_leg(qty="0.25"), chain=a_chain(lot="0.1")
    )


def test_two_legs_in_one_option_are_refused() -> None:
    why = refusal(a_leg(side=1), a_leg(side=2, strike={"type": "strike", "value": 100_000}))

    assert "legs 1 and 2 both resolve to BTCUSD-21MAR26-100000-C" in why


def test_the_smallest_order_is_allowed() -> None:
    (plan,) = resolve_legs([a_leg(qty="0.1")], a_chain(lot="0.1"), NOW)

    assert plan.qty == Decimal("0.1")


def test_two_legs_in_one_option_are_refused_if_only_one_declares_it() -> None:
    assert "both resolve" in refusal(LegSpec("C", 1, 1, ATM, NEXT, same_option_ok=True), a_leg())


def test_two_legs_in_one_option_are_fine_once_declared() -> None:
    leg = LegSpec("C", 1, 1, ATM, NEXT, same_option_ok=True)

    assert len(resolve_legs([leg, replace(leg, qty=Decimal(2))], a_chain(), NOW)) == 2


def test_legs_found_by_constraints_may_share_an_option_once_declared() -> None:
    legs = [LegSpec.find(option_type="C", side=side, qty=1, rank_by="strike_atm", same_option_ok=True) for side in (1, 2)]

    first, second = resolve_legs(legs, a_chain(), NOW)

    assert first.option == second.option
