"""The words of the trade: instruments, quotes, orders, fills, positions, accounts, verdicts.

Values only: they never act and cannot change. Prices are USD per one coin, quantities are coins, both Decimal;
Greeks and implied volatilities are floats. A missing number is None and never zero.
"""

from domain.account import (
    AccountSnapshot,
    EntryCondition,
    ExitCondition,
    LegView,
    PositionSnapshot,
    TradeView,
    Verdict,
    at_now,
    unknown_account,
)
from domain.enums import (
    Basis,
    Environment,
    ExecutionMode,
    OptionType,
    OrderStatus,
    OrderType,
    Purpose,
    Severity,
    Side,
    TimeInForce,
)
from domain.market import (
    Chain,
    Greeks,
    Instrument,
    Level,
    Option,
    OrderBook,
    Quote,
)
from domain.numbers import (
    ZERO,
    Number,
    aggressive_price,
    decimal_of,
    passive_price,
    utc_day_start,
    whole_lots,
)
from domain.orders import (
    ClientOrderId,
    ExecutionParams,
    Fill,
    NewOrder,
    OrderReport,
    Settlement,
    WhenIncomplete,
)

__all__ = [
    "ZERO",
    "AccountSnapshot",
    "Basis",
    "Chain",
    "ClientOrderId",
    "EntryCondition",
    "Environment",
    "ExecutionMode",
    "ExecutionParams",
    "ExitCondition",
    "Fill",
    "Greeks",
    "Instrument",
    "LegView",
    "Level",
    "NewOrder",
    "Number",
    "Option",
    "OptionType",
    "OrderBook",
    "OrderReport",
    "OrderStatus",
    "OrderType",
    "PositionSnapshot",
    "Purpose",
    "Quote",
    "Settlement",
    "Severity",
    "Side",
    "TimeInForce",
    "TradeView",
    "Verdict",
    "WhenIncomplete",
    "aggressive_price",
    "at_now",
    "decimal_of",
    "passive_price",
    "unknown_account",
    "utc_day_start",
    "whole_lots",
]
