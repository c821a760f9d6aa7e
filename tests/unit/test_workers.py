"""Workers wait so that the tick need not; whatever becomes of their work, the tick is told exactly once."""

import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from errors import ExchangeUnavailable
from workers import Completion, Inbox, InlinePool, ThreadPool

PATIENCE = 10.0  # real seconds; only a failing test waits so long


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def pool(inbox: Inbox) -> Iterator[ThreadPool]:
    pool = ThreadPool(inbox, 2, "reads")
    yield pool
    pool.close(PATIENCE)


def drained(inbox: Inbox, count: int) -> None:
    """Call messages until so many have been called."""
    while count > 0:
        assert inbox.wait(PATIENCE)
        count -= inbox.drain()


# ---- the inbox


def test_messages_come_out_in_the_order_they_were_put(inbox: Inbox) -> None:
    seen: list[int] = []
    for number in range(5):
        inbox.put(partial(seen.append, number))

    assert len(inbox) == 5
    assert inbox.drain() == 5
    assert seen == [0, 1, 2, 3, 4]


def test_what_is_put_while_messages_are_called_waits_for_the_next_time(inbox: Inbox) -> None:
    inbox.put(lambda: inbox.put(lambda: None))

    for message in inbox.take():
        message()

    assert len(inbox) == 1


def test_draining_calls_what_is_put_meanwhile_too(inbox: Inbox) -> None:
    inbox.put(lambda: inbox.put(lambda: None))

    assert inbox.drain() == 2


def test_nobody_waits_while_there_is_a_message(inbox: Inbox) -> None:
    inbox.put(lambda: None)

    assert inbox.wait(PATIENCE)
    assert inbox.wait(PATIENCE)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 0.01])
def test_a_wait_ends_by_itself(inbox: Inbox, seconds: float) -> None:
    assert not inbox.wait(seconds)


def test_a_wake_up_ends_one_wait(inbox: Inbox) -> None:
    inbox.wake()

    assert inbox.wait(PATIENCE)
    assert not inbox.wait(0)


@pytest.mark.parametrize("end", [Inbox.wake, lambda inbox: inbox.put(lambda: None)])
def test_a_wait_ends_when_another_thread_says_so(inbox: Inbox, end: Callable[[Inbox], None]) -> None:
    thread = threading.Timer(0.02, end, (inbox,))
    thread.start()

    assert inbox.wait(PATIENCE)
    thread.join()


def test_many_threads_lose_no_message(inbox: Inbox) -> None:
    def put_many() -> None:
        for _ in range(500):
            inbox.put(lambda: None)

    threads = [threading.Thread(target=put_many) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert inbox.drain() == 4000


# ---- threads


def test_work_runs_elsewhere_and_its_result_arrives_here(inbox: Inbox, pool: ThreadPool) -> None:
    seen: list[object] = []

    pool.run(threading.get_ident, lambda result: seen.extend((result, threading.get_ident())))
    drained(inbox, 1)

    worker, here = seen
    assert here == threading.get_ident() != worker


def test_what_work_raises_arrives_as_a_value(inbox: Inbox, pool: ThreadPool) -> None:
    seen: list[object] = []

    pool.run(lambda: 1 // 0, seen.append)
    pool.run(lambda: "fine", seen.append)
    drained(inbox, 2)

    assert sorted(str(each) for each in seen) == ["fine", "integer division or modulo by zero"]


def test_slow_reads_never_delay_an_order(inbox: Inbox, pool: ThreadPool) -> None:
    orders, network, sent = ThreadPool(inbox, 1, "orders"), threading.Event(), list[object]()
    for _ in range(10):
        pool.run(partial(network.wait, PATIENCE), lambda _: None)
    orders.run(lambda: "sent", sent.append)
    drained(inbox, 1)

    assert sent == ["sent"]
    assert pool.waiting >= 8
    network.set()
    orders.close(PATIENCE)


def test_closing_waits_for_what_has_begun_and_refuses_what_has_not(inbox: Inbox) -> None:
    pool, network, begun, seen = ThreadPool(inbox, 1), threading.Event(), threading.Event(), list[object]()

    def work() -> bool:
        begun.set()
        return network.wait(PATIENCE)

    pool.run(work, lambda _: seen.append("done"))
    pool.run(lambda: "never", seen.append)
    assert begun.wait(PATIENCE)

    assert not pool.close(0.01)
    network.set()
    assert pool.close(PATIENCE)
    inbox.drain()

    refused, done = seen
    assert done == "done"
    assert isinstance(refused, ExchangeUnavailable)
    assert "nothing was sent" in str(refused)


def test_a_closed_pool_answers_that_nothing_happened(inbox: Inbox, pool: ThreadPool) -> None:
    pool.close(PATIENCE)
    seen: list[object] = []

    pool.run(lambda: "never", seen.append)
    inbox.drain()

    (refused,) = seen
    assert isinstance(refused, ExchangeUnavailable)


def test_an_idle_pool_closes_at_once(inbox: Inbox) -> None:
    assert ThreadPool(inbox, 4).close(PATIENCE)


# ---- no threads


def test_inline_work_is_done_before_run_returns() -> None:
    seen: list[object] = []

    InlinePool().run(lambda: 1, seen.append)

    assert seen == [1]


def test_inline_work_may_leave_its_outcome_in_the_inbox_as_live_work_does(inbox: Inbox) -> None:
    seen: list[object] = []
    pool = InlinePool(inbox)

    pool.run(lambda: 1, seen.append)
    pool.run(lambda: 1 // 0, lambda error: seen.append(type(error)))
    assert seen == []
    inbox.drain()

    assert seen == [1, ZeroDivisionError]


# ---- names for logs


def an_outcome(_: object) -> None: ...


@pytest.mark.parametrize("done", [an_outcome, partial(an_outcome), partial(partial(an_outcome))])
def test_a_completion_is_named_by_its_callback_and_never_prints_its_arguments(done: Callable[[object], None]) -> None:
    assert str(Completion("secret", done)) == "completion for an_outcome"
