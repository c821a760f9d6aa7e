"""What every test shares: one hypothesis profile, and the order. Nothing else belongs here; a fixture lives beside its tests."""

import os
from collections.abc import MutableSequence

import pytest
from hypothesis import settings

# No deadline: two busy cores make an honest example slow. In CI the examples are the same each time, so a red run can be repeated.
settings.register_profile("house", deadline=None, derandomize=os.environ.get("CI") == "true", print_blob=True)
settings.load_profile("house")

_LONGEST = ("kill_minus_nine", "rehearsal", "faults", "property")


def pytest_collection_modifyitems(items: MutableSequence[pytest.Item]) -> None:
    """Begin with what takes longest, so that no worker is left with it at the end."""
    items[:] = sorted(items, key=lambda item: next((n for n, name in enumerate(_LONGEST) if name in item.nodeid), len(_LONGEST)))
