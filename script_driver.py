"""Drives one execution from a script: the blocking calls of the executors are loops around the very tick that the daemon runs.

A script's structures are trades like any other, of the strategy `script`: journalled, gated, resumed after a kill. Legs that are exactly
what an open one of them holds, the other way round, close it.
"""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from clock import monotonic
from domain import AccountSnapshot, ExecutionMode, ExecutionParams, OptionLeg, whole_lots
from errors import ConfigError, ExchangeUnavailable, RiskDenied
from events import LegPlan
from execution import Driven, ExecutionResult
from execution_log import Run
from lifecycle_manager import LifecycleManager
from trade_lifecycle import TradeLifecycle, TradeState

SCRIPT = "script"
READY_WITHIN = 10.0  # real seconds
KNOWN_WITHIN = 60.0  # real seconds
_LEAVING = frozenset({TradeState.PENDING_CLOSE, TradeState.CLOSING})
_BUSY = frozenset({TradeState.PENDING_OPEN, TradeState.OPENING, TradeState.PENDING_CLOSE, TradeState.CLOSING, TradeState.UNWINDING})


class ScriptDriver:
    """Makes trades for scripts and ticks until their phase is over; the port that executors call `drive`."""

    def __init__(
        self,
        lifecycle: LifecycleManager,
        tick: Callable[[], AccountSnapshot],
        wait: Callable[[], object],
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        """`ready` tells whether our books have been compared with the venue since the start."""
        self._lifecycle, self._tick, self._wait, self._ready = lifecycle, tick, wait, ready
        self._driving: int | None = None
        self._ended: list[ExecutionResult] = []  # of the trade that is being driven
        lifecycle.bind(SCRIPT, ())
        lifecycle.on_executed(self._note)

    def __call__(self, legs: Sequence[OptionLeg], mode: ExecutionMode, params: ExecutionParams, /) -> Driven:
        """Open the legs, or close the script's trade that holds their reverse; return what became of it once that is over.

        A call that is made again while its trade is still on its way, as after a kill, goes on with that trade. Raises RiskDenied where
        entries are blocked or the legs would net against another trade's, ExchangeUnavailable where the account cannot be read for
        KNOWN_WITHIN, ConfigError, JournalError; nothing begun.
        """
        _refuse_what_cannot_trade(legs)
        resumed = self._resumed(legs)
        self._know_account()
        held = self._held_reverse(legs) if resumed is None else None
        if resumed is not None:
            number = resumed.number
        elif held is not None:
            number = held.number
            self._lifecycle.force_close(number, "the script says so")
        else:
            self._await_entries()
            plans = [LegPlan(option=leg.instrument, side=leg.side, qty=leg.qty) for leg in legs]
            number = self._lifecycle.create(
                strategy=SCRIPT, version="", legs=plans, mode=mode, params=params, reason="the script says so"
            ).number
        self._ended.clear()
        self._driving = number
        while self._of(number).state in _BUSY:
            self._tick()
            self._wait()
        trade = self._of(number)
        closing = held is not None or (resumed is not None and resumed.state in _LEAVING)
        done = trade.state is TradeState.CLOSED if closing else trade.state is TradeState.OPEN and trade.complete
        return Driven(results=tuple(self._ended), success=done, reason=self._why(trade, done=done))

    def _why(self, trade: TradeLifecycle, *, done: bool) -> str:
        """Say how it went: what each execution that fell short said, and what the trade is now if it is not what was asked for."""
        said = [result.reason for result in self._ended if result.reason]
        return "; ".join(said if done else [*said, f"the trade is {trade.state}{f': {trade.reason}' if trade.reason else ''}"])

    def _note(self, run: Run, result: ExecutionResult) -> None:
        if run.started.trade == self._driving:
            self._ended.append(result)

    def _know_account(self) -> None:
        deadline = monotonic() + KNOWN_WITHIN
        while not (account := self._tick()).valid:
            if monotonic() >= deadline:
                raise ExchangeUnavailable("script", "account", account.reason or "it could not be read")
            self._wait()

    def _await_entries(self) -> None:
        """Wait until our books have been compared with the venue; raise RiskDenied where trades may not begin."""
        deadline = monotonic() + READY_WITHIN
        while not self._ready() and monotonic() < deadline:
            self._wait()
            self._tick()
        if not (allowed := self._lifecycle.entries_allowed).ok:
            raise RiskDenied(f"nothing is opened: {allowed.reason}")

    def _of(self, number: int) -> TradeLifecycle:
        return next(trade for trade in self._lifecycle.trades if trade.number == number)

    def _resumed(self, legs: Sequence[OptionLeg]) -> TradeLifecycle | None:
        """Return the script's trade that an earlier call with these legs began and that is still on its way, as after a kill."""
        wanted = _terms((leg.instrument.symbol, leg.side.sign * leg.qty) for leg in legs)
        for trade in self._lifecycle.active_trades_for_strategy(SCRIPT):
            sign = -1 if trade.state in _LEAVING else 1
            asked = _terms((leg.option.symbol, sign * leg.side.sign * leg.target) for leg in trade.legs)
            if trade.state in _BUSY and trade.state is not TradeState.PENDING_OPEN and asked == wanted:
                return trade
        return None

    def _held_reverse(self, legs: Sequence[OptionLeg]) -> TradeLifecycle | None:
        wanted = _terms((leg.instrument.symbol, leg.side.sign * leg.qty) for leg in legs)
        for trade in self._lifecycle.active_trades_for_strategy(SCRIPT):
            held = _terms((leg.option.symbol, -leg.held) for leg in trade.legs)
            if trade.state is TradeState.OPEN and held == wanted:
                return trade
        return None


def _terms(legs: Iterable[tuple[str, Decimal]]) -> list[tuple[str, Decimal]]:
    return sorted(legs)


def _refuse_what_cannot_trade(legs: Sequence[OptionLeg]) -> None:
    """Raise ConfigError for no legs, or for quantities that are not whole lots: nothing is begun."""
    problems = [
        f"{leg.qty} of {leg.instrument.symbol} is not a whole number of lots of {leg.instrument.lot}"
        for leg in legs
        if leg.qty <= 0 or leg.qty != whole_lots(leg.qty, leg.instrument.lot)
    ]
    if problems or not legs:
        raise ConfigError(problems or "give at least one leg")
