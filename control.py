"""How a person's command reaches the running daemon: a file in the state directory, taken once and answered by another beside it.

A file needs no port and no password: who may write the state directory may command the daemon.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec
from loguru import logger

from clock import monotonic, pause, wall_now

_LOOK_AGAIN = 0.05  # real seconds
KEPT = 3600.0  # real seconds that an answer waits for whoever asked


class Verb(StrEnum):
    """What a person may ask of a running daemon."""

    CLOSE = "close"
    MANAGE = "manage"
    WRITE_OFF = "write_off"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    ACKNOWLEDGE = "acknowledge"
    ADOPT = "adopt"
    RELEASE = "release"
    KILL = "kill"
    WITHDRAW_KILL = "withdraw_kill"
    REDUCE = "reduce"
    HALT = "halt"
    ACTIVATE = "activate"
    RECONCILE = "reconcile"
    THAW = "thaw"

    @property
    def words(self) -> str:
        """Return the verb as the command line has it, without the two dashes."""
        return self.value.replace("_", "-")


# Words that loosen, or that do what was shown to a person: meant for what stands when they are said, not for what a later start finds.
MEANT_NOW = frozenset({Verb.ACKNOWLEDGE, Verb.ACTIVATE, Verb.WITHDRAW_KILL, Verb.ADOPT, Verb.RELEASE})
# Real seconds for which a word that nobody heard is still meant. All others are obeyed whenever a daemon runs again.
MEANT_FOR: Mapping[Verb, float] = {Verb.KILL: 60.0}


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One request: the verb, the trade, strategy or symbol it is about, details by name, and whether it is meant or only asked about."""

    verb: Verb
    target: str = ""
    details: Mapping[str, str] = {}
    confirmed: bool = False

    def __str__(self) -> str:
        return f"{self.verb.words} {self.target}".rstrip()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the daemon says to a command: what it did or would do, or why not."""

    done: bool
    said: str


@dataclass(frozen=True, slots=True)
class Taken:
    """A command as it was found: where its answer goes, and how long it had waited, in real seconds."""

    command: Command
    name: str
    age: float


Later = Callable[[Callable[[str], None]], None]  # is handed the way to its answer, and uses it once: when what was begun is known
Handler = Callable[[Command], str | Later]


class ControlBox:
    """The directory where commands wait, and their answers."""

    def __init__(self, state_dir: Path) -> None:
        self._dir = state_dir / "commands"
        self._refused: set[str] = set()

    def put(self, command: Command) -> Path:
        """Leave a command, whole or not at all. Raises OSError where the directory cannot be written."""
        self._dir.mkdir(parents=True, exist_ok=True)
        file = self._dir / f"{wall_now():%Y%m%dT%H%M%S%f}-{os.getpid()}.json"
        self._write(file, command)
        return file

    def take(self) -> Sequence[Taken]:
        """Return what waits, oldest first, and forget it; what cannot be understood is moved aside, and each trouble logged once.

        A command whose file cannot be removed is not taken: it would be obeyed again and again.
        """
        if not self._dir.is_dir():
            return ()
        self._forget_old_answers()
        found = (self._taken(file) for file in sorted(self._dir.glob("*.json")))
        return [taken for taken in found if taken is not None]

    def _taken(self, file: Path) -> Taken | None:
        try:
            content, left_at = file.read_bytes(), file.stat().st_mtime
            file.unlink()
        except OSError as error:
            if file.name not in self._refused:
                self._refused.add(file.name)
                logger.error("command not taken file={} reason={}: it is not obeyed; mend the rights of {}", file, error, self._dir)
            return None
        try:
            return Taken(msgspec.json.decode(content, type=Command), file.stem, wall_now().timestamp() - left_at)
        except msgspec.MsgspecError as error:
            logger.error("command not understood file={} reason={}", file, error)
            with suppress(OSError):
                file.with_suffix(".bad").write_bytes(content)
            return None

    def _forget_old_answers(self) -> None:
        """Drop answers for which nobody has come."""
        for file in self._dir.glob("*.answer"):
            with suppress(OSError):
                if file.stat().st_mtime < wall_now().timestamp() - KEPT:
                    file.unlink()

    def answer(self, taken: Taken, answer: Answer) -> None:
        """Leave the answer to a command; nobody may be waiting for it any more."""
        try:
            self._write(self._dir / f"{taken.name}.answer", answer)
        except OSError as error:
            logger.warning("answer not left command={} reason={}", taken.command, error)

    def withdraw(self, file: Path) -> None:
        """Take back a command that nobody has taken; one that is taken, or that cannot be removed, stays as it is."""
        with suppress(OSError):
            file.unlink(missing_ok=True)

    def wait(self, file: Path, seconds: float) -> Answer | None:
        """Wait for the answer to the command left in file, at most so many real seconds; None without one."""
        place, deadline = file.with_suffix(".answer"), monotonic() + seconds
        while monotonic() < deadline:
            if place.exists():
                answer = msgspec.json.decode(place.read_bytes(), type=Answer)
                place.unlink(missing_ok=True)
                return answer
            pause(_LOOK_AGAIN)
        return None

    def _write(self, file: Path, content: Command | Answer) -> None:
        draft = file.with_suffix(".draft")
        try:
            draft.write_bytes(msgspec.json.encode(content))
            draft.replace(file)
        except OSError:  # a full disk takes the name and not the content
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise
