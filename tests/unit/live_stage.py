"""An order path with a live feed: connections that stand as the test says, and an account and market that count their questions."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from account_manager import AccountManager
from domain import AccountSnapshot, Chain, Channel, Level, Option, OrderBook, OrderPush, Push, Settlement, StreamStanding
from live_feed import LiveFeed
from market_data import Cadence, MarketData
from order_ledger import OrderRecord
from workers import InlinePool

from tests.fakes import START, House, a_name, a_position, a_quote, an_account, an_option, an_order

NAME = a_name()
OPTION = an_option()


@dataclass
class FakeStreams:
    """Connections that stand as the test says, and remember what was asked of them."""

    followed: list[Collection[Channel]] = field(default_factory=list)
    renewed: list[tuple[str, str]] = field(default_factory=list)
    open: bool = True
    failures: int = 0
    closed: bool = False

    def follow(self, channels: Collection[Channel], /) -> None:
        self.followed.append(channels)

    def renew(self, name: str, reason: str, /) -> None:
        self.renewed.append((name, reason))

    def standing(self) -> Sequence[StreamStanding]:
        since = START if self.open else None
        return [StreamStanding(name="options", open_since=since, heard_at=None, connections=1, channels=6, failures=self.failures)]

    def close(self) -> None:
        self.closed = True


class Reader:
    """An account and a market that count how often they are asked."""

    def __init__(self, house: House) -> None:
        self.house, self.accounts, self.asked = house, 0, 0

    def read(self) -> AccountSnapshot:
        self.accounts += 1
        held = [a_position(OPTION, qty) for qty in self.house.venue.held.values() if qty != 0]
        return an_account(now=self.house.clock.now(), positions=held)

    def settlements(self, since: object, /) -> Sequence[Settlement]:
        return ()

    def instruments(self, underlying: str, /) -> Sequence[Option]:
        return [OPTION]

    def chain(self, underlying: str, listed: Sequence[Option], expiry: object = None, /) -> Chain:
        self.asked += 1
        now = self.house.clock.now()
        return Chain(underlying, now, Decimal(65000), (a_quote(OPTION, at=now),), now)

    def book(self, symbol: str, /) -> OrderBook:
        self.asked += 1
        return OrderBook(symbol=symbol, at=self.house.clock.now(), bids=(Level(Decimal(90), Decimal(1)),))

    def index(self, underlying: str, /) -> tuple[Decimal, datetime]:
        self.asked += 1
        return Decimal(65000), self.house.clock.now()


class Stage:
    """An order path with a feed: a trade that has sold one call, its order resting at the venue."""

    def __init__(self, *, sent: bool = True) -> None:
        self.house = House()
        self.house.create()
        self.reader = Reader(self.house)
        pool, clock = InlinePool(self.house.inbox), self.house.clock
        self.account = AccountManager(self.reader, pool, clock, self.house.alerts)
        self.market = MarketData(self.reader, pool, clock, self.house.alerts, Cadence())
        self.streams = FakeStreams()
        self.heard: dict[str, datetime] = {}
        self.news: list[Push] = []
        self.gaps: list[datetime | None] = []
        self.feed = LiveFeed(
            inbox=self.house.inbox,
            market=self.market,
            account=self.account,
            executor=self.house.executor,
            clock=clock,
            alerts=self.house.alerts,
            heard=self.heard,
        )
        self.feed.on_news.append(self.news.append)
        self.feed.on_gap.append(self.gaps.append)
        if sent:
            self.house.executor.submit(an_order(), self.house.trade())
            self.house.inbox.drain()

    def tell(self, push: Push) -> None:
        self.feed.hear(push)
        self.house.inbox.drain()

    def report(self, **changes: object) -> OrderPush:
        report = replace(self.house.venue.orders[NAME].report(), **changes)  # type: ignore[arg-type]
        return OrderPush(report=report, at=self.house.clock.now())

    @property
    def record(self) -> OrderRecord:
        found = self.house.executor.ledger.get(NAME)
        assert found is not None
        return found
