"""Prices and Greeks against published tables, QuantLib and each other."""

import csv
import gzip
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import product
from math import exp
from pathlib import Path
from statistics import NormalDist, median

import pytest
import QuantLib as ql

from domain import Greeks, OptionType
from paper.pricing import YEAR, implied_vol, normal_cdf, value

REFERENCE = Path(__file__).resolve().parents[3] / "../shared/data/reference_option_math"
published = pytest.mark.skipif(not REFERENCE.is_dir(), reason="the published tables are not on this machine")
KINDS = {"Call": OptionType.CALL, "Put": OptionType.PUT}


def rows(name: str) -> Iterator[dict[str, str]]:
    with (REFERENCE / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


@published
def test_haug_s_published_prices_are_met() -> None:
    for row in rows("european_bsm_haug.csv"):
        spot, strike, years, vol, rate, dividend = (float(row[name]) for name in ("spot", "strike", "t", "vol", "r", "q"))

        worth = value(KINDS[row["type"]], spot, strike, years, vol, rate=rate, dividend=dividend)

        assert worth.price == pytest.approx(float(row["value"]), abs=float(row["tol"])), row


@published
def test_haug_s_published_greeks_are_met() -> None:
    ours: dict[str, Callable[[Greeks], float]] = {
        "delta": lambda g: g.delta,
        "gamma": lambda g: g.gamma,
        "vega": lambda g: 100 * g.vega,
        "theta": lambda g: 365 * g.theta,
        "theta_per_day": lambda g: g.theta,
        "rho": lambda g: 100 * g.rho,
    }
    met = 0
    for row in rows("european_greeks_haug.csv"):
        spot, strike, years, vol, rate, dividend = (float(row[name]) for name in ("spot", "strike", "t", "vol", "r", "q"))
        greeks = value(KINDS[row["type"]], spot, strike, years, vol, rate=rate, dividend=dividend).greeks
        if row["greek"] in ours:
            met += 1
            assert ours[row["greek"]](greeks) == pytest.approx(float(row["value"]), abs=2e-4), row
    assert met >= 7


@published
def test_the_table_of_py_vollib_is_met() -> None:
    for row in rows("pyvollib_bs_greeks_table.csv"):
        spot, strike, rate, years, vol = (float(row[name]) for name in ("S", "K", "R", "t", "v"))
        call, put = (value(kind, spot, strike, years, vol, rate=rate) for kind in (OptionType.CALL, OptionType.PUT))

        ours = (call.price, put.price, call.greeks.delta, put.greeks.delta, call.greeks.gamma, 100 * call.greeks.vega)
        told = tuple(float(row[name]) for name in ("bs_call", "bs_put", "CD", "PD", "CG", "CV"))
        assert ours == pytest.approx(told, abs=1e-6)
        assert (365 * call.greeks.theta, 100 * call.greeks.rho) == pytest.approx((float(row["CT"]), float(row["CR"])), abs=1e-6)


@pytest.mark.parametrize("kind", list(OptionType))
def test_quantlib_agrees_on_price_and_every_greek(kind: OptionType) -> None:
    for strike, years, vol, rate, dividend in product((60.0, 100.0, 150.0), (0.01, 0.25, 2.0), (0.2, 0.9), (0.0, 0.05), (0.0, 0.03)):
        payoff = ql.PlainVanillaPayoff(ql.Option.Call if kind is OptionType.CALL else ql.Option.Put, strike)
        oracle = ql.BlackCalculator(payoff, 100.0 * exp((rate - dividend) * years), vol * years**0.5, exp(-rate * years))

        price, greeks = value(kind, 100.0, strike, years, vol, rate=rate, dividend=dividend)

        told = Greeks(
            delta=oracle.delta(100.0),
            gamma=oracle.gamma(100.0),
            vega=oracle.vega(years) / 100,
            theta=oracle.theta(100.0, years) / 365,
            rho=oracle.rho(years) / 100,
        )
        assert price == pytest.approx(oracle.value(), abs=1e-10)
        for name in Greeks.__slots__:
            assert getattr(greeks, name) == pytest.approx(getattr(told, name), rel=1e-9, abs=1e-10), name


def test_at_expiry_an_option_is_worth_its_intrinsic_value() -> None:
    assert value(OptionType.CALL, 110.0, 100.0, 0.0, 0.5).price == 10.0
    assert value(OptionType.PUT, 110.0, 100.0, 0.0, 0.5).price == 0.0
    assert value(OptionType.PUT, 90.0, 100.0, -1.0, 0.5).greeks.delta == -1.0


def test_without_volatility_the_intrinsic_value_is_discounted() -> None:
    worth = value(OptionType.CALL, 110.0, 100.0, 1.0, 0.0, rate=0.05)

    assert worth.price == pytest.approx(110.0 - 100.0 * exp(-0.05))
    assert worth.greeks.rho == pytest.approx(exp(-0.05))


@pytest.mark.parametrize(("spot", "strike"), [(0.0, 100.0), (100.0, 0.0), (-1.0, 100.0)])
def test_a_price_that_is_not_above_zero_is_refused(spot: float, strike: float) -> None:
    with pytest.raises(ValueError, match="above zero"):
        value(OptionType.CALL, spot, strike, 1.0, 0.5)


@pytest.mark.parametrize("vol", [0.05, 0.3, 0.8, 3.0])
@pytest.mark.parametrize("strike", [70.0, 100.0, 140.0])
@pytest.mark.parametrize("kind", list(OptionType))
def test_the_implied_volatility_gives_back_the_price(kind: OptionType, strike: float, vol: float) -> None:
    price = value(kind, 100.0, strike, 0.5, vol, rate=0.02).price

    found = implied_vol(kind, price, 100.0, strike, 0.5, rate=0.02)

    assert value(kind, 100.0, strike, 0.5, found, rate=0.02).price == pytest.approx(price, rel=1e-9, abs=1e-11)


@pytest.mark.parametrize(("price", "years"), [(9.0, 1.0), (111.0, 1.0), (12.0, 0.0)])
def test_a_price_that_no_volatility_explains_is_refused(price: float, years: float) -> None:
    with pytest.raises(ValueError, match="no volatility explains"):
        implied_vol(OptionType.CALL, price, 110.0, 100.0, years)


def test_the_tails_of_the_normal_law_keep_their_digits() -> None:
    assert normal_cdf(0.0) == 0.5
    assert normal_cdf(-10.0) == pytest.approx(7.619853024160527e-24, rel=1e-12)


HOURLY_GREEKS = REFERENCE.parent / "deribit_iv_greeks_hourly/deribit_btc_iv_greeks_20260123.csv.gz"


@pytest.mark.skipif(not HOURLY_GREEKS.is_file(), reason="the recorded Greeks are not on this machine")
def test_vega_theta_and_rho_have_the_units_in_which_a_venue_quotes_them() -> None:
    ratios: dict[str, list[float]] = {"vega": [], "theta": [], "rho": []}
    for row in _first_recorded_hour():
        kind = OptionType.CALL if row["type"] == "call" else OptionType.PUT
        strike, vol, delta = float(row["strike"]), float(row["mark_iv"]) / 100, float(row["delta"])
        expiry = datetime.fromisoformat(row["expiry_date"]) + timedelta(hours=8)
        years = (expiry - datetime.fromisoformat(row["date"])) / YEAR
        if not 0.1 < abs(delta) < 0.9 or years < 0.003:
            continue
        deviation = vol * years**0.5
        d1 = NormalDist().inv_cdf(delta if kind is OptionType.CALL else 1 + delta)
        greeks = value(kind, strike * exp(d1 * deviation - deviation**2 / 2), strike, years, vol).greeks
        for name, found in ratios.items():
            found.append(getattr(greeks, name) / float(row[name]))

    assert {name: median(found) for name, found in ratios.items()} == pytest.approx(dict.fromkeys(ratios, 1.0), abs=1e-3)


def _first_recorded_hour() -> list[dict[str, str]]:
    with gzip.open(HOURLY_GREEKS, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row for row in rows if row["date"] == rows[0]["date"]]
