"""A strategy's declaration: what it refuses, all at once, and what makes it the same strategy after a restart."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from datetime import time, timedelta
from typing import cast

import pytest

from domain import EntryCondition, ExecutionMode, ExecutionParams, ExitCondition, LeggingPolicy, QuotingStrategy, RFQParams, SmartExecConfig
from errors import ConfigError
from strategy import (
    LegSpec,
    StrategyConfig,
    StrategyFactory,
    all_of,
    any_of,
    cron,
    leg_greek_limit,
    load_strategies,
    max_hold_hours,
    min_equity,
    not_,
    profit_target,
    strangle,
    time_window,
    utc_time_window,
    weekday_filter,
)

from tests.unit.condition_builders import NOON
from tests.unit.strategy_builders import a_config


def problems_of(make: Callable[[], object]) -> list[str]:
    with pytest.raises(ConfigError) as error:
        make()
    return list(error.value.problems)


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"name": ""}, "name must be 1 to 64 letters, digits, _ or -"),
        ({"name": "two words"}, "name must be 1 to 64 letters, digits, _ or -"),
        ({"name": 7}, "name must be 1 to 64 letters, digits, _ or -"),
        ({"legs": []}, "legs must not be empty"),
        ({"legs": "strangle"}, "legs must be a list, not 'strangle'"),
        ({"legs": [1]}, "legs[0] must be a LegSpec, not 1"),
        ({"entry_conditions": time_window(8, 20)}, "entry_conditions must be a list, not time_window(8, 20)"),
        ({"entry_conditions": [True]}, "entry_conditions[0] must be an entry condition, which takes (account), not True"),
        (
            {"entry_conditions": [profit_target(5)]},
            "must be an entry condition, which takes (account), not profit_target(5)",
        ),
        (
            {"exit_conditions": [min_equity(5)]},
            "must be an exit condition, which takes (account, trade), not min_equity(5)",
        ),
        ({"execution_mode": "fast"}, "execution_mode must be one of auto, limit, rfq, smart, not 'fast'"),
        ({"max_concurrent_trades": 0}, "max_concurrent_trades must be a whole number from 1 up, not 0"),
        ({"max_concurrent_trades": True}, "max_concurrent_trades must be a whole number from 1 up, not True"),
        ({"max_trades_per_day": -1}, "max_trades_per_day must be a whole number from 0 up, not -1"),
        ({"cooldown_seconds": -1}, "cooldown_seconds must be a number of seconds, zero or more, not -1"),
        ({"check_interval_seconds": float("nan")}, "check_interval_seconds must be a number of seconds, zero or more, not nan"),
        ({"on_trade_closed": lambda trade: None}, "on_trade_closed must take (trade, account), not <function"),
        ({"metadata": ["a"]}, "metadata must be a dict, not ['a']"),
        ({"dry_run": "yes"}, "dry_run must be True or False, not 'yes'"),
        ({"execution": {"fill_timeout_seconds": 5}}, "execution must be ExecutionParams, not {'fill_timeout_seconds': 5}"),
        ({"metadata": {"execution_params": 5}}, "metadata['execution_params'] must be ExecutionParams, not 5"),
        ({"metadata": {"execution_params": {"patience": 5}}}, "metadata['execution_params']: ExecutionParams.__init__() got an unexpected"),
        ({"metadata": {"execution_params": {"max_requote_rounds": 0}}}, "max_requote_rounds must be a whole number from 1 to 10000, not 0"),
        (
            {"execution": ExecutionParams(max_requote_rounds=3), "metadata": {"execution_params": ExecutionParams(max_requote_rounds=4)}},
            "execution and metadata['execution_params'] say different things; give one of them",
        ),
        ({"smart_config": {"chunk_count": 2}}, "smart_config must be a SmartExecConfig, not {'chunk_count': 2}"),
        (
            {"smart_config": SmartExecConfig(chunk_count=2), "execution": ExecutionParams(smart=SmartExecConfig(chunk_count=3))},
            "smart_config and execution.smart say different things; give one of them",
        ),
        ({"metadata": {"execution_params": {"legging": "hold"}}}, "ExecutionParams: legging must be of type LeggingPolicy, not 'hold'"),
        (
            {"max_trades_per_day": 25, "cooldown_seconds": 3600},
            "max_trades_per_day 25 cannot be reached with cooldown_seconds 3600",
        ),
        (
            {"entry_conditions": [cron("0 8 * * *")], "check_interval_seconds": 61},
            "cron(0 8 * * *) holds for 60 s, but check_interval_seconds is 61: it could be missed",
        ),
    ],
)
def test_a_wrong_field_is_refused_at_the_constructor(changed: dict[str, object], complaint: str) -> None:
    problems = problems_of(lambda: a_config(**changed))

    assert any(complaint in problem for problem in problems), problems
    assert all(problem.startswith("strategy ") for problem in problems)


@pytest.mark.parametrize(
    "condition",
    [
        leg_greek_limit("delta", 0.3, leg=7),
        leg_greek_limit(2, "delta", ">", 0.3),
        all_of(profit_target(50), not_(leg_greek_limit("delta", 0.3, leg=2)), leg_greek_limit("delta", 0.3, leg=1)),
    ],
    ids=str,
)
def test_l46_a_condition_on_a_leg_that_the_strategy_does_not_have_is_refused(condition: ExitCondition) -> None:
    [problem] = problems_of(lambda: a_config(exit_conditions=[condition]))

    assert "names leg" in problem
    assert problem.endswith("but the strategy has 2 legs, counted from 0")


def test_l46_a_condition_on_the_last_leg_is_allowed() -> None:
    assert a_config(exit_conditions=[any_of(leg_greek_limit("delta", 0.3, leg=1), leg_greek_limit("delta", 0.3))])


@pytest.mark.parametrize(
    ("windows", "apart"),
    [
        ([time_window(8, 12), time_window(12, 20)], "time_window(8, 12) and time_window(12, 20)"),
        ([time_window(8, 12), min_equity(1), utc_time_window(time(20), time(7, 30))], "time_window(8, 12) and utc_time_window("),
        ([weekday_filter(["mon"]), weekday_filter(["tue", "wed"])], "weekday_filter(['mon']) and weekday_filter("),
        ([utc_time_window(NOON, NOON.replace(hour=13)), weekday_filter(["thu"])], "utc_time_window("),
        ([utc_time_window(NOON, NOON.replace(hour=13)), time_window(13, 14)], "time_window(13, 14)"),
        (
            [weekday_filter(["wed"]), time_window(8, 9), utc_time_window(NOON, NOON + timedelta(days=6))],
            "weekday_filter(['wed']) and time_window(8, 9) and utc_time_window(",
        ),
    ],
)
def test_entry_windows_that_never_pass_together_are_refused(windows: list[EntryCondition], apart: str) -> None:
    [problem] = problems_of(lambda: a_config(entry_conditions=windows))

    assert apart in problem
    assert problem.endswith("never pass at the same moment: nothing would ever be opened")


@pytest.mark.parametrize(
    "windows",
    [
        [time_window(20, 8), time_window(7, 12), weekday_filter(["sun"])],
        [time_window(22, 2), utc_time_window(time(1, 59, 59), time(3))],
        [utc_time_window(NOON, NOON + timedelta(days=7)), weekday_filter(["wed"]), time_window(11, 12)],
        [time_window(0, 24), time_window(23, 24), any_of(time_window(1, 2), time_window(3, 4))],
    ],
)
def test_entry_windows_that_meet_however_briefly_are_allowed(windows: list[EntryCondition]) -> None:
    assert a_config(entry_conditions=windows)


def test_all_problems_are_told_at_once() -> None:
    problems = problems_of(lambda: a_config(legs=[], execution_mode="fast", max_concurrent_trades=0, cooldown_seconds=-1, dry_run=1))

    assert len(problems) == 5


@pytest.mark.parametrize(
    "changed",
    [
        {"entry_conditions": [cron("0 8 * * *")], "check_interval_seconds": 60},
        {"entry_conditions": [utc_time_window(NOON, NOON.replace(hour=13))], "check_interval_seconds": 3600},
        {"max_trades_per_day": 24, "cooldown_seconds": 3600},
        {"max_trades_per_day": 0, "cooldown_seconds": 1_000_000},
        {"on_trade_closed": lambda trade, account: None},
    ],
)
def test_what_is_unusual_but_possible_is_allowed(changed: dict[str, object]) -> None:
    assert a_config(**changed).name == "plain"


def test_execution_parameters_may_stand_in_the_metadata() -> None:
    wanted = ExecutionParams(fill_timeout_seconds=5)

    assert a_config(metadata={"execution_params": wanted}).execution == wanted
    assert a_config(metadata={"execution_params": {"fill_timeout_seconds": 5}}).execution == wanted
    assert a_config(execution=wanted, metadata={"execution_params": wanted}).execution == wanted
    assert a_config(execution=wanted).execution == wanted
    assert a_config().execution == ExecutionParams()


def test_a_strategy_cannot_change_once_declared() -> None:
    legs = strangle(0.1)
    config = a_config(legs=legs)
    legs.clear()

    assert len(config.legs) == 2
    with pytest.raises(FrozenInstanceError):
        config.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize("mode", [*ExecutionMode, *map(str, ExecutionMode)])
def test_every_mode_is_kept_as_it_was_declared(mode: str) -> None:
    assert a_config(execution_mode=mode).mode is ExecutionMode(mode)


def test_a_strategy_that_says_nothing_is_routed_at_each_execution() -> None:
    assert a_config().mode is ExecutionMode.AUTO


def test_a_smart_config_beside_the_execution_means_the_same_as_one_within_it() -> None:
    smart = SmartExecConfig(chunk_count=2, quoting_strategy=QuotingStrategy.MID)

    assert a_config(smart_config=smart).execution == ExecutionParams(smart=smart)
    assert a_config(smart_config=smart, execution=ExecutionParams(max_requote_rounds=3)).execution.max_requote_rounds == 3
    assert a_config(smart_config=smart, execution=ExecutionParams(smart=smart)).execution.smart == smart
    assert a_config(smart_config=smart, metadata={"execution_params": {"smart": smart}}).execution.smart == smart
    assert a_config(execution=ExecutionParams(smart=smart)).execution.smart == smart


def test_l31_a_version_is_the_same_for_the_same_declaration_and_another_for_another() -> None:
    def build(**changed: object) -> str:
        return a_config(**{"exit_conditions": [profit_target(50), max_hold_hours(1)], **changed}).version

    assert build() == build() == build(cooldown_seconds=5, metadata={"note": "x"}, max_trades_per_day=3)
    others = [
        build(exit_conditions=[profit_target(51), max_hold_hours(1)]),
        build(exit_conditions=[lambda account, trade: False]),
        build(exit_conditions=[lambda account, trade: account.valid]),
        build(entry_conditions=[time_window(8, 20)]),
        build(legs=strangle(0.2)),
        build(execution=ExecutionParams(max_requote_rounds=3)),
        build(execution=ExecutionParams(rfq=RFQParams(min_improvement_pct=1))),
        build(execution=ExecutionParams(legging=LeggingPolicy(max_seconds=60))),
        build(smart_config=SmartExecConfig(chunk_count=2)),
        build(execution_mode="limit"),
    ]
    assert len({build(), *others}) == len(others) + 1
    assert len(build()) == 12


# ---- loading


def named(name: str) -> StrategyFactory:
    def make() -> StrategyConfig:
        return a_config(name=name)

    return make


def misspelt() -> StrategyConfig:
    return StrategyConfig(name="misspelt", legs=strangle(0.1), max_trade_per_day=2)  # type: ignore[call-arg]


def unlike_anything() -> StrategyConfig:
    return StrategyConfig(name="misspelt", legs=strangle(0.1), zzz=2)  # type: ignore[call-arg]


def broken() -> StrategyConfig:
    raise KeyError("spot")


def in_two_ways_wrong() -> StrategyConfig:
    return a_config(legs=[], dry_run="no")


def with_an_unknown_leg() -> StrategyConfig:
    return a_config(legs=[LegSpec("X", side=1, qty=1, strike_criteria={"type": "closestStrike"}, expiry_criteria={"dte": "next"})])


def forgetful() -> StrategyConfig:
    return cast(StrategyConfig, None)


def test_one_factory_that_fails_stops_no_other_and_all_problems_are_reported() -> None:
    configs, problems = load_strategies(
        [named("a"), misspelt, unlike_anything, broken, in_two_ways_wrong, with_an_unknown_leg, forgetful, named("b")]
    )

    assert [config.name for config in configs] == ["a", "b"]
    text = "\n".join(problems)
    assert "misspelt: StrategyConfig has no field 'max_trade_per_day'; did you mean 'max_trades_per_day'?; its fields are" in text
    assert "unlike_anything: StrategyConfig has no field 'zzz'; its fields are name, legs" in text
    assert "broken: KeyError: 'spot'" in text
    assert text.count("in_two_ways_wrong: ") == 2
    assert "with_an_unknown_leg: LegSpec(option_type='X'" in text
    assert "forgetful: returned None, not a StrategyConfig" in text


def test_of_two_strategies_with_one_name_the_second_is_refused() -> None:
    configs, problems = load_strategies([named("a"), named("a")])

    assert len(configs) == 1
    assert problems == ("make: strategy 'a': the name is taken; each strategy needs its own",)


@pytest.mark.parametrize("mode", [str(mode) for mode in ExecutionMode])
def test_every_mode_loads(mode: str) -> None:
    configs, problems = load_strategies([lambda: a_config(execution_mode=mode)])

    assert problems == ()
    assert [str(config.mode) for config in configs] == [mode]


def test_a_mode_that_does_not_exist_is_refused_at_loading() -> None:
    configs, problems = load_strategies([lambda: a_config(execution_mode="fast")])

    assert configs == ()
    assert "strategy 'plain': execution_mode must be one of auto, limit, rfq, smart, not 'fast'" in problems[0]
