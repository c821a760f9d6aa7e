"""Which way `auto` takes: every threshold from both sides, what hurries, what history may decide, and the reason that is told."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import ExecutionMode, OptionType, Purpose, Quote, RoutingThresholds, Side, Verdict
from events import LegPlan
from execution import Scene
from routing import Measured, Route, route
from trade_lifecycle import TradeState

from tests.fakes import a_plan, a_quote, a_trade, an_account, an_option

M = ExecutionMode
RULES = RoutingThresholds(smart_legs=2)
YES = Verdict(True, "yes")
ALL: Mapping[ExecutionMode, Verdict] = {M.LIMIT: YES, M.RFQ: YES, M.SMART: YES}
CALL, PUT = an_option(50000), an_option(50000, OptionType.PUT)


def a_market(*legs: LegPlan, bid: str = "99", ask: str = "101", size: str | None = None) -> dict[str, Quote]:
    """One price for every leg, with so many coins on both sides of it."""
    coins = None if size is None else Decimal(size)
    quotes = [replace(a_quote(leg.option, bid, ask), bid_size=coins, ask_size=coins) for leg in legs]
    return {quote.option.symbol: quote for quote in quotes}


def a_scene(*legs: LegPlan, urgent: bool = False, quotes: Mapping[str, Quote] | None = None) -> Scene:
    account = replace(an_account(), quotes=a_market(*legs) if quotes is None else quotes)
    return Scene(account=account, trade=a_trade(*legs), purpose=Purpose.OPEN, books={}, urgent=urgent)


def a_strangle(notional: str = "5000", *, urgent: bool = False, quotes: Mapping[str, Quote] | None = None) -> Scene:
    """Two legs of one strike, whose strike notionals come to so many USD."""
    qty = str(Decimal(notional) / 100000)
    return a_scene(a_plan(CALL, qty=qty), a_plan(PUT, qty=qty), urgent=urgent, quotes=quotes)


def chosen(
    scene: Scene,
    accepts: Mapping[ExecutionMode, Verdict] = ALL,
    rules: RoutingThresholds = RULES,
    history: Mapping[ExecutionMode, Measured] | None = None,
) -> Route:
    return route(scene, accepts, rules, history)


# ---- size


@pytest.mark.parametrize(
    ("notional", "mode"),
    [("5000", M.LIMIT), ("9999", M.LIMIT), ("10000", M.SMART), ("49999", M.SMART), ("50000", M.RFQ), ("190000", M.RFQ)],
)
def test_the_strike_notional_decides_at_each_threshold(notional: str, mode: ExecutionMode) -> None:
    found = chosen(a_strangle(notional))

    assert found.mode is mode
    assert f"2 legs, strike notional {notional} USD" in found.reason


def test_the_thresholds_are_those_that_are_configured() -> None:
    rules = RoutingThresholds(rfq_notional=Decimal(8000), smart_notional=Decimal(4000), smart_legs=2)

    assert chosen(a_strangle("8000"), rules=rules).mode is M.RFQ
    assert chosen(a_strangle("7999"), rules=rules).mode is M.SMART
    assert chosen(a_strangle("3999"), rules=rules).mode is M.LIMIT


def test_l26_a_premium_of_500_usd_on_a_strike_notional_of_190000_goes_to_makers() -> None:
    legs = (a_plan(an_option(95000), qty="1"), a_plan(an_option(95000, OptionType.PUT), qty="1"))
    cheap = a_market(*legs, bid="249", ask="251")
    scene = a_scene(*legs, quotes=cheap)

    assert sum(leg.qty * Decimal(250) for leg in scene.wanted) == 500
    assert chosen(scene).mode is M.RFQ
    assert "strike notional 190000 USD" in chosen(scene).reason


@pytest.mark.parametrize("price", ["0.5", "40000"])
def test_l26_the_price_of_an_option_changes_no_route(price: str) -> None:
    assert chosen(a_strangle("5000", quotes=a_market(a_plan(CALL), a_plan(PUT), bid=price, ask=price))).mode is M.LIMIT


def test_the_notional_is_summed_over_all_legs_bought_or_sold() -> None:
    legs = [a_plan(an_option(strike), side, "0.2") for strike, side in ((60000, Side.BUY), (70000, Side.SELL), (80000, Side.SELL))]

    assert chosen(a_scene(*legs)).reason.startswith("3 legs, strike notional 42000 USD")


def test_a_single_leg_of_any_size_is_chased_with_limit_orders() -> None:
    found = chosen(a_scene(a_plan(an_option(95000), qty="10")))

    assert (found.mode, found.reason) == (M.LIMIT, "1 leg: a limit order chases it best")


def test_what_has_filled_already_counts_no_more() -> None:
    scene = a_strangle("60000")
    call, put = scene.trade.legs
    half = replace(scene.trade, state=TradeState.OPENING, legs=(replace(call, opened=call.target), put))
    rest = replace(scene, trade=half)

    assert chosen(rest).mode is M.LIMIT
    assert chosen(rest).reason.startswith("1 leg")


# ---- the book


@pytest.mark.parametrize(("size", "mode"), [("0.1", M.LIMIT), ("0.0999", M.SMART)])  # half of the best price at the most
def test_a_structure_that_eats_most_of_the_best_price_is_worked_in_chunks(size: str, mode: ExecutionMode) -> None:
    scene = a_strangle("5000", quotes=a_market(a_plan(CALL), a_plan(PUT), size=size))

    assert chosen(scene).mode is mode


def test_the_share_of_the_best_price_is_told_and_is_of_the_side_that_is_taken() -> None:
    bids_thin = {s: replace(q, bid_size=Decimal("0.05"), ask_size=Decimal(9)) for s, q in a_market(a_plan(CALL), a_plan(PUT)).items()}
    sold = a_scene(a_plan(CALL, Side.SELL, "0.05"), a_plan(PUT, Side.SELL, "0.05"), quotes=bids_thin)
    bought = a_scene(a_plan(CALL, Side.BUY, "0.05"), a_plan(PUT, Side.BUY, "0.05"), quotes=bids_thin)

    assert "100% of what the book shows at its best price, more than 50%" in chosen(sold).reason
    assert (chosen(sold).mode, chosen(bought).mode) == (M.SMART, M.LIMIT)


@pytest.mark.parametrize(("bid", "ask", "mode"), [("95", "105", M.LIMIT), ("94.9", "105.1", M.SMART), ("0", "10", M.SMART)])
def test_legs_that_are_wide_on_average_are_worked_in_chunks(bid: str, ask: str, mode: ExecutionMode) -> None:
    found = chosen(a_strangle("5000", quotes=a_market(a_plan(CALL), a_plan(PUT), bid=bid, ask=ask)))

    assert found.mode is mode
    assert (mode is M.LIMIT) or "% of mid on average, more than 10" in found.reason


def test_one_wide_leg_among_narrow_ones_is_not_wide_on_average() -> None:
    quotes = {**a_market(a_plan(CALL), bid="93", ask="107"), **a_market(a_plan(PUT), bid="100", ask="100")}

    assert chosen(a_strangle("5000", quotes=quotes)).mode is M.LIMIT


@pytest.mark.parametrize("quotes", [{}, a_market(a_plan(CALL), a_plan(PUT), size="0")])
def test_l40_a_book_that_is_not_known_or_empty_divides_by_nothing(quotes: Mapping[str, Quote]) -> None:
    assert chosen(a_strangle("5000", quotes=quotes)).mode is M.LIMIT


def test_l40_a_leg_without_a_middle_has_no_spread() -> None:
    quotes = {symbol: replace(quote, bid=None) for symbol, quote in a_market(a_plan(CALL), a_plan(PUT)).items()}

    assert chosen(a_strangle("5000", quotes=quotes)).mode is M.LIMIT


# ---- what cannot wait, and what cannot be done


@pytest.mark.parametrize("notional", ["5000", "20000", "190000"])
def test_what_is_urgent_waits_for_no_maker_and_no_chunk(notional: str) -> None:
    found = chosen(a_strangle(notional, urgent=True))

    assert found.mode is M.LIMIT
    assert "urgent, makers are not waited for" in found.reason


def test_a_mode_that_refuses_is_passed_over_and_its_reason_is_told() -> None:
    found = chosen(a_strangle("60000"), {**ALL, M.RFQ: Verdict(False, "notional 60000 of 100000")})

    assert found.mode is M.SMART
    assert found.reason.endswith("; rfq cannot: notional 60000 of 100000")


def test_where_all_but_limit_refuse_limit_is_told_with_both_reasons() -> None:
    found = chosen(a_strangle("60000"), {M.LIMIT: YES, M.RFQ: Verdict(False, "no makers"), M.SMART: Verdict(False, "no lots")})

    assert found.mode is M.LIMIT
    assert "rfq cannot: no makers; smart cannot: no lots" in found.reason


def test_where_everything_refuses_limit_is_the_last_resort() -> None:
    found = chosen(a_strangle(), {M.LIMIT: Verdict(False, "dust")})

    assert (found.mode, found.reason) == (M.LIMIT, "nothing else is left; limit cannot: dust")


def test_a_mode_that_is_not_there_is_not_taken() -> None:
    assert chosen(a_strangle("60000"), {M.LIMIT: YES}).mode is M.LIMIT


# ---- history


def cost(bps: str, count: int = 20) -> Measured:
    return Measured(count=count, shortfall_bps=Decimal(bps))


def test_the_cheaper_of_two_that_would_do_is_taken_and_both_costs_are_told() -> None:
    found = chosen(a_strangle("60000"), history={M.RFQ: cost("12.34"), M.SMART: cost("4.5", 31)})

    assert found.mode is M.SMART
    assert "smart has cost 4.5 bps of notional over 31 executions, rfq 12.3 over 20" in found.reason
    assert "at least 50000: makers are asked" in found.reason


@pytest.mark.parametrize(
    "history",
    [
        {M.RFQ: cost("12"), M.SMART: cost("4", 19)},
        {M.RFQ: cost("12", 19), M.SMART: cost("4")},
        {M.SMART: cost("-100", 5000)},
        {M.RFQ: cost("12")},
        {},
    ],
)
def test_history_says_nothing_before_both_were_measured_often_enough(history: Mapping[ExecutionMode, Measured]) -> None:
    found = chosen(a_strangle("60000"), history=history)

    assert found.mode is M.RFQ
    assert "has cost" not in found.reason


def test_how_often_is_enough_is_configured() -> None:
    rules = RoutingThresholds(min_history=2, smart_legs=2)

    assert chosen(a_strangle("60000"), rules=rules, history={M.RFQ: cost("12", 2), M.SMART: cost("4", 2)}).mode is M.SMART


def test_what_costs_the_same_changes_nothing_and_a_gain_is_cheaper_than_a_cost() -> None:
    assert chosen(a_strangle("60000"), history={M.RFQ: cost("4"), M.SMART: cost("4")}).mode is M.RFQ
    assert chosen(a_strangle("60000"), history={M.RFQ: cost("0"), M.SMART: cost("-0.1")}).mode is M.SMART


def test_history_never_brings_back_a_mode_that_the_thresholds_or_its_executor_rule_out() -> None:
    cheap = {M.RFQ: cost("-50"), M.SMART: cost("-20"), M.LIMIT: cost("9")}

    assert chosen(a_strangle("5000"), history=cheap).mode is M.LIMIT
    assert chosen(a_strangle("60000", urgent=True), history=cheap).mode is M.LIMIT
    assert chosen(a_strangle("60000"), {**ALL, M.RFQ: Verdict(False, "no")}, history=cheap).mode is M.SMART
    assert chosen(a_scene(a_plan(CALL, qty="9")), history=cheap).mode is M.LIMIT


# ---- whatever comes

VERDICTS = st.builds(Verdict, st.booleans(), st.sampled_from(["a", "b"]))
HISTORY = st.dictionaries(
    st.sampled_from([M.LIMIT, M.RFQ, M.SMART]),
    st.builds(Measured, count=st.integers(0, 60), shortfall_bps=st.decimals(-500, 500, places=1)),
)
PRICES = st.none() | st.decimals("0", "500", places=1)
QUOTED = st.tuples(PRICES, PRICES, st.none() | st.decimals("0", "5", places=2))


@given(
    qtys=st.lists(st.decimals("0.01", "3", places=2), min_size=1, max_size=4),
    quoted=st.lists(st.none() | QUOTED, min_size=4, max_size=4),
    accepts=st.dictionaries(st.sampled_from([M.LIMIT, M.RFQ, M.SMART]), VERDICTS),
    history=HISTORY,
    urgent=st.booleans(),
)
def test_a_route_is_one_that_accepted_or_the_last_resort(
    qtys: list[Decimal],
    quoted: list[tuple[Decimal | None, Decimal | None, Decimal | None] | None],
    accepts: dict[ExecutionMode, Verdict],
    history: dict[ExecutionMode, Measured],
    urgent: bool,
) -> None:
    legs = [a_plan(an_option(60000 + 5000 * n), Side.SELL if n % 2 else Side.BUY, str(qty)) for n, qty in enumerate(qtys)]
    quotes = {
        leg.option.symbol: replace(a_quote(leg.option), bid=each[0], ask=each[1], bid_size=each[2], ask_size=each[2])
        for leg, each in zip(legs, quoted, strict=False)
        if each is not None
    }

    found = route(a_scene(*legs, urgent=urgent, quotes=quotes), accepts, RULES, history)

    assert found.mode is M.LIMIT or accepts[found.mode].ok
    assert found.mode is not M.AUTO
    assert not (urgent and found.mode is M.RFQ)
    assert found.reason
    assert all(f"{mode} cannot: {verdict.reason}" in found.reason for mode, verdict in accepts.items() if not verdict.ok)


def test_two_legs_are_chased_and_three_are_worked_in_chunks_unless_told_otherwise() -> None:
    assert chosen(a_strangle("30000"), rules=RoutingThresholds()).mode is M.LIMIT
    assert chosen(a_strangle("30000"), rules=RoutingThresholds(smart_legs=2)).mode is M.SMART
