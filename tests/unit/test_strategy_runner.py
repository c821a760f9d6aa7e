"""A runner at work: what refuses, in which order, what it says, and what survives a restart."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from loguru import logger

from domain import AccountSnapshot, ExecutionMode, ExecutionParams, Severity, SmartExecConfig, Verdict
from errors import InvariantBroken, JournalError, RiskDenied
from events import EntriesRefused, Event, StrategyChanged
from exit_watch import EXIT_FAILED
from status import lines_of, status_of
from strategy import (
    LegSpec,
    Refusal,
    StrategyHistory,
    StrategyState,
    TradeLifecycle,
    TradeState,
    histories,
    max_account_delta,
    max_hold_hours,
    no_existing_position_in,
    profit_target,
    spread_below,
    time_window,
)

from tests.unit.condition_builders import NOON, a_quote, an_account, an_option, an_unknown_account
from tests.unit.strategy_builders import FakeMarket, Stage, a_chain, a_config, an_ended_trade


@pytest.fixture
def log() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line).rstrip()), format="{message}", filter="strategy")
    yield lines
    logger.remove(sink)


def test_a_strategy_that_nothing_refuses_opens_its_trade() -> None:
    params = ExecutionParams(fill_timeout_seconds=5)
    stage = Stage(a_config(entry_conditions=[time_window(8, 20), spread_below(20)], execution=params, exit_conditions=[profit_target(5)]))

    stage.tick()

    [trade] = stage.desk.trades
    assert [leg.option.symbol for leg in trade.legs] == ["BTCUSD-25MAR26-110000-C", "BTCUSD-25MAR26-90000-P"]
    assert (trade.strategy, trade.version, trade.mode, trade.params) == ("plain", stage.config.version, ExecutionMode.AUTO, params)
    assert trade.reason == (
        "time_window(8, 20): 12:00 is within 08:00-20:00 UTC; "
        "spread_below(20): widest spread 10.0 % of mid (BTCUSD-25MAR26-90000-P), limit 20 %"
    )
    assert stage.desk.bound["plain"] == stage.config.exit_conditions
    assert stage.runner.why_not == ""


@pytest.mark.parametrize("mode", ExecutionMode)
def test_the_mode_and_its_parameters_are_passed_on_as_declared(mode: ExecutionMode) -> None:
    smart = SmartExecConfig(chunk_count=2)

    [trade] = Stage(a_config(execution_mode=str(mode), smart_config=smart)).tick().desk.trades

    assert (trade.mode, trade.params.smart) == (mode, smart)


def test_a_dry_run_never_reaches_the_venue() -> None:
    assert Stage(a_config()).tick().desk.trades[0].simulated is False
    assert Stage(a_config(dry_run=True)).tick().desk.trades[0].simulated is True


@pytest.mark.parametrize(
    ("spoil", "label"),
    [
        (lambda stage: stage.runner.pause("lunch"), "state"),
        (lambda stage: setattr(stage.desk, "entries_allowed", Verdict(False, "start: not read yet")), "entries"),
        (lambda stage: setattr(stage.desk, "refusing", RiskDenied("notional 900 of 500")), "risk"),
        (lambda stage: stage.market.chains.clear(), "market data"),
        (lambda stage: stage.market.chains.update(BTC=replace(a_chain(), quotes=())), "legs"),
    ],
)
def test_whatever_refuses_opens_nothing_and_is_named(spoil: Callable[[Stage], object], label: str) -> None:
    stage = Stage(a_config())
    spoil(stage)

    stage.tick()

    assert stage.desk.trades == []
    assert stage.runner.refusal is not None
    assert stage.runner.refusal.label == label
    assert stage.runner.refusal_counts == {label: 1}


def test_refusals_are_asked_cheapest_first() -> None:
    def spy(account: AccountSnapshot) -> bool:
        asked.append("condition")
        return True

    asked: list[str] = []
    stage = Stage(a_config(entry_conditions=[spy]), market=FakeMarket({}))

    stage.tick(account=an_unknown_account())
    assert (asked, stage.runner.refusal and stage.runner.refusal.label) == ([], "account")
    stage.tick()
    assert (asked, stage.runner.refusal and stage.runner.refusal.label) == (["condition"], "market data")


def test_l39_an_unknown_account_enters_nothing_whatever_the_conditions_say() -> None:
    stage = Stage(a_config(entry_conditions=[lambda account: True]))

    stage.tick(account=an_unknown_account())

    assert stage.desk.trades == []
    assert stage.runner.why_not.startswith("account: not known (the venue does not answer) (since 2026-03-18 12:00:01 UTC")


def test_l39_an_outage_does_not_look_like_an_empty_account() -> None:
    stage = Stage(a_config(entry_conditions=[no_existing_position_in(["X"]), max_account_delta(1)]))

    stage.tick(account=replace(an_account(), valid=False, positions=(), reason=""))

    assert stage.runner.why_not.startswith("account: not known (no valid reading)")


def test_l40_without_an_index_price_there_is_no_trade() -> None:
    at_the_money = LegSpec("C", side=1, qty=1, strike_criteria={"type": "closestStrike"}, expiry_criteria={"dte": "next"})
    stage = Stage(a_config(legs=[at_the_money]), market=FakeMarket({"BTC": replace(a_chain(), index=None)}))

    stage.tick()

    assert stage.desk.trades == []
    assert "index price of BTC is not known" in stage.runner.why_not


def test_every_underlying_is_asked_for_its_own_chain() -> None:
    legs = [LegSpec("C", 1, 1, {"type": "delta", "value": 0.2}, {"dte": "next"}, underlying=name) for name in ("BTC", "ETH")]
    stage = Stage(a_config(legs=legs))

    stage.tick()

    assert stage.runner.why_not.startswith("market data: waiting for chain ETH: being fetched")


# ---- how often


def test_l13_a_trade_with_exposure_counts_as_active_whatever_went_wrong() -> None:
    stage = Stage(a_config(max_concurrent_trades=1)).tick()
    stage.desk.set(1, replace(stage.desk.trades[0], state=TradeState.QUARANTINED))

    stage.tick()

    assert len(stage.desk.trades) == 1
    assert stage.runner.why_not.startswith("max_concurrent_trades: 1 of 1 active")


def test_as_many_trades_as_wished_stand_side_by_side() -> None:
    stage = Stage(a_config(max_concurrent_trades=3))

    for _ in range(5):
        stage.tick()

    assert len(stage.desk.trades) == 3


def test_l34_the_day_limit_rolls_at_midnight_utc_and_disables_nobody() -> None:
    stage = Stage(a_config(max_trades_per_day=2, max_concurrent_trades=9))

    for _ in range(4):
        stage.tick()
    assert len(stage.desk.trades) == 2
    assert stage.runner.why_not.startswith("max_trades_per_day: 2 of 2 since 00:00 UTC")
    assert stage.runner.state is StrategyState.RUNNING

    stage.tick(after=12 * 3600)
    assert len(stage.desk.trades) == 3


def test_l34_the_day_limit_counts_the_trades_from_before_a_restart() -> None:
    stage = Stage(a_config(max_trades_per_day=1, max_concurrent_trades=9)).tick()

    stage.restarted()
    stage.tick()

    assert len(stage.desk.trades) == 1


def test_a_cooldown_lies_between_the_beginnings_of_two_trades_restarts_included() -> None:
    stage = Stage(a_config(cooldown_seconds=60, max_concurrent_trades=9)).tick()

    stage.restarted()
    stage.tick(after=59)
    assert stage.runner.why_not.startswith("cooldown_seconds: until 2026-03-18 12:01:01 UTC")
    stage.tick(after=1)
    assert len(stage.desk.trades) == 2


def test_entry_conditions_are_looked_at_once_in_an_interval() -> None:
    looks: list[AccountSnapshot] = []

    def never(account: AccountSnapshot) -> bool:
        looks.append(account)
        return False

    stage = Stage(a_config(entry_conditions=[never], check_interval_seconds=30))
    for _ in range(61):
        stage.tick()

    assert len(looks) == 3


def test_waiting_for_the_market_does_not_cost_an_interval() -> None:
    stage = Stage(a_config(check_interval_seconds=3600), market=FakeMarket({}))

    stage.tick()
    stage.market.chains["BTC"] = a_chain()
    stage.tick()

    assert len(stage.desk.trades) == 1


# ---- conditions


def test_a_question_about_the_legs_is_asked_once_they_are_found() -> None:
    seen: list[Sequence[str]] = []

    def look(account: AccountSnapshot) -> bool:
        assert account.proposal is not None
        seen.append([quote.option.symbol for quote in account.proposal])
        return False

    look.needs_legs = True  # type: ignore[attr-defined]
    stage = Stage(a_config(entry_conditions=[look]))

    stage.tick()

    assert seen == [["BTCUSD-25MAR26-110000-C", "BTCUSD-25MAR26-90000-P"]]
    assert stage.desk.trades == []


def test_l42_a_wide_market_is_not_entered() -> None:
    wide = a_quote(an_option(110_000), bid="50", ask="150", delta=0.2)
    chain = a_chain()
    others = tuple(quote for quote in chain.quotes if quote.option.symbol != wide.option.symbol)
    stage = Stage(a_config(entry_conditions=[spread_below(20)]), market=FakeMarket({"BTC": replace(chain, quotes=(*others, wide))}))

    stage.tick()

    assert stage.runner.why_not.startswith("spread_below(20): widest spread 100.0 % of mid (BTCUSD-25MAR26-110000-C), limit 20 %")


def test_a_condition_that_raises_is_a_no_that_somebody_hears_of() -> None:
    def broken(account: AccountSnapshot) -> bool:
        raise ZeroDivisionError("no trades yet")

    stage = Stage(a_config(entry_conditions=[broken])).tick()

    assert stage.desk.trades == []
    assert stage.runner.why_not.startswith("broken: raised ZeroDivisionError('no trades yet')")
    assert stage.runner.failures == 1
    [(_, cause, message)] = stage.alerts.told
    assert (cause, message) == (
        "strategy plain condition broken",
        "plain: entry condition broken raised ZeroDivisionError('no trades yet')",
    )


# ---- the record of refusals


def test_a_refusal_is_known_since_when_and_how_often() -> None:
    stage = Stage(a_config(entry_conditions=[time_window(20, 21)]))

    for _ in range(3):
        stage.tick()

    assert stage.runner.why_not == ("time_window(20, 21): 12:00 is outside 20:00-21:00 UTC (since 2026-03-18 12:00:01 UTC, 3 times)")
    assert stage.runner.refusal_counts == {"time_window(20, 21)": 3}


def test_l51_changing_numbers_are_one_reason_and_are_journalled_once_a_minute() -> None:
    stage = Stage(a_config(entry_conditions=[time_window(20, 21)]))

    for _ in range(130):
        stage.tick()

    first, second, third = stage.journal.of(EntriesRefused)
    assert first == EntriesRefused(
        at=NOON + timedelta(seconds=1),
        strategy="plain",
        latest="time_window(20, 21): 12:00 is outside 20:00-21:00 UTC",
        counts={"time_window(20, 21)": 1},
    )
    assert isinstance(second, EntriesRefused)
    assert isinstance(third, EntriesRefused)
    assert (second.counts, third.counts) == ({"time_window(20, 21)": 60}, {"time_window(20, 21)": 60})


def test_l51_the_log_has_a_line_when_something_else_refuses_and_none_while_only_numbers_change() -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    stage = Stage(a_config(entry_conditions=[time_window(20, 21)]))

    for _ in range(5):
        stage.tick(after=60)
    stage.tick(after=8 * 3600)
    logger.remove(sink)

    assert stage.runner.refusal is None
    waits = [line for line in lines if line.startswith("strategy waits")]
    assert waits == ["strategy waits name=plain for=time_window(20, 21) because 12:01 is outside 20:00-21:00 UTC\n"]


def test_a_refusal_whose_numbers_change_stands_since_it_began() -> None:
    stage = Stage(a_config(entry_conditions=[time_window(20, 21)]))

    for _ in range(5):
        stage.tick(after=60)

    assert stage.runner.refusal == Refusal(
        "time_window(20, 21)", "12:05 is outside 20:00-21:00 UTC", since=NOON + timedelta(minutes=1), times=5
    )


def test_refusals_before_an_entry_are_journalled_though_nothing_refuses_any_more() -> None:
    stage = Stage(a_config(), market=FakeMarket({})).tick().tick()
    stage.market.chains["BTC"] = a_chain()

    stage.tick(after=60)

    last = stage.journal.of(EntriesRefused)[-1]
    assert isinstance(last, EntriesRefused)
    assert (last.latest, last.counts) == ("nothing: it has entered since", {"market data": 1})


def test_a_journal_that_takes_nothing_costs_no_count() -> None:
    stage = Stage(a_config(), market=FakeMarket({}))
    stage.journal.full = True
    stage.tick().tick()
    assert stage.alerts.told == [(Severity.WARNING, "journal", "cannot write why plain does not enter: the disk is full")]

    stage.journal.full = False
    stage.tick(after=60)

    [event] = stage.journal.of(EntriesRefused)
    assert isinstance(event, EntriesRefused)
    assert event.counts == {"market data": 3}


def test_l51_a_full_disk_is_no_refusal_and_no_line_on_every_tick(log: list[str]) -> None:
    stage = Stage(a_config())
    stage.desk.entries_allowed = Verdict(False, "the account is reducing")
    stage.journal.full = True

    for _ in range(300):
        stage.tick()

    assert log == ["strategy waits name=plain for=entries because the account is reducing"]
    assert stage.runner.refusal_counts == {"entries": 300}
    assert {cause for _, cause, _ in stage.alerts.told} == {"journal"}
    assert len(stage.alerts.told) == 5, "it is tried again once a minute"


def test_l51_an_entry_that_cannot_be_written_is_logged_once_and_told_each_time(log: list[str]) -> None:
    stage = Stage(a_config())
    stage.desk.refusing = JournalError("the disk is full")

    for _ in range(5):
        stage.tick()

    assert stage.runner.failures == 5
    assert [cause for _, cause, _ in stage.alerts.told] == ["strategy plain error"] * 5
    assert log == [
        "strategy waits name=plain for=error because JournalError: the disk is full",
        "strategy failure name=plain count=1: plain cannot enter: the disk is full",
    ]
    stage.desk.refusing = None
    stage.tick()
    stage.desk.close(1)
    stage.desk.refusing = JournalError("the disk is full")
    stage.tick()
    assert log[-1].startswith("strategy failure name=plain count=6")


def test_l51_a_condition_that_goes_on_raising_is_logged_when_it_begins_and_when_it_says_something_else(log: list[str]) -> None:
    faults = iter(["a", "a", "b", None, "b"])

    def broken(account: AccountSnapshot) -> bool:
        fault = next(faults)
        if fault is not None:
            raise ValueError(fault)
        return False

    stage = Stage(a_config(entry_conditions=[broken]))
    for _ in range(5):
        stage.tick()

    assert [line.partition("raised ")[2] for line in log if line.startswith("strategy failure")] == [
        "ValueError('a')",
        "ValueError('b')",
        "ValueError('b')",
    ]
    assert len(stage.alerts.told) == 4


def written(stage: Stage) -> list[str]:
    return [event.latest for event in stage.journal.of(EntriesRefused) if isinstance(event, EntriesRefused)]


def test_what_the_journal_says_of_a_strategy_is_true_as_soon_as_it_has_entered() -> None:
    stage = Stage(a_config())
    stage.tick(account=an_unknown_account())

    stage.tick()

    assert len(stage.desk.trades) == 1
    assert written(stage) == ["account: not known (the venue does not answer)", "nothing: it has entered since"]
    stage.tick()
    assert len(written(stage)) == 2, "what refuses next has its minute"


def test_what_was_only_awaited_does_not_stand_in_the_journal_once_it_has_come() -> None:
    stage = Stage(a_config(entry_conditions=[time_window(20, 21)]))
    stage.tick(account=an_unknown_account())

    stage.tick()

    assert written(stage)[1:] == ["time_window(20, 21): 12:00 is outside 20:00-21:00 UTC"]


def test_l51_what_comes_and_goes_is_journalled_at_most_twice_a_minute() -> None:
    stage = Stage(a_config(entry_conditions=[time_window(20, 21)]))

    for second in range(600):
        stage.tick(account=an_unknown_account() if second % 2 == 0 else None)

    assert len(written(stage)) <= 20


def test_a_word_that_is_not_true_any_more_is_not_tried_on_every_tick_either_while_the_disk_is_full() -> None:
    stage = Stage(a_config())
    stage.tick(account=an_unknown_account())
    stage.journal.full = True

    for _ in range(60):
        stage.tick()
    assert len(stage.alerts.told) == 1
    stage.journal.full = False
    stage.tick()

    assert written(stage)[1] == "max_concurrent_trades: 1 of 1 active"


def test_a_desk_whose_books_are_broken_is_reported_and_the_tick_goes_on() -> None:
    stage = Stage(a_config())
    stage.desk.refusing = InvariantBroken("two trades with one number")

    stage.tick()

    assert stage.runner.why_not.startswith("error: InvariantBroken: two trades with one number")
    assert len(stage.alerts.told) == 1


# ---- states


def test_a_paused_strategy_says_so_before_it_is_ticked_and_after_a_restart() -> None:
    stage = Stage(a_config(), seed=StrategyHistory(StrategyState.PAUSED, "rolling the key"))

    assert stage.runner.why_not == "paused because rolling the key"
    assert stage.tick().desk.trades == []


@pytest.mark.parametrize("state", ["paused", "stopped"])
def test_a_change_of_state_survives_a_restart(state: str) -> None:
    stage = Stage(a_config())
    {"paused": stage.runner.pause, "stopped": stage.runner.stop}[state]("holiday")

    stage.seed = histories(stage.journal.events)["plain"]
    stage.restarted()

    assert (stage.runner.state, stage.tick().desk.trades) == (state, [])
    stage.runner.enable("back")
    assert len(stage.tick().desk.trades) == 1
    assert histories(stage.journal.events)["plain"] == StrategyHistory(StrategyState.RUNNING, "back")


def test_only_changes_of_state_make_a_history() -> None:
    events: list[Event] = [
        EntriesRefused(at=NOON, strategy="a", latest="", counts={}),
        StrategyChanged(at=NOON, strategy="b", state="paused", reason="x"),
        StrategyChanged(at=NOON, strategy="b", state="stopped", reason="y"),
    ]

    assert histories(events) == {"b": StrategyHistory(StrategyState.STOPPED, "y")}


def test_a_pause_holds_though_it_cannot_be_journalled_and_an_enabling_does_not() -> None:
    stage = Stage(a_config())
    stage.journal.full = True

    with pytest.raises(JournalError):
        stage.runner.pause("flood")
    assert stage.runner.state is StrategyState.PAUSED
    with pytest.raises(JournalError):
        stage.runner.enable("dry again")
    assert stage.runner.why_not == "paused because flood"


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
