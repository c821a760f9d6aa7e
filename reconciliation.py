"""Compares our books with the venue: at start, after every gap in what it tells, and at an interval.

One round asks for all open orders and the fills since the last round, and takes the first account answer that is younger than both.
Each also asks for the orders that have ended: the venue still knows by our names what a journal may have lost. Only while a start is
fresh does a round depend on that answer.
A read that fails makes the round void: nothing is concluded from what was not told. What is ours is booked or cancelled through
the order path; what is others' is seen and never touched. Owned by the tick thread.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from loguru import logger

from clock import Clock
from difference_book import DifferenceBook
from differences import Books, Comparison, Found, Holding, Told, compare, recovered
from domain import ZERO, AccountSnapshot, ClientOrderId, Difference, Fill, OrderReport, Severity
from doubts import Doubts, LookBack
from errors import ExchangeRejected, JournalError, RiskDenied
from events import AnyEvent, OrderAccepted, OrderIntended
from lifecycle_manager import LifecycleManager
from order_ledger import OrderLedger, OrderRecord
from ports import Alerts, IoPool, JournalWriter, OrderGateway
from position_check import Returns
from rounds import Askers, Result, Rhythm, Round, Tell

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

    def cancel(self, name: ClientOrderId, /) -> None:
        """Want a live order gone, until it is."""
        ...


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
        self._desk, self._gateway, self._path, self._lifecycle, self._journal = desk, gateway, path, lifecycle, journal
        self._reads, self._cancels, self._clock, self._alerts = reads, cancels, clock, alerts
        self._rhythm = rhythm or Rhythm()
        self._found = DifferenceBook(journal, alerts, self._rhythm.lag)
        self._started = clock.now()
        self._due_at, self._since = self._started, self._started - self._rhythm.overlap
        self._since_kept_until = self._started + self._rhythm.overlap
        self._round: Round | None = None
        self._again, self._void_rounds, self._history_fails = False, 0, False
        self._hurried, self._askers = 0, Askers(self._rhythm.answer)
        self._cancelling: set[ClientOrderId] = set()
        self._comparison, self._returns = Comparison(), Returns(self._rhythm.patience)
        self._back: LookBack | None = None
        self._back_until = self._started
        self._doubts = Doubts(alerts, self._started)
        self._acknowledged: set[tuple[Difference, str]] = set()
        self.compared_at: datetime | None = None
        self._compared_from = self._started  # when the last whole round began
        self.ask_account: Callable[[], None] = lambda: None  # has it read, unless that is under way; else the usual reading is waited for
        lifecycle.block_entries(BLOCK, "our books have not been compared with the venue since the start")

    # ---- what others ask

    def restore(self, events: Iterable[AnyEvent], back: LookBack | None = None) -> None:
        """Take up the differences that stood, and from when on something may have been missed: the journal's last word."""
        kept = tuple(events)
        self._back, self._back_until = back, self._since_kept_until
        self._found.restore(kept)
        for found in self.standing:
            self._mind_number(found)
        damaged = back is not None and back.damaged
        self._doubts.restore(kept, damaged=damaged)
        if kept:
            earliest = self._started - self._rhythm.look_back
            last = max(event.at for event in kept) - self._rhythm.overlap
            self._since = earliest if damaged else max(earliest, min(self._since, last))

    def acknowledge(self) -> None:
        """Take note that a person has seen what the journal lost: coins in our name that no trade has stop nobody any more."""
        self._acknowledged.update(found.key for found in self.standing if found.stray)
        self._doubts.standing = False
        self.due("a person has looked")

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
        legs = [leg for trade in self._lifecycle.active if not trade.simulated for leg in trade.legs if leg.option.symbol == symbol]
        busy = any(order.new.instrument.symbol == symbol for order in self._path.ledger.live())
        if busy or sum((leg.held for leg in legs), ZERO) != holding.ours:
            raise RiskDenied(f"{symbol}: our own trades have moved there since it was compared; wait for the next round")
        if not account.valid or position is None or position.signed_qty != holding.shown:
            raise RiskDenied(f"{symbol}: the account is unknown or has changed since it was compared; wait for the next round")
        return holding

    def due(self, reason: str) -> None:
        """Begin a round at the next step, or another one after the one that runs."""
        logger.debug("reconciliation due reason={}", reason)
        self._due_at = self._clock.now()
        self._again = self._round is not None

    def doubt(self, since: datetime) -> str:
        """Say why no round begun since a moment shows that our books have all that is ours, and have one begin; empty if one does."""
        if self.compared_at is None or self._compared_from < since:
            if self._round is None and self._due_at > self._clock.now() + self._rhythm.retry:
                self.due("the kill switch waits for it")
            return "the venue's trades and orders have not been compared with our books since"
        ours = (Difference.FILL_MISSED, Difference.ORDER_UNKNOWN, Difference.ORDER_LOST)
        return next((f"{found.subject}: {found.said}" for found in self._comparison.found if found.kind in ours), "")

    def ask(self, tell: Tell) -> None:
        """Begin a round because a person asked, and tell its result, or after `answer` what is known; the log has all of it."""
        self._askers.add(self._clock.now(), tell)
        self._hurried = 0
        self.due("a person asked for it")

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
        self._askers.look(now)
        if self._round is None and now >= self._due_at:
            self._begin(now)
        current = self._round
        if current is None:
            return
        if (told := current.told(account)) is not None:
            self._conclude(current, told)
        elif now - current.begun_at > self._rhythm.patience:
            missing = "no answer" if None in (current.orders, current.fills, current.history) else "no account answer"
            self._void(current, f"{missing} within {self._rhythm.patience.total_seconds():g} s")
        elif current.waits_for_account:
            self.ask_account()

    def _begin(self, now: datetime) -> None:
        current, since, back = Round(now, now), self._since, self._back
        self._round, self._again = current, False
        self._reads.run(self._gateway.open_orders, lambda answer: self._orders_told(current, answer))
        self._reads.run(lambda: self._gateway.fills(since), lambda answer: self._fills_told(current, answer))
        if back is None:
            return
        current.history = None
        self._reads.run(lambda: back.orders.orders(since), lambda answer: self._history_told(current, answer))
        if now <= self._back_until and self._doubts.standing and back.requests is not None:
            self._reads.run(back.requests.open_requests, self._doubts.requests_told)

    def _orders_told(self, current: Round, answer: Sequence[OrderReport] | Exception) -> None:
        if isinstance(answer, Exception):
            self._void(current, f"open orders unknown: {answer}")
        else:
            current.orders, current.told_at = answer, self._clock.now()

    def _fills_told(self, current: Round, answer: Sequence[Fill] | Exception) -> None:
        if isinstance(answer, Exception):
            self._void(current, f"fills unknown: {answer}")
        else:
            current.fills, current.told_at = answer, self._clock.now()

    def _history_told(self, current: Round, answer: Sequence[OrderReport] | Exception) -> None:
        now, failed = self._clock.now(), isinstance(answer, Exception)
        if failed and now <= self._back_until:
            self._void(current, f"ended orders unknown: {answer}")
            return
        if failed and not self._history_fails:
            logger.warning("reconciliation goes on without the orders that have ended reason={}", answer)
        self._history_fails = failed
        current.history, current.told_at = () if isinstance(answer, Exception) else answer, now

    def _void(self, current: Round, reason: str) -> None:
        """Conclude nothing from a round, and try again soon."""
        if self._round is not current:
            return
        self._round, self._void_rounds = None, self._void_rounds + 1
        self._due_at, self._askers.trouble = self._clock.now() + self._rhythm.retry, reason
        if self._void_rounds == 1:
            logger.warning("reconciliation void reason={}", reason)
        if self._void_rounds >= _ALERT_AFTER:
            said = f"our books could not be compared with the venue {self._void_rounds} times in a row: {reason}"
            self._alerts.alert(Severity.WARNING, "reconciliation", said, "it is tried again; check the network and the venue's status")

    def _conclude(self, current: Round, told: Told) -> None:
        now, self._round = told.account.now, None
        if self._void_rounds > 0:
            logger.info("reconciliation back after void rounds={}", self._void_rounds)
            self._void_rounds = 0
        self._due_at = now + self._rhythm.retry  # should comparing itself go wrong
        books = self._books()
        self._comparison = self._compared(books, told)
        for found in self._comparison.found:
            self._mind_number(found)
        self._found.take(self._comparison, now)
        first, self.compared_at, self._compared_from = self.compared_at is None, now, current.begun_at
        acted = self._act(books, told.fills)
        missing = any(found.kind is Difference.FILL_MISSED for found in (*self.standing, *self._found.suspected))
        if not missing and now >= self._since_kept_until:
            self._since = current.begun_at - self._rhythm.overlap
        self._judge_entries()
        self._doubts.look(self._seen_now())
        self._due_at = now + self._rest(acted)
        self._manage_again(books, told)
        self._askers.concluded(Result(current.begun_at, now, self.standing, self._found.pending))
        if first:
            counts = len(told.orders), len(told.fills), len(told.account.positions), len(books.trades), len(self._comparison.found)
            logger.info("books compared with the venue orders={} fills={} positions={} trades={} differences={}", *counts)

    def _rest(self, acted: bool) -> timedelta:
        """Return how long until the next round; others may act all day, so that looks at their affairs wait twice as long each time."""
        rhythm = self._rhythm
        if self._again or acted or self._found.suspected:
            return timedelta(0) if self._again else rhythm.lag
        self._hurried = self._hurried + 1 if self._found.pending else 0
        return min(rhythm.interval, rhythm.lag * 2 ** min(self._hurried - 1, 20)) if self._hurried else rhythm.interval

    def _compared(self, books: Books, told: Told) -> Comparison:
        """Compare; coins in our name that no trade has stand until a person has seen them, and then no more."""
        comparison = compare(books, told, [found for found in self.standing if found.stray])
        return replace(comparison, found=tuple(found for found in comparison.found if found.key not in self._acknowledged))

    def _seen_now(self) -> list[Found]:
        """Return the differences that stand and were there in the last round, as they were there."""
        standing = {found.key for found in self.standing}
        return [found for found in self._comparison.found if found.key in standing]

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

    def _manage_again(self, books: Books, told: Told) -> None:
        """Let trades go on that were set aside for coins which the venue shows again, where nobody has closed them."""
        for trade in self._returns.take(books.trades, books.strangers(told.fills), self._comparison.whole, told.account.now):
            said = f"{trade.id} goes on: the venue shows its coins again, and nobody has closed them"
            self._lifecycle.manage(trade.number, said)
            self._alerts.alert(Severity.INFO, f"quarantine over {trade.id}", said, "no action needed")

    def _mind_number(self, found: Found) -> None:
        """Begin no trade under a number that the venue has seen in our name and our journal has lost."""
        if found.kind is Difference.ORDER_UNKNOWN and found.trade is not None:
            self._lifecycle.number_after(found.trade)

    def _act(self, books: Books, fills: Sequence[Fill]) -> bool:
        """Book the fills, and mind the orders, that stand as ours and were seen just now; all else is only seen. Tell whether any was."""
        ours = [found for found in self._seen_now() if found.fill is not None or found.order is not None]
        for found in ours:
            if found.fill is not None:
                self._book(books, found.fill)
            elif found.order is not None:
                self._mind(books, found.order, fills)
        return bool(ours)

    def _mind(self, books: Books, report: OrderReport, fills: Sequence[Fill]) -> None:
        """Know an order of ours again that the books have lost or given up, and have it gone if it still works."""
        known = None if report.client_id is None else books.order(report.client_id)
        lost = recovered(books, report, fills) if known is None else None
        if lost is not None:
            if self._taken_up(books, lost) and not report.status.final:
                self._path.cancel(lost.client_id)
            return
        if known is not None and known.order_id is None:  # thought never to have arrived: from here on its fills find their trade
            if not self._named(known, report):
                return
            if books.ledger.get(known.client_id) is None:
                books.past.learn(report.order_id, known.client_id)
            else:
                books.ledger.put(replace(known, order_id=report.order_id))
            self._since = min(self._since, report.created_at or self._since)
        if not report.status.final:
            self._cancel(report.client_id)

    def _named(self, known: OrderRecord, report: OrderReport) -> bool:
        """Write the venue's number of an order that we thought it had refused; tell whether it is written."""
        try:
            self._journal.append(OrderAccepted(at=self._clock.now(), order=str(known.client_id), order_id=report.order_id))
        except JournalError as error:
            logger.warning("order number not written id={} reason={}: again at the next comparison", known.client_id, error)
            return False
        return True

    def _taken_up(self, books: Books, lost: OrderRecord) -> bool:
        """Write an order as if it had never been lost, and leave it and its fills to the order path; tell whether it is written."""
        name, at = lost.client_id, lost.sent_at
        accepted = OrderAccepted(at=at, order=str(name), order_id=lost.order_id or "")
        try:
            self._journal.append(OrderIntended(at=at, order=str(name), new=lost.new), accepted)
        except JournalError as error:
            said = f"cannot write order {name} again: {error}"
            self._alerts.alert(Severity.CRITICAL, "journal", said, "it is tried again at the next comparison")
            return False
        trade = books.trade(name.trade)
        seen = frozenset[str]() if trade is None else trade.seen
        if not books.ledger.of(name.trade):
            self._path.revive(books.past.of(name.trade), seen)
        self._path.revive([lost], seen)
        logger.warning("order taken up again id={} order={}: the journal had lost it", name, lost.order_id)
        return True

    def _book(self, books: Books, fill: Fill) -> None:
        record = books.owner_of(fill.order_id)
        trade = None if record is None else books.trade(record.client_id.trade)
        if record is None or trade is None:
            return
        if not books.ledger.of(trade.number):
            self._path.revive(books.past.of(trade.number), trade.seen)
        self._path.missed([fill])

    def _cancel(self, name: ClientOrderId | None) -> None:
        if name is None or name.desk != self._desk or name in self._cancelling:
            return
        self._cancelling.add(name)
        logger.warning("order cancelled id={} because nobody manages it", name)
        self._cancels.run(lambda: self._gateway.cancel(name), lambda outcome: self._cancelled(name, outcome))

    def _cancelled(self, name: ClientOrderId, outcome: object) -> None:
        self._cancelling.discard(name)
        if isinstance(outcome, Exception) and not isinstance(outcome, ExchangeRejected):
            logger.warning("cancel unanswered id={} reason={}; asked again while it stands", name, outcome)
