"""What can still be had from a damaged journal, and where the damaged file goes: plain SQLite, read-only, row by row.

One rule: the damaged file is evidence. It is read and moved, never written and never deleted.
"""

import os
import sqlite3
import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path
from urllib.parse import quote

# A bad page fails every question that touches it, a bad root fails them all: after so many failures the rest is given up.
_PATIENCE = 20_000
# No row is smaller; so the size of the file bounds how many there are.
_SMALLEST_ROW = 40


@dataclass(frozen=True, slots=True)
class Salvage:
    """What a damaged journal still tells: payloads by number, oldest first, and the two small tables as far as they can be read.

    `lost` counts the rows that are known to have been there: not readable though a later one is, or not what was written. The
    last rows of a file that was cut short are missing without a trace.
    """

    payloads: tuple[tuple[int, bytes], ...] = ()
    lost: int = 0
    meta: Mapping[str, str] = field(default_factory=dict)
    strategy_states: Mapping[str, str] = field(default_factory=dict)


def salvage(file: Path) -> Salvage:
    """Read all that SQLite can still read of a damaged journal; an empty answer where that is nothing. Never raises for damage."""
    if not file.exists():
        return Salvage()
    try:
        connection = sqlite3.connect(f"file:{quote(str(file.resolve()))}?mode=ro", uri=True, isolation_level=None)
    except sqlite3.Error:
        return Salvage()
    with closing(connection):
        connection.text_factory = bytes
        with suppress(sqlite3.Error):
            connection.execute("PRAGMA writable_schema=ON")  # nothing is written: it makes SQLite read a file that was cut short
        meta = _pairs(connection, "SELECT key, value FROM meta")
        rows = sorted(_rows(connection, _highest(connection, meta, file.stat().st_size)), key=lambda row: row[0])
        # By number: a page that another one points to by mistake shows its rows twice.
        good = tuple({seq: payload for seq, crc, payload in rows if crc is not None and zlib.crc32(payload) == crc}.items())
        saved = {seq for seq, _ in good}
        last = max(saved, default=0)
        return Salvage(
            payloads=good,
            lost=sum(1 for seq, crc, _ in rows if seq not in saved and (seq < last or crc is not None)),
            meta=meta,
            strategy_states=_pairs(connection, "SELECT strategy, state FROM strategy_states"),
        )


def _rows(connection: sqlite3.Connection, highest: int) -> Iterator[tuple[int, int | None, bytes]]:
    """Yield (seq, crc, payload); a row that cannot be read has no crc. Where a span of numbers fails, its halves are asked for."""
    spans, failures = deque([(0, highest)]), 0
    while spans and failures < _PATIENCE:
        low, high = spans.popleft()
        try:
            found = connection.execute("SELECT seq, crc, payload FROM events WHERE seq BETWEEN ? AND ?", (low, high)).fetchall()
        except sqlite3.Error:
            failures += 1
            middle = (low + high) // 2
            spans.extend([(low, middle), (middle + 1, high)] if low < high else [])
            if low == high:
                yield low, None, b""
        else:
            yield from ((seq, crc, payload) for seq, crc, payload in found if isinstance(payload, bytes))


def _highest(connection: sqlite3.Connection, meta: Mapping[str, str], size: int) -> int:
    """Return a number that no event is above: numbers run on without a gap from the last that was archived."""
    with suppress(sqlite3.Error):
        return int(connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0])
    archived = meta.get("archived_seq", "")
    return (int(archived) if archived.isdecimal() else 0) + size // _SMALLEST_ROW


def _pairs(connection: sqlite3.Connection, question: str) -> Mapping[str, str]:
    """Return a table's pairs; one that reads as nulls, as on a page of null bytes, is left out."""
    with suppress(sqlite3.Error, UnicodeDecodeError):
        found = connection.execute(question)
        return {key.decode(): value.decode() for key, value in found if isinstance(key, bytes) and isinstance(value, bytes)}
    return {}


def set_aside(file: Path, moment: datetime, under: str = "damaged") -> Path:
    """Move a database with its log into `<under>/<moment>/` beside it and return that directory.

    The database goes first: a log without its database is nothing, a database without its log is a believable lie.
    """
    stamp = moment.strftime("%Y%m%dT%H%M%S.%fZ")
    names = (f"{stamp}-{n}" if n else stamp for n in count())
    place = next(place for name in names if not (place := file.parent / under / name).exists())
    place.mkdir(parents=True)
    for part in parts_of(file):
        if part.exists():
            part.replace(place / part.name)
    sync_directory(place)
    sync_directory(file.parent)
    return place


def parts_of(file: Path) -> tuple[Path, Path, Path]:
    """Return a database's files: itself, its write-ahead log, that log's index."""
    return file, file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm")


def sync_directory(directory: Path) -> None:
    """Put a directory's entries on the disk."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
