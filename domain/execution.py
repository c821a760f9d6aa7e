"""How a trade is executed, as a user declares it: each mode's parameters, and what to do while a structure is half filled."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

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


def _checked(owner: str, rows: Iterable[tuple[str, object, str, bool]]) -> None:
    """Raise ConfigError with every row (name, value, what it must be, whether it is) that is not good."""
    problems = [f"{owner}: {name} must be {what}, not {value!r}" for name, value, what, good in rows if not good]
    if problems:
        raise ConfigError(problems)


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
        for name in ("reprice_price_threshold", "min_order_qty"):
            object.__setattr__(self, name, decimal_of(getattr(self, name)))
        try:
            object.__setattr__(self, "quoting_strategy", QuotingStrategy(self.quoting_strategy))
        except ValueError:
            words = ", ".join(QuotingStrategy)
            raise ConfigError(f"SmartExecConfig: quoting_strategy must be one of {words}, not {self.quoting_strategy!r}") from None
        _checked(
            "SmartExecConfig",
            (
                ("chunk_count", self.chunk_count, "from 1 to 100", 1 <= self.chunk_count <= 100),
                ("time_per_chunk", self.time_per_chunk, "zero or more", self.time_per_chunk >= 0),
                ("reprice_interval", self.reprice_interval, "10 or more", self.reprice_interval >= 10),
                ("reprice_price_threshold", self.reprice_price_threshold, "zero or more", self.reprice_price_threshold >= 0),
                ("min_order_qty", self.min_order_qty, "above zero", self.min_order_qty > 0),
                ("aggressive_attempts", self.aggressive_attempts, "from 0 to 100", 0 <= self.aggressive_attempts <= 100),
                ("aggressive_wait_seconds", self.aggressive_wait_seconds, "above zero", self.aggressive_wait_seconds > 0),
                ("aggressive_retry_pause", self.aggressive_retry_pause, "zero or more", self.aggressive_retry_pause >= 0),
                ("spread_pct", self.spread_pct, "from 0 to 100", 0 <= self.spread_pct <= 100),
                ("max_cross_pct", self.max_cross_pct, "from 0 to 100", 0 <= self.max_cross_pct <= 100),
                ("pause_between_chunks", self.pause_between_chunks, "zero or more", self.pause_between_chunks >= 0),
            ),
        )


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
        try:
            object.__setattr__(self, "fallback", RFQFallback(self.fallback))
        except ValueError:
            raise ConfigError(f"RFQParams: fallback must be one of {', '.join(RFQFallback)}, not {self.fallback!r}") from None
        least = self.min_improvement_pct
        _checked(
            "RFQParams",
            (
                ("timeout_seconds", self.timeout_seconds, "above zero", self.timeout_seconds > 0),
                ("poll_seconds", self.poll_seconds, "0.5 or more", self.poll_seconds >= 0.5),
                ("gather_seconds", self.gather_seconds, "from 0 to timeout_seconds", 0 <= self.gather_seconds <= self.timeout_seconds),
                ("min_improvement_pct", least, "a number from -100 to 100, or None", least is None or -100 <= least <= 100),
                ("min_life_seconds", self.min_life_seconds, "zero or more", self.min_life_seconds >= 0),
            ),
        )


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
        written: object = self.remedies  # users write words, and one word alone
        given = (written,) if isinstance(written, str) else tuple(self.remedies)
        known = all(remedy in set(Remedy) for remedy in given)
        last = bool(given) and known and given[-1] in (Remedy.UNWIND, Remedy.HOLD)
        limit = self.max_loss_pct
        _checked(
            "LeggingPolicy",
            (
                ("remedies", self.remedies, f"some of {', '.join(Remedy)}", bool(given) and known),
                ("remedies", self.remedies, "such that the last is unwind or hold", last or not known),
                ("max_seconds", self.max_seconds, "above zero", self.max_seconds > 0),
                ("max_loss_pct", limit, "above zero, or None", limit is None or limit > 0),
                ("remedy_seconds", self.remedy_seconds, "above zero", self.remedy_seconds > 0),
                ("cross_cap_pct", self.cross_cap_pct, "from 0 to 100", 0 <= self.cross_cap_pct <= 100),
            ),
        )
        object.__setattr__(self, "remedies", tuple(Remedy(remedy) for remedy in given))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionParams:
    """How a trade is executed, in whichever mode; the first three chase fills with limit orders.

    A leg is quoted at its mid; each `fill_timeout_seconds` without a full fill it is quoted again, a step further towards
    the market, in `max_requote_rounds` steps up to `aggressive_buffer_pct` per cent past mid. `smart` and `rfq` are used in those
    modes, `legging` in all.
    """

    fill_timeout_seconds: float = 30.0
    aggressive_buffer_pct: float = 2.0
    max_requote_rounds: int = 10
    smart: SmartExecConfig = field(default_factory=SmartExecConfig)
    rfq: RFQParams = field(default_factory=RFQParams)
    legging: LeggingPolicy = field(default_factory=LeggingPolicy)

    def __post_init__(self) -> None:
        _checked(
            "ExecutionParams",
            (
                ("fill_timeout_seconds", self.fill_timeout_seconds, "above zero", self.fill_timeout_seconds > 0),
                ("aggressive_buffer_pct", self.aggressive_buffer_pct, "from 0 to 100", 0 <= self.aggressive_buffer_pct <= 100),
                ("max_requote_rounds", self.max_requote_rounds, "1 or more", self.max_requote_rounds >= 1),
                ("smart", self.smart, "a SmartExecConfig", isinstance(self.smart, SmartExecConfig)),
                ("rfq", self.rfq, "RFQParams", isinstance(self.rfq, RFQParams)),
                ("legging", self.legging, "a LeggingPolicy", isinstance(self.legging, LeggingPolicy)),
            ),
        )


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
