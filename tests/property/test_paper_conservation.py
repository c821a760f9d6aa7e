"""The laws of the paper exchange, over random orders in random markets: nothing is created, nothing is lost, nobody jumps the queue."""

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import OrderType, Side, TimeInForce
from paper.block_rows import QuoteState, RequestState, StatedLeg
from paper.engine import Engine
from paper.ledger import total_cash
from paper.market import Flow
from paper.rows import Changes, Image, MatchRow, OrderRow
from paper.rules import FINAL, BlockRules, Faults, OrderRequest, OrderState, Refused, Rules, Stp

from tests.unit.paper.engine_market import ALICE, BOB, CALL, CAROL, DAILY, FRIDAY, PUT, START, THURSDAY, D, ScriptedFeed, an_engine, levels

USERS = (ALICE, BOB, CAROL)
OPTIONS = (CALL, PUT, DAILY)
prices = st.integers(14_900, 15_100).map(lambda ticks: ticks * D("0.1"))
sizes = st.integers(1, 60).map(lambda lots: lots * D("0.01"))
users, options, sides = st.sampled_from(USERS), st.sampled_from(OPTIONS), st.sampled_from(Side)

places = st.tuples(
    st.just("place"),
    users,
    st.builds(
        OrderRequest,
        symbol=options.map(lambda option: option.symbol),
        side=sides,
        qty=sizes,
        price=prices,
        order_type=st.sampled_from([OrderType.LIMIT, OrderType.LIMIT, OrderType.LIMIT, OrderType.POST_ONLY]),
        time_in_force=st.sampled_from([None, None, TimeInForce.GTC]),
        stp=st.sampled_from(Stp),
        reduce_only=st.sampled_from([False, False, False, True]),
    ),
)
takes = st.tuples(
    st.just("place"),
    users,
    st.builds(
        OrderRequest,
        symbol=options.map(lambda option: option.symbol),
        side=sides,
        qty=sizes,
        price=prices,
        time_in_force=st.sampled_from([TimeInForce.IOC, TimeInForce.FOK]),
        stp=st.sampled_from(Stp),
    ),
)
markets = st.tuples(
    st.just("place"),
    users,
    st.builds(
        OrderRequest,
        symbol=options.map(lambda o: o.symbol),
        side=sides,
        qty=sizes,
        order_type=st.just(OrderType.MARKET),
        slippage=st.just(D(1)),
    ),
)
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


def holdings(engine: Engine, symbol: str) -> dict[int, int]:
    """Return lots by user, the house's included."""
    book = engine.liquidity.books[symbol]
    return {1: book.house_holding.lots, **{user: holding.lots for user, holding in book.holders.items()}}


def check_nothing_is_created(walk: Walk) -> None:
    assert total_cash(walk.engine.accounts.values()) == 0
    for symbol in walk.engine.liquidity.books:
        assert sum(holdings(walk.engine, symbol).values()) == 0


def check_orders_add_up(walk: Walk) -> None:
    for user in USERS:
        account = walk.engine.accounts[user]
        filled: dict[str, Decimal] = {}
        for row in walk.engine.reports.order_history(user, limit=500).rows:
            fills = [match for match in walk.matches if row.order_id in {match.taker_order, match.maker_order}]
            assert 0 <= row.filled <= row.qty
            assert sum(match.qty for match in fills) == row.filled
            assert (row.order_id in account.open) == (row.state not in FINAL)
            if row.state is OrderState.FILLED:
                assert row.remaining == 0
            filled[row.symbol] = filled.get(row.symbol, D(0)) + row.side.sign * row.filled
        for symbol, holding in account.holdings.items():
            assert holding.lots * D("0.01") == filled.get(symbol, D(0))


def check_no_user_order_crosses_another(walk: Walk) -> None:
    for book in walk.engine.liquidity.books.values():
        resting = [order for order in book.entries() if order.account is not book.house]
        bids = [order.price for order in resting if order.side > 0]
        asks = [order.price for order in resting if order.side < 0]
        assert not bids or not asks or max(bids) < min(asks)
        assert len(resting) == book.resting
        for level in (*book.levels[1].values(), *book.levels[-1].values()):
            assert level
            assert all(first < second for first, second in pairwise(level))


def check_margins_add_up(walk: Walk) -> None:
    for user in USERS:
        account = walk.engine.accounts[user]
        held = account.holdings.values()
        assert account.initial == sum(holding.initial for holding in held)
        assert account.maintenance == sum(holding.maintenance for holding in held)
        assert account.value == sum(holding.value for holding in held)
        assert account.frozen == sum(order.left * order.fee_lot for order in account.open.values())
        assert sum(account.working.values()) == len(account.open)
        for holding in held:
            mine = [order for order in account.open.values() if order.holding is holding]
            assert holding.buy_lots == sum(order.left for order in mine if order.side > 0)
            assert holding.sell_ticks == sum(order.left * order.price for order in mine if order.side < 0)
            assert holding.reduce_sell <= max(holding.lots, 0)
            assert holding.reduce_buy <= max(-holding.lots, 0)


def check_the_board_is_whole(walk: Walk) -> None:
    """A block is a filled quote is a filled request; each leg is one match between the two; nothing open outlives its request."""
    board, matches = walk.engine.board, {match.trade_id: match for match in walk.matches}
    assert len(board.blocks) == walk.traded
    assert {block.quote_id for block in board.blocks.values()} == {
        number for number, quote in board.quotes.items() if quote.state is QuoteState.FILLED
    }
    filled = [row.request_id for row in board.requests.values() if row.state is RequestState.FILLED]
    assert sorted(block.request_id for block in board.blocks.values()) == filled
    for block in board.blocks.values():
        quote, request = board.quotes[block.quote_id], board.requests[block.request_id]
        assert (block.taker, block.maker) == (request.user, quote.user) and block.taker != block.maker
        for leg, offered, stated in zip(block.legs, quote.legs, request.legs, strict=True):
            match = matches[leg.trade_id]
            assert (match.symbol, match.qty, match.price) == (stated.symbol, stated.qty, offered.price)
            assert (match.taker_user, match.maker_user, match.taker_side) == (block.taker, block.maker, offered.side.opposite)
    for quote in board.quotes.values():
        assert quote.state is not QuoteState.OPEN or quote.request_id in board.active


@given(steps)
@settings(max_examples=150)
def test_every_law_holds_after_every_step(script: list[tuple]) -> None:
    walk = Walk()

    for step in script:
        walk.play(step)
        check_nothing_is_created(walk)
        check_no_user_order_crosses_another(walk)
        check_margins_add_up(walk)

    check_orders_add_up(walk)
    check_the_board_is_whole(walk)


@given(steps, st.sampled_from(["30", "2000"]))
@settings(max_examples=60)
def test_poor_accounts_are_liquidated_and_still_nothing_is_created(script: list[tuple], cash: str) -> None:
    walk = Walk(cash)

    for step in script:
        walk.play(step)
        walk._wait(1)
        check_nothing_is_created(walk)
        check_margins_add_up(walk)

    check_no_user_order_crosses_another(walk)


@given(steps)
@settings(max_examples=60)
def test_after_expiry_nobody_holds_anything_and_the_cash_is_all_there(script: list[tuple]) -> None:
    walk = Walk()
    for step in script:
        walk.play(step)

    walk.expire()

    check_nothing_is_created(walk)
    check_margins_add_up(walk)
    for symbol in walk.engine.liquidity.books:
        assert set(holdings(walk.engine, symbol).values()) == {0}
    assert all(not walk.engine.accounts[user].open for user in USERS)
    assert all(walk.engine.accounts[user].initial == 0 for user in USERS)


@given(steps, st.integers(0, 40))
@settings(max_examples=60)
def test_a_restored_exchange_goes_on_as_if_it_had_never_stopped(script: list[tuple], cut: int) -> None:
    walk = Walk()
    for step in script[:cut]:
        walk.play(step)
    kept, now, faulty = walk.engine.snapshot(), walk.now, dict(walk.engine.faults)
    for step in script[cut:]:
        walk.play(step)

    twin = Walk(feed=walk.feed)
    twin.engine, twin.now, twin.told = Engine.restore(walk.feed, RULES, kept), now, True
    assert twin.engine.snapshot() == kept
    twin.engine.faults = faulty
    for step in script[cut:]:
        twin.play(step)

    assert twin.engine.snapshot() == walk.engine.snapshot()


@given(steps)
@settings(max_examples=60)
def test_rows_upserted_from_changes_are_the_whole_exchange(script: list[tuple]) -> None:
    walk = Walk()
    kept: dict[tuple[object, ...], object] = {}
    kept.update(walk.first_rows)

    for step in script:
        walk.play(step)
        kept.update(walk.last_rows)

    restored = Engine.from_image(walk.feed, RULES, image_of(kept))
    assert ledger_of(restored) == ledger_of(walk.engine)


@given(
    st.lists(st.tuples(st.sampled_from([ALICE, BOB]), st.integers(14_990, 15_000), st.integers(1, 9)), min_size=2, max_size=12),
    st.integers(1, 60),
)
@settings(max_examples=50)
def test_the_better_price_goes_first_and_at_one_price_the_older_order(bids: list[tuple[int, int, int]], lots: int) -> None:
    walk = Walk()
    ids = {}
    for user, ticks, size in bids:
        request = OrderRequest(CALL.symbol, Side.BUY, size * D("0.01"), ticks * D("0.1"))
        order_id = walk.engine.place(user, request, START)
        ids[order_id] = (-ticks, order_id)

    walk.engine.place(CAROL, OrderRequest(CALL.symbol, Side.SELL, lots * D("0.01"), D("1499.0")), START)

    makers = [match.maker_order for match in walk.engine.drain_changes().trades]
    assert makers == sorted(ids, key=lambda order_id: ids[order_id])[: len(makers)]
