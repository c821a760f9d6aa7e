"""Block trades as the document shows them: its samples, each write with its body, and what is made of either.

Source: Coincall API 8.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import requests

from domain import BlockTrade, Fill, QuotedLeg, QuoteStatus, RFQQuote, RFQStatus, Side
from exchanges.coincall.client_rfq import CoincallRFQClient
from exchanges.coincall.wire_rfq import RequestLine, StatedLeg

from tests.wire.coincall_builders import (
    BLOCKTRADE,
    PUT,
    QUOTE_ID,
    REQUEST_ID,
    SYMBOL,
    a_created_answer,
    a_desk,
    a_leg,
    an_accepted_answer,
    answer,
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
