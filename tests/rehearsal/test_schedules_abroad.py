"""Lists, queries and streams that contradict each other, on an exchange that knows only the API document: orders stay true all the same.

Each story is a schedule of its own; the exchange's ledger judges it, and the journal is laid beside it.
"""

import itertools
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest

from clock import pause

from tests.rehearsal.abroad import CALL, FAR, PUT, Plan, World, a_world, breaches, left_over, misjudged, unbooked
from tests.rehearsal.other_books import BUY, CANCELED, FILLED, INVALID, NEW, Order, Race, Trade, symbol_of
from tests.rehearsal.other_exchange import OtherExchange
from tests.rehearsal.other_server import CREATE, Fault, Kind, lost_answer
from tests.rehearsal.other_wire import Body, Token
from tests.rehearsal.rewrites import ORDERS, PENDING, SINGLE, TRADES, Row, fills_told_late, rows_of, told_late, trades_late, with_rows
from tests.rehearsal.schedules import BRIEF, LOT, PATIENT, a_market, finish, ill
from tests.rehearsal.stage import LONG


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An exchange that trades by lots; the daemon does not run yet."""
    with a_market(tmp_path) as (made, _):
        yield made


@pytest.fixture
def deaf(tmp_path: Path) -> Iterator[World]:
    """The same without streams."""
    with a_market(tmp_path, TRADER_STREAMS="off") as (made, _):
        yield made


# ---- lists that are late


@pytest.mark.soak
@pytest.mark.parametrize("streams", ["on", "off"])
def test_queries_that_tell_of_three_seconds_ago_double_and_lose_nothing(tmp_path: Path, streams: str) -> None:
    with a_market(tmp_path, TRADER_STREAMS=streams) as (world, _):
        world.server.rewritten = told_late(world, 3)
        world.exchange.lag_seconds = 3

        world.trader.begin(PATIENT)

        finish(world)
        assert ill(world) == []


@pytest.mark.soak
def test_a_cancelled_order_whose_last_fill_is_told_late_by_queries_is_not_replaced_for_it(world: World) -> None:
    world.server.rewritten = fills_told_late(world, 4)
    world.exchange.lag_seconds = 4
    for symbol in (CALL, PUT):
        world.exchange.race(symbol, *[Race(fill=LOT)] * 3)

    world.trader.begin(PATIENT)

    finish(world)
    assert ill(world) == []


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_fills_that_the_list_of_trades_shows_after_half_a_minute_are_booked_once(world: World) -> None:
    world.server.rewritten = trades_late(world, 22)

    world.trader.begin(Plan(hold=30, patience=2, rounds=60))

    finish(world, within=4 * LONG)
    assert [line for line in ill(world) if "journal:" not in line] == []


@pytest.mark.soak
def test_an_order_that_no_place_tells_of_for_25_seconds_is_not_sent_again(deaf: World) -> None:
    deaf.exchange.lag_seconds = 25
    deaf.server.plan(lost_answer(CREATE))

    deaf.trader.begin(Plan(patience=2, rounds=60))
    deaf.wait(lambda exchange: exchange.ledger.arrivals, "an order arrives")
    pause(26)
    deaf.exchange.lag_seconds = 0

    finish(deaf)
    assert ill(deaf) == []


# ---- answers that overtake each other


@pytest.mark.soak
def test_an_order_that_is_cancelled_before_its_own_creation_is_answered_is_counted_once(world: World) -> None:
    world.server.plan(*(Fault(Kind.DELAY, CREATE, acted=True, seconds=seconds) for seconds in (1.5, 2.6)))

    world.trader.begin(Plan(patience=0.2, rounds=120))

    finish(world)
    assert ill(world) == []


@pytest.mark.soak
def test_an_answer_that_comes_once_its_trade_is_over_raises_nothing_from_the_dead(world: World) -> None:
    world.exchange.generous = True
    world.server.plan(*(Fault(Kind.DELAY, CREATE, acted=True, seconds=5) for _ in range(4)))

    world.trader.begin(Plan(hold=0.1))
    finish(world)
    arrived = len(world.exchange.ledger.arrivals)
    pause(4)
    world.trader.stop()
    world.trader.begin(Plan(hold=0.1))
    pause(1)

    assert len(world.exchange.ledger.arrivals) == arrived
    assert world.trader.lines("quarantine") == []
    assert ill(world) == []


# ---- ids


@pytest.mark.soak
def test_ids_that_come_as_text_are_the_same_ids(world: World) -> None:
    def rewritten(path: str, params: Body, data: object) -> object:
        if SINGLE in path:
            return _texts(cast("Row", data))
        if any(part in path for part in (PENDING, ORDERS, TRADES)):
            return with_rows(data, [_texts(row) for row in rows_of(data)])
        return str(data) if CREATE in path else data

    world.server.rewritten = rewritten
    world.server.plan(lost_answer(CREATE))

    world.trader.begin(BRIEF)

    finish(world)
    assert ill(world) == []


def _texts(row: Row) -> Row:
    return {name: str(value) if name.endswith("Id") and value is not None else value for name, value in row.items()}


@pytest.mark.soak
def test_ids_that_lost_their_last_digits_are_nobodys_and_nothing_is_done_by_them(world: World) -> None:
    def rounded(row: Row) -> Row:
        return {**row, "clientOrderId": Token(int(float(str(row["clientOrderId"]))))}

    def rewritten(path: str, params: Body, data: object) -> object:
        if SINGLE in path:
            return rounded(cast("Row", data))
        return with_rows(data, [rounded(row) for row in rows_of(data)]) if PENDING in path or ORDERS in path else data

    world.server.rewritten = rewritten
    world.server.plan(lost_answer(CREATE), lost_answer(CREATE))
    world.trader.begin(Plan(patience=2, rounds=60))
    world.trader.hear("books compared with the venue")
    pause(12)

    world.server.rewritten = lambda _path, _params, data: data

    finish(world)
    assert ill(world) == []


@pytest.mark.soak
def test_trades_that_are_numbered_in_each_option_for_itself_are_all_booked(world: World) -> None:
    def rewritten(path: str, params: Body, data: object) -> object:
        if TRADES not in path:
            return data
        trades = world.exchange.ledger.trades
        numbers = {t.trade_id: sum(o.order.symbol == t.order.symbol and o.trade_id <= t.trade_id for o in trades) for t in trades}
        return with_rows(data, [{**row, "tradeId": numbers[int(str(row["tradeId"]))]} for row in rows_of(data)])

    world.server.rewritten = rewritten

    world.trader.begin(PATIENT)

    finish(world)
    assert [line for line in ill(world) if "journal:" not in line] == []


@pytest.mark.soak
def test_pages_of_trades_that_overlap_and_grow_while_they_are_read_lose_nothing(world: World) -> None:
    def rewritten(path: str, params: Body, data: object) -> object:
        if TRADES not in path:
            return data
        below, trades = int(str(params.get("fromId") or 0)), world.exchange.ledger.trades
        whole = cast("Row", data)
        rows = rows_of(whole)
        if below != 0:  # its cursor is of the page, too
            rows = [row for row in seen if row["tradeId"] == below][:1] + rows
        seen.extend(rows)
        return {**whole, "list": rows[:2], "hasNext": len(rows) > 2 or bool(whole["hasNext"]), "total": len(trades)}

    seen: list[Row] = []
    world.server.rewritten = rewritten

    world.trader.begin(Plan(patience=1, rounds=60, a_day=2))

    finish(world, 2)
    assert ill(world) == []


# ---- states


@pytest.mark.parametrize("streams", ["on", pytest.param("off", marks=pytest.mark.soak)])
def test_orders_that_turn_out_invalid_after_they_were_taken_leave_no_leg_alone(tmp_path: Path, streams: str) -> None:
    with a_market(tmp_path, TRADER_STREAMS=streams) as (world, _):
        exchange = world.exchange
        rejected: list[Order] = []

        def reject(order: Order) -> None:
            if order.symbol == PUT and len(rejected) < 1:
                rejected.append(order)
                threading.Timer(0.3, turn, [order]).start()
                order.state = INVALID

        def turn(order: Order) -> None:
            with exchange.lock:
                exchange.on_change(order, None)

        exchange.on_create = reject
        world.trader.begin(BRIEF)

        world.trader.hear("trade failed", within=LONG)
        assert exchange.traded(PUT, BUY) == 0
        assert [*breaches(world), *left_over(world), *unbooked(world), *misjudged(world)] == []


@pytest.mark.soak
def test_a_part_of_an_opening_that_expires_with_its_order_resting_is_settled(tmp_path: Path) -> None:
    end = datetime.now(UTC) + timedelta(seconds=10)
    with a_world(tmp_path, OtherExchange(expiries=(end, FAR), strikes=(90_000, 110_000))) as world:
        world.exchange.settlement_lag_seconds = 3
        call, put = symbol_of(end, 110_000, "C"), symbol_of(end, 90_000, "P")
        for symbol in (call, put):
            world.exchange.quote(symbol, 500, 2000, depth=LOT)
            world.exchange.options[symbol].strike += -20_000 if symbol.endswith("C") else 20_000  # both in the money
        world.trader.begin(
            Plan(
                hold=600,
                patience=60,
                expiry='{"symbol": "' + call.split("-")[1] + '"}',
                strike_call='{"type": "strike", "value": 90000}',
                strike_put='{"type": "strike", "value": 110000}',
            )
        )
        world.wait(lambda exchange: len(exchange.working()) == 2, "both legs rest")
        world.exchange.fill(call, LOT)

        finish(world)
        assert [*breaches(world), *left_over(world), *unbooked(world), *misjudged(world)] == []


@pytest.mark.soak
@pytest.mark.parametrize("state", [-10, 99])
def test_an_order_in_a_state_that_nobody_knows_is_never_doubled(world: World, state: int) -> None:
    strange: set[object] = set()

    def note(order: Order) -> None:
        if not strange:
            strange.add(order.order_id)

    def rewritten(path: str, params: Body, data: object) -> object:
        if SINGLE in path and cast("Row", data)["orderId"] in strange:
            return {**cast("Row", data), "state": state}
        if PENDING in path:
            return with_rows(data, [row for row in rows_of(data) if row["orderId"] not in strange])
        return data

    world.exchange.on_create, world.server.rewritten = note, rewritten
    world.trader.begin(PATIENT)
    pause(6)
    strange.clear()
    strange.add(0)

    finish(world)
    assert ill(world) == []


# ---- streams


@pytest.mark.soak
def test_a_stream_that_tells_all_of_yesterday_again_at_each_reconnect_changes_nothing(world: World) -> None:
    streams, exchange, told = world.server.streams, world.exchange, world.exchange.on_change
    frames: list[tuple[Order, Trade | None]] = []

    def telling(order: Order, trade: Trade | None) -> None:
        frames.append((replace(order), trade))
        told(order, trade)

    exchange.on_change = telling
    world.trader.begin(Plan(rounds=30, a_day=2, hold=1.5))
    for _ in range(8):
        pause(0.8)
        streams.drop()
        pause(0.7)
        with exchange.lock:
            for frame in list(frames):
                told(*frame)

    finish(world, 2)
    assert ill(world) == []


@pytest.mark.soak
@pytest.mark.parametrize("state", [FILLED, CANCELED, INVALID])
def test_pushes_that_tell_an_end_which_no_query_confirms_are_not_believed(world: World, state: int) -> None:
    exchange, told = world.exchange, world.exchange.on_change

    def lie(order: Order, trade: Trade | None) -> None:
        told(order, trade)
        if order.state == NEW and len(exchange.ledger.orders) <= 2:
            filled = order.qty if state == FILLED else Decimal(0)
            told(replace(order, state=state, filled=filled, value=filled * order.price), None)

    exchange.on_change = lie
    world.trader.begin(PATIENT)

    finish(world)
    assert ill(world) == []


@pytest.mark.soak
def test_pushes_of_six_seconds_ago_in_any_order_beside_lists_that_are_late_too_change_nothing(world: World) -> None:
    exchange, told = world.exchange, world.exchange.on_change
    dice = itertools.cycle((6.0, 0.2, 3.5, 1.0, 5.0))

    def late(order: Order, trade: Trade | None) -> None:
        threading.Timer(next(dice), told, [replace(order), trade]).start()

    exchange.on_change = late
    world.exchange.lag_seconds = 2
    for symbol in (CALL, PUT):
        exchange.race(symbol, Race(fill=LOT), Race(seconds=2, late=LOT), Race(fill=LOT))

    world.trader.begin(Plan(patience=1, rounds=60, a_day=2))

    finish(world, 2, 2 * LONG)
    assert ill(world) == []


# ---- answers that are not the exchange's own


@pytest.mark.parametrize(
    "fault",
    [(Kind.STATUS, 429), *(pytest.param((Kind.HTML, code), marks=pytest.mark.soak) for code in (403, 404))],
    ids=lambda fault: f"{fault[0]} {fault[1]}",
)
def test_a_refusal_that_something_in_between_puts_in_an_answers_place_sends_nothing_twice(world: World, fault: tuple[Kind, int]) -> None:
    kind, code = fault
    world.server.plan(*(Fault(kind, CREATE, acted=True, code=code, skip=1) for _ in range(2)))

    world.trader.begin(BRIEF)

    finish(world)
    assert ill(world) == []
