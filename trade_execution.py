"""The one order path, and the way back to the truth of every order on it.

Submit: gate, journal the intent, send once, journal the outcome. Nothing is ever sent twice: an answer that did not come makes
the order *lost*, and the venue is asked by client order id until it is known. Fills are booked from the venue's own trades,
each once; an order is settled when it is final and every coin it filled is booked. All methods run on the tick thread.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from loguru import logger

from clock import Clock
from domain import ClientOrderId, ExecutionParams, Fill, NewOrder, OrderReport, OrderStatus, Purpose, Severity
from errors import CountdownElapsed, DuplicateClientOrderId, ExchangeRejected, ExchangeUnavailable, JournalError, TimestampRejected
from events import AnyEvent, LegFilled, OrderAccepted, OrderEvent, OrderIntended, OrderLost, OrderRefused, OrderSettled
from order_gate import OrderGate, Sight
from order_ledger import OrderLedger, OrderRecord, Patience, Pursuit, alteration, forgetful, remainder, unlisted, vanished
from order_post import OrderPost
from ports import Alerts, IoPool, JournalWriter, OrderGateway
from risk import RiskLimits
from trade_lifecycle import TradeLifecycle

__all__ = ["ExecutionParams", "Patience", "TradeExecutor"]


class TradeExecutor:
    """Sends orders and pursues each until its end is known and booked."""

    def __init__(
        self,
        *,
        gateway: OrderGateway,
        writes: IoPool,
        reads: IoPool,
        journal: JournalWriter,
        clock: Clock,
        alerts: Alerts,
        limits: RiskLimits | None = None,
        sight: Sight | None = None,
        patience: Patience | None = None,
        urgent: IoPool | None = None,
    ) -> None:
        self._gateway, self._reads = gateway, reads
        self._journal, self._clock, self._alerts = journal, clock, alerts
        self._patience = patience or Patience()
        self.ledger = OrderLedger()
        self.door = OrderGate(self.ledger, clock, limits or RiskLimits(), sight or Sight())
        in_time = partial(self.door.in_time, within=self._patience.send_within)
        self.post = OrderPost(lambda: self._gateway, in_time, writes=writes, urgent=urgent or writes, reads=reads, alerts=alerts)
        self._pursuits: dict[ClientOrderId, Pursuit] = {}
        self._listener: Callable[[LegFilled], None] = lambda _: None
        self.on_elapsed: Callable[[str], object] = lambda _: None  # an order was refused because its underlying's countdown ran out
        self.swept_at: datetime | None = None
        self._sweep_due: datetime | None = None
        self._collect_due: datetime | None = None
        self._trades_read_at: datetime | None = None
        self._sweeping = self._collecting = False

    # ---- what callers ask

    def listen(self, listener: Callable[[LegFilled], None]) -> None:
        """Hand every booked fill to listener, after it is journalled."""
        self._listener = listener

    def next_id(self, desk: int, trade: int, leg: int, purpose: Purpose) -> ClientOrderId:
        """Return the name of the next attempt; the same until its intent is journalled."""
        attempt = len(self.ledger.of(trade, leg, purpose)) + 1
        return ClientOrderId(desk=desk, trade=trade, leg=leg, purpose=purpose, attempt=attempt)

    def live_orders(self, trade: int) -> list[OrderRecord]:
        """Return a trade's orders that may still change anything, oldest first."""
        return [record for record in self.ledger.of(trade) if record.live]

    @property
    def unresolved(self) -> int:
        """Return how many orders have an outcome that nobody knows yet."""
        return sum(record.lost for record in self.ledger.live())

    def submit(self, order: NewOrder, trade: TradeLifecycle, index: Decimal | None = None) -> None:
        """Gate, journal and post one order; its outcome comes later, through the ledger and the listener.

        Raises InvariantBroken, SizeRejected or RiskDenied (nothing was sent), JournalError (nothing was written or sent).
        """
        name, now = order.client_id, self._clock.now()
        self.gate(order, trade, index)
        self.door.within_room(order, trade)
        self.intend(order)
        self._pursuit(name, now).sending = True
        logger.info("order sent id={} {} {} {} @ {}", name, order.side.name.lower(), order.qty, order.instrument.symbol, order.price)
        self.post.send(order, now, partial(self._submitted, name))

    def gate(self, order: NewOrder, trade: TradeLifecycle, index: Decimal | None = None) -> None:
        """Return if an order of trade may be sent; raise InvariantBroken, SizeRejected or RiskDenied, saying why not."""
        self.door.check(order, trade, index)

    def intend(self, *orders: NewOrder) -> None:
        """Journal orders that passed the gate as intended, all in one; only then may they be sent. Raises JournalError, none written."""
        now = self._clock.now()
        self._write(*(OrderIntended(at=now, order=str(order.client_id), new=order) for order in orders))
        self.door.passed(*orders)

    def traded(self, name: ClientOrderId, fills: Sequence[Fill]) -> None:
        """Book what a block trade, which is all or nothing, filled of one of its orders, each fill once; what is not written stays live."""
        record, now = self.ledger.get(name), self._clock.now()
        if record is None or not record.live:
            return
        self.ledger.put(replace(record, status=OrderStatus.FILLED, reported=max(record.new.qty, record.reported)))
        if record.order_id is None:
            self._write(OrderAccepted(at=now, order=str(name), order_id=fills[0].order_id))
        self.missed(fills)
        self._settle(name, now)

    def missed(self, fills: Sequence[Fill]) -> None:
        """Book fills of our orders that nobody has booked, each once, whatever was believed of the order's end."""
        for fill in fills:
            record = self.ledger.owner_of(fill.order_id)
            if record is not None and not self.ledger.has_fill(record.client_id.trade, fill.id):
                self._book(record.client_id, fill, self._clock.now())

    def cancel(self, name: ClientOrderId) -> None:
        """Want an order gone; it is asked for until the order is final, whatever gets lost on the way."""
        record = self.ledger.get(name)
        if record is not None and record.live and not record.block and not record.cancel_wanted:
            self.ledger.put(replace(record, cancel_wanted=True))
            self._pursue_cancel(name, self._clock.now())

    def pushed(self, report: OrderReport) -> None:
        """Take news of an order: what it says is filled is fetched at once; what it calls final is asked about before it is believed."""
        record = None if report.client_id is None else self.ledger.get(report.client_id)
        if record is None or not record.live or record.block:
            return
        name, now = record.client_id, self._clock.now()
        if not record.booked_otherwise and report.filled > max(record.reported, record.booked):
            self._pursuit(name, now).heard(report.filled, now, self._patience)
            self._collect_due = None
            self._collect(now)  # the read is on its way while the disk takes the number
        if record.order_id is None:
            self._write(OrderAccepted(at=now, order=str(name), order_id=report.order_id))
        if report.status.final and report.status is not OrderStatus.FILLED and not record.status.final:
            self._ask(name, now)  # one that is filled is settled by its fills

    def recheck(self) -> None:
        """Ask about every live order anew at the next step: there was a time of which nobody has told us."""
        now = self._clock.now()
        for record in self.ledger.live(block=False):
            self._pursuit(record.client_id, now).next_ask = now
        self._sweep_due = self._collect_due = None

    def step(self, now: datetime) -> None:
        """Take back what the account's state no longer allows, and ask the venue what needs asking; never blocks."""
        self.post.flush()  # what was posted since the last tick, or is left of it
        for name in self.door.openings_out():
            self.cancel(name)
        for record in self.ledger.live(block=False):
            if record.cancel_wanted:
                self._pursue_cancel(record.client_id, now)
            if record.doubtful and now >= self._pursuit(record.client_id, now).next_ask:
                self._ask(record.client_id, now)
        self._sweep(now)
        self._collect(now)

    def restore(self, events: Iterable[AnyEvent]) -> None:
        """Rebuild the ledger from journalled events; every order without a known end is asked for at the next step."""
        self.ledger.restore(events, self._clock.now())

    def revive(self, orders: Sequence[OrderRecord], fills: Collection[str]) -> None:
        """Know the orders of an ended trade again, and which of its fills are booked: another has come."""
        self.ledger.revive(orders, fills)

    def forget(self, trade: int) -> None:
        """Drop the orders of a trade that has ended."""
        for record in self.ledger.of(trade):
            self._pursuits.pop(record.client_id, None)
        self.ledger.forget(trade)

    # ---- sending and cancelling

    def _submitted(self, name: ClientOrderId, outcome: str | Exception) -> None:
        now, order = self._clock.now(), str(name)
        pursuit = self._pursuit(name, now)
        pursuit.sending, pursuit.doubted_at = False, self._patience.doubted_since(outcome, now)
        if isinstance(outcome, CountdownElapsed) and (record := self.ledger.get(name)) is not None:
            self.on_elapsed(record.new.instrument.underlying)
        match outcome:
            case str():
                if not self.ledger.named(name):  # a push may have told it already
                    self._write(OrderAccepted(at=now, order=order, order_id=outcome))
            case DuplicateClientOrderId():
                self.lose(name, f"the venue already has it: {outcome}", now)
            case ExchangeRejected() | ExchangeUnavailable() if self.ledger.named(name):
                self.lose(name, f"the venue had told of it, and now says: {outcome}", now)
            case ExchangeRejected() | ExchangeUnavailable():
                retryable = isinstance(outcome, ExchangeUnavailable | TimestampRejected | CountdownElapsed)
                self.refuse(name, str(outcome), now, retryable=retryable)
            case _:
                self.lose(name, str(outcome) or repr(outcome), now)

    def refuse(self, name: ClientOrderId, reason: str, now: datetime, *, retryable: bool) -> None:
        """Book that an order is surely not at the venue; until that is written it is still asked about."""
        if self._write(OrderRefused(at=now, order=str(name), reason=reason, retryable=retryable)):
            logger.warning("order refused id={} reason={}", name, reason)
            self._pursuits.pop(name, None)

    def lose(self, name: ClientOrderId, reason: str, now: datetime) -> None:
        """Book that nobody knows whether an order is at the venue; it counts as working until that is known."""
        logger.warning("order lost id={} reason={}: asking the venue", name, reason)
        self._write(OrderLost(at=now, order=str(name), reason=reason))
        self._pursuit(name, now).next_ask = now

    def _pursue_cancel(self, name: ClientOrderId, now: datetime) -> None:
        record, pursuit = self.ledger.get(name), self._pursuit(name, now)
        if record is None or record.lost or record.order_id is None or record.status.final or not pursuit.cancel_due(now, self._patience):
            return
        pursuit.cancelling, pursuit.cancelled_at = True, now
        self.post.cancel(name, partial(self._cancelled, name))

    def _cancelled(self, name: ClientOrderId, outcome: object) -> None:
        record = self.ledger.get(name)
        if record is None or not record.live:
            return
        pursuit = self._pursuit(name, self._clock.now())
        pursuit.cancelling = False
        if isinstance(outcome, Exception) and not isinstance(outcome, ExchangeRejected):
            logger.log(pursuit.unanswered_again(), "cancel unanswered id={} reason={}", name, outcome)
        self._ask(name, self._clock.now())

    # ---- asking

    def _pursuit(self, name: ClientOrderId, now: datetime) -> Pursuit:
        return self._pursuits.setdefault(name, Pursuit(next_ask=now, wait=self._patience.ask_again, doubted_at=now))

    def _ask(self, name: ClientOrderId, now: datetime) -> None:
        record = self.ledger.get(name)
        if record is None or not record.live:
            return
        pursuit = self._pursuit(name, now)
        if pursuit.asking or pursuit.sending:
            return
        pursuit.asking = True
        pursuit.next_ask = now + pursuit.wait
        pursuit.wait = min(pursuit.wait * 2, self._patience.ask_at_most)
        sent_at = record.sent_at
        self._reads.run(lambda: self._gateway.find(name, sent_at), lambda answer: self._found(name, answer))

    def _found(self, name: ClientOrderId, answer: OrderReport | Exception | None) -> None:
        now, record = self._clock.now(), self.ledger.get(name)
        if record is None or not record.live:
            return
        self._pursuit(name, now).asking = False
        match answer:
            case None:
                self._absent(record, now)
            case OrderReport():
                self._report(record, answer, now)
            case _:
                logger.warning("order query failed id={} reason={}", name, answer)

    def _absent(self, record: OrderRecord, now: datetime) -> None:
        name, patience = record.client_id, self._patience
        pursuit = self._pursuit(name, now)
        since = pursuit.missed(now)
        if record.order_id is None:
            if pursuit.never_seen(now, patience) and not forgetful(self._pursuits, self.ledger):
                self.refuse(name, "never arrived at the venue", now, retryable=True)
            return
        if pursuit.absences < patience.absences or now < since + patience.absence:
            return
        gone = now >= since + patience.vanished and self._trades_read_at is not None and self._trades_read_at > since
        self._alerts.alert(Severity.CRITICAL, f"order vanished {name}", *vanished(record, gone=gone))
        if gone:
            pursuit.confirmed = True
            self.ledger.put(replace(record, status=record.status if record.status.final else OrderStatus.CANCELED))
            self._settle(name, now)

    def _report(self, record: OrderRecord, report: OrderReport, now: datetime) -> None:
        name = record.client_id
        if record.order_id is None:
            self._write(OrderAccepted(at=now, order=str(name), order_id=report.order_id))
        if record.status is OrderStatus.UNKNOWN and (change := alteration(record.new, report)) is not None:
            hint = "compare tick and lot with the venue's; after a restore it may be the order sent under this name since the backup"
            self._alerts.alert(Severity.WARNING, f"order altered {record.new.instrument.symbol}", change, hint)
        before = self.ledger.get(name) or record
        after = self._pursuit(name, now).taken(before, report, now, self._patience)
        self.ledger.put(after)
        self._pursuit(name, now).saw(report, before, after, now, self._patience)
        self._settle(name, now)
        self._collect(now)

    def _settle(self, name: ClientOrderId, now: datetime) -> None:
        record = self.ledger.get(name)
        if record is None or not record.live or not record.status.final or record.unbooked > 0:
            return
        if record.booked < record.new.qty and not self._pursuit(name, now).ended(record.booked, now):
            return
        if self._write(OrderSettled(at=now, order=str(name), status=record.status, filled=record.booked)):
            self._done(record)

    # ---- sweeping the open orders

    def _sweep(self, now: datetime) -> None:
        standing = [r for r in self.ledger.live(block=False) if r.order_id is not None and not r.status.final]
        if not standing or self._sweeping or (self._sweep_due is not None and now < self._sweep_due):
            return
        self._sweeping, self._sweep_due = True, now + self._patience.sweep
        self._reads.run(self._gateway.open_orders, partial(self._swept, [record.client_id for record in standing]))

    def _swept(self, names: Sequence[ClientOrderId], answer: Sequence[OrderReport] | Exception) -> None:
        self._sweeping = False
        now = self._clock.now()
        if isinstance(answer, Exception):
            logger.debug("open orders unknown reason={}", answer)
            return
        self.swept_at = now
        listed = {report.client_id: report for report in answer if report.client_id is not None}
        for name in names:
            record, report = self.ledger.get(name), listed.get(name)
            if report is None:
                self._ask(name, now)
            elif record is not None and record.live:
                self._report(record, report, now)

    # ---- booking fills

    def _collect(self, now: datetime) -> None:
        told = {name for name, pursuit in self._pursuits.items() if pursuit.expects_fills(self.ledger.booked(name), now)}
        wanting = [record for record in self.ledger.live(block=False) if record.unbooked > 0 or record.client_id in told]
        if not wanting or self._collecting or (self._collect_due is not None and now < self._collect_due):
            return
        self._collecting, self._collect_due = True, now + self._patience.sweep
        since = min(record.sent_at for record in wanting) - timedelta(minutes=1)
        self._reads.run(lambda: self._gateway.fills(since), lambda answer: self._collected(now, answer))

    def _collected(self, asked_at: datetime, answer: Sequence[Fill] | Exception) -> None:
        self._collecting = False
        now = self._clock.now()
        if isinstance(answer, Exception):
            logger.warning("fills unknown reason={}", answer)
            return
        self._trades_read_at = asked_at
        self.missed([fill for fill in answer if (owner := self.ledger.owner_of(fill.order_id)) and not owner.booked_otherwise])
        for record in self.ledger.live(block=False):
            if record.unbooked > 0 and record.status.final:
                self._book_report_if_late(record, now)

    def _book(self, name: ClientOrderId, fill: Fill, now: datetime) -> None:
        """Book a fill; one that completes its order settles it in the same write."""
        event = LegFilled(at=now, trade=name.trade, leg=name.leg, order=str(name), fill=fill)
        record = self.ledger.get(name)
        full = record is not None and record.live and record.booked + fill.qty == record.new.qty
        settled = [OrderSettled(at=now, order=str(name), status=OrderStatus.FILLED, filled=record.new.qty)] if record and full else []
        if record is not None and record.live:
            self._pursuit(name, now).unbooked_since = None  # shown: until it is written it is the journal that lacks it, not the list
        if not self._write(event, *settled):
            return
        logger.info("order filled id={} {} {} {} @ {} fee={}", name, fill.side.name.lower(), fill.qty, fill.symbol, fill.price, fill.fee)
        self._listener(event)
        after = self.ledger.get(name)
        if after is not None and settled:
            self._done(after)
        elif after is not None and after.live:
            self._settle(name, now)

    def _done(self, record: OrderRecord) -> None:
        logger.info("order done id={} status={} filled={} of {}", record.client_id, record.status, record.booked, record.new.qty)
        self._pursuits.pop(record.client_id, None)

    def _book_report_if_late(self, record: OrderRecord, now: datetime) -> None:
        """Book from the order's own report what the venue's list of trades still does not show."""
        if not self._pursuit(record.client_id, now).unlisted_for_long(now, self._patience):
            return
        fill = remainder(record, now)
        severity = Severity.CRITICAL if fill is None else Severity.WARNING
        self._alerts.alert(severity, "fills missing from the trade list", *unlisted(record, fill))
        if fill is not None:
            self._book(record.client_id, fill, now)

    def _write(self, *events: OrderEvent | LegFilled) -> bool:
        """Journal events as one, then believe them; tell whether they are written. Intents that cannot be written raise.

        What only raises doubt, or names the order at the venue, is believed all the same: a restart asks for it anyway. All else is
        asked for again until it is written.
        """
        try:
            self._journal.append(*events)
        except JournalError as error:
            what, hint = type(events[0]).__name__, f"{error.advice}; no order is sent until it writes"
            self._alerts.alert(Severity.CRITICAL, "journal", f"cannot write {what}: {error}", hint)
            if isinstance(events[0], OrderIntended):
                raise
            for event in events:
                if isinstance(event, OrderAccepted | OrderLost):
                    self.ledger.take(event)
            return False
        for event in events:
            self.ledger.take(event)
        return True
