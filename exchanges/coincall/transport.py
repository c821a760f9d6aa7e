"""HTTP to Coincall: sign, wait for the budget, send, and say what the answer means for the catcher.

Its one rule: a write goes out once. A read is asked again after 1, 2 and 4 seconds, signed anew each time; a write that did not
come back as judged is OutcomeUnknown, except where no connection was made. No error, repr or log holds a key or a secret.
Source: Coincall API 1.2, 1.3, 2; DESIGN D5.
"""

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urlencode, urlsplit

import requests
from loguru import logger
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.exceptions import MaxRetryError, NewConnectionError

from auth import DEFAULT_WINDOW_MS, Credentials, Value, json_text, sign_request
from clock import Clock, SystemClock, pause, to_ms
from errors import (
    AuthenticationRejected,
    ConfigError,
    ExchangeUnavailable,
    MalformedResponse,
    OutcomeUnknown,
    TimestampRejected,
    VenueError,
)
from exchanges.coincall.codes import VENUE, error_of_code, error_of_status
from exchanges.coincall.limits import Group, Lane, RateLimiter
from exchanges.coincall.wire import Envelope, excerpt, parse_envelope
from exchanges.coincall.wire_market import parse_time

TIMEOUT = timedelta(seconds=30)
RETRY_PAUSES = (1.0, 2.0, 4.0)
JITTER = 0.1
FAILURES_UNTIL_REBUILD = 5
_MILLISECOND = timedelta(milliseconds=1)  # what the venue cuts off
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Encoding(StrEnum):
    """How a POST writes its fields down; both are signed alike. Source: Coincall API 2.2 (9), 8.2."""

    JSON = "application/json"
    FORM = "application/x-www-form-urlencoded"

    @property
    def other(self) -> "Encoding":
        """Return the other one."""
        return Encoding.FORM if self is Encoding.JSON else Encoding.JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One call of the API: its name in errors, method, path, budget, whether it is signed and changes anything, how its body is written."""

    name: str
    method: str
    path: str
    group: Group
    signed: bool = True
    changes_state: bool = False
    encoding: Encoding = Encoding.JSON


@dataclass(frozen=True, slots=True)
class Reply:
    """The data of a successful answer, as JSON bytes, when it was asked for, and when it arrived.

    What it tells is of some moment between the two: where it carries no time of its own it counts as old as the question.
    """

    data: bytes
    asked_at: datetime
    at: datetime


SERVER_TIME = Endpoint(name="time", method="GET", path="/time", group=Group.MARKET, signed=False)


def validity_window(clock: Clock) -> timedelta:
    """Return how long a signature may stay valid: 5 s, scaled along with a clock that runs faster than the wall."""
    speed = clock.speed if isinstance(clock, SystemClock) else 1.0
    return DEFAULT_WINDOW_MS * _MILLISECOND * max(1.0, speed)


class Transport:
    """A connection pool to one host; every method blocks its worker and may be called from any thread."""

    def __init__(
        self,
        base_url: str,
        clock: Clock,
        *,
        credentials: Credentials | None = None,
        window: timedelta = DEFAULT_WINDOW_MS * _MILLISECOND,
        timeout: timedelta = TIMEOUT,
        workers: int = 8,
        limiter: RateLimiter | None = None,
        rng: random.Random | None = None,
        pause: Callable[[float], None] = pause,
        adapter: Callable[[], BaseAdapter] | None = None,
    ) -> None:
        """Connect to nothing yet; `adapter` may stand in for sockets. Raises ConfigError for a host that would get keys in the clear."""
        url = urlsplit(base_url)
        if url.scheme != "https" and not (url.scheme == "http" and url.hostname in _LOOPBACK):
            raise ConfigError(f"Coincall's address must be https, or http on this machine, not {base_url!r}")
        self._base, self._clock, self._credentials = base_url.rstrip("/"), clock, credentials
        self._window_ms = window // _MILLISECOND
        self._timeout = timeout.total_seconds()
        self._pause = pause
        self._adapter = adapter or (lambda: HTTPAdapter(pool_connections=1, pool_maxsize=workers))
        self._limiter = RateLimiter(clock, pause) if limiter is None else limiter
        self._rng = random.Random() if rng is None else rng
        self._lock = threading.Lock()
        self._failures, self._dark = 0, False  # dark: no answer since the connections were rebuilt, which is said once
        self._skew = timedelta(0)
        self._session = self._new_session()

    @property
    def skew(self) -> timedelta:
        """How far the venue's clock is ahead of ours, as last measured."""
        return self._skew

    def close(self) -> None:
        """Close the idle connections."""
        self._session.close()

    def read(self, endpoint: Endpoint, params: Mapping[str, Value]) -> Reply:
        """Ask until answered, at most four times. Raises ExchangeUnavailable, ExchangeRejected or MalformedResponse."""
        for wait in RETRY_PAUSES:
            try:
                return self._read_in_time(endpoint, params)
            except ExchangeUnavailable as error:
                logger.debug("coincall read retried call={} wait={} reason={}", endpoint.name, wait, error.reason)
                self._pause(wait * self._rng.uniform(1 - JITTER, 1 + JITTER))
        return self._read_in_time(endpoint, params)

    def write(self, endpoint: Endpoint, params: Mapping[str, Value], lane: Lane = Lane.NORMAL) -> Reply:
        """Send once. Raises ExchangeRejected, ExchangeUnavailable (it surely did not arrive) or OutcomeUnknown."""
        try:
            return self._once(endpoint, params, lane)
        except TimestampRejected:
            self._try_to_measure_skew()
            raise
        except MalformedResponse as error:
            raise OutcomeUnknown(VENUE, endpoint.name, error.reason) from error

    def measure_skew(self) -> timedelta:
        """Ask the venue for its time and sign by it from now on; raise VenueError if it does not say.

        The true difference lies between what it would be had the answer taken no time and had the question; where zero lies
        between the two, the clocks agree as far as can be seen.
        """
        reply = self._once(SERVER_TIME, {})
        asked, theirs = reply.asked_at, parse_time(reply.data)
        agree = asked - _MILLISECOND <= theirs <= reply.at
        found = timedelta(0) if agree else theirs - (asked + (reply.at - asked) / 2)
        if found != self._skew:
            logger.info("coincall clock measured skew_ms={}", found / _MILLISECOND)
        self._skew = found
        return found

    def _read_in_time(self, endpoint: Endpoint, params: Mapping[str, Value]) -> Reply:
        try:
            return self._once(endpoint, params)
        except TimestampRejected:
            self._try_to_measure_skew()
            return self._once(endpoint, params)

    def _try_to_measure_skew(self) -> None:
        try:
            self.measure_skew()
        except VenueError as error:
            logger.warning("coincall clock not measured reason={}", error.reason)

    def _once(self, endpoint: Endpoint, params: Mapping[str, Value], lane: Lane = Lane.NORMAL) -> Reply:
        if endpoint.signed and self._credentials is None:
            raise AuthenticationRejected(VENUE, endpoint.name, "needs an API key, and none is configured")
        self._limiter.acquire(endpoint.group, lane)
        asked_at = self._clock.now()
        response = self._sent(endpoint, self._prepared(endpoint, params))
        return Reply(self._judged(endpoint, response.status_code, response.content), asked_at, self._clock.now())

    def _prepared(self, endpoint: Endpoint, params: Mapping[str, Value]) -> requests.PreparedRequest:
        """Sign for this very moment; the body holds the text that is signed."""
        headers = {"Content-Type": endpoint.encoding.value, "Accept": "application/json"}
        if endpoint.signed and self._credentials is not None:
            key, secret = self._credentials.key, self._credentials.secret
            ts = to_ms(self._clock.now() + self._skew)
            headers |= sign_request(endpoint.method, endpoint.path, params, key, secret, ts, diff_ms=self._window_ms)
        prepared = requests.PreparedRequest()
        url = self._base + endpoint.path
        fields = {name: value if isinstance(value, str) else json_text(value) for name, value in params.items() if value is not None}
        if endpoint.method == "GET":
            prepared.prepare(method="GET", url=url, headers=headers, params=fields)
        else:
            body = urlencode(fields) if endpoint.encoding is Encoding.FORM else json_text(params)
            prepared.prepare(method=endpoint.method, url=url, headers=headers, data=body.encode())
        return prepared

    def _sent(self, endpoint: Endpoint, prepared: requests.PreparedRequest) -> requests.Response:
        try:
            response = self._session.send(prepared, timeout=self._timeout, allow_redirects=False)
        except requests.RequestException as error:
            self._count_failure()
            raise self._transport_error(endpoint, error) from error
        self._failures, self._dark = 0, False
        return response

    def _transport_error(self, endpoint: Endpoint, error: requests.RequestException) -> VenueError:
        lost = endpoint.changes_state and not _never_connected(error)
        kind = OutcomeUnknown if lost else ExchangeUnavailable
        return kind(VENUE, endpoint.name, self._redacted(f"{type(error).__name__}: {error}"))

    def _judged(self, endpoint: Endpoint, status: int, body: bytes) -> bytes:
        envelope = self._envelope(endpoint, status, body)
        if envelope is not None and envelope.code != 0:
            raise error_of_code(endpoint.name, envelope.code, self._redacted(envelope.text), changes_state=endpoint.changes_state)
        if envelope is None or not 200 <= status < 300:
            raise error_of_status(endpoint.name, status, self._redacted(excerpt(body)), changes_state=endpoint.changes_state)
        return bytes(envelope.data)

    def _envelope(self, endpoint: Endpoint, status: int, body: bytes) -> Envelope | None:
        """Read the envelope; None where the status alone says what there is to know."""
        if status == 429 or not 200 <= status < 500:
            return None
        try:
            return parse_envelope(body)
        except MalformedResponse as error:
            if status >= 300:
                return None
            raise MalformedResponse(VENUE, endpoint.name, self._redacted(error.reason)) from error

    def _redacted(self, text: str) -> str:
        for word in () if self._credentials is None else (self._credentials.secret, self._credentials.key):
            text = text.replace(word, "[redacted]") if word else text
        return text

    def _count_failure(self) -> None:
        with self._lock:
            self._failures += 1
            if self._failures < FAILURES_UNTIL_REBUILD:
                return
            self._failures, stale, self._session = 0, self._session, self._new_session()
        stale.close()
        level = "DEBUG" if self._dark else "WARNING"
        self._dark = True
        logger.log(level, "coincall connections rebuilt after={} failures in a row", FAILURES_UNTIL_REBUILD)

    def _new_session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("https://", "http://"):
            session.mount(scheme, self._adapter())
        return session


def _never_connected(error: requests.RequestException) -> bool:
    """Tell whether no connection was made (refused, no such host, no answer to the first packet), so that nothing was sent."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)
