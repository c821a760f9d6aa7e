"""Orders of others: a Poisson stream of marketable orders per option, denser near the money, limited by what each would pay.

Candidates of a minute are drawn from (seed, symbol, minute) at the highest rate and thinned by the option's delta, so the stream is
the same however time is cut into calls. A buyer's limit is mid + w · half-spread and a seller's mid − w · half-spread, w uniform on
[−0.6, 1.25] and cut at 1: most reach an order resting at mid, about one in seven reaches the best price of the makers, none goes beyond.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache
from math import exp, log
from typing import NamedTuple

from clock import EPOCH
from domain import Side
from paper.dice import Dice
from paper.market import Flow, OptionView

MINUTE = 60
LEAST_SHARE = 0.03
_LEAST_WILLING, _MOST_WILLING = -0.6, 1.25

ViewAt = Callable[[str, datetime], OptionView | None]


class Candidate(NamedTuple):
    """An order that may come: when (Unix second), the chance below which it does not, direction, and what it would trade."""

    second: int
    doubt: float
    side: Side
    appetite: float
    willing: float


class OrderFlow:
    """The orders of others in any span of time, the same for the same seed; `per_minute` is the rate at the money, both sides together.

    `mean_size` is in coins per underlying.
    """

    def __init__(self, dice: Dice, per_minute: float, mean_size: dict[str, Decimal]) -> None:
        self._dice, self._per_minute, self._mean_size = dice, per_minute, mean_size
        self._of_minute = lru_cache(maxsize=4096)(self._drawn)

    def between(self, symbols: Sequence[str], since: datetime, now: datetime, view_at: ViewAt) -> list[Flow]:
        """Return the orders after since and up to now, oldest first; an option that has no bid and ask then gets none."""
        first, last = (since - EPOCH) // timedelta(seconds=1), (now - EPOCH) // timedelta(seconds=1)
        flows = [
            flow
            for symbol in symbols
            for candidate in self._candidates(symbol, first, last)
            if (flow := self._order(symbol, candidate, view_at)) is not None
        ]
        return sorted(flows, key=lambda flow: flow.at)

    def _candidates(self, symbol: str, first: int, last: int) -> Iterator[Candidate]:
        for minute in range(first // MINUTE, last // MINUTE + 1):
            yield from (candidate for candidate in self._of_minute(symbol, minute) if first < candidate.second <= last)

    def _drawn(self, symbol: str, minute: int) -> tuple[Candidate, ...]:
        subject = b"flow " + symbol.encode()
        number = _poisson(self._per_minute, self._dice.uniforms(subject, minute, 0)[0])
        draws = [self._dice.uniforms(subject, minute, n) for n in range(1, number + 1)]
        candidates = [
            Candidate(
                second=minute * MINUTE + int(MINUTE * when),
                doubt=doubt,
                side=Side.BUY if side < 0.5 else Side.SELL,
                appetite=-log(appetite),
                willing=_LEAST_WILLING + (_MOST_WILLING - _LEAST_WILLING) * willing,
            )
            for when, doubt, side, appetite, willing, *_ in draws
        ]
        return tuple(sorted(candidates))

    def _order(self, symbol: str, candidate: Candidate, view_at: ViewAt) -> Flow | None:
        at = EPOCH + timedelta(seconds=candidate.second)
        view = view_at(symbol, at)
        if view is None or not view.asks or candidate.doubt >= share(view.greeks.delta):
            return None
        option, lot = view.option, view.option.lot
        lots = 1 + int(candidate.appetite * float(self._mean_size[option.underlying] / lot))
        return Flow(at=at, symbol=symbol, side=candidate.side, qty=lots * lot, limit=_limit(view, candidate))


def share(delta: float) -> float:
    """Return the part of the at-the-money rate that an option of this delta sees."""
    return max(LEAST_SHARE, 4 * abs(delta) * (1 - abs(delta)))


def _limit(view: OptionView, candidate: Candidate) -> Decimal:
    """Return the limit on the tick, between the best bid (or one tick where there is none) and the best ask."""
    tick, ask = view.option.tick, view.asks[0].price
    bid = view.bids[0].price if view.bids else tick
    willing = Decimal(min(candidate.willing, 1.0)) * candidate.side.sign
    wish = (bid + ask + willing * (ask - bid)) / 2
    rounding = ROUND_FLOOR if candidate.side is Side.BUY else ROUND_CEILING
    return (wish / tick).to_integral_value(rounding) * tick


def _poisson(mean: float, u: float) -> int:
    """Return the Poisson number whose cumulative probability first exceeds u."""
    chance = total = exp(-mean)
    number = 0
    while total < u and number < 10 * mean + 20:
        number += 1
        chance *= mean / number
        total += chance
    return number
