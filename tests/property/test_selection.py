"""Laws of selection: whatever the chain, what is found is listed, tradable and the best, and a structure is never half found."""

from dataclasses import replace
from decimal import Decimal
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from domain import Chain, Greeks, OptionType, Quote
from errors import NoMatchingInstrument
from option_selection import Criteria, LegSpec, find_option, resolve_legs
from option_selection.structures import butterfly, iron_condor, straddle, strangle

from tests.unit.chains import NOW, a_chain, a_quote, an_option

EXAMPLES = settings(max_examples=150)
DELTAS = st.floats(-1, 1, allow_nan=False)


@st.composite
def chains(draw: st.DrawFn) -> Chain:
    """Chains with holes: missing types, inactive options, unknown deltas, expiries that have passed."""
    places = st.tuples(st.integers(80, 120), st.sampled_from("CP"), st.sampled_from((-1, 1, 7, 28)))
    quotes = []
    for thousands, option_type, days in draw(st.lists(places, unique=True, max_size=40)):
        option = replace(an_option(thousands * 1000, option_type, 7), active=draw(st.booleans()) or draw(st.booleans()))
        option = replace(option, expiry=an_option(days=days).expiry, symbol=f"{thousands}-{option_type}-{days}")
        greeks = Greeks(delta=abs(draw(DELTAS)) * (1 if option_type == "C" else -1)) if draw(st.integers(0, 5)) else None
        quotes.append(replace(a_quote(option, delta=0.0), greeks=greeks))
    return a_chain(quotes, index=draw(st.decimals(80_000, 120_000, places=1)))


STRIKES: st.SearchStrategy[Criteria] = st.one_of(
    st.builds(lambda value: {"type": "delta", "value": value}, st.floats(0.01, 0.99)),
    st.builds(lambda value: {"type": "spotdistance %", "value": value}, st.integers(-20, 20)),
    st.builds(lambda value: {"type": "strike", "value": value * 1000}, st.integers(80, 120)),
    st.just({"type": "closestStrike"}),
)
EXPIRIES: st.SearchStrategy[Criteria] = st.one_of(
    st.just({"dte": "next"}),
    st.builds(lambda days: {"dte": days}, st.integers(0, 40)),
    st.builds(lambda days, target: {"dte_min": days, "target": target}, st.integers(0, 30), st.sampled_from(("near", "mid", "far"))),
)
LEGS = st.builds(LegSpec, st.sampled_from("CP"), st.sampled_from((1, 2)), st.just(1), STRIKES, EXPIRIES, same_option_ok=st.just(True))
STRUCTURES = st.one_of(
    st.lists(LEGS, min_size=1, max_size=4), st.sampled_from([strangle(1), straddle(1), straddle(1, 7), iron_condor(1, dte=7), butterfly(1)])
)


@EXAMPLES
@given(chains(), STRUCTURES)
def test_a_structure_is_found_whole_from_what_is_listed_or_every_reason_is_told(chain: Chain, specs: list[LegSpec]) -> None:
    try:
        plans = resolve_legs(specs, chain, NOW)
    except NoMatchingInstrument as no:
        assert all(line.startswith("leg") for line in str(no).splitlines())
        return

    assert len(plans) == len(specs)
    for leg, plan in zip(specs, plans, strict=True):
        assert plan.option in [quote.option for quote in chain.quotes]
        assert plan.option.active
        assert plan.option.expiry > NOW
        assert (plan.option.option_type, plan.side, plan.qty) == (leg.option_type, leg.side, leg.qty)


@EXAMPLES
@given(chains(), STRUCTURES, st.randoms())
def test_the_order_of_the_chain_does_not_matter(chain: Chain, specs: list[LegSpec], random: Random) -> None:
    shuffled = list(chain.quotes)
    random.shuffle(shuffled)

    assert outcome(specs, chain) == outcome(specs, replace(chain, quotes=tuple(shuffled)))


def outcome(specs: list[LegSpec], chain: Chain) -> object:
    try:
        return resolve_legs(specs, chain, NOW)
    except NoMatchingInstrument as no:
        return str(no)


@EXAMPLES
@given(chains(), st.integers(0, 40))
def test_a_straddle_never_has_two_strikes_or_two_expiries(chain: Chain, days: int) -> None:
    try:
        call, put = resolve_legs(straddle(1, dte=days), chain, NOW)
    except NoMatchingInstrument:
        return

    assert (call.option.strike, call.option.expiry) == (put.option.strike, put.option.expiry)


@EXAMPLES
@given(chains(), st.floats(0.01, 0.99))
def test_no_other_option_of_the_expiry_has_a_nearer_delta(chain: Chain, target: float) -> None:
    spec = LegSpec("C", 1, 1, {"type": "delta", "value": target}, {"dte": "next"})
    try:
        (plan,) = resolve_legs([spec], chain, NOW)
    except NoMatchingInstrument:
        return

    rivals = [quote for quote in chain.by_expiry[plan.option.expiry] if quote.option.option_type is OptionType.CALL and quote.option.active]
    gaps = {quote.option.symbol: abs(quote.greeks.delta - target) for quote in rivals if quote.greeks is not None}
    assert gaps[plan.option.symbol] == min(gaps.values())


@EXAMPLES
@given(chains(), st.floats(-1, 0), st.floats(-1, 0), st.integers(80, 120), st.integers(0, 10))
def test_find_option_finds_one_exactly_if_there_is_one(chain: Chain, one: float, other: float, top: int, away: int) -> None:
    low, high = sorted((one, other))
    found = find_option(
        chain=chain,
        now=NOW,
        option_type="P",
        expiry={"min_days": 0},
        strike={"max_strike": top * 1000, "min_distance_pct": away},
        delta={"min": low, "max": high},
    )

    def fits(quote: Quote) -> bool:
        option, index = quote.option, chain.index
        assert index is not None
        listed = option.option_type is OptionType.PUT and option.active and option.expiry > NOW
        far = abs(option.strike - index) * 100 >= away * index and option.strike <= Decimal(top * 1000)
        return listed and far and quote.greeks is not None and low <= quote.greeks.delta <= high

    fitting = [quote for quote in chain.quotes if fits(quote)]
    assert (found is None) == (fitting == [])
    assert found is None or found in fitting
