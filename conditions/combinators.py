"""Conditions made of conditions, for entries and exits alike, and the one question that serves both.

They keep three answers apart: yes, no, and cannot tell. A part that cannot tell matters only where the others leave the matter open.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import ParamSpec, Protocol

from conditions.arguments import positive, whole, written
from conditions.condition import Condition, ask, label_of, needs_legs, unknown
from domain import AccountSnapshot, Number, Quote, TradeView, Verdict
from errors import ConfigError, DataNotFresh

P = ParamSpec("P")


def all_of(*conditions: Callable[P, Verdict | bool]) -> Condition[P]:
    """Met when every condition is."""
    return _joined("all_of", len(conditions), conditions)


def any_of(*conditions: Callable[P, Verdict | bool]) -> Condition[P]:
    """Met when one condition is."""
    return _joined("any_of", 1, conditions)


def at_least(n: int, *conditions: Callable[P, Verdict | bool]) -> Condition[P]:
    """Met when n or more of the conditions are."""
    _callables("at_least", conditions)
    whole("at_least", "n", n, 1, len(conditions))
    return _joined("at_least", n, conditions, shown=(n,))


def not_(condition: Callable[P, Verdict | bool]) -> Condition[P]:
    """Met when the condition is not; one that cannot tell stays so."""
    _callables("not_", (condition,))

    def check(*args: P.args, **kwargs: P.kwargs) -> Verdict:
        verdict = ask(condition, *args, **kwargs)
        return Verdict(not verdict.ok, verdict.reason)

    return Condition(f"not_({label_of(condition)})", check, needs_legs(condition), parts=(condition,))


class EitherWay(Protocol):
    """A condition that serves entries and exits."""

    def __call__(self, account: AccountSnapshot, trade: TradeView | None = None) -> Verdict: ...


def spread_below(pct: Number) -> EitherWay:
    """Met while the spread of every leg is at most pct per cent of its middle price; 10 means 10 %.

    As an entry condition it looks at the legs about to be traded, as an exit condition at the legs that are held.
    """
    ceiling = positive("spread_below", "pct", pct)
    label = written("spread_below", ceiling)

    def check(account: AccountSnapshot, trade: TradeView | None = None) -> Verdict:
        spreads = [(_spread(quote), quote.option.symbol) for quote in _quotes(label, account, trade)]
        for spread, symbol in spreads:
            if spread is None:
                return Verdict(False, f"{symbol} has no two-sided market")
        widest, symbol = max((spread, symbol) for spread, symbol in spreads if spread is not None)
        return Verdict(widest <= ceiling, f"widest spread {widest:.1f} % of mid ({symbol}), limit {ceiling:f} %")

    return Condition(label, check, needs_legs=True)


def _joined(name: str, wanted: int, conditions: tuple[Callable[P, Verdict | bool], ...], shown: tuple[object, ...] = ()) -> Condition[P]:
    _callables(name, conditions)
    labels = [label_of(condition) for condition in conditions]

    def answers(*args: P.args, **kwargs: P.kwargs) -> Iterator[tuple[bool | None, str, bool]]:
        for label, condition in zip(labels, conditions, strict=True):
            try:
                verdict = ask(condition, *args, **kwargs)
            except DataNotFresh as error:
                yield None, f"{label}: {error.reason}", False
            else:
                yield verdict.ok, f"{label}: {verdict.reason}", verdict.urgent

    def check(*args: P.args, **kwargs: P.kwargs) -> Verdict:
        said = list(answers(*args, **kwargs))
        reasons = {answer: "; ".join(text for ok, text, _ in said if ok is answer) for answer in (True, False, None)}
        met = sum(ok is True for ok, _, _ in said)
        if met >= wanted:
            return Verdict(True, reasons[True], urgent=any(ok is True and urgent for ok, _, urgent in said))
        if met + sum(ok is None for ok, _, _ in said) < wanted:
            return Verdict(False, reasons[False])
        raise unknown(label_all, reasons[None])

    label_all = written(name, *shown, *labels)
    return Condition(label_all, check, any(map(needs_legs, conditions)), parts=conditions)


def _callables(name: str, conditions: tuple[object, ...]) -> None:
    if not conditions:
        raise ConfigError(f"{name}: give at least one condition")
    for condition in conditions:
        if not callable(condition):
            raise ConfigError(f"{name}: {condition!r} is no condition; a condition is made by a factory or is a function")


def _quotes(label: str, account: AccountSnapshot, trade: TradeView | None) -> tuple[Quote, ...]:
    if trade is None:
        if not account.proposal:
            raise unknown(label, "the legs are not found yet")
        return account.proposal
    symbols = [leg.option.symbol for leg in trade.legs if leg.held != 0]
    missing = [symbol for symbol in symbols if symbol not in account.quotes]
    if missing or not symbols:
        raise unknown(label, f"no quote for {', '.join(missing)}" if missing else "nothing is held")
    return tuple(account.quotes[symbol] for symbol in symbols)


def _spread(quote: Quote) -> Decimal | None:
    """Return the spread in per cent of the middle; None without a bid or an ask, or where both are zero."""
    if quote.bid is None or quote.ask is None or quote.bid + quote.ask <= 0:
        return None
    return (quote.ask - quote.bid) / (quote.bid + quote.ask) * 200
