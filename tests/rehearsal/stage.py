"""The stage of a rehearsal: the real program and the real paper exchange as processes, and what each of them tells afterwards.

Nothing is faked here. The exchange's own ledger is the truth by which the daemon's journal is judged.
"""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path

import msgspec
import requests

from clock import monotonic, pause
from domain import ClientOrderId
from events import AnyEvent, LegFilled, OrderIntended, OrderRefused, OrderSettled
from exchanges.coincall.wire import encode_client_id
from journal import JournalReader
from paper.rows import AccountRow, HoldingRow, MatchRow, OrderRow
from paper.store import Store
from status import status_of
from trade_lifecycle import TradeLifecycle

ROOT = Path(__file__).resolve().parents[2]
RECORDED = ROOT / "../shared/data"
NAME, KEY, SECRET, CASH = "trader", "rehearsal-key-1", "rehearsal-secret-1", Decimal(100_000)
# Generous, because every test of the project may be running on the same two cores; nothing waits longer than it must.
SOON, LONG = 20.0, 60.0
GOODBYE = 5.0
# As quick as the settings allow at the pace of the wall.
BRISK = {"TRADER_TICK_INTERVAL_SECONDS": "0.02", "TRADER_POLL_INTERVAL_SECONDS": "0.5", "TRADER_SNAPSHOT_SECONDS": "1"}
EMBEDDED = "paper-synthetic-1"

STRATEGIES = """
from strategy import *

def quick():
    return StrategyConfig(
        name="quick",
        legs=strangle(qty=0.01, call_delta=0.25, put_delta=-0.25, dte=2, side=1),
        exit_conditions=[max_hold_hours({hold} / 3600)],
        execution_mode="limit",
        execution=ExecutionParams(fill_timeout_seconds={patience}, aggressive_buffer_pct={reach}, max_requote_rounds={rounds}),
        max_concurrent_trades=1,
        max_trades_per_day={a_day},
        check_interval_seconds=0.1,
    )

STRATEGIES = [quick]
"""


def a_strategies_file(folder: Path, *, hold: float = 1.0, patience: float = 5.0, reach: int = 30, rounds: int = 1, a_day: int = 1) -> Path:
    """Write a file with one strategy, `quick`: buys a strangle at once and leaves it after `hold` seconds of market time.

    Its first price crosses the market by up to `reach` per cent; with a reach of 0 its orders rest at mid.
    """
    file = folder / "quick.py"
    file.write_text(STRATEGIES.format(hold=hold, patience=patience, reach=reach, rounds=rounds, a_day=a_day), encoding="utf-8")
    return file


def until(met: Callable[[], object], what: str, within: float = SOON, every: float = 0.02) -> None:
    """Wait for something to become true; fail with `what` if it does not in time, real seconds."""
    deadline = monotonic() + within
    while not met():
        assert monotonic() < deadline, f"not within {within} s: {what}"
        pause(every)


class Ledger(msgspec.Struct, frozen=True):
    """What the exchange itself keeps: every order, match and holding of every account, exact."""

    orders: list[OrderRow]
    fills: list[MatchRow]
    positions: list[HoldingRow]
    cash: list[AccountRow]

    def fills_of_orders(self) -> dict[int, list[tuple[str, Decimal, Decimal, Decimal]]]:
        """Return the fills of each of the trader's orders, by client id: trade id, coins, price, fee."""
        names = {order.order_id: order.client_id for order in self.orders if order.client_id is not None}
        found: dict[int, list[tuple[str, Decimal, Decimal, Decimal]]] = {}
        for match in self.fills:
            for number, fee in ((match.taker_order, match.taker_fee), (match.maker_order, match.maker_fee)):
                if number is not None and (name := names.get(number)) is not None:
                    found.setdefault(name, []).append((str(match.trade_id), match.qty, match.price, fee))
        return {name: sorted(fills) for name, fills in found.items()}

    @property
    def earned(self) -> Decimal:
        """Return what the trader's cash has grown by, USD."""
        return next(account.cash for account in self.cash if account.name == NAME) - CASH

    @property
    def holdings(self) -> dict[str, int]:
        """Return the trader's holdings that are not flat, lots by symbol; negative is short."""
        users = {account.user for account in self.cash if account.name == NAME}
        return {holding.symbol: holding.lots for holding in self.positions if holding.user in users and holding.lots != 0}

    @property
    def working(self) -> list[OrderRow]:
        """Return the orders that may still fill."""
        return [order for order in self.orders if not order.state.final]


def ledger_on_disk(state: Path) -> Ledger:
    """Read the state that an exchange which has ended left in its directory."""
    store = Store(state)
    kinds = {"orders": "order", "fills": "trade", "positions": "position", "cash": "account"}
    try:
        rows = store.read()
    finally:
        store.close()
    lists = {name: [msgspec.json.decode(body) for _, body in rows.get(kind, [])] for name, kind in kinds.items()}
    return msgspec.convert(lists, Ledger, strict=False)


class Exchange:
    """A paper exchange of its own process, with the control endpoints that tell the truth and make things go wrong."""

    def __init__(self, home: Path, *options: str) -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        ready = home / "ready.json"
        with (home / "exchange.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "paper", "--port", "0", "--control", "--state-dir", str(home / "exchange")),
                    *("--ready-file", str(ready), "--account", f"{NAME}:{KEY}:{SECRET}:{CASH}", *options),
                ],
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        until(lambda: ready.exists() or self._process.poll() is not None, "the exchange listens")
        self.url = str(msgspec.json.decode(ready.read_bytes(), type=dict[str, object])["url"])

    def ledger(self) -> Ledger:
        """Ask the exchange for its own books."""
        return msgspec.json.decode(requests.get(f"{self.url}/paper/ledger", timeout=10).content, type=Ledger)

    def fault(self, kind: str, **details: object) -> None:
        """Let something go wrong; see paper.server_faults.Fault."""
        answer = requests.post(f"{self.url}/paper/faults", json={"kind": kind, **details}, timeout=10)
        assert answer.status_code == 200, answer.text

    def mend(self) -> None:
        """Let everything go well again."""
        requests.delete(f"{self.url}/paper/faults", timeout=10)

    def stop(self) -> None:
        """End the exchange with its state stored."""
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        self._process.wait(10)

    def hang(self) -> None:
        """Answer nothing any more, connections and all, until told to go on."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Answer again."""
        self._process.send_signal(signal.SIGCONT)


class Trader:
    """The program as a user starts it: its own folder, settings by environment, its story in a file."""

    def __init__(self, home: Path, *, exchange: Exchange | None = None, settings: Mapping[str, str] | None = None) -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        self.state = home / "state" / (EMBEDDED if exchange is None else "paper")
        told = {} if exchange is None else {"COINCALL_BASE_URL": exchange.url, **BRISK}
        keys = {"COINCALL_API_KEY_PAPER": KEY, "COINCALL_API_SECRET_PAPER": SECRET}
        places = {"TRADER_STATE_DIR": str(home / "state"), "TRADER_LOG_DIR": str(home / "logs")}
        given = {**keys, **places, **told, **(settings or {})}
        outside = {name: value for name, value in os.environ.items() if not name.startswith(("COINCALL_", "TRADING_", "TRADER_"))}
        self._environment = {**outside, **{name: value for name, value in given.items() if value}}
        self._runs = 0
        self._process: subprocess.Popen[bytes] | None = None

    # ---- running it

    def start(self, *arguments: str, ready: bool = True) -> None:
        """Start the daemon; its story begins anew. Wait until it says that it is ready, unless told not to."""
        self._runs += 1
        with self._story_file.open("wb") as told:
            self._process = subprocess.Popen(
                [sys.executable, str(ROOT / "main.py"), *arguments],
                cwd=self.home,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=told,
            )
        if ready:
            self.hear("daemon ready")

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the program once to its end, as a person would in another terminal."""
        line = [sys.executable, str(ROOT / "main.py"), *arguments]
        return subprocess.run(line, cwd=self.home, env=self._environment, text=True, capture_output=True, timeout=LONG, check=False)

    @property
    def pid(self) -> int:
        """Return the number of the running process."""
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Tell whether the daemon runs."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End the daemon as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(GOODBYE)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Ask the daemon to end; return how long that took, real seconds."""
        assert self._process is not None
        began = monotonic()
        self._process.send_signal(number)
        code = self._process.wait(SOON)
        assert code == 0, self.story
        return monotonic() - began

    def limit_files_to(self, size: int) -> None:
        """Let no file of the daemon grow beyond a size, as on a full disk; RLIM_INFINITY gives the space back."""
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    # ---- what it tells

    @property
    def _story_file(self) -> Path:
        return self.home / f"story-{self._runs}.txt"

    @property
    def story(self) -> str:
        """Return what the run has told on its terminal so far."""
        return self._story_file.read_text(encoding="utf-8", errors="replace")

    def lines(self, part: str) -> list[str]:
        """Return the lines of the story that hold a text."""
        return [line for line in self.story.splitlines() if part in line]

    def hear(self, part: str, times: int = 1, within: float = SOON) -> list[str]:
        """Wait until the story tells a text so many times; fail with the whole story if it does not in time."""
        deadline = monotonic() + within
        while len(self.lines(part)) < times:
            assert self.alive, f"it ended before it said {part!r}:\n{self.story}"
            assert monotonic() < deadline, f"it did not say {part!r} {times} times within {within} s:\n{self.story}"
            pause(0.02)
        return self.lines(part)

    def events(self) -> tuple[AnyEvent, ...]:
        """Return everything that its journal holds."""
        with JournalReader(self.state / "journal.db") as reader:
            return tuple(reader.events())

    def trades(self) -> tuple[TradeLifecycle, ...]:
        """Return its trades as the journal tells them."""
        return status_of(self.events()).trades


@contextmanager
def cast(*everyone: Exchange | Trader) -> Iterator[None]:
    """End every process of a rehearsal, however the rehearsal goes."""
    try:
        yield
    finally:
        for one in everyone:
            process = one._process
            if process is not None and process.poll() is None:
                process.kill()
                process.wait(GOODBYE)


# ---- judging the journal by the exchange


def intended(events: Sequence[AnyEvent]) -> dict[int, str]:
    """Return every order that the journal meant to send: the number that the exchange knows it by, and its name."""
    return {encode_client_id(event.new.client_id): event.order for event in events if isinstance(event, OrderIntended)}


def booked(events: Sequence[AnyEvent]) -> dict[int, list[tuple[str, Decimal, Decimal, Decimal]]]:
    """Return the fills that the journal holds, by the number that the exchange knows their order by: id, coins, price, fee."""
    found: dict[int, list[tuple[str, Decimal, Decimal, Decimal]]] = {}
    for event in events:
        if isinstance(event, LegFilled):
            fill = event.fill
            number = encode_client_id(ClientOrderId.parse(event.order))
            found.setdefault(number, []).append((fill.id, fill.qty, fill.price, fill.fee))
    return {number: sorted(fills) for number, fills in found.items()}


def ended(events: Sequence[AnyEvent]) -> set[str]:
    """Return the orders whose end the journal knows."""
    return {event.order for event in events if isinstance(event, OrderRefused | OrderSettled)}


def child_of(pid: int) -> int | None:
    """Return the process that a process has started; None if there is none."""
    with suppress(OSError):
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        return int(text[0]) if text else None
    return None


def running(pid: int) -> bool:
    """Tell whether a process runs (one that has ended and is not yet reaped does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
