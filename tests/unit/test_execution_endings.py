"""How executions end: through a crash, with the market noted afterwards, and never as a success that nobody saw."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from domain import ExecutionMode, OrderStatus, OrderType, Purpose, Remedy, Side
from events import ExecutionEnded, ExecutionEvent, ExecutionStarted, MarketAfter, OpenCompleted
from execution import ExecutionResult, Scene
from execution_desk import DeskRules, Outcome
from execution_log import Run
from leg_orders import LegOrders, wait_for
from order_ledger import OrderRecord
from trade_lifecycle import TradeState

from tests.fakes import SECOND, House, a_name, a_plan, a_quote, an_option, an_order, venue_holds
from tests.unit.guard_stories import CALL, PUT, STRANGLE, a_house, a_policy, of, params_of, runs, tick_until

S, M = TradeState, ExecutionMode
OPEN, CLOSE = Purpose.OPEN, Purpose.CLOSE


# ---- crashes


def test_l28_a_crash_between_the_end_of_an_execution_and_the_word_of_it_sends_nothing_more() -> None:
    house = a_house()
    house.create(*STRANGLE)
    house.tick()
    house.journal.fail_on = (OpenCompleted,)
    for _ in range(5):
        house.fill_all()
        house.tick()
    assert [event.success for event in of(house, ExecutionEnded)] == [True]
    assert house.trade().state is S.OPENING
    house.journal.fail_on = ()
    house = house.restart()
    house.tick(3)
    assert house.trade().state is S.OPEN
    assert (len(house.venue.received), len(of(house, ExecutionStarted)), len(of(house, ExecutionEnded))) == (2, 1, 1)


def test_l28_an_execution_found_in_the_journal_goes_on_and_is_not_begun_again() -> None:
    house = a_house()
    house.create(*STRANGLE)
    house.tick()
    house = house.restart()
    house.tick(3)
    house.fill_all()
    house.tick(5)
    assert house.trade().state is S.OPEN
    assert (len(house.venue.received), len(of(house, ExecutionStarted))) == (2, 1)


def test_l28_a_trade_taken_back_after_a_restart_ends_the_execution_that_the_journal_holds() -> None:
    house = a_house()
    house.create(*STRANGLE)
    house.tick(2)
    house = house.restart()
    house.manager.force_close(1, "a person")
    tick_until(house, lambda: house.trade().state is S.FAILED)
    assert [(event.success, event.reason) for event in of(house, ExecutionEnded)] == [(False, "a person")]
    assert {order.status for order in house.venue.orders.values()} == {OrderStatus.CANCELED}


def test_an_end_that_cannot_be_written_is_written_later_and_told_once() -> None:
    house, told = a_house(), []
    house.manager.on_executed(lambda run, result: told.append((run.started.run, result)))
    house.create(*STRANGLE)
    house.tick()
    house.journal.fail_on = (ExecutionEnded,)
    house.fill_all()
    house.tick(5)
    assert (told, house.trade().state) == ([], S.OPENING)
    house.journal.fail_on = ()
    house.tick(2)
    assert house.trade().state is S.OPEN
    assert [number for number, _ in told] == [1]


def test_an_ended_execution_is_told_by_its_fills() -> None:
    house = a_house()
    told: list[tuple[Run, ExecutionResult]] = []
    house.manager.on_executed(lambda run, result: told.append((run, result)))
    house.opened(*STRANGLE)
    (run, result) = told[0]
    assert (run.started.run, result.success, result.mode) == (1, True, M.LIMIT)
    assert (result.total_cost, result.fees) == (Decimal(-200), Decimal(1))
    assert [(leg.side, leg.filled, leg.average_price) for leg in result.legs] == [(Side.SELL, Decimal(1), Decimal(100))] * 2


# ---- afterwards


def test_the_market_after_an_execution_is_noted_even_when_its_trade_has_ended() -> None:
    house = House(rules=DeskRules(look_after=timedelta(seconds=30)))
    house.show(CALL)
    house.opened(a_plan(CALL))
    house.manager.force_close(1, "a person", urgent=True)
    tick_until(house, lambda: house.trade().state is S.CLOSED)
    assert list(house.manager.options_in_use()) == [CALL]
    house.show(CALL, bid="109", ask="111")
    house.tick(40)
    after = of(house, MarketAfter)
    ends = of(house, ExecutionEnded)
    assert [(event.run, event.purpose) for event in after] == [(1, OPEN), (2, CLOSE)]
    assert [event.at - end.at for event, end in zip(after, ends, strict=True)] == [timedelta(seconds=30)] * 2
    assert after[1].mids == (Decimal(110),)
    assert not house.manager.options_in_use()


def test_a_refused_remedy_of_a_kept_policy_never_gives_back_what_it_was_told_to_hold() -> None:
    """What a remedy has brought together goes on; that its rest cannot be traded now is no reason to give back what is held."""
    house = a_house()
    house.create(*STRANGLE, params=params_of(a_policy(Remedy.CROSS, Remedy.HOLD, max_seconds=8), rounds=6))
    house.tick()
    house.venue.execute(a_name(0), "0.5")
    tick_until(house, lambda: any(remedy is Remedy.CROSS for _, _, _, remedy in runs(house)))
    house.venue.show(a_quote(CALL, None, "101"))  # the put is crossed to 0.5; then no bid for the call
    house.tick(60)
    assert house.venue.executed(1, 0, Purpose.UNWIND) == 0
    assert house.trade().state in {S.OPEN, S.OPENING}


def test_two_trades_do_not_share_an_execution() -> None:
    other = an_option(80000)
    house = a_house()
    house.show(other)
    house.create(a_plan(CALL))
    house.create(a_plan(other))
    house.tick(every=SECOND)
    house.venue.execute(a_name(0, trade=2))
    house.tick(4)
    assert [trade.state for trade in house.manager.trades] == [S.OPENING, S.OPEN]
    assert [event.trade for event in of(house, ExecutionEnded)] == [2]


# ---- neither too early nor too late


def test_l28_an_opening_without_a_journalled_execution_is_not_given_up_while_its_orders_rest() -> None:
    house = a_house()
    house.create(*STRANGLE, params=params_of(a_policy(), rounds=2))
    house.tick(2)
    assert len(house.venue.received) == 2
    house.journal.events = [event for event in house.journal.events if not isinstance(event, ExecutionEvent)]  # as an earlier version wrote
    house.venue.quotes.clear()
    house.clock.advance(timedelta(minutes=10))
    again = house.restart()
    for _ in range(30):
        again.tick()
        gone = all(order.status.final for order in house.venue.orders.values())
        assert again.trade().active or gone
    assert again.trade().state is S.FAILED
    assert venue_holds(house.venue) == {}


def test_a_close_is_no_success_while_only_the_venue_says_that_nothing_is_held() -> None:
    house = a_house()
    trade = house.opened(*STRANGLE, params=params_of(a_policy()))
    desk = house.manager._venues[False].executions
    nothing = dict.fromkeys((CALL.symbol, PUT.symbol), Decimal(0))
    outcomes = {desk.step(trade, CLOSE, house.venue.snapshot(), nothing).outcome for _ in range(3)}
    assert outcomes == {Outcome.WORKING}
    assert [event.purpose for event in of(house, ExecutionEnded)] == [OPEN]


def test_l25_a_stop_loss_is_not_slowed_by_quotes_that_makers_refused() -> None:
    house = a_house()
    trade = house.opened(*STRANGLE, params=params_of(a_policy()))
    block = replace(an_order(a_name(purpose=CLOSE), CALL, Side.BUY), order_type=OrderType.BLOCK_TRADE)
    house.executor.ledger.put(OrderRecord(new=block, sent_at=house.clock.now(), refused="quote no longer valid", retryable=True))
    scene = Scene(account=house.venue.snapshot(), trade=trade, purpose=CLOSE, books={}, urgent=True)
    sights = LegOrders(house.executor, house.alerts, 7).sights(scene, house.clock.now())
    assert all(wait_for(sight, house.clock.now(), SECOND) is None for sight in sights)
