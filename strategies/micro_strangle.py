"""The smallest whole life of a trade: what `make run` shows first, and what a new set-up is tried with."""

from strategy import (
    ExecutionParams,
    StrategyConfig,
    max_hold_hours,
    max_loss,
    min_available_margin_pct,
    profit_target,
    strangle,
)


def micro_strangle() -> StrategyConfig:
    """Buy a 0.01 BTC strangle at once, whatever the market, and leave it after about two and a half minutes, or earlier on a profit."""
    return StrategyConfig(
        name="micro_strangle",
        legs=strangle(qty=0.01, call_delta=0.25, put_delta=-0.25, dte=2, side=1),
        entry_conditions=[min_available_margin_pct(10)],
        exit_conditions=[profit_target(pct=0.25), max_loss(pct=0.5, confirmations=3), max_hold_hours(0.04)],
        execution_mode="limit",
        execution=ExecutionParams(fill_timeout_seconds=10, aggressive_buffer_pct=20, max_requote_rounds=4),
        max_concurrent_trades=1,
        max_trades_per_day=48,
        cooldown_seconds=600,
        check_interval_seconds=5,
    )
