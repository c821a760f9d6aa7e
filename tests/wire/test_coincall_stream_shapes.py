"""Each documented push is read to the last digit, in its short names and in its long ones; no frame whatever ends the reader."""

import json
import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clock import from_ms, to_ms
from domain import (
    BlockPush,
    BlockTrade,
    BookPush,
    ChainPush,
    Channel,
    Fill,
    FillPush,
    IndexPush,
    Level,
    OrderBook,
    OrderPush,
    OrderReport,
    OrderStatus,
    PositionPush,
    Push,
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
    Topic,
)
from errors import DataNotFresh, ExchangeUnavailable, MalformedResponse, VenueError
from exchanges.coincall.stream_session import HEARTBEAT, MESSAGES_PER_SECOND, Pace, Session, asks
from exchanges.coincall.wire_stream import Receipt, parse_frame, pushes_of, topic_of

from tests.wire.coincall_builders import EXPIRY, OUR_NUMBER, SYMBOL, a_client_id, an_option

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AT = NOW  # a time that the venue tells and that lies in the future is that of receipt
HERE = Receipt(NOW, timedelta(0), lambda coin: [an_option("BTCUSD-28MAR26-2-C"), an_option()] if coin == "BTC" else [])

ORDER = (
    '{"dt":11,"c":20,"d":{"oid":1900000000000000123,"coid":123123123,"uid":"1695000001","s":"BTCUSD-28MAR26-100000-C","rq":"0.4",'
    '"fq":"0.1","q":"0.5","pr":"1510","mpr":"1508","mq":"0.1","ap":"1508","si":1,"ty":1,"ct":1764000000000,"ts":1764000000300,"ro":0,'
    '"it":1,"os":2,"tif":0}}'
)
TRADE = (
    '{"dt":15,"c":20,"d":{"clientOrderId":"123123123","feeRate":"-0.0003","isTaker":"1","matchPrice":"1508","matchQty":"0.1",'
    '"matchValue":"150.8","orderId":"1900000000000000123","orderSide":"1","remainQty":"0.4","symbol":"BTCUSD-28MAR26-100000-C",'
    '"tradeId":"1900000000000000199","tradeTime":"1764000000300"}}'
)
POSITION = (
    '{"dt":27,"c":20,"d":{"ap":"1508","elp":0,"im":"0","mm":"0","mp":1512.4,"os":"1","q":"0.1","s":"BTCUSD-28MAR26-100000-C","si":"1",'
    '"tim":"","tmm":"","uid":"1695000001","upnl":"0.2","pnlbmp":"0.44","roibmp":"0.0029","rho":"2.0","vega":"9.5","delta":"0.033",'
    '"gamma":"2.0E-6","theta":"-4.0"},"ts":1764000000350}'
)
TICKER = (
    '{"dt":3,"c":20,"d":{"uv":332500.0,"rt":86400000,"mp":1512.4,"lp":1510.0,"ip":94990.5,"delta":0.33,"h":1600.0,"l":1400.0,"iv":0.515,'
    '"theta":-40.2,"cp":25.0,"pr0":1485.0,"cr":0.0168,"s":"BTCUSD-28MAR26-100000-C","uv24":332500.0,"v":3.5,"v24":3.5,"oi":12.4,'
    '"up":95000.1,"gamma":0.00002,"vega":95.1,"ts":1764000000000}}'
)
CHAIN = (
    '{"dt":4,"c":20,"d":[{"mp":1512.4,"lp":1510.0,"delta":0.33,"theta":-40.2,"cp":25.0,"biv":0.51,"aiv":0.52,"miv":0.515,"cr":0.0168,'
    '"bs":0.8,"as":1.2,"s":"BTCUSD-28MAR26-100000-C","v":3.5,"ask":1520,"v24":3.5,"oi":12.4,"upv":0,"up":95000.1,"bid":1500,'
    '"gamma":0.00002,"vega":95.1,"ts":1764000000000}]}'
)
BOOK = (
    '{"dt":5,"c":20,"d":{"s":"BTCUSD-28MAR26-100000-C","asks":[{"pr":"1520","sz":"1.2"}],"bids":[{"pr":"1500","sz":"0.8"}],'
    '"ts":1764000000100}}'
)
TAPE = '{"dt":6,"c":20,"d":[{"q":"0.1","sd":1,"pr":"1510","s":"BTCUSD-28MAR26-100000-C","ts":1764000000200}]}'
TAPE_V2 = (
    '{"dt":24,"c":20,"d":[{"matchPrice":"1510","matchQty":"0.1","matchValue":"151","symbol":"BTCUSD-28MAR26-100000-C",'
    '"tradeId":"1900000000000000199","tradeSide":"1","tradeTime":"1764000000200"}],"ts":1764000000210}'
)
SPOT = (
    '{"dt":30,"c":20,"ts":1764000000005,"d":{"pr":95001.0,"mp":94999.1,"ip":94990.5,"h":96000,"l":94000,"cp":940.0,"cr":0.01,"pr0":94061.0,'
    '"s":"BTCUSD","oi":10.5,"uv24":142000000.1,"v24":1500.5,"ts":1764000000000}}'
)
RFQ = (
    '{"dt":28,"c":20,"d":{"createTime":1764000000000,"expiryTime":1764003600000,"legs":[{"instrumentName":"BTCUSD-28MAR26-100000-C",'
    '"price":"1512.40000000","quantity":"0.5","side":"BUY"}],"requestId":"1990000000000000001","state":"ACTIVE",'
    '"updateTime":1764000000037},"ts":1764000000040}'
)
QUOTE = (
    '{"dt":130,"c":20,"d":{"createTime":1764000010000,"expiryTime":1764000310000,"updateTime":1764000010000,"legs":[{"instrumentName":'
    '"BTCUSD-28MAR26-100000-C","price":"1525","quantity":"0.5","side":"SELL"}],"quoteId":1990000000000000501,'
    '"requestId":1990000000000000001,"state":"OPEN","userId":1695000000000009},"ts":1764000010124}'
)
RECEIVED = (
    '{"dt":131,"c":20,"d":{"createTime":1764000010000,"expiryTime":1764000310000,"updateTime":1764000010000,"legs":[{"instrumentName":'
    '"BTCUSD-28MAR26-100000-C","price":"1525","quantity":"0.5","side":"SELL"}],"quoteId":"1990000000000000501",'
    '"requestId":"1990000000000000001","quoteSide":"SELL","state":"OPEN"},"ts":1764000010130}'
)
BLOCK = (
    '{"dt":22,"c":20,"d":{"blockTradeId":1990000000000000501,"createTime":1764000020300,"description":"BTC Call 28 Mar 26 100000",'
    '"quoteId":1990000000000000501,"requestId":1990000000000000001,"role":"MAKER","strategyName":"Call","strategyPrice":"1525.00000000",'
    '"strategyQuantity":"0.5","tradeSide":"SELL","userId":1695000000000009,"legs":[{"baseToken":"BTC","createTime":1764000020000,'
    '"fee":"4.749525","indexPrice":"94990.5","instrumentName":"BTCUSD-28MAR26-100000-C","iv":"0.5201","markPrice":"1512.40000000",'
    '"orderId":"1990000000000000603","price":"1525","profit":"0","quantity":"0.5","quoteToken":"USDT","side":"SELL",'
    '"tradeId":"1990000000000000602"}]},"ts":1764000020310}'
)
KLINE = (
    '{"dt":2,"c":20,"d":{"high":1520.0,"s":"BTCUSD-28MAR26-100000-C","low":1500.0,"pe":"m1","v":0.3,"close":1512.0,"open":1505.0,'
    '"ts":1764000000000}}'
)
BALANCE = (
    '{"dt":7,"c":20,"d":{"mm":800.25,"uid":1695000001,"ab":50100.0,"dv":52000.5,"assets":[{"availableBalance":50100.0,"coin":"USDT"}],'
    '"im":1200.5,"e":52000.5,"mb":51300.5,"delta":"0","btcv":0.52,"wb":50100.0,"upnl":-20.1}}'
)
PREMIUM = (
    '{"dt":44,"c":20,"d":{"minute":"2025-11-24 16:00:00","premiumIndex":0.0001,"symbol":"BTCUSD","ts":1764000000064},"ts":1764000012105}'
)
FUTURES_POSITION = (
    '{"dt":46,"c":20,"d":{"ap":"95000","elp":"70000.1","im":"190","le":"5","mm":"3.8","mp":"94999.1","os":"1","q":"0.01","s":"BTCUSD",'
    '"si":"1","tim":"","tmm":"","uid":"1695000001","upnl":"-0.009","upnlblp":"0.01","roiblp":"0.00005","lp":"95001","ctp":"E"},'
    '"ts":1764000000060}'
)
FUTURES_TRADE = (
    '{"dt":38,"c":20,"d":{"coid":"5001","fr":"0.0006","tf":"-0.57","it":"1","mpr":"95000","mq":"0.01","mv":"950",'
    '"oid":"1800000000000000400","si":"1","rq":"0","s":"BTCUSD","tid":"1800000000000000401","ts":"1764000000000"}}'
)
SPOT_FRAMES = (
    '{"ch":"market.BTCUSDT.mbp.50","ts":1764000000000,"status":"ok","tick":{"s":"BTCUSDT","b":[[95000.1,0.5]],"a":[[95000.9,0.4]],'
    '"type":"snapshot","u":1000}}',
    '{"ch":"market.BTCUSDT.mbp.50","ts":1764000000020,"status":"ok","tick":{"s":"BTCUSDT","b":[[95000.1,0.0]],"a":[],"type":"delta",'
    '"prevU":1000,"u":1001}}',
    '{"ch":"order","ts":1764000000100,"status":"ok","tick":{"orderId":42953967928017100,"clientOrderId":"abc1","symbol":"BTCUSDT",'
    '"price":"95000","qty":"0.01","tradeSide":"buy","tradeType":1,"status":0,"createTime":1764000000050}}',
)
ALL_READ = (ORDER, TRADE, POSITION, TICKER, CHAIN, BOOK, TAPE, TAPE_V2, SPOT, RFQ, QUOTE, RECEIVED, BLOCK)


def read(text: str, receipt: Receipt = HERE) -> tuple[Push, ...]:
    return pushes_of(parse_frame(text.encode()), receipt)


def the_push(text: str, receipt: Receipt = HERE) -> Push:
    [push] = read(text, receipt)
    return push


def changed(text: str, **fields: Any) -> str:
    """Return a frame whose data has other fields; None leaves one out."""
    frame = json.loads(text)
    frame["d"] |= fields
    frame["d"] = {name: value for name, value in frame["d"].items() if value is not None}
    return json.dumps(frame)


def ms(moment: int) -> datetime:
    return from_ms(moment)


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


# ---- whatever else comes


@pytest.mark.parametrize("text", [KLINE, BALANCE, PREMIUM, FUTURES_POSITION, FUTURES_TRADE])
def test_a_channel_that_we_do_not_follow_has_no_topic(text: str) -> None:
    frame = parse_frame(text.encode())

    assert frame.told and topic_of(frame.dt) is None


@pytest.mark.parametrize("text", SPOT_FRAMES)
def test_frames_of_the_spot_protocol_tell_nothing(text: str) -> None:
    frame = parse_frame(text.encode())

    assert not frame.told and not frame.beats and frame.action is None


def test_a_heartbeat_is_answered_by_its_code() -> None:
    assert parse_frame(b'{"c":11,"rc":1}').beats and not parse_frame(b'{"c":11,"rc":0}').beats
    assert not parse_frame(b'{"c":11,"rc":1}').told


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(("s", "q", "pr", "si", "os", "oid", "fq", "ts", "legs", "state", "requestId", "symbol", "asks", "bids", "mp", "ip"))
DATA = JSON | st.dictionaries(NAMES, JSON, max_size=8) | st.lists(st.dictionaries(NAMES, JSON, max_size=8), max_size=3)
FRAMES = JSON | st.fixed_dictionaries(
    {},
    optional={
        "dt": st.sampled_from((3, 4, 5, 6, 11, 12, 15, 20, 22, 24, 27, 28, 30, 129, 130, 131, "11", 99)) | JSON,
        "c": st.sampled_from((20, 11, "20", None)) | JSON,
        "d": DATA,
        "ts": st.integers() | JSON,
        "action": st.sampled_from(("SUBSCRIBE", "subscribe")) | JSON,
        "dataType": st.sampled_from(("order", "tOption")) | JSON,
        "result": JSON,
        "payload": JSON,
    },
)


@given(FRAMES)
def test_any_json_is_pushes_or_a_reason_and_never_another_error(found: Any) -> None:
    session = Session("options", Pace(), 0.0)
    session.follow(frozenset({Channel(Topic.ORDERS), Channel(Topic.CHAIN, "BTC", EXPIRY)}), 0.0)
    session.due(0.0)
    try:
        frame = parse_frame(json.dumps(found).encode())
        session.heard(frame, 1.0)
        if topic_of(frame.dt) is not None:
            assert isinstance(pushes_of(frame, HERE), tuple)
    except VenueError as error:
        assert error.reason


@given(st.binary())
def test_any_bytes_are_a_frame_or_malformed(found: bytes) -> None:
    try:
        parse_frame(found)
    except MalformedResponse as error:
        assert error.reason


@given(st.sampled_from(ALL_READ), st.integers(min_value=0))
def test_half_a_frame_is_malformed(text: str, cut: int) -> None:
    with pytest.raises(MalformedResponse):
        parse_frame(text[: cut % len(text)].encode())


# ---- what is asked for, and what is answered


def test_each_topic_is_asked_for_in_the_venues_words() -> None:
    channels = [Channel(topic) for topic in (Topic.ORDERS, Topic.POSITIONS, Topic.REQUESTS, Topic.QUOTES, Topic.BLOCKS, Topic.OWN_QUOTES)]
    channels += [Channel(Topic.BOOK, "B"), Channel(Topic.BOOK, "A"), Channel(Topic.TAPE, "A"), Channel(Topic.TICKER, "A")]
    channels += [Channel(Topic.CHAIN, "BTC", from_ms(1774684800000)), Channel(Topic.INDEX, "BTC"), Channel(Topic.INDEX, "ETH")]

    assert [ask.text() for ask in asks("subscribe", channels)] == [
        '{"action":"subscribe","dataType":"order"}',
        '{"action":"subscribe","dataType":"position"}',
        '{"action":"subscribe","dataType":"positionEvent"}',
        '{"action":"subscribe","dataType":"rfqTaker"}',
        '{"action":"subscribe","dataType":"quoteReceived"}',
        '{"action":"subscribe","dataType":"blockTradeDetail"}',
        '{"action":"subscribe","dataType":"rfqQuote"}',
        '{"action":"subscribe","dataType":"orderBook","payload":{"symbol":["A","B"]}}',
        '{"action":"subscribe","dataType":"lastTrade","payload":{"symbol":"A"}}',
        '{"action":"subscribe","dataType":"bsInfo","payload":{"symbol":"A"}}',
        '{"action":"subscribe","dataType":"tOption","payload":{"symbol":"BTCUSD","end":1774684800000}}',
        '{"action":"subscribe","dataType":"spotPrice","payload":{"symbol":["BTCUSD","ETHUSD"]}}',
    ]


def a_session(*channels: Channel) -> Session:
    session = Session("options", Pace(), 0.0)
    session.follow(frozenset(channels), 0.0)
    return session


def an_ack(data_type: str, result: str = '"success"', payload: str = "null") -> str:
    return f'{{"action":"SUBSCRIBE","dataType":"{data_type}","result":{result},"payload":{payload}}}'


def hear(session: Session, *texts: str, now: float = 0.0) -> None:
    for text in texts:
        session.heard(parse_frame(text.encode()), now)


def test_an_answer_is_to_the_message_that_it_repeats() -> None:
    later = EXPIRY + timedelta(days=7)
    session = a_session(Channel(Topic.CHAIN, "BTC", EXPIRY), Channel(Topic.CHAIN, "BTC", later))
    session.due(0.0)

    hear(session, an_ack("tOption", payload=f'{{"symbol":["BTCUSD"],"end":"{to_ms(later)}"}}'))

    with pytest.raises(ExchangeUnavailable, match=str(to_ms(EXPIRY))):
        session.check(5.0)
    hear(session, an_ack("tOption"))
    assert session.complete


@pytest.mark.parametrize("result", ['"failed"', "null", "10586", '{"code":1}'])
def test_an_answer_without_success_is_a_refusal(result: str) -> None:
    session = a_session(Channel(Topic.ORDERS))
    session.due(0.0)

    with pytest.raises(ExchangeUnavailable, match="was answered with"):
        hear(session, an_ack("order", result))


def test_an_answer_to_no_message_of_ours_says_nothing() -> None:
    session = a_session(Channel(Topic.ORDERS))
    session.due(0.0)

    hear(session, an_ack("trade", '"failed"'), an_ack("order"), an_ack("order", '"failed"'))

    assert session.complete


def test_silence_counts_from_the_first_regular_channel_and_anything_told_breaks_it() -> None:
    session = a_session(Channel(Topic.ORDERS))
    session.due(0.0)
    hear(session, an_ack("order"))
    session.follow(frozenset({Channel(Topic.ORDERS), Channel(Topic.INDEX, "BTC")}), 100.0)
    session.due(100.0)
    hear(session, an_ack("spotPrice"), '{"c":11,"rc":1}', now=100.0)
    session.check(109.9)
    hear(session, '{"c":11,"rc":1}', ORDER, now=108.0)
    session.check(117.9)

    with pytest.raises(DataNotFresh, match="nothing was told for 10 s"):
        session.check(118.0)


def test_one_topic_that_keeps_quiet_while_others_talk_is_deafness_too() -> None:
    session = a_session(Channel(Topic.BOOK, SYMBOL), Channel(Topic.TICKER, SYMBOL))
    session.due(0.0)
    hear(session, an_ack("orderBook"), an_ack("bsInfo"), BOOK, now=1.0)
    for second in range(2, 31):
        session.due(second)
        hear(session, '{"c":11,"rc":1}', TICKER, now=second)
        session.check(second)

    with pytest.raises(DataNotFresh, match="deaf: nothing of book was told for 30 s"):
        session.check(31.0)


def test_a_topic_given_up_is_not_missed() -> None:
    session = a_session(Channel(Topic.BOOK, "A"), Channel(Topic.INDEX, "BTC"))
    session.due(0.0)
    hear(session, an_ack("orderBook"), an_ack("spotPrice"))
    session.follow(frozenset({Channel(Topic.INDEX, "BTC")}), 29.0)
    hear(session, SPOT, '{"c":11,"rc":1}', now=29.5)

    session.check(31.0)


def test_the_limit_on_messages_counts_heartbeats_and_never_makes_the_thread_spin() -> None:
    chains = [Channel(Topic.CHAIN, "BTC", EXPIRY + timedelta(days=day)) for day in range(60)]
    session = a_session(*chains)

    assert len(session.due(4.9)) == MESSAGES_PER_SECOND
    assert session.due(5.0) == [] and session.deadline() == 5.9
    assert session.due(5.9)[0] == HEARTBEAT
