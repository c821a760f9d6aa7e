"""Stories of one order on the real order path: sent, looked after time after time, and read in the ledger."""

from datetime import timedelta

from order_ledger import OrderRecord

from tests.fakes import SECOND, House, a_name, an_order

NAME = a_name()


def send(house: House, qty: str = "1") -> None:
    house.executor.submit(an_order(qty=qty), house.trade())


def go(house: House, times: int = 1, every: timedelta = SECOND) -> None:
    """Let the executor alone look, time after time."""
    for _ in range(times):
        house.clock.advance(every)
        house.inbox.drain()
        house.executor.step(house.clock.now())
        house.inbox.drain()


def record(house: House) -> OrderRecord:
    found = house.executor.ledger.get(NAME)
    assert found is not None
    return found


def a_house() -> House:
    """A house with one trade, of which nothing is sent yet."""
    house = House()
    house.create()
    return house
