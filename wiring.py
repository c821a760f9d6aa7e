"""The ways to a venue: threads, sockets and streams as a daemon uses them, each replaceable by a rehearsal in one thread."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from auth import Credentials
from clock import Clock
from config import Settings
from domain import Option, Push
from exchanges.coincall.client import CoincallClient
from exchanges.coincall.transport import Transport, validity_window
from ports import Streams
from workers import Inbox, Pool, ThreadPool

ORDER_WORKERS = 4
URGENT_WORKERS = 3


def usual_transport(settings: Settings, clock: Clock, base_url: str) -> Transport:
    """Return the way to the venue that settings describe; connects to nothing yet."""
    return Transport(
        base_url,
        clock,
        credentials=Credentials(settings.api_key.get_secret_value(), settings.api_secret.get_secret_value()),
        window=validity_window(clock),
        timeout=settings.http_timeout,
        workers=2 * settings.io_workers + ORDER_WORKERS + URGENT_WORKERS + 1,
    )


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """What streams need: settings, clock, the REST address that they stand beside and the way there, what is listed, and who listens."""

    settings: Settings
    clock: Clock
    base_url: str
    transport: Transport
    listed: Callable[[str], Sequence[Option]]
    listener: Callable[[Push], None]


def usual_streams(plan: StreamPlan) -> Streams | None:
    """Return the venue's streams; None where settings turn them off. Connects to nothing before something is followed."""
    settings = plan.settings
    if settings.streams == "off":
        return None
    from exchanges.coincall.stream import CoincallStreams  # noqa: PLC0415 - a fifth of a second that only those who follow streams wait
    from exchanges.coincall.stream_session import Pace as StreamPace  # noqa: PLC0415

    return CoincallStreams(
        settings.ws_url or plan.base_url.replace("http", "ws", 1),
        plan.clock,
        Credentials(settings.api_key.get_secret_value(), settings.api_secret.get_secret_value()),
        plan.listener,
        listed=plan.listed,
        skew=lambda: plan.transport.skew,
        pace=StreamPace(silence=settings.stream_silence),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What stands between the daemon and the world: threads and sockets, or for rehearsals in one thread something else."""

    pool: Callable[[Inbox, int, str], Pool] = ThreadPool
    transport: Callable[[Settings, Clock, str], Transport] = usual_transport
    streams: Callable[[StreamPlan], Streams | None] = usual_streams


@dataclass(frozen=True, slots=True)
class Links:
    """The ways to the venue, and where what comes of them is left for the tick; no order keeps the `pulse` waiting.

    A price that the venue does not tell keeps a worker for as long as its request is repeated: never one of those that ask about orders.
    """

    inbox: Inbox
    reads: Pool
    prices: Pool
    writes: Pool
    urgent: Pool
    pulse: Pool
    transport: Transport
    client: CoincallClient


def linked(wiring: Wiring, settings: Settings, clock: Clock, base_url: str) -> Links:
    """Return the ways to a venue; connects to nothing yet."""
    inbox, transport = Inbox(), wiring.transport(settings, clock, base_url)
    return Links(
        inbox,
        reads=wiring.pool(inbox, settings.io_workers, "read"),
        prices=wiring.pool(inbox, settings.io_workers, "price"),
        writes=wiring.pool(inbox, ORDER_WORKERS, "order"),
        urgent=wiring.pool(inbox, URGENT_WORKERS, "urgent"),
        pulse=wiring.pool(inbox, 1, "pulse"),
        transport=transport,
        client=CoincallClient(transport),
    )
