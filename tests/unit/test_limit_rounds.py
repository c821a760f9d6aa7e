"""The rounds of a limit execution: how long each lasts, which legs go first, and where a restart goes on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from domain import ExecutionParams, LeggingPolicy, OptionType, Purpose, Quote, Side
from execution import Progress
from leg_orders import Cancel, LegOrders
from limit_execution import LimitExecutor, Round, next_round
from trade_lifecycle import TradeLifecycle, TradeState

from tests.fakes import START, House, a_name, a_plan, a_quote, a_trade, an_account, an_option
from tests.unit.limit_looks import HELD, PARAMS, Stepper, a_record, seen

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
