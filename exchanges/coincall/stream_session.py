"""The talk on one Coincall connection, without the connection: what to say next, what was answered, and when silence is too long.

Its one rule: it is handed each frame and the time (monotonic seconds), and neither reads a clock nor touches a socket. Silence is judged by
content: a venue that answers heartbeats and tells nothing is deaf. Source: Coincall API 11.2, 11.3.
"""

import math
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from auth import Value, json_text
from clock import to_ms
from domain import Channel, Topic
from errors import DataNotFresh, ExchangeUnavailable
from exchanges.coincall.codes import VENUE
from exchanges.coincall.wire_stream import USD, Frame, topic_of

BATCH = 100  # symbols that one message may ask for
HEARTBEAT = '{"action":"heartbeat"}'
MESSAGES_PER_SECOND = 50  # the venue takes 100
REGULAR = frozenset({Topic.BOOK, Topic.TICKER, Topic.CHAIN, Topic.INDEX})  # what the venue pushes by itself again and again
_BY_SYMBOL = frozenset({Topic.BOOK, Topic.TAPE, Topic.TICKER, Topic.INDEX})
_PATIENCE = 3  # how many times `silence` one topic may keep quiet while others talk

_DATA_TYPES: Mapping[Topic, tuple[str, ...]] = MappingProxyType(
    {
        Topic.ORDERS: ("order",),
        Topic.FILLS: ("trade",),
        Topic.POSITIONS: ("position", "positionEvent"),
        Topic.REQUESTS: ("rfqTaker",),
        Topic.QUOTES: ("quoteReceived",),
        Topic.BLOCKS: ("blockTradeDetail",),
        Topic.REQUESTS_TO_QUOTE: ("rfqMaker",),
        Topic.OWN_QUOTES: ("rfqQuote",),
        Topic.BOOK: ("orderBook",),
        Topic.TAPE: ("lastTrade",),
        Topic.TICKER: ("bsInfo",),
        Topic.CHAIN: ("tOption",),
        Topic.INDEX: ("spotPrice",),
    }
)

# What a venue may refuse to an account that it tells everything else: those channels are for accounts with access to quoting (API 11.10).
_FOR_MAKERS = frozenset(name for topic in (Topic.REQUESTS_TO_QUOTE, Topic.OWN_QUOTES) for name in _DATA_TYPES[topic])


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How a connection is kept alive, in real seconds: `silence` is how long regular channels may tell nothing."""

    connect_within: timedelta = timedelta(seconds=5)
    answer_within: timedelta = timedelta(seconds=5)
    heartbeat_every: timedelta = timedelta(seconds=5)
    silence: timedelta = timedelta(seconds=10)
    first_wait: timedelta = timedelta(seconds=0.5)
    longest_wait: timedelta = timedelta(seconds=30)
    good_life: timedelta = timedelta(seconds=30)


# ---- subscriptions


@dataclass(frozen=True, slots=True)
class Ask:
    """One message that asks for a data type or gives it up: of these symbols, or of all, and of one expiry where it is a chain."""

    action: str
    data_type: str
    symbols: tuple[str, ...] = ()
    end: int | None = None

    def text(self) -> str:
        """Return it as it is sent."""
        symbol: Value = self.symbols[0] if len(self.symbols) == 1 else self.symbols
        payload = {"symbol": symbol, "end": self.end} if self.symbols else None
        return json_text({"action": self.action, "dataType": self.data_type, "payload": payload})

    def answered_by(self, frame: Frame) -> bool:
        """Tell whether an answer is to this kind of message."""
        return frame.data_type == self.data_type and (frame.action or "").upper() == self.action.upper()

    def repeated_by(self, frame: Frame) -> bool:
        """Tell whether an answer also repeats what this very message asked for."""
        said = frame.repeated
        if said is None:
            return False
        symbols = (said.symbol,) if isinstance(said.symbol, str) else said.symbol
        return sorted(symbols) == sorted(self.symbols) and said.end == self.end


def checked(channel: Channel) -> Channel:
    """Return a channel that can be asked for; raise ValueError for a subject that is missing or has no meaning."""
    has_subject = channel.topic in _BY_SYMBOL or channel.topic is Topic.CHAIN
    if has_subject != bool(channel.subject) or (channel.expiry is not None) != (channel.topic is Topic.CHAIN):
        raise ValueError(f"{channel} cannot be followed: the market has a subject, a chain an expiry too, the account has neither")
    return channel


def asks(action: str, channels: Collection[Channel]) -> tuple[Ask, ...]:
    """Return the messages that subscribe or unSubscribe channels, as few as the venue's batches allow. Source: Coincall API 11.3, 11.5."""
    return tuple(ask for topic in Topic for ask in _asks_of(action, topic, sorted(one for one in channels if one.topic is topic)))


def _asks_of(action: str, topic: Topic, channels: Sequence[Channel]) -> Iterator[Ask]:
    suffix = USD if topic in {Topic.INDEX, Topic.CHAIN} else ""
    for data_type in _DATA_TYPES[topic] if channels else ():
        if topic in _BY_SYMBOL:
            for start in range(0, len(channels), BATCH):
                yield Ask(action, data_type, tuple(one.subject + suffix for one in channels[start : start + BATCH]))
        elif topic is Topic.CHAIN:
            for one in channels:
                yield Ask(action, data_type, (one.subject + suffix,), None if one.expiry is None else to_ms(one.expiry))
        else:
            yield Ask(action, data_type)


# ---- the talk


class Session:
    """What one connection was asked for, what it has answered, and since when it keeps quiet about what.

    `refused` holds what was not granted to this account though it may follow the rest, by data type, with the venue's reason.
    """

    def __init__(self, name: str, pace: Pace, now: float) -> None:
        self._name = name
        self._answer_within, self._heartbeat_every = pace.answer_within.total_seconds(), pace.heartbeat_every.total_seconds()
        self._silence = pace.silence.total_seconds()
        self.refused: dict[str, str] = {}
        self._asked: frozenset[Channel] = frozenset()
        self._to_send: deque[Ask] = deque()
        self._unanswered: list[tuple[Ask, float]] = []
        self._sent_at: deque[float] = deque(maxlen=MESSAGES_PER_SECOND)
        self._beat_at, self._beat_unanswered = now, False
        self._told_at: dict[Topic, float] = {}
        self._any_told_at = now

    @property
    def complete(self) -> bool:
        """Tell whether everything asked for has been granted, or refused where that ends nothing."""
        return not self._to_send and not self._unanswered

    def follow(self, channels: frozenset[Channel], now: float) -> None:
        """Have exactly these channels asked for; the patience with a topic begins when it is first asked for."""
        if channels == self._asked:
            return
        self._to_send.extend((*asks("unSubscribe", self._asked - channels), *asks("subscribe", channels - self._asked)))
        self._asked = channels
        topics = {channel.topic for channel in channels} & REGULAR
        if not self._told_at:
            self._any_told_at = now
        self._told_at = {topic: self._told_at.get(topic, now) for topic in topics}

    def due(self, now: float) -> list[str]:
        """Return what to send at once, within the venue's limit; it counts as sent."""
        texts = list[str]()
        if now >= self._beat_at + self._heartbeat_every and not self._beat_unanswered and self._may_send(now):
            self._beat_at, self._beat_unanswered = now, True
            texts.append(HEARTBEAT)
            self._sent_at.append(now)
        while self._to_send and self._may_send(now):
            ask = self._to_send.popleft()
            if ask.action == "subscribe":
                self._unanswered.append((ask, now + self._answer_within))
            texts.append(ask.text())
            self._sent_at.append(now)
        return texts

    def heard(self, frame: Frame, now: float) -> None:
        """Note a frame; raise ExchangeUnavailable where it refuses a subscription that every account may have."""
        if frame.beats:
            self._beat_unanswered = False
        elif frame.told:
            self._any_told_at, topic = now, topic_of(frame.dt)
            if topic in self._told_at:
                self._told_at[topic] = now
        elif frame.action is not None:
            self._answered(frame)

    def deadline(self) -> float:
        """Return when to look again though nothing was heard; to be asked after `due`."""
        moments = [until for _, until in self._unanswered[:1]]
        if self._beat_unanswered:
            moments.append(self._beat_at + self._answer_within)
        else:
            moments.append(max(self._beat_at + self._heartbeat_every, self._may_send_at()))
        if self._to_send:
            moments.append(self._may_send_at())
        if self._told_at:
            moments.append(self._any_told_at + self._silence)
            moments.append(min(self._told_at.values()) + self._silence * _PATIENCE)
        return min(moments)

    def check(self, now: float) -> None:
        """Raise ExchangeUnavailable for an answer that did not come, DataNotFresh for a connection that tells nothing any more."""
        if self._beat_unanswered and now >= self._beat_at + self._answer_within:
            raise ExchangeUnavailable(VENUE, self._name, f"a heartbeat was not answered within {self._answer_within:g} s")
        for ask, until in self._unanswered[:1]:
            if now >= until:
                raise ExchangeUnavailable(VENUE, self._name, f"no answer to {ask.text()[:200]} within {self._answer_within:g} s")
        if self._told_at and now >= self._any_told_at + self._silence:
            raise DataNotFresh(VENUE, self._name, f"deaf: nothing was told for {self._silence:g} s")
        for topic, at in self._told_at.items():
            if now >= at + self._silence * _PATIENCE:
                raise DataNotFresh(VENUE, self._name, f"deaf: nothing of {topic} was told for {self._silence * _PATIENCE:g} s")

    def _may_send(self, now: float) -> bool:
        return now >= self._may_send_at()

    def _may_send_at(self) -> float:
        return self._sent_at[0] + 1.0 if len(self._sent_at) == MESSAGES_PER_SECOND else -math.inf

    def _answered(self, frame: Frame) -> None:
        """Take an answer for the message that it repeats, else for the oldest of its kind; one to no message of ours says nothing."""
        asked = [pair for pair in self._unanswered if pair[0].answered_by(frame)]
        if not asked:
            return
        found = next((pair for pair in asked if pair[0].repeated_by(frame)), asked[0])
        if frame.refusal is not None and found[0].data_type not in _FOR_MAKERS:
            raise ExchangeUnavailable(VENUE, self._name, f"{found[0].text()[:200]} was answered with {frame.refusal}")
        if frame.refusal is not None:
            self.refused[found[0].data_type] = frame.refusal
        self._unanswered.remove(found)
