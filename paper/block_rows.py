"""Requests for quotes, block quotes and block trades as rows: what the board consists of, what a store keeps. See paper.rows."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from domain import Side


class RequestState(StrEnum):
    """Where a request for quotes stands, in the venue's words. Source: Coincall API 12.4."""

    ACTIVE = "ACTIVE"
    CANCELLED = "CANCELLED"
    FILLED = "FILLED"
    EXPIRED = "EXPIRED"
    TRADED_AWAY = "TRADED_AWAY"


class QuoteState(StrEnum):
    """Where a block quote stands, in the venue's words. Source: Coincall API 12.4."""

    OPEN = "OPEN"
    CANCELLED = "CANCELLED"
    FILLED = "FILLED"
    EXPIRED = "EXPIRED"


class StatedLeg(msgspec.Struct, frozen=True):
    """One leg of a request: its direction as the taker states it, and coins."""

    symbol: str
    side: Side
    qty: Decimal


class PricedLeg(msgspec.Struct, frozen=True):
    """One leg of a block quote: `side` is the maker's action, `price` on the tick, `asked` as the maker wrote it, USD per coin."""

    symbol: str
    side: Side
    qty: Decimal
    price: Decimal
    asked: Decimal


class RequestRow(msgspec.Struct, frozen=True, kw_only=True):
    """A taker's request for quotes. Key: request_id."""

    request_id: int
    user: int
    state: RequestState
    legs: list[StatedLeg]
    created: datetime
    expires: datetime
    updated: datetime


class BlockQuoteRow(msgspec.Struct, frozen=True, kw_only=True):
    """A maker's offer for every leg of a request. With side SELL the maker acts against each leg as stated. Key: quote_id."""

    quote_id: int
    request_id: int
    user: int
    side: Side
    state: QuoteState
    legs: list[PricedLeg]
    created: datetime
    expires: datetime
    updated: datetime


class BlockLeg(msgspec.Struct, frozen=True, kw_only=True):
    """One leg of a block trade; `side` is the taker's, profits are realised ones without fees."""

    symbol: str
    underlying: str
    side: Side
    qty: Decimal
    price: Decimal
    mark: Decimal
    index: Decimal
    iv: float
    trade_id: int
    taker_order: int
    maker_order: int
    taker_fee: Decimal
    maker_fee: Decimal
    taker_profit: Decimal
    maker_profit: Decimal


class BlockRow(msgspec.Struct, frozen=True, kw_only=True):
    """A block that was traded; `side` is the taker's direction of the structure, `asked` the quote's uncut prices. Key: block_id."""

    block_id: int
    request_id: int
    quote_id: int
    taker: int
    maker: int
    side: Side
    legs: list[BlockLeg]
    asked: list[Decimal]
    at: datetime
