"""One look at a leg: what to place, what to take back, what to wait for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from domain import ExecutionMode, ExecutionParams, LeggingPolicy, OptionType, OrderStatus, Purpose, Quote, Remedy, Side, Verdict
from events import ExecutionEnded, ExecutionStarted, LegBook
from execution import Progress, Scene
from execution_log import Run
from leg_orders import Cancel, LegOrders, LegSight, Place, crossing_price
from limit_execution import BRISK, Chase, LegStep, LimitExecutor, Round, limit_price, look, next_round
from order_ledger import OrderRecord
from trade_lifecycle import TradeLeg, TradeLifecycle, TradeState

from tests.fakes import EXPIRY, START, House, a_name, a_plan, a_quote, a_trade, an_account, an_option, an_order

PARAMS = ExecutionParams(fill_timeout_seconds=30, aggressive_buffer_pct=2, max_requote_rounds=3)
LEG = TradeLeg(option=an_option(), side=Side.SELL, target=Decimal(1))
HELD = replace(LEG, opened=Decimal(1))


def a_record(purpose: Purpose = Purpose.OPEN, attempt: int = 1, side: Side = Side.SELL, price: str = "100") -> OrderRecord:
    return OrderRecord(
        new=an_order(a_name(purpose=purpose, attempt=attempt), side=side, price=price), sent_at=START, order_id="v1", status=OrderStatus.NEW
    )


def a_sight(
    *orders: OrderRecord, leg: TradeLeg = LEG, purpose: Purpose = Purpose.OPEN, clamp: str | None = None, room: str | None = None
) -> LegSight:
    missing = max(leg.outstanding if purpose.reduces else leg.target - leg.opened, Decimal(0))
    if clamp is not None:
        missing = min(missing, Decimal(clamp))
    return LegSight(
        index=0,
        leg=leg,
        side=leg.side.opposite if purpose.reduces else leg.side,
        missing=missing,
        room=missing if room is None else Decimal(room),
        since=START,
        orders=orders,
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
    room: str | None = None,
    cap_pct: float | None = None,
    brisk: bool = False,
) -> LegStep:
    chase = Chase(
        purpose=purpose,
        params=PARAMS,
        now=START + timedelta(seconds=seconds),
        round=turn,
        unpriced=timedelta(seconds=unpriced),
        cap_pct=cap_pct,
        brisk=brisk,
    )
    return look(a_sight(*orders, leg=leg, purpose=purpose, clamp=clamp, room=room), chase, None if blind else quote or a_quote())


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
    house = House()
    house.show(an_option(80000))
    house.create(a_plan(), a_plan(an_option(80000)), params=ExecutionParams(legging=LeggingPolicy(require_executable=False)))
    house.tick()
    [order] = house.venue.received
    assert order.client_id == a_name(1)


# ---- rounds

ROUND = timedelta(seconds=30)


class Rounds:
    """Looks at the rounds of one stage, second by second."""

    def __init__(self) -> None:
        self.last: Round | None = None

    def at(self, seconds: float, *, priced: bool = True, stage_at: datetime = START) -> Round:
        self.last = next_round(self.last, stage_at, START + timedelta(seconds=seconds), ROUND, priced=priced)
        return self.last


def turns_at(seconds: Sequence[float]) -> list[int]:
    rounds = Rounds()
    return [rounds.at(n).number for n in seconds]


def test_no_round_is_skipped_when_the_clock_jumps() -> None:
    turns = turns_at([3600 * hour for hour in range(4)])
    assert turns == [0, 1, 2, 3]


def test_a_round_lasts_its_time_however_often_it_is_looked_at() -> None:
    assert turns_at([10 * n for n in range(7)]) == [0, 0, 0, 1, 1, 1, 2]


def test_an_outage_costs_no_rounds_and_none_is_caught_up_on_after_it() -> None:
    rounds = Rounds()
    blind = [rounds.at(n, priced=n == 0).number for n in range(300)]
    assert set(blind) == {0}
    assert [rounds.at(n).number for n in (300, 300.25, 329.75, 330, 330.25)] == [1, 1, 1, 2, 2]


def test_how_long_nothing_was_priced_counts_from_the_last_price() -> None:
    rounds = Rounds()
    seen_at = [rounds.at(n, priced=n == 20).priced_at for n in (0, 10, 20, 90)]
    assert seen_at == [START, START, START + timedelta(seconds=20), START + timedelta(seconds=20)]


class Stepper:
    """One limit execution of a trade, stepped by hand on a venue that takes every order and fills none."""

    def __init__(self, purpose: Purpose, *, urgent: bool = False, remedy: Remedy | None = None, wanted: str = "1") -> None:
        self.house, self.purpose = House(), purpose
        started = ExecutionStarted(
            at=START,
            trade=1,
            run=1,
            purpose=purpose,
            mode=ExecutionMode.LIMIT,
            reason="",
            legs=(LegBook(leg=0, symbol=an_option().symbol, side=Side.SELL, wanted=Decimal(wanted)),),
            urgent=urgent,
            remedy=remedy,
        )
        self.run = Run(self.house.journal, self.house.clock, started)
        orders = LegOrders(self.house.executor, self.house.alerts, 7)
        self.execution = LimitExecutor(orders).begin(self.scene(a_trade(), {}), self.run)

    def scene(
        self, trade: TradeLifecycle, quotes: Mapping[str, Quote], seconds: float = 0, clamps: Mapping[str, Decimal] | None = None
    ) -> Scene:
        now = START + timedelta(seconds=seconds)
        account = replace(an_account(now=now), quotes=quotes)
        return Scene(account=account, trade=trade, purpose=self.purpose, books={}, clamps=clamps)


def priced(trade: TradeLifecycle, purpose: Purpose, quotes: Mapping[str, Quote], clamps: Mapping[str, Decimal] | None = None) -> bool:
    """Tell whether a step ten seconds on found something to price."""
    stepper = Stepper(purpose)
    stepper.execution.step(stepper.scene(trade, quotes, 10, clamps))
    assert stepper.execution._rounds[False] is not None
    return stepper.execution._rounds[False].priced_at == START + timedelta(seconds=10)


def test_a_price_counts_only_for_a_leg_that_misses_something() -> None:
    quotes = {an_option().symbol: a_quote()}
    trade = a_trade(a_plan(), a_plan(an_option(80000)))
    half = replace(trade, state=TradeState.OPENING, legs=(replace(trade.legs[0], opened=Decimal(1)), trade.legs[1]))
    assert priced(trade, Purpose.OPEN, quotes)
    assert not priced(half, Purpose.OPEN, quotes)
    assert priced(half, Purpose.CLOSE, quotes)
    assert not priced(half, Purpose.CLOSE, quotes, clamps={})
    assert not priced(trade, Purpose.OPEN, {an_option().symbol: a_quote(bid=None)})


def test_an_opening_without_any_price_is_given_up_after_twice_its_length() -> None:
    assert seen(blind=True, unpriced=179).progress is Progress.WORKING
    over = seen(blind=True, unpriced=180)
    assert (over.progress, over.reason) == (Progress.EXHAUSTED, "no price for 180 s")
    assert seen(a_record(), blind=True, unpriced=180).action == Cancel(client_id=a_name(), why="no price for 180 s")


def test_a_close_without_any_price_is_never_given_up() -> None:
    assert seen(leg=HELD, purpose=Purpose.CLOSE, blind=True, unpriced=9999).progress is Progress.WORKING


def test_a_new_stage_and_a_restart_begin_by_the_time() -> None:
    rounds = Rounds()
    rounds.at(0)
    later = START + timedelta(seconds=60)
    assert rounds.at(121, stage_at=later).number == 2
    assert rounds.at(150, stage_at=later).number == 3
    assert Rounds().at(3600, priced=False).number == 120


def a_blind_opening(seconds: int) -> House:
    house = House()
    house.show()
    house.create(params=replace(PARAMS, legging=LeggingPolicy(require_executable=False)))
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


def test_an_opening_that_cannot_be_traded_on_the_book_sends_nothing_and_ends_by_itself() -> None:
    house = House()
    house.venue.show(a_quote(bid=None))
    house.create(params=PARAMS)
    house.tick(89)
    assert (house.trade().state, house.venue.orders) == (TradeState.OPENING, {})
    house.tick(3)
    assert (house.trade().state, house.venue.orders) == (TradeState.FAILED, {})
    assert house.trade().reason == "BTCUSD-27MAR26-70000-C cannot be traded on the book in that size"


# ---- what goes first

LONG, SHORT = an_option(72000), an_option(70000)
SPREAD = (a_plan(LONG, Side.BUY), a_plan(SHORT, Side.SELL))


def a_spread(params: ExecutionParams = PARAMS) -> House:
    house = House()
    house.show(LONG, SHORT, bid="95", ask="105")
    house.create(*SPREAD, params=params)
    house.tick()
    return house


def test_l12_sold_legs_wait_for_the_bought_ones() -> None:
    house = a_spread()
    house.tick(20)
    assert [order.client_id for order in house.venue.received] == [a_name(0)]
    assert seen(room="0").reason == "waiting for the legs that go first"


def test_l12_sold_legs_go_out_only_as_far_as_the_bought_ones_have_filled() -> None:
    house = a_spread()
    house.venue.execute(a_name(0), "0.4")
    house.tick(3)
    [sold] = [order for order in house.venue.received if order.client_id.leg == 1]
    assert sold.qty == Decimal("0.4")


def test_l12_where_the_policy_says_so_both_go_out_at_once() -> None:
    house = a_spread(replace(PARAMS, legging=LeggingPolicy(bought_first=False)))
    assert {order.client_id for order in house.venue.received} == {a_name(0), a_name(1)}


def test_l18_the_sold_legs_begin_their_own_rounds_at_mid_once_the_bought_ones_have_filled() -> None:
    house = a_spread()
    house.tick(69)
    assert house.venue.received[-1].price == 102
    house.fill_all()
    house.tick(6)
    [sold] = [order for order in house.venue.received if order.client_id.leg == 1]
    assert sold.price == 100
    house.tick(55)
    assert house.trade().state is TradeState.OPENING  # its rounds are its own: those of the bought leg would be over


def test_a_close_buys_back_what_was_sold_before_it_gives_back_what_covers_it() -> None:
    house = a_spread()
    for _ in range(8):
        house.fill_all()
        house.tick()
    assert house.trade().state is TradeState.OPEN
    house.manager.force_close(1, "a person")
    house.tick(10)
    closing = [order.client_id for order in house.venue.received if order.client_id.purpose is Purpose.CLOSE]
    assert {name.leg for name in closing} == {1}
    for _ in range(12):
        house.fill_all()
        house.tick()
    assert house.trade().state is TradeState.CLOSED


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


# ---- a restart


def test_l28_a_restart_goes_on_in_the_round_in_which_it_stopped() -> None:
    house = a_spread()
    house.tick(29)
    again = house.restart()
    again.tick(5)
    assert [order.client_id.attempt for order in house.venue.received] == [1, 2]
    assert house.venue.received[-1].price == 101


def test_the_executor_takes_whatever_is_a_lot_and_says_what_is_less() -> None:
    stepper = Stepper(Purpose.OPEN)
    executor = LimitExecutor(LegOrders(stepper.house.executor, stepper.house.alerts, 7))
    assert executor.accepts(stepper.scene(a_trade(), {}))
    dust = executor.accepts(stepper.scene(a_trade(a_plan(an_option(60000, OptionType.PUT, lot="2"))), {}))
    assert not dust
    assert "less than one lot of BTCUSD-27MAR26-60000-P" in dust.reason
