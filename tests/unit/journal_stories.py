"""Builders for the tests of the journal: events as a trade's life brings them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from clock import SimulatedClock
from domain import ClientOrderId, ExecutionMode, ExecutionParams, Fill, NewOrder, Option, OptionType, OrderStatus, Purpose, Side
from events import (
    AnyEvent,
    CloseCompleted,
    CloseNotified,
    LegFilled,
    LegPlan,
    OpenCompleted,
    OpenStarted,
    OrderAccepted,
    OrderIntended,
    OrderSettled,
    StrategyChanged,
    TradeCreated,
)
from journal import OpenedJournal, open_journal

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def later(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def an_option(strike: int = 100_000) -> Option:
    return Option(
        symbol=f"BTCUSD-28MAR26-{strike}-C",
        underlying="BTC",
        tick=Decimal("0.1"),
        lot=Decimal("0.01"),
        option_type=OptionType.CALL,
        strike=Decimal(strike),
        expiry=datetime(2026, 3, 28, 8, tzinfo=UTC),
    )


def an_order_id(trade: int = 1, purpose: Purpose = Purpose.OPEN, desk: int = 42) -> ClientOrderId:
    return ClientOrderId(desk=desk, trade=trade, leg=0, purpose=purpose, attempt=1)


def a_birth(trade: int = 1, strategy: str = "strangle", at: datetime = NOON) -> TradeCreated:
    plan = LegPlan(option=an_option(), side=Side.SELL, qty=Decimal("0.4"))
    return TradeCreated(at=at, trade=trade, strategy=strategy, legs=(plan,), mode=ExecutionMode.LIMIT, params=ExecutionParams())


def an_intent(trade: int = 1, purpose: Purpose = Purpose.OPEN, at: datetime = NOON, desk: int = 42) -> OrderIntended:
    client_id = an_order_id(trade, purpose, desk)
    side = Side.SELL if purpose is Purpose.OPEN else Side.BUY
    new = NewOrder(client_id=client_id, instrument=an_option(), side=side, qty=Decimal("0.4"), price=Decimal("1510.5"))
    return OrderIntended(at=at, order=str(client_id), new=new)


def a_fill(trade: int = 1, purpose: Purpose = Purpose.OPEN, qty: str = "0.4", at: datetime = NOON) -> LegFilled:
    side = Side.SELL if purpose is Purpose.OPEN else Side.BUY
    fill = Fill(
        id=f"f-{trade}-{purpose}",
        order_id="1",
        symbol=an_option().symbol,
        side=side,
        qty=Decimal(qty),
        price=Decimal("1510.5"),
        fee=Decimal("0.3"),
        at=at,
    )
    return LegFilled(at=at, trade=trade, leg=0, order=str(an_order_id(trade, purpose)), fill=fill)


def settled(trade: int = 1, purpose: Purpose = Purpose.OPEN, at: datetime = NOON) -> OrderSettled:
    return OrderSettled(at=at, order=str(an_order_id(trade, purpose)), status=OrderStatus.FILLED, filled=Decimal("0.4"))


def an_open_trade(trade: int = 1, at: datetime = NOON) -> list[AnyEvent]:
    accepted = OrderAccepted(at=at, order=str(an_order_id(trade)), order_id="1")
    opened: list[AnyEvent] = [
        OpenStarted(at=at, trade=trade),
        an_intent(trade, at=at),
        accepted,
        a_fill(trade, at=at),
        settled(trade, at=at),
    ]
    return [a_birth(trade, at=at), *opened, OpenCompleted(at=at, trade=trade)]


def a_closed_trade(trade: int = 1, at: datetime = NOON) -> list[AnyEvent]:
    out = Purpose.CLOSE
    closed: list[AnyEvent] = [
        an_intent(trade, out, at),
        a_fill(trade, out, at=at),
        settled(trade, out, at),
        CloseCompleted(at=at, trade=trade),
    ]
    return [*an_open_trade(trade, at), *closed, CloseNotified(at=at, trade=trade)]


def a_pause(strategy: str = "strangle", state: str = "paused", at: datetime = NOON) -> StrategyChanged:
    return StrategyChanged(at=at, strategy=strategy, state=state, reason="by hand")


def opened_in(directory: Path) -> OpenedJournal:
    return open_journal(directory, SimulatedClock(NOON))
