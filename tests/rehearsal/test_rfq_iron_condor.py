"""An iron condor by request for quotes against the order book: sold and bought legs in one block, never worse, never in part."""

from decimal import Decimal

import pytest

from domain import ExecutionMode, Side
from events import BlockIntended, LegFilled
from quote_gate import Judged

from tests.rehearsal.by_hand import accepted, misjudged, verdicts
from tests.rehearsal.stage import LONG, Exchange, Trader, ledger_on_disk, until
from tests.rehearsal.test_rfq_comparison import ACCEPT, a_strategies_file, modes, once_each_way, ways

CONDOR = "iron_condor(0.5, 0.3, 0.12, dte=30, side={side})"


@pytest.mark.parametrize("side", [1, pytest.param(2, marks=pytest.mark.soak)], ids=["bought", "sold"])
def test_l21_l24_a_condor_is_traded_with_makers_each_leg_on_its_own_side(trader: Trader, side: int) -> None:
    file = a_strategies_file(trader.home, CONDOR.format(side=side), hold=60, timeout=60, gather=6)
    trader.start("--strategies-file", str(file), "--paper-speed", "60")

    trader.hear("trade result", within=LONG)
    trader.stop()

    events, [trade] = trader.events(), trader.trades()
    first = accepted(events)[0]
    assert modes(events)[0] is ExecutionMode.RFQ
    assert {leg.symbol: leg.side.opposite for leg in first.quote.legs} == {leg.option.symbol: leg.side for leg in trade.legs}
    assert sorted(leg.side for leg in trade.legs) == [Side.BUY, Side.BUY, Side.SELL, Side.SELL]
    once_each_way(trader, ledger_on_disk(trader.state / "exchange"))


@pytest.mark.soak
def test_l21_worse_quotes_are_left_and_the_condor_is_worked_on_the_book(trader_beside: Trader, exchange: Exchange) -> None:
    exchange.fault("engine", account="trader", makers_worse_pct=3)
    file = a_strategies_file(trader_beside.home, CONDOR.format(side=2), timeout=7, fallback="smart")
    trader_beside.start("--strategies-file", str(file))

    trader_beside.hear("trade result", within=LONG)
    trader_beside.stop()

    events = trader_beside.events()
    assert Judged.DEAR in verdicts(events)
    assert accepted(events) == []
    assert ways(events)[:2] == [ExecutionMode.RFQ, ExecutionMode.SMART]
    once_each_way(trader_beside, exchange.ledger())


@pytest.mark.soak
def test_without_a_fallback_a_condor_that_makers_do_not_take_is_not_opened(trader_beside: Trader, exchange: Exchange) -> None:
    exchange.fault("engine", account="trader", makers_worse_pct=-2, makers_vanish=True)
    file = a_strategies_file(trader_beside.home, CONDOR.format(side=2), timeout=6, fallback="none")
    trader_beside.start("--strategies-file", str(file))

    trader_beside.hear("trade failed", within=LONG)
    trader_beside.stop()

    events = trader_beside.events()
    assert accepted(events)
    assert misjudged(events) == []
    assert not any(isinstance(event, LegFilled) for event in events)
    assert (exchange.ledger().fills, exchange.ledger().orders) == ([], [])


@pytest.mark.soak
def test_l23_a_condor_whose_accept_is_lost_and_whose_daemon_then_dies_is_whole(trader_beside: Trader, exchange: Exchange) -> None:
    exchange.fault("engine", account="trader", makers_worse_pct=-2)
    exchange.fault("lose_answer", account="trader", path=ACCEPT)
    file = a_strategies_file(trader_beside.home, CONDOR.format(side=2))
    trader_beside.start("--strategies-file", str(file))
    until(lambda: len(exchange.ledger().holdings) == 4, "the exchange has traded it", LONG)
    trader_beside.kill()
    assert len([event for event in trader_beside.events() if isinstance(event, BlockIntended)]) == 1

    trader_beside.start("--strategies-file", str(file))
    trader_beside.hear("trade result", within=LONG)  # it may have been open already when it was killed
    trader_beside.stop()

    assert {leg.opened for leg in trader_beside.trades()[0].legs} == {Decimal("0.5")}
    once_each_way(trader_beside, exchange.ledger())
