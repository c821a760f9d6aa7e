"""The Coincall client: one method for each endpoint that an options taker uses, in our words.

Its one rule: it adds nothing of its own, no caching, no guessing, no second attempt at a write. Reads raise ExchangeUnavailable,
ExchangeRejected or MalformedResponse; writes OutcomeUnknown too. Source: Coincall API 3, 4.1-4.3, 5, 6.2.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar
from urllib.parse import quote

from auth import Value
from clock import to_ms
from domain import AssetBalance, Fill, NewOrder, Option, OrderReport, OrderType, PositionSnapshot, Purpose, Settlement
from errors import MalformedResponse, OrderNotFound, OutcomeUnknown
from exchanges.coincall import wire, wire_account, wire_market
from exchanges.coincall.codes import VENUE
from exchanges.coincall.limits import Group, Lane
from exchanges.coincall.transport import Endpoint, Reply, Transport
from exchanges.coincall.wire import Page

T = TypeVar("T")

PAGE_SIZE = 500
EXERCISE_PAGE_SIZE = 50
BATCH_SIZE = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRef:
    """An order by the venue's id or by ours; the venue's wins where both are given."""

    order_id: str | None = None
    client_id: int | None = None

    def params(self) -> dict[str, Value]:
        """Return the parameter that names it, a JSON integer; raise ValueError where neither id is given."""
        if self.order_id is not None:
            return {"orderId": int(self.order_id)}
        if self.client_id is None:
            raise ValueError("an order is named by the venue's id or by ours")
        return {"clientOrderId": self.client_id}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What to amend of an order: the new total quantity (coins), the new price (USD), or both."""

    symbol: str
    qty: Decimal | None = None
    price: Decimal | None = None

    def params(self) -> dict[str, Value]:
        """Return the fields of the amendment; raise ValueError where it changes nothing."""
        if self.qty is None and self.price is None:
            raise ValueError("an amendment names a quantity, a price or both")
        return {"symbol": self.symbol, "qty": self.qty, "price": self.price}


def _market(name: str, path: str, group: Group = Group.MARKET) -> Endpoint:
    return Endpoint(name=name, method="GET", path=path, group=group, signed=False)


def _query(name: str, path: str, group: Group) -> Endpoint:
    return Endpoint(name=name, method="GET", path=path, group=group)


def _write(name: str, path: str, group: Group, method: str = "POST") -> Endpoint:
    return Endpoint(name=name, method=method, path=path, group=group, changes_state=True)


_CONFIG = _market("config", "/open/public/config/v1", Group.CONFIG)
_DELIVERY_PRICES = _market("delivery prices", "/open/option/get-delivery-prices/v1", Group.DELIVERY)
_EXPIRATION_PRICE = _market("estimated expiration price", "/open/option/getEstimatedExpirationPrice/v1")
_INDEX = _market("index", "/open/futures/market/symbol/v1")
_USER = _query("user", "/open/user/info/v1", Group.ACCOUNT)
_KEY = _query("api key", "/open/auth/user/query-api", Group.ACCOUNT)
_SUMMARY = _query("account summary", "/open/account/summary/v1", Group.ACCOUNT)
_POSITIONS = _query("positions", "/open/option/position/get/v1", Group.POSITIONS)
_PENDING = _query("open orders", "/open/option/order/pending/v1", Group.POSITIONS)
_SINGLE = _query("order", "/open/option/order/singleQuery/v1", Group.QUERY)
_ORDER_HISTORY = _query("order history", "/open/option/order/history/v1", Group.HISTORY)
_TRADE_HISTORY = _query("trade history", "/open/option/trade/history/v1", Group.HISTORY)
_EXERCISES = _query("exercise history", "/open/settle/exercise/history/v1", Group.HISTORY)
_CREATE = _write("create", "/open/option/order/create/v1", Group.ORDER)
_MODIFY = _write("modify", "/open/option/order/modify/v1", Group.ORDER)
_BATCH_CREATE = _write("batch create", "/open/option/order/batchCreate/v1", Group.ORDER)
_BATCH_MODIFY = _write("batch modify", "/open/option/order/batchModify/v1", Group.ORDER)
_CANCEL = _write("cancel", "/open/option/order/cancel/v1", Group.CANCEL)
_BATCH_CANCEL = _write("batch cancel", "/open/option/order/batchCancel/v1", Group.CANCEL)


GIVE_WAY = 2  # self-trade prevention that cancels the newcomer, in every table of the venue (API 12.6)


def order_params(order: NewOrder) -> dict[str, Value]:
    """Return an order's fields as the venue takes them: a reducing purpose makes it reduce-only, `mmp` marks it. Source: Coincall API 5.10.

    A market order names no price and no time in force (codes 12011, 12013), a post-only one no time in force. Where it meets another of the
    account, a person's perhaps, ours is the one that goes: what the venue does unasked is to cancel both (API 12.6).
    """
    params: dict[str, Value] = {
        "symbol": order.instrument.symbol,
        "qty": order.qty,
        "tradeSide": int(order.side),
        "tradeType": int(order.order_type),
        "clientOrderId": wire.encode_client_id(order.client_id),
    }
    if order.order_type is not OrderType.MARKET:
        params["price"] = order.price
    if order.order_type is OrderType.LIMIT:
        params["timeInForce"] = order.time_in_force.value
    if _reduces(order):
        params["reduceOnly"] = 1
    if order.mmp:
        params["mmp"] = True
    params["stp"] = GIVE_WAY
    return params


def _reduces(order: NewOrder) -> bool:
    return order.reduce_only or order.client_id.purpose is not Purpose.OPEN


def _span(since: datetime | None, until: datetime | None) -> dict[str, Value]:
    return {"startTime": None if since is None else to_ms(since), "endTime": None if until is None else to_ms(until)}


def _batch_of(items: Sequence[T]) -> Sequence[T]:
    if not 0 < len(items) <= BATCH_SIZE:
        raise ValueError(f"a batch holds 1 to {BATCH_SIZE} orders, not {len(items)}")
    return items


class CoincallClient:
    """Coincall's REST API over one transport; every method blocks its worker and may be called from any thread."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def skew(self) -> timedelta:
        """How far the venue's clock is ahead of ours, as last measured."""
        return self._transport.skew

    # ---- the market

    def measure_skew(self) -> timedelta:
        """Measure how far the venue's clock is ahead of ours and sign by it from now on."""
        return self._transport.measure_skew()

    def config(self) -> Mapping[str, wire_market.OptionConfig]:
        """Return the trading rules of options by index symbol."""
        return wire_market.parse_config(self._transport.read(_CONFIG, {}).data)

    def instruments(self, coin: str) -> tuple[Option, ...]:
        """Return every listed option of a coin such as BTC."""
        return wire_market.parse_instruments(self._ask("instruments", f"/open/option/getInstruments/{quote(coin, safe='')}").data)

    def chain(self, index: str, expiry: datetime | None = None) -> tuple[tuple[wire_market.QuoteLine, ...], datetime]:
        """Return the quotes of an index such as BTCUSD, of one expiry or all, and the moment of asking; the chain carries no time."""
        params: dict[str, Value] = {"endTime": None if expiry is None else to_ms(expiry)}
        reply = self._ask("option chain", f"/open/option/get/v1/{quote(index, safe='')}", params)
        return wire_market.parse_chain(reply.data), reply.asked_at

    def detail(self, symbol: str) -> tuple[wire_market.QuoteLine, datetime]:
        """Return mark, Greeks and index price of one option, and the moment of asking; it has no bid and ask."""
        reply = self._ask("option detail", f"/open/option/detail/v1/{quote(symbol, safe='')}")
        return wire_market.parse_detail(reply.data), reply.asked_at

    def book(self, symbol: str) -> tuple[wire_market.Ladders, datetime]:
        """Return the order book of one option, 100 levels, and the moment of asking; the book carries no time."""
        reply = self._ask("order book", f"/open/option/order/orderbook/v1/{quote(symbol, safe='')}")
        return wire_market.parse_book(reply.data), reply.asked_at

    def index(self, index: str) -> tuple[tuple[wire_market.IndexLine, ...], datetime]:
        """Return the index price of an index such as BTCUSD, among others perhaps, and the moment of asking."""
        reply = self._transport.read(_INDEX, {"symbol": index})
        return wire_market.parse_index(reply.data), reply.asked_at

    def candles(self, symbol: str, period: str, start: datetime, end: datetime) -> tuple[wire_market.Candle, ...]:
        """Return candles, oldest first; periods m1 m5 m15 m30 h1 h4 d1 w1 mn1 quarter. The documented limit=1 does not limit."""
        params: dict[str, Value] = {"period": period, "start": to_ms(start), "end": to_ms(end), "limit": 1}
        return wire_market.parse_candles(
            self._ask("candles", f"/open/option/market/kline/history/v1/{quote(symbol, safe='')}", params).data
        )

    def last_trades(self, symbol: str) -> tuple[wire_market.PublicTrade, ...]:
        """Return the latest trades of anybody in one option."""
        return wire_market.parse_trades(self._ask("last trades", f"/open/option/trade/lasttrade/v1/{quote(symbol, safe='')}").data)

    def delivery_prices(self, index: str) -> tuple[wire_market.DeliveryPrice, ...]:
        """Return the settlement prices of an index, newest day first; today's appears at 08:00 UTC."""
        return wire_market.parse_deliveries(self._transport.read(_DELIVERY_PRICES, {"symbol": index}).data)

    def expiration_prices(self, index: str | None = None, expiry: datetime | None = None) -> tuple[wire_market.ExpirationPrice, ...]:
        """Return the estimated settlement prices of an index, of an expiry, or of both; raise ValueError for neither."""
        if index is None and expiry is None:
            raise ValueError("name an index, an expiry or both")
        params: dict[str, Value] = {"index": index, "endTime": None if expiry is None else to_ms(expiry)}
        return wire_market.parse_expirations(self._transport.read(_EXPIRATION_PRICE, params).data)

    # ---- the account

    def user(self) -> wire_account.UserInfo:
        """Return who the key belongs to."""
        return wire_account.parse_user(self._transport.read(_USER, {}).data)

    def key(self) -> wire_account.KeyInfo:
        """Return what the key may do."""
        return wire_account.parse_key(self._transport.read(_KEY, {}).data)

    def summary(self) -> tuple[wire_account.AccountSummary, datetime]:
        """Return the account's money and the moment of asking."""
        reply = self._transport.read(_SUMMARY, {})
        return wire_account.parse_summary(reply.data), reply.asked_at

    def wallet(self) -> tuple[tuple[AssetBalance, ...], datetime]:
        """Return what the wallet holds of each coin, and the moment of asking.

        Read from the account summary: the wallet path of API 4.4 has no documented answer (docs/adr/0012).
        """
        summary, at = self.summary()
        return summary.coins, at

    def positions(self) -> tuple[tuple[PositionSnapshot, ...], datetime]:
        """Return every option holding and the moment of asking; empty only where the venue said so."""
        reply = self._transport.read(_POSITIONS, {})
        return wire_account.parse_positions(reply.data), reply.asked_at

    def settlements(self, since: datetime | None = None, until: datetime | None = None, page: int = 1) -> Page[Settlement]:
        """Return a page of what expired, newest first."""
        params: dict[str, Value] = {**_span(since, until), "page": page, "pageSize": EXERCISE_PAGE_SIZE}
        return wire_account.parse_settlements(self._transport.read(_EXERCISES, params).data)

    # ---- orders

    def pending(self, page: int = 1, coin: str | None = None) -> Page[OrderReport]:
        """Return a page of the open orders, ours or not, of one coin or all."""
        params: dict[str, Value] = {"page": page, "pageSize": PAGE_SIZE, "currency": coin}
        return wire.parse_open_orders(self._transport.read(_PENDING, params).data, page, PAGE_SIZE)

    def order(self, ref: OrderRef) -> OrderReport:
        """Return one order; raise OrderNotFound where the venue does not know it, or answers well and shows none (API 1.2)."""
        shown = self._transport.read(_SINGLE, ref.params()).data
        if shown == b"null":
            raise OrderNotFound(VENUE, _SINGLE.name, "the answer shows no order")
        return wire.parse_order(shown)

    def order_history(self, since: datetime | None = None, until: datetime | None = None, from_id: int | None = None) -> Page[OrderReport]:
        """Return a page of the order history, newest first; from_id is the cursor of the page before. The window is 90 days at most."""
        params: dict[str, Value] = {**_span(since, until), "fromId": from_id, "pageSize": PAGE_SIZE}
        return wire.parse_order_history(self._transport.read(_ORDER_HISTORY, params).data)

    def fills(self, since: datetime | None = None, until: datetime | None = None, from_id: int | None = None) -> Page[Fill]:
        """Return a page of our fills, newest first; from_id is the cursor of the page before."""
        params: dict[str, Value] = {**_span(since, until), "fromId": from_id, "pageSize": PAGE_SIZE}
        return wire.parse_fills(self._transport.read(_TRADE_HISTORY, params).data)

    def create(self, order: NewOrder) -> str:
        """Send one order, once; return the venue's id. A risk-reducing one uses the urgent lane."""
        lane = Lane.URGENT if _reduces(order) else Lane.NORMAL
        return self._act(_CREATE, order_params(order), wire.parse_order_id, lane)

    def create_batch(self, orders: Sequence[NewOrder]) -> tuple[wire_account.BatchAnswer, ...]:
        """Send up to 40 orders at once (market makers only); the answers may come in any order."""
        lane = Lane.URGENT if all(map(_reduces, orders)) else Lane.NORMAL
        params: dict[str, Value] = {"orders": [order_params(order) for order in _batch_of(orders)]}
        return self._act(_BATCH_CREATE, params, wire_account.parse_batch, lane)

    def modify(self, ref: OrderRef, change: Change) -> str:
        """Amend one open order; return its id. A refused amendment leaves the order as it was."""
        return self._act(_MODIFY, {**ref.params(), **change.params()}, wire.parse_order_id)

    def modify_batch(self, changes: Sequence[tuple[OrderRef, Change]]) -> tuple[wire_account.BatchAnswer, ...]:
        """Amend up to 40 orders at once (market makers only); the answers may come in any order."""
        params: dict[str, Value] = {"orders": [{**ref.params(), **change.params()} for ref, change in _batch_of(changes)]}
        return self._act(_BATCH_MODIFY, params, wire_account.parse_batch)

    def cancel(self, ref: OrderRef) -> None:
        """Ask to cancel one order; raise OrderAlreadyFinal or OrderNotFound where told so."""
        self._transport.write(_CANCEL, ref.params(), Lane.URGENT)

    def cancel_batch(self, refs: Sequence[OrderRef]) -> tuple[wire_account.BatchAnswer, ...]:
        """Ask to cancel up to 40 orders, all named by the venue's id or all by ours; raise ValueError for a mixture."""
        named = [next(iter(ref.params().items())) for ref in _batch_of(refs)]
        if len({name for name, _ in named}) > 1:
            raise ValueError("name all orders of a batch by the venue's id, or all by ours")
        params: dict[str, Value] = {f"{named[0][0]}List": [value for _, value in named]}
        return self._act(_BATCH_CANCEL, params, wire_account.parse_cancels, Lane.URGENT)

    def cancel_all_of_index(self, index: str) -> None:
        """Cancel every open option order of an index such as BTCUSD, ours or not."""
        self._cancel_all(f"/open/option/order/cancelOpenOrders/v1/{quote(index, safe='')}")

    def cancel_all_of_option(self, symbol: str) -> None:
        """Cancel every open order of one option, ours or not."""
        self._cancel_all(f"/open/option/order/batchCancelByOption/v1/{quote(symbol, safe='')}")

    def _cancel_all(self, path: str) -> None:
        self._transport.write(_write("cancel all", path, Group.CANCEL, "GET"), {}, Lane.URGENT)

    def _ask(self, name: str, path: str, params: Mapping[str, Value] | None = None) -> Reply:
        return self._transport.read(_market(name, path), params or {})

    def _act(self, endpoint: Endpoint, params: Mapping[str, Value], parse: Callable[[bytes], T], lane: Lane = Lane.NORMAL) -> T:
        """Send a write; an answer of success that cannot be read leaves its outcome unknown."""
        reply = self._transport.write(endpoint, params, lane)
        try:
            return parse(reply.data)
        except MalformedResponse as error:
            raise OutcomeUnknown(VENUE, endpoint.name, f"accepted, but the answer cannot be read: {error.reason}") from error
