"""Pure helpers of time: windows of the day, days of the week, the next time of day, crontab schedules. All of it UTC."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Protocol

from apscheduler.triggers.cron import CronTrigger

from clock import EPOCH

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# Standard crontab counts from Sunday and knows it twice; APScheduler 3 counts from Monday (its issue 286).
_CRONTAB_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_ITEM = re.compile(r"(?P<first>\*|[0-7]|[a-z]{3})(-(?P<last>[0-7]|[a-z]{3}))?(/(?P<step>[1-9]\d?))?")
_INSTANT = timedelta(microseconds=1)


def weekday_of(name: str) -> str | None:
    """Return the three letters of a weekday given short or whole, in any case; None for anything else."""
    short = name.strip().lower()[:3]
    whole = {"mon": "monday", "tue": "tuesday", "wed": "wednesday", "thu": "thursday", "fri": "friday", "sat": "saturday", "sun": "sunday"}
    return short if name.strip().lower() in (short, whole.get(short)) and short in WEEKDAYS else None


def in_daily_window(moment: datetime, start: time, end: time) -> bool:
    """Tell whether start <= time of day < end; a window whose end is not after its start crosses midnight (00:00 to 00:00 is all day)."""
    at = moment.astimezone(UTC).time()
    return start <= at < end if start < end else at >= start or at < end


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """The moments at which a condition of time passes: on some weekdays, between two times of each day, between two moments."""

    days: tuple[str, ...] = WEEKDAYS
    daily: tuple[time, time] = (time(0), time(0))
    once: tuple[datetime, datetime] | None = None

    def hold(self, moment: datetime) -> bool:
        """Tell whether the moment is one of them; a start belongs to it, an end does not."""
        during = self.once is None or self.once[0] <= moment < self.once[1]
        return during and WEEKDAYS[moment.astimezone(UTC).weekday()] in self.days and in_daily_window(moment, *self.daily)


def ever_together(hours: Sequence[Hours]) -> bool:
    """Tell whether there is a moment at which all pass.

    The first such moment is where one of them starts, or a midnight, within a week of the last of the moments that come once.
    """
    first = max((each.once[0].astimezone(UTC) for each in hours if each.once is not None), default=EPOCH)
    times = {time(0), *(each.daily[0] for each in hours)}
    starts = [datetime.combine(first.date() + timedelta(days=day), at, tzinfo=UTC) for day in range(8) for at in times]
    return any(all(each.hold(moment) for each in hours) for moment in (first, *starts))


def next_time_of_day(after: datetime, at: time) -> datetime:
    """Return the first moment strictly after `after` at which the UTC time of day is `at`."""
    today = datetime.combine(after.astimezone(UTC).date(), at, tzinfo=UTC)
    return today if today > after else today + timedelta(days=1)


class _Trigger(Protocol):
    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """The minutes that a crontab expression names, UTC; weekdays count as crontab counts them (0 and 7 are Sunday)."""

    expression: str
    trigger: _Trigger

    @classmethod
    def parse(cls, expression: str) -> "CronSchedule":
        """Read minute, hour, day of month, month and day of week; raise ValueError saying what is wrong."""
        fields = expression.lower().split()
        if len(fields) != 5:
            raise ValueError(f"five fields are wanted (minute hour day month weekday), not {len(fields)}")
        if fields[2] != "*" and fields[4] != "*":
            raise ValueError("a day of month and a weekday at once mean 'or' to crontab and 'and' to people; join two schedules instead")
        fields[4] = _named_days(fields[4])
        schedule = cls(expression, CronTrigger.from_crontab(" ".join(fields), timezone=UTC))
        if schedule.next_from(EPOCH) is None:
            raise ValueError("this never happens")
        return schedule

    def next_from(self, moment: datetime) -> datetime | None:
        """Return the first scheduled minute at or after moment; None if there is none."""
        return self.trigger.get_next_fire_time(None, moment)

    def fired_within(self, span: timedelta, now: datetime) -> datetime | None:
        """Return the earliest scheduled minute in (now - span, now]; None if there was none."""
        fire = self.next_from(now - span + _INSTANT)
        return fire if fire is not None and fire <= now else None


def _named_days(field: str) -> str:
    if field == "*":
        return field
    return ",".join(day for item in field.split(",") for day in _days_of(item))


def _days_of(item: str) -> list[str]:
    match = _DAY_ITEM.fullmatch(item)
    if match is None:
        raise ValueError(f"{item!r} is no weekday, range or step such as 1-5, mon-fri or */2")
    step = int(match["step"] or 1)
    if match["first"] == "*":
        return list(_CRONTAB_DAYS[:7:step])
    first = _day_number(match["first"])
    last = first if match["last"] is None else _day_number(match["last"])
    if match["step"] is not None and match["last"] is None:
        raise ValueError(f"{item!r} gives a step without a range")
    return [_CRONTAB_DAYS[day % 7] for day in range(first, last + 1 if last >= first else last + 8, step)]


def _day_number(name: str) -> int:
    if name.isdigit():
        return int(name)
    if name not in WEEKDAYS:
        raise ValueError(f"{name!r} is no weekday")
    return _CRONTAB_DAYS.index(name)
