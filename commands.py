"""What each command of a person does to a running daemon, and what it answers. All of it runs on the tick thread."""

from collections.abc import Callable, Mapping
from functools import partial

from context import TradingContext
from control import Command, Handler, Verb
from strategy import StrategyRunner


def handlers_of(context: TradingContext) -> Mapping[Verb, Handler]:
    """Return what is done at each verb."""
    by_trade = {
        Verb.CLOSE: partial(_close, context),
        Verb.MANAGE: partial(_manage, context),
        Verb.WRITE_OFF: partial(_write_off, context),
    }
    by_strategy = {
        Verb.PAUSE: partial(_set_running, context, StrategyRunner.pause, "paused: it enters no more until --resume"),
        Verb.RESUME: partial(_set_running, context, StrategyRunner.enable, "running"),
        Verb.STOP: partial(_set_running, context, StrategyRunner.stop, "stopped: its trades stay managed"),
    }
    return {**by_trade, **by_strategy, Verb.ACKNOWLEDGE: partial(_acknowledge, context)}


def heed_attention(context: TradingContext) -> None:
    """Hold entries while the journal asks for a person's look, and let them go once it does not."""
    reason = context.opened.journal.needs_attention
    if reason is None:
        context.lifecycle.lift_block("journal")
    else:
        context.lifecycle.block_entries("journal", f"{reason}; look, then --acknowledge")


def _close(context: TradingContext, command: Command) -> str:
    context.lifecycle.force_close(int(command.target), "a person asked for it")
    return f"trade {command.target} is being closed"


def _manage(context: TradingContext, command: Command) -> str:
    context.lifecycle.release(int(command.target), "a person has looked")
    return f"trade {command.target} is managed again"


def _write_off(context: TradingContext, command: Command) -> str:
    context.lifecycle.write_off(int(command.target), "a person found its holding gone")
    return f"trade {command.target} is written off"


def _acknowledge(context: TradingContext, command: Command) -> str:  # noqa: ARG001 - every handler takes its command
    context.opened.journal.acknowledge()
    heed_attention(context)
    context.lifecycle.lift_block("invariant")
    return "seen: trades may begin again"


def _set_running(context: TradingContext, act: Callable[[StrategyRunner, str], None], said: str, command: Command) -> str:
    runner = next((each for each in context.runners if each.name == command.target), None)
    if runner is None:
        raise ValueError("no such strategy runs here")
    act(runner, "a person asked for it")
    return f"{command.target} is {said}"
