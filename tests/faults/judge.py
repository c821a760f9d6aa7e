"""The judge of a run: reads the exchange's own ledger, the wish that was known beforehand, and what a person left there. Nothing else.

But where the run damaged the journal, what nobody can know any more may be left at the end, if a person was called about it by its name.

An order is ours by its number, which begins as only our installation's do, and a leg of a block is, because no person here trades
blocks. Opening is whatever goes the way of the wish, closing whatever goes against it; each is judged at every moment of the ledger.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby

from domain import Level, OrderType, Side
from paper.block_rows import BlockLeg, BlockRow, RequestState
from paper.market import Feed
from paper.rows import Image, OrderRow
from paper.rules import OrderState

from tests.faults.person import Kept
from tests.faults.plans import Structure

ZERO = Decimal(0)
COLUMNS = ("duplicates", "lost orders", "forgotten legs", "foreign touched", "wrong closes", "bad accepts")
_SEEN_WITHIN = 15  # seconds before an acceptance in which the book may have been the one that the quote was compared with
_APART = 5  # seconds by which the books of two legs may differ: each is asked for by itself, and fresh for so long
_SLACK = Decimal("0.002")  # of the book's cost: a tick, and what the market moved within a second


@dataclass(slots=True)
class Sentence:
    """What was done wrong, by column; empty where nothing was."""

    wrongs: dict[str, list[str]] = field(default_factory=lambda: {column: [] for column in COLUMNS})

    @property
    def clean(self) -> bool:
        """Tell whether every column is empty."""
        return not any(self.wrongs.values())

    def lines(self) -> list[str]:
        """Return each wrong with its column."""
        return [f"{column}: {line}" for column, lines in self.wrongs.items() for line in lines]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is judged: the ledger, whose account, which installation, the wish, what a person left, and the market as it was.

    `calls` are the critical calls to a person; only a run whose journal was damaged has any that count.
    """

    ledger: Image
    user: int
    desk: int
    wish: Structure
    left: Mapping[int, Kept]
    feed: Feed
    at: datetime
    calls: tuple[str, ...] = ()

    def excuses(self, name: str) -> bool:
        """Tell whether a person was called about an option or a request by its name."""
        return any(name in call for call in self.calls)


def is_ours(order: OrderRow, user: int, desk: int) -> bool:
    """Tell whether an order is the daemon's: by its number, or as a leg of a block trade."""
    if order.user != user:
        return False
    return order.order_type is OrderType.BLOCK_TRADE or str(order.client_id or "").startswith(f"7{desk:04d}")


def judged(case: Case) -> Sentence:
    """Return what was done wrong."""
    ours = [order for order in case.ledger.orders if is_ours(order, case.user, case.desk)]
    sentence = Sentence()
    for symbol in sorted({order.symbol for order in ours}):
        _judge_option(case, symbol, [order for order in ours if order.symbol == symbol], sentence)
    sentence.wrongs["lost orders"] += [f"{_told(order)} still works" for order in ours if not order.state.final]
    sentence.wrongs["lost orders"] += _left_requests(case)
    sentence.wrongs["foreign touched"] += _touched(case)
    sentence.wrongs["bad accepts"] += _bad_accepts(case)
    return sentence


@dataclass(frozen=True, slots=True)
class _Moment:
    """A step of the ledger in one option, numbered as the exchange numbers all things: an order that came, or coins of one that filled."""

    number: int
    order: OrderRow
    filled: Decimal = ZERO
    at: datetime | None = None


def _moments(ledger: Image, orders: Mapping[int, OrderRow]) -> list[_Moment]:
    came = [_Moment(order.order_id, order, at=order.created) for order in orders.values()]
    filled = [
        _Moment(match.trade_id, orders[number], match.qty, match.at)
        for match in ledger.trades
        for number in (match.taker_order, match.maker_order)
        if number is not None and number in orders
    ]
    return sorted([*came, *filled], key=lambda moment: moment.number)


def _judge_option(case: Case, symbol: str, orders: Sequence[OrderRow], sentence: Sentence) -> None:
    """Walk through the ledger of one option: what was held, what worked, each way, at each moment."""
    wanted = case.wish.get(symbol, ZERO)
    way = Side.BUY if wanted > 0 else Side.SELL
    held, found = ZERO, sentence.wrongs
    left: dict[int, Decimal] = {}
    for moment in _moments(case.ledger, {order.order_id: order for order in orders}):
        order, now = moment.order, moment.at or case.at
        if moment.filled:
            held += moment.filled if order.side is way else -moment.filled
            left[order.order_id] = left.get(order.order_id, ZERO) - moment.filled
        else:
            left[order.order_id] = order.qty
        working = [o for o in orders if left.get(o.order_id, ZERO) > 0 and not _over(o, now)]
        opening = sum((left[o.order_id] for o in working if o.side is way), ZERO)
        closing = sum((left[o.order_id] for o in working if o.side is not way), ZERO)
        if held + opening > abs(wanted):
            found["duplicates"].append(f"{_told(order)}: {held} held and {opening} working, {abs(wanted)} wanted")
        if held < 0 or (closing > held and order.side is not way):
            found["wrong closes"].append(f"{_told(order)}: {closing} closing of {held} held")
    if held != _exercised(case, symbol, held) and not case.excuses(symbol):
        found["forgotten legs"].append(f"{held} of {symbol} at the end")


def _over(order: OrderRow, now: datetime) -> bool:
    """Tell whether an order had ended by a moment."""
    return order.state.final and order.state is not OrderState.FILLED and order.updated <= now


def _exercised(case: Case, symbol: str, held: Decimal) -> Decimal:
    """Return what of a holding need not be closed: all of it once the option was exercised, else nothing."""
    return held if any(row.symbol == symbol and row.user == case.user for row in case.ledger.exercises) else ZERO


def _left_requests(case: Case) -> Iterable[str]:
    for request in case.ledger.requests:
        open_still = request.user == case.user and request.state is RequestState.ACTIVE and case.at < request.expires
        if open_still and not case.excuses(str(request.request_id)):
            yield f"request {request.request_id} is still open"


def _touched(case: Case) -> Iterable[str]:
    """Tell every order of the person that is not as it was left; an exercise ends orders too."""
    rows = {order.order_id: order for order in case.ledger.orders}
    for number, kept in case.left.items():
        row = rows.get(number)
        if row is None:
            yield f"order {number} is gone"
        elif (row.qty, row.price) != (kept.qty, kept.price):
            yield f"{_told(row)} was changed from {kept.qty} @ {kept.price}"
        elif row.state is OrderState.CANCELED and not kept.cancelled:
            yield f"{_told(row)} was cancelled"
    yield from (f"{_told(order)} is cut" for order in rows.values() if order.user == case.user and order.liquidation)


def _bad_accepts(case: Case) -> Iterable[str]:
    """Tell blocks of ours that no wish covers, two for one request, or that were dearer than the book can have been."""
    mine = sorted((block for block in case.ledger.blocks if block.taker == case.user), key=lambda block: block.request_id)
    for number, blocks in groupby(mine, key=lambda block: block.request_id):
        if (times := len(list(blocks))) > 1:
            yield f"request {number} was traded {times} times"
    for block in mine:
        if any(leg.symbol not in case.wish for leg in block.legs):
            yield f"block {block.block_id} has a leg that was never wanted"
        cost, worst = _cost(block), _dearest(case, block)
        if worst is not None and cost > worst + abs(worst) * _SLACK:
            yield f"block {block.block_id} cost {cost}, the book took {worst} at most"


def _cost(block: BlockRow) -> Decimal:
    return sum((leg.side.sign * leg.qty * leg.price for leg in block.legs), ZERO)


def _dearest(case: Case, block: BlockRow) -> Decimal | None:
    """Return the most that the book can have taken for a block's legs within the seconds before; None where there was none.

    What the ledger says was taken from the market's ladder meanwhile may have been gone from it.
    """
    costs, since = [], block.at - timedelta(seconds=2 * _SEEN_WITHIN)
    gone: dict[str, Decimal] = {}
    for match in case.ledger.trades:
        if since <= match.at <= block.at:
            gone[match.symbol] = gone.get(match.symbol, ZERO) + match.qty
    moments = [block.at - timedelta(seconds=seconds) for seconds in range(_SEEN_WITHIN + 1)]
    seen = [[_leg_cost(case.feed, leg, moment, gone.get(leg.symbol, ZERO)) for moment in moments] for leg in block.legs]
    for first in range(len(moments) - _APART):
        dearest = [max((cost for cost in leg[first : first + _APART + 1] if cost is not None), default=None) for leg in seen]
        taken = [cost for cost in dearest if cost is not None]
        if len(taken) == len(block.legs):
            costs.append(sum(taken, ZERO))
    return max(costs, default=None)


def _leg_cost(feed: Feed, leg: BlockLeg, moment: datetime, gone: Decimal) -> Decimal | None:
    view = feed.view(leg.symbol, moment)
    return None if view is None else leg.side.sign * _taken(view.asks if leg.side is Side.BUY else view.bids, leg.qty, gone)


def _taken(levels: Sequence[Level], qty: Decimal, gone: Decimal) -> Decimal:
    """Return what qty costs through a ladder of which the first coins are gone; what is beyond it at its last price."""
    left, cost, price = qty, ZERO, ZERO
    for level in levels:
        price, there = level.price, max(level.size - gone, ZERO)
        gone = max(gone - level.size, ZERO)
        taken = min(left, there)
        left, cost = left - taken, cost + taken * price
    return cost + left * price


def _told(order: OrderRow) -> str:
    return f"order {order.client_id or order.order_id} {order.side.name.lower()} {order.qty} {order.symbol} @ {order.price}"
