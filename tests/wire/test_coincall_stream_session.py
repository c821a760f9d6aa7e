"""No frame whatever ends the reader of a stream; what is asked for there is known to be answered, refused, or met with silence."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clock import from_ms, to_ms
from domain import Channel, Topic
from errors import DataNotFresh, ExchangeUnavailable, MalformedResponse, VenueError
from exchanges.coincall.stream_session import HEARTBEAT, MESSAGES_PER_SECOND, Pace, Session, asks
from exchanges.coincall.wire_stream import parse_frame, pushes_of, topic_of

from tests.wire.coincall_builders import EXPIRY, SYMBOL
from tests.wire.stream_samples import (
    ALL_READ,
    BALANCE,
    BOOK,
    FUTURES_POSITION,
    FUTURES_TRADE,
    HERE,
    KLINE,
    ORDER,
    PREMIUM,
    SPOT,
    SPOT_FRAMES,
    TICKER,
)

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
