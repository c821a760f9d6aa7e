"""How the daemon comes to its journal: the one that is there if it can be trusted, otherwise a new one made of what could be saved.

One rule: damage never stops the daemon and never passes unseen. It starts, manages what it knows of, and a person must look.
"""

import zlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from clock import Clock
from domain import ClientOrderId
from errors import JournalDamaged
from events import OrderEvent
from journal.reader import event_of, is_sealed
from journal.salvage import Salvage, parts_of, salvage, set_aside, sync_directory
from journal.schema import StateLock, file_of, meta, strategy_states, url_of
from journal.torn_log import damage_in_log
from journal.writer import Journal

JOURNAL = "journal.db"
# What a new journal must know of the old one beside its events.
_KEPT = frozenset({"archived_before", "archived_seq", "last_trade", "needs_attention"})


@dataclass(frozen=True, slots=True)
class OpenedJournal:
    """A journal that can be trusted, and what was wrong with the one it replaces; `damage` is None where nothing was.

    `journal.needs_attention` says the same and goes on saying it after a restart, until `journal.acknowledge()`.
    """

    journal: Journal
    damage: str | None = None


def open_journal(state_dir: Path, clock: Clock, url: str | None = None) -> OpenedJournal:
    """Open the journal of a state directory (or at a URL), checked from the first page to the last event.

    A damaged file is set aside under `damaged/<moment>/` beside it, and all of it that can be read goes into a new journal.
    Raises JournalError where the journal is in use or cannot be written; JournalDamaged only for one behind a server.
    """
    file = journal_file(state_dir, url)
    if file is None:
        return OpenedJournal(_checked(Journal(str(url))))
    lock = StateLock(file.with_suffix(".lock"))
    try:
        finish_replacing(file, clock.now())
        try:
            return OpenedJournal(_trusted(file, lock))
        except JournalDamaged as error:
            damage = _replaced(file, lock, clock.now(), str(error))
        return OpenedJournal(_trusted(file, lock), damage)
    except BaseException:
        lock.release()
        raise


def journal_file(state_dir: Path, url: str | None) -> Path | None:
    """Return the file that a journal lies in, by its directory or its URL; None for one behind a server."""
    return state_dir / JOURNAL if url is None else file_of(url_of(url))


def _trusted(file: Path, lock: StateLock) -> Journal:
    """Open, check and hand over the lock; a journal that is gone is damaged too, if there ever was one."""
    if lock.desk is not None and (not file.exists() or file.stat().st_size == 0):
        raise JournalDamaged(f"{file} is gone or empty, though this directory had one")
    if (torn := damage_in_log(file.with_name(f"{file.name}-wal"))) is not None:
        raise JournalDamaged(f"{file}: {torn}; SQLite would drop what stands from there on")
    journal = _checked(Journal(file, lock))
    journal.hold(lock)
    return journal


def _checked(journal: Journal) -> Journal:
    try:
        journal.verify()
    except BaseException:
        journal.close()
        raise
    return journal


def _replaced(file: Path, lock: StateLock, moment: datetime, cause: str) -> str:
    """Make a new journal of what the damaged one still tells, change one for the other, and return what to tell a person.

    The damaged file stays where it is until the new one is whole, so the next start repairs a crash at any point of this.
    """
    building = file.with_name(f"building-{file.name}")
    for leftover in parts_of(building):
        leftover.unlink(missing_ok=True)
    saved = salvage(file)
    good = [(seq, payload) for seq, payload in saved.payloads if _readable(seq, payload)]
    lost = saved.lost + len(saved.payloads) - len(good)
    told = f"{cause}; {len(good)} events were saved, {lost} were seen and could not be read, later ones may be missing unseen"
    if (desk := _desk_of(saved, good)) is not None:
        lock.remember(desk, lock.trades)
    with Journal(building, lock) as journal:
        journal.adopt(
            good, {key: state for key, state in saved.strategy_states.items() if is_sealed(saved.meta, strategy_states, key, state)}
        )
        if kept := {key: value for key, value in saved.meta.items() if key in _KEPT and _can_be_kept(saved, key)}:
            journal.set_meta(**kept)
        journal.require_attention(f"{told}; the damaged file is under {file.parent / 'damaged'}")
    building.replace(rebuilt_of(file))
    sync_directory(file.parent)
    finish_replacing(file, moment)
    return told


def finish_replacing(file: Path, moment: datetime, under: str = "damaged") -> Path | None:
    """Change a journal for the one that stands rebuilt beside it; also after a crash half-way. Return where the first one went."""
    rebuilt = rebuilt_of(file)
    if not rebuilt.exists():
        return None
    place = set_aside(file, moment, under) if any(part.exists() for part in parts_of(file)) else None
    rebuilt.replace(file)
    sync_directory(file.parent)
    return place


def rebuilt_of(file: Path) -> Path:
    """Return where a whole journal stands until it takes the place of another."""
    return file.with_name(f"rebuilt-{file.name}")


def _readable(seq: int, payload: bytes) -> bool:
    try:
        event_of(seq, zlib.crc32(payload), payload)
    except JournalDamaged:
        return False
    return True


def _can_be_kept(saved: Salvage, key: str) -> bool:
    """Tell whether a value of the journal's own reads as it was written; all but the reason to look are numbers."""
    value = saved.meta.get(key, "")
    return (value.isdecimal() or key == "needs_attention") and is_sealed(saved.meta, meta, key, value)


def _desk_of(saved: Salvage, good: list[tuple[int, bytes]]) -> int | None:
    """Return the desk number a damaged journal still tells: written, or in the client order id of the newest order."""
    if _can_be_kept(saved, "desk"):
        return int(saved.meta["desk"])
    for seq, payload in reversed(good):
        event = event_of(seq, zlib.crc32(payload), payload)
        if isinstance(event, OrderEvent):
            with suppress(ValueError):
                return ClientOrderId.parse(event.order).desk
    return None
