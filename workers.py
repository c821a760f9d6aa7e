"""Threads that wait so that the tick need not, and the inbox in which they leave what came of it.

Work runs on a worker; what it returned or raised goes into the inbox, and its callback runs on whichever thread takes from there: the
tick. Two pools over one inbox keep slow reads from delaying orders and cancels.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Generic, Protocol, TypeVar

from clock import monotonic
from errors import ExchangeUnavailable

T = TypeVar("T")
Message = Callable[[], None]


class Inbox:
    """A queue from any thread to the tick: messages in the order they were put, and a wake-up for whoever waits for one."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._changed = threading.Condition()
        self._woken = False

    def put(self, message: Message) -> None:
        """Add a message, to be called on the tick thread; safe from any thread, never blocks."""
        with self._changed:
            self._messages.append(message)
            self._changed.notify()

    def take(self) -> list[Message]:
        """Remove and return what is in it now, oldest first; what arrives meanwhile waits for the next time."""
        with self._changed:
            taken = list(self._messages)
            self._messages.clear()
            return taken

    def wait(self, seconds: float) -> bool:
        """Wait until there is a message or a wake-up, at most so many seconds of the wall; tell whether there was."""
        with self._changed:
            arrived = self._changed.wait_for(lambda: self._woken or bool(self._messages), max(0.0, seconds))
            self._woken = False
            return arrived

    def wake(self) -> None:
        """End the present wait, or the next one if nobody waits."""
        with self._changed:
            self._woken = True
            self._changed.notify()

    def drain(self) -> int:
        """Call every message, also those put meanwhile, until none is left; return how many. Lets their errors through."""
        count = 0
        while taken := self.take():
            for message in taken:
                message()
                count += 1
        return count

    def __len__(self) -> int:
        return len(self._messages)


@dataclass(frozen=True, slots=True)
class Completion(Generic[T]):
    """Some work is over: what it returned or raised, and who wants to know."""

    result: T | Exception
    done: Callable[[T | Exception], None]

    def __call__(self) -> None:
        self.done(self.result)

    def __str__(self) -> str:
        done: object = self.done
        while isinstance(done, partial):  # whose own description would print every argument
            done = done.func
        return f"completion for {getattr(done, '__qualname__', done)}"


class _Job(Protocol):
    def run(self) -> Message: ...
    def refuse(self, reason: str) -> Message: ...


@dataclass(frozen=True, slots=True)
class _Work(Generic[T]):
    work: Callable[[], T]
    done: Callable[[T | Exception], None]

    def run(self) -> Message:
        result: T | Exception
        try:
            result = self.work()
        except Exception as error:  # noqa: BLE001 - thread boundary: what went wrong is handed to the tick
            result = error
        return Completion(result, self.done)

    def refuse(self, reason: str) -> Message:
        return Completion(ExchangeUnavailable("workers", "run", reason), self.done)


class Pool(Protocol):
    """Workers with an end: what `ports.IoPool` asks, and letting go."""

    def run(self, work: Callable[[], T], done: Callable[[T | Exception], None], /) -> None:
        """Do work; later call done on the tick thread with what it returned or raised."""
        ...

    def close(self, timeout: float) -> bool:
        """Take no more work and wait for the rest; tell whether all ended within timeout, real seconds."""
        ...


class ThreadPool:
    """Daemon threads that work for the tick. `size` is how many calls may wait on the network at a time."""

    def __init__(self, inbox: Inbox, size: int, name: str = "io") -> None:
        self._inbox, self.name = inbox, name
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._gate = threading.Lock()
        self._closed = False
        self._threads = [threading.Thread(target=self._work, name=f"{name}-{n}", daemon=True) for n in range(size)]
        for thread in self._threads:
            thread.start()

    def run(self, work: Callable[[], T], done: Callable[[T | Exception], None], /) -> None:
        """Do work on a worker; later call done on the tick thread with what it returned or raised.

        Once closed, done gets ExchangeUnavailable: the work was not begun.
        """
        job = _Work(work, done)
        with self._gate:
            if not self._closed:
                self._jobs.put(job)
                return
        self._inbox.put(job.refuse(f"{self.name} is closed; nothing was sent"))

    @property
    def waiting(self) -> int:
        """Return how much work no worker has begun yet."""
        return self._jobs.qsize()

    def close(self, timeout: float) -> bool:
        """Take no more work, refuse what was not begun, wait for the rest; tell whether all ended within timeout, real seconds."""
        deadline = monotonic() + timeout
        with self._gate:
            self._closed = True
            for job in self._not_begun():
                self._inbox.put(job.refuse(f"{self.name} was closed before it began; nothing was sent"))
            for _ in self._threads:
                self._jobs.put(None)
        for thread in self._threads:
            thread.join(max(0.0, deadline - monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _not_begun(self) -> list[_Job]:
        jobs: list[_Job] = []
        while True:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return jobs
            if job is not None:
                jobs.append(job)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._inbox.put(job.run())


class InlinePool:
    """A pool without threads, for tests and backtests: work is done at once, in the caller.

    With an inbox the outcome waits there, as it does live; without one the callback is called before run returns.
    """

    def __init__(self, inbox: Inbox | None = None) -> None:
        self._inbox = inbox

    def run(self, work: Callable[[], T], done: Callable[[T | Exception], None], /) -> None:
        """Do work now; hand what it returned or raised to done, now or when the inbox is emptied."""
        completion = _Work(work, done).run()
        if self._inbox is None:
            completion()
        else:
            self._inbox.put(completion)

    def close(self, timeout: float) -> bool:  # noqa: ARG002 - nothing is ever under way
        """Have nothing to wait for."""
        return True
