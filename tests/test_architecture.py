"""The house rules, enforced: the real root breaks none, and each is shown a tiny planted project that breaks it, and must say so."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.house_rules import (
    DOCS,
    RULES,
    Rule,
    checkers_are_silenced_one_rule_at_a_time,
    every_module_can_be_read,
    every_module_has_a_floor,
    every_module_says_what_it_is_for,
    every_setting_is_documented,
    functions_are_short,
    imports_go_down,
    low_floors_know_their_types,
    modules_are_short,
    no_name_shadows_the_standard_library,
    nobody_prints,
    nothing_happens_on_import,
    nothing_is_mocked,
    nothing_is_unfinished,
    only_the_clock_reads_time,
    ports_are_small,
    the_docs_exist,
    third_parties_keep_to_their_rooms,
)

ROOT = Path(__file__).resolve().parent.parent


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
    (modules_are_short, "tests/unit/test_y.py", "#\n" * 401, "401 lines, at most 400"),
    (modules_are_short, "benchmarks/bench_y.py", "#\n" * 401, "401 lines, at most 400"),
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
