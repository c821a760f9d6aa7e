"""The exchange behind HTTP: Coincall's paths on a thin ASGI application, in front of FastAPI, which has the life cycle and the rest.

One event loop owns the exchange, so nothing here is locked. What a request changed is on disk before its answer leaves; all requests of one
turn of the loop share one transaction. What it changed is pushed to the streams before its answer leaves, too.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from email.utils import format_datetime

from fastapi import FastAPI
from loguru import logger
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clock import wall_now
from errors import DataNotFresh
from paper import routes_account, routes_history, routes_market, routes_mm, routes_orders, routes_rfq, routes_rfq_history
from paper.answers import encoded, ok, refusal
from paper.exchange import PaperExchange
from paper.rules import Refused
from paper.server_control import control_routes
from paper.server_faults import Fault, FaultBoard, FaultKind, cut
from paper.server_gate import Gate, GatePolicy
from paper.server_request import NoSuchPath, Refusal, Request
from paper.server_routes import Call, Extra, Routes
from paper.server_ws import StreamApp
from paper.server_ws_hub import Hub
from paper.server_ws_session import StreamPolicy

_JSON = (b"content-type", b"application/json;charset=UTF-8")
_HTML = (b"content-type", b"text/html")
_BAD_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"
_ALL = Routes.of(
    (
        *routes_market.ROUTES,
        *routes_account.ROUTES,
        *routes_orders.ROUTES,
        *routes_history.ROUTES,
        *routes_rfq.ROUTES,
        *routes_rfq_history.ROUTES,
        *routes_mm.ROUTES,
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPolicy:
    """How the server behaves: its gate, the real seconds each answer is held back, how often the market is moved by itself."""

    gate: GatePolicy = field(default_factory=GatePolicy)
    latency: float = 0.0
    heartbeat: float = 0.1
    control: bool = False
    stream: StreamPolicy = field(default_factory=StreamPolicy)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: HTTP status, body, content type."""

    body: bytes
    status: int = 200
    content_type: tuple[bytes, bytes] = _JSON


class WireApp:
    """Coincall's REST interface as an ASGI application."""

    def __init__(self, exchange: PaperExchange, policy: ServerPolicy, faults: FaultBoard, hub: Hub) -> None:
        self._exchange, self._policy, self._faults, self._hub = exchange, policy, faults, hub
        self._gate = Gate(exchange, policy.gate)
        self._date = self._now_told()
        self._turn: asyncio.Future[bool] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(
            scope["method"], scope["path"], scope["query_string"].decode("latin-1"), dict(scope["headers"]), (scope["client"] or ("",))[0]
        )
        body = await _body(receive)
        if self._faults.refusing:
            await cut(send)
            return
        if self._policy.latency > 0:
            await asyncio.sleep(self._policy.latency)
        fault = self._faults.strike(self._account(request), request.path) if self._faults.waiting else None
        if fault is not None:
            await self._go_wrong(fault, request, body, send)
            return
        await self._send(send, await self._answer(request, body))

    async def heartbeat(self) -> None:
        """Move the market by itself until cancelled; a beat that fails is logged, and the next one comes."""
        while True:
            self._date = self._now_told()
            try:
                self._exchange.catch_up()
                self._exchange.settle()
            except Exception:  # noqa: BLE001 - the boundary of the beat: the exchange must live on
                logger.exception("paper exchange heartbeat failed")
            await asyncio.sleep(self._policy.heartbeat)

    async def _answer(self, request: Request, body: bytes) -> Answer:
        answer = self._respond(request, body)
        return answer if await self._settled() else Answer(encoded(refusal(500)), 500)

    def _respond(self, request: Request, body: bytes) -> Answer:
        try:
            return Answer(self._called(request, body))
        except Refused as no:
            return Answer(encoded(refusal(no.code, message=no.message)))
        except Refusal as no:
            return Answer(encoded(refusal(no.code, no.details, no.message)))
        except NoSuchPath:
            return Answer(encoded(refusal(404, message="Not Found")), 404)
        except DataNotFresh as error:
            return Answer(encoded(refusal(10609, message=str(error))))
        except Exception:  # noqa: BLE001 - the boundary of a request: one that breaks must not end the exchange
            logger.exception("paper exchange failed method={} path={}", request.method, request.path)
            return Answer(encoded(refusal(500)), 500)

    def _called(self, request: Request, body: bytes) -> bytes:
        route, argument = _ALL.find(request.path)
        request.read(body)
        now = self._exchange.now() if route.trades else self._exchange.catch_up()
        told_now = now + self._faults.skew
        signer = self._gate.admit(request, route, told_now)
        moment = told_now if route.handler is routes_market.server_time else now
        told = route.handler(self._exchange, Call(request.params, argument, moment, signer, request.is_form))
        if isinstance(told, Extra):
            return encoded({"code": 0, "msg": "Success", "i18nArgs": None, "data": told.data, **told.beside})
        return ok(told)

    async def _settled(self) -> bool:
        """Wait until what has changed is on disk and on its way to the streams; tell whether it is."""
        if self._turn is None:
            loop = asyncio.get_running_loop()
            self._turn = loop.create_future()
            loop.call_soon(self._settle_turn, self._turn)
        return await self._turn if self._exchange.keeps_state or self._hub.open else True

    def _settle_turn(self, turn: "asyncio.Future[bool]") -> None:
        self._turn, kept = None, True
        try:
            self._exchange.settle()
        except Exception:  # noqa: BLE001 - the boundary of a turn: whoever waits must be told, whatever went wrong
            logger.exception("paper exchange cannot keep its state, answers withheld")
            kept = False
        if not turn.done():
            turn.set_result(kept)

    def _account(self, request: Request) -> str:
        credential = self._exchange.credential(request.header(b"x-cc-apikey"))
        return "" if credential is None else credential.name

    async def _go_wrong(self, fault: Fault, request: Request, body: bytes, send: Send) -> None:
        logger.info("paper exchange lets fault={} strike path={}", fault.kind, request.path)
        if fault.kind is FaultKind.DELAY:
            await asyncio.sleep(fault.seconds)
        answer = await self._answer(request, body) if fault.acts else None
        if fault.kind is FaultKind.HANG:
            await asyncio.sleep(fault.seconds)
        wrong = _wrong_answer(fault, answer)
        if wrong is None:
            await cut(send)
        else:
            await self._send(send, wrong)

    async def _send(self, send: Send, answer: Answer) -> None:
        date = self._now_told() if self._faults.skew else self._date
        headers = [answer.content_type, (b"content-length", str(len(answer.body)).encode()), (b"date", date)]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    def _now_told(self) -> bytes:
        return format_datetime(wall_now() + self._faults.skew, usegmt=True).encode()


def build_app(exchange: PaperExchange, policy: ServerPolicy) -> ASGIApp:
    """Return the application that serves an exchange; its lifespan beats the market's heart and, at the end, closes the exchange.

    FastAPI's middleware costs an order a tenth of its time, so only what lies under /paper goes through it.
    """
    faults, hub = FaultBoard(), Hub(exchange, policy.stream)
    wire, streams = WireApp(exchange, policy, faults, hub), StreamApp(exchange, hub, faults)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        beats = [asyncio.create_task(wire.heartbeat()), asyncio.create_task(streams.turns())]
        yield
        for beat in beats:
            beat.cancel()
            with suppress(asyncio.CancelledError):
                await beat
        exchange.close()

    app = FastAPI(title="Paper exchange", openapi_url=None, lifespan=lifespan)
    if policy.control:
        app.include_router(control_routes(exchange, faults, hub))
    app.mount("/", wire)

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        is_wire = scope["type"] == "http" and not scope["path"].startswith("/paper/")
        await (wire if is_wire else streams if scope["type"] == "websocket" else app)(scope, receive, send)

    return front


_WRONG = {
    FaultKind.HTML: Answer(_BAD_GATEWAY, 502, _HTML),
    FaultKind.HTTP_500: Answer(encoded(refusal(500)), 500),
    FaultKind.BUSY: Answer(encoded(refusal(10000))),
    FaultKind.EMPTY: Answer(b""),
}


def _wrong_answer(fault: Fault, answer: Answer | None) -> Answer | None:
    """Return what is answered instead of the right answer, which is None where the exchange did not act; None ends the connection."""
    match fault.kind:
        case FaultKind.DELAY:
            return answer
        case FaultKind.TRUNCATE:
            return None if answer is None else replace(answer, body=answer.body[: len(answer.body) // 2])
        case FaultKind.REFUSE:
            return Answer(encoded(refusal(fault.code)))
        case _:
            return _WRONG.get(fault.kind)


async def _body(receive: Receive) -> bytes:
    pieces: list[bytes] = []
    while True:
        message: Message = await receive()
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(pieces)
