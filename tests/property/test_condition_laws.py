"""Laws that conditions keep for every moment, price and combination."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from conditions import all_of, any_of, at_least, cron, max_loss, not_, profit_target, time_window, verdict_of
from conditions.schedules import in_daily_window, next_time_of_day
from domain import AccountSnapshot, ExitCondition, TradeView
from errors import DataNotFresh

from tests.unit.condition_builders import NOON, a_trade, an_account

MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
ANSWERS = st.sampled_from([True, False, None])
AMOUNTS = st.decimals(Decimal("-1000"), Decimal("1000"), places=2)
laws = settings(max_examples=100)


def says(answer: bool | None) -> Callable[[AccountSnapshot, TradeView], bool]:
    def condition(account: AccountSnapshot, trade: TradeView) -> bool:
        if answer is None:
            raise DataNotFresh("test", "says", "cannot tell")
        return answer

    return condition


def heard(condition: ExitCondition) -> bool | None:
    try:
        return verdict_of(condition, an_account(), a_trade()).ok
    except DataNotFresh:
        return None


@laws
@given(st.lists(ANSWERS, min_size=1, max_size=5))
def test_not_of_all_is_any_of_nots_with_three_answers(answers: list[bool | None]) -> None:
    parts = [says(answer) for answer in answers]

    assert heard(not_(all_of(*parts))) == heard(any_of(*(not_(part) for part in parts)))
    assert heard(not_(not_(parts[0]))) == answers[0]


@laws
@given(st.lists(ANSWERS, min_size=1, max_size=5), st.integers(1, 5))
def test_at_least_is_certain_only_where_no_unknown_could_change_it(answers: list[bool | None], n: int) -> None:
    assume(n <= len(answers))
    most, least = sum(answer is not False for answer in answers), sum(answer is True for answer in answers)

    assert heard(at_least(n, *map(says, answers))) == (True if least >= n else False if most < n else None)


@laws
@given(MOMENTS, st.times(), st.times())
def test_a_window_and_its_opposite_share_no_moment_and_leave_none_out(moment: datetime, start: time, end: time) -> None:
    assume(start != end)

    assert in_daily_window(moment, start, end) is not in_daily_window(moment, end, start)


@laws
@given(MOMENTS, st.integers(0, 23), st.integers(1, 24))
def test_a_time_window_looks_at_the_hour_alone(moment: datetime, start: int, end: int) -> None:
    assume(start != end)
    hours = set(range(start, end)) if start < end else set(range(start, 24)) | set(range(end))

    assert time_window(start, end)(an_account(moment)).ok is (moment.hour in hours)


@laws
@given(MOMENTS, st.times().map(lambda at: at.replace(second=0, microsecond=0)))
def test_l35_the_next_time_of_day_is_within_a_day_and_never_now(after: datetime, at: time) -> None:
    due = next_time_of_day(after, at)

    assert timedelta(0) < due - after <= timedelta(days=1)
    assert due.time() == at


@laws
@given(MOMENTS, st.integers(0, 59), st.integers(0, 23), st.integers(0, 7))
def test_cron_passes_in_its_minute_and_in_no_other(moment: datetime, minute: int, hour: int, weekday: int) -> None:
    named = (moment.minute, moment.hour, moment.isoweekday() % 7) == (minute, hour, weekday % 7)

    assert cron(f"{minute} {hour} * * {weekday}")(an_account(moment)).ok is named
    assert cron(f"{moment.minute} {moment.hour} {moment.day} {moment.month} *")(an_account(moment))


@laws
@given(AMOUNTS, AMOUNTS.filter(lambda usd: usd > 0))
def test_l69_a_target_and_a_limit_are_met_when_reached_and_never_both(profit: Decimal, usd: Decimal) -> None:
    account, trade = an_account(NOON), a_trade(str(profit))

    assert profit_target(usd)(account, trade).ok is (profit >= usd)
    assert max_loss(usd)(account, trade).ok is (profit <= -usd)


@laws
@given(st.lists(st.booleans(), min_size=1, max_size=12), st.integers(1, 4))
def test_l42_confirmed_means_that_many_in_a_row(holds: list[bool], times: int) -> None:
    condition = profit_target(1, confirmations=times)

    answers = [condition(an_account(NOON + timedelta(seconds=n)), a_trade("1" if hold else "0")).ok for n, hold in enumerate(holds)]

    assert answers == [n + 1 >= times and all(holds[n + 1 - times : n + 1]) for n in range(len(holds))]
