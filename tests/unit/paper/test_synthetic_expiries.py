"""Which expiries Coincall would list, and which strikes."""

from datetime import UTC, datetime, timedelta

import pytest

from paper.expiries import LISTED, Cycle, cycle_of, listed_expiries, listed_since
from paper.listings import Listings, strike_step


def at_eight(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expiry", "cycle"),
    [
        (at_eight(2026, 3, 5), Cycle.DAILY),
        (at_eight(2026, 3, 6), Cycle.WEEKLY),
        (at_eight(2026, 4, 24), Cycle.MONTHLY),
        (at_eight(2026, 3, 27), Cycle.QUARTERLY),
        (at_eight(2026, 12, 25), Cycle.QUARTERLY),
    ],
)
def test_a_date_belongs_to_its_longest_cycle(expiry: datetime, cycle: Cycle) -> None:
    assert cycle_of(expiry) is cycle


def test_three_daily_three_weekly_three_monthly_and_four_quarterly_are_listed() -> None:
    listed = listed_expiries(datetime(2026, 3, 4, 10, 17, tzinfo=UTC))

    assert listed == (
        at_eight(2026, 3, 5),
        at_eight(2026, 3, 6),
        at_eight(2026, 3, 7),
        at_eight(2026, 3, 8),
        at_eight(2026, 3, 13),
        at_eight(2026, 3, 20),
        at_eight(2026, 3, 27),
        at_eight(2026, 4, 24),
        at_eight(2026, 5, 29),
        at_eight(2026, 6, 26),
        at_eight(2026, 7, 31),
        at_eight(2026, 9, 25),
        at_eight(2026, 12, 25),
    )


def test_at_eight_sharp_today_s_expiry_is_gone() -> None:
    assert listed_expiries(at_eight(2026, 3, 5) - timedelta(microseconds=1))[0] == at_eight(2026, 3, 5)
    assert listed_expiries(at_eight(2026, 3, 5))[0] == at_eight(2026, 3, 6)


def test_an_expiry_is_listed_from_the_moment_it_is_said_to_be() -> None:
    now = datetime(2026, 3, 4, 10, 17, tzinfo=UTC)
    for expiry in listed_expiries(now):
        since = listed_since(expiry)
        assert expiry in listed_expiries(since)
        assert expiry not in listed_expiries(since - timedelta(microseconds=1))


def test_every_day_of_a_year_lists_all_thirteen() -> None:
    for day in range(366):
        listed = listed_expiries(datetime(2026, 1, 1, 9, tzinfo=UTC) + timedelta(days=day))
        assert {cycle: sum(cycle_of(expiry) is cycle for expiry in listed) for cycle in Cycle} == LISTED


@pytest.mark.parametrize(
    ("low", "high", "wanted", "step"),
    [(90_000, 110_000, 8, 2500), (90_000, 110_000, 10, 2000), (40_000, 260_000, 9, 20_000), (99, 101, 40, 1), (100, 100, 5, 1)],
)
def test_strikes_stand_on_round_steps(low: float, high: float, wanted: int, step: int) -> None:
    assert strike_step(low, high, wanted) == step


def strikes(listings: Listings, expiry: datetime, now: datetime) -> set[int]:
    return {int(option.strike) for option in listings.at(now) if option.expiry == expiry}


def test_strikes_follow_the_index_and_the_old_ones_stay() -> None:
    start = datetime(2026, 3, 2, 9, tzinfo=UTC)
    jump = datetime(2026, 3, 3, tzinfo=UTC)
    listings = Listings("BTC", lambda moment: 100_000.0 if moment < jump else 130_000.0, 0.5, start, 8)
    expiry = at_eight(2026, 3, 6)

    before, after = strikes(listings, expiry, start), strikes(listings, expiry, at_eight(2026, 3, 3))

    assert max(before) < 130_000 < max(after)
    assert before < after


def test_the_past_lists_what_it_listed_then() -> None:
    start = datetime(2026, 3, 2, 9, tzinfo=UTC)
    listings = Listings("BTC", lambda moment: 100_000.0, 0.5, start, 8)
    then = listings.at(start)

    listings.at(start + timedelta(days=3))

    assert listings.at(start) == then


def test_the_grid_gets_finer_towards_expiry() -> None:
    start, expiry = datetime(2026, 3, 2, 9, tzinfo=UTC), at_eight(2026, 3, 6)
    listings = Listings("BTC", lambda moment: 100_000.0, 0.5, start, 8)

    gaps = [
        min(b for b in strikes(listings, expiry, now) if b > 100_000) - 100_000
        for now in (start, expiry - timedelta(hours=20), expiry - timedelta(hours=1))
    ]

    assert gaps[0] > gaps[1] > gaps[2]
