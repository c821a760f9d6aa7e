"""What rehearsals against the other exchange share: the daemon pointed at it, a quick strategy, and the judge of the ledger."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from pathlib import Path

from tests.rehearsal.other_exchange import ZERO, OtherExchange, symbol_of
from tests.rehearsal.other_server import OtherServer, served
from tests.rehearsal.other_wire import KEY, SECRET
from tests.rehearsal.stage import BRISK, SOON, Trader, cast, until

NEAR, FAR = (datetime.now(UTC).replace(hour=8, minute=0, second=0, microsecond=0) + timedelta(days=days) for days in (3, 10))
CALL, PUT = symbol_of(NEAR, 110_000, "C"), symbol_of(NEAR, 90_000, "P")
QTY = Decimal("0.03")

SETTINGS = {
    **BRISK,
    "TRADING_ENVIRONMENT": "testnet",
    "COINCALL_API_KEY_TEST": KEY,
    "COINCALL_API_SECRET_TEST": SECRET,
    "COINCALL_API_KEY_PAPER": "",
    "COINCALL_API_SECRET_PAPER": "",
    "TRADER_MAX_DATA_AGE_SECONDS": "3",
    "TRADER_HTTP_TIMEOUT_SECONDS": "2",
    "TRADER_LOG_LEVEL": "DEBUG",
}

STRATEGY = """
from strategy import *

def abroad(name="abroad", expiry={expiry}):
    return StrategyConfig(
        name=name,
        legs=[
            LegSpec("C", side={side}, qty="{call}", strike_criteria={strike_call}, expiry_criteria=expiry),
            LegSpec("P", side={side}, qty="{put}", strike_criteria={strike_put}, expiry_criteria=expiry),
        ],
        entry_conditions=[{entry}],
        exit_conditions=[max_hold_hours({hold} / 3600)],
        execution_mode="limit",
        execution=ExecutionParams(
            fill_timeout_seconds={patience}, aggressive_buffer_pct=20, max_requote_rounds={rounds}, when_incomplete="{incomplete}"
        ),
        max_concurrent_trades=1,
        max_trades_per_day={a_day},
        check_interval_seconds=0.1,
    )

def at(days):
    return lambda: abroad(f"abroad-{{days}}", {{"dte": days}})

STRATEGIES = [abroad, *map(at, {more_days})]
"""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the strategy of a rehearsal does; times in seconds."""

    side: int = 1
    call: Decimal = QTY
    put: Decimal = QTY
    strike_call: str = '{"type": "strike", "value": 110000}'
    strike_put: str = '{"type": "strike", "value": 90000}'
    expiry: str = '{"dte": "next"}'
    entry: str = ""
    hold: float = 0.1
    patience: float = 0.4
    rounds: int = 5
    incomplete: str = "unwind"
    a_day: int = 1
    more_days: tuple[int, ...] = ()  # the same again, once for each expiry so many days away

    def write(self, folder: Path) -> Path:
        """Write it as a user's strategies file."""
        file = folder / "abroad.py"
        file.write_text(STRATEGY.format(**asdict(self)), encoding="utf-8")
        return file


class Emigrant(Trader):
    """The daemon as on the testnet, with the other exchange in the testnet's place."""

    def __init__(self, home: Path, server: OtherServer, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(home, settings={**SETTINGS, "COINCALL_BASE_URL": server.url, **(settings or {})})
        self.state = home / "state" / "testnet"

    def begin(self, plan: Plan) -> None:
        """Start the daemon with a plan's strategy."""
        self.start("--strategies-file", str(plan.write(self.home)))

    def hear_anew(self, part: str, before: int) -> str:
        """Wait until the story tells a text more than `before` times; return the newest line."""
        return self.hear(part, times=before + 1)[-1]


@dataclass
class World:
    """The other exchange, its socket, and the daemon that trades there."""

    exchange: OtherExchange
    server: OtherServer
    trader: Emigrant

    def wait(self, met: Callable[[OtherExchange], object], what: str, within: float = SOON) -> None:
        """Wait until something is true of the exchange; the daemon must live meanwhile."""
        until(lambda: met(self.exchange) or not self.trader.alive, what, within)
        assert self.trader.alive, self.trader.story

    def kill_at(self, *creates: int) -> None:
        """Kill the daemon the moment that so many orders in all are in the exchange's books, before it can be told."""

        def look(_: object) -> None:
            if len(self.exchange.ledger.orders) in creates and self.trader.alive:
                os.kill(self.trader.pid, signal.SIGKILL)

        self.exchange.on_create = look

    def await_death(self) -> None:
        """Wait until the daemon is dead."""
        until(lambda: not self.trader.alive, "the daemon is killed")


@contextmanager
def a_world(home: Path, exchange: OtherExchange | None = None, **settings: str) -> Iterator[World]:
    """Run an exchange and a daemon beside it, and leave nothing of them."""
    books = exchange or OtherExchange()
    with served(books) as server:
        trader = Emigrant(home, server, settings)
        with cast(trader):
            yield World(books, server, trader)


# ---- the judge


def breaches(world: World, *, side: int = 1, target: Decimal = QTY) -> list[str]:
    """Return every way in which the daemon did wrong, by the exchange's ledger alone."""
    ledger, server = world.exchange.ledger, world.server
    names = Counter(arrival.client_id for arrival in ledger.arrivals)
    symbols = sorted({trade.order.symbol for trade in ledger.trades})
    return [
        *(f"order {name} arrived {times} times" for name, times in names.items() if times > 1 or name is None),
        *(f"{symbol}: could have come to {reach}, wanted {target}" for symbol, reach in ledger.reach.items() if reach > target),
        *(line for symbol in symbols for line in _holdings(world.exchange, symbol, 1 if side == 1 else -1, target)),
        *(f"touched what is not ours: {text}" for text in ledger.touched),
        *(f"nonsense sent: {code} for {symbol}" for code, symbol in ledger.refusals if code in NONSENSE),
        *(f"badly signed: {text}" for text in server.bad_signatures),
        *(f"the exchange stumbled: {text}" for text in server.surprises),
    ]


NONSENSE = frozenset({10004, 10558, 10570, 10573, 10574, 10575, 10577})


def _holdings(exchange: OtherExchange, symbol: str, sign: int, target: Decimal) -> Iterator[str]:
    trades = [t for t in exchange.ledger.trades if t.order.symbol == symbol and not t.order.foreign]
    for held in accumulate(t.qty * t.order.sign * sign for t in trades):
        if held < 0:
            yield f"{symbol}: flipped to {held * sign}"
        if held > target:
            yield f"{symbol}: held {held * sign}, wanted {target}"


def busiest(world: World, seconds: float, *parts: str) -> int:
    """Return how many requests for these parts of paths arrived in the busiest span of so many seconds."""
    times = [at for at, path in world.server.requests if any(part in path for part in parts)]
    return max((sum(begin <= at < begin + seconds for at in times) for begin in times), default=0)


def left_over(world: World) -> list[str]:
    """Return what the daemon still holds or has working."""
    exchange = world.exchange
    held = [f"holds {exchange.net(symbol)} {symbol}" for symbol in exchange.options if exchange.net(symbol) != ZERO]
    return held + [f"works {order.remaining} {order.symbol}" for order in exchange.working()]
