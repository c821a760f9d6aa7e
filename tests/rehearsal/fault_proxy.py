"""A bad network: a proxy on loopback between the daemon and an exchange, for its HTTP and its WebSockets alike.

It knows HTTP and WebSocket frames and nothing of either side. What goes wrong is planned by path and count, or drawn by a seeded
schedule; nothing is wrong that was not asked for. It runs on a thread of its own; times are real seconds.
"""

import asyncio
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from tests.rehearsal.network_faults import Fault, Mode, Schedule, Wire

_HEADERS_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"^content-length:\s*(\d+)", re.IGNORECASE | re.MULTILINE)
_UPGRADE = re.compile(rb"^upgrade:\s*websocket", re.IGNORECASE | re.MULTILINE)
_SERVER_TIME = re.compile(rb'("serverTime":\s*)(\d+)')
_ALIVE = (b'"c":11', b'"action"')  # what answers the client itself, on a stream that pushes nothing


Peek = Callable[[], None]


class FaultProxy:
    """One listening socket in front of an exchange; every method may be called from any thread."""

    def __init__(self, upstream: str) -> None:
        """`upstream` is the exchange's address, http://host:port."""
        host, _, port = upstream.removeprefix("http://").partition(":")
        self._upstream = (host, int(port))
        self.schedule: Schedule | None = None
        self.wire = Wire()
        self.skew_ms = 0
        self.requests: list[tuple[float, str, str]] = []  # when, path, what it met
        self.frames = Counter[str]()  # what was done to frames
        self._faults: list[Fault] = []
        self._peeks: list[tuple[str, str, int, Peek]] = []
        self._lock = threading.Lock()
        self._writers: set[asyncio.StreamWriter] = set()
        self._sockets: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._closing: asyncio.Task[None] | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port = 0
        self._run(self._listen())

    @property
    def url(self) -> str:
        """Return the address to give to the daemon."""
        return f"http://127.0.0.1:{self.port}"

    # ---- what a test asks for

    def plan(self, *faults: Fault) -> None:
        """Let things go wrong, in this order."""
        with self._lock:
            self._faults.extend(faults)

    def clear(self) -> None:
        """Let everything go well again."""
        with self._lock:
            self._faults.clear()
        self.schedule, self.wire, self.skew_ms = None, Wire(), 0

    @property
    def waiting(self) -> Sequence[Fault]:
        """Return the faults that have met nothing yet, or not often enough."""
        with self._lock:
            return tuple(self._faults)

    def when(self, moment: str, path: str, act: Peek, *, after: int = 0) -> None:
        """Act once, at the "request" (before the exchange hears of it) or the "reply" (before the client does) on a path."""
        with self._lock:
            self._peeks.append((moment, path, after, act))

    def met(self, what: str) -> int:
        """Return how many requests met this mode."""
        with self._lock:
            return sum(found == what for _, _, found in self.requests)

    def refuse(self, seconds: float | None = None) -> None:
        """Close the listening socket and every connection; listen again on the same port after so many seconds, or by `listen`."""
        if threading.current_thread() is self._thread:  # asked for by a `when`: at this very moment
            self._closing = self._loop.create_task(self._close())
        else:
            self._run(self._close())
        if seconds is not None:
            asyncio.run_coroutine_threadsafe(self._later(seconds), self._loop)

    def listen(self) -> None:
        """Listen, on the same port as before."""
        self._run(self._listen())

    def drop_streams(self) -> None:
        """End every WebSocket with a reset."""
        self._run(self._reset_all(self._sockets))

    def stall_streams(self, seconds: float) -> None:
        """Forward nothing on WebSockets, either way, with the connections up."""
        self.wire.stalled_until = time.monotonic() + seconds

    def silence_streams(self, seconds: float) -> None:
        """Forward nothing but answers to the client on WebSockets."""
        self.wire.silent_until = time.monotonic() + seconds

    @property
    def streams(self) -> int:
        """Return how many WebSockets stand."""
        return len(self._sockets)

    def close(self) -> None:
        """End everything."""
        self._run(self._close())
        self._run(self._quiesce())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    # ---- the thread

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._client, "127.0.0.1", self.port, limit=2**24)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        await self._reset_all(self._writers)

    async def _later(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._listen()

    async def _reset_all(self, writers: set[asyncio.StreamWriter]) -> None:
        for writer in tuple(writers):
            _reset(writer)

    async def _quiesce(self) -> None:
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of the client, with one of its own to the exchange."""
        self._writers.add(writer)
        upstream: asyncio.StreamWriter | None = None
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            source, upstream = await asyncio.open_connection(*self._upstream, limit=2**24)
            while await self._exchange(reader, writer, source, upstream):
                pass
        self._writers.discard(writer)
        self._sockets.discard(writer)
        for one in (writer, upstream):
            if one is not None:
                one.close()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, source: asyncio.StreamReader, upstream: asyncio.StreamWriter
    ) -> bool:
        """Forward one request and its reply, or what is to become of them; tell whether the connection goes on."""
        request = await _message(reader)
        path = request.split(b" ", 2)[1].split(b"?")[0].decode()
        if _UPGRADE.search(request):
            await self._streamed(request, reader, writer, source, upstream)
            return False
        fault = self._met(path)
        self._peek("request", path)
        if fault is not None and fault.mode is Mode.LATE_REQUEST:
            await asyncio.sleep(fault.seconds)
        if fault is None or fault.processed or fault.mode not in {Mode.LOSE_REQUEST, Mode.INSTEAD}:
            upstream.write(request)
            reply = self._skewed(path, await _message(source))
        else:
            reply = b""
        self._peek("reply", path)
        if fault is not None and fault.mode is Mode.LATE_REPLY:
            await asyncio.sleep(fault.seconds)
        goes_on = _answered(writer, reply, fault)
        await writer.drain()
        return goes_on

    def _met(self, path: str) -> Fault | None:
        """Take the fault that a request meets now, if it meets one."""
        with self._lock:
            fault = self._planned(path) or (None if self.schedule is None else self.schedule.draw(path))
            self.requests.append((time.monotonic(), path, "" if fault is None else str(fault.mode)))
            return fault

    def _planned(self, path: str) -> Fault | None:
        for at, fault in enumerate(self._faults):
            if not fnmatchcase(path, fault.path):
                continue
            if fault.after > 0:
                self._faults[at] = replace(fault, after=fault.after - 1)
                continue
            if fault.count == 1:
                del self._faults[at]
            elif fault.count > 1:
                self._faults[at] = replace(fault, count=fault.count - 1)
            return fault
        return None

    def _peek(self, moment: str, path: str) -> None:
        with self._lock:
            for at, (wanted, pattern, after, act) in enumerate(self._peeks):
                if wanted == moment and fnmatchcase(path, pattern):
                    if after > 0:
                        self._peeks[at] = (wanted, pattern, after - 1, act)
                        return
                    del self._peeks[at]
                    break
            else:
                return
        act()

    def _skewed(self, path: str, reply: bytes) -> bytes:
        """Tell another time; as long as it has as many digits the length holds."""
        if not self.skew_ms or path != "/time":
            return reply
        return _SERVER_TIME.sub(lambda found: found[1] + str(int(found[2]) + self.skew_ms).encode(), reply)

    # ---- WebSockets

    async def _streamed(
        self,
        request: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        source: asyncio.StreamReader,
        upstream: asyncio.StreamWriter,
    ) -> None:
        upstream.write(request)
        self._sockets.add(writer)
        writer.write(await source.readuntil(_HEADERS_END))
        ways = [asyncio.create_task(self._pushed(source, writer)), asyncio.create_task(self._said(reader, upstream))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _said(self, reader: asyncio.StreamReader, upstream: asyncio.StreamWriter) -> None:
        """Forward what the client says."""
        while True:
            frame = await _frame(reader)
            await self._stalled()
            upstream.write(frame)
            await upstream.drain()

    async def _pushed(self, source: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward what the exchange pushes, or what is to become of it."""
        held = b""
        while True:
            frame = await _frame(source)
            await self._stalled()
            fate = None if any(word in frame for word in _ALIVE) else self._fate(holds=bool(held))
            if fate is not None:
                self.frames[fate] += 1
            match fate:
                case "silent":
                    continue
                case "swapped":
                    held = frame
                    continue
                case "cut":
                    writer.write(frame[: len(frame) // 2])
                    await writer.drain()
                    return
                case _:
                    writer.write(frame * (2 if fate == "doubled" else 1) + held)
            held = b""
            await writer.drain()

    def _fate(self, *, holds: bool) -> str | None:
        """Say what becomes of a push; None: nothing. `holds`: another one waits for it already."""
        if time.monotonic() < self.wire.silent_until:
            return "silent"
        if self.wire.cut > 0:
            self.wire.cut -= 1
            return "cut"
        if self.wire.swapped > 0 and not holds:
            self.wire.swapped -= 1
            return "swapped"
        if self.wire.doubled > 0:
            self.wire.doubled -= 1
            return "doubled"
        return None

    async def _stalled(self) -> None:
        while time.monotonic() < self.wire.stalled_until:
            self.frames["stalled"] += 1
            await asyncio.sleep(0.05)


@contextmanager
def a_bad_network(upstream: str) -> Iterator[FaultProxy]:
    """Stand between a client and an exchange for the length of a block."""
    proxy = FaultProxy(upstream)
    try:
        yield proxy
    finally:
        proxy.close()


# ---- bytes


async def _message(reader: asyncio.StreamReader) -> bytes:
    """Read one HTTP message whose length is told; one without a body ends with its headers."""
    head = await reader.readuntil(_HEADERS_END)
    length = _LENGTH.search(head)
    return head + (await reader.readexactly(int(length[1])) if length else b"")


async def _frame(reader: asyncio.StreamReader) -> bytes:
    """Read one WebSocket frame as it is, mask and all. Source: RFC 6455, 5.2."""
    head = await reader.readexactly(2)
    length, masked = head[1] & 0x7F, head[1] & 0x80
    if length >= 126:
        more = await reader.readexactly(2 if length == 126 else 8)
        head, length = head + more, int.from_bytes(more, "big")
    return head + await reader.readexactly(length + (4 if masked else 0))


def _answered(writer: asyncio.StreamWriter, reply: bytes, fault: Fault | None) -> bool:
    """Write a reply, or what becomes of it; tell whether the connection goes on."""
    match None if fault is None else fault.mode:
        case Mode.LOSE_REQUEST | Mode.LOSE_REPLY:
            return False
        case Mode.RESET:
            _reset(writer)
            return False
        case Mode.BROKEN_OFF:
            writer.write(reply[: len(reply) * 2 // 3])
            asyncio.get_running_loop().call_later(0.02, _reset, writer)
            return True
        case Mode.CUT:
            body = reply.split(_HEADERS_END, 1)[1]
            writer.write(_made(200, body[: len(body) // 2]))
        case Mode.INSTEAD:
            assert fault is not None
            writer.write(_made(fault.status, fault.body))
        case _:
            writer.write(reply)
    return True


def _made(code: int, body: bytes) -> bytes:
    kind = "text/html" if body.startswith(b"<") else "application/json"
    head = f"HTTP/1.1 {code} Whatever\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}"
    return head.encode() + _HEADERS_END + body


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with a reset, so that nobody takes it for a goodbye."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
