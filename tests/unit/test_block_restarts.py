"""A block after a death, a block that is not what was agreed, and how long a withdrawal is remembered."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from domain import Fill, RFQParams, Severity, Side
from errors import JournalError
from events import BlockIntended, ExecutionStarted, LegFilled, OrderIntended, OrderRefused
from execution import Progress

from tests.unit.block_stories import CALL, a_house, accepted
from tests.unit.rfq_house import RFQHouse
from tests.unit.rfq_stories import go

# ---- restarts


@pytest.mark.parametrize("traded", [True, False])
def test_a_restart_finds_the_request_of_a_block_in_the_journal_and_asks_for_it(traded: bool) -> None:
    house = a_house()
    house.venue.lose_accept = "after" if traded else "before"
    house = accepted(house).restart()
    assert house.blocks.locked(1)
    house.until(lambda: house.last.progress is not Progress.WORKING)
    assert house.last.progress is (Progress.DONE if traded else Progress.EXHAUSTED)
    assert house.books_agree()
    assert len(house.venue.accepts) == 1
    assert house.alerts.about("block unknown 1")


def test_a_death_between_the_two_writes_means_that_nothing_was_sent() -> None:
    house = a_house()
    house.journal.fail_on = (OrderIntended,)
    with pytest.raises(JournalError):
        accepted(house)
    house.journal.fail_on = ()
    house = house.restart()
    assert not house.blocks.locked(1)
    house.until(lambda: house.last.progress is not Progress.WORKING)
    assert house.last.progress is Progress.DONE
    assert house.venue.accepts == ["r1-q2"]  # names are used again, and lead to the later accept
    assert house.books_agree()


def test_names_that_were_intended_twice_lead_to_the_later_accept() -> None:
    house = a_house()
    house.journal.fail_on = (OrderIntended,)
    with pytest.raises(JournalError):
        accepted(house)
    house.journal.fail_on = ()
    house.venue.lose_accept = "after"
    house = accepted(house).restart()
    house.until(lambda: house.last.progress is not Progress.WORKING)
    assert house.last.progress is Progress.DONE
    assert house.books_agree()


def test_a_name_that_two_accepts_of_a_run_bear_belongs_to_the_later() -> None:
    house = a_house()
    house.venue.lose_accept = "after"
    accepted(house)
    first = next(i for i, event in enumerate(house.journal.events) if isinstance(event, BlockIntended))
    intended = house.journal.events[first]
    assert isinstance(intended, BlockIntended)
    house.journal.events.insert(first, msgspec.structs.replace(intended, request_id="r0"))
    house = house.restart()
    house.until(lambda: house.last.progress is not Progress.WORKING)
    assert house.last.progress is Progress.DONE


def test_a_death_between_the_fills_of_two_legs_books_the_other_one() -> None:
    house = accepted(a_house())
    house.tick(2)
    kept = next(i for i, event in enumerate(house.journal.events) if isinstance(event, LegFilled)) + 1
    del house.journal.events[kept:]
    house = house.restart()
    assert [leg.opened for leg in house.trade.legs] == [1, 0]
    house.until(lambda: house.last.progress is not Progress.WORKING)
    assert house.last.progress is Progress.DONE
    assert len(house.journal.of(LegFilled)) == 2
    assert house.books_agree()


def an_unexplained(house: RFQHouse) -> RFQHouse:
    """Die with an accept on its way, and lose from the journal what it was for."""
    accepted(house)
    house.journal.events = [event for event in house.journal.events if not isinstance(event, BlockIntended)]
    return house.restart()


def test_a_block_order_that_no_accept_explains_stays_out_while_a_person_is_called() -> None:
    house = an_unexplained(a_house())
    go(house, 590)
    assert house.blocks.locked(1)
    alert = house.alerts.about("block unknown 1")[0]
    assert alert.severity is Severity.CRITICAL
    assert "no accept" in alert.message
    assert "block trades page" in alert.hint
    assert house.journal.of(ExecutionStarted)


def test_a_block_order_that_no_accept_explains_is_given_up_in_the_end_so_that_its_trade_can_be_closed_or_written_off() -> None:
    house = an_unexplained(a_house())
    house.journal.fail_on = (OrderRefused,)
    go(house, 610)
    assert house.blocks.locked(1)
    house.journal.fail_on = ()
    go(house, 2)
    assert not house.blocks.locked(1)
    assert all(record.refused and record.retryable for record in house.records())
    alert = house.alerts.about("block vanished 1")[0]
    assert alert.severity is Severity.CRITICAL
    assert "block trades page" in alert.hint


# ---- what does not fit


def test_a_block_that_shows_less_than_was_agreed_is_booked_as_far_as_it_goes_and_stays_unresolved() -> None:
    house = a_house()
    house.venue.short = True
    accepted(house)
    go(house, 60)
    assert [leg.opened for leg in house.trade.legs] == [1, 0]
    assert house.blocks.locked(1)
    assert house.alerts.about("block mismatch 1")
    house.venue.short = False
    go(house, 20)
    assert not house.blocks.locked(1)
    assert house.books_agree()


def test_a_fill_that_belongs_to_no_leg_calls_a_person_and_is_not_booked() -> None:
    house = accepted(a_house())
    block = house.venue.blocks["r1"]
    assert block.fills is not None
    stray = Fill(id="z", order_id="z", symbol="X", side=Side.BUY, qty=Decimal(1), price=Decimal(1), fee=Decimal(0), at=house.clock.now())
    accept = next(iter(house.blocks._accepts.values()))
    house.blocks._answered(accept, replace(block, fills=(*block.fills, stray)))
    assert "belongs to no order" in house.alerts.about("block mismatch 1")[0].message
    assert len(house.listened) == 2


def test_a_price_that_was_not_agreed_is_booked_as_it_is_and_calls_a_person() -> None:
    house = accepted(a_house())
    block = house.venue.blocks["r1"]
    assert block.fills is not None
    accept = next(iter(house.blocks._accepts.values()))
    house.blocks._answered(accept, replace(block, fills=tuple(replace(f, price=f.price + 1) for f in block.fills)))
    assert house.alerts.about("block mismatch 1")
    assert house.trade.legs[0].open_value == Decimal("101.5")


def test_withdrawals_are_forgotten_in_the_end() -> None:
    house = RFQHouse(CALL, rfq=RFQParams(timeout_seconds=7))
    house.until(lambda: house.last.progress is not Progress.WORKING)
    assert house.blocks.withdrawing("r1")
    house.clock.advance(timedelta(hours=3))
    house.look()
    assert not house.blocks.withdrawing("r1")


def test_a_withdrawal_that_is_never_confirmed_is_forgotten_when_its_request_must_be_over() -> None:
    house = RFQHouse(CALL, rfq=RFQParams(timeout_seconds=7))
    house.venue.cancel_fails = 10**6
    house.until(lambda: house.last.progress is not Progress.WORKING)
    go(house, 600)
    assert house.blocks.withdrawing("r1")
    house.clock.advance(timedelta(hours=2))
    house.look()
    assert not house.blocks.withdrawing("r1")
