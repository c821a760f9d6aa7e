"""A strangle by request for quotes against the order book: no quote is taken that the book beats, and whatever makers do it ends right."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import groupby
from pathlib import Path

import pytest

from domain import ExecutionMode
from events import AnyEvent, BlockIntended, ExecutionStarted, LegFilled, OrderLost
from quote_gate import Judged
from trade_lifecycle import TradeState

from tests.rehearsal.by_hand import accepted, misjudged, sums_of, told, traded, turnover, verdicts
from tests.rehearsal.stage import LONG, Exchange, Ledger, Trader, ledger_on_disk, until

COINS = Decimal("0.5")
ACCEPT = "/open/option/blocktrade/request/accept/*"
STRATEGY = """
from strategy import *

def asked():
    return StrategyConfig(
        name="asked",
        legs={legs},
        exit_conditions=[max_hold_hours({hold} / 3600)],
        execution_mode="rfq",
        execution=ExecutionParams(
            fill_timeout_seconds=1.5,
            aggressive_buffer_pct=30,
            max_requote_rounds=8,
            rfq=RFQParams(timeout_seconds={timeout}, poll_seconds=0.5, gather_seconds={gather}, fallback="{fallback}"),
            smart=SmartExecConfig(chunk_count=1, time_per_chunk=0, aggressive_attempts=50, aggressive_wait_seconds=1, max_cross_pct=30),
        ),
        max_concurrent_trades=1,
        max_trades_per_day=1,
        check_interval_seconds=1,
    )

STRATEGIES = [asked]
"""
STRANGLE = "strangle(0.5, 0.25, -0.25, dte=14, side={side})"


def a_strategies_file(
    folder: Path, legs: str = STRANGLE.format(side=1), *, hold: float = 1, timeout: float = 20, gather: float = 1, fallback: str = "limit"
) -> Path:
    """Write a file with one strategy, `asked`: puts its legs to makers once, at once, and leaves after `hold` seconds of market time."""
    file = folder / "asked.py"
    file.write_text(STRATEGY.format(legs=legs, hold=hold, timeout=timeout, gather=gather, fallback=fallback), encoding="utf-8")
    return file


def modes(events: Sequence[AnyEvent]) -> list[ExecutionMode]:
    """Return the modes of all executions, in order."""
    return [event.mode for event in events if isinstance(event, ExecutionStarted)]


def ways(events: Sequence[AnyEvent]) -> list[ExecutionMode]:
    """Return the modes of all executions, in order; what goes on in the same mode (a remedy) is not counted again."""
    return [mode for mode, _ in groupby(modes(events))]


def once_each_way(trader: Trader, ledger: Ledger) -> None:
    """Require a trade that ended: each leg traded once each way, no more, by the exchange's own books, which the journal agrees with."""
    events, [trade] = trader.events(), trader.trades()
    fills = traded(ledger)
    assert trade.state is TradeState.CLOSED
    assert fills == told(events)
    assert [turnover(fills, leg.option.symbol) for leg in trade.legs] == [(leg.target, leg.target) for leg in trade.legs]
    assert (ledger.holdings, ledger.working) == ({}, [])
    assert (trade.net_profit, ledger.earned) == (sums_of(fills)[2], sums_of(fills)[2])
    assert misjudged(events) == []
    assert "Traceback" not in trader.story


# ---- makers as they are


@pytest.mark.parametrize("side", [1, pytest.param(2, marks=pytest.mark.soak)], ids=["bought", "sold"])
def test_l21_l48_a_strangle_is_traded_with_makers_never_worse_than_the_book(trader: Trader, side: int) -> None:
    file = a_strategies_file(trader.home, STRANGLE.format(side=side), hold=60, timeout=60, gather=6)
    trader.start("--strategies-file", str(file), "--paper-speed", "60")

    trader.hear("trade result", within=LONG)
    trader.stop()

    events = trader.events()
    assert modes(events)[0] is ExecutionMode.RFQ
    assert accepted(events)
    assert Judged.OTHER in verdicts(events)  # makers quote both ways: the wrong one was seen, and left
    once_each_way(trader, ledger_on_disk(trader.state / "exchange"))


# ---- makers that misbehave


@pytest.mark.soak
def test_l21_no_quote_is_taken_that_the_book_beats_and_the_fallback_trades(trader_beside: Trader, exchange: Exchange) -> None:
    exchange.fault("engine", account="trader", makers_worse_pct=3)
    trader_beside.start("--strategies-file", str(a_strategies_file(trader_beside.home, timeout=7)))

    trader_beside.hear("trade result", within=LONG)
    trader_beside.stop()

    events = trader_beside.events()
    assert Judged.DEAR in verdicts(events)
    assert accepted(events) == []
    assert not any(isinstance(event, BlockIntended) for event in events)
    assert ways(events) == [ExecutionMode.RFQ, ExecutionMode.LIMIT] * 2
    once_each_way(trader_beside, exchange.ledger())


@pytest.mark.soak
def test_l22_quotes_that_vanish_at_acceptance_trade_nothing_and_the_fallback_trades_once(trader_beside: Trader, exchange: Exchange) -> None:
    exchange.fault("engine", account="trader", makers_worse_pct=-2, makers_vanish=True)
    trader_beside.start("--strategies-file", str(a_strategies_file(trader_beside.home, timeout=7)))

    trader_beside.hear("trade result", within=LONG)
    trader_beside.stop()

    events = trader_beside.events()
    blocks = {order for event in events if isinstance(event, BlockIntended) for order in event.orders}
    assert accepted(events)
    assert not any(event.order in blocks for event in events if isinstance(event, LegFilled))
    assert ways(events) == [ExecutionMode.RFQ, ExecutionMode.LIMIT] * 2
    once_each_way(trader_beside, exchange.ledger())


@pytest.mark.soak
@pytest.mark.parametrize(("timeout", "waited"), [(20, True), pytest.param(5, False, marks=pytest.mark.soak)], ids=["in time", "too late"])
def test_late_makers_are_waited_for_as_long_as_was_said(trader_beside: Trader, exchange: Exchange, timeout: float, *, waited: bool) -> None:
    exchange.fault("engine", account="trader", makers_worse_pct=-2, makers_late_seconds=4)
    trader_beside.start("--strategies-file", str(a_strategies_file(trader_beside.home, timeout=timeout)))

    trader_beside.hear("trade result", within=LONG)
    trader_beside.stop()

    assert ways(trader_beside.events()) == ([ExecutionMode.RFQ] if waited else [ExecutionMode.RFQ, ExecutionMode.LIMIT] * 2)
    once_each_way(trader_beside, exchange.ledger())


# ---- accepts that nobody heard the end of


@pytest.mark.soak
def test_l23_accepts_whose_answers_are_lost_trade_exactly_once(trader_beside: Trader, exchange: Exchange) -> None:
    exchange.fault("engine", account="trader", makers_worse_pct=-2)
    exchange.fault("lose_answer", account="trader", path=ACCEPT, count=2)
    trader_beside.start("--strategies-file", str(a_strategies_file(trader_beside.home)))

    trader_beside.hear("trade result", within=LONG)
    trader_beside.stop()

    events = trader_beside.events()
    assert len(accepted(events)) == 2
    assert len([event for event in events if isinstance(event, OrderLost)]) == 4  # two legs, two ways
    assert modes(events) == [ExecutionMode.RFQ] * 2
    once_each_way(trader_beside, exchange.ledger())


@pytest.mark.parametrize(
    ("fault", "trades"),
    [
        ({"kind": "hang", "processed": True, "seconds": 5}, True),
        pytest.param({"kind": "lose_request"}, False, marks=pytest.mark.soak),  # that it never arrived takes long to be sure of
    ],
    ids=["traded", "never arrived"],
)
def test_l23_a_daemon_killed_after_it_meant_to_accept_knows_afterwards_what_became_of_it(
    trader_beside: Trader, exchange: Exchange, fault: dict[str, object], *, trades: bool
) -> None:
    exchange.fault("engine", account="trader", makers_worse_pct=-2)
    exchange.fault(account="trader", path=ACCEPT, count=0, **fault)  # type: ignore[arg-type]
    file = a_strategies_file(trader_beside.home)
    trader_beside.start("--strategies-file", str(file))
    until(lambda: any(isinstance(event, BlockIntended) for event in trader_beside.events()), "a quote is about to be accepted", LONG)
    if trades:
        until(lambda: exchange.ledger().holdings, "the exchange has traded it", LONG)
    trader_beside.kill()
    assert not any(isinstance(event, LegFilled) for event in trader_beside.events())
    exchange.mend()

    trader_beside.start("--strategies-file", str(file))
    trader_beside.hear("trade result", within=2 * LONG)
    trader_beside.stop()

    opening = [event.mode for event in trader_beside.events() if isinstance(event, ExecutionStarted) and not event.purpose.reduces]
    assert not trades or opening == [ExecutionMode.RFQ]
    once_each_way(trader_beside, exchange.ledger())
