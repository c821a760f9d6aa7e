"""Requests for quotes over HTTP, signed, as taker and as maker: shapes, encodings, refusals, faults, restarts.

Source: Coincall API 8, 12.4, 13.1, 15 and 16.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests

from auth import sign_request

from tests.contract.paper_server import ACCOUNTS, AT, Venue, a_venue

REQUEST, CANCEL, ACCEPT = f"{AT}/request/create/v1", f"{AT}/request/cancel/v1", f"{AT}/request/accept/v1"
RECEIVED, LIST = f"{AT}/request/getQuotesReceived/v1", f"{AT}/rfqList/v1"
QUOTE, QUOTE_CANCEL, QUOTE_CANCEL_ALL = f"{AT}/quote/create/v1", f"{AT}/quote/cancel/v1", f"{AT}/quote/cancel-all/v1"
MINE = f"{AT}/list-quote/v1"
LEGS, PRIVATE, PUBLIC = f"{AT}/orderList/v1", f"{AT}/trade-detail/private/v1", f"{AT}/trade-detail/public/v1"
MAKERS = ("--market-maker=mm", "--market-maker=mm2")
FAST = "--speed=20"


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    """A board with accounts for makers and no simulated ones."""
    with a_venue(tmp_path_factory.mktemp("venue"), "--no-rate-limits", "--control", "--no-makers", *ACCOUNTS, *MAKERS) as running:
        yield running


@pytest.fixture(scope="module")
def staffed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    """A board with simulated makers, twenty times as fast as the wall."""
    with a_venue(tmp_path_factory.mktemp("staffed"), "--no-rate-limits", "--control", FAST, *ACCOUNTS, *MAKERS) as running:
        yield running


@pytest.fixture
def maker(venue: Venue) -> Venue:
    return venue.as_user("mm-key", "mm-secret")


def strangle(venue: Venue, qty: str = "0.5") -> list[dict[str, Any]]:
    call = venue.an_option()["symbol"]
    return [{"instrumentName": symbol, "side": "BUY", "qty": qty} for symbol in (call, call[:-1] + "P")]


def a_request(venue: Venue, **changed: Any) -> dict[str, Any]:
    answer = venue.post(REQUEST, legs=changed.get("legs") or strangle(venue))
    assert answer["code"] == 0, answer
    return dict(answer["data"])


def a_quote(maker: Venue, request: dict[str, Any], price: str = "1500", **more: Any) -> dict[str, Any]:
    legs = [{"instrumentName": leg["instrumentName"], "price": price} for leg in request["legs"]]
    answer = maker.post(QUOTE, requestId=request["requestId"], legs=legs, **more)
    assert answer["code"] == 0, answer
    return dict(answer["data"])


def as_form(venue: Venue, path: str, **fields: Any) -> Any:
    headers = sign_request("POST", path, fields, venue.key, venue.secret, venue.time_ms())
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    return requests.post(venue.url + path, headers=headers, data=fields, timeout=10).json()


def ledger(venue: Venue) -> dict[str, Any]:
    return dict(requests.get(f"{venue.url}/paper/ledger", timeout=10).json())


def a_fault(venue: Venue, **fields: Any) -> None:
    told = requests.post(f"{venue.url}/paper/faults", json={"account": "demo", **fields}, timeout=5)
    assert told.status_code == 200, told.text


def until(true: Callable[[], Any], seconds: float = 10) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def quotes(venue: Venue, request: dict[str, Any], state: str = "OPEN") -> list[dict[str, Any]]:
    return [row for row in venue.get(RECEIVED, requestId=request["requestId"])["data"] if row["state"] == state]


# ---- shapes


def test_a_request_answers_with_the_documented_fields(venue: Venue) -> None:
    data = a_request(venue)

    assert set(data) == {"requestId", "createTime", "expiryTime", "legs", "state"}
    assert isinstance(data["requestId"], str) and data["state"] == "ACTIVE"
    assert data["expiryTime"] - data["createTime"] == 3_600_000
    assert set(data["legs"][0]) == {"instrumentName", "qty", "side"} and data["legs"][0]["qty"] == "0.5"


def test_a_quote_answers_with_whole_ids_and_reaches_the_taker_as_texts(venue: Venue, maker: Venue) -> None:
    request = a_request(venue)

    data = a_quote(maker, request, "1500.19")
    (seen,) = quotes(venue, request)

    assert isinstance(data["quoteId"], int) and data["requestId"] == int(request["requestId"])
    assert "state" not in data and data["quoteSide"] == "SELL" and data["strategyName"] == "Straddle"
    assert (data["strategyPrice"], data["strategyQuantity"]) == ("3000.38000000", "0.50000000")
    assert data["legs"][0]["ratio"] == "1.000000000000000000" and data["legs"][0]["price"] == "1500.1"
    assert data["expiryTime"] - data["createTime"] == 300_000
    assert seen["quoteId"] == str(data["quoteId"]) and seen["requestId"] == request["requestId"]
    assert [(leg["side"], leg["price"], leg["quantity"]) for leg in seen["legs"]] == [("SELL", "1500.1", "0.5")] * 2


def test_an_accepted_quote_shows_in_every_list_of_both_sides(venue: Venue, maker: Venue) -> None:
    request = a_request(venue)
    quote = a_quote(maker, request)

    data = venue.post(ACCEPT, requestId=request["requestId"], quoteId=quote["quoteId"])["data"]

    assert (data["userId"], data["blockTradeId"], data["role"]) == (None, str(quote["quoteId"]), "TAKER")
    leg = data["legs"][0]
    assert (leg["side"], leg["price"], leg["quantity"], leg["quoteToken"], leg["profit"]) == ("BUY", "1500", "0.5", "USDT", "0")
    assert all(isinstance(leg[name], str) for name in set(leg) - {"createTime"})
    fee = min(Decimal(leg["indexPrice"]) * Decimal("0.5") * Decimal("0.0003"), Decimal("93.75"))
    assert Decimal(leg["fee"]) == fee.quantize(Decimal("1e-8"))

    taker, theirs = venue.get(PRIVATE)["data"]["list"][0], maker.get(PRIVATE)["data"]["list"][0]
    assert (taker["tradeSide"], taker["role"], theirs["tradeSide"], theirs["role"]) == ("BUY", "TAKER", "SELL", "MAKER")
    assert taker["blockTradeId"] == theirs["blockTradeId"] == data["blockTradeId"]
    assert taker["legs"][0]["reduceOnly"] is None and taker["strategyPrice"] == "3000.00000000"
    flat = maker.get(LEGS, blocktradeId=data["blockTradeId"])["data"]["list"]
    assert {(row["symbol"], row["side"], row["qty"], row["role"]) for row in flat} == {
        (leg["instrumentName"], "SELL", "0.5", "MAKER") for leg in data["legs"]
    }
    public = venue.get(PUBLIC)["data"]["list"][0]
    assert not {"userId", "blockTradeId", "quoteId", "role"} & set(public)
    assert not {"fee", "orderId", "profit", "reduceOnly"} & set(public["legs"][0])


def test_block_legs_stand_in_history_fills_and_positions(venue: Venue, maker: Venue) -> None:
    request = a_request(venue)
    data = venue.post(ACCEPT, requestId=request["requestId"], quoteId=a_quote(maker, request)["quoteId"])["data"]

    orders = {str(row["orderId"]): row for row in venue.get("/open/option/order/history/v1")["data"]["list"]}
    fills = {str(row["tradeId"]): row for row in venue.get("/open/option/trade/history/v1")["data"]["list"]}
    held = {row["symbol"]: row for row in venue.get("/open/option/position/get/v1")["data"]}

    for leg in data["legs"]:
        order, fill = orders[leg["orderId"]], fills[leg["tradeId"]]
        assert (order["tradeType"], order["state"], order["fillQty"]) == (14, 1, 0.5)
        assert (fill["tradeType"], fill["tradeSide"], fill["isTaker"]) == (14, 1, 1)
        assert held[leg["instrumentName"]]["tradeSide"] == 1
    sold = {row["symbol"]: row for row in maker.get("/open/option/position/get/v1")["data"]}
    assert {sold[leg["instrumentName"]]["tradeSide"] for leg in data["legs"]} == {2}


def test_everybody_sees_a_request_as_it_is_for_them(venue: Venue, maker: Venue) -> None:
    request = a_request(venue)
    other = venue.as_user("mm2-key", "mm2-secret")
    quote, lost = a_quote(maker, request), a_quote(other, request, "1600")

    def seen(by: Venue) -> tuple[str, str]:
        (row,) = by.get(LIST, requestId=request["requestId"])["data"]["rfqList"]
        return row["state"], row["role"]

    assert [seen(venue), seen(maker)] == [("ACTIVE", "TAKER"), ("ACTIVE", "MAKER")]
    venue.post(ACCEPT, requestId=request["requestId"], quoteId=quote["quoteId"])
    assert [seen(venue), seen(maker), seen(other)] == [("FILLED", "TAKER"), ("FILLED", "MAKER"), ("TRADED_AWAY", "MAKER")]
    (mine,) = other.get(MINE, quoteId=lost["quoteId"])["data"]
    assert mine["state"] == "CANCELLED"
    assert venue.get(LIST, requestId=request["requestId"], state="OPEN")["data"]["rfqList"] == []
    assert maker.get(LIST, role="TAKER")["data"]["rfqList"] == []
    assert other.get(MINE, state="OPEN")["data"] == []


def test_pages_follow_the_cursor(venue: Venue, maker: Venue) -> None:
    for _ in range(3):
        request = a_request(venue)
        venue.post(ACCEPT, requestId=request["requestId"], quoteId=a_quote(maker, request)["quoteId"])

    first = venue.get(PRIVATE, pageSize=2)["data"]
    older = venue.get(PRIVATE, pageSize=2, fromId=first["list"][-1]["blockTradeId"])["data"]
    newer = venue.get(PRIVATE, pageSize=1, fromId=first["list"][-1]["blockTradeId"], direction="PREV")["data"]
    whole = venue.get(LEGS, pageSize=3)["data"]

    ids = [int(row["blockTradeId"]) for row in first["list"] + older["list"]]
    assert ids == sorted(ids, reverse=True) and len(set(ids)) == len(ids)
    assert (first["hasNext"], first["hasPrev"], older["hasPrev"]) == (True, False, True)
    assert newer["list"][0]["blockTradeId"] == first["list"][0]["blockTradeId"]
    assert len(whole["list"]) == 2


# ---- encodings and refusals


def test_forms_are_as_good_as_json(venue: Venue, maker: Venue) -> None:
    request = a_request(venue)
    quote = a_quote(maker, request)

    assert as_form(maker, QUOTE_CANCEL, quoteId=quote["quoteId"])["data"] == {"quoteId": str(quote["quoteId"])}
    assert as_form(maker, QUOTE_CANCEL_ALL) == {"code": 0, "msg": "Success", "i18nArgs": None, "data": None}
    again = a_quote(maker, request)
    assert as_form(venue, ACCEPT, requestId=request["requestId"], quoteId=again["quoteId"])["data"]["role"] == "TAKER"
    assert as_form(venue, CANCEL, requestId=a_request(venue)["requestId"])["data"] is True


def test_ids_are_taken_as_numbers_and_as_texts(venue: Venue, maker: Venue) -> None:
    for kind in (int, str):
        request = a_request(venue)
        quote = a_quote(maker, request)
        assert maker.post(QUOTE_CANCEL, quoteId=kind(quote["quoteId"]))["code"] == 0
        assert venue.post(CANCEL, requestId=kind(request["requestId"]))["data"] is True


def test_refusals_have_the_venues_codes(venue: Venue, maker: Venue) -> None:
    legs = strangle(venue)
    request = a_request(venue)
    quote = a_quote(maker, request)
    wrong = [{"instrumentName": leg["instrumentName"], "price": "1500", "side": "BUY"} for leg in legs]

    assert venue.post(REQUEST, legs=[{**legs[0], "side": "SELL", "qty": "1"}])["code"] == 10004
    assert venue.post(REQUEST, legs=[{**leg, "qty": "0.01"} for leg in legs])["code"] == 10558
    assert venue.post(REQUEST, legs=[{**legs[0], "instrumentName": "BTCUSD-1JAN20-1-C", "qty": "9"}])["code"] == 10574
    assert venue.post(REQUEST, legs=[{**legs[0], "side": "LONG"}])["code"] == 10573
    assert maker.post(QUOTE, requestId=request["requestId"], legs=wrong)["code"] == 50014
    assert maker.post(QUOTE, requestId=request["requestId"], legs=[{**row, "side": "SELL"} for row in wrong])["code"] == 50012
    assert venue.post(ACCEPT, requestId=request["requestId"], quoteId=1)["code"] == 50014
    assert venue.post(CANCEL, requestId=1)["code"] == 10004
    assert maker.post(ACCEPT, requestId=request["requestId"], quoteId=quote["quoteId"])["code"] == 10004
    assert venue.get(LIST, startTime=1, endTime=10**12)["code"] == 10573


def test_only_makers_may_quote(venue: Venue) -> None:
    request = a_request(venue)

    for path in (QUOTE, QUOTE_CANCEL, QUOTE_CANCEL_ALL):
        assert venue.send("POST", path, {"requestId": request["requestId"], "quoteId": 1}).status_code == 404
    assert venue.send("GET", MINE, {}).status_code == 404


def test_strict_profiles_speak_as_clients_have_heard_the_venue_speak(tmp_path: Path) -> None:
    strict = ("--rfq-strict-forms", "--rfq-strict-json", "--no-rfq-list", "--rfq-ids=number", "--rfq-min-notional=0")
    with a_venue(tmp_path, "--no-rate-limits", "--no-makers", *ACCOUNTS, *MAKERS, *strict) as venue:
        maker = venue.as_user("mm-key", "mm-secret")
        request = a_request(venue, legs=[{**leg, "qty": "0.01"} for leg in strangle(venue)])
        quote = a_quote(maker, request)

        assert isinstance(request["requestId"], int)
        assert as_form(maker, QUOTE_CANCEL, quoteId=quote["quoteId"])["code"] == 10000
        assert venue.post(ACCEPT, requestId=request["requestId"], quoteId=quote["quoteId"])["code"] == 10004
        assert venue.send("GET", LIST, {}).status_code == 404
        assert maker.get(LIST)["data"]["rfqList"][0]["requestId"] == request["requestId"]
        assert as_form(venue, ACCEPT, requestId=request["requestId"], quoteId=quote["quoteId"])["code"] == 0


# ---- the simulated makers, over the wire


def test_simulated_makers_answer_and_can_be_traded_with(staffed: Venue) -> None:
    request = a_request(staffed)
    offers = until(lambda: [row for row in quotes(staffed, request) if row["legs"][0]["side"] == "SELL"])
    waited = min(int(row["createTime"]) for row in offers) - request["createTime"]

    code = 50014
    while code == 50014:  # now and then one is pulled at this moment
        chosen = until(lambda: [row for row in quotes(staffed, request) if row["legs"][0]["side"] == "SELL"])[0]
        code = staffed.post(ACCEPT, requestId=request["requestId"], quoteId=chosen["quoteId"])["code"]

    assert waited >= 3000
    assert code == 0
    assert quotes(staffed, request) == []


@pytest.mark.parametrize("pct", ["5", "-2"])
def test_a_rehearsal_can_ask_for_bad_and_for_good_quotes(staffed: Venue, pct: str) -> None:
    a_fault(staffed, kind="engine", makers_worse_pct=pct)
    request = a_request(staffed)
    offer = until(lambda: [row for row in quotes(staffed, request) if row["legs"][0]["side"] == "SELL"])[0]
    books = [staffed.get(f"/open/option/order/orderbook/v1/{leg['instrumentName']}")["data"]["asks"] for leg in offer["legs"]]
    a_fault(staffed, kind="engine")

    asked = sum((Decimal(leg["price"]) for leg in offer["legs"]), Decimal(0))
    shown = sum((Decimal(levels[0]["price"]) for levels in books), Decimal(0))
    assert abs(asked / shown - 1 - Decimal(pct) / 100) < Decimal("0.015")


def test_a_rehearsal_can_make_quotes_vanish_at_acceptance_and_makers_be_silent(staffed: Venue) -> None:
    a_fault(staffed, kind="engine", makers_vanish=True)
    request = a_request(staffed)
    offer = until(lambda: quotes(staffed, request))[0]
    told = staffed.post(ACCEPT, requestId=request["requestId"], quoteId=offer["quoteId"])
    a_fault(staffed, kind="engine", makers_silent=True)
    unheard = a_request(staffed)
    time.sleep(0.5)  # ten seconds of market time
    heard = staffed.get(RECEIVED, requestId=unheard["requestId"])["data"]
    a_fault(staffed, kind="engine")

    after = {row["quoteId"]: row["state"] for row in staffed.get(RECEIVED, requestId=request["requestId"])["data"]}
    assert told["code"] == 50014
    assert after[offer["quoteId"]] == "CANCELLED"
    assert heard == []


def test_an_acceptance_whose_answer_is_lost_has_happened_and_can_be_found(venue: Venue, maker: Venue) -> None:
    """L23: whoever does not hear the answer must ask, not accept another quote."""
    request = a_request(venue)
    quote = a_quote(maker, request)
    a_fault(venue, kind="lose_answer", path=ACCEPT)

    with pytest.raises(requests.ConnectionError):
        venue.post(ACCEPT, requestId=request["requestId"], quoteId=quote["quoteId"])

    (row,) = venue.get(LIST, requestId=request["requestId"])["data"]["rfqList"]
    (block,) = venue.get(PRIVATE, blocktradeId=quote["quoteId"])["data"]["list"]
    assert (row["state"], block["requestId"]) == ("FILLED", request["requestId"])


def test_a_fault_without_a_count_lasts_until_it_is_cleared(venue: Venue) -> None:
    a_fault(venue, kind="lose_request", path=f"{AT}/*", count=0)
    for _ in range(3):
        with pytest.raises(requests.ConnectionError):
            venue.get(RECEIVED)
    requests.delete(f"{venue.url}/paper/faults", timeout=5)

    assert venue.get(RECEIVED)["code"] == 0


@pytest.mark.parametrize("state", [4, 5])
def test_a_cancel_can_be_stuck_in_either_state(venue: Venue, state: int) -> None:
    a_fault(venue, kind="engine", stuck_in=state)
    order = venue.a_resting_order()
    venue.post("/open/option/order/cancel/v1", orderId=order)

    def seen() -> int:
        return int(venue.get("/open/option/order/singleQuery/v1", orderId=order)["data"]["state"])

    until(lambda: seen() == state)
    time.sleep(0.3)
    stuck = seen()
    a_fault(venue, kind="engine")
    until(lambda: seen() == 3)
    assert stuck == state


# ---- what survives


def test_the_ledger_shows_the_board_so_that_an_outsider_can_recompute(venue: Venue, maker: Venue) -> None:
    request = a_request(venue)
    quote = a_quote(maker, request)
    venue.post(ACCEPT, requestId=request["requestId"], quoteId=quote["quoteId"])

    told = ledger(venue)

    (asked,) = [row for row in told["requests"] if row["request_id"] == int(request["requestId"])]
    (given,) = [row for row in told["quotes"] if row["quote_id"] == quote["quoteId"]]
    (block,) = [row for row in told["blocks"] if row["block_id"] == quote["quoteId"]]
    fills = {row["trade_id"]: row for row in told["fills"]}
    assert (asked["state"], given["state"]) == ("FILLED", "FILLED")
    for leg in block["legs"]:
        fill = fills[leg["trade_id"]]
        assert (fill["price"], fill["qty"], fill["taker_user"], fill["maker_user"]) == (
            leg["price"],
            leg["qty"],
            block["taker"],
            block["maker"],
        )
        assert (fill["taker_fee"], fill["maker_fee"]) == (leg["taker_fee"], leg["maker_fee"])
    assert sum(Decimal(row["cash"]) for row in told["cash"]) == 0


def test_a_kill_at_any_instant_keeps_what_was_answered(tmp_path: Path) -> None:
    state = f"--state-dir={tmp_path / 'state'}"
    with a_venue(tmp_path, "--no-rate-limits", "--control", state, *ACCOUNTS, *MAKERS) as venue:
        maker = venue.as_user("mm-key", "mm-secret")
        traded, waiting = a_request(venue), a_request(venue)
        block = venue.post(ACCEPT, requestId=traded["requestId"], quoteId=a_quote(maker, traded)["quoteId"])["data"]
        quote = a_quote(maker, waiting)
        os.kill(venue.process.pid, signal.SIGKILL)
        venue.process.wait(10)
    with a_venue(tmp_path, "--no-rate-limits", "--control", state, *ACCOUNTS, *MAKERS) as venue:
        (kept,) = venue.get(PRIVATE)["data"]["list"]
        assert kept["blockTradeId"] == block["blockTradeId"]
        assert venue.get(LIST, requestId=traded["requestId"])["data"]["rfqList"][0]["state"] == "FILLED"
        assert venue.post(ACCEPT, requestId=waiting["requestId"], quoteId=quote["quoteId"])["code"] == 0
        assert sum(Decimal(row["cash"]) for row in ledger(venue)["cash"]) == 0
