"""How soon the daemon acts on a fill: from the venue's word of it on the wire to the bytes of the order that follows from it.

The daemon runs on the embedded exchange over loopback and trades call spreads whose sold leg may go out only once the bought one is
filled. The exchange's word is heard by a listener of our own in both runs; by push the daemon hears it too, by poll it does not.
    python -m benchmarks.bench_reaction [--trades 60]
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import requests
from loguru import logger
from requests.adapters import HTTPAdapter

from auth import Credentials
from clock import Clock
from config import Settings, load_settings
from context import TradingContext
from domain import ClientOrderId, OrderPush, Purpose, Push
from exchanges.coincall.transport import Transport, validity_window
from exchanges.coincall.wire import decode_client_id
from ports import Streams
from scripting import assembled, home_of, let_go
from strategy import ExecutionParams, StrategyConfig, max_hold_hours, vertical_spread
from wiring import StreamPlan, Wiring, usual_streams

CREATE = "/open/option/order/create/v1"


class Timings:
    """When each fill was told, and when each order's bytes went out; seconds of one clock."""

    def __init__(self) -> None:
        self.told: dict[ClientOrderId, float] = {}
        self.sent: dict[ClientOrderId, float] = {}

    def hear(self, push: Push) -> None:
        """Note the first word of a fill."""
        if isinstance(push, OrderPush) and push.report.client_id is not None and push.report.filled == push.report.qty:
            self.told.setdefault(push.report.client_id, time.perf_counter())

    def adapter(self) -> HTTPAdapter:
        """Return what carries requests and notes when an order leaves."""
        timings = self

        class Noting(HTTPAdapter):
            def send(self, request: requests.PreparedRequest, *args: object, **kwargs: object) -> requests.Response:
                if str(request.path_url) == CREATE and isinstance(request.body, bytes):
                    name = decode_client_id(int(msgspec.json.decode(request.body)["clientOrderId"]))
                    if name is not None:
                        timings.sent[name] = time.perf_counter()
                return super().send(request, *args, **kwargs)  # type: ignore[arg-type]

        return Noting(pool_connections=1, pool_maxsize=16)

    def reactions(self) -> list[float]:
        """Return, in milliseconds, how long after the bought leg was told filled the sold one's first order left."""
        first = {(name.trade, name.leg): at for name, at in sorted(self.sent.items(), key=lambda item: -item[1])}
        found = []
        for name, told in self.told.items():
            sold = first.get((name.trade, 1))
            if name.leg == 0 and name.purpose is Purpose.OPEN and sold is not None and sold > told:
                found.append((sold - told) * 1000)
        return found


def a_strategy() -> StrategyConfig:
    """Buy a call spread at the market, again and again."""
    return StrategyConfig(
        name="reaction",
        legs=vertical_spread(0.01, "C", 0.4, 0.2, dte=7),
        exit_conditions=[max_hold_hours(1 / 3600)],
        execution_mode="limit",
        execution=ExecutionParams(fill_timeout_seconds=0.5, aggressive_buffer_pct=40, max_requote_rounds=1),
        max_concurrent_trades=1,
        check_interval_seconds=0.05,
    )


def measured(home: Path, trades: int, *, push: bool) -> list[float]:
    """Run the daemon until so many trades have ended, and return its reactions."""
    timings, stop = Timings(), threading.Event()

    def transport(settings: Settings, clock: Clock, base_url: str) -> Transport:
        credentials = Credentials(settings.api_key.get_secret_value(), settings.api_secret.get_secret_value())
        window = validity_window(clock)
        return Transport(base_url, clock, credentials=credentials, window=window, workers=16, adapter=timings.adapter)

    def streams(plan: StreamPlan) -> Streams | None:
        hear: Callable[[Push], None] = plan.listener

        def both(told: Push) -> None:
            timings.hear(told)
            if push:
                hear(told)

        return usual_streams(replace(plan, listener=both))

    settings = load_settings({"--state-dir": str(home)}, {"TRADER_LOG_DIR": str(home / "logs")})
    context, exchange = assembled(settings, home_of(settings), [a_strategy()], Wiring(transport=transport, streams=streams))
    stop_after(context, trades, stop)
    try:
        context.monitor.run(stop)
    finally:
        let_go(context, exchange)
    return timings.reactions()


def stop_after(context: TradingContext, trades: int, stop: threading.Event) -> None:
    """Set stop once so many trades have ended, or have had time enough to."""
    ended: list[object] = []

    def count(trade: object) -> None:
        ended.append(trade)
        if len(ended) >= trades:
            stop.set()

    context.lifecycle.on_closed(count)
    late = threading.Timer(trades * 8, stop.set)
    late.daemon = True
    late.start()


def shown(name: str, found: Sequence[float]) -> None:
    """Print one line of figures."""
    cuts = statistics.quantiles(found, n=100)
    print(f"{name:6} n={len(found):4}  p50 {cuts[49]:7.1f} ms  p95 {cuts[94]:7.1f} ms  p99 {cuts[98]:7.1f} ms  worst {max(found):7.1f} ms")


def main() -> None:
    """Measure both ways, one after the other."""
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--trades", type=int, default=60)
    asked = line.parse_args()
    logger.remove()
    for name, push in (("push", True), ("poll", False)):
        with tempfile.TemporaryDirectory() as folder:
            shown(name, measured(Path(folder), asked.trades, push=push))


if __name__ == "__main__":
    main()
