"""Is nothing of ours left at the venue? Its own word for it: positions younger than our last fill, and its list of open orders.

One rule: what cannot be told apart from ours counts as ours. Others hold what they hold: their share of an option is what the venue last
showed beyond our books while no trade of ours was moving in it and we either held some or had left it alone for as long as a list may
lag; and what was handed over to them since. Nothing is learnt of an option from when the switch makes a trade move in it. What was never
seen is nobody's, so nothing at all may be left. A trade of others could hide one of ours: so the venue's trades and orders must be compared
with our books once more.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from loguru import logger

from clock import Clock
from domain import ZERO, AccountSnapshot, ClientOrderId, OrderReport
from ports import IoPool
from trade_lifecycle import TradeLifecycle, TradeState

ASK_EVERY = timedelta(seconds=2)
LAG = timedelta(seconds=3)  # what the venue's positions may lag behind its trades
_AT_REST = (TradeState.PENDING_OPEN, TradeState.OPEN, TradeState.QUARANTINED)  # no order goes out for a trade in these
QUIET = timedelta(minutes=10)  # what its lists may lag: for so long after our orders nothing in an option is taken for others'


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
        self._others: dict[str, Decimal] = {}
        self._seen_at: dict[str, datetime] = {}
        self._touched: dict[str, datetime] = {}  # when a trade of ours was last known to be under way in an option
        self._moved_at: datetime | None = None  # our last fill, and our last trade's end
        self.compared: Callable[[datetime], str] = lambda _: ""  # why no comparison begun since then shows that nothing of ours is missing
        self.ask_anew()

    @property
    def others(self) -> Mapping[str, Decimal]:
        """Return the coins that others were last seen to hold, signed, by symbol."""
        return dict(self._others)

    def take_up(self, others: Mapping[str, Decimal], at: datetime) -> None:
        """Go on from what others were seen to hold at a moment of an earlier life."""
        self._others, self._seen_at = dict(others), dict.fromkeys(others, at)

    def ask_anew(self) -> None:
        """Forget what the venue said of our open orders: something moved since."""
        self._asked_at: datetime | None = None
        self._asking = self._clear = False
        self._strays: tuple[str, ...] = ()
        self._question = object()
        self._still_since: datetime | None = None

    def note(self, trades: Iterable[TradeLifecycle], busy: Collection[str], account: AccountSnapshot, since: datetime | None) -> None:
        """Keep in mind what others hold, on every tick, thrown (`since` when) or not.

        `trades` are all active ones and, once, each that has ended; `busy` are the options in which orders of ours are out.
        """
        known, now = list(trades), account.now
        for trade in known:
            self._follow(trade, now)
        self._touched.update(dict.fromkeys(busy, now))
        if not _younger(account, self._moved_at):
            return
        held, shown = _held(known), {position.symbol: position.signed_qty for position in account.positions}
        for symbol in shown.keys() | self._others.keys() | held.keys():
            ours = held.get(symbol, ZERO)
            if self._tells(symbol, now, since, holding=ours != 0):
                self._learn(symbol, shown.get(symbol, ZERO) - ours, now)

    def _learn(self, symbol: str, others: Decimal, now: datetime) -> None:
        self._seen_at[symbol] = now
        if others == 0:  # as what was never seen; options expire, and the next look is no longer for it
            self._others.pop(symbol, None)
        else:
            self._others[symbol] = others

    def _tells(self, symbol: str, now: datetime, since: datetime | None, *, holding: bool) -> bool:
        """Tell whether what the venue shows beyond our books in an option is surely not ours."""
        touched = self._touched.get(symbol)
        if touched is None or (since or now) > touched + QUIET:
            return True
        return holding and touched < (since or now)

    def _follow(self, trade: TradeLifecycle, now: datetime) -> None:
        """Note where and until when a trade may have moved something, and what it handed over."""
        moving = trade.active and trade.state not in _AT_REST
        ended = None if trade.active else trade.closed_at or now
        touched = now if moving else ended
        self._moved_at = max((at for at in (self._moved_at, trade.last_fill_at, ended) if at is not None), default=None)
        for leg in trade.legs:
            symbol = leg.option.symbol
            if touched is not None:
                self._touched[symbol] = max(touched, self._touched.get(symbol, touched))
            if ended is not None and leg.handed_over != 0 and (symbol not in self._seen_at or self._seen_at[symbol] < ended):
                self._others[symbol] = self._others.get(symbol, ZERO) + leg.side.sign * leg.handed_over

    def doubts(self, trades: Sequence[TradeLifecycle], account: AccountSnapshot) -> tuple[str, ...]:
        """Say what keeps the venue from agreeing that nothing of the trades is left, and ask it what needs asking; empty if it agrees."""
        self._still_since = self._still_since or account.now
        moved = [self._still_since, *(trade.last_fill_at for trade in trades if trade.last_fill_at is not None)] if trades else []
        if not _younger(account, max(moved, default=None)):
            return ("the venue's account is not known yet as of after our last order and fill",)
        symbols = {leg.option.symbol for trade in trades for leg in trade.legs}
        theirs = {symbol: self._others.get(symbol, ZERO) for symbol in symbols}
        found = [
            f"the venue shows {shown:+f} {symbol}, which our books do not explain"
            for symbol, others in sorted(theirs.items())
            if (shown := _shown(account, symbol)) not in (ZERO, others)
        ]
        if found:
            return tuple(found)
        if trades and (missing := self.compared(self._still_since)):
            return (missing,)
        if self._clear:
            return ()
        self._ask(account.now)
        strays = tuple(f"order {stray} of ours is open at the venue and in none of our books" for stray in self._strays)
        return strays or ("the venue has not listed its open orders yet",)

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


def _younger(account: AccountSnapshot, moved_at: datetime | None) -> bool:
    """Tell whether the venue's answer is surely younger than a moment."""
    if not account.valid or account.at is None:
        return False
    return moved_at is None or account.at > moved_at + LAG


def _shown(account: AccountSnapshot, symbol: str) -> Decimal:
    position = account.position(symbol)
    return ZERO if position is None else position.signed_qty


def _cancelling(orders: OwnOrders, name: ClientOrderId) -> Callable[[], None]:
    return lambda: orders.cancel(name)


def _cancelled(outcome: object) -> None:
    if isinstance(outcome, Exception):
        logger.warning("cancel unanswered while going flat reason={}", outcome)
