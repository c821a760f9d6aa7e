"""From what happened in the engine to what each stream is told: pure, and only what somebody has asked for.

A push is addressed by channel and key. The key of a private channel is the account's number, that of a market channel the option's
symbol, and empty where everybody is told the same: what belongs to one account has no address that another could listen at.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from domain import Side
from paper import wire_push, wire_push_market, wire_push_rfq
from paper import wire_push_channels as channels
from paper.engine import Engine
from paper.rows import (
    BlockQuoteChanged,
    BlockTraded,
    Event,
    OrderChanged,
    PositionChanged,
    Printed,
    RequestChanged,
)
from paper.wire_push_channels import Channel
from paper.wire_rfq import BoardWriter

Wanted = Callable[[Channel, str], bool]
EVERYBODY = ""


@dataclass(frozen=True, slots=True)
class Push:
    """One frame and where it goes."""

    channel: Channel
    key: str
    frame: str


def account_key(user: int) -> str:
    """Return the key of an account's private channels."""
    return str(user)


class Pushes:
    """Writes what happened for those who listen; `wanted` tells whether anybody does, `makers` who may quote."""

    def __init__(self, engine: Engine, wanted: Wanted, makers: Callable[[], Iterable[int]]) -> None:
        self._engine, self._wanted, self._makers = engine, wanted, makers
        self._writer = BoardWriter(engine)

    def of(self, events: Sequence[Event], now: datetime) -> Iterator[Push]:
        """Yield the pushes of events, in their order; `now` is the moment they are told at."""
        closing: dict[tuple[int, str], Side] = {}
        for event in events:
            if isinstance(event, PositionChanged):
                yield from self._position(event, closing.get((event.user, event.symbol)), now)
                continue
            if isinstance(event, OrderChanged) and event.trade is not None:
                closing[event.user, event.trade.symbol] = event.trade.side
            yield from self._told(event, now)

    def positions(self, user: int, now: datetime) -> Iterator[Push]:
        """Yield what an account holds, one push for each position (dt 12)."""
        for row in self._engine.reports.positions(user, now):
            yield from self._push(channels.POSITION, account_key(user), partial(wire_push.position, row), now)

    def _told(self, event: Event, now: datetime) -> Iterator[Push]:
        match event:
            case OrderChanged():
                yield from self._order(event)
            case Printed():
                yield from self._printed(event, now)
            case RequestChanged():
                yield from self._request(event, now)
            case BlockQuoteChanged():
                yield from self._quote(event, now)
            case BlockTraded():
                yield from self._block(event, now)

    def _order(self, event: OrderChanged) -> Iterator[Push]:
        key, match = account_key(event.user), event.trade
        yield from self._push(channels.ORDER, key, partial(wire_push.order, event.order, match))
        if match is not None:
            yield from self._push(channels.TRADE, key, partial(wire_push.fill, match, event.order, self._engine.rules))

    def _position(self, event: PositionChanged, closed_by: Side | None, now: datetime) -> Iterator[Push]:
        channel, key = channels.POSITION_EVENT, account_key(event.user)
        if not (event.opened or event.closed) or not self._wanted(channel, key):
            return
        if event.closed:
            mark, side = self._engine.liquidity.books[event.symbol].mark_price, self._side_held(event, closed_by)
            yield from self._push(channel, key, partial(wire_push.ended_position, event.user, event.symbol, side, mark), now)
            return
        for row in self._engine.reports.positions(event.user, now):
            if row.symbol == event.symbol:  # none is, where it was closed again at once
                yield from self._push(channel, key, partial(wire_push.position, row), now)

    def _side_held(self, event: PositionChanged, closed_by: Side | None) -> Side:
        """Return which way a holding was that has ended: against the trade that closed it, or as its exercise says."""
        if closed_by is not None:
            return closed_by.opposite
        return self._engine.reports.exercises(event.user, symbol=event.symbol)[0].side

    def _printed(self, event: Printed, now: datetime) -> Iterator[Push]:
        symbol, tape = event.tape.symbol, (event.tape,)
        yield from self._push(channels.LAST_TRADE, symbol, partial(wire_push_market.prints, tape))
        yield from self._push(channels.LAST_TRADE_V2, symbol, partial(wire_push_market.long_prints, tape), now)

    def _request(self, event: RequestChanged, now: datetime) -> Iterator[Push]:
        row, seen_by = event.request, self._engine.board.state_for
        for maker in self._makers():
            if maker != row.user:
                told = partial(wire_push_rfq.request, self._writer, row, seen_by(row, maker), event.marks)
                yield from self._push(channels.RFQ_MAKER, account_key(maker), told, now)
        told = partial(wire_push_rfq.request, self._writer, row, row.state, event.marks)
        yield from self._push(channels.RFQ_TAKER, account_key(row.user), told, now)

    def _quote(self, event: BlockQuoteChanged, now: datetime) -> Iterator[Push]:
        row, writer = event.quote, self._writer
        yield from self._push(channels.RFQ_QUOTE, account_key(row.user), partial(wire_push_rfq.own_quote, writer, row), now)
        yield from self._push(channels.QUOTE_RECEIVED, account_key(event.taker), partial(wire_push_rfq.quote_received, writer, row), now)

    def _block(self, event: BlockTraded, now: datetime) -> Iterator[Push]:
        block, writer = event.block, self._writer
        for party in (block.taker, block.maker):
            yield from self._push(channels.BLOCK_DETAIL, account_key(party), partial(wire_push_rfq.detail, writer, block, party), now)
        yield from self._push(channels.BLOCK_PUBLIC, EVERYBODY, partial(wire_push_rfq.public, writer, block), now)

    def _push(self, channel: Channel, key: str, written: Callable[[], object], at: datetime | None = None) -> Iterator[Push]:
        if self._wanted(channel, key):
            yield Push(channel, key, wire_push.framed(channel, written(), at))
