"""What is asked of Coincall's calls for market makers: the countdown, batches, and the venue's protection of marked orders.

Its one rule: an account that lacks the grant is told so as AuthenticationRejected, which no repetition mends; nothing happened then.
The venue says it of the path, by HTTP 404 or *not.allow*, before it looks at a row.
Source: Coincall API 1.2, 1.8, 5.11, 5.17, 9; DESIGN D5.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from loguru import logger

from clock import Clock
from domain import ClientOrderId, NewOrder
from errors import AuthenticationRejected, ExchangeRejected, OutcomeUnknown, VenueError
from exchanges.coincall.batch_truth import attributed
from exchanges.coincall.client import CoincallClient
from exchanges.coincall.client_mm import CoincallMakerClient
from exchanges.coincall.codes import VENUE, lacks_access, refused_by_the_venue_itself
from exchanges.coincall.wire import encode_client_id
from exchanges.coincall.wire_account import BatchAnswer
from exchanges.coincall.wire_mm import CancelAnswer, ProtectionStanding, ProtectionTerms
from ports import BatchSent

T = TypeVar("T")

_BEFORE_SENDING = timedelta(minutes=1)  # our clock and the venue's may differ


class CoincallDeadMan:
    """Coincall's countdown cancel; the port DeadMan."""

    def __init__(self, client: CoincallMakerClient) -> None:
        self._client = client

    def set_countdown(self, underlying: str, span: timedelta, /) -> None:
        """Begin it, or end it with a span of zero. Raises AuthenticationRejected where the account is no market maker."""
        _granted("countdown", lambda: self._client.set_countdown(_index(underlying), span))

    def reset_countdown(self, underlyings: Sequence[str], /) -> Sequence[str]:
        """Begin it from the start; return the underlyings for which the venue did. One that has elapsed must be set anew."""
        indexes = {_index(underlying): underlying for underlying in underlyings}
        done = _granted("countdown", lambda: self._client.reset_countdown(list(indexes)))
        return tuple(indexes[index] for index in done if index in indexes)


class CoincallProtection:
    """The venue's own guard of orders that are marked for it: it takes them back when they trade too much too fast."""

    def __init__(self, client: CoincallMakerClient) -> None:
        self._client = client

    def protect(self, underlying: str, terms: ProtectionTerms, /) -> None:
        """Set or change it. Raises AuthenticationRejected where the account may not use it, ValueError off the venue's ranges."""
        _granted("protection", lambda: self._client.set_mmp(_index(underlying), terms))

    def unprotect(self, underlying: str, /) -> None:
        """Remove it; marked orders are refused from then on."""
        _granted("protection", lambda: self._client.remove_mmp(_index(underlying)))

    def protection(self, underlying: str, /) -> ProtectionStanding | None:
        """Return how it stands, moments by the venue's clock; None if there is none."""
        return _granted("protection", lambda: self._client.get_mmp(_index(underlying)))

    def thaw(self, underlying: str, /) -> None:
        """Let marked orders in again after it has struck."""
        _granted("protection", lambda: self._client.reset_mmp(_index(underlying)))


class CoincallBatches:
    """Batches of orders on Coincall, of up to 40; the port BatchOrders."""

    def __init__(self, client: CoincallClient, maker: CoincallMakerClient, clock: Clock) -> None:
        self._client, self._maker, self._clock = client, maker, clock

    def send_many(self, orders: Sequence[NewOrder], /) -> BatchSent:
        """Send orders once; answers do not say whose they are, so that those of several orders mostly have to be asked about.

        Raises for all of them: AuthenticationRejected for an account that is no market maker, other ExchangeRejected,
        ExchangeUnavailable, OutcomeUnknown; ValueError, before sending, for none, for more than 40, and for an id given twice.
        """
        if len({order.client_id for order in orders}) != len(orders):
            raise ValueError("two orders of a batch have one id")
        sent_at = self._clock.now()
        rows = _granted("batch create", lambda: self._created(orders))
        outcomes = attributed(orders, rows, {})
        if not any(isinstance(outcome, OutcomeUnknown) for outcome in outcomes):
            return BatchSent(outcomes)
        return BatchSent(outcomes, lambda: self._asked(orders, rows, sent_at))

    def _created(self, orders: Sequence[NewOrder]) -> Sequence[BatchAnswer]:
        """Send a batch; that the account may not is believed of a status alone, because what goes out again bears the same names."""
        with refused_by_the_venue_itself(unless=lacks_access):
            return self._client.create_batch(orders)

    def cancel_many(self, client_ids: Sequence[ClientOrderId], /) -> Sequence[VenueError | None]:
        """Ask to cancel orders; return for each, in their order, None where the venue took it, else why not.

        OutcomeUnknown is an order that no row of the answer names. Raises for all of them what a write raises, AuthenticationRejected
        where the path is kept from this account; ValueError, before sending, for none and for more than 40.
        """
        numbers = [encode_client_id(client_id) for client_id in client_ids]
        rows = _granted("batch cancel", lambda: self._maker.cancel_many(numbers))
        answers: dict[int | None, CancelAnswer] = {answer.client_id: answer for answer in rows}
        return tuple(_cancelled(answers.get(number)) for number in numbers)

    def _asked(self, orders: Sequence[NewOrder], rows: Sequence[BatchAnswer], sent_at: datetime) -> Sequence[str | VenueError]:
        named: Mapping[str, ClientOrderId | None] = {}
        try:
            named = self._named(rows, sent_at)
        except VenueError as error:
            logger.warning("coincall batch answers not told apart orders={} reason={}", len(orders), error.reason)
        return attributed(orders, rows, named)

    def _named(self, rows: Sequence[BatchAnswer], sent_at: datetime) -> Mapping[str, ClientOrderId | None]:
        """Ask the venue whose the numbers of taken rows are: its open orders first, then its history since just before sending."""
        wanted = {row.order_id for row in rows if row.code == 0}
        named: dict[str, ClientOrderId | None] = {}
        page, more = 1, True
        while more:
            found = self._client.pending(page)
            named |= {order.order_id: order.client_id for order in found.rows}
            page, more = page + 1, found.has_more
        if not wanted <= named.keys():
            since = sent_at - _BEFORE_SENDING + self._client.skew
            named |= {order.order_id: order.client_id for order in self._client.order_history(since).rows}
        return named


def _cancelled(answer: CancelAnswer | None) -> VenueError | None:
    return OutcomeUnknown(VENUE, "batch cancel", "no row of the answer names it") if answer is None else answer.refused


def _granted(what: str, call: Callable[[], T]) -> T:
    """Make a call; where the venue keeps it from this account, say so as what a person must mend."""
    try:
        return call()
    except ExchangeRejected as error:
        if not lacks_access(error):
            raise
        raise AuthenticationRejected(VENUE, what, f"this account is no market maker at the venue ({error.reason})") from error


def _index(underlying: str) -> str:
    return f"{underlying}USD"
