"""One short visit to Coincall's WebSocket: does it open for our key, answer a heartbeat, and tell anything?

Source: Coincall API 11.1 to 11.4.
"""

import socket
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec

from auth import Credentials, websocket_query
from clock import Clock, monotonic, to_ms
from exchanges.coincall.stream_line import Address, Line

_HEARTBEAT, _CONTENT = 11, 20


@dataclass(frozen=True, slots=True)
class Heard:
    """After how many real seconds the connection stood, the heartbeat was answered, and the first push came; None: not in time."""

    opened: float
    heartbeat: float | None
    content: float | None


def listen(
    ws_url: str, credentials: Credentials, clock: Clock, symbol: str, *, skew: timedelta = timedelta(0), within: float = 10.0
) -> Heard:
    """Open the options socket, follow one option, and wait for an answer and a push; raise ExchangeUnavailable where it does not open."""
    url = urlsplit(ws_url)
    address = Address(host=url.hostname or "", port=url.port, path=url.path.rstrip("/"), tls=url.scheme == "wss")
    near, far = socket.socketpair()
    begun = monotonic()
    with closing(near), closing(far):
        line = Line("options", address, near, within)
        try:
            line.open(websocket_query(credentials.key, credentials.secret, to_ms(clock.now() + skew)))
            opened = monotonic() - begun
            for topic in ("orderBook", "bsInfo"):
                line.send(f'{{"action":"subscribe","dataType":"{topic}","payload":{{"symbol":"{symbol}"}}}}')
            line.send('{"action":"heartbeat"}')
            return _heard(line, opened, begun, within)
        finally:
            line.close()


def _heard(line: Line, opened: float, begun: float, within: float) -> Heard:
    first: dict[int, float] = {}
    while len(first) < 2 and (left := begun + within - monotonic()) > 0:
        body = line.read() if line.ready(left) else None
        kind = None if body is None else _kind(body)
        if kind in {_HEARTBEAT, _CONTENT}:
            first.setdefault(int(kind), monotonic() - begun)
    return Heard(opened, first.get(_HEARTBEAT), first.get(_CONTENT))


def _kind(body: bytes) -> int | None:
    try:
        found = msgspec.json.decode(body, type=dict[str, Any]).get("c")
    except msgspec.MsgspecError:
        return None
    return found if isinstance(found, int) else None
