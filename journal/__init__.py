"""The append-only record of everything that happened: written before it is believed, replayed at the start.

One rule: an event whose append returned is on the disk, and one whose append raised is not there at all.
`open_journal` is how the daemon starts; `JournalReader` asks a journal, an archive or a backup without disturbing the daemon.
"""

from journal.opening import OpenedJournal, journal_file, open_journal, rebuilt_of
from journal.reader import JournalReader
from journal.restoring import ARCHIVE_FILE, Restored, restore_journal
from journal.schema import lock_holder
from journal.writer import Journal

__all__ = [
    "ARCHIVE_FILE",
    "Journal",
    "JournalReader",
    "OpenedJournal",
    "Restored",
    "journal_file",
    "lock_holder",
    "open_journal",
    "rebuilt_of",
    "restore_journal",
]
