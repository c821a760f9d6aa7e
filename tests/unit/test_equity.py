"""The account's worth over time, from its marks: days, changes that add up, the deepest fall, and nothing invented."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from equity import EquityHistory, history_of, json_of, lines_of
from events import AccountMarked

from tests.fakes import a_created

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def a_mark(hours: float, equity: str, available: str | None = None) -> AccountMarked:
    """A mark so many hours after new year."""
    at = NEW_YEAR + timedelta(hours=hours)
    return AccountMarked(at=at, equity=Decimal(equity), available_margin=None if available is None else Decimal(available))


def history(*marks: tuple[float, str]) -> EquityHistory:
    """The history of marks at hours."""
    return history_of([a_mark(hours, equity) for hours, equity in marks])


THREE_DAYS = history((1, "1000"), (9, "1200.10"), (20, "900"), (25, "950"), (30, "1100.5"), (80, "1000.25"))


def test_each_day_has_its_first_high_low_and_last() -> None:
    first, second, fourth = THREE_DAYS.days

    assert (first.first, first.high, first.low, first.last) == (Decimal(1000), Decimal("1200.10"), Decimal(900), Decimal(900))
    assert (second.day, second.marks, second.high) == (date(2026, 1, 2), 2, Decimal("1100.5"))
    assert fourth.day == date(2026, 1, 4)


def test_a_day_without_a_mark_is_a_gap_and_its_change_belongs_to_the_next() -> None:
    assert [day.day.day for day in THREE_DAYS.days] == [1, 2, 4]
    assert [day.change for day in THREE_DAYS.days] == [Decimal(-100), Decimal("200.5"), Decimal("-100.25")]


def test_l67_each_day_begins_anew_at_midnight_utc() -> None:
    kept = history((23.999, "1000"), (24, "900"), (24.001, "950"))

    assert [(day.first, day.change) for day in kept.days] == [(Decimal(1000), Decimal(0)), (Decimal(900), Decimal(-50))]


def test_days_are_those_of_utc_wherever_the_mark_was_written() -> None:
    at = datetime(2026, 1, 2, 1, 30, tzinfo=timezone(timedelta(hours=5)))

    [day] = history_of([AccountMarked(at=at, equity=Decimal(1))]).days

    assert day.day == date(2026, 1, 1)


def test_the_deepest_fall_is_from_a_height_to_a_later_low() -> None:
    fall = THREE_DAYS.drawdown

    assert fall is not None
    assert (fall.amount, fall.peak, fall.low) == (Decimal("300.10"), Decimal("1200.10"), Decimal(900))
    assert (fall.peak_at, fall.low_at) == (NEW_YEAR + timedelta(hours=9), NEW_YEAR + timedelta(hours=20))
    assert fall.pct is not None
    assert round(fall.pct, 4) == Decimal("25.0062")


def test_an_account_that_only_rises_has_no_drawdown() -> None:
    assert history((1, "10"), (2, "10"), (3, "11")).drawdown is None


def test_a_fall_from_nothing_has_no_per_cent() -> None:
    fall = history((1, "0"), (2, "-5")).drawdown

    assert fall is not None
    assert (fall.amount, fall.pct) == (Decimal(5), None)


def test_no_mark_is_no_history_and_not_zero() -> None:
    empty = history_of([a_created()])

    assert empty == EquityHistory((), (), None)
    assert empty.change is None
    assert list(lines_of(empty, "here")) == ["equity history, here", "  the account has not been marked yet"]
    assert json.loads(json_of(empty, "here"))["change"] is None


def test_a_person_reads_days_change_and_drawdown() -> None:
    lines = list(lines_of(THREE_DAYS, "state in here"))

    assert lines[0] == "equity history, state in here"
    assert lines[1].split() == ["day", "(UTC)", "first", "high", "low", "last", "change", "marks"]
    assert lines[2].split() == ["2026-01-01", "1,000.00", "1,200.10", "900.00", "900.00", "-100.00", "3"]
    assert lines[3].split() == ["2026-01-02", "950.00", "1,100.50", "950.00", "1,100.50", "+200.50", "2"]
    assert lines[-2].startswith("  change    +0.25 USD from 2026-01-01 01:00:00 UTC to 2026-01-04 08:00:00 UTC")
    assert lines[-1].startswith("  drawdown  300.10 USD (25.01 %), from 1,200.10 at 2026-01-01 09:00:00 UTC to 900.00")
    assert list(lines_of(history((1, "5")), ""))[-1].startswith("  drawdown  none")


def test_a_program_reads_the_whole_curve_exactly() -> None:
    marks = [a_mark(1, "100000.12345678901234567890", "80000"), a_mark(2, "99999")]

    found = json.loads(json_of(history_of(marks), "state in here"))

    assert found["state"] == "state in here"
    assert found["curve"][0] == {
        "at": "2026-01-01T01:00:00Z",
        "equity": "100000.12345678901234567890",
        "available_margin": "80000",
        "unrealized": None,
    }
    assert found["drawdown"]["amount"] == "1.12345678901234567890"
    assert found["days"][0]["day"] == "2026-01-01"
    assert len(found["curve"]) == 2


def test_marks_that_come_out_of_order_are_put_in_order() -> None:
    assert history((5, "7"), (1, "3")).change == 4


MONEY = st.decimals(min_value=-1000, max_value=100000, places=4)


@given(st.lists(st.tuples(st.integers(0, 400), MONEY), min_size=1, max_size=40, unique_by=lambda mark: mark[0]))
def test_changes_add_up_and_the_drawdown_is_the_deepest_there_is(marks: Sequence[tuple[int, Decimal]]) -> None:
    kept = history_of([a_mark(hours, str(equity)) for hours, equity in marks])
    curve = [mark.equity for mark in kept.curve]

    assert sum((day.change for day in kept.days), Decimal(0)) == kept.change == curve[-1] - curve[0]
    assert sum(day.marks for day in kept.days) == len(curve)
    deepest = max(high - low for place, high in enumerate(curve) for low in curve[place:])
    assert (Decimal(0) if kept.drawdown is None else kept.drawdown.amount) == deepest
