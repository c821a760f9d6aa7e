"""Coincall's shapes of requests for quotes and of quotes; those of the blocks traded on them stand in `wire_block`.

Its one rule is that of `wire`: our values or MalformedResponse come out. Moments are told by the venue's clock. Ids may be integers or
strings, a leg's direction may stand in `side` or `tradeSide`, its coins in `quantity` or `qty`. Source: Coincall API 8, 12.4, 15 (36-57).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

import msgspec
from loguru import logger

from clock import from_ms
from domain import QuotedLeg, QuoteStatus, RFQQuote, RFQStatus, Side
from errors import MalformedResponse
from exchanges.coincall.codes import VENUE
from exchanges.coincall.wire import Row, excerpt, reader

T = TypeVar("T")
Id = int | str


class Role(StrEnum):
    """Which party of a request an account is."""

    TAKER = "TAKER"
    MAKER = "MAKER"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedLeg:
    """One leg of a request as the venue has it: the option's symbol, the taker's stated direction, the coins."""

    symbol: str
    side: Side
    qty: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLine:
    """A request for quotes as the venue lists it; status None is one that we do not know, which is not final."""

    request_id: str
    status: RFQStatus | None
    role: Role | None
    legs: tuple[StatedLeg, ...]
    created_at: datetime
    expires_at: datetime


# A state that is not here is not final: the next answer may know better.
_RFQ_STATUS: Mapping[str, RFQStatus] = MappingProxyType(
    {
        "ACTIVE": RFQStatus.ACTIVE,
        "CANCEL": RFQStatus.CANCELLED,
        "CANCELLED": RFQStatus.CANCELLED,
        "FILLED": RFQStatus.FILLED,
        "EXPIRED": RFQStatus.EXPIRED,
        "TRADED_AWAY": RFQStatus.TRADED_AWAY,
    }
)
_QUOTE_STATUS: Mapping[str, QuoteStatus] = MappingProxyType(
    {
        "OPEN": QuoteStatus.OPEN,
        "CANCEL": QuoteStatus.CANCELLED,
        "CANCELLED": QuoteStatus.CANCELLED,
        "FILLED": QuoteStatus.FILLED,
        "EXPIRED": QuoteStatus.EXPIRED,
    }
)
SIDES: Mapping[str, Side] = MappingProxyType({"BUY": Side.BUY, "SELL": Side.SELL, "1": Side.BUY, "2": Side.SELL})
ROLES: Mapping[str, Role] = MappingProxyType({role.value: role for role in Role})


def text_of(found: Id | None) -> str | None:
    """Return an id as text; None for none."""
    return None if found is None else str(found)


# ---- requests


class LegRow(msgspec.Struct, rename="camel", frozen=True):
    """What legs of all kinds share; numbers are judged where they are used, one odd quote must not hide the others."""

    instrument_name: str
    side: Id | None = None
    trade_side: Id | None = None
    quantity: Decimal | None = None
    qty: Decimal | None = None

    @property
    def direction(self) -> Side:
        """Return the side that the leg names; raise ValueError where it names none."""
        said = self.side if self.side is not None else self.trade_side
        side = SIDES.get(str(said).upper())
        if side is None:
            raise ValueError(f"leg {self.instrument_name} has side {said}")
        return side

    @property
    def coins(self) -> Decimal:
        """Return the quantity, coins; raise ValueError where it is not above zero."""
        return positive("quantity", self.quantity if self.quantity is not None else self.qty)

    def stated(self) -> StatedLeg:
        """Say it in our words."""
        return StatedLeg(symbol=self.instrument_name, side=self.direction, qty=self.coins)


class _Unfit(ValueError):
    """A number with which nothing can be traded."""


def positive(name: str, value: Decimal | None) -> Decimal:
    """Return value; raise ValueError where it is missing, not a number, zero or less. Source: Coincall API 15, 56."""
    if value is None:
        raise ValueError(f"{name} is missing")
    if not value.is_finite() or value <= 0:
        raise _Unfit(f"{name} is {value}")
    return value


class _Request(Row, frozen=True):
    request_id: Id
    create_time: int
    expiry_time: int
    legs: tuple[LegRow, ...]
    state: str | None = None
    role: str | None = None

    def line(self) -> RequestLine:
        """Say it in our words."""
        return RequestLine(
            request_id=str(self.request_id),
            status=_RFQ_STATUS.get(self.state or ""),
            role=ROLES.get(self.role or ""),
            legs=tuple(leg.stated() for leg in self.legs),
            created_at=from_ms(self.create_time),
            expires_at=from_ms(self.expiry_time),
        )


class _RequestList(Row, frozen=True):
    rfq_list: list[_Request]


class _RequestRows(Row, frozen=True):
    rfq_list: list[msgspec.Raw]


class _RequestHead(Row, frozen=True):
    request_id: Id
    state: str | None = None


class _RequestHeads(Row, frozen=True):
    rfq_list: list[_RequestHead]


def _standings(found: _RequestHeads) -> Mapping[str, RFQStatus | None]:
    return {str(row.request_id): _RFQ_STATUS.get(row.state or "") for row in found.rfq_list}


# ---- quotes


class QuotedRow(LegRow, frozen=True):
    """A leg with a price, USD per coin."""

    price: Decimal | None = None

    def quoted(self) -> QuotedLeg:
        """Say it in our words."""
        price = positive("price", self.price)
        return QuotedLeg(symbol=self.instrument_name, side=self.direction, price=price, qty=self.coins)


class _Quote(Row, frozen=True):
    quote_id: Id
    state: str
    create_time: int
    expiry_time: int
    legs: tuple[QuotedRow, ...]
    request_id: Id | None = None

    def quote(self) -> RFQQuote:
        """Say it in our words; a state that we do not know is not final, and an answer without a requestId has none."""
        if not self.legs:
            raise ValueError(f"quote {self.quote_id} has no legs")
        return RFQQuote(
            quote_id=str(self.quote_id),
            request_id=text_of(self.request_id),
            status=_QUOTE_STATUS.get(self.state, QuoteStatus.OPEN),
            legs=tuple(leg.quoted() for leg in self.legs),
            created_at=from_ms(self.create_time),
            expires_at=from_ms(self.expiry_time),
        )


class _MadeQuote(_Quote, frozen=True, kw_only=True):
    """The answer to a new quote, which names no state: it is open."""

    state: str = "OPEN"


class _QuoteId(Row, frozen=True):
    quote_id: Id


class _QuoteHead(Row, frozen=True):
    quote_id: Id
    state: str
    request_id: Id | None = None


@dataclass(frozen=True, slots=True)
class QuoteHead:
    """The outside of a quote: enough to tell whether it was traded."""

    quote_id: str
    request_id: str | None
    status: QuoteStatus


def _head(row: _QuoteHead) -> QuoteHead:
    return QuoteHead(str(row.quote_id), text_of(row.request_id), _QUOTE_STATUS.get(row.state, QuoteStatus.OPEN))


def _own_quotes(rows: list[_Quote]) -> tuple[RFQQuote, ...]:
    return tuple(row.quote() for row in rows)


def _each(rows: Iterable[msgspec.Raw], what: str, read: Callable[[bytes], T]) -> tuple[T, ...]:
    """Read rows one by one; leave out, with a warning, the unfit ones, and the malformed ones if any other can be read."""
    found, unfit, malformed = list[T](), 0, list[MalformedResponse]()
    for row in rows:
        try:
            found.append(read(bytes(row)))
        except MalformedResponse as error:
            if isinstance(error.__cause__, _Unfit):
                unfit += 1
            else:
                malformed.append(error)
            logger.warning("coincall {} left out reason={}", what, error.reason)
    if malformed and not found and unfit == 0:
        raise malformed[0]
    return tuple(found)


def parse_quotes(body: bytes) -> tuple[RFQQuote, ...]:
    """Read every quote received that something can be traded on; a price or quantity of NaN, zero or less is no offer."""
    return _each(_rows(body), "quote", _read_quote)


def parse_quote_heads(body: bytes) -> tuple[QuoteHead, ...]:
    """Read the ids and states of the quotes received, whatever their legs say."""
    return _each(_rows(body), "quote", _read_head)


def parse_requests_to_quote(body: bytes) -> tuple[RequestLine, ...]:
    """Read the requests of others; one that nothing could be quoted on does not hide its neighbours."""
    return _each(_request_rows(body), "request", parse_request)


def parse_withdrawn(body: bytes) -> None:
    """Read the answer to a withdrawal; raise MalformedResponse where it says no, which is neither done nor refused."""
    if body.strip() == b"false":
        raise MalformedResponse(VENUE, "cancellation", f"answered {excerpt(body)}")


_rows = reader(list[msgspec.Raw], "quotes", lambda rows: rows)
_request_rows = reader(_RequestRows, "requests", lambda found: found.rfq_list)
_read_quote = reader(_Quote, "quote", _Quote.quote)
_read_head = reader(_QuoteHead, "quote", _head)
parse_request = reader(_Request, "request", _Request.line)
parse_requests = reader(_RequestList, "requests", lambda found: tuple(row.line() for row in found.rfq_list))
parse_standings = reader(_RequestHeads, "requests", _standings)
parse_own_quotes = reader(list[_Quote], "own quotes", _own_quotes)
parse_made_quote = reader(_MadeQuote, "own quote", _MadeQuote.quote)
parse_quote_id = reader(_QuoteId, "quote id", lambda found: str(found.quote_id))
