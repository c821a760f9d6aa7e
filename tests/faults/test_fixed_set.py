"""A small fixed set of the fault rehearsal: every crash point and every fault once, and a judge that sees each thing done wrong."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest
from loguru import logger

from domain import ClientOrderId, Fill, NewOrder, OrderReport, OrderStatus, Purpose, RFQQuote, RFQRequest, Side
from errors import ExchangeRejected, OutcomeUnknown
from exchanges.coincall.client import OrderRef
from ports import OrderGateway, RFQGateway
from trade_lifecycle import TradeLifecycle

from tests.faults.crash import NEVER
from tests.faults.house import House
from tests.faults.judge import COLUMNS
from tests.faults.matrix import Outcome, Run, fixed_set, perform
from tests.faults.scorecard import Scorecard, failure
from tests.faults.wire import Kind, Wrong

CANCELS = frozenset({"cancel", "/open/option/order/batchCancel/v1"})
SOON = 150  # seconds of market time that a broken daemon is watched


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """Ten thousand lines of log are no help here; a failure's line says how to read them."""
    logger.disable("")
    yield
    logger.enable("")


# ---- nothing is done wrong

SHARES = 8
_MET: dict[int, list[Outcome]] = {}


def share_of(number: int) -> list[Outcome]:
    """Perform a part of the fixed set, once."""
    if number not in _MET:
        _MET[number] = [perform(run) for run in fixed_set()[number::SHARES]]
    return _MET[number]


@pytest.mark.parametrize("share", range(SHARES))
def test_every_crash_point_and_every_fault_is_survived_with_nothing_done_wrong(share: int) -> None:
    assert [failure(outcome) for outcome in share_of(share) if not outcome.clean] == []


@pytest.mark.soak
@pytest.mark.parametrize("share", range(SHARES))
def test_most_of_the_fixed_set_really_strikes_kills_and_trades(share: int) -> None:
    outcomes = share_of(share)

    assert sum(outcome.struck for outcome in outcomes) > len(outcomes) // 2
    assert sum(outcome.crashed for outcome in outcomes) > len(outcomes) // 4
    assert sum(outcome.orders > 0 for outcome in outcomes) > len(outcomes) * 2 // 3


@pytest.mark.parametrize("name", ["smart/journal:LegFilled:after/lost reply create/11", "rfq/wire:accept:processed/full disk once/12"])
def test_the_same_run_is_the_same_to_the_last_order(name: str) -> None:
    first, again = perform(Run.parse(name)), perform(Run.parse(name))

    assert first == again


# ---- and the judge would see it


class Wrapped:
    """An order gateway of the daemon's, in which something may be broken."""

    def __init__(self, gateway: OrderGateway) -> None:
        self._gateway = gateway

    def submit(self, order: NewOrder, /) -> str:
        return self._gateway.submit(order)

    def cancel(self, client_id: ClientOrderId, /) -> None:
        self._gateway.cancel(client_id)

    def find(self, client_id: ClientOrderId, sent_at: datetime, /) -> OrderReport | None:
        return self._gateway.find(client_id, sent_at)

    def open_orders(self) -> Sequence[OrderReport]:
        return self._gateway.open_orders()

    def fills(self, since: datetime, /) -> Sequence[Fill]:
        return self._gateway.fills(since)


class Resends(Wrapped):
    """Sends an order again, under another name, when no answer came."""

    def submit(self, order: NewOrder, /) -> str:
        try:
            return self._gateway.submit(order)
        except OutcomeUnknown:
            return self._gateway.submit(another(order))


class ForgetsALeg(Wrapped):
    """Takes the closing of the first leg for done without doing it."""

    _made_up: OrderReport | None = None

    def submit(self, order: NewOrder, /) -> str:
        name = order.client_id
        if name.leg or name.purpose is not Purpose.CLOSE:
            return self._gateway.submit(order)
        self._made_up = OrderReport(
            client_id=name,
            order_id="1",
            symbol=order.instrument.symbol,
            side=order.side,
            qty=order.qty,
            filled=order.qty,
            status=OrderStatus.FILLED,
            price=order.price,
            avg_price=order.price,
        )
        return "1"

    def find(self, client_id: ClientOrderId, sent_at: datetime, /) -> OrderReport | None:
        made_up = self._made_up
        return made_up if made_up is not None and made_up.client_id == client_id else self._gateway.find(client_id, sent_at)


class ClosesTooMuch(Wrapped):
    """Sends a second close beside the first, not reduce-only, and takes it back at once."""

    def submit(self, order: NewOrder, /) -> str:
        if order.reduce_only:
            second = replace(another(order), reduce_only=False, price=far_price(order.side, order.price))
            told = self._gateway.submit(order)
            with suppress(ExchangeRejected):
                self._gateway.submit(second)
                self._gateway.cancel(second.client_id)
            return told
        return self._gateway.submit(order)


class TakesAnything:
    """A way to makers whose quotes look better than they are."""

    def __init__(self, gateway: RFQGateway) -> None:
        self._gateway = gateway

    def __getattr__(self, name: str) -> object:
        return getattr(self._gateway, name)

    def quotes(self, request: RFQRequest, /) -> Sequence[RFQQuote]:
        told = self._gateway.quotes(request)
        return [replace(quote, legs=tuple(replace(leg, price=_flattered(leg.side, leg.price)) for leg in quote.legs)) for quote in told]


def _flattered(makers: Side, price: Decimal) -> Decimal:
    return price * (Decimal("0.8") if makers is Side.SELL else Decimal("1.2"))


def far_price(side: Side, price: Decimal) -> Decimal:
    """Return a price at which an order waits for ever."""
    return (price * (Decimal("0.5") if side is Side.BUY else Decimal("1.6"))).quantize(Decimal("0.1"))


def another(order: NewOrder) -> NewOrder:
    """Return an order under a name that the daemon knows nothing of."""
    return replace(order, client_id=replace(order.client_id, attempt=order.client_id.attempt + 100))


def with_gateway(kind: type[Wrapped]) -> Callable[[House], None]:
    def mend(house: House) -> None:
        executor = house.context.executor
        executor._gateway = kind(executor._gateway)

    return mend


def cancels_strangers(house: House) -> None:
    executor, client = house.context.executor, house.context.executor._gateway._client  # type: ignore[attr-defined]

    at_it: list[bool] = []

    def tidy(_: object) -> None:
        if not at_it:  # it must not keep all workers busy: the daemon has its own work to do
            at_it.append(True)
            house.context.reads.run(cancel_them, lambda _: at_it.clear())

    def cancel_them() -> None:
        for report in executor._gateway.open_orders():
            if report.client_id is None:
                client.cancel(OrderRef(order_id=report.order_id))

    house.context.monitor.on_update(tidy, "tidy")


def leaves_an_order(house: House) -> None:
    gateway = house.context.executor._gateway

    def one_more(trade: TradeLifecycle) -> None:
        leg = trade.legs[0]
        name = ClientOrderId(desk=house.context.opened.journal.desk, trade=trade.number, leg=0, purpose=Purpose.OPEN, attempt=200)
        far = far_price(leg.side, Decimal(900))
        order = NewOrder(client_id=name, instrument=leg.option, side=leg.side, qty=leg.option.lot, price=far)
        house.context.writes.run(lambda: gateway.submit(order), lambda _: None)
        house._wire.wrongs.append(Wrong(Kind.SILENCE, CANCELS, count=0))  # the daemon would find it, and cancel it

    house.context.lifecycle.on_closed(one_more)


def takes_anything(house: House) -> None:
    makers = house.context.rfq._makers
    house.context.rfq._makers = replace(makers, gateway=TakesAnything(makers.gateway))  # type: ignore[arg-type]


BREAKS: dict[str, tuple[str, Callable[[House], None]]] = {
    "duplicates": ("limit/none/lost reply create/4", with_gateway(Resends)),
    "lost orders": ("limit/none/none/4", leaves_an_order),
    "forgotten legs": ("limit/none/none/4", with_gateway(ForgetsALeg)),
    "foreign touched": ("limit/none/none/4", cancels_strangers),
    "wrong closes": ("limit/none/none/4", with_gateway(ClosesTooMuch)),
    "bad accepts": ("rfq/none/makers worse/4", takes_anything),
}


def wrong_columns(outcome: Outcome) -> list[str]:
    return [column for column, lines in outcome.sentence.wrongs.items() if lines]


@pytest.mark.parametrize("column", COLUMNS)
def test_a_daemon_broken_on_purpose_is_seen_in_its_own_column_and_in_no_other(column: str) -> None:
    name, mend = BREAKS[column]

    assert wrong_columns(perform(Run.parse(name), mend, SOON)) == [column]


@pytest.mark.parametrize("name", sorted({name for name, _ in BREAKS.values()}))
def test_the_same_runs_are_clean_where_nothing_is_broken(name: str) -> None:
    assert wrong_columns(perform(Run.parse(name))) == []


def test_one_wrong_makes_the_scorecard_say_no_and_how_to_repeat_it() -> None:
    card = Scorecard()
    name, mend = BREAKS["foreign touched"]
    card.take(perform(Run.parse(name), mend, SOON))
    card.take(perform(Run(NEVER, "none", "limit", 5)))

    told = list(card.lines())

    assert not card.clean
    assert any(f'--repeat "{name}"' in line and "foreign touched" in line for line in told)
