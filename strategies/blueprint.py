"""A strategy with every field and a word on each: copy this file, rename, delete what you do not need, add it to STRATEGIES.

It is not in STRATEGIES itself, and it is a dry run: it never sends an order. docs/strategy-guide.md explains each condition.
"""

from datetime import timedelta

from loguru import logger

from domain import QuotingStrategy, RFQFallback
from strategy import (
    AccountSnapshot,
    ExecutionParams,
    LeggingPolicy,
    LegSpec,
    Remedy,
    RFQParams,
    SmartExecConfig,
    StrategyConfig,
    TradeLifecycle,
    TradeView,
    all_of,
    close_before_expiry,
    max_hold_hours,
    max_loss,
    min_available_margin_pct,
    not_,
    profit_target,
    spread_below,
    time_exit,
    time_window,
    weekday_filter,
)


def blueprint() -> StrategyConfig:
    """Buy two calls for each put, outside the opening hours of the US markets."""
    return StrategyConfig(
        # Unique among all strategies; trades are bound to it by name and version across restarts.
        name="blueprint",
        # What to trade. A builder such as strangle(...) makes this list; by hand each leg is a LegSpec.
        legs=[
            # The call whose delta is nearest 0.30, of the expiry nearest to 7 days from now; side 1 buys, 2 sells; qty is coins.
            LegSpec("C", side=1, qty=0.02, strike_criteria={"type": "delta", "value": 0.30}, expiry_criteria={"dte": 7}),
            # The put nearest to the strike 5 % below the index price, of the first expiry that is 5 to 10 days away.
            LegSpec(
                "P",
                side=1,
                qty=0.01,
                strike_criteria={"type": "spotdistance %", "value": -5},
                expiry_criteria={"dte_min": 5, "dte_max": 10, "target": "near"},
                underlying="BTC",
            ),
        ],
        # When to enter: all must pass. They are asked in this order; the first no is what --status shows.
        entry_conditions=[
            weekday_filter(["mon", "tue", "wed", "thu", "fri"]),
            not_(time_window(13, 15)),  # stay out around the opening of the US markets
            min_available_margin_pct(30),  # 30 is 30 %
            spread_below(12),  # of the very legs that would be traded; 12 is 12 %
            calm_account,  # a function of your own
        ],
        # When to leave: any one closes the trade.
        exit_conditions=[
            all_of(profit_target(pct=0.4), spread_below(15)),  # take profit only where the market is good
            max_loss(40, basis="mark", confirmations=3, min_hold=timedelta(minutes=1)),  # USD, on three looks in a row
            close_before_expiry(12),
            time_exit(20, 30),  # the first 20:30 UTC after opening
            max_hold_hours(48),
            one_leg_is_gone,  # a function of your own that says True or False; a lambda does as well
        ],
        # How it is opened and closed: "limit" chases fills, "rfq" asks makers for a block, "smart" works the book in chunks,
        # "auto" lets the program choose each time, and say why.
        execution_mode="auto",
        execution=ExecutionParams(
            # limit: a quote stands 30 s, then steps towards the market, ten times, up to 2 % past mid.
            fill_timeout_seconds=30,
            aggressive_buffer_pct=2,
            max_requote_rounds=10,
            # rfq: wait 6 s for quotes and a minute at most, take the best if it is no worse than the book, else chase with limit orders.
            rfq=RFQParams(timeout_seconds=60, gather_seconds=6, min_improvement_pct=0, fallback=RFQFallback.LIMIT),
            # While only a part is filled: five minutes or 1 % of the notional at most; then cross the spread, and else give it back.
            legging=LeggingPolicy(
                bought_first=True,
                require_executable=True,
                max_seconds=300,
                max_loss_pct=1,
                remedies=(Remedy.CROSS, Remedy.UNWIND),
                remedy_seconds=30,
                cross_cap_pct=5,
            ),
        ),
        # smart: three chunks, each quoted at mid for two minutes, then taken across the spread. execution.smart is another place for it.
        smart_config=SmartExecConfig(chunk_count=3, time_per_chunk=120, quoting_strategy=QuotingStrategy.MID),
        # How often. A trade with exposure counts as concurrent, whatever became of it; the day is the UTC day, 0 is unlimited.
        max_concurrent_trades=1,
        max_trades_per_day=2,
        cooldown_seconds=900,  # between the beginnings of two trades
        check_interval_seconds=30,  # between two looks at the entry conditions
        # Called once for every trade that has ended, also while the strategy is paused.
        on_trade_closed=report,
        # Anything of your own. metadata["execution_params"] is another place for `execution`.
        metadata={"author": "you"},
        # Decide, price and simulate as if it were real, and send nothing.
        dry_run=True,
    )


def calm_account(account: AccountSnapshot) -> bool:
    """Pass while the account's unrealised result is known and better than -200 USD."""
    return account.unrealized is not None and account.unrealized > -200


def report(trade: TradeLifecycle, account: AccountSnapshot) -> None:
    """Say in the log what a trade came to."""
    logger.info("blueprint trade ended id={} net={} USD equity={}", trade.id, trade.net_profit, account.equity)


def one_leg_is_gone(account: AccountSnapshot, trade: TradeView) -> bool:
    """Tell whether a leg is held no more (expired before the other, say)."""
    return account.valid and any(leg.held == 0 for leg in trade.legs)
