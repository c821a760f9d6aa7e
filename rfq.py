"""Execution by request for quotes: ask makers, compare each answer with the order book of that very moment, take the best or walk away.

One rule: a quote is judged when it is taken, never before, by the one signed cost function that prices the book. What an execution is
at follows from what it journalled, so a restart goes on with the same request and never asks twice without need.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from loguru import logger

from block_trades import BlockDesk
from clock import Clock
from domain import ExecutionMode, ExecutionParams, OptionLeg, RFQFallback, RFQParams, RFQQuote, RFQRequest, Severity, Verdict, whole_lots
from errors import (
    ConfigError,
    ExchangeRejected,
    ExchangeUnavailable,
    InvariantBroken,
    OrderAlreadyFinal,
    OrderNotFound,
    RiskDenied,
    SizeRejected,
)
from events import BlockIntended, RFQEnded, RFQOpened, RFQQuoted, RFQSent
from execution import Advance, Driver, ExecutionResult, Progress, RunLog, Scene, book_cost, leg_results
from ports import Alerts, IoPool, RFQDirectory, RFQGateway
from quote_gate import Judged, Judgement, judge
from refusals import tell_refused
from request_fate import UNCLAIMED, Claims, RequestFate
from request_watch import ABANDONED, LATE, LOST, Looking, RequestWatch
from rfq_story import Story, rebuilt, terms, told

__all__ = ["OptionLeg", "RFQExecution", "RFQExecutor", "RFQQuote", "RFQResult"]

MIN_NOTIONAL = Decimal(50000)
MOST_REQUESTS = 2
MOST_ACCEPTS = 3
HOLDING_KNOWN = timedelta(seconds=15)  # an account answer that is newer than the last fill takes seconds, whatever the quotes are given
UNSENT = "unsent"


@dataclass(frozen=True, slots=True, kw_only=True)
class RFQResult(ExecutionResult):
    """What an execution by quotes did: also how much better than the book the taken quote was when it was taken, and every quote seen."""

    improvement_pct: Decimal | None = None
    quotes: tuple[RFQQuote, ...] = ()
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Makers:
    """Where quotes are asked for and taken on one venue; `directory` tells our open requests, `heard` when there was news of which.

    `claims` writes the orders of a block that traded unknown to our books; without it a person is called. `ahead` is how far the venue's
    clock is ahead of ours.
    """

    gateway: RFQGateway
    directory: RFQDirectory
    blocks: BlockDesk
    writes: IoPool
    reads: IoPool
    heard: Mapping[str, datetime] = field(default_factory=dict)
    claims: Claims | None = None
    ahead: Callable[[], timedelta] = timedelta


_UNASKED = RFQResult(mode=ExecutionMode.RFQ, success=False, reason="", legs=())


class RFQExecutor:
    """Executes by block trades on one venue; structures below `min_notional` (strike x coins summed, USD) are not put to makers.

    `watch` takes back what its executions and earlier lives left open: step it on each tick.
    """

    mode = ExecutionMode.RFQ

    def __init__(
        self, makers: Makers, clock: Clock, alerts: Alerts, min_notional: Decimal = MIN_NOTIONAL, looking: Looking | None = None
    ) -> None:
        self._makers, self._clock, self._alerts, self._least = makers, clock, alerts, min_notional
        self.drive: Driver | None = None
        self.watch = RequestWatch(makers.directory, makers.blocks.withdraw, makers.reads, clock, looking, makers.ahead)

    def accepts(self, scene: Scene, /) -> Verdict:
        """Accept structures of the venue's minimum notional and up, in whole lots, that are in no hurry."""
        wanted = scene.wanted
        symbols = [leg.instrument.symbol for leg in wanted]
        dust = [leg.instrument.symbol for leg in wanted if leg.qty != whole_lots(leg.qty, leg.instrument.lot)]
        rows = (
            (not wanted, "nothing is wanted"),
            (scene.urgent, "urgent: there is no time to wait for makers"),
            (bool(dust), f"not whole lots of {', '.join(dust)}"),
            (len(set(symbols)) < len(symbols), "two legs of the same option cannot be told apart in a block"),
            (scene.notional < self._least, f"strike notional {scene.notional} USD is below the {self._least} USD of a block trade"),
        )
        no = next((reason for bad, reason in rows if bad), None)
        return Verdict(no is None, no or f"strike notional {scene.notional} USD is at least {self._least} USD")

    def execute(self, legs: Sequence[OptionLeg], action: str = "buy", *, params: RFQParams | None = None) -> RFQResult:
        """Trade the legs as stated ("buy") or the other way round ("sell") and return what came of it: for scripts, it blocks.

        It is a loop around the step of a trade of the strategy `script`; legs that reverse an open one close it. An opening does not fall
        back to the order book unless params say so; a close does, and the result tells of all of it. Raises ConfigError, RiskDenied,
        ExchangeUnavailable or JournalError, nothing begun.
        """
        if self.drive is None or action not in ("buy", "sell"):
            raise ConfigError("action must be 'buy' or 'sell', and the executor one of a built context")
        turned = [leg if action == "buy" else replace(leg, side=leg.side.opposite) for leg in legs]
        driven = self.drive(turned, self.mode, ExecutionParams(rfq=params or RFQParams(fallback=RFQFallback.NONE)))
        asked = next((result for result in reversed(driven.results) if isinstance(result, RFQResult)), _UNASKED)
        return replace(asked, success=driven.success, reason=driven.reason, legs=driven.legs)

    def begin(self, scene: Scene, log: RunLog, /) -> "RFQExecution":
        """Begin an execution, or go on with one."""
        for event in log.written(RFQOpened):
            self.watch.know(event.request_id, event.expires_at)
        makers = self._makers
        fate = RequestFate(makers.gateway, makers.reads, self._clock, log, scene.trade.legs, makers.claims)
        return RFQExecution(makers, log, self._clock, self._alerts, self.watch, fate)

    def forget(self, trade: int, /) -> None:
        """Drop nothing: what the venue may still list of an ended trade is dropped with time, by the watch."""


class RFQExecution:
    """One trade's opening or close by a block trade. Answers of the venue are only kept as they come; steps decide on them."""

    def __init__(self, makers: Makers, log: RunLog, clock: Clock, alerts: Alerts, watch: RequestWatch, fate: RequestFate) -> None:
        self._makers, self._log, self._clock, self._alerts, self._watch, self._fate = makers, log, clock, alerts, watch, fate
        self._asking = self._polling = self._left = False
        self._answer: RFQRequest | Exception | None = None
        self._lost_at: datetime | None = None
        self._request: RFQRequest | None = None
        self._quotes: Sequence[RFQQuote] = ()
        self._polled_at: datetime | None = None
        self._over: str | None = None
        self._denied = ""
        self._leaving: str | None = None
        self._verdicts = {event.quote.quote_id: event.verdict for event in log.written(RFQQuoted)}

    # ---- the port

    def step(self, scene: Scene, /) -> Advance:
        """Look once: ask, wait, judge, take or walk away; at most one write goes out."""
        if self._makers.blocks.hopeless(scene.trade.number):
            raise InvariantBroken(f"what became of the block of trade {scene.trade.number} cannot be found out at the venue")
        if self._makers.blocks.locked(scene.trade.number):
            return _working("waiting for what became of the accepted quote")
        story = told(self._log)
        if not scene.wanted:
            return self._finished(story)
        if self._leaving is not None:
            return self._leave(self._leaving)
        if story.sent is None or story.ended is not None:
            return self._ask(scene, story)
        if story.opened is None:
            return self._opening(story.sent, scene)
        return self._gather(scene, story.opened)

    def cancel(self, reason: str, /) -> bool:
        """Withdraw the request; tell whether nothing can trade on it any more.

        Nothing trades on a request but what we accept. So an accept whose end is not known is waited for, however long; a request that
        the venue does not withdraw within LATE is left behind, with a call to a person, and is withdrawn while life goes on.
        """
        self._leaving = self._leaving or reason
        if self._makers.blocks.locked(self._log.started.trade):
            return False
        story = told(self._log)
        if story.sent is None or story.ended is not None:
            return True
        if story.opened is None:
            return self._unopened(self._leaving)
        return self._withdrawn(story.opened, self._leaving)

    def result(self, advance: Advance, /) -> RFQResult:
        """Return what was done, from its fills, and what makers offered."""
        quoted = self._log.written(RFQQuoted)
        taken = [event for event in quoted if event.verdict == Judged.ACCEPTED]
        opened = told(self._log).opened
        return RFQResult(
            mode=ExecutionMode.RFQ,
            success=advance.progress is Progress.DONE,
            reason=advance.reason,
            legs=leg_results(self._log),
            improvement_pct=taken[-1].improvement_pct if taken and self._log.fills else None,
            quotes=tuple({event.quote.quote_id: event.quote for event in quoted}.values()),
            request_id=None if opened is None else opened.request_id,
        )

    # ---- asking

    def _ask(self, scene: Scene, story: Story) -> Advance:
        params, ended = scene.trade.params.rfq, story.ended
        if ended is not None:
            if ended.outcome == UNCLAIMED:
                raise InvariantBroken(ended.reason)
            if ended.outcome not in (UNSENT, LOST) or story.requests >= MOST_REQUESTS:
                return Advance(progress=Progress.EXHAUSTED, reason=ended.reason)
            if scene.now < ended.at + timedelta(seconds=params.poll_seconds):
                return _working(f"{ended.reason}: again soon")
        legs = scene.wanted
        self._log.write(RFQSent, venue_ahead=self._makers.ahead())
        sent = self._log.written(RFQSent)[-1]
        self._asking, self._answer, self._request, self._lost_at = True, None, None, None
        self._watch.asking(sent, terms(legs))
        logger.info("quotes asked trade={} legs={} notional={}", scene.trade.id, len(legs), scene.notional)
        self._makers.writes.run(lambda: self._makers.gateway.request(legs), lambda answer: self._asked(sent, answer))
        return _working("asking for quotes")

    def _asked(self, sent: RFQSent, answer: RFQRequest | Exception) -> None:
        self._watch.answered(sent, answer)
        self._asking, self._answer, self._lost_at = False, answer, self._clock.now()
        if self._left and isinstance(answer, RFQRequest):
            self._makers.blocks.withdraw(answer.request_id)

    def _opening(self, sent: RFQSent, scene: Scene) -> Advance:
        """Take in the answer to the request; without one look whether the request arrived."""
        if self._asking:
            return _working("asking for quotes")
        match self._answer:
            case RFQRequest() as request:
                self._open(request)
                return self._gather(scene, self._log.written(RFQOpened)[-1])
            case ExchangeRejected() as error:
                return self._failed("refused", str(error))
            case ExchangeUnavailable() as error:
                return self._failed(UNSENT, str(error))
            case _:
                return self._lost(sent, scene.now)

    def _lost(self, sent: RFQSent, now: datetime) -> Advance:
        """Go on without a request whose answer was lost, after a first look for it; the watch looks on, and withdraws what it finds."""
        self._lost_at = self._lost_at or now
        if now < self._lost_at + LATE:
            return _working("the answer to the request was lost: waiting until it must have arrived")
        if not self._watch.looked(sent, now):
            return _working("looking for the request whose answer was lost")
        return self._failed(LOST, "the answer to the request was lost")

    def _open(self, request: RFQRequest) -> None:
        self._log.write(RFQOpened, request_id=request.request_id, expires_at=request.expires_at)
        self._request, self._answer = request, None
        logger.info("request open trade={} id={}", self._log.started.trade, request.request_id)

    def _failed(self, outcome: str, reason: str) -> Advance:
        self._log.write(RFQEnded, outcome=outcome, reason=reason)
        self._answer = None
        logger.warning("request {} trade={} reason={}", outcome, self._log.started.trade, reason)
        return _working(reason)

    # ---- gathering and taking

    def _gather(self, scene: Scene, opened: RFQOpened) -> Advance:
        params, now = scene.trade.params.rfq, scene.now
        if self._makers.blocks.withdrawing(opened.request_id):
            return self._leave("the request was withdrawn after an accept that did not trade")
        request = self._request = self._request or rebuilt(opened, scene.wanted)
        self._poll(request, now, params)
        judged = self._judged(scene)
        if (over := self._no_more(scene, opened)) is not None:
            return over
        age = now - opened.at
        best = next((each for each in judged if each.verdict is Judged.GOOD), None)
        if best is not None and age >= timedelta(seconds=params.gather_seconds) and self._take(scene, request, best):
            return _working("accepting a quote")
        if self._over is not None or now >= opened.expires_at:
            return self._leave(f"{self._over or 'the request expired'}; {self._offers()}")
        if age >= timedelta(seconds=params.timeout_seconds):
            return self._leave(self._offers())
        return _working(self._offers())

    def _no_more(self, scene: Scene, opened: RFQOpened) -> Advance | None:
        """Say why no quote may be taken now: too many were refused, or a close does not know what is held; a block knows no reduce-only."""
        if len(self._log.written(BlockIntended)) >= MOST_ACCEPTS:
            return self._leave(f"{MOST_ACCEPTS} quotes were refused when they were taken")
        if not scene.purpose.reduces or scene.trade.simulated or scene.clamps is not None:
            return None
        late = scene.now - opened.at >= max(timedelta(seconds=scene.trade.params.rfq.timeout_seconds), HOLDING_KNOWN)
        return self._leave("what is held is not known") if late else _working("waiting until it is known what is held")

    def _poll(self, request: RFQRequest, now: datetime, params: RFQParams) -> None:
        at, told = self._polled_at, self._makers.heard.get(request.request_id)
        due = at is None or now >= at + timedelta(seconds=params.poll_seconds) or (told is not None and told > at)
        if self._polling or not due:
            return
        self._polling, self._polled_at = True, now
        self._makers.reads.run(lambda: self._makers.gateway.quotes(request), self._polled)

    def _polled(self, answer: Sequence[RFQQuote] | Exception) -> None:
        self._polling = False
        if isinstance(answer, OrderNotFound | OrderAlreadyFinal):
            self._over = f"the venue ended the request: {answer}"
        elif isinstance(answer, Exception):
            logger.warning("quotes unknown trade={} reason={}", self._log.started.trade, answer)
        else:
            self._quotes = answer

    def _judged(self, scene: Scene) -> list[Judgement]:
        """Judge every quote against the book as it is now, cheapest first; a verdict is journalled when it is new."""
        wanted = scene.wanted
        book = book_cost(scene, wanted, beyond=True) if self._quotes else None
        tried = {intended.quote_id for intended in self._log.written(BlockIntended)}
        fresh = (quote for quote in self._quotes if quote.quote_id not in tried)
        judged = [judge(quote, scene, wanted, book, scene.trade.params.rfq) for quote in fresh]
        for each in judged:
            self._note(each, each.verdict)
        return sorted(judged, key=lambda each: (each.cost, each.quote.created_at))

    def _note(self, judgement: Judgement, verdict: Judged) -> None:
        quote = judgement.quote
        if self._verdicts.get(quote.quote_id) == verdict or (
            self._verdicts.get(quote.quote_id) == Judged.DENIED and verdict is Judged.GOOD
        ):
            return
        self._log.write(
            RFQQuoted,
            quote=quote,
            cost=judgement.cost,
            book_cost=judgement.book,
            improvement_pct=judgement.improvement,
            verdict=str(verdict),
        )
        self._verdicts[quote.quote_id] = verdict
        better = "unknown" if judgement.improvement is None else f"{judgement.improvement:.2f} %"
        logger.info("quote {} cost={} book={} better={}: {}", quote.quote_id, judgement.cost, judgement.book, better, verdict)

    def _take(self, scene: Scene, request: RFQRequest, best: Judgement) -> bool:
        """Accept a quote that was judged good in this very step; tell whether the accept is out."""
        blocks, trade = self._makers.blocks, scene.trade
        try:
            orders = blocks.orders(scene, best.quote)
        except (RiskDenied, SizeRejected) as no:
            self._denied = f"; the gate refused to take one: {no}"
            self._note(best, Judged.DENIED)
            tell_refused(self._alerts, no, trade, "the quote was not accepted")
            return False
        self._note(best, Judged.ACCEPTED)
        blocks.accept(orders, self._log, request, best.quote)
        self._quotes, self._polled_at, self._denied = (), None, ""  # should it be refused, the next is taken from a list read afterwards
        return True

    def _offers(self) -> str:
        quoted = self._log.written(RFQQuoted)
        better = [event.improvement_pct for event in quoted if event.improvement_pct is not None]
        seen = len({event.quote.quote_id for event in quoted})
        best = f", the best {max(better):.2f} % better than the book" if better else ""
        return f"{seen} quotes, none taken{best}{self._denied}"

    # ---- leaving

    def _finished(self, story: Story) -> Advance:
        if story.opened is not None and story.ended is None and self._log.fills:
            self._log.write(RFQEnded, outcome="filled")
        gone = self.cancel("nothing is wanted any more")
        return Advance(progress=Progress.DONE) if gone else _working("withdrawing the request")

    def _leave(self, reason: str) -> Advance:
        if self.cancel(reason):
            return Advance(progress=Progress.EXHAUSTED, reason=self._leaving or reason)
        return _working("withdrawing the request")

    def _withdrawn(self, opened: RFQOpened, reason: str) -> bool:
        """Withdraw the request and journal its end once it is over, or once waiting for that would hold up what comes next."""
        withdrawal = self._makers.blocks.withdraw(opened.request_id)
        if not withdrawal.final and self._clock.now() < withdrawal.began + LATE:
            return False
        if withdrawal.final and not withdrawal.withdrawn and not self._fate.told(opened):
            return False
        if not withdrawal.final:
            message = f"request {opened.request_id} is not withdrawn yet; it cannot trade, since nothing of it is accepted"
            self._alerts.alert(
                Severity.WARNING, f"rfq not withdrawn {self._log.started.trade}", message, "the venue is asked again, also after a restart"
            )
        self._log.write(RFQEnded, outcome=withdrawal.outcome, reason=reason)
        return True

    def _unopened(self, reason: str) -> bool:
        """Give up a request whose answer is not here: the watch withdraws it once it is found, while life goes on."""
        now = self._clock.now()
        self._lost_at = self._lost_at or now
        if self._asking and now < self._lost_at + LATE:
            return False
        if isinstance(self._answer, RFQRequest):
            self._open(self._answer)
            return False
        absent = isinstance(self._answer, ExchangeRejected | ExchangeUnavailable)
        self._log.write(RFQEnded, outcome="refused" if absent else ABANDONED, reason=reason)
        self._left = True
        return True


def _working(reason: str) -> Advance:
    return Advance(progress=Progress.WORKING, reason=reason)
