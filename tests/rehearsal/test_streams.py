"""The daemon with live streams, over real sockets: what is pushed is acted upon at once, and nothing depends on it.

Whatever happens to the streams while a trade opens and closes, it ends flat, and its books are the exchange's own to the last digit.
"""

import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from clock import pause
from events import LegFilled
from trade_lifecycle import TradeState

from tests.rehearsal.abroad import CALL, PUT, QTY, Plan, World, a_world, breaches, left_over, misjudged, unbooked
from tests.rehearsal.other_books import BUY
from tests.rehearsal.other_server import Fault, Kind
from tests.rehearsal.stage import LONG, Exchange, Trader, a_strategies_file, booked, cast, until

SILENCE = 3.0  # the least that settings allow
QUICKLY = {"TRADER_STREAM_SILENCE_SECONDS": f"{SILENCE:g}", "TRADER_HTTP_TIMEOUT_SECONDS": "2"}
LISTS = ("/open/option/order/pending/*", "/open/option/order/singleQuery/*")
# What a daemon may warn of when its streams or single answers fail; anything else of its weight is unexplained.
EXPLAINED = re.compile(
    "stream lost|stream oddity|order query failed|fills unknown|reconciliation void|told nothing of it within|times in a row"
)


@pytest.fixture
def trader(tmp_path: Path, exchange: Exchange) -> Iterator[Trader]:
    """The daemon, with an ear for a stream that keeps quiet."""
    one = Trader(tmp_path / "trader", exchange=exchange, settings=QUICKLY)
    with cast(one):
        yield one


@pytest.fixture
def deaf_trader(tmp_path: Path, exchange: Exchange) -> Iterator[Trader]:
    """The daemon without streams."""
    one = Trader(tmp_path / "trader", exchange=exchange, settings={**QUICKLY, "TRADER_STREAMS": "off"})
    with cast(one):
        yield one


def begin(trader: Trader, *, hold: float = 0.3, a_day: int = 1, streams: int = 2) -> None:
    """Start it with a strategy that trades at once; with streams, once they stand."""
    file = a_strategies_file(trader.home, hold=hold, a_day=a_day)
    trader.start("--strategies-file", str(file))
    if streams > 0:
        trader.hear("coincall stream opened", times=streams)


def judge(trader: Trader, exchange: Exchange) -> None:
    """Compare everything with the exchange's own books, and have every loud line explained."""
    loud = unexplained(trader)  # before it stops: what was still to be read is then told as not read
    trader.stop()
    ledger, events = exchange.ledger(), trader.events()
    names = Counter(order.client_id for order in ledger.orders)
    assert [name for name, times in names.items() if times > 1] == [], "an order was sent twice"
    assert booked(events) == ledger.fills_of_orders()
    assert (ledger.holdings, ledger.working) == ({}, [])
    trades = trader.trades()
    assert {trade.state for trade in trades} == {TradeState.CLOSED}
    assert sum((trade.net_profit for trade in trades), Decimal(0)) == ledger.earned
    assert loud == []


def unexplained(trader: Trader) -> list[str]:
    """Return the lines of warnings and worse that no fault of a stream or of one answer explains."""
    loud = [line for line in trader.story.splitlines() if re.search(r"\b(WARNING|ERROR|CRITICAL)\b", line)]
    return [line for line in loud if "ERROR" in line or "CRITICAL" in line or EXPLAINED.search(line) is None]


def filled(trader: Trader) -> int:
    """Return how many fills the journal holds."""
    return sum(isinstance(event, LegFilled) for event in trader.events())


# ---- what a push does


def test_a_fill_is_booked_because_it_was_pushed_where_no_list_of_orders_can_be_read(trader: Trader, exchange: Exchange) -> None:
    begin(trader, hold=2)
    trader.hear("trade open id")

    for path in LISTS:
        exchange.fault("http_500", path=path, count=0)

    trader.hear("trade closed")
    judge(trader, exchange)


@pytest.mark.soak
def test_without_streams_the_same_fill_waits_until_it_can_be_asked_for(deaf_trader: Trader, exchange: Exchange) -> None:
    begin(deaf_trader, hold=2, streams=0)
    deaf_trader.hear("trade open id")
    for path in LISTS:
        exchange.fault("http_500", path=path, count=0)
    until(lambda: len(exchange.ledger().fills) >= 4, "both legs are sold")
    pause(1.5)
    assert filled(deaf_trader) == 2

    exchange.mend()

    deaf_trader.hear("trade closed")
    assert deaf_trader.lines("stream opened") == []
    judge(deaf_trader, exchange)


# ---- streams that fail while a trade opens and closes


def test_pushes_that_come_twice_swapped_cut_or_never_change_no_result(trader: Trader, exchange: Exchange) -> None:
    exchange.fault("stream_duplicate")
    for kind in ("stream_reorder", "stream_lose", "stream_garble"):
        exchange.fault(kind, count=4)

    begin(trader, a_day=3)

    trader.hear("trade closed", times=3, within=LONG)
    assert trader.lines("coincall stream oddity"), "nothing was garbled: the rehearsal proves nothing"
    judge(trader, exchange)


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["stream_duplicate", "stream_reorder", "stream_lose", "stream_garble"])
def test_whatever_becomes_of_every_push_nothing_is_booked_twice_or_lost(trader: Trader, exchange: Exchange, kind: str) -> None:
    exchange.fault(kind, count=0)

    begin(trader, a_day=6, streams=0)  # where every push is cut no stream counts as open for long

    trader.hear("trade closed", times=6, within=LONG)
    judge(trader, exchange)


@pytest.mark.soak
def test_streams_that_drop_again_and_again_are_made_anew_and_trading_goes_on(trader: Trader, exchange: Exchange) -> None:
    begin(trader, a_day=3)
    for times in range(1, 4):
        exchange.fault("stream_drop")
        trader.hear("trade closed", times=times)
    trader.hear("coincall stream opened", times=4)

    assert trader.lines("coincall stream lost")
    judge(trader, exchange)


@pytest.mark.soak
def test_streams_that_are_refused_delay_nothing_and_are_had_in_the_end(trader: Trader, exchange: Exchange) -> None:
    exchange.fault("stream_refuse", seconds=4)

    begin(trader, a_day=2, streams=0)

    trader.hear("trade closed", times=2)
    trader.hear("coincall stream opened", times=2)
    judge(trader, exchange)


def test_a_stream_that_falls_silent_is_made_anew_soon_and_the_gap_is_asked_for(trader: Trader, exchange: Exchange) -> None:
    begin(trader, hold=60)
    trader.hear("trade open id")
    exchange.fault("stream_silent", seconds=SILENCE + 1)
    told = trader.ask("--close", "1")

    lost = trader.hear("coincall stream lost", within=SILENCE + 4)
    trader.hear("trade closed")
    trader.hear("coincall stream opened", times=3)

    assert told.returncode == 0
    assert any("nothing was told for 3 s" in line for line in lost)
    judge(trader, exchange)


@pytest.mark.soak
def test_a_stream_that_stands_and_tells_no_fill_is_called_deaf_and_made_anew(trader: Trader, exchange: Exchange) -> None:
    exchange.fault("stream_lose", count=0)
    begin(trader, hold=60)
    trader.hear("trade open id")

    trader.hear("the stream told nothing of it", within=LONG)
    exchange.mend()
    trader.hear("coincall stream opened", times=3)
    trader.ask("--close", "1")

    trader.hear("trade closed")
    judge(trader, exchange)


# ---- the same against a server written from the document alone


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """The other exchange, whose streams can be told what to do, and a daemon that has not been started."""
    with a_world(tmp_path) as made:
        yield made


def ends_well(world: World) -> None:
    """Have nothing done wrong, nothing left, and every dollar in the journal."""
    assert breaches(world) == []
    assert left_over(world) == []
    assert unbooked(world) == []
    assert misjudged(world) == []


@pytest.mark.soak
def test_what_filled_while_no_stream_stood_is_booked_once_one_stands_again(world: World) -> None:
    streams = world.server.streams
    world.trader.begin(Plan(patience=60, hold=0.2))
    world.wait(lambda exchange: len(exchange.working()) == 2 and streams.standing == 2, "both legs rest")
    world.server.plan(*(Fault(Kind.STATUS, path, code=503, times=10_000) for path in ("order/pending", "singleQuery", "trade/history")))
    streams.refuse(60)
    streams.drop()
    world.trader.hear("coincall stream lost", times=2)

    world.exchange.fill(CALL)
    world.exchange.fill(PUT)
    pause(1.0)
    assert filled(world.trader) == 0
    world.server.faults.clear()
    world.exchange.generous = True
    streams.refuse(0)

    world.trader.hear("trade closed")
    assert world.exchange.traded(CALL, BUY) == QTY
    ends_well(world)


@pytest.mark.soak
@pytest.mark.parametrize("manner", ["lost", "doubled", "garbled", "late"])
def test_the_other_exchange_may_push_as_it_likes(world: World, manner: str) -> None:
    setattr(world.server.streams, manner, 0.5)

    world.trader.begin(Plan(a_day=6, rounds=20))

    world.trader.hear("trade closed", times=6, within=LONG)
    ends_well(world)


@pytest.mark.soak
def test_streams_that_keep_quiet_altogether_are_noticed_by_their_heartbeats(world: World) -> None:
    world.trader.begin(Plan(hold=30))
    world.trader.hear("trade open id", within=LONG)
    world.server.streams.mute(12)

    world.trader.hear("coincall stream lost", times=2, within=LONG)
    world.trader.hear("coincall stream opened", times=4, within=LONG)
    world.trader.hear("trade closed", within=LONG)
    ends_well(world)
