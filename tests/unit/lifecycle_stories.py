"""Stories of a trade's life: a pair of legs that is quoted, and the states of trades until they settle down."""

from domain import ExecutionParams, OptionType
from trade_lifecycle import TradeState

from tests.fakes import House, a_plan, an_option

PUT = an_option(60000, OptionType.PUT)
PAIR = (a_plan(), a_plan(PUT))
QUICK = ExecutionParams(fill_timeout_seconds=5, max_requote_rounds=2)


def states(house: House) -> list[TradeState]:
    return [trade.state for trade in house.manager.trades]


def settle_down(house: House, ticks: int = 40) -> None:
    for _ in range(ticks):
        house.tick()
        house.fill_all()


def a_house() -> House:
    """A house at whose venue both legs of a pair are quoted."""
    house = House()
    house.show(an_option(), PUT)
    return house
