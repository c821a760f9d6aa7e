"""The gate in front of every order."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import NewOrder, OptionType, OrderType, Purpose, Quote, Side, TradingState
from errors import AccountHeld, InvariantBroken, RiskDenied, SizeRejected
from risk import Exposure, PriceBand, RiskLimits, check, check_block

from tests.fakes import a_name, a_quote, an_option, an_order

OPENING = Exposure(
    symbol=an_option().symbol, side=Side.SELL, missing=Decimal(1), held=Decimal(0), working=Decimal(0), open_orders=0, index=Decimal(65000)
)
HOLDING = replace(OPENING, missing=Decimal(0), held=Decimal(1))
CLOSE = an_order(a_name(purpose=Purpose.CLOSE), side=Side.BUY)
FREE = RiskLimits()


def test_an_order_that_fits_its_leg_passes() -> None:
    check(an_order(), OPENING, FREE)
    check(CLOSE, HOLDING, FREE)


def test_l11_filled_and_working_never_exceed_the_target() -> None:
    with pytest.raises(InvariantBroken, match="exceeds the 1 missing"):
        check(an_order(qty="0.6"), replace(OPENING, working=Decimal("0.5")), FREE)


def test_l02_a_close_never_exceeds_what_is_held() -> None:
    with pytest.raises(InvariantBroken, match="held"):
        check(CLOSE, replace(HOLDING, held=Decimal("0.5")), FREE)


def test_l01_a_close_of_what_was_given_back_too_often_is_refused() -> None:
    with pytest.raises(InvariantBroken, match="held"):
        check(CLOSE, replace(HOLDING, held=Decimal("-0.5")), FREE)


def test_l02_a_close_that_is_not_reduce_only_is_refused() -> None:
    with pytest.raises(InvariantBroken, match="reduce-only"):
        check(replace(CLOSE, reduce_only=False), HOLDING, FREE)


@pytest.mark.parametrize("order", [an_order(side=Side.BUY), an_order(option=an_option(80000))])
def test_an_order_of_another_leg_is_refused(order: object) -> None:
    with pytest.raises(InvariantBroken, match="does not belong"):
        check(order, OPENING, FREE)  # type: ignore[arg-type]


@pytest.mark.parametrize("qty", ["0.001", "0.015"])
def test_l16_a_quantity_off_the_lot_is_refused_before_sending(qty: str) -> None:
    with pytest.raises(SizeRejected):
        check(an_order(qty=qty), OPENING, FREE)


@pytest.mark.parametrize("price", ["0", "-1", "100.3"])
def test_l15_a_price_off_the_tick_is_our_own_error(price: str) -> None:
    with pytest.raises(InvariantBroken, match="tick"):
        check(an_order(price=price), OPENING, FREE)


def test_the_cap_of_open_orders_stops_an_opening() -> None:
    with pytest.raises(RiskDenied, match="the cap is 3"):
        check(an_order(), replace(OPENING, open_orders=3), RiskLimits(max_open_orders=3))


def test_l10_no_cap_stops_a_close() -> None:
    check(CLOSE, replace(HOLDING, open_orders=99, index=None), RiskLimits(max_open_orders=0, max_order_notional=Decimal(0)))


def test_the_cap_of_notional_measures_by_the_index() -> None:
    limits = RiskLimits(max_open_orders=None, max_order_notional=Decimal(65000))
    check(an_order(), OPENING, limits)
    with pytest.raises(RiskDenied, match="above the cap"):
        check(an_order(), replace(OPENING, index=Decimal(65001)), limits)


def test_an_unknown_index_is_a_no_and_not_a_zero() -> None:
    with pytest.raises(RiskDenied, match="no index price"):
        check(an_order(), replace(OPENING, index=None), RiskLimits(max_order_notional=Decimal(1)))


# ---- prices nobody can have meant: a band of 50 % and of 0.5 % of the index

BAND = RiskLimits(max_open_orders=None, band=PriceBand(pct=Decimal(50), index_pct=Decimal("0.5")))
DEAR = a_quote(bid="980", ask="1020", mark="1000")
SELLING = replace(OPENING, quote=DEAR)
BUYING = replace(SELLING, side=Side.BUY)
GIVING_BACK = replace(HOLDING, quote=DEAR)  # what is held is short: it is bought back


def a_buy(price: str) -> NewOrder:
    return an_order(side=Side.BUY, price=price)


def a_buy_back(price: str) -> NewOrder:
    return an_order(a_name(purpose=Purpose.CLOSE), side=Side.BUY, price=price)


@pytest.mark.parametrize(("side", "price"), [(Side.BUY, "1500"), (Side.SELL, "500")])
def test_l69_an_opening_price_on_the_bound_itself_passes(side: Side, price: str) -> None:
    check(an_order(side=side, price=price), replace(SELLING, side=side), BAND)


@pytest.mark.parametrize(
    ("side", "price", "said"),
    [
        (Side.BUY, "1500.5", r"buy .* @ 1500.5 is outside .*at most 1500 by the mark of 1000 and the index of 65000"),
        (Side.SELL, "489.5", r"sell .* @ 489.5 is outside .*at least 490 by the bid of 980"),
        (Side.BUY, "10200", r"by the mark .*; at most 1530 by the ask of 1020"),
    ],
)
def test_a_fat_finger_is_refused_with_the_numbers(side: Side, price: str, said: str) -> None:
    with pytest.raises(RiskDenied, match=said):
        check(an_order(side=side, price=price), replace(SELLING, side=side), BAND)


@pytest.mark.parametrize(("side", "price"), [(Side.BUY, "0.5"), (Side.SELL, "90000")])
def test_a_price_far_on_the_harmless_side_only_rests(side: Side, price: str) -> None:
    check(an_order(side=side, price=price), replace(SELLING, side=side), BAND)


def test_an_opening_must_keep_to_the_mark_even_where_the_book_is_wide() -> None:
    with pytest.raises(RiskDenied, match="by the mark"):
        check(a_buy("3000"), replace(BUYING, quote=a_quote(bid="10", ask="3000", mark="1000")), BAND)


def test_an_opening_must_keep_to_the_book_even_where_the_mark_is_wrong() -> None:
    with pytest.raises(RiskDenied, match="by the ask of 100"):
        check(a_buy("900"), replace(BUYING, quote=a_quote(bid="90", ask="100", mark="1000")), BAND)


def test_an_option_worth_a_few_dollars_can_be_quoted_by_the_index() -> None:
    cheap = replace(BUYING, quote=a_quote(bid="1", ask=None, mark="2"))
    check(a_buy("327"), cheap, BAND)  # 2 and 0.5 % of 65000
    with pytest.raises(RiskDenied, match="at most 327"):
        check(a_buy("327.5"), cheap, BAND)


def test_an_option_cheaper_than_that_is_not_given_away_to_a_bid_that_is_there() -> None:
    with pytest.raises(RiskDenied, match="at least 145 by the bid of 290"):
        check(an_order(price="1"), replace(OPENING, quote=a_quote(bid="290", ask="310", mark="300")), BAND)


def test_one_tick_beyond_a_touch_of_a_tick_is_no_fat_finger() -> None:
    check(a_buy("1"), replace(BUYING, quote=a_quote(bid=None, ask="0.5", mark="0.5")), BAND)


@pytest.mark.parametrize("quote", [None, a_quote(bid="99", ask=None, mark=None)])
def test_an_opening_that_cannot_be_measured_is_refused(quote: Quote | None) -> None:
    with pytest.raises(RiskDenied, match="neither a fresh mark nor a price"):
        check(a_buy("100"), replace(BUYING, quote=quote), BAND)


def test_a_mark_of_zero_is_a_price_and_not_unknown() -> None:
    worthless = replace(BUYING, index=None, quote=replace(a_quote(bid=None, ask=None, mark="0"), underlying_price=None))
    with pytest.raises(RiskDenied, match="by the mark of 0 and the index of unknown"):
        check(a_buy("100"), worthless, BAND)


def test_the_index_comes_from_the_quote_where_the_order_brings_none() -> None:
    check(a_buy("327"), replace(BUYING, index=None, quote=a_quote(bid="1", ask=None, mark="2")), BAND)


@pytest.mark.parametrize(("bid", "ask", "mark"), [("10", "3000", "1000"), ("90", "3000", "100"), ("900", "1000", "10")])
def test_l59_a_close_is_possible_in_a_wide_market_and_against_a_wrong_mark(bid: str, ask: str, mark: str) -> None:
    check(a_buy_back(ask), replace(GIVING_BACK, quote=a_quote(bid=bid, ask=ask, mark=mark)), BAND)


def test_a_close_beyond_both_mark_and_book_is_refused_with_the_numbers() -> None:
    check(a_buy_back("1530"), GIVING_BACK, BAND)
    with pytest.raises(RiskDenied, match=r"at most 1500 by the mark .*; at most 1530 by the ask of 1020"):
        check(a_buy_back("1530.5"), GIVING_BACK, BAND)


def test_a_close_passes_where_nothing_is_known_of_the_market() -> None:
    check(a_buy_back("99999"), replace(GIVING_BACK, quote=None), BAND)


# ---- blocks

PUT, CALL = an_option(60000, OptionType.PUT), an_option(70000)
QUOTES = {PUT.symbol: a_quote(PUT, "980", "1020", mark="1000"), CALL.symbol: a_quote(CALL, "980", "1020", mark="1000")}


def a_block(call: str, put: str, purpose: Purpose = Purpose.OPEN, side: Side = Side.BUY) -> tuple[NewOrder, ...]:
    legs = ((CALL, call), (PUT, put))
    orders = (an_order(a_name(leg, purpose), option, side, price=price) for leg, (option, price) in enumerate(legs))
    return tuple(replace(order, order_type=OrderType.BLOCK_TRADE) for order in orders)


def test_the_leg_of_a_block_may_have_an_odd_price_of_its_own() -> None:
    odd = a_block("1900", "100")
    check(odd[0], BUYING, BAND)
    check_block(odd, QUOTES, BAND)


def test_a_block_that_is_odd_as_a_whole_is_refused_with_the_numbers() -> None:
    check_block(a_block("1500", "1500"), QUOTES, BAND)
    with pytest.raises(RiskDenied, match=r"block of .* is outside .*: 1001 USD worse than the marks together, at most 1000"):
        check_block(a_block("1501", "1500"), QUOTES, BAND)


def test_a_block_that_gives_away_what_it_sells_is_refused() -> None:
    with pytest.raises(RiskDenied, match="worse than the book's best prices together"):
        check_block(a_block("1", "1", side=Side.SELL), QUOTES, BAND)


def test_an_opening_block_with_an_unknown_leg_is_refused_and_a_closing_one_passes() -> None:
    known = {CALL.symbol: QUOTES[CALL.symbol]}
    with pytest.raises(RiskDenied, match="neither"):
        check_block(a_block("1000", "1000"), known, BAND)
    check_block(a_block("9000", "9000", Purpose.CLOSE), known, BAND)


def test_a_closing_block_is_refused_only_beyond_marks_and_book() -> None:
    wide = {symbol: replace(quote, ask=Decimal(5000)) for symbol, quote in QUOTES.items()}
    check_block(a_block("5000", "5000", Purpose.CLOSE), wide, BAND)
    with pytest.raises(RiskDenied, match="together"):
        check_block(a_block("9000", "9000", Purpose.CLOSE), wide, BAND)


# ---- the budget of orders, and the account's state


def test_l69_the_budget_is_full_when_it_is_reached_and_not_one_later() -> None:
    limits = RiskLimits(max_per_minute=3)
    check(an_order(), replace(OPENING, opened_lately=2), limits)
    with pytest.raises(RiskDenied, match="3 opening orders within the last minute, the budget is 3"):
        check(an_order(), replace(OPENING, opened_lately=3), limits)


def test_l10_no_budget_stops_a_close() -> None:
    check(CLOSE, replace(HOLDING, opened_lately=999), RiskLimits(max_per_minute=1))


@pytest.mark.parametrize("state", [TradingState.REDUCING, TradingState.HALTED])
def test_nothing_is_opened_unless_the_account_is_active(state: TradingState) -> None:
    with pytest.raises(AccountHeld, match=f"would open, and the account is {state}") as refused:
        check(an_order(), replace(OPENING, state=state, ordered=True), FREE)
    assert refused.value.held == f"opening while {state}"


def test_an_account_that_only_reduces_lets_every_close_out() -> None:
    check(CLOSE, replace(HOLDING, state=TradingState.REDUCING), FREE)


def test_a_halted_account_closes_only_what_a_person_ordered() -> None:
    check(CLOSE, replace(HOLDING, state=TradingState.HALTED, ordered=True), FREE)
    with pytest.raises(AccountHeld, match="the account is halted: only what a person orders is sent") as refused:
        check(CLOSE, replace(HOLDING, state=TradingState.HALTED), FREE)
    assert refused.value.held == "closing while halted"


PRICES = st.integers(1, 8000).map(lambda halves: Decimal(halves) / 2)
KNOWN = st.none() | PRICES
MARKETS = st.none() | st.builds(
    lambda bid, ask, mark: replace(a_quote(), bid=bid, ask=ask, mark=mark),
    bid=KNOWN,
    ask=KNOWN,
    mark=st.none() | st.just(Decimal(0)) | PRICES,
)
LIMITS = st.builds(
    RiskLimits,
    max_open_orders=st.none() | st.integers(0, 3),
    max_order_notional=st.none() | st.integers(0, 100000).map(Decimal),
    max_per_minute=st.none() | st.integers(0, 3),
    band=st.none() | st.builds(PriceBand, pct=st.integers(1, 100).map(Decimal), index_pct=st.integers(0, 2).map(Decimal)),
)
LOADS = st.fixed_dictionaries(
    {
        "quote": MARKETS,
        "index": st.none() | st.just(Decimal(65000)),
        "open_orders": st.integers(0, 9),
        "opened_lately": st.integers(0, 9),
        "ordered": st.booleans(),
    }
)


@given(load=LOADS, limits=LIMITS, price=PRICES, state=st.sampled_from([TradingState.REDUCING, TradingState.HALTED]))
def test_no_market_and_no_limit_lets_an_opening_order_through_a_closed_account(
    load: dict[str, object], limits: RiskLimits, price: Decimal, state: TradingState
) -> None:
    exposure = replace(OPENING, state=state, **load)  # type: ignore[arg-type]

    with pytest.raises(RiskDenied):
        check(replace(an_order(), price=price), exposure, limits)


@given(load=LOADS, limits=LIMITS, price=PRICES, state=st.sampled_from([TradingState.ACTIVE, TradingState.REDUCING]))
def test_l10_l59_nothing_but_the_band_ever_refuses_what_lowers_exposure(
    load: dict[str, object], limits: RiskLimits, price: Decimal, state: TradingState
) -> None:
    exposure = replace(HOLDING, state=state, **load)  # type: ignore[arg-type]
    quote, band = exposure.quote, limits.band
    bounds = []
    if quote is not None and band is not None:
        if quote.mark is not None:
            bounds.append(quote.mark + max(band.pct * quote.mark, band.index_pct * Decimal(65000)) / 100)  # the quote has an index too
        if quote.ask is not None:
            bounds.append(quote.ask + max(band.pct * quote.ask / 100, Decimal("0.5")))

    if not bounds or price <= max(bounds):
        check(replace(CLOSE, price=price), exposure, limits)
    else:
        with pytest.raises(RiskDenied, match="outside the price band"):
            check(replace(CLOSE, price=price), exposure, limits)
