"""How soon a client hears of its order from the paper exchange's stream, and how many frames the stream carries, over loopback.

Run `PYTHONPATH=. python -m benchmarks.bench_stream [--state]`. The server is a process of its own. An order is placed and withdrawn, one
after the other; its push is timed from the moment the request's last byte was handed to the kernel, beside the answer of that request. Then
two connections place and withdraw as fast as they can while twenty streams of the same account listen to it.
"""

import argparse
import asyncio
import json
import tempfile
import time
from itertools import count

from websockets.asyncio.client import ClientConnection, connect

from auth import sign_request, websocket_query
from benchmarks.bench_server import a_server, processor_seconds

CREATE, CANCEL = "/open/option/order/create/v1", "/open/option/order/cancel/v1"
KEY, SECRET = "bench-key-0", "bench-secret-0"
CLIENT_IDS = count(1)


class Trader:
    """One connection that places an order far from the market and withdraws it."""

    def __init__(self, host: str, port: int, symbol: str, price: str) -> None:
        self._host, self._port, self._symbol, self._price = host, port, symbol, price

    async def connect(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)

    async def place(self) -> tuple[int, float, float]:
        """Return the order's number, when its request was sent and when its answer came."""
        order: dict[str, str | int] = {"symbol": self._symbol, "qty": "0.01", "tradeSide": 1, "tradeType": 1, "price": self._price}
        return await self._ask(CREATE, order | {"clientOrderId": next(CLIENT_IDS)})

    async def withdraw(self, number: int) -> None:
        await self._ask(CANCEL, {"orderId": number})

    async def _ask(self, path: str, fields: dict[str, str | int]) -> tuple[int, float, float]:
        headers = sign_request("POST", path, fields, KEY, SECRET, time.time_ns() // 1_000_000)
        body = json.dumps(fields).encode()
        lines = [f"POST {path} HTTP/1.1", f"Host: {self._host}", "Connection: keep-alive"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}", "", ""]
        self._writer.write("\r\n".join(lines).encode() + body)
        sent = time.perf_counter()
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        answer = json.loads(await self._reader.readexactly(length))
        if answer["code"] != 0:
            raise RuntimeError(f"refused: {answer}")
        return (int(answer["data"]) if path == CREATE else 0), sent, time.perf_counter()


async def a_stream(host: str, port: int) -> ClientConnection:
    """Open a stream and subscribe to the account's orders."""
    query = websocket_query(KEY, SECRET, time.time_ns() // 1_000_000)
    stream = await connect(f"ws://{host}:{port}/options?{query}", compression=None, ping_interval=None, max_queue=100_000)
    await stream.send('{"action":"subscribe","dataType":"order"}')
    await stream.recv()
    return stream


async def a_trader(host: str, port: int) -> Trader:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(f"GET /open/option/get/v1/BTCUSD HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    chain = json.loads((await reader.read()).partition(b"\r\n\r\n")[2])["data"]
    writer.close()
    option = max((row["callOption"] for row in chain), key=lambda call: call["bid"] if call["delta"] < 0.6 else 0)
    trader = Trader(host, port, option["symbol"], str(round(option["bid"] - 20, 1)))
    await trader.connect()
    return trader


async def heard(host: str, port: int, orders: int) -> tuple[list[float], list[float]]:
    """Return, in milliseconds and ascending, how long after its request each order's push came, and how long after it its answer."""
    trader, stream = await a_trader(host, port), await a_stream(host, port)
    pushed: dict[int, float] = {}

    async def listen() -> None:
        async for frame in stream:
            at, told = time.perf_counter(), json.loads(frame)
            if told["d"]["os"] == 0:
                pushed[told["d"]["oid"]] = at

    listener = asyncio.create_task(listen())
    sent: dict[int, tuple[float, float]] = {}
    for _ in range(orders + 100):
        number, began, answered = await trader.place()
        sent[number] = (began, answered)
        await trader.withdraw(number)
    await asyncio.sleep(0.2)
    listener.cancel()
    await stream.close()
    measured = list(sent.items())[100:]
    pushes = sorted((pushed[number] - began) * 1000 for number, (began, _) in measured)
    return pushes, sorted((answered - began) * 1000 for _, (began, answered) in measured)


async def fanned_out(host: str, port: int, pid: int, streams: int, seconds: float) -> tuple[float, float]:
    """Return frames per second to all streams together, and the server's processor microseconds per frame, its orders' cost included."""
    listeners = [await a_stream(host, port) for _ in range(streams)]
    frames, stop = 0, time.perf_counter() + seconds

    async def listen(stream: ClientConnection) -> None:
        nonlocal frames
        async for _ in stream:
            frames += 1

    async def trade(trader: Trader) -> None:
        while time.perf_counter() < stop:
            number, _, _ = await trader.place()
            await trader.withdraw(number)

    tasks = [asyncio.create_task(listen(stream)) for stream in listeners]
    began, used = time.perf_counter(), processor_seconds(pid)
    await asyncio.gather(*[trade(await a_trader(host, port)) for _ in range(2)])
    took, used = time.perf_counter() - began, processor_seconds(pid) - used
    await asyncio.sleep(0.2)
    for task in tasks:
        task.cancel()
    for stream in listeners:
        await stream.close()
    return frames / took, used / frames * 1e6


def _shares(waits: list[float]) -> str:
    at = {name: waits[min(len(waits) - 1, int(len(waits) * share))] for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))}
    return ", ".join(f"{name} {wait:.2f} ms" for name, wait in at.items()) + f", max {waits[-1]:.2f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", action="store_true", help="keep the exchange's state on disk")
    parser.add_argument("--orders", type=int, default=1000)
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as state:
        kept = [f"--state-dir={state}"] if given.state else []
        with a_server(*kept) as (host, port, pid):
            pushes, answers = asyncio.run(heard(host, port, given.orders))
            per_second, each = asyncio.run(fanned_out(host, port, pid, given.streams, given.seconds))
    print(f"order sent -> order push received: {_shares(pushes)}")
    print(f"order sent -> its answer received: {_shares(answers)}")
    print(f"{given.streams} streams: {per_second:.0f} frames/s, server {each:.0f} us of processor per frame, orders included")


if __name__ == "__main__":
    main()
