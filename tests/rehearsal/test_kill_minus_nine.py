"""A daemon that trades all the time dies at any instant, again and again: nothing is doubled, nothing is lost, every dollar adds up."""

import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from clock import pause
from control import Command, ControlBox, Verb
from events import AnyEvent
from status import status_of
from trade_lifecycle import TradeState

from tests.rehearsal.stage import LONG, Exchange, Ledger, Trader, booked, cast, ended, intended, until

# Eight trades at a time that live for a second: at any instant some order is being decided, written, sent, answered, cancelled or booked.
CHURN = """
from datetime import timedelta
from strategy import *

def churn(name, qty, delta, side, **execution):
    return lambda: StrategyConfig(
        name=name,
        legs=strangle(qty=qty, call_delta=delta, put_delta=-delta, dte=2, side=side),
        exit_conditions=[max_hold_hours(0.5 / 3600)],
        execution_mode="limit",
        execution=ExecutionParams(**execution),
        max_concurrent_trades=2,
        max_trades_per_day=0,
        check_interval_seconds=0.05,
    )

STRATEGIES = [
    churn("taker", 0.01, 0.25, 1, fill_timeout_seconds=5, aggressive_buffer_pct=30, max_requote_rounds=1),
    churn("seller", 0.02, 0.15, 2, fill_timeout_seconds=5, aggressive_buffer_pct=30, max_requote_rounds=1),
    churn("patient", 0.03, 0.35, 1, fill_timeout_seconds=0.3, aggressive_buffer_pct=30, max_requote_rounds=6),
    churn("large", 3, 0.20, 1, fill_timeout_seconds=1.5, aggressive_buffer_pct=1, max_requote_rounds=3),
]
"""
NAMES = ("taker", "seller", "patient", "large")
FAULTS = ("lose_answer", "lose_request", "http_500", "html", "busy")


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    """An exchange as far away as a real one, so that many a death falls between a request and its answer."""
    one = Exchange(tmp_path / "venue", "--latency-ms", "40")
    with cast(one):
        yield one


def the_churn(folder: Path) -> tuple[str, str]:
    file = folder / "churn.py"
    file.write_text(CHURN, encoding="utf-8")
    return "--strategies-file", str(file)


def nothing_is_doubled_nor_made_up(events: Sequence[AnyEvent], ledger: Ledger) -> None:
    """What must hold at every instant, also while the daemon is dead and has learned nothing yet."""
    known, sent = intended(events), [order.client_id for order in ledger.orders if order.client_id is not None]
    assert [number for number, times in Counter(sent).items() if times > 1] == [], "an order was sent twice"
    assert set(sent) <= set(known), "an order is at the exchange that the journal did not mean to send"
    theirs = ledger.fills_of_orders()
    for number, fills in booked(events).items():
        assert set(fills) <= set(theirs.get(number, [])), f"{known[number]}: a fill is booked that did not happen"
    assert all(abs(lots) <= limit for lots, limit in over_the_targets(events, ledger)), "more is held than trades want"


def over_the_targets(events: Sequence[AnyEvent], ledger: Ledger) -> Iterator[tuple[int, Decimal]]:
    """Yield for each holding at the exchange its lots and the lots that all trades in that option ever wanted at one time."""
    for symbol, lots in ledger.holdings.items():
        wanted = sum(
            (leg.target for trade in status_of(events).trades if trade.active for leg in trade.legs if leg.option.symbol == symbol),
            Decimal(0),
        )
        yield lots, wanted * 100


def all_is_known(before: Sequence[AnyEvent], trader: Trader, exchange: Exchange) -> None:
    """What must hold of all orders of earlier lives, once the daemon has asked the exchange about each."""
    names = intended(before)
    until(lambda: set(names.values()) <= ended(trader.events()), "the end of every earlier order is known", LONG, every=0.2)
    theirs, ours = exchange.ledger().fills_of_orders(), booked(trader.events())
    assert {name: ours.get(number, []) for number, name in names.items()} == {
        name: theirs.get(number, []) for number, name in names.items()
    }


def await_an_instant(trader: Trader, dice: random.Random) -> None:
    """Wait for any instant; half of the times for one at which an order is on its way, its answer or its cancel still to come."""
    pause(dice.uniform(0.05, 2.5))
    if dice.random() < 0.5:
        sent = len(trader.lines("order sent"))
        until(lambda: len(trader.lines("order sent")) > sent, "an order is sent", LONG, every=0.002)
        pause(dice.uniform(0.0, 0.08))


def rehearse(trader: Trader, exchange: Exchange, kills: int, dice: random.Random, trouble: Callable[[], None]) -> None:
    """Kill and start again as often as asked, judging each time; then let every trade end and compare everything."""
    strategies = the_churn(trader.home)
    trader.start(*strategies)
    for _ in range(kills):
        trouble()
        await_an_instant(trader, dice)
        trader.kill()
        dead = trader.events()
        nothing_is_doubled_nor_made_up(dead, exchange.ledger())
        trader.start(*strategies)
        if dice.random() < 0.5:  # else it dies again while it is still asking
            all_is_known(dead, trader, exchange)
    exchange.mend()
    for name in NAMES:
        ControlBox(trader.state).put(Command(verb=Verb.PAUSE, target=name))
    trader.hear("strategy paused", times=len(NAMES))
    until(lambda: not any(trade.active for trade in trader.trades()), "every trade has ended", LONG, every=0.2)
    trader.stop()
    judge_the_end(trader, exchange, kills)


def judge_the_end(trader: Trader, exchange: Exchange, kills: int) -> None:
    events, ledger, trades = trader.events(), exchange.ledger(), trader.trades()
    nothing_is_doubled_nor_made_up(events, ledger)
    assert booked(events) == ledger.fills_of_orders()
    assert (ledger.holdings, ledger.working) == ({}, [])
    assert set(intended(events).values()) == ended(events)
    assert {trade.state for trade in trades} <= {TradeState.CLOSED, TradeState.FAILED}
    assert sum((trade.net_profit for trade in trades), Decimal(0)) == ledger.earned
    closed = sum(trade.state is TradeState.CLOSED for trade in trades)
    assert closed > kills, "it hardly traded: the rehearsal proves nothing"
    say(f"kills={kills} trades={len(trades)} closed={closed} orders={len(ledger.orders)} fills={len(ledger.fills)} earned={ledger.earned}")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


@pytest.fixture
def dice() -> random.Random:
    """Chance that can be repeated: REHEARSAL_SEED takes the seed that an earlier run has printed."""
    seed = int(os.environ.get("REHEARSAL_SEED") or random.SystemRandom().randrange(2**32))
    say(f"REHEARSAL_SEED={seed}")
    return random.Random(seed)


def test_a_daemon_killed_twice_while_it_trades_doubles_nothing_and_loses_nothing(
    trader_beside: Trader, exchange: Exchange, dice: random.Random
) -> None:
    rehearse(trader_beside, exchange, 2, dice, lambda: None)


@pytest.mark.soak
def test_a_daemon_killed_a_hundred_times_while_answers_get_lost_doubles_nothing_and_loses_nothing(
    trader_beside: Trader, exchange: Exchange, dice: random.Random
) -> None:
    def trouble() -> None:
        exchange.mend()
        if dice.random() < 0.5:
            exchange.fault(dice.choice(FAULTS), path="/open/option/order/*", count=dice.randint(1, 3), after=dice.randint(0, 10))

    rehearse(trader_beside, exchange, 100, dice, trouble)
