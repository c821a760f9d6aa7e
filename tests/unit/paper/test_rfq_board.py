"""The rules of the block board: who may ask and quote what, what ends when, and how a structure is named."""

from datetime import timedelta
from decimal import Decimal

import pytest

from domain import Side
from paper.block_rows import QuoteState, RequestState, StatedLeg
from paper.engine import Engine
from paper.structures import Piece, description, name, net_price, unit

from tests.unit.paper.block_market import BOTH, BUY, PRICES, SELL, a_block_engine, a_quote_on, a_request_for, refused_with
from tests.unit.paper.engine_market import ALICE, BOB, CALL, CAROL, DAILY, PUT, SECOND, START, D, an_option

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def engine() -> Engine:
    return a_block_engine()


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
