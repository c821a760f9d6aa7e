"""A push is news: it makes the order path look now, and is never itself believed."""

import math
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from domain import (
    AccountSnapshot,
    BlockPush,
    BlockTrade,
    BookPush,
    ChainPush,
    Channel,
    FillPush,
    Greeks,
    IndexPush,
    Level,
    OrderBook,
    OrderPush,
    OrderReport,
    OrderStatus,
    PositionPush,
    Push,
    Side,
    StreamLost,
    StreamOpened,
    StreamStanding,
    Topic,
)
from errors import DataNotFresh, ExchangeRejected, ExchangeUnavailable
from events import LegFilled, OrderAccepted, OrderSettled
from live_feed import OWN, Outages
from market_data.data import completed

from tests.fakes import EXPIRY, SECOND, START, a_name, a_quote, an_order
from tests.unit.live_stage import NAME, OPTION, Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_a_fill_that_is_told_is_read_and_booked_at_once(stage: Stage) -> None:
    stage.house.venue.execute(NAME, "0.4")

    stage.tell(stage.report())

    (booked,) = stage.house.journal.of(LegFilled)
    assert isinstance(booked, LegFilled)
    assert (booked.fill.qty, booked.fill.fee) == (Decimal("0.4"), Decimal("0.20"))  # the fee is only in the list of trades


def test_a_trade_that_is_told_is_read_and_booked_at_once_too(stage: Stage) -> None:
    stage.house.venue.execute(NAME, "0.4")
    fill = stage.house.venue.rows[-1]

    stage.tell(
        FillPush(fill_id=fill.id, order_id=fill.order_id, symbol=fill.symbol, side=fill.side, qty=fill.qty, price=fill.price, at=START)
    )

    assert stage.record.booked == Decimal("0.4")


def test_a_push_that_comes_twice_late_or_out_of_order_books_nothing_more(stage: Stage) -> None:
    early = stage.report()
    stage.house.venue.execute(NAME, "0.4")
    partly = stage.report()
    stage.house.venue.execute(NAME)
    fills: list[Push] = [
        FillPush(fill_id=f.id, order_id=f.order_id, symbol=f.symbol, side=f.side, qty=f.qty, price=f.price, at=START)
        for f in stage.house.venue.rows
    ]

    pushes: list[Push] = [stage.report(), partly, early, *fills, stage.report(), *reversed(fills), early]
    for push in pushes:
        stage.tell(push)

    assert len(stage.house.journal.of(LegFilled)) == 2
    assert stage.record.booked == 1
    assert stage.record.working == 0


def test_a_cancel_that_is_told_is_asked_about_before_it_is_believed(stage: Stage) -> None:
    stage.house.venue.execute(NAME, "0.4")

    stage.tell(stage.report(status=OrderStatus.CANCELED, filled=Decimal(0)))  # which is not so: the venue still has it open

    assert stage.house.journal.of(OrderSettled) == []
    assert stage.record.working == Decimal(1) - stage.record.booked


def test_a_push_names_an_order_whose_answer_was_lost() -> None:
    stage = Stage(sent=False)
    stage.house.venue.lose_reply = True
    stage.house.executor.submit(an_order(), stage.house.trade())
    stage.house.inbox.drain()
    before = stage.record

    stage.tell(stage.report())

    assert (before.lost, stage.record.lost) == (True, False)
    assert stage.house.journal.of(OrderAccepted)
    assert len(stage.house.venue.received) == 1


def test_a_push_that_tells_too_much_is_not_believed(stage: Stage) -> None:
    stage.house.venue.execute(NAME, "0.5")
    stage.tell(stage.report(filled=Decimal(1), status=OrderStatus.FILLED))

    assert (stage.record.booked, stage.record.working) == (Decimal("0.5"), Decimal("0.5"))

    stage.house.executor.cancel(NAME)
    settled = []
    for _ in range(45):
        stage.house.clock.advance(SECOND)
        stage.house.inbox.drain()
        stage.house.executor.step(stage.house.clock.now())
        stage.house.inbox.drain()
        settled.append(stage.record.settled)
    assert (settled[5], settled[-1]) == (False, True)  # the news is waited for, and then no more
    assert (stage.record.booked, stage.record.working) == (Decimal("0.5"), Decimal(0))


def test_a_refusal_after_the_venue_has_named_the_order_is_doubted() -> None:
    stage = Stage(sent=False)
    stage.house.executor.submit(an_order(), stage.house.trade())  # its answer waits in the inbox
    held_back = stage.house.inbox.take()
    stage.feed._take(stage.report())
    stage.house.executor._submitted(NAME, ExchangeRejected("fake", "create", "no", 10004))
    stage.house.inbox.drain()

    assert held_back
    assert stage.record.refused is None
    assert len(stage.house.venue.received) == 1


def test_holdings_that_are_told_each_second_wake_nobody(stage: Stage) -> None:
    for _ in range(1000):
        stage.feed.hear(PositionPush(symbol=OPTION.symbol, held=Decimal(-1), at=START))
    assert len(stage.house.inbox) == 0


def test_l20_orders_of_others_that_are_told_change_nothing(stage: Stage) -> None:
    theirs = stage.report(client_id=None, order_id="not ours", filled=Decimal(1))
    unknown = stage.report(client_id=a_name(trade=99))
    before = list(stage.house.journal.events)

    stage.tell(theirs)
    stage.tell(unknown)

    assert stage.house.journal.events == before
    assert stage.house.venue.cancels == []


def test_a_holding_that_is_not_the_one_we_know_has_the_account_read_again(stage: Stage) -> None:
    stage.account.refresh()
    stage.house.inbox.drain()
    push = PositionPush(symbol=OPTION.symbol, held=Decimal(-1), at=START)

    for told in (push, push, PositionPush(symbol="BTCUSD-X", held=Decimal(0), at=START)):
        stage.tell(told)
        stage.feed.refresh()
        stage.house.inbox.drain()

    assert stage.reader.accounts == 2  # once: the venue answers two such questions a second


def test_news_of_a_request_is_noted_with_its_moment(stage: Stage) -> None:
    stage.house.clock.advance(5 * SECOND)
    stage.tell(BlockPush(block=BlockTrade(block_id="b", request_id="r1", quote_id=None, fills=None), as_maker=False, at=START))
    assert stage.heard == {"r1": START + 5 * SECOND}


def test_every_push_of_our_own_reaches_who_listens(stage: Stage) -> None:
    push = stage.report()
    stage.tell(push)
    assert stage.news == [push]


def test_only_the_newest_book_of_a_tick_is_taken(stage: Stage) -> None:
    with pytest.raises(DataNotFresh):
        stage.market.book(OPTION.symbol)
    stage.house.inbox.drain()
    for price in (80, 81, 82):
        book = OrderBook(symbol=OPTION.symbol, at=START, bids=(Level(Decimal(price), Decimal(1)),))
        stage.tell(BookPush(book=book))
    assert stage.market.book(OPTION.symbol).bids[0].price == 90  # prices wait for the tick

    stage.feed.refresh()
    assert stage.market.book(OPTION.symbol).bids[0].price == 82


def test_a_chain_is_taken_only_with_an_index_as_fresh(stage: Stage) -> None:
    with pytest.raises(DataNotFresh):
        stage.market.chain("BTC", EXPIRY)
    stage.house.inbox.drain()
    stage.house.clock.advance(SECOND)
    told = ChainPush(underlying="BTC", expiry=EXPIRY, quotes=(a_quote(OPTION, bid="50", ask="52"),), at=stage.house.clock.now())

    stage.tell(told)
    stage.feed.refresh()
    assert stage.market.chain("BTC", EXPIRY).quotes[0].bid == 99

    stage.tell(IndexPush(underlying="BTC", price=Decimal(65100), at=stage.house.clock.now()))
    stage.feed.refresh()
    stage.tell(told)
    stage.feed.refresh()
    chain = stage.market.chain("BTC", EXPIRY)
    assert (chain.quotes[0].bid, chain.index) == (Decimal(50), Decimal(65100))


def test_a_greek_that_is_not_told_stays_as_it_was_known(stage: Stage) -> None:
    untold = replace(a_quote(OPTION), greeks=Greeks(delta=0.4, rho=math.nan))
    known = {OPTION.symbol: replace(a_quote(OPTION), greeks=Greeks(delta=0.2, rho=1.5))}

    assert completed(untold, known).greeks == Greeks(delta=0.4, rho=1.5)
    assert completed(untold, {}).greeks is None


def test_what_is_told_keeps_the_venue_from_being_asked(stage: Stage) -> None:
    with pytest.raises(DataNotFresh):
        stage.market.book(OPTION.symbol)
    stage.house.inbox.drain()
    asked = stage.reader.asked
    for _ in range(60):
        stage.house.clock.advance(SECOND)
        stage.tell(BookPush(book=OrderBook(symbol=OPTION.symbol, at=stage.house.clock.now())))
        stage.feed.refresh()
        stage.market.book(OPTION.symbol)
        stage.house.inbox.drain()
    assert stage.reader.asked == asked


def test_after_a_gap_a_price_is_asked_for_before_it_is_told_again(stage: Stage) -> None:
    with pytest.raises(DataNotFresh):
        stage.market.book(OPTION.symbol)
    stage.house.inbox.drain()
    stage.tell(StreamLost(name="options", reason="closed", at=START))
    stage.tell(BookPush(book=OrderBook(symbol=OPTION.symbol, at=START, bids=(Level(Decimal(10), Decimal(1)),))))
    asked = stage.reader.asked

    stage.feed.refresh()  # the push is not believed, and the question goes out
    stage.house.inbox.drain()

    assert stage.market.book(OPTION.symbol).bids[0].price == 90
    assert stage.reader.asked == asked + 1


def test_a_reconnection_has_every_live_order_read_again(stage: Stage) -> None:
    stage.house.venue.execute(NAME)  # nobody tells

    stage.tell(StreamOpened(name="options", silent_since=START, at=START))
    stage.house.executor.step(stage.house.clock.now())
    stage.house.inbox.drain()

    assert stage.record.booked == 1
    assert stage.gaps == [START]


def test_what_is_wanted_is_followed_and_asked_for_once_only(stage: Stage) -> None:
    stage.feed.connect(stage.streams)
    stage.feed.refresh()
    stage.feed.refresh()
    assert stage.streams.followed == [OWN]

    with pytest.raises(DataNotFresh):
        stage.market.book(OPTION.symbol)
    stage.feed.refresh()
    assert stage.streams.followed[-1] == OWN | {Channel(Topic.BOOK, OPTION.symbol)}


def test_a_stream_that_stands_and_tells_no_fill_is_made_anew(stage: Stage) -> None:
    stage.feed.connect(stage.streams)
    stage.house.venue.execute(NAME)
    stage.house.executor.recheck()
    stage.house.executor.step(stage.house.clock.now())
    stage.house.inbox.drain()
    for event in stage.house.journal.of(LegFilled):
        stage.feed.saw(event)
    stage.feed._untold = {name: (since - 6, at + SECOND) for name, (since, at) in stage.feed._untold.items()}

    stage.feed.refresh()

    ((name, reason),) = stage.streams.renewed
    assert name == "options"
    assert str(NAME) in reason
    assert stage.house.alerts.about("stream deaf")


def test_a_fill_that_was_told_raises_no_doubt(stage: Stage) -> None:
    stage.feed.connect(stage.streams)
    stage.house.venue.execute(NAME)
    stage.tell(stage.report())
    for event in stage.house.journal.of(LegFilled):
        stage.feed.saw(event)
    assert stage.feed._untold == {}


@pytest.mark.parametrize(("failures", "seconds", "told"), [(2, 60, 0), (3, 4, 0), (9, 4, 0), (3, 5, 1)])
def test_a_stream_that_cannot_be_had_calls_a_person(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, failures: int, seconds: float, told: int
) -> None:
    stage.feed.connect(stage.streams)
    stage.streams.open, stage.streams.failures = False, failures
    for now in (100.0, 100.0 + seconds):
        monkeypatch.setattr("live_feed.monotonic", lambda now=now: now)
        stage.feed.refresh()
    assert len(stage.house.alerts.about("stream options")) == told


def a_standing(failures: int, *, open_since: datetime | None = None) -> StreamStanding:
    return StreamStanding(name="options", open_since=open_since, heard_at=None, connections=1, channels=6, failures=failures)


def test_a_stream_that_cannot_be_had_counts_its_attempts_and_not_how_often_it_was_looked_at() -> None:
    outages = Outages()
    looks = [(second, 1 + second // 10) for second in range(70)]  # an attempt every ten seconds, a look each

    told = [len(outages.lasting([a_standing(failures)], float(second))) for second, failures in looks]

    assert sum(told) == 5  # the third to the seventh
    assert [second for (second, _), news in zip(looks, told, strict=True) if news] == [20, 30, 40, 50, 60]


def test_a_stream_that_was_had_in_between_has_not_been_away_for_long() -> None:
    outages = Outages()
    assert outages.lasting([a_standing(3)], 0.0) == []
    assert outages.lasting([a_standing(3, open_since=START)], 3.0) == []
    assert outages.lasting([a_standing(4)], 6.0) == []
    assert outages.lasting([a_standing(5)], 11.0) != []


def test_l37_without_streams_no_fill_waits_to_be_told(stage: Stage) -> None:
    stage.house.venue.execute(NAME)
    stage.house.clock.advance(2 * SECOND)
    stage.house.executor.step(stage.house.clock.now())
    stage.house.inbox.drain()
    for event in stage.house.journal.of(LegFilled):
        stage.feed.saw(event)
    assert stage.house.journal.of(LegFilled)
    assert stage.feed._untold == {}


def test_without_streams_everything_is_still_asked_for(stage: Stage) -> None:
    stage.house.venue.execute(NAME)
    for _ in range(4):
        stage.house.clock.advance(2 * SECOND)
        stage.feed.refresh()
        stage.house.executor.step(stage.house.clock.now())
        stage.house.inbox.drain()
    assert stage.record.booked == 1


def test_l39_an_account_that_cannot_be_read_after_a_push_stays_as_old_as_it_is(stage: Stage) -> None:
    stage.account.refresh()
    stage.house.inbox.drain()

    def down() -> AccountSnapshot:
        raise ExchangeUnavailable("fake", "account", "down")

    stage.reader.read = down  # type: ignore[method-assign]
    stage.house.clock.advance(timedelta(seconds=40))
    stage.tell(PositionPush(symbol=OPTION.symbol, held=Decimal(-1), at=START))
    stage.feed.refresh()
    assert not stage.account.snapshot(stage.house.clock.now()).valid


def test_a_report_of_a_stranger_order_is_no_report_of_ours() -> None:
    stage = Stage(sent=False)
    report = OrderReport(
        client_id=None, order_id="1", symbol=OPTION.symbol, side=Side.BUY, qty=Decimal(1), filled=Decimal(1), status=OrderStatus.FILLED
    )
    stage.tell(OrderPush(report=report, at=START))
    assert stage.house.journal.of(LegFilled) == []
