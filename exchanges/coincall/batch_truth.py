"""Whose is which row of the answer to a batch of orders.

Its one rule: an order is taken only where the venue itself ties the number of a taken row to our id, or where nothing else is left for it.
Rows carry no id of ours, and their order is not that of the request. What cannot be told stays OutcomeUnknown, to be asked for by its id.
Source: Coincall API 5.11, 5.13.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from domain import ClientOrderId, NewOrder
from errors import DuplicateClientOrderId, ExchangeRejected, OutcomeUnknown, VenueError
from exchanges.coincall.codes import VENUE, error_of_code
from exchanges.coincall.wire_account import BatchAnswer

Outcome = str | VenueError
_CALL = "batch create"


def attributed(orders: Sequence[NewOrder], rows: Sequence[BatchAnswer], named: Mapping[str, ClientOrderId | None]) -> tuple[Outcome, ...]:
    """Return for each order, in their order, the venue's id of it or what became of it instead.

    `named` is what the venue's own lists say: our id, None if it is not ours, of its order ids. Refusals are told apart only by
    elimination: once every taken row has its order, and there is one row for each order, the others were refused.
    """
    proven = _proven(orders, rows, named)
    left = [order for order in orders if order.client_id not in proven]
    spare = [row for row in rows if row.order_id is None or row.order_id not in proven.values()]
    rest: Outcome
    if len(rows) != len(orders) or len(spare) != len(left) or any(row.order_id in named for row in spare if row.code == 0):
        rest = _unknown(f"{len(rows)} answers to {len(orders)} orders")
    elif len(left) == 1:
        rest = _sole(spare[0])
    else:
        rest = _shared(spare)
    return tuple(proven.get(order.client_id, rest) for order in orders)


def _proven(orders: Sequence[NewOrder], rows: Sequence[BatchAnswer], named: Mapping[str, ClientOrderId | None]) -> dict[ClientOrderId, str]:
    """Return the orders that the venue ties to exactly one taken row."""
    ours = {order.client_id for order in orders}
    numbers = dict.fromkeys(row.order_id for row in rows if row.code == 0 and row.order_id is not None)
    tied = [(owner, number) for number in numbers if (owner := named.get(number)) is not None and owner in ours]
    times = Counter(owner for owner, _ in tied)
    return {owner: number for owner, number in tied if times[owner] == 1}


def _sole(row: BatchAnswer) -> Outcome:
    """Return what the one row left says of the one order left."""
    if row.code != 0:
        return _refused(row)
    return _unknown("taken, its number is missing") if row.order_id is None else row.order_id


def _shared(rows: Sequence[BatchAnswer]) -> VenueError:
    """Return what holds for each of several orders, whichever of the rows is whose."""
    if not rows or any(row.code == 0 for row in rows):
        return _unknown("which of the answers is whose is not told")
    errors = [_refused(row) for row in rows]
    if len({row.code for row in rows}) == 1:
        return errors[0]
    # An id that is used belongs to an order that stands: where it is not told whose it is, any of them may stand.
    if any(isinstance(error, OutcomeUnknown | DuplicateClientOrderId) for error in errors):
        return _unknown("one of them may stand at the venue, and which is not told")
    said = ", ".join(f"{code} {text}" for code, text in dict.fromkeys((row.code, row.reason) for row in rows))
    return ExchangeRejected(VENUE, _CALL, f"refused, for one of: {said}")


def _refused(row: BatchAnswer) -> VenueError:
    return error_of_code(_CALL, row.code, row.reason, changes_state=True)


def _unknown(reason: str) -> OutcomeUnknown:
    return OutcomeUnknown(VENUE, _CALL, reason)
