"""The main job, whole: a trade is entered, held, left and accounted for, and the program can be stopped and asked at any time."""

import signal
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.rehearsal.stage import (
    GOODBYE,
    LONG,
    Exchange,
    Trader,
    a_strategies_file,
    booked,
    cast,
    child_of,
    ledger_on_disk,
    running,
    until,
)
from trade_lifecycle import TradeState

FAST = ("--paper-speed", "30")


@pytest.fixture
def trader(tmp_path: Path) -> Iterator[Trader]:
    """The program as `make run` starts it, with its own exchange inside."""
    one = Trader(tmp_path)
    with cast(one):
        yield one


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    """An exchange that outlives the program."""
    one = Exchange(tmp_path / "venue")
    with cast(one):
        yield one


def the_numbers_of(line: str) -> dict[str, Decimal]:
    """Read `name=1.5 other=2` out of a line of the log."""
    pairs = (word.partition("=") for word in line.split())
    return {name: Decimal(value) for name, mark, value in pairs if mark and value.replace(".", "").replace("-", "").isdecimal()}


def test_a_micro_strangle_lives_its_whole_life_and_its_result_adds_up_by_hand(trader: Trader) -> None:
    trader.start("--strategy", "micro_strangle", *FAST)
    told = the_numbers_of(trader.hear("trade result", within=LONG)[0])
    trader.stop(signal.SIGINT)

    story = trader.story
    stations = ["trade created", "trade opening", "trade open id", "trade pending close", "trade closing", "trade closed"]
    assert sorted(stations, key=story.index) == stations
    fills = [line.split() for line in trader.lines("order filled")]
    gross = sum((Decimal(f[6]) * Decimal(f[9]) * (1 if f[5] == "sell" else -1) for f in fills), Decimal(0))
    fees = sum((Decimal(f[10].removeprefix("fee=")) for f in fills), Decimal(0))
    assert (told["gross"], told["fees"], told["net"]) == (gross, fees, gross - fees)
    ledger = ledger_on_disk(trader.state / "exchange")
    assert (ledger.earned, ledger.holdings, ledger.working) == (gross - fees, {}, [])
    assert booked(trader.events()) == ledger.fills_of_orders()
    assert "Traceback" not in story
