"""What a person may ask without the daemon: each question is answered as lines of text, from the journal and the settings alone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from clock import wall_now
from config import Settings
from domain import Environment
from domain.quoting import QuotingPolicy
from equity import history_of
from equity import json_of as curve_json
from equity import lines_of as curve_lines
from errors import ConfigError
from events import AccountMarked
from journal import JournalReader, journal_file, lock_holder
from notify import problems as address_problems
from report import KINDS, Report, json_of
from report import lines_of as report_lines_of
from status import lines_of, status_of
from strategy import StrategyConfig

BAD_INPUT = 2
_LOCKS = Path("/proc/locks")  # without it nobody tells who holds a lock


@dataclass(frozen=True, slots=True)
class Told:
    """An answer: what to print, what to print as errors, and the exit code."""

    lines: Iterable[str]
    problems: Sequence[str] = ()
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Holder:
    """Who writes a journal: the daemon's process, or None; `seen` is False where nobody could tell, as behind a server."""

    process: int | None
    seen: bool = True

    @property
    def gone(self) -> bool:
        """Tell whether surely no daemon runs."""
        return self.seen and self.process is None


def holder_of(settings: Settings, home: Path) -> Holder:
    """Look who has the journal of a state directory open."""
    file = journal_file(home, None if settings.journal_url is None else settings.journal_url.get_secret_value())
    return Holder(None, seen=False) if file is None else Holder(lock_holder(file.with_suffix(".lock")), seen=_LOCKS.exists())


def status(settings: Settings, home: Path) -> Told:
    """Tell how trades, strategies and the account stand, and whether a daemon looks after them."""
    source = journal_of(settings, home)
    if source is None:
        return Told([_nothing(home)])
    holder = holder_of(settings, home)
    with JournalReader(source) as reader:
        newest = max((event.at for event in reader.events(last=1)), default=None)
        running = f"{_running(holder)}{_newest(settings, newest)}; state in {home}"
        page = lines_of(status_of(reader.events()), running, attention=reader.needs_attention, obeyed=not holder.gone)
        return Told(tuple(page))


def _running(holder: Holder) -> str:
    if holder.process is not None:
        return f"process {holder.process}"
    return "NOT RUNNING" if holder.seen else "not known to run, as its journal does not tell"


def _newest(settings: Settings, at: datetime | None) -> str:
    """Say of when the newest event is; the embedded exchange's time is not the wall's."""
    if at is None:
        return ""
    of_the_wall = not settings.embedded and settings.paper_speed == 1
    return f", last event {(wall_now() - at).total_seconds():.0f} s ago" if of_the_wall else f", last event of {at:%Y-%m-%d %H:%M:%S} UTC"


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
    return Told(lines, () if source is not None else [_nothing(home)], exit_code=0 if found.adds_up else 1)


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


def strategies(chosen: Sequence[StrategyConfig], problems: Sequence[str], makers: Sequence[QuotingPolicy] = ()) -> Told:
    """List the strategies and the makers that are named; exit code 2 where a strategy could not be loaded."""
    rows = [f"{config.name:24} {len(config.legs)} legs, {config.execution_mode}{_dry(config)}" for config in chosen]
    rows += [f"{policy.name:24} answers requests for quotes{_dry(policy)}" for policy in makers]
    return Told(rows, problems, BAD_INPUT if problems else 0)


def _dry(one: StrategyConfig | QuotingPolicy) -> str:
    return ", dry run" if one.dry_run else ""


def unnamed(settings: Settings, *, named: bool) -> tuple[str, ...]:
    """Say why nothing may run, where production would trade what nobody has named."""
    if named or settings.environment is not Environment.PRODUCTION:
        return ()
    return ("production trades only what you name: add --strategy NAME or --strategies-file PATH",)


def check(
    settings: Settings, home: Path, chosen: Sequence[StrategyConfig], problems: Sequence[str], makers: Sequence[QuotingPolicy] = ()
) -> Told:
    """Check settings, strategies, makers and journal; raise ConfigError or JournalError for what is wrong."""
    if wrong := [*problems, *address_problems(settings.alert_addresses)]:
        raise ConfigError(wrong)
    lines = []
    source = journal_of(settings, home)
    if source is not None:
        with JournalReader(source) as reader:
            lines.append(f"journal     {reader.verify()} events, all readable")
    lines.append(f"environment {settings.environment}, {settings.base_url or 'embedded paper exchange'}")
    lines.append(f"strategies  {', '.join(config.name for config in chosen) or 'none'}")
    if makers:
        lines.append(f"makers      {', '.join(policy.name for policy in makers)}")
    return Told([*lines, "all settings are good"])


def journal_of(settings: Settings, home: Path) -> Path | str | None:
    """Return where the journal is; None where there is none yet."""
    if settings.journal_url is not None:
        return settings.journal_url.get_secret_value()
    return home / "journal.db" if (home / "journal.db").exists() else None


def _nothing(home: Path) -> str:
    return f"no journal in {home}: the daemon has not run here yet"
