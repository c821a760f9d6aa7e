"""Random walks over the transition table: the next event is drawn from the row of the state the trade is in."""

from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import ZERO, OptionType, Purpose, Side
from errors import InvalidTransition, InvariantBroken
from events import (
    AnyTradeEvent,
    CloseCompleted,
    CloseNotified,
    CloseRequested,
    CloseStarted,
    LegAdopted,
    LegFilled,
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
from trade_lifecycle import FLAT, TRANSITIONS, TradeLifecycle, TradeState, advance, created

from tests.fakes import START, a_created, a_fill, a_name, a_plan, an_option

BEGUN = a_created(a_plan(an_option(70000), Side.SELL, "0.3"), a_plan(an_option(60000, OptionType.PUT), Side.BUY, "0.2"))
DECODER = msgspec.json.Decoder(AnyTradeEvent)

PLAIN = (OpenStarted, OpenCompleted, CloseStarted, CloseCompleted, CloseNotified)
REASONED = (OpenGivenUp, UnwindStarted, PartKept, CloseRequested, TradeQuarantined, TradeReleased, TradeWrittenOff)


def an_event(kind: type[TradeEvent], trade: TradeLifecycle, data: st.DataObject, count: int) -> TradeEvent:
    """An event of a kind that could befall the trade now."""
    at = START + timedelta(seconds=count)
    draw = data.draw
    leg = draw(st.integers(0, len(trade.legs) - 1))
    if kind is LegFilled:
        opening = trade.state in (TradeState.OPENING, TradeState.PENDING_OPEN, TradeState.OPEN)
        purpose = draw(st.sampled_from([Purpose.OPEN] * 3 + [Purpose.CLOSE] if opening else [Purpose.CLOSE] * 3 + [Purpose.OPEN]))
        one = trade.legs[leg]
        room = one.target - one.opened if purpose is Purpose.OPEN else one.outstanding
        qty = draw(st.sampled_from([room, Decimal("0.1"), Decimal("0.05")])) if room > 0 else Decimal("0.05")
        fill = a_fill(str(qty), draw(st.sampled_from(["0", "100", "250.5"])), fill_id=f"f{draw(st.integers(0, count))}", at=at)
        return LegFilled(at=at, trade=1, leg=leg, order=str(a_name(leg, purpose)), fill=fill)
    if kind is LegSettled:
        return LegSettled(at=at, trade=1, leg=leg, qty=max(trade.legs[leg].outstanding, ZERO), price=Decimal(65000), fee=Decimal("0.1"))
    if kind is LegAdopted:
        return LegAdopted(at=at, trade=1, leg=leg, qty=trade.legs[leg].target, price=draw(st.sampled_from([ZERO, Decimal("99.5")])))
    if kind is TradeHandedOver:
        marks = tuple(draw(st.sampled_from([None, ZERO, Decimal("80.5")])) for _ in trade.legs)
        return TradeHandedOver(at=at, trade=1, reason="his", marks=marks)
    return a_plain_event(kind, at, count, urgent=draw(st.booleans()))


def a_plain_event(kind: type[TradeEvent], at: datetime, count: int, *, urgent: bool) -> TradeEvent:
    """An event that says nothing of a leg."""
    if kind is ProfitPeaked:
        return ProfitPeaked(at=at, trade=1, profit=Decimal(count))
    plain = next((each for each in PLAIN if each is kind), None)
    if plain is not None:
        return plain(at=at, trade=1)
    if kind is CloseRequested:
        return CloseRequested(at=at, trade=1, reason=f"reason {count}", urgent=urgent)
    return next(each for each in REASONED if each is kind)(at=at, trade=1, reason=f"reason {count}")


@settings(max_examples=500)
@given(st.data())
def test_no_walk_over_the_table_loses_sight_of_an_exposure(data: st.DataObject) -> None:
    trade, journal = created(BEGUN), [msgspec.json.encode(BEGUN)]
    for count in range(data.draw(st.integers(1, 25))):
        kinds = sorted(TRANSITIONS[trade.state], key=lambda kind: kind.__name__)
        event = an_event(data.draw(st.sampled_from(kinds)), trade, data, count)
        try:
            after = advance(trade, event)
        except InvariantBroken:
            assert type(event) is not LegFilled, "a fill is never refused"
            continue
        journal.append(msgspec.json.encode(event))
        assert after.state not in FLAT or after.flat
        if isinstance(event, TradeHandedOver):
            worth = [None if mark is None else leg.held * mark for leg, mark in zip(trade.legs, event.marks, strict=True)]
            assert after.gross_profit == trade.gross_profit + sum((each for each in worth if each is not None), ZERO)
            for old, new, mark in zip(trade.legs, after.legs, event.marks, strict=True):
                assert new.unvalued == old.unvalued + (old.outstanding if mark is None else ZERO)
        assert after.urgent or not trade.urgent, "what cannot wait stays so"
        assert after.urgent or not (isinstance(event, CloseRequested) and event.urgent)
        assert not (isinstance(event, LegFilled) and advance(after, event) != after), "the same fill twice is the same trade"
        assert sum((leg.opened for leg in after.legs), ZERO) >= sum((leg.opened for leg in trade.legs), ZERO)
        if any(new.excess > old.excess for new, old in zip(after.legs, trade.legs, strict=True)):
            assert after.state is TradeState.QUARANTINED
        trade = after
    assert replayed(journal) == trade


def replayed(journal: list[bytes]) -> TradeLifecycle:
    """The trade as its journalled events make it."""
    trade = created(BEGUN)
    for line in journal[1:]:
        trade = advance(trade, DECODER.decode(line))
    return trade


@given(st.sampled_from(TradeState), st.sampled_from([*PLAIN, *REASONED]))
def test_what_has_no_row_is_refused_and_changes_nothing(state: TradeState, kind: type[TradeEvent]) -> None:
    trade = created(BEGUN)
    object.__setattr__(trade, "state", state)
    event = kind(at=START, trade=1) if kind in PLAIN else kind(at=START, trade=1, reason="r")  # type: ignore[call-arg]
    if kind in TRANSITIONS[state]:
        assert advance(trade, event).state is TRANSITIONS[state][kind]
    else:
        try:
            advance(trade, event)
        except InvalidTransition as error:
            assert (error.state, error.event) == (state, kind.__name__)
        else:
            raise AssertionError(f"{kind.__name__} was taken in {state}")
