"""What can happen, in the past tense: the only things that change a trade, and all that the journal holds.

Each event is a frozen, tagged value that msgspec writes as JSON and reads back exactly (Decimals as text, moments as ISO).
`at` is market time. New fields need a default, so that old journals stay readable.
"""

from events.account import (
    AccountMarked,
    AccountStateChanged,
    AlertRaised,
    DifferenceEnded,
    DifferenceFound,
    EntriesRefused,
    KillSwitchMoved,
    StrategyChanged,
)
from events.base import Event
from events.executions import (
    BlockIntended,
    BlockQuoted,
    BlockQuoteEnded,
    BlockQuoteIntended,
    ExecutionEnded,
    ExecutionEvent,
    ExecutionMoved,
    ExecutionStarted,
    LegBook,
    LeggingBreached,
    LegsApart,
    LegsTogether,
    MarketAfter,
    RFQEnded,
    RFQOpened,
    RFQQuoted,
    RFQSent,
)
from events.orders import OrderAccepted, OrderEvent, OrderIntended, OrderLost, OrderRefused, OrderSettled
from events.trades import (
    CloseCompleted,
    CloseNotified,
    CloseRequested,
    CloseStarted,
    LegAdopted,
    LegFilled,
    LegPlan,
    LegSettled,
    OpenCompleted,
    OpenGivenUp,
    OpenStarted,
    PartKept,
    ProfitPeaked,
    TradeCreated,
    TradeEvent,
    TradeHandedOver,
    TradeQuarantined,
    TradeReleased,
    TradeWrittenOff,
    UnwindStarted,
)

__all__ = [
    "AccountMarked",
    "AccountStateChanged",
    "AlertRaised",
    "AnyAccountEvent",
    "AnyEvent",
    "AnyExecutionEvent",
    "AnyOrderEvent",
    "AnyTradeEvent",
    "BlockIntended",
    "BlockQuoteEnded",
    "BlockQuoteIntended",
    "BlockQuoted",
    "CloseCompleted",
    "CloseNotified",
    "CloseRequested",
    "CloseStarted",
    "DifferenceEnded",
    "DifferenceFound",
    "EntriesRefused",
    "Event",
    "ExecutionEnded",
    "ExecutionEvent",
    "ExecutionMoved",
    "ExecutionStarted",
    "KillSwitchMoved",
    "LegAdopted",
    "LegBook",
    "LegFilled",
    "LegPlan",
    "LegSettled",
    "LeggingBreached",
    "LegsApart",
    "LegsTogether",
    "MarketAfter",
    "OpenCompleted",
    "OpenGivenUp",
    "OpenStarted",
    "OrderAccepted",
    "OrderEvent",
    "OrderIntended",
    "OrderLost",
    "OrderRefused",
    "OrderSettled",
    "PartKept",
    "ProfitPeaked",
    "RFQEnded",
    "RFQOpened",
    "RFQQuoted",
    "RFQSent",
    "StrategyChanged",
    "TradeCreated",
    "TradeEvent",
    "TradeHandedOver",
    "TradeQuarantined",
    "TradeReleased",
    "TradeWrittenOff",
    "UnwindStarted",
]

AnyTradeEvent = (
    TradeCreated
    | OpenStarted
    | LegFilled
    | OpenCompleted
    | OpenGivenUp
    | UnwindStarted
    | PartKept
    | CloseRequested
    | CloseStarted
    | CloseCompleted
    | LegSettled
    | TradeQuarantined
    | TradeReleased
    | TradeWrittenOff
    | ProfitPeaked
    | LegAdopted
    | TradeHandedOver
    | CloseNotified
)
AnyOrderEvent = OrderIntended | OrderAccepted | OrderRefused | OrderLost | OrderSettled
AnyExecutionEvent = (
    ExecutionStarted
    | ExecutionMoved
    | ExecutionEnded
    | LegsApart
    | LegsTogether
    | LeggingBreached
    | RFQSent
    | RFQOpened
    | RFQQuoted
    | BlockIntended
    | BlockQuoteIntended
    | BlockQuoted
    | BlockQuoteEnded
    | RFQEnded
    | MarketAfter
)
AnyAccountEvent = AccountMarked | AccountStateChanged | AlertRaised | DifferenceFound | DifferenceEnded | KillSwitchMoved
AnyEvent = AnyTradeEvent | AnyOrderEvent | AnyExecutionEvent | AnyAccountEvent | StrategyChanged | EntriesRefused
