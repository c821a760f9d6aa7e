"""The client of Coincall's block trades: one method for each endpoint, of the taker's side and of the maker's, in our words.

Its one rule: a write goes out once. Where its body was refused for the way it was written, which had no effect, it goes once more
in the other encoding; which one the venue took is remembered. Moments are told by the venue's clock. Source: Coincall API 8.2 to 8.14.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from loguru import logger

from auth import Value, number_text
from clock import to_ms
from domain import BlockTrade, OptionLeg, QuotedLeg, RFQQuote, RFQStatus, Side
from errors import MalformedResponse, OutcomeUnknown, VenueError
from exchanges.coincall import wire_block, wire_rfq
from exchanges.coincall.codes import CONTENT_TYPE, PARAMETER_ILLEGAL, TRY_AGAIN_LATER, VENUE
from exchanges.coincall.limits import Group, Lane
from exchanges.coincall.transport import Encoding, Endpoint, Reply, Transport
from exchanges.coincall.wire import Page
from exchanges.coincall.wire_block import BlockLeg, BlockLine, PublicBlock
from exchanges.coincall.wire_rfq import QuoteHead, RequestLine, Role

T = TypeVar("T")

LISTED_DAYS = timedelta(days=3)  # the longest window of the lists of requests and quotes, and what they hold without one
BLOCKS_PER_PAGE = 49
LEGS_PER_PAGE = 499

_BLOCKTRADE = "/open/option/blocktrade"


class Standing(StrEnum):
    """What a list of requests or quotes is narrowed to; these are not the names of states."""

    OPEN = "OPEN"
    CLOSED = "CLOSED"


def _query(name: str, path: str, group: Group = Group.RFQ) -> Endpoint:
    return Endpoint(name=name, method="GET", path=_BLOCKTRADE + path, group=group)


def _write(name: str, path: str, group: Group, encoding: Encoding = Encoding.JSON) -> Endpoint:
    return Endpoint(name=name, method="POST", path=_BLOCKTRADE + path, group=group, changes_state=True, encoding=encoding)


_RECEIVED = _query("quotes received", "/request/getQuotesReceived/v1")
_REQUESTS = _query("requests", "/rfqList/v1")
_OWN_QUOTES = _query("own quotes", "/list-quote/v1")
_BLOCK_LEGS = _query("block legs", "/orderList/v1", Group.HISTORY)
_BLOCKS = _query("blocks", "/trade-detail/private/v1", Group.HISTORY)
_PUBLIC_BLOCKS = _query("public blocks", "/trade-detail/public/v1", Group.HISTORY)
_REQUEST = _write("request for quotes", "/request/create/v1", Group.ORDER)
_ACCEPT = _write("accept", "/request/accept/v1", Group.ORDER, Encoding.FORM)
_WITHDRAW = _write("cancel request", "/request/cancel/v1", Group.CANCEL, Encoding.FORM)
_QUOTE = _write("quote", "/quote/create/v1", Group.ORDER)
_CANCEL_QUOTE = _write("cancel quote", "/quote/cancel/v1", Group.CANCEL)
_CANCEL_QUOTES = _write("cancel all quotes", "/quote/cancel-all/v1", Group.CANCEL, Encoding.FORM)

_NOT_UNDERSTOOD = frozenset({PARAMETER_ILLEGAL, CONTENT_TYPE})
# The cancellation of a quote answers so to a form, perhaps (API 8.9); to cancel twice is to cancel.
_QUOTE_NOT_CANCELLED = _NOT_UNDERSTOOD | {TRY_AGAIN_LATER}


def _span(since: datetime | None, until: datetime | None) -> dict[str, Value]:
    if since is not None and until is not None and not timedelta(0) <= until - since <= LISTED_DAYS:
        raise ValueError(f"a list of requests or quotes covers {LISTED_DAYS.days} days at most, not {since} to {until}")
    return {"startTime": None if since is None else to_ms(since), "endTime": None if until is None else to_ms(until)}


def _request_leg(leg: OptionLeg) -> dict[str, Value]:
    if leg.qty <= 0:
        raise ValueError(f"a leg of {leg.qty} {leg.instrument.symbol} asks for nothing")
    return {"instrumentName": leg.instrument.symbol, "side": leg.side.name, "qty": number_text(leg.qty)}


def _quote_leg(leg: QuotedLeg) -> dict[str, Value]:
    if leg.price <= 0 or leg.qty <= 0:
        raise ValueError(f"a quote of {leg.qty} {leg.symbol} at {leg.price} offers nothing")
    return {
        "instrumentName": leg.symbol,
        "symbol": leg.symbol.partition("-")[0],
        "side": leg.side.name,
        "price": number_text(leg.price),
        "quantity": number_text(leg.qty),
    }


class CoincallRFQClient:
    """Coincall's block trades over one transport; every method blocks its worker and may be called from any thread."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._taken: dict[str, Encoding] = {}

    @property
    def skew(self) -> timedelta:
        """How far the venue's clock is ahead of ours, as last measured."""
        return self._transport.skew

    # ---- the taker

    def request(self, legs: Sequence[OptionLeg]) -> RequestLine:
        """Ask makers for quotes on legs as they are stated; raise ValueError, before sending, for none or a quantity not above zero."""
        if not legs:
            raise ValueError("a request for quotes has at least one leg")
        params: dict[str, Value] = {"legs": [_request_leg(leg) for leg in legs]}
        return _read(_REQUEST, self._transport.write(_REQUEST, params), wire_rfq.parse_request)

    def withdraw(self, request_id: str) -> None:
        """Withdraw a request; raise OrderAlreadyFinal or OrderNotFound where told so."""
        reply = self._in_either(_WITHDRAW, {"requestId": request_id}, _NOT_UNDERSTOOD)
        _read(_WITHDRAW, reply, wire_rfq.parse_withdrawn)

    def quotes_received(self, request_id: str | None = None) -> tuple[RFQQuote, ...]:
        """Return the quotes for a request of ours, or for all, in all states; left out is what cannot be traded on, or be read."""
        return wire_rfq.parse_quotes(self._received(request_id).data)

    def quote_heads(self, request_id: str) -> tuple[QuoteHead, ...]:
        """Return the ids and states of the quotes for a request of ours, whatever is in them."""
        return wire_rfq.parse_quote_heads(self._received(request_id).data)

    def accept(self, request_id: str, quote_id: str) -> BlockTrade:
        """Trade a quote. Raises MalformedResponse where it was traded (code 0) and the answer cannot be read, besides what writes raise."""
        reply = self._in_either(_ACCEPT, {"requestId": request_id, "quoteId": quote_id}, _NOT_UNDERSTOOD)
        return wire_block.parse_accepted(reply.data)

    # ---- the maker

    def quote(self, request_id: str, side: Side, legs: Sequence[QuotedLeg]) -> RFQQuote:
        """Quote every leg of a request: SELL sells the structure as it is stated, so each leg's side is the other one.

        Raises ExchangeRejected with code 50012 where a quote of ours is open already: it is not amended but cancelled and made anew.
        ValueError, before sending, for no legs and for a price or quantity not above zero. Source: Coincall API 8.8.
        """
        if not legs:
            raise ValueError("a quote prices every leg of its request")
        params: dict[str, Value] = {"requestId": request_id, "quoteSide": side.name, "legs": [_quote_leg(leg) for leg in legs]}
        return _read(_QUOTE, self._transport.write(_QUOTE, params), wire_rfq.parse_made_quote)

    def cancel_quote(self, quote_id: str) -> str:
        """Cancel a quote of ours; return its id. Where this stays OutcomeUnknown, cancel_all_quotes is the dependable way (API 8.9)."""
        return _read(_CANCEL_QUOTE, self._in_either(_CANCEL_QUOTE, {"quoteId": quote_id}, _QUOTE_NOT_CANCELLED), wire_rfq.parse_quote_id)

    def cancel_all_quotes(self) -> None:
        """Cancel every open quote of the account."""
        self._transport.write(_CANCEL_QUOTES, {}, Lane.URGENT)

    def requests_to_quote(self) -> tuple[RequestLine, ...]:
        """Return the open requests that we may quote; raises as `requests` does."""
        params: dict[str, Value] = {"role": Role.MAKER, "state": Standing.OPEN}
        return wire_rfq.parse_requests_to_quote(self._transport.read(_REQUESTS, params).data)

    def own_quotes(
        self,
        *,
        quote_id: str | None = None,
        request_id: str | None = None,
        standing: Standing | None = None,
        index: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> tuple[RFQQuote, ...]:
        """Return our quotes as a maker, of an index such as BTCUSD or all; without moments those of the last three days."""
        chosen: dict[str, Value] = {"quoteId": quote_id, "requestId": request_id, "state": standing, "symbol": index}
        return wire_rfq.parse_own_quotes(self._transport.read(_OWN_QUOTES, {**chosen, **_span(since, until)}).data)

    # ---- both

    def requests(
        self,
        role: Role,
        *,
        standing: Standing | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> tuple[RequestLine, ...]:
        """Return the requests of ours (TAKER) or those that we may quote (MAKER); without moments those of the last three days.

        Raises ExchangeRejected, HTTP 404, for an account without access to quoting. Source: Coincall API 8.7.
        """
        params: dict[str, Value] = {"role": role, "state": standing, **_span(since, until)}
        return wire_rfq.parse_requests(self._transport.read(_REQUESTS, params).data)

    def standings(self, request_id: str, since: datetime | None = None, until: datetime | None = None) -> Mapping[str, RFQStatus | None]:
        """Return where a request stands, by id, final states too; None is a state that we do not know. Empty: the list does not hold it."""
        return wire_rfq.parse_standings(self._transport.read(_REQUESTS, {"requestId": request_id, **_span(since, until)}).data)

    def blocks(self, from_id: int | None = None) -> Page[BlockLine]:
        """Return a page of our block trades, newest first; from_id is the cursor of the page before."""
        return wire_block.parse_blocks(self._transport.read(_BLOCKS, {"fromId": from_id, "pageSize": BLOCKS_PER_PAGE}).data)

    def block_legs(self, block_id: str | None = None, from_id: int | None = None, coin: str | None = None) -> Page[BlockLeg]:
        """Return a page of the legs of our block trades, of one block or of one coin such as BTC, newest first."""
        params: dict[str, Value] = {"blocktradeId": block_id, "fromId": from_id, "currency": coin, "pageSize": LEGS_PER_PAGE}
        return wire_block.parse_block_legs(self._transport.read(_BLOCK_LEGS, params).data)

    def public_blocks(self, index: str | None = None, from_id: int | None = None) -> Page[PublicBlock]:
        """Return a page of everybody's block trades, of an index such as BTCUSD or all, newest first; its rows name no id to page on by."""
        params: dict[str, Value] = {"symbol": index, "fromId": from_id, "pageSize": BLOCKS_PER_PAGE}
        return wire_block.parse_public_blocks(self._transport.read(_PUBLIC_BLOCKS, params).data)

    # ---- inside

    def _received(self, request_id: str | None) -> Reply:
        return self._transport.read(_RECEIVED, {"requestId": request_id})

    def _in_either(self, endpoint: Endpoint, params: Mapping[str, Value], refusals: frozenset[int]) -> Reply:
        """Send a write; where a code says that its encoding was not understood, send it once in the other one. All of these are urgent."""
        first = replace(endpoint, encoding=self._taken.get(endpoint.name, endpoint.encoding))
        try:
            return self._transport.write(first, params, Lane.URGENT)
        except VenueError as error:
            if error.code not in refusals:
                raise
            second = replace(first, encoding=first.encoding.other)
            logger.info("coincall body refused call={} sent={} code={} next={}", first.name, first.encoding, error.code, second.encoding)
        reply = self._transport.write(second, params, Lane.URGENT)
        self._taken[endpoint.name] = second.encoding
        return reply


def _read(endpoint: Endpoint, reply: Reply, parse: Callable[[bytes], T]) -> T:
    """Read the answer to a write; one of success that cannot be read leaves its outcome unknown."""
    try:
        return parse(reply.data)
    except MalformedResponse as error:
        raise OutcomeUnknown(VENUE, endpoint.name, f"accepted, but the answer cannot be read: {error.reason}") from error
