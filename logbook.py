"""The log: a story on the terminal, the same in files that rotate, and no secret in any of them.

One rule: logging never stops the program, and what is secret is taken out before anything is written. Modules log with
`logger.info("order sent", order="ct-0042-17-0-o-1", qty=qty)`: subject and verb, then facts by name. The message is always a
fixed text: where facts are given loguru reads braces in it as places to fill, and raises if it cannot.
"""

import logging
import os
import re
import stat
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, TextIO

import msgspec
from loguru import logger

if TYPE_CHECKING:
    from loguru import Record

MOST_UNREAD, LAST_WORDS = 10_000, 0.5  # lines, real seconds
SIZE, KEPT = "10 MB", 10
HEALTH_SIZE, HEALTH_KEPT = "2 MB", 5
HIDDEN = "***"
# Of a longer secret its beginning is enough to be hidden, with whatever follows: a prefix is a secret too (L53).
_TELLING = 8
_NAMED = re.compile(
    r"""(?i)\b(sign|signature|api[-_]?key|x-cc-apikey|uuid|api[-_]?secret|secret|password|passwd|authorization)(["']?\s*[=:]\s*["']?)[^\s"'&,;)}\]]+"""
)


def set_up(
    log_dir: Path, level: str, *, terminal: bool, secrets: Sequence[str] = (), market_now: Callable[[], datetime] | None = None
) -> None:
    """Send the log to the terminal (standard error; coloured on a tty, unless NO_COLOR is set) and to files under log_dir.

    `trader.log` reads like the terminal, `trader.jsonl` has one JSON object a line, `health.log` the lines bound with health=True.
    A directory that cannot be written costs the files, not the program. What libraries log from WARNING up comes along.
    With `market_now` each line tells market time too: for a market that runs faster than the wall.
    """
    hide = redactor(secrets)
    logger.remove()
    finish()
    logger.configure(patcher=_patcher(hide, market_now))
    if terminal:
        _to_terminal(sys.stderr, level)
    try:
        log_dir.mkdir(parents=True, exist_ok=True)
        _to_file(log_dir / "trader.log", level, _story)
        _to_file(log_dir / "trader.jsonl", level, _json)
        _to_file(log_dir / "health.log", "DEBUG", _story, health=True)
    except OSError as error:
        logger.warning("logs are not written to files", directory=str(log_dir), because=error.strerror or str(error))
    _adopt_libraries()


def redactor(secrets: Sequence[str]) -> Callable[[str], str]:
    """Return a function that takes these secrets, their beginnings, and values named like secrets (sign=, apiKey=) out of a text."""
    known = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
    patterns = [re.escape(s[:_TELLING]) + r"[\w+/=.~%-]*" if len(s) >= 2 * _TELLING else re.escape(s) for s in known]
    exact = re.compile("|".join(patterns)) if patterns else None

    def hide(text: str) -> str:
        text = text if exact is None else exact.sub(HIDDEN, text)
        return _NAMED.sub(rf"\1\2{HIDDEN}", text)

    return hide


def _patcher(hide: Callable[[str], str], market_now: Callable[[], datetime] | None) -> "Callable[[Record], None]":
    """Return what cleans each record before any sink sees it, its facts and its exception too."""

    def clean(record: "Record") -> None:
        record["message"] = hide(record["message"])
        extra = record["extra"]
        extra.update({name: _clean(name, value, hide) for name, value in extra.items()})
        if market_now is not None:
            extra["market"] = f"{market_now():%Y-%m-%dT%H:%M:%SZ}"
        if (error := record["exception"]) is not None:
            # Written out here, where it can be cleaned; loguru would write it after us.
            extra["_trace"] = hide("".join(traceback.format_exception(error.type, error.value, error.traceback)))
            record["exception"] = None

    return clean


def _clean(name: str, value: object, hide: Callable[[str], str]) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return hide(f"{name}={value}").partition("=")[2]


class _Unhurried:
    """A terminal written to by a thread of its own: a reader who has stopped reading costs lines, never the program's time."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._written = threading.Event()
        threading.Thread(target=self._write, name="terminal", daemon=True).start()

    def __call__(self, message: str) -> None:
        """Take one line; where too many wait unread it is dropped."""
        if self._lines.qsize() < MOST_UNREAD:
            self._lines.put(message)

    def close(self) -> None:
        """Let what waits be written, for a moment at most."""
        self._lines.put(None)
        self._written.wait(LAST_WORDS)

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            rest = line.encode(errors="replace")
            while rest:
                try:
                    rest = rest[os.write(self._descriptor, rest) :]
                except OSError:  # the terminal is gone; the files have it all
                    break
        self._written.set()


_terminals: list[_Unhurried] = []


def _sink(stream: TextIO) -> "TextIO | _Unhurried":
    """Return what to write to a stream with: in a thread where somebody may stop reading it."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return stream
    if not (stream.isatty() or stat.S_ISFIFO(os.fstat(descriptor).st_mode)):
        return stream
    _terminals.append(_Unhurried(descriptor))
    return _terminals[-1]


def finish() -> None:
    """Let the terminal have the last lines: called once, at the end of the program."""
    while _terminals:
        _terminals.pop().close()


def _to_terminal(stream: TextIO, level: str) -> None:
    colour = stream.isatty() and "NO_COLOR" not in os.environ

    def line(record: "Record") -> str:
        _story(record)
        return "<green>{time:HH:mm:ss!UTC}</green> <level>{level:<8}</level> {extra[_line]}\n"

    logger.add(_sink(stream), level=level, format=line, colorize=colour, backtrace=False, diagnose=False, enqueue=False, catch=True)


def _to_file(file: Path, level: str, line: "Callable[[Record], str]", *, health: bool = False) -> None:
    logger.add(
        file,
        level=level,
        format=line,
        filter=_is_health if health else None,
        rotation=HEALTH_SIZE if health else SIZE,
        retention=HEALTH_KEPT if health else KEPT,
        encoding="utf-8",
        colorize=False,
        backtrace=False,
        diagnose=False,
        enqueue=False,
        catch=True,
    )


def _is_health(record: "Record") -> bool:
    return record["extra"].get("health") is True


def _facts(record: "Record") -> dict[str, object]:
    return {name: value for name, value in record["extra"].items() if not name.startswith("_") and name != "health"}


def _story(record: "Record") -> str:
    """Write `message name=value name=value`, and a traceback on the lines below."""
    facts = "".join(f" {name}={value}" for name, value in _facts(record).items())
    trace = record["extra"].get("_trace", "")
    record["extra"]["_line"] = f"{record['message']}{facts}" + (f"\n{trace.rstrip()}" if trace else "")
    return "{time:YYYY-MM-DDTHH:mm:ss.SSS!UTC}Z {level:<8} {extra[_line]}\n"


def _json(record: "Record") -> str:
    fixed = {
        "at": record["time"].astimezone(UTC).isoformat(timespec="milliseconds"),
        "level": record["level"].name,
        "where": f"{record['name']}:{record['line']}",
        "thread": record["thread"].name,
        "message": record["message"],
    }
    trace = record["extra"].get("_trace")
    entry = {**fixed, **_facts(record), **fixed, **({} if trace is None else {"trace": trace})}
    record["extra"]["_json"] = msgspec.json.encode(entry, enc_hook=str).decode()
    return "{extra[_json]}\n"


class _Adopted(logging.Handler):
    """What the standard library's logging would have written, told in ours."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one line on, under the name of whoever said it."""
        level = record.levelname if record.levelname in {"WARNING", "ERROR", "CRITICAL"} else record.levelno
        logger.opt(exception=record.exc_info).bind(library=record.name).log(level, record.getMessage())


def _adopt_libraries() -> None:
    root = logging.getLogger()
    for earlier in [handler for handler in root.handlers if isinstance(handler, _Adopted)]:
        root.removeHandler(earlier)
    root.addHandler(_Adopted(level=logging.WARNING))
