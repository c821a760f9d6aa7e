"""One bit of a journal turns over: it is found, or it changes nothing that anybody is told. No place is left out by design."""

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import housekeeping
from domain import ZERO
from errors import JournalDamaged
from events import TradeCreated
from journal import Journal, JournalReader
from journal.reader import contradiction

from tests.unit.housekeeping_stories import DAY, SETTINGS, next_number, trades_of, written
from tests.unit.journal_stories import NOON, a_closed_trade, a_pause, an_intent, an_open_trade, later, opened_in

# Texts of the rows themselves and of the small tables, wherever they stand in the file; each letter of each is changed.
TEXTS = (b"TradeCreated", b"LegFilled", b"OrderSettled", b"StrategyChanged", b"strangle", b"holder", b"ct-0042-1-0-c-1", b"look at it")
TEXTS_OF_VALUES = (b"needs_attention", b"desk", b"0001", b'{"cycle":3}')
# Of all other places that hold anything every such one is tried; a prime, so that it meets each kind of field.
STRIDE = 23


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A backup with a closed trade, one that is open, two strategies, what one of them saved, and a reason to look."""
    with Journal(tmp_path / "journal.db") as journal:
        journal.append(*a_closed_trade(1), *an_open_trade(2), a_pause("holder"))
        journal.save_strategy_state("strangle", {"cycle": 3})
        journal.require_attention("look at it")
        journal.backup(tmp_path / "backup.db")
    return tmp_path / "backup.db"


def places(content: bytes) -> Iterator[int]:
    """Yield where bits are turned over, each place once."""
    chosen = set(range(0, len(content), STRIDE)) & {place for place, byte in enumerate(content) if byte}
    for text in TEXTS + TEXTS_OF_VALUES:
        found = content.find(text)
        while found >= 0:
            chosen |= set(range(found, found + len(text)))
            found = content.find(text, found + 1)
    yield from sorted(chosen)


def told_of(file: Path) -> object:
    """All that a journal is asked for, once it has been verified; the last event's number may be higher, as after a gap."""
    with JournalReader(file) as reader:
        verified = reader.verify()
        events = list(reader.events()), list(reader.replay()), list(reader.events(trade=1)), list(reader.events(TradeCreated))
        counted = reader.created_since("strangle", NOON), reader.load_positions(), reader.load_strategy_state("strangle")
        return verified, events, counted, reader.desk, reader.last_trade, reader.is_archive, reader.needs_attention


def turned_over(file: Path, place: int) -> bytes:
    """Turn one bit over, another one at each place; return the file as it was."""
    before = file.read_bytes()
    after = bytearray(before)
    after[place] ^= 1 << place * 5 % 8
    file.write_bytes(after)
    return before


def test_l29_a_bit_that_turns_over_is_found_or_changes_nothing(backup: Path) -> None:
    whole = told_of(backup)
    missed: list[int] = []
    found = 0
    for place in places(backup.read_bytes()):
        before = turned_over(backup, place)
        try:
            missed += [place] if told_of(backup) != whole else []
        except JournalDamaged:
            found += 1
        backup.write_bytes(before)

    assert missed == []
    assert found > 500


# A name in the schema that is no text any more; a checksum's row; a letter of a kind; one of the index.
@pytest.mark.parametrize("text", [b"CREATE TABLE meta", b"crc of meta desk", b"LegFilled", b"strangle", b"0001"])
def test_l29_the_daemon_starts_whatever_bit_has_turned_over(text: bytes, tmp_path: Path) -> None:
    file = tmp_path / "journal.db"
    with opened_in(tmp_path).journal as journal:
        desk = journal.desk
        journal.append(*an_open_trade(1), an_intent(2, desk=desk))
    before = file.read_bytes()
    turned = bytearray(before)
    turned[before.rindex(text) + 3] ^= 0x80
    file.write_bytes(turned)

    opened = opened_in(tmp_path)

    with opened.journal as after:
        assert opened.damage is not None
        assert after.verify() >= 7  # where the letter is one of a payload, its event is lost
        assert after.desk == desk


def in_sql(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


CONTRADICTIONS = {
    "kind": "UPDATE events SET kind = 'LdgFilled' WHERE kind = 'LegFilled'",
    "strategy": "UPDATE events SET strategy = 'hnlder' WHERE kind = 'TradeCreated'",
    "no strategy": "UPDATE events SET strategy = NULL WHERE kind = 'TradeCreated'",
    "at": "UPDATE events SET at = at + 1 WHERE seq = 2",
    "trade": "UPDATE events SET trade = 3 WHERE kind = 'LegFilled'",
    "an order's trade": "UPDATE events SET trade = 3 WHERE kind = 'OrderSettled'",
    "no trade of an order": "UPDATE events SET trade = NULL WHERE kind = 'OrderSettled'",
    "order": "UPDATE events SET order_id = 'ct-0042-1-0-o-2' WHERE kind = 'OrderSettled'",
    "a blob": "UPDATE events SET payload = CAST(payload AS BLOB) WHERE seq = 2",
    "a value": "UPDATE meta SET value = '4' WHERE key = 'numbers_from'",
    "a state": "UPDATE strategy_states SET state = '{\"cycle\":4}'",
    "a version": "UPDATE alembic_version SET version_num = '0000'",
}
BROKEN_INDEX = (
    "CREATE TABLE kept AS SELECT * FROM sqlite_master WHERE name = 'events_births'",
    "PRAGMA writable_schema=ON",
    "DELETE FROM sqlite_master WHERE name = 'events_births'",
)


@pytest.mark.parametrize("kind", CONTRADICTIONS)
def test_a_row_that_contradicts_its_event_is_damage_for_verify_restore_and_the_start(kind: str, tmp_path: Path) -> None:
    home, copy = tmp_path / "state", tmp_path / "copy.db"
    written(home, 1)
    with Journal(home / "journal.db") as journal:
        journal.save_strategy_state("strangle", {"cycle": 3})
    housekeeping.backup(SETTINGS, home, copy)
    in_sql(copy, CONTRADICTIONS[kind])

    with pytest.raises(JournalDamaged):
        housekeeping.verify(SETTINGS, home, copy)
    with pytest.raises(JournalDamaged, match="no sound backup of a journal, nothing was changed"):
        housekeeping.restore(SETTINGS, home, copy)

    in_sql(home / "journal.db", CONTRADICTIONS[kind])
    opened = opened_in(home)
    with opened.journal as after:
        assert opened.damage is not None
        assert after.verify() == 7


def test_an_index_that_misses_a_row_is_damage_for_verify_and_restore(tmp_path: Path) -> None:
    home, copy = tmp_path / "state", tmp_path / "copy.db"
    written(home, 1)
    housekeeping.backup(SETTINGS, home, copy)
    in_sql(copy, *BROKEN_INDEX)
    in_sql(copy, "DELETE FROM events WHERE kind = 'TradeCreated'")
    in_sql(copy, "PRAGMA writable_schema=ON", "INSERT INTO sqlite_master SELECT * FROM kept")

    with pytest.raises(JournalDamaged, match="events_births"):
        housekeeping.verify(SETTINGS, home, copy)
    with pytest.raises(JournalDamaged, match="events_births"):
        housekeeping.restore(SETTINGS, home, copy)


def test_nothing_is_moved_into_an_archive_whose_rows_contradict_their_events(tmp_path: Path) -> None:
    with opened_in(tmp_path).journal as journal:
        journal.append(*a_closed_trade(1), a_pause(at=later(3 * DAY)))
    housekeeping.archive(SETTINGS, tmp_path, "2")
    with opened_in(tmp_path).journal as journal:
        journal.append(*a_closed_trade(2), a_pause(at=later(3 * DAY)))
    in_sql(tmp_path / "archive.db", "UPDATE events SET at = at + 1 WHERE seq = 4")

    with pytest.raises(JournalDamaged, match=r"archive\.db: event 4 .* put it somewhere else"):
        housekeeping.verify(SETTINGS, tmp_path)
    with pytest.raises(JournalDamaged, match=r"archive\.db: event 4"):
        housekeeping.archive(SETTINGS, tmp_path, "2")
    with JournalReader(tmp_path / "journal.db") as reader:
        assert trades_of(reader) == [2]


def test_l29_the_second_memory_does_not_learn_what_a_damaged_journal_says_of_its_numbers(tmp_path: Path) -> None:
    """A trade's number with one bit more would use up all numbers there are, and a wrong desk would give up our orders."""
    desk = written(tmp_path, 1)
    in_sql(tmp_path / "journal.db", "UPDATE events SET trade = trade + 1073741824 WHERE seq = 7")
    assert next_number(tmp_path) < 3000

    in_sql(tmp_path / "journal.db", "DELETE FROM events", f"UPDATE meta SET value = '{desk ^ 1}' WHERE key = 'desk'")
    with opened_in(tmp_path).journal as journal:
        assert journal.desk == desk


def test_a_restore_takes_no_number_from_a_damaged_journal_that_it_replaces(tmp_path: Path) -> None:
    home, copy = tmp_path / "state", tmp_path / "copy.db"
    written(home, 1)
    housekeeping.backup(SETTINGS, home, copy)
    in_sql(home / "journal.db", "UPDATE events SET trade = trade + 1073741824 WHERE seq = 7")

    housekeeping.restore(SETTINGS, home, copy)

    assert next_number(home) < 3000


def test_a_number_of_the_journals_own_that_is_none_does_not_stop_the_start(tmp_path: Path) -> None:
    written(tmp_path, 1)
    value = "1x"
    seal = f"UPDATE meta SET value = '{zlib.crc32(value.encode())}' WHERE key = 'crc of meta numbers_from'"
    in_sql(tmp_path / "journal.db", f"UPDATE meta SET value = '{value}' WHERE key = 'numbers_from'", seal)

    opened = opened_in(tmp_path)

    opened.journal.close()
    assert "numbers_from reads '1x'" in str(opened.damage)


def test_a_journal_from_before_checksums_of_values_is_whole_and_gets_them(tmp_path: Path) -> None:
    file = tmp_path / "journal.db"
    desk = written(tmp_path, 1)
    in_sql(file, "DELETE FROM meta WHERE key LIKE 'crc of %'")
    with JournalReader(file) as reader:
        assert reader.verify() == 7

    opened = opened_in(tmp_path)

    opened.journal.close()
    assert opened.damage is None
    in_sql(file, f"UPDATE meta SET value = '{desk ^ 1}' WHERE key = 'desk'")
    with pytest.raises(JournalDamaged, match="the value desk in meta"), JournalReader(file) as reader:
        reader.verify()


def test_a_row_older_than_a_field_of_its_event_contradicts_nothing() -> None:
    told = (ZERO, "LegFilled", 1, "strangle", None)

    assert contradiction(told, (ZERO, "LegFilled", 1, None, None), {"at": "", "kind": "", "trade": 1}) is None
    assert (
        contradiction(told, (ZERO, "LegFilled", 1, "holder", None), {"trade": 1}) == "is of strategy 'strangle', and its row says 'holder'"
    )
