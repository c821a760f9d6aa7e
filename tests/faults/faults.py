"""What goes wrong in a run, by name: on the wire, inside the exchange, on the disk, on the clock. Each strikes once and heals by itself.

What heals undoes what it did itself and nothing else, so that several can last at the same time.
"""

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from paper.rules import Faults, OrderState

from tests.faults.pushes import Mood
from tests.faults.wire import LISTS, WRITES, Kind, Wrong

if TYPE_CHECKING:
    from tests.faults.world import World

NONE = "none"
_MODES = frozenset({"limit", "rfq", "smart", "auto"})
_ORDERING, _ASKING = frozenset({"create", "cancel"}), frozenset({"request", "accept", "withdraw", "quotes"})
_ACCOUNT = frozenset({"account", "positions"})
_QUERIES = frozenset({"order", "open orders", "fills", "order history"})


def nothing(_: "World") -> None:
    """Nothing goes wrong, or nothing is to be undone."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, and for how long, seconds; 0 where it is over with the request that it meets."""

    name: str
    strike: Callable[["World"], None]
    lasts: float = 0.0
    modes: frozenset[str] = _MODES
    streams: bool = False  # whether it is one of the streams, which must then be there
    heal: Callable[["World"], None] = field(default=nothing)


def _on_write(name: str, wrong: Wrong) -> list[Fault]:
    """Return the fault on the next write that changes an order, and the same on makers, for modes that ask them."""

    def strike_with(calls: frozenset[str]) -> Callable[["World"], None]:
        return lambda world: world.wire.wrongs.append(replace(wrong, calls=calls))

    asking = frozenset({"rfq", "auto"})
    return [
        Fault(f"{name} create", strike_with(frozenset({"create"}))),
        Fault(f"{name} cancel", strike_with(frozenset({"cancel"}))),
        Fault(f"{name} request", strike_with(frozenset({"request"})), modes=asking),
        Fault(f"{name} accept", strike_with(frozenset({"accept"})), modes=asking),
    ]


def _weather(name: str, lasts: float, wrong: Wrong) -> Fault:
    """Return a fault that meets every request of its calls while it lasts."""
    lasting = replace(wrong, count=0)
    return Fault(name, lambda world: world.wire.wrongs.append(replace(lasting)), lasts, heal=lambda world: world.wire.lift(lasting))


def _engine(name: str, lasts: float, modes: frozenset[str] = _MODES, **menu: Any) -> Fault:
    """Return a fault of the exchange itself, for our account."""

    def strike(world: "World") -> None:
        faults = world.exchange.engine.faults.setdefault(world.user, Faults())
        for each, value in menu.items():
            setattr(faults, each, copy(value))

    def heal(world: "World") -> None:
        faults, usual = world.exchange.engine.faults.pop(world.user, Faults()), Faults()
        for each in menu:
            setattr(faults, each, getattr(usual, each))
        if faults != usual:
            world.exchange.engine.faults[world.user] = faults

    return Fault(name, strike, lasts, modes, heal=heal)


def _skew(name: str, seconds: float) -> Fault:
    ahead = timedelta(seconds=seconds)
    return Fault(name, lambda world: world.skew(ahead), 60.0, heal=lambda world: world.skew(-ahead))


def _machine(name: str, seconds: float) -> Fault:
    ahead = timedelta(seconds=seconds)
    return Fault(name, lambda world: world.set_machine(ahead), 60.0, heal=lambda world: world.set_machine(-ahead))


def _full_disk(name: str, writes: int) -> Fault:
    return Fault(name, partial(_refuse, writes=writes))


def _refuse(world: "World", writes: int) -> None:
    world.watch.refusals = writes


def _stream(name: str, lasts: float, mood: Mood) -> Fault:
    def heal(world: "World") -> None:
        if world.crier.mood is not world.usual_mood:
            world.crier.turn(world.usual_mood)

    return Fault(name, lambda world: world.crier.turn(mood), lasts, streams=True, heal=heal)


def _freeze(name: str, lasts: float) -> Fault:
    return Fault(name, lambda world: world.feed.freeze(world.agenda.now(), timedelta(seconds=lasts)), lasts)


def _damage(world: "World") -> None:
    world.damage_next = True
    world.die()


def _lock(world: "World") -> None:
    world.locked_next = True
    world.die()


_BLOCKS = frozenset({"rfq", "auto"})
_ALL: list[Fault] = [
    Fault(NONE, nothing),
    *_on_write("lost reply", Wrong(Kind.SILENCE, acted=True)),
    *_on_write("lost request", Wrong(Kind.SILENCE)),
    *_on_write("late request", Wrong(Kind.LATE, seconds=4.5)),
    *_on_write("late reply", Wrong(Kind.DELAY, acted=True, seconds=3.0)),
    *_on_write("reset", Wrong(Kind.RESET)),
    *_on_write("reset after", Wrong(Kind.RESET, acted=True)),
    *_on_write("5xx", Wrong(Kind.STATUS)),
    *_on_write("5xx after", Wrong(Kind.STATUS, acted=True)),
    *_on_write("429", Wrong(Kind.STATUS, status=429)),
    *_on_write("code 10000", Wrong(Kind.BUSY)),
    *_on_write("code 10000 after", Wrong(Kind.BUSY, acted=True)),
    *_on_write("html", Wrong(Kind.HTML)),
    *_on_write("html after", Wrong(Kind.HTML, acted=True)),
    *_on_write("cut json", Wrong(Kind.CUT, acted=True)),
    *_on_write("empty body", Wrong(Kind.EMPTY, acted=True)),
    *_on_write("refused connection once", Wrong(Kind.REFUSED)),
    _weather("refused connection 30 s", 30, Wrong(Kind.REFUSED)),
    _weather("silence 20 s", 20, Wrong(Kind.SILENCE)),
    _weather("writes lose replies 15 s", 15, Wrong(Kind.SILENCE, WRITES, acted=True)),
    _weather("writes get 503 after 15 s", 15, Wrong(Kind.STATUS, WRITES, acted=True)),
    _weather("queries fail 40 s", 40, Wrong(Kind.STATUS, _QUERIES)),
    _weather("lists cut 20 s", 20, Wrong(Kind.CUT, LISTS, acted=True)),
    _weather("429 for 10 s", 10, Wrong(Kind.STATUS, status=429)),
    _weather("html 15 s", 15, Wrong(Kind.HTML)),
    _weather("empty account 10 s", 10, Wrong(Kind.NOTHING, _ACCOUNT, acted=True)),
    _weather("empty account 60 s", 60, Wrong(Kind.NOTHING, _ACCOUNT, acted=True)),
    _weather("empty positions 60 s", 60, Wrong(Kind.NOTHING, frozenset({"positions"}), acted=True)),
    _weather("account silent 60 s", 60, Wrong(Kind.SILENCE, _ACCOUNT)),
    _weather("lists lag 8 s", 8, Wrong(Kind.STALE, LISTS, acted=True)),
    _weather("open orders lag 20 s", 20, Wrong(Kind.STALE, frozenset({"open orders"}), acted=True)),
    _weather("fills lag 15 s", 15, Wrong(Kind.STALE, frozenset({"fills"}), acted=True)),
    _weather("positions lag 40 s", 40, Wrong(Kind.STALE, frozenset({"positions"}), acted=True)),
    _weather("rows doubled 30 s", 30, Wrong(Kind.TWICE, LISTS, acted=True)),
    _weather("everything late 15 s", 15, Wrong(Kind.DELAY, acted=True, seconds=2.5)),
    _weather("market silent 45 s", 45, Wrong(Kind.SILENCE, frozenset({"chain", "book", "index"}))),
    _stream("stream dropped for 10 s", 10, Mood.DOWN),
    _stream("stream silent for 40 s", 40, Mood.SILENT),
    _stream("pushes doubled", 60, Mood.TWICE),
    _stream("pushes reordered", 60, Mood.SHUFFLED),
    _stream("pushes garbled", 60, Mood.GARBLED),
    _stream("pushes 6 s late", 60, Mood.LATE),
    _freeze("frozen market 60 s", 60),
    _freeze("frozen market 400 s", 400),
    _skew("clock ahead 3 s", 3),
    _skew("clock behind 3 s", -3),
    _skew("clock ahead 20 s", 20),
    _skew("clock behind 20 s", -20),
    _full_disk("full disk once", 1),
    _full_disk("full disk for 8 writes", 8),
    _full_disk("full disk for 60 writes", 60),
    Fault("locked journal at restart", _lock),
    Fault("damaged journal at restart", _damage),
    _engine("fills while cancelling", 30, fill_while_cancelling=True),
    _engine("slow cancels that fill", 30, cancel_takes=timedelta(seconds=3), fill_while_cancelling=True),
    _engine("stuck in state 4", 20, stuck_in=OrderState.PRE_CANCEL),
    _engine("stuck in state 5", 20, stuck_in=OrderState.CANCELING),
    _engine("one lot at a time", 20, one_lot_only=True),
    _engine("next orders refused", 20, refuse_next=[10529, 10531, 10534]),
    _engine("one order refused", 20, refuse_next=[10529]),
    _engine("makers silent", 30, _BLOCKS, makers_silent=True),
    _engine("makers late", 60, _BLOCKS, makers_late=timedelta(seconds=12)),
    _engine("makers worse", 60, _BLOCKS, makers_worse_pct=Decimal(5)),
    _engine("makers vanish", 30, _BLOCKS, makers_vanish=True),
]
FAULTS: Mapping[str, Fault] = {fault.name: fault for fault in _ALL}

# What the matrix does not hold, and troubles that come together may.
_MORE: list[Fault] = [
    *_on_write("request 25 s late", Wrong(Kind.LATE, seconds=25)),
    *_on_write("reset twice", Wrong(Kind.RESET, count=2)),
    *_on_write("lost reply twice", Wrong(Kind.SILENCE, acted=True, count=2)),
    _weather("refused connection 120 s", 120, Wrong(Kind.REFUSED)),
    _weather("silence 100 s", 100, Wrong(Kind.SILENCE)),
    _weather("writes lose requests 20 s", 20, Wrong(Kind.SILENCE, WRITES)),
    _weather("writes get 429 for 40 s", 40, Wrong(Kind.STATUS, WRITES, status=429)),
    _weather("code 10000 for 30 s", 30, Wrong(Kind.BUSY)),
    _weather("everything done and nothing told 20 s", 20, Wrong(Kind.SILENCE, acted=True)),
    _weather("everything late 40 s", 40, Wrong(Kind.DELAY, acted=True, seconds=3.5)),
    _weather("lists empty 30 s", 30, Wrong(Kind.NOTHING, LISTS - {"order"}, acted=True)),
    _weather("open orders empty 30 s", 30, Wrong(Kind.NOTHING, frozenset({"open orders"}), acted=True)),
    _weather("fills empty 60 s", 60, Wrong(Kind.NOTHING, frozenset({"fills"}), acted=True)),
    _weather("order history lags 40 s", 40, Wrong(Kind.STALE, frozenset({"order history"}), acted=True)),
    _weather("order history fails 60 s", 60, Wrong(Kind.STATUS, frozenset({"order history"}))),
    _weather("fills silent 60 s", 60, Wrong(Kind.SILENCE, frozenset({"fills"}))),
    _weather("orders lag 20 s", 20, Wrong(Kind.STALE, frozenset({"order"}), acted=True)),
    _weather("requests and blocks lag 20 s", 20, Wrong(Kind.STALE, frozenset({"requests", "blocks", "block legs"}), acted=True)),
    _machine("machine's clock ahead 300 s", 300),
    _machine("machine's clock behind 300 s", -300),
    Fault("full disk for 60 s", partial(_refuse, writes=10**6), 60, heal=partial(_refuse, writes=0)),
    _engine("cancels take 15 s", 40, cancel_takes=timedelta(seconds=15)),
    _engine("six orders refused", 40, refuse_next=[10529, 10531, 10534, 10529, 10531, 10534]),
]
MORE: Mapping[str, Fault] = {fault.name: fault for fault in _MORE}
