"""Writing the journal: one transaction for what happened together, on the disk before anybody believes it."""

import os
import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Row, Select, Table, and_, delete, func, insert, or_, select

from errors import JournalDamaged, JournalError
from events import AnyOrderEvent, CloseNotified, Event, LegFilled, LegSettled, OrderIntended, OrderRefused, OrderSettled
from journal.reader import ARCHIVE, HISTORY, LATEST, PAGE, SEAL, JournalReader, columns_of, event_of, microseconds, newest_of_each, seal_of
from journal.schema import (
    StateLock,
    bring_up_to_date,
    check_log,
    event_rows,
    explained,
    file_of,
    lock_server,
    meta,
    strategy_states,
    translated,
    url_of,
)

DESKS = 10_000
_ENCODER = msgspec.json.Encoder()


class Journal(JournalReader):
    """The journal to write; a database has one such object at a time."""

    _writes = True

    def __init__(self, where: Path | str, lock: StateLock | None = None) -> None:
        """Open or create the journal at a path, a URL or `:memory:`, and bring its tables up to date.

        Takes the lock beside the file; one that is handed in is used and left to its owner. Raises JournalError where the
        journal cannot be opened or is in use, JournalDamaged where it cannot be trusted.
        """
        file = file_of(url_of(where))
        self._own_lock = StateLock(file.with_suffix(".lock")) if file is not None and lock is None else None
        self._lock = lock or self._own_lock
        try:
            if file is not None:
                check_log(file)
            super().__init__(where)
            with translated("be opened", JournalDamaged):
                lock_server(self._connection)
                bring_up_to_date(self._connection)
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        dialect = self._engine.dialect
        self._insert = str(insert(event_rows).compile(dialect=dialect))
        self._driver_error: type[Exception] = dialect.loaded_dbapi.Error
        # Drivers begin by themselves at the first statement; ours for SQLite was told not to.
        self._begin = "BEGIN IMMEDIATE" if dialect.name == "sqlite" else None
        self._last = super().last_seq
        # What the lock's file is to remember must be true: it is asked where a journal is not to be trusted.
        self._check_values()
        self._last_trade = max(self._highest_trade(), self._whole("last_trade") or 0)
        mark = self._lock
        if self._meta("desk") is None:
            desk = int.from_bytes(os.urandom(8)) % DESKS if mark is None or mark.desk is None else mark.desk
            self.set_meta(desk=str(desk))
        self._desk = super().desk
        if mark is not None:
            # Numbers reserved by a journal that this one replaces may be in use at the venue.
            if self._meta("numbers_from") is None:
                self.set_meta(numbers_from=str(mark.trades))
            mark.remember(self._desk, max(mark.trades, self._last_trade))
        self._last_trade = max(self._last_trade, self._whole("numbers_from") or 0)
        self._seal()

    def _highest_trade(self) -> int:
        """Return the highest trade number that a row tells and its event too; raise JournalDamaged where they differ."""
        trade = event_rows.c.trade
        highest = self._ask(select(event_rows).where(trade == select(func.max(trade)).scalar_subquery()).limit(1))
        for row in highest:
            self._check_row(row)
        return int(highest[0].trade) if highest else 0

    @property
    def last_seq(self) -> int:
        """The number of the newest event; 0 while there is none."""
        return self._last

    @property
    def desk(self) -> int:
        """The number of this installation, 0 to 9999, drawn once; by it we know our own orders at the venue."""
        return self._desk

    def append(self, *events: Event) -> None:
        """Write events as one; on return they survive a power cut. Raises JournalError, having written none."""
        if not events:
            return
        with self._turn:
            rows = [_row(self._last + n, event) for n, event in enumerate(events, 1)]
            self._commit(rows)
            self._last += len(rows)
            self._last_trade = max(self._last_trade, *(row["trade"] or 0 for row in rows))

    def _commit(self, rows: list[dict[str, Any]]) -> None:
        # Straight to the driver: SQLAlchemy's share of one small commit is half as much as the disk's.
        driver = self._connection.connection
        cursor = driver.cursor()
        try:
            if self._begin is not None and len(rows) > 1:  # one statement is a transaction by itself
                cursor.execute(self._begin)
            cursor.executemany(self._insert, rows)
            driver.commit()
        except self._driver_error as error:
            self._undo()
            raise explained(error, "be written") from error
        finally:
            cursor.close()

    def _undo(self) -> None:
        with suppress(self._driver_error):  # the failure that led here is the one to tell
            self._connection.connection.rollback()

    def next_trade_number(self) -> int:
        """Return a number that no trade ever had, in this journal or one that it replaces; the same until a trade takes it."""
        with self._turn:
            number = self._last_trade + 1
            if self._lock is not None and number > self._lock.trades:
                self._lock.remember(self._desk, number + PAGE)
            return number

    def save_position(self, changed: LegFilled | LegSettled) -> None:
        """Write what changes a holding; positions are the sum of these, see load_positions."""
        self.append(changed)

    def save_order(self, changed: AnyOrderEvent) -> None:
        """Write what happened to an order; an order is the sum of these, see events(trade=...)."""
        self.append(changed)

    def save_strategy_state(self, strategy_id: str, state: Mapping[str, Any]) -> None:
        """Keep what a strategy wants to remember, in place of what it kept before; values must be such as JSON can hold."""
        try:
            written = _ENCODER.encode(dict(state)).decode()
        except (TypeError, ValueError) as error:
            raise JournalError(f"the state of {strategy_id} cannot be written: {error}") from error
        with self._transaction("be written"):
            self._put(strategy_states, {strategy_id: written})

    def require_attention(self, reason: str) -> None:
        """Remember, over restarts too, that a person must look before anything is opened; earlier reasons stay."""
        earlier = self.needs_attention
        self.set_meta(needs_attention=reason if earlier is None else f"{earlier}\n{reason}")

    def acknowledge(self) -> None:
        """A person has looked: trades may be opened again."""
        with self._transaction("be written"):
            self._connection.execute(delete(meta).where(meta.c.key.in_(("needs_attention", seal_of(meta, "needs_attention")))))

    def adopt(self, payloads: Sequence[tuple[int, bytes]], states: Mapping[str, str]) -> None:
        """Take over, as one, events under the numbers they had, and strategy states as they were written."""
        rows = [_row(seq, event_of(seq, zlib.crc32(payload), payload)) for seq, payload in payloads]
        with self._transaction("be written"):
            for start in range(0, len(rows), PAGE):
                self._connection.exec_driver_sql(self._insert, rows[start : start + PAGE])
            self._put(strategy_states, states)
        self._last = max([self._last, *(row["seq"] for row in rows)])
        self._last_trade = max([self._last_trade, *(row["trade"] or 0 for row in rows)])

    def set_meta(self, **values: str) -> None:
        """Keep values under their names, as one."""
        with self._transaction("be written"):
            self._put(meta, values)

    def _seal(self) -> None:
        """Give the values of a journal from before there were checksums theirs."""
        seals = self._values(meta)
        for table in (meta, strategy_states):
            pairs = self._values(table).items()
            if bare := {key: value for key, value in pairs if not key.startswith(SEAL) and seal_of(table, key) not in seals}:
                with self._transaction("be written"):
                    self._put(table, bare)

    def _put(self, table: Table, values: Mapping[str, str]) -> None:
        """Keep values in place of those of their names, each with its checksum."""
        seals = {seal_of(table, key): str(zlib.crc32(value.encode())) for key, value in values.items()}
        for place, pairs in ((table, values), (meta, seals)):
            if pairs:
                key, value = place.c
                self._connection.execute(delete(place).where(key.in_(pairs)))
                self._connection.execute(insert(place), [{key.key: name, value.key: text} for name, text in pairs.items()])

    def hold(self, lock: StateLock) -> None:
        """Become the owner of a lock that was handed in: close releases it."""
        self._own_lock = lock

    def close(self) -> None:
        """Let go of the database and of the right to write it; closing twice is closing once."""
        if hasattr(self, "_connection"):
            super().close()
        if self._own_lock is not None:
            self._own_lock.release()

    # ---- housekeeping

    def archive(self, before: datetime, to: Path) -> int:
        """Move what no restart needs and is older than a moment into another journal file; return how many events moved.

        That is each trade of which the strategy has been told that it is closed (CloseNotified) before then, of which no
        order is unsettled and to which nothing has happened since; and old account marks, alerts and strategy changes but
        the last ones. Written there before it is deleted here: a crash between leaves both, and the next call makes it one.
        """
        with self._turn:
            moved = [int(row[0]) for row in self._ask(_finished(microseconds(before)))]
            if not moved:
                return 0
            # What the day limit and the numbering must know is kept before anything moves.
            self.set_meta(
                archived_before=str(max(microseconds(before), self._whole("archived_before") or 0)),
                archived_seq=str(max(*moved, self._whole("archived_seq") or 0, 0)),
                last_trade=str(self._last_trade),
            )
            pages = [moved[start : start + PAGE] for start in range(0, len(moved), PAGE)]
            with Journal(to) as archive:
                archive.set_meta(desk=str(self._desk), kind=ARCHIVE)
                for page in pages:
                    archive.take(self._ask(select(event_rows).where(event_rows.c.seq.in_(page))))
            # All at once: half a trade would be replayed.
            with self._transaction("be archived"):
                for page in pages:
                    self._connection.execute(delete(event_rows).where(event_rows.c.seq.in_(page)))
            return len(moved)

    def compact(self) -> None:
        """Give the space of what was archived back to the disk; needs as much again while it works. A server does so by itself."""
        driver = self._connection.connection.driver_connection
        if isinstance(driver, sqlite3.Connection):
            with self._turn, translated("be compacted"):
                driver.execute("VACUUM")

    def take(self, rows: Sequence[Row[*tuple[Any, ...]]]) -> None:
        """Keep rows of another journal as they are, in place of any that have their numbers."""
        kept = [dict(row._mapping) for row in rows]
        with self._transaction("be written"):
            self._connection.execute(delete(event_rows).where(event_rows.c.seq.in_([row["seq"] for row in kept])))
            self._connection.exec_driver_sql(self._insert, kept)


def _row(seq: int, event: Event) -> dict[str, Any]:
    """Return an event as a row; raise JournalError unless what it would write could be read back."""
    try:
        payload = _ENCODER.encode(event)
        crc = zlib.crc32(payload)
        event_of(seq, crc, payload)
        at, kind, trade, strategy, order = columns_of(event)
    except (JournalDamaged, TypeError, ValueError) as error:
        raise JournalError(f"{type(event).__name__} cannot be written: {error}; nothing was") from error
    return {
        "seq": seq,
        "at": at,
        "kind": kind,
        "trade": trade,
        "strategy": strategy,
        "order_id": order,
        "crc": crc,
        "payload": payload.decode(),
    }


def _finished(before: int) -> Select[int]:
    """Select the numbers of all events that may be archived, oldest first."""
    column, done = event_rows.c, [OrderSettled.__name__, OrderRefused.__name__]
    told = select(column.trade, func.max(column.seq).label("seq"))
    told_of = told.where(column.kind == CloseNotified.__name__, column.at < before).group_by(column.trade).subquery()
    stirred = select(column.trade).join(told_of, told_of.c.trade == column.trade)
    stirred = stirred.where(column.seq > told_of.c.seq, column.kind.not_in(done))
    answered = select(column.order_id).where(column.kind.in_(done))
    awaited = select(column.trade).where(column.kind == OrderIntended.__name__, column.trade.is_not(None), column.order_id.not_in(answered))
    of_trades = and_(column.trade.in_(select(told_of.c.trade)), column.trade.not_in(stirred), column.trade.not_in(awaited))
    of_days = and_(column.kind.in_(HISTORY | LATEST), column.at < before, column.seq.not_in(newest_of_each()))
    return select(column.seq).where(or_(of_trades, of_days)).order_by(column.seq)
