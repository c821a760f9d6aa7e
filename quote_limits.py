"""How far a maker may still go: what it holds, with whatever of its offers might be taken, against its declared limits. Pure.

Its one rule: nobody knows which of the open quotes will be taken, so each number is judged at the worst that any of them together could
make it. What only lowers a number is never refused for it.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from domain import ZERO, Greeks, Option, Quote, Side, Verdict
from domain.quoting import QuoteLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Stake:
    """An option held or offered: coins, below zero when short, and the Greeks of one coin (None: unknown)."""

    option: Option
    qty: Decimal
    greeks: Greeks | None


Offer = Sequence[Stake]


def stake(option: Option, side: Side, qty: Decimal, quotes: Mapping[str, Quote]) -> Stake:
    """Return so many coins of an option, with its Greeks where a quote tells them."""
    quote = quotes.get(option.symbol)
    return Stake(option=option, qty=side.sign * qty, greeks=None if quote is None else quote.greeks)


def within(limits: QuoteLimits, held: Offer, offered: Sequence[Offer], new: Offer) -> Verdict:
    """Tell whether one more offer may be made, all offers counted as if taken; an offer is taken whole or not at all."""
    if len(offered) >= limits.max_open_quotes:
        return Verdict(False, f"{len(offered)} quotes are open, {limits.max_open_quotes} at most")
    for no in (_inventory(limits, held, offered, new), _sensitivities(limits, held, offered, new)):
        if no is not None:
            return Verdict(False, no)
    return Verdict(True)


def _inventory(limits: QuoteLimits, held: Offer, offered: Sequence[Offer], new: Offer) -> str | None:
    groups: tuple[tuple[str, Decimal | None, Callable[[Option], object]], ...] = (
        ("underlying", limits.per_underlying, lambda option: option.underlying),
        ("expiry", limits.per_expiry, lambda option: (option.underlying, option.expiry)),
    )
    for what, most, group in groups:
        for key in {group(stake.option) for stake in new}:
            before = _amount(held, offered, lambda option, group=group, key=key: group(option) == key)  # type: ignore[misc]
            after = _amount(held, [*offered, new], lambda option, group=group, key=key: group(option) == key)  # type: ignore[misc]
            if most is not None and after > most and after > before:
                return f"{after} coins of one {what} might be held, {most} at most"
    return None


def _amount(held: Offer, offered: Sequence[Offer], counts: Callable[[Option], bool]) -> Decimal:
    """Return the most coins that might be held of the options that count, each option's as an amount."""
    now: dict[str, Decimal] = defaultdict(lambda: ZERO)
    up, down = defaultdict[str, Decimal](lambda: ZERO), defaultdict[str, Decimal](lambda: ZERO)
    for stake in held:
        now[stake.option.symbol] += stake.qty if counts(stake.option) else ZERO
    for stake in (stake for offer in offered for stake in offer if counts(stake.option)):
        side = up if stake.qty > 0 else down
        side[stake.option.symbol] += stake.qty
    symbols = {*now, *up, *down}
    return sum((max(abs(now[name] + up[name]), abs(now[name] + down[name])) for name in symbols), ZERO)


def _sensitivities(limits: QuoteLimits, held: Offer, offered: Sequence[Offer], new: Offer) -> str | None:
    bounds = (("delta", limits.delta), ("vega", limits.vega), ("gamma", limits.gamma))
    wanted = [(name, most) for name, most in bounds if most is not None]
    if not wanted:
        return None
    blind = next((stake.option.symbol for offer in (held, *offered, new) for stake in offer if stake.greeks is None), None)
    if blind is not None:
        return f"the Greeks of {blind} are not known"
    base, own = _greeks(held), _greeks(new)
    others = [_greeks(offer) for offer in offered]
    for name, most in wanted:
        adds: float = getattr(own, name)
        rest = [float(getattr(each, name)) for each in others]
        worst = getattr(base, name) + adds + sum(each for each in rest if (each > 0) == (adds > 0))
        if adds != 0 and (worst if adds > 0 else -worst) > most:
            return f"net {name} might become {worst:+.4g}, {most:g} at most"
    return None


def _greeks(offer: Offer) -> Greeks:
    return sum((stake.greeks.times(float(stake.qty)) for stake in offer if stake.greeks is not None), Greeks())
