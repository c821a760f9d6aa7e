"""What a person is told when the journal cannot be written, or is older than the venue: nobody else is blamed, and the hint fits."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

import journal.schema
from errors import JournalError
from events import LegFilled
from journal import Journal

from tests.fakes import House
from tests.unit.journal_stories import a_birth
from tests.unit.order_stories import NAME, a_house, go, record, send


@pytest.fixture
def house() -> House:
    return a_house()


def test_a_fill_that_the_journal_does_not_take_is_not_said_to_be_missing_at_the_venue(house: House) -> None:
    send(house)
    go(house)
    house.journal.fail_on = (LegFilled,)
    house.venue.execute(NAME)
    go(house, 60)
    assert house.alerts.about("journal")
    assert not house.alerts.about("fills missing")

    house.journal.fail_on = ()
    go(house, 5)
    assert record(house).settled
    assert len(house.journal.of(LegFilled)) == 1
    assert not house.alerts.about("fills missing")


def test_a_fill_that_the_list_does_not_show_is_still_told_after_the_journal_has_failed_at_another(house: House) -> None:
    send(house)
    go(house)
    house.venue.execute(NAME, "0.4")
    house.journal.fail_on = (LegFilled,)
    go(house, 10)
    house.journal.fail_on = ()
    go(house, 5)
    house.venue.lag_trades()
    house.venue.execute(NAME)
    go(house, 30)
    assert house.alerts.about("fills missing")
    assert house.trade().legs[0].opened == 1


def test_the_hint_of_a_journal_that_cannot_be_written_fits_what_is_in_the_way(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal.schema, "BUSY_SECONDS", 0.05)
    with Journal(tmp_path / "journal.db") as ours, closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError) as told:
            ours.append(a_birth(1))
    house.journal.refusal = told.value
    house.journal.fail_on = (LegFilled,)
    send(house)
    go(house)
    house.venue.execute(NAME)
    go(house, 5)

    hint = house.alerts.about("journal")[0].hint
    assert hint == "another program holds the journal locked: close whatever else has it open; no order is sent until it writes"


def test_an_order_that_is_another_than_was_sent_may_be_one_that_a_restored_journal_does_not_know(house: House) -> None:
    send(house)
    house.venue.orders[NAME].new = replace(house.venue.orders[NAME].new, price=Decimal("99.5"))
    go(house, 3)
    assert "after a restore it may be the order sent under this name since the backup" in house.alerts.about("order altered")[0].hint
