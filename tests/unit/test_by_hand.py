"""What a person does to trades: what it will do is told first, what is not sure is refused, and nothing is traded by it."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from by_hand import Adoption
from differences import Holding
from domain import AccountSnapshot, Difference, ExitCondition, Side, TradeView, Verdict
from errors import InvalidTransition, JournalError, RiskDenied
from events import LegAdopted, TradeCreated, TradeHandedOver
from trade_lifecycle import TradeState

from tests.fakes import EXPIRY, a_plan, an_option, venue_holds
from tests.unit.reconciling import SharedHouse, a_quoted_house

S = TradeState
CALL = an_option()


@pytest.fixture
def house() -> SharedHouse:
    return a_quoted_house()


def leave_when(wanted: bool) -> ExitCondition:
    def always(account: AccountSnapshot, trade: TradeView) -> Verdict:
        return Verdict(wanted, "a test")

    return always


def shared(house: SharedHouse, others: str = "-2") -> Holding:
    """Let others hold something that reconciliation has seen."""
    house.shared.others_hold(others)
    house.tick(60)
    return house.reconciler.surplus(CALL.symbol, house.shared.snapshot())


# ---- adoption


def test_adopting_takes_what_is_others_at_the_venues_average_and_no_order_is_sent(house: SharedHouse) -> None:
    trade = house.manager.by_hand.adopt(Adoption(option=CALL, strategy="test"), shared(house))
    house.tick(60)
    assert (house.trade().state, trade.legs[0].held, trade.entry_cost) == (S.OPEN, Decimal(-2), Decimal(-200))
    assert house.venue.received == []
    assert house.standing() == []
    assert len(house.ended(Difference.POSITION_OF_OTHERS)) == 1


def test_an_adopted_trade_is_watched_and_closed_by_its_strategys_exits(house: SharedHouse) -> None:
    house.manager.by_hand.adopt(Adoption(option=CALL, strategy="test", price=Decimal(120)), shared(house))
    house.tick(10)
    house.manager.bind("test", (leave_when(True),))
    for _ in range(10):
        house.tick()
        house.fill_all()
    assert (house.trade().state, venue_holds(house.venue)) == (S.CLOSED, {})
    assert all(order.reduce_only and order.side is Side.BUY for order in house.venue.received)


def test_a_part_of_it_beside_a_trade_of_ours_leaves_the_rest_to_others(house: SharedHouse) -> None:
    house.opened()
    house.manager.by_hand.adopt(Adoption(option=CALL, strategy="test", qty=Decimal("0.5")), shared(house))
    house.tick(60)
    assert dict(house.reconciler.others) == {CALL.symbol: Decimal("-1.5")}
    assert [trade.legs[0].held for trade in house.manager.active] == [-1, Decimal("-0.5")]


def test_l31_an_adopted_trade_is_the_same_after_a_restart(house: SharedHouse) -> None:
    trade = house.manager.by_hand.adopt(Adoption(option=CALL, strategy="test", version="v3"), shared(house))
    again = house.restart()
    assert again.manager.trade(trade.number) == trade
    again.tick(60)
    assert again.standing() == []


def test_an_adoption_is_written_whole_or_not_at_all(house: SharedHouse) -> None:
    there = shared(house)
    house.journal.fail_on = (LegAdopted,)
    with pytest.raises(JournalError):
        house.manager.by_hand.adopt(Adoption(option=CALL, strategy="test"), there)
    assert (house.manager.trades, house.journal.of(TradeCreated)) == ((), [])


def test_what_adopting_would_do_is_told_and_not_done(house: SharedHouse) -> None:
    house.opened()
    there = shared(house)
    wish = Adoption(option=CALL, strategy="test", qty=Decimal("0.5"))
    house.manager.bind("test", (leave_when(False),))
    events = len(house.journal.events)
    said = house.manager.by_hand.propose_adoption(wish, there, house.shared.snapshot())
    assert said.splitlines() == [
        f"account     -3 {CALL.symbol}, of which our trades hold -1 and others -2",
        f"adopt       -0.5 {CALL.symbol} at 100 USD as trade 2 of test",
        "left        -1.5 stays others'",
        "exits       always",
        "a close     buys 0.5, reduce-only, now at 101 USD",
    ]
    assert len(house.journal.events) == events
    unseen = replace(house.shared.snapshot(), quotes={})
    assert said != house.manager.by_hand.propose_adoption(wish, there, unseen)
    slip = replace(wish, price=Decimal(10_000))
    assert "mind        the venue's average is 100 USD" in house.manager.by_hand.propose_adoption(slip, there, unseen)
    assert "mind" not in house.manager.by_hand.propose_adoption(replace(wish, price=Decimal(21)), there, unseen)
    house.manager.bind("test", ())
    assert "none: only a person" in house.manager.by_hand.propose_adoption(wish, there, unseen)


THERE = Holding(symbol=CALL.symbol, shown=Decimal(-2), avg_price=Decimal(100))
WISH = Adoption(option=CALL, strategy="test")


@pytest.mark.parametrize(
    ("wish", "there", "why"),
    [
        (WISH, Holding(symbol=CALL.symbol, shown=Decimal(-2), ours=Decimal(-2)), "nothing there is others'"),
        (WISH, replace(THERE, symbol="ETHUSD-27MAR26-3000-C"), "nothing there is others'"),
        (replace(WISH, qty=Decimal(3)), THERE, "not between 0 and the 2"),
        (replace(WISH, qty=Decimal(0)), THERE, "not between 0"),
        (replace(WISH, qty=Decimal("0.015")), THERE, "whole number of lots"),
        (replace(WISH, price=Decimal(-1)), THERE, "no price of -1"),
        (WISH, replace(THERE, avg_price=None), "no average price"),
        (replace(WISH, strategy="nobody"), THERE, "nothing would watch it"),
        (replace(WISH, option=replace(CALL, expiry=EXPIRY - timedelta(days=40))), THERE, "it expired at"),
    ],
)
def test_l20_what_is_not_surely_others_or_cannot_be_managed_is_not_adopted(
    house: SharedHouse, wish: Adoption, there: Holding, why: str
) -> None:
    for ask in (
        lambda: house.manager.by_hand.adopt(wish, there),
        lambda: house.manager.by_hand.propose_adoption(wish, there, house.shared.snapshot()),
    ):
        with pytest.raises(RiskDenied, match=why):
            ask()
    assert house.manager.trades == ()


def test_what_would_net_against_a_trade_of_ours_is_not_adopted(house: SharedHouse) -> None:
    house.opened()
    long = Holding(symbol=CALL.symbol, shown=Decimal(2), avg_price=Decimal(100))
    with pytest.raises(RiskDenied, match="would net against"):
        house.manager.by_hand.adopt(WISH, long)


# ---- hand-over


def test_l41_handing_over_ends_the_trade_at_its_marks_and_touches_nothing_at_the_venue(house: SharedHouse) -> None:
    house.opened()
    house.tick(5)
    ended = house.manager.by_hand.hand_over(1, house.shared.snapshot(), "mine now")
    house.tick(60)
    assert (house.trade().state, ended.gross_profit, ended.result_known) == (S.HANDED_OVER, Decimal(0), True)
    assert len(house.venue.received) == 1
    assert venue_holds(house.venue) == {CALL.symbol: Decimal(-1)}
    assert house.standing() == [Difference.POSITION_OF_OTHERS]
    assert house.closed[0].state is S.HANDED_OVER


def test_what_was_handed_over_can_be_adopted_again(house: SharedHouse) -> None:
    house.opened()
    house.tick(5)
    house.manager.by_hand.hand_over(1, house.shared.snapshot(), "mine now")
    house.tick(60)
    there = house.reconciler.surplus(CALL.symbol, house.shared.snapshot())
    house.manager.by_hand.adopt(WISH, there)
    house.tick(60)
    assert ([trade.number for trade in house.manager.active], house.standing()) == ([2], [])


def test_a_quarantined_trade_can_be_handed_over(house: SharedHouse) -> None:
    house.opened()
    house.shared.others_hold("0.4")
    house.tick(60)
    assert house.trade().state is S.QUARANTINED
    house.manager.by_hand.hand_over(1, house.shared.snapshot(), "mine")
    assert house.trade().state is S.HANDED_OVER


def test_nothing_is_handed_over_while_an_order_is_out(house: SharedHouse) -> None:
    house.create(a_plan())
    house.tick(2)
    with pytest.raises(RiskDenied, match="is opening"):
        house.manager.by_hand.hand_over(1, house.shared.snapshot(), "mine")
    house.manager._quarantine(house.trade(), "odd")
    with pytest.raises(RiskDenied, match="orders out"):
        house.manager.by_hand.hand_over(1, house.shared.snapshot(), "mine")
    with pytest.raises(RiskDenied, match="orders out"):
        house.manager.by_hand.propose_hand_over(1, house.shared.snapshot())
    with pytest.raises(KeyError):
        house.manager.by_hand.hand_over(9, house.shared.snapshot(), "who")


def test_what_handing_over_would_do_is_told_and_not_done(house: SharedHouse) -> None:
    house.opened()
    house.tick(5)
    account = house.shared.snapshot()
    said = house.manager.by_hand.propose_hand_over(1, account)
    assert said.splitlines() == [
        "trade       test#1 open, ends as handed_over; no order is sent",
        "stays       at the venue, as others': no exit watches it, nothing here closes it",
        f"            -1 {CALL.symbol} at 100 USD",
        f"result      {-house.trade().fees:+.2f} USD at these marks, fees counted",
    ]
    assert house.journal.of(TradeHandedOver) == []
    blind = house.manager.by_hand.propose_hand_over(1, replace(account, quotes={}))
    assert "no known mark" in blind
    assert "result      unknown" in blind


def test_a_trade_that_was_handed_over_is_not_managed_again(house: SharedHouse) -> None:
    house.opened()
    house.manager.by_hand.hand_over(1, house.shared.snapshot(), "mine")
    with pytest.raises(InvalidTransition):
        house.manager.manage(1, "back")
    again = house.restart()
    again.tick(60)
    assert again.trade().state is S.HANDED_OVER
    assert len(again.venue.received) == 1
