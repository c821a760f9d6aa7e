"""Over real sockets: what the venue did and what we can know of it are two things, and the client keeps them apart."""

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

import auth
from clock import monotonic
from domain import OrderStatus
from errors import ExchangeUnavailable, OutcomeUnknown
from exchanges.coincall.gateway import CoincallAccount, CoincallOrders

from tests.wire.coincall_builders import KEY, NOW, SECRET, Desk, a_client_id, a_desk, an_order, answer

SENT_AT = NOW - timedelta(seconds=1)


@dataclass
class Venue:
    """A venue of one option book, with faults to switch on."""

    lose_next_reply: bool = False
    cut_next_reply: bool = False
    ignore_next_request: bool = False
    orders: dict[int, dict[str, Any]] = field(default_factory=dict)
    received: list[str] = field(default_factory=list)
    url: str = ""

    def answer_to(self, method: str, target: str, body: bytes, headers: Any) -> str:
        """Act on a request and say what happened."""
        url = urlsplit(target)
        params = auth.params_of_json(body) if method == "POST" else dict(parse_qsl(url.query))
        text = auth.prehash(method, url.path, params, headers["X-CC-APIKEY"], headers["ts"], headers["X-REQ-TS-DIFF"])
        if not auth.verify(text, SECRET, headers["sign"]):
            return answer(code="10562")
        match url.path.rsplit("/", 2)[-2]:
            case "create":
                return self._create(json.loads(body))
            case "singleQuery":
                found = self.orders.get(int(str(params["clientOrderId"])))
                return answer(code="10584") if found is None else answer(json.dumps(found))
            case _:
                return answer('{"list":[],"hasNext":false,"pageTotal":0}')

    def _create(self, sent: dict[str, Any]) -> str:
        if sent["clientOrderId"] in self.orders:
            return answer(code="10577")
        self.orders[sent["clientOrderId"]] = sent | {"orderId": 77, "fillQty": 0, "state": 0}
        return answer("77")


class VenueServer(ThreadingHTTPServer):
    """A venue behind a port of its own."""

    daemon_threads = True

    def __init__(self, venue: Venue) -> None:
        super().__init__(("127.0.0.1", 0), VenueHandler)
        self.venue = venue


class VenueHandler(BaseHTTPRequestHandler):
    """Hands each request to the venue, and hangs up where its switches say so: before it acts, after, or within the answer."""

    protocol_version = "HTTP/1.1"
    server: VenueServer

    def do_POST(self) -> None:
        venue = self.server.venue
        venue.received.append(f"{self.command} {self.path.partition('?')[0]}")
        if venue.ignore_next_request:
            venue.ignore_next_request = False
            self._hang_up()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        reply = venue.answer_to(self.command, self.path, body, self.headers).encode()
        if venue.lose_next_reply:
            venue.lose_next_reply = False
            self._hang_up()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply[: len(reply) // 2] if venue.cut_next_reply else reply)
        if venue.cut_next_reply:
            venue.cut_next_reply = False
            self._hang_up()

    do_GET = do_POST

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""


@pytest.fixture
def venue() -> Iterator[Venue]:
    venue = Venue()
    server = VenueServer(venue)
    venue.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield venue
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def desk(venue: Venue) -> Iterator[Desk]:
    desk = a_desk(venue.url)
    yield desk
    desk.transport.close()


def test_an_order_goes_out_signed_and_is_found_again(venue: Venue, desk: Desk) -> None:
    gateway = CoincallOrders(desk.client, desk.clock)

    assert gateway.submit(an_order()) == "77"

    found = gateway.find(a_client_id(), SENT_AT)
    assert found is not None
    assert (found.status, found.client_id) == (OrderStatus.NEW, a_client_id())


@pytest.mark.parametrize("fault", ["lose_next_reply", "cut_next_reply"])
def test_l5_a_lost_reply_is_unknown_and_then_found_and_never_sent_twice(venue: Venue, desk: Desk, fault: str) -> None:
    gateway = CoincallOrders(desk.client, desk.clock)
    setattr(venue, fault, True)

    with pytest.raises(OutcomeUnknown):
        gateway.submit(an_order())

    assert gateway.find(a_client_id(), SENT_AT) is not None
    assert venue.received.count("POST /open/option/order/create/v1") == 1


def test_l5_a_connection_that_breaks_on_reuse_is_unknown_too(venue: Venue, desk: Desk) -> None:
    gateway = CoincallOrders(desk.client, desk.clock)
    assert gateway.find(a_client_id(), SENT_AT) is None
    venue.ignore_next_request = True

    with pytest.raises(OutcomeUnknown):
        gateway.submit(an_order())

    assert venue.received.count("POST /open/option/order/create/v1") == 1
    assert gateway.find(a_client_id(), SENT_AT) is None


def test_a_read_survives_a_broken_connection(venue: Venue, desk: Desk) -> None:
    venue.cut_next_reply = True

    assert CoincallOrders(desk.client, desk.clock).open_orders() == ()
    assert len(venue.received) == 2


def test_l39_an_outage_is_unavailable_and_neither_empty_nor_unknown() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        desk = a_desk(f"http://127.0.0.1:{unused.getsockname()[1]}")

    with pytest.raises(ExchangeUnavailable):
        CoincallAccount(desk.client, desk.clock).read()
    with pytest.raises(ExchangeUnavailable):
        CoincallOrders(desk.client, desk.clock).submit(an_order())


def test_eight_workers_share_the_client(venue: Venue, desk: Desk) -> None:
    gateway = CoincallOrders(desk.client, desk.clock)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(5):
                assert gateway.open_orders() == ()
        except BaseException as error:  # noqa: BLE001 - a thread's failure is told by the test
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    started = monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert not failures
    assert len(venue.received) == 40
    assert monotonic() - started < 30


def test_the_servers_key_is_the_one_we_sent(venue: Venue, desk: Desk) -> None:
    assert KEY not in repr(desk)
    assert SECRET not in repr(vars(desk.transport))
    assert KEY not in repr(vars(desk.transport))
