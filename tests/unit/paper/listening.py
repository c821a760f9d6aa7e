"""A stream on the paper exchange without its socket: who may listen, what waits to be written, and a clock of its own."""

import json
from typing import Any

from clock import SimulatedClock, to_ms
from domain import Side
from paper.engine import Engine
from paper.exchange import AccountSpec, PaperExchange
from paper.rules import OrderRequest, Rules
from paper.server_ws_hub import Hub, Line
from paper.server_ws_session import Session, StreamPolicy
from paper.server_ws_turns import Turns
from paper.wire_push_channels import ENDPOINTS

from tests.unit.paper.block_market import BUY, a_block_feed
from tests.unit.paper.engine_market import CALL, START, D

NOW_MS = to_ms(START)
FIRST = 1_695_000_000_000_001


def a_limit(qty: str, price: str, side: Side = BUY, **more: Any) -> OrderRequest:
    return OrderRequest(symbol=CALL.symbol, side=side, qty=D(qty), price=D(price), **more)


def an_exchange(feed: Any = None, **changed: Any) -> PaperExchange:
    engine = Engine(feed or a_block_feed(), Rules(), START)
    exchange = PaperExchange(engine, engine.feed, SimulatedClock(START))
    exchange.open_accounts(
        [AccountSpec(name="demo", key="a+b/c=", secret="s", **changed), AccountSpec(name="other", key="k2", secret="s2")]
    )
    return exchange


class Listening:
    """A hub with one stream on it and a clock of its own; frames are read where they wait to be written."""

    def __init__(self, backlog: int = 100, **subscriptions: str) -> None:
        self.feed = a_block_feed()
        self.exchange, self.at, self.cuts = an_exchange(self.feed), 0.0, 0
        self.hub = Hub(self.exchange, StreamPolicy())
        self.turns = Turns(self.exchange, self.hub, lambda: self.at)
        self.line = self.a_line("demo", FIRST, backlog)
        for channel, symbol in subscriptions.items():
            self.subscribe(self.line, channel, symbol)

    def a_line(self, account: str, user: int, backlog: int = 100) -> Line:
        session = Session(user, {**ENDPOINTS["/options"], **ENDPOINTS["/futures"]}, self.turns.missing, self.at)
        line = Line(account, session, self.hub.faults, self._cut, backlog)
        self.hub.join(line)
        return line

    def subscribe(self, line: Line, channel: str, symbol: str = "") -> None:
        payload = {"payload": {"symbol": symbol}} if symbol else {}
        self.hub.hear(line, json.dumps({"action": "subscribe", "dataType": channel, **payload}))
        assert json.loads(taken(line)[-1])["result"] == "success"

    def turn(self, seconds: float) -> list[Any]:
        self.at += seconds
        self.turns.take()
        return [json.loads(frame) for frame in taken(self.line)]

    def _cut(self) -> None:
        self.cuts += 1


def taken(line: Line) -> list[str]:
    """What waits to be written, which then waits no more."""
    frames = list(line.frames)
    line.frames.clear()
    return frames
