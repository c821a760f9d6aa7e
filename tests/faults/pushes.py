"""What the exchange tells a daemon unasked, in process: the paper exchange's own frames, read as the daemon's streams read them.

What can go wrong with them is a mood of the world; prices are not told, so that the daemon's polling of them stays in the rehearsal.
"""

import random
from collections import deque
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from enum import StrEnum

from clock import Clock
from domain import Channel, Push, StreamLost, StreamOpened, StreamStanding
from errors import MalformedResponse, VenueError
from exchanges.coincall.wire_stream import Receipt, parse_frame, pushes_of
from paper import wire_push_channels as channels
from paper.exchange import PaperExchange
from paper.pushes import Pushes, account_key
from paper.rows import Event
from wiring import StreamPlan

from tests.faults.clockwork import Agenda

NAME = "options"
TOLD = frozenset({channels.ORDER, channels.TRADE, channels.QUOTE_RECEIVED, channels.RFQ_TAKER, channels.BLOCK_DETAIL})
_REOPENS = 3.0  # seconds from a drop to the next connection


class Mood(StrEnum):
    """How the stream is."""

    OFF = "off"  # there is none
    WELL = "well"
    SILENT = "silent"  # it stands, and tells nothing
    DOWN = "down"
    TWICE = "twice"
    SHUFFLED = "shuffled"
    GARBLED = "garbled"
    LATE = "late"


class Crier:
    """The exchange's side: writes a frame for whatever happens on one account, and hands it to whoever listens."""

    def __init__(self, exchange: PaperExchange, user: int, agenda: Agenda, rng: random.Random) -> None:
        key = account_key(user)
        self._pushes = Pushes(exchange.engine, lambda channel, told: channel in TOLD and told == key, lambda: [])
        self._exchange, self._agenda, self._rng = exchange, agenda, rng
        self.mood = Mood.WELL
        self.listener: Ear | None = None
        self._held: deque[str] = deque()
        exchange.listeners.append(self._happened)

    def turn(self, mood: Mood) -> None:
        """Change the mood; a connection that ends is said to be lost, one that comes back says since when it heard nothing."""
        before, self.mood = self.mood, mood
        ear = self.listener
        if ear is None or Mood.OFF in (before, mood):
            return
        if mood is Mood.DOWN:
            ear.lost()
        elif before in (Mood.DOWN, Mood.SILENT):
            self._agenda.after(_REOPENS, ear.opened, ear.owner)

    def _happened(self, events: Sequence[Event]) -> None:
        if self.listener is None or self.mood in (Mood.OFF, Mood.SILENT, Mood.DOWN):
            return
        for push in self._pushes.of(events, self._exchange.now()):
            self._tell(push.frame)

    def _tell(self, frame: str) -> None:
        rng, ear = self._rng, self.listener
        assert ear is not None
        match self.mood:
            case Mood.TWICE:
                ear.hear(frame, rng.uniform(0.002, 0.02))
                ear.hear(frame, rng.uniform(0.002, 4.0))
            case Mood.SHUFFLED:
                ear.hear(frame, rng.uniform(0.002, 3.0))
            case Mood.LATE:
                ear.hear(frame, 6.0)
            case Mood.GARBLED if rng.random() < 0.7:
                ear.hear(frame[: rng.randrange(len(frame))], 0.01)
            case _:
                ear.hear(frame, rng.uniform(0.002, 0.02))


class Ear:
    """One life's side: the port Streams, whose frames are read on a call of their own, as the stream's thread would."""

    def __init__(self, crier: Crier, agenda: Agenda, owner: object, plan: StreamPlan) -> None:
        self._crier, self._agenda, self.owner, self._plan = crier, agenda, owner, plan
        self._clock: Clock = plan.clock
        self._listener: Callable[[Push], None] = plan.listener
        self._open_since: datetime | None = None
        self._heard_at: datetime | None = None
        self._following: Collection[Channel] = ()
        crier.listener = self

    def follow(self, channels: Collection[Channel], /) -> None:
        """Follow; the first time this opens the connection."""
        if not self._following and self._crier.mood is not Mood.DOWN:
            self._agenda.after(0.05, self.opened, self.owner)
        self._following = channels

    def renew(self, name: str, reason: str, /) -> None:
        """Make the connection anew."""
        self.lost()
        self._agenda.after(_REOPENS, self.opened, self.owner)

    def standing(self) -> Sequence[StreamStanding]:
        """Return how the connection stands."""
        count = len(self._following)
        return (
            StreamStanding(
                name=NAME, open_since=self._open_since, heard_at=self._heard_at, connections=1, channels=count, reason=self._crier.mood
            ),
        )

    def close(self) -> None:
        """Hear nothing more."""
        self._crier.listener = None

    def opened(self) -> None:
        """Say that the connection stands."""
        if self._crier.listener is self and self._crier.mood is not Mood.DOWN:
            self._open_since = self._clock.now()
            self._listener(StreamOpened(name=NAME, silent_since=self._heard_at, at=self._open_since))

    def lost(self) -> None:
        """Say that the connection has ended."""
        self._open_since = None
        self._listener(StreamLost(name=NAME, reason="the world is like that", at=self._clock.now()))

    def hear(self, frame: str, seconds: float) -> None:
        """Let a frame arrive after so many seconds."""
        self._agenda.after(seconds, lambda: self._agenda.call(lambda: self._read(frame), self.owner), self.owner)

    def _read(self, frame: str) -> None:
        self._heard_at = self._clock.now()
        try:
            parsed = parse_frame(frame.encode())
            told = pushes_of(parsed, Receipt(self._heard_at, self._plan.transport.skew, self._plan.listed))
        except (MalformedResponse, VenueError, KeyError):  # the streams count it as odd and go on
            return
        for push in told:
            self._listener(push)
