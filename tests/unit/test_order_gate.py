"""What the gate gathers for its rules: the market's age, the orders of the last minute, the account's state, a person's word."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clock import SimulatedClock
from domain import NewOrder, OrderType, Purpose, Quote, Side, TradingState
from errors import RiskDenied
from events import OrderIntended
from order_gate import OrderGate, Sight
from order_ledger import OrderLedger, OrderRecord
from risk import PriceBand, RiskLimits
from trade_lifecycle import TradeLifecycle, advance

from tests.fakes import SECOND, START, a_fill, a_name, a_plan, a_quote, a_trade, an_option, an_order, filled

LIMITS = RiskLimits(max_per_minute=3, band=PriceBand(pct=Decimal(50), index_pct=Decimal("0.5")))
CLOSE = an_order(a_name(purpose=Purpose.CLOSE), side=Side.BUY)


def a_held_trade() -> TradeLifecycle:
    """A trade that is short one coin."""
    return advance(replace(a_trade(), state=a_trade().state.OPENING), filled(a_fill()))


@dataclass
class Door:
    """A gate with all that it sees in the hands of the test."""

    limits: RiskLimits = LIMITS
    quote: Quote | None = field(default_factory=a_quote)
    state: TradingState = TradingState.ACTIVE
    ordered: bool = False

    def __post_init__(self) -> None:
        self.clock = SimulatedClock(START)
        sight = Sight(quote=lambda _: self.quote, state=lambda: self.state, ordered=lambda _: self.ordered, max_age=timedelta(seconds=30))
        self.ledger = OrderLedger()
        self.gate = OrderGate(self.ledger, self.clock, self.limits, sight)

    def opens(self, order: NewOrder | None = None) -> None:
        """Ask for an opening order, and send it if it may go."""
        order = order or an_order(qty="0.1")
        self.gate.check(order, a_trade())
        self.gate.passed(order)

    def closes(self) -> None:
        """Ask for a closing order, and send it if it may go."""
        self.gate.check(CLOSE, a_held_trade())
        self.gate.passed(CLOSE)


def test_a_quote_that_is_too_old_is_no_quote() -> None:
    door = Door()
    door.clock.advance(timedelta(seconds=30))
    door.opens()

    door.clock.advance(SECOND)

    with pytest.raises(RiskDenied, match="neither a fresh mark"):
        door.opens()
    door.closes()


def test_a_fat_finger_never_passes_whoever_asks() -> None:
    with pytest.raises(RiskDenied, match="price band"):
        Door().opens(an_order(price="40"))


def test_asking_is_not_sending_and_uses_up_no_budget() -> None:
    door = Door()

    for _ in range(9):
        door.gate.check(an_order(), a_trade())

    door.opens()


def test_the_budget_slides_with_the_market_s_minute() -> None:
    door = Door()
    for _ in range(3):
        door.opens()
        door.clock.advance(10 * SECOND)
    door.quote = a_quote(at=door.clock.now())

    door.clock.advance(29 * SECOND)  # the first is 59 s old
    with pytest.raises(RiskDenied, match="3 opening orders within the last minute, the budget is 3"):
        door.opens()
    door.clock.advance(SECOND)

    door.opens()
    with pytest.raises(RiskDenied, match="budget"):
        door.opens()


def test_l10_closes_neither_use_the_budget_nor_ask_for_it() -> None:
    door = Door()
    for _ in range(9):
        door.closes()
    for _ in range(3):
        door.opens()

    door.closes()


def test_a_block_counts_once_whatever_its_legs() -> None:
    door = Door()
    block = [replace(an_order(a_name(leg)), order_type=OrderType.BLOCK_TRADE) for leg in range(4)]

    door.gate.passed(*block)
    door.opens()
    door.opens()

    with pytest.raises(RiskDenied, match="3 opening orders"):
        door.opens()


def test_a_restart_does_not_renew_the_budget() -> None:
    door = Door()
    sent = [OrderIntended(at=START - n * 20 * SECOND, order="", new=an_order(a_name(attempt=n + 1))) for n in range(4)]
    closes = [OrderIntended(at=START, order="", new=CLOSE) for _ in range(5)]

    door.gate.restore([*sent, *closes])  # of 0, 20, 40 and 60 seconds ago

    with pytest.raises(RiskDenied, match="3 opening orders"):
        door.opens()
    door.clock.advance(20 * SECOND)
    door.opens()


@pytest.mark.parametrize("state", TradingState)
def test_openings_that_work_are_to_be_taken_back_unless_the_account_is_active(state: TradingState) -> None:
    door = Door(state=state)
    for order in (an_order(), CLOSE, replace(an_order(a_name(1)), order_type=OrderType.BLOCK_TRADE)):
        door.ledger.put(OrderRecord(new=order, sent_at=START))

    assert door.gate.openings_out() == (() if state is TradingState.ACTIVE else (a_name(),))


def test_a_halt_lets_through_what_a_person_ordered() -> None:
    door = Door(state=TradingState.HALTED)
    with pytest.raises(RiskDenied, match="only what a person orders"):
        door.closes()

    door.ordered = True

    door.closes()


def test_a_block_is_measured_whole_by_fresh_quotes_only() -> None:
    door = Door()
    block = [replace(an_order(price="40"), order_type=OrderType.BLOCK_TRADE)]
    with pytest.raises(RiskDenied, match="worse than the book's best prices together"):
        door.gate.check_block(block)

    door.clock.advance(31 * SECOND)

    with pytest.raises(RiskDenied, match="neither"):
        door.gate.check_block(block)


class Asker:
    """Sends whatever the gate lets out, through every state that rules and people can put the account into."""

    def __init__(self) -> None:
        self.door = Door(limits=replace(LIMITS, max_per_minute=10))
        self.opened_in: list[TradingState] = []
        self.refused_closes: list[str] = []

    def act(self, what: str) -> None:
        """Change the state, let time pass, or try an order."""
        door = self.door
        match what:
            case "time":
                door.clock.advance(7 * SECOND)
            case "quote" | "blind":
                door.quote = a_quote(at=door.clock.now()) if what == "quote" else None
            case "ordered":
                door.ordered = not door.ordered
            case "open" | "close":
                self._send(what)
            case _:
                door.state = TradingState(what)

    def _send(self, what: str) -> None:
        try:
            self.door.opens() if what == "open" else self.door.closes()
        except RiskDenied as no:
            if what == "close":
                self.refused_closes.append(f"{self.door.state} ordered={self.door.ordered}: {no}")
            return
        if what == "open":
            self.opened_in.append(self.door.state)


@given(st.lists(st.sampled_from(["open", "open", "close", "time", "quote", "blind", "ordered", *TradingState]), max_size=60))
def test_no_sequence_of_answers_opens_outside_active_or_keeps_a_close_in(acts: list[str]) -> None:
    asker = Asker()

    for act in acts:
        asker.act(act)

    assert set(asker.opened_in) <= {TradingState.ACTIVE}
    assert all(said.startswith("halted ordered=False") for said in asker.refused_closes)


def test_the_leg_that_is_asked_for_is_the_one_whose_quote_is_seen() -> None:
    door, wing = Door(), an_option(75000)
    quotes = {wing.symbol: a_quote(wing)}
    gate = OrderGate(OrderLedger(), door.clock, LIMITS, Sight(quote=quotes.get))
    trade = a_trade(a_plan(), a_plan(wing))

    gate.check(an_order(a_name(1), wing), trade)

    with pytest.raises(RiskDenied, match="neither"):
        gate.check(an_order(a_name(0)), trade)
