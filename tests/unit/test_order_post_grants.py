"""Batches that an account may not send: everybody goes alone, once, and nobody is told twice."""

from collections.abc import Iterator

import pytest

from errors import AuthenticationRejected, ExchangeRejected, InsufficientMargin, TimestampRejected

from tests.fakes import a_name, an_order
from tests.unit.post_stage import NO_GRANT, Stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    yield Stage()


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
