"""The laws that every number of execution quality keeps, whatever was traded."""

from collections.abc import Sequence
from decimal import Decimal
from random import Random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from domain import Purpose, Side
from events import LegFilled, LegPlan
from execution_quality import ExecutionQuality, QualityBook

from tests.unit.execution_stories import a_birth, a_fill, a_leg, a_picture, a_start, a_whole, an_execution, measured, of

D = Decimal


price = st.decimals(min_value="0.1", max_value="5000", places=1)
coins = st.decimals(min_value="0.01", max_value="20", places=2)


@st.composite
def structures(draw: st.DrawFn) -> tuple[list[LegPlan], list[tuple[str, str]]]:
    """Draw one to six legs of any direction and size with two-sided books."""
    count = draw(st.integers(1, 6))
    legs = [a_leg(f"{draw(st.sampled_from('+-'))}{draw(st.sampled_from('CP'))}{50_000 + 1000 * n}", str(draw(coins))) for n in range(count)]
    books = [(str(low), str(low + width)) for low, width in ((draw(price), draw(price)) for _ in legs)]
    return legs, books


def mids(books: Sequence[tuple[str, str]]) -> list[str]:
    return [str((D(bid) + D(ask)) / 2) for bid, ask in books]


def touches(legs: Sequence[LegPlan], books: Sequence[tuple[str, str]]) -> list[str]:
    return [ask if leg.side is Side.BUY else bid for leg, (bid, ask) in zip(legs, books, strict=True)]


@given(structures())
def test_trading_at_the_mids_costs_nothing_before_fees_and_captures_the_whole_half_spread(
    drawn: tuple[list[LegPlan], list[tuple[str, str]]],
) -> None:
    legs, books = drawn

    q = a_whole(legs, books, mids(books), fee="0.3")

    assert of(q.shortfall, q.shortfall_pct, q.shortfall_bps, q.spread_captured) == (0, 0, 0, 1)
    assert q.shortfall_with_fees == q.fees == D("0.3") * len(legs)
    assert q.paid == q.arrival_mid


@given(structures())
def test_trading_at_the_touch_costs_half_the_spread_and_captures_none_of_it(drawn: tuple[list[LegPlan], list[tuple[str, str]]]) -> None:
    legs, books = drawn

    q = a_whole(legs, books, touches(legs, books))

    assert q.shortfall == sum((leg.qty * (D(ask) - D(bid)) / 2 for leg, (bid, ask) in zip(legs, books, strict=True)), D(0))
    assert of(q.saving, q.spread_captured, q.paid) == (0, 0, q.executable)


@given(structures(), st.data())
def test_the_mirrored_structure_at_mirrored_prices_costs_exactly_the_same(
    drawn: tuple[list[LegPlan], list[tuple[str, str]]], data: st.DataObject
) -> None:
    legs, books = drawn
    prices = [str(data.draw(price)) for _ in legs]
    mirrored = [msgspec.structs.replace(leg, side=leg.side.opposite) for leg in legs]
    reflected = [str(D(bid) + D(ask) - D(paid)) for (bid, ask), paid in zip(books, prices, strict=True)]

    ours, theirs = a_whole(legs, books, prices), a_whole(mirrored, books, reflected)

    assert ours.shortfall == theirs.shortfall
    assert ours.half_spread == theirs.half_spread
    assert ours.arrival_mid == -theirs.arrival_mid if theirs.arrival_mid is not None else False
    assert ours.spread_captured == theirs.spread_captured


@given(structures(), st.data())
def test_buying_and_selling_at_the_same_prices_cancel_out(drawn: tuple[list[LegPlan], list[tuple[str, str]]], data: st.DataObject) -> None:
    legs, books = drawn
    prices = [str(data.draw(price)) for _ in legs]

    into, out = QualityBook(
        [a_birth(legs), *an_execution(legs, books, prices), *an_execution(legs, books, prices, run=2, purpose=Purpose.CLOSE)]
    ).all()

    assert into.paid + out.paid == 0
    assert into.shortfall is not None
    assert out.shortfall == -into.shortfall


@given(structures(), st.data())
def test_shortfall_saving_and_half_spread_add_up(drawn: tuple[list[LegPlan], list[tuple[str, str]]], data: st.DataObject) -> None:
    legs, books = drawn

    q = a_whole(legs, books, [str(data.draw(price)) for _ in legs])

    assert q.shortfall is not None
    assert q.saving is not None
    assert q.shortfall + q.saving == q.half_spread


@given(st.lists(st.tuples(coins, price), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_the_order_in_which_fills_arrive_changes_nothing(fills: list[tuple[Decimal, Decimal]], chance: Random) -> None:
    leg = a_leg("+C50000", "200")
    filled = [a_fill(0, leg, str(paid), str(qty), at=n) for n, (qty, paid) in enumerate(fills)]
    shuffled = list(filled)
    chance.shuffle(shuffled)

    def q(order: Sequence[LegFilled]) -> ExecutionQuality:
        return measured(a_birth([leg]), a_start([a_picture(0, leg, "98", "102")]), *order)

    assert q(filled) == q(shuffled)
