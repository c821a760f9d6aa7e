"""Alerts on their way to a person: over real sockets of this machine, to servers that work, fail, hang or are not there."""

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from loguru import logger

from clock import monotonic, pause
from domain import Severity
from errors import ConfigError
from events import AlertRaised
from notify import MOST_WAITING, Notifier, name_of, problems

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOKEN = "s3cret-token-9f8e7d"
ROOT = Path(__file__).resolve().parents[2]


def an_alert(message: str = "the BTC index is 40 s old", severity: Severity = Severity.CRITICAL) -> AlertRaised:
    return AlertRaised(at=NOON, severity=severity, cause="stale BTC", message=message, hint="check the connection")


def until(met: Callable[[], object], within: float = 20.0) -> None:
    deadline = monotonic() + within
    while not met():
        assert monotonic() < deadline
        pause(0.005)


@dataclass
class Webhook:
    """A server that keeps what it is told; it answers `status`, and not before `go_on` is set."""

    received: list[dict[str, str]] = field(default_factory=list)
    status: int = 200
    asked: int = 0
    go_on: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}/{TOKEN}"

    @property
    def messages(self) -> list[str]:
        return [told["message"].splitlines()[0] for told in self.received]


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    hook = Webhook()
    hook.go_on.set()

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.asked += 1
            hook.go_on.wait(20)
            if hook.status == 200:
                hook.received.append(json.loads(body))
            self.send_response(hook.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # whoever asked has gone

    with Quiet(("127.0.0.1", 0), Answer) as server:
        hook.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield hook
        hook.go_on.set()
        server.shutdown()


@pytest.fixture
def log() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line).rstrip()), format="{level} {message} {extra}", level=0)
    yield lines
    logger.remove(sink)


def a_notifier(*urls: str, least: Severity = Severity.INFO, retry_after: tuple[float, ...] = (0.0, 0.0, 0.0)) -> Notifier:
    return Notifier(urls, least, "production", retry_after=retry_after)


def test_an_alert_arrives_with_its_environment_severity_and_what_to_do(webhook: Webhook) -> None:
    notifier = a_notifier(webhook.url)

    notifier.take(an_alert())

    assert notifier.close(20)
    assert webhook.received[0]["title"] == "CoincallTrader production: critical: stale BTC"
    assert webhook.received[0]["message"] == (
        "the BTC index is 40 s old\nWhat to do: check the connection\n(stale BTC, 2026-03-01 12:00:00 UTC)"
    )
    assert webhook.received[0]["type"] == "failure"


def test_what_is_less_urgent_than_asked_for_is_not_sent(webhook: Webhook) -> None:
    notifier = a_notifier(webhook.url, least=Severity.WARNING)

    for severity in Severity:
        notifier.take(an_alert(severity, severity))

    assert notifier.close(20)
    assert webhook.messages == ["warning", "critical"]


def test_a_server_that_fails_for_a_moment_gets_the_alert_in_the_end_and_the_log_tells_each_change_once(
    webhook: Webhook, log: list[str]
) -> None:
    webhook.status = 500
    notifier = a_notifier(webhook.url, retry_after=(0.0, 0.0, 60.0))
    notifier.take(an_alert("first"))
    until(lambda: webhook.asked == 3)
    webhook.status = 200
    notifier.take(an_alert("second"))

    assert notifier.close(20)  # which cuts the wait of a minute short, and tries once more
    assert webhook.messages == ["first", "second"]
    assert [line.partition(" {")[0] for line in log if line.startswith(("WARNING", "INFO", "ERROR"))] == [
        "WARNING alerts are not taken",
        "INFO alerts are taken again",
    ]


def test_after_four_attempts_an_alert_is_given_up_with_an_error(webhook: Webhook, log: list[str]) -> None:
    webhook.status = 500
    notifier = a_notifier(webhook.url)

    notifier.take(an_alert())
    until(lambda: any("alert not delivered" in line for line in log))

    assert webhook.asked == 4
    assert [line for line in log if line.startswith("ERROR")] == [
        "ERROR alert not delivered {'address': '1 (json)', 'cause': 'stale BTC', 'because': 'the address did not take it'}"
    ]
    assert notifier.close(20)


def test_a_server_that_is_not_there_costs_its_neighbour_nothing(webhook: Webhook) -> None:
    notifier = a_notifier(f"json://127.0.0.1:9/{TOKEN}", webhook.url, retry_after=(60.0,))

    notifier.take(an_alert("one"))
    notifier.take(an_alert("two"))

    until(lambda: webhook.messages == ["one", "two"])
    notifier.close(20)


def test_whoever_raises_an_alert_does_not_wait_for_a_server_that_hangs(webhook: Webhook) -> None:
    webhook.go_on.clear()
    notifier = a_notifier(webhook.url)

    for number in range(MOST_WAITING):
        notifier.take(an_alert(str(number)))

    assert webhook.received == []  # everything was taken, and nothing has been answered
    webhook.go_on.set()
    assert notifier.close(20)
    assert len(webhook.received) == MOST_WAITING


def test_the_end_does_not_wait_for_a_server_that_hangs_and_says_what_stays_behind(webhook: Webhook, log: list[str]) -> None:
    webhook.go_on.clear()
    notifier = a_notifier(webhook.url)
    notifier.take(an_alert("one"))
    until(lambda: webhook.asked == 1)
    notifier.take(an_alert("two"))

    assert not notifier.close(0.05)
    assert any("alerts not delivered" in line and "'count': 2" in line for line in log)


def test_the_end_delivers_what_waits(webhook: Webhook) -> None:
    webhook.go_on.clear()
    notifier = a_notifier(webhook.url, retry_after=(60.0,))
    for number in range(5):
        notifier.take(an_alert(str(number)))
    webhook.go_on.set()

    assert notifier.close(20)
    assert webhook.messages == ["0", "1", "2", "3", "4"]


def test_an_alert_after_the_end_is_told_to_be_lost(webhook: Webhook, log: list[str]) -> None:
    notifier = a_notifier(webhook.url)
    assert notifier.close(20)

    notifier.take(an_alert())

    assert any("alert not delivered" in line and "the program ends" in line for line in log)


def test_too_many_alerts_lose_the_oldest_and_the_next_message_says_how_many(log: list[str]) -> None:
    free, told = threading.Event(), list[str]()

    def slow(title: str, body: str, severity: Severity, /) -> bool:
        free.wait(20)
        told.append(body)
        return True

    notifier = Notifier(["json://127.0.0.1"], Severity.INFO, "paper", opened=lambda _: slow)
    notifier.take(an_alert("held by the sender"))
    until(lambda: not any(channel._waiting for channel in notifier._channels))
    for number in range(MOST_WAITING + 3):
        notifier.take(an_alert(f"no {number}"))
    free.set()

    assert notifier.close(20)
    assert told[1].startswith("no 3\n")
    assert "(3 earlier alerts could not be sent here; the journal has them.)" in told[1]
    assert "could not be sent here" not in told[2]
    assert sum("too many wait" in line for line in log) == 3


def test_a_sender_that_raises_is_a_failure_like_any_other_and_its_words_are_not_repeated(log: list[str]) -> None:
    def broken(title: str, body: str, severity: Severity, /) -> bool:
        raise RuntimeError(f"https://hooks.example/{TOKEN} refused")

    notifier = Notifier(["json://127.0.0.1"], Severity.INFO, "paper", opened=lambda _: broken, retry_after=())
    notifier.take(an_alert())

    assert notifier.close(20)
    assert any("alert not delivered" in line for line in log)
    assert TOKEN not in "\n".join(log)


def test_l53_no_address_shows_itself_in_a_log_a_repr_or_a_problem(
    webhook: Webhook, log: list[str], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("apprise").disabled, logging.getLogger("apprise").propagate = False, True  # as a new process has it
    webhook.status = 500
    notifier = a_notifier(webhook.url, f"json://127.0.0.1:9/{TOKEN}")
    notifier.take(an_alert())
    notifier.close(20)
    said = problems([f"foo://{TOKEN}", f"{TOKEN}", f"json://{TOKEN}.example/", f"tgram://{TOKEN}", f"slack://{TOKEN}/"])
    told = capfd.readouterr()

    everything = "\n".join([*log, repr(notifier), str(vars(notifier)), *said, told.out, told.err, caplog.text])
    assert len(said) == 5
    assert TOKEN not in everything
    assert "127.0.0.1" not in everything


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("foo://host", "alert address 1 (foo): nothing is known by this scheme"),
        ("host/path", "alert address 1: it is not of the form scheme://"),
        ("tgram://", "alert address 1 (tgram): it is incomplete or malformed"),
        ("json://elsewhere.example/", "alert address 1 (json): it would send alerts in the clear to another machine: write jsons://"),
        ("FORM://elsewhere.example/", "alert address 1 (form): it would send alerts in the clear"),
    ],
)
def test_an_address_that_cannot_be_used_is_told_at_the_start(url: str, said: str) -> None:
    assert problems([url])[0].startswith(said)
    with pytest.raises(ConfigError, match=r"alert address 1"):
        a_notifier(url)


def test_every_problem_is_told_at_once_and_good_addresses_are_none() -> None:
    good = [
        "jsons://elsewhere.example/hook",
        "json://[::1]:8080/",
        "tgram://123456789:abcdefg_hijklmnop/12315544/",
        "mailto://u:p@mail.example",
    ]

    assert problems(good) == []
    assert len(problems(["foo://a", *good, "bar://b"])) == 2


def test_a_scheme_that_could_be_a_token_is_not_a_name() -> None:
    assert name_of(3, f"{TOKEN}://x") == "3"
    assert name_of(3, "TGRAM://x") == "3 (tgram)"


def test_without_an_address_apprise_is_not_even_loaded() -> None:
    program = (
        "import sys, notify\nfrom domain import Severity\n"
        "notify.Notifier((), Severity.INFO, 'paper').close(1)\nprint('apprise' in sys.modules, notify.problems(()))"
    )
    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert told.stdout.split() == ["False", "[]"]


def test_a_slow_answer_is_given_up_after_the_senders_own_patience(webhook: Webhook) -> None:
    """The socket of apprise waits four seconds for an answer; without that a hanging server would hold its address for ever."""
    from apprise import Apprise

    plugin = Apprise.instantiate(webhook.url)
    assert plugin is not None and not isinstance(plugin, dict)
    assert plugin.socket_connect_timeout == 4.0
    assert plugin.socket_read_timeout == 4.0
