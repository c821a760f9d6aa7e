"""Which strikes the synthetic market lists, and since when: a grid round the index, refined as expiry nears, kept until expiry.

Strikes are added when an expiry is first listed, each day at 08:00 UTC, and 12, 6 and 3 hours before expiry: all round multiples
from just below −2.2 to just above +2.2 standard deviations that have no neighbour closer than 0.6 of the new step. Nothing is ever
withdrawn before expiry.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil, exp, floor, log10, sqrt

from domain import Option, OptionType
from paper.contracts import EXPIRY_HOUR, an_option
from paper.expiries import listed_expiries, listed_since
from paper.pricing import YEAR

REACH = 2.2
NEIGHBOUR = 0.6
_ROUND = (1, 2, 2.5, 5, 10)
_LAST_ADDITIONS = (timedelta(hours=12), timedelta(hours=6), timedelta(hours=3))

IndexAt = Callable[[datetime], float]
Added = Callable[[datetime, datetime, Sequence[int]], list[int]]


class Listings:
    """The options of one simulated underlying as a function of time; the same for the same start and index, however it is asked."""

    def __init__(self, underlying: str, index_at: IndexAt, vol: float, start: datetime, strikes_per_expiry: int) -> None:
        self._underlying, self._index_at, self._vol = underlying, index_at, vol
        self._start, self._wanted = start, strikes_per_expiry
        self._boards: dict[datetime, _Board] = {}

    def at(self, now: datetime) -> list[Option]:
        """Return the options listed at now (moments before the start count as the start), by expiry, strike, call before put."""
        now = max(now, self._start)
        expiries = listed_expiries(now)
        for gone in [expiry for expiry in self._boards if expiry < now - timedelta(days=2)]:
            del self._boards[gone]
        return [option for expiry in expiries for option in self._board(expiry).at(now)]

    def _board(self, expiry: datetime) -> "_Board":
        if expiry not in self._boards:
            first = max(self._start, listed_since(expiry))
            self._boards[expiry] = _Board(self._added, expiry, _additions(first, expiry), self._underlying)
        return self._boards[expiry]

    def _added(self, expiry: datetime, moment: datetime, known: Sequence[int]) -> list[int]:
        """Return the strikes to add at a moment to those known."""
        deviation = self._vol * sqrt((expiry - moment) / YEAR)
        index = self._index_at(moment)
        low, high = index * exp(-REACH * deviation), index * exp(REACH * deviation)
        step = strike_step(low, high, self._wanted)
        wanted = range(max(step, floor(low / step) * step), ceil(high / step) * step + 1, step)
        return [strike for strike in wanted if all(abs(strike - other) > NEIGHBOUR * step for other in known)]


class _Board:
    """The strikes of one expiry, with the moment each was added."""

    def __init__(self, added: Added, expiry: datetime, moments: Iterator[datetime], underlying: str) -> None:
        self._added, self._expiry, self._moments, self._underlying = added, expiry, moments, underlying
        self._next = next(moments, None)
        self._since: dict[int, datetime] = {}
        self._options: dict[int, tuple[Option, Option]] = {}

    def at(self, now: datetime) -> Iterator[Option]:
        while self._next is not None and self._next <= now:
            for strike in self._added(self._expiry, self._next, tuple(self._since)):
                self._since[strike] = self._next
                self._options[strike] = self._pair(strike)
            self._next = next(self._moments, None)
        return (option for strike in sorted(self._since) if self._since[strike] <= now for option in self._options[strike])

    def _pair(self, strike: int) -> tuple[Option, Option]:
        call, put = (an_option(self._underlying, self._expiry, Decimal(strike), kind) for kind in (OptionType.CALL, OptionType.PUT))
        return call, put


def strike_step(low: float, high: float, wanted: int) -> int:
    """Return the largest whole step, 1, 2, 2.5 or 5 times a power of ten, with wanted multiples or more from low to high; at least 1."""
    ideal = (high - low) / wanted
    if ideal < 1:
        return 1
    magnitude = 10 ** floor(log10(ideal))
    fitting = [m * magnitude for m in _ROUND if m * magnitude <= ideal * (1 + 1e-9) and (m * magnitude) % 1 == 0]
    return int(max(fitting))


def _additions(first: datetime, expiry: datetime) -> Iterator[datetime]:
    """Yield the moments at which strikes are added, the first listing included."""
    yield first
    last, day = first, first.replace(hour=EXPIRY_HOUR, minute=0, second=0, microsecond=0)
    while day < expiry:
        if day > last:
            yield day
            last = day
        day += timedelta(days=1)
    yield from (moment for before in _LAST_ADDITIONS if (moment := expiry - before) > last)
