"""Builders of plain values: an option and its quote, a trade, its orders and their fills, an account."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from domain import (
    AccountSnapshot,
    ClientOrderId,
    ExecutionMode,
    ExecutionParams,
    Fill,
    Greeks,
    NewOrder,
    Option,
    OptionType,
    PositionSnapshot,
    Purpose,
    Quote,
    Side,
)
from events import LegFilled, LegPlan, TradeCreated
from trade_lifecycle import TradeLifecycle, created

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
EXPIRY = datetime(2026, 3, 27, 8, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def an_option(
    strike: int = 70000,
    option_type: OptionType = OptionType.CALL,
    *,
    expiry: datetime = EXPIRY,
    tick: str = "0.5",
    lot: str = "0.01",
) -> Option:
    """A BTC option, named as Coincall names it."""
    symbol = f"BTCUSD-{expiry:%d%b%y}-{strike}-{option_type}".upper()
    return Option(
        symbol=symbol,
        underlying="BTC",
        tick=Decimal(tick),
        lot=Decimal(lot),
        option_type=option_type,
        strike=Decimal(strike),
        expiry=expiry,
    )


def a_quote(
    option: Option | None = None,
    bid: str | None = "99",
    ask: str | None = "101",
    *,
    mark: str | None = "100",
    at: datetime = START,
    delta: float = 0.25,
) -> Quote:
    """A two-sided quote around 100 USD."""
    return Quote(
        option=option or an_option(),
        at=at,
        bid=None if bid is None else Decimal(bid),
        ask=None if ask is None else Decimal(ask),
        mark=None if mark is None else Decimal(mark),
        greeks=Greeks(delta=delta),
        underlying_price=Decimal(65000),
    )


def a_plan(option: Option | None = None, side: Side = Side.SELL, qty: str = "1") -> LegPlan:
    """One resolved leg: sell one call."""
    return LegPlan(option=option or an_option(), side=side, qty=Decimal(qty))


def a_created(
    *legs: LegPlan, trade: int = 1, strategy: str = "test", params: ExecutionParams | None = None, simulated: bool = False
) -> TradeCreated:
    """The event that begins a trade."""
    return TradeCreated(
        at=START,
        trade=trade,
        strategy=strategy,
        legs=legs or (a_plan(),),
        mode=ExecutionMode.LIMIT,
        params=params or ExecutionParams(),
        simulated=simulated,
    )


def a_trade(*legs: LegPlan, trade: int = 1, strategy: str = "test", params: ExecutionParams | None = None) -> TradeLifecycle:
    """A trade as it begins."""
    return created(a_created(*legs, trade=trade, strategy=strategy, params=params))


def a_name(leg: int = 0, purpose: Purpose = Purpose.OPEN, attempt: int = 1, trade: int = 1) -> ClientOrderId:
    """A client order id of desk 7."""
    return ClientOrderId(desk=7, trade=trade, leg=leg, purpose=purpose, attempt=attempt)


def an_order(
    name: ClientOrderId | None = None, option: Option | None = None, side: Side = Side.SELL, qty: str = "1", price: str = "100"
) -> NewOrder:
    """An order that fits a_trade."""
    name = name or a_name()
    return NewOrder(
        client_id=name,
        instrument=option or an_option(),
        side=side,
        qty=Decimal(qty),
        price=Decimal(price),
        reduce_only=name.purpose.reduces,
    )


def a_fill(
    qty: str = "1",
    price: str = "100",
    *,
    fee: str = "0.3",
    fill_id: str = "f1",
    order_id: str = "v1",
    side: Side = Side.SELL,
    at: datetime = START,
) -> Fill:
    """One match."""
    return Fill(
        id=fill_id, order_id=order_id, symbol=an_option().symbol, side=side, qty=Decimal(qty), price=Decimal(price), fee=Decimal(fee), at=at
    )


def filled(fill: Fill | None = None, name: ClientOrderId | None = None) -> LegFilled:
    """The event that books a fill."""
    fill, name = fill or a_fill(), name or a_name()
    return LegFilled(at=fill.at, trade=name.trade, leg=name.leg, order=str(name), fill=fill)


def a_position(option: Option, signed: str | Decimal) -> PositionSnapshot:
    """A holding; below zero is short."""
    qty = Decimal(signed)
    return PositionSnapshot(symbol=option.symbol, side=Side.BUY if qty > 0 else Side.SELL, qty=abs(qty), avg_price=Decimal(100))


def an_account(
    *quotes: Quote, now: datetime = START, at: datetime | None = None, positions: Sequence[PositionSnapshot] = (), valid: bool = True
) -> AccountSnapshot:
    """A known account that sees the quotes given."""
    return AccountSnapshot(
        valid=valid,
        now=now,
        at=at or now,
        equity=Decimal(100000),
        available_margin=Decimal(80000),
        positions=tuple(positions),
        quotes={quote.option.symbol: quote for quote in quotes},
    )
