"""Damaged journals that still open as databases: what reads as nulls or twice must not stop the daemon from starting."""

import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

from journal import Journal
from journal.salvage import salvage

from tests.unit.journal_stories import an_open_trade, opened_in


def a_database(file: Path, *statements: str) -> Path:
    """A file with the journal's tables as a damaged one may show them: nothing in it is unique and anything may be null."""
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript("CREATE TABLE events (seq, crc, payload); CREATE TABLE meta (key, value);" + "".join(statements))
    return file


def row(seq: int, payload: str, crc: str | None = None) -> str:
    check = crc or str(zlib.crc32(payload.encode()))
    return f"INSERT INTO events VALUES ({seq}, {check}, CAST('{payload}' AS BLOB));"


def test_l29_a_journal_whose_second_half_is_null_bytes_is_survived(tmp_path: Path) -> None:
    with opened_in(tmp_path).journal as journal:
        for trade in range(1, 60):
            journal.append(*an_open_trade(trade))
        desk = journal.desk
    file = tmp_path / "journal.db"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2))

    opened = opened_in(tmp_path)

    with opened.journal as rescued:
        assert isinstance(rescued, Journal)
        assert opened.damage is not None
        assert rescued.desk == desk


def test_a_pair_that_reads_as_nulls_is_left_out(tmp_path: Path) -> None:
    file = a_database(tmp_path / "journal.db", "INSERT INTO meta VALUES ('desk', '42'), (NULL, NULL), ('last_trade', NULL);")

    assert salvage(file).meta == {"desk": "42"}


def test_an_event_that_is_shown_twice_is_saved_once(tmp_path: Path) -> None:
    file = a_database(tmp_path / "journal.db", row(1, "one"), row(2, "two"), row(2, "two"))

    assert salvage(file).payloads == ((1, b"one"), (2, b"two"))


def test_an_event_that_is_shown_once_whole_and_once_without_its_checksum_is_saved(tmp_path: Path) -> None:
    file = a_database(tmp_path / "journal.db", row(1, "one", crc="NULL"), row(1, "one"))

    assert salvage(file).payloads == ((1, b"one"),)
