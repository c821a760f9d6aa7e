"""The rules of the block board: who may ask and quote what, what ends when, and that a block is traded whole or not at all."""

from contextlib import AbstractContextManager
from datetime import timedelta
from decimal import Decimal

import pytest

from domain import OrderType, Side
from paper.block_rows import QuoteState, RequestState, StatedLeg
from paper.engine import Engine
from paper.ledger import total_cash, usd
from paper.rows import BlockQuoteChanged, BlockTraded, OrderChanged, RequestChanged
from paper.rules import Faults, OrderState, Refused, Rules
from paper.structures import Piece, description, name, net_price, unit

from tests.unit.paper.block_market import BOTH, BUY, PRICES, SELL, a_block_engine, a_block_feed, a_quote_on, a_request_for, lots_of
from tests.unit.paper.engine_market import ALICE, BOB, CALL, CAROL, DAILY, FRIDAY, PUT, SECOND, START, D, a_request, an_option

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def engine() -> Engine:
    return a_block_engine()


def refused_with(code: int) -> AbstractContextManager[object]:
    return pytest.raises(Refused, match=f"^{code} ")


def ledger(engine: Engine) -> dict[str, object]:
    """Everything that money and positions are; what the board shows is apart."""
    image = engine.image()
    return {name: getattr(image, name) for name in ("accounts", "orders", "trades", "positions", "blocks")}


# ---- asking


def test_a_request_is_active_for_an_hour_and_then_expires_with_its_quotes(engine: Engine) -> None:
    request = a_request_for(engine)
    quote = a_quote_on(engine, request, now=START + HOUR - MINUTE)

    engine.advance(START + HOUR)

    assert (request.state, request.expires) == (RequestState.ACTIVE, START + HOUR)
    assert engine.board.requests[request.request_id].state is RequestState.EXPIRED
    assert engine.board.quotes[quote.quote_id].state is QuoteState.EXPIRED
    assert engine.board.quotes[quote.quote_id].updated == START + HOUR


def test_a_quote_lives_five_minutes_and_its_request_lives_on(engine: Engine) -> None:
    request = a_request_for(engine)
    quote = a_quote_on(engine, request)

    engine.advance(START + 5 * MINUTE)

    assert quote.expires == START + 5 * MINUTE
    assert engine.board.quotes[quote.quote_id].state is QuoteState.EXPIRED
    assert engine.board.requests[request.request_id].state is RequestState.ACTIVE


def test_a_quote_can_be_taken_up_to_its_last_millisecond_and_not_at_its_expiry(engine: Engine) -> None:
    first, second = a_request_for(engine), a_request_for(engine)
    early, late = a_quote_on(engine, first), a_quote_on(engine, second)

    engine.board.accept(ALICE, first.request_id, early.quote_id, START + 5 * MINUTE - timedelta(milliseconds=1))
    with refused_with(50014):
        engine.board.accept(ALICE, second.request_id, late.quote_id, START + 5 * MINUTE)


@pytest.mark.parametrize(
    ("legs", "code"),
    [
        ((), 10004),
        ((BOTH[0], BOTH[0]), 10004),
        ((StatedLeg(CALL.symbol, SELL, D(1)),), 10004),
        ((StatedLeg(CALL.symbol, SELL, D(1)), StatedLeg(PUT.symbol, SELL, D(1))), 10004),
        ((StatedLeg(CALL.symbol, BUY, D("0.49")),), 10558),
        ((StatedLeg(CALL.symbol, BUY, D("0.505")),), 10558),
        ((StatedLeg(CALL.symbol, BUY, D(-1)),), 10558),
        ((StatedLeg(CALL.symbol, BUY, D("NaN")),), 10573),
        ((StatedLeg(CALL.symbol, BUY, D(1001)),), 10534),
        ((StatedLeg("BTCUSD-6MAR26-1-C", BUY, D(1)),), 10574),
    ],
)
def test_what_cannot_be_asked_for_is_refused_and_leaves_the_board_empty(engine: Engine, legs: tuple[StatedLeg, ...], code: int) -> None:
    with refused_with(code):
        engine.board.request(ALICE, legs, START)

    assert not engine.board.requests


def test_the_minimum_is_strike_times_coins_summed_over_all_legs(engine: Engine) -> None:
    legs = (StatedLeg(CALL.symbol, BUY, D("0.32")), StatedLeg(PUT.symbol, SELL, D("0.2")))

    assert engine.board.request(ALICE, legs, START).state is RequestState.ACTIVE  # 32,000 + 18,000
    with refused_with(10558):
        engine.board.request(ALICE, (legs[0], StatedLeg(PUT.symbol, SELL, D("0.19"))), START)


def test_the_minimum_and_the_refusal_of_sells_can_be_switched_off() -> None:
    engine = a_block_engine(min_notional=D(0), sells_refused=False)

    assert engine.board.request(ALICE, (StatedLeg(CALL.symbol, SELL, D("0.01")),), START).state is RequestState.ACTIVE


def test_nothing_is_asked_for_in_an_option_that_has_expired(engine: Engine) -> None:
    engine.liquidity.book(DAILY.symbol, START)
    with refused_with(10540):
        engine.board.request(ALICE, (StatedLeg(DAILY.symbol, BUY, D(1)),), DAILY.expiry)


def test_a_cancelled_request_takes_its_open_quotes_with_it_and_cannot_be_cancelled_again(engine: Engine) -> None:
    request = a_request_for(engine)
    quote = a_quote_on(engine, request)
    with refused_with(10004):
        engine.board.cancel_request(BOB, request.request_id, START)

    engine.board.cancel_request(ALICE, request.request_id, START + SECOND)

    assert engine.board.requests[request.request_id].state is RequestState.CANCELLED
    assert engine.board.quotes[quote.quote_id].state is QuoteState.CANCELLED
    with refused_with(10004):
        engine.board.cancel_request(ALICE, request.request_id, START + SECOND)
    with refused_with(50014):
        engine.board.accept(ALICE, request.request_id, quote.quote_id, START + SECOND)


# ---- quoting


def test_a_maker_has_one_open_quote_per_side_of_a_request_and_there_is_no_amending(engine: Engine) -> None:
    request = a_request_for(engine)
    first = a_quote_on(engine, request)
    a_quote_on(engine, request, BUY)
    a_quote_on(engine, request, user=CAROL)

    with refused_with(50012):
        a_quote_on(engine, request)
    engine.board.cancel_quote(BOB, first.quote_id, START)
    again = a_quote_on(engine, request)

    states = [quote.state for quote in engine.board.quotes_on(request.request_id)]
    assert states == [QuoteState.CANCELLED, QuoteState.OPEN, QuoteState.OPEN, QuoteState.OPEN]
    assert again.quote_id > first.quote_id


def test_one_quote_per_request_whatever_its_side_where_the_rule_is_switched() -> None:
    engine = a_block_engine(quote_per_side=False)
    request = a_request_for(engine)
    a_quote_on(engine, request)

    with refused_with(50012):
        a_quote_on(engine, request, BUY)


def test_a_leg_price_is_cut_to_the_tick_and_what_was_asked_is_kept(engine: Engine) -> None:
    quote = a_quote_on(engine, a_request_for(engine), prices={CALL.symbol: D("1500.19"), PUT.symbol: D("1400")})

    assert [(leg.price, leg.asked) for leg in quote.legs] == [(D("1500.1"), D("1500.19")), (D("1400"), D("1400"))]


@pytest.mark.parametrize("price", ["0", "-1", "0.09", "NaN", "Infinity"])
def test_a_price_below_one_tick_or_no_number_is_refused(engine: Engine, price: str) -> None:
    with refused_with(10573):
        a_quote_on(engine, a_request_for(engine), prices=PRICES | {CALL.symbol: D(price)})


def test_quotes_need_every_leg_an_active_request_and_another_account(engine: Engine) -> None:
    request = a_request_for(engine)

    for user, prices in ((ALICE, PRICES), (BOB, {CALL.symbol: D(1)}), (BOB, PRICES | {DAILY.symbol: D(1)})):
        with refused_with(50014):
            engine.board.quote(user, request.request_id, SELL, prices, START)
    engine.board.cancel_request(ALICE, request.request_id, START)
    with refused_with(50014):
        a_quote_on(engine, request)


def test_a_maker_withdraws_all_its_quotes_and_nobody_elses(engine: Engine) -> None:
    first, second = a_request_for(engine), a_request_for(engine)
    mine = [a_quote_on(engine, first), a_quote_on(engine, first, BUY), a_quote_on(engine, second)]
    others = a_quote_on(engine, second, user=CAROL)

    assert engine.board.cancel_quotes(BOB, START) == [quote.quote_id for quote in mine]
    assert engine.board.quotes[others.quote_id].state is QuoteState.OPEN
    with refused_with(50014):
        engine.board.cancel_quote(BOB, others.quote_id, START)


# ---- accepting


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


# ---- names


@pytest.mark.parametrize(
    ("legs", "wanted"),
    [
        ([("C", 95, BUY, 1)], "Call"),
        ([("P", 95, SELL, 1)], "Put"),
        ([("C", 95, BUY, 1), ("C", 96, SELL, 1)], "Call Spread"),
        ([("P", 95, SELL, 1), ("P", 96, BUY, 1)], "Put Spread"),
        ([("C", 95, BUY, 1), ("C", 96, SELL, 2), ("C", 97, BUY, 1)], "Call Butterfly"),
        ([("C", 95, SELL, 1), ("P", 95, SELL, 1)], "Straddle"),
        ([("P", 90, BUY, 1), ("C", 95, BUY, 1)], "Strangle"),
        ([("P", 85, BUY, 1), ("P", 90, SELL, 1), ("C", 95, SELL, 1), ("C", 99, BUY, 1)], "Iron Condor"),
        ([("C", 95, BUY, 1), ("P", 90, SELL, 1)], "Custom"),
    ],
)
def test_a_structure_is_named_as_in_the_venues_samples(legs: list[tuple[str, int, Side, int]], wanted: str) -> None:
    assert name([Piece(an_option(kind, strike * 1000), side, D(qty)) for kind, strike, side, qty in legs]) == wanted


def test_the_venues_butterfly_sample_comes_out() -> None:
    """0.1 / 0.2 / 0.1 at 805, 1149 and 1605: 805 - 2 x 1149 + 1605 = 112. Source: Coincall API 8.15."""
    sides, sizes = (BUY, SELL, BUY), ("0.1", "0.2", "0.1")
    pieces = [Piece(an_option("C", strike), side, D(qty)) for strike, side, qty in zip((95_000, 96_000, 97_000), sides, sizes, strict=True)]

    assert description(pieces) == "BTC Call Butterfly 6 Mar 26 95000/96000/97000"
    assert unit(pieces) == D("0.1")
    assert net_price(pieces, [Decimal(805), Decimal(1149), Decimal(1605)], BUY) == 112
