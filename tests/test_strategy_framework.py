"""The strategy framework as its users meet it: the README's strategy, the shipped ones, the guide, all on a market that works."""

import re
from dataclasses import fields, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from loguru import logger

import conditions
import strategy
from domain import ExecutionMode, LeggingPolicy, QuotingStrategy, RFQFallback, RFQParams, Side, SmartExecConfig, decimal_of
from lifecycle_manager import LifecycleManager
from market_data import MarketData
from option_selection import structures
from strategies import STRATEGIES
from strategies.blueprint import blueprint
from strategies.rfq_endurance import rfq_endurance
from strategies.smart_butterfly import smart_butterfly
from strategy import (
    ChainSource,
    ExecutionParams,
    StrategyConfig,
    TradeDesk,
    TradeState,
    load_strategies,
    max_hold_hours,
    max_loss,
    min_available_margin_pct,
    profit_target,
    strangle,
    time_window,
    weekday_filter,
)

from tests.unit.condition_builders import NOON, a_quote, a_trade, an_account, an_option
from tests.unit.strategy_builders import FakeMarket, Stage, a_chain, an_ended_trade

FACTORIES = set(conditions.__all__) - {"Condition", "fingerprint", "label_of", "needs_legs", "takes", "verdict_of"}
BUILDERS = {name for name, thing in vars(structures).items() if getattr(thing, "__module__", "") == structures.__name__ and name[0] != "_"}
GUIDE = (Path(__file__).parent.parent / "docs" / "strategy-guide.md").read_text(encoding="utf-8")


def my_strategy() -> StrategyConfig:
    """Hold the example of the README, word by word."""
    return StrategyConfig(
        name="my_strategy",
        legs=strangle(qty=0.01, call_delta=0.15, put_delta=-0.15, dte="next", side=1),
        entry_conditions=[time_window(8, 20), weekday_filter(["mon", "tue", "wed", "thu"]), min_available_margin_pct(30)],
        exit_conditions=[profit_target(50), max_loss(100), max_hold_hours(1)],
        execution_mode="limit",
        max_concurrent_trades=1,
        max_trades_per_day=2,
        cooldown_seconds=60,
        check_interval_seconds=30,
    )


@pytest.fixture
def stage() -> Stage:
    return Stage(my_strategy())


def test_the_readme_example_says_what_it_says() -> None:
    config = my_strategy()

    assert [(leg.option_type, leg.side, leg.qty) for leg in config.legs] == [
        ("C", Side.BUY, Decimal("0.01")),
        ("P", Side.BUY, Decimal("0.01")),
    ]
    assert config.mode is ExecutionMode.LIMIT
    assert [str(condition) for condition in config.entry_conditions] == [
        "time_window(8, 20)",
        "weekday_filter(['mon', 'tue', 'wed', 'thu'])",
        "min_available_margin_pct(30)",
    ]
    assert [str(condition) for condition in config.exit_conditions] == ["profit_target(50)", "max_loss(100)", "max_hold_hours(1)"]


def test_the_readme_example_opens_a_strangle_of_the_wanted_deltas(stage: Stage) -> None:
    stage.tick()

    [trade] = stage.desk.trades
    call, put = trade.legs
    quotes = stage.market.chains["BTC"].by_symbol
    assert quotes[call.option.symbol].greeks == a_quote(delta=0.95 - 0.15 * 5).greeks  # 0.20, the nearest to 0.15 that is listed
    assert (put.option.strike, put.target, put.side) == (Decimal(90_000), Decimal("0.01"), Side.BUY)


@pytest.mark.parametrize(
    ("hours", "opened"),
    [(0, 1), (7.99, 1), (8, 0), (19, 0), (20, 1), (48, 0)],  # from Wednesday noon; 48 h later it is Friday
)
def test_the_readme_example_opens_in_its_hours_only(stage: Stage, hours: float, opened: int) -> None:
    stage.tick(after=hours * 3600)

    assert len(stage.desk.trades) == opened


def test_the_readme_example_opens_one_at_a_time_twice_a_day_a_minute_apart(stage: Stage) -> None:
    stage.tick(after=0)
    stage.tick(after=30)
    assert stage.runner.why_not.startswith("max_concurrent_trades: 1 of 1 active")

    stage.desk.close(1)
    stage.tick(after=30)
    assert [trade.number for trade in stage.desk.active_trades_for_strategy("my_strategy")] == [2]

    stage.desk.close(2)
    stage.tick(after=600)
    assert stage.runner.why_not.startswith("max_trades_per_day: 2 of 2")

    stage.tick(after=24 * 3600)  # Thursday
    assert len(stage.desk.trades) == 3


@pytest.mark.parametrize(
    ("profit", "hours", "reason"),
    [
        ("50", 0.5, "profit_target(50)"),
        ("-100", 0.5, "max_loss(100)"),
        ("0", 1, "max_hold_hours(1)"),
        ("49", 0.5, None),
    ],
)
def test_the_readme_example_leaves_by_each_of_its_exits(profit: str, hours: float, reason: str | None) -> None:
    account, trade = an_account(NOON + timedelta(hours=hours)), a_trade(profit)

    met = [str(condition) for condition in my_strategy().exit_conditions if conditions.verdict_of(condition, account, trade)]

    assert met == ([] if reason is None else [reason])


def test_a_whole_day_of_the_readme_example_ends_flat_and_is_accounted_for(stage: Stage) -> None:
    for _ in range(24 * 60):
        stage.tick(after=60)
        for trade in stage.desk.active_trades_for_strategy("my_strategy"):
            if trade.state is TradeState.PENDING_OPEN:
                stage.desk.set(trade.number, replace(trade, state=TradeState.OPEN, opened_at=stage.clock.now()))
            elif any(conditions.verdict_of(c, an_account(stage.clock.now()), trade) for c in stage.config.exit_conditions[2:]):
                stage.desk.close(trade.number)

    found = stage.runner.statistics
    # Two on Wednesday afternoon, two on Thursday morning: the day is the UTC day.
    assert (found.closed, found.active, found.average_hold) == (4, 0, timedelta(hours=1))
    assert set(stage.runner.refusal_counts) == {"max_concurrent_trades", "max_trades_per_day", "time_window(8, 20)"}


# ---- what is shipped


def test_every_shipped_strategy_can_be_traded() -> None:
    configs, problems = load_strategies([*STRATEGIES, blueprint])

    assert problems == ()
    assert [config.name for config in configs] == [
        "micro_strangle",
        "short_strangle",
        "iron_condor",
        "rfq_endurance",
        "smart_butterfly",
        "blueprint",
    ]


def test_the_blueprint_is_not_traded_and_sets_every_field() -> None:
    text = (Path(__file__).parent.parent / "strategies" / "blueprint.py").read_text(encoding="utf-8")

    assert blueprint not in STRATEGIES
    assert blueprint().dry_run
    assert [f.name for f in fields(StrategyConfig) if f"{f.name}=" not in text] == []


def fine_chain_market() -> FakeMarket:
    """Expiries of 2, 7 and 14 days, with tight quotes and deltas fine enough for every shipped strategy."""
    chain = a_chain()
    quotes = []
    for days in (2, 7, 14):
        for quote in chain.quotes:
            option = an_option(int(quote.option.strike), quote.option.option_type, NOON + timedelta(days=days))
            assert quote.greeks is not None
            quotes.append(a_quote(option, bid="99", ask="101", delta=quote.greeks.delta * 0.8))
    return FakeMarket({"BTC": replace(chain, quotes=tuple(quotes))})


@pytest.mark.parametrize("factory", [*STRATEGIES, blueprint])
def test_every_shipped_strategy_enters_a_calm_market_and_has_a_way_out(factory: strategy.StrategyFactory) -> None:
    stage = Stage(factory(), market=fine_chain_market())

    calm = an_account(equity=Decimal(100_000), available_margin=Decimal(90_000), initial_margin=Decimal(1_000), unrealized=Decimal(0))
    stage.tick(account=calm)

    assert len(stage.desk.trades) == 1, stage.runner.why_not
    months_later = an_account(NOON + timedelta(days=60))
    assert any(conditions.verdict_of(c, months_later, a_trade("0")) for c in stage.config.exit_conditions if "spread" not in str(c))


def test_the_micro_strangle_is_over_within_minutes() -> None:
    micro = STRATEGIES[0]()

    longest_opening = timedelta(seconds=micro.execution.fill_timeout_seconds) * micro.execution.max_requote_rounds
    assert longest_opening <= timedelta(minutes=1)
    assert conditions.verdict_of(micro.exit_conditions[-1], an_account(NOON + timedelta(minutes=3)), a_trade("0"))
    assert micro.check_interval_seconds <= 10


def test_the_endurance_strategy_asks_makers_for_a_block_in_three_cycles_a_day() -> None:
    stage = Stage(rfq_endurance(), market=fine_chain_market())
    for _ in range(5):
        stage.tick(after=3600)
        for trade in stage.desk.active_trades_for_strategy("rfq_endurance"):
            stage.desk.close(trade.number)

    assert len(stage.desk.trades) == 3
    assert stage.runner.why_not.startswith("max_trades_per_day: 3 of 3")
    for trade in stage.desk.trades:
        assert trade.mode is ExecutionMode.RFQ
        assert sum(leg.option.strike * leg.target for leg in trade.legs) >= 50_000
    assert rfq_endurance().execution.rfq.fallback is RFQFallback.NONE


def test_the_smart_butterfly_is_the_documented_one() -> None:
    config = smart_butterfly()

    assert [(leg.side, leg.qty) for leg in config.legs] == [
        (Side.BUY, Decimal("0.2")),
        (Side.SELL, Decimal("0.4")),
        (Side.BUY, Decimal("0.2")),
    ]
    assert config.mode is ExecutionMode.SMART
    assert config.execution.smart == SmartExecConfig(
        chunk_count=2,
        time_per_chunk=20,
        quoting_strategy=QuotingStrategy.MID,
        reprice_interval=10,
        reprice_price_threshold=Decimal("0.1"),
        min_order_qty=Decimal("0.01"),
        aggressive_attempts=10,
        aggressive_wait_seconds=5.0,
        aggressive_retry_pause=1.0,
    )


@pytest.mark.parametrize("factory", [rfq_endurance, smart_butterfly])
def test_the_show_pieces_hold_for_minutes_only(factory: strategy.StrategyFactory) -> None:
    leaves = factory().exit_conditions[-1]

    assert not conditions.verdict_of(leaves, an_account(NOON + timedelta(minutes=2)), a_trade("0"))
    assert conditions.verdict_of(leaves, an_account(NOON + timedelta(minutes=4)), a_trade("0"))


# ---- one import line, one guide


def test_one_import_line_is_enough() -> None:
    factories = {
        name for name in conditions.__all__ if name not in {"Condition", "fingerprint", "label_of", "needs_legs", "takes", "verdict_of"}
    }

    assert factories | BUILDERS <= set(strategy.__all__)
    assert [name for name in strategy.__all__ if not hasattr(strategy, name)] == []


def test_the_guide_explains_every_condition_every_field_and_every_builder() -> None:
    wanted = FACTORIES | BUILDERS | {f.name for f in fields(StrategyConfig)}

    assert [name for name in wanted if not re.search(rf"`[^`\n]*\b{name}\b", GUIDE)] == []


@pytest.mark.parametrize("kind", [ExecutionParams, SmartExecConfig, RFQParams, LeggingPolicy])
def test_the_guide_gives_every_parameter_of_execution_its_true_default(kind: type) -> None:
    section = GUIDE[GUIDE.index(f"### `{kind.__name__}`") :].split("\n#", 1)[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| `([^`]*)` \|", section, re.MULTILINE))
    made = kind()

    assert rows.keys() == {f.name for f in fields(kind)}
    for name, text in rows.items():
        actual, value = getattr(made, name), eval(text, {kind.__name__: kind for kind in (SmartExecConfig, RFQParams, LeggingPolicy)})
        assert actual == (decimal_of(value) if isinstance(actual, Decimal) else value), name


def test_the_first_strategy_of_the_guide_is_the_readme_example() -> None:
    block = re.search(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert block is not None
    names: dict[str, strategy.StrategyFactory] = {}

    exec("\n".join(line.removeprefix("   ") for line in block[1].splitlines()), names)  # the guide's own text

    assert names["my_strategy"]().version == my_strategy().version
    assert names["my_strategy"]().max_trades_per_day == 2


def test_the_real_services_are_what_a_runner_asks_for() -> None:
    def desk(manager: LifecycleManager) -> TradeDesk:
        return manager

    def source(market: MarketData) -> ChainSource:
        return market

    assert all(map(callable, (desk, source)))  # the type checker has judged them


def test_the_blueprints_own_functions_do_what_they_say() -> None:
    config = blueprint()
    calm, gone = config.entry_conditions[-1], config.exit_conditions[-1]
    both = a_trade()
    one = replace(both, legs=(both.legs[0], replace(both.legs[1], held=Decimal(0))))

    assert not conditions.verdict_of(calm, an_account(unrealized=None))
    assert not conditions.verdict_of(calm, an_account(unrealized=Decimal(-200)))
    assert not conditions.verdict_of(gone, an_account(), both)
    assert conditions.verdict_of(gone, an_account(), one)


def test_the_blueprint_reports_how_its_trades_ended() -> None:
    stage = Stage(blueprint())
    told: list[str] = []
    sink = logger.add(told.append, format="{message}")

    for listener in stage.desk.listeners:
        listener(an_ended_trade(1, strategy="blueprint"))
    logger.remove(sink)

    assert told == ["blueprint trade ended id=blueprint#1 net=46 USD equity=None\n"]
