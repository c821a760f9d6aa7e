"""One look at a leg: what to place, what to take back, what to wait for."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from domain import ExecutionParams, OrderStatus, Purpose, Quote, Side
from limit_execution import Cancel, LegStep, Place, Progress, Rounds, View, limit_price, look, priced, step
from order_ledger import OrderRecord
from trade_lifecycle import TradeLeg, TradeState

from tests.fakes import EXPIRY, START, House, a_name, a_plan, a_quote, a_trade, an_account, an_option, an_order

PARAMS = ExecutionParams(fill_timeout_seconds=30, aggressive_buffer_pct=2, max_requote_rounds=3)
LEG = TradeLeg(option=an_option(), side=Side.SELL, target=Decimal(1))
HELD = replace(LEG, opened=Decimal(1))


def a_record(purpose: Purpose = Purpose.OPEN, attempt: int = 1, side: Side = Side.SELL, price: str = "100") -> OrderRecord:
    return OrderRecord(
        new=an_order(a_name(purpose=purpose, attempt=attempt), side=side, price=price), sent_at=START, order_id="v1", status=OrderStatus.NEW
    )


def seen(
    *orders: OrderRecord,
    leg: TradeLeg = LEG,
    purpose: Purpose = Purpose.OPEN,
    seconds: float = 0,
    turn: int = 0,
    quote: Quote | None = None,
    blind: bool = False,
    clamp: str | None = None,
    unpriced: float = 0,
) -> LegStep:
    view = View(
        index=0,
        leg=leg,
        purpose=purpose,
        params=PARAMS,
        round=turn,
        now=START + timedelta(seconds=seconds),
        orders=orders,
        quote=None if blind else quote or a_quote(),
        clamp=None if clamp is None else Decimal(clamp),
        unpriced=timedelta(seconds=unpriced),
    )
    return look(view)


CLOSE = a_record(Purpose.CLOSE, side=Side.BUY)


def placed(result: LegStep) -> Place:
    assert isinstance(result.action, Place)
    return result.action


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
    trade = a_trade(a_plan(), a_plan(an_option(80000)))
    blind, sighted = step(trade, Purpose.OPEN, [], {an_option(80000).symbol: a_quote(an_option(80000))}, now=START, turn=0)
    assert blind.action is None
    assert placed(sighted).leg == 1


def turns_at(seconds: Sequence[float]) -> list[int]:
    rounds, trade = Rounds(), a_trade()
    return [rounds.of(trade, START + timedelta(seconds=n), priced=True).number for n in seconds]


def test_no_round_is_skipped_when_the_clock_jumps() -> None:
    turns = turns_at([3600 * hour for hour in range(4)])
    assert turns == [0, 1, 2, 3]


def test_a_round_lasts_its_time_however_often_it_is_looked_at() -> None:
    assert turns_at([10 * n for n in range(7)]) == [0, 0, 0, 1, 1, 1, 2]


def test_an_outage_costs_no_rounds_and_none_is_caught_up_on_after_it() -> None:
    after = [300, 300.25, 329.75, 330, 330.25]
    rounds, trade = Rounds(), a_trade()
    blind = [rounds.of(trade, START + timedelta(seconds=n), priced=n == 0).number for n in range(300)]
    assert set(blind) == {0}
    assert [rounds.of(trade, START + timedelta(seconds=n), priced=True).number for n in after] == [1, 1, 1, 2, 2]


def test_how_long_nothing_was_priced_counts_from_the_last_price() -> None:
    rounds, trade = Rounds(), a_trade()
    seen_at = [rounds.of(trade, START + timedelta(seconds=n), priced=n == 20).priced_at for n in (0, 10, 20, 90)]
    assert seen_at == [START, START, START + timedelta(seconds=20), START + timedelta(seconds=20)]


def test_a_price_counts_only_for_a_leg_that_misses_something() -> None:
    quotes = {an_option().symbol: a_quote()}
    trade = a_trade(a_plan(), a_plan(an_option(80000)))
    half = replace(trade, state=TradeState.OPENING, legs=(replace(trade.legs[0], opened=Decimal(1)), trade.legs[1]))
    assert priced(trade, Purpose.OPEN, quotes, now=START)
    assert not priced(half, Purpose.OPEN, quotes, now=START)
    assert priced(half, Purpose.CLOSE, quotes, now=START)
    assert not priced(half, Purpose.CLOSE, quotes, now=START, clamps={})
    assert not priced(trade, Purpose.OPEN, {an_option().symbol: a_quote(bid=None)}, now=START)


def test_an_opening_without_any_price_is_given_up_after_twice_its_length() -> None:
    assert seen(blind=True, unpriced=179).progress is Progress.WORKING
    over = seen(blind=True, unpriced=180)
    assert (over.progress, over.reason) == (Progress.EXHAUSTED, "no price for 180 s")
    assert seen(a_record(), blind=True, unpriced=180).action == Cancel(client_id=a_name(), why="no price for 180 s")


def test_a_close_without_any_price_is_never_given_up() -> None:
    assert seen(leg=HELD, purpose=Purpose.CLOSE, blind=True, unpriced=9999).progress is Progress.WORKING


def test_a_new_phase_and_a_restart_begin_by_the_time() -> None:
    rounds, trade = Rounds(), a_trade()
    rounds.of(trade, START, priced=True)
    later = replace(trade, phase_at=START + timedelta(seconds=60))
    assert rounds.of(later, START + timedelta(seconds=121), priced=True).number == 2
    assert rounds.of(later, START + timedelta(seconds=150), priced=True).number == 3
    rounds.forget(1)
    rounds.forget(1)
    assert rounds.of(trade, START + timedelta(hours=1), priced=False).number == 120


def a_blind_opening(seconds: int) -> House:
    house = House()
    house.show()
    house.create(params=PARAMS)
    house.tick(seconds, account=an_account())
    return house


def test_the_first_order_after_an_outage_is_not_at_the_last_price() -> None:
    house = a_blind_opening(170)
    house.tick()
    [order] = house.venue.orders.values()
    assert (order.new.price, house.trade().state) == (Decimal(99), TradeState.OPENING)


def test_an_opening_that_nobody_can_price_ends_by_itself() -> None:
    house = a_blind_opening(185)
    assert (house.trade().state, house.venue.orders) == (TradeState.FAILED, {})
    assert "no price for 180 s" in house.trade().reason
