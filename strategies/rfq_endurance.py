"""Ask makers for a block three times a day, hold it for a few minutes, and ask them again to leave: does the way to them still stand?"""

from strategy import (
    ExecutionParams,
    RFQFallback,
    RFQParams,
    StrategyConfig,
    max_hold_hours,
    max_loss,
    min_available_margin_pct,
    strangle,
)


def rfq_endurance() -> StrategyConfig:
    """Buy a 0.5 BTC strangle from makers and sell it back after about three minutes, in three cycles a day."""
    return StrategyConfig(
        name="rfq_endurance",
        # Strike x coins over both legs is above the 50,000 USD that a block needs while BTC stands above 50,000 USD.
        legs=strangle(qty=0.5, call_delta=0.25, put_delta=-0.25, dte=30, side=1),
        entry_conditions=[min_available_margin_pct(30)],
        exit_conditions=[max_loss(pct=0.5, confirmations=3), max_hold_hours(0.05)],
        execution_mode="rfq",
        # Never worse than the book; without such a quote the opening is given up, while a close goes on with limit orders.
        execution=ExecutionParams(rfq=RFQParams(timeout_seconds=60, gather_seconds=6, min_improvement_pct=0, fallback=RFQFallback.NONE)),
        max_concurrent_trades=1,
        max_trades_per_day=3,
        cooldown_seconds=600,
        check_interval_seconds=10,
    )
