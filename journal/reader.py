"""Questions to a journal: replay for the start, and what --status, reports and the day limit ask. Nothing here writes."""

import sqlite3
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
from sqlalchemy import ColumnElement, Row, Select, Table, func, or_, select

from clock import EPOCH
from domain import ZERO, ClientOrderId
from errors import JournalDamaged, JournalError
from events import AccountMarked, AlertRaised, AnyEvent, EntriesRefused, Event, LegFilled, LegSettled, StrategyChanged, TradeCreated
from journal.salvage import sync_directory
from journal.schema import check_pages, check_version, event_rows, file_of, meta, open_engine, strategy_states, translated, url_of

# How many events are read, moved or deleted in one transaction.
PAGE = 1000
# What a restart can do without: history that no trade needs; of the second kind the last one of each strategy counts.
HISTORY = frozenset({AccountMarked.__name__, AlertRaised.__name__})
LATEST = frozenset({StrategyChanged.__name__, EntriesRefused.__name__})

# Under such a name `meta` keeps the checksum of a value: what has no payload has none in its row.
SEAL = "crc of"
# What the name `kind` says of a file that holds finished trades only; a journal and its backups do not have it.
ARCHIVE = "archive"

_NEXT_STEP = "start the daemon once: it sets a damaged journal aside and saves what can be read (docs/journal.md)"
_DECODER: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)
_COLUMNS = event_rows.c
_REPEATED = ("at", "kind", "trade", "strategy", "order")
_MICROSECOND = timedelta(microseconds=1)


class JournalReader:
    """A journal to ask, never to write; works beside the daemon that writes it, and on archives and backups."""

    _writes = False

    def __init__(self, where: Path | str, *, next_step: str = _NEXT_STEP) -> None:
        """Open the database at a path or URL; damage is told with the next step. Raises JournalError if it cannot be opened."""
        self._url, self._next_step = url_of(where), next_step
        self._turn = threading.RLock()
        self._engine = open_engine(self._url, writes=self._writes)
        with self._named(), translated("be opened"):
            self._connection = self._engine.connect()

    def replay(self) -> Iterator[AnyEvent]:
        """Yield all that a restart needs, oldest first.

        That is each event of every trade that is not archived, and the last StrategyChanged and EntriesRefused of each
        strategy. Raises JournalDamaged at an event that cannot be read back.
        """
        return self._read(or_(_COLUMNS.kind.not_in(HISTORY | LATEST), _COLUMNS.seq.in_(newest_of_each())))

    def events(
        self, *kinds: type[Event], trade: int | None = None, since: datetime | None = None, after: int = 0, last: int | None = None
    ) -> Iterator[AnyEvent]:
        """Yield events oldest first: of these kinds (none: all), a trade with its orders, since a moment, after a number, the last few."""
        wanted: list[ColumnElement[bool]] = []
        if kinds:
            wanted.append(_COLUMNS.kind.in_([kind.__name__ for kind in kinds]))
        if trade is not None:
            wanted.append(_COLUMNS.trade == trade)
        if since is not None:
            wanted.append(_COLUMNS.at >= microseconds(since))
        if last is not None:
            newest = select(_COLUMNS.seq).where(*wanted).order_by(_COLUMNS.seq.desc()).limit(last)
            wanted.append(_COLUMNS.seq.in_(newest))
        return self._read(*wanted, after=after)

    def created_since(self, strategy: str, moment: datetime) -> int:
        """Count the trades a strategy has created since a moment: what the day limit asks.

        Raises JournalError where an archive reaches past the moment, because the count would be too low.
        """
        reach = self._whole("archived_before")
        if reach is not None and microseconds(moment) < reach:
            until = EPOCH + timedelta(microseconds=reach)
            raise JournalError(f"trades since {moment} cannot be counted: those before {until} are in the archive")
        born = (_COLUMNS.kind == TradeCreated.__name__, _COLUMNS.strategy == strategy, _COLUMNS.at >= microseconds(moment))
        return self._number(select(func.count()).select_from(event_rows).where(*born))

    def load_positions(self) -> Mapping[int, Mapping[str, Decimal]]:
        """Return what each unarchived trade holds by its own fills and settlements: trade, symbol, coins (negative is short)."""
        held: dict[int, dict[str, Decimal]] = {}
        symbols: dict[tuple[int, int], str] = {}
        for event in self.events(LegFilled, LegSettled):
            match event:
                case LegFilled(trade=trade, leg=leg, fill=fill):
                    symbols[trade, leg] = fill.symbol
                    holding = held.setdefault(trade, {})
                    holding[fill.symbol] = holding.get(fill.symbol, ZERO) + fill.qty * fill.side.sign
                case LegSettled(trade=trade, leg=leg, qty=qty) if (trade, leg) in symbols:
                    holding, symbol = held[trade], symbols[trade, leg]
                    holding[symbol] -= min(abs(qty), abs(holding[symbol])).copy_sign(holding[symbol])
        flat = {trade: {symbol: qty for symbol, qty in holding.items() if qty != 0} for trade, holding in held.items()}
        return {trade: holding for trade, holding in flat.items() if holding}

    def load_strategy_state(self, strategy_id: str) -> Mapping[str, Any] | None:
        """Return what a strategy last saved, as JSON has it (Decimals and moments are text); None if it never did."""
        rows = self._ask(select(strategy_states.c.state).where(strategy_states.c.strategy == strategy_id))
        try:
            return msgspec.json.decode(rows[0][0], type=dict[str, Any]) if rows else None
        except msgspec.MsgspecError as error:
            with self._named():
                raise JournalDamaged(f"what {strategy_id} has saved cannot be read: {error}") from error

    @property
    def last_seq(self) -> int:
        """The number of the newest event; 0 while there is none."""
        return max(self._number(select(func.max(_COLUMNS.seq))), self._whole("archived_seq") or 0)

    @property
    def desk(self) -> int:
        """The number of this installation, 0 to 9999, by which it knows its own orders at the venue."""
        return self._whole("desk") or 0

    @property
    def is_archive(self) -> bool:
        """Whether this is an archive: finished trades only, nothing to start from."""
        return self._meta("kind") == ARCHIVE

    @property
    def last_trade(self) -> int:
        """The highest trade number that this journal knows to have been given; 0 for none."""
        kept = (self._whole(name) or 0 for name in ("last_trade", "numbers_from"))
        return max(self._number(select(func.max(_COLUMNS.trade))), *kept)

    @property
    def needs_attention(self) -> str | None:
        """Why a person must look before anything is opened; None once somebody has. It survives restarts."""
        return self._meta("needs_attention")

    def verify(self) -> int:
        """Check every page, index and value, read every event back, compare what its row repeats of it; return how many there are.

        Raises JournalDamaged at the first that is wrong.
        """
        with self._transaction("be checked", JournalDamaged):
            check_pages(self._connection)
            check_version(self._connection)
        self._check_values()
        events = 0
        for row in self._rows(select(event_rows)):
            self._check_row(row)
            events += 1
        return events

    def backup(self, to: Path) -> None:
        """Copy the journal, as it is now, to one file, checked and on the disk; whatever was there is replaced once that is done.

        Works beside the daemon, which goes on writing meanwhile. Raises JournalError or OSError, and leaves what was there.
        """
        with self._turn:
            driver = self._connection.connection.driver_connection
            if not isinstance(driver, sqlite3.Connection):
                raise JournalError("a journal behind a server is backed up with the server's own tools (pg_dump)")
            to.parent.mkdir(parents=True, exist_ok=True)
            part = to.with_name(f"{to.name}.part")
            part.unlink(missing_ok=True)
            try:
                copied(driver, part)
                part.replace(to)
            except BaseException:
                with suppress(OSError):
                    part.unlink(missing_ok=True)
                raise
            sync_directory(to.parent)

    def close(self) -> None:
        """Let go of the database; closing twice is closing once."""
        with self._turn:
            self._connection.close()
            self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _read(self, *wanted: ColumnElement[bool], after: int = 0) -> Iterator[AnyEvent]:
        for seq, crc, payload in self._rows(select(_COLUMNS.seq, _COLUMNS.crc, _COLUMNS.payload).where(*wanted), after):
            yield self._event(seq, crc, payload)

    def _rows(self, question: Select[*tuple[Any, ...]], after: int = 0) -> Iterator[Row[*tuple[Any, ...]]]:
        """Ask page by page, each page a transaction of its own, so that whoever iterates may also append."""
        page = question.order_by(_COLUMNS.seq).limit(PAGE)
        while rows := self._ask(page.where(_COLUMNS.seq > after)):
            yield from rows
            after = rows[-1][0]

    def _event(self, seq: int, crc: int, payload: object) -> AnyEvent:
        try:
            if not isinstance(payload, str):  # one changed bit makes a text a blob, and no page is malformed by that
                raise JournalDamaged(f"event {seq} cannot be read: it is no text")
            return event_of(seq, crc, payload.encode())
        except JournalDamaged:
            with self._named():  # here, where it costs a good event nothing
                raise

    def _check_row(self, row: Row[*tuple[Any, ...]]) -> None:
        """Raise JournalDamaged where an event cannot be read, or its row says of it what it is not."""
        seq, *repeated, crc, payload = row
        told = columns_of(self._event(seq, crc, payload))
        if told != tuple(repeated) and (said := contradiction(told, repeated, msgspec.json.decode(payload))) is not None:
            with self._named():
                raise JournalDamaged(f"event {seq} {said}")

    def _ask(self, question: Select[*tuple[Any, ...]]) -> list[Row[*tuple[Any, ...]]]:
        with self._transaction("be read", JournalDamaged):
            return list(self._connection.execute(question))

    def _number(self, question: Select[*tuple[Any, ...]]) -> int:
        return int(self._ask(question)[0][0] or 0)

    def _meta(self, key: str) -> str | None:
        rows = self._ask(select(meta.c.value).where(meta.c.key == key))
        return str(rows[0][0]) if rows else None

    def _whole(self, key: str) -> int | None:
        if (told := self._meta(key)) is None or told.isdecimal():
            return None if told is None else int(told)
        with self._named():
            raise JournalDamaged(f"the journal's own number {key} reads {told!r}")

    def _values(self, table: Table) -> dict[str, str]:
        """Return a small table's pairs; raise JournalDamaged where one is no text."""
        pairs = self._ask(select(table))
        for key, value in pairs:
            if not isinstance(key, str) or not isinstance(value, str):
                with self._named():
                    raise JournalDamaged(f"the journal's value {key!r} cannot be read: it is no text")
        return {str(key): str(value) for key, value in pairs}

    def _check_values(self) -> None:
        """Raise JournalDamaged at a value of the small tables that is not what was written; one from before checksums has none."""
        seals = self._values(meta)
        for table in (meta, strategy_states):
            for key, value in self._values(table).items():
                if not is_sealed(seals, table, key, value):
                    with self._named():
                        raise JournalDamaged(f"the value {key} in {table.name} is not what was written: its checksum is wrong")

    @contextmanager
    def _transaction(self, act: str, otherwise: type[JournalError] = JournalError) -> Iterator[None]:
        with self._named(), self._turn, translated(act, otherwise), self._connection.begin():
            yield

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Let damage name the file and the next step; who writes takes that step himself and tells of it."""
        try:
            yield
        except JournalDamaged as damage:
            file = file_of(self._url)
            if self._writes or file is None:
                raise
            raise JournalDamaged(f"{file}: {damage}; {self._next_step}") from damage


def copied(source: sqlite3.Connection, to: Path) -> None:
    """Copy a database to a new file that stands alone, check each of its pages, and leave it on the disk.

    Raises JournalDamaged where the copy is not sound, JournalError where it cannot be written.
    """
    with translated(f"be copied to {to}"), closing(sqlite3.connect(to, isolation_level=None)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        finding = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if finding != "ok":
        raise JournalDamaged(f"the copy {to} is not sound: {finding}")


def seal_of(table: Table, key: str) -> str:
    """Return the name under which `meta` keeps the checksum of a value."""
    return f"{SEAL} {table.name} {key}"


def is_sealed(seals: Mapping[str, str], table: Table, key: str, value: str) -> bool:
    """Tell whether a value is what was written, as far as there is a checksum of it."""
    return seals.get(seal_of(table, key), told := str(zlib.crc32(value.encode()))) == told


def newest_of_each() -> Select[int]:
    """Select the numbers of the last StrategyChanged and the last EntriesRefused of each strategy."""
    latest = select(func.max(_COLUMNS.seq)).where(_COLUMNS.kind.in_(LATEST))
    return latest.group_by(_COLUMNS.kind, _COLUMNS.strategy)


def event_of(seq: int, crc: int, payload: bytes) -> AnyEvent:
    """Read one event back; raise JournalDamaged if it is not what was written, or a kind that this program does not know."""
    if zlib.crc32(payload) != crc:
        raise JournalDamaged(f"event {seq} is not what was written: its checksum is wrong")
    try:
        return _DECODER.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise JournalDamaged(f"event {seq} cannot be read: {error}") from error


def columns_of(event: Event) -> tuple[int, str, int | None, str | None, str | None]:
    """Return what a row repeats of its event, for queries: at (microseconds), kind, trade, strategy, client order id.

    An order's event has the trade that its client order id names.
    """
    order = getattr(event, "order", None)
    trade = getattr(event, "trade", None) if order is None or hasattr(event, "trade") else _trade_of(order)
    return microseconds(event.at), type(event).__name__, trade, getattr(event, "strategy", None), order


def contradiction(told: Sequence[object], repeated: Sequence[object], written: Mapping[str, object]) -> str | None:
    """Say where a row differs from its event, whose payload is `written`; None where the row is only older than the event's field."""
    for name, wanted, found in zip(_REPEATED, told, repeated, strict=True):
        repeats = name in written or (name == "trade" and "order" in written)
        if wanted != found and (repeats or found is not None):
            return f"is of {name} {wanted!r}, and its row says {found!r}"
    return None


@lru_cache(maxsize=PAGE)  # what happens to an order follows close upon its intent
def _trade_of(order: str) -> int | None:
    try:
        return ClientOrderId.parse(order).trade
    except ValueError:
        return None


def microseconds(moment: datetime) -> int:
    """Return an aware moment as the journal's column `at` has it."""
    return (moment - EPOCH) // _MICROSECOND
