"""What the documents say is held against the program: examples run, links lead somewhere, flags, modules and alerts are told of."""

import argparse
import ast
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import main
from alerts import AlertDesk
from clock import SimulatedClock
from domain import Chain, Option, OrderBook, Quote
from market_data import MarketData
from strategy import StrategyConfig
from workers import InlinePool

from tests.unit.chains import NOW, a_chain

ROOT = Path(__file__).resolve().parent.parent
MANUALS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
BESIDE_THE_HOUSE = frozenset({"tests", "benchmarks", "migrations", "docs", "logs", "state"})


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def python_blocks(name: str) -> list[str]:
    blocks = ((indent, code) for indent, language, code in BLOCK.findall(text_of(name)) if language == "python")
    return [re.sub(f"^{indent}", "", code, flags=re.MULTILINE) for indent, code in blocks]


def prose_of(file: Path) -> str:
    return BLOCK.sub("", file.read_text(encoding="utf-8"))


def headings_of(file: Path) -> set[str]:
    """Return the anchors of a file's headings, as GitHub forms them."""
    titles = re.findall(r"^#+ (.+)$", prose_of(file), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.replace("`", "").strip().lower()).replace(" ", "-") for title in titles}


def dead_links(file: Path) -> Iterator[str]:
    for target in LINK.findall(prose_of(file)):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        there = file if not path else (file.parent / path).resolve()
        if not there.exists():
            yield f"{target}: there is no {path}"
        elif anchor and anchor not in headings_of(there):
            yield f"{target}: {there.name} has no such heading"


def flags_of(parser: argparse.ArgumentParser) -> set[str]:
    given = {flag for action in parser._actions for flag in action.option_strings}
    return {flag for flag in given if flag.startswith("--")} - {"--help"}


def house() -> list[str]:
    """Return every module and package at the root."""
    modules = [file.stem for file in ROOT.glob("*.py")]
    packages = [file.parent.name for file in ROOT.glob("*/*.py") if not file.parent.name.startswith(".")]
    return sorted({*modules, *packages} - BESIDE_THE_HOUSE)


def alert_causes() -> dict[str, str]:
    """Return the fixed beginning of every cause that the program gives to an alert, and the module that gives it."""
    causes: dict[str, str] = {}
    for name in house():
        for file in [ROOT / f"{name}.py"] if (ROOT / f"{name}.py").exists() else sorted((ROOT / name).rglob("*.py")):
            for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if (
                    isinstance(call, ast.Call)
                    and isinstance(call.func, ast.Attribute)
                    and call.func.attr == "alert"
                    and len(call.args) == 4
                ):
                    causes[beginning_of(call.args[1])] = file.name
    return causes


def beginning_of(text: ast.expr) -> str:
    first = text.values[0] if isinstance(text, ast.JoinedStr) else text
    return str(first.value).strip() if isinstance(first, ast.Constant) else ""


# ---- examples


def test_the_strategy_of_the_readme_is_built_as_it_stands() -> None:
    [code] = python_blocks("README.md")
    names: dict[str, object] = {}

    exec(compile(code, "README.md", "exec"), names)

    factories = names["STRATEGIES"]
    assert isinstance(factories, list)
    [config] = [factory() for factory in factories]
    assert isinstance(config, StrategyConfig)
    assert config.name == "my_strategy"


def test_the_strategy_of_the_readme_passes_the_check_of_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    [code] = python_blocks("README.md")
    (tmp_path / "my_strategies.py").write_text(code, encoding="utf-8")

    status = main.main(["--strategies-file", "my_strategies.py", "--check"])

    assert status == 0, capsys.readouterr().err
    assert "strategies  my_strategy" in capsys.readouterr().out


def test_every_example_of_the_strategy_guide_runs() -> None:
    for code in python_blocks("docs/strategy-guide.md"):
        exec(compile(code, "docs/strategy-guide.md", "exec"), {})


def test_the_readme_and_the_guide_show_the_same_first_strategy() -> None:
    def declared(name: str) -> str:
        return next(part for code in python_blocks(name) if (part := code.partition("def my_strategy")[2]))

    assert declared("README.md").partition("STRATEGIES")[0].split() == declared("docs/strategy-guide.md").split()


class FakeVenue:
    """A venue with one usual chain, which it tells of at once."""

    def instruments(self, _: str, /) -> Sequence[Option]:
        return [quote.option for quote in a_chain().quotes]

    def chain(self, underlying: str, listed: Sequence[Option], expiry: datetime | None = None, /) -> Chain:
        wanted = [quote for quote in a_chain().quotes if quote.option in listed and expiry in (None, quote.option.expiry)]
        return a_chain(wanted, underlying=underlying)

    def book(self, symbol: str, /) -> OrderBook:
        return OrderBook(symbol=symbol, at=NOW)

    def index(self, _: str, /) -> tuple[Decimal, datetime]:
        return Decimal(100_000), NOW


def test_the_script_of_the_page_on_scripts_runs_as_it_stands() -> None:
    connect, ask = python_blocks("docs/scripting.md")
    names: dict[str, object] = {}
    exec(compile(connect, "docs/scripting.md", "exec"), names)  # connects to nothing
    assert isinstance(names["market"], MarketData)
    clock = SimulatedClock(NOW)
    alerts = AlertDesk(None, clock, timedelta(minutes=5))

    names.update(clock=clock, market=MarketData(FakeVenue(), InlinePool(), clock, alerts))
    exec(compile(ask, "docs/scripting.md", "exec"), names)

    put, details, book, plans = (names[name] for name in ("put", "details", "book", "plans"))
    assert isinstance(put, Quote)
    assert isinstance(book, OrderBook)
    assert isinstance(plans, tuple)
    assert details == put
    assert book.symbol == put.option.symbol == "BTCUSD-27MAR26-96000-P"
    assert names["index"] == 100_000
    assert [str(plan.option.expiry.date()) for plan in plans] == ["2026-03-27", "2026-04-17", "2026-03-21"]


# ---- what is told of


@pytest.mark.parametrize("file", MANUALS, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(file: Path) -> None:
    assert list(dead_links(file)) == []


def test_every_flag_is_in_the_readme_or_the_runbook() -> None:
    told = text_of("README.md") + text_of("docs/runbook.md")

    missing = {flag for flag in flags_of(main.parser()) if not re.search(rf"{flag}(?![\w-])", told)}

    assert missing == set()


def test_the_readme_tells_of_no_flag_that_does_not_exist() -> None:
    told = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", text_of("README.md")))

    assert told - flags_of(main.parser()) == set()


@pytest.mark.parametrize("module", house())
def test_every_module_at_the_root_is_in_the_architecture(module: str) -> None:
    assert re.search(rf"^\| `{module}` \|", text_of("docs/architecture.md"), re.MULTILINE)


@pytest.mark.parametrize("cause", sorted(alert_causes()))
def test_every_alert_is_in_the_runbook(cause: str) -> None:
    assert cause, f"an alert of {alert_causes()[cause]} has a cause without a fixed beginning"
    assert re.search(rf"^\|.*`{re.escape(cause)}[ .`]", text_of("docs/runbook.md"), re.MULTILINE)


def test_the_changelog_has_an_unreleased_section() -> None:
    assert re.search(r"^## \[?Unreleased\]?$", text_of("CHANGELOG.md"), re.MULTILINE)


def test_decisions_are_numbered_without_a_gap_and_say_what_was_given_up() -> None:
    files = sorted((ROOT / "docs/adr").glob("*.md"))

    assert [int(file.name[:4]) for file in files] == list(range(1, len(files) + 1))
    for file in files:
        for part in ("**Context.**", "**Decision.**", "**Given up.**"):
            assert part in file.read_text(encoding="utf-8"), f"{file.name} has no {part}"


def test_the_readme_links_every_document() -> None:
    readme = text_of("README.md")

    pages = [str(file.relative_to(ROOT)) for file in sorted((ROOT / "docs").rglob("*.md")) if file.parent.name != "adr"]

    assert [page for page in pages if page not in readme] == []


# ---- each check fails once


def test_a_link_to_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Here\n[a](#here) [b](gone.md) [c](page.md#there) [d](https://example.org)\n", encoding="utf-8")

    assert [found.partition(":")[0] for found in dead_links(page)] == ["gone.md", "page.md#there"]
