"""Looking after the journal by hand: check it, copy it, put a copy in its place, move old trades out of it.

One rule: each command says in numbers what it did, or why it did nothing. Checking and copying work beside the daemon; what writes
the journal refuses while the daemon has it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from clock import wall_now
from config import Settings
from errors import ConfigError, JournalDamaged, JournalError
from events import TradeCreated
from journal import ARCHIVE_FILE, Journal, JournalReader, journal_file, rebuilt_of, restore_journal

LEAST_DAYS = 2  # the day limit counts today's trades, and yesterday's where a day has just begun
_SQLITE = b"SQLite format 3\0"
_PUT_BY = "put it somewhere else: the next --archive begins a new one, and the daemon needs none (docs/journal.md)"
_ANOTHER = "name another file: this is no backup that could be restored (docs/journal.md)"
HELP = {
    "backup": "copy the journal to FILE, checked; works beside a running daemon",
    "restore": "put a backup in the journal's place, the present one set aside; the daemon must be stopped",
    "archive": f"move trades that ended DAYS ({LEAST_DAYS} or more) before the newest event to archive.db; the daemon must be stopped",
    "verify": "read the journal, or the backup FILE, from the first page to the last event; works beside a running daemon",
}


def backup(settings: Settings, home: Path, to: Path) -> str:
    """Copy the journal to a file; return what was copied. Raises ConfigError for a place that is not for it, JournalError."""
    source = _source(settings, home, "pg_dump")
    with JournalReader(source) as reader:
        _unclaimed(to, source, reader.desk)
        with _writing(to):
            reader.backup(to)
    with JournalReader(to) as copy:
        events = copy.verify()
    return f"backup      {events} events in {to}, all readable, {_size(to)}"


def restore(settings: Settings, home: Path, source: Path) -> tuple[str, ...]:
    """Put a backup in the journal's place; return what was restored and what to do next. Raises ConfigError or JournalError."""
    file = journal_file(home, _url(settings))
    if file is None:
        raise ConfigError("--restore is for a journal in a file; one behind a server is restored with the server's own tools (pg_restore)")
    if not source.is_file():
        raise ConfigError(f"--restore {source}: there is no such file")
    if source.resolve().parent == file.resolve().parent and source.name.startswith(file.name):
        raise ConfigError(f"--restore {source}: this is the journal itself; name a backup")
    with _writing(file):
        done = restore_journal(file, source, wall_now())
    lines = [f"restored    {done.events} events from {source}, all readable; the next trade is number {done.next_trade}"]
    if done.replaced is not None:
        lines.append(f"replaced    the journal that was there is in {done.replaced}")
    lines.append(f"attention   {done.attention}, then --acknowledge")
    return tuple(lines)


def archive(settings: Settings, home: Path, days: str) -> tuple[str, ...]:
    """Move what no restart needs into archive.db beside the journal; return exact counts. Raises ConfigError or JournalError."""
    if not days.isdecimal() or int(days) < LEAST_DAYS:
        raise ConfigError(f"--archive {days}: a whole number of days, {LEAST_DAYS} or more")
    source, file = _source(settings, home, None), journal_file(home, _url(settings))
    shelf = home / ARCHIVE_FILE if file is None else file.with_name(ARCHIVE_FILE)
    if file is not None and rebuilt_of(file).exists():
        raise JournalError(f"{file} is being replaced: start the daemon once, it finishes that")
    with _writing(shelf), Journal(source) as journal:
        journal.verify()
        tuple(_shelf_line(shelf))  # nothing is moved into an archive that is not sound
        newest = max((event.at for event in journal.events(last=1)), default=None)
        if newest is None:
            return ("archived    nothing: the journal is empty",)
        before = newest - timedelta(days=int(days))
        trades = _trades(journal)
        moved = journal.archive(before, shelf)
        lines = [f"archived    {moved} events of {trades - _trades(journal)} trades that ended before {before:%Y-%m-%d %H:%M} UTC"]
        lines.append(f"journal     {journal.verify()} events stay{_compacted(journal, file) if moved else ''}")
    return (*lines, *_shelf_line(shelf))


def verify(settings: Settings, home: Path, file: Path | None = None) -> tuple[str, ...]:
    """Read a journal, and its archive, to the last event; return what is in it. Raises JournalDamaged at the first thing wrong."""
    if file is not None:
        if not file.is_file():
            raise ConfigError(f"--verify {file}: there is no such file")
        with JournalReader(file, next_step=_ANOTHER) as reader:
            return tuple(_described("file", reader, file))
    source, place = _source(settings, home, None), journal_file(home, _url(settings))
    shelf = home / ARCHIVE_FILE if place is None else place.with_name(ARCHIVE_FILE)
    with JournalReader(source) as reader:
        return (*_described("journal", reader, place), *_shelf_line(shelf))


def _described(what: str, reader: JournalReader, file: Path | None) -> Iterator[str]:
    events = reader.verify()
    newest = max((event.at for event in reader.events(last=1)), default=None)
    size = "" if file is None else f", {_size(file)}"
    until = "" if newest is None else f", the last of {newest:%Y-%m-%d %H:%M:%S} UTC"
    kind = ", an archive" if reader.is_archive else ""
    yield f"{what:11} {events} events of {_trades(reader)} trades, all readable{until}{size}{kind}"
    yield f"numbers     desk {reader.desk:04d}, trades up to {reader.last_trade}"
    if (reason := reader.needs_attention) is not None:
        yield f"attention   {reason}; look, then --acknowledge"


def _shelf_line(shelf: Path) -> Iterator[str]:
    if shelf.exists():
        with JournalReader(shelf, next_step=_PUT_BY) as reader:
            yield f"archive     {reader.verify()} events of {_trades(reader)} trades in {shelf}, all readable, {_size(shelf)}"


def _compacted(journal: Journal, file: Path | None) -> str:
    """Give space back to the disk and say so; a disk too full for that keeps the space for later events."""
    try:
        journal.compact()
    except JournalError as error:
        return f"; the file keeps its size: {error}"
    return "" if file is None else f", {_size(file)}"


def _source(settings: Settings, home: Path, instead: str | None) -> Path | str:
    """Return where the journal is; raise JournalError where there is none, ConfigError behind a server that has a better tool."""
    url = _url(settings)
    file = journal_file(home, url)
    if file is None and instead is not None:
        raise ConfigError(f"--backup is for a journal in a file; one behind a server is copied with the server's own tools ({instead})")
    if file is not None and not file.exists():
        raise JournalError(f"no journal in {file.parent}: the daemon has not run here yet")
    return str(url) if file is None else file


def _url(settings: Settings) -> str | None:
    return None if settings.journal_url is None else settings.journal_url.get_secret_value()


def _unclaimed(to: Path, source: Path | str, desk: int) -> None:
    """Raise ConfigError where something else than an earlier backup of this journal stands."""
    if to.is_dir():
        raise ConfigError(f"--backup {to}: this is a directory; name a file in it")
    if not to.parent.is_dir():  # a disk that is not mounted, more likely than a wish for a new directory
        raise ConfigError(f"--backup {to}: there is no directory {to.parent}; make it first, or mount its disk")
    if isinstance(source, Path) and to.resolve().parent == source.resolve().parent and to.name.startswith((source.stem, "archive")):
        raise ConfigError(f"--backup {to}: this name belongs to the journal itself; choose another, best on another disk")
    if not to.exists():
        return
    taken = f"--backup {to}: the file there is not an earlier backup of this journal; choose another name"
    if not _reads_as_sqlite(to):
        raise ConfigError(taken)
    try:
        with JournalReader(to) as there:
            ours = not there.is_archive and there.desk == desk
    except JournalDamaged:
        raise ConfigError(taken) from None
    if not ours:
        raise ConfigError(taken)


def _reads_as_sqlite(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(len(_SQLITE)) == _SQLITE


@contextmanager
def _writing(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        advice = "check the owner and mode of its directory, and the space on its disk"
        raise JournalError(f"{place} cannot be written: {error.strerror or error}; {advice}") from error


def _trades(reader: JournalReader) -> int:
    return sum(1 for _ in reader.events(TradeCreated))


def _size(file: Path) -> str:
    return f"{file.stat().st_size / 1_000_000:.1f} MB"
