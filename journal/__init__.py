"""The append-only record of everything that happened: written before it is believed, replayed at the start.

One rule: an event whose append returned is on the disk, and one whose append raised is not there at all.
`open_journal` is how the daemon starts; `JournalReader` asks a journal, an archive or a backup without disturbing the daemon.
"""

from journal.opening import OpenedJournal, open_journal
from journal.reader import JournalReader
from journal.writer import Journal

__all__ = ["Journal", "JournalReader", "OpenedJournal", "open_journal"]
