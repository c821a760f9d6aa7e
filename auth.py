"""Sign and verify Coincall requests: pure functions from secret, request and moment to headers and back.

One rule: the text that is signed is the text that is sent. `json_text` writes the body and the signed values alike, so a
number reads the same in both. No function here reads a clock, and no secret or key leaves it except in a header.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

Value = None | bool | int | str | Decimal | Mapping[str, "Value"] | Sequence["Value"]

DEFAULT_WINDOW_MS = 5000


class NumberText(str):
    """A JSON number exactly as it stood in the text; a verifier signs this, so that 2550.0 and 2550 stay two numbers."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Credentials:
    """An API key and its secret; neither shows in a repr."""

    key: str = field(repr=False)
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a signer writes what the documentation leaves open. Source: Coincall API 2.4."""

    true: str = "true"
    false: str = "false"
    keeps_nested_nulls: bool = False


DOCUMENTED = Dialect()
# What live clients have been seen to sign; a lenient verifier tries them in this order.
DIALECTS = (DOCUMENTED, Dialect("True", "False"), Dialect(keeps_nested_nulls=True), Dialect("True", "False", keeps_nested_nulls=True))


def sign_request(
    method: str,
    path: str,
    params: Mapping[str, Value],
    key: str,
    secret: str,
    ts_ms: int,
    *,
    diff_ms: int = DEFAULT_WINDOW_MS,
) -> dict[str, str]:
    """Return the headers of a signed request: key, upper-case hex signature, moment (Unix ms) and validity window (ms).

    Params are the query of a GET or the top-level fields of a POST body, whatever its encoding. Source: Coincall API 2.1, 2.2.
    Raises TypeError for a value that JSON cannot carry exactly (a float), ValueError for a number that is not finite.
    """
    text = prehash(method, path, params, key, ts_ms, diff_ms)
    return {"X-CC-APIKEY": key, "sign": signature(text, secret), "ts": str(ts_ms), "X-REQ-TS-DIFF": str(diff_ms)}


def prehash(
    method: str,
    path: str,
    params: Mapping[str, Value],
    key: str,
    ts_ms: int | str,
    diff_ms: int | str = DEFAULT_WINDOW_MS,
    *,
    dialect: Dialect = DOCUMENTED,
) -> str:
    """Return the text whose HMAC is the signature: parameters sorted by name, then key, moment and window. Source: Coincall API 2.2."""
    pairs = [f"{name}={_scalar_or_json(value, dialect)}" for name, value in sorted(params.items()) if value is not None]
    return f"{method.upper()}{path}?" + "&".join([*pairs, f"uuid={key}", f"ts={ts_ms}", f"x-req-ts-diff={diff_ms}"])


def signature(text: str, secret: str) -> str:
    """Return the HMAC-SHA256 of text as 64 upper-case hex characters."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest().upper()


def verify(text: str, secret: str, given: str) -> bool:
    """Tell whether given is the signature of text, in either case of hex, in constant time."""
    return hmac.compare_digest(signature(text, secret).encode(), given.upper().encode())


def websocket_prehash(key: str, ts_ms: int | str, *, key_name: str = "apiKey") -> str:
    """Return the text signed to open a WebSocket; older clients write the key as `uuid`. Source: Coincall API 11.1."""
    return f"GET/users/self/verify?{key_name}={key}&ts={ts_ms}"


def websocket_query(key: str, secret: str, ts_ms: int) -> str:
    """Return the query that opens a signed WebSocket, the key raw as every client sends it. Source: Coincall API 11.1."""
    sign = signature(websocket_prehash(key, ts_ms), secret)
    return f"code=10&uuid={key}&ts={ts_ms}&sign={sign}&apiKey={key}"


def json_text(value: Value, dialect: Dialect = DOCUMENTED) -> str:
    """Return value as compact JSON in the order given, nulls of objects dropped, numbers plain and without trailing zeros."""
    match value:
        case str() | int() | Decimal() | None:
            return _json_scalar(value)
        case Mapping():
            kept = ((name, item) for name, item in value.items() if item is not None or dialect.keeps_nested_nulls)
            return "{" + ",".join(f"{_json_scalar(name)}:{json_text(item, dialect)}" for name, item in kept) + "}"
        case Sequence():
            return "[" + ",".join(json_text(item, dialect) for item in value) + "]"
        case _:
            raise TypeError(f"{type(value).__name__} cannot be written exactly as JSON; give a Decimal, an int or a str")


def number_text(number: Decimal) -> str:
    """Return number in plain digits without trailing zeros (2550.0 is 2550); raise ValueError unless it is finite."""
    if not number.is_finite():
        raise ValueError(f"{number} is not a finite number")
    text = format(number, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) if number != 0 else "0"


def params_of_json(body: str | bytes) -> dict[str, Value]:
    """Read a JSON body for verification, each number kept as it is written; an empty body has no parameters.

    Raises ValueError unless the body is one JSON object.
    """
    if not body.strip():
        return {}
    found = json.loads(body, parse_int=NumberText, parse_float=NumberText, parse_constant=_refuse)
    if not isinstance(found, dict):
        raise ValueError("the body is not a JSON object")
    return found


def _json_scalar(value: str | int | Decimal | None) -> str:
    match value:
        case NumberText():
            return str(value)
        case Decimal():
            return number_text(value)
        case _:
            return json.dumps(value, ensure_ascii=False)


def _scalar_or_json(value: Value, dialect: Dialect) -> str:
    match value:
        case bool():
            return dialect.true if value else dialect.false
        case str():
            return str(value)
        case _:
            return json_text(value, dialect)


def _refuse(word: str) -> Value:
    raise ValueError(f"{word} is not JSON")
