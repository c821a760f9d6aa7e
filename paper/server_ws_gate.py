"""Who opens a stream, and whether it was really they. Source: Coincall API 2.3 and 11.1."""

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import unquote

from auth import DEFAULT_WINDOW_MS, verify, websocket_prehash
from clock import to_ms
from paper.exchange import Credential, PaperExchange
from paper.wire_push_channels import ENDPOINTS

_BUILD = "10"
_AHEAD_MS = 1000
_KEY_NAMES = ("apiKey", "uuid")  # as documented, and as older clients still sign


class Unwelcome(Exception):
    """A stream is not opened; the text says why, for the log. It never holds what the client sent."""


def opener(exchange: PaperExchange, path: str, query: str, now: datetime, speed: float = 1.0) -> Credential:
    """Return who opens a stream at a path, by its raw query; raise Unwelcome if it is not to be opened. Source: Coincall API 11.1.

    `ts` counts for 5 s as on REST; unlike there a client cannot ask for more, so where the market runs at `speed` they are real seconds.
    """
    if path not in ENDPOINTS:
        raise Unwelcome("no stream is served here")
    given = _fields(query)
    if given.get("code") != _BUILD:
        raise Unwelcome("code is not 10")
    signer = exchange.credential(given.get("apiKey", "").replace(" ", "+"))
    if signer is None:
        raise Unwelcome("unknown apiKey")
    ts = given.get("ts", "")
    if not (ts.isascii() and ts.isdigit() and len(ts) <= 18):
        raise Unwelcome("ts is no count of milliseconds")
    pace, behind = max(1.0, speed), to_ms(now) - int(ts)
    if not -_AHEAD_MS * pace < behind <= DEFAULT_WINDOW_MS * pace:
        raise Unwelcome(f"ts is {behind} ms behind the exchange, allowed are {DEFAULT_WINDOW_MS} and {_AHEAD_MS} ahead")
    texts = (websocket_prehash(signer.key, ts, key_name=name) for name in _KEY_NAMES)
    if not any(verify(text, signer.secret, given.get("sign", "")) for text in texts):
        raise Unwelcome("wrong signature")
    return signer


def _fields(query: str) -> Mapping[str, str]:
    """Read a query in which the key stands raw: a `+` is a `+`."""
    pairs = (pair.partition("=") for pair in query.split("&"))
    return {name: unquote(value) for name, _, value in pairs}
