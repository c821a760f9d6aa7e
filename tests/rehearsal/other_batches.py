"""The other exchange's batches of orders, as documented: one by one, each with its own answer, and the answers in any order.

Source: Coincall API 5.11, 5.17, 1.2 (an account without the right gets HTTP 404).
"""

import random
from collections.abc import Callable
from typing import cast

from tests.rehearsal.other_books import Refused
from tests.rehearsal.other_exchange import OtherExchange
from tests.rehearsal.other_wire import MORE, Body

CREATE_MANY, CANCEL_MANY = "/open/option/order/batchCreate/v1", "/open/option/order/batchCancel/v1"
MOST = 40


class Batches:
    """What one account may send together; `sizes` are those of the requests that were acted on."""

    def __init__(self, exchange: OtherExchange) -> None:
        """Let an exchange answer the two calls."""
        self.exchange, self.allowed = exchange, True
        self.created: list[list[int]] = []
        self.cancelled: list[int] = []
        self._rng = random.Random(7)
        MORE[exchange] = (
            ("POST", CREATE_MANY, lambda _, params: self._create(params)),
            ("POST", CANCEL_MANY, lambda _, p: self._cancel(p)),
        )

    def _create(self, params: Body) -> object:
        if not self.allowed:
            raise Refused(404, "Not Found", status=404)
        orders = cast("list[dict[str, object]]", params["orders"])
        if not 0 < len(orders) <= MOST:
            raise Refused(10004, "Parameter illegal")
        self.created.append([int(str(order["clientOrderId"])) for order in orders])
        rows = [self._row(order) for order in orders]
        self._rng.shuffle(rows)
        return rows

    def _row(self, order: dict[str, object]) -> dict[str, object]:
        self.exchange.arrived(order)
        return _answered(lambda: self.exchange.create(order))

    def _cancel(self, params: Body) -> object:
        numbers = cast("list[int]", params["clientOrderIdList"])
        self.cancelled.append(len(numbers))
        rows = [self._gone(number) for number in numbers]
        self._rng.shuffle(rows)
        return rows

    def _gone(self, number: int) -> dict[str, object]:
        row: dict[str, object] = {"clOrdId": number, "ordId": None, "ts": self.exchange.now()}
        try:
            order = self.exchange.find({"clientOrderId": number})
            row["ordId"] = order.order_id
            self.exchange.cancel(order)
        except Refused as no:
            return {**row, "scode": 1, "smsg": no.text}
        return {**row, "scode": 0, "smsg": None}


def _answered(act: Callable[[], int]) -> dict[str, object]:
    try:
        return {"code": 0, "msg": "Success", "i18nArgs": None, "data": act()}
    except Refused as no:
        return {"code": no.code, "msg": no.text, "i18nArgs": None, "data": None}
