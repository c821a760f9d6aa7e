"""Orders and what becomes of them, in our own words whichever venue they go to."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from domain.enums import OrderStatus, OrderType, Purpose, Side, TimeInForce
from domain.market import Option
from errors import ConfigError


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
    """An order as decided, before it is sent."""

    client_id: ClientOrderId
    instrument: Option
    side: Side
    qty: Decimal
    price: Decimal
    order_type: OrderType = OrderType.LIMIT
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False


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


class WhenIncomplete(StrEnum):
    """What to do with a structure of which only a part could be opened."""

    UNWIND = "unwind"
    HOLD = "hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionParams:
    """How a limit execution chases its fills.

    A leg is quoted at its mid; each `fill_timeout_seconds` without a full fill it is quoted again, a step further towards
    the market, in `max_requote_rounds` steps up to `aggressive_buffer_pct` per cent past mid. `when_incomplete` says what
    happens to the filled part of a structure that could not be opened whole: `unwind` it (default) or `hold` it, managed.
    """

    fill_timeout_seconds: float = 30.0
    aggressive_buffer_pct: float = 2.0
    max_requote_rounds: int = 10
    when_incomplete: WhenIncomplete = WhenIncomplete.UNWIND

    def __post_init__(self) -> None:
        problems = [
            f"{name} must be {what}, not {value!r}"
            for name, value, what, good in (
                ("fill_timeout_seconds", self.fill_timeout_seconds, "above zero", self.fill_timeout_seconds > 0),
                ("aggressive_buffer_pct", self.aggressive_buffer_pct, "from 0 to 100", 0 <= self.aggressive_buffer_pct <= 100),
                ("max_requote_rounds", self.max_requote_rounds, "1 or more", self.max_requote_rounds >= 1),
            )
            if not good
        ]
        if problems:
            raise ConfigError(f"ExecutionParams: {problem}" for problem in problems)
        object.__setattr__(self, "when_incomplete", WhenIncomplete(self.when_incomplete))
