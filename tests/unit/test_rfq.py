"""Execution by request for quotes: what is asked, what is taken, what is left, and what a restart makes of each moment."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from domain import ExecutionMode, OptionType, Purpose, QuotedLeg, QuoteStatus, RFQParams, RFQQuote, RFQStatus, Side
from errors import ExchangeRejected, ExchangeUnavailable, JournalError
from events import BlockIntended, LegFilled, LegPlan, OrderIntended, RFQEnded, RFQOpened, RFQQuoted, RFQSent
from execution import Executor, Progress
from quote_gate import Judged, good_enough, improvement_pct
from rfq import OptionLeg
from risk import RiskLimits
from trade_lifecycle import advance

from tests.fakes import SECOND, START, a_fill, a_plan, an_option
from tests.unit.rfq_fakes import STALE, Maker, RFQHouse

BUY_CALL = a_plan(an_option(70000), Side.BUY)
SELL_CALL = a_plan(an_option(70000), Side.SELL)
BUY_HIGH = a_plan(an_option(75000), Side.BUY)
CREDIT_SPREAD = (SELL_CALL, BUY_HIGH)


def a_house(
    *legs: LegPlan,
    makers: tuple[Maker, ...] = (),
    rfq: RFQParams | None = None,
    close: bool = False,
    limits: RiskLimits | None = None,
) -> RFQHouse:
    house = RFQHouse(*(legs or (BUY_CALL,)), rfq=rfq, close=close, limits=limits)
    house.venue.makers = list(makers)
    return house


def ended(house: RFQHouse, most: int = 200) -> Progress:
    house.until(lambda: house.last.progress is not Progress.WORKING, most)
    return house.last.progress


def leaves(house: RFQHouse, most: int) -> bool:
    """Ask to leave once a second, so many times at most; tell whether that was granted."""
    for _ in range(most):
        house.look()
        if house.execution.cancel("a test"):
            return True
    return False


# ---- what it accepts


def test_a_structure_below_the_venues_minimum_is_not_put_to_makers_and_both_numbers_are_told() -> None:
    house = a_house(a_plan(an_option(70000), Side.BUY, "0.5"))
    verdict = house.rfq.accepts(house.scene())
    assert not verdict.ok
    assert "35000" in verdict.reason
    assert "50000" in verdict.reason


def test_l26_the_minimum_is_measured_in_strikes_and_not_in_premium() -> None:
    """Two legs at 100 USD each are 200 USD of premium and 145,000 USD of strikes."""
    house = a_house(*CREDIT_SPREAD)
    scene = house.scene()
    premium = sum((scene.executable(leg) or Decimal(0)) * leg.qty for leg in scene.wanted)
    assert premium < 50000 < scene.notional
    assert scene.notional == 145000
    assert house.rfq.accepts(scene).ok


def test_l25_an_urgent_exit_does_not_wait_for_makers() -> None:
    house = a_house(close=True)
    assert house.rfq.accepts(house.scene()).ok
    house.urgent = True
    assert not house.rfq.accepts(house.scene()).ok


@pytest.mark.parametrize(
    ("legs", "word"),
    [
        ((BUY_CALL, SELL_CALL), "same option"),
        ((a_plan(an_option(70000), Side.BUY, "1.005"),), "whole lots"),
    ],
)
def test_what_a_block_cannot_hold_is_refused_with_its_reason(legs: tuple[LegPlan, ...], word: str) -> None:
    house = a_house(*legs)
    assert word in house.rfq.accepts(house.scene()).reason


# ---- what it takes


def test_the_best_quote_is_taken_once_the_gathering_is_over_and_no_sooner() -> None:
    house = a_house(makers=(Maker(("100",)), Maker(("98",), after=2), Maker(("99",))))
    house.tick(6)
    assert house.venue.accepts == []
    assert ended(house) is Progress.DONE
    assert house.venue.accepts == ["r1-q2"]
    assert house.trade.legs[0].opened == 1
    assert house.books_agree()
    assert house.result.total_cost == 98
    assert house.result.improvement_pct == Decimal(3) / 101 * 100
    assert [quote.quote_id for quote in house.result.quotes] == ["r1-q1", "r1-q3", "r1-q2"]
    assert house.journal.of(RFQEnded)[-1].outcome == "filled"  # type: ignore[union-attr]


def test_a_late_quote_is_taken_when_it_comes() -> None:
    house = a_house(makers=(Maker(("100",), after=30),))
    house.tick(29)
    assert house.venue.accepts == []
    assert ended(house) is Progress.DONE


def test_a_quote_that_is_worse_than_the_book_is_never_taken_and_the_request_is_withdrawn() -> None:
    house = a_house(makers=(Maker(("102",)),))
    assert ended(house) is Progress.EXHAUSTED
    assert house.venue.accepts == []
    assert house.venue.statuses == [RFQStatus.CANCELLED]
    assert "1 quotes" in house.last.reason
    assert "-0.99 %" in house.last.reason
    assert house.result.success is False


def test_without_quotes_the_request_ends_at_its_timeout() -> None:
    house = a_house(rfq=RFQParams(timeout_seconds=20))
    house.tick(19)
    assert house.last.progress is Progress.WORKING
    assert ended(house, 6) is Progress.EXHAUSTED
    assert house.venue.statuses == [RFQStatus.CANCELLED]


def test_the_gate_asks_for_the_improvement_that_is_declared() -> None:
    house = a_house(makers=(Maker(("100",)),), rfq=RFQParams(min_improvement_pct=1.0))
    assert ended(house) is Progress.EXHAUSTED
    house = a_house(makers=(Maker(("99.5",)),), rfq=RFQParams(min_improvement_pct=1.0))
    assert ended(house) is Progress.DONE


def test_without_a_book_only_a_strategy_that_takes_any_price_trades() -> None:
    house = a_house(makers=(Maker(("100",)),))
    house.show(BUY_CALL.option.symbol, "99", None)
    assert ended(house) is Progress.EXHAUSTED
    house = a_house(makers=(Maker(("100",)),), rfq=RFQParams(min_improvement_pct=None))
    house.show(BUY_CALL.option.symbol, "99", None)
    assert ended(house) is Progress.DONE
    assert house.result.improvement_pct is None


def test_a_quote_about_to_expire_is_skipped() -> None:
    short = Maker(("90",), life=timedelta(seconds=8))
    house = a_house(makers=(short, Maker(("100",))), rfq=RFQParams(gather_seconds=7, min_life_seconds=3))
    assert ended(house) is Progress.DONE
    assert house.venue.accepts == ["r1-q2"]


def test_a_block_trades_at_the_makers_price_on_the_tick_or_not() -> None:
    house = a_house(makers=(Maker(("97.3",)), Maker(("100",))))
    assert ended(house) is Progress.DONE
    assert house.venue.accepts == ["r1-q1"]


def test_l22_after_a_refused_accept_the_next_quote_is_judged_anew_against_the_book_of_that_moment() -> None:
    house = a_house(makers=(Maker(("95",)), Maker(("100",))))
    house.venue.refuse_accept = STALE
    house.until(lambda: house.venue.accepts)
    house.show(BUY_CALL.option.symbol, "97", "98")  # while the first accept is on its way the market falls
    assert ended(house) is Progress.EXHAUSTED
    assert house.venue.accepts == ["r1-q1"]
    assert house.trade.flat


def test_after_a_refused_accept_the_next_best_is_taken_if_it_is_still_good() -> None:
    house = a_house(makers=(Maker(("95",)), Maker(("100",))))
    house.venue.refuse_accept = STALE
    assert ended(house) is Progress.DONE
    assert house.venue.accepts == ["r1-q1", "r1-q2"]
    assert house.trade.legs[0].open_value == 100
    assert house.result.improvement_pct == Decimal(1) / 101 * 100


def test_a_quote_that_vanishes_as_it_is_taken_costs_nothing() -> None:
    house = a_house(makers=(Maker(("95",), vanishes=True), Maker(("100",))))
    assert ended(house) is Progress.DONE
    assert house.books_agree()


def test_a_quote_that_was_taken_and_did_not_trade_improved_nothing() -> None:
    house = a_house(makers=(Maker(("95",), vanishes=True),))
    assert ended(house) is Progress.EXHAUSTED
    assert house.venue.accepts == ["r1-q1"]
    assert house.result.improvement_pct is None


def test_a_quote_that_has_expired_by_the_time_it_is_judged_is_gone() -> None:
    house = a_house(makers=(Maker(("95",), life=timedelta(seconds=3)),), rfq=RFQParams(min_life_seconds=0))
    assert ended(house) is Progress.EXHAUSTED
    assert house.venue.accepts == []
    assert house.journal.of(RFQQuoted)[-1].verdict == Judged.GONE  # type: ignore[union-attr]


def test_each_quote_is_journalled_once_and_again_only_when_its_verdict_changes() -> None:
    house = a_house(makers=(Maker(("100",)),), rfq=RFQParams(gather_seconds=30))
    house.tick(10)
    assert [event.verdict for event in house.journal.of(RFQQuoted)] == [Judged.GOOD]  # type: ignore[union-attr]
    house.show(BUY_CALL.option.symbol, "97", "98")
    house.tick(5)
    assert [event.verdict for event in house.journal.of(RFQQuoted)] == [Judged.GOOD, Judged.DEAR]  # type: ignore[union-attr]


# ---- directions


def test_l24_the_direction_comes_from_the_signed_structure_and_not_from_its_first_leg() -> None:
    """[SELL, BUY] is stated as it is; the maker that takes the other side of each leg is taken, the one with the same sides is not."""
    same = Maker(("100", "40"), against=False)  # would have us buy what we sell
    fits = Maker(("100", "40"))
    house = a_house(*CREDIT_SPREAD, makers=(same, fits))
    house.show(BUY_HIGH.option.symbol, "44", "45")
    assert ended(house) is Progress.DONE
    assert house.venue.accepts == ["r1-q2"]
    assert [leg.held for leg in house.trade.legs] == [-1, 1]
    assert house.result.total_cost == -60
    assert house.result.improvement_pct == Decimal(6) / 54 * 100
    assert house.books_agree()


def test_a_single_sale_is_stated_as_a_purchase_and_takes_the_makers_bid() -> None:
    house = a_house(SELL_CALL, makers=(Maker(("101",)), Maker(("100",), against=False)))
    assert ended(house) is Progress.DONE
    assert house.venue.requests["r1"].legs[0].side is Side.BUY
    assert house.trade.legs[0].held == -1
    assert house.result.total_cost == -100
    assert house.result.quotes[0].is_we_buy
    assert house.result.quotes[1].is_we_sell


def test_a_close_is_put_to_makers_the_other_way_round_and_reduces() -> None:
    house = a_house(*CREDIT_SPREAD, makers=(Maker(("98", "45")),), close=True)
    house.show(BUY_HIGH.option.symbol, "44", "45")
    assert ended(house) is Progress.DONE
    assert [leg.side for leg in house.venue.requests["r1"].legs] == [Side.BUY, Side.SELL]
    assert house.trade.flat
    assert all(record.new.reduce_only for record in house.records())
    assert house.books_agree()


def test_a_ratio_of_legs_is_asked_for_and_traded_as_it_is() -> None:
    body = a_plan(an_option(72000), Side.SELL, "2")
    house = a_house(BUY_CALL, body, BUY_HIGH, makers=(Maker(("100", "99.5", "100")),))
    assert ended(house) is Progress.DONE
    assert [leg.held for leg in house.trade.legs] == [1, -2, 1]


def test_a_put_and_a_call_are_one_request() -> None:
    put = a_plan(an_option(60000, OptionType.PUT), Side.BUY)
    house = a_house(BUY_CALL, put, makers=(Maker(("100", "100")),))
    assert ended(house) is Progress.DONE
    assert house.venue.asked["create"] == 1


# ---- one signed cost


def test_l21_improvement_counts_what_is_saved_whichever_way_the_money_goes() -> None:
    assert improvement_pct(Decimal(98), Decimal(100)) == 2
    assert improvement_pct(Decimal(-98), Decimal(-100)) == -2  # a credit of 98 is worse than one of 100
    assert improvement_pct(Decimal(-102), Decimal(-100)) == 2
    assert improvement_pct(Decimal(-10), Decimal(10)) == 200
    assert improvement_pct(Decimal(5), Decimal(0)) is None


def test_a_book_that_costs_nothing_is_beaten_by_any_saving() -> None:
    zero = Decimal(0)
    assert good_enough(Decimal(-1), zero, 5)
    assert good_enough(zero, zero, 0)
    assert not good_enough(zero, zero, 5)
    assert not good_enough(Decimal(1), zero, 0)


# ---- a venue that fails


def test_a_refused_request_ends_the_execution_with_the_venues_words() -> None:
    house = a_house()
    house.venue.refuse_create = ExchangeRejected("fake", "create", "notional too small", 10558)
    assert ended(house, 5) is Progress.EXHAUSTED
    assert "notional too small" in house.last.reason


def test_a_request_that_surely_was_not_sent_is_sent_once_more_and_then_given_up() -> None:
    house = a_house(makers=(Maker(("100",)),))
    house.venue.refuse_create = ExchangeUnavailable("fake", "create", "down")
    assert ended(house) is Progress.DONE
    house = a_house()
    house.venue.refuse_create = ExchangeUnavailable("fake", "create", "down")
    house.until(lambda: house.journal.of(RFQEnded))
    house.venue.refuse_create = ExchangeUnavailable("fake", "create", "down")
    assert ended(house) is Progress.EXHAUSTED
    assert house.venue.asked["create"] == 2


@pytest.mark.parametrize("lost", ["before", "after"])
@pytest.mark.parametrize("leg", [BUY_CALL, SELL_CALL])
def test_a_lost_answer_to_the_request_leaves_none_open_behind(lost: str, leg: LegPlan) -> None:
    house = a_house(leg, makers=(Maker(("100",), against=leg is BUY_CALL),))
    house.venue.lose_create = lost
    assert ended(house) is Progress.DONE
    assert house.venue.asked["create"] == 2
    assert RFQStatus.ACTIVE not in house.venue.statuses
    assert len(house.venue.accepts) == 1


def test_a_request_of_somebody_else_is_left_alone() -> None:
    house = a_house(makers=(Maker(("100",)),))
    others = house.venue.request((OptionLeg(instrument=an_option(90000), side=Side.BUY, qty=Decimal(1)),))
    house.venue.lose_create = "after"
    assert ended(house) is Progress.DONE
    assert house.venue.requests[others.request_id].status is RFQStatus.ACTIVE


def test_the_request_of_another_trade_for_the_same_legs_is_left_alone() -> None:
    house = a_house(makers=(Maker(("100",)),))
    scene = house.scene()
    others = house.venue.request(scene.wanted)
    run = house.log.begin(2, Purpose.OPEN, ExecutionMode.RFQ, "another", scene.pictures())
    run.write(RFQOpened, request_id=others.request_id, expires_at=others.expires_at)
    house.rfq.begin(scene, run)
    house.venue.lose_create = "after"
    assert ended(house) is Progress.DONE
    assert house.venue.statuses == [RFQStatus.ACTIVE, RFQStatus.CANCELLED, RFQStatus.FILLED]


def test_where_the_venue_does_not_list_requests_a_lost_one_expires_by_itself() -> None:
    house = a_house(makers=(Maker(("100",)),))
    house.venue.lose_create, house.venue.no_list = "after", True
    assert ended(house) is Progress.DONE
    assert house.venue.statuses == [RFQStatus.ACTIVE, RFQStatus.FILLED]
    assert house.trade.legs[0].opened == 1


def test_an_outage_of_the_quotes_is_waited_out() -> None:
    house = a_house(makers=(Maker(("100",)),))
    house.venue.quotes_fail = True
    house.tick(20)
    house.venue.quotes_fail = False
    assert ended(house) is Progress.DONE


def test_a_request_that_the_venue_forgot_or_ended_is_given_up() -> None:
    house = a_house(makers=(Maker(("102",)),))
    house.tick(5)
    del house.venue.requests["r1"]
    house.venue.cancel_fails = 10**6
    assert ended(house, 30) is Progress.EXHAUSTED
    assert "the venue ended the request" in house.last.reason


def test_a_denial_of_the_risk_gate_calls_a_person_and_sends_nothing() -> None:
    house = a_house(makers=(Maker(("100",)),), limits=RiskLimits(max_order_notional=Decimal(1000)))
    assert ended(house) is Progress.EXHAUSTED
    assert house.venue.accepts == []
    assert house.alerts.about("refused")
    assert house.journal.of(OrderIntended) == []


@pytest.mark.parametrize("kind", [RFQSent, RFQOpened, RFQQuoted, BlockIntended, OrderIntended, RFQEnded])
def test_what_cannot_be_journalled_is_not_done_and_is_done_later(kind: type) -> None:
    house = a_house(makers=(Maker(("100",)),))
    house.journal.fail_on = (kind,)
    with pytest.raises(JournalError):
        ended(house)
    assert len(house.venue.accepts) == (kind is RFQEnded)
    assert house.venue.asked["create"] == (kind is not RFQSent)
    house.journal.fail_on = ()
    ended(house)
    assert house.books_agree()
    assert len(house.venue.accepts) <= 1


# ---- leaving


def test_cancel_withdraws_the_request_and_says_so_only_when_it_is_over() -> None:
    house = a_house(makers=(Maker(("100",)),))
    house.tick(3)
    assert not house.execution.cancel("a test")
    house.look()
    assert house.execution.cancel("a test")
    assert house.venue.statuses == [RFQStatus.CANCELLED]
    assert house.venue.accepts == []


def test_a_request_that_is_not_withdrawn_does_not_hold_up_the_exit_and_is_withdrawn_in_the_end() -> None:
    house = a_house()
    house.tick(3)
    house.venue.cancel_fails = 3
    assert leaves(house, 7)
    assert house.alerts.about("rfq not withdrawn 1")
    house.tick(120)  # asked again ever more slowly
    assert house.venue.statuses == [RFQStatus.CANCELLED]


def test_cancel_before_the_answer_withdraws_the_request_when_it_comes() -> None:
    house = a_house()
    house.venue.no_list = True
    house.pool.held = True
    house.tick()
    assert not house.execution.cancel("a test")
    assert leaves(house, 7)
    house.pool.release()
    house.look()
    house.look()
    assert house.venue.statuses == [RFQStatus.CANCELLED]


def test_cancel_takes_in_an_answer_that_no_step_has_seen() -> None:
    house = a_house()
    house.venue.no_list = True
    house.tick()
    assert leaves(house, 4)
    assert house.venue.statuses == [RFQStatus.CANCELLED]
    assert len(house.journal.of(RFQOpened)) == 1


def test_cancel_after_a_refused_request_is_over_at_once() -> None:
    house = a_house()
    house.venue.refuse_create = ExchangeRejected("fake", "create", "no", 10558)
    house.tick()
    assert leaves(house, 1)
    assert house.venue.asked["list"] == 0


def test_cancel_after_a_lost_answer_looks_for_the_request_and_withdraws_it() -> None:
    house = a_house()
    house.venue.lose_create = "after"
    house.tick(2)
    house.look()
    assert house.execution.cancel("a test")
    for _ in range(8):
        house.look()
    assert house.venue.statuses == [RFQStatus.CANCELLED]


def test_cancel_does_not_leave_an_accept_behind_whose_end_is_not_known() -> None:
    house = a_house(makers=(Maker(("100",)),))
    house.venue.lose_accept, house.venue.find_fails = "after", 4
    house.until(lambda: house.venue.accepts)
    answers = []
    for _ in range(40):
        house.look()
        answers.append((house.execution.cancel("a test"), house.trade.legs[0].opened))
    assert (True, Decimal(0)) not in answers
    assert answers[0] == (False, Decimal(0))
    assert answers[-1] == (True, Decimal(1))


def test_an_execution_that_was_told_to_leave_takes_no_further_quote() -> None:
    house = a_house(makers=(Maker(("95",)), Maker(("100",))))
    house.venue.refuse_accept = STALE
    house.until(lambda: house.venue.accepts)
    assert not house.execution.cancel("it has become urgent")
    assert ended(house) is Progress.EXHAUSTED
    assert house.last.reason == "it has become urgent"
    assert house.venue.accepts == ["r1-q1"]


def test_cancel_without_a_request_has_nothing_to_do() -> None:
    assert a_house().execution.cancel("a test")


def test_l27_a_step_never_waits_for_the_network() -> None:
    """Workers that never come back leave every step as it is: at once, at work."""
    house = a_house(makers=(Maker(("100",)),))
    house.pool.held = True
    house.tick(20)
    assert house.venue.asked.total() == 0
    assert house.last.progress is Progress.WORKING
    house.pool.release()
    house.tick(3)
    house.pool.held = True
    house.tick(20)
    assert house.last.progress is Progress.WORKING


# ---- restarts


@pytest.mark.parametrize("seconds", range(1, 16))
@pytest.mark.parametrize("lost", ["", "before", "after"])
def test_a_death_at_any_second_neither_trades_twice_nor_leaves_a_request_open(seconds: int, lost: str) -> None:
    house = a_house(*CREDIT_SPREAD, makers=(Maker(("100", "40"), after=3),))
    house.show(BUY_HIGH.option.symbol, "44", "45")
    house.venue.lose_accept = lost
    house.tick(seconds)
    house = house.restart()
    ended(house)
    for _ in range(10):
        house.look()
    assert house.books_agree()
    assert house.trade.legs[0].opened == house.trade.legs[1].opened <= 1
    assert RFQStatus.ACTIVE not in house.venue.statuses
    assert house.executor.unresolved == 0


@pytest.mark.parametrize("seconds", range(1, 12))
def test_a_death_with_all_that_was_on_its_way_trades_nothing_twice(seconds: int) -> None:
    """The worker had not yet come to what the last second asked for."""
    house = a_house(makers=(Maker(("100",), after=3),))
    house.tick(seconds - 1)
    house.pool.held = True
    house.tick()
    house = house.restart()
    ended(house)
    assert house.books_agree()
    assert len(house.venue.accepts) <= 1
    assert house.venue.asked["create"] <= 2


def test_a_restart_goes_on_with_the_same_request() -> None:
    house = a_house(makers=(Maker(("100",), after=12),))
    house.tick(8)
    house = house.restart()
    assert ended(house) is Progress.DONE
    assert house.venue.asked["create"] == 1
    assert house.venue.accepts == ["r1-q1"]


def test_a_sale_that_a_restart_finds_open_still_takes_the_makers_bid() -> None:
    house = a_house(SELL_CALL, makers=(Maker(("100",), against=False, after=12),))
    house.tick(8)
    house = house.restart()
    assert ended(house) is Progress.DONE
    assert house.trade.legs[0].held == -1
    assert house.result.quotes[0].is_we_sell


def test_a_request_that_was_sent_when_the_program_died_is_looked_for_and_withdrawn() -> None:
    house = a_house(makers=(Maker(("100",)),))
    house.tick()  # the venue has it; its answer dies with the program
    house = house.restart()
    assert ended(house) is Progress.DONE
    assert house.venue.statuses == [RFQStatus.CANCELLED, RFQStatus.FILLED]


def test_quotes_that_were_journalled_before_a_restart_are_not_journalled_again() -> None:
    house = a_house(makers=(Maker(("102",)),))
    house.tick(8)
    house = house.restart()
    house.tick(8)
    assert len(house.journal.of(RFQQuoted)) == 1


def test_a_finished_execution_stays_finished_after_a_restart() -> None:
    house = a_house(makers=(Maker(("100",)),))
    ended(house)
    house = house.restart()
    assert house.tick().progress is Progress.DONE
    assert len(house.journal.of(LegFilled)) == 1
    assert house.result.improvement_pct == Decimal(1) / 101 * 100


def test_what_is_still_missing_of_a_structure_is_put_to_makers_alone() -> None:
    """The first leg was filled before; the block is for the other one."""
    house = a_house(*CREDIT_SPREAD, makers=(Maker(("45",)),))
    house.show(BUY_HIGH.option.symbol, "44", "46")
    fill = a_fill(order_id="x")
    house.trade = advance(house.trade, LegFilled(at=START, trade=1, leg=0, order="ct-0007-1-0-o-1", fill=fill))
    assert ended(house) is Progress.DONE
    assert [leg.instrument.symbol for leg in house.venue.requests["r1"].legs] == [BUY_HIGH.option.symbol]
    assert [record.client_id.leg for record in house.records()] == [1]
    assert house.trade.complete


def test_an_exhausted_execution_stays_exhausted_after_a_restart() -> None:
    house = a_house()
    ended(house)
    reason = house.last.reason
    house = house.restart()
    assert house.tick().reason == reason
    assert house.venue.asked["create"] == 1


def test_l37_the_ids_of_requests_are_dropped_once_the_venue_lists_them_no_more() -> None:
    house = a_house(makers=(Maker(("100",), after=12),))
    house.tick(3)
    house.rfq.forget(1)
    assert list(house.rfq.watch._known) == ["r1"]  # lists lag: a search might still see it
    assert ended(house) is Progress.DONE
    house.clock.advance(timedelta(hours=2))
    house.rfq.watch.know("r9", house.clock.now())
    assert list(house.rfq.watch._known) == ["r9"]


def test_the_words_that_users_write() -> None:
    house = a_house()
    executor: Executor = house.rfq
    assert executor.mode is ExecutionMode.RFQ
    assert house.purpose is Purpose.OPEN
    quote = RFQQuote(
        quote_id="q",
        request_id=None,
        status=QuoteStatus.OPEN,
        legs=(QuotedLeg(symbol="x", side=Side.SELL, price=Decimal(5), qty=Decimal(2)),),
        created_at=START,
        expires_at=START + SECOND,
    )
    assert quote.total_cost == 10
    assert replace(quote, legs=(replace(quote.legs[0], side=Side.BUY),)).total_cost == -10


def test_l02_a_block_closes_nothing_while_it_is_not_known_what_is_held() -> None:
    house = a_house(makers=(Maker(("99",)),), close=True)
    house.blind = True
    assert ended(house) is Progress.EXHAUSTED
    assert "what is held is not known" in house.last.reason
    assert house.venue.accepts == []


def test_an_execution_does_not_go_on_taking_quotes_that_are_refused_one_after_the_other() -> None:
    house = a_house(makers=tuple(Maker((price,)) for price in ("95", "96", "97", "98", "99")))
    refused = 0
    while house.last.progress is Progress.WORKING and refused < 200:
        house.venue.refuse_accept, refused = STALE, refused + 1
        house.tick()
    assert house.last.progress is Progress.EXHAUSTED
    assert len(house.venue.accepts) == 3
