"""What we know of each order we ever meant to send: a value per order that changes only by events and venue reports.

An order is live from the moment its intent is written until it is refused, or final with every filled coin booked. While it is
live, what it may still fill counts as working. How long each is asked about before what is believed stands here too.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from domain import ZERO, ClientOrderId, Fill, NewOrder, OrderReport, OrderStatus, OrderType, Purpose
from errors import TurnedAway
from events import AnyEvent, LegFilled, OrderAccepted, OrderEvent, OrderIntended, OrderLost, OrderRefused, OrderSettled

FROM_REPORT = "report-"
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
LONG_AGO = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRecord:
    """One order of ours: as decided, as last reported, and as booked (coins; values and fees in USD)."""

    new: NewOrder
    sent_at: datetime
    order_id: str | None = None
    status: OrderStatus = OrderStatus.UNKNOWN
    reported: Decimal = ZERO
    reported_value: Decimal | None = None
    reported_fee: Decimal | None = None
    booked: Decimal = ZERO
    booked_value: Decimal = ZERO
    booked_fee: Decimal = ZERO
    booked_from_report: bool = False
    lost: bool = False
    refused: str | None = None
    retryable: bool = False
    settled: bool = False
    cancel_wanted: bool = False

    @property
    def client_id(self) -> ClientOrderId:
        """Return the order's name."""
        return self.new.client_id

    @property
    def live(self) -> bool:
        """Tell whether the order may still change anything."""
        return self.refused is None and not self.settled

    @property
    def block(self) -> bool:
        """Tell whether the order is one leg of a block trade: the venue has it under no name of ours, and all legs trade or none."""
        return self.new.order_type is OrderType.BLOCK_TRADE

    @property
    def doubtful(self) -> bool:
        """Tell whether a live order must be asked about by itself, and not only looked for among the open ones."""
        return self.lost or self.cancel_wanted or self.order_id is None or self.status.final

    @property
    def booked_otherwise(self) -> bool:
        """Tell whether the account's list of trades must not be booked for it: its report was, or its block trade is."""
        return self.booked_from_report or self.block

    @property
    def working(self) -> Decimal:
        """Return how many coins the order may still add to what is booked."""
        if not self.live:
            return ZERO
        return (self.reported if self.status.final else max(self.new.qty, self.reported)) - self.booked

    @property
    def unbooked(self) -> Decimal:
        """Return how many coins the venue says are filled that no fill has told of yet."""
        return max(self.reported - self.booked, ZERO)


def reported(record: OrderRecord, report: OrderReport) -> OrderRecord:
    """Return the record after a venue's report; what was filled never shrinks and what was final stays final."""
    stale = report.filled < record.reported or (record.status.final and not report.status.final)
    value = None if report.avg_price is None else report.avg_price * report.filled
    return replace(
        record,
        order_id=report.order_id,
        lost=False,
        status=record.status if stale else report.status,
        reported=max(record.reported, report.filled),
        reported_value=record.reported_value if stale else value,
        reported_fee=record.reported_fee if stale or report.fee is None else report.fee,
    )


def alteration(sent: NewOrder, report: OrderReport) -> str | None:
    """Say how the venue's order differs from the one sent; None if it does not."""
    if report.qty == sent.qty and report.price in (None, sent.price):
        return None
    return f"order {sent.client_id}: sent {sent.qty} @ {sent.price}, the venue has {report.qty} @ {report.price}"


def applied(record: OrderRecord, event: OrderEvent | LegFilled) -> OrderRecord:
    """Return the record after one of its events."""
    match event:
        case OrderAccepted(order_id=order_id):
            return replace(record, order_id=order_id, lost=False)
        case OrderRefused(reason=reason, retryable=retryable):
            return replace(record, refused=reason, retryable=retryable, lost=False)
        case OrderLost():
            return replace(record, lost=True)
        case OrderSettled(status=status, filled=filled):
            return replace(record, status=status, reported=filled, settled=True, lost=False)
        case LegFilled(fill=fill):
            booked = record.booked + fill.qty
            return replace(
                record,
                order_id=fill.order_id,
                booked=booked,
                booked_value=record.booked_value + fill.qty * fill.price,
                booked_fee=record.booked_fee + fill.fee,
                reported=max(record.reported, booked),
                booked_from_report=record.booked_from_report or fill.id.startswith(FROM_REPORT),
            )
        case _:
            return record


def remainder(record: OrderRecord, at: datetime) -> Fill | None:
    """Return as one fill what the venue says is filled and no trade of it has shown; None without its average price.

    Its id marks the order as booked from the report: trades of it that show up later, restarts included, are not booked again.
    """
    if record.reported_value is None or record.unbooked == 0:
        return None
    return Fill(
        id=f"{FROM_REPORT}{record.order_id}-{record.reported}",
        order_id=record.order_id or "",
        symbol=record.new.instrument.symbol,
        side=record.new.side,
        qty=record.unbooked,
        price=(record.reported_value - record.booked_value) / record.unbooked,
        fee=(record.reported_fee or ZERO) - record.booked_fee,
        at=at,
    )


def beyond(record: OrderRecord, shown: Sequence[Fill]) -> Fill | None:
    """Return as one fill what trades of an order booked from its report show beyond all that is booked; None where they show no more.

    Price and fee are those of the newest of them. Its id names the total, so that it is booked once.
    """
    total = sum((fill.qty for fill in shown), ZERO)
    if total <= record.booked:
        return None
    newest = max(shown, key=lambda fill: fill.at)
    extra = total - record.booked
    return replace(newest, id=f"{FROM_REPORT}{record.order_id}-{total}", qty=extra, fee=newest.fee * extra / newest.qty)


def vanished(record: OrderRecord, *, gone: bool) -> tuple[str, str]:
    """Return what to tell a person, and what to do, about an order that the venue took and does not know any more."""
    return (
        f"the venue took order {record.client_id} as {record.order_id} and now does not know it",
        "look it up at the venue; " + ("it is no longer counted as working" if gone else "it still counts as working"),
    )


def unlisted(record: OrderRecord, fill: Fill | None) -> tuple[str, str]:
    """Return what to tell a person, and what to do, about fills that the venue's trades do not show; `fill` is booked in their place."""
    return (
        f"order {record.client_id} filled {record.reported}, the venue's trades show {record.booked}: "
        + ("and its report has no average price" if fill is None else "booked from the order's average"),
        "compare the trade with the venue's statement",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for what, and how often to be told, before it is believed.

    An order that the venue does not know is believed never to have arrived after `absences` answers in a row and `absence` since the
    send ended; that must exceed the venue's window for late requests (5 s at Coincall) and the lag of its lists. One that it took and
    then no longer knows is believed gone after `vanished`, once its trades were read. A final order that is not full is read again
    after `grace`: a fill can be reported later than the cancel. An opening order that waited longer than `send_within` is not sent.
    One that a status of HTTP alone refused is asked about for `turned_away`: long enough to find one that was taken all the same.
    """

    sweep: timedelta = timedelta(seconds=1)
    ask_again: timedelta = timedelta(seconds=1)
    ask_at_most: timedelta = timedelta(seconds=15)
    cancel_again: timedelta = timedelta(seconds=5)
    grace: timedelta = timedelta(seconds=1)
    absence: timedelta = timedelta(seconds=30)
    absences: int = 3
    vanished: timedelta = timedelta(minutes=10)
    missing_fill: timedelta = timedelta(seconds=20)
    send_within: timedelta = timedelta(seconds=5)
    turned_away: timedelta = timedelta(seconds=5)

    def doubted_since(self, outcome: object, now: datetime) -> datetime:
        """Return since when a sent order counts as in doubt: one that was most likely never let in is given up sooner."""
        return now - self.absence + self.turned_away if isinstance(outcome, TurnedAway) else now


@dataclass(slots=True)
class Pursuit:
    """How far the asking about one order has come; `doubted_at` is when sending it surely had ended."""

    next_ask: datetime
    wait: timedelta
    doubted_at: datetime
    asking: bool = False
    sending: bool = False
    cancelling: bool = False
    cancelled_at: datetime | None = None
    unanswered: int = 0
    told_until: datetime = NEVER
    told: Decimal = ZERO
    unbooked_since: datetime | None = None
    final_since: datetime | None = None
    confirmed: bool = False
    absent_since: datetime | None = None
    absences: int = 0
    behind_since: datetime | None = None

    def cancel_due(self, now: datetime, patience: Patience) -> bool:
        """Tell whether a cancel should go out now: none is on its way, and the last one is old."""
        return not self.cancelling and (self.cancelled_at is None or now >= self.cancelled_at + patience.cancel_again)

    def heard(self, filled: Decimal, now: datetime, patience: Patience) -> None:
        """Note that news tells of more coins filled than are known: the list of trades is read for them, for a while; news is no report."""
        if filled > self.told or now >= self.told_until:
            self.told, self.told_until = filled, now + patience.missing_fill

    def expects_fills(self, booked: Decimal, now: datetime) -> bool:
        """Tell whether the list of trades may show more of the order than is booked: the venue denies it, or news told of more."""
        return self.absent_since is not None or self.told_more(booked, now)

    def told_more(self, booked: Decimal, now: datetime) -> bool:
        """Tell whether news of late told of more coins filled than are booked: a report that says less may be behind it."""
        return self.told > booked and now < self.told_until

    def ended(self, booked: Decimal, now: datetime) -> bool:
        """Tell whether an order that is final and not full surely fills no more: its end was read twice, and no news told of more."""
        return self.confirmed and not self.told_more(booked, now)

    def never_seen(self, now: datetime, patience: Patience) -> bool:
        """Tell whether the venue has denied an order often and long enough since it may have been sent."""
        return self.absences >= patience.absences and now >= self.doubted_at + patience.absence

    def unanswered_again(self) -> str:
        """Note that a cancel was not answered; return how loud to say it: once, not each time of an outage."""
        self.unanswered += 1
        return "WARNING" if self.unanswered == 1 else "DEBUG"

    def unlisted_for_long(self, now: datetime, patience: Patience) -> bool:
        """Tell whether a fill has been missing for long, counted from the first list that was read and did not show it."""
        self.unbooked_since = self.unbooked_since or now
        return now >= self.unbooked_since + patience.missing_fill

    def taken(self, before: OrderRecord, report: OrderReport, now: datetime, patience: Patience) -> OrderRecord:
        """Return the record after a report. A final one that tells of fewer coins than are known is late; if it stays so it is believed."""
        after = reported(before, report)
        if after.status.final or not report.status.final:
            self.behind_since = None
            return after
        self.behind_since = self.behind_since or now
        return replace(after, status=report.status) if now >= self.behind_since + patience.absence else after

    def saw(self, report: OrderReport, before: OrderRecord, after: OrderRecord, now: datetime, patience: Patience) -> None:
        """Note what a report of the venue changed."""
        self.absences, self.absent_since = 0, None
        if after.status is not before.status or after.reported != before.reported:
            self.wait = patience.ask_again
        if after.status.final and (self.final_since is None or after.reported != before.reported):
            self.final_since, self.next_ask = now, now + patience.grace
        elif report.status.final and self.final_since is not None and now >= self.final_since + patience.grace:
            self.confirmed = True

    def missed(self, now: datetime) -> datetime:
        """Note that the venue knows nothing of the order; return since when it has said so."""
        self.absences += 1
        self.absent_since = self.absent_since or now
        return self.absent_since


def forgetful(pursuits: Mapping[ClientOrderId, Pursuit], ledger: "OrderLedger") -> bool:
    """Tell whether the venue denies an order that it had taken: then that it does not know another one proves nothing."""
    return any(pursuit.absent_since is not None and ledger.named(name) for name, pursuit in pursuits.items())


class OrderLedger:
    """All orders of trades that have not ended, by name; the venue's own ids lead back to them."""

    def __init__(self) -> None:
        self._records: dict[ClientOrderId, OrderRecord] = {}
        self._by_trade: dict[int, dict[ClientOrderId, None]] = {}
        self._by_order_id: dict[str, ClientOrderId] = {}
        self._live: dict[ClientOrderId, None] = {}
        self._fill_ids: dict[int, set[str]] = {}

    def get(self, client_id: ClientOrderId) -> OrderRecord | None:
        """Return the record of an order; None if it is not ours or its trade was forgotten."""
        return self._records.get(client_id)

    def put(self, record: OrderRecord) -> None:
        """Keep a record in place of what was known of its order."""
        name = record.client_id
        self._records[name] = record
        self._by_trade.setdefault(name.trade, {})[name] = None
        if record.order_id is not None:
            self._by_order_id[record.order_id] = name
        if record.live:
            self._live[name] = None
        else:
            self._live.pop(name, None)

    def owner_of(self, order_id: str) -> OrderRecord | None:
        """Return our order that the venue calls order_id."""
        name = self._by_order_id.get(order_id)
        return None if name is None else self._records[name]

    def named(self, name: ClientOrderId) -> bool:
        """Tell whether the venue's own number of an order is known."""
        record = self._records.get(name)
        return record is not None and record.order_id is not None

    def booked(self, name: ClientOrderId) -> Decimal:
        """Return how many coins of an order are booked."""
        record = self._records.get(name)
        return ZERO if record is None else record.booked

    def of(self, trade: int, leg: int | None = None, purpose: Purpose | None = None) -> tuple[OrderRecord, ...]:
        """Return the orders of a trade, of one leg, of one purpose, oldest first."""
        return tuple(
            self._records[name]
            for name in self._by_trade.get(trade, ())
            if (leg is None or name.leg == leg) and (purpose is None or name.purpose is purpose)
        )

    def working(self, trade: int, leg: int) -> Decimal:
        """Return what the live orders of a trade's leg may still fill, coins."""
        return sum((record.working for record in self.of(trade, leg)), ZERO)

    def live(self, *, block: bool | None = None) -> tuple[OrderRecord, ...]:
        """Return every live order, oldest first; only legs of block trades, or only orders that are none, if told so."""
        records = (self._records[name] for name in self._live)
        return tuple(record for record in records if block is None or record.block is block)

    def has_fill(self, trade: int, fill_id: str) -> bool:
        """Tell whether a fill of a trade is booked already."""
        return fill_id in self._fill_ids.get(trade, ())

    def take(self, event: OrderEvent | LegFilled) -> OrderRecord | None:
        """Apply an event to its order and return the new record; None if the order is not known."""
        if isinstance(event, OrderIntended):
            record = OrderRecord(new=event.new, sent_at=event.at)
        else:
            known = self._records.get(ClientOrderId.parse(event.order))
            if known is None or (isinstance(event, LegFilled) and self.has_fill(event.trade, event.fill.id)):
                return known
            record = applied(known, event)
        if isinstance(event, LegFilled):
            self._fill_ids.setdefault(event.trade, set()).add(event.fill.id)
        self.put(record)
        return record

    def restore(self, events: Iterable[AnyEvent], now: datetime | None = None) -> None:
        """Rebuild from journalled events; an order whose end is not among them is lost until the venue is asked.

        One that was sent after `now`, by a clock that has been set back since, counts as sent long ago.
        """
        for event in events:
            if isinstance(event, OrderEvent | LegFilled):
                self.take(event)
        for record in self.live():
            sent_at = record.sent_at if now is None or record.sent_at <= now else now - LONG_AGO
            self.put(replace(record, lost=True, sent_at=sent_at))

    def revive(self, orders: Iterable[OrderRecord], fills: Collection[str]) -> None:
        """Know the orders of an ended trade again, and which of its fills are booked."""
        for record in orders:
            self.put(record)
            self._fill_ids.setdefault(record.client_id.trade, set()).update(fills)

    def forget(self, trade: int) -> None:
        """Drop the orders of a trade that has ended."""
        self._fill_ids.pop(trade, None)
        for name in self._by_trade.pop(trade, {}):
            record = self._records.pop(name)
            self._live.pop(name, None)
            if record.order_id is not None:
                self._by_order_id.pop(record.order_id, None)
