"""The house as it stands on disk: which module has which floor, and what one source file says. Read with nothing but ast."""

import ast
import io
import tokenize
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

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
            "order_gate order_post refusals",
            "market_data account_manager journal trade_execution exchanges alerts workers control paper_process"
            " trade_book exit_watch settling position_check execution_log notify past_orders freshness",
            "live_feed dead_man block_trades request_watch request_fate leg_orders naked_leg_guard execution_watch"
            " differences frozen_marks",
            "limit_execution multileg_orderbook rfq difference_book doubts rounds own_quotes",
            "execution_desk quote_execution quote_requests",
            "pace",
            "trading_desk",
            "by_hand",
            "lifecycle_manager",
            "strategy scheduling script_driver command_desk reconciliation rfq_maker",
            "strategies",
            "venue_desk wiring safety_desk roster",
            "context status paper report equity housekeeping",
            "commands",
            "daemon backtest dashboard scripting doctor inquiries",
            "main",
        )
    )
    for name in names.split()
}

# Not on a floor. Tests and benchmarks may use anything but mocks; migrations keep to the rooms.
BESIDE_THE_HOUSE = frozenset({"tests", "benchmarks", "docs", "migrations"})


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
def all_modules(root: Path) -> tuple[Module, ...]:
    """Return every source file of a project that can be read, tests included."""
    return tuple(Module(root, file) for file in sources(root) if mistake_in(file) is None)


def mistake_in(file: Path) -> str | None:
    """Return why a file does not parse; None if it does."""
    try:
        ast.parse(file.read_bytes(), str(file))
    except (SyntaxError, ValueError) as error:
        return str(error)
    return None


def sources(root: Path) -> list[Path]:
    """Return every source file of a project, whether or not it can be read."""
    tops = [p for p in sorted(root.iterdir()) if not p.name.startswith((".", "__")) and p.name not in {"data", "logs", "build"}]
    return [file for top in tops for file in ([top] if top.is_file() else sorted(top.rglob("*.py"))) if file.suffix == ".py"]


def house_of(root: Path) -> list[Module]:
    """Return what stands on a floor, or ought to."""
    return [module for module in all_modules(root) if module.top not in BESIDE_THE_HOUSE]
