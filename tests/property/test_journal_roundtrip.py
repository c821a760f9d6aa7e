"""Whatever can happen is read back from the journal exactly as it was written, whichever way it is asked for."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import events
from domain import (
    ClientOrderId,
    ExecutionMode,
    ExecutionParams,
    LeggingPolicy,
    Option,
    OptionType,
    Purpose,
    QuotingStrategy,
    Remedy,
    RFQFallback,
    RFQParams,
    Side,
    SmartExecConfig,
)
from events import AnyEvent, Event, ExecutionStarted, LegBook, MarketAfter, TradeCreated
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
SMART = st.builds(
    SmartExecConfig,
    chunk_count=st.integers(1, 100),
    quoting_strategy=st.sampled_from(QuotingStrategy),
    reprice_interval=st.floats(10, 600),
    reprice_price_threshold=st.decimals(0, 1000, places=6),
    min_order_qty=st.decimals("0.000001", 1000, places=6),
    aggressive_attempts=st.integers(0, 100),
)
RFQ = st.builds(
    RFQParams,
    timeout_seconds=st.floats(60, 600),
    poll_seconds=st.floats(0.5, 30),
    gather_seconds=st.floats(0, 60),
    min_improvement_pct=st.none() | st.floats(-100, 100),
    fallback=st.sampled_from(RFQFallback),
)
LEGGING = st.builds(
    LeggingPolicy,
    bought_first=st.booleans(),
    require_executable=st.booleans(),
    max_loss_pct=st.none() | st.floats(0.001, 100),
    remedies=st.lists(st.sampled_from([Remedy.CROSS, Remedy.RFQ]), max_size=2, unique=True).map(lambda some: (*some, Remedy.UNWIND)),
)
st.register_type_strategy(
    ExecutionParams, st.builds(ExecutionParams, max_requote_rounds=st.integers(1, 99), smart=SMART, rfq=RFQ, legging=LEGGING)
)
# Its default is made anew for each event, and what makes it is no value to be drawn.
st.register_type_strategy(events.KillSwitchMoved, st.builds(events.KillSwitchMoved, others=st.dictionaries(WORDS, NUMBERS, max_size=3)))
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
def test_no_row_contradicts_its_event(journal: Journal, happened: Event) -> None:
    journal.append(happened)

    assert journal.verify() == journal.last_seq


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


def kinds_of_events() -> set[type[Event]]:
    """Every kind of event that is not merely a group of others."""
    found = {kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)}
    return {kind for kind in found if not any(other is not kind and issubclass(other, kind) for other in found)}


def test_every_kind_of_event_is_in_the_round_trip() -> None:
    assert kinds_of_events() == set(get_args(AnyEvent))


ZERO_BOOK = LegBook(leg=0, symbol="X", side=Side.SELL, wanted=Decimal("0.5"), bid=Decimal(0), ask=None, executable=Decimal("0E-8"))


def test_l40_a_price_of_zero_and_a_missing_one_stay_different(journal: Journal) -> None:
    at, before = datetime(2026, 3, 1, tzinfo=UTC), journal.last_seq
    started = ExecutionStarted(
        at=at, trade=1, run=1, purpose=Purpose.OPEN, mode=ExecutionMode.RFQ, reason="r", legs=(ZERO_BOOK,), remedy=Remedy.CROSS
    )
    after = MarketAfter(at=at, trade=1, run=1, purpose=Purpose.OPEN, seconds=60, mids=(None, Decimal(0)))

    journal.append(started, after)
    first, second = journal.events(after=before)

    assert isinstance(first, ExecutionStarted)
    assert (first.legs[0].bid, first.legs[0].ask, first.legs[0].mid, first.remedy) == (Decimal(0), None, None, Remedy.CROSS)
    assert isinstance(second, MarketAfter)
    assert second.mids == (None, Decimal(0))


def test_words_of_execution_come_back_as_words_and_not_as_text(journal: Journal) -> None:
    at, before = datetime(2026, 3, 1, tzinfo=UTC), journal.last_seq
    params = ExecutionParams(rfq=RFQParams(fallback=RFQFallback.SMART), smart=SmartExecConfig(quoting_strategy=QuotingStrategy.MARK))

    journal.append(TradeCreated(at=at, trade=1, strategy="s", legs=(), mode=ExecutionMode.RFQ, params=params))
    [again] = journal.events(TradeCreated, after=before)

    assert isinstance(again, TradeCreated)
    assert again.params.rfq.fallback is RFQFallback.SMART
    assert again.params.smart.quoting_strategy is QuotingStrategy.MARK
    assert again.params.legging.remedies[0] is Remedy.CROSS


def test_a_trade_of_an_older_journal_is_read_with_the_parameters_that_came_later(journal: Journal) -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    written = msgspec.to_builtins(TradeCreated(at=at, trade=1, strategy="s", legs=(), mode=ExecutionMode.LIMIT, params=ExecutionParams()))
    written["params"] = {"fill_timeout_seconds": 5.0, "aggressive_buffer_pct": 3.0, "max_requote_rounds": 4, "when_incomplete": "hold"}

    old = msgspec.convert(written, TradeCreated)

    assert old.params == ExecutionParams(fill_timeout_seconds=5, aggressive_buffer_pct=3, max_requote_rounds=4)
