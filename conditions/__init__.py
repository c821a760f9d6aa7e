"""Entry and exit conditions, each made by a factory, and the combinators that join them.

A condition is a pure function of the account (and the trade) that answers with a Verdict; the moment is `account.now`, never a clock.
Only `confirmations` remembers anything: a count per trade, which a restart begins anew. A user's own function or lambda that returns
a bool or a Verdict is a condition too.
"""

from conditions.combinators import all_of, any_of, at_least, not_, spread_below
from conditions.condition import Condition, fingerprint, label_of, needs_legs, takes, verdict_of
from conditions.entry import (
    cron,
    max_account_delta,
    max_margin_utilization,
    min_available_margin_pct,
    min_equity,
    no_existing_position_in,
    time_window,
    utc_time_window,
    weekday_filter,
)
from conditions.exit import (
    account_delta_limit,
    close_before_expiry,
    leg_greek_limit,
    max_hold_hours,
    max_loss,
    max_loss_pct,
    profit_target,
    profit_target_pct,
    structure_delta_limit,
    time_exit,
    trailing_profit,
    utc_datetime_exit,
)

__all__ = [
    "Condition",
    "account_delta_limit",
    "all_of",
    "any_of",
    "at_least",
    "close_before_expiry",
    "cron",
    "fingerprint",
    "label_of",
    "leg_greek_limit",
    "max_account_delta",
    "max_hold_hours",
    "max_loss",
    "max_loss_pct",
    "max_margin_utilization",
    "min_available_margin_pct",
    "min_equity",
    "needs_legs",
    "no_existing_position_in",
    "not_",
    "profit_target",
    "profit_target_pct",
    "spread_below",
    "structure_delta_limit",
    "takes",
    "time_exit",
    "time_window",
    "trailing_profit",
    "utc_datetime_exit",
    "utc_time_window",
    "verdict_of",
    "weekday_filter",
]
