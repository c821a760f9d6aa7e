"""An offer that the venue took and then does not know: it is looked for until it cannot stand any more, and then a person is called."""

from decimal import Decimal

from domain.quoting import QuotingPolicy, Width
from events import BlockQuoteEnded

from tests.unit.maker_house import MakerHouse


def test_a_quote_that_the_venue_took_and_does_not_know_any_more_calls_a_person_and_is_given_up_late() -> None:
    house = MakerHouse(QuotingPolicy(name="maker", width=Width(vol_points=0.5), min_edge_per_coin=Decimal(0)))
    house.venue.ask()
    house.until(lambda: house.standing)

    house.venue.hide_quotes = True
    house.tick(120)
    assert house.alerts.about("quote vanished 1") == []  # lists may lag
    house.until(lambda: house.alerts.about("quote vanished 1"), most=3600)

    assert [event.outcome for event in house.journal.of(BlockQuoteEnded) if isinstance(event, BlockQuoteEnded)] == ["absent"]
