"""A small venue that pushes: WebSockets on loopback that check the signature, answer as Coincall does, and fail as told to."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

import auth

from tests.wire.coincall_builders import KEY, SECRET


@dataclass
class StreamVenue:
    """One venue's sockets with faults to switch on; `received` holds what was said on each connection, in order."""

    port: int = 0
    tls: ssl.SSLContext | None = None
    refuses_signature: bool = False
    redirects_to: str = ""
    closes_at_once: bool = False
    acks: bool = True
    acks_backwards: bool = False
    refuses: str = ""
    answers_heartbeats: bool = True
    greets: tuple[str | bytes, ...] = ()
    received: list[list[Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    arrived_at: list[float] = field(default_factory=list)
    _standing: list[ServerConnection] = field(default_factory=list)
    _server: Server | None = None

    @property
    def url(self) -> str:
        """Return its address."""
        return f"{'ws' if self.tls is None else 'wss'}://127.0.0.1:{self.port}"

    @property
    def connected(self) -> int:
        """Return how many connections stand."""
        return len(self._standing)

    def start(self) -> None:
        """Listen, on the port it had before if it had one."""
        self._server = serve(
            self._served,
            "127.0.0.1",
            self.port,
            ssl=self.tls,
            process_request=self._judged,
            compression=None,
            close_timeout=0.2,
        )
        self.port = self._server.socket.getsockname()[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Stop listening and drop everybody."""
        if self._server is not None:
            self._server.shutdown()
            self._server = None
        self.drop()

    def drop(self) -> None:
        """Cut every connection without a word."""
        for connection in list(self._standing):
            with suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)
        self._standing.clear()

    def push(self, frame: str | bytes | dict[str, Any]) -> None:
        """Send a frame to everybody connected."""
        text = json.dumps(frame) if isinstance(frame, dict) else frame
        for connection in list(self._standing):
            connection.send(text)

    def push_at_once(self, texts: Sequence[str]) -> None:
        """Send short frames to everybody as one piece, as a venue under load does."""
        raw = b"".join(b"\x81\x7e" + len(text).to_bytes(2, "big") + text.encode() for text in texts)
        for connection in list(self._standing):
            connection.socket.sendall(raw)

    def ping(self) -> None:
        """Ping everybody and wait for their pongs."""
        for connection in list(self._standing):
            assert connection.ping().wait(5)

    def hang_up(self, code: int, reason: str) -> None:
        """Close every connection politely."""
        for connection in list(self._standing):
            connection.close(code, reason)
        self._standing.clear()

    def subscriptions(self, connection: int = -1) -> list[tuple[str, str]]:
        """Return action and data type of all but heartbeats on one connection."""
        return [(said["action"], said["dataType"]) for said in list(self.received[connection]) if said["action"] != "heartbeat"]

    def _judged(self, connection: ServerConnection, request: Request) -> Response | None:
        url = urlsplit(request.path)
        self.targets.append(request.path)
        query = dict(pair.split("=", 1) for pair in url.query.split("&"))
        signed = auth.verify(auth.websocket_prehash(query["apiKey"], query["ts"]), SECRET, query["sign"])
        if self.refuses_signature or not signed or query["apiKey"] != KEY or query["code"] != "10":
            return connection.respond(HTTPStatus.UNAUTHORIZED, f"signature {query['sign']} of {KEY}")
        if self.redirects_to:
            answer = connection.respond(HTTPStatus.FOUND, "")
            answer.headers["Location"] = f"{self.redirects_to}{request.path}"
            return answer
        self.paths.append(url.path)
        return None

    def _served(self, connection: ServerConnection) -> None:
        said: list[Any] = []
        self.received.append(said)
        if self.closes_at_once:
            connection.close(4001, f"bad signature for {KEY}")
            return
        self._standing.append(connection)
        try:
            for frame in self.greets:
                connection.send(frame)
            for text in connection:
                said.append(json.loads(text))
                self.arrived_at.append(time.monotonic())
                self._answer(connection, said)
        except (ConnectionClosed, OSError):
            return
        finally:
            with suppress(ValueError):  # it was dropped
                self._standing.remove(connection)

    def _answer(self, connection: ServerConnection, said: list[Any]) -> None:
        if said[-1]["action"] == "heartbeat":
            if self.answers_heartbeats:
                connection.send('{"c":11,"rc":1}')
        elif self.acks_backwards:
            if len(said) == 3:
                for one in reversed(said):
                    connection.send(json.dumps(self._ack(one)))
        elif self.acks:
            connection.send(json.dumps(self._ack(said[-1])))

    def _ack(self, said: dict[str, Any]) -> dict[str, Any]:
        result = "failed" if said["dataType"] == self.refuses else "success"
        echoed = {"payload": said["payload"]} if "payload" in said else {}
        return {"action": said["action"].upper(), "dataType": said["dataType"], "result": result} | echoed


@contextmanager
def a_stream_venue(**faults: Any) -> Iterator[StreamVenue]:
    """Return a venue that listens."""
    venue = StreamVenue(**faults)
    venue.start()
    try:
        yield venue
    finally:
        venue.stop()


def eventually(holds: Callable[[], object], within: float = 10.0) -> None:
    """Wait until something holds; fail the test where it does not in so many seconds."""
    until = time.monotonic() + within
    while not holds():
        if time.monotonic() > until:
            raise AssertionError(f"it never held within {within} s")
        time.sleep(0.002)
