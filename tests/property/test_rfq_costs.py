"""The laws of comparing a quote with the book: one signed cost for buying and selling, debits, credits and everything mixed.

Below them a walk: whatever fails, moves or dies in whatever order, nothing is traded twice, too much, or on worse terms than the gate's.
"""

from dataclasses import replace
from decimal import Decimal

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from domain import ZERO, OptionLeg, Purpose, Quote, QuotedLeg, QuoteStatus, RFQParams, RFQQuote, Side
from events import BlockIntended, RFQQuoted
from execution import Progress, Scene, book_cost
from quote_gate import Judged, good_enough, improvement_pct, judge

from tests.fakes import EXPIRY, SECOND, START, a_plan, a_quote, a_trade, an_account, an_option
from tests.unit.rfq_house import RFQHouse
from tests.unit.rfq_venue import STALE, Maker

PRICE = st.integers(1, 4000).map(lambda halves: Decimal(halves) / 2)
QTY = st.integers(1, 500).map(lambda lots: Decimal(lots) / 100)
COST = st.decimals(-100000, 100000, allow_nan=False, places=2)
LEAST = st.floats(-100, 100, allow_nan=False)


@st.composite
def markets(draw: st.DrawFn) -> tuple[tuple[OptionLeg, ...], tuple[Quote, ...]]:
    """One to six legs of either side and any size, each with a two-sided price."""
    legs, quotes = [], []
    for number in range(draw(st.integers(1, 6))):
        option = an_option(60000 + 1000 * number)
        bid, width = draw(PRICE), draw(PRICE)
        legs.append(OptionLeg(instrument=option, side=draw(st.sampled_from(Side)), qty=draw(QTY)))
        quotes.append(a_quote(option, str(bid), str(bid + width)))
    return tuple(legs), tuple(quotes)


def a_scene(legs: tuple[OptionLeg, ...], quotes: tuple[Quote, ...]) -> Scene:
    trade = a_trade(*(a_plan(leg.instrument, leg.side, str(leg.qty)) for leg in legs))
    return Scene(account=an_account(*quotes), trade=trade, purpose=Purpose.OPEN, books={})


def an_offer(legs: tuple[OptionLeg, ...], prices: list[Decimal]) -> RFQQuote:
    """A maker's quote that trades the legs at these prices."""
    return RFQQuote(
        quote_id="q",
        request_id="r",
        status=QuoteStatus.OPEN,
        legs=tuple(
            QuotedLeg(symbol=leg.instrument.symbol, side=leg.side.opposite, price=price, qty=leg.qty)
            for leg, price in zip(legs, prices, strict=True)
        ),
        created_at=START,
        expires_at=EXPIRY,
        stated=legs,
    )


def at_book(scene: Scene, legs: tuple[OptionLeg, ...]) -> list[Decimal]:
    prices = [scene.executable(leg) for leg in legs]
    return [price for price in prices if price is not None]


@given(markets())
def test_l21_a_quote_at_the_books_own_prices_is_worth_exactly_the_book(market: tuple[tuple[OptionLeg, ...], tuple[Quote, ...]]) -> None:
    legs, quotes = market
    scene = a_scene(legs, quotes)
    book = book_cost(scene, legs)
    assert book is not None
    quote = an_offer(legs, at_book(scene, legs))
    assert quote.total_cost == book
    assert quote.trades(legs)
    judged = judge(quote, scene, legs, book, RFQParams())
    assert judged.verdict is Judged.GOOD
    assert judged.improvement == (None if book == 0 else 0)


@given(markets(), st.integers(0, 5), PRICE)
def test_l21_giving_us_one_leg_on_better_terms_improves_and_on_worse_terms_does_not(
    market: tuple[tuple[OptionLeg, ...], tuple[Quote, ...]], which: int, step: Decimal
) -> None:
    """Better for us is lower where we buy and higher where we sell; whatever the structure, worse than the book is never good."""
    legs, quotes = market
    scene = a_scene(legs, quotes)
    book, prices = book_cost(scene, legs), at_book(scene, legs)
    assert book is not None
    which %= len(legs)
    sign = legs[which].side.sign
    assume(prices[which] - step > 0)
    better, worse = list(prices), list(prices)
    better[which] -= sign * step
    worse[which] += sign * step
    up, down = (judge(an_offer(legs, each), scene, legs, book, RFQParams()) for each in (better, worse))
    assert (up.verdict, down.verdict) == (Judged.GOOD, Judged.DEAR)
    assert up.cost < book < down.cost
    if book != 0:
        assert up.improvement is not None
        assert down.improvement is not None
        assert up.improvement > 0 > down.improvement


@given(markets())
def test_l24_the_same_makers_prices_the_other_way_round_cost_the_opposite_and_trade_something_else(
    market: tuple[tuple[OptionLeg, ...], tuple[Quote, ...]],
) -> None:
    legs, quotes = market
    scene = a_scene(legs, quotes)
    quote = an_offer(legs, at_book(scene, legs))
    turned = replace(quote, legs=tuple(replace(leg, side=leg.side.opposite) for leg in quote.legs))
    assert turned.total_cost == -quote.total_cost
    assert not turned.trades(legs)
    assert judge(turned, scene, legs, book_cost(scene, legs), RFQParams(min_improvement_pct=None)).verdict is Judged.OTHER
    assert (quote.is_we_buy, quote.is_we_sell) == (True, False)
    assert (turned.is_we_buy, turned.is_we_sell) == (False, True)


@given(markets())
def test_crossing_the_book_in_and_out_never_earns(market: tuple[tuple[OptionLeg, ...], tuple[Quote, ...]]) -> None:
    legs, quotes = market
    scene = a_scene(legs, quotes)
    there = book_cost(scene, legs)
    back = book_cost(scene, tuple(replace(leg, side=leg.side.opposite) for leg in legs))
    assert there is not None
    assert back is not None
    assert there + back > 0


@given(COST, COST, COST)
def test_improvement_falls_as_the_cost_rises(book: Decimal, one: Decimal, other: Decimal) -> None:
    first, second = improvement_pct(one, book), improvement_pct(other, book)
    if first is None or second is None:
        assert book == 0
        return
    assert (first > second) == (one < other)
    assert (first == 0) == (one == book)


@given(COST, COST)
def test_improvement_is_antisymmetric_in_what_is_saved(book: Decimal, saved: Decimal) -> None:
    up, down = improvement_pct(book - saved, book), improvement_pct(book + saved, book)
    assert (up is None) == (down is None) == (book == 0)
    if up is not None and down is not None:
        assert up == -down


@given(COST, COST, LEAST)
def test_the_gate_says_what_the_percentage_says(book: Decimal, cost: Decimal, least: float) -> None:
    better = improvement_pct(cost, book)
    wanted = Decimal(str(least))
    if better is None:
        assert good_enough(cost, book, least) == (cost < 0 or (cost == 0 and least <= 0))
    elif abs(better - wanted) > Decimal("1e-15"):
        assert good_enough(cost, book, least) == (better >= wanted and (cost < book or least <= 0))


@given(COST, COST, LEAST, LEAST)
def test_a_stricter_gate_lets_nothing_more_through(book: Decimal, cost: Decimal, one: float, other: float) -> None:
    if good_enough(cost, book, max(one, other)):
        assert good_enough(cost, book, min(one, other))


@given(markets())
def test_a_leg_that_the_book_cannot_trade_leaves_nothing_to_compare(market: tuple[tuple[OptionLeg, ...], tuple[Quote, ...]]) -> None:
    legs, quotes = market
    scene = a_scene(legs, (replace(quotes[0], bid=None, ask=None), *quotes[1:]))
    quote = an_offer(legs, [Decimal(1)] * len(legs))
    judged = judge(quote, scene, legs, book_cost(scene, legs), RFQParams())
    assert (judged.verdict, judged.book, judged.improvement) == (Judged.NO_BOOK, None, None)
    assert judge(quote, scene, legs, None, RFQParams(min_improvement_pct=None)).verdict is Judged.GOOD
    late = replace(quote, expires_at=START + SECOND / 2)
    assert judge(late, scene, legs, ZERO, RFQParams()).verdict is Judged.EXPIRING


# ---- a walk


CALL, HIGH = an_option(70000), an_option(75000)
FAULTS = {
    "lose_create": ("before", "after"),
    "lose_accept": ("before", "after", "late"),
    "refuse_accept": (STALE,),
    "unreadable": (True,),
    "quotes_fail": (True,),
    "no_list": (True,),
    "hide_blocks": (True,),
    "cancel_fails": (1, 4),
    "find_fails": (1, 4),
}
STEPS = st.one_of(
    st.tuples(st.just("tick"), st.integers(1, 12)),
    st.tuples(st.just("market"), st.integers(90, 110)),
    st.sampled_from([(name, value) for name, values in FAULTS.items() for value in values]),
    st.sampled_from([("die", 0), ("die", 1), ("heal", 0), ("land", 0), ("leave", 0)]),
)


def heal(house: RFQHouse) -> None:
    venue = house.venue
    venue.unreadable = venue.quotes_fail = venue.no_list = venue.hide_blocks = False
    venue.cancel_fails = venue.find_fails = 0
    venue.lose_create = venue.lose_accept = ""
    venue.refuse_accept = None


def tick(house: RFQHouse, times: int) -> None:
    """Look, and never see an accept go out while another one is not resolved."""
    for _ in range(times):
        house.look()
        locked, before = house.blocks.locked(1), len(house.venue.accepts)
        house.step()
        assert not locked or len(house.venue.accepts) == before


def walked(house: RFQHouse, word: str, value: object) -> RFQHouse:
    match word, value:
        case "tick", int(times):
            tick(house, times)
        case "market", int(ask):
            house.show(CALL.symbol, str(ask - 2), str(ask))
        case "die", in_flight:
            house.pool.held = bool(in_flight)
            tick(house, 1)
            return house.restart()
        case "heal", _:
            heal(house)
        case "land", _:
            house.venue.land()
        case "leave", _:
            house.look()
            house.execution.cancel("a test")
        case _:
            setattr(house.venue, word, value)
    return house


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_whatever_fails_nothing_is_traded_twice_or_on_worse_terms_than_the_gate_allows(steps: list[tuple[str, object]]) -> None:
    house = RFQHouse(a_plan(CALL, Side.BUY), a_plan(HIGH, Side.SELL))
    house.venue.makers = [Maker(("100", "99"), after=1), Maker(("97", "99"), after=4), Maker(("103", "99"))]
    for word, value in steps:
        house = walked(house, word, value)
    heal(house)
    house.until(lambda: house.last.progress is not Progress.WORKING, 300)
    for _ in range(60):
        house.look()
    assert house.books_agree()
    assert [leg.opened for leg in house.trade.legs] in ([0, 0], [1, 1])
    assert len(house.venue.blocks) <= 1
    assert house.executor.unresolved == 0
    assert len(house.venue.accepts) == len(set(house.venue.accepts))
    last: dict[str, RFQQuoted] = {}
    for event in house.journal.events:
        if isinstance(event, RFQQuoted):
            last[event.quote.quote_id] = event
        elif isinstance(event, BlockIntended):
            taken = last[event.quote_id]
            assert taken.verdict == Judged.ACCEPTED
            assert taken.book_cost is not None
            assert taken.cost <= taken.book_cost
