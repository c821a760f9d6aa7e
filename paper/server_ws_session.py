"""One stream's side of the talk, without its socket: what a client asks, what it is answered, when it has said too much or too little.

Subscriptions are kept here and nowhere else, so they end with the connection. Source: Coincall API 11.2 and 11.3.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from paper.answers import MESSAGES, JsonObject, encoded
from paper.pushes import EVERYBODY, account_key
from paper.wire_push_channels import Asked, Channel

Topic = tuple[Channel, str]
# Why a market channel has nothing of this key (an option's symbol, an index, `index@expiry`); None if it has.
Missing = Callable[[Channel, str], str | None]

HEARTBEAT = '{"c":11,"rc":1}'
BUSIEST = 100
_NOT_ALLOWED, _ILLEGAL, _FAILED = MESSAGES[10554], MESSAGES[10004], "Channel subscription failed."


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPolicy:
    """When a stream is given up: real seconds without a message or without a subscription, and the most frames that may wait for a reader.

    `speed` is the market's, in seconds per second of the wall. A client that writes every 30 s is seen to stay, hence the second more.
    Source: Coincall API 11.2, 15 (60).
    """

    quiet: float = 31.0
    backlog: int = 10_000
    speed: float = 1.0


@dataclass(slots=True)
class Heard:
    """What a message leads to: what is answered, and the topics that come and go."""

    answer: str
    joined: list[Topic] = field(default_factory=list)
    left: list[Topic] = field(default_factory=list)


class _Asked(msgspec.Struct):
    action: str = ""
    dataType: str = ""
    payload: dict[str, object] | None = None


class _Refused(Exception):
    """A subscription that is not to be had; its text says why."""


class Session:
    """What one client has asked for; times are real seconds of a clock that never steps back."""

    def __init__(self, user: int, channels: Mapping[str, Channel], missing: Missing, at: float, *, may_quote: bool = False) -> None:
        self.topics: set[Topic] = set()
        self._user, self._channels, self._missing, self._may_quote = user, channels, missing, may_quote
        self._heard_at = self._busy_at = at
        self._recent: deque[float] = deque(maxlen=BUSIEST)

    def hear(self, message: str, at: float) -> Heard:
        """Take one message and return what it leads to; one beyond 100 in a second is answered with an error and leads to nothing."""
        self._heard_at = at
        if len(self._recent) == BUSIEST and at - self._recent[0] < 1:
            return Heard(encoded({"action": "ERROR", "result": f"too many request, at most {BUSIEST} per second"}).decode())
        self._recent.append(at)
        try:
            asked = msgspec.json.decode(message, type=_Asked)
        except msgspec.MsgspecError:
            return Heard(_answer("", "", None, _ILLEGAL))
        action = asked.action.lower()
        if action == "heartbeat":
            return Heard(HEARTBEAT)
        if action not in {"subscribe", "unsubscribe"}:
            return Heard(_answer(action, asked.dataType, asked.payload, f"{_ILLEGAL}: unknown action"))
        return self._changed(asked, action)

    def overdue(self, at: float, quiet: float) -> str | None:
        """Return why the stream is to be given up; None if it is not."""
        if self.topics:
            self._busy_at = at
        if at - self._heard_at > quiet:
            return "no message"
        return "no subscription" if at - self._busy_at > quiet else None

    def _changed(self, asked: _Asked, action: str) -> Heard:
        try:
            topics = self._topics(asked, checked=action == "subscribe")
        except _Refused as why:
            return Heard(_answer(action, asked.dataType, asked.payload, f"{_FAILED} {why}"))
        heard = Heard(_answer(action, asked.dataType, asked.payload, "success"))
        if action == "subscribe":
            heard.joined = [topic for topic in topics if topic not in self.topics]
            self.topics.update(topics)
        else:
            heard.left = [topic for topic in topics if topic in self.topics]
            self.topics.difference_update(topics)
        return heard

    def _topics(self, asked: _Asked, *, checked: bool) -> list[Topic]:
        channel = self._channels.get(asked.dataType)
        if channel is None:
            raise _Refused(f"Unknown dataType {asked.dataType!r}.")
        if channel.asked is Asked.EVERYBODY:
            return [(channel, EVERYBODY)]
        if channel.asked.private:
            if channel.asked is Asked.MAKERS and not self._may_quote:
                raise _Refused(_NOT_ALLOWED)
            return [(channel, account_key(self._user))]
        keys = list(dict.fromkeys(_keys(channel, asked.payload or {})))
        if channel.most is not None and len(keys) > channel.most:
            raise _Refused(f"{len(keys)} symbols, at most {channel.most}.")
        problem = next(filter(None, (self._missing(channel, key) for key in keys)), None) if checked else None
        if problem is not None:
            raise _Refused(problem)
        return [(channel, key) for key in keys]


def _keys(channel: Channel, payload: Mapping[str, object]) -> list[str]:
    match payload.get("symbol"):
        case str(symbol) if symbol:
            symbols = [symbol]
        case [str(), *_] as many if all(isinstance(symbol, str) for symbol in many):
            symbols = [str(symbol) for symbol in many]
        case _:
            raise _Refused(MESSAGES[10570].format("symbol"))
    if channel.asked is not Asked.CHAIN:
        return symbols
    end = payload.get("end")
    if not isinstance(end, int):
        raise _Refused(MESSAGES[10570].format("end"))
    return [chain_key(symbol, end) for symbol in symbols]


def chain_key(index: str, end: int) -> str:
    """Return the key of a chain: its index and its expiry in Unix milliseconds."""
    return f"{index}@{end}"


def _answer(action: str, data_type: str, payload: object, result: str) -> str:
    told: JsonObject = {"action": action.upper(), "dataType": data_type}
    if payload is not None:
        told["payload"] = payload
    return encoded({**told, "result": result}).decode()
