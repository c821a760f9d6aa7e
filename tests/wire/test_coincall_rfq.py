"""Each endpoint of block trades is asked as documented, once, and its documented answer is read to the last digit."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import requests
import responses

import auth
from auth import Credentials
from clock import SimulatedClock, from_ms
from domain import BlockTrade, Fill, QuotedLeg, QuoteStatus, RFQQuote, RFQStatus, Side
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
from exchanges.coincall.client_rfq import CoincallRFQClient, Standing
from exchanges.coincall.transport import Transport
from exchanges.coincall.wire_block import BlockLeg, BlockLine, PublicBlock
from exchanges.coincall.wire_rfq import QuoteHead, RequestLine, Role, StatedLeg

from tests.wire.coincall_builders import (
    A_TRADED_LEG,
    BLOCKTRADE,
    HOST,
    KEY,
    PUT,
    QUOTE_ID,
    REQUEST_ID,
    SECRET,
    SYMBOL,
    a_block_row,
    a_created_answer,
    a_desk,
    a_leg,
    a_page,
    a_quote_row,
    an_accepted_answer,
    answer,
    form_of,
    query_of,
)

CREATE, CANCEL, ACCEPT = f"{BLOCKTRADE}/request/create/v1", f"{BLOCKTRADE}/request/cancel/v1", f"{BLOCKTRADE}/request/accept/v1"
QUOTE, CANCEL_QUOTE, CANCEL_ALL = f"{BLOCKTRADE}/quote/create/v1", f"{BLOCKTRADE}/quote/cancel/v1", f"{BLOCKTRADE}/quote/cancel-all/v1"
RECEIVED, RFQ_LIST = f"{BLOCKTRADE}/request/getQuotesReceived/v1", f"{BLOCKTRADE}/rfqList/v1"
FORM, JSON = "application/x-www-form-urlencoded", "application/json"

Call = Callable[[CoincallRFQClient], object]


def a_client() -> CoincallRFQClient:
    return CoincallRFQClient(a_desk().transport)


def a_list(*rows: str) -> str:
    return answer(f"[{','.join(rows)}]")


def at(second: float) -> datetime:
    return datetime(2025, 11, 24, 16, 0, tzinfo=UTC) + timedelta(seconds=second)


OFFER = QuotedLeg(symbol=SYMBOL, side=Side.SELL, price=Decimal("1525.0"), qty=Decimal("0.50"))
OUR_FILL = Fill(
    id="1990000000000000602",
    order_id="1990000000000000601",
    symbol=SYMBOL,
    side=Side.BUY,
    qty=Decimal("0.5"),
    price=Decimal(1525),
    fee=Decimal("14.248575"),
    at=at(20),
    is_taker=True,
)
BLOCK = BlockTrade(block_id=QUOTE_ID, request_id=REQUEST_ID, quote_id=QUOTE_ID, fills=(OUR_FILL,))
SOLD = QuotedLeg(symbol=SYMBOL, side=Side.SELL, price=Decimal(1525), qty=Decimal("0.5"))
OPEN_QUOTE = RFQQuote(
    quote_id=QUOTE_ID, request_id=REQUEST_ID, status=QuoteStatus.OPEN, legs=(SOLD,), created_at=at(10), expires_at=at(310)
)
ASKED = RequestLine(
    request_id=REQUEST_ID,
    status=RFQStatus.ACTIVE,
    role=None,
    legs=(StatedLeg(symbol=SYMBOL, side=Side.BUY, qty=Decimal("0.5")),),
    created_at=at(0),
    expires_at=at(3600),
)

# ---- the samples of API 8, as they stand there

LIST_SAMPLE = (
    '{"code":0,"msg":"Success","i18nArgs":null,"data":{"userId":"1695000000000009","rfqList":[{"requestId":"1990000000000000001","state":'
    '"ACTIVE","role":"MAKER","createTime":1764000000000,"expiryTime":1764003600000,"updateTime":1764000000040,"legs":[{"instrumentName":'
    '"BTCUSD-28MAR26-100000-C","side":"BUY","quantity":"0.5"}]}]}}'
)
QUOTES_SAMPLE = (
    '{"code":0,"msg":null,"i18nArgs":null,"data":[{"quoteId":"1990000000000000501","requestId":"1990000000000000001","userId":'
    '"1695000000000009","state":"OPEN","createTime":1764000010000,"updateTime":1764000010400,"expiryTime":1764000310000,"legs":[{'
    '"instrumentName":"BTCUSD-28MAR26-100000-C","side":"SELL","price":"1525","quantity":"0.5"}]}]}'
)
QUOTE_SAMPLE = (
    '{"code":0,"msg":"Success","i18nArgs":null,"data":{"quoteId":1990000000000000501,"requestId":1990000000000000001,"description":'
    '"BTC Call 28 Mar 26 100000","strategyName":"Call","strategyQuantity":"0.50000000","strategyPrice":"1525.00000000","quoteSide":"SELL",'
    '"legs":[{"instrumentName":"BTCUSD-28MAR26-100000-C","side":"SELL","price":"1525","quantity":"0.5","ratio":"1.000000000000000000"}],'
    '"createTime":1764000010000,"expiryTime":1764000310000,"updateTime":1764000010000}}'
)
ACCEPT_SAMPLE = (
    '{"code":0,"msg":"Success","i18nArgs":null,"data":{"userId":null,"blockTradeId":"1990000000000000501","requestId":"1990000000000000001"'
    ',"quoteId":"1990000000000000501","role":"TAKER","legs":[{"instrumentName":"BTCUSD-28MAR26-100000-C","baseToken":"BTC","quoteToken":'
    '"USDT","side":"BUY","price":"1525","quantity":"0.5","iv":"0.5201","markPrice":"1512.40000000","indexPrice":"94990.5","orderId":'
    '"1990000000000000601","tradeId":"1990000000000000602","fee":"14.248575","createTime":1764000020000,"profit":"0"}]}}'
)
LEGS_SAMPLE = (
    '{"code":0,"msg":"Success","i18nArgs":null,"data":{"list":[{"blocktradeId":"1990000000000000501","requestId":"1990000000000000001",'
    '"symbol":"BTCUSD-28MAR26-100000-C","displayName":"BTC-28MAR26-100000-C","baseToken":"BTC","quoteToken":"USDT","side":"SELL","price":'
    '"1525","qty":"0.5","iv":"0.5201","markPrice":"1512.4","indexPrice":"94990.5","orderId":"1990000000000000603","tradeId":'
    '"1990000000000000602","fee":"4.749525","createTime":1764000020000,"profit":"0","role":"MAKER"}],"hasNext":false,"hasPrev":false}}'
)
BLOCKS_SAMPLE = (
    '{"code":0,"msg":null,"i18nArgs":null,"data":{"list":[{"requestId":"1990000000000000001","tradeSide":"BUY","strategyPrice":'
    '"1525.00000000","strategyQuantity":"0.50000000","description":"BTC Call 28 Mar 26 100000","strategyName":"Call","legs":[{"baseToken":'
    '"BTC","createTime":1764000020000,"indexPrice":"94990.50000000","instrumentName":"BTCUSD-28MAR26-100000-C","iv":"0.5201","markPrice":'
    '"1512.40000000","price":"1525.00000000","quantity":"0.50000000","quoteToken":"USDT","side":"BUY","tradeId":"1990000000000000602","fee":'
    '"14.24857500","orderId":"1990000000000000601","profit":"0","reduceOnly":null}],"createTime":1764000019500,"userId":"1695000000000001",'
    '"blockTradeId":"1990000000000000501","quoteId":"1990000000000000501","role":"TAKER"}],"hasNext":false,"hasPrev":false}}'
)
PUBLIC_SAMPLE = (
    '{"code":0,"msg":null,"i18nArgs":null,"data":{"list":[{"requestId":"1990000000000000001","tradeSide":"SELL","strategyPrice":'
    '"1525.00000000","strategyQuantity":"0.50000000","description":"BTC Call 28 Mar 26 100000","strategyName":"Call","legs":[{"baseToken":'
    '"BTC","createTime":1764000020000,"instrumentName":"BTCUSD-28MAR26-100000-C","iv":"0.5201","price":"1525.0","quantity":"0.5","side":'
    '"SELL","tradeId":"1990000000000000602"}],"createTime":1764000019500}],"hasNext":true,"hasPrev":false}}'
)


@dataclass(frozen=True)
class Case:
    """One call, where it goes, an answer as documented, and what is made of it."""

    call: Call
    path: str
    answer: str
    expected: object
    query: dict[str, str]


MAKERS_LEG = BlockLeg(
    block_id=QUOTE_ID,
    request_id=REQUEST_ID,
    role=Role.MAKER,
    fill=Fill(
        id="1990000000000000602",
        order_id="1990000000000000603",
        symbol=SYMBOL,
        side=Side.SELL,
        qty=Decimal("0.5"),
        price=Decimal(1525),
        fee=Decimal("4.749525"),
        at=at(20),
        is_taker=False,
    ),
)
PUBLIC = PublicBlock(
    request_id=REQUEST_ID,
    side=Side.SELL,
    price=Decimal("1525.00000000"),
    qty=Decimal("0.50000000"),
    description="BTC Call 28 Mar 26 100000",
    at=at(19.5),
    legs=(SOLD,),
)
MAKERS_VIEW = RequestLine(
    request_id=ASKED.request_id,
    status=ASKED.status,
    role=Role.MAKER,
    legs=ASKED.legs,
    created_at=ASKED.created_at,
    expires_at=ASKED.expires_at,
)
FOUR_LISTED = {"symbol": "BTCUSD", "state": "CLOSED", "startTime": "1764000000000", "endTime": "1764259200000"}
READS = {
    "quotes received": Case(
        lambda c: c.quotes_received(REQUEST_ID), "/request/getQuotesReceived/v1", QUOTES_SAMPLE, (OPEN_QUOTE,), {"requestId": REQUEST_ID}
    ),
    "heads of quotes": Case(
        lambda c: c.quote_heads(REQUEST_ID),
        "/request/getQuotesReceived/v1",
        QUOTES_SAMPLE,
        (QuoteHead(QUOTE_ID, REQUEST_ID, QuoteStatus.OPEN),),
        {"requestId": REQUEST_ID},
    ),
    "no quotes": Case(
        lambda c: c.quotes_received(REQUEST_ID), "/request/getQuotesReceived/v1", answer("[]"), (), {"requestId": REQUEST_ID}
    ),
    "requests to quote": Case(
        lambda c: c.requests(Role.MAKER, standing=Standing.OPEN),
        "/rfqList/v1",
        LIST_SAMPLE,
        (MAKERS_VIEW,),
        {"role": "MAKER", "state": "OPEN"},
    ),
    "no requests": Case(
        lambda c: c.requests(Role.TAKER),
        "/rfqList/v1",
        answer('{"userId":1695000000000009,"rfqList":[]}'),
        (),
        {"role": "TAKER"},
    ),
    "where a request stands": Case(
        lambda c: c.standings(REQUEST_ID), "/rfqList/v1", LIST_SAMPLE, {REQUEST_ID: RFQStatus.ACTIVE}, {"requestId": REQUEST_ID}
    ),
    "own quotes": Case(
        lambda c: c.own_quotes(index="BTCUSD", standing=Standing.CLOSED, since=at(0), until=at(3 * 86400)),
        "/list-quote/v1",
        QUOTES_SAMPLE,
        (OPEN_QUOTE,),
        FOUR_LISTED,
    ),
    "an own quote": Case(lambda c: c.own_quotes(quote_id="7"), "/list-quote/v1", answer("[]"), (), {"quoteId": "7"}),
    "legs of blocks": Case(
        lambda c: (c.block_legs(QUOTE_ID, 9, "BTC").rows, c.block_legs(QUOTE_ID, 9, "BTC").cursor),
        "/orderList/v1",
        LEGS_SAMPLE,
        ((MAKERS_LEG,), int(QUOTE_ID)),
        {"blocktradeId": QUOTE_ID, "fromId": "9", "currency": "BTC", "pageSize": "499"},
    ),
    "blocks": Case(
        lambda c: (c.blocks(9).rows, c.blocks(9).cursor, c.blocks(9).has_more),
        "/trade-detail/private/v1",
        BLOCKS_SAMPLE,
        ((BlockLine(role=Role.TAKER, at=at(19.5), block=BLOCK),), int(QUOTE_ID), False),
        {"fromId": "9", "pageSize": "49"},
    ),
    "everybody's blocks": Case(
        lambda c: (c.public_blocks("BTCUSD").rows, c.public_blocks("BTCUSD").has_more),
        "/trade-detail/public/v1",
        PUBLIC_SAMPLE,
        ((PUBLIC,), True),
        {"symbol": "BTCUSD", "pageSize": "49"},
    ),
}


@responses.activate
@pytest.mark.parametrize("name", READS)
def test_a_read_asks_as_documented_and_reads_the_documented_answer(name: str) -> None:
    case = READS[name]
    responses.get(BLOCKTRADE + case.path, body=case.answer)

    found = case.call(a_client())

    assert found == case.expected
    assert query_of(responses.calls[0].request) == case.query
    assert "sign" in responses.calls[0].request.headers


@dataclass(frozen=True)
class Written:
    """One write, where it goes, how its body is written, an answer as documented, and what is made of it."""

    call: Call
    url: str
    encoding: str
    body: str
    answer: str
    expected: object


TWO_LEGS = [a_leg(), a_leg(Side.SELL, PUT, "2.0")]
WRITES = {
    "create": Written(
        lambda c: c.request(TWO_LEGS),
        CREATE,
        JSON,
        f'{{"legs":[{{"instrumentName":"{SYMBOL}","side":"BUY","qty":"0.5"}},{{"instrumentName":"{PUT}","side":"SELL","qty":"2"}}]}}',
        a_created_answer(),
        ASKED,
    ),
    "cancel": Written(lambda c: c.withdraw(REQUEST_ID), CANCEL, FORM, f"requestId={REQUEST_ID}", answer("true"), None),
    "accept": Written(
        lambda c: c.accept(REQUEST_ID, QUOTE_ID), ACCEPT, FORM, f"requestId={REQUEST_ID}&quoteId={QUOTE_ID}", ACCEPT_SAMPLE, BLOCK
    ),
    "accept answered with integers": Written(
        lambda c: c.accept(REQUEST_ID, QUOTE_ID),
        ACCEPT,
        FORM,
        f"requestId={REQUEST_ID}&quoteId={QUOTE_ID}",
        an_accepted_answer(quote_id=QUOTE_ID),
        BLOCK,
    ),
    "quote": Written(
        lambda c: c.quote(REQUEST_ID, Side.SELL, [OFFER]),
        QUOTE,
        JSON,
        f'{{"requestId":"{REQUEST_ID}","quoteSide":"SELL","legs":[{{"instrumentName":"{SYMBOL}","symbol":"BTCUSD","side":"SELL",'
        '"price":"1525","quantity":"0.5"}]}',
        QUOTE_SAMPLE,
        OPEN_QUOTE,
    ),
    "cancel quote": Written(
        lambda c: c.cancel_quote(QUOTE_ID),
        CANCEL_QUOTE,
        JSON,
        f'{{"quoteId":"{QUOTE_ID}"}}',
        answer(f'{{"quoteId":{QUOTE_ID}}}'),
        QUOTE_ID,
    ),
    "cancel all quotes": Written(lambda c: c.cancel_all_quotes(), CANCEL_ALL, FORM, "", answer(), None),
}


def body_of(request: requests.PreparedRequest) -> str:
    body = request.body or b""
    return body if isinstance(body, str) else bytes(body).decode()


@responses.activate
@pytest.mark.parametrize("name", WRITES)
def test_ct50_a_write_sends_the_documented_body_to_the_last_character(name: str) -> None:
    case = WRITES[name]
    responses.post(case.url, body=case.answer)

    found = case.call(a_client())

    request = responses.calls[0].request
    assert (body_of(request), request.headers["Content-Type"]) == (case.body, case.encoding)
    assert found == case.expected
    assert len(responses.calls) == 1


@responses.activate
@pytest.mark.parametrize("name", WRITES)
def test_the_fields_of_a_body_are_signed_whatever_its_encoding(name: str) -> None:
    case = WRITES[name]
    responses.post(case.url, body=case.answer)

    case.call(a_client())

    request = responses.calls[0].request
    fields: dict[str, auth.Value] = {**form_of(request)} if case.encoding == FORM else auth.params_of_json(body_of(request))
    headers = request.headers
    text = auth.prehash("POST", case.url.removeprefix(HOST), fields, KEY, headers["ts"], headers["X-REQ-TS-DIFF"])
    assert auth.verify(text, SECRET, headers["sign"])


# Computed independently: API 2.6, vectors 4, 5 and 8; rfq-maker's, proven live.
VECTORS: dict[str, tuple[Call, str, str]] = {
    "nested JSON": (
        lambda c: c.request([a_leg(symbol="BTCUSD-27JUN25-105000-C"), a_leg(Side.SELL, "BTCUSD-27JUN25-95000-P")]),
        "POST",
        "93237811BA6A902F748D2E774530C09675F210D6C2578F314F6E09DB4A785796",
    ),
    "form": (
        lambda c: c.accept("1983130719395909632", "1983131007357546497"),
        "POST",
        "43E3947B2CB60E82ED8F8BA4D5A34035DB7F1D51C5737441DB9AE906A495F3B9",
    ),
    "empty form": (lambda c: c.cancel_all_quotes(), "POST", "F55694FBDCCC1CE64E4521FBE4A1EEADE39D45D67006F22052130EDF99A3EDBC"),
    "cancel quote": (lambda c: c.cancel_quote("q-999"), "POST", "9ED0FB5E03EEBCDFA6200D78EA54D51DB5BA58CB659E5B5C723AC25D90D98C6E"),
    "list": (
        lambda c: c.requests(Role.MAKER, standing=Standing.OPEN),
        "GET",
        "1677ADD7A27535F275539A17891025E3F0E8BEED9E2F780375E04A770E29656C",
    ),
    "own quotes": (lambda c: c.own_quotes(), "GET", "EDB261BC0E9367939F77E4434202F03AB9C72C56D540C90BEFEF08367D7699FC"),
}


@responses.activate
@pytest.mark.parametrize("name", VECTORS)
def test_signatures_are_those_of_the_published_vectors(name: str) -> None:
    call, method, signature = VECTORS[name]
    for url in (CREATE, ACCEPT, CANCEL_ALL, CANCEL_QUOTE, RFQ_LIST, f"{BLOCKTRADE}/list-quote/v1"):
        responses.add(method, url, status=404)
    clock = SimulatedClock(from_ms(1750000000000))

    with pytest.raises(ExchangeRejected):
        call(CoincallRFQClient(Transport(HOST, clock, credentials=Credentials("test-key", "test-secret"))))

    assert responses.calls[0].request.headers["sign"] == signature


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


# ---- before sending, and what is never told


@responses.activate
@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.request([]),
        lambda c: c.request([a_leg(qty="0")]),
        lambda c: c.request([a_leg(qty="NaN")]),
        lambda c: c.quote(REQUEST_ID, Side.SELL, []),
        lambda c: c.quote(REQUEST_ID, Side.SELL, [QuotedLeg(symbol=SYMBOL, side=Side.SELL, price=Decimal(0), qty=Decimal(1))]),
        lambda c: c.own_quotes(since=at(0), until=at(3 * 86400 + 1)),
        lambda c: c.requests(Role.MAKER, since=at(1), until=at(0)),
    ],
)
def test_a_question_that_asks_nothing_is_not_sent(call: Call) -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        call(a_client())

    assert len(responses.calls) == 0


@responses.activate
@pytest.mark.parametrize("status", [200, 400, 404, 500])
@pytest.mark.parametrize("name", WRITES)
def test_l53_no_secret_and_no_key_stands_in_an_error(name: str, status: int) -> None:
    case = WRITES[name]
    responses.post(case.url, body=answer(code="50014", msg=f'"you sent {KEY} and {SECRET}"'), status=status)
    responses.get(RECEIVED, body=f"you sent {KEY} and {SECRET}", status=status)
    client = a_client()

    for act in (case.call, lambda c: c.quotes_received(REQUEST_ID)):
        with pytest.raises(VenueError) as caught:
            act(client)
        assert SECRET not in f"{caught.value!r} {caught.value}"
        assert KEY not in f"{caught.value!r} {caught.value}"
