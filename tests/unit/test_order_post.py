"""Orders of one tick in one request: what leaves together, and what becomes of each."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal

import pytest

from domain import Purpose, Side
from errors import ExchangeUnavailable, InsufficientMargin
from events import OrderAccepted, OrderIntended, OrderLost

from tests.fakes import a_name, an_order
from tests.unit.post_stage import CALL, Stage, T


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
