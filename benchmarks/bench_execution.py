"""What executions cost the tick: a step of 1, 100 and 1,000 working executions of each mode, and one decision on 20 quotes of 6 legs.

The real desk, executors and order path over a venue that answers at once and fills nothing; processor time, not wall time.
    python -m benchmarks.bench_execution [--rounds 20]
"""

import argparse
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from loguru import logger

from block_trades import BlockDesk
from clock import SimulatedClock, monotonic, pause
from domain import (
    AccountSnapshot,
    BlockTrade,
    ClientOrderId,
    ExecutionMode,
    ExecutionParams,
    Fill,
    Level,
    NewOrder,
    Option,
    OptionLeg,
    OptionType,
    OrderBook,
    OrderReport,
    Purpose,
    QuotedLeg,
    QuoteStatus,
    RFQParams,
    RFQQuote,
    RFQRequest,
    RFQStanding,
    RFQStatus,
    Severity,
    Side,
    SmartExecConfig,
)
from events import Event, LegPlan, TradeCreated
from execution import Executor, Scene, book_cost
from execution_desk import ExecutionDesk
from execution_log import ExecutionLog
from leg_orders import LegOrders
from limit_execution import LimitExecutor
from multileg_orderbook import SmartOrderbookExecutor
from ports import IoPool, OrderGateway
from quote_gate import judge
from rfq import Makers, RFQExecutor
from trade_execution import TradeExecutor
from trade_lifecycle import TradeLifecycle, created
from workers import Inbox, InlinePool, ThreadPool

from tests.fakes import EXPIRY, START, FakeVenue, a_quote, an_option

M = ExecutionMode
T = TypeVar("T")
LONG = timedelta(hours=1).total_seconds()
PARAMS = ExecutionParams(
    fill_timeout_seconds=LONG,
    smart=SmartExecConfig(time_per_chunk=LONG, chunk_count=2),
    rfq=RFQParams(timeout_seconds=LONG, gather_seconds=LONG),
)


class Quiet:
    """A journal and alert desk that keep nothing, so that only the step is measured."""

    def append(self, *events: Event) -> None:
        """Keep nothing."""

    def alert(self, severity: Severity, cause: str, message: str, hint: str) -> None:
        """Tell nobody."""


class PatientMakers:
    """Makers that never quote: every request stays open."""

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock, self._count = clock, 0

    def request(self, legs: Sequence[OptionLeg], /) -> RFQRequest:
        """Take a request."""
        self._count += 1
        now = self._clock.now()
        return RFQRequest(
            request_id=f"r{self._count}", status=RFQStatus.ACTIVE, legs=tuple(legs), created_at=now, expires_at=now + timedelta(hours=1)
        )

    def quotes(self, _request: RFQRequest, /) -> Sequence[RFQQuote]:
        """Quote nothing."""
        return ()

    def accept(self, request: RFQRequest, quote: RFQQuote, /) -> BlockTrade:
        """Trade at once; never asked for here."""
        return BlockTrade(block_id=quote.quote_id, request_id=request.request_id, quote_id=quote.quote_id, fills=())

    def cancel(self, request_id: str, /) -> None:
        """Withdraw a request."""

    def find(self, _request_id: str, _since: object, /) -> RFQStanding:
        """Say that it is open."""
        return RFQStanding(status=RFQStatus.ACTIVE)

    def open_requests(self) -> Sequence[RFQRequest]:
        """Know of none."""
        return ()


def _options(count: int) -> list[Option]:
    return [an_option(60000 + 100 * number, OptionType.CALL if number % 2 else OptionType.PUT) for number in range(count)]


def a_trade_of(number: int, options: Sequence[Option]) -> TradeLifecycle:
    """Return a trade of two bought legs, as it begins to open."""
    pair = options[2 * number % len(options) : 2 * number % len(options) + 2]
    plans = tuple(LegPlan(option=option, side=Side.BUY, qty=Decimal(1)) for option in pair)
    return created(TradeCreated(at=START, trade=number + 1, strategy="bench", legs=plans, mode=M.LIMIT, params=PARAMS))


def a_desk(mode: ExecutionMode, count: int, *, slow: bool = False) -> Callable[[], None]:
    """Begin so many executions of a mode that never end; return one round: a step of each and what the order path does beside.

    On a slow venue each call takes half a second, on workers as in the daemon.
    """
    clock, quiet, inbox = SimulatedClock(START), Quiet(), Inbox()
    pool: IoPool = ThreadPool(inbox, 4) if slow else InlinePool(inbox)
    venue: OrderGateway = SlowVenue(FakeVenue(clock)) if slow else FakeVenue(clock)
    executor = TradeExecutor(gateway=venue, writes=pool, reads=pool, journal=quiet, clock=clock, alerts=quiet)
    log, orders, makers = ExecutionLog(quiet, clock), LegOrders(executor, quiet, 1), PatientMakers(clock)
    blocks = BlockDesk(gateway=makers, executor=executor, log=log, writes=pool, reads=pool, clock=clock, alerts=quiet, desk=1)
    asked = Makers(gateway=makers, directory=makers, blocks=blocks, writes=pool, reads=pool)
    executors: dict[ExecutionMode, Executor] = {
        M.LIMIT: LimitExecutor(orders),
        M.SMART: SmartOrderbookExecutor(orders),
        M.RFQ: RFQExecutor(asked, clock, quiet),
    }
    options = _options(2 * min(count, 200))
    trades = [replace_mode(a_trade_of(number, options), mode) for number in range(count)]
    books = {option.symbol: _book(option) for option in options}
    desk = ExecutionDesk(executor=executor, executors=list(executors.values()), log=log, alerts=quiet, books=books.get)
    quotes = {option.symbol: a_quote(option) for option in options}

    def one_round() -> None:
        clock.advance(timedelta(seconds=0.25))
        for message in inbox.take():
            message()
        account = AccountSnapshot(valid=True, now=clock.now(), at=clock.now(), quotes=quotes)
        executor.step(clock.now())
        for trade in trades:
            desk.step(trade, Purpose.OPEN, account)

    for _ in range(3):
        one_round()
    return one_round


class SlowVenue:
    """A venue in which every call takes half a second of the wall; what it does is what FakeVenue does, one call at a time."""

    def __init__(self, venue: FakeVenue) -> None:
        self._venue, self._lock = venue, threading.Lock()

    def submit(self, order: NewOrder, /) -> str:
        """Take an order, slowly."""
        return self._slowly(lambda: self._venue.submit(order))

    def cancel(self, client_id: ClientOrderId, /) -> None:
        """Cancel an order, slowly."""
        self._slowly(lambda: self._venue.cancel(client_id))

    def find(self, client_id: ClientOrderId, sent_at: datetime, /) -> OrderReport | None:
        """Find an order, slowly."""
        return self._slowly(lambda: self._venue.find(client_id, sent_at))

    def open_orders(self) -> Sequence[OrderReport]:
        """List the open orders, slowly."""
        return self._slowly(self._venue.open_orders)

    def fills(self, since: datetime, /) -> Sequence[Fill]:
        """List the fills, slowly."""
        return self._slowly(lambda: self._venue.fills(since))

    def _slowly(self, call: Callable[[], T]) -> T:
        pause(0.5)
        with self._lock:
            return call()


def replace_mode(trade: TradeLifecycle, mode: ExecutionMode) -> TradeLifecycle:
    """Return the trade with another way to execute it."""
    return replace(trade, mode=mode)


def _book(option: Option) -> OrderBook:
    levels = [Level(Decimal(99 - n), Decimal(5)) for n in range(10)], [Level(Decimal(101 + n), Decimal(5)) for n in range(10)]
    return OrderBook(symbol=option.symbol, at=START, bids=tuple(levels[0]), asks=tuple(levels[1]))


def _offered(leg: OptionLeg, price: Decimal) -> QuotedLeg:
    return QuotedLeg(symbol=leg.instrument.symbol, side=leg.side.opposite, price=price, qty=leg.qty)


def a_decision() -> Callable[[], None]:
    """Return one judgement of 20 quotes of 6 legs against the books of that moment."""
    options = _options(6)
    sides = [Side.BUY, Side.SELL] * 3
    wanted = tuple(OptionLeg(instrument=option, side=side, qty=Decimal(1)) for option, side in zip(options, sides, strict=True))
    plans = tuple(LegPlan(option=leg.instrument, side=leg.side, qty=leg.qty) for leg in wanted)
    trade = created(TradeCreated(at=START, trade=1, strategy="bench", legs=plans, mode=M.RFQ, params=PARAMS))
    account = AccountSnapshot(valid=True, now=START, at=START, quotes={option.symbol: a_quote(option) for option in options})
    scene = Scene(account=account, trade=trade, purpose=Purpose.OPEN, books={option.symbol: _book(option) for option in options})
    quotes = [
        RFQQuote(
            quote_id=f"q{number}",
            request_id="r1",
            status=QuoteStatus.OPEN,
            legs=tuple(
                QuotedLeg(symbol=leg.instrument.symbol, side=leg.side.opposite, price=Decimal(95 + number % 10), qty=leg.qty)
                for leg in wanted
            ),
            created_at=START,
            expires_at=EXPIRY,
            stated=wanted,
        )
        for number in range(20)
    ]

    def decide() -> None:
        wanted_now = scene.wanted
        book = book_cost(scene, wanted_now)
        for quote in quotes:
            judge(quote, scene, wanted_now, book, PARAMS.rfq)

    return decide


def timed(work: Callable[[], None], rounds: int) -> list[float]:
    """Return the processor time of each round, milliseconds, sorted."""
    costs = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        costs.append((time.process_time() - began) * 1000)
    return sorted(costs)


def on_the_wall(work: Callable[[], None], rounds: int) -> list[float]:
    """Return the wall time of each round, milliseconds, sorted; between two rounds 20 ms pass, as between ticks."""
    walls = []
    for _ in range(rounds):
        began = monotonic()
        work()
        walls.append((monotonic() - began) * 1000)
        pause(0.02)
    return sorted(walls)


def main() -> None:
    """Print the figures."""
    logger.remove()
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=20)
    rounds = options.parse_args().rounds
    for mode in (M.LIMIT, M.SMART, M.RFQ):
        for count in (1, 100, 1000):
            costs = timed(a_desk(mode, count), rounds)
            median = costs[len(costs) // 2]
            each = median / count * 1000
            print(f"{mode:6} {count:5} working: median {median:8.2f} ms, worst {costs[-1]:8.2f} ms a round, {each:6.1f} us a step")
    for mode in (M.LIMIT, M.SMART, M.RFQ):
        walls = on_the_wall(a_desk(mode, 20, slow=True), 100)
        said = f"median {walls[50]:.2f} ms, worst {walls[-1]:.2f} ms of wall time a round"
        print(f"{mode:6}    20 working, each call to the venue takes 500 ms: {said}")
    costs = timed(a_decision(), 200)
    print(f"rfq decision on 20 quotes of 6 legs: median {costs[100]:.2f} ms, p99 {costs[197]:.2f} ms")


if __name__ == "__main__":
    main()
