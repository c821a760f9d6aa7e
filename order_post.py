"""Takes orders and cancels to the venue: each at once, or, where the account may send batches, those of one tick together.

Its one rule: what became of an order is told once, for that order alone, whatever it travelled with. What is not known of a batch is
not known of each order in it; only what the venue surely refused as a whole goes out again, one by one and under the same names.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Generic, TypeVar

from loguru import logger

from domain import ClientOrderId, NewOrder, Severity
from errors import AuthenticationRejected, ExchangeRejected, ExchangeUnavailable, OutcomeUnknown, TimestampRejected, VenueError
from ports import Alerts, BatchOrders, IoPool, OrderGateway

MOST = 40  # in one request. Source: Coincall API 5.11, 5.17

W = TypeVar("W", NewOrder, ClientOrderId)
T = TypeVar("T", str, None)


@dataclass(frozen=True, slots=True)
class _Errand(Generic[W, T]):
    """An order or a cancel that has not left yet: what it is, the call that takes it alone, and who wants to know what came of it."""

    what: W
    alone: Callable[[], T]
    done: Callable[[T | Exception], None]
    ready: Callable[[], None]  # raises ExchangeUnavailable where it must not leave any more


@dataclass(slots=True)
class _Trip(Generic[T]):
    """What came of errands that left together, by their place; `ask` tells more of those that are unknown, `no` that none may do so."""

    told: dict[int, T | Exception] = field(default_factory=dict)
    ask: Callable[[], dict[int, T | Exception]] | None = None
    no: ExchangeRejected | None = None


@dataclass(frozen=True, slots=True)
class _Together(Generic[T]):
    """The answer to a batch; `ask` has more to say of what it leaves unknown, and blocks."""

    outcomes: Sequence[T | VenueError]
    ask: Callable[[], Sequence[T | VenueError]] | None = None


@dataclass(frozen=True, slots=True)
class _Bag(Generic[W, T]):
    """Errands of one kind that wait for the end of the tick, the lane that they leave by, and the request that takes many."""

    kind: str
    lane: IoPool
    many: Callable[[BatchOrders, Sequence[W]], _Together[T]]
    waiting: list[_Errand[W, T]] = field(default_factory=list)

    def taken(self, most: int) -> list[_Errand[W, T]]:
        """Remove the oldest before they are handed over: whatever fails then, none of them leaves twice, and the rest is still here."""
        share = self.waiting[:most]
        del self.waiting[:most]
        return share


class OrderPost:
    """The way of one venue's orders and cancels from the tick to its workers; all methods are called on the tick thread."""

    def __init__(
        self,
        gateway: Callable[[], OrderGateway],
        in_time: Callable[[NewOrder, datetime], None],
        *,
        writes: IoPool,
        urgent: IoPool,
        reads: IoPool,
        alerts: Alerts,
    ) -> None:
        self._gateway, self._in_time, self._reads, self._alerts = gateway, in_time, reads, alerts
        self._batches: BatchOrders | None = None
        self._cancels: _Bag[ClientOrderId, None] = _Bag("cancels", urgent, _cancel_many)
        self._reducing: _Bag[NewOrder, str] = _Bag("reducing orders", urgent, _send_many)
        self._opening: _Bag[NewOrder, str] = _Bag("opening orders", writes, _send_many)

    def together(self, batches: BatchOrders) -> None:
        """Keep what is posted from now on until `flush`, and send it in batches."""
        self._batches = batches

    def send(self, order: NewOrder, decided_at: datetime, done: Callable[[str | Exception], None]) -> None:
        """Post an order, once; what lowers exposure goes by the urgent lane. One that comes too late to a worker is not sent."""
        ready = partial(self._in_time, order, decided_at)

        def alone() -> str:
            ready()
            return self._gateway().submit(order)

        bag = self._reducing if order.client_id.purpose.reduces else self._opening
        self._post(bag, _Errand(order, alone, done, ready))

    def cancel(self, name: ClientOrderId, done: Callable[[Exception | None], None]) -> None:
        """Post a cancel."""
        self._post(self._cancels, _Errand(name, lambda: self._gateway().cancel(name), done, _at_any_time))

    def flush(self) -> None:
        """Hand over what waits, cancels first and openings last: at the end of a tick, and wherever anything is posted outside of one."""
        self._empty(self._cancels)
        self._empty(self._reducing)
        self._empty(self._opening)

    # ---- handing over

    def _post(self, bag: _Bag[W, T], errand: _Errand[W, T]) -> None:
        if self._batches is None:
            bag.lane.run(errand.alone, errand.done)
        else:
            bag.waiting.append(errand)

    def _empty(self, bag: _Bag[W, T]) -> None:
        while bag.waiting:
            batches = self._batches
            share = bag.taken(1 if batches is None else MOST)
            if batches is None or len(share) == 1:
                bag.lane.run(share[0].alone, share[0].done)
            else:
                logger.debug("{} leave together count={}", bag.kind, len(share))
                bag.lane.run(partial(_travel, share, batches, bag.many), partial(self._arrived, share))

    def _arrived(self, errands: Sequence[_Errand[W, T]], trip: _Trip[T] | Exception) -> None:
        """Tell each errand what came of it; those that only another question can tell apart are told after it, on a worker for reads."""
        if isinstance(trip, Exception):  # nobody knows how far it came
            for_each: dict[int, T | Exception] = dict.fromkeys(range(len(errands)), trip)
            _tell(errands, for_each)
            return
        if trip.no is not None and self._batches is not None:
            self._part(trip.no)
        unknown = {place for place, told in trip.told.items() if isinstance(told, OutcomeUnknown)}
        if trip.ask is None or not unknown:
            _tell(errands, trip.told)
            return
        still_open = {place: told for place, told in trip.told.items() if place in unknown}
        self._reads.run(trip.ask, partial(_told_apart, errands, still_open))
        _tell(errands, {place: told for place, told in trip.told.items() if place not in unknown})

    def _part(self, no: ExchangeRejected) -> None:
        """Send nothing together any more; what waits goes alone."""
        self._batches = None
        said = f"the venue takes no batches of orders from this account: {no}; they were sent one by one, and are until the next start"
        self._alerts.alert(
            Severity.WARNING, "batches not allowed", said, "ask the venue for market-maker access, or unset TRADER_BATCH_ORDERS"
        )


def _at_any_time() -> None:
    """A cancel never comes too late to be tried."""


def _send_many(batches: BatchOrders, orders: Sequence[NewOrder]) -> _Together[str]:
    sent = batches.send_many(orders)
    return _Together(sent.outcomes, sent.ask)


def _cancel_many(batches: BatchOrders, names: Sequence[ClientOrderId]) -> _Together[None]:
    return _Together(batches.cancel_many(names))


# ---- on a worker


def _travel(errands: Sequence[_Errand[W, T]], batches: BatchOrders, many: Callable[[BatchOrders, Sequence[W]], _Together[T]]) -> _Trip[T]:
    """Take errands to the venue together: those that are still in time, and alone where only one of them is."""
    trip, timely = _Trip[T](), list[int]()
    for place, errand in enumerate(errands):
        try:
            errand.ready()
        except ExchangeUnavailable as late:
            trip.told[place] = late
        else:
            timely.append(place)
    if len(timely) < 2:
        trip.told |= {place: _alone(errands[place]) for place in timely}
        return trip
    try:
        answer = many(batches, [errands[place].what for place in timely])
    except ExchangeRejected as no:
        return _apart(errands, timely, trip, no)
    except VenueError as error:  # it holds for each of them
        trip.told |= dict.fromkeys(timely, error)
        return trip
    return _read(errands, timely, trip, answer)


def _read(errands: Sequence[_Errand[W, T]], timely: Sequence[int], trip: _Trip[T], answer: _Together[T]) -> _Trip[T]:
    """Note what the answer to a batch says of each; one that refuses every row for want of a right is a refusal of the whole."""
    no = answer.outcomes[0] if answer.outcomes else None
    if isinstance(no, AuthenticationRejected) and all(isinstance(each, AuthenticationRejected) for each in answer.outcomes):
        return _apart(errands, timely, trip, no)
    trip.told |= dict(zip(timely, answer.outcomes, strict=True))
    if (ask := answer.ask) is not None:
        trip.ask = lambda: dict(zip(timely, ask(), strict=True))
    return trip


def _apart(errands: Sequence[_Errand[W, T]], timely: Sequence[int], trip: _Trip[T], no: ExchangeRejected) -> _Trip[T]:
    """Take each by itself, the venue having refused all of them as one: that it did before it looked at any (Coincall API 5.11).

    Our names are used again, so that even a venue that is wrong about it cannot have an order twice.
    """
    alone = {place: _alone(errands[place]) for place in timely}
    trip.told |= alone
    trip.no = no if _bars_batches(no, list(alone.values())) else None
    return trip


def _bars_batches(no: ExchangeRejected, alone: Sequence[object]) -> bool:
    """Tell whether the refusal was of the batch and not of its sender: what was taken, or judged at least, alone says so."""
    if isinstance(no, TimestampRejected):
        return False
    if isinstance(no, AuthenticationRejected):
        return not all(isinstance(outcome, AuthenticationRejected) for outcome in alone)
    return any(not isinstance(outcome, Exception) for outcome in alone)


def _alone(errand: _Errand[W, T]) -> T | Exception:
    try:
        return errand.alone()
    except Exception as error:  # noqa: BLE001 - thread boundary: what became of one is handed to the tick, and the others still go
        return error


# ---- on the tick again


def _told_apart(errands: Sequence[_Errand[W, T]], unknown: dict[int, T | Exception], answer: dict[int, T | Exception] | Exception) -> None:
    known = {} if isinstance(answer, Exception) else answer
    _tell(errands, {place: known.get(place, told) for place, told in unknown.items()})


def _tell(errands: Sequence[_Errand[W, T]], told: dict[int, T | Exception]) -> None:
    """Tell each what came of it; what goes wrong in one is raised when all have been told."""
    failed: list[Exception] = []
    for place, outcome in told.items():
        try:
            errands[place].done(outcome)
        except Exception as error:  # noqa: BLE001 - the others must hear what became of them all the same; it is raised below
            failed.append(error)
    if failed:
        raise ExceptionGroup("told of their orders, and failed", failed)
