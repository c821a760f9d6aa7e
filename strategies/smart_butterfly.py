"""Open and close a butterfly in two chunks that keep its ratio: the smart executor's own show-piece."""

from decimal import Decimal

from strategy import (
    QuotingStrategy,
    SmartExecConfig,
    StrategyConfig,
    butterfly,
    max_hold_hours,
    max_loss,
    min_available_margin_pct,
)


def smart_butterfly() -> StrategyConfig:
    """Buy 0.2 BTC of each wing and sell 0.4 of the body, quoted at mid in two chunks, and leave the same way after three minutes."""
    return StrategyConfig(
        name="smart_butterfly",
        legs=butterfly(qty=0.2, width_pct=5, option_type="C", dte=21, side=1),
        entry_conditions=[min_available_margin_pct(30)],
        exit_conditions=[max_loss(pct=1, confirmations=3), max_hold_hours(0.05)],
        execution_mode="smart",
        smart_config=SmartExecConfig(
            chunk_count=2,
            time_per_chunk=20,
            quoting_strategy=QuotingStrategy.MID,
            reprice_interval=10,
            reprice_price_threshold=Decimal("0.1"),
            min_order_qty=Decimal("0.01"),
            aggressive_attempts=10,
            aggressive_wait_seconds=5.0,
            aggressive_retry_pause=1.0,
        ),
        max_concurrent_trades=1,
        max_trades_per_day=3,
        cooldown_seconds=600,
        check_interval_seconds=10,
    )
