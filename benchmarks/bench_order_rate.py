"""How many orders a second go through the order path with the journal at full durability: each intended, accepted, filled and settled.

The venue answers at once and in memory, so what is measured is ours: gate, ledger, journal (SQLite, synchronous=FULL, one file system flush
for each write). The bare flush of the same disk is measured beside it.
    python -m benchmarks.bench_order_rate [--orders 500]
"""

import argparse
import os
import tempfile
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from loguru import logger

from clock import SimulatedClock
from domain import Side
from journal import Journal
from ports import JournalWriter
from trade_execution import TradeExecutor
from trade_lifecycle import TradeLifecycle, created
from workers import Inbox, InlinePool

from tests.fakes import START, FakeAlerts, FakeJournal, FakeVenue, a_created, a_name, a_plan, a_quote, an_option, an_order


def flushes(folder: Path, count: int) -> float:
    """Return how many times a second this disk flushes a page."""
    handle = os.open(folder / "page", os.O_CREAT | os.O_WRONLY)
    began = time.perf_counter()
    for _ in range(count):
        os.write(handle, b"x" * 4096)
        os.fdatasync(handle)
    os.close(handle)
    return count / (time.perf_counter() - began)


def orders(journal: JournalWriter, count: int) -> float:
    """Return how many orders a second are carried from intent to booked end."""
    clock = SimulatedClock(START)
    venue, inbox = FakeVenue(clock), Inbox()
    venue.show(a_quote())
    pool = InlinePool(inbox)
    executor = TradeExecutor(gateway=venue, writes=pool, reads=pool, journal=journal, clock=clock, alerts=FakeAlerts())
    trades: list[TradeLifecycle] = [created(a_created(a_plan(side=Side.BUY), trade=number + 1)) for number in range(count)]
    began = time.perf_counter()
    for trade in trades:
        executor.submit(an_order(a_name(trade=trade.number), an_option(), Side.BUY, price="101"), trade)
        inbox.drain()
        clock.advance(timedelta(seconds=2))
        executor.step(clock.now())
        inbox.drain()
    spent = time.perf_counter() - began
    assert not executor.ledger.live(), f"{len(executor.ledger.live())} orders are not settled"
    assert sum(venue.held.values()) == Decimal(count)
    return count / spent


def main() -> None:
    """Measure with the journal on disk, and without one for comparison."""
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--orders", type=int, default=500)
    asked = line.parse_args()
    logger.remove()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bare = flushes(folder, asked.orders)
        with Journal(folder / "journal.db") as journal:
            durable = orders(journal, asked.orders)
    memory = orders(FakeJournal(), asked.orders)
    print(f"durable   {durable:8.0f} orders/s, three writes each (intent, acceptance, fill with its end)")
    print(f"in memory {memory:8.0f} orders/s")
    print(f"bare disk {bare:8.0f} flushes/s, so {bare / 3:.0f} orders/s at best; {durable / (bare / 3):.2f} of it is reached")


if __name__ == "__main__":
    main()
