"""The page on guards names tests that exist, where it says they are, and leaves out no alert that the program can raise."""

import re
from collections.abc import Iterator

import pytest

from tests.test_docs import ROOT, alert_causes, text_of

PAGE = "docs/guards.md"
LOWER = "## On a lower floor"


def known_tests(folder: str) -> set[str]:
    """Return the names of all tests below a folder."""
    return {
        name for file in (ROOT / folder).rglob("test_*.py") for name in re.findall(r"^def (test_\w+)", text_of(str(file)), re.MULTILINE)
    }


def named(part: str) -> Iterator[str]:
    """Yield the tests that a part of the page names."""
    yield from re.findall(r"`(test_\w+)`", part)


def test_what_is_shown_from_outside_is_a_rehearsal() -> None:
    outside, _, _ = text_of(PAGE).partition(LOWER)

    assert sorted(set(named(outside)) - known_tests("tests/rehearsal")) == []


def test_what_is_shown_on_a_lower_floor_is_a_test() -> None:
    _, _, lower = text_of(PAGE).partition(LOWER)

    assert sorted(set(named(lower)) - known_tests("tests")) == []


def test_each_row_names_a_test() -> None:
    rows = [line for line in text_of(PAGE).splitlines() if line.startswith("| ") and not line.startswith("| Guard")]

    assert [row for row in rows if not list(named(row))] == []


@pytest.mark.parametrize("cause", sorted(alert_causes()))
def test_each_alert_is_on_the_page(cause: str) -> None:
    assert re.search(rf"^\|[^|]*`{re.escape(cause)}[ .`]", text_of(PAGE), re.MULTILINE)
