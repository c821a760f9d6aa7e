"""Is nothing of ours left at the venue? Its own word for it: positions younger than our last fill, and its list of open orders.

One rule: what cannot be told apart from ours counts as ours. Others hold what they hold: their share of an option is what the venue last
showed beyond our books while we held some and no order of ours was out in it, and what was handed over to them since; where that was never
seen, nothing at all may be left.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from loguru import logger

from clock import Clock
from domain import ZERO, AccountSnapshot, ClientOrderId, OrderReport
from ports import IoPool
from trade_lifecycle import TradeLifecycle

ASK_EVERY = timedelta(seconds=2)
LAG = timedelta(seconds=3)  # what the venue's positions may lag behind its trades


class OwnOrders(Protocol):
    """The two questions about orders that go past our own books; every `OrderGateway` answers them."""

    def open_orders(self) -> Sequence[OrderReport]:
        """Return every open order of the account, ours or not."""
        ...

    def cancel(self, client_id: ClientOrderId, /) -> None:
        """Ask to cancel an order."""
        ...


class Flatness:
    """What the venue says of our options and orders, gathered until it agrees that nothing is left. On the tick thread."""

    def __init__(self, orders: OwnOrders, desk: int, *, reads: IoPool, urgent: IoPool, clock: Clock) -> None:
        self._orders, self._desk, self._reads, self._urgent, self._clock = orders, desk, reads, urgent, clock
        self.begin()

    def begin(self) -> None:
        """Begin to look: forget all that was seen another time."""
        self._others: dict[str, Decimal] = {}
        self._given: dict[str, Decimal] = {}  # what had been handed over when others' share was last seen
        self._last_fill: datetime | None = None
        self.ask_anew()

    def ask_anew(self) -> None:
        """Forget what the venue said of our open orders: something moved since."""
        self._asked_at: datetime | None = None
        self._asking = self._clear = False
        self._strays: tuple[str, ...] = ()
        self._question = object()

    def note(self, trades: Iterable[TradeLifecycle], busy: Collection[str], account: AccountSnapshot) -> None:
        """Keep in mind what others hold of the trades' options, where no order of ours is out in them."""
        known = list(trades)
        self._last_fill = max((trade.last_fill_at for trade in known if trade.last_fill_at is not None), default=None)
        if not self._recent(account):
            return
        for symbol, held in _held(known).items():
            if held != 0 and symbol not in busy:
                self._others[symbol] = _shown(account, symbol) - held
                self._given[symbol] = _given(known).get(symbol, ZERO)

    def doubts(self, trades: Sequence[TradeLifecycle], account: AccountSnapshot) -> tuple[str, ...]:
        """Say what keeps the venue from agreeing that nothing of the trades is left, and ask it what needs asking; empty if it agrees."""
        if not self._recent(account):
            return ("the venue's account is not known yet as of after the last fill",)
        theirs = dict.fromkeys((leg.option.symbol for trade in trades for leg in trade.legs), ZERO) | self._others
        for symbol, given in _given(trades).items():
            theirs[symbol] += given - self._given.get(symbol, ZERO)
        found = [
            f"the venue shows {shown:+f} {symbol}, which our books do not explain"
            for symbol, others in sorted(theirs.items())
            if (shown := _shown(account, symbol)) not in (ZERO, others)
        ]
        if found:
            return tuple(found)
        if self._clear:
            return ()
        self._ask(account.now)
        strays = tuple(f"order {stray} of ours is open at the venue and in none of our books" for stray in self._strays)
        return strays or ("the venue has not listed its open orders yet",)

    def _recent(self, account: AccountSnapshot) -> bool:
        if not account.valid or account.at is None:
            return False
        return self._last_fill is None or account.at > self._last_fill + LAG

    def _ask(self, now: datetime) -> None:
        if self._asking or (self._asked_at is not None and now < self._asked_at + ASK_EVERY):
            return
        question = self._question
        self._asking, self._asked_at = True, now
        self._reads.run(self._orders.open_orders, lambda answer: self._listed(question, answer))

    def _listed(self, question: object, answer: Sequence[OrderReport] | Exception) -> None:
        if question is not self._question:  # it was asked before something moved
            return
        self._asking = False
        if isinstance(answer, Exception):
            logger.debug("open orders unknown while going flat reason={}", answer)
            return
        ours = [report.client_id for report in answer if report.client_id is not None and report.client_id.desk == self._desk]
        self._clear, self._strays = not ours, tuple(map(str, ours))
        for name in ours:  # ours by prefix and desk, and in no book of ours that would cancel it
            logger.warning("order of ours found at the venue alone id={}: cancelling it", name)
            self._urgent.run(_cancelling(self._orders, name), _cancelled)


def _held(trades: Iterable[TradeLifecycle]) -> Mapping[str, Decimal]:
    held: dict[str, Decimal] = {}
    for trade in trades:
        for leg in trade.legs:
            held[leg.option.symbol] = held.get(leg.option.symbol, ZERO) + leg.held
    return held


def _given(trades: Iterable[TradeLifecycle]) -> Mapping[str, Decimal]:
    given: dict[str, Decimal] = {}
    for trade in trades:
        for leg in trade.legs:
            given[leg.option.symbol] = given.get(leg.option.symbol, ZERO) + leg.side.sign * leg.handed_over
    return given


def _shown(account: AccountSnapshot, symbol: str) -> Decimal:
    position = account.position(symbol)
    return ZERO if position is None else position.signed_qty


def _cancelling(orders: OwnOrders, name: ClientOrderId) -> Callable[[], None]:
    return lambda: orders.cancel(name)


def _cancelled(outcome: object) -> None:
    if isinstance(outcome, Exception):
        logger.warning("cancel unanswered while going flat reason={}", outcome)
