"""One visit of the doctor: every check by itself, in the order in which they build on each other, and the diagnosis.

One rule: it disturbs nobody. It reads the journal beside the daemon, takes no lock, touches no order but its own canary; and a check
that fails, in whatever way, is a finding, and the others are made all the same.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from clock import Clock, SystemClock, wall_now
from config import Settings
from doctor import machine, wishes
from doctor import venue as at_venue
from doctor.canary import Canary
from doctor.findings import Diagnosis, Finding, Level, fail, ok, warn
from doctor.venue import Probe, Venue, advice, visited
from domain import Chain, Environment
from errors import ConfigError, VenueError
from exchanges.coincall.canary import CanaryOrders, a_name
from logbook import redactor
from paper_process import PaperPlan, PaperProcess
from strategy import StrategyConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruments:
    """What the doctor looks with; others are for rehearsals."""

    probe: Probe | None = None
    free: Callable[[Path], int] = machine._free
    canary: Callable[[Venue], Canary] = field(
        default=lambda venue: Canary(CanaryOrders(venue.client, venue.transport), lambda: a_name(venue.clock))
    )


def run(
    settings: Settings,
    home: Path,
    strategies: Sequence[StrategyConfig],
    problems: Sequence[str] = (),
    *,
    canary: bool = False,
    live: bool = False,
    env_file: Path | None = None,
    instruments: Instruments | None = None,
) -> Diagnosis:
    """Look at everything and return what was found; no text of it holds a secret.

    `problems` are those of strategies that could not be loaded; `live` is the word without which no canary flies in production
    (ConfigError). With the embedded exchange one is started for the visit, with a state of its own.
    """
    if canary and settings.environment is Environment.PRODUCTION and not live:
        raise ConfigError("--canary places an order at the real exchange: add --live to say so, or leave --canary out")
    tools = Instruments() if instruments is None else instruments
    findings = [
        *_machine(settings, home, problems, env_file, tools),
        *_at_the_venue(settings, strategies, tools, canary=canary),
    ]
    diagnosis = Diagnosis(environment=str(settings.environment), at=wall_now(), findings=tuple(findings))
    return diagnosis.without(redactor(settings.secrets))


def wrong_input(problems: Iterable[str]) -> Diagnosis:
    """Return the diagnosis of settings that cannot be used: each problem is a finding, and nothing else was looked at."""
    findings = tuple(fail("settings", problem, "mend it in .env or on the command line (docs/configuration.md)") for problem in problems)
    return Diagnosis(environment="unknown", at=wall_now(), findings=findings, wrong_input=True)


def _machine(settings: Settings, home: Path, problems: Sequence[str], env_file: Path | None, tools: Instruments) -> Iterator[Finding]:
    yield ok("settings", f"all good; environment {settings.environment}, {settings.base_url or 'embedded paper exchange'}")
    yield from (fail("strategies", problem, "mend this; strategies that are sound and named are not stopped by it") for problem in problems)
    checks: Sequence[tuple[str, Callable[[], Iterable[Finding]]]] = (
        ("packages", machine.python_and_packages),
        ("settings file", lambda: machine.secrets_file(env_file)),
        ("state directory", lambda: machine.directory("state", settings.state_dir)),
        ("state disk", lambda: machine.space("state", settings.state_dir, tools.free)),
        ("log directory", lambda: machine.directory("log", settings.log_dir)),
        ("log disk", lambda: machine.space("log", settings.log_dir, tools.free)),
        ("journal", lambda: machine.journal_health(settings, home)),
        ("alerts", lambda: machine.alert_addresses(settings.alert_addresses)),
    )
    for name, check in checks:
        yield from examined(name, check)


def _at_the_venue(settings: Settings, strategies: Sequence[StrategyConfig], tools: Instruments, *, canary: bool) -> Iterator[Finding]:
    with ExitStack() as stack:
        try:
            url, ws_url, clock = stack.enter_context(_exchange(settings))
            venue = stack.enter_context(visited(settings, clock, url, ws_url))
        except (ConfigError, OSError) as error:
            yield fail("venue", f"cannot be asked: {error}", "mend this first; nothing about the venue was looked at")
            return
        yield from examined("host", lambda: at_venue.hosts(venue))
        answers = list(examined("http", lambda: at_venue.clock_skew(venue)))
        yield from answers
        if answers[0].level is Level.FAIL:
            said = "key, rights, streams, instruments and canary were not looked at"
            yield warn("venue", said, "the venue must answer first")
            return
        yield from examined("account", lambda: at_venue.signed_round_trip(venue))
        yield from examined("key", lambda: at_venue.key_rights(venue))
        yield from examined("rights", lambda: at_venue.maker_access(venue))
        yield from _on_the_market(settings, strategies, venue, tools, canary=canary)


def _on_the_market(
    settings: Settings, strategies: Sequence[StrategyConfig], venue: Venue, tools: Instruments, *, canary: bool
) -> Iterator[Finding]:
    chains: dict[str, Chain] = {}

    def read(underlying: str) -> Iterable[Finding]:
        chains[underlying] = wishes.listed_chain(venue.market, underlying)
        return wishes.listings({underlying: chains[underlying]})

    def judged(config: StrategyConfig) -> Iterable[Finding]:
        return wishes.strategy(config, chains, now, settings.rfq_min_notional)

    for underlying in wishes.underlyings(strategies):
        yield from examined(f"options {underlying}", lambda underlying=underlying: read(underlying))  # type: ignore[misc]
    now: datetime = venue.clock.now()
    for config in strategies:
        yield from examined(f"strategy {config.name}", lambda config=config: judged(config))  # type: ignore[misc]
    option = wishes.an_option(chains, now)
    if option is None:
        yield warn("streams", "not looked at: there is no quoted option to listen to", "try again when the market is quoted")
    else:
        yield from examined("streams", lambda: at_venue.streams(venue, option.symbol, tools.probe))
    if canary:
        yield from examined("canary", lambda: tools.canary(venue).fly(chains, venue.clock.now()))


def examined(name: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Make one check; whatever it raises is a finding, after those that it had made."""
    try:
        yield from check()
    except VenueError as error:
        yield fail(name, str(error), advice(error))
    except Exception as error:  # noqa: BLE001 - one check that breaks must not cost the others
        yield fail(
            name, f"the check itself failed: {type(error).__name__}: {error}", "read the reason; the other findings stand by themselves"
        )


@contextmanager
def _exchange(settings: Settings) -> Iterator[tuple[str, str, Clock]]:
    """Give addresses and clock of the venue; the embedded exchange is begun for it, remembers nothing and ends with it."""
    if not settings.embedded:
        yield str(settings.base_url), str(settings.ws_url), SystemClock()
        return
    key, secret = settings.api_key.get_secret_value(), settings.api_secret.get_secret_value()
    with TemporaryDirectory(prefix="doctor-") as folder:
        plan = PaperPlan(
            market=settings.paper_market if isinstance(settings.paper_market, str) else str(settings.paper_market.resolve()),
            speed=settings.paper_speed,
            seed=settings.paper_seed,
            port=0,
            state_dir=Path(folder) / "exchange",
            log_file=Path(folder) / "exchange.log",
            account=f"trader:{key}:{secret}:{settings.paper_cash}",
        )
        exchange = PaperProcess(plan)
        exchange.start()
        try:
            yield exchange.url, exchange.url.replace("http", "ws", 1), exchange.clock()
        finally:
            exchange.stop()
