"""The paper exchange's streams over real sockets: an order's whole life, who is told what, limits, and every fault.

Source: Coincall API 11, 15 (39, 40, 46 to 61), 16.
"""

import json
import select
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
import websocket

from auth import signature, websocket_prehash

from tests.contract.paper_server import (
    ACCOUNTS,
    AT,
    CANCEL,
    CREATE,
    KEY,
    MAKERS,
    OTHERS,
    SECRET,
    Stream,
    Venue,
    a_venue,
    an_order,
    far_below,
)

PRIVATE = ("order", "trade", "positionEvent", "accountBalance", "rfqTaker", "rfqQuote", "quoteReceived", "blockTradeDetail")


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with a_venue(tmp_path_factory.mktemp("venue"), "--no-rate-limits", "--control", *ACCOUNTS, *OTHERS, *MAKERS) as running:
        yield running


@pytest.fixture
def demo(venue: Venue) -> Iterator[Stream]:
    with Stream(venue) as stream:
        stream.subscribe(*PRIVATE, "blockTradePublic")
        yield stream


@pytest.fixture
def maker(venue: Venue) -> Venue:
    return venue.as_user("mm-key", "mm-secret")


@pytest.fixture(autouse=True)
def no_faults(venue: Venue) -> Iterator[None]:
    yield
    requests.delete(f"{venue.url}/paper/faults", timeout=5)


def a_fault(venue: Venue, kind: str, account: str = "demo", **fields: Any) -> None:
    told = requests.post(f"{venue.url}/paper/faults", json={"kind": kind, "account": account, **fields}, timeout=5)
    assert told.status_code == 200, told.text


def cancel(venue: Venue, number: int) -> None:
    assert venue.post(CANCEL, orderId=number)["code"] == 0


def is_readable(stream: Stream) -> bool:
    """Whether something has arrived at this very moment."""
    assert stream.socket.sock is not None
    return bool(select.select([stream.socket.sock], [], [], 0)[0])


def is_gone(stream: Stream, seconds: float = 5) -> bool:
    try:
        stream.listen(seconds)
    except (websocket.WebSocketException, OSError):
        return True
    return False


# ---- opening a stream


def test_a_stream_is_opened_by_a_key_with_a_plus_in_it_and_the_older_signature(venue: Venue) -> None:
    other = venue.as_user("a+key/1=", "a-secret")
    ts = other.time_ms()
    sign = signature(websocket_prehash(other.key, ts, key_name="uuid"), other.secret)

    with Stream(other), Stream(other, sign=sign, ts=str(ts)) as older:
        assert older.ask(action="heartbeat") == {"c": 11, "rc": 1}


@pytest.mark.parametrize(
    ("path", "changed"), [("/options", {"sign": "0" * 64}), ("/options", {"ts": "1"}), ("/options", {"code": "11"}), ("/spot/ws", {})]
)
def test_a_stream_that_proves_nothing_is_refused_in_the_handshake(venue: Venue, path: str, changed: dict[str, str]) -> None:
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        Stream(venue, path, **changed)

    assert refused.value.status_code == 403


def test_why_a_stream_was_refused_stands_in_the_log_without_the_key(tmp_path: Path) -> None:
    with a_venue(tmp_path) as venue:
        with pytest.raises(websocket.WebSocketBadStatusException):
            Stream(venue, sign="00ff")
        venue.process.terminate()
        log = venue.process.communicate(timeout=10)[1].decode()

    assert "refuses stream path=/options reason=wrong signature" in log
    assert KEY not in log and SECRET not in log and "00ff" not in log and "Warning" not in log


def test_acks_and_heartbeats_answer_in_the_order_of_asking_and_echo_what_was_asked(venue: Venue) -> None:
    symbol = venue.an_option()["symbol"]
    with Stream(venue) as stream:
        stream.say(action="subscribe", dataType="orderBook", payload={"symbol": [symbol]})
        stream.say(action="SUBSCRIBE", dataType="order")
        stream.say(action="heartbeat")
        stream.say(action="unsubscribe", dataType="orderBook", payload={"symbol": symbol})
        told = [stream.next(lambda frame: "dt" not in frame) for _ in range(4)]

    assert told == [
        {"action": "SUBSCRIBE", "dataType": "orderBook", "payload": {"symbol": [symbol]}, "result": "success"},
        {"action": "SUBSCRIBE", "dataType": "order", "result": "success"},
        {"c": 11, "rc": 1},
        {"action": "UNSUBSCRIBE", "dataType": "orderBook", "payload": {"symbol": symbol}, "result": "success"},
    ]


def test_an_unknown_option_an_unknown_channel_and_too_many_messages_are_answered(venue: Venue) -> None:
    with Stream(venue) as stream:
        gone = stream.ask(action="subscribe", dataType="orderBook", payload={"symbol": "BTCUSD-1JAN20-1-C"})
        assert "Instrument ID does not exist" in gone["result"]
        chain = stream.ask(action="subscribe", dataType="tOption", payload={"symbol": "BTCUSD", "end": 1})
        assert stream.ask(action="subscribe", dataType="weather")["result"] != "success" != chain["result"]
        for _ in range(150):
            stream.say(action="heartbeat")
        assert "too many request" in stream.next(lambda frame: "result" in frame)["result"]


# ---- orders


def test_an_order_is_told_from_new_over_partial_to_cancelled(venue: Venue, demo: Stream) -> None:
    option = venue.an_option()
    a_fault(venue, "engine", one_lot_only=True)
    terms = {"clientOrderId": 91, "qty": "0.5", "timeInForce": "IOC"}
    number = venue.post(CREATE, **an_order(option["symbol"], str(option["ask"] + 50), **terms))["data"]

    new, partial, ended = (demo.push(11, oid=number) for _ in range(3))
    trade = demo.push(15, orderId=str(number))
    opened = demo.push(27, s=option["symbol"])

    assert [frame["os"] for frame in (new, partial, ended)] == [0, 2, 3]
    assert (partial["q"], partial["fq"], partial["rq"], partial["mq"], partial["it"], partial["coid"]) == (
        "0.5",
        "0.01",
        "0.49",
        "0.01",
        1,
        91,
    )
    assert (ended["cq"], ended["fq"], ended["uid"]) == ("0.49", "0.01", new["uid"])
    assert (trade["remainQty"], trade["clientOrderId"], trade["isTaker"]) == ("0.49", "91", "1")
    assert (opened["os"], opened["si"]) == ("1", "1")
    assert demo.push(7)["uid"] == int(new["uid"])
    row = venue.get("/open/option/trade/history/v1")["data"]["list"][0]
    assert (str(row["tradeId"]), Decimal(str(row["price"]))) == (trade["tradeId"], Decimal(trade["matchPrice"]))


def test_a_filled_order_and_the_position_it_closes_are_told(venue: Venue, demo: Stream) -> None:
    option = venue.an_option()
    bought = venue.post(CREATE, **an_order(option["symbol"], str(option["ask"] + 50)))["data"]
    assert demo.push(11, oid=bought, os=1)["rq"] == "0"
    held = venue.get("/open/option/position/get/v1")["data"]
    qty = next(str(row["qty"]) for row in held if row["symbol"] == option["symbol"])
    venue.post(CREATE, **an_order(option["symbol"], str(option["bid"] - 50), qty=qty, tradeSide=2, reduceOnly=1))

    ended = demo.push(27, s=option["symbol"], os="5")

    assert (ended["q"], ended["si"]) == ("0", "1")


def test_a_position_is_told_every_second_while_it_is_held(venue: Venue, demo: Stream) -> None:
    option = venue.an_option()
    venue.post(CREATE, **an_order(option["symbol"], str(option["ask"] + 50)))
    demo.subscribe("position")

    first, second = (demo.next(lambda frame: frame.get("dt") == 12 and frame["d"]["s"] == option["symbol"]) for _ in range(2))

    assert second["ts"] - first["ts"] > 500
    assert first["d"]["os"] == "1" and Decimal(first["d"]["q"]) >= Decimal("0.1")


@pytest.mark.parametrize("kept", [False, True])
def test_a_push_is_on_the_wire_before_the_answer_of_the_request_that_caused_it(tmp_path: Path, kept: bool) -> None:
    state = [f"--state-dir={tmp_path / 'state'}"] if kept else []
    with a_venue(tmp_path, "--no-rate-limits", *ACCOUNTS, *MAKERS, *state) as venue:
        maker, legs = venue.as_user("mm-key", "mm-secret"), [{"instrumentName": venue.an_option()["symbol"], "side": "BUY", "qty": "1"}]
        with Stream(maker) as stream:
            stream.subscribe("rfqQuote")
            for _ in range(5):
                request = venue.post(f"{AT}/request/create/v1", legs=legs)["data"]
                assert not is_readable(stream)
                quote = maker.post(
                    f"{AT}/quote/create/v1",
                    requestId=request["requestId"],
                    legs=[{**legs[0], "quantity": "1", "side": "SELL", "price": "1500"}],
                )
                assert is_readable(stream)
                assert stream.push(130)["quoteId"] == quote["data"]["quoteId"]


# ---- privacy


def test_nothing_private_crosses_accounts(venue: Venue, maker: Venue) -> None:
    with Stream(venue) as mine, Stream(maker) as theirs, Stream(venue.as_user("idle-key", "idle-secret")) as idle:
        for stream in (mine, theirs, idle):
            stream.subscribe(*PRIVATE, "position")
        number = venue.a_resting_order()
        theirs_number = maker.a_resting_order()
        cancel(venue, number)
        cancel(maker, theirs_number)
        mine.push(11, oid=number, os=3)
        theirs.push(11, oid=theirs_number, os=3)

        told = idle.listen(1.2)
        assert {frame["dt"] for frame in told} <= {7} and not any("uid" in frame["d"] and frame["d"]["uid"] == 0 for frame in told)
        numbers = {frame["d"]["oid"] for stream in (mine,) for frame in stream.listen(0.2) if frame["dt"] == 11}
        assert theirs_number not in numbers
        users = [{str(frame["d"]["uid"]) for frame in stream.listen(0.1) if "uid" in frame["d"]} for stream in (mine, theirs, idle)]
        assert all(len(seen) <= 1 for seen in users) and len(set.union(*users)) == sum(map(len, users))


# ---- faults


def test_a_dropped_stream_ends_at_once_and_others_go_on(venue: Venue, demo: Stream, maker: Venue) -> None:
    with Stream(maker) as other:
        a_fault(venue, "stream_drop")

        assert is_gone(demo)
        assert other.ask(action="heartbeat") == {"c": 11, "rc": 1}


def test_a_silent_stream_answers_heartbeats_and_pushes_nothing_until_its_time_is_over(venue: Venue) -> None:
    with Stream(venue) as stream:
        stream.subscribe("order", "trade")
        a_fault(venue, "stream_silent", seconds=60)
        unheard = venue.a_resting_order()

        assert stream.ask(action="heartbeat") == {"c": 11, "rc": 1}
        assert not is_readable(stream) and stream.seen == []
        requests.delete(f"{venue.url}/paper/faults", timeout=5)
        heard = venue.a_resting_order()
        assert stream.push(11)["oid"] == heard
    cancel(venue, unheard)
    cancel(venue, heard)


def test_new_streams_are_refused_while_open_ones_stay(venue: Venue, demo: Stream) -> None:
    a_fault(venue, "stream_refuse", seconds=30)

    with pytest.raises((websocket.WebSocketException, OSError)):
        Stream(venue)
    assert demo.ask(action="heartbeat") == {"c": 11, "rc": 1}
    with Stream(venue.as_user("mm-key", "mm-secret")):
        requests.delete(f"{venue.url}/paper/faults", timeout=5)
    Stream(venue).socket.close()


def states(stream: Stream, number: int) -> list[int]:
    """The states told of an order, in the order they came."""
    return [frame["d"]["os"] for frame in stream.listen(0.6) if frame.get("dt") == 11 and frame["d"]["oid"] == number]


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        ("stream_duplicate", {}, [0, 0, 3, 3]),
        ("stream_reorder", {}, [3, 0]),
        ("stream_lose", {}, [3]),
        ("stream_lose", {"count": 2}, []),
    ],
)
def test_private_pushes_are_doubled_swapped_or_lost(venue: Venue, kind: str, fields: dict[str, Any], expected: list[int]) -> None:
    with Stream(venue) as stream:
        stream.subscribe("order")
        a_fault(venue, kind, **fields)
        number = venue.a_resting_order(timeInForce="IOC")  # new and cancelled at once

        assert states(stream, number) == expected


def test_a_push_held_back_comes_alone_after_a_while(venue: Venue) -> None:
    with Stream(venue) as stream:
        stream.subscribe("order")
        a_fault(venue, "stream_reorder")
        number = venue.a_resting_order()

        assert stream.push(11, oid=number)["os"] == 0
    cancel(venue, number)


def test_a_garbled_push_is_no_json(venue: Venue) -> None:
    with Stream(venue) as stream:
        stream.subscribe("order")
        a_fault(venue, "stream_garble")
        number = venue.a_resting_order()
        text = stream.socket.recv()
        cancel(venue, number)

        with pytest.raises(json.JSONDecodeError):
            json.loads(text)
        assert stream.push(11, oid=number)["os"] == 3


def test_all_faults_are_listed_and_cleared_together(venue: Venue) -> None:
    a_fault(venue, "engine", stuck_in=4, makers_late_seconds="1.5")
    a_fault(venue, "stream_lose", count=3)
    a_fault(venue, "busy", path="/nowhere", count=2)
    a_fault(venue, "skew", seconds=0.25)
    requests.post(f"{venue.url}/paper/faults", json={"kind": "frozen_index", "underlying": "ETH"}, timeout=5)

    told = requests.get(f"{venue.url}/paper/faults", timeout=5).json()

    assert [(fault["account"], fault["stuck_in"], fault["makers_late_seconds"]) for fault in told["engine"]] == [("demo", 4, "1.5")]
    assert [(fault["kind"], fault["count"]) for fault in told["streams"]] == [("stream_lose", 3)]
    assert [fault["kind"] for fault in told["waiting"] + told["lasting"]] == ["busy", "skew"]
    assert [fault["underlying"] for fault in told["frozen"]] == ["ETH"]
    assert not any(requests.delete(f"{venue.url}/paper/faults", timeout=5).json().values())
    assert requests.post(f"{venue.url}/paper/faults", json={"kind": "stream_lose", "account": "nobody"}, timeout=5).status_code == 422


def test_a_truncated_answer_is_cut_in_the_middle_of_what_was_done(venue: Venue) -> None:
    option = venue.an_option()
    a_fault(venue, "truncate", path=CREATE)

    answer = venue.send("POST", CREATE, an_order(option["symbol"], far_below(option["bid"]), clientOrderId=4711))

    assert answer.status_code == 200 and answer.text.startswith('{"code":0')
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.text)
    assert venue.get("/open/option/order/singleQuery/v1", clientOrderId=4711)["data"]["state"] == 0


def test_a_skewed_clock_tells_a_wrong_time_and_takes_only_timestamps_of_that_time(venue: Venue) -> None:
    honest = venue.time_ms()
    a_fault(venue, "skew", "*", seconds=-60)

    told = requests.get(f"{venue.url}/time", timeout=5)
    skewed = told.json()["data"]["serverTime"]

    assert -61_000 < skewed - honest < -55_000
    assert venue.get("/open/user/info/v1")["code"] == 0  # signs with the time it is told
    assert venue.send("GET", "/open/user/info/v1", {}, ts=str(honest)).json()["code"] == 10557
    with pytest.raises(websocket.WebSocketBadStatusException):
        Stream(venue, ts=str(honest))
    Stream(venue).socket.close()
    assert time.mktime(time.strptime(told.headers["Date"], "%a, %d %b %Y %H:%M:%S GMT")) - time.timezone < time.time() - 50


def test_refused_connections_are_reset_for_a_while_and_nothing_is_done(venue: Venue, demo: Stream) -> None:
    symbol, ts = venue.an_option()["symbol"], venue.time_ms()
    a_fault(venue, "refuse_connections", "*", seconds=30)

    with pytest.raises(requests.ConnectionError):
        requests.get(f"{venue.url}/time", timeout=5)
    with pytest.raises((websocket.WebSocketException, OSError)):
        websocket.create_connection(f"{venue.url.replace('http', 'ws')}/options?{query_at(ts)}", timeout=5)
    assert demo.ask(action="heartbeat") == {"c": 11, "rc": 1}
    requests.delete(f"{venue.url}/paper/faults", timeout=5)
    assert venue.get(f"/open/option/detail/v1/{symbol}")["code"] == 0


def query_at(ts: int) -> str:
    return f"code=10&ts={ts}&sign={signature(websocket_prehash(KEY, ts), SECRET)}&apiKey={KEY}"
