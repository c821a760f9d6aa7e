"""What stories of the venue's streams share: channels, a quick pace, pushes as they come, a listener, and streams that end."""

import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from auth import Credentials
from clock import SystemClock
from domain import Channel, Push, StreamOpened, Topic
from exchanges.coincall.stream import CoincallStreams
from exchanges.coincall.stream_session import Pace

from tests.wire.coincall_builders import KEY, SECRET, SYMBOL, an_option
from tests.wire.stream_server import StreamVenue, eventually

P = TypeVar("P")

ORDERS, FILLS, POSITIONS = Channel(Topic.ORDERS), Channel(Topic.FILLS), Channel(Topic.POSITIONS)
INDEX, BOOK, TICKER = Channel(Topic.INDEX, "BTC"), Channel(Topic.BOOK, SYMBOL), Channel(Topic.TICKER, SYMBOL)
QUICK = Pace(
    answer_within=timedelta(seconds=5),
    heartbeat_every=timedelta(seconds=5),
    silence=timedelta(seconds=30),
    first_wait=timedelta(seconds=0.02),
    longest_wait=timedelta(seconds=0.05),
)


def quick(**spans: float) -> Pace:
    """Return a pace that waits hardly before it tries again, with some spans in seconds."""
    given = {name: timedelta(seconds=span) for name, span in spans.items()}
    return Pace(
        answer_within=given.get("answer_within", QUICK.answer_within),
        heartbeat_every=given.get("heartbeat_every", QUICK.heartbeat_every),
        silence=given.get("silence", QUICK.silence),
        first_wait=given.get("first_wait", QUICK.first_wait),
        longest_wait=QUICK.longest_wait,
    )


def a_trade(number: int = 199) -> dict[str, Any]:
    return {
        "dt": 15,
        "c": 20,
        "d": {"orderId": "7", "orderSide": "1", "matchPrice": "1508", "matchQty": "0.1", "symbol": SYMBOL, "tradeId": str(number)},
    }


def an_index(price: str = "94990.5") -> dict[str, Any]:
    return {"dt": 30, "c": 20, "d": {"s": "BTCUSD", "ip": price}}


A_TICKER = {"dt": 3, "c": 20, "d": {"s": SYMBOL, "mp": 1512.4, "ip": 94990.5, "iv": 0.5}}


@dataclass
class Ear:
    """A listener that keeps what it hears; while deaf it raises."""

    heard: list[Push] = field(default_factory=list)
    broken: bool = False

    def __call__(self, push: Push) -> None:
        self.heard.append(push)
        if self.broken:
            raise RuntimeError("the listener broke")

    def of(self, kind: type[P]) -> list[P]:
        """Return what it heard of one kind."""
        return [push for push in list(self.heard) if isinstance(push, kind)]


@dataclass
class Desk:
    """Streams under test, and their end."""

    made: list[CoincallStreams] = field(default_factory=list)

    def __call__(
        self, venue: StreamVenue, ear: Ear, pace: Pace = QUICK, *, secret: str = SECRET, rng: random.Random | None = None
    ) -> CoincallStreams:
        made = CoincallStreams(
            venue.url,
            SystemClock(),
            Credentials(KEY, secret),
            ear,
            listed=lambda _coin: [an_option()],
            pace=pace,
            rng=random.Random(7) if rng is None else rng,
        )
        self.made.append(made)
        return made


def opened(ear: Ear, times: int = 1) -> None:
    eventually(lambda: len(ear.of(StreamOpened)) >= times)
