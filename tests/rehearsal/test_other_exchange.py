"""The other exchange and its judge: they sign as the document says, keep its rules, and see each wrong that a client can do."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.rehearsal.abroad import CALL, PUT, QTY, Emigrant, World, breaches, left_over
from tests.rehearsal.other_books import BUY, CANCELED, CANCELING, FILLED, PRE_CANCEL, SELL, Race, Refused
from tests.rehearsal.other_client import Body, an_order, sent
from tests.rehearsal.other_exchange import OtherExchange
from tests.rehearsal.other_server import served
from tests.rehearsal.other_wire import Token, prehash


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world whose daemon never starts: the test is the client."""
    exchange = OtherExchange()
    with served(exchange) as server:
        yield World(exchange, server, Emigrant(tmp_path, server))


def code_of(world: World, body: Body) -> int:
    """Return the code of a refusal."""
    with pytest.raises(Refused) as no:
        sent(world, body)
    return no.value.code


def test_the_text_that_is_signed_is_that_of_the_document() -> None:
    body = {"qty": Token("0.5"), "symbol": "X", "none": None, "mmp": True, "legs": [{"side": "BUY", "stp": None, "price": Token("15.0")}]}

    text = prehash("POST", "/a/v1", body, "1750000000000", "5000")

    signed = 'POST/a/v1?legs=[{"side":"BUY","price":15.0}]&mmp=true&qty=0.5&symbol=X'
    assert text == f"{signed}&uuid=other-key+of/ours=&ts=1750000000000&x-req-ts-diff=5000"


def test_an_honest_client_is_not_blamed(world: World) -> None:
    sent(world, an_order(1))
    sent(world, an_order(2, SELL, price=990, reduceOnly=1))

    assert breaches(world) == []
    assert left_over(world) == []
    assert world.exchange.cash == 100_000 - Decimal("0.6") - sum(trade.fee for trade in world.exchange.ledger.trades)


def test_a_second_arrival_of_a_name_is_seen(world: World) -> None:
    sent(world, an_order(1))

    assert code_of(world, an_order(1)) == 10577
    assert "order 1 arrived 2 times" in breaches(world)


def test_more_than_was_wanted_is_seen_before_it_fills(world: World) -> None:
    sent(world, an_order(1, price=900))
    sent(world, an_order(2, price=900))

    assert breaches(world) == [f"{CALL}: could have come to 0.06, wanted 0.03"]
    assert left_over(world) == [f"works 0.03 {CALL}"] * 2


def test_a_flip_is_seen(world: World) -> None:
    sent(world, an_order(1, SELL, price=990))

    assert f"{CALL}: flipped to -0.03" in breaches(world)
    assert left_over(world) == [f"holds -0.03 {CALL}"]


def test_a_touch_of_a_strangers_order_is_seen(world: World) -> None:
    theirs = world.exchange.foreign_order(PUT, BUY, QTY, Decimal(5))

    world.exchange.cancel(world.exchange.find({"orderId": theirs.order_id}))

    assert breaches(world) == [f"touched what is not ours: cancel of {theirs.order_id}"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (an_order(qty=Decimal("0.001")), 10558),
        (an_order(qty=Decimal("0.015")), 10558),
        (an_order(price=0), 10004),
        (an_order(symbol="BTCUSD-1JAN20-1-C"), 10574),
        (an_order(side=SELL, reduceOnly=1), 10536),
        ({"symbol": CALL}, 10570),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else "",
)
def test_what_the_document_forbids_is_refused(world: World, body: Body, code: int) -> None:
    assert code_of(world, body) == code


def test_a_cancel_may_meet_a_fill_and_the_states_between(world: World) -> None:
    world.exchange.race(CALL, Race(fill=Decimal("0.01"), seconds=60))
    order = world.exchange.find({"orderId": sent(world, an_order(price=900))})

    world.exchange.cancel(order)
    between = order.state
    world.exchange.advance()

    assert (between, order.state, order.filled) == (PRE_CANCEL, CANCELING, Decimal("0.01"))
    order.gone_at = 0
    world.exchange.advance()
    assert order.state == CANCELED
    with pytest.raises(Refused, match="11101"):
        world.exchange.cancel(order)


def test_a_reduce_only_order_never_turns_the_holding(world: World) -> None:
    sent(world, an_order(1))
    close = world.exchange.find({"orderId": sent(world, an_order(2, SELL, price=1100, reduceOnly=1))})
    sent(world, an_order(3, SELL, price=990, qty=Decimal("0.02")))

    world.exchange.fill(CALL)

    assert close.state != FILLED
    assert world.exchange.net(CALL) == 0


def test_an_order_may_fill_a_bite_of_itself_and_rest(world: World) -> None:
    world.exchange.options[CALL].bite = Decimal("0.01")

    order = world.exchange.find({"orderId": sent(world, an_order())})

    assert (order.filled, order.remaining) == (Decimal("0.01"), Decimal("0.02"))
