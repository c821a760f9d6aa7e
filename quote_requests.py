"""What may be quoted: requests, options, and the account's open quotes; told where there are streams, asked for where there are none.

Its one rule: quotes that are not known to be ours are another program's, and left alone, unless the user says that there is none.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from loguru import logger

from clock import Clock
from domain import Option, RequestPush, RFQQuote, RFQStatus, Severity
from own_quotes import QuoteDesk
from ports import Alerts, IoPool
from quote_records import QuoteDirectory, QuoteGateway

LONGEST = timedelta(hours=1)  # a request lives so long (API 8.1)
RELIST, RELIST_AGAIN = timedelta(minutes=1), timedelta(seconds=5)  # between two lists of options, and after one that failed
BLIND = 2  # times in a row that a list cannot be had before a person is called
MISSED = 2  # lists in a row that lack a request before it counts as over: they lag (API 15, 14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """How often lists are asked for, market time: without streams, with them, and while there is nothing to lose."""

    every: timedelta = timedelta(seconds=2)
    streaming: timedelta = timedelta(seconds=20)
    idle: timedelta = timedelta(seconds=60)


@dataclass(slots=True)
class _Round:
    """One list: its name, when it was last asked for, whether its answer is on the way, how often in a row it could not be had."""

    name: str
    asked_at: datetime | None = None
    asking: bool = False
    failed: int = 0

    def due(self, now: datetime, every: timedelta, again: timedelta) -> bool:
        """Tell whether it should be asked for now; one that failed waits for `again` at least."""
        wait = every if self.failed == 0 else max(every, again)
        return not self.asking and (self.asked_at is None or now >= self.asked_at + wait)


class RequestsToQuote:
    """What there is to quote on one venue; all methods run on the tick thread."""

    def __init__(
        self,
        *,
        directory: QuoteDirectory,
        gateway: QuoteGateway,
        quotes: QuoteDesk,
        reads: IoPool,
        urgent: IoPool,
        clock: Clock,
        alerts: Alerts,
        rounds: Rounds | None = None,
        streaming: Callable[[], bool] = lambda: False,
    ) -> None:
        self._directory, self._gateway, self._quotes = directory, gateway, quotes
        self._reads, self._urgent, self._clock, self._alerts = reads, urgent, clock, alerts
        self._rounds, self._streaming = rounds or Rounds(), streaming
        self._known: dict[str, RequestPush] = {}
        self._missed: dict[str, int] = {}
        self._over: dict[str, datetime] = {}
        self._requests, self._own = _Round("requests"), _Round("open quotes")
        self._foreign: frozenset[str] = frozenset()
        quotes.on_taken = self.over

    @property
    def open(self) -> tuple[RequestPush, ...]:
        """Return the requests that are open as far as we were told, oldest first."""
        return tuple(self._known.values())

    def foreign(self, request_id: str) -> bool:
        """Tell whether another program of this account quotes on a request."""
        return request_id in self._foreign

    def news(self, push: RequestPush) -> None:
        """Take news of a request; what is over stays over, whatever arrives late."""
        if push.ours:
            return
        if push.status is not RFQStatus.ACTIVE:
            self._over[push.request_id] = push.expires_at
            self._known.pop(push.request_id, None)
        elif push.request_id not in self._over:
            self._known[push.request_id] = push
            self._missed.pop(push.request_id, None)

    def over(self, request_id: str) -> None:
        """Take it that a request is over, whatever lists that lag still say: a quote of ours was taken on it."""
        known = self._known.pop(request_id, None)
        self._over[request_id] = self._clock.now() + LONGEST if known is None else known.expires_at

    def step(self, now: datetime) -> None:
        """Ask for the lists that are due; never blocks."""
        usual = self._rounds.streaming if self._streaming() else self._rounds.every
        again = self._rounds.every * 5
        if self._requests.due(now, usual, again):
            self._ask(self._requests, now, self._directory.requests, self._listed)
        if self._own.due(now, usual if self._quotes.live else max(usual, self._rounds.idle), again):
            self._ask(self._own, now, self._directory.open_quotes, self._own_listed)
        self._known = {name: each for name, each in self._known.items() if now < each.expires_at}
        self._over = {name: end for name, end in self._over.items() if now < end}
        self._missed = {name: count for name, count in self._missed.items() if name in self._known}

    # ---- inside

    def _ask(
        self, this: _Round, now: datetime, work: Callable[[], Sequence[object]], take: Callable[[Sequence[object], datetime], None]
    ) -> None:
        this.asking, this.asked_at = True, now

        def done(answer: Sequence[object] | Exception) -> None:
            this.asking = False
            if isinstance(answer, Exception):
                self._failed(this, answer)
                return
            this.failed = 0
            take(answer, now)

        self._reads.run(work, done)

    def _failed(self, this: _Round, error: Exception) -> None:
        this.failed += 1
        if this.failed == 1:
            logger.warning("quoting: {} cannot be listed reason={}", this.name, error)
        if this.failed >= BLIND:
            hint = "what streams tell is answered meanwhile; an account without access to quoting needs it from the venue, or no --maker"
            self._alerts.alert(Severity.WARNING, "quoting blind", f"{this.name} cannot be listed: {error}", hint)

    def _listed(self, answer: Sequence[object], began: datetime) -> None:
        listed = {each.request_id: each for each in answer if isinstance(each, RequestPush)}
        for push in listed.values():
            self.news(push)
        for name in [name for name, each in self._known.items() if name not in listed and each.at < began]:
            self._missed[name] = self._missed.get(name, 0) + 1
            if self._missed[name] >= MISSED:
                self._known.pop(name)
                self._missed.pop(name)

    def _own_listed(self, answer: Sequence[object], began: datetime) -> None:
        quotes = [each for each in answer if isinstance(each, RFQQuote)]
        self._quotes.listed({quote.quote_id for quote in quotes}, began)
        strangers = [quote for quote in quotes if not self._quotes.knows(quote)]
        self._foreign = frozenset(quote.request_id for quote in strangers if quote.request_id is not None)
        if not strangers:
            return
        names = ", ".join(quote.quote_id for quote in strangers)
        if self._quotes.exclusive():
            message = f"quotes {names} are open and our journal does not know them: they are taken back"
            self._alerts.alert(Severity.WARNING, "quotes unknown", message, "no action needed; was the journal lost or replaced?")
            for quote in strangers:
                self._take_back(quote.quote_id)
            return
        hint = "if no other program quotes here, take them back by hand and declare exclusive=True"
        self._alerts.alert(Severity.WARNING, "quotes of others", f"quotes {names} of this account are not ours: left alone", hint)

    def _take_back(self, quote_id: str) -> None:
        def done(outcome: object) -> None:
            if isinstance(outcome, Exception):
                logger.warning("unknown quote not taken back yet id={} reason={}", quote_id, outcome)
            self._own.asked_at = None  # look again at once

        self._urgent.run(lambda: self._gateway.cancel(quote_id), done)


class ListedOptions:
    """The listed options of the underlyings that are quoted; one that is not among them has the list asked for anew, by a worker."""

    def __init__(self, listed: Callable[[str], Sequence[Option]], reads: IoPool, clock: Clock) -> None:
        self._list, self._reads, self._clock = listed, reads, clock
        self._known: dict[str, Mapping[str, Option]] = {}
        self._asked: dict[str, datetime] = {}

    def known(self, underlyings: Sequence[str], symbols: Collection[str]) -> Mapping[str, Option]:
        """Return what is known to be listed by symbol; has the list made anew where one of the symbols is not in it."""
        for underlying in underlyings:
            known = self._known.get(underlying, {})
            ours = [symbol for symbol in symbols if symbol.startswith(underlying)]
            asked, now = self._asked.get(underlying), self._clock.now()
            if not all(symbol in known for symbol in ours) and (asked is None or now >= asked + RELIST):
                self._asked[underlying] = now
                self._ask(underlying)
        return {symbol: option for name in underlyings for symbol, option in self._known.get(name, {}).items()}

    def awaited(self, underlyings: Sequence[str], symbols: Collection[str]) -> str | None:
        """Say which lists have not been told yet that should have some of the symbols; None if all were."""
        missing = [name for name in underlyings if name not in self._known and any(symbol.startswith(name) for symbol in symbols)]
        return f"the listed options of {', '.join(missing)} are not loaded yet" if missing else None

    def _ask(self, underlying: str) -> None:
        def done(answer: Sequence[Option] | Exception) -> None:
            if isinstance(answer, Exception):
                logger.warning("listed options unknown underlying={} reason={}", underlying, answer)
                self._asked[underlying] = self._clock.now() - RELIST + RELIST_AGAIN
                return
            self._known[underlying] = {option.symbol: option for option in answer}

        self._reads.run(lambda: self._list(underlying), done)
