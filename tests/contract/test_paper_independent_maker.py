"""A maker that knows the venue's interface and nothing of this house quotes on the paper exchange, and is taken.

It signs, starts, insists and quotes as Coincall API 2.2, 11.1, 15 and 18.2 tell of a maker in live use. Of this project it uses nothing.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import requests
import websocket

from tests.contract.paper_server import KEY, SECRET, Venue, a_venue

AT = "/open/option/blocktrade"
CHANNELS = ("rfqMaker", "rfqQuote", "blockTradeDetail", "blockTradePublic")
INSTRUMENT = {"symbolName", "baseCurrency", "strike", "expirationTimestamp", "isActive", "minQty", "tickSize"}
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
ACCOUNTS = (f"--account=demo:{KEY}:{SECRET}:1000000", "--account=mm:maker+key=:maker-secret:1000000", "--market-maker=mm")


def signed(text: str, secret: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest().upper()


def test_the_makers_own_signatures_are_those_of_the_published_vectors() -> None:
    auth = "uuid=test-key&ts=1750000000000"

    cancel_all = signed(f"POST{AT}/quote/cancel-all/v1?{auth}&x-req-ts-diff=5000", "test-secret")
    opened = signed(f"GET/users/self/verify?{auth}", "test-secret")

    assert cancel_all == "F55694FBDCCC1CE64E4521FBE4A1EEADE39D45D67006F22052130EDF99A3EDBC"
    assert opened == "49FA01D7DFD3BCEA5DF28F8079848D90683E8C999539F122EB1DC4DAE47AD734"


class IndependentMaker:
    """A maker as section 18.2 describes it; what is not of the shape it insists on ends it."""

    def __init__(self, rest: str, key: str, secret: str) -> None:
        self.rest, self.key, self.secret = rest, key, secret
        self.instruments: dict[str, dict[str, Any]] = {}
        self.index = Decimal(0)
        self.pushes: list[dict[str, Any]] = []

    def start(self) -> None:
        """Begin from nothing: withdraw, look, connect, subscribe, learn the prices."""
        assert self.ask("POST", f"{AT}/quote/cancel-all/v1", form=True) is None
        requests_open = self.ask("GET", f"{AT}/rfqList/v1", state="OPEN")
        assert isinstance(requests_open, dict) and isinstance(requests_open["rfqList"], list)
        assert isinstance(self.ask("GET", f"{AT}/list-quote/v1", state="OPEN"), list)
        self.connect()
        for channel in CHANNELS:
            self.socket.send(json.dumps({"action": "subscribe", "dataType": channel}))
        acks = {ack["dataType"]: ack for ack in (self.frame(lambda f: "dt" not in f) for _ in CHANNELS)}
        assert acks == {name: {"action": "SUBSCRIBE", "dataType": name, "result": "success"} for name in CHANNELS}
        self.price()

    def connect(self) -> None:
        ts = self.server_ms()
        sign = signed(f"GET/users/self/verify?uuid={self.key}&ts={ts}", self.secret)
        url = f"{self.rest.replace('http', 'ws', 1)}/options?code=10&uuid={self.key}&ts={ts}&sign={sign}&apiKey={self.key}"
        self.socket = websocket.create_connection(url, timeout=10)

    def price(self) -> None:
        """Poll the index and the instruments."""
        told = self.ask("GET", "/open/futures/market/symbol/v1", symbol="BTCUSD")
        assert isinstance(told, dict)
        self.index = Decimal(told["indexPrice"])
        assert self.index > 0
        rows = self.ask("GET", "/open/option/getInstruments/BTC")
        for row in rows:
            assert set(row) >= INSTRUMENT
            day, month = row["symbolName"].split("-")[1][:-5], row["symbolName"].split("-")[1][-5:-2]
            expiry = datetime.fromtimestamp(int(row["expirationTimestamp"]) / 1000, UTC)
            assert (expiry.day, MONTHS[expiry.month - 1]) == (int(day), month)
        self.instruments = {row["symbolName"]: row for row in rows}

    def answer_next(self) -> dict[str, Any]:
        """Quote on the next request that is pushed, a tenth above its marks; return what the venue answered."""
        request = self.push(28, lambda d: d["state"] == "ACTIVE")
        for leg in request["legs"]:
            assert leg["side"] in {"BUY", "SELL"} and Decimal(leg["quantity"]) > 0 and leg["instrumentName"] in self.instruments
        ticks = {leg["instrumentName"]: Decimal(str(self.instruments[leg["instrumentName"]]["tickSize"])) for leg in request["legs"]}
        prices = {leg["instrumentName"]: Decimal(leg["price"]) * Decimal("1.1") for leg in request["legs"]}
        legs = [{"instrumentName": name, "price": str(price // ticks[name] * ticks[name])} for name, price in prices.items()]
        told: dict[str, Any] = self.ask("POST", f"{AT}/quote/create/v1", requestId=request["requestId"], legs=legs)
        return told

    def push(self, dt: int, fits: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[str, Any]:
        found: dict[str, Any] = self.frame(lambda f: f.get("dt") == dt and fits(f["d"]))["d"]
        return found

    def frame(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + 10
        while True:
            for frame in self.pushes:
                if wanted(frame):
                    self.pushes.remove(frame)
                    return frame
            assert time.monotonic() < deadline, self.pushes
            self.pushes.append(json.loads(self.socket.recv()))

    def ask(self, method: str, path: str, *, form: bool = False, **fields: Any) -> Any:
        ts = self.server_ms()
        texts = {name: value if isinstance(value, str) else json.dumps(value, separators=(",", ":")) for name, value in fields.items()}
        pairs = [f"{name}={text}" for name, text in sorted(texts.items())]
        text = f"{method}{path}?{'&'.join([*pairs, f'uuid={self.key}', f'ts={ts}', 'x-req-ts-diff=5000'])}"
        headers = {"X-CC-APIKEY": self.key, "sign": signed(text, self.secret), "ts": str(ts), "X-REQ-TS-DIFF": "5000"}
        sent: dict[str, Any] = {"params": fields} if method == "GET" else {"data" if form else "json": fields}
        reply = requests.request(method, self.rest + path, headers=headers, timeout=10, **sent)
        assert reply.status_code == 200, (path, reply.status_code)
        told = reply.json()
        assert told["code"] == 0, (path, told)
        return told["data"]

    def server_ms(self) -> int:
        return int(requests.get(f"{self.rest}/time", timeout=10).json()["data"]["serverTime"])


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with a_venue(tmp_path_factory.mktemp("venue"), "--no-rate-limits", "--no-makers", *ACCOUNTS) as running:
        yield running


@pytest.fixture
def maker(venue: Venue) -> Iterator[IndependentMaker]:
    running = IndependentMaker(venue.url, "maker+key=", "maker-secret")
    running.start()
    yield running
    running.ask("POST", f"{AT}/quote/cancel-all/v1", form=True)
    running.socket.close()


def a_spread(venue: Venue) -> list[dict[str, str]]:
    row = venue.an_option()
    higher = [r["callOption"] for r in venue.exact("/open/option/get/v1/BTCUSD", endTime=row["endTime"]) if r["strike"] > row["strike"]]
    return [
        {"instrumentName": row["symbol"], "side": "BUY", "qty": "0.5"},
        {"instrumentName": higher[0]["symbol"], "side": "SELL", "qty": "0.5"},
    ]


def test_its_quote_on_anothers_request_is_accepted_and_it_is_told_of_each_step(venue: Venue, maker: IndependentMaker) -> None:
    request = venue.post(f"{AT}/request/create/v1", legs=a_spread(venue))["data"]

    quoted = maker.answer_next()
    own = maker.push(130)
    (received,) = venue.get(f"{AT}/request/getQuotesReceived/v1", requestId=request["requestId"])["data"]
    accepted = venue.post(f"{AT}/request/accept/v1", requestId=request["requestId"], quoteId=received["quoteId"])

    assert isinstance(own["quoteId"], int) and (own["quoteId"], own["state"]) == (quoted["quoteId"], "OPEN")
    assert accepted["code"] == 0 and accepted["data"]["role"] == "TAKER"
    assert maker.push(130, lambda d: d["quoteId"] == quoted["quoteId"])["state"] == "FILLED"
    assert maker.push(28, lambda d: d["requestId"] == request["requestId"])["state"] == "FILLED"
    block = maker.push(22)
    assert (block["role"], block["quoteId"], block["requestId"]) == ("MAKER", quoted["quoteId"], int(request["requestId"]))
    assert [leg["side"] for leg in block["legs"]] == ["SELL", "BUY"] == [leg["side"] for leg in own["legs"]]
    assert maker.push(23)["requestId"] == int(request["requestId"])


def test_a_request_that_was_there_before_it_came_is_found_in_the_list(venue: Venue) -> None:
    request = venue.post(f"{AT}/request/create/v1", legs=a_spread(venue))["data"]
    late = IndependentMaker(venue.url, "maker+key=", "maker-secret")
    late.start()

    listed = late.ask("GET", f"{AT}/rfqList/v1", state="OPEN", role="MAKER")["rfqList"]
    late.socket.close()

    assert request["requestId"] in [row["requestId"] for row in listed]
    assert venue.post(f"{AT}/request/cancel/v1", requestId=request["requestId"])["code"] == 0


def test_a_request_that_is_withdrawn_takes_its_quote_with_it(venue: Venue, maker: IndependentMaker) -> None:
    request = venue.post(f"{AT}/request/create/v1", legs=a_spread(venue))["data"]
    quoted = maker.answer_next()

    assert venue.post(f"{AT}/request/cancel/v1", requestId=request["requestId"])["code"] == 0

    assert maker.push(28, lambda d: d["requestId"] == request["requestId"])["state"] == "CANCELLED"
    assert maker.push(130, lambda d: d["quoteId"] == quoted["quoteId"] and d["state"] != "OPEN")["state"] == "CANCELLED"
    assert maker.ask("GET", f"{AT}/list-quote/v1", state="OPEN") == []
