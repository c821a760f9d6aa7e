"""The account is known or it says why not; an outage is never an empty account."""

from datetime import timedelta
from decimal import Decimal

import pytest

from account_manager import AccountManager
from clock import SimulatedClock
from domain import Severity

from tests.unit.account_desk import LONG, Desk, FakeAccount
from tests.unit.chains import NOW
from tests.unit.market_fakes import DOWN, FakeAlerts, HeldPool

S = timedelta(seconds=1)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_an_account_that_was_never_told_is_unknown(desk: Desk) -> None:
    snapshot = desk.snapshot()

    assert not snapshot.valid
    assert snapshot.equity is None
    assert snapshot.reason == "the venue has not told the account yet"


def test_what_the_venue_told_is_shown_as_of_the_moment_of_decision(desk: Desk) -> None:
    desk.read()
    desk.clock.advance(7 * S)

    snapshot = desk.snapshot()

    assert snapshot.valid
    assert snapshot.equity == 10_000
    assert snapshot.age == 7 * S


def test_zero_equity_is_told_if_the_venue_says_so(desk: Desk) -> None:
    desk.venue.equity = Decimal(0)
    desk.read()

    assert desk.snapshot().valid
    assert desk.snapshot().equity == 0


def test_l39_an_outage_is_unknown_and_never_empty(desk: Desk) -> None:
    desk.read()
    desk.venue.down = DOWN
    desk.clock.advance(30 * S)
    desk.read()
    assert desk.snapshot().valid  # a failed read does not spoil an answer that is still fresh
    desk.clock.advance(S)

    snapshot = desk.snapshot()

    assert not snapshot.valid
    assert snapshot.reason == "the account is 31 s old, at most 30 s; fake read: connection refused"
    assert snapshot.equity is None
    assert snapshot.positions == (LONG,)
    assert snapshot.age == 31 * S


def test_l39_a_venue_that_never_answers_is_unknown_with_its_error(desk: Desk) -> None:
    desk.venue.down = DOWN
    desk.read()

    assert desk.snapshot().reason == "the venue has not told the account yet; fake read: connection refused"


def test_an_answer_that_calls_itself_invalid_is_a_failed_read(desk: Desk) -> None:
    desk.venue.valid = False
    desk.read()

    assert "not valid" in desk.snapshot().reason
    assert desk.account.failures == 1


def test_repeated_failure_calls_a_person_and_an_answer_ends_it(desk: Desk) -> None:
    desk.venue.down = DOWN
    desk.read()
    desk.read()
    assert desk.alerts.raised == []
    desk.read()

    ((severity, cause, message),) = desk.alerts.raised
    assert (severity, cause) == (Severity.CRITICAL, "account unknown")
    assert message == "the account could not be read 3 times in a row: fake read: connection refused"
    desk.venue.down = None
    desk.read()
    assert desk.account.failures == 0
    assert desk.snapshot().valid


def test_an_answer_older_than_the_last_does_not_displace_it(desk: Desk) -> None:
    desk.read()
    desk.venue.at, desk.venue.equity = NOW - 10 * S, Decimal(1)
    desk.read()

    assert desk.snapshot().equity == 10_000


def test_an_answer_from_the_future_is_as_old_as_its_receipt(desk: Desk) -> None:
    desk.venue.at = NOW + timedelta(hours=1)
    desk.read()

    assert desk.snapshot().at == NOW


def test_one_question_is_out_at_a_time_and_an_overdue_one_is_asked_again() -> None:
    clock, pool, alerts = SimulatedClock(NOW), HeldPool(), FakeAlerts()
    account = AccountManager(FakeAccount(clock), pool, clock, alerts)
    account.refresh()
    clock.advance(60 * S)
    account.refresh()
    assert len(pool.held) == 1
    clock.advance(S)
    account.refresh()

    assert len(pool.held) == 2
    assert account.snapshot(clock.now()).reason.endswith("no answer within 60 s")
    pool.finish()
    assert account.snapshot(clock.now()).valid
