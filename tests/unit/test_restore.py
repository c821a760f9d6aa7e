"""A restored journal never gives a name twice, opens nothing until a person has looked, and is whole or not there."""

from decimal import Decimal
from pathlib import Path

import pytest

import housekeeping
from clock import SimulatedClock
from domain import Purpose
from errors import ConfigError, JournalDamaged, JournalError
from events import AccountMarked
from journal import Journal, JournalReader, open_journal
from journal.restoring import LEAP, MOST_TRADES, restore_journal
from journal.schema import StateLock

from tests.unit.housekeeping_stories import DAY, SETTINGS, next_number, trades_of, with_one_changed_letter, written
from tests.unit.journal_stories import NOON, a_birth, a_closed_trade, a_fill, an_intent, an_open_trade, later


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "state" / "paper"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    (tmp_path / "away").mkdir()
    return tmp_path / "away" / "monday.db"


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
