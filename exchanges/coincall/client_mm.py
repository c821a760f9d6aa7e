"""The client of what Coincall keeps for market makers: countdown cancel, protection, and batches whose rows name their orders.

Its one rule is that of `client`: it adds nothing of its own. An account without the grant is answered with HTTP 404 or `not.allow`:
ExchangeRejected, nothing happened. Source: Coincall API 5.17, 9.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TypeVar

from auth import Value
from errors import MalformedResponse, OutcomeUnknown
from exchanges.coincall import wire_mm
from exchanges.coincall.client import BATCH_SIZE
from exchanges.coincall.codes import VENUE
from exchanges.coincall.limits import Group, Lane
from exchanges.coincall.transport import Endpoint, Reply, Transport
from exchanges.coincall.wire_mm import CancelAnswer, Countdown, ProtectionStanding, ProtectionTerms

T = TypeVar("T")

OPTIONS = 1  # one mechanism for all products: 2 is futures, 3 spot
SHORTEST, LONGEST = timedelta(seconds=1), timedelta(milliseconds=100_000_000)
LEAST_LIMIT = Decimal("0.01")
_MILLISECOND = timedelta(milliseconds=1)
_COUNTDOWN = "/open/futures/countdown/cancel"


def _query(name: str, path: str) -> Endpoint:
    return Endpoint(name=name, method="GET", path=path, group=Group.QUERY)


def _write(name: str, path: str) -> Endpoint:
    return Endpoint(name=name, method="POST", path=path, group=Group.CANCEL, changes_state=True)


# Their pages name no limits; what keeps orders from being orphaned shares the budget of cancels and its urgent lane.
_SET_COUNTDOWN = _write("set countdown", f"{_COUNTDOWN}/v1")
_GET_COUNTDOWNS = _query("countdowns", f"{_COUNTDOWN}/get/v1")
_RESET_COUNTDOWN = _write("reset countdown", f"{_COUNTDOWN}/heartbeat/v1")
_SET_PROTECTION = _write("set protection", "/open/mmp/set-mmp-config/v1")
_GET_PROTECTION = _query("protection", "/open/mmp/get-mmp-config/v1")
_RESET_PROTECTION = _write("reset protection", "/open/mmp/reset-mmp/v1")
_BATCH_CANCEL = _write("batch cancel", "/open/option/order/batchCancel/v1")


class CoincallMakerClient:
    """Coincall's calls for market makers over one transport; every method blocks its worker and may be called from any thread."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    # ---- countdowns

    def set_countdown(self, index: str, span: timedelta) -> None:
        """Begin a countdown for the option orders of an index such as BTCUSD, or end it with a span of zero; ValueError below zero."""
        if span < timedelta(0):
            raise ValueError(f"a countdown cannot last {span}")
        params: dict[str, Value] = {"symbol": index, "type": OPTIONS, "countdownTime": span // _MILLISECOND}
        self._affirmed(_SET_COUNTDOWN, params)

    def get_countdown(self) -> tuple[Countdown, ...]:
        """Return the countdowns for options that are in effect."""
        return wire_mm.parse_countdowns(self._transport.read(_GET_COUNTDOWNS, {"type": OPTIONS}).data)

    def reset_countdown(self, indexes: Sequence[str]) -> tuple[str, ...]:
        """Begin countdowns from their start; return the indexes for which the venue says it did. Raises ValueError for none."""
        if not indexes:
            raise ValueError("a reset names at least one index")
        reply = self._transport.write(_RESET_COUNTDOWN, {"symbols": ",".join(indexes), "type": OPTIONS}, Lane.URGENT)
        return _read(_RESET_COUNTDOWN, reply, wire_mm.parse_symbols)

    # ---- protection

    def set_mmp(self, index: str, terms: ProtectionTerms) -> None:
        """Set or change the protection of an index; raise ValueError for what the documented ranges do not hold."""
        spans = (terms.window,) if terms.freeze is None else (terms.window, terms.freeze)
        if not all(SHORTEST <= span <= LONGEST for span in spans):
            raise ValueError(f"window and freeze last {SHORTEST} to {LONGEST}, not {', '.join(map(str, spans))}")
        limits = [limit for limit in (terms.qty_limit, terms.delta_limit) if limit is not None]
        if not limits or min(limits) < LEAST_LIMIT:
            raise ValueError(f"a protection has a limit of quantity, of delta or both, each at least {LEAST_LIMIT}")
        freeze = timedelta(0) if terms.freeze is None else terms.freeze
        self._affirmed(
            _SET_PROTECTION, {**_window(index, terms.window, freeze), "qtyLimit": terms.qty_limit, "deltaLimit": terms.delta_limit}
        )

    def remove_mmp(self, index: str) -> None:
        """Remove the protection of an index; marked orders are refused from then on."""
        self._affirmed(_SET_PROTECTION, _window(index, timedelta(0), timedelta(0)))

    def get_mmp(self, index: str) -> ProtectionStanding | None:
        """Return the protection of an index as it stands; None if there is none."""
        return wire_mm.parse_protection(self._transport.read(_GET_PROTECTION, {"indexName": index}).data)

    def reset_mmp(self, index: str) -> None:
        """Thaw the account on an index: marked orders are taken again."""
        reply = self._transport.write(_RESET_PROTECTION, {"instType": "OPTION", "indexName": index}, Lane.URGENT)
        if not _read(_RESET_PROTECTION, reply, wire_mm.parse_protection_reset):
            raise OutcomeUnknown(VENUE, _RESET_PROTECTION.name, "answered with success and no result")

    # ---- batches

    def cancel_many(self, client_ids: Sequence[int]) -> tuple[CancelAnswer, ...]:
        """Ask to cancel up to 40 orders by our ids; rows may come in any order and say which is whose. ValueError for none or more."""
        if not 0 < len(client_ids) <= BATCH_SIZE:
            raise ValueError(f"a batch holds 1 to {BATCH_SIZE} orders, not {len(client_ids)}")
        reply = self._transport.write(_BATCH_CANCEL, {"clientOrderIdList": list(client_ids)}, Lane.URGENT)
        return _read(_BATCH_CANCEL, reply, wire_mm.parse_cancel_answers)

    def _affirmed(self, endpoint: Endpoint, params: dict[str, Value]) -> None:
        if not _read(endpoint, self._transport.write(endpoint, params, Lane.URGENT), wire_mm.parse_yes):
            raise OutcomeUnknown(VENUE, endpoint.name, "answered with success and false")


def _window(index: str, window: timedelta, freeze: timedelta) -> dict[str, Value]:
    return {"indexName": index, "intervalTime": window // _MILLISECOND, "frozenTime": freeze // _MILLISECOND}


def _read(endpoint: Endpoint, reply: Reply, parse: Callable[[bytes], T]) -> T:
    """Read the answer to a write; one of success that cannot be read leaves its outcome unknown."""
    try:
        return parse(reply.data)
    except MalformedResponse as error:
        raise OutcomeUnknown(VENUE, endpoint.name, f"accepted, but the answer cannot be read: {error.reason}") from error
