"""How long a strangle takes to be found in a chain of 2,000 options, beside QuantLib's Greeks of the same chain.

`python -m benchmarks.bench_resolve` prints medians and the ratio; `make bench` measures the same with pytest-benchmark.
"""

import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import NormalDist, median
from time import perf_counter

import QuantLib as ql
from pytest_benchmark.fixture import BenchmarkFixture

from domain import Chain, Greeks, Option, OptionType, Quote
from option_selection import find_option, resolve_legs
from option_selection.structures import strangle

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
INDEX, IV = 100_000, 0.6
DAYS = (1, 2, 3, 7, 14, 28, 56, 91, 182, 273)
STRIKES = range(50_000, 150_000, 1_000)
SPECS = strangle("0.1", dte=28)


def a_quote(days: int, strike: int, option_type: OptionType) -> Quote:
    """An option quoted at its Black-Scholes delta, at no interest."""
    expiry = NOW.replace(hour=8) + timedelta(days=days)
    years = (expiry - NOW) / timedelta(days=365)
    call_delta = NormalDist().cdf((math.log(INDEX / strike) + IV**2 / 2 * years) / (IV * math.sqrt(years)))
    delta = call_delta if option_type is OptionType.CALL else call_delta - 1
    option = Option(
        symbol=f"BTCUSD-{expiry:%d%b%y}-{strike}-{option_type}".upper(),
        underlying="BTC",
        tick=Decimal("0.1"),
        lot=Decimal("0.01"),
        option_type=option_type,
        strike=Decimal(strike),
        expiry=expiry,
    )
    return Quote(option=option, at=NOW, greeks=Greeks(delta=delta))


def a_chain() -> Chain:
    """A chain as it comes from the venue: every value new, nothing grouped yet."""
    quotes = (a_quote(days, strike, option_type) for days in DAYS for strike in STRIKES for option_type in OptionType)
    return Chain("BTC", NOW, Decimal(INDEX), tuple(quotes))


SEEN = a_chain()


def resolved(chain: Chain) -> None:
    """Find both legs of the strangle."""
    resolve_legs(SPECS, chain, NOW)


def found(chain: Chain) -> None:
    """Look for one option by all kinds of constraints at once."""
    find_option(
        chain=chain,
        now=NOW,
        option_type="P",
        expiry={"min_days": 6, "max_days": 13, "target": "near"},
        strike={"below_atm": True, "min_distance_pct": 0.5},
        delta={"min": -0.45, "max": -0.15},
        rank_by="delta_mid",
    )


def quantlib_greeks(chain: Chain) -> None:
    """Price and five Greeks of every option of the chain, by QuantLib's stateless Black calculator."""
    kinds = {OptionType.CALL: ql.Option.Call, OptionType.PUT: ql.Option.Put}
    for quote in chain.quotes:
        option, years = quote.option, (quote.option.expiry - NOW) / timedelta(days=365)
        payoff = ql.PlainVanillaPayoff(kinds[option.option_type], float(option.strike))
        black = ql.BlackCalculator(payoff, float(INDEX), IV * math.sqrt(years), 1.0)
        black.value()
        black.delta(INDEX), black.gamma(INDEX), black.theta(INDEX, years), black.vega(years), black.rho(years)


def test_a_strangle_in_a_chain_never_looked_at(benchmark: BenchmarkFixture) -> None:
    benchmark.pedantic(resolved, setup=lambda: ((a_chain(),), {}), rounds=20)  # type: ignore[no-untyped-call]


def test_a_strangle_in_a_chain_already_grouped(benchmark: BenchmarkFixture) -> None:
    benchmark(resolved, SEEN)


def test_one_option_by_all_constraints_at_once(benchmark: BenchmarkFixture) -> None:
    benchmark(found, SEEN)


def test_greeks_of_the_chain_by_quantlib(benchmark: BenchmarkFixture) -> None:
    benchmark(quantlib_greeks, SEEN)


def milliseconds(work: Callable[[Chain], None], chains: Iterable[Chain]) -> float:
    """Median time of work over chains, which are made outside of the measurement."""
    spans = []
    for chain in chains:
        begun = perf_counter()
        work(chain)
        spans.append(perf_counter() - begun)
    return median(spans) * 1_000


def main() -> None:
    """Print one line per case."""
    resolved(SEEN)
    greeks = milliseconds(quantlib_greeks, [SEEN] * 15)
    cases = (
        ("strangle, new chain", milliseconds(resolved, (a_chain() for _ in range(30)))),
        ("strangle, grouped chain", milliseconds(resolved, [SEEN] * 300)),
        ("find_option, grouped chain", milliseconds(found, [SEEN] * 300)),
    )
    for name, span in cases:
        print(f"{name:27} {span:7.3f} ms   QuantLib Greeks of the chain {greeks:6.2f} ms   ratio 1:{greeks / span:.0f}")


if __name__ == "__main__":
    main()
