"""Coincall's shapes of blocks that were traded: at acceptance, listed whole, leg by leg, or anybody's.

Its one rule: what was traded stays traded, so legs that cannot be read are fills that are not known yet. Moments are told by the
venue's clock. Source: Coincall API 8.6, 8.12, 8.13, 8.14.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import msgspec
from loguru import logger

from clock import from_ms
from domain import BlockTrade, Fill, QuotedLeg, Side
from errors import MalformedResponse
from exchanges.coincall.wire import Page, Row, reader
from exchanges.coincall.wire_rfq import ROLES, SIDES, Id, QuotedRow, Role, text_of


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockLine:
    """A block of ours as the venue lists it: our role in it, and its fills from our side."""

    role: Role | None
    at: datetime
    block: BlockTrade


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockLeg:
    """One leg of a block of ours, listed by itself."""

    block_id: str
    request_id: str | None
    role: Role | None
    fill: Fill


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicBlock:
    """Anybody's block: the direction of its structure, price (USD per coin) and coins of one structure, and its legs."""

    request_id: str | None
    side: Side | None
    price: Decimal | None
    qty: Decimal | None
    description: str | None
    at: datetime
    legs: tuple[QuotedLeg, ...]


class _TradedLeg(QuotedRow, frozen=True):
    order_id: Id | None = None
    trade_id: Id | None = None
    fee: Decimal | None = None
    create_time: int | None = None

    def fill(self, at: int | None, role: Role | None) -> Fill:
        """Say it in our words; the fee is USD, positive when paid."""
        time = self.create_time if self.create_time is not None else at
        if self.order_id is None or self.trade_id is None or self.fee is None or time is None or not self.fee.is_finite():
            raise ValueError(f"leg {self.instrument_name} has order {self.order_id}, trade {self.trade_id}, fee {self.fee}, time {time}")
        return Fill(
            id=str(self.trade_id),
            order_id=str(self.order_id),
            symbol=self.instrument_name,
            side=self.direction,
            qty=self.coins,
            price=self._paid(),
            fee=self.fee,
            at=from_ms(time),
            is_taker=None if role is None else role is Role.TAKER,
        )

    def _paid(self) -> Decimal:
        """Return the price; one that was cut down to its tick may be zero (API 8.8)."""
        if self.price is None or not self.price.is_finite() or self.price < 0:
            raise ValueError(f"leg {self.instrument_name} has price {self.price}")
        return self.price


class _Accepted(Row, frozen=True):
    legs: tuple[_TradedLeg, ...]
    block_trade_id: Id | None = None
    request_id: Id | None = None
    quote_id: Id | None = None
    role: str | None = None

    def block(self) -> BlockTrade:
        """Say it in our words; we are its taker. A block has the number of its quote where it names none."""
        number = text_of(self.block_trade_id if self.block_trade_id is not None else self.quote_id)
        if number is None:
            raise ValueError("the block has neither blockTradeId nor quoteId")
        return BlockTrade(
            block_id=number,
            request_id=text_of(self.request_id),
            quote_id=text_of(self.quote_id),
            fills=_fills(self.legs, None, ROLES.get(self.role or "", Role.TAKER)),
        )


def _fills(legs: tuple[_TradedLeg, ...], at: int | None, role: Role | None) -> tuple[Fill, ...]:
    """Return one fill per leg; raise ValueError for none, and where two share the id by which a fill is told from its repetition."""
    fills = tuple(leg.fill(at, role) for leg in legs)
    if not fills or len({fill.id for fill in fills}) < len(fills):
        raise ValueError(f"{len(fills)} legs with the trade ids {[fill.id for fill in fills]}")
    return fills


class _Block(Row, frozen=True):
    block_trade_id: Id
    request_id: Id
    create_time: int
    legs: msgspec.Raw = msgspec.Raw(b"null")
    quote_id: Id | None = None
    role: str | None = None

    def line(self) -> BlockLine:
        """Say it in our words; it was traded, so legs that cannot be read are fills that are not known yet."""
        role = ROLES.get(self.role or "")
        fills: tuple[Fill, ...] | None = None
        try:
            fills = _fills(_read_legs(bytes(self.legs)), self.create_time, role)
        except (MalformedResponse, ValueError, ArithmeticError) as error:
            logger.warning("coincall block traded, its legs cannot be read id={} reason={}", self.block_trade_id, error)
        block = BlockTrade(block_id=str(self.block_trade_id), request_id=str(self.request_id), quote_id=text_of(self.quote_id), fills=fills)
        return BlockLine(role=role, at=from_ms(self.create_time), block=block)


class _Blocks(Row, frozen=True):
    has_next: bool
    rows: list[_Block] = msgspec.field(name="list")


class _BlockLeg(Row, frozen=True):
    blocktrade_id: Id
    symbol: str
    side: Id
    price: Decimal
    qty: Decimal
    order_id: Id
    trade_id: Id
    fee: Decimal
    create_time: int
    request_id: Id | None = None
    role: str | None = None

    def leg(self) -> BlockLeg:
        """Say it in our words."""
        role = ROLES.get(self.role or "")
        traded = _TradedLeg(
            instrument_name=self.symbol,
            side=self.side,
            quantity=self.qty,
            price=self.price,
            order_id=self.order_id,
            trade_id=self.trade_id,
            fee=self.fee,
        )
        return BlockLeg(
            block_id=str(self.blocktrade_id), request_id=text_of(self.request_id), role=role, fill=traded.fill(self.create_time, role)
        )


class _BlockLegs(Row, frozen=True):
    has_next: bool
    rows: list[_BlockLeg] = msgspec.field(name="list")


class _PublicBlock(Row, frozen=True):
    create_time: int
    legs: tuple[QuotedRow, ...]
    request_id: Id | None = None
    trade_side: Id | None = None
    strategy_price: Decimal | None = None
    strategy_quantity: Decimal | None = None
    description: str | None = None

    def block(self) -> PublicBlock:
        """Say it in our words; the price of a structure may be negative."""
        return PublicBlock(
            request_id=text_of(self.request_id),
            side=SIDES.get(str(self.trade_side).upper()),
            price=self.strategy_price,
            qty=self.strategy_quantity,
            description=self.description,
            at=from_ms(self.create_time),
            legs=tuple(leg.quoted() for leg in self.legs),
        )


class _PublicBlocks(Row, frozen=True):
    has_next: bool
    rows: list[_PublicBlock] = msgspec.field(name="list")


def _blocks(page: _Blocks) -> Page[BlockLine]:
    cursor = min((int(row.block_trade_id) for row in page.rows), default=None)
    return Page(tuple(row.line() for row in page.rows), page.has_next, cursor)


def _block_legs(page: _BlockLegs) -> Page[BlockLeg]:
    cursor = min((int(row.blocktrade_id) for row in page.rows), default=None)
    return Page(tuple(row.leg() for row in page.rows), page.has_next, cursor)


_read_legs = reader(tuple[_TradedLeg, ...], "block", lambda legs: legs)
parse_accepted = reader(_Accepted, "block", _Accepted.block)
parse_blocks = reader(_Blocks, "blocks", _blocks)
parse_block_legs = reader(_BlockLegs, "block legs", _block_legs)
parse_public_blocks = reader(_PublicBlocks, "public blocks", lambda page: Page(tuple(row.block() for row in page.rows), page.has_next))
