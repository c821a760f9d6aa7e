"""Trades from their creation until they are flat, on a venue that misbehaves."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from domain import ExecutionParams, LeggingPolicy, Purpose, Remedy, Verdict, unknown_account
from errors import ExchangeUnavailable, InsufficientMargin, InvalidTransition, InvariantBroken
from events import ExecutionStarted, LeggingBreached, OrderIntended, UnwindStarted
from trade_lifecycle import TradeState

from tests.fakes import EXPIRY, START, House, a_name, a_plan, an_option, books_hold, venue_holds
from tests.unit.lifecycle_stories import PAIR, PUT, QUICK, a_house, settle_down, states

S = TradeState


HOUR = timedelta(hours=1)


@pytest.fixture
def house() -> House:
    return a_house()


def test_a_trade_opens_is_held_and_closes(house: House) -> None:
    assert house.opened(*PAIR).state is S.OPEN
    house.manager.force_close(1, "a person")
    settle_down(house)
    assert house.trade().state is S.CLOSED
    assert venue_holds(house.venue) == {}
    assert [trade.number for trade in house.closed] == [1]


def test_an_exit_condition_that_is_met_closes_the_trade(house: House) -> None:
    house.opened()
    house.manager.bind("test", [lambda account, trade: Verdict(ok=True, reason="enough")])
    settle_down(house)
    assert house.trade().state is S.CLOSED
    assert "enough" in house.trade().reason


def test_entries_wait_until_the_account_was_read(house: House) -> None:
    assert not house.manager.entries_allowed
    house.tick(account=unknown_account(START, "unreachable"))
    assert not house.manager.entries_allowed
    house.tick()
    assert house.manager.entries_allowed


def test_l28_after_a_restart_entries_wait_until_every_lost_order_is_known(house: House) -> None:
    house.create()
    house.tick(2)
    again = house.restart()
    house.venue.reads_fail = True
    again.tick(5)
    assert "outcome is not known" in again.manager.entries_allowed.reason
    house.venue.reads_fail = False
    again.tick(20)
    assert again.manager.entries_allowed


def test_a_blocked_entry_is_allowed_again_once_lifted(house: House) -> None:
    house.tick()
    house.manager.block_entries("person", "holiday")
    assert house.manager.entries_allowed == Verdict(ok=False, reason="holiday")
    house.manager.lift_block("person")
    assert house.manager.entries_allowed


def test_l28_a_trade_decided_on_before_a_crash_and_not_begun_is_given_up(house: House) -> None:
    house.create()
    again = house.restart()
    again.tick(3)
    assert states(again) == [S.FAILED]
    assert house.venue.received == []
    assert [trade.number for trade in again.closed] == [1]


def test_l28_an_opening_resumed_hours_later_is_given_up_and_not_chased(house: House) -> None:
    house.create()
    house.tick(2)
    again = house.restart()
    house.clock.advance(10 * HOUR)
    again.tick(10)
    assert states(again) == [S.FAILED]
    assert len(house.venue.received) == 1


def without_margin(house: House) -> None:
    """Let the second leg of a pair fill and refuse the first one, again and again, until it is given back."""
    while not house.journal.of(UnwindStarted):
        house.venue.refuse = InsufficientMargin("fake", "create", "no margin", 1)
        house.tick()
        if a_name(1) in house.venue.orders:
            house.venue.execute(a_name(1))
    house.venue.refuse = None


def test_l12_a_partner_that_cannot_be_had_unwinds_the_filled_leg(house: House) -> None:
    house.create(*PAIR)
    without_margin(house)
    settle_down(house)
    assert len(house.journal.of(UnwindStarted)) == 1
    assert states(house) == [S.FAILED]
    assert venue_holds(house.venue) == {}
    remedies = [event.remedy for event in house.journal.of(LeggingBreached) if isinstance(event, LeggingBreached)]
    assert remedies == [Remedy.CROSS, Remedy.UNWIND]
    assert house.alerts.about("half filled test#1")


def test_l12_a_partner_that_ran_away_is_taken_across_the_spread_before_anything_is_given_back(house: House) -> None:
    house.create(*PAIR, params=QUICK)
    house.tick()
    house.venue.execute(a_name(0))
    house.show(PUT, bid="96", ask="104")  # 4 % past mid: beyond the last round of a patient chase, within the cap of the remedy
    house.tick(20)
    assert states(house) == [S.OPEN]
    assert house.trade().complete
    assert house.alerts.about("half filled test#1")
    crossing = [event for event in house.journal.of(ExecutionStarted) if isinstance(event, ExecutionStarted) and event.remedy]
    assert [(event.remedy, event.urgent) for event in crossing] == [(Remedy.CROSS, True)]


def test_l12_an_unwinding_does_not_wait_for_a_price(house: House) -> None:
    house.create(*PAIR)
    without_margin(house)
    house.show(PUT, bid="50", ask="150")
    settle_down(house)
    assert states(house) == [S.FAILED]
    assert house.trade().urgent
    assert house.venue.received[-1].price == 150


def test_a_part_is_kept_where_the_strategy_says_so(house: House) -> None:
    house.create(
        *PAIR, params=ExecutionParams(fill_timeout_seconds=5, max_requote_rounds=1, legging=LeggingPolicy(remedies=(Remedy.HOLD,)))
    )
    house.tick()
    house.venue.execute(a_name(0))
    house.tick(20)
    assert states(house) == [S.OPEN]
    assert books_hold(house.manager.trades) == venue_holds(house.venue) != {}


def test_nothing_filled_fails_flat(house: House) -> None:
    house.show(bid="50", ask="150")
    house.create(params=QUICK)
    house.tick(30)
    assert states(house) == [S.FAILED]
    assert house.venue.cancels


def test_an_unreachable_venue_is_tried_until_the_rounds_are_over(house: House) -> None:
    house.venue.writes_fail = True
    house.create(params=QUICK)
    house.tick(15)
    assert states(house) == [S.FAILED]
    assert 1 < len(house.journal.of(OrderIntended)) < 6


def test_l17_one_leg_without_a_price_does_not_keep_the_other_open(house: House) -> None:
    house.opened(*PAIR)
    del house.venue.quotes[PUT.symbol]
    house.manager.force_close(1, "a person")
    settle_down(house)
    assert list(venue_holds(house.venue)) == [PUT.symbol]
    assert states(house) == [S.CLOSING]


def test_l50_a_close_is_done_only_when_its_fills_say_so(house: House) -> None:
    house.opened()
    house.manager.force_close(1, "kill switch")
    house.tick(20)
    assert states(house) == [S.CLOSING]
    assert house.trade().active
    settle_down(house)
    assert states(house) == [S.CLOSED]


def test_a_person_can_take_back_a_trade_that_has_not_begun(house: House) -> None:
    house.create()
    house.manager.cancel(1, "changed my mind")
    house.tick(2)
    assert states(house) == [S.FAILED]
    with pytest.raises(InvalidTransition):
        house.manager.force_close(1, "again")
    with pytest.raises(KeyError):
        house.manager.force_close(9, "who")


def test_a_person_can_take_back_an_opening(house: House) -> None:
    house.create()
    house.tick(2)
    house.manager.cancel(1, "changed my mind")
    house.tick(6)
    assert states(house) == [S.FAILED]


def test_a_half_open_trade_that_is_closed_gives_back_what_it_has(house: House) -> None:
    house.create()
    house.tick(2)
    house.venue.execute(a_name(), "0.4")
    house.manager.force_close(1, "a person")
    settle_down(house)
    assert states(house) == [S.CLOSED]
    assert venue_holds(house.venue) == {}


def test_l30_a_position_closed_by_hand_waits_for_a_person_and_never_loops(house: House) -> None:
    house.opened()
    house.venue.held.clear()
    house.tick(40)
    assert states(house) == [S.QUARANTINED]
    assert house.alerts.about("quarantine test#1")
    assert len(house.venue.received) == 1
    house.manager.write_off(1, "closed by hand")
    house.tick()
    assert states(house) == [S.CLOSED]


def test_l02_a_close_that_finds_nothing_at_the_venue_waits_for_a_person(house: House) -> None:
    house.opened()
    house.venue.held.clear()
    house.manager.force_close(1, "a person")
    house.tick(60)
    assert states(house) == [S.QUARANTINED]
    assert len(house.journal.of(OrderIntended)) <= 2


def test_a_released_trade_is_watched_again(house: House) -> None:
    house.opened()
    house.venue.held.clear()
    house.tick(40)
    house.venue.held[an_option().symbol] = Decimal(-1)
    house.manager.manage(1, "found it")
    house.tick(5)
    assert states(house) == [S.OPEN]


def test_nothing_is_written_off_while_an_order_is_out(house: House) -> None:
    house.create()
    house.tick(2)
    with pytest.raises(InvariantBroken, match="order out"):
        house.manager.write_off(1, "too early")


def test_a_quarantined_trade_takes_back_its_orders_and_books_their_fills(house: House) -> None:
    house.create(*PAIR)
    house.tick(2)
    house.manager._quarantine(house.trade(), "odd")
    house.venue.fill_in_cancel = Decimal("0.3")
    house.tick(6)
    assert house.executor.ledger.live() == ()
    assert books_hold(house.manager.trades) == venue_holds(house.venue) != {}
    assert states(house) == [S.QUARANTINED]


def test_l01_a_fill_that_gives_back_more_than_was_had_waits_for_a_person(house: House) -> None:
    house.opened()
    house.manager.force_close(1, "a person")
    house.tick(2)
    name = a_name(purpose=Purpose.CLOSE)
    house.venue.execute(name)
    house.venue.rows[-1] = replace(house.venue.rows[-1], qty=Decimal("1.5"))
    house.tick(4)
    assert states(house) == [S.QUARANTINED]
    assert "cannot explain" in house.trade().reason


def test_l33_an_expired_trade_is_settled_and_closed(house: House) -> None:
    house.opened(*PAIR)
    house.clock.move_to(EXPIRY)
    house.venue.settle("71000", fee="2")
    house.tick(3)
    assert states(house) == [S.CLOSED]
    assert house.trade().gross_profit == house.trade().legs[0].open_value + house.trade().legs[1].open_value - 1000
    assert house.trade().fees == Decimal("1.0") + 4


def test_l33_expiry_can_overtake_a_close(house: House) -> None:
    house.opened()
    house.manager.force_close(1, "a person")
    house.tick(2)
    house.clock.move_to(EXPIRY)
    house.venue.settle("60000")
    house.tick(20)
    assert states(house) == [S.CLOSED]
    assert house.trade().legs[0].settled == 1


def test_l33_a_leg_is_not_settled_before_the_fills_of_its_orders_are_booked(house: House) -> None:
    house.opened()
    house.opened()
    house.manager.force_close(1, "a person")
    house.tick(2)
    house.venue.lag_trades()
    house.venue.execute(a_name(purpose=Purpose.CLOSE), "0.4")
    house.tick()
    house.clock.move_to(EXPIRY)
    house.venue.settle("60000")
    house.tick(4)
    house.venue.lag_trades(on=False)
    house.tick(30)
    assert states(house) == [S.CLOSED, S.CLOSED]
    assert house.trade().legs[0].settled == Decimal("0.6")


def test_l13_a_failed_close_stays_active(house: House) -> None:
    house.opened()
    house.venue.writes_fail = True
    house.manager.force_close(1, "a person")
    house.tick(100)
    assert [trade.number for trade in house.manager.active_trades_for_strategy("test")] == [1]
    house.venue.writes_fail = False
    house.tick(70)
    settle_down(house)
    assert states(house) == [S.CLOSED]


def test_l09_one_close_at_a_time_whatever_the_reasons(house: House) -> None:
    house.opened()
    house.manager.force_close(1, "target")
    house.tick(2)
    house.manager.force_close(1, "stop")
    house.tick(2)
    assert len(house.executor.live_orders(1)) == 1
    assert house.trade().reason == "target; stop"


def test_a_refused_close_is_tried_again(house: House) -> None:
    house.opened()
    house.venue.refuse = InsufficientMargin("v", "create", "no")
    house.manager.force_close(1, "a person")
    house.tick(4)
    house.venue.refuse = ExchangeUnavailable("v", "create", "down")
    settle_down(house)
    assert states(house) == [S.CLOSED]


def test_l16_what_is_less_than_a_lot_is_never_sent_and_the_rest_given_back(house: House) -> None:
    house.create(a_plan(qty="0.015"))
    house.tick(3)
    assert house.venue.received[0].qty == Decimal("0.01")
    settle_down(house)
    assert states(house) == [S.FAILED]
