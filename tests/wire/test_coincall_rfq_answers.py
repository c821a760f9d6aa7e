"""What becomes of a call of block trades that was refused, lost, or answered otherwise than documented."""

import json
from decimal import Decimal

import pytest
import requests
import responses

from domain import BlockTrade, QuoteStatus, RFQStatus, Side
from errors import (
    AuthenticationRejected,
    ExchangeRejected,
    ExchangeUnavailable,
    InsufficientMargin,
    MalformedResponse,
    OrderAlreadyFinal,
    OrderNotFound,
    OutcomeUnknown,
    RateLimited,
    VenueError,
)
from exchanges.coincall.wire_rfq import Role

from tests.wire.coincall_builders import (
    A_TRADED_LEG,
    BLOCKTRADE,
    QUOTE_ID,
    REQUEST_ID,
    a_block_row,
    a_page,
    a_quote_row,
    an_accepted_answer,
    answer,
)
from tests.wire.rfq_samples import (
    ACCEPT,
    ACCEPT_SAMPLE,
    FORM,
    JSON,
    LIST_SAMPLE,
    OPEN_QUOTE,
    RECEIVED,
    RFQ_LIST,
    WRITES,
    a_client,
    a_list,
    body_of,
)

# ---- once, or once more in the other encoding

REFUSED_ENCODINGS = [
    ("cancel", "10004"),
    ("cancel", "10567"),
    ("accept", "10004"),
    ("accept", "10567"),
    ("cancel quote", "10004"),
    ("cancel quote", "10000"),
]


@responses.activate
@pytest.mark.parametrize(("name", "code"), REFUSED_ENCODINGS)
def test_a_body_that_was_not_understood_goes_once_more_in_the_other_encoding(name: str, code: str) -> None:
    case = WRITES[name]
    responses.post(case.url, body=answer(code=code, msg='"Parameter illegal"'))
    responses.post(case.url, body=case.answer)

    assert case.call(a_client()) == case.expected

    first, second = (call.request for call in responses.calls)
    assert {first.headers["Content-Type"], second.headers["Content-Type"]} == {FORM, JSON}
    assert first.headers["Content-Type"] == case.encoding
    assert first.headers["sign"] == second.headers["sign"]
    sent = [body_of(each) for each in (first, second)]
    form, document = sent if case.encoding == FORM else reversed(sent)
    assert json.loads(document) == dict(pair.split("=") for pair in form.split("&"))


@responses.activate
@pytest.mark.parametrize(("name", "code"), REFUSED_ENCODINGS)
def test_a_body_refused_in_both_encodings_is_not_sent_a_third_time(name: str, code: str) -> None:
    case = WRITES[name]
    responses.post(case.url, body=answer(code=code))

    with pytest.raises(VenueError) as caught:
        case.call(a_client())

    assert (type(caught.value), caught.value.code) == (OutcomeUnknown if code == "10000" else ExchangeRejected, int(code))
    assert len(responses.calls) == 2


@responses.activate
def test_the_encoding_that_was_taken_is_remembered() -> None:
    responses.post(ACCEPT, body=answer(code="10004"))
    responses.post(ACCEPT, body=ACCEPT_SAMPLE)
    client = a_client()

    client.accept(REQUEST_ID, QUOTE_ID)
    client.accept(REQUEST_ID, "7")

    assert [call.request.headers["Content-Type"] for call in responses.calls] == [FORM, JSON, JSON]


@responses.activate
def test_l23_an_accept_whose_second_encoding_was_lost_may_have_traded() -> None:
    responses.post(ACCEPT, body=answer(code="10004"))
    responses.post(ACCEPT, body=requests.ReadTimeout("silence"))

    with pytest.raises(OutcomeUnknown):
        a_client().accept(REQUEST_ID, QUOTE_ID)

    assert len(responses.calls) == 2


FAILURES: list[tuple[str | Exception, int, type[VenueError]]] = [
    (requests.ReadTimeout("silence"), 200, OutcomeUnknown),
    (requests.ConnectionError("reset by peer"), 200, OutcomeUnknown),
    (requests.ConnectTimeout("nobody there"), 200, ExchangeUnavailable),
    ("", 500, OutcomeUnknown),
    ("<html>bad gateway</html>", 502, OutcomeUnknown),
    ("<html>maintenance</html>", 200, OutcomeUnknown),
    ('{"code":0,"data":{"blockTr', 200, OutcomeUnknown),
    (answer(code="10103"), 200, OutcomeUnknown),
    (answer(code="10605"), 200, RateLimited),
    ("", 429, RateLimited),
    ("", 404, ExchangeRejected),
    (answer(code="10562"), 200, AuthenticationRejected),
    (answer(code="10529"), 200, InsufficientMargin),
    (answer(code="40037"), 200, InsufficientMargin),
    (answer(code="50012"), 200, ExchangeRejected),
    (answer(code="50014"), 200, ExchangeRejected),
    (answer(code="10584"), 200, OrderNotFound),
    (answer(code="11101"), 200, OrderAlreadyFinal),
    (answer(code="11102"), 200, OrderAlreadyFinal),
]


@responses.activate
@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize(("body", "status", "kind"), FAILURES)
def test_d5_every_other_failure_is_told_and_nothing_is_sent_again(
    name: str, body: str | Exception, status: int, kind: type[VenueError]
) -> None:
    case = WRITES[name]
    responses.post(case.url, body=body, status=status)

    with pytest.raises(VenueError) as caught:
        case.call(a_client())

    assert type(caught.value) is kind
    assert len(responses.calls) == 1


@responses.activate
@pytest.mark.parametrize("name", ["create", "accept", "quote", "cancel"])
def test_l23_try_again_later_is_not_taken_at_its_word(name: str) -> None:
    case = WRITES[name]
    responses.post(case.url, body=answer(code="10000", msg='"Try again later"'))

    with pytest.raises(OutcomeUnknown):
        case.call(a_client())

    assert len(responses.calls) == 1


@responses.activate
@pytest.mark.parametrize(
    ("name", "data"), [("create", "null"), ("create", '{"requestId":"1"}'), ("quote", "[]"), ("cancel quote", "{}"), ("cancel", "false")]
)
def test_a_success_that_cannot_be_read_leaves_the_outcome_unknown(name: str, data: str) -> None:
    case = WRITES[name]
    responses.post(case.url, body=answer(data))

    with pytest.raises(OutcomeUnknown, match="accepted, but"):
        case.call(a_client())


# ---- what the venue writes otherwise


@responses.activate
@pytest.mark.parametrize(
    ("row", "side"),
    [
        (a_quote_row(QUOTE_ID), Side.SELL),
        (a_quote_row().replace(f'"requestId":"{REQUEST_ID}",', ""), Side.SELL),
        (a_quote_row().replace(f'"{REQUEST_ID}"', '""'), Side.SELL),
        (a_quote_row(side='"tradeSide":"BUY"'), Side.BUY),
        (a_quote_row(side='"side":null,"tradeSide":"BUY"'), Side.BUY),
        (a_quote_row(side='"side":"","tradeSide":2'), Side.SELL),
        (a_quote_row(price='"1525.00000000"', qty="0.5"), Side.SELL),
        (a_quote_row().replace('"quantity"', '"qty"'), Side.SELL),
    ],
)
def test_l7_a_quote_is_read_in_every_form_seen(row: str, side: Side) -> None:
    responses.get(RECEIVED, body=a_list(row))

    (found,) = a_client().quotes_received(REQUEST_ID)

    assert (found.quote_id, found.legs[0].side, found.legs[0].price, found.legs[0].qty) == (QUOTE_ID, side, Decimal(1525), Decimal("0.5"))
    assert found.request_id == (REQUEST_ID if REQUEST_ID in row else None)


@responses.activate
def test_amounts_in_exponents_are_exact() -> None:
    responses.get(RECEIVED, body=a_list(a_quote_row(price='"6.0E-4"', qty='"1E+1"')))

    (found,) = a_client().quotes_received(REQUEST_ID)

    assert (found.legs[0].price, found.legs[0].qty) == (Decimal("0.0006"), Decimal(10))


@responses.activate
@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("OPEN", QuoteStatus.OPEN),
        ("CANCEL", QuoteStatus.CANCELLED),
        ("CANCELLED", QuoteStatus.CANCELLED),
        ("FILLED", QuoteStatus.FILLED),
        ("EXPIRED", QuoteStatus.EXPIRED),
        ("PONDERED", QuoteStatus.OPEN),
    ],
)
def test_l6_a_state_of_a_quote_that_we_do_not_know_is_not_final(state: str, status: QuoteStatus) -> None:
    responses.get(RECEIVED, body=a_list(a_quote_row(state=f'"{state}"')))

    assert a_client().quotes_received(REQUEST_ID)[0].status is status


@responses.activate
@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("ACTIVE", RFQStatus.ACTIVE),
        ("CANCEL", RFQStatus.CANCELLED),
        ("CANCELLED", RFQStatus.CANCELLED),
        ("FILLED", RFQStatus.FILLED),
        ("EXPIRED", RFQStatus.EXPIRED),
        ("TRADED_AWAY", RFQStatus.TRADED_AWAY),
        ("PONDERED", None),
    ],
)
def test_ct58_a_state_of_a_request_that_we_do_not_know_is_none(state: str, status: RFQStatus | None) -> None:
    responses.get(RFQ_LIST, body=LIST_SAMPLE.replace("ACTIVE", state))

    assert a_client().standings(REQUEST_ID) == {REQUEST_ID: status}
    assert a_client().requests(Role.MAKER)[0].status is status


@responses.activate
@pytest.mark.parametrize("number", ['"NaN"', '"Infinity"', '"-1"', '"0"', '"0E-8"', "-0.5"])
@pytest.mark.parametrize("part", ["price", "qty"])
def test_a_quote_that_offers_nothing_is_left_out(part: str, number: str) -> None:
    odd = a_quote_row('"7"', price=number) if part == "price" else a_quote_row('"7"', qty=number)
    responses.get(RECEIVED, body=a_list(odd))
    responses.get(RECEIVED, body=a_list(odd, a_quote_row()))
    client = a_client()

    assert client.quotes_received(REQUEST_ID) == ()
    assert client.quotes_received(REQUEST_ID) == (OPEN_QUOTE,)


MALFORMED_ROWS = [
    "7",
    "{}",
    a_quote_row(state="null"),
    a_quote_row(price='"cheap"'),
    a_quote_row(price="null"),
    a_quote_row(side='"side":"HOLD"'),
    a_quote_row(side='"ratio":1'),
    a_quote_row().replace(a_quote_row()[a_quote_row().index('"legs"') :], '"legs":[]}'),
    a_quote_row().replace("1764000310000", "9" * 30),
]


@responses.activate
@pytest.mark.parametrize("row", MALFORMED_ROWS)
def test_one_quote_that_cannot_be_read_does_not_hide_the_others(row: str) -> None:
    responses.get(RECEIVED, body=a_list(row, a_quote_row()))

    assert a_client().quotes_received(REQUEST_ID) == (OPEN_QUOTE,)


@responses.activate
@pytest.mark.parametrize("data", [*(f"[{row}]" for row in MALFORMED_ROWS), "null", "{}", '"none"'])
def test_l39_quotes_of_which_none_can_be_read_are_not_no_quotes(data: str) -> None:
    responses.get(RECEIVED, body=answer(data))

    with pytest.raises(MalformedResponse):
        a_client().quotes_received(REQUEST_ID)


@responses.activate
def test_l39_own_quotes_are_read_whole_or_not_at_all() -> None:
    responses.get(f"{BLOCKTRADE}/list-quote/v1", body=a_list(a_quote_row(), a_quote_row(price="null")))

    with pytest.raises(MalformedResponse):
        a_client().own_quotes()


@responses.activate
@pytest.mark.parametrize(
    "legs",
    [
        "null",
        "[]",
        "7",
        f"[{A_TRADED_LEG}]".replace('"fee":"14.248575",', ""),
        f"[{A_TRADED_LEG}]".replace('"price":"1525"', '"price":"-1"'),
        f"[{A_TRADED_LEG}]".replace('"0.5"', '"NaN"'),
        f"[{A_TRADED_LEG}]".replace("1764000020000", "9" * 18),
    ],
)
def test_a_block_whose_legs_cannot_be_read_was_traded_all_the_same(legs: str) -> None:
    responses.get(f"{BLOCKTRADE}/trade-detail/private/v1", body=a_page(a_block_row(legs=legs), end='"hasNext":false'))

    (found,) = a_client().blocks().rows

    assert found.block == BlockTrade(block_id=QUOTE_ID, request_id=REQUEST_ID, quote_id=QUOTE_ID, fills=None)


@responses.activate
def test_a_price_that_was_cut_down_to_zero_was_paid() -> None:
    responses.post(ACCEPT, body=an_accepted_answer().replace('"price":"1525"', '"price":"0"'))

    assert [fill.price for fill in a_client().accept(REQUEST_ID, QUOTE_ID).fills or ()] == [0]


@responses.activate
def test_two_legs_with_one_trade_id_are_not_two_fills() -> None:
    responses.post(ACCEPT, body=an_accepted_answer(f"[{A_TRADED_LEG},{A_TRADED_LEG}]"))

    with pytest.raises(MalformedResponse, match="trade ids"):
        a_client().accept(REQUEST_ID, QUOTE_ID)
