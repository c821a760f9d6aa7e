"""The other exchange's WebSockets, as documented, out of the same books as its REST: what the lists show is what was pushed.

They are a little disorderly of their own accord: acks come in any order, pushes before the answer of the request that caused them, late,
or twice. A test makes them lose, double, garble or keep quiet. Times in real seconds. Source: Coincall API 11, 12.5.
"""

import hashlib
import heapq
import hmac
import itertools
import json
import logging
import random
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from http import HTTPStatus
from urllib.parse import unquote, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request as HandShake
from websockets.http11 import Response
from websockets.sync.server import Server, ServerConnection, serve

from tests.rehearsal.other_books import ZERO, Order, Trade
from tests.rehearsal.other_exchange import OtherExchange
from tests.rehearsal.other_frames import (
    block_frame,
    book_frame,
    order_frame,
    position_frame,
    quote_frame,
    request_frame,
    ticker_frame,
    trade_frame,
)
from tests.rehearsal.other_rfq import BlockDesk
from tests.rehearsal.other_wire import KEY, SECRET, dumps

PRIVATE = {"order": 11, "trade": 15, "position": 12, "positionEvent": 27, "rfqTaker": 129, "quoteReceived": 131, "blockTradeDetail": 22}
MARKET = {"orderBook": 5, "lastTrade": 6, "bsInfo": 3, "tOption": 4}
CHANNELS: Mapping[str, Mapping[str, int]] = {"/options": {**PRIVATE, **MARKET}, "/futures": {"spotPrice": 30}}
EVERY = {"orderBook": 0.5, "bsInfo": 0.5, "tOption": 1.0, "spotPrice": 0.3, "position": 1.0}
QUIET, BUSIEST, LOOK = 30.0, 100, 0.02
SHAKEN, LATE = 0.03, 0.06  # how late an ack and a push may come
_NOBODY = logging.getLogger("the other exchange's sockets")  # a client that is killed in the middle of a handshake is no news
_NOBODY.disabled = True
Topic = tuple[str, str]


class OtherStreams:
    """The sockets of one exchange; every method may be called from any thread."""

    def __init__(self, exchange: OtherExchange, desk: BlockDesk, seed: int = 0) -> None:
        self.exchange, self.desk = exchange, desk
        self.rng = random.Random(seed)
        self.port = 0
        self.bad_signatures: list[str] = []
        self.nonsense: list[str] = []
        self.pushed = self.connections = 0
        self.lost = self.doubled = self.garbled = 0.0  # shares of what is private
        self.late = 0.3
        self._silent_until = self._mute_until = self._refused_until = 0.0
        self._lock = threading.Lock()
        self._lines: list[_Line] = []
        self._known: dict[object, object] = {}
        self._held: dict[str, Decimal] = {}
        self._server: Server | None = None
        exchange.on_change = self._order_changed

    @property
    def url(self) -> str:
        """Return the address to give to the daemon."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def standing(self) -> int:
        """Return how many connections stand."""
        with self._lock:
            return len(self._lines)

    # ---- what a test may do to them

    def restore(self) -> None:
        """Listen, on the same port as before."""
        self._server = serve(
            self._talk, "127.0.0.1", self.port, process_request=self._judged, compression=None, close_timeout=0.1, logger=_NOBODY
        )
        self.port = self._server.socket.getsockname()[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        threading.Thread(target=self._look, args=(self._server,), daemon=True).start()

    def vanish(self) -> None:
        """Refuse connections from now on, and break those that stand."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
        self.drop()

    def drop(self) -> None:
        """Break every connection without a word."""
        for line in self._standing():
            line.cut()

    def silence(self, seconds: float) -> None:
        """Answer heartbeats and subscriptions, and push nothing; 0 ends it."""
        self._silent_until = time.monotonic() + seconds

    def mute(self, seconds: float) -> None:
        """Say nothing at all, while connections stand; 0 ends it."""
        self._mute_until = time.monotonic() + seconds

    def refuse(self, seconds: float) -> None:
        """Let nobody in, with HTTP 503; 0 ends it."""
        self._refused_until = time.monotonic() + seconds

    def behave(self) -> None:
        """Do nothing wrong any more but the small disorder."""
        self.lost = self.doubled = self.garbled = 0.0
        self._silent_until = self._mute_until = self._refused_until = 0.0

    def let_ahead(self) -> None:
        """Half of the times, hold an answer back until what it caused has been pushed."""
        if self.rng.random() < 0.5:
            until = time.monotonic() + LATE
            while time.monotonic() < until and any(line.waiting for line in self._standing()):
                time.sleep(0.001)

    # ---- pushing

    def tell(self, data_type: str, key: str, data: object, ts: int | None = None) -> None:
        """Push to everybody who asked for it."""
        code = CHANNELS["/futures" if data_type == "spotPrice" else "/options"][data_type]
        frame = dumps({"dt": code, "c": 20, "d": data} | ({} if ts is None else {"ts": ts}))
        for line in self._standing():
            if (data_type, key) in line.topics:
                self._push(line, frame, private=data_type in PRIVATE)

    def _push(self, line: "_Line", frame: str, *, private: bool) -> None:
        now, dice = time.monotonic(), self.rng
        if now < self._silent_until or now < self._mute_until or (private and dice.random() < self.lost):
            return
        if private and dice.random() < self.garbled:
            frame = frame[: len(frame) // 2]
        delay = dice.uniform(0, LATE) if private and dice.random() < self.late else 0.0
        line.say(frame, now + delay)
        self.pushed += 1
        if private and dice.random() < max(self.doubled, 0.05):
            line.say(frame, now + delay + dice.uniform(0, LATE))

    def _order_changed(self, order: Order, trade: Trade | None) -> None:
        """Tell one change of one order, and the match that it was; called with the exchange's lock held."""
        self.tell("order", "", order_frame(order, trade))
        if trade is not None:
            self.tell("trade", "", trade_frame(trade))
            shown = {"q": str(trade.qty), "sd": order.side, "pr": str(trade.price), "s": order.symbol, "ts": trade.at}
            self.tell("lastTrade", order.symbol, [shown])

    def _look(self, server: Server) -> None:
        """Tell what no request causes: the market as time passes, positions, and what makers do."""
        due: dict[Topic, float] = {}
        while self._server is server:
            with self.exchange.lock:
                self.exchange.advance()
                self._holdings()
                self._blocks()
                now = time.monotonic()
                for topic in {topic for line in self._standing() for topic in line.topics if topic[0] in EVERY}:
                    if now >= due.get(topic, 0.0):
                        due[topic] = now + EVERY[topic[0]]
                        self._regular(*topic)
            time.sleep(LOOK)

    def _regular(self, data_type: str, key: str) -> None:
        exchange = self.exchange
        if data_type == "position":
            for symbol in exchange.options:
                if (held := exchange.position(symbol)) != 0:
                    self.tell("position", "", position_frame(exchange.options[symbol], held), exchange.now())
            return
        if data_type == "spotPrice":
            index, at = exchange.index()
            self.tell(data_type, key, {"pr": index, "mp": index, "ip": index, "s": "BTCUSD", "ts": at}, exchange.now())
            return
        if data_type == "tOption":
            end = int(key.partition("@")[2])
            rows = [ticker_frame(option, exchange) for option in exchange.options.values() if option.expiry == end > exchange.now()]
            self.tell(data_type, key, rows)
            return
        option = exchange.options[key]
        self.tell(data_type, key, book_frame(option, exchange.now()) if data_type == "orderBook" else ticker_frame(option, exchange))

    def _holdings(self) -> None:
        for symbol, option in self.exchange.options.items():
            held = self.exchange.position(symbol)
            before, self._held[symbol] = self._held.get(symbol, ZERO), held
            if (held == 0) != (before == 0):
                self.tell("positionEvent", "", position_frame(option, held or before, closed=held == 0), self.exchange.now())

    def _blocks(self) -> None:
        self.desk.advance()
        now = self.exchange.now()
        for request in self.desk.requests:
            if self._news(("request", request.request_id), request.state):
                self.tell("rfqTaker", "", request_frame(request), now)
        for quote in self.desk.quotes:
            if self._news(("quote", quote.quote_id), quote.state):
                self.tell("quoteReceived", "", quote_frame(quote), now)
        for block in self.desk.blocks:
            if self._news(("block", block.quote.quote_id), True):
                self.tell("blockTradeDetail", "", block_frame(block), now)

    def _news(self, what: object, state: object) -> bool:
        known = self._known.get(what)
        self._known[what] = state
        return known != state

    # ---- connections

    def _standing(self) -> Sequence["_Line"]:
        with self._lock:
            return tuple(self._lines)

    def _judged(self, connection: ServerConnection, request: HandShake) -> Response | None:
        """Let in who has signed. Source: Coincall API 11.1."""
        if time.monotonic() < self._refused_until:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "")
        url = urlsplit(request.path)
        query = dict(pair.split("=", 1) for pair in url.query.split("&"))
        key, ts = unquote(query.get("apiKey", "")).replace(" ", "+"), query.get("ts", "0")
        if url.path not in CHANNELS or query.get("code") != "10":
            self.nonsense.append(f"stream {url.path} code {query.get('code')}")
            return connection.respond(HTTPStatus.NOT_FOUND, "")
        if (
            not any(_signature(f"GET/users/self/verify?{name}={KEY}&ts={ts}") == query.get("sign") for name in ("apiKey", "uuid"))
            or key != KEY
        ):
            self.bad_signatures.append(f"stream {url.path} at {ts}")
            return connection.respond(HTTPStatus.UNAUTHORIZED, "")
        late = self.exchange.now() - int(ts)
        return None if -1000 < late <= 5000 else connection.respond(HTTPStatus.UNAUTHORIZED, "")

    def _talk(self, connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        line = _Line(connection, CHANNELS[urlsplit(request.path).path])
        with self._lock:
            self._lines.append(line)
            self.connections += 1
        try:
            while True:
                self._heard(line, str(connection.recv(timeout=QUIET)))
        except (ConnectionClosed, OSError, TimeoutError):
            line.cut()
        finally:
            with self._lock:
                self._lines.remove(line)

    def _heard(self, line: "_Line", text: str) -> None:
        """Answer a message, within a moment and in no order. Source: Coincall API 11.2, 11.3."""
        now = time.monotonic()
        if not line.may_say(now):
            self.nonsense.append("more than 100 messages in a second")
        said = json.loads(text)
        if now < self._mute_until:
            return
        if said["action"] == "heartbeat":
            line.say('{"c":11,"rc":1}', now)
            return
        topics = list(_topics(said, line.channels, self.exchange))
        good = bool(topics) and said["action"].lower() in ("subscribe", "unsubscribe")
        if not good:
            self.nonsense.append(f"stream message {text}")
        elif said["action"].lower() == "subscribe":
            line.topics |= set(topics)
        else:
            line.topics -= set(topics)
        echoed = {"payload": said["payload"]} if "payload" in said else {}
        result = {"result": "success" if good else "Channel subscription failed."}
        line.say(
            json.dumps({"action": said["action"].upper(), "dataType": said["dataType"], **echoed, **result}),
            now + self.rng.uniform(0, SHAKEN),
        )


class _Line:
    """One connection: what it asked for, and what waits to be said to it, each frame at its moment."""

    def __init__(self, connection: ServerConnection, channels: Mapping[str, int]) -> None:
        self.topics: set[Topic] = set()
        self.channels = channels
        self._connection = connection
        self._waiting: list[tuple[float, int, str]] = []
        self._numbers = itertools.count()
        self._ready = threading.Condition()
        self._said: list[float] = []
        self._over = False
        threading.Thread(target=self._write, daemon=True).start()

    @property
    def waiting(self) -> bool:
        """Tell whether something has still to be said."""
        with self._ready:
            return bool(self._waiting)

    def may_say(self, now: float) -> bool:
        """Note a message of the client's; tell whether it is within the limit."""
        self._said = [*(at for at in self._said if at > now - 1), now]
        return len(self._said) <= BUSIEST

    def say(self, text: str, at: float) -> None:
        """Send a text at a moment."""
        with self._ready:
            heapq.heappush(self._waiting, (at, next(self._numbers), text))
            self._ready.notify()

    def cut(self) -> None:
        """End the connection without a word."""
        with self._ready:
            self._over = True
            self._ready.notify()
        with suppress(OSError):
            self._connection.socket.shutdown(socket.SHUT_RDWR)

    def _write(self) -> None:
        while True:
            with self._ready:
                while not self._over and (not self._waiting or self._waiting[0][0] > time.monotonic()):
                    self._ready.wait(self._waiting[0][0] - time.monotonic() if self._waiting else None)
                if self._over:
                    return
                text = heapq.heappop(self._waiting)[2]
            try:
                self._connection.send(text)
            except (ConnectionClosed, OSError):
                return


def _signature(text: str) -> str:
    return hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest().upper()


def _topics(said: Mapping[str, object], channels: Mapping[str, int], exchange: OtherExchange) -> Iterator[Topic]:
    """Yield what a message is about; nothing where it makes no sense."""
    name, payload = str(said.get("dataType")), said.get("payload")
    if name in PRIVATE and name in channels:
        yield name, ""
    if name not in channels or not isinstance(payload, dict):
        return
    told = payload.get("symbol")
    symbols = told if isinstance(told, list) else [told]
    if len(symbols) > BUSIEST:
        return
    for symbol in symbols:
        if name == "tOption" and symbol == "BTCUSD":
            yield name, f"{symbol}@{payload.get('end')}"
        elif symbol in exchange.options or (name == "spotPrice" and symbol == "BTCUSD"):
            yield name, str(symbol)
