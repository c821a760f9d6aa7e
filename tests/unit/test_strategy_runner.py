"""A runner at work: what refuses, in which order, how often it enters, and the states a person gives it."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from domain import AccountSnapshot, ExecutionMode, ExecutionParams, SmartExecConfig, Verdict
from errors import JournalError, RiskDenied
from events import EntriesRefused, Event, StrategyChanged
from strategy import (
    LegSpec,
    StrategyHistory,
    StrategyState,
    TradeState,
    histories,
    max_account_delta,
    no_existing_position_in,
    profit_target,
    spread_below,
    time_window,
)

from tests.unit.condition_builders import NOON, a_quote, an_account, an_option, an_unknown_account
from tests.unit.strategy_builders import FakeMarket, Stage, a_chain, a_config


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
