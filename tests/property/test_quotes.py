"""Whatever happens to our quotes, in whatever order: once all is well again the books are the venue's, and nothing of ours stands."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from domain import TradingState
from domain.quoting import QuoteLimits, QuotingPolicy, RequestFilter, Width
from errors import ExchangeUnavailable
from trade_lifecycle import TradeState

from tests.unit.maker_house import PUT, MakerHouse
from tests.unit.maker_venue import CALL, EXISTS, HIGH, a_leg

POLICY = QuotingPolicy(
    name="maker",
    width=Width(vol_points=0.5, per_coin=Decimal(1)),
    limits=QuoteLimits(max_open_quotes=4, per_underlying=Decimal(4)),
    requests=RequestFilter(sides="sell"),
    quote_life_seconds=20,
)
UNAVAILABLE = ExchangeUnavailable("fake", "quote", "connection refused")


def take(house: MakerHouse) -> None:
    """Let the first taker who can accept what stands."""
    for name in house.venue.board:
        if house.venue.open_on(name):
            house.venue.take(name)
            return


def over(house: MakerHouse) -> None:
    """End the oldest open request."""
    name = next((name for name, each in house.venue.board.items() if not each.status.final), None)
    if name is not None:
        house.venue.over(name)


def switch(name: str, value: object) -> Callable[[MakerHouse], object]:
    return lambda house: setattr(house.venue, name, value)


STEPS: dict[str, Callable[[MakerHouse], object]] = {
    "ask for a call": lambda house: house.venue.ask(),
    "ask for a strangle": lambda house: house.venue.ask(a_leg(HIGH), a_leg(PUT)),
    "take": take,
    "over": over,
    "move up": lambda house: house.market.show(CALL, "1050"),
    "move down": lambda house: house.market.show(CALL, "950"),
    "stale": lambda house: setattr(house.market, "stale", True),
    "fresh": lambda house: setattr(house.market, "stale", False),
    "halt": lambda house: setattr(house, "state", TradingState.HALTED),
    "go on": lambda house: setattr(house, "state", TradingState.ACTIVE),
    "lose a quote that did not arrive": switch("lose_quote", "before"),
    "lose the answer to a quote": switch("lose_quote", "after"),
    "let a quote arrive late": switch("lose_quote", "late"),
    "land": lambda house: house.venue.land(),
    "refuse a quote": switch("refuse_quote", EXISTS),
    "send no quote": switch("refuse_quote", UNAVAILABLE),
    "take in a cancel": switch("take_in_cancel", True),
    "answer a cancel too early": switch("slow_cancel", True),
    "lose a cancel": switch("cancel_fails", 2),
    "lose the answer to a cancel": switch("cancel_lost", 2),
    "fail to tell": switch("find_fails", 4),
    "hide quotes": switch("hide_quotes", True),
    "hide blocks": switch("hide_blocks", True),
    "show quotes": switch("hide_quotes", False),
    "show blocks": switch("hide_blocks", False),
    "wait a minute": lambda house: house.clock.advance(timedelta(minutes=1)),
}


def healed(house: MakerHouse) -> MakerHouse:
    """Let everything go well, and nothing new begin, until all is known."""
    venue = house.venue
    venue.lose_quote, venue.refuse_quote = "", None
    venue.take_in_cancel = venue.slow_cancel = venue.hide_quotes = venue.hide_blocks = False
    venue.cancel_fails = venue.cancel_lost = venue.find_fails = 0
    house.state = TradingState.HALTED
    for _ in range(12):
        house.tick(4)
        house.clock.advance(timedelta(minutes=1))
    return house.tick(5)


@settings(max_examples=120, deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from([*STEPS, "die"]), st.integers(0, 4)), min_size=5, max_size=40))
def test_no_sequence_of_faults_makes_the_books_wrong_or_leaves_a_quote_behind(steps: list[tuple[str, int]]) -> None:
    house = MakerHouse(POLICY)
    house.venue.ask()
    house.tick(3)
    for name, seconds in steps:
        if name == "die":
            house = house.restart()
        else:
            STEPS[name](house)
        house.tick(seconds)
        assert house.venue.most_open <= 1
    house = healed(house)
    assert house.books_agree()
    assert house.standing == []
    assert house.executor.ledger.live() == ()
    assert house.lifecycle.failures == 0
    held = {trade.number for trade in house.lifecycle.trades if any(leg.opened != 0 for leg in trade.legs)}
    assert len(held) == len(house.venue.blocks)
    assert {trade.state for trade in house.lifecycle.trades} <= {TradeState.OPEN, TradeState.FAILED}
