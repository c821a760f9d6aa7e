"""What each command of a person does to a running daemon, and what it answers. All of it runs on the tick thread."""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from functools import partial

from loguru import logger

from by_hand import Adoption
from context import TradingContext
from control import Command, Handler, Verb
from domain import ExecutionMode, Severity, TradingState
from strategy import StrategyRunner
from trading_state import JOURNAL, OWN_WORDS, PERSON, TradingStates

NOT_LISTED = "is not listed: write the option as the venue does, BTCUSD-27NOV26-95000-P"
CONFIRM = "nothing is done yet: say --kill --yes within 60 s of market time"


def handlers_of(context: TradingContext) -> Mapping[Verb, Handler]:
    """Return what is done at each verb."""
    states, kill, reconciler = context.safety.states, context.safety.kill, context.safety.reconciler
    return {
        Verb.CLOSE: partial(_close, context),
        Verb.MANAGE: partial(_manage, context),
        Verb.WRITE_OFF: partial(_write_off, context),
        Verb.RELEASE: partial(_release, context),
        Verb.ADOPT: partial(_adopt, context),
        Verb.PAUSE: partial(_set_running, context, StrategyRunner.pause, "paused: it enters no more until --resume"),
        Verb.RESUME: partial(_set_running, context, StrategyRunner.enable, "running"),
        Verb.STOP: partial(_set_running, context, StrategyRunner.stop, "stopped: its trades stay managed"),
        Verb.ACKNOWLEDGE: partial(_acknowledge, context),
        Verb.KILL: lambda command: kill.confirm(PERSON) if command.confirmed else f"{kill.arm(PERSON)}\n{CONFIRM}",
        Verb.WITHDRAW_KILL: lambda _: kill.withdraw(PERSON),
        Verb.REDUCE: lambda _: _ordered(states, TradingState.REDUCING),
        Verb.HALT: lambda _: _ordered(states, TradingState.HALTED),
        Verb.ACTIVATE: lambda command: _activated(states, command.target),
        Verb.RECONCILE: lambda _: reconciler.ask,
        Verb.THAW: partial(_thaw, context),
    }


def heed_attention(context: TradingContext) -> None:
    """Let nothing be opened while the journal asks for a person's look: what it lost may be at the venue; and let go once it does not."""
    reason, rule = context.opened.journal.needs_attention, context.safety.states.rule(JOURNAL)
    if reason is not None:
        context.lifecycle.block_entries("journal", f"{reason}; look, then --acknowledge")
        rule.hold(reason)
        return
    context.lifecycle.lift_block("journal")
    if rule.holding:
        rule.release("a person has looked")


def _close(context: TradingContext, command: Command) -> str:
    context.lifecycle.force_close(int(command.target), "a person asked for it")
    return f"trade {command.target} is being closed"


def _manage(context: TradingContext, command: Command) -> str:
    context.lifecycle.manage(int(command.target), "a person has looked")
    return f"trade {command.target} is managed again"


def _write_off(context: TradingContext, command: Command) -> str:
    context.lifecycle.write_off(int(command.target), "a person found its holding gone")
    return f"trade {command.target} is written off"


def _release(context: TradingContext, command: Command) -> str:
    """Hand a trade over to the person, or say what that would do."""
    account, hand, number = context.monitor.snapshot(), context.lifecycle.by_hand, int(command.target)
    shown = hand.propose_hand_over(number, account)
    if not command.confirmed:
        return f"{shown}\nnothing is done yet: say --release {number} --yes"
    hand.hand_over(number, account, "a person took it over")
    return f"{shown}\ndone: trade {number} is yours"


def _adopt(context: TradingContext, command: Command) -> str:
    """Have a holding of the person's managed as a trade, or say what that would do."""
    strategy = next((each.config for each in context.runners if each.name == command.details.get("strategy")), None)
    if strategy is None:
        raise ValueError(f"no strategy {command.details.get('strategy', '')} runs here, whose exits could watch it")
    option = context.market.listed(command.target)
    if option is None:
        surely = command.target != command.target.upper() or context.market.lists(command.target)
        raise ValueError(f"{command.target} {NOT_LISTED if surely else 'is not known to be listed yet: say it again in a few seconds'}")
    if context.safety.kill.thrown:
        raise ValueError("the kill switch is thrown: what is adopted now would be closed at once")
    if strategy.dry_run:
        raise ValueError(f"{strategy.name} is a dry run: it cannot manage what is really held")
    account, hand = context.monitor.snapshot(), context.lifecycle.by_hand
    there = context.safety.reconciler.surplus(command.target, account)
    wish = Adoption(
        option=option,
        strategy=strategy.name,
        qty=_number(command, "qty"),
        price=_number(command, "price"),
        version=strategy.version,
        mode=ExecutionMode(strategy.execution_mode),
        params=strategy.execution,
    )
    shown = hand.propose_adoption(wish, there, account)
    if not command.confirmed:
        return f"{shown}\nnothing is done yet: say the same with --yes"
    trade = hand.adopt(wish, there)
    context.safety.reconciler.due("adopted")
    return f"{shown}\ndone: it is trade {trade.number}"


def _number(command: Command, name: str) -> Decimal | None:
    text = command.details.get(name)
    try:
        number = None if text is None else Decimal(text)
    except InvalidOperation:
        raise ValueError(f"--{name} {text}: not a number") from None
    if number is not None and not number.is_finite():
        raise ValueError(f"--{name} {text}: not a finite number")
    return number


def _ordered(states: TradingStates, state: TradingState) -> str:
    states.order(state, "a person asked for it")
    looser = " or --reduce, which lets exits run again" if states.state is TradingState.HALTED else ""
    return f"the account is {states.state} until --activate{looser}"


def _activated(states: TradingStates, cause: str) -> str:
    """Take a person's own cause back, or overrule a rule's until it has itself seen all well; say what still holds."""
    if cause:
        states.overrule(cause, "a person overruled it")
    else:
        states.activate("a person asked for it")
    words = {each.name: OWN_WORDS.get(each.name, f"its rule once all is well, or by --activate '{each.name}'") for each in states.causes}
    holds = "".join(f"\nstill holds: {each} (taken back by {words[each.name]})" for each in states.causes)
    return f"the account is {states.state}{holds}"


def _thaw(context: TradingContext, command: Command) -> str:
    underlying, frozen = command.target, context.settings.mmp_interval is not None
    if not frozen or underlying not in context.underlyings():
        raise ValueError(f"no protection of {underlying} was set from here: see TRADER_MMP_INTERVAL_SECONDS")
    context.urgent.run(partial(context.protection.thaw, underlying), partial(_thawed, context, underlying))
    return f"the venue is asked to let marked orders of {underlying} in again; the log says what it answers"


def _thawed(context: TradingContext, underlying: str, outcome: Exception | None) -> None:
    if outcome is None:
        logger.info("market-maker protection reset underlying={}", underlying)
        return
    said = f"the market-maker protection of {underlying} was not reset: {outcome}"
    context.alerts.alert(Severity.WARNING, "protection not reset", said, "say --thaw again, or ask the venue")


def _acknowledge(context: TradingContext, command: Command) -> str:  # noqa: ARG001 - every handler takes its command
    context.opened.journal.acknowledge()
    context.safety.reconciler.acknowledge()
    heed_attention(context)
    context.lifecycle.lift_block("invariant")
    return "seen: trades may begin again"


def _set_running(context: TradingContext, act: Callable[[StrategyRunner, str], None], said: str, command: Command) -> str:
    runner = next((each for each in context.runners if each.name == command.target), None)
    if runner is None:
        return _set_quoting(context, command)
    act(runner, "a person asked for it")
    return f"{command.target} is {said}"


def _set_quoting(context: TradingContext, command: Command) -> str:
    """Pause, resume or stop a maker."""
    maker = context.maker
    if maker is None or command.target not in {policy.name for policy in maker.policies}:
        raise ValueError("no such strategy or maker runs here")
    acts = {Verb.PAUSE: maker.pause, Verb.STOP: maker.stop, Verb.RESUME: maker.resume}
    acts[command.verb](command.target, "a person asked for it")
    resumed = command.verb is Verb.RESUME
    return f"{command.target} {'answers requests again' if resumed else 'answers nothing until --resume; what it offers is taken back'}"
