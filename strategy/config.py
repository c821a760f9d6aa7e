"""What a strategy is: one frozen value that says what to trade, when to enter, when to leave and how to execute."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from difflib import get_close_matches
from functools import cached_property
from itertools import combinations
from math import isfinite

from conditions import Condition, fingerprint, label_of, takes
from conditions.condition import highest_leg
from conditions.schedules import ever_together
from domain import AccountSnapshot, EntryCondition, ExecutionMode, ExecutionParams, ExitCondition, LeggingPolicy, RFQParams, SmartExecConfig
from errors import ConfigError
from option_selection import LegSpec
from trade_lifecycle import TradeLifecycle

TradeClosed = Callable[[TradeLifecycle, AccountSnapshot], object]
StrategyFactory = Callable[[], "StrategyConfig"]

_DAY = timedelta(days=1).total_seconds()


@dataclass(frozen=True, kw_only=True)
class StrategyConfig:
    """One strategy, as its user declares it. Raises ConfigError with every problem at once.

    name: unique, letters, digits, _ and -. legs: at least one LegSpec, or what a structure builder returns.
    entry_conditions: all must pass. exit_conditions: any one closes the trade; with none it is held to expiry.
    execution_mode: "auto", "limit", "rfq" or "smart", for opening and closing. execution: how, in each of them and while half filled;
    metadata["execution_params"] means the same. smart_config: the same as execution.smart.
    max_concurrent_trades: 1 or more; a trade with exposure counts whatever went wrong. max_trades_per_day: per UTC day, 0 is unlimited.
    cooldown_seconds: between the creation of two trades. check_interval_seconds: between two looks at the entry conditions.
    on_trade_closed(trade, account): called once per trade, also while the strategy is paused or stopped.
    metadata: anything of the user's own. dry_run: decide and report, but never send an order.
    """

    name: str
    legs: Sequence[LegSpec]
    entry_conditions: Sequence[EntryCondition] = ()
    exit_conditions: Sequence[ExitCondition] = ()
    execution_mode: ExecutionMode | str = ExecutionMode.AUTO
    max_concurrent_trades: int = 1
    max_trades_per_day: int = 0
    cooldown_seconds: float = 0
    check_interval_seconds: float = 30
    on_trade_closed: TradeClosed | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)
    dry_run: bool = False
    execution: ExecutionParams = field(default_factory=ExecutionParams)
    smart_config: SmartExecConfig | None = None

    def __post_init__(self) -> None:
        problems = [*_name_problems(self.name), *_list_problems(self), *_number_problems(self), *_other_problems(self)]
        params, wrong = _execution(self.execution, self.metadata)
        params, clash = _with_smart(params, self.smart_config)
        problems += [*wrong, *clash]
        if problems:
            raise ConfigError(f"strategy {self.name!r}: {problem}" for problem in problems)
        for name in ("legs", "entry_conditions", "exit_conditions"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "execution_mode", ExecutionMode(self.execution_mode))
        object.__setattr__(self, "execution", params)

    @cached_property
    def version(self) -> str:
        """Return twelve characters that change when legs, conditions or execution do, and stay the same across restarts."""
        parts: Iterable[object] = (
            *map(repr, self.legs),
            *map(fingerprint, self.entry_conditions),
            "leaves when",
            *map(fingerprint, self.exit_conditions),
            self.execution_mode,
            self.execution,
        )
        return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:12]

    @property
    def mode(self) -> ExecutionMode:
        """Return how its trades are executed; `auto` is decided for each opening and close by itself."""
        return ExecutionMode(self.execution_mode)


def load_strategies(factories: Iterable[StrategyFactory]) -> tuple[tuple[StrategyConfig, ...], tuple[str, ...]]:
    """Build every strategy; return those that can be traded, in order, and all problems of the others.

    One factory that fails does not stop its neighbours. Of two strategies with one name the first is kept.
    """
    loaded: dict[str, StrategyConfig] = {}
    problems: list[str] = []
    for factory in factories:
        try:
            config = _built(factory)
            if config.name in loaded:
                raise ConfigError(f"strategy {config.name!r}: the name is taken; each strategy needs its own")
            loaded[config.name] = config
        except ConfigError as error:
            problems += [f"{label_of(factory)}: {problem}" for problem in error.problems]
    return tuple(loaded.values()), tuple(problems)


def _built(factory: StrategyFactory) -> StrategyConfig:
    try:
        config: object = factory()
    except ConfigError:
        raise
    except Exception as error:  # a user's file may fail in any way, and must not stop the others
        raise ConfigError(_explained(error)) from error
    if not isinstance(config, StrategyConfig):
        raise ConfigError(f"returned {config!r}, not a StrategyConfig")
    return config


def _explained(error: Exception) -> str:
    """Return what a factory's error says; a field that does not exist is told with the one that was probably meant."""
    text = str(error)
    for kind in (StrategyConfig, ExecutionParams, SmartExecConfig, RFQParams, LeggingPolicy):
        if isinstance(error, TypeError) and "unexpected keyword argument" in text and f"{kind.__name__}.__init__" in text:
            wrong, known = text.split("'")[1], [f.name for f in fields(kind)]
            near = get_close_matches(wrong, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            return f"{kind.__name__} has no field {wrong!r}{hint}; its fields are {', '.join(known)}"
    return f"{type(error).__name__}: {text}"


def _name_problems(name: object) -> list[str]:
    good = isinstance(name, str) and bool(name) and len(name) <= 64 and name.replace("_", "").replace("-", "").isalnum() and name.isascii()
    return [] if good else ["name must be 1 to 64 letters, digits, _ or -"]


def _list_problems(config: StrategyConfig) -> list[str]:
    return [
        *_not_all("legs", config.legs, lambda leg: isinstance(leg, LegSpec), "a LegSpec"),
        *([] if config.legs else ["legs must not be empty"]),
        *_not_all("entry_conditions", config.entry_conditions, lambda c: _asks(c, 1), "an entry condition, which takes (account)"),
        *_not_all("exit_conditions", config.exit_conditions, lambda c: _asks(c, 2), "an exit condition, which takes (account, trade)"),
    ]


def _not_all(name: str, items: object, good: Callable[[object], bool], wanted: str) -> list[str]:
    if isinstance(items, str) or not isinstance(items, Sequence):
        return [f"{name} must be a list, not {items!r}"]
    return [f"{name}[{i}] must be {wanted}, not {item!r}" for i, item in enumerate(items) if not good(item)]


def _asks(condition: object, count: int) -> bool:
    return callable(condition) and takes(condition, count)


def _number_problems(config: StrategyConfig) -> list[str]:
    wholes = (("max_concurrent_trades", config.max_concurrent_trades, 1), ("max_trades_per_day", config.max_trades_per_day, 0))
    spans = (("cooldown_seconds", config.cooldown_seconds), ("check_interval_seconds", config.check_interval_seconds))
    return [
        *(f"{name} must be a whole number from {low} up, not {value!r}" for name, value, low in wholes if not _whole(value, low)),
        *(f"{name} must be a number of seconds, zero or more, not {value!r}" for name, value in spans if not _seconds(value)),
    ]


def _whole(value: object, low: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= low


def _seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and value >= 0


def _other_problems(config: StrategyConfig) -> list[str]:
    wrong = {
        f"execution_mode must be one of {', '.join(ExecutionMode)}, not {config.execution_mode!r}": config.execution_mode
        in set(ExecutionMode),
        f"on_trade_closed must take (trade, account), not {config.on_trade_closed!r}": (
            config.on_trade_closed is None or _asks(config.on_trade_closed, 2)
        ),
        f"metadata must be a dict, not {config.metadata!r}": isinstance(config.metadata, Mapping),
        f"dry_run must be True or False, not {config.dry_run!r}": isinstance(config.dry_run, bool),
    }
    told = (text for text, good in wrong.items() if not good)
    return [*told, *_contradictions(config), *_absent_legs(config), *_apart(config.entry_conditions)]


def _absent_legs(config: StrategyConfig) -> list[str]:
    """Tell of the conditions that name a leg which the strategy does not have."""
    if not all(isinstance(each, Sequence) for each in (config.legs, config.entry_conditions, config.exit_conditions)):
        return []
    conditions: tuple[Callable[..., object], ...] = (*config.entry_conditions, *config.exit_conditions)
    count, named = len(config.legs), [(condition, highest_leg(condition)) for condition in conditions]
    return [
        f"{label_of(condition)} names leg {leg}, but the strategy has {count} legs, counted from 0"
        for condition, leg in named
        if leg is not None and leg >= count
    ]


def _apart(conditions: object) -> list[str]:
    """Tell of the first entry conditions of time that never pass at the same moment: two of them, or else all together."""
    if not isinstance(conditions, Sequence):
        return []
    timed = [(c.label, c.hours) for c in conditions if isinstance(c, Condition) and c.hours is not None]
    for some in (*combinations(timed, 2), timed):
        if not ever_together([hours for _, hours in some]):
            return [f"{' and '.join(label for label, _ in some)} never pass at the same moment: nothing would ever be opened"]
    return []


def _contradictions(config: StrategyConfig) -> list[str]:
    if _number_problems(config) or not isinstance(config.entry_conditions, Sequence):
        return []
    problems = []
    if (config.max_trades_per_day - 1) * config.cooldown_seconds >= _DAY:
        problems.append(
            f"max_trades_per_day {config.max_trades_per_day} cannot be reached with cooldown_seconds {config.cooldown_seconds:g}"
        )
    for condition in config.entry_conditions:
        lasts = condition.lasts if isinstance(condition, Condition) else None
        if lasts is not None and lasts.total_seconds() < config.check_interval_seconds:
            problems.append(
                f"{label_of(condition)} holds for {lasts.total_seconds():g} s, but check_interval_seconds is "
                f"{config.check_interval_seconds:g}: it could be missed"
            )
    return problems


def _execution(execution: object, metadata: object) -> tuple[ExecutionParams, list[str]]:
    """Return the execution parameters, from the field or from metadata["execution_params"] (a dict or ExecutionParams)."""
    default = ExecutionParams()
    if not isinstance(execution, ExecutionParams):
        return default, [f"execution must be ExecutionParams, not {execution!r}"]
    given: object = metadata.get("execution_params") if isinstance(metadata, Mapping) else None
    try:
        params: object = ExecutionParams(**given) if isinstance(given, dict) else given
    except (ConfigError, TypeError, ValueError) as error:
        return default, [f"metadata['execution_params']: {error}"]
    if params is None:
        return execution, []
    if not isinstance(params, ExecutionParams):
        return default, [f"metadata['execution_params'] must be ExecutionParams, not {given!r}"]
    if execution not in (default, params):
        return default, ["execution and metadata['execution_params'] say different things; give one of them"]
    return params, []


def _with_smart(params: ExecutionParams, smart: object) -> tuple[ExecutionParams, list[str]]:
    """Return the execution parameters with a smart_config given beside them."""
    if smart is None or smart == params.smart:
        return params, []
    if not isinstance(smart, SmartExecConfig):
        return params, [f"smart_config must be a SmartExecConfig, not {smart!r}"]
    if params.smart != SmartExecConfig():
        return params, ["smart_config and execution.smart say different things; give one of them"]
    return replace(params, smart=smart), []
