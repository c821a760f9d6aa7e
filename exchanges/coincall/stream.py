"""Coincall's WebSockets: each connection on a thread of its own, made anew whenever it ends or tells nothing any more.

Its one rule: what arrives goes to the listener at once and changes nothing here; what was missed is said with the moment since when. The
address holds key and signature, so no error and no log quotes it. Source: Coincall API 11.
"""

import random
import socket
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from urllib.parse import quote, urlsplit

from loguru import logger

from auth import Credentials, websocket_query
from clock import Clock, monotonic, to_ms
from domain import Channel, Option, Push, StreamLost, StreamOpened, StreamStanding, Topic
from errors import ConfigError, DataNotFresh, ExchangeUnavailable, MalformedResponse, VenueError
from exchanges.coincall.codes import VENUE
from exchanges.coincall.stream_line import Address, Line
from exchanges.coincall.stream_session import REGULAR, Pace, Session, checked
from exchanges.coincall.wire import excerpt
from exchanges.coincall.wire_stream import Frame, Receipt, parse_frame, pushes_of, topic_of

OPTIONS, FUTURES = "options", "futures"
PACE = Pace()
CLOSE_WITHIN = 1.0
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_ODDITIES = 100  # kinds that are told apart


@dataclass(frozen=True, slots=True, kw_only=True)
class _Desk:
    """What all connections share."""

    address: Address
    clock: Clock
    credentials: Credentials
    listener: Callable[[Push], None]
    listed: Callable[[str], Sequence[Option]]
    skew: Callable[[], timedelta]
    pace: Pace
    rng: random.Random

    def query(self) -> str:
        """Sign for this very moment."""
        return websocket_query(self.credentials.key, self.credentials.secret, to_ms(self.clock.now() + self.skew()))

    def redacted(self, text: str) -> str:
        """Return text without what only we and the venue know."""
        for word in (self.credentials.secret, self.credentials.key, quote(self.credentials.key, safe="")):
            text = text.replace(word, "[redacted]") if word else text
        return text


class CoincallStreams:
    """What Coincall tells unasked; the port Streams. The listener is called on the threads of the connections, one for each.

    A push is handed on as it came, twice where it came twice. `listed` names the options of an underlying such as BTC and must not wait.
    """

    def __init__(
        self,
        base_ws_url: str,
        clock: Clock,
        credentials: Credentials,
        listener: Callable[[Push], None],
        *,
        listed: Callable[[str], Sequence[Option]],
        skew: Callable[[], timedelta] = timedelta,
        pace: Pace = PACE,
        rng: random.Random | None = None,
    ) -> None:
        """Connect to nothing yet. Raises ConfigError for a host that would be sent keys in the clear."""
        url = urlsplit(base_ws_url)
        if url.hostname is None or (url.scheme != "wss" and not (url.scheme == "ws" and url.hostname in _LOOPBACK)):
            raise ConfigError(f"Coincall's WebSocket address must be wss, or ws on this machine, not {base_ws_url!r}")
        address = Address(host=url.hostname, port=url.port, path=url.path.rstrip("/"), tls=url.scheme == "wss")
        chance = random.Random() if rng is None else rng
        self._desk = _Desk(
            address=address,
            clock=clock,
            credentials=credentials,
            listener=listener,
            listed=listed,
            skew=skew,
            pace=pace,
            rng=chance,
        )
        self._lock = threading.Lock()
        self._connections: dict[str, _Connection] = {}
        self._closed = False

    def follow(self, channels: Collection[Channel], /) -> None:
        """Have exactly these channels followed from now on; raise ValueError, changing nothing, for one that cannot be."""
        wanted: dict[str, set[Channel]] = {name: set() for name in (OPTIONS, FUTURES)}
        for channel in channels:
            wanted[FUTURES if channel.topic is Topic.INDEX else OPTIONS].add(checked(channel))
        with self._lock:
            for name, ones in wanted.items():
                if name not in self._connections and ones and not self._closed:
                    self._connections[name] = _Connection(name, self._desk)
                if name in self._connections:
                    self._connections[name].follow(frozenset(ones))

    def renew(self, name: str, reason: str, /) -> None:
        """End a connection that somebody knows to be deaf, and make it anew; one that does not stand is being made anyway."""
        with self._lock:
            connection = self._connections.get(name)
        if connection is not None:
            connection.renew(reason)

    def standing(self) -> Sequence[StreamStanding]:
        """Return how each connection stands that a followed channel needs."""
        with self._lock:
            found = [connection.standing() for connection in self._connections.values()]
        return tuple(one for one in found if one.channels > 0)

    def oddities(self) -> Mapping[str, int]:
        """Return how often something came that could not be used, by its kind."""
        with self._lock:
            found = [Counter(connection.oddities) for connection in self._connections.values()]
        return MappingProxyType(sum(found, Counter()))

    def close(self) -> None:
        """End all connections and their threads, within a second; the listener hears nothing more."""
        with self._lock:
            self._closed, connections = True, tuple(self._connections.values())
        for connection in connections:
            connection.end()
        until = monotonic() + CLOSE_WITHIN
        for connection in connections:
            connection.join(max(0.0, until - monotonic()))


class _Connection:
    """One connection for as long as it is wanted: its thread opens it, listens, and opens it again."""

    def __init__(self, name: str, desk: _Desk) -> None:
        self._name, self._desk = name, desk
        self._waker, self._wake_end = socket.socketpair()
        self._wake_end.setblocking(False)
        self._line: Line | None = None
        self._wanted: frozenset[Channel] = frozenset()
        self._renewal: str | None = None
        self._ended = self._lost_told = False
        self._open_since: datetime | None = None
        self._silent_since: datetime | None = None
        self._heard_at: datetime | None = None
        self._wanted_at: datetime | None = None  # since when something is followed: what was heard before nobody wanted it is no news now
        self._regular_at: dict[Topic, datetime] = {}
        self._opened_at = 0.0
        self._connections = self._failures = 0
        self._reason = self._remark = ""
        self.oddities = Counter[str]()
        self._thread = threading.Thread(target=self._run, name=f"coincall-{name}", daemon=True)
        self._thread.start()

    # ---- called from any thread

    def follow(self, channels: frozenset[Channel]) -> None:
        """Have exactly these channels followed; an empty set ends the connection until there are some again."""
        if channels != self._wanted:
            if not self._wanted:
                self._wanted_at = self._desk.clock.now()
            self._wanted = channels
            self._wake()

    def renew(self, reason: str) -> None:
        """Have the connection made anew."""
        self._renewal = reason
        self._wake()

    def standing(self) -> StreamStanding:
        """Return how it stands, as heard since it was last wanted."""
        heard = self._heard_at if self._wanted_at is None or (self._heard_at and self._heard_at >= self._wanted_at) else None
        return StreamStanding(
            name=self._name,
            open_since=self._open_since,
            heard_at=heard,
            connections=self._connections,
            channels=len(self._wanted),
            reason=self._reason,
            failures=self._failures,
        )

    def end(self) -> None:
        """Have the thread end, whatever it waits for."""
        self._ended = True
        line = self._line
        if line is not None:
            line.abort()
        self._wake()

    def join(self, seconds: float) -> None:
        """Wait for the thread's end, at most so long."""
        self._thread.join(seconds)

    def _wake(self) -> None:
        try:
            self._wake_end.send(b"\0")
        except OSError:  # it is full of wake-ups, or the thread has gone
            return

    # ---- the thread

    def _run(self) -> None:
        with self._waker, self._wake_end:
            while not self._ended:
                if self._wanted:
                    self._attempt()
                else:
                    self._rest(None)

    def _attempt(self) -> None:
        """Live through one connection; however it ends, the next one is made."""
        try:
            self._live()
        except VenueError as error:
            self._lost(error)
        except Exception as error:  # noqa: BLE001 - the thread must outlive whatever happens to one connection
            self._lost(ExchangeUnavailable(VENUE, self._name, f"{type(error).__name__}: {error}"))
        else:
            self._left()
            return
        if not self._ended:
            self._rest(self._wait())

    def _live(self) -> None:
        self._renewal, self._remark = None, ""
        line = self._line = Line(self._name, self._desk.address, self._waker, self._desk.pace.connect_within.total_seconds())
        try:
            if self._ended:
                return
            line.open(self._desk.query())
            session = Session(self._name, self._desk.pace, monotonic())
            while self._wanted and not self._ended:
                self._turn(line, session)
        finally:
            self._line = None
            line.close()

    def _turn(self, line: Line, session: Session) -> None:
        """Say what is due, wait for a frame, a wake-up or the next deadline, and hand on what came."""
        if self._renewal is not None:
            raise DataNotFresh(VENUE, self._name, self._renewal)
        now = monotonic()
        session.follow(self._wanted, now)
        for text in session.due(now):
            line.send(text)
        if line.ready(session.deadline() - monotonic()):
            body = line.read()
            if body is not None:
                self._hear(session, body)
        session.check(monotonic())
        if self._open_since is None and session.complete:
            self._opened()
            for data_type, reason in session.refused.items():
                self._odd(f"channel {data_type} refused", self._desk.redacted(reason))

    def _hear(self, session: Session, body: bytes) -> None:
        at = self._heard_at = self._desk.clock.now()
        try:
            frame = parse_frame(body)
        except (MalformedResponse, RecursionError) as error:
            self._odd("frame malformed", self._desk.redacted(str(error)))
            return
        session.heard(frame, monotonic())
        topic = topic_of(frame.dt)
        if frame.told and topic is not None:
            self._regular_at[topic] = at
            self._hand_on(frame, Receipt(at, self._desk.skew(), self._desk.listed))
        elif frame.told:
            self._odd(f"channel {frame.dt} unknown", "")
        elif not frame.beats and frame.action is None:
            self._remark = self._desk.redacted(excerpt(body))
            self._odd("frame unknown", self._remark)

    def _hand_on(self, frame: Frame, receipt: Receipt) -> None:
        try:
            pushes = pushes_of(frame, receipt)
        except Exception as error:  # noqa: BLE001 - one frame that cannot be read, or options that cannot be listed, must not end the stream
            self._odd(f"channel {frame.dt} malformed", f"{type(error).__name__}: {error}")
            return
        for push in pushes:
            self._tell(push)

    def _tell(self, push: Push) -> None:
        if self._ended:
            return
        try:
            self._desk.listener(push)
        except Exception as error:  # noqa: BLE001 - the listener is somebody else's code; the next push may fare better
            self._odd(f"listener failed on {type(push).__name__}", f"{type(error).__name__}: {error}")

    def _odd(self, kind: str, reason: str) -> None:
        """Count what could not be used; log the first of each kind."""
        if kind not in self.oddities:
            if len(self.oddities) >= _ODDITIES:
                kind = "others"
            logger.warning("coincall stream oddity name={} kind={} reason={}", self._name, kind, reason)
        self.oddities[kind] += 1

    # ---- its life

    def _opened(self) -> None:
        at = self._desk.clock.now()
        self._open_since, self._opened_at, self._reason, self._lost_told = at, monotonic(), "", False
        self._connections += 1
        logger.info("coincall stream opened name={} connection={} silent_since={}", self._name, self._connections, self._silent_since)
        self._tell(StreamOpened(name=self._name, silent_since=self._silent_since, at=at))

    def _left(self) -> None:
        """Nobody wants it any more: what is missed from now on is missed on purpose, and said when it opens again."""
        if self._open_since is not None:
            self._silent_since, self._open_since, self._failures = self._heard_at, None, 0
            logger.info("coincall stream left name={}", self._name)

    def _lost(self, error: VenueError) -> None:
        """Say once that it is lost; note since when nothing is known: where it was deaf, since its quietest regular topic last spoke."""
        if self._open_since is not None:
            opened = self._open_since
            topics = {channel.topic for channel in self._wanted} & REGULAR
            told = [max(opened, self._regular_at.get(topic, opened)) for topic in topics]
            deaf = isinstance(error, DataNotFresh)
            self._silent_since = min(told, default=opened) if deaf else self._heard_at
            self._failures = 0 if monotonic() - self._opened_at >= self._desk.pace.good_life.total_seconds() else self._failures
            self._open_since = None
        remark = f"; it said {self._remark}" if self._remark else ""
        reason = self._desk.redacted(error.reason) + remark
        if reason != self._reason and not self._ended:
            logger.warning("coincall stream lost name={} reason={}", self._name, reason)
        self._reason = reason
        if not self._lost_told:
            self._lost_told = True
            self._tell(StreamLost(name=self._name, reason=reason, at=self._desk.clock.now()))

    def _wait(self) -> float:
        """Return how long to wait before the next attempt: anything up to a bound that doubles with each failure."""
        bound = min(self._desk.pace.longest_wait, self._desk.pace.first_wait * 2 ** min(self._failures, 16))
        self._failures += 1
        return self._desk.rng.uniform(0.0, bound.total_seconds())

    def _rest(self, seconds: float | None) -> None:
        """Wait so long, or until there is something to follow; the end of the streams ends it."""
        until = None if seconds is None else monotonic() + seconds
        while not self._ended and (until is None or monotonic() < until):
            self._waker.settimeout(None if until is None else max(0.001, until - monotonic()))
            try:
                self._waker.recv(64)
            except TimeoutError:
                return
            if until is None and self._wanted:
                return
