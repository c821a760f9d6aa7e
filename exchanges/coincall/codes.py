"""Coincall's error codes as data, and the one question each answers: what must the catcher do?

A code in a reply means that the venue refused and nothing happened, except the codes by which it says that it does not know
itself: on a write those are OutcomeUnknown. Source: Coincall API 13, 13.1; DESIGN D5.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from errors import (
    AuthenticationRejected,
    CountdownElapsed,
    DuplicateClientOrderId,
    ExchangeRejected,
    ExchangeUnavailable,
    InsufficientMargin,
    OrderAlreadyFinal,
    OrderExpired,
    OrderNotFound,
    OutcomeUnknown,
    PriceRejected,
    RateLimited,
    ReduceOnlyRejected,
    SizeRejected,
    TimestampRejected,
    TurnedAway,
    VenueError,
)

VENUE = "coincall"

TRY_AGAIN_LATER = 10000
PARAMETER_ILLEGAL = 10004
CONTENT_TYPE = 10567
QUOTE_EXISTS = 50012
QUOTE_NOT_VALID = 50014
COUNTDOWN_ELAPSED = 10619  # the countdown of the order's index ran out: it must be set anew first
NO_PROTECTION = 60008  # an order marked for a protection that is not set, or is frozen
ALREADY_CANCELLED, ALREADY_FILLED, UNKNOWN_ORDER = 11101, 11102, 10584

# The venue failed within, or ran out of time: a read may be asked again, a write may have happened.
# 4005 "Duplicate request." among them: the first of the two may have been taken. 10000 "Try again later" is throttling as often as not,
# but the same words come from the inside.
UNDECIDED = frozenset({500, 4005, TRY_AGAIN_LATER, 10002, 10101, 10102, 10103, 10565, 10582, 10583, 10596})

_CODES: Mapping[type[VenueError], tuple[int, ...]] = {
    # maintenance; API offline: the door was closed, nothing came in
    ExchangeUnavailable: (10553, 10566),
    RateLimited: (10605,),
    # Account and permission (10001 is "not.allow"), then key, address and signature, then frozen or unknown users.
    AuthenticationRejected: (
        *(2015, 2016, 2017, 4002, 4003, 4004, 4006, 7001, 10001, 10006, 10007, 10008),
        *(10519, 10521, 10551, 10554, 10555, 10556, 10560, 10561, 10562, 10563, 10568, 10578, 10587, 10588, 10594),
        *(30000, 30001, 40001, 40002, 40004, 40005),
    ),
    TimestampRejected: (10557,),
    InsufficientMargin: (10529, 40037),
    SizeRejected: (10533, 10534, 10558, 40036),
    PriceRejected: (10530, 10531, 10532, 10538, 10539, 40035, 40039),
    # insufficient open positions; position does not exist
    ReduceOnlyRejected: (10536, 10581),
    # expired; contract abnormal; not started
    OrderExpired: (10540, 10609, 10620),
    # 10576 "Duplicated order ID.": the only id that a create carries is ours
    DuplicateClientOrderId: (10576, 10577),
    OrderNotFound: (UNKNOWN_ORDER,),
    OrderAlreadyFinal: (ALREADY_CANCELLED, ALREADY_FILLED),
    # A body not understood (in this encoding, perhaps); our quote exists already; the one to accept is stale, or of another request;
    # what guards a market maker bars the order.
    ExchangeRejected: (PARAMETER_ILLEGAL, CONTENT_TYPE, QUOTE_EXISTS, QUOTE_NOT_VALID, NO_PROTECTION),
    CountdownElapsed: (COUNTDOWN_ELAPSED,),
}

ERRORS: Mapping[int, type[VenueError]] = MappingProxyType({code: error for error, codes in _CODES.items() for code in codes})


def error_of_code(call: str, code: int, text: str, *, changes_state: bool) -> VenueError:
    """Return the error that a non-zero code means; text is the venue's message.

    A code that is in no table is a refusal, on a write too: the envelope says that the request was judged, and an answer
    that is a refusal in form is not taken for silence. Where it is wrong, reconciliation finds the order by its id.
    """
    if code in UNDECIDED:
        kind: type[VenueError] = OutcomeUnknown if changes_state else ExchangeUnavailable
    else:
        kind = ERRORS.get(code, ExchangeRejected)
    return kind(VENUE, call, text or "no message", code)


@contextmanager
def refused_by_the_venue_itself(unless: Callable[[VenueError], bool] = lambda _: False) -> Iterator[None]:
    """Take a refusal that a status of HTTP alone tells for TurnedAway: only the venue's own envelope says that it did not act.

    `unless` names the refusals that pass as they are.
    """
    try:
        yield
    except (ExchangeRejected, RateLimited) as error:
        if error.code is None and not unless(error):
            raise TurnedAway(error.venue, error.call, error.reason) from error
        raise


_NOT_FOUND = 404
_NO_ACCESS = "HTTP 404: the path is unknown, or the account has no access to it"


def lacks_access(error: VenueError) -> bool:
    """Tell whether the venue keeps an endpoint from this account, which it says by HTTP 404, in an envelope or not.

    Source: Coincall API 1.2, 8.7.
    """
    told = error.code == _NOT_FOUND or (error.code is None and error.reason.startswith(_NO_ACCESS))
    return isinstance(error, ExchangeRejected) and told


def error_of_status(call: str, status: int, excerpt: str, *, changes_state: bool) -> VenueError:
    """Return the error that an HTTP status other than success means. Source: Coincall API 1.2."""
    match status:
        case 401 | 403:
            return AuthenticationRejected(VENUE, call, f"HTTP {status}: {excerpt}")
        case 404:
            return ExchangeRejected(VENUE, call, f"{_NO_ACCESS}: {excerpt}")
        case 429:
            return RateLimited(VENUE, call, f"HTTP 429: {excerpt}")
        case _ if 400 <= status < 500 and status not in {408, 425}:
            return ExchangeRejected(VENUE, call, f"HTTP {status}: {excerpt}")
        case _:
            kind = OutcomeUnknown if changes_state else ExchangeUnavailable
            return kind(VENUE, call, f"HTTP {status}: {excerpt}")
