"""Sell an iron condor two weeks out: a strangle sold, a further one bought, so that the loss has a bottom from the first moment."""

from datetime import timedelta

from strategy import (
    ExecutionParams,
    StrategyConfig,
    close_before_expiry,
    max_hold_hours,
    max_loss_pct,
    max_margin_utilization,
    min_available_margin_pct,
    profit_target_pct,
    spread_below,
)
from strategy import iron_condor as condor


def iron_condor() -> StrategyConfig:
    """Sell 0.05 BTC of the 0.25 delta strangle that expires in about two weeks, and buy the 0.10 delta one as its protection."""
    return StrategyConfig(
        name="iron_condor",
        legs=condor(qty=0.05, inner_delta=0.25, outer_delta=0.10, dte=14, side=2),
        entry_conditions=[min_available_margin_pct(40), max_margin_utilization(50), spread_below(25)],
        exit_conditions=[
            profit_target_pct(0.5, min_hold=timedelta(minutes=5)),
            max_loss_pct(1, confirmations=3, min_hold=timedelta(minutes=1)),
            close_before_expiry(48),
            max_hold_hours(240),
        ],
        execution_mode="limit",
        execution=ExecutionParams(fill_timeout_seconds=20, aggressive_buffer_pct=12, max_requote_rounds=6),
        max_concurrent_trades=1,
        max_trades_per_day=1,
        check_interval_seconds=30,
    )
