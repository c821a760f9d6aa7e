"""A walk on the paper exchange: steps drawn at random, who takes them, and what is left of the exchange's books after each."""

from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
from hypothesis import strategies as st

from domain import OrderType, Side, TimeInForce
from paper.block_rows import StatedLeg
from paper.engine import Engine
from paper.market import Flow
from paper.rows import Changes, Image, MatchRow, OrderRow
from paper.rules import BlockRules, Faults, OrderRequest, Refused, Rules, Stp

from tests.unit.paper.engine_market import ALICE, BOB, CALL, CAROL, DAILY, FRIDAY, PUT, START, THURSDAY, D, ScriptedFeed, an_engine, levels

USERS = (ALICE, BOB, CAROL)
OPTIONS = (CALL, PUT, DAILY)
prices = st.integers(14_900, 15_100).map(lambda ticks: ticks * D("0.1"))
sizes = st.integers(1, 60).map(lambda lots: lots * D("0.01"))
users, options, sides = st.sampled_from(USERS), st.sampled_from(OPTIONS), st.sampled_from(Side)


def placing(**more: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    """Draw the placing of an order by anybody, in any option, with these fields more."""
    symbols = options.map(lambda option: option.symbol)
    return st.tuples(st.just("place"), users, st.builds(OrderRequest, symbol=symbols, side=sides, qty=sizes, **more))


places = placing(
    price=prices,
    order_type=st.sampled_from([OrderType.LIMIT, OrderType.LIMIT, OrderType.LIMIT, OrderType.POST_ONLY]),
    time_in_force=st.sampled_from([None, None, TimeInForce.GTC]),
    stp=st.sampled_from(Stp),
    reduce_only=st.sampled_from([False, False, False, True]),
)
takes = placing(price=prices, time_in_force=st.sampled_from([TimeInForce.IOC, TimeInForce.FOK]), stp=st.sampled_from(Stp))
markets = placing(order_type=st.just(OrderType.MARKET), slippage=st.just(D(1)))
cancels = st.tuples(st.just("cancel"), users, st.integers(0, 30))
amends = st.tuples(st.just("amend"), users, st.integers(0, 30), st.none() | sizes, st.none() | prices)
quotes = st.tuples(
    st.just("quote"), options, st.integers(14_900, 15_090), st.integers(1, 20), sizes, st.integers(1400, 1600), st.integers(80_000, 110_000)
)
sweeps = st.tuples(st.just("sweep"), options, sides, sizes, prices)
waits = st.tuples(st.just("wait"), st.integers(1, 5))
faults = st.tuples(st.just("fault"), users, st.booleans(), st.booleans(), st.sampled_from([None, timedelta(seconds=4)]))
block_legs = st.lists(
    st.tuples(options.map(lambda option: option.symbol), sides, sizes), min_size=1, max_size=3, unique_by=lambda leg: leg[0]
)
asks = st.tuples(st.just("ask"), users, block_legs)
offers = st.tuples(st.just("offer"), users, st.integers(0, 5), sides, st.lists(prices, min_size=3, max_size=3))
accepts = st.tuples(st.just("accept"), st.integers(0, 8))
withdrawals = st.tuples(st.just("withdraw"), st.booleans(), st.integers(0, 8))
deals = st.tuples(st.just("deal"), users, users, block_legs, sides, st.lists(prices, min_size=3, max_size=3))
blocks = st.one_of(deals, deals, asks, offers, accepts, withdrawals)
orders = st.one_of(places, places, places, takes, markets, cancels, amends, quotes, sweeps, waits, faults)
steps = st.lists(st.one_of(orders, orders, blocks), min_size=5, max_size=40)


RULES = Rules(
    block=BlockRules(min_notional=D(0), sells_refused=False, quote_life=timedelta(seconds=10), request_life=timedelta(seconds=20))
)


class Walk:
    """Plays steps on an engine and remembers what its changes said."""

    def __init__(self, cash: str = "100000", feed: ScriptedFeed | None = None) -> None:
        self.feed = feed or ScriptedFeed()
        self.told = feed is not None  # the feed knows already what the steps would tell it
        self.engine = an_engine(self.feed, RULES, cash=cash)
        self.now = START
        self.matches: list[MatchRow] = []
        self.traded = 0
        self.first_rows = self.last_rows = rows_of(self.engine.drain_changes())

    def play(self, step: tuple) -> None:
        self.now += timedelta(milliseconds=500)
        try:
            getattr(self, f"_{step[0]}")(*step[1:])
        except Refused as refused:
            assert refused.message
        changes = self.engine.drain_changes()
        self.matches += changes.trades
        self.last_rows = rows_of(changes)
        self.engine.drain_events()

    def _place(self, user: int, request: OrderRequest) -> None:
        self.engine.place(user, request, self.now)

    def _cancel(self, user: int, nth: int) -> None:
        self.engine.cancel(user, self.now, order_id=self._nth(user, nth))

    def _amend(self, user: int, nth: int, qty: Decimal | None, price: Decimal | None) -> None:
        order_id = self._nth(user, nth)
        symbol = self.engine.reports.order(user, order_id=order_id).symbol
        self.engine.amend(user, symbol, self.now, order_id=order_id, qty=qty, price=price)

    def _nth(self, user: int, nth: int) -> int:
        ids = list(self.engine.accounts[user].orders)
        return ids[-1 - nth % len(ids)] if ids else 0

    def _quote(self, option, bid: int, spread: int, size: Decimal, mark: int, index: int) -> None:  # type: ignore[no-untyped-def]
        if self.told:
            return
        self.feed.move(str(index), self.now)
        tick = D("0.1")
        bids = levels((str(bid * tick), str(size)), (str((bid - 5) * tick), "1"))
        asks = levels((str((bid + spread) * tick), str(size)), (str((bid + spread + 5) * tick), "1"))
        self.feed.quote(option, self.now, bids, asks, str(mark))

    def _sweep(self, option, side: Side, qty: Decimal, limit: Decimal) -> None:  # type: ignore[no-untyped-def]
        if not self.told:
            self.feed.flows.append(Flow(at=self.now, symbol=option.symbol, side=side, qty=qty, limit=limit))

    def _ask(self, user: int, legs: list[tuple[str, Side, Decimal]]) -> None:
        self.engine.board.request(user, [StatedLeg(*leg) for leg in legs], self.now)

    def _offer(self, user: int, nth: int, side: Side, asked: list[Decimal]) -> None:
        if requests := list(self.engine.board.requests.values()):
            request = requests[-1 - nth % len(requests)]
            wanted = dict(zip((leg.symbol for leg in request.legs), asked, strict=False))
            self.engine.board.quote(user, request.request_id, side, wanted, self.now)

    def _deal(self, taker: int, maker: int, legs: list[tuple[str, Side, Decimal]], side: Side, asked: list[Decimal]) -> None:
        self._ask(taker, legs)
        self._offer(maker, 0, side, asked)
        self._accept(0)

    def _accept(self, nth: int) -> None:
        if offered := list(self.engine.board.quotes.values()):
            quote = offered[-1 - nth % len(offered)]
            taker = self.engine.board.requests[quote.request_id].user
            before = money_of(self.engine, self.now)
            try:
                self.engine.board.accept(taker, quote.request_id, quote.quote_id, self.now)
                self.traded += 1
            except Refused:
                assert money_of(self.engine, self.now) == before
                raise

    def _withdraw(self, request: bool, nth: int) -> None:
        board = self.engine.board
        if request and board.requests:
            row = list(board.requests.values())[-1 - nth % len(board.requests)]
            board.cancel_request(row.user, row.request_id, self.now)
        elif not request and board.quotes:
            quote = list(board.quotes.values())[-1 - nth % len(board.quotes)]
            board.cancel_quote(quote.user, quote.quote_id, self.now)

    def _wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.engine.advance(self.now)

    def _fault(self, user: int, one_lot: bool, fill: bool, takes: timedelta | None) -> None:
        self.engine.faults[user] = Faults(cancel_takes=takes, fill_while_cancelling=fill, one_lot_only=one_lot)

    def expire(self) -> None:
        """Go past every expiry; the settlement price of Friday comes late."""
        self.feed.settlements[THURSDAY] = D("99123.456789")
        self.now = FRIDAY + timedelta(seconds=1)
        self.engine.advance(self.now)
        self.feed.settlements[FRIDAY] = D("101234.56789012")
        self.engine.advance(self.now + timedelta(minutes=1))
        self.matches += self.engine.drain_changes().trades


def money_of(engine: Engine, now: datetime) -> dict[tuple[object, ...], object]:
    """Return cash, positions, fills and blocks once every holding has been looked at now, as an acceptance looks at them."""
    for user in USERS:
        engine.reports.refresh(user, now)
    kinds = {"accounts", "trades", "positions", "blocks"}
    return {key: row for key, row in rows_of(engine.image()).items() if key[0] in kinds}


def ledger_of(engine: Engine) -> dict[tuple[object, ...], object]:
    """Return every row but the books', whose market is asked again, and without what depends on the mark of the last look."""
    rows = rows_of(engine.image())
    still = {key: msgspec.structs.replace(row, margin=D(0)) if isinstance(row, OrderRow) else row for key, row in rows.items()}
    return {key: row for key, row in still.items() if key[0] != "books"}


def rows_of(changes: Changes) -> dict[tuple[object, ...], object]:
    """Return rows by kind and key, as a store would keep them."""
    rows: dict[tuple[object, ...], object] = {("meta",): changes.meta}
    rows |= {("accounts", row.user): row for row in changes.accounts}
    rows |= {("orders", row.order_id): row for row in changes.orders}
    rows |= {("trades", row.trade_id): row for row in changes.trades}
    rows |= {("positions", row.user, row.symbol): row for row in changes.positions if row.lots or row.order_id}
    rows |= {("exercises", row.exercise_id): row for row in changes.exercises}
    rows |= {("requests", row.request_id): row for row in changes.requests}
    rows |= {("quotes", row.quote_id): row for row in changes.quotes}
    rows |= {("blocks", row.block_id): row for row in changes.blocks}
    return rows | {("books", row.symbol): row for row in changes.books}


def image_of(rows: dict[tuple[object, ...], object]) -> Image:
    """Return what a store would read back."""
    kinds = {
        kind: [row for key, row in rows.items() if key[0] == kind]
        for kind in ("accounts", "orders", "trades", "positions", "exercises", "books", "requests", "quotes", "blocks")
    }
    return msgspec.convert({"meta": rows[("meta",)], **kinds}, Image)
