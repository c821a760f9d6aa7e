"""How a trade is executed, as a user declares it: each mode's parameters, and what to do while a structure is half filled."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from math import inf, isfinite

from domain.enums import ExecutionMode
from domain.numbers import decimal_of
from errors import ConfigError


class QuotingStrategy(StrEnum):
    """Where the smart executor quotes while it is patient."""

    TOP_OF_BOOK = "top_of_book"
    TOP_OF_BOOK_OFFSET_PCT = "top_of_book_offset_pct"
    MID = "mid"
    MARK = "mark"


class Remedy(StrEnum):
    """What to do about a structure that stands half filled for too long or at too great a loss."""

    CROSS = "cross"
    UNWIND = "unwind"
    RFQ = "rfq"
    HOLD = "hold"


class RFQFallback(StrEnum):
    """How to go on when makers offer nothing good enough."""

    LIMIT = "limit"
    SMART = "smart"
    NONE = "none"


class _Problems:
    """Checks the fields of one declared value, puts the exact form in place, and tells of everything that is wrong at once."""

    def __init__(self, value: object) -> None:
        self._value, self._owner = value, type(value).__name__
        self._found: list[str] = []

    def number(self, name: str, what: str, low: float, high: float = inf, *, above: bool = False, none: bool = False) -> None:
        """Want a finite number from low (or above it) to high."""
        given: object = getattr(self._value, name)
        if given is None and none:
            return
        good = isinstance(given, int | float | Decimal) and not isinstance(given, bool) and isfinite(given)
        if not good or not low <= given <= high or (above and given == low):  # type: ignore[operator]
            self.wrong(name, what)

    def whole(self, name: str, low: int, high: int) -> None:
        """Want a whole number from low to high."""
        given: object = getattr(self._value, name)
        if not isinstance(given, int) or isinstance(given, bool) or not low <= given <= high:
            self.wrong(name, f"a whole number from {low} to {high}")

    def amount(self, name: str, what: str, *, above: bool = False) -> None:
        """Want an exact number of zero or more (or above it), however it is written."""
        try:
            exact = decimal_of(getattr(self._value, name))
        except ValueError:
            self.wrong(name, what)
            return
        object.__setattr__(self._value, name, exact)
        if exact < 0 or (above and exact == 0):
            self.wrong(name, what)

    def word(self, name: str, words: type[StrEnum]) -> None:
        """Want one of some words."""
        try:
            object.__setattr__(self._value, name, words(getattr(self._value, name)))
        except ValueError:
            self.wrong(name, f"one of {', '.join(words)}")

    def one_of(self, name: str, kind: type) -> None:
        """Want a value of a type."""
        if not isinstance(getattr(self._value, name), kind):
            self.wrong(name, "True or False" if kind is bool else f"of type {kind.__name__}")

    def wrong(self, name: str, what: str) -> None:
        """Note that a field is not what it must be."""
        self._found.append(f"{self._owner}: {name} must be {what}, not {getattr(self._value, name)!r}")

    def tell(self) -> None:
        """Raise ConfigError with all that is wrong, if anything is."""
        if self._found:
            raise ConfigError(self._found)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartExecConfig:
    """How a smart orderbook execution works: chunk by chunk, first patiently, then across the spread.

    The quantity is cut into `chunk_count` chunks that keep the legs' ratios. Each is quoted for `time_per_chunk` seconds by
    `quoting_strategy` (`top_of_book_offset_pct` stands `spread_pct` per cent of the touch inside the spread), looked at again each
    `reprice_interval` seconds (10 at least) and moved if the price has changed by more than `reprice_price_threshold` USD. What
    is then missing is taken by limit orders across the spread, up to `max_cross_pct` per cent past mid: `aggressive_attempts`
    times, each given `aggressive_wait_seconds`, with `aggressive_retry_pause` between them. No order is smaller than
    `min_order_qty` coins or the instrument's own lot.
    """

    chunk_count: int = 5
    time_per_chunk: float = 600.0
    quoting_strategy: QuotingStrategy = QuotingStrategy.TOP_OF_BOOK
    reprice_interval: float = 10.0
    reprice_price_threshold: Decimal = Decimal("0.1")
    min_order_qty: Decimal = Decimal("0.01")
    aggressive_attempts: int = 10
    aggressive_wait_seconds: float = 5.0
    aggressive_retry_pause: float = 1.0
    spread_pct: float = 0.5
    max_cross_pct: float = 10.0
    pause_between_chunks: float = 0.0

    def __post_init__(self) -> None:
        check = _Problems(self)
        check.whole("chunk_count", 1, 100)
        check.number("time_per_chunk", "a number of seconds, zero or more", 0)
        check.word("quoting_strategy", QuotingStrategy)
        check.number("reprice_interval", "a number of seconds, 10 or more", 10)
        check.amount("reprice_price_threshold", "a number of USD, zero or more")
        check.amount("min_order_qty", "a number of coins above zero", above=True)
        check.whole("aggressive_attempts", 0, 100)
        check.number("aggressive_wait_seconds", "a number of seconds above zero", 0, above=True)
        check.number("aggressive_retry_pause", "a number of seconds, zero or more", 0)
        check.number("spread_pct", "a number from 0 to 100", 0, 100)
        check.number("max_cross_pct", "a number from 0 to 100", 0, 100)
        check.number("pause_between_chunks", "a number of seconds, zero or more", 0)
        check.tell()


@dataclass(frozen=True, slots=True, kw_only=True)
class RFQParams:
    """How block quotes are asked for and judged.

    Quotes are read every `poll_seconds` for `timeout_seconds` at most. The best is taken once `gather_seconds` have passed since the
    request, if it is at least `min_improvement_pct` per cent better than the order book at that very moment (0: never worse; None:
    any price, also where the book cannot be compared). Quotes with less than `min_life_seconds` left are skipped. Without a good
    one, `fallback` goes on: "limit", "smart" or "none" (an opening is given up; a close always falls back to limit).
    """

    timeout_seconds: float = 60.0
    poll_seconds: float = 3.0
    gather_seconds: float = 6.0
    min_improvement_pct: float | None = 0.0
    min_life_seconds: float = 1.0
    fallback: RFQFallback = RFQFallback.LIMIT

    def __post_init__(self) -> None:
        check = _Problems(self)
        check.number("timeout_seconds", "a number of seconds above zero", 0, above=True)
        check.number("poll_seconds", "a number of seconds, 0.5 or more", 0.5)
        check.number("gather_seconds", "a number of seconds, zero or more", 0)
        check.number("min_improvement_pct", "a number from -100 to 100, or None", -100, 100, none=True)
        check.number("min_life_seconds", "a number of seconds, zero or more", 0)
        check.word("fallback", RFQFallback)
        check.tell()
        if self.gather_seconds > self.timeout_seconds:
            check.wrong("gather_seconds", f"at most timeout_seconds ({self.timeout_seconds:g})")
            check.tell()


@dataclass(frozen=True, slots=True, kw_only=True)
class LeggingPolicy:
    """What a structure allows while only a part of it is filled.

    `bought_first`: sold legs are opened only as far as the bought legs have filled, and bought legs are given back only as far as the
    sold legs of their type are. `require_executable`: no order goes out before every leg could be traded on the book. A structure
    may stand half filled for `max_seconds`, and at a loss of `max_loss_pct` per cent of its notional (index x coins of the largest
    leg; None: no limit). Beyond, the `remedies` are taken in this order, each given `remedy_seconds`: "cross" the missing legs, paying
    up to `cross_cap_pct` per cent past mid; "rfq" the rest; "unwind" what filled; "hold" it, managed, and call a person. A close is
    never undone: there a breach makes it urgent.
    """

    bought_first: bool = True
    require_executable: bool = True
    max_seconds: float = 300.0
    max_loss_pct: float | None = 1.0
    remedies: tuple[Remedy, ...] = (Remedy.CROSS, Remedy.UNWIND)
    remedy_seconds: float = 30.0
    cross_cap_pct: float = 5.0

    def __post_init__(self) -> None:
        check = _Problems(self)
        check.one_of("bought_first", bool)
        check.one_of("require_executable", bool)
        check.number("max_seconds", "a number of seconds above zero", 0, above=True)
        check.number("max_loss_pct", "a number above zero, or None", 0, above=True, none=True)
        check.number("remedy_seconds", "a number of seconds above zero", 0, above=True)
        check.number("cross_cap_pct", "a number from 0 to 100", 0, 100)
        written: object = self.remedies  # users write words, and one word alone
        given = (written,) if isinstance(written, str) else tuple(written) if isinstance(written, list | tuple) else ()
        ends = [str(remedy) for remedy in given if remedy in (Remedy.UNWIND, Remedy.HOLD)]
        if not given or not set(given) <= set(Remedy) or len(set(given)) < len(given):
            check.wrong("remedies", f"some of {', '.join(Remedy)}, each once")
        elif ends != [str(given[-1])]:
            check.wrong("remedies", "such that unwind or hold stands at the end, and only there")
        check.tell()
        object.__setattr__(self, "remedies", tuple(Remedy(remedy) for remedy in given))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionParams:
    """How a trade is executed, in whichever mode; the first three chase fills with limit orders.

    A leg is quoted at its mid; each `fill_timeout_seconds` without a full fill it is quoted again, a step further towards
    the market, in `max_requote_rounds` steps up to `aggressive_buffer_pct` per cent past mid. `smart` and `rfq` are used in those
    modes, `legging` in all. `mmp` counts opening orders for the account's market-maker protection, which must be set.
    """

    fill_timeout_seconds: float = 30.0
    aggressive_buffer_pct: float = 2.0
    max_requote_rounds: int = 10
    smart: SmartExecConfig = field(default_factory=SmartExecConfig)
    rfq: RFQParams = field(default_factory=RFQParams)
    legging: LeggingPolicy = field(default_factory=LeggingPolicy)
    mmp: bool = False

    def __post_init__(self) -> None:
        check = _Problems(self)
        check.number("fill_timeout_seconds", "a number of seconds above zero", 0, above=True)
        check.number("aggressive_buffer_pct", "a number from 0 to 100", 0, 100)
        check.whole("max_requote_rounds", 1, 10_000)
        check.one_of("smart", SmartExecConfig)
        check.one_of("rfq", RFQParams)
        check.one_of("legging", LeggingPolicy)
        check.one_of("mmp", bool)
        check.tell()


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingThresholds:
    """Where `auto` changes from one mode to another; notionals are strike x coins summed over the legs, USD.

    A structure of two legs or more and at least `rfq_notional` is put to makers; one of `smart_legs` legs or more and at least
    `smart_notional`, or one that is larger than `depth_share` of what the book shows at its best prices, or whose legs are
    `wide_spread_pct` per cent of mid wide on average, is worked in chunks; all else, and every single leg, is chased with limit orders.
    Urgent exits never wait for makers. With at least `min_history` measured executions of each of two modes that both would do, limit
    orders among them, the cheaper by mean shortfall is taken.
    """

    rfq_notional: Decimal = Decimal(50000)
    smart_notional: Decimal = Decimal(10000)
    smart_legs: int = 3
    depth_share: float = 0.5
    wide_spread_pct: float = 10.0
    min_history: int = 20


NEXT_MODE: dict[RFQFallback, ExecutionMode | None] = {
    RFQFallback.LIMIT: ExecutionMode.LIMIT,
    RFQFallback.SMART: ExecutionMode.SMART,
    RFQFallback.NONE: None,
}
