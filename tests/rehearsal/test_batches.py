"""Orders of one tick in one request, by the real program: on its own exchange, and on one that knows only the API document."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from events import OrderAccepted

from tests.rehearsal.abroad import QTY, World, a_world, breaches, left_over
from tests.rehearsal.abroad import Plan as Abroad
from tests.rehearsal.other_batches import CREATE_MANY, Batches
from tests.rehearsal.other_books import BUY, CANCELED, ZERO
from tests.rehearsal.other_exchange import OtherExchange
from tests.rehearsal.other_server import CREATE, Fault, Kind, lost_answer
from tests.rehearsal.other_wire import MORE
from tests.rehearsal.stage import LONG, NAME, ROOT, Exchange, Trader, a_strategies_file, booked, cast, ledger_on_disk, until

ON = {"TRADER_BATCH_ORDERS": "on", "TRADER_LOG_LEVEL": "DEBUG"}
TOGETHER, NOT_ALLOWED = "leave together count=2", "cause=batches not allowed"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An exchange that takes batches and fills every order at its own price, and a daemon that wants to send some."""
    exchange = OtherExchange()
    exchange.generous = True
    with a_world(tmp_path, exchange, **ON) as made:
        yield made


@pytest.fixture
def batches(world: World) -> Batches:
    return Batches(world.exchange)


# ---- its own exchange


def test_the_embedded_exchange_grants_what_the_setting_wants_and_a_trade_lives_by_batches(tmp_path: Path) -> None:
    trader = Trader(tmp_path, settings={**ON, "TRADER_TICK_INTERVAL_SECONDS": "0.02", "TRADER_POLL_INTERVAL_SECONDS": "0.5"})
    with cast(trader):
        trader.start("--strategies-file", str(a_strategies_file(tmp_path)))
        trader.hear("trade closed id=quick#1", within=LONG)
        trader.stop()

    assert trader.lines(f"opening orders {TOGETHER}")
    assert trader.lines(f"reducing orders {TOGETHER}")
    assert trader.lines(NOT_ALLOWED) == []
    ledger = ledger_on_disk(trader.state / "exchange")
    assert (ledger.holdings, ledger.working) == ({}, [])
    assert booked(trader.events()) == ledger.fills_of_orders()


@pytest.mark.parametrize("granted", [True, pytest.param(False, marks=pytest.mark.soak)])
def test_on_an_exchange_beside_it_the_grant_decides_and_the_trade_is_the_same(tmp_path: Path, *, granted: bool) -> None:
    exchange = Exchange(tmp_path / "venue", *([f"--market-maker={NAME}"] if granted else []))
    trader = Trader(tmp_path / "trader", exchange=exchange, settings=ON)
    with cast(trader, exchange):
        trader.start("--strategies-file", str(a_strategies_file(tmp_path)))
        trader.hear("trade closed id=quick#1", within=LONG)
        trader.stop()

        ledger = exchange.ledger()
        assert len(trader.lines(NOT_ALLOWED)) == (0 if granted else 1)
        assert bool(trader.lines(f"reducing orders {TOGETHER}")) is granted
        assert (ledger.holdings, ledger.working) == ({}, [])
        assert booked(trader.events()) == ledger.fills_of_orders()


SCRIPT = """
from decimal import Decimal

import scripting
from domain import ClientOrderId, NewOrder, Purpose, Side

with scripting.session() as context:
    option = next(each for each in context.market.get_option_instruments("BTC") if each.option_type == "C")
    for attempt in (1, 2):
        name = ClientOrderId(desk=context.opened.journal.desk, trade=1, leg=0, purpose=Purpose.OPEN, attempt=attempt)
        order = NewOrder(client_id=name, instrument=option, side=Side.BUY, qty=option.lot, price=option.tick)
        context.executor.post.send(order, context.clock.now(), lambda outcome: print("told", type(outcome).__name__))
"""


def test_what_is_posted_and_never_seen_by_a_tick_is_sent_at_the_goodbye_or_told_that_it_was_not(trader: Trader) -> None:
    environment = {**trader._environment, **ON, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=trader.home, env=environment, text=True, capture_output=True, timeout=LONG, check=False
    )

    assert ended.returncode == 0, ended.stderr
    refused = ended.stdout.count("told ExchangeUnavailable")
    assert len(ledger_on_disk(trader.state / "exchange").orders) + refused == 2
    assert f"opening orders {TOGETHER}" in ended.stderr + ended.stdout


# ---- another one


def clean(world: World) -> bool:
    return breaches(world) == [] and left_over(world) == []


def test_a_trade_abroad_opens_and_closes_by_two_batches(world: World, batches: Batches) -> None:
    world.trader.begin(Abroad())
    world.trader.hear("trade closed", within=LONG)

    assert [len(names) for names in batches.created] == [2, 2]
    assert world.server.asked(CREATE) == 0
    assert clean(world)


@pytest.mark.parametrize(
    "fault",
    [
        lost_answer(CREATE_MANY),
        *(pytest.param(Fault(kind, CREATE_MANY, acted=True), marks=pytest.mark.soak) for kind in (Kind.RESET, Kind.CUT)),
    ],
)
def test_l05_a_batch_without_an_answer_abroad_is_never_sent_again(world: World, batches: Batches, fault: Fault) -> None:
    world.server.plan(fault)
    world.trader.begin(Abroad())
    world.trader.hear("trade closed", within=LONG)

    sent = [name for names in batches.created for name in names]
    assert len(sent) == len(set(sent))
    assert clean(world)


def test_one_order_of_a_batch_is_refused_abroad_and_the_other_is_not_taken_for_it(world: World, batches: Batches) -> None:
    refused, taken = Abroad().structure
    world.exchange.planned_refusals[refused] = [10529]
    world.trader.begin(Abroad())
    world.await_end()

    assert len(world.trader.lines("order refused")) == 1
    assert [world.exchange.traded(refused, BUY), world.exchange.traded(taken, BUY)] == [ZERO, QTY]
    assert len(batches.created[0]) == 2
    assert clean(world)


def test_a_daemon_killed_between_a_batch_and_its_answer_finds_both_orders(world: World, batches: Batches) -> None:
    world.kill_at(2)
    world.trader.begin(Abroad(), ready=False)
    world.await_death()
    world.exchange.on_create = lambda _: None

    world.trader.begin(Abroad())
    world.trader.hear("trade closed", within=LONG)

    assert len({name for names in batches.created for name in names}) == 4
    assert clean(world)


@pytest.mark.soak
def test_cancels_of_a_stop_abroad_go_together(tmp_path: Path) -> None:
    with a_world(tmp_path, OtherExchange(), **ON, TRADER_CANCEL_ON_STOP="on") as world:  # at mid nobody sells
        batches = Batches(world.exchange)
        world.trader.begin(Abroad(patience=60))
        until(lambda: sum(isinstance(event, OrderAccepted) for event in world.trader.events()) == 2, "both orders are known to rest")
        world.trader.stop()

        assert batches.cancelled == [2]
        assert [order.state for order in world.exchange.ledger.orders] == [CANCELED, CANCELED]
        assert breaches(world) == []


@pytest.mark.parametrize("known", [True, False])
def test_an_account_that_may_not_sends_the_same_orders_one_by_one_and_says_so_once(world: World, *, known: bool) -> None:
    """Whether the path is kept from it by HTTP 404, or the exchange knows no such path at all."""
    if known:
        Batches(world.exchange).allowed = False
    else:
        MORE.pop(world.exchange, None)
    world.trader.begin(Abroad())
    world.trader.hear("trade closed", within=LONG)

    assert world.server.asked(CREATE_MANY) == 1
    assert world.server.asked(CREATE) == 4
    assert len(world.trader.lines(NOT_ALLOWED)) == 1
    assert clean(world)
