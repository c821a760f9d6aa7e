"""Sell a strangle a week out, keep half of what was received, and never carry it into its last day."""

from datetime import timedelta

from strategy import (
    ExecutionParams,
    StrategyConfig,
    close_before_expiry,
    max_account_delta,
    max_hold_hours,
    max_loss_pct,
    max_margin_utilization,
    min_available_margin_pct,
    profit_target_pct,
    spread_below,
    strangle,
    structure_delta_limit,
)


def short_strangle() -> StrategyConfig:
    """Sell 0.05 BTC of the 0.18 delta call and put that expire in about a week."""
    return StrategyConfig(
        name="short_strangle",
        legs=strangle(qty=0.05, call_delta=0.18, put_delta=-0.18, dte=7, side=2),
        entry_conditions=[
            min_available_margin_pct(50),
            max_margin_utilization(40),
            max_account_delta(0.5),
            spread_below(15),
        ],
        exit_conditions=[
            profit_target_pct(0.5, min_hold=timedelta(minutes=5)),
            max_loss_pct(1.5, confirmations=3, min_hold=timedelta(minutes=1)),
            structure_delta_limit(0.03),
            close_before_expiry(24),
            max_hold_hours(20),
        ],
        execution_mode="limit",
        execution=ExecutionParams(fill_timeout_seconds=20, aggressive_buffer_pct=8, max_requote_rounds=6),
        max_concurrent_trades=1,
        max_trades_per_day=2,
        cooldown_seconds=3600,
        check_interval_seconds=30,
    )
