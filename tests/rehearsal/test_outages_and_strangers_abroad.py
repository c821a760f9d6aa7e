"""Unknown is not empty, and what is not ours is left alone: outages, stale indices and strangers, on the exchange of the API document.

What the daemon did is judged by the exchange's ledger.
"""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from clock import pause

from tests.rehearsal.abroad import CALL, PUT, QTY, QUIET, Plan, World, a_world, all_traded, breaches, left_over
from tests.rehearsal.other_books import BUY, CANCELED, NEW, SELL
from tests.rehearsal.stage import LONG


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An exchange at which every order fills at its own price at once, and a daemon that has not been started."""
    with a_world(tmp_path) as made:
        made.exchange.generous = True
        yield made


# ---- what is not ours


def test_l20_orders_and_holdings_of_others_are_left_alone(world: World) -> None:
    manual = world.exchange.foreign_order(CALL, SELL, Decimal("0.07"), Decimal(5000))
    another_bot = world.exchange.foreign_order(PUT, BUY, Decimal("0.02"), Decimal(5), client_id=7_999_900_000_010_010_001)
    world.exchange.foreign[CALL] = Decimal("0.05")

    world.trader.begin(Plan())

    world.trader.hear("trade closed")
    world.trader.stop()
    assert (manual.state, another_bot.state) == (NEW, NEW)
    assert world.exchange.position(CALL) == Decimal("0.05")
    assert all_traded(world.exchange)
    assert breaches(world) == []


@pytest.mark.soak
def test_an_order_that_a_person_cancels_at_the_venue_is_not_a_riddle(world: World) -> None:
    world.exchange.generous = False
    world.trader.begin(Plan(patience=1))
    world.wait(lambda exchange: len(exchange.working()) == 2, "both legs rest")

    for order in world.exchange.working():
        order.state = CANCELED
    world.exchange.generous = True

    world.trader.hear("trade closed")
    assert all_traded(world.exchange)
    assert breaches(world) == []


# ---- unknown is not empty


def test_l39_an_outage_is_unknown_and_not_an_empty_account(world: World) -> None:
    world.exchange.foreign[CALL] = Decimal("0.05")
    world.trader.begin(Plan(entry=f"no_existing_position_in(['{CALL}'])"))
    world.trader.hear("for=no_existing_position_in")
    unknown, held = (len(world.trader.lines(part)) for part in ("account unknown", "for=no_existing_position_in"))

    world.server.vanish()
    world.trader.hear_anew("account unknown", unknown)
    pause(QUIET)
    world.server.restore()

    world.trader.hear_anew("for=no_existing_position_in", held)
    assert world.exchange.ledger.arrivals == []


@pytest.mark.soak
def test_an_outage_while_holding_is_sat_out(world: World) -> None:
    world.trader.begin(Plan(hold=2.5))
    world.wait(lambda exchange: exchange.traded(CALL, BUY) == exchange.traded(PUT, BUY) == QTY, "both legs are bought")
    world.trader.hear("trade open id")

    told = len(world.trader.lines("account unknown"))
    world.server.vanish()
    world.trader.hear_anew("account unknown", told)
    world.server.restore()

    world.trader.hear("trade closed")
    assert all_traded(world.exchange)
    assert breaches(world) == []
    assert left_over(world) == []


@pytest.mark.soak  # a minute passes before the index counts as still
def test_l38_an_index_that_stands_still_stops_entries_and_says_so(tmp_path: Path) -> None:
    with a_world(tmp_path, TRADER_FROZEN_AFTER_SECONDS="30") as world:
        world.trader.begin(Plan(entry="spread_below(1)"))  # it is 2 %
        world.trader.hear("for=spread_below")
        world.exchange.freeze()
        world.trader.hear("index of BTC stands still", within=2 * LONG)

        for symbol in (CALL, PUT):
            world.exchange.quote(symbol, 999, 1001)
        pause(QUIET)
        assert world.exchange.ledger.arrivals == []

        world.exchange.thaw()
        world.wait(lambda exchange: exchange.ledger.arrivals, "it enters once the index moves")


@pytest.mark.soak  # a minute passes before the index counts as still
def test_l38_an_index_that_stands_still_does_not_keep_a_trade_from_closing(tmp_path: Path) -> None:
    with a_world(tmp_path, TRADER_FROZEN_AFTER_SECONDS="30") as world:
        world.exchange.generous = True
        world.trader.begin(Plan(hold=70))
        world.trader.hear("trade open id")
        world.exchange.freeze()

        world.trader.hear("trade closed", within=85)


@pytest.mark.soak
def test_l38_an_index_whose_time_has_stopped_does_not_keep_a_trade_from_closing(world: World) -> None:
    world.trader.begin(Plan(hold=5))
    world.trader.hear("trade open id")
    world.exchange.freeze()

    world.trader.hear("trade closed", within=12)
    assert left_over(world) == []


@pytest.mark.soak
def test_l38_an_index_of_an_hour_ago_does_not_count_as_one_of_now(world: World) -> None:
    world.exchange.freeze(age_seconds=3600)

    at_the_money = '{"type": "closestStrike"}'
    world.trader.begin(Plan(strike_call=at_the_money, strike_put=at_the_money))
    world.trader.hear("account known")
    pause(3 * QUIET)

    assert world.exchange.ledger.arrivals == []


def test_l16_less_than_the_minimum_is_refused_before_it_is_sent(world: World) -> None:
    for option in world.exchange.options.values():
        option.lot = Decimal("0.1")

    world.trader.begin(Plan())
    world.trader.hear("is below the smallest order")
    pause(QUIET)

    assert world.exchange.ledger.arrivals == []


# ---- where somebody else's trade nets ours away


@pytest.mark.soak
def test_a_holding_that_a_strangers_trade_nets_away_waits_for_a_person_and_never_flips(world: World) -> None:
    world.exchange.foreign[CALL] = -2 * QTY

    world.trader.begin(Plan())

    world.trader.hear("quarantine", within=LONG)
    pause(QUIET)
    assert world.exchange.position(CALL) == -QTY
    assert world.exchange.net(PUT) == 0
    assert breaches(world) == []
