"""Whatever can happen is read back from the journal exactly as it was written, whichever way it is asked for."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import events
from domain import ClientOrderId, ExecutionParams, Option, OptionType, Purpose
from events import AnyEvent, Event
from journal import Journal

ZONES = st.one_of(st.just(UTC), st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))))
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=12, min_value=-(10**12), max_value=10**12) | st.just(Decimal("0E-20"))
WORDS = st.text(st.characters(codec="utf-8"), max_size=20)
st.register_type_strategy(Decimal, NUMBERS)
st.register_type_strategy(datetime, st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=ZONES))  # noqa: DTZ001 - bounds
st.register_type_strategy(str, WORDS)
st.register_type_strategy(int, st.integers(0, 2**53))
st.register_type_strategy(float, st.floats(0.001, 100))
OPTIONS = st.builds(Option, option_type=st.sampled_from(OptionType))
st.register_type_strategy(
    ClientOrderId,
    st.builds(
        ClientOrderId,
        desk=st.integers(0, 9999),
        trade=st.integers(1, 10**6),
        leg=st.integers(0, 9),
        purpose=st.sampled_from(Purpose),
        attempt=st.integers(1, 99),
    ),
)
st.register_type_strategy(ExecutionParams, st.builds(ExecutionParams, max_requote_rounds=st.integers(1, 99)))
ANY_EVENT = st.one_of([st.from_type(kind) for kind in get_args(AnyEvent)])


@pytest.fixture(scope="module")
def journal() -> Iterator[Journal]:
    with Journal(":memory:") as journal:
        yield journal


@settings(max_examples=150)
@given(happened=st.lists(ANY_EVENT, min_size=1, max_size=4))
def test_what_is_written_together_is_read_back_equal_and_in_order(journal: Journal, happened: list[Event]) -> None:
    before = journal.last_seq

    journal.append(*happened)

    assert list(journal.events(after=before)) == happened
    assert journal.last_seq == before + len(happened)


@settings(max_examples=60)
@given(happened=ANY_EVENT)
def test_an_event_is_found_since_its_moment_and_under_its_kind(journal: Journal, happened: Event) -> None:
    before = journal.last_seq

    journal.append(happened)

    assert list(journal.events(type(happened), since=happened.at, after=before)) == [happened]
    assert list(journal.events(type(happened), since=happened.at + timedelta(microseconds=1), after=before)) == []


@settings(max_examples=15)
@given(numbers=st.lists(st.integers(1, 10**6), min_size=1, max_size=5))
def test_the_next_trade_number_is_above_all_there_were(numbers: list[int]) -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    with Journal(":memory:") as journal:
        journal.append(*[events.OpenStarted(at=at, trade=number) for number in numbers])

        assert journal.next_trade_number() == max(numbers) + 1
