"""How Coincall writes things down, read once and exactly: the envelope, ids, orders and fills.

Its one rule: the wire shape never leaves the file; what comes out is a domain value or MalformedResponse. Numbers may come as
numbers or strings, ids as integers or strings, null and "" both mean absent, unknown fields are ignored. The shapes of
the account and of the market stand in `wire_account` and `wire_market`. Source: Coincall API 1.2, 1.4.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import msgspec

from clock import from_ms
from domain import ClientOrderId, Fill, OrderReport, OrderStatus, Purpose, Side
from errors import MalformedResponse
from exchanges.coincall.codes import VENUE

T = TypeVar("T")
W = TypeVar("W")

# An empty string as a value: in valid JSON a colon and two quotes stand together nowhere else.
_EMPTY = re.compile(rb':\s*""')
_NO_VALUE = 1e300  # Java's Double.MAX_VALUE stands for "no value". Source: Coincall API 1.4


class Row(msgspec.Struct, rename="camel", frozen=True):
    """An object of the wire; a number in it that is not finite makes it malformed."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if type(value) is Decimal and not value.is_finite():
                raise ValueError(f"{name} is {value}")


def reader(shape: type[W], what: str, convert: Callable[[W], T]) -> Callable[[bytes], T]:
    """Return a function from JSON bytes of a shape to what convert makes of it; it raises MalformedResponse for anything else."""
    decoder = msgspec.json.Decoder(shape, strict=False)

    def read(body: bytes) -> T:
        try:
            return convert(decoder.decode(_EMPTY.sub(b":null", body) if b'""' in body else body))
        except (msgspec.MsgspecError, ValueError, ArithmeticError) as error:
            raise MalformedResponse(VENUE, what, f"{error} in {excerpt(body)}") from error

    return read


def excerpt(body: bytes) -> str:
    """Return the beginning of a body, for an error message."""
    return repr(body[:200].decode("utf-8", "replace"))


def moment(ms: int | None) -> datetime | None:
    """Return the moment of Unix milliseconds; None for none."""
    return None if ms is None else from_ms(ms)


def number(value: float | None) -> float | None:
    """Return value; None where it is absent, not a number, or the venue's way of saying that there is none."""
    return None if value is None or not math.isfinite(value) or abs(value) >= _NO_VALUE else value


# ---- the envelope


class Envelope(msgspec.Struct, rename="camel"):
    """What every answer is wrapped in: code 0 and data, or an error code and its words."""

    code: int
    msg: Any = None
    i18n_args: Any = msgspec.field(name="i18nArgs", default=None)
    data: msgspec.Raw = msgspec.Raw(b"null")

    @property
    def text(self) -> str:
        """Return the message with its arguments filled in."""
        text = "" if self.msg is None else str(self.msg)
        for index, arg in enumerate(self.i18n_args if isinstance(self.i18n_args, list) else ()):
            text = text.replace(f"{{{index}}}", str(arg))
        return text


parse_envelope = reader(Envelope, "envelope", lambda envelope: envelope)


# ---- ids

_PURPOSES: Mapping[str, Purpose] = MappingProxyType({"1": Purpose.OPEN, "2": Purpose.CLOSE, "3": Purpose.UNWIND})
_DIGITS: Mapping[Purpose, str] = MappingProxyType({purpose: digit for digit, purpose in _PURPOSES.items()})
_OURS = re.compile(r"7(\d{4})(\d{7})(\d{2})([123])(\d{4})")


def encode_client_id(client_id: ClientOrderId) -> int:
    """Return the id as the venue takes it: 7, desk (4 digits), trade (7), leg (2), purpose (1), attempt (4), a positive int64.

    Raises ValueError where a part does not fit its digits.
    """
    parts = ((client_id.desk, 4), (client_id.trade, 7), (client_id.leg, 2), (int(_DIGITS[client_id.purpose]), 1), (client_id.attempt, 4))
    if any(not 0 <= part < 10**digits for part, digits in parts):
        raise ValueError(f"{client_id} does not fit the 19 digits of a Coincall client order id")
    return int("7" + "".join(f"{part:0{digits}d}" for part, digits in parts))


def decode_client_id(number: int | None, order_id: int | None = None) -> ClientOrderId | None:
    """Return whose order it is; None for an id that is not ours, or that the venue made up by repeating its own order id."""
    found = None if number is None or number == order_id else _OURS.fullmatch(str(number))
    if found is None:
        return None
    desk, trade, leg, purpose, attempt = found.groups()
    return ClientOrderId(desk=int(desk), trade=int(trade), leg=int(leg), purpose=_PURPOSES[purpose], attempt=int(attempt))


# ---- pages


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows of a longer list, whether more follow, and the smallest id of these: the cursor of the next page."""

    rows: tuple[T, ...]
    has_more: bool
    cursor: int | None = None


# ---- orders and fills

# Source: Coincall API 12.1. A number that is not here is UNKNOWN, which is not final.
_STATUS: Mapping[int, OrderStatus] = MappingProxyType(
    {
        -10: OrderStatus.ILLEGAL,
        -2: OrderStatus.WAITING_EFFECT,
        -1: OrderStatus.PRE,
        0: OrderStatus.NEW,
        1: OrderStatus.FILLED,
        2: OrderStatus.PARTIALLY_FILLED,
        3: OrderStatus.CANCELED,
        4: OrderStatus.PRE_CANCEL,
        5: OrderStatus.CANCELING,
        6: OrderStatus.INVALID,
        10: OrderStatus.CANCEL_BY_EXERCISE,
    }
)


class _Order(Row, frozen=True):
    order_id: int
    symbol: str
    trade_side: Side
    qty: Decimal
    client_order_id: int | str | None = None
    fill_qty: Decimal | None = None
    remain_qty: Decimal | None = None
    price: Decimal | None = None
    avg_price: Decimal | None = None
    fee: Decimal | None = None
    state: int | None = None
    create_time: int | None = None

    def report(self) -> OrderReport:
        """Say it in our words; an average price belongs to a fill."""
        filled = self._filled()
        return OrderReport(
            client_id=decode_client_id(_as_int(self.client_order_id), self.order_id),
            order_id=str(self.order_id),
            symbol=self.symbol,
            side=self.trade_side,
            qty=self.qty,
            filled=filled,
            status=OrderStatus.UNKNOWN if self.state is None else _STATUS.get(self.state, OrderStatus.UNKNOWN),
            price=self.price,
            avg_price=self.avg_price if filled != 0 else None,
            fee=self.fee,
            created_at=moment(self.create_time),
        )

    def _filled(self) -> Decimal:
        if self.fill_qty is None and self.remain_qty is None:
            raise ValueError(f"order {self.order_id} has neither fillQty nor remainQty")
        filled = self.fill_qty if self.fill_qty is not None else self.qty - (self.remain_qty or 0)
        if filled < 0 or self.qty < 0:
            raise ValueError(f"order {self.order_id} has filled {filled} of {self.qty}")
        return filled


class _OpenOrder(_Order, frozen=True):
    def report(self) -> OrderReport:
        """Say it in our words; the list of open orders holds live ones only and may leave their state out."""
        found = _Order.report(self)
        live = OrderStatus.PARTIALLY_FILLED if found.filled != 0 else OrderStatus.NEW
        return found if self.state is not None else replace(found, status=live)


class _OpenOrders(Row, frozen=True):
    rows: list[_OpenOrder] = msgspec.field(name="list")
    page_total: int | None = None


class _OrderHistory(Row, frozen=True):
    has_next: bool
    rows: list[_Order] = msgspec.field(name="list")


class _Fill(Row, frozen=True):
    order_id: int
    trade_id: int
    symbol: str
    trade_side: Side
    qty: Decimal
    price: Decimal
    fee: Decimal
    time: int
    is_taker: bool | None = None

    def fill(self) -> Fill:
        """Say it in our words."""
        if self.qty <= 0:
            raise ValueError(f"fill {self.trade_id} is of {self.qty}")
        return Fill(
            id=str(self.trade_id),
            order_id=str(self.order_id),
            symbol=self.symbol,
            side=self.trade_side,
            qty=self.qty,
            price=self.price,
            fee=self.fee,
            at=from_ms(self.time),
            is_taker=self.is_taker,
        )


class _Fills(Row, frozen=True):
    has_next: bool
    rows: list[_Fill] = msgspec.field(name="list")


def _as_int(text: int | str | None) -> int | None:
    if isinstance(text, str):
        return int(text) if text.isascii() and text.isdigit() else None
    return text


def _history(page: _OrderHistory) -> Page[OrderReport]:
    cursor = min((row.order_id for row in page.rows), default=None)
    return Page(tuple(row.report() for row in page.rows), page.has_next, cursor)


def _fills(page: _Fills) -> Page[Fill]:
    cursor = min((row.trade_id for row in page.rows), default=None)
    return Page(tuple(row.fill() for row in page.rows), page.has_next, cursor)


def _open_orders(found: _OpenOrders) -> tuple[tuple[OrderReport, ...], int]:
    return tuple(row.report() for row in found.rows), found.page_total or 0


def parse_open_orders(body: bytes, page: int, size: int) -> Page[OrderReport]:
    """Read page number `page` of the open orders, asked for in pages of `size`; a full page is never taken for the last."""
    rows, pages = _read_open_orders(body)
    return Page(rows, has_more=bool(rows) and (len(rows) >= size or page < pages))


parse_order_id = reader(int, "order id", str)
parse_order = reader(_Order, "order", _Order.report)
parse_order_history = reader(_OrderHistory, "order history", _history)
parse_fills = reader(_Fills, "trade history", _fills)
_read_open_orders = reader(_OpenOrders, "open orders", _open_orders)
