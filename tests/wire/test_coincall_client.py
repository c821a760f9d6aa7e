"""Each endpoint is asked as documented, and its documented answer is read."""

import json
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pytest
import responses

from clock import from_ms
from domain import OrderType, Purpose, Side
from errors import OrderAlreadyFinal, OrderNotFound
from exchanges.coincall.client import BATCH_SIZE, Change, OrderRef, order_params
from exchanges.coincall.wire_account import BatchAnswer

from tests.wire.coincall_builders import (
    EXPIRY,
    HOST,
    NOW,
    OUR_NUMBER,
    SYMBOL,
    Step,
    a_desk,
    a_page,
    an_order,
    an_order_row,
    answer,
    query_of,
)

ORDERS = "/open/option/order"


@dataclass(frozen=True)
class Case:
    """One call, the request that it must make, and an answer as documented."""

    step: Step
    path: str
    answer: str
    query: dict[str, str] | None = None
    expected: object = None


CONFIG = (
    '{"optionConfig":{"BTCUSD":{"symbol":"BTCUSD","takerFee":0.0003,"makerFee":0.0003,"maxOrderNumber":200,"multiplier":0.01,'
    '"settle":"USD","priceDecimal":2,"limitMaxQty":1000,"tickDecimal":1,"tickSize":0.1,"greeksDecimal":5,"marketMaxQty":100,'
    '"qtyDecimal":2,"maxPositionQty":1000,"base":"BTC"}},"futuresConfig":{}}'
)
DETAIL = (
    f'{{"optionId":1900000000000000001,"symbol":"{SYMBOL}","index":"BTCUSD","endTime":1774684800000,"strike":100000.0,"markPrice":1512.4,'
    '"underlyingPrice":95000.1,"iv":0.515,"type":1,"indexPrice":94990.5,"delta":0.33,"gamma":0.00002,"vega":95.1,"theta":-40.2,"rho":20.1}'
)
CANDLE = '[{"open":1500.0,"close":1512.0,"low":1490.0,"high":1520.0,"volume":1.25,"time":1763942400000,"period":"D1"}]'
TRADE = f'[{{"symbol":"{SYMBOL}","displayName":"x","price":"1510","qty":"0.1","time":1764000000000,"tradeSide":1}}]'
SUMMARY = (
    '{"totalBtcValue":0.52,"totalDollarValue":52000.5,"imAmount":"1200.50","mmAmount":"800.25","imRatio":"0.0231","equity":"52000.50",'
    '"availableMargin":"50100.00","marginBalance":"51300.50","unrealizedPnL":"-20.10","accounts":[{"accountId":null,"coin":"USDT",'
    '"coinIconUrl":"","equityAmount":"52000.50","cashBalanceAmount":51320.6,"delta":null}]}'
)
DELIVERIES = '[{"date":"2026-03-27","delivery_price":95123.456},{"date":"2026-03-26","delivery_price":94001.2}],"records_total":2'

READS = {
    "config": Case(
        lambda c: c.config()["BTCUSD"].multiplier,
        "/open/public/config/v1",
        answer(CONFIG),
        expected=Decimal("0.01"),
    ),
    "instruments": Case(lambda c: c.instruments("BTC"), "/open/option/getInstruments/BTC", answer("[]"), expected=()),
    "chain": Case(lambda c: c.chain("BTCUSD")[0], "/open/option/get/v1/BTCUSD", answer("[]"), {}, ()),
    "chain of an expiry": Case(
        lambda c: c.chain("BTCUSD", EXPIRY)[1], "/open/option/get/v1/BTCUSD", answer("[]"), {"endTime": "1774684800000"}, NOW
    ),
    "detail": Case(lambda c: c.detail(SYMBOL)[0].index, f"/open/option/detail/v1/{SYMBOL}", answer(DETAIL), expected=Decimal("94990.5")),
    "book": Case(lambda c: c.book(SYMBOL)[0].bids, f"{ORDERS}/orderbook/v1/{SYMBOL}", answer('{"bids":[],"asks":[]}'), expected=()),
    "candles": Case(
        lambda c: c.candles(SYMBOL, "d1", from_ms(1), from_ms(2))[0].high,
        f"/open/option/market/kline/history/v1/{SYMBOL}",
        answer(CANDLE),
        {"period": "d1", "start": "1", "end": "2", "limit": "1"},
        Decimal(1520),
    ),
    "last trades": Case(
        lambda c: c.last_trades(SYMBOL)[0].side, f"/open/option/trade/lasttrade/v1/{SYMBOL}", answer(TRADE), expected=Side.BUY
    ),
    "delivery prices": Case(
        lambda c: (c.delivery_prices("BTCUSD")[0].day, c.delivery_prices("BTCUSD")[1].price),
        "/open/option/get-delivery-prices/v1",
        answer(DELIVERIES),
        {"symbol": "BTCUSD"},
        (date(2026, 3, 27), Decimal("94001.2")),
    ),
    "estimated price": Case(
        lambda c: c.expiration_prices("BTCUSD", EXPIRY)[0].price,
        "/open/option/getEstimatedExpirationPrice/v1",
        answer('[{"estimatedExpirationPrice":"95010.66","index":"BTCUSD","endTime":1774684800000}]'),
        {"index": "BTCUSD", "endTime": "1774684800000"},
        Decimal("95010.66"),
    ),
    "index": Case(
        lambda c: c.index("BTCUSD")[0][0].price,
        "/open/futures/market/symbol/v1",
        answer('{"symbol":"BTCUSD","indexPrice":94990.5,"ts":1764000000000,"sortIdx":null}'),
        {"symbol": "BTCUSD"},
        Decimal("94990.5"),
    ),
    "user": Case(
        lambda c: c.user().user_id,
        "/open/user/info/v1",
        answer('{"name":"a","email":"a@example.test","userId":17}'),
        expected=17,
    ),
    "key": Case(
        lambda c: c.key().read_only,
        "/open/auth/user/query-api",
        answer('{"userId":17,"apiKey":"k","readOnly":0,"isMaster":true,"parentUid":"0"}'),
        expected=False,
    ),
    "wallet": Case(
        lambda c: [(one.coin, one.equity, one.available) for one in c.wallet()[0]],
        "/open/account/summary/v1",
        answer(SUMMARY),
        expected=[("USDT", Decimal("52000.50"), None)],
    ),
    "summary": Case(lambda c: c.summary()[0].unrealized, "/open/account/summary/v1", answer(SUMMARY), expected=Decimal("-20.10")),
    "positions": Case(lambda c: c.positions()[0], "/open/option/position/get/v1", answer("[]"), expected=()),
    "settlements": Case(
        lambda c: c.settlements(from_ms(1), from_ms(2), 3).has_more,
        "/open/settle/exercise/history/v1",
        a_page(end='"hasNext":true,"hasPrev":true'),
        {"startTime": "1", "endTime": "2", "page": "3", "pageSize": "50"},
        True,
    ),
    "pending": Case(
        lambda c: c.pending(2, "BTC").rows,
        f"{ORDERS}/pending/v1",
        a_page(end='"pageTotal":0,"total":0'),
        {"page": "2", "pageSize": "500", "currency": "BTC"},
        (),
    ),
    "order by the venue's id": Case(
        lambda c: c.order(OrderRef(order_id="1900000000000000123", client_id=5)).filled,
        f"{ORDERS}/singleQuery/v1",
        answer(an_order_row()),
        {"orderId": "1900000000000000123"},
        Decimal("0.5"),
    ),
    "order by ours": Case(
        lambda c: c.order(OrderRef(client_id=OUR_NUMBER)).order_id,
        f"{ORDERS}/singleQuery/v1",
        answer(an_order_row()),
        {"clientOrderId": str(OUR_NUMBER)},
        "1900000000000000123",
    ),
    "order history": Case(
        lambda c: c.order_history(from_ms(1), from_ms(2), 9).cursor,
        f"{ORDERS}/history/v1",
        a_page(an_order_row()),
        {"startTime": "1", "endTime": "2", "fromId": "9", "pageSize": "500"},
        1900000000000000123,
    ),
    "fills": Case(
        lambda c: c.fills(from_ms(1)).rows,
        "/open/option/trade/history/v1",
        a_page(),
        {"startTime": "1", "pageSize": "500"},
        (),
    ),
}


@responses.activate
@pytest.mark.parametrize("name", READS)
def test_a_read_asks_as_documented_and_reads_the_documented_answer(name: str) -> None:
    case = READS[name]
    responses.get(HOST + case.path, body=case.answer)

    found = case.step(a_desk().client)

    assert found == case.expected
    assert query_of(responses.calls[0].request) == (case.query or {})


SENT = {
    "create": Case(
        lambda c: c.create(an_order()),
        f"{ORDERS}/create/v1",
        answer("1900000000000000123"),
        expected=(
            "1900000000000000123",
            f'{{"symbol":"{SYMBOL}","qty":0.5,"tradeSide":1,"tradeType":1,"clientOrderId":{OUR_NUMBER},"price":1510,"timeInForce":"GTC","stp":2}}',
        ),
    ),
    "create answered by a string": Case(
        lambda c: c.create(an_order(purpose=Purpose.CLOSE, side=Side.SELL, order_type=OrderType.POST_ONLY, price="0.10")),
        f"{ORDERS}/create/v1",
        answer('"1900000000000000123"'),
        expected=(
            "1900000000000000123",
            f'{{"symbol":"{SYMBOL}","qty":0.5,"tradeSide":2,"tradeType":3,"clientOrderId":7004200000170120003,"price":0.1,"reduceOnly":1,"stp":2}}',
        ),
    ),
    "modify": Case(
        lambda c: c.modify(OrderRef(order_id="9"), Change(symbol=SYMBOL, price=Decimal("1500.5"))),
        f"{ORDERS}/modify/v1",
        answer("9"),
        expected=("9", f'{{"orderId":9,"symbol":"{SYMBOL}","price":1500.5}}'),
    ),
    "batch modify": Case(
        lambda c: c.modify_batch([(OrderRef(client_id=8), Change(symbol=SYMBOL, qty=Decimal("0.2")))])[0].code,
        f"{ORDERS}/batchModify/v1",
        answer('[{"code":10540,"msg":"Order has expired","i18nArgs":null,"data":null}]'),
        expected=(10540, f'{{"orders":[{{"clientOrderId":8,"symbol":"{SYMBOL}","qty":0.2}}]}}'),
    ),
    "cancel": Case(
        lambda c: c.cancel(OrderRef(order_id="9")), f"{ORDERS}/cancel/v1", answer('"success"'), expected=(None, '{"orderId":9}')
    ),
    "cancel by our id": Case(
        lambda c: c.cancel(OrderRef(client_id=OUR_NUMBER)),
        f"{ORDERS}/cancel/v1",
        answer('"success"'),
        expected=(None, f'{{"clientOrderId":{OUR_NUMBER}}}'),
    ),
    "batch cancel": Case(
        lambda c: c.cancel_batch([OrderRef(order_id="9"), OrderRef(order_id="10")]),
        f"{ORDERS}/batchCancel/v1",
        answer('[{"clOrdId":11,"ordId":9,"ts":1764000000500,"scode":0,"smsg":null},{"clOrdId":12,"ordId":null,"scode":"1","smsg":"gone"}]'),
        expected=(
            (BatchAnswer("9", 0, "", from_ms(1764000000500)), BatchAnswer(None, 1, "gone")),
            '{"orderIdList":[9,10]}',
        ),
    ),
    "batch cancel by our ids": Case(
        lambda c: c.cancel_batch([OrderRef(client_id=11)]),
        f"{ORDERS}/batchCancel/v1",
        answer("[]"),
        expected=((), '{"clientOrderIdList":[11]}'),
    ),
}


@responses.activate
@pytest.mark.parametrize("name", SENT)
def test_a_write_sends_the_documented_body_to_the_last_character(name: str) -> None:
    case = SENT[name]
    responses.post(HOST + case.path, body=case.answer)

    found = case.step(a_desk().client)

    sent = responses.calls[0].request.body
    assert isinstance(sent, bytes)
    assert (found, sent.decode()) == case.expected


@responses.activate
def test_a_batch_sends_its_orders_in_their_order_and_answers_one_by_one() -> None:
    rows = (
        '[{"code":0,"msg":"Success","i18nArgs":null,"data":1900000000000000124},{"code":10558,"msg":"less.than.min.amount","i18nArgs":null,'
        '"data":null}]'
    )
    responses.post(f"{HOST}{ORDERS}/batchCreate/v1", body=answer(rows))

    found = a_desk().client.create_batch([an_order(), an_order(purpose=Purpose.UNWIND)])

    sent = json.loads(responses.calls[0].request.body or "")["orders"]
    assert [order["clientOrderId"] for order in sent] == [OUR_NUMBER, 7004200000170130003]
    assert [order.get("reduceOnly") for order in sent] == [None, 1]
    assert found == (BatchAnswer("1900000000000000124", 0, "Success"), BatchAnswer(None, 10558, "less.than.min.amount"))


@responses.activate
@pytest.mark.parametrize(
    ("step", "path"),
    [
        (lambda c: c.cancel_all_of_index("BTCUSD"), f"{ORDERS}/cancelOpenOrders/v1/BTCUSD"),
        (lambda c: c.cancel_all_of_option(SYMBOL), f"{ORDERS}/batchCancelByOption/v1/{SYMBOL}"),
    ],
)
def test_cancelling_everything_is_a_signed_get(step: Step, path: str) -> None:
    responses.get(HOST + path, body=answer())

    step(a_desk().client)

    assert "sign" in responses.calls[0].request.headers


@pytest.mark.parametrize(("code", "kind"), [("11101", OrderAlreadyFinal), ("11102", OrderAlreadyFinal), ("10584", OrderNotFound)])
@responses.activate
def test_a_cancel_that_comes_too_late_says_so(code: str, kind: type[Exception]) -> None:
    responses.post(f"{HOST}{ORDERS}/cancel/v1", body=answer(code=code))

    with pytest.raises(kind):
        a_desk().client.cancel(OrderRef(order_id="9"))


@pytest.mark.parametrize("purpose", Purpose)
def test_l2_what_may_only_reduce_is_sent_reduce_only(purpose: Purpose) -> None:
    assert order_params(an_order(purpose=purpose)).get("reduceOnly") == (None if purpose is Purpose.OPEN else 1)


def test_a_market_order_names_neither_price_nor_time_in_force() -> None:
    params = order_params(an_order(order_type=OrderType.MARKET))

    assert not {"price", "timeInForce"} & params.keys()


def test_a_price_of_zero_is_sent_as_zero() -> None:
    assert order_params(an_order(price="0"))["price"] == 0


@pytest.mark.parametrize(
    "step",
    [
        lambda c: c.order(OrderRef()),
        lambda c: c.expiration_prices(),
        lambda c: c.modify(OrderRef(order_id="1"), Change(symbol=SYMBOL)),
        lambda c: c.cancel_batch([]),
        lambda c: c.cancel_batch([OrderRef(order_id="1"), OrderRef(client_id=2)]),
        lambda c: c.create_batch([an_order()] * (BATCH_SIZE + 1)),
    ],
)
@responses.activate
def test_a_question_that_asks_nothing_is_not_sent(step: Step) -> None:
    with pytest.raises(ValueError, match=r"."):
        step(a_desk().client)

    assert len(responses.calls) == 0


@responses.activate
def test_a_symbol_cannot_lead_to_another_path() -> None:
    responses.get(f"{HOST}{ORDERS}/orderbook/v1/..%2F..%2Fx%3Fa", body=answer('{"bids":[],"asks":[]}'))

    a_desk().client.book("../../x?a")

    assert len(responses.calls) == 1


@responses.activate
def test_ct08_the_client_slows_itself_down() -> None:
    responses.get(f"{HOST}/open/account/summary/v1", body=answer(SUMMARY))
    desk = a_desk()

    for _ in range(4):
        desk.client.summary()

    assert desk.pauses == [pytest.approx(1.05)]  # two may go in a second


@responses.activate
def test_l10_a_close_goes_out_where_an_entry_would_wait() -> None:
    responses.post(f"{HOST}{ORDERS}/create/v1", body=answer("1"))
    desk = a_desk()
    for _ in range(48):
        desk.client.create(an_order())

    desk.client.create(an_order(purpose=Purpose.CLOSE))
    assert desk.pauses == []

    desk.client.create(an_order())
    assert desk.pauses == [pytest.approx(1.05)]
