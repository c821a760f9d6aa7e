"""One WebSocket to Coincall, from the first packet to the last: connect, shake hands, send, wait, read.

Its one rule: whatever goes wrong is ExchangeUnavailable with a reason that quotes no address, for the address holds key and signature.
Proxies of the machine are not used and redirects not followed. Each connection is a new one. Source: Coincall API 11.1.
"""

import re
import selectors
import socket
import ssl
from dataclasses import dataclass

import websocket

from errors import ExchangeUnavailable
from exchanges.coincall.codes import VENUE
from exchanges.coincall.wire import excerpt

_HALF_FRAME = 0.25  # seconds to wait for the rest of a frame before looking after other things; what has come of it is kept
_SIGNATURE = re.compile(r"[0-9A-Fa-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the venue's sockets are."""

    host: str
    port: int | None
    path: str
    tls: bool

    def url(self, name: str, query: str) -> str:
        """Return the address of a connection, signature and all: never to be logged."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'wss' if self.tls else 'ws'}://{host}:{self.real_port}{self.path}/{name}?{query}"

    @property
    def real_port(self) -> int:
        """Return the port, the scheme's own where none is named."""
        return self.port if self.port is not None else (443 if self.tls else 80)


class Line:
    """One WebSocket; all its methods but `abort` belong to one thread."""

    def __init__(self, name: str, address: Address, waker: socket.socket, timeout: float) -> None:
        """Take a socket that ends a wait when something can be read from it, and how many seconds a step may take."""
        self._name, self._address, self._waker, self._timeout = name, address, waker, timeout
        self._socket: socket.socket | None = None
        self._aborted = False
        self._web = websocket.WebSocket(enable_multithread=False, skip_utf8_validation=True)  # JSON is checked when it is read
        self._selector = selectors.DefaultSelector()

    def open(self, query: str) -> None:
        """Connect and shake hands."""
        try:
            stream = self._connected()
            self._web.settimeout(self._timeout)
            url = self._address.url(self._name, query)
            self._web.connect(url, socket=stream, redirect_limit=0, suppress_origin=True)  # type: ignore[no-untyped-call]
        except (websocket.WebSocketException, OSError, ValueError) as error:
            raise self._failed(error) from None
        self._selector.register(stream, selectors.EVENT_READ)
        self._selector.register(self._waker, selectors.EVENT_READ)

    def send(self, text: str) -> None:
        """Send one message; what could not be sent whole ends the connection."""
        self._web.settimeout(self._timeout)
        try:
            self._web.send(text)
        except (websocket.WebSocketException, OSError) as error:
            raise self._failed(error) from None

    def ready(self, seconds: float) -> bool:
        """Wait for something to read or for the waker, at most so long; tell whether there is something to read."""
        buffered = isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0
        found = [key.fileobj for key, _ in self._selector.select(0.0 if buffered else max(0.0, seconds))]
        if self._waker in found:
            self._waker.recv(4096)
        return buffered or self._socket in found

    def read(self) -> bytes | None:
        """Return the next whole message; None where it has not come whole yet, or was for the protocol only."""
        self._web.settimeout(_HALF_FRAME)
        try:
            opcode, body = self._web.recv_data(control_frame=True)
        except websocket.WebSocketTimeoutException:
            return None
        except (websocket.WebSocketException, OSError, ValueError) as error:
            raise self._failed(error) from None
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            code = int.from_bytes(body[:2], "big") if len(body) >= 2 else None
            raise self._unavailable(f"closed by the venue with {code} {body[2:].decode('utf-8', 'replace')!r}")
        return bytes(body) if opcode in {websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY} else None

    def abort(self) -> None:
        """End whatever it waits for, from any thread."""
        self._aborted = True
        stream = self._socket
        if stream is not None:
            try:
                stream.shutdown(socket.SHUT_RDWR)
            except OSError:  # it was not connected, or is not any more
                return

    def close(self) -> None:
        """Say goodbye where there is somebody to hear it, and let go of everything."""
        if self._web.connected:
            self._web.settimeout(_HALF_FRAME)
            try:
                self._web.send_close()
            except (websocket.WebSocketException, OSError):
                self._web.connected = False
        self._selector.close()
        self._web.shutdown()  # type: ignore[no-untyped-call]
        if self._socket is not None:
            self._socket.close()

    def _connected(self) -> socket.socket:
        refused = OSError("the host has no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(self._address.host, self._address.real_port, type=socket.SOCK_STREAM):
            stream = self._socket = socket.socket(family, kind, protocol)
            stream.settimeout(self._timeout)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                if self._aborted:
                    raise OSError("given up")
                stream.connect(address)
            except OSError as error:
                stream.close()
                refused = error
                continue
            return self._secured(stream) if self._address.tls else stream
        raise refused

    def _secured(self, stream: socket.socket) -> socket.socket:
        context = ssl.create_default_context()
        secured = self._socket = context.wrap_socket(stream, server_hostname=self._address.host, do_handshake_on_connect=False)
        secured.do_handshake()
        return secured

    def _failed(self, error: Exception) -> ExchangeUnavailable:
        if isinstance(error, websocket.WebSocketBadStatusException):
            body = error.resp_body
            return self._unavailable(f"HTTP {error.status_code}" + ("" if not body else f" {excerpt(bytes(body))}"))
        return self._unavailable(f"{type(error).__name__}: {error}"[:300])

    def _unavailable(self, reason: str) -> ExchangeUnavailable:
        where = f"{self._address.host}{self._address.path}/{self._name}"
        return ExchangeUnavailable(VENUE, self._name, f"{where}: {_SIGNATURE.sub('[redacted]', reason)}")
