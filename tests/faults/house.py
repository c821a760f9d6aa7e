"""One life of the daemon, from the opening of its journal to its death: the real services, all in turns with one agenda."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from auth import Credentials
from clock import Clock
from commands import heed_attention
from config import Settings
from context import TradingContext, build_context
from domain import Push, Severity
from exchanges.coincall.transport import Transport, validity_window
from journal import open_journal
from ports import Streams
from strategy import StrategyConfig
from wiring import StreamPlan, Wiring
from workers import Completion, Inbox, Message, Pool

from tests.faults.clockwork import Agenda, SkewedClock
from tests.faults.crash import JournalWatch, watched
from tests.faults.pushes import Crier, Ear, Mood
from tests.faults.wire import TIMEOUT, Line, Wire

T = TypeVar("T")
TICK = timedelta(seconds=0.5)
KEY, SECRET = "house-key", "house-secret"
SETTINGS = Settings.model_validate(
    {
        "TRADING_ENVIRONMENT": "paper",
        "COINCALL_BASE_URL": "http://127.0.0.1:1",
        "COINCALL_API_KEY_PAPER": KEY,
        "COINCALL_API_SECRET_PAPER": SECRET,
        "TRADER_POLL_INTERVAL_SECONDS": "3",
        "TRADER_TICK_INTERVAL_SECONDS": str(TICK.total_seconds()),
        "TRADER_HTTP_TIMEOUT_SECONDS": str(TIMEOUT),
    }
)


class TurnPool:
    """Workers whose calls take turns with everything else on an agenda; at most `size` at a time."""

    def __init__(self, agenda: Agenda, owner: object, inbox: Inbox, size: int, wake: Callable[[], None]) -> None:
        self._agenda, self._owner, self._inbox, self._free, self._wake = agenda, owner, inbox, size, wake
        self._waiting: deque[Callable[[], Message]] = deque()

    def run(self, work: Callable[[], T], done: Callable[[T | Exception], None], /) -> None:
        """Begin work when a worker is free; leave what came of it in the inbox."""

        def job() -> Message:
            result: T | Exception
            try:
                result = work()
            except Exception as error:  # noqa: BLE001 - thread boundary: what went wrong is handed to the tick
                result = error
            return Completion(result, done)

        self._waiting.append(job)
        self._begin()

    def close(self, timeout: float) -> bool:
        """Have nothing to wait for."""
        return True

    def _begin(self) -> None:
        if self._free > 0 and self._waiting:
            self._free -= 1
            job = self._waiting.popleft()
            self._agenda.after(0.001, lambda: self._agenda.call(lambda: self._do(job), self._owner), self._owner)

    def _do(self, job: Callable[[], Message]) -> None:
        message = job()
        self._free += 1
        self._inbox.put(message)
        self._wake()
        self._begin()


@dataclass(frozen=True, slots=True)
class Ways:
    """Time, the way to the exchange, and what the exchange tells unasked."""

    agenda: Agenda
    wire: Wire
    crier: Crier


class House:
    """The daemon as `main.py` builds it, over a state directory; it ticks by itself as the agenda goes on."""

    def __init__(
        self,
        home: Path,
        ways: Ways,
        watch: JournalWatch,
        strategies: Sequence[StrategyConfig],
        ahead: timedelta,
        changes: Mapping[str, object],
    ) -> None:
        """Open the journal as it is found; raise JournalError where it cannot be. Nothing is sent before the first tick.

        `changes` are the fields of Settings that are not as usual.
        """
        settings = SETTINGS.model_copy(update=changes)
        self.home, self._watch = home, watch
        self._agenda, self._wire, self._crier = ways.agenda, ways.wire, ways.crier
        self.clock = SkewedClock(self._agenda, ahead)
        opened = open_journal(home, self.clock)
        watched(opened.journal, watch)
        wiring = Wiring(pool=self._pool, transport=self._transport, streams=self._streams)
        try:
            self.context: TradingContext = build_context(
                settings, strategies, self.clock, opened, base_url=str(settings.base_url), home=home, wiring=wiring
            )
        except BaseException:
            opened.journal.close()
            raise
        self._next = self._agenda.now()
        self._ticks = 0
        self._begin()

    def wake(self) -> None:
        """Tick soon: something is in the inbox."""
        self._tick_at(0.001)

    def let_go(self) -> None:
        """Let go of the files; what was not written is lost."""
        self._agenda.bury(self)
        self.context.feed.close()
        self.context.transport.close()
        self.context.opened.journal.close()

    def _begin(self) -> None:
        """Do what the program does before its first tick."""
        context, opened = self.context, self.context.opened
        if opened.damage is not None:
            context.alerts.alert(Severity.CRITICAL, "journal damaged", opened.damage, "read docs/runbook.md, then --acknowledge")
        heed_attention(context)
        context.reads.run(context.transport.measure_skew, lambda _: None)
        self._tick_at(0.0)

    def _tick_at(self, seconds: float) -> None:
        due = self._agenda.now() + timedelta(seconds=seconds)
        if self._ticks and self._agenda.now() < self._next <= due:
            return
        self._next, self._ticks = due, self._ticks + 1
        mine = self._ticks
        self._agenda.at(due, lambda: self._tick(mine), self)

    def _tick(self, number: int) -> None:
        if number == self._ticks:  # an earlier one has come in its place otherwise
            self.context.monitor.tick()
            self._tick_at(TICK.total_seconds())

    def _pool(self, inbox: Inbox, size: int, name: str) -> Pool:
        return TurnPool(self._agenda, self, inbox, size, self.wake)

    def _streams(self, plan: StreamPlan) -> Streams | None:
        """Let the crier be heard; frames that arrive wake the tick as everything in the inbox does."""
        if self._crier.mood is Mood.OFF:
            return None

        def heard(push: Push) -> None:
            plan.listener(push)
            self.wake()

        return Ear(self._crier, self._agenda, self, replace(plan, listener=heard))

    def _transport(self, settings: Settings, clock: Clock, base_url: str) -> Transport:
        return Transport(
            base_url,
            clock,
            credentials=Credentials(KEY, SECRET),
            window=validity_window(clock),
            timeout=settings.http_timeout,
            rng=self._wire.rng,
            pause=self._agenda.sleep,
            adapter=lambda: Line(self._wire, self._watch.reaper, self),
        )


def held_by_books(house: House) -> dict[str, Decimal]:
    """Return what the daemon believes it holds, signed coins by option; flat ones left out."""
    held: dict[str, Decimal] = {}
    for trade in house.context.lifecycle.trades:
        for leg in trade.legs:
            held[leg.option.symbol] = held.get(leg.option.symbol, Decimal(0)) + leg.held
    return {symbol: qty for symbol, qty in held.items() if qty != 0}
