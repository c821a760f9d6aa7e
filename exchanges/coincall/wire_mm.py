"""Coincall's shapes of what market makers use: countdowns, protection, and answers to batches row by row.

Its one rule is that of `wire`: plain values or MalformedResponse come out. Source: Coincall API 5.17, 9.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

from clock import from_ms
from errors import ExchangeRejected, VenueError
from exchanges.coincall.codes import ALREADY_CANCELLED, ALREADY_FILLED, UNKNOWN_ORDER, VENUE, error_of_code
from exchanges.coincall.wire import Row, moment, reader

_MILLISECOND = timedelta(milliseconds=1)


# ---- countdowns


@dataclass(frozen=True, slots=True)
class Countdown:
    """A countdown that runs: the index (BTCUSD) whose open orders end with it, and how long it lasts when it is reset."""

    symbol: str
    span: timedelta


class _Countdown(Row, frozen=True):
    symbol: str
    countdown_time: int

    def value(self) -> Countdown:
        if self.countdown_time < 0:
            raise ValueError(f"countdown of {self.symbol} lasts {self.countdown_time} ms")
        return Countdown(self.symbol, self.countdown_time * _MILLISECOND)


# ---- protection


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectionTerms:
    """When marked orders are taken back: limits on what they trade within a window, and how long the account stays frozen then.

    `qty_limit` coins traded (of the two readings of API 9.2 the table's), `delta_limit` net delta traded; None is no limit.
    `freeze` None is until it is reset.
    """

    window: timedelta
    freeze: timedelta | None = None
    qty_limit: Decimal | None = None
    delta_limit: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ProtectionStanding:
    """A protection as the venue has it; `frozen_until` (the venue's clock) is None where it is not frozen, or until it is reset."""

    terms: ProtectionTerms
    frozen: bool
    frozen_until: datetime | None


class _Protection(Row, frozen=True):
    interval_time: int
    frozen_time: int
    mmp_frozen: bool
    qty_limit: Decimal | None = None
    delta_limit: Decimal | None = None
    mmp_frozen_until: int | None = None

    def standing(self) -> ProtectionStanding:
        terms = ProtectionTerms(
            window=self.interval_time * _MILLISECOND,
            freeze=None if self.frozen_time == 0 else self.frozen_time * _MILLISECOND,
            qty_limit=self.qty_limit,
            delta_limit=self.delta_limit,
        )
        return ProtectionStanding(terms, self.mmp_frozen, moment(self.mmp_frozen_until) if self.mmp_frozen else None)


class _Result(Row, frozen=True):
    result: bool


def _standing(row: _Protection) -> ProtectionStanding | None:
    return None if row.interval_time == 0 else row.standing()


def parse_protection(data: bytes) -> ProtectionStanding | None:
    """Read a protection; null and an interval of zero both say that there is none."""
    return None if data == b"null" else _parse_protection(data)


# ---- batches


@dataclass(frozen=True, slots=True)
class CancelAnswer:
    """What became of one cancel of a batch: our id and the venue's, as far as the row names them, and the refusal if it was one."""

    client_id: int | None
    order_id: str | None
    refused: VenueError | None
    at: datetime | None


# A row of a batch cancel has no code but only words; these are the venue's own for the codes that tell more than "refused".
_WORDS: Mapping[str, int] = MappingProxyType(
    {
        "Cancellation failed, order has already been cancelled": ALREADY_CANCELLED,
        "Cancellation failed, order has been filled": ALREADY_FILLED,
        "Order does not exist.": UNKNOWN_ORDER,
    }
)


class _CancelRow(Row, frozen=True):
    scode: int
    cl_ord_id: int | None = None
    ord_id: int | None = None
    smsg: str | None = None
    ts: int | None = None

    def answer(self) -> CancelAnswer:
        order_id = None if self.ord_id is None else str(self.ord_id)
        return CancelAnswer(self.cl_ord_id, order_id, self._refusal(), None if self.ts is None else from_ms(self.ts))

    def _refusal(self) -> VenueError | None:
        words = self.smsg or ""
        if self.scode == 0:
            return None
        if words in _WORDS:
            return error_of_code("batch cancel", _WORDS[words], words, changes_state=True)
        return ExchangeRejected(VENUE, "batch cancel", words or "no message")


def _answers(rows: list[_CancelRow]) -> tuple[CancelAnswer, ...]:
    return tuple(row.answer() for row in rows)


parse_yes = reader(bool, "confirmation", lambda yes: yes)
parse_countdowns = reader(list[_Countdown], "countdowns", lambda rows: tuple(row.value() for row in rows))
parse_symbols = reader(list[str], "countdowns reset", tuple)
_parse_protection = reader(_Protection, "protection", _standing)
parse_protection_reset = reader(list[_Result], "protection reset", lambda rows: bool(rows) and all(row.result for row in rows))
parse_cancel_answers = reader(list[_CancelRow], "batch cancel", _answers)
