"""Compound selection: expiry, strikes, deltas and ranking all at once, on a chain made by hand and on recorded ones."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from math import isfinite
from pathlib import Path

import polars as pl
import pytest

from domain import Chain, Greeks, Option, OptionType, Quote, Side
from errors import NoMatchingInstrument
from option_selection import LegSpec, find_option, resolve_legs
from strategies import STRATEGIES
from strategies.rfq_endurance import rfq_endurance
from strategy import StrategyFactory

from tests.unit.chains import NOW, a_chain, a_quote, an_expiry, an_option

RECORDED = Path(__file__).resolve().parents[1] / "../shared/data/deribit_chain_6h"
recorded = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded chains are not on this machine")

PUT_WISH: Mapping[str, object] = {
    "option_type": "P",
    "expiry": {"dte_min": 6, "dte_max": 13, "target": "near"},
    "strike": {"below_atm": True, "min_distance_pct": 1, "max_distance_pct": 15},
    "delta": {"min": -0.45, "max": -0.15},
    "rank_by": "delta_mid",
}


# ---- by hand


def a_put(strike: int, delta: float, days: int = 7, *, active: bool = True) -> Quote:
    return a_quote(an_option(strike, "P", days, active=active), delta=delta)


HAND = [
    a_put(101_000, -0.30),  # the perfect delta, but above the index
    a_put(99_500, -0.31),  # too near
    a_put(98_000, -0.46),  # a delta too large
    a_put(97_000, -0.40),
    a_put(96_000, -0.33),  # the best: 0.03 from the middle
    a_put(95_500, -0.30, active=False),  # better, and not traded
    a_put(95_000, -0.26),
    a_put(90_000, -0.14),  # a delta too small
    a_put(84_000, -0.30),  # too far
    a_put(96_000, -0.30, days=1),  # too soon
    a_put(96_000, -0.30, days=28),  # too late
    a_quote(an_option(96_500, "C"), delta=0.30),
]


def found(chain: Chain, now: datetime, /, **wish: object) -> str | None:
    quote = find_option(chain=chain, now=now, **wish)  # type: ignore[arg-type]
    return None if quote is None else quote.option.symbol


def test_all_constraints_are_met_at_once_and_the_best_by_the_ranking_is_taken() -> None:
    assert found(a_chain(HAND), NOW, **PUT_WISH) == "BTCUSD-27MAR26-96000-P"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"delta": {"min": -0.45, "max": -0.15, "target": -0.27}, "rank_by": "delta_target"}, "95000"),
        ({"rank_by": "strike_atm"}, "97000"),
        ({"rank_by": "strike_otm"}, "95000"),
        ({"rank_by": "strike_itm"}, "97000"),
        ({"delta": {"min": -0.47, "max": -0.45}}, "98000"),
        ({"delta": {"min": 0.15, "max": 0.45}}, "96000"),  # a put's deltas may be written without their minus
        ({"strike": {"below_atm": True, "max_distance_pct": 1}}, "99500"),
        ({"strike": {"above_atm": True}}, "101000"),
        ({"strike": {"min_strike": 84_000, "max_strike": 90_000}}, "84000"),
        ({"expiry": {"dte": "next"}}, "96000"),
        ({"strike": {"below_atm": True, "min_distance_pct": 1, "max_distance_pct": 15, "max_strike": 95_000}}, "95000"),
    ],
)
def test_each_constraint_decides_when_it_is_changed_alone(changed: Mapping[str, object], expected: str) -> None:
    symbol = found(a_chain(HAND), NOW, **{**PUT_WISH, **changed})

    assert symbol is not None
    assert symbol.split("-")[2] == expected


@pytest.mark.parametrize(
    "changed",
    [
        {"option_type": "C", "delta": {"min": 0.15, "max": 0.25}},
        {"expiry": {"dte_min": 14, "dte_max": 20}},
        {"strike": {"below_atm": True, "min_distance_pct": 20}},
        {"delta": {"min": -0.2, "max": -0.15}},
        {"strike": {"min_strike": 97_500, "max_strike": 97_900}},
    ],
)
def test_where_no_option_meets_all_there_is_none_and_never_the_nearest(changed: Mapping[str, object]) -> None:
    assert found(a_chain(HAND), NOW, **{**PUT_WISH, **changed}) is None


def test_an_expiry_without_a_fit_is_passed_over_for_the_next_of_the_window() -> None:
    quotes = [a_put(90_000, -0.05, days=7), a_put(90_000, -0.20, days=8)]

    assert found(a_chain(quotes), NOW, **PUT_WISH) == "BTCUSD-28MAR26-90000-P"


def test_l40_an_option_whose_delta_is_not_known_is_not_one_of_delta_zero() -> None:
    blind = [replace(quote, greeks=None) for quote in HAND]

    assert found(a_chain(blind), NOW, **PUT_WISH) is None
    assert found(a_chain(blind), NOW, **{**PUT_WISH, "delta": {"max": 0}, "rank_by": None}) is None


def test_a_structure_of_compound_legs_finds_all_of_them_or_nothing() -> None:
    expiry = {"dte_min": 6, "dte_max": 13}
    short = LegSpec.find(option_type="P", side=2, qty="0.1", expiry=expiry, strike={"max_distance_pct": 15}, delta={"target": -0.4})
    wing = LegSpec.find(option_type="P", side=1, qty="0.1", expiry=expiry, strike={"max_distance_pct": 16}, rank_by="strike_otm")
    nowhere = LegSpec.find(option_type="C", side=1, qty="0.1", expiry=expiry, delta={"min": 0.9})

    plans = resolve_legs([short, wing], a_chain(HAND), NOW)

    assert [(plan.option.strike, plan.side, plan.qty) for plan in plans] == [
        (Decimal(97_000), Side.SELL, Decimal("0.1")),
        (Decimal(84_000), Side.BUY, Decimal("0.1")),
    ]
    with pytest.raises(NoMatchingInstrument, match=r"delta min 0\.9 left 0"):
        resolve_legs([short, nowhere], a_chain(HAND), NOW)


def test_on_a_whole_surface_the_find_is_what_a_search_by_eye_finds() -> None:
    chain = a_chain()

    assert found(chain, NOW, **PUT_WISH) == by_eye(chain, NOW, "P", (6, 13), (1, 15), (-0.45, -0.15))
    assert an_expiry(7) == min(quote.option.expiry for quote in chain.quotes if quote.option.expiry >= NOW + timedelta(days=6))


# ---- recorded


def by_eye(
    chain: Chain, now: datetime, kind: str, days: tuple[int, int], away: tuple[float, float], deltas: tuple[float, float]
) -> str | None:
    """Search the plain way: out of the money, in the bands, nearest to the middle of the deltas, the first expiry that has one."""
    index, middle = float(chain.index or 0), sum(deltas) / 2
    sign = -1 if kind == "P" else 1
    fit = []
    for quote in chain.quotes:
        option, greeks = quote.option, quote.greeks
        if greeks is None or option.option_type != kind or not option.active:
            continue
        distance = sign * (float(option.strike) - index) / index * 100
        left = (option.expiry - now) / timedelta(days=1)
        if days[0] <= left <= days[1] and away[0] <= distance <= away[1] and deltas[0] <= greeks.delta <= deltas[1]:
            fit.append((option.expiry, abs(greeks.delta - middle), option.strike, option.symbol))
    return min(fit)[3] if fit else None


@cache
def snapshots(month: str) -> Sequence[Chain]:
    """A few recorded chains of a month, in USD by the index of the snapshot."""
    rows = pl.read_parquet(RECORDED / f"BTC_{month}.parquet")
    indices = pl.read_csv(RECORDED / "snapshots.csv.gz").filter(pl.col("currency") == "BTC")
    index_at = {datetime.fromisoformat(at): index for at, index in indices.select("timestamp", "index_first").iter_rows()}
    moments = rows["timestamp"].unique().sort().to_list()
    return [_chain(rows.filter(pl.col("timestamp") == at), at, Decimal(str(index_at[at]))) for at in moments[:: len(moments) // 4]]


def _chain(rows: pl.DataFrame, at: datetime, index: Decimal) -> Chain:
    return Chain(underlying="BTC", at=at, index=index, quotes=tuple(_quote(row, at, index) for row in rows.iter_rows(named=True)))


def _quote(row: Mapping[str, object], at: datetime, index: Decimal) -> Quote:
    expiry, strike, kind = row["expiry"], Decimal(str(row["strike"])), OptionType(str(row["option_type"]))
    assert isinstance(expiry, datetime)
    delta, bid, ask = (row[name] for name in ("delta", "bid_price", "ask_price"))
    option = Option(
        symbol=str(row["instrument_name"]).replace("BTC-", "BTCUSD-"),
        underlying="BTC",
        tick=Decimal("0.1"),
        lot=Decimal("0.01"),
        option_type=kind,
        strike=strike,
        expiry=expiry.astimezone(UTC),
    )
    return Quote(
        option=option,
        at=at,
        bid=_usd(bid, index),
        ask=_usd(ask, index),
        greeks=Greeks(delta=delta) if isinstance(delta, float) else None,
        underlying_price=index,
    )


def _usd(coins: object, index: Decimal) -> Decimal | None:
    return Decimal(str(coins)) * index if isinstance(coins, float) and isfinite(coins) else None


@recorded
@pytest.mark.parametrize("month", ["2026-01", "2026-05", "2026-08"])
@pytest.mark.parametrize(
    ("kind", "days", "away", "deltas"),
    [("P", (6, 13), (1, 15), (-0.45, -0.15)), ("C", (1, 5), (0, 10), (0.1, 0.3)), ("C", (20, 70), (5, 30), (0.2, 0.5))],
)
def test_on_every_recorded_chain_the_find_meets_all_constraints_and_is_the_best(
    month: str, kind: str, days: tuple[int, int], away: tuple[float, float], deltas: tuple[float, float]
) -> None:
    for chain in snapshots(month):
        side = {"below_atm": True} if kind == "P" else {"above_atm": True}
        wish = {
            "option_type": kind,
            "expiry": {"dte_min": days[0], "dte_max": days[1], "target": "near"},
            "strike": {**side, "min_distance_pct": away[0], "max_distance_pct": away[1]},
            "delta": {"min": deltas[0], "max": deltas[1]},
            "rank_by": "delta_mid",
        }

        symbol = found(chain, chain.at, **wish)

        assert symbol is not None, chain.at
        assert symbol == by_eye(chain, chain.at, kind, days, away, deltas)


@recorded
@pytest.mark.parametrize("factory", STRATEGIES)
def test_the_legs_of_every_shipped_strategy_are_found_on_recorded_chains(factory: StrategyFactory) -> None:
    for chain in snapshots("2026-01"):
        plans = resolve_legs(factory().legs, chain, chain.at)

        assert len({plan.option.symbol for plan in plans}) == len(plans)
        assert all(plan.option.expiry > chain.at for plan in plans)


@recorded
@pytest.mark.parametrize("month", ["2026-01", "2026-05", "2026-08"])
def test_the_endurance_strategy_is_large_enough_for_a_block_wherever_bitcoin_stood(month: str) -> None:
    for chain in snapshots(month):
        plans = resolve_legs(rfq_endurance().legs, chain, chain.at)
        assert sum(plan.option.strike * plan.qty for plan in plans) > 50_000, (chain.at, chain.index)
