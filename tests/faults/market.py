"""A small market for many short runs: one index, a few options, wide books, other traders now and then; a function of seed and moment."""

import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from clock import to_ms
from domain import Greeks, Level, Option, OptionType, Side
from paper.contracts import an_option
from paper.market import Flow, IndexView, OptionView

START = datetime(2026, 3, 5, 12, tzinfo=UTC)
NEAR, FAR = datetime(2026, 3, 6, 8, tzinfo=UTC), datetime(2026, 3, 27, 8, tzinfo=UTC)
STRIKES = (90_000, 95_000, 100_000, 105_000, 110_000)
SECOND = timedelta(seconds=1)
LEVEL = Decimal(100_000)
_TICK = Decimal("0.1")
_WILD = 8
_DELTA = {90_000: 0.8, 95_000: 0.65, 100_000: 0.5, 105_000: 0.35, 110_000: 0.2}
_WORTH = {90_000: 10_500, 95_000: 6_500, 100_000: 3_500, 105_000: 1_800, 110_000: 900}


def symbol(strike: int, kind: str, expiry: datetime = FAR) -> str:
    """Return the name of an option of this market."""
    return an_option("BTC", expiry, Decimal(strike), OptionType(kind)).symbol


class SmallMarket:
    """It implements paper.market.Feed. The index moves each second; a frozen market goes on telling the same prices as if they were new.

    What was told of a moment stays what it was: a judge asks again later.
    """

    spacing_max: timedelta | None = None

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._frozen: list[tuple[datetime, datetime]] = []
        self._wild: list[tuple[int, int]] = []
        self._listed = {
            option.symbol: option
            for expiry in (NEAR, FAR)
            for strike in STRIKES
            for kind in OptionType
            for option in [an_option("BTC", expiry, Decimal(strike), kind)]
        }
        self._views: dict[str, tuple[int, OptionView]] = {}

    def freeze(self, now: datetime, span: timedelta) -> None:
        """Tell the prices of now for a while."""
        self._frozen.append((now, now + span))

    def thaw(self, now: datetime) -> None:
        """Freeze no longer."""
        self._frozen = [(begun, min(over, now)) for begun, over in self._frozen]

    def go_wild(self, now: datetime, span: timedelta) -> None:
        """Move several times as far for a while; those who wait far from the market are still not reached."""
        self._wild.append((_second(now), _second(now + span)))

    def options(self, now: datetime, /) -> Sequence[Option]:
        """Return what has not expired."""
        return [option for option in self._listed.values() if now < option.expiry]

    def index(self, underlying: str, now: datetime, /) -> IndexView:
        """Return the index; raise KeyError for any but BTC."""
        if underlying != "BTC":
            raise KeyError(underlying)
        return IndexView(self._index(self._of(now)), datetime.fromtimestamp(_second(now), UTC))

    def view(self, symbol: str, now: datetime, /) -> OptionView | None:
        """Return how the market quotes an option."""
        option = self._listed.get(symbol)
        if option is None or now >= option.expiry:
            return None
        second = _second(now)
        known = self._views.get(symbol)
        if known is None or known[0] != second:
            known = self._views[symbol] = (second, self._view(option, now))
        return known[1]

    def flow(self, symbols: Sequence[str], since: datetime, now: datetime, /) -> Sequence[Flow]:
        """Return the orders of others: about one in four seconds for each option, up to the mark or a little beyond."""
        first, last = _second(since) + 1, _second(now)
        found = [self._flow(symbol, second) for symbol in symbols for second in range(max(first, last - 300), last + 1)]
        return sorted((flow for flow in found if flow is not None), key=lambda flow: flow.at)

    def settlement(self, underlying: str, expiry: datetime, /) -> Decimal | None:
        """Return the index of the expiry."""
        return self._index(_second(expiry))

    def _flow(self, symbol: str, second: int) -> Flow | None:
        drawn = self._drawn(symbol, second, "flow")
        if drawn % 4:
            return None
        at = datetime.fromtimestamp(second, UTC)
        if (view := self.view(symbol, at)) is None:
            return None
        side, steps = (Side.BUY if drawn & 16 else Side.SELL), drawn // 32 % 5
        limit = view.mark * (1 + Decimal(side.sign * (steps - 1)) / 100)
        return Flow(at=at, symbol=symbol, side=side, qty=Decimal(1 + drawn // 256 % 12) / 100, limit=limit.quantize(_TICK))

    def _view(self, option: Option, now: datetime) -> OptionView:
        second = self._of(now)
        strike = int(option.strike)
        call = option.option_type is OptionType.CALL
        mirrored = strike if call else 200_000 - strike
        delta = _DELTA[mirrored] if call else -_DELTA[mirrored]
        index = self._index(second)
        share = Decimal(1) if option.expiry == FAR else Decimal("0.4")
        mark = (Decimal(_WORTH[mirrored]) * share + Decimal(str(delta)) * (index - LEVEL)).quantize(_TICK)
        half = (mark * Decimal("0.04")).quantize(_TICK)
        drawn = self._drawn(option.symbol, second // 5, "depth")
        sizes = [Decimal(1 + drawn // 7**n % 40) / 100 for n in range(4)]
        return OptionView(
            option=option,
            at=datetime.fromtimestamp(_second(now), UTC),
            bids=(Level(mark - half, sizes[0]), Level(mark - 2 * half, sizes[1] + 2)),
            asks=(Level(mark + half, sizes[2]), Level(mark + 2 * half, sizes[3] + 2)),
            mark=mark,
            mark_iv=0.5,
            greeks=Greeks(delta=delta, gamma=0.00001, vega=90.0, theta=-40.0, rho=10.0),
            underlying_price=index,
            open_interest=Decimal(10),
        )

    def _index(self, second: int) -> Decimal:
        wave = second % 97 - 48 + second % 13 - 6
        away = Decimal(wave + self._drawn("index", second // 10, "") % 40) / 2
        return LEVEL + away * (_WILD if any(begun <= second < over for begun, over in self._wild) else 1)

    def _of(self, now: datetime) -> int:
        return _second(next((begun for begun, over in self._frozen if begun <= now < over), now))

    def _drawn(self, name: str, second: int, what: str) -> int:
        return zlib.crc32(f"{self._seed}/{name}/{second}/{what}".encode())


def _second(moment: datetime) -> int:
    return to_ms(moment) // 1000
