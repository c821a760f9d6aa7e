"""Decide on each tick whether a strategy enters; whatever refuses says why. It never touches a trade once it is created."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from loguru import logger

from clock import Clock
from conditions import label_of, needs_legs, verdict_of
from domain import (
    AccountSnapshot,
    Chain,
    EntryCondition,
    ExecutionMode,
    ExecutionParams,
    ExitCondition,
    Quote,
    Severity,
    Verdict,
    unknown_account,
    utc_day_start,
)
from errors import DataNotFresh, JournalError, NoMatchingInstrument, RiskDenied, TraderError
from events import LegPlan, StrategyChanged
from exit_watch import EXIT_FAILED
from option_selection import resolve_legs
from ports import Alerts, JournalWriter
from strategy.config import StrategyConfig
from strategy.record import AWAITED, FLUSH_EVERY, Refusal, Refusals, StrategyHistory, StrategyState, StrategyStatistics, statistics_of
from trade_lifecycle import TradeLifecycle


class ChainSource(Protocol):
    """Where the market comes from; `MarketData` is one."""

    def chain(self, underlying: str, expiry: datetime | None = None) -> Chain:
        """Return the fresh chain of an underlying; raise DataNotFresh while there is none."""
        ...


class TradeDesk(Protocol):
    """What a runner asks of whoever manages the trades; `LifecycleManager` is one."""

    @property
    def entries_allowed(self) -> Verdict:
        """Tell whether anything may be opened now, and why not."""
        ...

    def bind(self, strategy: str, exits: Sequence[ExitCondition], /) -> None:
        """Give the exit conditions by which the strategy's trades are left."""
        ...

    def create(
        self,
        *,
        strategy: str,
        version: str,
        legs: tuple[LegPlan, ...],
        mode: ExecutionMode,
        params: ExecutionParams,
        reason: str,
        simulated: bool,
    ) -> TradeLifecycle:
        """Journal a new trade and manage it from here on; a simulated one sends no order to the venue."""
        ...

    def trades_for_strategy(self, name: str, /) -> tuple[TradeLifecycle, ...]:
        """Return a strategy's trades, real and simulated, ended ones included."""
        ...

    def on_closed(self, callback: Callable[[TradeLifecycle], None], /) -> None:
        """Call back once for every trade that has ended, whichever strategy's, restarts included."""
        ...


class StrategyRunner:
    """One strategy at work: it is ticked with each account snapshot, on the one tick thread, and opens trades when all allow it."""

    def __init__(
        self,
        config: StrategyConfig,
        *,
        market: ChainSource,
        lifecycle: TradeDesk,
        clock: Clock,
        journal: JournalWriter,
        alerts: Alerts,
        seed: StrategyHistory | None = None,
        flush_every: timedelta = FLUSH_EVERY,
    ) -> None:
        self.config = config
        self.state = StrategyState.RUNNING if seed is None else seed.state
        self.failures = 0
        self._why = "" if seed is None else seed.reason
        self._market, self._desk, self._clock, self._journal, self._alerts = market, lifecycle, clock, journal, alerts
        self._interval = timedelta(seconds=config.check_interval_seconds)
        self._next_look: datetime | None = None
        self._account: AccountSnapshot | None = None
        self._refusals = Refusals(config.name, flush_every)
        self._seen = ""
        self._reported: dict[str, str] = {}
        lifecycle.bind(config.name, config.exit_conditions)
        lifecycle.on_closed(self._ended)

    @property
    def name(self) -> str:
        """Return the strategy's name."""
        return self.config.name

    @property
    def refusal(self) -> Refusal | None:
        """Return why the strategy did not enter when it last looked; None if it did, or has not looked yet."""
        return self._refusals.latest

    @property
    def why_not(self) -> str:
        """Return the same for people; empty if it did enter, or has not looked yet."""
        if self.state is not StrategyState.RUNNING:
            return self._standing
        return "" if self.refusal is None else str(self.refusal)

    @property
    def refusal_counts(self) -> Mapping[str, int]:
        """Return how often each thing refused since the program started."""
        return dict(self._refusals.counts)

    @property
    def statistics(self) -> StrategyStatistics:
        """Return what the strategy's trades came to; of a dry run the simulated ones, else the real ones."""
        return statistics_of(self._trades)

    @property
    def _trades(self) -> tuple[TradeLifecycle, ...]:
        """Return the trades that count: an estimate neither uses up a limit of real trades nor the other way round."""
        return tuple(trade for trade in self._desk.trades_for_strategy(self.name) if trade.simulated == self.config.dry_run)

    def enable(self, reason: str) -> None:
        """Let the strategy enter again; the change survives a restart. Raises JournalError, having changed nothing."""
        self._record(StrategyState.RUNNING, reason)
        self._move(StrategyState.RUNNING, reason)

    def pause(self, reason: str) -> None:
        """Enter no more until enabled, also after a restart; open trades are managed on. It holds even if JournalError is raised."""
        self._move(StrategyState.PAUSED, reason)
        self._record(StrategyState.PAUSED, reason)

    def stop(self, reason: str) -> None:
        """Retire the strategy: as pause, said to be for good; open trades are managed to their end."""
        self._move(StrategyState.STOPPED, reason)
        self._record(StrategyState.STOPPED, reason)

    def tick(self, account: AccountSnapshot) -> None:
        """Look, if it is time, whether to enter. Failures of conditions, market and journal are counted and reported, not raised."""
        self._account = account
        if self._next_look is not None and account.now < self._next_look:
            return
        self._next_look = account.now + self._interval
        try:
            self._look(account)
        except TraderError as error:
            self._refuse("error", f"{type(error).__name__}: {error}", account.now)
            self._report("error", f"{self.name} cannot enter: {error}", "no trade was opened; the message says what is wrong")
        self._flush()

    def _flush(self) -> None:
        """Journal what refused; that it cannot be written refuses nothing, and is told once however many strategies find it out."""
        try:
            self.flush_refusals()
        except JournalError as error:
            said, hint = f"cannot write why {self.name} does not enter: {error}", "make the journal writable; it is tried again"
            self._alerts.alert(Severity.WARNING, "journal", said, hint)

    def flush_refusals(self) -> None:
        """Journal what refused since the last time, when that is due. Raises JournalError; it is tried again in flush_every."""
        now = self._now()
        event = self._refusals.due(now)
        if event is None:
            return
        try:
            self._journal.append(event)
        except JournalError:
            self._refusals.put_off(now)
            raise
        self._refusals.flushed(now)

    # ---- entering

    def _look(self, account: AccountSnapshot) -> None:
        """Ask everything in order, cheapest first, and open a trade if nothing refuses."""
        try:
            self._permit(self._gates(account))
            reasons = self._permit(self._answers(account, of_legs=False))
            plans, proposal = self._proposal(account.now)
            reasons += self._permit(self._answers(replace(account, proposal=proposal), of_legs=True))
            self._open(plans, "; ".join(reasons) or "nothing refuses")
            found = ", ".join(f"{quote.option.symbol} mid {quote.mid}" for quote in proposal)
            logger.info("legs found name={} among {}: {}", self.name, self._seen, found)
        except _Refused as no:
            if no.label in AWAITED:
                self._next_look = account.now
            self._refuse(no.label, no.reason, account.now)
        except DataNotFresh as waiting:
            self._next_look = account.now  # the answer is on its way: look again on the next tick
            self._refuse("market data", f"waiting for {waiting.call}: {waiting.reason}", account.now)
        except NoMatchingInstrument as none:
            self._refuse("legs", str(none), account.now)
        except RiskDenied as denied:
            self._refuse("risk", str(denied), account.now)

    def _gates(self, account: AccountSnapshot) -> Iterator[tuple[str, Verdict]]:
        yield "state", Verdict(self.state is StrategyState.RUNNING, self._standing)
        yield "entries", self._desk.entries_allowed
        yield "max_concurrent_trades", self._concurrency()
        yield "max_trades_per_day", self._day(account.now)
        yield "cooldown_seconds", self._cooldown(account.now)
        yield "account", Verdict(account.valid, f"not known ({account.reason or 'no valid reading'})")

    def _concurrency(self) -> Verdict:
        active, limit = sum(trade.active for trade in self._trades), self.config.max_concurrent_trades
        return Verdict(active < limit, f"{active} of {limit} active")

    def _day(self, now: datetime) -> Verdict:
        limit = self.config.max_trades_per_day
        if limit == 0:
            return Verdict(True, "unlimited")
        today = sum(trade.created_at >= utc_day_start(now) for trade in self._trades)
        return Verdict(today < limit, f"{today} of {limit} since 00:00 UTC")

    def _cooldown(self, now: datetime) -> Verdict:
        pause = timedelta(seconds=self.config.cooldown_seconds)
        last = max((trade.created_at for trade in self._trades), default=None)
        if last is None or now - last >= pause:
            return Verdict(True, "over")
        return Verdict(False, f"until {last + pause:%Y-%m-%d %H:%M:%S} UTC")

    def _answers(self, account: AccountSnapshot, *, of_legs: bool) -> Iterator[tuple[str, Verdict]]:
        for condition in self.config.entry_conditions:
            if needs_legs(condition) is of_legs:
                yield label_of(condition), self._answer(condition, account)

    def _answer(self, condition: EntryCondition, account: AccountSnapshot) -> Verdict:
        what = f"condition {label_of(condition)}"
        try:
            verdict = verdict_of(condition, account)
        except Exception as error:  # noqa: BLE001 - a user's condition may raise anything; that is a no, counted and reported
            self._report(what, f"{self.name}: entry {what} raised {error!r}", "mend the condition; nothing is opened")
            return Verdict(False, f"raised {error!r}")
        self._reported.pop(what, None)
        return verdict

    def _permit(self, answers: Iterator[tuple[str, Verdict]]) -> list[str]:
        reasons = []
        for label, verdict in answers:
            if not verdict.ok:
                raise _Refused(label, verdict.reason)
            reasons.append(f"{label}: {verdict.reason}")
        return reasons

    def _proposal(self, now: datetime) -> tuple[tuple[LegPlan, ...], tuple[Quote, ...]]:
        chains = {name: self._market.chain(name) for name in dict.fromkeys(leg.underlying for leg in self.config.legs)}
        plans = resolve_legs(self.config.legs, chains, now)
        proposal = tuple(chains[plan.option.underlying].by_symbol[plan.option.symbol] for plan in plans)
        self._seen = ", ".join(f"{len(chain.quotes)} {name} options at index {chain.index}" for name, chain in chains.items())
        return plans, proposal

    def _open(self, plans: tuple[LegPlan, ...], reason: str) -> None:
        config = self.config
        self._desk.create(
            strategy=config.name,
            version=config.version,
            legs=plans,
            mode=config.mode,
            params=config.execution,
            reason=reason,
            simulated=config.dry_run,
        )
        self._refusals.clear()
        self._reported.pop("error", None)

    def _refuse(self, label: str, reason: str, now: datetime) -> None:
        if self._refusals.note(label, reason, now):
            logger.info("strategy waits name={} for={} because {}", self.name, label, reason)

    # ---- the rest

    def _ended(self, trade: TradeLifecycle) -> None:
        if trade.strategy == self.name:
            self._tell_closed(trade)
            self._pause_if_broken(trade)

    def _pause_if_broken(self, trade: TradeLifecycle) -> None:
        """Enter no more once an exit condition that failed has closed a trade: the next trade would end the same way."""
        if EXIT_FAILED not in trade.reason or self.state is not StrategyState.RUNNING:
            return
        self._alerts.alert(
            Severity.CRITICAL,
            f"strategy {self.name} paused",
            f"{self.name} is paused: {trade.id} was closed because {trade.reason}",
            f"mend the exit condition and restart, then --resume {self.name}",
        )
        self.pause(f"{trade.id} was closed because {trade.reason}")

    def _tell_closed(self, trade: TradeLifecycle) -> None:
        callback = self.config.on_trade_closed
        if callback is None:
            return
        account = unknown_account(self._now(), "the account has not been read yet") if self._account is None else self._account
        try:
            callback(trade, account)
        except Exception as error:  # noqa: BLE001 - a user's callback may raise anything; the trade has ended all the same
            self._report(
                "on_trade_closed", f"{self.name}: on_trade_closed raised {error!r} for {trade.id}", "mend it; it is not called again"
            )

    @property
    def _standing(self) -> str:
        return f"{self.state} because {self._why}" if self._why else str(self.state)

    def _record(self, state: StrategyState, reason: str) -> None:
        self._journal.append(StrategyChanged(at=self._now(), strategy=self.name, state=state, reason=reason))

    def _move(self, state: StrategyState, reason: str) -> None:
        self.state, self._why = state, reason
        logger.info("strategy {} name={} because {}", state, self.name, reason)

    def _report(self, what: str, message: str, hint: str) -> None:
        """Count a failure, log it where it says something new, and call a person."""
        self.failures += 1
        if self._reported.get(what) != message:
            self._reported[what] = message
            logger.warning("strategy failure name={} count={}: {}", self.name, self.failures, message)
        self._alerts.alert(Severity.WARNING, f"strategy {self.name} {what}", message, hint)

    def _now(self) -> datetime:
        return self._clock.now()


class _Refused(Exception):
    """The first no among a look's questions."""

    def __init__(self, label: str, reason: str) -> None:
        super().__init__(label, reason)
        self.label, self.reason = label, reason
