"""The doctor against a real exchange on a real socket: what it finds when all is well, and each thing that is not."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from loguru import logger

import doctor
from config import Settings, load_settings
from doctor import Canary, Diagnosis, Finding, Instruments, Level, Patience, Venue
from errors import ExchangeUnavailable
from exchanges.coincall.canary import CanaryOrders, a_name
from exchanges.coincall.stream_probe import Heard
from main import parser
from strategies import STRATEGIES
from strategy import StrategyConfig, load_strategies

from tests.rehearsal.stage import KEY, SECRET, Exchange, Trader, cast

READER = ("reader-key-1234567", "reader-secret-1234567")
CREATE = "/open/option/order/create/v1"
SINGLE = "/open/option/order/singleQuery/v1"
CANCEL = "/open/option/order/cancel/v1"

told_by_main = pytest.mark.skipif("--doctor" not in parser().format_help(), reason="main.py does not offer it")


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logger.disable("")
    yield
    logger.enable("")


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    one = Exchange(tmp_path / "venue", "--read-only-account", f"reader:{READER[0]}:{READER[1]}", "--no-rate-limits")
    with cast(one):
        yield one


Visit = Callable[..., dict[str, Finding]]


def by_name(diagnosis: Diagnosis) -> dict[str, Finding]:
    return {finding.name: finding for finding in diagnosis.findings}


def settings_for(tmp_path: Path, exchange: Exchange | None = None, *, key: str = KEY, secret: str = SECRET, **more: str) -> Settings:
    given = {
        "TRADER_STATE_DIR": str(tmp_path / "state"),
        "TRADER_LOG_DIR": str(tmp_path / "logs"),
        **({} if exchange is None else {"COINCALL_BASE_URL": exchange.url}),
        "COINCALL_API_KEY_PAPER": key,
        "COINCALL_API_SECRET_PAPER": secret,
        **more,
    }
    return load_settings(given, {})


def quick_canary(venue: Venue) -> Canary:
    patience = Patience(settle=20.0, absent=0.3, step=0.05)
    return Canary(CanaryOrders(venue.client, venue.transport), lambda: a_name(venue.clock), patience)


def hears(_venue: Venue, _symbol: str) -> Heard:
    return Heard(0.001, 0.002, 0.003)


@pytest.fixture
def visit(tmp_path: Path, exchange: Exchange) -> Visit:
    """Let the doctor look at the exchange; return its findings by name."""

    def look(
        *, canary: bool = False, strategies: tuple[StrategyConfig, ...] = (), probe: object = hears, **given: str
    ) -> dict[str, Finding]:
        settings = settings_for(tmp_path, exchange, **given)
        tools = Instruments(probe=probe, canary=quick_canary)  # type: ignore[arg-type]
        return by_name(doctor.run(settings, tmp_path / "state" / "paper", strategies, canary=canary, instruments=tools))

    return look


def nothing_to_trade(folder: Path) -> Path:
    file = folder / "none.py"
    file.write_text("STRATEGIES = []", encoding="utf-8")
    return file


def failures(found: dict[str, Finding]) -> set[str]:
    return {name for name, finding in found.items() if finding.level is Level.FAIL}


def test_when_all_is_well_nothing_is_to_be_mended(visit: Visit, exchange: Exchange) -> None:
    strategies, _ = load_strategies(STRATEGIES)
    found = visit(canary=True, strategies=strategies)

    assert failures(found) == set()
    assert found["account"].said.startswith("equity 100,000.00 USD")
    assert {f"strategy {config.name}" for config in strategies} <= found.keys()
    (order,) = exchange.ledger().orders
    assert (str(order.client_id)[0], order.state.final, exchange.ledger().fills, exchange.ledger().holdings) == ("8", True, [], {})


def test_the_embedded_exchange_is_looked_at_offline_with_a_state_of_its_own(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)

    diagnosis = doctor.run(settings, tmp_path / "state" / "home", (), canary=True, instruments=Instruments(probe=hears))

    assert (diagnosis.exit_code, by_name(diagnosis)["canary"].level) == (0, Level.OK)
    assert list((tmp_path / "state").iterdir()) == []


def test_a_wrong_secret_is_found_and_never_shown(visit: Visit) -> None:
    found = visit(secret="another-secret-7654321")

    assert {"account", "key"} <= failures(found)
    assert "API Management" in found["account"].hint
    assert "another-secret" not in str(found)


def test_an_unknown_key_is_found_and_never_shown(visit: Visit) -> None:
    found = visit(key="another-key-7654321")

    assert {"account", "key"} <= failures(found)
    assert "another-key" not in str(found)


def test_a_key_that_may_only_read_is_found_and_its_canary_is_refused(visit: Visit, exchange: Exchange) -> None:
    found = visit(canary=True, key=READER[0], secret=READER[1])

    assert failures(found) == {"key", "canary"}
    assert "nothing rests" in found["canary"].said
    assert exchange.ledger().orders == []


@pytest.mark.parametrize(
    ("seconds", "level"), [(0.0, Level.OK), (2.0, Level.WARN), (-2.0, Level.WARN), (30.0, Level.FAIL), (-30.0, Level.FAIL)]
)
def test_a_clock_that_is_off_is_found(visit: Visit, exchange: Exchange, seconds: float, level: Level) -> None:
    exchange.fault("skew", seconds=seconds, count=0)

    found = visit()

    assert found["clock"].level is level
    assert ("behind" if seconds > 0 else "ahead of" if seconds < 0 else "in step") in found["clock"].said


def test_a_venue_that_is_not_there_is_told_once_and_what_hangs_on_it_is_not_looked_at(visit: Visit, exchange: Exchange) -> None:
    exchange.stop()
    found = visit(canary=True)

    assert failures(found) == {"host", "http"}
    assert found["venue"].said == "key, rights, streams, instruments and canary were not looked at"
    assert found["journal"].level is Level.OK


def test_a_host_without_a_name_is_told(tmp_path: Path) -> None:
    settings = load_settings(
        {
            "TRADING_ENVIRONMENT": "testnet",
            "COINCALL_API_KEY_TEST": "test-key-1234567",
            "COINCALL_API_SECRET_TEST": "test-secret-1234567",
            "COINCALL_BASE_URL": "https://no-such-host.invalid",
            "COINCALL_WS_URL": "wss://no-such-stream.invalid",
            "TRADER_STATE_DIR": str(tmp_path / "state"),
            "TRADER_LOG_DIR": str(tmp_path / "logs"),
        },
        {},
    )

    found = by_name(doctor.run(settings, tmp_path / "state" / "testnet", ()))

    assert {"host", "stream host", "http"} <= failures(found)
    assert "no-such-host.invalid: the name cannot be looked up" in found["host"].said


def test_a_venue_that_answers_with_a_page_is_a_failure_and_not_a_traceback(visit: Visit, exchange: Exchange) -> None:
    exchange.fault("html", path="/open/account/summary/v1", count=0)

    assert failures(visit()) == {"account"}


@pytest.mark.parametrize("kind", ["lose_answer", "truncate"])
def test_l5_a_canary_whose_answer_is_lost_is_found_by_its_name_and_never_sent_twice(visit: Visit, exchange: Exchange, kind: str) -> None:
    exchange.fault(kind, path=CREATE)

    found = visit(canary=True)

    assert (found["canary"].level, "found by its name" in found["canary"].said) == (Level.OK, True)
    (order,) = exchange.ledger().orders
    assert (order.state.final, exchange.ledger().fills) == (True, [])


def test_a_canary_that_is_lost_on_its_way_is_known_not_to_rest(visit: Visit, exchange: Exchange) -> None:
    exchange.fault("lose_request", path=CREATE)

    found = visit(canary=True)

    assert (found["canary"].level, "never arrived" in found["canary"].said) == (Level.FAIL, True)
    assert exchange.ledger().orders == []


@pytest.mark.parametrize(
    ("kind", "path"), [("lose_answer", CANCEL), ("lose_request", CANCEL), ("busy", CANCEL), ("http_500", SINGLE), ("html", SINGLE)]
)
def test_whatever_goes_wrong_afterwards_the_canary_ends_cancelled(visit: Visit, exchange: Exchange, kind: str, path: str) -> None:
    exchange.fault(kind, path=path, count=3)

    assert visit(canary=True)["canary"].level is Level.OK
    (order,) = exchange.ledger().orders
    assert (order.state.final, exchange.ledger().fills) == (True, [])


def test_a_stream_that_does_not_open_or_tells_nothing_is_found(visit: Visit) -> None:
    def shut(_venue: Venue, _symbol: str) -> Heard:
        raise ExchangeUnavailable("coincall", "options", "HTTP 403")

    assert visit(probe=shut)["streams"].level is Level.FAIL
    assert visit(probe=lambda *_: Heard(0.1, None, None))["streams"].level is Level.FAIL
    assert visit(probe=lambda *_: Heard(0.1, 0.2, None))["streams"].level is Level.WARN


def test_the_stream_is_heard_over_a_real_socket(visit: Visit) -> None:
    assert visit(probe=None)["streams"].level is Level.OK


def test_a_stream_host_on_which_nobody_listens_is_found(visit: Visit) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    found = visit(probe=None, COINCALL_WS_URL=f"ws://127.0.0.1:{port}")

    assert {"stream host", "streams"} <= failures(found)


def test_a_strategy_that_cannot_be_loaded_and_a_full_disk_are_found(tmp_path: Path, exchange: Exchange) -> None:
    tools = Instruments(probe=hears, free=lambda _: 5_000_000)

    diagnosis = doctor.run(settings_for(tmp_path, exchange), tmp_path, (), [f"mine: no legs, {SECRET}"], instruments=tools)

    assert {"strategies", "state disk", "log disk"} <= failures(by_name(diagnosis))
    assert diagnosis.exit_code == 1
    assert SECRET not in str(diagnosis)


def test_the_doctor_looks_beside_a_running_daemon_and_disturbs_nothing(trader_beside: Trader, exchange: Exchange, tmp_path: Path) -> None:
    trader_beside.start("--strategies-file", str(nothing_to_trade(tmp_path)))
    settings = load_settings(
        {
            "TRADER_STATE_DIR": str(trader_beside.home / "state"),
            "TRADER_LOG_DIR": str(trader_beside.home / "logs"),
            "COINCALL_BASE_URL": exchange.url,
            "COINCALL_API_KEY_PAPER": KEY,
            "COINCALL_API_SECRET_PAPER": SECRET,
        },
        {},
    )

    found = by_name(doctor.run(settings, trader_beside.state, (), instruments=Instruments(probe=hears)))

    assert found["journal writer"].said.startswith(f"process {trader_beside.pid} has it open")
    assert failures(found) == set()
    assert trader_beside.alive
    assert exchange.ledger().orders == []


# ---- as a person calls it


@told_by_main
def test_the_program_tells_its_findings_and_its_exit_code(tmp_path: Path) -> None:
    answer = Trader(tmp_path).ask("--doctor", "--canary")

    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "nothing filled" in answer.stdout
    assert answer.stdout.splitlines()[-1].endswith(" 0 to mend")
    assert "Traceback" not in answer.stderr


@told_by_main
def test_the_program_tells_json_and_nothing_else_on_standard_output(tmp_path: Path, exchange: Exchange) -> None:
    trader = Trader(tmp_path / "t", exchange=exchange, settings={"COINCALL_API_SECRET_PAPER": "wrong-secret-1234567"})

    answer = trader.ask("--doctor", "--json")
    told = json.loads(answer.stdout)

    assert (answer.returncode, told["exit_code"]) == (1, 1)
    assert {"name", "level", "said", "hint"} == told["findings"][0].keys()
    assert "wrong-secret" not in answer.stdout + answer.stderr


@told_by_main
def test_the_program_tells_every_wrong_setting_with_exit_code_2(tmp_path: Path) -> None:
    answer = Trader(tmp_path, settings={"TRADER_IO_WORKERS": "none", "TRADER_LOG_LEVEL": "loud"}).ask("--doctor", "--json")
    told = json.loads(answer.stdout)

    assert (answer.returncode, told["exit_code"], len(told["findings"])) == (2, 2, 2)


@told_by_main
def test_a_canary_in_production_needs_the_word_live(tmp_path: Path) -> None:
    settings = {"TRADING_ENVIRONMENT": "production", "COINCALL_API_KEY_PROD": "k-1234567", "COINCALL_API_SECRET_PROD": "s-1234567"}

    answer = Trader(tmp_path, settings={**settings, "COINCALL_BASE_URL": "https://127.0.0.1:9"}).ask("--doctor", "--canary")

    assert answer.returncode == 2
    assert "--live" in answer.stderr


@told_by_main
def test_the_samples_in_production_are_refused_by_the_doctor_as_by_the_start(tmp_path: Path) -> None:
    settings = {"TRADING_ENVIRONMENT": "production", "COINCALL_API_KEY_PROD": "k-1234567", "COINCALL_API_SECRET_PROD": "s-1234567"}

    answer = Trader(tmp_path, settings={**settings, "COINCALL_BASE_URL": "https://127.0.0.1:9"}).ask("--doctor", "--json")
    told = {finding["name"]: finding for finding in json.loads(answer.stdout)["findings"]}

    assert answer.returncode == 1
    assert told["strategies"]["level"] == "fail"
    assert "add --strategy NAME or --strategies-file PATH" in told["strategies"]["said"]
