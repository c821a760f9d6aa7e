"""Over real sockets: a connection that ends or says nothing is made anew, and one that only stumbles goes on."""

import json
import random
import time
from datetime import timedelta
from decimal import Decimal

import pytest
from loguru import logger

from domain import Channel, FillPush, StreamLost, StreamOpened, TickerPush, Topic
from exchanges.coincall.stream_session import Pace

from tests.wire.coincall_builders import KEY, SECRET
from tests.wire.stream_server import StreamVenue, a_stream_venue, eventually
from tests.wire.stream_stories import A_TICKER, FILLS, ORDERS, POSITIONS, TICKER, Desk, Ear, a_trade, opened, quick

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
