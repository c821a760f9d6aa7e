"""Readings of the venue's document that the client had not thought of, as a server written from it alone showed them."""

import pytest
import responses

from domain import OrderStatus
from errors import ExchangeUnavailable, OrderNotFound
from exchanges.coincall.client import OrderRef
from exchanges.coincall.gateway import CoincallOrders

from tests.wire.coincall_builders import (
    ORDERS,
    OUR_NUMBER,
    REQUEST_ID,
    SENT_AT,
    SYMBOL,
    a_client_id,
    a_desk,
    a_page,
    a_quote_row,
    an_order_row,
    answer,
    query_of,
)
from tests.wire.rfq_gateway_builders import adapter
from tests.wire.rfq_samples import RECEIVED, RFQ_LIST, a_list

NO_ORDERS = '{"list":[],"pageTotal":0,"total":0}'


@responses.activate
def test_an_answer_that_shows_no_order_is_an_order_that_is_not_known() -> None:
    responses.get(f"{ORDERS}/singleQuery/v1", body=answer("null"))

    with pytest.raises(OrderNotFound):
        a_desk().client.order(OrderRef(client_id=OUR_NUMBER))


@responses.activate
def test_l05_an_order_that_is_not_shown_by_id_is_found_in_the_history() -> None:
    desk = a_desk()
    responses.get(f"{ORDERS}/singleQuery/v1", body=answer("null"))
    responses.get(f"{ORDERS}/pending/v1", body=answer(NO_ORDERS))
    responses.get(f"{ORDERS}/history/v1", body=a_page(an_order_row(state=1)))

    found = CoincallOrders(desk.client, desk.clock).find(a_client_id(), SENT_AT)

    assert found is not None
    assert found.status is OrderStatus.FILLED


# ---- requests, where the list of them is kept from a taker


@responses.activate
def test_a_request_that_no_list_shows_is_known_by_the_quotes_for_it() -> None:
    responses.get(RFQ_LIST, status=404)
    responses.get(RECEIVED, body=a_list(a_quote_row(), a_quote_row('"7"', state='"CANCELLED"')))

    [found] = adapter().open_requests()

    assert (found.request_id, [leg.instrument.symbol for leg in found.legs]) == (REQUEST_ID, [SYMBOL])
    assert query_of(responses.calls[1].request) == {}, "quotes are asked for without naming a request"


@responses.activate
def test_l39_where_no_quote_is_open_either_the_requests_are_unknown_and_not_none() -> None:
    responses.get(RFQ_LIST, status=404)
    responses.get(RECEIVED, body=a_list(a_quote_row(state='"FILLED"')))

    with pytest.raises(ExchangeUnavailable, match="404"):
        adapter().open_requests()
