"""Half filled structures: when a remedy is due, which one, that it is begun once, and that no restart forgets it."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from domain import ExecutionMode, Purpose, Remedy, Side
from errors import InsufficientMargin
from events import (
    ExecutionEnded,
    ExecutionStarted,
    LegFilled,
    LeggingBreached,
    LegsApart,
    LegsTogether,
    OrderIntended,
    PartKept,
    UnwindStarted,
)
from trade_lifecycle import TradeState

from tests.fakes import House, a_name, a_quote, books_hold, venue_holds
from tests.unit.guard_stories import (
    CALL,
    PUT,
    STRANGLE,
    VERTICAL,
    Told,
    a_house,
    a_policy,
    half_filled,
    of,
    params_of,
    remedies,
    runs,
    tick_until,
)

S = TradeState
R = Remedy
CLOSE, OPEN = Purpose.CLOSE, Purpose.OPEN


# ---- each remedy


def test_l12_crossing_takes_the_missing_leg_within_its_cap() -> None:
    house = half_filled(a_policy(R.CROSS, R.UNWIND), run_away=False)
    house.show(PUT, bid="96", ask="104")
    tick_until(house, lambda: house.trade().state is S.OPEN)
    assert house.trade().complete
    assert house.venue.received[-1].price == 96
    assert remedies(house) == [R.CROSS]
    assert house.alerts.about("half filled test#1")


def test_l12_crossing_stops_at_its_cap_and_the_next_remedy_follows() -> None:
    house = half_filled(a_policy(R.CROSS, R.UNWIND))
    tick_until(house, lambda: house.trade().state is S.FAILED)
    assert remedies(house) == [R.CROSS, R.UNWIND]
    assert min(order.price for order in house.venue.received if order.instrument == PUT) == 95
    assert venue_holds(house.venue) == {}


def test_l12_unwinding_gives_back_what_filled() -> None:
    house = half_filled(a_policy(R.UNWIND))
    tick_until(house, lambda: house.trade().state is S.FAILED)
    assert remedies(house) == [R.UNWIND]
    assert venue_holds(house.venue) == {}
    assert house.venue.executed(1, 0, Purpose.UNWIND) == 1


def test_l12_holding_keeps_the_part_and_calls_a_person() -> None:
    house = half_filled(a_policy(R.HOLD))
    tick_until(house, lambda: house.trade().state is S.OPEN)
    assert of(house, PartKept)
    assert venue_holds(house.venue) == books_hold(house.manager.trades) == {CALL.symbol: Decimal(-1)}
    assert not house.executor.live_orders(1)
    assert house.alerts.about("half filled test#1")
    assert house.alerts.about("incomplete test#1")


def test_l12_makers_are_asked_for_the_rest() -> None:
    makers = Told(ExecutionMode.RFQ)
    house = half_filled(a_policy(R.RFQ, R.UNWIND), makers)
    tick_until(house, lambda: house.trade().state is S.OPEN)
    assert house.trade().complete
    assert remedies(house) == [R.RFQ]
    assert [leg.symbol for leg in makers.begun[-1].started.legs] == [PUT.symbol]


def test_l12_makers_that_take_too_long_are_left_for_the_next_remedy() -> None:
    makers = Told(ExecutionMode.RFQ, does="wait")
    house = half_filled(a_policy(R.RFQ, R.UNWIND, remedy_seconds=6), makers)
    tick_until(house, lambda: house.trade().state is S.FAILED)
    begun = next(event for event in of(house, ExecutionStarted) if event.remedy is R.RFQ)
    assert of(house, LeggingBreached)[1].at - begun.at == timedelta(seconds=6)
    assert makers.cancelled


@pytest.mark.parametrize("others", [(), (Told(ExecutionMode.RFQ, refusal="below the minimum"),)])
def test_l12_where_makers_cannot_be_asked_the_next_remedy_does_not_wait(others: tuple[Told, ...]) -> None:
    house = half_filled(a_policy(R.RFQ, R.CROSS, R.UNWIND), *others)
    tick_until(house, lambda: len(remedies(house)) == 2)
    first, second = of(house, LeggingBreached)
    assert (first.remedy, second.remedy) == (R.RFQ, R.CROSS)
    assert second.at - first.at <= timedelta(seconds=3)  # until our own orders are back, and no longer
    assert "rfq cannot" in second.reason


def test_remedies_are_taken_in_the_order_declared() -> None:
    makers = Told(ExecutionMode.RFQ, does="give up")
    house = half_filled(a_policy(R.CROSS, R.RFQ, R.HOLD), makers)
    tick_until(house, lambda: house.trade().state is S.OPEN)
    assert remedies(house) == [R.CROSS, R.RFQ, R.HOLD]
    assert of(house, LeggingBreached)[2].reason == "rfq: no good quote"


# ---- when


def test_l12_nothing_is_done_before_its_time() -> None:
    house = half_filled(a_policy(max_seconds=10))
    apart = of(house, LegsApart)[0]
    tick_until(house, lambda: house.clock.now() >= apart.at + timedelta(seconds=9))
    assert remedies(house) == []
    assert not house.alerts.about("half filled")
    house.tick()
    breach = of(house, LeggingBreached)[0]
    assert breach.at - apart.at == timedelta(seconds=10)
    assert breach.reason == "half filled for 10 s, at most 10"


def test_the_partner_goes_out_before_the_guard_writes_that_it_is_missing() -> None:
    house = a_house()
    house.create(*VERTICAL, params=params_of(a_policy()))
    house.tick()
    house.venue.execute(a_name(1))  # the bought one, which goes first
    tick_until(house, lambda: bool(of(house, LegsApart)))
    story = [event for event in house.journal.events if isinstance(event, OrderIntended | LegFilled | LegsApart)]
    assert [type(event) for event in story] == [OrderIntended, LegFilled, OrderIntended, LegsApart]


def test_l12_a_loss_beyond_the_limit_does_not_wait_for_the_time() -> None:
    house = half_filled(a_policy(max_seconds=1000, max_loss_pct=1))
    house.tick(5)
    assert remedies(house) == []
    house.venue.show(a_quote(CALL, "740", "760", mark="752"))  # sold at 100: 652 lost of 65000, with fees
    house.tick()
    assert remedies(house) == [R.CROSS]
    assert "1.00 % of its notional" in of(house, LeggingBreached)[0].reason


def test_a_structure_that_came_together_begins_anew() -> None:
    house = half_filled(a_policy(max_seconds=10), run_away=False)
    house.venue.execute(a_name(1), "0.5")
    house.show(CALL, PUT)
    tick_until(house, lambda: bool(remedies(house)))
    assert len(of(house, LegsApart)) == 1
    together = a_house()
    together.create(*STRANGLE, params=params_of(a_policy(max_seconds=10)))
    together.tick()
    together.venue.execute(a_name(0), "0.5")
    together.tick(8)
    together.fill_all()  # the put has all, the call too
    together.tick(4)
    assert len(of(together, LegsTogether)) == 1
    assert together.trade().state is S.OPEN
    assert remedies(together) == []


def test_a_remedy_has_its_time_from_its_own_beginning() -> None:
    house = half_filled(a_policy(R.CROSS, R.UNWIND, remedy_seconds=6))
    house.venue.slow_cancel = True
    house.tick(20)
    assert remedies(house) == [R.CROSS]
    assert len(runs(house)) == 1  # its orders are not known to be gone: nothing new goes out
    house.venue.finish_cancels()
    tick_until(house, lambda: len(remedies(house)) == 2)
    crossing = next(event for event in of(house, ExecutionStarted) if event.remedy is R.CROSS)
    assert of(house, LeggingBreached)[1].at - crossing.at >= timedelta(seconds=6)


def test_l12_an_execution_that_gave_up_and_whose_orders_hang_is_still_guarded() -> None:
    house = a_house()
    house.venue.refuse = InsufficientMargin("fake", "create", "no margin", 1)  # the call: its execution gives up
    house.create(*STRANGLE, params=params_of(a_policy(max_seconds=15)))
    house.tick()
    house.venue.execute(a_name(1), "0.5")
    house.venue.slow_cancel = True
    tick_until(house, lambda: bool(of(house, LegsApart)))
    house.tick(14)
    assert remedies(house) == []
    house.tick()
    assert remedies(house) == [R.CROSS]
    assert house.alerts.about("half filled test#1")
    assert not of(house, ExecutionEnded)


def test_l12_a_structure_that_comes_apart_a_second_time_has_all_its_remedies_again() -> None:
    house = a_house()
    house.create(*STRANGLE, params=params_of(a_policy(R.CROSS, R.UNWIND)))
    house.tick()
    for part in (1, 2):
        house.venue.execute(next(order.client_id for order in house.venue.received[::-1] if order.client_id.leg == 0), "0.3")
        tick_until(house, lambda part=part: len(of(house, LegsTogether)) == part)  # type: ignore[misc]
        house.tick(2)
    assert remedies(house) == [R.CROSS, R.CROSS]
    assert house.trade().state is S.OPENING
    assert [leg.opened for leg in house.trade().legs] == [Decimal("0.6"), Decimal("0.6")]


def test_l12_what_fills_while_orders_are_taken_back_completes_the_structure() -> None:
    house = half_filled(a_policy(R.UNWIND), run_away=False)
    tick_until(house, lambda: house.clock.now() >= of(house, LegsApart)[0].at + timedelta(seconds=9))
    house.venue.fill_in_cancel = Decimal(1)
    tick_until(house, lambda: house.trade().state is not S.OPENING)
    assert remedies(house) == [R.UNWIND]
    assert (house.trade().state, house.trade().complete) == (S.OPEN, True)
    assert of(house, UnwindStarted) == []


def test_a_refused_partner_is_crossed_and_then_given_back() -> None:
    house = a_house()
    house.venue.refuse = InsufficientMargin("fake", "create", "no margin", 1)
    house.create(*STRANGLE, params=params_of(a_policy(R.CROSS, R.UNWIND)))
    house.tick()
    house.venue.execute(a_name(1))
    house.venue.show(a_quote(CALL, None, "101", mark=None))
    tick_until(house, lambda: house.trade().state is S.FAILED)
    assert remedies(house) == [R.CROSS, R.UNWIND]
    assert venue_holds(house.venue) == {}


# ---- restarts


def test_l28_a_restart_forgets_no_second_that_a_structure_has_stood_apart() -> None:
    house = half_filled(a_policy(max_seconds=30))
    apart = of(house, LegsApart)[0]
    house = house.restart()
    house.clock.advance(timedelta(seconds=20))
    house.tick(4)
    assert remedies(house) == []
    tick_until(house, lambda: bool(remedies(house)))
    assert of(house, LeggingBreached)[0].at - apart.at == timedelta(seconds=30)


def _between_decision_and_beginning(house: House) -> House:
    house.journal.fail_on = (ExecutionStarted,)
    tick_until(house, lambda: bool(remedies(house)))
    house.tick(4)
    assert of(house, ExecutionEnded)
    house.journal.fail_on = ()
    return house.restart()


def _while_orders_are_taken_back(house: House) -> House:
    house.venue.slow_cancel = True
    tick_until(house, lambda: bool(remedies(house)))
    house = house.restart()
    house.tick(3)
    house.venue.finish_cancels()
    return house


def _in_the_middle_of_the_remedy(house: House) -> House:
    tick_until(house, lambda: len(runs(house)) == 2)
    return house.restart()


MOMENTS = [_between_decision_and_beginning, _while_orders_are_taken_back, _in_the_middle_of_the_remedy]


@pytest.mark.parametrize("moment", MOMENTS)
def test_l28_a_remedy_survives_a_crash_at_any_moment_and_is_taken_once(moment: Callable[[House], House]) -> None:
    house = moment(half_filled(a_policy(R.CROSS, R.UNWIND)))
    tick_until(house, lambda: house.trade().state is S.FAILED)
    assert remedies(house) == [R.CROSS, R.UNWIND]
    assert runs(house) == [
        (OPEN, ExecutionMode.LIMIT, False, None),
        (OPEN, ExecutionMode.LIMIT, True, R.CROSS),
        (Purpose.UNWIND, ExecutionMode.LIMIT, True, None),
    ]
    assert venue_holds(house.venue) == {}


@pytest.mark.parametrize(("last", "event", "after"), [(R.UNWIND, UnwindStarted, S.FAILED), (R.HOLD, PartKept, S.OPEN)])
def test_l28_a_crash_before_the_last_remedy_is_journalled_changes_nothing(last: Remedy, event: type, after: TradeState) -> None:
    house = half_filled(a_policy(last))
    house.journal.fail_on = (event,)
    tick_until(house, lambda: bool(remedies(house)))
    house.tick(3)
    house.journal.fail_on = ()
    house = house.restart()
    tick_until(house, lambda: house.trade().state is after)
    assert remedies(house) == [last]
    assert len(house.journal.of(event)) == 1


# ---- closing


def half_closed(*, patient_for: float = 10) -> House:
    """A strangle whose call is bought back while its put cannot be had."""
    house = a_house()
    house.opened(*STRANGLE, params=params_of(a_policy(max_seconds=patient_for)))
    house.show(PUT, bid="60", ask="140")
    house.manager.force_close(1, "a person")
    tick_until(house, lambda: any(order.client_id.purpose is CLOSE for order in house.venue.received))
    house.tick()
    house.venue.execute(a_name(0, CLOSE))
    return house


def test_l12_a_close_that_stands_half_filled_becomes_urgent() -> None:
    house = half_closed()
    tick_until(house, lambda: house.trade().state is S.CLOSED)
    assert remedies(house, CLOSE) == [R.CROSS]
    assert runs(house)[-2:] == [(CLOSE, ExecutionMode.LIMIT, False, None), (CLOSE, ExecutionMode.LIMIT, True, R.CROSS)]
    assert house.venue.received[-1].price == 140
    assert house.alerts.about("half filled test#1")
    assert venue_holds(house.venue) == {}


def test_a_hurried_close_that_still_stands_half_filled_calls_a_person_and_goes_on() -> None:
    house = half_closed()
    house.venue.show(a_quote(PUT, None, None, mark=None))
    tick_until(house, lambda: bool(remedies(house, CLOSE)))
    told = len(house.alerts.about("half filled"))
    house.tick(20)
    assert remedies(house, CLOSE) == [R.CROSS]
    assert len(house.alerts.about("half filled")) > told
    house.show(PUT)
    tick_until(house, lambda: house.trade().state is S.CLOSED)


def test_l12_a_close_inherits_the_time_for_which_its_opening_stood_apart() -> None:
    house = half_filled(a_policy(max_seconds=12))
    apart = of(house, LegsApart)[0]
    house.show(CALL, bid="60", ask="140")
    tick_until(house, lambda: house.clock.now() >= apart.at + timedelta(seconds=8))
    house.manager.force_close(1, "a person")
    tick_until(house, lambda: bool(remedies(house, CLOSE)))
    assert of(house, LeggingBreached)[-1].at - apart.at <= timedelta(seconds=15)


def test_a_part_that_was_to_be_held_is_closed_as_patiently_as_a_whole() -> None:
    house = half_filled(a_policy(R.HOLD))
    tick_until(house, lambda: house.trade().state is S.OPEN)
    house.tick(30)
    house.show(CALL, bid="60", ask="140")
    house.manager.force_close(1, "a person")
    house.tick(8)
    assert remedies(house, CLOSE) == []
    assert runs(house)[-1] == (CLOSE, ExecutionMode.LIMIT, False, None)


def test_a_person_is_called_while_orders_of_a_half_filled_opening_hang() -> None:
    house = half_filled(a_policy(max_seconds=12))
    house.venue.slow_cancel = True
    house.manager.force_close(1, "a person")
    house.tick(20)
    assert house.trade().state is S.PENDING_CLOSE
    assert "not known to be gone" in house.alerts.about("half filled test#1")[-1].message


def test_cover_is_given_back_last_also_by_a_remedy() -> None:
    house = a_house()
    house.create(*VERTICAL, params=params_of(a_policy(R.UNWIND)))
    house.tick()
    house.venue.execute(a_name(1))
    house.tick(4)
    house.venue.execute(a_name(0), "0.4")
    tick_until(house, lambda: house.trade().state is S.FAILED)
    out = [order for order in house.venue.received if order.client_id.purpose is Purpose.UNWIND]
    assert [(order.side, order.qty) for order in out] == [
        (Side.BUY, Decimal("0.4")),
        (Side.SELL, Decimal("0.6")),  # what covers nothing may go at once
        (Side.SELL, Decimal("0.4")),  # what covered the sold leg goes after it
    ]
    assert venue_holds(house.venue) == {}
