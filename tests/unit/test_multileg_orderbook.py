"""The smart executor: chunks quoted, taken across the spread, completed; whatever fills when, and whenever the program dies."""

import itertools
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from chunking import ChunkPlan, ChunkStage, LegChunkState, Wish, chunk_plan, leg_chunk, quoting_price, without_us
from domain import ZERO, Level, OrderBook, Purpose, Quote, QuotingStrategy, Side, SmartExecConfig
from errors import ExchangeUnavailable, InsufficientMargin, JournalError
from events import ExecutionMoved, LegFilled, OrderIntended
from execution import Advance, Progress
from leg_orders import crossing_price
from risk import RiskLimits

from tests.fakes import EXPIRY, START, a_fill, a_name, a_plan, a_quote, an_option
from tests.unit.smart_builders import BUTTERFLY, EXAMPLE, LOW, MID, ONE, STRANGLE, Bench, opened

D = Decimal
QUOTING, FALLBACK, COMPLETED = ChunkStage
SINGLE = replace(EXAMPLE, chunk_count=1)


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


# ---- accepting


def test_it_says_what_it_will_do_and_why_not() -> None:
    bench = Bench(*BUTTERFLY)
    assert bench.smart.accepts(bench.scene()).reason == "2 chunks"
    odd = Bench(a_plan(LOW, Side.BUY, "0.205"), a_plan(MID, Side.BUY, "0.2"), config=replace(EXAMPLE, min_order_qty=D("0.3")))
    verdict = odd.smart.accepts(odd.scene())
    assert not verdict.ok
    assert "0.205 of BTCUSD-27MAR26-60000-C is not a whole number of lots of 0.01" in verdict.reason
    assert "0.2 of BTCUSD-27MAR26-70000-C is less than the smallest order of 0.3" in verdict.reason
    done = Bench(*ONE, config=replace(EXAMPLE, time_per_chunk=0))
    assert done.finish().success
    assert done.smart.accepts(done.scene()).reason == "nothing is wanted"


# ---- quoting


def test_a_chunk_is_quoted_leg_by_leg_and_sold_legs_start_as_the_bought_ones_fill() -> None:
    bench = Bench(*BUTTERFLY)
    waiting = bench.step()
    assert [bench.sent(leg) for leg in range(3)] == [[(D("0.1"), D(100))], [], [(D("0.1"), D(100))]]
    assert waiting.reason == f"{MID.symbol}: waiting for the legs that go first"
    bench.fill(0, "0.05")
    bench.fill(2, "0.07")
    bench.steps(4)
    assert bench.sent(1) == [(D("0.10"), D(100))]  # twice 0.05, as far as both cover it


def test_a_leg_that_is_filled_stops_and_the_others_go_on() -> None:
    bench = Bench(*STRANGLE, config=replace(EXAMPLE, time_per_chunk=600))
    bench.step()
    bench.fill_all(0)
    bench.steps(12)
    bench.show(STRANGLE[1], "101", "103")
    bench.steps(14)
    assert len(bench.sent(0)) == 1
    assert len(bench.sent(1)) > 1


def test_a_leg_without_a_price_does_not_hold_up_the_others_and_says_why_it_waits() -> None:
    bench = Bench(*STRANGLE)
    bench.hide(STRANGLE[1])
    assert bench.step().reason == "BTCUSD-27MAR26-80000-C: no fresh quote"
    bench.show(STRANGLE[1], bid=None)
    assert bench.step().reason == "BTCUSD-27MAR26-80000-C: no price to quote by mid"
    assert len(bench.sent(0)) == 1


def test_l18_a_quote_moves_only_at_its_interval_and_beyond_its_threshold() -> None:
    bench = Bench(*ONE, config=replace(SINGLE, time_per_chunk=600, reprice_price_threshold=D(1)))
    bench.step()
    bench.show(ONE[0], "101", "103")
    bench.steps(9)
    assert bench.venue.cancels == []  # 9 s old
    bench.show(ONE[0], "100.5", "101.5")
    bench.steps(15)
    assert bench.venue.cancels == []  # moved by 1, not by more
    bench.show(ONE[0], "101", "103")
    bench.steps(4)
    assert bench.venue.cancels == []  # looked at 10 s and 20 s after it was sent
    bench.steps(9)
    assert len(bench.venue.cancels) == 1
    assert bench.sent(0) == [(D("0.4"), D(100)), (D("0.4"), D(102))]


def test_l18_a_market_that_stands_still_costs_no_cancel() -> None:
    bench = Bench(*ONE, config=replace(SINGLE, time_per_chunk=600))
    bench.steps(300)
    assert (len(bench.venue.received), bench.venue.cancels) == (1, [])


def test_l18_being_best_by_ourselves_costs_no_cancel() -> None:
    offset = replace(SINGLE, time_per_chunk=600, quoting_strategy=QuotingStrategy.TOP_OF_BOOK_OFFSET_PCT, spread_pct=0.6)
    bench = Bench(*ONE, config=offset)
    bench.step()
    bench.show(ONE[0], "99.5", "101")  # our own order is the best bid now
    bench.steps(100)
    assert bench.venue.cancels == []


def test_l18_in_a_book_without_our_orders_the_touch_leads_even_where_we_stand() -> None:
    bench = Bench(*ONE, config=replace(SINGLE, time_per_chunk=600, quoting_strategy=QuotingStrategy.TOP_OF_BOOK))
    bench.step()
    bench.venue.books[LOW.symbol] = OrderBook(symbol=LOW.symbol, at=START, bids=(Level(D(98), D(1)),))
    bench.steps(9)
    bench.show(ONE[0], "98", "101")
    bench.steps(4)
    assert bench.sent(0) == [(D("0.4"), D(99)), (D("0.4"), D(98))]


def test_a_sold_leg_is_enlarged_as_more_may_go_out() -> None:
    bench = Bench(*BUTTERFLY, config=replace(SINGLE, time_per_chunk=600))
    bench.step()
    bench.fill(0, "0.05")
    bench.fill(2, "0.05")
    bench.steps(4)
    bench.fill_all(0, 2)
    bench.steps(20)
    assert [qty for qty, _ in bench.sent(1)] == [D("0.10"), D("0.40")]
    assert bench.outstanding(1) == D("0.4")


# ---- across the spread


def test_what_is_missing_after_its_time_is_taken_across_the_spread() -> None:
    bench = Bench(*ONE, config=SINGLE)
    bench.steps(21)
    assert bench.moves == [(1, "quoting"), (1, "fallback")]
    assert bench.resting() == []
    result = bench.finish()
    assert bench.execution.result(Advance(progress=Progress.DONE)) == result
    assert (result.success, result.fallback_count, result.chunks_completed) == (True, 1, 1)
    assert bench.sent(0) == [(D("0.4"), D(100)), (D("0.4"), D(101))]
    assert result.legs[0].average_price == 101
    assert result.total_cost == D("40.4")
    assert result.fees == D("0.2")


def test_attempts_are_as_many_as_long_and_as_far_apart_as_configured() -> None:
    patient = replace(SINGLE, time_per_chunk=0, aggressive_attempts=3, aggressive_wait_seconds=5, aggressive_retry_pause=4)
    bench = Bench(*ONE, config=patient)
    bench.show(ONE[0], "50", "150")  # the cap of 10 % past mid is never met
    result = bench.finish()
    sent = [event.at - START for event in bench.journal.of(OrderIntended)]
    assert sent == [timedelta(seconds=1 + 9 * turn) for turn in range(3)]
    assert bench.sent(0) == [(D("0.4"), D(110))] * 3
    assert not result.success
    assert result.reason == f"{LOW.symbol}: not filled in 3 attempts across the spread"
    assert [result.chunks_completed, result.legs[0].filled, result.legs[0].average_price, result.total_cost] == [0, 0, None, 0]


def test_attempts_end_early_once_all_is_filled() -> None:
    bench = Bench(*ONE, config=replace(SINGLE, time_per_chunk=0))
    result = bench.finish(seconds=5)
    assert result.success
    assert len(bench.sent(0)) == 1


def test_the_reason_of_an_opening_that_ends_short_tells_of_each_leg() -> None:
    bench = Bench(*BUTTERFLY, config=replace(SINGLE, time_per_chunk=0, aggressive_attempts=2))
    bench.hide(BUTTERFLY[0])
    result = bench.finish()
    assert f"{LOW.symbol}: no fresh quote" in result.reason
    assert f"{MID.symbol}: waiting for the legs that go first" in result.reason
    assert [bench.traded(leg) for leg in range(3)] == [0, 0, D("0.2")]


def test_no_attempts_at_all_end_a_chunk_with_its_time() -> None:
    result = Bench(*ONE, config=replace(SINGLE, aggressive_attempts=0)).finish()
    assert result.reason == f"{LOW.symbol}: not filled in 0 attempts across the spread"


def test_what_is_urgent_goes_across_the_spread_at_once_and_in_one_piece() -> None:
    bench = Bench(*BUTTERFLY)
    bench.steps(3)
    bench.urgent = True
    result = bench.finish(seconds=12)
    assert result.success
    assert bench.moves == [(1, "quoting"), (2, "fallback"), (2, "completed")]
    assert (result.chunks_completed, result.fallback_count) == (2, 1)


def test_what_begins_urgent_is_not_quoted_and_not_cut() -> None:
    bench = Bench(*ONE, config=replace(EXAMPLE, chunk_count=4))
    bench.urgent = True
    assert bench.finish(seconds=6).success
    assert bench.moves == [(4, "fallback"), (4, "completed")]
    assert bench.sent(0) == [(D("0.4"), D(101))]


def test_an_order_that_fills_is_no_attempt() -> None:
    bench = Bench(*BUTTERFLY, config=replace(SINGLE, time_per_chunk=0, aggressive_attempts=2, aggressive_wait_seconds=60))
    for bought in (BUTTERFLY[0], BUTTERFLY[2]):
        bench.show(bought, "50", "150")
    bench.step()
    for _ in range(4):
        bench.fill(0, "0.05")
        bench.fill(2, "0.05")
        bench.steps(5)
    assert bench.finish().success
    assert [qty for qty, _ in bench.sent(1)] == [D("0.1")] * 4


def test_a_sold_leg_has_all_its_attempts_once_the_bought_ones_are_filled() -> None:
    bench = Bench(*BUTTERFLY, config=replace(SINGLE, time_per_chunk=0, aggressive_attempts=3))
    bench.show(BUTTERFLY[0], "50", "150")
    bench.show(BUTTERFLY[1], "50", "150")
    while len(bench.sent(0)) < 3:
        bench.step()
    bench.fill_all(0)  # on its last attempt
    result = bench.finish()
    assert len(bench.sent(0)) == len(bench.sent(1)) == 3
    assert result.reason == f"{MID.symbol}: not filled in 3 attempts across the spread"


# ---- fills that come when they like


def test_l03_a_fill_that_wins_against_the_cancel_is_not_bought_again() -> None:
    bench = Bench(*ONE, config=SINGLE)
    bench.step()
    bench.fill(0, "0.1")
    bench.venue.fill_in_cancel = D("0.2")
    result = bench.finish()
    assert bench.sent(0) == [(D("0.4"), D(100)), (D("0.10"), D(101))]
    assert result.legs[0].filled == bench.traded(0) == D("0.4")


def test_l08_a_partial_fill_is_not_forgotten_at_a_requote() -> None:
    bench = Bench(*ONE, config=replace(SINGLE, time_per_chunk=600))
    bench.step()
    bench.fill(0, "0.1")
    bench.show(ONE[0], "101", "103")
    bench.steps(15)
    assert bench.sent(0) == [(D("0.4"), D(100)), (D("0.30"), D(102))]
    assert bench.outstanding(0) == D("0.4")


def test_l19_nothing_is_sent_before_a_cancel_is_final_and_read_again() -> None:
    bench = Bench(*ONE, config=SINGLE)
    bench.step()
    bench.venue.slow_cancel = True
    assert bench.steps(60).reason == f"{LOW.symbol}: waiting for the venue"
    assert len(bench.sent(0)) == 1
    bench.fill(0, "0.3")  # filled while it was being cancelled
    bench.venue.finish_cancels()
    bench.finish()
    assert [qty for qty, _ in bench.sent(0)] == [D("0.4"), D("0.1")]


def test_l11_a_fill_told_of_after_its_chunk_lowers_what_the_next_sends() -> None:
    bench = Bench(*ONE)
    bench.step()
    bench.show(ONE[0], "101", "103")
    bench.steps(14)  # requoted: the first order is final and settled
    bench.fill_all()  # chunk 1 is full
    bench.steps(4)
    assert bench.moves[-1] == (2, "quoting")
    bench.late_fill(0, "0.1")
    bench.fill(0, "0.05")
    bench.steps(8)
    assert [qty for qty, _ in bench.sent(0)] == [D("0.2"), D("0.2"), D("0.2"), D("0.05")]
    assert bench.outstanding(0) == D("0.4")


def test_l11_an_order_larger_than_what_is_missing_is_taken_back_at_once() -> None:
    bench = Bench(*ONE, config=replace(SINGLE, time_per_chunk=600))
    bench.step()
    bench.show(ONE[0], "101", "103")
    bench.steps(14)
    bench.late_fill(0, "0.3")
    bench.fill(0, "0.01")
    reasons = [bench.step().reason for _ in range(3)]
    assert f"{LOW.symbol}: more than is missing" in reasons
    bench.steps(5)
    assert bench.resting()[0].new.qty == D("0.09")
    assert bench.outstanding(0) == D("0.4")


@pytest.mark.parametrize("chunk_count", [1, 2, 4])
def test_l11_the_total_over_all_chunks_is_the_target_and_no_more(chunk_count: int) -> None:
    bench = Bench(*BUTTERFLY, config=replace(EXAMPLE, chunk_count=chunk_count))
    for second in range(300):
        if second % 3 == 0:
            for order in bench.resting():
                bench.venue.execute(order.new.client_id, "0.03")
        if bench.step().progress is Progress.DONE:
            break
    assert [bench.traded(leg) for leg in range(3)] == [D("0.2"), D("0.4"), D("0.2")]
    assert bench.resting() == []


# ---- chunks


def test_chunks_follow_each_other_after_a_pause_and_each_is_told() -> None:
    bench = Bench(*BUTTERFLY, config=replace(EXAMPLE, pause_between_chunks=30, time_per_chunk=0))
    bench.steps(12)
    assert bench.moves == [(1, "fallback"), (1, "completed")]
    assert bench.step().reason == "pausing between chunks"
    result = bench.finish()
    assert bench.moves == [(1, "fallback"), (1, "completed"), (2, "fallback"), (2, "completed")]
    at = [event.at for event in bench.run.written(ExecutionMoved)]
    assert at[2] - at[1] == timedelta(seconds=30)
    assert [(chunk.number, chunk.stage, chunk.is_filled) for chunk in result.chunks] == [(1, COMPLETED, True), (2, COMPLETED, True)]
    sold = result.chunks[1].legs[1]
    assert (sold.starting_position, sold.position, sold.filled_qty) == (D("-0.2"), D("-0.4"), D("0.2"))


def test_the_target_reached_early_leaves_out_the_other_chunks() -> None:
    bench = Bench(*ONE, config=replace(EXAMPLE, chunk_count=4, time_per_chunk=600))
    bench.step()
    bench.show(ONE[0], "101", "103")
    bench.steps(14)
    bench.late_fill(0, "0.1")
    bench.fill_all()
    bench.steps(4)
    assert bench.moves[-1] == (3, "quoting")  # the second was full before it began
    bench.venue.orders[bench.resting()[0].new.client_id].new = replace(bench.resting()[0].new, qty=D("0.2"))
    bench.fill_all()  # the venue gave more than was asked for
    result = bench.finish()
    assert bench.moves[-1] == (3, "completed")
    assert result.success
    assert result.legs[0].filled == D("0.4")


def test_a_rest_below_the_smallest_order_goes_with_the_next_chunk() -> None:
    bench = Bench(*ONE, config=replace(EXAMPLE, min_order_qty=D("0.1")))
    bench.step()
    bench.fill(0, "0.15")
    bench.steps(26)
    assert bench.moves[-1] == (2, "quoting")
    assert bench.resting()[0].new.qty == D("0.25")


def test_a_last_rest_below_the_smallest_order_is_told_and_not_sent() -> None:
    bench = Bench(*ONE, config=replace(SINGLE, min_order_qty=D("0.1")))
    bench.step()
    bench.fill(0, "0.35")
    result = bench.finish()
    assert result.reason == f"{LOW.symbol}: 0.05 is less than the smallest order of 0.1"
    assert (result.success, result.chunks_completed, result.chunks[0].legs[0].remaining_qty) == (False, 0, D("0.05"))


def test_no_stage_ends_before_its_orders_can_have_arrived() -> None:
    bench = Bench(*ONE, config=replace(SINGLE, aggressive_retry_pause=0), shortest=timedelta(seconds=60))
    bench.show(ONE[0], "50", "150")
    bench.steps(170)
    moved = [event.at - START for event in bench.run.written(ExecutionMoved)]
    sent = [event.at - START for event in bench.journal.of(OrderIntended)]
    assert moved == [timedelta(seconds=1), timedelta(seconds=61)]
    assert [(b - a) >= timedelta(seconds=60) for a, b in itertools.pairwise(sent)] == [True, True]


# ---- refusals


def test_l12_an_opening_that_the_venue_refuses_ends_at_once_with_the_reason() -> None:
    bench = Bench(*STRANGLE)
    bench.venue.refuse = InsufficientMargin("fake", "create", "no margin", 10585)
    result = bench.finish(seconds=5)
    assert "no margin" in result.reason
    assert bench.resting() == []


def test_a_refusal_that_may_pass_is_tried_again_later_and_not_at_once() -> None:
    bench = Bench(*ONE, config=SINGLE)
    bench.venue.refuse = ExchangeUnavailable("fake", "create", "busy")
    assert f"{LOW.symbol}: fake create" not in bench.step().reason
    assert len(bench.sent(0)) == 0
    bench.venue.refuse = ExchangeUnavailable("fake", "create", "busy still")
    bench.step()
    assert "busy still: again later" in bench.step().reason
    bench.steps(2)
    assert len(bench.sent(0)) == 1


def test_what_the_gate_never_lets_out_ends_short() -> None:
    bench = Bench(*ONE, config=replace(SINGLE, time_per_chunk=0), limits=RiskLimits(max_order_notional=D(1)))
    result = bench.finish()
    assert result.reason == f"{LOW.symbol}: no order was let out"
    assert bench.venue.received == []
    assert bench.alerts.about("refused")


def test_an_expired_option_is_not_opened() -> None:
    bench = Bench(*ONE)
    bench.clock.move_to(EXPIRY)
    assert bench.step() == Advance(progress=Progress.EXHAUSTED, reason=f"{LOW.symbol}: the option has expired")


def test_a_journal_that_cannot_write_a_stage_sends_nothing() -> None:
    bench = Bench(*ONE)
    bench.journal.fail_on = (ExecutionMoved,)
    with pytest.raises(JournalError):
        bench.step()
    assert (bench.moves, bench.venue.received) == ([], [])
    bench.journal.fail_on = ()
    bench.step()
    assert len(bench.venue.received) == 1


# ---- closing


def test_a_butterfly_opens_and_closes_flat_in_two_chunks() -> None:
    bench = opened(*BUTTERFLY)
    result = bench.finish()
    assert result.success
    assert [(leg.side, leg.filled) for leg in result.legs] == [(Side.SELL, D("0.2")), (Side.BUY, D("0.4")), (Side.SELL, D("0.2"))]
    assert (result.chunks_completed, len(result.chunks)) == (2, 2)
    assert set(bench.venue.held.values()) == {ZERO}
    assert all(order.reduce_only for order in bench.venue.received if order.client_id.purpose is Purpose.CLOSE)
    back = result.chunks[0].legs[1]
    assert (back.starting_position, back.position) == (D("-0.4"), D("-0.2"))


def test_a_close_gives_bought_legs_back_only_as_the_sold_ones_are() -> None:
    bench = opened(*BUTTERFLY)
    bench.step()
    assert [len(bench.sent(leg)) for leg in range(3)] == [0, 1, 0]
    bench.fill_all()
    bench.steps(4)
    assert [bench.sent(leg) for leg in (0, 2)] == [[(D("0.10"), D(100))]] * 2


def test_a_chunk_leaves_what_must_wait_for_other_legs_to_the_next() -> None:
    legs = (a_plan(LOW, Side.BUY, "0.03"), a_plan(MID, Side.SELL, "0.06"))
    bench = opened(*legs, config=replace(EXAMPLE, min_order_qty=D("0.02")))
    bought, sold = bench.trade.legs
    bench.book.keep(replace(bench.trade, legs=(bought, replace(sold, closed=D("0.01")))))  # half closed, out of ratio
    bench.begin()
    bench.step()
    bench.fill_all()
    bench.steps(4)
    assert bench.moves == [(1, "quoting"), (1, "completed"), (2, "quoting")]
    assert [bench.sent(0), bench.traded(1)] == [[], D("0.02")]  # 0.02 still covers the 0.03 that is short, a lot may not go alone
    assert bench.finish().success
    assert bench.sent(0)[-1][0] == D("0.03")


def test_an_opening_fill_told_of_during_a_close_is_not_counted_as_closed() -> None:
    bench = opened(*ONE, config=SINGLE)
    bench.step()
    late = replace(a_fill("0.1", fill_id="late", side=Side.BUY), symbol=LOW.symbol)
    told = LegFilled(at=bench.clock.now(), trade=1, leg=0, order=str(a_name(attempt=9)), fill=late)
    bench.journal.append(told)
    bench.booked(told)
    assert bench.execution.chunks[0].legs[0].filled_qty == 0
    bench.kill()
    bench.fill(0, "0.3")
    bench.steps(3)
    leg = bench.execution.chunks[0].legs[0]
    assert (leg.starting_position, leg.filled_qty) == (D("0.5"), D("0.3"))


def test_l02_a_close_is_bounded_by_what_the_venue_shows() -> None:
    bench = opened(*ONE, config=SINGLE)
    bench.clamps = {LOW.symbol: D("0.1")}
    bench.step()
    assert bench.sent(0) == [(D("0.1"), D(100))]


def test_l01_a_leg_given_back_too_far_is_not_traded_further() -> None:
    bench = opened(*STRANGLE, config=SINGLE)
    legs = (replace(bench.trade.legs[0], closed=D("0.3")), bench.trade.legs[1])
    bench.book.keep(replace(bench.trade, legs=legs))
    bench.step()
    assert bench.sent(0) == []
    assert len(bench.sent(1)) == 1


def test_l17_a_leg_that_cannot_be_left_does_not_hold_up_the_others() -> None:
    bench = opened(*STRANGLE, config=SINGLE)
    bench.hide(STRANGLE[0])
    result = bench.finish()
    assert [bench.traded(0), bench.traded(1)] == [0, D("0.2")]
    assert result.reason == f"{LOW.symbol}: no fresh quote"


def test_dust_of_a_close_is_stuck_and_told() -> None:
    bench = opened(*STRANGLE, config=SINGLE)
    legs = (replace(bench.trade.legs[0], closed=D("0.195")), bench.trade.legs[1])
    bench.book.keep(replace(bench.trade, legs=legs))
    assert bench.step().stuck == {0: "0.005 is less than the smallest order of 0.01"}


def test_l02_a_close_that_nobody_takes_ends_after_its_attempts_however_long_it_is_stepped() -> None:
    config = replace(SINGLE, time_per_chunk=0)
    bench = opened(*ONE, config=config)
    bench.show(ONE[0], "50", "150")
    before = len(bench.sent(0))
    assert not bench.finish().success
    bench.steps(100)
    assert 0 < len(bench.sent(0)) - before <= config.aggressive_attempts


# ---- dying


def test_l27_a_step_asks_for_one_change_per_leg_and_returns() -> None:
    bench = Bench(*STRANGLE)
    bench.step()
    assert len(bench.venue.received) == 2
    before = bench.clock.now()
    bench.execution.step(bench.scene())
    assert (bench.clock.now(), len(bench.venue.received)) == (before, 2)


def kill_after(bench: Bench, seconds: int) -> None:
    bench.steps(seconds)
    before = (bench.moves, len(bench.venue.received))
    bench.kill()
    bench.execution.step(bench.scene())
    assert bench.moves == before[0]
    assert len(bench.venue.received) == before[1]


def test_a_kill_while_quoting_goes_on_with_its_order_and_its_time() -> None:
    bench = Bench(*ONE)
    kill_after(bench, 15)
    bench.steps(5)
    assert bench.moves == [(1, "quoting")]
    bench.step()
    assert bench.moves == [(1, "quoting"), (1, "fallback")]
    assert bench.finish().success
    assert bench.traded(0) == D("0.4")


def test_a_kill_across_the_spread_does_not_begin_its_attempts_anew() -> None:
    bench = Bench(*ONE, config=replace(SINGLE, time_per_chunk=0, aggressive_attempts=4))
    bench.show(ONE[0], "50", "150")
    bench.steps(10)
    sent = len(bench.sent(0))
    bench.kill()
    bench.finish()
    assert sent == 2
    assert len(bench.sent(0)) == 4


def test_an_outage_across_the_spread_costs_no_attempt() -> None:
    bench = Bench(*ONE, config=replace(SINGLE, time_per_chunk=0, aggressive_attempts=2))
    bench.hide(ONE[0])
    bench.steps(2)
    bench.clock.advance(timedelta(hours=1))
    bench.kill()
    assert bench.step().progress is Progress.WORKING
    bench.show(ONE[0])
    assert bench.finish().success


def test_a_kill_between_chunks_begins_the_next_and_not_the_first() -> None:
    bench = Bench(*BUTTERFLY, config=replace(EXAMPLE, time_per_chunk=0, pause_between_chunks=30))
    kill_after(bench, 15)
    assert bench.moves[-1] == (1, "completed")
    result = bench.finish()
    assert bench.moves == [(1, "fallback"), (1, "completed"), (2, "fallback"), (2, "completed")]
    assert [bench.traded(leg) for leg in range(3)] == [D("0.2"), D("0.4"), D("0.2")]
    assert [chunk.is_filled for chunk in result.chunks] == [True, True]
    assert result.chunks[0].legs[1].starting_position == 0


def test_a_kill_with_a_lost_reply_waits_for_the_truth() -> None:
    bench = Bench(*ONE)
    bench.venue.lose_reply = True
    bench.step()
    bench.kill()
    bench.steps(3)
    assert len(bench.venue.received) == 1
    assert bench.finish().success
    assert bench.traded(0) == D("0.4")


@pytest.mark.parametrize("every", [4, 5, 7, 13])
@pytest.mark.parametrize("closing", [False, True])
def test_kills_all_the_way_change_nothing_of_the_end(every: int, *, closing: bool) -> None:
    bench = opened(*BUTTERFLY) if closing else Bench(*BUTTERFLY)
    progress = Progress.WORKING
    for second in range(400):
        progress = bench.step().progress
        if progress is not Progress.WORKING:
            break
        if second % every == 0:
            bench.kill()
    assert progress is Progress.DONE
    assert [bench.traded(leg) for leg in range(3)] == [D("0.2"), D("0.4"), D("0.2")]
    assert [move for move in bench.moves if move[1] == "completed"] == [(1, "completed"), (2, "completed")]


def test_after_its_chunks_are_completed_what_is_missing_again_is_left_to_others() -> None:
    bench = opened(*ONE, config=SINGLE)
    bench.clamps = {LOW.symbol: ZERO}  # the venue shows nothing held, for once
    assert bench.step().progress is Progress.DONE
    bench.run.write(ExecutionMoved, stage="completed", number=1)
    bench.clamps = None
    assert bench.step() == Advance(progress=Progress.EXHAUSTED, reason="more is missing than its chunks had")


def test_nothing_is_kept_of_a_trade_that_has_ended() -> None:
    bench = Bench(*ONE)
    bench.smart.forget(1)
    assert bench.smart.accepts(bench.scene()).ok


def test_an_option_of_a_coarser_lot_is_cut_on_it() -> None:
    coarse = an_option(75000, lot="0.1")
    bench = Bench(a_plan(coarse, Side.BUY, "0.3"))
    bench.step()
    assert bench.sent(0) == [(D("0.1"), D(100))]
