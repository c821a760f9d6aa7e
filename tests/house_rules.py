"""The house rules: floors, rooms of third parties, budgets, docs that must exist.

Each rule is a function from a project's root to the list of its breaches.
"""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.house import FLOORS, Module, all_modules, house_of, mistake_in, sources

PURE_BELOW = 8

# The paper exchange stands beside the house: what it may know of us, and who may know of it.
PAPER_MAY_IMPORT = frozenset({"errors", "clock", "domain", "auth"})
PAPER_IMPORTERS = frozenset({"context", "backtest"})

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


# ---- the rules


def every_module_can_be_read(root: Path) -> list[str]:
    """A file that does not parse is judged by no other rule."""
    return [f"{file.relative_to(root)}: {mistake}" for file in sources(root) if (mistake := mistake_in(file)) is not None]


def every_module_has_a_floor(root: Path) -> list[str]:
    """A file or package at the root that is on no floor is in nobody's plan."""
    return [m.at(1, f"{m.top} is on no floor; add it to FLOORS") for m in house_of(root) if m.floor is None]


def imports_go_down(root: Path) -> list[str]:
    """A module imports only from floors strictly below its own; paper and its importers keep to their own lists."""
    return [
        module.at(line, f"{module.top} may not import {target}")
        for module in house_of(root)
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
        for module in all_modules(root)
        if module.top not in {"tests", "benchmarks"}
        for line, name in module.imports()
        for party, rooms in ROOMS.items()
        if f"{name}.".startswith(f"{party}.") and not module.stands_in(rooms)
    ]


def only_the_clock_reads_time(root: Path) -> list[str]:
    """Whoever wants to know the time is given a Clock."""
    return [
        module.at(line, f"{name} outside clock.py")
        for module in all_modules(root)
        if module.top not in {"clock", "tests", "benchmarks"}
        for line, name in module.names()
        if name in REAL_TIME
    ]


def modules_are_short(root: Path) -> list[str]:
    """Nobody reads the 401st line, of a test no more than of what it tests."""
    sizes = ((module, len(module.text.splitlines())) for module in all_modules(root))
    return [module.at(size, f"{size} lines, at most {MAX_LINES}") for module, size in sizes if size > MAX_LINES]


def functions_are_short(root: Path) -> list[str]:
    """Statements are counted at every depth, the docstring too."""
    sizes = ((module, function, _statements(function)) for module in house_of(root) for function in module.functions())
    return [m.at(f.lineno, f"{f.name} has {size} statements, at most {MAX_STATEMENTS}") for m, f, size in sizes if size > MAX_STATEMENTS]


def _statements(function: ast.AST) -> int:
    return sum(isinstance(node, ast.stmt) for node in ast.walk(function)) - 1


def ports_are_small(root: Path) -> list[str]:
    """A port with more methods is two ports."""
    ports = [module for module in house_of(root) if module.top == "ports"]
    classes = [(module, node) for module in ports for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)]
    sizes = [(m, node, sum(isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) for n in node.body)) for m, node in classes]
    return [
        m.at(node.lineno, f"{node.name} has {size} methods, at most {MAX_PORT_METHODS}")
        for m, node, size in sizes
        if size > MAX_PORT_METHODS
    ]


def low_floors_know_their_types(root: Path) -> list[str]:
    """Any hides a decision that the low floors have to make."""
    low = (module for module in house_of(root) if module.floor is not None and module.floor < PURE_BELOW)
    return [module.at(line, "Any below floor 5") for module in low for line, name in module.names() if name == "typing.Any"]


def nothing_is_mocked(root: Path) -> list[str]:
    """Fakes with fault switches instead: a mock agrees with whatever is believed."""
    return [module.at(line, f"{name} is a mock") for module in all_modules(root) for line, name in _mocks(module)]


def _mocks(module: Module) -> Iterator[tuple[int, str]]:
    yield from ((line, name) for line, name in module.imports() if any(f"{name}.".startswith(f"{mock}.") for mock in MOCKS))
    yield from ((line, name) for line, name in module.names() if name.rpartition(".")[2] in MOCK_NAMES)
    yield from ((node.lineno, node.arg) for node in ast.walk(module.tree) if isinstance(node, ast.arg) and node.arg in MOCK_NAMES)


def nothing_is_unfinished(root: Path) -> list[str]:
    """A note to do it later is an issue, not a comment; a body that only refuses is no body."""
    notes = [
        module.at(line, f"unfinished: {found.group()}")
        for module in all_modules(root)
        for line, text in (*module.comments(), *module.docstrings())
        if (found := UNFINISHED.search(text))
    ]
    refusals = [m.at(line, name) for m in all_modules(root) for line, name in m.names() if name == "NotImplementedError"]
    return notes + refusals


def checkers_are_silenced_one_rule_at_a_time(root: Path) -> list[str]:
    """A silenced rule is named; a broad except also says why."""
    return [
        module.at(line, f"name the rule, and for BLE001 the reason: {comment}")
        for module in all_modules(root)
        for line, comment in module.comments()
        if BLANKET.search(comment)
    ]


def nobody_prints(root: Path) -> list[str]:
    """Standard output belongs to the program's face; everyone else logs."""
    modules = (m for m in all_modules(root) if m.top != "tests" and not m.stands_in(MAY_PRINT))
    return [
        module.at(line, "print outside main and paper/__main__") for module in modules for line, name in module.names() if name == "print"
    ]


def no_name_shadows_the_standard_library(root: Path) -> list[str]:
    """In a flat root a file named queue.py breaks whoever imports queue."""
    tops = {module.top for module in all_modules(root)} & sys.stdlib_module_names
    return [f"{top} shadows the standard library" for top in sorted(tops)]


def every_module_says_what_it_is_for(root: Path) -> list[str]:
    """The first line of a module tells its subject."""
    return [module.at(1, "no module docstring") for module in house_of(root) if not ast.get_docstring(module.tree)]


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
    house = house_of(root)
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
