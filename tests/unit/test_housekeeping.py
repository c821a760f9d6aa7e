"""Housekeeping of the journal: what each command does, what it refuses, and that a restored journal never gives a name twice."""

import subprocess
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import housekeeping
from clock import SimulatedClock
from config import Settings
from domain import Purpose
from errors import ConfigError, JournalDamaged, JournalError
from events import AccountMarked, TradeCreated
from journal import Journal, JournalReader, open_journal
from journal.restoring import LEAP, MOST_TRADES, restore_journal
from journal.schema import StateLock, lock_holder

from tests.unit.journal_stories import NOON, a_birth, a_closed_trade, a_fill, an_intent, an_open_trade, later

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = Settings()
DAY = 24 * 60


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "state" / "paper"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    (tmp_path / "away").mkdir()
    return tmp_path / "away" / "monday.db"


def written(home: Path, *trades: int) -> int:
    """Let a daemon have run that opened these trades; return its desk."""
    with open_journal(home, SimulatedClock(NOON)).journal as journal:
        for trade in trades:
            assert journal.next_trade_number() <= trade
            journal.append(*an_open_trade(trade))
        return journal.desk


def trades_of(reader: JournalReader) -> list[int]:
    return [event.trade for event in reader.events(TradeCreated) if isinstance(event, TradeCreated)]


def with_one_changed_letter(file: Path) -> None:
    found, changed = b'"strategy":"strangle"', b'"strategy":"strangel"'
    assert found in file.read_bytes()
    file.write_bytes(file.read_bytes().replace(found, changed, 1))


def next_number(home: Path) -> int:
    with open_journal(home, SimulatedClock(NOON)).journal as journal:
        return journal.next_trade_number()


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


# ---- restore


def a_lost_day(home: Path, copy: Path) -> int:
    """A backup on Monday with trades 1 and 2; by Tuesday there are 3 to 5 too. Return the desk."""
    desk = written(home, 1, 2)
    housekeeping.backup(SETTINGS, home, copy)
    written(home, 3, 4, 5)
    return desk


def test_a_restored_journal_holds_what_the_backup_did_and_opens_nothing_until_a_person_has_looked(home: Path, copy: Path) -> None:
    desk = a_lost_day(home, copy)

    said = housekeeping.restore(SETTINGS, home, copy)

    assert said[0].startswith("restored    14 events")
    opened = open_journal(home, SimulatedClock(NOON))
    with opened.journal as journal:
        assert opened.damage is None
        assert trades_of(journal) == [1, 2]
        assert journal.desk == desk
        assert "restored from a backup that ends at 2026-03-01 12:00:00 UTC" in str(journal.needs_attention)


def test_the_present_journal_is_set_aside_and_not_written_over(home: Path, copy: Path) -> None:
    a_lost_day(home, copy)

    said = housekeeping.restore(SETTINGS, home, copy)

    (place,) = (home / "replaced").iterdir()
    assert str(place) in said[1]
    with JournalReader(place / "journal.db") as reader:
        assert trades_of(reader) == [1, 2, 3, 4, 5]


def test_l29_a_restored_journal_never_gives_a_number_that_the_venue_may_know(home: Path, copy: Path) -> None:
    a_lost_day(home, copy)

    housekeeping.restore(SETTINGS, home, copy)

    assert next_number(home) > 5


def test_l29_numbers_that_were_only_reserved_are_not_given_again(home: Path, copy: Path) -> None:
    """Trade 6 may have been sent and lost with the disk: the lock's file has reserved its number."""
    a_lost_day(home, copy)
    reserved = StateLock(home / "journal.lock")
    mark = reserved.trades
    reserved.release()

    housekeeping.restore(SETTINGS, home, copy)

    assert next_number(home) == mark + 1 > 1000


def test_l29_where_nothing_remembers_the_numbers_they_go_on_at_a_distance(home: Path, copy: Path, tmp_path: Path) -> None:
    a_lost_day(home, copy)
    machine = tmp_path / "another" / "paper"

    housekeeping.restore(SETTINGS, machine, copy)

    assert next_number(machine) > 2 + LEAP
    with open_journal(machine, SimulatedClock(NOON)).journal as journal:
        journal.append(a_birth(journal.next_trade_number()))
        assert journal.next_trade_number() == trades_of(journal)[-1] + 1


def test_l29_a_lock_of_another_installation_remembers_nothing_of_ours(home: Path, copy: Path, tmp_path: Path) -> None:
    a_lost_day(home, copy)
    machine = tmp_path / "another" / "paper"
    lock = StateLock(machine / "journal.lock")
    lock.remember((written(home) + 1) % 10_000, 3)
    lock.release()

    housekeeping.restore(SETTINGS, machine, copy)

    assert next_number(machine) > LEAP


def test_without_numbers_left_a_restore_is_refused(home: Path, copy: Path) -> None:
    written(home, 1)
    with Journal(home / "journal.db") as journal:
        journal.append(a_birth(MOST_TRADES - 5))
    housekeeping.backup(SETTINGS, home, copy)

    with pytest.raises(JournalError, match="no trade numbers are left"):
        housekeeping.restore(SETTINGS, home, copy)


def test_a_trade_of_the_backup_goes_on_under_its_own_names(home: Path, copy: Path) -> None:
    """Its next order has the name that the missing order had, so the venue's answer is about the very order that is missing."""
    desk = written(home)
    with open_journal(home, SimulatedClock(NOON)).journal as journal:
        journal.append(*an_open_trade(1))
        housekeeping.backup(SETTINGS, home, copy)
        journal.append(an_intent(1, Purpose.CLOSE, desk=desk), a_fill(1, Purpose.CLOSE))

    housekeeping.restore(SETTINGS, home, copy)

    with open_journal(home, SimulatedClock(NOON)).journal as journal:
        assert journal.desk == desk
        assert journal.load_positions() == {1: {"BTCUSD-28MAR26-100000-C": Decimal("-0.4")}}


def test_the_numbers_of_events_go_on_above_the_archive_which_keeps_every_event_it_has(home: Path, copy: Path) -> None:
    """Archived after the backup, an event's number must not return: the next archive would put another event in its place."""
    desk = written(home)
    with open_journal(home, SimulatedClock(NOON)).journal as journal:
        journal.append(*an_open_trade(1))
        housekeeping.backup(SETTINGS, home, copy)
        journal.append(*a_closed_trade(2))
        journal.append(AccountMarked(at=later(3 * DAY), equity=Decimal(1)))
    housekeeping.archive(SETTINGS, home, "2")
    housekeeping.restore(SETTINGS, home, copy)
    with open_journal(home, SimulatedClock(NOON)).journal as journal:
        journal.append(*a_closed_trade(2000))
        journal.append(AccountMarked(at=later(3 * DAY), equity=Decimal(1)))
    said = housekeeping.archive(SETTINGS, home, "2")

    with JournalReader(home / "archive.db") as shelf:
        assert trades_of(shelf) == [2, 2000]
        assert shelf.desk == desk
    assert "24 events of 2 trades" in said[2]


def test_a_restore_is_refused_while_the_daemon_runs(home: Path, copy: Path) -> None:
    a_lost_day(home, copy)

    with open_journal(home, SimulatedClock(NOON)).journal, pytest.raises(JournalError, match=r"in use by process \d+: stop it first"):
        housekeeping.restore(SETTINGS, home, copy)
    assert next_number(home) == 6


@pytest.mark.parametrize("size", [0, 10, 5000])
def test_a_backup_that_is_not_whole_is_refused_and_nothing_is_changed(home: Path, copy: Path, size: int) -> None:
    a_lost_day(home, copy)
    copy.write_bytes(copy.read_bytes()[:size])

    with pytest.raises(JournalDamaged, match="is no sound backup of a journal, nothing was changed"):
        housekeeping.restore(SETTINGS, home, copy)
    assert next_number(home) == 6
    assert not (home / "replaced").exists()


def test_a_backup_with_one_changed_letter_is_refused(home: Path, copy: Path) -> None:
    a_lost_day(home, copy)
    with_one_changed_letter(copy)

    with pytest.raises(JournalDamaged, match="no sound backup"):
        housekeeping.restore(SETTINGS, home, copy)


def test_damage_far_back_in_a_backup_is_found_before_anything_is_built(home: Path, copy: Path) -> None:
    with open_journal(home, SimulatedClock(NOON)).journal as journal:
        journal.append(*[AccountMarked(at=NOON, equity=Decimal(n)) for n in range(1, 1500)])
    housekeeping.backup(SETTINGS, home, copy)
    copy.write_bytes(copy.read_bytes().replace(b'"equity":"7"', b'"equity":"8"', 1))

    with pytest.raises(JournalDamaged, match="no sound backup"):
        housekeeping.restore(SETTINGS, home, copy)
    assert not (home / "building-journal.db").exists()


def test_what_is_no_backup_is_refused_in_plain_words(home: Path, copy: Path) -> None:
    written(home, 1)
    with pytest.raises(ConfigError, match="there is no such file"):
        housekeeping.restore(SETTINGS, home, copy)
    copy.write_text("a letter, and not a journal")
    with pytest.raises(JournalDamaged, match="is no sound backup of a journal"):
        housekeeping.restore(SETTINGS, home, copy)
    with pytest.raises(ConfigError, match="this is the journal itself"):
        housekeeping.restore(SETTINGS, home, home / "journal.db")


def test_an_archive_is_no_backup(home: Path) -> None:
    with open_journal(home, SimulatedClock(NOON)).journal as journal:
        journal.append(*a_closed_trade(1), AccountMarked(at=later(3 * DAY), equity=Decimal(1)))
    housekeeping.archive(SETTINGS, home, "2")

    with pytest.raises(JournalError, match="is an archive"):
        housekeeping.restore(SETTINGS, home, home / "archive.db")


def test_the_trades_of_another_installation_are_not_given_up_for_a_backup(home: Path, copy: Path, tmp_path: Path) -> None:
    a_lost_day(home, copy)
    other = tmp_path / "other" / "paper"
    while written(other) == written(home):
        other = other.with_name(f"{other.name}x")
    written(other, 1)

    with pytest.raises(JournalError, match="would not be known as ours any more"):
        housekeeping.restore(SETTINGS, other, copy)


def test_a_damaged_journal_is_replaced_by_the_backup(home: Path, copy: Path) -> None:
    a_lost_day(home, copy)
    (home / "journal.db").write_bytes(b"\0" * 8192)

    housekeeping.restore(SETTINGS, home, copy)

    assert next_number(home) > 5


@pytest.mark.parametrize("moment", ["built", "set aside"])
def test_a_crash_in_the_middle_of_a_restore_is_finished_by_the_next_start(home: Path, copy: Path, moment: str) -> None:
    a_lost_day(home, copy)
    housekeeping.restore(SETTINGS, home, copy)
    (place,) = (home / "replaced").iterdir()
    (home / "journal.db").replace(home / "rebuilt-journal.db")
    if moment == "built":
        (place / "journal.db").replace(home / "journal.db")

    opened = open_journal(home, SimulatedClock(NOON))

    with opened.journal as journal:
        assert trades_of(journal) == [1, 2]
        assert journal.next_trade_number() > 5
        assert journal.needs_attention is not None


def test_a_restore_is_told_beside_what_a_person_had_to_look_at_before(home: Path, copy: Path) -> None:
    written(home, 1)
    with open_journal(home, SimulatedClock(NOON)).journal as journal:
        journal.require_attention("a page was bad")
    housekeeping.backup(SETTINGS, home, copy)

    restored = restore_journal(home / "journal.db", copy, NOON)

    with JournalReader(home / "journal.db") as reader:
        assert str(reader.needs_attention) == f"a page was bad\n{restored.attention}"


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
