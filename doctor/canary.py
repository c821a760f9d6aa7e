"""The canary: one order of the smallest size, far away and post-only, placed and cancelled; and the certainty of its end.

One rule: it is placed once, and the visit does not end before the order is known to be final and unfilled, or a person is told its
name. Where the answer is lost the venue is asked by that name; that there is none is believed only after a while (docs/adr/0009).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from clock import monotonic, pause
from doctor.findings import Finding, fail, ok, warn
from doctor.venue import advice
from domain import Chain, Option, OrderReport, Quote, Side, passive_price
from errors import ExchangeRejected, ExchangeUnavailable, OrderAlreadyFinal, OrderNotFound, PriceRejected, VenueError

SHARES = (Decimal("0.1"), Decimal("0.5"))  # of the bid: first far away, then, where the venue's price band forbids that, nearer
LEAST_TICKS = 20  # of a bid, so that a tenth of it is still a price
LIFE = timedelta(days=1)  # until expiry, at least


class Orders(Protocol):
    """Where a canary flies."""

    def place(self, name: int, option: Option, qty: Decimal, price: Decimal) -> str: ...

    def find(self, name: int) -> OrderReport | None: ...

    def cancel(self, name: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to ask for an order's end, until when its absence is believed, and how long between two questions: real seconds."""

    settle: float = 90.0
    absent: float = 30.0
    step: float = 0.25


@dataclass(frozen=True, slots=True)
class _Perch:
    """Where a canary is placed."""

    option: Option
    bid: Decimal
    price: Decimal

    def __str__(self) -> str:
        return f"{self.option.lot} {self.option.symbol} at {self.price} (best bid {self.bid})"


class Canary:
    """One flight: place, see, cancel, know."""

    def __init__(
        self, orders: Orders, name: Callable[[], int], patience: Patience | None = None, wait: Callable[[float], None] = pause
    ) -> None:
        self._orders, self._name, self._wait = orders, name, wait
        self._patience = Patience() if patience is None else patience

    def fly(self, chains: Mapping[str, Chain], now: datetime) -> Iterator[Finding]:
        """Place and cancel one order; yield one finding."""
        quote = _lively(chains, now)
        if quote is None or quote.bid is None:
            said = f"not placed: no option has a bid of {LEAST_TICKS} ticks to stay far below of"
            yield warn("canary", said, "try again when the market is open and quoted")
            return
        option, refusal = quote.option, ""
        for share in SHARES:
            perch = _Perch(option, quote.bid, passive_price(quote.bid * share, option.tick, Side.BUY))
            try:
                yield self._flown(perch)
            except PriceRejected as error:
                refusal = str(error)
                continue
            return
        said = f"every price far below the bid of {option.symbol} was refused, nothing rests: {refusal}"
        yield fail("canary", said, "compare the price bands of the venue with the limits in docs/exchanges/coincall.md")

    def _flown(self, perch: _Perch) -> Finding:
        """Place one order and see it to its end; raise PriceRejected where the venue did not take its price, so that there is none."""
        name, begun = self._name(), monotonic()
        try:
            order_id = self._placed(name, perch)
            end = self._ended(name, order_id)
        except PriceRejected:
            raise
        except (ExchangeRejected, ExchangeUnavailable) as error:
            return fail("canary", f"the venue did not take {perch}: {error}; nothing rests", advice(error))
        except BaseException:  # a person interrupts: what can be done without waiting is done
            with suppress(VenueError):
                self._orders.cancel(name)
            raise
        return _judged(perch, name, order_id, end, monotonic() - begun)

    def _placed(self, name: int, perch: _Perch) -> str | None:
        """Send the order; None where its answer was lost. Raises ExchangeRejected or ExchangeUnavailable where it surely is not there."""
        try:
            return self._orders.place(name, perch.option, perch.option.lot, perch.price)
        except (ExchangeRejected, ExchangeUnavailable):
            raise
        except VenueError:
            return None

    def _ended(self, name: int, order_id: str | None) -> "OrderReport | str | None":
        """Ask and cancel until the order is final; return its report, None where it never arrived, or why neither is known."""
        begun, seen, last = monotonic(), order_id is not None, "the venue does not show it"
        while (passed := monotonic() - begun) < self._patience.settle:
            try:
                report = self._orders.find(name)
                if report is None and not seen and passed >= self._patience.absent:
                    return None
                if report is not None and report.status.final:
                    return report
                if report is not None:
                    seen = True
                    self._orders.cancel(name)
            except (OrderAlreadyFinal, OrderNotFound) as error:
                last = f"{error}, and its end is not told"
            except VenueError as error:
                last = str(error)
            self._wait(self._patience.step)
        return last


def _judged(perch: _Perch, name: int, order_id: str | None, end: OrderReport | str | None, took: float) -> Finding:
    called = f"client order id {name}" + ("" if order_id is None else f", order {order_id}")
    by_hand = f"open Coincall's list of open orders, and cancel the one of {perch.option.symbol} at {perch.price} ({called})"
    match end:
        case None:
            said = f"{perch}: the request never arrived at the venue, nothing rests ({called})"
            return fail("canary", said, "check the network and try again; look once into Coincall's list of open orders")
        case str():
            return fail("canary", f"{perch} may still rest: {end}", by_hand)
        case OrderReport(filled=filled, order_id=number) if filled > 0:
            said = f"{perch} was filled: {filled} of it ({called}, order {number})"
            return fail("canary", said, f"you hold {filled} {perch.option.symbol} that the daemon knows nothing of: sell it by hand")
        case OrderReport(status=status):
            lost = "" if order_id is not None else " (its answer was lost; it was found by its name)"
            return ok("canary", f"{perch} placed and cancelled{lost}: {status}, nothing filled, known after {took:.1f} s")


def _lively(chains: Mapping[str, Chain], now: datetime) -> Quote | None:
    """Return the quote to stay far below of: near the money, some time from expiry, its bid high enough."""
    fit = [
        quote
        for chain in chains.values()
        for quote in chain.quotes
        if quote.bid is not None and quote.bid >= LEAST_TICKS * quote.option.tick and quote.option.active
        if quote.option.expiry > now + LIFE
    ]
    gap = {quote.option.symbol: 1.0 if quote.greeks is None else abs(abs(quote.greeks.delta) - 0.5) for quote in fit}
    return min(fit, key=lambda quote: (gap[quote.option.symbol], quote.option.expiry, quote.option.symbol), default=None)
