"""The exchange's streams: Coincall's options and futures WebSocket on the port of REST. Source: Coincall API 11.

A stream that is not welcome is refused in the handshake (HTTP 403); why stands in the log.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta

from loguru import logger
from starlette.types import Receive, Scope, Send

from clock import monotonic
from paper.exchange import PaperExchange
from paper.server_faults import FaultBoard, abort_of, cut
from paper.server_ws_gate import Unwelcome, opener
from paper.server_ws_hub import Hub, Line
from paper.server_ws_session import Session
from paper.server_ws_turns import Turns
from paper.wire_push_channels import ENDPOINTS

_REFUSED = {"type": "websocket.close", "code": 1008}
TURN = timedelta(milliseconds=100)


class StreamApp:
    """The streams as an ASGI application: one task reads a connection, one writes it."""

    def __init__(self, exchange: PaperExchange, hub: Hub, faults: FaultBoard) -> None:
        self._exchange, self._hub, self._faults = exchange, hub, faults
        self._turns = Turns(exchange, hub)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection until it ends."""
        await receive()
        path = scope["path"]
        try:
            now = self._exchange.now() + self._faults.skew
            signer = opener(self._exchange, path, scope["query_string"].decode("latin-1"), now, self._hub.policy.speed)
        except Unwelcome as why:
            logger.warning("paper exchange refuses stream path={} reason={}", path, why)
            await send(_REFUSED)
            return
        if self._faults.refusing or self._hub.faults.refuses(signer.name, monotonic()):
            logger.info("paper exchange refuses stream account={} reason=fault", signer.name)
            await cut(send)
            return
        await send({"type": "websocket.accept"})
        session = Session(signer.user, ENDPOINTS[path], self._turns.missing, monotonic(), may_quote=signer.market_maker)
        await self._talk(Line(signer.name, session, self._hub.faults, abort_of(send), self._hub.policy.backlog), receive, send)

    async def turns(self) -> None:
        """Tell what is due, turn after turn, until cancelled; a turn that fails is logged, and the next one comes."""
        while True:
            try:
                self._turns.take()
            except Exception:  # noqa: BLE001 - the boundary of the turn: the streams must live on
                logger.exception("paper exchange stream turn failed")
            await asyncio.sleep(TURN.total_seconds())

    async def _talk(self, line: Line, receive: Receive, send: Send) -> None:
        self._hub.join(line)
        writer = asyncio.create_task(line.write(send))
        try:
            while True:
                message = await receive()
                if message["type"] == "websocket.disconnect":
                    return
                self._heard(line, message.get("text") or "")
        finally:
            self._hub.leave(line)
            writer.cancel()
            with suppress(asyncio.CancelledError, OSError):  # who is gone cannot be written to
                await writer

    def _heard(self, line: Line, message: str) -> None:
        try:
            self._hub.hear(line, message)
        except Exception:  # noqa: BLE001 - the boundary of a message: one that breaks ends its own stream and nothing else
            logger.exception("paper exchange failed on a message account={}", line.account)
            line.drop("a message could not be answered")
