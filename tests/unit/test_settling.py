"""Expired legs are settled by what the venue says, whole or not yet."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from clock import SimulatedClock
from domain import Settlement, Side
from events import LegSettled
from settling import SettlementDesk
from trade_lifecycle import TradeLifecycle, TradeState
from workers import InlinePool

from tests.fakes import EXPIRY, START, FakeAlerts, FakeVenue, a_trade, an_option


def holding(qty: str, number: int = 1) -> TradeLifecycle:
    trade = a_trade(trade=number)
    return replace(trade, state=TradeState.OPEN, legs=(replace(trade.legs[0], opened=Decimal(qty), target=Decimal(qty)),))


def a_row(qty: str, fee: str = "3", side: Side = Side.SELL) -> Settlement:
    return Settlement(
        symbol=an_option().symbol, side=side, qty=Decimal(qty), price=Decimal(71000), cash=Decimal(-1000), fee=Decimal(fee), at=EXPIRY
    )


def a_desk(*rows: Settlement) -> tuple[SettlementDesk, FakeVenue, FakeAlerts]:
    venue, alerts = FakeVenue(SimulatedClock(START)), FakeAlerts()
    venue.settled.extend(rows)
    return SettlementDesk(venue, InlinePool(), alerts), venue, alerts


def settle(desk: SettlementDesk, trade: TradeLifecycle, seconds: float = 0) -> tuple[LegSettled, ...]:
    return desk.settle(trade, EXPIRY + timedelta(seconds=seconds))


def test_nothing_is_asked_before_expiry() -> None:
    desk, venue, _ = a_desk()
    assert desk.settle(holding("1"), START) == ()
    assert venue.asked["settlements"] == 0


def test_l33_a_leg_is_settled_at_the_venues_price() -> None:
    desk, _, _ = a_desk(a_row("1"))
    settle(desk, holding("1"))
    (event,) = settle(desk, holding("1"), 1)
    assert (event.qty, event.price, event.fee) == (Decimal(1), Decimal(71000), Decimal(3))


def test_two_trades_on_one_position_share_its_fee_and_no_more() -> None:
    desk, _, _ = a_desk(a_row("1"))
    settle(desk, holding("0.4"))
    fees = [settle(desk, holding(qty))[0].fee for qty in ("0.4", "0.6")]
    assert fees == [Decimal("1.2"), Decimal("1.8")]


def test_a_position_that_is_settled_in_parts_is_one_settlement() -> None:
    desk, _, _ = a_desk(a_row("0.4", "1"), a_row("0.6", "2"))
    settle(desk, holding("1"))
    (event,) = settle(desk, holding("1"))
    assert (event.qty, event.fee) == (Decimal(1), Decimal(3))


def test_less_than_we_hold_is_no_settlement_and_calls_a_person() -> None:
    desk, _, alerts = a_desk(a_row("0.5"))
    settle(desk, holding("1"))
    assert settle(desk, holding("1"), 1000) == ()
    assert alerts.about("settlement missing")


def test_a_settlement_of_the_other_side_is_not_ours() -> None:
    desk, _, _ = a_desk(a_row("1", side=Side.BUY))
    settle(desk, holding("1"))
    assert settle(desk, holding("1")) == ()


def test_a_failed_answer_is_not_an_empty_one_and_is_asked_for_again() -> None:
    desk, venue, alerts = a_desk(a_row("1"))
    venue.reads_fail = True
    assert settle(desk, holding("1")) == ()
    venue.reads_fail = False
    assert settle(desk, holding("1"), 5) == ()
    assert venue.asked["settlements"] == 1
    settle(desk, holding("1"), 10)
    assert len(settle(desk, holding("1"), 11)) == 1
    assert alerts.raised == []
