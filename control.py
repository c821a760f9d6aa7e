"""How a person's command reaches the running daemon: a file in the state directory, taken once and answered in the log.

A file needs no port and no password: who may write the state directory may command the daemon.
"""

import os
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import msgspec
from loguru import logger

from clock import wall_now


class Verb(StrEnum):
    """What a person may ask of a running daemon."""

    CLOSE = "close"
    RELEASE = "release"
    WRITE_OFF = "write_off"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    ACKNOWLEDGE = "acknowledge"


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One request: the verb, and the trade's number or the strategy's name that it is about."""

    verb: Verb
    target: str = ""


class ControlBox:
    """The directory where commands wait."""

    def __init__(self, state_dir: Path) -> None:
        self._dir = state_dir / "commands"

    def put(self, command: Command) -> Path:
        """Leave a command, whole or not at all. Raises OSError where the directory cannot be written."""
        self._dir.mkdir(parents=True, exist_ok=True)
        name = f"{wall_now():%Y%m%dT%H%M%S%f}-{os.getpid()}"
        draft, file = self._dir / f"{name}.draft", self._dir / f"{name}.json"
        draft.write_bytes(msgspec.json.encode(command))
        draft.replace(file)
        return file

    def take(self) -> Sequence[Command]:
        """Return what waits, oldest first, and forget it; what cannot be read is moved aside and logged."""
        if not self._dir.is_dir():
            return ()
        commands = []
        for file in sorted(self._dir.glob("*.json")):
            try:
                commands.append(msgspec.json.decode(file.read_bytes(), type=Command))
                file.unlink()
            except (msgspec.MsgspecError, OSError) as error:
                logger.error("command not understood file={} reason={}", file, error)
                file.replace(file.with_suffix(".bad"))
        return commands
