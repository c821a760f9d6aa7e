"""A backup takes the place of the journal: checked first, never over the present one, and never to be believed unseen.

One rule: no name that the venue may know is given to another order. A backup is older than what the venue knows, so

- new trades are numbered above every number that may have been used since, whatever the backup says;
- our desk number stays, so that orders of trades which the backup does not know are still seen to be ours, and are told;
- trades that the backup knows go on under their own names. Where one of these names was used after the backup, it was for the very
  order that is missing here: the venue refuses it as known, it is looked up by that name, and its fills are booked where they belong.
"""

import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from errors import JournalDamaged, JournalError
from events import TradeCreated
from journal.opening import finish_replacing, rebuilt_of
from journal.reader import PAGE, JournalReader, copied
from journal.salvage import parts_of, sync_directory
from journal.schema import StateLock, translated
from journal.writer import Journal

ARCHIVE_FILE = "archive.db"
# Where nothing remembers the numbers given since the backup: more trades than a journal sees between two backups.
LEAP = 100_000
MOST_TRADES = 9_999_999  # seven digits of a client order id


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored: how many events up to when, where the journal before it lies, and the number that the next trade gets."""

    events: int
    newest: datetime | None
    replaced: Path | None
    next_trade: int
    attention: str


@dataclass(frozen=True, slots=True)
class _Told:
    """What a journal tells of its numbers."""

    desk: int
    last_trade: int
    last_seq: int
    newest: datetime | None = None
    trades: int = 0


def restore_journal(file: Path, backup: Path, moment: datetime) -> Restored:
    """Put a backup in a journal's place; the journal that was there goes under `replaced/<moment>/` beside it.

    Raises JournalError where a daemon runs on it, JournalDamaged for a backup that is not sound; nothing is changed then.
    A crash at any point leaves the old journal or the restored one; the next start finishes what was begun.
    """
    lock = StateLock(file.with_suffix(".lock"))
    try:
        finish_replacing(file, moment)
        kept = _sound(backup)
        present = _known(file, whole=True)
        if present is not None and present.desk != kept.desk and present.trades > 0:
            raise JournalError(
                f"{file.parent} belongs to installation {present.desk} and {backup} to {kept.desk}: the venue's orders of "
                f"{present.trades} trades would not be known as ours any more; restore into another TRADER_STATE_DIR"
            )
        ceiling = _ceiling(kept, present, lock)
        highest = max(one.last_seq for one in (kept, present, _known(file.with_name(ARCHIVE_FILE))) if one is not None)
        lock.remember(kept.desk, max(ceiling, lock.trades))
        attention = (
            f"the journal was restored from a backup that ends at {_written(kept.newest)}: what happened after that is not in it. "
            "Compare orders, fills and positions with the venue before anything new is opened"
        )
        events = _built(file, backup, lock, {"numbers_from": str(ceiling), "archived_seq": str(highest)}, attention)
        return Restored(events, kept.newest, finish_replacing(file, moment, "replaced"), ceiling + 1, attention)
    finally:
        lock.release()


def _sound(backup: Path) -> _Told:
    """Read a backup from the first page to the last event; raise JournalDamaged unless all of it can be trusted."""
    try:
        with JournalReader(backup) as reader:
            reader.verify()
            if reader.is_archive:
                raise JournalError(f"{backup} is an archive: it holds finished trades only, and nothing can start from it")
            return _told(reader)
    except JournalDamaged as error:
        raise JournalDamaged(f"{backup} is no sound backup of a journal, nothing was changed: {error.__cause__ or error}") from error


def _known(file: Path, *, whole: bool = False) -> _Told | None:
    """Read what can be read of a journal; None where it is not there or, if all of it is wanted, cannot be trusted."""
    if not file.exists():
        return None
    with suppress(JournalError, ValueError), JournalReader(file) as reader:
        if whole:
            reader.verify()
        return _told(reader)
    return None


def _told(reader: JournalReader) -> _Told:
    newest = max((event.at for event in reader.events(last=PAGE)), default=None)
    trades = sum(1 for _ in reader.events(TradeCreated))
    return _Told(reader.desk, reader.last_trade, reader.last_seq, newest, trades)


def _ceiling(kept: _Told, present: _Told | None, lock: StateLock) -> int:
    """Return a number that no trade of this desk was ever above; raise JournalError where there are no numbers left."""
    known = [kept.last_trade]
    if present is not None and present.desk == kept.desk:
        known.append(present.last_trade)
    # The lock's file remembers every number that was given; without it, as on a new machine, only distance is safe.
    ceiling = max(*known, lock.trades) if lock.desk == kept.desk else max(known) + LEAP
    if ceiling + PAGE > MOST_TRADES:
        raise JournalError(f"no trade numbers are left above {ceiling}: start with a new TRADER_STATE_DIR")
    return ceiling


def _built(file: Path, backup: Path, lock: StateLock, meta: dict[str, str], attention: str) -> int:
    """Make the restored journal, whole, beside the present one; return how many events it holds."""
    building = file.with_name(f"building-{file.name}")
    for leftover in parts_of(building):
        leftover.unlink(missing_ok=True)
    with (
        translated("be restored"),
        closing(sqlite3.connect(f"file:{quote(str(backup.resolve()))}?mode=ro", uri=True, isolation_level=None)) as source,
    ):
        copied(source, building)
    with Journal(building, lock) as journal:
        journal.set_meta(**meta)
        journal.require_attention(attention)
        events = journal.verify()
    building.replace(rebuilt_of(file))
    sync_directory(file.parent)
    return events


def _written(moment: datetime | None) -> str:
    return "its beginning" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
