"""What the ports of a maker promise holds on the wire: quoted once, told whole, and no silence of a list taken for an end."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import requests
import responses

from clock import to_ms
from domain import QuotedLeg, QuoteStatus, RequestedLeg, RFQStatus, Side
from errors import ExchangeRejected, ExchangeUnavailable, MalformedResponse, OutcomeUnknown
from exchanges.coincall.client_rfq import CoincallRFQClient
from exchanges.coincall.codes import QUOTE_EXISTS
from exchanges.coincall.gateway_maker import CoincallMaker
from quote_records import QuoteDirectory, QuoteGateway

from tests.wire.coincall_builders import (
    BLOCKTRADE,
    HOST,
    NOW,
    QUOTE_ID,
    REQUEST_ID,
    SENT_AT,
    SYMBOL,
    Desk,
    a_block_row,
    a_desk,
    a_page,
    a_quote_row,
    answer,
    form_of,
    query_of,
)

RFQ_LIST, OWN, BLOCKS = f"{BLOCKTRADE}/rfqList/v1", f"{BLOCKTRADE}/list-quote/v1", f"{BLOCKTRADE}/trade-detail/private/v1"
QUOTE, CANCEL, CANCEL_ALL = f"{BLOCKTRADE}/quote/create/v1", f"{BLOCKTRADE}/quote/cancel/v1", f"{BLOCKTRADE}/quote/cancel-all/v1"
LEG = QuotedLeg(symbol=SYMBOL, side=Side.SELL, price=Decimal(1525), qty=Decimal("0.5"))
MADE = (
    f'{{"quoteId":{QUOTE_ID},"requestId":{REQUEST_ID},"description":"BTC Call 28 Mar 26 100000","strategyName":"Call",'
    f'"strategyQuantity":"0.50000000","strategyPrice":"1525.00000000","quoteSide":"SELL","legs":[{{"instrumentName":"{SYMBOL}",'
    '"side":"SELL","price":"1525","quantity":"0.5","ratio":"1.000000000000000000"}],"createTime":1764000010000,'
    '"expiryTime":1764000310000,"updateTime":1764000010000}'
)
SOLD = (
    f'{{"instrumentName":"{SYMBOL}","baseToken":"BTC","quoteToken":"USDT","side":"SELL","price":"1525","quantity":"0.5","iv":"0.52",'
    '"markPrice":"1512.4","indexPrice":"94990.5","orderId":"1990000000000000603","tradeId":"1990000000000000602","fee":"4.749525",'
    '"createTime":1764000020000,"profit":"0"}'
)


@pytest.fixture(autouse=True)
def wire() -> Iterator[None]:
    with responses.mock:
        yield


def gateway(desk: Desk | None = None) -> QuoteGateway:
    desk = desk or a_desk()
    return CoincallMaker(CoincallRFQClient(desk.transport), desk.clock)


def directory() -> QuoteDirectory:
    desk = a_desk()
    return CoincallMaker(CoincallRFQClient(desk.transport), desk.clock)


def a_request_row(request_id: str = REQUEST_ID, *, state: str = "ACTIVE", role: str = "MAKER", qty: str = '"0.5"') -> str:
    return (
        f'{{"requestId":"{request_id}","state":"{state}","role":"{role}","createTime":1764000000000,"expiryTime":1764003600000,'
        f'"updateTime":1764000000040,"legs":[{{"instrumentName":"{SYMBOL}","side":"BUY","quantity":{qty}}}]}}'
    )


def requests_listed(*rows: str) -> None:
    responses.get(RFQ_LIST, body=answer(f'{{"userId":1695000000000009,"rfqList":[{",".join(rows)}]}}'))


def own_listed(*rows: str) -> None:
    responses.get(OWN, body=answer(f"[{','.join(rows)}]"))


def sent(number: int = -1) -> requests.PreparedRequest:
    found: requests.PreparedRequest = responses.calls[number].request
    return found


# ---- what may be quoted


def test_ct62_the_open_requests_of_others_are_told_as_their_takers_state_them() -> None:
    requests_listed(a_request_row(), a_request_row("8", role="TAKER"))
    [found] = directory().requests()
    assert query_of(sent()) == {"role": "MAKER", "state": "OPEN"}
    assert (found.request_id, found.status, found.ours) == (REQUEST_ID, RFQStatus.ACTIVE, False)
    assert found.legs == (RequestedLeg(symbol=SYMBOL, side=Side.BUY, qty=Decimal("0.5")),)
    assert found.expires_at - found.created_at == timedelta(hours=1)


@pytest.mark.parametrize("qty", ['"NaN"', '"-1"', "null", '"0"'])
def test_a_request_on_which_nothing_can_be_quoted_does_not_hide_its_neighbours(qty: str) -> None:
    requests_listed(a_request_row("7", qty=qty), a_request_row())
    assert [each.request_id for each in directory().requests()] == [REQUEST_ID]


def test_an_account_that_may_not_quote_is_told_so() -> None:
    responses.get(RFQ_LIST, status=404, body="not found")
    with pytest.raises(ExchangeUnavailable, match="may not quote"):
        directory().requests()


def test_open_quotes_are_those_that_are_open_whoever_made_them() -> None:
    own_listed(a_quote_row(), a_quote_row('"7"', state='"CANCEL"'))
    assert [quote.quote_id for quote in directory().open_quotes()] == [QUOTE_ID]
    assert query_of(sent()) == {"state": "OPEN"}


# ---- quoting


def test_ct62_a_quote_goes_out_once_with_every_leg_and_comes_back_as_the_venue_has_it() -> None:
    responses.post(QUOTE, body=answer(MADE))
    made = gateway().quote(REQUEST_ID, Side.SELL, (LEG,))
    body = json.loads(sent().body or b"")
    assert (body["requestId"], body["quoteSide"]) == (REQUEST_ID, "SELL")
    assert body["legs"] == [{"instrumentName": SYMBOL, "symbol": "BTCUSD", "side": "SELL", "price": "1525", "quantity": "0.5"}]
    assert (made.quote_id, made.request_id, made.status, made.legs) == (QUOTE_ID, REQUEST_ID, QuoteStatus.OPEN, (LEG,))
    assert made.created_at == datetime(2025, 11, 24, 16, 0, 10, tzinfo=UTC)


def test_a_second_quote_on_a_request_is_refused_and_says_by_which_code() -> None:
    responses.post(QUOTE, body=answer(code=str(QUOTE_EXISTS), msg='"exists"'))
    with pytest.raises(ExchangeRejected) as refused:
        gateway().quote(REQUEST_ID, Side.SELL, (LEG,))
    assert refused.value.code == QUOTE_EXISTS


@pytest.mark.parametrize("body", [answer(code="10000", msg='"Try again later"'), answer('{"odd":1}'), "<html>"])
def test_d5_a_quote_of_which_nobody_knows_is_not_sent_again(body: str) -> None:
    responses.post(QUOTE, body=body)
    with pytest.raises(OutcomeUnknown):
        gateway().quote(REQUEST_ID, Side.SELL, (LEG,))
    assert len(responses.calls) == 1


def test_ct63_a_quote_is_taken_back_as_json_and_once_more_as_a_form_where_that_was_not_understood() -> None:
    responses.post(CANCEL, body=answer(code="10000", msg='"Try again later"'))
    responses.post(CANCEL, body=answer(f'{{"quoteId":"{QUOTE_ID}"}}'))
    gateway().cancel(QUOTE_ID)
    assert json.loads(sent(0).body or b"") == {"quoteId": QUOTE_ID}
    assert form_of(sent(1)) == {"quoteId": QUOTE_ID}


def test_ct63_all_are_taken_back_with_an_empty_form() -> None:
    responses.post(CANCEL_ALL, body=answer())
    gateway().cancel_all()
    assert form_of(sent()) == {}


# ---- what became of it


def test_an_open_quote_needs_no_second_look() -> None:
    own_listed(a_quote_row())
    found = gateway().find(REQUEST_ID, SENT_AT)
    assert [quote.quote_id for quote in found.quotes] == [QUOTE_ID]
    assert (found.block, len(responses.calls)) == (None, 1)
    assert query_of(sent()) == {"requestId": REQUEST_ID}


def test_a_quote_that_was_taken_is_told_with_its_fills_from_our_side() -> None:
    own_listed(a_quote_row(state='"FILLED"'))
    requests_listed(a_request_row(state="FILLED"))
    responses.get(BLOCKS, body=a_page(a_block_row(role="MAKER", legs=f"[{SOLD}]"), end='"hasNext":false,"hasPrev":false'))
    found = gateway().find(REQUEST_ID, SENT_AT)
    assert found.block is not None
    assert found.block.fills is not None
    [fill] = found.block.fills
    assert (fill.side, fill.price, fill.qty, fill.fee) == (Side.SELL, Decimal(1525), Decimal("0.5"), Decimal("4.749525"))
    assert fill.is_taker is False


def test_a_request_that_a_maker_sees_filled_was_filled_by_it_also_where_its_quote_is_not_listed() -> None:
    own_listed()
    requests_listed(a_request_row(state="FILLED"))
    responses.get(BLOCKS, body=a_page(a_block_row(role="MAKER", legs=f"[{SOLD}]"), end='"hasNext":false,"hasPrev":false'))
    found = gateway().find(REQUEST_ID, SENT_AT)
    assert (found.quotes, found.status) == ((), RFQStatus.FILLED)
    assert found.block is not None


def test_a_block_in_which_we_were_the_taker_is_no_end_of_a_quote() -> None:
    own_listed()
    requests_listed(a_request_row(state="TRADED_AWAY"))
    responses.get(BLOCKS, body=a_page(a_block_row(role="TAKER"), end='"hasNext":false,"hasPrev":false'))
    found = gateway().find(REQUEST_ID, SENT_AT)
    assert (found.status, found.block) == (RFQStatus.TRADED_AWAY, None)


@pytest.mark.parametrize(("state", "status"), [("CANCEL", QuoteStatus.CANCELLED), ("EXPIRED", QuoteStatus.EXPIRED)])
def test_a_quote_that_ended_otherwise_is_told_so(state: str, status: QuoteStatus) -> None:
    own_listed(a_quote_row(state=f'"{state}"'))
    requests_listed(a_request_row())
    found = gateway().find(REQUEST_ID, SENT_AT)
    assert [quote.status for quote in found.quotes] == [status]


def test_l39_lists_that_cannot_be_read_are_not_empty() -> None:
    responses.get(OWN, body=answer('{"odd":1}'))
    with pytest.raises(MalformedResponse):
        gateway().find(REQUEST_ID, SENT_AT)


def test_moments_come_out_by_our_clock() -> None:
    desk = a_desk()
    responses.get(f"{HOST}/time", body=answer(f'{{"serverTime":{to_ms(NOW + timedelta(seconds=30))}}}'))
    desk.client.measure_skew()
    own_listed(a_quote_row())
    [quote] = gateway(desk).find(REQUEST_ID, SENT_AT).quotes
    assert quote.created_at == datetime(2025, 11, 24, 15, 59, 40, tzinfo=UTC)
