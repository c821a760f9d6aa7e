"""A trade's life: what each event makes of it, and where its profit comes from."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from functools import reduce
from pathlib import Path

import pytest

from domain import Basis, Greeks, OptionType, Purpose, Side
from errors import InvalidTransition, InvariantBroken
from events import (
    CloseCompleted,
    CloseNotified,
    CloseRequested,
    CloseStarted,
    LegAdopted,
    LegSettled,
    OpenCompleted,
    OpenGivenUp,
    OpenStarted,
    PartKept,
    ProfitPeaked,
    TradeEvent,
    TradeHandedOver,
    TradeQuarantined,
    TradeReleased,
    TradeWrittenOff,
    UnwindStarted,
)
from trade_lifecycle import ENDED, TRANSITIONS, TradeLifecycle, TradeState, advance, diagram

from tests.fakes import START, a_fill, a_name, a_plan, a_quote, a_trade, an_account, an_option, filled

S = TradeState
STARTED, COMPLETED = OpenStarted(at=START, trade=1), OpenCompleted(at=START, trade=1)
WANTED, LEAVING, LEFT = (
    CloseRequested(at=START, trade=1, reason="target"),
    CloseStarted(at=START, trade=1),
    CloseCompleted(at=START, trade=1),
)
CLOSE = a_name(purpose=Purpose.CLOSE)
ARCHITECTURE = Path(__file__).resolve().parents[2] / "docs" / "architecture.md"


def after(*events: TradeEvent, trade: TradeLifecycle | None = None) -> TradeLifecycle:
    return reduce(advance, events, trade or a_trade())


def bought_back(qty: str = "1", price: str = "60", fill_id: str = "f2") -> TradeEvent:
    return filled(a_fill(qty, price, fill_id=fill_id, side=Side.BUY), CLOSE)


def opened() -> TradeLifecycle:
    return after(STARTED, filled(), COMPLETED)


def test_a_trade_goes_from_the_wish_to_its_end() -> None:
    states: list[TradeState] = []
    trade = a_trade()
    for event in (STARTED, filled(), COMPLETED, WANTED, LEAVING, bought_back(), LEFT, CloseNotified(at=START, trade=1)):
        trade = advance(trade, event)
        states.append(trade.state)
    assert states == [S.OPENING, S.OPENING, S.OPEN, S.PENDING_CLOSE, S.CLOSING, S.CLOSING, S.CLOSED, S.CLOSED]
    assert trade.notified
    assert trade.closed_at == START
    assert not trade.active
    assert trade.id == "test#1"


def test_the_same_fill_twice_is_the_same_trade() -> None:
    once = after(STARTED, filled())
    assert advance(once, filled()) == once


def test_every_state_but_an_end_takes_a_fill_and_an_end_takes_it_too() -> None:
    assert all(any(kind.__name__ == "LegFilled" for kind in row) for row in TRANSITIONS.values())


def test_l12_a_trade_cannot_fail_while_it_holds_something() -> None:
    with pytest.raises(InvariantBroken, match="yet holds"):
        after(STARTED, filled(a_fill("0.4")), OpenGivenUp(at=START, trade=1, reason="no fill"))


def test_l13_an_unwinding_trade_is_active_until_it_is_flat() -> None:
    unwinding = after(STARTED, filled(a_fill("0.4")), UnwindStarted(at=START, trade=1, reason="partner missing"))
    assert unwinding.active
    back = filled(a_fill("0.4", fill_id="f2"), a_name(purpose=Purpose.UNWIND))
    assert after(back, LEFT, trade=unwinding).state is S.FAILED


def test_l14_profit_and_remainder_come_from_all_partial_closes() -> None:
    trade = after(WANTED, LEAVING, bought_back("0.3", "110", "f2"), bought_back("0.2", "120", "f3"), trade=opened())
    assert trade.legs[0].held == Decimal("-0.5")
    assert trade.gross_profit == Decimal(100) - Decimal(33) - Decimal(24)


def test_l41_l44_the_result_is_from_fills_and_fees_gross_and_net() -> None:
    trade = after(WANTED, LEAVING, bought_back(), LEFT, trade=opened())
    assert (trade.gross_profit, trade.fees, trade.net_profit, trade.entry_cost) == tuple(map(Decimal, ("40", "0.6", "39.4", "-100")))


def test_l03_a_fill_after_the_end_is_booked_and_calls_a_person() -> None:
    trade = after(WANTED, LEAVING, bought_back(), LEFT, filled(a_fill("0.2", fill_id="late")), trade=opened())
    assert trade.state is S.QUARANTINED
    assert trade.active
    assert "late" in trade.reason


def test_l11_more_than_wanted_is_booked_and_calls_a_person() -> None:
    trade = after(STARTED, filled(), filled(a_fill("0.5", fill_id="f9")))
    assert trade.state is S.QUARANTINED
    assert trade.legs[0].excess == Decimal("0.5")


def test_an_overfilled_trade_can_be_closed_by_a_person() -> None:
    over = after(STARTED, filled(), filled(a_fill("0.5", fill_id="f9")))
    closed = after(WANTED, LEAVING, bought_back("0.5", fill_id="f10"), bought_back("1", fill_id="f11"), LEFT, trade=over)
    assert closed.state is S.CLOSED


def test_l01_giving_back_more_than_was_had_keeps_its_sign() -> None:
    trade = after(WANTED, LEAVING, bought_back("1.2"), trade=opened())
    assert trade.state is S.QUARANTINED
    assert trade.legs[0].held == Decimal("0.2")
    assert trade.legs[0].outstanding == Decimal("-0.2")


def test_l30_a_person_can_end_a_trade_that_was_closed_by_hand() -> None:
    gone = after(
        TradeQuarantined(at=START, trade=1, reason="short"), TradeWrittenOff(at=START, trade=1, reason="closed by hand"), trade=opened()
    )
    assert gone.state is S.CLOSED
    assert gone.flat
    assert gone.reason == "closed by hand"


def test_a_released_trade_is_managed_again_from_then_on() -> None:
    trade = after(STARTED, TradeQuarantined(at=START, trade=1, reason="odd"), TradeReleased(at=START, trade=1, reason="looked"))
    assert (trade.state, trade.opened_at) == (S.OPEN, START)


def handed_over(mark: str | None) -> TradeEvent:
    return TradeHandedOver(at=START, trade=1, reason="mine now", marks=(None if mark is None else Decimal(mark),))


def test_an_adopted_holding_is_an_open_trade_that_counts_from_the_price_given() -> None:
    trade = after(LegAdopted(at=START, trade=1, leg=0, qty=Decimal(1), price=Decimal(90)))
    assert (trade.state, trade.complete, trade.opened_at, trade.legs[0].held) == (S.OPEN, True, START, Decimal(-1))
    assert trade.entry_cost == -90
    assert after(WANTED, LEAVING, bought_back(), LEFT, trade=trade).gross_profit == 30


def test_adopting_more_than_wanted_calls_a_person() -> None:
    assert after(LegAdopted(at=START, trade=1, leg=0, qty=Decimal(2), price=Decimal(90))).state is S.QUARANTINED


def test_l41_a_trade_handed_over_ends_at_the_marks_of_that_moment_and_is_not_called_closed() -> None:
    trade = after(handed_over("80"), trade=opened())
    assert (trade.state, trade.flat, trade.active, trade.result_known) == (S.HANDED_OVER, True, False, True)
    assert (trade.gross_profit, trade.net_profit, trade.legs[0].handed_over) == (Decimal(20), Decimal("19.7"), Decimal(1))
    assert trade.reason == "mine now"


def test_l41_a_hand_over_without_a_mark_leaves_the_result_unknown_and_not_zero() -> None:
    assert not after(handed_over(None), trade=opened()).result_known
    assert after(handed_over("0"), trade=opened()).result_known


def test_a_quarantined_trade_can_be_handed_over_and_a_later_fill_calls_a_person_again() -> None:
    gone = after(TradeQuarantined(at=START, trade=1, reason="odd"), handed_over("80"), trade=opened())
    assert gone.state is S.HANDED_OVER
    assert after(filled(a_fill("0.2", fill_id="late")), trade=gone).state is S.QUARANTINED


@pytest.mark.parametrize("events", [(), (STARTED,), (STARTED, filled(), COMPLETED, WANTED)])
def test_what_is_being_traded_is_not_handed_over(events: Sequence[TradeEvent]) -> None:
    with pytest.raises(InvalidTransition):
        after(*events, handed_over("80"))


def test_a_trade_taken_back_before_its_first_order_has_failed_flat() -> None:
    assert after(WANTED).state is S.FAILED


def test_l33_an_expired_leg_is_booked_at_what_it_pays() -> None:
    settled = LegSettled(at=START, trade=1, leg=0, qty=Decimal(1), price=Decimal(71000), fee=Decimal(2))
    trade = after(settled, LEFT, trade=opened())
    assert trade.state is S.CLOSED
    assert trade.gross_profit == 100 - 1000
    assert trade.fees == Decimal("2.3")


def test_l33_an_option_that_expires_worthless_is_settled_and_not_missing() -> None:
    settled = LegSettled(at=START, trade=1, leg=0, qty=Decimal(1), price=Decimal(60000), fee=Decimal(0))
    ended = after(settled, trade=opened())
    assert (ended.gross_profit, ended.reason) == (Decimal(100), "settled at expiry")


def test_a_part_that_is_kept_is_open_and_not_complete() -> None:
    trade = after(STARTED, filled(a_fill("0.4")), PartKept(at=START, trade=1, reason="partner missing"))
    assert (trade.state, trade.complete, trade.flat) == (S.OPEN, False, False)


def test_a_second_reason_while_leaving_is_added_once() -> None:
    trade = after(WANTED, LEAVING, replace_reason("stop"), replace_reason("stop"), trade=opened())
    assert trade.reason == "target; stop"


def replace_reason(reason: str) -> CloseRequested:
    return CloseRequested(at=START, trade=1, reason=reason)


def test_an_event_without_a_row_changes_nothing_and_says_so() -> None:
    with pytest.raises(InvalidTransition, match="which has no row for CloseCompleted"):
        after(LEFT)


def test_the_highest_profit_is_remembered() -> None:
    assert after(ProfitPeaked(at=START, trade=1, profit=Decimal(12)), trade=opened()).peak_profit == 12


def test_l42_profit_can_be_valued_at_mark_or_at_what_leaving_would_cost() -> None:
    account = an_account(a_quote(bid="70", ask="90", mark="80"))
    assert opened().profit(account) == Decimal(100) - 80 - Decimal("0.3")
    assert opened().profit(account, Basis.EXECUTABLE) == Decimal(100) - 90 - Decimal("0.3")


@pytest.mark.parametrize("quotes", [[], [a_quote(mark=None)]])
def test_a_missing_price_is_no_profit_rather_than_zero(quotes: Sequence[object]) -> None:
    assert opened().profit(an_account(*quotes)) is None  # type: ignore[arg-type]


def test_a_price_of_zero_is_a_price() -> None:
    assert opened().profit(an_account(a_quote(mark="0"))) == Decimal("99.7")


def test_greeks_are_of_the_holding_signed() -> None:
    account = an_account(a_quote(delta=0.25))
    assert opened().greeks(account) == opened().leg_greeks(0, account) == Greeks(delta=-0.25)
    assert a_trade().greeks(an_account()) == Greeks()
    assert a_trade().profit(an_account()) == 0


def test_unknown_greeks_are_not_zero() -> None:
    blind = an_account(replace(a_quote(), greeks=None))
    assert opened().greeks(blind) is None
    assert opened().greeks(an_account()) is None


def test_l31_a_structure_knows_its_legs_apart() -> None:
    pair = a_trade(a_plan(), a_plan(an_option(60000, OptionType.PUT), Side.BUY, "2"))
    pair = after(STARTED, filled(a_fill("2", "10", side=Side.BUY), a_name(1)), trade=pair)
    assert [leg.held for leg in pair.legs] == [0, 2]
    assert pair.entry_cost == 20


def test_ended_states_have_no_way_out_but_a_late_fill() -> None:
    for state in ENDED:
        assert {kind.__name__ for kind in TRANSITIONS[state]} == {"LegFilled", "CloseNotified"}


def test_the_documented_diagram_is_the_table() -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8")
    shown = text.split("<!-- states: begin -->\n```mermaid\n")[1].split("\n```\n<!-- states: end -->")[0]
    assert shown == diagram(), "write trade_lifecycle.diagram() between the markers of docs/architecture.md"
