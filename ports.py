"""What the core asks of the world, as small Protocols; adapters stand behind them and never look in front.

Readers and gateways block on the network: they are called on I/O workers, never in a tick. Each raises
ExchangeUnavailable (nothing happened), ExchangeRejected (refused), OutcomeUnknown (writes only) or MalformedResponse.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol, TypeVar

from domain import (
    AccountSnapshot,
    BlockTrade,
    Chain,
    Channel,
    ClientOrderId,
    Fill,
    NewOrder,
    Option,
    OptionLeg,
    OrderBook,
    OrderReport,
    RFQQuote,
    RFQRequest,
    RFQStanding,
    Settlement,
    Severity,
    StreamStanding,
)
from errors import VenueError
from events import Event

T = TypeVar("T")


class OrderGateway(Protocol):
    """Orders on one venue."""

    def submit(self, order: NewOrder, /) -> str:
        """Send order once, never again; return the venue's order id. It may already be filled, or refused later, by then."""
        ...

    def cancel(self, client_id: ClientOrderId, /) -> None:
        """Ask to cancel; the order's final state is read with find. Raises OrderAlreadyFinal or OrderNotFound where told so."""
        ...

    def find(self, client_id: ClientOrderId, sent_at: datetime, /) -> OrderReport | None:
        """Return what the venue knows of an order sent at a moment: by id, among open orders, in its history; None if nowhere."""
        ...

    def open_orders(self) -> Sequence[OrderReport]:
        """Return every open order of the account, ours or not."""
        ...

    def fills(self, since: datetime, /) -> Sequence[Fill]:
        """Return every fill of the account since a moment, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class BatchSent:
    """What the answer to a batch says of each order, in their order: the venue's id, or what became of it instead.

    `ask` asks the venue which order is whose, where the answer leaves some OutcomeUnknown: it blocks, and says the same of the others.
    """

    outcomes: Sequence[str | VenueError]
    ask: Callable[[], Sequence[str | VenueError]] | None = None


class BatchOrders(Protocol):
    """Many orders of one venue in one request; a call that fails as a whole raises what holds for each of them.

    ExchangeRejected of a whole request means that none of it was looked at.
    """

    def send_many(self, orders: Sequence[NewOrder], /) -> BatchSent:
        """Send orders once, never again."""
        ...

    def cancel_many(self, client_ids: Sequence[ClientOrderId], /) -> Sequence[VenueError | None]:
        """Ask to cancel orders; return for each, in their order, None where the venue took it, else why not."""
        ...


class RFQGateway(Protocol):
    """Block trades by request for quote on one venue."""

    def request(self, legs: Sequence[OptionLeg], /) -> RFQRequest:
        """Ask makers for quotes on the legs, once; the answer holds the legs as the venue has them stated (all-sell ones are turned)."""
        ...

    def quotes(self, request: RFQRequest, /) -> Sequence[RFQQuote]:
        """Return every quote received for a request, whatever its status."""
        ...

    def accept(self, request: RFQRequest, quote: RFQQuote, /) -> BlockTrade:
        """Trade a quote, once, never again. An answer that says yes and cannot be read is a BlockTrade without fills."""
        ...

    def cancel(self, request_id: str, /) -> None:
        """Withdraw a request; once it is withdrawn nothing can be traded on it. Raises OrderAlreadyFinal or OrderNotFound where told so."""
        ...

    def find(self, request_id: str, since: datetime, /) -> RFQStanding:
        """Return what the venue knows of a request sent at a moment: the block traded on it if there is one, else its status."""
        ...


class RFQDirectory(Protocol):
    """Which requests for quotes of ours are open on one venue."""

    def open_requests(self) -> Sequence[RFQRequest]:
        """Return every open request of the account; raises ExchangeUnavailable where the venue does not tell a taker."""
        ...


class AccountReader(Protocol):
    """The account on one venue."""

    def read(self) -> AccountSnapshot:
        """Return balances and positions as of now; valid is True."""
        ...

    def settlements(self, since: datetime, /) -> Sequence[Settlement]:
        """Return what expired and was settled since a moment, oldest first."""
        ...


class MarketReader(Protocol):
    """Market data of one venue; needs no key. `at` of each answer is the venue's own time where it gives one, else of the question."""

    def instruments(self, underlying: str, /) -> Sequence[Option]:
        """Return every listed option of an underlying such as BTC."""
        ...

    def chain(self, underlying: str, listed: Sequence[Option], expiry: datetime | None = None, /) -> Chain:
        """Return quotes with Greeks for the listed options (of one expiry, or all), and the index price."""
        ...

    def book(self, symbol: str, /) -> OrderBook:
        """Return the order book of one option."""
        ...

    def index(self, underlying: str, /) -> tuple[Decimal, datetime]:
        """Return the index price, USD, and the venue's time of it."""
        ...


class Streams(Protocol):
    """What one venue tells unasked. Pushes reach a listener on the streams' own threads; none of these calls waits."""

    def follow(self, channels: Collection[Channel], /) -> None:
        """Have exactly these channels followed from now on, on whatever connections they need, again after every reconnection."""
        ...

    def renew(self, name: str, reason: str, /) -> None:
        """End a connection that somebody knows to be deaf, and make it anew."""
        ...

    def standing(self) -> Sequence[StreamStanding]:
        """Return how each connection stands."""
        ...

    def close(self) -> None:
        """End all connections and their threads."""
        ...


class DeadMan(Protocol):
    """The venue's own countdown: it cancels the account's open orders of an underlying unless it is reset in time."""

    def set_countdown(self, underlying: str, span: timedelta, /) -> None:
        """Arm it, or disarm it with a span of zero. Raises ExchangeRejected where the account may not use it."""
        ...

    def reset_countdown(self, underlyings: Sequence[str], /) -> Sequence[str]:
        """Start it again for underlyings; return those that the venue has reset."""
        ...


class IoPool(Protocol):
    """Workers that block so that the tick need not."""

    def run(self, work: Callable[[], T], done: Callable[[T | Exception], None], /) -> None:
        """Do work on a worker; later call done on the tick thread with what it returned or raised."""
        ...


class JournalWriter(Protocol):
    """The append-only record."""

    def append(self, *events: Event) -> None:
        """Write events as one; on return they survive a power cut. Raises JournalError, having written none."""
        ...


class Alerts(Protocol):
    """A way to call a person."""

    def alert(self, severity: Severity, cause: str, message: str, hint: str) -> None:
        """Tell a person; the same cause is not repeated within its cool-down. Never raises."""
        ...
