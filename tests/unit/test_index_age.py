"""The index that chains are told with is as old as its own time says, however young the chain: the table of ages names it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from clock import SimulatedClock
from domain import Chain, Option, OrderBook
from errors import DataNotFresh
from market_data import MarketData
from workers import InlinePool

from tests.fakes import START, FakeAlerts
from tests.unit.chains import a_chain

AN_HOUR = timedelta(hours=1)


class OldIndex:
    """A venue whose chains are always of now, and whose index was told an hour ago; without `known` it is not told at all."""

    def __init__(self, clock: SimulatedClock, *, known: bool = True) -> None:
        self._clock, self._known = clock, known

    def instruments(self, _: str, /) -> Sequence[Option]:
        return [quote.option for quote in a_chain().quotes]

    def chain(self, underlying: str, listed: Sequence[Option], expiry: datetime | None = None, /) -> Chain:
        told = a_chain(underlying=underlying)
        return replace(told, at=self._clock.now(), index_at=START - AN_HOUR if self._known else None)

    def book(self, symbol: str, /) -> OrderBook:
        return OrderBook(symbol=symbol, at=self._clock.now())

    def index(self, _: str, /) -> tuple[Decimal, datetime]:
        return Decimal(100_000), START - AN_HOUR


@pytest.mark.parametrize("known", [True, False])
def test_l38_the_index_of_a_young_chain_is_as_old_as_its_own_time(*, known: bool) -> None:
    clock = SimulatedClock(START)
    market = MarketData(OldIndex(clock, known=known), InlinePool(), clock, FakeAlerts())

    try:
        market.chain("BTC")
    except DataNotFresh:
        market.refresh()

    ages = {name: at for kind, name, _, at in market.ages() if kind == "index"}
    assert ages == ({"index BTC": START - AN_HOUR} if known else {})
