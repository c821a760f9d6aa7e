"""What Coincall's WebSocket tells, in our words: frames in, pushes out.

Its one rule is that of `wire`: domain values or MalformedResponse come out. Names that a push shortens are written out, and what REST
tells too is read by the parser of REST. Moments come out in our clock's time. Source: Coincall API 11.2-11.10.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

import msgspec

from clock import from_ms, to_ms
from domain import (
    ZERO,
    BlockPush,
    BookPush,
    ChainPush,
    FillPush,
    Greeks,
    IndexPush,
    Option,
    OrderPush,
    PositionPush,
    Push,
    QuotePush,
    RequestedLeg,
    RequestPush,
    RFQStatus,
    Side,
    TapePush,
    TickerPush,
    Topic,
)
from exchanges.coincall.wire import Row, excerpt, number, parse_order, reader
from exchanges.coincall.wire_block import parse_blocks
from exchanges.coincall.wire_market import QuoteLine, parse_book, parse_detail, parse_index, parse_trades
from exchanges.coincall.wire_rfq import QuotedRow, Role, parse_own_quotes, parse_request

_HEARTBEAT_CODE = 11
_OLDEST_TIME = datetime(2017, 1, 1, tzinfo=UTC)
_AHEAD = timedelta(minutes=1)
_CLOSED = 5  # a position's status. Source: Coincall API 12.5
USD = "USD"

Listed = Callable[[str], Sequence[Option]]


# ---- frames


class Payload(msgspec.Struct, frozen=True):
    """What an answer to a subscription repeats of it."""

    symbol: str | tuple[str, ...] = ()
    end: int | None = None


class Frame(msgspec.Struct, rename="camel", frozen=True):
    """What every frame is wrapped in: data has a channel's code, an answer the action it answers. Source: Coincall API 11.2-11.4."""

    dt: int | None = None
    c: int | None = None
    rc: int | None = None
    ts: int | None = None
    d: msgspec.Raw = msgspec.Raw(b"null")
    action: str | None = None
    data_type: str | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    payload: msgspec.Raw = msgspec.Raw(b"null")

    @property
    def beats(self) -> bool:
        """Tell whether it answers a heartbeat."""
        return self.c == _HEARTBEAT_CODE and self.rc in {None, 1}

    @property
    def told(self) -> bool:
        """Tell whether it carries data of a channel."""
        return self.dt is not None and self.c != _HEARTBEAT_CODE

    @property
    def refusal(self) -> str | None:
        """Return what an answer says instead of success; None for a success."""
        said = bytes(self.result)
        return None if said.strip(b'"').lower() == b"success" else excerpt(said)

    @property
    def repeated(self) -> Payload | None:
        """Return what an answer repeats of the message; None where that cannot be read."""
        try:
            return _read_payload(bytes(self.payload))
        except msgspec.MsgspecError:
            return None


_read_payload = msgspec.json.Decoder(Payload, strict=False).decode


@dataclass(frozen=True, slots=True)
class Receipt:
    """When a frame arrived by our clock, how far the venue's is ahead of it, and how to list an underlying's options."""

    at: datetime
    skew: timedelta
    listed: Listed

    def ours(self, theirs: datetime) -> datetime:
        """Return a moment of the venue's clock by ours."""
        return theirs - self.skew

    def source(self, *told: int | None) -> datetime:
        """Return the first time (Unix ms) that is told as a moment of ours, never after the receipt; the receipt where none can be true."""
        ms = next((one for one in told if one is not None), None)
        try:
            said = self.at if ms is None else self.ours(from_ms(ms))
        except OverflowError:
            return self.at
        return min(said, self.at) if _OLDEST_TIME <= said <= self.at + _AHEAD else self.at


parse_frame = reader(Frame, "frame", lambda frame: frame)


def pushes_of(frame: Frame, receipt: Receipt) -> tuple[Push, ...]:
    """Return what a frame of a known channel tells; raise MalformedResponse where it cannot be read, KeyError for an unknown channel."""
    channel = _CHANNELS[frame.dt]
    return tuple(channel.read(bytes(frame.d), frame, receipt))


def topic_of(dt: int | None) -> Topic | None:
    """Return what the channel of a code tells about; None for one that we do not follow."""
    channel = _CHANNELS.get(dt)
    return None if channel is None else channel.topic


def _written_out(body: bytes, names: Mapping[str, str]) -> bytes:
    """Return JSON with its short names written out: a quote, a name, a quote and a colon stand together in a name only."""
    for short, long in names.items():
        body = body.replace(f'"{short}":'.encode(), f'"{long}":'.encode())
    return body


# ---- the account


class _Sensitivities(Row, frozen=True):
    """The Greeks of a row of a chain."""

    delta: float | None = None
    gamma: float | None = None
    vega: float | None = None
    theta: float | None = None

    def greeks(self) -> Greeks | None:
        """Return them, rho not a number; None where one is missing."""
        delta, gamma, vega, theta = map(number, (self.delta, self.gamma, self.vega, self.theta))
        if delta is None or gamma is None or vega is None or theta is None:
            return None
        return Greeks(delta, gamma, vega, theta, rho=math.nan)


class _Head(Row, frozen=True):
    symbol: str
    ts: int | None = None


class _FillRow(Row, frozen=True):
    order_id: int
    trade_id: int
    symbol: str
    order_side: Side
    match_qty: Decimal
    match_price: Decimal
    trade_time: int | None = None


class _PositionRow(Row, frozen=True):
    symbol: str
    trade_side: Side
    qty: Decimal
    state: int | None = None
    ts: int | None = None


_SHORT_ORDER = {
    **{"oid": "orderId", "coid": "clientOrderId", "s": "symbol", "q": "qty", "fq": "fillQty", "rq": "remainQty"},
    **{"pr": "price", "ap": "avgPrice", "si": "tradeSide", "os": "state", "ct": "createTime"},
}
_SHORT_FILL = {
    **{"oid": "orderId", "tid": "tradeId", "s": "symbol", "si": "orderSide"},
    **{"mq": "matchQty", "mpr": "matchPrice", "ts": "tradeTime"},
}
_SHORT_POSITION = {"s": "symbol", "si": "tradeSide", "q": "qty", "os": "state"}
_UNMATCHED = frozenset({b"0", b"-1", b"-2"})  # states of which the venue tells no filled quantity: there is none


def _orders(body: bytes, frame: Frame, receipt: Receipt) -> Iterator[Push]:
    """Read an order; a new one names nothing that was filled, a cancelled one what was cancelled instead of what remains."""
    fields = {name: raw for name, raw in _read_fields(_written_out(body, _SHORT_ORDER)).items() if bytes(raw) != b"null"}
    if "fillQty" not in fields and "remainQty" not in fields:
        if bytes(fields.get("state", b"")).strip(b'"') in _UNMATCHED:
            fields["fillQty"] = msgspec.Raw(b"0")
        elif "cq" in fields:
            fields["remainQty"] = fields["cq"]
    plain = msgspec.json.encode(fields)
    yield OrderPush(report=parse_order(plain), at=receipt.source(_read_head(plain).ts, frame.ts))


def _fills(body: bytes, frame: Frame, receipt: Receipt) -> Iterator[Push]:
    row = _read_fill(_written_out(body, _SHORT_FILL))
    yield FillPush(
        fill_id=str(row.trade_id),
        order_id=str(row.order_id),
        symbol=row.symbol,
        side=row.order_side,
        qty=row.match_qty,
        price=row.match_price,
        at=receipt.source(row.trade_time, frame.ts),
    )


def _fill_row(row: _FillRow) -> _FillRow:
    if row.match_qty <= 0:
        raise ValueError(f"fill {row.trade_id} is of {row.match_qty}")
    return row


def _positions(body: bytes, frame: Frame, receipt: Receipt) -> Iterator[Push]:
    """Read a position; one that was closed is of nothing, whatever quantity it names."""
    row = _read_position(_written_out(body, _SHORT_POSITION))
    held = ZERO if row.state == _CLOSED else row.trade_side.sign * row.qty
    yield PositionPush(symbol=row.symbol, held=held, at=receipt.source(row.ts, frame.ts))


def _position_row(row: _PositionRow) -> _PositionRow:
    if row.qty < 0:
        raise ValueError(f"position {row.symbol} is of {row.qty}; its direction belongs in tradeSide")
    return row


# ---- the market

_SHORT_BOOK = {"s": "symbol", "pr": "price", "sz": "size"}
_SHORT_QUOTE = {
    **{"s": "symbol", "mp": "markPrice", "ip": "indexPrice", "up": "underlyingPrice", "miv": "markIv"},
    **{"bs": "bidSize", "as": "askSize"},
}
_SHORT_TAPE = {
    **{"s": "symbol", "sd": "tradeSide", "pr": "price", "q": "qty", "ts": "time"},
    **{"matchPrice": "price", "matchQty": "qty", "tradeTime": "time"},
}
_SHORT_INDEX = {"s": "symbol", "ip": "indexPrice"}


def _books(body: bytes, frame: Frame, receipt: Receipt) -> Iterator[Push]:
    long = _written_out(body, _SHORT_BOOK)
    head = _read_head(long)
    yield BookPush(book=parse_book(long).of(head.symbol, receipt.source(head.ts, frame.ts)))


def _tape(body: bytes, _frame: Frame, receipt: Receipt) -> Iterator[Push]:
    for trade in parse_trades(_written_out(body, _SHORT_TAPE)):
        yield TapePush(symbol=trade.symbol, side=trade.side, price=trade.price, qty=trade.qty, at=receipt.ours(trade.at))


def _tickers(body: bytes, frame: Frame, receipt: Receipt) -> Iterator[Push]:
    long = _written_out(body, _SHORT_QUOTE)
    line, head = parse_detail(long), _read_head(long)
    yield TickerPush(symbol=line.symbol, mark=line.mark, index=line.index, at=receipt.source(head.ts, frame.ts))


def _chains(body: bytes, frame: Frame, receipt: Receipt) -> Iterator[Push]:
    """Read a chain, as old as its youngest row; options that are not listed are left out. Rho is not told: it is not a number."""
    rows = [bytes(row) for row in _read_rows(_written_out(body, _SHORT_QUOTE))]
    lines = {line.symbol: replace(line, greeks=_read_greeks(row)) for row in rows for line in [parse_detail(row)]}
    at = receipt.source(max((head.ts for head in map(_read_head, rows) if head.ts is not None), default=None), frame.ts)
    found: dict[tuple[str, datetime], list[tuple[QuoteLine, Option]]] = {}
    for coin in sorted({symbol.partition("-")[0].removesuffix(USD) for symbol in lines}):
        for option in receipt.listed(coin):
            if option.symbol in lines:
                found.setdefault((coin, option.expiry), []).append((lines[option.symbol], option))
    for (coin, expiry), quoted in found.items():
        yield ChainPush(underlying=coin, expiry=expiry, quotes=tuple(line.on(option, at) for line, option in quoted), at=at)


def _indices(body: bytes, frame: Frame, receipt: Receipt) -> Iterator[Push]:
    """Read the index of an underlying; a venue that has none at the moment pushes none."""
    for line in parse_index(_written_out(body, _SHORT_INDEX)):
        if line.price is not None:
            yield IndexPush(underlying=line.symbol.removesuffix(USD), price=line.price, at=receipt.source(line.ts, frame.ts))


# ---- requests, quotes, blocks


class _Marks(Row, frozen=True):
    legs: tuple[QuotedRow, ...]
    update_time: int | None = None


def _requests(body: bytes, frame: Frame, receipt: Receipt, *, ours: bool) -> Iterator[Push]:
    """Read a request; a state that we do not know is not final, a mark that is no price is none."""
    line, marked = parse_request(body), _read_marks(body)
    marks = (leg.price if leg.price is not None and leg.price.is_finite() else None for leg in marked.legs)
    yield RequestPush(
        request_id=line.request_id,
        status=RFQStatus.ACTIVE if line.status is None else line.status,
        legs=tuple(
            RequestedLeg(symbol=leg.symbol, side=leg.side, qty=leg.qty, mark=mark) for leg, mark in zip(line.legs, marks, strict=True)
        ),
        created_at=receipt.ours(line.created_at),
        expires_at=receipt.ours(line.expires_at),
        ours=ours,
        at=receipt.source(marked.update_time, frame.ts),
    )


def _quotes(body: bytes, frame: Frame, receipt: Receipt, *, own: bool) -> Iterator[Push]:
    for quote in parse_own_quotes(b"[" + body + b"]"):
        told = replace(quote, created_at=receipt.ours(quote.created_at), expires_at=receipt.ours(quote.expires_at))
        yield QuotePush(quote=told, own=own, at=receipt.source(_read_update(body).update_time, frame.ts))


def _blocks(body: bytes, frame: Frame, receipt: Receipt) -> Iterator[Push]:
    """Read a block as the list of blocks is read: its legs are the receiver's own fills."""
    for line in parse_blocks(b'{"hasNext":false,"list":[' + body + b"]}").rows:
        fills = line.block.fills
        ours = None if fills is None else tuple(replace(fill, at=receipt.ours(fill.at)) for fill in fills)
        at = receipt.source(to_ms(line.at), frame.ts)
        yield BlockPush(block=replace(line.block, fills=ours), as_maker=line.role is Role.MAKER, at=at)


class _Update(Row, frozen=True):
    update_time: int | None = None


_read_fields = reader(dict[str, msgspec.Raw], "order push", lambda found: found)
_read_rows = reader(list[msgspec.Raw], "chain push", lambda found: found)
_read_greeks = reader(_Sensitivities, "chain push", _Sensitivities.greeks)
_read_head = reader(_Head, "push", lambda found: found)
_read_fill = reader(_FillRow, "trade push", _fill_row)
_read_position = reader(_PositionRow, "position push", _position_row)
_read_marks = reader(_Marks, "request push", lambda found: found)
_read_update = reader(_Update, "quote push", lambda found: found)


@dataclass(frozen=True, slots=True)
class _Pushed:
    """What a channel's code tells about, and how its data is read."""

    topic: Topic
    read: Callable[[bytes, Frame, Receipt], Iterator[Push]]


_OWN_QUOTES = _Pushed(Topic.OWN_QUOTES, lambda *told: _quotes(*told, own=True))
# Source: Coincall API 11.5. Own quotes came as 20 until autumn 2025.
_CHANNELS: Mapping[int | None, _Pushed] = MappingProxyType(
    {
        3: _Pushed(Topic.TICKER, _tickers),
        4: _Pushed(Topic.CHAIN, _chains),
        5: _Pushed(Topic.BOOK, _books),
        6: _Pushed(Topic.TAPE, _tape),
        11: _Pushed(Topic.ORDERS, _orders),
        12: _Pushed(Topic.POSITIONS, _positions),
        15: _Pushed(Topic.FILLS, _fills),
        20: _OWN_QUOTES,
        22: _Pushed(Topic.BLOCKS, _blocks),
        24: _Pushed(Topic.TAPE, _tape),
        27: _Pushed(Topic.POSITIONS, _positions),
        28: _Pushed(Topic.REQUESTS_TO_QUOTE, lambda *told: _requests(*told, ours=False)),
        30: _Pushed(Topic.INDEX, _indices),
        129: _Pushed(Topic.REQUESTS, lambda *told: _requests(*told, ours=True)),
        130: _OWN_QUOTES,
        131: _Pushed(Topic.QUOTES, lambda *told: _quotes(*told, own=False)),
    }
)
