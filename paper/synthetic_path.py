"""The simulated index: lognormal with a mean-reverting log-volatility, correlated between underlyings, readable at any second.

Hour h has normal increments drawn from (seed, h); inside it Brownian bridges are refined by halves down to one second, each midpoint
drawn from (seed, h, second). Nothing is stored that a restart needs: hourly levels are summed again from the start.
"""

from dataclasses import dataclass
from decimal import Decimal
from math import exp, log, sqrt

from paper.dice import Dice

HOUR = 3600
HOURS_PER_YEAR = 8760.0
MARKET = "market"
_BRIDGES_KEPT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedUnderlying:
    """Parameters of one simulated underlying; every number here is an assumption, none is a market price.

    `level` is the index at the feed's start (USD), `vol` the long-run volatility (fraction per year), `vol_of_vol` the stationary
    standard deviation of log-volatility, `half_life_days` that of its excursions, `leverage` the correlation of returns with changes of
    volatility, `common` the share of variance that underlyings have in common (their correlation).
    """

    name: str
    level: Decimal
    vol: float
    vol_of_vol: float = 0.25
    half_life_days: float = 10.0
    leverage: float = -0.3
    common: float = 0.8

    @property
    def reversion(self) -> float:
        """Return the rate per year at which log-volatility returns to its long-run level."""
        return log(2) * 365 / self.half_life_days


class Factor:
    """One source of randomness: a pair of Brownian motions (for spot and for volatility), in units of one hour's deviation."""

    def __init__(self, dice: Dice, name: str) -> None:
        self._dice = dice
        self._subject = f"path {name}".encode()
        self._bridges: dict[int, dict[int, tuple[float, float]]] = {}

    def over(self, hour: int) -> tuple[float, float]:
        """Return both increments over an hour."""
        return self._dice.normals(self._subject, hour, 0)

    def within(self, hour: int, second: int) -> tuple[float, float]:
        """Return both increments from the start of an hour to a second of it, 0 to 3600."""
        bridge = self._bridges.get(hour)
        if bridge is None:
            while len(self._bridges) >= _BRIDGES_KEPT:
                del self._bridges[next(iter(self._bridges))]
            bridge = self._bridges[hour] = {0: (0.0, 0.0), HOUR: self.over(hour)}
        return bridge.get(second) or self._refined(bridge, hour, second)

    def _refined(self, bridge: dict[int, tuple[float, float]], hour: int, second: int) -> tuple[float, float]:
        low, high = 0, HOUR
        while True:
            middle = (low + high) // 2
            point = bridge.get(middle)
            if point is None:
                (a, b), (c, d) = bridge[low], bridge[high]
                part = (middle - low) / (high - low)
                deviation = sqrt((middle - low) * (high - middle) / ((high - low) * HOUR))
                one, two = self._dice.normals(self._subject, hour, middle)
                point = bridge[middle] = (a + (c - a) * part + deviation * one, b + (d - b) * part + deviation * two)
            if middle == second:
                return point
            low, high = (low, middle) if second < middle else (middle, high)


class SpotPath:
    """Index and volatility of one underlying as functions of the Unix second; before the start they stand at their start values."""

    def __init__(self, spec: SimulatedUnderlying, market: Factor, own: Factor, start: int) -> None:
        self._spec, self._market, self._own, self._start = spec, market, own, start
        self._first_hour = start // HOUR
        self._shared, self._rest = sqrt(spec.common), sqrt(1 - spec.common)
        decay = exp(-spec.reversion / HOURS_PER_YEAR)
        self._decay, self._shock = decay, spec.vol_of_vol * sqrt(1 - decay * decay)
        self._logs, self._excursions = [0.0], [0.0]
        self._anchor = 0.0
        self._anchor = self._log_price(start) - log(float(spec.level))

    def at(self, second: int) -> tuple[float, float]:
        """Return index (USD) and instantaneous volatility (fraction per year) at a Unix second."""
        second = max(second, self._start)
        return exp(self._log_price(second) - self._anchor), self._vol(second)

    def _log_price(self, second: int) -> float:
        hour, rest = divmod(second, HOUR)
        begin, vol = self._hour(hour)
        return begin + self._return(vol, self._mixed(hour, rest), rest / HOUR)

    def _vol(self, second: int) -> float:
        hour, rest = divmod(second, HOUR)
        self._hour(hour + 1)
        part, excursions, index = rest / HOUR, self._excursions, hour - self._first_hour
        noise = self._shock * (self._mixed(hour, rest)[1] - part * self._mixed(hour, HOUR)[1])
        return self._spec.vol * exp(excursions[index] * (1 - part) + excursions[index + 1] * part + noise)

    def _return(self, vol: float, increments: tuple[float, float], part: float) -> float:
        """Return the log return of a part of an hour with volatility vol (drift-free in price)."""
        leverage = self._spec.leverage
        move = leverage * increments[1] + sqrt(1 - leverage * leverage) * increments[0]
        return vol / sqrt(HOURS_PER_YEAR) * move - 0.5 * vol * vol * part / HOURS_PER_YEAR

    def _mixed(self, hour: int, second: int) -> tuple[float, float]:
        """Blend the common factor with the underlying's own."""
        return self._blend(self._market.within(hour, second), self._own.within(hour, second))

    def _blend(self, common: tuple[float, float], own: tuple[float, float]) -> tuple[float, float]:
        return self._shared * common[0] + self._rest * own[0], self._shared * common[1] + self._rest * own[1]

    def _hour(self, hour: int) -> tuple[float, float]:
        """Return log price and volatility at the start of an hour, summing up to it from the last known one."""
        while len(self._logs) <= hour - self._first_hour:
            last = self._first_hour + len(self._logs) - 1
            increments = self._blend(self._market.over(last), self._own.over(last))
            vol = self._spec.vol * exp(self._excursions[-1])
            self._logs.append(self._logs[-1] + self._return(vol, increments, 1.0))
            self._excursions.append(self._decay * self._excursions[-1] + self._shock * increments[1])
        index = hour - self._first_hour
        return self._logs[index], self._spec.vol * exp(self._excursions[index])
