"""How a maker answers requests for quotes, as a user declares it: which requests, how wide around what it holds to be fair, up to where.

Money is USD, quantities coins, volatilities points (1 is one vol point). Every width is a half: what we ask above fair, or bid below it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from domain.account import ExitCondition
from domain.enums import Side
from domain.execution import ExecutionParams, LeggingPolicy, RFQFallback, RFQParams, _Problems
from domain.numbers import decimal_of
from domain.rfq import BlockTrade, RFQQuote, RFQStatus

MADE = "maker-"  # how the version of every trade begins that a quoting policy made
LONGEST_LIFE = 290.0  # the venue ends a quote after 300 s (API 8.1)
_SIDES: Mapping[object, Side] = MappingProxyType({"buy": Side.BUY, "sell": Side.SELL, Side.BUY: Side.BUY, Side.SELL: Side.SELL})


class FairBasis(StrEnum):
    """What a leg is held to be worth: the venue's mark, or the middle of its own bid and ask."""

    MARK = "mark"
    MID = "mid"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFilter:
    """Which requests are answered.

    `structures`: by name ("single", "vertical", "strangle", "4 legs" …), all where empty. `max_legs` at most; strike x coins summed
    from `min_notional` to `max_notional` USD (None: no bound); every leg expires in `min_days` to `max_days`. `sides`: "sell" sells the
    structure as its taker stated it, "buy" buys it, which is offered only where every leg is stated as a buy: such a taker may go
    either way (API 8.1).
    """

    structures: Sequence[str] = ()
    max_legs: int = 4
    min_notional: Decimal = Decimal(0)
    max_notional: Decimal | None = None
    min_days: float = 0.0
    max_days: float = 3650.0
    sides: Sequence[Side | str] = (Side.SELL, Side.BUY)

    def __post_init__(self) -> None:
        check = _Problems(self)
        _words(check, self, "structures", "a list of names of structures")
        check.whole("max_legs", 1, 12)
        check.amount("min_notional", "a number of USD, zero or more")
        if self.max_notional is not None:
            check.amount("max_notional", "a number of USD above zero, or None", above=True)
        check.number("min_days", "a number of days, zero or more", 0)
        check.number("max_days", "a number of days above zero", 0, above=True)
        written: object = self.sides  # users write words, and one word alone
        given = [written] if isinstance(written, str | Side) else list(written) if isinstance(written, list | tuple) else []
        sides = tuple(dict.fromkeys(_SIDES[side] for side in given if side in _SIDES))
        if not sides or len(sides) < len(given):
            check.wrong("sides", "'sell', 'buy' or both, each once")
        object.__setattr__(self, "sides", sides)
        check.tell()
        if self.min_days > self.max_days:
            check.wrong("min_days", f"at most max_days ({self.max_days:g})")
        if self.max_notional is not None and self.min_notional > self.max_notional:
            check.wrong("min_notional", f"at most max_notional ({self.max_notional})")
        check.tell()


@dataclass(frozen=True, slots=True, kw_only=True)
class Width:
    """Half the distance between the bid and the offer that we would make for a structure, around our fair value.

    The largest of: `vol_points` times its vega (of which `net_share` counts the vega that is left when its legs offset each other, the
    rest their sum); `pct` per cent of its legs' premium; `per_coin` USD for each coin of its largest leg. Then it grows by
    `size_add_pct` per cent for each `size_unit` coins beyond the first, and by the factor that `by_structure` gives its name.
    """

    vol_points: float = 0.5
    net_share: float = 0.5
    pct: float = 0.0
    per_coin: Decimal = Decimal(5)
    size_unit: Decimal = Decimal(1)
    size_add_pct: float = 5.0
    by_structure: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        check = _Problems(self)
        check.number("vol_points", "a number of vol points from 0 to 100", 0, 100)
        check.number("net_share", "a number from 0 to 1", 0, 1)
        check.number("pct", "a number from 0 to 100", 0, 100)
        check.amount("per_coin", "a number of USD, zero or more")
        check.amount("size_unit", "a number of coins above zero", above=True)
        check.number("size_add_pct", "a number from 0 to 1000", 0, 1000)
        factors: object = self.by_structure
        if not isinstance(factors, Mapping) or not all(isinstance(name, str) and _factor(of) for name, of in factors.items()):
            check.wrong("by_structure", "factors from 0.1 to 100 by name of structure")
        check.tell()
        if self.vol_points == 0 and self.pct == 0 and self.per_coin == 0:
            check.wrong("per_coin", "above zero where vol_points and pct are zero: somebody would trade at fair value")
        check.tell()


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteLimits:
    """How far a maker goes, with what it holds and with all that it has offered as if that were taken; None is no limit.

    `max_quantity`: coins of a request's largest leg. `max_open_quotes` at a time. `per_underlying` and `per_expiry`: coins held of
    options, each option's counted as an amount. `delta` (coins), `vega` (USD per vol point) and `gamma` bound the net Greeks either way.
    """

    max_quantity: Decimal = Decimal(1)
    max_open_quotes: int = 5
    per_underlying: Decimal = Decimal(10)
    per_expiry: Decimal | None = None
    delta: float | None = None
    vega: float | None = None
    gamma: float | None = None

    def __post_init__(self) -> None:
        check = _Problems(self)
        check.amount("max_quantity", "a number of coins above zero", above=True)
        check.whole("max_open_quotes", 1, 100)
        check.amount("per_underlying", "a number of coins above zero", above=True)
        if self.per_expiry is not None:
            check.amount("per_expiry", "a number of coins above zero, or None", above=True)
        for name in ("delta", "vega", "gamma"):
            check.number(name, "a number above zero, or None", 0, above=True, none=True)
        check.tell()


def _block_execution() -> ExecutionParams:
    """Return how a maker's trades are left: other makers are asked first, then the book."""
    return ExecutionParams(rfq=RFQParams(fallback=RFQFallback.NONE), legging=LeggingPolicy(require_executable=False))


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotingPolicy:
    """One maker, as its user declares it. Raises ConfigError with every problem at once.

    name: unique among makers and strategies; its trades carry it. underlyings: such as BTC. requests, width, limits: see there.
    fair: "mark" or "mid". requote_share: a quote is replaced once its fair value has moved by more than this share of its half width.
    quote_life_seconds: after which it is taken back and made anew. min_edge_per_coin: USD that must be left above fair value, fees paid,
    for each coin of the largest leg; a width that leaves less is widened. fee_pct: the maker's block fee, per cent of the index (API
    14.3). exit_conditions: any one closes a trade that came of it; with none it is held to expiry. execution: how it is closed then.
    exclusive: no other program quotes on this account, so quotes that our journal does not know are ours to cancel. cancel_on_stop: take
    quotes back when the daemon stops, instead of leaving them to the venue's five minutes. dry_run: decide and log, send nothing.
    """

    name: str
    underlyings: Sequence[str] = ("BTC",)
    requests: RequestFilter = field(default_factory=RequestFilter)
    width: Width = field(default_factory=Width)
    limits: QuoteLimits = field(default_factory=QuoteLimits)
    fair: FairBasis = FairBasis.MARK
    requote_share: float = 0.3
    quote_life_seconds: float = 120.0
    min_edge_per_coin: Decimal = Decimal(1)
    fee_pct: Decimal = Decimal("0.010")
    exit_conditions: Sequence[ExitCondition] = ()
    execution: ExecutionParams = field(default_factory=_block_execution)
    exclusive: bool = False
    cancel_on_stop: bool = False
    dry_run: bool = False

    def __post_init__(self) -> None:
        check = _Problems(self)
        if not _is_name(self.name):
            check.wrong("name", "1 to 64 letters, digits, _ or -")
        _words(check, self, "underlyings", "a list of underlyings such as BTC", least=1)
        for name, kind in _PARTS.items():
            check.one_of(name, kind)
        check.word("fair", FairBasis)
        check.number("requote_share", "a number above 0, up to 1", 0, 1, above=True)
        check.number("quote_life_seconds", f"a number of seconds from 5 to {LONGEST_LIFE:g}", 5, LONGEST_LIFE)
        check.amount("min_edge_per_coin", "a number of USD, zero or more")
        check.amount("fee_pct", "a number of per cent, zero or more")
        exits: object = self.exit_conditions
        if isinstance(exits, list | tuple) and all(map(callable, exits)):
            object.__setattr__(self, "exit_conditions", tuple(exits))
        else:
            check.wrong("exit_conditions", "a list of exit conditions")
        execution: object = self.execution
        if isinstance(execution, ExecutionParams) and execution.rfq.fallback is not RFQFallback.NONE:
            check.wrong("execution", "with rfq.fallback 'none': what nobody takes is not to be opened on the order book")
        check.tell()


_PARTS: Mapping[str, type] = MappingProxyType(
    {
        "requests": RequestFilter,
        "width": Width,
        "limits": QuoteLimits,
        "execution": ExecutionParams,
        "exclusive": bool,
        "cancel_on_stop": bool,
        "dry_run": bool,
    }
)


def _is_name(given: object) -> bool:
    good = isinstance(given, str) and 0 < len(given) <= 64 and given.isascii()
    return good and str(given).replace("_", "").replace("-", "").isalnum()


def _words(check: _Problems, value: object, name: str, what: str, least: int = 0) -> None:
    """Want a list of words, and put a tuple in its place."""
    given: object = getattr(value, name)
    good = isinstance(given, Sequence) and not isinstance(given, str) and all(isinstance(word, str) and word for word in given)
    if good and isinstance(given, Sequence) and len(given) >= least:
        object.__setattr__(value, name, tuple(given))
    else:
        check.wrong(name, what)


def _factor(given: object) -> bool:
    try:
        return Decimal("0.1") <= decimal_of(given) <= 100  # type: ignore[arg-type]
    except ValueError:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnStanding:
    """What the venue knows of our quotes on a request: each of them, where the request stands (None: it would not say), our block on it."""

    quotes: tuple[RFQQuote, ...]
    status: RFQStatus | None = None
    block: BlockTrade | None = None
