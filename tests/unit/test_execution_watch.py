"""Books without our own orders, quotes from those books, and the mids a while after an execution."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from clock import SimulatedClock
from domain import ZERO, ExecutionMode, Level, OrderBook, Purpose, Side
from errors import JournalError
from events import ExecutionEnded, LegBook, MarketAfter
from execution_log import ExecutionLog, Run
from execution_watch import AfterWatch, merged, without_ours
from order_ledger import OrderRecord

from tests.fakes import START, FakeJournal, a_fill, a_quote, an_account, an_option, an_order, filled

D = Decimal
CALL, PUT = an_option(), an_option(60000)
MINUTE = timedelta(minutes=1)


def a_book(bids: str = "99:3 98:1", asks: str = "101:2 102:5") -> OrderBook:
    """Return a book of price:size levels, best first."""
    sides = [tuple(Level(*map(D, level.split(":"))) for level in side.split()) for side in (bids, asks)]
    return OrderBook(symbol=CALL.symbol, at=START + MINUTE, bids=sides[0], asks=sides[1])


def resting(side: Side, price: str, qty: str, reported: str = "0") -> OrderRecord:
    return OrderRecord(new=an_order(option=CALL, side=side, qty=qty, price=price), sent_at=START, order_id="v1", reported=D(reported))


@pytest.mark.parametrize(
    ("ours", "book"),
    [
        ([], a_book()),
        ([resting(Side.BUY, "99", "1")], a_book(bids="99:2 98:1")),
        ([resting(Side.BUY, "99", "3")], a_book(bids="98:1")),  # we were the best bid: it is not there for us
        ([resting(Side.BUY, "99", "9")], a_book(bids="98:1")),  # seen before the book has it all
        ([resting(Side.SELL, "101", "1.5", reported="0.5")], a_book(asks="101:1 102:5")),  # what is filled is not in the book
        ([resting(Side.SELL, "99", "1")], a_book()),  # another side at the same price
        ([resting(Side.BUY, "99", "1"), resting(Side.BUY, "99", "0.5")], a_book(bids="99:1.5 98:1")),
        ([resting(Side.BUY, "98.5", "1")], a_book()),  # the book has not seen it yet
    ],
)
def test_our_own_orders_are_not_the_market(ours: list[OrderRecord], book: OrderBook) -> None:
    assert without_ours(a_book(), ours) == book


def test_a_leg_s_quote_takes_its_prices_from_its_book_and_all_else_from_the_chain() -> None:
    chain = a_quote(CALL, "90", "110", mark="100.5")
    seen = merged(CALL, chain, a_book())
    assert (seen.bid, seen.bid_size, seen.ask, seen.ask_size) == (D(99), D(3), D(101), D(2))
    assert (seen.mark, seen.greeks, seen.underlying_price) == (chain.mark, chain.greeks, chain.underlying_price)
    assert seen.at == START + MINUTE


def test_a_side_that_the_book_does_not_have_is_missing_whatever_the_chain_says() -> None:
    seen = merged(CALL, a_quote(CALL), a_book(bids=""))
    assert (seen.bid, seen.bid_size, seen.ask) == (None, None, D(101))


def test_a_price_of_zero_is_a_price() -> None:
    assert merged(CALL, None, a_book(bids="0:4")).bid == ZERO


def test_a_book_alone_makes_a_quote_without_a_mark() -> None:
    seen = merged(CALL, None, a_book())
    assert (seen.option, seen.mid, seen.mark, seen.greeks) == (CALL, D(100), None, None)


# ---- afterwards


def a_run(journal: FakeJournal, clock: SimulatedClock, *, traded: bool = True, ended: bool = True) -> Run:
    legs = tuple(LegBook(leg=n, symbol=option.symbol, side=Side.SELL, wanted=D(1)) for n, option in enumerate((CALL, PUT)))
    log = ExecutionLog(journal, clock)
    run = log.begin(1, Purpose.OPEN, ExecutionMode.LIMIT, "a test", legs)
    if traded:
        log.take(filled(a_fill()))
    if ended:
        run.write(ExecutionEnded, success=True)
    return run


def look(watch: AfterWatch, clock: SimulatedClock, journal: FakeJournal, seconds: float) -> list[MarketAfter]:
    clock.advance(START + timedelta(seconds=seconds) - clock.now())
    watch.look(an_account(a_quote(CALL, "104", "106"), a_quote(PUT, None, "3"), now=clock.now()))
    return [event for event in journal.events if isinstance(event, MarketAfter)]


def test_the_mids_are_noted_once_when_their_time_has_come() -> None:
    journal, clock = FakeJournal(), SimulatedClock(START)
    watch = AfterWatch(MINUTE)
    watch.expect(a_run(journal, clock), (CALL, PUT))
    assert list(watch.options) == [CALL, PUT]
    assert look(watch, clock, journal, 59) == []
    noted = look(watch, clock, journal, 62)
    assert [(event.seconds, event.mids, event.run, event.trade) for event in noted] == [(62, (D(105), None), 1, 1)]
    assert not watch.options
    assert look(watch, clock, journal, 200) == noted


@pytest.mark.parametrize(("traded", "ended"), [(False, True), (True, False)])
def test_what_traded_nothing_or_goes_on_is_not_waited_for(traded: bool, ended: bool) -> None:
    journal, clock = FakeJournal(), SimulatedClock(START)
    watch = AfterWatch(MINUTE)
    watch.expect(a_run(journal, clock, traded=traded, ended=ended), (CALL,))
    assert watch.options == ()


def test_what_could_not_be_written_is_written_at_the_next_look() -> None:
    journal, clock = FakeJournal(), SimulatedClock(START)
    watch = AfterWatch(MINUTE)
    for _ in range(2):
        watch.expect(a_run(journal, clock), (CALL,))
    journal.fail_next = 1
    with pytest.raises(JournalError):
        look(watch, clock, journal, 60)
    assert len(look(watch, clock, journal, 61)) == 2


def test_an_option_is_wanted_once_however_many_wait_for_it() -> None:
    journal, clock = FakeJournal(), SimulatedClock(START)
    watch = AfterWatch(MINUTE)
    watch.expect(a_run(journal, clock), (CALL, PUT))
    watch.expect(a_run(journal, clock), (replace(CALL), an_option(80000)))
    assert watch.options == (CALL, PUT, an_option(80000))
