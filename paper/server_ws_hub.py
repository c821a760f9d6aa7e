"""Everybody who listens, by what they listen to, and how a push reaches them without ever waiting for anybody.

A push is put into the backlog of each connection that has its topic; a task per connection empties it. Who reads too slowly is dropped.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from loguru import logger
from starlette.types import Send

from clock import monotonic
from paper.exchange import PaperExchange
from paper.pushes import Push, Pushes
from paper.rows import BalanceChanged, Event, OrderChanged, PositionChanged
from paper.server_faults import EVERYBODY
from paper.server_ws_faults import HELD_BACK, StreamFaults
from paper.server_ws_session import Session, StreamPolicy, Topic
from paper.wire_push_channels import BALANCE, Channel


class Line:
    """One open connection: its session, and the frames that wait to be written to it."""

    def __init__(self, account: str, session: Session, faults: StreamFaults, cut: Callable[[], None], backlog: int) -> None:
        self.account, self.session, self.dropped = account, session, False
        self._faults, self._cut, self._most = faults, cut, backlog
        self.frames: deque[str] = deque()  # what waits to be written
        self._held: deque[str] = deque()
        self._wake = asyncio.Event()

    def push(self, frame: str, *, private: bool) -> None:
        """Send a push, or what faults make of it."""
        delivery = self._faults.delivered(self.account, frame, monotonic(), private=private, swaps=not self._held)
        if delivery.held:
            self._held.extend(delivery.frames)
            asyncio.get_running_loop().call_later(HELD_BACK, self._release)
            return
        for one in delivery.frames:
            self.send(one)
        if private and delivery.frames:
            self._release()

    def send(self, frame: str) -> None:
        """Let a frame wait for its turn; the connection is dropped when too many wait."""
        if self.dropped:
            return
        if len(self.frames) >= self._most:
            self.drop(f"{self._most} frames wait, it does not read")
            return
        self.frames.append(frame)
        self._wake.set()

    def drop(self, reason: str) -> None:
        """End the connection without a word to it."""
        if not self.dropped:
            self.dropped = True
            logger.warning("paper exchange drops stream account={} reason={}", self.account, reason)
            self.frames.clear()
            self._cut()

    async def write(self, send: Send) -> None:
        """Write what waits, until cancelled; a full socket is waited for here and nowhere else."""
        while True:
            while self.frames:
                await send({"type": "websocket.send", "text": self.frames.popleft()})
            self._wake.clear()
            await self._wake.wait()

    def _release(self) -> None:
        while self._held:
            self.send(self._held.popleft())


class Hub:
    """All connections, and who wants what."""

    def __init__(self, exchange: PaperExchange, policy: StreamPolicy) -> None:
        self.faults, self.policy = StreamFaults(), policy
        self.stirred: set[int] = set()  # accounts of which something changed since the last turn
        self._exchange = exchange
        self._lines: set[Line] = set()
        self._by_topic: dict[Topic, dict[Line, None]] = {}
        self._newcomers: list[tuple[Line, Topic]] = []
        self.pushes = Pushes(exchange.engine, self.wanted, self._makers)
        exchange.listeners.append(self._listen)

    @property
    def open(self) -> bool:
        """Tell whether anybody is connected."""
        return bool(self._lines)

    @property
    def topics(self) -> Sequence[Topic]:
        """Return all topics that somebody listens to."""
        return tuple(self._by_topic)

    def wanted(self, channel: Channel, key: str) -> bool:
        """Tell whether anybody listens to a topic."""
        return (channel, key) in self._by_topic

    def join(self, line: Line) -> None:
        """Count a connection in."""
        self._lines.add(line)

    def leave(self, line: Line) -> None:
        """Forget a connection and all it listened to."""
        self._lines.discard(line)
        for topic in line.session.topics:
            self._forget(line, topic)

    def hear(self, line: Line, message: str) -> None:
        """Take a client's message: answer it, and let what it asks for begin.

        Topics of the market begin with the next turn, which sends how they stand first; those of accounts begin at once.
        """
        heard = line.session.hear(message, monotonic())
        for topic in heard.joined:
            if topic[0].asked.market or topic[0] is BALANCE:
                self._newcomers.append((line, topic))
            if not topic[0].asked.market:
                self._listen_to(line, topic)
        for topic in heard.left:
            self._forget(line, topic)
        line.send(heard.answer)

    def newcomers(self) -> Iterator[tuple[Line, Topic]]:
        """Yield who is new to a topic, counted in from now on; each is told once."""
        newcomers, self._newcomers = self._newcomers, []
        for line, topic in newcomers:
            if line in self._lines and topic in line.session.topics:
                self._listen_to(line, topic)
                yield line, topic

    @property
    def awaited(self) -> Sequence[Topic]:
        """Return the topics that somebody is new to."""
        return [topic for _, topic in self._newcomers]

    def publish(self, pushes: Iterable[Push]) -> None:
        """Send each push to whoever listens to its topic."""
        for push in pushes:
            for line in self._by_topic.get((push.channel, push.key), ()):
                line.push(push.frame, private=push.channel.asked.private)

    def sweep(self) -> None:
        """Drop who has been silent, or subscribed to nothing, for too long."""
        at = monotonic()
        for line in self._lines:
            reason = line.session.overdue(at, self.policy.quiet)
            if reason is not None:
                line.drop(f"{reason} for {self.policy.quiet:g} s")

    def drop(self, account: str, reason: str) -> None:
        """End every connection of an account, or of all with `*`."""
        for line in self._lines:
            if account in {EVERYBODY, line.account}:
                line.drop(reason)

    def _listen(self, events: Sequence[Event]) -> None:
        if not self._lines:
            return
        self.stirred.update(event.user for event in events if isinstance(event, OrderChanged | PositionChanged | BalanceChanged))
        try:
            self.publish(self.pushes.of(events, self._exchange.now()))
        except Exception:  # noqa: BLE001 - the boundary to the streams: a push that cannot be written must not hold up answers
            logger.exception("paper exchange cannot push")

    def _makers(self) -> list[int]:
        return sorted({credential.user for credential in self._exchange.credentials if credential.market_maker})

    def _listen_to(self, line: Line, topic: Topic) -> None:
        self._by_topic.setdefault(topic, {})[line] = None

    def _forget(self, line: Line, topic: Topic) -> None:
        listeners = self._by_topic.get(topic)
        if listeners is not None:
            listeners.pop(line, None)
            if not listeners:
                del self._by_topic[topic]
