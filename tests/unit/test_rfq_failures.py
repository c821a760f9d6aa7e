"""Execution by request for quotes on a venue that fails: what is left behind, how it is left, and what a restart makes of each moment."""

from datetime import timedelta
from decimal import Decimal

import pytest

from domain import ExecutionMode, Purpose, RFQStatus, Side
from errors import ExchangeRejected, ExchangeUnavailable, JournalError
from events import BlockIntended, LegFilled, LegPlan, OrderIntended, RFQEnded, RFQOpened, RFQQuoted, RFQSent
from execution import Progress
from rfq import OptionLeg
from risk import RiskLimits
from trade_lifecycle import advance

from tests.fakes import START, a_fill, an_option
from tests.unit.rfq_house import RFQHouse
from tests.unit.rfq_stories import BUY_CALL, BUY_HIGH, CREDIT_SPREAD, SELL_CALL, a_house, ended
from tests.unit.rfq_venue import STALE, Maker


def leaves(house: RFQHouse, most: int) -> bool:
    """Ask to leave once a second, so many times at most; tell whether that was granted."""
    for _ in range(most):
        house.look()
        if house.execution.cancel("a test"):
            return True
    return False


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
    assert {alert.cause for alert in house.alerts.about("refused")} == {"refused order notional test"}
    assert "the gate refused to take one: order " in house.last.reason
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
