"""Stories of one request for quotes: legs, a house whose makers answer, and how long it takes to end or to leave."""

from domain import RFQParams, Side
from events import LegPlan
from execution import Progress
from risk import RiskLimits

from tests.fakes import a_plan, an_option
from tests.unit.rfq_house import RFQHouse
from tests.unit.rfq_venue import Maker

BUY_CALL = a_plan(an_option(70000), Side.BUY)
SELL_CALL = a_plan(an_option(70000), Side.SELL)
BUY_HIGH = a_plan(an_option(75000), Side.BUY)
CREDIT_SPREAD = (SELL_CALL, BUY_HIGH)


def a_house(
    *legs: LegPlan,
    makers: tuple[Maker, ...] = (),
    rfq: RFQParams | None = None,
    close: bool = False,
    limits: RiskLimits | None = None,
) -> RFQHouse:
    house = RFQHouse(*(legs or (BUY_CALL,)), rfq=rfq, close=close, limits=limits)
    house.venue.makers = list(makers)
    return house


def ended(house: RFQHouse, most: int = 200) -> Progress:
    house.until(lambda: house.last.progress is not Progress.WORKING, most)
    return house.last.progress


def go(house: RFQHouse, seconds: int) -> None:
    """Let seconds pass in which everything but the execution looks."""
    for _ in range(seconds):
        house.look()
