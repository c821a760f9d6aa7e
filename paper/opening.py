"""How the exchange comes to be: what was asked for, what the state directory remembers, and the clock and market that follow from both.

With remembered state market time goes on from where it had come, a moment later: nobody was ever told a later one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import msgspec

from clock import EPOCH, SystemClock, wall_now
from errors import ConfigError
from paper.block_rows import BlockQuoteRow, BlockRow, RequestRow
from paper.countdown import CountdownRow
from paper.engine import Engine
from paper.exchange import AccountSpec, Deposit, Moment, PaperExchange, Transfer
from paper.makers import MakerModel
from paper.market import Feed
from paper.mmp import ProtectionRow
from paper.rows import AccountRow, BookRow, ExerciseRow, HoldingRow, Image, MatchRow, MetaRow, OrderRow
from paper.rules import Rules
from paper.store import Store, damaged, row

SYNTHETIC = "synthetic"
DEMO = AccountSpec(name="demo", key="paper-demo-key", secret="paper-demo-secret")
# More wall time than passes between two writes of the clock.
_BETWEEN_WRITES = timedelta(seconds=1)
_ROWS: Mapping[str, tuple[str, type[msgspec.Struct]]] = {
    "account": ("accounts", AccountRow),
    "order": ("orders", OrderRow),
    "trade": ("trades", MatchRow),
    "position": ("positions", HoldingRow),
    "exercise": ("exercises", ExerciseRow),
    "book": ("books", BookRow),
    "request": ("requests", RequestRow),
    "quote": ("quotes", BlockQuoteRow),
    "block": ("blocks", BlockRow),
    "countdown": ("countdowns", CountdownRow),
    "protection": ("protections", ProtectionRow),
}
Saved = Mapping[str, Sequence[tuple[str, str]]]
RowT = TypeVar("RowT", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeOptions:
    """What the exchange is asked to be: its market (`synthetic`, or the path of recordings), clock, accounts, state, rules and makers.

    The makers draw from the market's seed; None means that nobody answers requests for quotes but accounts that are makers.
    """

    market: str = SYNTHETIC
    seed: int = 1
    speed: float = 1.0
    market_start: datetime | None = None
    wall_start: datetime | None = None
    state_dir: Path | None = None
    accounts: Sequence[AccountSpec] = field(default_factory=lambda: (DEMO,))
    rules: Rules = field(default_factory=Rules)
    makers: MakerModel | None = field(default_factory=MakerModel)


class MarketRow(msgspec.Struct, frozen=True):
    """Which market a state belongs to; `start` is where a synthetic one begins."""

    market: str
    seed: int
    start: datetime


@dataclass(frozen=True, slots=True)
class Opened:
    """The exchange and the three values from which another process builds the same clock."""

    exchange: PaperExchange
    speed: float
    market_start: datetime
    wall_start: datetime
    spacing: timedelta | None  # the longest gap between recordings; None where the market is live


def open_exchange(options: ExchangeOptions) -> Opened:
    """Open the exchange as asked for, over what its state directory remembers; raise ConfigError if the two do not agree."""
    store = None if options.state_dir is None else Store(options.state_dir)
    saved: Saved = {} if store is None else store.read()
    wall_start = options.wall_start or wall_now()
    market = _market(saved, options, wall_start)
    feed, earliest, spacing = _feed(market)
    market_start = _market_start(saved, options, max(earliest, market.start))
    clock = SystemClock(options.speed, market_start=market_start, wall_start=wall_start)
    _never_back(saved, clock.now())
    engine = _engine(saved, feed, options.rules, clock.now())
    if options.makers is not None:
        engine.hire(replace(options.makers, seed=market.seed))
    exchange = PaperExchange(engine, feed, clock, store)
    exchange.deposits.extend(sorted(_all(saved, "deposit", Deposit), key=lambda one: one.id))
    exchange.transfers.extend(sorted(_all(saved, "transfer", Transfer), key=lambda one: one.id))
    if store is not None:
        store.write([row("market", "market", market)])
    exchange.open_accounts(options.accounts)
    return Opened(exchange, options.speed, market_start, wall_start, spacing)


def _market(saved: Saved, options: ExchangeOptions, wall_start: datetime) -> MarketRow:
    known = _all(saved, "market", MarketRow)
    if not known:
        return MarketRow(options.market, options.seed, EPOCH if options.market != SYNTHETIC else options.market_start or wall_start)
    if (known[0].market, known[0].seed) != (options.market, options.seed):
        raise ConfigError(
            f"the state in {options.state_dir} belongs to the market {known[0].market} with seed {known[0].seed}, not to "
            f"{options.market} with seed {options.seed}: name those, or another state directory"
        )
    return known[0]


def _feed(market: MarketRow) -> tuple[Feed, datetime, timedelta | None]:
    """Return the market and its first moment; the library that reads recordings loads slowly, so only when needed."""
    if market.market == SYNTHETIC:
        from paper.synthetic import SyntheticFeed  # noqa: PLC0415

        return SyntheticFeed(market.seed, market.start), market.start, None
    from paper.replay import ReplayFeed  # noqa: PLC0415

    if not Path(market.market).is_dir():
        raise ConfigError(f"--market {market.market}: neither {SYNTHETIC} nor a directory of recordings that can be read")
    try:
        feed = ReplayFeed(market.market, seed=market.seed)
        return feed, feed.start, feed.spacing_max
    except OSError as error:
        raise ConfigError(f"--market {market.market}: its recordings cannot be read: {error}") from error


def _market_start(saved: Saved, options: ExchangeOptions, first: datetime) -> datetime:
    if options.market_start is not None:
        return options.market_start
    reached = _all(saved, "clock", Moment)
    return reached[0].at + _BETWEEN_WRITES * options.speed if reached else first


def _never_back(saved: Saved, now: datetime) -> None:
    for reached in _all(saved, "clock", Moment):
        if now < reached.at:
            raise ConfigError(f"market time would go back from {reached.at.isoformat()} to {now.isoformat()}: leave out --market-start")


def _engine(saved: Saved, feed: Feed, rules: Rules, now: datetime) -> Engine:
    metas = _all(saved, "meta", MetaRow)
    if not metas:
        return Engine(feed, rules, now)
    rows = {field: _all(saved, kind, of) for kind, (field, of) in _ROWS.items()}
    return Engine.from_image(feed, rules, msgspec.convert({"meta": metas[0], **rows}, Image))


def _all(saved: Saved, kind: str, of: type[RowT]) -> list[RowT]:
    try:
        return [msgspec.json.decode(body, type=of) for _, body in saved.get(kind, [])]
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise damaged(f"a row {kind} of the exchange's state", error) from error
