"""What the streams tell of what happened in the engine: each frame, and to whom.

Source: Coincall API 11.2 to 11.10.
"""

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from domain import OrderType, TimeInForce
from paper import wire_push
from paper.engine import Engine
from paper.pushes import Push, Pushes
from paper.rows import OrderRow
from paper.rules import OrderState

from tests.unit.paper.block_market import PRICES, SELL, a_block_engine, a_block_feed, a_quote_on, a_request_for
from tests.unit.paper.engine_market import ALICE, BOB, CALL, CAROL, FRIDAY, SECOND, START, D
from tests.unit.paper.listening import NOW_MS, a_limit

MAKERS = (BOB, CAROL)


COMMON = {"oid", "coid", "uid", "s", "q", "pr", "si", "ty", "ct", "ts", "ro", "os", "tif"}


def told(engine: Engine, makers: Iterable[int] = MAKERS, deaf: Iterable[str] = ()) -> list[Push]:
    """Everything pushed of what happened since the last call, if everybody but the deaf listens to everything."""
    pushes = Pushes(engine, lambda channel, key: key not in set(deaf), lambda: makers)
    return list(pushes.of(engine.drain_events(), START))


def frames(pushes: Iterable[Push], dt: int, user: int | None = None) -> list[Any]:
    found = [json.loads(push.frame) for push in pushes if push.channel.dt == dt and (user is None or push.key == str(user))]
    return [frame["d"] for frame in found]


# ---- orders and fills


def test_a_new_order_is_pushed_with_the_common_fields_alone() -> None:
    engine = a_block_engine()
    number = engine.place(ALICE, a_limit("0.50", "1200", client_id=77, order_type=OrderType.POST_ONLY), START)

    (push,) = [push for push in told(engine) if push.channel.dt == 11]
    frame = json.loads(push.frame)

    assert set(frame) == {"dt", "c", "d"} and (frame["dt"], frame["c"]) == (11, 20)
    assert frame["d"] == {
        **{"oid": number, "coid": 77, "uid": "101", "s": CALL.symbol, "q": "0.5", "pr": "1200", "si": 1, "ty": 3},
        **{"ct": NOW_MS, "ts": NOW_MS, "ro": 0, "os": 0, "tif": 1},
    }


def test_a_partial_fill_tells_this_match_and_the_sums() -> None:
    engine = a_block_engine()
    engine.place(BOB, a_limit("0.1", "1500", SELL), START)
    engine.drain_events()

    number = engine.place(ALICE, a_limit("0.5", "1510", client_id=5), START)
    pushes = told(engine)
    new, partial = frames(pushes, 11, ALICE)
    (filled,) = frames(pushes, 11, BOB)

    assert new["os"] == 0 and set(partial) == COMMON | {"rq", "fq", "mpr", "mq", "ap", "it"}
    assert [partial[name] for name in ("os", "rq", "fq", "mpr", "mq", "ap", "it")] == [2, "0.4", "0.1", "1500", "0.1", "1500", 1]
    assert [filled[name] for name in ("os", "rq", "fq", "si", "it")] == [1, "0", "0.1", 2, 0]
    (trade,) = frames(pushes, 15, ALICE)
    assert {name: trade[name] for name in trade if name not in {"tradeId"}} == {
        **{"clientOrderId": "5", "feeRate": "-0.0003", "isTaker": "1", "matchPrice": "1500", "matchQty": "0.1", "matchValue": "150"},
        **{"orderId": str(number), "orderSide": "1", "remainQty": "0.4", "symbol": CALL.symbol, "tradeTime": str(NOW_MS)},
    }
    assert trade["tradeId"] == frames(pushes, 15, BOB)[0]["tradeId"] and trade["tradeId"].isdigit()


def test_a_cancelled_order_tells_what_was_given_up() -> None:
    engine = a_block_engine()
    engine.place(BOB, a_limit("0.1", "1500", SELL), START)
    number = engine.place(ALICE, a_limit("0.5", "1500"), START)
    engine.drain_events()

    engine.cancel(ALICE, START, order_id=number)
    (cancelled,) = frames(told(engine), 11)

    assert set(cancelled) == COMMON | {"cq", "fq", "ap"}
    assert [cancelled[name] for name in ("os", "cq", "fq", "ap", "coid")] == [3, "0.4", "0.1", "1500", number]


def test_an_order_at_its_options_last_moment_ends_in_state_ten() -> None:
    engine = a_block_engine()
    engine.place(ALICE, a_limit("0.5", "1200"), START)
    engine.drain_events()

    engine.advance(FRIDAY + SECOND)
    (ended,) = frames(told(engine), 11)

    assert [ended[name] for name in ("os", "cq")] == [10, "0.5"]


def an_order_row(**changed: Any) -> OrderRow:
    engine = a_block_engine()
    engine.place(ALICE, a_limit("0.5", "1200"), START)
    return msgspec.structs.replace(engine.reports.open_orders(ALICE)[0], **changed)


def test_an_invalid_order_and_one_being_cancelled_tell_what_is_left() -> None:
    for state in (OrderState.INVALID, OrderState.PRE_CANCEL, OrderState.CANCELING):
        frame = wire_push.order(an_order_row(state=state))
        assert set(frame) == COMMON | {"rq", "fq", "ap"} and frame["os"] == int(state)


@pytest.mark.parametrize(("given", "code"), [(None, 0), (TimeInForce.GTC, 0), (TimeInForce.IOC, 2), (TimeInForce.FOK, 3)])
def test_time_in_force_is_told_by_its_number(given: TimeInForce | None, code: int) -> None:
    assert wire_push.order(an_order_row(time_in_force=given))["tif"] == code


def test_a_market_orders_price_is_told_as_zero() -> None:
    assert wire_push.order(an_order_row(price=None))["pr"] == "0"


# ---- positions and balance


POSITION = {
    *("ap", "elp", "im", "mm", "mp", "os", "q", "s", "si", "tim", "tmm", "uid", "upnl", "pnlbmp", "roibmp"),
    *("rho", "vega", "delta", "gamma", "theta"),
}


def a_bought_call(qty: str = "0.5") -> Engine:
    engine = a_block_engine()
    engine.place(ALICE, a_limit(qty, "1520"), START)
    return engine


def test_a_position_that_opens_and_closes_is_told_twice_and_not_between() -> None:
    engine = a_bought_call()
    (opened,) = frames(told(engine), 27, ALICE)
    engine.place(ALICE, a_limit("0.2", "1480", SELL), START)
    assert frames(told(engine), 27, ALICE) == []
    engine.place(ALICE, a_limit("0.3", "1480", SELL), START)
    (closed,) = frames(told(engine), 27, ALICE)

    assert set(opened) == set(closed) == POSITION
    assert [opened[name] for name in ("os", "q", "si", "ap", "uid", "elp")] == ["1", "0.5", "1", "1520", "101", 0]
    assert (opened["delta"], opened["tim"], opened["mp"]) == ("0.125", "", 1500)
    assert [closed[name] for name in ("os", "q", "si", "ap")] == ["5", "0", "1", "0"]


def test_a_short_position_that_closes_is_told_as_the_short_it_was() -> None:
    engine = a_block_engine()
    engine.place(ALICE, a_limit("0.5", "1480", SELL), START)
    (opened,) = frames(told(engine), 27, ALICE)
    engine.place(ALICE, a_limit("0.5", "1520"), START)

    assert (opened["si"], frames(told(engine), 27, ALICE)[0]["si"]) == ("2", "2")


def test_a_position_that_expires_is_told_as_closed_with_its_side() -> None:
    feed = a_block_feed()
    engine = a_block_engine(feed)
    engine.place(ALICE, a_limit("0.5", "1480", SELL), START)
    engine.drain_events()
    feed.settlements[FRIDAY] = D(101_000)

    engine.advance(FRIDAY + SECOND)
    (closed,) = frames(told(engine), 27, ALICE)

    assert (closed["os"], closed["si"], closed["q"]) == ("5", "2", "0")


def test_every_position_is_told_by_the_second_in_the_same_body() -> None:
    engine = a_bought_call()
    pushes = Pushes(engine, lambda *_: True, lambda: MAKERS)

    (push,) = pushes.positions(ALICE, START)

    assert (push.channel.dt, push.key) == (12, "101")
    frame = json.loads(push.frame)
    assert set(frame["d"]) == POSITION and frame["ts"] == NOW_MS


# ---- the block board


def test_a_request_reaches_its_taker_and_every_maker_but_the_taker() -> None:
    engine = a_block_engine()
    request = a_request_for(engine, user=BOB)

    pushes = told(engine)

    assert [push.key for push in pushes if push.channel.dt == 28] == [str(CAROL)]
    (to_maker,), (to_taker,) = frames(pushes, 28), frames(pushes, 129)
    assert to_maker == to_taker and [push.key for push in pushes if push.channel.dt == 129] == [str(BOB)]
    assert set(to_maker) == {"requestId", "state", "createTime", "expiryTime", "updateTime", "legs"}
    assert to_maker["requestId"] == str(request.request_id) and to_maker["state"] == "ACTIVE"
    assert to_maker["legs"][0] == {"instrumentName": CALL.symbol, "side": "BUY", "quantity": "1", "price": "1500.00000000"}


def test_a_quote_has_whole_ids_for_its_maker_and_texts_and_a_side_but_no_name_for_the_taker() -> None:
    engine = a_block_engine()
    request = a_request_for(engine)
    engine.drain_events()
    quote = a_quote_on(engine, request)

    pushes = told(engine)
    (own,), (received,) = frames(pushes, 130), frames(pushes, 131)

    assert [(push.channel.dt, push.key) for push in pushes] == [(130, str(BOB)), (131, str(ALICE))]
    assert (own["quoteId"], own["requestId"], own["userId"], own["state"]) == (quote.quote_id, request.request_id, BOB, "OPEN")
    assert (received["quoteId"], received["requestId"]) == (str(quote.quote_id), str(request.request_id))
    assert received["quoteSide"] == "SELL" and "userId" not in received and "quoteSide" not in own
    assert own["legs"][0] == {"instrumentName": CALL.symbol, "price": "1500", "quantity": "1", "side": "SELL"}


def test_a_quote_that_expires_is_cancelled_to_its_taker() -> None:
    engine = a_block_engine()
    a_quote_on(engine, a_request_for(engine))
    engine.drain_events()

    engine.advance(START + timedelta(minutes=6))
    pushes = told(engine)

    assert (frames(pushes, 130)[0]["state"], frames(pushes, 131)[0]["state"]) == ("EXPIRED", "CANCELLED")


def test_a_block_is_told_to_both_parties_each_in_its_view_and_to_all_without_names() -> None:
    engine = a_block_engine()
    request = a_request_for(engine)
    a_quote_on(engine, request, user=CAROL, prices={symbol: price + 5 for symbol, price in PRICES.items()})
    quote = a_quote_on(engine, request)
    engine.drain_events()

    engine.board.accept(ALICE, request.request_id, quote.quote_id, START)
    pushes = told(engine)
    (taker,), (maker,), (public,) = frames(pushes, 22, ALICE), frames(pushes, 22, BOB), frames(pushes, 23)

    assert frames(pushes, 22, CAROL) == []
    assert (taker["role"], taker["tradeSide"], maker["role"], maker["tradeSide"]) == ("TAKER", "BUY", "MAKER", "SELL")
    assert [leg["side"] for leg in taker["legs"] + maker["legs"]] == ["BUY", "BUY", "SELL", "SELL"]
    ids = {"blockTradeId": quote.quote_id, "quoteId": quote.quote_id, "requestId": request.request_id, "userId": BOB}
    assert {name: maker[name] for name in ids} == ids and "reduceOnly" not in maker["legs"][0]
    assert set(public) == {
        *("requestId", "createTime", "description", "strategyName", "strategyPrice"),
        "strategyQuantity",
        "tradeSide",
        "legs",
    }
    assert public["requestId"] == request.request_id and not {"fee", "orderId", "profit"} & set(public["legs"][0])
    assert [leg["instrumentName"] for leg in public["legs"]] == [leg.symbol for leg in request.legs]
    assert [frames(pushes, 28, user)[-1]["state"] for user in MAKERS] == ["FILLED", "TRADED_AWAY"]
    assert {order["ty"] for order in frames(pushes, 11)} == {14} and len(frames(pushes, 11, BOB)) == 2
    assert {trade["feeRate"] for trade in frames(pushes, 15, BOB)} == {"-0.0001"}


def test_what_belongs_to_an_account_is_addressed_to_it_alone() -> None:
    engine = a_bought_call()
    request = a_request_for(engine)
    quote = a_quote_on(engine, request)
    engine.board.accept(ALICE, request.request_id, quote.quote_id, START)

    pushes = told(engine)

    told_of = [(push.key, json.loads(push.frame)["d"]) for push in pushes]
    named = [(key, str(d[name])) for key, d in told_of for name in ("uid", "userId") if name in d]
    assert len(named) > 8 and all(key == owner for key, owner in named)
    assert all(push.key for push in pushes if push.channel.asked.private)


def test_nothing_is_written_that_nobody_listens_to() -> None:
    assert [push for push in told(a_bought_call(), deaf=["101", CALL.symbol]) if push.key in {"101", CALL.symbol}] == []


# ---- public trades


def test_a_public_trade_is_told_in_short_and_in_long_names() -> None:
    pushes = told(a_bought_call("0.10"))
    ((short,),), ((long,),) = frames(pushes, 6), frames(pushes, 24)

    assert short == {"q": "0.10", "sd": 1, "pr": "1520.0", "s": CALL.symbol, "ts": NOW_MS}
    assert {type(value) for value in long.values()} == {str}
    assert set(long) == {"matchPrice", "matchQty", "matchValue", "symbol", "tradeId", "tradeSide", "tradeTime"}
