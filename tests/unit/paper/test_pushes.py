"""What the streams tell of what happened in the engine: each frame, and to whom; and the talk of one stream without its socket.

Source: Coincall API 11.2 to 11.10.
"""

import asyncio
import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from auth import signature, websocket_prehash, websocket_query
from clock import SimulatedClock, to_ms
from domain import OrderType, Side, TimeInForce
from paper import wire_push
from paper.engine import Engine
from paper.exchange import AccountSpec, PaperExchange
from paper.pushes import Push, Pushes
from paper.rows import OrderRow
from paper.rules import OrderRequest, OrderState, Rules
from paper.server_faults import Fault, FaultBoard, FaultKind
from paper.server_ws import StreamApp
from paper.server_ws_faults import StreamFault, StreamFaultKind, StreamFaults
from paper.server_ws_gate import Unwelcome, opener
from paper.server_ws_hub import Hub, Line
from paper.server_ws_session import Session, StreamPolicy
from paper.server_ws_turns import Turns
from paper.wire_push_channels import BOOK, ENDPOINTS

from tests.unit.paper.block_market import BUY, PRICES, SELL, a_block_engine, a_block_feed, a_quote_on, a_request_for
from tests.unit.paper.engine_market import ALICE, BOB, CALL, CAROL, DAILY, FRIDAY, SECOND, START, D, levels

MAKERS = (BOB, CAROL)
NOW_MS = to_ms(START)
FIRST = 1_695_000_000_000_001
COMMON = {"oid", "coid", "uid", "s", "q", "pr", "si", "ty", "ct", "ts", "ro", "os", "tif"}


def a_limit(qty: str, price: str, side: Side = BUY, **more: Any) -> OrderRequest:
    return OrderRequest(symbol=CALL.symbol, side=side, qty=D(qty), price=D(price), **more)


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


# ---- one stream's talk


def a_session(path: str = "/options", *, may_quote: bool = False, missing: str | None = None) -> Session:
    return Session(ALICE, ENDPOINTS[path], lambda *_: missing, 0.0, may_quote=may_quote)


def said(session: Session, at: float = 0.0, **message: Any) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(session.hear(json.dumps(message), at).answer)
    return answer


def test_a_subscription_is_acknowledged_with_its_payload() -> None:
    session, payload = a_session(), {"symbol": [CALL.symbol, DAILY.symbol]}

    told = said(session, action="Subscribe", dataType="orderBook", payload=payload)

    assert told == {"action": "SUBSCRIBE", "dataType": "orderBook", "payload": payload, "result": "success"}
    assert session.topics == {(BOOK, CALL.symbol), (BOOK, DAILY.symbol)}
    assert said(session, action="subscribe", dataType="order") == {"action": "SUBSCRIBE", "dataType": "order", "result": "success"}


@pytest.mark.parametrize("word", ["unSubscribe", "unsubscribe"])
def test_a_subscription_ends_however_it_is_spelled(word: str) -> None:
    session = a_session()
    said(session, action="subscribe", dataType="orderBook", payload={"symbol": CALL.symbol})

    assert said(session, action=word, dataType="orderBook", payload={"symbol": CALL.symbol})["action"] == "UNSUBSCRIBE"
    assert session.topics == set()


def test_a_private_topic_is_that_of_the_signer_whatever_the_client_writes() -> None:
    session = a_session()

    said(session, action="subscribe", dataType="order", payload={"symbol": "102", "uid": "102", "userId": BOB})

    assert [key for _, key in session.topics] == [str(ALICE)]


def test_no_more_than_a_hundred_books_in_one_message() -> None:
    session = a_session()

    assert said(session, action="subscribe", dataType="orderBook", payload={"symbol": [str(n) for n in range(100)]})["result"] == "success"
    told = said(session, action="subscribe", dataType="orderBook", payload={"symbol": [str(n) for n in range(101)]})
    assert told["result"] != "success" and "100" in told["result"] and len(session.topics) == 100


@pytest.mark.parametrize(
    "message",
    [
        {"action": "subscribe", "dataType": "weather"},
        {"action": "subscribe", "dataType": "spotPrice", "payload": {"symbol": "BTCUSD"}},
        {"action": "subscribe", "dataType": "orderBook"},
        {"action": "subscribe", "dataType": "orderBook", "payload": {"symbol": []}},
        {"action": "subscribe", "dataType": "orderBook", "payload": {"symbol": ["a", 1]}},
        {"action": "subscribe", "dataType": "tOption", "payload": {"symbol": "BTCUSD"}},
        {"action": "subscribe", "dataType": "rfqMaker"},
        {"action": "dance", "dataType": "order"},
    ],
)
def test_what_cannot_be_had_is_answered_with_something_other_than_success(message: dict[str, Any]) -> None:
    session = a_session()

    assert said(session, **message)["result"] not in {"success", ""}
    assert session.topics == set()


def test_an_option_that_is_not_there_is_refused_by_name() -> None:
    told = said(a_session(missing="X: gone"), action="subscribe", dataType="bsInfo", payload={"symbol": "X"})

    assert told["result"] == "Channel subscription failed. X: gone"


def test_what_is_no_json_is_answered_and_survived() -> None:
    for text in ("{'action':'heartbeat'}", "", "[]", "7", '{"action":3}'):
        assert json.loads(a_session().hear(text, 0.0).answer)["result"] == "Parameter illegal"


def test_requests_are_for_those_who_may_quote() -> None:
    assert said(a_session(may_quote=True), action="subscribe", dataType="rfqMaker")["result"] == "success"


def test_a_heartbeat_is_answered_as_the_venue_does() -> None:
    assert said(a_session(), action="heartbeat") == {"c": 11, "rc": 1}


def test_more_than_a_hundred_messages_a_second_are_refused_and_forgotten_a_second_later() -> None:
    session = a_session()

    told = [said(session, at=n / 200, action="heartbeat") for n in range(101)]

    assert all(frame == {"c": 11, "rc": 1} for frame in told[:100])
    assert "too many request" in told[100]["result"]
    assert said(session, at=1.2, action="heartbeat") == {"c": 11, "rc": 1}


def test_a_stream_without_messages_or_without_subscriptions_is_given_up() -> None:
    quiet, idle = a_session(), a_session()
    said(quiet, action="subscribe", dataType="order")

    assert quiet.overdue(30.5, 31) is None
    assert quiet.overdue(31.5, 31) == "no message"
    said(idle, at=20.0, action="heartbeat")
    assert idle.overdue(31.5, 31) == "no subscription"


# ---- who may listen


def an_exchange(feed: Any = None, **changed: Any) -> PaperExchange:
    engine = Engine(feed or a_block_feed(), Rules(), START)
    exchange = PaperExchange(engine, engine.feed, SimulatedClock(START))
    exchange.open_accounts(
        [AccountSpec(name="demo", key="a+b/c=", secret="s", **changed), AccountSpec(name="other", key="k2", secret="s2")]
    )
    return exchange


def test_a_stream_is_opened_by_either_form_of_the_signature_and_a_raw_or_escaped_key() -> None:
    exchange, key = an_exchange(), "a+b/c="
    documented = websocket_query(key, "s", NOW_MS)
    older = f"code=10&uuid=mine&ts={NOW_MS}&sign={signature(websocket_prehash(key, NOW_MS, key_name='uuid'), 's').lower()}&apiKey={key}"

    for query in (documented, older, documented.replace("+", "%2B"), documented.replace("+", "%20"), f"{older}&more=1"):
        assert opener(exchange, "/options", query, START).name == "demo"


@pytest.mark.parametrize(
    ("path", "query", "reason"),
    [
        ("/spot/ws", websocket_query("a+b/c=", "s", NOW_MS), "no stream"),
        ("/options", "", "code"),
        ("/options", websocket_query("nobody", "s", NOW_MS), "unknown apiKey"),
        ("/options", websocket_query("a+b/c=", "wrong", NOW_MS), "wrong signature"),
        ("/options", websocket_query("k2", "s", NOW_MS), "wrong signature"),
        ("/options", websocket_query("a+b/c=", "s", NOW_MS - 5001), "ts is 5001 ms behind"),
        ("/options", websocket_query("a+b/c=", "s", NOW_MS + 1000), "ahead"),
        ("/options", "code=10&apiKey=k2&ts=now&sign=x", "ts is no count"),
    ],
)
def test_a_stream_is_refused_with_a_reason_that_holds_no_secret(path: str, query: str, reason: str) -> None:
    with pytest.raises(Unwelcome, match=reason) as refused:
        opener(an_exchange(), path, query, START)

    assert "a+b/c=" not in str(refused.value) and "sign=" not in str(refused.value)


def test_where_the_market_runs_fast_a_moment_counts_for_as_many_real_seconds() -> None:
    late = websocket_query("k2", "s2", NOW_MS - 500_000)

    assert opener(an_exchange(), "/options", late, START, speed=100).name == "other"
    for speed in (99, 0.01):
        with pytest.raises(Unwelcome, match="behind"):
            opener(an_exchange(), "/options", late, START, speed=speed)


# ---- turns: what is told as time goes on


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


def test_a_book_is_told_at_once_then_when_it_changes_and_otherwise_once_a_second() -> None:
    listening = Listening(orderBook=CALL.symbol)

    (first,) = listening.turn(0.1)
    assert first["d"]["asks"] == [{"pr": "1520.0", "sz": "9.00"}] and first["d"]["ts"] == NOW_MS and set(first) == {"dt", "c", "d"}
    assert [len(listening.turn(0.1)) for _ in range(10)] == [0] * 9 + [1]
    listening.exchange.engine.place(FIRST, a_limit("1", "1490"), START)
    assert listening.turn(0.1)[0]["d"]["bids"][0] == {"pr": "1490.0", "sz": "1.00"}


def test_a_market_that_stands_still_is_told_again_every_two_seconds() -> None:
    listening = Listening(bsInfo=CALL.symbol, spotPrice="BTCUSD")

    told = [{frame["dt"] for frame in listening.turn(0.1)} for _ in range(41)]

    assert [turn for turn, dts in enumerate(told) if dts] == [0, 20, 40] and told[20] == {3, 30}


def test_a_ticker_that_moves_is_told_every_quarter_of_a_second_at_most() -> None:
    listening = Listening(bsInfo=CALL.symbol)
    told = []
    for turn in range(11):
        listening.feed.quote(CALL, START, levels(("1480", "9")), levels(("1520", "9")), mark=str(1500 + turn))
        told.append(bool(listening.turn(0.1)))

    assert [turn for turn, any_told in enumerate(told) if any_told] == [0, 3, 6, 9]  # turns come ten a second


def test_a_newcomer_takes_no_change_away_from_those_who_listened_before() -> None:
    listening = Listening(bsInfo=CALL.symbol)
    listening.turn(0.1)
    listening.feed.quote(CALL, START, mark="1600")
    listening.subscribe(listening.a_line("other", FIRST + 1), "bsInfo", CALL.symbol)

    assert listening.turn(0.1) == []
    assert [frame["d"]["mp"] for frame in (*listening.turn(0.1), *listening.turn(0.1))] == [1600]


def test_the_shapes_of_ticker_index_and_balance() -> None:
    listening = Listening(bsInfo=CALL.symbol, spotPrice="BTCUSD", accountBalance="")

    told = {frame["dt"]: frame for frame in listening.turn(0.1)}

    ticker, index, balance = told[3]["d"], told[30]["d"], told[7]["d"]
    names = "uv rt mp lp ip delta h l iv theta cp pr0 cr s uv24 v v24 oi up gamma vega ts"
    assert set(ticker) == set(names.split()) and all(isinstance(ticker[name], int | float) for name in set(ticker) - {"s"})
    assert (
        set(index) == {"pr", "mp", "ip", "h", "l", "cp", "cr", "pr0", "s", "oi", "uv24", "v24", "ts"}
        and index["ip"] == 95000
        and told[30]["ts"] == NOW_MS
    )
    assert set(balance) == {"mm", "uid", "ab", "dv", "assets", "im", "e", "mb", "delta", "btcv", "wb", "upnl"}
    assert (balance["uid"], balance["e"], balance["delta"]) == (FIRST, 100_000, "0")
    assert balance["assets"] == [{"availableBalance": 100_000, "coin": "USDT"}]


def test_an_option_that_has_expired_is_told_of_no_more_and_does_not_hurt_the_others() -> None:
    listening = Listening(orderBook=CALL.symbol, spotPrice="BTCUSD")
    listening.turn(0.1)
    clock = listening.exchange._clock
    assert isinstance(clock, SimulatedClock)
    clock.move_to(FRIDAY + SECOND)

    assert {frame["dt"] for frame in listening.turn(3)} == {30}


def test_a_frozen_index_is_told_with_the_moment_it_was_said() -> None:
    listening = Listening(spotPrice="BTCUSD")
    listening.exchange.frozen["BTC"] = listening.exchange.index("BTC", START)
    clock = listening.exchange._clock
    assert isinstance(clock, SimulatedClock)
    clock.advance(timedelta(hours=1))
    listening.feed.move("99000", START + timedelta(minutes=1))

    (frame,) = listening.turn(0.1)

    assert (frame["d"]["ip"], frame["d"]["ts"], frame["ts"]) == (95000, NOW_MS, NOW_MS + 3_600_000)


def test_orders_reach_the_streams_of_their_account_alone() -> None:
    listening = Listening(order="", trade="")
    other = listening.a_line("other", FIRST + 1)
    listening.subscribe(other, "order")

    listening.exchange.engine.place(FIRST, a_limit("1", "1520"), START)
    listening.exchange.settle()

    assert [json.loads(frame)["dt"] for frame in taken(listening.line)] == [11, 11, 15]
    assert taken(other) == []


def test_who_does_not_read_is_dropped_and_holds_nobody_up() -> None:
    listening = Listening(backlog=3, order="")

    for _ in range(4):
        listening.exchange.engine.place(FIRST, a_limit("0.1", "1200"), START)
    listening.exchange.settle()

    assert listening.line.dropped and listening.cuts == 1 and taken(listening.line) == []


class Socket:
    """The far end of a stream as ASGI sees it: it takes the handshake and, if it is deaf, nothing more until it is cut."""

    def __init__(self, *said: dict[str, Any], deaf: bool = False) -> None:
        self.sent: list[Any] = []
        self._said, self._deaf, self._gone = [{"type": "websocket.connect"}, *said], deaf, asyncio.Event()

    async def receive(self) -> Any:
        if not self._said:
            await self._gone.wait()
        return self._said.pop(0) if self._said else {"type": "websocket.disconnect"}

    async def send(self, message: Any) -> None:
        if self._deaf and message["type"] == "websocket.send":
            await self._gone.wait()
            raise OSError("gone")
        self.sent.append(message)

    def hang_up(self) -> None:
        self._gone.set()


def text(**message: Any) -> dict[str, Any]:
    return {"type": "websocket.receive", "text": json.dumps(message)}


SCOPE = {"path": "/options", "query_string": websocket_query("k2", "s2", NOW_MS).encode()}


def test_a_writer_that_is_stuck_on_one_socket_keeps_nobody_else_waiting() -> None:
    async def story() -> list[Any]:
        exchange = an_exchange()
        app = StreamApp(exchange, Hub(exchange, StreamPolicy()), FaultBoard())
        deaf, good = (Socket(text(action="subscribe", dataType="order"), deaf=deaf) for deaf in (True, False))
        tasks = [asyncio.create_task(app(SCOPE, one.receive, one.send)) for one in (deaf, good)]
        await _turns_of_the_loop()
        exchange.engine.place(FIRST + 1, a_limit("0.1", "1200"), START)
        exchange.settle()
        await _turns_of_the_loop()
        deaf.hang_up()
        good.hang_up()
        await asyncio.gather(*tasks)
        return good.sent

    accepted, ack, push = asyncio.run(story())

    assert (accepted["type"], json.loads(ack["text"])["result"], json.loads(push["text"])["dt"]) == ("websocket.accept", "success", 11)


async def _turns_of_the_loop() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_stream_that_is_silent_for_too_long_is_cut_by_the_next_turn() -> None:
    listening = Listening(order="")
    listening.hub.policy = StreamPolicy(quiet=-1)

    listening.turn(0.1)

    assert listening.line.dropped and listening.cuts == 1


# ---- faults of streams


def delivered(faults: StreamFaults, account: str = "demo", at: float = 0.0, *, private: bool = True) -> tuple[list[str], bool]:
    delivery = faults.delivered(account, "abcdef", at, private=private)
    return list(delivery.frames), delivery.held


@pytest.mark.parametrize(
    ("fault", "then"),
    [
        (StreamFault(StreamFaultKind.LOSE, count=2), [[], [], ["abcdef"]]),
        (StreamFault(StreamFaultKind.GARBLE), [["abc"], ["abcdef"], ["abcdef"]]),
        (StreamFault(StreamFaultKind.DUPLICATE), [["abcdef", "abcdef"]] * 3),
        (StreamFault(StreamFaultKind.DUPLICATE, count=1), [["abcdef", "abcdef"], ["abcdef"], ["abcdef"]]),
        (StreamFault(StreamFaultKind.SILENT, seconds=5), [[], [], []]),
        (StreamFault(StreamFaultKind.LOSE, "other"), [["abcdef"]] * 3),
    ],
)
def test_a_stream_fault_strikes_as_often_as_it_says(fault: StreamFault, then: list[list[str]]) -> None:
    faults = StreamFaults()
    faults.post(fault, 0.0)

    assert [delivered(faults)[0] for _ in range(3)] == then


def test_a_push_held_back_follows_at_the_heels_of_the_next_private_one() -> None:
    async def story() -> list[str]:
        listening = Listening(order="")
        listening.hub.faults.post(StreamFault(StreamFaultKind.REORDER), 0.0)
        for frame in ("first", "second", "third"):
            listening.line.push(frame, private=True)
        return taken(listening.line)

    assert asyncio.run(story()) == ["second", "first", "third"]


def test_public_pushes_are_neither_lost_nor_doubled_nor_swapped() -> None:
    faults = StreamFaults()
    for kind in (StreamFaultKind.LOSE, StreamFaultKind.DUPLICATE, StreamFaultKind.REORDER):
        faults.post(StreamFault(kind), 0.0)

    assert delivered(faults, private=False) == (["abcdef"], False)


def test_silence_and_refusal_end_by_themselves_and_are_listed_until_then() -> None:
    faults = StreamFaults()
    faults.post(StreamFault(StreamFaultKind.SILENT, seconds=5), 0.0)
    faults.post(StreamFault(StreamFaultKind.REFUSE, "demo", seconds=3), 0.0)

    assert faults.refuses("demo", 2.9) and not faults.refuses("other", 2.9)
    assert [(fault.kind, fault.seconds) for fault in faults.waiting(1)] == [("stream_silent", 4), ("stream_refuse", 2)]
    assert not faults.refuses("demo", 3.1) and delivered(faults, at=5.1) == (["abcdef"], False)
    assert faults.waiting(6) == []


def test_a_skewed_clock_and_refused_connections_are_the_whole_servers_and_listed() -> None:
    at = [0.0]
    board = FaultBoard(lambda: at[0])
    board.post(Fault(kind=FaultKind.SKEW, seconds=-7.5))
    board.post(Fault(kind=FaultKind.REFUSE_CONNECTIONS, seconds=30))

    refusing = [board.refusing]
    assert board.skew == timedelta(seconds=-7.5) and board.strike("demo", "/time") is None
    at[0] = 12.0
    assert [(fault.kind, fault.seconds) for fault in board.lasting] == [("skew", -7.5), ("refuse_connections", 18)]
    at[0] = 30.0
    assert [*refusing, board.refusing] == [True, False]
    board.clear()
    assert not board.skew and not board.lasting


def test_a_truncated_answer_is_one_that_was_acted_upon() -> None:
    assert Fault(kind=FaultKind.TRUNCATE).acts
