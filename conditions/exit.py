"""When a strategy leaves: factories of questions about the account and one trade.

A condition that cannot tell raises DataNotFresh, so that a position without protection is noticed. Conditions of time need
neither the account nor a price. Profit is net of the fees paid so far.
"""

import operator
from collections.abc import Callable, Mapping
from datetime import datetime, time, timedelta
from decimal import Decimal
from math import isfinite
from typing import overload

from conditions.arguments import (
    aware,
    basis_of,
    exactly_one,
    fraction,
    not_negative,
    number,
    positive,
    refused,
    span,
    whole,
    written,
)
from conditions.condition import Condition, Memory, money, unknown
from conditions.schedules import next_time_of_day
from domain import AccountSnapshot, Basis, Greeks, Number, TradeView, Verdict
from errors import ConfigError

ExitCheck = Callable[[AccountSnapshot, TradeView], Verdict]
ExitQuestion = Condition[[AccountSnapshot, TradeView]]

_GREEKS: Mapping[str, Callable[[Greeks], float]] = {name: operator.attrgetter(name) for name in ("delta", "gamma", "vega", "theta", "rho")}
_OPS: Mapping[str, Callable[[float, Decimal], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def profit_target(
    usd: Number | None = None,
    *,
    pct: Number | None = None,
    basis: Basis | str = Basis.MARK,
    confirmations: int = 1,
    min_hold: timedelta | Number = 0,
) -> ExitQuestion:
    """Met once the profit reaches usd, or the share pct of the entry cost (0.5 is half of what was paid or received).

    `basis` values what is held: "mark", or "executable" for the price it could be left at now. With `confirmations` it must hold at
    that many distinct moments in a row (counted anew after a restart); before `min_hold` (seconds or timedelta) it is not met.
    """
    return _result("profit_target", usd, pct, basis, confirmations, min_hold)


def profit_target_pct(
    pct: Number, *, basis: Basis | str = Basis.MARK, confirmations: int = 1, min_hold: timedelta | Number = 0
) -> ExitQuestion:
    """Met once the profit reaches the share pct of the entry cost; the same as profit_target(pct=...): 0.5 is half."""
    return profit_target(pct=pct, basis=basis, confirmations=confirmations, min_hold=min_hold)


def max_loss(
    usd: Number | None = None,
    *,
    pct: Number | None = None,
    basis: Basis | str = Basis.MARK,
    confirmations: int = 1,
    min_hold: timedelta | Number = 0,
) -> ExitQuestion:
    """Met once the loss reaches usd, or the share pct of the entry cost (2 is twice what was paid or received).

    `basis`, `confirmations` and `min_hold` are as for profit_target. On "executable" a wide spread is a loss from the first moment:
    give it some min_hold.
    """
    return _result("max_loss", usd, pct, basis, confirmations, min_hold)


def max_loss_pct(pct: Number, *, basis: Basis | str = Basis.MARK, confirmations: int = 1, min_hold: timedelta | Number = 0) -> ExitQuestion:
    """Met once the loss reaches the share pct of the entry cost; the same as max_loss(pct=...): 2 is twice."""
    return max_loss(pct=pct, basis=basis, confirmations=confirmations, min_hold=min_hold)


def trailing_profit(start: Number, giveback: Number, *, confirmations: int = 1, min_hold: timedelta | Number = 0) -> ExitQuestion:
    """Met once the profit has been at least start USD and has since fallen by giveback USD from its highest (mark basis).

    The peak survives a restart. `confirmations` and `min_hold` are as for profit_target.
    """
    armed, drop = positive("trailing_profit", "start", start), positive("trailing_profit", "giveback", giveback)
    hold = span("trailing_profit", "min_hold", min_hold)
    label = written("trailing_profit", armed, drop, confirmations=(confirmations, 1), min_hold=(hold, timedelta(0)))

    def check(account: AccountSnapshot, trade: TradeView) -> Verdict:
        profit = _profit(label, account, trade, Basis.MARK)
        peak = profit if trade.peak_profit is None else max(profit, trade.peak_profit)
        met = peak >= armed and peak - profit >= drop
        return Verdict(met, f"profit {money(profit)}, highest {money(peak)} (from {money(armed)} on, may fall by {money(drop)})")

    return _confirmed("trailing_profit", label, check, confirmations, min_hold)


def max_hold_hours(hours: Number) -> ExitQuestion:
    """Met once the trade has been open for hours."""
    longest = timedelta(hours=float(positive("max_hold_hours", "hours", hours)))

    def check(account: AccountSnapshot, trade: TradeView) -> Verdict:
        held = account.now - _since(trade)
        return Verdict(held >= longest, f"held {held} of {longest}")

    return Condition(written("max_hold_hours", hours), check)


def time_exit(hour: int, minute: int = 0) -> ExitQuestion:
    """Met at the first hour:minute UTC after the trade was opened: opened at 20:00, time_exit(19) closes it the next day."""
    at = time(whole("time_exit", "hour", hour, 0, 23), whole("time_exit", "minute", minute, 0, 59))

    def check(account: AccountSnapshot, trade: TradeView) -> Verdict:
        due = next_time_of_day(_since(trade), at)
        return Verdict(account.now >= due, f"due at {due:%Y-%m-%d %H:%M} UTC")

    return Condition(f"time_exit({at:%H:%M})", check)


def utc_datetime_exit(dt: datetime) -> ExitQuestion:
    """Met from the moment dt on; dt knows its time zone."""
    due = aware("utc_datetime_exit", "dt", dt)

    def check(account: AccountSnapshot, trade: TradeView) -> Verdict:  # noqa: ARG001 - the moment alone decides
        return Verdict(account.now >= due, f"due at {due.isoformat()}")

    return Condition(written("utc_datetime_exit", due), check)


def close_before_expiry(hours: Number) -> ExitQuestion:
    """Met from hours before the earliest expiry among the legs on."""
    lead = timedelta(hours=float(not_negative("close_before_expiry", "hours", hours)))

    def check(account: AccountSnapshot, trade: TradeView) -> Verdict:
        expiry = min(leg.option.expiry for leg in trade.legs)
        return Verdict(account.now >= expiry - lead, f"due at {expiry - lead:%Y-%m-%d %H:%M} UTC, expiry {expiry:%Y-%m-%d %H:%M}")

    return Condition(written("close_before_expiry", hours), check)


def account_delta_limit(limit: Number) -> ExitQuestion:
    """Met while the account's delta (coins of underlying, either direction) exceeds limit."""
    ceiling = not_negative("account_delta_limit", "limit", limit)
    label = written("account_delta_limit", ceiling)

    def check(account: AccountSnapshot, trade: TradeView) -> Verdict:  # noqa: ARG001 - the account alone decides
        if not account.valid:
            raise unknown(label, f"the account is not known ({account.reason or 'no valid reading'})")
        delta = _finite(label, "the account's delta", account.greeks.delta)
        return Verdict(abs(delta) > ceiling, f"account delta {delta:+.4f}, limit {ceiling:f}", urgent=True)

    return Condition(label, check)


def structure_delta_limit(limit: Number) -> ExitQuestion:
    """Met while the structure's delta (coins of underlying, either direction) exceeds limit."""
    ceiling = not_negative("structure_delta_limit", "limit", limit)
    label = written("structure_delta_limit", ceiling)

    def check(account: AccountSnapshot, trade: TradeView) -> Verdict:
        greeks = trade.greeks(account)
        delta = _finite(label, "the structure's delta", None if greeks is None else greeks.delta)
        return Verdict(abs(delta) > ceiling, f"structure delta {delta:+.4f}, limit {ceiling:f}", urgent=True)

    return Condition(label, check)


@overload
def leg_greek_limit(greek: str, limit: Number, *, leg: int | None = None, op: str | None = None) -> ExitQuestion: ...
@overload
def leg_greek_limit(greek: int, limit: str, op: str, value: Number, /) -> ExitQuestion: ...
@overload
def leg_greek_limit(*, leg_index: int, greek: str, op: str, value: Number) -> ExitQuestion: ...
def leg_greek_limit(
    greek: str | int | None = None,
    limit: Number | None = None,
    op: str | None = None,
    value: Number | None = None,
    *,
    leg: int | None = None,
    leg_index: int | None = None,
) -> ExitQuestion:
    """Met while a leg's Greek (of its whole holding, signed) is past limit.

    leg_greek_limit("delta", 0.3) watches every leg in either direction. `leg=` (from 0) watches one leg; `op=` (">", ">=", "<", "<=")
    compares the signed value. leg_greek_limit(0, "delta", ">", 0.3), the older form, gives leg, Greek, op and value in that order,
    or by the names leg_index, greek, op and value.
    """
    if isinstance(greek, int) and not isinstance(greek, bool):
        leg_index, greek, limit = greek, str(limit), None
    older = leg_index is not None
    if older is (value is None) or (older and (limit, leg) != (None, None)):
        raise ConfigError("leg_greek_limit: give (greek, limit, leg=, op=) or (leg_index, greek, op, value)")
    return _greek_limit(greek, value, leg_index, op) if older else _greek_limit(greek, limit, leg, op)


def _greek_limit(greek: object, limit: object, leg: int | None, op: str | None) -> ExitQuestion:
    read = _GREEKS.get(str(greek))
    if read is None:
        raise refused("leg_greek_limit", "greek", greek, f"one of {', '.join(_GREEKS)}")
    if op is not None and op not in _OPS:
        raise refused("leg_greek_limit", "op", op, f"one of {' '.join(_OPS)}")
    ceiling = (not_negative if op is None else number)("leg_greek_limit", "limit", limit)
    if leg is not None:
        whole("leg_greek_limit", "leg", leg, 0, 99)
    label = written("leg_greek_limit", greek, ceiling, leg=(leg, None), op=(op, None))

    def past(value: float) -> bool:
        return abs(value) > ceiling if op is None else _OPS[op](value, ceiling)

    def check(account: AccountSnapshot, trade: TradeView) -> Verdict:
        if leg is not None and leg >= len(trade.legs):
            raise ConfigError(f"{label}: the trade has {len(trade.legs)} legs, counted from 0")
        greeks = {i: trade.leg_greeks(i, account) for i in (range(len(trade.legs)) if leg is None else (leg,))}
        values = {i: read(g) for i, g in greeks.items() if g is not None and isfinite(read(g))}
        beyond = [i for i, value in values.items() if past(value)]
        if len(values) < len(greeks) and not beyond:
            raise unknown(label, f"{greek} of leg {min(greeks.keys() - values.keys())} is not known")
        shown = ", ".join(f"leg {i} {value:+.4f}" for i, value in values.items())
        return Verdict(bool(beyond), f"{greek} {shown}, limit {op or ''}{ceiling:f}", urgent=True)

    return Condition(label, check, leg=leg)


def _result(
    factory: str, usd: Number | None, pct: Number | None, basis: Basis | str, confirmations: int, min_hold: timedelta | Number
) -> ExitQuestion:
    exactly_one(factory, "usd", usd, "pct", pct)
    wanted = positive(factory, "usd", usd) if pct is None else fraction(factory, "pct", pct)
    by, hold = basis_of(factory, basis), span(factory, "min_hold", min_hold)
    first = wanted if pct is None else f"pct={wanted:f}"
    named = {"basis": (by, Basis.MARK), "confirmations": (confirmations, 1), "min_hold": (hold, timedelta(0))}
    label = written(factory, first, **named)
    word, sign = ("profit", 1) if factory == "profit_target" else ("loss", -1)

    def check(account: AccountSnapshot, trade: TradeView) -> Verdict:
        result, limit = sign * _profit(label, account, trade, by), _in_usd(label, wanted, pct is not None, trade)
        return Verdict(result >= limit, f"{word} {money(result)} of {money(limit)} ({by})", urgent=sign < 0)

    return _confirmed(factory, label, check, confirmations, hold)


def _in_usd(label: str, wanted: Decimal, is_share: bool, trade: TradeView) -> Decimal:
    if not is_share:
        return wanted
    if trade.entry_cost == 0:
        raise unknown(label, "the structure cost nothing to open, so a share of its cost says nothing; give usd")
    return abs(trade.entry_cost) * wanted


def _profit(label: str, account: AccountSnapshot, trade: TradeView, basis: Basis) -> Decimal:
    profit = trade.profit(account, basis)
    if profit is None:
        raise unknown(label, "no price to value the structure at")
    return profit


def _finite(label: str, what: str, value: float | None) -> float:
    if value is None or not isfinite(value):
        raise unknown(label, f"{what} is not known")
    return value


def _since(trade: TradeView) -> datetime:
    return trade.created_at if trade.opened_at is None else trade.opened_at


def _confirmed(factory: str, label: str, check: ExitCheck, confirmations: int, min_hold: timedelta | Number) -> ExitQuestion:
    times = whole(factory, "confirmations", confirmations, 1, 1000)
    hold = span(factory, "min_hold", min_hold)
    memory = Memory()

    def patient(account: AccountSnapshot, trade: TradeView) -> Verdict:
        verdict = check(account, trade)
        count = memory.count(trade, account.now, verdict.ok)
        held = account.now - _since(trade)
        if verdict.ok and held < hold:
            return Verdict(False, f"{verdict.reason}, but held only {held} of {hold}")
        if verdict.ok and count < times:
            return Verdict(False, f"{verdict.reason}, confirmed {count} of {times} times")
        return verdict

    return Condition(label, check if times == 1 and hold == timedelta(0) else patient)
