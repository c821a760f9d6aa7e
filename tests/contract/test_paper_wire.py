"""What the paper exchange answers on the wire: shapes, exact numbers, signatures, refusals, limits.

Source: Coincall API 1 to 5, 6.2, 13.1 and 16.
"""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests

from auth import prehash, signature

from tests.contract.paper_server import CREATE, DEMO, DESK, KEY, SECRET, SINGLE, Venue, a_venue, an_order, far_below


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    arguments = (DEMO, "--read-only-account=demo:reader-key:reader-secret", *DESK, "--market-maker=desk")
    with a_venue(tmp_path_factory.mktemp("venue"), "--no-rate-limits", "--control", *arguments) as running:
        yield running


# ---- market


@pytest.mark.parametrize(
    "path",
    [
        "/time",
        "/open/public/config/v1",
        "/open/public/fundingRate/v1",
        "/open/option/getInstruments/BTC",
        "/open/option/get/v1/BTCUSD",
        "/open/option/detail/v1/{symbol}",
        "/open/option/order/orderbook/v1/{symbol}",
        "/open/option/trade/lasttrade/v1/{symbol}",
        "/open/option/market/kline/history/v1/{symbol}?period=D1&start=0&end=9999999999999&limit=1",
        "/open/option/get-delivery-prices/v1?symbol=BTCUSD",
        "/open/option/getEstimatedExpirationPrice/v1?index=BTCUSD",
        "/open/futures/market/symbol/v1",
    ],
)
def test_market_data_needs_no_signature(venue: Venue, path: str) -> None:
    answer = requests.get(venue.url + path.format(symbol=venue.an_option()["symbol"]), timeout=5)

    assert answer.status_code == 200
    assert {"code", "msg", "i18nArgs", "data"} <= set(answer.json())
    assert answer.json()["code"] == 0


def test_a_wrong_signature_does_not_spoil_market_data(venue: Venue) -> None:
    answer = requests.get(
        f"{venue.url}/open/option/getInstruments/BTC", headers={"X-CC-APIKEY": KEY, "sign": "nonsense", "ts": "1"}, timeout=5
    )

    assert answer.json()["data"]


def test_an_instrument_has_the_documented_fields(venue: Venue) -> None:
    row = venue.get("/open/option/getInstruments/BTC")["data"][0]

    assert {"baseCurrency", "expirationTimestamp", "strike", "symbolName", "isActive", "minQty", "tickSize"} <= set(row)
    assert row["expirationTimestamp"] % 86_400_000 == 8 * 3_600_000


def test_a_book_tells_prices_and_sizes_as_texts_best_first(venue: Venue) -> None:
    book = venue.get(f"/open/option/order/orderbook/v1/{venue.an_option()['symbol']}")["data"]

    assert {"optionName", "displayName", "strike", "bids", "asks"} <= set(book)
    assert all(isinstance(level["price"], str) and isinstance(level["size"], str) for level in book["bids"] + book["asks"])
    assert [Decimal(level["price"]) for level in book["asks"]] == sorted(Decimal(level["price"]) for level in book["asks"])


def test_the_index_is_an_object_for_one_symbol_and_a_list_without(venue: Venue) -> None:
    one = venue.get("/open/futures/market/symbol/v1", symbol="BTCUSD")["data"]
    every = venue.get("/open/futures/market/symbol/v1")["data"]

    assert one["indexPrice"] > 0
    assert abs(one["ts"] - venue.time_ms()) < 5000
    assert [row["symbol"] for row in every] == ["BTCUSD", "ETHUSD"]


def test_delivery_prices_have_their_count_beside_the_data(venue: Venue) -> None:
    answer = venue.get("/open/option/get-delivery-prices/v1", symbol="BTCUSD")

    assert answer["records_total"] == len(answer["data"])


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/open/option/detail/v1/BTCUSD-1JAN20-1-C", 10574),
        ("/open/option/get/v1/XYZUSD", 10579),
        ("/open/option/get-delivery-prices/v1", 10570),
        ("/open/option/market/kline/history/v1/x?period=D1&start=soon&end=1", 10573),
    ],
)
def test_what_is_not_there_is_refused_with_a_code(venue: Venue, path: str, code: int) -> None:
    assert requests.get(venue.url + path, timeout=5).json()["code"] == code


def test_an_unknown_path_is_not_found(venue: Venue) -> None:
    assert requests.get(f"{venue.url}/open/option/order/123/v1", timeout=5).status_code == 404


def test_a_wrong_method_is_refused(venue: Venue) -> None:
    assert requests.get(venue.url + CREATE, timeout=5).json()["code"] == 10009


# ---- who asks


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"X-CC-APIKEY": "nobody"}, 10560),
        ({"ts": "yesterday"}, 10561),
        ({"ts": "1700000000000"}, 10557),
        ({"sign": "0" * 64}, 10562),
    ],
)
def test_a_request_that_proves_nothing_is_refused_with_http_200(venue: Venue, changed: dict[str, str], code: int) -> None:
    answer = venue.send("GET", "/open/user/info/v1", {}, **changed)

    assert (answer.status_code, answer.json()["code"]) == (200, code)


@pytest.mark.parametrize(("ahead", "diff", "code"), [(900, 5000, 0), (1500, 5000, 10557), (-4000, 5000, 0), (-4000, 3000, 10557)])
def test_a_moment_counts_within_its_window(venue: Venue, ahead: int, diff: int, code: int) -> None:
    ts = venue.time_ms() + ahead
    sign = signature(prehash("GET", "/open/user/info/v1", {}, KEY, ts, diff), SECRET)
    headers = {"X-CC-APIKEY": KEY, "sign": sign.lower(), "ts": str(ts), "X-REQ-TS-DIFF": str(diff)}

    assert requests.get(f"{venue.url}/open/user/info/v1", headers=headers, timeout=5).json()["code"] == code


def test_a_read_only_key_reads_and_does_not_trade(venue: Venue) -> None:
    reader = venue.as_user("reader-key", "reader-secret")

    assert reader.get("/open/auth/user/query-api")["data"]["readOnly"] == 1
    assert reader.post(CREATE, **an_order(venue.an_option()["symbol"], "100"))["code"] == 10554


def test_form_and_query_carry_the_same_fields_as_json(venue: Venue) -> None:
    order_id = str(venue.a_resting_order())
    fields, path = {"orderId": order_id}, "/open/option/order/cancel/v1"
    headers = {"X-CC-APIKEY": KEY, "ts": str(venue.time_ms())}
    headers["sign"] = signature(prehash("POST", path, fields, KEY, headers["ts"]), SECRET)

    assert requests.post(venue.url + path, data=fields, headers=headers, timeout=5).json()["data"] == "success"
    assert requests.post(venue.url + path, params=fields, headers=headers, timeout=5).json()["code"] == 11101


def test_a_number_is_signed_as_it_was_written(venue: Venue) -> None:
    option, ts = venue.an_option(), venue.time_ms()
    symbol, price = option["symbol"], f"{option['bid'] - 50}0"
    body = f'{{"symbol": "{symbol}", "qty": 0.10, "tradeSide": 1, "tradeType": 1, "price": {price}, "reduceOnly": null}}'
    fields = f"price={price}&qty=0.10&symbol={symbol}&tradeSide=1&tradeType=1"
    sign = signature(f"POST{CREATE}?{fields}&uuid={KEY}&ts={ts}&x-req-ts-diff=5000", SECRET)
    headers = {"X-CC-APIKEY": KEY, "sign": sign, "ts": str(ts), "Content-Type": "application/json"}

    assert requests.post(venue.url + CREATE, data=body, headers=headers, timeout=5).json()["code"] == 0


def test_a_body_that_is_no_json_is_refused(venue: Venue) -> None:
    answer = requests.post(venue.url + CREATE, data="{", headers={"Content-Type": "application/json"}, timeout=5)

    assert answer.json()["code"] == 10004


# ---- orders


def test_an_order_lives_from_creation_to_cancellation(venue: Venue) -> None:
    order_id = venue.a_resting_order(clientOrderId=81)

    assert venue.get(SINGLE, clientOrderId=81)["data"]["orderId"] == order_id
    assert order_id in [row["id"] for row in venue.get("/open/option/order/pending/v1", currency="BTC")["data"]["list"]]
    assert venue.post("/open/option/order/cancel/v1", clientOrderId=81)["data"] == "success"
    assert venue.get(SINGLE, orderId=order_id)["data"]["state"] == 3
    assert venue.post("/open/option/order/cancel/v1", clientOrderId=81)["code"] == 11101


def test_a_fill_is_told_the_same_everywhere_and_exactly(venue: Venue) -> None:
    option = venue.an_option()
    order_id = venue.post(CREATE, **an_order(option["symbol"], str(option["ask"] + 50)))["data"]

    order = venue.exact(SINGLE, orderId=order_id)
    fills = [row for row in venue.exact("/open/option/trade/history/v1")["list"] if row["orderId"] == order_id]
    held = [row for row in venue.exact("/open/option/position/get/v1") if row["symbol"] == option["symbol"]]

    assert order["state"] == 1
    assert sum(row["qty"] for row in fills) == order["fillQty"] == Decimal("0.1")
    assert sum(row["fee"] for row in fills) == order["fee"]
    assert sum(row["qty"] * row["price"] for row in fills) / order["fillQty"] == order["avgPrice"]
    assert (held[0]["tradeSide"], held[0]["initMargin"]) == (1, 0)


def test_no_number_is_written_with_an_exponent(venue: Venue) -> None:
    venue.a_resting_order()

    written: list[str] = []

    def keep(number: str) -> float:
        written.append(number)
        return 0.0

    for path in ("/open/option/order/pending/v1", "/open/account/summary/v1"):
        json.loads(venue.send("GET", path, {}).text, parse_float=keep)

    assert written
    assert [number for number in written if "E" in number.upper()] == []


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"qty": "0.001"}, 10558),
        ({"qty": "1000000"}, 10534),
        ({"qty": "1e999999"}, 10573),
        ({"symbol": "BTCUSD-1JAN20-1-C"}, 10574),
        ({"tradeSide": 3}, 10573),
        ({"tradeType": 4}, 10573),
        ({"price": ""}, 10530),
        ({"price": "9999999"}, 10531),
        ({"timeInForce": "DAY"}, 12012),
        ({"mmp": True}, 60008),
        ({"reduceOnly": 1, "tradeSide": 2}, 10536),
        ({"clientOrderId": "x"}, 10573),
        ({"qty": ""}, 10570),
    ],
)
def test_an_order_that_cannot_be_is_refused_with_its_code(venue: Venue, changed: dict[str, Any], code: int) -> None:
    rows = [row["callOption"] for row in venue.exact("/open/option/get/v1/ETHUSD")]
    option = next(row for row in rows if row["bid"] > 50)

    answer = venue.post(CREATE, **{**an_order(option["symbol"], str(option["bid"])), **changed})

    assert (answer["code"], answer["data"]) == (code, None)


def test_l5_a_client_order_id_is_taken_once(venue: Venue) -> None:
    venue.a_resting_order(clientOrderId=4242)
    option = venue.an_option()

    assert venue.post(CREATE, **an_order(option["symbol"], far_below(option["bid"]), clientOrderId=4242))["code"] == 10577


def test_an_order_number_as_text_is_refused_on_cancel_and_taken_on_amend(venue: Venue) -> None:
    order_id = str(venue.a_resting_order())
    symbol = venue.get(SINGLE, orderId=order_id)["data"]["symbol"]

    assert venue.post("/open/option/order/cancel/v1", orderId=order_id)["code"] == 10004
    assert venue.post("/open/option/order/modify/v1", orderId=order_id, symbol=symbol, qty="0.3")["data"] == int(order_id)


def test_mass_cancels_take_what_they_name(venue: Venue) -> None:
    venue.get("/open/option/order/cancelOpenOrders/v1/BTCUSD")
    first, second, third = (venue.a_resting_order() for _ in range(3))
    symbol = venue.get(SINGLE, orderId=second)["data"]["symbol"]

    by_id = venue.post("/open/option/order/batchCancel/v1", orderIdList=[first, 5])["data"]
    by_option = venue.get(f"/open/option/order/batchCancelByOption/v1/{symbol}")

    assert [(row["ordId"], row["scode"]) for row in by_id] == [(first, 0), (5, 1)]
    assert (by_option["code"], by_option["data"]) == (0, None)
    assert venue.get(SINGLE, orderId=second)["data"]["state"] == 3
    assert venue.get("/open/option/order/cancelOpenOrders/v1/BTCUSD")["data"] is None
    assert venue.get(SINGLE, orderId=third)["data"]["state"] == 3


def test_batches_are_for_market_makers(venue: Venue) -> None:
    option = venue.an_option()
    orders = [an_order(option["symbol"], far_below(option["bid"]), timeInForce="GTC"), an_order(option["symbol"], "100", qty="0.001")]

    refused = venue.send("POST", "/open/option/order/batchCreate/v1", {"orders": orders})
    answers = venue.as_user("desk-key", "desk-secret").post("/open/option/order/batchCreate/v1", orders=orders)["data"]

    assert refused.status_code == 404
    assert [answer["code"] for answer in answers] == [0, 10558]


def test_history_is_paged_by_number(venue: Venue) -> None:
    numbers = [venue.a_resting_order() for _ in range(3)]

    first = venue.get("/open/option/order/history/v1", pageSize=2)["data"]
    second = venue.get("/open/option/order/history/v1", pageSize=2, fromId=first["list"][-1]["orderId"])["data"]

    assert [row["orderId"] for row in first["list"] + second["list"]][:3] == numbers[::-1]
    assert (first["hasNext"], first["hasPre"], second["hasPre"]) == (True, False, True)


# ---- accounts


def test_an_account_has_its_first_deposit_and_no_other(venue: Venue) -> None:
    rows = venue.as_user("desk-key", "desk-secret").get("/open/account/historyList/v1")["data"]["list"]

    assert [(row["side"], row["amount"], row["status"], row["txId"]) for row in rows] == [("deposit", 5000, "Completed", None)]


def test_the_summary_adds_up(venue: Venue) -> None:
    told = venue.as_user("desk-key", "desk-secret").exact("/open/account/summary/v1")

    assert isinstance(told["equity"], str)
    assert told["accounts"][0]["coin"] == "USDT"
    assert Decimal(told["equity"]) == told["totalDollarValue"]
    assert {"imAmount", "mmAmount", "imRatio", "mmRatio", "availableMargin", "marginBalance", "unrealizedPnL"} <= set(told)


def test_money_moves_between_the_accounts_of_an_owner_only(venue: Venue) -> None:
    desk = venue.as_user("desk-key", "desk-secret")
    family = {row["name"]: row["userId"] for row in desk.get("/open/user/subAccount/list/v1")["data"]["subAccounts"]}
    path, stranger = "/open/user/subAccount/fund/transfer/v1", venue.get("/open/user/info/v1")["data"]["userId"]
    sent = {"fromUserId": family["desk"], "toUserId": family["desk/hedge"], "amount": "20", "currency": "USDT"}

    assert set(family) == {"desk", "desk/hedge"}
    assert desk.post(path, **sent)["code"] == 0
    assert desk.post(path, **{**sent, "toUserId": stranger})["code"] == 40014
    assert desk.post(path, **{**sent, "amount": "10000000"})["code"] == 40009
    records = desk.get("/open/user/subAccount/transfer/records/v1")["data"]["list"]
    assert [(row["amount"], row["sourceUserType"], row["toUserType"]) for row in records] == [(20, 1, 2)]


def test_nothing_is_invented_about_money_that_never_came(venue: Venue) -> None:
    assert venue.get("/open/account/sysTransferRecords/v1")["data"]["list"] == []
    assert venue.get("/open/account/getDepositAddressList/v1")["data"] == []
    assert venue.get("/open/account/getDepositAddress/v1", coin="USDT", chainType="TRON")["code"] == 20000
