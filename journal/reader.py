"""Questions to a journal: replay for the start, and what --status, reports and the day limit ask. Nothing here writes."""

import sqlite3
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
from sqlalchemy import ColumnElement, Row, Select, func, or_, select

from clock import EPOCH
from domain import ZERO
from errors import JournalDamaged, JournalError
from events import AccountMarked, AlertRaised, AnyEvent, EntriesRefused, Event, LegFilled, LegSettled, StrategyChanged, TradeCreated
from journal.salvage import sync_directory
from journal.schema import check_pages, event_rows, file_of, meta, open_engine, strategy_states, translated, url_of

# How many events are read, moved or deleted in one transaction.
PAGE = 1000
# What a restart can do without: history that no trade needs; of the second kind the last one of each strategy counts.
HISTORY = frozenset({AccountMarked.__name__, AlertRaised.__name__})
LATEST = frozenset({StrategyChanged.__name__, EntriesRefused.__name__})

# What the name `kind` says of a file that holds finished trades only; a journal and its backups do not have it.
ARCHIVE = "archive"

_NEXT_STEP = "start the daemon once: it sets a damaged journal aside and saves what can be read (docs/journal.md)"
_DECODER: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)
_COLUMNS = event_rows.c
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
        reach = self._meta("archived_before")
        if reach is not None and microseconds(moment) < int(reach):
            until = EPOCH + timedelta(microseconds=int(reach))
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
        return msgspec.json.decode(rows[0][0], type=dict[str, Any]) if rows else None

    @property
    def last_seq(self) -> int:
        """The number of the newest event; 0 while there is none."""
        return max(self._number(select(func.max(_COLUMNS.seq))), int(self._meta("archived_seq") or 0))

    @property
    def desk(self) -> int:
        """The number of this installation, 0 to 9999, by which it knows its own orders at the venue."""
        told = self._meta("desk") or "0"
        if not told.isdecimal():
            with self._named():
                raise JournalDamaged(f"the journal's own number reads {told!r}")
        return int(told)

    @property
    def is_archive(self) -> bool:
        """Whether this is an archive: finished trades only, nothing to start from."""
        return self._meta("kind") == ARCHIVE

    @property
    def last_trade(self) -> int:
        """The highest trade number that this journal knows to have been given; 0 for none."""
        kept = (int(self._meta(name) or 0) for name in ("last_trade", "numbers_from"))
        return max(self._number(select(func.max(_COLUMNS.trade))), *kept)

    @property
    def needs_attention(self) -> str | None:
        """Why a person must look before anything is opened; None once somebody has. It survives restarts."""
        return self._meta("needs_attention")

    def verify(self) -> int:
        """Check every page and read every event back; return how many there are. Raises JournalDamaged at the first that is wrong."""
        with self._transaction("be checked", JournalDamaged):
            check_pages(self._connection)
        return sum(1 for _ in self._read())

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
        """Read page by page, each page a transaction of its own, so that whoever iterates may also append."""
        page = select(_COLUMNS.seq, _COLUMNS.crc, _COLUMNS.payload).where(*wanted).order_by(_COLUMNS.seq).limit(PAGE)
        while rows := self._ask(page.where(_COLUMNS.seq > after)):
            for seq, crc, payload in rows:
                yield self._event(seq, crc, payload.encode())
            after = rows[-1][0]

    def _event(self, seq: int, crc: int, payload: bytes) -> AnyEvent:
        try:
            return event_of(seq, crc, payload)
        except JournalDamaged:
            with self._named():  # here, where it costs a good event nothing
                raise

    def _ask(self, question: Select[*tuple[Any, ...]]) -> list[Row[*tuple[Any, ...]]]:
        with self._transaction("be read", JournalDamaged):
            return list(self._connection.execute(question))

    def _number(self, question: Select[*tuple[Any, ...]]) -> int:
        return int(self._ask(question)[0][0] or 0)

    def _meta(self, key: str) -> str | None:
        rows = self._ask(select(meta.c.value).where(meta.c.key == key))
        return str(rows[0][0]) if rows else None

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
        finding = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    if finding != "ok":
        raise JournalDamaged(f"the copy {to} is not sound: {finding}")


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


def microseconds(moment: datetime) -> int:
    """Return an aware moment as the journal's column `at` has it."""
    return (moment - EPOCH) // _MICROSECOND
