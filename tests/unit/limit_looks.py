"""One leg as a limit execution sees it, one look at it, and an execution that is stepped by hand."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from domain import ExecutionMode, ExecutionParams, OrderStatus, Purpose, Quote, Remedy, Side
from events import ExecutionStarted, LegBook
from execution import Scene
from execution_log import Run
from leg_orders import LegOrders, LegSight, Place
from limit_execution import Chase, LegStep, LimitExecutor, look
from order_ledger import OrderRecord
from trade_lifecycle import TradeLeg, TradeLifecycle

from tests.fakes import START, House, a_name, a_quote, a_trade, an_account, an_option, an_order

PARAMS = ExecutionParams(fill_timeout_seconds=30, aggressive_buffer_pct=2, max_requote_rounds=3)
LEG = TradeLeg(option=an_option(), side=Side.SELL, target=Decimal(1))
HELD = replace(LEG, opened=Decimal(1))


def a_record(purpose: Purpose = Purpose.OPEN, attempt: int = 1, side: Side = Side.SELL, price: str = "100") -> OrderRecord:
    return OrderRecord(
        new=an_order(a_name(purpose=purpose, attempt=attempt), side=side, price=price), sent_at=START, order_id="v1", status=OrderStatus.NEW
    )


def a_sight(
    *orders: OrderRecord, leg: TradeLeg = LEG, purpose: Purpose = Purpose.OPEN, clamp: str | None = None, room: str | None = None
) -> LegSight:
    missing = max(leg.outstanding if purpose.reduces else leg.target - leg.opened, Decimal(0))
    if clamp is not None:
        missing = min(missing, Decimal(clamp))
    return LegSight(
        index=0,
        leg=leg,
        side=leg.side.opposite if purpose.reduces else leg.side,
        missing=missing,
        room=missing if room is None else Decimal(room),
        since=START,
        orders=orders,
    )


def seen(
    *orders: OrderRecord,
    leg: TradeLeg = LEG,
    purpose: Purpose = Purpose.OPEN,
    seconds: float = 0,
    turn: int = 0,
    quote: Quote | None = None,
    blind: bool = False,
    clamp: str | None = None,
    unpriced: float = 0,
    room: str | None = None,
    cap_pct: float | None = None,
    brisk: bool = False,
) -> LegStep:
    chase = Chase(
        purpose=purpose,
        params=PARAMS,
        now=START + timedelta(seconds=seconds),
        round=turn,
        unpriced=timedelta(seconds=unpriced),
        cap_pct=cap_pct,
        brisk=brisk,
    )
    return look(a_sight(*orders, leg=leg, purpose=purpose, clamp=clamp, room=room), chase, None if blind else quote or a_quote())


def placed(result: LegStep) -> Place:
    assert isinstance(result.action, Place)
    return result.action


class Stepper:
    """One limit execution of a trade, stepped by hand on a venue that takes every order and fills none."""

    def __init__(self, purpose: Purpose, *, urgent: bool = False, remedy: Remedy | None = None, wanted: str = "1") -> None:
        self.house, self.purpose = House(), purpose
        started = ExecutionStarted(
            at=START,
            trade=1,
            run=1,
            purpose=purpose,
            mode=ExecutionMode.LIMIT,
            reason="",
            legs=(LegBook(leg=0, symbol=an_option().symbol, side=Side.SELL, wanted=Decimal(wanted)),),
            urgent=urgent,
            remedy=remedy,
        )
        self.run = Run(self.house.journal, self.house.clock, started)
        orders = LegOrders(self.house.executor, self.house.alerts, 7)
        self.execution = LimitExecutor(orders).begin(self.scene(a_trade(), {}), self.run)

    def scene(
        self, trade: TradeLifecycle, quotes: Mapping[str, Quote], seconds: float = 0, clamps: Mapping[str, Decimal] | None = None
    ) -> Scene:
        now = START + timedelta(seconds=seconds)
        account = replace(an_account(now=now), quotes=quotes)
        return Scene(account=account, trade=trade, purpose=self.purpose, books={}, clamps=clamps)
