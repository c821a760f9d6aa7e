"""Over real sockets: what the venue pushes arrives at once, and a connection that ends or says nothing is made anew."""

import json
import random
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import pytest
from loguru import logger

import auth
from auth import Credentials
from clock import SystemClock
from domain import Channel, FillPush, IndexPush, OrderPush, Push, StreamLost, StreamOpened, TickerPush, Topic
from errors import ConfigError
from exchanges.coincall.stream import CoincallStreams
from exchanges.coincall.stream_session import Pace

from tests.wire.coincall_builders import EXPIRY, KEY, SECRET, SYMBOL, an_option
from tests.wire.stream_server import StreamVenue, a_stream_venue, eventually

P = TypeVar("P")

ORDERS, FILLS, POSITIONS = Channel(Topic.ORDERS), Channel(Topic.FILLS), Channel(Topic.POSITIONS)
INDEX, BOOK, TICKER = Channel(Topic.INDEX, "BTC"), Channel(Topic.BOOK, SYMBOL), Channel(Topic.TICKER, SYMBOL)
QUICK = Pace(
    answer_within=timedelta(seconds=5),
    heartbeat_every=timedelta(seconds=5),
    silence=timedelta(seconds=30),
    first_wait=timedelta(seconds=0.02),
    longest_wait=timedelta(seconds=0.05),
)


def quick(**spans: float) -> Pace:
    """Return a pace that waits hardly before it tries again, with some spans in seconds."""
    given = {name: timedelta(seconds=span) for name, span in spans.items()}
    return Pace(
        answer_within=given.get("answer_within", QUICK.answer_within),
        heartbeat_every=given.get("heartbeat_every", QUICK.heartbeat_every),
        silence=given.get("silence", QUICK.silence),
        first_wait=given.get("first_wait", QUICK.first_wait),
        longest_wait=QUICK.longest_wait,
    )


def a_trade(number: int = 199) -> dict[str, Any]:
    return {
        "dt": 15,
        "c": 20,
        "d": {"orderId": "7", "orderSide": "1", "matchPrice": "1508", "matchQty": "0.1", "symbol": SYMBOL, "tradeId": str(number)},
    }


def an_index(price: str = "94990.5") -> dict[str, Any]:
    return {"dt": 30, "c": 20, "d": {"s": "BTCUSD", "ip": price}}


A_TICKER = {"dt": 3, "c": 20, "d": {"s": SYMBOL, "mp": 1512.4, "ip": 94990.5, "iv": 0.5}}


@dataclass
class Ear:
    """A listener that keeps what it hears; while deaf it raises."""

    heard: list[Push] = field(default_factory=list)
    broken: bool = False

    def __call__(self, push: Push) -> None:
        self.heard.append(push)
        if self.broken:
            raise RuntimeError("the listener broke")

    def of(self, kind: type[P]) -> list[P]:
        """Return what it heard of one kind."""
        return [push for push in list(self.heard) if isinstance(push, kind)]


@pytest.fixture
def venue() -> Iterator[StreamVenue]:
    with a_stream_venue() as standing:
        yield standing


@pytest.fixture
def ear() -> Ear:
    return Ear()


@dataclass
class Desk:
    """Streams under test, and their end."""

    made: list[CoincallStreams] = field(default_factory=list)

    def __call__(
        self, venue: StreamVenue, ear: Ear, pace: Pace = QUICK, *, secret: str = SECRET, rng: random.Random | None = None
    ) -> CoincallStreams:
        made = CoincallStreams(
            venue.url,
            SystemClock(),
            Credentials(KEY, secret),
            ear,
            listed=lambda _coin: [an_option()],
            pace=pace,
            rng=random.Random(7) if rng is None else rng,
        )
        self.made.append(made)
        return made


@pytest.fixture
def streams() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    for made in desk.made:
        made.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("coincall-")]


def opened(ear: Ear, times: int = 1) -> None:
    eventually(lambda: len(ear.of(StreamOpened)) >= times)


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


# ---- what ends a connection


def test_a_broken_connection_is_made_anew_and_says_since_when_nothing_was_heard(venue: StreamVenue, ear: Ear, streams: Desk) -> None:
    made = streams(venue, ear)
    made.follow([FILLS, ORDERS])
    opened(ear)
    venue.push(a_trade())
    eventually(lambda: ear.of(FillPush))
    heard_at = made.standing()[0].heard_at

    venue.drop()
    opened(ear, 2)

    [lost] = ear.of(StreamLost)
    again = ear.of(StreamOpened)[1]
    assert again.silent_since == heard_at
    assert heard_at is not None and heard_at <= lost.at <= again.at
    assert venue.subscriptions() == [("subscribe", "order"), ("subscribe", "trade")]
    assert made.standing()[0].connections == 2


def test_a_venue_that_tells_nothing_is_deaf_though_it_answers_heartbeats(venue: StreamVenue, ear: Ear, streams: Desk) -> None:
    streams(venue, ear, quick(silence=0.4, heartbeat_every=0.05)).follow([TICKER, FILLS])
    opened(ear)
    venue.push(A_TICKER)

    eventually(lambda: ear.of(StreamLost))
    opened(ear, 2)

    assert "deaf: nothing was told for 0.4 s" in ear.of(StreamLost)[0].reason
    assert {"action": "heartbeat"} in venue.received[0]
    since = ear.of(StreamOpened)[1].silent_since
    assert since is not None and ear.of(StreamLost)[0].at - since >= timedelta(seconds=0.39)


def test_orders_alone_may_be_quiet_for_long(venue: StreamVenue, ear: Ear, streams: Desk) -> None:
    streams(venue, ear, quick(silence=0.05, heartbeat_every=0.05)).follow([ORDERS, FILLS, POSITIONS])
    opened(ear)

    eventually(lambda: len(venue.received[0]) > 10)

    assert not ear.of(StreamLost)


def test_a_heartbeat_without_an_answer_ends_the_connection(venue: StreamVenue, ear: Ear, streams: Desk) -> None:
    venue.answers_heartbeats = False
    streams(venue, ear, quick(heartbeat_every=0.1, answer_within=0.5)).follow([ORDERS])
    opened(ear)

    eventually(lambda: ear.of(StreamLost))

    assert "a heartbeat was not answered within 0.5 s" in ear.of(StreamLost)[0].reason


def test_a_connection_that_somebody_knows_to_be_deaf_is_made_anew(venue: StreamVenue, ear: Ear, streams: Desk) -> None:
    made = streams(venue, ear)
    made.follow([ORDERS])
    opened(ear)
    first = ear.of(StreamOpened)[0].at

    made.renew("options", "a fill came by REST only")
    made.renew("nobody", "there is none")
    opened(ear, 2)

    assert "a fill came by REST only" in ear.of(StreamLost)[0].reason
    assert ear.of(StreamOpened)[1].silent_since == first


def test_a_subscription_that_is_not_answered_ends_the_connection(venue: StreamVenue, ear: Ear, streams: Desk) -> None:
    venue.acks = False
    venue.greets = ('{"code":10586,"msg":"Channel subscription failed."}',)
    streams(venue, ear, quick(answer_within=0.1)).follow([ORDERS])

    eventually(lambda: ear.of(StreamLost))
    venue.acks = True
    opened(ear)

    reason = ear.of(StreamLost)[0].reason
    assert 'no answer to {"action":"subscribe","dataType":"order"} within 0.1 s' in reason
    assert "Channel subscription failed." in reason


def test_a_subscription_that_is_refused_ends_the_connection_and_is_told_once(venue: StreamVenue, ear: Ear, streams: Desk) -> None:
    venue.refuses = "position"
    made = streams(venue, ear)
    made.follow([Channel(Topic.POSITIONS), ORDERS])
    eventually(lambda: len(venue.paths) >= 3)

    made.follow([ORDERS])
    opened(ear)

    [lost] = ear.of(StreamLost)
    assert "position" in lost.reason and "failed" in lost.reason


def test_a_refused_connection_is_tried_until_it_stands(ear: Ear, streams: Desk) -> None:
    with a_stream_venue() as venue:
        venue.stop()
        made = streams(venue, ear)
        made.follow([ORDERS])
        eventually(lambda: ear.of(StreamLost))
        assert "refused" in ear.of(StreamLost)[0].reason
        assert made.standing()[0].open_since is None and "refused" in made.standing()[0].reason
        time.sleep(0.2)

        venue.start()
        opened(ear)

        assert len(ear.of(StreamLost)) == 1
        assert ear.of(StreamOpened)[0].silent_since is None


@pytest.mark.parametrize("where", ["refuses_signature", "closes_at_once"])
def test_l53_a_bad_signature_is_told_without_a_secret_and_tried_again_later(ear: Ear, streams: Desk, where: str) -> None:
    lines = list[str]()
    sink = logger.add(lines.append, level="DEBUG")
    with a_stream_venue(**{where: True}) as venue:
        made = streams(venue, ear)
        made.follow([ORDERS])
        eventually(lambda: len(venue.targets) >= 2)
        setattr(venue, where, False)
        opened(ear)
    logger.remove(sink)

    reason = ear.of(StreamLost)[0].reason
    assert "signature" in reason and f"127.0.0.1/{'options'}" in reason
    told = reason + "".join(lines) + repr(made.standing())
    for word in (KEY, SECRET, *(target.partition("sign=")[2][:64] for target in venue.targets)):
        assert word not in told


def test_a_wrong_secret_is_refused_by_the_venue(venue: StreamVenue, ear: Ear, streams: Desk) -> None:
    streams(venue, ear, secret="another").follow([ORDERS])

    eventually(lambda: ear.of(StreamLost))

    assert "HTTP 401" in ear.of(StreamLost)[0].reason


def test_a_redirection_is_not_followed(ear: Ear, streams: Desk) -> None:
    with a_stream_venue() as elsewhere, a_stream_venue(redirects_to=elsewhere.url) as venue:
        streams(venue, ear).follow([ORDERS])
        eventually(lambda: ear.of(StreamLost))

        assert "Redirect" in ear.of(StreamLost)[0].reason
        assert elsewhere.targets == []


def test_a_polite_goodbye_is_told_with_its_reason(venue: StreamVenue, ear: Ear, streams: Desk) -> None:
    streams(venue, ear).follow([ORDERS])
    opened(ear)

    venue.hang_up(1012, "service restart")
    opened(ear, 2)

    assert "1012 'service restart'" in ear.of(StreamLost)[0].reason


class Dice(random.Random):
    """Chance that never makes anybody wait, and remembers between what it was to choose."""

    def __init__(self) -> None:
        super().__init__(7)
        self.bounds: list[tuple[float, float]] = []

    def uniform(self, a: float, b: float) -> float:
        self.bounds.append((a, b))
        return a


def test_attempts_wait_longer_and_longer_up_to_a_bound(ear: Ear, streams: Desk) -> None:
    dice = Dice()
    with a_stream_venue(closes_at_once=True) as venue:
        streams(venue, ear, Pace(longest_wait=timedelta(seconds=5)), rng=dice).follow([ORDERS])
        eventually(lambda: len(dice.bounds) >= 6)

    assert dice.bounds[:6] == [(0, 0.5), (0, 1), (0, 2), (0, 4), (0, 5), (0, 5)]
    assert len(ear.of(StreamLost)) == 1


@pytest.mark.parametrize(("good_life", "third"), [(0.0, 0.5), (1000.0, 2.0)])
def test_a_good_life_is_followed_by_a_short_wait_again(venue: StreamVenue, ear: Ear, streams: Desk, good_life: float, third: float) -> None:
    dice = Dice()
    streams(venue, ear, Pace(good_life=timedelta(seconds=good_life)), rng=dice).follow([ORDERS])
    for times in (1, 2, 3):
        opened(ear, times)
        venue.drop()
    opened(ear, 4)

    assert dice.bounds[2] == (0, third)


# ---- what must not end it


def test_frames_that_cannot_be_read_are_counted_and_passed_over(venue: StreamVenue, ear: Ear, streams: Desk) -> None:
    made = streams(venue, ear)
    made.follow([FILLS])
    opened(ear)

    for frame in (
        '{"dt":15,"c":20,"d":{"ord',
        b"\x00\xff\x1f",
        '{"dt":15,"c":20,"d":[]}',
        '{"dt":15,"c":20,"d":7}',
        '{"dt":99,"c":20}',
        "[]",
    ):
        venue.push(frame)
    venue.push('{"hello":"world"}')
    venue.ping()
    venue.push("[" * 100_000)
    venue.push(a_trade())
    eventually(lambda: ear.of(FillPush))

    assert not ear.of(StreamLost)
    assert made.oddities() == {"frame malformed": 4, "channel 15 malformed": 2, "channel 99 unknown": 1, "frame unknown": 1}


def test_a_listener_that_breaks_hears_the_next_push(venue: StreamVenue, ear: Ear, streams: Desk) -> None:
    made = streams(venue, ear)
    made.follow([FILLS])
    opened(ear)
    ear.broken = True

    venue.push(a_trade(1))
    venue.push(a_trade(2))
    eventually(lambda: len(ear.of(FillPush)) == 2)

    eventually(lambda: made.oddities() == {"listener failed on FillPush": 2})
    assert not ear.of(StreamLost)


def test_half_a_frame_that_stays_half_ends_the_connection_by_its_heartbeat(venue: StreamVenue, ear: Ear, streams: Desk) -> None:
    streams(venue, ear, quick(heartbeat_every=0.1, answer_within=0.5)).follow([ORDERS])
    opened(ear)

    for connection in list(venue._standing):
        connection.socket.sendall(b"\x81\x7e\x10")
    eventually(lambda: ear.of(StreamLost))

    assert "a heartbeat was not answered" in ear.of(StreamLost)[0].reason


def test_a_frame_that_comes_in_pieces_is_read_whole(venue: StreamVenue, ear: Ear, streams: Desk) -> None:
    streams(venue, ear).follow([TICKER])
    opened(ear)
    whole = json.dumps(A_TICKER)

    for connection in list(venue._standing):
        connection.send(iter([whole[:10], whole[10:30], whole[30:]]))
    eventually(lambda: ear.of(TickerPush))

    assert ear.of(TickerPush)[0].mark == Decimal("1512.4")


def test_what_was_heard_before_nobody_wanted_a_stream_does_not_make_it_old_when_it_is_wanted_again(
    venue: StreamVenue, ear: Ear, streams: Desk
) -> None:
    made = streams(venue, ear)
    made.follow([TICKER])
    opened(ear)
    for connection in list(venue._standing):
        connection.send(json.dumps(A_TICKER))
    eventually(lambda: ear.of(TickerPush))
    heard = next(each for each in made.standing() if each.name == "options").heard_at
    made.follow([])

    made.follow([TICKER])

    again = next(each for each in made.standing() if each.name == "options").heard_at
    assert heard is not None
    assert again is None or again > heard


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
