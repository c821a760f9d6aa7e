"""Stories of a journal at rest: a daemon that has run and stopped, and what its journal then holds."""

from pathlib import Path

from clock import SimulatedClock
from config import Settings
from events import TradeCreated
from journal import JournalReader, open_journal

from tests.unit.journal_stories import NOON, an_open_trade

SETTINGS = Settings()
DAY = 24 * 60


def written(home: Path, *trades: int) -> int:
    """Let a daemon have run that opened these trades; return its desk."""
    with open_journal(home, SimulatedClock(NOON)).journal as journal:
        for trade in trades:
            assert journal.next_trade_number() <= trade
            journal.append(*an_open_trade(trade))
        return journal.desk


def trades_of(reader: JournalReader) -> list[int]:
    return [event.trade for event in reader.events(TradeCreated) if isinstance(event, TradeCreated)]


def with_one_changed_letter(file: Path) -> None:
    found, changed = b'"strategy":"strangle"', b'"strategy":"strangel"'
    assert found in file.read_bytes()
    file.write_bytes(file.read_bytes().replace(found, changed, 1))


def next_number(home: Path) -> int:
    with open_journal(home, SimulatedClock(NOON)).journal as journal:
        return journal.next_trade_number()
