"""The smart executor: what it accepts, chunks quoted, taken across the spread and completed, opened and closed."""

import itertools
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from chunking import ChunkStage
from domain import ZERO, Level, OrderBook, Purpose, QuotingStrategy, Side
from events import ExecutionMoved, LegFilled, OrderIntended
from execution import Advance, Progress

from tests.fakes import START, a_fill, a_name, a_plan
from tests.unit.smart_builders import BUTTERFLY, EXAMPLE, LOW, MID, ONE, SINGLE, STRANGLE, Bench, opened

D = Decimal
QUOTING, FALLBACK, COMPLETED = ChunkStage


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
