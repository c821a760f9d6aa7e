"""The laws of the paper exchange, over random orders in random markets: nothing is created, nothing is lost, nobody jumps the queue."""

from decimal import Decimal
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from domain import Side
from paper.block_rows import QuoteState, RequestState
from paper.engine import Engine
from paper.ledger import total_cash
from paper.rules import FINAL, OrderRequest, OrderState

from tests.property.paper_walk import RULES, USERS, Walk, image_of, ledger_of, steps
from tests.unit.paper.engine_market import ALICE, BOB, CALL, CAROL, START, D


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
