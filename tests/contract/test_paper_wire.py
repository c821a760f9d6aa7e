"""What the paper exchange answers on the wire: shapes, exact numbers, signatures, refusals, limits, faults, restarts.

Source: Coincall API 1 to 5, 6.2, 13.1 and 16.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests

from auth import prehash, signature

from tests.contract.paper_server import KEY, SECRET, Venue, a_refused_start, a_venue, an_order, far_below

CREATE = "/open/option/order/create/v1"
SINGLE = "/open/option/order/singleQuery/v1"
DESK = ("--account=desk:desk-key:desk-secret:5000", "--account=desk/hedge:hedge-key:hedge-secret:100")
DEMO = f"--account=demo:{KEY}:{SECRET}"


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    arguments = (DEMO, "--read-only-account=demo:reader-key:reader-secret", *DESK, "--market-maker=desk")
    with a_venue(tmp_path_factory.mktemp("venue"), "--no-rate-limits", "--control", *arguments) as running:
        yield running


def a_fault(venue: Venue, **fields: Any) -> None:
    assert requests.post(f"{venue.url}/paper/faults", json=fields, timeout=5).status_code == 200


def orders_in_ledger(venue: Venue) -> list[Mapping[str, Any]]:
    return list(requests.get(f"{venue.url}/paper/ledger", timeout=5).json()["orders"])


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


# ---- what goes wrong


def test_l5_a_lost_answer_was_acted_on_all_the_same(venue: Venue) -> None:
    a_fault(venue, kind="lose_answer", account="demo", path="/open/option/order/create/*")
    option = venue.an_option()

    with pytest.raises(requests.ConnectionError):
        venue.post(CREATE, **an_order(option["symbol"], far_below(option["bid"]), clientOrderId=555))

    assert venue.get(SINGLE, clientOrderId=555)["data"]["state"] == 0


def test_a_lost_request_was_never_acted_on(venue: Venue) -> None:
    a_fault(venue, kind="lose_request", account="demo", path="/open/option/order/create/*")
    option = venue.an_option()

    with pytest.raises(requests.ConnectionError):
        venue.post(CREATE, **an_order(option["symbol"], far_below(option["bid"]), clientOrderId=556))

    assert venue.get(SINGLE, clientOrderId=556)["code"] == 10584


@pytest.mark.parametrize(
    ("fault", "status", "start"),
    [
        ({"kind": "html"}, 502, "<html>"),
        ({"kind": "http_500"}, 500, '{"code":500'),
        ({"kind": "busy"}, 200, '{"code":10000'),
        ({"kind": "refuse", "code": 10529}, 200, '{"code":10529'),
        ({"kind": "empty"}, 200, ""),
    ],
)
@pytest.mark.parametrize("processed", [True, False])
def test_a_wrong_answer_may_hide_an_order(venue: Venue, fault: dict[str, Any], status: int, start: str, processed: bool) -> None:
    a_fault(venue, account="demo", path="*/create/*", processed=processed, **fault)
    option, before = venue.an_option(), len(orders_in_ledger(venue))

    answer = venue.send("POST", CREATE, an_order(option["symbol"], far_below(option["bid"])))

    assert (answer.status_code, answer.text[: len(start) or None]) == (status, start)
    assert len(orders_in_ledger(venue)) - before == processed
    venue.get("/open/option/order/cancelOpenOrders/v1/BTCUSD")


def test_l6_a_slow_cancel_passes_through_states_that_are_not_final(venue: Venue) -> None:
    a_fault(venue, kind="engine", account="demo", cancel_takes_seconds=1)
    order_id = venue.a_resting_order()

    venue.post("/open/option/order/cancel/v1", orderId=order_id)
    at_once = venue.get(SINGLE, orderId=order_id)["data"]["state"]
    time.sleep(1.3)

    assert at_once == 4
    assert venue.get(SINGLE, orderId=order_id)["data"]["state"] == 3
    requests.delete(f"{venue.url}/paper/faults", timeout=5)


def test_l38_a_frozen_index_keeps_its_source_time(venue: Venue) -> None:
    a_fault(venue, kind="frozen_index", underlying="BTC")
    first = venue.get("/open/futures/market/symbol/v1", symbol="BTCUSD")["data"]
    time.sleep(1.2)
    second = venue.get("/open/futures/market/symbol/v1", symbol="BTCUSD")["data"]
    a_fault(venue, kind="frozen_index", underlying="BTC", frozen=False)

    assert (first["indexPrice"], first["ts"]) == (second["indexPrice"], second["ts"])
    assert venue.get("/open/futures/market/symbol/v1", symbol="BTCUSD")["data"]["ts"] > first["ts"]


def test_what_is_no_fault_is_told(venue: Venue) -> None:
    assert requests.post(f"{venue.url}/paper/faults", json={"kind": "earthquake"}, timeout=5).status_code == 422


# ---- the process


def test_rates_are_limited_unless_asked_otherwise(tmp_path: Path) -> None:
    with a_venue(tmp_path) as venue:
        codes = [venue.get("/open/account/summary/v1")["code"] for _ in range(4)]
        assert requests.get(f"{venue.url}/paper/ledger", timeout=5).status_code == 404

    assert codes == [0, 0, 10605, 10605]


def test_a_strict_gate_takes_documented_signatures_only(tmp_path: Path) -> None:
    with a_venue(tmp_path, "--strict-signatures") as venue:
        ts, fields = venue.time_ms(), "mmp=False&symbol=x"
        sign = signature(f"POST{CREATE}?{fields}&uuid={KEY}&ts={ts}&x-req-ts-diff=5000", SECRET)
        headers = {"X-CC-APIKEY": KEY, "sign": sign, "ts": str(ts)}
        answer = requests.post(venue.url + CREATE, json={"symbol": "x", "mmp": False}, headers=headers, timeout=5)

    assert answer.json()["code"] == 10562


def test_l29_nothing_acknowledged_is_lost_by_a_kill(tmp_path: Path) -> None:
    state = f"--state-dir={tmp_path / 'state'}"
    with a_venue(tmp_path, state, "--no-rate-limits", "--speed=60") as venue:
        option = venue.an_option()
        filled = venue.post(CREATE, **an_order(option["symbol"], str(option["ask"] + 50)))["data"]
        resting, before = venue.a_resting_order(clientOrderId=7), venue.time_ms()
        os.kill(venue.process.pid, signal.SIGKILL)
        venue.process.wait(5)

    with a_venue(tmp_path, state, "--no-rate-limits", "--speed=60") as venue:
        assert venue.time_ms() >= before
        assert venue.get(SINGLE, orderId=filled)["data"]["state"] == 1
        assert venue.get(SINGLE, clientOrderId=7)["data"]["orderId"] == resting
        assert [row["qty"] for row in venue.get("/open/option/position/get/v1")["data"]] == [0.1]
        assert filled in [row["orderId"] for row in venue.get("/open/option/trade/history/v1")["data"]["list"]]
        assert len(venue.get("/open/account/historyList/v1")["data"]["list"]) == 1
        assert venue.a_resting_order() > resting


def test_a_state_belongs_to_one_market_and_one_process(tmp_path: Path) -> None:
    state = f"--state-dir={tmp_path / 'state'}"
    with a_venue(tmp_path, state):
        assert a_refused_start(state)[0] == 2
    code, told = a_refused_start(state, "--seed=7")

    assert code == 2
    assert "belongs to the market" in told


def test_a_signal_ends_it_soon_and_without_an_error(tmp_path: Path) -> None:
    with a_venue(tmp_path) as venue:
        began = time.monotonic()
        venue.process.send_signal(signal.SIGTERM)

        assert venue.process.wait(5) == 0
        assert time.monotonic() - began < 2


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    command = ["-m", "paper", "--parent-pipe", f"--ready-file={tmp_path / 'ready.json'}"]
    child = subprocess.Popen([sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    told = child.stdout.readline().decode()

    child.stdin.close()

    assert told.startswith("paper exchange listening on http://127.0.0.1:")
    assert child.wait(5) == 0
    child.stdout.close()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--account", "demo"], "is not written NAME:KEY:SECRET"),
        (["--account", "demo:k:s:much"], "is not a number"),
        (["--account", "a:k:s", "--account", "b:k:s"], "given to another account"),
        (["--host", "0.0.0.0"], "--allow-remote"),
        (["--market", "/nowhere/at/all"], "/nowhere/at/all"),
        (["--speed", "0"], "above zero"),
        (["--market-start", "2026-01-01T00:00:00"], "no offset"),
        (["--port", "99999"], "not a port"),
        (["--colour"], "--colour"),
        (["--state-dir", "/proc/paper"], "cannot be used"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_sentence(arguments: list[str], told: str) -> None:
    code, complaint = a_refused_start(*arguments)

    assert code == 2
    assert told in complaint
    assert len(complaint.strip().splitlines()) == 1


def test_a_taken_port_is_told(venue: Venue) -> None:
    code, complaint = a_refused_start("--port", venue.url.rpartition(":")[2])

    assert code == 2
    assert "is taken" in complaint


def test_each_answer_waits_as_long_as_asked(tmp_path: Path) -> None:
    with a_venue(tmp_path, "--latency-ms", "150") as slow:
        begun = time.monotonic()
        answer = requests.get(f"{slow.url}/time", timeout=5)

    assert answer.json()["code"] == 0
    assert time.monotonic() - begun >= 0.15
