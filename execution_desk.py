"""Runs the present execution of every trade on one venue: chooses the way, steps it, falls back, hurries, guards, takes back.

The choice and all that follows from it are journalled before the first order, so a restart goes on with the same execution. A trade's
phase is over only once nothing of its execution is out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from loguru import logger

from domain import (
    NEXT_MODE,
    AccountSnapshot,
    ExecutionMode,
    Option,
    OrderBook,
    OrderType,
    Purpose,
    Quote,
    Remedy,
    RoutingThresholds,
    Verdict,
)
from events import ExecutionEnded
from execution import Advance, Execution, ExecutionResult, Executor, Progress, Scene
from execution_log import ExecutionLog, Run
from execution_watch import AfterWatch, merged, without_ours
from legging import executable, to_parity
from naked_leg_guard import Due, NakedLegGuard
from order_ledger import OrderRecord
from ports import Alerts
from routing import Measured, Route, route
from trade_execution import TradeExecutor
from trade_lifecycle import TradeLifecycle

M = ExecutionMode
BookSource = Callable[[str], OrderBook | None]
Ended = Callable[[Run, ExecutionResult], None]
History = Callable[[TradeLifecycle, Purpose], Mapping[ExecutionMode, Measured]]


class Outcome(StrEnum):
    """What the desk says of a trade's phase."""

    WORKING = "working"
    DONE = "done"
    GIVEN_UP = "given_up"
    UNWIND = "unwind"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a phase stands, why, and which legs (by index) cannot be left."""

    outcome: Outcome
    reason: str = ""
    stuck: Mapping[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Running:
    run: Run
    execution: Execution
    options: tuple[Option, ...]
    leaving: str | None = None


TOLD_EVERY = timedelta(seconds=30)
WORKING = Standing(Outcome.WORKING)
_LAST = {Remedy.UNWIND: Outcome.UNWIND, Remedy.HOLD: Outcome.HOLD}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskRules:
    """What the desk waits for, market time: the books of an opening before it is decided on, and the market's next move after the end."""

    books_within: timedelta = timedelta(0)
    look_after: timedelta = timedelta(seconds=60)
    thresholds: RoutingThresholds = field(default_factory=RoutingThresholds)


class ExecutionDesk:
    """The executions of all trades on one venue, one at a time for each trade."""

    def __init__(
        self,
        *,
        executor: TradeExecutor,
        executors: Sequence[Executor],
        log: ExecutionLog,
        alerts: Alerts,
        books: BookSource,
        history: History | None = None,
        rules: DeskRules | None = None,
    ) -> None:
        self._executor, self._log, self._books, self._history = executor, log, books, history
        self._executors = {each.mode: each for each in executors}
        self._rules = rules or DeskRules()
        self._guard = NakedLegGuard(log, alerts)
        self._after = AfterWatch(self._rules.look_after)
        self._running: dict[int, _Running] = {}
        self._listeners: list[Ended] = []
        self._told: dict[int, tuple[str, datetime]] = {}
        self._waiting: dict[tuple[int, Purpose], datetime] = {}  # since when a phase's books are waited for
        self._live: tuple[datetime | None, dict[str, list[OrderRecord]]] = (None, {})

    # ---- what the lifecycle asks

    def step(
        self, trade: TradeLifecycle, purpose: Purpose, account: AccountSnapshot, clamps: Mapping[str, Decimal] | None = None
    ) -> Standing:
        """Look once at a trade's opening, close or unwinding, and do what is due. Raises InvariantBroken and JournalError."""
        scene = self._scene(trade, purpose, account, clamps)
        standing = self._looked(scene)
        self._guard.note(scene)
        return standing

    def _looked(self, scene: Scene) -> Standing:
        trade = scene.trade
        running = self._running.get(trade.number)
        if running is not None and running.run.started.purpose is not scene.purpose:
            running.leaving = running.leaving or "the trade goes another way"
        due = self._guard.watch(scene, doubted=any(order.lost for order in self._executor.live_orders(trade.number)))
        if running is not None and running.leaving is not None:
            if not self._left(running):
                return WORKING
            running = None
        if due is not None:
            return self._remedy(scene, due)
        running = running or self._resumed(scene)
        standing = self._begun(scene) if running is None else self._stepped(scene, running)
        given_up = standing.outcome is Outcome.GIVEN_UP
        return WORKING if given_up and not self.withdraw(trade, standing.reason) else standing  # an order may be out without a run

    def withdraw(self, trade: TradeLifecycle, reason: str) -> bool:
        """Take back all that is out of a trade and end its execution; tell whether nothing is out any more."""
        running = self._running.get(trade.number) or self._unended(trade)
        if running is None:
            live = self._executor.live_orders(trade.number)
            for order in live:
                self._executor.cancel(order.client_id)
            return not live
        running.leaving = running.leaving or reason
        return self._left(running)

    def finished(self, trade: TradeLifecycle, account: AccountSnapshot) -> bool:
        """End the execution of a trade that is flat and has no order out; tell whether nothing of it is left to end."""
        running = self._running.get(trade.number) or self._unended(trade)
        if running is None:
            return True
        advance = running.execution.step(self._scene(trade, running.run.started.purpose, account, None))
        if advance.progress is not Progress.DONE and not running.execution.cancel("nothing is left to trade"):
            return False
        self._end(running, success=True, reason="")
        return True

    def overdue(self, trade: TradeLifecycle, account: AccountSnapshot) -> None:
        """Call a person about a trade that stands half filled for too long while its orders are being taken back."""
        self._guard.overdue(self._scene(trade, Purpose.OPEN, account, None))

    def tick(self, account: AccountSnapshot) -> None:
        """Note where the market went after executions that ended a while ago."""
        self._after.look(account)

    @property
    def options_watched(self) -> tuple[Option, ...]:
        """Return the options whose quotes are still wanted after their trades have ended."""
        return self._after.options

    def forget(self, trade: int) -> None:
        """Drop what is kept of a trade that has ended."""
        self._running.pop(trade, None)
        self._told.pop(trade, None)
        for purpose in Purpose:
            self._waiting.pop((trade, purpose), None)
        self._log.forget(trade)
        self._guard.forget(trade)
        for executor in self._executors.values():
            executor.forget(trade)

    def on_ended(self, listener: Ended) -> None:
        """Hand every execution that ends, and its result, to listener, after its end is journalled."""
        self._listeners.append(listener)

    # ---- one execution

    def _stepped(self, scene: Scene, running: _Running) -> Standing:
        if scene.urgent and not running.run.started.urgent:
            return self._leave(running, "it has become urgent")
        advance = running.execution.step(scene)
        self._tell(scene, advance.reason)
        match advance.progress:
            case Progress.WORKING:
                return Standing(Outcome.WORKING, advance.reason, advance.stuck or {})
            case Progress.DONE if scene.purpose.reduces and not scene.trade.flat:  # the venue says that less is held than our books
                return Standing(Outcome.WORKING, "what is left is not held by the venue's account")
            case Progress.DONE:
                self._end(running, success=True, reason="")
                return WORKING if running.run.started.remedy is not None and scene.wanted else Standing(Outcome.DONE)
            case _:
                return self._leave(running, advance.reason)

    def _leave(self, running: _Running, reason: str) -> Standing:
        running.leaving = reason
        self._left(running)
        return WORKING

    def _left(self, running: _Running) -> bool:
        """Take an execution's orders back; end it once none is out, and tell whether it has ended."""
        reason = running.leaving or ""
        quiet = running.execution.cancel(reason) and not self._executor.live_orders(running.run.started.trade)
        if quiet:
            self._end(running, success=False, reason=reason)
        return quiet

    def _end(self, running: _Running, *, success: bool, reason: str) -> None:
        run = running.run
        self._running.pop(run.started.trade, None)
        if run.ended is not None:
            return
        run.write(ExecutionEnded, success=success, reason=reason)
        self._after.expect(run, running.options)
        result = running.execution.result(Advance(progress=Progress.DONE if success else Progress.EXHAUSTED, reason=reason))
        for listener in self._listeners:
            listener(run, result)

    def _unended(self, trade: TradeLifecycle) -> _Running | None:
        """Return the execution that a restart found in the journal, whatever its purpose; None if none is unended."""
        run = self._log.last(trade.number)
        if run is None or run.ended is not None:
            return None
        scene = self._scene(trade, run.started.purpose, AccountSnapshot(valid=False, now=run.began_at), None)
        return self._take_up(scene, run)

    def _resumed(self, scene: Scene) -> _Running | None:
        run = self._log.last(scene.trade.number)
        if run is None or run.ended is not None:
            return None
        logger.info("execution resumed trade={} run={} mode={}", scene.trade.id, run.started.run, run.started.mode)
        return self._take_up(scene, run)

    def _take_up(self, scene: Scene, run: Run) -> _Running:
        executor = self._executors.get(run.started.mode) or self._executors[M.LIMIT]
        options = tuple(leg.option for leg in scene.trade.legs)
        running = self._running[scene.trade.number] = _Running(run, executor.begin(scene, run), options)
        return running

    # ---- choosing

    def _begun(self, scene: Scene) -> Standing:
        """Choose a way and begin it; nothing is sent before all legs of an opening can be traded."""
        if not scene.wanted and not self._executor.live_orders(scene.trade.number):
            return WORKING if scene.purpose.reduces and not scene.trade.flat else Standing(Outcome.DONE)
        last = self._log.last(scene.trade.number)
        if last is not None and last.started.purpose is scene.purpose and last.ended is not None and not last.ended.success:
            return self._after_failure(scene, last)
        unseen = self._unseen(scene)
        if unseen is not None:
            return Standing(Outcome.WORKING, unseen)
        chosen = self._route(scene)
        if isinstance(chosen, str):
            return Standing(Outcome.GIVEN_UP, chosen)
        return self._unready(scene, chosen.mode) or self._begin(scene, chosen)

    def _unseen(self, scene: Scene) -> str | None:
        """Say which books a phase still waits for before it is decided on; None if it does not. What is urgent waits for a price only."""
        seen = {symbol for symbol, quote in scene.quotes.items() if quote.underlying_price is not None}
        known = seen if scene.urgent else seen & scene.books.keys()
        missing = [leg.instrument.symbol for leg in scene.wanted if leg.instrument.symbol not in known]
        begun = self._waiting.setdefault((scene.trade.number, scene.purpose), scene.now)
        waits = missing and scene.now - begun < self._rules.books_within
        return f"waiting for the books of {', '.join(missing)}" if waits else None

    def _unready(self, scene: Scene, mode: ExecutionMode) -> Standing | None:
        """Hold an opening back until every leg could be traded on the book, a chunk at a time in chunks; makers need no book for that."""
        params = scene.trade.params
        begun = any(leg.opened != 0 for leg in scene.trade.legs)  # as after a remedy that brought it together: the guard has it now
        if scene.purpose.reduces or begun or mode is M.RFQ or not params.legging.require_executable:
            return None
        ready = executable(scene, params.smart.chunk_count if mode is M.SMART else 1)
        if ready.ok:
            return None
        self._tell(scene, ready.reason)
        patience = timedelta(seconds=params.max_requote_rounds * params.fill_timeout_seconds)
        return Standing(Outcome.GIVEN_UP if scene.now - scene.trade.phase_at >= patience else Outcome.WORKING, ready.reason)

    def _route(self, scene: Scene) -> Route | str:
        """Return how a phase begins: as declared where that can be done, by the router for `auto`, else by the fallback; or why not."""
        trade = scene.trade
        if scene.purpose is Purpose.UNWIND:
            return Route(M.LIMIT, "what filled is given back at once")
        accepts = {mode: executor.accepts(scene) for mode, executor in self._executors.items()}
        if trade.mode is M.AUTO:
            measured = {} if self._history is None else self._history(trade, scene.purpose)
            return route(scene, accepts, self._rules.thresholds, measured)
        verdict = accepts.get(trade.mode, Verdict(False, f"{trade.mode} is not available here"))
        if verdict.ok:
            return Route(trade.mode, f"the strategy says {trade.mode}")
        mode = self._fallback(scene, trade.mode)
        why = f"{trade.mode} cannot: {verdict.reason}"
        return why if mode is None else Route(mode, why)

    def _fallback(self, scene: Scene, mode: ExecutionMode) -> ExecutionMode | None:
        """Return the mode that goes on where one cannot; a close always goes on. None: give up."""
        after = NEXT_MODE[scene.trade.params.rfq.fallback] if mode is M.RFQ else M.LIMIT
        if after is M.SMART and (M.SMART not in self._executors or not self._executors[M.SMART].accepts(scene).ok):
            after = M.LIMIT
        return M.LIMIT if after is None and scene.purpose.reduces else after

    def _after_failure(self, scene: Scene, last: Run) -> Standing:
        """Go on after an execution that did not trade all: another way, the next remedy, or none."""
        reason, mode = last.ended.reason if last.ended else "", last.started.mode
        if scene.purpose.reduces:
            return self._begin(scene, Route(self._fallback(scene, mode) or M.LIMIT, f"after {mode}: {reason}"))
        if any(leg.opened != 0 for leg in scene.trade.legs):
            due = self._guard.breach(scene, f"{mode}: {reason}", exhausted=True)
            return WORKING if due is None else self._remedy(scene, due)
        after = self._fallback(scene, M.RFQ) if mode is M.RFQ and last.started.remedy is None else None
        if after is None:
            return Standing(Outcome.GIVEN_UP, reason)
        return self._unready(scene, after) or self._begin(scene, Route(after, f"after {mode}: {reason}"))

    def _remedy(self, scene: Scene, due: Due) -> Standing:
        """Begin a remedy, once nothing of the present execution is out."""
        if not self.withdraw(scene.trade, due.reason):
            return WORKING
        if not scene.purpose.reduces and not scene.wanted:  # the rest filled while its orders were being taken back
            return Standing(Outcome.DONE)
        if due.remedy in _LAST:
            return Standing(_LAST[due.remedy], due.reason)
        mode = M.LIMIT
        if due.remedy is Remedy.RFQ:
            verdict = self._executors[M.RFQ].accepts(scene) if M.RFQ in self._executors else Verdict(False, "no makers here")
            if not verdict.ok:
                after = self._guard.breach(scene, f"rfq cannot: {verdict.reason}")
                return WORKING if after is None else self._remedy(scene, after)
            mode = M.RFQ
        return self._begin(scene, Route(mode, f"{due.remedy} the rest: {due.reason}"), due)

    def _begin(self, scene: Scene, chosen: Route, due: Due | None = None) -> Standing:
        """Journal and begin an execution; a remedy for legs that only stand apart trades what brings them together, no more."""
        trade, remedy = scene.trade, None if due is None else due.remedy
        urgent = scene.urgent or remedy is Remedy.CROSS
        parity = remedy is Remedy.CROSS and due is not None and not due.exhausted and not scene.purpose.reduces
        legs = scene.pictures(to_parity(trade) if parity else None)
        run = self._log.begin(trade.number, scene.purpose, chosen.mode, chosen.reason, legs, urgent=urgent, remedy=remedy)
        logger.info("execution begun trade={} run={} mode={} because {}", trade.id, run.started.run, chosen.mode, chosen.reason)
        return self._stepped(replace(scene, urgent=urgent), self._take_up(scene, run))

    # ---- seeing

    def _scene(self, trade: TradeLifecycle, purpose: Purpose, account: AccountSnapshot, clamps: Mapping[str, Decimal] | None) -> Scene:
        ours = self._ours(account.now)
        books: dict[str, OrderBook] = {}
        quotes: dict[str, Quote] = dict(account.quotes)
        for leg in trade.legs:
            symbol = leg.option.symbol
            book = self._books(symbol)
            if book is not None:
                books[symbol] = without_ours(book, ours.get(symbol, ()))
                quotes[symbol] = merged(leg.option, quotes.get(symbol), books[symbol])
        seen = replace(account, quotes=quotes)
        return Scene(account=seen, trade=trade, purpose=purpose, books=books, clamps=clamps, urgent=purpose.reduces and trade.urgent)

    def _ours(self, now: datetime) -> Mapping[str, Sequence[OrderRecord]]:
        """Return our orders that rest at the venue, by symbol, as they stood at the first look of this moment."""
        at, found = self._live
        if at != now:
            found = {}
            for order in self._executor.ledger.live():
                if order.order_id is not None and order.new.order_type is not OrderType.BLOCK_TRADE:
                    found.setdefault(order.new.instrument.symbol, []).append(order)
            self._live = now, found
        return found

    def _tell(self, scene: Scene, reason: str) -> None:
        """Log why an execution waits, when that changes, and not with every requote."""
        before, at = self._told.get(scene.trade.number, ("", None))
        if reason and reason != before and (at is None or scene.now >= at + TOLD_EVERY):
            self._told[scene.trade.number] = reason, scene.now
            logger.info("execution waits trade={} because {}", scene.trade.id, reason)
