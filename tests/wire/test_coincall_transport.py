"""A read is asked again, signed anew; a write goes out once, whatever happens to it."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
import requests
import responses
from urllib3.exceptions import MaxRetryError, NameResolutionError, NewConnectionError, ProtocolError

import auth
from auth import Credentials
from clock import SimulatedClock, SystemClock, to_ms
from errors import (
    AuthenticationRejected,
    ConfigError,
    ExchangeUnavailable,
    MalformedResponse,
    OutcomeUnknown,
    RateLimited,
    TimestampRejected,
)
from exchanges.coincall.transport import Transport, validity_window

from tests.wire.coincall_builders import HOST, KEY, NOW, SECRET, Desk, a_desk, an_order, answer, query_of

CREATE = f"{HOST}/open/option/order/create/v1"
POSITIONS = f"{HOST}/open/option/position/get/v1"
CANCEL_ALL = f"{HOST}/open/option/order/cancelOpenOrders/v1/BTCUSD"
TIME = f"{HOST}/time"
HISTORY = f"{HOST}/open/option/trade/history/v1"


def refused(_: object = None) -> requests.ConnectionError:
    return requests.ConnectionError(MaxRetryError(None, "/", NewConnectionError(None, "connection refused")))  # type: ignore[arg-type]


def no_such_host() -> requests.ConnectionError:
    return requests.ConnectionError(MaxRetryError(None, "/", NameResolutionError("host", None, OSError("no name"))))  # type: ignore[arg-type]


def dropped() -> requests.ConnectionError:
    return requests.ConnectionError(ProtocolError("Connection aborted.", ConnectionResetError(104, "reset by peer")))


def given_up_on() -> requests.ConnectionError:
    return requests.ConnectionError(MaxRetryError(None, "/", ProtocolError("broke off after sending")))  # type: ignore[arg-type]


NOTHING_SENT = [requests.ConnectTimeout("no answer"), refused(), no_such_host()]
PERHAPS_SENT = [
    requests.ReadTimeout("too slow"),
    dropped(),
    given_up_on(),
    requests.exceptions.ChunkedEncodingError("broke off"),
    requests.exceptions.SSLError("broken record"),
    requests.ConnectionError("who knows"),
]


def time_answer(desk: Desk, ahead: timedelta) -> str:
    return answer(f'{{"serverTime":{to_ms(desk.clock.now() + ahead)}}}')


# ---- reads


@responses.activate
@pytest.mark.parametrize("failure", [*NOTHING_SENT, *PERHAPS_SENT])
def test_ct07_a_read_is_asked_four_times_after_1_2_and_4_seconds(failure: requests.RequestException) -> None:
    responses.get(POSITIONS, body=failure)
    desk = a_desk()

    with pytest.raises(ExchangeUnavailable, match="positions"):
        desk.client.positions()

    assert len(responses.calls) == 4
    assert [round(seconds) for seconds in desk.pauses] == [1, 2, 4]
    assert all(abs(seconds / whole - 1) <= 0.1 and seconds != whole for seconds, whole in zip(desk.pauses, (1, 2, 4), strict=True))


@responses.activate
def test_l5_each_attempt_is_signed_anew_at_its_own_moment() -> None:
    responses.get(POSITIONS, status=503)
    desk = a_desk()

    with pytest.raises(ExchangeUnavailable):
        desk.client.positions()

    headers = [call.request.headers for call in responses.calls]
    assert len({each["sign"] for each in headers}) == 4
    moments = [int(each["ts"]) for each in headers]
    assert [round((moment - moments[0]) / 1000) for moment in moments] == [0, 1, 3, 7]
    for each in headers:
        text = auth.prehash("GET", "/open/option/position/get/v1", {}, KEY, each["ts"], each["X-REQ-TS-DIFF"])
        assert auth.verify(text, SECRET, each["sign"])


@responses.activate
def test_a_read_that_succeeds_at_last_is_an_answer() -> None:
    responses.get(POSITIONS, body=dropped())
    responses.get(POSITIONS, body=answer(code="10000", msg='"Try again later"'))
    responses.get(POSITIONS, body=answer("[]"))

    assert a_desk().client.positions()[0] == ()


@responses.activate
def test_a_read_that_was_refused_or_makes_no_sense_is_not_repeated() -> None:
    responses.get(POSITIONS, body=answer(code="10562"))
    responses.get(POSITIONS, body="<html>")
    desk = a_desk()

    with pytest.raises(AuthenticationRejected):
        desk.client.positions()
    with pytest.raises(MalformedResponse):
        desk.client.positions()

    assert len(responses.calls) == 2


@responses.activate
def test_the_query_is_sent_encoded_and_signed_plain() -> None:
    responses.get(HISTORY, body=answer('{"list":[],"hasNext":false}'))
    desk = a_desk()

    desk.client.fills(NOW, None, 1900000000000000199)

    request = responses.calls[0].request
    assert query_of(request) == {"startTime": str(to_ms(NOW)), "fromId": "1900000000000000199", "pageSize": "500"}
    text = auth.prehash(
        "GET", "/open/option/trade/history/v1", query_of(request), KEY, request.headers["ts"], request.headers["X-REQ-TS-DIFF"]
    )
    assert auth.verify(text, SECRET, request.headers["sign"])


@responses.activate
def test_ct20_market_data_needs_no_key_and_sends_none() -> None:
    responses.get(f"{HOST}/open/option/getInstruments/BTC", body=answer("[]"))
    keyless = a_desk(key=None)

    assert keyless.client.instruments("BTC") == ()
    assert "sign" not in responses.calls[0].request.headers


@responses.activate
def test_without_a_key_the_account_is_refused_before_sending() -> None:
    with pytest.raises(AuthenticationRejected, match="none is configured"):
        a_desk(key=None).client.positions()


# ---- writes


def create(desk: Desk) -> object:
    return desk.client.create(an_order())


def cancel_all(desk: Desk) -> object:
    desk.client.cancel_all_of_index("BTCUSD")
    return None


@responses.activate
@pytest.mark.parametrize("act", [create, cancel_all])
@pytest.mark.parametrize("failure", PERHAPS_SENT)
def test_d5_a_write_that_was_lost_is_sent_once_and_unknown(failure: requests.RequestException, act: Callable[[Desk], object]) -> None:
    responses.post(CREATE, body=failure)
    responses.get(CANCEL_ALL, body=failure)
    desk = a_desk()

    with pytest.raises(OutcomeUnknown):
        act(desk)

    assert len(responses.calls) == 1
    assert desk.pauses == []


@responses.activate
@pytest.mark.parametrize("failure", NOTHING_SENT)
def test_a_write_without_a_connection_surely_did_nothing(failure: requests.RequestException) -> None:
    responses.post(CREATE, body=failure)

    with pytest.raises(ExchangeUnavailable):
        create(a_desk())

    assert len(responses.calls) == 1


@responses.activate
@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (answer(code="10000", msg='"Try again later"'), 200, OutcomeUnknown),
        (answer(code="10605"), 200, RateLimited),
        ("", 429, RateLimited),
        ("", 500, OutcomeUnknown),
        ("<html>", 200, OutcomeUnknown),
        (answer('"soon"'), 200, OutcomeUnknown),
        (answer("null"), 200, OutcomeUnknown),
    ],
)
def test_d5_no_answer_makes_a_write_go_out_twice(body: str, status: int, kind: type[Exception]) -> None:
    responses.post(CREATE, body=body, status=status)

    with pytest.raises(kind):
        create(a_desk())

    assert len(responses.calls) == 1


@responses.activate
def test_the_body_that_is_sent_is_the_text_that_is_signed() -> None:
    responses.post(CREATE, body=answer("1900000000000000123"))

    create(a_desk())

    request = responses.calls[0].request
    body = request.body
    assert isinstance(body, bytes)
    headers = request.headers
    text = auth.prehash("POST", "/open/option/order/create/v1", auth.params_of_json(body), KEY, headers["ts"], headers["X-REQ-TS-DIFF"])
    assert auth.verify(text, SECRET, headers["sign"])
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body)["qty"] == 0.5


@responses.activate
def test_a_redirect_is_not_followed() -> None:
    responses.post(CREATE, status=307, headers={"Location": f"{HOST}/elsewhere"})
    responses.post(f"{HOST}/elsewhere", body=answer("1"))

    with pytest.raises(OutcomeUnknown, match="307"):
        create(a_desk())

    assert len(responses.calls) == 1


# ---- the clocks


@responses.activate
def test_requests_are_signed_by_the_venues_clock_once_it_is_measured() -> None:
    desk = a_desk()
    responses.get(TIME, body=time_answer(desk, timedelta(seconds=90)))
    responses.get(POSITIONS, body=answer("[]"))

    assert desk.client.measure_skew() == timedelta(seconds=90)
    desk.client.positions()

    assert responses.calls[1].request.headers["ts"] == str(to_ms(NOW + timedelta(seconds=90)))


@responses.activate
def test_clocks_that_agree_as_far_as_can_be_seen_are_left_alone() -> None:
    desk = a_desk()

    def slowly(_: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        body = time_answer(desk, timedelta(milliseconds=30))
        desk.clock.advance(timedelta(seconds=2))
        return 200, {}, body

    responses.add_callback(responses.GET, TIME, slowly)

    assert desk.client.measure_skew() == timedelta(0)


@responses.activate
def test_a_read_out_of_time_measures_the_clock_and_is_asked_once_more() -> None:
    desk = a_desk()
    responses.get(POSITIONS, body=answer(code="10557", msg='"Timestamp request expired."'))
    responses.get(TIME, body=time_answer(desk, timedelta(seconds=-40)))
    responses.get(POSITIONS, body=answer("[]"))

    desk.client.positions()

    assert [call.request.url for call in responses.calls] == [POSITIONS, TIME, POSITIONS]
    assert responses.calls[2].request.headers["ts"] == str(to_ms(NOW - timedelta(seconds=40)))


@responses.activate
def test_a_read_that_stays_out_of_time_is_refused() -> None:
    desk = a_desk()
    responses.get(POSITIONS, body=answer(code="10557"))
    responses.get(TIME, status=404)

    with pytest.raises(TimestampRejected):
        desk.client.positions()

    assert len(responses.calls) == 3


@responses.activate
def test_a_write_out_of_time_did_nothing_and_the_next_one_is_in_time() -> None:
    desk = a_desk()
    responses.post(CREATE, body=answer(code="10557"))
    responses.get(TIME, body=time_answer(desk, timedelta(seconds=12)))
    responses.post(CREATE, body=answer("7"))

    with pytest.raises(TimestampRejected):
        create(desk)

    assert [call.request.method for call in responses.calls] == ["POST", "GET"]
    assert create(desk) == "7"
    assert responses.calls[2].request.headers["ts"] == str(to_ms(NOW + timedelta(seconds=12)))


@responses.activate
def test_the_window_is_sent_in_milliseconds() -> None:
    responses.get(POSITIONS, body=answer("[]"))

    a_desk(window=timedelta(hours=5)).client.positions()

    assert responses.calls[0].request.headers["X-REQ-TS-DIFF"] == "18000000"


@pytest.mark.parametrize(("speed", "seconds"), [(1.0, 5), (0.5, 5), (3600.0, 18000)])
def test_a_faster_clock_has_a_wider_window(speed: float, seconds: float) -> None:
    assert validity_window(SystemClock(speed)) == timedelta(seconds=seconds)
    assert validity_window(SimulatedClock(NOW)) == timedelta(seconds=5)


# ---- the connections


@responses.activate
def test_l48_after_five_failures_in_a_row_the_connections_are_new() -> None:
    responses.get(POSITIONS, body=dropped())
    desk = a_desk()
    first = desk.transport._session

    with pytest.raises(ExchangeUnavailable):
        desk.client.positions()
    assert desk.transport._session is first
    with pytest.raises(ExchangeUnavailable):
        desk.client.positions()

    assert desk.transport._session is not first
    desk.transport.close()


@responses.activate
def test_an_answer_between_failures_starts_the_count_again() -> None:
    desk = a_desk()
    first = desk.transport._session
    for _ in range(3):
        responses.get(POSITIONS, body=dropped())
        responses.get(POSITIONS, body=dropped())
        responses.get(POSITIONS, body=answer("[]"))

    for _ in range(3):
        desk.client.positions()

    assert desk.transport._session is first


def test_the_environment_of_the_machine_is_not_trusted() -> None:
    session = a_desk().transport._session

    assert not session.trust_env
    assert session.verify is True


@pytest.mark.parametrize("url", ["http://api.coincall.com", "ftp://127.0.0.1", "api.coincall.com", "http://127.0.0.1.evil.test"])
def test_keys_are_not_sent_in_the_clear_over_a_network(url: str) -> None:
    with pytest.raises(ConfigError, match="https"):
        Transport(url, SimulatedClock(NOW), credentials=Credentials(KEY, SECRET))


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://localhost:1/", "http://[::1]:9", "https://api.coincall.com"])
def test_this_machine_may_be_asked_in_the_clear(url: str) -> None:
    assert Transport(url, SimulatedClock(NOW)).skew == timedelta(0)
