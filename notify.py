"""Alerts to wherever a person looks: each address has a thread of its own, so that none delays another and none delays the program.

One rule: an address is a secret. No log line, error or repr holds one; it is named by its position and its scheme. Whoever raises
an alert never waits and never hears of a failure: that is the log's to tell.
"""

import logging
import re
import threading
import warnings
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from loguru import logger

from clock import monotonic
from domain import Severity
from errors import ConfigError
from events import AlertRaised

MOST_WAITING = 100  # alerts for one address; then the oldest is dropped
RETRY_AFTER = (1.0, 4.0, 16.0)  # real seconds
_RANK = {severity: rank for rank, severity in enumerate(Severity)}
_SCHEME = re.compile(r"[a-z][a-z0-9]{0,19}")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
# Webhooks that have a secure twin: in the clear an alert, which names trades and holdings, must not leave this machine.
_PLAIN_WEBHOOKS = frozenset({"json", "xml", "form"})


class Sender(Protocol):
    """One address that a message can be sent to."""

    def __call__(self, title: str, body: str, severity: Severity, /) -> bool:
        """Send a message, blocking for as long as it takes; tell whether it was taken."""
        ...


class Notifier:
    """Sends alerts to the addresses that a user has configured."""

    def __init__(
        self,
        urls: Sequence[str],
        least: Severity,
        environment: str,
        *,
        retry_after: Sequence[float] = RETRY_AFTER,
        opened: Callable[[str], Sender] | None = None,
    ) -> None:
        """Open each address and begin to wait for alerts of at least a severity. Raises ConfigError for an address that cannot be used."""
        self._least, self._environment = least, environment
        if opened is None and (wrong := problems(urls)):
            raise ConfigError(wrong)
        begin = _opened if opened is None else opened
        self._channels = [_Channel(name_of(n, url), begin(url), retry_after) for n, url in enumerate(urls, 1)]

    def take(self, raised: AlertRaised) -> None:
        """Have an alert sent soon; never blocks and never raises."""
        if _RANK[raised.severity] < _RANK[self._least]:
            return
        message = _Message(f"CoincallTrader {self._environment}: {raised.severity}: {raised.cause}", _body(raised), raised)
        for channel in self._channels:
            channel.put(message)

    def close(self, timeout: float) -> bool:
        """Send what is left, once each, within a timeout (real seconds); tell whether nothing stayed behind."""
        deadline = monotonic() + timeout
        for channel in self._channels:
            channel.finish()
        ended = [
            channel.join(max(0.0, deadline - monotonic())) for channel in self._channels
        ]  # each is waited for, whatever the others did
        return all(ended)

    def __repr__(self) -> str:
        return f"Notifier({', '.join(channel.name for channel in self._channels)})"


def problems(urls: Sequence[str]) -> list[str]:
    """Return what is wrong with addresses, one line each, none of which holds an address. Sends nothing."""
    return [f"alert address {name_of(n, url)}: {wrong}" for n, url in enumerate(urls, 1) if (wrong := _wrong(url)) is not None]


def name_of(position: int, url: str) -> str:
    """Return what an address may be called in public: its position and its scheme, if it has one."""
    scheme, found, _ = url.strip().partition("://")
    return f"{position} ({scheme.lower()})" if found and _SCHEME.fullmatch(scheme.lower()) else f"{position}"


class _Message:
    """A title and a text to send, and the alert they came of."""

    def __init__(self, title: str, body: str, raised: AlertRaised) -> None:
        self.title, self.body, self.raised = title, body, raised


class _Channel:
    """One address with its queue and its thread."""

    def __init__(self, name: str, send: Sender, retry_after: Sequence[float]) -> None:
        self.name, self._send, self._retry_after = name, send, retry_after
        self._changed = threading.Condition()
        self._waiting: deque[_Message] = deque()
        self._dropped, self._closing, self._works = 0, False, True
        self._thread = threading.Thread(target=self._run, name=f"alerts-{name.partition(' ')[0]}", daemon=True)
        self._thread.start()

    def put(self, message: _Message) -> None:
        """Let a message wait to be sent; the oldest makes room for it where too many do."""
        with self._changed:
            full, closing = len(self._waiting) >= MOST_WAITING, self._closing
            dropped = message if closing else self._waiting.popleft() if full else None
            if not closing:
                self._waiting.append(message)
            self._dropped += dropped is not None
            self._changed.notify()
        if dropped is not None:
            because = "the program ends" if closing else "too many wait after it"
            logger.error("alert not delivered", address=self.name, cause=dropped.raised.cause, because=because)

    def finish(self) -> None:
        """Send what waits, each once, and end."""
        with self._changed:
            self._closing = True
            self._changed.notify()

    def join(self, timeout: float) -> bool:
        """Wait for the end; tell, also in the log, whether everything was taken off the queue by then."""
        self._thread.join(timeout)
        with self._changed:
            left = len(self._waiting) + self._thread.is_alive()
            self._waiting.clear()
        if left:
            logger.error("alerts not delivered", address=self.name, count=left, because="the program ended before")
        return left == 0

    def _run(self) -> None:
        while (message := self._next()) is not None:
            if not self._delivered(message):
                cause = message.raised.cause
                logger.error("alert not delivered", address=self.name, cause=cause, because="the address did not take it")

    def _next(self) -> _Message | None:
        """Wait for a message; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            return self._waiting.popleft() if self._waiting else None

    def _delivered(self, message: _Message) -> bool:
        for wait in self._retry_after:
            if self._tried(message):
                return True
            if self._interrupted(wait):
                break
        return self._tried(message)

    def _interrupted(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._closing, seconds)

    def _tried(self, message: _Message) -> bool:
        dropped, body = self._dropped, message.body
        if dropped:
            body += f"\n({dropped} earlier alerts could not be sent here; the journal has them.)"
        try:
            works = self._send(message.title, body, message.raised.severity)
        except Exception as error:  # noqa: BLE001 - somebody else's code on a thread of ours; its words may hold the address
            logger.debug("alert address failed", address=self.name, kind=type(error).__name__)
            works = False
        if works:
            with self._changed:
                self._dropped -= dropped
        if works is not self._works:
            self._works = works
            if works:
                logger.info("alerts are taken again", address=self.name)
            else:
                logger.warning("alerts are not taken", address=self.name)
        return works


def _body(raised: AlertRaised) -> str:
    return f"{raised.message}\nWhat to do: {raised.hint}\n({raised.cause}, {raised.at:%Y-%m-%d %H:%M:%S} UTC)"


# ---- apprise, which costs a tenth of a second and more: imported only where there is an address


def _wrong(url: str) -> str | None:
    schemes = _schemes()
    from apprise import Apprise  # noqa: PLC0415 - as above

    scheme, found, _ = url.strip().lower().partition("://")
    if not found:
        return "it is not of the form scheme://..., see docs/alerts.md"
    if scheme not in schemes:
        return "nothing is known by this scheme; https://appriseit.com lists those there are"
    plugin = Apprise.instantiate(url, suppress_exceptions=True)
    if plugin is None:
        return "it is incomplete or malformed for its scheme"
    if scheme in _PLAIN_WEBHOOKS and str(getattr(plugin, "host", "")).strip("[]") not in _LOOPBACK:
        return f"it would send alerts in the clear to another machine: write {scheme}s://"
    return None


def _opened(url: str) -> Sender:
    from apprise import Apprise, NotifyBase, NotifyType  # noqa: PLC0415 - as above

    plugin = Apprise.instantiate(url, suppress_exceptions=True)
    if not isinstance(plugin, NotifyBase):
        raise ConfigError("an alert address cannot be used")
    kinds = {Severity.INFO: NotifyType.INFO, Severity.WARNING: NotifyType.WARNING, Severity.CRITICAL: NotifyType.FAILURE}

    def send(title: str, body: str, severity: Severity) -> bool:
        return bool(plugin.notify(body=body, title=title, notify_type=kinds[severity]))

    return send


def _schemes() -> Collection[str]:
    """Load apprise with everything it can send to, and keep it from logging: its lines name addresses. Return the schemes it knows."""
    theirs = logging.getLogger("apprise")
    theirs.propagate, theirs.disabled = False, True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the standard library's imghdr, which one of its parts imports
        from apprise.manager_plugins import NotificationManager  # noqa: PLC0415 - as above

        return frozenset(NotificationManager().schemas())  # type: ignore[no-untyped-call]
