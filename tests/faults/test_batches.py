"""Batches in the fault rehearsal: in three runs of seven they are wanted, in two of those allowed, and what goes wrong strikes them too."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest
from loguru import logger

from domain import ClientOrderId, NewOrder
from errors import ExchangeUnavailable, OutcomeUnknown, VenueError
from ports import BatchOrders, BatchSent

from tests.faults.house import House
from tests.faults.matrix import Outcome, Run, perform
from tests.faults.scorecard import failure

SOON = 150  # seconds of market time that a broken daemon is watched
# Each strikes, or kills, where a batch is on its way; 7 n + 1 and 7 n + 3 are granted, 7 n + 5 is not.
STRUCK = (
    "limit/none/lost reply create/8",
    "limit/none/lost request create/15",
    "limit/none/late request create/22",
    "limit/none/cut json create/29",
    "limit/none/html after cancel/10",
    "limit/none/writes lose replies 15 s/17",
    "limit/none/one order refused/36",
    "limit/none/next orders refused/43",
    "limit/none/queries fail 40 s/50",
    "limit/none/lists lag 8 s/57",
    "limit/wire:create:sent/none/64",
    "limit/wire:create:processed/none/71",
    "limit/wire:create:answered/lost reply cancel/78",
    "limit/wire:cancel:processed/none/24",
    "limit/journal:OrderIntended:after/none/85",
    "limit/journal:OrderAccepted:before/5xx after create/92",
    "smart/journal:OrderIntended:after/code 10000 after create/99",
    "smart/none/slow cancels that fill/31",
    "auto/strike/reset after create/106",
    "limit/wire:create:processed/none/5",
    "limit/strike/lost reply create/12",
    "smart/none/429 create/19",
)


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """A failure's line says how to read the log."""
    logger.disable("")
    yield
    logger.enable("")


class Counted:
    """The daemon's batches, and how many of each size went, and came back with an answer."""

    def __init__(self, batches: BatchOrders, sizes: Counter[str]) -> None:
        self._batches, self._sizes = batches, sizes

    def send_many(self, orders: Sequence[NewOrder], /) -> BatchSent:
        self._sizes["tried"] += 1
        sent = self._batches.send_many(orders)
        self._sizes["created"] += 1
        return sent

    def cancel_many(self, client_ids: Sequence[ClientOrderId], /) -> Sequence[VenueError | None]:
        answers = self._batches.cancel_many(client_ids)
        self._sizes["cancelled"] += 1
        return answers


class Resends(Counted):
    """Sends a whole batch again, under other names, when no answer came."""

    def send_many(self, orders: Sequence[NewOrder], /) -> BatchSent:
        try:
            return super().send_many(orders)
        except OutcomeUnknown:
            names = [replace(order.client_id, attempt=order.client_id.attempt + 100) for order in orders]
            return super().send_many([replace(order, client_id=name) for order, name in zip(orders, names, strict=True)])


class TakesAllForRefused(Counted):
    """Believes that nothing of a batch without an answer has happened."""

    def send_many(self, orders: Sequence[NewOrder], /) -> BatchSent:
        try:
            return super().send_many(orders)
        except OutcomeUnknown as error:
            raise ExchangeUnavailable("broken", "batch", error.reason) from error


def with_batches(kind: type[Counted], sizes: Counter[str]) -> Callable[[House], None]:
    def mend(house: House) -> None:
        post = house.context.executor.post
        if post._batches is not None:
            post.together(kind(post._batches, sizes))

    return mend


def wrongs(outcome: Outcome) -> list[str]:
    return [column for column, lines in outcome.sentence.wrongs.items() if lines]


@pytest.mark.parametrize("name", STRUCK)
def test_l05_what_goes_wrong_with_a_batch_is_survived_with_nothing_done_wrong(name: str) -> None:
    outcome = perform(Run.parse(name))

    assert outcome.clean, failure(outcome)


@pytest.mark.parametrize(("seed", "batches"), [(7, False), (8, True), (9, False), (10, True), (11, False), (12, None), (13, False)])
def test_the_seed_says_whether_batches_are_wanted_and_allowed(seed: int, batches: bool | None) -> None:
    sizes: Counter[str] = Counter()
    outcome = perform(Run.parse(f"limit/none/none/{seed}"), with_batches(Counted, sizes))

    assert outcome.clean
    assert (sizes["tried"] > 0, sizes["created"] > 0) == ((True, False) if batches is None else (batches, batches))


def waiting_in(house: House) -> int:
    post = house.context.executor.post
    return len(post._cancels.waiting) + len(post._reducing.waiting) + len(post._opening.waiting)


@pytest.mark.parametrize("before", ["a strategy is asked", "the tick ends"])
def test_nothing_that_a_tick_decided_about_trades_waits_when(before: str) -> None:
    sizes, left = Counter[str](), list[int]()

    def mend(house: House) -> None:
        with_batches(Counted, sizes)(house)
        callbacks = house.context.monitor._callbacks
        names = [name for name, _ in callbacks]
        at = names.index("strategy faults_smart") if before == "a strategy is asked" else len(names)
        callbacks.insert(at, ("a look", lambda _: left.append(waiting_in(house))))

    perform(Run.parse("smart/none/none/8"), mend)

    assert sizes["created"] > 0
    assert set(left) == {0}


def test_cancels_of_a_structure_go_together_too() -> None:
    sizes: Counter[str] = Counter()
    for seed in (8, 10, 15, 17):
        perform(Run.parse(f"smart/none/slow cancels that fill/{seed}"), with_batches(Counted, sizes))

    assert sizes["cancelled"] > 0


@pytest.mark.parametrize("kind", [Resends, TakesAllForRefused])
def test_a_batch_that_is_sent_again_is_seen_as_duplicates(kind: type[Counted]) -> None:
    outcome = perform(Run.parse("limit/none/lost reply create/1"), with_batches(kind, Counter()), SOON)

    assert wrongs(outcome) == ["duplicates"]
