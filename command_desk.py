"""Where a person's commands are obeyed: on the tick thread, one after the other, each answered with what was done or why not."""

from collections.abc import Callable, Mapping, Sequence

from loguru import logger

from clock import monotonic
from control import MEANT_FOR, MEANT_NOW, Answer, Command, ControlBox, Handler, Taken, Verb
from errors import InvalidTransition, TraderError

# What the table of a trade's life says no to, in a person's words.
_ONLY: Mapping[Verb, str] = {
    Verb.CLOSE: "it has ended, so there is nothing to close",
    Verb.MANAGE: "only a quarantined trade can be managed again",
    Verb.WRITE_OFF: "only a quarantined trade can be written off",
    Verb.RELEASE: "only an open or a quarantined trade can be handed over",
}


class CommandDesk:
    """Takes commands out of a box and hands each to whoever knows its verb."""

    def __init__(self, box: ControlBox, handlers: Mapping[Verb, Handler], put: Callable[[Callable[[], None]], None]) -> None:
        """`put` brings a call to the tick thread. A handler returns what it did, or a `Later` that will tell it.

        It raises KeyError, ValueError or one of our errors.
        """
        self._box, self._handlers, self._put = box, handlers, put
        self._began = monotonic()

    def begin(self) -> None:
        """Obey what was left before this life, on the tick thread and before its first tick: a --halt must not come after an order."""
        self._obey(self._box.take())

    def look(self) -> None:
        """Look for commands, on a thread of its own: a venue that hangs must not keep a person from being heard."""
        commands = self._box.take()
        if commands:
            self._put(lambda: self._obey(commands))

    def _obey(self, commands: Sequence[Taken]) -> None:
        for taken in commands:
            command = taken.command
            logger.info("command taken verb={} target={} meant={}", command.verb, command.target, command.confirmed)
            answer = self._answered(taken)
            if answer is not None:
                self._box.answer(taken, answer)

    def _answered(self, taken: Taken) -> Answer | None:
        """Obey, and return the answer; None where it is given later."""
        command = taken.command
        try:
            self._heed_age(taken)
            said = self._handlers[command.verb](command)
            if not isinstance(said, str):
                said(lambda text: self._box.answer(taken, _done(command, text)))
                return None
        except (KeyError, ValueError, TraderError) as error:
            reason = _why_not(command, error)
            logger.warning("command refused verb={} target={} reason={}", command.verb, command.target, reason)
            return Answer(done=False, said=reason)
        except Exception as error:  # noqa: BLE001 - one command that cannot be obeyed must not silence those behind it
            logger.exception("command failed verb={} target={}", command.verb, command.target)
            return Answer(done=False, said=f"it failed, and what it did is not known: {type(error).__name__}: {error}; see the log")
        return _done(command, said)

    def _heed_age(self, taken: Taken) -> None:
        """Raise ValueError for a word that is not meant any more: nobody heard it while what it was about was so."""
        verb, before = taken.command.verb, taken.age > monotonic() - self._began
        if (verb in MEANT_NOW and before) or taken.age > MEANT_FOR.get(verb, float("inf")):
            said = f"was left {taken.age:.0f} s ago, when no daemon heard it, and is dropped: look, and say it again"
            raise ValueError(f"--{taken.command} {said}")


def _done(command: Command, said: str) -> Answer:
    logger.info("command done {}: {}", command, said)
    return Answer(done=True, said=said)


def _why_not(command: Command, error: Exception) -> str:
    """Return a refusal in words that a person can act on."""
    match error:
        case KeyError() if command.verb in _ONLY:
            return f"there is no trade {command.target}, see --status"
        case KeyError():
            return f"there is no {error.args[0] if error.args else command.target}"
        case InvalidTransition() if command.verb in _ONLY:
            return f"trade {error.trade} is {error.state.replace('_', ' ')}; {_ONLY[command.verb]}"
        case _:
            return str(error)
