"""Market time in one thread at a time: an agenda of what happens when, and calls that wait for market time without stopping anybody.

A call on its way to the exchange is a fibre: a thread that runs only while the agenda waits for it, so that everything has one order,
and the same seed gives the same run. One rule: whoever dies takes its calls along; what already left for the exchange goes on.
"""

import heapq
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count


class Doomed(BaseException):
    """The caller's process has died: nothing of the call goes on."""


class Crash(BaseException):
    """The daemon dies here and now: `kill -9`, a power cut."""


class Fibre:
    """A thread that runs in turns with the agenda; it is used again for the next call once one is over."""

    def __init__(self) -> None:
        self._go, self._back = threading.Lock(), threading.Lock()
        self._go.acquire()
        self._back.acquire()
        self._work: Callable[[], None] = lambda: None
        self._error: BaseException | None = None
        self.over, self.doomed = True, False
        self.owner: object = None
        threading.Thread(target=self._run, name="fibre", daemon=True).start()

    def begin(self, work: Callable[[], None], owner: object) -> None:
        """Run work until it waits or is over."""
        self._work, self.owner, self.over, self.doomed = work, owner, False, False
        self.go_on()

    def go_on(self) -> None:
        """Run until it waits again or is over; what it raised is raised here."""
        self._go.release()
        self._back.acquire()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def wait(self) -> None:
        """Let the agenda go on, from inside; returns when it says so."""
        self._back.release()
        self._go.acquire()
        if self.doomed:
            raise Doomed

    def _run(self) -> None:
        while True:
            self._go.acquire()
            try:
                self._work()
            except Doomed:
                pass
            except BaseException as error:  # noqa: BLE001 - thread boundary: the agenda raises it
                self._error = error
            self.over = True
            self._back.release()


_IDLE: list[Fibre] = []


class Agenda:
    """What is to happen, in the order of its moments; also the true clock of a world."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._items: list[tuple[datetime, int, object, Callable[[], None]]] = []
        self._numbers = count()
        self._running: Fibre | None = None
        self._waiting: dict[Fibre, None] = {}

    def now(self) -> datetime:
        """Return the moment it is."""
        return self._now

    def real_seconds(self, span: timedelta) -> float:
        """Return how many seconds a span lasts: here the wall runs as the market does."""
        return max(0.0, span.total_seconds())

    def at(self, moment: datetime, action: Callable[[], None], owner: object = None) -> None:
        """Note an action for a moment, now at the earliest; an owner's death strikes it out."""
        heapq.heappush(self._items, (max(moment, self._now), next(self._numbers), owner, action))

    def after(self, seconds: float, action: Callable[[], None], owner: object = None) -> None:
        """Note an action for so many seconds from now."""
        self.at(self._now + timedelta(seconds=seconds), action, owner)

    def run_to(self, moment: datetime) -> None:
        """Let everything happen up to a moment; what it raises is raised here, and the rest stays on the agenda."""
        while self._items and self._items[0][0] <= moment:
            at, _, _, action = heapq.heappop(self._items)
            self._now = max(self._now, at)
            action()
        self._now = max(self._now, moment)

    def call(self, work: Callable[[], None], owner: object) -> None:
        """Begin a call that may wait for market time."""
        fibre = _IDLE.pop() if _IDLE else Fibre()
        self._step(fibre, lambda: fibre.begin(work, owner))

    def sleep(self, seconds: float) -> None:
        """Wait inside a call."""
        fibre = self._running
        if fibre is None:
            raise RuntimeError("only a call can wait: the tick never does")
        self._waiting[fibre] = None
        self.at(self._now + timedelta(seconds=seconds), lambda: self._step(fibre, fibre.go_on), fibre.owner)
        self._running = None
        fibre.wait()

    def bury(self, owner: object) -> None:
        """Strike out what an owner meant to do, and end its calls where they stand."""
        self._items = [item for item in self._items if item[2] is not owner]
        heapq.heapify(self._items)
        for fibre in [fibre for fibre in self._waiting if fibre.owner is owner]:
            fibre.doomed = True
            self._step(fibre, fibre.go_on)

    def _step(self, fibre: Fibre, move: Callable[[], None]) -> None:
        self._waiting.pop(fibre, None)
        self._running = fibre
        try:
            move()
        finally:
            self._running = None
            if fibre.over:
                _IDLE.append(fibre)


class SkewedClock:
    """The clock of one machine, ahead of the true time by `ahead`."""

    def __init__(self, agenda: Agenda, ahead: timedelta = timedelta(0)) -> None:
        self._agenda, self.ahead = agenda, ahead

    def now(self) -> datetime:
        """Return what this machine takes for the moment."""
        return self._agenda.now() + self.ahead

    def real_seconds(self, span: timedelta) -> float:
        """Return how many seconds a span lasts."""
        return self._agenda.real_seconds(span)
