"""What a person may ask without the daemon: each question is answered as lines of text, from the journal and the settings alone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from config import Settings
from equity import history_of
from equity import json_of as curve_json
from equity import lines_of as curve_lines
from errors import ConfigError
from events import AccountMarked
from journal import JournalReader
from notify import problems as address_problems
from report import KINDS, Report, json_of
from report import lines_of as report_lines_of
from status import lines_of, status_of
from strategy import StrategyConfig

BAD_INPUT = 2


@dataclass(frozen=True, slots=True)
class Told:
    """An answer: what to print, what to print as errors, and the exit code."""

    lines: Iterable[str]
    problems: Sequence[str] = ()
    exit_code: int = 0


def status(settings: Settings, home: Path) -> Told:
    """Tell how trades, strategies and the account stand."""
    source = journal_of(settings, home)
    if source is None:
        return Told([_nothing(home)])
    with JournalReader(source) as reader:
        return Told(tuple(lines_of(status_of(reader.events()), f"state in {home}")))


def report(settings: Settings, home: Path, *, as_json: bool) -> Told:
    """Tell what each execution cost; exit code 1 where the sums do not agree with the trades."""
    source = journal_of(settings, home)
    if source is None and not as_json:
        return Told([_nothing(home)])
    found = Report(())
    if source is not None:
        with JournalReader(source) as reader:
            found = Report(reader.events(*KINDS))
    lines = [json_of(found, str(home))] if as_json else tuple(report_lines_of(found, f"state in {home}"))
    return Told(lines, exit_code=0 if found.adds_up else 1)


def equity(settings: Settings, home: Path, *, as_json: bool) -> Told:
    """Tell what the account was worth, day by day."""
    source = journal_of(settings, home)
    if source is None and not as_json:
        return Told([_nothing(home)])
    history = history_of(())
    if source is not None:
        with JournalReader(source) as reader:
            history = history_of(reader.events(AccountMarked))
    return Told([curve_json(history, str(home))] if as_json else tuple(curve_lines(history, f"state in {home}")))


def strategies(chosen: Sequence[StrategyConfig], problems: Sequence[str]) -> Told:
    """List the strategies; exit code 2 where one could not be loaded."""
    rows = (
        f"{config.name:24} {len(config.legs)} legs, {config.execution_mode}{', dry run' if config.dry_run else ''}" for config in chosen
    )
    return Told(rows, problems, BAD_INPUT if problems else 0)


def check(settings: Settings, home: Path, chosen: Sequence[StrategyConfig], problems: Sequence[str]) -> Told:
    """Check settings, strategies and journal; raise ConfigError or JournalError for what is wrong."""
    if wrong := [*problems, *address_problems(settings.alert_addresses)]:
        raise ConfigError(wrong)
    lines = []
    source = journal_of(settings, home)
    if source is not None:
        with JournalReader(source) as reader:
            lines.append(f"journal     {reader.verify()} events, all readable")
    lines.append(f"environment {settings.environment}, {settings.base_url or 'embedded paper exchange'}")
    lines.append(f"strategies  {', '.join(config.name for config in chosen) or 'none'}")
    return Told([*lines, "all settings are good"])


def journal_of(settings: Settings, home: Path) -> Path | str | None:
    """Return where the journal is; None where there is none yet."""
    if settings.journal_url is not None:
        return settings.journal_url.get_secret_value()
    return home / "journal.db" if (home / "journal.db").exists() else None


def _nothing(home: Path) -> str:
    return f"no journal in {home}: the daemon has not run here yet"
