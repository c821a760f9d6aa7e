"""Stories of one block: a call spread put to makers, up to the moment at which the accept has just gone out."""

from domain import Side

from tests.fakes import a_plan, an_option
from tests.unit.rfq_house import RFQHouse
from tests.unit.rfq_venue import Maker

CALL = a_plan(an_option(70000), Side.BUY)
HIGH = a_plan(an_option(75000), Side.SELL)


def a_house(*, makers: int = 2, close: bool = False) -> RFQHouse:
    """A call spread, and makers who sell it cheaper than the book does."""
    house = RFQHouse(CALL, HIGH, close=close)
    house.venue.makers = [Maker(("100.5", "100"), against=True)] * makers
    return house


def accepted(house: RFQHouse) -> RFQHouse:
    """Go to the moment at which the accept has just gone out and its answer is on the way."""
    house.until(lambda: house.venue.accepts)
    return house
