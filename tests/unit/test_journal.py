"""The journal as the daemon uses it: what is written is there, what is refused is not, and questions are answered from it."""

import subprocess
import sys
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from domain import Purpose, Severity
from errors import JournalError
from events import AccountMarked, AlertRaised, EntriesRefused, LegSettled, OrderIntended, TradeCreated
from journal import Journal, JournalReader

from tests.unit.journal_stories import (
    NOON,
    a_birth,
    a_closed_trade,
    a_fill,
    a_pause,
    an_intent,
    an_open_trade,
    an_option,
    later,
    opened_in,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def test_what_was_appended_is_replayed_in_its_order_after_a_restart(file: Path) -> None:
    story = an_open_trade(7)
    with Journal(file) as journal:
        journal.append(*story)

    with Journal(file) as journal:
        assert list(journal.replay()) == story


def test_events_appended_together_get_successive_numbers(file: Path) -> None:
    with Journal(file) as journal:
        journal.append(*an_open_trade(1))
        first = journal.last_seq
        journal.append(a_pause())

        assert (first, journal.last_seq) == (7, 8)


def test_appending_nothing_is_nothing(file: Path) -> None:
    with Journal(file) as journal:
        journal.append()

        assert journal.last_seq == 0


def test_an_event_that_could_not_be_read_back_takes_its_neighbours_with_it_and_is_told(file: Path) -> None:
    poisoned = msgspec.structs.replace(a_birth(2), trade="two")

    with Journal(file) as journal:
        with pytest.raises(JournalError, match=r"TradeCreated cannot be written: .*nothing was"):
            journal.append(a_birth(1), poisoned)

        assert list(journal.replay()) == []


def test_a_naive_moment_is_refused(file: Path) -> None:
    with Journal(file) as journal, pytest.raises(JournalError, match="cannot be written"):
        journal.append(a_pause(at=datetime(2026, 3, 1)))  # noqa: DTZ001 - the mistake under test


def test_l31_replay_holds_every_event_of_a_trade_and_the_last_word_on_each_strategy(file: Path) -> None:
    trade = an_open_trade(1)
    noise = AccountMarked(at=NOON, equity=Decimal(10))
    alarm = AlertRaised(at=NOON, severity=Severity.INFO, cause="c", message="m", hint="h")
    refused = EntriesRefused(at=NOON, strategy="strangle", latest="too early", counts={"too early": 3})
    with Journal(file) as journal:
        journal.append(a_pause(state="stopped"), noise, *trade, alarm, a_pause("other"), refused, a_pause(state="running"))

        assert list(journal.replay()) == [*trade, a_pause("other"), refused, a_pause(state="running")]


def test_whoever_replays_may_append_meanwhile(file: Path) -> None:
    with Journal(file) as journal:
        for _ in range(3):
            journal.append(*[a_birth(n) for n in range(500)])

        seen = 0
        for _ in journal.replay():
            seen += 1
            if seen == 1:
                journal.append(a_birth(9999))

        assert seen == 1501


def test_questions_by_trade_kind_moment_and_number(file: Path) -> None:
    with Journal(file) as journal:
        journal.append(*an_open_trade(1, NOON), *an_open_trade(2, later(5)), a_pause(at=later(9)))

        assert [type(e).__name__ for e in journal.events(OrderIntended, TradeCreated, trade=2)] == ["TradeCreated", "OrderIntended"]
        assert list(journal.events(trade=1)) == an_open_trade(1)
        assert list(journal.events(since=later(9))) == [a_pause(at=later(9))]
        assert list(journal.events(after=14)) == [a_pause(at=later(9))]
        assert list(journal.events(TradeCreated, last=1)) == [a_birth(2, at=later(5))]


def test_an_order_of_somebody_else_belongs_to_no_trade(file: Path) -> None:
    with Journal(file) as journal:
        journal.append(msgspec.structs.replace(an_intent(1), order="by-hand"))

        assert list(journal.events(trade=1)) == []
        assert len(list(journal.events(OrderIntended))) == 1


def test_l34_the_day_count_is_of_one_strategy_and_one_day(file: Path) -> None:
    with Journal(file) as journal:
        journal.append(a_birth(1, "a", NOON - timedelta(days=1)), a_birth(2, "a"), a_birth(3, "b"), a_birth(4, "a", later(1)))

        assert journal.created_since("a", NOON.replace(hour=0)) == 2
        assert journal.created_since("nobody", NOON) == 0


def test_trade_numbers_never_return(file: Path) -> None:
    with Journal(file) as journal:
        assert journal.next_trade_number() == 1
        journal.append(a_birth(1), an_intent(5))
        assert journal.next_trade_number() == 6
    with Journal(file) as journal:
        assert journal.next_trade_number() == 6


def test_the_desk_is_drawn_once(file: Path) -> None:
    with Journal(file) as journal:
        drawn = journal.desk
    with Journal(file) as journal:
        assert journal.desk == drawn
        assert 0 <= drawn < 10_000


def test_positions_are_the_signed_sum_of_our_own_fills(file: Path) -> None:
    with Journal(file) as journal:
        journal.append(*an_open_trade(1), *a_closed_trade(2))
        journal.save_position(a_fill(1, Purpose.CLOSE, qty="0.1"))

        assert journal.load_positions() == {1: {an_option().symbol: Decimal("-0.3")}}


def test_what_is_settled_is_no_longer_held(file: Path) -> None:
    gone = LegSettled(at=NOON, trade=1, leg=0, qty=Decimal("0.4"), price=Decimal(99_000), fee=Decimal(0))
    with Journal(file) as journal:
        journal.append(*an_open_trade(1), gone, msgspec.structs.replace(gone, trade=8))

        assert journal.load_positions() == {}


def test_an_order_is_saved_under_its_trade(file: Path) -> None:
    with Journal(file) as journal:
        journal.save_order(an_intent(3))

        assert list(journal.events(trade=3)) == [an_intent(3)]


def test_a_strategy_finds_what_it_saved_last(file: Path) -> None:
    with Journal(file) as journal:
        journal.save_strategy_state("s", {"seen": 1})
        journal.save_strategy_state("s", {"seen": 2, "price": Decimal("1.50"), "legs": ["a"]})
    with Journal(file) as journal:
        assert journal.load_strategy_state("s") == {"seen": 2, "price": "1.50", "legs": ["a"]}
        assert journal.load_strategy_state("nobody") is None


def test_a_state_that_is_no_json_is_refused(file: Path) -> None:
    with Journal(file) as journal, pytest.raises(JournalError, match="state of s cannot be written"):
        journal.save_strategy_state("s", {"f": object()})


def test_attention_stays_required_over_restarts_until_somebody_looks(file: Path) -> None:
    with Journal(file) as journal:
        journal.require_attention("one")
        journal.require_attention("two")
    with Journal(file) as journal:
        assert journal.needs_attention == "one\ntwo"
        journal.acknowledge()
    with Journal(file) as journal:
        assert journal.needs_attention is None


def test_a_second_daemon_on_the_same_directory_is_told_who_has_it(tmp_path: Path) -> None:
    with opened_in(tmp_path).journal, pytest.raises(JournalError, match=r"in use by process \d+: stop it first"):
        opened_in(tmp_path)


def test_the_directory_is_free_again_after_a_close(tmp_path: Path) -> None:
    opened_in(tmp_path).journal.close()

    again = opened_in(tmp_path)

    assert again.damage is None
    again.journal.close()


def test_a_reader_looks_on_while_the_daemon_writes_and_cannot_write(file: Path) -> None:
    with Journal(file) as journal, JournalReader(file) as reader:
        journal.append(*an_open_trade(1))

        assert list(reader.replay()) == an_open_trade(1)
        assert (reader.last_seq, reader.desk, reader.needs_attention) == (7, journal.desk, None)
        journal.append(a_pause())
        assert reader.verify() == 8


def test_a_reader_of_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be opened: it cannot be opened"):
        JournalReader(tmp_path / "absent.db")


def test_a_locked_journal_is_a_clear_refusal_and_writes_again_once_free(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlite3

    import journal.schema

    monkeypatch.setattr(journal.schema, "BUSY_SECONDS", 0.05)
    with Journal(file) as desk:
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="another program holds the journal locked"):
            desk.append(a_birth(1))
        with pytest.raises(JournalError, match="another program holds the journal locked"):
            desk.append(a_birth(1), a_birth(2))
        other.execute("ROLLBACK")
        other.close()

        desk.append(a_birth(3))
        assert list(desk.replay()) == [a_birth(3)]


def test_other_threads_may_append(file: Path) -> None:
    with Journal(file) as journal:

        def write(trade: int) -> None:
            for _ in range(20):
                journal.append(a_birth(trade))

        threads = [threading.Thread(target=write, args=(trade,)) for trade in range(1, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert journal.last_seq == 80
        assert len(list(journal.replay())) == 80


def test_a_journal_in_memory_serves_rehearsals() -> None:
    with Journal(":memory:") as journal:
        journal.append(*an_open_trade(1))

        assert list(journal.replay()) == an_open_trade(1)
        assert journal.next_trade_number() == 2


def test_a_database_without_its_driver_says_what_to_install() -> None:
    with pytest.raises(JournalError, match=r"driver postgresql\+psycopg is not installed"):
        Journal("postgresql+psycopg://trader@localhost/trader")


def test_an_up_to_date_journal_opens_without_alembic(file: Path) -> None:
    Journal(file).close()
    program = f"import sys; from journal import Journal; Journal({str(file)!r}).close(); print('alembic' in sys.modules)"

    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert told.stdout.strip() == "False"


def test_l43_prices_keep_every_digit(file: Path) -> None:
    intent = an_intent(1)
    exact = msgspec.structs.replace(intent, new=replace(intent.new, price=Decimal("0.123456789012345678901234")))
    with Journal(file) as journal:
        journal.append(exact)
    with Journal(file) as journal:
        assert list(journal.replay()) == [exact]
