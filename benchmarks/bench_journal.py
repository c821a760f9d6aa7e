"""What one durable event costs: our append against a bare sqlite3 commit of the same row, taken in turns on the same disk.

    python benchmarks/bench_journal.py [--events 500] [--rounds 7] [--dir .]

Both write ahead (WAL) with synchronous=FULL, encode each event with msgspec and commit it alone. Ours also reads back what it is
about to write, to prove that it can be read, and adds its checksum. Prints microseconds an event (median of the rounds, each
the mean of its events) and the ratio, which is meant to stay at or under 1.3.
"""

import argparse
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from domain import ClientOrderId, NewOrder, Option, OptionType, Purpose, Side
from events import OrderIntended
from journal import Journal

DDL = """CREATE TABLE events (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, trade INTEGER, strategy TEXT,
order_id TEXT, crc INTEGER NOT NULL, payload TEXT NOT NULL)"""
INSERT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
WARM_UP = 1300  # until the log has grown to the size it is reused at


def an_intent(attempt: int) -> OrderIntended:
    """The event before each order: the largest that stands in the way of a trade."""
    client_id = ClientOrderId(desk=42, trade=17, leg=0, purpose=Purpose.OPEN, attempt=attempt)
    option = Option(
        symbol="BTCUSD-28MAR26-100000-C",
        underlying="BTC",
        tick=Decimal("0.1"),
        lot=Decimal("0.01"),
        option_type=OptionType.CALL,
        strike=Decimal(100_000),
        expiry=datetime(2026, 3, 28, 8, tzinfo=UTC),
    )
    new = NewOrder(client_id=client_id, instrument=option, side=Side.BUY, qty=Decimal("0.01"), price=Decimal("1510.5"))
    return OrderIntended(at=datetime(2026, 3, 1, 12, tzinfo=UTC), order=str(client_id), new=new)


def bare(file: Path) -> Callable[[int], None]:
    """A sqlite3 connection that encodes and commits one event at each call."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(DDL)
    intents = [an_intent(n) for n in range(100)]

    def write(n: int) -> None:
        intent = intents[n % 100]
        payload = msgspec.json.encode(intent).decode()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(INSERT, (n, 1_772_366_400_000_000, "OrderIntended", 17, None, intent.order, 0, payload))
        connection.execute("COMMIT")

    return write


def ours(journal: Journal) -> Callable[[int], None]:
    """The journal's own append of one event at each call."""
    intents = [an_intent(n) for n in range(100)]
    return lambda n: journal.append(intents[n % 100])


def spent(write: Callable[[int], None], start: int, events: int) -> float:
    """Microseconds an event, over so many events."""
    begun = time.perf_counter()
    for n in range(start, start + events):
        write(n)
    return (time.perf_counter() - begun) / events * 1e6


def compare(directory: Path, events: int, rounds: int) -> tuple[list[float], list[float]]:
    """Microseconds an event of each round, bare and ours, the two taking turns."""
    with Journal(directory / "ours.db") as journal:
        peers = (bare(directory / "bare.db"), ours(journal))
        for write in peers:
            spent(write, 1, WARM_UP)
        rows = [[spent(write, 1 + WARM_UP + n * events, events) for write in peers] for n in range(rounds)]
    return [row[0] for row in rows], [row[1] for row in rows]


@pytest.mark.parametrize("peer", ["bare sqlite3", "ours"])
def test_one_durable_event(peer: str, benchmark: object, tmp_path: Path) -> None:
    """The same two under pytest-benchmark, for `make bench`."""
    with Journal(tmp_path / "ours.db") as journal:
        write = ours(journal) if peer == "ours" else bare(tmp_path / "bare.db")
        numbers = iter(range(1, 1_000_000))
        assert callable(benchmark)
        benchmark(lambda: write(next(numbers)))


def main() -> None:
    """Compare and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--events", type=int, default=500)
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--dir", type=Path, default=Path(), help="a directory on the disk of interest")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.dir) as directory:
        theirs, own = compare(Path(directory), chosen.events, chosen.rounds)
    ratios = sorted(mine / bare_one for mine, bare_one in zip(own, theirs, strict=True))
    print(f"bare sqlite3 {sqlite3.sqlite_version}  {statistics.median(theirs):8.1f} us an event")
    print(f"journal              {statistics.median(own):8.1f} us an event")
    print(f"ratio {statistics.median(ratios):.2f} (of the rounds: {ratios[0]:.2f} to {ratios[-1]:.2f}), wanted at most 1.30")


if __name__ == "__main__":
    main()
