"""For rehearsals, off unless asked for: what shall go wrong, and the exchange's own truth to judge a client by."""

from datetime import timedelta
from decimal import Decimal
from typing import Literal

import msgspec
from fastapi import APIRouter, Request, Response

from clock import monotonic
from paper.answers import encoded
from paper.exchange import PaperExchange
from paper.rules import Faults, OrderState
from paper.server_faults import EVERYBODY, Fault, FaultBoard
from paper.server_ws_faults import StreamFault, StreamFaultKind
from paper.server_ws_hub import Hub


class EngineFault(msgspec.Struct, forbid_unknown_fields=True):
    """What goes wrong inside the exchange for one account until posted anew; see paper.rules.Faults. Seconds are of market time."""

    kind: str
    account: str
    cancel_takes_seconds: Decimal | None = None
    fill_while_cancelling: bool = False
    one_lot_only: bool = False
    refuse_next: list[int] = []
    stuck_in: Literal[4, 5] | None = None
    makers_silent: bool = False
    makers_late_seconds: Decimal = Decimal(0)
    makers_worse_pct: Decimal | None = None
    makers_vanish: bool = False


class FrozenIndex(msgspec.Struct, forbid_unknown_fields=True):
    """An index whose told price and source time stand still (or move again) while the market goes on."""

    kind: str
    underlying: str
    frozen: bool = True


class _Kind(msgspec.Struct):
    kind: str


def control_routes(exchange: PaperExchange, faults: FaultBoard, hub: Hub) -> APIRouter:
    """Return the endpoints under /paper."""
    router = APIRouter(prefix="/paper")

    @router.post("/faults")
    async def post_fault(request: Request) -> Response:
        body = await request.body()
        try:
            _post(exchange, faults, hub, body)
        except (msgspec.MsgspecError, KeyError, ValueError) as error:
            return _json({"error": f"not a fault: {error}"}, 422)
        return _json(_listed(exchange, faults, hub))

    @router.get("/faults")
    async def list_faults() -> Response:
        return _json(_listed(exchange, faults, hub))

    @router.delete("/faults")
    async def clear_faults() -> Response:
        faults.clear()
        hub.faults.clear()
        exchange.engine.faults.clear()
        exchange.frozen.clear()
        return _json(_listed(exchange, faults, hub))

    @router.get("/ledger")
    async def ledger() -> Response:
        return _json(ledger_of(exchange))

    return router


def ledger_of(exchange: PaperExchange) -> dict[str, object]:
    """Return all accounts with their orders, fills, holdings and cash as the exchange itself keeps them; numbers as texts."""
    now = exchange.catch_up()
    image = exchange.engine.image()
    names = exchange.names()
    return {
        "now": now,
        "accounts": [{"name": name, "user": user, "summary": exchange.engine.reports.summary(user, now)} for user, name in names.items()],
        "cash": image.accounts,
        "orders": image.orders,
        "fills": image.trades,
        "positions": image.positions,
        "exercises": image.exercises,
        "requests": image.requests,
        "quotes": image.quotes,
        "blocks": image.blocks,
        "deposits": exchange.deposits,
        "transfers": exchange.transfers,
    }


def _listed(exchange: PaperExchange, faults: FaultBoard, hub: Hub) -> dict[str, object]:
    """Return what waits for requests, and beside it what lasts: of the server, of the streams, of the engine, of the index."""
    names = exchange.names()
    return {
        "waiting": faults.waiting,
        "lasting": faults.lasting,
        "streams": hub.faults.waiting(monotonic()),
        "engine": [_told(names[user], fault) for user, fault in exchange.engine.faults.items()],
        "frozen": [FrozenIndex("frozen_index", underlying) for underlying in exchange.frozen],
    }


def _post(exchange: PaperExchange, faults: FaultBoard, hub: Hub, body: bytes) -> None:
    kind = msgspec.json.decode(body, type=_Kind).kind
    match kind:
        case "engine":
            _post_engine(exchange, msgspec.json.decode(body, type=EngineFault))
        case "frozen_index":
            frozen = msgspec.json.decode(body, type=FrozenIndex)
            exchange.frozen.pop(frozen.underlying, None)
            if frozen.frozen:
                exchange.frozen[frozen.underlying] = exchange.index(frozen.underlying, exchange.now())
        case _ if kind in set(StreamFaultKind):
            _post_stream(exchange, hub, msgspec.json.decode(body, type=StreamFault))
        case _:
            faults.post(msgspec.json.decode(body, type=Fault))


def _post_stream(exchange: PaperExchange, hub: Hub, fault: StreamFault) -> None:
    if fault.account not in {EVERYBODY, *exchange.names().values()}:
        raise KeyError(fault.account)
    if fault.kind is StreamFaultKind.DROP:
        hub.drop(fault.account, "fault")
    else:
        hub.faults.post(fault, monotonic())


def _post_engine(exchange: PaperExchange, fault: EngineFault) -> None:
    users = {name: user for user, name in exchange.names().items()}
    takes = fault.cancel_takes_seconds
    exchange.engine.faults[users[fault.account]] = Faults(
        cancel_takes=None if takes is None else timedelta(seconds=float(takes)),
        fill_while_cancelling=fault.fill_while_cancelling,
        one_lot_only=fault.one_lot_only,
        refuse_next=fault.refuse_next,
        stuck_in=None if fault.stuck_in is None else OrderState(fault.stuck_in),
        makers_silent=fault.makers_silent,
        makers_late=timedelta(seconds=float(fault.makers_late_seconds)),
        makers_worse_pct=fault.makers_worse_pct,
        makers_vanish=fault.makers_vanish,
    )


def _told(name: str, fault: Faults) -> EngineFault:
    takes = fault.cancel_takes
    return EngineFault(
        kind="engine",
        account=name,
        cancel_takes_seconds=None if takes is None else Decimal(str(takes.total_seconds())),
        fill_while_cancelling=fault.fill_while_cancelling,
        one_lot_only=fault.one_lot_only,
        refuse_next=fault.refuse_next,
        stuck_in=_stuck(fault.stuck_in),
        makers_silent=fault.makers_silent,
        makers_late_seconds=Decimal(str(fault.makers_late.total_seconds())),
        makers_worse_pct=fault.makers_worse_pct,
        makers_vanish=fault.makers_vanish,
    )


def _stuck(state: OrderState | None) -> Literal[4, 5] | None:
    return None if state is None else 4 if state is OrderState.PRE_CANCEL else 5


def _json(content: object, status: int = 200) -> Response:
    return Response(encoded(content), status, media_type="application/json")
