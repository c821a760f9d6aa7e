"""Whatever a user or the world gets wrong: it is said where and what to do about it, without a traceback, and nothing is opened on it."""

import resource
import socket
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from clock import pause, wall_now

from tests.rehearsal.stage import GOODBYE, LONG, Exchange, Trader, a_strategies_file, booked, cast, until

BAD_INPUT, NO_JOURNAL = 2, 1
LEG = 'LegSpec("C", side=1, qty={qty}, strike_criteria={strike}, expiry_criteria={{"dte": 2}})'
ONE = """
from strategy import *

def mine():
    return StrategyConfig(name="mine", legs=[{leg}], check_interval_seconds=0.1{more})

STRATEGIES = [mine]
"""


def a_trader(tmp_path: Path, exchange: Exchange | None = None, **settings: str) -> Trader:
    return Trader(tmp_path / "trader", exchange=exchange, settings=settings)


def a_file(folder: Path, *, qty: str = "0.01", strike: str = '{"type": "delta", "value": 0.3}', more: str = "") -> str:
    file = folder / "mine.py"
    file.write_text(ONE.format(leg=LEG.format(qty=qty, strike=strike), more=more), encoding="utf-8")
    return str(file)


def refused(trader: Trader, *arguments: str, code: int = BAD_INPUT) -> str:
    """Run the program, which must refuse its input at once and in plain words; return them."""
    answer = trader.ask(*arguments)
    assert answer.returncode == code, answer.stderr
    assert "Traceback" not in answer.stderr + answer.stdout
    assert "error: " in answer.stderr
    return answer.stderr


def holds_still(trader: Trader, exchange: Exchange) -> None:
    """The daemon lives, has opened nothing, and ends in good order when asked."""
    assert trader.alive
    assert exchange.ledger().orders == []
    assert trader.stop() < GOODBYE
    assert "Traceback" not in trader.story


# ---- settings


def test_a_wrong_environment_is_refused_with_the_ones_there_are(tmp_path: Path) -> None:
    said = refused(a_trader(tmp_path, TRADING_ENVIRONMENT="live"))

    assert "TRADING_ENVIRONMENT='live' (environment): must be one of paper, testnet, production" in said


def test_missing_keys_are_named_with_where_to_get_and_to_write_them(tmp_path: Path) -> None:
    said = refused(a_trader(tmp_path, TRADING_ENVIRONMENT="testnet"))

    assert "COINCALL_API_KEY_TEST is missing" in said
    assert "COINCALL_API_SECRET_TEST is missing" in said
    assert "create an API key at Coincall" in said
    assert "into .env" in said


def test_production_without_the_explicit_word_is_refused(tmp_path: Path) -> None:
    settings = {"TRADING_ENVIRONMENT": "production", "COINCALL_API_KEY_PROD": "a-key-of-mine", "COINCALL_API_SECRET_PROD": "secret-of-mine"}

    said = refused(Trader(tmp_path, settings=settings))

    assert "trades real money: add --live to say so" in said
    assert "of-mine" not in said


def test_a_malformed_env_file_is_told_line_by_line_and_without_its_secrets(trader: Trader) -> None:
    (trader.home / ".env").write_text('COINCALL_API_SECRET_TEST "my-own-secret"\nTRADER_POLL_INTERVAL=2\n', encoding="utf-8")

    said = refused(trader)

    assert ".env line 1: not of the form NAME=value" in said
    assert "TRADER_POLL_INTERVAL (.env line 2) is not a setting; did you mean TRADER_POLL_INTERVAL_SECONDS?" in said
    assert "my-own-secret" not in said


def test_a_wrong_number_is_told_with_its_source_and_its_bounds(trader: Trader) -> None:
    said = refused(trader, "--paper-speed", "fast")

    assert "TRADER_PAPER_SPEED='fast' (command line, --paper-speed): must be a number from 0.01 to 10000" in said


def test_a_state_directory_that_cannot_be_written_is_refused(trader: Trader) -> None:
    said = refused(trader, "--state-dir", "/proc/state")

    assert "TRADER_STATE_DIR='/proc/state' (command line, --state-dir): must be a directory that can be created and written to" in said


def test_a_taken_port_is_told_before_anything_is_traded(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        said = refused(a_trader(tmp_path, TRADER_PAPER_PORT=str(port)))

    assert f"port {port} on 127.0.0.1 cannot be listened on: it is taken or not allowed" in said
    assert "paper_exchange.log" in said


def test_an_alert_address_that_cannot_be_used_is_told_before_an_exchange_is_started(tmp_path: Path) -> None:
    trader = a_trader(tmp_path, TRADER_ALERT_URLS="nonsense://a-token-of-mine")

    said = refused(trader)

    assert "alert address 1 (nonsense): nothing is known by this scheme" in said
    assert "a-token-of-mine" not in said
    assert not (trader.home / "logs" / "paper_exchange.log").exists()
    assert not trader.state.exists()


def test_a_second_daemon_on_the_same_state_is_refused_and_the_first_lives(trader: Trader, tmp_path: Path) -> None:
    trader.start("--strategies-file", str(a_strategies_file(tmp_path)))

    said = refused(trader, "--strategies-file", str(a_strategies_file(tmp_path)), code=NO_JOURNAL)

    assert "in use" in said
    assert trader.alive


# ---- strategies


def test_an_unknown_strategy_is_refused_with_those_there_are(trader: Trader) -> None:
    assert "--strategy mcro_strangle: unknown; there are micro_strangle, short_strangle" in refused(trader, "--strategy", "mcro_strangle")


def test_a_strategies_file_that_is_not_there_is_told_by_name(trader: Trader) -> None:
    assert "--strategies-file gone.py: not a Python file that can be read" in refused(trader, "--strategies-file", "gone.py")


def test_a_syntax_error_in_a_strategies_file_is_told_with_its_line(trader: Trader) -> None:
    file = trader.home / "mine.py"
    file.write_text("from strategy import *\n\ndef mine(:\n    pass\n", encoding="utf-8")

    assert f"--strategies-file {file}, line 3: invalid syntax: def mine(:" in refused(trader, "--strategies-file", str(file))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"strike": '{"type": "detla", "value": 0.3}'}, "strike_criteria type 'detla' is not known (did you mean 'delta'?)"),
        ({"more": ", execution=ExecutionParams(fill_timeout_seconds=-1)"}, "fill_timeout_seconds must be a number of seconds above zero"),
        ({"more": ", exit_condition=[]"}, "StrategyConfig has no field 'exit_condition'; did you mean 'exit_conditions'?"),
        ({"qty": "0"}, "qty"),
        ({"qty": "-0.01"}, "qty"),
    ],
    ids=["criteria with a typo", "negative timeout", "field with a typo", "no quantity", "negative quantity"],
)
def test_a_strategy_that_cannot_be_right_is_refused_before_the_start(trader: Trader, wrong: dict[str, str], said: str) -> None:
    told = refused(trader, "--strategies-file", a_file(trader.home, **wrong))

    assert said in told
    assert "mine" in told


@pytest.mark.parametrize(
    ("qty", "said"), [("0.004", "0.004"), pytest.param("0.015", "0.015", marks=pytest.mark.soak)], ids=["below the minimum", "off the lot"]
)
def test_l16_a_quantity_that_the_venue_does_not_trade_opens_nothing_and_says_why(
    tmp_path: Path, exchange: Exchange, qty: str, said: str
) -> None:
    trader = a_trader(tmp_path, exchange)
    with cast(trader):
        trader.start("--strategies-file", a_file(tmp_path, qty=qty))

        told = trader.hear("for=legs because")[0]

        assert said in told
        assert "0.01" in told
        holds_still(trader, exchange)


def test_a_check_tells_a_wrong_strategy_without_a_start(trader: Trader) -> None:
    said = refused(trader, "--check", "--strategies-file", a_file(trader.home, more=", execution=ExecutionParams(max_requote_rounds=0)"))

    assert "max_requote_rounds must be a whole number from 1 to 10000, not 0" in said


def test_one_strategy_that_cannot_be_loaded_does_not_stop_the_others(trader: Trader, tmp_path: Path) -> None:
    file = a_strategies_file(tmp_path)
    broken = 'def broken():\n    return StrategyConfig(name="broken", legs=[])\n\nSTRATEGIES = [broken, quick]\n'
    file.write_text(file.read_text(encoding="utf-8") + broken, encoding="utf-8")

    trader.start("--strategies-file", str(file))

    assert "legs must not be empty" in trader.lines("strategy not loaded")[0]
    assert "legs must not be empty" in trader.hear("cause=strategy not loaded")[0]
    assert "strategies=quick" in trader.lines("daemon ready")[0]


# ---- the venue


def test_l39_a_wrong_secret_keeps_entries_off_and_calls_a_person_and_the_daemon_lives(tmp_path: Path, exchange: Exchange) -> None:
    trader = a_trader(tmp_path, exchange, COINCALL_API_SECRET_PAPER="not-the-right-secret")
    with cast(trader):
        trader.start("--strategies-file", str(a_strategies_file(tmp_path)))

        told = trader.hear("alert: the account could not be read 3 times in a row")[0]

        assert "Invalid signature. (code 10562)" in told
        assert "check the network, the venue's status and the API key" in told
        assert "not-the-right-secret" not in trader.story
        holds_still(trader, exchange)


@pytest.mark.soak
@pytest.mark.parametrize(("minutes", "ours"), [(5, "behind"), pytest.param(-5, "ahead", marks=pytest.mark.soak)])
def test_a_clock_five_minutes_off_is_told_and_trades_are_booked_all_the_same(tmp_path: Path, minutes: int, ours: str) -> None:
    wall = wall_now()
    market = wall + timedelta(minutes=minutes)
    exchange = Exchange(tmp_path / "venue", "--wall-start", wall.isoformat(), "--market-start", market.isoformat())
    trader = a_trader(tmp_path, exchange)
    with cast(exchange, trader):
        trader.start("--strategies-file", str(a_strategies_file(tmp_path, hold=0.1)))

        assert f"our clock and the venue's are 300 s apart: ours is {ours}" in trader.hear("alert: our clock")[0]

        trader.hear("trade result id=quick#1")
        assert booked(trader.events()) == exchange.ledger().fills_of_orders()
        assert "missing from the trade list" not in trader.story


def test_a_venue_that_answers_html_keeps_entries_off_until_it_is_well_again(tmp_path: Path, exchange: Exchange) -> None:
    trader = a_trader(tmp_path, exchange)
    with cast(trader):
        exchange.fault("html", count=100_000)
        trader.start("--strategies-file", str(a_strategies_file(tmp_path, hold=0.1)))
        assert "502 Bad Gateway" in trader.hear("clock not compared")[0]
        assert "502 Bad Gateway" in trader.hear("clock not compared")[0]
        pause(0.5)  # five looks of the strategy
        assert exchange.ledger().orders == []

        exchange.mend()

        trader.hear("trade closed id=quick#1", within=LONG)
        assert "Traceback" not in trader.story


@pytest.mark.soak
def test_a_venue_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as nobody:
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    trader = a_trader(tmp_path, COINCALL_BASE_URL=address)
    with cast(trader):
        trader.start("--strategies-file", str(a_strategies_file(tmp_path)))

        assert "NewConnectionError" in trader.hear("clock not compared")[0]
        trader.hear("for=entries because the account has not been read yet")

        assert trader.alive
        assert trader.stop() < GOODBYE
        assert "Traceback" not in trader.story


# ---- the disk


DAMAGE: Mapping[str, Callable[[bytes], bytes]] = {
    "garbage in the middle": lambda raw: raw[: len(raw) // 2] + b"\xde\xad\xbe\xef" * 2000 + raw[len(raw) // 2 + 8000 :],
    "truncated": lambda raw: raw[: len(raw) * 2 // 3],
    "null bytes": lambda raw: raw[: len(raw) // 3] + bytes(len(raw) - len(raw) // 3),
}


@pytest.mark.parametrize("how", ["truncated", *(pytest.param(how, marks=pytest.mark.soak) for how in DAMAGE if how != "truncated")])
def test_l29_a_damaged_journal_is_set_aside_and_the_daemon_manages_but_opens_nothing(tmp_path: Path, exchange: Exchange, how: str) -> None:
    trader = a_trader(tmp_path, exchange)
    arguments = ("--strategies-file", str(a_strategies_file(tmp_path, hold=0.1, a_day=0)))
    with cast(trader):
        trader.start(*arguments)
        trader.hear("trade closed")
        trader.stop()
        before = openings(exchange)
        journal = trader.state / "journal.db"
        journal.write_bytes(DAMAGE[how](journal.read_bytes()))

        trader.start(*arguments)

        assert "events were saved" in trader.hear("journal damaged")[0]
        assert "--acknowledge" in trader.hear("for=entries because")[-1]
        trader.hear("account known")
        pause(0.5)  # five looks of the strategy
        assert openings(exchange) == before
        assert [file.name for file in (trader.state / "damaged").glob("*/journal.db")] == ["journal.db"]
        trader.ask("--acknowledge")
        # A trade whose end was lost still takes the one place there is, until a person has looked.
        until(lambda: trader.lines("for=max_concurrent_trades") or trader.lines("trade closed"), "entries are asked for again")
        orders = openings(exchange)
        assert len(set(orders)) == len(orders), "a number was used twice"
        assert "Traceback" not in trader.story


def openings(exchange: Exchange) -> list[int | None]:
    return [order.client_id for order in exchange.ledger().orders if not order.reduce_only]


def test_a_full_disk_sends_no_order_calls_a_person_and_is_over_once_there_is_space(tmp_path: Path, exchange: Exchange) -> None:
    trader = a_trader(tmp_path, exchange)
    with cast(trader):
        trader.start("--strategies-file", str(a_strategies_file(tmp_path, hold=2)))
        trader.hear("trade open id=quick#1")
        orders = exchange.ledger().orders

        trader.limit_files_to(20_000)

        assert "check its free space" in trader.hear("cause=journal hint=nothing was sent")[0]
        assert exchange.ledger().orders == orders
        trader.limit_files_to(resource.RLIM_INFINITY)
        trader.hear("trade closed id=quick#1")
        assert booked(trader.events()) == exchange.ledger().fills_of_orders()
        assert "Traceback" not in trader.story
