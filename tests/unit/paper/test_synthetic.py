"""The synthetic market: told twice it says the same, and what it lists and quotes is what Coincall would."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from math import log, sqrt
from statistics import fmean, pstdev

import pytest

from domain import Option, OptionType, Side
from errors import ConfigError
from paper.market import Flow, OptionView
from paper.smile import SmileShape
from paper.synthetic import UNDERLYINGS, SyntheticFeed
from paper.synthetic_path import SimulatedUnderlying

START = datetime(2026, 3, 4, 10, 17, 5, tzinfo=UTC)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


def a_feed(
    seed: int = 7, start: datetime = START, step: timedelta = SECOND, *, strikes_per_expiry: int = 7, flow_per_minute: float = 10.0
) -> SyntheticFeed:
    return SyntheticFeed(seed, start, step=step, strikes_per_expiry=strikes_per_expiry, flow_per_minute=flow_per_minute)


def nearest(feed: SyntheticFeed, now: datetime, delta: float, underlying: str = "BTC") -> OptionView:
    """The option of the soonest expiry whose delta is nearest."""
    options = [option for option in feed.options(now) if option.underlying == underlying]
    views = [view for option in options if option.expiry == options[0].expiry and (view := feed.view(option.symbol, now)) is not None]
    return min(views, key=lambda view: abs(view.greeks.delta - delta))


# ---- the index


def test_the_index_starts_at_its_level() -> None:
    assert a_feed().index("BTC", START).price == UNDERLYINGS["BTC"].level
    assert a_feed().index("ETH", START).price == UNDERLYINGS["ETH"].level


def test_before_the_start_the_index_stands_still() -> None:
    assert a_feed().index("BTC", START - 3 * DAY).price == UNDERLYINGS["BTC"].level


def test_a_level_can_be_given() -> None:
    sol_like = SimulatedUnderlying(name="ETH", level=Decimal("1234.5"), vol=0.9)

    assert SyntheticFeed(1, START, [sol_like]).index("ETH", START).price == Decimal("1234.50")


def test_a_restart_in_the_middle_continues_the_very_path() -> None:
    feed = a_feed()
    moments = [START + 9 * DAY + n * 17 * SECOND for n in range(300)]
    told = [feed.index(name, moment).price for moment in moments for name in ("BTC", "ETH")]

    again = a_feed()

    assert [again.index(name, moment).price for moment in reversed(moments) for name in ("ETH", "BTC")] == told[::-1]


def test_views_options_and_flow_survive_a_restart_too() -> None:
    feed, late = a_feed(), START + 40 * DAY
    for hours in range(0, 40 * 24, 7):
        feed.options(START + hours * HOUR)
    symbols = [option.symbol for option in feed.options(late)]
    again = a_feed()

    assert [option.symbol for option in again.options(late)] == symbols
    assert [again.view(symbol, late) for symbol in symbols[::40]] == [feed.view(symbol, late) for symbol in symbols[::40]]
    assert again.flow(symbols[:20], late - HOUR, late) == feed.flow(symbols[:20], late - HOUR, late)


def test_another_seed_is_another_market() -> None:
    assert a_feed(1).index("BTC", START + HOUR) != a_feed(2).index("BTC", START + HOUR)


def test_a_wider_step_sees_the_same_path_less_often() -> None:
    fine, coarse = a_feed(), a_feed(step=timedelta(seconds=60))
    minute = datetime(2026, 3, 4, 12, 34, tzinfo=UTC)

    assert coarse.index("BTC", minute + 59 * SECOND) == fine.index("BTC", minute)


def test_the_index_says_when_it_was_said() -> None:
    assert a_feed().index("BTC", START + timedelta(milliseconds=1400)).at == START + SECOND


def test_an_underlying_that_is_not_simulated_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        a_feed().index("DOGE", START)


def test_hourly_returns_have_the_volatility_asked_for_and_underlyings_move_together() -> None:
    feed = a_feed(3)
    prices = {name: [float(feed.index(name, START + n * HOUR).price) for n in range(24 * 250)] for name in ("BTC", "ETH")}
    returns = {name: [log(b / a) for a, b in pairwise(series)] for name, series in prices.items()}
    deviations = {name: pstdev(series) for name, series in returns.items()}

    together = fmean(a * b for a, b in zip(returns["BTC"], returns["ETH"], strict=True)) / (deviations["BTC"] * deviations["ETH"])
    assert deviations["BTC"] * sqrt(8760) == pytest.approx(UNDERLYINGS["BTC"].vol, rel=0.2)
    assert deviations["ETH"] * sqrt(8760) == pytest.approx(UNDERLYINGS["ETH"].vol, rel=0.2)
    assert together == pytest.approx(0.8, abs=0.06)


def test_seconds_are_as_rough_as_hours() -> None:
    feed = a_feed(5)
    prices = [float(feed.index("BTC", START + n * SECOND).price) for n in range(2 * 3600)]

    assert pstdev(log(b / a) for a, b in pairwise(prices)) * sqrt(8760 * 3600) == pytest.approx(0.48, rel=0.3)


def test_whole_hours_are_no_seams() -> None:
    feed, seam = a_feed(), datetime(2026, 3, 6, 15, tzinfo=UTC)
    before, after = (float(feed.index("BTC", moment).price) for moment in (seam - SECOND, seam))

    assert abs(after / before - 1) < 0.001


# ---- settlement


def test_settlement_is_the_mean_of_the_index_over_the_last_half_hour() -> None:
    feed, expiry = a_feed(), datetime(2026, 3, 6, 8, tzinfo=UTC)
    prices = [feed.index("BTC", expiry - n * SECOND).price for n in range(1800)]

    assert feed.settlement("BTC", expiry) == pytest.approx(sum(prices) / 1800, abs=Decimal("0.01"))


def test_l33_settlement_is_not_known_before_eight_utc() -> None:
    feed, expiry = a_feed(), datetime(2026, 3, 6, 8, tzinfo=UTC)

    feed.index("BTC", expiry - SECOND)
    assert feed.settlement("BTC", expiry) is None

    feed.index("BTC", expiry)
    assert feed.settlement("BTC", expiry) is not None


# ---- what is listed


def test_between_400_and_900_options_are_listed_at_first() -> None:
    assert 400 <= len(a_feed().options(START)) <= 900


def test_a_load_test_can_list_two_thousand() -> None:
    assert len(a_feed(strikes_per_expiry=40).options(START)) >= 2000


def test_the_steps_are_coincall_s() -> None:
    grids = {(option.underlying, option.tick, option.lot) for option in a_feed().options(START)}

    assert grids == {("BTC", Decimal("0.1"), Decimal("0.01")), ("ETH", Decimal("0.01"), Decimal("0.1"))}


def test_the_symbol_has_no_leading_zero() -> None:
    assert "BTCUSD-5MAR26-100000-C" in {option.symbol for option in a_feed().options(START)}


def test_an_expired_option_is_listed_no_more_and_has_no_view() -> None:
    feed, expiry = a_feed(), datetime(2026, 3, 5, 8, tzinfo=UTC)
    symbol = next(option.symbol for option in feed.options(START) if option.expiry == expiry)

    assert feed.view(symbol, expiry - SECOND) is not None
    assert feed.view(symbol, expiry) is None
    assert expiry not in {option.expiry for option in feed.options(expiry)}


def test_what_is_listed_stays_listed_until_it_expires() -> None:
    feed = a_feed()
    seen: set[Option] = set()
    for hours in range(0, 24 * 20, 5):
        now = START + hours * HOUR
        listed = set(feed.options(now))
        assert {option for option in seen if option.expiry > now} <= listed
        seen |= listed


def test_an_option_nobody_listed_has_no_view() -> None:
    assert a_feed().view("BTCUSD-5MAR26-123456-C", START) is None
    assert a_feed().view("nonsense", START) is None


@pytest.mark.parametrize("underlying", ["BTC", "ETH"])
@pytest.mark.parametrize("hours", [0, 3, 13, 30, 100, 700])
def test_a_strangle_of_fifteen_deltas_is_found_in_the_soonest_expiry(underlying: str, hours: int) -> None:
    feed, now = a_feed(), START + hours * HOUR

    assert nearest(feed, now, 0.15, underlying).greeks.delta == pytest.approx(0.15, abs=0.08)
    assert nearest(feed, now, -0.15, underlying).greeks.delta == pytest.approx(-0.15, abs=0.08)


def test_each_expiry_reaches_from_low_to_even_deltas_on_both_sides() -> None:
    feed = a_feed()
    for expiry in {option.expiry for option in feed.options(START)}:
        views = [feed.view(o.symbol, START) for o in feed.options(START) if o.expiry == expiry and o.option_type is OptionType.PUT]
        deltas = [-view.greeks.delta for view in views if view is not None]
        assert min(deltas) < 0.07, expiry
        assert min(abs(delta - 0.5) for delta in deltas) < 0.1, expiry
        assert max(deltas) > 0.9, expiry


# ---- quotes


def test_books_move_while_orders_rest() -> None:
    feed = a_feed()
    symbol = nearest(feed, START, 0.3).option.symbol
    quotes = [view for n in range(60) if (view := feed.view(symbol, START + n * SECOND)) is not None]

    assert len({view.bids[0].price for view in quotes}) > 30
    assert len({view.bids[0].size for view in quotes}) > 3


def test_spreads_widen_away_from_the_money_and_with_short_expiry() -> None:
    feed = a_feed()
    near, far = nearest(feed, START, 0.5), nearest(feed, START, 0.05)
    late = datetime(2026, 3, 5, 6, tzinfo=UTC)

    assert _relative_spread(near) < _relative_spread(far)
    assert _relative_spread(near) < _relative_spread(nearest(feed, late, 0.5))


def _relative_spread(view: OptionView) -> Decimal:
    return (view.asks[0].price - view.bids[0].price) / view.mark


def test_a_worthless_option_has_no_bid_and_a_mark_of_zero() -> None:
    feed, now = a_feed(), datetime(2026, 3, 5, 7, 59, 30, tzinfo=UTC)
    lowest = next(option for option in feed.options(now) if option.option_type is OptionType.PUT)

    view = feed.view(lowest.symbol, now)

    assert view is not None
    assert (view.bids, view.mark) == ((), Decimal(0))
    assert view.asks[0].price >= lowest.tick


def test_asked_twice_within_a_step_the_very_same_view_comes_back() -> None:
    feed = a_feed()
    symbol = nearest(feed, START, 0.3).option.symbol

    assert feed.view(symbol, START + timedelta(milliseconds=900)) is feed.view(symbol, START)


# ---- the orders of others


def test_however_time_is_cut_the_flow_is_the_same() -> None:
    symbols = [nearest(a_feed(), START, delta).option.symbol for delta in (0.5, 0.15, -0.15)]
    whole = a_feed().flow(symbols, START, START + HOUR)
    feed = a_feed()
    cuts = [START + timedelta(seconds=s) for s in (0, 0.3, 59, 60, 60.5, 61, 1800, 3599, 3600)]

    assert [flow for a, b in pairwise(cuts) for flow in feed.flow(symbols, a, b)] == list(whole)
    assert len(whole) > 200


def test_the_flow_is_on_tick_and_lot_and_inside_the_quote() -> None:
    feed = a_feed()
    view = nearest(feed, START, 0.15)
    for flow in feed.flow((view.option.symbol,), START, START + HOUR):
        then = feed.view(flow.symbol, flow.at)
        assert then is not None
        assert flow.limit % view.option.tick == 0
        assert flow.qty % view.option.lot == 0
        assert flow.qty > 0
        assert then.bids[0].price <= flow.limit <= then.asks[0].price


def test_more_comes_near_the_money() -> None:
    feed = a_feed()
    near, far = (len(feed.flow((nearest(feed, START, delta).option.symbol,), START, START + HOUR)) for delta in (0.5, 0.03))

    assert near > 3 * far > 0


def test_a_strangle_sold_at_mid_fills_within_minutes_and_a_passive_one_later() -> None:
    mids, touches = [], []
    for seed in range(20):
        feed = a_feed(seed)
        for delta in (0.15, -0.15):
            view = nearest(feed, START, delta)
            flows = feed.flow((view.option.symbol,), START, START + HOUR)
            mids.append(_wait(flows, (view.bids[0].price + view.asks[0].price) / 2))
            touches.append(_wait(flows, view.asks[0].price))

    assert sorted(mids)[len(mids) // 2] < 120
    assert sorted(touches)[len(touches) // 2] > 2 * sorted(mids)[len(mids) // 2]


def _wait(flows: Sequence[Flow], price: Decimal) -> float:
    return next(((f.at - START).total_seconds() for f in flows if f.side is Side.BUY and f.limit >= price), 3600.0)


def test_a_quiet_market_can_be_asked_for() -> None:
    feed = a_feed(flow_per_minute=0.0)

    assert feed.flow((nearest(feed, START, 0.5).option.symbol,), START, START + HOUR) == []


def test_an_option_that_is_not_listed_sees_no_flow() -> None:
    assert a_feed().flow(("BTCUSD-5MAR26-123456-C",), START, START + HOUR) == []


# ---- parameters that cannot be


def test_every_wrong_parameter_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as told:
        SyntheticFeed(1, START, ["DOGE"], timedelta(milliseconds=500), strikes_per_expiry=0)

    assert len(told.value.problems) == 3


@pytest.mark.parametrize("shape", [{"rho": 1.0}, {"eta": 1.9}, {"eta": 0.0}, {"gamma": 0.6}, {"gamma": 0.0}])
def test_a_smile_that_could_be_arbitraged_is_refused(shape: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="allows arbitrage"):
        SmileShape(**shape)
