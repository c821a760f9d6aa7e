"""The board of block trades: requests for quotes, makers' quotes, and what becomes of them. Source: Coincall API 8, 12.4, 14.9.

Everything that can be refused is refused before anything changes. Its whole state is rows, so that a restart goes on where it stood.
Where the venue leaves a question open, `BlockRules` answers it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

from domain import ZERO, Side
from paper.block_rows import BlockQuoteRow, BlockRow, PricedLeg, QuoteState, RequestRow, RequestState, StatedLeg
from paper.clearing import Clearing, Cross
from paper.desk import whole_lots
from paper.ledger import Account
from paper.rows import BlockQuoteChanged, BlockTraded, Changes, RequestChanged
from paper.rules import Refused, refusal

if TYPE_CHECKING:
    from paper.engine import Engine

_HIGHEST = Decimal(10**12)


class RFQBoard:
    """Every request, quote and block by its number; `active` are the requests that can still be traded, with all their quotes."""

    def __init__(self, engine: "Engine") -> None:
        self._engine, self._rules = engine, engine.rules.block
        self._clearing = Clearing(engine.desk)
        self.requests: dict[int, RequestRow] = {}
        self.quotes: dict[int, BlockQuoteRow] = {}
        self.blocks: dict[int, BlockRow] = {}
        self.active: dict[int, None] = {}
        self._answers: dict[int, list[int]] = {}

    # ---- the taker

    def request(self, user: int, legs: Sequence[StatedLeg], now: datetime) -> RequestRow:
        """Put a request on the board; raise Refused 10004 (shape, or only sells), 10574, 10540, 10534 or 10558 (size, notional)."""
        account, now = self._engine.enter(user, now)
        self._check(legs, now)
        row = RequestRow(
            request_id=self._engine.matching.number(),
            user=account.user,
            state=RequestState.ACTIVE,
            legs=list(legs),
            created=now,
            expires=now + self._rules.request_life,
            updated=now,
        )
        self.active[row.request_id] = None
        self._answers[row.request_id] = []
        self._keep_request(row)
        return row

    def cancel_request(self, user: int, request_id: int, now: datetime) -> RequestRow:
        """Withdraw a request and every open quote on it; raise Refused 10004 if it is not the account's or not active any more."""
        account, now = self._engine.enter(user, now)
        self.expire(now)
        row = self.requests.get(request_id)
        if row is None or row.user != account.user or row.state is not RequestState.ACTIVE:
            raise refusal(10004)
        return self._end_request(row, RequestState.CANCELLED, QuoteState.CANCELLED, now)

    def accept(self, user: int, request_id: int, quote_id: int, now: datetime) -> BlockRow:
        """Trade every leg of a quote, or none: raise Refused 10004, 50014 (not valid, or pulled at this moment), 10540, 10529 or 40037."""
        account, now = self._engine.enter(user, now)
        self.expire(now)
        request, quote = self._acceptable(account, request_id, quote_id)
        if self._engine.makers is not None and self._engine.makers.pulls(request, quote):
            self._end_quote(quote, QuoteState.CANCELLED, now)
            raise refusal(50014)
        maker = self._engine.accounts[quote.user]
        crosses = self._crosses(request, quote, now)
        for party in (account, maker):
            self._engine.reports.refresh(party.user, now)
        self._clearing.check_taker(account, crosses)
        try:
            self._clearing.check_maker(maker, crosses)
        except Refused:
            self._end_quote(quote, QuoteState.CANCELLED, now)
            raise refusal(50014) from None
        return self._traded(request, quote, self._clearing.trade(account, maker, quote, crosses, now), now)

    # ---- the maker

    def quote(self, user: int, request_id: int, side: Side, prices: Mapping[str, Decimal], now: datetime) -> BlockQuoteRow:
        """Offer a price, USD per coin, for every leg; side SELL acts against each leg as stated. Prices are cut to the tick.

        Raises Refused 50014 (not an active request of another account, or other legs), 50012 (one is open already), 10573 (price).
        """
        account, now = self._engine.enter(user, now)
        self.expire(now)
        request = self.requests.get(request_id)
        if request is None or request.state is not RequestState.ACTIVE or request.user == account.user:
            raise refusal(50014)
        if {leg.symbol for leg in request.legs} != set(prices):
            raise refusal(50014)
        for known in self.quotes_on(request_id):
            taken = known.user == account.user and known.state is QuoteState.OPEN
            if taken and (known.side is side or not self._rules.quote_per_side):
                raise refusal(50012)
        legs = [self._priced(leg, side, prices[leg.symbol], now) for leg in request.legs]
        row = BlockQuoteRow(
            quote_id=self._engine.matching.number(),
            request_id=request_id,
            user=account.user,
            side=side,
            state=QuoteState.OPEN,
            legs=legs,
            created=now,
            expires=now + self._rules.quote_life,
            updated=now,
        )
        self._answers[request_id].append(row.quote_id)
        self._keep_quote(row)
        return row

    def cancel_quote(self, user: int, quote_id: int, now: datetime) -> BlockQuoteRow:
        """Withdraw a quote; raise Refused 50014 if it is not the account's or not open any more."""
        account, now = self._engine.enter(user, now)
        self.expire(now)
        row = self.quotes.get(quote_id)
        if row is None or row.user != account.user or row.state is not QuoteState.OPEN:
            raise refusal(50014)
        return self._end_quote(row, QuoteState.CANCELLED, now)

    def cancel_quotes(self, user: int, now: datetime) -> list[int]:
        """Withdraw every open quote of an account; return their numbers."""
        account, now = self._engine.enter(user, now)
        self.expire(now)
        mine = [quote for quote in self._open_quotes() if quote.user == account.user]
        return [self._end_quote(quote, QuoteState.CANCELLED, now).quote_id for quote in mine]

    # ---- time, reading, restart

    def expire(self, now: datetime) -> None:
        """End what has outlived its time, each at its own moment; the quotes of a request that expires expire with it."""
        if not self.active:
            return
        for quote in [quote for quote in self._open_quotes() if quote.expires <= now]:
            if quote.expires < self.requests[quote.request_id].expires:
                self._end_quote(quote, QuoteState.EXPIRED, quote.expires)
        for row in [self.requests[number] for number in self.active if self.requests[number].expires <= now]:
            self._end_request(row, RequestState.EXPIRED, QuoteState.EXPIRED, row.expires)

    def quotes_on(self, request_id: int) -> list[BlockQuoteRow]:
        """Return every quote given on a request, oldest first."""
        return [self.quotes[number] for number in self._answers.get(request_id, ())]

    def state_for(self, row: RequestRow, user: int) -> RequestState:
        """Return where a request stands as one account sees it: traded away where another maker's quote was taken."""
        if row.state is not RequestState.FILLED or row.user == user:
            return row.state
        won = any(quote.user == user and quote.state is QuoteState.FILLED for quote in self.quotes_on(row.request_id))
        return row.state if won else RequestState.TRADED_AWAY

    def load(self, rows: Changes) -> None:
        """Take over what a restart remembers."""
        self.requests.update((row.request_id, row) for row in sorted(rows.requests, key=lambda row: row.request_id))
        self.quotes.update((row.quote_id, row) for row in sorted(rows.quotes, key=lambda row: row.quote_id))
        self.blocks.update((row.block_id, row) for row in sorted(rows.blocks, key=lambda row: (row.at, row.block_id)))
        self.active.update((number, None) for number, row in self.requests.items() if row.state is RequestState.ACTIVE)
        for number in self.requests:
            self._answers[number] = []
        for number, quote in self.quotes.items():
            self._answers[quote.request_id].append(number)

    # ---- within

    def _check(self, legs: Sequence[StatedLeg], now: datetime) -> None:
        rules, symbols = self._rules, {leg.symbol for leg in legs}
        if not 1 <= len(legs) <= rules.max_legs or len(symbols) < len(legs):
            raise refusal(10004)
        books = [self._engine.liquidity.book(leg.symbol, now) for leg in legs]
        if any(one.underlying != other.underlying for one, other in pairwise(books)):
            raise refusal(10004)
        for leg, book in zip(legs, books, strict=True):
            if now >= book.stops_at:
                raise refusal(10540)
            whole_lots(book, leg.qty, book.max_limit)
        if rules.sells_refused and all(leg.side is Side.SELL for leg in legs):
            raise refusal(10004)
        if sum((book.option.strike * leg.qty for leg, book in zip(legs, books, strict=True)), ZERO) < rules.min_notional:
            raise refusal(10558)

    def _acceptable(self, account: Account, request_id: int, quote_id: int) -> tuple[RequestRow, BlockQuoteRow]:
        request, quote = self.requests.get(request_id), self.quotes.get(quote_id)
        if request is None or request.user != account.user:
            raise refusal(10004)
        if quote is None or quote.request_id != request_id or quote.state is not QuoteState.OPEN:
            raise refusal(50014)
        return request, quote

    def _priced(self, leg: StatedLeg, side: Side, price: Decimal, now: datetime) -> PricedLeg:
        """Return a leg as the maker quotes it, its price cut to the tick as the venue's echo is. Source: Coincall API 8.8."""
        book = self._engine.liquidity.book(leg.symbol, now)
        if now >= book.stops_at:
            raise refusal(10540)
        if not price.is_finite() or not book.tick <= price <= _HIGHEST:
            raise refusal(10573, "price")
        acts = leg.side if side is Side.BUY else leg.side.opposite
        return PricedLeg(leg.symbol, acts, leg.qty, int(price / book.tick) * book.tick, price)

    def _crosses(self, request: RequestRow, quote: BlockQuoteRow, now: datetime) -> list[Cross]:
        crosses = []
        for stated, leg in zip(request.legs, quote.legs, strict=True):
            book = self._engine.liquidity.book(leg.symbol, now)
            if now >= book.stops_at:
                raise refusal(10540)
            free = self._rules.combo_discount and stated.side is Side.SELL
            crosses.append(
                Cross(book, leg.side.opposite, int(leg.qty / book.lot), int(leg.price / book.tick), 0 if free else 1),
            )
        return crosses

    def _traded(self, request: RequestRow, quote: BlockQuoteRow, block: BlockRow, now: datetime) -> BlockRow:
        self.blocks[block.block_id] = block
        self._engine.record.board(BlockTraded(block=block))
        self._end_quote(quote, QuoteState.FILLED, now)
        self._end_request(request, RequestState.FILLED, QuoteState.CANCELLED, now)
        return block

    def _open_quotes(self) -> list[BlockQuoteRow]:
        return [quote for number in self.active for quote in self.quotes_on(number) if quote.state is QuoteState.OPEN]

    def _end_request(self, row: RequestRow, state: RequestState, of_quotes: QuoteState, at: datetime) -> RequestRow:
        for quote in self.quotes_on(row.request_id):
            if quote.state is QuoteState.OPEN:
                self._end_quote(quote, of_quotes, at)
        self.active.pop(row.request_id, None)
        ended = msgspec.structs.replace(row, state=state, updated=at)
        self._keep_request(ended)
        return ended

    def _end_quote(self, row: BlockQuoteRow, state: QuoteState, at: datetime) -> BlockQuoteRow:
        ended = msgspec.structs.replace(row, state=state, updated=at)
        self._keep_quote(ended)
        return ended

    def _keep_request(self, row: RequestRow) -> None:
        self.requests[row.request_id] = row
        books = self._engine.liquidity.books
        marks = [books[leg.symbol].mark_price if leg.symbol in books else None for leg in row.legs]
        self._engine.record.board(RequestChanged(request=row, marks=marks))

    def _keep_quote(self, row: BlockQuoteRow) -> None:
        self.quotes[row.quote_id] = row
        self._engine.record.board(BlockQuoteChanged(taker=self.requests[row.request_id].user, quote=row))
