"""Requests for quotes that no execution waits for any more, taken back: those whose answer was lost, and those an earlier life left open.

Its one rule: withdrawn is only what can be nobody's but ours. A request whose id was never learned is known by its legs and by the time
in which it can have been made; one whose id any execution of ours knows, or may be about to learn, is left to that execution.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from loguru import logger

from clock import Clock
from domain import Push, RequestPush, RFQRequest
from errors import ExchangeRejected, ExchangeUnavailable
from events import ExecutionEvent, ExecutionStarted, RFQSent
from order_ledger import Patience
from ports import IoPool, RFQDirectory
from rfq_story import Story, Terms, pictured, same_legs, stories, terms

LATE = timedelta(seconds=5)
LIFE = timedelta(hours=1)
ABANDONED, LOST = "abandoned", "lost"

Key = tuple[int, int, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """How a request whose answer was lost is looked for, market time.

    `every` is how often, `lasting` how long after it can have been made (lists lag by up to 120 s, API 15, 14), `slack` how far beyond
    the loss it may have been made, and how far the two clocks may differ.
    """

    every: timedelta = timedelta(seconds=10)
    lasting: timedelta = timedelta(minutes=2)
    slack: timedelta = LATE

    @classmethod
    def paced(cls, patience: Patience) -> "Looking":
        """Return the spans stretched as a patience is where the market runs faster than the wall."""
        return cls(every=patience.absence / 3, lasting=patience.absence * 4, slack=patience.absence / 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    """An open request of the account, whoever told of it; made when by the venue's clock, over when by ours."""

    request_id: str
    legs: Terms
    made_at: datetime
    expires_at: datetime


@dataclass(slots=True)
class _Search:
    """One lost request: what it asked for, when it was sent by the venue's clock, which nobody sets, and how far looking for it has come.

    `lost_at` is when it was given up for lost, by our clock of today.
    """

    legs: Terms
    sent_at: datetime
    lost_at: datetime
    next_look: datetime
    wait: timedelta
    looking: bool = False
    looked: bool = False


class RequestWatch:
    """The requests of one venue that nobody may be waiting for; all methods run on the tick thread."""

    def __init__(
        self,
        directory: RFQDirectory,
        withdraw: Callable[[str], object],
        reads: IoPool,
        clock: Clock,
        looking: Looking | None = None,
        ahead: Callable[[], timedelta] = timedelta,
    ) -> None:
        """Take how a request is withdrawn: asked once for an id, that goes on until the request is over; and how far the venue is ahead."""
        self._directory, self._withdraw, self._reads, self._clock = directory, withdraw, reads, clock
        self._spans, self._ahead = looking or Looking(), ahead
        self._known: dict[str, datetime] = {}
        self._asking: dict[Key, Terms] = {}
        self._searches: dict[Key, _Search] = {}
        self._left: dict[str, None] = {}
        self._told: dict[str, _Open] = {}
        self._stepped: datetime | None = None

    # ---- what executions tell

    def asking(self, sent: RFQSent, legs: Terms) -> None:
        """Note that a request is on its way: until it is answered, none with its legs is taken for a lost one."""
        self._asking[_key(sent)] = legs

    def answered(self, sent: RFQSent, answer: RFQRequest | Exception) -> None:
        """Take the answer to a request: its id, or that it surely is not there, or else begin to look for it."""
        legs = self._asking.pop(_key(sent), ())
        if isinstance(answer, RFQRequest):
            self.know(answer.request_id, answer.expires_at)
        elif not isinstance(answer, ExchangeRejected | ExchangeUnavailable):
            self._seek(sent, legs)

    def know(self, request_id: str, expires_at: datetime) -> None:
        """Remember the id of a request of ours while the venue may list it."""
        now = self._clock.now()
        self._known = {known: end for known, end in self._known.items() if now < end + self._spans.lasting}
        self._known[request_id] = expires_at

    def news(self, push: Push) -> None:
        """Remember the open requests that the venue tells of unasked: where it keeps its list from a taker, nobody else does (API 8.7)."""
        if not isinstance(push, RequestPush) or not push.ours:
            return
        now = self._clock.now()
        self._told = {known: told for known, told in self._told.items() if known != push.request_id and now < told.expires_at}
        if not push.status.final:
            legs = tuple(sorted((leg.symbol, leg.side, leg.qty) for leg in push.legs))
            made_at = push.created_at + self._ahead()
            told = _Open(request_id=push.request_id, legs=legs, made_at=made_at, expires_at=push.expires_at)
            self._told[push.request_id] = told

    def looked(self, sent: RFQSent, now: datetime) -> bool:
        """Look for a lost request if it is time to; tell whether that was done once at least, whatever came of it."""
        self._note_leap(now)
        search = self._searches.get(_key(sent))
        if search is None:
            return True
        self._look(_key(sent), search, now)
        return search.looked

    # ---- restart and tick

    def restore(self, events: Iterable[ExecutionEvent], active: Collection[int]) -> None:
        """Find in what executions have journalled what an earlier life left behind; `active` are the trades that still go on.

        Nothing is asked yet. Taken back is each request that may be open and that was abandoned, or whose trade has ended; looked for is
        each that was sent and neither answered nor refused.
        """
        runs: dict[tuple[int, int], list[ExecutionEvent]] = {}
        for event in events:
            runs.setdefault((event.trade, event.run), []).append(event)
        for (trade, _), written in runs.items():
            legs = next((pictured(event.legs) for event in written if isinstance(event, ExecutionStarted)), ())
            for story in stories(written):
                self._resume(story, legs, goes_on=trade in active)

    def _resume(self, story: Story, legs: Terms, *, goes_on: bool) -> None:
        sent, opened, now = story.sent, story.opened, self._clock.now()
        outcome = None if story.ended is None else story.ended.outcome
        if opened is not None:
            self.know(opened.request_id, opened.expires_at)
            if now < opened.expires_at and (outcome == ABANDONED or (outcome is None and not goes_on)):
                self._left[opened.request_id] = None
        elif sent is not None and outcome in (None, LOST, ABANDONED) and now < sent.at + self._spans.lasting + LIFE:
            self._seek(sent, legs)

    def step(self, now: datetime) -> None:
        """Take back what was left, and look for what was lost where it is time to; never blocks."""
        self._note_leap(now)
        for request_id in self._left:
            logger.info("request left open by an earlier life id={}: withdrawing it", request_id)
            self._withdraw(request_id)
        self._left.clear()
        for key, search in list(self._searches.items()):
            self._look(key, search, now)

    # ---- looking

    def _seek(self, sent: RFQSent, legs: Terms) -> None:
        now = self._clock.now()
        if legs:
            self._searches[_key(sent)] = _Search(legs, sent.at + sent.venue_ahead, now, next_look=now + LATE, wait=self._spans.every)

    def _note_leap(self, now: datetime) -> None:
        """Let what was lost before our clock was set forward, between two steps, count as lost so much later: the lists did not hurry."""
        leapt = timedelta(0) if self._stepped is None else now - self._stepped
        self._stepped = now
        for search in self._searches.values():
            search.lost_at += leapt if leapt > self._spans.slack else timedelta(0)

    def _look(self, key: Key, search: _Search, now: datetime) -> None:
        if search.looking or now < search.next_look:
            return
        search.looking, search.next_look = True, now + search.wait
        self._reads.run(self._directory.open_requests, lambda answer: self._saw(key, search, now, answer))

    def _saw(self, key: Key, search: _Search, began: datetime, answer: Sequence[RFQRequest] | Exception) -> None:
        """Withdraw the lost request where it is listed or was told; the last look is the first that began when lists had caught up."""
        search.looking, seen = False, not isinstance(answer, Exception)
        listed = () if isinstance(answer, Exception) else tuple(_listed(request, self._ahead()) for request in answer)
        for request in (*self._told.values(), *listed):
            seen = self._judged(search, request) and seen
        if isinstance(answer, Exception) and not search.looked:
            logger.warning("open requests unknown trade={} reason={}: asking again", key[0], answer)
        search.looked, search.wait = True, self._spans.every if seen else min(search.wait * 2, self._spans.every * 6)
        if began >= search.lost_at + LATE + self._spans.slack + (self._spans.lasting if seen else LIFE):
            self._searches.pop(key, None)
            logger.info("lost request not looked for any more trade={} the list was told={}", key[0], seen)

    def _judged(self, search: _Search, request: _Open) -> bool:
        """Withdraw a request if it is the lost one; tell whether that could be judged: it cannot while its own answer may be on the way."""
        slack = self._spans.slack
        until = min(search.lost_at + self._ahead(), search.sent_at + self._spans.lasting) + LATE + slack
        meant = search.sent_at - slack <= request.made_at <= until and same_legs(request.legs, search.legs)
        if not meant or request.request_id in self._known:
            return True
        if any(same_legs(request.legs, legs) for legs in self._asking.values()):
            return False
        logger.info("lost request found id={} made={}: withdrawing it", request.request_id, request.made_at)
        self.know(request.request_id, request.expires_at)
        self._withdraw(request.request_id)
        return True


def _listed(request: RFQRequest, ahead: timedelta) -> _Open:
    made_at = request.created_at + ahead
    return _Open(request_id=request.request_id, legs=terms(request.legs), made_at=made_at, expires_at=request.expires_at)


def _key(sent: RFQSent) -> Key:
    return sent.trade, sent.run, sent.at
