"""How soon the daemon has every trade back after a kill -9: from the start of its process to all of them rebuilt from the journal.

The journal holds so many open strangles, each with its orders and fills. What follows, the first comparison with the venue, is measured by
bench_reconcile; reaching the venue by bench_startup.
    python -m benchmarks.bench_recovery [--rounds 3]
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from clock import SystemClock
from config import load_settings
from context import build_context
from domain import ClientOrderId, ExecutionMode, ExecutionParams, Fill, NewOrder, Option, OptionType, OrderStatus, Purpose, Side
from events import AnyEvent, LegFilled, LegPlan, OpenCompleted, OpenStarted, OrderAccepted, OrderIntended, OrderSettled, TradeCreated
from journal import Journal, open_journal

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def an_option(trade: int, leg: int) -> Option:
    """One of many options, so that no two trades net."""
    kind = OptionType.CALL if leg == 0 else OptionType.PUT
    strike = 50_000 + 10 * trade
    symbol = f"BTCUSD-27MAR30-{strike}-{kind}"
    return Option(
        symbol=symbol,
        underlying="BTC",
        tick=Decimal("0.1"),
        lot=Decimal("0.01"),
        option_type=kind,
        strike=Decimal(strike),
        expiry=datetime(2030, 3, 27, 8, tzinfo=UTC),
    )


def an_open_trade(number: int, desk: int) -> list[AnyEvent]:
    """Every event of a strangle that was opened."""
    plans = [LegPlan(option=an_option(number, leg), side=Side.BUY, qty=Decimal("0.1")) for leg in (0, 1)]
    at = NOW + timedelta(seconds=number)
    events: list[AnyEvent] = [
        TradeCreated(at=at, trade=number, strategy="kept", legs=tuple(plans), mode=ExecutionMode.LIMIT, params=ExecutionParams()),
        OpenStarted(at=at, trade=number),
    ]
    for leg, plan in enumerate(plans):
        name = ClientOrderId(desk=desk, trade=number, leg=leg, purpose=Purpose.OPEN, attempt=1)
        order, price = str(name), Decimal("812.5")
        new = NewOrder(client_id=name, instrument=plan.option, side=plan.side, qty=plan.qty, price=price)
        order_id = str(1_900_000_000_000_000_000 + 2 * number + leg)
        fill = Fill(
            id=f"f{number}-{leg}",
            order_id=order_id,
            symbol=plan.option.symbol,
            side=plan.side,
            qty=plan.qty,
            price=price,
            fee=Decimal(3),
            at=at,
        )
        events += [
            OrderIntended(at=at, order=order, new=new),
            OrderAccepted(at=at, order=order, order_id=order_id),
            LegFilled(at=at, trade=number, leg=leg, order=order, fill=fill),
            OrderSettled(at=at, order=order, status=OrderStatus.FILLED, filled=plan.qty),
        ]
    return [*events, OpenCompleted(at=at, trade=number)]


def recovered(home: Path) -> int:
    """Build the whole daemon over a journal, as its start does, and return how many trades it manages."""
    settings = load_settings({"--state-dir": str(home)}, {})
    context = build_context(settings, (), SystemClock(), open_journal(home, SystemClock()), base_url="http://127.0.0.1:9", home=home)
    active = len(context.lifecycle.active)
    context.close(0.5)
    return active


def main() -> None:
    """Measure with 1, 100 and 1,000 open trades."""
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--rounds", type=int, default=3)
    line.add_argument("--child", type=Path)
    asked = line.parse_args()
    if asked.child is not None:
        print(recovered(asked.child))
        return
    for trades in (1, 100, 1000):
        with tempfile.TemporaryDirectory() as folder:
            with Journal(Path(folder) / "journal.db") as journal:
                for number in range(1, trades + 1):
                    journal.append(*an_open_trade(number, journal.desk))
            spans = []
            for _ in range(asked.rounds):
                began = time.perf_counter()
                child = subprocess.run(
                    [sys.executable, "-m", "benchmarks.bench_recovery", "--child", folder], capture_output=True, text=True, check=True
                )
                spans.append(time.perf_counter() - began)
                assert int(child.stdout.split()[-1]) == trades
            print(f"{trades:5} open trades: {statistics.median(spans):.2f} s from the start of the process (best {min(spans):.2f})")


if __name__ == "__main__":
    main()
