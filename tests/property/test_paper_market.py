"""Laws that every market of the paper exchange keeps, whatever the seed and the moment."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import pairwise
from math import exp
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from domain import OptionType
from paper.contracts import an_option, option_symbol, recorded_option
from paper.order_flow import MINUTE
from paper.pricing import implied_vol, value
from paper.smile import SmileShape, atm_total_variance
from paper.synthetic import SyntheticFeed

START = datetime(2026, 3, 4, 10, 17, 5, tzinfo=UTC)
SEEDS = st.integers(0, 5)
MOMENTS = st.integers(0, 20 * 86_400).map(lambda seconds: START + timedelta(seconds=seconds))
LOGS = [n / 25 for n in range(-75, 76)]

shapes = st.builds(
    lambda rho, gamma, part: SmileShape(rho=rho, gamma=gamma, eta=part * 2 / (1 + abs(rho))),
    st.floats(-0.9, 0.9),
    st.floats(0.05, 0.5),
    st.floats(0.05, 1.0),
)


@cache
def feed_of(seed: int) -> SyntheticFeed:
    return SyntheticFeed(seed, START)


@settings(max_examples=60)
@given(shapes, st.floats(1e-6, 1.5))
def test_no_butterfly_call_prices_fall_and_are_convex_in_strike(shape: SmileShape, theta: float) -> None:
    smile = shape.slice(theta)
    scale = max(theta**0.5, 0.01)
    strikes = [exp(k * scale) for k in LOGS]
    calls = [value(OptionType.CALL, 1.0, s, 1.0, smile.total_variance(k * scale) ** 0.5).price for s, k in zip(strikes, LOGS, strict=True)]

    slopes = [(b - a) / (t - s) for (s, a), (t, b) in pairwise(zip(strikes, calls, strict=True))]
    assert all(-1 - 1e-9 <= slope <= 1e-9 for slope in slopes)
    assert all(low <= high + 1e-8 for low, high in pairwise(slopes))


@settings(max_examples=60)
@given(shapes, st.floats(0.1, 2.0), st.floats(0.1, 2.0), st.floats(0.1, 60.0))
def test_no_calendar_total_variance_grows_with_expiry(shape: SmileShape, vol: float, calm: float, reversion: float) -> None:
    years = [n / 8760 for n in (1, 2, 6, 24, 100, 500, 2000, 8760)]
    thetas = [atm_total_variance(vol, calm, reversion, t) for t in years]

    assert all(a < b for a, b in pairwise(thetas))
    for k in LOGS[::10]:
        assert all(a <= b * (1 + 1e-9) for a, b in pairwise(shape.slice(theta).total_variance(k) for theta in thetas))


@settings(max_examples=40)
@given(SEEDS, MOMENTS, st.randoms(use_true_random=False))
def test_ladders_are_ordered_on_tick_on_lot_within_the_band_and_never_crossed(seed: int, now: datetime, chance: Random) -> None:
    feed = feed_of(seed)
    for option in chance.sample(feed.options(now), 25):
        view = feed.view(option.symbol, now)
        assert view is not None
        prices = [level.price for level in (*reversed(view.bids), *view.asks)]
        assert all(low < high for low, high in pairwise(prices))
        assert all(price > 0 and price % option.tick == 0 for price in prices)
        assert all(level.size >= option.lot and level.size % option.lot == 0 for level in (*view.bids, *view.asks))
        assert len(view.asks) == 5
        room = view.underlying_price * Decimal(max(1.0, 4 * abs(view.greeks.delta)))
        assert prices[-1] <= view.mark + room * Decimal("0.05")
        assert prices[0] >= min(view.mark, max(option.tick, view.mark - room * Decimal("0.01")))


@settings(max_examples=25)
@given(SEEDS, MOMENTS)
def test_marks_of_a_chain_cannot_be_arbitraged(seed: int, now: datetime) -> None:
    feed, cent = feed_of(seed), 0.011
    chains: dict[datetime, list[tuple[float, float]]] = {}
    for option in feed.options(now):
        if option.underlying == "BTC" and option.option_type is OptionType.CALL:
            view = feed.view(option.symbol, now)
            assert view is not None
            chains.setdefault(option.expiry, []).append((float(option.strike), float(view.mark)))
    for chain in chains.values():
        for (s, a), (t, b), (u, c) in zip(chain, chain[1:], chain[2:], strict=False):
            assert b <= a + cent
            assert b <= a + (c - a) * (t - s) / (u - s) + cent
    for sooner, later in pairwise(chains.values()):
        marks = dict(later)
        assert all(mark <= marks[strike] + cent for strike, mark in sooner if strike in marks)


@settings(max_examples=40)
@given(SEEDS, MOMENTS)
def test_call_minus_put_is_index_minus_strike(seed: int, now: datetime) -> None:
    feed = feed_of(seed)
    options = feed.options(now)
    for call, put in list(zip(options[::2], options[1::2], strict=True))[::15]:
        ours, other = feed.view(call.symbol, now), feed.view(put.symbol, now)
        assert ours is not None
        assert other is not None
        assert ours.mark - other.mark == pytest.approx(ours.underlying_price - call.strike, abs=Decimal("0.011"))
        assert ours.mark_iv == other.mark_iv


@settings(max_examples=30)
@given(SEEDS, MOMENTS, MOMENTS, MOMENTS)
def test_the_past_says_what_it_said_whatever_was_asked_since(seed: int, now: datetime, between: datetime, other: datetime) -> None:
    feed = feed_of(seed)
    symbol = feed.options(now)[3].symbol
    told = (feed.index("ETH", now), feed.view(symbol, now), feed.flow((symbol,), now, now + timedelta(minutes=3)))

    for moment in (between, other):
        feed.options(moment)
        feed.index("ETH", moment)

    assert told == (feed.index("ETH", now), feed.view(symbol, now), feed.flow((symbol,), now, now + timedelta(minutes=3)))


@settings(max_examples=30)
@given(SEEDS, MOMENTS, st.lists(st.integers(0, 20 * MINUTE), min_size=1, max_size=5))
def test_flow_adds_up_over_any_cuts_of_time(seed: int, now: datetime, cuts: list[int]) -> None:
    feed = feed_of(seed)
    symbols = [option.symbol for option in feed.options(now)[:6]]
    moments = [now + timedelta(seconds=s) for s in sorted({0, *cuts, 20 * MINUTE})]

    pieces = [flow for a, b in pairwise(moments) for flow in feed.flow(symbols, a, b)]

    assert pieces == list(feed.flow(symbols, moments[0], moments[-1]))
    assert all(moments[0] < flow.at <= moments[-1] for flow in pieces)


@settings(max_examples=100)
@given(st.sampled_from(list(OptionType)), st.floats(0.4, 2.5), st.floats(0.002, 3.0), st.floats(0.05, 3.0))
def test_the_implied_volatility_undoes_the_price(kind: OptionType, strike: float, years: float, vol: float) -> None:
    worth = value(kind, 1.0, strike, years, vol)
    assume(worth.greeks.vega > 1e-6)

    assert implied_vol(kind, worth.price, 1.0, strike, years) == pytest.approx(vol, rel=1e-6)


@given(
    st.sampled_from(["BTC", "ETH"]),
    st.dates(date(2020, 1, 1), date(2060, 1, 1)),
    st.integers(1, 10**6).map(Decimal),
    st.sampled_from(list(OptionType)),
)
def test_a_recorded_name_is_the_symbol_without_usd(underlying: str, day: date, strike: Decimal, kind: OptionType) -> None:
    expiry = datetime(day.year, day.month, day.day, 8, tzinfo=UTC)
    symbol = option_symbol(underlying, expiry, strike, kind)

    assert recorded_option(symbol.replace("USD", "", 1)) == an_option(underlying, expiry, strike, kind)
