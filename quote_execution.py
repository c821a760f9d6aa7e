"""Execution by being asked: a trade that waits for a taker to accept what we offer on a request.

Its one rule: an offer stands only while somebody says, again and again, at which prices it should. Whoever prices it puts that on the
board; silence there takes the offer back. One is replaced only once the venue has shown the last one as over.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from decimal import Decimal

from conditions import fingerprint
from domain import ExecutionMode, NewOrder, OrderType, Verdict
from domain.quoting import MADE, QuotingPolicy
from errors import InvariantBroken, RiskDenied, SizeRejected
from events import BlockQuoteEnded, BlockQuoteIntended, ExecutionEvent
from execution import Advance, Execution, ExecutionResult, Executor, Progress, RunLog, Scene, leg_results
from own_quotes import UNASKED, QuoteDesk
from ports import Alerts
from quote_records import Offer, terms
from refusals import tell_refused
from request_watch import RequestWatch
from trade_execution import TradeExecutor
from trade_lifecycle import TradeLifecycle

MOST_REFUSED = 3
MOST_QUOTES = 500
PAUSE = timedelta(seconds=2)
LULL = timedelta(seconds=6)  # after the venue ended one by itself: its request is over, most likely, and lists will say so


def made(trade: TradeLifecycle) -> bool:
    """Tell whether a trade waits, or waited, for a taker: it carries the version of a quoting policy."""
    return trade.version.startswith(MADE)


def version_of(policy: QuotingPolicy) -> str:
    """Return what marks a policy's trades: that a policy made them, and twelve characters that change when the policy does."""
    plain = replace(policy, exit_conditions=())
    parts = (*(f"{each.name}={getattr(plain, each.name)!r}" for each in fields(plain)), *map(fingerprint, policy.exit_conditions))
    return MADE + hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What should stand for a trade, as of `at`, and for how long one offer stands at most before it is made anew."""

    offer: Offer
    at: datetime
    life: timedelta


class WishBoard:
    """What should stand for each trade that waits for a taker; whoever prices it says so anew within `holds`."""

    def __init__(self, holds: timedelta = timedelta(seconds=15)) -> None:
        self._holds = holds
        self._wishes: dict[int, Wish] = {}
        self._ends: dict[int, str] = {}

    def want(self, trade: int, wish: Wish) -> None:
        """Want an offer to stand, unless the trade's end was wanted before."""
        self._wishes[trade] = wish

    def end(self, trade: int, reason: str) -> None:
        """Want nothing to stand for a trade, for good."""
        self._ends.setdefault(trade, reason)

    def wish(self, trade: int, now: datetime) -> Wish | str:
        """Return what should stand for a trade, or why nothing should."""
        if (reason := self._ends.get(trade)) is not None:
            return reason
        wish = self._wishes.get(trade)
        if wish is None:
            return "nobody in this life of the program has priced it"
        return wish if now - wish.at <= self._holds else f"nobody has priced it since {wish.at:%H:%M:%S}"

    def forget(self, trade: int) -> None:
        """Drop what was wanted for a trade that has ended."""
        self._wishes.pop(trade, None)
        self._ends.pop(trade, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offering:
    """What an execution that waits for takers works with."""

    quotes: QuoteDesk
    board: WishBoard
    executor: TradeExecutor
    alerts: Alerts
    desk: int


class Pursuits:
    """Several that follow what was sent until its end is known, as one."""

    def __init__(self, *parts: RequestWatch | QuoteDesk) -> None:
        self._parts = parts

    def restore(self, events: Iterable[ExecutionEvent], active: Collection[int]) -> None:
        """Find in the journal what each needs of earlier lives; nothing is asked yet."""
        kept = tuple(events)
        for part in self._parts:
            part.restore(kept, active)

    def step(self, now: datetime) -> None:
        """Ask the venue what needs asking; never blocks."""
        for part in self._parts:
            part.step(now)


class BlockExecutor:
    """Both sides of the board in one mode: what a policy made waits for its taker; all else, closes too, asks makers."""

    mode = ExecutionMode.RFQ

    def __init__(self, taker: Executor, offering: Offering) -> None:
        self._taker, self._offering = taker, offering

    def accepts(self, scene: Scene, /) -> Verdict:
        """Accept every opening of a trade that a policy made, once: what became of one in part is not for a taker to complete."""
        if not _waits(scene):
            return self._taker.accepts(scene)
        begun = any(leg.opened != 0 for leg in scene.trade.legs)
        return Verdict(not begun, "it has traded in part" if begun else "it waits for a taker")

    def begin(self, scene: Scene, log: RunLog, /) -> Execution:
        """Begin an execution, or go on with one."""
        return MakerExecution(self._offering, log) if _waits(scene) else self._taker.begin(scene, log)

    def forget(self, trade: int, /) -> None:
        """Drop what is kept of a trade that has ended."""
        self._offering.board.forget(trade)
        self._taker.forget(trade)


class MakerExecution:
    """One trade's opening by whoever takes its offer."""

    def __init__(self, offering: Offering, log: RunLog) -> None:
        self._quotes, self._board = offering.quotes, offering.board
        self._executor, self._alerts, self._desk = offering.executor, offering.alerts, offering.desk
        self._log = log

    def step(self, scene: Scene, /) -> Advance:
        """Look once: offer, keep, take back or give up; at most one write goes out."""
        number = scene.trade.number
        if self._quotes.hopeless(number):
            raise InvariantBroken(f"what became of the quote of trade {number} cannot be found out at the venue")
        standing = self._quotes.standing(number)
        if standing is None and not scene.wanted:
            return Advance(progress=Progress.DONE)
        wish = self._board.wish(number, scene.now)
        if isinstance(wish, str):
            over = self.cancel(wish)
            return Advance(progress=Progress.EXHAUSTED, reason=wish) if over else _working(f"waiting for the end of its quote: {wish}")
        if standing is None:
            return self._offer(scene, wish)
        if standing.offer is None or terms(standing.offer.legs) != terms(wish.offer.legs):
            self._quotes.withdraw(number, "its price has changed")
        elif scene.now >= standing.sent_at + wish.life:
            self._quotes.withdraw(number, "it has stood for its life")
        return _working(standing.leaving or "waiting for a taker")

    def cancel(self, reason: str, /) -> bool:
        """Take the offer back; tell whether nothing can trade on it any more, which only the venue can say."""
        self._quotes.withdraw(self._log.started.trade, reason)
        return self._quotes.standing(self._log.started.trade) is None

    def result(self, advance: Advance, /) -> ExecutionResult:
        """Return what was done, from its fills."""
        return ExecutionResult(
            mode=ExecutionMode.RFQ, success=advance.progress is Progress.DONE, reason=advance.reason, legs=leg_results(self._log)
        )

    # ---- inside

    def _offer(self, scene: Scene, wish: Wish) -> Advance:
        ended = self._log.written(BlockQuoteEnded)
        refused = [each for each in ended if each.outcome == "refused"]
        if len(refused) >= MOST_REFUSED or len(self._log.written(BlockQuoteIntended)) >= MOST_QUOTES:
            return Advance(progress=Progress.EXHAUSTED, reason=refused[-1].reason if refused else f"{MOST_QUOTES} quotes were made")
        if ended and scene.now < ended[-1].at + _pause(ended[-1]):
            return _working(f"{ended[-1].reason}: again soon")
        try:
            orders = self._orders(scene, {leg.symbol: leg.price for leg in wish.offer.legs})
        except (RiskDenied, SizeRejected) as no:
            tell_refused(self._alerts, no, scene.trade, "the quote was not sent")
            return Advance(progress=Progress.EXHAUSTED, reason=f"the gate refused its quote: {no}")
        self._quotes.send(orders, self._log, wish.offer)
        return _working("sending the quote")

    def _orders(self, scene: Scene, prices: Mapping[str, Decimal]) -> tuple[NewOrder, ...]:
        """Return our orders that an offer would trade, each passed by the gate, sending nothing."""
        trade = scene.trade
        orders: list[NewOrder] = []
        for index, leg in enumerate(trade.legs):
            order = NewOrder(
                client_id=self._executor.next_id(self._desk, trade.number, index, scene.purpose),
                instrument=leg.option,
                side=scene.side(leg),
                qty=scene.missing(leg),
                price=prices[leg.option.symbol],
                order_type=OrderType.BLOCK_TRADE,
            )
            seen = scene.quotes.get(leg.option.symbol)
            self._executor.gate(order, trade, None if seen is None else seen.underlying_price)
            orders.append(order)
        self._executor.door.check_block(orders)
        return tuple(orders)


def _waits(scene: Scene) -> bool:
    return made(scene.trade) and not scene.purpose.reduces


def _pause(ended: BlockQuoteEnded) -> timedelta:
    if ended.reason.startswith(UNASKED):
        return LULL
    return PAUSE if ended.outcome == "refused" else timedelta(0)


def _working(reason: str) -> Advance:
    return Advance(progress=Progress.WORKING, reason=reason)
