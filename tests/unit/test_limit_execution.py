"""One look at a leg: what to place, what to take back, what to wait for, and how far across the spread."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from domain import ExecutionParams, LeggingPolicy, OrderStatus, Purpose, Remedy, Side, Verdict
from events import ExecutionEnded
from execution import Progress
from leg_orders import Cancel, Place, crossing_price
from limit_execution import BRISK, limit_price
from order_ledger import OrderRecord
from trade_lifecycle import TradeState

from tests.fakes import EXPIRY, START, House, a_name, a_plan, a_quote, a_trade, an_option
from tests.unit.limit_looks import HELD, LEG, PARAMS, Stepper, a_record, placed, seen

CLOSE = a_record(Purpose.CLOSE, side=Side.BUY)


def test_the_first_order_is_for_all_that_is_missing_at_mid() -> None:
    assert placed(seen()) == Place(leg=0, side=Side.SELL, qty=Decimal(1), price=Decimal(100))


def test_a_full_leg_is_done() -> None:
    assert seen(leg=HELD).progress is Progress.DONE


def test_l08_a_replacement_is_for_what_is_missing_after_all_fills() -> None:
    gone = replace(a_record(), settled=True, status=OrderStatus.CANCELED, cancel_wanted=True)
    assert placed(seen(gone, leg=replace(LEG, opened=Decimal("0.4")), turn=1)).qty == Decimal("0.6")


def test_l18_prices_move_only_towards_the_market() -> None:
    prices = [limit_price(a_quote(), Side.SELL, Purpose.OPEN, turn, PARAMS) for turn in range(4)]
    assert prices == [100, 99, 98, 98]
    prices = [limit_price(a_quote(), Side.BUY, Purpose.CLOSE, turn, PARAMS) for turn in range(3)]
    assert prices == [100, 101, 102]


def test_the_last_round_of_a_close_reaches_the_market_however_wide_it_is() -> None:
    wide = a_quote(bid="50", ask="150")
    assert limit_price(wide, Side.BUY, Purpose.CLOSE, 2, PARAMS) == 150
    assert limit_price(wide, Side.BUY, Purpose.OPEN, 2, PARAMS) == 102


def test_a_single_round_goes_to_the_full_buffer_at_once() -> None:
    assert limit_price(a_quote(), Side.BUY, Purpose.OPEN, 0, ExecutionParams(max_requote_rounds=1)) == 102


@pytest.mark.parametrize(("bid", "ask", "mark", "price"), [(None, "101", "100", 100), (None, "101", None, 101), ("99", None, None, 99)])
def test_l17_a_close_prices_from_what_there_is(bid: str | None, ask: str | None, mark: str | None, price: int) -> None:
    assert limit_price(a_quote(bid=bid, ask=ask, mark=mark), Side.BUY, Purpose.CLOSE, 0, PARAMS) == price


def test_l40_without_any_price_there_is_no_order() -> None:
    nothing = a_quote(bid=None, ask=None, mark=None)
    assert seen(leg=HELD, purpose=Purpose.CLOSE, quote=nothing).action is None
    assert seen(quote=a_quote(bid=None)).reason == "no two-sided quote"
    assert seen(blind=True).reason == "no fresh quote"


def test_l18_an_order_stands_until_its_time_is_up() -> None:
    assert seen(a_record(), seconds=29, turn=0).action is None
    assert seen(a_record(), seconds=31, turn=1).action == Cancel(client_id=a_name(), why="requote 100 to 99.0")


def test_l18_an_order_is_not_replaced_at_its_own_price() -> None:
    assert seen(a_record(price="99"), seconds=31, turn=1).action is None
    assert seen(a_record(), seconds=31, turn=1, blind=True).action is None
    assert seen(a_record(), seconds=31, turn=1, quote=a_quote(bid=None)).action is None


@pytest.mark.parametrize("change", [{"cancel_wanted": True}, {"lost": True}, {"order_id": None}, {"status": OrderStatus.CANCELED}])
def test_l04_nothing_is_added_while_the_end_of_an_order_is_not_known(change: dict[str, object]) -> None:
    waiting = seen(replace(a_record(), **change), seconds=300, turn=9)  # type: ignore[arg-type]
    assert (waiting.progress, waiting.action) == (Progress.WORKING, None)


def test_an_opening_is_given_up_after_its_rounds() -> None:
    assert isinstance(seen(a_record(), seconds=91, turn=3).action, Cancel)
    gone = replace(a_record(), settled=True, status=OrderStatus.CANCELED, cancel_wanted=True)
    assert seen(gone, seconds=91, turn=3).progress is Progress.EXHAUSTED


def test_a_close_is_never_given_up() -> None:
    assert placed(seen(leg=HELD, purpose=Purpose.CLOSE, seconds=9999, turn=300)).side is Side.BUY


def test_l02_a_close_is_bounded_by_what_the_venue_shows() -> None:
    assert placed(seen(leg=HELD, purpose=Purpose.CLOSE, clamp="0.4")).qty == Decimal("0.4")
    assert placed(seen(leg=HELD, purpose=Purpose.CLOSE, clamp="5")).qty == 1
    assert isinstance(seen(CLOSE, leg=HELD, purpose=Purpose.CLOSE, clamp="0.4").action, Cancel)


def test_l02_a_close_of_which_a_part_is_reported_is_not_too_large() -> None:
    part = replace(CLOSE, reported=Decimal("0.6"))
    assert seen(part, leg=HELD, purpose=Purpose.CLOSE, clamp="0.4").action is None


def test_l01_a_leg_that_gave_back_too_much_is_not_closed_further() -> None:
    assert seen(leg=replace(HELD, closed=Decimal("1.2")), purpose=Purpose.CLOSE).action is None


def test_l61_a_close_is_for_all_that_is_held_and_not_for_the_first_part() -> None:
    assert placed(seen(leg=replace(LEG, opened=Decimal("0.7")), purpose=Purpose.CLOSE)).qty == Decimal("0.7")


def test_l16_dust_is_told_and_not_sent() -> None:
    dust = seen(leg=replace(LEG, opened=Decimal("0.005")), purpose=Purpose.CLOSE)
    assert dust.progress is Progress.EXHAUSTED
    assert "less than one lot" in dust.reason


def test_an_expired_option_is_not_opened_and_its_close_waits_for_settlement() -> None:
    late = (EXPIRY - START).total_seconds()
    assert seen(seconds=late).progress is Progress.EXHAUSTED
    assert seen(leg=HELD, purpose=Purpose.CLOSE, seconds=late).reason == "waiting for settlement"


def refused(*, retryable: bool, attempt: int = 1, purpose: Purpose = Purpose.OPEN) -> OrderRecord:
    return replace(a_record(purpose, attempt), refused="no", retryable=retryable, order_id=None)


def test_an_opening_that_is_refused_for_good_is_given_up() -> None:
    assert seen(refused(retryable=False)).reason == "no"
    invalid = replace(a_record(), settled=True, status=OrderStatus.INVALID)
    assert seen(invalid).progress is Progress.EXHAUSTED


def test_an_opening_that_never_arrived_is_tried_again_later_until_its_rounds_are_over() -> None:
    assert seen(refused(retryable=True)).action is None
    assert placed(seen(refused(retryable=True), seconds=1)).qty == 1
    twice = [refused(retryable=True), refused(retryable=True, attempt=2)]
    assert seen(*twice, seconds=1).action is None
    assert placed(seen(*twice, seconds=2)).qty == 1
    assert seen(*twice, seconds=91, turn=3).progress is Progress.EXHAUSTED


def test_a_close_that_is_refused_is_tried_again_ever_more_slowly() -> None:
    many = [CLOSE, *[refused(retryable=False, attempt=n, purpose=Purpose.CLOSE) for n in range(2, 12)]]
    many[0] = replace(CLOSE, settled=True, status=OrderStatus.CANCELED, cancel_wanted=True)
    assert seen(*many, leg=HELD, purpose=Purpose.CLOSE, seconds=59).action is None
    assert placed(seen(*many, leg=HELD, purpose=Purpose.CLOSE, seconds=60)).qty == 1


def test_an_order_that_the_venue_took_back_is_replaced_only_after_its_time() -> None:
    taken = replace(a_record(), settled=True, status=OrderStatus.CANCELED)
    assert "cancelled by the venue" in seen(taken, seconds=5).reason
    assert placed(seen(taken, seconds=31)).qty == 1
    full = replace(a_record(), settled=True, status=OrderStatus.FILLED)
    assert placed(seen(full, leg=replace(LEG, opened=Decimal("0.5")))).qty == Decimal("0.5")


def test_l02_the_breaker_slows_a_close_that_went_out_too_often() -> None:
    many = [replace(CLOSE, settled=True, status=OrderStatus.CANCELED, sent_at=START) for _ in range(25)]
    assert seen(*many, leg=HELD, purpose=Purpose.CLOSE, seconds=45).tripped
    assert seen(*many, leg=HELD, purpose=Purpose.CLOSE, seconds=45).action is None
    assert seen(*many, leg=HELD, purpose=Purpose.CLOSE, seconds=60).action is not None


def test_l17_a_leg_without_a_price_does_not_hold_up_its_partner() -> None:
    house = House()
    house.show(an_option(80000))
    house.create(a_plan(), a_plan(an_option(80000)), params=ExecutionParams(legging=LeggingPolicy(require_executable=False)))
    house.tick()
    [order] = house.venue.received
    assert order.client_id == a_name(1)


# ---- across the spread


@pytest.mark.parametrize(
    ("bid", "ask", "mark", "side", "price"),
    [
        ("99", "101", "100", Side.BUY, "101"),  # the touch, as far as the cap reaches
        ("99", "101", "100", Side.SELL, "99"),
        ("50", "150", "100", Side.BUY, "105"),  # a touch beyond the cap is not paid
        ("50", "150", "100", Side.SELL, "95"),
        ("99.7", "100.3", "100", Side.BUY, "100.5"),  # off the tick: over the touch, never short of it
        (None, "101", "100", Side.BUY, "101"),  # mark where there is no middle
        ("99", None, "100", Side.BUY, "105"),  # nobody sells: stand at the cap
        ("0", "4", "2", Side.SELL, "2"),  # a bid of zero is a price, and is beyond the cap
    ],
)
def test_l17_crossing_takes_the_touch_up_to_the_cap(bid: str | None, ask: str | None, mark: str, side: Side, price: str) -> None:
    assert crossing_price(a_quote(bid=bid, ask=ask, mark=mark), None, side, Decimal(1), 5) == Decimal(price)


def test_l40_without_middle_and_mark_nothing_is_crossed() -> None:
    assert crossing_price(a_quote(bid=None, mark=None), None, Side.BUY, Decimal(1), 5) is None
    assert seen(quote=a_quote(bid=None, mark=None), cap_pct=5).action is None


def test_missing_legs_are_taken_at_the_touch_and_never_beyond_the_cap() -> None:
    assert placed(seen(cap_pct=5)).price == 99
    assert placed(seen(cap_pct=5, quote=a_quote(bid="50", ask="150"))).price == 95


def test_a_crossing_order_follows_the_touch_every_five_seconds() -> None:
    moved = a_quote(bid="97", ask="101")
    assert seen(a_record(price="99"), seconds=4.9, cap_pct=5, quote=moved).action is None
    assert seen(a_record(price="99"), seconds=5, cap_pct=5, quote=moved).action == Cancel(client_id=a_name(), why="requote 99 to 97.0")


def test_crossing_is_given_up_once_the_remedy_has_had_its_time() -> None:
    over = seen(seconds=31, turn=1, cap_pct=5)
    assert (over.progress, over.reason) == (Progress.EXHAUSTED, "not filled across the spread in 30 s")


def test_a_crossing_remedy_is_stepped_across_the_spread_from_its_first_order() -> None:
    stepper = Stepper(Purpose.OPEN, urgent=True, remedy=Remedy.CROSS)
    stepper.execution.step(stepper.scene(a_trade(params=PARAMS), {an_option().symbol: a_quote()}))
    [order] = stepper.house.venue.received
    assert (order.price, order.qty) == (Decimal(99), Decimal(1))


def test_a_crossing_remedy_takes_only_what_it_set_out_to_take() -> None:
    stepper = Stepper(Purpose.OPEN, urgent=True, remedy=Remedy.CROSS, wanted="0.4")
    stepper.execution.step(stepper.scene(a_trade(params=PARAMS), {an_option().symbol: a_quote()}))
    assert [order.qty for order in stepper.house.venue.received] == [Decimal("0.4")]


# ---- urgent


def test_an_urgent_close_begins_at_the_touch() -> None:
    wide = a_quote(bid="50", ask="150")
    assert placed(seen(leg=HELD, purpose=Purpose.CLOSE, brisk=True, quote=wide)).price == 150
    assert placed(seen(leg=HELD, purpose=Purpose.CLOSE, quote=wide)).price == 100


def test_an_urgent_close_is_looked_at_every_five_seconds() -> None:
    wide = a_quote(bid="50", ask="150")
    assert timedelta(seconds=5) == BRISK
    assert seen(CLOSE, leg=HELD, purpose=Purpose.CLOSE, brisk=True, quote=wide, seconds=4.9).action is None
    assert isinstance(seen(CLOSE, leg=HELD, purpose=Purpose.CLOSE, brisk=True, quote=wide, seconds=5).action, Cancel)
    assert seen(CLOSE, leg=HELD, purpose=Purpose.CLOSE, quote=wide, seconds=5).action is None


def an_open_trade_with_exit(*, urgent: bool) -> House:
    house = House()
    house.show(bid="50", ask="150")
    house.opened(params=PARAMS)
    house.manager.bind("test", [lambda account, trade: Verdict(True, "enough", urgent=urgent)])
    house.tick(3)
    return house


def test_an_urgent_exit_closes_at_the_touch_at_once_and_a_patient_one_at_mid() -> None:
    hurried, patient = an_open_trade_with_exit(urgent=True), an_open_trade_with_exit(urgent=False)
    assert (hurried.venue.received[-1].price, hurried.venue.received[-1].reduce_only) == (Decimal(150), True)
    assert (patient.venue.received[-1].price, patient.venue.received[-1].reduce_only) == (Decimal(100), True)
    hurried.tick(5)
    assert hurried.trade().state is TradeState.CLOSED
    assert patient.trade().state is TradeState.CLOSING


def test_a_patient_close_that_becomes_urgent_begins_anew_at_the_touch() -> None:
    house = an_open_trade_with_exit(urgent=False)
    house.manager.bind("test", [lambda account, trade: Verdict(True, "stop", urgent=True)])
    house.tick(8)
    assert house.trade().state is TradeState.CLOSED
    assert "it has become urgent" in [event.reason for event in house.journal.of(ExecutionEnded)]  # type: ignore[union-attr]
