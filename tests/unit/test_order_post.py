"""Orders of one tick in one request: what leaves together, what becomes of each, and who goes alone when batches are not allowed."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TypeVar

import pytest

from domain import ClientOrderId, NewOrder, Purpose, Side
from errors import (
    AuthenticationRejected,
    ExchangeRejected,
    ExchangeUnavailable,
    InsufficientMargin,
    OutcomeUnknown,
    TimestampRejected,
    VenueError,
)
from events import OrderAccepted, OrderIntended, OrderLost
from order_ledger import OrderRecord
from ports import BatchSent
from trade_execution import TradeExecutor
from workers import Inbox, InlinePool

from tests.fakes import SECOND, FakeVenue, House, a_name, a_plan, an_option, an_order

T = TypeVar("T")
CALL = an_option()
NO_GRANT = AuthenticationRejected("fake", "batch", "this account is no market maker")


class FakeBatches:
    """Batches on a fake venue. `no` refuses the whole request, `mute` tells only to `ask` whose is which, `deaf` not even then.

    `lose` acts and stays silent, `lie` acts and refuses all, `drop` never arrives, `no_rows` refuses each row for want of the right.
    """

    def __init__(self, venue: FakeVenue) -> None:
        self._venue = venue
        self.sent: list[list[ClientOrderId]] = []
        self.cancelled: list[list[ClientOrderId]] = []
        self.no: VenueError | None = None
        self.mute = self.deaf = self.lose = self.lie = self.drop = self.no_rows = False

    def send_many(self, orders: Sequence[NewOrder], /) -> BatchSent:
        self.sent.append([order.client_id for order in orders])
        self._fail(acted=False)
        if self.no_rows:
            return BatchSent([NO_GRANT] * len(orders))
        known = [self._row(order) for order in orders]
        self._fail(acted=True)
        if not self.mute:
            return BatchSent(known)
        unknown = [OutcomeUnknown("fake", "batch", "which is whose is not told")] * len(orders)
        return BatchSent(unknown, lambda: unknown if self.deaf else known)

    def cancel_many(self, client_ids: Sequence[ClientOrderId], /) -> Sequence[VenueError | None]:
        self.cancelled.append([*client_ids])
        self._fail(acted=False)
        answers = [self._cancel(name) for name in client_ids]
        self._fail(acted=True)
        return answers

    def _fail(self, *, acted: bool) -> None:
        if self.no is not None:
            raise self.no
        if acted and self.lie:
            raise NO_GRANT
        if self.lose if acted else self.drop:
            raise OutcomeUnknown("fake", "batch", "read timed out")

    def _row(self, order: NewOrder) -> str | VenueError:
        try:
            return self._venue.submit(order)
        except VenueError as error:
            return error

    def _cancel(self, name: ClientOrderId) -> VenueError | None:
        try:
            self._venue.cancel(name)
        except VenueError as error:
            return error
        return None


class HeldPool:
    """Workers that have not begun: the test lets them, one by one or all."""

    def __init__(self, inbox: Inbox) -> None:
        self._inner, self.jobs = InlinePool(inbox), list[Callable[[], None]]()

    def run(self, work: Callable[[], T], done: Callable[[T | Exception], None], /) -> None:
        self.jobs.append(lambda: self._inner.run(work, done))

    def go(self) -> None:
        while self.jobs:
            self.jobs.pop(0)()


class Stage:
    """Three trades of one leg, an order path that posts in batches, and workers that wait for a word."""

    def __init__(self, trades: int = 3) -> None:
        self.house = House()
        for _ in range(trades):
            self.house.create(a_plan(CALL, Side.SELL, "1"))
        self.venue, self.alerts, self.journal = self.house.venue, self.house.alerts, self.house.journal
        self.batches = FakeBatches(self.venue)
        self.begin()

    def begin(self) -> None:
        """Begin a life: what an earlier one left on its workers and in its inbox is gone."""
        inbox = self.house.inbox
        inbox.take()
        self.writes, self.urgent, self.reads = HeldPool(inbox), HeldPool(inbox), HeldPool(inbox)
        self.executor = TradeExecutor(
            gateway=self.venue,
            writes=self.writes,
            urgent=self.urgent,
            reads=self.reads,
            journal=self.journal,
            clock=self.house.clock,
            alerts=self.alerts,
        )
        self.executor.post.together(self.batches)
        self.executor.restore(self.journal.events)

    @property
    def names(self) -> list[ClientOrderId]:
        return [a_name(trade=trade.number) for trade in self.house.manager.trades]

    def open_all(self, *, flush: bool = True) -> None:
        """Decide one opening order for each trade, in one tick."""
        for trade in self.house.manager.trades:
            self.executor.submit(an_order(a_name(trade=trade.number)), trade)
        if flush:
            self.executor.post.flush()

    def work(self) -> None:
        """Let every worker do what it has, and the tick hear of it."""
        while self.writes.jobs or self.urgent.jobs or self.reads.jobs:
            for pool in (self.writes, self.urgent, self.reads):
                pool.go()
            self.house.inbox.drain()

    def go(self, seconds: int = 1) -> None:
        for _ in range(seconds):
            self.house.clock.advance(SECOND)
            self.executor.step(self.house.clock.now())
            self.executor.post.flush()
            self.work()

    def record(self, number: int) -> OrderRecord:
        found = self.executor.ledger.get(a_name(trade=number))
        assert found is not None
        return found

    def numbers(self) -> list[str | None]:
        return [self.record(name.trade).order_id for name in self.names]


@pytest.fixture
def stage() -> Iterator[Stage]:
    yield Stage()


# ---- what leaves together


def test_opening_orders_of_one_tick_leave_in_one_request(stage: Stage) -> None:
    stage.open_all()
    stage.work()

    assert stage.batches.sent == [stage.names]
    assert stage.numbers() == ["v1", "v2", "v3"]


def test_reducing_orders_and_cancels_of_one_tick_have_requests_and_workers_of_their_own() -> None:
    stage = Stage()
    stage.open_all()
    stage.work()
    for name in stage.names[:2]:
        stage.venue.execute(name, "0.4")
    stage.go(2)
    for number in (1, 2):
        stage.executor.cancel(a_name(trade=number))
        reducing = an_order(a_name(trade=number, purpose=Purpose.UNWIND), side=Side.BUY, qty="0.4")
        stage.executor.post.send(reducing, stage.house.clock.now(), lambda _: None)
    stage.executor.post.flush()

    assert (len(stage.urgent.jobs), len(stage.writes.jobs)) == (2, 0)
    stage.work()
    assert [names[0].purpose for names in stage.batches.sent] == [Purpose.OPEN, Purpose.UNWIND]
    assert stage.batches.cancelled == [stage.names[:2]]


def test_one_order_alone_goes_by_the_single_call() -> None:
    stage = Stage(trades=1)
    stage.open_all()
    stage.work()
    stage.executor.cancel(stage.names[0])
    stage.executor.post.flush()
    stage.work()

    assert (stage.batches.sent, stage.batches.cancelled) == ([], [])
    assert (len(stage.venue.received), stage.venue.cancels) == (1, stage.names)


@pytest.mark.parametrize(("count", "sizes", "alone"), [(40, [40], 0), (41, [40], 1), (83, [40, 40, 3], 0)])
def test_more_than_forty_go_in_several_requests(count: int, sizes: list[int], alone: int) -> None:
    stage = Stage(trades=count)
    stage.open_all()
    stage.work()

    assert [len(names) for names in stage.batches.sent] == sizes
    assert len(stage.venue.received) == count == sum(sizes) + alone
    assert len({order.client_id for order in stage.venue.received}) == count


def test_without_batches_each_leaves_at_once() -> None:
    stage = Stage()
    stage.executor.post = type(stage.executor.post)(
        lambda: stage.venue, lambda _order, _at: None, writes=stage.writes, urgent=stage.urgent, reads=stage.reads, alerts=stage.alerts
    )
    stage.open_all(flush=False)

    assert len(stage.writes.jobs) == 3


# ---- nothing is forgotten, nothing is sent twice


def test_l05_each_order_is_journalled_as_intended_before_any_of_them_leaves(stage: Stage) -> None:
    stage.open_all(flush=False)

    assert len(stage.journal.of(OrderIntended)) == 3
    assert (stage.batches.sent, stage.venue.received, stage.writes.jobs) == ([], [], [])


def test_what_was_posted_outside_of_a_tick_leaves_with_the_next_look_at_the_orders(stage: Stage) -> None:
    stage.open_all(flush=False)

    stage.executor.step(stage.house.clock.now())
    stage.work()

    assert stage.batches.sent == [stage.names]
    assert stage.numbers() == ["v1", "v2", "v3"]


def test_l05_a_death_between_the_journal_and_the_post_is_found_out_by_name(stage: Stage) -> None:
    stage.open_all(flush=False)

    stage.begin()
    stage.go(60)

    assert [stage.record(number).refused for number in (1, 2, 3)] == ["never arrived at the venue"] * 3
    assert stage.venue.received == []


def test_l05_a_death_between_the_post_and_the_answer_is_found_out_by_name(stage: Stage) -> None:
    stage.open_all()
    stage.writes.go()

    stage.begin()
    stage.go(3)

    assert stage.numbers() == ["v1", "v2", "v3"]
    assert len(stage.venue.received) == 3


def test_l05_a_lost_answer_makes_each_order_lost_and_none_is_sent_again(stage: Stage) -> None:
    stage.batches.lose = True
    stage.open_all()
    stage.writes.go()
    stage.house.inbox.drain()
    assert len(stage.journal.of(OrderLost)) == 3

    stage.go(3)

    assert stage.numbers() == ["v1", "v2", "v3"]
    assert (len(stage.batches.sent), len(stage.venue.received)) == (1, 3)


def test_a_batch_that_never_arrived_is_believed_so_order_by_order_and_only_after_the_patience(stage: Stage) -> None:
    stage.batches.drop = True
    stage.open_all()
    stage.go(29)
    assert all(stage.record(number).live for number in (1, 2, 3))

    stage.go(30)

    assert [stage.record(number).refused for number in (1, 2, 3)] == ["never arrived at the venue"] * 3


def test_a_lane_that_fails_keeps_what_it_was_not_given_and_nothing_goes_twice() -> None:
    stage = Stage(trades=50)
    stage.open_all(flush=False)
    run, failed = stage.writes.run, list[int]()

    def broken(work: Callable[[], T], done: Callable[[T | Exception], None], /) -> None:
        stage.writes.run = run  # type: ignore[method-assign]
        failed.append(1)
        raise RuntimeError("no worker")

    stage.writes.run = broken  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        stage.executor.post.flush()
    stage.executor.post.flush()
    stage.work()

    assert failed == [1]
    assert [len(names) for names in stage.batches.sent] == [10]
    assert len(stage.venue.received) == 10


# ---- what becomes of each


def test_one_refused_row_is_the_end_of_that_order_alone(stage: Stage) -> None:
    stage.venue.refuse = InsufficientMargin("fake", "create", "no")
    stage.open_all()
    stage.work()

    assert [stage.record(number).live for number in (1, 2, 3)] == [False, True, True]
    assert not stage.record(1).retryable


def test_a_venue_that_could_not_be_reached_refuses_each_until_later(stage: Stage) -> None:
    stage.batches.no = ExchangeUnavailable("fake", "batch", "refused connection")
    stage.open_all()
    stage.work()

    assert [stage.record(number).retryable for number in (1, 2, 3)] == [True] * 3
    assert stage.venue.received == []


def test_rows_that_nobody_can_tell_apart_are_asked_about_on_a_worker_for_reads(stage: Stage) -> None:
    stage.batches.mute = True
    stage.open_all()
    stage.writes.go()
    stage.house.inbox.drain()
    assert (stage.journal.of(OrderAccepted), stage.journal.of(OrderLost), len(stage.reads.jobs)) == ([], [], 1)

    stage.work()

    assert stage.numbers() == ["v1", "v2", "v3"]
    assert stage.journal.of(OrderLost) == []


def test_rows_that_stay_unknown_are_orders_asked_for_one_by_one(stage: Stage) -> None:
    stage.batches.mute = stage.batches.deaf = True
    stage.open_all()
    stage.work()
    assert len(stage.journal.of(OrderLost)) == 3

    stage.go(2)

    assert stage.numbers() == ["v1", "v2", "v3"]
    assert len(stage.venue.received) == 3


def test_a_cancel_of_a_batch_that_is_not_answered_is_asked_for_again_until_the_order_is_final(stage: Stage) -> None:
    stage.open_all()
    stage.work()
    stage.batches.drop = True
    for name in stage.names:
        stage.executor.cancel(name)
    stage.go(3)
    assert len(stage.batches.cancelled) == 1

    stage.batches.drop = False
    stage.go(8)

    assert [stage.record(number).live for number in (1, 2, 3)] == [False] * 3
    assert len(stage.batches.cancelled) == 2


def test_an_opening_order_that_waited_too_long_is_left_out_and_the_rest_goes(stage: Stage) -> None:
    first, second, third = stage.house.manager.trades
    stage.executor.submit(an_order(stage.names[0]), first)
    stage.house.clock.advance(timedelta(seconds=4))
    for trade, name in ((second, stage.names[1]), (third, stage.names[2])):
        stage.executor.submit(an_order(name), trade)
    stage.executor.post.flush()
    stage.house.clock.advance(timedelta(seconds=2))
    stage.work()

    assert stage.batches.sent == [stage.names[1:]]
    assert stage.record(1).retryable
    assert "waited 6 s" in str(stage.record(1).refused)
    assert stage.numbers()[1:] == ["v1", "v2"]


def test_an_order_that_is_left_alone_by_late_ones_goes_by_the_single_call() -> None:
    stage = Stage(trades=2)
    late, timely = stage.house.manager.trades
    stage.executor.submit(an_order(stage.names[0]), late)
    stage.house.clock.advance(timedelta(seconds=4))
    stage.executor.submit(an_order(stage.names[1]), timely)
    stage.executor.post.flush()
    stage.house.clock.advance(timedelta(seconds=2))
    stage.work()

    assert (stage.batches.sent, [order.client_id for order in stage.venue.received]) == ([], stage.names[1:])


def test_a_reducing_order_is_never_too_late(stage: Stage) -> None:
    orders = [an_order(a_name(trade=n, purpose=Purpose.CLOSE), side=Side.BUY) for n in (1, 2)]
    told: list[object] = []
    stage.venue.held[CALL.symbol] = Decimal(-2)
    for order in orders:
        stage.executor.post.send(order, stage.house.clock.now(), told.append)
    stage.executor.post.flush()
    stage.house.clock.advance(timedelta(minutes=5))
    stage.work()

    assert told == ["v1", "v2"]


def test_what_goes_wrong_in_the_booking_of_one_keeps_nobody_else_from_hearing() -> None:
    stage = Stage()
    told: list[object] = []

    def failing(_: object) -> None:
        raise RuntimeError("a bug")

    for number, done in enumerate([failing, told.append, told.append], 1):
        stage.executor.post.send(an_order(a_name(trade=number)), stage.house.clock.now(), done)
    stage.executor.post.flush()
    stage.writes.go()
    with pytest.raises(ExceptionGroup):
        stage.house.inbox.drain()

    assert told == ["v2", "v3"]


# ---- who may not


def test_an_account_without_the_grant_sends_the_very_same_orders_one_by_one_in_the_same_job(stage: Stage) -> None:
    stage.batches.no = NO_GRANT
    stage.open_all()
    stage.writes.jobs.pop()()

    assert [order.client_id for order in stage.venue.received] == stage.names
    stage.house.inbox.drain()
    assert stage.numbers() == ["v1", "v2", "v3"]
    assert len(stage.alerts.about("batches not allowed")) == 1


def test_a_grant_that_is_missed_row_by_row_is_the_same(stage: Stage) -> None:
    stage.batches.no_rows = True
    stage.open_all()
    stage.work()

    assert stage.numbers() == ["v1", "v2", "v3"]
    assert len(stage.alerts.about("batches not allowed")) == 1


def test_no_further_batch_is_tried_and_nobody_is_told_again(stage: Stage) -> None:
    stage.batches.no = NO_GRANT
    stage.open_all()
    stage.work()
    for name in stage.names:
        stage.executor.cancel(name)
    stage.work()
    stage.go(2)

    assert (len(stage.batches.sent), stage.batches.cancelled) == (1, [])
    assert [stage.record(number).live for number in (1, 2, 3)] == [False] * 3
    assert len(stage.alerts.raised) == 1


def test_what_waits_when_batches_end_goes_one_by_one(stage: Stage) -> None:
    stage.batches.no = NO_GRANT
    stage.open_all()
    stage.writes.go()
    late = an_order(a_name(trade=1, attempt=2))
    told: list[object] = []
    for order in (late, an_order(a_name(trade=2, attempt=2))):
        stage.executor.post.send(order, stage.house.clock.now(), told.append)
    stage.house.inbox.drain()
    stage.executor.post.flush()
    stage.work()

    assert told == ["v4", "v5"]


def test_cancels_that_may_not_go_together_go_one_by_one_at_once(stage: Stage) -> None:
    stage.open_all()
    stage.work()
    stage.batches.no = NO_GRANT
    for name in stage.names:
        stage.executor.cancel(name)
    stage.executor.post.flush()
    stage.urgent.jobs.pop()()

    assert stage.venue.cancels == stage.names


@pytest.mark.parametrize("kind", [AuthenticationRejected, TimestampRejected])
def test_a_key_that_is_refused_altogether_says_nothing_about_batches(stage: Stage, kind: type[AuthenticationRejected]) -> None:
    stage.batches.no = kind("fake", "batch", "signature")
    refuse = AuthenticationRejected("fake", "create", "signature")
    stage.venue.submit = lambda _order, /: (_ for _ in ()).throw(refuse)  # type: ignore[method-assign]
    stage.open_all()
    stage.work()

    assert stage.alerts.about("batches not allowed") == []
    assert [stage.record(number).live for number in (1, 2, 3)] == [False] * 3


def test_a_clock_that_was_off_is_no_lack_of_a_grant(stage: Stage) -> None:
    stage.batches.no = TimestampRejected("fake", "batch", "10557")
    stage.open_all()
    stage.work()

    assert stage.numbers() == ["v1", "v2", "v3"]
    assert stage.alerts.raised == []


def test_l05_a_venue_that_is_wrong_about_a_refusal_still_has_each_order_once(stage: Stage) -> None:
    stage.batches.lie = True
    stage.open_all()
    stage.work()
    stage.go(2)

    assert stage.numbers() == ["v1", "v2", "v3"]
    assert len(stage.venue.orders) == 3


def test_a_whole_batch_refused_for_anything_else_does_not_take_good_orders_along(stage: Stage) -> None:
    stage.batches.no = ExchangeRejected("fake", "batch", "parameter illegal", 10004)
    stage.venue.refuse = InsufficientMargin("fake", "create", "no")
    stage.open_all()
    stage.work()

    assert [stage.record(number).live for number in (1, 2, 3)] == [False, True, True]
    assert len(stage.alerts.about("batches not allowed")) == 1
