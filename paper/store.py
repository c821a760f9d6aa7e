"""What the exchange keeps on disk: every row of the engine as JSON under its kind and key, in one SQLite file in WAL mode.

One transaction per `write`; `synchronous=NORMAL` means that what was written survives the death of the process at any instant
(also by kill -9), and a power cut may cost the last moments before it but never the file.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
from sqlalchemy import Column, MetaData, String, Table, create_engine, event, select
from sqlalchemy.engine import URL, Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from errors import ConfigError, JournalError

FILE_NAME = "exchange.sqlite3"
_METADATA = MetaData()
_ROWS = Table(
    "rows",
    _METADATA,
    Column("kind", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("body", String, nullable=False),
    sqlite_with_rowid=False,
)
_UPSERT = "INSERT INTO rows (kind, key, body) VALUES (?, ?, ?) ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body"

_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

StoredRow = tuple[str, str, str]


class Store:
    """The rows on disk of one exchange; one process at a time holds it."""

    def __init__(self, directory: Path) -> None:
        """Open or create the file in directory; raise ConfigError if that cannot be done or another process holds it."""
        self.path = directory / FILE_NAME
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._connection = self._open()
            self._connection.execute(select(_ROWS.c.key).limit(1)).all()
            self.write([("format", "format", "1")])
        except (OSError, SQLAlchemyError) as error:
            raise self._refusal(error) from error

    def _open(self) -> Connection:
        engine = create_engine(URL.create("sqlite", database=str(self.path)))
        event.listen(engine, "connect", _settle_connection)
        connection = engine.connect()
        _METADATA.create_all(connection)
        connection.commit()
        return connection

    def write(self, rows: Iterable[StoredRow]) -> None:
        """Insert or replace all rows in one transaction; raise JournalError, keeping none, if that fails."""
        try:
            self._connection.exec_driver_sql(_UPSERT, list(rows))
            self._connection.commit()
        except SQLAlchemyError as error:
            self._connection.rollback()
            raise JournalError(f"the exchange's state could not be written to {self.path}: {error}") from error

    def read(self) -> Mapping[str, list[tuple[str, str]]]:
        """Return all rows by kind, as pairs of key and body in the order of their keys' text; raise ConfigError if the file is damaged."""
        kinds: dict[str, list[tuple[str, str]]] = {}
        try:
            for kind, key, body in self._connection.execute(select(_ROWS.c.kind, _ROWS.c.key, _ROWS.c.body)):
                kinds.setdefault(kind, []).append((key, body))
            self._connection.commit()
        except SQLAlchemyError as error:
            raise self._refusal(error) from error
        return kinds

    def _refusal(self, error: Exception) -> ConfigError:
        """Say why the state cannot be used; of a damaged file also which it is, and what to do."""
        reason = error.orig if isinstance(error, DBAPIError) else error
        code = getattr(reason, "sqlite_errorcode", None)
        if isinstance(code, int) and code & 0xFF in _DAMAGE:
            return damaged(self.path, reason)
        return ConfigError(f"the state directory {self.path.parent} cannot be used: {reason}")

    def close(self) -> None:
        """Fold the log into the file and let go of it."""
        self._connection.close()
        self._connection.engine.dispose()


def damaged(what: object, reason: object) -> ConfigError:
    """Return the error for remembered state that cannot be read; nothing but a person decides to go on without it."""
    return ConfigError(f"{what} cannot be used, it is damaged ({reason}): move it away or choose another state directory")


def row(kind: str, key: object, body: msgspec.Struct) -> StoredRow:
    """Return how a struct is stored."""
    return kind, str(key), msgspec.json.encode(body).decode()


def _settle_connection(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for pragma in ("busy_timeout=300", "locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=NORMAL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
