"""What an offer of ours to a taker is, and which of the venue's answers is about it. Pure.

Its one rule: an answer is about an offer by the venue's own name for it; only where neither has been told that, by its legs and prices.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from domain import BlockTrade, ClientOrderId, QuotedLeg, QuoteStatus, RequestPush, RFQQuote, Side
from domain.quoting import OwnStanding
from events import BlockQuoted, BlockQuoteIntended
from execution import RunLog

SLACK = timedelta(minutes=1)  # our clock and the venue's may differ
Terms = Sequence[tuple[str, Side, Decimal, Decimal]]


class QuoteGateway(Protocol):
    """Our quotes as a maker on one venue."""

    def quote(self, request_id: str, side: Side, legs: Sequence[QuotedLeg], /) -> RFQQuote:
        """Offer a price for every leg, once, never again; SELL acts against each leg as stated. The answer holds what the venue took."""
        ...

    def cancel(self, quote_id: str, /) -> None:
        """Ask to take a quote back; whether it is gone is read with find."""
        ...

    def cancel_all(self) -> None:
        """Ask to take back every open quote of the account, whoever made it."""
        ...

    def find(self, request_id: str, since: datetime, /) -> OwnStanding:
        """Return what the venue knows of our quotes on a request since a moment."""
        ...


class QuoteDirectory(Protocol):
    """What may be quoted on one venue, and what of ours is."""

    def requests(self) -> Sequence[RequestPush]:
        """Return every open request that we may quote; raises ExchangeUnavailable where the account has no access to quoting."""
        ...

    def open_quotes(self) -> Sequence[RFQQuote]:
        """Return every open quote of the account, whoever made it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What is offered on a request: the side in which we trade it as stated, and our legs with their prices."""

    request_id: str
    side: Side
    legs: tuple[QuotedLeg, ...]


@dataclass(slots=True, kw_only=True)
class OwnQuote:
    """One offer until its end is booked.

    `doubted_at` says since when nobody knows whether it stands (None: it does, or is on its way), `leaving` why it is taken back,
    `over` how and why it surely ended without a trade; what cannot be journalled yet is tried again. `gone` says that its request is over,
    or that it was taken: there is nothing to take back, unless the venue then shows it as open.
    """

    trade: int
    request_id: str
    names: tuple[ClientOrderId, ...]
    log: RunLog
    sent_at: datetime
    wait: timedelta
    offer: Offer | None = None
    quote_id: str | None = None
    expires_at: datetime | None = None
    told: bool = False
    sending: bool = True
    doubted_at: datetime | None = None
    leaving: str | None = None
    cancelling: bool = False
    cancelled_at: datetime | None = None
    failures: int = 0
    asking: bool = False
    next_ask: datetime | None = None
    noes: int = 0
    over: tuple[str, str] | None = None
    gone: bool = False

    @property
    def since(self) -> datetime:
        """Return since when the venue can have it."""
        return self.sent_at - SLACK


def recovered(intended: BlockQuoteIntended, log: RunLog, now: datetime, wait: timedelta) -> OwnQuote:
    """Return an offer that an earlier life made, as far as its log tells: nobody prices it any more, so it is being taken back."""
    named = [each for each in log.written(BlockQuoted) if each.at >= intended.at and each.request_id == intended.request_id]
    return OwnQuote(
        trade=intended.trade,
        request_id=intended.request_id,
        names=tuple(map(ClientOrderId.parse, intended.orders)),
        log=log,
        sent_at=intended.at,
        wait=wait,
        quote_id=named[0].quote_id if named else None,
        expires_at=named[0].expires_at if named else None,
        told=bool(named),
        sending=False,
        doubted_at=now,
        leaving="an earlier life of the program made it",
        next_ask=now,
    )


def said(legs: Terms) -> str:
    """Return legs with sides and prices, for people."""
    return ", ".join(f"{side.name.lower()} {qty} {symbol} @ {price}" for symbol, side, qty, price in legs)


def terms(legs: Sequence[QuotedLeg]) -> Terms:
    """Return what legs of ours offer, in an order that does not depend on theirs."""
    return sorted((leg.symbol, leg.side, leg.qty, leg.price) for leg in legs)


def its_quote(quote: OwnQuote, ours: Terms, answer: OwnStanding, known: Collection[str]) -> RFQQuote | None:
    """Return what the venue says of an offer; None if it does not show it. `known` are the names that other offers have or had.

    Where it has no name yet it is the newest of those with its legs and prices; one that ended before this was sent is another.
    """
    if quote.quote_id is not None:
        return next((each for each in answer.quotes if each.quote_id == quote.quote_id), None)
    unknown = [each for each in answer.quotes if each.quote_id not in known and each.created_at >= quote.since and terms(each.legs) == ours]
    newest = max(unknown, key=lambda each: each.created_at, default=None)
    over = newest is not None and newest.status in (QuoteStatus.CANCELLED, QuoteStatus.EXPIRED)
    return None if newest is None or (over and newest.created_at < quote.sent_at) else newest


def its_block(quote: OwnQuote, ours: Terms, answer: OwnStanding, known: Collection[str]) -> BlockTrade | None:
    """Return the block that was traded on an offer, if the answer holds it."""
    block, mine = answer.block, its_quote(quote, ours, answer, known)
    name = quote.quote_id or (None if mine is None else mine.quote_id)
    if block is None:
        return None
    if name is not None and block.quote_id is not None:
        return block if name == block.quote_id else None
    if block.quote_id in known:
        return None
    traded = sorted((fill.symbol, fill.side, fill.qty, fill.price) for fill in block.fills or ())
    return block if block.fills is None or traded == ours else None


def filled_otherwise(quote: OwnQuote, answer: OwnStanding, known: Collection[str]) -> bool:
    """Tell whether a request was filled with another quote of the account than this offer, which the answer does not show.

    Only a quote with a name that another offer has or had, or one that is older than this offer, is surely another.
    """
    others = set(known) - {quote.quote_id}
    filled = (each for each in answer.quotes if each.status is QuoteStatus.FILLED)
    blocks = {answer.block.quote_id} if answer.block is not None else set()
    return bool(blocks & others) or any(each.quote_id in others or each.created_at < quote.since for each in filled)
