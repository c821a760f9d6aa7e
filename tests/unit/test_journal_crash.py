"""The journal against what ends a process at any moment: kill -9, a full disk."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from journal import Journal

from tests.unit.journal_stories import a_birth, an_open_trade, opened_in

ROOT = Path(__file__).resolve().parents[2]

# Appends pairs for ever and says each number once its append has returned.
WRITER = """
import sys
from pathlib import Path
from journal import open_journal
from tests.unit.journal_stories import NOON, a_birth, an_intent
from clock import SimulatedClock
journal = open_journal(Path(sys.argv[1]), SimulatedClock(NOON)).journal
while True:
    number = journal.next_trade_number()
    journal.append(a_birth(number), an_intent(number))
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""

# Fills a journal until it is refused, then shows that it can still be read.
FILLER = """
import resource, sys
from pathlib import Path
import sqlalchemy
from errors import JournalError
from journal import Journal
from tests.unit.journal_stories import an_open_trade

def no_more_pages(connection, _):
    connection.execute("PRAGMA max_page_count=20")

file, how = Path(sys.argv[1]), sys.argv[2]
if how == "full":
    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", no_more_pages)
journal = Journal(file)
if how == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
returned = 0
try:
    while returned < 2000:
        journal.append(*an_open_trade(returned + 1))
        returned += 1
except JournalError as error:
    print(error)
print(returned, len(list(journal.replay())), journal.last_seq)
"""


def python(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", program, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_l28_l29_kill_9_at_any_moment_loses_nothing_that_was_returned_and_leaves_nothing_half(tmp_path: Path) -> None:
    told = 0
    for moment in (random.Random(n).uniform(0.002, 0.05) for n in range(15)):
        writer = python(WRITER, str(tmp_path))
        assert writer.stdout is not None
        lines = [writer.stdout.readline()]
        time.sleep(moment)
        os.kill(writer.pid, signal.SIGKILL)
        lines += writer.stdout.readlines()
        writer.stdout.close()
        writer.wait()
        told = max(told, *(int(line) for line in lines if line.endswith("\n")))

    opened = opened_in(tmp_path)

    with opened.journal as journal:
        births = [event.trade for event in journal.events() if hasattr(event, "trade")]
        assert opened.damage is None
        assert births == list(range(1, len(births) + 1))
        assert told <= len(births) <= told + 1  # the last may have been written and not yet told
        assert journal.last_seq == 2 * len(births)  # both of each pair


@pytest.mark.parametrize(
    ("how", "words"), [("full", "the disk is full: free some space"), ("limit", "the disk refused: check its free space")]
)
def test_a_full_disk_is_a_clear_refusal_and_the_journal_still_reads(how: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "journal.db"
    Journal(file).close()
    filler = python(FILLER, str(file), how)
    out, _ = filler.communicate()

    refusal, counts = out.strip().splitlines()
    returned, replayed, last = (int(word) for word in counts.split())

    assert words in refusal
    assert 0 < returned < 2000
    assert replayed == last == 7 * returned
    with Journal(file) as journal:  # there is room again
        assert journal.verify() == 7 * returned
        journal.append(a_birth(9999))
        assert journal.last_seq == 7 * returned + 1


def test_l32_closing_writes_nothing(tmp_path: Path) -> None:
    with opened_in(tmp_path).journal as journal:
        journal.append(*an_open_trade(1))

    with opened_in(tmp_path).journal as journal:
        assert list(journal.events()) == an_open_trade(1)
