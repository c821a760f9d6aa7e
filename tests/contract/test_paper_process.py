"""The paper exchange where things go wrong: faults on the wire that it is told to make, kills, restarts, and starts that cannot be.

Source: Coincall API 1 to 5, 13.1 and 16.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from auth import signature

from tests.contract.paper_server import CREATE, DEMO, DESK, KEY, SECRET, SINGLE, Venue, a_refused_start, a_venue, an_order, far_below


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    arguments = (DEMO, "--read-only-account=demo:reader-key:reader-secret", *DESK, "--market-maker=desk")
    with a_venue(tmp_path_factory.mktemp("venue"), "--no-rate-limits", "--control", *arguments) as running:
        yield running


def a_fault(venue: Venue, **fields: Any) -> None:
    assert requests.post(f"{venue.url}/paper/faults", json=fields, timeout=5).status_code == 200


def orders_in_ledger(venue: Venue) -> list[Mapping[str, Any]]:
    return list(requests.get(f"{venue.url}/paper/ledger", timeout=5).json()["orders"])


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
