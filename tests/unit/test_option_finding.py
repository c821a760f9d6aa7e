"""An option found by constraints: each limit holds, the ranking follows from the wish, and a refusal counts what each limit left."""

from dataclasses import replace

import pytest

from domain import Chain, OptionType, Quote
from option_selection import Criteria, LegSpec, find_option
from option_selection.criteria import RANKS, STRIKE_LIMITS
from option_selection.finding import LIMITS, RANKINGS

from tests.unit.chains import NOW, a_chain, a_quote, an_expiry, an_option, refusal


def found(option_type: str = "P", chain: Chain | None = None, **constraints: Criteria | str) -> str | None:
    quote: Quote | None = find_option(chain=a_chain() if chain is None else chain, now=NOW, option_type=option_type, **constraints)  # type: ignore[arg-type]
    return None if quote is None else quote.option.symbol


def test_the_quoted_call_of_find_option_works_literally() -> None:
    quote = find_option(
        chain=a_chain(),
        now=NOW,
        option_type="P",
        expiry={"min_days": 6, "max_days": 13, "target": "near"},
        strike={"below_atm": True, "min_distance_pct": 0.5},
        delta={"min": -0.45, "max": -0.15},
        rank_by="delta_mid",
    )

    assert quote is not None
    assert quote.option.option_type is OptionType.PUT
    assert quote.option.expiry == an_expiry(7)
    assert quote.option.strike == 96_000  # delta -0.295, the nearest to -0.30


@pytest.mark.parametrize(
    ("strike", "rank_by", "wanted"),
    [
        ({"below_atm": True}, "strike_atm", 99_000),
        ({"above_atm": True}, "strike_atm", 101_000),
        ({"below_atm": False}, "strike_atm", 100_000),
        ({"min_distance_pct": 3, "below_atm": True}, "strike_atm", 97_000),
        ({"max_distance_pct": 3}, "strike_otm", 97_000),
        ({"max_distance_pct": 3}, "strike_itm", 103_000),
        ({"min_strike": 104_000}, "strike_atm", 104_000),
        ({"max_strike": 90_000}, "strike_atm", 90_000),
        ({"min_strike": 91_000, "max_strike": 95_000}, "strike_otm", 91_000),
    ],
)
def test_each_limit_on_strikes_holds(strike: Criteria, rank_by: str, wanted: int) -> None:
    assert found(strike=strike, rank_by=rank_by) == f"BTCUSD-21MAR26-{wanted}-P"


@pytest.mark.parametrize(("rank_by", "wanted"), [("strike_otm", 103_000), ("strike_itm", 97_000)])
def test_a_call_is_out_of_the_money_above_the_index(rank_by: str, wanted: int) -> None:
    assert found("C", strike={"max_distance_pct": 3}, rank_by=rank_by) == f"BTCUSD-21MAR26-{wanted}-C"


@pytest.mark.parametrize(
    ("delta", "rank_by", "wanted"),
    [
        ({"min": -0.3, "max": -0.1}, "delta_mid", 95_000),
        ({"min": 0.1, "max": 0.3}, "delta_mid", 95_000),
        ({"min": 0.1, "max": 0.3}, "strike_atm", 96_000),
        ({"target": -0.3}, "delta_target", 96_000),
        ({"min": -0.29}, "strike_itm", 96_000),
        ({"max": -0.29}, "strike_otm", 96_000),
        ({"min": -0.29, "max": -0.29}, "delta_mid", 96_000),
        ({"max": -0.35}, "strike_otm", 97_000),
        ({"min": 0.35}, "strike_otm", 97_000),
        ({"min": -0.1}, "strike_itm", 93_000),
    ],
)
def test_each_limit_on_deltas_holds(delta: Criteria, rank_by: str, wanted: int) -> None:
    deltas = {92_000: -0.05, 93_000: -0.08, 94_000: -0.12, 95_000: -0.21, 96_000: -0.29, 97_000: -0.36, 98_000: -0.44}
    chain = a_chain([a_quote(an_option(strike, "P"), delta=value) for strike, value in deltas.items()])

    assert found(chain=chain, delta=delta, rank_by=rank_by) == f"BTCUSD-27MAR26-{wanted}-P"


@pytest.mark.parametrize(
    ("delta", "wanted"),
    [({"min": -0.3, "max": -0.1}, 95_000), ({"target": -0.1}, 94_000), ({"max": -0.2}, 99_000)],
)
def test_the_ranking_follows_from_the_delta_wish_unless_said(delta: Criteria, wanted: int) -> None:
    deltas = {94_000: -0.12, 95_000: -0.21, 99_000: -0.44}
    chain = a_chain([a_quote(an_option(strike, "P"), delta=value) for strike, value in deltas.items()])

    assert found(chain=chain, delta=delta) == f"BTCUSD-27MAR26-{wanted}-P"


def test_the_target_expiry_is_the_first_where_everything_is_met() -> None:
    near, far = a_quote(an_option(95_000, "P", 7), delta=-0.05), a_quote(an_option(95_000, "P", 8), delta=-0.3)

    assert found(chain=a_chain([near, far]), delta={"min": -0.4, "max": -0.2}) == far.option.symbol


@pytest.mark.parametrize(("target", "days"), [("near", 7), ("mid", 8), ("far", 28)])
def test_the_target_says_which_expiry_is_preferred(target: str, days: int) -> None:
    quote = find_option(chain=a_chain(), now=NOW, option_type="C", expiry={"min_days": 2, "max_days": 28, "target": target})

    assert quote is not None
    assert quote.option.expiry == an_expiry(days)


def test_nothing_that_meets_all_is_none() -> None:
    assert found(strike={"min_strike": 200_000}) is None


def test_an_index_that_is_not_known_is_no_find() -> None:
    assert found(strike={"below_atm": True}, chain=a_chain(index=None)) is None


def test_a_refused_constraint_leg_counts_what_each_constraint_left() -> None:
    leg = LegSpec.find(
        option_type="P", side=2, qty=1, expiry={"symbol": "27MAR26"}, strike={"max_strike": 90_000}, delta={"min": -0.45, "max": -0.3}
    )

    why = refusal(leg)

    assert "41 active in the expiries that fit; max_strike 90000 left 11; delta known left 11; delta min -0.45 left 11; " in why
    assert "delta max -0.3 left 0; nearest BTCUSD-27MAR26-90000-P (delta -0.0" in why


def test_a_refusal_shows_what_has_no_delta() -> None:
    quotes = [replace(a_quote(an_option(95_000, "P")), greeks=None)]
    leg = LegSpec.find(option_type="P", side=1, qty=1, delta={"max": -0.3})

    assert "delta known left 0; nearest BTCUSD-27MAR26-95000-P (delta unknown)" in refusal(leg, chain=a_chain(quotes))


def test_a_refusal_says_when_no_option_of_the_type_is_there() -> None:
    leg = LegSpec.find(option_type="P", side=1, qty=1, strike={"max_strike": 1})

    assert refusal(leg, chain=a_chain([a_quote(an_option())])).endswith("0 active in the expiries that fit; max_strike 1 left 0")


def test_a_refusal_without_constraints_says_that_nothing_is_there() -> None:
    leg = LegSpec.find(option_type="P", side=1, qty=1)

    assert refusal(leg, chain=a_chain([a_quote(an_option())])).endswith("0 active in the expiries that fit")


def test_every_limit_and_ranking_that_can_be_written_is_known() -> None:
    assert (tuple(LIMITS), tuple(RANKINGS)) == (STRIKE_LIMITS, RANKS)
