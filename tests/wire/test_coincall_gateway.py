"""What the ports of orders promise holds on the wire: whole lists, found orders, and no silence taken for an answer."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
import requests
import responses

from clock import from_ms, to_ms
from domain import OrderStatus
from errors import DuplicateClientOrderId, ExchangeUnavailable, MalformedResponse, OrderAlreadyFinal, OutcomeUnknown, TurnedAway
from exchanges.coincall.gateway import LONGEST_WINDOW, CoincallOrders
from ports import OrderGateway

from tests.wire.coincall_builders import (
    HOST,
    NOW,
    ORDERS,
    OUR_NUMBER,
    SENT_AT,
    Desk,
    a_client_id,
    a_desk,
    a_fill_row,
    a_page,
    an_order,
    an_order_row,
    answer,
    pages,
    query_of,
)

SINGLE, PENDING, HISTORY = f"{ORDERS}/singleQuery/v1", f"{ORDERS}/pending/v1", f"{ORDERS}/history/v1"
FILLS = f"{HOST}/open/option/trade/history/v1"
NOT_KNOWN = answer(code="10584", msg='"Order does not exist."')
NOBODY = 123123123


def orders(desk: Desk) -> OrderGateway:
    return CoincallOrders(desk.client, desk.clock)


# ---- orders


@responses.activate
def test_submitting_returns_the_venues_id() -> None:
    responses.post(f"{ORDERS}/create/v1", body=answer("1900000000000000123"))

    assert orders(a_desk()).submit(an_order()) == "1900000000000000123"


@responses.activate
def test_an_id_that_the_venue_has_seen_is_told_as_such() -> None:
    responses.post(f"{ORDERS}/create/v1", body=answer(code="10577", msg='"Duplicated client order ID."'))

    with pytest.raises(DuplicateClientOrderId):
        orders(a_desk()).submit(an_order())


@responses.activate
@pytest.mark.parametrize("status", [403, 404, 429])
def test_l05_a_status_alone_does_not_say_that_an_order_was_not_taken(status: int) -> None:
    responses.post(f"{ORDERS}/create/v1", status=status, body="<html>said by whoever stands in between</html>")

    with pytest.raises(TurnedAway):
        orders(a_desk()).submit(an_order())


@responses.activate
def test_cancelling_names_our_own_id_as_a_number() -> None:
    responses.post(f"{ORDERS}/cancel/v1", body=answer('"success"'))

    orders(a_desk()).cancel(a_client_id())

    assert json.loads(responses.calls[0].request.body or "") == {"clientOrderId": OUR_NUMBER}


@responses.activate
def test_cancelling_what_has_filled_says_that_it_is_final() -> None:
    responses.post(f"{ORDERS}/cancel/v1", body=answer(code="11102"))

    with pytest.raises(OrderAlreadyFinal):
        orders(a_desk()).cancel(a_client_id())


@responses.activate
def test_an_order_is_found_by_our_id() -> None:
    responses.get(SINGLE, body=answer(an_order_row()))

    found = orders(a_desk()).find(a_client_id(), SENT_AT)

    assert found is not None
    assert (found.client_id, found.status, found.filled) == (a_client_id(), OrderStatus.FILLED, Decimal("0.5"))


@responses.activate
def test_l5_an_order_that_the_query_does_not_know_is_sought_among_the_open_ones_on_every_page() -> None:
    responses.get(SINGLE, body=NOT_KNOWN)
    first = a_page(an_order_row(NOBODY, order_id=1), end='"pageTotal":2,"total":2')
    second = a_page(an_order_row(state=0, filled="0"), end='"pageTotal":2,"total":2')
    pages(PENDING, "page", {"1": first, "2": second})

    found = orders(a_desk()).find(a_client_id(), SENT_AT)

    assert found is not None
    assert found.status is OrderStatus.NEW


@responses.activate
def test_l5_then_in_the_history_since_just_before_it_was_sent() -> None:
    responses.get(SINGLE, body=NOT_KNOWN)
    responses.get(PENDING, body=a_page(end='"pageTotal":0,"total":0'))
    older = a_page(an_order_row(state=3, filled="0.2", order_id=80))
    pages(HISTORY, "fromId", {"": a_page(an_order_row(NOBODY, order_id=90), end='"hasNext":true,"hasPre":false'), "90": older})

    found = orders(a_desk()).find(a_client_id(), SENT_AT)

    assert found is not None
    assert (found.status, found.filled) == (OrderStatus.CANCELED, Decimal("0.2"))
    asked = query_of(responses.calls[2].request)
    assert asked["startTime"] == str(to_ms(SENT_AT - timedelta(minutes=1)))
    assert "endTime" not in asked


@responses.activate
def test_none_is_said_only_when_it_is_in_none_of_the_three() -> None:
    responses.get(SINGLE, body=NOT_KNOWN)
    responses.get(PENDING, body=a_page(an_order_row(NOBODY), end='"pageTotal":1,"total":1'))
    responses.get(HISTORY, body=a_page(an_order_row(NOBODY)))

    assert orders(a_desk()).find(a_client_id(), SENT_AT) is None
    assert [call.request.url.partition("?")[0] for call in responses.calls if call.request.url] == [SINGLE, PENDING, HISTORY]


@responses.activate
@pytest.mark.parametrize("broken", [SINGLE, PENDING, HISTORY])
def test_l39_a_search_that_could_not_be_finished_is_not_a_no(broken: str) -> None:
    answers = {SINGLE: NOT_KNOWN, PENDING: a_page(end='"pageTotal":0'), HISTORY: a_page()}
    for url, body in answers.items():
        responses.get(url, body=body, status=503 if url == broken else 200)

    with pytest.raises(ExchangeUnavailable):
        orders(a_desk()).find(a_client_id(), SENT_AT)


@responses.activate
def test_an_answer_about_another_order_is_not_taken_for_ours() -> None:
    responses.get(SINGLE, body=answer(an_order_row(NOBODY)))

    with pytest.raises(MalformedResponse, match="asked for ct-0042-17-1-o-3"):
        orders(a_desk()).find(a_client_id(), SENT_AT)


@responses.activate
def test_open_orders_are_read_to_the_last_page_and_told_once() -> None:
    first = a_page(an_order_row(order_id=1, state=None), an_order_row(NOBODY, order_id=2), end='"pageTotal":"2","total":3')
    pages(PENDING, "page", {"1": first, "2": a_page(an_order_row(NOBODY, order_id=2), an_order_row(order_id=3), end='"pageTotal":2')})

    found = orders(a_desk()).open_orders()

    assert [order.order_id for order in found] == ["1", "2", "3"]
    assert [order.client_id is None for order in found] == [False, True, False]


@responses.activate
def test_fills_come_oldest_first_from_every_page() -> None:
    newest = a_page(a_fill_row(30, time=300), a_fill_row(20, time=200), end='"hasNext":true,"hasPre":false')
    oldest = a_page(a_fill_row(11, time=100), a_fill_row(9, time=100))
    pages(FILLS, "fromId", {"": newest, "20": oldest})

    found = orders(a_desk()).fills(SENT_AT)

    assert [fill.id for fill in found] == ["9", "11", "20", "30"]


@responses.activate
def test_a_cursor_that_stands_still_is_an_error_and_not_a_loop() -> None:
    pages(FILLS, "fromId", dict.fromkeys(("", "20"), a_page(a_fill_row(20), end='"hasNext":true,"hasPre":false')))

    with pytest.raises(MalformedResponse, match="none are older"):
        orders(a_desk()).fills(SENT_AT)


@responses.activate
def test_more_rows_promised_and_none_given_is_an_error() -> None:
    responses.get(FILLS, body=a_page(end='"hasNext":true,"hasPre":false'))

    with pytest.raises(MalformedResponse):
        orders(a_desk()).fills(SENT_AT)


@responses.activate
def test_a_long_absence_is_asked_in_windows_that_the_venue_takes() -> None:
    since = NOW - timedelta(days=200)
    responses.get(FILLS, body=a_page(a_fill_row(20)))

    found = orders(a_desk()).fills(since)

    asked = [query_of(call.request) for call in responses.calls]
    assert [from_ms(int(each["startTime"])) for each in asked] == [since, since + LONGEST_WINDOW, since + 2 * LONGEST_WINDOW]
    assert [each.get("endTime") for each in asked][2] is None
    assert len(found) == 1


def test_a_lost_write_is_not_hidden_by_the_gateway() -> None:
    with responses.RequestsMock() as venue:
        venue.post(f"{ORDERS}/create/v1", body=requests.ReadTimeout("silence"))

        with pytest.raises(OutcomeUnknown):
            orders(a_desk()).submit(an_order())

        assert len(venue.calls) == 1
