"""A person on the daemon's own account who trades by hand, through the exchange's own interface: orders that rest, and a holding."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec
import requests

from auth import sign_request
from paper.rules import OrderState

from tests.rehearsal.stage import KEY, SECRET, Ledger

CREATE = "/open/option/order/create/v1"
_BUY, _SELL, _LIMIT = 1, 2, 1


class _Row(msgspec.Struct, rename="camel"):
    symbol: str
    mark_price: Decimal | None = None
    ask: Decimal | None = None
    end_time: int = 0


class _Strike(msgspec.Struct, rename="camel"):
    call_option: _Row
    put_option: _Row


class _Chain(msgspec.Struct):
    data: list[_Strike]


class _Moment(msgspec.Struct, rename="camel"):
    server_time: int


class _Time(msgspec.Struct):
    data: _Moment


class _Answer(msgspec.Struct):
    code: int
    msg: str = ""
    data: int | str | None = None


@dataclass(frozen=True, slots=True)
class Resting:
    """An order as the person left it."""

    order_id: int
    client_id: int | None
    symbol: str
    qty: Decimal
    price: Decimal


@dataclass(slots=True)
class Person:
    """Leaves orders that never trade, one of them under an id of the person's own, and holds an option."""

    url: str
    resting: list[Resting] = field(default_factory=list)
    deals: list[int] = field(default_factory=list)  # orders that traded at once

    def arrive(self, underlying: str = "BTC") -> None:
        """Place everything, in options that expire last; the exchange must take it all."""
        chain = self._chain(underlying)
        last = max(row.end_time for row in chain)
        priced = [row for row in chain if row.end_time == last and row.mark_price and row.ask]
        cheap, dearer, *_ = sorted(priced, key=lambda row: row.mark_price or 0)
        self._rest(cheap, _BUY, (cheap.mark_price or Decimal(0)) / 4, None)
        self._rest(dearer, _SELL, (dearer.mark_price or Decimal(0)) * 4, 20260327)
        held = priced[len(priced) // 2]
        self.deals.append(self._place(held.symbol, _BUY, Decimal("0.02"), (held.ask or Decimal(0)) * Decimal("1.02"), None))

    def left_alone(self, ledger: Ledger) -> list[str]:
        """Return every order of the person that is not as the person left it."""
        by_id = {order.order_id: order for order in ledger.orders}
        wrong = []
        for mine in self.resting:
            order = by_id.get(mine.order_id)
            if order is None:
                wrong.append(f"order {mine.order_id} is gone")
            elif order.state is not OrderState.NEW or order.filled != 0 or (order.qty, order.price) != (mine.qty, mine.price):
                wrong.append(f"order {mine.order_id} is {order.state.name}: {order.filled} of {order.qty} at {order.price}")
        return wrong

    @property
    def orders(self) -> frozenset[int]:
        """Return the numbers of all orders of the person."""
        return frozenset([*self.deals, *(one.order_id for one in self.resting)])

    def _rest(self, row: _Row, side: int, price: Decimal, client_id: int | None) -> None:
        rounded, qty = price.quantize(Decimal(1)), Decimal("0.03")
        order_id = self._place(row.symbol, side, qty, rounded, client_id)
        self.resting.append(Resting(order_id, client_id, row.symbol, qty, rounded))

    def _place(self, symbol: str, side: int, qty: Decimal, price: Decimal, client_id: int | None) -> int:
        fields: dict[str, str | int] = {
            "symbol": symbol,
            "tradeSide": side,
            "tradeType": _LIMIT,
            "qty": str(qty),
            "price": str(price.quantize(Decimal(1))),
        }
        if client_id is not None:
            fields["clientOrderId"] = client_id
        answer = self._post(CREATE, fields)
        assert answer.code == 0, f"the exchange refused the person's order {fields}: {answer}"
        return int(str(answer.data))

    def _post(self, path: str, fields: Mapping[str, str | int]) -> "_Answer":
        told = requests.get(f"{self.url}/time", timeout=10).content
        # The moment is of the market, which may run fast: the window lets the request be ten minutes of it on its way.
        now = msgspec.json.decode(told, type=_Time, strict=False).data.server_time
        headers = sign_request("POST", path, fields, KEY, SECRET, now, diff_ms=600_000)
        answer = requests.post(self.url + path, json=dict(fields), headers=headers, timeout=10)
        return msgspec.json.decode(answer.content, type=_Answer)

    def _chain(self, underlying: str) -> list[_Row]:
        answer = requests.get(f"{self.url}/open/option/get/v1/{underlying}USD", timeout=20)
        strikes = msgspec.json.decode(answer.content, type=_Chain, strict=False).data
        return [row for strike in strikes for row in (strike.call_option, strike.put_option)]
