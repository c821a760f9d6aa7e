"""The post of orders against a venue that may answer anything: each is told once what became of it, and that is what the venue has."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loguru import logger

from domain import ClientOrderId, Fill, NewOrder, OrderReport, Purpose
from errors import (
    AuthenticationRejected,
    DuplicateClientOrderId,
    ExchangeRejected,
    ExchangeUnavailable,
    InsufficientMargin,
    MalformedResponse,
    OutcomeUnknown,
    TimestampRejected,
    VenueError,
)
from order_post import MOST, OrderPost
from ports import BatchSent
from workers import Inbox, InlinePool

from tests.fakes import START, FakeAlerts, a_name, an_order

T = TypeVar("T")
NEVER_LOOKED_AT = (AuthenticationRejected, TimestampRejected, ExchangeRejected, ExchangeUnavailable)
SILENT = (OutcomeUnknown, MalformedResponse)
REFUSED = (InsufficientMargin, ExchangeUnavailable, AuthenticationRejected)
LATE_AFTER = timedelta(seconds=5)


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """The shortest example tells more than the log of all others."""
    logger.disable("")
    yield
    logger.enable("")


@dataclass
class Whims:
    """A venue that does as hypothesis says, a number at a time, and keeps what it took."""

    numbers: list[int]
    taken: dict[ClientOrderId, str] = field(default_factory=dict)
    arrivals: Counter[ClientOrderId] = field(default_factory=Counter)
    looked_at: Counter[ClientOrderId] = field(default_factory=Counter)
    largest: int = 0

    def next(self, upto: int) -> int:
        return self.numbers.pop() % upto if self.numbers else 0

    def fail(self, kinds: Sequence[type[VenueError]], share: int) -> None:
        """Raise one of some kinds, about one time in `share`."""
        if self.next(share) == share - 1:
            raise kinds[self.next(len(kinds))]("whims", "call", "so it is")

    # ---- OrderGateway

    def submit(self, order: NewOrder, /) -> str:
        self.arrivals[order.client_id] += 1
        self.fail(REFUSED, 6)
        self.looked_at[order.client_id] += 1
        if order.client_id in self.taken:
            raise DuplicateClientOrderId("whims", "create", "it has it")
        self.taken[order.client_id] = f"v{len(self.taken)}"
        self.fail(SILENT, 8)
        return self.taken[order.client_id]

    def cancel(self, client_id: ClientOrderId, /) -> None:
        self.fail((*REFUSED, *SILENT), 6)

    def find(self, client_id: ClientOrderId, sent_at: datetime, /) -> OrderReport | None:
        raise OutcomeUnknown("whims", "find", "nobody asks the post")

    def open_orders(self) -> Sequence[OrderReport]:
        return ()

    def fills(self, since: datetime, /) -> Sequence[Fill]:
        return ()

    # ---- BatchOrders

    def send_many(self, orders: Sequence[NewOrder], /) -> BatchSent:
        self.largest = max(self.largest, len(orders))
        self.fail(NEVER_LOOKED_AT, 4)
        rows = [self._row(order) for order in orders]
        self.fail(SILENT, 4)
        match self.next(4):
            case 0:
                return BatchSent(rows)
            case 1:
                return BatchSent([OutcomeUnknown("whims", "batch", "whose?")] * len(rows), lambda: rows)
            case 2:
                return BatchSent([OutcomeUnknown("whims", "batch", "whose?")] * len(rows))
            case _:
                return BatchSent([row if self.next(2) else OutcomeUnknown("whims", "batch", "whose?") for row in rows], self._asked)

    def cancel_many(self, client_ids: Sequence[ClientOrderId], /) -> Sequence[VenueError | None]:
        self.fail((*NEVER_LOOKED_AT, *SILENT), 3)
        return [None if self.next(3) else OutcomeUnknown("whims", "batch cancel", "no row") for _ in client_ids]

    def _row(self, order: NewOrder) -> str | VenueError:
        try:
            return self.submit(order)
        except VenueError as error:
            return error

    def _asked(self) -> Sequence[str | VenueError]:
        raise ExchangeUnavailable("whims", "open orders", "not now")


class LatePool:
    """Workers that begin when they are told to."""

    def __init__(self, inbox: Inbox) -> None:
        self._inner, self._jobs = InlinePool(inbox), list[Callable[[], None]]()

    def run(self, work: Callable[[], T], done: Callable[[T | Exception], None], /) -> None:
        self._jobs.append(lambda: self._inner.run(work, done))

    def go(self) -> bool:
        jobs, self._jobs[:] = [*self._jobs], []
        for job in jobs:
            job()
        return bool(jobs)


@dataclass
class Tick:
    """What one tick decides, how long the workers take until they begin, and whether they do before the next one."""

    opening: int
    reducing: int
    cancels: int
    seconds: int
    busy: bool


class Scene:
    """A post over such a venue, with workers that begin late; what it told of each order and cancel."""

    def __init__(self, numbers: list[int]) -> None:
        self.venue, self.inbox, self.alerts = Whims(numbers), Inbox(), FakeAlerts()
        self.pools = [LatePool(self.inbox) for _ in range(3)]
        writes, urgent, reads = self.pools
        self.now = START
        self.post = OrderPost(lambda: self.venue, self.in_time, writes=writes, urgent=urgent, reads=reads, alerts=self.alerts)
        self.post.together(self.venue)
        self.told: dict[ClientOrderId, list[object]] = {}
        self.cancels: list[list[object]] = []

    def in_time(self, order: NewOrder, decided_at: datetime) -> None:
        if not order.client_id.purpose.reduces and self.now - decided_at > LATE_AFTER:
            raise ExchangeUnavailable("daemon", "order", "it waited too long")

    def live(self, trade: int, tick: Tick) -> None:
        self._send(trade, Purpose.OPEN, tick.opening)
        self._send(trade, Purpose.CLOSE, tick.reducing)
        for attempt in range(1, tick.cancels + 1):
            self.cancels.append([])
            self.post.cancel(a_name(trade=trade, attempt=attempt), self.cancels[-1].append)
        self.post.flush()
        self.now += timedelta(seconds=tick.seconds)
        if not tick.busy:
            self.work()

    def work(self) -> None:
        while sum(pool.go() for pool in self.pools):
            self.inbox.drain()
            self.post.flush()

    def _send(self, trade: int, purpose: Purpose, count: int) -> None:
        for attempt in range(1, count + 1):
            name = a_name(trade=trade, purpose=purpose, attempt=attempt)
            self.told[name] = []
            self.post.send(an_order(name), self.now, self.told[name].append)


A_TICK = st.builds(Tick, st.integers(0, 45), st.integers(0, 5), st.integers(0, 5), st.integers(0, 8), st.booleans())


@settings(max_examples=200, deadline=None)
@given(ticks=st.lists(A_TICK, min_size=1, max_size=4), numbers=st.lists(st.integers(0, 1000), max_size=120))
def test_l05_each_order_is_told_once_what_became_of_it_and_the_venue_has_it_at_most_once(ticks: list[Tick], numbers: list[int]) -> None:
    scene = Scene(numbers)
    for trade, tick in enumerate(ticks, 1):
        scene.live(trade, tick)
    scene.work()

    assert [len(outcomes) for outcomes in (*scene.told.values(), *scene.cancels)] == [1] * (len(scene.told) + len(scene.cancels))
    assert max(scene.venue.looked_at.values(), default=1) == 1
    assert scene.venue.largest <= MOST
    assert len(scene.alerts.raised) <= 1
    assert [name for name, [outcome] in scene.told.items() if not is_so(scene.venue, name, outcome)] == []


def is_so(venue: Whims, name: ClientOrderId, outcome: object) -> bool:
    """Tell whether what was told of an order is so, or is said not to be known."""
    if isinstance(outcome, OutcomeUnknown | MalformedResponse):
        return True
    return venue.taken.get(name) == (outcome if isinstance(outcome, str) else None)
