"""What the streams tell without being stirred by an event: books, tickers and chains as they move, positions by the second, balances.

Spans are real seconds; what is told is of market time. A thing that stands still is told again now and then, so that who watches the
content of a stream and not only its pulse can tell a quiet market from a dead stream. Source: Coincall API 11.5 and 11.7.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal

from clock import monotonic
from domain import ZERO
from errors import DataNotFresh
from paper import routes_market, wire_push, wire_push_market
from paper import wire_push_channels as channels
from paper.answers import MESSAGES, JsonObject, encoded, ms
from paper.exchange import COIN, PaperExchange
from paper.pushes import Push
from paper.rules import Refused, refusal
from paper.server_request import Params, Refusal
from paper.server_routes import Call
from paper.server_ws_hub import Hub
from paper.server_ws_session import Topic
from paper.wire_push_channels import Asked, Channel

Content = JsonObject | list[JsonObject]
_SATOSHI = Decimal("0.00000001")
_HISTORY = 100
_BY_SECOND = 1.0
_TAPES = frozenset({channels.LAST_TRADE, channels.LAST_TRADE_V2})
_SLACK = 0.02  # a turn that comes a little early is in time


@dataclass(frozen=True, slots=True)
class _Pace:
    """Real seconds between two looks at a thing, and after which it is told again though it stands still."""

    look: float
    again: float


_PACES: Mapping[Channel, _Pace] = {
    channels.BOOK: _Pace(0.1, 1.0),
    channels.TICKER: _Pace(0.25, 2.0),
    channels.SPOT_PRICE: _Pace(0.25, 2.0),
    channels.CHAIN: _Pace(1.0, 2.0),
}


@dataclass(slots=True)
class _Told:
    """What was last told of a topic: when it was looked at, when sent, its content without moments, its frame."""

    looked: float
    sent: float = float("-inf")
    content: bytes = b""
    frame: str | None = None


class Turns:
    """One turn after the other, ten a second; nothing is looked at that nobody listens to."""

    def __init__(self, exchange: PaperExchange, hub: Hub, elapsed: Callable[[], float] = monotonic) -> None:
        self._exchange, self._hub, self._elapsed = exchange, hub, elapsed
        self._told: dict[Topic, _Told] = {}
        self._balances: dict[Topic, str] = {}
        self._second = float("-inf")

    def missing(self, channel: Channel, key: str) -> str | None:
        """Return why there is nothing of this key on a channel; None if there is."""
        now = self._exchange.now()
        try:
            if channel.asked is Asked.OPTION:
                self._listed(key, now)
                return None
            return f"{key}: there are none" if self._content(channel, key, now) == [] else None
        except (Refused, Refusal, DataNotFresh) as no:
            return f"{key}: {_said(no)}"

    def take(self) -> None:
        """Tell what is due by now."""
        if not self._hub.open:
            return
        self._hub.sweep()
        now, at = self._exchange.now(), self._elapsed()
        if self._play_tapes(now):
            self._exchange.settle()
        self._hub.publish(self._of_market(now, at))
        self._hub.publish(self._of_accounts(now, at))
        for line, topic in list(self._hub.newcomers()):
            frame = self._standing(topic, now, at)
            if frame is not None:
                line.push(frame, private=topic[0].asked.private)

    def _play_tapes(self, now: datetime) -> bool:
        """Let the orders of others trade where somebody watches the tape, which is asked for to be alive; tell whether anybody does."""
        watched = [symbol for channel, symbol in (*self._hub.topics, *self._hub.awaited) if channel in _TAPES]
        for symbol in watched:
            with suppress(Refused, DataNotFresh):
                self._exchange.engine.reports.last_trades(symbol, now, 1)
        return bool(watched)

    def _of_market(self, now: datetime, at: float) -> Iterator[Push]:
        topics = [topic for topic in self._hub.topics if topic[0] in _PACES]
        self._told = {topic: self._told[topic] for topic in topics if topic in self._told}
        for topic in topics:
            pace, told = _PACES[topic[0]], self._told.setdefault(topic, _Told(float("-inf")))
            again, before = at - told.sent >= pace.again - _SLACK, told.content
            if at - told.looked < pace.look - _SLACK and not again:
                continue
            self._look(topic, told, now, at)
            if told.frame is not None and (again or told.content != before):
                told.sent = at
                yield Push(*topic, told.frame)

    def _of_accounts(self, now: datetime, at: float) -> Iterator[Push]:
        stirred, self._hub.stirred = self._hub.stirred, set()
        by_second = at - self._second >= _BY_SECOND - _SLACK
        for channel, key in self._hub.topics:
            if channel is channels.POSITION and by_second:
                yield from self._hub.pushes.positions(int(key), now)
            elif channel is channels.BALANCE and (by_second or int(key) in stirred):
                frame = self._balance(int(key), now)
                if frame != self._balances.get((channel, key)):
                    self._balances[channel, key] = frame
                    yield Push(channel, key, frame)
        if by_second:
            self._second = at

    def _standing(self, topic: Topic, now: datetime, at: float) -> str | None:
        """Return the frame with which a newcomer to a topic begins; None where there is nothing to tell yet."""
        channel, key = topic
        if channel is channels.BALANCE:
            frame = self._balances[topic] = self._balance(int(key), now)
            return frame
        if channel in _TAPES:
            return self._history(channel, key, now)
        told = self._told.setdefault(topic, _Told(at))
        if told.frame is None:  # what others were told last is what a newcomer needs, so that no change is lost on them
            self._look(topic, told, now, at)
            told.sent = at
        return told.frame

    def _history(self, channel: Channel, symbol: str, now: datetime) -> str | None:
        try:
            trades = self._exchange.engine.reports.last_trades(symbol, now, _HISTORY)
        except (Refused, DataNotFresh):
            return None
        if channel is channels.LAST_TRADE:
            return wire_push.framed(channel, wire_push_market.prints(trades)) if trades else None
        return wire_push.framed(channel, wire_push_market.long_prints(trades), now) if trades else None

    def _look(self, topic: Topic, told: _Told, now: datetime, at: float) -> None:
        """Bring what is told of a topic to now; an option that is gone has no frame any more."""
        told.looked = at
        try:
            content = self._content(*topic, now)
        except (Refused, Refusal, DataNotFresh):
            told.content, told.frame = b"", None
            return
        told.content = encoded(_without_moments(content))
        told.frame = wire_push.framed(topic[0], _with_moment(content, now), now if topic[0] is channels.SPOT_PRICE else None)

    def _content(self, channel: Channel, key: str, now: datetime) -> Content:
        """Return what a channel tells of a key; raises Refused, Refusal or DataNotFresh where there is nothing."""
        if channel is channels.TICKER:
            return wire_push_market.ticker(routes_market.detail(self._exchange, Call(Params(), key, now)))
        if channel is channels.SPOT_PRICE:
            row = routes_market.index_prices(self._exchange, Call(Params({"symbol": key}), "", now))
            return wire_push_market.index(row) if isinstance(row, dict) else []
        if channel is channels.CHAIN:
            index, _, end = key.partition("@")
            return wire_push_market.chain(routes_market.chain(self._exchange, Call(Params({"endTime": end}), index, now)))
        self._listed(key, now)
        return wire_push_market.book(self._exchange.engine.reports.book(key, now))

    def _listed(self, symbol: str, now: datetime) -> None:
        """Raise Refused 10574 for an option that is not traded, or not any more."""
        if now >= self._exchange.engine.liquidity.book(symbol, now).expiry:
            raise refusal(10574)

    def _balance(self, user: int, now: datetime) -> str:
        reports = self._exchange.engine.reports
        told = reports.summary(user, now)
        delta = sum(row.greeks.delta for row in reports.positions(user, now))
        try:
            bitcoins = (told.equity / self._exchange.index("BTC", now).price).quantize(_SATOSHI, ROUND_DOWN)
        except (KeyError, DataNotFresh):
            bitcoins = ZERO
        return wire_push.framed(channels.BALANCE, wire_push.balance(told, delta, bitcoins, COIN))


def _said(no: Exception) -> str:
    return MESSAGES[no.code] if isinstance(no, Refusal) else str(no)


def _without_moments(content: Content) -> Content:
    """Return what makes a content differ from another: time passing by itself does not."""
    return content if isinstance(content, list) else {name: value for name, value in content.items() if name not in {"ts", "rt"}}


def _with_moment(content: Content, now: datetime) -> Content:
    if isinstance(content, list):
        return [{**row, "ts": ms(now)} for row in content]
    return {**content, "ts": content.get("ts", ms(now))}
