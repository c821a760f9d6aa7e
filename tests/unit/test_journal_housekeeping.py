"""Archives and backups: what is finished moves out, what is needed stays, and nothing is counted twice or forgotten."""

import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from domain import Purpose
from errors import JournalError
from events import AccountMarked, TradeCreated
from journal import Journal, JournalReader
from journal.schema import event_rows

from tests.unit.journal_stories import NOON, a_birth, a_closed_trade, a_fill, a_pause, an_intent, an_open_trade, later


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    return tmp_path / "archive.db"


def test_l37_closed_trades_move_to_the_archive_and_open_ones_stay(file: Path, shelf: Path) -> None:
    with Journal(file) as journal:
        journal.append(*a_closed_trade(1), *an_open_trade(2), *a_closed_trade(3, later(60)))

        assert journal.archive(later(30), shelf) == len(a_closed_trade(1))
        assert list(journal.replay()) == [*an_open_trade(2), *a_closed_trade(3, later(60))]
    with JournalReader(shelf) as archive:
        assert list(archive.events()) == a_closed_trade(1)


def test_a_trade_with_an_order_nobody_has_settled_stays(file: Path, shelf: Path) -> None:
    with Journal(file) as journal:
        journal.append(*a_closed_trade(1), an_intent(1, Purpose.UNWIND))

        assert journal.archive(later(30), shelf) == 0


def test_a_trade_that_something_happened_to_after_its_end_stays(file: Path, shelf: Path) -> None:
    with Journal(file) as journal:
        journal.append(*a_closed_trade(1), a_fill(1, Purpose.UNWIND))

        assert journal.archive(later(30), shelf) == 0


def test_a_trade_whose_strategy_was_not_told_stays(file: Path, shelf: Path) -> None:
    with Journal(file) as journal:
        journal.append(*a_closed_trade(1)[:-1])

        assert journal.archive(later(30), shelf) == 0


def test_old_marks_and_strategy_changes_move_but_the_last_word_stays(file: Path, shelf: Path) -> None:
    mark = AccountMarked(at=NOON, equity=Decimal(1))
    with Journal(file) as journal:
        journal.append(mark, a_pause(state="stopped"), a_pause(state="running"))

        assert journal.archive(later(30), shelf) == 2
        assert list(journal.events()) == [a_pause(state="running")]


def test_numbers_go_on_above_what_was_archived(file: Path, shelf: Path) -> None:
    with Journal(file) as journal:
        journal.append(*a_closed_trade(8))
        journal.archive(later(30), shelf)
    with Journal(file) as journal:
        assert journal.next_trade_number() == 9
        assert journal.last_seq == len(a_closed_trade(8))


def test_a_count_that_the_archive_would_falsify_is_refused(file: Path, shelf: Path) -> None:
    with Journal(file) as journal:
        journal.append(*a_closed_trade(1), a_birth(2, at=later(40)))
        journal.archive(later(30), shelf)

        assert journal.created_since("strangle", later(30)) == 1
        with pytest.raises(JournalError, match="cannot be counted"):
            journal.created_since("strangle", NOON)


def test_a_crash_between_writing_there_and_deleting_here_is_mended_by_the_next_archive(file: Path, shelf: Path) -> None:
    with Journal(file) as journal:
        journal.append(*a_closed_trade(1))
        journal.backup(shelf)  # everything is there already
        assert journal.archive(later(30), shelf) == len(a_closed_trade(1))
    with JournalReader(shelf) as archive:
        assert list(archive.events()) == a_closed_trade(1)


def test_many_events_move_page_by_page(file: Path, shelf: Path) -> None:
    with Journal(file) as journal:
        journal.append(*[AccountMarked(at=NOON, equity=Decimal(n)) for n in range(2500)])

        assert journal.archive(later(30), shelf) == 2500
        assert journal.verify() == 0
    with JournalReader(shelf) as archive:
        assert archive.verify() == 2500


def test_l36_a_backup_is_one_sound_file_with_everything_in_it(file: Path, tmp_path: Path) -> None:
    copy = tmp_path / "away" / "journal-backup.db"
    with Journal(file) as journal:
        journal.append(*an_open_trade(1))
        journal.backup(copy)
        journal.append(a_pause())
        desk = journal.desk

    assert [path.name for path in copy.parent.iterdir()] == ["journal-backup.db"]
    with Journal(copy) as restored:
        assert list(restored.replay()) == an_open_trade(1)
        assert restored.desk == desk


def test_a_backup_that_cannot_be_written_is_told_and_leaves_the_last_one(file: Path, tmp_path: Path) -> None:
    copy = tmp_path / "backup.db"
    with Journal(file) as journal:
        journal.append(a_birth(1))
        journal.backup(copy)
        copy.with_name("backup.db.part").mkdir()
        with pytest.raises((JournalError, OSError)):
            journal.backup(copy)
    with JournalReader(copy) as kept:
        assert list(kept.events(TradeCreated)) == [a_birth(1)]


def test_the_migrations_make_exactly_the_tables_that_the_program_asks(file: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    Journal(file).close()
    with create_engine(f"sqlite:///{file}").connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), event_rows.metadata) == []
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() == "0001"
    connection.engine.dispose()


def test_the_program_knows_every_migration_and_the_newest() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    from journal.schema import HEAD, KNOWN_VERSIONS

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).resolve().parents[2] / "migrations"))
    scripts = ScriptDirectory.from_config(config)

    assert scripts.get_current_head() == HEAD
    assert {script.revision for script in scripts.walk_revisions()} == KNOWN_VERSIONS


def test_every_question_can_be_put_to_postgresql() -> None:
    from sqlalchemy import insert
    from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
    from sqlalchemy.schema import CreateIndex, CreateTable

    from journal.reader import newest_of_each
    from journal.writer import _finished

    dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]
    index = next(iter(event_rows.indexes))

    assert "%(payload)s" in str(insert(event_rows).compile(dialect=dialect))
    assert "BIGINT NOT NULL" in str(CreateTable(event_rows).compile(dialect=dialect))
    assert "WHERE kind = 'TradeCreated'" in str(CreateIndex(index).compile(dialect=dialect))
    for question in (_finished(0), newest_of_each()):
        assert str(question.compile(dialect=dialect))


def test_no_index_but_that_of_births_slows_an_append(file: Path) -> None:
    Journal(file).close()
    connection = sqlite3.connect(file)
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'events'")]
    connection.close()

    assert names == ["events_births"]
