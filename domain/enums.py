"""The words that have a fixed list of meanings. Numbers are those that users and Coincall write."""

from enum import IntEnum, StrEnum


class Side(IntEnum):
    """Direction of an order, leg or position, numbered as users and Coincall write it."""

    BUY = 1
    SELL = 2

    @property
    def sign(self) -> int:
        """Return +1 for BUY, -1 for SELL."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> "Side":
        """Return the other direction."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OptionType(StrEnum):
    """Call or put, as users write it."""

    CALL = "C"
    PUT = "P"


class OrderType(IntEnum):
    """How an order wants to trade, with Coincall's numbers."""

    LIMIT = 1
    MARKET = 2
    POST_ONLY = 3
    STOP_LIMIT = 4
    STOP_MARKET = 5
    BLOCK_TRADE = 14


class TimeInForce(StrEnum):
    """How long an order may rest."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class OrderStatus(StrEnum):
    """Where an order stands at the venue; only four of them are final, and a status we do not know is not."""

    UNKNOWN = "unknown"
    ILLEGAL = "illegal"
    WAITING_EFFECT = "waiting_effect"
    PRE = "pre"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    PRE_CANCEL = "pre_cancel"
    CANCELING = "canceling"
    CANCELED = "canceled"
    INVALID = "invalid"
    CANCEL_BY_EXERCISE = "cancel_by_exercise"

    @property
    def final(self) -> bool:
        """Tell whether nothing more can happen to the order."""
        return self in _FINAL


_FINAL = frozenset({OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.INVALID, OrderStatus.CANCEL_BY_EXERCISE})


class Purpose(StrEnum):
    """Why an order is sent: to build a trade, to leave it, or to undo a half-built one."""

    OPEN = "o"
    CLOSE = "c"
    UNWIND = "u"

    @property
    def reduces(self) -> bool:
        """Tell whether such an order may only lower exposure."""
        return self is not Purpose.OPEN


class Basis(StrEnum):
    """What a structure is valued at: the venue's mark, or the price it could be left at now."""

    MARK = "mark"
    EXECUTABLE = "executable"


class Environment(StrEnum):
    """Where orders go."""

    PAPER = "paper"
    TESTNET = "testnet"
    PRODUCTION = "production"


class ExecutionMode(StrEnum):
    """How a structure is executed."""

    AUTO = "auto"
    LIMIT = "limit"
    RFQ = "rfq"
    SMART = "smart"


class Severity(StrEnum):
    """How soon a person should look."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class TradingState(StrEnum):
    """What the account may do: anything; only what lowers exposure; or only what a person orders."""

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"

    @property
    def strictness(self) -> int:
        """Return how much it forbids: more is stricter."""
        return list(TradingState).index(self)


class Difference(StrEnum):
    """How our books and the venue can differ."""

    FILL_MISSED = "fill missed"
    ORDER_LOST = "order lost"
    ORDER_UNKNOWN = "order unknown"
    POSITION_SHORT = "position short"
    POSITION_OF_OTHERS = "position of others"
    ORDER_OF_OTHERS = "order of others"
    EXPIRED_AWAY = "expired while away"


class KillStage(StrEnum):
    """How far the kill switch has been moved."""

    ARMED = "armed"
    THROWN = "thrown"
    FLAT = "flat"
    WITHDRAWN = "withdrawn"


class KillPolicy(StrEnum):
    """What the kill switch does about what our trades hold: leave at once whatever the spread, leave with patience, or keep it."""

    URGENT = "urgent"
    PATIENT = "patient"
    KEEP = "keep"
