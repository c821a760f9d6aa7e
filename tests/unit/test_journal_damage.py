"""A damaged journal: set aside, saved as far as it can be read, and never a reason not to start, or to start as if nothing were."""

import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from errors import JournalDamaged, JournalError
from journal import Journal, JournalReader
from journal.salvage import salvage

from tests.unit.journal_stories import a_birth, a_pause, an_intent, an_open_trade, opened_in

PAGE = 4096


def a_state(directory: Path, trades: int = 60) -> Path:
    """A journal as a stopped daemon leaves it: one file, everything in it; desk 42 has sent its orders."""
    with opened_in(directory).journal as journal:
        for trade in range(1, trades + 1):
            journal.append(*an_open_trade(trade))
        journal.save_strategy_state("strangle", {"cycle": 3})
    return directory / "journal.db"


def overwrite(file: Path, offset: int, content: bytes) -> None:
    with file.open("r+b") as stream:
        stream.seek(offset)
        stream.write(content)


def zeroed_head(file: Path) -> None:
    overwrite(file, 0, bytes(PAGE))


def zeroed_middle(file: Path) -> None:
    overwrite(file, file.stat().st_size // PAGE // 2 * PAGE, bytes(PAGE))


def cut_short(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size // 2)


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def no_database(file: Path) -> None:
    file.write_text("this is not a database, whatever its name says\n" * 200)


def removed(file: Path) -> None:
    file.unlink()


def in_sql(*statements: str) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        connection = sqlite3.connect(file)
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()

    return damage


def an_unknown_kind(file: Path) -> None:
    payload = '{"type":"MoonReached","at":"2026-03-01T12:00:00Z"}'
    in_sql(f"UPDATE events SET payload = '{payload}', crc = {zlib.crc32(payload.encode())} WHERE seq = 5")(file)


DAMAGES = {
    "null bytes at the head": zeroed_head,
    "null bytes in the middle": zeroed_middle,
    "cut short": cut_short,
    "emptied": emptied,
    "no database": no_database,
    "removed": removed,
    "a changed digit": in_sql("UPDATE events SET payload = replace(payload, '1510.5', '1511.5') WHERE seq = 3"),
    "an event of an unknown kind": an_unknown_kind,
    "text that is no text": in_sql("UPDATE events SET payload = CAST(x'ff00fe' AS TEXT) WHERE seq = 5"),
    "a newer version": in_sql("UPDATE alembic_version SET version_num = '0999'"),
    "no version": in_sql("DELETE FROM alembic_version"),
    "a missing table": in_sql("DROP TABLE meta"),
}
# What could be saved of the 420 events that were there, at least.
SAVED = {"null bytes at the head": 0, "emptied": 0, "no database": 0, "removed": 0, "null bytes in the middle": 380, "cut short": 120}


@pytest.mark.parametrize("kind", DAMAGES)
def test_l29_damage_is_told_set_aside_and_survived(kind: str, tmp_path: Path) -> None:
    file = a_state(tmp_path)
    with Journal(file) as journal:
        desk = journal.desk
    DAMAGES[kind](file)
    damaged = file.read_bytes() if file.exists() else None

    opened = opened_in(tmp_path)

    with opened.journal as journal:
        assert opened.damage is not None
        assert journal.needs_attention is not None
        assert journal.desk in {desk, 42}  # as written, or as in the client order ids
        assert journal.next_trade_number() > 60
        assert journal.verify() >= SAVED.get(kind, 419)
        journal.append(a_pause())
    places = list((tmp_path / "damaged").glob("*/journal.db"))
    assert [place.read_bytes() for place in places] == ([] if damaged is None else [damaged])


# A reader leaves versions to the daemon.
@pytest.mark.parametrize("kind", sorted(set(DAMAGES) - {"removed", "a newer version", "no version"}))
def test_a_reader_of_a_damaged_journal_names_the_file_and_the_next_step(kind: str, tmp_path: Path) -> None:
    file = a_state(tmp_path)
    DAMAGES[kind](file)

    with pytest.raises(JournalDamaged) as told, JournalReader(file) as reader:
        reader.verify()
        list(reader.replay())
        assert reader.desk

    assert str(told.value).startswith(f"{file}: ")
    assert "start the daemon once" in str(told.value)


def test_damage_that_the_daemon_finds_asks_nobody_to_start_it(tmp_path: Path) -> None:
    zeroed_middle(a_state(tmp_path))

    opened = opened_in(tmp_path)

    opened.journal.close()
    assert opened.damage is not None
    assert "start the daemon" not in opened.damage


def test_after_the_damage_the_next_start_is_ordinary_but_a_person_is_still_awaited(tmp_path: Path) -> None:
    zeroed_middle(a_state(tmp_path))
    opened_in(tmp_path).journal.close()

    again = opened_in(tmp_path)

    with again.journal as journal:
        assert again.damage is None
        assert journal.needs_attention is not None
        assert journal.load_strategy_state("strangle") == {"cycle": 3}


def test_saved_events_keep_their_numbers_and_what_is_lost_is_counted(tmp_path: Path) -> None:
    file = a_state(tmp_path, trades=2)
    DAMAGES["a changed digit"](file)

    opened = opened_in(tmp_path)

    with opened.journal as journal:
        assert "13 events were saved, 1 were seen and could not be read" in str(opened.damage)
        assert journal.last_seq == 14
        assert len(list(journal.events(after=4))) == 10


def test_a_damaged_page_costs_its_own_rows_only(tmp_path: Path) -> None:
    file = a_state(tmp_path)
    zeroed_middle(file)

    saved = salvage(file)

    assert 0 < saved.lost < 40
    assert len(saved.payloads) + saved.lost == 420


def test_a_log_of_null_bytes_is_not_dropped_without_a_word(tmp_path: Path) -> None:
    file = a_state(tmp_path)
    file.with_name("journal.db-wal").write_bytes(bytes(8192))

    opened = opened_in(tmp_path)

    with opened.journal as journal:
        assert "not a write-ahead log" in str(opened.damage)
        assert journal.verify() == 420
    assert len(list((tmp_path / "damaged").glob("*/journal.db-wal"))) == 1


def test_the_desk_is_known_from_the_lock_when_nothing_else_tells_it(tmp_path: Path) -> None:
    with opened_in(tmp_path).journal as journal:
        desk, first = journal.desk, journal.next_trade_number()
        journal.append(a_birth(first))
    no_database(tmp_path / "journal.db")

    with opened_in(tmp_path).journal as journal:
        assert journal.desk == desk
        assert journal.next_trade_number() > first


def test_the_desk_is_known_from_an_order_when_its_table_is_gone(tmp_path: Path) -> None:
    with opened_in(tmp_path).journal as journal:
        journal.append(an_intent(1, desk=1234))
    in_sql("DROP TABLE meta")(tmp_path / "journal.db")
    (tmp_path / "journal.lock").unlink()

    with opened_in(tmp_path).journal as journal:
        assert journal.desk == 1234


@pytest.mark.parametrize("left", ["damaged", "moved"])
def test_a_crash_while_replacing_is_finished_by_the_next_start(left: str, tmp_path: Path) -> None:
    file = a_state(tmp_path / "old")
    with Journal(tmp_path / "old" / "rebuilt-journal.db") as whole:
        whole.append(a_birth(77))
        whole.require_attention("was damaged")
    if left == "moved":
        file.unlink()
        file.with_name("journal.db-wal").write_bytes(b"what was left behind")

    opened = opened_in(tmp_path / "old")

    with opened.journal as journal:
        assert list(journal.replay()) == [a_birth(77)]
        assert journal.needs_attention == "was damaged"
    assert not (tmp_path / "old" / "rebuilt-journal.db").exists()
    assert len(list((tmp_path / "old" / "damaged").iterdir())) == 1


def test_two_damages_at_one_moment_have_a_place_each(tmp_path: Path) -> None:
    file = a_state(tmp_path, trades=1)
    for _ in range(2):
        zeroed_head(file)
        opened_in(tmp_path).journal.close()

    assert len(list((tmp_path / "damaged").iterdir())) == 2


def test_the_journal_itself_never_repairs(tmp_path: Path) -> None:
    file = a_state(tmp_path)
    zeroed_head(file)

    with pytest.raises(JournalDamaged, match="not a database"):
        Journal(file)


def test_a_state_directory_that_cannot_be_written_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "journal.lock").mkdir()

    with pytest.raises(JournalError, match=r"journal\.lock cannot be written"):
        opened_in(tmp_path)
