"""Dry runs: orders meet the paper engine on the books that the real venue shows, and never leave the machine.

What is resting here fills only when the venue's own quotes cross it, which is more careful than the market would be. Options settle
at the mean of the index prices seen in the half hour before expiry; where none were seen, they stay unsettled. Nothing is journalled
by this module; its account is kept in one file so that a restart finds its holdings again.
"""

import os
import threading
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Protocol

import msgspec

from clock import Clock
from domain import (
    AccountSnapshot,
    Chain,
    ClientOrderId,
    Fill,
    NewOrder,
    Option,
    OrderBook,
    OrderReport,
    OrderStatus,
    PositionSnapshot,
    Purpose,
    Quote,
    Settlement,
)
from errors import ExchangeRejected, ExchangeUnavailable, OrderAlreadyFinal, OrderNotFound
from paper.dry_run_rfq import DryRunRFQ
from paper.engine import Engine
from paper.makers import MakerModel
from paper.market import Flow, IndexView, OptionView
from paper.rows import OrderRow
from paper.rules import OrderRequest, OrderState, Refused, Rules

USER = 1001
HALF_HOUR = timedelta(minutes=30)
_SKEW = timedelta(seconds=5)  # how far the venue's clock may be ahead of ours
_STATUS = {
    OrderState.NEW: OrderStatus.NEW,
    OrderState.PARTIALLY_FILLED: OrderStatus.PARTIALLY_FILLED,
    OrderState.FILLED: OrderStatus.FILLED,
    OrderState.CANCELED: OrderStatus.CANCELED,
    OrderState.CANCEL_BY_EXERCISE: OrderStatus.CANCEL_BY_EXERCISE,
    OrderState.INVALID: OrderStatus.INVALID,
}
_PURPOSES = tuple(Purpose)


class RealMarket(Protocol):
    """What a dry run asks of the real venue."""

    def instruments(self, underlying: str, /) -> Sequence[Option]: ...
    def chain(self, underlying: str, listed: Sequence[Option], expiry: datetime | None = None, /) -> Chain: ...
    def book(self, symbol: str, /) -> OrderBook: ...
    def index(self, underlying: str, /) -> tuple[Decimal, datetime]: ...


class _SeenMarket:
    """The venue's market as last looked at, in the shape that the engine asks for."""

    def __init__(self, market: RealMarket) -> None:
        self._market = market
        self._views: dict[str, OptionView] = {}
        self._index: dict[str, deque[IndexView]] = {}

    def look(self, option: Option) -> None:
        """Fetch one option's quote and book, and the index. Raises what the venue raises."""
        chain = self._market.chain(option.underlying, [option], option.expiry)
        quote, book = chain.by_symbol.get(option.symbol), self._market.book(option.symbol)
        self.see_index(option.underlying)
        if quote is None:
            raise ExchangeUnavailable("dry run", option.symbol, "the venue does not quote it")
        self._views[option.symbol] = _view(quote, book)

    def see_index(self, underlying: str) -> None:
        """Fetch the index price and remember it for half an hour."""
        price, at = self._market.index(underlying)
        seen = self._index.setdefault(underlying, deque())
        seen.append(IndexView(price, at))
        while seen[0].at < at - 2 * HALF_HOUR:
            seen.popleft()

    def options(self, now: datetime, /) -> Sequence[Option]:
        """Return the options looked at so far that have not expired."""
        return [view.option for view in self._views.values() if view.option.expiry > now]

    def index(self, underlying: str, now: datetime, /) -> IndexView:
        """Return the index price as it was last seen at now; the oldest one remembered where now is before it."""
        seen = self._index[underlying]
        return next((view for view in reversed(seen) if view.at <= now + _SKEW), seen[0])

    def view(self, symbol: str, now: datetime, /) -> OptionView | None:  # noqa: ARG002 - the newest one seen
        """Return the option as last looked at."""
        return self._views.get(symbol)

    def flow(self, symbols: Sequence[str], since: datetime, now: datetime, /) -> Sequence[Flow]:  # noqa: ARG002 - none is made up
        """Return nothing: the orders of others already show in the venue's book."""
        return ()

    def settlement(self, underlying: str, expiry: datetime, /) -> Decimal | None:
        """Return the mean index price seen in the half hour before expiry; None if none was."""
        prices = [seen.price for seen in self._index.get(underlying, ()) if expiry - HALF_HOUR <= seen.at <= expiry]
        return sum(prices, Decimal(0)) / len(prices) if prices else None


class DryRunDesk:
    """An order gateway and account that simulates on real books; safe to call from any worker. Its `rfq` is a gateway for block trades."""

    def __init__(
        self, market: RealMarket, clock: Clock, cash: Decimal, file: Path | None = None, *, makers: MakerModel | None = None
    ) -> None:
        self._seen, self._clock, self._file = _SeenMarket(market), clock, file
        self._lock = threading.Lock()
        self.damage: str | None = None
        self._engine = self._opened(cash)
        self._engine.hire(MakerModel() if makers is None else makers)
        self.rfq = DryRunRFQ(self._engine, USER, clock, self._lock, self._seen.look, self._save)

    def submit(self, order: NewOrder, /) -> str:
        """Take an order into the simulation and return its id. Raises ExchangeRejected; ExchangeUnavailable without a market to meet."""
        request = OrderRequest(
            symbol=order.instrument.symbol,
            side=order.side,
            qty=order.qty,
            price=order.price,
            order_type=order.order_type,
            time_in_force=order.time_in_force,
            client_id=_number(order.client_id),
            reduce_only=order.reduce_only,
        )
        with self._lock:
            self._seen.look(order.instrument)
            try:
                placed = self._engine.place(USER, request, self._clock.now())
            except Refused as no:
                raise ExchangeRejected("dry run", f"order {order.client_id}", no.message, no.code) from no
            self._save()
            return str(placed)

    def cancel(self, client_id: ClientOrderId, /) -> None:
        """Cancel a simulated order. Raises OrderNotFound or OrderAlreadyFinal."""
        with self._lock:
            try:
                self._engine.cancel(USER, self._clock.now(), client_id=_number(client_id))
            except Refused as no:
                kind = OrderNotFound if no.code == 10584 else OrderAlreadyFinal
                raise kind("dry run", f"cancel {client_id}", no.message, no.code) from no
            self._save()

    def find(self, client_id: ClientOrderId, sent_at: datetime, /) -> OrderReport | None:  # noqa: ARG002 - nothing lags here
        """Return a simulated order; None if it was never taken."""
        with self._lock:
            try:
                row = self._engine.reports.order(USER, client_id=_number(client_id))
            except Refused:
                return None
            return _report(row, client_id)

    def open_orders(self) -> Sequence[OrderReport]:
        """Look at the venue's books for every resting order, let them match, and return what still rests."""
        with self._lock:
            self._match()
            return [_report(row, _name(row.client_id)) for row in self._engine.reports.open_orders(USER)]

    def fills(self, since: datetime, /) -> Sequence[Fill]:
        """Return the simulated fills since a moment, oldest first."""
        with self._lock:
            rows = self._engine.reports.trade_history(USER, since=since, limit=500).rows
            return [
                Fill(
                    id=f"dry-{row.trade_id}",
                    order_id=str(row.order_id),
                    symbol=row.symbol,
                    side=row.side,
                    qty=row.qty,
                    price=row.price,
                    fee=row.fee,
                    at=row.at,
                    is_taker=row.is_taker,
                )
                for row in reversed(rows)
            ]

    def read(self) -> AccountSnapshot:
        """Return the simulated account."""
        with self._lock:
            now = self._clock.now()
            summary = self._engine.reports.summary(USER, now)
            positions = tuple(
                PositionSnapshot(
                    symbol=row.symbol,
                    side=row.side,
                    qty=row.qty,
                    avg_price=row.avg_price,
                    mark=row.mark,
                    upnl=row.upnl_mark,
                    greeks=row.greeks,
                )
                for row in self._engine.reports.positions(USER, now)
            )
            return AccountSnapshot(
                valid=True,
                now=now,
                at=now,
                equity=summary.equity,
                available_margin=summary.available,
                initial_margin=summary.initial_margin,
                maintenance_margin=summary.maintenance_margin,
                margin_balance=summary.margin_balance,
                unrealized=summary.unrealized,
                positions=positions,
            )

    def settlements(self, since: datetime, /) -> Sequence[Settlement]:
        """Return what expired in the simulation since a moment, oldest first."""
        with self._lock:
            self._engine.advance(self._clock.now())
            self._save()
            return [
                Settlement(
                    symbol=row.symbol,
                    side=row.side,
                    qty=row.qty,
                    price=row.settlement,
                    cash=row.settlement_cash_flow,
                    fee=row.fee,
                    at=row.at,
                )
                for row in reversed(self._engine.reports.exercises(USER, since=since))
            ]

    def watch_index(self, underlyings: Sequence[str]) -> None:
        """Look at the index prices now, so that what expires can settle at what was seen."""
        with self._lock:
            for underlying in underlyings:
                self._seen.see_index(underlying)

    def _match(self) -> None:
        resting = {row.symbol for row in self._engine.reports.open_orders(USER)}
        now = self._clock.now()
        for option in [option for option in self._seen.options(now) if option.symbol in resting]:
            self._seen.look(option)
        self._engine.advance(self._clock.now())
        self._save()

    def _opened(self, cash: Decimal) -> Engine:
        if self._file is not None and self._file.exists():
            try:
                return Engine.restore(self._seen, Rules(), self._file.read_bytes())
            except (msgspec.MsgspecError, ValueError, KeyError) as error:
                aside = self._file.with_suffix(".damaged")
                self._file.replace(aside)
                self.damage = f"the dry run's state cannot be read ({error}); it is set aside as {aside} and a new one begins"
        engine = Engine(self._seen, Rules(), self._clock.now())
        engine.add_account(USER, "dry-run", cash)
        return engine

    def _save(self) -> None:
        changes = self._engine.drain_changes()
        self._engine.drain_events()
        if self._file is None or changes.empty:
            return
        draft = self._file.with_suffix(".draft")
        with draft.open("wb") as out:
            out.write(self._engine.snapshot())
            out.flush()
            os.fsync(out.fileno())
        draft.replace(self._file)


def _view(quote: Quote, book: OrderBook) -> OptionView:
    mark, underlying, greeks, iv = quote.mark, quote.underlying_price, quote.greeks, quote.mark_iv
    if mark is None or underlying is None or greeks is None or iv is None:
        raise ExchangeUnavailable("dry run", quote.option.symbol, "the venue gives no mark price, Greeks or volatility for it")
    return OptionView(
        option=quote.option,
        at=book.at,
        bids=book.bids,
        asks=book.asks,
        mark=mark,
        mark_iv=iv,
        greeks=greeks,
        underlying_price=underlying,
        open_interest=Decimal(0),
    )


def _report(row: OrderRow, client_id: ClientOrderId | None) -> OrderReport:
    return OrderReport(
        client_id=client_id,
        order_id=str(row.order_id),
        symbol=row.symbol,
        side=row.side,
        qty=row.qty,
        filled=row.filled,
        status=_STATUS.get(row.state, OrderStatus.UNKNOWN),
        price=row.price,
        avg_price=row.avg_price,
        fee=row.fee,
        created_at=row.created,
    )


def _number(name: ClientOrderId) -> int:
    """Pack a name into the engine's integer; `_name` is its inverse."""
    return ((((name.desk * 10**7 + name.trade) * 100 + name.leg) * 10 + _PURPOSES.index(name.purpose)) * 10**4) + name.attempt


def _name(number: int | None) -> ClientOrderId | None:
    if number is None:
        return None
    rest, attempt = divmod(number, 10**4)
    rest, purpose = divmod(rest, 10)
    rest, leg = divmod(rest, 100)
    desk, trade = divmod(rest, 10**7)
    return ClientOrderId(desk=desk, trade=trade, leg=leg, purpose=_PURPOSES[purpose], attempt=attempt)
