"""The paper exchange as a process of its own, and a client that signs as the documentation says."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import requests

from auth import sign_request

ROOT = Path(__file__).resolve().parents[2]
KEY, SECRET = "paper-demo-key", "paper-demo-secret"


@dataclass
class Venue:
    """A running exchange, asked as one of its users."""

    url: str
    process: subprocess.Popen[bytes]
    key: str = KEY
    secret: str = SECRET

    def get(self, path: str, **params: Any) -> Any:
        return self.send("GET", path, params).json()

    def post(self, path: str, **fields: Any) -> Any:
        return self.send("POST", path, fields).json()

    def send(self, method: str, path: str, fields: Mapping[str, Any], **changed: str) -> requests.Response:
        headers = sign_request(method, path, fields, self.key, self.secret, self.time_ms()) | changed
        sent: dict[str, Any] = {"params": fields} if method == "GET" else {"json": fields}
        return requests.request(method, self.url + path, headers=headers, timeout=10, **sent)

    def time_ms(self) -> int:
        return int(requests.get(f"{self.url}/time", timeout=10).json()["data"]["serverTime"])

    def exact(self, path: str, **params: Any) -> Any:
        """The answer's data with its numbers exact."""
        return json.loads(self.send("GET", path, params).text, parse_float=Decimal)["data"]

    def an_option(self) -> dict[str, Any]:
        """A call near the money with a bid and an ask."""
        rows = [row["callOption"] for row in self.exact("/open/option/get/v1/BTCUSD")]
        near = [row for row in rows if row["bid"] > 100 and row["ask"] > 0 and Decimal("0.3") < row["delta"] < Decimal("0.6")]
        found: dict[str, Any] = near[len(near) // 2]
        return found

    def a_resting_order(self, **changed: Any) -> int:
        """The number of an order that does not trade at once."""
        option = self.an_option()
        answer = self.post("/open/option/order/create/v1", **an_order(option["symbol"], far_below(option["bid"]), **changed))
        assert answer["code"] == 0, answer
        return int(answer["data"])

    def as_user(self, key: str, secret: str) -> "Venue":
        return Venue(self.url, self.process, key, secret)


def far_below(bid: Decimal) -> str:
    """A price at which a buyer waits, within the venue's band."""
    return str(round(bid - min(bid * Decimal("0.4"), Decimal(800)), 1))


def an_order(symbol: str, price: str, **changed: Any) -> dict[str, Any]:
    """The fields of a limit order to buy a little."""
    return {"symbol": symbol, "qty": "0.1", "tradeSide": 1, "tradeType": 1, "price": price, **changed}


@contextmanager
def a_venue(folder: Path, *arguments: str) -> Iterator[Venue]:
    """Start an exchange, wait until it listens, and end it."""
    ready = folder / "ready.json"
    ready.unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "paper", f"--ready-file={ready}", *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        deadline = time.monotonic() + 20
        while not ready.exists():
            assert process.poll() is None and time.monotonic() < deadline, process.communicate()
            time.sleep(0.02)
        yield Venue(json.loads(ready.read_text())["url"], process)
    finally:
        process.terminate()
        process.communicate(timeout=10)


def a_refused_start(*arguments: str) -> tuple[int, str]:
    """Exit code and complaint of an exchange that cannot start."""
    ended = subprocess.run([sys.executable, "-m", "paper", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    return ended.returncode, ended.stderr
