"""What rehearsals against the other exchange share: the daemon pointed at it, a quick strategy, and the judge of the ledger."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from tests.rehearsal.other_books import BUY, SELL, ZERO, symbol_of
from tests.rehearsal.other_exchange import OtherExchange
from tests.rehearsal.other_judge import Structure, block_breaches, holding_breaches, journal_breaches, naked_breaches, reach_breaches
from tests.rehearsal.other_rfq import BlockDesk
from tests.rehearsal.other_server import OtherServer, served
from tests.rehearsal.other_wire import KEY, SECRET
from tests.rehearsal.stage import BRISK, CASH, LONG, SOON, Trader, cast, until

NEAR, FAR = (datetime.now(UTC).replace(hour=8, minute=0, second=0, microsecond=0) + timedelta(days=days) for days in (3, 10))
CALL, PUT = symbol_of(NEAR, 110_000, "C"), symbol_of(NEAR, 90_000, "P")
QTY = Decimal("0.03")
QUIET = 1.0  # how long a stopped or forbidden daemon is watched for orders that must not come

SETTINGS = {
    **BRISK,
    "TRADING_ENVIRONMENT": "testnet",
    "COINCALL_API_KEY_TEST": KEY,
    "COINCALL_API_SECRET_TEST": SECRET,
    "COINCALL_API_KEY_PAPER": "",
    "COINCALL_API_SECRET_PAPER": "",
    "TRADER_MAX_DATA_AGE_SECONDS": "3",
    "TRADER_HTTP_TIMEOUT_SECONDS": "2",
    "TRADER_STREAM_SILENCE_SECONDS": "3",
    "TRADER_LOG_LEVEL": "DEBUG",
}

STRATEGY = """
from strategy import *

def abroad(name="abroad", expiry={expiry}):
    return StrategyConfig(
        name=name,
        legs=[{wishes}],
        entry_conditions=[{entry}],
        exit_conditions=[{leave}],
        execution_mode="{mode}",
        execution=ExecutionParams(
            fill_timeout_seconds={patience},
            aggressive_buffer_pct=20,
            max_requote_rounds={rounds},
            legging=LeggingPolicy({legging}),
            {more}
        ),
        max_concurrent_trades=1,
        max_trades_per_day={a_day},
        check_interval_seconds=0.1,
    )

def at(days):
    return lambda: abroad(f"abroad-{{days}}", {{"dte": days}})

STRATEGIES = [abroad, *map(at, {more_days})]
"""


@dataclass(frozen=True)
class Leg:
    """One leg of a structure at a strike: coins, negative to sell."""

    kind: str
    strike: int
    qty: Decimal

    @property
    def symbol(self) -> str:
        """Return the option's symbol, at the nearest expiry."""
        return symbol_of(NEAR, self.strike, self.kind)


def legs(*rows: tuple[str, int, str]) -> tuple[Leg, ...]:
    """Return legs from kind, strike and coins."""
    return tuple(Leg(kind, strike, Decimal(qty)) for kind, strike, qty in rows)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the strategy of a rehearsal does; times in seconds.

    `legs` are the structure; without them it is a strangle of `call` and `put`. `leave` is an exit condition as a user writes it,
    after `hold` seconds if it is empty; `legging` and `more` are arguments of LeggingPolicy and ExecutionParams, so written too.
    """

    side: int = 1
    call: Decimal = QTY
    put: Decimal = QTY
    strike_call: str = '{"type": "strike", "value": 110000}'
    strike_put: str = '{"type": "strike", "value": 90000}'
    legs: tuple[Leg, ...] = ()
    expiry: str = '{"dte": "next"}'
    entry: str = ""
    leave: str = ""
    hold: float = 0.1
    mode: str = "limit"
    patience: float = 0.4
    rounds: int = 5
    legging: str = "remedies=('unwind',)"
    more: str = ""
    a_day: int = 1
    more_days: tuple[int, ...] = ()  # the same again, once for each expiry so many days away

    def write(self, folder: Path) -> Path:
        """Write it as a user's strategies file."""
        file = folder / "abroad.py"
        leave = self.leave or f"max_hold_hours({self.hold} / 3600)"
        told = {**asdict(self), "wishes": ", ".join(self._wishes), "leave": leave}
        file.write_text(STRATEGY.format(**told), encoding="utf-8")
        return file

    @property
    def structure(self) -> Mapping[str, Decimal]:
        """Return what it wants: coins by symbol, negative to sell."""
        sign = 1 if self.side == 1 else -1
        return {leg.symbol: leg.qty for leg in self.legs} or {CALL: sign * self.call, PUT: sign * self.put}

    @property
    def _wishes(self) -> Sequence[str]:
        if not self.legs:
            return (_wish("C", self.side, self.call, self.strike_call), _wish("P", self.side, self.put, self.strike_put))
        at = '{{"type": "strike", "value": {}}}'
        return [_wish(leg.kind, 1 if leg.qty > 0 else 2, abs(leg.qty), at.format(leg.strike)) for leg in self.legs]


def _wish(kind: str, side: int, qty: Decimal, strike: str) -> str:
    return f'LegSpec("{kind}", side={side}, qty="{qty}", strike_criteria={strike}, expiry_criteria=expiry)'


class Emigrant(Trader):
    """The daemon as on the testnet, with the other exchange in the testnet's place."""

    def __init__(self, home: Path, server: OtherServer, settings: Mapping[str, str] | None = None) -> None:
        places = {"COINCALL_BASE_URL": server.url, "COINCALL_WS_URL": server.streams.url}
        super().__init__(home, settings={**SETTINGS, **places, **(settings or {})})
        self.state = home / "state" / "testnet"

    def begin(self, plan: Plan, *, ready: bool = True) -> None:
        """Start the daemon with a plan's strategy; wait until it is ready, unless told not to."""
        self.start("--strategies-file", str(plan.write(self.home)), ready=ready)

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

    @property
    def desk(self) -> BlockDesk:
        """Return the exchange's desk for block trades."""
        return self.server.desk

    def strike_down(self) -> None:
        """Kill the daemon at once, from whichever thread."""
        if self.trader.alive:
            os.kill(self.trader.pid, signal.SIGKILL)

    def kill_at(self, *creates: int) -> None:
        """Kill the daemon the moment that so many orders in all are in the exchange's books, before it can be told."""

        def look(_: object) -> None:
            if len(self.exchange.ledger.orders) in creates:
                self.strike_down()

        self.exchange.on_create = look

    def kill_when(self, moment: str) -> None:
        """Kill the daemon once, when the desk for block trades says that this has just happened, before the daemon can be told."""

        def look(happened: str) -> None:
            if happened == moment:
                self.desk.happened = lambda _: None
                self.strike_down()

        self.desk.happened = look

    def kill_after_answer(self, path: str) -> None:
        """Kill the daemon once, right after an answer to this part of a path was sent to it."""

        def look(answered: str) -> None:
            if path in answered:
                self.server.answered = lambda _: None
                self.strike_down()

        self.server.answered = look

    def await_end(self, within: float = LONG) -> bool:
        """Wait until the daemon is dead, or has told the end of a trade; tell whether it is dead."""
        ends = ("trade closed", "trade failed")
        until(lambda: not self.trader.alive or any(map(self.trader.lines, ends)), "the daemon is killed, or its trade ends", within)
        return not self.trader.alive

    def await_death(self, within: float = SOON) -> None:
        """Wait until the daemon is dead."""
        until(lambda: not self.trader.alive, "the daemon is killed", within)


@contextmanager
def a_world(home: Path, exchange: OtherExchange | None = None, **settings: str) -> Iterator[World]:
    """Run an exchange and a daemon beside it, and leave nothing of them."""
    books = exchange or OtherExchange()
    with served(books) as server:
        trader = Emigrant(home, server, settings)
        with cast(trader):
            yield World(books, server, trader)


# ---- the judge


def breaches(
    world: World, *, side: int = 1, target: Decimal = QTY, structure: Structure | None = None, gate: Decimal | None = ZERO
) -> list[str]:
    """Return every way in which the daemon did wrong, by the exchange's ledger alone.

    Without a structure it was to hold `target` of the usual call and put. Quotes must beat the book by `gate` per cent; None: any.
    """
    exchange, ledger, server = world.exchange, world.exchange.ledger, world.server
    names = Counter(arrival.client_id for arrival in ledger.arrivals)
    sign = 1 if side == 1 else -1
    wanted = structure or dict.fromkeys(ledger.reach, sign * target)
    return [
        *(f"order {name} arrived {times} times" for name, times in names.items() if times > 1 or name is None),
        *reach_breaches(exchange, wanted),
        *holding_breaches(exchange, wanted),
        *naked_breaches(exchange, wanted),
        *block_breaches(world.desk, gate),
        *(f"touched what is not ours: {text}" for text in ledger.touched),
        *(f"nonsense sent: {code} for {symbol}" for code, symbol in ledger.refusals if code in NONSENSE),
        *(f"badly signed: {text}" for text in (*server.bad_signatures, *server.streams.bad_signatures)),
        *(f"nonsense said on a stream: {text}" for text in server.streams.nonsense),
        *(f"the exchange stumbled: {text}" for text in server.surprises),
    ]


NONSENSE = frozenset({10004, 10558, 10570, 10573, 10574, 10575, 10577})


def busiest(world: World, seconds: float, *parts: str) -> int:
    """Return how many requests for these parts of paths arrived in the busiest span of so many seconds."""
    times = [at for at, path in world.server.requests if any(part in path for part in parts)]
    return max((sum(begin <= at < begin + seconds for at in times) for begin in times), default=0)


def all_traded(exchange: OtherExchange) -> bool:
    """Tell whether both legs were bought and sold whole, once."""
    return all(exchange.traded(symbol, side) == QTY for symbol in (CALL, PUT) for side in (BUY, SELL))


def left_over(world: World) -> list[str]:
    """Return what the daemon still holds or has working."""
    exchange = world.exchange
    held = [f"holds {exchange.net(symbol)} {symbol}" for symbol in exchange.options if exchange.net(symbol) != ZERO]
    asked = [f"left request {request.request_id} open" for request in world.desk.open_requests]
    return held + [f"works {order.remaining} {order.symbol}" for order in exchange.working()] + asked


def unbooked(world: World) -> list[str]:
    """Return every way in which the daemon's journal tells other trades than the exchange's ledger."""
    return journal_breaches(world.exchange.ledger.trades, world.trader.events())


def misjudged(world: World) -> list[str]:
    """Return what the journal says of ended trades that the exchange's cash does not: one line, or none."""
    trades = world.trader.trades()
    told, cash = sum((trade.net_profit for trade in trades if not trade.active), ZERO), world.exchange.cash - CASH
    return [] if told == cash else [f"the journal made {told}, the cash {cash}"]
