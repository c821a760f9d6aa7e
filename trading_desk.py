"""All that executes and settles one kind of trade: at the venue, or at its simulation for dry runs."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol

from domain import AccountSnapshot, ClientOrderId
from events import AnyEvent, AnyOrderEvent, ExecutionEvent, LegFilled
from execution_desk import ExecutionDesk
from execution_log import ExecutionLog
from settling import SettlementDesk
from trade_execution import TradeExecutor


class BlockPursuit(Protocol):
    """Follows accepted block quotes until their end is known."""

    def step(self, now: datetime, /) -> None:
        """Ask the venue what needs asking; never blocks."""
        ...


class RequestPursuit(Protocol):
    """Takes back requests for quotes that no execution waits for any more."""

    def restore(self, events: Iterable[ExecutionEvent], active: Collection[int], /) -> None:
        """Find what an earlier life left open in what executions of ended and active trades have journalled; ask nothing yet."""
        ...

    def step(self, now: datetime, /) -> None:
        """Ask the venue what needs asking; never blocks."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """One venue's order path, its executions and their record, and its settlements."""

    executor: TradeExecutor
    settlements: SettlementDesk
    executions: ExecutionDesk
    log: ExecutionLog
    blocks: BlockPursuit | None = None
    requests: RequestPursuit | None = None

    def restore(self, kept: Sequence[AnyEvent], trades: Collection[int], ever: Collection[int]) -> None:
        """Rebuild the orders and executions of active trades from the journal; the venue is asked about each order without a known end.

        Of all trades that ever were this desk's, ended ones too, the requests for quotes that may still be open are taken back.
        """
        self.executor.door.restore(event for event in kept if _order_of(event) in ever)
        self.executor.restore(event for event in kept if _order_of(event) in trades)
        self.log.restore(event for event in kept if isinstance(event, ExecutionEvent | LegFilled) and event.trade in trades)
        if self.requests is not None:
            self.requests.restore((event for event in kept if isinstance(event, ExecutionEvent) and event.trade in ever), trades)

    def parts(self, account: AccountSnapshot) -> Iterator[tuple[str, Callable[[], None]]]:
        """Yield what this desk does once a tick, by name: each part may fail without stopping the others."""
        yield "orders", partial(self.executor.step, account.now)
        if self.blocks is not None:
            yield "blocks", partial(self.blocks.step, account.now)
        if self.requests is not None:
            yield "requests", partial(self.requests.step, account.now)
        yield "after executions", partial(self.executions.tick, account)

    def forget(self, trade: int) -> None:
        """Drop what is kept of a trade that has ended."""
        self.executor.forget(trade)
        self.executions.forget(trade)


def _order_of(event: AnyEvent) -> int | None:
    """Return the trade of an event that the ledger of orders wants to know."""
    return ClientOrderId.parse(event.order).trade if isinstance(event, AnyOrderEvent | LegFilled) else None
