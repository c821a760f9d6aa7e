"""What is traded in a run: one strategy of a mode, entering at once and leaving soon, and what it may come to hold at most."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from strategy import (
    ExecutionParams,
    LeggingPolicy,
    LegSpec,
    QuotingStrategy,
    RFQParams,
    SmartExecConfig,
    StrategyConfig,
    max_hold_hours,
)

from tests.faults.market import FAR, NEAR, symbol

MODES = ("limit", "rfq", "smart", "auto")
HOLD = 12.0  # seconds

Structure = Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Plan:
    """A strategy and its wish: coins by option, negative where it is sold; and others beside it, whose wish is in it too."""

    strategy: StrategyConfig
    structure: Structure
    others: tuple[StrategyConfig, ...] = ()
    trades: int = 1  # how many are traded in all, where nothing stops them


def a_plan(mode: str, seed: int, expiry: datetime = FAR) -> Plan:
    """Return what a run of a mode trades; the seed chooses among structures, sides and sizes that suit the mode."""
    sign = 1 if seed % 2 == 0 else -1
    butterfly = mode == "smart" or (mode == "auto" and seed % 3 == 1)
    wings = [("C", 95_000, sign), ("C", 100_000, -2 * sign), ("C", 105_000, sign)]
    rows = wings if butterfly else [("C", 110_000, sign), ("P", 90_000, sign)]
    size = Decimal("0.3") if mode == "rfq" or (mode == "auto" and seed % 3 == 0) else Decimal("0.06")
    legs = [(kind, strike, size * lots) for kind, strike, lots in rows]
    day = f"{expiry.day}{expiry:%b%y}".upper()
    strategy = StrategyConfig(
        name=f"faults_{mode}",
        legs=[
            LegSpec(kind, 1 if qty > 0 else 2, abs(qty), {"type": "strike", "value": strike}, {"symbol": day}) for kind, strike, qty in legs
        ],
        exit_conditions=[max_hold_hours(HOLD / 3600)],
        execution_mode=mode,
        execution=ExecutionParams(
            fill_timeout_seconds=3,
            aggressive_buffer_pct=12,
            max_requote_rounds=4,
            smart=SmartExecConfig(
                chunk_count=2, time_per_chunk=6, quoting_strategy=QuotingStrategy.MID, aggressive_wait_seconds=2, aggressive_retry_pause=0.5
            ),
            rfq=RFQParams(timeout_seconds=15, poll_seconds=1, gather_seconds=5),
            legging=LeggingPolicy(max_seconds=40, remedy_seconds=10, cross_cap_pct=15, bought_first=seed % 4 < 2),
        ),
        max_concurrent_trades=1,
        max_trades_per_day=1,
        check_interval_seconds=1,
    )
    return Plan(strategy, {symbol(strike, kind, expiry): qty for kind, strike, qty in legs})


def several(words: str, seed: int, expiry: datetime = FAR) -> Plan:
    """Return what one or two strategies trade, as `limit*2+rfq` says: their modes, and how often each trades, one after the other.

    The two trade different expiries, so that each coin is the wish of one.
    """
    parts = [word.partition("*") for word in words.split("+")]
    expiries = (expiry, NEAR if expiry == FAR else FAR)
    plans = [a_plan(mode, seed + number, expiries[number]) for number, (mode, _, _) in enumerate(parts)]
    times = [int(often or 1) for _, _, often in parts]
    strategies = [
        replace(plan.strategy, name=f"{plan.strategy.name}_{number}", max_trades_per_day=often)
        for number, (plan, often) in enumerate(zip(plans, times, strict=True))
    ]
    wish = {name: qty for plan in plans for name, qty in plan.structure.items()}
    return Plan(strategies[0], wish, tuple(strategies[1:]), sum(times))
