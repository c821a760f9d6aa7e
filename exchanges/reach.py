"""How far the way to a host is open: its name, and a connection. Nothing is sent."""

import socket
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit

from clock import monotonic

_PORTS = {"https": 443, "wss": 443, "http": 80, "ws": 80}


@dataclass(frozen=True, slots=True)
class Reach:
    """How long name and connection took (real seconds; None: not reached), and what went wrong."""

    host: str
    port: int
    named: float | None = None
    connected: float | None = None
    reason: str = ""


def reach(url: str, timeout: float) -> Reach:
    """Look a URL's host up and connect to its port; never raises for what the network does."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    begun = monotonic()
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        return Reach(host, port, reason=f"the name cannot be looked up: {error.strerror or error}")
    named, reason = monotonic() - begun, "it has no address"
    for family, kind, protocol, _, address in found:
        begun = monotonic()
        with closing(socket.socket(family, kind, protocol)) as line:
            line.settimeout(timeout)
            try:
                line.connect(address)
            except OSError as error:
                reason = f"no connection to port {port}: {error.strerror or error}"
            else:
                return Reach(host, port, named, monotonic() - begun)
    return Reach(host, port, named, reason=reason)
