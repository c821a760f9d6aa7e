"""The doctor's look at the venue: the way to it, its clock, our key and what it may do, and the streams. Nothing here changes anything."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from auth import Credentials
from clock import Clock, monotonic
from config import Settings
from doctor.findings import Finding, fail, ok, warn
from errors import AuthenticationRejected, ExchangeUnavailable, TimestampRejected, VenueError
from exchanges.coincall.client import CoincallClient
from exchanges.coincall.client_mm import CoincallMakerClient
from exchanges.coincall.client_rfq import CoincallRFQClient, Standing
from exchanges.coincall.codes import lacks_access
from exchanges.coincall.gateway import CoincallMarket
from exchanges.coincall.limits import RateLimiter
from exchanges.coincall.stream_probe import Heard, listen
from exchanges.coincall.transport import Transport, validity_window
from exchanges.coincall.wire_rfq import Role
from exchanges.reach import reach

PATIENCE = timedelta(seconds=10)
AHEAD, TOO_FAR_AHEAD = 1.0, 4.0  # real seconds between the clocks; a signature is valid for five
LISTEN_FOR = 10.0
KEY_OR_CLOCK = "the venue answers and does not let us in: check key and secret in .env, and this machine's clock"
_DENIED = re.compile(r"\bHTTP 40[13]\b")
MAKER_PATHS = "ask Coincall for it if you want to quote; as a taker you need none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Venue:
    """The venue as the doctor reaches it: with the daemon's key and none of its connections."""

    url: str
    ws_url: str
    clock: Clock
    credentials: Credentials
    transport: Transport

    @property
    def client(self) -> CoincallClient:
        """Return the client of orders, account and market."""
        return CoincallClient(self.transport)

    @property
    def market(self) -> CoincallMarket:
        """Return the market's reader."""
        return CoincallMarket(self.client)


Probe = Callable[[Venue, str], Heard]


@contextmanager
def visited(settings: Settings, clock: Clock, url: str, ws_url: str) -> Iterator[Venue]:
    """Prepare to ask a venue; a question is repeated at once, and not after a pause."""
    credentials = Credentials(settings.api_key.get_secret_value(), settings.api_secret.get_secret_value())
    with closing(
        Transport(
            url,
            clock,
            credentials=credentials,
            window=validity_window(clock),
            timeout=min(settings.http_timeout, PATIENCE),
            workers=1,
            limiter=RateLimiter(clock),
            pause=lambda _seconds: None,
        )
    ) as transport:
        yield Venue(url=url, ws_url=ws_url, clock=clock, credentials=credentials, transport=transport)


def advice(error: VenueError) -> str:
    """Return what a person should do about a failure at the venue."""
    match error:
        case TimestampRejected():
            return "set this machine's clock: timedatectl set-ntp true"
        case AuthenticationRejected():
            return "check key and secret in .env, and at Coincall (API Management) the key's expiry, rights and allowed addresses"
        case ExchangeUnavailable():
            return "check the network, DNS and firewall of this machine, and the venue's status page"
        case _:
            return "read the reason; docs/exchanges/coincall.md lists what the venue can answer"


def hosts(venue: Venue) -> Iterator[Finding]:
    """Look up and connect to each host of the venue."""
    for what, url in (("host", venue.url), ("stream host", venue.ws_url)):
        if what == "stream host" and urlsplit(url).netloc == urlsplit(venue.url).netloc:
            continue
        found = reach(url, PATIENCE.total_seconds())
        if found.named is None or found.connected is None:
            hint = "check the address, DNS and firewall of this machine, and the venue's status page"
            yield fail(what, f"{found.host}: {found.reason}", hint)
        else:
            yield ok(what, f"{found.host}: name in {found.named * 1000:.0f} ms, connection in {found.connected * 1000:.0f} ms")


def clock_skew(venue: Venue) -> Iterator[Finding]:
    """Ask for the venue's time over HTTP and compare it with ours."""
    begun = monotonic()
    skew = venue.transport.measure_skew()
    took = monotonic() - begun
    yield ok("http", f"the venue answers, in {took * 1000:.0f} ms")
    off = venue.clock.real_seconds(abs(skew))
    side = "behind" if skew > timedelta(0) else "ahead of"
    said = "in step with the venue's" if off == 0 else f"{off:.2f} s {side} the venue's"
    hint = "set this machine's clock and keep it set: timedatectl set-ntp true"
    if off > TOO_FAR_AHEAD:
        yield fail("clock", f"{said}: expiries, day limits and the age of every price would be wrong", hint)
    elif off > AHEAD:
        yield warn("clock", said, hint)
    else:
        yield ok("clock", said)


def signed_round_trip(venue: Venue) -> Iterator[Finding]:
    """Ask for the account's money: key, secret, signature and clock in one."""
    begun = monotonic()
    summary, _ = venue.client.summary()
    took = monotonic() - begun
    available = "unknown" if summary.available_margin is None else f"{summary.available_margin:,.2f} USD"
    yield ok("account", f"equity {summary.equity:,.2f} USD, available {available}; answered in {took * 1000:.0f} ms")


def key_rights(venue: Venue) -> Iterator[Finding]:
    """Ask what the key may do."""
    try:
        key = venue.client.key()
    except AuthenticationRejected:
        raise
    except VenueError as error:
        yield warn("key", f"what it may do is unknown: {error.reason}", "see at Coincall (API Management) that it may trade, not only read")
        return
    if key.read_only:
        hint = "make a key with the right to trade at Coincall (API Management) and write it into .env"
        yield fail("key", "it may only read: every order would be refused", hint)
    else:
        yield ok("key", "it may trade")


def maker_access(venue: Venue) -> Iterator[Finding]:
    """See whether the account may quote requests of others, and whether it has a market maker's calls; neither is needed."""
    rfq, makers = CoincallRFQClient(venue.transport), CoincallMakerClient(venue.transport)
    yield _granted("rfq quoting", lambda: rfq.requests(Role.MAKER, standing=Standing.OPEN), "the list of requests to quote is open to it")
    yield _granted("market maker", makers.get_countdown, "it has the countdown (dead man's switch) and batches")


def _granted(name: str, ask: Callable[[], object], yes: str) -> Finding:
    try:
        ask()
    except VenueError as error:
        if lacks_access(error):
            return ok(name, f"the account has no such access; {MAKER_PATHS}")
        return warn(name, f"could not be asked: {error.reason}", advice(error))
    return ok(name, yes)


def streams(venue: Venue, symbol: str, probe: Probe | None = None) -> Iterator[Finding]:
    """Open the stream, and wait for an answer and for one push about an option."""
    hint = "without streams everything works by polling, slower; check that the firewall lets WebSockets through"
    try:
        heard = _listen(venue, symbol) if probe is None else probe(venue, symbol)
    except ExchangeUnavailable as error:
        yield fail("streams", f"the stream does not open: {error.reason}", KEY_OR_CLOCK if _DENIED.search(error.reason) else hint)
        return
    opened = f"open after {heard.opened * 1000:.0f} ms"
    if heard.heartbeat is None:
        yield fail("streams", f"{opened}, but no heartbeat was answered within {LISTEN_FOR:g} s", hint)
    elif heard.content is None:
        yield warn("streams", f"{opened}, heartbeat answered, but nothing was told of {symbol} within {LISTEN_FOR:g} s", hint)
    else:
        yield ok("streams", f"{opened}, heartbeat after {heard.heartbeat * 1000:.0f} ms, first push after {heard.content * 1000:.0f} ms")


def _listen(venue: Venue, symbol: str) -> Heard:
    return listen(venue.ws_url, venue.credentials, venue.clock, symbol, skew=venue.transport.skew, within=LISTEN_FOR)
