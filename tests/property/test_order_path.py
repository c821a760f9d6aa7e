"""The whole order path against a venue that loses, delays, refuses and repeats, with the journal failing and the process dying."""

import contextlib
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from domain import ZERO, ExecutionParams, LeggingPolicy, OptionType, Purpose, Remedy, Side
from errors import ExchangeUnavailable, InsufficientMargin, InvalidTransition, JournalError, PriceRejected, RateLimited
from events import LegPlan
from trade_lifecycle import ENDED, TradeState

from tests.fakes import House, a_plan, an_option, books_hold, venue_holds

CALL, PUT, WING = an_option(70000), an_option(60000, OptionType.PUT), an_option(75000)
LEGS = (a_plan(CALL, Side.SELL, "0.1"), a_plan(PUT, Side.SELL, "0.3"))
STRUCTURES = [LEGS, (a_plan(CALL, Side.SELL, "0.2"), a_plan(WING, Side.BUY, "0.1"))]
LAST = [(Remedy.CROSS, Remedy.UNWIND), (Remedy.HOLD,)]
PARAMS = [ExecutionParams(legging=LeggingPolicy(remedies=remedies)) for remedies in LAST]

Act = Callable[["House", int], None]


def _fill(house: House, which: int) -> None:
    names = [name for name, order in house.venue.orders.items() if not order.status.final]
    if names:
        house.venue.execute(names[which % len(names)], Decimal(1 + which % 7) / 100)


def _hide(house: House, which: int) -> None:
    """Deny an order for one or two answers, once: a third in a row would be believed, as it must be."""
    names = [name for name, order in house.venue.orders.items() if not order.status.final and name not in house.venue.denied]
    if names:
        house.venue.hide(names[which % len(names)], 1 + which % 2)


def _close(house: House, which: int) -> None:
    for trade in house.manager.active[: 1 + which % 2]:
        with contextlib.suppress(JournalError, InvalidTransition):
            house.manager.force_close(trade.number, "a person")


def _create(house: House, which: int) -> None:
    if len(house.manager.trades) < 3:
        with contextlib.suppress(JournalError):
            house.create(*STRUCTURES[which // 2 % 2], params=PARAMS[which % 2])


def _move(house: House, which: int) -> None:
    mid = 100 + which % 9 - 4
    house.show(CALL, PUT, WING, bid=str(mid - 1), ask=str(mid + 1))


def _refuse(house: House, which: int) -> None:
    kinds = (ExchangeUnavailable, RateLimited, InsufficientMargin, PriceRejected)
    house.venue.refuse = kinds[which % 4]("fake", "write", "no")


def _set(name: str, value: object = True) -> Act:
    return lambda house, which: setattr(house.venue, name, value)


def _journal(house: House, which: int) -> None:
    house.journal.fail_next = 1 + which % 4


ACTS: dict[str, Act] = {
    "fill": _fill,
    "fill more": _fill,
    "close": _close,
    "close again": _close,
    "create": _create,
    "move": _move,
    "lose reply": _set("lose_reply"),
    "drop": _set("drop"),
    "refuse": _refuse,
    "partial": lambda house, which: setattr(house.venue, "partial", Decimal(1 + which % 5) / 100),
    "fill in cancel": lambda house, which: setattr(house.venue, "fill_in_cancel", Decimal(1 + which % 20) / 100),
    "slow cancel": _set("slow_cancel"),
    "finish cancels": lambda house, which: house.venue.finish_cancels(),
    "duplicates": _set("duplicate_rows"),
    "reads fail": lambda house, which: setattr(house.venue, "reads_fail", which % 2 == 0),
    "writes fail": lambda house, which: setattr(house.venue, "writes_fail", which % 2 == 0),
    "lag orders": lambda house, which: house.venue.lag_orders(on=which % 2 == 0),
    "lag trades": lambda house, which: house.venue.lag_trades(on=which % 2 == 0),
    "hide": _hide,
    "journal": _journal,
    "heal": lambda house, which: house.venue.heal(),
    "wait": lambda house, which: house.tick(3, every=timedelta(seconds=1 + which * 3)),
    "jump": lambda house, which: house.tick(every=timedelta(hours=1)),
}
STEPS = st.lists(st.tuples(st.sampled_from(sorted(ACTS)), st.integers(0, 20), st.integers(0, 2)), min_size=5, max_size=60)


def laws(house: House) -> None:
    """What must hold whatever happens, measured at the venue and in our books."""
    laws_of_legging(house)
    names = Counter(str(order.client_id) for order in house.venue.received)
    assert max(names.values(), default=0) <= 1, f"sent twice: {names.most_common(1)}"
    for trade in house.manager.trades:
        for index, leg in enumerate(trade.legs):
            opened = house.venue.executed(trade.number, index, Purpose.OPEN)
            closed = sum((house.venue.executed(trade.number, index, p) for p in (Purpose.CLOSE, Purpose.UNWIND)), ZERO)
            resting = sum(
                (
                    order.new.qty - order.filled
                    for name, order in house.venue.orders.items()
                    if (name.trade, name.leg, name.purpose) == (trade.number, index, Purpose.OPEN) and not order.status.final
                ),
                ZERO,
            )
            assert opened + resting <= leg.target, f"leg {index} of {trade.id}: {opened} filled and {resting} resting of {leg.target}"
            assert closed <= opened, f"leg {index} of {trade.id} was closed beyond what it had"
            assert leg.opened + _open_working(house, trade.number, index) <= leg.target
            assert leg.opened <= opened, "a fill that never happened is booked"
            if trade.state in ENDED:
                assert opened == closed, f"{trade.id} is {trade.state} and the venue still holds {opened - closed} of leg {index}"


def laws_of_legging(house: House) -> None:
    """Sold legs never run ahead of the bought legs that cover them, measured at the venue."""
    for trade in house.manager.trades:
        sent = {leg: _opened_and_resting(house, trade.number, leg) for leg in range(len(trade.legs))}
        for index, leg in enumerate(trade.legs):
            bought = [other for other in enumerate(trade.legs) if other[1].side is Side.BUY]
            if leg.side is Side.SELL and bought:
                covered = min(leg.target * house.venue.executed(trade.number, n, Purpose.OPEN) / other.target for n, other in bought)
                assert sent[index] <= covered, f"{sent[index]} of leg {index} of {trade.id} sold, {covered} covered"


def _opened_and_resting(house: House, trade: int, leg: int) -> Decimal:
    orders = [order for name, order in house.venue.orders.items() if (name.trade, name.leg, name.purpose) == (trade, leg, Purpose.OPEN)]
    return sum((order.filled if order.status.final else order.new.qty for order in orders), ZERO)


def _open_working(house: House, trade: int, leg: int) -> Decimal:
    return sum((record.working for record in house.executor.ledger.of(trade, leg, Purpose.OPEN)), ZERO)


def come_to_rest(house: House) -> None:
    """Faults stop, time passes, the market trades."""
    house.venue.heal()
    house.journal.fail_next, house.journal.failing = 0, False
    for _ in range(80):
        house.tick(every=timedelta(seconds=4))
        house.fill_all()
        laws(house)
    for trade in house.manager.trades:
        assert trade.state in ENDED | {TradeState.OPEN}, f"{trade.id} is {trade.state}: {trade.reason}"
        assert trade.state is not TradeState.OPEN or trade.complete or Remedy.HOLD in trade.params.legging.remedies
    assert books_hold(house.manager.trades) == venue_holds(house.venue)
    assert all(number == 1 for number in Counter(trade.number for trade in house.closed).values())
    assert not house.executor.ledger.live()
    assert house.manager.failures == 0


def start(legs: tuple[LegPlan, ...], *, is_open: bool) -> House:
    house = House()
    house.show(CALL, PUT, WING)
    if is_open:
        house.opened(*legs)
    else:
        house.create(*legs)
    return house


@settings(max_examples=100)
@given(STEPS, st.sampled_from(STRUCTURES), st.booleans())
def test_every_fault_comes_to_rest_with_the_books_equal_to_the_venue(
    steps: list[tuple[str, int, int]], legs: tuple[LegPlan, ...], is_open: bool
) -> None:
    house = start(legs, is_open=is_open)
    for act, which, ticks in steps:
        ACTS[act](house, which)
        laws(house)
        for _ in range(ticks):
            house.tick()
            laws(house)
    come_to_rest(house)


@settings(max_examples=100)
@given(STEPS, st.sets(st.integers(0, 60), max_size=4), st.sampled_from(STRUCTURES), st.booleans())
def test_a_crash_anywhere_comes_to_rest_the_same(
    steps: list[tuple[str, int, int]], crashes: set[int], legs: tuple[LegPlan, ...], is_open: bool
) -> None:
    house = start(legs, is_open=is_open)
    for count, (act, which, ticks) in enumerate(steps):
        ACTS[act](house, which)
        for _ in range(ticks):
            house.tick()
            laws(house)
        if count in crashes:
            house = house.restart()
            laws(house)
    come_to_rest(house)
