"""Where our books and the venue differ, brought about from outside: each difference is named, told, and met with its own action.

A story fails when its guard is taken out. The judge is the exchange's ledger; what the daemon says is only read to see that it was said.
"""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from clock import pause
from control import Verb
from exchanges.coincall.wire import decode_client_id, encode_client_id
from position_check import LAG
from trade_lifecycle import TradeState

from tests.rehearsal.abroad import CALL, PUT, QTY, Plan, World, a_world, breaches, left_over
from tests.rehearsal.guard_stage import A_WHILE, NEVER, a_stranger, arrived, opened, ordered, rested, told, unavailable
from tests.rehearsal.other_books import CANCELED, NEW, SELL, Order
from tests.rehearsal.other_exchange import OtherExchange
from tests.rehearsal.stage import LONG, until


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An exchange at which every order fills at its own price at once, and a daemon that has not been started."""
    with a_world(tmp_path) as made:
        made.exchange.generous = True
        yield made


@pytest.mark.soak  # rounds that fail are tried again every five seconds, and a person is called after three
def test_nothing_is_opened_before_our_books_could_be_compared_and_three_failures_are_told(world: World) -> None:
    unavailable(world, "trade/history")

    world.trader.begin(Plan())

    told(world, "reconciliation")
    assert arrived(world) == []
    world.server.faults.clear()
    world.trader.hear("trade closed", within=LONG)
    assert breaches(world) == []


@pytest.mark.soak  # a comparison may be two and a half minutes old
@pytest.mark.timeout(300)
def test_a_comparison_that_is_too_old_is_named_stale(tmp_path: Path) -> None:
    with a_world(tmp_path, TRADER_RECONCILE_SECONDS="10") as world:
        world.exchange.generous = True
        opened(world, Plan(hold=600))

        unavailable(world, "trade/history")

        assert "at most 150 s" in told(world, "stale reconciliation", 200)


def test_l20_an_order_in_our_name_that_no_book_knows_is_cancelled_and_a_strangers_is_not(world: World) -> None:
    stranger = a_stranger(world)
    opened(world, Plan(hold=600))
    name = decode_client_id(arrived(world)[0].client_id)
    assert name is not None
    lost = world.exchange.foreign_order(PUT, SELL, QTY, Decimal(5000), encode_client_id(replace(name, trade=77)))
    lost.foreign = False

    ordered(world, Verb.RECONCILE)

    told(world, "difference: order unknown")
    until(lambda: lost.state == CANCELED, "it is cancelled", LONG)
    assert stranger.state == NEW
    assert world.exchange.ledger.touched == []


@pytest.mark.soak
def test_an_order_that_the_venue_took_and_lists_no_more_is_told_and_not_sent_again(world: World) -> None:
    rested(world, Plan(patience=300, a_day=3))
    with world.exchange.lock:
        world.exchange.ledger.orders.clear()

    ordered(world, Verb.RECONCILE)

    told(world, "difference: order lost")
    pause(A_WHILE)
    assert len(arrived(world)) == 2


@pytest.mark.soak  # a position is compared once its last fill is older than what lists may lag
def test_a_holding_of_ours_that_is_not_there_is_told_and_nothing_is_traded_for_it(world: World) -> None:
    opened(world, Plan(hold=600, a_day=3))
    pause(LAG.total_seconds() + A_WHILE)
    world.exchange.foreign[CALL] = -QTY
    pause(A_WHILE)  # the account is read twice a second

    ordered(world, Verb.RECONCILE)

    told(world, "difference: position short")
    pause(A_WHILE)
    assert len(arrived(world)) == 2


@pytest.mark.soak
def test_l6_a_fill_that_is_told_after_its_order_was_done_is_booked_and_its_trade_waits_for_a_person(world: World) -> None:
    orders = rested(world, Plan(patience=300))
    ordered(world, Verb.CLOSE, "1")
    world.trader.hear("trade failed", within=LONG)

    world.exchange.fill_late(orders[0], QTY)
    ordered(world, Verb.RECONCILE)

    told(world, "difference: fill missed")
    told(world, "quarantine abroad#1")
    [trade] = world.trader.trades()
    assert (trade.state, [leg.held for leg in trade.legs]) == (TradeState.QUARANTINED, [world.exchange.net(leg) for leg in (CALL, PUT)])


@pytest.mark.soak  # an option must expire
def test_l33_a_leg_that_expires_while_the_daemon_is_away_is_told_and_settled_by_the_venues_own_price(tmp_path: Path) -> None:
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=25)
    with a_world(tmp_path, OtherExchange(expiries=(soon, soon + timedelta(days=7)))) as world:
        world.exchange.generous, world.exchange.settlement_lag_seconds = True, 8.0
        opened(world, Plan(hold=6000, expiry='{"dte": 0}'))
        world.trader.kill()
        until(lambda: datetime.now(UTC) > soon, "it expires", LONG)

        world.trader.begin(Plan(hold=6000, expiry='{"dte": 0}'))

        told(world, "difference: expired while away")
        world.trader.hear("trade closed", within=LONG)
        assert left_over(world) == []


@pytest.mark.soak  # a difference must be seen in two rounds, five seconds apart
def test_l20_one_question_tells_what_others_bought_since_though_no_comparison_was_due_for_a_day(tmp_path: Path) -> None:
    with a_world(tmp_path, TRADER_RECONCILE_SECONDS="86400") as world:
        world.trader.begin(Plan(entry=NEVER))
        world.trader.hear("books compared")
        world.exchange.foreign[CALL] = QTY
        pause(A_WHILE)  # the account is read twice a second

        answer = ordered(world, Verb.RECONCILE)

        assert f"position of others, {CALL}: the venue shows {QTY}" in answer
        assert "position of others since" in world.trader.ask("--status").stdout
        assert "found no difference" not in answer


@pytest.mark.soak  # flat waits for positions that are surely younger than the last order
def test_l20_the_kill_switch_says_flat_beside_what_others_held_of_an_option_in_which_ours_never_filled(world: World) -> None:
    world.exchange.foreign[CALL] = -QTY
    rested(world, Plan(patience=300, a_day=5))

    os.kill(world.trader.pid, signal.SIGUSR1)

    told(world, "kill switch flat")
    assert (world.exchange.working(), world.exchange.position(CALL), world.exchange.ledger.touched) == ([], -QTY, [])
    assert "nothing is left" in ordered(world, Verb.WITHDRAW_KILL)
    assert breaches(world) == []


@pytest.mark.soak  # a person is called after a minute
@pytest.mark.timeout(200)
def test_l50_the_kill_switch_calls_a_person_where_others_trade_what_it_leaves_and_never_says_flat(world: World) -> None:
    rested(world, Plan(patience=300, a_day=5))
    os.kill(world.trader.pid, signal.SIGUSR1)
    world.exchange.foreign[CALL] = -QTY

    assert "which our books do not explain" in told(world, "kill switch not flat", 120)
    assert world.trader.lines("kill switch flat") == []
    assert "which our books do not explain" in ordered(world, Verb.WITHDRAW_KILL)


@pytest.mark.soak  # a fill may be missing from the list for twenty seconds
def test_l19_a_fill_that_no_list_shows_is_booked_from_its_order_and_told(world: World) -> None:
    world.exchange.odd.unlisted = True

    world.trader.begin(Plan(hold=600))

    told(world, "fills missing from the trade list")
    world.trader.hear("trade open id", within=LONG)
    assert [leg.held for leg in world.trader.trades()[0].legs] == [QTY, QTY]
    assert breaches(world) == []


@pytest.mark.soak  # it takes a start, a kill and another start
def test_l29_what_the_account_holds_and_asks_for_and_a_damaged_journal_does_not_know_is_told_and_left_alone(tmp_path: Path) -> None:
    with a_world(tmp_path, TRADER_RECONCILE_SECONDS="10") as world:
        world.exchange.generous = True
        opened(world, Plan(hold=600))
        world.trader.kill()
        request = world.desk.create({"legs": [{"instrumentName": CALL, "side": "BUY", "qty": "1"}]})
        for file in world.trader.state.glob("journal.db*"):
            file.write_bytes(bytes(4096))

        world.trader.begin(Plan(hold=0.1, a_day=3))

        for cause in ("journal damaged", "difference: order unknown", f"request in doubt {request.request_id}", "holding in doubt"):
            told(world, cause)
        pause(A_WHILE)
        assert (len(arrived(world)), world.exchange.net(CALL), world.desk.open_requests) == (2, QTY, [request])


def test_l12_a_half_filled_structure_is_told_its_remedy_is_taken_and_what_filled_is_given_back(world: World) -> None:
    world.exchange.refuse(PUT, *[10538] * 100)

    world.trader.begin(Plan(patience=0.3, rounds=2))

    for cause in ("half filled abroad#1", "incomplete abroad#1"):
        told(world, cause)
    until(lambda: not left_over(world), "what filled is given back", LONG)
    assert breaches(world) == []


@pytest.mark.soak  # twenty-five orders are sent before a person is called
def test_l2_a_leg_that_cannot_be_left_is_not_tried_for_ever_and_a_person_is_called(world: World) -> None:
    opened(world, Plan(hold=600, patience=0.1))
    world.exchange.generous = False

    def taken_off(order: Order) -> None:
        world.exchange.withdraw([order])

    world.exchange.on_create = taken_off
    ordered(world, Verb.CLOSE, "1")

    told(world, "close attempts abroad#1", 90)
    before = len(arrived(world))
    pause(5 * A_WHILE)
    assert len(arrived(world)) - before <= 2  # each leg once a minute from here on
    assert breaches(world) == []
