"""Combinators with three answers, spreads, users' own functions, and what a condition is known by."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest

from conditions import (
    Condition,
    all_of,
    any_of,
    at_least,
    fingerprint,
    label_of,
    max_account_delta,
    max_hold_hours,
    min_equity,
    needs_legs,
    not_,
    profit_target,
    spread_below,
    takes,
    time_window,
    verdict_of,
)
from domain import AccountSnapshot, ExitCondition, OptionType, TradeView, Verdict
from errors import ConfigError, DataNotFresh

from tests.unit.condition_builders import NOON, FakeLeg, a_quote, a_trade, an_account, an_option, an_unknown_account


def yes(account: AccountSnapshot, trade: TradeView) -> bool:
    return True


def no(account: AccountSnapshot, trade: TradeView) -> Verdict:
    return Verdict(False, "nothing of the kind")


def dunno(account: AccountSnapshot, trade: TradeView) -> bool:
    raise DataNotFresh("test", "dunno", "cannot see")


def answer(condition: ExitCondition) -> bool | None:
    try:
        return verdict_of(condition, an_account(), a_trade()).ok
    except DataNotFresh:
        return None


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (all_of(yes, yes), True),
        (all_of(yes, no), False),
        (all_of(dunno, no), False),
        (all_of(yes, dunno), None),
        (any_of(no, yes), True),
        (any_of(dunno, yes), True),
        (any_of(no, no), False),
        (any_of(no, dunno), None),
        (at_least(2, yes, no, yes), True),
        (at_least(2, yes, no, no), False),
        (at_least(2, yes, dunno, no), None),
        (at_least(2, dunno, no, no), False),
        (not_(yes), False),
        (not_(no), True),
        (not_(dunno), None),
        (all_of(any_of(no, yes), not_(no)), True),
    ],
    ids=str,
)
def test_a_part_that_cannot_tell_matters_only_where_the_others_leave_the_matter_open(
    condition: ExitCondition, expected: bool | None
) -> None:
    assert answer(condition) is expected


def test_l39_the_negation_of_a_question_about_an_unknown_account_does_not_pass() -> None:
    crowded = not_(min_equity(1_000_000))

    assert crowded(an_account())
    assert not crowded(an_unknown_account())
    assert "unknown" in any_of(crowded, not_(max_account_delta(0)))(an_unknown_account()).reason


def test_reasons_name_the_parts_that_decided() -> None:
    assert all_of(yes, no)(an_account(), a_trade()).reason == "no: nothing of the kind"
    assert any_of(yes, no)(an_account(), a_trade()).reason == "yes: yes says yes"
    with pytest.raises(DataNotFresh) as error:
        all_of(yes, dunno)(an_account(), a_trade())
    assert error.value.reason == "dunno: cannot see"


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (all_of, "all_of: give at least one condition"),
        (lambda: at_least(1), "at_least: give at least one condition"),
        (lambda: at_least(3, yes, no), "at_least: n must be a whole number from 1 to 2, not 3"),
        (lambda: any_of(yes, True), "any_of: True is no condition"),  # type: ignore[arg-type]
        (lambda: not_(None), "not_: None is no condition"),  # type: ignore[arg-type]
        (lambda: spread_below(0), "spread_below: pct must be above zero, not 0"),
    ],
)
def test_a_combinator_of_nothing_is_refused(make: Callable[[], object], complaint: str) -> None:
    with pytest.raises(ConfigError) as error:
        make()

    assert complaint in str(error.value)


def test_a_spread_is_of_the_legs_about_to_be_traded() -> None:
    narrow, wide = a_quote(), a_quote(an_option(90_000), bid="80", ask="120")

    assert spread_below(10)(an_account(proposal=(narrow,)))
    verdict = spread_below(10)(an_account(proposal=(narrow, wide)))
    assert (verdict.ok, verdict.reason) == (False, "widest spread 40.0 % of mid (BTCUSD-25MAR26-90000-C), limit 10 %")


@pytest.mark.parametrize("proposal", [None, ()])
def test_legs_that_are_not_found_have_no_spread(proposal: tuple[()] | None) -> None:
    assert spread_below(10)(an_account(proposal=proposal)).reason == "unknown: the legs are not found yet"


@pytest.mark.parametrize(("bid", "ask"), [(None, "105"), ("95", None), ("0", "0")])
def test_a_market_without_two_sides_has_no_narrow_spread(bid: str | None, ask: str | None) -> None:
    verdict = spread_below(1000)(an_account(proposal=(a_quote(bid=bid, ask=ask),)))

    assert (verdict.ok, verdict.reason) == (False, "BTCUSD-25MAR26-100000-C has no two-sided market")


def test_a_bid_of_zero_is_a_price() -> None:
    assert spread_below(200)(an_account(proposal=(a_quote(bid="0", ask="5"),)))


def test_l42_the_spread_of_a_held_structure_guards_its_exit() -> None:
    call, put = an_option(), an_option(90_000, OptionType.PUT)
    sane = all_of(profit_target(50), spread_below(11))
    quotes = {call.symbol: a_quote(call), put.symbol: a_quote(put)}
    inflated = {**quotes, put.symbol: a_quote(put, bid="50", ask="150")}

    assert sane(an_account(quotes=quotes), a_trade("60"))
    assert not sane(an_account(quotes=inflated), a_trade("60"))


def test_l46_the_spread_of_a_leg_without_a_quote_cannot_be_judged() -> None:
    with pytest.raises(DataNotFresh, match="no quote for BTCUSD-25MAR26-100000-C"):
        spread_below(10)(an_account(), a_trade(legs=(FakeLeg(an_option()),)))
    with pytest.raises(DataNotFresh, match="nothing is held"):
        spread_below(10)(an_account(), a_trade(legs=()))


def test_a_leg_that_is_held_no_more_needs_no_quote() -> None:
    call, put = an_option(), an_option(90_000, OptionType.PUT)
    trade = a_trade(legs=(FakeLeg(call), FakeLeg(put, held=Decimal(0))))

    assert spread_below(10)(an_account(quotes={call.symbol: a_quote(call)}), trade)


def test_whatever_contains_a_question_about_the_legs_is_one() -> None:
    assert needs_legs(spread_below(10))
    assert needs_legs(not_(all_of(time_window(8, 20), spread_below(10))))
    assert not needs_legs(any_of(time_window(8, 20), min_equity(1)))
    assert not needs_legs(lambda account: True)


def test_a_function_of_the_users_own_may_answer_with_a_bool_or_a_verdict() -> None:
    assert verdict_of(yes, an_account(), a_trade()) == Verdict(True, "yes says yes")
    assert verdict_of(no, an_account(), a_trade()) == Verdict(False, "nothing of the kind")
    assert verdict_of(lambda account: Verdict(True), an_account()).reason.startswith("lambda at test_conditions_combined.py:")


@pytest.mark.parametrize("wrong", [None, 1, "yes", 0.0])
def test_any_other_answer_is_an_error_that_names_the_function(wrong: object) -> None:
    def careless(account: AccountSnapshot) -> object:
        return wrong

    with pytest.raises(TypeError, match=r"careless answered .*; a condition returns a Verdict, True or False"):
        verdict_of(careless, an_account())  # type: ignore[arg-type]


class Armed:
    def __call__(self, account: AccountSnapshot, trade: TradeView) -> bool:
        return True


def test_a_condition_is_known_by_a_name() -> None:
    assert label_of(all_of(time_window(8, 20), min_equity(1))) == "all_of(time_window(8, 20), min_equity(1))"
    assert label_of(at_least(1, yes, no)) == "at_least(1, yes, no)"
    assert label_of(partial(yes)) == "yes"
    assert label_of(Armed()) == "Armed"
    assert label_of(lambda: True).startswith("lambda at test_conditions_combined.py:")


@pytest.mark.parametrize(
    ("condition", "entry", "leaves"),
    [
        (time_window(8, 20), True, False),
        (profit_target(50), False, True),
        (spread_below(10), True, True),
        (all_of(time_window(8, 20), spread_below(10)), True, False),
        (not_(max_hold_hours(1)), False, True),
        (yes, False, True),
        (Armed(), False, True),
        (min, False, False),  # a builtin that does not say what it takes
    ],
    ids=["time_window", "profit_target", "spread_below", "all_of", "not_", "function", "object", "builtin"],
)
def test_an_entry_condition_is_told_from_an_exit_condition(condition: Callable[..., object], entry: bool, leaves: bool) -> None:
    assert (takes(condition, 1), takes(condition, 2)) == (entry, leaves)


def limited(to: object) -> Callable[[AccountSnapshot], bool]:
    return lambda account: account.equity == to


def test_l31_a_condition_is_the_same_across_restarts_and_another_once_its_meaning_changes() -> None:
    def early(account: AccountSnapshot, hour: int = 8) -> bool:
        return account.now.hour in {7, hour}

    late: Callable[[AccountSnapshot], bool] = eval("lambda account, hour=9: account.now.hour in {7, hour}")

    assert fingerprint(limited(5)) == fingerprint(limited(5))
    assert fingerprint(limited(5)) != fingerprint(limited(6))
    assert fingerprint(limited([timedelta(1), {2, 3}])) == fingerprint(limited([timedelta(1), {3, 2}]))
    assert fingerprint(limited(Armed())) == fingerprint(limited(Armed()))
    assert fingerprint(limited(yes)) != fingerprint(limited(no))
    assert fingerprint(limited(object())) == fingerprint(limited(object()))
    assert fingerprint(early) != fingerprint(late)
    assert fingerprint(partial(limited, 1)) != fingerprint(partial(limited, 2))
    assert fingerprint(all_of(limited(5))) != fingerprint(all_of(limited(6)))
    assert fingerprint(profit_target(50)) == "profit_target(50)"


def test_a_condition_shows_its_label() -> None:
    condition = Condition("calm", lambda account: Verdict(True, "calm"))

    assert (repr(condition), condition.__name__) == ("calm", "calm")
    assert condition(account=an_account(NOON)).ok  # asked by keyword


# ---- what cannot wait


def stop(account: AccountSnapshot, trade: TradeView) -> Verdict:
    return Verdict(True, "loss 9", urgent=True)


def calm(account: AccountSnapshot, trade: TradeView) -> Verdict:
    return Verdict(False, "loss 1", urgent=True)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (any_of(yes, stop), (True, True)),
        (any_of(stop, no), (True, True)),
        (any_of(yes, calm), (True, False)),  # what is not met hurries nothing
        (any_of(dunno, stop), (True, True)),
        (any_of(calm, no), (False, False)),
        (all_of(yes, stop), (True, True)),
        (all_of(yes, yes), (True, False)),
        (all_of(stop, no), (False, False)),
        (at_least(2, yes, stop, no), (True, True)),
        (at_least(2, yes, yes, calm), (True, False)),
        (all_of(yes, any_of(no, all_of(stop, yes))), (True, True)),
        (not_(no), (True, False)),
        (not_(calm), (True, False)),
    ],
    ids=str,
)
def test_combined_exits_pass_on_what_cannot_wait(condition: ExitCondition, expected: tuple[bool, bool]) -> None:
    verdict = verdict_of(condition, an_account(), a_trade())

    assert (verdict.ok, verdict.urgent) == expected


def test_a_reason_that_is_added_keeps_the_urgency() -> None:
    verdict = verdict_of(lambda account, trade: Verdict(True, urgent=True), an_account(), a_trade())

    assert verdict.urgent
    assert verdict.reason
