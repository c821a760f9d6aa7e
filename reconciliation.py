"""Compares our books with the venue: at start, after every gap in what it tells, and at an interval.

One round asks for all open orders and the fills since the last round, and takes the first account answer that is younger than both.
A read that fails makes the round void: nothing is concluded from what was not told. What is ours is booked or cancelled through
the order path; what is others' is seen and never touched. Owned by the tick thread.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from loguru import logger

from clock import Clock
from difference_book import DifferenceBook
from differences import Books, Comparison, Found, Holding, Told, compare
from domain import AccountSnapshot, ClientOrderId, Difference, Fill, OrderReport, Severity
from errors import ExchangeRejected, RiskDenied
from events import AnyEvent
from lifecycle_manager import LifecycleManager
from order_ledger import OrderLedger, OrderRecord
from ports import Alerts, IoPool, JournalWriter, OrderGateway

BLOCK = "reconciliation"
_ALERT_AFTER = 3  # void rounds in a row


class OrderPath(Protocol):
    """What reconciliation asks of the one order path."""

    @property
    def ledger(self) -> OrderLedger:
        """All orders of trades that have not ended."""
        ...

    def revive(self, orders: Sequence[OrderRecord], fills: Collection[str], /) -> None:
        """Know the orders of an ended trade again, and which of its fills are booked: another has come."""
        ...

    def missed(self, fills: Sequence[Fill], /) -> None:
        """Book fills of our orders that nobody has booked, each once, whatever was believed of the order's end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """How often, and how long to wait before a difference is believed (`lag`), a void round is tried again, a slow one given up.

    Fills are read since the last round less `overlap`, by which the venue's list of them may lag behind. At start they are read since the
    journal's last word, after a gap since its begin, at most `look_back`, and so again until `overlap` has passed.
    """

    interval: timedelta = timedelta(seconds=60)
    lag: timedelta = timedelta(seconds=5)
    retry: timedelta = timedelta(seconds=5)
    patience: timedelta = timedelta(minutes=2)
    overlap: timedelta = timedelta(minutes=10)
    look_back: timedelta = timedelta(days=7)


@dataclass(slots=True)
class _Round:
    """What one round has been told so far; `told_at` is when the last answer came."""

    begun_at: datetime
    told_at: datetime
    orders: Sequence[OrderReport] | None = None
    fills: Sequence[Fill] | None = None


class Reconciler:
    """Finds where our books and the venue differ, names it, and does what is ours to do."""

    def __init__(
        self,
        *,
        desk: int,
        gateway: OrderGateway,
        path: OrderPath,
        lifecycle: LifecycleManager,
        reads: IoPool,
        cancels: IoPool,
        journal: JournalWriter,
        clock: Clock,
        alerts: Alerts,
        rhythm: Rhythm | None = None,
    ) -> None:
        self._desk, self._gateway, self._path, self._lifecycle = desk, gateway, path, lifecycle
        self._reads, self._cancels, self._clock, self._alerts = reads, cancels, clock, alerts
        self._rhythm = rhythm or Rhythm()
        self._found = DifferenceBook(journal, alerts, self._rhythm.lag)
        self._started = clock.now()
        self._due_at, self._since = self._started, self._started - self._rhythm.overlap
        self._since_kept_until = self._started + self._rhythm.overlap
        self._round: _Round | None = None
        self._again = False
        self._void_rounds = 0
        self._cancelling: set[ClientOrderId] = set()
        self._comparison = Comparison()
        self.compared_at: datetime | None = None
        lifecycle.block_entries(BLOCK, "our books have not been compared with the venue since the start")

    # ---- what others ask

    def restore(self, events: Iterable[AnyEvent]) -> None:
        """Take up the differences that stood, and from when on fills may have been missed: the journal's last word."""
        kept = tuple(events)
        self._found.restore(kept)
        for found in self.standing:
            self._mind_number(found)
        if kept:
            earliest = self._started - self._rhythm.look_back
            self._since = max(earliest, min(self._since, max(event.at for event in kept) - self._rhythm.overlap))

    @property
    def standing(self) -> Sequence[Found]:
        """Return the differences that stand, oldest first."""
        return self._found.standing

    @property
    def others(self) -> Mapping[str, Decimal]:
        """Return the coins in the account that are not ours, by symbol, signed, as of the last round."""
        return {symbol: holding.others for symbol, holding in self._comparison.holdings.items() if holding.others != 0}

    def surplus(self, symbol: str, account: AccountSnapshot) -> Holding:
        """Return a holding of which others surely have a part. Raises RiskDenied, saying why not, if that is not so or not known."""
        if self.compared_at is None or account.now - self.compared_at > 2 * self._rhythm.interval + self._rhythm.patience:
            raise RiskDenied(f"{symbol}: the account was not compared with our books of late")
        holding, position = self._comparison.holdings.get(symbol), account.position(symbol)
        named = any(found.kind is Difference.POSITION_OF_OTHERS and found.subject == symbol for found in self.standing)
        if holding is None or holding.others == 0 or not named or symbol in self._comparison.unsure:
            raise RiskDenied(f"{symbol}: the comparison of {self.compared_at:%H:%M:%S} UTC shows nothing there that is surely not ours")
        if not account.valid or position is None or position.signed_qty != holding.shown:
            raise RiskDenied(f"{symbol}: the account is unknown or has changed since it was compared; wait for the next round")
        return holding

    def due(self, reason: str) -> None:
        """Begin a round at the next step, or another one after the one that runs."""
        logger.debug("reconciliation due reason={}", reason)
        self._due_at = self._clock.now()
        self._again = self._round is not None

    def gap(self, since: datetime) -> None:
        """Compare anew: since a moment nobody has told us what happens."""
        now = self._clock.now()
        self._since = max(min(self._since, since - self._rhythm.overlap), now - self._rhythm.look_back)
        self._since_kept_until = now + self._rhythm.overlap
        self.due(f"nothing was heard since {since:%H:%M:%S} UTC")

    # ---- rounds

    def step(self, account: AccountSnapshot) -> None:
        """Begin a round that is due, or conclude one that is told; never blocks."""
        now = account.now
        if self._round is None and now >= self._due_at:
            self._begin(now)
        current = self._round
        if current is None:
            return
        young = account.valid and account.at is not None and account.at >= current.told_at
        if young and current.orders is not None and current.fills is not None:
            self._conclude(current, Told(orders=current.orders, fills=current.fills, account=account))
        elif now - current.begun_at > self._rhythm.patience:
            missing = "no account answer" if current.orders is not None and current.fills is not None else "no answer"
            self._void(current, f"{missing} within {self._rhythm.patience.total_seconds():g} s")

    def _begin(self, now: datetime) -> None:
        current, since = _Round(now, now), self._since
        self._round, self._again = current, False
        self._reads.run(self._gateway.open_orders, lambda answer: self._orders_told(current, answer))
        self._reads.run(lambda: self._gateway.fills(since), lambda answer: self._fills_told(current, answer))

    def _orders_told(self, current: _Round, answer: Sequence[OrderReport] | Exception) -> None:
        if isinstance(answer, Exception):
            self._void(current, f"open orders unknown: {answer}")
        else:
            current.orders, current.told_at = answer, self._clock.now()

    def _fills_told(self, current: _Round, answer: Sequence[Fill] | Exception) -> None:
        if isinstance(answer, Exception):
            self._void(current, f"fills unknown: {answer}")
        else:
            current.fills, current.told_at = answer, self._clock.now()

    def _void(self, current: _Round, reason: str) -> None:
        """Conclude nothing from a round, and try again soon."""
        if self._round is not current:
            return
        self._round, self._void_rounds = None, self._void_rounds + 1
        self._due_at = self._clock.now() + self._rhythm.retry
        if self._void_rounds == 1:
            logger.warning("reconciliation void reason={}", reason)
        if self._void_rounds >= _ALERT_AFTER:
            said = f"our books could not be compared with the venue {self._void_rounds} times in a row: {reason}"
            self._alerts.alert(Severity.WARNING, "reconciliation", said, "it is tried again; check the network and the venue's status")

    def _conclude(self, current: _Round, told: Told) -> None:
        now, self._round = told.account.now, None
        if self._void_rounds > 0:
            logger.info("reconciliation back after void rounds={}", self._void_rounds)
            self._void_rounds = 0
        first, self.compared_at = self.compared_at is None, now
        books = self._books()
        self._comparison = compare(books, told)
        for found in self._comparison.found:
            self._mind_number(found)
        self._found.take(self._comparison, now)
        acted = self._act(books)
        missing = any(found.kind is Difference.FILL_MISSED for found in (*self.standing, *self._found.suspected))
        if not missing and now >= self._since_kept_until:
            self._since = current.begun_at - self._rhythm.overlap
        self._judge_entries()
        soon = self._again or acted or bool(self._found.suspected)
        self._due_at = now + (self._rhythm.lag if soon else self._rhythm.interval)
        if first:
            counts = len(told.orders), len(told.fills), len(told.account.positions), len(books.trades), len(self._comparison.found)
            logger.info("books compared with the venue orders={} fills={} positions={} trades={} differences={}", *counts)

    def _books(self) -> Books:
        return Books(
            desk=self._desk,
            started=self._started,
            trades=[trade for trade in self._lifecycle.active if not trade.simulated],
            trade=self._lifecycle.trade,
            ledger=self._path.ledger,
            past=self._lifecycle.past,
        )

    def _judge_entries(self) -> None:
        """Let trades begin unless what is ours at the venue is not yet in our books, or lives there without us."""
        kinds = (Difference.ORDER_UNKNOWN, Difference.FILL_MISSED)
        open_ends = [found for found in (*self.standing, *self._found.suspected) if found.kind in kinds]
        if open_ends:
            first = open_ends[0]
            self._lifecycle.block_entries(BLOCK, f"{len(open_ends)} differences with the venue are open: {first.kind}, {first.subject}")
        else:
            self._lifecycle.lift_block(BLOCK)

    # ---- what is done

    def _mind_number(self, found: Found) -> None:
        """Begin no trade under a number that the venue has seen in our name and our journal has lost."""
        if found.kind is Difference.ORDER_UNKNOWN and found.trade is not None:
            self._lifecycle.number_after(found.trade)

    def _act(self, books: Books) -> bool:
        """Book the fills and cancel the orders that stand as ours and were seen just now; all else is only seen. Tell whether any was."""
        there = {found.key for found in self._comparison.found}
        ours = [found for found in self.standing if found.key in there and (found.fill is not None or found.order is not None)]
        for found in ours:
            if found.fill is not None:
                self._book(books, found.fill)
            elif found.order is not None:
                self._cancel(books, found.order)
        return bool(ours)

    def _book(self, books: Books, fill: Fill) -> None:
        record = books.owner_of(fill.order_id)
        trade = None if record is None else books.trade(record.client_id.trade)
        if record is None or trade is None:
            return
        if not books.ledger.of(trade.number):
            self._path.revive(books.past.of(trade.number), trade.seen)
        self._path.missed([fill])

    def _cancel(self, books: Books, report: OrderReport) -> None:
        name = report.client_id
        if name is None or name.desk != self._desk or name in self._cancelling:
            return
        record = books.order(name)
        if record is not None and record.order_id is None:  # thought never to have arrived: from here on its fills find their trade
            if books.ledger.get(name) is None:
                books.past.learn(report.order_id, name)
            else:
                books.ledger.put(replace(record, order_id=report.order_id))
            self._since = min(self._since, report.created_at or self._since)
        self._cancelling.add(name)
        logger.warning("order cancelled id={} because nobody manages it", name)
        self._cancels.run(self._canceller(name), lambda outcome: self._cancelled(name, outcome))

    def _canceller(self, name: ClientOrderId) -> Callable[[], None]:
        return lambda: self._gateway.cancel(name)

    def _cancelled(self, name: ClientOrderId, outcome: object) -> None:
        self._cancelling.discard(name)
        if isinstance(outcome, Exception) and not isinstance(outcome, ExchangeRejected):
            logger.warning("cancel unanswered id={} reason={}; asked again while it stands", name, outcome)
