"""How the daemon comes to its journal: the one that is there if it can be trusted, otherwise a new one made of what could be saved.

One rule: damage never stops the daemon and never passes unseen. It starts, manages what it knows of, and a person must look.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from clock import Clock
from domain import ClientOrderId
from errors import JournalDamaged
from events import OrderEvent
from journal.reader import event_of
from journal.salvage import Salvage, parts_of, salvage, set_aside, sync_directory
from journal.schema import StateLock, file_of, url_of
from journal.writer import Journal

JOURNAL = "journal.db"


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
    file = state_dir / JOURNAL if url is None else file_of(url_of(url))
    if file is None:
        return OpenedJournal(_checked(Journal(str(url))))
    lock = StateLock(file.with_suffix(".lock"))
    try:
        _finish_replacing(file)
        try:
            return OpenedJournal(_trusted(file, lock))
        except JournalDamaged as error:
            damage = _replaced(file, lock, clock.now(), str(error))
        return OpenedJournal(_trusted(file, lock), damage)
    except BaseException:
        lock.release()
        raise


def _trusted(file: Path, lock: StateLock) -> Journal:
    """Open, check and hand over the lock; a journal that is gone is damaged too, if there ever was one."""
    if lock.desk is not None and not file.exists():
        raise JournalDamaged(f"{file} is gone, though this directory had one")
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

    The damaged file stays where it is until the new one is whole, so a crash at any point here is repaired by the next start.
    """
    rebuilt = _rebuilt_beside(file)
    for leftover in parts_of(rebuilt):
        leftover.unlink(missing_ok=True)
    saved = salvage(file)
    good = [(seq, payload) for seq, payload in saved.payloads if _readable(seq, payload)]
    lost = saved.lost + len(saved.payloads) - len(good)
    told = f"{cause}. {len(good)} events were saved from it, {lost} were seen and could not be read; later ones may be missing unseen"
    desk = _desk_of(saved, good, lock)
    with Journal(rebuilt, lock) as journal:
        journal.adopt(good, saved.strategy_states)
        journal.set_meta(**_kept(saved), **({} if desk is None else {"desk": str(desk)}), numbers_from=str(lock.trades))
        journal.require_attention(told)
    place = _exchange(file, moment)
    return f"{told}. The damaged file is in {place}"


def _finish_replacing(file: Path) -> None:
    """Put the new journal in place if a crash came between moving the damaged one away and doing so."""
    rebuilt = _rebuilt_beside(file)
    if rebuilt.exists() and not file.exists():
        for leftover in parts_of(file)[1:]:
            leftover.unlink(missing_ok=True)
