"""The end of a trade as its strategy hears of it, and the statistics that its trades make."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from domain import AccountSnapshot, Severity
from events import StrategyChanged
from exit_watch import EXIT_FAILED
from status import lines_of, status_of
from strategy import StrategyState, TradeLifecycle, TradeState, histories, max_hold_hours

from tests.unit.condition_builders import NOON
from tests.unit.strategy_builders import Stage, a_config, an_ended_trade

# ---- endings


def listening() -> tuple[list[tuple[TradeLifecycle, AccountSnapshot]], Callable[[TradeLifecycle, AccountSnapshot], None]]:
    told: list[tuple[TradeLifecycle, AccountSnapshot]] = []
    return told, lambda trade, account: told.append((trade, account))


@pytest.mark.parametrize("state", ["paused", "stopped"])
def test_the_end_of_a_trade_is_told_also_while_the_strategy_stands_still(state: str) -> None:
    told, listener = listening()
    stage = Stage(a_config(on_trade_closed=listener)).tick()
    {"paused": stage.runner.pause, "stopped": stage.runner.stop}[state]("holiday")

    ended = stage.desk.close(1)
    stage.tick()

    assert [trade for trade, _ in told] == [ended]
    assert told[0][1].equity == Decimal(10_000)


def test_another_strategys_trade_is_not_told() -> None:
    told, listener = listening()
    stage = Stage(a_config(on_trade_closed=listener))

    for tell in stage.desk.listeners:
        tell(an_ended_trade(1, strategy="other"))

    assert told == []


def test_a_trade_that_ended_before_the_account_was_read_is_told_with_an_unknown_account() -> None:
    told, listener = listening()
    stage = Stage(a_config(on_trade_closed=listener))

    for tell in stage.desk.listeners:
        tell(an_ended_trade(1))

    assert told[0][1].valid is False


def test_a_callback_that_raises_is_counted_and_stops_nothing() -> None:
    def broken(trade: TradeLifecycle, account: AccountSnapshot) -> None:
        raise ValueError("no such sheet")

    stage = Stage(a_config(on_trade_closed=broken)).tick()

    stage.desk.close(1)

    assert stage.runner.failures == 1
    assert stage.alerts.told[0][1:] == (
        "strategy plain on_trade_closed",
        "plain: on_trade_closed raised ValueError('no such sheet') for plain#1",
    )


def test_a_strategy_without_a_callback_hears_of_endings_and_says_nothing() -> None:
    stage = Stage(a_config()).tick()

    stage.desk.close(1)

    assert stage.runner.failures == 0


def closed_because(stage: Stage, reason: str) -> None:
    stage.tick()
    stage.desk.set(1, replace(stage.desk.trades[0], reason=reason))
    stage.desk.close(1)


def test_l46_a_strategy_whose_exit_condition_failed_is_paused_and_a_person_is_called() -> None:
    told: list[TradeLifecycle] = []
    stage = Stage(a_config(on_trade_closed=lambda trade, account: told.append(trade)))

    closed_because(stage, f"{EXIT_FAILED}: mine raised KeyError('x') 241 times in 60 s")

    assert (stage.runner.state, len(stage.tick().desk.trades), len(told)) == (StrategyState.PAUSED, 1, 1)
    [(severity, cause, message)] = stage.alerts.told
    assert (severity, cause) == (Severity.CRITICAL, "strategy plain paused")
    assert "plain#1 was closed because an exit condition failed: mine raised KeyError('x')" in message
    assert histories(stage.journal.events)["plain"].state is StrategyState.PAUSED


def test_l46_a_stopped_strategy_stays_stopped_when_an_exit_condition_fails() -> None:
    stage = Stage(a_config()).tick()
    stage.runner.stop("retired")

    closed_because(stage, EXIT_FAILED)

    assert (stage.runner.state, stage.alerts.told) == (StrategyState.STOPPED, [])


def test_a_trade_that_ended_by_a_good_exit_pauses_nothing() -> None:
    stage = Stage(a_config())

    closed_because(stage, "max_loss(100): loss 120.00 USD of 100.00 USD (mark)")

    assert stage.runner.state is StrategyState.RUNNING


# ---- statistics


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("limit", [{"max_concurrent_trades": 1}, {"max_trades_per_day": 1}, {"cooldown_seconds": 3600}])
def test_ct145_estimates_and_real_trades_do_not_use_up_each_others_limits(limit: dict[str, float], dry_run: bool) -> None:
    stage = Stage(a_config(**{"max_concurrent_trades": 2, **limit}, dry_run=not dry_run)).tick()
    stage.config = replace(stage.config, dry_run=dry_run)
    stage.restarted()

    simulated = [trade.simulated for trade in stage.tick().tick().desk.trades]

    assert simulated == [not dry_run, dry_run]


def test_ct166_statistics_of_real_trades_hold_no_estimate() -> None:
    stage = Stage(a_config())
    stage.desk.trades += [an_ended_trade(1), replace(an_ended_trade(2, got="900"), simulated=True)]

    assert (stage.runner.statistics.closed, stage.runner.statistics.net) == (1, Decimal(46))
    stage.config = replace(stage.config, dry_run=True)
    assert stage.restarted().statistics.net == Decimal(796)


def test_ct166_the_status_page_tells_results_and_estimates_apart() -> None:
    def page(*simulated: bool) -> str:
        trades = [replace(an_ended_trade(n, got="150" if not dry else "900"), simulated=dry) for n, dry in enumerate(simulated)]
        status = replace(status_of([StrategyChanged(at=NOON, strategy="plain", state="running", reason="")]), trades=tuple(trades))
        return "\n".join(lines_of(status, "runs"))

    assert "dry run   " not in page(False)
    assert "  result    gross 50.00 USD, fees 4.00 USD, net 46.00 USD" in page(False, True)
    dry = "  dry run   0 active, 1 closed, 0 failed; 1 won, 0 lost; estimated gross 800.00 USD, fees 4.00 USD, net 796.00 USD"
    assert dry in page(False, True)


def test_l41_l44_statistics_come_from_fills_gross_and_net() -> None:
    stage = Stage(a_config(exit_conditions=[max_hold_hours(1)]))
    stage.desk.trades += [
        an_ended_trade(1, paid="100", got="150", fees="4", held=timedelta(hours=1)),
        an_ended_trade(2, paid="100", got="102", fees="4", held=timedelta(hours=3)),  # a gain before fees, a loss after
        an_ended_trade(3, paid="100", got="100", fees="0", held=timedelta(hours=2)),
        an_ended_trade(4, paid="50", got="48", fees="2", state=TradeState.FAILED),  # an opening that was unwound
    ]
    stage.tick()  # opens a fifth

    found = stage.runner.statistics

    assert (found.active, found.opened, found.closed, found.failed, found.wins, found.losses) == (1, 3, 3, 1, 1, 1)
    assert (found.gross, found.fees, found.net) == (Decimal(50), Decimal(10), Decimal(40))
    assert found.average_hold == timedelta(hours=2)


def test_a_strategy_without_trades_has_no_average() -> None:
    assert Stage(a_config()).runner.statistics.average_hold is None
