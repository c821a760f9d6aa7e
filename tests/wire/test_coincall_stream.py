"""Over real sockets: what the venue pushes arrives at once, its connection is made as it wants it, and ends when it is to end."""

import json
import shutil
import socket
import ssl
import subprocess
import threading
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import auth
from auth import Credentials
from clock import SystemClock
from domain import Channel, FillPush, IndexPush, OrderPush, StreamLost, StreamOpened, Topic
from errors import ConfigError
from exchanges.coincall.stream import CoincallStreams

from tests.wire.coincall_builders import EXPIRY, KEY, SECRET, SYMBOL
from tests.wire.stream_server import StreamVenue, a_stream_venue, eventually
from tests.wire.stream_stories import BOOK, FILLS, INDEX, ORDERS, TICKER, Desk, Ear, a_trade, an_index, opened

# ---- the ordinary life


def test_what_is_followed_is_asked_for_and_what_is_pushed_is_heard(venue: StreamVenue, ear: Ear, streams: Desk) -> None:
    made = streams(venue, ear)

    made.follow([FILLS, ORDERS])
    opened(ear)
    venue.push(a_trade())
    eventually(lambda: ear.of(FillPush))

    assert venue.paths == ["/options"]
    assert venue.subscriptions() == [("subscribe", "order"), ("subscribe", "trade")]
    assert ear.of(FillPush)[0].price == Decimal(1508)
    assert ear.of(StreamOpened)[0].silent_since is None
    [standing] = made.standing()
    assert (standing.name, standing.connections, standing.channels, standing.reason) == ("options", 1, 2, "")
    assert standing.open_since is not None and standing.heard_at is not None


def test_the_index_has_a_connection_of_its_own_and_none_is_made_that_nobody_needs(venue: StreamVenue, ear: Ear, streams: Desk) -> None:
    made = streams(venue, ear)

    made.follow([INDEX])
    opened(ear)
    venue.push(an_index())
    eventually(lambda: ear.of(IndexPush))

    assert venue.paths == ["/futures"]
    assert venue.received[0][0] == {"action": "subscribe", "dataType": "spotPrice", "payload": {"symbol": "BTCUSD"}}
    assert [one.name for one in made.standing()] == ["futures"]


def test_the_address_is_signed_as_documented(venue: StreamVenue, ear: Ear, streams: Desk) -> None:
    streams(venue, ear).follow([ORDERS])
    opened(ear)

    query = dict(pair.split("=", 1) for pair in venue.targets[0].partition("?")[2].split("&"))
    assert list(query) == ["code", "uuid", "ts", "sign", "apiKey"]
    assert query["uuid"] == query["apiKey"] == KEY


@pytest.mark.parametrize(
    ("key_name", "sign"),
    [
        ("apiKey", "E85F652D7C94C15A42D39EF486AEC13619D035CFE233728BAD6CABEE61D0AB65"),
        ("uuid", "49FA01D7DFD3BCEA5DF28F8079848D90683E8C999539F122EB1DC4DAE47AD734"),
    ],
)
def test_both_documented_forms_of_the_signature(key_name: str, sign: str) -> None:
    text = auth.websocket_prehash("test-key", 1750000000000, key_name=key_name)

    assert auth.signature(text, "test-secret") == sign


def test_what_is_followed_anew_is_asked_for_on_the_living_connection(venue: StreamVenue, ear: Ear, streams: Desk) -> None:
    made = streams(venue, ear)
    made.follow([ORDERS, BOOK])
    opened(ear)

    made.follow([ORDERS, FILLS])
    eventually(lambda: len(venue.subscriptions()) == 4)
    venue.push(a_trade())
    eventually(lambda: ear.of(FillPush))

    assert venue.subscriptions()[2:] == [("unSubscribe", "orderBook"), ("subscribe", "trade")]
    assert len(ear.of(StreamOpened)) == 1 and not ear.of(StreamLost)


def test_a_connection_that_nobody_needs_any_more_ends_without_a_word_and_is_made_again(venue: StreamVenue, ear: Ear, streams: Desk) -> None:
    made = streams(venue, ear)
    made.follow([ORDERS])
    opened(ear)

    made.follow([])
    eventually(lambda: venue.connected == 0)
    assert made.standing() == ()
    made.follow([FILLS])
    opened(ear, 2)

    assert not ear.of(StreamLost)
    assert venue.subscriptions() == [("subscribe", "trade")]
    assert ear.of(StreamOpened)[1].silent_since is not None


def test_three_hundred_books_are_asked_for_in_batches_that_the_venue_takes(venue: StreamVenue, ear: Ear, streams: Desk) -> None:
    streams(venue, ear).follow([Channel(Topic.BOOK, f"S{number:03}") for number in range(250)])
    opened(ear)

    sizes = [len(said["payload"]["symbol"]) for said in venue.received[0]]
    assert sizes == [100, 100, 50]


def test_never_more_than_fifty_messages_go_out_in_a_second(venue: StreamVenue, ear: Ear, streams: Desk) -> None:
    expiries = [EXPIRY + timedelta(days=day) for day in range(70)]
    streams(venue, ear).follow([Channel(Topic.CHAIN, "BTC", expiry) for expiry in expiries])
    opened(ear)

    assert len(venue.arrived_at) == 70
    assert venue.arrived_at[50] - venue.arrived_at[0] > 0.9


def test_answers_may_come_in_any_order_and_pushes_before_them(ear: Ear, streams: Desk) -> None:
    with a_stream_venue(acks_backwards=True, greets=(json.dumps(a_trade()),)) as venue:
        streams(venue, ear).follow([BOOK, TICKER, ORDERS])
        opened(ear)

        assert [type(push) for push in ear.heard] == [FillPush, StreamOpened]


def test_a_push_that_comes_twice_is_handed_on_twice(venue: StreamVenue, ear: Ear, streams: Desk) -> None:
    streams(venue, ear).follow([FILLS])
    opened(ear)

    venue.push(a_trade())
    venue.push(a_trade())
    eventually(lambda: len(ear.of(FillPush)) == 2)

    assert ear.of(FillPush)[0].fill_id == ear.of(FillPush)[1].fill_id


def test_neither_following_nor_closing_waits_for_a_host_that_does_not_answer(ear: Ear) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"ws://127.0.0.1:{mute.getsockname()[1]}"
        made = CoincallStreams(url, SystemClock(), Credentials(KEY, SECRET), ear, listed=lambda _coin: [])
        made.follow([ORDERS])
        reached, _ = mute.accept()  # and is told nothing: the handshake would last until its limit
        made.close()
        reached.close()

    assert not [thread for thread in threading.enumerate() if thread.name.startswith("coincall-")]
    assert not ear.heard


@pytest.fixture
def certified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Return a server's TLS, its certificate the only one that clients trust."""
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=venue"]
    subprocess.run([*made, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate], check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl to make a certificate")
def test_over_tls_frames_that_arrive_together_are_all_heard_at_once(ear: Ear, streams: Desk, certified: ssl.SSLContext) -> None:
    with a_stream_venue(tls=certified) as venue:
        streams(venue, ear).follow([FILLS])
        opened(ear)

        venue.push_at_once([json.dumps(a_trade(number)) for number in range(1, 6)])
        eventually(lambda: len(ear.of(FillPush)) == 5, within=2)

        assert not ear.of(StreamLost)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl to make a certificate")
def test_a_venue_without_a_trusted_certificate_is_told_nothing(
    ear: Ear, streams: Desk, certified: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with a_stream_venue(tls=certified) as venue:
        streams(venue, ear).follow([ORDERS])
        eventually(lambda: ear.of(StreamLost))

    assert "CERTIFICATE_VERIFY_FAILED" in ear.of(StreamLost)[0].reason
    assert venue.targets == []


def test_no_proxy_of_the_machine_is_asked(venue: StreamVenue, ear: Ear, streams: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    streams(venue, ear).follow([ORDERS])

    opened(ear)


# ---- its end


def test_closing_ends_every_thread_and_every_word(venue: StreamVenue, ear: Ear, streams: Desk) -> None:
    made = streams(venue, ear)
    made.follow([ORDERS, INDEX])
    opened(ear, 2)

    made.close()
    left = [thread for thread in threading.enumerate() if thread.name.startswith("coincall-")]
    heard = len(ear.heard)
    made.follow([FILLS])
    made.renew("options", "too late")
    made.close()

    assert not left  # it waits for them a second at most
    assert len(ear.heard) == heard and not ear.of(StreamLost) and not ear.of(OrderPush)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("coincall-")]


@pytest.mark.parametrize("url", ["ws://ws.coincall.com", "http://127.0.0.1", "wss://", "ws.coincall.com"])
def test_keys_are_sent_to_nobody_in_the_clear(url: str, ear: Ear) -> None:
    with pytest.raises(ConfigError, match="must be wss"):
        CoincallStreams(url, SystemClock(), Credentials(KEY, SECRET), ear, listed=lambda _coin: [])


@pytest.mark.parametrize(
    "channel", [Channel(Topic.CHAIN, "BTC"), Channel(Topic.BOOK), Channel(Topic.ORDERS, "BTC"), Channel(Topic.BOOK, SYMBOL, EXPIRY)]
)
def test_a_channel_that_cannot_be_followed_is_refused_and_nothing_changes(
    venue: StreamVenue, ear: Ear, streams: Desk, channel: Channel
) -> None:
    made = streams(venue, ear)

    with pytest.raises(ValueError, match="cannot be followed"):
        made.follow([ORDERS, channel])

    assert made.standing() == ()
