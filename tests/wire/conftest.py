"""The cast of a story of streams; each ends with its test."""

import threading
from collections.abc import Iterator

import pytest

from tests.wire.stream_server import StreamVenue, a_stream_venue
from tests.wire.stream_stories import Desk, Ear


@pytest.fixture
def venue() -> Iterator[StreamVenue]:
    with a_stream_venue() as standing:
        yield standing


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def streams() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    for made in desk.made:
        made.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("coincall-")]
