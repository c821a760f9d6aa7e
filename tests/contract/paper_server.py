"""The paper exchange as a process of its own, and a client that signs as the documentation says."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import requests
import websocket

from auth import sign_request, websocket_query

ROOT = Path(__file__).resolve().parents[2]
KEY, SECRET = "paper-demo-key", "paper-demo-secret"
ORDER = "/open/option/order"
CREATE, CANCEL, SINGLE = f"{ORDER}/create/v1", f"{ORDER}/cancel/v1", f"{ORDER}/singleQuery/v1"
AT = "/open/option/blocktrade"
DEMO = f"--account=demo:{KEY}:{SECRET}"
DESK = ("--account=desk:desk-key:desk-secret:5000", "--account=desk/hedge:hedge-key:hedge-secret:100")
ACCOUNTS = (f"{DEMO}:1000000", "--account=mm:mm-key:mm-secret:1000000", "--account=mm2:mm2-key:mm2-secret:1000000")
MAKERS = ("--market-maker=mm", "--market-maker=mm2", "--no-makers")
OTHERS = ("--account=a:a+key/1=:a-secret:1000000", "--account=idle:idle-key:idle-secret")


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
        answer = self.post(CREATE, **an_order(option["symbol"], far_below(option["bid"]), **changed))
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


class Stream:
    """A client of one of the exchange's streams, and everything it was told."""

    def __init__(self, venue: Venue, path: str = "/options", **changed: str) -> None:
        query = websocket_query(venue.key, venue.secret, venue.time_ms())
        for name, value in changed.items():
            query = re.sub(rf"(?<![^&]){name}=[^&]*", f"{name}={value}", query)
        self.socket = websocket.create_connection(f"{venue.url.replace('http', 'ws')}{path}?{query}", timeout=10)
        self.seen: list[dict[str, Any]] = []

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def say(self, **message: Any) -> None:
        self.socket.send(json.dumps(message))

    def ask(self, **message: Any) -> dict[str, Any]:
        """Send a message and return its answer; what is pushed meanwhile is kept."""
        self.say(**message)
        return self.next(lambda frame: "dt" not in frame)

    def subscribe(self, *channels: str, **payload: Any) -> None:
        for channel in channels:
            told = self.ask(action="subscribe", dataType=channel, **({"payload": payload} if payload else {}))
            assert told["result"] == "success", told

    def next(self, wanted: Callable[[dict[str, Any]], Any], seconds: float = 10) -> dict[str, Any]:
        """Return the next frame that is wanted and was not returned before; the others stay."""
        deadline = time.monotonic() + seconds
        while True:
            for frame in self.seen:
                if wanted(frame):
                    self.seen.remove(frame)
                    return frame
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            self.seen.append(json.loads(self.socket.recv()))

    def push(self, dt: int, seconds: float = 10, **values: Any) -> Any:
        """Return the content of the next push of a channel whose fields have the values."""
        return self.next(lambda frame: frame.get("dt") == dt and has(frame["d"], values), seconds)["d"]

    def listen(self, seconds: float) -> list[dict[str, Any]]:
        """Return everything told so far and within some real time."""
        with suppress(websocket.WebSocketTimeoutException):
            self.next(lambda _: False, seconds)
        return self.seen


def has(content: Any, values: Mapping[str, Any]) -> bool:
    return not values or (isinstance(content, dict) and all(content.get(name) == value for name, value in values.items()))
