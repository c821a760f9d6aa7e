"""What the core asks of Coincall's block trades as a maker, behind its ports: which requests may be quoted, our quotes, their ends.

Its one rule: where a quote of ours may have been traded its block is looked for, and a list that is silent says nothing. Moments come
out in our clock's time. Source: Coincall API 8.7 to 8.13.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from clock import Clock
from domain import QuotedLeg, QuoteStatus, RequestedLeg, RequestPush, RFQQuote, RFQStatus, Side
from domain.quoting import OwnStanding
from errors import ExchangeRejected, ExchangeUnavailable
from exchanges.coincall.client_rfq import CoincallRFQClient, Standing
from exchanges.coincall.codes import VENUE, lacks_access
from exchanges.coincall.gateway_rfq import block_on, in_the_past, listed_status
from exchanges.coincall.wire_rfq import RequestLine, Role


class CoincallMaker:
    """Block trades on Coincall as their maker; the ports QuoteGateway and QuoteDirectory."""

    def __init__(self, client: CoincallRFQClient, clock: Clock) -> None:
        self._client, self._clock = client, clock

    # ---- QuoteDirectory

    def requests(self) -> Sequence[RequestPush]:
        """Return every open request that we may quote; raise ExchangeUnavailable for an account without access to quoting (API 8.7)."""
        try:
            lines = self._client.requests_to_quote()
        except ExchangeRejected as error:
            if lacks_access(error):
                raise ExchangeUnavailable(VENUE, error.call, f"this account may not quote: {error.reason}") from error
            raise
        return tuple(self._request(line) for line in lines if line.role is not Role.TAKER)

    def open_quotes(self) -> Sequence[RFQQuote]:
        """Return every open quote of the account, whoever made it."""
        quotes = self._client.own_quotes(standing=Standing.OPEN)
        return tuple(self._in_our_time(quote) for quote in quotes if quote.status is QuoteStatus.OPEN)

    # ---- QuoteGateway

    def quote(self, request_id: str, side: Side, legs: Sequence[QuotedLeg], /) -> RFQQuote:
        """Offer a price for every leg, once. Raises ExchangeRejected, code 50012, where one of the account stands already (API 8.8)."""
        return self._in_our_time(self._client.quote(request_id, side, legs))

    def cancel(self, quote_id: str, /) -> None:
        """Ask to take a quote back; whether it is gone is read with find."""
        self._client.cancel_quote(quote_id)

    def cancel_all(self) -> None:
        """Ask to take back every open quote of the account, whoever made it: the dependable way where one by one stays unanswered (8.9)."""
        self._client.cancel_all_quotes()

    def find(self, request_id: str, since: datetime, /) -> OwnStanding:
        """Return our quotes on a request in all states; unless one is open also where it stands, and the block that one was traded in.

        A request that a maker sees as FILLED was filled with its own quote; else it is TRADED_AWAY (API 8.1).
        """
        since = in_the_past(since, self._clock.now())
        named = self._client.own_quotes(request_id=request_id)
        quotes = tuple(self._in_our_time(quote) for quote in named if quote.request_id in {None, request_id})
        if any(quote.status is QuoteStatus.OPEN for quote in quotes):
            return OwnStanding(quotes=quotes, status=RFQStatus.ACTIVE)
        ours = any(quote.status is QuoteStatus.FILLED for quote in quotes)  # then no other list need say how the request ended
        status = RFQStatus.FILLED if ours else listed_status(self._client, self._clock, request_id, since)
        block = block_on(self._client, request_id, since, Role.MAKER) if status is RFQStatus.FILLED or not quotes else None
        return OwnStanding(quotes=quotes, status=status, block=block)

    # ---- inside

    def _request(self, line: RequestLine) -> RequestPush:
        return RequestPush(
            request_id=line.request_id,
            status=RFQStatus.ACTIVE if line.status is None else line.status,  # what we do not know is not final
            legs=tuple(RequestedLeg(symbol=leg.symbol, side=leg.side, qty=leg.qty) for leg in line.legs),
            created_at=line.created_at - self._client.skew,
            expires_at=line.expires_at - self._client.skew,
            ours=False,
            at=self._clock.now(),
        )

    def _in_our_time(self, quote: RFQQuote) -> RFQQuote:
        skew = self._client.skew
        return replace(quote, created_at=quote.created_at - skew, expires_at=quote.expires_at - skew)
