"""The exchange as one thing: engine, market, clock, accounts and what is kept on disk, all owned by one thread.

Market time here never goes back. What the engine changed is written before anything that shows it is answered.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import msgspec

from clock import Clock
from errors import ConfigError
from paper.engine import Engine
from paper.market import Feed, IndexView
from paper.rows import Changes, Event
from paper.rules import Refused
from paper.store import Store, StoredRow, row

FIRST_USER = 1_695_000_000_000_001
FIRST_TRANSFER = 1_700_000_000_000_001
COIN = "USDT"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSpec:
    """An account as asked for: who, with which key, and the USDT it starts with the first time it is seen.

    A name `desk/hedge` is a sub-account of `desk`; several keys of one name are keys of one account.
    """

    name: str
    key: str
    secret: str = field(repr=False)
    cash: Decimal = Decimal(100_000)
    read_only: bool = False
    market_maker: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What a key stands for."""

    key: str
    secret: str = field(repr=False)
    user: int
    name: str
    read_only: bool
    market_maker: bool


class Deposit(msgspec.Struct, frozen=True, kw_only=True):
    """USDT that came to an account from outside, at its opening."""

    id: int
    user: int
    amount: Decimal
    at: datetime


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """USDT moved between two accounts of one owner."""

    id: int
    source: int
    target: int
    amount: Decimal
    at: datetime


class Moment(msgspec.Struct, frozen=True):
    """How far market time had come."""

    at: datetime


Listener = Callable[[Sequence[Event]], None]


class PaperExchange:
    """Every account, order and price of the paper exchange, and the one place that changes them."""

    def __init__(self, engine: Engine, feed: Feed, clock: Clock, store: Store | None = None) -> None:
        self.engine, self.feed = engine, feed
        self.deposits: list[Deposit] = []
        self.transfers: list[Transfer] = []
        self.frozen: dict[str, IndexView] = {}
        self.listeners: list[Listener] = []
        self._clock, self._store = clock, store
        self._by_key: dict[str, Credential] = {}
        self._unsaved: list[StoredRow] = []
        self._now = clock.now()

    @property
    def keeps_state(self) -> bool:
        """Tell whether anything is written to disk."""
        return self._store is not None

    @property
    def credentials(self) -> Sequence[Credential]:
        """Return every key that may sign."""
        return list(self._by_key.values())

    def credential(self, key: str) -> Credential | None:
        """Return what a key stands for; None if it is unknown."""
        return self._by_key.get(key)

    def names(self) -> Mapping[int, str]:
        """Return the names of all accounts of users by user id."""
        return {account.user: account.name for account in self.engine.reports.accounts() if account.user >= FIRST_USER}

    def now(self) -> datetime:
        """Return market time, never earlier than it was returned before."""
        self._now = max(self._now, self._clock.now())
        return self._now

    def catch_up(self) -> datetime:
        """Bring the market to now and return it."""
        now = self.now()
        self.engine.advance(now)
        return now

    def open_accounts(self, specs: Iterable[AccountSpec]) -> None:
        """Open the accounts that are new, with their first deposit, and admit all keys; raise ConfigError if a key is given twice."""
        users = {name: user for user, name in self.names().items()}
        for spec in specs:
            if spec.key in self._by_key:
                raise ConfigError(f"account {spec.name}: its key is given to another account already")
            user = users.get(spec.name)
            if user is None:
                user = users[spec.name] = max([FIRST_USER - 1, *users.values()]) + 1
                self._open(user, spec)
            self._by_key[spec.key] = Credential(
                key=spec.key, secret=spec.secret, user=user, name=spec.name, read_only=spec.read_only, market_maker=spec.market_maker
            )
        self.settle()

    def index(self, underlying: str, now: datetime) -> IndexView:
        """Return the index as it is told, with its source time (a frozen one stays as it was); raise KeyError for an unknown underlying."""
        return self.frozen.get(underlying) or self.feed.index(underlying, now)

    def move_cash(self, source: int, target: int, amount: Decimal, now: datetime) -> None:
        """Move USDT between two accounts; raises Refused, moving nothing, if source may not spare it."""
        if amount > self.engine.reports.summary(source, now).available:
            raise Refused(40009, "Transfer amount exceeds can withdraw balance amount")
        self.engine.transfer(source, -amount, now)
        self.engine.transfer(target, amount, now)
        moved = Transfer(id=FIRST_TRANSFER + len(self.transfers), source=source, target=target, amount=amount, at=now)
        self.transfers.append(moved)
        self._unsaved.append(row("transfer", moved.id, moved))

    def settle(self) -> None:
        """Write what changed since the last call, and tell the listeners; raise JournalError, and keep it, if that fails."""
        changes, events = self.engine.drain_changes(), self.engine.drain_events()
        if self._store is not None:
            self._unsaved.extend(rows_of(changes))
            self._unsaved.append(row("clock", "now", Moment(self._now)))
            self._store.write(self._unsaved)
        self._unsaved.clear()
        if events:
            for listener in self.listeners:
                listener(events)

    def close(self) -> None:
        """Write the last of it and let go of the store."""
        self.settle()
        if self._store is not None:
            self._store.close()

    def _open(self, user: int, spec: AccountSpec) -> None:
        self.engine.add_account(user, spec.name, spec.cash)
        deposit = Deposit(id=FIRST_TRANSFER + len(self.deposits), user=user, amount=spec.cash, at=self._now)
        self.deposits.append(deposit)
        self._unsaved.append(row("deposit", deposit.id, deposit))


def rows_of(changes: Changes) -> Iterator[StoredRow]:
    """Return how what changed is stored."""
    if changes.empty:
        return
    yield row("meta", "engine", changes.meta)
    for holding in changes.positions:
        yield row("position", f"{holding.user}/{holding.symbol}", holding)
    yield from (row("account", account.user, account) for account in changes.accounts)
    yield from (row("order", order.order_id, order) for order in changes.orders)
    yield from (row("trade", trade.trade_id, trade) for trade in changes.trades)
    yield from (row("exercise", exercise.exercise_id, exercise) for exercise in changes.exercises)
    yield from (row("book", book.symbol, book) for book in changes.books)
    yield from (row("request", request.request_id, request) for request in changes.requests)
    yield from (row("quote", quote.quote_id, quote) for quote in changes.quotes)
    yield from (row("block", block.block_id, block) for block in changes.blocks)
    yield from (row("countdown", f"{one.user}/{one.product}/{one.symbol}", one) for one in changes.countdowns)
    yield from (row("protection", f"{one.user}/{one.index}", one) for one in changes.protections)
