"""Entry conditions: when they pass, what they say, and that unknown never passes."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal

import pytest

from conditions import (
    cron,
    max_account_delta,
    max_margin_utilization,
    min_available_margin_pct,
    min_equity,
    no_existing_position_in,
    time_window,
    utc_time_window,
    verdict_of,
    weekday_filter,
)
from domain import EntryCondition
from errors import ConfigError

from tests.unit.condition_builders import NOON, a_position, an_account, an_unknown_account


def at(hour: int, minute: int = 0, second: int = 0) -> datetime:
    return NOON.replace(hour=hour, minute=minute, second=second)


@pytest.mark.parametrize(
    ("window", "moment", "passes"),
    [
        ((8, 20), at(8), True),
        ((8, 20), at(19, 59, 59), True),
        ((8, 20), at(20), False),
        ((8, 20), at(7, 59, 59), False),
        ((20, 8), at(23), True),
        ((20, 8), at(7, 59), True),
        ((20, 8), at(8), False),
        ((0, 24), at(23, 59, 59), True),
        ((22, 24), at(23, 30), True),
        ((22, 24), at(0), False),
    ],
)
def test_a_time_window_holds_from_its_start_to_just_before_its_end(window: tuple[int, int], moment: datetime, passes: bool) -> None:
    assert time_window(*window)(an_account(moment)).ok is passes


def test_the_time_of_day_is_utc_wherever_the_moment_comes_from() -> None:
    tokyo = datetime(2026, 3, 18, 21, 0, tzinfo=timezone(timedelta(hours=9)))  # noon UTC

    assert time_window(12, 13)(an_account(tokyo))


@pytest.mark.parametrize(
    ("start", "end", "moment", "passes"),
    [
        (time(8, 30), time(9), at(8, 30), True),
        (time(8, 30), time(9), at(9), False),
        (time(23, 30), time(0, 15), at(0, 14), True),
        (time(23, 30), time(0, 15), at(12), False),
        (time(8, 30, tzinfo=UTC), time(9), at(8, 45), True),
        (at(8), at(9), at(8), True),
        (at(8), at(9), at(9), False),
        (at(8), at(9), at(8) + timedelta(days=1), False),
    ],
)
def test_a_utc_window_lies_between_two_times_of_each_day_or_two_moments(
    start: time | datetime, end: time | datetime, moment: datetime, passes: bool
) -> None:
    assert utc_time_window(start, end)(an_account(moment)).ok is passes


def test_a_weekday_filter_knows_short_and_whole_names() -> None:
    assert weekday_filter(["Wednesday", "FRI"])(an_account(NOON))
    refusal = weekday_filter(["mon", "fri"])(an_account(NOON))
    assert (refusal.ok, refusal.reason) == (False, "wed is not among mon, fri")


def test_margin_of_equity_is_measured_in_per_cent() -> None:
    verdict = min_available_margin_pct(30)(an_account(available_margin=Decimal(2_999)))

    assert (verdict.ok, verdict.reason) == (False, "available margin 30.0 % of equity, wanted 30 %")
    assert min_available_margin_pct(30)(an_account(available_margin=Decimal(3_000)))
    assert max_margin_utilization(40)(an_account())
    assert not max_margin_utilization(39.9)(an_account())


def test_equity_of_exactly_the_floor_is_enough() -> None:
    assert min_equity(10_000)(an_account())
    assert not min_equity("10000.01")(an_account())


@pytest.mark.parametrize(("delta", "passes"), [(0.5, True), (-0.5, True), (0.51, False), (-0.51, False)])
def test_account_delta_is_bounded_in_both_directions(delta: float, passes: bool) -> None:
    assert max_account_delta(0.5)(an_account(positions=(a_position(delta=delta),))).ok is passes


def test_a_position_of_zero_coins_is_no_position() -> None:
    condition = no_existing_position_in(["BTCUSD-25MAR26-100000-C"])

    assert condition(an_account(positions=(a_position(qty="0"),)))
    assert condition(an_account(positions=(a_position("BTCUSD-25MAR26-90000-P"),)))
    assert "+0.2 BTCUSD-25MAR26-100000-C" in condition(an_account(positions=(a_position(),))).reason


ACCOUNT_QUESTIONS = [
    min_available_margin_pct(0),
    max_margin_utilization(100),
    min_equity(0),
    max_account_delta(1000),
    no_existing_position_in(["X"]),
]


@pytest.mark.parametrize("condition", ACCOUNT_QUESTIONS, ids=str)
def test_l39_an_account_that_is_not_known_passes_no_question_about_it(condition: EntryCondition) -> None:
    verdict = verdict_of(condition, an_unknown_account())

    assert not verdict.ok
    assert verdict.reason == "unknown: the account is not known (the venue does not answer)"


@pytest.mark.parametrize("condition", ACCOUNT_QUESTIONS[:3], ids=str)
def test_l39_a_number_that_is_missing_from_a_valid_account_is_not_zero(condition: EntryCondition) -> None:
    verdict = verdict_of(condition, an_account(equity=None, available_margin=None, initial_margin=None))

    assert (verdict.ok, verdict.reason) == (False, "unknown: equity is not known")


def test_l39_missing_margin_and_worthless_accounts_do_not_pass() -> None:
    assert min_available_margin_pct(0)(an_account(available_margin=None)).reason == "unknown: available margin is not known"
    assert not min_available_margin_pct(0)(an_account(equity=Decimal(0)))
    assert not max_margin_utilization(100)(an_account(equity=Decimal(-5)))
    assert not max_account_delta(1000)(an_account(positions=(a_position(delta=float("nan")),)))


@pytest.mark.parametrize(
    ("moment", "passes"),
    [(at(8), True), (at(8, 0, 59), True), (at(8, 1), False), (at(7, 59, 59), False), (at(8, 30), True), (at(9), False)],
)
def test_cron_passes_during_the_minutes_it_names(moment: datetime, passes: bool) -> None:
    assert cron("0,30 8 * * mon-thu")(an_account(moment)).ok is passes


def test_cron_says_when_it_passes_next() -> None:
    verdict = cron("0 8 * * fri")(an_account(NOON))

    assert verdict.reason == "next at 2026-03-20 08:00 UTC"


def test_cron_within_a_longer_span_is_not_missed_by_a_slow_look() -> None:
    condition = cron("0 8 * * *", within=timedelta(minutes=10))

    assert condition(an_account(at(8, 9, 59)))
    assert not condition(an_account(at(8, 10)))
    assert condition.lasts == timedelta(minutes=10)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: time_window(8, 8), "time_window: start_hour and end_hour are both 8; write (0, 24) for all day"),
        (lambda: time_window(24, 8), "time_window: start_hour must be a whole number from 0 to 23, not 24"),
        (lambda: time_window(True, 8), "time_window: start_hour must be a whole number from 0 to 23, not True"),
        (lambda: time_window(8, 20.5), "time_window: end_hour must be a whole number from 0 to 24, not 20.5"),  # type: ignore[arg-type]
        (lambda: utc_time_window(time(8), time(8)), "utc_time_window: start and end are both 08:00:00"),
        (lambda: utc_time_window(time(8), NOON), "utc_time_window: start and end must be two times in UTC"),
        (lambda: utc_time_window(time(8, tzinfo=timezone(timedelta(hours=1))), time(9)), "must be two times in UTC"),
        (lambda: utc_time_window(NOON, NOON), "utc_time_window: end 2026-03-18T12:00:00+00:00 must be after start"),
        (lambda: utc_time_window(datetime(2026, 1, 1), NOON), "utc_time_window: start must be a datetime with a time zone"),  # noqa: DTZ001
        (lambda: weekday_filter(["mon", "tues"]), "weekday_filter: days must be names out of mon, tue"),
        (lambda: weekday_filter("mon"), "weekday_filter: days must be a list with at least one text, not 'mon'"),
        (lambda: weekday_filter([]), "weekday_filter: days must be a list with at least one text, not []"),
        (lambda: no_existing_position_in(["", "X"]), "no_existing_position_in: symbols must be a list of texts"),
        (lambda: min_available_margin_pct(0.3), "min_available_margin_pct: pct=0.3 is below 1 %; write 30.0 for 30.0 %"),
        (lambda: max_margin_utilization(101), "max_margin_utilization: pct must be from 1 to 100 per cent, or 0, not 101"),
        (lambda: min_equity(float("nan")), "min_equity: usd must be a finite number, not nan"),
        (lambda: min_equity(True), "min_equity: usd must be a finite number, not True"),
        (lambda: min_equity(-1), "min_equity: usd must be zero or more, not -1"),
        (lambda: max_account_delta(None), "max_account_delta: limit must be a finite number, not None"),  # type: ignore[arg-type]
        (lambda: cron("0 8 * *"), "cron: expression '0 8 * *' cannot be read: five fields are wanted"),
        (lambda: cron("0 25 * * *"), "cron: expression '0 25 * * *' cannot be read"),
        (lambda: cron("0 8 1 * mon"), "'or' to crontab"),
        (lambda: cron("0 8 30 2 *"), "this never happens"),
        (lambda: cron(8), "cron: expression 8 cannot be read"),  # type: ignore[arg-type]
        (lambda: cron("0 8 * * *", within=0), "cron: within must be above zero, not 0"),
        (lambda: cron("0 8 * * *", within=timedelta(seconds=-1)), "cron: within must be zero or more"),
    ],
)
def test_a_wrong_argument_is_refused_where_it_is_written(make: Callable[[], object], complaint: str) -> None:
    with pytest.raises(ConfigError) as error:
        make()

    assert complaint in str(error.value)


def test_labels_read_as_they_were_written() -> None:
    conditions = [
        time_window(8, 20),
        utc_time_window(time(8, 30), time(9)),
        weekday_filter(["tue", "mon"]),
        cron("0 8 * * *"),
        cron("0 8 * * *", within=120),
        min_equity(500),
        no_existing_position_in(["X"]),
    ]

    assert [condition.label for condition in conditions] == [
        "time_window(8, 20)",
        "utc_time_window(08:30:00, 09:00:00)",
        "weekday_filter(['mon', 'tue'])",
        "cron(0 8 * * *)",
        "cron(0 8 * * *, within=120s)",
        "min_equity(500)",
        "no_existing_position_in(['X'])",
    ]
    assert all(condition.__name__ == condition.label == repr(condition) for condition in conditions)
