"""Stories of a maker: a policy, a house with one request on it, and what must be well at the end of each."""

from dataclasses import replace
from decimal import Decimal

from domain.quoting import QuotingPolicy, Width
from events import BlockQuoteEnded

from tests.unit.maker_house import MakerHouse

# Half a vol point of a vega of 20 USD: ten USD a coin, offered at 1010.
TEN = Width(vol_points=0.5, per_coin=Decimal(1), size_add_pct=0)
PLAIN = QuotingPolicy(name="maker", width=TEN, min_edge_per_coin=Decimal(0), fee_pct=Decimal(0))


def a_policy(**changed: object) -> QuotingPolicy:
    return replace(PLAIN, **changed)  # type: ignore[arg-type]


def a_house(**changed: object) -> MakerHouse:
    """One request for a call, and a maker who answers."""
    house = MakerHouse(a_policy(**changed))
    house.venue.ask()
    return house


def quoted(house: MakerHouse | None = None) -> MakerHouse:
    """Go to the moment at which an answer stands."""
    house = house or a_house()
    return house.until(lambda: house.standing)


def ended(house: MakerHouse) -> list[tuple[str, str]]:
    """How each quote ended, and why."""
    return [(event.outcome, event.reason) for event in house.journal.of(BlockQuoteEnded) if isinstance(event, BlockQuoteEnded)]


def all_well(house: MakerHouse) -> None:
    """Nothing of ours is at the venue that our books do not hold, and at most one quote ever stood on a request."""
    assert house.books_agree()
    assert house.venue.most_open <= 1
    assert house.lifecycle.failures == 0, house.alerts.raised
    assert not house.alerts.about("block")
