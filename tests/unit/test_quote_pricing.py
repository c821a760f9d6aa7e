"""The laws of a maker's prices and limits: what is offered never gives fair value away, and what might be taken never breaks a limit."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import ZERO, Greeks, Option, OptionType, Quote, QuotedLeg, RequestedLeg, Side, Verdict
from domain.quoting import QuoteLimits, QuotingPolicy, RequestFilter, Width
from errors import ConfigError
from quote_limits import Stake, within
from quote_pricing import FEE_CAP, Pricing, fair_price, moved, price, suits
from strategies.block_maker import block_maker

from tests.fakes import EXPIRY, START, an_option

OPTIONS = [an_option(strike, kind, tick=tick) for strike, kind, tick in ((60000, OptionType.PUT, "5"), (65000, OptionType.CALL, "0.5"))]
OPTIONS += [an_option(strike, OptionType.CALL, tick="0.1") for strike in (70000, 75000)]
INDEX = Decimal(65000)


def a_market(option: Option, mark: Decimal, vega: float = 20.0) -> Quote:
    return Quote(option=option, at=START, bid=mark, ask=mark + 4, mark=mark, greeks=Greeks(delta=0.3, vega=vega), underlying_price=INDEX)


def asked(*legs: tuple[int, Side, str]) -> list[RequestedLeg]:
    return [RequestedLeg(symbol=OPTIONS[n].symbol, side=side, qty=Decimal(qty)) for n, side, qty in legs]


coins = st.integers(1, 500).map(lambda n: Decimal(n) / 100)
marks = st.integers(1, 50000).map(lambda n: Decimal(n) / 10)
policies = st.builds(
    QuotingPolicy,
    name=st.just("maker"),
    width=st.builds(
        Width,
        vol_points=st.floats(0, 3),
        net_share=st.floats(0, 1),
        pct=st.floats(0, 10),
        per_coin=st.integers(1, 50).map(Decimal),
        size_unit=st.integers(1, 5).map(Decimal),
        size_add_pct=st.floats(0, 50),
    ),
    min_edge_per_coin=st.integers(0, 20).map(Decimal),
    fee_pct=st.sampled_from([ZERO, Decimal("0.010"), Decimal("0.030")]),
)


@st.composite
def requests(draw: st.DrawFn) -> tuple[list[RequestedLeg], dict[str, Quote]]:
    chosen = draw(st.lists(st.sampled_from(OPTIONS), min_size=1, max_size=4, unique_by=lambda option: option.symbol))
    legs = [RequestedLeg(symbol=option.symbol, side=draw(st.sampled_from(Side)), qty=draw(coins)) for option in chosen]
    return legs, {option.symbol: a_market(option, draw(marks), draw(st.floats(0, 100))) for option in chosen}


def worth(legs: Sequence[QuotedLeg], quotes: dict[str, Quote]) -> Decimal:
    """What trading the legs leaves us above fair value, by hand."""
    return sum((leg.side.sign * leg.qty * ((quotes[leg.symbol].mark or ZERO) - leg.price) for leg in legs), ZERO)


def charged(legs: Sequence[QuotedLeg], rate: Decimal) -> Decimal:
    return sum((min(leg.qty * INDEX * rate / 100, FEE_CAP * leg.qty * leg.price) for leg in legs), ZERO)


# ---- prices


@given(policy=policies, request=requests(), side=st.sampled_from(Side))
def test_l21_no_quote_leaves_less_than_the_least_edge_above_fair_value(
    policy: QuotingPolicy, request: tuple[list[RequestedLeg], dict[str, Quote]], side: Side
) -> None:
    legs, quotes = request
    found = price(policy, legs, side, quotes)
    if isinstance(found, Verdict):
        assert not found.ok
        return
    assert [leg.side for leg in found.legs] == [leg.side if side is Side.BUY else leg.side.opposite for leg in legs]
    left = worth(found.legs, quotes) - charged(found.legs, policy.fee_pct)
    assert left == found.edge
    assert left >= policy.min_edge_per_coin * max(leg.qty for leg in legs)


@given(policy=policies, request=requests(), side=st.sampled_from(Side))
def test_every_price_is_above_zero_on_the_tick_and_never_better_than_fair_but_for_one_tick(
    policy: QuotingPolicy, request: tuple[list[RequestedLeg], dict[str, Quote]], side: Side
) -> None:
    legs, quotes = request
    found = price(policy, legs, side, quotes)
    for leg in found.legs if isinstance(found, Pricing) else ():
        option, mark = quotes[leg.symbol].option, quotes[leg.symbol].mark
        assert mark is not None
        assert leg.price > 0
        assert leg.price % option.tick == 0
        assert leg.price >= mark if leg.side is Side.SELL else leg.price <= max(mark, option.tick)


@given(policy=policies, request=requests())
def test_our_two_prices_straddle_fair_value(policy: QuotingPolicy, request: tuple[list[RequestedLeg], dict[str, Quote]]) -> None:
    legs, quotes = request
    offer, bid = (price(policy, legs, side, quotes) for side in (Side.SELL, Side.BUY))
    if isinstance(offer, Verdict) or isinstance(bid, Verdict):
        return
    received = -sum((leg.side.sign * leg.qty * leg.price for leg in offer.legs), ZERO)
    paid = sum((leg.side.sign * leg.qty * leg.price for leg in bid.legs), ZERO)
    assert offer.fair == -bid.fair
    assert paid <= offer.fair <= received


@given(policy=policies, request=requests(), side=st.sampled_from(Side), factor=st.integers(2, 5))
def test_a_larger_size_is_never_offered_at_a_better_price(
    policy: QuotingPolicy, request: tuple[list[RequestedLeg], dict[str, Quote]], side: Side, factor: int
) -> None:
    legs, quotes = request
    small, large = price(policy, legs, side, quotes), price(policy, [replace(leg, qty=leg.qty * factor) for leg in legs], side, quotes)
    if isinstance(small, Verdict) or isinstance(large, Verdict):
        return
    for one, more in zip(small.legs, large.legs, strict=True):
        assert (more.price - one.price) * -one.side.sign >= 0


def test_a_width_is_the_vega_of_the_structure_by_hand() -> None:
    width = Width(vol_points=2, net_share=0.5, per_coin=ZERO, size_add_pct=0)
    policy = QuotingPolicy(name="m", width=width, min_edge_per_coin=ZERO, fee_pct=ZERO)
    quotes = {option.symbol: a_market(option, Decimal(1000), vega) for option, vega in zip(OPTIONS, (10.0, 30.0, 20.0, 20.0), strict=True)}
    spread = price(policy, asked((1, Side.BUY, "1"), (2, Side.SELL, "1")), Side.SELL, quotes)
    assert isinstance(spread, Pricing)
    assert spread.half == 2 * (Decimal("0.5") * 10 + Decimal("0.5") * 50)
    assert [leg.price for leg in spread.legs] == [1036, 976]
    single = price(policy, asked((1, Side.BUY, "1")), Side.BUY, quotes)
    assert isinstance(single, Pricing)
    assert [leg.price for leg in single.legs] == [940]


def test_a_width_that_would_leave_too_little_is_widened() -> None:
    narrow = Width(vol_points=0, per_coin=Decimal(1), size_add_pct=0)
    policy = QuotingPolicy(name="m", width=narrow, min_edge_per_coin=Decimal(10), fee_pct=Decimal("0.010"))
    found = price(policy, asked((1, Side.BUY, "2")), Side.SELL, {OPTIONS[1].symbol: a_market(OPTIONS[1], Decimal(1000))})
    assert isinstance(found, Pricing)
    assert found.half == 2 * (10 + INDEX / 10000)
    assert [leg.price for leg in found.legs] == [Decimal("1016.5")]


@pytest.mark.parametrize("change", [{"mark": None}, {"mark": ZERO}, {"greeks": None}, {"underlying_price": None}])
def test_without_a_fresh_number_there_is_no_price(change: dict[str, object]) -> None:
    option = OPTIONS[1]
    quote = replace(a_market(option, Decimal(1000)), **change)  # type: ignore[arg-type]
    found = price(QuotingPolicy(name="m"), asked((1, Side.BUY, "1")), Side.SELL, {option.symbol: quote})
    assert isinstance(found, Verdict)
    assert option.symbol in found.reason
    assert isinstance(price(QuotingPolicy(name="m"), asked((1, Side.BUY, "1")), Side.SELL, {}), Verdict)


def test_fair_value_is_the_mark_or_the_middle_as_declared() -> None:
    quote = a_market(OPTIONS[1], Decimal(1000))
    mark, mid = QuotingPolicy(name="m").fair, QuotingPolicy(name="m", fair="mid").fair  # type: ignore[arg-type]
    assert (fair_price(quote, mark), fair_price(quote, mid)) == (Decimal(1000), Decimal(1002))
    assert fair_price(replace(quote, bid=None), mid) is None


def test_a_worthless_leg_that_would_cost_a_tick_is_paid_for_by_the_others_or_there_is_no_quote() -> None:
    policy = QuotingPolicy(name="m", width=Width(vol_points=0, per_coin=Decimal(1)), min_edge_per_coin=Decimal(1), fee_pct=Decimal(0))
    quotes = {OPTIONS[0].symbol: a_market(OPTIONS[0], Decimal("0.1"))}
    found = price(policy, asked((0, Side.BUY, "1")), Side.BUY, quotes)
    assert isinstance(found, Verdict)
    assert "at least" in found.reason


def test_names_of_structures_widen_or_narrow() -> None:
    quotes = {OPTIONS[1].symbol: a_market(OPTIONS[1], Decimal(1000))}
    plain, wide = (
        price(QuotingPolicy(name="m", width=Width(by_structure=by)), asked((1, Side.BUY, "1")), Side.SELL, quotes)
        for by in ({}, {"single": 3})
    )
    assert isinstance(plain, Pricing)
    assert isinstance(wide, Pricing)
    assert wide.half == 3 * plain.half
    assert moved(plain, replace(plain, fair=plain.fair + plain.half), 0.3)
    assert not moved(plain, replace(plain, fair=plain.fair + plain.half / 4), 0.3)


def test_a_request_that_names_an_option_twice_or_no_whole_lot_is_not_answered() -> None:
    listed = {option.symbol: option for option in OPTIONS}
    policy = QuotingPolicy(name="m")
    assert suits(policy, asked((1, Side.BUY, "1")), listed, START).ok
    assert not suits(policy, asked((1, Side.BUY, "1"), (1, Side.BUY, "1")), listed, START).ok
    assert not suits(policy, asked((1, Side.BUY, "0.015")), listed, START).ok
    assert not suits(policy, [], listed, START).ok
    assert not suits(policy, asked((1, Side.BUY, "1")), listed, EXPIRY).ok


# ---- limits


signed = st.integers(-300, 300).filter(bool).map(lambda n: Decimal(n) / 100)
stakes = st.builds(
    Stake,
    option=st.sampled_from(OPTIONS),
    qty=signed,
    greeks=st.builds(Greeks, delta=st.floats(-1, 1), gamma=st.floats(0, 0.01), vega=st.floats(0, 50)),
)
offers = st.lists(st.lists(stakes, min_size=1, max_size=2), max_size=4)


def greek(name: str, held: Sequence[Stake]) -> float:
    return sum(float(getattr(stake.greeks, name)) * float(stake.qty) for stake in held)


@given(held=st.lists(stakes, max_size=3), offered=offers, new=st.lists(stakes, min_size=1, max_size=2))
def test_whatever_is_taken_of_what_may_be_offered_no_limit_that_held_before_is_broken(
    held: list[Stake], offered: list[list[Stake]], new: list[Stake]
) -> None:
    limits = QuoteLimits(max_open_quotes=9, per_underlying=Decimal(5), delta=2, vega=100, gamma=0.02)
    if not within(limits, held, offered, new).ok:
        return
    for count in range(len(offered) + 1):
        for taken in combinations(offered, count):
            before = [*held, *(stake for offer in taken for stake in offer)]
            after = [*before, *new]
            for name, most in (("delta", 2), ("vega", 100), ("gamma", 0.02)):
                grows = abs(greek(name, after)) > abs(greek(name, before))
                assert not grows or abs(greek(name, after)) <= most * 1.0001 or abs(greek(name, before)) > most
            amounts: dict[str, Decimal] = {}
            for stake in after:
                amounts[stake.option.symbol] = amounts.get(stake.option.symbol, ZERO) + stake.qty
            was: dict[str, Decimal] = {}
            for stake in before:
                was[stake.option.symbol] = was.get(stake.option.symbol, ZERO) + stake.qty
            total, earlier = sum(map(abs, amounts.values()), ZERO), sum(map(abs, was.values()), ZERO)
            assert total <= max(Decimal(5), earlier) or total <= _worst(held, offered)


def _worst(held: Sequence[Stake], offered: Sequence[Sequence[Stake]]) -> Decimal:
    """The most coins that might be held already: an offer that does not raise it is never refused for it."""
    most = ZERO
    for symbol in {option.symbol for option in OPTIONS}:
        now = sum((stake.qty for stake in held if stake.option.symbol == symbol), ZERO)
        rest = [stake.qty for offer in offered for stake in offer if stake.option.symbol == symbol]
        up, down = sum((qty for qty in rest if qty > 0), ZERO), sum((qty for qty in rest if qty < 0), ZERO)
        most += max(abs(now + up), abs(now + down))
    return most


def test_offers_on_both_sides_are_not_counted_against_each_other() -> None:
    limits, vega = QuoteLimits(max_open_quotes=9, per_underlying=Decimal(100), vega=100), Greeks(vega=60.0)
    sold = [Stake(option=OPTIONS[2], qty=Decimal(-1), greeks=vega)]
    bought = [Stake(option=OPTIONS[3], qty=Decimal(1), greeks=vega)]
    assert within(limits, [], [sold], bought).ok
    assert not within(limits, [], [sold, bought], sold).ok
    assert within(limits, bought * 3, [], sold).ok, "what lowers it is never refused"


def test_an_offer_to_sell_does_not_make_room_for_a_bid() -> None:
    def one(sign: int) -> list[Stake]:
        return [Stake(option=OPTIONS[1], qty=Decimal(sign), greeks=None)]

    limits = QuoteLimits(per_underlying=Decimal(1))
    assert not within(limits, one(1), [one(-1)], one(1)).ok
    assert within(limits, one(1), [], one(-1)).ok


def test_unknown_greeks_are_not_zero() -> None:
    blind = [Stake(option=OPTIONS[1], qty=Decimal(1), greeks=None)]
    known = [Stake(option=OPTIONS[2], qty=Decimal(1), greeks=Greeks())]
    assert not within(QuoteLimits(vega=1), blind, [], known).ok
    assert not within(QuoteLimits(vega=1), [], [blind], known).ok
    assert within(QuoteLimits(), blind, [], known).ok


def test_an_expiry_has_a_limit_of_its_own() -> None:
    limits = QuoteLimits(per_underlying=Decimal(10), per_expiry=Decimal(1))
    later = replace(OPTIONS[1], symbol="later", expiry=EXPIRY + timedelta(days=7))
    held = [Stake(option=OPTIONS[1], qty=Decimal(1), greeks=None)]
    assert within(limits, held, [], [Stake(option=later, qty=Decimal(1), greeks=None)]).ok
    assert not within(limits, held, [], [Stake(option=OPTIONS[2], qty=Decimal(1), greeks=None)]).ok


# ---- declaring


def test_every_problem_of_a_declaration_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as told:
        QuotingPolicy(name="no name", underlyings=[], requote_share=0, quote_life_seconds=600, min_edge_per_coin=Decimal(-1), exclusive=1)  # type: ignore[arg-type]
    for field in ("name", "underlyings", "requote_share", "quote_life_seconds", "min_edge_per_coin", "exclusive"):
        assert any(f" {field} " in problem for problem in told.value.problems), field


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Width(vol_points=0, pct=0, per_coin=Decimal(0)),
        lambda: Width(by_structure={"single": 0}),
        lambda: Width(size_unit=Decimal(0)),
        lambda: Width(vol_points=float("nan")),
        lambda: RequestFilter(sides=[]),
        lambda: RequestFilter(sides="short"),
        lambda: RequestFilter(min_days=3, max_days=2),
        lambda: RequestFilter(min_notional=Decimal(3), max_notional=Decimal(2)),
        lambda: RequestFilter(structures="strangle"),
        lambda: QuoteLimits(max_quantity=Decimal(0)),
        lambda: QuoteLimits(max_open_quotes=0),
        lambda: QuoteLimits(delta=-1),
        lambda: QuoteLimits(per_expiry=Decimal(0)),
        lambda: QuotingPolicy(name="m", fair="guess"),  # type: ignore[arg-type]
        lambda: QuotingPolicy(name="m", exit_conditions=3),  # type: ignore[arg-type]
        lambda: QuotingPolicy(
            name="m", execution=replace(QuotingPolicy(name="m").execution, rfq=type(QuotingPolicy(name="m").execution.rfq)())
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: object) -> None:
    with pytest.raises(ConfigError):
        wrong()  # type: ignore[operator]


def test_the_example_can_be_used_as_it_stands() -> None:
    assert block_maker().name == "block_maker"
    assert RequestFilter(sides="sell").sides == (Side.SELL,)
    assert QuoteLimits(max_quantity=0.5).max_quantity == Decimal("0.5")  # type: ignore[arg-type]
