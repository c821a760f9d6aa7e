"""Which way each phase of a trade is executed, and what follows when that way fails or there is no time for it."""

from datetime import timedelta
from decimal import Decimal

import pytest

from domain import ExecutionMode, ExecutionParams, LeggingPolicy, Level, OrderBook, Purpose, RFQFallback, RFQParams, RoutingThresholds, Side
from events import ExecutionEnded, ExecutionStarted, OpenGivenUp
from execution_desk import DeskRules
from trade_lifecycle import TradeState

from tests.fakes import House, a_plan, a_quote, venue_holds
from tests.unit.guard_stories import CALL, PUT, STRANGLE, Told, a_house, a_policy, of, params_of, runs, tick_until

S, M = TradeState, ExecutionMode
OPEN, CLOSE = Purpose.OPEN, Purpose.CLOSE


def modes(house: House, purpose: Purpose = OPEN) -> list[ExecutionMode]:
    return [event.mode for event in of(house, ExecutionStarted) if event.purpose is purpose]


def a_book(bid: str, ask: str, size: str = "5") -> OrderBook:
    level = Decimal(size)
    return OrderBook(symbol=CALL.symbol, at=a_quote().at, bids=(Level(Decimal(bid), level),), asks=(Level(Decimal(ask), level),))


# ---- the first way, and the next one


def test_the_way_that_the_strategy_names_is_taken_for_opening_and_closing() -> None:
    makers = Told(M.RFQ)
    house = a_house(makers)
    house.create(*STRANGLE, mode=M.RFQ)
    tick_until(house, lambda: house.trade().state is S.OPEN)
    house.manager.force_close(1, "a person")
    tick_until(house, lambda: house.trade().state is S.CLOSED)
    assert (modes(house), modes(house, CLOSE)) == ([M.RFQ], [M.RFQ])
    assert of(house, ExecutionStarted)[0].reason == "the strategy says rfq"
    assert [event.success for event in of(house, ExecutionEnded)] == [True, True]


@pytest.mark.parametrize(
    ("fallback", "smart", "then"),
    [
        (RFQFallback.LIMIT, Told(M.SMART), [M.RFQ, M.LIMIT]),
        (RFQFallback.SMART, Told(M.SMART), [M.RFQ, M.SMART]),
        (RFQFallback.SMART, Told(M.SMART, refusal="too small to cut"), [M.RFQ, M.LIMIT]),
        (RFQFallback.SMART, None, [M.RFQ, M.LIMIT]),
        (RFQFallback.NONE, Told(M.SMART), [M.RFQ]),
    ],
)
def test_makers_without_a_good_quote_are_followed_by_what_the_policy_says(
    fallback: RFQFallback, smart: Told | None, then: list[ExecutionMode]
) -> None:
    makers = Told(M.RFQ, does="give up")
    house = a_house(makers, *([] if smart is None else [smart]))
    house.create(*STRANGLE, mode=M.RFQ, params=params_of(a_policy(), fallback=fallback))
    for _ in range(12):
        house.tick()
        house.fill_all()
    assert modes(house) == then
    assert house.trade().state is (S.FAILED if fallback is RFQFallback.NONE else S.OPEN)
    assert of(house, ExecutionEnded)[0].reason == "no good quote"
    if len(then) == 2:
        assert of(house, ExecutionStarted)[1].reason == "after rfq: no good quote"
    else:
        assert of(house, OpenGivenUp)[0].reason == "no good quote"


def test_a_close_goes_on_with_limit_orders_where_an_opening_would_give_up() -> None:
    makers = Told(M.RFQ)
    house = a_house(makers)
    house.create(*STRANGLE, mode=M.RFQ, params=params_of(a_policy(), fallback=RFQFallback.NONE))
    tick_until(house, lambda: house.trade().state is S.OPEN)
    makers.does = "give up"
    house.manager.force_close(1, "a person")
    tick_until(house, lambda: modes(house, CLOSE) == [M.RFQ, M.LIMIT])
    for _ in range(8):
        house.tick()
        house.fill_all()
    assert house.trade().state is S.CLOSED


def test_a_close_goes_on_with_limit_orders_where_makers_cannot_be_asked() -> None:
    makers = Told(M.RFQ)
    house = a_house(makers)
    house.create(*STRANGLE, mode=M.RFQ, params=params_of(a_policy(), fallback=RFQFallback.NONE))
    tick_until(house, lambda: house.trade().state is S.OPEN)
    makers.refusal = "no makers now"
    house.manager.force_close(1, "a person")
    house.tick(3)
    assert modes(house, CLOSE) == [M.LIMIT]


def test_makers_that_cannot_be_asked_at_all_are_passed_over_with_the_reason_journalled() -> None:
    house = a_house(Told(M.RFQ, refusal="a strike notional below 50000 USD"))
    house.create(*STRANGLE, mode=M.RFQ)
    house.tick()
    assert modes(house) == [M.LIMIT]
    assert of(house, ExecutionStarted)[0].reason == "rfq cannot: a strike notional below 50000 USD"


def test_an_opening_that_only_makers_may_do_is_given_up_where_they_cannot_be_asked() -> None:
    house = a_house()
    house.create(*STRANGLE, mode=M.RFQ, params=params_of(a_policy(), fallback=RFQFallback.NONE))
    house.tick()
    assert house.trade().state is S.FAILED
    assert house.venue.received == []


def test_auto_journals_why_it_chose() -> None:
    house = a_house(Told(M.RFQ), Told(M.SMART))
    house.create(*STRANGLE, mode=M.AUTO)
    house.tick()
    assert modes(house) == [M.RFQ]
    assert of(house, ExecutionStarted)[0].reason == "2 legs, strike notional 130000 USD, at least 50000: makers are asked"


def test_auto_takes_the_thresholds_of_its_desk() -> None:
    dear = DeskRules(thresholds=RoutingThresholds(rfq_notional=Decimal(10**9), smart_notional=Decimal(10**9)))
    house = House(others=[Told(M.RFQ), Told(M.SMART)], rules=dear)
    house.show(CALL, PUT)
    house.create(*STRANGLE, mode=M.AUTO)
    house.tick()
    assert modes(house) == [M.LIMIT]
    assert of(house, ExecutionStarted)[0].reason.endswith("the book carries it")


# ---- before the first order


def test_l12_no_order_goes_out_before_every_leg_can_be_traded() -> None:
    house = a_house()
    house.venue.show(a_quote(PUT, None, "101"))
    house.create(*STRANGLE, params=params_of(a_policy(), rounds=4))
    house.tick(10)
    assert house.venue.received == []
    assert of(house, ExecutionStarted) == []
    house.show(PUT)
    house.tick()
    assert len(house.venue.received) == 2


def test_l12_an_opening_that_cannot_be_traded_in_its_time_is_given_up() -> None:
    house = a_house()
    house.venue.show(a_quote(PUT, None, "101"))
    house.create(*STRANGLE, params=params_of(a_policy(), rounds=4))
    house.tick()
    begun = house.clock.now()
    tick_until(house, lambda: house.trade().state is S.FAILED)
    assert house.clock.now() - begun == timedelta(seconds=20)
    assert PUT.symbol in house.trade().reason
    assert house.venue.received == []


@pytest.mark.parametrize(("mode", "begins"), [(M.LIMIT, False), (M.SMART, True), (M.RFQ, True)])
def test_l12_a_book_must_carry_the_whole_for_limit_orders_a_chunk_for_chunks_and_nothing_for_makers(
    mode: ExecutionMode, begins: bool
) -> None:
    house = a_house(Told(M.RFQ), Told(M.SMART))
    house.venue.books[CALL.symbol] = a_book("99", "101", size="0.3")
    house.create(a_plan(CALL, Side.BUY, "1"), a_plan(PUT, Side.BUY, "1"), mode=mode, params=params_of(a_policy()))
    house.tick(3)
    assert bool(of(house, ExecutionStarted)) is begins


def test_a_policy_that_does_not_ask_for_it_begins_without_a_bid() -> None:
    house = a_house()
    house.venue.show(a_quote(PUT, None, "101"))
    house.create(*STRANGLE, params=params_of(a_policy(require_executable=False)))
    house.tick()
    assert [order.instrument for order in house.venue.received] == [CALL]


def test_a_close_never_waits_for_every_leg_to_be_executable() -> None:
    house = a_house()
    house.opened(*STRANGLE, params=params_of(a_policy()))
    house.venue.show(a_quote(PUT, "99", None, mark=None))
    house.manager.force_close(1, "a person")
    house.tick(3)
    assert any(order.client_id.purpose is CLOSE and order.instrument == CALL for order in house.venue.received)


def test_the_books_of_an_opening_are_waited_for_a_while() -> None:
    house = House(rules=DeskRules(books_within=timedelta(seconds=5)))
    house.show(CALL)
    house.create(a_plan(CALL))
    house.tick(3)
    assert house.venue.received == []
    house.venue.books[CALL.symbol] = a_book("97", "99")
    house.tick()
    assert [order.price for order in house.venue.received] == [98]  # the mid of the book, not of the chain's quote


def test_books_that_never_come_do_not_hold_an_opening_back_for_ever() -> None:
    house = House(rules=DeskRules(books_within=timedelta(seconds=5)))
    house.show(CALL)
    house.create(a_plan(CALL))
    house.tick(7)
    assert [order.price for order in house.venue.received] == [100]


def test_own_orders_in_the_book_do_not_chase_themselves() -> None:
    house = House()
    house.show(CALL)
    house.venue.books[CALL.symbol] = a_book("90", "110")
    house.create(a_plan(CALL), params=ExecutionParams(fill_timeout_seconds=5, aggressive_buffer_pct=0))
    house.tick(3)
    ours = house.venue.received[0]
    assert ours.price == 100
    others = a_book("90", "110")
    house.venue.books[CALL.symbol] = OrderBook(
        symbol=CALL.symbol, at=others.at, bids=others.bids, asks=(Level(ours.price, ours.qty), *others.asks)
    )
    house.tick(12)
    assert len(house.venue.received) == 1  # a mid of 95, were our own offer counted, would have moved it


def test_rfq_at_any_price_does_not_ask_the_book_first() -> None:
    makers = Told(M.RFQ, does="wait")
    house = a_house(makers)
    house.venue.show(a_quote(PUT, None, "101"))
    house.create(*STRANGLE, mode=M.RFQ, params=ExecutionParams(rfq=RFQParams(min_improvement_pct=None), legging=LeggingPolicy()))
    house.tick()
    assert modes(house) == [M.RFQ]


def test_l12_what_follows_makers_waits_for_every_leg_to_be_executable_too() -> None:
    house = a_house(Told(M.RFQ, does="give up"))
    house.venue.show(a_quote(PUT, None, "101"))
    house.create(*STRANGLE, mode=M.RFQ, params=params_of(a_policy(), rounds=4))
    house.tick(10)
    assert modes(house) == [M.RFQ]
    assert house.venue.received == []
    house.show(PUT)
    house.tick(3)
    assert modes(house) == [M.RFQ, M.LIMIT]
    assert len(house.venue.received) == 2


# ---- hurry


def test_an_urgent_exit_during_a_patient_close_hurries_it() -> None:
    house = a_house()
    house.opened(*STRANGLE, params=params_of(a_policy(max_seconds=1000)))
    house.show(CALL, PUT, bid="60", ask="140")
    house.manager.force_close(1, "a person")
    house.tick(8)
    assert house.trade().state is S.CLOSING
    house.manager.force_close(1, "margin", urgent=True)
    tick_until(house, lambda: house.trade().state is S.CLOSED)
    assert runs(house)[-2:] == [(CLOSE, M.LIMIT, False, None), (CLOSE, M.LIMIT, True, None)]
    assert of(house, ExecutionEnded)[-2].reason == "it has become urgent"
    assert venue_holds(house.venue) == {}


def test_an_urgent_exit_does_not_wait_for_makers_that_are_being_asked() -> None:
    makers = Told(M.RFQ)
    house = a_house(makers)
    house.create(*STRANGLE, mode=M.RFQ)
    tick_until(house, lambda: house.trade().state is S.OPEN)
    makers.does = "wait"
    house.manager.force_close(1, "a person")
    house.tick(5)
    house.manager.force_close(1, "margin", urgent=True)
    tick_until(house, lambda: house.trade().state is S.CLOSED)
    assert modes(house, CLOSE) == [M.RFQ, M.LIMIT]
    assert makers.cancelled == ["it has become urgent"]
