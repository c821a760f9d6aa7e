"""Quoting makers' side: our offers to takers, each pursued from before it is sent until its end is known and booked.

Each leg of an offer is an order of ours like any other: gated, journalled before the send, working until its end is known. An offer is
sent once. It may be taken at any moment until the venue shows it as final: neither our cancel, nor its expiry by our clock, nor a list
that does not hold it ends it. Only the venue's own word does. All methods run on the tick thread.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta

from loguru import logger

from block_trades import ENOUGH_NOES, HOPELESS, book_block
from clock import Clock
from domain import (
    BlockPush,
    BlockTrade,
    ClientOrderId,
    NewOrder,
    QuotePush,
    QuoteStatus,
    RFQQuote,
    RFQStatus,
    Severity,
)
from domain.quoting import OwnStanding
from errors import ExchangeRejected, ExchangeUnavailable, JournalError
from events import BlockQuoted, BlockQuoteEnded, BlockQuoteIntended, ExecutionEvent
from execution import RunLog
from execution_log import ExecutionLog
from order_ledger import OrderRecord, Patience
from ports import Alerts, IoPool
from quote_records import Offer, OwnQuote, QuoteGateway, Terms, filled_otherwise, its_block, its_quote, recovered, said, terms
from trade_execution import TradeExecutor

LIFE = timedelta(minutes=5)  # of a quote at the venue (API 8.1)
LAGS = 4  # times the patience for absence: lists may be so late (API 15, 14)
UNASKED = "the venue ended it"
STUBBORN = 3  # cancels in a row without effect, before the dependable way is taken (API 8.9)


class QuoteDesk:
    """Our offers on one venue, at most one for each trade; `exclusive` says that no other program quotes on the account."""

    def __init__(
        self,
        *,
        gateway: QuoteGateway,
        executor: TradeExecutor,
        log: ExecutionLog,
        writes: IoPool,
        reads: IoPool,
        urgent: IoPool,
        clock: Clock,
        alerts: Alerts,
        patience: Patience | None = None,
    ) -> None:
        self._gateway, self._executor, self._log = gateway, executor, log
        self._writes, self._reads, self._urgent = writes, reads, urgent
        self._clock, self._alerts, self._patience = clock, alerts, patience or Patience()
        self._quotes: dict[int, OwnQuote] = {}
        self._ids: dict[str, datetime] = {}
        self.exclusive: Callable[[], bool] = lambda: False
        self.on_taken: Callable[[str], object] = lambda _request_id: None

    # ---- what executions and the maker ask

    @property
    def live(self) -> tuple[OwnQuote, ...]:
        """Return every offer whose end is not booked."""
        return tuple(self._quotes.values())

    @property
    def doubted(self) -> int:
        """Return of how many offers nobody knows whether they stand."""
        return sum(quote.doubted_at is not None for quote in self._quotes.values())

    def standing(self, trade: int) -> OwnQuote | None:
        """Return the offer of a trade whose end is not booked; None if nothing of it can trade any more."""
        return self._quotes.get(trade)

    def hopeless(self, trade: int) -> bool:
        """Tell whether the end of a trade's offer has been asked for in vain for so long that only a person can say it."""
        found = self._quotes.get(trade)
        doubted = None if found is None else found.doubted_at
        return doubted is not None and self._clock.now() >= doubted + LIFE + HOPELESS * self._patience.vanished

    def knows(self, quote: RFQQuote) -> bool:
        """Tell whether a quote of the account is ours, or may be: one on a request on which an offer of ours has no name yet."""
        nameless = {each.request_id for each in self._quotes.values() if each.quote_id is None}
        return quote.quote_id in self._ids or quote.request_id in nameless

    def send(self, orders: Sequence[NewOrder], log: RunLog, offer: Offer) -> None:
        """Journal orders that passed the gate, then send the offer, once; what comes of it comes later, through the ledger.

        Raises JournalError: nothing was sent. A crash between the two writes means the same, and no order is there to be asked for.
        """
        now, names = self._clock.now(), tuple(order.client_id for order in orders)
        log.write(BlockQuoteIntended, request_id=offer.request_id, orders=tuple(map(str, names)))
        self._executor.intend(*orders)
        quote = OwnQuote(
            trade=log.started.trade,
            request_id=offer.request_id,
            names=names,
            log=log,
            sent_at=now,
            wait=self._patience.ask_again,
            offer=offer,
        )
        self._quotes[quote.trade] = quote
        logger.info("quote sent trade={} request={} side={}", quote.trade, offer.request_id, offer.side.name.lower())
        self._writes.run(lambda: self._send(offer, now), lambda outcome: self._answered(quote, outcome))

    def withdraw(self, trade: int, reason: str) -> None:
        """Want an offer gone; it is asked for until the venue shows it as final, and can be taken until then."""
        quote = self._quotes.get(trade)
        if quote is not None and quote.leaving is None:
            quote.leaving = reason
            logger.info("quote taken back trade={} request={} because {}", trade, quote.request_id, reason)
            self._pursue(quote, self._clock.now())

    def outlived(self, trade: int) -> None:
        """Take it that the request of an offer is over: what became of the offer, which was taken or went with it, is asked at once."""
        quote = self._quotes.get(trade)
        if quote is not None and quote.leaving is None:
            quote.leaving, quote.gone, quote.next_ask = "the request is over", True, self._clock.now()
            self._pursue(quote, self._clock.now())

    def news(self, push: QuotePush | BlockPush) -> None:
        """Take news of a quote of ours, early, late or twice: what it says is asked about before it is believed."""
        if isinstance(push, QuotePush):
            concerns = push.own and push.quote.status is not QuoteStatus.OPEN
            self._ask_again(push.quote.request_id, push.quote.quote_id, due=concerns)
        else:
            self._ask_again(push.block.request_id, push.block.quote_id, due=push.as_maker)

    def listed(self, open_ids: set[str], began: datetime) -> None:
        """Take a list of our open quotes that was asked for at a moment: one that it lacks is asked about before that is believed."""
        for quote in self._quotes.values():
            if quote.quote_id is not None and quote.quote_id not in open_ids and self._ids.get(quote.quote_id, began) < began:
                quote.next_ask = quote.next_ask or self._clock.now()

    def restore(self, events: Iterable[ExecutionEvent], active: Collection[int]) -> None:  # noqa: ARG002 - ended trades' names too
        """Learn from the journal which names our offers had of late: none of them is a later offer's."""
        recent = self._clock.now() - 2 * LIFE
        self._ids.update((each.quote_id, each.at) for each in events if isinstance(each, BlockQuoted) and each.at >= recent)

    def step(self, now: datetime) -> None:
        """Ask the venue what needs asking, also for offers of an earlier life; never blocks."""
        for record in self._executor.ledger.live(block=True):
            if record.client_id.trade not in self._quotes:
                self._take_up(record, now)
        for quote in list(self._quotes.values()):
            self._pursue(quote, now)
        named = {quote.quote_id for quote in self._quotes.values()}
        self._ids = {known: at for known, at in self._ids.items() if known in named or now < at + 2 * LIFE}

    # ---- sending

    def _send(self, offer: Offer, decided_at: datetime) -> RFQQuote:
        """Send from a worker; an offer that waited too long for it is not sent: it was priced in another market."""
        waited = self._clock.now() - decided_at
        if waited > self._patience.send_within:
            reason = f"not sent: it waited {waited.total_seconds():.0f} s for a worker"
            raise ExchangeUnavailable("daemon", f"quote on request {offer.request_id}", reason)
        return self._gateway.quote(offer.request_id, offer.side, offer.legs)

    def _answered(self, quote: OwnQuote, outcome: RFQQuote | Exception) -> None:
        now, quote.sending = self._clock.now(), False
        match outcome:
            case RFQQuote():
                self._adopt(quote, outcome)
            case ExchangeRejected() | ExchangeUnavailable():
                self._ended(quote, "refused", str(outcome), now)
            case _:
                self._doubt(quote, str(outcome) or repr(outcome), now)
        if self._quotes.get(quote.trade) is quote:
            self._pursue(quote, now)

    def _adopt(self, quote: OwnQuote, found: RFQQuote) -> None:
        """Take the venue's name of an offer; one that it took otherwise than it was made is taken back."""
        quote.quote_id, quote.expires_at, quote.doubted_at, quote.noes = found.quote_id, found.expires_at, None, 0
        self._ids[found.quote_id] = self._clock.now()
        self._tell(quote)
        logger.info("quote open trade={} request={} id={}", quote.trade, quote.request_id, found.quote_id)
        if terms(found.legs) != self._ours(quote):
            quote.leaving = quote.leaving or "the venue has it otherwise than it was made"
            message = f"quote {found.quote_id}: made {said(self._ours(quote))}, the venue has {said(terms(found.legs))}"
            hint = "it is taken back; compare the instruments' ticks with the venue's"
            self._alerts.alert(Severity.WARNING, f"quote altered {quote.trade}", message, hint)

    def _tell(self, quote: OwnQuote) -> None:
        """Journal the venue's name of an offer, as soon as that can be done; a restart asks by the request anyway."""
        if quote.quote_id is not None and not quote.told:
            named = {"request_id": quote.request_id, "quote_id": quote.quote_id, "expires_at": quote.expires_at}
            quote.told = self._written(quote, BlockQuoted, **named)

    def _doubt(self, quote: OwnQuote, reason: str, now: datetime) -> None:
        quote.doubted_at = quote.next_ask = now
        for name in self._live(quote):
            self._executor.lose(name, reason, now)
        self._call(quote, f"nobody knows whether our quote on request {quote.request_id} stands: {reason}")

    def _call(self, quote: OwnQuote, message: str) -> None:
        hint = "the venue is asked; it counts as open until that is known; look at the venue's page of our quotes and block trades"
        self._alerts.alert(Severity.CRITICAL, f"quote unknown {quote.trade}", message, hint)

    # ---- pursuing

    def _take_up(self, record: OrderRecord, now: datetime) -> None:
        """Find the offer that a live order of an earlier life belongs to: nobody prices it any more, so it is taken back."""
        trade, name = record.client_id.trade, str(record.client_id)
        for run in reversed(self._log.runs(trade)):
            for intended in run.written(BlockQuoteIntended):
                if name not in intended.orders:
                    continue
                quote = recovered(intended, run, now, self._patience.ask_again)
                if quote.quote_id is not None:
                    self._ids[quote.quote_id] = now
                self._quotes[trade] = quote
                logger.warning("quote of an earlier life trade={} request={}: taking it back", trade, quote.request_id)
                return

    def _pursue(self, quote: OwnQuote, now: datetime) -> None:
        if quote.over is not None:
            self._ended(quote, *quote.over, now)  # it could not be journalled before
            return
        if not self._live(quote) and not quote.sending:  # booked before its end could be journalled, or a person gave it up
            self._close(quote, *(("given up", "") if self._untouched(quote) else ("filled", "")))
            return
        self._tell(quote)
        if quote.leaving is not None and quote.quote_id is not None and not quote.gone:
            self._cancel(quote, now)
        if quote.expires_at is not None and now >= quote.expires_at:
            quote.next_ask = quote.next_ask or now
        if quote.sending or quote.asking or quote.next_ask is None or now < quote.next_ask:
            return
        quote.asking, quote.next_ask = True, now + quote.wait
        quote.wait = min(quote.wait * 2, self._patience.ask_at_most)
        request_id, since = quote.request_id, quote.since
        self._reads.run(lambda: self._gateway.find(request_id, since), lambda answer: self._found(quote, answer))

    def _cancel(self, quote: OwnQuote, now: datetime) -> None:
        due = quote.cancelled_at is None or now >= quote.cancelled_at + self._patience.cancel_again
        if quote.cancelling or not due or quote.quote_id is None:
            return
        quote.cancelling, quote.cancelled_at, quote_id = True, now, quote.quote_id
        every = quote.failures >= STUBBORN and self.exclusive()
        work = self._gateway.cancel_all if every else lambda: self._gateway.cancel(quote_id)
        self._urgent.run(work, lambda outcome: self._cancelled(quote, outcome))

    def _cancelled(self, quote: OwnQuote, outcome: object) -> None:
        """Ask what became of it, whatever was answered: it may have been taken first."""
        quote.cancelling = False
        if isinstance(outcome, Exception):
            quote.failures, refused = quote.failures + 1, isinstance(outcome, ExchangeRejected)
            if quote.failures == 1 and refused:  # most likely a taker was faster, or it had expired
                logger.info("quote not open any more trade={}: asking what became of it; the venue says {}", quote.trade, outcome)
            elif quote.failures == (2 if refused else 1):
                logger.warning("quote not taken back yet trade={} reason={}", quote.trade, outcome)
        quote.next_ask, quote.wait = self._clock.now(), self._patience.ask_again
        if self._quotes.get(quote.trade) is quote:
            self._pursue(quote, self._clock.now())

    def _ask_again(self, request_id: str | None, quote_id: str | None, *, due: bool) -> None:
        for quote in list(self._quotes.values()) if due else ():
            if quote.request_id == request_id or (quote_id is not None and quote.quote_id == quote_id):
                quote.next_ask, quote.wait = self._clock.now(), self._patience.ask_again
                self._pursue(quote, self._clock.now())

    # ---- believing

    def _found(self, quote: OwnQuote, answer: OwnStanding | Exception) -> None:
        quote.asking, now = False, self._clock.now()
        if self._quotes.get(quote.trade) is not quote or quote.over is not None:
            return
        if isinstance(answer, Exception):
            logger.warning("quote query failed trade={} request={} reason={}", quote.trade, quote.request_id, answer)
            quote.gone = False
            if quote.doubted_at is not None:
                self._call(quote, f"the venue cannot be asked about our quote on request {quote.request_id}: {answer}")
            return
        self._believe(quote, answer, now)

    def _believe(self, quote: OwnQuote, answer: OwnStanding, now: datetime) -> None:
        ours, known = self._ours(quote), self._ids.keys()
        block, mine = its_block(quote, ours, answer, known), its_quote(quote, ours, answer, known)
        match (block, mine):
            case (BlockTrade(), _):
                self._traded(quote, block, mine, now)
            case (_, None):
                elsewhere = answer.status is RFQStatus.FILLED and filled_otherwise(quote, answer, known)
                self._absent(quote, RFQStatus.TRADED_AWAY if elsewhere else answer.status, now)
            case (_, RFQQuote(status=QuoteStatus.OPEN)):
                self._stands(quote, mine)
            case (_, RFQQuote(status=QuoteStatus.FILLED)):
                self._unshown(quote, now)
            case (_, RFQQuote(status=status)) if self._untouched(quote):
                self._ended(quote, str(status), quote.leaving or f"{UNASKED}: {status}", now)

    def _stands(self, quote: OwnQuote, found: RFQQuote) -> None:
        """Take in that an offer is open; one whose answer was lost is taken back now that it has a name."""
        quote.gone = False
        if quote.quote_id is None or quote.expires_at is None:
            self._adopt(quote, found)
            quote.leaving = quote.leaving or "its answer was lost"
            self._cancel(quote, self._clock.now())
        quote.doubted_at, quote.noes = None, 0
        quote.next_ask = quote.next_ask if quote.leaving is not None else None
        quote.wait = self._patience.ask_again

    def _traded(self, quote: OwnQuote, block: BlockTrade, mine: RFQQuote | None, now: datetime) -> None:
        if block.fills is None:
            self._unshown(quote, now)
            return
        if quote.quote_id is None and block.quote_id is not None:
            quote.quote_id, self._ids[block.quote_id] = block.quote_id, now
        if quote.expires_at is None:  # the answer was lost, and a block does not say until when its quote could have stood: it ended by it
            quote.expires_at = min((fill.at for fill in block.fills), default=now) if mine is None else mine.expires_at
        self._tell(quote)
        book_block(self._executor, self._alerts, quote.names, quote.request_id, block.fills)
        if self._live(quote):
            quote.doubted_at = quote.doubted_at or now
            return
        logger.info("quote taken trade={} request={} id={}", quote.trade, quote.request_id, quote.quote_id)
        self.on_taken(quote.request_id)
        self._close(quote, "filled", "")

    def _unshown(self, quote: OwnQuote, now: datetime) -> None:
        """Go on asking for a block that was traded and is not shown whole yet."""
        if quote.doubted_at is None:
            quote.doubted_at, quote.wait = now, self._patience.ask_again
        quote.noes, quote.next_ask, quote.gone = 0, now + quote.wait, True
        logger.warning("quote taken, its block is not shown yet trade={} request={}", quote.trade, quote.request_id)
        if now >= quote.doubted_at + self._patience.absence:
            self._call(quote, f"our quote on request {quote.request_id} was taken, and the venue does not show its block")

    def _absent(self, quote: OwnQuote, status: RFQStatus | None, now: datetime) -> None:
        """Believe that an offer did not trade once its request ended otherwise, or once no offer could stand any more and lists caught up.

        A request that ended as traded away, cancelled or expired was not traded with us. While it is open, an offer whose create was
        lost may still be taken for as long as quotes live at the venue.
        """
        quote.doubted_at = quote.doubted_at or now
        quote.next_ask = quote.next_ask or now + quote.wait
        if status is RFQStatus.FILLED:
            self._unshown(quote, now)
            return
        quote.noes += 1
        over = status is not None and status.final
        quote.gone = quote.gone and over
        late = now >= quote.doubted_at + LIFE + LAGS * self._patience.absence
        if quote.noes < ENOUGH_NOES or not (over or late) or not self._untouched(quote):
            return
        if not over and quote.quote_id is not None:
            message = f"the venue took our quote {quote.quote_id} on request {quote.request_id} and now does not know it"
            self._alerts.alert(Severity.CRITICAL, f"quote vanished {quote.trade}", message, "compare our blocks with the venue's statement")
        self._ended(quote, "absent", f"the venue knows no quote of ours on request {quote.request_id} ({status})", now)

    # ---- ending

    def _ended(self, quote: OwnQuote, outcome: str, reason: str, now: datetime) -> None:
        """Book that an offer surely did not trade; until that is written it is tried again."""
        quote.over = (outcome, reason)
        for name in self._live(quote):
            self._executor.refuse(name, reason, now, retryable=True)
        if not self._live(quote):
            self._close(quote, outcome, reason)

    def _close(self, quote: OwnQuote, outcome: str, reason: str) -> None:
        self._tell(quote)
        named = quote.told or quote.quote_id is None
        if named and self._written(quote, BlockQuoteEnded, request_id=quote.request_id, outcome=outcome, reason=reason):
            self._quotes.pop(quote.trade, None)

    def _written(self, quote: OwnQuote, kind: type[ExecutionEvent], **fields: object) -> bool:
        try:
            quote.log.write(kind, **fields)
        except JournalError as error:
            hint = f"{error.advice}; no order is sent until it writes"
            self._alerts.alert(Severity.CRITICAL, "journal", f"cannot write {kind.__name__}: {error}", hint)
            return False
        return True

    def _live(self, quote: OwnQuote) -> list[ClientOrderId]:
        records = (self._executor.ledger.get(name) for name in quote.names)
        return [record.client_id for record in records if record is not None and record.live]

    def _untouched(self, quote: OwnQuote) -> bool:
        """Tell whether nothing of an offer is booked: what shows one leg traded shows that all did."""
        records = [self._executor.ledger.get(name) for name in quote.names]
        return all(record is None or record.reported == 0 for record in records)

    def _ours(self, quote: OwnQuote) -> Terms:
        records = (self._executor.ledger.get(name) for name in quote.names)
        new = [record.new for record in records if record is not None]
        return sorted((each.instrument.symbol, each.side, each.qty, each.price) for each in new)
