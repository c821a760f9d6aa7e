"""A write-ahead log of which SQLite would drop the end without a word: what is damage there, and what a stop leaves."""

import sqlite3
from pathlib import Path

from journal.torn_log import damage_in_log


def a_log(home: Path) -> Path:
    """A write-ahead log of some transactions, one after the other."""
    connection = sqlite3.connect(home / "a.db")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE t (a)")
    for number in range(12):
        connection.execute("INSERT INTO t VALUES (?)", ("x" * 2000 + str(number),))
        connection.commit()
    content = (home / "a.db-wal").read_bytes()
    connection.close()
    copy = home / "b.db-wal"
    copy.write_bytes(content)
    return copy


def test_a_bit_that_flipped_in_a_log_is_damage_wherever_it_is_but_in_the_last_frame(tmp_path: Path) -> None:
    log = a_log(tmp_path)
    content = log.read_bytes()
    assert damage_in_log(log) is None
    for place in range(4, len(content) - 2 * 4120, 911):
        flipped = bytearray(content)
        flipped[place] ^= 4
        log.write_bytes(flipped)
        assert damage_in_log(log) is not None, place


def test_a_log_that_a_stop_cut_off_anywhere_is_no_damage(tmp_path: Path) -> None:
    log = a_log(tmp_path)
    content = log.read_bytes()
    for length in range(0, len(content), 701):
        log.write_bytes(content[:length])
        assert damage_in_log(log) is None, length
    assert damage_in_log(tmp_path / "none-wal") is None


def test_a_last_frame_that_does_not_add_up_was_being_written_when_the_power_went(tmp_path: Path) -> None:
    log = a_log(tmp_path)
    content = bytearray(log.read_bytes())
    content[-7] ^= 1
    log.write_bytes(content)
    assert damage_in_log(log) is None


def test_what_was_taken_back_and_stands_behind_the_end_of_a_log_is_no_damage(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA cache_size=5")  # pages: what a transaction writes beyond them is in the log before it is committed
    connection.execute("CREATE TABLE t (a)")
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO t VALUES (?)", [("x" * 2000 + str(number),) for number in range(200)])
    connection.execute("ROLLBACK")
    whole = (tmp_path / "a.db-wal").stat().st_size
    connection.execute("INSERT INTO t VALUES ('one that is kept')")
    (tmp_path / "b.db-wal").write_bytes((tmp_path / "a.db-wal").read_bytes())
    connection.close()
    assert whole > 20 * 4120
    assert damage_in_log(tmp_path / "b.db-wal") is None
