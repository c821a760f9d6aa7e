"""Judging a maker's quote against the order book of the moment: one signed cost for both, one formula, one verdict with its name.

Costs are USD from our view, positive paid and negative received, so the same comparison holds for debits and credits, for buying and
selling, and for structures with both.
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from domain import OptionLeg, QuoteStatus, RFQParams, RFQQuote
from execution import Scene

HUNDRED = Decimal(100)


class Judged(StrEnum):
    """What came of a quote."""

    GOOD = "good"
    GONE = "no longer open"
    EXPIRING = "expires too soon"
    OTHER = "does not trade what is wanted"
    NO_PRICE = "a price is not above zero"
    NO_BOOK = "the book cannot be compared"
    DEAR = "not enough better than the book"
    DENIED = "the risk gate denied it"
    ACCEPTED = "accepted"


def improvement_pct(cost: Decimal, book: Decimal) -> Decimal | None:
    """Return by how many per cent of the book's cost a quote is cheaper, negative if it is dearer; None against a book that costs nothing.

    Both are signed USD as `execution.book_cost` returns them (positive paid, negative received), so that one formula holds for debits,
    credits and both directions: cheaper is always paying less or receiving more.
    """
    return None if book == 0 else (book - cost) / abs(book) * HUNDRED


def good_enough(cost: Decimal, book: Decimal, least_pct: float) -> bool:
    """Tell whether a quote is at least so many per cent better than the book; a book that costs nothing is beaten by any saving."""
    least, saving = Decimal(str(least_pct)), book - cost
    return saving * HUNDRED >= least * abs(book) and (saving > 0 or least <= 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A quote as judged at a moment: our signed cost and the book's, USD, the improvement, per cent, and what comes of it."""

    quote: RFQQuote
    cost: Decimal
    book: Decimal | None
    improvement: Decimal | None
    verdict: Judged


def judge(quote: RFQQuote, scene: Scene, wanted: tuple[OptionLeg, ...], book: Decimal | None, params: RFQParams) -> Judgement:
    """Judge a quote against what the wanted legs cost on the book now (None: cannot be had there)."""
    fits = quote.trades(wanted)
    cost = quote.total_cost
    return Judgement(
        quote=quote,
        cost=cost,
        book=book,
        improvement=improvement_pct(cost, book) if fits and book is not None else None,
        verdict=_verdict(quote, scene, book, params) if fits else Judged.OTHER,
    )


def _verdict(quote: RFQQuote, scene: Scene, book: Decimal | None, params: RFQParams) -> Judged:
    if quote.status is not QuoteStatus.OPEN:
        return Judged.GONE
    if quote.expires_at < scene.now + timedelta(seconds=params.min_life_seconds):
        return Judged.EXPIRING
    if any(leg.price <= 0 for leg in quote.legs):
        return Judged.NO_PRICE
    if params.min_improvement_pct is None:
        return Judged.GOOD
    if book is None:
        return Judged.NO_BOOK
    return Judged.GOOD if good_enough(quote.total_cost, book, params.min_improvement_pct) else Judged.DEAR
