"""Drives one execution from a script: the blocking calls of the executors are loops around the very tick that the daemon runs.

A script's structures are trades like any other, of the strategy `script`: journalled, gated, resumed after a kill. Legs that are exactly
what an open one of them holds, the other way round, close it.
"""

from collections.abc import Callable, Sequence

from clock import monotonic
from domain import AccountSnapshot, ExecutionMode, ExecutionParams, OptionLeg
from errors import ExchangeUnavailable, RiskDenied
from events import LegPlan
from execution import Driven, ExecutionResult
from execution_log import Run
from lifecycle_manager import LifecycleManager
from trade_lifecycle import TradeLifecycle, TradeState

SCRIPT = "script"
KNOWN_WITHIN = 60.0  # real seconds
_BUSY = frozenset({TradeState.PENDING_OPEN, TradeState.OPENING, TradeState.PENDING_CLOSE, TradeState.CLOSING, TradeState.UNWINDING})


class ScriptDriver:
    """Makes trades for scripts and ticks until their phase is over; the port that executors call `drive`."""

    def __init__(self, lifecycle: LifecycleManager, tick: Callable[[], AccountSnapshot], wait: Callable[[], object]) -> None:
        self._lifecycle, self._tick, self._wait = lifecycle, tick, wait
        self._ended: list[tuple[int, ExecutionResult]] = []
        lifecycle.bind(SCRIPT, ())
        lifecycle.on_executed(self._note)

    def __call__(self, legs: Sequence[OptionLeg], mode: ExecutionMode, params: ExecutionParams, /) -> Driven:
        """Open the legs, or close the script's trade that holds their reverse; return what became of it once that is over.

        Raises RiskDenied where entries are blocked or the legs would net against another trade's, ExchangeUnavailable where the account
        cannot be read for KNOWN_WITHIN, ConfigError, JournalError; nothing begun.
        """
        self._know_account()
        held = self._held_reverse(legs)
        if held is not None:
            number = held.number
            self._lifecycle.force_close(number, "the script says so")
        else:
            if not (allowed := self._lifecycle.entries_allowed).ok:
                raise RiskDenied(f"nothing is opened: {allowed.reason}")
            plans = [LegPlan(option=leg.instrument, side=leg.side, qty=leg.qty) for leg in legs]
            number = self._lifecycle.create(
                strategy=SCRIPT, version="", legs=plans, mode=mode, params=params, reason="the script says so"
            ).number
        self._ended.clear()
        while self._of(number).state in _BUSY:
            self._tick()
            self._wait()
        trade = self._of(number)
        done = trade.state is TradeState.CLOSED if held is not None else trade.state is TradeState.OPEN and trade.complete
        return Driven(results=tuple(result for of, result in self._ended if of == number), success=done, reason=self._why(trade, done=done))

    def _why(self, trade: TradeLifecycle, *, done: bool) -> str:
        """Say how it went: what each execution that fell short said, and what the trade is now if it is not what was asked for."""
        said = [result.reason for of, result in self._ended if of == trade.number and result.reason]
        return "; ".join(said if done else [*said, f"the trade is {trade.state}{f': {trade.reason}' if trade.reason else ''}"])

    def _note(self, run: Run, result: ExecutionResult) -> None:
        self._ended.append((run.started.trade, result))

    def _know_account(self) -> None:
        deadline = monotonic() + KNOWN_WITHIN
        while not (account := self._tick()).valid:
            if monotonic() >= deadline:
                raise ExchangeUnavailable("script", "account", account.reason or "it could not be read")
            self._wait()

    def _of(self, number: int) -> TradeLifecycle:
        return next(trade for trade in self._lifecycle.trades if trade.number == number)

    def _held_reverse(self, legs: Sequence[OptionLeg]) -> TradeLifecycle | None:
        wanted = sorted((leg.instrument.symbol, leg.side.sign * leg.qty) for leg in legs)
        for trade in self._lifecycle.active_trades_for_strategy(SCRIPT):
            held = sorted((leg.option.symbol, -leg.held) for leg in trade.legs)
            if trade.state is TradeState.OPEN and held == wanted:
                return trade
        return None
