"""The other exchange's countdown cancel, as documented: orders are cancelled, and refused, unless their owner says in time that it lives.

What the document leaves open is taken at its worst: everybody's orders go, and one that ran out must be set anew. Times in seconds.
Source: Coincall API 9.1, 13.1 (10619).
"""

import time
from collections.abc import Sequence

from tests.rehearsal.other_books import WORKING, Order, Refused
from tests.rehearsal.other_exchange import OtherExchange
from tests.rehearsal.other_wire import MORE, Body

PATH = "/open/futures/countdown/cancel"
ELAPSED, OPTIONS = 10619, "1"


class Countdowns:
    """The countdowns of one account's option orders, by index; every method may be called from any thread."""

    def __init__(self, exchange: OtherExchange) -> None:
        """Let an exchange answer the three calls, and heed what they bring about."""
        self.exchange = exchange
        self.allowed = True
        self.asked: list[str] = []  # what arrived: set BTCUSD 5000, reset BTCUSD
        self.spans: dict[str, float] = {}
        self.gone: set[str] = set()  # those that ran out and were not set anew
        self.ran_out: list[str] = []
        self._ends: dict[str, float] = {}
        MORE[exchange] = (
            ("POST", f"{PATH}/v1", lambda _, params: self._set(params)),
            ("GET", f"{PATH}/get/v1", lambda _, __: self._list()),
            ("POST", f"{PATH}/heartbeat/v1", lambda _, params: self._reset(params)),
        )
        exchange.odd.admit, exchange.odd.on_advance = self._admit, self._pass

    @property
    def running(self) -> list[str]:
        """Return the indexes whose countdown runs."""
        with self.exchange.lock:
            return list(self._ends)

    def run_out(self, index: str) -> None:
        """Let one elapse now, as if nobody had been heard of."""
        with self.exchange.lock:
            self._ends[index] = 0.0
            self._pass()

    # ---- what is asked

    def _set(self, params: Body) -> object:
        index, span = self._named(params, "symbol"), int(str(params["countdownTime"])) / 1000
        self.asked.append(f"set {index} {span:g}")
        self.gone.discard(index)
        self.spans.pop(index, None)
        self._ends.pop(index, None)
        if span > 0:
            self.spans[index], self._ends[index] = span, time.monotonic() + span
        return True

    def _reset(self, params: Body) -> object:
        indexes = self._named(params, "symbols").split(",")
        self.asked.extend(f"reset {index}" for index in indexes)
        running = [index for index in indexes if index in self._ends]
        for index in running:
            self._ends[index] = time.monotonic() + self.spans[index]
        return running

    def _list(self) -> object:
        return [{"type": 1, "symbol": index, "countdownTime": int(self.spans[index] * 1000)} for index in self._ends]

    def _named(self, params: Body, name: str) -> str:
        if not self.allowed:
            raise Refused(404, "Not Found", status=404)
        if str(params.get("type")) != OPTIONS:
            raise Refused(10004, "Parameter illegal")
        return str(params[name])

    # ---- what it brings about

    def _admit(self, order: Order) -> None:
        if _index_of(order) in self.gone:
            raise Refused(ELAPSED, "reject.order,Please check if the countdown setting needs to be reset.")

    def _pass(self) -> None:
        for index in [index for index, end in self._ends.items() if end <= time.monotonic()]:
            del self._ends[index]
            self.gone.add(index)
            self.ran_out.append(index)
            self.exchange.withdraw(self._open(index))

    def _open(self, index: str) -> Sequence[Order]:
        return [order for order in self.exchange.ledger.orders if order.state in WORKING and _index_of(order) == index]


def _index_of(order: Order) -> str:
    return order.symbol.partition("-")[0]
