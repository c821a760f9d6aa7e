"""How a structure is cut into chunks, what a leg of a chunk has filled, and the price at which it is quoted or taken."""

from dataclasses import replace
from decimal import Decimal

import pytest

from chunking import ChunkPlan, LegChunkState, Wish, chunk_plan, leg_chunk, quoting_price, without_us
from domain import ZERO, Level, OrderBook, Quote, QuotingStrategy, Side, SmartExecConfig
from leg_orders import crossing_price

from tests.fakes import START, a_quote

D = Decimal


# ---- the plan


def a_wish(wanted: str, target: str | None = None, lot: str = "0.01") -> Wish:
    return Wish(wanted=D(wanted), target=D(target or wanted), lot=D(lot))


def chunks(plan: ChunkPlan) -> list[list[str]]:
    return [[f"{qty.normalize():f}" for qty in plan.quantities(number)] for number in range(1, plan.count + 1)]


def in_chunks(*wishes: Wish, count: int = 2, least: str = "0.01") -> list[list[str]]:
    return chunks(chunk_plan(wishes, SmartExecConfig(chunk_count=count, min_order_qty=D(least))))


def test_a_butterfly_in_two_chunks_keeps_its_ratio() -> None:
    assert in_chunks(a_wish("0.2"), a_wish("0.4"), a_wish("0.2")) == [["0.1", "0.2", "0.1"]] * 2


@pytest.mark.parametrize(("lot", "wanted"), [("0.01", [["0.15", "0.15"]] * 2), ("0.1", [["0.1", "0.1"], ["0.2", "0.2"]])])
def test_the_lot_decides_how_even_the_chunks_are(lot: str, wanted: list[list[str]]) -> None:
    assert in_chunks(a_wish("0.3", lot=lot), a_wish("0.3", lot=lot)) == wanted


def test_a_structure_without_a_smaller_exact_unit_is_one_chunk() -> None:
    assert in_chunks(a_wish("0.03"), a_wish("0.04"), count=5) == [["0.03", "0.04"]]


def test_l16_there_are_fewer_chunks_where_one_would_be_below_the_smallest_order() -> None:
    assert in_chunks(a_wish("0.2"), a_wish("0.4"), count=5, least="0.1") == [["0.1", "0.2"]] * 2
    assert in_chunks(a_wish("0.2"), count=5, least="0.15") == [["0.2"]]


def test_legs_out_of_ratio_are_cut_each_by_itself() -> None:
    assert in_chunks(a_wish("0.05", "0.2"), a_wish("0.4"), a_wish("0", "0.2")) == [["0.02", "0.2", "0"], ["0.03", "0.2", "0"]]
    assert in_chunks(a_wish("0.01", "0.2"), a_wish("0.04", "0.2"), count=4) == [["0.01", "0.01"], *[["0", "0.01"]] * 3]


def test_what_is_less_than_a_lot_goes_with_the_last_chunk() -> None:
    assert in_chunks(a_wish("0.205")) == [["0.1"], ["0.105"]]


# ---- legs and chunks as values


def a_leg_state(side: Side, start: str, now: str) -> LegChunkState:
    return LegChunkState(leg=0, symbol="X", side=side, quantity=D("0.2"), starting_position=D(start), position=D(now))


@pytest.mark.parametrize(
    ("side", "start", "now", "filled"),
    [
        (Side.BUY, "0", "0.2", "0.2"),  # a bought leg opens
        (Side.SELL, "0.2", "0", "0.2"),  # and closes
        (Side.SELL, "0", "-0.2", "0.2"),  # a sold leg opens
        (Side.BUY, "-0.2", "0", "0.2"),  # and closes
        (Side.BUY, "0", "-0.2", "-0.2"),  # what moved the other way is not filled
        (Side.SELL, "0.2", "0.4", "-0.2"),
    ],
)
def test_l01_fills_are_counted_with_their_sign(side: Side, start: str, now: str, filled: str) -> None:
    leg = a_leg_state(side, start, now)
    assert leg.filled_qty == D(filled)
    assert leg.remaining_qty == D("0.2") - D(filled)
    assert leg.is_filled is (D(filled) == D("0.2"))


def test_earlier_chunks_are_filled_first_and_the_last_tells_of_what_was_too_much() -> None:
    plan = ChunkPlan(((ZERO,), (D("0.2"),), (D("0.4"),)))
    whole = replace(a_leg_state(Side.SELL, "0.5", "0.2"), quantity=D("0.4"))
    assert [leg_chunk(plan, k, 0, whole).filled_qty for k in (1, 2)] == [D("0.2"), D("0.1")]
    assert [leg_chunk(plan, k, 0, whole).starting_position for k in (1, 2)] == [D("0.5"), D("0.3")]
    over = replace(whole, position=ZERO)
    assert [leg_chunk(plan, k, 0, over).filled_qty for k in (1, 2)] == [D("0.2"), D("0.3")]


# ---- prices


def quoted(strategy: str, side: Side, quote: Quote | None = None, spread_pct: float = 0.5) -> Decimal | None:
    return quoting_price(
        quote or a_quote(bid="98", ask="102", mark="101"),
        side,
        SmartExecConfig(quoting_strategy=QuotingStrategy(strategy), spread_pct=spread_pct),
    )


@pytest.mark.parametrize(
    ("strategy", "buy", "sell"),
    [("top_of_book", "98", "102"), ("top_of_book_offset_pct", "98", "101.5"), ("mid", "100", "100"), ("mark", "101", "101")],
)
def test_each_strategy_has_its_price_on_the_tick(strategy: str, buy: str, sell: str) -> None:
    assert (quoted(strategy, Side.BUY), quoted(strategy, Side.SELL)) == (D(buy), D(sell))


def test_the_offset_stands_inside_the_spread_and_is_rounded_away_from_the_market() -> None:
    assert quoted("top_of_book_offset_pct", Side.BUY, spread_pct=1) == D("98.5")
    assert quoted("top_of_book_offset_pct", Side.SELL, spread_pct=1) == D(101)


def test_mark_falls_back_to_mid() -> None:
    assert quoted("mark", Side.BUY, a_quote(bid="98", ask="102", mark=None)) == 100


@pytest.mark.parametrize(
    ("strategy", "side", "quote"),
    [
        ("mark", Side.BUY, a_quote(mark="105")),
        ("mark", Side.SELL, a_quote(mark="95")),
        ("mid", Side.BUY, a_quote(bid="101", ask="101")),
        ("top_of_book", Side.SELL, a_quote(bid="101", ask="101")),
        ("top_of_book_offset_pct", Side.BUY, a_quote(bid="100.5", ask="101")),
    ],
)
def test_l18_no_patient_price_ever_crosses(strategy: str, side: Side, quote: Quote) -> None:
    price = quoted(strategy, side, quote, spread_pct=50)
    assert price is not None
    assert price < D(101) if side is Side.BUY else price > D(99)
    assert quote.executable(side) is not None
    assert price == (D("100.5") if side is Side.BUY else {"mark": D("99.5"), "top_of_book": D("101.5")}[strategy])


def test_l40_without_what_a_strategy_prices_from_there_is_no_price() -> None:
    one_sided = a_quote(bid=None, ask="101", mark=None)
    assert [quoted(s, Side.BUY, one_sided) for s in QuotingStrategy] == [None] * 4
    assert quoted("top_of_book", Side.SELL, one_sided) == 101
    assert quoted("mark", Side.BUY, a_quote(bid=None, ask="0.5", mark="3")) is None  # nothing fits below the ask


def test_l18_our_own_order_does_not_lead_our_price() -> None:
    quote = replace(a_quote(bid="98", ask="102"), bid_size=D("0.2"))
    assert without_us(quote, Side.BUY, D(98), D("0.1")) == quote  # others are there too
    assert without_us(quote, Side.BUY, D(97), D("0.2")) == quote  # others are better
    assert without_us(quote, Side.BUY, D(98), D("0.2")).bid is None
    assert without_us(replace(quote, ask_size=None), Side.SELL, D(102), D("0.2")).ask is None


def crossing(side: Side, quote: Quote, cap: float = 10, book: OrderBook | None = None, qty: str = "0.3") -> Decimal | None:
    return crossing_price(quote, book, side, D(qty), cap)


def test_crossing_takes_the_market_up_to_the_cap() -> None:
    assert [crossing(Side.BUY, a_quote()), crossing(Side.SELL, a_quote())] == [101, 99]
    wide = a_quote(bid="50", ask="150")
    assert (crossing(Side.BUY, wide, 2.2), crossing(Side.SELL, wide, 2.2)) == (D(102), D(98))
    assert crossing(Side.SELL, a_quote(bid=None, mark="100")) == 90
    assert crossing(Side.SELL, a_quote(bid=None, mark=None)) is None


def test_crossing_reaches_as_deep_as_the_coins_need() -> None:
    book = OrderBook(symbol="X", at=START, asks=(Level(D(101), D("0.1")), Level(D(103), D("0.2")), Level(D(104), D(9))))
    assert crossing(Side.BUY, a_quote(), book=book, qty="0.1") == 101
    assert crossing(Side.BUY, a_quote(), book=book) == 103
    assert crossing(Side.BUY, a_quote(), book=book, qty="99") == 104
    assert crossing(Side.SELL, a_quote(), book=book) == 90  # nobody bids
