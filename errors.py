"""Every error raised on purpose, grouped by what the catcher must do.

TraderError
├── ConfigError              stop before the first connection; all problems listed at once
├── VenueError
│   ├── ExchangeUnavailable  nothing happened: try again later
│   │   ├── RateLimited      nothing happened: the venue asked us to slow down
│   │   └── DataNotFresh     the newest answer is too old or not there yet: wait for the next
│   ├── ExchangeRejected     refused: never send the same again unchanged
│   │   ├── AuthenticationRejected   key, signature or permission: a person must act
│   │   │   └── TimestampRejected    our clock: measure the skew, sign again
│   │   ├── InsufficientMargin       smaller, or later
│   │   ├── SizeRejected             below the minimum, above the maximum, off the lot
│   │   ├── PriceRejected            off the band or the tick
│   │   ├── ReduceOnlyRejected       nothing left to reduce
│   │   ├── CountdownElapsed         the venue's countdown has run out: arm it again, then as before
│   │   ├── OrderExpired             the contract has expired or is not trading
│   │   ├── DuplicateClientOrderId   it had arrived before: ask for it
│   │   ├── OrderNotFound            the venue does not know it
│   │   └── OrderAlreadyFinal        cancelled or filled before we asked
│   ├── OutcomeUnknown       it may have happened: ask the venue, never resend
│   │   └── TurnedAway       most likely it did not: ask all the same
│   └── MalformedResponse    a shape we do not know: log it whole, treat writes as unknown
├── NoMatchingInstrument     an ordinary no: wait for another market
├── RiskDenied               an ordinary no: the gate explains itself
│   ├── AccountHeld          not this order but the account: the same no to every one until its state changes
│   └── RuleRefused          a rule of the gate by its name: the same no to whatever breaks it
├── InvariantBroken          our books contradict themselves: stop opening, keep closing, call a person
│   └── InvalidTransition    an event for which the trade's table has no row
└── JournalError             the record could not be written or read: send nothing
    └── JournalDamaged       set aside; manage, do not open
"""

from collections.abc import Iterable


class TraderError(Exception):
    """Anything this program raises on purpose."""


class ConfigError(TraderError):
    """Settings that cannot be used; holds every problem found, one line each."""

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class VenueError(TraderError):
    """A call to a venue that did not end as wished: which venue, which call, why, and the venue's code if it gave one."""

    def __init__(self, venue: str, call: str, reason: str, code: int | None = None) -> None:
        self.venue, self.call, self.reason, self.code = venue, call, reason, code
        suffix = "" if code is None else f" (code {code})"
        super().__init__(f"{venue} {call}: {reason}{suffix}")


class ExchangeUnavailable(VenueError):
    """Nothing happened at the venue; the same request may be made later."""


class RateLimited(ExchangeUnavailable):
    """Nothing happened; the venue asked for fewer requests."""


class DataNotFresh(ExchangeUnavailable):
    """What the market or account last said is too old to act on, or has not been said yet; a new answer is being fetched."""


class ExchangeRejected(VenueError):
    """The venue refused; the same request would be refused again."""


class AuthenticationRejected(ExchangeRejected):
    """Key, signature, address or permission was refused; a person must act."""


class TimestampRejected(AuthenticationRejected):
    """The request's time lay outside the venue's window; nothing happened, measure the skew."""


class InsufficientMargin(ExchangeRejected):
    """The account cannot carry the order."""


class SizeRejected(ExchangeRejected):
    """The quantity is below the minimum, above the maximum, or off the lot."""


class PriceRejected(ExchangeRejected):
    """The price is outside the venue's band or off the tick."""


class ReduceOnlyRejected(ExchangeRejected):
    """A reduce-only order found nothing, or too little, to reduce."""


class CountdownElapsed(ExchangeRejected):
    """The venue's countdown has run out: it has cancelled the open orders of the underlying, and takes none until it is armed again."""


class OrderExpired(ExchangeRejected):
    """The instrument has expired, or does not trade now."""


class DuplicateClientOrderId(ExchangeRejected):
    """The venue already has an order with this client order id."""


class OrderNotFound(ExchangeRejected):
    """The venue knows no such order."""


class OrderAlreadyFinal(ExchangeRejected):
    """The order was cancelled or filled before the request arrived."""


class OutcomeUnknown(VenueError):
    """The request may have taken effect; ask the venue, never send it again."""


class TurnedAway(OutcomeUnknown):
    """Refused by a status of HTTP alone: whoever stands between us and the venue may have said so, before the venue acted or after."""


class MalformedResponse(VenueError):
    """The venue answered in a shape we do not know."""


class NoMatchingInstrument(TraderError):
    """No listed instrument fits a leg; the message says which leg and why."""


class RiskDenied(TraderError):
    """The risk gate refused an order; the message holds the numbers."""


class AccountHeld(RiskDenied):
    """The account's state lets nothing of this kind out; `held` says what and by which state, the same for every such order."""

    def __init__(self, held: str, message: str) -> None:
        self.held = held
        super().__init__(message)


class RuleRefused(RiskDenied):
    """A rule of the gate refused an order.

    `rule` names the rule, the same for every order that it refuses, and `remedy` says what to change. `of_strategy` is False where
    the rule is about the whole account or market and not about what one strategy wants.
    """

    def __init__(self, rule: str, message: str, remedy: str, *, of_strategy: bool = True) -> None:
        self.rule, self.remedy, self.of_strategy = rule, remedy, of_strategy
        super().__init__(message)


class InvariantBroken(TraderError):
    """Our own books contradict themselves."""


class InvalidTransition(InvariantBroken):
    """A trade was given an event for which its state has no row."""

    def __init__(self, trade: str, state: str, event: str) -> None:
        self.trade, self.state, self.event = trade, state, event
        super().__init__(f"trade {trade} is {state}, which has no row for {event}")


class JournalError(TraderError):
    """The journal could not be written or read; `advice` is what a person should do about it."""

    def __init__(self, said: str, advice: str = "make the journal writable") -> None:
        self.advice = advice
        super().__init__(said)


class JournalDamaged(JournalError):
    """The journal's file is not readable; it has been set aside."""
