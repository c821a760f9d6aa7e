"""Alerts on their way to a person, and those about strategies, made to come from outside: the daemon is a process, the address a socket."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from clock import pause
from trade_lifecycle import TradeState

from tests.rehearsal.abroad import Plan, World, a_world, breaches, left_over
from tests.rehearsal.guard_stage import A_WHILE, NEVER, arrived, opened, told
from tests.rehearsal.stage import GOODBYE, LONG, Trader, a_strategies_file, cast, until

TOKEN = "t0ken-of-a-person"


class Mailbox:
    """A web server of a user's own; where it hangs it takes a message and never comes to the end of its answer."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.bodies: list[str] = []
        self.over = threading.Event()
        box = self

        class Taker(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                box.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
                with suppress(OSError):
                    self._answer()

            def _answer(self) -> None:
                if hangs:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                    while not box.over.wait(1):
                        self.wfile.write(b".")
                    return
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing: the messages are kept."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
        self._server.daemon_threads, self._server.block_on_close = True, False
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def address(self) -> str:
        """Return how a user writes it."""
        return f"json://127.0.0.1:{self._server.server_address[1]}/{TOKEN}"

    def close(self) -> None:
        """Listen no more."""
        self.over.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def a_mailbox(*, hangs: bool = False) -> Iterator[Mailbox]:
    box = Mailbox(hangs=hangs)
    try:
        yield box
    finally:
        box.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An exchange at which every order fills at its own price at once, and a daemon that has not been started."""
    with a_world(tmp_path) as made:
        made.exchange.generous = True
        yield made


def shown(world: World) -> list[str]:
    """Return every line of the terminal and of the logs that shows what only the user may know."""
    texts = [file.read_text(encoding="utf-8", errors="replace") for file in (world.trader.home / "logs").glob("*")]
    return [line for text in (*texts, world.trader.story) for line in text.splitlines() if TOKEN in line]


# ---- to whom


def test_an_alert_reaches_the_address_that_was_given_and_no_line_shows_that_address(tmp_path: Path) -> None:
    with a_mailbox() as box, a_world(tmp_path, TRADER_ALERT_URLS=box.address) as world:
        world.exchange.clock_offset_ms = 30_000
        world.trader.begin(Plan(entry=NEVER))

        told(world, "clock")
        until(lambda: box.bodies, "it arrives", LONG)

        assert "30 s apart" in box.bodies[0]
        assert "NTP" in box.bodies[0]
        assert "30 s apart" in world.trader.ask("--status").stdout
        assert shown(world) == []


@pytest.mark.soak
def test_an_address_that_hangs_and_one_that_is_not_there_hold_up_neither_trades_nor_the_end(tmp_path: Path) -> None:
    with a_mailbox() as gone, a_mailbox(hangs=True) as box:
        gone.close()
        with a_world(tmp_path, TRADER_ALERT_URLS=f"{box.address} {gone.address}") as world:
            world.exchange.generous = True
            world.exchange.clock_offset_ms = 30_000
            world.trader.begin(Plan())

            until(lambda: box.bodies, "it hangs")
            world.trader.hear("alerts are not taken")
            world.trader.hear("trade closed", within=LONG)
            assert world.trader.stop() < GOODBYE
            assert shown(world) == []
            assert (breaches(world), left_over(world)) == ([], [])


@pytest.mark.parametrize(("cooldown", "least", "most"), [pytest.param("900", 1, 1, marks=pytest.mark.soak), ("1", 2, 8)])
def test_l45_l70_the_same_cause_is_told_again_only_after_its_cool_down(tmp_path: Path, cooldown: str, least: int, most: int) -> None:
    with a_world(tmp_path, TRADER_ALERT_COOLDOWN_SECONDS=cooldown) as world:
        world.trader.begin(Plan(entry="lambda account: 1 / 0"))  # it comes up each time that the strategy looks

        world.trader.hear("cause=strategy abroad", times=least, within=LONG)
        pause(3 * A_WHILE)

        assert len(world.trader.lines("cause=strategy abroad")) <= most


# ---- about strategies


def test_l46_an_exit_that_raises_is_told_and_after_a_minute_its_trade_is_closed_and_its_strategy_paused(tmp_path: Path) -> None:
    trader = Trader(tmp_path, settings={"TRADER_PAPER_SPEED": "20"})  # a minute passes in three seconds
    file = a_strategies_file(tmp_path, a_day=3)
    file.write_text(
        file.read_text(encoding="utf-8").replace("max_hold_hours(1.0 / 3600)", "lambda account, trade: 1 / 0"), encoding="utf-8"
    )
    with cast(trader):
        trader.start("--strategies-file", str(file))

        trader.hear("cause=exit broken quick#1", within=LONG)
        trader.hear("trade closed", within=LONG)
        trader.hear("cause=strategy quick paused", within=LONG)
        pause(A_WHILE)
        assert [trade.state for trade in trader.trades()] == [TradeState.CLOSED]


def test_an_entry_that_raises_is_told_and_opens_nothing(world: World) -> None:
    world.trader.begin(Plan(entry="lambda account: 1 / 0"))

    assert "ZeroDivisionError" in told(world, "strategy abroad")
    pause(A_WHILE)
    assert arrived(world) == []


@pytest.mark.soak
def test_a_trade_whose_strategy_is_not_loaded_or_not_the_same_is_told(world: World) -> None:
    opened(world, Plan(hold=600))
    world.trader.stop()
    world.trader.begin(Plan(hold=700))
    told(world, "strategy changed abroad")
    world.trader.stop()
    file = Plan(entry=NEVER).write(world.trader.home)
    file.write_text(file.read_text(encoding="utf-8").replace('"abroad"', '"elsewhere"'), encoding="utf-8")

    world.trader.start("--strategies-file", str(file))

    told(world, "no exits abroad#1")
    assert len(arrived(world)) == 2


@pytest.mark.soak
def test_a_real_trade_of_a_strategy_that_is_now_a_dry_run_is_told_and_still_closed_for_real(world: World) -> None:
    opened(world, Plan(hold=1))
    world.trader.stop()

    world.trader.start("--strategies-file", str(world.trader.home / "abroad.py"), "--dry-run")

    told(world, "real trades beside a dry run")
    world.trader.hear("trade closed id=abroad#1", within=LONG)
    assert (breaches(world), left_over(world)) == ([], [])


@pytest.mark.soak
def test_a_simulated_account_that_cannot_be_read_any_more_is_told(world: World) -> None:
    world.trader.start("--strategies-file", str(Plan(hold=600).write(world.trader.home)), "--dry-run")
    world.trader.hear("trade open id", within=LONG)
    world.trader.stop()
    (world.trader.state / "dry_run.state").write_bytes(b"not what it was")

    world.trader.start("--strategies-file", str(world.trader.home / "abroad.py"), "--dry-run")

    told(world, "dry run damaged")
    assert arrived(world) == []
