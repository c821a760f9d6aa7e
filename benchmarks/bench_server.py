"""How many signed order creations the paper exchange takes over loopback, and how long one waits.

Run `PYTHONPATH=. python benchmarks/bench_server.py [--state]`. The server is a process of its own; the client signs each order and keeps
connections open. Orders rest on the book; a connection goes on to its next account before the venue's limit of 200 open orders.
Figures: orders per second as fast as the client can, processor time the server spends on one, and waiting times at 1,000 per second,
counted from the moment each order was due, so that a stall is not hidden.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from auth import sign_request
from clock import pause

ROOT = Path(__file__).resolve().parent.parent
DESKS = 8
ACCOUNTS = 160
BEFORE_LIMIT = 190
CLIENT_IDS, FRESH_ACCOUNTS = count(1), count()
CREATE = "/open/option/order/create/v1"


class Desk:
    """One connection, which places orders that rest, for one account after the other."""

    def __init__(self, symbol: str, price: str) -> None:
        self._symbol, self._price = symbol, price
        self._room = 0

    async def connect(self, host: str, port: int) -> None:
        self._host = f"{host}:{port}"
        self._reader, self._writer = await asyncio.open_connection(host, port)

    async def place(self) -> None:
        """Place one order."""
        if self._room == 0:
            self._account, self._room = next(FRESH_ACCOUNTS), BEFORE_LIMIT
        self._room -= 1
        order: dict[str, str | int] = {"symbol": self._symbol, "qty": "0.01", "tradeSide": 1, "tradeType": 1, "price": self._price}
        fields = order | {"clientOrderId": next(CLIENT_IDS)}
        answer = await self._ask("POST", CREATE, fields)
        if not answer.startswith(b'{"code":0,'):
            raise RuntimeError(f"refused: {answer.decode()}")

    async def _ask(self, method: str, path: str, fields: dict[str, str | int]) -> bytes:
        key, secret = f"bench-key-{self._account}", f"bench-secret-{self._account}"
        headers = sign_request(method, path, fields, key, secret, time.time_ns() // 1_000_000)
        body = json.dumps(fields).encode() if fields else b""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}", "User-Agent: bench", "Accept: */*", "Connection: keep-alive"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}", "", ""]
        self._writer.write("\r\n".join(lines).encode() + body)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        return await self._reader.readexactly(length)


@contextmanager
def a_server(*arguments: str) -> Iterator[tuple[str, int, int]]:
    """Start the exchange with many accounts; yield host, port and process id."""
    accounts = [f"--account=desk{number}:bench-key-{number}:bench-secret-{number}:10000000" for number in range(ACCOUNTS)]
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready.json"
        command = [sys.executable, "-m", "paper", "--no-rate-limits", f"--ready-file={ready}", *accounts, *arguments]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        try:
            while not ready.exists():
                if process.poll() is not None:
                    raise SystemExit("the exchange did not start")
                pause(0.02)
            url = urlsplit(json.loads(ready.read_text())["url"])
            assert url.hostname is not None and url.port is not None
            yield url.hostname, url.port, process.pid
        finally:
            process.terminate()
            process.wait(5)


def processor_seconds(pid: int) -> float:
    """Return the processor time a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def some_desks(host: str, port: int) -> list[Desk]:
    """Connect all desks, each to place orders in the first option, one tick above the lowest price that is allowed for sure."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(f"GET /open/option/get/v1/BTCUSD HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    chain = json.loads((await reader.read()).partition(b"\r\n\r\n")[2])["data"]
    option = max((row["callOption"] for row in chain), key=lambda call: call["bid"] if call["delta"] < 0.6 else 0)
    desks = [Desk(option["symbol"], str(round(option["bid"] - 20, 1))) for _ in range(DESKS)]
    await asyncio.gather(*(desk.connect(host, port) for desk in desks))
    return desks


async def flat_out(host: str, port: int, pid: int, orders: int) -> tuple[float, float]:
    """Return orders per second and the server's processor microseconds per order."""
    desks = await some_desks(host, port)
    await asyncio.gather(*(_repeat(desk, 200) for desk in desks))
    used, began = processor_seconds(pid), time.perf_counter()
    await asyncio.gather(*(_repeat(desk, orders // DESKS) for desk in desks))
    took, used = time.perf_counter() - began, processor_seconds(pid) - used
    return orders / took, used / orders * 1e6


async def paced(host: str, port: int, rate: int, seconds: float) -> list[float]:
    """Return the waiting times, in milliseconds and ascending, of orders due at an even rate."""
    desks, waits = await some_desks(host, port), list[float]()
    start = time.perf_counter() + 0.1

    async def keep_pace(desk: Desk, number: int) -> None:
        for turn in range(int(seconds * rate / DESKS)):
            due = start + (turn * DESKS + number) / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            await desk.place()
            waits.append((time.perf_counter() - due) * 1000)

    await asyncio.gather(*(keep_pace(desk, number) for number, desk in enumerate(desks)))
    return sorted(waits)


async def _repeat(desk: Desk, times: int) -> None:
    for _ in range(times):
        await desk.place()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", action="store_true", help="keep the exchange's state on disk")
    parser.add_argument("--orders", type=int, default=12_000)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=8.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as state:
        kept = [f"--state-dir={state}"] if given.state else []
        with a_server(*kept) as (host, port, pid):
            per_second, each = asyncio.run(flat_out(host, port, pid, given.orders))
            waits = asyncio.run(paced(host, port, given.rate, given.seconds))
    print(f"flat out: {per_second:.0f} orders/s, server {each:.0f} us of processor each: {1e6 / each:.0f} orders/s of one core")
    at = {name: waits[min(len(waits) - 1, int(len(waits) * share))] for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))}
    print(f"at {given.rate}/s: " + ", ".join(f"{name} {wait:.2f} ms" for name, wait in at.items()) + f", max {waits[-1]:.2f} ms")


if __name__ == "__main__":
    main()
