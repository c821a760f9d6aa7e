"""Rounds of comparing our books with the venue: how often there is one, what one has been told, and those who wait for what it finds.

One rule: whoever asked is told the result of a round that began after the question. Where that takes too long the answer says what is
known so far and where the rest will be.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from loguru import logger

from differences import Found, Told
from domain import AccountSnapshot, Fill, OrderReport

Tell = Callable[[str], None]
_WHERE = "is in the log and in --status once it is known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """How often, and how long to wait before a difference is believed (`lag`), a void round is tried again, a slow one given up, and
    a person who asked is answered.

    Fills are read since the last round less `overlap`, by which the venue's list of them may lag behind. At start they are read since the
    journal's last word, after a gap since its begin, at most `look_back`, and so again until `overlap` has passed. The last word of a
    journal that has lost a part says nothing: then they are read since `look_back`.
    """

    interval: timedelta = timedelta(seconds=60)
    lag: timedelta = timedelta(seconds=5)
    retry: timedelta = timedelta(seconds=5)
    patience: timedelta = timedelta(minutes=2)
    answer: timedelta = timedelta(seconds=10)
    overlap: timedelta = timedelta(minutes=10)
    look_back: timedelta = timedelta(days=7)


@dataclass(slots=True)
class Round:
    """What one round has been told so far; `told_at` is when the last answer came."""

    begun_at: datetime
    told_at: datetime
    orders: Sequence[OrderReport] | None = None
    fills: Sequence[Fill] | None = None
    history: Sequence[OrderReport] | None = ()

    @property
    def waits_for_account(self) -> bool:
        """Whether all but the account was told."""
        return not (self.orders is None or self.fills is None or self.history is None)

    def told(self, account: AccountSnapshot) -> Told | None:
        """Return all that was told, with an account that is younger than it; None while something is missing."""
        young = account.valid and account.at is not None and account.at >= self.told_at
        if not young or self.orders is None or self.fills is None or self.history is None:
            return None
        return Told(orders=self.orders, fills=self.fills, account=account, history=self.history)


@dataclass(frozen=True, slots=True)
class Result:
    """What a round came to: when it began and ended, what stands, and what only another look can decide."""

    begun_at: datetime
    at: datetime
    standing: Sequence[Found] = ()
    pending: Sequence[Found] = ()

    def __str__(self) -> str:
        stands = "".join(f"\n{found.kind}, {found.subject}: {found.said}" for found in self.standing) or " no difference"
        again = "".join(f"\n{found.kind}, {found.subject}: {found.said}" for found in self.pending)
        after = f"\nto be looked at once more before it is believed:{again}" if again else ""
        return f"the comparison with the venue of {self.at:%H:%M:%S} UTC found{stands}{after}"


class Askers:
    """Those who asked for a round, since when, and how each is told. On the tick thread."""

    def __init__(self, wait: timedelta) -> None:
        """`wait` is how long somebody waits for a whole result before an answer must do."""
        self._wait = wait
        self._waiting: list[tuple[datetime, Tell]] = []
        self._latest: Result | None = None
        self._owed_since: datetime | None = None  # somebody was answered before the result was there
        self.trouble = ""

    def add(self, now: datetime, tell: Tell) -> None:
        """Take a question; it is told once."""
        self._waiting.append((now, tell))

    def concluded(self, result: Result) -> None:
        """Tell those who asked before this round began, unless something of it must be seen again first."""
        self._latest, self.trouble = result, ""
        if result.pending:
            return
        waiting, self._waiting = self._waiting, []
        for asked_at, tell in waiting:
            if asked_at <= result.begun_at:
                tell(str(result))
            else:
                self._waiting.append((asked_at, tell))
        if self._owed_since is not None and self._owed_since <= result.begun_at:
            self._owed_since = None
            logger.info("reconciliation asked for by a person: {}", result)

    def look(self, now: datetime) -> None:
        """Tell those who have waited long what is known, and owe them the rest in the log."""
        late = [each for each in self._waiting if now - each[0] > self._wait]
        self._waiting = [each for each in self._waiting if each not in late]
        for asked_at, tell in late:
            self._owed_since = asked_at
            tell(self._so_far(asked_at))

    def _so_far(self, asked_at: datetime) -> str:
        if self._latest is not None and asked_at <= self._latest.begun_at:
            return f"{self._latest}\nwhat that look finds {_WHERE}"
        reason = f" ({self.trouble})" if self.trouble else ""
        return f"no comparison with the venue is complete yet{reason}; it is tried until one is, and its result {_WHERE}"
