"""Readers of single settings: each takes what was written and returns the value, or raises ValueError saying what is allowed."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

SYNTHETIC = "synthetic"


def choice(*allowed: str, fold: Callable[[str], str]) -> Callable[[object], str]:
    """Take one of the allowed words, after folding its case."""

    def read(value: object) -> str:
        if fold(str(value)) not in allowed:
            raise ValueError(f"one of {', '.join(allowed)}")
        return fold(str(value))

    return read


def _number(value: object, low: str, high: str, what: str) -> Decimal:
    try:
        number = Decimal(str(value))
        if Decimal(low) <= number <= Decimal(high):
            return number
    except InvalidOperation:
        pass
    raise ValueError(f"{what} from {low} to {high}")


def seconds(low: str, high: str) -> Callable[[object], timedelta]:
    """Take a number of seconds within bounds as a span of time."""

    def read(value: object) -> timedelta:
        return timedelta(seconds=float(_number(value, low, high, "a number of seconds")))

    return read


def decimal(low: str, high: str, what: str) -> Callable[[object], Decimal]:
    """Take an exact number within bounds."""
    return lambda value: _number(value, low, high, what)


def whole(low: int, high: int) -> Callable[[object], int]:
    """Take a whole number within bounds."""

    def read(value: object) -> int:
        text = str(value)
        if not text.removeprefix("-").isdecimal() or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return read


def levels(low: str, high: str) -> Callable[[object], tuple[Decimal, ...]]:
    """Take numbers within bounds, each above the one before, separated by commas or as a tuple."""
    allowed = f"rising numbers from {low} to {high}, separated by commas"

    def read(value: object) -> tuple[Decimal, ...]:
        parts = value if isinstance(value, tuple) else str(value).split(",")
        found = tuple(_number(str(part).strip(), low, high, allowed) for part in parts)
        if any(after <= before for before, after in pairwise(found)):
            raise ValueError(allowed)
        return found

    return read


def host(scheme: str) -> Callable[[object], str]:
    """Take an address of scheme, host and port; scheme is the plain one (http, ws), allowed only on this machine."""
    secure = f"{scheme}s"
    allowed = f"{secure}://host[:port] and nothing behind it; plain {scheme}:// only on this machine (127.0.0.1, ::1, localhost)"

    def read(value: object) -> str:
        try:
            parts = urlsplit(str(value).removesuffix("/"))
            sound = parts.hostname is not None and parts.port != 0 and parts.netloc == parts.geturl().partition("://")[2]
        except ValueError:
            raise ValueError(allowed) from None
        plain_here = parts.scheme == scheme and _on_this_machine(parts.hostname or "")
        if not sound or "@" in parts.netloc or not (parts.scheme == secure or plain_here):
            raise ValueError(allowed)
        return parts.geturl()

    return read


def _on_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def path(value: object) -> Path:
    """Take a path; ~ is the home directory."""
    return Path(str(value)).expanduser()


def market(value: object) -> Path | str:
    """Take the word synthetic, or a path that exists."""
    if value == SYNTHETIC:
        return SYNTHETIC
    if not path(value).exists():
        raise ValueError(f"{SYNTHETIC}, or the path of a recorded market that exists")
    return path(value)


def maybe(read: Callable[[object], object]) -> Callable[[object], object]:
    """Let None stand for not given."""
    return lambda value: None if value is None else read(value)
