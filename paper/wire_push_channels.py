"""The channels of the streams, as a table: how each is named, numbered and asked for. Source: Coincall API 11.3 and 11.5."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

MOST_BOOKS = 100


class Asked(Enum):
    """What a subscription names beside its channel, and so who gets a push: its account, makers, everybody, or whoever named a thing."""

    ACCOUNT = "account"
    MAKERS = "makers"
    EVERYBODY = "everybody"
    OPTION = "option"
    INDEX = "index"
    CHAIN = "chain"

    @property
    def private(self) -> bool:
        """Tell whether each account gets its own pushes."""
        return self in {Asked.ACCOUNT, Asked.MAKERS}

    @property
    def market(self) -> bool:
        """Tell whether a subscription names what it is for."""
        return self in {Asked.OPTION, Asked.INDEX, Asked.CHAIN}


@dataclass(frozen=True, slots=True, eq=False)
class Channel:
    """One channel: its `dataType`, its number `dt`, what it is asked by, the most things one message may name (None: any number)."""

    name: str
    dt: int
    asked: Asked
    most: int | None = None


ORDER = Channel("order", 11, Asked.ACCOUNT)
TRADE = Channel("trade", 15, Asked.ACCOUNT)
POSITION = Channel("position", 12, Asked.ACCOUNT)
POSITION_EVENT = Channel("positionEvent", 27, Asked.ACCOUNT)
BALANCE = Channel("accountBalance", 7, Asked.ACCOUNT)
RFQ_MAKER = Channel("rfqMaker", 28, Asked.MAKERS)
RFQ_TAKER = Channel("rfqTaker", 129, Asked.ACCOUNT)
RFQ_QUOTE = Channel("rfqQuote", 130, Asked.ACCOUNT)
QUOTE_RECEIVED = Channel("quoteReceived", 131, Asked.ACCOUNT)
BLOCK_DETAIL = Channel("blockTradeDetail", 22, Asked.ACCOUNT)
BLOCK_PUBLIC = Channel("blockTradePublic", 23, Asked.EVERYBODY)
BOOK = Channel("orderBook", 5, Asked.OPTION, MOST_BOOKS)
LAST_TRADE = Channel("lastTrade", 6, Asked.OPTION)
LAST_TRADE_V2 = Channel("lastTradeV2", 24, Asked.OPTION)
TICKER = Channel("bsInfo", 3, Asked.OPTION)
CHAIN = Channel("tOption", 4, Asked.CHAIN)
SPOT_PRICE = Channel("spotPrice", 30, Asked.INDEX)


def _table(*channels: Channel) -> Mapping[str, Channel]:
    return MappingProxyType({channel.name: channel for channel in channels})


# What each endpoint serves, by path.
ENDPOINTS: Mapping[str, Mapping[str, Channel]] = MappingProxyType(
    {
        "/options": _table(
            *(ORDER, TRADE, POSITION, POSITION_EVENT, BALANCE),
            *(RFQ_MAKER, RFQ_TAKER, RFQ_QUOTE, QUOTE_RECEIVED, BLOCK_DETAIL, BLOCK_PUBLIC),
            *(BOOK, LAST_TRADE, LAST_TRADE_V2, TICKER, CHAIN),
        ),
        "/futures": _table(SPOT_PRICE),
    }
)
