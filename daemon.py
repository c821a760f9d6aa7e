"""The long run: starts the services, keeps the tick going until told to stop, and lets go of everything in good order.

Nothing here ends the daemon by itself. Stopping starts no order, cancels none and changes no trade: the next start goes on.
"""

import resource
import signal
import threading
from collections.abc import Callable
from datetime import UTC, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import FrameType

from apscheduler.schedulers.background import BackgroundScheduler
from loguru import logger

from clock import monotonic, wall_now
from command_desk import CommandDesk
from commands import handlers_of, heed_attention
from context import TradingContext
from control import ControlBox
from dead_man import OnStop
from domain import AccountSnapshot, Basis, Greeks, Severity
from errors import ExchangeRejected, JournalError
from events import AccountMarked
from exchanges.coincall.wire_mm import ProtectionTerms
from paper_process import PaperProcess
from workers import ThreadPool

GOODBYE = 2.0
MEMORY = Path("/proc/self/statm")  # pages: of the address space, then those in memory
LEAVE_WITHIN = 1.5  # real seconds of the five that a stop may take
CONTROL_EVERY = timedelta(seconds=1)
HEALTH_AT_LEAST = 30.0
SKEW_TOLD, ZERO = timedelta(seconds=2), timedelta(0)
STORY_EVERY = timedelta(seconds=30)


class Daemon:
    """One run of the program."""

    def __init__(self, context: TradingContext, control: ControlBox, exchange: PaperProcess | None) -> None:
        self._context, self._exchange = context, exchange
        self._commands = CommandDesk(control, handlers_of(context), context.inbox.put)
        self._stop = threading.Event()
        self._scheduler = BackgroundScheduler(timezone=UTC)
        self._started = wall_now()
        self._known = self._kill = self._compared = False
        self._asked_protection: set[str] = set()
        self._keeper = ThreadPool(context.inbox, 1, "exchange")  # reads of an exchange that is down must not hold up its revival

    def run(self) -> None:
        """Run until a signal or a stop; returns when everything is let go."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._signalled)
        signal.signal(signal.SIGUSR1, self._kill_signalled)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})  # what came during the start is heard now
        try:
            self._begin()
            self._context.monitor.run(self._stop)
        finally:
            self._end()

    def stop(self) -> None:
        """End the run soon; safe from any thread and from a signal handler."""
        self._stop.set()
        self._context.inbox.wake()

    def _signalled(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of a signal handler
        self._context.inbox.put(lambda: logger.info("daemon stopping signal={}", signal.Signals(number).name))
        self.stop()

    def _kill_signalled(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of a signal handler
        """Note that the kill switch is thrown; the next tick, which is woken, acts on it: a handler must not touch what the tick owns."""
        self._kill = True
        self._context.inbox.wake()

    def _throw_if_signalled(self, _account: AccountSnapshot) -> None:
        if self._kill:
            self._kill = False
            logger.warning("kill switch: {}", self._context.safety.kill.throw("SIGUSR1", "a signal"))

    def _begin(self) -> None:
        context = self._context
        if context.opened.damage is not None:
            context.alerts.alert(Severity.CRITICAL, "journal damaged", context.opened.damage, "read docs/runbook.md, then --acknowledge")
        heed_attention(context)
        self._compare_clocks()
        self._protect()
        self._every(timedelta(minutes=1), "protection", self._protect)
        self._every(timedelta(hours=1), "clock", self._compare_clocks)
        context.monitor.on_update(self._tell_account, "account story")
        context.monitor.on_update(self._throw_if_signalled, "kill signal")
        settings = context.settings
        self._scheduler.add_job(self._commands.look, "interval", seconds=CONTROL_EVERY.total_seconds(), id="commands", max_instances=1)
        self._every(settings.snapshot_interval, "snapshot", self._snapshot)
        self._every(settings.health_interval, "health", self._health, at_least=HEALTH_AT_LEAST)
        self._every(STORY_EVERY, "story", self._tell_trades, at_least=STORY_EVERY.total_seconds())
        if self._exchange is not None:
            self._every(CONTROL_EVERY, "exchange", self._watch_exchange, real=True)
        if context.rehearsal is not None:
            self._every(timedelta(minutes=1), "dry run index", self._watch_index)
        self._warn_of_real_trades()
        self._commands.begin()
        self._scheduler.start()
        names = ", ".join(runner.name for runner in context.runners) or "none"
        makers = "" if context.maker is None else f" makers={', '.join(policy.name for policy in context.maker.policies)}"
        logger.info("daemon ready environment={} strategies={}{} state={}", settings.environment, names, makers, settings.state_dir)

    def _warn_of_real_trades(self) -> None:
        rehearsing = {runner.name for runner in self._context.runners if runner.config.dry_run}
        real = [trade.id for trade in self._context.lifecycle.active if trade.strategy in rehearsing and not trade.simulated]
        if real:
            said = f"{', '.join(real)} are real trades of strategies that are now dry runs: they stay managed, and close with real orders"
            self._context.alerts.alert(Severity.WARNING, "real trades beside a dry run", said, "close them with --close, or run them live")

    def _end(self) -> None:
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        try:
            self._take_leave()
        except Exception:  # noqa: BLE001 - the end of the program: what is open must be closed all the same
            logger.exception("leaving went wrong")
        try:
            self._context.close(GOODBYE)
        finally:
            if self._exchange is not None:
                self._exchange.stop(1.0)
        active = self._context.lifecycle.active
        logger.info("daemon stopped trades left as they are={}", ", ".join(f"{t.id} {t.state}" for t in active) or "none")

    def _take_leave(self) -> None:
        """Take back what settings want taken back at a stop, as long as the venue answers soon; nothing of it changes a trade."""
        context, settings = self._context, self._context.settings
        dead_man, executor = context.safety.dead_man, context.executor
        if dead_man is not None:
            dead_man.stop(OnStop(settings.countdown_on_stop))
        if context.maker is not None:
            context.maker.leave()
        if settings.cancel_on_stop == "on":
            for order in executor.ledger.live(block=False):
                executor.cancel(order.client_id)
        executor.post.flush()
        deadline = monotonic() + LEAVE_WITHIN
        while monotonic() < deadline and self._goes_on_leaving():
            context.inbox.wait(0.02)
            context.inbox.drain()
            executor.step(context.clock.now())
            executor.post.flush()

    def _goes_on_leaving(self) -> bool:
        """Tell whether something that the stop takes back is not known to be gone yet, and go on with it."""
        context, dead_man = self._context, self._context.safety.dead_man
        cancels = context.settings.cancel_on_stop == "on"
        return (
            (context.maker is not None and context.maker.step_out(context.clock.now()))
            or (dead_man is not None and dead_man.busy)
            or any(cancels and order.cancel_wanted and not order.status.final for order in context.executor.ledger.live(block=False))
        )

    def _every(self, span: timedelta, name: str, job: Callable[[], None], *, real: bool = False, at_least: float = 1.0) -> None:
        """Put a job into the inbox at an interval of market time, but not more often than every `at_least` seconds of the wall."""
        seconds = span.total_seconds() if real else max(at_least, self._context.clock.real_seconds(span))
        self._scheduler.add_job(
            lambda: self._context.inbox.put(job),
            "interval",
            seconds=seconds,
            id=name,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )

    def _protect(self) -> None:
        """Set the venue's protection of marked orders, where settings ask for it and it is not known how it stands."""
        settings, context = self._context.settings, self._context
        if settings.mmp_interval is None:
            return
        freeze = settings.mmp_frozen if settings.mmp_frozen > ZERO else None
        terms = ProtectionTerms(window=settings.mmp_interval, freeze=freeze, qty_limit=settings.mmp_qty, delta_limit=settings.mmp_delta)
        for underlying in set(context.underlyings()) - self._asked_protection:
            context.writes.run(partial(context.protection.protect, underlying, terms), partial(self._protected, underlying))

    def _protected(self, underlying: str, outcome: Exception | None) -> None:
        if outcome is None or isinstance(outcome, ExchangeRejected):
            self._asked_protection.add(underlying)  # a refusal is not asked for again: a person must act
        if outcome is None:
            logger.info("market-maker protection set underlying={}", underlying)
            return
        said = f"the market-maker protection of {underlying} was not set: {outcome}"
        self._context.alerts.alert(
            Severity.WARNING, "protection not set", said, "orders marked mmp are refused; ask the venue, or unset it"
        )

    # ---- what the schedule brings, on the tick thread

    def _compare_clocks(self) -> None:
        self._context.reads.run(self._context.transport.measure_skew, self._skew_known)

    def _skew_known(self, outcome: timedelta | Exception) -> None:
        if isinstance(outcome, Exception):
            logger.warning("clock not compared with the venue's reason={}", outcome)
            return
        logger.log("DEBUG" if self._compared else "INFO", "clock compared with the venue's skew={:.3f}s", outcome.total_seconds())
        self._compared = True
        if abs(outcome) > SKEW_TOLD:
            where = "behind" if outcome > ZERO else "ahead"
            said = f"our clock and the venue's are {abs(outcome).total_seconds():.0f} s apart: ours is {where}"
            hint = "set this machine's clock (NTP): requests are signed by the venue's, but hours and days of strategies follow ours"
            self._context.alerts.alert(Severity.WARNING, "clock", said, hint)

    def _snapshot(self) -> None:
        account = self._context.monitor.snapshot()
        try:
            if account.valid and account.equity is not None:
                marked = AccountMarked(
                    at=account.now,
                    equity=account.equity,
                    available_margin=account.available_margin,
                    maintenance_margin=account.maintenance_margin,
                    unrealized=account.unrealized,
                )
                self._context.opened.journal.append(marked)
            for runner in self._context.runners:
                runner.flush_refusals()
        except JournalError as error:
            self._context.alerts.alert(Severity.WARNING, "journal", f"snapshot: {error}", "make the journal writable; it is tried again")

    def _health(self) -> None:
        context, monitor = self._context, self._context.monitor
        account = monitor.snapshot()
        memory = int(MEMORY.read_text(encoding="ascii").split()[1]) * resource.getpagesize() // 2**20
        logger.bind(health=True).info(
            "health up={} ticks={} failures={} tick={:.1f}ms memory={}MB trades={} orders={} lost={} equity={} account age={}",
            str(wall_now() - self._started).partition(".")[0],
            monitor.ticks,
            monitor.failures,
            monitor.last_tick_seconds * 1000,
            memory,
            len(context.lifecycle.active),
            len(context.executor.ledger.live()),
            context.executor.unresolved,
            "unknown" if account.equity is None else account.equity,
            "never read" if account.age is None else f"{account.age.total_seconds():.1f}s",
        )

    def _tell_account(self, account: AccountSnapshot) -> None:
        """Say when the account becomes known or unknown."""
        before, self._known = self._known, account.valid
        if account.valid and not before:
            logger.info("account known equity={} available={}", account.equity, account.available_margin)
        elif before and not account.valid:
            logger.warning("account unknown reason={}", account.reason)

    def _tell_trades(self) -> None:
        """Say how each open trade stands: what it would bring by mark and at the prices it could be left at now, and its Greeks."""
        account = self._context.monitor.snapshot()
        for trade in self._context.lifecycle.active:
            if trade.opened_at is None:
                continue
            mark, executable = (trade.profit(account, basis) for basis in (Basis.MARK, Basis.EXECUTABLE))
            logger.info(
                "trade {} id={} profit={} at mark, {} if left now, {}",
                trade.state,
                trade.id,
                _usd(mark),
                _usd(executable),
                _greeks(trade.greeks(account)),
            )

    def _watch_exchange(self) -> None:
        exchange = self._exchange
        if exchange is not None and not exchange.alive and not self._stop.is_set():
            self._keeper.run(exchange.revive, self._revived)

    def _revived(self, outcome: bool | Exception) -> None:
        if isinstance(outcome, Exception):
            self._context.alerts.alert(Severity.CRITICAL, "paper exchange", f"it ended and could not be started: {outcome}", "see its log")

    def _watch_index(self) -> None:
        rehearsal = self._context.rehearsal
        if rehearsal is None:
            return
        underlyings = sorted({option.underlying for option in self._context.lifecycle.options_in_use()})
        self._context.reads.run(lambda: rehearsal.watch_index(underlyings), self._index_watched)

    def _index_watched(self, outcome: Exception | None) -> None:
        if isinstance(outcome, Exception):
            logger.debug("index not seen reason={}", outcome)


def _usd(amount: Decimal | None) -> str:
    return "unknown" if amount is None else f"{amount:+.2f} USD"


def _greeks(greeks: Greeks | None) -> str:
    if greeks is None:
        return "Greeks unknown"
    return f"delta={greeks.delta:+.4f} gamma={greeks.gamma:+.6f} vega={greeks.vega:+.2f} theta={greeks.theta:+.2f}"
