"""What a run may hold beside faults, by name: what a person says to the daemon, a market that goes wild, settings that matter to both."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from context import TradingContext
from domain import TradingState

from tests.faults.faults import FAULTS, MORE, Fault
from tests.faults.world import Word

if TYPE_CHECKING:
    from tests.faults.world import World

SPAN = timedelta(seconds=30)  # of the countdown


def _said(name: str, word: Word, lasts: float = 0.0, back: Word | None = None) -> Fault:
    """Return something that a person says, and takes back after so many seconds."""
    return Fault(name, lambda world: world.hears(word), lasts, heal=lambda world: None if back is None else world.hears(back))


def _throw(context: TradingContext) -> None:
    context.safety.kill.throw("a person", "SIGUSR1")


def _withdraw(context: TradingContext) -> None:
    context.safety.kill.withdraw("a person")


def _ordered(state: TradingState) -> Word:
    return lambda context: context.safety.states.order(state, "a person asked for it")


def _closed(*, urgent: bool) -> Word:
    def close(context: TradingContext) -> None:
        for trade in context.lifecycle.active:
            context.lifecycle.force_close(trade.number, "a person asked for it", urgent=urgent)

    return close


def _paused(context: TradingContext) -> None:
    for runner in context.runners:
        runner.pause("a person asked for it")


def _resumed(context: TradingContext) -> None:
    for runner in context.runners:
        runner.enable("a person asked for it")


def _reconciled(context: TradingContext) -> None:
    context.safety.reconciler.due("a person asked for it")


def _count_down(world: "World") -> None:
    """Let the venue cancel all that is open once the daemon is silent; from the next life on."""
    world.changes["countdown"] = SPAN


def _busy(seconds: int) -> Fault:
    usual = 17

    def strike(world: "World") -> None:
        world.person.every = 2

    def heal(world: "World") -> None:
        world.person.every = usual

    return Fault(f"busy person {seconds} s", strike, seconds, heal=heal)


def _trades_by_hand(world: "World") -> None:
    for _ in range(5):
        world.person.act()


def _wild(seconds: int) -> Fault:
    return Fault(f"wild market {seconds} s", lambda world: world.feed.go_wild(world.agenda.now(), timedelta(seconds=seconds)), seconds)


COUNTDOWN = "countdown from the next start on"
_ALL = (
    _said("kill switch 40 s", _throw, 40, _withdraw),
    _said("reducing 30 s", _ordered(TradingState.REDUCING), 30, _ordered(TradingState.ACTIVE)),
    _said("halted 30 s", _ordered(TradingState.HALTED), 30, _ordered(TradingState.ACTIVE)),
    _said("closed by hand", _closed(urgent=False)),
    _said("closed by hand at once", _closed(urgent=True)),
    _said("paused 20 s", _paused, 20, _resumed),
    _said("reconciled by hand", _reconciled),
    Fault("five acts by hand", _trades_by_hand),
    _busy(60),
    _wild(90),
    Fault(COUNTDOWN, _count_down),
)
ACTS: Mapping[str, Fault] = {act.name: act for act in _ALL}
TROUBLES: Mapping[str, Fault] = {**FAULTS, **MORE, **ACTS}
