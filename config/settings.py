"""All that the user may set, as one frozen value; this is the only place that names the venue's hosts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from config.values import choice, decimal, host, levels, market, maybe, path, seconds, whole
from domain import Environment, KillPolicy, RoutingThresholds, Severity
from errors import ConfigError

LOG_LEVELS = ("TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL")
PAPER_KEY, PAPER_SECRET = "paper-key", "paper-secret"  # what the embedded exchange is started with; opens nothing else


@dataclass(frozen=True, slots=True)
class Hosts:
    """Where an environment answers: REST and WebSocket, scheme, host and port only."""

    rest: str
    stream: str


# Source: Coincall API 1.1.
HOSTS: Mapping[Environment, Hosts] = {
    Environment.PRODUCTION: Hosts("https://api.coincall.com", "wss://ws.coincall.com"),
    Environment.TESTNET: Hosts("https://betaapi.coincall.com", "wss://betaws.coincall.com"),
}


class Settings(BaseModel):
    """Everything the user may set, checked. Durations are timedelta, money is USD; secrets show themselves only when asked."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    environment: Annotated[Environment, BeforeValidator(choice("paper", "testnet", "production", fold=str.lower))] = Field(
        Environment.PAPER, alias="TRADING_ENVIRONMENT"
    )
    key_test: SecretStr | None = Field(None, alias="COINCALL_API_KEY_TEST")
    secret_test: SecretStr | None = Field(None, alias="COINCALL_API_SECRET_TEST")
    key_prod: SecretStr | None = Field(None, alias="COINCALL_API_KEY_PROD")
    secret_prod: SecretStr | None = Field(None, alias="COINCALL_API_SECRET_PROD")
    key_paper: SecretStr = Field(SecretStr(PAPER_KEY), alias="COINCALL_API_KEY_PAPER")
    secret_paper: SecretStr = Field(SecretStr(PAPER_SECRET), alias="COINCALL_API_SECRET_PAPER")
    given_base_url: Annotated[str | None, BeforeValidator(maybe(host("http")))] = Field(None, alias="COINCALL_BASE_URL")
    given_ws_url: Annotated[str | None, BeforeValidator(maybe(host("ws")))] = Field(None, alias="COINCALL_WS_URL")

    poll_interval: Annotated[timedelta, BeforeValidator(seconds("0.5", "60"))] = Field(
        timedelta(seconds=2), alias="TRADER_POLL_INTERVAL_SECONDS"
    )
    tick_interval: Annotated[timedelta, BeforeValidator(seconds("0.01", "60"))] = Field(
        timedelta(seconds=0.25), alias="TRADER_TICK_INTERVAL_SECONDS"
    )
    max_data_age: Annotated[timedelta, BeforeValidator(seconds("1", "3600"))] = Field(
        timedelta(seconds=30), alias="TRADER_MAX_DATA_AGE_SECONDS"
    )
    frozen_after: Annotated[timedelta, BeforeValidator(seconds("30", "86400"))] = Field(
        timedelta(seconds=300), alias="TRADER_FROZEN_AFTER_SECONDS"
    )
    http_timeout: Annotated[timedelta, BeforeValidator(seconds("1", "300"))] = Field(
        timedelta(seconds=30), alias="TRADER_HTTP_TIMEOUT_SECONDS"
    )
    io_workers: Annotated[int, BeforeValidator(whole(1, 32))] = Field(4, alias="TRADER_IO_WORKERS")
    max_orders_open: Annotated[int | None, BeforeValidator(maybe(whole(1, 1000)))] = Field(None, alias="TRADER_MAX_ORDERS_OPEN")
    max_order_notional: Annotated[Decimal | None, BeforeValidator(maybe(decimal("1", "1000000000", "US dollars")))] = Field(
        None, alias="TRADER_MAX_ORDER_NOTIONAL_USD"
    )
    max_orders_per_minute: Annotated[int, BeforeValidator(whole(1, 10_000))] = Field(120, alias="TRADER_MAX_ORDERS_PER_MINUTE")
    batch_orders: Annotated[Literal["on", "off"], BeforeValidator(choice("on", "off", fold=str.lower))] = Field(
        "off", alias="TRADER_BATCH_ORDERS"
    )
    price_band: Annotated[Decimal, BeforeValidator(decimal("1", "1000", "per cent"))] = Field(Decimal(50), alias="TRADER_PRICE_BAND_PCT")
    price_band_index: Annotated[Decimal, BeforeValidator(decimal("0", "100", "per cent"))] = Field(
        Decimal("0.5"), alias="TRADER_PRICE_BAND_INDEX_PCT"
    )

    streams: Annotated[Literal["on", "off"], BeforeValidator(choice("on", "off", fold=str.lower))] = Field("on", alias="TRADER_STREAMS")
    stream_silence: Annotated[timedelta, BeforeValidator(seconds("3", "300"))] = Field(
        timedelta(seconds=10), alias="TRADER_STREAM_SILENCE_SECONDS"
    )
    reconcile_interval: Annotated[timedelta, BeforeValidator(seconds("10", "86400"))] = Field(
        timedelta(seconds=60), alias="TRADER_RECONCILE_SECONDS"
    )
    margin_levels: Annotated[tuple[Decimal, ...], BeforeValidator(levels("1", "1000"))] = Field(
        (Decimal(50), Decimal(70), Decimal(85)), alias="TRADER_MARGIN_LEVELS_PCT"
    )
    margin_reduce: Annotated[Decimal, BeforeValidator(decimal("1", "1000", "per cent"))] = Field(
        Decimal(90), alias="TRADER_MARGIN_REDUCE_PCT"
    )
    kill_policy: Annotated[KillPolicy, BeforeValidator(choice(*KillPolicy, fold=str.lower))] = Field(
        KillPolicy.URGENT, alias="TRADER_KILL_POLICY"
    )
    cancel_on_stop: Annotated[Literal["on", "off"], BeforeValidator(choice("on", "off", fold=str.lower))] = Field(
        "off", alias="TRADER_CANCEL_ON_STOP"
    )
    countdown: Annotated[timedelta | None, BeforeValidator(maybe(seconds("5", "3600")))] = Field(None, alias="TRADER_COUNTDOWN_SECONDS")
    countdown_on_stop: Annotated[Literal["disarm", "leave"], BeforeValidator(choice("disarm", "leave", fold=str.lower))] = Field(
        "disarm", alias="TRADER_COUNTDOWN_ON_STOP"
    )
    mmp_interval: Annotated[timedelta | None, BeforeValidator(maybe(seconds("1", "100000")))] = Field(
        None, alias="TRADER_MMP_INTERVAL_SECONDS"
    )
    mmp_frozen: Annotated[timedelta, BeforeValidator(seconds("0", "100000"))] = Field(timedelta(0), alias="TRADER_MMP_FROZEN_SECONDS")
    mmp_qty: Annotated[Decimal | None, BeforeValidator(maybe(decimal("0.01", "1000000", "coins")))] = Field(None, alias="TRADER_MMP_QTY")
    mmp_delta: Annotated[Decimal | None, BeforeValidator(maybe(decimal("0.01", "1000000", "coins")))] = Field(
        None, alias="TRADER_MMP_DELTA"
    )

    rfq_min_notional: Annotated[Decimal, BeforeValidator(decimal("0", "1000000000", "US dollars"))] = Field(
        Decimal(50_000), alias="TRADER_RFQ_MIN_NOTIONAL_USD"
    )
    route_rfq_notional: Annotated[Decimal, BeforeValidator(decimal("0", "1000000000", "US dollars"))] = Field(
        Decimal(50_000), alias="TRADER_ROUTE_RFQ_NOTIONAL_USD"
    )
    route_smart_notional: Annotated[Decimal, BeforeValidator(decimal("0", "1000000000", "US dollars"))] = Field(
        Decimal(10_000), alias="TRADER_ROUTE_SMART_NOTIONAL_USD"
    )
    route_smart_legs: Annotated[int, BeforeValidator(whole(2, 100))] = Field(3, alias="TRADER_ROUTE_SMART_LEGS")
    route_depth_share: Annotated[float, BeforeValidator(decimal("0.01", "1000", "a number"))] = Field(0.5, alias="TRADER_ROUTE_DEPTH_SHARE")
    route_spread_pct: Annotated[float, BeforeValidator(decimal("0.1", "1000", "per cent"))] = Field(10.0, alias="TRADER_ROUTE_SPREAD_PCT")
    route_min_history: Annotated[int, BeforeValidator(whole(2, 100_000))] = Field(20, alias="TRADER_ROUTE_MIN_HISTORY")

    state_dir: Annotated[Path, BeforeValidator(path)] = Field(Path("state"), alias="TRADER_STATE_DIR")
    log_dir: Annotated[Path, BeforeValidator(path)] = Field(Path("logs"), alias="TRADER_LOG_DIR")
    log_level: Annotated[str, BeforeValidator(choice(*LOG_LEVELS, fold=str.upper))] = Field("INFO", alias="TRADER_LOG_LEVEL")
    journal_url: SecretStr | None = Field(None, alias="TRADER_JOURNAL_URL")
    snapshot_interval: Annotated[timedelta, BeforeValidator(seconds("1", "86400"))] = Field(
        timedelta(seconds=60), alias="TRADER_SNAPSHOT_SECONDS"
    )
    health_interval: Annotated[timedelta, BeforeValidator(seconds("1", "86400"))] = Field(
        timedelta(seconds=300), alias="TRADER_HEALTH_SECONDS"
    )
    alert_cooldown: Annotated[timedelta, BeforeValidator(seconds("0", "86400"))] = Field(
        timedelta(seconds=900), alias="TRADER_ALERT_COOLDOWN_SECONDS"
    )
    alert_urls: SecretStr | None = Field(None, alias="TRADER_ALERT_URLS")
    alert_level: Annotated[Severity, BeforeValidator(choice(*Severity, fold=str.lower))] = Field(
        Severity.WARNING, alias="TRADER_ALERT_LEVEL"
    )

    paper_market: Annotated[Literal["synthetic"] | Path, BeforeValidator(market)] = Field("synthetic", alias="TRADER_PAPER_MARKET")
    paper_speed: Annotated[float, BeforeValidator(decimal("0.01", "10000", "a number"))] = Field(1.0, alias="TRADER_PAPER_SPEED")
    paper_seed: Annotated[int, BeforeValidator(whole(0, 2**31 - 1))] = Field(1, alias="TRADER_PAPER_SEED")
    paper_cash: Annotated[Decimal, BeforeValidator(decimal("1", "1000000000", "US dollars"))] = Field(
        Decimal(100_000), alias="TRADER_PAPER_CASH"
    )
    paper_port: Annotated[int, BeforeValidator(whole(0, 65535))] = Field(0, alias="TRADER_PAPER_PORT")

    @property
    def routing(self) -> RoutingThresholds:
        """Where `auto` changes from one way to execute to another."""
        return RoutingThresholds(
            rfq_notional=self.route_rfq_notional,
            smart_notional=self.route_smart_notional,
            smart_legs=self.route_smart_legs,
            depth_share=self.route_depth_share,
            wide_spread_pct=self.route_spread_pct,
            min_history=self.route_min_history,
        )

    @property
    def alert_addresses(self) -> tuple[str, ...]:
        """Where alerts are sent, each with its secrets in clear."""
        return () if self.alert_urls is None else tuple(self.alert_urls.get_secret_value().split())

    @property
    def embedded(self) -> bool:
        """Whether we start the paper exchange ourselves."""
        return self.environment is Environment.PAPER and self.given_base_url is None

    @property
    def base_url(self) -> str | None:
        """REST address; None where the embedded exchange will say it once it listens."""
        hosts = HOSTS.get(self.environment)
        return self.given_base_url or (None if hosts is None else hosts.rest)

    @property
    def ws_url(self) -> str | None:
        """WebSocket address; None where the embedded exchange will say it once it listens."""
        hosts = HOSTS.get(self.environment)
        beside = None if self.given_base_url is None else self.given_base_url.replace("http", "ws", 1)
        return self.given_ws_url or beside or (None if hosts is None else hosts.stream)

    @property
    def api_key(self) -> SecretStr:
        """The key of the chosen environment; raise ConfigError where load_settings has not seen to it that there is one."""
        return _present(self._chosen(self.key_paper, self.key_test, self.key_prod))

    @property
    def api_secret(self) -> SecretStr:
        """The secret of the chosen environment; raise ConfigError where load_settings has not seen to it that there is one."""
        return _present(self._chosen(self.secret_paper, self.secret_test, self.secret_prod))

    def _chosen(self, paper: SecretStr, test: SecretStr | None, prod: SecretStr | None) -> SecretStr | None:
        """Pick by environment; a paper exchange elsewhere takes the test pair where no paper pair is given."""
        if self.environment is Environment.PAPER:
            lent = not self.embedded and not {"key_paper", "secret_paper"} & self.model_fields_set
            return test if lent and test is not None else paper
        return {Environment.TESTNET: test, Environment.PRODUCTION: prod}[self.environment]

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret that was given, in clear, for the one who must keep them out of the logs."""
        held = (getattr(self, name) for name in type(self).model_fields)
        texts = [value.get_secret_value() for value in held if isinstance(value, SecretStr)]
        return tuple(text for text in (*texts, *self.alert_addresses) if text not in {PAPER_KEY, PAPER_SECRET})


def _present(secret: SecretStr | None) -> SecretStr:
    if secret is None:
        raise ConfigError("the chosen environment has no API key: write one into .env, see docs/configuration.md")
    return secret
