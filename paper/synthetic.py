"""The synthetic market: a simulated index, an arbitrage-free smile, makers and other traders, each a function of (seed, moment).

Nothing is remembered that cannot be computed again: a feed built anew with the same seed, start and parameters continues identically
at any moment. It is not safe for several threads at once. The model is written down in docs/paper-market-model.md.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from math import log, sqrt
from types import MappingProxyType
from typing import NamedTuple

from clock import EPOCH
from domain import Option, OptionType
from errors import ConfigError
from paper.contracts import TERMS
from paper.dice import Dice
from paper.ladders import Grid, half_spread, noise_of, quoted
from paper.listings import Listings
from paper.market import Flow, IndexView, OptionView
from paper.order_flow import OrderFlow
from paper.pricing import YEAR, value
from paper.smile import SmileShape, SmileSlice, atm_total_variance
from paper.synthetic_path import MARKET, Factor, SimulatedUnderlying, SpotPath

CENT = Decimal("0.01")
_SECOND = timedelta(seconds=1)
_YEAR_SECONDS = YEAR / _SECOND
_WINDOW = 1800
_REQUOTE = 10
_STATES_KEPT = 64

# Simulated start levels and volatilities: round assumptions, not market prices.
UNDERLYINGS: Mapping[str, SimulatedUnderlying] = MappingProxyType(
    {
        "BTC": SimulatedUnderlying(name="BTC", level=Decimal(100_000), vol=0.48),
        "ETH": SimulatedUnderlying(name="ETH", level=Decimal(3_500), vol=0.65),
    }
)
# Coins that makers show at the best price, and that other traders' orders have on average.
DEPTH: Mapping[str, Decimal] = MappingProxyType({"BTC": Decimal(2), "ETH": Decimal(30)})
MEAN_FLOW: Mapping[str, Decimal] = MappingProxyType({"BTC": Decimal("0.5"), "ETH": Decimal(8)})


class _State(NamedTuple):
    """An underlying at one step of the grid, with the smiles of its expiries as they are asked for."""

    second: int
    at: datetime
    price: Decimal
    spot: float
    vol: float
    smiles: dict[datetime, tuple[float, SmileSlice]]


class _World(NamedTuple):
    """What belongs to one underlying."""

    spec: SimulatedUnderlying
    path: SpotPath
    listings: Listings
    grid: Grid
    states: dict[int, _State]


class SyntheticFeed:
    """A market that never was: the same for the same seed, start and parameters.

    `underlyings` are names (with the parameters of UNDERLYINGS) or parameters. `start` is the moment at which each index stands at
    its underlying's level; a restart passes the same one. `step` is the grid of market time on which the market moves, whole
    seconds; the path itself does not depend on it. `strikes_per_expiry` is the fewest strikes an expiry is first listed with.
    `flow_per_minute` is the rate of other traders' orders in an option at the money.
    Raises ConfigError for an underlying without contract terms, or a step that is not whole seconds.
    """

    def __init__(
        self,
        seed: int,
        start: datetime,
        underlyings: Sequence[str | SimulatedUnderlying] = tuple(UNDERLYINGS),
        step: timedelta = _SECOND,
        *,
        strikes_per_expiry: int = 7,
        flow_per_minute: float = 10.0,
        shape: SmileShape | None = None,
    ) -> None:
        specs = _checked(underlyings, step, strikes_per_expiry)
        self.start, self._step = start, step // _SECOND
        self._dice, self._shape = Dice(seed), SmileShape() if shape is None else shape
        market = Factor(self._dice, MARKET)
        self._worlds = {spec.name: self._world(spec, market, strikes_per_expiry) for spec in specs}
        self._flow = OrderFlow(self._dice, flow_per_minute, {name: MEAN_FLOW[name] for name in self._worlds})
        self._latest = start
        self._listed: dict[int, dict[str, Option]] = {}
        self._views: dict[str, OptionView] = {}
        self._views_of = -1
        self._settled: dict[tuple[str, datetime], Decimal] = {}

    def options(self, now: datetime, /) -> Sequence[Option]:
        """Return every option listed at now, by underlying, expiry, strike, call before put."""
        return tuple(self._book(now).values())

    def index(self, underlying: str, now: datetime, /) -> IndexView:
        """Return the simulated index at now, USD on 0.01; raise KeyError for an underlying the feed does not have."""
        self._latest = max(self._latest, now)
        state = self._state(self._worlds[underlying], self._grid_second(now))
        return IndexView(state.price, state.at)

    def view(self, symbol: str, now: datetime, /) -> OptionView | None:
        """Return how makers quote an option at now; None if it is not listed."""
        option = self._book(now).get(symbol)
        if option is None:
            return None
        second = self._grid_second(now)
        if second != self._views_of:
            self._views, self._views_of = {}, second
        known = self._views.get(symbol)
        if known is None:
            known = self._views[symbol] = self._quote(option, second)
        return known

    def flow(self, symbols: Sequence[str], since: datetime, now: datetime, /) -> Sequence[Flow]:
        """Return the orders of others in the named options after since and up to now, oldest first, at whole seconds."""
        self._latest = max(self._latest, now)
        return self._flow.between(symbols, since, now, self._quote_at)

    def settlement(self, underlying: str, expiry: datetime, /) -> Decimal | None:
        """Return the mean of the index over each second of the last 30 minutes, on 0.01; None until asked about expiry or later."""
        if expiry > self._latest:
            return None
        key = (underlying, expiry)
        if key not in self._settled:
            last, path = (expiry - EPOCH) // _SECOND, self._worlds[underlying].path
            mean = sum(path.at(second)[0] for second in range(last - _WINDOW + 1, last + 1)) / _WINDOW
            self._settled[key] = round(mean * 100) * CENT
        return self._settled[key]

    def _world(self, spec: SimulatedUnderlying, market: Factor, strikes_per_expiry: int) -> _World:
        path = SpotPath(spec, market, Factor(self._dice, spec.name), (self.start - EPOCH) // _SECOND)
        terms = TERMS[spec.name]
        grid = Grid(terms.tick, terms.lot, float(terms.tick), float(DEPTH[spec.name] / terms.lot))

        def index_at(moment: datetime) -> float:
            return path.at((moment - EPOCH) // _SECOND)[0]

        return _World(spec, path, Listings(spec.name, index_at, spec.vol, self.start, strikes_per_expiry), grid, {})

    def _grid_second(self, now: datetime) -> int:
        return (now - EPOCH) // _SECOND // self._step * self._step

    def _book(self, now: datetime) -> dict[str, Option]:
        """Return the listed options by symbol; the listing changes at the start and at whole hours only."""
        self._latest = max(self._latest, now)
        hour = (max(now, self.start) - EPOCH) // timedelta(hours=1)
        if hour not in self._listed:
            while len(self._listed) >= 3:
                del self._listed[next(iter(self._listed))]
            listed = [option for world in self._worlds.values() for option in world.listings.at(now)]
            self._listed[hour] = {option.symbol: option for option in listed}
        return self._listed[hour]

    def _state(self, world: _World, second: int) -> _State:
        state = world.states.get(second)
        if state is None:
            if len(world.states) >= _STATES_KEPT:
                world.states.clear()
            index, vol = world.path.at(second)
            price = max(1, round(index * 100)) * CENT
            state = world.states[second] = _State(second, EPOCH + second * _SECOND, price, float(price), vol, {})
        return state

    def _smile(self, world: _World, state: _State, expiry: datetime) -> tuple[float, SmileSlice]:
        found = state.smiles.get(expiry)
        if found is None:
            years = max((expiry - state.at) / _SECOND, 1.0) / _YEAR_SECONDS
            theta = atm_total_variance(state.vol, world.spec.vol, world.spec.reversion, years)
            found = state.smiles[expiry] = (years, self._shape.slice(theta))
        return found

    def _quote_at(self, symbol: str, at: datetime) -> OptionView | None:
        option = self._book(at).get(symbol)
        return None if option is None else self._quote(option, self._grid_second(at))

    def _quote(self, option: Option, second: int) -> OptionView:
        world = self._worlds[option.underlying]
        state = self._state(world, second)
        years, smile = self._smile(world, state, option.expiry)
        strike, index = float(option.strike), state.spot
        k = log(strike / index)
        vol = sqrt(smile.total_variance(k) / years)
        worth, greeks = value(option.option_type, index, strike, years, vol)
        intrinsic = index - strike if option.option_type is OptionType.CALL else strike - index
        half = half_spread(index, worth - max(0.0, intrinsic), greeks.delta, greeks.vega, years, k / sqrt(smile.theta))
        symbol = option.symbol.encode()
        noise = noise_of(self._dice.uniforms(b"quote " + symbol, second // _REQUOTE))
        bids, asks = quoted(worth, half, world.grid, noise)
        return OptionView(
            option=option,
            at=state.at,
            bids=bids,
            asks=asks,
            mark=max(0, round(worth * 100)) * CENT,
            mark_iv=vol,
            greeks=greeks,
            underlying_price=state.price,
            open_interest=int(-log(self._dice.uniforms(b"interest " + symbol, 0)[0]) * world.grid.lots * 20) * option.lot,
        )


def _checked(underlyings: Sequence[str | SimulatedUnderlying], step: timedelta, strikes_per_expiry: int) -> list[SimulatedUnderlying]:
    """Return the underlyings, names replaced by their default parameters; raise ConfigError listing everything that is wrong."""
    unknown = [name for u in underlyings if (name := u if isinstance(u, str) else u.name) not in UNDERLYINGS]
    problems = [f"no contract terms for {name}; known: {', '.join(UNDERLYINGS)}" for name in unknown]
    if step < _SECOND or step % _SECOND:
        problems.append(f"step must be whole seconds, one or more, not {step}")
    if strikes_per_expiry < 1:
        problems.append(f"strikes_per_expiry must be 1 or more, not {strikes_per_expiry}")
    if problems:
        raise ConfigError(problems)
    return [UNDERLYINGS[u] if isinstance(u, str) else u for u in underlyings]
