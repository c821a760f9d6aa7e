"""The other exchange on a socket, with everything that a network does wrong.

A fault is planned for a part of a path; it hits before or after the request is acted on. Source: Coincall API 1.2, 2.1, 2.3.
"""

import hashlib
import hmac
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast
from urllib.parse import parse_qsl, urlsplit

from tests.rehearsal.other_books import Refused
from tests.rehearsal.other_exchange import OtherExchange
from tests.rehearsal.other_rfq import BlockDesk
from tests.rehearsal.other_rfq_wire import block_routed, of_blocks
from tests.rehearsal.other_streams import OtherStreams
from tests.rehearsal.other_wire import KEY, SECRET, Body, Token, envelope, prehash, routed, signed

# ---- faults


class Kind(StrEnum):
    """What can go wrong with one request."""

    DROP = "drop"  # the connection closes, nothing is answered
    RESET = "reset"  # the same, with a reset
    DELAY = "delay"
    STATUS = "status"
    CODE = "code"
    HTML = "html"
    CUT = "cut"  # JSON that ends in the middle, of the length that was promised
    SHORT = "short"  # fewer bytes than were promised
    NONSENSE = "nonsense"  # success, with data of no known shape


@dataclass(frozen=True)
class Fault:
    """Hits requests whose path holds `path`; `acted` says that the exchange acts first, so that only the answer is lost."""

    kind: Kind
    path: str = ""
    times: int = 1
    skip: int = 0
    acted: bool = False
    code: int = 0
    seconds: float = 0


def lost_answer(path: str, **more: int) -> Fault:
    """Return the classic: it happened, and nobody was told."""
    return Fault(Kind.DROP, path, acted=True, **more)


CREATE, CANCEL = "order/create", "order/cancel/"


# ---- the server


class OtherServer:
    """One listening socket for an exchange and one for its streams; both may vanish and come back on the same ports."""

    def __init__(self, exchange: OtherExchange) -> None:
        self.exchange = exchange
        self.desk = BlockDesk(exchange)
        self.streams = OtherStreams(exchange, self.desk)
        self.answered: Callable[[str], None] = lambda _: None  # told of each path whose answer is on its way
        self.rewritten: Callable[[str, Body, object], object] = lambda _path, _params, data: data  # what an answer tells in place of it
        self.faults: list[Fault] = []
        self.chance: Callable[[str], Fault | None] = lambda _: None
        self.requests: list[tuple[float, str]] = []
        self.bad_signatures: list[str] = []
        self.surprises: list[str] = []
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._server: _Listener | None = None
        self.port = 0
        self.restore()

    @property
    def url(self) -> str:
        """Return the address to give to the daemon."""
        return f"http://127.0.0.1:{self.port}"

    def plan(self, *faults: Fault) -> None:
        """Let things go wrong, in this order."""
        with self._lock:
            self.faults.extend(faults)

    def asked(self, part: str) -> int:
        """Return how many requests had a path with this part."""
        with self._lock:
            return sum(part in path for _, path in self.requests)

    def vanish(self) -> None:
        """Refuse connections from now on, and break those that stand."""
        self.streams.vanish()
        listener, self._server = self._server, None
        if listener is not None:
            listener.shutdown()
            listener.server_close()
        with self._lock:
            standing, self._open = self._open, set()
        for one in standing:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def restore(self) -> None:
        """Listen, on the same ports as before."""
        self.streams.restore()
        self._server = _Listener(("127.0.0.1", self.port), _Handler)
        self._server.owner = self
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def fault_for(self, path: str) -> Fault | None:
        """Take the fault that hits a request now, if one does."""
        with self._lock:
            self.requests.append((time.monotonic(), path))
            for at, fault in enumerate(self.faults):
                if fault.path not in path:
                    continue
                if fault.skip > 0:
                    self.faults[at] = replace(fault, skip=fault.skip - 1)
                    continue
                left = replace(fault, times=fault.times - 1)
                self.faults[at : at + 1] = [left] if left.times > 0 else []
                return fault
            return self.chance(path)

    def opened(self, one: socket.socket) -> None:
        """Note a connection that stands."""
        with self._lock:
            self._open.add(one)

    def closed(self, one: socket.socket) -> None:
        """Forget a connection."""
        with self._lock:
            self._open.discard(one)


@contextmanager
def served(exchange: OtherExchange) -> Iterator[OtherServer]:
    """Serve an exchange for the length of a block."""
    server = OtherServer(exchange)
    try:
        yield server
    finally:
        server.vanish()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    owner: OtherServer

    def process_request(self, request: object, client_address: object) -> None:
        self.owner.opened(cast(socket.socket, request))
        super().process_request(request, client_address)  # type: ignore[arg-type]

    def shutdown_request(self, request: object) -> None:
        self.owner.closed(cast(socket.socket, request))
        super().shutdown_request(request)  # type: ignore[arg-type]

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that breaks is what a client does that is killed; no thread dies of it."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        self._serve("GET", dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True)))

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        encoding = "form" if "x-www-form-urlencoded" in self.headers.get("Content-Type", "") else "json"
        body = dict(parse_qsl(text)) if encoding == "form" else json.loads(text or "{}", parse_float=Token, parse_int=Token)
        if CREATE in self.path:
            self._owner.exchange.arrived(body)
        self._serve("POST", body, encoding)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the requests are kept."""

    @property
    def _owner(self) -> OtherServer:
        return cast(_Listener, self.server).owner

    def _serve(self, method: str, params: Body, encoding: str = "") -> None:
        path = urlsplit(self.path).path
        fault = self._owner.fault_for(path)
        if fault is None:
            answer = self._acted(method, path, params, encoding)
            if method == "POST":
                self._owner.streams.let_ahead()
            self._send(*answer)
            self._owner.answered(path)
            return
        if fault.kind is Kind.DELAY and not fault.acted:
            time.sleep(fault.seconds)
        acts = fault.acted or fault.kind is Kind.DELAY
        _, reply = self._acted(method, path, params, encoding) if acts else (200, envelope(None))
        self._fail(fault, reply)

    def _acted(self, method: str, path: str, params: Body, encoding: str) -> tuple[int, str]:
        try:
            if signed(path):
                self._check(method, path, params)
            return 200, envelope(self._answer(method, path, params, encoding))
        except Refused as no:
            return no.status, envelope(None, no.code, no.text)
        except Exception as error:  # noqa: BLE001 - thread boundary: the test reads what went wrong, the daemon sees an inner error
            self._owner.surprises.append(f"{method} {path} {params}: {error!r}")
            return 200, envelope(None, 10103, "System inner error")

    def _answer(self, method: str, path: str, params: Body, encoding: str) -> object:
        if of_blocks(path):
            return self._owner.rewritten(path, params, block_routed(self._owner.desk, method, path, params, encoding))
        with self._owner.exchange.lock:
            return self._owner.rewritten(path, params, routed(self._owner.exchange, method, path, params))

    def _check(self, method: str, path: str, params: Body) -> None:
        """Judge key, time and signature. Source: Coincall API 2.1-2.3."""
        ts, diff = self.headers.get("ts", ""), self.headers.get("X-REQ-TS-DIFF", "5000")
        if self.headers.get("X-CC-APIKEY") != KEY:
            raise Refused(10560, "Invalid CC-ACCESS-KEY.")
        text = prehash(method, path, params, ts, diff)
        wanted = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest().upper()
        if self.headers.get("sign") != wanted:
            self._owner.bad_signatures.append(text)
            raise Refused(10562, "Invalid signature.")
        now = self._owner.exchange.now()
        if not (int(ts) < now + 1000 and now - int(ts) <= int(diff)):
            raise Refused(10557, "Timestamp request expired.")

    def _fail(self, fault: Fault, reply: str) -> None:
        match fault.kind:
            case Kind.DROP | Kind.RESET:
                self._hang_up(reset=fault.kind is Kind.RESET)
            case Kind.DELAY:
                time.sleep(fault.seconds if fault.acted else 0)
                self._send(200, reply)
            case Kind.SHORT:
                self._send(200, reply[: len(reply) // 2], promised=len(reply.encode()))
                self._hang_up()
            case _:
                self._send(*_wrong(fault, reply))

    def _send(self, status: int, text: str, promised: int | None = None) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body) if promised is None else promised))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _hang_up(self, *, reset: bool = False) -> None:
        self.close_connection = True
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            return
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def _wrong(fault: Fault, reply: str) -> tuple[int, str]:
    """Return an answer that is whole, and not what was asked for: status and text."""
    match fault.kind:
        case Kind.STATUS:
            return fault.code, '{"error":"no"}'
        case Kind.CODE:
            return 200, envelope(None, fault.code, "Try again later")
        case Kind.HTML:
            return fault.code or 502, "<html><body>Bad Gateway</body></html>"
        case Kind.CUT:
            return 200, reply[: len(reply) // 2]
        case _:
            return 200, envelope({"neither": ["an order", None]})
