"""Where a person's commands are obeyed: on the tick thread, one after the other, each answered with what was done or why not."""

from collections.abc import Callable, Mapping, Sequence

from loguru import logger

from control import Answer, ControlBox, Handler, Taken, Verb
from errors import TraderError


class CommandDesk:
    """Takes commands out of a box and hands each to whoever knows its verb."""

    def __init__(self, box: ControlBox, handlers: Mapping[Verb, Handler], put: Callable[[Callable[[], None]], None]) -> None:
        """`put` brings a call to the tick thread. A handler returns what it did; it raises KeyError, ValueError or one of our errors."""
        self._box, self._handlers, self._put = box, handlers, put

    def look(self) -> None:
        """Look for commands, on a thread of its own: a venue that hangs must not keep a person from being heard."""
        commands = self._box.take()
        if commands:
            self._put(lambda: self._obey(commands))

    def _obey(self, commands: Sequence[Taken]) -> None:
        for taken in commands:
            command = taken.command
            logger.info("command taken verb={} target={} meant={}", command.verb, command.target, command.confirmed)
            self._box.answer(taken, self._answered(taken))

    def _answered(self, taken: Taken) -> Answer:
        command = taken.command
        try:
            said = self._handlers[command.verb](command)
        except (KeyError, ValueError, TraderError) as error:
            reason = f"there is no {error.args[0] if error.args else command.target}" if isinstance(error, KeyError) else str(error)
            logger.error("command refused verb={} target={} reason={}", command.verb, command.target, reason)
            return Answer(done=False, said=reason)
        except Exception as error:  # noqa: BLE001 - one command that cannot be obeyed must not silence those behind it
            logger.exception("command failed verb={} target={}", command.verb, command.target)
            return Answer(done=False, said=f"it failed, and what it did is not known: {type(error).__name__}: {error}; see the log")
        logger.info("command done {}: {}", command, said)
        return Answer(done=True, said=said)
