"""Dry runs of block trades: simulated makers answer over the books that the real venue shows, and nothing is ever sent there.

Every id begins with `dry-`, so that nobody takes one for the venue's. The board, its rules and its makers are those of the paper
exchange; what makers of the real venue would have answered, nobody knows.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime

from clock import Clock
from domain import (
    BlockTrade,
    Fill,
    Option,
    OptionLeg,
    QuotedLeg,
    QuoteStatus,
    RFQQuote,
    RFQRequest,
    RFQStanding,
    RFQStatus,
    Side,
)
from errors import ExchangeRejected, InsufficientMargin, OrderAlreadyFinal, OrderNotFound
from paper.block_rows import BlockQuoteRow, BlockRow, QuoteState, RequestRow, RequestState, StatedLeg
from paper.engine import Engine
from paper.rules import Refused

MARK = "dry-"
_VENUE = "dry run"
_MARGIN = frozenset({10529, 40037})
_REQUESTS = {
    RequestState.ACTIVE: RFQStatus.ACTIVE,
    RequestState.CANCELLED: RFQStatus.CANCELLED,
    RequestState.FILLED: RFQStatus.FILLED,
    RequestState.EXPIRED: RFQStatus.EXPIRED,
    RequestState.TRADED_AWAY: RFQStatus.TRADED_AWAY,
}
_QUOTES = {
    QuoteState.OPEN: QuoteStatus.OPEN,
    QuoteState.CANCELLED: QuoteStatus.CANCELLED,
    QuoteState.FILLED: QuoteStatus.FILLED,
    QuoteState.EXPIRED: QuoteStatus.EXPIRED,
}


class DryRunRFQ:
    """A gateway for block trades that simulates on real books; it shares engine, lock and file with the dry run's orders."""

    def __init__(
        self,
        engine: Engine,
        user: int,
        clock: Clock,
        lock: AbstractContextManager[object],
        look: Callable[[Option], None],
        save: Callable[[], None],
    ) -> None:
        """Simulate for user; look fetches an option's market (and raises what the venue raises), save keeps what changed."""
        self._engine, self._user, self._clock = engine, user, clock
        self._lock, self._look, self._save = lock, look, save

    def request(self, legs: Sequence[OptionLeg], /) -> RFQRequest:
        """Ask the simulated makers, a structure of sells only turned round. Raises ExchangeRejected, or what the venue's market raises."""
        turn = all(leg.side is Side.SELL for leg in legs)
        stated = [StatedLeg(leg.instrument.symbol, leg.side.opposite if turn else leg.side, leg.qty) for leg in legs]
        with self._lock:
            for leg in legs:
                self._look(leg.instrument)
            with self._told("request for quotes"):
                row = self._engine.board.request(self._user, stated, self._clock.now())
            self._save()
            return self._request_of(row)

    def quotes(self, request: RFQRequest, /) -> Sequence[RFQQuote]:
        """Look at the venue's books, let the makers answer, and return every quote there was. Raises OrderNotFound."""
        with self._lock:
            self._known(request.request_id)
            self._refresh(request)
            return [_quote_of(row, request) for row in self._engine.board.quotes_on(_number(request.request_id))]

    def accept(self, request: RFQRequest, quote: RFQQuote, /) -> BlockTrade:
        """Trade a quote at once and whole, in the simulation. Raises ExchangeRejected or InsufficientMargin, nothing traded."""
        with self._lock:
            self._known(request.request_id)
            self._refresh(request)
            try:
                with self._told(f"accept {quote.quote_id}"):
                    block = self._engine.board.accept(self._user, _number(request.request_id), _number(quote.quote_id), self._clock.now())
            finally:
                self._save()  # a refusal ends a quote that its maker has pulled
            return self._block_of(block)

    def cancel(self, request_id: str, /) -> None:
        """Withdraw a request. Raises OrderNotFound or OrderAlreadyFinal."""
        with self._lock:
            self._engine.board.expire(self._clock.now())
            row = self._known(request_id)
            if row.state is not RequestState.ACTIVE:
                raise OrderAlreadyFinal(_VENUE, f"cancel {request_id}", f"the request is {row.state}")
            with self._told(f"cancel {request_id}"):
                self._engine.board.cancel_request(self._user, row.request_id, self._clock.now())
            self._save()

    def find(self, request_id: str, since: datetime, /) -> RFQStanding:  # noqa: ARG002 - nothing lags here
        """Return where a request stands, with its block if it was traded. Raises OrderNotFound."""
        with self._lock:
            self._engine.board.expire(self._clock.now())
            row = self._known(request_id)
            blocks = [block for block in self._engine.board.blocks.values() if block.request_id == row.request_id]
            self._save()
            return RFQStanding(status=_REQUESTS[row.state], block=self._block_of(blocks[0]) if blocks else None)

    def open_requests(self) -> Sequence[RFQRequest]:
        """Return every open request of the simulated account."""
        with self._lock:
            self._engine.board.expire(self._clock.now())
            self._save()
            return [self._request_of(self._engine.board.requests[number]) for number in self._engine.board.active]

    def _refresh(self, request: RFQRequest) -> None:
        for leg in request.legs:
            self._look(leg.instrument)
        self._engine.advance(self._clock.now())
        self._save()

    def _known(self, request_id: str) -> RequestRow:
        row = self._engine.board.requests.get(_number(request_id))
        if row is None:
            raise OrderNotFound(_VENUE, request_id, "there is no such request in this dry run")
        return row

    def _request_of(self, row: RequestRow) -> RFQRequest:
        books = self._engine.liquidity.books
        legs = tuple(OptionLeg(instrument=books[leg.symbol].option, side=leg.side, qty=leg.qty) for leg in row.legs)
        return RFQRequest(
            request_id=f"{MARK}{row.request_id}", status=_REQUESTS[row.state], legs=legs, created_at=row.created, expires_at=row.expires
        )

    def _block_of(self, block: BlockRow) -> BlockTrade:
        fills = tuple(
            Fill(
                id=f"{MARK}{leg.trade_id}",
                order_id=str(leg.taker_order),
                symbol=leg.symbol,
                side=leg.side,
                qty=leg.qty,
                price=leg.price,
                fee=leg.taker_fee,
                at=block.at,
                is_taker=True,
            )
            for leg in block.legs
        )
        return BlockTrade(
            block_id=f"{MARK}{block.block_id}", request_id=f"{MARK}{block.request_id}", quote_id=f"{MARK}{block.quote_id}", fills=fills
        )

    @contextmanager
    def _told(self, call: str) -> Iterator[None]:
        try:
            yield
        except Refused as no:
            kind = InsufficientMargin if no.code in _MARGIN else ExchangeRejected
            raise kind(_VENUE, call, no.message, no.code) from no


def _quote_of(row: BlockQuoteRow, request: RFQRequest) -> RFQQuote:
    return RFQQuote(
        quote_id=f"{MARK}{row.quote_id}",
        request_id=request.request_id,
        status=_QUOTES[row.state],
        legs=tuple(QuotedLeg(symbol=leg.symbol, side=leg.side, price=leg.price, qty=leg.qty) for leg in row.legs),
        created_at=row.created,
        expires_at=row.expires,
        stated=request.legs,
    )


def _number(name: str) -> int:
    """Return the board's number of an id given out here; -1, which is nobody's, for any other."""
    text = name.removeprefix(MARK)
    return int(text) if name.startswith(MARK) and text.isdigit() else -1
