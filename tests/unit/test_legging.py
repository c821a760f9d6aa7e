"""How far each leg of a structure may go while only a part of it is filled, whether it stands apart, and when that is too much."""

from dataclasses import replace
from decimal import Decimal

import pytest

from domain import ZERO, LeggingPolicy, OptionType, Purpose, Side
from events import LegPlan
from execution import Scene
from legging import apart, executable, followers, loss_pct, room, to_parity, too_much, uncovered
from trade_lifecycle import TradeLifecycle

from tests.fakes import EXPIRY, a_plan, a_quote, a_trade, an_account, an_option

D = Decimal
C65, C70, C75 = an_option(65000), an_option(70000), an_option(75000)
P55, P60 = an_option(55000, OptionType.PUT), an_option(60000, OptionType.PUT)
BUY, SELL = Side.BUY, Side.SELL
VERTICAL = (a_plan(C70, SELL, "0.1"), a_plan(C75, BUY, "0.1"))
CONDOR = (a_plan(P55, BUY, "0.1"), a_plan(P60, SELL, "0.1"), a_plan(C70, SELL, "0.1"), a_plan(C75, BUY, "0.1"))
BUTTERFLY = (a_plan(C65, BUY, "0.03"), a_plan(C70, SELL, "0.06"), a_plan(C75, BUY, "0.03"))
STRANGLE = (a_plan(P60, SELL, "0.1"), a_plan(C70, SELL, "0.1"))
BACKSPREAD = (a_plan(C65, SELL, "0.05"), a_plan(C70, BUY, "0.1"))


def holding(legs: tuple[LegPlan, ...], opened: str, closed: str = "", *, bought_first: bool = True) -> TradeLifecycle:
    """Return a trade whose legs have opened and closed so many coins."""
    trade = a_trade(*legs)
    policy = replace(trade.params.legging, bought_first=bought_first)
    had = [D(each) for each in opened.split()]
    gone = [D(each) for each in closed.split()] or [ZERO] * len(legs)
    return replace(
        trade,
        state=trade.state.OPENING,
        params=replace(trade.params, legging=policy),
        legs=tuple(replace(leg, opened=o, closed=c) for leg, o, c in zip(trade.legs, had, gone, strict=True)),
    )


def coins(values: str) -> tuple[Decimal, ...]:
    return tuple(D(each) for each in values.split())


@pytest.mark.parametrize(
    ("legs", "opened", "free"),
    [
        (VERTICAL, "0 0", "0 0.1"),
        (VERTICAL, "0 0.04", "0.04 0.06"),
        (VERTICAL, "0.04 0.04", "0 0.06"),
        (VERTICAL, "0.1 0.1", "0 0"),
        (CONDOR, "0.1 0 0 0", "0 0 0 0.1"),  # the put wing alone frees nothing: a condor that is never finished must not be half sold
        (CONDOR, "0.1 0 0 0.03", "0 0.03 0.03 0.07"),
        (BUTTERFLY, "0.02 0 0.01", "0.01 0.02 0.02"),
        (BACKSPREAD, "0 0.05", "0.02 0.05"),  # 0.025 is covered: whole lots, never above
        (STRANGLE, "0 0", "0.1 0.1"),  # nothing is bought: nothing goes first
    ],
)
def test_l12_sold_legs_are_opened_only_as_far_as_bought_legs_have_filled(legs: tuple[LegPlan, ...], opened: str, free: str) -> None:
    assert room(holding(legs, opened), Purpose.OPEN) == coins(free)


@pytest.mark.parametrize(
    ("legs", "closed", "free"),
    [
        (VERTICAL, "0 0", "0.1 0"),
        (VERTICAL, "0.04 0", "0.06 0.04"),
        (VERTICAL, "0.1 0.03", "0 0.07"),
        (CONDOR, "0 0.1 0 0", "0.1 0 0.1 0"),  # the puts are back: the put wing is free, the call wing is not
        (BUTTERFLY, "0 0.03 0", "0.01 0.03 0.01"),  # 0.03 sold is covered by 0.015 of each wing: two lots stay
        (STRANGLE, "0 0.1", "0.1 0"),
    ],
)
@pytest.mark.parametrize("purpose", [Purpose.CLOSE, Purpose.UNWIND])
def test_l12_bought_legs_are_given_back_only_as_far_as_sold_legs_are(
    legs: tuple[LegPlan, ...], closed: str, free: str, purpose: Purpose
) -> None:
    whole = " ".join(str(leg.qty) for leg in legs)
    assert room(holding(legs, whole, closed), purpose) == coins(free)


def test_a_policy_that_does_not_ask_for_cover_first_leaves_every_leg_its_room() -> None:
    assert room(holding(VERTICAL, "0 0", bought_first=False), Purpose.OPEN) == coins("0.1 0.1")
    assert room(holding(VERTICAL, "0.1 0.1", bought_first=False), Purpose.CLOSE) == coins("0.1 0.1")
    assert followers(holding(VERTICAL, "0 0", bought_first=False), Purpose.OPEN) == (False, False)


def test_dust_that_cannot_be_bought_back_does_not_hold_the_cover_for_ever() -> None:
    assert room(holding(VERTICAL, "0.1 0.1", "0.095 0"), Purpose.CLOSE) == coins("0.005 0.1")


def test_legs_that_wait_for_others_are_known() -> None:
    assert followers(holding(CONDOR, "0 0 0 0"), Purpose.OPEN) == (False, True, True, False)
    assert followers(holding(CONDOR, "0 0 0 0"), Purpose.CLOSE) == (True, False, False, True)
    assert followers(holding(STRANGLE, "0 0"), Purpose.OPEN) == (False, False)
    assert followers(holding((a_plan(P55, BUY), a_plan(C70, SELL)), "0 0"), Purpose.CLOSE) == (False, False)


@pytest.mark.parametrize(
    ("legs", "held", "bare"),
    [
        (VERTICAL, "0.1 0.04", "0.06 0"),
        (VERTICAL, "0.04 0.1", "0 0"),
        (CONDOR, "0.1 0 0.1 0", "0 0 0.1 0"),  # puts do not cover calls
        (BUTTERFLY, "0.03 0.06 0.01", "0 0.04 0"),  # the shorter wing counts
        (BACKSPREAD, "0.01 0.01", "0.005 0"),
        (STRANGLE, "0.1 0", "0 0"),  # naked by its own design
        (VERTICAL, "0.05 -0.01", "0.05 0"),
    ],
)
def test_what_is_uncovered_is_counted_by_type_and_ratio(legs: tuple[LegPlan, ...], held: str, bare: str) -> None:
    assert uncovered(holding(legs, held)) == coins(bare)


@pytest.mark.parametrize(
    ("legs", "held", "stands_apart"),
    [
        (VERTICAL, "0 0", False),
        (VERTICAL, "0.05 0.05", False),
        (VERTICAL, "0.05 0.06", True),
        (STRANGLE, "0.1 0", True),
        (BUTTERFLY, "0.02 0.04 0.02", False),  # two thirds: shares that no Decimal holds
        (BUTTERFLY, "0.02 0.05 0.02", True),
        (BUTTERFLY, "0.03 0.04 0.02", True),
        (BUTTERFLY, "0.01 0.01 0.01", False),
        (BACKSPREAD, "0.01 0.01", True),  # half a lot sold is bare, and a whole lot of cover is missing
        (BACKSPREAD, "0.02 0.05", True),
        (BACKSPREAD, "0.02 0.04", False),
        ((a_plan(C70, SELL, "0.1"),), "0.05", False),  # a single leg cannot stand apart
    ],
)
def test_a_structure_stands_apart_by_a_lot_or_by_anything_uncovered(legs: tuple[LegPlan, ...], held: str, stands_apart: bool) -> None:
    assert apart(holding(legs, held)) is stands_apart


@pytest.mark.parametrize(
    ("legs", "opened", "lacking"),
    [
        (VERTICAL, "0.04 0", "0 0.04"),
        (BUTTERFLY, "0.02 0 0", "0 0.04 0.02"),
        (BUTTERFLY, "0.01 0.04 0.01", "0.01 0 0.01"),
        (BACKSPREAD, "0 0.05", "0.03 0"),
        (VERTICAL, "0.1 0.1", "0 0"),
    ],
)
def test_what_brings_a_structure_together_is_whole_lots_and_no_more(legs: tuple[LegPlan, ...], opened: str, lacking: str) -> None:
    assert to_parity(holding(legs, opened)) == coins(lacking)


def test_a_loss_is_counted_by_mark_in_per_cent_of_the_largest_leg_s_notional() -> None:
    trade = holding((a_plan(C70, SELL, "1"),), "1")
    trade = replace(trade, legs=(replace(trade.legs[0], open_value=D(100), fees=D(2)),))
    assert loss_pct(trade, an_account(a_quote(C70, mark="748"))) == 1  # 100 - 2 - 748 of 65000
    assert loss_pct(trade, an_account(a_quote(C70, mark="33"))) == D("-0.1")
    assert loss_pct(trade, an_account()) is None
    assert loss_pct(trade, an_account(a_quote(C70, mark=None))) is None
    assert loss_pct(trade, an_account(replace(a_quote(C70), underlying_price=ZERO))) is None


def test_too_long_or_too_great_a_loss_is_too_much_and_says_which() -> None:
    policy = LeggingPolicy(max_seconds=60, max_loss_pct=1)
    assert not too_much(policy, 59.9, D("0.99")).ok
    assert too_much(policy, 60, None).reason == "half filled for 60 s, at most 60"
    assert too_much(policy, 0, D(1)).reason == "half filled at a loss of 1.00 % of its notional, at most 1"
    assert not too_much(LeggingPolicy(max_seconds=60, max_loss_pct=None), 59, D(50)).ok
    assert not too_much(policy, 59, None).ok


def test_a_leg_without_a_price_on_its_side_is_not_executable() -> None:
    trade = holding(STRANGLE, "0 0")
    both = an_account(a_quote(P60), a_quote(C70, bid="0.5"))
    assert executable(Scene(account=both, trade=trade, purpose=Purpose.OPEN, books={})).ok
    one = an_account(a_quote(P60), a_quote(C70, bid=None))
    verdict = executable(Scene(account=one, trade=trade, purpose=Purpose.OPEN, books={}))
    assert not verdict.ok
    assert verdict.reason == f"{C70.symbol} cannot be traded on the book in that size"


def test_a_calendar_is_covered_by_its_later_leg() -> None:
    later = an_option(70000, expiry=EXPIRY.replace(month=4))
    assert uncovered(holding((a_plan(C70, SELL, "0.1"), a_plan(later, BUY, "0.1")), "0.1 0.02")) == coins("0.08 0")
