"""One request as it arrived: its parameters, wherever they stood, and the texts its signature may have been made over.

Numbers stay the characters the client wrote, since the signature covers those (2550.0 is not 2550). Source: Coincall API 1.3, 2.2 and 2.4.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from urllib.parse import parse_qsl, unquote_plus

from auth import DIALECTS, DOCUMENTED, NumberText, Value, params_of_json, prehash
from clock import from_ms

_INT64 = 2**63
_WIDEST = 30  # digits before or after the point that any price, quantity or amount may have


class Refusal(Exception):
    """The venue's no: its code, the values its message names, and the message where the code's own does not fit."""

    def __init__(self, code: int, *details: str, message: str | None = None) -> None:
        super().__init__(code, *details)
        self.code, self.details, self.message = code, details, message


class NoSuchPath(Exception):
    """Nothing is served under this path, or not to this user: HTTP 404."""


@dataclass(frozen=True, slots=True)
class Params:
    """The parameters of a request by name; an empty text counts as absent everywhere but in the signature."""

    values: Mapping[str, Value] = field(default_factory=dict)

    def maybe_text(self, name: str) -> str | None:
        """Return an optional scalar as it was written; None if absent, 10573 for a list or an object."""
        match self.values.get(name):
            case None | "":
                return None
            case bool(value):
                return "true" if value else "false"
            case str(text):
                return str(text)
            case _:
                raise Refusal(10573, name)

    def text(self, name: str) -> str:
        """Return a required scalar as it was written; refuse with 10570 if absent."""
        value = self.maybe_text(name)
        if value is None:
            raise Refusal(10570, name)
        return value

    def number(self, name: str) -> Decimal:
        """Return a required number, exact; refuse with 10570 or 10573."""
        return _number(name, self.text(name))

    def maybe_number(self, name: str) -> Decimal | None:
        """Return an optional number, exact; refuse with 10573 what is none."""
        text = self.maybe_text(name)
        return None if text is None else _number(name, text)

    def integer(self, name: str) -> int:
        """Return a required 64-bit integer; refuse with 10570 or 10573."""
        return _integer(name, self.text(name))

    def maybe_integer(self, name: str) -> int | None:
        """Return an optional 64-bit integer; refuse with 10573 what is none."""
        text = self.maybe_text(name)
        return None if text is None else _integer(name, text)

    def moment(self, name: str) -> datetime:
        """Return a required moment given in Unix milliseconds; refuse with 10570 or 10573."""
        value = self.integer(name)
        try:
            return from_ms(value)
        except OverflowError:
            raise Refusal(10573, name) from None

    def maybe_moment(self, name: str) -> datetime | None:
        """Return an optional moment given in Unix milliseconds; refuse with 10573 what is none."""
        return None if self.maybe_text(name) is None else self.moment(name)

    def bounded(self, name: str, default: int, at_most: int) -> int:
        """Return an optional count from 1 to at_most; a larger one is cut to it, a smaller one refused with 10573."""
        value = self.maybe_integer(name)
        if value is None:
            return default
        if value < 1:
            raise Refusal(10573, name)
        return min(value, at_most)

    def flag(self, name: str) -> bool:
        """Return an optional yes or no, written as 1, 0, true or false; refuse with 10573 anything else."""
        match (self.maybe_text(name) or "0").lower():
            case "1" | "true":
                return True
            case "0" | "false":
                return False
            case _:
                raise Refusal(10573, name)

    def objects(self, name: str, at_most: int) -> "list[Params]":
        """Return the objects of a required list; refuse with 10570, 10572 or 10573."""
        items = [Params(item) for item in self._list(name, at_most) if isinstance(item, Mapping)]
        if len(items) != len(self._list(name, at_most)):
            raise Refusal(10573, name)
        return items

    def integers(self, name: str, at_most: int) -> list[int]:
        """Return the 64-bit integers of an optional list, [] if absent; refuse with 10572 or 10573."""
        items = [] if self.values.get(name) is None else self._list(name, at_most)
        return [_integer(name, str(item)) for item in items]

    def is_quoted(self, name: str) -> bool:
        """Tell whether a JSON body gave this parameter as a string and not as a number."""
        value = self.values.get(name)
        return isinstance(value, str) and not isinstance(value, NumberText)

    def _list(self, name: str, at_most: int) -> list[Value]:
        match self.values.get(name):
            case None | "":
                raise Refusal(10570, name)
            case list(items) if len(items) <= at_most:
                return items
            case list():
                raise Refusal(10572, name)
            case _:
                raise Refusal(10573, name)


@dataclass(slots=True)
class Request:
    """A request as the wire brought it; `query` is its raw text."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[bytes, bytes] = field(default_factory=dict)
    peer: str = ""
    params: Params = field(default_factory=Params)
    is_form: bool = False

    def header(self, name: bytes) -> str:
        """Return a header by its lower-case name, empty if absent."""
        return self.headers.get(name, b"").decode("latin-1")

    def read(self, body: bytes) -> None:
        """Read body and query; a body of no known type is told by its first character, the query wins. Refuses with 10004."""
        content_type = self.header(b"content-type")
        content = body.strip()
        self.is_form = "form-urlencoded" in content_type or ("json" not in content_type and content[:1] != b"{")
        values = dict(_values_of(content, is_form=self.is_form))
        if self.query:
            values.update(_fields_of(self.query))
        self.params = Params(values)


def signed_texts(request: Request, key: str, ts: str, diff: str, *, lenient: bool) -> Iterator[str]:
    """Yield the texts a signature is accepted for, the documented one first. Source: Coincall API 2.2, 2.4."""
    values = request.params.values
    yield prehash(request.method, request.path, values, key, ts, diff, dialect=DOCUMENTED)
    if not lenient:
        return
    if any(isinstance(value, bool | list | dict) for value in values.values()):
        for dialect in DIALECTS[1:]:
            yield prehash(request.method, request.path, values, key, ts, diff, dialect=dialect)
    if "%" in request.query or "+" in request.query:
        yield prehash(request.method, request.path, {**values, **_encoded_pairs(request.query)}, key, ts, diff)


def _values_of(content: bytes, *, is_form: bool) -> Mapping[str, Value]:
    if not content:
        return {}
    try:
        text = content.decode()
        return _fields_of(text) if is_form else params_of_json(text)
    except (ValueError, RecursionError):
        raise Refusal(10004) from None


def _fields_of(text: str) -> dict[str, Value]:
    """Read a query or a form, whose values are numbers or words as the endpoint wants them."""
    return {name: NumberText(value) for name, value in parse_qsl(text, keep_blank_values=True)}


def _encoded_pairs(query: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    return {unquote_plus(name): value for name, _, value in pairs}


def _number(name: str, text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise Refusal(10573, name) from None
    if not value.is_finite() or len(value.as_tuple().digits) > _WIDEST or abs(value.adjusted()) > _WIDEST:
        raise Refusal(10573, name)
    return value


def _integer(name: str, text: str) -> int:
    if len(text) > 20 or not text.removeprefix("-").isascii() or not text.removeprefix("-").isdigit():
        raise Refusal(10573, name)
    value = int(text)
    if not -_INT64 <= value < _INT64:
        raise Refusal(10573, name)
    return value
