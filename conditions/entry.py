"""When a strategy may open: factories of questions about the moment and the account.

An account that is not known, or not any more, passes none of the questions about it: unknown is not empty.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from math import isfinite

from conditions.arguments import aware, not_negative, percent, refused, span, texts, whole, written
from conditions.condition import Condition, money, unknown
from conditions.schedules import WEEKDAYS, CronSchedule, Hours, weekday_of
from domain import AccountSnapshot, Number, Verdict
from errors import ConfigError

EntryQuestion = Condition[[AccountSnapshot]]


def time_window(start_hour: int, end_hour: int) -> EntryQuestion:
    """Pass from start_hour to just before end_hour, UTC, whole hours; (20, 8) crosses midnight, (0, 24) is all day."""
    start = whole("time_window", "start_hour", start_hour, 0, 23)
    end = whole("time_window", "end_hour", end_hour, 0, 24)
    if start == end:
        raise ConfigError(f"time_window: start_hour and end_hour are both {start}; write (0, 24) for all day")
    return _daily(time(start), time(end % 24), written("time_window", start, end))


def utc_time_window(start: time | datetime, end: time | datetime) -> EntryQuestion:
    """Pass from start to just before end: each day between two times (UTC, may cross midnight), or once between two aware datetimes."""
    label = written("utc_time_window", start, end)
    match start, end:
        case datetime(), datetime():
            return _once(aware("utc_time_window", "start", start), aware("utc_time_window", "end", end), label)
        case time(), time() if {start.tzinfo, end.tzinfo} <= {None, UTC}:
            if start == end:
                raise ConfigError(f"utc_time_window: start and end are both {start}; leave the condition out for all day")
            return _daily(start.replace(tzinfo=None), end.replace(tzinfo=None), label)
    raise ConfigError(
        f"utc_time_window: start and end must be two times in UTC, such as time(8, 30), or two aware datetimes, not {start!r}, {end!r}"
    )


def weekday_filter(days: Sequence[str]) -> EntryQuestion:
    """Pass on the named UTC days: "mon" or "monday", in any case."""
    named = {day: weekday_of(day) for day in texts("weekday_filter", "days", days)}
    for day, known in named.items():
        if known is None:
            raise refused("weekday_filter", "days", day, f"names out of {', '.join(WEEKDAYS)}")
    allowed = [day for day in WEEKDAYS if day in named.values()]

    def check(account: AccountSnapshot) -> Verdict:
        today = WEEKDAYS[account.now.astimezone(UTC).weekday()]
        return Verdict(today in allowed, f"{today} {'is' if today in allowed else 'is not'} among {', '.join(allowed)}")

    return Condition(f"weekday_filter({allowed})", check, hours=Hours(days=tuple(allowed)))


def cron(expression: str, *, within: timedelta | Number = 60) -> EntryQuestion:
    """Pass for `within` (seconds or timedelta) from each minute that a crontab expression names, UTC.

    "0 8 * * mon-thu" passes from 08:00:00 until just before 08:01:00. It holds nothing in memory: a strategy that looks less often
    than each `within` could miss it, which `StrategyConfig` refuses. Weekdays count as in crontab: 0 and 7 are Sunday.
    """
    lasting = span("cron", "within", within)
    if lasting == timedelta(0):
        raise refused("cron", "within", within, "above zero")
    try:
        schedule = CronSchedule.parse(expression)
    except (ValueError, AttributeError) as error:
        raise ConfigError(f"cron: expression {expression!r} cannot be read: {error}") from error

    def check(account: AccountSnapshot) -> Verdict:
        fired = schedule.fired_within(lasting, account.now)
        if fired is not None:
            return Verdict(True, f"scheduled at {fired:%a %H:%M} UTC")
        return Verdict(False, f"next at {schedule.next_from(account.now):%Y-%m-%d %H:%M} UTC")

    return Condition(written("cron", expression, within=(lasting, timedelta(seconds=60))), check, lasts=lasting)


def min_available_margin_pct(pct: Number) -> EntryQuestion:
    """Pass while available margin is at least pct per cent of equity; 30 means 30 %."""
    wanted = percent("min_available_margin_pct", "pct", pct)
    label = written("min_available_margin_pct", wanted)

    def check(account: AccountSnapshot) -> Verdict:
        share = _share(label, account, "available margin", account.available_margin)
        return Verdict(share >= wanted, f"available margin {share:.1f} % of equity, wanted {wanted:f} %")

    return _of_account(label, check)


def max_margin_utilization(pct: Number) -> EntryQuestion:
    """Pass while initial margin is at most pct per cent of equity; 60 means 60 %."""
    ceiling = percent("max_margin_utilization", "pct", pct)
    label = written("max_margin_utilization", ceiling)

    def check(account: AccountSnapshot) -> Verdict:
        share = _share(label, account, "initial margin", account.initial_margin)
        return Verdict(share <= ceiling, f"initial margin {share:.1f} % of equity, ceiling {ceiling:f} %")

    return _of_account(label, check)


def min_equity(usd: Number) -> EntryQuestion:
    """Pass while equity is at least usd."""
    floor = not_negative("min_equity", "usd", usd)
    label = written("min_equity", floor)

    def check(account: AccountSnapshot) -> Verdict:
        equity = _number(label, "equity", account.equity)
        return Verdict(equity >= floor, f"equity {money(equity)}, wanted {money(floor)}")

    return _of_account(label, check)


def max_account_delta(limit: Number) -> EntryQuestion:
    """Pass while the account's delta (coins of underlying, either direction) is at most limit."""
    ceiling = not_negative("max_account_delta", "limit", limit)
    label = written("max_account_delta", ceiling)

    def check(account: AccountSnapshot) -> Verdict:
        delta = account.greeks.delta
        if not isfinite(delta):
            raise unknown(label, "the account's delta is not known")
        return Verdict(abs(delta) <= ceiling, f"account delta {delta:+.4f}, limit {ceiling:f}")

    return _of_account(label, check)


def no_existing_position_in(symbols: Sequence[str]) -> EntryQuestion:
    """Pass while the account holds nothing in any of the symbols, ours or not."""
    watched = texts("no_existing_position_in", "symbols", symbols)

    def check(account: AccountSnapshot) -> Verdict:
        held = [f"{p.signed_qty:+f} {p.symbol}" for p in account.positions if p.symbol in watched and p.qty != 0]
        return Verdict(not held, f"the account holds {', '.join(held)}" if held else f"nothing held in {', '.join(watched)}")

    return _of_account(written("no_existing_position_in", list(watched)), check)


def _of_account(label: str, check: Callable[[AccountSnapshot], Verdict]) -> EntryQuestion:
    def known(account: AccountSnapshot) -> Verdict:
        if not account.valid:
            raise unknown(label, f"the account is not known ({account.reason or 'no valid reading'})")
        return check(account)

    return Condition(label, known)


def _number(label: str, what: str, value: Decimal | None) -> Decimal:
    if value is None:
        raise unknown(label, f"{what} is not known")
    return value


def _share(label: str, account: AccountSnapshot, what: str, part: Decimal | None) -> Decimal:
    equity = _number(label, "equity", account.equity)
    if equity <= 0:
        raise unknown(label, f"equity is {money(equity)}, of which nothing is a percentage")
    return _number(label, what, part) / equity * 100


def _daily(start: time, end: time, label: str) -> EntryQuestion:
    hours = Hours(daily=(start, end))

    def check(account: AccountSnapshot) -> Verdict:
        inside = hours.hold(account.now)
        where = "within" if inside else "outside"
        return Verdict(inside, f"{account.now.astimezone(UTC):%H:%M} is {where} {start:%H:%M}-{end:%H:%M} UTC")

    return Condition(label, check, hours=hours)


def _once(start: datetime, end: datetime, label: str) -> EntryQuestion:
    if start >= end:
        raise ConfigError(f"utc_time_window: end {end.isoformat()} must be after start {start.isoformat()}")

    hours = Hours(once=(start, end))

    def check(account: AccountSnapshot) -> Verdict:
        inside = hours.hold(account.now)
        return Verdict(inside, f"now is {'within' if inside else 'outside'} {start.isoformat()} to {end.isoformat()}")

    return Condition(label, check, lasts=end - start, hours=hours)
