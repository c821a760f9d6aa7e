"""What the streams tell as time goes on, who is dropped for not reading, and the faults that strike streams.

Source: Coincall API 11.2 to 11.10.
"""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from auth import websocket_query
from clock import SimulatedClock
from paper.server_faults import Fault, FaultBoard, FaultKind
from paper.server_ws import StreamApp
from paper.server_ws_faults import StreamFault, StreamFaultKind, StreamFaults
from paper.server_ws_hub import Hub
from paper.server_ws_session import StreamPolicy

from tests.unit.paper.engine_market import CALL, FRIDAY, SECOND, START, levels
from tests.unit.paper.listening import FIRST, NOW_MS, Listening, a_limit, an_exchange, taken

# ---- turns: what is told as time goes on


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
