"""The other exchange's desk for block trades: requests for quotes, makers that do as a test says, and what was accepted.

The makers quote both ways by default, as seen live: once selling the structure as it is stated, once buying it. What they quote is
told by how much better than the book of that moment it is. Source: Coincall API 8, 12.4, 13.1, 14.4, 14.9.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum

from tests.rehearsal.other_books import BUY, SELL, ZERO, Refused, Trade
from tests.rehearsal.other_exchange import OtherExchange

ACTIVE, CANCELLED, REQUEST_FILLED, EXPIRED = "ACTIVE", "CANCELLED", "FILLED", "EXPIRED"
OPEN = "OPEN"
SIDES = {"BUY": BUY, "SELL": SELL}
WORDS = {BUY: "BUY", SELL: "SELL"}
AGAINST = {BUY: SELL, SELL: BUY}
MINIMUM = Decimal(50_000)
TICK = Decimal("0.1")
ENCODINGS = {"form": ("form",), "json": ("json",), "either": ("form", "json")}


@dataclass(frozen=True)
class Leg:
    """One leg of a request, as its taker states it."""

    symbol: str
    side: int
    qty: Decimal


@dataclass(frozen=True)
class QuotedLeg:
    """One leg of a quote: `side` is what the maker does."""

    symbol: str
    side: int
    qty: Decimal
    price: Decimal


class Oddity(StrEnum):
    """What is wrong with the legs of a quote; none of these may ever be traded."""

    SHORT = "a leg is missing"
    LONG = "a leg too many"
    OTHER = "another option in place of one"
    LESS = "half the quantity"
    MORE = "twice the quantity"
    FLIPPED = "one leg the wrong way round"


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What a maker does about each request: how much better than the book, per cent of each leg's price, after how long, for how long.

    `sides` are its own, as quoteSide tells them: SELL trades the structure as stated. `gone`: refused when it is accepted.
    """

    better: Decimal | int = Decimal("0.5")
    after: float = 0.0
    life: float = 300.0
    sides: tuple[str, ...] = ("SELL", "BUY")
    oddity: Oddity | None = None
    gone: bool = False
    nameless: bool = False  # the row does not tell its requestId
    integers: bool = False  # ids are JSON numbers


@dataclass
class Request:
    """One request for quotes; `due` are the offers that are still to come, by the moment of their coming."""

    request_id: int
    legs: tuple[Leg, ...]
    created: int
    ends: float
    due: list[tuple[float, Offer]]
    state: str = ACTIVE
    updated: int = 0
    born: float = field(default_factory=time.monotonic)

    @property
    def notional(self) -> Decimal:
        """Return strike x coins, summed."""
        return sum((Decimal(leg.symbol.split("-")[2]) * leg.qty for leg in self.legs), ZERO)


@dataclass
class MadeQuote:
    """One quote of one maker."""

    quote_id: int
    request: Request
    legs: tuple[QuotedLeg, ...]
    maker_side: str
    offer: Offer
    maker: int
    created: int
    ends: float
    state: str = OPEN
    updated: int = 0

    @property
    def cost(self) -> Decimal:
        """Return what the taker would pay, negative for what it would receive."""
        return sum((leg.price * leg.qty * (1 if leg.side == SELL else -1) for leg in self.legs), ZERO)


@dataclass(frozen=True)
class Acceptance:
    """An accept that arrived: the book's cost of the same legs, at the moment that was kindest to the client, and what came of it."""

    quote: MadeQuote
    book: Decimal | None
    traded: bool
    left: float  # how long the quote still had


@dataclass(frozen=True)
class Block:
    """A block that was traded: its number is that of its quote."""

    quote: MadeQuote
    trades: tuple[Trade, ...]
    at: int
    index: Decimal
    born: float = field(default_factory=time.monotonic)


class BlockDesk:
    """The requests, quotes and blocks of one account; every method may be called from any thread."""

    def __init__(self, exchange: OtherExchange) -> None:
        self.exchange = exchange
        self.requests: list[Request] = []
        self.quotes: list[MadeQuote] = []
        self.blocks: list[Block] = []
        self.acceptances: list[Acceptance] = []
        self.refusals: list[tuple[int, str]] = []  # of requests; accepts that are refused are among the acceptances
        self.makers: list[Offer] = [Offer()]  # they answer every request
        self.turns: list[list[Offer]] = []  # these answer the next requests, one list each
        self.encoding = "form"  # of cancel and accept, as seen live; "json" as documented today; "either"
        self.listed = True  # a taker may list its requests; if not, HTTP 404
        self.life_seconds = 3600.0
        self.grace_seconds = 4.0  # how old the book may be by which a client judges a quote
        self.happened: Callable[[str], None] = lambda _: None

    # ---- the taker

    def create(self, body: Mapping[str, object]) -> Request:
        """Take a request. Raises Refused."""
        with self.exchange.lock:
            self.advance()
            try:
                legs = self._read(body)
            except Refused as no:
                self.refusals.append((no.code, no.text))
                raise
            now, moment = self.exchange.now(), time.monotonic()
            offers = self.turns.pop(0) if self.turns else self.makers
            due = [(moment + offer.after, offer) for offer in offers]
            request = Request(self.exchange.number(), legs, now, moment + self.life_seconds, due, updated=now)
            self.requests.append(request)
        self.happened("requested")
        return request

    def cancel(self, request_id: int) -> None:
        """Withdraw a request, its quotes with it. Raises Refused 10584, 11101, 11102 where it is unknown or final."""
        with self.exchange.lock:
            self.advance()
            request = self._request(request_id)
            if request.state != ACTIVE:
                raise Refused(11102 if request.state == REQUEST_FILLED else 11101, f"request is {request.state}")
            self._end(request, CANCELLED)
        self.happened("withdrawn")

    def received(self, request_id: int | None) -> list[MadeQuote]:
        """Return the quotes received for a request, or for all, whatever their states, oldest first."""
        with self.exchange.lock:
            self.advance()
            found = [quote for quote in self.quotes if request_id in (None, quote.request.request_id)]
        if found:
            self.happened("quoted")
        return found

    def accept(self, request_id: int, quote_id: int) -> Block:
        """Trade a quote, all legs or none. Raises Refused 50014."""
        self.happened("accepting")
        with self.exchange.lock:
            self.advance()
            quote = next((q for q in self.quotes if q.quote_id == quote_id and q.request.request_id == request_id), None)
            if quote is None:
                self.refusals.append((50014, f"accept of {quote_id} for {request_id}: no such quote"))
                raise Refused(50014, "Block trade quote is not valid")
            good = quote.state == OPEN and quote.request.state == ACTIVE and not quote.offer.gone
            self.acceptances.append(Acceptance(quote, self.book_cost(quote), good, quote.ends - time.monotonic()))
            if not good:
                quote.state = CANCELLED if quote.offer.gone else quote.state
                raise Refused(50014, "Block trade quote is not valid")
            block = self._trade(quote)
        self.happened("accepted")
        return block

    def listing(self, request_id: int | None, wanted: str | None) -> list[Request]:
        """Return the requests that a filter chooses. Raises Refused, HTTP 404, where takers may not list."""
        if not self.listed:
            raise Refused(0, "", status=404)
        with self.exchange.lock:
            self.advance()
            limit = time.monotonic() - self.exchange.lag_seconds
            return [
                r
                for r in self.requests
                if r.born <= limit and request_id in (None, r.request_id) and wanted in (None, OPEN if r.state == ACTIVE else "CLOSED")
            ]

    def visible_blocks(self) -> list[Block]:
        """Return the blocks that lists show by now, oldest first."""
        limit = time.monotonic() - self.exchange.lag_seconds
        return [block for block in self.blocks if block.born <= limit]

    # ---- the judge

    def book_cost(self, quote: MadeQuote) -> Decimal | None:
        """Return what the book would take for what a quote trades, at the kindest prices of the last seconds; None: it cannot."""
        total = ZERO
        for leg in quote.legs:
            ours = AGAINST[leg.side]
            price = self.exchange.touch(leg.symbol, ours, within=self.grace_seconds)
            if price is None:
                return None
            total += price * leg.qty * (1 if ours == BUY else -1)
        return total

    @property
    def open_requests(self) -> list[Request]:
        """Return the requests on which something could still be traded."""
        with self.exchange.lock:
            self.advance()
            return [request for request in self.requests if request.state == ACTIVE]

    # ---- time

    def advance(self) -> None:
        """Let pass what time brings: quotes that come, quotes and requests that expire."""
        moment = time.monotonic()
        for request in self.requests:
            if request.state == ACTIVE:
                self._answer(request, moment)
            if request.state == ACTIVE and request.ends <= moment:
                self._end(request, EXPIRED)
        for quote in self.quotes:
            if quote.state == OPEN and quote.ends <= moment:
                quote.state, quote.updated = EXPIRED, self.exchange.now()

    def _answer(self, request: Request, moment: float) -> None:
        come = [offer for at, offer in request.due if at <= moment]
        request.due = [(at, offer) for at, offer in request.due if at > moment]
        for maker, offer in enumerate(come):
            for side in offer.sides:
                self._quote(request, offer, side, maker)

    def _quote(self, request: Request, offer: Offer, maker_side: str, maker: int) -> None:
        turned = maker_side == "SELL"
        legs = [QuotedLeg(leg.symbol, AGAINST[leg.side] if turned else leg.side, leg.qty, ZERO) for leg in request.legs]
        priced = [self._priced(leg, Decimal(offer.better)) for leg in legs]
        if any(leg is None for leg in priced):
            return  # no maker quotes what it cannot price
        odd = _odd([leg for leg in priced if leg is not None], offer.oddity, self.exchange)
        now, ends = self.exchange.now(), time.monotonic() + offer.life
        self.quotes.append(MadeQuote(self.exchange.number(), request, odd, maker_side, offer, 8000 + maker, now, ends, updated=now))

    def _priced(self, leg: QuotedLeg, better: Decimal) -> QuotedLeg | None:
        ours = AGAINST[leg.side]
        price = self.exchange.touch(leg.symbol, ours)
        if price is None:
            return None
        share = 1 + better / 100 * (1 if ours == SELL else -1)
        return replace(leg, price=max((price * share).quantize(TICK, ROUND_HALF_EVEN), TICK))

    # ---- inside

    def _read(self, body: Mapping[str, object]) -> tuple[Leg, ...]:
        rows = body.get("legs")
        if not isinstance(rows, list) or not rows:
            raise Refused(10570, "Parameter legs cannot be empty.")
        legs = tuple(self._leg(row) for row in rows)
        if all(leg.side == SELL for leg in legs):
            raise Refused(10004, "all legs SELL")  # its code is not known
        if sum((self.exchange.options[leg.symbol].strike * leg.qty for leg in legs), ZERO) < MINIMUM:
            raise Refused(10558, "less.than.min.amount")
        return legs

    def _leg(self, row: object) -> Leg:
        if not isinstance(row, dict) or set(row) != {"instrumentName", "side", "qty"}:
            raise Refused(10573, f"leg {row}")
        option = self.exchange.options.get(str(row["instrumentName"]))
        if option is None or row["side"] not in SIDES:
            raise Refused(10574, f"leg {row}")
        qty = Decimal(str(row["qty"]))
        if option.expiry <= self.exchange.now():
            raise Refused(10540, "Order has expired.")
        if qty < option.lot or qty % option.lot != 0:
            raise Refused(10558, "less.than.min.amount")
        return Leg(option.symbol, SIDES[row["side"]], qty)

    def _request(self, request_id: int) -> Request:
        for request in self.requests:
            if request.request_id == request_id:
                return request
        raise Refused(10584, "no such request")

    def _end(self, request: Request, state: str) -> None:
        request.state, request.updated = state, self.exchange.now()
        for quote in self.quotes:
            if quote.request is request and quote.state == OPEN:
                quote.state, quote.updated = EXPIRED if state == EXPIRED else CANCELLED, self.exchange.now()

    def _trade(self, quote: MadeQuote) -> Block:
        quote.state = REQUEST_FILLED
        self._end(quote.request, REQUEST_FILLED)
        ours = [(leg.symbol, AGAINST[leg.side], leg.qty, leg.price) for leg in quote.legs]
        trades = self.exchange.block(quote.quote_id, ours)
        block = Block(quote, tuple(trades), self.exchange.now(), self.exchange.index_now)
        self.blocks.append(block)
        return block


def _odd(legs: list[QuotedLeg], oddity: Oddity | None, exchange: OtherExchange) -> tuple[QuotedLeg, ...]:
    """Return the legs with what is wrong with them."""
    first, *rest = legs
    stranger = next(symbol for symbol in exchange.options if symbol not in {leg.symbol for leg in legs})
    if oddity in (Oddity.LESS, Oddity.MORE):
        return tuple(replace(leg, qty=leg.qty * 2 if oddity is Oddity.MORE else leg.qty / 2) for leg in legs)
    made: Mapping[Oddity | None, tuple[QuotedLeg, ...]] = {
        None: (first, *rest),
        Oddity.SHORT: tuple(rest),
        Oddity.LONG: (*legs, replace(first, symbol=stranger)),
        Oddity.OTHER: (replace(first, symbol=stranger), *rest),
        Oddity.FLIPPED: (replace(first, side=AGAINST[first.side]), *rest),
    }
    return made[oddity]
