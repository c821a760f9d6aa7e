"""What a condition is: a labelled question about the account, or about the account and a trade, answered with a reason.

A condition that cannot tell is not a no: inside it raises `DataNotFresh`. Asked about an entry that becomes a refusal which
says "unknown"; asked about an exit it reaches the caller, who must count it and call a person.
"""

import inspect
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType
from typing import Generic, ParamSpec

from conditions.schedules import Hours
from domain import TradeView, Verdict
from errors import DataNotFresh

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Condition(Generic[P]):
    """A question with a readable label; called, it answers with a Verdict.

    `check` may raise DataNotFresh where it cannot tell. `needs_legs` marks an entry condition that looks at the proposed legs,
    so that it is asked after they are found. `lasts` is how long the condition holds at least once it holds, if that is known.
    `parts` are the conditions that a combinator joins. `leg` is the one leg, from 0, that the condition names, and `hours` the
    moments at which a condition of time alone passes.
    """

    label: str
    check: Callable[P, Verdict]
    needs_legs: bool = False
    lasts: timedelta | None = None
    parts: "tuple[Callable[P, Verdict | bool], ...]" = ()
    leg: int | None = None
    hours: Hours | None = None

    @property
    def __name__(self) -> str:
        return self.label

    def __repr__(self) -> str:
        return self.label

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Verdict:
        """Answer; an entry (asked about the account alone) that cannot tell is refused, an exit that cannot tell raises DataNotFresh."""
        try:
            return self.check(*args, **kwargs)
        except DataNotFresh as unknown:
            if len(args) + len(kwargs) > 1:
                raise
            return Verdict(False, f"unknown: {unknown.reason}")


def verdict_of(condition: Callable[P, Verdict | bool], *args: P.args, **kwargs: P.kwargs) -> Verdict:
    """Ask any condition, a user's own function included; raise TypeError if it answers with neither a Verdict nor a bool."""
    answer: object = condition(*args, **kwargs)
    if isinstance(answer, Verdict):
        return answer if answer.reason else replace(answer, reason=label_of(condition))
    if isinstance(answer, bool):
        return Verdict(answer, f"{label_of(condition)} says {'yes' if answer else 'no'}")
    raise TypeError(f"{label_of(condition)} answered {answer!r}; a condition returns a Verdict, True or False")


def ask(condition: Callable[P, Verdict | bool], *args: P.args, **kwargs: P.kwargs) -> Verdict:
    """Ask as verdict_of does, but raise DataNotFresh where the condition cannot tell, for an entry too."""
    return verdict_of(condition.check if isinstance(condition, Condition) else condition, *args, **kwargs)


def label_of(condition: Callable[..., object]) -> str:
    """Return the name by which logs and counters know a condition; a lambda is known by its place."""
    match condition:
        case Condition(label=label):
            return label
        case partial(func=func):
            return label_of(func)
    name = getattr(condition, "__name__", type(condition).__name__)
    code = getattr(condition, "__code__", None)
    return f"lambda at {Path(code.co_filename).name}:{code.co_firstlineno}" if name == "<lambda>" and code is not None else str(name)


def needs_legs(condition: Callable[..., object]) -> bool:
    """Tell whether an entry condition looks at the proposed legs; a user's own function says so by an attribute of that name."""
    return getattr(condition, "needs_legs", False) is True


def highest_leg(condition: Callable[..., object]) -> int | None:
    """Return the highest leg, from 0, that a condition or a part of it names; None if it names none."""
    if not isinstance(condition, Condition):
        return None
    named = [condition.leg, *map(highest_leg, condition.parts)]
    return max((leg for leg in named if leg is not None), default=None)


def takes(condition: Callable[..., object], count: int) -> bool:
    """Tell whether a condition can be asked with that many arguments: one for an entry, two for an exit."""
    if isinstance(condition, Condition) and condition.parts:
        return all(takes(part, count) for part in condition.parts)
    try:
        inspect.signature(condition.check if isinstance(condition, Condition) else condition).bind(*range(count))
    except (TypeError, ValueError):
        return False
    return True


def fingerprint(condition: Callable[..., object]) -> str:
    """Return a text that stays the same across restarts while the condition does, and changes with its code or arguments."""
    match condition:
        case Condition(label=label, parts=parts):
            return f"{label}{[fingerprint(part) for part in parts]}" if parts else label
        case partial(func=func, args=args, keywords=keywords):
            return f"{fingerprint(func)}{args}{keywords}"
        case FunctionType(__code__=code, __defaults__=defaults, __closure__=cells):
            held = [cell.cell_contents for cell in cells or ()]
            return f"{condition.__qualname__}{_stable(code)}{_stable(defaults)}{_stable(tuple(held))}"
    return type(condition).__qualname__


def _stable(constant: object) -> str:
    match constant:
        case CodeType(co_code=code, co_names=names, co_consts=constants):
            return f"{code.hex()}{names}{_stable(constants)}"
        case tuple() | list():
            return str([_stable(item) for item in constant])
        case set() | frozenset():
            return str(sorted(_stable(item) for item in constant))
        case None | bool() | int() | float() | str() | Decimal() | datetime() | timedelta():
            return repr(constant)
    return fingerprint(constant) if callable(constant) else type(constant).__qualname__


def unknown(label: str, reason: str) -> DataNotFresh:
    """Return the error of a condition that cannot tell, to be raised."""
    return DataNotFresh("conditions", label, reason)


def money(amount: Decimal) -> str:
    """Write USD for a reason."""
    return f"{amount:.2f} USD"


def trade_key(trade: TradeView) -> Hashable:
    """Return what tells one trade from another: when it was made, and of what."""
    return trade.created_at, tuple((leg.option.symbol, leg.side) for leg in trade.legs)


class Memory:
    """For each trade, at how many distinct moments in a row something held; forgotten by a restart, and an hour after the last answer."""

    def __init__(self) -> None:
        self._seen: dict[Hashable, tuple[int, datetime]] = {}

    def count(self, trade: TradeView, now: datetime, holds: bool) -> int:
        """Note one more answer and return how many in a row were yes; a second answer at the same moment counts once."""
        key = trade_key(trade)
        times, last = self._seen.pop(key, (0, None))
        self._seen = {k: v for k, v in self._seen.items() if now - v[1] < timedelta(hours=1)}
        if not holds:
            return 0
        times += now != last
        self._seen[key] = (times, now)
        return times
