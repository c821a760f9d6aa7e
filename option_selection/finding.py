"""Listed options for wishes, out of a chain and a moment: pure; the whole structure or, with every reason, none of it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import assert_never

from domain import Chain, OptionType, Quote, whole_lots
from errors import ConfigError, NoMatchingInstrument
from events import LegPlan
from option_selection.criteria import (
    ByDelta,
    ByStrike,
    ClosestStrike,
    Constraints,
    Criteria,
    ExpiryRule,
    ExpiryWindow,
    NearestDte,
    NextExpiry,
    OnDate,
    SpotDistance,
)
from option_selection.leg_spec import LegSpec

_DAY = timedelta(days=1)
_SHOWN = 3  # how many near misses a refusal names


def resolve_legs(specs: Sequence[LegSpec], chain: Chain | Mapping[str, Chain], now: datetime) -> tuple[LegPlan, ...]:
    """Return one plan per wish, in order, from the chain of their underlying (or chains by underlying).

    Legs of one underlying that share a strike wish relative to the market share the strike: it is chosen among those listed for all
    of them. Raises NoMatchingInstrument with the reasons of every leg that has none; then no leg is resolved.
    """
    if not specs:
        raise ConfigError("a structure needs at least one leg")
    chains = {chain.underlying: chain} if isinstance(chain, Chain) else chain
    plans, problems = [], []
    for number, leg in enumerate(specs, 1):
        try:
            plans.append(_plan(leg, specs, chains, now))
        except NoMatchingInstrument as no:
            problems.append(f"leg {number} ({leg}): {no}")
    problems = problems or _conflicts(specs, plans)
    if problems:
        raise NoMatchingInstrument("\n".join(problems))
    return tuple(plans)


def select_option(chain: Chain, option_type: str, expiry_criteria: Criteria, strike_criteria: Criteria, now: datetime) -> Quote:
    """Return the listed option for one expiry and one strike wish; raise NoMatchingInstrument with the reason."""
    return _found(LegSpec(option_type, 1, 1, strike_criteria, expiry_criteria, chain.underlying), chain, now)


def find_option(
    *,
    chain: Chain,
    now: datetime,
    option_type: str,
    expiry: Criteria | None = None,
    strike: Criteria | None = None,
    delta: Criteria | None = None,
    rank_by: str | None = None,
) -> Quote | None:
    """Return the best option that meets all constraints at once (see LegSpec.find), None if there is none."""
    wish = LegSpec.find(
        option_type=option_type, side=1, qty=1, expiry=expiry, strike=strike, delta=delta, rank_by=rank_by, underlying=chain.underlying
    )
    try:
        return _found(wish, chain, now)
    except NoMatchingInstrument:
        return None


# ---- one leg


def _plan(leg: LegSpec, specs: Sequence[LegSpec], chains: Mapping[str, Chain], now: datetime) -> LegPlan:
    if leg.underlying not in chains:
        raise NoMatchingInstrument(f"no chain of {leg.underlying}; there is {', '.join(chains) or 'none'}")
    chain = chains[leg.underlying]
    option = _found(leg, chain, now, _sharing(leg, specs)).option
    if leg.qty < option.lot:
        raise NoMatchingInstrument(f"qty {leg.qty} is below the smallest order of {option.symbol}, {option.lot}")
    if (lots := whole_lots(leg.qty, option.lot)) != leg.qty:
        raise NoMatchingInstrument(f"qty {leg.qty} is not a whole number of lots of {option.lot} of {option.symbol}; {lots} is")
    return LegPlan(option=option, side=leg.side, qty=leg.qty)


def _sharing(leg: LegSpec, specs: Sequence[LegSpec]) -> list[LegSpec]:
    """Return the other legs that wish for the same strike relative to the market."""
    if not isinstance(leg.strike_criteria, ClosestStrike | SpotDistance):
        return []
    return [
        other for other in specs if other is not leg and (other.underlying, other.strike_criteria) == (leg.underlying, leg.strike_criteria)
    ]


def _conflicts(specs: Sequence[LegSpec], plans: Sequence[LegPlan]) -> list[str]:
    legs: dict[str, list[int]] = {}
    for number, plan in enumerate(plans, 1):
        legs.setdefault(plan.option.symbol, []).append(number)
    return [
        f"legs {' and '.join(map(str, numbers))} both resolve to {symbol}; declare same_option_ok if that is meant"
        for symbol, numbers in legs.items()
        if len(numbers) > 1 and not all(specs[number - 1].same_option_ok for number in numbers)
    ]


def _found(leg: LegSpec, chain: Chain, now: datetime, sharing: Sequence[LegSpec] = ()) -> Quote:
    rule = leg.strike_criteria
    expiries = _expiries(leg.expiry_criteria, chain, now)
    if isinstance(rule, Constraints):
        return _best(rule, leg.option_type, expiries, chain)
    quotes = _tradable(chain, expiries[0], leg.option_type)
    match rule:
        case ByStrike(value):
            return _exactly(value, quotes)
        case ByDelta(target):
            return _nearest_delta(target, quotes)
        case ClosestStrike(value):
            wanted = _index(chain) if value is None else value
        case SpotDistance(pct):
            wanted = _index(chain) * (100 + pct) / 100
        case _:
            assert_never(rule)
    for other in sharing:
        with suppress(NoMatchingInstrument):  # which refuses that leg, for its own reason
            also = _tradable(chain, _expiries(other.expiry_criteria, chain, now)[0], other.option_type)
            strikes = {quote.option.strike for quote in also}
            quotes = [quote for quote in quotes if quote.option.strike in strikes]
    if not quotes:
        raise NoMatchingInstrument("no strike is listed for all the legs that wish for the same")
    return min(quotes, key=lambda quote: (abs(quote.option.strike - wanted), quote.option.strike))


def _active(chain: Chain, expiry: datetime, option_type: OptionType) -> list[Quote]:
    return [quote for quote in chain.by_expiry[expiry] if quote.option.option_type is option_type and quote.option.active]


def _tradable(chain: Chain, expiry: datetime, option_type: OptionType) -> list[Quote]:
    quotes = _active(chain, expiry, option_type)
    if not quotes:
        raise NoMatchingInstrument(f"no {option_type.name.lower()} that expires {_written(expiry)} is active")
    return quotes


def _exactly(strike: Decimal, quotes: Sequence[Quote]) -> Quote:
    for quote in quotes:
        if quote.option.strike == strike:
            return quote
    near = sorted((q.option.strike for q in quotes), key=lambda listed: abs(listed - strike))[:_SHOWN]
    raise NoMatchingInstrument(f"strike {strike} is not among the {len(quotes)} listed; nearest {', '.join(map(str, sorted(near)))}")


def _nearest_delta(target: float, quotes: Sequence[Quote]) -> Quote:
    gaps = [(abs(q.greeks.delta - target), q.option.strike, q.option.symbol, q) for q in quotes if q.greeks is not None]
    if not gaps:
        raise NoMatchingInstrument(f"none of the {len(quotes)} listed has a delta")
    return min(gaps)[-1]


# ---- expiries


def _expiries(rule: ExpiryRule, chain: Chain, now: datetime) -> list[datetime]:
    """Return the expiries that fit and have not passed, the preferred first; at least one."""
    listed = [expiry for expiry, quotes in chain.by_expiry.items() if expiry > now and any(quote.option.active for quote in quotes)]
    fitting = _fitting(rule, listed, now)
    if not fitting:
        ahead = ", ".join(_written(expiry) for expiry in listed) or "none"
        raise NoMatchingInstrument(f"no expiry fits at {_written(now)}; listed: {ahead}")
    return fitting


def _fitting(rule: ExpiryRule, listed: list[datetime], now: datetime) -> list[datetime]:
    match rule:
        case NextExpiry():
            return listed[:1]
        case OnDate(day):
            return [expiry for expiry in listed if expiry.astimezone(UTC).date() == day]
        case NearestDte(days):
            wanted = _moment(days, now)
            return sorted(listed, key=lambda expiry: abs(expiry - wanted))[:1]
        case ExpiryWindow():
            return _inside(rule, listed, now)
        case _:
            assert_never(rule)


def _inside(window: ExpiryWindow, listed: Sequence[datetime], now: datetime) -> list[datetime]:
    start = now if window.start is None else _moment(window.start, now)
    end = max(listed, default=now) if window.end is None else _moment(window.end, now)
    inside = [expiry for expiry in listed if start <= expiry <= end]
    if window.target == "far":
        return inside[::-1]
    if window.target == "mid":
        middle = start + (end - start) / 2
        return sorted(inside, key=lambda expiry: abs(expiry - middle))
    return inside


def _moment(bound: Decimal | datetime, now: datetime) -> datetime:
    return bound if isinstance(bound, datetime) else now + float(bound) * _DAY


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


# ---- constraints


def _index(chain: Chain) -> Decimal:
    if chain.index is None:
        raise NoMatchingInstrument(f"the index price of {chain.underlying} is not known")
    return chain.index


def _away_pct(quote: Quote, chain: Chain) -> Decimal:
    return abs(quote.option.strike - _index(chain)) / _index(chain) * 100


def _outward(quote: Quote, chain: Chain) -> Decimal:
    """Return how far out of the money an option is, USD; negative is in the money."""
    above = quote.option.strike - _index(chain)
    return above if quote.option.option_type is OptionType.CALL else -above


def _delta(quote: Quote) -> float:
    """Return the delta of a quote that is known to have one."""
    return 0.0 if quote.greeks is None else quote.greeks.delta


# What each limit on strikes asks, and what each ranking orders by: the lowest is the best.
LIMITS: Mapping[str, Callable[[Chain, Decimal, Quote], bool]] = {
    "below_atm": lambda chain, _, quote: quote.option.strike < _index(chain),
    "above_atm": lambda chain, _, quote: quote.option.strike > _index(chain),
    "min_distance_pct": lambda chain, limit, quote: _away_pct(quote, chain) >= limit,
    "max_distance_pct": lambda chain, limit, quote: _away_pct(quote, chain) <= limit,
    "min_strike": lambda _, limit, quote: quote.option.strike >= limit,
    "max_strike": lambda _, limit, quote: quote.option.strike <= limit,
}
RANKINGS: Mapping[str, Callable[[Chain, Mapping[str, float], Quote], Decimal | float]] = {
    "delta_mid": lambda _, delta, quote: abs(_delta(quote) - (delta["min"] + delta["max"]) / 2),
    "delta_target": lambda _, delta, quote: abs(_delta(quote) - delta["target"]),
    "strike_atm": lambda chain, _, quote: abs(quote.option.strike - _index(chain)),
    "strike_otm": lambda chain, _, quote: -_outward(quote, chain),
    "strike_itm": lambda chain, _, quote: _outward(quote, chain),
}
Check = Callable[[Quote], bool]


def _best(rule: Constraints, option_type: OptionType, expiries: Sequence[datetime], chain: Chain) -> Quote:
    checks = _checks(rule, chain)
    for expiry in expiries:
        fit = [quote for quote in _active(chain, expiry, option_type) if all(check(quote) for _, check in checks)]
        if fit:
            return _ranked(rule, fit, chain)[0]
    listed = [quote for expiry in expiries for quote in _active(chain, expiry, option_type)]
    raise NoMatchingInstrument(_why_none(rule, checks, listed, chain))


def _checks(rule: Constraints, chain: Chain) -> list[tuple[str, Check]]:
    checks: list[tuple[str, Check]] = [(f"{name} {limit}", partial(LIMITS[name], chain, Decimal(limit))) for name, limit in rule.strike]
    if rule.delta or rule.rank_by.startswith("delta"):
        checks.append(("delta known", lambda quote: quote.greeks is not None))
    bounds = dict(rule.delta)
    if "min" in bounds:
        checks.append((f"delta min {bounds['min']}", lambda quote: _delta(quote) >= bounds["min"]))
    if "max" in bounds:
        checks.append((f"delta max {bounds['max']}", lambda quote: _delta(quote) <= bounds["max"]))
    return checks


def _ranked(rule: Constraints, quotes: Sequence[Quote], chain: Chain) -> list[Quote]:
    rank, delta = RANKINGS[rule.rank_by], dict(rule.delta)
    return sorted(quotes, key=lambda quote: (rank(chain, delta, quote), quote.option.strike))


def _why_none(rule: Constraints, checks: Sequence[tuple[str, Check]], left: Sequence[Quote], chain: Chain) -> str:
    """Return how many each constraint left, and the best of those that the last one turned away."""
    trail = [f"{len(left)} active in the expiries that fit"]
    for name, check in checks:
        before, left = left, [quote for quote in left if check(quote)]
        trail.append(f"{name} left {len(left)}")
        if not left:
            near = ", ".join(_shown(quote) for quote in _ranked(rule, before, chain)[:_SHOWN])
            return "; ".join(trail) + (f"; nearest {near}" if near else "")
    return "; ".join(trail)


def _shown(quote: Quote) -> str:
    return f"{quote.option.symbol} (delta {'unknown' if quote.greeks is None else round(quote.greeks.delta, 3)})"
