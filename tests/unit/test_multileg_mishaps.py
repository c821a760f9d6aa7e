"""The smart executor when fills come as they like, orders are refused, and the program dies at any moment."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from domain import ZERO, Side
from errors import ExchangeUnavailable, InsufficientMargin, JournalError
from events import ExecutionMoved
from execution import Advance, Progress
from risk import RiskLimits

from tests.fakes import EXPIRY, a_plan, an_option
from tests.unit.smart_builders import BUTTERFLY, EXAMPLE, LOW, ONE, SINGLE, STRANGLE, Bench, opened

D = Decimal


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
    assert result.reason.startswith(f"{LOW.symbol}: the gate refused its order: order ")
    assert "is above the cap of 1 USD" in result.reason
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
