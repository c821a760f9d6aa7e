"""A wish is read once, where it is written; a wrong word in it is told there, with the likeliest meant one."""

from dataclasses import FrozenInstanceError, replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from domain import Number, OptionType, Side
from errors import ConfigError
from option_selection import (
    ByDelta,
    ByStrike,
    ClosestStrike,
    Constraints,
    Criteria,
    ExpiryWindow,
    LegSpec,
    NearestDte,
    NextExpiry,
    SpotDistance,
)

DELTA: Criteria = {"type": "delta", "value": 0.25}
NEXT: Criteria = {"dte": "next"}


def a_leg(option_type: str = "C", strike: Criteria = DELTA, expiry: Criteria = NEXT) -> LegSpec:
    return LegSpec(option_type, 1, "0.1", strike, expiry)


def problems_of(
    option_type: str = "C",
    side: int = 1,
    qty: Number = 1,
    strike: Criteria | str = DELTA,
    expiry: Criteria | str = NEXT,
    underlying: str = "BTC",
) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        LegSpec(option_type, side, qty, strike, expiry, underlying)  # type: ignore[arg-type]
    return refused.value.problems


def problem_of(**wrong: object) -> str:
    (problem,) = problems_of(**wrong)  # type: ignore[arg-type]
    return problem


def test_a_leg_is_read_as_users_write_it() -> None:
    leg = LegSpec(
        option_type="P",
        side=2,
        qty=0.1,
        strike_criteria={"type": "delta", "value": -0.15},
        expiry_criteria={"dte": "next"},
        underlying="ETH",
    )

    assert (leg.option_type, leg.side, leg.qty, leg.underlying) == (OptionType.PUT, Side.SELL, Decimal("0.1"), "ETH")
    assert (leg.strike_criteria, leg.expiry_criteria) == (ByDelta(-0.15), NextExpiry())


def test_btc_is_meant_unless_said() -> None:
    assert a_leg().underlying == "BTC"


def test_a_leg_cannot_change_and_can_be_copied_with_a_change() -> None:
    leg = a_leg()

    with pytest.raises(FrozenInstanceError):
        leg.qty = Decimal(2)  # type: ignore[misc]
    assert replace(leg, qty=Decimal(2)).strike_criteria == leg.strike_criteria


def test_equal_wishes_are_equal_and_hash_alike() -> None:
    assert {a_leg(strike={"type": "delta", "value": "0.25"})} == {a_leg()}


def test_a_leg_reads_as_a_sentence() -> None:
    assert str(a_leg("P")) == "buy 0.1 BTC put, ByDelta(target=-0.25), NextExpiry()"


@pytest.mark.parametrize(
    ("strike", "rule"),
    [
        ({"type": "closestStrike"}, ClosestStrike(None)),
        ({"type": "closestStrike", "value": None}, ClosestStrike(None)),
        ({"type": "closestStrike", "value": 0}, ClosestStrike(None)),
        ({"type": "closestStrike", "value": 99_500}, ClosestStrike(Decimal(99_500))),
        ({"type": "strike", "value": 100_000}, ByStrike(Decimal(100_000))),
        ({"type": "spotdistance %", "value": -2.5}, SpotDistance(Decimal("-2.5"))),
    ],
)
def test_a_strike_wish_becomes_a_rule(strike: Criteria, rule: object) -> None:
    assert a_leg(strike=strike).strike_criteria == rule


def test_a_float_is_read_as_it_is_written() -> None:
    assert a_leg(expiry={"dte": 0.1}).expiry_criteria == NearestDte(Decimal("0.1"))


def test_days_may_be_text() -> None:
    assert a_leg(expiry={"dte": "7"}).expiry_criteria == NearestDte(Decimal(7))


# ---- wrong words


def test_every_problem_of_a_leg_is_told_at_once_and_names_the_leg() -> None:
    told = problems_of("X", 3, 0, {"type": "dleta"}, {"dtee": 1}, "btc")

    assert len(told) == 6
    assert all(each.startswith("LegSpec(option_type='X', side=3, qty=0, underlying='btc'): ") for each in told)


@pytest.mark.parametrize(
    ("strike", "words"),
    [
        ({"typ": "delta", "value": 0.2}, "key 'typ' is not known (did you mean 'type'?); allowed: type, value"),
        ({"value": 0.2}, "strike_criteria has no 'type'; allowed: delta, closestStrike"),
        ({"type": "closeststrike"}, "type 'closeststrike' is not known (did you mean 'closestStrike'?)"),
        ({"type": "zzzzzzzz"}, "type 'zzzzzzzz' is not known; allowed: delta, closestStrike, strike, spotdistance %, constraints"),
        ({"type": "delta", "valeu": 0.2}, "key 'valeu' is not known (did you mean 'value'?)"),
        ({"type": "delta"}, "the value of delta must be a number, not None"),
        ({"type": "delta", "value": 25}, "the value of delta must be from -1 to 1, not 25"),
        ({"type": "delta", "value": 0}, "the value of delta must not be zero"),
        ({"type": "delta", "value": -0.2}, "a call's deltas are above zero"),
        ({"type": "delta", "value": "a lot"}, "'a lot' is not a number"),
        ({"type": "delta", "value": float("nan")}, "nan is not a finite number"),
        ({"type": "strike", "value": 0}, "the value of strike must be above zero, not 0"),
        ({"type": "closestStrike", "value": -1}, "the value of closestStrike must be 0 or more, not -1"),
        ({"type": "spotdistance %"}, "the value of spotdistance % must be a number"),
        ({"type": "constraints", "stirke": {}}, "constraints key 'stirke' is not known (did you mean 'strike'?)"),
        ("atm", "strike_criteria must be a dict, not 'atm'"),
    ],
)
def test_a_wrong_word_in_a_strike_wish_is_told(strike: Criteria | str, words: str) -> None:
    assert words in problem_of(strike=strike)


@pytest.mark.parametrize(
    ("expiry", "words"),
    [
        ({}, "says nothing; {'dte': 'next'} is the nearest"),
        ({"dt": 7}, "key 'dt' is not known (did you mean 'dte'?); allowed: symbol, dte, dte_min"),
        ({"dte": "nxt"}, "dte 'nxt' is not known (did you mean 'next'?)"),
        ({"dte": -1}, "dte must be from 0 to 10000, not -1"),
        ({"dte": 1_000_000}, "dte must be from 0 to 10000, not 1000000"),
        ({"minExp": 1_774_684_800}, "minExp must be from 0 to 10000, not 1774684800"),  # seconds
        ({"minExp": 10**15}, "minExp must be from 0 to 10000000000000"),
        ({"dte": None}, "dte must be a number, not None"),
        ({"dte": "next", "dte_max": 3}, "stands alone"),
        ({"symbol": "28MAR26", "target": "near"}, "stands alone"),
        ({"symbol": "28MRA26"}, "must be a day such as '28MAR26', not '28MRA26'"),
        ({"symbol": "31FEB26"}, "not '31FEB26'"),
        ({"symbol": "2026-03-28"}, "not '2026-03-28'"),
        ({"dte_min": 1, "minExp": 1}, "one start and one end, not dte_min, minExp"),
        ({"dte_max": 1, "max_days": 1}, "one start and one end"),
        ({"dte_min": 9, "dte_max": 3}, "dte_min 9 is after dte_max 3"),
        ({"dte_min": "soon"}, "'soon' is not a number"),
        ({"minExp": datetime(2026, 3, 28)}, "minExp must be an aware datetime"),  # noqa: DTZ001 - the mistake under test
        ({"minExp": 1_774_684_800_000, "maxExp": 1_774_598_400_000}, "is after maxExp"),
        ({"target": "nearest"}, "target 'nearest' is not known (did you mean 'near'?); allowed: near, far, mid"),
        ("next", "expiry_criteria must be a dict, not 'next'"),
    ],
)
def test_a_wrong_word_in_an_expiry_wish_is_told(expiry: Criteria | str, words: str) -> None:
    assert words in problem_of(expiry=expiry)


def test_a_window_may_start_in_days_and_end_at_a_moment() -> None:
    end = datetime.fromisoformat("2026-03-28T08:00:00+00:00")

    assert a_leg(expiry={"minExp": 2, "maxExp": end}).expiry_criteria == ExpiryWindow(Decimal(2), end)
    assert a_leg(expiry={"minExp": end - timedelta(1), "maxExp": end}).expiry_criteria == ExpiryWindow(end - timedelta(1), end)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"option_type": "c"}, "option_type 'c' is not known; allowed: C, P"),
        ({"option_type": None}, "option_type 'None' is not known"),
        ({"side": 0}, "side must be 1 (buy) or 2 (sell), not 0"),
        ({"side": True}, "not True"),
        ({"side": "buy"}, "not 'buy'"),
        ({"qty": 0}, "qty must be above zero, not 0"),
        ({"qty": -0.1}, "qty must be above zero, not -0.1"),
        ({"qty": True}, "qty: True is not a number"),
        ({"underlying": ""}, "underlying must be a name such as 'BTC', not ''"),
        ({"underlying": 7}, "not 7"),
    ],
)
def test_every_other_wrong_word_is_told(wrong: dict[str, object], words: str) -> None:
    assert words in problem_of(**wrong)


# ---- constraints


def constraints_of(option_type: str = "P", **wishes: object) -> Constraints:
    rule = LegSpec.find(option_type=option_type, side=1, qty=1, **wishes).strike_criteria  # type: ignore[arg-type]
    assert isinstance(rule, Constraints)
    return rule


def test_a_leg_of_constraints_stays_readable() -> None:
    rule = constraints_of(strike={"below_atm": True, "min_distance_pct": 0.5}, delta={"min": -0.45, "max": -0.15}, rank_by="delta_mid")

    assert str(rule) == (
        "Constraints(strike=(('below_atm', True), ('min_distance_pct', Decimal('0.5'))), "
        "delta=(('min', -0.45), ('max', -0.15)), rank_by='delta_mid')"
    )


def test_constraints_may_be_written_as_a_strike_wish() -> None:
    wish = {"type": "constraints", "delta": {"min": -0.45, "max": -0.15}}

    assert a_leg("P", strike=wish).strike_criteria == constraints_of(delta={"min": -0.45, "max": -0.15})


def test_a_leg_found_by_constraints_takes_any_expiry_unless_said() -> None:
    assert LegSpec.find(option_type="P", side=1, qty=1).expiry_criteria == ExpiryWindow()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"min": 0.15, "max": 0.45}, {"min": -0.45, "max": -0.15}),
        ({"min": 0.15}, {"max": -0.15}),
        ({"max": 0.45}, {"min": -0.45}),
        ({"target": 0.3}, {"target": -0.3}),
        ({"min": -0.3, "max": 0}, {"min": -0.3, "max": 0.0}),
    ],
)
def test_a_put_s_deltas_mean_the_same_without_their_minus(written: Criteria, meant: dict[str, float]) -> None:
    assert dict(constraints_of(delta=written).delta) == meant


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"strike": {"below_amt": True}}, "strike constraint 'below_amt' is not known (did you mean 'below_atm'?)"),
        ({"strike": {"below_atm": 1}}, "below_atm must be True or False, not 1"),
        ({"strike": {"below_atm": True, "above_atm": True}}, "no strike is both"),
        ({"strike": {"min_strike": -1}}, "min_strike must be 0 or more"),
        ({"strike": {"min_strike": 2, "max_strike": 1}}, "min_strike 2 is above max_strike 1"),
        ({"strike": {"min_distance_pct": 2, "max_distance_pct": 1}}, "min_distance_pct 2 is above max_distance_pct 1"),
        ({"strike": "below_atm"}, "strike must be a dict"),
        ({"delta": {"mid": 0.2}}, "delta constraint 'mid' is not known (did you mean 'min'?); allowed: min, max, target"),
        ({"delta": {"min": -0.2, "max": -0.4}}, "min -0.2 is above max -0.4"),
        ({"delta": {"min": -0.2, "max": 0.2}}, "a put's below"),
        ({"delta": {"min": -45}}, "delta min must be from -1 to 1, not -45"),
        ({"delta": -0.3}, "delta must be a dict"),
        ({"rank_by": "delta_middle"}, "rank_by 'delta_middle' is not known (did you mean 'delta_mid'?)"),
        ({"rank_by": ""}, "rank_by '' is not known"),
        ({"rank_by": "delta_mid", "delta": {"min": -0.2}}, "rank_by 'delta_mid' needs delta min and max"),
        ({"rank_by": "delta_target", "delta": {"min": -0.2}}, "rank_by 'delta_target' needs delta target"),
    ],
)
def test_a_wrong_constraint_is_told(wishes: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        constraints_of("P", **wishes)

    assert words in str(refused.value)
