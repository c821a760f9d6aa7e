"""The house rules, enforced with nothing but ast: floors, rooms of third parties, budgets, docs that must exist.

Each rule is a function from a project's root to the list of its breaches. The real root must have none; below, each rule is shown
a tiny planted project that breaks it, and must say so.
"""

import ast
import io
import os
import re
import subprocess
import sys
import tokenize
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# A module imports only from floors strictly below its own. Everything at the root stands here; analytics, alerts, scheduling and
# status are permitted names that need not exist.
FLOORS: Mapping[str, int] = {
    name: floor
    for floor, names in enumerate(
        (
            "errors clock",
            "domain",
            "events",
            "ports config auth conditions option_selection logbook order_ledger",
            "trade_lifecycle risk trading_state journal_schema",
            "execution execution_quality flatness margin_watch",
            "legging routing chunking quote_gate rfq_story kill_switch quote_pricing quote_limits quote_records",
            "order_gate order_post",
            "market_data account_manager journal trade_execution exchanges alerts workers control paper_process"
            " trade_book exit_watch settling position_check execution_log notify past_orders freshness",
            "live_feed dead_man block_trades request_watch request_fate leg_orders naked_leg_guard execution_watch"
            " differences frozen_marks",
            "limit_execution multileg_orderbook rfq difference_book doubts own_quotes",
            "execution_desk quote_execution quote_requests",
            "pace",
            "trading_desk",
            "by_hand",
            "lifecycle_manager",
            "strategy scheduling script_driver command_desk reconciliation rfq_maker",
            "strategies",
            "venue_desk wiring safety_desk",
            "context status paper report equity housekeeping",
            "commands",
            "daemon backtest dashboard scripting doctor inquiries",
            "main",
        )
    )
    for name in names.split()
}
PURE_BELOW = 8

# The paper exchange stands beside the house: what it may know of us, and who may know of it.
PAPER_MAY_IMPORT = frozenset({"errors", "clock", "domain", "auth"})
PAPER_IMPORTERS = frozenset({"context", "backtest"})

# Not on a floor. Tests and benchmarks may use anything but mocks; migrations keep to the rooms.
BESIDE_THE_HOUSE = frozenset({"tests", "benchmarks", "docs", "migrations"})

# Third party (or standard library's network) -> the only places that may import it; a trailing * takes any ending.
ROOMS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("requests", "websocket", "urllib3", "urllib.request", "socket", "http"), ("exchanges",)),
    **dict.fromkeys(("pydantic", "pydantic_settings"), ("exchanges", "config", "paper/server*", "dashboard")),
    **dict.fromkeys(("sqlalchemy", "alembic"), ("journal", "migrations", "paper/store")),
    **dict.fromkeys(("fastapi", "starlette", "uvicorn"), ("dashboard", "paper/server*", "paper/__main__")),
    "polars": ("paper",),
    "apprise": ("notify",),
}

REAL_TIME = frozenset(
    {f"datetime.datetime.{name}" for name in ("now", "utcnow", "today")}
    | {"datetime.date.today"}
    | {f"time.{name}{unit}" for name in ("time", "monotonic", "perf_counter") for unit in ("", "_ns")}
    | {"time.sleep", "time.localtime", "time.gmtime", "time.ctime"}
)
MOCKS = frozenset({"mock", "unittest.mock", "pytest_mock"})
MOCK_NAMES = frozenset({"Mock", "MagicMock", "AsyncMock", "mocker"})
MAY_PRINT = ("main", "paper/__main__", "benchmarks")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
# Silencing a checker names what is silenced; silencing the broad-except rule also says why, after a dash or in brackets.
BLANKET = re.compile(r"#\s*(noqa(?!:\s?[A-Z])|type:\s*ignore(?!\[)|(noqa:\s?BLE001)\s*$)")

MAX_LINES, MAX_STATEMENTS, MAX_PORT_METHODS = 400, 25, 5

DOCS = (
    "README.md",
    "CHANGELOG.md",
    *(
        f"docs/{name}.md"
        for name in [
            "architecture",
            "glossary",
            "configuration",
            "strategy-guide",
            "exchanges/coincall",
            "paper-exchange",
            "runbook",
            "performance",
        ]
    ),
)
SETTINGS_STAND_IN = (".env.example", "docs/configuration.md")


# ---- reading a project


class Module:
    """One source file of a project: where it stands, and what it says."""

    def __init__(self, root: Path, path: Path) -> None:
        self.path = path.relative_to(root)
        self.place = self.path.with_suffix("").as_posix()
        self.top = self.place.partition("/")[0]
        self.text = path.read_text(encoding="utf-8")
        self.tree = ast.parse(self.text, str(path))
        self.aliases = dict(self._aliases())

    @property
    def floor(self) -> int | None:
        """The floor it stands on; None beside the house."""
        return FLOORS.get(self.top)

    @property
    def dotted(self) -> str:
        """The name that imports it."""
        return self.place.removesuffix("/__init__").replace("/", ".")

    def stands_in(self, rooms: tuple[str, ...]) -> bool:
        """Whether it is one of rooms, or lies inside one."""
        return any(f"{self.place}/".startswith(room[:-1] if room.endswith("*") else f"{room}/") for room in rooms)

    def imports(self) -> Iterator[tuple[int, str]]:
        """Each absolute name it imports, with the line; a name taken from a module counts as module.name."""
        for node in ast.walk(self.tree):
            match node:
                case ast.Import():
                    yield from ((node.lineno, alias.name) for alias in node.names)
                case ast.ImportFrom():
                    origin = self._origin(node)
                    yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)
                case ast.Call(func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__")):
                    yield from (
                        (node.lineno, arg.value) for arg in node.args[:1] if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
                    )

    def names(self) -> Iterator[tuple[int, str]]:
        """Each name and attribute it uses, spelled out from where it was imported."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name | ast.Attribute):
                yield node.lineno, self._spelled_out(node)

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Each function and method, nested ones too."""
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))

    def comments(self) -> Iterator[tuple[int, str]]:
        """Each comment with its line."""
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string

    def docstrings(self) -> Iterator[tuple[int, str]]:
        """Each docstring with the line of what it describes."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield getattr(node, "lineno", 1), ast.get_docstring(node) or ""

    def at(self, line: int, complaint: str) -> str:
        """A breach as a person wants to read it."""
        return f"{self.path}:{line}: {complaint}"

    def _origin(self, node: ast.ImportFrom) -> str:
        if node.level == 0:
            return node.module or ""
        package = self.path.parts[: -node.level]
        return ".".join((*package, *filter(None, (node.module,))))

    def _aliases(self) -> Iterator[tuple[str, str]]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.asname, alias.name) for alias in node.names if alias.asname)
            elif isinstance(node, ast.ImportFrom):
                yield from ((alias.asname or alias.name, f"{self._origin(node)}.{alias.name}") for alias in node.names)

    def _spelled_out(self, node: ast.expr) -> str:
        match node:
            case ast.Name(id=name):
                return self.aliases.get(name, name)
            case ast.Attribute(value=value, attr=attr):
                return f"{self._spelled_out(value)}.{attr}"
        return "?"


@cache
def _all_modules(root: Path) -> tuple[Module, ...]:
    return tuple(Module(root, file) for file in _sources(root) if _mistake(file) is None)


def _mistake(file: Path) -> str | None:
    try:
        ast.parse(file.read_bytes(), str(file))
    except (SyntaxError, ValueError) as error:
        return str(error)
    return None


def _sources(root: Path) -> list[Path]:
    tops = [p for p in sorted(root.iterdir()) if not p.name.startswith((".", "__")) and p.name not in {"data", "logs", "build"}]
    return [file for top in tops for file in ([top] if top.is_file() else sorted(top.rglob("*.py"))) if file.suffix == ".py"]


def _house(root: Path) -> list[Module]:
    return [module for module in _all_modules(root) if module.top not in BESIDE_THE_HOUSE]


# ---- the rules


def every_module_can_be_read(root: Path) -> list[str]:
    """A file that does not parse is judged by no other rule."""
    return [f"{file.relative_to(root)}: {mistake}" for file in _sources(root) if (mistake := _mistake(file)) is not None]


def every_module_has_a_floor(root: Path) -> list[str]:
    """A file or package at the root that is on no floor is in nobody's plan."""
    return [m.at(1, f"{m.top} is on no floor; add it to FLOORS") for m in _house(root) if m.floor is None]


def imports_go_down(root: Path) -> list[str]:
    """A module imports only from floors strictly below its own; paper and its importers keep to their own lists."""
    return [
        module.at(line, f"{module.top} may not import {target}")
        for module in _house(root)
        for line, target in ((line, name.partition(".")[0]) for line, name in module.imports())
        if target in FLOORS and target != module.top and not _may_import(module, target)
    ]


def _may_import(module: Module, target: str) -> bool:
    if module.top == "paper":
        return target in PAPER_MAY_IMPORT
    if target == "paper":
        return module.top in PAPER_IMPORTERS
    return module.floor is None or FLOORS[target] < module.floor


def third_parties_keep_to_their_rooms(root: Path) -> list[str]:
    """HTTP, wire models, SQL, the web framework and columns of data each have their place."""
    return [
        module.at(line, f"{party} belongs in {', '.join(rooms)}")
        for module in _all_modules(root)
        if module.top not in {"tests", "benchmarks"}
        for line, name in module.imports()
        for party, rooms in ROOMS.items()
        if f"{name}.".startswith(f"{party}.") and not module.stands_in(rooms)
    ]


def only_the_clock_reads_time(root: Path) -> list[str]:
    """Whoever wants to know the time is given a Clock."""
    return [
        module.at(line, f"{name} outside clock.py")
        for module in _all_modules(root)
        if module.top not in {"clock", "tests", "benchmarks"}
        for line, name in module.names()
        if name in REAL_TIME
    ]


def modules_are_short(root: Path) -> list[str]:
    """Nobody reads the 401st line."""
    sizes = ((module, len(module.text.splitlines())) for module in _house(root))
    return [module.at(size, f"{size} lines, at most {MAX_LINES}") for module, size in sizes if size > MAX_LINES]


def functions_are_short(root: Path) -> list[str]:
    """Statements are counted at every depth, the docstring too."""
    sizes = ((module, function, _statements(function)) for module in _house(root) for function in module.functions())
    return [m.at(f.lineno, f"{f.name} has {size} statements, at most {MAX_STATEMENTS}") for m, f, size in sizes if size > MAX_STATEMENTS]


def _statements(function: ast.AST) -> int:
    return sum(isinstance(node, ast.stmt) for node in ast.walk(function)) - 1


def ports_are_small(root: Path) -> list[str]:
    """A port with more methods is two ports."""
    ports = [module for module in _house(root) if module.top == "ports"]
    classes = [(module, node) for module in ports for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)]
    sizes = [(m, node, sum(isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) for n in node.body)) for m, node in classes]
    return [
        m.at(node.lineno, f"{node.name} has {size} methods, at most {MAX_PORT_METHODS}")
        for m, node, size in sizes
        if size > MAX_PORT_METHODS
    ]


def low_floors_know_their_types(root: Path) -> list[str]:
    """Any hides a decision that the low floors have to make."""
    low = (module for module in _house(root) if module.floor is not None and module.floor < PURE_BELOW)
    return [module.at(line, "Any below floor 5") for module in low for line, name in module.names() if name == "typing.Any"]


def nothing_is_mocked(root: Path) -> list[str]:
    """Fakes with fault switches instead: a mock agrees with whatever is believed."""
    return [module.at(line, f"{name} is a mock") for module in _all_modules(root) for line, name in _mocks(module)]


def _mocks(module: Module) -> Iterator[tuple[int, str]]:
    yield from ((line, name) for line, name in module.imports() if any(f"{name}.".startswith(f"{mock}.") for mock in MOCKS))
    yield from ((line, name) for line, name in module.names() if name.rpartition(".")[2] in MOCK_NAMES)
    yield from ((node.lineno, node.arg) for node in ast.walk(module.tree) if isinstance(node, ast.arg) and node.arg in MOCK_NAMES)


def nothing_is_unfinished(root: Path) -> list[str]:
    """A note to do it later is an issue, not a comment; a body that only refuses is no body."""
    notes = [
        module.at(line, f"unfinished: {found.group()}")
        for module in _all_modules(root)
        for line, text in (*module.comments(), *module.docstrings())
        if (found := UNFINISHED.search(text))
    ]
    refusals = [m.at(line, name) for m in _all_modules(root) for line, name in m.names() if name == "NotImplementedError"]
    return notes + refusals


def checkers_are_silenced_one_rule_at_a_time(root: Path) -> list[str]:
    """A silenced rule is named; a broad except also says why."""
    return [
        module.at(line, f"name the rule, and for BLE001 the reason: {comment}")
        for module in _all_modules(root)
        for line, comment in module.comments()
        if BLANKET.search(comment)
    ]


def nobody_prints(root: Path) -> list[str]:
    """Standard output belongs to the program's face; everyone else logs."""
    modules = (m for m in _all_modules(root) if m.top != "tests" and not m.stands_in(MAY_PRINT))
    return [
        module.at(line, "print outside main and paper/__main__") for module in modules for line, name in module.names() if name == "print"
    ]


def no_name_shadows_the_standard_library(root: Path) -> list[str]:
    """In a flat root a file named queue.py breaks whoever imports queue."""
    tops = {module.top for module in _all_modules(root)} & sys.stdlib_module_names
    return [f"{top} shadows the standard library" for top in sorted(tops)]


def every_module_says_what_it_is_for(root: Path) -> list[str]:
    """The first line of a module tells its subject."""
    return [module.at(1, "no module docstring") for module in _house(root) if not ast.get_docstring(module.tree)]


def the_docs_exist(root: Path) -> list[str]:
    """What is not written down has to be asked for at night."""
    missing = [f"{name} is missing or empty" for name in DOCS if not (root / name).is_file() or not (root / name).stat().st_size]
    decisions = [] if any(root.glob("docs/adr/*.md")) else ["docs/adr holds no decision"]
    return missing + decisions


def every_setting_is_documented(root: Path) -> list[str]:
    """Each variable that config.documented_settings() names stands in the example and in the manual."""
    told = _python(root, "import config; print(*config.documented_settings(), sep='\\n')")
    if told.returncode != 0 or not told.stdout.split():
        return [f"config.documented_settings() tells nothing: {told.stderr.strip()[-500:]}"]
    texts = {name: (root / name).read_text(encoding="utf-8") if (root / name).is_file() else "" for name in SETTINGS_STAND_IN}
    return [
        f"{setting} is not in {name}"
        for setting in told.stdout.split()
        for name, text in texts.items()
        if not re.search(rf"\b{re.escape(setting)}\b", text)
    ]


# Third parties come first, unwatched: urllib3 for one opens a socket to see whether the machine speaks IPv6.
_WATCHED_IMPORT = """
import contextlib, importlib, os, sys, threading
ours, theirs = (part.split() for part in sys.stdin.read().split("|"))
for name in theirs:
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
ACTS = {"socket.__new__", "socket.bind", "socket.connect", "sqlite3.connect", "subprocess.Popen", "os.mkdir", "os.remove"}
now = ""
def watch(event, args):
    if event in ACTS or (event == "open" and isinstance(args[2], int) and args[2] & WRITES):
        print(f"importing {now}: {event} {args[0]!r}")
sys.addaudithook(watch)
for now in ours:
    threads = threading.active_count()
    importlib.import_module(now)
    if threading.active_count() != threads:
        print(f"importing {now}: starts a thread")
if threading.active_count() != 1:
    print(f"after all imports: {threading.active_count()} threads")
"""


def nothing_happens_on_import(root: Path) -> list[str]:
    """Importing opens no file for writing and no socket, and starts no thread and no process."""
    house = _house(root)
    named = {name for module in house for _, name in module.imports() if name.partition(".")[0] not in FLOORS}
    theirs = named | {name.rpartition(".")[0] or name for name in named}
    told = _python(root, _WATCHED_IMPORT, " ".join(module.dotted for module in house) + "|" + " ".join(sorted(theirs)))
    failed = [f"importing fails: {told.stderr.strip()[-800:]}"] if told.returncode != 0 else []
    return told.stdout.splitlines() + failed


def _python(root: Path, program: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run program in a fresh interpreter that sees root and none of our settings."""
    quiet = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TRADING_", "COINCALL_", "COV", "COVERAGE"))
    }
    command = [sys.executable, "-B", "-c", program]
    return subprocess.run(command, cwd=root, input=stdin, env=quiet, capture_output=True, text=True, timeout=90, check=False)


Rule = Callable[[Path], list[str]]

RULES: tuple[Rule, ...] = (
    every_module_can_be_read,
    every_module_has_a_floor,
    imports_go_down,
    third_parties_keep_to_their_rooms,
    only_the_clock_reads_time,
    modules_are_short,
    functions_are_short,
    ports_are_small,
    low_floors_know_their_types,
    nothing_is_mocked,
    nothing_is_unfinished,
    checkers_are_silenced_one_rule_at_a_time,
    nobody_prints,
    no_name_shadows_the_standard_library,
    every_module_says_what_it_is_for,
    the_docs_exist,
    every_setting_is_documented,
    nothing_happens_on_import,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps(rule: Rule) -> None:
    breaches = rule(ROOT)

    if breaches:
        pytest.fail(f"{rule.__doc__}\n" + "\n".join(breaches), pytrace=False)


# ---- each rule fails when it should

CONFIG = "def documented_settings() -> tuple[str, ...]:\n    return ('TRADING_ENVIRONMENT',)\n"
SOUND: Mapping[str, str] = {
    **dict.fromkeys(DOCS, "words\n"),
    "docs/adr/0001-a-decision.md": "words\n",
    ".env.example": "TRADING_ENVIRONMENT=paper\n",
    "docs/configuration.md": "`TRADING_ENVIRONMENT`\n",
    "errors.py": '"""Doc."""\n',
    "clock.py": '"""Doc."""\nimport time\nfrom datetime import UTC, datetime\nNOW = (datetime.now(UTC), time.monotonic())\n',
    "domain/__init__.py": '"""Doc."""\nfrom domain import money\nimport errors\n',
    "domain/money.py": '"""Doc."""\nfrom datetime import datetime\nMIN = datetime.min\n',
    "config.py": f'"""Doc."""\nimport pydantic\n{CONFIG}',
    "ports.py": '"""Doc."""\nfrom typing import Protocol\nclass Five(Protocol):\n'
    + "".join(f"    def m{n}(self) -> None: ...\n" for n in range(5)),
    "journal.py": '"""Doc."""\nimport sqlalchemy\nfrom typing import Any\nX: Any = 1\n',
    "exchanges/__init__.py": '"""Doc."""\n',
    "exchanges/coincall/__init__.py": '"""Doc."""\nfrom exchanges.coincall import wire\nimport requests, websocket, auth\n',
    "exchanges/coincall/wire.py": '"""Doc."""\nfrom . import errors\nimport domain\n',
    "exchanges/coincall/errors.py": '"""Doc."""\n',
    "auth.py": '"""Doc."""\n',
    "paper/__init__.py": '"""Doc."""\nimport clock, domain, auth\n',
    "paper/server_rest.py": '"""Doc."""\nimport fastapi, pydantic\nfrom paper import store\n',
    "paper/store.py": '"""Doc."""\nimport polars\nfrom sqlalchemy import Table\n',
    "paper/__main__.py": '"""Doc."""\nif __name__ == "__main__":\n    print("listening")\n',
    "context.py": '"""Doc."""\nimport paper, journal, exchanges.coincall\n',
    "dashboard/__init__.py": '"""Doc."""\nimport fastapi\nimport context\n',
    "main.py": '"""Doc."""\nimport context\nprint\n',
    "migrations/env.py": "import alembic\n",
    "benchmarks/bench_x.py": "import time\nprint(time.perf_counter())\n",
    "tests/unit/test_x.py": "import socket, time\nT = time.time()\n",
    "data/ignored.py": "import unittest.mock\n",
}

LONG = "".join(f"    x{n} = {n}\n" for n in range(26))
# A rule, the file that breaks it, and the words by which the breach is told.
PLANTED: tuple[tuple[Rule, str, str, str], ...] = (
    (every_module_can_be_read, "risk.py", "def f(:", "risk.py: invalid syntax"),
    (every_module_has_a_floor, "newcomer.py", "", "newcomer is on no floor"),
    (every_module_has_a_floor, "parcel/inner.py", "", "parcel is on no floor"),
    (imports_go_down, "errors.py", "import domain", "errors may not import domain"),
    (imports_go_down, "risk.py", "from trade_lifecycle import TradeState", "risk may not import trade_lifecycle"),
    (imports_go_down, "domain/money.py", "def f():\n    from context import TradingContext", "domain may not import context"),
    (imports_go_down, "exchanges/coincall/client.py", "import journal", "exchanges may not import journal"),
    (
        imports_go_down,
        "strategy.py",
        "import importlib\nimportlib.import_module('strategies.straddle')",
        "strategy may not import strategies",
    ),
    (imports_go_down, "paper/engine.py", "from events import OrderFilled", "paper may not import events"),
    (imports_go_down, "main.py", "from paper import server", "main may not import paper"),
    (third_parties_keep_to_their_rooms, "context.py", "import requests", "requests belongs in exchanges"),
    (third_parties_keep_to_their_rooms, "main.py", "from urllib.request import urlopen", "urllib.request belongs in exchanges"),
    (third_parties_keep_to_their_rooms, "alerts.py", "import http.client", "http belongs in exchanges"),
    (third_parties_keep_to_their_rooms, "domain/money.py", "from pydantic import BaseModel", "pydantic belongs in"),
    (third_parties_keep_to_their_rooms, "paper/engine.py", "import pydantic", "pydantic belongs in"),
    (third_parties_keep_to_their_rooms, "paper/engine.py", "import sqlalchemy.orm", "sqlalchemy belongs in journal"),
    (third_parties_keep_to_their_rooms, "status.py", "import uvicorn", "uvicorn belongs in dashboard"),
    (third_parties_keep_to_their_rooms, "backtest.py", "import polars", "polars belongs in paper"),
    (only_the_clock_reads_time, "risk.py", "from datetime import UTC, datetime\nN = datetime.now(UTC)", "datetime.datetime.now"),
    (only_the_clock_reads_time, "risk.py", "import datetime as dt\nN = dt.date.today()", "datetime.date.today"),
    (only_the_clock_reads_time, "paper/engine.py", "from time import sleep as rest\nrest(1)", "time.sleep"),
    (only_the_clock_reads_time, "status.py", "import time\nf = dict(key=time.monotonic)", "time.monotonic"),
    (modules_are_short, "risk.py", "#\n" * 401, "401 lines, at most 400"),
    (functions_are_short, "risk.py", f"def f():\n{LONG}", "f has 26 statements, at most 25"),
    (functions_are_short, "risk.py", f"class A:\n  async def f(self):\n   def g():\n{LONG}", "f has 27 statements"),
    (ports_are_small, "ports.py", "class P:\n" + "".join(f"    def m{n}(self): ...\n" for n in range(6)), "P has 6 methods"),
    (low_floors_know_their_types, "domain/money.py", "from typing import Any\nx: Any = 1", "Any below floor 5"),
    (low_floors_know_their_types, "risk.py", "import typing as t\nx: list[t.Any] = []", "Any below floor 5"),
    (nothing_is_mocked, "tests/unit/test_y.py", "from unittest import mock", "unittest.mock is a mock"),
    (nothing_is_mocked, "tests/unit/test_y.py", "def test_f(mocker): ...", "mocker is a mock"),
    (nothing_is_mocked, "benchmarks/bench_y.py", "from unittest.mock import MagicMock", "unittest.mock.MagicMock is a mock"),
    (nothing_is_unfinished, "risk.py", "# TODO: think", "unfinished: TODO"),
    (nothing_is_unfinished, "risk.py", 'def f():\n    """FIXME one day."""', "unfinished: FIXME"),
    (nothing_is_unfinished, "tests/test_y.py", "def f():\n    raise NotImplementedError", "NotImplementedError"),
    (checkers_are_silenced_one_rule_at_a_time, "risk.py", "x = 1  # type: ignore", "name the rule"),
    (checkers_are_silenced_one_rule_at_a_time, "risk.py", "x = 1  # noqa", "name the rule"),
    (checkers_are_silenced_one_rule_at_a_time, "risk.py", "x = 1  # noqa: BLE001", "for BLE001 the reason"),
    (nobody_prints, "risk.py", "print('x')", "print outside"),
    (nobody_prints, "paper/engine.py", "print('x')", "print outside"),
    (no_name_shadows_the_standard_library, "queue.py", "", "queue shadows"),
    (no_name_shadows_the_standard_library, "secrets/__init__.py", "", "secrets shadows"),
    (every_module_says_what_it_is_for, "risk.py", "x = 1", "no module docstring"),
    (the_docs_exist, "docs/runbook.md", "", "docs/runbook.md is missing or empty"),
    (every_setting_is_documented, ".env.example", "TRADING_ENVIRONMENT_2=x", "TRADING_ENVIRONMENT is not in .env.example"),
    (every_setting_is_documented, "docs/configuration.md", "x", "TRADING_ENVIRONMENT is not in docs/configuration.md"),
    (every_setting_is_documented, "config.py", "x = 1", "documented_settings() tells nothing"),
    (nothing_happens_on_import, "risk.py", "open('trace.txt', 'w')", "importing risk: open 'trace.txt'"),
    (nothing_happens_on_import, "risk.py", "import socket\nsocket.socket()", "importing risk: socket.__new__"),
    (nothing_happens_on_import, "risk.py", "import sqlite3\nsqlite3.connect(':memory:')", "importing risk: sqlite3.connect"),
    (
        nothing_happens_on_import,
        "risk.py",
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()",
        "importing risk: starts a thread",
    ),
    (nothing_happens_on_import, "risk.py", "1 / 0", "importing fails"),
)


def a_project(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_sound_project_passes(rule: Rule, tmp_path: Path) -> None:
    assert rule(a_project(tmp_path, SOUND)) == []


@pytest.mark.parametrize(("rule", "name", "text", "told"), PLANTED, ids=[f"{rule.__name__}-{name}" for rule, name, _, _ in PLANTED])
def test_a_planted_breach_is_told(rule: Rule, name: str, text: str, told: str, tmp_path: Path) -> None:
    breaches = rule(a_project(tmp_path, {**SOUND, name: text}))

    assert any(told in breach for breach in breaches), breaches


@pytest.mark.parametrize("gone", ["README.md", "docs/adr/0001-a-decision.md", ".env.example"])
def test_a_missing_document_is_told(gone: str, tmp_path: Path) -> None:
    root = a_project(tmp_path, {name: text for name, text in SOUND.items() if name != gone})

    assert the_docs_exist(root) + every_setting_is_documented(root)


def test_every_rule_has_a_planted_breach() -> None:
    assert {rule for rule, _, _, _ in PLANTED} == set(RULES)
