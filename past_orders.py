"""The orders of trades that ended of late: a fill can reach us after its trade's end, and must still find whose it was.

One rule: bounded. Trades beyond a number, or that ended too long ago, are dropped, oldest first.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from domain import ClientOrderId
from events import AnyEvent, AnyOrderEvent, LegFilled
from order_ledger import OrderLedger, OrderRecord
from trade_lifecycle import TradeLifecycle


class PastOrders:
    """Orders of ended trades by name and by the venue's own id, for as long as the venue may still tell of them."""

    def __init__(self, *, trades: int = 1000, span: timedelta = timedelta(days=7)) -> None:
        self._most, self._span = trades, span
        self._kept: dict[int, tuple[datetime, dict[ClientOrderId, OrderRecord]]] = {}  # by trade, in the order of their ends
        self._names: dict[str, ClientOrderId] = {}

    def __len__(self) -> int:
        return sum(len(records) for _, records in self._kept.values())

    def keep(self, trade: TradeLifecycle, records: Iterable[OrderRecord]) -> None:
        """Keep the orders of a trade that has ended."""
        ended_at, orders = trade.closed_at or trade.phase_at, {record.client_id: record for record in records}
        if not orders and trade.number in self._kept:  # a restart has found them in the journal already
            return
        self._drop(trade.number)
        self._kept[trade.number] = (ended_at, orders)
        self._names.update({order.order_id: name for name, order in orders.items() if order.order_id is not None})
        while (oldest := self._outdated(ended_at)) is not None:
            self._drop(oldest)

    def restore(self, events: Iterable[AnyEvent], ended: Collection[TradeLifecycle]) -> None:
        """Rebuild from journalled events for the trades that have ended, oldest end first."""
        latest = max((trade.phase_at for trade in ended), default=None)
        recent = (trade for trade in ended if latest is not None and trade.phase_at >= latest - self._span)
        kept = sorted(recent, key=lambda each: each.phase_at)[-self._most :]
        numbers, ledger = {trade.number for trade in kept}, OrderLedger()
        for event in events:
            if isinstance(event, AnyOrderEvent | LegFilled) and ClientOrderId.parse(event.order).trade in numbers:
                ledger.take(event)
        for trade in kept:
            self.keep(trade, ledger.of(trade.number))

    def get(self, name: ClientOrderId) -> OrderRecord | None:
        """Return an order of an ended trade; None if it is not kept."""
        return self._kept[name.trade][1].get(name) if name.trade in self._kept else None

    def owner_of(self, order_id: str) -> OrderRecord | None:
        """Return the order that the venue calls order_id; None if it is not kept."""
        name = self._names.get(order_id)
        return None if name is None else self.get(name)

    def of(self, trade: int) -> Sequence[OrderRecord]:
        """Return the orders of an ended trade, oldest first; none if it is not kept."""
        return tuple(self._kept[trade][1].values()) if trade in self._kept else ()

    def learn(self, order_id: str, name: ClientOrderId) -> None:
        """Take note of the venue's id of an order that we thought had never arrived."""
        record = self.get(name)
        if record is not None:
            self._kept[name.trade][1][name] = replace(record, order_id=order_id)
            self._names[order_id] = name

    def _outdated(self, now: datetime) -> int | None:
        """Return the trade that ended first if it is to be dropped; None if not."""
        oldest = next(iter(self._kept), None)
        if oldest is None or (len(self._kept) <= self._most and self._kept[oldest][0] >= now - self._span):
            return None
        return oldest

    def _drop(self, number: int) -> None:
        if number in self._kept:
            for order in self._kept.pop(number)[1].values():
                if order.order_id is not None:
                    self._names.pop(order.order_id, None)
