"""A venue with makers that works, with switches for each way a block trade can go wrong."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from clock import SimulatedClock
from domain import ZERO, BlockTrade, Fill, OptionLeg, QuotedLeg, QuoteStatus, RFQQuote, RFQRequest, RFQStanding, RFQStatus, Side
from errors import ExchangeRejected, ExchangeUnavailable, OrderAlreadyFinal, OrderNotFound, OutcomeUnknown, VenueError

from tests.fakes import FakeVenue

STALE = ExchangeRejected("fake", "accept", "quote is no longer valid", 50014)
LIFE = timedelta(minutes=5)


@dataclass
class Maker:
    """One answer to each request: a price per leg as stated, so long after it, and for how long it stands. `against` says who sells.

    `against` is True for a quote that trades the request as stated (the maker acts against every leg), False for the other way round.
    """

    prices: tuple[str, ...]
    after: float = 0
    life: timedelta = LIFE
    against: bool = True
    vanishes: bool = False


class FakeRFQVenue:
    """Requests, quotes and blocks of one venue. All faults are off at first.

    One-shot: `lose_create` and `lose_accept` ("before" it is processed, "after", or "late": an accept is processed when `land` is
    called), `refuse_create`, `refuse_accept` (an error). Counted: `cancel_fails`, `find_fails`. Standing: `quotes_fail`, `no_status`
    (rfqList answers 404), `no_list` (open requests are not told), `list_lag` (how late they are told), `hide_blocks` (the list of
    blocks lags), `unreadable` (a block is told without its fills), `short` (a block shows nothing of its last leg).
    """

    def __init__(self, clock: SimulatedClock, account: FakeVenue) -> None:
        self.clock, self.account = clock, account
        self.makers: list[Maker] = []
        self.requests: dict[str, RFQRequest] = {}
        self.blocks: dict[str, BlockTrade] = {}
        self.accepts: list[str] = []
        self.asked: Counter[str] = Counter()
        self.lose_create = self.lose_accept = ""
        self.refuse_create: VenueError | None = None
        self.refuse_accept: VenueError | None = None
        self.unreadable = self.quotes_fail = self.no_status = self.no_list = self.hide_blocks = self.short = False
        self.cancel_fails = self.find_fails = 0
        self.list_lag = timedelta(0)
        self._late: Callable[[], object] | None = None

    # ---- what tests look at

    @property
    def statuses(self) -> list[RFQStatus]:
        """How each request stands, oldest first."""
        return [request.status for request in self.requests.values()]

    def end(self, request_id: str = "r1", status: RFQStatus = RFQStatus.EXPIRED) -> None:
        """End a request from outside."""
        self.requests[request_id] = replace(self.requests[request_id], status=status)

    def land(self) -> bool:
        """Process an accept that was on its way; tell whether it traded."""
        late, self._late = self._late, None
        try:
            return late is not None and late() is not None
        except ExchangeRejected:
            return False

    # ---- RFQGateway and RFQDirectory

    def request(self, legs: Sequence[OptionLeg], /) -> RFQRequest:
        """Open a request; legs that all sell are turned."""
        self.asked["create"] += 1
        if self.refuse_create is not None:
            error, self.refuse_create = self.refuse_create, None
            raise error
        lost, self.lose_create = self.lose_create, ""
        if lost == "before":
            raise OutcomeUnknown("fake", "create", "connection reset")
        turned = all(leg.side is Side.SELL for leg in legs)
        now = self.clock.now()
        request = RFQRequest(
            request_id=f"r{len(self.requests) + 1}",
            status=RFQStatus.ACTIVE,
            legs=tuple(replace(leg, side=Side.BUY) if turned else leg for leg in legs),
            created_at=now,
            expires_at=now + timedelta(hours=1),
        )
        self.requests[request.request_id] = request
        if lost:
            raise OutcomeUnknown("fake", "create", "read timed out")
        return request

    def quotes(self, request: RFQRequest, /) -> Sequence[RFQQuote]:
        """Show what makers answered so far."""
        self.asked["quotes"] += 1
        if self.quotes_fail:
            raise ExchangeUnavailable("fake", "quotes", "unreachable")
        known = self.requests.get(request.request_id)
        if known is None:
            raise OrderNotFound("fake", "quotes", "no such request")
        return [quote for number, maker in enumerate(self.makers) if (quote := self._quote(known, number, maker, request.legs)) is not None]

    def accept(self, request: RFQRequest, quote: RFQQuote, /) -> BlockTrade:
        """Trade a quote."""
        self.asked["accept"] += 1
        self.accepts.append(quote.quote_id)
        lost, self.lose_accept = self.lose_accept, ""
        if lost in ("before", "late"):
            self._late = (lambda: self._trade(request, quote)) if lost == "late" else None
            raise OutcomeUnknown("fake", "accept", "connection reset")
        if self.refuse_accept is not None:
            error, self.refuse_accept = self.refuse_accept, None
            raise error
        block = self._trade(request, quote)
        if lost == "after":
            raise OutcomeUnknown("fake", "accept", "read timed out")
        return self._shown(block)

    def cancel(self, request_id: str, /) -> None:
        """Withdraw a request."""
        self.asked["cancel"] += 1
        if self.cancel_fails > 0:
            self.cancel_fails -= 1
            raise ExchangeUnavailable("fake", "cancel", "try again later", 10000)
        if self.requests[request_id].status.final:
            raise OrderAlreadyFinal("fake", "cancel", f"it is {self.requests[request_id].status}")
        self.end(request_id, RFQStatus.CANCELLED)

    def find(self, request_id: str, since: object, /) -> RFQStanding:
        """Say what is known of a request."""
        self.asked["find"] += 1
        if self.find_fails > 0:
            self.find_fails -= 1
            raise ExchangeUnavailable("fake", "find", "unreachable")
        block = None if self.hide_blocks else self.blocks.get(request_id)
        status = None if self.no_status else self.requests[request_id].status
        return RFQStanding(status=status, block=None if block is None else self._shown(block))

    def open_requests(self) -> Sequence[RFQRequest]:
        """List the open requests."""
        self.asked["list"] += 1
        if self.no_list:
            raise ExchangeUnavailable("fake", "list", "HTTP 404")
        seen = self.clock.now() - self.list_lag
        return [request for request in self.requests.values() if request.status is RFQStatus.ACTIVE and request.created_at <= seen]

    # ---- inside

    def _quote(self, request: RFQRequest, number: int, maker: Maker, stated: tuple[OptionLeg, ...] = ()) -> RFQQuote | None:
        made = request.created_at + timedelta(seconds=maker.after)
        now = self.clock.now()
        if now < made:
            return None
        stands = now < made + maker.life and not maker.vanishes and request.status is RFQStatus.ACTIVE
        return RFQQuote(
            quote_id=f"{request.request_id}-q{number + 1}",
            request_id=request.request_id,
            status=QuoteStatus.OPEN if stands or maker.vanishes else QuoteStatus.EXPIRED,
            legs=tuple(
                QuotedLeg(
                    symbol=leg.instrument.symbol,
                    side=leg.side.opposite if maker.against else leg.side,
                    price=Decimal(price),
                    qty=leg.qty,
                )
                for leg, price in zip(request.legs, maker.prices, strict=True)
            ),
            created_at=made,
            expires_at=made + maker.life,
            stated=stated,
        )

    def _trade(self, request: RFQRequest, quote: RFQQuote) -> BlockTrade:
        number = int(quote.quote_id.rpartition("q")[2]) - 1
        known = self._quote(self.requests[request.request_id], number, self.makers[number])
        if known is None or self.makers[number].vanishes or known.status is not QuoteStatus.OPEN:
            raise STALE
        rows = self.account.rows
        fills: list[Fill] = []
        for leg in known.legs:
            fill = Fill(
                id=f"bt{len(rows) + 1}",
                order_id=f"bo{len(rows) + 1}",
                symbol=leg.symbol,
                side=leg.side.opposite,
                qty=leg.qty,
                price=leg.price,
                fee=Decimal(1),
                at=self.clock.now(),
                is_taker=True,
            )
            rows.append(fill)
            fills.append(fill)
            self.account.held[leg.symbol] = self.account.held.get(leg.symbol, ZERO) + fill.side.sign * fill.qty
        self.end(request.request_id, RFQStatus.FILLED)
        block = BlockTrade(block_id=quote.quote_id, request_id=request.request_id, quote_id=quote.quote_id, fills=tuple(fills))
        self.blocks[request.request_id] = block
        return block

    def _shown(self, block: BlockTrade) -> BlockTrade:
        if self.unreadable:
            return replace(block, fills=None)
        return replace(block, fills=(block.fills or ())[:-1]) if self.short else block
