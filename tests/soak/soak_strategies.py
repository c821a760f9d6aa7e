"""Ten strategies for a long run, handed to the program as a user's file: every mode, every kind of exit, BTC and ETH.

No two trade the same expiry of the same underlying, so no leg of one nets against a leg of another. The first two hold through 08:00 UTC,
so that the exchange settles them.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import TypedDict

from strategy import (
    ExecutionParams,
    LeggingPolicy,
    LegSpec,
    QuotingStrategy,
    RFQFallback,
    RFQParams,
    SmartExecConfig,
    StrategyConfig,
    StrategyFactory,
    any_of,
    butterfly,
    close_before_expiry,
    iron_condor,
    leg_greek_limit,
    max_hold_hours,
    max_loss,
    max_loss_pct,
    min_available_margin_pct,
    not_,
    profit_target,
    profit_target_pct,
    straddle,
    strangle,
    structure_delta_limit,
    time_exit,
    time_window,
    trailing_profit,
    weekday_filter,
)

# Patience in seconds of the market: at a high speed a reply that takes 10 ms of the wall takes a second or two of these.
CHASE = ExecutionParams(
    fill_timeout_seconds=60,
    aggressive_buffer_pct=25,
    max_requote_rounds=6,
    smart=SmartExecConfig(
        chunk_count=2, time_per_chunk=180, quoting_strategy=QuotingStrategy.MID, aggressive_wait_seconds=30, max_cross_pct=40
    ),
    rfq=RFQParams(timeout_seconds=300, poll_seconds=15, gather_seconds=30, fallback=RFQFallback.LIMIT),
    legging=LeggingPolicy(max_seconds=900, remedy_seconds=180, cross_cap_pct=25),
)
CALM = timedelta(minutes=3)
ROOM = min_available_margin_pct(20)


class Often(TypedDict, total=False):
    """How often a strategy trades."""

    max_concurrent_trades: int
    max_trades_per_day: int
    cooldown_seconds: float
    check_interval_seconds: float


def often(a_day: int, minutes: float) -> Often:
    """Return so many trades a day at most, and so many minutes between the beginnings of two."""
    return Often(max_concurrent_trades=1, max_trades_per_day=a_day, cooldown_seconds=minutes * 60, check_interval_seconds=30)


def limit_settled() -> StrategyConfig:
    """Buy the strangle that expires next, shortly before it does, and hold it until the exchange settles it."""
    return StrategyConfig(
        name="limit_settled",
        legs=strangle(qty=0.1, call_delta=0.35, put_delta=-0.35, dte="next", side=1),
        entry_conditions=[ROOM, time_window(1, 7)],
        exit_conditions=[profit_target_pct(4)],
        execution_mode="limit",
        execution=CHASE,
        **often(1, 60),
    )


def auto_settled() -> StrategyConfig:
    """Sell the ETH strangle that expires next and hold it into settlement, unless it goes badly."""
    return StrategyConfig(
        name="auto_settled",
        legs=strangle(qty=2, call_delta=0.2, put_delta=-0.2, dte="next", side=2, underlying="ETH"),
        entry_conditions=[ROOM, time_window(2, 7)],
        exit_conditions=[max_loss_pct(5, confirmations=3, min_hold=CALM)],
        execution_mode="auto",
        execution=CHASE,
        **often(1, 60),
    )


def limit_in_and_out() -> StrategyConfig:
    """Buy a strangle two days out and take small profits and small losses, many times a day."""
    return StrategyConfig(
        name="limit_in_and_out",
        legs=strangle(qty=0.05, call_delta=0.3, put_delta=-0.3, dte=2, side=1),
        entry_conditions=[ROOM],
        exit_conditions=[
            profit_target(pct=0.03, min_hold=CALM),
            max_loss(pct=0.08, confirmations=3, min_hold=CALM),
            max_hold_hours(1.5),
            close_before_expiry(3),
        ],
        execution_mode="limit",
        execution=CHASE,
        **often(12, 30),
    )


def limit_credit() -> StrategyConfig:
    """Sell a strangle a week out; leave on profit, loss or delta."""
    return StrategyConfig(
        name="limit_credit",
        legs=strangle(qty=0.05, call_delta=0.2, put_delta=-0.2, dte=7, side=2),
        entry_conditions=[ROOM, not_(time_window(13, 14))],
        exit_conditions=[
            profit_target_pct(0.04, min_hold=CALM),
            max_loss_pct(0.25, confirmations=3, min_hold=CALM),
            structure_delta_limit(0.01),
            max_hold_hours(3),
        ],
        execution_mode="limit",
        execution=CHASE,
        **often(8, 45),
    )


def rfq_block() -> StrategyConfig:
    """Buy a strangle above the block minimum from makers."""
    return StrategyConfig(
        name="rfq_block",
        legs=strangle(qty=0.6, call_delta=0.25, put_delta=-0.25, dte=14, side=1),
        entry_conditions=[ROOM],
        exit_conditions=[profit_target(pct=0.05, min_hold=CALM), max_loss(pct=0.2, confirmations=3, min_hold=CALM), max_hold_hours(1)],
        execution_mode="rfq",
        execution=CHASE,
        **often(8, 60),
    )


def rfq_condor() -> StrategyConfig:
    """Sell an ETH iron condor of four legs to makers."""
    return StrategyConfig(
        name="rfq_condor",
        legs=iron_condor(qty=12, inner_delta=0.3, outer_delta=0.12, dte=14, side=2, underlying="ETH"),
        entry_conditions=[ROOM],
        exit_conditions=[max_loss_pct(0.5, confirmations=3, min_hold=CALM), max_hold_hours(2)],
        execution_mode="rfq",
        execution=CHASE,
        **often(6, 90),
    )


def smart_butterfly() -> StrategyConfig:
    """Buy a butterfly in two chunks that keep its ratio."""
    return StrategyConfig(
        name="smart_butterfly",
        legs=butterfly(qty=0.2, width_pct=5, option_type="C", dte=28, side=1),
        entry_conditions=[ROOM],
        exit_conditions=[max_loss(pct=1, confirmations=3, min_hold=CALM), max_hold_hours(1)],
        execution_mode="smart",
        execution=CHASE,
        **often(6, 90),
    )


def smart_straddle() -> StrategyConfig:
    """Buy an ETH straddle in chunks; leave when a leg's delta has run away, and in any case at 06:15 and 20:30."""
    return StrategyConfig(
        name="smart_straddle",
        legs=straddle(qty=2, dte=7, side=1, underlying="ETH"),
        entry_conditions=[ROOM],
        exit_conditions=[
            any_of(leg_greek_limit("delta", 1.5), trailing_profit(15, 6, min_hold=CALM)),
            time_exit(6, 15),
            time_exit(20, 30),
            max_hold_hours(2.5),
        ],
        execution_mode="smart",
        execution=CHASE,
        **often(6, 60),
    )


def auto_condor() -> StrategyConfig:
    """Buy what a sold iron condor is the other side of, three weeks out, and let the program choose how."""
    return StrategyConfig(
        name="auto_condor",
        legs=iron_condor(qty=0.3, inner_delta=0.3, outer_delta=0.12, dte=60, side=1),
        entry_conditions=[ROOM],
        exit_conditions=[profit_target(20, min_hold=CALM), max_loss(60, confirmations=3, min_hold=CALM), max_hold_hours(1.5)],
        execution_mode="auto",
        execution=CHASE,
        **often(8, 60),
    )


def auto_weekend() -> StrategyConfig:
    """Buy an ETH call and an ETH put a month out, from Friday to Sunday only."""
    return StrategyConfig(
        name="auto_weekend",
        legs=[
            LegSpec(
                "C", side=1, qty=1, strike_criteria={"type": "spotdistance %", "value": 2}, expiry_criteria={"dte": 30}, underlying="ETH"
            ),
            LegSpec("P", side=1, qty=1, strike_criteria={"type": "closestStrike"}, expiry_criteria={"dte": 30}, underlying="ETH"),
        ],
        entry_conditions=[ROOM, weekday_filter(["fri", "sat", "sun"])],
        exit_conditions=[profit_target(pct=0.02, min_hold=CALM), max_hold_hours(0.75)],
        execution_mode="auto",
        execution=CHASE,
        **often(12, 45),
    )


STRATEGIES: Sequence[StrategyFactory] = [
    limit_settled,
    auto_settled,
    limit_in_and_out,
    limit_credit,
    rfq_block,
    rfq_condor,
    smart_butterfly,
    smart_straddle,
    auto_condor,
    auto_weekend,
]
