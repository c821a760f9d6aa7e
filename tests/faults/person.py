"""A person on the same account, who trades by hand beside the daemon: whatever the person did must stand as the person left it."""

import random
from dataclasses import dataclass, replace
from decimal import Decimal

from domain import Side, TimeInForce
from paper.exchange import PaperExchange
from paper.rules import OrderRequest, Refused

from tests.faults.market import symbol
from tests.faults.plans import Structure

OTHER = symbol(105_000, "P")
_TICK = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class Kept:
    """An order of the person as it was last left."""

    order_id: int
    qty: Decimal
    price: Decimal
    cancelled: bool = False


class Person:
    """Holds positions in the daemon's own options and others, and has orders far from the market that only the person moves."""

    def __init__(self, exchange: PaperExchange, user: int, structure: Structure, rng: random.Random) -> None:
        self._exchange, self._user, self._rng, self._structure = exchange, user, rng, structure
        self.orders: dict[int, Kept] = {}
        self.every = 17  # seconds from one act to the next
        self._number = 1000

    def arrive(self) -> None:
        """Take positions and leave orders before the daemon comes: in each of its options the same way round, so that none offset."""
        for name, qty in self._structure.items():
            self._deal(name, Side.BUY if qty > 0 else Side.SELL)
            self._rest(name)
        self._deal(OTHER, Side.BUY)
        self._rest(OTHER)

    def act(self) -> None:
        """Do one thing by hand: cancel an order of one's own, leave another, or add to a position."""
        listed = [name for name in self._structure if self._exchange.feed.view(name, self._exchange.now()) is not None]
        name = self._rng.choice(listed or [OTHER])
        resting = [kept for kept in self.orders.values() if not kept.cancelled]
        match self._rng.randrange(3):
            case 0 if resting:
                self._cancel(self._rng.choice(resting))
            case 1:
                self._deal(name, Side.BUY if self._structure.get(name, 1) > 0 else Side.SELL)
            case _:
                self._rest(name)

    def swept(self) -> None:
        """See the venue's countdown, which the daemon set, cancel every open order of the account."""
        self.orders = {number: replace(kept, cancelled=True) for number, kept in self.orders.items()}

    def _cancel(self, kept: Kept) -> None:
        try:
            self._exchange.engine.cancel(self._user, self._exchange.now(), order_id=kept.order_id)
        except Refused:
            return
        self.orders[kept.order_id] = replace(kept, cancelled=True)

    def _deal(self, name: str, side: Side) -> None:
        """Trade at once at any price that the market shows; an immediate order leaves nothing, and reaches none of the person's own."""
        view = self._exchange.feed.view(name, self._exchange.now())
        assert view is not None, f"{name} is not listed"
        levels = view.asks if side is Side.BUY else view.bids
        self._place(name, side, Decimal("0.05"), levels[-1].price, TimeInForce.IOC)

    def _rest(self, name: str) -> None:
        side = self._rng.choice((Side.BUY, Side.SELL))
        self._place(name, side, Decimal("0.07"), far_from(self._exchange, name, side))

    def _place(self, name: str, side: Side, qty: Decimal, price: Decimal, in_force: TimeInForce = TimeInForce.GTC) -> None:
        self._number += 1
        number = self._number if self._rng.random() < 0.7 else None
        request = OrderRequest(symbol=name, side=side, qty=qty, price=price, client_id=number, time_in_force=in_force)
        try:
            order_id = self._exchange.engine.place(self._user, request, self._exchange.now())
        except Refused as no:
            engine = self._exchange.engine
            if self._user not in engine.faults and not engine.countdowns.settings:  # with either the venue may refuse anybody
                raise AssertionError(f"the person was refused: {no}") from no
            return
        if in_force is TimeInForce.GTC:
            self.orders[order_id] = Kept(order_id, qty, price)


def far_from(exchange: PaperExchange, name: str, side: Side) -> Decimal:
    """Return a price at which an order of that side waits for ever, and that the exchange still takes."""
    view = exchange.feed.view(name, exchange.now())
    assert view is not None, f"{name} is not listed"
    room = 900 * max(Decimal(1), 4 * abs(Decimal(str(view.greeks.delta))))
    price = max(view.mark * Decimal("0.4"), view.mark - room) if side is Side.BUY else view.mark * Decimal("1.6")
    return price.quantize(_TICK)
