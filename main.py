"""The command line: what to run and where; everything else is settings."""

import signal

if __name__ == "__main__":  # for the seconds until there is a kill switch: by default the signal that throws it would end the process
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NoReturn

from loguru import logger

import doctor
import housekeeping
import inquiries
import logbook
from config import Settings, load_settings
from control import MEANT_FOR, MEANT_NOW, Command, ControlBox, Verb
from daemon import Daemon
from domain import Environment, Severity
from errors import ConfigError, JournalError
from inquiries import Told
from notify import problems as address_problems
from roster import Wish, wish_of
from scripting import assembled, home_of, usual_env_file
from strategy import StrategyConfig

REFUSED, BAD_INPUT = 1, 2
ANSWER_WITHIN, LOOKED_FOR = 15.0, 4.0  # real seconds, where a daemon runs and where none is seen; it looks once a second
BY_HAND = "cancel and close at the venue by hand"
MOST_DIGITS = 18  # before and after the point: more of them nobody can mean


@dataclass(frozen=True, slots=True)
class Word:
    """A command for the running daemon as it stands on the command line: its verb, what it is about (None: nothing), what it does."""

    verb: Verb
    about: str | None
    text: str


WORDS: Mapping[str, Word] = {
    "close": Word(Verb.CLOSE, "TRADE", "close a trade, by its number, whatever its exits say"),
    "manage": Word(Verb.MANAGE, "TRADE", "manage a quarantined trade again, because you have looked at it"),
    "release": Word(Verb.RELEASE, "TRADE", "hand a trade's holdings over to you: shown first, done with --yes"),
    "write_off": Word(Verb.WRITE_OFF, "TRADE", "end a quarantined trade whose holding is not there any more"),
    "adopt": Word(Verb.ADOPT, "SYMBOL", "have a holding of yours managed as a trade of --strategy: shown first, done with --yes"),
    "pause": Word(Verb.PAUSE, "NAME", "let a strategy enter no more until --resume; its trades stay managed"),
    "resume": Word(Verb.RESUME, "NAME", "let a paused or stopped strategy enter again"),
    "stop": Word(Verb.STOP, "NAME", "retire a strategy; its trades stay managed"),
    "kill": Word(Verb.KILL, None, "the kill switch: armed and shown first, thrown with --yes within a minute"),
    "withdraw_kill": Word(Verb.WITHDRAW_KILL, None, "put the kill switch back, thrown or armed"),
    "reduce": Word(Verb.REDUCE, None, "open nothing more on this account until --activate; exits go on"),
    "halt": Word(Verb.HALT, None, "send nothing but cancels and what a person orders until --activate; exits stop too"),
    "activate": Word(
        Verb.ACTIVATE, "[CAUSE]", "take --reduce and --halt back, or overrule the rule CAUSE; says what still holds the account"
    ),
    "reconcile": Word(Verb.RECONCILE, None, "compare all orders, fills and positions with the venue now"),
    "thaw": Word(Verb.THAW, "UNDERLYING", "let marked orders in again after the venue's market-maker protection has struck"),
    "acknowledge": Word(Verb.ACKNOWLEDGE, None, "let a running daemon open trades again after a damaged journal or broken books"),
}
Question = Callable[[argparse.Namespace, Settings, Path], Told]
OF_THE_JOURNAL: Mapping[str, Question] = {
    "status": lambda _, settings, home: inquiries.status(settings, home),
    "report": lambda asked, settings, home: inquiries.report(settings, home, as_json=asked.json),
    "equity": lambda asked, settings, home: inquiries.equity(settings, home, as_json=asked.json),
    "backup": lambda asked, settings, home: Told([housekeeping.backup(settings, home, asked.backup)]),
    "restore": lambda asked, settings, home: Told(housekeeping.restore(settings, home, asked.restore)),
    "archive": lambda asked, settings, home: Told(housekeeping.archive(settings, home, asked.archive)),
    "verify": lambda asked, settings, home: Told(housekeeping.verify(settings, home, Path(asked.verify) if asked.verify else None)),
}
OF_THE_STRATEGIES = ("list", "check", "doctor")


class Line(argparse.ArgumentParser):
    """A command line that says first what is wrong with it."""

    def error(self, message: str) -> NoReturn:
        """End the program with the problem in one line."""
        self.exit(BAD_INPUT, f"error: {message}; --help lists all there is\n")


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    line = Line(
        prog="main.py",
        allow_abbrev=False,
        description="Trade declared option strategies, day and night. Without arguments: on the embedded paper exchange.",
    )
    add = line.add_argument
    add("--strategy", action="append", default=[], metavar="NAME", help="run only this strategy (repeatable)")
    add("--maker", action="append", default=[], metavar="NAME", help="answer other people's requests by this quoting policy (repeatable)")
    add("--strategies-file", type=Path, metavar="PATH", help="a Python file with a list STRATEGIES of factories, in place of strategies/")
    add("--state-dir", metavar="DIR", help="where journal and paper exchange keep their state (TRADER_STATE_DIR)")
    add("--paper-market", metavar="synthetic|PATH", help="the embedded exchange's market: synthetic, or a directory of recordings")
    add("--paper-speed", metavar="X", help="how much faster than the wall the embedded exchange and the daemon run")
    add("--env-file", type=Path, metavar="PATH", help="settings file (default: .env where there is one)")
    add("--profile", type=Path, metavar="PATH", help="a TOML file of settings")
    add("--dry-run", action="store_true", help="all strategies and makers: real market data, simulated fills, no order sent")
    add("--live", action="store_true", help="yes, trade real money (needed with TRADING_ENVIRONMENT=production)")
    add("--check", action="store_true", help="check settings, strategies and journal, and exit")
    add("--doctor", action="store_true", help=doctor.HELP["doctor"])
    add("--canary", action="store_true", help=doctor.HELP["canary"])
    _add_questions(line)
    _add_words(line)
    return line


def _add_questions(line: argparse.ArgumentParser) -> None:
    add = line.add_argument
    add("--status", action="store_true", help="show trades, strategies, why-not, differences, alerts, and exit")
    add("--report", action="store_true", help="show what each execution cost against the market at its decision, totals, sums, and exit")
    add("--equity", action="store_true", help="show what the account was worth, day by day, and exit")
    add("--json", action="store_true", help="with --report, --equity or --doctor: as JSON")
    add("--list", action="store_true", help="list the strategies and exit")
    add("--backup", type=Path, metavar="FILE", help=housekeeping.HELP["backup"])
    add("--restore", type=Path, metavar="FILE", help=housekeeping.HELP["restore"])
    add("--archive", metavar="DAYS", help=housekeeping.HELP["archive"])
    add("--verify", nargs="?", const="", metavar="FILE", help=housekeeping.HELP["verify"])


def _add_words(line: argparse.ArgumentParser) -> None:
    add = line.add_argument
    for name, word in WORDS.items():
        flag = _flag(name)
        if word.about is None:
            add(flag, action="store_const", const="", help=word.text)
        elif word.about.startswith("["):
            add(flag, nargs="?", const="", metavar=word.about.strip("[]"), help=word.text)
        else:
            add(flag, metavar=word.about, help=word.text)
    add("--qty", metavar="COINS", help="with --adopt: how much of it (default: all that nobody here manages)")
    add("--price", metavar="USD", help="with --adopt: what a coin of it cost (default: the venue's average)")
    add("--yes", action="store_true", help="with --adopt, --release or --kill: do what was shown")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code: 0 done, 1 not done or something is wrong (said why), 2 wrong input."""
    asked = _understood(argv)
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
        if asked.doctor and asked.json:
            print(doctor.wrong_input(error.problems).json())
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        return BAD_INPUT
    except JournalError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _understood(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; end the program with code 2 where words do not go together."""
    asked = parser().parse_args(argv)
    several = [_flag(name) for name in (*OF_THE_JOURNAL, *OF_THE_STRATEGIES, *WORDS) if _given(asked, name)]
    if len(several) > 1:
        parser().error(f"{' and '.join(several)} do not go together: one question or command at a time")
    if asked.adopt is None and (asked.qty is not None or asked.price is not None):
        parser().error("--qty and --price go with --adopt")
    if asked.json and not (asked.report or asked.equity or asked.doctor):
        parser().error("--json goes with --report, --equity or --doctor")
    if (asked.strategy or asked.maker) and (word := next((name for name in WORDS if name != "adopt" and _given(asked, name)), None)):
        parser().error(f"--strategy and --maker do not narrow {_flag(word)}: leave them out")
    if asked.canary and not asked.doctor:
        parser().error("--canary goes with --doctor")
    if asked.yes and asked.adopt is None and asked.release is None and asked.kill is None:
        parser().error("--yes goes with --adopt, --release or --kill")
    return asked


def _dispatch(asked: argparse.Namespace) -> int:
    settings = _settings(asked, trades=not _only_looks(asked))
    home = home_of(settings)
    command = next((_command(word, target, asked) for name, word in WORDS.items() if (target := getattr(asked, name)) is not None), None)
    if command is not None:
        return _send(command, settings, home)
    if asked.strategy and (asked.status or asked.report or asked.equity):
        raise ConfigError("--strategy does not narrow --status, --report or --equity: leave it out; a report has totals for each")
    question = next((question for name, question in OF_THE_JOURNAL.items() if _given(asked, name)), None)
    if question is not None:
        return _print(question(asked, settings, home))
    wish = wish_of(asked.strategy, asked.maker, asked.strategies_file, dry_run=asked.dry_run)
    return _asked_of_strategies(asked, settings, home, wish) if _only_looks(asked) else _run(settings, home, wish)


def _asked_of_strategies(asked: argparse.Namespace, settings: Settings, home: Path, wish: Wish) -> int:
    if asked.list:
        return _print(inquiries.strategies(wish.strategies, wish.problems, wish.makers))
    problems = (*wish.problems, *inquiries.unnamed(settings, named=wish.named))
    if asked.doctor:
        return _diagnose(asked, settings, home, wish.strategies, problems)
    return _print(inquiries.check(settings, home, wish.strategies, problems, wish.makers))


def _only_looks(asked: argparse.Namespace) -> bool:
    """Tell whether nothing is traded by this call: a question, or a word left for the running daemon."""
    return any(_given(asked, name) for name in (*OF_THE_JOURNAL, *OF_THE_STRATEGIES, *WORDS))


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _given(asked: argparse.Namespace, name: str) -> bool:
    return getattr(asked, name) not in (None, False)


def _print(told: Told) -> int:
    for text in told.lines:
        print(text)
    for problem in told.problems:
        print(f"error: {problem}", file=sys.stderr)
    return told.exit_code


def _diagnose(asked: argparse.Namespace, settings: Settings, home: Path, chosen: Sequence[StrategyConfig], problems: Sequence[str]) -> int:
    logger.remove()  # findings say it; --json has standard output to itself
    found = doctor.run(settings, home, chosen, problems, canary=asked.canary, live=asked.live, env_file=asked.env_file or usual_env_file())
    print(found.json() if asked.json else "\n".join(found.lines()))
    return found.exit_code


def _settings(asked: argparse.Namespace, *, trades: bool) -> Settings:
    flags = {_flag(name): getattr(asked, name) for name in ("state_dir", "paper_market", "paper_speed")}
    given = {flag: value for flag, value in flags.items() if value is not None}
    env_file, live = asked.env_file or usual_env_file(), asked.live if trades or asked.live else None
    return load_settings(given, os.environ, env_file, asked.profile, live=live, besides=_wrong_addresses if trades else None)


def _wrong_addresses(settings: Settings) -> Sequence[str]:
    return address_problems(settings.alert_addresses)


def _command(word: Word, target: str, asked: argparse.Namespace) -> Command:
    """Return a command as it is left for the daemon; raise ConfigError for one that cannot be meant."""
    if word.about == "TRADE" and not target.isdecimal():
        raise ConfigError(f"--{word.verb.words} {target}: a trade is named by its number, see --status")
    details = {name: _readable(name, value) for name in ("qty", "price") if (value := getattr(asked, name)) is not None}
    if word.verb is Verb.ADOPT:
        if len(asked.strategy) != 1:
            raise ConfigError(f"--adopt {target}: name the one strategy whose exits shall watch it, with --strategy NAME")
        details["strategy"] = asked.strategy[0]
    return Command(verb=word.verb, target=target, details=details, confirmed=asked.yes)


def _readable(name: str, text: str) -> str:
    """Return a number as it was written; raise ConfigError for one that is none, or that nobody can mean."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ConfigError(f"--{name} {text}: not a number") from None
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or max(abs(exponent), abs(number.adjusted())) > MOST_DIGITS:
        raise ConfigError(f"--{name} {text}: not a number of up to {MOST_DIGITS} digits before and after the point")
    return text


def _send(command: Command, settings: Settings, home: Path) -> int:
    """Leave a command for the daemon and tell its answer; 1 where it was refused, or where nobody answered."""
    box = ControlBox(home)
    try:
        file = box.put(command)
    except OSError as error:
        why = error.strerror or error
        return _unheard(f"the command cannot be left in {home / 'commands'}: {why}; {_by_signal(settings, home)}")
    print(f"left for the daemon of {settings.environment} in {home}: {command}", flush=True)
    answer = box.wait(file, LOOKED_FOR if inquiries.holder_of(settings, home).gone else ANSWER_WITHIN)
    if answer is not None:
        print(answer.said)
        return 0 if answer.done else REFUSED
    if inquiries.holder_of(settings, home).gone:
        return _unheard(f"no daemon runs in {home}: {_what_becomes_of(command, box, file)}; {BY_HAND}")
    return _unheard("no answer yet: it is obeyed as soon as the daemon is free, see its log")


def _what_becomes_of(command: Command, box: ControlBox, file: Path) -> str:
    """Say what becomes of a command that nobody has heard; one that is meant for this moment only is taken back."""
    if command.verb in MEANT_NOW or command.verb in MEANT_FOR:
        box.withdraw(file)
        return "nothing happens, and the command is taken back"
    return f"nothing happens before its next start (to take it back: rm {file})"


def _unheard(said: str) -> int:
    print(f"error: {said}", file=sys.stderr)
    return REFUSED


def _by_signal(settings: Settings, home: Path) -> str:
    """Say how everything is stopped where no command can be left: a signal needs no disk."""
    process = inquiries.holder_of(settings, home).process
    return f"no daemon is seen to run there: {BY_HAND}" if process is None else f"throw the kill switch with `kill -USR1 {process}`"


def _run(settings: Settings, home: Path, wish: Wish) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # until the daemon takes both signals, either interrupts the start
    logbook.set_up(settings.log_dir, settings.log_level, terminal=True, secrets=settings.secrets)
    _refuse_what_cannot_run(settings, wish)
    context, exchange = assembled(settings, home, wish.strategies, policies=wish.makers)
    if wish.problems:
        hint = "mend it and restart; until then it enters no more, and no exit of it watches what is open"
        context.alerts.alert(Severity.WARNING, "strategy not loaded", "; ".join(wish.problems), hint)
    Daemon(context, ControlBox(home), exchange).run()
    return 0


def _refuse_what_cannot_run(settings: Settings, wish: Wish) -> None:
    """Raise ConfigError for whatever can be known to be wrong before an exchange is started or asked."""
    for problem in wish.problems:
        logger.error("strategy not loaded {}", problem)
    if wish.problems and not wish.strategies:
        raise ConfigError("no strategy could be loaded; nothing to run")
    if wrong := inquiries.unnamed(settings, named=wish.named):
        raise ConfigError(wrong)
    if settings.environment is Environment.PRODUCTION:
        logger.warning("production: orders trade real money at {}", settings.base_url)


if __name__ == "__main__":
    sys.exit(main())
