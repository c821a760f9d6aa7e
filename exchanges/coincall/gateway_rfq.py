"""What the core asks of Coincall's block trades, behind its ports: ask makers, read their quotes, trade one, and find out what happened.

Its one rule: a block that may have been traded is looked for where it would stand, and never taken for untraded because a list is silent.
Moments come out in our clock's time. Source: Coincall API 8; DESIGN D5.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from loguru import logger

from clock import Clock
from domain import BlockTrade, Fill, Option, OptionLeg, QuoteStatus, RFQQuote, RFQRequest, RFQStanding, RFQStatus, Side
from errors import ExchangeRejected, ExchangeUnavailable, MalformedResponse, OutcomeUnknown, VenueError
from exchanges.coincall.client_rfq import LISTED_DAYS, CoincallRFQClient, Standing
from exchanges.coincall.codes import VENUE, lacks_access, refused_by_the_venue_itself
from exchanges.coincall.wire_block import BlockLine
from exchanges.coincall.wire_rfq import RequestLine, Role, StatedLeg

_BEFORE_SENDING = timedelta(minutes=1)  # our clock and the venue's may differ
_REQUEST_LIFE = timedelta(hours=1)
_LONG_AGO = timedelta(days=1)


def as_stated(legs: Sequence[OptionLeg]) -> tuple[OptionLeg, ...]:
    """Return legs as the venue takes them: all of them sold are all of them bought, to be sold by taking a quote that buys.

    Mixed sides stay. Source: Coincall API 8.1, 15 (48).
    """
    if all(leg.side is Side.SELL for leg in legs):
        return tuple(replace(leg, side=Side.BUY) for leg in legs)
    return tuple(legs)


class CoincallRFQ:
    """Block trades on Coincall as their taker; the ports RFQGateway and RFQDirectory."""

    def __init__(self, client: CoincallRFQClient, instruments: Callable[[str], Sequence[Option]], clock: Clock) -> None:
        """Take how to list the options of an underlying such as BTC; the directory names its legs by them."""
        self._client, self._instruments, self._clock = client, instruments, clock

    def request(self, legs: Sequence[OptionLeg], /) -> RFQRequest:
        """Ask makers for quotes, once; the answer holds the legs as the venue has them stated, all-sell ones turned to buys.

        Raises ValueError before sending for no legs; OutcomeUnknown too where the venue took something that was not asked for, and where
        only a status of HTTP says no, other than the one for an account without access.
        """
        stated = as_stated(legs)
        with refused_by_the_venue_itself(unless=lacks_access):
            line = self._client.request(stated)
        options = {leg.instrument.symbol: leg.instrument for leg in stated}
        strangers = [leg.symbol for leg in line.legs if leg.symbol not in options]
        if strangers or not line.legs:
            raise OutcomeUnknown(VENUE, "request for quotes", f"request {line.request_id} was taken with the legs {line.legs}")
        request = self._request(line, options.__getitem__)
        if sorted(map(_terms, request.legs)) != sorted(map(_terms, stated)):
            logger.warning("coincall request stated otherwise id={} asked={} stated={}", line.request_id, stated, request.legs)
        return request

    def quotes(self, request: RFQRequest, /) -> Sequence[RFQQuote]:
        """Return every quote received for a request whatever its status, except those that nothing could be traded on (API 15, 56)."""
        return tuple(
            replace(
                quote,
                stated=request.legs,
                created_at=quote.created_at - self._client.skew,
                expires_at=quote.expires_at - self._client.skew,
            )
            for quote in self._client.quotes_received(request.request_id)
            if quote.request_id in {None, request.request_id}
        )

    def accept(self, request: RFQRequest, quote: RFQQuote, /) -> BlockTrade:
        """Trade a quote, once. Success is a trade: where the answer cannot be read, or tells of other legs, the fills are None.

        Raises ExchangeRejected with code 50014 for a quote that is no longer valid, its leaves for margin; OutcomeUnknown where
        it may have been traded. Source: Coincall API 8.6.
        """
        unread = BlockTrade(block_id=quote.quote_id, request_id=request.request_id, quote_id=quote.quote_id, fills=None)
        try:
            with refused_by_the_venue_itself():
                block = self._client.accept(request.request_id, quote.quote_id)
        except MalformedResponse as error:
            logger.warning("coincall block traded, its answer cannot be read quote={} reason={}", quote.quote_id, error.reason)
            return unread
        if not _is_of(block, request, quote):
            logger.warning("coincall block traded, its answer is of other legs quote={} answered={}", quote.quote_id, block)
            return unread
        return in_our_time(replace(block, request_id=request.request_id, quote_id=quote.quote_id), self._client.skew)

    def cancel(self, request_id: str, /) -> None:
        """Withdraw a request; raise OrderAlreadyFinal or OrderNotFound where told so."""
        self._client.withdraw(request_id)

    def find(self, request_id: str, since: datetime, /) -> RFQStanding:
        """Return the block traded on a request sent at a moment, else where the request stands; None where the venue would not say.

        Asked are the blocks, then the list of requests, then, where that keeps silent to a taker (API 8.7), the quotes: one that was
        taken means that the request was filled. Lists lag (API 15, 14): the caller waits before it takes no block for none.
        """
        since = in_the_past(since, self._clock.now())
        block = block_on(self._client, request_id, since, Role.TAKER)
        if block is not None:
            return RFQStanding(status=RFQStatus.FILLED, block=block)
        status = listed_status(self._client, self._clock, request_id, since)
        return self._by_quotes(request_id) if status is None else RFQStanding(status=status)

    def open_requests(self) -> Sequence[RFQRequest]:
        """Return every open request of the account; of a list that is kept from a taker, those with an open quote (API 8.5, 8.7).

        Raises ExchangeUnavailable where no quote tells of any either: then they are not known to be none.
        """
        try:
            lines = self._client.requests(Role.TAKER, standing=Standing.OPEN)
        except ExchangeRejected as error:
            if not lacks_access(error):
                raise
            lines = self._quoted()
            if not lines:
                raise ExchangeUnavailable(VENUE, error.call, error.reason) from error
        ours = [line for line in lines if line.role is not Role.MAKER and (line.status is None or not line.status.final)]
        coins = {_coin(leg.symbol) for line in ours for leg in line.legs}
        options = {option.symbol: option for coin in coins for option in self._instruments(coin)}
        return tuple(self._request(line, lambda symbol: _listed_option(symbol, options)) for line in ours)

    # ---- inside

    def _quoted(self) -> tuple[RequestLine, ...]:
        """Return the requests that open quotes are for, as old as the first quote for each, with its sides; none where that fails."""
        try:
            quotes = self._client.quotes_received()
        except VenueError:
            return ()
        found: dict[str, RequestLine] = {}
        for quote in sorted(quotes, key=lambda quote: quote.created_at):
            if quote.request_id is not None and quote.status is QuoteStatus.OPEN:
                line = RequestLine(
                    request_id=quote.request_id,
                    status=None,
                    role=Role.TAKER,
                    legs=tuple(StatedLeg(symbol=leg.symbol, side=leg.side, qty=leg.qty) for leg in quote.legs),
                    created_at=quote.created_at,
                    expires_at=quote.created_at + _REQUEST_LIFE,
                )
                found.setdefault(quote.request_id, line)
        return tuple(found.values())

    def _request(self, line: RequestLine, option: Callable[[str], Option]) -> RFQRequest:
        return RFQRequest(
            request_id=line.request_id,
            status=RFQStatus.ACTIVE if line.status is None else line.status,  # what we do not know is not final
            legs=tuple(OptionLeg(instrument=option(leg.symbol), side=leg.side, qty=leg.qty) for leg in line.legs),
            created_at=line.created_at - self._client.skew,
            expires_at=line.expires_at - self._client.skew,
        )

    def _by_quotes(self, request_id: str) -> RFQStanding:
        for quote in self._client.quote_heads(request_id):
            if quote.status is QuoteStatus.FILLED and quote.request_id in {None, request_id}:
                block = BlockTrade(block_id=quote.quote_id, request_id=request_id, quote_id=quote.quote_id, fills=None)
                return RFQStanding(status=RFQStatus.FILLED, block=block)
        return RFQStanding(status=None)


def in_the_past(moment: datetime, now: datetime) -> datetime:
    """Return a moment from which on to look: one after now was told by a clock that has been set back since, and may be a day old."""
    return moment if moment <= now else now - _LONG_AGO


def block_on(client: CoincallRFQClient, request_id: str, since: datetime, role: Role) -> BlockTrade | None:
    """Return our block on a request since just before a moment, in that role where the venue names one; None where there is none yet."""
    oldest = since + client.skew - _BEFORE_SENDING
    for line in _blocks(client):
        if line.block.request_id == request_id and line.role in {None, role}:
            return in_our_time(line.block, client.skew)
        if line.at < oldest:
            return None
    return None


def listed_status(client: CoincallRFQClient, clock: Clock, request_id: str, since: datetime) -> RFQStatus | None:
    """Return a request's status by the list of requests; None where the list is kept from us, or does not hold it."""
    start = since + client.skew - _BEFORE_SENDING
    recent = clock.now() + client.skew - start < LISTED_DAYS
    span = (None, None) if recent else (start, start + LISTED_DAYS)
    try:
        return client.standings(request_id, *span).get(request_id)
    except ExchangeRejected as error:
        if lacks_access(error):
            return None
        raise


def in_our_time(block: BlockTrade, skew: timedelta) -> BlockTrade:
    """Return a block with its moments by our clock."""
    fills = block.fills
    return replace(block, fills=None if fills is None else tuple(replace(fill, at=fill.at - skew) for fill in fills))


def _blocks(client: CoincallRFQClient) -> Iterator[BlockLine]:
    """Read our blocks, newest first, to the last; raise MalformedResponse where the cursor stands still."""
    cursor: int | None = None
    while True:
        page = client.blocks(cursor)
        yield from page.rows
        if not page.has_more:
            return
        if page.cursor is None or (cursor is not None and page.cursor >= cursor):
            raise MalformedResponse(VENUE, "blocks", f"more rows are promised after {cursor}, and none are older")
        cursor = page.cursor


def _terms(leg: OptionLeg) -> tuple[str, Side, Decimal]:
    return leg.instrument.symbol, leg.side, leg.qty


def _is_of(block: BlockTrade, request: RFQRequest, quote: RFQQuote) -> bool:
    """Tell whether a block is that of a quote: its ids where it names them, and each leg's option, our side and coins."""
    named = block.request_id in {None, request.request_id} and block.quote_id in {None, quote.quote_id}
    quoted = sorted((leg.symbol, leg.side.opposite, leg.qty) for leg in quote.legs)
    return named and sorted(map(_traded, block.fills or ())) == quoted


def _traded(fill: Fill) -> tuple[str, Side, Decimal]:
    return fill.symbol, fill.side, fill.qty


def _coin(symbol: str) -> str:
    return symbol.partition("-")[0].removesuffix("USD")


def _listed_option(symbol: str, options: dict[str, Option]) -> Option:
    if symbol not in options:
        raise MalformedResponse(VENUE, "requests", f"an open request names {symbol}, which is not listed")
    return options[symbol]
