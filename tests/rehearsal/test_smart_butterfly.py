"""The butterfly of two chunks on the paper exchange: whole, in ratio, flat at the end, also where the program is killed on the way."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from chunking import ChunkStage
from domain import ClientOrderId, ExecutionMode, Purpose, Side
from events import AnyEvent, ExecutionMoved, ExecutionStarted, LegFilled, OrderAccepted, OrderIntended
from trade_lifecycle import TradeLifecycle, TradeState

from tests.rehearsal.stage import LONG, Exchange, Ledger, Trader, booked, ended, ledger_on_disk, until

TARGETS = (Decimal("0.2"), Decimal("0.4"), Decimal("0.2"))
STRATEGY = """
from strategy import *

def wings():
    return StrategyConfig(
        name="wings",
        legs=butterfly(qty=0.2, width_pct=5, option_type="C", dte=7, side=1),
        exit_conditions=[max_hold_hours({hold} / 3600)],
        execution_mode="smart",
        smart_config=SmartExecConfig(
            chunk_count=2,
            time_per_chunk={patience},
            quoting_strategy="mid",
            reprice_interval=10,
            reprice_price_threshold=0.1,
            min_order_qty=0.01,
            aggressive_attempts={attempts},
            aggressive_wait_seconds={wait},
            aggressive_retry_pause={wait} / 5,
            pause_between_chunks={pause},
        ),
        max_concurrent_trades=1,
        max_trades_per_day=1,
        check_interval_seconds=1,
    )

STRATEGIES = [wings]
"""


def a_strategies_file(folder: Path, *, hold: float, patience: float = 20, pause: float = 0, wait: float = 5, attempts: int = 10) -> Path:
    """Write a file with the butterfly of the documents, held for `hold` seconds of market time."""
    file = folder / "wings.py"
    file.write_text(STRATEGY.format(hold=hold, patience=patience, pause=pause, wait=wait, attempts=attempts), encoding="utf-8")
    return file


def moves(events: Sequence[AnyEvent], purpose: Purpose) -> list[tuple[int, ChunkStage]]:
    """Return the stages that the opening or the close went through: number of the chunk, stage."""
    return [(event.number, ChunkStage(event.stage)) for event in events if isinstance(event, ExecutionMoved) and event.purpose is purpose]


def filled_at_the_ends_of_chunks(events: Sequence[AnyEvent], purpose: Purpose) -> list[tuple[Decimal, ...]]:
    """Return what each leg had traded when each chunk was completed."""
    coins, found = [Decimal(0)] * 3, []
    for event in events:
        match event:
            case LegFilled() if ClientOrderId.parse(event.order).purpose is purpose:
                coins[event.leg] += event.fill.qty
            case ExecutionMoved(stage=ChunkStage.COMPLETED) if event.purpose is purpose:
                found.append(tuple(coins))
    return found


def never_more_than_the_target(trade: TradeLifecycle, ledger: Ledger, events: Sequence[AnyEvent]) -> None:
    """Require of every leg, by the exchange's own orders and fills, that no more was ever out or traded than the target, either way."""
    assert tuple(leg.target for leg in trade.legs) == TARGETS
    for leg in trade.legs:
        mine = [order for order in ledger.orders if order.symbol == leg.option.symbol and order.client_id is not None]
        for side in Side:
            assert sum((order.filled for order in mine if order.side is side), Decimal(0)) == leg.target
        assert all(order.qty <= leg.target / 2 for order in mine)
    assert (ledger.holdings, ledger.working) == ({}, [])
    assert booked(events) == ledger.fills_of_orders()
    assert (trade.state, trade.net_profit) == (TradeState.CLOSED, ledger.earned)


def test_l11_the_butterfly_opens_and_closes_flat_in_two_chunks_that_keep_its_ratio(trader: Trader) -> None:
    file = a_strategies_file(trader.home, hold=60)
    trader.start("--strategies-file", str(file), "--paper-speed", "60")

    trader.hear("trade result", within=LONG)
    trader.stop()

    events, [trade] = trader.events(), trader.trades()
    half = tuple(target / 2 for target in TARGETS)
    for purpose in (Purpose.OPEN, Purpose.CLOSE):
        assert filled_at_the_ends_of_chunks(events, purpose) == [half, TARGETS]
        assert [number for number, stage in moves(events, purpose) if stage is ChunkStage.COMPLETED] == [1, 2]
    first = {event.new.instrument.symbol: event.new.qty for event in reversed(events) if isinstance(event, OrderIntended)}
    wings = [leg for leg in trade.legs if leg.side is Side.BUY]  # the body goes out as far as they have filled
    assert [first[leg.option.symbol] for leg in wings] == [leg.target / 2 for leg in wings]
    assert [event.mode for event in events if isinstance(event, ExecutionStarted)] == [ExecutionMode.SMART] * 2
    never_more_than_the_target(trade, ledger_on_disk(trader.state / "exchange"), events)


# ---- kills, with an exchange that outlives the program


Moment = Callable[[Sequence[AnyEvent]], bool]


def quoting(number: int, purpose: Purpose) -> Moment:
    """Tell when a chunk is being quoted and an order of it rests at the exchange."""
    return lambda events: moves(events, purpose)[-1:] == [(number, ChunkStage.QUOTING)] and resting(events)


def crossing(number: int, purpose: Purpose) -> Moment:
    """Tell when a chunk is being taken across the spread and an order of it stands at the exchange."""
    return lambda events: moves(events, purpose)[-1:] == [(number, ChunkStage.FALLBACK)] and resting(events)


def sending(purpose: Purpose) -> Moment:
    """Tell when an order is on its way, and it is not known whether it has arrived: that takes half a minute to be sure of."""
    return lambda events: bool(moves(events, purpose)) and isinstance(last_of(events), OrderIntended)


def resting(events: Sequence[AnyEvent]) -> bool:
    """Tell whether an order is out and each one that is out has been acknowledged."""
    out = {event.order: False for event in events if isinstance(event, OrderIntended)}
    out |= {event.order: True for event in events if isinstance(event, OrderAccepted)}
    for gone in ended(events):
        out.pop(gone, None)
    return bool(out) and all(out.values())


def between_chunks(purpose: Purpose) -> Moment:
    """Tell when the first chunk is over and the second one has not begun."""
    return lambda events: moves(events, purpose)[-1:] == [(1, ChunkStage.COMPLETED)]


def reached(trader: Trader, moment: Moment) -> bool:
    """Tell whether a moment is here."""
    return moment(trader.events())


def last_of(events: Sequence[AnyEvent]) -> AnyEvent | None:
    """Return the last order or fill, or move to another stage."""
    kinds = OrderIntended | LegFilled | ExecutionMoved
    return next((event for event in reversed(events) if isinstance(event, kinds)), None)


KILLS = {
    "opening": [quoting(1, Purpose.OPEN), crossing(1, Purpose.OPEN), between_chunks(Purpose.OPEN)],
}
FURTHER = {
    "closing": [quoting(1, Purpose.CLOSE), crossing(1, Purpose.CLOSE), between_chunks(Purpose.CLOSE)],
    "the second chunk, both ways": [
        *(quoting(2, Purpose.OPEN), crossing(2, Purpose.OPEN)),
        *(quoting(2, Purpose.CLOSE), crossing(2, Purpose.CLOSE)),
    ],
    "as orders are sent, both ways": [sending(Purpose.OPEN), sending(Purpose.CLOSE)],
}


@pytest.mark.soak
@pytest.mark.parametrize(
    "moments",
    [
        *(pytest.param(moments, id=name) for name, moments in KILLS.items()),
        *(pytest.param(moments, id=name, marks=pytest.mark.soak) for name, moments in FURTHER.items()),
    ],
)
def test_l5_a_butterfly_killed_in_each_phase_goes_on_and_never_trades_more_than_its_target(
    trader_beside: Trader, exchange: Exchange, moments: Sequence[Moment]
) -> None:
    file = a_strategies_file(trader_beside.home, hold=0.5, patience=0.5, pause=0.5, wait=0.5, attempts=100)
    trader_beside.start("--strategies-file", str(file))

    for number, moment in enumerate(moments, 1):
        until(partial(reached, trader_beside, moment), f"moment {number} is reached", within=LONG, every=0.0)
        trader_beside.kill()
        trader_beside.start("--strategies-file", str(file), ready=False)
    trader_beside.hear("trade result", within=LONG)
    trader_beside.stop()

    events, [trade] = trader_beside.events(), trader_beside.trades()
    assert [event.mode for event in events if isinstance(event, ExecutionStarted)] == [
        ExecutionMode.SMART
    ] * 2  # gone on with, not begun anew
    for purpose in (Purpose.OPEN, Purpose.CLOSE):
        assert [number for number, stage in moves(events, purpose) if stage is ChunkStage.COMPLETED] == [1, 2]
    never_more_than_the_target(trade, exchange.ledger(), events)
