"""On a recorded market the program trades at prices that were really there, as the recording itself tells when it is asked anew."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from pathlib import Path

import polars as pl
import pytest

from domain import Side
from trade_lifecycle import TradeState

from tests.rehearsal.stage import LONG, RECORDED, Trader, booked, cast, ledger_on_disk

HOURLY = RECORDED / "deribit_chain_hourly"
TICK = Decimal("0.1")  # of Coincall's BTC options

pytestmark = pytest.mark.skipif(not HOURLY.is_dir(), reason=f"no recorded chains in {HOURLY}")


@pytest.fixture(scope="module")
def recorded() -> Mapping[datetime, Mapping[str, tuple[Decimal, Decimal]]]:
    """Return what was recorded of each moment, straight from the files: bid and ask in USD by the name of the option."""
    quotes = pl.scan_parquet(sorted(HOURLY.glob("BTC_*.parquet"))).select(
        "timestamp", "instrument_name", "bid_price", "ask_price", "estimated_delivery_price"
    )
    found: dict[datetime, dict[str, tuple[Decimal, Decimal]]] = {}
    for at, name, bid, ask, index in quotes.collect().iter_rows():
        coins = (Decimal(str(bid or 0)), Decimal(str(ask or 0)))
        usd = Decimal(str(index))
        found.setdefault(at, {})[name] = (coins[0] * usd, coins[1] * usd)
    return found


@pytest.fixture
def trader(tmp_path: Path) -> Iterator[Trader]:
    one = Trader(tmp_path)
    one.state = one.home / "state" / "paper-deribit_chain_hourly-1"
    with cast(one):
        yield one


def in_force(recorded: Mapping[datetime, object], at: datetime) -> datetime:
    """Return the last recording at or before a moment."""
    return max(moment for moment in recorded if moment <= at)


def as_recorded(symbol: str) -> str:
    """Return how the recordings call one of Coincall's options."""
    return symbol.replace("USD-", "-", 1)


def bounds(bid: Decimal, ask: Decimal) -> Sequence[Decimal]:
    """Return between which prices a trade counts as inside: the recorded ones, or the ticks around them where none lies between."""
    inside = (bid / TICK).to_integral_value(ROUND_CEILING) < (ask / TICK).to_integral_value(ROUND_FLOOR)
    low, high = (bid / TICK).to_integral_value(ROUND_FLOOR) * TICK, (ask / TICK).to_integral_value(ROUND_CEILING) * TICK
    return (bid, ask) if inside else (low, high)


@pytest.mark.soak  # twenty seconds, and only where recordings are
def test_a_short_strangle_opens_and_closes_and_never_trades_better_than_was_recorded(
    trader: Trader, recorded: Mapping[datetime, Mapping[str, tuple[Decimal, Decimal]]]
) -> None:
    trader.start("--strategy", "short_strangle", "--paper-market", str(HOURLY), "--paper-speed", "3600")
    trader.hear("trade closed id=short_strangle", within=LONG)
    trader.stop()

    ledger = ledger_on_disk(trader.state / "exchange")
    assert [trade.state for trade in trader.trades()].count(TradeState.CLOSED) >= 1
    assert len(ledger.fills) >= 4
    limits = {order.order_id: order.price for order in ledger.orders}
    for fill in ledger.fills:
        low, high = bounds(*recorded[in_force(recorded, fill.at)][as_recorded(fill.symbol)])
        told = f"{fill.symbol} at {fill.price}, recorded {low} to {high} at {fill.at}"
        if fill.maker_order is None:
            assert low <= fill.price <= high, told
        else:  # at our own limit, which may lie beyond the market, but only to our cost
            assert fill.price == limits[fill.maker_order], told
            assert fill.price >= low if fill.taker_side is Side.SELL else fill.price <= high, told
    assert set(booked(trader.events())) <= set(ledger.fills_of_orders())
    assert sum((trade.net_profit for trade in trader.trades()), Decimal(0)) == ledger.earned
    assert "Traceback" not in trader.story
