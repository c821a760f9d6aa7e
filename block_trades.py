"""Accepting a maker's quote: the part of the one order path that trades every leg of a structure at once, or none.

Each leg is an order of ours like any other: gated, journalled before the accept, working until its end is known. An accept is sent once.
While nobody knows what became of it nothing else of its trade goes out, its request is withdrawn, so that nothing more can trade on
it, and the venue is asked until it has shown the block or has surely none. All methods run on the tick thread.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from loguru import logger

from clock import Clock
from domain import BlockTrade, ClientOrderId, Fill, NewOrder, OrderType, RFQQuote, RFQRequest, RFQStanding, RFQStatus, Severity
from errors import ExchangeRejected, ExchangeUnavailable, OrderAlreadyFinal, OrderNotFound
from events import BlockIntended, BlockQuoteIntended
from execution import RunLog, Scene
from execution_log import ExecutionLog, Run
from order_ledger import OrderRecord, Patience
from ports import Alerts, IoPool, RFQGateway
from trade_execution import TradeExecutor

SLACK = timedelta(minutes=1)
FORGET = timedelta(hours=2)
ENOUGH_NOES = 2
HOPELESS = 3  # times the patience for vanished orders


@dataclass(slots=True)
class Withdrawal:
    """How far the withdrawing of a request has come: asked for since when, over for sure, and whether because the venue withdrew it."""

    began: datetime
    tried_at: datetime | None = None
    asking: bool = False
    failures: int = 0
    final: bool = False
    withdrawn: bool = False

    @property
    def outcome(self) -> str:
        """Return how the request ended, as far as its withdrawing tells."""
        if not self.final:
            return "abandoned"
        return "cancelled" if self.withdrawn else "expired"


@dataclass(slots=True)
class _Accept:
    """One accepted quote until its outcome is booked.

    `since` is a moment before its request was sent, `doubted_at` when the accept had surely left us without an answer that settles it
    (None: it is on its way), `refused` why it surely did not trade, `noes` how often in a row the venue has said so, `cancelled` how often
    in a row it said that the request is cancelled.
    """

    trade: int
    request_id: str
    names: tuple[ClientOrderId, ...]
    since: datetime
    wait: timedelta
    doubted_at: datetime | None = None
    next_ask: datetime | None = None
    asking: bool = False
    noes: int = 0
    cancelled: int = 0
    refused: str | None = None


class BlockDesk:
    """Accepts quotes on one venue, and pursues each accept until it is known and booked."""

    def __init__(
        self,
        *,
        gateway: RFQGateway,
        executor: TradeExecutor,
        log: ExecutionLog,
        writes: IoPool,
        reads: IoPool,
        clock: Clock,
        alerts: Alerts,
        desk: int,
        urgent: IoPool | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._gateway, self._executor, self._log = gateway, executor, log
        self._writes, self._reads, self._urgent = writes, reads, urgent or writes
        self._clock, self._alerts, self._desk = clock, alerts, desk
        self._patience = patience or Patience()
        self._accepts: dict[int, _Accept] = {}
        self._withdrawals: dict[str, Withdrawal] = {}
        self._unexplained: dict[ClientOrderId, datetime] = {}

    # ---- what executions ask

    def locked(self, trade: int) -> bool:
        """Tell whether a block of the trade is out whose end is not booked: then nothing else of the trade may be sent."""
        return any(record.block for record in self._executor.live_orders(trade))

    def hopeless(self, trade: int) -> bool:
        """Tell whether the end of a trade's block has been asked for in vain for so long that only a person can say it."""
        accept = self._accepts.get(trade)
        doubted = None if accept is None else accept.doubted_at
        return doubted is not None and self._clock.now() >= doubted + HOPELESS * self._patience.vanished

    def orders(self, scene: Scene, quote: RFQQuote) -> tuple[NewOrder, ...]:
        """Return our orders that taking a quote would trade, each passed by the gate, sending nothing.

        The quote must trade what the scene wants. Raises InvariantBroken, SizeRejected or RiskDenied.
        """
        trade = scene.trade
        prices = {leg.symbol: leg.price for leg in quote.legs}
        orders: list[NewOrder] = []
        for index, leg in enumerate(trade.legs):
            if (missing := scene.missing(leg)) == 0:
                continue
            order = NewOrder(
                client_id=self._executor.next_id(self._desk, trade.number, index, scene.purpose),
                instrument=leg.option,
                side=scene.side(leg),
                qty=missing,
                price=prices[leg.option.symbol],
                order_type=OrderType.BLOCK_TRADE,
                reduce_only=scene.purpose.reduces,
            )
            seen = scene.quotes.get(leg.option.symbol)
            self._executor.gate(order, trade, None if seen is None else seen.underlying_price)
            orders.append(order)
        self._executor.door.check_block(orders)
        return tuple(orders)

    def accept(self, orders: Sequence[NewOrder], log: RunLog, request: RFQRequest, quote: RFQQuote) -> None:
        """Journal orders that `orders` returned, then accept the quote, once; their outcome comes later, through the ledger.

        Raises JournalError: nothing was sent. A crash between the two writes means the same, and no order is there to be asked for.
        """
        names = tuple(order.client_id for order in orders)
        log.write(BlockIntended, request_id=request.request_id, quote_id=quote.quote_id, orders=tuple(map(str, names)))
        self._executor.intend(*orders)
        now, reduces = self._clock.now(), names[0].purpose.reduces
        accept = _Accept(
            trade=log.started.trade,
            request_id=request.request_id,
            names=names,
            since=log.started.at - SLACK,
            wait=self._patience.ask_again,
        )
        self._accepts[accept.trade] = accept
        logger.info(
            "block accept sent trade={} request={} quote={} cost={}", accept.trade, request.request_id, quote.quote_id, quote.total_cost
        )
        lane = self._urgent if reduces else self._writes
        lane.run(lambda: self._send(request, quote, now), lambda outcome: self._answered(accept, outcome))

    def withdraw(self, request_id: str) -> Withdrawal:
        """Want a request gone; the venue is asked until it says that the request is over, also if nobody asks here again."""
        now = self._clock.now()
        found = self._withdrawals.setdefault(request_id, Withdrawal(began=now))
        self._pursue_withdrawal(request_id, found, now)
        return found

    def withdrawing(self, request_id: str) -> bool:
        """Tell whether a request is being or was withdrawn."""
        return request_id in self._withdrawals

    def step(self, now: datetime) -> None:
        """Ask the venue what needs asking, also for blocks that an earlier life of the program left behind; never blocks."""
        for record in self._executor.ledger.live(block=True):
            if record.client_id.trade not in self._accepts and not self._quoted(record.client_id):
                self._take_up(record, now)
        for accept in list(self._accepts.values()):
            self._pursue(accept, now)
        wanted = {accept.request_id for accept in self._accepts.values()}
        for request_id, withdrawal in list(self._withdrawals.items()):
            if now >= withdrawal.began + FORGET and request_id not in wanted:  # a request lives for an hour (API 8.1)
                del self._withdrawals[request_id]
            else:
                self._pursue_withdrawal(request_id, withdrawal, now)

    # ---- accepting

    def _send(self, request: RFQRequest, quote: RFQQuote, decided_at: datetime) -> BlockTrade:
        """Accept from a worker; one that waited too long for it is not sent: its quote was compared with another market."""
        waited = self._clock.now() - decided_at
        if waited > self._patience.send_within:
            reason = f"not sent: it waited {waited.total_seconds():.0f} s for a worker"
            raise ExchangeUnavailable("daemon", f"accept of quote {quote.quote_id}", reason)
        return self._gateway.accept(request, quote)

    def _answered(self, accept: _Accept, outcome: BlockTrade | Exception) -> None:
        now = self._clock.now()
        match outcome:
            case BlockTrade(fills=fills) if fills is not None:
                self._book(accept, fills)
                if accept.trade in self._accepts:
                    self._doubt(accept, "the block is not booked whole", now)
            case OrderAlreadyFinal():
                self._doubt(accept, str(outcome), now)  # the request is over: by an accept of ours, perhaps
            case ExchangeRejected() | ExchangeUnavailable():
                self._refuse(accept, str(outcome), now)
            case _:
                self._doubt(accept, str(outcome) or repr(outcome), now)

    def _doubt(self, accept: _Accept, reason: str, now: datetime) -> None:
        accept.doubted_at = accept.next_ask = now
        for name in self._live(accept):
            self._executor.lose(name, reason, now)
        self._call(accept, f"nobody knows whether the block on request {accept.request_id} traded: {reason}")

    def _call(self, accept: _Accept, message: str) -> None:
        hint = "the venue is asked; nothing else of the trade is sent until it is known; look at the venue's block trades"
        self._alerts.alert(Severity.CRITICAL, f"block unknown {accept.trade}", message, hint)

    def _refuse(self, accept: _Accept, reason: str, now: datetime) -> None:
        """Book that nothing traded; other quotes, and other ways, are not concerned, so the orders may be sent again in another form."""
        accept.refused = reason
        for name in self._live(accept):
            self._executor.refuse(name, reason, now, retryable=True)
        self._close(accept)

    def _live(self, accept: _Accept) -> list[ClientOrderId]:
        records = (self._executor.ledger.get(name) for name in accept.names)
        return [record.client_id for record in records if record is not None and record.live]

    def _close(self, accept: _Accept) -> None:
        if not self._live(accept):
            self._accepts.pop(accept.trade, None)

    # ---- booking

    def _book(self, accept: _Accept, fills: Sequence[Fill]) -> None:
        """Book a block's fills with the orders they belong to; what does not fit calls a person, and what is missing stays unresolved."""
        book_block(self._executor, self._alerts, accept.names, accept.request_id, fills)
        self._close(accept)

    # ---- asking

    def _quoted(self, name: ClientOrderId) -> bool:
        """Tell whether an order belongs to a quote of ours: whoever made that pursues it."""
        quoted = (each for run in self._log.runs(name.trade) for each in run.written(BlockQuoteIntended))
        return any(str(name) in each.orders for each in quoted)

    def _take_up(self, record: OrderRecord, now: datetime) -> None:
        """Find the accept that a live order of an earlier life belongs to, and begin to ask for it."""
        trade, name = record.client_id.trade, str(record.client_id)
        for run in reversed(self._log.runs(trade)):
            for intended in reversed(run.written(BlockIntended)):
                if name in intended.orders:
                    self._accepts[trade] = accept = self._recovered(intended, run, now)
                    self._call(accept, f"the program ended before it knew whether the block on request {accept.request_id} traded")
                    return
        self._give_up_unexplained(record.client_id, now)

    def _give_up_unexplained(self, name: ClientOrderId, now: datetime) -> None:
        """Call a person about a live order that no accept in the journal explains, and give it up once there was time to look.

        Nobody knows by which request to ask for its block. While it is live its trade can be neither closed nor written off.
        """
        until = self._unexplained.setdefault(name, now) + self._patience.vanished
        message = f"order {name} belongs to no accept in the journal"
        if now < until:
            hint = f"look at the venue's block trades page: at {until:%H:%M} UTC the order is given up as not traded; keep the log"
            self._alerts.alert(Severity.CRITICAL, f"block unknown {name.trade}", message, hint)
            return
        hint = "look at the venue's block trades page and the positions now: what did trade there is managed by nobody"
        self._alerts.alert(Severity.CRITICAL, f"block vanished {name.trade}", f"{message} and is given up as not traded", hint)
        self._executor.refuse(name, "it belongs to no accept in the journal", now, retryable=True)
        if not any(record.client_id == name for record in self._executor.ledger.live(block=True)):
            self._unexplained.pop(name, None)

    def _recovered(self, intended: BlockIntended, run: Run, now: datetime) -> _Accept:
        return _Accept(
            trade=intended.trade,
            request_id=intended.request_id,
            names=tuple(ClientOrderId.parse(order) for order in intended.orders),
            since=run.began_at - SLACK,
            wait=self._patience.ask_again,
            doubted_at=now,
            next_ask=now,
        )

    def _pursue(self, accept: _Accept, now: datetime) -> None:
        if accept.refused is not None:
            self._refuse(accept, accept.refused, now)  # it could not be journalled before
            return
        if accept.doubted_at is None or accept.next_ask is None:
            return
        self.withdraw(accept.request_id)
        if accept.asking or now < accept.next_ask:
            return
        accept.asking, accept.next_ask = True, now + accept.wait
        accept.wait = min(accept.wait * 2, self._patience.ask_at_most)
        self._reads.run(lambda: self._gateway.find(accept.request_id, accept.since), lambda answer: self._found(accept, answer))

    def _found(self, accept: _Accept, answer: RFQStanding | Exception) -> None:
        accept.asking = False
        match answer:
            case RFQStanding(block=BlockTrade(fills=fills)) if fills is not None:
                self._book(accept, fills)
            case RFQStanding(block=None, status=status):
                self._denied(accept, status)
            case RFQStanding():
                accept.noes = accept.cancelled = 0
            case _:
                logger.warning("block query failed trade={} request={} reason={}", accept.trade, accept.request_id, answer)
                self._call(accept, f"the venue cannot be asked about the block on request {accept.request_id}: {answer}")

    def _denied(self, accept: _Accept, status: RFQStatus | None) -> None:
        """Believe that no block traded once the venue has said so often enough and long enough after the accept.

        A request that is over without being filled never trades, and one that the venue has withdrawn at our word was not filled. Where
        it says neither, the block is believed away only after the patience for vanished orders. Where it says both, nothing is left to
        wait for: a request ends once. Had the block traded before our withdrawal, the request would have ended as FILLED then: the
        withdrawal would have failed, and no list that is late, neither of the blocks nor of the requests, would ever show it as
        CANCELLED. Had the accept still been on its way then, it found a request that is over, and trades nothing (API 8.1, 8.6).
        """
        now, patience = self._clock.now(), self._patience
        accept.cancelled = accept.cancelled + 1 if status is RFQStatus.CANCELLED else 0
        if status in (RFQStatus.ACTIVE, RFQStatus.FILLED):
            accept.noes = 0
            if status is RFQStatus.FILLED:
                self._call(accept, f"request {accept.request_id} is filled, and the venue does not show its block yet")
            return
        accept.noes += 1
        ours = self._withdrawals[accept.request_id].withdrawn
        certain = ours and accept.cancelled >= ENOUGH_NOES and self._untouched(accept)
        sure = status in (RFQStatus.CANCELLED, RFQStatus.EXPIRED) or (status is None and ours)
        noes, wait = (ENOUGH_NOES, patience.absence) if sure else (max(patience.absences, ENOUGH_NOES), patience.vanished)
        if not certain and (accept.noes < noes or now < (accept.doubted_at or now) + wait):
            return
        if not sure:
            hint = "compare the trade with the venue's block trades; the trade goes on as if it had not traded"
            message = f"the venue shows no block on request {accept.request_id} and does not say how the request ended ({status})"
            self._alerts.alert(Severity.CRITICAL, f"block vanished {accept.trade}", message, hint)
        self._refuse(accept, f"the venue shows no block trade on request {accept.request_id}", now)

    def _untouched(self, accept: _Accept) -> bool:
        """Tell whether nothing of an accept is booked: what shows one leg traded shows that all did."""
        records = [self._executor.ledger.get(name) for name in accept.names]
        return all(record is None or record.reported == 0 for record in records)

    # ---- withdrawing

    def _pursue_withdrawal(self, request_id: str, withdrawal: Withdrawal, now: datetime) -> None:
        tried_at = withdrawal.tried_at
        pause = self._patience.cancel_again * 2 ** min(withdrawal.failures, 6)
        if withdrawal.final or withdrawal.asking or (tried_at is not None and now < tried_at + pause):
            return
        withdrawal.asking, withdrawal.tried_at = True, now
        self._urgent.run(lambda: self._gateway.cancel(request_id), lambda outcome: self._withdrew(request_id, withdrawal, outcome))

    def _withdrew(self, request_id: str, withdrawal: Withdrawal, outcome: Exception | None) -> None:
        withdrawal.asking = False
        if outcome is None or isinstance(outcome, OrderAlreadyFinal | OrderNotFound):
            withdrawal.final, withdrawal.withdrawn = True, outcome is None
            logger.info("request withdrawn id={} {}", request_id, "" if outcome is None else outcome)
            return
        withdrawal.failures += 1
        if withdrawal.failures == 1:
            logger.warning("request not withdrawn id={} reason={}", request_id, outcome)
        if isinstance(outcome, ExchangeRejected):  # it may be over already: the venue has no code of its own for that
            withdrawal.asking, since = True, withdrawal.began - SLACK
            self._reads.run(lambda: self._gateway.find(request_id, since), lambda answer: self._looked_up(request_id, withdrawal, answer))

    def _looked_up(self, request_id: str, withdrawal: Withdrawal, answer: RFQStanding | Exception) -> None:
        withdrawal.asking = False
        if isinstance(answer, RFQStanding) and (answer.block is not None or (answer.status is not None and answer.status.final)):
            withdrawal.final = True
            logger.info("request over id={} status={}", request_id, answer.status)


def book_block(executor: TradeExecutor, alerts: Alerts, names: Sequence[ClientOrderId], request_id: str, fills: Sequence[Fill]) -> None:
    """Book a block's fills with the orders they belong to, each once; what does not fit calls a person, and what is missing stays live."""
    odd = list(fills)
    problems: list[str] = []
    records = (executor.ledger.get(name) for name in names)
    for name, new in [(record.client_id, record.new) for record in records if record is not None]:
        mine = [fill for fill in fills if fill.symbol == new.instrument.symbol and fill.side is new.side]
        odd = [fill for fill in odd if fill not in mine]
        if sum(fill.qty for fill in mine) != new.qty or any(fill.price != new.price for fill in mine):
            traded = ", ".join(f"{fill.qty} @ {fill.price}" for fill in mine)
            problems.append(f"order {name} for {new.qty} @ {new.price} traded {traded or 'nothing'}")
        if mine:
            executor.traded(name, mine)
    problems += [f"{fill.side.name} {fill.qty} {fill.symbol} belongs to no order of it" for fill in odd]
    if problems:
        hint = "compare the block with the venue's statement"
        message = f"the block on request {request_id} is not what was agreed: {'; '.join(problems)}"
        alerts.alert(Severity.CRITICAL, f"block mismatch {names[0].trade}", message, hint)
