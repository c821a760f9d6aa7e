"""A block trade of which nobody heard is found where it would stand, and open requests are listed; silence is never a no."""

from datetime import timedelta
from decimal import Decimal

import pytest
import requests
import responses

from clock import to_ms
from domain import OptionLeg, RFQStanding, RFQStatus, Side
from errors import AuthenticationRejected, ExchangeUnavailable, MalformedResponse, VenueError
from ports import RFQDirectory

from tests.wire.coincall_builders import (
    BLOCKTRADE,
    NOW,
    PUT,
    REQUEST_ID,
    SENT_AT,
    SYMBOL,
    a_block_row,
    a_page,
    a_quote_row,
    an_option,
    answer,
    query_of,
)
from tests.wire.rfq_gateway_builders import MADE, TRADED, TRADED_SOMEHOW, adapter, ahead_by, gateway
from tests.wire.rfq_samples import RECEIVED, RFQ_LIST, a_list

BLOCKS = f"{BLOCKTRADE}/trade-detail/private/v1"
NONE_LISTED = answer('{"userId":"1","rfqList":[]}')
NO_BLOCKS = a_page(end='"hasNext":false,"hasPrev":false')


def directory() -> RFQDirectory:
    return adapter()


def a_listed_request(request_id: str = REQUEST_ID, *, state: str = "ACTIVE", role: str = "TAKER", symbol: str = SYMBOL) -> str:
    return (
        f'{{"requestId":"{request_id}","state":"{state}","role":"{role}","createTime":1764000000000,"expiryTime":1764003600000,'
        f'"updateTime":1764000000040,"legs":[{{"instrumentName":"{symbol}","side":"BUY","quantity":"0.5"}}]}}'
    )


def a_request_list(*rows: str) -> str:
    return answer(f'{{"userId":1695000000000009,"rfqList":[{",".join(rows)}]}}')


def asked() -> list[str]:
    """Return the paths asked so far."""
    return [(call.request.url or "").partition("?")[0] for call in responses.calls]


# ---- finding out


@responses.activate
def test_l23_a_block_that_was_traded_is_found_among_ours() -> None:
    responses.get(BLOCKS, body=a_page(a_block_row("8", request_id="7"), a_block_row(), end='"hasNext":true'))

    assert gateway().find(REQUEST_ID, MADE) == RFQStanding(status=RFQStatus.FILLED, block=TRADED)
    assert asked() == [BLOCKS]


@responses.activate
def test_l23_a_block_is_sought_on_every_page_since_the_request_was_sent() -> None:
    def pages(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        rows = {
            "": a_page(a_block_row("90", request_id="7"), end='"hasNext":true'),
            "90": a_page(a_block_row("80", request_id="6"), end='"hasNext":true'),
            "80": a_page(a_block_row("70"), end='"hasNext":true'),
        }
        return 200, {}, rows[query_of(request).get("fromId", "")]

    responses.add_callback(responses.GET, BLOCKS, pages)

    found = gateway().find(REQUEST_ID, MADE)

    assert found.block is not None
    assert (found.block.block_id, len(responses.calls)) == ("70", 3)


@responses.activate
def test_blocks_from_before_the_request_end_the_search() -> None:
    older = a_block_row("90", request_id="7", time=1764000000000 - 61_000)
    responses.get(BLOCKS, body=a_page(older, end='"hasNext":true'))
    responses.get(RFQ_LIST, body=a_request_list(a_listed_request()))

    assert gateway().find(REQUEST_ID, MADE) == RFQStanding(status=RFQStatus.ACTIVE)
    assert asked() == [BLOCKS, RFQ_LIST]


@responses.activate
def test_the_search_goes_back_by_the_venues_clock() -> None:
    just_traded = a_block_row("90", request_id="7", time=1764000000000 + 30_000)
    responses.get(BLOCKS, body=a_page(just_traded, a_block_row(time=1764000000000 + 29_000), end='"hasNext":false'))
    desk = ahead_by(timedelta(seconds=-60))

    found = gateway(desk).find(REQUEST_ID, MADE + timedelta(seconds=120))

    assert found.block is not None
    assert found.block.fills is not None
    assert found.block.fills[0].at == MADE + timedelta(seconds=80)


@responses.activate
@pytest.mark.parametrize("rows", [[], [a_block_row("90", request_id="7")]])
def test_a_cursor_that_stands_still_is_an_error_and_not_a_loop(rows: list[str]) -> None:
    responses.get(BLOCKS, body=a_page(*rows, end='"hasNext":true'))

    with pytest.raises(MalformedResponse, match="none are older"):
        gateway().find(REQUEST_ID, MADE)


@responses.activate
def test_a_block_that_we_made_is_not_one_that_we_took() -> None:
    responses.get(BLOCKS, body=a_page(a_block_row(role="MAKER"), end='"hasNext":false'))
    responses.get(RFQ_LIST, body=NONE_LISTED)
    responses.get(RECEIVED, body=a_list())

    assert gateway().find(REQUEST_ID, MADE) == RFQStanding(status=None)


@responses.activate
def test_a_block_whose_legs_cannot_be_read_is_filled_all_the_same() -> None:
    responses.get(BLOCKS, body=a_page(a_block_row(legs='[{"odd":1}]'), end='"hasNext":false'))

    assert gateway().find(REQUEST_ID, MADE) == RFQStanding(status=RFQStatus.FILLED, block=TRADED_SOMEHOW)


@responses.activate
@pytest.mark.parametrize("status", RFQStatus)
def test_without_a_block_the_list_of_requests_tells(status: RFQStatus) -> None:
    responses.get(BLOCKS, body=NO_BLOCKS)
    responses.get(RFQ_LIST, body=a_request_list(a_listed_request("7"), a_listed_request(state=status.name)))

    assert gateway().find(REQUEST_ID, SENT_AT) == RFQStanding(status=status)
    assert query_of(responses.calls[1].request) == {"requestId": REQUEST_ID}


@responses.activate
def test_ct58_a_request_older_than_the_list_reaches_is_asked_for_by_its_time() -> None:
    responses.get(BLOCKS, body=NO_BLOCKS)
    responses.get(RFQ_LIST, body=a_request_list(a_listed_request(state="EXPIRED")))
    start = to_ms(NOW - timedelta(days=8, minutes=1))

    assert gateway().find(REQUEST_ID, NOW - timedelta(days=8)).status is RFQStatus.EXPIRED
    assert query_of(responses.calls[1].request) == {
        "requestId": REQUEST_ID,
        "startTime": str(start),
        "endTime": str(start + 3 * 86_400_000),
    }


UNTOLD = [
    ("", 404),
    (NONE_LISTED, 200),
    (a_request_list(a_listed_request(state="BREWING")), 200),
    (a_request_list(a_listed_request("7")), 200),
]


@responses.activate
@pytest.mark.parametrize(("body", "status"), UNTOLD)
def test_where_the_list_keeps_silent_a_quote_that_was_taken_tells(body: str, status: int) -> None:
    responses.get(BLOCKS, body=NO_BLOCKS)
    responses.get(RFQ_LIST, body=body, status=status)
    responses.get(RECEIVED, body=a_list(a_quote_row('"7"', state='"CANCELLED"'), a_quote_row(state='"FILLED"', price='"NaN"')))

    assert gateway().find(REQUEST_ID, SENT_AT) == RFQStanding(status=RFQStatus.FILLED, block=TRADED_SOMEHOW)
    assert asked() == [BLOCKS, RFQ_LIST, RECEIVED]


@responses.activate
@pytest.mark.parametrize(("body", "status"), UNTOLD)
@pytest.mark.parametrize("quotes", [a_list(), a_list(a_quote_row()), a_list(a_quote_row(state='"FILLED"').replace(REQUEST_ID, "7"))])
def test_l39_silence_everywhere_is_none_and_not_a_no(body: str, status: int, quotes: str) -> None:
    responses.get(BLOCKS, body=NO_BLOCKS)
    responses.get(RFQ_LIST, body=body, status=status)
    responses.get(RECEIVED, body=quotes)

    assert gateway().find(REQUEST_ID, SENT_AT) == RFQStanding(status=None)


@responses.activate
@pytest.mark.parametrize("broken", [BLOCKS, RFQ_LIST, RECEIVED])
@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ("", 503, ExchangeUnavailable),
        (answer(code="10000"), 200, ExchangeUnavailable),
        ("<html>", 200, MalformedResponse),
        (answer("7"), 200, MalformedResponse),
        (answer(code="10562"), 200, AuthenticationRejected),
        ("<html>blocked</html>", 403, AuthenticationRejected),
    ],
)
def test_l39_a_search_that_could_not_be_finished_raises(broken: str, body: str, status: int, kind: type[VenueError]) -> None:
    for url, good in {BLOCKS: NO_BLOCKS, RFQ_LIST: NONE_LISTED, RECEIVED: a_list()}.items():
        responses.get(url, body=body if url == broken else good, status=status if url == broken else 200)

    with pytest.raises(kind):
        gateway().find(REQUEST_ID, SENT_AT)


# ---- the directory


@responses.activate
def test_open_requests_are_ours_that_are_not_final() -> None:
    rows = [
        a_listed_request("1"),
        a_listed_request("2", state="BREWING", symbol=PUT),
        a_listed_request("3", state="FILLED"),
        a_listed_request("4", role="MAKER"),
    ]
    responses.get(RFQ_LIST, body=a_request_list(*rows))

    found = directory().open_requests()

    assert query_of(responses.calls[0].request) == {"role": "TAKER", "state": "OPEN"}
    assert [request.request_id for request in found] == ["1", "2"]
    assert [request.legs for request in found] == [
        (OptionLeg(instrument=an_option(symbol), side=Side.BUY, qty=Decimal("0.5")),) for symbol in (SYMBOL, PUT)
    ]
    assert {request.status for request in found} == {RFQStatus.ACTIVE}
    assert found[0].expires_at == MADE + timedelta(hours=1)


@responses.activate
def test_no_open_requests_are_none() -> None:
    responses.get(RFQ_LIST, body=NONE_LISTED)

    assert directory().open_requests() == ()


@responses.activate
def test_a_list_that_is_kept_from_a_taker_is_unavailable_and_not_empty() -> None:
    responses.get(RFQ_LIST, status=404)

    with pytest.raises(ExchangeUnavailable, match="404"):
        directory().open_requests()


@responses.activate
@pytest.mark.parametrize(("body", "status"), [(answer(code="10562"), 200), ("<html>blocked</html>", 403)])
def test_a_list_refused_for_the_key_calls_a_person(body: str, status: int) -> None:
    responses.get(RFQ_LIST, body=body, status=status)

    with pytest.raises(AuthenticationRejected):
        directory().open_requests()


@responses.activate
def test_an_open_request_of_an_option_that_is_not_listed_is_told() -> None:
    responses.get(RFQ_LIST, body=a_request_list(a_listed_request(symbol="ETHUSD-28MAR26-3000-C")))

    with pytest.raises(MalformedResponse, match="ETHUSD-28MAR26-3000-C"):
        directory().open_requests()
