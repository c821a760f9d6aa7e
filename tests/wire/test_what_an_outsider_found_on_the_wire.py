"""Readings of the venue's document that the client had not thought of, as a server written from it alone showed them."""

from datetime import timedelta
from decimal import Decimal

import pytest
import responses

from clock import to_ms
from domain import OptionLeg, OrderStatus, Side
from errors import ExchangeUnavailable, OrderNotFound, TurnedAway
from exchanges.coincall.client import OrderRef
from exchanges.coincall.gateway import CoincallOrders

from tests.wire.coincall_builders import (
    BLOCKTRADE,
    NOW,
    ORDERS,
    OUR_NUMBER,
    REQUEST_ID,
    SENT_AT,
    SYMBOL,
    a_block_row,
    a_client_id,
    a_desk,
    a_page,
    a_quote_row,
    an_option,
    an_order_row,
    answer,
    query_of,
)
from tests.wire.rfq_gateway_builders import adapter
from tests.wire.rfq_samples import RECEIVED, RFQ_LIST, a_list

BLOCKS = f"{BLOCKTRADE}/trade-detail/private/v1"
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


# ---- a clock that was ahead, and is set back between two lives


@responses.activate
def test_a_block_that_was_accepted_by_a_clock_an_hour_ahead_is_found_behind_newer_ones() -> None:
    then = to_ms(NOW - timedelta(minutes=10))
    rows = a_block_row(request_id="7", time=then), a_block_row(time=then)
    responses.get(BLOCKS, body=a_page(*rows, end='"hasNext":false,"hasPrev":false'))

    found = adapter().find(REQUEST_ID, NOW + timedelta(hours=1))

    assert found.block is not None
    assert found.block.request_id == REQUEST_ID


@responses.activate
@pytest.mark.parametrize("status", [400, 403, 422, 429])
def test_l05_a_status_alone_does_not_say_that_a_request_was_not_taken(status: int) -> None:
    responses.post(f"{BLOCKTRADE}/request/create/v1", status=status, body="<html>said by whoever stands in between</html>")

    with pytest.raises(TurnedAway):
        adapter().request([OptionLeg(instrument=an_option(), side=Side.BUY, qty=Decimal("0.5"))])
