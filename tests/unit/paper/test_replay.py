"""The replayed market over the real recordings: what was recorded is what is quoted, and nothing is known too early."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import pairwise
from pathlib import Path
from statistics import median

import polars as pl
import pytest
from loguru import logger

from domain import Side
from errors import ConfigError, DataNotFresh
from paper.market import OptionView
from paper.replay import ReplayFeed

RECORDED = Path(__file__).resolve().parents[3] / "../shared/data"
HOURLY, SIX_HOURLY = RECORDED / "deribit_chain_hourly", RECORDED / "deribit_chain_6h"
recorded = pytest.mark.skipif(not (HOURLY.is_dir() and SIX_HOURLY.is_dir()), reason="the recorded chains are not on this machine")

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
FIRST_HOURLY = datetime(2026, 7, 2, 21, 18, 7, tzinfo=UTC)
FIRST_OF_JANUARY = datetime(2026, 1, 1, 9, 20, tzinfo=UTC)


@cache
def hourly() -> ReplayFeed:
    """One feed for all that only reads: loading is cheap, decoding months again and again is not."""
    return ReplayFeed(HOURLY)


@cache
def six_hourly() -> ReplayFeed:
    return ReplayFeed(SIX_HOURLY)


def the_view(feed: ReplayFeed, symbol: str, now: datetime) -> OptionView:
    view = feed.view(symbol, now)
    assert view is not None
    return view


def all_views(feed: ReplayFeed, now: datetime) -> Iterator[OptionView]:
    return (the_view(feed, option.symbol, now) for option in feed.options(now))


# ---- made by hand: two layouts in a few rows


def a_row(at: datetime, name: str = "BTC-10JUL26-60000-P", **changed: object) -> dict[str, object]:
    return {
        "timestamp": at,
        "instrument_name": name,
        "bid_price": 0.011,
        "ask_price": 0.0115,
        "mark_price": 0.0112,
        "mark_iv": 40.0,
        "open_interest": 12.5,
        "underlying_price": 60_100.0,
        "estimated_delivery_price": 60_000.0,
    } | changed


def a_directory(path: Path, *rows: dict[str, object], name: str = "BTC_202607.parquet") -> Path:
    schema = pl.DataFrame(rows).with_columns(pl.col("timestamp").cast(pl.Datetime("ms", "UTC")))
    schema.write_parquet(path / name)
    return path


def a_feed(path: Path, *rows: dict[str, object]) -> ReplayFeed:
    return ReplayFeed(a_directory(path, *rows), ("BTC",))


AT = datetime(2026, 7, 3, 4, 0, tzinfo=UTC)
PUT = "BTCUSD-10JUL26-60000-P"


# ---- prices


@recorded
@pytest.mark.parametrize(
    ("symbol", "bid", "ask", "mark"),
    [  # coin price × index 61,479.01
        ("BTCUSD-10JUL26-60000-P", "676.3", "707.0", "705.57"),  # 0.011, 0.0115, 0.01147667
        ("BTCUSD-10JUL26-66000-C", "104.6", "129.1", "117.39"),  # 0.0017, 0.0021, 0.00190941
        ("BTCUSD-10JUL26-48000-P", "6.2", "18.4", "11.06"),  # 0.0001, 0.0003, 0.00017983
    ],
)
def test_l43_coin_prices_become_usd_rounded_inwards(symbol: str, bid: str, ask: str, mark: str) -> None:
    view = the_view(hourly(), symbol, FIRST_HOURLY)

    assert (view.bids[0].price, view.asks[0].price, view.mark) == (Decimal(bid), Decimal(ask), Decimal(mark))


@recorded
def test_the_six_hourly_layout_is_read_with_its_own_index() -> None:
    view = the_view(six_hourly(), "ETHUSD-30JAN26-3000-P", FIRST_OF_JANUARY)

    assert six_hourly().index("ETH", FIRST_OF_JANUARY).price == Decimal("2981.89")
    assert (view.bids[0].price, view.asks[0].price) == (Decimal("195.32"), Decimal("198.29"))
    assert (view.mark_iv, view.underlying_price, view.open_interest) == (0.5732, Decimal("2989.40"), Decimal("13313.0"))


@recorded
def test_volatilities_in_per_cent_become_fractions() -> None:
    assert the_view(hourly(), PUT, FIRST_HOURLY).mark_iv == pytest.approx(0.3837)


@recorded
@pytest.mark.parametrize("days", [0, 1, 2])
def test_no_recorded_book_is_crossed_and_every_price_is_on_its_tick(days: int) -> None:
    for view in all_views(hourly(), FIRST_HOURLY + timedelta(days=days)):
        prices = [level.price for level in (*reversed(view.bids), *view.asks)]
        assert all(low < high for low, high in pairwise(prices)), view
        assert all(price > 0 and price % view.option.tick == 0 for price in prices), view
        assert all(level.size > 0 and level.size % view.option.lot == 0 for level in (*view.bids, *view.asks)), view


@recorded
@pytest.mark.parametrize("now", [FIRST_OF_JANUARY, datetime(2026, 4, 10, tzinfo=UTC), datetime(2026, 7, 3, tzinfo=UTC)])
def test_our_delta_agrees_with_the_recorded_one(now: datetime) -> None:
    feed = six_hourly()
    views = {v.option.symbol: v for v in all_views(feed, now) if v.option.underlying == "BTC"}
    at = feed.index("BTC", now).at
    told = pl.read_parquet(SIX_HOURLY / f"BTC_{at:%Y-%m}.parquet").filter(pl.col("timestamp") == at)
    pairs = [(views[f"BTCUSD{row[0][3:]}"].greeks.delta, row[1]) for row in told.select("instrument_name", "delta").iter_rows()]

    assert len(pairs) > 500
    assert median(abs(ours - theirs) for ours, theirs in pairs) < 1e-3


@recorded
@pytest.mark.parametrize("now", [FIRST_HOURLY, FIRST_HOURLY + timedelta(days=2)])
def test_marks_lie_within_what_an_option_can_be_worth(now: datetime) -> None:
    for view in all_views(hourly(), now):
        forward, index = view.underlying_price, hourly().index(view.option.underlying, now).price
        assert view.option.payoff(forward) * index / forward - index / 500 <= view.mark, view
        assert view.mark <= max(index, view.option.strike), view


def test_a_side_that_was_not_recorded_is_absent(tmp_path: Path) -> None:
    feed = a_feed(tmp_path, a_row(AT, bid_price=None), a_row(AT, "BTC-10JUL26-61000-P", ask_price=float("nan"), bid_price=0.0))

    assert the_view(feed, PUT, AT).bids == ()
    assert the_view(feed, PUT, AT).asks[0].price == Decimal("690.0")
    assert the_view(feed, "BTCUSD-10JUL26-61000-P", AT).bids == the_view(feed, "BTCUSD-10JUL26-61000-P", AT).asks == ()


def test_a_bid_worth_less_than_a_tick_is_no_bid(tmp_path: Path) -> None:
    feed = a_feed(tmp_path, a_row(AT, bid_price=0.000001, ask_price=0.000002))

    assert the_view(feed, PUT, AT).bids == ()
    assert the_view(feed, PUT, AT).asks[0].price == Decimal("0.2")


def test_an_option_without_a_mark_is_not_listed(tmp_path: Path) -> None:
    feed = a_feed(tmp_path, a_row(AT), a_row(AT, "BTC-10JUL26-61000-P", mark_price=None))

    assert [option.symbol for option in feed.options(AT)] == [PUT]


# ---- time


def test_l38_a_quote_holds_until_the_next_and_tells_its_age(tmp_path: Path) -> None:
    feed = a_feed(tmp_path, a_row(AT), a_row(AT + HOUR, bid_price=0.012, ask_price=0.0125))

    assert the_view(feed, PUT, AT + 59 * MINUTE).bids[0].price == Decimal("660.0")
    assert the_view(feed, PUT, AT + 59 * MINUTE).at == feed.index("BTC", AT + 59 * MINUTE).at == AT
    assert the_view(feed, PUT, AT + HOUR).bids[0].price == Decimal("720.0")
    assert the_view(feed, PUT, AT + HOUR).at == AT + HOUR


def test_l40_before_the_first_recording_nothing_is_known(tmp_path: Path) -> None:
    feed = a_feed(tmp_path, a_row(AT))

    assert feed.options(AT - MINUTE) == ()
    assert feed.view(PUT, AT - MINUTE) is None
    with pytest.raises(DataNotFresh, match="begin at"):
        feed.index("BTC", AT - MINUTE)


def test_an_underlying_that_is_not_replayed_is_a_key_error(tmp_path: Path) -> None:
    feed = a_feed(tmp_path, a_row(AT))

    assert feed.view("ETHUSD-10JUL26-3000-P", AT) is None
    with pytest.raises(KeyError):
        feed.index("ETH", AT)


def test_l33_an_expired_option_leaves_the_list_at_eight(tmp_path: Path) -> None:
    feed = a_feed(tmp_path, a_row(AT, "BTC-3JUL26-60000-P"))
    eight = datetime(2026, 7, 3, 8, tzinfo=UTC)

    assert [option.symbol for option in feed.options(eight - MINUTE)] == ["BTCUSD-3JUL26-60000-P"]
    assert feed.options(eight) == ()
    assert feed.view("BTCUSD-3JUL26-60000-P", eight) is None


@recorded
def test_the_recordings_tell_their_span_and_spacing() -> None:
    feed = hourly()

    assert (feed.start.date().isoformat(), feed.end.date().isoformat()) == ("2026-07-02", "2026-07-05")
    assert HOUR < feed.median_spacing < 2 * HOUR
    assert 10 * HOUR < feed.spacing_max < 11 * HOUR


def test_a_single_recording_has_no_spacing(tmp_path: Path) -> None:
    feed = a_feed(tmp_path, a_row(AT))

    assert (feed.start, feed.end, feed.median_spacing, feed.spacing_max) == (AT, AT, timedelta(0), timedelta(0))


def test_many_files_are_one_stream(tmp_path: Path) -> None:
    a_directory(tmp_path, a_row(AT + HOUR), name="BTC_a.parquet")
    a_directory(tmp_path, a_row(AT, mark_price=0.02), name="BTC_b.parquet")
    feed = ReplayFeed(tmp_path, ("BTC",))

    assert [the_view(feed, PUT, AT + n * HOUR).mark for n in (0, 1)] == [Decimal("1200.00"), Decimal("672.00")]


# ---- settlement

EIGHT = datetime(2026, 7, 3, 8, tzinfo=UTC)


def an_index_at(at: datetime, price: float) -> dict[str, object]:
    return a_row(at, estimated_delivery_price=price)


@pytest.mark.parametrize(
    ("told", "settled"),
    [
        ([(-31, 1.0), (-30, 100.0), (0, 104.0), (1, 9.0)], "102.00"),  # the mean of the window, its ends included
        ([(-60, 100.0), (180, 140.0)], "110.00"),  # a quarter of the way from one to the other
        ([(-45, 100.0), (800, 140.0)], "100.00"),  # only one is near: within the hour
        ([(40, 140.0)], "140.00"),
    ],
)
def test_l33_settlement_comes_from_the_recordings_round_eight(tmp_path: Path, told: list[tuple[int, float]], settled: str) -> None:
    feed = a_feed(tmp_path, *(an_index_at(EIGHT + minutes * MINUTE, price) for minutes, price in told))
    feed.options(EIGHT + MINUTE)

    assert feed.settlement("BTC", EIGHT) == Decimal(settled)


def test_settlement_is_not_known_before_eight(tmp_path: Path) -> None:
    feed = a_feed(tmp_path, an_index_at(EIGHT - 5 * MINUTE, 100.0))
    feed.options(EIGHT - MINUTE)

    assert feed.settlement("BTC", EIGHT) is None


def test_l40_a_settlement_nobody_recorded_is_unknown_and_said_so_once(tmp_path: Path) -> None:
    feed = a_feed(tmp_path, an_index_at(EIGHT - 2 * HOUR, 100.0))
    feed.options(EIGHT + HOUR)
    said: list[str] = []
    sink = logger.add(said.append, format="{message}")

    assert [feed.settlement("BTC", EIGHT) for _ in range(3)] == [None] * 3

    logger.remove(sink)
    assert len(said) == 1
    assert "no recording is near enough" in said[0]


@recorded
def test_every_recorded_day_without_a_gap_settles_near_its_index() -> None:
    feed, day = hourly(), datetime(2026, 7, 3, 8, tzinfo=UTC)
    feed.options(feed.end)
    for days in range(3):
        settled = feed.settlement("BTC", day + timedelta(days=days))
        assert settled is not None
        assert settled == pytest.approx(feed.index("BTC", day + timedelta(days=days)).price, rel=Decimal("0.01"))


# ---- the orders of others, and what is modelled


@recorded
def test_limits_of_others_lie_within_the_recorded_quote() -> None:
    feed, now = hourly(), FIRST_HOURLY + 2 * HOUR
    flows = feed.flow((PUT, "BTCUSD-10JUL26-66000-C"), now - HOUR, now)

    assert {flow.side for flow in flows} == set(Side)
    for flow in flows:
        view = the_view(feed, flow.symbol, flow.at)
        assert view.bids[0].price <= flow.limit <= view.asks[0].price


@recorded
def test_an_order_resting_at_mid_is_reached_within_the_hour() -> None:
    feed = hourly()
    view = the_view(feed, PUT, FIRST_HOURLY)
    mid = (view.bids[0].price + view.asks[0].price) / 2

    flows = feed.flow((PUT,), FIRST_HOURLY, FIRST_HOURLY + HOUR)

    assert any(flow.side is Side.BUY and flow.limit >= mid for flow in flows)
    assert any(flow.side is Side.SELL and flow.limit <= mid for flow in flows)


@recorded
def test_the_same_seed_models_the_same_sizes_and_another_does_not() -> None:
    def sizes(seed: int) -> list[Decimal]:
        return [level.size for level in the_view(ReplayFeed(HOURLY, ("BTC",), seed=seed), PUT, FIRST_HOURLY).bids]

    assert sizes(1) == sizes(1) != sizes(2)


@recorded
def test_with_one_level_nobody_crosses_at_a_price_that_was_not_recorded() -> None:
    view = the_view(ReplayFeed(HOURLY, ("BTC",), levels=1), PUT, FIRST_HOURLY)

    assert [level.price for level in (*view.bids, *view.asks)] == [Decimal("676.3"), Decimal("707.0")]


@recorded
@pytest.mark.parametrize("levels", [0, 6])
def test_a_number_of_levels_that_cannot_be_is_refused(levels: int) -> None:
    with pytest.raises(ConfigError, match="from 1 to 5"):
        ReplayFeed(HOURLY, levels=levels)


# ---- directories that cannot be replayed


def test_an_unknown_layout_tells_what_was_expected_and_what_was_found(tmp_path: Path) -> None:
    pl.DataFrame({"timestamp": [1], "price": [2.0]}).write_parquet(tmp_path / "BTC_x.parquet")

    with pytest.raises(ConfigError) as told:
        ReplayFeed(tmp_path, ("BTC",))

    assert "has the columns price, timestamp" in told.value.problems[0]
    assert "the hourly layout lacks ask_price" in told.value.problems[1]
    assert "the six-hourly layout lacks" in told.value.problems[2]


def test_a_directory_without_an_underlying_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected files named ETH_\*\.parquet"):
        ReplayFeed(a_directory(tmp_path, a_row(AT)), ("ETH",))


def test_a_name_of_another_grammar_is_refused(tmp_path: Path) -> None:
    feed = a_feed(tmp_path, a_row(AT, "BTC_USDC-10JUL26-60000-P"))

    with pytest.raises(ValueError, match="is not a name like"):
        feed.options(AT)
