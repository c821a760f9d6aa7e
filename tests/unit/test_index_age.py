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
from workers import Inbox, InlinePool

from tests.fakes import START, FakeAlerts
from tests.unit.chains import a_chain

AN_HOUR = timedelta(hours=1)


class OldIndex:
    """A venue whose chains are always of now, and whose index was told at `told_at`, an hour ago; without `known` it is not told at all."""

    def __init__(self, clock: SimulatedClock, *, known: bool = True) -> None:
        self._clock, self._known = clock, known
        self.told_at = START - AN_HOUR

    def instruments(self, _: str, /) -> Sequence[Option]:
        return [quote.option for quote in a_chain().quotes]

    def chain(self, underlying: str, listed: Sequence[Option], expiry: datetime | None = None, /) -> Chain:
        told = a_chain(underlying=underlying)
        return replace(told, at=self._clock.now(), index_at=self.told_at if self._known else None)

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


class Looks:
    """Somebody who wants a chain each second, and what a person is called for meanwhile."""

    def __init__(self) -> None:
        self.clock, self.alerts = SimulatedClock(START), FakeAlerts()
        self.venue, self.inbox = OldIndex(self.clock), Inbox()
        self.market = MarketData(self.venue, InlinePool(self.inbox), self.clock, self.alerts)

    def look(self, seconds: int) -> list[bool]:
        """Look each second; tell each time whether the chain could be had."""
        return [self._once() for _ in range(seconds)]

    def _once(self) -> bool:
        self.clock.advance(timedelta(seconds=1))
        self.inbox.drain()
        self.market.refresh()
        try:
            self.market.chain("BTC")
        except DataNotFresh:
            return False
        return True

    @property
    def called(self) -> int:
        """How often a person was called for the index."""
        return len(self.alerts.about("index of BTC stands still"))


def test_an_index_that_looks_old_once_as_after_a_clock_was_set_calls_nobody_and_opens_nothing() -> None:
    looks = Looks()
    assert not any(looks.look(5))
    looks.venue.told_at = START  # what is asked for next is right again

    assert any(looks.look(20))
    assert looks.called == 0


def test_l38_an_index_that_stays_old_by_its_own_time_calls_a_person() -> None:
    looks = Looks()
    assert not any(looks.look(30))
    assert looks.called > 0


def test_an_index_that_looked_old_a_while_ago_has_not_been_old_ever_since() -> None:
    looks = Looks()
    looks.look(10)
    looks.clock.advance(AN_HOUR)
    looks.look(10)
    assert looks.called == 0
