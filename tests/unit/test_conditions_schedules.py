"""Times of day, days of the week and crontab, where the calendar bites."""

from datetime import UTC, datetime, time, timedelta

import pytest

from conditions.schedules import CronSchedule, in_daily_window, next_time_of_day, weekday_of

from tests.unit.condition_builders import NOON


@pytest.mark.parametrize(
    ("after", "due"),
    [
        (NOON.replace(hour=20), NOON.replace(hour=19) + timedelta(days=1)),
        (NOON.replace(hour=18), NOON.replace(hour=19)),
        (NOON.replace(hour=19), NOON.replace(hour=19) + timedelta(days=1)),
        (datetime(2026, 12, 31, 23, tzinfo=UTC), datetime(2027, 1, 1, 19, tzinfo=UTC)),
    ],
)
def test_the_next_time_of_day_lies_strictly_ahead(after: datetime, due: datetime) -> None:
    assert next_time_of_day(after, time(19)) == due


@pytest.mark.parametrize(
    ("name", "short"),
    [("mon", "mon"), (" Sunday ", "sun"), ("WED", "wed"), ("tues", None), ("monkey", None), ("", None), ("xyz", None)],
)
def test_a_weekday_is_known_by_its_short_and_its_whole_name_only(name: str, short: str | None) -> None:
    assert weekday_of(name) == short


@pytest.mark.parametrize(
    ("field", "days"),
    [
        ("0", "sun"),
        ("7", "sun"),
        ("1-5", "mon tue wed thu fri"),
        ("mon-fri", "mon tue wed thu fri"),
        ("fri-mon", "fri sat sun mon"),
        ("5-7", "fri sat sun"),
        ("*/2", "sun tue thu sat"),
        ("1-5/2", "mon wed fri"),
        ("sat,sun", "sat sun"),
        ("*", "sun mon tue wed thu fri sat"),
    ],
)
def test_weekdays_of_a_schedule_count_as_crontab_counts_them(field: str, days: str) -> None:
    schedule = CronSchedule.parse(f"0 8 * * {field}")
    week = [datetime(2026, 3, 15, 8, tzinfo=UTC) + timedelta(days=n) for n in range(7)]  # from a Sunday on

    fired = {f"{day:%a}".lower() for day in week if schedule.next_from(day) == day}

    assert fired == set(days.split())


@pytest.mark.parametrize("field", ["8", "xyz", "mon-xyz", "1/2", "1-", "mon-fri/0", "1,,2"])
def test_a_weekday_that_crontab_does_not_know_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match=r"weekday|step"):
        CronSchedule.parse(f"0 8 * * {field}")


def test_the_last_day_of_the_month_can_be_named() -> None:
    assert CronSchedule.parse("0 8 last * *").next_from(NOON) == datetime(2026, 3, 31, 8, tzinfo=UTC)


def test_a_schedule_fires_within_a_span_whose_start_is_left_out() -> None:
    schedule, eight = CronSchedule.parse("0 8 * * *"), NOON.replace(hour=8)
    minute = timedelta(minutes=1)

    assert schedule.fired_within(minute, eight) == eight
    assert schedule.fired_within(minute, eight + minute - timedelta(microseconds=1)) == eight
    assert schedule.fired_within(minute, eight + minute) is None
    assert schedule.fired_within(minute, eight - timedelta(microseconds=1)) is None


def test_a_schedule_that_has_run_out_fires_no_more() -> None:
    class Over:
        def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
            return None

    assert CronSchedule("once", Over()).fired_within(timedelta(days=1), NOON) is None


def test_a_window_from_midnight_to_midnight_is_all_day() -> None:
    assert in_daily_window(NOON, time(0), time(0))
