"""A session of trading for a script: the services of the daemon, without its strategies and without its loop.

One rule: what a session is made of is assembled here for scripts and for the daemon alike, over the same journal and under the same lock.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import logbook
from clock import SystemClock
from commands import heed_attention
from config import Settings, load_settings
from context import TradingContext, build_context
from domain.quoting import QuotingPolicy
from journal import open_journal
from paper_process import PaperPlan, PaperProcess
from strategy import StrategyConfig
from wiring import Wiring

LET_GO_WITHIN = 2.5  # real seconds


@contextmanager
def session(
    given: Mapping[str, str] | None = None, *, env_file: Path | None = None, profile: Path | None = None, live: bool = False
) -> Iterator[TradingContext]:
    """Read the settings as the daemon does, begin a session by them, and let go of everything at its end, trades left as they are.

    `given` are settings by name (`TRADER_PAPER_SPEED`), before all other places; `live` is the word that production needs. Raises
    ConfigError; JournalError where the journal is in use, as by a running daemon. Nothing is opened while the journal needs attention.
    """
    settings = load_settings(given or {}, os.environ, env_file or usual_env_file(), profile, live=live)
    logbook.set_up(settings.log_dir, settings.log_level, terminal=True, secrets=settings.secrets)
    try:
        context, exchange = assembled(settings, home_of(settings), ())
        try:
            heed_attention(context)
            yield context
        finally:
            let_go(context, exchange)
    finally:
        logbook.finish()


def usual_env_file() -> Path | None:
    """Return the settings file that is read where none is named; None where there is none."""
    return Path(".env") if Path(".env").exists() else None


def home_of(settings: Settings) -> Path:
    """Return where this environment keeps its state: paper markets, testnet and production never share a journal."""
    name = str(settings.environment)
    if settings.embedded:
        name += f"-{Path(settings.paper_market).name}-{settings.paper_seed}"
    return settings.state_dir / name


def assembled(
    settings: Settings,
    home: Path,
    strategies: Sequence[StrategyConfig],
    wiring: Wiring | None = None,
    policies: Sequence[QuotingPolicy] = (),
) -> tuple[TradingContext, PaperProcess | None]:
    """Open the journal, start the embedded exchange where there is one, and build every service; all or nothing.

    The log must be set up. Raises ConfigError or JournalError.
    """
    opened = open_journal(home, SystemClock(), None if settings.journal_url is None else settings.journal_url.get_secret_value())
    exchange = None
    try:
        exchange = _exchange(settings, home, makes_markets=bool(policies))
        clock = SystemClock() if exchange is None else exchange.clock()
        if settings.paper_speed != 1:
            logbook.set_up(settings.log_dir, settings.log_level, terminal=True, secrets=settings.secrets, market_now=clock.now)
        url, spacing = (str(settings.base_url), None) if exchange is None else (exchange.url, exchange.spacing)
        return build_context(
            settings, strategies, clock, opened, base_url=url, home=home, spacing=spacing, wiring=wiring, policies=policies
        ), exchange
    except BaseException:  # also a signal: nobody would let go of them later
        opened.journal.close()
        if exchange is not None:
            exchange.stop()
        raise


def let_go(context: TradingContext, exchange: PaperProcess | None) -> None:
    """Book what is on its way, close the journal, and end the embedded exchange."""
    try:
        context.close(LET_GO_WITHIN)
    finally:
        if exchange is not None:
            exchange.stop(1.0)


def _exchange(settings: Settings, home: Path, *, makes_markets: bool) -> PaperProcess | None:
    if not settings.embedded:
        return None
    key, secret = settings.api_key.get_secret_value(), settings.api_secret.get_secret_value()
    market = settings.paper_market if isinstance(settings.paper_market, str) else str(settings.paper_market.resolve())
    plan = PaperPlan(
        market=market,
        speed=settings.paper_speed,
        seed=settings.paper_seed,
        port=settings.paper_port,
        state_dir=home / "exchange",
        log_file=settings.log_dir / "paper_exchange.log",
        account=f"trader:{key}:{secret}:{settings.paper_cash}",
        makes_markets=makes_markets or _wants_grant(settings),
    )
    exchange = PaperProcess(plan)
    exchange.start()
    return exchange


def _wants_grant(settings: Settings) -> bool:
    """Tell whether settings ask for something that a venue keeps for market makers."""
    return settings.countdown is not None or settings.mmp_interval is not None or settings.batch_orders == "on"
