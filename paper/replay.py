"""The replayed market: recorded option chains, one after the other, as if they were quoted now.

A quote holds until the next recording; `at` tells its age. Coin prices become USD by the index of the same recording (the sum that
buys the coins), rounded inwards to the tick, so that nobody trades outside what was recorded. Sizes, deeper levels and the orders of
others are modelled; so is nothing else.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from pathlib import Path

from loguru import logger

from clock import to_ms
from domain import Option, decimal_of
from errors import ConfigError, DataNotFresh
from paper.contracts import TERMS
from paper.dice import Dice
from paper.ladders import LEVELS, Grid, Ladder, noise_of, rungs
from paper.market import Flow, IndexView, OptionView
from paper.order_flow import OrderFlow
from paper.pricing import YEAR, value
from paper.recordings import RecordedQuote, Recording, Recordings

CENT = Decimal("0.01")
WINDOW = timedelta(minutes=30)
# How far from expiry recordings may lie that settle it: on both sides of it, or on one side only.
REACH_BOTH, REACH_ONE = timedelta(hours=12), timedelta(hours=1)
_VIEWS_KEPT = 4096

# Modelled: coins at the best price, mean size of other traders' orders.
DEPTH = {"BTC": Decimal(2), "ETH": Decimal(30)}
MEAN_FLOW = {"BTC": Decimal("0.5"), "ETH": Decimal(8)}


class ReplayFeed:
    """The recordings of a directory as a market; the same for the same directory and seed.

    `seed`, `levels` and `flow_per_minute` shape what is modelled; with one level nobody can cross at any but the recorded prices.
    Raises ConfigError for a directory without recordings of an underlying, or of an unknown layout. Not safe for several threads at
    once.
    """

    def __init__(
        self,
        path: Path | str,
        underlyings: Sequence[str] = ("BTC", "ETH"),
        *,
        seed: int = 0,
        levels: int = 1,
        flow_per_minute: float = 10.0,
    ) -> None:
        if not 1 <= levels <= LEVELS:
            raise ConfigError(f"levels must be from 1 to {LEVELS}, not {levels}")
        self._levels = levels
        self._recordings = {name: Recordings(Path(path), name) for name in underlyings}
        self._dice = Dice(seed)
        self._flow = OrderFlow(self._dice, flow_per_minute, {name: MEAN_FLOW[name] for name in underlyings})
        self._latest = self.start
        self._views: dict[str, OptionView] = {}
        self._warned: set[tuple[str, datetime]] = set()

    @property
    def start(self) -> datetime:
        """Return the first moment at which every underlying has been recorded."""
        return max(recordings.moments[0] for recordings in self._recordings.values())

    @property
    def end(self) -> datetime:
        """Return the moment of the last recording of any underlying."""
        return max(recordings.moments[-1] for recordings in self._recordings.values())

    @property
    def median_spacing(self) -> timedelta:
        """Return the usual time between two recordings of the same underlying; zero where there is only one."""
        return self._spacings[len(self._spacings) // 2]

    @property
    def spacing_max(self) -> timedelta:
        """Return the longest time between two recordings of the same underlying."""
        return self._spacings[-1]

    @property
    def _spacings(self) -> list[timedelta]:
        pairs = (zip(r.moments, r.moments[1:], strict=False) for r in self._recordings.values())
        return sorted(later - earlier for of_one in pairs for earlier, later in of_one) or [timedelta(0)]

    def options(self, now: datetime, /) -> Sequence[Option]:
        """Return the options of the current recordings that have not expired, by underlying, expiry, strike, call before put."""
        current = [recording for name in self._recordings if (recording := self._current(name, now)) is not None]
        return tuple(quote.option for recording in current for quote in recording.quotes.values() if quote.option.expiry > now)

    def index(self, underlying: str, now: datetime, /) -> IndexView:
        """Return the last recorded index; raise KeyError for an underlying not replayed, DataNotFresh before its first recording."""
        self._latest = max(self._latest, now)
        recordings = self._recordings[underlying]
        number = recordings.latest(now)
        if number is None:
            raise DataNotFresh("replay", f"index {underlying}", f"the recordings begin at {recordings.moments[0]}, not before {now}")
        return IndexView(_cents(recordings.indexes[number]), recordings.moments[number])

    def view(self, symbol: str, now: datetime, /) -> OptionView | None:
        """Return the last recorded quote of an option; None if the current recording lacks it or it has expired."""
        recording = self._current(symbol.partition("USD-")[0], now)
        quote = None if recording is None else recording.quotes.get(symbol)
        if recording is None or quote is None or quote.option.expiry <= now:
            return None
        known = self._views.get(symbol)
        if known is None or known.at != recording.at:
            if len(self._views) >= _VIEWS_KEPT:
                self._views.clear()
            known = self._views[symbol] = self._quoted(quote, recording)
        return known

    def flow(self, symbols: Sequence[str], since: datetime, now: datetime, /) -> Sequence[Flow]:
        """Return modelled orders of others after since and up to now, oldest first; limits lie within the recorded bid and ask."""
        self._latest = max(self._latest, now)
        return self._flow.between(symbols, since, now, self.view)

    def settlement(self, underlying: str, expiry: datetime, /) -> Decimal | None:
        """Return the mean index of the recordings in the last 30 minutes; without any, what the nearest ones tell of the index at expiry.

        That is the line between the last recording before and the first after, both within 12 hours; or the one of them within an
        hour. None until the feed has been asked about expiry or later, and for ever where no recording is near: a warning tells.
        """
        if expiry > self._latest:
            return None
        price = _settled(self._recordings[underlying], expiry)
        if price is None and (underlying, expiry) not in self._warned:
            self._warned.add((underlying, expiry))
            logger.warning(
                "settlement unknown underlying={} expiry={}: no recording is near enough, the last one is of {}",
                underlying,
                expiry,
                self._recordings[underlying].moments[-1],
            )
        return None if price is None else _cents(price)

    def _current(self, underlying: str, now: datetime) -> Recording | None:
        self._latest = max(self._latest, now)
        recordings = self._recordings.get(underlying)
        number = None if recordings is None else recordings.latest(now)
        return None if recordings is None or number is None else recordings.recording(number)

    def _quoted(self, quote: RecordedQuote, recording: Recording) -> OptionView:
        option, index = quote.option, recording.index_price
        years = max(option.expiry - recording.at, timedelta(0)) / YEAR
        bids, asks = self._ladders(quote, recording)
        return OptionView(
            option=option,
            at=recording.at,
            bids=bids,
            asks=asks,
            mark=_cents(quote.mark * index),
            mark_iv=quote.vol,
            greeks=value(option.option_type, quote.forward, float(option.strike), years, quote.vol).greeks,
            underlying_price=_cents(quote.forward),
            open_interest=decimal_of(quote.open_interest),
        )

    def _ladders(self, quote: RecordedQuote, recording: Recording) -> tuple[Ladder, Ladder]:
        """Return the recorded best prices on the tick, with modelled sizes and deeper levels."""
        option, terms = quote.option, TERMS[quote.option.underlying]
        grid = Grid(terms.tick, terms.lot, float(terms.tick), float(DEPTH[option.underlying] / terms.lot))
        noise = noise_of(self._dice.uniforms(b"ladder " + option.symbol.encode(), to_ms(recording.at)))
        bid, ask = _best(quote, recording.index_price, terms.tick)
        step = max(1, (ask - bid) // 4 if bid is not None and ask is not None else (bid or ask or 0) // 20)
        return (
            () if bid is None else rungs(bid, -step, noise.bids[: self._levels], grid),
            () if ask is None else rungs(ask, step, noise.asks[: self._levels], grid),
        )


def _best(quote: RecordedQuote, index: float, tick: Decimal) -> tuple[int | None, int | None]:
    """Return the recorded bid and ask in whole ticks between them; outside them only where no tick lies between."""
    bid, ask = _ticks(quote.bid, index, tick, ROUND_CEILING), _ticks(quote.ask, index, tick, ROUND_FLOOR)
    if bid is not None and ask is not None and bid >= ask:
        return _ticks(quote.bid, index, tick, ROUND_FLOOR), _ticks(quote.ask, index, tick, ROUND_CEILING)
    return bid, ask or None


def _ticks(coins: float | None, index: float, tick: Decimal, rounding: str) -> int | None:
    """Return a recorded price in whole USD ticks; None where there is none."""
    return None if coins is None else int((decimal_of(coins) * decimal_of(index) / tick).to_integral_value(rounding))


def _cents(usd: float) -> Decimal:
    return round(usd * 100) * CENT


def _settled(recordings: Recordings, expiry: datetime) -> float | None:
    """Return the settlement price that recordings tell, by the rule of ReplayFeed.settlement."""
    told = list(zip(recordings.moments, recordings.indexes, strict=True))
    window = [index for at, index in told if expiry - WINDOW <= at <= expiry]
    if window:
        return sum(window) / len(window)
    before = [point for point in told if expiry - REACH_BOTH <= point[0] < expiry][-1:]
    after = [point for point in told if expiry < point[0] <= expiry + REACH_BOTH][:1]
    if before and after:
        (earlier, low), (later, high) = before[0], after[0]
        return low + (high - low) * ((expiry - earlier) / (later - earlier))
    near = [index for at, index in before + after if abs(at - expiry) <= REACH_ONE]
    return near[0] if near else None
