"""What rehearsals of guards share: what reached the exchange, what was called out, and the words that a person may leave for the daemon."""

from collections.abc import Iterable
from decimal import Decimal

from control import Command, ControlBox, Verb

from tests.rehearsal.abroad import CALL, Plan, World
from tests.rehearsal.other_books import SELL, Arrival, Order
from tests.rehearsal.other_server import Fault, Kind
from tests.rehearsal.stage import LONG

NEVER = "lambda account: False"
CERTAIN = 5.5  # a difference is believed when two comparisons five seconds apart have seen it
A_WHILE = 1.0  # how long a daemon is watched for what must not come
FOR_GOOD = 100_000


def arrived(world: World) -> list[Arrival]:
    """Return the orders that have reached the exchange."""
    return list(world.exchange.ledger.arrivals)


def told(world: World, cause: str, within: float = LONG) -> str:
    """Wait for the alert of a cause; return its line."""
    return world.trader.hear(f"cause={cause}", within=within)[0]


def ordered(world: World, verb: Verb, target: str = "") -> str:
    """Give it a command by the file that the command line would leave; return what it answered."""
    box = ControlBox(world.trader.state)
    answer = box.wait(box.put(Command(verb=verb, target=target)), LONG)
    assert answer is not None
    assert answer.done, answer.said
    return answer.said


def opened(world: World, plan: Plan) -> None:
    """Start the daemon and wait until its trade is open."""
    world.trader.begin(plan)
    world.trader.hear("trade open id", within=LONG)


def rested(world: World, plan: Plan) -> list[Order]:
    """Start the daemon where nothing fills; return both its orders once they rest."""
    world.exchange.generous = False
    world.trader.begin(plan)
    world.wait(lambda exchange: len(exchange.working()) == 2, "both legs rest")
    return world.exchange.working()


def a_stranger(world: World) -> Order:
    """Rest an order of somebody else's on the account."""
    return world.exchange.foreign_order(CALL, SELL, Decimal("0.07"), Decimal(5000))


def unavailable(world: World, *paths: str) -> None:
    """Let these parts of paths be answered with 503 until the faults are cleared."""
    world.server.plan(*(Fault(Kind.STATUS, path, code=503, times=FOR_GOOD) for path in paths))


def sides(arrivals: Iterable[Arrival]) -> list[str]:
    """Say of each order whether it opens or closes."""
    return ["closes" if one.reduce_only else "opens" for one in arrivals]


def tightened(world: World, *symbols: str) -> None:
    """Quote options so narrowly that a strategy which enters by `spread_below(1)` does; until then it is 2 %."""
    for symbol in symbols:
        world.exchange.quote(symbol, 999, 1001)


def enters_again(world: World, before: int) -> None:
    """Wait until more orders have arrived than before."""
    world.wait(lambda exchange: len(exchange.ledger.arrivals) > before, "it trades again")
