"""What outlasts a failure: restarts, a journal or a callback that fails, dry runs beside real trades, and numbers that go on."""

import gc
from datetime import timedelta
from decimal import Decimal

import pytest

from domain import Purpose, Side
from errors import ConfigError, JournalError, RiskDenied
from events import CloseCompleted, CloseNotified, CloseRequested, LegFilled, OpenGivenUp, ProfitPeaked, TradeCreated, TradeQuarantined
from trade_lifecycle import TradeState

from tests.fakes import START, House, a_name, a_plan, a_quote
from tests.unit.lifecycle_stories import PAIR, PUT, QUICK, a_house, settle_down, states

S = TradeState


HOUR = timedelta(hours=1)


@pytest.fixture
def house() -> House:
    return a_house()


def test_l14_l41_what_a_trade_made_comes_from_its_fills(house: House) -> None:
    house.opened()
    house.manager.force_close(1, "a person")
    house.tick(2)
    name = a_name(purpose=Purpose.CLOSE)
    house.venue.execute(name, "0.4", "60")
    house.venue.execute(name, "0.6", "50")
    house.tick(5)
    assert house.trade().gross_profit == 100 - 24 - 30
    assert house.trade().net_profit == 100 - 24 - 30 - 1


def test_l32_dying_and_starting_again_changes_no_trade_and_sends_nothing(house: House) -> None:
    house.opened(*PAIR)
    written = len(house.journal.events)
    again = house.restart()
    assert again.trade() == house.trade()
    again.tick(5)
    assert len(house.journal.events) == written
    assert len(house.venue.received) == 2


def test_l31_the_highest_profit_survives_a_restart(house: House) -> None:
    house.opened()
    house.venue.show(a_quote(mark="60"))
    house.tick()
    house.venue.show(a_quote(mark="50"))
    house.tick()
    house.venue.show(a_quote(mark="90"))
    house.tick(70)
    assert house.restart().trade().peak_profit == house.trade().peak_profit == Decimal("49.5")
    assert len(house.journal.of(ProfitPeaked)) <= 3


def test_a_peak_that_cannot_be_written_is_written_later(house: House) -> None:
    house.opened()
    house.journal.fail_on = (ProfitPeaked,)
    house.venue.show(a_quote(mark="60"))
    house.tick(3)
    house.journal.fail_on = ()
    house.tick(130)
    assert house.restart().trade().peak_profit == house.trade().peak_profit == Decimal("39.5")


@pytest.mark.parametrize("kind", [CloseRequested, CloseCompleted, CloseNotified, TradeQuarantined, OpenGivenUp])
def test_a_journal_that_fails_at_one_event_delays_it_and_harms_nothing(house: House, kind: type) -> None:
    house.opened()
    house.manager.bind("test", [lambda account, trade: True])
    house.journal.fail_on = (kind,)
    settle_down(house, 10)
    house.journal.fail_on = ()
    settle_down(house)
    assert states(house) == [S.CLOSED]
    assert len(house.closed) == 1


def test_without_a_journal_no_trade_begins(house: House) -> None:
    house.journal.failing = True
    with pytest.raises(JournalError):
        house.create()
    assert house.manager.trades == ()
    house.journal.failing = False
    assert house.create().number == 1


def test_l54_a_callback_that_raises_stops_neither_the_others_nor_the_tick(house: House) -> None:
    told: list[int] = []
    house.manager.on_closed(lambda trade: 1 / 0)  # type: ignore[arg-type]
    house.manager.on_closed(lambda trade: told.append(trade.number))
    house.create()
    house.manager.cancel(1, "test")
    house.tick(3)
    assert told == [1]
    assert house.manager.failures == 1
    assert house.alerts.about("tick on_closed")


def test_one_trade_that_cannot_be_managed_does_not_stop_its_neighbour(house: House) -> None:
    house.opened()
    house.create(a_plan(PUT))
    house.manager.bind("test", [lambda account, trade: 1 / 0 > 0])
    house.tick()
    assert house.trade(2).state is S.OPENING


def test_a_dry_run_sends_nothing_to_the_real_venue() -> None:
    house = House(simulated=True)
    assert house.rehearsal is not None
    house.show()
    house.rehearsal.show(a_quote())
    house.create(simulated=True)
    house.tick(2)
    assert house.venue.received == []
    assert len(house.rehearsal.received) == 1


def test_a_dry_run_without_its_venue_never_reaches_the_real_one() -> None:
    house = House(simulated=True)
    house.show()
    house.create(simulated=True)
    house.tick(2)
    alone = House(venue=house.venue, journal=house.journal)
    alone.tick(3)
    assert house.venue.received == []
    assert alone.alerts.about("tick test#1")
    with pytest.raises(ConfigError):
        alone.create(a_plan(PUT), simulated=True)


def test_two_trades_that_would_net_at_the_venue_are_not_both_begun(house: House) -> None:
    house.create()
    with pytest.raises(RiskDenied, match="net against"):
        house.create(a_plan(side=Side.BUY))
    assert house.create(a_plan()).number == 2


def test_numbers_go_on_after_a_restart(house: House) -> None:
    house.create()
    assert house.restart().create(a_plan(PUT)).number == 2


def test_l34_the_day_count_comes_from_the_trades(house: House) -> None:
    house.create()
    house.create(a_plan(PUT), strategy="other")
    assert house.restart().manager.created_since("test", START) == 1
    assert house.manager.created_since("test", START + HOUR) == 0
    assert [trade.strategy for trade in house.manager.trades_for_strategy("other")] == ["other"]


def test_l37_ended_trades_leave_nothing_but_their_values(house: House) -> None:
    for _ in range(30):
        number = house.create(params=QUICK).number
        house.tick(2)
        house.manager.cancel(number, "test")
        house.tick(6)
    gc.collect()
    assert states(house) == [S.FAILED] * 30
    assert house.executor._pursuits == {}
    assert house.executor.ledger.live() == ()
    assert all(house.executor.ledger.of(number) == () for number in range(31))
    assert house.manager.options_in_use() == ()


def test_only_journalled_events_are_believed(house: House) -> None:
    house.opened(*PAIR)
    replayed = house.restart().trade()
    assert replayed == house.trade()
    assert len(house.journal.of(TradeCreated, LegFilled)) == 3
