"""What the exchange allows and how it says no: its numbers, its refusals, and the orders it takes.

Codes and texts are Coincall's own (API 13); limits and rates are those of a regular user (API 14).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import IntEnum, StrEnum
from types import MappingProxyType

import msgspec

from domain import OrderType, Side, TimeInForce

MESSAGES: Mapping[int, str] = MappingProxyType(
    {
        10000: "Try again later",
        10004: "Parameter illegal",
        10529: "Insufficient available balance.",
        10531: "Order price is higher than the maximum limit {0}.",
        10532: "Order price is lower than the minimum limit {0}.",
        10534: "Order size exceeds the maximum limit per order.",
        10535: "The number of orders exceeds the maximum limit.",
        10536: "Insufficient open positions.",
        10540: "Order has expired.",
        10558: "The quantity in the request parameters is less than the minimum allowed..",
        10568: "Account does not exist.",
        10573: "Parameter {0} error.",
        10574: "Instrument ID does not exist.",
        10575: "Either client order ID or order ID is required.",
        10577: "Duplicated client order ID.",
        10584: "Order does not exist.",
        10619: "reject.order,Please check if the countdown setting needs to be reset. see "
        "https://docs.coincall.com/#public-endpoints-reset-countdown-settings",
        11101: "Cancellation failed, order has already been cancelled",
        11102: "Cancellation failed, order has been filled",
        12011: "Market order does not support timeInForce parameter",
        12012: "You have entered an invalid timeInForce value,Supported values: GTC | IOC,"
        "The TimeInForce parameter in your request is incorrect. Please check this parameter.",
        12013: "Market order does not support 'price' parameter",
        40037: "IM more than 100%",
        50012: "Block trade quote exist",
        50014: "Block trade quote is not valid,Block trade quote does not match with seek",
        60008: "MMP is not enabled，Please check the configuration: is MMP enabled?",
    }
)


class Refused(Exception):
    """The exchange refuses a command and nothing has changed; code and message are those of the wire."""

    def __init__(self, code: int, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(f"{code} {message}")


def refusal(code: int, about: object = "") -> Refused:
    """Return the refusal with the venue's text for code, `{0}` filled with about."""
    return Refused(code, MESSAGES.get(code, "refused").replace("{0}", str(about)))


class OrderState(IntEnum):
    """Where an order stands, with the numbers of the wire. Source: Coincall API 12.1."""

    ILLEGAL = -10
    PRE = -1
    NEW = 0
    FILLED = 1
    PARTIALLY_FILLED = 2
    CANCELED = 3
    PRE_CANCEL = 4
    CANCELING = 5
    INVALID = 6
    CANCEL_BY_EXERCISE = 10

    @property
    def final(self) -> bool:
        """Tell whether nothing more can happen to the order."""
        return self in FINAL


FINAL = frozenset({OrderState.FILLED, OrderState.CANCELED, OrderState.INVALID, OrderState.CANCEL_BY_EXERCISE, OrderState.ILLEGAL})


class Stp(IntEnum):
    """Which order goes when two of one account meet; 0 is the default and means both. Source: Coincall API 12.6."""

    DEFAULT = 0
    MAKER = 1
    TAKER = 2
    BOTH = 3


class OrderRequest(msgspec.Struct, frozen=True):
    """An order as asked for: price in USD per coin (None for market), qty in coins, slippage in per cent of the best price."""

    symbol: str
    side: Side
    qty: Decimal
    price: Decimal | None = None
    order_type: OrderType = OrderType.LIMIT
    time_in_force: TimeInForce | None = None
    client_id: int | None = None
    stp: Stp = Stp.DEFAULT
    reduce_only: bool = False
    mmp: bool = False
    slippage: Decimal | None = None


class Faults(msgspec.Struct):
    """What goes wrong for one account: a rehearsal's menu. All off by default.

    A cancel takes `cancel_takes` (state 4, from half-way 5; the order can still fill); with `fill_while_cancelling` what is left
    of a cancelled order fills at its price before the cancel ends. With `one_lot_only` a marketable order finds one lot and the
    rest of the crossing quotes withdrawn. Each code of `refuse_next` refuses one place, amend, cancel or block command. With `stuck_in` a
    cancel stays in state 4 or 5 (the order can still fill) until this menu is replaced; then it ends when due.

    The simulated makers, to requests of this account: `makers_silent` sends no quotes, `makers_late` answers so much later,
    `makers_worse_pct` prices each leg so many per cent worse for the taker than the book (better where negative), `makers_vanish`
    pulls every quote at the moment of acceptance.
    """

    cancel_takes: timedelta | None = None
    fill_while_cancelling: bool = False
    one_lot_only: bool = False
    refuse_next: list[int] = []
    stuck_in: OrderState | None = None
    makers_silent: bool = False
    makers_late: timedelta = timedelta(0)
    makers_worse_pct: Decimal | None = None
    makers_vanish: bool = False


class Ids(StrEnum):
    """How the block endpoints write their numbers: as the venue does (whole on quote/create, texts elsewhere), or all alike."""

    DOCUMENTED = "documented"
    TEXT = "text"
    NUMBER = "number"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRules:
    """Rates (fractions), limits and manners of block trades by request for quote; min_notional is strike x coins summed, USD.

    With `sells_refused` a request of which every leg is a SELL is refused. `quote_per_side` lets a maker hold one open quote per side
    of a request, else one per request. With `combo_discount` only legs stated as BUY pay a fee. `takers_may_list` serves rfqList to
    accounts that are no makers, else HTTP 404. `forms_only` refuses JSON on request cancel and accept (10004), `json_only` a form on
    quote/cancel (10000). Sources: Coincall API 8.1, 8.2, 14.3, 14.4, 14.9, 16.
    """

    maker_fee: Decimal = Decimal("0.0001")
    taker_fee: Decimal = Decimal("0.0003")
    combo_discount: bool = False
    min_notional: Decimal = Decimal(50_000)
    sells_refused: bool = True
    quote_per_side: bool = True
    request_life: timedelta = timedelta(hours=1)
    quote_life: timedelta = timedelta(minutes=5)
    max_legs: int = 20
    takers_may_list: bool = True
    forms_only: bool = False
    json_only: bool = False
    ids: Ids = Ids.DOCUMENTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Rates (fractions) and limits (coins) of the exchange. Rates are whole millionths.

    Sources: Coincall API 14.1 to 14.3; liquidation fee 0.19 % from Coincall support article 24626049841945.
    """

    maker_fee: Decimal = Decimal("0.0003")
    taker_fee: Decimal = Decimal("0.0003")
    premium_cap: Decimal = Decimal("0.125")
    delivery_fee: Decimal = Decimal("0.00015")
    liquidation_fee: Decimal = Decimal("0.0019")
    slippage: Decimal = Decimal(5)
    max_open_orders: int = 200
    max_limit_qty: Mapping[str, Decimal] = field(default_factory=lambda: {"BTC": Decimal(1000), "ETH": Decimal(10000)})
    max_market_qty: Mapping[str, Decimal] = field(default_factory=lambda: {"BTC": Decimal(100), "ETH": Decimal(1000)})
    other_max_limit_qty: Decimal = Decimal(100000)
    other_max_market_qty: Decimal = Decimal(10000)
    trading_stop: timedelta = timedelta(0)
    block: BlockRules = field(default_factory=BlockRules)
