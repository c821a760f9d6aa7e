"""What became of a request for quotes that was over before we withdrew it: nobody took a quote, or it traded and our books do not know.

Every accept is journalled before it is sent, so the second can only be where a journal has lost it, or where a person took the quote at
the venue. One rule: then nothing else of the trade goes out; its block is booked like that of any accept in doubt, or a person is called.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from loguru import logger

from clock import Clock
from domain import ZERO, ClientOrderId, Fill, NewOrder, OrderType, Purpose, RFQStanding, RFQStatus
from errors import InvariantBroken
from events import BlockIntended, RFQEnded, RFQOpened
from execution import RunLog
from ports import IoPool, RFQGateway
from trade_lifecycle import TradeLeg

UNCLAIMED = "traded unknown to us"
ASK_AGAIN, SLACK = timedelta(seconds=2), timedelta(minutes=1)
SURE_AFTER = timedelta(seconds=30)  # the venue's lists of blocks and requests lag
GIVE_UP_AFTER = timedelta(minutes=10)


class Intends(Protocol):
    """What booking a found block asks of the one order path."""

    def next_id(self, desk: int, trade: int, leg: int, purpose: Purpose) -> ClientOrderId:
        """Return the name of the next attempt."""
        ...

    def intend(self, *orders: NewOrder) -> None:
        """Journal orders as intended, all in one. Raises JournalError, none written."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Through what, and in which desk's name, the orders of a found block are written."""

    path: Intends
    desk: int


class RequestFate:
    """Asks what became of one execution's request; `told` on each step once the request is over and we did not withdraw it."""

    def __init__(
        self, gateway: RFQGateway, reads: IoPool, clock: Clock, log: RunLog, legs: Sequence[TradeLeg], claims: Claims | None
    ) -> None:
        self._gateway, self._reads, self._clock = gateway, reads, clock
        self._log, self._legs, self._claims = log, legs, claims
        self._begun: datetime | None = None
        self._asked_at: datetime | None = None
        self._asking = False
        self._answer: RFQStanding | Exception | None = None

    def told(self, opened: RFQOpened) -> bool:
        """Tell whether it is known that nothing traded but what is booked; a block that is found is left to the desk of blocks.

        Raises InvariantBroken where something traded that cannot be booked or cannot be found, and JournalError.
        """
        now = self._clock.now()
        self._begun = self._begun or now
        answer, waited = self._answer, now - self._begun
        match answer:
            case RFQStanding(block=None, status=status) if status is not RFQStatus.FILLED and (status is not None or waited >= SURE_AFTER):
                return True
            case RFQStanding(block=block) if block is not None and block.fills is not None:
                return self._claimed(opened, block.quote_id or block.block_id, block.fills)
        if waited >= GIVE_UP_AFTER:
            raise InvariantBroken(
                f"request {opened.request_id} ended, and whether {self._said()} traded on it cannot be found out: {answer}"
            )
        if not self._asking and (self._asked_at is None or now >= self._asked_at + ASK_AGAIN):
            self._asking, self._asked_at = True, now
            self._reads.run(lambda: self._gateway.find(opened.request_id, opened.at - SLACK), self._answered)
        return False

    def _answered(self, answer: RFQStanding | Exception) -> None:
        self._asking, self._answer = False, answer

    def _claimed(self, opened: RFQOpened, quote_id: str, fills: Sequence[Fill]) -> bool:
        """Write the orders that a block belongs to, unless it is booked; tell whether it is. The desk of blocks takes it up."""
        booked = {event.fill.id for event in self._log.fills}
        if all(fill.id in booked for fill in fills):
            return True
        orders = None if self._claims is None or any(fill.id in booked for fill in fills) else self._orders(self._claims, fills)
        if orders is None or self._claims is None:
            traded = ", ".join(f"{fill.side.name.lower()} {fill.qty} {fill.symbol} @ {fill.price}" for fill in fills)
            raise self._broken(f"request {opened.request_id} traded unknown to our books: {traded}")
        logger.warning("block found that no book knows trade={} request={}", self._log.started.trade, opened.request_id)
        names = tuple(str(order.client_id) for order in orders)
        self._log.write(BlockIntended, request_id=opened.request_id, quote_id=quote_id, orders=names)
        self._claims.path.intend(*orders)
        return False

    def _orders(self, claims: Claims, fills: Sequence[Fill]) -> tuple[NewOrder, ...] | None:
        """Return our orders that would have traded so; None where a fill is none that this execution can have wanted."""
        purpose, coins, prices = self._log.started.purpose, _by_symbol(fills), {fill.symbol: fill.price for fill in fills}
        legs = {leg.option.symbol: (index, leg, leg.side.opposite if purpose.reduces else leg.side) for index, leg in enumerate(self._legs)}
        if any(fill.symbol not in legs or legs[fill.symbol][2] is not fill.side for fill in fills):
            return None
        return tuple(
            NewOrder(
                client_id=claims.path.next_id(claims.desk, self._log.started.trade, index, purpose),
                instrument=leg.option,
                side=side,
                qty=coins[leg.option.symbol],
                price=prices[leg.option.symbol],
                order_type=OrderType.BLOCK_TRADE,
                reduce_only=purpose.reduces,
            )
            for index, leg, side in legs.values()
            if leg.option.symbol in coins
        )

    def _broken(self, reason: str) -> InvariantBroken:
        """End the request in the journal as one that nothing may go on from, and return the error to raise."""
        self._log.write(RFQEnded, outcome=UNCLAIMED, reason=reason)
        return InvariantBroken(reason)

    def _said(self) -> str:
        return ", ".join(leg.option.symbol for leg in self._legs)


def _by_symbol(fills: Sequence[Fill]) -> Mapping[str, Decimal]:
    coins: dict[str, Decimal] = {}
    for fill in fills:
        coins[fill.symbol] = coins.get(fill.symbol, ZERO) + fill.qty
    return coins
