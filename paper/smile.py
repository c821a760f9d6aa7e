"""An implied volatility surface that cannot be arbitraged: surface SVI, its level tied to one instantaneous volatility.

Total variance at log-moneyness k = ln(strike / forward) and at-the-money total variance θ is
    w(k, θ) = θ/2 · (1 + ρφk + √((φk + ρ)² + 1 − ρ²)),    φ(θ) = η / (θ^γ (1 + θ)^(1 − γ)).
With 0 < γ ≤ 1/2 and η(1 + |ρ|) ≤ 2 it has no butterfly arbitrage, and with θ growing in expiry no calendar arbitrage.
Source: Gatheral and Jacquier, Arbitrage-free SVI volatility surfaces (2014), theorem 4.2 and remark 4.4.
"""

from dataclasses import dataclass
from math import exp, sqrt
from typing import NamedTuple

from errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class SmileShape:
    """Skew ρ (below zero: puts dearer), curvature η and its decay γ; raise ConfigError for values that allow arbitrage."""

    rho: float = -0.2
    eta: float = 0.6
    gamma: float = 0.5

    def __post_init__(self) -> None:
        if not (-1 < self.rho < 1 and 0 < self.gamma <= 0.5 and 0 < self.eta * (1 + abs(self.rho)) <= 2):
            raise ConfigError(f"{self} allows arbitrage: it needs |ρ| < 1, 0 < γ ≤ 1/2 and 0 < η(1 + |ρ|) ≤ 2")

    def slice(self, theta: float) -> "SmileSlice":
        """Return the smile of the expiry whose at-the-money total variance is theta (above zero)."""
        phi = self.eta / (theta**self.gamma * (1 + theta) ** (1 - self.gamma))
        return SmileSlice(theta, phi, self.rho, 1 - self.rho * self.rho)


class SmileSlice(NamedTuple):
    """The smile of one expiry."""

    theta: float
    phi: float
    rho: float
    rest: float

    def total_variance(self, k: float) -> float:
        """Return σ²T at log-moneyness k."""
        x = self.phi * k
        return 0.5 * self.theta * (1 + self.rho * x + sqrt((x + self.rho) ** 2 + self.rest))


def atm_total_variance(vol: float, long_run_vol: float, reversion: float, years: float) -> float:
    """Return θ: the variance expected over years when variance reverts from vol² to long_run_vol² at a rate per year.

    It grows with years whatever the volatilities, for it is the integral of a variance above zero.
    """
    calm = long_run_vol * long_run_vol
    return calm * years + (vol * vol - calm) * (1 - exp(-reversion * years)) / reversion
