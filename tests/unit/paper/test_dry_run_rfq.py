"""Block trades in a dry run: makers over the venue's books, ids nobody can take for the venue's, one account with the orders."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from clock import SimulatedClock
from domain import Chain, Greeks, Level, Option, OptionLeg, OrderBook, Quote, QuoteStatus, RFQQuote, RFQRequest, RFQStatus, Side
from errors import ExchangeRejected, ExchangeUnavailable, OrderAlreadyFinal, OrderNotFound
from paper.dry_run import DryRunDesk
from paper.makers import MakerModel

from tests.unit.paper.engine_market import CALL, PUT, START, D

KEEN = MakerModel(answer_chance=1.0, pull_chance=0.0)
LEGS = (OptionLeg(instrument=CALL, side=Side.BUY, qty=D(1)), OptionLeg(instrument=PUT, side=Side.SELL, qty=D(1)))


class Venue:
    """A real venue's market that stands still, counts its questions and can be unreachable."""

    def __init__(self, clock: SimulatedClock) -> None:
        self.clock, self.down, self.asked = clock, False, 0

    def instruments(self, underlying: str, /) -> Sequence[Option]:
        return [CALL, PUT] if underlying == "BTC" else []

    def chain(self, underlying: str, listed: Sequence[Option], expiry: datetime | None = None, /) -> Chain:
        quotes = [
            Quote(
                option=option,
                at=self.clock.now(),
                mark=D(1500),
                mark_iv=0.5,
                greeks=Greeks(delta=0.3, gamma=0.0, vega=90.0, theta=-10.0, rho=1.0),
                underlying_price=D(95_000),
            )
            for option in listed
            if expiry in {None, option.expiry}
        ]
        return Chain(underlying=underlying, index=D(95_000), at=self.clock.now(), quotes=tuple(quotes))

    def book(self, symbol: str, /) -> OrderBook:
        self.asked += 1
        if self.down:
            raise ExchangeUnavailable("venue", "book", "no connection")
        return OrderBook(symbol=symbol, at=self.clock.now(), bids=(Level(D(1480), D(5)),), asks=(Level(D(1520), D(5)),))

    def index(self, underlying: str, /) -> tuple[Decimal, datetime]:
        assert underlying == "BTC"
        return D(95_000), self.clock.now()


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(START)


@pytest.fixture
def venue(clock: SimulatedClock) -> Venue:
    return Venue(clock)


@pytest.fixture
def desk(venue: Venue, clock: SimulatedClock) -> DryRunDesk:
    return DryRunDesk(venue, clock, D(1_000_000), makers=KEEN)


def answered(desk: DryRunDesk, clock: SimulatedClock) -> tuple[RFQRequest, list[RFQQuote]]:
    request = desk.rfq.request(LEGS)
    clock.advance(timedelta(seconds=6))
    return request, list(desk.rfq.quotes(request))


def test_makers_answer_over_the_venues_books_and_every_id_says_that_it_is_dry(desk: DryRunDesk, clock: SimulatedClock) -> None:
    request = desk.rfq.request(LEGS)
    assert list(desk.rfq.quotes(request)) == []
    clock.advance(timedelta(seconds=6))

    quotes = desk.rfq.quotes(request)

    assert len(quotes) == 8 and {quote.is_we_buy for quote in quotes} == {True, False}
    assert all(quote.status is QuoteStatus.OPEN and quote.stated == LEGS for quote in quotes)
    assert request.request_id.startswith("dry-") and all(quote.quote_id.startswith("dry-") for quote in quotes)


def test_an_accepted_quote_is_held_and_booked_by_the_same_account_as_the_orders(desk: DryRunDesk, clock: SimulatedClock) -> None:
    request, quotes = answered(desk, clock)
    chosen = min((quote for quote in quotes if quote.trades(LEGS)), key=lambda quote: quote.total_cost)

    block = desk.rfq.accept(request, chosen)

    assert block.fills is not None
    assert [(fill.symbol, fill.side, fill.qty) for fill in block.fills] == [(CALL.symbol, Side.BUY, D(1)), (PUT.symbol, Side.SELL, D(1))]
    assert sum(fill.side.sign * fill.price * fill.qty for fill in block.fills) == chosen.total_cost
    assert {fill.id for fill in desk.fills(START)} == {fill.id for fill in block.fills}
    assert {(row.symbol, row.side) for row in desk.read().positions} == {(CALL.symbol, Side.BUY), (PUT.symbol, Side.SELL)}
    standing = desk.rfq.find(request.request_id, START)
    assert (standing.status, standing.block) == (RFQStatus.FILLED, block)


def test_a_quote_cannot_be_taken_twice(desk: DryRunDesk, clock: SimulatedClock) -> None:
    request, quotes = answered(desk, clock)
    desk.rfq.accept(request, quotes[0])

    with pytest.raises(ExchangeRejected):
        desk.rfq.accept(request, quotes[0])
    assert len(desk.fills(START)) == 2


def test_sells_only_are_turned_round_and_the_answer_says_so(desk: DryRunDesk) -> None:
    request = desk.rfq.request([OptionLeg(instrument=leg.instrument, side=Side.SELL, qty=leg.qty) for leg in LEGS])

    assert [leg.side for leg in request.legs] == [Side.BUY, Side.BUY]


def test_a_withdrawn_request_cannot_be_traded_or_withdrawn_again(desk: DryRunDesk, clock: SimulatedClock) -> None:
    request, quotes = answered(desk, clock)
    assert [row.request_id for row in desk.rfq.open_requests()] == [request.request_id]

    desk.rfq.cancel(request.request_id)

    assert desk.rfq.find(request.request_id, START).status is RFQStatus.CANCELLED
    assert not desk.rfq.open_requests()
    with pytest.raises(ExchangeRejected):
        desk.rfq.accept(request, quotes[0])
    with pytest.raises(OrderAlreadyFinal):
        desk.rfq.cancel(request.request_id)


@pytest.mark.parametrize("name", ["dry-7", "7", "dry-x"])
def test_what_was_never_asked_for_is_not_found(desk: DryRunDesk, name: str) -> None:
    with pytest.raises(OrderNotFound):
        desk.rfq.cancel(name)
    with pytest.raises(OrderNotFound):
        desk.rfq.find(name, START)


def test_too_small_a_request_is_refused_as_by_the_venue(desk: DryRunDesk) -> None:
    with pytest.raises(ExchangeRejected, match="10558"):
        desk.rfq.request([OptionLeg(instrument=CALL, side=Side.BUY, qty=D("0.4"))])


@pytest.mark.parametrize("act", [lambda desk, request, quote: desk.rfq.quotes(request), lambda desk, *taken: desk.rfq.accept(*taken)])
def test_without_the_venues_books_nothing_is_quoted_or_traded(
    desk: DryRunDesk, venue: Venue, clock: SimulatedClock, act: Callable[[DryRunDesk, RFQRequest, RFQQuote], object]
) -> None:
    request, quotes = answered(desk, clock)
    venue.down = True

    with pytest.raises(ExchangeUnavailable):
        act(desk, request, quotes[0])
    assert not desk.fills(START)


def test_a_restart_finds_requests_quotes_and_blocks_again(venue: Venue, clock: SimulatedClock, tmp_path: Path) -> None:
    file = tmp_path / "dry"
    desk = DryRunDesk(venue, clock, D(1_000_000), file, makers=KEEN)
    request, quotes = answered(desk, clock)

    again = DryRunDesk(venue, clock, D(1_000_000), file, makers=KEEN)
    block = again.rfq.accept(request, quotes[0])
    third = DryRunDesk(venue, clock, D(1_000_000), file, makers=KEEN)

    assert third.damage is None
    assert third.rfq.find(request.request_id, START).block == block
    assert len(third.read().positions) == 2
