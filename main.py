"""The command line: what to run and where; everything else is settings."""

import argparse
import importlib.util
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from loguru import logger

import logbook
from config import Settings, load_settings
from control import Command, ControlBox, Verb
from daemon import Daemon
from domain import Environment
from errors import ConfigError, JournalError
from journal import JournalReader
from report import KINDS, Report, json_of
from report import lines_of as report_lines_of
from scripting import assembled, home_of, usual_env_file
from status import lines_of, status_of
from strategies import STRATEGIES
from strategy import StrategyConfig, StrategyFactory, load_strategies

REFUSED, BAD_INPUT = 1, 2
ANSWER_WITHIN = 4.0  # real seconds; the daemon looks once a second
COMMANDS: Mapping[str, tuple[Verb, str]] = {
    "close": (Verb.CLOSE, "close a trade, by its number, whatever its exits say"),
    "manage": (Verb.MANAGE, "manage a quarantined trade again, because you have looked at it"),
    "write_off": (Verb.WRITE_OFF, "end a quarantined trade whose holding is not there any more"),
    "pause": (Verb.PAUSE, "let a strategy enter no more until --resume; its trades stay managed"),
    "resume": (Verb.RESUME, "let a paused or stopped strategy enter again"),
    "stop": (Verb.STOP, "retire a strategy; its trades stay managed"),
}


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    line = argparse.ArgumentParser(
        prog="main.py",
        allow_abbrev=False,
        description="Trade declared option strategies, day and night. Without arguments: on the embedded paper exchange.",
    )
    add = line.add_argument
    add("--strategy", action="append", default=[], metavar="NAME", help="run only this strategy (repeatable)")
    add("--strategies-file", type=Path, metavar="PATH", help="a Python file with a list STRATEGIES of factories, in place of strategies/")
    add("--state-dir", metavar="DIR", help="where journal and paper exchange keep their state (TRADER_STATE_DIR)")
    add("--paper-market", metavar="synthetic|PATH", help="the embedded exchange's market: synthetic, or a directory of recordings")
    add("--paper-speed", metavar="X", help="how much faster than the wall the embedded exchange and the daemon run")
    add("--env-file", type=Path, metavar="PATH", help="settings file (default: .env where there is one)")
    add("--profile", type=Path, metavar="PATH", help="a TOML file of settings")
    add("--dry-run", action="store_true", help="all strategies: real market data, simulated fills, no order sent")
    add("--live", action="store_true", help="yes, trade real money (needed with TRADING_ENVIRONMENT=production)")
    add("--check", action="store_true", help="check settings, strategies and journal, and exit")
    add("--status", action="store_true", help="show trades, strategies, why-not, alerts, and exit")
    add("--report", action="store_true", help="show what each execution cost against the market at its decision, totals, sums, and exit")
    add("--json", action="store_true", help="with --report: as JSON")
    add("--list", action="store_true", help="list the strategies and exit")
    add("--acknowledge", action="store_true", help="let a running daemon open trades again after a damaged journal or broken books")
    for name, (_, text) in COMMANDS.items():
        add(f"--{name.replace('_', '-')}", metavar="NAME" if name in ("pause", "resume", "stop") else "TRADE", help=text)
    return line


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code: 0 done, 1 the journal cannot be used or does not add up, 2 wrong input."""
    asked = parser().parse_args(argv)
    if asked.json and not asked.report:
        parser().error("--json goes with --report only")
    try:
        try:
            return _dispatch(asked)
        finally:
            logbook.finish()
    except BrokenPipeError:  # whoever read our answer has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("stopped before the daemon was ready; nothing was sent", file=sys.stderr)
        return 0
    except ConfigError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        return BAD_INPUT
    except JournalError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _dispatch(asked: argparse.Namespace) -> int:
    settings = _settings(asked, trades=not _only_looks(asked))
    home = home_of(settings)
    commands = [Command(verb=verb, target=target) for name, (verb, _) in COMMANDS.items() if (target := getattr(asked, name)) is not None]
    if asked.acknowledge:
        commands.append(Command(verb=Verb.ACKNOWLEDGE))
    if commands:
        return _send(commands, home)
    if asked.strategy and (asked.status or asked.report):
        raise ConfigError("--strategy does not narrow --status or --report: leave it out; the report has totals for each strategy")
    if asked.status:
        return _show_status(settings, home)
    if asked.report:
        return _show_report(settings, home, as_json=asked.json)
    chosen, problems = _strategies(asked)
    if asked.list:
        return _list(chosen, problems)
    if asked.check:
        return _check(settings, home, chosen, problems)
    return _run(settings, home, chosen, problems, named=bool(asked.strategy or asked.strategies_file))


def _only_looks(asked: argparse.Namespace) -> bool:
    """Tell whether nothing is traded by this call: a report, a check, or a word left for the running daemon."""
    words = (asked.status, asked.report, asked.list, asked.check, asked.acknowledge)
    return any(words) or any(getattr(asked, name) is not None for name in COMMANDS)


def _settings(asked: argparse.Namespace, *, trades: bool) -> Settings:
    flags = {f"--{name.replace('_', '-')}": getattr(asked, name) for name in ("state_dir", "paper_market", "paper_speed")}
    given = {flag: value for flag, value in flags.items() if value is not None}
    return load_settings(given, os.environ, asked.env_file or usual_env_file(), asked.profile, live=asked.live if trades else None)


def _strategies(asked: argparse.Namespace) -> tuple[tuple[StrategyConfig, ...], tuple[str, ...]]:
    factories = STRATEGIES if asked.strategies_file is None else _from_file(asked.strategies_file)
    configs, problems = load_strategies(factories)
    names = [config.name for config in configs]
    unknown = [name for name in asked.strategy if name not in names]
    if unknown:
        raise ConfigError([*problems, *(f"--strategy {name}: unknown; there are {', '.join(names) or 'none'}" for name in unknown)])
    chosen = [config for config in configs if not asked.strategy or config.name in asked.strategy]
    return tuple(replace(config, dry_run=True) if asked.dry_run else config for config in chosen), problems


def _from_file(path: Path) -> Sequence[StrategyFactory]:
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
    found = getattr(module, "STRATEGIES", None)
    if not isinstance(found, list | tuple):
        raise ConfigError(f"--strategies-file {path}: it needs a list STRATEGIES of factory functions")
    return found


def _send(commands: Sequence[Command], home: Path) -> int:
    for command in commands:
        if command.verb in (Verb.CLOSE, Verb.MANAGE, Verb.WRITE_OFF) and not command.target.isdecimal():
            raise ConfigError(f"--{command.verb} {command.target}: a trade is named by its number, see --status")
    box, refused = ControlBox(home), 0
    for command in commands:
        file = box.put(command)
        print(f"left for the daemon: {command}")
        answer = box.wait(file, ANSWER_WITHIN)
        print(answer.said if answer is not None else "no answer yet: it is obeyed as soon as the daemon runs, see its log")
        refused += answer is not None and not answer.done
    return REFUSED if refused else 0


def _show_status(settings: Settings, home: Path) -> int:
    source = _journal_of(settings, home)
    if source is None:
        print(f"no journal in {home}: the daemon has not run here yet")
        return 0
    with JournalReader(source) as reader:
        for text in lines_of(status_of(reader.events()), f"state in {home}"):
            print(text)
    return 0


def _show_report(settings: Settings, home: Path, *, as_json: bool) -> int:
    source = _journal_of(settings, home)
    if source is None and not as_json:
        print(f"no journal in {home}: the daemon has not run here yet")
        return 0
    report = Report(())
    if source is not None:
        with JournalReader(source) as reader:
            report = Report(reader.events(*KINDS))
    for text in [json_of(report, str(home))] if as_json else report_lines_of(report, f"state in {home}"):
        print(text)
    return 0 if report.adds_up else 1


def _journal_of(settings: Settings, home: Path) -> Path | str | None:
    """Return where the journal is; None where there is none yet."""
    if settings.journal_url is not None:
        return settings.journal_url.get_secret_value()
    return home / "journal.db" if (home / "journal.db").exists() else None


def _list(chosen: Sequence[StrategyConfig], problems: Sequence[str]) -> int:
    for config in chosen:
        print(f"{config.name:24} {len(config.legs)} legs, {config.execution_mode}{', dry run' if config.dry_run else ''}")
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return BAD_INPUT if problems else 0


def _check(settings: Settings, home: Path, chosen: Sequence[StrategyConfig], problems: Sequence[str]) -> int:
    if problems:
        raise ConfigError(problems)
    source = _journal_of(settings, home)
    if source is not None:
        with JournalReader(source) as reader:
            print(f"journal     {reader.verify()} events, all readable")
    print(f"environment {settings.environment}, {settings.base_url or 'embedded paper exchange'}")
    print(f"strategies  {', '.join(config.name for config in chosen) or 'none'}")
    print("all settings are good")
    return 0


def _run(settings: Settings, home: Path, chosen: Sequence[StrategyConfig], problems: Sequence[str], *, named: bool) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # until the daemon takes both signals, either interrupts the start
    logbook.set_up(settings.log_dir, settings.log_level, terminal=True, secrets=settings.secrets)
    _refuse_what_cannot_run(settings, chosen, problems, named=named)
    context, exchange = assembled(settings, home, chosen)
    Daemon(context, ControlBox(home), exchange).run()
    return 0


def _refuse_what_cannot_run(settings: Settings, chosen: Sequence[StrategyConfig], problems: Sequence[str], *, named: bool) -> None:
    for problem in problems:
        logger.error("strategy not loaded {}", problem)
    if problems and not chosen:
        raise ConfigError("no strategy could be loaded; nothing to run")
    if settings.environment is Environment.PRODUCTION and not named:
        raise ConfigError("production trades only what you name: add --strategy NAME or --strategies-file PATH")
    if settings.environment is Environment.PRODUCTION:
        logger.warning("production: orders trade real money at {}", settings.base_url)


if __name__ == "__main__":
    sys.exit(main())
