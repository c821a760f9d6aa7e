"""Orders and what becomes of them, in our own words whichever venue they go to."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from domain.enums import OrderStatus, OrderType, Purpose, Side, TimeInForce
from domain.market import Option


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOrderId:
    """Who an order is: our installation (desk, 0 to 9999), trade, leg, purpose and attempt; written `ct-0042-17-0-o-3`."""

    desk: int
    trade: int
    leg: int
    purpose: Purpose
    attempt: int

    def __str__(self) -> str:
        return f"ct-{self.desk:04d}-{self.trade}-{self.leg}-{self.purpose}-{self.attempt}"

    @classmethod
    def parse(cls, text: str) -> "ClientOrderId":
        """Read the written form; raise ValueError for anything else."""
        match text.split("-"):
            case ["ct", desk, trade, leg, purpose, attempt]:
                return cls(desk=int(desk), trade=int(trade), leg=int(leg), purpose=Purpose(purpose), attempt=int(attempt))
            case _:
                raise ValueError(f"{text!r} is not one of our client order ids")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """An order as decided, before it is sent; `mmp` counts it for the account's market-maker protection."""

    client_id: ClientOrderId
    instrument: Option
    side: Side
    qty: Decimal
    price: Decimal
    order_type: OrderType = OrderType.LIMIT
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    mmp: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """What the venue says of an order; client_id is None where it is not ours. `filled` is cumulative."""

    client_id: ClientOrderId | None
    order_id: str
    symbol: str
    side: Side
    qty: Decimal
    filled: Decimal
    status: OrderStatus
    price: Decimal | None = None
    avg_price: Decimal | None = None
    fee: Decimal | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One match of one order: quantity (coins), price (USD per coin), fee (USD, positive is paid)."""

    id: str
    order_id: str
    symbol: str
    side: Side
    qty: Decimal
    price: Decimal
    fee: Decimal
    at: datetime
    is_taker: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What the venue paid or took for a holding at expiry: settlement price (USD index), cash (USD, positive received), fee (USD paid)."""

    symbol: str
    side: Side
    qty: Decimal
    price: Decimal
    cash: Decimal
    fee: Decimal
    at: datetime
