"""The doctor's look at this machine: interpreter and packages, secrets on the disk, directories, space, speed, and the journal."""

import os
import re
import shutil
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from clock import monotonic, wall_now
from config import Settings
from doctor.findings import Finding, fail, ok, warn
from errors import JournalError
from journal import JournalReader, journal_file, lock_holder
from notify import name_of, problems

PYTHON = (3, 11)
LOCK_FILE = Path(__file__).resolve().parent.parent / "requirements.lock"
LITTLE, TOO_LITTLE = 1_000_000_000, 100_000_000  # bytes free
SLOW = 0.1  # real seconds for one write that survives a power cut: an order waits for two
WRITES = 5
LARGE = 2_000_000_000  # bytes of journal
SILENT = timedelta(minutes=10)
_PINNED = re.compile(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)(?P<marker>\s*;)?", re.MULTILINE)


def python_and_packages(lock_file: Path = LOCK_FILE, running: tuple[int, int] = sys.version_info[:2]) -> Iterator[Finding]:
    """Compare the interpreter and every installed package with what the program is tested with."""
    words = ".".join(map(str, running))
    if running == PYTHON:
        yield ok("python", words)
    else:
        yield warn(
            "python", f"{words}, and {'.'.join(map(str, PYTHON))} is what the program is tested with", "make setup, with Python 3.11"
        )
    if not lock_file.is_file():
        yield warn("packages", f"{lock_file.name} is not there to compare with", "take the program from its repository, whole")
        return
    wanted = {found[1]: found[2] for found in _PINNED.finditer(lock_file.read_text(encoding="utf-8")) if found["marker"] is None}
    missing, others = _compared(wanted)
    if missing:
        yield fail("packages", f"not installed: {', '.join(missing)}", "make setup")
    if others:
        yield warn("packages", f"other versions than tested: {', '.join(others)}", "make setup")
    if not missing and not others:
        yield ok("packages", f"{len(wanted)}, each of the version in {lock_file.name}")


def _compared(wanted: Mapping[str, str]) -> tuple[list[str], list[str]]:
    missing, others = [], []
    for name, pinned in wanted.items():
        try:
            found = version(name)
        except PackageNotFoundError:
            missing.append(name)
        else:
            if found != pinned:
                others.append(f"{name} {found} ({pinned})")
    return missing, others


def secrets_file(file: Path | None) -> Iterator[Finding]:
    """See who may read the settings file, which holds the keys."""
    if file is None:
        yield ok("settings file", "none; the environment says it all")
        return
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & stat.S_IROTH:
        yield warn("settings file", f"{file} can be read by everybody on this machine (mode {mode:04o})", f"chmod 600 {file}")
    else:
        yield ok("settings file", f"{file}, mode {mode:04o}")


def directory(what: str, place: Path) -> Iterator[Finding]:
    """Write a file into a directory and take it away again, some times over, each time until it is on the disk."""
    name, probe = f"{what} directory", place / f".doctor-{os.getpid()}"
    try:
        place.mkdir(parents=True, exist_ok=True)
        spans = [_written(probe) for _ in range(WRITES)]
    except OSError as error:
        advice = "check the owner and mode of the directory, and the space and quota of its disk"
        yield fail(name, f"{place} cannot be written: {error.strerror or error}", advice)
        return
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
    took = median(spans)
    said = f"{place}, a write is on the disk after {took * 1000:.1f} ms"
    if took > SLOW:
        yield warn(name, said, "each order waits for two such writes: use a local disk, no network file system")
    else:
        yield ok(name, said)


def _written(probe: Path) -> float:
    begun = monotonic()
    with probe.open("wb") as stream:
        stream.write(b"\0" * 4096)
        stream.flush()
        os.fsync(stream.fileno())
    return monotonic() - begun


def _free(place: Path) -> int:
    return shutil.disk_usage(place).free


def space(what: str, place: Path, free: Callable[[Path], int] = _free) -> Iterator[Finding]:
    """See how much room is left on a directory's disk."""
    left = free(next(there for there in (place, *place.resolve().parents) if there.exists()))
    name, said = f"{what} disk", f"{left / 1_000_000_000:.1f} GB free"
    if left < TOO_LITTLE:
        yield fail(name, said, "free some space: where the journal cannot be written nothing is sent, closes neither")
    elif left < LITTLE:
        yield warn(name, said, "free some space, or move old trades out of the journal with --archive")
    else:
        yield ok(name, said)


def journal_health(settings: Settings, home: Path) -> Iterator[Finding]:
    """Read the journal to its last event, beside whoever writes it."""
    url = None if settings.journal_url is None else settings.journal_url.get_secret_value()
    file = journal_file(home, url)
    if file is not None and not file.exists():
        yield ok("journal", f"none in {file.parent} yet: the daemon has not run here")
        return
    holder = None if file is None else lock_holder(file.with_suffix(".lock"))
    try:
        with JournalReader(str(url) if file is None else file) as reader:
            events = reader.verify()
            newest = max((event.at for event in reader.events(last=1)), default=None)
            attention = reader.needs_attention
    except JournalError as error:
        yield fail("journal", str(error), "start the daemon once, it saves what can be read; or --restore a backup (docs/journal.md)")
        return
    size = 0 if file is None else file.stat().st_size
    yield _journal(events, size)
    if attention is not None:
        yield fail("journal attention", attention, "nothing is opened until somebody has looked: then --acknowledge (docs/runbook.md)")
    said = "no daemon has it open" if holder is None else f"process {holder} has it open"
    if newest is not None:
        said += f"; its last event is of {newest:%Y-%m-%d %H:%M:%S} UTC"
    of_the_wall = not settings.embedded and settings.paper_speed == 1
    if holder is not None and newest is not None and of_the_wall and wall_now() - newest > SILENT:
        yield warn("journal writer", said, f"it has written nothing for over {SILENT}: see its log and --status")
    else:
        yield ok("journal writer", said)


def _journal(events: int, size: int) -> Finding:
    said = f"{events} events, all readable, {size / 1_000_000:.1f} MB"
    if size > LARGE:
        return warn("journal", said, "stop the daemon and move old trades out with --archive 30: a smaller journal starts faster")
    return ok("journal", said)


def alert_addresses(urls: Sequence[str]) -> Iterator[Finding]:
    """See whether alerts can be sent where the user wants them; sends nothing."""
    if not urls:
        yield warn(
            "alerts", "no address is configured: alerts are in the log and in --status only", "set TRADER_ALERT_URLS (docs/alerts.md)"
        )
        return
    wrong = problems(urls)
    for problem in wrong:
        yield fail("alerts", problem, "mend it in TRADER_ALERT_URLS (docs/alerts.md)")
    if not wrong:
        names = ", ".join(name_of(n, url) for n, url in enumerate(urls, 1))
        yield ok("alerts", f"{names}: well-formed; nothing was sent, docs/alerts.md says how to try one")
