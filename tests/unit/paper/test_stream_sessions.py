"""The talk of one stream without its socket, and who may listen to it.

Source: Coincall API 11.2 to 11.10.
"""

import json
from typing import Any

import pytest

from auth import signature, websocket_prehash, websocket_query
from paper.server_ws_gate import Unwelcome, opener
from paper.server_ws_session import Session
from paper.wire_push_channels import BOOK, ENDPOINTS

from tests.unit.paper.engine_market import ALICE, BOB, CALL, DAILY, START
from tests.unit.paper.listening import NOW_MS, an_exchange

# ---- one stream's talk


def a_session(path: str = "/options", *, may_quote: bool = False, missing: str | None = None) -> Session:
    return Session(ALICE, ENDPOINTS[path], lambda *_: missing, 0.0, may_quote=may_quote)


def said(session: Session, at: float = 0.0, **message: Any) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(session.hear(json.dumps(message), at).answer)
    return answer


def test_a_subscription_is_acknowledged_with_its_payload() -> None:
    session, payload = a_session(), {"symbol": [CALL.symbol, DAILY.symbol]}

    told = said(session, action="Subscribe", dataType="orderBook", payload=payload)

    assert told == {"action": "SUBSCRIBE", "dataType": "orderBook", "payload": payload, "result": "success"}
    assert session.topics == {(BOOK, CALL.symbol), (BOOK, DAILY.symbol)}
    assert said(session, action="subscribe", dataType="order") == {"action": "SUBSCRIBE", "dataType": "order", "result": "success"}


@pytest.mark.parametrize("word", ["unSubscribe", "unsubscribe"])
def test_a_subscription_ends_however_it_is_spelled(word: str) -> None:
    session = a_session()
    said(session, action="subscribe", dataType="orderBook", payload={"symbol": CALL.symbol})

    assert said(session, action=word, dataType="orderBook", payload={"symbol": CALL.symbol})["action"] == "UNSUBSCRIBE"
    assert session.topics == set()


def test_a_private_topic_is_that_of_the_signer_whatever_the_client_writes() -> None:
    session = a_session()

    said(session, action="subscribe", dataType="order", payload={"symbol": "102", "uid": "102", "userId": BOB})

    assert [key for _, key in session.topics] == [str(ALICE)]


def test_no_more_than_a_hundred_books_in_one_message() -> None:
    session = a_session()

    assert said(session, action="subscribe", dataType="orderBook", payload={"symbol": [str(n) for n in range(100)]})["result"] == "success"
    told = said(session, action="subscribe", dataType="orderBook", payload={"symbol": [str(n) for n in range(101)]})
    assert told["result"] != "success" and "100" in told["result"] and len(session.topics) == 100


@pytest.mark.parametrize(
    "message",
    [
        {"action": "subscribe", "dataType": "weather"},
        {"action": "subscribe", "dataType": "spotPrice", "payload": {"symbol": "BTCUSD"}},
        {"action": "subscribe", "dataType": "orderBook"},
        {"action": "subscribe", "dataType": "orderBook", "payload": {"symbol": []}},
        {"action": "subscribe", "dataType": "orderBook", "payload": {"symbol": ["a", 1]}},
        {"action": "subscribe", "dataType": "tOption", "payload": {"symbol": "BTCUSD"}},
        {"action": "subscribe", "dataType": "rfqMaker"},
        {"action": "dance", "dataType": "order"},
    ],
)
def test_what_cannot_be_had_is_answered_with_something_other_than_success(message: dict[str, Any]) -> None:
    session = a_session()

    assert said(session, **message)["result"] not in {"success", ""}
    assert session.topics == set()


def test_an_option_that_is_not_there_is_refused_by_name() -> None:
    told = said(a_session(missing="X: gone"), action="subscribe", dataType="bsInfo", payload={"symbol": "X"})

    assert told["result"] == "Channel subscription failed. X: gone"


def test_what_is_no_json_is_answered_and_survived() -> None:
    for text in ("{'action':'heartbeat'}", "", "[]", "7", '{"action":3}'):
        assert json.loads(a_session().hear(text, 0.0).answer)["result"] == "Parameter illegal"


def test_requests_are_for_those_who_may_quote() -> None:
    assert said(a_session(may_quote=True), action="subscribe", dataType="rfqMaker")["result"] == "success"


def test_a_heartbeat_is_answered_as_the_venue_does() -> None:
    assert said(a_session(), action="heartbeat") == {"c": 11, "rc": 1}


def test_more_than_a_hundred_messages_a_second_are_refused_and_forgotten_a_second_later() -> None:
    session = a_session()

    told = [said(session, at=n / 200, action="heartbeat") for n in range(101)]

    assert all(frame == {"c": 11, "rc": 1} for frame in told[:100])
    assert "too many request" in told[100]["result"]
    assert said(session, at=1.2, action="heartbeat") == {"c": 11, "rc": 1}


def test_a_stream_without_messages_or_without_subscriptions_is_given_up() -> None:
    quiet, idle = a_session(), a_session()
    said(quiet, action="subscribe", dataType="order")

    assert quiet.overdue(30.5, 31) is None
    assert quiet.overdue(31.5, 31) == "no message"
    said(idle, at=20.0, action="heartbeat")
    assert idle.overdue(31.5, 31) == "no subscription"


# ---- who may listen


def test_a_stream_is_opened_by_either_form_of_the_signature_and_a_raw_or_escaped_key() -> None:
    exchange, key = an_exchange(), "a+b/c="
    documented = websocket_query(key, "s", NOW_MS)
    older = f"code=10&uuid=mine&ts={NOW_MS}&sign={signature(websocket_prehash(key, NOW_MS, key_name='uuid'), 's').lower()}&apiKey={key}"

    for query in (documented, older, documented.replace("+", "%2B"), documented.replace("+", "%20"), f"{older}&more=1"):
        assert opener(exchange, "/options", query, START).name == "demo"


@pytest.mark.parametrize(
    ("path", "query", "reason"),
    [
        ("/spot/ws", websocket_query("a+b/c=", "s", NOW_MS), "no stream"),
        ("/options", "", "code"),
        ("/options", websocket_query("nobody", "s", NOW_MS), "unknown apiKey"),
        ("/options", websocket_query("a+b/c=", "wrong", NOW_MS), "wrong signature"),
        ("/options", websocket_query("k2", "s", NOW_MS), "wrong signature"),
        ("/options", websocket_query("a+b/c=", "s", NOW_MS - 5001), "ts is 5001 ms behind"),
        ("/options", websocket_query("a+b/c=", "s", NOW_MS + 1000), "ahead"),
        ("/options", "code=10&apiKey=k2&ts=now&sign=x", "ts is no count"),
    ],
)
def test_a_stream_is_refused_with_a_reason_that_holds_no_secret(path: str, query: str, reason: str) -> None:
    with pytest.raises(Unwelcome, match=reason) as refused:
        opener(an_exchange(), path, query, START)

    assert "a+b/c=" not in str(refused.value) and "sign=" not in str(refused.value)


def test_where_the_market_runs_fast_a_moment_counts_for_as_many_real_seconds() -> None:
    late = websocket_query("k2", "s2", NOW_MS - 500_000)

    assert opener(an_exchange(), "/options", late, START, speed=100).name == "other"
    for speed in (99, 0.01):
        with pytest.raises(Unwelcome, match="behind"):
            opener(an_exchange(), "/options", late, START, speed=speed)
