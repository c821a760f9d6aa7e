"""Each documented push is read to the last digit, in its short names and in its long ones."""

import json
import math
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from clock import to_ms
from domain import (
    BlockPush,
    BlockTrade,
    BookPush,
    ChainPush,
    Fill,
    FillPush,
    IndexPush,
    Level,
    OrderBook,
    OrderPush,
    OrderReport,
    OrderStatus,
    PositionPush,
    QuotedLeg,
    QuotePush,
    QuoteStatus,
    RequestedLeg,
    RequestPush,
    RFQQuote,
    RFQStatus,
    Side,
    TapePush,
    TickerPush,
)
from errors import MalformedResponse
from exchanges.coincall.wire_stream import Receipt

from tests.wire.coincall_builders import EXPIRY, OUR_NUMBER, SYMBOL, a_client_id, an_option
from tests.wire.stream_samples import (
    BLOCK,
    BOOK,
    CHAIN,
    HERE,
    NOW,
    ORDER,
    POSITION,
    QUOTE,
    RECEIVED,
    RFQ,
    SPOT,
    TAPE,
    TAPE_V2,
    TICKER,
    TRADE,
    changed,
    ms,
    read,
    the_push,
)

# ---- the account


def test_an_order_that_matched_in_part() -> None:
    assert the_push(ORDER) == OrderPush(
        report=OrderReport(
            client_id=None,
            order_id="1900000000000000123",
            symbol=SYMBOL,
            side=Side.BUY,
            qty=Decimal("0.5"),
            filled=Decimal("0.1"),
            status=OrderStatus.PARTIALLY_FILLED,
            price=Decimal(1510),
            avg_price=Decimal(1508),
            created_at=ms(1764000000000),
        ),
        at=ms(1764000000300),
    )


@pytest.mark.parametrize(
    ("fields", "status", "filled"),
    [
        ({"os": 0, "fq": None, "rq": None, "ap": None}, OrderStatus.NEW, "0"),
        ({"os": "0", "fq": "", "rq": "", "ap": ""}, OrderStatus.NEW, "0"),
        ({"os": -1, "fq": None, "rq": None}, OrderStatus.PRE, "0"),
        ({"os": 1, "fq": "0.5", "rq": "0"}, OrderStatus.FILLED, "0.5"),
        ({"os": 3, "rq": None, "cq": "0.4"}, OrderStatus.CANCELED, "0.1"),
        ({"os": 3, "fq": None, "rq": None, "cq": "0.4"}, OrderStatus.CANCELED, "0.1"),
        ({"os": 10, "rq": None, "cq": "0.4"}, OrderStatus.CANCEL_BY_EXERCISE, "0.1"),
        ({"os": 6, "q": 0.5, "rq": 0.4, "fq": 0.1, "ap": 1508.0}, OrderStatus.INVALID, "0.1"),
        ({"os": 4}, OrderStatus.PRE_CANCEL, "0.1"),
        ({"os": 5}, OrderStatus.CANCELING, "0.1"),
        ({"os": 77}, OrderStatus.UNKNOWN, "0.1"),
    ],
)
def test_l06_an_order_in_each_state_and_what_of_it_has_filled(fields: dict[str, Any], status: OrderStatus, filled: str) -> None:
    push = the_push(changed(ORDER, **fields))

    assert isinstance(push, OrderPush)
    assert (push.report.status, push.report.filled) == (status, Decimal(filled))


def test_an_order_that_is_ours_is_known_by_its_number_as_number_or_text() -> None:
    for number in (OUR_NUMBER, str(OUR_NUMBER)):
        push = the_push(changed(ORDER, coid=number))
        assert isinstance(push, OrderPush) and push.report.client_id == a_client_id()


def test_an_order_whose_number_repeats_the_venues_own_is_not_ours() -> None:
    push = the_push(changed(ORDER, coid=OUR_NUMBER, oid=OUR_NUMBER))

    assert isinstance(push, OrderPush) and push.report.client_id is None


def test_an_order_in_the_long_names_of_rest() -> None:
    long = {"orderId": 1900000000000000123, "clientOrderId": 123123123, "symbol": SYMBOL, "remainQty": 0.4, "fillQty": 0.1, "qty": 0.5}
    long |= {"price": 1510, "avgPrice": 1508, "tradeSide": 1, "createTime": 1764000000000, "ts": 1764000000300, "state": 2}

    assert the_push(json.dumps({"dt": "11", "c": "20", "d": long})) == the_push(ORDER)


def test_an_order_that_says_nothing_of_what_has_filled_is_malformed() -> None:
    with pytest.raises(MalformedResponse, match="neither fillQty nor remainQty"):
        read(changed(ORDER, os=4, fq=None, rq=None))


def test_a_fill_has_no_fee() -> None:
    assert the_push(TRADE) == FillPush(
        fill_id="1900000000000000199",
        order_id="1900000000000000123",
        symbol=SYMBOL,
        side=Side.BUY,
        qty=Decimal("0.1"),
        price=Decimal(1508),
        at=ms(1764000000300),
    )


def test_a_fill_in_short_names_is_the_same_fill() -> None:
    short = {"coid": "123123123", "it": "1", "mpr": "1508", "mq": "0.1", "oid": 1900000000000000123, "si": 1, "rq": "0.4"}
    short |= {"s": SYMBOL, "tid": 1900000000000000199, "ts": 1764000000300}

    assert the_push(json.dumps({"dt": 15, "c": 20, "d": short})) == the_push(TRADE)


@pytest.mark.parametrize("qty", ["0", "-0.1", "NaN", "x"])
def test_a_fill_of_nothing_is_malformed(qty: str) -> None:
    with pytest.raises(MalformedResponse):
        read(changed(TRADE, matchQty=qty))


@pytest.mark.parametrize("dt", [12, 27])
@pytest.mark.parametrize(
    ("fields", "held"), [({}, "0.1"), ({"si": "2"}, "-0.1"), ({"si": 2, "q": 0.25}, "-0.25"), ({"os": "5"}, "0"), ({"q": "0"}, "0")]
)
def test_a_position_is_signed_and_a_closed_one_is_of_nothing(dt: int, fields: dict[str, Any], held: str) -> None:
    text = changed(POSITION, **fields).replace('"dt": 27', f'"dt": {dt}')

    assert the_push(text) == PositionPush(symbol=SYMBOL, held=Decimal(held), at=ms(1764000000350))


def test_a_position_below_zero_is_malformed() -> None:
    with pytest.raises(MalformedResponse, match="direction belongs in tradeSide"):
        read(changed(POSITION, q="-0.1"))


# ---- the market


def test_a_book_comes_whole_best_first() -> None:
    levels = (Level(Decimal(1500), Decimal("0.8")),), (Level(Decimal(1520), Decimal("1.2")),)

    assert the_push(BOOK) == BookPush(book=OrderBook(symbol=SYMBOL, at=ms(1764000000100), bids=levels[0], asks=levels[1]))


def test_a_book_is_sorted_and_its_empty_levels_left_out() -> None:
    rows = [{"pr": "1", "sz": "1"}, {"price": 3, "size": 1}, {"pr": "2", "sz": "0"}]

    push = the_push(changed(BOOK, bids=rows, asks=[]))

    assert isinstance(push, BookPush)
    assert [level.price for level in push.book.bids] == [3, 1] and push.book.asks == ()


@pytest.mark.parametrize("text", [TAPE, TAPE_V2])
def test_a_public_trade_by_either_channel(text: str) -> None:
    assert the_push(text) == TapePush(symbol=SYMBOL, side=Side.BUY, price=Decimal(1510), qty=Decimal("0.1"), at=ms(1764000000200))


def test_a_ticker() -> None:
    assert the_push(TICKER) == TickerPush(symbol=SYMBOL, mark=Decimal("1512.4"), index=Decimal("94990.5"), at=ms(1764000000000))


def test_l40_a_ticker_without_prices_has_none() -> None:
    assert the_push(changed(TICKER, mp=0, ip=0, iv=None)) == TickerPush(symbol=SYMBOL, mark=None, index=None, at=ms(1764000000000))


def test_a_chain_has_the_quotes_of_what_is_listed() -> None:
    text = CHAIN.replace('"d":[', '"d":[{"s":"BTCUSD-28MAR26-1-C"},{"s":"ETHUSD-28MAR26-1-C"},')

    push = the_push(text)

    assert isinstance(push, ChainPush)
    [quote] = push.quotes
    assert (push.underlying, push.expiry, push.at) == ("BTC", EXPIRY, ms(1764000000000))
    assert (quote.option, quote.bid, quote.ask, quote.bid_size, quote.ask_size) == (
        an_option(),
        Decimal(1500),
        Decimal(1520),
        Decimal("0.8"),
        Decimal("1.2"),
    )
    assert (quote.mark, quote.mark_iv, quote.underlying_price, quote.at) == (Decimal("1512.4"), 0.515, Decimal("95000.1"), push.at)
    assert quote.greeks is not None
    assert (quote.greeks.delta, quote.greeks.theta) == (0.33, -40.2)
    assert math.isnan(quote.greeks.rho)  # which the sample does not name


def test_a_chain_of_which_nothing_is_listed_tells_nothing() -> None:
    assert read(CHAIN.replace("BTCUSD", "ETHUSD")) == ()


def test_the_index_of_an_underlying() -> None:
    assert the_push(SPOT) == IndexPush(underlying="BTC", price=Decimal("94990.5"), at=ms(1764000000000))


def test_l40_a_venue_without_an_index_price_tells_none() -> None:
    assert read(changed(SPOT, ip=0)) == ()


def test_numbers_are_exact_to_the_last_digit() -> None:
    push = the_push(SPOT.replace("94990.5", "0.1234567890123456789012"))

    assert isinstance(push, IndexPush) and push.price == Decimal("0.1234567890123456789012")


# ---- requests, quotes, blocks


@pytest.mark.parametrize(("dt", "ours"), [(28, False), (129, True)])
def test_a_request_by_either_channel(dt: int, ours: bool) -> None:
    assert the_push(RFQ.replace('"dt":28', f'"dt":{dt}')) == RequestPush(
        request_id="1990000000000000001",
        status=RFQStatus.ACTIVE,
        legs=(RequestedLeg(symbol=SYMBOL, side=Side.BUY, qty=Decimal("0.5"), mark=Decimal("1512.4")),),
        created_at=ms(1764000000000),
        expires_at=ms(1764003600000),
        ours=ours,
        at=ms(1764000000037),
    )


@pytest.mark.parametrize(
    ("state", "status"), [("FILLED", RFQStatus.FILLED), ("TRADED_AWAY", RFQStatus.TRADED_AWAY), ("WHATEVER", RFQStatus.ACTIVE)]
)
def test_a_request_in_a_state_that_we_do_not_know_is_not_final(state: str, status: RFQStatus) -> None:
    push = the_push(changed(RFQ, state=state, requestId=1990000000000000001))

    assert isinstance(push, RequestPush) and push.status is status


def test_a_leg_may_name_its_side_otherwise_and_have_no_mark() -> None:
    leg = {"instrumentName": SYMBOL, "price": "", "qty": "0.5", "tradeSide": 2}

    push = the_push(changed(RFQ, legs=[leg]))

    assert isinstance(push, RequestPush)
    assert push.legs == (RequestedLeg(symbol=SYMBOL, side=Side.SELL, qty=Decimal("0.5"), mark=None),)


@pytest.mark.parametrize(("text", "own"), [(QUOTE, True), (QUOTE.replace("130", "20", 1), True), (RECEIVED, False)])
def test_a_quote_of_ours_and_one_that_we_are_given(text: str, own: bool) -> None:
    assert the_push(text) == QuotePush(
        quote=RFQQuote(
            quote_id="1990000000000000501",
            request_id="1990000000000000001",
            status=QuoteStatus.OPEN,
            legs=(QuotedLeg(symbol=SYMBOL, side=Side.SELL, price=Decimal(1525), qty=Decimal("0.5")),),
            created_at=ms(1764000010000),
            expires_at=ms(1764000310000),
        ),
        own=own,
        at=ms(1764000010000),
    )


@pytest.mark.parametrize("price", ["NaN", "-1", "0"])
def test_a_quote_on_which_nothing_can_be_traded_is_malformed(price: str) -> None:
    with pytest.raises(MalformedResponse):
        read(RECEIVED.replace('"1525"', f'"{price}"'))


def test_a_block_that_we_made_has_our_own_fills() -> None:
    fill = Fill(
        id="1990000000000000602",
        order_id="1990000000000000603",
        symbol=SYMBOL,
        side=Side.SELL,
        qty=Decimal("0.5"),
        price=Decimal(1525),
        fee=Decimal("4.749525"),
        at=ms(1764000020000),
        is_taker=False,
    )

    assert the_push(BLOCK) == BlockPush(
        block=BlockTrade(block_id="1990000000000000501", request_id="1990000000000000001", quote_id="1990000000000000501", fills=(fill,)),
        as_maker=True,
        at=ms(1764000020300),
    )


def test_a_block_whose_legs_cannot_be_read_was_traded_all_the_same() -> None:
    push = the_push(changed(BLOCK, role="TAKER", legs=[{"instrumentName": SYMBOL}]))

    assert isinstance(push, BlockPush)
    assert push.block.fills is None and not push.as_maker


# ---- moments


def test_moments_are_told_by_our_clock() -> None:
    ahead = Receipt(NOW, timedelta(seconds=2), HERE.listed)

    for text in (ORDER, TAPE, BOOK, BLOCK):
        ours, theirs = the_push(text, ahead), the_push(text)
        assert getattr(theirs, "at", NOW) - getattr(ours, "at", NOW) == timedelta(seconds=0 if text is BOOK else 2)
    quote = the_push(QUOTE, ahead)
    assert isinstance(quote, QuotePush) and quote.quote.expires_at == ms(1764000308000)


@pytest.mark.parametrize("told", [None, 20251124160000, 0, to_ms(NOW + timedelta(seconds=30)), to_ms(NOW + timedelta(hours=1)), 10**30])
def test_a_time_that_cannot_be_true_is_that_of_receipt(told: int | None) -> None:
    assert HERE.source(told) == NOW


def test_l38_an_old_time_stays_old() -> None:
    push = the_push(SPOT)

    assert isinstance(push, IndexPush) and NOW - push.at > timedelta(days=90)
