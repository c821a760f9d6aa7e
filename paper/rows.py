"""What the exchange tells: rows for its clients and, complete and keyed, rows for its store.

Prices are USD per coin, quantities coins, money USD, all Decimal and exact; moments are aware. Every row is a msgspec struct, so
msgspec.json writes it and reads it back unchanged.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Generic, TypeVar

import msgspec

from domain import Greeks, Option, OrderType, Side, TimeInForce
from paper.block_rows import BlockQuoteRow, BlockRow, RequestRow
from paper.countdown import CountdownRow
from paper.mmp import ProtectionRow
from paper.rules import OrderState, Refused, Stp

R = TypeVar("R")


class MetaRow(msgspec.Struct, frozen=True, kw_only=True):
    """The exchange as a whole: its last moment, its last heartbeat and the next free number."""

    now: datetime
    advanced: datetime
    next_id: int


class AccountRow(msgspec.Struct, frozen=True, kw_only=True):
    """An account and its cash. Key: user."""

    user: int
    name: str
    cash: Decimal


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """An order, cumulative values included. Key: order_id.

    fee and realised are sums over its fills (realised without fees); premium is price x qty summed over fills; margin is the initial
    margin its working part would need by itself. priority, frozen_fee, cancel_at and cancel_due matter to the engine only.
    """

    order_id: int
    client_id: int | None
    user: int
    symbol: str
    underlying: str
    side: Side
    qty: Decimal
    filled: Decimal
    price: Decimal | None
    avg_price: Decimal | None
    order_type: OrderType
    time_in_force: TimeInForce | None
    state: OrderState
    reduce_only: bool
    mmp: bool
    stp: Stp
    fee: Decimal
    realised: Decimal
    premium: Decimal
    created: datetime
    updated: datetime
    margin: Decimal
    index: Decimal
    liquidation: bool
    limit: Decimal
    slippage: Decimal | None
    priority: int
    frozen_fee: int
    cancel_at: datetime | None = None
    cancel_due: datetime | None = None

    @property
    def remaining(self) -> Decimal:
        """Return what is not filled (working, or given up where the order is final)."""
        return self.qty - self.filled


class MatchRow(msgspec.Struct, frozen=True, kw_only=True):
    """One match of which at least one side is a user's; an order id is None where the house stands. Key: trade_id."""

    trade_id: int
    symbol: str
    at: datetime
    price: Decimal
    qty: Decimal
    taker_side: Side
    taker_user: int
    taker_order: int | None
    taker_fee: Decimal
    maker_user: int
    maker_order: int | None
    maker_fee: Decimal
    mark: Decimal
    index: Decimal
    iv: float


class TradeRow(msgspec.Struct, frozen=True, kw_only=True):
    """A fill as one account sees it."""

    trade_id: int
    order_id: int
    client_id: int | None
    user: int
    symbol: str
    underlying: str
    side: Side
    order_type: OrderType
    price: Decimal
    qty: Decimal
    fee: Decimal
    is_taker: bool
    reduce_only: bool
    mmp: bool
    liquidation: bool
    mark: Decimal
    index: Decimal
    iv: float
    at: datetime


class HoldingRow(msgspec.Struct, frozen=True, kw_only=True):
    """A holding as the ledger keeps it: lots and cost signed, flat ones included. Key: user, symbol."""

    position_id: int
    user: int
    symbol: str
    lots: int
    cost: Decimal
    realised: Decimal
    order_id: int
    updated: datetime


class ExerciseRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a holding was settled for; cash flows are positive when received, the fee is apart. Key: exercise_id."""

    exercise_id: int
    user: int
    symbol: str
    side: Side
    qty: Decimal
    strike: Decimal
    settlement: Decimal
    open_cash_flow: Decimal
    settlement_cash_flow: Decimal
    net_cash_flow: Decimal
    fee: Decimal
    at: datetime


class QuoteRow(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What is left of the market's quantity at a place in the queue, in ticks and lots."""

    side: int
    price: int
    lots: int
    priority: int


class BookRow(msgspec.Struct, frozen=True, kw_only=True):
    """An option that was traded here, and what is left of the market's ladder of view_at. Key: symbol."""

    symbol: str
    option: Option
    view_at: datetime | None
    looked: datetime | None
    expired: bool
    last_price: Decimal | None
    quotes: list[QuoteRow]


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """Every row touched since the last drain, complete, to be upserted by its key in one transaction."""

    meta: MetaRow
    accounts: list[AccountRow]
    orders: list[OrderRow]
    trades: list[MatchRow]
    positions: list[HoldingRow]
    exercises: list[ExerciseRow]
    books: list[BookRow]
    requests: list[RequestRow] = []
    quotes: list[BlockQuoteRow] = []
    blocks: list[BlockRow] = []
    countdowns: list[CountdownRow] = []
    protections: list[ProtectionRow] = []

    @property
    def empty(self) -> bool:
        """Tell whether nothing but time has moved."""
        return not (
            self.accounts
            or self.orders
            or self.trades
            or self.positions
            or self.exercises
            or self.books
            or self.requests
            or self.quotes
            or self.blocks
            or self.countdowns
            or self.protections
        )


class Image(Changes, frozen=True, kw_only=True):
    """Every row there is: what a snapshot holds and what a store reads back."""


class PositionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A holding at the present mark: qty is positive, side tells the direction; Greeks are of the whole holding, signed.

    locked is what closing orders reserve; upnl and roi are measured at the last trade (the mark where there was none), upnl_mark and
    roi_mark at the mark; roi is a fraction of the entry cost.
    """

    position_id: int
    order_id: int
    user: int
    symbol: str
    underlying: str
    side: Side
    qty: Decimal
    locked: Decimal
    avg_price: Decimal
    mark: Decimal
    last_price: Decimal | None
    index: Decimal
    value: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    upnl: Decimal
    upnl_mark: Decimal
    roi: Decimal
    roi_mark: Decimal
    realised: Decimal
    greeks: Greeks
    updated: datetime


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """An account's numbers, USD; ratios are fractions cut to 6 decimals. Source: Coincall API 14.7."""

    user: int
    equity: Decimal
    cash: Decimal
    option_value: Decimal
    unrealized: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    margin_balance: Decimal
    available: Decimal
    frozen_fees: Decimal
    im_ratio: Decimal
    mm_ratio: Decimal


class TapeRow(msgspec.Struct, frozen=True, kw_only=True):
    """A public trade; side is the taker's."""

    trade_id: int
    symbol: str
    price: Decimal
    qty: Decimal
    side: Side
    at: datetime


class DeliveryRow(msgspec.Struct, frozen=True, kw_only=True):
    """The settlement price of a day."""

    date: date
    price: Decimal


class Page(msgspec.Struct, Generic[R], frozen=True, kw_only=True):
    """Rows newest first, and whether there are older (has_next) and newer (has_prev) ones."""

    rows: list[R]
    has_next: bool
    has_prev: bool


class CancelResult(msgspec.Struct, frozen=True, kw_only=True):
    """How one cancel of many went; refused is None when it was taken."""

    order_id: int | None
    client_id: int | None
    refused: Refused | None = None


class OrderChanged(msgspec.Struct, frozen=True, kw_only=True):
    """An order changed; values are of that moment, trade is the match that caused it."""

    user: int
    order: OrderRow
    trade: TradeRow | None = None


class PositionChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A holding changed; opened and closed tell whether it came into being or ended."""

    user: int
    symbol: str
    opened: bool
    closed: bool


class BalanceChanged(msgspec.Struct, frozen=True, kw_only=True):
    """An account's cash changed."""

    user: int


class Printed(msgspec.Struct, frozen=True, kw_only=True):
    """A trade went over the public tape."""

    tape: TapeRow


class RequestChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A request for quotes changed; `marks` are its legs' mark prices then, None where there is none. Makers other than the one it was
    traded with see a filled one as traded away."""

    request: RequestRow
    marks: list[Decimal | None]


class BlockQuoteChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A block quote changed; taker is the owner of its request."""

    taker: int
    quote: BlockQuoteRow


class BlockTraded(msgspec.Struct, frozen=True, kw_only=True):
    """A block was traded."""

    block: BlockRow


Event = OrderChanged | PositionChanged | BalanceChanged | Printed | RequestChanged | BlockQuoteChanged | BlockTraded
