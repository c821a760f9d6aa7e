"""What one round of reconciliation costs in processor time, by open trades: the comparison, and the whole round through an inline pool.

Each trade holds one short call of its own; the venue lists an open order and a booked fill for each, and the same positions.
    python -m benchmarks.bench_reconcile [--rounds 50]
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from loguru import logger

from domain import AccountSnapshot, ClientOrderId, Fill, OrderReport, OrderStatus, Side
from events import AnyEvent, LegFilled, OpenCompleted, OpenStarted, OrderAccepted, OrderIntended
from order_ledger import reported
from reconciliation import Reconciler
from rounds import Rhythm
from workers import InlinePool

from tests.fakes import START, FakeJournal, a_created, a_name, a_plan, a_position, an_account, an_option, an_order
from tests.unit.reconciling import SharedHouse, SharedVenue


@dataclass(frozen=True)
class Told:
    """A venue that tells the same in every round."""

    orders: tuple[OrderReport, ...]
    rows: tuple[Fill, ...]

    def open_orders(self) -> Sequence[OrderReport]:
        """Return every open order."""
        return self.orders

    def fills(self, since: datetime, /) -> Sequence[Fill]:  # noqa: ARG002 - all are recent
        """Return every fill."""
        return self.rows

    def submit(self, order: object, /) -> str:
        """Take nothing."""
        raise AssertionError(f"nothing is sent here: {order}")

    def cancel(self, client_id: ClientOrderId, /) -> None:
        """Cancel nothing."""
        raise AssertionError(f"nothing is cancelled here: {client_id}")

    def find(self, client_id: ClientOrderId, sent_at: datetime, /) -> OrderReport | None:  # noqa: ARG002 - all is known
        """Know nothing by name."""
        return None


def a_life(count: int) -> tuple[list[AnyEvent], Told, AccountSnapshot]:
    """The journal of so many open trades, each with a half-filled order, and what the venue tells of them."""
    events: list[AnyEvent] = []
    orders, rows, positions = [], [], []
    for number in range(1, count + 1):
        option, name = an_option(20_000 + number), a_name(trade=number)
        order, order_id = an_order(name, option, qty="2"), f"v{number}"
        fill = Fill(
            id=f"f{number}",
            order_id=order_id,
            symbol=option.symbol,
            side=Side.SELL,
            qty=Decimal(1),
            price=Decimal(100),
            fee=Decimal(0),
            at=START,
        )
        events += [
            a_created(a_plan(option, qty="2"), trade=number),
            OpenStarted(at=START, trade=number),
            OrderIntended(at=START, order=str(name), new=order),
            OrderAccepted(at=START, order=str(name), order_id=order_id),
            LegFilled(at=START, trade=number, leg=0, order=str(name), fill=fill),
            OpenCompleted(at=START, trade=number),
        ]
        orders.append(
            OrderReport(
                client_id=name,
                order_id=order_id,
                symbol=option.symbol,
                side=Side.SELL,
                qty=order.qty,
                filled=Decimal(1),
                status=OrderStatus.PARTIALLY_FILLED,
            )
        )
        rows.append(fill)
        positions.append(a_position(option, "-1"))
    return events, Told(tuple(orders), tuple(rows)), an_account(now=START + timedelta(minutes=1), positions=positions)


def measure(count: int, rounds: int, *, fresh: bool) -> tuple[float, float]:
    """Return the median and the slowest round, milliseconds; fresh: just after a start, when no order's end is known yet."""
    events, told, account = a_life(count)
    journal = FakeJournal()
    journal.events = events
    house = SharedHouse(SharedVenue(SharedHouse().shared), journal)
    house.clock.move_to(account.now)
    for report in () if fresh else told.orders:
        record = None if report.client_id is None else house.path.ledger.get(report.client_id)
        if record is not None:
            house.path.ledger.put(reported(record, report))
    pool = InlinePool()
    reconciler = Reconciler(
        desk=7,
        gateway=told,
        path=house.path,
        lifecycle=house.manager,
        reads=pool,
        cancels=pool,
        journal=journal,
        clock=house.clock,
        alerts=house.alerts,
        rhythm=Rhythm(),
    )
    spans = []
    for _ in range(rounds):
        reconciler.due("a measurement")
        begun = time.perf_counter()
        reconciler.step(account)
        spans.append((time.perf_counter() - begun) * 1000)
    if reconciler.standing or len(house.manager.active) != count:
        raise AssertionError(f"what was measured is not what was meant: {reconciler.standing[:3]}")
    return sorted(spans)[len(spans) // 2], max(spans)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=50)
    rounds = parser.parse_args().rounds
    logger.remove()
    for fresh in (False, True):
        for count in (1, 100, 1000):
            median, slowest = measure(count, rounds, fresh=fresh)
            when = "just after a start" if fresh else "in the long run"
            print(f"{count:5} open trades, {when}: median {median:8.3f} ms, slowest {slowest:8.3f} ms")


if __name__ == "__main__":
    main()
