"""Orders at the paper exchange that are changed or cancelled: their place in the queue, and what comes too late."""

from decimal import Decimal

import pytest

from domain import Side
from paper.engine import Engine
from paper.rules import OrderState, Refused

from tests.unit.paper.engine_market import (
    ALICE,
    BOB,
    CALL,
    CAROL,
    FRIDAY,
    PUT,
    SECOND,
    START,
    D,
    ScriptedFeed,
    a_call_feed,
    a_request,
    an_engine,
    levels,
    order,
    refused,
)

BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture
def feed() -> ScriptedFeed:
    return a_call_feed(levels(("1490", "1"), ("1480", "2")), levels(("1510", "1"), ("1520", "2")))


@pytest.fixture
def engine(feed: ScriptedFeed) -> Engine:
    return an_engine(feed)


# ---- amending


@pytest.fixture
def queue(engine: Engine) -> tuple[int, int]:
    return engine.place(ALICE, a_request(BUY, "0.5", "1500"), START), engine.place(BOB, a_request(BUY, "0.5", "1500"), START)


def sell_half(engine: Engine) -> None:
    engine.place(CAROL, a_request(SELL, "0.2", "1500"), START)


def test_a_smaller_quantity_keeps_the_place_in_the_queue(engine: Engine, queue: tuple[int, int]) -> None:
    assert engine.amend(ALICE, CALL.symbol, START, order_id=queue[0], qty=D("0.3")) == queue[0]
    sell_half(engine)

    assert order(engine, queue[0]).filled == D("0.2")
    assert order(engine, queue[0]).qty == D("0.3")


@pytest.mark.parametrize(("qty", "price"), [("0.6", None), (None, "1500.1")])
def test_a_larger_quantity_or_another_price_goes_to_the_back(
    engine: Engine, queue: tuple[int, int], qty: str | None, price: str | None
) -> None:
    engine.amend(
        ALICE, CALL.symbol, START, order_id=queue[0], qty=None if qty is None else D(qty), price=None if price is None else D(price)
    )
    engine.amend(ALICE, CALL.symbol, START, order_id=queue[0], price=D("1500"))
    sell_half(engine)

    assert order(engine, queue[0]).filled == 0
    assert order(engine, queue[1], BOB).filled == D("0.2")


def test_an_amended_price_that_crosses_trades_at_once(engine: Engine, queue: tuple[int, int]) -> None:
    engine.amend(ALICE, CALL.symbol, START, order_id=queue[0], price=D("1510"))

    row = order(engine, queue[0])
    assert (row.state, row.avg_price) == (OrderState.FILLED, D(1510))


def test_a_quantity_not_above_the_filled_completes_the_order(engine: Engine, queue: tuple[int, int]) -> None:
    sell_half(engine)

    engine.amend(ALICE, CALL.symbol, START, order_id=queue[0], qty=D("0.1"))

    row = order(engine, queue[0])
    assert (row.state, row.qty, row.filled) == (OrderState.FILLED, D("0.2"), D("0.2"))
    assert engine.reports.summary(ALICE, START).frozen_fees == 0


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        (10558, (D("0.005"), None)),
        (10573, (None, D("1500.05"))),
        (10531, (None, D("6250.1"))),
        (10534, (D("1001"), None)),
        (10529, (D("900"), None)),
    ],
)
def test_a_refused_amendment_leaves_the_order_and_its_place_as_they_were(
    engine: Engine, queue: tuple[int, int], code: int, changes: tuple[Decimal | None, Decimal | None]
) -> None:
    before, summary = order(engine, queue[0]), engine.reports.summary(ALICE, START)

    assert refused(lambda: engine.amend(ALICE, CALL.symbol, START, order_id=queue[0], qty=changes[0], price=changes[1])) == code

    assert (order(engine, queue[0]), engine.reports.summary(ALICE, START)) == (before, summary)
    sell_half(engine)
    assert order(engine, queue[0]).filled == D("0.2")


def test_an_order_that_is_over_or_in_another_option_cannot_be_amended(engine: Engine, queue: tuple[int, int]) -> None:
    assert refused(lambda: engine.amend(ALICE, PUT.symbol, START, order_id=queue[0], qty=D("0.3"))) == 10584
    assert refused(lambda: engine.amend(ALICE, CALL.symbol, FRIDAY, order_id=queue[0], qty=D("0.3"))) == 10540
    engine.cancel(ALICE, START, order_id=queue[0])
    assert refused(lambda: engine.amend(ALICE, CALL.symbol, START, order_id=queue[0], qty=D("0.3"))) == 10584


def test_a_reduce_only_order_cannot_be_amended_beyond_the_position(engine: Engine) -> None:
    engine.place(ALICE, a_request(BUY, "0.5", "1510"), START)
    closing = engine.place(ALICE, a_request(SELL, "0.4", "1600", reduce_only=True), START)

    engine.amend(ALICE, CALL.symbol, START, order_id=closing, qty=D("0.5"))
    assert refused(lambda: engine.amend(ALICE, CALL.symbol, START, order_id=closing, qty=D("0.51"))) == 10536


# ---- cancelling


def test_a_cancel_tells_what_had_happened_before_it(engine: Engine) -> None:
    resting = engine.place(ALICE, a_request(BUY, "0.5", "1500"), START)
    filled = engine.place(ALICE, a_request(BUY, "0.5", "1510"), START)

    assert engine.cancel(ALICE, START, order_id=resting) == resting
    assert refused(lambda: engine.cancel(ALICE, START, order_id=resting)) == 11101
    assert refused(lambda: engine.cancel(ALICE, START, order_id=filled)) == 11102
    assert refused(lambda: engine.cancel(ALICE, START, order_id=1)) == 10584
    assert refused(lambda: engine.cancel(BOB, START, order_id=resting)) == 10584
    assert refused(lambda: engine.cancel(ALICE, START)) == 10575


def test_l3_a_cancelled_order_keeps_what_it_had_filled(engine: Engine) -> None:
    order_id = engine.place(ALICE, a_request(BUY, "1.5", "1510"), START)

    engine.cancel(ALICE, START, order_id=order_id)

    row = order(engine, order_id)
    assert (row.state, row.filled) == (OrderState.CANCELED, D(1))


def test_a_cancel_that_comes_after_the_markets_order_is_too_late(engine: Engine, feed: ScriptedFeed) -> None:
    order_id = engine.place(ALICE, a_request(BUY, "0.5", "1500"), START)
    feed.sweep(CALL, START + SECOND, SELL, "9", "1495")

    assert refused(lambda: engine.cancel(ALICE, START + 2 * SECOND, order_id=order_id)) == 11102


def test_cancel_all_takes_an_option_an_underlying_or_everything(engine: Engine) -> None:
    calls = [engine.place(ALICE, a_request(BUY, "0.1", "1400"), START) for _ in range(2)]
    put = engine.place(ALICE, a_request(BUY, "0.1", "1400", PUT), START)

    assert engine.cancel_all(ALICE, START, symbol=CALL.symbol) == calls
    assert engine.cancel_all(ALICE, START, underlying="ETH") == []
    assert engine.cancel_all(ALICE, START, underlying="BTC") == [put]
    assert engine.cancel_all(ALICE, START) == []


def test_batches_answer_each_wish_in_order(engine: Engine) -> None:
    placed = engine.place_all(ALICE, [a_request(BUY, "0.1", "1400", client_id=1), a_request(BUY, "0.001")], START)
    assert isinstance(placed[0], int)
    assert isinstance(placed[1], Refused)

    by_id = engine.cancel_many(ALICE, START, order_ids=[5, placed[0]], client_ids=[1])
    by_client = engine.cancel_many(ALICE, START, client_ids=[1])

    assert [result.refused and result.refused.code for result in by_id] == [10584, None]
    assert [result.refused and result.refused.code for result in by_client] == [11101]


def test_l37_a_book_forgets_the_prices_at_which_nothing_rests_any_more(engine: Engine) -> None:
    engine.place(ALICE, a_request(BUY, "0.01", "1500"), START)
    for n in range(300):
        engine.cancel(ALICE, START, order_id=engine.place(ALICE, a_request(BUY, "0.01", str(1000 + n)), START))

    assert len(engine.liquidity.books[CALL.symbol].heaps[1]) < 100


def test_order_ids_grow_and_look_like_the_venues(engine: Engine) -> None:
    first, second = (engine.place(ALICE, a_request(BUY, "0.01"), START) for _ in range(2))

    assert 10**18 < first < second < 2**63
