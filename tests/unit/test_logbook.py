"""The log: readable lines, files that rotate, no secret anywhere, and no trouble for the program."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from loguru import logger

import logbook

SECRET = "kJ8s0Zq2Lm4Nv6Bx8Cd0Ef2Gh4"


@pytest.fixture(autouse=True)
def put_back() -> Iterator[None]:
    handlers = list(logging.getLogger().handlers)
    yield
    logging.getLogger().handlers[:] = handlers
    logger.remove()
    logger.configure(patcher=lambda record: None)
    logger.add(sys.stderr)


def text_of(directory: Path, name: str = "trader.log") -> str:
    return (directory / name).read_text(encoding="utf-8")


def test_a_line_reads_subject_verb_and_facts(tmp_path: Path) -> None:
    logbook.set_up(tmp_path, "INFO", terminal=False)
    logger.info("order sent", order="ct-0042-17-0-o-1", qty=Decimal("0.40"))

    line = text_of(tmp_path).strip()
    assert line.endswith("INFO     order sent order=ct-0042-17-0-o-1 qty=0.40")


def test_the_json_line_has_the_same_facts_by_name(tmp_path: Path) -> None:
    logbook.set_up(tmp_path, "INFO", terminal=False)
    logger.info("order sent", order="ct-0042-17-0-o-1", qty=Decimal("0.40"), attempt=2, level="its own")

    entry = json.loads(text_of(tmp_path, "trader.jsonl"))
    assert {name: entry[name] for name in ("message", "order", "qty", "attempt", "level")} == {
        "message": "order sent",
        "order": "ct-0042-17-0-o-1",
        "qty": "0.40",
        "attempt": 2,
        "level": "INFO",
    }
    assert entry["at"].endswith("+00:00")


def test_braces_and_angle_brackets_are_only_text(tmp_path: Path) -> None:
    logbook.set_up(tmp_path, "INFO", terminal=False)
    logger.info('got {"a": 1} <red>')
    logger.info("got it", where="{x} <red>")

    assert 'got {"a": 1} <red>\n' in text_of(tmp_path)
    assert "got it where={x} <red>" in text_of(tmp_path)


def test_lines_below_the_level_are_not_written(tmp_path: Path) -> None:
    logbook.set_up(tmp_path, "WARNING", terminal=False)
    logger.info("nothing new")

    assert text_of(tmp_path) == ""


def test_health_lines_have_a_file_of_their_own(tmp_path: Path) -> None:
    logbook.set_up(tmp_path, "INFO", terminal=False)
    logger.bind(health=True).info("daemon well", trades=2)
    logger.info("order sent")

    assert [line.split(maxsplit=2)[2] for line in text_of(tmp_path, "health.log").splitlines()] == ["daemon well trades=2"]


@pytest.mark.parametrize(
    "leak",
    [
        f"key is {SECRET}",
        f"key is {SECRET[:20]}...",
        "GET /open/x?code=1&sign=AB12CD34&ts=1",
        "headers {'X-CC-APIKEY': 'AB12CD34', 'sign': 'AB12CD34'}",
        '{"apiKey":"AB12CD34"}',
        "uuid=AB12CD34&ts=5",
        "api_secret: AB12CD34",
    ],
)
def test_l53_no_secret_and_no_beginning_of_one_is_written(leak: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logbook.set_up(tmp_path, "INFO", terminal=True, secrets=[SECRET])
    logger.info(leak)
    logger.info("fact", what=leak)
    logger.info("named", sign="AB12CD34", nested={"apiKey": "AB12CD34", "x": [SECRET]})
    try:
        held = SECRET
        raise ValueError(f"{leak} {held}")
    except ValueError:
        logger.exception("call failed")

    everything = text_of(tmp_path) + text_of(tmp_path, "trader.jsonl") + capsys.readouterr().err
    assert SECRET[:8] not in everything
    assert "AB12CD34" not in everything
    assert "ValueError" in everything


def test_short_secrets_are_hidden_whole_and_ordinary_words_stay() -> None:
    hide = logbook.redactor(["pw-12", ""])

    assert hide("pw-12 design=1 assigned price=5 sign=Q") == "*** design=1 assigned price=5 sign=***"


def test_what_libraries_warn_of_comes_along_and_is_cleaned(tmp_path: Path) -> None:
    logbook.set_up(tmp_path, "INFO", terminal=False)
    logbook.set_up(tmp_path, "INFO", terminal=False)
    logging.getLogger("urllib3").warning("Retrying %s", "/x?sign=AB12CD34")
    logging.getLogger("urllib3").debug("not this")

    assert [line.split(maxsplit=2)[2] for line in text_of(tmp_path).splitlines()] == ["Retrying /x?sign=*** library=urllib3"]


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("no_color", "coloured"), [(None, True), ("1", False)])
def test_the_terminal_is_coloured_unless_asked_not_to(
    no_color: str | None, coloured: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color is not None:
        monkeypatch.setenv("NO_COLOR", no_color)

    logbook.set_up(tmp_path, "INFO", terminal=True)
    logger.info("daemon started")

    assert ("\x1b[" in screen.getvalue()) is coloured
    assert "daemon started" in screen.getvalue()


def test_a_log_directory_that_cannot_be_written_costs_the_files_not_the_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "logs").write_text("a file in the place of a directory")

    logbook.set_up(tmp_path / "logs", "INFO", terminal=True)
    logger.info("daemon started")

    told = capsys.readouterr().err
    assert "logs are not written to files" in told
    assert "daemon started" in told


FULL_DISK = """
import sys
from pathlib import Path
import logbook
from loguru import logger
logbook.set_up(Path(sys.argv[1]), "INFO", terminal=False)
logger.info("order sent")
sys.stdout.write("still here")
"""


def test_a_disk_that_fills_up_while_logging_raises_nothing(tmp_path: Path) -> None:
    device = Path("/dev/full")
    if not device.exists():
        pytest.skip("there is no /dev/full here")
    (tmp_path / "trader.log").symlink_to(device)
    root = Path(__file__).resolve().parents[2]

    told = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], cwd=root, capture_output=True, text=True, check=False)

    assert told.stdout == "still here"
    assert "order sent" in text_of(tmp_path, "trader.jsonl")
