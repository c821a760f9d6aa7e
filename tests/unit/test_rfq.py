"""Execution by request for quotes: what is asked, what is taken, and what each quote is measured by."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from domain import ExecutionMode, OptionType, Purpose, QuotedLeg, QuoteStatus, RFQParams, RFQQuote, RFQStatus, Side
from events import LegPlan, RFQEnded, RFQQuoted
from execution import Executor, Progress
from quote_gate import Judged, good_enough, improvement_pct

from tests.fakes import SECOND, START, a_plan, an_option
from tests.unit.rfq_stories import BUY_CALL, BUY_HIGH, CREDIT_SPREAD, SELL_CALL, a_house, ended
from tests.unit.rfq_venue import STALE, Maker

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


# ---- what it never takes


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
