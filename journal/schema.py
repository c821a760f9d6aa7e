"""Where the journal is kept: its tables, how its database is opened and brought to the present version, and who may write it.

One rule: one process writes, and it never starts on a file that it cannot trust.
"""

import fcntl
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import (
    URL,
    BigInteger,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    create_engine,
    event,
    func,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from errors import JournalDamaged, JournalError

# The newest migration, and those that can be upgraded to it; a test holds both to migrations/versions.
HEAD = "0001"
KNOWN_VERSIONS = frozenset({"0001"})
BUSY_SECONDS = 2.0
_MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
_WAL_MAGIC = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_ADVISORY_KEY = 0x636F696E63616C6C

metadata = MetaData()
# `at` is microseconds since 1970 UTC, `crc` the CRC-32 of the payload; trade, strategy and order_id repeat what the payload says,
# for queries. The number `seq` is given by the one writer, so a number is never used twice.
event_rows = Table(
    "events",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("trade", BigInteger),
    Column("strategy", Text),
    Column("order_id", Text),
    Column("crc", BigInteger, nullable=False),
    Column("payload", Text, nullable=False),
)
# Partial, so that only the birth of a trade pays for it: every index is another page to write at each event.
_BIRTHS = text("kind = 'TradeCreated'")
Index("events_births", event_rows.c.strategy, event_rows.c.at, sqlite_where=_BIRTHS, postgresql_where=_BIRTHS)
meta = Table("meta", metadata, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))
strategy_states = Table("strategy_states", metadata, Column("strategy", Text, primary_key=True), Column("state", Text, nullable=False))


# ---- opening


def url_of(where: Path | str) -> URL:
    """Return the database's address: of a file, of `:memory:`, or as it is written (`postgresql+psycopg://...`)."""
    if isinstance(where, str) and "://" in where:
        return make_url(where)
    return URL.create("sqlite", database=None if str(where) == ":memory:" else str(where))


def file_of(url: URL) -> Path | None:
    """Return the file a database lies in; None if it lies in memory or behind a server."""
    if url.get_backend_name() != "sqlite" or url.database in {None, "", ":memory:"}:
        return None
    return Path(str(url.database))


def open_engine(url: URL, *, writes: bool) -> Engine:
    """Prepare connections: every commit is on the disk when it returns (WAL, synchronous FULL); readers cannot write.

    Raises JournalError where the driver is not installed.
    """
    if url.get_backend_name() != "sqlite":
        try:
            return create_engine(url, poolclass=NullPool)
        except (ImportError, NoSuchModuleError) as error:
            raise JournalError(f"the journal's driver {url.drivername} is not installed: {error}; pip install psycopg[binary]") from error
    if not writes:
        url = url.set(database=f"file:{url.database}", query={"mode": "ro", "uri": "true"})
    engine = create_engine(url, poolclass=NullPool, paramstyle="named", connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})
    event.listen(engine, "connect", _prepare_writer if writes else _prepare_reader)
    event.listen(engine, "begin", _begin_writing if writes else _begin_reading)
    return engine


# sqlite3's own BEGIN is switched off, because it comes too late for a transaction to mean anything: LIBRARIES, trap 6.
def _prepare_reader(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    assert isinstance(connection, sqlite3.Connection)
    connection.isolation_level = None


def _prepare_writer(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
    _prepare_reader(connection, entry)
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _begin_writing(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_reading(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def bring_up_to_date(connection: Connection) -> None:
    """Create the tables, or migrate them; cost nothing where they are as they should be. All of it happens or none.

    Raises JournalDamaged for a database that is not a journal, or one written by a newer version of this program.
    """
    with connection.begin():
        found = _tables(connection)
        if not found or check_version(connection, found) != HEAD:
            _migrate(connection)


def check_version(connection: Connection, found: frozenset[str] | None = None) -> str:
    """Return the version of a journal, whose tables are looked up where they are not handed in.

    Raises JournalDamaged for a database that is not a journal, or one written by a newer version of this program.
    """
    found = _tables(connection) if found is None else found
    told = connection.execute(text("SELECT version_num FROM alembic_version")).scalar() if "alembic_version" in found else None
    if told is None:
        raise JournalDamaged("the journal does not say which version wrote it")
    if told not in KNOWN_VERSIONS:
        raise JournalDamaged(f"the journal is of version {told}, newer than this program's {HEAD}; run the program that wrote it")
    if told == HEAD and (missing := set(metadata.tables) - found):
        raise JournalDamaged(f"the journal has no table {', '.join(sorted(missing))}")
    return str(told)


def _tables(connection: Connection) -> frozenset[str]:
    return frozenset(inspect(connection).get_table_names()) & {*metadata.tables, "alembic_version"}


def _migrate(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - a tenth of a second that only a new or an old journal pays
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)


def check_pages(connection: Connection) -> None:
    """Let SQLite look over every page and index; raise JournalDamaged at the first thing it finds. A server looks after its own."""
    if connection.dialect.name != "sqlite":
        return
    finding = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
    if finding != "ok":
        raise JournalDamaged(f"the journal is not sound: {finding}")


def check_log(file: Path) -> None:
    """Raise JournalDamaged for a write-ahead log that does not begin like one: SQLite would drop it without a word, and its events."""
    log = file.with_name(f"{file.name}-wal")
    if not log.exists():
        return
    with log.open("rb") as stream:
        head = stream.read(32)
    if len(head) == 32 and head[:4] not in _WAL_MAGIC:
        raise JournalDamaged(f"{log} is not a write-ahead log")


# ---- failures

_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_UNREADABLE = frozenset({sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS})
_ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full: free some space",
    sqlite3.SQLITE_BUSY: "another program holds the journal locked: close whatever else has it open",
    sqlite3.SQLITE_LOCKED: "another program holds the journal locked: close whatever else has it open",
    sqlite3.SQLITE_READONLY: "it is read-only: check the owner and mode of the file, of its directory and of the disk",
    sqlite3.SQLITE_PERM: "access is denied: check the owner and mode of the file and its directory",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: check that its directory exists and is writable",
    sqlite3.SQLITE_IOERR: "the disk refused: check its free space, its quota and the system log",
}


@contextmanager
def translated(act: str, otherwise: type[JournalError] = JournalError) -> Iterator[None]:
    """Turn the database's failures into ours, each with what to do; one without advice becomes `otherwise`."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise explained(error, act, otherwise) from error
    except UnicodeDecodeError as error:  # where a name in the schema is no text any more, SQLite's own complaint is none either
        raise JournalDamaged(f"the journal cannot {act}: {error}") from error


def explained(error: Exception, act: str, otherwise: type[JournalError] = JournalError) -> JournalError:
    """Return our word for a failure of the database, which then could not do `act`, with what a person should do about it."""
    origin = getattr(error, "orig", None) or error
    code = getattr(origin, "sqlite_errorcode", None)
    basic = code & 0xFF if isinstance(code, int) else None
    if basic in _DAMAGE or code in _UNREADABLE:
        return JournalDamaged(f"the journal cannot {act}: {origin}")
    if basic in _ADVICE:
        return JournalError(f"the journal cannot {act}: {_ADVICE[basic]} ({origin})", _ADVICE[basic])
    return otherwise(f"the journal cannot {act}: {origin}")


# ---- one writer


class StateLock:
    """The right to write one journal, held by one process until it ends, however it ends.

    Its file is also a second memory: our desk number, and up to which number trades may have been created. Should the
    journal be lost, orders at the venue are still known as ours and no client order id is used twice.
    """

    _FORM = re.compile(r"desk (-1|\d+) trades (\d+) pid (\d+)")

    def __init__(self, file: Path) -> None:
        """Take the lock; raise JournalError naming the process that has it, or where the file cannot be written."""
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise JournalError(f"{file} cannot be written: {error.strerror}; check the owner and mode of its directory") from error
        found = self._FORM.match(os.pread(self._fd, 200, 0).decode("ascii", "replace"))
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            who = f"process {int(found[3])}" if found else "another process"
            raise JournalError(f"{file.parent} is in use by {who}: stop it first, or choose another TRADER_STATE_DIR") from None
        self.desk: int | None = int(found[1]) if found and int(found[1]) >= 0 else None
        self.trades = int(found[2]) if found else 0
        self._write()

    def remember(self, desk: int, trades: int) -> None:
        """Keep the desk number and the highest trade number that may be in use; on the disk when it returns."""
        if (self.desk, self.trades) != (desk, trades):
            self.desk, self.trades = desk, trades
            self._write()

    def release(self) -> None:
        """Let another process have it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write(self) -> None:
        # Always as long as before and in place: there is no moment at which the file is empty.
        desk = -1 if self.desk is None else self.desk
        os.pwrite(self._fd, f"desk {desk:05d} trades {self.trades:015d} pid {os.getpid():010d}\n".encode(), 0)
        os.fsync(self._fd)


def lock_server(connection: Connection) -> None:
    """Take the same right behind a PostgreSQL server, for as long as the connection lasts; raise JournalError if it is taken."""
    if connection.dialect.name != "postgresql":
        return
    with connection.begin():
        taken = connection.execute(select(func.pg_try_advisory_lock(_ADVISORY_KEY))).scalar()
    if not taken:
        raise JournalError("another process writes this journal: stop it first, or choose another TRADER_JOURNAL_URL")


def lock_holder(lock: Path) -> int | None:
    """Return the process that holds a StateLock's file, without taking it; None where none does, or the system does not tell.

    Source: proc_locks(5): each line ends with the process, the device and inode, and the span.
    """
    try:
        inode = str(lock.stat().st_ino)
        held = [line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines()]
        if not any("FLOCK" in line and inode in (part.rpartition(":")[2] for part in line) for line in held):
            return None
        found = StateLock._FORM.match(lock.read_text(encoding="ascii", errors="replace"))
    except OSError:
        return None
    return int(found[3]) if found else None
