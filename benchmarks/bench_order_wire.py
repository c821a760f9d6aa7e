"""From an order as decided to its bytes handed to a loopback socket: building, budget, signing, HTTP. Aim: p99 under 1 ms.

Run alone with `python -m benchmarks.bench_order_wire [orders]`, or with the others by `make bench`.
"""

import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from auth import Credentials
from clock import SystemClock
from domain import ClientOrderId, NewOrder, Option, OptionType, Purpose, Side
from exchanges.coincall.client import CoincallClient
from exchanges.coincall.limits import LIMITS, Limit, RateLimiter
from exchanges.coincall.transport import Transport

REPLY = b'{"code":0,"msg":"Success","i18nArgs":null,"data":1900000000000000123}'
WARM_UP = 200


class _Taker(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Take the order and say so."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(REPLY), REPLY))


class _Stopwatch:
    """Remembers when the last byte of a request was handed to the socket."""

    def __init__(self) -> None:
        self.sent = 0.0

    @contextmanager
    def on_every_send(self) -> Iterator[None]:
        """Watch every connection."""
        original = HTTPConnection.send

        def send(connection: HTTPConnection, data: bytes) -> None:
            original(connection, data)
            self.sent = time.perf_counter()

        HTTPConnection.send = send  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            HTTPConnection.send = original  # type: ignore[method-assign]


@contextmanager
def _server() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Taker)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _client(url: str) -> CoincallClient:
    wide = {group: Limit(10**9, limit.per) for group, limit in LIMITS.items()}
    clock = SystemClock()
    return CoincallClient(Transport(url, clock, credentials=Credentials("key", "5ecret" * 10), limiter=RateLimiter(clock, limits=wide)))


def _order(attempt: int) -> NewOrder:
    option = Option(
        symbol="BTCUSD-28MAR26-100000-C",
        underlying="BTC",
        tick=Decimal("0.1"),
        lot=Decimal("0.01"),
        option_type=OptionType.CALL,
        strike=Decimal(100000),
        expiry=datetime(2026, 3, 28, 8, tzinfo=UTC),
    )
    client_id = ClientOrderId(desk=42, trade=17, leg=0, purpose=Purpose.OPEN, attempt=attempt % 10000)
    return NewOrder(client_id=client_id, instrument=option, side=Side.BUY, qty=Decimal("0.5"), price=Decimal("1510.5"))


def measure(orders: int) -> tuple[list[float], list[float]]:
    """Return for each order the milliseconds until its last byte was handed over, and until its answer was read."""
    out: list[float] = []
    back: list[float] = []
    watch = _Stopwatch()
    with _server() as url, watch.on_every_send():
        client = _client(url)
        for attempt in range(orders + WARM_UP):
            order = _order(attempt)
            started = time.perf_counter()
            client.create(order)
            ended = time.perf_counter()
            out.append((watch.sent - started) * 1000)
            back.append((ended - started) * 1000)
    return out[WARM_UP:], back[WARM_UP:]


def figures(name: str, spans: list[float]) -> str:
    """Return median and tail of spans, in ms."""
    cuts = statistics.quantiles(spans, n=1000, method="inclusive")
    return f"{name}: p50 {cuts[499]:.3f} ms  p99 {cuts[989]:.3f} ms  max {max(spans):.3f} ms  n={len(spans)}"


def test_order_to_wire(benchmark) -> None:  # type: ignore[no-untyped-def]
    """Time whole round trips for the table of pytest-benchmark."""
    with _server() as url:
        client = _client(url)
        order = _order(1)
        benchmark(client.create, order)


def main() -> None:
    """Print the figures."""
    out, back = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
    print(figures("decision to bytes on the wire", out))
    print(figures("decision to answer read", back))


if __name__ == "__main__":
    main()
