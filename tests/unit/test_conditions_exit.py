"""Exit conditions: when they are met, what they say, and that not knowing is neither met nor silent."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from conditions import (
    account_delta_limit,
    close_before_expiry,
    leg_greek_limit,
    max_hold_hours,
    max_loss,
    max_loss_pct,
    profit_target,
    profit_target_pct,
    structure_delta_limit,
    time_exit,
    trailing_profit,
    utc_datetime_exit,
    verdict_of,
)
from domain import Basis, ExitCondition, Greeks
from errors import ConfigError, DataNotFresh

from tests.unit.condition_builders import NOON, FakeLeg, a_position, a_trade, an_account, an_option, an_unknown_account

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("condition", "profit", "met"),
    [
        (profit_target(50), "50", True),
        (profit_target(50), "49.99", False),
        (profit_target(pct=0.5), "100", True),
        (profit_target(pct=0.5), "99.99", False),
        (profit_target_pct("0.5"), "100", True),
        (max_loss(100), "-100", True),
        (max_loss(100), "-99.99", False),
        (max_loss(100), "100", False),
        (max_loss(pct=0.25), "-50", True),
        (max_loss_pct(2), "-399", False),
        (max_loss_pct(2), "-400", True),
    ],
    ids=str,
)
def test_a_result_is_met_when_it_is_reached(condition: ExitCondition, profit: str, met: bool) -> None:
    assert verdict_of(condition, an_account(), a_trade(profit)).ok is met


def test_a_share_is_of_the_premium_whether_paid_or_received() -> None:
    received = a_trade("100", entry_cost=Decimal(-200))

    assert profit_target(pct=0.5)(an_account(), received)
    assert not profit_target(pct=0.51)(an_account(), received)


def test_a_result_says_its_numbers() -> None:
    assert profit_target(50)(an_account(), a_trade("12.5")).reason == "profit 12.50 USD of 50.00 USD (mark)"
    assert max_loss(pct=0.5)(an_account(), a_trade("-12.5")).reason == "loss 12.50 USD of 100.00 USD (mark)"


def test_l42_each_condition_chooses_what_a_structure_is_valued_at() -> None:
    wide_spread = a_trade("0", executable_profit=Decimal(-125))

    assert not max_loss(100)(an_account(), wide_spread)
    assert max_loss(100, basis="executable")(an_account(), wide_spread)
    assert not profit_target(1, basis=Basis.EXECUTABLE)(an_account(), a_trade("50"))


def test_l42_a_loss_counts_once_the_trade_was_held_for_long_enough() -> None:
    condition = max_loss(100, min_hold=60)

    early = condition(an_account(NOON + timedelta(seconds=59)), a_trade("-150"))
    assert (early.ok, early.reason) == (False, "loss 150.00 USD of 100.00 USD (mark), but held only 0:00:59 of 0:01:00")
    assert condition(an_account(NOON + timedelta(seconds=60)), a_trade("-150"))


def moments(condition: ExitCondition, *profits: str, step: timedelta = timedelta(seconds=1)) -> list[bool]:
    return [verdict_of(condition, an_account(NOON + n * step), a_trade(profit)).ok for n, profit in enumerate(profits, 1)]


def test_l42_a_loss_must_be_confirmed_in_a_row() -> None:
    assert moments(max_loss(100, confirmations=3), "-150", "-150", "-150", "-150") == [False, False, True, True]
    assert moments(max_loss(100, confirmations=3), "-150", "-150", "-50", "-150", "-150", "-150") == [False] * 5 + [True]


def test_l42_one_moment_looked_at_twice_confirms_once() -> None:
    assert moments(profit_target(10, confirmations=2), "50", "50", "50", step=timedelta(0)) == [False] * 3


def test_a_confirmation_says_how_far_it_is() -> None:
    verdict = profit_target(10, confirmations=2)(an_account(), a_trade("50"))

    assert verdict.reason == "profit 50.00 USD of 10.00 USD (mark), confirmed 1 of 2 times"


def test_l46_a_moment_that_cannot_be_judged_neither_confirms_nor_begins_anew() -> None:
    condition = max_loss(100, confirmations=2)

    assert not condition(an_account(NOON), a_trade("-150"))
    with pytest.raises(DataNotFresh):
        condition(an_account(NOON + timedelta(seconds=1)), a_trade(None))
    assert condition(an_account(NOON + timedelta(seconds=2)), a_trade("-150"))


def test_confirmations_of_one_trade_are_not_those_of_another() -> None:
    condition = profit_target(10, confirmations=2)
    other = a_trade("50", created_at=NOON - HOUR)

    assert not condition(an_account(NOON), a_trade("50"))
    assert not condition(an_account(NOON + timedelta(seconds=1)), other)
    assert condition(an_account(NOON + timedelta(seconds=2)), other)


def test_l37_confirmations_of_ended_trades_are_forgotten() -> None:
    condition = profit_target(10, confirmations=2)
    condition(an_account(NOON), a_trade("50"))

    condition(an_account(NOON + HOUR), a_trade("50", created_at=NOON + HOUR))  # another trade, an hour later

    assert not condition(an_account(NOON + HOUR), a_trade("50"))


UNJUDGED: list[tuple[ExitCondition, str]] = [
    (profit_target(50), "no price to value the structure at"),
    (max_loss(100, confirmations=2, min_hold=HOUR), "no price to value the structure at"),
    (trailing_profit(50, 10), "no price to value the structure at"),
    (structure_delta_limit(0.1), "the structure's delta is not known"),
    (leg_greek_limit("delta", 0.3), "delta of leg 1 is not known"),
    (account_delta_limit(1), "the account is not known (the venue does not answer)"),
]


@pytest.mark.parametrize(("condition", "reason"), UNJUDGED, ids=str)
def test_l46_an_exit_that_cannot_be_judged_raises_instead_of_saying_no(condition: ExitCondition, reason: str) -> None:
    blind = a_trade(None, greeks_by_leg=(Greeks(delta=0.1), None))

    with pytest.raises(DataNotFresh) as error:
        condition(an_unknown_account(), blind)

    assert error.value.reason == reason


def test_l46_a_share_of_nothing_cannot_be_judged() -> None:
    with pytest.raises(DataNotFresh, match="give usd"):
        profit_target(pct=0.5)(an_account(), a_trade("10", entry_cost=Decimal(0)))


def test_results_and_times_need_no_valid_account() -> None:
    later = an_unknown_account(NOON + 10 * 24 * HOUR)

    assert profit_target(50)(later, a_trade("60"))
    assert max_hold_hours(1)(later, a_trade(None))
    assert time_exit(12)(later, a_trade(None))
    assert utc_datetime_exit(NOON)(later, a_trade(None))
    assert close_before_expiry(1)(later, a_trade(None))


@pytest.mark.parametrize(
    ("peak", "profit", "met"),
    [
        (None, "60", False),
        ("49", "39", False),  # never reached its start
        ("50", "40", True),  # reached to the cent
        ("60", "50.01", False),
        ("60", "50", True),
        ("60", "-20", True),
        ("60", "70", False),  # a new peak
    ],
)
def test_a_trailing_profit_is_given_back_from_its_peak(peak: str | None, profit: str, met: bool) -> None:
    trade = a_trade(profit, peak_profit=None if peak is None else Decimal(peak))

    assert trailing_profit(50, 10)(an_account(), trade).ok is met


def test_a_trailing_profit_says_its_numbers() -> None:
    verdict = trailing_profit(50, 10)(an_account(), a_trade("40", peak_profit=Decimal(60)))

    assert verdict.reason == "profit 40.00 USD, highest 60.00 USD (from 50.00 USD on, may fall by 10.00 USD)"


def test_a_trade_is_held_from_its_opening() -> None:
    trade = a_trade(created_at=NOON - HOUR, opened_at=NOON)

    assert not max_hold_hours(1)(an_account(NOON + HOUR - timedelta(seconds=1)), trade)
    assert max_hold_hours(1)(an_account(NOON + HOUR), trade)


def test_a_trade_that_never_stood_whole_is_held_from_its_creation() -> None:
    trade = a_trade(created_at=NOON - HOUR, opened_at=None)

    assert max_hold_hours(1)(an_account(NOON), trade)


def test_l35_a_time_exit_waits_for_its_next_occurrence_after_opening() -> None:
    opened = NOON.replace(hour=20)
    trade, condition = a_trade(opened_at=opened), time_exit(19)

    assert not condition(an_account(opened), trade)
    assert not condition(an_account(opened.replace(hour=23)), trade)
    assert not condition(an_account(opened + 22 * HOUR), trade)
    assert condition(an_account(opened + 23 * HOUR), trade)
    assert condition(an_account(opened + 30 * HOUR), trade)  # missed while the program was down: still due


def test_a_datetime_exit_is_due_from_its_moment_on() -> None:
    assert not utc_datetime_exit(NOON)(an_account(NOON - timedelta(seconds=1)), a_trade())
    assert utc_datetime_exit(NOON)(an_account(NOON), a_trade())


def test_l33_the_earliest_expiry_among_the_legs_counts_and_comes_from_the_instrument() -> None:
    expiry = NOON + timedelta(days=3)
    calendar = a_trade(legs=(FakeLeg(an_option(expiry=NOON + timedelta(days=30))), FakeLeg(an_option(expiry=expiry))))

    assert not close_before_expiry(2)(an_account(expiry - 2 * HOUR - timedelta(seconds=1)), calendar)
    assert close_before_expiry(2)(an_account(expiry - 2 * HOUR), calendar)


@pytest.mark.parametrize(("delta", "met"), [(1.0, False), (-1.0, False), (1.01, True), (-1.01, True)])
def test_account_delta_is_limited_in_both_directions(delta: float, met: bool) -> None:
    assert account_delta_limit(1)(an_account(positions=(a_position(delta=delta),)), a_trade()).ok is met


def test_l46_an_account_delta_that_is_no_number_cannot_be_judged() -> None:
    with pytest.raises(DataNotFresh):
        account_delta_limit(1)(an_account(positions=(a_position(delta=float("nan")),)), a_trade())


def test_structure_delta_is_of_all_legs_together() -> None:
    trade = a_trade(greeks_by_leg=(Greeks(delta=0.5), Greeks(delta=-0.45)))

    assert not structure_delta_limit(0.1)(an_account(), trade)
    assert structure_delta_limit(0.04)(an_account(), trade)


@pytest.mark.parametrize(
    ("condition", "met"),
    [
        (leg_greek_limit("delta", 0.3), True),
        (leg_greek_limit("delta", 0.5), False),
        (leg_greek_limit("delta", 0.3, leg=0), False),
        (leg_greek_limit("delta", 0.3, leg=1), True),
        (leg_greek_limit("delta", -0.3, leg=1, op="<"), True),
        (leg_greek_limit("delta", -0.5, op="<="), False),
        (leg_greek_limit(1, "delta", "<", -0.3), True),
        (leg_greek_limit(1, "delta", ">", 0.3), False),
        (leg_greek_limit(0, "theta", ">=", -5), True),
        (leg_greek_limit(leg_index=1, greek="delta", op="<", value=-0.3), True),
        (leg_greek_limit(leg_index=0, greek="delta", op=">", value=0.3), False),
    ],
    ids=str,
)
def test_a_leg_greek_is_watched_in_every_form_in_which_it_was_ever_written(condition: ExitCondition, met: bool) -> None:
    trade = a_trade(greeks_by_leg=(Greeks(delta=0.2, theta=-5.0), Greeks(delta=-0.4)))

    assert verdict_of(condition, an_account(), trade).ok is met


def test_five_times_the_premium_is_the_most_that_a_share_can_be() -> None:
    assert max_loss(pct=5)(an_account(), a_trade("-1000"))


def test_one_leg_past_its_limit_is_enough_though_another_is_unknown() -> None:
    verdict = leg_greek_limit("delta", 0.3)(an_account(), a_trade(greeks_by_leg=(None, Greeks(delta=-0.4))))

    assert (verdict.ok, verdict.reason) == (True, "delta leg 1 -0.4000, limit 0.3")


def test_a_leg_that_the_trade_does_not_have_is_a_mistake_of_the_configuration() -> None:
    with pytest.raises(ConfigError, match="the trade has 2 legs, counted from 0"):
        leg_greek_limit("delta", 0.3, leg=2)(an_account(), a_trade())


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (profit_target, "profit_target: give either usd or pct, not neither"),
        (lambda: profit_target(50, pct=0.5), "profit_target: give either usd or pct, not both"),
        (lambda: profit_target(0), "profit_target: usd must be above zero, not 0"),
        (lambda: max_loss(-100), "max_loss: usd must be above zero, not -100"),
        (lambda: max_loss(float("nan")), "max_loss: usd must be a finite number, not nan"),
        (lambda: max_loss(True), "max_loss: usd must be a finite number, not True"),
        (lambda: profit_target("half"), "profit_target: usd must be a finite number, not 'half'"),
        (lambda: profit_target_pct(50), "profit_target: pct=50 is 5000 %; 0.5 is half and 5, the most, is 500 %, so write 0.5 for 50 %"),
        (lambda: max_loss_pct(5.1), "max_loss: pct=5.1 is 510.0 %; 0.5 is half and 5, the most, is 500 %"),
        (lambda: profit_target(pct=6), "profit_target: pct=6 is 600 %; 0.5 is half"),
        (lambda: max_loss(100, basis="mid"), "max_loss: basis must be 'mark' or 'executable', not 'mid'"),
        (lambda: max_loss(100, confirmations=0), "max_loss: confirmations must be a whole number from 1 to 1000, not 0"),
        (lambda: max_loss(100, min_hold=-1), "max_loss: min_hold must be zero or more, not -1"),
        (lambda: trailing_profit(0, 10), "trailing_profit: start must be above zero, not 0"),
        (lambda: trailing_profit(50, 0), "trailing_profit: giveback must be above zero, not 0"),
        (lambda: max_hold_hours(0), "max_hold_hours: hours must be above zero, not 0"),
        (lambda: time_exit(24), "time_exit: hour must be a whole number from 0 to 23, not 24"),
        (lambda: time_exit(19, 60), "time_exit: minute must be a whole number from 0 to 59, not 60"),
        (lambda: utc_datetime_exit(datetime(2026, 3, 28)), "utc_datetime_exit: dt must be a datetime with a time zone"),  # noqa: DTZ001
        (lambda: close_before_expiry(-1), "close_before_expiry: hours must be zero or more, not -1"),
        (lambda: structure_delta_limit(-0.1), "structure_delta_limit: limit must be zero or more, not -0.1"),
        (lambda: leg_greek_limit("speed", 1), "leg_greek_limit: greek must be one of delta, gamma, vega, theta, rho, not 'speed'"),
        (lambda: leg_greek_limit("delta", -0.3), "leg_greek_limit: limit must be zero or more, not -0.3"),
        (lambda: leg_greek_limit("delta", 0.3, op="="), "leg_greek_limit: op must be one of > >= < <=, not '='"),
        (lambda: leg_greek_limit(-1, "delta", ">", 1), "leg_greek_limit: leg must be a whole number from 0 to 99, not -1"),
        (lambda: leg_greek_limit("delta", 1, ">", 2), "give (greek, limit, leg=, op=) or (leg_index, greek, op, value)"),  # type: ignore[call-overload]
        (lambda: leg_greek_limit(leg_index=0, greek="delta"), "give (greek, limit, leg=, op=) or"),  # type: ignore[call-overload]
        (lambda: leg_greek_limit(leg_index=0, greek="delta", value=1, leg=1), "give (greek, limit, leg=, op=) or"),  # type: ignore[call-overload]
        (lambda: leg_greek_limit(0, "delta", ">", 0.3, leg=1), "give (greek, limit, leg=, op=) or"),  # type: ignore[call-overload]
    ],
)
def test_a_wrong_argument_is_refused_where_it_is_written(make: Callable[[], object], complaint: str) -> None:
    with pytest.raises(ConfigError) as error:
        make()

    assert complaint in str(error.value)


def test_labels_read_as_they_were_written_with_what_differs_from_the_defaults() -> None:
    conditions = [
        profit_target(50),
        profit_target_pct(0.5),
        max_loss(100, basis="executable", confirmations=3, min_hold=60),
        trailing_profit(50, 10),
        max_hold_hours(1),
        time_exit(19),
        close_before_expiry(24),
        leg_greek_limit(0, "delta", ">", 0.3),
    ]

    assert [condition.label for condition in conditions] == [
        "profit_target(50)",
        "profit_target(pct=0.5)",
        "max_loss(100, basis=executable, confirmations=3, min_hold=60s)",
        "trailing_profit(50, 10)",
        "max_hold_hours(1)",
        "time_exit(19:00)",
        "close_before_expiry(24)",
        "leg_greek_limit(delta, 0.3, leg=0, op=>)",
    ]


# ---- what cannot wait


@pytest.mark.parametrize(
    ("condition", "urgent"),
    [
        (max_loss(100), True),
        (max_loss_pct(0.5), True),
        (max_loss(100, min_hold=1), True),
        (max_hold_hours(1), False),
        (time_exit(13), False),
        (close_before_expiry(24 * 365), False),
        (utc_datetime_exit(NOON), False),
    ],
    ids=str,
)
def test_a_loss_cannot_wait_and_a_profit_or_a_clock_can(condition: ExitCondition, urgent: bool) -> None:
    verdict = verdict_of(condition, an_account(NOON + 2 * HOUR), a_trade("-150"))

    assert (verdict.ok, verdict.urgent) == (True, urgent)


def test_a_confirmed_loss_is_as_urgent_as_any_other() -> None:
    condition = max_loss(100, confirmations=2)
    condition(an_account(NOON), a_trade("-150"))

    assert verdict_of(condition, an_account(NOON + timedelta(seconds=1)), a_trade("-150")).urgent


@pytest.mark.parametrize("condition", [profit_target(10), profit_target_pct(0.05), trailing_profit(50, 10)], ids=str)
def test_a_profit_that_is_reached_or_given_back_can_wait(condition: ExitCondition) -> None:
    verdict = verdict_of(condition, an_account(), a_trade("20", peak_profit=Decimal(60)))

    assert (verdict.ok, verdict.urgent) == (True, False)


@pytest.mark.parametrize(
    "condition", [account_delta_limit(0.2), structure_delta_limit(0.2), leg_greek_limit("delta", 0.2), leg_greek_limit("vega", 1)], ids=str
)
def test_a_greek_beyond_its_limit_cannot_wait(condition: ExitCondition) -> None:
    trade = a_trade(greeks_by_leg=(Greeks(delta=0.5, vega=2), Greeks(delta=-0.1, vega=1)))

    verdict = verdict_of(condition, an_account(positions=(a_position(delta=0.5),)), trade)

    assert (verdict.ok, verdict.urgent) == (True, True), verdict.reason
