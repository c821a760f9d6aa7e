"""How Coincall writes its answers: the envelope, exact numbers, and the texts of its refusals. Source: Coincall API 1.2, 1.4 and 13."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import msgspec

from clock import to_ms
from paper import rules

JsonObject = dict[str, object]
_ENCODER = msgspec.json.Encoder()
_SUCCESS = b'{"code":0,"msg":"Success","i18nArgs":null,"data":'
NULL = msgspec.Raw(b"null")
NOTHING = msgspec.Raw(b"0")

MESSAGES: Mapping[int, str] = {
    **rules.MESSAGES,
    500: "Internal servererror",
    10001: "This operation is not allowed",
    10009: "Request method not support",
    10530: "Please enter price",
    10533: "Please enter amount",
    10553: "The server is under maintenance, please try again later.",
    10554: "You are not authorized to execute this request.",
    10557: "Timestamp request expired.",
    10560: "Invalid CC-ACCESS-KEY.",
    10561: "Invalid CC-ACCESS-TIMESTAMP.",
    10562: "Invalid signature.",
    10570: "Parameter {0} cannot be empty.",
    10572: "Parameter {0} count exceeds the limit",
    10579: "Index does not exist.",
    10605: "Operation is too frequent.",
    10609: "You are not able to trade temporarily because the contract is abnormal.",
    10620: "The option has not started or is not ready yet, trading is not allowed.",
    20000: "Coin not exist",
    40006: "Error fund transfer type, transfer sub account's parent user wrong",
    40009: "Transfer amount exceeds can withdraw balance amount",
    40014: "Sub account id error",
}


def plain(number: Decimal) -> str:
    """Return every digit of a number, never with an exponent."""
    return format(number, "f")


def num(number: Decimal | None) -> msgspec.Raw:
    """Return a number as exact JSON number text; null for None."""
    return NULL if number is None else msgspec.Raw(format(number, "f").encode())


def num_or_zero(number: Decimal | None) -> msgspec.Raw:
    """Return a number as exact JSON number text; 0, the venue's "none", for None."""
    return NOTHING if number is None else num(number)


def ms(moment: datetime) -> int:
    """Return a moment as the wire tells it: Unix milliseconds."""
    return to_ms(moment)


def encoded(data: object) -> bytes:
    """Return data as compact JSON."""
    return _ENCODER.encode(data)


def ok(data: object) -> bytes:
    """Return the envelope of success around data."""
    return _SUCCESS + _ENCODER.encode(data) + b"}"


def refusal(code: int, details: tuple[str, ...] = (), message: str | None = None) -> JsonObject:
    """Return the envelope of a refusal; details fill the placeholders of the code's message and travel as i18nArgs."""
    text = MESSAGES.get(code, MESSAGES[10000]) if message is None else message
    return {"code": code, "msg": text.format(*details) if details else text, "i18nArgs": list(details) or None, "data": None}
