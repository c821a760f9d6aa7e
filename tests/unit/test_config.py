"""Settings: where each comes from, what is refused and with which words, and that the manual tells the truth."""

import re
import socket
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from config import HOSTS, PAPER_KEY, Settings, documented_settings, flag_of, load_settings
from domain import Environment, RoutingThresholds
from errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
KEY, SECRET = "a-key-of-the-venue", "s3cr3t-of-the-venue"


@pytest.fixture(autouse=True)
def somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def keys(kind: str) -> dict[str, str]:
    return {f"COINCALL_API_KEY_{kind}": KEY, f"COINCALL_API_SECRET_{kind}": SECRET}


def refusal(
    env: Mapping[str, str], overrides: Mapping[str, str] | None = None, env_file: Path | None = None, profile: Path | None = None
) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        load_settings(overrides or {}, env, env_file, profile)
    return refused.value.problems


def a_file(text: str, name: str = ".env") -> Path:
    path = Path(name)
    path.write_text(text, encoding="utf-8")
    return path


def test_with_nothing_set_it_trades_on_the_embedded_paper_exchange() -> None:
    settings = load_settings({}, {"PATH": "/bin"})

    assert (settings.environment, settings.embedded, settings.base_url, settings.ws_url) == (Environment.PAPER, True, None, None)
    assert (settings.api_key.get_secret_value(), settings.api_secret.get_secret_value()) == ("paper-key", "paper-secret")
    assert settings.secrets == ()
    assert (settings.poll_interval, settings.tick_interval) == (timedelta(seconds=2), timedelta(seconds=0.25))


def test_each_layer_overrides_the_one_below() -> None:
    profile = a_file('TRADER_IO_WORKERS = 1\nTRADER_PAPER_SEED = 1\nTRADER_PAPER_SPEED = 1.5\nTRADER_LOG_LEVEL = "debug"\n', "p.toml")
    file = a_file("TRADER_IO_WORKERS=2\nTRADER_PAPER_SEED=2\nexport TRADER_PAPER_CASH='250.50' # a little\nOTHER=1\n")

    settings = load_settings({"--io-workers": "4"}, {"TRADER_IO_WORKERS": "3", "TRADER_PAPER_SEED": "3"}, file, profile)

    assert (settings.io_workers, settings.paper_seed, settings.paper_speed) == (4, 3, 1.5)
    assert (settings.paper_cash, settings.log_level) == (Decimal("250.50"), "DEBUG")


def test_a_flag_may_also_be_given_by_its_variable() -> None:
    assert load_settings({"TRADER_IO_WORKERS": "9"}, {}).io_workers == 9
    assert flag_of("TRADING_ENVIRONMENT") == "--environment"


def test_an_empty_value_counts_as_not_given() -> None:
    assert load_settings({}, {"TRADER_IO_WORKERS": " ", "COINCALL_BASE_URL": ""}).io_workers == 4


def test_testnet_takes_its_own_keys_and_hosts() -> None:
    settings = load_settings({}, {"TRADING_ENVIRONMENT": "testnet", **keys("TEST")})

    assert (settings.api_key.get_secret_value(), settings.api_secret.get_secret_value()) == (KEY, SECRET)
    assert (settings.base_url, settings.ws_url) == ("https://betaapi.coincall.com", "wss://betaws.coincall.com")
    assert settings.secrets == (KEY, SECRET)
    assert not settings.embedded


def test_production_needs_the_explicit_word() -> None:
    env = {"TRADING_ENVIRONMENT": "production", **keys("PROD")}

    assert refusal(env) == ("TRADING_ENVIRONMENT=production (environment) trades real money: add --live to say so",)
    settings = load_settings({}, env, live=True)
    assert settings.base_url == HOSTS[Environment.PRODUCTION].rest


def test_the_explicit_word_without_production_is_a_misunderstanding() -> None:
    with pytest.raises(ConfigError, match="--live is given, but TRADING_ENVIRONMENT is paper"):
        load_settings({}, {}, live=True)


def test_a_wrong_environment_is_told_with_what_is_allowed() -> None:
    assert refusal({"TRADING_ENVIRONMENT": "live"}) == (
        "TRADING_ENVIRONMENT='live' (environment): must be one of paper, testnet, production",
    )


def test_a_missing_key_is_told_by_name_with_the_way_to_get_one() -> None:
    (problem,) = refusal({"TRADING_ENVIRONMENT": "testnet", "COINCALL_API_KEY_TEST": KEY})

    assert problem.startswith("COINCALL_API_SECRET_TEST is missing, and TRADING_ENVIRONMENT is testnet (environment): create an API key")
    assert KEY not in problem


def test_half_a_pair_of_paper_keys_is_told() -> None:
    (problem,) = refusal({"COINCALL_API_KEY_PAPER": KEY})

    assert problem.startswith("COINCALL_API_SECRET_PAPER is missing, and TRADING_ENVIRONMENT is paper (default)")


def test_what_only_others_can_judge_is_told_with_the_rest() -> None:
    with pytest.raises(ConfigError) as refused:
        load_settings({"--io-workers": "0"}, {}, besides=lambda settings: [f"level {settings.alert_level} is too quiet"])
    assert [problem.partition(" ")[0] for problem in refused.value.problems] == ["TRADER_IO_WORKERS='0'", "level"]


def test_all_problems_are_told_at_once_each_with_its_origin() -> None:
    file = a_file("TRADER_IO_WORKERS=99\n\n\nthis is no line\nTRADER_PAPER_SEED=x\n")

    problems = refusal({"TRADING_ENVIRONMENT": "prod", "TRADER_LOG_LEVEL": "loud"}, {"--http-timeout-seconds": "-3"}, file)

    assert sorted(problems) == [
        ".env line 4: not of the form NAME=value (a quote may be open)",
        "TRADER_HTTP_TIMEOUT_SECONDS='-3' (command line, --http-timeout-seconds): must be a number of seconds from 1 to 300",
        "TRADER_IO_WORKERS='99' (.env line 1): must be a whole number from 1 to 32",
        "TRADER_LOG_LEVEL='loud' (environment): must be one of TRACE, DEBUG, INFO, SUCCESS, WARNING, ERROR, CRITICAL",
        "TRADER_PAPER_SEED='x' (.env line 5): must be a whole number from 0 to 2147483647",
        "TRADING_ENVIRONMENT='prod' (environment): must be one of paper, testnet, production",
    ]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TRADER_POLL_INTERVAL_SECONDS", "0"),
        ("TRADER_POLL_INTERVAL_SECONDS", "2s"),
        ("TRADER_HTTP_TIMEOUT_SECONDS", "nan"),
        ("TRADER_TICK_INTERVAL_SECONDS", "inf"),
        ("TRADER_IO_WORKERS", "2.5"),
        ("TRADER_MAX_ORDERS_OPEN", "0"),
        ("TRADER_MAX_ORDER_NOTIONAL_USD", "-1"),
        ("TRADER_PAPER_PORT", "65536"),
        ("TRADER_PAPER_CASH", "lots"),
        ("TRADER_PAPER_SPEED", "0"),
        ("TRADER_PAPER_MARKET", "nowhere/at/all"),
        ("TRADER_RFQ_MIN_NOTIONAL_USD", "-1"),
        ("TRADER_ROUTE_RFQ_NOTIONAL_USD", "much"),
        ("TRADER_ROUTE_SMART_NOTIONAL_USD", "-0.01"),
        ("TRADER_ROUTE_DEPTH_SHARE", "0"),
        ("TRADER_ROUTE_SPREAD_PCT", "0"),
        ("TRADER_ROUTE_MIN_HISTORY", "1"),
    ],
)
def test_a_value_out_of_bounds_is_refused(variable: str, value: str) -> None:
    (problem,) = refusal({variable: value})

    assert problem.startswith(f"{variable}={value!r} (environment): must be ")


def test_a_recorded_market_is_taken_by_its_path() -> None:
    Path("recorded").mkdir()

    assert load_settings({}, {"TRADER_PAPER_MARKET": "recorded"}).paper_market == Path("recorded")


def test_the_routers_thresholds_are_read_and_are_those_of_the_router_where_nothing_is_set() -> None:
    given = {
        "TRADER_ROUTE_RFQ_NOTIONAL_USD": "75000.50",
        "TRADER_ROUTE_SMART_NOTIONAL_USD": "0",
        "TRADER_ROUTE_DEPTH_SHARE": "0.25",
        "TRADER_ROUTE_SPREAD_PCT": "7.5",
        "TRADER_ROUTE_MIN_HISTORY": "50",
    }

    assert load_settings({}, {}).routing == RoutingThresholds()
    assert load_settings({}, given).routing == RoutingThresholds(
        rfq_notional=Decimal("75000.50"), smart_notional=Decimal(0), depth_share=0.25, wide_spread_pct=7.5, min_history=50
    )


def test_the_block_minimum_is_the_venues_unless_it_is_set() -> None:
    assert load_settings({}, {}).rfq_min_notional == Decimal(50000)
    assert load_settings({}, {"TRADER_RFQ_MIN_NOTIONAL_USD": "0"}).rfq_min_notional == Decimal(0)


def test_caps_are_read_exactly() -> None:
    settings = load_settings({}, {"TRADER_MAX_ORDERS_OPEN": "20", "TRADER_MAX_ORDER_NOTIONAL_USD": "50000.10"})

    assert (settings.max_orders_open, settings.max_order_notional) == (20, Decimal("50000.10"))


@pytest.mark.parametrize(
    "value", ["https://x.example", "https://x.example:8443/", "http://127.0.0.1:80", "http://[::1]:80", "HTTP://localhost:1"]
)
def test_a_host_of_scheme_name_and_port_is_taken(value: str) -> None:
    settings = load_settings({}, {"TRADING_ENVIRONMENT": "testnet", **keys("TEST"), "COINCALL_BASE_URL": value})

    assert settings.base_url == value.removesuffix("/").replace("HTTP", "http")
    assert settings.ws_url == str(settings.base_url).replace("http", "ws", 1)  # not the venue's own: it would be sent our key


@pytest.mark.parametrize(
    "value",
    [
        "x.example",
        "http://x.example",
        "https://x.example/api",
        "https://x.example?a=1",
        "https://",
        "ftp://127.0.0.1",
        "https://x:99999",
        "http://[::1",
    ],
)
def test_any_other_host_is_refused(value: str) -> None:
    (problem,) = refusal({"TRADING_ENVIRONMENT": "testnet", **keys("TEST"), "COINCALL_BASE_URL": value})

    assert "must be https://host[:port] and nothing behind it; plain http:// only on this machine" in problem


def test_a_password_in_an_address_is_not_shown() -> None:
    (problem,) = refusal({"TRADING_ENVIRONMENT": "testnet", **keys("TEST"), "COINCALL_WS_URL": "wss://me:hunter2@x.example"})

    assert "hunter2" not in problem


def test_a_paper_exchange_elsewhere_is_named_by_its_rest_host() -> None:
    here = {"COINCALL_BASE_URL": "http://127.0.0.1:8040", "COINCALL_WS_URL": "ws://127.0.0.1:8041"}

    settings = load_settings({}, here)

    assert (settings.embedded, settings.base_url, settings.ws_url) == (False, "http://127.0.0.1:8040", "ws://127.0.0.1:8041")
    assert load_settings({}, {"COINCALL_BASE_URL": "http://127.0.0.1:8040"}).ws_url == "ws://127.0.0.1:8040"
    assert refusal({"COINCALL_WS_URL": "ws://127.0.0.1:8041"})[0].startswith("COINCALL_BASE_URL is missing")


def test_a_paper_exchange_elsewhere_takes_the_test_keys_where_it_has_none_of_its_own() -> None:
    elsewhere = {"COINCALL_BASE_URL": "http://127.0.0.1:8040", **keys("TEST")}
    own = {"COINCALL_API_KEY_PAPER": "own-key", "COINCALL_API_SECRET_PAPER": "own-secret"}

    lent, kept, embedded = load_settings({}, elsewhere), load_settings({}, {**elsewhere, **own}), load_settings({}, keys("TEST"))

    assert lent.api_key.get_secret_value() == keys("TEST")["COINCALL_API_KEY_TEST"]
    assert lent.api_secret.get_secret_value() == keys("TEST")["COINCALL_API_SECRET_TEST"]
    assert (kept.api_key.get_secret_value(), embedded.api_key.get_secret_value()) == ("own-key", PAPER_KEY)


@pytest.mark.parametrize(("environment", "given"), [("paper", {}), ("testnet", keys("TEST"))])
def test_production_is_not_reached_under_another_name(environment: str, given: Mapping[str, str]) -> None:
    hosts = {"COINCALL_BASE_URL": "https://api.coincall.com:443", "COINCALL_WS_URL": "wss://WS.coincall.com"}

    problems = refusal({"TRADING_ENVIRONMENT": environment, **given, **hosts})

    assert len(problems) == 2
    assert f"is production, but TRADING_ENVIRONMENT is {environment}" in problems[0]


def test_data_that_could_never_be_fresh_is_told() -> None:
    (problem,) = refusal({"TRADER_MAX_DATA_AGE_SECONDS": "2"})

    assert problem.startswith("TRADER_MAX_DATA_AGE_SECONDS (2) must be above TRADER_POLL_INTERVAL_SECONDS (2)")


@pytest.mark.parametrize("name", ["TRADER_STATE_DIRS", "COINCALL_API_KEY", "TRADING_ENVIROMENT"])
def test_an_unknown_variable_of_ours_is_told_with_the_nearest(name: str) -> None:
    (problem,) = refusal({name: "x"})

    assert re.fullmatch(rf"{name} \(environment\) is not a setting; did you mean \w+\?", problem)


def test_a_variable_like_no_other_is_told_too() -> None:
    name = f"TRADER_{'0' * 28}"
    assert refusal({name: "x"}) == (f"{name} (environment) is not a setting; docs/configuration.md lists them all",)


def test_a_state_directory_is_made_and_tried() -> None:
    settings = load_settings({}, {"TRADER_STATE_DIR": "deep/down/state"})

    assert settings.state_dir.is_dir()
    assert list(settings.state_dir.iterdir()) == []


@pytest.mark.parametrize("place", ["taken", "taken/below"])
def test_a_state_directory_that_cannot_be_written_is_told_before_any_connection(place: str) -> None:
    a_file("a file in the place of a directory", "taken")

    (problem,) = refusal({"TRADER_STATE_DIR": place})

    assert problem.startswith(f"TRADER_STATE_DIR={place!r} (environment): must be a directory that can be created and written to (")


def test_the_default_state_directory_is_tried_too() -> None:
    a_file("in the way", "state")

    assert refusal({})[0].startswith("TRADER_STATE_DIR='state' (default): must be a directory")


@pytest.mark.parametrize("line", ["COINCALL_API_SECRET_TEST='s3cr3t", "TRADER_IO_WORKERS", "= 5", "  A'B"])
def test_a_malformed_line_of_env_is_told_by_number_and_never_shown(line: str) -> None:
    problems = refusal({}, env_file=a_file(f"# keys\n\n{line}\n"))

    assert problems == (".env line 3: not of the form NAME=value (a quote may be open)",)


def test_a_name_set_twice_in_env_is_told() -> None:
    (problem,) = refusal({}, env_file=a_file("TRADER_IO_WORKERS=1\nTRADER_IO_WORKERS=2\n"))

    assert problem == ".env line 2: TRADER_IO_WORKERS is set again, first at .env line 1; keep one"


def test_a_file_that_is_not_there_or_no_text_is_told() -> None:
    Path("binary.env").write_bytes(b"\xff\xfe\x00")

    assert refusal({}, env_file=Path("absent.env")) == ("absent.env: cannot be read: No such file or directory",)
    assert refusal({}, env_file=Path("binary.env")) == ("binary.env: cannot be read: it is not UTF-8 text",)


def test_l71_a_limit_in_a_profile_is_used_and_an_unknown_one_is_told() -> None:
    assert load_settings({}, {}, profile=a_file("TRADER_MAX_ORDERS_OPEN = 7\n", "p.toml")).max_orders_open == 7
    assert refusal({}, profile=a_file("max_orders = 7\n", "q.toml"))[0].startswith("max_orders (q.toml) is not a setting")


def test_a_profile_holds_no_secret_and_no_table() -> None:
    profile = a_file('COINCALL_API_KEY_PAPER = "k"\nCOINCALL_API_SECRET_PAPER = "s"\nTRADER_IO_WORKERS = true\n[risk]\nx = 1\n', "p.toml")

    problems = refusal({}, profile=profile)

    assert [problem.split(": ", 1)[1].split(" ")[0] for problem in problems if problem.startswith("p.toml: ")] == [
        "COINCALL_API_KEY_PAPER",
        "COINCALL_API_SECRET_PAPER",
        "TRADER_IO_WORKERS",
        "risk",
    ]


def test_a_profile_that_is_no_toml_is_told() -> None:
    assert refusal({}, profile=a_file("a = = b", "p.toml"))[0].startswith("p.toml: not TOML: ")


def test_l53_no_secret_shows_itself() -> None:
    url = "postgresql+psycopg://trader:hunter2@db/trader"
    settings = load_settings({}, {"TRADING_ENVIRONMENT": "testnet", **keys("TEST"), "TRADER_JOURNAL_URL": url})

    assert not any(secret in f"{settings!r} {settings} {settings.model_dump()}" for secret in (KEY, SECRET, "hunter2"))
    assert settings.secrets == (KEY, SECRET, url)


def test_settings_do_not_change_and_know_no_others() -> None:
    settings = load_settings({}, {})

    with pytest.raises(ValidationError):
        settings.io_workers = 9  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Settings.model_validate({"TRADER_IO_WORKERS": "1", "other": 1})


def test_values_of_their_own_type_are_taken_as_they_are() -> None:
    settings = Settings(max_orders_open=None, given_base_url=None, key_test=SecretStr(KEY))

    assert (settings.max_orders_open, settings.secrets) == (None, (KEY,))


def test_settings_made_by_hand_without_a_key_say_so_when_asked() -> None:
    with pytest.raises(ConfigError, match="no API key"):
        _ = Settings(environment=Environment.TESTNET).api_key


def test_reading_settings_opens_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)

    load_settings({}, {"TRADING_ENVIRONMENT": "testnet", **keys("TEST")})


def test_the_example_changes_nothing_and_shows_the_true_defaults() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    shown = re.sub(r"^# ([A-Z_]+=)", r"\1", example, flags=re.MULTILINE)

    plain = load_settings({}, {})
    assert load_settings({}, {}, env_file=a_file(example)) == plain
    assert load_settings({}, {}, env_file=a_file(shown)) == plain


def test_the_manual_gives_each_setting_its_true_default() -> None:
    rows = dict(
        re.findall(r"^\| `([A-Z_]+)` \| `([^`]*)` \|", (ROOT / "docs/configuration.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    )

    assert len(rows) >= 18
    assert load_settings({}, rows) == load_settings({}, {})


@pytest.mark.parametrize("variable", documented_settings())
def test_every_setting_stands_in_the_example_and_in_the_manual(variable: str) -> None:
    assert re.search(rf"^(# )?{variable}=", (ROOT / ".env.example").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert f"`{variable}`" in (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
