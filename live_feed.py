"""Takes what the venue tells unasked to those who act on it, on the tick thread.

A push is news, never truth: it makes the order path look now instead of a second later, and prices newer than they were asked for. After
a time of which nobody has told us, everything is asked for before another push about it is believed. Without streams nothing here is
needed: all of it is asked for anyway, only later.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial

from account_manager import AccountManager
from clock import Clock, monotonic
from domain import (
    ZERO,
    BlockPush,
    BlockTrade,
    BookPush,
    ChainPush,
    Channel,
    ClientOrderId,
    FillPush,
    IndexPush,
    Option,
    OrderPush,
    OrderReport,
    OrderStatus,
    PositionPush,
    Push,
    Quote,
    QuotePush,
    RequestPush,
    RFQQuote,
    Severity,
    StreamLost,
    StreamOpened,
    StreamStanding,
    TapePush,
    TickerPush,
    Topic,
)
from events import AnyEvent, LegFilled
from market_data import MarketData
from ports import Alerts, Streams
from trade_execution import TradeExecutor
from workers import Inbox

OWN = frozenset(Channel(topic) for topic in (Topic.ORDERS, Topic.FILLS, Topic.POSITIONS, Topic.REQUESTS, Topic.QUOTES, Topic.BLOCKS))
DEAF_AFTER = 5.0  # real seconds from a fill that we read ourselves to the latest moment at which it should have been told
ACCOUNT_EVERY = 1.0  # real seconds: the venue answers two such questions a second
ORDER_STREAM = "options"
_REMEMBERED = 2000
_FAILURES_IN_A_ROW = 3
OUTAGE_LASTS = 5.0  # real seconds: three attempts pass within one, and a venue that restarts its streams is back before

Market = BookPush | IndexPush | ChainPush | TickerPush | TapePush
Waiting = Market | PositionPush  # what is told again and again: it waits for the next tick, and only the newest counts


class Outages:
    """Connections that cannot be had: each since when (real seconds), and how often it had failed when it was last spoken of."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._spoken: dict[str, int] = {}

    def lasting(self, standing: Iterable[StreamStanding], now: float) -> list[StreamStanding]:
        """Return each that has failed for so long and so often that a person is to hear of it, once for each attempt and not each look."""
        found = []
        for each in standing:
            if each.open_since is not None or each.failures == 0:
                self._since.pop(each.name, None)
                self._spoken.pop(each.name, None)
                continue
            lasts = now - self._since.setdefault(each.name, now) >= OUTAGE_LASTS
            if lasts and each.failures >= _FAILURES_IN_A_ROW and each.failures != self._spoken.get(each.name):
                self._spoken[each.name] = each.failures
                found.append(each)
        return found


class LiveFeed:
    """One venue's pushes on their way to orders, account, requests and market. `hear` is safe from any thread, the rest is the tick's."""

    def __init__(
        self,
        *,
        inbox: Inbox,
        market: MarketData,
        account: AccountManager,
        executor: TradeExecutor,
        clock: Clock,
        alerts: Alerts,
        heard: dict[str, datetime],
        also: Collection[Channel] = (),
    ) -> None:
        """`heard` is where news of requests is noted; `also` names channels besides our own orders and what the market data wants."""
        self._inbox, self._market, self._account, self._executor = inbox, market, account, executor
        self._clock, self._alerts, self._own = clock, alerts, OWN | frozenset(also)
        self._streams: Streams | None = None
        self._heard = heard
        self._turn = threading.Lock()
        self._latest: dict[tuple[type, str, datetime | None], Waiting] = {}
        self._following: Collection[Channel] = ()
        self._told: OrderedDict[ClientOrderId, None] = OrderedDict()
        self._untold: dict[ClientOrderId, tuple[float, datetime]] = {}
        self._account_due = 0.0
        self._outages = Outages()
        self.on_gap: list[Callable[[datetime | None], None]] = []
        self.on_news: list[Callable[[Push], None]] = []

    def connect(self, streams: Streams | None) -> None:
        """Follow what is wanted on these streams from the next tick on; None: there are none."""
        self._streams = streams

    def hear(self, push: Push) -> None:
        """Take a push from any thread: news of our orders wakes it; prices and holdings wait, the newest of each."""
        if isinstance(push, Waiting):
            with self._turn:
                self._latest[_key(push)] = push
        else:
            self._inbox.put(partial(self._take, push))

    def standing(self) -> Sequence[StreamStanding]:
        """Return how each connection stands; empty without streams."""
        return () if self._streams is None else self._streams.standing()

    def close(self) -> None:
        """End the connections."""
        if self._streams is not None:
            self._streams.close()

    # ---- what the tick asks of its market

    def quotes(self, options: Iterable[Option], /) -> Mapping[str, Quote]:
        """Return the fresh quotes of options by symbol."""
        return self._market.quotes(options)

    def refresh(self) -> None:
        """Once a tick: take the prices that were told, ask for what is due, and follow what is wanted by now."""
        with self._turn:
            latest, self._latest = self._latest, {}
        for push in latest.values():
            self._price(push)
        self._market.refresh()
        if self._streams is None:
            return
        wanted = self._own | frozenset(self._market.wanted)
        if wanted != self._following:
            self._following = wanted
            self._streams.follow(wanted)
        self._tell_of_the_lost(self._streams)
        self._doubt_the_deaf(self._streams)

    # ---- pushes, on the tick thread

    def _take(self, push: Push) -> None:
        match push:
            case OrderPush(report=OrderReport(client_id=ClientOrderId() as name) as report):
                self._note_told(name)
                self._executor.pushed(report)
            case FillPush():
                self._filled(push)
            case (
                RequestPush(request_id=str() as request)
                | QuotePush(quote=RFQQuote(request_id=str() as request))
                | BlockPush(block=BlockTrade(request_id=str() as request))
            ):
                self._note_request(request)
            case StreamOpened():
                self._opened(push)
            case StreamLost():
                self._market.recheck()
        for listener in self.on_news:
            listener(push)

    def _price(self, push: Waiting) -> None:
        match push:
            case PositionPush():
                self._moved(push)
            case BookPush(book=book):
                self._market.take_book(book)
            case IndexPush(underlying=underlying, price=price, at=at):
                self._market.take_index(underlying, price, at)
            case ChainPush(underlying=underlying, expiry=expiry, quotes=quotes, at=at):
                self._market.take_chain(underlying, expiry, quotes, at)
            case _:
                pass  # the tape and single tickers are content that keeps a connection trusted, and nothing here trades on them

    def _filled(self, push: FillPush) -> None:
        """Look for a fill that is not booked yet."""
        ledger = self._executor.ledger
        record = ledger.owner_of(push.order_id)
        if record is None:
            return
        self._note_told(record.client_id)
        if ledger.has_fill(record.client_id.trade, push.fill_id):
            return
        told = OrderReport(
            client_id=record.client_id,
            order_id=push.order_id,
            symbol=push.symbol,
            side=push.side,
            qty=record.new.qty,
            filled=min(record.booked + push.qty, record.new.qty),
            status=OrderStatus.PARTIALLY_FILLED,
        )
        self._executor.pushed(told)

    def _moved(self, push: PositionPush) -> None:
        """Read the account again where a holding is not the one we know; not more often than the venue lets us."""
        now = self._clock.now()
        known = self._account.snapshot(now).position(push.symbol)
        held = ZERO if known is None else known.signed_qty
        if held != push.held and monotonic() >= self._account_due:
            self._account_due = monotonic() + ACCOUNT_EVERY
            self._account.refresh()

    def _note_request(self, request: str) -> None:
        self._heard[request] = self._clock.now()
        while len(self._heard) > _REMEMBERED:
            del self._heard[next(iter(self._heard))]

    # ---- connections

    def _opened(self, push: StreamOpened) -> None:
        self._untold.clear()
        self._executor.recheck()
        self._market.recheck()
        self._account.refresh()
        for listener in self.on_gap:
            listener(push.silent_since)

    def _tell_of_the_lost(self, streams: Streams) -> None:
        """Call a person for a connection that cannot be had."""
        for each in self._outages.lasting(streams.standing(), monotonic()):
            said = f"the stream {each.name} could not be had {each.failures} times in a row: {each.reason}"
            hint = "everything is asked for meanwhile, only later; check the network, or set TRADER_STREAMS=off"
            self._alerts.alert(Severity.WARNING, f"stream {each.name}", said, hint)

    # ---- a stream that stands and tells nothing

    def saw(self, event: AnyEvent) -> None:
        """Note what was journalled: a fill that we read by ourselves should be told soon, where a stream stands."""
        if self._streams is None:
            return
        if isinstance(event, LegFilled) and (name := ClientOrderId.parse(event.order)) not in self._told:
            record = self._executor.ledger.get(name)
            if record is not None and not record.block:
                self._untold.setdefault(name, (monotonic(), event.fill.at))

    def _note_told(self, name: ClientOrderId) -> None:
        self._untold.pop(name, None)
        self._told[name] = None
        while len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)

    def _doubt_the_deaf(self, streams: Streams) -> None:
        name, (noted, filled_at) = next(iter(self._untold.items()), (None, (0.0, self._clock.now())))
        if name is None or monotonic() < noted + DEAF_AFTER:
            return
        del self._untold[name]
        for each in streams.standing():
            if each.name == ORDER_STREAM and each.open_since is not None and filled_at > each.open_since:
                reason = f"order {name} filled and the stream told nothing of it within {DEAF_AFTER:g} s"
                self._alerts.alert(Severity.WARNING, "stream deaf", reason, "it is made anew; nothing was lost: the fill was read")
                streams.renew(each.name, reason)


def _key(push: Waiting) -> tuple[type, str, datetime | None]:
    """Return what a price is of: of each, only the newest counts."""
    match push:
        case BookPush(book=book):
            return BookPush, book.symbol, None
        case ChainPush(underlying=underlying, expiry=expiry):
            return ChainPush, underlying, expiry
        case IndexPush(underlying=underlying):
            return IndexPush, underlying, None
        case TickerPush(symbol=symbol) | TapePush(symbol=symbol) | PositionPush(symbol=symbol):
            return type(push), symbol, None
