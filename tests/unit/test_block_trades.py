"""The accept: journalled before it is sent, sent once, and pursued until the block is booked or surely was not traded."""

from dataclasses import replace
from datetime import timedelta

import pytest

from domain import OrderType, RFQStatus, Severity
from errors import InsufficientMargin, JournalError, MalformedResponse, OrderAlreadyFinal
from events import BlockIntended, LegFilled, OrderAccepted, OrderIntended, OrderLost, OrderRefused, OrderSettled
from execution import Progress

from tests.unit.block_stories import a_house, accepted
from tests.unit.rfq_house import RFQHouse
from tests.unit.rfq_stories import go
from tests.unit.rfq_venue import Maker


def test_l05_every_leg_is_journalled_before_the_accept_goes_out_and_all_in_one() -> None:
    house = a_house()
    house.pool.held = False
    house.until(lambda: house.journal.of(OrderIntended))
    kinds = [type(event) for event in house.journal.events]
    first = kinds.index(BlockIntended)
    assert kinds[first : first + 3] == [BlockIntended, OrderIntended, OrderIntended]
    intended = house.journal.of(BlockIntended)[0]
    assert isinstance(intended, BlockIntended)
    assert intended.orders == ("ct-0007-1-0-o-1", "ct-0007-1-1-o-1")
    assert (intended.request_id, intended.quote_id) == ("r1", "r1-q1")
    assert {record.new.order_type for record in house.records()} == {OrderType.BLOCK_TRADE}


def test_l05_legs_that_cannot_be_journalled_together_are_not_sent_at_all() -> None:
    house = a_house()
    house.journal.fail_on = (OrderIntended,)
    with pytest.raises(JournalError):
        accepted(house)
    assert house.venue.accepts == []
    assert house.records() == ()


def test_a_block_is_booked_like_any_order_and_each_leg_is_settled() -> None:
    house = accepted(a_house())
    assert [house.executor.ledger.working(1, leg) for leg in (0, 1)] == [1, 1]
    house.tick(2)
    assert [type(e) for e in house.journal.of(OrderAccepted, LegFilled, OrderSettled)] == [OrderAccepted, LegFilled, OrderSettled] * 2
    assert [fill.fill.id for fill in house.listened] == ["bt1", "bt2"]
    assert [house.executor.ledger.working(1, leg) for leg in (0, 1)] == [0, 0]
    assert not house.blocks.locked(1)
    assert house.books_agree()


def test_blocks_are_left_alone_by_the_pursuit_of_ordinary_orders() -> None:
    house = accepted(a_house())
    house.venue.find_fails = 10**6
    restarted = house.restart()
    restarted.executor.cancel(restarted.records()[0].client_id)
    go(restarted, 60)
    assert house.account.asked.total() == 0
    assert restarted.blocks.locked(1)
    assert not restarted.records()[0].cancel_wanted


def test_the_account_s_list_of_trades_books_no_block_a_second_time() -> None:
    """The venue lists block legs there too, perhaps under other ids; another order of the account makes the list be read."""
    house = accepted(a_house())
    house.journal.fail_on = (OrderSettled,)
    house.look()
    house.account.rows = [replace(row, id=f"other-{row.id}") for row in house.account.rows]
    house.executor._collected(house.clock.now(), house.account.rows)
    house.journal.fail_on = ()
    go(house, 5)
    assert len(house.journal.of(LegFilled)) == 2
    assert house.books_agree()
    assert not house.blocks.locked(1)


@pytest.mark.parametrize("lost", ["before", "after"])
def test_l23_an_accept_without_an_answer_locks_the_trade_until_it_is_resolved(lost: str) -> None:
    house = a_house()
    house.venue.lose_accept, house.venue.find_fails = lost, 5
    accepted(house)
    house.tick(8)
    assert house.blocks.locked(1)
    assert house.venue.accepts == ["r1-q1"]
    assert house.alerts.about("block unknown 1")[0].severity is Severity.CRITICAL
    assert house.journal.of(OrderLost)
    house.until(lambda: house.last.progress is not Progress.WORKING)
    assert house.venue.accepts == ["r1-q1"]
    assert house.last.progress is (Progress.DONE if lost == "after" else Progress.EXHAUSTED)
    assert house.books_agree()
    assert house.venue.statuses == [RFQStatus.FILLED if lost == "after" else RFQStatus.CANCELLED]


def test_l23_an_accept_that_arrives_late_cannot_trade_any_more_once_it_is_believed_lost() -> None:
    house = a_house()
    house.venue.lose_accept = "late"
    accepted(house)
    house.until(lambda: house.last.progress is not Progress.WORKING)
    assert not house.venue.land()
    assert house.books_agree()


def test_l23_an_accept_that_arrives_late_but_before_the_withdrawal_is_booked() -> None:
    house = a_house()
    house.venue.lose_accept, house.venue.cancel_fails = "late", 3
    accepted(house)
    house.tick(3)
    assert house.venue.land()
    house.until(lambda: house.last.progress is not Progress.WORKING)
    assert house.last.progress is Progress.DONE
    assert house.books_agree()


@pytest.mark.parametrize("status", [RFQStatus.EXPIRED, RFQStatus.CANCELLED])
def test_that_nothing_traded_is_believed_only_after_the_patience_and_two_answers(status: RFQStatus) -> None:
    """It ended by itself, or by somebody else's withdrawal."""
    house = a_house()
    house.venue.lose_accept = "before"
    accepted(house)
    house.venue.end("r1", status)
    house.tick(30)
    assert house.blocks.locked(1)
    house.until(lambda: not house.blocks.locked(1), 30)
    assert [event.retryable for event in house.journal.of(OrderRefused)] == [True, True]  # type: ignore[union-attr]
    assert house.venue.asked["find"] >= 2


def test_a_request_that_we_withdrew_and_that_is_told_as_cancelled_twice_leaves_nothing_to_wait_for() -> None:
    house = a_house()
    house.venue.lose_accept = "late"
    accepted(house)
    go(house, 8)
    assert not house.blocks.locked(1)
    assert house.venue.asked["find"] == 2
    assert [event.retryable for event in house.journal.of(OrderRefused)] == [True, True]  # type: ignore[union-attr]
    assert not house.venue.land()
    assert house.books_agree()


def test_cancelled_must_be_told_twice_in_a_row_and_silence_between_does_not_count() -> None:
    house = a_house()
    house.venue.lose_accept = "before"
    accepted(house)
    for silent in (True, False, True, False):
        house.venue.no_status, asked = silent, house.venue.asked["find"]
        house.until(lambda asked=asked: house.venue.asked["find"] > asked)  # type: ignore[misc]
    house.look()
    assert house.blocks.locked(1)


def test_a_block_that_lists_show_late_is_filled_and_not_cancelled_although_it_was_withdrawn_at_once() -> None:
    house = a_house()
    house.venue.lose_accept, house.venue.hide_blocks = "after", True
    accepted(house)
    go(house, 25)
    assert house.blocks.locked(1)
    house.venue.hide_blocks = False
    go(house, 20)
    assert house.books_agree()


def test_a_block_of_which_one_leg_is_booked_is_not_believed_away_at_once_whatever_the_venue_says() -> None:
    house = a_house()
    house.venue.short = True
    accepted(house)
    house.venue.blocks.clear()
    house.venue.end("r1", RFQStatus.ACTIVE)
    go(house, 20)
    assert house.venue.statuses == [RFQStatus.CANCELLED]
    assert [leg.opened for leg in house.trade.legs] == [1, 0]
    assert house.blocks.locked(1)


def test_one_answer_after_a_long_silence_is_not_enough() -> None:
    house = a_house()
    house.venue.lose_accept, house.venue.find_fails = "before", 1
    accepted(house)
    house.look()
    house.clock.advance(timedelta(hours=1))
    house.look()
    house.look()
    assert house.blocks.locked(1)
    go(house, 30)
    assert not house.blocks.locked(1)


def test_a_request_that_stays_open_or_says_filled_is_no_evidence_that_nothing_traded() -> None:
    house = a_house()
    house.venue.lose_accept, house.venue.cancel_fails = "before", 10**6
    accepted(house)
    go(house, 1800)
    assert house.blocks.locked(1)
    house.venue.end("r1", RFQStatus.FILLED)
    go(house, 1800)
    assert house.blocks.locked(1)
    assert any("filled" in alert.message for alert in house.alerts.about("block unknown 1"))


def test_a_block_that_the_venue_lists_late_is_booked_when_it_shows() -> None:
    house = a_house()
    house.venue.lose_accept, house.venue.hide_blocks = "after", True
    accepted(house)
    go(house, 120)
    assert house.blocks.locked(1)
    house.venue.hide_blocks = False
    go(house, 20)
    assert house.books_agree()
    assert house.trade.legs[0].opened == 1


def test_where_the_venue_does_not_tell_a_requests_state_its_withdrawal_is_the_evidence() -> None:
    house = a_house()
    house.venue.lose_accept, house.venue.no_status = "before", True
    accepted(house)
    go(house, 25)
    assert house.blocks.locked(1)
    go(house, 20)
    assert not house.blocks.locked(1)
    assert not house.alerts.about("block vanished")


def test_where_the_venue_tells_nothing_at_all_a_block_is_believed_away_only_late_and_with_a_call() -> None:
    house = a_house()
    house.venue.lose_accept, house.venue.no_status, house.venue.cancel_fails = "before", True, 10**6
    accepted(house)
    go(house, 500)
    assert house.blocks.locked(1)
    go(house, 200)
    assert not house.blocks.locked(1)
    assert house.alerts.about("block vanished 1")


def test_an_answer_that_says_yes_and_nothing_else_is_a_trade_whose_details_are_asked_for() -> None:
    house = a_house()
    house.venue.unreadable = True
    accepted(house)
    go(house, 120)
    assert house.blocks.locked(1)
    assert [leg.opened for leg in house.trade.legs] == [0, 0]
    house.venue.unreadable = False
    house.until(lambda: house.last.progress is not Progress.WORKING)
    assert house.last.progress is Progress.DONE
    assert house.books_agree()


@pytest.mark.parametrize(
    "error", [MalformedResponse("fake", "accept", "no json"), OrderAlreadyFinal("fake", "accept", "over"), ValueError()]
)
def test_an_answer_that_settles_nothing_is_asked_about(error: Exception) -> None:
    house = a_house()
    house.venue.refuse_accept = error  # type: ignore[assignment]
    accepted(house)
    house.look()
    assert house.journal.of(OrderLost)
    assert house.blocks.locked(1)


def test_a_refusal_frees_the_trade_at_once_and_forbids_no_other_way() -> None:
    house = a_house(makers=1)
    house.venue.refuse_accept = InsufficientMargin("fake", "accept", "margin", 10529)
    accepted(house)
    house.look()
    assert not house.blocks.locked(1)
    assert all(record.retryable and record.refused for record in house.records())


def test_a_refusal_that_cannot_be_journalled_is_booked_later() -> None:
    house = a_house(makers=1)
    house.venue.refuse_accept = InsufficientMargin("fake", "accept", "margin", 10529)
    accepted(house)
    house.journal.failing = True
    house.look()
    assert house.blocks.locked(1)
    house.journal.failing = False
    house.look()
    assert not house.blocks.locked(1)
    assert house.venue.asked["find"] == 0


def test_fills_that_cannot_be_journalled_are_booked_later_and_keep_working_meanwhile() -> None:
    house = accepted(a_house())
    house.journal.fail_on = (LegFilled,)
    house.look()
    assert [house.executor.ledger.working(1, leg) for leg in (0, 1)] == [1, 1]
    house.journal.fail_on = ()
    go(house, 5)
    assert house.books_agree()
    assert len(house.listened) == 2


def test_an_opening_accept_that_waited_too_long_for_a_worker_is_not_sent() -> None:
    house = a_house(makers=1)
    house.until(lambda: house.journal.of(BlockIntended) or _hold_near_the_end(house))
    go(house, 10)
    house.pool.release()
    go(house, 2)
    assert house.venue.accepts == []
    assert not house.blocks.locked(1)


def _hold_near_the_end(house: RFQHouse) -> bool:
    house.pool.held = house.venue.asked["quotes"] > 0
    return False


def test_a_closing_accept_that_waited_for_a_worker_is_not_sent_either() -> None:
    house = a_house(makers=1, close=True)
    house.venue.makers = [Maker(("99.5", "100"))]
    house.until(lambda: house.journal.of(BlockIntended) or _hold_near_the_end(house))
    go(house, 10)
    house.pool.release()
    go(house, 2)
    assert house.venue.accepts == []
    assert not house.trade.flat
