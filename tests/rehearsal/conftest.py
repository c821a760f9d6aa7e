"""The usual cast of a rehearsal; every process ends with its test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rehearsal.stage import Exchange, Trader, cast


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


@pytest.fixture
def trader_beside(tmp_path: Path, exchange: Exchange) -> Iterator[Trader]:
    """The program with an exchange beside it, at the pace of the wall."""
    one = Trader(tmp_path / "trader", exchange=exchange)
    with cast(one):
        yield one
