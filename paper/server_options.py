"""The command line of the paper exchange, checked as one: every problem found is told in one clear sentence."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import NoReturn

from domain import decimal_of
from errors import ConfigError
from paper.exchange import AccountSpec
from paper.makers import MOST_MAKERS, MakerModel
from paper.opening import DEMO, SYNTHETIC, ExchangeOptions
from paper.rules import BlockRules, Ids, Rules
from paper.server import ServerPolicy
from paper.server_gate import GatePolicy

LOOPBACK = ("127.0.0.1", "localhost", "::1")


ACCOUNTS = "PAPER_ACCOUNTS"  # accounts as of --account, separated by blanks: an environment is not shown to other users as arguments are


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Where to listen and what to serve."""

    host: str
    port: int
    exchange: ExchangeOptions
    server: ServerPolicy
    parent_pipe: bool
    ready_file: Path | None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message} (python -m paper --help lists what can be given)")


def read_options(arguments: Sequence[str]) -> Options:
    """Read the command line; raise ConfigError for what cannot be used."""
    given = _parser().parse_args(arguments)
    if given.host not in LOOPBACK and not given.allow_remote:
        raise ConfigError(f"--host {given.host} is open to other machines, and the paper exchange has no password: add --allow-remote")
    makers = frozenset(given.market_maker)
    accounts = [
        *(_account(text, makers) for text in (*given.account, *os.environ.get(ACCOUNTS, "").split())),
        *(_account(text, makers, read_only=True) for text in given.read_only_account),
    ]
    return Options(
        host=given.host,
        port=given.port,
        exchange=ExchangeOptions(
            market=given.market,
            seed=given.seed,
            speed=given.speed,
            market_start=given.market_start,
            wall_start=given.wall_start,
            state_dir=given.state_dir,
            accounts=tuple(accounts) or (DEMO,),
            rules=Rules(block=_block_rules(given)),
            makers=MakerModel(number=given.makers) if given.makers > 0 else None,
        ),
        server=ServerPolicy(
            gate=GatePolicy(lenient=not given.strict_signatures, rate_limits=not given.no_rate_limits),
            latency=given.latency_ms / 1000,
            control=given.control,
        ),
        parent_pipe=given.parent_pipe,
        ready_file=given.ready_file,
    )


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m paper", description="A paper exchange that speaks Coincall's REST interface.")
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    add("--port", type=_port, default=0, help="port to listen on; 0 takes any that is free")
    add("--market", default=SYNTHETIC, help=f"{SYNTHETIC}, or a directory of recordings")
    add("--seed", type=int, default=1, help="which synthetic market, and what is modelled of a recorded one (1)")
    add("--speed", type=_above_zero, default=1.0, help="seconds of market time per second of the wall (1)")
    add("--market-start", type=_moment, help="market time at --wall-start, ISO 8601 with offset")
    add("--wall-start", type=_moment, help="wall time at which the market's clock starts, ISO 8601 with offset (now)")
    add("--state-dir", type=Path, help="where everything is kept across restarts; without it in memory only")
    add("--account", action="append", default=[], metavar="NAME:KEY:SECRET[:CASH]", help="an account and its first USDT (100000)")
    add("--read-only-account", action="append", default=[], metavar="NAME:KEY:SECRET[:CASH]", help="a key that may only read")
    add("--market-maker", action="append", default=[], metavar="NAME", help="an account that may send batches")
    add("--no-rate-limits", action="store_true", help="answer any number of requests")
    add("--strict-signatures", action="store_true", help="accept documented signatures only")
    add("--latency-ms", type=_not_negative, default=0.0, help="hold each answer back by so many real milliseconds")
    add("--control", action="store_true", help="serve /paper/faults and /paper/ledger, for rehearsals")
    add("--allow-remote", action="store_true", help="allow an address that other machines reach")
    add("--parent-pipe", action="store_true", help="end when standard input does")
    add("--ready-file", type=Path, help="file to write, once listening, with url, pid and clock as JSON")
    _add_board(parser)
    return parser


def _add_board(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--makers", type=_count, default=MakerModel().number, help="how many simulated makers answer requests for quotes (4)")
    add("--no-makers", action="store_const", const=0, dest="makers", help="none: only accounts that are makers answer")
    add("--rfq-min-notional", type=_usd, default=BlockRules().min_notional, help="least strike x coins of a request, USD (50000)")
    add("--rfq-ids", choices=list(Ids), default=Ids.DOCUMENTED, help="how block ids are written (documented)")
    add("--rfq-strict-forms", action="store_true", help="refuse JSON on request cancel and accept with 10004")
    add("--rfq-strict-json", action="store_true", help="refuse a form on quote/cancel with 10000")
    add("--rfq-one-quote", action="store_true", help="one open quote per maker and request, not one per side")
    add("--rfq-any-side", action="store_true", help="take requests of which every leg is a SELL")
    add("--no-rfq-list", action="store_true", help="rfqList is HTTP 404 to accounts that are no makers")


def _block_rules(given: argparse.Namespace) -> BlockRules:
    return BlockRules(
        min_notional=given.rfq_min_notional,
        sells_refused=not given.rfq_any_side,
        quote_per_side=not given.rfq_one_quote,
        takers_may_list=not given.no_rfq_list,
        forms_only=given.rfq_strict_forms,
        json_only=given.rfq_strict_json,
        ids=Ids(given.rfq_ids),
    )


def _account(text: str, makers: frozenset[str], *, read_only: bool = False) -> AccountSpec:
    name, *rest = text.split(":")
    if len(rest) not in {2, 3} or not name or not all(rest):
        raise ConfigError(f"account {name or '?'} is not written NAME:KEY:SECRET or NAME:KEY:SECRET:CASH")
    cash = DEMO.cash
    if len(rest) == 3:
        cash = _cash(name, rest[2])
    return AccountSpec(name=name, key=rest[0], secret=rest[1], cash=cash, read_only=read_only, market_maker=name in makers)


def _cash(name: str, text: str) -> Decimal:
    try:
        cash = decimal_of(text)
    except ValueError:
        raise ConfigError(f"account {name}: its cash {text} is not a number") from None
    if cash < 0:
        raise ConfigError(f"account {name}: its cash {text} is below zero")
    return cash


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port from 0 to 65535")
    return port


def _count(text: str) -> int:
    number = int(text)
    if not 0 <= number <= MOST_MAKERS:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 to {MOST_MAKERS}")
    return number


def _usd(text: str) -> Decimal:
    amount = decimal_of(text)
    if amount < 0:
        raise argparse.ArgumentTypeError(f"{text} is below zero")
    return amount


def _above_zero(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number above zero")
    return number


def _not_negative(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not zero or more")
    return number


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not a moment such as 2026-03-01T08:00:00+00:00") from None
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text} has no offset: write 2026-03-01T08:00:00+00:00")
    return moment
