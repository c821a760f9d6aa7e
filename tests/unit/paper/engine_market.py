"""A scripted market for tests of the engine: one BTC index, options quoted as the test says, orders of others as the test says."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from domain import Greeks, Level, Option, OptionType, OrderType, Side, TimeInForce
from paper.engine import Engine
from paper.market import Flow, IndexView, OptionView
from paper.rows import OrderRow
from paper.rules import OrderRequest, Refused, Rules, Stp

D = Decimal
START = datetime(2026, 3, 2, 12, tzinfo=UTC)
FRIDAY = datetime(2026, 3, 6, 8, tzinfo=UTC)
THURSDAY = datetime(2026, 3, 5, 8, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ALICE, BOB, CAROL = 101, 102, 103


def an_option(kind: str = "C", strike: int = 100_000, expiry: datetime = FRIDAY) -> Option:
    return Option(
        symbol=f"BTCUSD-{expiry.day}MAR26-{strike}-{kind}",
        underlying="BTC",
        tick=D("0.1"),
        lot=D("0.01"),
        option_type=OptionType(kind),
        strike=D(strike),
        expiry=expiry,
    )


CALL, PUT, DAILY = an_option(), an_option("P", 90_000), an_option(expiry=THURSDAY)


def levels(*pairs: tuple[str, str]) -> tuple[Level, ...]:
    return tuple(Level(D(price), D(size)) for price, size in pairs)


class ScriptedFeed:
    """A market that stands still until it is told otherwise, each time from a moment on; it implements paper.market.Feed."""

    spacing_max: timedelta | None = None

    def __init__(self, *options: Option, index: str = "95000") -> None:
        self.prices = [IndexView(D(index), START)]
        self.views: dict[str, list[OptionView]] = {}
        self.flows: list[Flow] = []
        self.settlements: dict[datetime, Decimal] = {}
        for option in options or (CALL, PUT, DAILY):
            view = OptionView(
                option=option,
                at=START,
                bids=(),
                asks=(),
                mark=D(1500),
                mark_iv=0.5,
                greeks=Greeks(delta=0.25, gamma=0.001, vega=90.0, theta=-40.0, rho=10.0),
                underlying_price=D(index),
                open_interest=D(10),
            )
            self.views[option.symbol] = [view]

    def quote(self, option: Option, at: datetime, bids: tuple[Level, ...] = (), asks: tuple[Level, ...] = (), mark: str = "1500") -> None:
        """Show new ladders and a new mark from a moment on."""
        shown = self.views[option.symbol]
        shown.append(replace(shown[-1], at=at, bids=bids, asks=asks, mark=D(mark)))

    def move(self, index: str, at: datetime) -> None:
        """Move the index from a moment on."""
        self.prices.append(IndexView(D(index), at))

    def sweep(self, option: Option, at: datetime, side: Side, qty: str, limit: str) -> None:
        """Let somebody else send an order."""
        self.flows.append(Flow(at=at, symbol=option.symbol, side=side, qty=D(qty), limit=D(limit)))

    def options(self, now: datetime, /) -> Sequence[Option]:
        return [shown[0].option for shown in self.views.values() if now < shown[0].option.expiry]

    def index(self, underlying: str, now: datetime, /) -> IndexView:
        if underlying != "BTC":
            raise KeyError(underlying)
        return next(price for price in reversed(self.prices) if price.at <= now or price is self.prices[0])

    def view(self, symbol: str, now: datetime, /) -> OptionView | None:
        shown = self.views.get(symbol)
        if shown is None or now >= shown[0].option.expiry:
            return None
        return next(view for view in reversed(shown) if view.at <= now or view is shown[0])

    def flow(self, symbols: Sequence[str], since: datetime, now: datetime, /) -> Sequence[Flow]:
        return [flow for flow in self.flows if flow.symbol in symbols and since < flow.at <= now]

    def settlement(self, underlying: str, expiry: datetime, /) -> Decimal | None:
        return self.settlements.get(expiry)


def an_engine(feed: ScriptedFeed, rules: Rules | None = None, cash: str = "100000") -> Engine:
    engine = Engine(feed, rules or Rules(), START)
    for user, name in ((ALICE, "alice"), (BOB, "bob"), (CAROL, "carol")):
        engine.add_account(user, name, D(cash))
    return engine


def a_request(
    side: Side,
    qty: str,
    price: str | None = "1500",
    option: Option = CALL,
    *,
    kind: OrderType = OrderType.LIMIT,
    tif: TimeInForce | None = None,
    client_id: int | None = None,
    stp: Stp = Stp.DEFAULT,
    reduce_only: bool = False,
    slippage: str | None = None,
) -> OrderRequest:
    return OrderRequest(
        symbol=option.symbol,
        side=side,
        qty=D(qty),
        price=None if price is None else D(price),
        order_type=kind,
        time_in_force=tif,
        client_id=client_id,
        stp=stp,
        reduce_only=reduce_only,
        slippage=None if slippage is None else D(slippage),
    )


def order(engine: Engine, order_id: int, user: int = ALICE) -> OrderRow:
    return engine.reports.order(user, order_id=order_id)


def refused(act: Callable[[], object]) -> int:
    with pytest.raises(Refused) as caught:
        act()
    return caught.value.code


def a_call_feed(bids: tuple[Level, ...], asks: tuple[Level, ...]) -> ScriptedFeed:
    """A market in which the call is quoted so from the start."""
    feed = ScriptedFeed()
    feed.quote(CALL, START, bids, asks)
    return feed
