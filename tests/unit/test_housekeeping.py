"""Housekeeping of the journal: backup, archive and verify, what each does and what it refuses."""

import subprocess
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import housekeeping
from clock import SimulatedClock
from config import Settings
from errors import ConfigError, JournalDamaged, JournalError
from events import AccountMarked
from journal import JournalReader, open_journal
from journal.schema import lock_holder

from tests.unit.housekeeping_stories import DAY, SETTINGS, trades_of, with_one_changed_letter, written
from tests.unit.journal_stories import NOON, a_closed_trade, an_open_trade, later

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "state" / "paper"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    (tmp_path / "away").mkdir()
    return tmp_path / "away" / "monday.db"


# ---- backup


def test_l36_a_backup_is_made_beside_the_running_daemon_and_is_whole(home: Path, copy: Path) -> None:
    written(home, 1)
    with open_journal(home, SimulatedClock(NOON)).journal as journal:
        journal.append(*an_open_trade(2))
        said = housekeeping.backup(SETTINGS, home, copy)
        journal.append(*an_open_trade(3))

    assert said.startswith("backup      14 events in ")
    with JournalReader(copy) as reader:
        assert trades_of(reader) == [1, 2]
    assert [file.name for file in copy.parent.iterdir()] == ["monday.db"]


def test_a_backup_takes_the_place_of_an_earlier_one_of_the_same_journal(home: Path, copy: Path) -> None:
    written(home, 1)
    housekeeping.backup(SETTINGS, home, copy)
    written(home, 2)

    assert "14 events" in housekeeping.backup(SETTINGS, home, copy)


def test_a_backup_never_takes_the_place_of_anything_else(home: Path, copy: Path, tmp_path: Path) -> None:
    written(home, 1)
    elsewhere = tmp_path / "state" / "production"
    written(elsewhere, 1)
    letter = tmp_path / "letter.txt"
    letter.write_text("dear")
    (tmp_path / "folder").mkdir()

    for place in (letter, tmp_path / "folder", elsewhere / "journal.db", home / "journal.db", home / "journal.lock", home / "archive.db"):
        with pytest.raises(ConfigError, match="--backup"):
            housekeeping.backup(SETTINGS, home, place)
    assert letter.read_text() == "dear"


def test_a_backup_does_not_take_the_place_of_an_archive(home: Path, tmp_path: Path) -> None:
    shelf = tmp_path / "old.db"
    with open_journal(home, SimulatedClock(NOON)).journal as journal:
        journal.append(*a_closed_trade(1))
        journal.archive(later(DAY), shelf)

    with pytest.raises(ConfigError, match="not an earlier backup"):
        housekeeping.backup(SETTINGS, home, shelf)


def test_a_directory_that_cannot_be_written_is_named_with_what_to_do(home: Path) -> None:
    written(home, 1)

    with pytest.raises(JournalError, match=r"cannot be copied to /proc/b\.db"):
        housekeeping.backup(SETTINGS, home, Path("/proc/b.db"))


def test_a_directory_that_is_not_there_is_not_made_for_a_backup(home: Path, tmp_path: Path) -> None:
    written(home, 1)

    with pytest.raises(ConfigError, match=r"there is no directory .*away; make it first, or mount its disk"):
        housekeeping.backup(SETTINGS, home, tmp_path / "away" / "monday.db")

    assert not (tmp_path / "away").exists()


def test_a_full_disk_costs_the_new_backup_and_not_the_last_one(home: Path, copy: Path) -> None:
    written(home, 1)
    housekeeping.backup(SETTINGS, home, copy)
    with open_journal(home, SimulatedClock(NOON)).journal as journal:
        journal.append(*[AccountMarked(at=NOON, equity=Decimal(n)) for n in range(3000)])
    program = (
        "import resource, sys, housekeeping\nfrom config import Settings\nfrom pathlib import Path\nfrom errors import JournalError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "try:\n    housekeeping.backup(Settings(), Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "except JournalError as error:\n    print('said:', error)"
    )

    told = subprocess.run([sys.executable, "-c", program, str(home), str(copy)], cwd=ROOT, capture_output=True, text=True, check=True)

    assert told.stdout.startswith("said: the journal cannot be copied to"), told
    assert "disk" in told.stdout
    assert [file.name for file in copy.parent.iterdir()] == ["monday.db"]
    with JournalReader(copy) as kept:
        assert kept.verify() == 7


def test_a_journal_that_is_not_there_is_no_traceback(home: Path, copy: Path) -> None:
    for act in (
        lambda: housekeeping.backup(SETTINGS, home, copy),
        lambda: housekeeping.archive(SETTINGS, home, "7"),
        lambda: housekeeping.verify(SETTINGS, home),
    ):
        with pytest.raises(JournalError, match="the daemon has not run here yet"):
            act()
    assert not copy.exists()


def test_behind_a_server_the_servers_own_tools_are_named(home: Path, copy: Path) -> None:
    settings = Settings(journal_url="postgresql+psycopg://u:secret@db/trader")

    with pytest.raises(ConfigError, match=r"pg_dump") as no_backup:
        housekeeping.backup(settings, home, copy)
    with pytest.raises(ConfigError, match=r"pg_restore") as no_restore:
        housekeeping.restore(settings, home, copy)
    assert "secret" not in f"{no_backup.value}{no_restore.value}"


# ---- archive and verify


def test_l37_archiving_tells_exactly_what_moved_and_what_stays(home: Path) -> None:
    with open_journal(home, SimulatedClock(NOON)).journal as journal:
        journal.append(*a_closed_trade(1), *a_closed_trade(2), *an_open_trade(3), AccountMarked(at=later(3 * DAY), equity=Decimal(1)))

    said = housekeeping.archive(SETTINGS, home, "2")

    assert said[0] == "archived    24 events of 2 trades that ended before 2026-03-02 12:00 UTC"
    assert said[1].startswith("journal     8 events stay")
    assert said[2].startswith(f"archive     24 events of 2 trades in {home / 'archive.db'}, all readable")
    assert housekeeping.archive(SETTINGS, home, "2")[0].startswith("archived    0 events of 0 trades")


def test_archiving_gives_the_space_back_to_the_disk(home: Path) -> None:
    with open_journal(home, SimulatedClock(NOON)).journal as journal:
        journal.append(*[AccountMarked(at=NOON + timedelta(hours=n), equity=Decimal(n)) for n in range(3000)])
    before = (home / "journal.db").stat().st_size

    housekeeping.archive(SETTINGS, home, "2")

    assert (home / "journal.db").stat().st_size < before / 5


def test_archiving_an_empty_journal_moves_nothing(home: Path) -> None:
    written(home)

    assert housekeeping.archive(SETTINGS, home, "2") == ("archived    nothing: the journal is empty",)


def test_archiving_is_refused_while_the_daemon_runs(home: Path) -> None:
    with open_journal(home, SimulatedClock(NOON)).journal as journal:
        journal.append(*a_closed_trade(1))
        with pytest.raises(JournalError, match=r"in use by process \d+: stop it first"):
            housekeeping.archive(SETTINGS, home, "2")


@pytest.mark.parametrize("days", ["1", "0", "-3", "week", "2.5", ""])
def test_days_that_would_falsify_the_day_limit_or_are_none_are_refused(home: Path, days: str) -> None:
    written(home, 1)
    with pytest.raises(ConfigError, match="a whole number of days, 2 or more"):
        housekeeping.archive(SETTINGS, home, days)


def test_a_damaged_journal_is_not_archived_from(home: Path) -> None:
    written(home, 1)
    file = home / "journal.db"
    with_one_changed_letter(file)

    with pytest.raises(JournalDamaged):
        housekeeping.archive(SETTINGS, home, "2")


def test_verifying_beside_the_daemon_says_what_is_there(home: Path) -> None:
    with open_journal(home, SimulatedClock(NOON)).journal as journal:
        journal.append(*an_open_trade(1), AccountMarked(at=later(DAY), equity=Decimal(1)))
        journal.require_attention("a page was bad")
        said = housekeeping.verify(SETTINGS, home)
        desk = journal.desk

    assert said[0].startswith("journal     8 events of 1 trades, all readable, the last of 2026-03-02 12:00:00 UTC")
    assert said[1] == f"numbers     desk {desk:04d}, trades up to 1"
    assert said[2] == "attention   a page was bad; look, then --acknowledge"


def test_verifying_a_backup_by_its_name(home: Path, copy: Path) -> None:
    written(home, 1)
    housekeeping.backup(SETTINGS, home, copy)

    assert housekeeping.verify(SETTINGS, home, copy)[0].startswith("file        7 events of 1 trades, all readable")
    with_one_changed_letter(copy)
    with pytest.raises(JournalDamaged, match=r"monday\.db"):
        housekeeping.verify(SETTINGS, home, copy)
    with pytest.raises(ConfigError, match="there is no such file"):
        housekeeping.verify(SETTINGS, home, copy.with_name("tuesday.db"))


def test_a_file_that_is_no_backup_is_not_mended_by_starting_the_daemon(copy: Path, home: Path) -> None:
    copy.write_text("a letter, and not a journal")

    with pytest.raises(JournalDamaged, match="name another file: this is no backup") as told:
        housekeeping.verify(SETTINGS, home, copy)

    assert "start the daemon" not in str(told.value)


def test_who_holds_the_journal_is_seen_without_taking_it(home: Path) -> None:
    import os

    assert lock_holder(home / "journal.lock") is None
    with open_journal(home, SimulatedClock(NOON)).journal:
        assert lock_holder(home / "journal.lock") == os.getpid()
    assert lock_holder(home / "journal.lock") is None
