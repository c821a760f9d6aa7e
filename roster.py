"""Which strategies and makers a call of the program names, loaded from `strategies/` or from a user's file.

One rule: whatever is wrong with a user's file is said with its name and line, and none of it stops its neighbours.
"""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from domain.quoting import QuotingPolicy
from errors import ConfigError
from rfq_maker import load_makers
from strategies import MAKERS, STRATEGIES
from strategy import StrategyConfig, StrategyFactory, load_strategies


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be traded: strategies and makers, what is wrong with others, and whether anybody named any of it."""

    strategies: tuple[StrategyConfig, ...]
    makers: tuple[QuotingPolicy, ...]
    problems: tuple[str, ...]
    named: bool


def wish_of(strategies: Sequence[str], makers: Sequence[str], file: Path | None, *, dry_run: bool) -> Wish:
    """Return what is to be traded, all of the file or of `strategies/` where no strategy is named; raise ConfigError for unknown names.

    Makers run only where they are named, and one by itself leaves the strategies out. `dry_run` makes a dry run of each.
    """
    chosen, problems = _strategies(strategies, file, alone=bool(makers), dry_run=dry_run)
    policies = _makers(makers, file, chosen, dry_run=dry_run)
    return Wish(chosen, policies, problems, bool(strategies or file or makers))


def _strategies(
    wanted: Sequence[str], file: Path | None, *, alone: bool, dry_run: bool
) -> tuple[tuple[StrategyConfig, ...], tuple[str, ...]]:
    if alone and not wanted and file is None:
        return (), ()  # a maker by itself
    factories = STRATEGIES if file is None else _from_file(file)
    configs, problems = load_strategies(factories)
    names = [config.name for config in configs]
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise ConfigError([*problems, *(f"--strategy {name}: unknown; there are {', '.join(names) or 'none'}" for name in unknown)])
    chosen = [config for config in configs if not wanted or config.name in wanted]
    return tuple(replace(config, dry_run=True) if dry_run else config for config in chosen), problems


def _makers(wanted: Sequence[str], file: Path | None, strategies: Sequence[StrategyConfig], *, dry_run: bool) -> tuple[QuotingPolicy, ...]:
    """Return the quoting policies that are named; raise ConfigError where one is unknown or cannot be used."""
    if not wanted:
        return ()
    factories = MAKERS if file is None else _listed(_module(file), "MAKERS", file)
    policies, problems = load_makers(factories, taken=[config.name for config in strategies])
    names = [policy.name for policy in policies]
    unknown = [f"--maker {name}: unknown; there are {', '.join(names) or 'none'}" for name in wanted if name not in names]
    if problems or unknown:
        raise ConfigError([*problems, *unknown])
    chosen = (policy for policy in policies if policy.name in wanted)
    return tuple(replace(policy, dry_run=True) if dry_run else policy for policy in chosen)


def _from_file(path: Path) -> Sequence[StrategyFactory]:
    return _listed(_module(path), "STRATEGIES", path)


def _listed(module: ModuleType, name: str, path: Path) -> Sequence[Callable[..., Any]]:
    found = getattr(module, name, None)
    if not isinstance(found, list | tuple):
        raise ConfigError(f"--strategies-file {path}: it needs a list {name} of factory functions")
    return found


def _module(path: Path) -> ModuleType:
    """Load a user's file; whatever is wrong with it is said with its name and line."""
    spec = importlib.util.spec_from_file_location("user_strategies", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ConfigError(f"--strategies-file {path}: not a Python file that can be read")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise ConfigError(f"--strategies-file {path}, line {error.lineno}: {error.msg}: {(error.text or '').strip()}") from error
    except Exception as error:  # a user's file may fail in any way, and is told so
        raise ConfigError(f"--strategies-file {path}: {type(error).__name__}: {error}") from error
    return module
