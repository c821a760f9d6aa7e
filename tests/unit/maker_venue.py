"""A venue on which we are the maker, with switches for each way that can go wrong."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from clock import SimulatedClock
from domain import ZERO, BlockTrade, Fill, Option, QuotedLeg, QuoteStatus, RequestedLeg, RequestPush, RFQQuote, RFQStatus, Side
from domain.quoting import OwnStanding
from errors import ExchangeRejected, ExchangeUnavailable, OutcomeUnknown, VenueError

from tests.fakes import FakeVenue, an_option

LIFE = timedelta(minutes=5)
CALL, HIGH = an_option(70000), an_option(75000)


EXISTS = ExchangeRejected("fake", "quote", "a quote exists already", 50012)


def a_leg(option: Option = CALL, side: Side = Side.BUY, qty: str = "1") -> RequestedLeg:
    """One leg of a request, as its taker states it."""
    return RequestedLeg(symbol=option.symbol, side=side, qty=Decimal(qty))


class FakeMakerVenue:
    """The board of one venue as a maker sees it. All faults are off at first.

    One-shot: `lose_quote` ("before" it is taken, "after", or "late": it arrives when `land` is called), `refuse_quote` (an error),
    `take_in_cancel` (a taker is faster than our cancel), `slow_cancel` (it says yes, and takes effect with the next one). Counted:
    `cancel_fails` (unanswered, without effect), `cancel_lost` (with it), `find_fails`. Standing: `hide_quotes` and `hide_blocks` (the
    lists lag), `lists_fail`, `cut` (prices are cut to whole dollars).
    """

    def __init__(self, clock: SimulatedClock, account: FakeVenue) -> None:
        self.clock, self.account = clock, account
        self.board: dict[str, RequestPush] = {}
        self.quotes: dict[str, RFQQuote] = {}
        self.blocks: dict[str, BlockTrade] = {}
        self.asked: Counter[str] = Counter()
        self.lose_quote = ""
        self.refuse_quote: VenueError | None = None
        self.take_in_cancel = self.slow_cancel = self.hide_quotes = self.hide_blocks = self.lists_fail = self.cut = False
        self.cancel_fails = self.cancel_lost = self.find_fails = 0
        self.most_open = 0
        self._late: Callable[[], object] | None = None

    # ---- what takers do

    def ask(self, *legs: RequestedLeg) -> str:
        """Put a request on the board."""
        now, name = self.clock.now(), f"r{len(self.board) + 1}"
        self.board[name] = RequestPush(
            request_id=name,
            status=RFQStatus.ACTIVE,
            legs=legs or (a_leg(),),
            created_at=now,
            expires_at=now + timedelta(hours=1),
            ours=False,
            at=now,
        )
        return name

    def over(self, name: str = "r1", status: RFQStatus = RFQStatus.CANCELLED) -> None:
        """End a request from outside, and the quotes on it."""
        self.board[name] = replace(self.board[name], status=status)
        for quote in self.open_on(name):
            self.end(quote.quote_id)

    def take(self, name: str = "r1") -> BlockTrade:
        """Accept the open quote on a request."""
        [quote] = self.open_on(name)
        rows, fills = self.account.rows, list[Fill]()
        for leg in quote.legs:
            number = len(rows) + 1
            fill = Fill(
                id=f"bt{number}",
                order_id=f"bo{number}",
                symbol=leg.symbol,
                side=leg.side,
                qty=leg.qty,
                price=leg.price,
                fee=Decimal("0.7"),
                at=self.clock.now(),
                is_taker=False,
            )
            rows.append(fill)
            fills.append(fill)
            self.account.held[leg.symbol] = self.account.held.get(leg.symbol, ZERO) + leg.side.sign * leg.qty
        self.end(quote.quote_id, QuoteStatus.FILLED)
        self.board[name] = replace(self.board[name], status=RFQStatus.FILLED)
        block = BlockTrade(block_id=quote.quote_id, request_id=name, quote_id=quote.quote_id, fills=tuple(fills))
        self.blocks[name] = block
        return block

    def open_on(self, name: str = "r1") -> list[RFQQuote]:
        """The open quotes on a request."""
        self._expire()
        return [quote for quote in self.quotes.values() if quote.request_id == name and quote.status is QuoteStatus.OPEN]

    def end(self, quote_id: str, status: QuoteStatus = QuoteStatus.CANCELLED) -> None:
        """End a quote."""
        self.quotes[quote_id] = replace(self.quotes[quote_id], status=status)

    def stranger(self, name: str = "r1", price: str = "1") -> str:
        """Let another program of the account quote."""
        return self._make(
            name, Side.SELL, tuple(leg.quoted_at(Decimal(price), leg.side.opposite) for leg in self.board[name].legs)
        ).quote_id

    def land(self) -> None:
        """Let a quote arrive that was on its way."""
        late, self._late = self._late, None
        if late is not None:
            with suppress(ExchangeRejected):  # it came too late
                late()

    # ---- QuoteGateway and QuoteDirectory

    def quote(self, request_id: str, side: Side, legs: Sequence[QuotedLeg], /) -> RFQQuote:
        """Take a quote."""
        self.asked["quote"] += 1
        lost, self.lose_quote = self.lose_quote, ""
        if lost in ("before", "late"):
            self._late = (lambda: self._make(request_id, side, legs)) if lost == "late" else None
            raise OutcomeUnknown("fake", "quote", "connection reset")
        if self.refuse_quote is not None:
            error, self.refuse_quote = self.refuse_quote, None
            raise error
        made = self._make(request_id, side, legs)
        if lost:
            raise OutcomeUnknown("fake", "quote", "read timed out")
        return made

    def cancel(self, quote_id: str, /) -> None:
        """Take a quote back."""
        self.asked["cancel"] += 1
        self._expire()
        quote = self.quotes[quote_id]
        if self.take_in_cancel:
            self.take_in_cancel = False
            self.take(str(quote.request_id))
            raise ExchangeRejected("fake", "cancel", "not open", 50014)
        if self.cancel_fails > 0:
            self.cancel_fails -= 1
            raise OutcomeUnknown("fake", "cancel", "try again later", 10000)
        if quote.status is not QuoteStatus.OPEN:
            raise ExchangeRejected("fake", "cancel", "not open", 50014)
        if self.slow_cancel:
            self.slow_cancel = False
            return
        self.end(quote_id)
        if self.cancel_lost > 0:
            self.cancel_lost -= 1
            raise OutcomeUnknown("fake", "cancel", "read timed out")

    def cancel_all(self) -> None:
        """Take all back."""
        self.asked["cancel all"] += 1
        for quote in list(self.quotes.values()):
            if quote.status is QuoteStatus.OPEN:
                self.end(quote.quote_id)

    def find(self, request_id: str, since: object, /) -> OwnStanding:
        """Say what is known of our quotes on a request."""
        self.asked["find"] += 1
        if self.find_fails > 0:
            self.find_fails -= 1
            raise ExchangeUnavailable("fake", "find", "unreachable")
        self._expire()
        quotes = () if self.hide_quotes else tuple(quote for quote in self.quotes.values() if quote.request_id == request_id)
        block = None if self.hide_blocks else self.blocks.get(request_id)
        return OwnStanding(quotes=quotes, status=self.board[request_id].status, block=block)

    def requests(self) -> Sequence[RequestPush]:
        """List what may be quoted."""
        self.asked["requests"] += 1
        if self.lists_fail:
            raise ExchangeUnavailable("fake", "requests", "unreachable")
        return [replace(each, at=self.clock.now()) for each in self.board.values() if each.status is RFQStatus.ACTIVE]

    def open_quotes(self) -> Sequence[RFQQuote]:
        """List the open quotes."""
        if self.lists_fail:
            raise ExchangeUnavailable("fake", "open quotes", "unreachable")
        self._expire()
        return [] if self.hide_quotes else [quote for quote in self.quotes.values() if quote.status is QuoteStatus.OPEN]

    # ---- inside

    def _make(self, request_id: str, side: Side, legs: Sequence[QuotedLeg]) -> RFQQuote:
        if self.board[request_id].status is not RFQStatus.ACTIVE:
            raise ExchangeRejected("fake", "quote", "not an active request", 50014)
        if self.open_on(request_id):
            raise EXISTS
        acts = [leg.side if side is Side.BUY else leg.side.opposite for leg in self.board[request_id].legs]
        assert [leg.side for leg in legs] == acts, "the sides of the legs are not those of the quote"
        now = self.clock.now()
        made = RFQQuote(
            quote_id=f"q{len(self.quotes) + 1}",
            request_id=request_id,
            status=QuoteStatus.OPEN,
            legs=tuple(replace(leg, price=Decimal(int(leg.price))) if self.cut else leg for leg in legs),
            created_at=now,
            expires_at=now + LIFE,
        )
        self.quotes[made.quote_id] = made
        self.most_open = max(self.most_open, len(self.open_on(request_id)))
        return made

    def _expire(self) -> None:
        for quote in self.quotes.values():
            if quote.status is QuoteStatus.OPEN and self.clock.now() >= quote.expires_at:
                self.quotes[quote.quote_id] = replace(quote, status=QuoteStatus.EXPIRED)
