"""The way between a daemon and the exchange, in process: every request takes market time there and back, and can go wrong on either."""

import asyncio
import io
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from starlette.types import Message
from urllib3.connection import HTTPConnection
from urllib3.exceptions import MaxRetryError, NewConnectionError

from paper.exchange import PaperExchange
from paper.server import ServerPolicy, build_app

from tests.faults.clockwork import Agenda, Crash
from tests.faults.crash import ANSWERED, PROCESSED, SENT, Reaper

TIMEOUT = 4.0  # how long the daemon waits for an answer, seconds
_HTML = b"<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"
_BUSY = b'{"code":10000,"msg":"Try again later","i18nArgs":null,"data":null}'
_NAMES = {
    "/open/option/order/create/v1": "create",
    "/open/option/order/cancel/v1": "cancel",
    "/open/option/order/batchCreate/v1": "create",  # what goes wrong with orders goes wrong with batches of them
    "/open/option/order/batchCancel/v1": "cancel",
    "/open/option/order/singleQuery/v1": "order",
    "/open/option/order/pending/v1": "open orders",
    "/open/option/order/history/v1": "order history",
    "/open/option/trade/history/v1": "fills",
    "/open/account/summary/v1": "account",
    "/open/option/position/get/v1": "positions",
    "/open/settle/exercise/history/v1": "settlements",
    "/open/option/blocktrade/request/create/v1": "request",
    "/open/option/blocktrade/request/cancel/v1": "withdraw",
    "/open/option/blocktrade/request/accept/v1": "accept",
    "/open/option/blocktrade/request/getQuotesReceived/v1": "quotes",
    "/open/option/blocktrade/rfqList/v1": "requests",
    "/open/option/blocktrade/orderList/v1": "block legs",
    "/open/option/blocktrade/trade-detail/private/v1": "blocks",
    "/open/futures/market/symbol/v1": "index",
    "/time": "time",
}
_BATCH_CREATE = "/open/option/order/batchCreate/v1"
WRITES = frozenset({"create", "cancel", "request", "withdraw", "accept"})
LISTS = frozenset({"open orders", "order history", "fills", "positions", "requests", "quotes", "blocks", "block legs", "order"})


class Kind(StrEnum):
    """What can become of a request."""

    SILENCE = "silence"  # no answer: after TIMEOUT the daemon gives up
    RESET = "reset"
    REFUSED = "refused"  # no connection
    DELAY = "delay"  # the answer comes late
    LATE = "late"  # no answer, and the request arrives when nobody expects it any more
    STATUS = "status"
    BUSY = "busy"  # code 10000
    HTML = "html"
    CUT = "cut"
    EMPTY = "empty"
    NOTHING = "nothing"  # a whole answer that says the account is empty
    TWICE = "twice"  # every row of a list twice
    STALE = "stale"  # the answer that was true when this began


class Answer(NamedTuple):
    """What the exchange said."""

    status: int
    body: bytes


@dataclass(slots=True)
class Wrong:
    """What goes wrong with `count` requests (0: until it is cleared) of some calls (none: all); `acted`: the exchange acts all the same."""

    kind: Kind
    calls: frozenset[str] = frozenset()
    count: int = 1
    acted: bool = False
    seconds: float = 0.0
    status: int = 503

    def fits(self, call: str) -> bool:
        """Tell whether a call is meant."""
        return not self.calls or call in self.calls


class Wire:
    """Every way to one exchange, and all that goes wrong on them."""

    def __init__(self, exchange: PaperExchange, agenda: Agenda, rng: random.Random, policy: ServerPolicy) -> None:
        self._app, self._loop = build_app(exchange, policy), asyncio.new_event_loop()
        self.agenda, self.rng = agenda, rng
        self.wrongs: list[Wrong] = []
        self._kept: dict[str, Answer] = {}
        self.seen: Callable[[str], None] = lambda _call: None

    def close(self) -> None:
        """Let go of the loop."""
        self._loop.close()

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self.wrongs.clear()
        self._kept.clear()

    def lift(self, wrong: Wrong) -> None:
        """Let one of the things go wrong no more."""
        self.wrongs.remove(wrong)
        if not any(left.kind is Kind.STALE for left in self.wrongs):
            self._kept.clear()

    def struck(self, call: str) -> Wrong | None:
        """Return what goes wrong with this request, one use of it spent."""
        for wrong in self.wrongs:
            if wrong.fits(call):
                if wrong.count > 0:
                    wrong.count -= 1
                    if wrong.count == 0:
                        self.wrongs.remove(wrong)
                return wrong
        return None

    def answer(self, request: requests.PreparedRequest) -> Answer:
        """Let the exchange answer at once; the rows of a batch in any order, as the venue gives them (Coincall API 5.11)."""
        answer = self._loop.run_until_complete(self._asked(request))
        if request.path_url != _BATCH_CREATE:
            return answer
        return _changed(answer, lambda rows: self.rng.sample(rows, len(rows)) if isinstance(rows, list) else rows)

    def stale(self, key: str, request: requests.PreparedRequest) -> Answer:
        """Return what was true the first time that this was asked since things went wrong."""
        if key not in self._kept:
            self._kept[key] = self.answer(request)
        return self._kept[key]

    async def _asked(self, request: requests.PreparedRequest) -> Answer:
        path, _, query = request.path_url.partition("?")
        body = request.body if isinstance(request.body, bytes) else (request.body or "").encode()
        headers = [(name.lower().encode("latin-1"), _bytes(value)) for name, value in request.headers.items()]
        scope = {"type": "http", "method": request.method, "path": path, "query_string": query.encode(), "headers": headers, "client": None}
        said: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            said.append(message)

        await self._app(scope, receive, send)
        return Answer(said[0]["status"], said[1]["body"])


class Line(BaseAdapter):
    """One life's way to the exchange, in the place of sockets; its crash points are passed here."""

    def __init__(self, wire: Wire, reaper: Reaper, owner: object) -> None:
        super().__init__()
        self._wire, self._reaper, self._owner = wire, reaper, owner

    def send(  # type: ignore[override]  # the rest is for sockets
        self, request: requests.PreparedRequest, **_: object
    ) -> requests.Response:
        """Carry a request to the exchange and its answer back, or what goes wrong."""
        wire, call = self._wire, call_of(request)
        wire.seen(call)
        wire.agenda.sleep(wire.rng.uniform(0.004, 0.02))
        wrong = wire.struck(call)
        if wrong is not None and wrong.kind is Kind.REFUSED:
            raise _never_connected(request)
        self._reaper.reach("wire", call, SENT)
        answer = wire.answer(request) if wrong is None else self._gone_wrong(wrong, call, request)
        self._reaper.reach("wire", call, PROCESSED)
        wire.agenda.sleep(wire.rng.uniform(0.004, 0.02))
        if self._reaper.meets("wire", call, ANSWERED):
            wire.agenda.after(0, self._die, self._owner)
        return _response(request, answer)

    def close(self) -> None:
        """Have nothing to close."""

    def _die(self) -> None:
        raise Crash("answered")

    def _gone_wrong(self, wrong: Wrong, call: str, request: requests.PreparedRequest) -> Answer:
        wire = self._wire
        if wrong.kind is Kind.LATE:
            wire.agenda.after(wrong.seconds, lambda: _forget(wire.answer(request)))
        if wrong.kind is Kind.STALE:
            return wire.stale(f"{call} {request.path_url.partition('?')[0]}", request)
        answer = wire.answer(request) if wrong.acted else None
        if wrong.kind is Kind.RESET:
            raise requests.ConnectionError("connection reset by peer")
        if wrong.kind is Kind.DELAY and answer is not None and wrong.seconds < TIMEOUT:
            wire.agenda.sleep(wrong.seconds)
            return answer
        if wrong.kind in (Kind.SILENCE, Kind.LATE, Kind.DELAY):
            wire.agenda.sleep(TIMEOUT)
            raise requests.ReadTimeout("read timed out")
        return _garbled(wrong, answer or Answer(200, b""))


def call_of(request: requests.PreparedRequest) -> str:
    """Return the short name of what is asked."""
    path = request.path_url.partition("?")[0]
    if path in _NAMES:
        return _NAMES[path]
    for start, name in (("/open/option/getInstruments/", "instruments"), ("/open/option/get/v1/", "chain")):
        if path.startswith(start):
            return name
    return "book" if "/orderbook/" in path else path


def _garbled(wrong: Wrong, answer: Answer) -> Answer:
    said: Mapping[Kind, Callable[[], Answer]] = {
        Kind.STATUS: lambda: Answer(wrong.status, b"upstream failed"),
        Kind.BUSY: lambda: Answer(200, _BUSY),
        Kind.HTML: lambda: Answer(200 if wrong.acted else 502, _HTML),
        Kind.CUT: lambda: Answer(200, answer.body[: len(answer.body) * 2 // 3]),
        Kind.EMPTY: lambda: Answer(200, b""),
        Kind.NOTHING: lambda: _changed(answer, _emptied),
        Kind.TWICE: lambda: _changed(answer, _doubled),
    }
    return said[wrong.kind]()


def _changed(answer: Answer, change: Callable[[Any], Any]) -> Answer:
    told = json.loads(answer.body)
    if isinstance(told, dict) and told.get("code") == 0:
        told["data"] = change(told.get("data"))
    return Answer(answer.status, json.dumps(told).encode())


def _emptied(data: Any) -> Any:
    match data:
        case list():
            return []
        case Mapping():
            return {name: _emptied(value) for name, value in data.items()}
        case str() | bool() | None:
            return data if not isinstance(data, str) or not data.replace(".", "", 1).lstrip("-").isdigit() else "0"
        case _:
            return 0


def _doubled(data: Any) -> Any:
    match data:
        case list():
            return [row for row in data for _ in range(2)]
        case {"list": list(rows)}:
            return {**data, "list": [row for row in rows for _ in range(2)]}
        case _:
            return data


def _response(request: requests.PreparedRequest, answer: Answer) -> requests.Response:
    response = requests.Response()
    response.status_code, response.request, response.url = answer.status, request, request.url or ""
    response.headers = CaseInsensitiveDict({"content-type": "application/json"})
    response.raw = io.BytesIO(answer.body)
    return response


def _never_connected(request: requests.PreparedRequest) -> requests.ConnectionError:
    reason = NewConnectionError(HTTPConnection("localhost"), "connection refused")
    return requests.ConnectionError(MaxRetryError(None, request.url or "", reason))  # type: ignore[arg-type]


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("latin-1")


def _forget(_: Answer) -> None:
    """Nobody waits for the answer any more."""
