"""A dry run lives its whole life on the real market, and nothing of it reaches the exchange."""

import signal
from decimal import Decimal
from pathlib import Path

import pytest

from events import LegFilled
from exchanges.coincall.wire import decode_client_id
from trade_lifecycle import TradeState

from tests.rehearsal.stage import LONG, Exchange, Trader, a_strategies_file


def test_a_dry_run_enters_leaves_and_tells_its_estimated_result_and_sends_no_order(
    trader_beside: Trader, exchange: Exchange, tmp_path: Path
) -> None:
    trader_beside.start("--strategies-file", str(a_strategies_file(tmp_path, hold=0.5)), "--dry-run")
    result = trader_beside.hear("trade estimate of a DRY RUN id=quick#1", within=LONG)[0]
    trader_beside.stop()

    [trade] = trader_beside.trades()
    ledger = exchange.ledger()
    assert (ledger.orders, ledger.fills, ledger.earned) == ([], [], Decimal(0))
    assert (trade.simulated, trade.state) == (True, TradeState.CLOSED)
    assert f"gross={trade.gross_profit} fees={trade.fees} net={trade.net_profit}" in result
    assert "DRY RUN" in trader_beside.lines("trade created")[0]
    fills = [event for event in trader_beside.events() if isinstance(event, LegFilled)]
    assert len(fills) == 4
    for event in fills:  # each entry and exit, with its price, in the log
        assert (
            trader_beside.lines(f"order filled id={event.order}")[0].count(f"{event.fill.qty} {event.fill.symbol} @ {event.fill.price}")
            == 1
        )
    assert trade.gross_profit == sum((-event.fill.side.sign * event.fill.qty * event.fill.price for event in fills), Decimal(0))
    assert trade.fees > 0


@pytest.mark.soak
def test_the_status_tells_a_dry_run_from_a_trade(trader_beside: Trader, tmp_path: Path) -> None:
    trader_beside.start("--strategies-file", str(a_strategies_file(tmp_path, hold=3600)), "--dry-run")
    trader_beside.hear("trade open id=quick#1", within=LONG)

    assert "quick#1 open DRY RUN" in trader_beside.ask("--status").stdout


@pytest.mark.parametrize("end", ["stop", pytest.param("kill", marks=pytest.mark.soak)])
def test_a_dry_run_is_resumed_and_left_after_a_restart(trader_beside: Trader, exchange: Exchange, tmp_path: Path, end: str) -> None:
    trader_beside.start("--strategies-file", str(a_strategies_file(tmp_path, hold=3600)), "--dry-run")
    trader_beside.hear("trade open id=quick#1", within=LONG)
    getattr(trader_beside, end)()

    trader_beside.start("--strategies-file", str(a_strategies_file(tmp_path, hold=0.1)), "--dry-run")

    trader_beside.hear("trade closed id=quick#1", within=LONG)
    trader_beside.stop(signal.SIGINT)
    assert exchange.ledger().orders == []


@pytest.mark.soak
def test_a_dry_run_left_open_ends_as_one_though_the_next_start_is_for_real(
    trader_beside: Trader, exchange: Exchange, tmp_path: Path
) -> None:
    trader_beside.start("--strategies-file", str(a_strategies_file(tmp_path, hold=3600)), "--dry-run")
    trader_beside.hear("trade open id=quick#1", within=LONG)
    trader_beside.stop()

    trader_beside.start("--strategies-file", str(a_strategies_file(tmp_path, hold=0.1)))
    trader_beside.hear("trade estimate of a DRY RUN id=quick#1", within=LONG)
    trader_beside.hear("trade open id=quick#2", within=LONG)
    trader_beside.stop()

    ours = [decode_client_id(order.client_id) for order in exchange.ledger().orders]
    assert {name.trade for name in ours if name is not None} == {2}
    assert None not in ours
