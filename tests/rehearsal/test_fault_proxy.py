"""The real daemon behind a bad network: every story is judged by the exchange's own ledger, and by nothing that the daemon says.

However requests, replies, connections, clocks and streams fail: no order twice, never more than was wanted, nothing left behind.
"""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
import requests

from clock import pause
from paper.rows import OrderRow

from tests.rehearsal.fault_proxy import FaultProxy, a_bad_network
from tests.rehearsal.network_faults import BUSY, Fault, Mode, Schedule, busy, html, status
from tests.rehearsal.stage import BRISK, LONG, NAME, Exchange, Ledger, Trader, a_strategies_file, cast, until

CREATE, CANCEL, ACCEPT = "/open/option/order/create/*", "/open/option/order/cancel/*", "/open/option/blocktrade/request/accept/*"
FILLS, ORDERS = "/open/option/trade/history/*", "/open/option/order/*"
SETTINGS = {**BRISK, "TRADER_HTTP_TIMEOUT_SECONDS": "2", "TRADER_STREAM_SILENCE_SECONDS": "3"}
ENDED = ("trade closed", "trade failed")

BLOCKS = """
from strategy import *

def blocks():
    return StrategyConfig(
        name="quick",
        legs=strangle(qty=0.5, call_delta=0.25, put_delta=-0.25, dte=30, side=1),
        exit_conditions=[max_hold_hours(1 / 3600)],
        execution_mode="rfq",
        execution=ExecutionParams(
            rfq=RFQParams(timeout_seconds=10, poll_seconds=0.5, gather_seconds=0.5, min_improvement_pct=None)
        ),
        max_concurrent_trades=1,
        max_trades_per_day=1,
        check_interval_seconds=0.1,
    )

STRATEGIES = [blocks]
"""


@pytest.fixture
def network(exchange: Exchange) -> Iterator[FaultProxy]:
    """The way to the exchange; nothing is wrong with it yet."""
    with a_bad_network(exchange.url) as proxy:
        yield proxy


@pytest.fixture
def trader(tmp_path: Path, network: FaultProxy) -> Iterator[Trader]:
    """The daemon, which knows the exchange by the network's address."""
    home = tmp_path / "trader"
    one = Trader(home, settings={**SETTINGS, "COINCALL_BASE_URL": network.url})
    one.state = home / "state" / "paper"
    with cast(one):
        yield one


def begin(trader: Trader, *, a_day: int = 1, reach: int = 30, hold: float = 0.3, patience: float = 5.0, rounds: int = 1) -> None:
    """Start it with a strategy that trades at once and leaves soon."""
    file = a_strategies_file(trader.home, hold=hold, patience=patience, reach=reach, rounds=rounds, a_day=a_day)
    trader.start("--strategies-file", str(file))


def again(trader: Trader) -> None:
    """Start it once more, after its death."""
    trader.start("--strategies-file", str(trader.home / "quick.py"), ready=False)


def await_ends(trader: Trader, times: int = 1, within: float = LONG) -> None:
    """Wait until so many trades of this run have ended, one way or the other."""
    until(lambda: sum(len(trader.lines(part)) for part in ENDED) >= times or not trader.alive, f"{times} trades end", within)
    assert trader.alive, trader.story


def await_death(trader: Trader) -> None:
    """Wait until it is dead."""
    until(lambda: not trader.alive, "the daemon is killed", LONG)


def kill_at(network: FaultProxy, trader: Trader, moment: str, path: str, after: int = 0) -> None:
    """Kill the daemon when a request passes, before the exchange hears of it, or before the daemon hears the reply."""
    network.when(moment, path, lambda: os.kill(trader.pid, signal.SIGKILL), after=after)


# ---- the judge: it reads the exchange's ledger


def wrongs(ledger: Ledger, most: Decimal = Decimal("0.01")) -> list[str]:
    """Return every wrong that was done: names used twice, more than wanted at any moment, and what was left behind."""
    names = Counter(order.client_id for order in ledger.orders if order.client_id is not None)  # the legs of a block have none
    return [
        *(f"order {name} arrived {times} times" for name, times in names.items() if times > 1),
        *beyond(ledger, most),
        *(f"left {lots} lots of {symbol}" for symbol, lots in ledger.holdings.items()),
        *(f"left order {order.client_id} working" for order in ledger.working),
    ]


def beyond(ledger: Ledger, most: Decimal) -> Iterator[str]:
    """Yield every moment at which more was held than one trade wants, or the other way round."""
    ours = {account.user for account in ledger.cash if account.name == NAME}
    orders: dict[int, OrderRow] = {order.order_id: order for order in ledger.orders if order.user in ours}
    held: dict[str, Decimal] = {}
    for match in sorted(ledger.fills, key=lambda one: one.trade_id):
        for number in (match.taker_order, match.maker_order):
            if (order := orders.get(number or 0)) is not None and number is not None:
                held[match.symbol] = held.get(match.symbol, Decimal(0)) + match.qty * order.side.sign
        if not 0 <= held.get(match.symbol, Decimal(0)) <= most:
            yield f"held {held[match.symbol]} {match.symbol}, wanted {most}"


def ends_well(trader: Trader, exchange: Exchange, most: Decimal = Decimal("0.01")) -> None:
    """Stop the daemon and have the ledger show nothing wrong, and that it traded at all."""
    trader.stop()
    ledger = exchange.ledger()
    assert wrongs(ledger, most) == []
    assert ledger.fills, "nothing was traded: the rehearsal proves nothing"


# ---- the network itself


def test_a_good_network_changes_nothing_and_a_closed_one_refuses(exchange: Exchange, network: FaultProxy) -> None:
    assert requests.get(f"{network.url}/time", timeout=5).json()["code"] == 0

    network.skew_ms = 20_000
    told = requests.get(f"{network.url}/time", timeout=5).json()["data"]["serverTime"]
    true = requests.get(f"{exchange.url}/time", timeout=5).json()["data"]["serverTime"]
    network.refuse()

    assert 18_000 < told - true < 21_000
    with pytest.raises(requests.ConnectionError, match="refused"):
        requests.get(f"{network.url}/time", timeout=5)
    network.listen()
    network.plan(html(), status(429), busy(), Fault(mode=Mode.CUT), Fault(mode=Mode.LOSE_REPLY), Fault(mode=Mode.RESET))
    answers = [requests.get(f"{network.url}/time", timeout=5) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [502, 429, 200, 200]
    assert (answers[2].content, answers[3].content[:8]) == (BUSY, b'{"code":')
    for _ in range(2):
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{network.url}/time", timeout=5)


# ---- answers that are lost, and lists that break off


def test_whichever_way_the_answer_to_a_create_is_lost_it_is_sent_once(trader: Trader, network: FaultProxy, exchange: Exchange) -> None:
    ways = (
        Fault(mode=Mode.LOSE_REPLY),
        Fault(mode=Mode.RESET),
        Fault(mode=Mode.BROKEN_OFF),
        Fault(mode=Mode.CUT),
        Fault(mode=Mode.LATE_REPLY),
    )
    for way in ways:
        network.plan(Fault(mode=way.mode, path=CREATE, seconds=2.5))
    network.plan(html(CREATE, processed=True), status(500, CREATE, processed=True), busy(CREATE, processed=True))
    network.plan(Fault(mode=Mode.BROKEN_OFF, path=FILLS), Fault(mode=Mode.RESET, path=FILLS, after=1))

    begin(trader, a_day=2)

    await_ends(trader, 2)
    assert [fault for fault in network.waiting if fault.path == CREATE] == []
    assert len(exchange.ledger().orders) == 8
    ends_well(trader, exchange)


@pytest.mark.soak
def test_whichever_way_the_answer_to_a_cancel_is_lost_nothing_is_left_behind(
    trader: Trader, network: FaultProxy, exchange: Exchange
) -> None:
    modes = (Mode.LOSE_REPLY, Mode.RESET, Mode.LOSE_REQUEST, Mode.CUT)
    network.plan(*(Fault(mode=mode, path=CANCEL) for mode in modes))

    begin(trader, reach=0, patience=0.4, rounds=3, a_day=4)

    until(lambda: network.waiting == (), "every way was met", LONG)
    await_ends(trader)
    trader.ask("--pause", "quick")
    until(lambda: not any(trade.active for trade in trader.trades()), "every trade has ended", LONG)
    trader.stop()
    assert wrongs(exchange.ledger()) == []


@pytest.mark.soak
def test_an_acceptance_whose_answer_is_lost_is_one_block_though_the_daemon_dies(
    trader: Trader, network: FaultProxy, exchange: Exchange
) -> None:
    network.plan(Fault(mode=Mode.RESET, path=ACCEPT))
    kill_at(network, trader, "reply", ACCEPT, after=1)
    file = trader.home / "quick.py"
    file.write_text(BLOCKS, encoding="utf-8")

    trader.start("--strategies-file", str(file))
    await_death(trader)
    again(trader)

    await_ends(trader)
    assert network.met(Mode.RESET) == 1
    ends_well(trader, exchange, Decimal("0.5"))


@pytest.mark.soak  # a create that never arrived is pursued for half a minute
def test_an_order_that_never_arrived_is_sent_anew_once_that_is_sure(trader: Trader, network: FaultProxy, exchange: Exchange) -> None:
    network.plan(Fault(mode=Mode.LOSE_REQUEST, path=CREATE), Fault(mode=Mode.LATE_REQUEST, path=CREATE, seconds=4))

    begin(trader, patience=60)

    await_ends(trader, within=2 * LONG)
    ends_well(trader, exchange)


# ---- a network that is not there


@pytest.mark.soak
def test_refused_connections_and_pages_in_the_middle_of_opening_and_closing(
    trader: Trader, network: FaultProxy, exchange: Exchange
) -> None:
    network.when("reply", CREATE, lambda: network.plan(html(count=30)))
    begin(trader)
    until(lambda: exchange.ledger().fills, "something is bought", LONG)
    network.refuse(3)

    await_ends(trader)
    ends_well(trader, exchange)


@pytest.mark.soak
@pytest.mark.parametrize("legs", [1, 3], ids=["opening", "closing"])
@pytest.mark.parametrize("dies", [False, True], ids=["lives", "is killed"])
def test_half_a_minute_of_refused_connections(trader: Trader, network: FaultProxy, exchange: Exchange, legs: int, dies: bool) -> None:
    network.when("request", CREATE, lambda: network.refuse(30), after=legs)
    begin(trader)
    until(lambda: len(exchange.ledger().orders) > legs, "the order is on its way", LONG)
    if dies:
        pause(5)
        trader.kill()
        again(trader)

    await_ends(trader, within=3 * LONG)
    ends_well(trader, exchange)


@pytest.mark.soak
@pytest.mark.timeout(200)
@pytest.mark.parametrize(
    "weather",
    [html(count=0), status(503, count=0, processed=True), Fault(mode=Mode.LATE_REPLY, seconds=10, count=0), status(429, ORDERS, count=0)],
    ids=["pages", "unavailable", "stalled", "throttled"],
)
@pytest.mark.parametrize("moment", [1, 3], ids=["opening", "closing"])
def test_seconds_in_which_nothing_is_answered_as_it_should(
    trader: Trader, network: FaultProxy, exchange: Exchange, weather: Fault, moment: int
) -> None:
    network.when("request", CREATE, lambda: network.plan(weather), after=moment)
    begin(trader)
    until(lambda: network.waiting, "the weather turns", LONG)
    network.stall_streams(10)
    pause(10)
    network.clear()

    await_ends(trader, within=2 * LONG)
    ends_well(trader, exchange)


# ---- clocks


@pytest.mark.soak
def test_an_exchange_whose_clock_is_ahead_and_then_behind_is_traded_with(trader: Trader, network: FaultProxy, exchange: Exchange) -> None:
    exchange.fault("skew", seconds=20)
    begin(trader, a_day=2)
    await_ends(trader)

    exchange.fault("skew", seconds=-20)

    await_ends(trader, 2)
    ends_well(trader, exchange)


@pytest.mark.soak
def test_a_time_that_is_told_wrong_delays_and_does_no_harm(trader: Trader, network: FaultProxy, exchange: Exchange) -> None:
    network.skew_ms = 20_000
    begin(trader)
    pause(5)
    assert exchange.ledger().orders == []

    network.skew_ms = 0

    await_ends(trader)
    ends_well(trader, exchange)


# ---- deaths


@pytest.mark.soak  # an order that died with the daemon is pursued for half a minute
def test_a_daemon_killed_before_the_exchange_hears_and_before_it_hears_itself(
    trader: Trader, network: FaultProxy, exchange: Exchange
) -> None:
    kill_at(network, trader, "reply", CREATE)
    begin(trader)
    await_death(trader)
    kill_at(network, trader, "reply", CREATE, after=1)
    again(trader)
    await_death(trader)
    network.plan(Fault(mode=Mode.RESET, path=FILLS))
    again(trader)

    await_ends(trader)
    ends_well(trader, exchange)


# ---- streams


def test_streams_doubled_swapped_cut_and_stalled_by_the_network(trader: Trader, network: FaultProxy, exchange: Exchange) -> None:
    network.wire.doubled, network.wire.swapped = 40, 10
    begin(trader, a_day=3)
    await_ends(trader)
    network.wire.cut = 2
    network.stall_streams(1)

    await_ends(trader, 3)
    assert {"doubled", "swapped", "cut", "stalled"} <= set(network.frames)
    ends_well(trader, exchange)


@pytest.mark.soak
def test_streams_dropped_and_silenced_by_the_network(trader: Trader, network: FaultProxy, exchange: Exchange) -> None:
    begin(trader, a_day=6, hold=1)
    for _ in range(3):
        pause(2)
        network.drop_streams()
    network.silence_streams(6)

    await_ends(trader, 6)
    trader.hear("nothing was told for 3 s")
    ends_well(trader, exchange)


# ---- everything, by a seed


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_bad_weather_by_a_seed_leaves_no_wrong_behind(trader: Trader, network: FaultProxy, exchange: Exchange, seed: int) -> None:
    answers = (html(processed=True), status(502, processed=True), busy(processed=True), html(), status(429))
    lost = tuple(Fault(mode=mode, seconds=2.5) for mode in (Mode.LOSE_REPLY, Mode.RESET, Mode.BROKEN_OFF, Mode.CUT, Mode.LATE_REPLY))
    network.schedule = Schedule(seed, 0.1, (*answers, *lost), ORDERS)
    begin(trader, a_day=4, rounds=12)
    for turn in range(4):
        pause(5)
        network.refuse(1)
        network.wire.doubled, network.wire.cut = 20, turn % 2

    network.clear()
    await_ends(trader, 4, within=3 * LONG)
    ends_well(trader, exchange)
