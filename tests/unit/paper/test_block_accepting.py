"""A quote that is accepted on the block board: the block is traded whole or not at all, and everybody else's quotes end."""

from datetime import timedelta

import pytest

from domain import OrderType
from paper.block_rows import QuoteState, RequestState, StatedLeg
from paper.engine import Engine
from paper.ledger import total_cash, usd
from paper.rows import BlockQuoteChanged, BlockTraded, OrderChanged, RequestChanged
from paper.rules import Faults, OrderState, Rules

from tests.unit.paper.block_market import BOTH, BUY, SELL, a_block_engine, a_block_feed, a_quote_on, a_request_for, lots_of, refused_with
from tests.unit.paper.engine_market import ALICE, BOB, CALL, CAROL, FRIDAY, PUT, SECOND, START, D, a_request

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def engine() -> Engine:
    return a_block_engine()


def ledger(engine: Engine) -> dict[str, object]:
    """Everything that money and positions are; what the board shows is apart."""
    image = engine.image()
    return {name: getattr(image, name) for name in ("accounts", "orders", "trades", "positions", "blocks")}


def test_a_block_trades_every_leg_at_the_quoted_price_and_costs_block_fees(engine: Engine) -> None:
    request = a_request_for(engine, StatedLeg(CALL.symbol, BUY, D(1)), StatedLeg(PUT.symbol, SELL, D(2)))
    quote = a_quote_on(engine, request, prices={CALL.symbol: D(1500), PUT.symbol: D(1000)})

    block = engine.board.accept(ALICE, request.request_id, quote.quote_id, START + SECOND)

    taker_fee = D("28.5") + D("57")  # 95,000 x 0.03 % per coin, below 12.5 % of the premium
    assert usd(engine.accounts[ALICE].cash) == D(100_000) - 1500 + 2000 - taker_fee
    assert usd(engine.accounts[BOB].cash) == D(100_000) + 1500 - 2000 - taker_fee / 3
    assert (lots_of(engine, ALICE), lots_of(engine, ALICE, PUT.symbol)) == (100, -200)
    assert (lots_of(engine, BOB), lots_of(engine, BOB, PUT.symbol)) == (-100, 200)
    assert (block.block_id, block.side, [leg.side for leg in block.legs]) == (quote.quote_id, BUY, [BUY, SELL])
    assert total_cash(engine.accounts.values()) == 0


def test_a_fee_never_exceeds_an_eighth_of_the_premium(engine: Engine) -> None:
    request = a_request_for(engine, BOTH[0])
    quote = a_quote_on(engine, request, prices={CALL.symbol: D(8)})

    block = engine.board.accept(ALICE, request.request_id, quote.quote_id, START)

    assert (block.legs[0].taker_fee, block.legs[0].maker_fee) == (D(1), D(1))


def test_with_the_combo_discount_only_legs_stated_as_buys_pay() -> None:
    engine = a_block_engine(combo_discount=True)
    request = a_request_for(engine, StatedLeg(CALL.symbol, BUY, D(1)), StatedLeg(PUT.symbol, SELL, D(1)))

    block = engine.board.accept(ALICE, request.request_id, a_quote_on(engine, request, BUY).quote_id, START)

    assert [leg.taker_fee for leg in block.legs] == [D("28.5"), D(0)]


def test_hitting_a_bid_trades_the_structure_the_other_way_round(engine: Engine) -> None:
    request = a_request_for(engine)

    block = engine.board.accept(ALICE, request.request_id, a_quote_on(engine, request, BUY).quote_id, START)

    assert block.side is SELL
    assert (lots_of(engine, ALICE), lots_of(engine, BOB)) == (-100, 100)


def test_an_acceptance_ends_the_request_and_everybody_elses_quotes(engine: Engine) -> None:
    request = a_request_for(engine)
    won, other, third = a_quote_on(engine, request), a_quote_on(engine, request, BUY), a_quote_on(engine, request, user=CAROL)

    engine.board.accept(ALICE, request.request_id, won.quote_id, START)

    states = {quote.quote_id: quote.state for quote in engine.board.quotes_on(request.request_id)}
    assert states == {won.quote_id: QuoteState.FILLED, other.quote_id: QuoteState.CANCELLED, third.quote_id: QuoteState.CANCELLED}
    row = engine.board.requests[request.request_id]
    seen = [engine.board.state_for(row, user) for user in (ALICE, BOB, CAROL)]
    assert seen == [RequestState.FILLED, RequestState.FILLED, RequestState.TRADED_AWAY]
    with refused_with(50014):
        engine.board.accept(ALICE, request.request_id, won.quote_id, START)
    assert len(engine.board.blocks) == 1


def test_only_the_owner_accepts_and_only_a_quote_on_that_request(engine: Engine) -> None:
    request, other = a_request_for(engine), a_request_for(engine)
    quote = a_quote_on(engine, request)

    with refused_with(10004):
        engine.board.accept(CAROL, request.request_id, quote.quote_id, START)
    with refused_with(50014):
        engine.board.accept(ALICE, other.request_id, quote.quote_id, START)
    assert not engine.board.blocks


def test_margin_is_checked_for_all_legs_together_before_any_of_them_trades() -> None:
    engine = a_block_engine(cash="25000")
    legs = StatedLeg(CALL.symbol, BUY, D(1)), StatedLeg(PUT.symbol, SELL, D(10))
    request = a_request_for(engine, *legs)
    quote = a_quote_on(engine, request, prices={CALL.symbol: D(10), PUT.symbol: D(10)})
    before = ledger(engine)

    with refused_with(10529):
        engine.board.accept(ALICE, request.request_id, quote.quote_id, START)

    assert ledger(engine) == before
    assert engine.board.quotes[quote.quote_id].state is QuoteState.OPEN
    assert engine.board.requests[request.request_id].state is RequestState.ACTIVE


def test_a_block_that_costs_more_than_there_is_is_refused() -> None:
    engine = a_block_engine(cash="1520")
    engine.transfer(BOB, D(100_000), START)
    request = a_request_for(engine, BOTH[0])
    dear, fair = (
        a_quote_on(engine, request, prices={CALL.symbol: D(1500)}),
        a_quote_on(engine, request, user=CAROL, prices={CALL.symbol: D(8)}),
    )
    engine.transfer(CAROL, D(100_000), START)
    before = ledger(engine)

    with refused_with(10529):  # 1500 and a fee of 28.50
        engine.board.accept(ALICE, request.request_id, dear.quote_id, START)

    assert ledger(engine) == before
    engine.board.accept(ALICE, request.request_id, fair.quote_id, START)


def test_a_leg_that_cannot_be_carried_alone_is_carried_with_the_premium_of_its_partner() -> None:
    """The bought leg costs more than there is; the sold one brings it in."""
    engine = a_block_engine(cash="60000")
    request = a_request_for(engine, StatedLeg(CALL.symbol, BUY, D(1)), StatedLeg(PUT.symbol, SELL, D(1)))
    quote = a_quote_on(engine, request, prices={CALL.symbol: D(65_000), PUT.symbol: D(60_000)})

    engine.board.accept(ALICE, request.request_id, quote.quote_id, START)

    assert lots_of(engine, ALICE) == 100


def test_a_maker_without_margin_loses_its_quote_and_nothing_is_traded() -> None:
    engine = a_block_engine(cash="0")
    engine.transfer(ALICE, D(100_000), START)
    request = a_request_for(engine)
    quote = a_quote_on(engine, request)
    before = ledger(engine)

    with refused_with(50014):
        engine.board.accept(ALICE, request.request_id, quote.quote_id, START)

    assert ledger(engine) == before
    assert engine.board.quotes[quote.quote_id].state is QuoteState.CANCELLED


def test_a_block_that_only_closes_is_never_refused_for_margin(engine: Engine) -> None:
    opened = a_request_for(engine)
    engine.board.accept(ALICE, opened.request_id, a_quote_on(engine, opened, BUY).quote_id, START)
    engine.transfer(ALICE, -usd(engine.accounts[ALICE].available), START)
    closing = a_request_for(engine)
    dear = {CALL.symbol: D(2000), PUT.symbol: D(2000)}

    engine.board.accept(ALICE, closing.request_id, a_quote_on(engine, closing, prices=dear).quote_id, START)

    assert (lots_of(engine, ALICE), lots_of(engine, ALICE, PUT.symbol)) == (0, 0)


def test_nothing_is_accepted_in_an_option_that_has_expired(engine: Engine) -> None:
    at = FRIDAY - MINUTE
    request = a_request_for(engine, now=at)
    quote = a_quote_on(engine, request, now=at)

    with refused_with(10540):
        engine.board.accept(ALICE, request.request_id, quote.quote_id, FRIDAY)

    assert not engine.board.blocks


def test_a_block_cancels_reduce_only_orders_that_have_nothing_left_to_reduce(engine: Engine) -> None:
    first = a_request_for(engine)
    engine.board.accept(ALICE, first.request_id, a_quote_on(engine, first).quote_id, START)
    resting = engine.place(ALICE, a_request(SELL, "1", "1600", reduce_only=True), START)
    second = a_request_for(engine)

    engine.board.accept(ALICE, second.request_id, a_quote_on(engine, second, BUY).quote_id, START)

    assert engine.reports.order(ALICE, order_id=resting).state is OrderState.CANCELED


def test_the_legs_stand_in_orders_and_fills_as_block_trades(engine: Engine) -> None:
    request = a_request_for(engine)
    block = engine.board.accept(ALICE, request.request_id, a_quote_on(engine, request).quote_id, START)

    for user, taker in ((ALICE, True), (BOB, False)):
        orders, fills = engine.reports.order_history(user).rows, engine.reports.trade_history(user).rows
        assert [(row.order_type, row.state, row.filled) for row in orders] == [(OrderType.BLOCK_TRADE, OrderState.FILLED, D(1))] * 2
        assert {row.trade_id for row in fills} == {leg.trade_id for leg in block.legs}
        assert {row.is_taker for row in fills} == {taker}
        assert not engine.accounts[user].open
    assert not engine.reports.last_trades(CALL.symbol, START, 10)


def test_what_happens_on_the_board_is_told_with_whole_objects(engine: Engine) -> None:
    engine.drain_events()
    request = a_request_for(engine)
    quote = a_quote_on(engine, request)
    engine.board.accept(ALICE, request.request_id, quote.quote_id, START)

    events = engine.drain_events()

    told = [event for event in events if isinstance(event, RequestChanged | BlockQuoteChanged | BlockTraded)]
    assert [type(event).__name__ for event in told] == [
        "RequestChanged",
        "BlockQuoteChanged",
        "BlockTraded",
        "BlockQuoteChanged",
        "RequestChanged",
    ]
    assert isinstance(told[0], RequestChanged) and told[0].marks == [D(1500), D(1500)]
    assert isinstance(told[-1], RequestChanged) and told[-1].request.state is RequestState.FILLED
    assert isinstance(told[1], BlockQuoteChanged) and told[1].taker == ALICE
    assert {event.order.state for event in events if isinstance(event, OrderChanged)} == {OrderState.FILLED}


def test_a_restart_keeps_requests_quotes_and_blocks() -> None:
    feed = a_block_feed()
    engine = a_block_engine(feed)
    traded, waiting = a_request_for(engine), a_request_for(engine)
    engine.board.accept(ALICE, traded.request_id, a_quote_on(engine, traded).quote_id, START + SECOND)
    open_quote = a_quote_on(engine, waiting, now=START + SECOND)

    again = Engine.restore(feed, Rules(), engine.snapshot())

    assert again.snapshot() == engine.snapshot()
    assert list(again.board.active) == [waiting.request_id]
    again.board.accept(ALICE, waiting.request_id, open_quote.quote_id, START + 2 * SECOND)
    assert (len(again.board.blocks), lots_of(again, ALICE)) == (2, 200)
    assert total_cash(again.accounts.values()) == 0
    assert not again.reports.last_trades(CALL.symbol, START + 2 * SECOND, 10)


def test_a_rehearsals_refusal_strikes_the_board_too(engine: Engine) -> None:
    engine.faults[ALICE] = Faults(refuse_next=[10000])

    with refused_with(10000):
        a_request_for(engine)
    assert a_request_for(engine).state is RequestState.ACTIVE
